"""Instants: a cell read by the declared order of its date, in the declared zone, to UTC.

A date without a time is a day, and stands at 00:00 UTC of it whatever the zone: no zone may move it to the day before,
where an as_of would see it too early. A time without a zone is of the declared zone; one that the clocks passed twice
is the later of the two (never known too early), and one that they skipped is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tierwise.config.workspace import Formats
from tierwise.data.cells.sql import bound, extracted, literal, matches, replaced

_DAY = r"\d{4}-\d\d-\d\d"
_TIME = r"\d{1,2}:\d\d(?::\d\d(?:\.\d{1,9})?)?"
_OFFSET = r"(?:Z|z|[+-]\d\d(?::?\d\d)?)"
_ZONE = rf" ?(?:{_OFFSET}|UTC|GMT)"
_ISO = rf"{_DAY}(?:[T ]{_TIME}{_OFFSET}?)?"
_ISO_SPACED = rf"{_DAY}[T ]{_TIME}{_ZONE}"
ZONELESS = rf"[T ]{_TIME}(?: ?[AaPp]\.?[Mm]\.?)?$"
"""What a cell ends with that has a time and names no zone."""
_PARTS = ("a", "b", "year", "hour", "minute", "second", "half", "zone")
_ORDERED = (
    r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})"
    rf"(?:(?:,? +|T)(\d{{1,2}}):(\d\d)(?::(\d\d(?:\.\d{{1,9}})?))?(?: ?([AaPp])\.?[Mm]\.?)?({_ZONE})?)?$"
)
_EITHER_ORDER = r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?:\D.*)?"
_EPOCHS = {"epoch_ms": (r"\d{12,13}(?:\.0*)?", 1_000), "epoch_s": (r"\d{9,10}(?:\.\d*)?", 1_000_000)}
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_FIRST, _LAST = "TIMESTAMP '0001-01-02'", "TIMESTAMP '9999-12-31 23:59:59.999999'"
EARLIEST, AFTER_LATEST = "TIMESTAMP '1900-01-01'", "TIMESTAMP '2201-01-01'"
"""Instants outside are at fault, whatever they are of."""


@dataclass(frozen=True)
class Hint:
    """What an unreadable cell looks like: a condition over its text, and what to say (in general, or to that cell)."""

    condition: str
    says: str
    explain: Callable[[str], str] | None = None


def iso_text(cell: str, formats: Formats) -> str:
    """A cell as ISO 8601 text if it fits the declared dates (epochs stay as they are), else null."""
    if formats.dates in _EPOCHS:
        return f"CASE WHEN {matches(cell, _EPOCHS[formats.dates][0])} THEN {cell} END"
    if formats.dates == "iso":
        spaced = _closed_up(cell)
        return f"CASE WHEN {matches(cell, _ISO)} THEN {cell} WHEN {matches(cell, _ISO_SPACED)} THEN {spaced} END"
    day, month = ("p.a", "p.b") if formats.dates == "day_first" else ("p.b", "p.a")
    hour = (
        "CASE WHEN p.half = '' THEN p.hour WHEN p.hour::INTEGER NOT BETWEEN 1 AND 12 THEN '99' "
        "ELSE (p.hour::INTEGER % 12 + CASE WHEN lower(p.half) = 'p' THEN 12 ELSE 0 END)::VARCHAR END"
    )
    time = f"' ' || lpad({hour}, 2, '0') || ':' || p.minute || ':' || coalesce(nullif(p.second, ''), '00')"
    text = (
        f"p.year || '-' || lpad({month}, 2, '0') || '-' || lpad({day}, 2, '0') || "
        f"CASE WHEN p.hour = '' THEN '' ELSE {time} || {_closed_up('p.zone')} END"
    )
    return bound(extracted(cell, _ORDERED, _PARTS), "p", f"CASE WHEN p.year <> '' THEN {text} END")


def _closed_up(cell: str) -> str:
    """Text whose zone, at its end, is one that a cast to an instant takes."""
    return replaced(replaced(cell, r" ?(?:UTC|GMT|Z|z)$", "Z"), r" ([+-][\d:]+)$", r"\1")


def instant(iso: str, formats: Formats) -> str:
    """The instant that `iso_text` names, in UTC; null if there is none."""
    if formats.dates in _EPOCHS:
        micros = f"round(try_cast({iso} AS DOUBLE) * {_EPOCHS[formats.dates][1]})"
        return f"make_timestamp(CAST({micros} AS BIGINT))"
    zoned = f"try_cast({iso} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
    if formats.time_zone != "UTC":
        local = to_utc(f"try_cast({iso} AS TIMESTAMP)", formats.time_zone)
        offset = f"regexp_matches({iso}, {literal(':.*' + _OFFSET + '$')})"
        zoned = f"CASE WHEN length({iso}) = 10 OR {offset} THEN {zoned} ELSE {local} END"
    return f"CASE WHEN {iso} >= '0001-01-02' THEN {zoned} END"


def from_number(number: str, formats: Formats) -> str:
    """The instant that a number of milliseconds or seconds since 1970 is."""
    micros = f"round({number} * {_EPOCHS[formats.dates][1]})"
    return f"CASE WHEN abs({number}) < 1e13 THEN {plausible(f'make_timestamp(CAST({micros} AS BIGINT))')} END"


def plausible(instant: str) -> str:
    """An instant of the years 1 to 9999; others have no place in the warehouse."""
    return f"CASE WHEN {instant} BETWEEN {_FIRST} AND {_LAST} THEN {instant} END"


def to_utc(local: str, zone: str) -> str:
    """The instant at which clocks in a zone show a time: the later of two, null if they skipped it."""
    at = f"timezone({literal(zone)}, {local})"
    return f"CASE WHEN timezone({literal(zone)}, {at}) = {local} THEN timezone('UTC', {at}) END"


def is_epoch(formats: Formats) -> bool:
    """Whether instants are numbers."""
    return formats.dates in _EPOCHS


def says(formats: Formats) -> str:
    """What to say to a cell that is no instant, and looks like nothing known."""
    return {
        "iso": "is not an ISO 8601 instant",
        "day_first": "is not a date with the day first",
        "month_first": "is not a date with the month first",
        "epoch_ms": "is not a number of milliseconds since 1970",
        "epoch_s": "is not a number of seconds since 1970",
    }[formats.dates]


def hints(cell: str, iso: str, formats: Formats) -> Iterator[Hint]:
    """What unreadable cells look like, the surest first."""
    declared = says(formats)

    def looks(pattern: str, words: str, explain: Callable[[str], str] | None = None) -> Hint:
        return Hint(matches(cell, pattern), f"{declared}{words}", explain)

    if formats.time_zone != "UTC" and not is_epoch(formats):
        skipped = f"{iso} IS NOT NULL AND try_cast({iso} AS TIMESTAMP) IS NOT NULL"
        yield Hint(skipped, f"is no time in {formats.time_zone}: the clocks were put forward over it")
    yield looks(r"\d{1,2}[/.-]\d{1,2}[/.-]\d\d(?:\D.*)?", ": its year has two digits; export dates with four")
    if formats.dates in ("day_first", "month_first"):
        other = "month_first" if formats.dates == "day_first" else "day_first"
        low, high = r"(?:0?[1-9]|1[0-2])", r"(?:1[3-9]|2\d|3[01])"
        first, second = (low, high) if other == "month_first" else (high, low)
        fits = rf"{first}[/.-]{second}[/.-]\d{{4}}(?:\D.*)?"
        yield looks(fits, f"; if all of this source are written so, declare formats: {{dates: {other}}}")
        yield looks(rf"{_DAY}.*", "; if all of this source are ISO 8601, declare formats: {dates: iso}")
    else:
        yield looks(rf"{_EITHER_ORDER}", "; declare formats: {dates: day_first} or {dates: month_first}", _orders)
    for name, (pattern, _) in _EPOCHS.items():
        if name != formats.dates:
            unit = "milliseconds" if name == "epoch_ms" else "seconds"
            yield looks(pattern, f"; it looks like {unit} since 1970: declare formats: {{dates: {name}}}")
    yield looks(r"[2-7]\d{4}(?:\.\d+)?", "; it looks like a spreadsheet's day number: format the column as YYYY-MM-DD")
    yield looks(r".*\d:\d\d.* [A-Z]{2,5}", ": its zone is named by letters that mean several; export it in UTC")


def _orders(cell: str) -> str:
    """Which dates a cell may mean, and what to declare."""
    match = re.fullmatch(_EITHER_ORDER, cell)
    first, second = (int(match.group(1)), int(match.group(2))) if match else (0, 0)
    day_first, month_first = _spoken(first, second), _spoken(second, first)
    if day_first and month_first and day_first != month_first:
        return f"could be {day_first} or {month_first}: declare formats: {{dates: day_first}} or {{dates: month_first}}"
    order = "day_first" if day_first else "month_first"
    return f"is not an ISO 8601 instant; declare formats: {{dates: {order}}}, if all of this source are written so"


def _spoken(day: int, month: int) -> str:
    return f"{day} {_MONTHS[month - 1]}" if 1 <= month <= 12 and 1 <= day <= 31 else ""
