"""The SLA clock: what is done, late, due and overdue, against a slow and obvious count; and as `status` shows it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

import nursery
import tierwise
from tierwise.clock import naive
from tierwise.jobs import status
from tierwise.jobs.stops import worked
from tierwise.routing.clock import STATES, counted, on_the_clock

NOW = datetime(2026, 1, 31, tzinfo=UTC)
DAY = st.integers(0, 40)


def at(hours: float) -> datetime:
    return datetime(2026, 1, 1) + timedelta(hours=hours)


def slow(as_of: datetime, due_at: datetime | None, touched: list[datetime]) -> tuple[datetime | None, str]:
    """The first touch from as_of on, and where that leaves the action."""
    later = sorted(t for t in touched if t >= as_of)
    if later:
        return later[0], "done_late" if due_at is not None and later[0] > due_at else "done"
    if due_at is None:
        return None, "open"
    return None, "overdue" if due_at <= naive(NOW) else "due"


@settings(max_examples=150, deadline=None)
@given(
    owed=st.lists(st.tuples(st.sampled_from("abc"), DAY, st.none() | st.integers(0, 20)), min_size=1, max_size=12),
    seen=st.lists(st.tuples(st.sampled_from("abcd"), DAY), max_size=12),
)
def test_it_says_what_a_slow_count_says_in_any_order(
    owed: list[tuple[str, int, int | None]], seen: list[tuple[str, int]]
) -> None:
    rows = [(a, at(24 * d), None if s is None else at(24 * (d + s))) for a, d, s in owed]
    actions = pd.DataFrame(rows, columns=["account_id", "as_of", "due_at"]).astype({"due_at": "datetime64[us]"})
    touches = pd.DataFrame([(a, at(24 * d)) for a, d in seen], columns=["account_id", "occurred_at"])
    found = on_the_clock(actions, touches, NOW)
    for (account, as_of, due_at), line in zip(rows, found.to_dict("records"), strict=True):
        done_at, state = slow(as_of, due_at, [at(24 * d) for a, d in seen if a == account])
        assert line["state"] == state
        assert (None if pd.isna(line["done_at"]) else line["done_at"]) == done_at
    table = counted(found.assign(tier="tier_1"), "tier")
    assert table["n"].sum() == table[list(STATES)].to_numpy().sum() == len(rows)


def test_a_touch_at_the_due_time_is_in_time_and_one_before_the_action_is_none() -> None:
    actions = pd.DataFrame(
        {"account_id": ["a", "b", "c"], "as_of": [at(24)] * 3, "due_at": [at(48), at(48), naive(NOW)]}
    )
    touches = pd.DataFrame({"account_id": ["a", "b"], "occurred_at": [at(48), at(23.9)]})
    assert on_the_clock(actions, touches, NOW)["state"].tolist() == ["done", "overdue", "overdue"]
    none = touches.head(0)
    assert on_the_clock(actions, none, NOW)["state"].tolist() == ["overdue"] * 3
    assert counted(on_the_clock(actions.head(0), touches, NOW).assign(tier=""), "tier").empty


def test_a_merged_accounts_work_is_done_at_what_it_became() -> None:
    actions = pd.DataFrame({"account_id": ["old", "new", "x"], "as_of": [at(24)] * 3, "due_at": [at(48)] * 3})
    touches = pd.DataFrame({"account_id": ["new"], "occurred_at": [at(30)]})
    found = worked(actions, touches, {"old": "new"}, NOW)
    assert found["state"].tolist() == ["done", "done", "overdue"]
    assert found["account_id"].tolist() == ["old", "new", "x"]


def test_status_counts_the_work_by_what_sellers_did_and_knows_nothing_of_later(small_demo: Path) -> None:
    workspace, plan = tierwise.load_workspace(small_demo), "new_business"
    early, late = (status(workspace, now=at_) for at_ in (datetime(2025, 12, 1, tzinfo=UTC), NOW))
    owed = late.clock["tier"]
    assert late.plan == plan
    assert owed["n"].sum() == late.clock["owner"]["n"].sum() > early.clock["tier"]["n"].sum() > 0
    assert owed["done"].sum() > 0
    assert owed["overdue"].sum() > 0
    activities = pd.read_parquet(small_demo / "tables" / "activities.parquet")
    assert (activities["initiator"] == "seller").any()
    told = nursery.tierwise("-C", small_demo, "status", "--as-of", "2026-01-01")
    assert told.returncode == 0, told.stderr
    assert "Work owed, by tier" in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 80
    as_json = json.loads(nursery.tierwise("-C", small_demo, "--json", "status", "--as-of", "2026-01-01").stdout)
    tiers = {row["tier"]: row for row in as_json["clock"]["tier"]}
    assert set(tiers) <= {"tier_1", "tier_2", "tier_3", "recycle", "in_pipeline", "customer", "not_eligible"}
    assert np.sum([row["n"] for row in tiers.values()]) > 0
