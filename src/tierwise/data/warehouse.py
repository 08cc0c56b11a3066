"""The warehouse: every canonical table in one DuckDB, in memory or in a folder of its own; the importer of duckdb."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tierwise.clock import naive
from tierwise.data.contract import TABLES, ColumnType, Table
from tierwise.data.shape import ARROW_TYPES, shape
from tierwise.errors import ContractError, TierwiseError

if TYPE_CHECKING:
    from typing import Self

SQL_TYPES: dict[ColumnType, str] = {
    "text": "VARCHAR",
    "number": "DOUBLE",
    "integer": "BIGINT",
    "instant": "TIMESTAMP",
    "flag": "BOOLEAN",
    "list": "VARCHAR[]",
}
"""How DuckDB names each type of the contract."""
MADE = {
    "activities": {
        "known_at": "greatest(occurred_at, coalesce(recorded_at, occurred_at))",
        "noise": "NULL::VARCHAR",
    }
}
"""Columns that no file holds: what is computed, and what `flag_noise` fills."""
MADE_TYPES = {"activities": {"known_at": "TIMESTAMP", "noise": "VARCHAR"}}
"""Their types."""
DISPUTES = """CREATE TABLE disputes (
    table_name VARCHAR, fact_id VARCHAR, field VARCHAR, disputed_at TIMESTAMP, restored_at TIMESTAMP)"""
"""Facts that a person has marked wrong, and until when (null: still); no file holds them (`join_disputes`)."""


@dataclass(frozen=True)
class Query:
    """SQL with `$name` parameters, and their values; an aware datetime is passed on in UTC."""

    sql: str
    params: Mapping[str, object] = field(default_factory=dict)


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


HIDDEN = ("__source", "__part", "__row", "__fault", "__cell", "__key")
"""Columns of a staged table that say where a row comes from; they are dropped before anything reads the table."""
_SETTINGS = (  # without in_clause: it makes a join of every IN list, and a wide table's parsing has hundreds
    "TimeZone = 'UTC'",
    "python_enable_replacements = false",
    "enable_progress_bar = false",
    "disabled_optimizers = 'in_clause'",  # it makes a join of each IN list: a wide table's parsing has hundreds
)
_WORDS: dict[str, ColumnType] = {type_: word for word, type_ in SQL_TYPES.items()}


class Warehouse:
    """One DuckDB connection.

    Every table of the contract is there (absent ones empty, absent columns null): ids and text VARCHAR, instants
    TIMESTAMP (UTC), numbers DOUBLE, lists VARCHAR[]. `activities` has `known_at`; `accounts` its further attributes.

    Parameters
    ----------
    memory : how much DuckDB may hold, as `2GB`. The tables then stand compressed in a temporary folder, to which larger
        queries spill too, and which is removed at the end (so nothing waits for the disk); without it everything is
        held in memory.
    """

    def __init__(self, threads: int, memory: str | None = None) -> None:
        self._remove: Callable[[], object] = _nothing
        config: dict[str, Any] = {"threads": threads}
        at = ":memory:"
        if memory is not None:
            folder = tempfile.mkdtemp(prefix="tierwise-")
            self._remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            config |= {"memory_limit": memory, "temp_directory": f"{folder}/spilled"}
            config |= {"wal_autocheckpoint": "1GB", "fsync_mode": "NONE"}
            at = f"{folder}/tables.duckdb"
        self._connection = duckdb.connect(at, config=config)
        for setting in _SETTINGS:
            self._connection.execute(f"SET {setting}")
        self._connection.execute(DISPUTES)

    @classmethod
    def open(cls, tables: Mapping[str, pa.Table | Path], threads: int) -> Warehouse:
        """Open a warehouse of clean tables (Arrow, or paths of Parquet files), and of nothing else.

        Rows are taken as they are: nothing is quarantined here (`read_tables` does that), but a missing or mistyped
        column is refused.

        Raises
        ------
        ContractError : a table or a required column is not the contract's, or a column has another type.
        """
        unknown = sorted(set(tables) - set(TABLES))
        if unknown:
            raise ContractError(
                f"the tables {', '.join(unknown)} were given", found=f"the contract has: {', '.join(TABLES)}"
            )
        warehouse = cls(threads)
        for name, table in TABLES.items():
            source = tables.get(name)
            if isinstance(source, Path):
                source = pq.read_table(source)
            warehouse._create(table, None if source is None else _clean(table, source))
        return warehouse

    def _create(self, table: Table, source: pa.Table | None) -> None:
        there = source.column_names if source is not None else []
        columns = []
        for column in table.columns:
            value = quoted(column.name) if column.name in there else "NULL"
            columns.append(f"{value}::{SQL_TYPES[column.type]} AS {quoted(column.name)}")
        further = [name for name in there if name not in table.names]
        columns += [quoted(name) for name in further]
        select = f"SELECT {', '.join(columns)}"
        made = "".join(f", {value} AS {name}" for name, value in MADE.get(table.name, {}).items())
        select = f"SELECT *{made} FROM ({select} FROM __source)"
        if source is None or not there:
            source = pa.table({"__nothing": pa.array([], pa.int8())})
        self._connection.register("__source", source)
        try:
            self._connection.execute(f"CREATE TABLE {quoted(table.name)} AS {select}")
        finally:
            self._connection.unregister("__source")

    def attributes(self, table: str = "accounts") -> dict[str, str]:
        """The further columns of a table, by name, with the contract's word for their type."""
        known = {*TABLES[table].names, *MADE.get(table, {}), *HIDDEN}
        return {name: word for name, word in self.columns(table).items() if name not in known}

    def columns(self, table: str) -> dict[str, ColumnType]:
        """All columns of a table as they stand now, in order, with the contract's word for their type."""
        described = self._connection.execute(f"DESCRIBE {quoted(table)}").fetchall()
        return {name: _WORDS[type_] for name, type_, *_ in described if type_ in _WORDS}

    def rewrite(self, table: str, query: Query) -> None:
        """Replace a table by what a query makes of it; its columns stay."""
        self.run(Query(f"CREATE OR REPLACE TABLE __rewritten AS {query.sql}", query.params))
        self.run(Query(f"DROP TABLE {quoted(table)}"))
        self.run(Query(f"ALTER TABLE __rewritten RENAME TO {quoted(table)}"))

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Make several small changes one: all of them or, if one fails, none; and written once."""
        self.run(Query("BEGIN"))
        try:
            yield
        except BaseException:
            self.run(Query("ROLLBACK"))
            raise
        self.run(Query("COMMIT"))

    def number(self, query: Query) -> int:
        """The one whole number that a query returns."""
        [[value]] = self._connection.execute(query.sql, _params(query) or None).fetchall()
        return int(value or 0)

    def arrow(self, query: Query) -> pa.Table:
        """The result of a query as an Arrow table."""
        params = _params(query)
        relation = self._connection.sql(query.sql, params=params) if params else self._connection.sql(query.sql)
        if relation is None:
            raise TierwiseError("a query was run for its rows", found="it returns none", do="Use Warehouse.run")
        return relation.to_arrow_table()

    def frame(self, query: Query) -> pd.DataFrame:
        """The result of a query as pandas: text `str`, numbers float64 or int64, instants datetime64[us] in UTC.

        Decimals and sums of integers come back as float64, dates as instants, flags with nulls as object.
        """
        table = self.arrow(query)
        for i, part in enumerate(table.schema):
            if pa.types.is_decimal(part.type):
                table = table.set_column(i, part.name, table.column(i).cast(pa.float64()))
            elif pa.types.is_date(part.type):
                table = table.set_column(i, part.name, table.column(i).cast(pa.timestamp("us")))
            elif pa.types.is_timestamp(part.type) and part.type.tz:
                utc = table.column(i).cast(pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us"))
                table = table.set_column(i, part.name, utc)
            elif pa.types.is_null(part.type) or pa.types.is_dictionary(part.type):
                table = table.set_column(i, part.name, table.column(i).cast(pa.string()))
        return table.to_pandas()

    def run(self, query: Query) -> None:
        """Run a statement for its effect (CREATE TEMP TABLE ... AS)."""
        self._connection.execute(query.sql, _params(query) or None).fetchall()

    def write(self, query: Query, path: Path) -> None:
        """Write the result of a query to a Parquet file, without holding it.

        Raises
        ------
        OSError : the file cannot be written.
        """
        try:
            self.run(Query(f"COPY ({query.sql}) TO $__path (FORMAT parquet)", {**query.params, "__path": str(path)}))
        except duckdb.IOException as error:
            raise OSError(None, str(error).splitlines()[0], str(path)) from None

    def register(self, name: str, table: pa.Table | pd.DataFrame) -> None:
        """Make a table of the caller's readable under a name, in place of any registered under it before."""
        if isinstance(table, pd.DataFrame):
            table = pa.Table.from_pandas(table, preserve_index=False)
        self._connection.register(name, table)

    def unregister(self, name: str) -> None:
        """Forget a registered table."""
        self._connection.unregister(name)

    def close(self) -> None:
        """Close the connection; everything in it is gone, and its folder too."""
        self._connection.close()
        self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _nothing() -> None:
    """What is left of a warehouse that had no folder."""


def _params(query: Query) -> dict[str, Any]:
    return {name: naive(v) if isinstance(v, datetime) and v.tzinfo else v for name, v in query.params.items()}


def _clean(table: Table, source: pa.Table) -> pa.Table:
    """A table in the contract's types, or a refusal that names every column at fault."""
    shaped = shape(source, tuple(source.column_names), table, table.name)
    findings = list(shaped.findings)
    columns: dict[str, pa.ChunkedArray] = {}
    for name in shaped.frame.column_names:
        values, column = shaped.frame.column(name), table.column(name)
        wanted = ARROW_TYPES[column.type] if column else values.type
        if values.type != wanted and values.null_count < len(values) and not pa.types.is_floating(values.type):
            findings.append(f"{table.name}: {name}: arrives as {values.type}; {wanted} is wanted")
        else:
            columns[name] = values.cast(wanted) if values.null_count < len(values) else pa.nulls(len(values), wanted)
    if findings:
        raise ContractError("the tables given are not clean:\n" + "\n".join(f"  {f}" for f in findings))
    return pa.table(columns) if columns else pa.table({})
