"""Overdue plays: what they owe with what they watch, and the hour from which it counts, against a count of minutes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import letters
from test_hours import USUAL, counted
from tierwise.audit.plays import by_the_owners_clock
from tierwise.clock import instant
from tierwise.config.hours import WorkingHours
from tierwise.config.load import parse_file
from tierwise.config.plays import Plays
from tierwise.routing import action_id, default_plays, owed, to_jsonl
from tierwise.routing.deadlines import hour_anew
from tierwise.store import Deliveries, Store

OWNERS = pd.DataFrame(
    {"owner_id": ["bo", "ny", "sy"], "time_zone": ["Europe/Berlin", "America/New_York", "Australia/Sydney"]}
)
ZONES = {"bo": "Europe/Berlin", "ny": "America/New_York", "sy": "Australia/Sydney", "revops": "UTC"}
PLAYS = """\
plays:
  - {play: call, tiers: [tier_1, tier_2], motion: a call, owner: account_owner, sla_hours: 8, message: "", kpi: ""}
  - {play: plan, tiers: [tier_1, tier_2], motion: a plan, owner: revops, sla_days: 2, message: "", kpi: ""}
  - {play: list, tiers: [tier_1, tier_2], motion: a list, owner: revops, message: "", kpi: ""}
  - {play: again, movements: [overdue], of: [call], motion: reminder, owner: account_owner,
     message: "{name}: {overdue} is overdue. {why}", personas: {champion: "{overdue} of {tier}"}, kpi: ""}
  - {play: above, movements: [overdue], of: [call, plan], after_hours: AFTER, motion: escalation, owner: revops,
     message: "{overdue}", kpi: ""}
  - {play: beyond, movements: [overdue], of: [plan], after_hours: AFTER, motion: escalation, owner: revops,
     message: "{overdue}", kpi: ""}
"""


def decision(account: str, owner: str | None, previous: str = "tier_2", tier: str = "tier_1") -> dict[str, Any]:
    row = {"account_id": account, "tier": tier, "previous_tier": previous, "movement": "up", "cause": "data"}
    return row | {"row": "focus", "why": "It is so.", "owner_id": owner, "surge_began": False}


def actions(as_of: str | datetime, *rows: dict[str, Any], after: int = 3) -> pd.DataFrame:
    plays = parse_file(Plays, PLAYS.replace("AFTER", str(after)), "plays.yaml")
    return owed(pd.DataFrame(rows), plays, OWNERS, "p", instant(as_of), "r")


def minute(at: pd.Timestamp) -> datetime:
    return instant(at.to_pydatetime())


def test_what_is_watched_brings_one_of_each_overdue_play_an_account_and_of_several_the_first() -> None:
    got = actions("2026-03-02", decision("a", "bo"), decision("b", "ny"))
    a = got[got["account_id"] == "a"].set_index(["play", "motion", "message"])
    assert [key[0] for key in a.index] == ["call", "plan", "list", "again", "above", "beyond"]
    ids = a["action_id"].tolist()
    assert len({*got["action_id"]}) == 12
    assert a["overdue_of"].tolist() == ["", "", "", ids[0], ids[0], ids[1]]
    assert [key[2] for key in a.index][3:] == ["a: a call is overdue. It is so.", "a call", "a plan"]
    assert a["messages"].tolist()[3] == {"champion": "a call of tier_1"}
    assert a["owner"].tolist() == ["bo", "revops", "revops", "bo", "revops", "revops"]
    assert a["due_at"].tolist()[3:] == [a["due_at"].iloc[i] for i in (0, 0, 1)], "the time that was over"
    assert ids[4] == action_id("p", "a", instant("2026-03-02"), "above", ids[0])
    again = actions("2026-03-02", decision("b", "ny"), decision("a", "bo"), after=5)
    assert set(again["action_id"]) == set(got["action_id"])
    lines = [json.loads(line) for line in to_jsonl(got).decode().splitlines()]
    assert [(one["overdue_of"], one["not_before"]) for one in lines[:4]] == [
        ("", None), ("", None), ("", None), (ids[0], "2026-03-02T16:00:00Z"),
    ]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    day=st.sampled_from(["2026-03-06", "2026-03-27", "2026-04-03", "2026-10-02", "2026-10-23", "2026-10-30"]),
    owner=st.sampled_from(["bo", "ny", "sy", None]),
    after=st.integers(0, 20),
)
def test_the_hour_is_counted_on_the_clock_by_which_the_action_was_due(day: str, owner: str | None, after: int) -> None:
    """Over the weekends on which the clocks of Berlin, New York and Sydney change."""
    got = actions(day, decision("a", owner), after=after)
    by_id = got.set_index("action_id")
    for _, row in got[got["overdue_of"] != ""].iterrows():
        watched = by_id.loc[row["overdue_of"]]
        zone = ZoneInfo(ZONES[watched["owner"] if watched["play"] == "call" else "revops"])
        hours = after if row["play"] != "again" else 0
        begins = minute(watched["due_at"])
        wanted = counted(begins, hours, USUAL, zone)
        assert minute(row["not_before"]) == wanted >= begins
        if watched["play"] == "call":
            assert begins == counted(instant(day), 8, USUAL, zone)


def test_a_starting_list_and_an_action_without_a_time_are_not_watched() -> None:
    new = actions("2026-03-02", decision("a", "bo", previous="", tier="tier_2"))
    assert new["play"].tolist() == ["call", "plan", "list"], "new, and in a tier whose plays have no time then"
    assert actions("2026-03-02", decision("a", "bo", previous=""))["play"].tolist().count("above") == 1, (
        "tier 1 has one"
    )


def test_the_same_owner_is_reminded_by_whatever_rule_it_was_found() -> None:
    owners = pd.DataFrame(
        {"owner_id": ["o1", "o2", "o3"], "territory": "DACH", "team": "sales", "capacity_tier_1": [1, 2, 9]}
    )
    text = PLAYS.replace("account_owner", "capacity").replace("AFTER", "0")
    rows = pd.DataFrame([decision(f"a{n}", "o1" if n < 6 else "o2") for n in range(8)])
    got = owed(rows, parse_file(Plays, text, "plays.yaml"), owners, "p", instant("2026-03-02"), "r")
    call, again = (got[got["play"] == play].set_index("account_id")["owner"] for play in ("call", "again"))
    assert call.nunique() == 3
    assert call.to_dict() == again.to_dict()


def test_the_defaults_remind_and_escalate_and_files_without_it_say_what_they_said() -> None:
    plays = default_plays()
    late = [p for p in plays.plays if p.is_overdue]
    assert [(p.play, p.of, p.after_hours, p.owner) for p in late] == [
        ("reminder", ("surge", "focus"), None, "account_owner"),
        ("escalation", ("surge", "focus"), 8, "revops"),
    ]
    said = json.loads(plays.said())["plays"]
    assert [("of" in one, "after_hours" in one) for one in said][-3:] == [(False, False), (True, False), (True, True)]
    days = parse_file(Plays, PLAYS.replace("AFTER", "3").replace("sla_hours: 8", "sla_days: 1"), "plays.yaml")
    assert by_the_owners_clock(days), "a day has no clock, but the hours past it have"
    assert not by_the_owners_clock(Plays(plays=days.plays[:4]))


def test_a_revision_that_owes_it_again_owes_it_at_its_new_hour(tmp_path: Path) -> None:
    """The account leaves tier 1 by a revision, and comes back by another, with another time until when."""
    day, again = letters.actions(["a"], 0), letters.actions(["a"], 0)
    again["due_at"] += pd.Timedelta(days=1)
    first, second = (pd.concat([x, letters.watching(x, 0, "late", 8)], ignore_index=True) for x in (day, again))
    moved = pd.DataFrame({"account_id": ["a"], "previous_tier": "tier_1", "tier": "tier_3"})
    moved = moved.assign(movement="down", cause="data")
    with Store.open(f"sqlite:///{tmp_path}/one.db") as store:
        letters.commit(store, 0, first)
        queue = Deliveries(store, letters.PLAN, "files")
        assert [x.not_before for x in queue.open() if x.overdue_of] == [letters.FIRST + timedelta(days=2, hours=8)]
        for sequence, owes in (("b", first.head(0)), ("c", second)):
            run = replace(letters.run_of(0, sequence), kind="revision")
            assert store.commit_run(run, letters.states({"a": "tier_1"}), moved, owes)
            hours = [x.not_before for x in queue.open() if x.overdue_of]
            assert hours == ([letters.FIRST + timedelta(days=3, hours=8)] if sequence == "c" else [])
        assert {x.action_id for x in queue.open()} == set(first["action_id"])


@settings(max_examples=60, deadline=None)
@given(
    minutes=st.integers(0, 33 * 1440),
    owner=st.sampled_from(["bo", "ny", "sy", None]),
    after=st.integers(0, 20),
)
def test_what_was_delivered_late_has_its_business_hours_anew_by_the_clock_that_it_was_planned_by(
    minutes: int, owner: str | None, after: int
) -> None:
    """Over weekends, changes of the clock and the holidays of `hours:`."""
    told = instant("2026-03-06") + timedelta(minutes=minutes)
    text = PLAYS.replace("AFTER", str(after)) + "hours: {holidays: [2026-03-10, 2026-04-06]}\n"
    plays = parse_file(Plays, text, "plays.yaml")
    got = owed(pd.DataFrame([decision("a", owner)]), plays, OWNERS, "p", instant("2026-03-06"), "r")
    calendar = replace(USUAL, holidays=frozenset({date(2026, 3, 10), date(2026, 4, 6)}))
    plain = got.set_index("action_id")
    for _, row in got[got["overdue_of"] != ""].iterrows():
        watched = plain.loc[row["overdue_of"]]
        late = watched["play"] == "call"
        zone = ZoneInfo(ZONES[watched["owner"] if late else "revops"])
        until = counted(told, 8, calendar, zone) if late else days_after(told, 2, calendar)
        wanted = counted(until, after if row["play"] != "again" else 0, calendar, zone)
        assert hour_anew(row["terms"], told) == wanted
        assert hour_anew(row["terms"], instant("2026-03-06")) == minute(row["not_before"]), "as it was planned"


def days_after(at: datetime, days: int, calendar: WorkingHours) -> datetime:
    """So many working days on; from a day without work, from the beginning of the next one with it."""
    if not calendar.works_on(at.date()):
        at = at.replace(hour=0, minute=0)
    while not calendar.works_on(at.date()):
        at += timedelta(days=1)
    for _ in range(days):
        at += timedelta(days=1)
        while not calendar.works_on(at.date()):
            at += timedelta(days=1)
    return at


@pytest.mark.parametrize("motion", ["{braces} in a motion", "=SUM(A1)"])
def test_a_motion_is_said_as_it_stands(motion: str) -> None:
    text = PLAYS.replace("AFTER", "0").replace("motion: a call", f'motion: "{motion}"')
    got = owed(pd.DataFrame([decision("a", "bo")]), parse_file(Plays, text, "plays.yaml"), OWNERS, "p",
               instant("2026-03-02") + timedelta(0), "r")  # fmt: skip
    assert f"a: {motion} is overdue. It is so." in set(got["message"])
