"""When plays are due: in whole business days, or in business hours by the clock of who is to act."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from functools import cached_property, lru_cache
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
class Terms:
    """The time that a play has, and what an overdue play leaves past it: counted on one calendar, in the zone of that.

    sla_hours or sla_days: the time itself. after_hours: business hours past it.
    """

    calendar: WorkingHours
    sla_hours: int | None = None
    sla_days: int | None = None
    after_hours: int = 0

    def until(self, start: datetime) -> datetime | None:
        """When the time itself is over (UTC) that begins at `start`; None where there is none."""
        if self.sla_hours is not None:
            return self._hours(start, self.sla_hours)
        return due_at(start, self.sla_days, self.calendar)

    def over(self, start: datetime) -> datetime:
        """When the time and the hours past it are over (UTC), of a play that has a time.

        >>> terms = Terms(WorkingHours(), sla_hours=8, after_hours=4)
        >>> terms.over(instant("2026-02-27T15:00:00")).isoformat()   # Friday: 2 hours of it, 8 of Monday, 2 of Tuesday
        '2026-03-03T11:00:00+00:00'
        """
        until = self.until(start)
        if until is None:
            raise ValueError("a play without a time is never overdue")
        return self._hours(until, self.after_hours) if self.after_hours else until

    def said(self) -> str:
        """The same as text, for `hour_anew`: by then plays and owners may be others."""
        days = {"weekdays": sorted(self.calendar.weekdays), "holidays": sorted(map(str, self.calendar.holidays))}
        return json.dumps(asdict(self) | {"calendar": asdict(self.calendar) | days}, sort_keys=True)

    def _hours(self, start: datetime, hours: int) -> datetime:
        return due_in_hours(start, hours, self.calendar, ZoneInfo(self.calendar.time_zone))


@lru_cache(maxsize=4096)
def hour_anew(terms: str, start: datetime) -> datetime:
    """When a time is over (UTC) that begins at `start`, by what `Terms.said` said when it was planned."""
    told = json.loads(terms)
    calendar = told.pop("calendar")
    calendar |= {"weekdays": frozenset(calendar["weekdays"])}
    calendar |= {"holidays": frozenset(date.fromisoformat(day) for day in calendar["holidays"])}
    return Terms(WorkingHours(**calendar), **told).over(start)


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
        due = {owner: self._terms(play, owner).until(self.as_of) for owner in owner_ids.unique()}
        known = {owner: None if until is None else naive(until) for owner, until in due.items()}
        return owner_ids.map(known).astype("datetime64[us]")

    def past(self, play: Play, hours: int, owner_ids: pd.Series) -> pd.DataFrame:
        """So many business hours past the due time of a play that has one: `not_before` (naive UTC) for each owner, and
        the `terms` by which it was counted, as text."""
        terms = {owner: self._terms(play, owner, hours) for owner in owner_ids.unique()}
        over = {owner: naive(one.over(self.as_of)) for owner, one in terms.items()}
        said = {owner: one.said() for owner, one in terms.items()}
        return pd.DataFrame({"not_before": owner_ids.map(over).astype("datetime64[us]"), "terms": owner_ids.map(said)})

    def _terms(self, play: Play, owner: str, after_hours: int = 0) -> Terms:
        return Terms(self._works.get(owner, self._usual), play.sla_hours, play.sla_days, after_hours)

    @cached_property
    def _usual(self) -> WorkingHours:
        return self.hours.of()

    @cached_property
    def _works(self) -> dict[str, WorkingHours]:
        """By owner_id, the calendar it works by, with its own zone."""
        if not len(self.owners):
            return {}
        said = self.owners.reindex(columns=["owner_id", "territory", "team", "time_zone"]).astype(object)
        said = said.where(said.notna(), None)
        works = {}
        for owner, territory, team, zone in said.itertuples(index=False, name=None):
            calendar = self.hours.of(territory, team)
            own = zone if zone and is_zone(zone) else calendar.time_zone
            works[str(owner)] = replace(calendar, time_zone=own)
        return works
