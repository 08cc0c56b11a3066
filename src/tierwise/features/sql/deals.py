"""Own opportunity history as of each row, and the outcome within the horizon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwise.clock import naive
from tierwise.data import Query
from tierwise.features.catalogue import LONGEST_AGO
from tierwise.features.sql.links import became
from tierwise.features.sql.spine import DAY_US, Step, known

if TYPE_CHECKING:
    from datetime import datetime

    from tierwise.config import Outcome


def opportunity_history() -> Step:
    """Opportunities opened, open, won and lost before as_of; closed_at counts only if the opportunity is closed."""
    closed = f"(o.is_closed AND {known('o.closed_at')})"
    return "opportunity_history", Query(f"""
        SELECT s.account_id, s.as_of,
               CAST(count(*) AS DOUBLE) AS n_opened,
               CAST(count(*) FILTER (WHERE NOT coalesce({closed}, FALSE)) AS DOUBLE) AS n_open,
               CAST(count(*) FILTER (WHERE {closed} AND o.is_won) AS DOUBLE) AS n_won,
               CAST(count(*) FILTER (WHERE {closed} AND NOT coalesce(o.is_won, FALSE)) AS DOUBLE) AS n_lost,
               (epoch_us(s.as_of) - epoch_us(max(o.created_at))) / {float(DAY_US)} AS days_since_opened,
               (epoch_us(s.as_of) - epoch_us(max(o.closed_at) FILTER (WHERE {closed}))) / {float(DAY_US)}
                   AS days_since_closed
        FROM spine s JOIN opportunities o ON o.account_id = s.account_id AND {known("o.created_at")}
             AND (o.deleted_at IS NULL OR NOT {known("o.deleted_at")})
        GROUP BY s.account_id, s.as_of
    """)


def _ago(days: str) -> str:
    """Days ago, up to the longest that counts; missing where it never happened."""
    return f"CASE WHEN {days} IS NOT NULL THEN least({days}, {float(LONGEST_AGO)}) END"


FEATURES = {
    "opportunities_before": "coalesce(oh.n_opened, 0)",
    "opportunities_won_before": "coalesce(oh.n_won, 0)",
    "opportunities_lost_before": "coalesce(oh.n_lost, 0)",
    "days_since_opportunity_opened": _ago("oh.days_since_opened"),
    "days_since_opportunity_closed": _ago("oh.days_since_closed"),
}
"""Feature -> its expression in the final select, over `opportunity_history oh`."""


def outcome_table(outcome: Outcome) -> str:
    """The table that holds the outcome; its data_through decides what is mature."""
    return {
        "opportunity_created": "opportunities",
        "opportunity_won": "opportunities",
        "stage_reached": "opportunity_stages",
        "activity": "activities",
    }[outcome.event]


def events(outcome: Outcome) -> Query:
    """Every outcome, whenever: account_id, happened_at. A deleted opportunity is withdrawn: it is no outcome.

    A disputed activity is one all the same: what an account was learned to have done stays as it was.
    """
    params: dict[str, object] = {}
    tests = ["TRUE"]

    def among(column: str, values: tuple[str, ...]) -> None:
        if values:
            params[column] = list(values)
            tests.append(f"list_contains(${column}, e.{column})")

    if outcome.event == "activity":
        among("kind", outcome.kinds)
        among("channel", outcome.channels)
        tests.append("NOT e.restored")
        source = f"SELECT e.account_id, e.occurred_at AS happened_at FROM touch e WHERE {' AND '.join(tests)}"
    else:
        among("type", outcome.types)
        among("pipeline", outcome.pipelines)
        among("product", outcome.products)
        if outcome.min_amount is not None:
            params["min_amount"] = outcome.min_amount
            tests.append("e.amount >= $min_amount")
        tests.append("e.deleted_at IS NULL")
        at = "e.created_at"
        entered = ""
        if outcome.event == "opportunity_won":
            at = "e.closed_at"
            tests.append("e.is_closed AND e.is_won")
        elif outcome.event == "stage_reached":
            params["stages"] = list(outcome.stages)
            at = "g.entered_at"
            entered = "JOIN opportunity_stages g ON g.opportunity_id = e.opportunity_id"
            tests.append("list_contains($stages, g.stage)")
        source = f"SELECT e.account_id, {at} AS happened_at FROM opportunities e {entered} WHERE {' AND '.join(tests)}"
    return Query(f"SELECT account_id, happened_at FROM ({source}) WHERE happened_at IS NOT NULL", params)


def outcomes(outcome: Outcome, data_through: datetime) -> Step:
    """Per row the first outcome in [as_of, as_of + horizon), and whether that horizon has closed in the data.

    What an account did that a provisional one became is the provisional one's outcome too.
    """
    happened = events(outcome)
    return "outcomes", Query(
        f"""
        WITH own AS ({happened.sql}), became AS ({became()}), event AS (
            SELECT account_id, happened_at FROM own
            UNION ALL
            SELECT b.provisional_id, o.happened_at FROM own o JOIN became b ON b.account_id = o.account_id)
        SELECT s.account_id, s.as_of,
               s.as_of + to_days($horizon) <= $through AS mature,
               min(v.happened_at) AS outcome_at
        FROM spine s LEFT JOIN event v
             ON v.account_id = s.account_id AND v.happened_at >= s.as_of AND v.happened_at < s.as_of + to_days($horizon)
        GROUP BY s.account_id, s.as_of
        """,
        {**happened.params, "horizon": outcome.horizon_days, "through": naive(data_through)},
    )


def deals(outcome: Outcome, through: datetime) -> Query:
    """Every opportunity of the types, pipelines, products and least amount that the outcome asks for, as known then.

    Columns: opportunity_id, account_id, opened_at (for an outcome that is a stage: when it was reached), closed_at
    (null: open), won, amount (of a won one, as it was closed), currency. A deal is open until its close is known: what
    it is to bring, and whether it is won, are read from then on. Where the outcome asks for a least amount, open deals
    are left out, as theirs is not known yet.
    """
    params: dict[str, object] = {"through": naive(through)}
    tests = ["(e.deleted_at IS NULL OR e.deleted_at >= $through)"]
    for column, values in (("type", outcome.types), ("pipeline", outcome.pipelines), ("product", outcome.products)):
        if values:
            params[column] = list(values)
            tests.append(f"list_contains(${column}, e.{column})")
    opened, entered = "e.created_at", ""
    if outcome.event == "stage_reached":
        params["stages"] = list(outcome.stages)
        opened = "g.entered_at"
        entered = """JOIN (SELECT opportunity_id, min(entered_at) AS entered_at FROM opportunity_stages
                           WHERE list_contains($stages, stage) GROUP BY opportunity_id) g
                     ON g.opportunity_id = e.opportunity_id"""
    closed = "coalesce(e.is_closed AND e.closed_at < $through, FALSE)"
    if outcome.min_amount is not None:
        params["min_amount"] = outcome.min_amount
        tests.append(f"{closed} AND e.amount >= $min_amount")
    return Query(
        f"""
        SELECT opportunity_id, account_id, opened_at, CASE WHEN closed THEN closed_at END AS closed_at,
               closed AND won AS won, CASE WHEN closed AND won THEN amount END AS amount, currency
        FROM (SELECT e.opportunity_id, e.account_id, {opened} AS opened_at, e.closed_at, {closed} AS closed,
                     coalesce(e.is_won, FALSE) AS won, CAST(e.amount AS DOUBLE) AS amount, e.currency
              FROM opportunities e {entered} WHERE {" AND ".join(tests)})
        WHERE opened_at < $through ORDER BY opportunity_id
        """,
        params,
    )
