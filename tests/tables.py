"""Rows as Arrow tables, typed by the contract, for a warehouse that is opened without files."""

from __future__ import annotations

import pyarrow as pa

from tierwise.data import TABLES

ARROW = {
    "text": pa.string(),
    "number": pa.float64(),
    "integer": pa.int64(),
    "instant": pa.timestamp("us", "UTC"),
    "flag": pa.bool_(),
    "list": pa.list_(pa.string()),
}
FURTHER = {"accounts": ("segment",)}
"""Columns beyond the contract's that a table without any row has too."""


def as_tables(rows: dict[str, list[dict]]) -> dict[str, pa.Table]:
    """Each table with the contract's columns that any of its rows has, and further ones as text."""
    tables = {}
    for name, found in rows.items():
        kinds = {c.name: ARROW[c.type] for c in TABLES[name].columns}
        names = list(dict.fromkeys(k for r in found for k in r)) or [*kinds, *FURTHER.get(name, ())]
        schema = pa.schema([(n, kinds.get(n, pa.string())) for n in names])
        tables[name] = pa.Table.from_pylist(found, schema=schema)
    return tables
