"""From sources to a warehouse: every part checked, every row accounted for, all findings at once.

A row is accepted, quarantined or refused (with its whole file). An activity, contact or opportunity of an account that
accounts does not have is accepted and noted: exports of live systems hold many, and they reach no score. If none of a
table's accounts is known, the ids themselves are at fault, and the table is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from tierwise.config.workspace import Settings
from tierwise.data.contract import OUTCOME_TABLES, TABLES
from tierwise.data.identity import Resolved
from tierwise.data.intake.references import arrivals, data_through, remarks, seller_days, strangers
from tierwise.data.intake.staging import Staged, create_tables, looked_up_table, stage, stage_looked_up
from tierwise.data.intake.steps import STEPS, WITH_SOURCES, Outcome, Step
from tierwise.data.intake.verdicts import judge, judge_looked_up
from tierwise.data.joining import Joined, no_matches
from tierwise.data.noise import Flagged
from tierwise.data.quarantine import none_quarantined
from tierwise.data.sources.files import list_tables
from tierwise.data.sources.part import Listing
from tierwise.data.warehouse import HIDDEN, Query, Warehouse
from tierwise.errors import TablesRefused

COUNTS = ("table", "file", "read", "accepted", "quarantined", "refused", "superseded")


READING = {"currency", "amounts", "noise", "provisional_accounts", "data_through"}
"""Settings that change what the tables say."""


@dataclass(frozen=True)
class Inspection:
    """What was found on the way in, and the findings that refuse it (none: fine).

    counts : a row a file: table, file, read = accepted + quarantined + refused, and superseded, which of the accepted
        give way to the same or a newer row of their key.
    quarantine : a row a quarantined row: table, file, line (CSV: where the record begins; Parquet: row, 1 first),
        column, code, reason. Of a file that is refused for their number the first 10,000 are listed.
    fingerprint : SHA-256 over the tables' names and their parts' content, and how they were read.
    arrivals : rows by the day (UTC) on which they could first have been read, each table's newest 120 days: source,
        table, day, rows.
    seller_days : the days (UTC) on which activities of sellers could first have been read, each feed's newest 120:
        source, channel, kind, day, newest (the newest known_at).
    sources : the sources' names, in order.
    matches : how the accounts of several sources were joined, as `join_sources` gives it.
    duplicates : groups of accounts that look like one, as `resolve` gives them. noise : rule, rows, accounts.
    """

    counts: pd.DataFrame
    quarantine: pd.DataFrame
    findings: tuple[str, ...]
    notes: tuple[str, ...]
    fingerprint: str
    arrivals: pd.DataFrame
    seller_days: pd.DataFrame
    sources: tuple[str, ...]
    matches: pd.DataFrame
    duplicates: pd.DataFrame
    noise: pd.DataFrame


@dataclass(frozen=True)
class Intake:
    """The tables as taken in; see `Inspection` for what it has of it.

    data_through : by table, its newest known_at, or the date that the settings declare.
    """

    warehouse: Warehouse
    counts: pd.DataFrame
    quarantine: pd.DataFrame
    fingerprint: str
    data_through: dict[str, datetime]
    notes: tuple[str, ...]
    arrivals: pd.DataFrame
    seller_days: pd.DataFrame
    sources: tuple[str, ...]
    matches: pd.DataFrame
    duplicates: pd.DataFrame
    noise: pd.DataFrame


def read_tables(tables: Path | str | Sequence[Listing], settings: Settings, now: datetime | None = None) -> Intake:
    """Take in a folder of tables, or what the sources of a workspace list.

    Parameters
    ----------
    tables : a folder that holds `<table>.parquet`, `<table>.csv` or a folder `<table>/` of such parts, and further
        exports of them (`<table>_2026-01.csv`); or listings.
    now : facts known after it do not count towards `data_through` (a mistyped year would make every row mature).

    Raises
    ------
    TablesRefused : the tables do not keep the contract; every finding of every file stands on a line of its own.
    """
    warehouse = Warehouse(settings.threads, settings.memory)
    try:
        seen = _take_in(warehouse, _listings(tables), settings, now)
        if seen.findings:
            raise TablesRefused(_refusal(tables, seen.findings), seen)
        there = [name for name in TABLES if name in set(seen.counts["table"])]
        through = data_through(warehouse, there, settings, now)
    except BaseException:
        warehouse.close()
        raise
    said = {name: value for name, value in vars(seen).items() if name != "findings"}
    return Intake(warehouse, data_through=through, **said)


def inspect_tables(tables: Path | str | Sequence[Listing], settings: Settings) -> Inspection:
    """Check tables row by row without raising: the counts, the quarantine and the findings."""
    with Warehouse(settings.threads, settings.memory) as warehouse:
        return _take_in(warehouse, _listings(tables), settings, None)


def _listings(tables: Path | str | Sequence[Listing]) -> Sequence[Listing]:
    return [list_tables(Path(tables))] if isinstance(tables, str | Path) else tables


def _refusal(tables: Path | str | Sequence[Listing], findings: Sequence[str]) -> str:
    count = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    where = f" in {tables}" if isinstance(tables, str | Path) else ""
    lines = "\n".join(f"  {finding}" for finding in findings)
    return (
        f"The tables{where} do not keep the contract, {count}:\n{lines}\nMend what is listed and run the command again"
    )


def _take_in(warehouse: Warehouse, listings: Sequence[Listing], settings: Settings, now: datetime | None) -> Inspection:
    """Stage, judge and join all tables; what the warehouse holds in the end is clean if there is no finding."""
    parts = [part for listing in listings for part in listing.parts]
    staged = [Staged(part, place) for place, part in enumerate(parts)]
    with warehouse.at_once():
        create_tables(warehouse)
    bad = [none_quarantined()]
    for name, table in TABLES.items():
        mine = [one for one in staged if one.part.table == name]
        stage(warehouse, table, mine)
        if mine:
            bad.append(judge(warehouse, table, mine, settings.quarantine.max_share))
    looked_up = [part for listing in listings for part in listing.looked_up]
    staged += [Staged(part, place) for place, part in enumerate(looked_up, len(parts))]
    for name in dict.fromkeys(part.table for part in looked_up):
        mine = [one for one in staged if one.part.table == name]
        stage_looked_up(warehouse, looked_up_table(mine), mine)
        bad.append(judge_looked_up(warehouse, looked_up_table(mine), mine, settings.quarantine.max_share))
    there = [name for name in TABLES if name in {part.table for part in parts}]
    arrived, worked = arrivals(warehouse, there, now), seller_days(warehouse, now)
    findings = [finding for listing in listings for finding in listing.findings] + _absent(listings, there)
    findings += [finding for one in sorted(staged, key=_by_table) for finding in one.findings]
    notes = [note for listing in listings for note in listing.notes] + [note for one in staged for note in one.notes]
    notes += [note for one in staged for note in one.part.notes()]
    outcomes = [] if findings else _run(WITH_SOURCES, warehouse, settings, findings, notes)
    _drop_hidden(warehouse)
    if not findings and warehouse.number(Query("SELECT count(*) FROM accounts")) == 0:
        findings.append("accounts: no row was accepted; there is nothing to score")
    outcomes += [] if findings else _run(STEPS, warehouse, settings, findings, notes)
    if not findings:
        findings += _whole(warehouse, there, staged)
        notes += remarks(warehouse, there)
    return Inspection(
        pd.DataFrame([_count(one) for one in sorted(staged, key=_by_table)], columns=list(COUNTS)),
        pd.concat(bad, ignore_index=True),
        tuple(findings),
        tuple(notes),
        _fingerprint(staged, settings),
        arrived,
        worked,
        tuple(dict.fromkeys(part.source for part in parts)),
        *_frames(outcomes),
    )


def _by_table(staged: Staged) -> tuple[int, int]:
    return [*TABLES, staged.part.table].index(staged.part.table), staged.place


def _absent(listings: Sequence[Listing], there: Sequence[str]) -> list[str]:
    """Tables that none of several sources holds; one source says so itself."""
    if len(listings) == 1:
        return []
    says = "none of the sources holds {}; add one that does to tierwise.yaml"
    wanted = (("accounts",), OUTCOME_TABLES)
    return [
        f"{', '.join(w)}: {says.format('one of them' if len(w) > 1 else 'it')}" for w in wanted if not {*w} & {*there}
    ]


def _run(
    steps: Sequence[Step], warehouse: Warehouse, settings: Settings, findings: list[str], notes: list[str]
) -> list[Outcome]:
    """Run the steps in order, up to the first that has a finding."""
    outcomes: list[Outcome] = []
    for step in steps:
        if not findings:
            outcomes.append(step(warehouse, settings))
            findings += outcomes[-1].findings
            notes += outcomes[-1].notes
    return outcomes


def _frames(outcomes: Sequence[Outcome]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """How sources were joined, accounts that look alike, and what noise was found; empty where a step did not run."""
    found = {type(outcome): outcome for outcome in outcomes}
    joined, resolved, flagged = (found.get(kind) for kind in (Joined, Resolved, Flagged))
    return (
        joined.matches if isinstance(joined, Joined) else no_matches(),
        resolved.duplicates if isinstance(resolved, Resolved) else pd.DataFrame(),
        flagged.counts if isinstance(flagged, Flagged) else pd.DataFrame(),
    )


def _whole(warehouse: Warehouse, there: Sequence[str], staged: Sequence[Staged]) -> list[str]:
    """What refuses whole tables: accounts that the other tables do not know."""
    for name, says in strangers(warehouse, there):
        for one in staged:
            if one.part.table == name:
                one.findings.append(f"{one.part.file}: {says}")
    return [finding for one in staged for finding in one.findings]


def _drop_hidden(warehouse: Warehouse) -> None:
    with warehouse.at_once():
        for name in TABLES:
            for column in HIDDEN:
                warehouse.run(Query(f"ALTER TABLE {name} DROP COLUMN IF EXISTS {column}"))
        warehouse.run(Query("DROP TABLE __ragged"))


def _count(staged: Staged) -> tuple[str, str, int, int, int, int, int]:
    table, file, read = staged.part.table, staged.part.file, staged.read
    if staged.findings:
        return table, file, read, 0, 0, read, 0
    return table, file, read, read - staged.bad, staged.bad, 0, staged.superseded


def _fingerprint(staged: Sequence[Staged], settings: Settings) -> str:
    lines = sorted(f"{one.part.table} {one.digest} {one.part.formats.model_dump_json()}" for one in staged)
    lines.append(settings.model_dump_json(include=READING))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
