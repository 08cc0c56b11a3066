"""A history of our own: what runs have seen of accounts' attributes, so that what is untracked today is tracked later.

A *part* is one Parquet file, `<as_of>.parquet`: the values that the run of that as_of found changed against the parts
before it, stamped with the instant from which we knew them. The first part is a baseline: it has no old values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tierwise.clock import naive
from tierwise.data.contract import TABLES
from tierwise.data.warehouse import Query, Warehouse, quoted
from tierwise.errors import EnvironmentFault

NOT_YET = datetime(9999, 12, 31)
"""The instant of a value that no part holds yet: it counts from the next run on."""
NO_ATTRIBUTES = frozenset({"name", "domain", "created_at", "deleted_at", "modified_at"})
"""Columns of accounts, besides ids, that name or date an account."""
SCHEMA = pa.schema(
    [
        ("account_id", pa.string()),
        ("field", pa.string()),
        ("old_value", pa.string()),
        ("new_value", pa.string()),
        ("changed_at", pa.timestamp("us")),
    ]
)
STAMP = "%Y-%m-%dT%H%M%S.%f"


@dataclass(frozen=True)
class HistoryPart:
    """One part: the as_of (UTC, naive) of the run that wrote it, and its file."""

    as_of: datetime
    path: Path


@dataclass(frozen=True)
class OwnField:
    """What our own history holds of a field: since when, and how many changes besides first sights."""

    since: datetime
    changes: int


def part_name(as_of: datetime) -> str:
    """The name of the part of an as_of.

    >>> from tierwise.clock import instant
    >>> part_name(instant("2026-03-01")), part_name(instant("2026-03-01T12:30"))
    ('2026-03-01.parquet', '2026-03-01T123000.000000.parquet')
    """
    at = naive(as_of)
    midnight = at == datetime(at.year, at.month, at.day)
    return f"{at:%Y-%m-%d}.parquet" if midnight else f"{at:{STAMP}}.parquet"


def list_parts(folder: Path) -> tuple[HistoryPart, ...]:
    """The parts of a folder, oldest first; none where there is no such folder.

    Raises
    ------
    EnvironmentFault : a Parquet file is there that no run has named so.
    """
    found = []
    for path in folder.glob("*.parquet") if folder.is_dir() else ():
        if path.name.startswith("."):
            continue
        text = path.name.removesuffix(".parquet")
        try:
            found.append(HistoryPart(datetime.strptime(text, STAMP if "T" in text else "%Y-%m-%d"), path))
        except ValueError:
            raise EnvironmentFault(
                f"the own history in {folder} was read",
                found=f"{path.name} is named by no date",
                do="Move that file away: only runs write there",
            ) from None
    return tuple(sorted(found, key=lambda part: part.as_of))


def read_parts(parts: Sequence[HistoryPart]) -> pa.Table:
    """What the parts hold, one after the other.

    Raises
    ------
    EnvironmentFault : a part cannot be read.
    """
    tables = [SCHEMA.empty_table()]
    for part in parts:
        try:
            tables.append(pq.read_table(part.path).select(SCHEMA.names).cast(SCHEMA))
        except (pa.ArrowException, OSError, KeyError) as error:
            raise EnvironmentFault(
                f"the own history {part.path} was read",
                found=f"it is damaged ({type(error).__name__})",
                do="Restore it from a backup; later parts build on it",
            ) from None
    return pa.concat_tables(tables)


def digest(folder: Path, before: datetime) -> str:
    """SHA-256 over the parts of runs before an as_of: all of the own history that a run of it can read."""
    parts = [part for part in list_parts(folder) if part.as_of < naive(before)]
    said = "\0".join(f"{part.path.name} {hashlib.sha256(part.path.read_bytes()).hexdigest()}" for part in parts)
    return hashlib.sha256(said.encode()).hexdigest()


def attributes(warehouse: Warehouse) -> dict[str, str]:
    """The attributes of accounts, with the contract's word for their type: neither ids nor what names or dates one."""
    contract = {c.name: str(c.type) for c in TABLES["accounts"].columns}
    found = contract | warehouse.attributes("accounts")
    return {n: t for n, t in found.items() if n not in NO_ATTRIBUTES and not n.endswith("_id") and n[:2] != "__"}


def seen_sql(fields: Sequence[tuple[str, str]]) -> Query:
    """The value of each field (name, type) of every account as text: account_id, field, value (null: none)."""
    parts, params = [], {}
    for n, (name, kind) in enumerate(fields):
        params[f"field_{n}"] = name
        value = f"to_json({quoted(name)})" if kind == "list" else quoted(name)
        parts.append(f"SELECT account_id, $field_{n} AS field, CAST({value} AS VARCHAR) AS value FROM accounts")
    return Query("\nUNION ALL\n".join(parts), params)


def attributes_seen(warehouse: Warehouse, leave_out: Collection[str]) -> pa.Table:
    """What today's accounts say of themselves: account_id, field, value; a field that no account fills is not seen.

    leave_out : fields that are not to be kept, as a person's data or what tierwise wrote itself.
    """
    fields = [(n, t) for n, t in attributes(warehouse).items() if n not in set(leave_out)]
    if fields:
        counts = ", ".join(f"count({quoted(n)}) AS {quoted(n)}" for n, _ in fields)
        filled = warehouse.frame(Query(f"SELECT {counts} FROM accounts")).iloc[0]
        fields = [(n, t) for n, t in fields if filled[n] > 0]
    if not fields:
        return pa.schema([(name, pa.string()) for name in ("account_id", "field", "value")]).empty_table()
    return warehouse.arrow(seen_sql(fields))


def changes(seen: pa.Table, before: pa.Table, known_from: datetime) -> pa.Table:
    """What `seen` says otherwise than the parts before it: a part, by account and field.

    known_from : the instant from which we know it; later than every one in `before` by a microsecond at least.
    """
    with Warehouse(threads=1) as scratch:
        scratch.register("seen", seen)
        scratch.register("own", before)
        found = scratch.arrow(
            Query(
                """
                WITH state AS (
                    SELECT account_id, field, arg_max([new_value], changed_at)[1] AS value FROM own
                    GROUP BY account_id, field
                ), stamp AS (
                    SELECT greatest($known_from, max(changed_at) + INTERVAL 1 MICROSECOND) AS changed_at FROM own
                )
                SELECT t.account_id, t.field, s.value AS old_value, t.value AS new_value, stamp.changed_at
                FROM seen t CROSS JOIN stamp
                LEFT JOIN state s ON s.account_id = t.account_id AND s.field = t.field
                WHERE t.value IS DISTINCT FROM s.value
                ORDER BY t.account_id, t.field
                """,
                {"known_from": naive(known_from)},
            )
        )
    return found.cast(SCHEMA)


def join_own_history(warehouse: Warehouse, folder: Path, tracked: Collection[str] | None = None) -> None:
    """Give the warehouse a table own_history, of the fields that the sources' account_history does not cover, and let
    account_history speak of those in `tracked` (by default all): what a plan declares so.

    A value of an account of which no part holds one yet
    counts from the next run on: read as of a date that has been, it is as unknown as it will be to later runs.

    Raises
    ------
    EnvironmentFault : a part is damaged.
    """
    own = read_parts(list_parts(folder))
    warehouse.register("__own", own)
    warehouse.run(
        Query(
            "CREATE TABLE own_history AS SELECT o.* FROM __own o SEMI JOIN accounts a ON a.account_id = o.account_id "
            "WHERE o.field NOT IN (SELECT field FROM account_history)"
        )
    )
    warehouse.unregister("__own")
    held = set(warehouse.frame(Query("SELECT DISTINCT field FROM own_history"))["field"])
    fields = [(n, t) for n, t in attributes(warehouse).items() if n in held]
    if not held:
        return
    if fields:
        seen = seen_sql(fields)
        warehouse.run(
            Query(
                f"""
                INSERT INTO own_history
                SELECT t.account_id, t.field, NULL, t.value, $not_yet FROM ({seen.sql}) t
                ANTI JOIN own_history o ON o.account_id = t.account_id AND o.field = t.field
                WHERE t.value IS NOT NULL
                """,
                {**seen.params, "not_yet": NOT_YET},
            )
        )
    columns = ", ".join(c.name for c in TABLES["account_history"].columns)
    warehouse.rewrite(
        "account_history",
        Query(
            f"SELECT {columns} FROM account_history "
            f"UNION ALL SELECT {columns} FROM own_history WHERE list_contains($fields, field)",
            {"fields": sorted(held if tracked is None else held & set(tracked))},
        ),
    )


def own_fields(warehouse: Warehouse) -> dict[str, OwnField]:
    """The fields that only our own history covers; none where it was not joined."""
    there = warehouse.frame(Query("SELECT 1 AS n FROM information_schema.tables WHERE table_name = 'own_history'"))
    if there.empty:
        return {}
    found = warehouse.frame(
        Query(
            "SELECT field, min(changed_at) AS since, count(*) - count(DISTINCT account_id) AS changes "
            "FROM own_history WHERE changed_at < $not_yet GROUP BY field ORDER BY field",
            {"not_yet": NOT_YET},
        )
    )
    return {r.field: OwnField(r.since.to_pydatetime(), int(r.changes)) for r in found.itertuples(index=False)}
