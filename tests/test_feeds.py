"""Up to when it is known what sellers did: what is silent, late or short holds it back, what is stated carries it."""

from __future__ import annotations

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
from tierwise.data.feeds import GIVEN_UP_DAYS, LEAST_DAYS
from tierwise.data.freshness import freshness

NOW = instant("2026-03-11T10:00:00")
"""A Wednesday."""
TODAY = NOW.date()
ONE_DAY = timedelta(days=1)


def feed(channel: str, days: list[int], source: str = "crm") -> pd.DataFrame:
    """Days before today on which sellers were known to do something, at 15:00 each (today at 09:00)."""
    times = [
        (pd.Timestamp(TODAY - n * ONE_DAY), pd.Timedelta(hours=15 if n else 9)) for n in sorted(days, reverse=True)
    ]
    rows = [(source, channel, day, day + hour) for day, hour in times]
    return pd.DataFrame(rows, columns=["source", "channel", "day", "newest"]).astype(
        {"day": "datetime64[us]", "newest": "datetime64[us]"}
    )


def known(*feeds: pd.DataFrame, expects: dict[str, Expects | None] | None = None, through: date | None = None) -> Known:
    """By what the feeds brought, each source with activities just where sellers' are."""
    days = pd.concat(feeds, ignore_index=True) if feeds else feed("", [])
    sources = [Source(name=name, at=name, expects=e) for name, e in (expects or {"crm": None}).items()]
    arrivals = days.assign(table="activities", rows=1.0)[["source", "table", "day", "rows"]]
    return known_of_sellers(days, freshness(arrivals, sources, NOW), sources, through, NOW)


def at(day: int, hour: int = 15) -> datetime:
    return instant(TODAY - day * ONE_DAY) + timedelta(hours=hour)


WORKDAYS = [n for n in range(1, 60) if (TODAY - n * ONE_DAY).weekday() < 5]


def test_it_reaches_to_the_newest_activity_of_a_seller() -> None:
    assert known(feed("mail", WORKDAYS)) == Known(at(1))
    assert known(feed("mail", WORKDAYS), feed("phone", [0, *WORKDAYS])) == Known(at(0, 9))
    assert known() == Known(None)


def test_a_channel_that_fell_silent_holds_it_back_until_it_is_taken_to_be_used_no_more() -> None:
    mail, usual = feed("mail", [0, *WORKDAYS]), 3
    for silent in range(1, 50):
        phone = feed("phone", [n + silent for n in WORKDAYS if n + silent < 90])
        silence = int(phone["day"].pipe(lambda d: (pd.Timestamp(TODAY) - d.max()).days))
        longest = int(phone["day"].diff().dt.days.max())
        assert longest == usual, "Friday to Monday"
        held = Known(
            at(silence), f"channel phone of crm has brought nothing of sellers since {TODAY - silence * ONE_DAY}"
        )
        assert known(mail, phone) == (held if usual < silence <= GIVEN_UP_DAYS else Known(at(0, 9))), silence


def test_all_silent_at_once_and_what_is_rare_hold_nothing_back() -> None:
    after_new_year = [n + 9 for n in WORKDAYS]
    assert known(feed("mail", after_new_year), feed("phone", [n + 1 for n in after_new_year])) == Known(at(10))
    rare = feed("lunch", [10 + 3 * n for n in range(LEAST_DAYS - 1)])
    assert known(feed("mail", [0, *WORKDAYS]), rare) == Known(at(0, 9))
    enough = feed("lunch", [10 + 3 * n for n in range(LEAST_DAYS)])
    assert known(feed("mail", [0, *WORKDAYS]), enough).at == at(10)


def test_the_same_channel_of_two_sources_is_two_feeds() -> None:
    east, west = feed("phone", [0, *WORKDAYS], "east"), feed("phone", [n + 5 for n in WORKDAYS], "west")
    got = known(east, west, expects={"east": None, "west": None})
    assert got == Known(at(6), f"channel phone of west has brought nothing of sellers since {TODAY - 6 * ONE_DAY}")


def test_a_stated_lag_carries_it_on_where_nothing_was_noted() -> None:
    """With a lag of 1 day all that was known before yesterday is in."""
    states = Expects(lag_days=1)
    quiet = feed("mail", [3, *WORKDAYS[4:]])
    late = known(quiet, expects={"crm": states})
    assert late == Known(at(3), "crm is late"), "it brought nothing for three days, and may yet"
    rarely = Expects(lag_days=1, volume={"monday": 5.0, "sunday": 5.0})
    assert known(quiet, expects={"crm": rarely}).because == "crm is late", "Monday's should be in"
    fridays = Expects(lag_days=1, volume={"friday": 5.0})
    on_friday = feed("mail", [n for n in range(1, 60) if (TODAY - n * ONE_DAY).weekday() == 4])
    assert known(on_friday, expects={"crm": fridays}) == Known(instant(TODAY) - ONE_DAY)
    assert known(on_friday) == Known(at(5)), "a source that states nothing reaches to what it brought"
    both = {"crm": fridays, "mails": None}
    assert known(on_friday, feed("mail", [5], "mails"), expects=both) == Known(at(5)), "one of two states nothing"


def test_where_no_seller_notes_anything_the_stated_lag_and_the_declared_end_tell() -> None:
    arrivals = pd.DataFrame(
        {"source": "crm", "table": "activities", "day": [pd.Timestamp(TODAY - ONE_DAY)], "rows": [9.0]}
    )
    for expects, through, wanted in (
        (Expects(lag_days=0), None, instant(TODAY)),
        (Expects(lag_days=2), None, instant(TODAY) - 2 * ONE_DAY),
        (None, TODAY - ONE_DAY, instant(TODAY) - ONE_DAY),
        (None, TODAY + ONE_DAY, NOW),
        (None, None, None),
    ):
        sources = [Source(name="crm", at="crm", expects=expects)]
        got = known_of_sellers(feed("", []), freshness(arrivals, sources, NOW), sources, through, NOW)
        assert got == Known(wanted), (expects, through)


def test_a_short_source_holds_it_back_to_the_week_that_is_short() -> None:
    usual = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday"), 50.0)
    short = known(feed("mail", [0, *WORKDAYS]), expects={"crm": Expects(lag_days=1, volume=usual)})
    assert short == Known(instant(TODAY) - 8 * ONE_DAY, "crm is short"), "the 7 days up to Monday's end"


def test_it_never_reaches_beyond_now() -> None:
    assert known(feed("mail", [0]), through=TODAY + 30 * ONE_DAY) == Known(NOW)


@given(
    st.lists(st.lists(st.integers(0, 80), min_size=1, unique=True), min_size=1, max_size=4),
    st.lists(st.integers(0, 80), unique=True),
)
def test_one_more_feed_never_says_more_than_its_own_newest_and_all_the_others(
    lists: list[list[int]], more: list[int]
) -> None:
    feeds = [feed(f"c{n}", days) for n, days in enumerate(lists)]
    before, after = known(*feeds), known(*feeds, feed("more", more))
    assert before.at is not None
    assert after.at is not None
    newest = max(f["newest"].max() for f in [*feeds, feed("more", more)] if len(f))
    assert after.at <= instant(newest.to_pydatetime())
    if more and min(more) >= min(map(min, lists)):
        assert after.at <= before.at, "a feed that brings nothing newer carries nothing on"


def held_share(rng: np.random.Generator, rate: float, stuck: bool) -> float:
    """The share of 60 mornings on which a second feed (of `rate` activities a weekday) holds it back: alive, or stuck
    for the last three weeks."""
    held = 0
    for _ in range(60):
        workdays = [n for n in range(121) if (TODAY - n * ONE_DAY).weekday() < 5]
        mine = [n for n in workdays if rng.random() < 1 - np.exp(-rate) and (n > 21 or not stuck)]
        held += bool(mine) and bool(known(feed("mail", workdays), feed("phone", mine)).because)
    return held / 60


@pytest.mark.parametrize(("rate", "least"), [(0.3, 0.5), (1.0, 0.95), (5.0, 1.0)])
def test_a_feed_that_lives_seldom_holds_back_and_one_that_is_stuck_mostly_does(
    rate: float, least: float, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(7)
    alive, stuck = held_share(rng, rate, stuck=False), held_share(rng, rate, stuck=True)
    with capsys.disabled():
        print(f"\nseller activities a weekday {rate}: held back alive {alive:.1%}, stuck for 3 weeks {stuck:.1%}")
    assert alive <= 0.05
    assert stuck >= least


def test_the_days_are_those_on_which_sellers_activities_could_be_read(tmp_path: Path) -> None:
    (tmp_path / "accounts.csv").write_text("account_id\na\n")
    (tmp_path / "activities.csv").write_text(
        "activity_id,account_id,channel,kind,initiator,occurred_at,recorded_at\n"
        "1,a,phone,call,seller,2026-03-01T05:00:00Z,\n"
        "2,a,phone,call,seller,2026-03-01T06:00:00Z,2026-03-02T06:00:00Z\n"
        "3,a,phone,call,seller,2026-03-01T07:00:00Z,2026-03-02T05:00:00Z\n"
        "4,a,phone,call,buyer,2026-03-04T07:00:00Z,\n"
        "5,a,mail,sent,seller,2026-03-01T08:00:00Z,\n"
        "6,a,mail,sent,seller,2026-03-05T08:00:00Z,\n"
    )
    for now, further in ((None, [("tables", "mail", "2026-03-05T00:00:00", "2026-03-05T08:00:00")]), (at(7), [])):
        with (taken := read_tables(tmp_path, Settings(threads=1), now)).warehouse:
            days = taken.seller_days
        told = [(s, c, d.isoformat(), n.isoformat()) for s, c, d, n in days.itertuples(index=False, name=None)]
        assert told == [
            ("tables", "mail", "2026-03-01T00:00:00", "2026-03-01T08:00:00"),
            *further,
            ("tables", "phone", "2026-03-01T00:00:00", "2026-03-01T05:00:00"),
            ("tables", "phone", "2026-03-02T00:00:00", "2026-03-02T06:00:00"),
        ]
