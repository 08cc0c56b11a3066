"""When demotions wait: the freeze before a fiscal quarter's end, days of the week, and holidays."""

from __future__ import annotations

from datetime import date

import numpy as np

from tierwise.config.policy import WEEKDAYS, Calendar
from tierwise.tiers.bands import Flags, Instants


def quarter_end(calendar: Calendar, day: date) -> date:
    """The first day after the fiscal quarter that a day lies in.

    >>> quarter_end(Calendar(fiscal_year_starts=2), date(2026, 3, 20))
    datetime.date(2026, 5, 1)
    """
    month = day.month + 3 - (day.month - calendar.fiscal_year_starts) % 3
    return date(day.year + (month - 1) // 12, (month - 1) % 12 + 1, 1)


def frozen(calendar: Calendar, day: date) -> bool:
    """Whether a day lies in the freeze before the end of its fiscal quarter."""
    return (quarter_end(calendar, day) - day).days <= calendar.freeze_days


def waits(calendar: Calendar | None, last: Instants, as_of: np.datetime64) -> Flags:
    """Whether each account's demotions wait: in the freeze, or where no day for them has come since its last run.

    last : as_of of each account's newest state; NaT where it has none.
    """
    if calendar is None:
        return np.zeros(last.shape, dtype=bool)
    today = as_of.astype("datetime64[D]")
    if frozen(calendar, today.item()):
        return np.ones(last.shape, dtype=bool)
    mask = [not calendar.demotions_on or day in calendar.demotions_on for day in WEEKDAYS]
    one = np.timedelta64(1, "D")
    since = np.where(np.isnat(last), as_of, last).astype("datetime64[D]") + one
    none = [*calendar.holidays, *_frozen_days(calendar, since.min(initial=today), today)]
    days = np.busday_count(since, today + one, weekmask=mask, holidays=none)
    return np.asarray(days <= 0, dtype=bool)


def _frozen_days(calendar: Calendar, first: np.datetime64, last: np.datetime64) -> list[date]:
    """The days of freezes between two days; none is a day for demotions."""
    days = np.arange(first, last + np.timedelta64(1, "D")).tolist() if calendar.freeze_days else []
    return [day for day in days if frozen(calendar, day)]
