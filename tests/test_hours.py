"""Business hours: due times against a slow and obvious count of minutes, over changes of the clock, and by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierwise.audit import unknown_zones
from tierwise.clock import instant
from tierwise.config.hours import Hours, WorkingHours
from tierwise.config.load import parse_file
from tierwise.config.plays import Play, Plays
from tierwise.errors import ConfigError
from tierwise.routing import due_at, due_in_hours, owed

BERLIN, NEW_YORK, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # its clock is shifted by half an hour
USUAL = WorkingHours()
NIGHTS = WorkingHours(weekdays=frozenset(range(7)), opens=0, closes=6 * 60)
MINUTE = timedelta(minutes=1)
SHIFTS = ("2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01")
"""The days on which the clocks of New York, Berlin and Lord Howe are put forward or back."""


def counted(start: datetime, hours: int, calendar: WorkingHours, zone: ZoneInfo) -> datetime:
    """Minute by minute: a minute counts if the local clock shows a working time of a working day as it begins."""
    at, left = start, hours * 60
    while left:
        local = at.astimezone(zone)
        minute = local.hour * 60 + local.minute
        working = local.weekday() in calendar.weekdays and local.date() not in calendar.holidays
        left -= working and calendar.opens <= minute < calendar.closes
        at += MINUTE
    return at


@st.composite
def calendars(draw: st.DrawFn) -> WorkingHours:
    opens = draw(st.integers(0, 22 * 60))
    closes = draw(st.integers(opens + 30, 24 * 60))
    weekdays = draw(st.sets(st.integers(0, 6), min_size=3))
    holidays = draw(st.sets(st.sampled_from([date.fromisoformat(d) for d in SHIFTS]), max_size=2))
    return WorkingHours("UTC", frozenset(weekdays), opens, closes, frozenset(holidays))


@settings(max_examples=150, deadline=None)
@given(
    zone=st.sampled_from([BERLIN, NEW_YORK, KOLKATA, LORD_HOWE, ZoneInfo("UTC")]),
    near=st.sampled_from(SHIFTS),
    minutes=st.integers(-3 * 1440, 2 * 1440),
    hours=st.integers(1, 12),
    calendar=calendars(),
)
def test_due_is_what_counting_minutes_comes_to(
    zone: ZoneInfo, near: str, minutes: int, hours: int, calendar: WorkingHours
) -> None:
    start = instant(near) + minutes * MINUTE
    assert due_in_hours(start, hours, calendar, zone) == counted(start, hours, calendar, zone)


@given(st.integers(0, 6 * 1440), st.integers(1, 30), st.integers(1, 30))
def test_a_longer_service_level_and_a_later_start_are_never_due_sooner(minutes: int, hours: int, more: int) -> None:
    start = instant("2026-10-22") + minutes * MINUTE
    due = due_in_hours(start, hours, USUAL, BERLIN)
    assert start < due < due_in_hours(start, hours + more, USUAL, BERLIN)
    assert due <= due_in_hours(start + more * MINUTE, hours, USUAL, BERLIN)
    assert due_in_hours(due, more, USUAL, BERLIN) == due_in_hours(start, hours + more, USUAL, BERLIN), "hours add up"


@pytest.mark.parametrize(
    ("start", "hours", "zone", "due"),
    [
        ("2026-03-02T00:00", 8, BERLIN, "2026-03-02T16:00"),  # Monday 01:00 there: 09:00 to 17:00 of that day
        ("2026-03-02T00:00", 8, NEW_YORK, "2026-03-02T22:00"),  # Sunday evening there
        ("2026-03-02T00:00", 8, KOLKATA, "2026-03-02T11:30"),
        ("2026-03-02T10:00", 1, BERLIN, "2026-03-02T11:00"),
        ("2026-03-02T15:00", 1, BERLIN, "2026-03-02T16:00"),  # done at 17:00 sharp: that day, not the next
        ("2026-03-02T15:00", 2, BERLIN, "2026-03-03T09:00"),
        ("2026-03-02T16:00", 1, BERLIN, "2026-03-03T09:00"),  # 17:00 is no working time
        ("2026-02-28T12:00", 1, BERLIN, "2026-03-02T09:00"),  # Saturday
        ("2026-03-27T14:00", 8, BERLIN, "2026-03-30T13:00"),  # Friday 15:00 +01:00 to Monday 15:00 +02:00
        ("2026-10-23T13:00", 8, BERLIN, "2026-10-26T14:00"),  # Friday 15:00 +02:00 to Monday 15:00 +01:00
        ("2026-03-06T20:00", 8, NEW_YORK, "2026-03-09T19:00"),
        ("2026-03-02T00:00", 40, BERLIN, "2026-03-06T16:00"),
    ],
)
def test_business_hours_by_hand(start: str, hours: int, zone: ZoneInfo, due: str) -> None:
    assert due_in_hours(instant(start), hours, USUAL, zone) == instant(due)


def test_an_hour_that_the_clock_skips_is_no_work_and_one_that_it_shows_twice_is_worked_twice() -> None:
    def night(day: str, hours: int, zone: ZoneInfo = BERLIN) -> str:
        began = datetime.fromisoformat(day).replace(tzinfo=zone)
        due = due_in_hours(began.astimezone(UTC), hours, NIGHTS, zone).astimezone(zone)
        return due.strftime("%d %H:%M")

    assert night("2026-03-28", 6) == "28 06:00"
    assert night("2026-03-29", 5) == "29 06:00", "02:00 to 03:00 is missing: the night has five hours"
    assert night("2026-03-29", 6) == "30 01:00"
    assert night("2026-10-25", 6) == "25 05:00", "02:00 to 03:00 comes twice: the night has seven hours"
    assert night("2026-10-25", 7) == "25 06:00"
    assert night("2026-04-05", 6, LORD_HOWE) == "05 05:30"


def test_a_day_that_a_zone_left_out_holds_no_hours() -> None:
    apia = ZoneInfo("Pacific/Apia")  # went from 29 to 31 December 2011
    every = WorkingHours(weekdays=frozenset(range(7)))
    start = datetime(2011, 12, 29, 9, tzinfo=apia).astimezone(UTC)
    due = due_in_hours(start, 12, every, apia).astimezone(apia)
    assert due.strftime("%d %H:%M") == "31 13:00"


def test_holidays_are_skipped_by_hours_and_by_days() -> None:
    calendar = WorkingHours(holidays=frozenset({date(2026, 12, 25)}))
    assert due_in_hours(instant("2026-12-24T15:00"), 3, calendar, BERLIN) == instant("2026-12-28T10:00")
    assert due_at(instant("2026-12-24"), 1, calendar) == instant("2026-12-28")
    assert due_at(instant("2026-12-25T10:00"), 1, calendar) == instant("2026-12-29"), "Monday is the one whole day"
    assert due_at(instant("2026-12-24"), 1) == instant("2026-12-25")


PLAYS = """\
hours:
  time_zone: Europe/Berlin
  from: "08:00"
  to: "16:00"
  holidays: [2026-03-04]
  calendars:
    - {calendar: gulf, territories: [Gulf], days: [sunday, monday], time_zone: Asia/Dubai}
    - {calendar: night, teams: [support], from: "20:00", to: "24:00", holidays: []}
plays:
  - {play: call, tiers: [tier_1], motion: call, owner: account_owner, sla_hours: 8, message: "", kpi: ""}
  - {play: list, tiers: [tier_1], motion: list, owner: revops, sla_hours: 8, message: "", kpi: ""}
  - {play: days, tiers: [tier_1], motion: plan, owner: account_owner, sla_days: 2, message: "", kpi: ""}
"""
OWNERS = pd.DataFrame(
    {
        "owner_id": ["plain", "ny", "odd", "gulf", "night", "gulf_in_india"],
        "territory": [None, "East", None, "Gulf", "Gulf stream", "Gulf"],
        "team": [None, None, "sales", None, "support", "support"],
        "time_zone": [None, "America/New_York", "Pacific Standard Time", None, None, "Asia/Kolkata"],
    }
)


def due(owner: str | None, as_of: str = "2026-03-02", owners: pd.DataFrame = OWNERS) -> dict[str, str]:
    row = {
        "account_id": "a",
        "tier": "tier_1",
        "previous_tier": "tier_2",
        "movement": "up",
        "cause": "data",
        "row": "r",
    }
    row |= {"why": "", "owner_id": owner, "surge_began": False}
    got = owed(pd.DataFrame([row]), parse_file(Plays, PLAYS, "plays.yaml"), owners, "p", instant(as_of), "r")
    return dict(zip(got["play"], got["due_at"].dt.strftime("%m-%d %H:%M"), strict=True))


@pytest.mark.parametrize(
    ("owner", "call", "days"),
    [
        ("plain", "03-02 15:00", "03-05 00:00"),  # 08:00 to 16:00 in Berlin; Wednesday the 4th is a holiday
        ("ny", "03-02 21:00", "03-05 00:00"),  # the same hours by the clock of New York
        ("odd", "03-02 15:00", "03-05 00:00"),  # no zone of IANA's: the calendar's
        ("gulf", "03-02 12:00", "03-09 00:00"),  # Sundays and Mondays
        ("night", "03-03 23:00", "03-04 00:00"),  # four hours an evening, and no holidays
        ("gulf_in_india", "03-02 10:30", "03-09 00:00"),  # the first calendar that names the owner's; its own zone
        ("stranger", "03-02 15:00", "03-05 00:00"),  # revops acts, by the usual hours
        (None, "03-02 15:00", "03-05 00:00"),
    ],
)
def test_due_times_go_by_the_owners_calendar_and_clock(owner: str | None, call: str, days: str) -> None:
    assert due(owner) == {"call": call, "list": "03-02 15:00", "days": days}


def test_without_owners_the_usual_hours_count() -> None:
    assert due("ny", owners=pd.DataFrame()) == {"call": "03-02 15:00", "list": "03-02 15:00", "days": "03-05 00:00"}


def test_times_of_the_day_need_no_quotes() -> None:
    text = PLAYS.replace('from: "08:00"', "from: 08:00").replace('to: "16:00"', "to: 16:00")
    assert parse_file(Plays, text, "plays.yaml") == parse_file(Plays, PLAYS, "plays.yaml")


def test_zones_that_are_none_are_counted_by_name() -> None:
    assert unknown_zones(OWNERS) == {"Pacific Standard Time": 1}
    assert unknown_zones(pd.DataFrame()) == {}


def test_plays_without_hours_say_what_they_always_said() -> None:
    play = Play(play="p", tiers=("tier_1",), motion="m", owner="revops", sla_days=1, message="", kpi="")
    assert "hours" not in Plays(plays=(play,)).said()
    assert Plays(plays=(play,)).said() != Plays(plays=(play,), hours=Hours(time_zone="Asia/Kolkata")).said()
    assert Plays().said() == '{"plays":[]}'
    assert Plays(plays=(play,)).said() == (
        '{"plays":[{"play":"p","tiers":["tier_1"],"movements":["entered"],"rows":[],"except_rows":[],"motion":"m",'
        '"owner":"revops","sla_days":1,"message":"","kpi":""}]}'
    ), "as it was hashed before there were hours, so that run ids of older workspaces stay"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("Europe/Berlin", "Berlin", "2: hours.time_zone: 'Berlin' is no IANA time zone, as Europe/Berlin"),
        ('to: "16:00"', 'to: "07:00"', "4: hours.to: to (07:00) must lie after from (08:00): hours that cross"),
        ('from: "08:00"', "from: 8", "3: hours.from: text is wanted; here stands a number"),
        ('from: "08:00"', 'from: "8:00"', "3: hours.from: a time of the day is wanted, as 09:00"),
        ("sunday, monday", "sun", "7: hours.calendars[0].days[0]: one of monday, tuesday,"),
        ("days: [sunday, monday]", "days: []", "7: hours.calendars[0].days: at least 1 entry is wanted"),
        ("teams: [support], ", "", "8: hours.calendars[1]: nobody's hours: name territories, teams or both"),
        ("teams: [support]", "territories: [Gulf]", "8: hours.calendars[1].territories[0]: 'Gulf' has the hours of"),
        ("calendar: night", "calendar: gulf", "8: hours.calendars[1].calendar: calendars[0] has this calendar too"),
        ('"20:00", to: "24:00"', '"20:00", to: "19:00"', "8: hours.calendars[1].to: to (19:00) must lie after from"),
        ("[2026-03-04]", "[4 March]", "5: hours.holidays[0]: "),
        ("sla_days: 2", "sla_days: 2, sla_hours: 8", "12: plays[2]: sla_days and sla_hours are both said"),
        ("sla_days: 2", "sla_hours: 0", "12: plays[2].sla_hours: at least 1 is wanted"),
    ],
)  # fmt: skip
def test_broken_hours_are_refused_with_their_line(old: str, new: str, says: str) -> None:
    assert PLAYS.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        parse_file(Plays, PLAYS.replace(old, new), "plays.yaml")
    found = [line.strip() for line in str(caught.value).splitlines()[1:-1]]
    assert len(found) == 1, found
    assert found[0].startswith(f"plays.yaml:{says}"), found[0]
