"""Up to when it is known what sellers did: a feed that fell silent must not look like sellers who did nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pandas as pd

from tierwise.clock import instant
from tierwise.config.workspace import Source
from tierwise.data.freshness import Freshness, short_since

LEAST_DAYS = 8
"""Days with activities in them, with fewer of which no silence is unusual."""
GIVEN_UP_DAYS = 28
"""A feed that is silent for longer is taken to be used no more."""


@dataclass(frozen=True)
class Known:
    """Up to when it is known what sellers did; at: None where it is not known at all; because: what holds it back, in
    a few words, `""` where nothing does but how far the activities reach."""

    at: datetime | None
    because: str = ""


def known_of_sellers(
    days: pd.DataFrame, fresh: Freshness, sources: Iterable[Source], through: date | None, now: datetime
) -> Known:
    """Up to when it is known what sellers did.

    It reaches to the newest of their activities; where `through`, the declared end of the data, is later, to that; and
    where every source that brings activities of sellers (or, if none does, activities) states its lag and none is
    late or short, to the day from which on some may be still to come. It reaches no further than a feed that fell
    silent, or a source that is late or short:

    - A feed, a channel of a source, is silent if its newest activity is more days behind the newest of all feeds than
      any two successive days of its own were apart. One with few days (below LEAST_DAYS) is not judged, and one that is
      silent for long (beyond GIVEN_UP_DAYS) is taken to be used no more.
    - Of a late source all is known up to its newest activity of a seller, of a short one up to the week that is short.

    Parameters
    ----------
    days : `Intake.seller_days`. fresh : the sources as of now.
    """
    judged = fresh.sources.set_index("source")
    bringing = sorted(set(days["source"])) or list(judged.index[judged["newest"].notna()])
    by_name = {source.name: source for source in sources}
    reached = [instant(through)] if through is not None else []
    reached += [instant(days["newest"].max().to_pydatetime())] if len(days) else []
    stated = [e.lag_days for name in bringing if (e := by_name[name].expects) and judged.loc[name, "state"] == "ok"]
    if bringing and len(stated) == len(bringing):
        reached.append(instant(now.date()) - timedelta(days=max(stated)))
    if not reached:
        return Known(None)
    held = [*_wanting(days, judged, bringing, by_name, now), *_silent(days)]
    first = min(held, key=lambda known: (known.at is not None, known.at), default=None)
    furthest = min(max(reached), instant(now))
    if first is None or (first.at is not None and first.at > furthest):
        return Known(furthest)
    return first


def _wanting(
    days: pd.DataFrame, judged: pd.DataFrame, bringing: Iterable[str], by_name: dict[str, Source], now: datetime
) -> list[Known]:
    """What late and short sources hold back."""
    newest, found = days.groupby("source")["newest"].max(), list[Known]()
    for name in bringing:
        state, expects = judged.loc[name, "state"], by_name[name].expects
        if state == "short" and expects is not None:
            found.append(Known(short_since(expects, now), f"{name} is short"))
        elif state == "late":
            found.append(Known(instant(newest[name].to_pydatetime()) if name in newest else None, f"{name} is late"))
    return found


def _silent(days: pd.DataFrame) -> list[Known]:
    """What feeds hold back that fell silent."""
    found, last = list[Known](), days["day"].max()
    for (source, channel), feed in days.groupby(["source", "channel"]):
        silence, usual = (last - feed["day"].max()).days, feed["day"].sort_values().diff().dt.days.max()
        if len(feed) >= LEAST_DAYS and usual < silence <= GIVEN_UP_DAYS:
            at = instant(feed["newest"].max().to_pydatetime())
            which = f"channel {channel}" if channel else "what has no channel"
            found.append(Known(at, f"{which} of {source} has brought nothing of sellers since {at:%Y-%m-%d}"))
    return found
