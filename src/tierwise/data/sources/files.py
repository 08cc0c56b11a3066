"""Folders of Parquet and CSV files: which file holds rows of which table, and how each is read a chunk at a time."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tierwise.config.workspace import Formats
from tierwise.data.contract import OUTCOME_TABLES, TABLES
from tierwise.data.sources.csv_text import read_csv
from tierwise.data.sources.part import Chunk, Listing, Part, SourceFault

_SUFFIXES = (".parquet", ".csv")
_OTHER = (".xlsx", ".xls", ".json", ".jsonl", ".tsv", ".gz", ".zip", ".txt", ".feather", ".avro", ".orc")
_OF_TABLE = re.compile(rf"({'|'.join(sorted(TABLES, key=len, reverse=True))})([_.-][\dTZ_.:-]*\d[\dTZ_.:-]*)?")
"""A table's name, alone or with the number or date of one of several exports."""
_CHUNK_ROWS, _CHUNK_CELLS = 1 << 19, 1 << 23


def list_tables(folder: Path, source: str = "tables", formats: Formats | None = None, *, alone: bool = True) -> Listing:
    """Find every file of a folder that holds rows of a table of the contract.

    A table is `<table>.parquet` or `<table>.csv`, or a folder `<table>/` of such parts; beside it, or in its place, may
    stand further exports of it, named with a number or a date (`<table>_2026-01.csv`, `<table>-2.parquet`).

    alone : whether accounts and a table of outcomes must be in it, as no other source has them.
    """
    if not folder.is_dir():
        return Listing((), (f"{folder}: there is no such folder; it should hold <table>.parquet or <table>.csv",))
    entries = sorted(folder.iterdir(), key=lambda path: path.name)
    parts: list[Part] = []
    findings: list[str] = []
    notes: list[str] = []
    for table in TABLES:
        mine = [e for e in entries if _table_of(e) == table]
        whole = [e for e in mine if _is_whole(e)]
        if len(whole) > 1:
            names = " and ".join(_shown(e) for e in whole)
            findings.append(f"{table}: {names} both hold this table; keep one of them")
        for entry in [e for e in mine if e not in whole[1:]]:
            paths = _parts_of(entry) if entry.is_dir() else [entry]
            if not paths:
                findings.append(f"{_shown(entry)}: the folder holds no .parquet and no .csv file")
            parts += [_part(folder, path, table, source, formats or Formats()) for path in paths]
            notes += _strange_parts(folder, entry) if entry.is_dir() else []
    strange = [e for e in entries if _table_of(e) is None and _looks_like_a_table(e)]
    notes += [_unknown(entry) for entry in strange]
    findings += _absent({part.table for part in parts}, folder, strange) if alone else []
    return Listing(tuple(parts), tuple(findings), tuple(notes))


def list_files(folder: Path, source: str, formats: Formats) -> Listing:
    """Every Parquet and CSV file of a folder under its own name, for a mapping; a folder in it names its parts."""
    if not folder.is_dir():
        return Listing((), (f"source '{source}': {folder}: there is no such folder",))
    parts: list[Part] = []
    others: list[str] = []
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if not entry.name.startswith((".", "_")):
            paths = _parts_of(entry) if entry.is_dir() else [entry] if _is_read(entry) else []
            name = entry.name if entry.is_dir() else entry.stem
            parts += [_part(folder, path, name, source, formats) for path in paths]
            others += _others(folder, entry)
    only = "only .csv and .parquet are; export them as one of these"
    notes = (f"not read: {', '.join(others)}: {only}",) if others else ()
    if not parts:
        return Listing((), (f"source '{source}': {folder}: the folder holds no .parquet and no .csv file",), notes)
    faults = tuple(fault for part in parts if not part.names for fault in _fault(part))
    return Listing(tuple(part for part in parts if part.names), faults, notes)


def _fault(part: Part) -> Iterator[str]:
    """Why a part without names cannot be read."""
    try:
        next(iter(part.chunks()), None)
    except SourceFault as fault:
        yield f"{part.file}:{fault.line}: {fault.says}" if fault.line else f"{part.file}: {fault.says}"


def _part(folder: Path, path: Path, table: str, source: str, formats: Formats) -> Part:
    is_csv = path.suffix.lower() == ".csv"
    said: list[str] = []
    read = partial(_read_csv, path, formats, said) if is_csv else partial(_read_parquet, path)
    try:
        names = _csv_names(path, formats) if is_csv else _parquet_names(path)
    except SourceFault:
        names = ()
    file = path.relative_to(folder).as_posix()
    return Part(
        source,
        table,
        file,
        names,
        read,
        partial(_digest, path),
        formats,
        untyped=is_csv,
        notes=lambda: tuple(f"{file}: {says}" for says in said),
    )


def _parquet_names(path: Path) -> tuple[str, ...]:
    with _opened(path) as file:
        return tuple(file.schema_arrow.names)


def _read_parquet(path: Path) -> Iterator[Chunk]:
    """The rows of a Parquet file, about half a million at a time; of a wide one fewer, an empty one as one chunk."""
    with _opened(path) as file:
        size = max(1 << 12, min(_CHUNK_ROWS, _CHUNK_CELLS // max(len(file.schema_arrow), 1)))
        read = 0
        try:
            for batch in file.iter_batches(size):
                lines = np.arange(read + 1, read + 1 + batch.num_rows)
                read += batch.num_rows
                yield Chunk(pa.Table.from_batches([batch]), lines)
        except (pa.ArrowException, OSError) as error:
            raise SourceFault(f"cannot be read from row {read + 1} on: {_unreadable(error)}", read + 1) from None
        if not read:
            yield Chunk(file.schema_arrow.empty_table(), np.zeros(0, dtype=np.int64))


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise SourceFault(f"cannot be read{_unreadable(error)}") from None


def _unreadable(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f": {error.strerror}"
    return " as Parquet: it is empty, cut short or of another kind; export it anew"


def _csv_names(path: Path, formats: Formats) -> tuple[str, ...]:
    try:
        with path.open("rb") as stream:
            return read_csv(stream, formats).names
    except OSError as error:
        raise SourceFault(f"cannot be read: {error.strerror}") from None


def _read_csv(path: Path, formats: Formats, said: list[str]) -> Iterator[Chunk]:
    try:
        with path.open("rb") as stream:
            csv = read_csv(stream, formats)
            yield from csv.chunks
    except OSError as error:
        raise SourceFault(f"cannot be read: {error.strerror}") from None
    said[:] = csv.notes


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _table_of(entry: Path) -> str | None:
    if entry.is_dir():
        return entry.name if entry.name in TABLES else None
    found = _OF_TABLE.fullmatch(entry.stem) if _is_read(entry) else None
    return found.group(1) if found else None


def _is_whole(entry: Path) -> bool:
    """Whether an entry stands for the whole table, by its name."""
    return entry.is_dir() or entry.stem in TABLES


def _is_read(path: Path) -> bool:
    """Whether a file is of a kind that is read, by its ending."""
    return path.suffix.lower() in _SUFFIXES


def _parts_of(entry: Path) -> list[Path]:
    named = [path for path in entry.iterdir() if _is_read(path) and not path.name.startswith((".", "_"))]
    return sorted(named, key=lambda path: path.name)


def _strange_parts(folder: Path, entry: Path) -> list[str]:
    says = "only .parquet and .csv are read; export it as one of them"
    return [f"{name}: {says}" for name in _others(folder, entry)]


def _others(folder: Path, entry: Path) -> list[str]:
    """The files that look like exports and are not read: an entry itself, or those of a folder."""
    paths = entry.iterdir() if entry.is_dir() else [entry]
    return sorted(path.relative_to(folder).as_posix() for path in paths if path.suffix.lower() in _OTHER)


def _looks_like_a_table(entry: Path) -> bool:
    if entry.name.startswith((".", "_")):
        return False
    if entry.is_dir():
        return bool(_parts_of(entry))
    return _is_read(entry) or (entry.suffix.lower() in _OTHER and _near(entry) is not None)


def _shown(entry: Path) -> str:
    return f"{entry.name}/" if entry.is_dir() else entry.name


def _near(entry: Path) -> str | None:
    word = snake(entry.name.split(".")[0])
    near = difflib.get_close_matches(word, TABLES, n=1, cutoff=0.75)
    return near[0] if near else None


def _unknown(entry: Path) -> str:
    near = _near(entry)
    if near is None:
        return f"{_shown(entry)}: not a table of the contract; it was not read"
    if _is_read(entry) or entry.is_dir():
        return f"{_shown(entry)}: not a table of the contract; it was not read; did you mean '{near}'?"
    return f"{_shown(entry)}: only .parquet and .csv are read; export '{near}' as one of them"


def _absent(there: set[str], folder: Path, strange: list[Path]) -> Iterator[str]:
    def hint(tables: tuple[str, ...]) -> str:
        like = [_shown(entry) for entry in strange if _near(entry) in tables]
        return f"; {', '.join(like)} looks like it: rename it or export it anew" if like else ""

    if "accounts" not in there:
        says = "the table is absent; put accounts.parquet or accounts.csv into"
        yield f"accounts: {says} {folder}{hint(('accounts',))}"
    if not there & set(OUTCOME_TABLES):
        says = "both tables are absent, and one must hold the outcome; put one of them into"
        yield f"opportunities, activities: {says} {folder}{hint(OUTCOME_TABLES)}"


def snake(name: str) -> str:
    """A column name as the contract would write it.

    >>> snake("AccountId"), snake("Account ID"), snake("account-id")
    ('account_id', 'account_id', 'account_id')
    """
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.strip())
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower()
