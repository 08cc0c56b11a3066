"""One table of any columns, read from a CSV or Parquet file as it stands: no contract is asked of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tierwise.config import Formats
from tierwise.data.cells.instants import instant, iso_text
from tierwise.data.cells.numbers import number
from tierwise.data.sources.csv_text import read_csv
from tierwise.data.sources.part import SourceFault
from tierwise.data.warehouse import Query, Warehouse
from tierwise.errors import ContractError, UsageError

ISO = Formats()
MARKS = {"tab": "\t", "\\t": "\t"}
"""How a tab is written on a command line."""


def flat_formats(
    *, delimiter: str | None = None, encoding: str | None = None, decimal: str | None = None, dates: str | None = None
) -> Formats:
    """How one file is written, as said on a command line; where a comma is the decimal mark, points group thousands.

    Raises
    ------
    UsageError : one of them is not among what can be read.
    """
    given = {"delimiter": MARKS.get(delimiter or "", delimiter), "encoding": encoding, "decimal": decimal}
    given |= {"dates": dates, "thousands": "." if decimal == "," else None}
    told = {name: value for name, value in given.items() if value is not None}
    for name, value in told.items():
        readable = _readable(name)
        if value not in readable:
            shown = ", ".join("tab" if mark == "\t" else mark for mark in readable)
            raise UsageError(f"--{name} {value} was given", do=f"Give one of: {shown}")
    return Formats.model_validate(told)


def _readable(name: str) -> tuple[str, ...]:
    """What a format may be, for one file."""
    epochs = ("epoch_ms", "epoch_s")
    wanted = Formats.model_fields[name].annotation
    marks = ("", ",", ".", " ", "'") if name == "thousands" else get_args(wanted)
    return tuple(mark for mark in marks if mark not in epochs)


def read_flat(path: Path, formats: Formats = ISO) -> pd.DataFrame:
    """A table with its columns as they are called.

    A CSV column of numbers alone becomes numbers; a text column of dates alone (ISO 8601, or in the declared order)
    becomes instants, in Parquet too.

    Raises
    ------
    UsageError : the file is not there, or is neither CSV nor Parquet.
    ContractError : it cannot be read, a record has too many or too few fields, or two columns have one name.
    """
    if not path.is_file():
        raise UsageError(f"the table {path} was asked for", found="there is no such file", do="Name it with --file")
    if path.suffix.lower() == ".parquet":
        return _parquet(path, formats)
    if path.suffix.lower() not in (".csv", ".txt"):
        raise UsageError(
            f"the table {path} was asked for", found=f"its kind is '{path.suffix}'", do="Give a .csv or .parquet file"
        )
    try:
        return _csv(path, formats)
    except SourceFault as fault:
        where = _place(path, fault.line)
        raise ContractError(f"{path.name} was to be read", found=_as_options(fault.says), where=where) from None


def _as_options(says: str) -> str:
    """A fault whose advice is to declare a format, for a file whose formats are options.

    >>> _as_options('the header has one column; declare formats: {delimiter: ";"}')
    'the header has one column; add --delimiter ";"'
    """
    says = re.sub(r"declare its first words, as formats: \{footer: \w+\}", "delete it from the file", says)
    says = re.sub(r"declare (?:the encoding that it has, as )?formats: \{(\w+): ([^}]*)\}", r"add --\1 \2", says)
    says = says.replace("declare the encoding that it has,", "add --encoding with the one that it has,")
    return says.replace('"\\t"', "tab").replace("UTF-8 and declare none", "UTF-8 and leave it out")


def _csv(path: Path, formats: Formats) -> pd.DataFrame:
    with path.open("rb") as stream:
        table = read_csv(stream, formats)
        twice = sorted({name for name in table.names if table.names.count(name) > 1})
        if twice:
            raise SourceFault(f"two columns are called '{twice[0]}'; rename one", 1)
        frames = []
        for chunk in table.chunks:
            if chunk.ragged:
                line, fields = chunk.ragged[0]
                says = f"{fields} fields where the header has {len(table.names)}; quote fields that hold the delimiter"
                raise SourceFault(says, line)
            frames.append(chunk.frame)
    return _typed(pa.concat_tables(frames), formats, numbers=True)


def _parquet(path: Path, formats: Formats) -> pd.DataFrame:
    if told := [name for name in ("delimiter", "encoding", "decimal") if getattr(formats, name) != getattr(ISO, name)]:
        raise UsageError(
            f"--{told[0]} was given for {path.name}", found="a Parquet file says itself how it is written",
            do="Leave it out",
        )  # fmt: skip
    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        found = str(error).splitlines()[0]
        raise ContractError(f"{path.name} was to be read", found=found, do="Write it again as Parquet") from None
    for i, part in enumerate(table.schema):
        if pa.types.is_decimal(part.type):
            table = table.set_column(i, part.name, table.column(i).cast(pa.float64()))
        elif pa.types.is_date(part.type):
            table = table.set_column(i, part.name, table.column(i).cast(pa.timestamp("us")))
    frame = table.to_pandas(ignore_metadata=True)
    texts = [p.name for p in table.schema if _is_text(p.type) and table.column_names.count(p.name) == 1]
    if texts:
        typed = _typed(table.select(texts), formats, numbers=False)
        frame = frame.assign(**typed.select_dtypes("datetime"))
    return frame


def _is_text(type_: pa.DataType) -> bool:
    return any(is_(type_) for is_ in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def _typed(table: pa.Table, formats: Formats, *, numbers: bool) -> pd.DataFrame:
    """Numbers, or instants, where all cells that say anything are, else text; cells that say nothing are missing."""
    nulls = pa.array(["", *formats.nulls])
    cells = {}
    for i in range(table.num_columns):
        column = pc.utf8_trim_whitespace(table.column(i).cast(pa.string()))
        cells[f"c{i}"] = pc.if_else(pc.is_in(column, nulls), pa.scalar(None, pa.string()), column)
    with Warehouse(threads=1) as warehouse:
        warehouse.register("flat", pa.table(cells))
        read = [_reading(warehouse, cell, formats, numbers) for cell in cells]
        listed = ", ".join(f"{value} AS {cell}" for cell, value in zip(cells, read, strict=True))
        frame = warehouse.frame(Query(f"SELECT {listed} FROM flat"))
    for cell, value in zip(cells, read, strict=True):
        if cell == value:
            frame[cell] = frame[cell].astype(object).where(frame[cell].notna(), None)
    return frame.set_axis(table.column_names, axis=1)


def _reading(warehouse: Warehouse, cell: str, formats: Formats, numbers: bool) -> str:
    """How a column of text is read: as numbers (where they are asked for), as instants, or as it is."""
    for value in (*([number(cell, formats)] if numbers else []), _instant(cell, formats)):
        row = warehouse.frame(Query(f"SELECT count({cell}) AS filled, count({value}) AS found FROM flat")).iloc[0]
        if row["filled"] and row["filled"] == row["found"]:
            return value
    return cell


def _instant(cell: str, formats: Formats) -> str:
    """An instant in ISO 8601, which nobody mistakes, or as declared."""
    either = (instant(iso_text(cell, each), each) for each in (ISO, formats))
    return f"coalesce({', '.join(either)})"


def _place(path: Path, line: int | None) -> str:
    return str(path) if line is None else f"{path}:{line}"
