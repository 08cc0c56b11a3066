"""What a matrix costs: 5 million activities and 120,000 account-months, beside a plain scan and a range join.

    python benchmarks/matrix.py [ACTIVITIES] [ACCOUNTS] [MONTHS]

Prints seconds and their ratio to one plain scan and aggregation of the same activities in the same run. The range join
(every activity with every date whose windows hold it, for the four counts alone) is run on a tenth of the accounts.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pyarrow as pa

from tierwise.clock import grid, instant
from tierwise.config import Plan
from tierwise.data import Query, Warehouse
from tierwise.features import build_matrix

THREADS = 2
CHANNELS = ("web", "email", "event", "meeting", "intent", "product")
RANGE_JOIN = """
    SELECT s.account_id, g.as_of,
           count(*) FILTER (WHERE a.occurred_at >= g.as_of - INTERVAL 7 DAY) AS n7,
           count(*) FILTER (WHERE a.occurred_at >= g.as_of - INTERVAL 30 DAY) AS n30,
           count(*) FILTER (WHERE a.occurred_at >= g.as_of - INTERVAL 90 DAY) AS n90,
           count(*) AS n365
    FROM tenth s CROSS JOIN (SELECT unnest($as_ofs) AS as_of) g
    LEFT JOIN activities a ON a.account_id = s.account_id AND a.known_at < g.as_of
         AND a.occurred_at >= g.as_of - INTERVAL 365 DAY
    GROUP BY ALL
"""


def world(activities: int, accounts: int, months: int) -> tuple[dict[str, pa.Table], tuple]:
    """Activities at random instants over the months and the year before them."""
    rng = np.random.default_rng(0)
    first = np.datetime64("2023-01-01", "us")
    span = int((months + 12) * 30.4 * 86_400_000_000)
    ids = np.array([f"a{n:06d}" for n in range(accounts)])
    occurred = first + rng.integers(0, span, activities).astype("timedelta64[us]")
    late = np.where(rng.random(activities) < 0.1, rng.integers(0, 20 * 86_400_000_000, activities), 0)
    tables = {
        "accounts": pa.table({"account_id": ids, "created_at": np.full(accounts, first - np.timedelta64(1, "D"))}),
        "activities": pa.table(
            {
                "activity_id": np.arange(activities).astype(str),
                "account_id": ids[rng.integers(0, accounts, activities)],
                "occurred_at": occurred,
                "recorded_at": occurred + late.astype("timedelta64[us]"),
                "channel": np.array(CHANNELS)[rng.integers(0, len(CHANNELS), activities)],
                "kind": np.array(["a", "b"])[rng.integers(0, 2, activities)],
                "initiator": np.full(activities, "buyer"),
            }
        ),
    }
    start = instant("2024-01-01")
    return tables, grid("month", start, start + timedelta(days=31 * months))[:months]


def timed(what: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


def main(activities: int = 5_000_000, accounts: int = 5_000, months: int = 24) -> None:
    """Run and print."""
    tables, as_ofs = world(activities, accounts, months)
    channels = {c: {"tracked_from": "2023-01-01", "kinds": ["a", "b"]} for c in CHANNELS}
    plan = Plan.model_validate({"plan": "bench", "features": {"signal": {"channels": channels}}})
    with Warehouse.open(tables, THREADS) as warehouse:
        del tables
        scan = timed(
            lambda: warehouse.frame(
                Query("SELECT account_id, channel, kind, count(*), max(known_at) FROM activities GROUP BY ALL")
            )
        )
        found = []
        build = timed(lambda: found.append(build_matrix(warehouse, plan, as_ofs)))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        warehouse.run(
            Query("CREATE TEMP TABLE tenth AS SELECT account_id FROM accounts ORDER BY account_id LIMIT $n",
                  {"n": max(accounts // 10, 1)})
        )  # fmt: skip
        joined = timed(lambda: warehouse.frame(Query(RANGE_JOIN, {"as_ofs": [a.replace(tzinfo=None) for a in as_ofs]})))
    matrix = found[0]
    print(f"{activities:,} activities, {len(matrix.frame):,} rows x {len(matrix.features)} features, {THREADS} threads")
    print(f"plain scan and aggregation   {scan:8.2f} s   1.0")
    print(f"the whole matrix             {build:8.2f} s   {build / scan:.1f}   peak memory {memory:.1f} GB")
    ratio = joined / scan
    print(f"range join, 4 counts, 1/10   {joined:8.2f} s   {ratio:.1f}   (x 10 accounts: {10 * ratio:.0f})")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
