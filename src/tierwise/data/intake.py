"""From a folder of files to a warehouse: every file checked, every row accounted for, all findings at once.

A row is accepted, quarantined or refused (with its whole file). An activity, contact or opportunity of an account that
accounts does not have is accepted and noted: exports of live systems hold many, and they reach no score. If none of a
table's accounts is known, the ids themselves are at fault, and the table is refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import tierwise.data.quarantine as quarantine
from tierwise.clock import instant, naive
from tierwise.config.workspace import Settings
from tierwise.data.contract import TABLES, Column, ColumnType, Table
from tierwise.data.identity import apply_merges
from tierwise.data.shape import TEXT, shape
from tierwise.data.sources.csv_text import CsvFault, read_csv
from tierwise.data.sources.files import TableFile, list_tables
from tierwise.data.warehouse import Query, Warehouse
from tierwise.errors import ContractError

COUNTS = ("table", "file", "read", "accepted", "quarantined", "refused")


@dataclass(frozen=True)
class Intake:
    """The tables as taken in.

    counts : a row a file: table, file, read = accepted + quarantined + refused.
    quarantine : a row a quarantined row: table, file, line (CSV: where the record begins; Parquet: row, 1 first),
        column, code, reason.
    fingerprint : SHA-256 over the tables' names and their files' content.
    data_through : by table, its newest known_at, or the date that the settings declare.
    """

    warehouse: Warehouse
    counts: pd.DataFrame
    quarantine: pd.DataFrame
    fingerprint: str
    data_through: dict[str, datetime]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Inspection:
    """What `read_tables` would say: counts and quarantine of every file, and the findings that refuse it (none: fine).

    The quarantined rows of a file that was refused for their number stay listed.
    """

    tables: dict[str, pa.Table]
    counts: pd.DataFrame
    quarantine: pd.DataFrame
    findings: tuple[str, ...]
    notes: tuple[str, ...]
    fingerprint: str


@dataclass
class _File:
    """One file on its way in."""

    source: TableFile
    digest: str = ""
    read: int = 0
    parsed: pa.Table | None = None
    checks: tuple[quarantine.Check, ...] = ()
    lines: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    bad: pd.DataFrame = field(default_factory=quarantine.empty)
    good: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_tables(folder: Path | str, settings: Settings, now: datetime | None = None) -> Intake:
    """Take in a folder of tables.

    Parameters
    ----------
    folder : holds `<table>.parquet`, `<table>.csv` or a folder `<table>/` of Parquet parts.
    now : facts known after it do not count towards `data_through` (a mistyped year would make every row mature).

    Raises
    ------
    ContractError : the tables do not keep the contract; every finding of every file stands on a line of its own.
    """
    seen = inspect_tables(folder, settings)
    if seen.findings:
        count = "1 finding" if len(seen.findings) == 1 else f"{len(seen.findings)} findings"
        lines = "\n".join(f"  {finding}" for finding in seen.findings)
        raise ContractError(
            f"The tables in {folder} do not keep the contract, {count}:\n{lines}\n"
            "Mend what is listed and run the command again"
        )
    warehouse = Warehouse.open(seen.tables, settings.threads)
    through = _data_through(seen.tables, settings, now)
    return Intake(warehouse, seen.counts, seen.quarantine, seen.fingerprint, through, seen.notes)


def inspect_tables(folder: Path | str, settings: Settings) -> Inspection:
    """Check a folder of tables row by row without raising: the counts, the quarantine and the findings."""
    listing = list_tables(Path(folder))
    findings, notes = list(listing.findings), list(listing.notes)
    tables: dict[str, pa.Table] = {}
    files: list[_File] = []
    with Warehouse(settings.threads) as scratch:
        for name, table in TABLES.items():
            mine = [_read(source, table, scratch, settings.threads) for source in listing.files if source.table == name]
            _find_duplicates(mine, table, scratch)
            for file in mine:
                _refuse_if_too_many(file, settings.quarantine.max_share)
            if mine and not any(file.findings for file in mine):
                tables[name] = _together([_accepted(file) for file in mine])
            files += mine
    merged = apply_merges(tables)
    for name, says in _strangers(merged.tables):
        for file in files:
            if file.source.table == name:
                file.findings.append(f"{file.source.file}: {says}")
    if "accounts" in tables and not tables["accounts"].num_rows:
        findings.append("accounts: no row was accepted; there is nothing to score")
    findings += [finding for file in files for finding in file.findings] + list(merged.findings)
    notes += [note for file in files for note in file.notes] + list(merged.notes) + _notes(merged.tables)
    bad = [file.bad for file in files if len(file.bad)]
    return Inspection(
        merged.tables,
        pd.DataFrame([_count(file) for file in files], columns=list(COUNTS)),
        pd.concat(bad, ignore_index=True) if bad else quarantine.empty(),
        tuple(findings),
        tuple(notes),
        _fingerprint(files),
    )


def _read(source: TableFile, table: Table, scratch: Warehouse, threads: int) -> _File:
    """Read and parse one file; whatever stops it becomes a finding."""
    file = _File(source)
    try:
        data, file.digest = source.read()
        if source.path.suffix == ".csv":
            csv = read_csv(data, threads)
            frame, names, file.lines = csv.frame, csv.names, csv.lines
            ragged = csv.ragged
        else:
            frame, ragged = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=threads > 1), ()
            names, file.lines = tuple(frame.column_names), np.arange(1, frame.num_rows + 1)
    except CsvFault as fault:
        at = f"{source.file}:{fault.line}" if fault.line else source.file
        file.findings.append(f"{at}: {fault.says}")
        return file
    except (pa.ArrowException, OSError) as error:
        file.findings.append(f"{source.file}: {_unreadable(error)}")
        return file
    file.read = frame.num_rows + len(ragged)
    shaped = shape(frame, names, table, source.file)
    file.findings += shaped.findings
    file.notes += shaped.notes
    if not file.findings:
        _parse(file, shaped.frame, table, scratch)
        file.bad = pd.concat([_ragged(file, ragged, len(names)), file.bad], ignore_index=True) if ragged else file.bad
    return file


def _unreadable(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return "cannot be read as Parquet: it is empty, cut short or of another kind; export it anew"


def _ragged(file: _File, ragged: tuple[tuple[int, int], ...], width: int) -> pd.DataFrame:
    lines = np.array([line for line, _ in ragged])
    says = [f"the record has {fields} fields and the header {width}" for _, fields in ragged]
    codes = ["ragged"] * len(ragged)
    return quarantine.rows(file.source.table, file.source.file, lines, [""] * len(ragged), codes, says)


def _parse(file: _File, frame: pa.Table, table: Table, scratch: Warehouse) -> None:
    """Parse every row; the first fault of each faulty one goes to quarantine."""
    frame = frame.append_column("__row", pa.array(np.arange(frame.num_rows)))
    scratch.register("__raw", frame)
    if file.source.path.suffix == ".csv":
        table = _with_attributes(frame, table, scratch)
    sql, file.checks = quarantine.parse_sql(frame.drop_columns(["__row"]), table, "__raw")
    parsed = scratch.arrow(Query(sql))
    scratch.unregister("__raw")
    order = parsed["__row"].to_numpy()
    if len(order) and not (np.diff(order) > 0).all():
        parsed = parsed.take(np.argsort(order, kind="stable"))
    bad = parsed.filter(pc.is_valid(parsed["__fault"]))
    checks = [file.checks[i] for i in bad["__fault"].to_pylist()]
    says = [quarantine.reason(c, cell, table.name) for c, cell in zip(checks, bad["__cell"].to_pylist(), strict=True)]
    at = file.lines[bad["__row"].to_numpy()]
    columns, codes = [c.column for c in checks], [c.code for c in checks]
    file.bad = quarantine.rows(file.source.table, file.source.file, at, columns, codes, says)
    file.good = pc.is_null(parsed["__fault"]).to_numpy(zero_copy_only=False).copy()
    file.parsed = parsed.drop_columns(["__row", "__fault", "__cell"])


def _with_attributes(frame: pa.Table, table: Table, scratch: Warehouse) -> Table:
    """The table with the further columns of a CSV file, each of the type that all its values have."""
    names = [
        n for n in frame.column_names if n not in table.names and n != "__row" and frame.schema.field(n).type == TEXT
    ]
    names = [n for n in names if not n.endswith("_id")]
    if not names:
        return table
    held = scratch.arrow(Query(quarantine.infer_sql("__raw", names))).to_pylist()
    further = []
    for row in held:
        types: tuple[ColumnType, ...] = ("number", "flag", "instant")
        type_: ColumnType = next((t for t in types if row["filled"] and row[t]), "text")
        further.append(Column(names[row["place"]], type_))
    return replace(table, columns=(*table.columns, *further))


def _accepted(file: _File) -> pa.Table:
    assert file.parsed is not None
    return file.parsed.filter(pa.array(file.good))


def _together(parts: list[pa.Table]) -> pa.Table:
    """The parts of a table as one; a further column whose type differs between parts becomes text."""
    types: dict[str, set[pa.DataType]] = {}
    for part in parts:
        for column in part.schema:
            types.setdefault(column.name, set()).add(column.type)
    mixed = [name for name, found in types.items() if len(found) > 1]
    for name in mixed:
        parts = [
            p.set_column(p.column_names.index(name), name, p[name].cast(TEXT)) if name in p.column_names else p
            for p in parts
        ]
    return pa.concat_tables(parts, promote_options="default").combine_chunks()


def _find_duplicates(files: list[_File], table: Table, scratch: Warehouse) -> None:
    """Quarantine every row whose key an earlier good row of the table has, in any of its files."""
    parts = []
    for i, file in enumerate(files):
        if file.parsed is None:
            continue
        rows = np.flatnonzero(file.good)
        part = _accepted(file).append_column("__part", pa.array(np.full(len(rows), i, dtype=np.int64)))
        parts.append(part.append_column("__row", pa.array(rows)))
    if not parts:
        return
    everything = _together(parts)
    columns = [name for name in everything.column_names if name not in ("__part", "__row")]
    scratch.register("__table", everything)
    found = scratch.frame(Query(quarantine.duplicates_sql(table, "__table", columns)))
    scratch.unregister("__table")
    for i, group in found.groupby("__part"):
        file = files[int(i)]
        rows, exact = group["__row"].to_numpy(), group["exact"].astype(bool)
        file.good[rows] = False
        key = ", ".join(table.key)
        codes = ["exact_duplicate" if e else "duplicate_key" for e in exact]
        says = ["an earlier row is the same" if e else f"an earlier row has the same {key}, and differs" for e in exact]
        name = table.key[0] if table.key else ""
        repeated = quarantine.rows(table.name, file.source.file, file.lines[rows], [name] * len(rows), codes, says)
        file.bad = pd.concat([file.bad, repeated], ignore_index=True) if len(file.bad) else repeated
    for file in files:
        file.bad = file.bad.sort_values("line", kind="stable", ignore_index=True)


def _refuse_if_too_many(file: _File, max_share: float) -> None:
    if file.findings or not file.read or len(file.bad) / file.read <= max_share:
        return
    first = file.bad.iloc[0]
    file.findings.append(
        f"{file.source.file}: {len(file.bad)} of {file.read} rows would be quarantined, over the {max_share:.2%} that "
        f"quarantine.max_share allows; the first, line {first['line']}: {first['reason']}"
    )


def _count(file: _File) -> tuple[str, str, int, int, int, int]:
    refused = bool(file.findings)
    bad = 0 if refused else len(file.bad)
    accepted = 0 if refused else int(file.good.sum())
    return (file.source.table, file.source.file, file.read, accepted, bad, file.read if refused else 0)


def _strangers(tables: dict[str, pa.Table]) -> list[tuple[str, str]]:
    """Tables none of whose account ids is in accounts: the ids themselves are at fault."""
    found: list[tuple[str, str]] = []
    accounts = tables.get("accounts")
    if accounts is None or not accounts.num_rows:
        return found
    for name in ("contacts", "activities", "opportunities"):
        if name in tables and "account_id" in tables[name].column_names:
            filled = pc.drop_null(tables[name]["account_id"])
            if len(filled) and not pc.any(pc.is_in(filled, value_set=accounts["account_id"].combine_chunks())).as_py():
                says = (
                    f"account_id: none of its accounts is in accounts ('{filled[0]}' here, "
                    f"'{accounts['account_id'][0]}' there); export both with the same ids, as text"
                )
                found.append((name, says))
    return found


def _notes(tables: dict[str, pa.Table]) -> list[str]:
    """What holds for many rows and is worth knowing: references to nothing, and columns left empty."""
    notes: list[str] = []
    for name, table in tables.items():
        for column in TABLES[name].columns:
            target = tables.get(column.references or "")
            if target is None or not target.num_rows or column.name not in table.column_names:
                continue
            filled = pc.drop_null(table[column.name])
            key = TABLES[column.references or ""].columns[0].name
            unknown = len(filled) - (pc.sum(pc.is_in(filled, value_set=target[key].combine_chunks())).as_py() or 0)
            if unknown:
                says = f"{unknown} of {len(filled)} rows name one that {column.references} does not have"
                notes.append(f"{name}: {column.name}: {says}; they are kept, and reach no account by it")
    activities = tables.get("activities")
    if activities is not None and activities.num_rows:
        words = {
            "recorded_at": "known_at is occurred_at there",
            "initiator": "they are never a signal",
        }
        for column_name, says in words.items():
            n = activities.num_rows
            empty = activities[column_name].null_count if column_name in activities.column_names else n
            if empty:
                notes.append(f"activities: {column_name}: empty in {empty} of {n} rows; {says}")
    return notes


def _data_through(tables: dict[str, pa.Table], settings: Settings, now: datetime | None) -> dict[str, datetime]:
    """How far each table reaches: the declared date, or its newest known_at (that is not after `now`)."""
    if settings.data_through is not None:
        return dict.fromkeys(tables, instant(settings.data_through))
    through: dict[str, datetime] = {}
    for name, table in tables.items():
        clocks = [table[c] for c in TABLES[name].clock if c in table.column_names]
        if not clocks:
            continue
        known = clocks[0] if len(clocks) == 1 else pc.max_element_wise(*clocks)
        last = naive(now) if now is not None else datetime(9999, 12, 31)
        known = known.filter(pc.less_equal(known, pa.scalar(last, known.type)))
        newest = pc.max(known).as_py()
        if newest is not None:
            through[name] = newest.replace(tzinfo=UTC)
    return through


def _fingerprint(files: list[_File]) -> str:
    lines = sorted(f"{file.source.table} {file.digest}" for file in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
