"""Whether each source's activities are as new and as many as it states: quiet data must not look like quiet buyers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Literal, get_args

import pandas as pd

from tierwise.clock import instant, naive
from tierwise.config.workspace import Expects, Source, Weekday

State = Literal["ok", "late", "short"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
COLUMNS = ("source", "newest", "lag_days", "expected", "seen", "state", "words")
WINDOW_DAYS = 7
DRAFT_WEEKS = 12
LEAST_WEEKS = 4
"""With fewer full weeks no volume is drafted."""
CHANCE = 3.0
"""A week is short only if it lies so many standard deviations of a Poisson count below what is expected of it."""
SHORT_BELOW = (0.5, 0.75)
"""Between these a drafted `short_below` lies."""
RARE = 0.005
"""A drafted lag is exceeded on at most this share of the days it is drafted from."""


@dataclass(frozen=True)
class Freshness:
    """How fresh the sources are as of an instant.

    sources : a row a source: source, newest (the newest day with an activity; null: none), lag_days (days from it to
        as_of), expected and seen (rows of the newest 7 full days that should be in; null: no volume is stated), state
        (`ok`, `late`, `short`), words.
    """

    sources: pd.DataFrame

    @property
    def wanting(self) -> dict[str, str]:
        """The sources that are late or short, each with what is said of it."""
        rows = self.sources[self.sources["state"] != "ok"]
        return dict(zip(rows["source"], rows["words"], strict=True))

    @property
    def because(self) -> str:
        """Why demotions are held, in a few words ("crm is late"); empty: they are not."""
        rows = self.sources[self.sources["state"] != "ok"]
        said = [f"{name} is {state}" for name, state in zip(rows["source"], rows["state"], strict=True)]
        return " and ".join(said[:2]) + (f" ({len(said) - 2} more)" if len(said) > 2 else "")


def freshness(arrivals: pd.DataFrame, sources: Iterable[Source], as_of: datetime) -> Freshness:
    """How fresh each source's activities are as of an instant; what arrived on that day or later is not looked at.

    A source is *late* if its newest activity is older than the newest weekday on which some are expected and all
    should be in: known before `as_of - lag_days`; where no weekday's volume reaches 1, any day counts. It is *short* if
    the 7 days up to that one hold fewer rows than `short_below` of what `volume` expects, and fewer than chance
    explains (three standard deviations below).
    A source that states nothing is ok, and so is one whose arrivals are known from a later day on only.

    Parameters
    ----------
    arrivals : source, table, day (00:00 UTC), rows.
    """
    today = naive(as_of).date()
    rows = [_judged(_daily(arrivals, source.name), source, today) for source in sources]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = dict.fromkeys(("lag_days", "expected", "seen"), "float64")
    return Freshness(frame.assign(newest=pd.to_datetime(frame["newest"]).astype("datetime64[us]")).astype(numbers))


def _daily(arrivals: pd.DataFrame, source: str) -> dict[date, float]:
    """The rows of each day on which a source brought activities."""
    mine = arrivals[(arrivals["source"] == source) & (arrivals["table"] == "activities")]
    days = pd.to_datetime(mine["day"]).dt.date
    counts = mine["rows"].astype(float).groupby(days).sum()
    return {day: rows for day, rows in counts.items() if rows > 0}


def _judged(arrived: Mapping[date, float], source: Source, today: date) -> tuple[object, ...]:
    daily = {day: rows for day, rows in arrived.items() if day < today}
    newest = max(daily, default=None)
    lag = None if newest is None else (today - newest).days
    expects = source.expects
    if expects is None:
        return source.name, newest, lag, None, None, "ok", f"{source.name}: it states no lag and no volume"
    if arrived and not daily:
        said = f"{source.name}: ok: its arrivals are known from {min(arrived)} on only"
        return source.name, newest, lag, None, None, "ok", said
    due = _due(expects, today)
    days = _newest_week(expects, today)
    expected = sum(_volume(expects, day) for day in days) if expects.volume else None
    seen = sum(daily.get(day, 0.0) for day in days) if expects.volume else None
    state: State = "ok"
    if newest < due if newest is not None else _is_awaited(expects):
        state = "late"
    elif expected is not None and seen is not None and min(daily, default=today) <= days[-1]:
        state = "short" if _is_short(expects, expected, seen) else "ok"
    return (
        source.name,
        newest,
        lag,
        expected,
        seen,
        state,
        _words(source.name, state, newest, due, today, expected, seen),
    )


def short_since(expects: Expects, as_of: datetime) -> datetime:
    """Where the days begin that a source is judged short by as of an instant, 00:00 UTC."""
    return instant(_newest_week(expects, naive(as_of).date())[-1])


def _newest_week(expects: Expects, today: date) -> list[date]:
    """The newest days that should all be in, newest first."""
    last = today - timedelta(days=expects.lag_days + 1)
    return [last - timedelta(days=n) for n in range(WINDOW_DAYS)]


def _volume(expects: Expects, day: date) -> float:
    return expects.volume.get(WEEKDAYS[day.weekday()], 0.0)


def _is_awaited(expects: Expects) -> bool:
    """Whether a source that has never brought an activity should have."""
    return not expects.volume or any(rows > 0 for rows in expects.volume.values())


def _is_expected(expects: Expects, day: date) -> bool:
    """Whether some activity is usual on a day; where no weekday's volume says so, any day may be the one."""
    return _volume(expects, day) >= 1 or not any(rows >= 1 for rows in expects.volume.values())


def _due(expects: Expects, today: date) -> date:
    """The newest day that should be in and on which activities are expected."""
    last = today - timedelta(days=expects.lag_days + 1)
    return next(day for day in (last - timedelta(days=n) for n in range(7)) if _is_expected(expects, day))


def _is_short(expects: Expects, expected: float, seen: float) -> bool:
    return seen < expects.short_below * expected and seen < expected - CHANCE * math.sqrt(expected)


def _words(
    name: str, state: State, newest: date | None, due: date, today: date, expected: float | None,
    seen: float | None,
) -> str:  # fmt: skip
    if state == "late" and newest is None:
        return f"{name}: late: it has no activity before {today}"
    if state == "late" and newest is not None:
        days, most = (today - newest).days, (today - due).days
        return (
            f"{name}: late: its newest activity is of {newest}, {days} days before {today}; at most {most} are expected"
        )
    if state == "short":
        return (
            f"{name}: short: the newest {WINDOW_DAYS} days that should be in hold {seen:,.0f} activities; "
            f"{expected:,.0f} are usual"
        )
    return f"{name}: ok: its newest activity is of {newest}"


def draft_expects(arrivals: pd.DataFrame) -> dict[str, Expects]:
    """What each source with activities can be expected to bring, by name, from how they have come so far.

    The volume of a weekday is the median over the newest 12 full weeks (so that a holiday does not drag it), none with
    fewer than 4, and none where no weekday's is 1 or more (such a source is judged by its lag); the newest day counts
    in no week, as it may not be over. The lag is the least number of days that, on 199 of 200 days so far, would have
    called nothing late. `short_below` is nine tenths of what the poorest 7 days of those weeks held of the usual, and
    within 0.5 and 0.75.
    """
    names = sorted(arrivals.loc[arrivals["table"] == "activities", "source"].unique())
    return {name: _drafted(_daily(arrivals, name)) for name in names}


def _drafted(daily: Mapping[date, float]) -> Expects:
    first, last = min(daily), max(daily)
    weeks = min((last - first).days // 7, DRAFT_WEEKS)
    volume: dict[Weekday, float] = {}
    if weeks >= LEAST_WEEKS:
        for n, weekday in enumerate(WEEKDAYS):
            days = [last - timedelta(days=back) for back in range(1, 7 * weeks + 1)]
            volume[weekday] = float(pd.Series([daily.get(d, 0.0) for d in days if d.weekday() == n]).median())
    volume = volume if any(rows >= 1 for rows in volume.values()) else {}
    drafted = Expects(volume=volume, short_below=_poorest(daily, volume, last, 7 * weeks))
    return drafted.model_copy(update={"lag_days": _usual_lag(daily, drafted)})


def _poorest(daily: Mapping[date, float], volume: Mapping[Weekday, float], last: date, days: int) -> float:
    """Nine tenths of the least share of a usual week that any 7 days of the drafted weeks held, within bounds."""
    usual = sum(volume.values())
    if usual == 0:
        return SHORT_BELOW[0]
    counts = [daily.get(last - timedelta(days=back), 0.0) for back in range(1, days + 1)]
    least = min(sum(counts[n : n + WINDOW_DAYS]) for n in range(days - WINDOW_DAYS + 1))
    return round(min(max(0.9 * least / usual, SHORT_BELOW[0]), SHORT_BELOW[1]), 2)


def _usual_lag(daily: Mapping[date, float], expects: Expects) -> int:
    """The days by which arrivals trailed what was due, on all but a rare day."""
    lags = []
    for before, after in pairwise(sorted(daily)):
        for n in range(1, (after - before).days + 1):
            missed = (before + timedelta(days=k) for k in range(1, n))
            due = [k for k, day in enumerate(missed, 1) if _is_expected(expects, day)]
            lags.append(n - due[0] if due else 0)
    return 0 if not lags else int(pd.Series(lags).quantile(1 - RARE, interpolation="higher"))


def expects_lines(expects: Expects, indent: str = "    ") -> tuple[str, ...]:
    """A source's `expects:` as YAML lines, commented out, as `init` writes them for a person to take up.

    >>> print(*expects_lines(Expects(lag_days=1, volume={"monday": 120.0, "sunday": 4.5})), sep="\\n")
        # expects:  # as activities have come so far; late or short stops demotions (exit 7) and reminders
        #   lag_days: 1
        #   volume: {monday: 120, sunday: 4.5}
        #   short_below: 0.5
    """
    volume = ", ".join(f"{day}: {rows:g}" for day, rows in expects.volume.items())
    lines = [
        "expects:  # as activities have come so far; late or short stops demotions (exit 7) and reminders",
        f"  lag_days: {expects.lag_days}",
        *([f"  volume: {{{volume}}}"] if expects.volume else []),
        f"  short_below: {expects.short_below:g}",
    ]
    return tuple(f"{indent}# {line}" for line in lines)
