"""The columns of a database's table as SQL whose results are text, numbers, instants, flags or lists of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from sqlalchemy import (
    ARRAY,
    Boolean,
    Connection,
    Date,
    DateTime,
    Double,
    Float,
    Integer,
    LargeBinary,
    Numeric,
    String,
    TableClause,
    Text,
    and_,
    case,
    cast,
    column,
    func,
    select,
    type_coerce,
)
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import TypeEngine

TEXT, NUMBER, FLAG, TEXTS = pa.string(), pa.float64(), pa.bool_(), pa.list_(pa.string())
DAY, INSTANT, INSTANT_UTC = pa.date32(), pa.timestamp("us"), pa.timestamp("us", tz="UTC")
SqlType = TypeEngine[Any]


@dataclass(frozen=True)
class Typed:
    """One column as it is read: its SQL, and the Arrow type of what comes back."""

    name: str
    sql: ColumnElement[Any]
    type: pa.DataType


def is_readable(type_: SqlType) -> bool:
    """Whether a column can be read as one of the few types; bytes cannot."""
    return not isinstance(type_, LargeBinary)


def typed(
    connection: Connection, table: TableClause, names: Sequence[str], types: Mapping[str, SqlType], ids: frozenset[str]
) -> tuple[Typed, ...]:
    """The columns to read, each with its SQL; those of `ids` are text, whatever the database calls them."""
    if connection.dialect.name == "sqlite":
        return _of_sqlite(connection, table, names, types, ids)
    return tuple(_of(name, types[name], name in ids) for name in names)


def is_id(name: str) -> bool:
    """Whether a column's name says that it holds an identifier.

    >>> [is_id(name) for name in ("account_id", "AccountId", "id", "OwnerID", "paid", "valid")]
    [True, True, True, True, False, False]
    """
    return name.lower() == "id" or name.endswith(("_id", "Id", "ID", "_Id"))


def _of(name: str, type_: SqlType, is_id: bool) -> Typed:
    value: ColumnElement[Any] = column(name, type_)
    if isinstance(type_, String):
        return Typed(name, value, TEXT)
    if is_id and (isinstance(type_, Integer) or (isinstance(type_, Numeric) and not type_.scale)):
        whole = isinstance(type_, Integer) or type_.scale == 0
        return Typed(name, cast(value, Text) if whole else cast(value, Double), TEXT if whole else NUMBER)
    if isinstance(type_, (Integer, Numeric, Float)):
        return Typed(name, cast(value, Double), NUMBER)
    if isinstance(type_, DateTime):
        return Typed(name, value, INSTANT_UTC if type_.timezone else INSTANT)
    if isinstance(type_, Date):
        return Typed(name, value, DAY)
    if isinstance(type_, Boolean):
        return Typed(name, value, FLAG)
    if isinstance(type_, ARRAY):
        return Typed(name, cast(value, ARRAY(Text)), TEXTS)
    return Typed(name, cast(value, Text), TEXT)


def _of_sqlite(
    connection: Connection, table: TableClause, names: Sequence[str], types: Mapping[str, SqlType], ids: frozenset[str]
) -> tuple[Typed, ...]:
    """SQLite holds any value in any column: what is there decides; its instants are text, read as in a CSV file."""
    open_ = [n for n in names if not isinstance(types[n], (String, Date, DateTime))]
    held: dict[str, _Held] = {}
    if open_:
        asked = [part for name in open_ for part in _what_is_held(column(name))]
        found = [bool(cell) for cell in connection.execute(select(*asked).select_from(table)).one()]
        held = {name: _Held(*found[4 * i : 4 * i + 4]) for i, name in enumerate(open_)}
    return tuple(_as_held(name, types[name], name in ids, held.get(name, _Held(text=True))) for name in names)


@dataclass(frozen=True)
class _Held:
    """What a column of SQLite holds: text or bytes, numbers, numbers with a fraction, numbers besides 0 and 1."""

    text: bool = False
    number: bool = False
    real: bool = False
    beyond_flags: bool = False


def _what_is_held(value: ColumnElement[Any]) -> tuple[ColumnElement[Any], ...]:
    kind = func.typeof(value)
    conditions: tuple[ColumnElement[Any], ...] = (
        kind.in_(("text", "blob")),
        kind.in_(("integer", "real")),
        kind == "real",
        and_(kind.in_(("integer", "real")), value != 0, value != 1),
    )
    return tuple(func.max(case((condition, 1), else_=0)) for condition in conditions)


def _as_held(name: str, type_: SqlType, is_id: bool, held: _Held) -> Typed:
    value: ColumnElement[Any] = column(name)
    if held.text or not held.number or (is_id and not held.real):
        return Typed(name, cast(value, Text), TEXT)
    if isinstance(type_, Boolean) and not held.beyond_flags:
        return Typed(name, type_coerce(value, Boolean), FLAG)
    return Typed(name, cast(value, Double), NUMBER)
