"""When plays are due: in whole business days, or in business hours by the clock of who is to act."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tierwise.clock import instant, naive
from tierwise.config.hours import Hours, WorkingHours
from tierwise.config.plays import Play
from tierwise.config.zones import is_zone
from tierwise.routing.hours import due_in_hours

PLAIN = WorkingHours()


def due_at(as_of: datetime, sla_days: int | None, calendar: WorkingHours = PLAIN) -> datetime | None:
    """as_of plus so many whole business days of a calendar (UTC); a day without work counts from the next, 00:00.

    >>> due_at(instant("2026-02-27"), 1).isoformat()   # Friday: due once Friday is over, which is Monday 00:00
    '2026-03-02T00:00:00+00:00'
    """
    if sla_days is None:
        return None
    start = instant(as_of)
    day = np.datetime64(start.date(), "D")
    mask = [place in calendar.weekdays for place in range(7)]
    holidays = np.array(sorted(calendar.holidays), dtype="datetime64[D]")
    due = np.busday_offset(day, sla_days, roll="forward", weekmask=mask, holidays=holidays)
    midnight = instant(str(due))
    if not calendar.works_on(start.date()):
        return midnight
    return midnight.replace(hour=start.hour, minute=start.minute, second=start.second, microsecond=start.microsecond)


@dataclass(frozen=True)
class Deadlines:
    """The due times of a run's plays.

    An owner's calendar is that of its territory or team, its zone its own `time_zone`, else the calendar's. A zone that
    is none of IANA's (`audit.unknown_zones`) counts as if there were none.
    """

    hours: Hours
    owners: pd.DataFrame
    as_of: datetime

    def of(self, play: Play, owner_ids: pd.Series) -> pd.Series:
        """The due time (naive UTC) of a play for each owner, `""` for a function; NaT without a service level."""
        known = {owner: self._due(play, *self._works.get(owner, self._usual)) for owner in owner_ids.unique()}
        return owner_ids.map(known).astype("datetime64[us]")

    def past(self, due: pd.Series, hours: int, owner_ids: pd.Series) -> pd.Series:
        """So many business hours past due times (naive UTC), by each owner's clock (`""`: a function's)."""
        if not hours:
            return due
        pairs = list(zip(due, owner_ids, strict=True))
        known = {
            (at, owner): naive(due_in_hours(instant(at), hours, *self._works.get(owner, self._usual)))
            for at, owner in set(pairs)
        }
        return pd.Series([known[pair] for pair in pairs], index=due.index, dtype="datetime64[us]")

    def _due(self, play: Play, calendar: WorkingHours, zone: ZoneInfo) -> datetime | None:
        if play.sla_hours is not None:
            return naive(due_in_hours(self.as_of, play.sla_hours, calendar, zone))
        until = due_at(self.as_of, play.sla_days, calendar)
        return None if until is None else naive(until)

    @property
    def _usual(self) -> tuple[WorkingHours, ZoneInfo]:
        calendar = self.hours.of()
        return calendar, ZoneInfo(calendar.time_zone)

    @cached_property
    def _works(self) -> dict[str, tuple[WorkingHours, ZoneInfo]]:
        """By owner_id, the calendar and the zone it works by."""
        if not len(self.owners):
            return {}
        said = self.owners.reindex(columns=["owner_id", "territory", "team", "time_zone"]).astype(object)
        said = said.where(said.notna(), None)
        works = {}
        for owner, territory, team, zone in said.itertuples(index=False, name=None):
            calendar = self.hours.of(territory, team)
            own = zone if zone and is_zone(zone) else calendar.time_zone
            works[str(owner)] = (calendar, ZoneInfo(own))
        return works
