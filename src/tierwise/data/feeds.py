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
    something; the newest of them may not be over, and does not count. A feed of few days, or a burst (LEAST_DAYS,
    LEAST_SPAN), is not judged; one that is silent for long (GIVEN_UP_DAYS) is taken to be used no more, and so is its
    source.

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
    held = [*_behind(days[used], judged, bringing, by_name, now), *_silent(days[used], days)]
    if days.empty:
        return next((known for known in held if known.at is None), Known(None))
    gone = tuple(_words(feed, "is taken to be used no more") for feed in _given_up(days[~used], last))
    first = min([*held, Known(_newest(days))], key=lambda known: (known.at is not None, known.at))
    return Known(first.at, first.because, gone)


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


def _silent(used: pd.DataFrame, days: pd.DataFrame) -> list[Known]:
    """How far each feed reaches that fell silent."""
    every = pd.Series(sorted(days["day"].unique()), dtype="datetime64[us]")
    feeds, found = list(used.groupby(FEED)), list[Known]()
    for (source, channel, kind), feed in feeds:
        first, newest = feed["day"].min(), feed["day"].max()
        span, silence = int(every.between(first, newest).sum()), int((every > newest).sum()) - 1
        without = 1 - (len(feed) + 0.5) / (span + 1)
        if len(feed) >= LEAST_DAYS and span >= LEAST_SPAN and silence > 0 and without**silence < CHANCE / len(feeds):
            found.append(
                Known(_newest(feed), _words((source, channel, kind), f"brought nothing since {newest.date()}"))
            )
    return found


def _given_up(days: pd.DataFrame, last: pd.Timestamp) -> list[tuple[str, str, str]]:
    """The feeds that were given up of late."""
    newest = days.groupby(FEED)["day"].agg(["max", "size"])
    of_late = (newest["max"] >= last - timedelta(days=GIVEN_UP_DAYS + SAID_DAYS)) & (newest["size"] >= LEAST_DAYS)
    return [(str(s), str(c), str(k)) for s, c, k in newest.index[of_late]]


def _words(feed: tuple[str, str, str], says: str) -> str:
    """What is said of a feed; names are the export's own, and stay on one line."""
    source, channel, kind = ("".join(c for c in name if c.isprintable())[:40] for name in feed)
    return f"what sellers do by {' '.join(filter(None, (channel, kind))) or 'any channel'} ({source}) {says}"
