"""The views of a model that a training keeps: plain JSON values, for the bundle's meta and the training's page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tierwise.explain.evidence import Evidence, family_of
from tierwise.explain.reasons import reasons
from tierwise.explain.views import dependence, importance, segments
from tierwise.learning.points import OTHER, point_table
from tierwise.plain import plain

if TYPE_CHECKING:
    from tierwise.features.matrix import Matrix
    from tierwise.learning.model import PropensityModel

MOST_ACCOUNTS = 5000
"""Importance and dependence are read off so many accounts at most, evenly spread over their ids."""
TOP = 8
"""So many features have their dependence shown."""
LEVELS = 11
"""So many levels of a category at most, the most frequent ones."""
REASONS = 5
"""How many reasons an account is shown."""


def overview(model: PropensityModel, matrix: Matrix, unseen: pd.DataFrame, found: Evidence) -> dict[str, Any]:
    """What counts for how many accounts, the points, how the top features bend the log-odds, and the weak segments.

    Importance and dependence are of each account's newest row in the cohort, points of the rows trained on.

    unseen : `Trained.unseen`. found : what is proven to tell anything (`evidence`).
    """
    newest = newest_rows(matrix)
    counts = importance(reasons(model, newest, found), model.features, REASONS)
    points = point_table(model, matrix.eligible().mature().frame)
    return {
        "accounts": len(newest.frame),
        "reasons": REASONS,
        "importance": plain(counts.drop(columns="rows")),
        "points": None if points is None else plain(points),
        "base": model.base,
        "curved": model.curve is not None,
        "dependence": [_bent(model, newest, name) for name in top_features(model, newest, found)],
        "segments": _segments(unseen, matrix),
    }


def newest_rows(matrix: Matrix, most: int = MOST_ACCOUNTS) -> Matrix:
    """Each account's newest row in the cohort, of at most so many accounts, evenly spread over their ids."""
    rows = matrix.eligible()
    last = rows.where(~rows.frame.duplicated("account_id", keep="last"))
    if len(last.frame) <= most:
        return last
    order = np.argsort(last.frame["account_id"].to_numpy().astype(str), kind="stable")
    kept = np.zeros(len(order), dtype=bool)
    kept[order[np.linspace(0, len(order) - 1, most).round().astype(np.int64)]] = True
    return last.where(kept)


def top_features(model: PropensityModel, rows: Matrix, found: Evidence, n: int = TOP) -> list[str]:
    """The features of proven families with the greatest mean absolute contribution, greatest first; none that is 0."""
    size = model.contributions(rows.frame).abs().mean()
    proven = [f.name for f in model.features if found.of_family(f.side, family_of(f)) and size[f.name] > 0]
    return sorted(proven, key=lambda name: (-float(size[name]), name))[:n]


def _bent(model: PropensityModel, rows: Matrix, name: str) -> dict[str, Any]:
    """A feature's dependence; of a category the most frequent levels, with what the model pools as one."""
    (feature,) = (f for f in model.features if f.name == name)
    said = {"feature": name, "side": feature.side, "family": family_of(feature), "words": feature.words}
    said |= {"kind": feature.kind, "unit": feature.unit, "absent": feature.absent}
    if feature.kind != "category":
        return said | {"lines": plain(dependence(model, rows, name)), "more": 0}
    column, known = rows.frame[name], model.estimator.encoder_.levels[name]
    pooled = column.where(column.isin(known) | column.isna(), OTHER)
    view = dependence(model, _with(rows, name, pooled), name).sort_values("mean", ascending=False, kind="stable")
    kept = view.loc[view["n"].rank(method="first", ascending=False) <= LEVELS]
    return said | {"lines": plain(kept), "more": len(view) - len(kept)}


def _with(rows: Matrix, name: str, column: pd.Series) -> Matrix:
    return replace(rows, frame=rows.frame.assign(**{name: column.astype(object)}))


def _segments(unseen: pd.DataFrame, matrix: Matrix) -> dict[str, Any]:
    found = segments(unseen, matrix)
    named = {f.name: {"words": f.words, "kind": f.kind} for f in matrix.features}
    lines = [line | named[line["feature"]] for line in plain(found.frame)]
    return found.to_dict() | {"segments": lines}
