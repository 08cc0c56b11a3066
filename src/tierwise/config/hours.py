"""The working hours under `hours:` in plays.yaml: days, times of the day, holidays and zone, by territory or team."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from tierwise.config.plan import Frozen, Name
from tierwise.config.policy import WEEKDAYS, Weekday
from tierwise.config.policy_check import Found, twice
from tierwise.config.yaml_lines import Faults
from tierwise.config.zones import is_zone

CLOCK_PATTERN = r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"
Clock = Annotated[str, Field(pattern=CLOCK_PATTERN)]
"""A time of the day, as 09:00; 24:00 is its end."""


@dataclass(frozen=True)
class WorkingHours:
    """One calendar whole: on `weekdays` (Monday is 0) but holidays, from minute `opens` of the day until `closes`."""

    time_zone: str = "UTC"
    weekdays: frozenset[int] = frozenset(range(5))
    opens: int = 9 * 60
    closes: int = 17 * 60
    holidays: frozenset[date] = frozenset()

    def works_on(self, day: date) -> bool:
        """Whether it is a working day."""
        return day.weekday() in self.weekdays and day not in self.holidays


class FurtherHours(Frozen):
    """Hours of some territories or teams; what it does not say is as above it."""

    calendar: Name
    """What it is called."""
    territories: tuple[str, ...] = ()
    """Of owners of these territories,"""
    teams: tuple[str, ...] = ()
    """or of these teams; the first calendar that names an owner's is the owner's."""
    time_zone: str | None = None
    days: Annotated[tuple[Weekday, ...], Field(min_length=1)] | None = None
    opens: Annotated[Clock | None, Field(alias="from")] = None
    closes: Annotated[Clock | None, Field(alias="to")] = None
    holidays: tuple[date, ...] | None = None
    """In place of those above."""

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str | None) -> str | None:
        return value if value is None else _zone(value)

    @model_validator(mode="after")
    def _of_somebody(self) -> FurtherHours:
        if not self.territories and not self.teams:
            raise ValueError("nobody's hours: name territories, teams or both, as the table owners calls them")
        return self


class Hours(Frozen):
    """When people work: business hours and business days are counted on it."""

    time_zone: str = "UTC"
    """The IANA zone (as Europe/Berlin) of whoever has none of its own in the table `owners`."""
    days: Annotated[tuple[Weekday, ...], Field(min_length=1)] = WEEKDAYS[:5]
    """The working days."""
    opens: Annotated[Clock, Field(alias="from")] = "09:00"
    """The time of the day at which work begins,"""
    closes: Annotated[Clock, Field(alias="to")] = "17:00"
    """and ends; 24:00 is the end of the day."""
    holidays: tuple[date, ...] = ()
    """Days without work."""
    calendars: tuple[FurtherHours, ...] = ()
    """Hours of their own for some territories or teams."""

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        return _zone(value)

    @model_validator(mode="after")
    def _ordered(self) -> Hours:
        found: list[Found] = [] if self.opens < self.closes else [(("to",), _never(self.opens, self.closes))]
        found += twice("calendars", "calendar", [c.calendar for c in self.calendars])
        for i, calendar in enumerate(self.calendars):
            opens, closes = calendar.opens or self.opens, calendar.closes or self.closes
            if opens >= closes and (calendar.opens or calendar.closes):
                found.append((("calendars", i, "to" if calendar.closes else "from"), _never(opens, closes)))
            for key in ("territories", "teams"):
                taken = {name: c.calendar for c in reversed(self.calendars[:i]) for name in getattr(c, key)}
                for n, name in enumerate(getattr(calendar, key)):
                    if name in taken:
                        says = f"'{name}' has the hours of {taken[name]} above: leave it out of one of them"
                        found.append((("calendars", i, key, n), says))
        if found:
            raise Faults(found)
        return self

    def of(self, territory: str | None = None, team: str | None = None) -> WorkingHours:
        """The hours of an owner of that territory and team: the first calendar that names either, else the first.

        >>> berlin = FurtherHours(calendar="berlin", territories=("DACH",), time_zone="Europe/Berlin")
        >>> Hours(calendars=(berlin,)).of("DACH").time_zone
        'Europe/Berlin'
        """
        mine = next((c for c in self.calendars if territory in c.territories or team in c.teams), None)
        said = {} if mine is None else mine.model_dump(exclude_none=True)
        days, holidays = said.get("days", self.days), said.get("holidays", self.holidays)
        return WorkingHours(
            time_zone=said.get("time_zone", self.time_zone),
            weekdays=frozenset(WEEKDAYS.index(day) for day in days),
            opens=_minutes(said.get("opens", self.opens)),
            closes=_minutes(said.get("closes", self.closes)),
            holidays=frozenset(holidays),
        )


def _zone(value: str) -> str:
    if not is_zone(value):
        raise ValueError(f"'{value}' is no IANA time zone, as Europe/Berlin")
    return value


def _never(opens: str, closes: str) -> str:
    mend = "hours that cross midnight are two calendars' work" if closes < opens else "the day would hold no hour"
    return f"to ({closes}) must lie after from ({opens}): {mend}; say a later to, at most 24:00"


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
