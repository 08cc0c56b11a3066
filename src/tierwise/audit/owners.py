"""Columns that say who works an account, not who it is."""

from __future__ import annotations

import pandas as pd

from tierwise.audit.columns import Evidence
from tierwise.audit.finding import AuditRules

PURE = 0.95
"""A column is an owner's if so much of it is the commonest value of the account's owner."""
LEAST_OWNERS = 5


def of_owners(values: pd.DataFrame, owners: pd.Series, rules: AuditRules) -> dict[str, Evidence]:
    """Columns with a value of each owner's own (they stand for the owner), or constant within each owner."""
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
        alike = back >= PURE
        words = (
            f"it stands for the owner: {within:.0%} of the accounts of one owner hold one value, and each value is one "
            "owner's"
            if alike
            else f"{within:.0%} of the accounts of one owner hold one value of it: it may say who works an account"
        )
        do = "Leave it out: it tells who works an account, not who it is" if alike else "Leave it out if owners set it"
        figures = {"within_owner": within, "within_value": back, "owners": int(owner.nunique())}
        found[name] = Evidence("owner_field" if alike else "constant_by_owner", alike, words, do, figures)
    return found


def _purity(values: pd.Series, by: pd.Series) -> float:
    """The share of rows that hold the commonest value of their group."""
    counts = pd.DataFrame({"by": by.to_numpy(), "value": values.to_numpy()}).value_counts()
    return float(counts.groupby(level="by").max().sum() / counts.sum())
