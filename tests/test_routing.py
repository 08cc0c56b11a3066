"""Routing: which plays a decision owes, to whom, until when, in which words, and under which id."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tierwise.clock import instant, naive
from tierwise.config import plays_text
from tierwise.config.plays import Play, Plays
from tierwise.config.policy import TIERS, Policy
from tierwise.errors import UsageError
from tierwise.routing import ACTION_COLUMNS, action_id, default_plays, due_at, owed, to_jsonl
from tierwise.routing.actions import TERMS
from tierwise.tiers import decide, next_state

AS_OF = instant("2026-03-02")  # a Monday
NO_OWNERS = pd.DataFrame()


def decision(**facts: Any) -> dict[str, Any]:
    return {
        "account_id": "a",
        "tier": "tier_1",
        "previous_tier": "",
        "movement": "entered",
        "cause": "data",
        "row": "focus",
        "why": "Fit 82 is high.",
        "owner_id": "o1",
        "surge_began": False,
        **facts,
    }


def account(**facts: Any) -> dict[str, Any]:
    return {
        "account_id": "a",
        "status": "eligible",
        "fit_score": 80.0,
        "signal_score": 10.0,
        "propensity": 0.2,
        "days_since_signal": 400.0,
        "signals_7d": 0.0,
        "signals_prior_weekly": 1.0,
        "contacts_7d": 0.0,
        "channels_7d": 1.0,
        "coverage": "none",
        "roles_reached": "",
        "excluded_by": None,
        "negative_trigger": None,
        "owner_id": None,
        **facts,
    }


def actions(*decisions: dict[str, Any], plays: Plays | None = None, owners: pd.DataFrame = NO_OWNERS) -> pd.DataFrame:
    frame = pd.DataFrame(decisions)
    return owed(frame, default_plays() if plays is None else plays, owners, "new_business", AS_OF, "run1")


def owed_plays(plays: Plays | None = None, **facts: Any) -> list[str]:
    """Without those that watch others."""
    got = actions(decision(**facts), plays=plays)
    return list(got.loc[got["overdue_of"] == "", "play"])


@pytest.mark.parametrize(
    ("facts", "plays"),
    [
        ({}, ["focus"]),
        ({"movement": ""}, []),
        ({"movement": "up", "previous_tier": "tier_2"}, ["focus", "growth_ended"]),
        ({"tier": "tier_2", "movement": "down", "previous_tier": "tier_1"}, ["growth", "focus_ended"]),
        ({"tier": "tier_3", "row": "scaled"}, ["scaled"]),
        ({"tier": "tier_3", "row": "target"}, ["target"]),
        (
            {"tier": "tier_3", "row": "growth_signal", "movement": "down", "previous_tier": "tier_2"},
            ["scaled", "growth_ended"],
        ),
        (
            {"tier": "recycle", "row": "stale", "movement": "down", "previous_tier": "tier_1"},
            ["recycle", "focus_ended"],
        ),
        ({"tier": "suppress", "row": "excluded", "movement": "down", "previous_tier": "tier_1"}, ["stop"]),
        ({"tier": "suppress", "row": "excluded", "movement": "entered", "previous_tier": "customer"}, ["stop"]),
        ({"tier": "suppress", "row": "excluded", "movement": "", "previous_tier": ""}, ["stop"]),
        ({"tier": "suppress", "row": "excluded", "movement": "", "previous_tier": "suppress"}, []),
        ({"tier": "recycle", "row": "low_fit", "movement": "", "previous_tier": ""}, []),
        (
            {"tier": "customer", "row": "status", "movement": "left", "previous_tier": "tier_1"},
            ["focus_ended", "new_customer"],
        ),
        ({"tier": "in_pipeline", "row": "status", "movement": "left", "previous_tier": "tier_3"}, ["open_deal"]),
        ({"tier": "customer", "row": "status", "movement": "", "previous_tier": "in_pipeline"}, ["new_customer"]),
        ({"tier": "customer", "row": "status", "movement": "", "previous_tier": ""}, []),
        ({"tier": "not_eligible", "row": "status", "movement": "left", "previous_tier": "tier_3"}, []),
        ({"tier": "recycle", "row": "no_match", "movement": "down", "previous_tier": "tier_3"}, ["recycle"]),
        ({"surge_began": True}, ["focus", "surge"]),
        ({"surge_began": True, "movement": "", "previous_tier": "tier_1"}, ["surge"]),
    ],
)
def test_the_default_matrix(facts: dict[str, Any], plays: list[str]) -> None:
    assert owed_plays(**facts) == plays


def test_a_play_for_leaving_is_owed_whichever_way_it_left_but_never_under_suppression() -> None:
    bye = Play(
        play="bye", tiers=("tier_1",), movements=("left",), motion="stand down", owner="revops", message="", kpi=""
    )
    plays = Plays(plays=(bye,))
    assert owed_plays(plays, tier="customer", movement="left", previous_tier="tier_1") == ["bye"]
    assert owed_plays(plays, tier="tier_2", movement="down", previous_tier="tier_1") == ["bye"]
    assert owed_plays(plays, tier="suppress", movement="down", previous_tier="tier_1") == []
    assert owed_plays(plays, tier="tier_1", movement="up", previous_tier="tier_2") == []


@settings(deadline=None)
@given(
    tier=st.sampled_from([*TIERS, "customer"]),
    previous=st.sampled_from(["", *TIERS, "customer"]),
    movement=st.sampled_from(["", "entered", "up", "down", "left"]),
    surge=st.booleans(),
    tiers=st.lists(st.sampled_from(TIERS[:4]), min_size=1, unique=True),
    movements=st.sets(st.sampled_from(["entered", "left", "surge"]), min_size=1),
)
def test_suppressed_accounts_owe_no_outreach(
    tier: str, previous: str, movement: str, surge: bool, tiers: list[Any], movements: set[Any]
) -> None:
    play = Play(
        play="p", tiers=tuple(tiers), movements=tuple(movements), motion="call", owner="revops", message="", kpi=""
    )
    both = Plays(plays=(play, *default_plays().plays))
    facts = decision(tier=tier, previous_tier=previous, movement=movement, surge_began=surge)
    got = actions(facts, plays=both)
    assert set(got.loc[got["tier"] == "suppress", "motion"]) <= {"none"}


def test_an_action_in_full() -> None:
    got = actions(decision())
    assert tuple(got.columns) == (*ACTION_COLUMNS, TERMS)
    assert got.iloc[0].to_dict() == {
        "action_id": action_id("new_business", "a", AS_OF, "focus"),
        "account_id": "a",
        "play": "focus",
        "motion": "1:1 ABM, executive alignment",
        "owner": "o1",
        "tier": "tier_1",
        "message": "a (Tier 1 · Focus): plan its 1:1 programme and align its executives with ours. Fit 82 is high.",
        "kpi": "pipeline created, win rate, ACV",
        "due_at": pd.Timestamp("2026-03-03T17:00"),
        "cause": "data",
        "run_id": "run1",
        "name": "a",
        "channel": "meeting",
        "messages": {
            "champion": "a, champions: show the work itself.",
            "exec_buyer": "a, executive buyers: show what it is worth to them.",
        },
        "signal": "",
        "overdue_of": "",
        "not_before": pd.NaT,
        "terms": "",
    }


@pytest.mark.parametrize("reason", [{"excluded_by": "legal hold"}, {"negative_trigger": "unsubscribe"}])
def test_who_is_suppressed_on_the_first_run_is_taken_out_of_sequences_once(reason: dict[str, str]) -> None:
    accounts = pd.DataFrame([account(**reason)])
    first = decide(accounts, pd.DataFrame(), Policy(), AS_OF)
    got = owed(first, default_plays(), NO_OWNERS, "p", AS_OF, "r")
    assert got[["play", "motion", "cause"]].to_numpy().tolist() == [["stop", "none", "data"]]
    assert got.loc[0, "due_at"] == pd.Timestamp("2026-03-03")
    week = AS_OF + timedelta(days=7)
    again = decide(accounts, next_state(first), Policy(), week)
    assert len(owed(again, default_plays(), NO_OWNERS, "p", week, "r")) == 0


@pytest.mark.parametrize(
    ("facts", "due"),
    [
        ({}, "2026-03-03"),
        ({"tier": "tier_2"}, None),
        ({"tier": "tier_3", "row": "scaled"}, None),
        ({"tier": "tier_3", "row": "target"}, None),
        ({"tier": "suppress", "row": "excluded", "movement": ""}, "2026-03-03"),
        ({"tier": "tier_2", "previous_tier": "tier_3", "movement": "up"}, "2026-03-09"),
        ({"tier": "tier_2", "previous_tier": "customer"}, "2026-03-09"),
        ({"tier": "tier_2", "surge_began": True}, None),
    ],
)
def test_a_first_scoring_is_a_starting_list_without_due_dates_but_for_focus_and_stop(
    facts: dict[str, Any], due: str | None
) -> None:
    got = actions(decision(**facts))
    assert len(got)
    assert [None if pd.isna(d) else str(d.date()) for d in got["due_at"]] == [due] * len(got)


def test_accounts_of_one_play_may_differ_in_having_a_due_date() -> None:
    new, known = (
        decision(account_id="a", tier="tier_2"),
        decision(account_id="b", tier="tier_2", previous_tier="tier_3"),
    )
    got = actions(new, known)
    assert got["play"].tolist() == ["growth", "growth"]
    assert got["due_at"].isna().tolist() == [True, False]


def test_a_message_names_the_account_and_its_tier_in_words() -> None:
    why = "Tier 3 to tier 2 on 2 Mar 2026: fit 82 is high and signal 93 is high."
    moved = decision(tier="tier_2", previous_tier="tier_3", movement="up", why=why, name="Northwind  Ltd.")
    got = actions(moved).iloc[0]
    assert got["name"] == "Northwind Ltd"
    assert got["message"] == (f"Northwind Ltd (Tier 2 · Growth): add it to a 1:few programme and to outbound. {why}")
    assert "Take Acme out of every sequence" in actions(decision(tier="suppress", name="Acme")).loc[0, "message"]


@pytest.mark.parametrize(
    ("tier", "words"),
    [("tier_1", "Tier 1 · Focus"), ("tier_3", "Tier 3 · Scaled"), ("recycle", "Recycle"), ("customer", "Customer")],
)
def test_tier_words(tier: str, words: str) -> None:
    play = Play(
        play="p", tiers=("tier_2",), movements=("left",), motion="m", owner="revops", message="{tier_words}", kpi=""
    )
    got = actions(decision(tier=tier, previous_tier="tier_2", movement="left"), plays=Plays(plays=(play,)))
    assert got["message"].tolist() == [words]


@pytest.mark.parametrize("name", [None, "", "   ", float("nan"), "jo@example.com", "\u202e\u200b", "+44 20 7946 0958"])
def test_without_a_name_to_show_an_account_is_called_by_its_id(name: Any) -> None:
    got = actions(decision(account_id="00123456789", name=name)).iloc[0]
    assert got["name"] == "00123456789"
    assert got["message"].startswith("00123456789 (")


@given(name=st.text(max_size=300))
def test_a_hostile_name_stays_one_short_line_and_no_template(name: str) -> None:
    got = actions(decision(name=name + "{why} jo@example.com")).iloc[0]
    assert len(got["name"]) <= 80
    assert "@" not in got["name"]
    assert got["name"].isprintable()
    assert got["message"].count("Fit 82 is high.") == 1


def test_the_default_messages_say_what_to_do_and_leave_what_happened_to_why() -> None:
    for play in default_plays().plays:
        assert "{name}" in play.message
        assert play.message.endswith(" {why}")
        assert not any(word in play.message for word in ("is now", "moved", "surges", "is quiet"))


def test_the_plan_that_comes_along_has_the_default_plays_and_says_how_days_count() -> None:
    text = (Path(__file__).parent.parent / "models" / "new_business" / "plays.yaml").read_text(encoding="utf-8")
    assert text == plays_text(default_plays())
    assert "sla_days: business days, Monday to Friday, from as_of" in text
    assert "first scoring" in text


def test_the_id_is_stable_and_of_plan_account_as_of_and_play_alone() -> None:
    assert action_id("new_business", "a", AS_OF, "focus") == "68630e11f811bb9c"
    others = {
        action_id("p", "a", AS_OF, "x"),
        action_id("pa", "", AS_OF, "x"),
        action_id("p", "b", AS_OF, "x"),
        action_id("p", "a", instant("2026-03-03"), "x"),
        action_id("p", "a", AS_OF, "y"),
    }
    assert len(others) == 5
    again = owed(pd.DataFrame([decision()]), default_plays(), NO_OWNERS, "new_business", AS_OF, "run2")
    assert again["action_id"].tolist() == actions(decision())["action_id"].tolist()


@pytest.mark.parametrize(
    ("start", "days", "due"),
    [
        ("2026-03-02", 1, "2026-03-03"),  # Monday
        ("2026-02-27", 1, "2026-03-02"),  # Friday
        ("2026-02-28", 1, "2026-03-03"),  # Saturday: Monday is the one whole day
        ("2026-03-01", 1, "2026-03-03"),  # Sunday
        ("2026-03-02", 5, "2026-03-09"),
        ("2026-02-27T15:30:00", 1, "2026-03-02T15:30:00"),
        ("2026-02-28T15:30:00", 1, "2026-03-03"),
    ],
)
def test_due_in_business_days(start: str, days: int, due: str) -> None:
    assert due_at(instant(start), days) == instant(due)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), st.integers(1, 60))
def test_due_at_counts_weekdays_as_a_person_would(start: datetime, days: int) -> None:
    at = start
    while at.weekday() >= 5:
        at = datetime(at.year, at.month, at.day) + timedelta(days=1)
    for _ in range(days):
        at += timedelta(days=1)
        while at.weekday() >= 5:
            at += timedelta(days=1)
    due = due_at(instant(start), days)
    assert due is not None
    assert naive(due) == at


def test_no_service_level_is_no_due_time() -> None:
    play = Play(play="p", tiers=("tier_1",), motion="m", owner="revops", message="", kpi="")
    got = actions(decision(), plays=Plays(plays=(play,)))
    assert pd.isna(got.loc[0, "due_at"])
    assert json.loads(to_jsonl(got))["due_at"] is None


@pytest.mark.parametrize(
    ("owner_id", "owner"),
    [("o1", "o1"), ("gone", "revops"), ("soon", "revops"), ("stranger", "revops"), ("", "revops")],
)
def test_the_owner_is_one_who_is_active(owner_id: str, owner: str) -> None:
    owners = pd.DataFrame(
        {
            "owner_id": ["o1", "gone", "soon"],
            "active_from": pd.to_datetime([None, None, "2026-04-01"]),
            "active_to": pd.to_datetime([None, "2026-03-02", None]),
        }
    )
    assert actions(decision(owner_id=owner_id), owners=owners).loc[0, "owner"] == owner
    assert actions(decision(tier="tier_2", owner_id=owner_id), owners=owners).loc[0, "owner"] == "sales_development"


def test_words_of_an_account_are_never_read_as_a_template() -> None:
    assert "{why}" in actions(decision(account_id="{why}")).loc[0, "message"]


@pytest.mark.parametrize(
    "message", ["Call {contact_name}", "{account_id.__class__}", "{0}", "{}", "{why!r}", "{why:>9}"]
)
def test_a_message_may_say_only_safe_words(message: str) -> None:
    with pytest.raises(ValidationError, match="a message may say"):
        Play(play="p", tiers=("tier_1",), motion="m", owner="revops", message=message, kpi="")


def test_a_play_for_suppress_approaches_nobody() -> None:
    with pytest.raises(ValidationError, match="suppressed accounts get no outreach"):
        Play(play="p", tiers=("suppress",), motion="call", owner="revops", message="", kpi="")


def test_jsonl_is_one_object_a_line_and_the_same_bytes_whatever_the_order_of_rows() -> None:
    two = [decision(account_id="b", why="Fit é."), decision(account_id="a", surge_began=True)]
    got = to_jsonl(actions(*two))
    assert got == to_jsonl(actions(*reversed(two)))
    lines = [json.loads(line) for line in got.decode().splitlines()]
    late = [("a", "reminder"), ("a", "escalation")]
    assert [(line["account_id"], line["play"]) for line in lines] == [
        ("a", "focus"), ("a", "surge"), *late, ("b", "focus"), ("b", "reminder"), ("b", "escalation"),
    ]  # fmt: skip
    assert lines[0]["due_at"] == "2026-03-03T17:00:00Z"
    assert list(lines[0]) == list(ACTION_COLUMNS)
    assert to_jsonl(actions(decision(movement=""))) == b""


def test_nothing_owed_has_the_same_columns_and_types() -> None:
    nothing, something = actions(decision(movement="")), actions(decision())
    assert nothing.dtypes.to_dict() == something.dtypes.to_dict()


def test_decisions_without_a_column_are_refused_in_words() -> None:
    with pytest.raises(UsageError, match="the decisions have no column why"):
        owed(pd.DataFrame([decision()]).drop(columns="why"), default_plays(), NO_OWNERS, "p", AS_OF, "r")


def test_what_decide_returns_is_what_owed_reads() -> None:
    surging = {"signal_score": 95.0, "days_since_signal": 1.0, "signals_7d": 9.0, "contacts_7d": 3.0}
    hot = account(account_id="hot", coverage="reached", roles_reached="champion", owner_id="o1", **surging)
    accounts = pd.DataFrame([account(account_id="quiet"), hot])
    decided = decide(accounts, pd.DataFrame(), Policy(), AS_OF)
    got = owed(decided, default_plays(), NO_OWNERS, "p", AS_OF, "r")
    assert got[["account_id", "play", "owner"]].to_numpy().tolist() == [
        ["hot", "focus", "o1"],
        ["hot", "reminder", "o1"],
        ["hot", "escalation", "revops"],
        ["quiet", "target", "marketing_operations"],
    ]
