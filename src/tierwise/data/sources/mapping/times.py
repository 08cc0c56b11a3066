"""Text of instants in the order of time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tierwise.config.workspace import Formats
from tierwise.data.contract import TABLES
from tierwise.data.warehouse import Query, Warehouse

_DECLARED = {
    "day_first": ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y"),
    "month_first": ("%m/%d/%Y", "%m.%d.%Y", "%m-%d-%Y"),
}
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", ", %H:%M:%S")


def is_instant(table: str, name: str) -> bool:
    """Whether a column of a table, or of one that only lookups read, holds instants."""
    column = TABLES[table].column(name) if table in TABLES else None
    return column.type == "instant" if column is not None else name.endswith("_at")


def as_instant(column: str, formats: Formats) -> str:
    """The instant that a cell is, where it can be read as declared or as ISO 8601."""
    patterns = [f"'{day}{clock}'" for day in _DECLARED.get(formats.dates, ()) for clock in _CLOCKS]
    declared = f"try_strptime({column}, [{', '.join(patterns)}])::TIMESTAMPTZ, " if patterns else ""
    return f"coalesce({declared}try_cast({column} AS TIMESTAMPTZ))"


def in_order(column: str, formats: Formats) -> str:
    """What a column of instants is sorted by: the instant where it can be read, then the text."""
    return f"({as_instant(column, formats)}, {column})"


def latest(columns: Sequence[pa.Array], formats: Formats, scratch: Warehouse) -> pa.Array:
    """Row by row the latest of the instants of several columns of text; null where none is filled."""
    rows = pa.array(np.tile(np.arange(len(columns[0])), len(columns)))
    scratch.register("__instants", pa.table({"place": rows, "value": pa.concat_arrays(list(columns))}))
    newest = f"arg_max(value, {in_order('value', formats)}) FILTER (WHERE value IS NOT NULL)"
    found = scratch.arrow(Query(f"SELECT {newest} AS value FROM __instants GROUP BY place ORDER BY place"))
    scratch.unregister("__instants")
    return pa.concat_arrays([pa.array([], pa.string()), *found["value"].chunks])


def is_later(one: pa.Array, other: pa.Array, formats: Formats, scratch: Warehouse) -> pa.Array:
    """Row by row whether an instant of text is later than another; false where one of them cannot be read."""
    scratch.register("__instants", pa.table({"place": np.arange(len(one)), "one": one, "other": other}))
    later = f"coalesce({as_instant('one', formats)} > {as_instant('other', formats)}, FALSE)"
    found = scratch.arrow(Query(f"SELECT {later} AS later FROM __instants ORDER BY place"))
    scratch.unregister("__instants")
    return pa.concat_arrays([pa.array([], pa.bool_()), *found["later"].chunks])
