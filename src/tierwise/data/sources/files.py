"""Folders of Parquet and CSV files: which file holds which table, and its bytes."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tierwise.data.contract import OUTCOME_TABLES, TABLES

_SUFFIXES = (".parquet", ".csv")
_OTHER = (".xlsx", ".xls", ".json", ".jsonl", ".tsv", ".gz", ".zip", ".txt", ".feather", ".avro", ".orc")


@dataclass(frozen=True)
class TableFile:
    """One file of a table; `file` is its path inside the tables' folder, as findings name it."""

    table: str
    file: str
    path: Path

    def read(self) -> tuple[bytes, str]:
        """Its bytes, and their SHA-256."""
        data = self.path.read_bytes()
        return data, hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Listing:
    """What a folder of tables holds: files in table and name order, what must be mended, and what is worth knowing."""

    files: tuple[TableFile, ...]
    findings: tuple[str, ...]
    notes: tuple[str, ...]


def list_tables(folder: Path) -> Listing:
    """Find `<table>.parquet`, `<table>.csv` or a folder `<table>/` of Parquet parts for every table of the contract."""
    if not folder.is_dir():
        return Listing((), (f"{folder}: there is no such folder; it should hold <table>.parquet or <table>.csv",), ())
    entries = sorted(folder.iterdir(), key=lambda path: path.name)
    files: list[TableFile] = []
    findings: list[str] = []
    for table in TABLES:
        mine = [e for e in entries if _table_of(e) == table]
        if len(mine) > 1:
            names = " and ".join(_shown(e) for e in mine)
            findings.append(f"{table}: {names} both hold this table; keep one of them")
        for entry in mine[:1]:
            parts = sorted(entry.glob("*.parquet"), key=lambda path: path.name) if entry.is_dir() else [entry]
            if not parts:
                findings.append(f"{_shown(entry)}: the folder holds no .parquet file")
            files += [TableFile(table, part.relative_to(folder).as_posix(), part) for part in parts]
    strange = [e for e in entries if _table_of(e) is None and _looks_like_a_table(e)]
    notes = tuple(_unknown(entry) for entry in strange)
    findings += _absent({file.table for file in files}, folder, strange)
    return Listing(tuple(files), tuple(findings), notes)


def _table_of(entry: Path) -> str | None:
    if entry.is_dir():
        return entry.name if entry.name in TABLES else None
    return entry.stem if entry.suffix in _SUFFIXES and entry.stem in TABLES else None


def _looks_like_a_table(entry: Path) -> bool:
    if entry.name.startswith((".", "_")):
        return False
    if entry.is_dir():
        return any(entry.glob("*.parquet"))
    return entry.suffix.lower() in _SUFFIXES or (entry.suffix.lower() in _OTHER and _near(entry) is not None)


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
    if entry.suffix in _SUFFIXES or entry.is_dir():
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
