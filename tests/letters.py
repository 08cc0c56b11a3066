"""An outbox of a few accounts in a real store, as a scoring run leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import pandas as pd

from tierwise.clock import naive
from tierwise.config.hours import WorkingHours
from tierwise.routing.actions import action_id
from tierwise.routing.deadlines import Terms
from tierwise.store import RunRecord, Store

FIRST = datetime(2026, 1, 5, tzinfo=UTC)
PLAN = "new_business"
TIME = 48
"""Each action's time, in hours of Monday to Friday, day and night."""
DAY_AND_NIGHT = WorkingHours(opens=0, closes=24 * 60)


@cache
def over(start: datetime, hours: int) -> datetime:
    """When so many hours of Monday to Friday are over, day and night, minute by minute."""
    at, left = start, hours * 60
    while left:
        left -= at.weekday() < 5
        at += timedelta(minutes=1)
    return at


def run_of(day: int, sequence: str = "a") -> RunRecord:
    as_of = FIRST + timedelta(days=day)
    return RunRecord(
        run_id=f"{as_of:%Y%m%d}-{sequence}", plan=PLAN, as_of=as_of, kind="scheduled",
        model_version="m", policy_version="p", inputs="i", prior_state="s", counts={},
    )  # fmt: skip


def states(tiers: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame({"account_id": list(tiers), "tier": list(tiers.values())})


def actions(accounts: Sequence[str], day: int, play: str = "focus", motion: str = "1:1 ABM") -> pd.DataFrame:
    as_of = FIRST + timedelta(days=day)
    return pd.DataFrame(
        [
            {
                "action_id": action_id(PLAN, account, as_of, play),
                "account_id": account,
                "play": play,
                "motion": motion,
                "owner": "revops",
                "tier": "tier_1",
                "message": f"{account}: do {play}",
                "due_at": pd.Timestamp(naive(over(as_of, TIME))),
                "name": account,
                "overdue_of": "",
                "not_before": pd.NaT,
            }
            for account in accounts
        ]
    )


def watching(owed: pd.DataFrame, day: int, play: str, hours: int) -> pd.DataFrame:
    """An overdue play of each of some actions, so many hours past the time until when they were due."""
    as_of = FIRST + timedelta(days=day)
    rows = []
    for one in owed.to_dict("records"):
        due = one["due_at"].to_pydatetime()
        own = {"play": play, "overdue_of": one["action_id"], "not_before": pd.Timestamp(over(due, hours))}
        own["terms"] = Terms(DAY_AND_NIGHT, sla_hours=TIME, after_hours=hours).said()
        own["action_id"] = action_id(PLAN, one["account_id"], as_of, play, one["action_id"])
        rows.append(one | own | {"message": f"{one['account_id']}: {play} of {one['play']}"})
    return pd.DataFrame(rows)


def commit(store: Store, day: int, owed: pd.DataFrame, tiers: dict[str, str] | None = None) -> None:
    """A scheduled run that owes these actions; every account of theirs stands in tier_1 if nothing else is said."""
    standing = tiers or dict.fromkeys(owed["account_id"].unique(), "tier_1")
    moved = pd.DataFrame({"account_id": owed["account_id"].unique(), "previous_tier": "", "tier": "tier_1"})
    moved = moved.assign(movement="entered", cause="data")
    assert store.commit_run(run_of(day), states(standing), moved, owed)
