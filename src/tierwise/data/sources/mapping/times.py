"""Text of instants in the order of time, as SQL."""

from __future__ import annotations

from tierwise.config.workspace import Formats

_DECLARED = {
    "day_first": ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y"),
    "month_first": ("%m/%d/%Y", "%m.%d.%Y", "%m-%d-%Y"),
}
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", ", %H:%M:%S")


def in_order(column: str, formats: Formats | None = None) -> str:
    """What a column of instants is sorted by: the instant where it can be read as declared, then the text."""
    dates = formats.dates if formats else "iso"
    patterns = [f"'{day}{clock}'" for day in _DECLARED.get(dates, ()) for clock in _CLOCKS]
    declared = f"try_strptime({column}, [{', '.join(patterns)}])::TIMESTAMPTZ, " if patterns else ""
    return f"(coalesce({declared}try_cast({column} AS TIMESTAMPTZ)), {column})"
