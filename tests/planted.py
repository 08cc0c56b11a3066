"""What a model learned of a synthetic world, beside what was planted there."""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tierwise.config import Plan, Settings
from tierwise.data import read_tables
from tierwise.features import Matrix, build_matrix
from tierwise.learning import PropensityModel
from tierwise.synthetic import World
from tierwise.synthetic.activity import KIND, KINDS
from tierwise.synthetic.effects import SIZE_BANDS

SAYING = {
    "industry": ("industry",),
    "country": ("country", "region"),
    "employee_count": ("employee_count", "annual_revenue"),
}
"""Attribute -> the features that say it, in whole or in part; of a technology, its flag."""
Tables = dict[str, pa.Table]

COLUMNS = ["effect", "planted", "learned"]
BEFORE = timedelta(days=3)
NOTHING = "nothing"


def fit_effects(world: World, model: PropensityModel, now: Matrix) -> pd.DataFrame:
    """COLUMNS, a line for each planted level: what being at it rather than elsewhere is worth, planted and learned.

    planted: the level's effect less the mean effect of all accounts at other levels, in log-hazard. learned: the mean
    log-odds that the features which say the attribute give to accounts at the level, less the mean of all others.
    """
    parts, lines = model.contributions(now.frame), []
    effects = world.effects
    for attribute, saying in SAYING.items():
        learned, at = parts[list(saying)].sum(axis=1).to_numpy(), _levels(now.frame, attribute)
        planted = at.map(effects[attribute]).to_numpy(dtype=np.float64)
        for level in effects[attribute]:
            here = (at == level).to_numpy()
            elsewhere = at.notna().to_numpy() & ~here
            lines.append((f"{attribute} {level}", *(v[here].mean() - v[elsewhere].mean() for v in (planted, learned))))
    for technology, effect in effects["technologies"].items():
        name = f"technologies_{technology}"
        have, lack = (now.frame[name].to_numpy(dtype=np.float64) == flag for flag in (1, 0))
        lines.append((technology, effect, parts.loc[have, name].mean() - parts.loc[lack, name].mean()))
    return pd.DataFrame(lines, columns=COLUMNS)


def _levels(frame: pd.DataFrame, attribute: str) -> pd.Series:
    if attribute != "employee_count":
        return frame[attribute]
    edges = [least for _, least, _ in SIZE_BANDS] + [np.inf]
    return pd.cut(frame[attribute], edges, right=False, labels=[label for label, *_ in SIZE_BANDS]).astype(object)


def signal_effects(world: World, model: PropensityModel, plan: Plan, now: Matrix, end: datetime) -> pd.DataFrame:
    """COLUMNS, a line for each kind of buyer activity: the log-odds that one of it adds, planted and learned.

    learned: by experiment. Each account is given one activity, three days before `end`, the kinds dealt in turn, and is
    read again, from the export on; the mean of what its signal side gained. One account in every round is given
    nothing, nor are those that it does not hold (leads' companies).
    """
    planted = world.signal_effects(end)
    dealt = np.array([*planted, NOTHING])[np.arange(len(now.frame)) % (len(planted) + 1)]
    dealt[~now.frame["account_id"].isin(world.utility.index)] = NOTHING
    given = pd.Series(dealt, index=now.frame["account_id"])
    with tempfile.TemporaryDirectory() as folder:
        for name, table in _with(world.tables(end), given[given != NOTHING], end - BEFORE).items():
            pq.write_table(table, Path(folder) / f"{name}.parquet")
        intake = read_tables(Path(folder), Settings(threads=1))
    with intake.warehouse as warehouse:
        then = build_matrix(warehouse, plan, (end,)).eligible().frame
    if then["account_id"].tolist() != now.frame["account_id"].tolist():
        raise AssertionError("one more activity changed who is in the cohort")
    gained = model.sides(then)[1] - model.sides(now.frame)[1]
    if gained[dealt == NOTHING].any():
        raise AssertionError("accounts that were given nothing gained something")
    lines = [(kind, effect, gained[dealt == kind].mean()) for kind, effect in planted.items()]
    return pd.DataFrame(lines, columns=COLUMNS)


def _with(tables: Tables, given: pd.Series, at: datetime) -> Tables:
    """The tables with one more activity for each account, of the kind given, recorded at once, a second apart."""
    activities = tables["activities"]
    when = pd.date_range(at.replace(tzinfo=None), periods=len(given), freq="s")
    more = pd.DataFrame(
        {
            "activity_id": [f"given-{account}" for account in given.index],
            "account_id": given.index,
            "occurred_at": when,
            "recorded_at": when,
            "channel": [KINDS[KIND[kind]].channel for kind in given],
            "kind": given.to_numpy(),
            "initiator": "buyer",
        }
    ).reindex(columns=activities.column_names)
    return {**tables, "activities": pa.concat_tables([activities, pa.Table.from_pandas(more, activities.schema)])}
