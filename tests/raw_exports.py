"""Raw exports of a CRM from text, and the tables that a mapping makes of them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from tierwise.config.mapping import SourceMapping
from tierwise.config.workspace import Formats, Settings, Source
from tierwise.data.sources.csv_text import read_csv
from tierwise.data.sources.mapped import mapped_parts
from tierwise.data.sources.mapping import load_mapping, map_parts
from tierwise.data.sources.part import Chunk, Listing, Part

DIALECTS = ("postgres", "snowflake", "databricks")
SF_ACCOUNT = "Id,Name,Website,CreatedDate"
TASK = (
    "Id,WhoId,WhatId,AccountId,Status,IsClosed,ActivityDate,CompletedDateTime,CreatedDate,TaskSubtype,CallType,"
    "IsRecurrence"
)
DEAL = "Id,AccountId,StageName,IsClosed,IsWon,CloseDate,IsDeleted,CreatedDate,SystemModstamp"


def raw_csv(name: str, text: str, formats: Formats | None = None, rows: int = 1 << 20) -> Part:
    """A raw part of CSV text, in chunks of so many rows."""
    data = text.encode()
    table = read_csv(io.BytesIO(data), Formats(encoding=(formats or Formats()).encoding))
    read = list(table.chunks)
    frame = pa.concat_tables([chunk.frame for chunk in read])
    lines = np.concatenate([chunk.lines for chunk in read])
    ragged = tuple(record for chunk in read for record in chunk.ragged)

    def chunks() -> Iterator[Chunk]:
        for start in range(0, max(frame.num_rows, 1), rows):
            yield Chunk(frame.slice(start, rows), lines[start : start + rows], ragged if not start else ())

    return Part("crm", "", name, table.names, chunks, lambda: hashlib.sha256(data).hexdigest(), formats or Formats())


def raw_files(folder: Path) -> list[Part]:
    """Every CSV file of a folder; of a file that stands there in several SQL dialects only the first."""
    files = [path for path in sorted(folder.glob("*.csv")) if not path.stem.endswith(DIALECTS)]
    return [raw_csv(path.name, path.read_text(encoding="utf-8-sig")) for path in files]


def raw(rows: dict[str, str]) -> list[Part]:
    return [raw_csv(name, text) for name, text in rows.items()]


def table(header: str, *rows: str) -> str:
    return "\n".join([header, *rows]) + "\n"


def mapped(
    kind: str, parts: list[Part], mapping: SourceMapping | None = None
) -> tuple[Listing, dict[str, pd.DataFrame]]:
    """The listing, and the rows of each table."""
    listing = map_parts(parts, mapping or load_mapping(kind))
    return listing, {name: rows_of(listing, name) for name in {part.table for part in listing.parts}}


def exported(folder: Path, kind: str, files: dict[str, str], formats: Formats | None = None) -> Listing:
    """What a source of that kind hands over whose folder holds these files."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    source = Source(name="crm", kind=kind, at=str(folder), formats=formats or Formats())
    return mapped_parts(folder, source, Settings(threads=1))


def rows_of(listing: Listing, name: str) -> pd.DataFrame:
    frames = []
    for part in listing.parts:
        if part.table != name:
            continue
        for chunk in part.chunks():
            assert tuple(chunk.frame.column_names) == part.names
            assert len(chunk.lines) == chunk.frame.num_rows
            frames.append(chunk.frame.to_pandas().assign(__line=chunk.lines, __file=part.file))
    return pd.concat(frames, ignore_index=True).astype(object).where(lambda f: f.notna(), None)


def records(frame: pd.DataFrame, *columns: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in frame[list(columns)].itertuples(index=False)]


def said(listing: Listing) -> list[str]:
    """The notes, once everything is read."""
    for part in listing.parts:
        for _ in part.chunks():
            pass
    return [*listing.notes, *(note for part in listing.parts for note in part.notes())]
