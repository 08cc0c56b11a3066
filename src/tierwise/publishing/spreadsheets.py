"""accounts.csv and accounts.xlsx: the tiers as people open them, where no text ever becomes a formula."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import xlsxwriter

from tierwise.plain import plain, safe_cell

CREATED = datetime(2000, 1, 1)
"""What every workbook says of its making: same input, same bytes."""

SHEET_ROWS = 1_048_575
CELL_CHARACTERS = 32_767


def accounts_csv(sheet: pd.DataFrame) -> bytes:
    """The sheet as CSV: UTF-8 with a byte-order mark (Excel reads accents by it), every text quoted, numbers bare.

    Dates are ISO, without 00:00; nothing is an empty cell; lines end in CR LF.
    """
    out = io.StringIO()
    out.write(",".join(_quoted(str(name)) for name in sheet.columns) + "\r\n")
    columns = [[_csv_cell(value) for value in sheet[name].tolist()] for name in sheet.columns]
    for cells in zip(*columns, strict=True):
        out.write(",".join(cells) + "\r\n")
    return out.getvalue().encode("utf-8-sig")


def points_csv(lines: Sequence[Mapping[str, Any]]) -> bytes:
    """The lines of a point table as `accounts_csv` writes them; what has no bound, level or rate is an empty cell."""
    return accounts_csv(pd.DataFrame([dict(line) for line in lines], dtype=object))


def accounts_xlsx(sheet: pd.DataFrame) -> bytes:
    """The sheet as a workbook: texts as texts, numbers as numbers, dates as dates; a full page goes on on the next."""
    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(out, options) as book:
        book.set_properties({"created": CREATED, "title": "Accounts by tier"})
        bold = book.add_format({"bold": True})
        formats = {False: book.add_format({"num_format": "yyyy-mm-dd hh:mm"})}
        formats[True] = book.add_format({"num_format": "yyyy-mm-dd"})
        for part, start in enumerate(range(0, max(len(sheet), 1), SHEET_ROWS)):
            page = book.add_worksheet("accounts" if part == 0 else f"accounts {part + 1}")
            page.freeze_panes(1, 1)
            for place, name in enumerate(sheet.columns):
                page.write_string(0, place, str(name), bold)
                page.set_column(place, place, 60 if name == "why" else 18)
                for row, value in enumerate(sheet[name].iloc[start : start + SHEET_ROWS].tolist(), start=1):
                    _xlsx_cell(page, row, place, plain_cell(value), formats)
            page.autofilter(0, 0, min(len(sheet) - start, SHEET_ROWS), place)
    return out.getvalue()


def plain_cell(value: Any) -> str | float | int | bool | datetime | None:
    """A value as a cell holds it: a text, a number, an instant or nothing; lists are joined by `; `."""
    if isinstance(value, (datetime, pd.Timestamp)) and value is not pd.NaT:
        stamp = pd.Timestamp(value)
        utc: datetime = (stamp.tz_convert("UTC").tz_localize(None) if stamp.tzinfo else stamp).to_pydatetime()
        return utc
    told: str | float | int | bool | list[Any] | dict[str, Any] | None = plain(value)
    if isinstance(told, list):
        return "; ".join(str(one) for one in told)
    return "; ".join(f"{k}: {v}" for k, v in told.items()) if isinstance(told, dict) else told


def _quoted(text: str) -> str:
    return '"' + safe_cell(text).replace('"', '""') + '"'


def _csv_cell(value: Any) -> str:
    cell = plain_cell(value)
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d}" if _midnight(cell) else f"{cell:%Y-%m-%d %H:%M:%S}"
    if isinstance(cell, bool):
        return str(cell).upper()
    return _quoted(cell) if isinstance(cell, str) else repr(cell)


def _xlsx_cell(page: Any, row: int, place: int, cell: Any, formats: dict[bool, Any]) -> None:
    if cell is None:
        return
    if isinstance(cell, datetime):
        page.write_datetime(row, place, cell, formats[_midnight(cell)])
    elif isinstance(cell, bool):
        page.write_boolean(row, place, cell)
    elif isinstance(cell, str):
        page.write_string(row, place, cell[:CELL_CHARACTERS])
    elif math.isfinite(cell):
        page.write_number(row, place, cell)


def _midnight(cell: datetime) -> bool:
    return (cell.hour, cell.minute, cell.second, cell.microsecond) == (0, 0, 0, 0)
