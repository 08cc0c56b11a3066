"""Does a file have the shape of its table: its columns by name, and each of a type that the contract can read."""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from tierwise.config.workspace import Formats
from tierwise.data.contract import Column, ColumnType, Table
from tierwise.data.sources.files import snake
from tierwise.data.sources.names import plain_name, unseen

TEXT, NUMBER, INSTANT, FLAG, LIST = pa.string(), pa.float64(), pa.timestamp("us"), pa.bool_(), pa.list_(pa.string())
ZONED = pa.timestamp("us", tz="UTC")
"""Instants of a Parquet file that name a zone, and days: no declared zone moves them."""
ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "text": TEXT,
    "number": NUMBER,
    "integer": pa.int64(),
    "instant": INSTANT,
    "flag": FLAG,
    "list": LIST,
}
"""How each type of the contract stands in the warehouse."""
KEPT = frozenset({"rowid"})
"""Names that mean something else in the warehouse; so do those that begin with two underscores."""
_FLOAT_ID = r"^[+-]?(\d+\.\d*|\.\d+|\d+(\.\d*)?[eE][+-]?\d+)$"
_NUMERIC = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


@dataclass(frozen=True)
class Shaped:
    """The columns of a file that are read, by the contract's names and then the further ones; and what was found.

    Every column is text (trimmed), float64, timestamp[us] (UTC, no zone), bool or list of text; text is parsed later.
    Where a zone is declared, instants that need none of it are timestamp[us, UTC], and so told apart from the others.
    """

    frame: pa.Table
    findings: tuple[str, ...]
    notes: tuple[str, ...]


def shape(frame: pa.Table, names: tuple[str, ...], table: Table, file: str, formats: Formats | None = None) -> Shaped:
    """Match a file's columns to the table's, and bring each to a type that can be checked row by row."""
    formats = formats or Formats()
    notes = [f"{file}: {said}"] if (said := unseen(names)) else []
    names = tuple(plain_name(name) for name in names)
    findings = _header(names, table, file)
    if findings:
        return Shaped(pa.table({}), tuple(findings), tuple(notes))
    columns: dict[str, pa.ChunkedArray] = {}
    order = [*(n for n in table.names if n in names), *(n for n in names if n not in table.names)]
    for name in order:
        column = table.column(name)
        if column is None and (note := _further(name, names, table)):
            notes.append(f"{file}: {note}")
            continue
        values, wrong = _typed(frame.column(names.index(name)), column, formats)
        if values is not None:
            columns[name] = values
        elif column is None:
            notes.append(f"{file}: {name}: {wrong}; it was not read")
        else:
            findings.append(f"{file}: {name}: {wrong}")
    return Shaped(pa.table(columns), tuple(findings), tuple(notes))


def _header(names: tuple[str, ...], table: Table, file: str) -> list[str]:
    twice = sorted(name for name, n in Counter(name.lower() for name in names).items() if n > 1)
    findings = [
        f"{file}: {name or 'a column without a name'}: stands twice in the header; keep one of them" for name in twice
    ]
    if "" in names and "" not in twice:
        findings.append(f"{file}: a column without a name; name it or leave it out")
    absent = [column for column in table.columns if column.required and column.name not in names]
    findings += [f"{file}: {c.name}: this column is required and missing{_renamed(c, names, table)}" for c in absent]
    if table.one_of and not set(table.one_of) & set(names):
        renamed = "".join(_renamed(Column(name), names, table) for name in table.one_of)
        findings.append(
            f"{file}: one of the columns {', '.join(table.one_of)} is required, and all are missing{renamed}"
        )
    return findings


def _renamed(column: Column, names: tuple[str, ...], table: Table) -> str:
    near = _like(column.name, names, table)
    return f"; '{near}' looks like a renamed '{column.name}': rename it" if near else ""


def _like(wanted: str, names: tuple[str, ...], table: Table) -> str | None:
    """A column that is there, is not the contract's, and whose name is that of `wanted` but for spelling."""
    others = {snake(name): name for name in reversed(names) if name not in table.names}
    near = difflib.get_close_matches(wanted, others, n=1, cutoff=0.85)
    return others[near[0]] if near else None


def _further(name: str, names: tuple[str, ...], table: Table) -> str | None:
    """Why a column that the contract does not name is left out; None if it is kept."""
    absent = [n for n in table.names if n not in names]
    if snake(name) in absent:
        return f"'{name}' looks like a renamed '{snake(name)}' and was not read: rename it"
    if not table.open:
        near = difflib.get_close_matches(snake(name), absent, n=1, cutoff=0.85)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        return f"{name}: not a column of {table.name}; it was not read{hint}"
    if name.startswith("__") or name.lower() in KEPT:
        return f"{name}: this name is kept for tierwise; rename it if it is to be read"
    return None


def _typed(values: pa.ChunkedArray, column: Column | None, formats: Formats) -> tuple[pa.ChunkedArray | None, str]:
    """The column in one of the types of `Shaped`, or why it cannot be read."""
    wanted = column.type if column else None
    try:
        values = _plain(values, zoned=formats.time_zone != "UTC")
    except pa.ArrowException:
        return None, "its values cannot be read (not UTF-8, or out of range); export it anew"
    type_ = values.type
    if column is not None and column.is_id:
        return _id(values)
    if pa.types.is_null(type_):
        return values.cast(ARROW_TYPES[wanted] if wanted and wanted != "integer" else TEXT), ""
    if type_ not in (TEXT, NUMBER, INSTANT, ZONED, FLAG, LIST):
        return None, f"arrives as {type_}, which is not read here"
    if wanted is None or type_ == TEXT or type_ == ARROW_TYPES[wanted]:
        return values, ""
    if (wanted == "integer" and type_ == NUMBER) or (wanted == "instant" and type_ == ZONED):
        return values, ""
    if wanted == "instant" and type_ == NUMBER and formats.dates in ("epoch_ms", "epoch_s"):
        return values, ""
    if wanted == "text" and type_ != LIST:
        return _as_text(values), ""
    if wanted == "flag" and type_ == NUMBER:
        return _as_text(values), ""
    return None, f"arrives as {_named(type_)} where {_an(wanted)} is wanted{_advice(wanted)}"


def _plain(values: pa.ChunkedArray, zoned: bool) -> pa.ChunkedArray:
    """Many Arrow types as few; `zoned`: instants that name a zone, and days, are kept apart from those that do not."""
    type_ = values.type
    if pa.types.is_dictionary(type_):
        values = values.cast(type_.value_type)
        type_ = values.type
    if any(is_(type_) for is_ in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)):
        values = values.cast(TEXT)
        values.validate(full=True)
        return pc.utf8_trim_whitespace(values)
    if any(is_(type_) for is_ in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)):
        return pc.utf8_trim_whitespace(values.cast(TEXT))
    if any(is_(type_) for is_ in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)):
        return values.cast(NUMBER, safe=False)
    if pa.types.is_timestamp(type_):
        values = values.cast(pa.timestamp("us", tz=type_.tz), safe=type_.unit != "ns")
        return values.cast(ZONED).cast(ZONED if zoned else INSTANT) if type_.tz else values
    if pa.types.is_date(type_):
        return values.cast(INSTANT).cast(ZONED if zoned else INSTANT)
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return values if type_ == LIST else values.cast(LIST)
    return values


def _id(values: pa.ChunkedArray) -> tuple[pa.ChunkedArray | None, str]:
    if pa.types.is_null(values.type):
        return values.cast(TEXT), ""
    advice = "ids are text, always: re-export it as text; leading zeros may be lost"
    if values.type != TEXT:
        return None, f"arrives as {_named(values.type)}; {advice}"
    filled = pc.drop_null(values)
    filled = filled.filter(pc.not_equal(filled, ""))
    if len(filled) and pc.all(pc.match_substring_regex(filled, _NUMERIC)).as_py():
        floats = filled.filter(pc.match_substring_regex(filled, _FLOAT_ID))
        if len(floats):
            return None, f"its values look like numbers with a decimal point or exponent ('{floats[0]}'); {advice}"
    return values, ""


def _as_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values as text; whole numbers without a decimal point."""
    if values.type == NUMBER:
        whole = pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), 1e15))
        integers = pc.if_else(whole, values, None).cast(pa.int64()).cast(TEXT)
        return pc.if_else(pc.is_nan(values), None, pc.coalesce(integers, values.cast(TEXT)))
    return (values.cast(INSTANT) if values.type == ZONED else values).cast(TEXT)


def _named(type_: pa.DataType) -> str:
    names = {
        NUMBER: "a number",
        INSTANT: "an instant",
        ZONED: "an instant",
        FLAG: "a flag",
        LIST: "a list",
        TEXT: "text",
    }
    return names.get(type_, str(type_))


def _an(wanted: str) -> str:
    return f"an {wanted}" if wanted[0] in "aeiou" else wanted if wanted == "text" else f"a {wanted}"


def _advice(wanted: str) -> str:
    return "; write it as an ISO 8601 instant (2026-03-01T09:30:00Z)" if wanted == "instant" else "; export it as one"
