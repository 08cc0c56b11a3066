"""Row by row: SQL that parses a part's columns and names the first fault of each row, and the table of faulty rows.

Every row is accepted or quarantined with one code:

| code | means |
|---|---|
| ragged | a CSV record with more or fewer fields than the header |
| repeated_header | the header stands here again: two exports in one file |
| null | a column that must be filled is empty |
| not_an_instant | not written as the source's declared dates are, or no date at all |
| out_of_range | an instant before 1900 or after 2200, a number that must be above zero and is not |
| not_a_number, not_an_integer, not_a_flag | cannot be parsed |
| reversed_range, date_mangled | 200-51; Oct-50, which a spreadsheet made of 10-50 |
| not_a_currency, currency_mismatch, ambiguous_currency | no three letters; an amount in another one; kr alone |
| not_allowed | a value outside the few that the column may hold |
| no_reference | none of the columns is filled of which one must be |
| exact_duplicate, duplicate_key | an earlier row is the same, or has the same key and differs |
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from tierwise.config.workspace import Formats
from tierwise.data.cells import currencies, instants, numbers
from tierwise.data.cells.sql import among, bound, literal
from tierwise.data.checks import Check, Reading, cell_of, checks_of
from tierwise.data.contract import Column, Table
from tierwise.data.shape import FLAG, INSTANT, LIST, NUMBER, TEXT, ZONED
from tierwise.data.warehouse import quoted

COLUMNS = ("table", "file", "line", "column", "code", "reason")
OF_PEOPLE = ("contacts", "contact_history", "leads")
"""Tables about people: their cells are never repeated (law 10)."""
_OF_A_PERSON = re.compile(r"@|[^\W\d_]{2,}[\s,]+[^\W\d_]{2,}|^\s*[+(0](?=(\D*\d){9})[\d\s()/.-]+$")
"""An e-mail address; two words; a telephone number."""
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")


def parse_sql(
    frame: pa.Table,
    table: Table,
    source: str,
    formats: Formats | None = None,
    shown: Mapping[str, str] | None = None,
) -> tuple[str, tuple[Check, ...]]:
    """SQL that reads `source`, and the checks it numbers.

    The result has `__row` (0 first), `__fault` (the number of the first check the row fails, null if none),
    `__cell` (the text at fault), and every column of `frame`, typed; besides, `<name>_kind` of each column that may
    hold ranges, and `currency` where amounts may name it. `shown`: a column's name in the header, where it was mapped.
    """
    types = dict(zip(frame.column_names, frame.schema.types, strict=True))
    reading = Reading(table, types, formats or Formats(), shown or {})
    checks = checks_of(reading)
    filled = [f"{_filled(reading, name)} AS {quoted('t:' + name)}" for name in types]
    parts = [f"{expression} AS {quoted(name)}" for name, expression in _parts(reading).items()]
    values = {name: _value(reading, name) for name in types} | _made(reading)
    parsed = [f"{expression} AS {quoted(name)}" for name, expression in values.items()]
    fault = " ".join(f"WHEN {check.condition} THEN {i}" for i, check in enumerate(checks))
    cell = " ".join(f"WHEN {i} THEN {cell_of(check, types)}" for i, check in enumerate(checks))
    sql = f"""
        WITH filled AS (SELECT __row, {", ".join(filled)} FROM {quoted(source)}),
        parts AS (SELECT {", ".join(["*", *parts])} FROM filled),
        marked AS (SELECT {", ".join(["*", *_marked(reading)])} FROM parts),
        parsed AS (SELECT {", ".join(["*", *parsed])} FROM marked),
        checked AS (SELECT *, {f"CASE {fault} END" if checks else "NULL::INTEGER"} AS __fault FROM parsed)
        SELECT __row, __fault, {f"CASE __fault {cell} END" if checks else "NULL::VARCHAR"} AS __cell,
            {", ".join(quoted(name) for name in values)}
        FROM checked"""
    return sql, checks


def _filled(reading: Reading, name: str) -> str:
    """The cell, or null where it holds nothing or a declared word for nothing."""
    column, nulls = quoted(name), ("", *reading.formats.nulls)
    return f"CASE WHEN {among(column, nulls)} THEN NULL ELSE {column} END" if reading.is_text(name) else column


def _parts(reading: Reading) -> dict[str, str]:
    """What cells are taken apart into before they are values."""
    formats = reading.formats
    found = {}
    for name in reading.types:
        if reading.is_text(name) and reading.column(name).type == "instant":
            found[f"i:{name}"] = instants.iso_text(quoted("t:" + name), formats)
    for column in reading.amounts:
        cell = quoted("t:" + column.name)
        found[f"d:{column.name}"] = numbers.amount(cell, formats, ranged=column.ranged, money=column.money)
    for name, column in reading.of_history:
        amount = numbers.amount(quoted("t:" + name), formats, ranged=column.ranged, money=column.money)
        found[f"d:{name}:{column.name}"] = f"CASE WHEN {quoted('t:field')} = {literal(column.name)} THEN {amount} END"
    if reading.is_text("currency"):
        found["c:currency"] = currencies.code(quoted("t:currency"), formats.symbols)
    return found


def _marked(reading: Reading) -> list[str]:
    """The currency that amounts name."""
    if not reading.money:
        return []
    mark = quoted("d:" + reading.money) + ".mark"
    return [f"{currencies.meaning(mark, reading.formats.symbols)} AS {quoted('m:' + reading.money)}"]


def _value(reading: Reading, name: str) -> str:
    """A column's value: what its cell says, in the contract's type."""
    column, type_, formats = reading.column(name), reading.types[name], reading.formats
    cell = quoted("t:" + name)
    if type_ == LIST:
        return f"nullif(list_filter(list_transform({cell}, lambda x: trim(x)), lambda x: x <> ''), [])"
    if type_ == ZONED:
        return instants.plausible(f"timezone('UTC', {cell})")
    if type_ == INSTANT:
        return instants.plausible(cell if formats.time_zone == "UTC" else instants.to_utc(cell, formats.time_zone))
    if type_ == NUMBER and column.type == "instant":
        return instants.from_number(cell, formats)
    if type_ == NUMBER and column.type == "integer":
        return f"CASE WHEN {cell} = floor({cell}) AND abs({cell}) < 1e15 THEN {cell}::BIGINT END"
    if type_ == NUMBER:
        return f"CASE WHEN isfinite({cell}) THEN {cell} END"
    if type_ == FLAG:
        return cell
    if fields := [field for of, field in reading.of_history if of == name]:
        return _historic(name, fields)
    return _of_text(column, cell, formats)


def _of_text(column: Column, cell: str, formats: Formats) -> str:
    """What a cell of text says."""
    if column.name == "currency":
        return quoted("c:currency")
    if column.type == "text":
        return f"lower({cell})" if column.values else cell
    if column.ranged or column.money:
        return numbers.value(quoted("d:" + column.name), whole=column.whole)
    if column.type == "number":
        return numbers.number(cell, formats)
    if column.type == "integer":
        return numbers.integer(cell, formats)
    if column.type == "instant":
        return instants.instant(quoted("i:" + column.name), formats)
    if column.type == "flag":
        word = f"lower({cell})"
        return f"CASE WHEN {among(word, _TRUE)} THEN true WHEN {among(word, _FALSE)} THEN false END"
    parts = f"list_transform(string_split({cell}, ';'), lambda x: trim(x))"
    return f"nullif(list_filter({parts}, lambda x: NOT {among('x', ('', *formats.nulls))}), [])"


def _historic(name: str, fields: list[Column]) -> str:
    """A value of a history: as it is, or the number that a range or an amount stands for."""
    cell = quoted("t:" + name)
    cases = ""
    for field in fields:
        amount = numbers.value(quoted(f"d:{name}:{field.name}"), whole=field.whole)
        number = f"CASE WHEN try_cast({cell} AS DOUBLE) = {amount} THEN {cell} ELSE {amount}::VARCHAR END"
        cases += f"WHEN {literal(field.name)} THEN {number} "
    return f"CASE {quoted('t:field')} {cases}ELSE {cell} END"


def _made(reading: Reading) -> dict[str, str]:
    """Columns that others fill: how a number was written, and the currency that its amounts name."""
    made = {}
    for name, type_ in reading.types.items():
        column, kind = reading.column(name), f"{name}_kind"
        if column.ranged and reading.table.column(kind):
            said = (
                numbers.kind(quoted("d:" + name))
                if type_ == TEXT
                else f"CASE WHEN {_value(reading, name)} IS NOT NULL THEN 'exact' END"
            )
            made[kind] = f"coalesce(lower({quoted('t:' + kind)}), {said})" if reading.is_text(kind) else said
    if reading.money:
        given = quoted("c:currency") if reading.is_text("currency") else "NULL::VARCHAR"
        named = f"nullif({quoted('m:' + reading.money)}, '')"
        made["currency"] = f"coalesce({given}, {named})"
    return made


def infer_sql(source: str, names: list[str], formats: Formats | None = None) -> str:
    """SQL for one row a column: which types every filled value of it has.

    A number with a leading zero is text: it is a code, not an amount; so is a mixture of percentages and others.
    """
    formats = formats or Formats()
    cell, parts = quoted("t:v"), []
    for name in names:
        empty = among(quoted(name), ("", *formats.nulls))
        inner = f"SELECT CASE WHEN {empty} THEN NULL ELSE {quoted(name)} END AS {cell} FROM {quoted(source)}"
        coded = f"regexp_full_match({cell}, '[+-]?0\\d.*')"
        instant = bound(instants.iso_text(cell, formats), "i", instants.instant("i", formats))
        percentages = f"count(*) FILTER ({numbers.is_percentage(cell)}) IN (0, count(*))"
        parts.append(
            f"SELECT count({cell}) AS filled, "
            f"bool_and({numbers.number(cell, formats)} IS NOT NULL AND NOT {coded}) AND {percentages} AS number, "
            f"bool_and({instant} IS NOT NULL) AS instant, bool_and(lower({cell}) IN ('true', 'false')) AS flag "
            f"FROM ({inner}) WHERE {cell} IS NOT NULL"
        )
    return " UNION ALL BY NAME ".join(f"SELECT {i} AS place, * FROM ({part})" for i, part in enumerate(parts))


def reason(check: Check, cell: str | None, table: str) -> str:
    """The words for one faulty row; a cell of a table of people, or one that may hold a name, an e-mail address or a
    telephone number, is not repeated."""
    if cell is None:
        return check.says
    if table in OF_PEOPLE or _OF_A_PERSON.search(cell):
        return f"the value {check.says}"
    return f"'{cell[:40]}' {check.explain(cell) if check.explain else check.says}"


def quarantined_rows(
    table: str, file: str, lines: np.ndarray, columns: list[str], codes: list[str], says: list[str]
) -> pd.DataFrame:
    """Quarantined rows of one file, as the frame that Intake carries."""
    frame = {"table": table, "file": file, "line": lines, "column": columns, "code": codes, "reason": says}
    return pd.DataFrame(frame, columns=list(COLUMNS)).astype({"line": "int64"})


def none_quarantined() -> pd.DataFrame:
    """The quarantine with no row in it."""
    return pd.DataFrame({name: pd.Series(dtype="int64" if name == "line" else "str") for name in COLUMNS})
