"""Up to when it is known what sellers did: a feed that fell silent must not look like sellers who did nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pandas as pd

from tierwise.clock import instant
from tierwise.config.workspace import Source
from tierwise.data.freshness import Freshness, short_since

LEAST_DAYS, LEAST_SPAN = 8, 30
"""A feed with fewer days with activities in them, or with fewer days of all feeds from its first to its newest, is too
short for any silence to be unusual."""
CHANCE = 0.001
"""A feed is silent where so long a silence would come by chance more rarely than this."""
GIVEN_UP_DAYS = 28
"""A feed that is silent for longer is taken to be used no more,"""
SAID_DAYS = 28
"""and for so long it is said to be."""
FEED = ["source", "channel", "kind"]


@dataclass(frozen=True)
class Known:
    """Up to when it is known what sellers did; at: None where it is not known at all. because: what holds it back, in
    a few words, `""` where nothing does but how far the activities reach. given_up: the feeds that were given up of
    late, in words: what they may be missing holds nothing back any more.
    """

    at: datetime | None
    because: str = ""
    given_up: tuple[str, ...] = ()


def known_of_sellers(
    days: pd.DataFrame, fresh: Freshness, sources: Iterable[Source], through: date | None, now: datetime
) -> Known:
    """Up to when it is known what sellers did.

    Where the end of the data is declared (`through`), it reaches to that. Else it reaches to the newest of their
    activities, and no further than what a source that brings some may be behind by what it states (`lag_days`), than
    the newest of them in a source that is late, than the week in which one is short, and than a feed that fell silent.

    A feed, a kind of activity in a channel of a source, is silent if it brought nothing on so many of the days on which
    any feed did that this is no chance (CHANCE, of all feeds together), by the share of those days on which it brings
    something; the newest of them may not be over, and does not count. So are all kinds of a channel, and all that a
    source brings, taken together. A feed of few days, or a burst (LEAST_DAYS, LEAST_SPAN), is not judged; one that is
    silent for long (GIVEN_UP_DAYS) is taken to be used no more.

    Parameters
    ----------
    days : `Intake.seller_days`. fresh : the sources as of now.
    """
    if through is not None:
        return Known(min(instant(through), instant(now)), "data_through says so")
    last = days["day"].max()
    used = days.groupby(FEED)["day"].transform("max") >= last - timedelta(days=GIVEN_UP_DAYS)
    judged = fresh.sources.set_index("source")
    bringing = sorted(set(days.loc[used, "source"])) or list(judged.index[judged["newest"].notna()])
    by_name = {source.name: source for source in sources}
    held = _behind(days[used], judged, bringing, by_name, now)
    if days.empty:
        return next((known for known in held if known.at is None), Known(None))
    given_up = timedelta(days=GIVEN_UP_DAYS)
    silent = _silent(days)
    held += [
        Known(at, _words(n, f"brought nothing since {at:%Y-%m-%d}")) for n, at, since in silent if since <= given_up
    ]
    of_late = [names for names, _, since in silent if given_up < since <= given_up + timedelta(days=SAID_DAYS)]
    first = min([*held, Known(_newest(days))], key=lambda known: (known.at is not None, known.at))
    return Known(first.at, first.because, tuple(_words(names, "is taken to be used no more") for names in of_late))


def _newest(days: pd.DataFrame) -> datetime:
    return instant(days["newest"].max().to_pydatetime())


def _behind(
    days: pd.DataFrame,
    judged: pd.DataFrame,
    bringing: Collection[str],
    by_name: Mapping[str, Source],
    now: datetime,
) -> list[Known]:
    """How far each source reaches that is late or short, or may be behind by what it states."""
    found = list[Known]()
    for name in bringing:
        state, expects, mine = judged.loc[name, "state"], by_name[name].expects, days[days["source"] == name]
        if expects is None:
            continue
        if state == "short":
            found.append(Known(short_since(expects, now), f"{name} is short"))
        if state == "late":
            found.append(Known(None if mine.empty else _newest(mine), f"{name} is late"))
        if expects.lag_days and len(mine):
            behind = "a day" if expects.lag_days == 1 else f"{expects.lag_days} days"
            found.append(Known(instant(now) - timedelta(days=expects.lag_days), f"{name} may be {behind} behind"))
    return found


def _silent(days: pd.DataFrame) -> list[tuple[tuple[str, ...], datetime, timedelta]]:
    """The feeds that fell silent, and the channels and sources of several of them: names, the newest known_at, and for
    how long, counted to the newest day of all."""
    every = pd.Series(sorted(days["day"].unique()), dtype="datetime64[us]")
    judged = [
        (names, feed)
        for deep in (3, 2, 1)
        for names, feed in days.groupby(FEED[:deep])
        if deep == 3 or feed[FEED[deep]].nunique() > 1
    ]
    found = []
    for names, feed in judged:
        came, newest = feed["day"].nunique(), feed["day"].max()
        span, missed = int(every.between(feed["day"].min(), newest).sum()), int((every > newest).sum()) - 1
        without = 1 - (came + 0.5) / (span + 1)
        if came >= LEAST_DAYS and span >= LEAST_SPAN and missed > 0 and without**missed < CHANCE / len(judged):
            found.append((names, _newest(feed), (every.iloc[-1] - newest).to_pytimedelta()))
    return found


def _words(feed: tuple[str, ...], says: str) -> str:
    """What is said of a feed, or of all of a channel or source; names are the export's own, and stay on one line."""
    source, *by = ("".join(c for c in name if c.isprintable())[:40] for name in feed)
    what = f"what sellers do by {' '.join(filter(None, by)) or 'no channel'}" if by else "all that sellers do"
    return f"{what} ({source}) {says}"
