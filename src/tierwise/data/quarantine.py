"""Row by row: SQL that parses a file's columns and names the first fault of each row, and the table of faulty rows.

Every row is accepted or quarantined with one code:

| code | means |
|---|---|
| ragged | a CSV record with more or fewer fields than the header |
| null | a column that must be filled is empty |
| not_an_instant | not ISO 8601 (a date, or a date and a time with or without a zone) |
| not_a_number, not_an_integer, not_a_flag | cannot be parsed |
| not_allowed | a value outside the few that the column may hold |
| no_reference | none of the columns is filled of which one must be |
| exact_duplicate, duplicate_key | an earlier row is the same, or has the same key and differs |
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from tierwise.data.contract import Column, Table
from tierwise.data.shape import FLAG, INSTANT, LIST, NUMBER, TEXT
from tierwise.data.warehouse import quoted

COLUMNS = ("table", "file", "line", "column", "code", "reason")
_INSTANT = (
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|z|[+-]\d\d(:?\d\d)?)?)?"  # ISO 8601, and nothing looser
)
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_YEAR_ONE, _YEAR_TEN_THOUSAND = "TIMESTAMP '0001-01-01'", "TIMESTAMP '9999-12-31'"


OF_PEOPLE = ("contacts", "contact_history", "leads")
"""Tables about people: their cells are never repeated (law 10)."""


@dataclass(frozen=True)
class Check:
    """One way in which a row can be at fault: an SQL condition over the parsed columns."""

    column: str
    code: str
    condition: str
    says: str


def parse_sql(frame: pa.Table, table: Table, source: str) -> tuple[str, tuple[Check, ...]]:
    """SQL that reads `source`, and the checks it numbers.

    The result has `__row` (0 first), `__fault` (the number of the first check the row fails, null if none),
    `__cell` (the text at fault), and every column of `frame`, typed.
    """
    names = frame.column_names
    types = dict(zip(names, frame.schema.types, strict=True))
    checks = _checks(table, types)
    filled = [f"{_filled(n, types[n])} AS {quoted('t:' + n)}" for n in names]
    parsed = [f"{_parsed(table.column(n), n, types[n])} AS {quoted(n)}" for n in names]
    raw = [quoted("t:" + n) for n in names]
    fault = " ".join(f"WHEN {check.condition} THEN {i}" for i, check in enumerate(checks))
    cell = " ".join(f"WHEN {i} THEN {_cell(check, types)}" for i, check in enumerate(checks))
    sql = f"""
        WITH filled AS (SELECT __row, {", ".join(filled)} FROM {quoted(source)}),
        parsed AS (SELECT __row, {", ".join([*raw, *parsed])} FROM filled),
        checked AS (SELECT *, {f"CASE {fault} END" if checks else "NULL::INTEGER"} AS __fault FROM parsed)
        SELECT __row, __fault, {f"CASE __fault {cell} END" if checks else "NULL::VARCHAR"} AS __cell,
            {", ".join(quoted(n) for n in names)}
        FROM checked"""
    return sql, checks


def _filled(name: str, type_: pa.DataType) -> str:
    column = quoted(name)
    return f"nullif({column}, '')" if type_ == TEXT else column


def _parsed(column: Column | None, name: str, type_: pa.DataType) -> str:
    cell = quoted("t:" + name)
    wanted = column.type if column else None
    if type_ == LIST:
        return f"nullif(list_filter(list_transform({cell}, lambda x: trim(x)), lambda x: x <> ''), [])"
    if type_ == NUMBER and wanted == "integer":
        return f"CASE WHEN {cell} = floor({cell}) AND abs({cell}) < 1e15 THEN {cell}::BIGINT END"
    if type_ == NUMBER:
        return f"CASE WHEN isfinite({cell}) THEN {cell} END"
    if type_ == INSTANT:
        return f"CASE WHEN {cell} BETWEEN {_YEAR_ONE} AND {_YEAR_TEN_THOUSAND} THEN {cell} END"
    if type_ == FLAG or wanted is None or wanted == "text":
        return f"lower({cell})" if column and column.values else cell
    if wanted == "number":
        return f"CASE WHEN regexp_full_match({cell}, '{_NUMBER}') THEN {_finite(f'try_cast({cell} AS DOUBLE)')} END"
    if wanted == "integer":
        return rf"CASE WHEN regexp_full_match({cell}, '[+-]?\d+(\.0*)?') THEN try_cast({cell} AS BIGINT) END"
    if wanted == "instant":
        zoned = f"try_cast({cell} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"  # a plain TIMESTAMP cast drops the zone
        return f"CASE WHEN regexp_full_match({cell}, '{_INSTANT}') AND {cell} >= '0001-01-02' THEN {zoned} END"
    if wanted == "flag":
        true, false = "('true', 't', 'yes', 'y', '1')", "('false', 'f', 'no', 'n', '0')"
        return f"CASE WHEN lower({cell}) IN {true} THEN true WHEN lower({cell}) IN {false} THEN false END"
    parts = f"list_transform(string_split({cell}, ';'), lambda x: trim(x))"
    return f"nullif(list_filter({parts}, lambda x: x <> ''), [])"


def _finite(expression: str) -> str:
    return f"CASE WHEN isfinite({expression}) THEN {expression} END"


_UNREADABLE = {
    "number": ("not_a_number", "is not a number"),
    "integer": ("not_an_integer", "is not a whole number"),
    "instant": ("not_an_instant", "is not an ISO 8601 instant"),
    "flag": ("not_a_flag", "is neither true nor false"),
}


def _checks(table: Table, types: dict[str, pa.DataType]) -> tuple[Check, ...]:
    """The checks of a table's columns that are there, in the contract's order."""
    checks: list[Check] = []
    for column in table.columns:
        if column.name not in types:
            continue
        raw, value = quoted("t:" + column.name), quoted(column.name)
        missing = f"({raw} IS NULL OR isnan({raw}))" if types[column.name] == NUMBER else f"{raw} IS NULL"
        if not column.nullable:
            checks.append(Check(column.name, "null", missing, f"{column.name} is empty, and must not be"))
        if column.type in _UNREADABLE:
            code, says = _UNREADABLE[column.type]
            checks.append(Check(column.name, code, f"({value} IS NULL AND NOT {missing})", says))
        if column.values:
            allowed = ", ".join(f"'{v}'" for v in column.values)
            says = f"is not one of: {', '.join(column.values)}"
            checks.append(Check(column.name, "not_allowed", f"{value} NOT IN ({allowed})", says))
    there = [name for name in table.one_of if name in types]
    if there:
        condition = " AND ".join(f"{quoted(name)} IS NULL" for name in there)
        checks.append(Check(there[0], "no_reference", f"({condition})", f"none of these is filled: {', '.join(there)}"))
    return tuple(checks)


def _cell(check: Check, types: dict[str, pa.DataType]) -> str:
    silent = check.code in ("null", "no_reference") or types[check.column] == LIST
    return "NULL" if silent else f"{quoted('t:' + check.column)}::VARCHAR"


def infer_sql(source: str, names: list[str]) -> str:
    """SQL for what the text columns of `source` hold throughout: a row a name with `filled` and three flags.

    A number with a leading zero is text: it is a code, not an amount.
    """
    parts = []
    for name in names:
        cell = f"nullif({quoted(name)}, '')"
        inner = f"SELECT {cell} AS {quoted('t:v')} FROM {quoted(source)}"
        number = _parsed(Column("v", "number"), "v", TEXT)
        coded = r"regexp_full_match(" + quoted("t:v") + r", '[+-]?0\d.*')"
        instant = _parsed(Column("v", "instant"), "v", TEXT)
        flag = f"lower({quoted('t:v')}) IN ('true', 'false')"
        parts.append(
            f"SELECT count({quoted('t:v')}) AS filled, bool_and({number} IS NOT NULL AND NOT {coded}) AS number, "
            f"bool_and({instant} IS NOT NULL) AS instant, bool_and({flag}) AS flag "
            f"FROM ({inner}) WHERE {quoted('t:v')} IS NOT NULL"
        )
    return " UNION ALL BY NAME ".join(f"SELECT {i} AS place, * FROM ({part})" for i, part in enumerate(parts))


def duplicates_sql(table: Table, source: str, columns: list[str]) -> str:
    """SQL for the rows of `source` (with `__part`, `__row`) whose key an earlier row has; `exact` if all is equal."""
    keys = [quoted(name) for name in (table.key or columns)]
    key = ", ".join(keys)
    same = " AND ".join(f"r.{name} IS NOT DISTINCT FROM t.{name}" for name in keys)
    everything = f"row({', '.join(quoted(name) for name in columns)})"
    return f"""
        WITH repeated AS (SELECT {key} FROM {quoted(source)} GROUP BY ALL HAVING count(*) > 1),
        ranked AS (
            SELECT __part, __row, row_number() OVER earlier AS place,
                {everything} IS NOT DISTINCT FROM first_value({everything}) OVER earlier AS exact
            FROM {quoted(source)} t SEMI JOIN repeated r ON {same}
            WINDOW earlier AS (PARTITION BY {key} ORDER BY __part, __row)
        )
        SELECT __part, __row, exact FROM ranked WHERE place > 1 ORDER BY __part, __row"""


def reason(check: Check, cell: str | None, table: str) -> str:
    """The words for one faulty row; a cell of a table of people, or one with an e-mail address, is not repeated."""
    if cell is None:
        return check.says
    shown = "the value" if "@" in cell or table in OF_PEOPLE else f"'{cell[:40]}'"
    return f"{shown} {check.says}"


def rows(
    table: str, file: str, lines: np.ndarray, columns: list[str], codes: list[str], says: list[str]
) -> pd.DataFrame:
    """Quarantined rows of one file, as the frame that Intake carries."""
    frame = {"table": table, "file": file, "line": lines, "column": columns, "code": codes, "reason": says}
    return pd.DataFrame(frame, columns=list(COLUMNS)).astype({"line": "int64"})


def empty() -> pd.DataFrame:
    """The quarantine with no row in it."""
    return pd.DataFrame({name: pd.Series(dtype="int64" if name == "line" else "str") for name in COLUMNS})
