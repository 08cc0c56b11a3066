"""Facts that people marked wrong, counted by where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tierwise.governance.plain import plain

SOURCES = ("source", "n", "accounts")


@dataclass(frozen=True)
class Disputes:
    """How many facts are disputed, of how many accounts, and by source.

    by_source : source (the channel of an activity, or `accounts.` and an attribute), n, accounts; most first.
    """

    n: int
    accounts: int
    by_source: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """The counts as plain JSON values."""
        return dict(plain(self))


def count_disputes(disputes: pd.DataFrame | None) -> Disputes:
    """Count disputed facts (source, account_id; null: an account that is not known); None: there are none."""
    if disputes is None or disputes.empty:
        return Disputes(0, 0, pd.DataFrame(columns=list(SOURCES)))
    grouped = disputes.groupby("source", as_index=False).agg(n=("source", "size"), accounts=("account_id", "nunique"))
    ordered = grouped.sort_values(["n", "source"], ascending=[False, True], ignore_index=True)
    return Disputes(len(disputes), int(disputes["account_id"].nunique()), ordered)
