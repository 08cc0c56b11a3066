"""What a policy's calendar may not say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING

from tierwise.config.yaml_lines import Path

if TYPE_CHECKING:
    from tierwise.config.policy import Calendar


def calendar_faults(calendar: Calendar) -> Iterator[tuple[Path, str]]:
    """Days that stand twice, and quarters in which no day is left for a demotion."""
    for key in ("demotions_on", "holidays"):
        days = getattr(calendar, key)
        for i, day in enumerate(days):
            if day in days[:i]:
                yield (key, i), "stands twice in this list: leave one out"
    for i, day in enumerate(calendar.holidays):
        start, end = quarter(day, calendar.fiscal_year_starts)
        first_of_it = all(quarter(d, calendar.fiscal_year_starts)[0] != start for d in calendar.holidays[:i])
        if first_of_it and not _days_left(calendar, start, end):
            says = f"with the holidays no day is left for a demotion in the quarter from {start} to before {end}"
            yield ("holidays", i), f"{says}: take holidays out, shorten freeze_days, or name more days in demotions_on"


def quarter(day: date, fiscal_year_starts: int) -> tuple[date, date]:
    """The fiscal quarter of a day: its first day, and the first day after it.

    >>> quarter(date(2026, 1, 31), 2)
    (datetime.date(2025, 11, 1), datetime.date(2026, 2, 1))
    """
    months = day.year * 12 + day.month - 1
    start = months - (months - (fiscal_year_starts - 1)) % 3
    return date(start // 12, start % 12 + 1, 1), date((start + 3) // 12, (start + 3) % 12 + 1, 1)


def _days_left(calendar: Calendar, start: date, end: date) -> bool:
    open_ = (end - start).days - calendar.freeze_days
    days = (start + timedelta(days=i) for i in range(open_))
    return any(day.weekday() in calendar.weekdays and day not in calendar.holidays for day in days)
