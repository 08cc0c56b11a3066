"""What moved between two published runs, account by account, and counted by who looks after the accounts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from tierwise.config import STATUSES, TIERS
from tierwise.tiers.bands import LEVELS, NONE, Flags, Ints
from tierwise.tiers.causes import movement

MOVEMENTS = ("up", "down", "entered", "left")
GONE = "It is no longer among the accounts."
MERGED = "It was merged into another account, which goes on in its place."
COLUMNS = (
    "account_id",
    "name",
    "owner_id",
    "group",
    "tier_then",
    "tier_now",
    "movement",
    "cause",
    "moved_on",
    "times",
    "why",
    "propensity_then",
    "propensity_now",
    "new_in_tier_1",
    "waiting",
    "overridden",
    "stands",
)


def moved(then: pd.DataFrame, now: pd.DataFrame, steps: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    """A row for each account of either run, in account_id order: COLUMNS; pure.

    `movement` is net, from its tier then to its tier now (`""`: as it was, however often it moved between); `cause`,
    `moved_on` and `why` are of its last step, of which there were `times`. Of an account without a step that came into
    the tables or went out of them since, the cause is `merge` where it was merged away, else `data`. `waiting`: its
    owner, territory or team is full; `overridden`: a person set it; `stands`: why it stands where it does now.

    Parameters
    ----------
    then, now : the published tiers of two runs: account_id, tier, propensity, guardrails, why.
    steps : the movements of the runs after the first and up to the second, oldest first: account_id, as_of, cause, why.
    accounts : account_id, name, owner_id, group (who looks after it; missing where nobody does), merged (whether it was
        merged into another).
    """
    ids = pd.Index(sorted({*then["account_id"], *now["account_id"]}), dtype=object)
    before, after = then.set_index("account_id").reindex(ids), now.set_index("account_id").reindex(ids)
    known = accounts.drop_duplicates("account_id").set_index("account_id").reindex(ids)
    last = steps.drop_duplicates("account_id", keep="last").set_index("account_id").reindex(ids)
    kind = pd.Series(movement(_levels(before["tier"]), _levels(after["tier"])), index=ids)
    merged = known["merged"].eq(True) & after["tier"].isna()
    told = last["cause"].fillna("").ne("")
    cause = last["cause"].where(told, pd.Series(np.where(merged, "merge", "data"), index=ids))
    gone = pd.Series(np.where(merged, MERGED, GONE), index=ids).where(after["tier"].isna(), after["why"])
    columns = {
        "account_id": ids,
        "name": _text(known["name"]),
        "owner_id": _text(known["owner_id"]),
        "group": _text(known["group"]),
        "tier_then": _text(before["tier"]),
        "tier_now": _text(after["tier"]),
        "movement": kind,
        "cause": cause.where(kind != "", ""),
        "moved_on": last["as_of"].where(kind != ""),
        "times": steps["account_id"].value_counts().reindex(ids).fillna(0).astype("int64"),
        "why": last["why"].where(told & last["why"].notna(), gone).fillna("").where(kind != "", ""),
        "propensity_then": before["propensity"].astype("float64"),
        "propensity_now": after["propensity"].astype("float64"),
        "new_in_tier_1": (after["tier"] == "tier_1") & (before["tier"] != "tier_1"),
        "waiting": _held(after["guardrails"], "owner_full"),
        "overridden": _held(after["guardrails"], "override"),
        "stands": _text(after["why"]),
    }
    return pd.DataFrame({name: np.asarray(columns[name]) for name in COLUMNS})


def by_group(moves: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The accounts of each group, by its name; those of nobody last, as `""`."""
    groups = dict(iter(moves.groupby("group", sort=False)))
    for name in sorted(groups, key=lambda name: (name == "", str(name))):
        yield str(name), groups[name]


def counted(moves: pd.DataFrame) -> dict[str, Any]:
    """How many accounts there are now, moved (in all, by movement and cause), wait, are set, and stand in each tier."""
    kinds = moves["movement"]
    line: dict[str, Any] = {"accounts": int((moves["tier_now"] != "").sum()), "moved": int((kinds != "").sum())}
    line |= {kind: int((kinds == kind).sum()) for kind in MOVEMENTS}
    line |= {name: int(moves[name].sum()) for name in ("new_in_tier_1", "waiting", "overridden")}
    line["came_back"] = int(((kinds == "") & (moves["times"] > 0)).sum())
    causes = moves[kinds != ""].groupby(["cause", "movement"]).size().unstack(fill_value=0)
    causes = causes.reindex(columns=list(MOVEMENTS), fill_value=0)
    order = sorted(causes.index, key=lambda cause: (-int(causes.loc[cause].sum()), str(cause)))
    line["causes"] = [
        {"cause": str(cause), **{kind: int(causes.loc[cause, kind]) for kind in MOVEMENTS}}
        | {"n": int(causes.loc[cause].sum())}
        for cause in order
    ]
    then, now = moves["tier_then"].value_counts(), moves["tier_now"].value_counts()
    line["tiers"] = [
        {"tier": tier, "then": int(then.get(tier, 0)), "now": int(now.get(tier, 0))} for tier in (*TIERS, *STATUSES)
    ]
    return line


def _levels(tiers: pd.Series) -> Ints:
    return np.asarray(tiers.map(LEVELS).fillna(NONE).to_numpy(dtype="int64"))


def _text(column: pd.Series) -> pd.Series:
    return column.astype(object).where(column.notna(), "")


def _held(guardrails: pd.Series, rule: str) -> Flags:
    """Whether a rule is among `;`-joined guardrails."""
    codes, distinct = pd.factorize(guardrails)
    among = np.array([rule in str(text).split(";") for text in distinct] + [False], dtype=bool)
    return np.asarray(among[codes])
