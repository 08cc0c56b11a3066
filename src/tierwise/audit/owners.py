"""Columns that say who works an account, not who it is."""

from __future__ import annotations

import pandas as pd

from tierwise.audit.columns import Evidence
from tierwise.audit.finding import AuditRules
from tierwise.data import TABLES

PURE = 0.95
"""A column is an owner's if so much of it is the commonest value of the account's owner."""
LEAST_OWNERS = 5
MOST_TERRITORIES = 12
"""So many values may be territories of one owner each; more that are one owner's each stand for the owner."""
LEAST_MOVED = 10
"""Fewer accounts that changed hands do not say whether a column goes with the owner."""


def of_owners(values: pd.DataFrame, owners: pd.Series, before: pd.Series, rules: AuditRules) -> dict[str, Evidence]:
    """Columns with a value of each owner's own (they stand for the owner), or constant within each owner.

    before: the owner that an account had before its present one, null if it never changed hands. One owner to each
    territory looks the same as a field of the owner: it is strong only where there are too many values to be
    territories, or where the value goes with the account to its new owner; never of the contract's own attributes.
    """
    known = owners.notna()
    if known.sum() < rules.least_rows or owners.nunique() < LEAST_OWNERS:
        return {}
    found = {}
    for name in values.columns:
        both = known & values[name].notna()
        mine, owner = values.loc[both, name], owners[both]
        if owner.nunique() < LEAST_OWNERS or mine.nunique() < 2 or len(mine) < 5 * owner.nunique():
            continue
        within, back = _purity(mine, owner), _purity(owner, mine)
        overall = float(mine.value_counts(normalize=True).iloc[0])
        if within < PURE or overall > 1 - (1 - PURE) * 2:
            continue
        moved, followed = _changed_hands(mine, owner, before[both])
        figures = {
            "within_owner": within, "within_value": back, "owners": int(owner.nunique()), "values": int(mine.nunique()),
            "moved": moved, "followed": followed,
        }  # fmt: skip
        found[name] = _evidence(figures, ours=name in TABLES["accounts"].names)
    return found


def _evidence(figures: dict[str, float], *, ours: bool) -> Evidence:
    """What a column that is constant within owners is; ours: an attribute of the contract."""
    said = f"{figures['within_owner']:.0%} of the accounts of one owner hold one value"
    if figures["within_value"] < PURE:
        words, do = f"{said} of it: it may say who works an account", "Leave it out if owners set it"
        return Evidence("constant_by_owner", False, words, do, figures)
    words = f"it stands for the owner: {said}, and each value is one owner's"
    moved, followed = figures["moved"], figures["followed"]
    follows = moved >= LEAST_MOVED and followed >= PURE * moved
    if follows:
        words += f"; {followed:,} of {moved:,} accounts that changed hands hold the new owner's"
    strong = not ours and (follows or figures["values"] > MOST_TERRITORIES)
    do = (
        "Leave it out: it tells who works an account, not who it is"
        if strong
        else "Leave it out if owners set it: it tells who works an account as well as who it is"
    )
    return Evidence("owner_field", strong, words, do, figures)


def _changed_hands(mine: pd.Series, owner: pd.Series, before: pd.Series) -> tuple[int, int]:
    """Of the accounts that came from an owner of another usual value: how many there are, and hold the new one's."""
    usual = mine.groupby(owner).agg(lambda held: held.value_counts().index[0])
    new, old = owner.map(usual), before.map(usual)
    moved = old.notna() & (old != new)
    return int(moved.sum()), int((moved & (mine == new)).sum())


def _purity(values: pd.Series, by: pd.Series) -> float:
    """The share of rows that hold the commonest value of their group."""
    counts = pd.DataFrame({"by": by.to_numpy(), "value": values.to_numpy()}).value_counts()
    return float(counts.groupby(level="by").max().sum() / counts.sum())
