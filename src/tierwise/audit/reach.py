"""From when the data really are: the first sustained activity, not one stray row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

import pandas as pd

from tierwise.clock import instant
from tierwise.data import TABLES, Query, quoted
from tierwise.features import make_touch

if TYPE_CHECKING:
    from tierwise.data import Warehouse

FOLLOWING = 3
"""A day begins something sustained if so many gaps after it are usual ones:"""
USUAL, SPARE_DAYS = 10, 7
"""at most so many times the median gap, plus so many days."""


@dataclass(frozen=True)
class Days:
    """The distinct days of something, oldest first; `what` says of what."""

    what: str
    days: tuple[date, ...]


def sustained_from(days: Sequence[date]) -> date:
    """The first of these days after which the next ones follow as they usually do.

    >>> sustained_from([date(2019, 1, 1), *(date(2024, 3, d) for d in range(1, 20))])
    datetime.date(2024, 3, 1)
    """
    ordered = sorted(set(days))
    gaps = [(b - a).days for a, b in pairwise(ordered)]
    if not gaps:
        return ordered[0]
    usual = USUAL * median(gaps) + SPARE_DAYS
    for n, day in enumerate(ordered):
        if all(gap <= usual for gap in gaps[n : n + FOLLOWING]):
            return day
    return ordered[0]


def history_days(warehouse: Warehouse) -> Days:
    """The days on which buyers acted; else those of any activity, of opportunities opened, of accounts created."""
    make_touch(warehouse)
    day = "SELECT DISTINCT CAST({} AS DATE) AS day FROM {}"
    tried = {
        "activities of buyers": day.format("occurred_at", "touch WHERE initiator = 'buyer'"),
        "activities": day.format("occurred_at", "touch"),
        "opportunities": day.format("created_at", "opportunities"),
        "accounts": day.format("created_at", "accounts WHERE created_at IS NOT NULL"),
    }
    for what, sql in tried.items():
        found = warehouse.frame(Query(f"{sql} ORDER BY day"))["day"]
        if len(found):
            return Days(what, tuple(pd.Timestamp(d).date() for d in found))
    return Days("nothing dated", ())


def reaches(warehouse: Warehouse) -> dict[str, datetime]:
    """How far each table that holds outcomes reaches: the newest instant that its clock says."""
    found = {}
    for name in ("activities", "opportunities", "opportunity_stages"):
        newest = ", ".join(f"max({quoted(c)})" for c in TABLES[name].clock)
        value = warehouse.frame(Query(f"SELECT greatest({newest}) AS newest FROM {name}"))["newest"][0]
        if not pd.isna(value):
            found[name] = instant(value.to_pydatetime())
    return found
