"""Plays by movement: staying, statuses and stages of opportunities, each owed once, whatever runs were missed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exports import AS_OF
from tables import as_tables
from tierwise.clock import instant, naive
from tierwise.config import Play, Plays, Policy, Settings
from tierwise.data import Warehouse, resolve
from tierwise.errors import UsageError
from tierwise.jobs.rows import stages_on
from tierwise.routing import Before, owed
from tierwise.routing.standing import STAGE_COLUMNS
from tierwise.tiers import decide, next_state

START = instant("2026-03-02")
DAY = timedelta(days=1)
SAID: dict[str, Any] = {"motion": "call", "owner": "revops", "message": "", "kpi": ""}


def plays(**play: Any) -> Plays:
    return Plays(plays=(Play(play="p", **SAID, **play),))


def account(name: str = "a", **facts: Any) -> dict[str, Any]:
    blank = {"excluded_by": None, "negative_trigger": None, "owner_id": None, "propensity": 0.2, "roles_reached": ""}
    signals = {"signals_7d": 0.0, "signals_prior_weekly": 1.0, "contacts_7d": 0.0, "channels_7d": 1.0}
    scores = {"fit_score": 80.0, "signal_score": 80.0, "days_since_signal": 9.0, "coverage": "none"}
    return {"account_id": name, "status": "eligible", **blank, **signals, **scores, **facts}


def walk(which: Plays, runs: Sequence[tuple[datetime, dict[str, Any]]], **more: Any) -> list[list[str]]:
    """Decide and owe run by run, each on the state of the one before; the action ids of each."""
    state, found = pd.DataFrame(), []
    for as_of, facts in runs:
        decided = decide(pd.DataFrame([account(**facts)]), state, Policy(), as_of)
        before = Before(state[["account_id", "as_of"]] if len(state) else None or _nobody(), more.get("stages"))
        again = [owed(decided, which, pd.DataFrame(), "p", as_of, run, before=before) for run in ("r1", "r2")]
        assert again[0]["action_id"].tolist() == again[1]["action_id"].tolist(), "a run that is repeated owes the same"
        found.append(again[0]["action_id"].tolist())
        state = next_state(decided)
    return found


def _nobody() -> pd.DataFrame:
    return pd.DataFrame({"account_id": pd.Series(dtype="str"), "as_of": pd.Series(dtype="datetime64[us]")})


def counts(found: list[list[str]]) -> list[int]:
    return [len(ids) for ids in found]


@settings(max_examples=60, deadline=None)
@given(days=st.lists(st.integers(1, 200), min_size=1, max_size=12, unique=True).map(sorted), every=st.integers(1, 40))
def test_staying_is_owed_once_for_each_multiple_and_none_is_lost_under_missed_days(days: list[int], every: int) -> None:
    runs = [(START, {}), *((START + day * DAY, {}) for day in days)]
    got = counts(walk(plays(tiers=("tier_2",), movements=("stayed",), every_days=every), runs))
    seen = {0}
    for day, n in zip([0, *days], got, strict=True):
        over = set(range(1, day // every + 1)) - seen
        assert n == bool(over), f"day {day}: {over} fell due since the run before"
        seen |= over
    assert max(got) <= 1
    assert seen == set(range(days[-1] // every + 1)), "every multiple was owed by some run"


def test_the_clock_of_staying_begins_anew_in_each_tier_and_not_in_others() -> None:
    stay = plays(tiers=("tier_1", "tier_2"), movements=("stayed",), every_days=10)
    high = {"signal_score": 95.0, "coverage": "reached", "roles_reached": "champion"}
    runs = [(START, {}), (START + 9 * DAY, high), (START + 10 * DAY, high), (START + 19 * DAY, high)]
    assert counts(walk(stay, runs)) == [0, 0, 0, 1]
    assert counts(walk(plays(tiers=("tier_3",), movements=("stayed",), every_days=10), runs)) == [0, 0, 0, 0]


def test_entering_and_staying_in_one_play_are_different_actions() -> None:
    both = plays(tiers=("tier_2",), movements=("entered", "stayed"), every_days=7)
    got = walk(both, [(START + n * DAY, {}) for n in (0, 7, 8, 14)])
    assert counts(got) == [1, 1, 0, 1]
    assert len({one for ids in got for one in ids}) == 3


def test_a_status_is_owed_when_it_is_entered_from_wherever_but_not_at_first_scoring() -> None:
    deal, won, out = {"status": "in_pipeline"}, {"status": "customer"}, {"status": "not_eligible"}
    both = plays(statuses=("in_pipeline", "customer"))
    runs = [(START + n * DAY, facts) for n, facts in enumerate([{}, deal, deal, won, won, {}, won])]
    assert counts(walk(both, runs)) == [0, 1, 0, 1, 0, 0, 1]
    assert counts(walk(both, [(START, deal), (START + DAY, deal)])) == [0, 0]
    assert counts(walk(plays(statuses=("customer",)), runs)) == [0, 0, 0, 1, 0, 0, 1]
    assert counts(walk(plays(statuses=("in_pipeline",), movements=("left",)), runs)) == [0, 0, 0, 1, 0, 0, 0]
    gone = [(START, deal), (START + DAY, out), (START + 2 * DAY, {})]
    assert counts(walk(plays(statuses=("not_eligible",)), gone)) == [0, 1, 0]
    assert counts(walk(plays(tiers=("tier_2",)), gone)) == [0, 0, 1]
    stay = plays(statuses=("customer",), movements=("stayed",), every_days=2)
    assert counts(walk(stay, runs)) == [0, 0, 0, 0, 0, 0, 0]
    assert counts(walk(stay, [*runs, (START + 9 * DAY, won)])) == [0, 0, 0, 0, 0, 0, 0, 1]


def test_suppression_owes_no_play_of_a_status_nor_of_staying() -> None:
    stopped = {"excluded_by": "legal_hold", "status": "customer"}
    runs = [(START, {}), (START + DAY, stopped), (START + 30 * DAY, stopped)]
    assert counts(walk(plays(statuses=("customer",)), runs)) == [0, 0, 0]
    left = plays(tiers=("tier_2",), statuses=("customer",), movements=("left",))
    assert counts(walk(left, runs)) == [0, 0, 0]


def _stages(*rows: tuple[str, str, str, str | None]) -> pd.DataFrame:
    frame = pd.DataFrame([("a", *row) for row in rows], columns=list(STAGE_COLUMNS))
    return frame.assign(
        **{c: pd.to_datetime(frame[c], format="ISO8601").astype("datetime64[us]") for c in ("entered_at", "left_at")}
    )


def staged(
    stages: pd.DataFrame, *, last: str | None = "2026-03-01", previous: str = "in_pipeline", **play: Any
) -> list[str]:
    """The plays owed as of 2 March by an account in the pipeline."""
    row = {"account_id": "a", "tier": "in_pipeline", "previous_tier": previous, "cause": "", "why": ""}
    row |= {
        "movement": "left" if previous == "tier_1" else "",
        "row": "status",
        "owner_id": None,
        "surge_began": False,
        "tier_since": pd.Timestamp("2026-01-01"),
    }
    runs = _nobody() if last is None else pd.DataFrame({"account_id": ["a"], "as_of": [pd.Timestamp(last)]})
    asked = plays(statuses=("in_pipeline",), stages=("Proposal", "Negotiation"), **play)
    return list(owed(pd.DataFrame([row]), asked, pd.DataFrame(), "p", START, "r", before=Before(runs, stages))["play"])


@pytest.mark.parametrize(
    ("stages", "facts", "due"),
    [
        ([("o1", "Discovery", "2026-01-01", None)], {}, False),
        ([("o1", "Discovery", "2026-01-01", "2026-03-01"), ("o1", "Proposal", "2026-03-01", None)], {}, True),
        ([("o1", "Proposal", "2026-02-28", None)], {}, False),  # the run before has seen it there
        ([("o1", "Proposal", "2026-02-28", None)], {"last": "2026-02-28"}, True),  # at the date itself it was not known
        ([("o1", "Proposal", "2026-02-01", "2026-03-01"), ("o1", "Negotiation", "2026-03-01", None)], {}, False),
        ([("o1", "Proposal", "2026-02-01", None)], {"previous": "tier_1"}, True),  # out of a tier into the status
        ([("o1", "Proposal", "2026-02-01", None)], {"previous": "customer"}, True),  # into the status, there already
        ([("o1", "Proposal", "2026-02-01", None), ("o2", "Proposal", "2026-03-01 12:00", None)], {}, True),
        ([("o1", "Proposal", "2026-03-01 12:00", None)], {"last": None, "previous": ""}, False),  # first scoring
        ([], {}, False),
    ],
)  # fmt: skip
def test_a_stage_is_owed_once_an_opportunity_comes_into_it(stages: Any, facts: dict[str, Any], due: bool) -> None:
    assert staged(_stages(*stages), **facts) == ["p"] * due


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=1, max_size=12, unique=True).map(sorted), st.integers(0, 90))
def test_a_stage_is_owed_by_exactly_one_run_whatever_runs_were_missed(days: list[int], entered: int) -> None:
    stages = _stages(("o1", "Proposal", str(naive(START + entered * DAY)), None))
    total = 0
    for last, day in zip([0, *days], days, strict=False):
        known = stages[stages["entered_at"] < naive(START + day * DAY)]
        row = {"account_id": "a", "tier": "in_pipeline", "previous_tier": "in_pipeline", "movement": "", "cause": ""}
        row |= {"why": "", "row": "status", "owner_id": None, "surge_began": False}
        runs = pd.DataFrame({"account_id": ["a"], "as_of": [naive(START + last * DAY)]})
        asked = plays(statuses=("in_pipeline",), stages=("Proposal",))
        got = owed(pd.DataFrame([row]), asked, pd.DataFrame(), "p", START + day * DAY, "r", before=Before(runs, known))
        total += len(got)
    assert total == (days[-1] > entered)


def test_staying_in_a_stage_counts_from_the_stage() -> None:
    long = _stages(("o1", "Proposal", "2026-02-20", None))
    stay: dict[str, Any] = {"movements": ("stayed",), "every_days": 10}
    assert staged(long, **stay) == ["p"]
    assert staged(long, last="2026-03-02", **stay) == []
    assert staged(_stages(("o1", "Proposal", "2026-02-21", None)), **stay) == []
    assert staged(_stages(("o1", "Discovery", "2026-02-20", None)), **stay) == []


def test_plays_by_time_and_stage_need_what_they_are_owed_from() -> None:
    row, staged_play = pd.DataFrame([{"account_id": "a"}]), plays(statuses=("customer",), stages=("Won",))
    with pytest.raises(UsageError, match="the stages of open opportunities were not given"):
        owed(row, staged_play, pd.DataFrame(), "p", START, "r")
    stay = plays(tiers=("tier_1",), movements=("stayed",), every_days=3)
    with pytest.raises(UsageError, match=r"no column tier, previous_tier, .*, tier_since"):
        owed(row, stay, pd.DataFrame(), "p", START, "r", before=Before(_nobody()))


def test_the_stages_of_a_date_are_those_known_then_of_what_was_open_then() -> None:
    def deal(name: str, **more: Any) -> dict[str, Any]:
        return {"opportunity_id": name, "account_id": "a", "created_at": AS_OF - 90 * DAY, "stage": "Today", **more}

    def stage(name: str, what: str, ago: int) -> dict[str, Any]:
        return {"opportunity_id": name, "stage": what, "entered_at": AS_OF - ago * DAY}

    rows = {
        "accounts": [{"account_id": "a", "created_at": AS_OF - 500 * DAY}],
        "opportunities": [
            deal("open"),
            deal("closed", is_closed=True, is_won=False, closed_at=AS_OF - 9 * DAY),
            deal("closed_later", is_closed=True, is_won=True, closed_at=AS_OF + 9 * DAY),
            deal("later", created_at=AS_OF + DAY),
            deal("deleted", deleted_at=AS_OF - DAY),
            deal("unstaged"),
        ],
        "opportunity_stages": [
            stage("open", "Discovery", 60), stage("open", "Proposal", 20), stage("open", "Negotiation", -1),
            stage("closed", "Proposal", 30), stage("deleted", "Proposal", 30), stage("later", "Proposal", -2),
            stage("closed_later", "Proposal", 5), stage("closed_later", "Won", -9),
        ],
        "activities": [], "contacts": [], "account_history": [], "leads": [], "identities": [], "account_merges": [],
    }  # fmt: skip
    with Warehouse.open(as_tables(rows), threads=1) as warehouse:
        assert not resolve(warehouse, Settings(threads=1)).findings
        found = stages_on(warehouse, AS_OF)
        tomorrow = stages_on(warehouse, AS_OF + 2 * DAY)
    got = [tuple(r) for r in found[["opportunity_id", "stage", "left_at"]].astype(object).itertuples(index=False)]
    assert [(o, s, None if pd.isna(at) else at) for o, s, at in got] == [
        ("closed_later", "Proposal", None),
        ("open", "Discovery", pd.Timestamp(naive(AS_OF - 20 * DAY))),
        ("open", "Proposal", None),
    ], "the stage it came into later is not known yet"
    assert tuple(found.columns) == STAGE_COLUMNS
    assert set(tomorrow.loc[tomorrow["left_at"].isna(), "stage"]) == {"Proposal", "Negotiation"}
