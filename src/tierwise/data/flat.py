"""One table of any columns, read from a CSV or Parquet file as it stands: no contract is asked of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tierwise.config import Formats
from tierwise.data.sources.csv_text import read_csv
from tierwise.data.sources.part import SourceFault
from tierwise.errors import ContractError, UsageError


def read_flat(path: Path) -> pd.DataFrame:
    """A table with its columns as they are called; a CSV column of numbers alone becomes numbers, the rest is text.

    Raises
    ------
    UsageError : the file is not there, or is neither CSV nor Parquet.
    ContractError : it cannot be read, a record has too many or too few fields, or two columns have one name.
    """
    if not path.is_file():
        raise UsageError(f"the table {path} was asked for", found="there is no such file", do="Name it with --file")
    if path.suffix.lower() == ".parquet":
        return _parquet(path)
    if path.suffix.lower() not in (".csv", ".txt"):
        raise UsageError(
            f"the table {path} was asked for", found=f"its kind is '{path.suffix}'", do="Give a .csv or .parquet file"
        )
    try:
        return _csv(path)
    except SourceFault as fault:
        raise ContractError(f"{path.name} was to be read", found=fault.says, where=_place(path, fault.line)) from None


def _csv(path: Path) -> pd.DataFrame:
    with path.open("rb") as stream:
        table = read_csv(stream, Formats())
        twice = sorted({name for name in table.names if table.names.count(name) > 1})
        if twice:
            raise SourceFault(f"two columns are called '{twice[0]}'; rename one", 1)
        frames = []
        for chunk in table.chunks:
            if chunk.ragged:
                line, fields = chunk.ragged[0]
                says = f"{fields} fields where the header has {len(table.names)}; quote fields that hold commas"
                raise SourceFault(says, line)
            frames.append(chunk.frame)
    whole = pa.concat_tables(frames)
    return pd.DataFrame({name: _typed(whole.column(name)) for name in table.names})


def _parquet(path: Path) -> pd.DataFrame:
    try:
        return pq.read_table(path).to_pandas()
    except pa.ArrowInvalid as error:
        found = str(error).splitlines()[0]
        raise ContractError(f"{path.name} was to be read", found=found, do="Write it again as Parquet") from None


def _typed(column: pa.ChunkedArray) -> pd.Series:
    """Numbers where every cell that says anything is one, else text; cells that say nothing are missing."""
    texts = column.to_pandas().astype("object").str.strip()
    texts = texts.where(~texts.isin(["", *Formats().nulls]), None)
    filled = texts.dropna()
    numbers = pd.to_numeric(filled, errors="coerce")
    if len(filled) and numbers.notna().all():
        return pd.to_numeric(texts, errors="coerce")
    return texts


def _place(path: Path, line: int | None) -> str:
    return str(path) if line is None else f"{path}:{line}"
