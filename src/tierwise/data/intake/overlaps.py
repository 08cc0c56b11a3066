"""Rows with one key: which of them stands, decided by content and time of change, whatever the order of the files.

Within one part the newest `modified_at` stands, else the first row; of several parts' rows the newest, else the first
by content. A row that is older, or in another part the same, is superseded; the others are quarantined.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tierwise.data.contract import Table
from tierwise.data.warehouse import SQL_TYPES, Query, Warehouse, quoted

SUPERSEDED, EXACT, DIFFERS, DIFFERS_ELSEWHERE = (
    "superseded",
    "exact_duplicate",
    "duplicate_key",
    "duplicate_key_of_part",
)
_SORTED, _COMPARED = 1 << 24, 1 << 21
"""About so many hashes are sorted, and so many rows compared, at a time."""


def key_hash(table: Table, there: list[str]) -> str:
    """The SQL of a row's `__key`: a hash of its source and its key, or of all its columns where the table has none."""
    columns = [column for column in table.columns if column.name in (table.key or table.names)]
    values = [quoted(c.name) if c.name in there else f"NULL::{SQL_TYPES[c.type]}" for c in columns]
    return f"hash(__source, {', '.join(values)})"


def find_losers(warehouse: Warehouse, table: Table) -> None:
    """Fill `__losers` with the rows of a staged table that do not stand: place (rowid), part, row and verdict.

    Repeated hashes of keys are found first, and only the rows that have one are compared.
    """
    warehouse.run(Query("CREATE OR REPLACE TEMP TABLE __repeated (__key UBIGINT)"))
    create_losers(warehouse)
    candidates = _find_repeated(warehouse, table)
    slices = 1 + candidates // _COMPARED
    for i in range(slices if candidates else 0):
        warehouse.run(Query(_ranked(table, list(warehouse.columns(table.name))), {"slices": slices, "i": i}))
    warehouse.run(Query("DROP TABLE __repeated"))


def create_losers(warehouse: Warehouse) -> None:
    """`__losers`, without a row."""
    columns = "place BIGINT, __part BIGINT, __row BIGINT, verdict VARCHAR"
    warehouse.run(Query(f"CREATE OR REPLACE TEMP TABLE __losers ({columns})"))


def _find_repeated(warehouse: Warehouse, table: Table) -> int:
    """Fill `__repeated` with the hashes that several rows have; returns how many rows these are."""
    candidates = 0
    slices = 1 + warehouse.number(Query(f"SELECT count(*) FROM {quoted(table.name)}")) // _SORTED
    for i in range(slices):
        sql = f"SELECT __key FROM {quoted(table.name)} WHERE __fault IS NULL AND __key % $slices::UBIGINT = $i::UBIGINT"
        hashes = np.sort(warehouse.arrow(Query(sql, {"slices": slices, "i": i}))["__key"].to_numpy())
        again = hashes[1:][hashes[1:] == hashes[:-1]]
        repeated = np.unique(again)
        candidates += len(again) + len(repeated)
        if len(repeated):
            warehouse.register("__found", pa.table({"__key": repeated}))
            warehouse.run(Query("INSERT INTO __repeated SELECT __key FROM __found"))
            warehouse.unregister("__found")
    return candidates


def _ranked(table: Table, columns: list[str]) -> str:
    """SQL that ranks the rows of one key: first those of each part, then the first of every part."""
    content = [quoted(name) for name in columns if not name.startswith("__") and name != "known_at"]
    keys = ", ".join(["__source", *(quoted(name) for name in (table.key or table.names))])
    modified = "modified_at" if "modified_at" in columns else "NULL::TIMESTAMP"
    older = "(__modified < __newest OR (__modified IS NULL AND __newest IS NOT NULL))"
    return f"""
        INSERT INTO __losers
        WITH candidates AS MATERIALIZED (
            SELECT rowid AS place, {keys}, __part, __row, {modified} AS __modified,
                row({", ".join(content)}) AS __content
            FROM {quoted(table.name)} SEMI JOIN __repeated USING (__key)
            WHERE __fault IS NULL AND __key % $slices::UBIGINT = $i::UBIGINT
        ),
        within AS MATERIALIZED (
            SELECT *, row_number() OVER w AS nth, first_value(__modified) OVER w AS __newest,
                first_value(__content) OVER w AS __first
            FROM candidates
            WINDOW w AS (PARTITION BY {keys}, __part ORDER BY __modified DESC NULLS LAST, __row)
        ),
        across AS (
            SELECT * EXCLUDE (__newest, __first), row_number() OVER w AS rank,
                first_value(__modified) OVER w AS __newest, first_value(__content) OVER w AS __first
            FROM within WHERE nth = 1
            WINDOW w AS (PARTITION BY {keys} ORDER BY __modified DESC NULLS LAST, __content, __part)
        )
        SELECT place, __part, __row, CASE
            WHEN __content IS NOT DISTINCT FROM __first THEN '{EXACT}'
            WHEN {older} THEN '{SUPERSEDED}' ELSE '{DIFFERS}' END
        FROM within WHERE nth > 1
        UNION ALL
        SELECT place, __part, __row, CASE
            WHEN __content IS NOT DISTINCT FROM __first OR {older} THEN '{SUPERSEDED}' ELSE '{DIFFERS_ELSEWHERE}' END
        FROM across WHERE rank > 1"""
