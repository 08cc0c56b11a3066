"""Up to when it is known what sellers did: what is silent, late, short or stated to be behind holds it back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise.clock import instant
from tierwise.config.workspace import Expects, Settings, Source
from tierwise.data import Known, known_of_sellers, read_tables
from tierwise.data.feeds import GIVEN_UP_DAYS, LEAST_DAYS, LEAST_SPAN
from tierwise.data.freshness import freshness

NOW = instant("2026-03-11T10:00:00")
"""A Wednesday."""
TODAY = NOW.date()
ONE_DAY = timedelta(days=1)


def feed(channel: str, days: Sequence[int], source: str = "crm", kind: str = "call") -> pd.DataFrame:
    """Days before today on which sellers were known to do something, at 15:00 each (today at 09:00)."""
    times = [
        (pd.Timestamp(TODAY - n * ONE_DAY), pd.Timedelta(hours=15 if n else 9)) for n in sorted(days, reverse=True)
    ]
    rows = [(source, channel, kind, day, day + hour) for day, hour in times]
    frame = pd.DataFrame(rows, columns=["source", "channel", "kind", "day", "newest"])
    return frame.astype({"day": "datetime64[us]", "newest": "datetime64[us]"})


def known(
    *feeds: pd.DataFrame,
    expects: dict[str, Expects | None] | None = None,
    through: date | None = None,
    others: Sequence[int] = (),
) -> Known:
    """By what the feeds brought. others: days before today on which the first source brought something of buyers."""
    days = pd.concat(feeds, ignore_index=True) if feeds else feed("", [])
    sources = [Source(name=name, at=name, expects=e) for name, e in (expects or {"crm": None}).items()]
    buyers = feed("web", others, sources[0].name)
    arrived = pd.concat([days, buyers], ignore_index=True)[["source", "day"]]
    arrivals = arrived.assign(table="activities", rows=1.0)[["source", "table", "day", "rows"]]
    return known_of_sellers(days, freshness(arrivals, sources, NOW), sources, through, NOW)


def at(day: int, hour: int = 15) -> datetime:
    return instant(TODAY - day * ONE_DAY) + timedelta(hours=hour)


def silent(words: str, day: int) -> Known:
    return Known(at(day), f"what sellers do by {words} brought nothing since {TODAY - day * ONE_DAY}")


WORKDAYS = [n for n in range(1, 90) if (TODAY - n * ONE_DAY).weekday() < 5]
EVERY_DAY = range(1, 60)


def test_it_reaches_to_the_newest_activity_of_a_seller() -> None:
    assert known(feed("mail", WORKDAYS)) == Known(at(1))
    assert known(feed("mail", WORKDAYS), feed("phone", [0, *WORKDAYS])) == Known(at(0, 9))
    assert known() == Known(None)
    assert known(others=[0, *WORKDAYS]) == Known(None), "what buyers do says nothing of sellers"


def test_a_feed_that_fell_silent_holds_it_back_until_it_is_taken_to_be_used_no_more() -> None:
    """Calls come each weekday, mails too: two weekdays without a call are no chance; today's is not awaited."""
    mail = feed("mail", [0, *WORKDAYS])
    for since in range(1, 90):
        phone = feed("phone", [n for n in WORKDAYS if n >= since])
        silence = min(n for n in WORKDAYS if n >= since)
        missed = sum(n < silence for n in WORKDAYS)
        gone = "what sellers do by phone call (crm) is taken to be used no more"
        want = Known(at(0, 9), given_up=(gone,) if 28 < silence <= 56 and len(phone) >= LEAST_SPAN else ())
        got = known(mail, phone)
        assert got == (silent("phone call (crm)", silence) if missed > 1 and silence <= GIVEN_UP_DAYS else want), since


def test_holidays_of_all_and_what_is_rare_or_comes_in_bursts_hold_nothing_back() -> None:
    after_new_year = [n + 9 for n in WORKDAYS]
    assert known(feed("mail", after_new_year), feed("phone", [n + 1 for n in after_new_year])) == Known(at(10))
    rare = feed("lunch", [10 + 3 * n for n in range(LEAST_DAYS - 1)])
    assert known(feed("mail", [0, *EVERY_DAY]), rare) == Known(at(0, 9))
    campaigns = feed("campaign", [n + k for n in (20, 50, 80) for k in range(3)], kind="sent")
    assert known(feed("mail", [0, *range(1, 90)]), campaigns) == Known(at(0, 9)), "three days a month"
    invitation = feed("mail", range(8, 8 + LEAST_SPAN - 1), kind="invited")
    assert known(feed("mail", [0, *range(1, 90)]), invitation) == Known(at(0, 9)), "it was over"
    longer = feed("mail", range(8, 8 + LEAST_SPAN), kind="invited")
    assert known(feed("mail", [0, *range(1, 90)]), longer) == silent("mail invited (crm)", 8)


def test_an_earlier_holiday_does_not_hide_that_a_feed_is_stuck() -> None:
    """All were away for 17 days two months ago."""
    away = range(40, 57)
    mail = feed("mail", [0, *(n for n in WORKDAYS if n not in away)])
    phone = feed("phone", [n for n in WORKDAYS if n not in away and n > 5])
    assert known(mail, phone) == silent("phone call (crm)", 6)


def test_a_kind_of_a_channel_is_a_feed_and_so_is_it_in_another_source() -> None:
    sent = feed("email", [0, *EVERY_DAY], kind="campaign sent")
    written = feed("email", [n for n in WORKDAYS if n > 6], kind="written")
    assert known(sent, written) == silent("email written (crm)", 7)
    east, west = feed("phone", [0, *WORKDAYS], "east"), feed("phone", [n for n in WORKDAYS if n > 5], "west")
    assert known(east, west, expects={"east": None, "west": None}) == silent("phone call (west)", 6)


def test_a_channel_is_stuck_whose_calls_are_of_many_kinds() -> None:
    """A call each weekday, of one of six outcomes: none of the kinds comes often enough to be missed."""
    mail = feed("mail", [0, *WORKDAYS])
    for since in (5, 12, 19, 26):
        calls = [feed("phone", [n for n in WORKDAYS if n >= since][k::6], kind=f"outcome {k}") for k in range(6)]
        newest = min(n for n in WORKDAYS if n >= since)
        assert known(mail, *calls) == silent("phone (crm)", newest), since
    many = [feed("phone", [n for n in WORKDAYS if n > 8][k::30], "dialer", kind=f"k{k}") for k in range(30)]
    both: dict[str, Expects | None] = {"crm": None, "dialer": None}
    assert known(mail, *many, expects=both).because.startswith("what sellers do by phone (dialer)")


def test_a_source_reaches_no_further_than_it_may_be_behind() -> None:
    mail = feed("mail", [0, *WORKDAYS])
    assert known(mail, expects={"crm": Expects(lag_days=0)}) == Known(at(0, 9)), "it comes in on its day"
    assert known(mail, expects={"crm": Expects(lag_days=2)}) == Known(NOW - 2 * ONE_DAY, "crm may be 2 days behind")
    both: dict[str, Expects | None] = {"mails": Expects(lag_days=0), "dialer": Expects(lag_days=1)}
    mails, dialer = feed("mail", [0, *WORKDAYS], "mails"), feed("phone", WORKDAYS, "dialer")
    assert known(mails, dialer, expects=both) == Known(NOW - ONE_DAY, "dialer may be a day behind")
    tracker: dict[str, Expects | None] = {"crm": None, "tracker": Expects(lag_days=5)}
    assert known(mail, expects=tracker) == Known(at(0, 9)), "it brings nothing of sellers"


def test_what_buyers_do_carries_nothing_on() -> None:
    """The source is as new as it states, and brings visits each day; calls, all that sellers note, are stuck."""
    states = Expects(lag_days=0)
    stuck = feed("phone", [n for n in WORKDAYS if n > 11])
    assert known(stuck, expects={"crm": states}, others=[0, *EVERY_DAY]) == Known(at(12))
    assert known(expects={"crm": states}, others=[0, *EVERY_DAY]) == Known(None)


def test_a_late_or_short_source_holds_it_back_and_is_named() -> None:
    quiet = feed("mail", [n for n in WORKDAYS if n > 3])
    assert known(quiet, expects={"crm": Expects(lag_days=1)}) == Known(at(5), "crm is late")
    assert known(expects={"crm": Expects(lag_days=1)}, others=[9]) == Known(None, "crm is late")
    usual = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday"), 50.0)
    short = known(feed("mail", [0, *WORKDAYS]), expects={"crm": Expects(lag_days=1, volume=usual)})
    assert short == Known(instant(TODAY) - 8 * ONE_DAY, "crm is short"), "the 7 days up to Monday's end"
    old = feed("phone", [n + 200 for n in WORKDAYS], "legacy")
    both = {"crm": None, "legacy": Expects(lag_days=1)}
    assert known(feed("mail", [0, *WORKDAYS]), old, expects=both) == Known(at(0, 9)), "it is used no more"


def test_a_declared_end_tells_it_whatever_the_newest_activity_is() -> None:
    for through, wanted in ((TODAY - ONE_DAY, at(1, 0)), (TODAY - 10 * ONE_DAY, at(10, 0)), (TODAY + ONE_DAY, NOW)):
        declared = Known(wanted, "data_through says so")
        assert known(feed("mail", [0, *WORKDAYS]), through=through) == declared
        assert known(through=through, others=[1]) == declared, "also where no seller notes anything"
        stuck = feed("phone", WORKDAYS[9:])
        assert known(feed("mail", [0, *WORKDAYS]), stuck, through=through) == declared, "whatever fell silent"


def test_names_of_an_export_stay_on_one_line() -> None:
    told = known(feed("mail", [0, *EVERY_DAY]), feed("a\x1b[31m\nb" + "c" * 60, EVERY_DAY[5:], kind="")).because
    assert told == f"what sellers do by a[31mb{'c' * 34} (crm) brought nothing since {TODAY - 6 * ONE_DAY}"
    nameless = known(feed("mail", [0, *EVERY_DAY]), feed("", EVERY_DAY[5:], kind="")).because
    assert nameless == f"what sellers do by no channel (crm) brought nothing since {TODAY - 6 * ONE_DAY}"


@given(st.lists(st.lists(st.integers(0, 80), min_size=1, unique=True), min_size=1, max_size=4))
def test_it_never_reaches_beyond_the_newest_and_never_behind_all_of_them(lists: list[list[int]]) -> None:
    feeds = [feed(f"c{n}", days) for n, days in enumerate(lists)]
    got, newest = known(*feeds), [instant(f["newest"].max().to_pydatetime()) for f in feeds]
    assert got.at in newest
    assert (got.at == max(newest)) == (got.because == "")


def share_held(rng: np.random.Generator, rate: float, feeds: int, stuck: bool) -> float:
    """On how many of 100 mornings it is held back; beside daily mails so many feeds of `rate` activities a weekday,
    alive, or one of them stuck for the last three weeks."""
    held = 0
    workdays = [n for n in range(121) if (TODAY - n * ONE_DAY).weekday() < 5]
    for _ in range(100):
        came = [[n for n in workdays if rng.random() < 1 - np.exp(-rate)] for _ in range(feeds)]
        if stuck:
            came[0] = [n for n in came[0] if n > 21]
        further = [feed(f"c{k}", days) for k, days in enumerate(came) if days]
        held += bool(known(feed("mail", workdays), *further).because)
    return held / 100


@pytest.mark.parametrize(("rate", "least", "most"), [(0.3, 0.01, 0.2), (1.0, 0.95, 1.0), (5.0, 1.0, 1.0)])
def test_feeds_that_live_seldom_hold_it_back_and_one_that_is_stuck_does_unless_it_is_rare(
    rate: float, least: float, most: float, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(7)
    one, many = (share_held(rng, rate, feeds, stuck=False) for feeds in (1, 8))
    stuck = share_held(rng, rate, 1, stuck=True)
    with capsys.disabled():
        print(f"\n{rate} a weekday: held back alive {one:.0%}, eight alive {many:.0%}, stuck for 3 weeks {stuck:.0%}")
    assert one <= 0.02
    assert many <= 0.03
    assert least <= stuck <= most


def test_the_days_are_those_on_which_sellers_activities_could_be_read(tmp_path: Path) -> None:
    (tmp_path / "accounts.csv").write_text("account_id\na\n")
    (tmp_path / "activities.csv").write_text(
        "activity_id,account_id,channel,kind,initiator,occurred_at,recorded_at\n"
        "1,a,phone,call,seller,2026-03-01T05:00:00Z,\n"
        "2,a,Phone,Call,seller,2026-03-01T06:00:00Z,2026-03-02T06:00:00Z\n"
        "3,a,phone,call,seller,2026-03-01T07:00:00Z,2026-03-02T05:00:00Z\n"
        "4,a,phone,call,buyer,2026-03-04T07:00:00Z,\n"
        "5,a,mail,sent,seller,2026-03-01T08:00:00Z,\n"
        "6,a,mail,sent,seller,2026-03-05T08:00:00Z,\n"
    )
    for now, further in (
        (None, [("tables", "mail", "sent", "2026-03-05T00:00:00", "2026-03-05T08:00:00")]),
        (at(7), []),
    ):
        with (taken := read_tables(tmp_path, Settings(threads=1), now)).warehouse:
            days = taken.seller_days
        told = [(*f, d.isoformat(), n.isoformat()) for *f, d, n in days.itertuples(index=False, name=None)]
        assert told == [
            ("tables", "mail", "sent", "2026-03-01T00:00:00", "2026-03-01T08:00:00"),
            *further,
            ("tables", "phone", "call", "2026-03-01T00:00:00", "2026-03-01T05:00:00"),
            ("tables", "phone", "call", "2026-03-02T00:00:00", "2026-03-02T06:00:00"),
        ]
