"""Business hours: when so many of them are over, by an owner's own clock.

A business hour is sixty minutes in which the local clock shows a working time of a working day. So an hour that the
clock skips in spring is no working time, and one that it shows twice in autumn is twice as long, as it is for whoever
works it; where a shift of the clock lies outside the working hours, as it mostly does, every working day is as long as
the calendar says.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tierwise.clock import instant
from tierwise.config.hours import WorkingHours

Stretch = tuple[datetime, datetime]
"""From an instant until before another, UTC."""
_FARTHEST = timedelta(hours=27)
"""No local clock is so far from UTC."""


def due_in_hours(start: datetime, hours: int, calendar: WorkingHours, zone: ZoneInfo) -> datetime:
    """The instant (UTC) at which so many business hours have passed since `start`, in a zone.

    hours : at least 1. One that ends with the working day is due at its end, not at the next day's beginning.

    >>> berlin = ZoneInfo("Europe/Berlin")
    >>> due_in_hours(instant("2026-03-27T14:00:00"), 8, WorkingHours(), berlin).isoformat()  # Friday, 15:00 in Berlin
    '2026-03-30T13:00:00+00:00'
    """
    left, start = timedelta(hours=hours), instant(start)
    day = start.astimezone(zone).date() - timedelta(days=1)
    while True:
        for opens, closes in _working(day, calendar, zone) if calendar.works_on(day) else ():
            opens = max(opens, start)
            if closes - opens >= left:
                return opens + left
            left -= max(closes - opens, timedelta(0))
        day += timedelta(days=1)


@lru_cache(maxsize=4096)
def _working(day: date, calendar: WorkingHours, zone: ZoneInfo) -> tuple[Stretch, ...]:
    """When the local clock shows a working time of that day; two stretches where a time comes twice."""
    midnight = datetime.combine(day, time(), UTC)
    opens, closes = midnight + timedelta(minutes=calendar.opens), midnight + timedelta(minutes=calendar.closes)
    found = [
        (max(begin, opens - offset), min(end, closes - offset))
        for begin, end, offset in _steady(opens - _FARTHEST, closes + _FARTHEST, zone)
    ]
    return tuple((begin, end) for begin, end in found if begin < end)


def _steady(begin: datetime, end: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """Stretches of one offset to UTC each, in order; a zone is taken to change its offset once an hour at most."""
    at, offset = begin, _offset(begin, zone)
    step = begin
    while step < end:
        after = min(step + timedelta(hours=1), end)
        if _offset(after, zone) != offset:
            change = _change(step, after, zone)
            yield at, change, offset
            at, offset = change, _offset(change, zone)
        step = after
    yield at, end, offset


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first whole second after `before` that has the offset of `after`."""
    low, high, offset = 0, int((after - before).total_seconds()), _offset(after, zone)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset(before + timedelta(seconds=middle), zone) == offset else (middle, high)
    return before + timedelta(seconds=high)


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta(0)
