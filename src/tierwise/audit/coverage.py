"""Outcome coverage: of the last year's outcomes, how many the cohort would have seen coming, and why not the rest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd

from tierwise.clock import grid, naive
from tierwise.data import Query
from tierwise.features import build_statuses, outcome_events
from tierwise.features.sql.links import became

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierwise.config.plan import Plan
    from tierwise.data import Warehouse

YEAR_DAYS = 365
WHY = {
    "in_cohort": "stood in the cohort beforehand",
    "in_cohort_as_lead": "stood in the cohort beforehand, as a provisional account of its leads",
    "unknown_account": "the account is not in accounts",
    "created_with_outcome": "the account was created with the outcome: less than a day before it, or after it",
    "between_dates": "the account came after the last date of the grid before the outcome",
    "no_date": "no date of the grid lies within the horizon before it",
    "deleted": "the account was deleted",
    "customer": "the account was a customer already",
    "no_customer": "the account was no customer",
    "in_pipeline": "the account had an open opportunity already",
    "country": "the cohort's countries leave it out",
    "industry": "the cohort's industries leave it out",
    "too_young": "the account was younger than the cohort asks for",
    "ended": "an activity had ended it for good",
    "no_domain": "no activity within the cohort's days, and no domain to find any by",
    "inactive": "no activity within the cohort's days",
}
"""Why an outcome was foreseeable or not, in words; the first that holds counts."""


@dataclass(frozen=True)
class Coverage:
    """What the cohort would have seen of the outcomes in `(since, through]`.

    frame : a row a reason that any outcome has, in the order of `WHY`: reason, words, outcomes, accounts (distinct),
        share (of all outcomes). Its outcomes add up to `outcomes`.
    """

    since: datetime
    through: datetime
    frame: pd.DataFrame

    @property
    def outcomes(self) -> int:
        """All outcomes of that time."""
        return int(self.frame["outcomes"].sum())

    @property
    def covered(self) -> int:
        """Outcomes of accounts that stood in the cohort on a date of the grid whose horizon they lie in."""
        return int(self.frame.loc[self.frame["reason"].isin(["in_cohort", "in_cohort_as_lead"]), "outcomes"].sum())


def outcome_coverage(warehouse: Warehouse, plan: Plan, through: datetime) -> Coverage:
    """Give each outcome of the year up to `through` (a UTC instant) the one reason why it was foreseeable or not."""
    since = through - timedelta(days=YEAR_DAYS)
    first = since - timedelta(days=plan.outcome.horizon_days)
    every = plan.cohort.grid.every
    dates = () if every is None else grid(every, first, through)
    build_statuses(warehouse, plan, dates or (first, through))
    found = warehouse.frame(_reasons(plan, since, through, dates))
    total = max(int(found["outcomes"].sum()), 1)
    place = {reason: i for i, reason in enumerate(WHY)}
    found = found.sort_values("reason", key=lambda column: column.map(place), ignore_index=True)
    frame = pd.DataFrame(
        {
            "reason": found["reason"].astype("str"),
            "words": found["reason"].map(WHY).astype("str"),
            "outcomes": found["outcomes"].astype("int64"),
            "accounts": found["accounts"].astype("int64"),
            "share": found["outcomes"].astype("float64") / total,
        }
    )
    return Coverage(since, through, frame)


def _reasons(plan: Plan, since: datetime, through: datetime, dates: Sequence[datetime]) -> Query:
    """reason, outcomes, accounts: over `status`, `account_start`, `claims` and `lead_links`, as
    `build_statuses` leaves them.

    Of the rows within whose horizon an outcome lies, one in the cohort suffices; else the newest says why not.
    """
    events = outcome_events(plan.outcome)
    inside = "s.as_of <= e.happened_at AND e.happened_at < s.as_of + to_days($horizon)"
    return Query(
        f"""
        WITH event AS (
            SELECT row_number() OVER () AS n, account_id, happened_at
            FROM ({events.sql}) WHERE happened_at > $since AND happened_at <= $through
        ), stood AS (
            SELECT e.n, bool_or(s.status = 'eligible') AS eligible, arg_max(s.rule, s.as_of) AS rule
            FROM event e JOIN status s ON s.account_id = e.account_id AND {inside} GROUP BY e.n
        ), led AS (
            SELECT e.n, bool_or(s.status = 'eligible') AS eligible
            FROM event e JOIN ({became()}) b ON b.account_id = e.account_id
            JOIN status s ON s.account_id = b.provisional_id AND {inside} GROUP BY e.n
        ), dates AS (
            SELECT e.n, max(d.as_of) AS newest
            FROM event e JOIN (SELECT CAST(unnest($dates) AS TIMESTAMP) AS as_of) d
                 ON d.as_of <= e.happened_at AND e.happened_at < d.as_of + to_days($horizon)
            GROUP BY e.n
        ), judged AS (
            SELECT e.account_id, CASE
                WHEN a.account_id IS NULL THEN 'unknown_account'
                WHEN st.eligible THEN 'in_cohort'
                WHEN l.eligible THEN 'in_cohort_as_lead'
                WHEN k.known_from IS NULL OR k.known_from > e.happened_at - INTERVAL 1 DAY THEN 'created_with_outcome'
                WHEN st.n IS NULL AND k.known_from >= d.newest THEN 'between_dates'
                WHEN st.n IS NULL THEN 'no_date'
                WHEN st.rule = 'inactive' AND a.domain IS NULL THEN 'no_domain'
                ELSE st.rule END AS reason
            FROM event e
            LEFT JOIN accounts a ON a.account_id = e.account_id
            LEFT JOIN account_start k ON k.account_id = e.account_id
            LEFT JOIN stood st ON st.n = e.n
            LEFT JOIN led l ON l.n = e.n
            LEFT JOIN dates d ON d.n = e.n
        )
        SELECT reason, count(*) AS outcomes, count(DISTINCT account_id) AS accounts FROM judged GROUP BY reason
        """,
        {
            **events.params,
            "horizon": plan.outcome.horizon_days,
            "since": naive(since),
            "through": naive(through),
            "dates": [naive(date) for date in dates],
        },
    )
