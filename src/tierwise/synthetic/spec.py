"""What a synthetic world is made of: its size, its dates, its traps and its random streams."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tierwise.clock import grid, instant, naive
from tierwise.errors import UsageError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8]

TRAPS: tuple[str, ...] = (
    "late_filled_attribute",
    "todays_lifecycle_stage",
    "contacts_linked_at_conversion",
    "late_logged_meetings",
    "bots_on_misfits",
    "seller_effort_by_old_rubric",
    "tracking_change",
)

WARM_UP_DAYS = 180
DAY = 86_400_000_000
HOUR = 3_600_000_000
MINUTE = 60_000_000
SECOND = 1_000_000
NEVER = int(np.iinfo(np.int64).min)
"""An instant that has not come, in microseconds: NaT."""


@dataclass(frozen=True)
class WorldSpec:
    """One world: the same spec gives the same bytes.

    `months` month starts from `start` are as-of instants; facts begin 180 days before the first and end three months
    after the last month, so that every row with a horizon of up to 120 days is mature.

    Raises
    ------
    UsageError : a size is out of range, or a trap is not one of `TRAPS`.
    """

    seed: int = 7
    accounts: int = 5000
    start: date = date(2024, 1, 1)
    months: int = 24
    horizon_days: int = 90
    traps: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "traps", frozenset(self.traps))
        unknown = sorted(self.traps - set(TRAPS))
        if unknown:
            raise UsageError(
                f"the trap '{unknown[0]}' was asked for",
                found="there is no such trap",
                do=f"Choose among {', '.join(TRAPS)}",
            )
        for name, value, least in (
            ("accounts", self.accounts, 50),
            ("months", self.months, 1),
            ("horizon_days", self.horizon_days, 1),
            ("seed", self.seed, 0),
        ):
            if value < least:
                raise UsageError(
                    f"a world with {name} = {value} was asked for",
                    found=f"{name} is at least {least}",
                    do=f"Give {name} of {least} or more",
                )

    @cached_property
    def history_from(self) -> datetime:
        """The instant of the first fact (accounts and old customers apart, which are older)."""
        return instant(self.start) - timedelta(days=WARM_UP_DAYS)

    @cached_property
    def as_ofs(self) -> tuple[datetime, ...]:
        """The month starts of the world, oldest first."""
        first = instant(self.start)
        return grid("month", first, first + timedelta(days=32 * (self.months + 1)))[: self.months]

    @cached_property
    def ends_at(self) -> datetime:
        """The instant at which the world ends; no fact is known at or after it."""
        last = self.as_ofs[-1]
        return grid("month", last, last + timedelta(days=130))[4]

    @property
    def days(self) -> int:
        """The number of days of the history."""
        return (self.ends_at - self.history_from).days

    @property
    def begin(self) -> int:
        """`history_from`, in microseconds."""
        return micros(self.history_from)

    def has(self, trap: str) -> bool:
        """Whether a trap is switched on."""
        return trap in self.traps

    def rng(self, stream: str) -> np.random.Generator:
        """The random stream of one part of the world; switching a trap leaves the streams of the others as they are."""
        return np.random.default_rng([self.seed, zlib.crc32(stream.encode())])

    def moment(self, days: Ints, rng: np.random.Generator) -> Ints:
        """A whole second in office hours of each day (counted from `history_from`), in microseconds."""
        return self.begin + days.astype(np.int64) * DAY + rng.integers(7 * 3600, 19 * 3600, len(days)) * SECOND

    def day_of(self, instants: Ints) -> Ints:
        """The day of the history in which each instant lies; before it, negative."""
        return (instants - self.begin) // DAY


def micros(value: datetime) -> int:
    """An instant in microseconds since 1970 UTC."""
    return int(np.datetime64(naive(value), "us").astype(np.int64))
