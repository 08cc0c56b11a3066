"""The data contract, and the way from files to a warehouse."""

from __future__ import annotations

from tierwise.data.contract import OUTCOME_TABLES, TABLES, Column, Table
from tierwise.data.identity import apply_merges, survivors
from tierwise.data.intake import Inspection, Intake, inspect_tables, read_tables
from tierwise.data.warehouse import Query, Warehouse, quoted

__all__ = [
    "OUTCOME_TABLES",
    "TABLES",
    "Column",
    "Inspection",
    "Intake",
    "Query",
    "Table",
    "Warehouse",
    "apply_merges",
    "inspect_tables",
    "quoted",
    "read_tables",
    "survivors",
]
