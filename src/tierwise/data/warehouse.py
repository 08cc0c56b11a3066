"""The warehouse: every canonical table in one in-memory DuckDB; the one importer of duckdb."""

from __future__ import annotations

from collections.abc import Mapping
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
from tierwise.data.contract import TABLES, Table
from tierwise.data.shape import ARROW_TYPES, shape
from tierwise.errors import ContractError, TierwiseError

if TYPE_CHECKING:
    from typing import Self

SQL_TYPES = {
    "text": "VARCHAR",
    "number": "DOUBLE",
    "integer": "BIGINT",
    "instant": "TIMESTAMP",
    "flag": "BOOLEAN",
    "list": "VARCHAR[]",
}
"""How DuckDB names each type of the contract."""
KNOWN_AT = "greatest(occurred_at, coalesce(recorded_at, occurred_at))"


@dataclass(frozen=True)
class Query:
    """SQL with `$name` parameters, and their values; an aware datetime is passed on in UTC."""

    sql: str
    params: Mapping[str, object] = field(default_factory=dict)


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Warehouse:
    """One in-memory DuckDB connection.

    Every table of the contract is there (absent ones empty, absent columns null): ids and text VARCHAR, instants
    TIMESTAMP (UTC), numbers DOUBLE, lists VARCHAR[]. `activities` has `known_at`; `accounts` its further attributes.
    """

    def __init__(self, threads: int) -> None:
        self._connection = duckdb.connect(":memory:", config={"threads": threads})
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET python_enable_replacements = false")
        self._connection.execute("SET enable_progress_bar = false")
        self._attributes: dict[str, dict[str, str]] = {}

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
        if table.name == "activities":
            select = f"SELECT *, {KNOWN_AT} AS known_at FROM ({select} FROM __source)"
        else:
            select += " FROM __source"
        if source is None or not there:
            source = pa.table({"__nothing": pa.array([], pa.int8())})
        self._connection.register("__source", source)
        try:
            self._connection.execute(f"CREATE TABLE {quoted(table.name)} AS {select}")
        finally:
            self._connection.unregister("__source")
        kinds = {type_: kind for kind, type_ in ARROW_TYPES.items()}
        self._attributes[table.name] = {name: kinds[source.schema.field(name).type] for name in further}

    def attributes(self, table: str = "accounts") -> dict[str, str]:
        """The further columns of a table, by name, with the contract's word for their type."""
        return dict(self._attributes.get(table, {}))

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

    def register(self, name: str, table: pa.Table | pd.DataFrame) -> None:
        """Make a table of the caller's readable under a name, in place of any registered under it before."""
        if isinstance(table, pd.DataFrame):
            table = pa.Table.from_pandas(table, preserve_index=False)
        self._connection.register(name, table)

    def unregister(self, name: str) -> None:
        """Forget a registered table."""
        self._connection.unregister(name)

    def close(self) -> None:
        """Close the connection; everything in it is gone."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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
