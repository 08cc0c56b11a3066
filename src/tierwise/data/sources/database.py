"""SQL databases as sources: tables and views by URL, read in batches, only the columns used, by watermark.

Every table is copied to `state/sources/<source>/<table>.parquet`. Where a table has a watermark column, a later run
reads the rows since the newest watermark less `look_back_days`, which take the place of those the copy had since then;
if the copy then holds more or fewer rows than the table (rows were deleted, or came with an old watermark), or another
database, column or type is read, everything is read again. To have it all read again by hand, delete that folder.
Of e-mail addresses the copy holds the domain, and a hash for the name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, Date, DateTime, Inspector, TableClause, column, func, inspect, or_, select
from sqlalchemy.sql import table as sql_table
from sqlalchemy.sql.elements import ColumnElement

from tierwise.config.workspace import Source
from tierwise.data.contract import TABLES
from tierwise.data.sources.addresses import without_people
from tierwise.data.sources.columns import INSTANT_UTC, SqlType, Typed, is_id, is_readable, typed
from tierwise.data.sources.connection import connected
from tierwise.data.sources.files import snake
from tierwise.data.sources.kept import Kept, Origin, Reader, literal
from tierwise.data.sources.part import Listing, Part
from tierwise.data.sources.urls import without_secret_values
from tierwise.data.warehouse import Query, Warehouse
from tierwise.errors import UserError

BATCH = 20_000
"""Rows fetched at a time."""
LOGS = {
    "activities": ("recorded_at", "occurred_at"),
    "account_history": ("changed_at",),
    "contact_history": ("changed_at",),
}
"""Tables whose rows are written once, and what says when; other tables need a modified_at to be read in part."""

How = Literal["whole", "in part", "again"]
"""How a table was read: whole; from its watermark on; or so, and then whole, as the count of its rows differed."""


@dataclass(frozen=True)
class Reading:
    """What is read of one table of a database.

    table : what its part is of: a table of the contract, or an object of a mapping.
    columns : those to read, as the database names them. key : tells its rows apart; none: equal rows are as many rows.
    watermark : a column whose newest value says up to where the table has been read; None: it is read whole each time.
    """

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...] = ()
    watermark: str | None = None


Wanted = Callable[[str, tuple[str, ...]], Reading | None]
"""From a table's name and its columns to what is read of it; None: nothing."""


def contract_reading(name: str, columns: tuple[str, ...]) -> Reading | None:
    """What is read of a table that the contract names: its columns, what looks like one of them, and attributes."""
    table = TABLES.get(name.lower())
    if table is None:
        return None
    used = tuple(c for c in columns if table.open or c in table.names or snake(c) in table.names)
    key = table.key if set(table.key) <= set(used) else ()
    marks = ("modified_at", *LOGS.get(table.name, ()))
    return Reading(table.name, used, key, next((mark for mark in marks if mark in used), None))


def database_parts(source: Source, folder: Path, threads: int, wanted: Wanted = contract_reading) -> Listing:
    """Bring the local copies of a database's tables up to date, as of one instant, and list them as parts.

    Raises
    ------
    EnvironmentFault : it cannot be reached, or refuses. ConfigError, UserError : its URL or file is at fault.
    """
    with connected(source, folder) as (connection, schema):
        names = table_names(connection, schema)
        readings, findings = _readings(connection, schema, names, wanted)
        if not readings and not findings:
            findings = [_nothing(source, connection, schema, names)]
        if findings:
            return Listing((), tuple(findings))
        home = folder / "state" / "sources" / source.name
        home.mkdir(parents=True, exist_ok=True)
        parts: list[Part] = []
        read: dict[How, list[str]] = {"whole": [], "in part": [], "again": []}
        with Warehouse(threads) as warehouse:
            warehouse.run(Query(f"SET temp_directory = {literal(str(home / 'spill'))}"))
            for name, reading in readings:
                kept, how = _refreshed(source, connection, schema, name, reading, home, warehouse)
                parts.append(_part(source, name, reading, kept))
                read[how].append(reading.table)
    return Listing(tuple(parts), (), _notes(source, read))


def reached(source: Source, folder: Path) -> str:
    """Ask a database for its tables; what it says, for `doctor`.

    Raises
    ------
    EnvironmentFault, ConfigError, UserError : as `database_parts`.
    """
    with connected(source, folder) as (connection, schema):
        names = table_names(connection, schema)
        return f"answers; {len(names)} tables and views in {schema or inspect(connection).default_schema_name}"


def table_names(connection: Connection, schema: str | None) -> tuple[str, ...]:
    """The tables and views of a schema, in name order."""
    inspector: Inspector = inspect(connection)
    names = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
    if connection.dialect.name == "postgresql":
        names += inspector.get_materialized_view_names(schema)
    return tuple(sorted(names))


def _readings(
    connection: Connection, schema: str | None, names: Sequence[str], wanted: Wanted
) -> tuple[list[tuple[str, Reading]], list[str]]:
    """What is read of each table, in the contract's order; two tables for one are a finding."""
    inspector: Inspector = inspect(connection)
    found: dict[str, tuple[str, Reading]] = {}
    findings: list[str] = []
    for name in names:
        if wanted(name, ()) is None:
            continue
        columns = [c["name"] for c in inspector.get_columns(name, schema) if is_readable(c["type"])]
        reading = wanted(name, tuple(columns))
        if reading is None:
            continue
        if reading.table in found:
            says = "both hold this table; keep one of them, or name a schema with ?schema="
            findings.append(f"{reading.table}: {found[reading.table][0]} and {name} {says}")
        found[reading.table] = (name, reading)
    order = {table: place for place, table in enumerate(TABLES)}
    return sorted(found.values(), key=lambda f: (order.get(f[1].table, len(order)), f[1].table)), findings


def _nothing(source: Source, connection: Connection, schema: str | None, names: Sequence[str]) -> str:
    inspector: Inspector = inspect(connection)
    where = schema or inspector.default_schema_name
    if schema and schema not in inspector.get_schema_names():
        return f"source '{source.name}': there is no schema '{schema}' that this user may see"
    there = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "none"
    return (
        f"source '{source.name}': no table that is read stands in the schema {where}; tables and views there: {there}"
    )


def _refreshed(
    source: Source,
    connection: Connection,
    schema: str | None,
    name: str,
    reading: Reading,
    home: Path,
    warehouse: Warehouse,
) -> tuple[Kept, How]:
    """The local copy of one table brought up to date, and how it was read."""
    table = sql_table(name, schema=schema)
    types: dict[str, SqlType] = {c["name"]: c["type"] for c in inspect(connection).get_columns(name, schema)}
    ids = frozenset(c for c in reading.columns if is_id(c) or c in reading.key)
    columns = typed(connection, table, reading.columns, types, ids)
    url = without_secret_values(connection.engine.url)
    at = f"{url.get_backend_name()} {url.host or ''} {url.port or ''} {url.database or ''} {schema or ''} {url.query}"
    origin = Origin(at, name, tuple((c.name, str(c.type)) for c in columns), reading.watermark)
    kept = Kept.find(home / f"{quote(name, safe='')}.parquet", origin)
    today = _today(connection)
    fetched = home / f"{quote(name, safe='')}.{os.getpid()}.new"

    def renewed(since: date | None) -> Kept:
        where = _since(reading.watermark, columns, types, since) if since and reading.watermark else None
        try:
            _fetch(source, connection, table, columns, where, fetched, warehouse)
            return kept.renewed(fetched, reading.key, since, today, warehouse)
        finally:
            fetched.unlink(missing_ok=True)

    if kept.through is None:
        return renewed(None), "whole"
    partial = renewed(kept.through - timedelta(days=source.look_back_days + 1))
    there = connection.execute(select(func.count()).select_from(table)).scalar_one()
    return (partial, "in part") if partial.rows() == there else (renewed(None), "again")


def _today(connection: Connection) -> date:
    """The day on the database's own clock."""
    found = connection.execute(select(func.current_date())).scalar_one()
    return found if isinstance(found, date) else date.fromisoformat(str(found)[:10])


def _since(name: str, columns: Sequence[Typed], types: Mapping[str, SqlType], since: date) -> ColumnElement[bool]:
    """Rows whose watermark is of that day or later, or absent."""
    type_ = types[name]
    mark: ColumnElement[Any] = column(name, type_)
    read = next(c.type for c in columns if c.name == name)
    if isinstance(type_, Date) and not pa.types.is_string(read):
        return or_(mark >= since, mark.is_(None))
    if isinstance(type_, DateTime) and not pa.types.is_string(read):
        zone = UTC if read == INSTANT_UTC else None
        return or_(mark >= datetime(since.year, since.month, since.day, tzinfo=zone), mark.is_(None))
    plain: ColumnElement[Any] = column(name)
    return or_(func.substr(plain, 1, 10) >= since.isoformat(), plain.is_(None))


def _fetch(
    source: Source,
    connection: Connection,
    table: TableClause,
    columns: Sequence[Typed],
    where: ColumnElement[bool] | None,
    to: Path,
    warehouse: Warehouse,
) -> None:
    """Write the rows that are asked for to a Parquet file, a batch at a time, from a cursor on the server."""
    asked = select(*(c.sql.label(f"c{i}") for i, c in enumerate(columns))).select_from(table)
    asked = asked if where is None else asked.where(where)
    schema = pa.schema([(c.name, c.type) for c in columns])
    streaming = connection.execution_options(stream_results=True, yield_per=BATCH)
    with pq.ParquetWriter(to, schema, compression="zstd") as writer, streaming.execute(asked) as result:
        for rows in result.partitions():
            cells = zip(*rows, strict=True)
            arrays = [_array(source, table, c, list(v)) for c, v in zip(columns, cells, strict=True)]
            writer.write_table(pa.table([without_people(a, warehouse) for a in arrays], schema=schema))


def _array(source: Source, table: TableClause, column: Typed, values: list[Any]) -> pa.Array:
    try:
        return pa.array(values, column.type)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        raise UserError(
            f"source '{source.name}': {table.name}: {column.name} was read as {column.type}",
            found="a value of it is of another kind, or out of range",
            do="Mend the values, or read a view that casts them",
        ) from None


def _part(source: Source, name: str, reading: Reading, kept: Kept) -> Part:
    file = f"{source.name}.{name}"
    reader = Reader(kept, file)
    return Part(source.name, reading.table, file, kept.names(), reader.chunks, reader.digest, source.formats)


def _notes(source: Source, read: Mapping[How, Sequence[str]]) -> tuple[str, ...]:
    """What is worth knowing of tables that were not simply read whole."""
    notes = []
    if read["in part"]:
        notes.append(
            f"source '{source.name}': {', '.join(read['in part'])}: read by watermark, {source.look_back_days} days "
            "back; rows that changed without a newer watermark are not seen: delete "
            f"state/sources/{source.name}/ to read all again"
        )
    if read["again"]:
        notes.append(
            f"source '{source.name}': {', '.join(read['again'])}: read whole: rows had been deleted, or had come with "
            "an old watermark"
        )
    return tuple(notes)
