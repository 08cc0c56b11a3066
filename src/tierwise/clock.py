"""As-of grids, windows, horizons, maturity and temporal splits: pure dates, all of them UTC."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from tierwise.errors import UsageError

Every = Literal["month", "week", "day"]


def instant(value: str | date | datetime) -> datetime:
    """Read a date or an instant as an aware UTC datetime; a date means its 00:00 UTC.

    Raises
    ------
    UsageError : the text is neither an ISO date nor an ISO instant.

    >>> instant("2026-03-01").isoformat()
    '2026-03-01T00:00:00+00:00'
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise UsageError(
                f"'{value}' was given as a date", found="it is not an ISO date", do="Write it as YYYY-MM-DD"
            ) from None
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def naive(value: datetime) -> datetime:
    """The same instant without its zone, as the warehouse keeps it (UTC by contract)."""
    return value.astimezone(UTC).replace(tzinfo=None)


def grid(every: Every, first: datetime, last: datetime) -> tuple[datetime, ...]:
    """The as-of instants of a calendar grid in `[first, last]`: month starts, Mondays or days, at 00:00 UTC.

    >>> [d.date().isoformat() for d in grid("month", instant("2026-01-15"), instant("2026-03-01"))]
    ['2026-02-01', '2026-03-01']
    """
    day = datetime(first.year, first.month, first.day, tzinfo=UTC)
    if day < first:
        day += timedelta(days=1)
    days: list[datetime] = []
    while day <= last:
        if every == "day" or (every == "week" and day.weekday() == 0) or (every == "month" and day.day == 1):
            days.append(day)
        day += timedelta(days=1)
    return tuple(days)


def months(since: datetime, until: datetime) -> float:
    """The calendar months from one instant to another; the days over are a share of the month that they begin.

    >>> months(instant("2026-01-01"), instant("2027-01-01")), months(instant("2026-01-15"), instant("2026-03-01"))
    (12.0, 1.5)
    """
    whole = (until.year - since.year) * 12 + until.month - since.month
    while _later(since, whole) > until:
        whole -= 1
    begins, ends = _later(since, whole), _later(since, whole + 1)
    return whole + (until - begins) / (ends - begins)


def year_before(value: datetime) -> datetime:
    """The same day a year before; 28 February for 29 February."""
    return _later(value, -12)


def _later(value: datetime, n: int) -> datetime:
    """The same day n months later, or the last of that month where it has no such day."""
    year, month = divmod(value.year * 12 + value.month - 1 + n, 12)
    return value.replace(year=year, month=month + 1, day=min(value.day, monthrange(year, month + 1)[1]))


@dataclass(frozen=True)
class Split:
    """One forward-in-time split with a gap of one horizon.

    Trained on: rows whose horizon has closed by `cut` (`as_of + horizon <= cut`).
    Tested on: rows with `cut <= as_of < until`.
    """

    cut: datetime
    until: datetime

    def trains(self, as_of: datetime, horizon_days: int) -> bool:
        """Whether a row of this as_of is trained on."""
        return as_of + timedelta(days=horizon_days) <= self.cut

    def tests(self, as_of: datetime) -> bool:
        """Whether a row of this as_of is tested on."""
        return self.cut <= as_of < self.until


def rolling_origin(as_ofs: Iterable[datetime], horizon_days: int, folds: int) -> tuple[Split, ...]:
    """Up to `folds` forward splits over the distinct as-of instants, oldest first, whose tests do not overlap.

    The tests share the newest instants evenly, so that the first cut still leaves at least one instant to train on
    whose horizon closed before it. Fewer splits than asked for come back where the history is too short; none where
    no instant is one horizon older than another.

    >>> days = grid("month", instant("2026-01-01"), instant("2026-12-01"))
    >>> [(s.cut.month, s.until.month) for s in rolling_origin(days, 90, 3)]
    [(4, 7), (7, 10), (10, 12)]
    """
    distinct: Sequence[datetime] = sorted(set(as_ofs))
    gap = timedelta(days=horizon_days)
    testable = [a for a in distinct if a - gap >= distinct[0]] if distinct else []
    folds = min(folds, len(testable))
    if folds == 0:
        return ()
    size = -(-len(testable) // folds)
    starts = testable[::size]
    ends = [*starts[1:], testable[-1] + timedelta(microseconds=1)]
    return tuple(Split(cut, until) for cut, until in zip(starts, ends, strict=True))
