"""How many rows of a plan's cohort there are on each as_of, and how many have the outcome: no feature is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tierwise.clock import naive
from tierwise.data import Query
from tierwise.features.build import build_statuses, who_is_who
from tierwise.features.sql.deals import outcomes
from tierwise.features.sql.spine import readable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pandas as pd

    from tierwise.config import Plan
    from tierwise.data import Warehouse
    from tierwise.features.sql.spine import Step


@dataclass(frozen=True)
class CohortCounts:
    """The eligible, mature rows of each as_of, oldest first, with and without the outcome; and accounts with it."""

    as_of: npt.NDArray[np.datetime64]
    having: npt.NDArray[np.float64]
    lacking: npt.NDArray[np.float64]
    accounts: int


def cohort_counts(warehouse: Warehouse, plan: Plan, as_ofs: Sequence[datetime], through: datetime) -> CohortCounts:
    """Count what `build_matrix` would give as eligible, mature rows on these as-of instants."""
    if not as_ofs:
        none = np.array([], dtype="datetime64[us]")
        return CohortCounts(none, np.array([]), np.array([]), 0)
    build_statuses(warehouse, _lean(plan), as_ofs)
    _make(warehouse, [outcomes(plan.outcome, through)])
    of_date = warehouse.frame(
        Query("""
        SELECT s.as_of, count(*) AS mature, count(y.outcome_at) AS having
        FROM status s JOIN outcomes y ON y.account_id = s.account_id AND y.as_of = s.as_of
        WHERE s.status = 'eligible' AND y.mature GROUP BY s.as_of ORDER BY s.as_of
        """)
    )
    accounts = warehouse.frame(
        Query("""
        SELECT count(DISTINCT s.account_id) AS n
        FROM status s JOIN outcomes y ON y.account_id = s.account_id AND y.as_of = s.as_of
        WHERE s.status = 'eligible' AND y.mature AND y.outcome_at IS NOT NULL
        """)
    )["n"][0]
    having = of_date["having"].to_numpy(dtype=np.float64)
    return CohortCounts(
        of_date["as_of"].to_numpy(dtype="datetime64[us]"),
        having,
        of_date["mature"].to_numpy(dtype=np.float64) - having,
        int(accounts),
    )


def foreseen(warehouse: Warehouse, since: datetime, through: datetime) -> int:
    """How many accounts have had the outcome by `through` after an as_of from `since` on on which they were eligible.

    Whether its horizon has closed or not; of the rows that `cohort_counts` counted last.
    """
    return warehouse.number(
        Query(
            """
            SELECT count(DISTINCT s.account_id)
            FROM status s JOIN outcomes y ON y.account_id = s.account_id AND y.as_of = s.as_of
            WHERE s.status = 'eligible' AND s.as_of >= $since AND y.outcome_at <= $through
            """,
            {"since": since, "through": through},
        )
    )


def make_touch(warehouse: Warehouse) -> None:
    """Make the table `touch`: every activity with the account that it reaches."""
    _make(warehouse, who_is_who())


def seller_touches(warehouse: Warehouse, now: datetime) -> pd.DataFrame:
    """Activities of sellers that are known by now and reach an account: account_id, occurred_at."""
    make_touch(warehouse)
    return warehouse.frame(
        Query(
            f"SELECT account_id, occurred_at FROM touch t WHERE t.initiator = 'seller' AND {readable('t', '$now')} "
            "ORDER BY account_id, occurred_at",
            {"now": naive(now)},
        )
    )


def _make(warehouse: Warehouse, steps: Sequence[Step]) -> None:
    for table, query in steps:
        warehouse.run(Query(f"CREATE OR REPLACE TEMP TABLE {table} AS {query.sql}", query.params))


def _lean(plan: Plan) -> Plan:
    """The plan without what only features need; its channels stay where the cohort asks for recent activity."""
    signal = plan.features.signal
    kept = {"channels": signal.channels if plan.cohort.active_within_days else {}, "triggers": (), "value_of": ()}
    features = plan.features.model_copy(update={"fit": (), "signal": signal.model_copy(update=kept)})
    return plan.model_copy(update={"features": features})
