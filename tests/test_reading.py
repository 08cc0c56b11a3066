"""Reading by declared formats: what is written is read back, what is not as declared is refused or quarantined."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tierwise.data.quarantine as quarantine
from tierwise.config import Formats, load_workspace
from tierwise.data import TABLES, Query, Warehouse
from tierwise.data.shape import shape
from tierwise.data.sources.csv_text import read_csv
from tierwise.data.sources.part import Chunk, SourceFault
from tierwise.errors import ConfigError

SMALL = 64
"""Bytes of a block, so that small files come in several."""
MONEY = "opportunity_id,account_id,created_at,amount,currency\n"


def parsed(table: str, columns: dict[str, Any], formats: Formats | None = None) -> list[dict[str, Any]]:
    """Rows as read, each with `fault` (None or code) and `says`."""
    frame = pa.table(columns)
    shaped = shape(frame, tuple(frame.column_names), TABLES[table], "file", formats)
    assert not shaped.findings, shaped.findings
    with Warehouse(threads=1) as warehouse:
        numbered = shaped.frame.append_column("__row", pa.array(np.arange(frame.num_rows)))
        warehouse.register("__raw", numbered)
        sql, checks = quarantine.parse_sql(shaped.frame, TABLES[table], "__raw", formats)
        rows = sorted(warehouse.arrow(Query(sql)).to_pylist(), key=lambda row: row["__row"])
    for row in rows:
        check = None if row["__fault"] is None else checks[row["__fault"]]
        row["fault"] = check and check.code
        row["says"] = check and quarantine.reason(check, row["__cell"], table)
    return rows


def accounts(column: str, cells: Sequence[Any], formats: Formats | None = None) -> list[dict[str, Any]]:
    """Accounts with one further column."""
    values = cells if isinstance(cells, pa.Array) else pa.array(cells, pa.string())
    return parsed("accounts", {"account_id": [f"a{i}" for i in range(len(cells))], column: values}, formats)


def deals(cells: Sequence[Any], formats: Formats | None = None, **columns: Any) -> list[dict[str, Any]]:
    """Opportunities, by their created_at."""
    ids = [f"o{i}" for i in range(len(cells))]
    values = cells if isinstance(cells, pa.Array) else pa.array(cells, pa.string())
    return parsed("opportunities", {"opportunity_id": ids, "account_id": ids, "created_at": values, **columns}, formats)


def taken(
    data: bytes, formats: Formats | None = None, block: int = 1 << 20
) -> tuple[list[str], list[Chunk], list[str]]:
    csv_text = read_csv(io.BytesIO(data), formats or Formats(), block=block)
    chunks = list(csv_text.chunks)
    return list(csv_text.names), chunks, csv_text.notes


def refused(data: bytes, formats: Formats | None = None, block: int = 1 << 20) -> tuple[int | None, str]:
    with pytest.raises(SourceFault) as caught:
        taken(data, formats, block)
    return caught.value.line, caught.value.says


# --- CSV as a stream -----------------------------------------------------------------------------------------------

CELLS = st.text(alphabet='ab,;|\t"\n\ré漢 €', max_size=6)
ENCODINGS = ("utf-8", "utf-16", "gb18030")


@settings(deadline=None, max_examples=150)
@given(
    table=st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=12),
    newline=st.sampled_from(["\n", "\r\n"]),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(ENCODINGS),
    block=st.sampled_from([SMALL, 256, 1 << 20]),
)
def test_a_table_in_any_declared_writing_is_read_back(
    table: list[list[str]], newline: str, delimiter: str, encoding: str, block: int
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator=newline, delimiter=delimiter)
    writer.writerow(["x", "y", "z"])
    lines = []
    for record in table:
        lines.append(out.getvalue().count("\n") + 1)
        writer.writerow(record)
    text = out.getvalue()
    data = text.encode("utf-8-sig" if encoding == "utf-8" else encoding)
    names, chunks, notes = taken(data, Formats(encoding=encoding, delimiter=delimiter), block)
    assert (names, notes) == (["x", "y", "z"], [])
    assert [list(row.values()) for chunk in chunks for row in chunk.frame.to_pylist()] == table
    assert [line for chunk in chunks for line in chunk.lines] == lines
    assert not [record for chunk in chunks for record in chunk.ragged]


@settings(deadline=None, max_examples=100)
@given(
    records=st.lists(st.integers(1, 4), min_size=1, max_size=30),
    block=st.sampled_from([SMALL, 128]),
    blanks=st.booleans(),
)
def test_ragged_records_keep_their_lines_across_blocks(records: list[int], block: int, blanks: bool) -> None:
    lines = ["x,y"]
    wanted, ragged = [], []
    for i, fields in enumerate(records):
        lines += [""] if blanks and i % 3 == 0 else []
        lines.append(",".join(f"v{i}" for _ in range(fields)))
        (wanted if fields == 2 else ragged).append((len(lines), fields))
    text = "\n".join([*lines, "end,end"]) + "\n"
    _, chunks, _ = taken(text.encode(), block=block)
    assert [record for chunk in chunks for record in chunk.ragged] == ragged
    assert [int(line) for chunk in chunks for line in chunk.lines] == [line for line, _ in wanted] + [len(lines) + 1]


def test_a_stream_is_read_in_bounded_pieces() -> None:
    rows = b"".join(b'%d,"a\n""b"""\n' % i for i in range(20_000))
    _, chunks, _ = taken(b"id,text\n" + rows, block=1 << 14)
    assert len(chunks) > 10
    assert max(chunk.frame.nbytes for chunk in chunks) < 1 << 17
    assert sum(chunk.frame.num_rows for chunk in chunks) == 20_000
    assert int(chunks[-1].lines[-1]) == 2 + 2 * 19_999


@pytest.mark.parametrize(
    ("data", "formats", "line", "words"),
    [
        (b"", {}, None, "the file is empty"),
        (b"\n\n", {}, None, "the file is empty"),
        (b"id,name\n1,a\n2,caf\xe9\n", {}, 3, "not UTF-8 from this line on (byte 0xe9); if it is windows-1252, declare formats: {encoding: windows-1252}"),
        (b"id,name\n1,\x81\x8d\n", {}, 2, "not UTF-8 from this line on (byte 0x81); declare the encoding that it has"),
        (b"id,name\n1,\x81\n", {"encoding": "windows-1252"}, 2, "not windows-1252 from this line on (byte 0x81); declare the encoding"),
        ("\ufeffid,name\n".encode(), {"encoding": "windows-1252"}, 1, "begins with the byte-order mark of UTF-8, and windows-1252 is declared; declare formats: {encoding: utf-8}"),
        ("id,name\n".encode("utf-16"), {}, 1, "begins with the byte-order mark of UTF-16, and utf-8 is declared; declare formats: {encoding: utf-16}"),
        ("id,name\n".encode("utf-32"), {}, 1, "begins with the byte-order mark of UTF-32, and utf-8 is declared; export it as UTF-8"),
        ("id,name\n".encode("utf-16-le"), {"encoding": "utf-16"}, 1, "has no byte-order mark"),
        ("id,name\n1,a\n".encode("utf-16-le"), {}, 1, "holds NUL bytes: it is UTF-16 without a byte-order mark, or damaged"),
        (b"id,name\n1,a\n2,b\x00\n" + b"3,c\n" * 20, {}, 3, "holds NUL bytes: it is damaged"),
        ("id,name\n1,a\n2,Köln\n".encode(), {"encoding": "windows-1252"}, 3, "its bytes are UTF-8, and windows-1252 is declared; declare formats: {encoding: utf-8}"),
        (b"id,name\n1,it\x92s\n", {"encoding": "iso-8859-1"}, 2, "holds 0x92, no character of iso-8859-1; declare formats: {encoding: windows-1252}"),
        ("id,name\n1,a\n2,Köln\n3,Köln\n4,Köln\n5,Köln\n".encode().decode("windows-1252").encode(), {}, 3, "is UTF-8 that was read as windows-1252 and saved so; export it anew"),
        ("id,name\n1,it’s\n2,it’s\n3,it’s\n4,it’s\n".encode().decode("windows-1252").encode(), {}, 2, "is UTF-8 that was read as windows-1252"),
        (b"id;name\n1;a\n", {}, 1, "the header has one column and holds ';'; declare formats: {delimiter: \";\"}"),
        (b'\n"id";"name"\n"1";"a"\n', {}, 2, "the header has one column and holds ';'; declare formats: {delimiter: \";\"}"),
        (b"id\tname\n1\ta\n", {}, 1, "the header has one column and holds a tab; declare formats: {delimiter: \"\\t\"}"),
        (b"id,name\n1,a\n", {"delimiter": ";"}, 1, "the header has one column and holds ','; declare formats: {delimiter: \",\"}"),
        (b"sep=;\nid;name\n1;a\n", {}, 1, "the first line says sep=;, and ',' is declared; declare formats: {delimiter: \";\"}"),
        (b"Accounts of June\n\nid,name\n1,a\n2,b\n", {}, 1, "the first line is a title, and no header; delete what stands above the header"),
        (b'id,name\n1,"a\n2,b\n', {}, 2, "the quote that opens here is never closed; the file may be cut short"),
        (b'id,name\n1,5" pipe\n', {}, 2, "a quote stands in the middle of a field"),
        (b'id,name\n1,"a"b\n', {}, 2, "a quote stands in the middle of a field"),
        (b"id,name\r1,a\r2,b\r", {}, 1, "a carriage return stands here without a line feed; save the file with LF or CRLF line ends"),
        (b"id,name\n1,a\n2,b\rc\n", {}, 3, "a carriage return stands here without a line feed"),
        (b"id,name,size\n1,a,5\n2,b", {}, 3, "the file ends in the middle of this record (2 of 3 fields); export it anew"),
        (b'id,name\n1,a\n\n"Copyright (c) 2024"\n"Confidential"\n', {}, 4, "a report's closing block begins here; declare its first words, as formats: {footer: Copyright}"),
        (b"PK\x03\x04rest", {}, None, "is a zip archive or an Excel workbook (.xlsx), not CSV text, whatever its name; export it anew as CSV"),
        (b"\xd0\xcf\x11\xe0rest", {}, None, "is an old Excel workbook (.xls)"),
        (b"\x1f\x8brest", {}, None, "is compressed (gzip)"),
        (b"PAR1rest", {}, None, "is a Parquet file"),
        (b"<!DOCTYPE html><html>", {}, None, "is an HTML page (a log-in page, perhaps)"),
        (b"\n<table><tr>", {}, None, "is an HTML page"),
        (b"<?xml version='1.0'?>", {}, None, "is XML"),
        (b'[{"id": 1}]', {}, None, "is JSON"),
        (b'{"id": 1}\n{"id": 2}\n', {}, None, "is JSON"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("block", [SMALL, 1 << 20])
def test_a_file_that_is_not_as_declared_is_refused(
    data: bytes, formats: dict[str, Any], line: int | None, words: str, block: int
) -> None:
    found_line, says = refused(data, Formats(**formats), block)
    assert says.startswith(words) or words in says
    assert found_line == line or not words


@pytest.mark.parametrize("block", [SMALL, 1 << 20])
def test_a_few_lines_that_were_spoilt_in_the_crm_are_read_and_said(block: int) -> None:
    text = "id,name\n1,a\n2,Köln\n3,KÃ¶ln\n" + "4,a\n" * 60 + "5,KÃ¶ln\n"
    _, chunks, notes = taken(text.encode(), block=block)
    found = [name for chunk in chunks for name in chunk.frame["name"].to_pylist()]
    assert [name for name in found if not name.isascii()] == ["Köln", "KÃ¶ln", "KÃ¶ln"]
    says = "'Ã¶' is UTF-8 that was read as windows-1252 and saved so; it stands as it is"
    assert notes == [f"2 lines hold text that was spoilt before, the first is line 4: {says}"]


def test_names_of_columns_are_read_without_what_cannot_be_seen() -> None:
    names, _, notes = taken("\ufeff account\u200b_id ,\u00a0Name\n1,a\n".encode())
    assert names == ["account_id", "Name"]
    assert notes == ["the header holds marks that cannot be seen; it was read as account_id"]
    frame = pa.table({"account_id\u200b": ["1"], "name": ["a"]})
    shaped = shape(frame, tuple(frame.column_names), TABLES["accounts"], "f")
    assert shaped.notes == ("f: the header holds marks that cannot be seen; it was read as account_id",)
    assert shaped.frame.column_names == ["account_id", "name"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("account_id", "name", "Name"), "f: name: stands twice in the header; keep one of them"),
        (("account_id", "name", "name\u200b"), "f: name: stands twice in the header; keep one of them"),
        (("account_id", ""), "f: a column without a name; name it or leave it out"),
        (("account_id", "", " "), "f: a column without a name: stands twice in the header; keep one of them"),
    ],
)
def test_faults_of_a_header_are_findings(names: tuple[str, ...], words: str) -> None:
    frame = pa.Table.from_arrays([pa.array(["1"]) for _ in names], names=list(names))
    assert shape(frame, names, TABLES["accounts"], "f").findings == (words,)


def test_a_separator_line_that_agrees_is_passed_over() -> None:
    names, [chunk], _ = taken(b"sep=;\nid;name\n1;a\n", Formats(delimiter=";"))
    assert (names, chunk.frame.to_pylist(), list(chunk.lines)) == (["id", "name"], [{"id": "1", "name": "a"}], [3])


@pytest.mark.parametrize("block", [SMALL, 1 << 20])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_declared_closing_block_is_left_out_and_noted(block: int, quote: str) -> None:
    rows = "".join(f"{i},Copyright\n" for i in range(30))
    tail = (
        f'\n{quote}Copyright (c) 2024 Jane Doe{quote}\n"Confidential"\n\n"of: Jane Doe, 1/22/2024"\nno, more, fields\n'
    )
    names, chunks, notes = taken(f"id,name\n{rows}{tail}".encode(), Formats(footer="Copyright"), block)
    assert names == ["id", "name"]
    assert sum(chunk.frame.num_rows for chunk in chunks) == 30
    assert not [record for chunk in chunks for record in chunk.ragged]
    assert notes == ["the closing block from line 33 on was left out"]
    _, _, notes = taken(b"id,name\n1,a\n", Formats(footer="Copyright"))
    assert notes == ["no closing block as formats.footer declares it was found; the export may be cut short"]


def test_lost_characters_are_counted() -> None:
    _, _, notes = taken("id,name\n1,K\ufffdln\n2,\ufffd\n".encode())
    assert notes == ["2 characters were lost before the file was written: they stand as \ufffd"]


@pytest.mark.parametrize("encoding", ["windows-1252", "iso-8859-1", "iso-8859-15", "shift_jis", "gb18030", "utf-16"])
def test_declared_encodings_are_read(encoding: str) -> None:
    word = "漢字" if encoding in ("shift_jis", "gb18030") else "Köln é"
    data = f"id,name\n1,{word}\n".encode(encoding)
    for block in (5, 1 << 20):
        _, chunks, _ = taken(data, Formats(encoding=encoding), block)
        assert [row["name"] for chunk in chunks for row in chunk.frame.to_pylist()] == [word]


# --- null words, header, history --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_null_words_are_kept_apart_from_values(kind: pa.DataType) -> None:
    cells = ["NA", "NULL", "null", "n/a", "Null", "-", "", " None ", "Namibia"]
    rows = accounts("country", pa.array(cells).cast(kind))
    assert [row["country"] for row in rows] == ["NA", None, None, None, "Null", "-", None, None, "Namibia"]
    declared = accounts("country", cells, Formats(nulls=("-", "it's")))
    assert [row["country"] for row in declared][:6] == ["NA", "NULL", "null", "n/a", "Null", None]
    listed = accounts("technologies", ["a;N/A; b", "N/A"])
    assert [row["technologies"] for row in listed] == [["a", "b"], None]


def test_a_header_that_stands_again_is_quarantined() -> None:
    names = {"account_id": ["a", "account_id", "b"], "name": ["x", "name", "name"]}
    rows = parsed("accounts", names)
    assert [row["fault"] for row in rows] == [None, "repeated_header", None]
    assert rows[1]["says"] == "the header stands here again: two exports were put together"
    frame = pa.table({"account_id": ["Id", "b"], "name": ["Account Name", "y"], "__row": [0, 1]})
    shown = {"account_id": "Id", "name": "Account Name"}
    with Warehouse(threads=1) as warehouse:
        warehouse.register("__raw", frame)
        table = frame.drop_columns(["__row"])
        sql, checks = quarantine.parse_sql(table, TABLES["accounts"], "__raw", None, shown)
        faults = warehouse.arrow(Query(sql))["__fault"].to_pylist()
    assert [None if f is None else checks[f].code for f in faults] == ["repeated_header", None]


def test_a_history_is_read_as_its_field_is() -> None:
    fields = ["employee_count", "employee_count", "employee_count", "industry", "annual_revenue", "employee_count"]
    old = ["51-200", "5", None, "51-200", "$1m", "200-51"]
    columns = {"account_id": list("abcdef"), "field": fields, "old_value": old, "new_value": ["7", "1,000+", *"9999"],
               "changed_at": ["2024-01-01"] * 6}  # fmt: skip
    rows = parsed("account_history", columns)
    assert [row["old_value"] for row in rows][:5] == ["101.0", "5", None, "51-200", "1000000.0"]
    assert [row["new_value"] for row in rows][:2] == ["7", "1000.0"]
    assert [row["fault"] for row in rows] == [None] * 5 + ["reversed_range"]


# --- numbers ----------------------------------------------------------------------------------------------------------

STYLES = [(".", None), (".", ""), (".", ","), (",", None), (",", "."), (",", " "), (".", " "), (".", "'")]


def slow_number(cell: str, decimal: str, thousands: str | None) -> float | None:
    """A plain number, the slow and obvious way."""
    text = cell.strip()
    below = text.startswith("(") and text.endswith(")")
    text = text[1:-1] if below else text
    percent = not below and text.endswith("%")
    text = text[:-1].removesuffix(" ") if percent else text
    exponent = ""
    for mark in "eE":
        if mark in text:
            text, _, exponent = text.partition(mark)
            if not exponent.lstrip("+-").isascii() or not exponent[exponent[:1] in ("+", "-") :].isdigit():
                return None
    sign = -1 if text.startswith("-") else 1
    text = text[1:] if text[:1] in ("+", "-") else text
    whole, _, fraction = text.partition(decimal)
    if not (whole or fraction) or (fraction and not (fraction.isascii() and fraction.isdigit())):
        return None
    if whole and thousands and thousands in whole:
        first, *groups = whole.split(thousands)
        if not 1 <= len(first) <= 3 or any(len(g) != 3 for g in groups):
            return None
        whole = first + "".join(groups)
    if whole and not (whole.isascii() and whole.isdigit()):
        return None
    value = sign * float(f"{whole or 0}.{fraction or 0}e{exponent or 0}")
    value = -value if below else value / 100 if percent else value
    return value if math.isfinite(value) else None


@settings(deadline=None, max_examples=60)
@given(
    cells=st.lists(st.text(alphabet="0123456789.,' -+eE%()", min_size=1, max_size=9), min_size=1, max_size=40),
    style=st.sampled_from(STYLES),
)
def test_numbers_are_what_a_slow_reader_finds(cells: list[str], style: tuple[str, str | None]) -> None:
    decimal, thousands = style
    columns = {"activity_id": [str(i) for i in range(len(cells))], "account_id": ["a"] * len(cells)}
    columns |= {"channel": ["web"] * len(cells), "kind": ["visit"] * len(cells)}
    columns |= {"occurred_at": ["2024-01-01"] * len(cells), "value": cells}
    rows = parsed("activities", columns, Formats(decimal=decimal, thousands=thousands, nulls=()))
    for cell, row in zip(cells, rows, strict=True):
        wanted = slow_number(cell, decimal, thousands) if cell.strip() else None
        assert row["value"] == (None if wanted is None else pytest.approx(wanted)), cell
        assert row["fault"] == ("not_a_number" if wanted is None and cell.strip() else None), cell


@settings(deadline=None, max_examples=60)
@given(
    numbers=st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(0, 99)), min_size=1, max_size=20),
    style=st.sampled_from([s for s in STYLES if s[1]]),
)
def test_numbers_in_a_declared_writing_are_read_back(
    numbers: list[tuple[int, int]], style: tuple[str, str | None]
) -> None:
    decimal, thousands = style
    cells = [f"{whole:,}".replace(",", thousands or "") + f"{decimal}{cents:02d}" for whole, cents in numbers]
    for column, read in (("annual_revenue", accounts), ("amount", None)):
        formats = Formats(decimal=decimal, thousands=thousands)
        rows = read(column, cells, formats) if read else deals(["1/1/2024"] * len(cells), formats.model_copy(update={"dates": "day_first"}), amount=cells)  # fmt: skip
        for (whole, cents), row in zip(numbers, rows, strict=True):
            assert row["fault"] is None
            assert row[column] == pytest.approx(whole + math.copysign(cents / 100, whole))


@pytest.mark.parametrize(
    ("cell", "style", "words"),
    [
        ("1,234.56", {}, "'1,234.56' is not a number; if ',' groups its thousands, declare formats: {thousands: ','}"),
        ("1.234,56", {}, "'1.234,56' is not a number; if ',' is its decimal mark, declare formats: {decimal: ',', thousands: '.'}"),
        ("1.234", {}, "'1.234' is not a number: '.' could group its thousands; declare formats: {decimal: ',', thousands: '.'}, or {thousands: ''} if it does not"),
        ("1,234.5", {"decimal": ","}, "'1,234.5' is not a number; if '.' is its decimal mark, declare formats: {decimal: '.', thousands: ','}"),
        ("1 234", {}, "'1 234' is not a number; if \" \" groups its thousands, declare formats: {thousands: \" \"}"),
        ("1'234.50", {}, "'1'234.50' is not a number; if \"'\" groups its thousands, declare formats: {thousands: \"'\"}"),
        ("#REF!", {}, "'#REF!' is not a number, but a spreadsheet's error: mend the formula"),
        ("many", {}, "'many' is not a number"),
    ],
)  # fmt: skip
def test_an_unreadable_number_says_what_to_declare(cell: str, style: dict[str, Any], words: str) -> None:
    [row] = deals(["2024-01-01"], Formats(**style), amount=[cell])
    assert (row["fault"], row["says"]) == ("not_a_number", words)


# --- ranges and money ---------------------------------------------------------------------------------------------------

RANGES = [
    ("51-200", 101, "range"), ("51 – 200", 101, "range"), ("51 to 200", 101, "range"), ("1,001-5,000", 2237, "range"),
    ("1-10", 3, "range"), ("50-50", 50, "range"), ("0-10", 5, "range"), ("<50", 25, "range"), ("up to 50", 25, "range"),
    ("1,001-5,000 employees", 2237, "range"), ("5-10k", 7071, "range"), ("1,000+", 1000, "at_least"),
    ("10001+", 10001, "at_least"), (">500", 500, "at_least"), (">= 500", 500, "at_least"), ("10k+", 10000, "at_least"),
    ("500 and above", 500, "at_least"), ("over 500", 500, "at_least"), ("50", 50, "exact"), ("10k", 10000, "exact"),
    ("1.2m", 1200000, "exact"), ("12 000+", None, None), ("200-51", None, "reversed_range"),
    ("5k-10", None, None), ("500-1M", None, None), ("Jan-50", None, "date_mangled"), ("10-Nov", None, "date_mangled"),
    ("01. Okt", None, "date_mangled"), ("Oct-50", None, "date_mangled"), ("2024-01-10", None, "date_mangled"),
    ("11/10/2024", None, "date_mangled"), ("$50", None, None), ("many", None, None), (">5+", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "number", "kind"), RANGES)
def test_ranges_become_numbers_with_their_kind(cell: str, number: float | None, kind: str | None) -> None:
    [row] = accounts("employee_count", [cell])
    if number is None:
        assert row["fault"] == (kind or "not_a_number")
    else:
        assert (row["employee_count"], row["employee_count_kind"], row["fault"]) == (number, kind, None)


@settings(deadline=None, max_examples=60)
@given(
    pairs=st.lists(st.tuples(st.integers(1, 10**7), st.integers(1, 10**7)), min_size=1, max_size=20),
    thousands=st.sampled_from([None, ",", ".", " "]),
    sign=st.sampled_from(["-", " - ", "–", " to "]),
)
def test_a_range_is_its_geometric_mean_in_any_writing(
    pairs: list[tuple[int, int]], thousands: str | None, sign: str
) -> None:
    grouping = thousands if thousands is not None else ","
    cells = [f"{a:,}{sign}{b:,}".replace(",", grouping) for a, b in pairs]
    rows = accounts("employee_count", cells, Formats(thousands=thousands, decimal="," if thousands == "." else "."))
    for (a, b), row in zip(pairs, rows, strict=True):
        if a > b:
            assert row["fault"] == "reversed_range"
        else:
            assert row["fault"] is None
            assert abs(row["employee_count"] - math.sqrt(a * b)) <= 0.5
            assert row["employee_count_kind"] == "range"


def test_numbers_that_arrive_as_numbers_are_exact() -> None:
    rows = accounts("employee_count", pa.array([12.0, float("nan"), None]))
    assert [(row["employee_count"], row["employee_count_kind"]) for row in rows] == [
        (12, "exact"),
        (None, None),
        (None, None),
    ]
    columns = {"account_id": ["a", "b"], "employee_count": ["60", "70"], "employee_count_kind": ["Range", None]}
    assert [row["employee_count_kind"] for row in parsed("accounts", columns)] == ["range", "exact"]


AMOUNTS = [
    ("$1,234.56", None, 1234.56, "USD"), ("€ 1.2m", None, 1.2e6, "EUR"), ("EUR 500", None, 500, "EUR"),
    ("500 EUR", None, 500, "EUR"), ("500 eur", None, 500, "EUR"), ("US$ 12", None, 12, "USD"), ("C$ 5", None, 5, "CAD"),
    ("12", None, 12, None), ("12", "usd", 12, "USD"), ("$12", "CAD", 12, "CAD"), ("$12 CAD", None, 12, "CAD"),
    ("kr 5", "SEK", 5, "SEK"), ("5", "€", 5, "EUR"), ("-$5", None, -5, "USD"), ("($1,200)", None, -1200, "USD"),
    ("(1,200)", None, -1200, None), ("500 mio EUR", None, 5e8, "EUR"), ("£2bn", "GBP", 2e9, "GBP"), ("$.50", None, 0.5, "USD"),
    ("€5", "USD", None, "currency_mismatch"), ("5 CHF", "EUR", None, "currency_mismatch"),
    ("kr 5", None, None, "ambiguous_currency"), ("5", "Euro", None, "not_a_currency"), ("5", "12", None, "not_a_currency"),
    ("$5 EUR", None, None, "not_a_number"), ("€5 EUR", None, 5, "EUR"), ("5 abc", None, None, "not_a_number"), ("$1.234", None, None, "not_a_number"),
    ("($5", None, None, "not_a_number"), ("45%", None, None, "not_a_number"), ("5-10", None, None, "not_a_number"),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "currency", "number", "said"), AMOUNTS)
def test_amounts_name_their_currency(cell: str, currency: str | None, number: float | None, said: str | None) -> None:
    [row] = deals(["2024-01-01"], amount=[cell], currency=pa.array([currency], pa.string()))
    if number is None:
        assert row["fault"] == said
    else:
        assert (row["amount"], row["currency"], row["fault"]) == (pytest.approx(number), said, None)


def test_symbols_mean_what_is_declared_and_revenue_may_be_a_range() -> None:
    [row] = deals(["2024-01-01"], Formats(symbols={"kr": "NOK", "$": "AUD"}), amount=["kr 5"])
    assert (row["amount"], row["currency"]) == (5, "NOK")
    rows = accounts("annual_revenue", ["$5M - $10M", "€1bn+", "1000"], Formats(symbols={"$": "AUD"}))
    assert [(round(r["annual_revenue"]), r["annual_revenue_kind"], r["currency"]) for r in rows] == [
        (7071068, "range", "AUD"), (1000000000, "at_least", "EUR"), (1000, "exact", None)]  # fmt: skip


def test_a_rate_must_be_above_zero() -> None:
    columns = {"currency": ["usd", "EUR", "EUR"], "date": ["2024-01-01"] * 3, "rate": ["0.9", "0", "-1"]}
    rows = parsed("fx_rates", columns)
    assert [(row["currency"], row["fault"]) for row in rows] == [
        ("USD", None),
        ("EUR", "out_of_range"),
        ("EUR", "out_of_range"),
    ]
    assert rows[1]["says"] == "'0' is not above zero"


# --- instants -----------------------------------------------------------------------------------------------------------

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo"]


def slow_utc(local: datetime, zone: str) -> datetime | None:
    """When clocks in a zone show a time: the later of two, None if they skip it."""
    for fold in (1, 0):
        found = local.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)
        if found.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local:
            return found.replace(tzinfo=None)
    return None


def changes(zone: str) -> list[datetime]:
    """The local times around every change of the clocks of 2024."""
    start, found = datetime(2024, 1, 1, tzinfo=UTC), []
    for hour in range(366 * 24):
        at = start + timedelta(hours=hour)
        before, after = (t.astimezone(ZoneInfo(zone)).utcoffset() for t in (at, at + timedelta(hours=1)))
        if before != after:
            local = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
            found += [local + timedelta(minutes=15 * k) for k in range(-12, 16)]
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_times_around_a_change_of_the_clocks(zone: str) -> None:
    times = [*changes(zone), datetime(2024, 7, 1, 12), datetime(2024, 1, 1, 12)]
    formats = Formats(time_zone=zone)
    text = deals([t.isoformat(sep=" ") for t in times], formats)
    typed = deals(pa.array(times, pa.timestamp("us")), formats)
    shown = deals([t.strftime("%d.%m.%Y %H:%M") for t in times], Formats(time_zone=zone, dates="day_first"))
    for rows in (text, typed, shown):
        for time, row in zip(times, rows, strict=True):
            wanted = slow_utc(time, zone)
            assert row["created_at"] == wanted
            assert row["fault"] == (None if wanted else "not_an_instant")
            assert wanted or f"is no time in {zone}" in row["says"]
    assert zone in ("UTC", "Asia/Kolkata", "America/Sao_Paulo") or any(slow_utc(t, zone) is None for t in times)


def test_a_zone_moves_no_day_and_no_instant_that_names_one() -> None:
    formats = Formats(time_zone="Europe/Berlin")
    cells = ["2024-03-01", "2024-03-01T00:00Z", "2024-03-01 02:00+02", "2024-03-01 00:00"]
    day = datetime(2024, 3, 1)
    assert [row["created_at"] for row in deals(cells, formats)] == [day, day, day, datetime(2024, 2, 29, 23)]
    dates = pa.array([day.date()], pa.date32())
    zoned = pa.array([datetime(2024, 3, 1, tzinfo=UTC)], pa.timestamp("ms", "Asia/Tokyo"))
    assert [deals(values, formats)[0]["created_at"] for values in (dates, zoned)] == [day, day]


WRITTEN = {
    "iso": ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S.%f+0000", "%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S"),
    "day_first": ("%d/%m/%Y", "%d.%m.%Y %H:%M", "%d-%m-%Y %I:%M %p", "%d/%m/%Y, %I:%M:%S %p"),
    "month_first": ("%m/%d/%Y", "%m/%d/%Y %H:%M", "%m-%d-%Y %I:%M %p", "%m/%d/%Y, %I:%M:%S %p"),
}


@settings(deadline=None, max_examples=60)
@given(
    times=st.lists(st.datetimes(datetime(1900, 1, 2), datetime(2200, 12, 30)), min_size=1, max_size=20),
    dates=st.sampled_from(sorted(WRITTEN)),
    place=st.integers(0, 3),
    padded=st.booleans(),
)
def test_instants_in_a_declared_writing_are_read_back(
    times: list[datetime], dates: str, place: int, padded: bool
) -> None:
    pattern = WRITTEN[dates][place]
    cells = [time.strftime(pattern) for time in times]
    if not padded and dates != "iso":
        cells = ["/".join(part.lstrip("0") for part in c[:10].replace("-", "/").replace(".", "/").split("/")) + c[10:] for c in cells]  # fmt: skip
    rows = deals(cells, Formats(dates=dates))
    for time, row in zip(times, rows, strict=True):
        wanted = datetime.strptime(time.strftime(pattern), pattern)
        assert (row["created_at"], row["fault"]) == (wanted, None)


@pytest.mark.parametrize("unit", ["epoch_ms", "epoch_s"])
def test_epochs_are_read_where_they_are_declared(unit: str) -> None:
    scale = 1000 if unit == "epoch_ms" else 1
    day = datetime(2024, 3, 1)
    number = int(day.replace(tzinfo=UTC).timestamp()) * scale
    formats = Formats(dates=unit)
    assert deals([str(number)], formats)[0]["created_at"] == day
    assert deals(pa.array([number], pa.int64()), formats)[0]["created_at"] == day
    assert deals(pa.array([float(number)]), formats)[0]["created_at"] == day
    rows = deals(["2024-03-01", str(number // 1000 if scale == 1000 else number * 1000)], formats)
    assert [row["fault"] for row in rows] == ["not_an_instant", "not_an_instant"]


@pytest.mark.parametrize(
    ("cell", "dates", "code", "words"),
    [
        ("03/04/2026", "iso", "not_an_instant", "'03/04/2026' could be 3 April or 4 March: declare formats: {dates: day_first} or {dates: month_first}"),
        ("13/04/2026", "iso", "not_an_instant", "'13/04/2026' is not an ISO 8601 instant; declare formats: {dates: day_first}, if all of this source are written so"),
        ("04/13/2026 9:00", "iso", "not_an_instant", "'04/13/2026 9:00' is not an ISO 8601 instant; declare formats: {dates: month_first}, if all"),
        ("13/25/2026", "day_first", "not_an_instant", "'13/25/2026' is not a date with the day first"),
        ("04/13/2026", "day_first", "not_an_instant", "'04/13/2026' is not a date with the day first; if all of this source are written so, declare formats: {dates: month_first}"),
        ("13/04/2026", "month_first", "not_an_instant", "'13/04/2026' is not a date with the month first; if all of this source are written so, declare formats: {dates: day_first}"),
        ("2026-04-13", "day_first", "not_an_instant", "'2026-04-13' is not a date with the day first; if all of this source are ISO 8601, declare formats: {dates: iso}"),
        ("31/02/2026", "day_first", "not_an_instant", "'31/02/2026' is not a date with the day first"),
        ("1/2/2026 13:00 PM", "day_first", "not_an_instant", "'1/2/2026 13:00 PM' is not a date with the day first"),
        ("03/04/26", "iso", "not_an_instant", "'03/04/26' is not an ISO 8601 instant: its year has two digits; export dates with four"),
        ("03.04.26 10:00", "day_first", "not_an_instant", "'03.04.26 10:00' is not a date with the day first: its year has two digits; export dates with four"),
        ("1709251200000", "iso", "not_an_instant", "'1709251200000' is not an ISO 8601 instant; it looks like milliseconds since 1970: declare formats: {dates: epoch_ms}"),
        ("1709251200", "iso", "not_an_instant", "'1709251200' is not an ISO 8601 instant; it looks like seconds since 1970: declare formats: {dates: epoch_s}"),
        ("45292", "iso", "not_an_instant", "'45292' is not an ISO 8601 instant; it looks like a spreadsheet's day number: format the column as YYYY-MM-DD"),
        ("45292.75", "day_first", "not_an_instant", "'45292.75' is not a date with the day first; it looks like a spreadsheet's day number"),
        ("2024-01-22 10:00 EST", "iso", "not_an_instant", "'2024-01-22 10:00 EST' is not an ISO 8601 instant: its zone is named by letters that mean several; export it in UTC"),
        ("1899-12-31", "iso", "out_of_range", "'1899-12-31' is before 1900 or after 2200: no date of business"),
        ("01/01/2201", "day_first", "out_of_range", "'01/01/2201' is before 1900 or after 2200: no date of business"),
    ],
)  # fmt: skip
def test_an_unreadable_instant_says_what_it_could_be(cell: str, dates: str, code: str, words: str) -> None:
    [row] = deals([cell], Formats(dates=dates))
    assert row["fault"] == code
    assert row["says"].startswith(words)


def test_what_is_said_of_people_repeats_no_cell() -> None:
    columns = {"contact_id": ["c"], "account_id": ["a"], "created_at": ["03/04/2026"]}
    [row] = parsed("contacts", columns)
    assert (
        row["says"]
        == "the value is not an ISO 8601 instant; declare formats: {dates: day_first} or {dates: month_first}"
    )


def test_an_end_may_be_never() -> None:
    columns = {"account_id": ["a"], "reason": ["partner"], "ends_on": ["9999-12-31"]}
    [row] = parsed("exclusions", columns)
    assert (row["fault"], row["ends_on"]) == (None, datetime(9999, 12, 31))
    assert deals(pa.array([datetime(2300, 1, 1)]))[0]["fault"] == "out_of_range"


# --- attributes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "formats", "wanted"),
    [
        (["1", "2.5", ""], {}, "number"),
        (["1,5", "2"], {}, None),
        (["1,5", "2"], {"decimal": ","}, "number"),
        (["1.234", "12"], {"decimal": ",", "thousands": "."}, "number"),
        (["01", "2"], {}, None),
        (["45%", "5%"], {}, "number"),
        (["45%", "5"], {}, None),
        (["2024-01-01", "NULL"], {}, "instant"),
        (["31/12/2024", "1/2/2024"], {}, None),
        (["31/12/2024", "1/2/2024"], {"dates": "day_first"}, "instant"),
        (["31/12/2024", "1/13/2024"], {"dates": "day_first"}, None),
        (["true", "FALSE"], {}, "flag"),
        (["NA", "1"], {}, None),
    ],
)
def test_attributes_are_inferred_by_the_declared_formats(
    cells: list[str], formats: dict[str, Any], wanted: str | None
) -> None:
    with Warehouse(threads=1) as warehouse:
        warehouse.register("__raw", pa.table({"it's": cells}))
        sql = quarantine.infer_sql("__raw", ["it's"], Formats(**formats))
        [row] = warehouse.arrow(Query(sql)).to_pylist()
    assert row["filled"]
    assert [kind for kind in ("number", "instant", "flag") if row[kind]] == ([wanted] if wanted else [])


def test_formats_are_checked_by_line(tmp_path: Path) -> None:
    (tmp_path / "tierwise.yaml").write_text(
        "sources:\n  - name: crm\n    at: exports\n    formats:\n      dates: dayfirst\n      thousands: x\n"
        "      symbols: {kr: kroner}\n      time_zone: Berlin\n      delimiter: tab\ncurrency: euro\namounts: drop\n"
    )
    (tmp_path / "models" / "main").mkdir(parents=True)
    (tmp_path / "models" / "main" / "model.yaml").write_text("plan: main\n")
    with pytest.raises(ConfigError) as caught:
        load_workspace(tmp_path)
    at = "tierwise.yaml:{}: sources[0].formats.{}"
    assert [line.strip() for line in str(caught.value).splitlines()[1:-1]] == [
        at.format(
            5, "dates: one of iso, day_first, month_first, epoch_ms, epoch_s is wanted; did you mean 'day_first'?"
        ),
        at.format(6, """thousands: one of "", ",", ".", " ", "'" is wanted, in quotes"""),
        at.format(7, "symbols.kr: the three letters of a currency are wanted, as EUR"),
        at.format(8, "time_zone: 'Berlin' is no IANA time zone, as Europe/Berlin"),
        at.format(9, 'delimiter: one of ",", ";", "\\t", "|" is wanted, in quotes'),
        "tierwise.yaml:10: currency: the three letters of a currency are wanted, as EUR",
        "tierwise.yaml:11: amounts: one of convert, ignore is wanted",
    ]
