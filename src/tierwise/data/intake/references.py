"""What holds for whole tables: references to nothing, empty columns, how far each reaches, what arrived when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pandas as pd

from tierwise.clock import instant, naive
from tierwise.config.workspace import Settings
from tierwise.data.contract import TABLES, Column
from tierwise.data.identity import LEAD
from tierwise.data.warehouse import Query, Warehouse, quoted

_NEWEST_DAYS = 120
_EMPTY = {"recorded_at": "known_at is occurred_at there", "initiator": "they are never a signal"}


def strangers(warehouse: Warehouse, tables: Iterable[str]) -> list[tuple[str, str]]:
    """Tables none of whose account ids is in accounts: the ids themselves are at fault."""
    found: list[tuple[str, str]] = []
    for name in [n for n in ("contacts", "activities", "opportunities") if n in tables]:
        known = f"SELECT 1 FROM {name} SEMI JOIN accounts USING (account_id)"
        here = _one(warehouse, f"SELECT account_id FROM {name} WHERE account_id IS NOT NULL LIMIT 1")
        there = _one(warehouse, f"SELECT account_id FROM accounts WHERE NOT starts_with(account_id, '{LEAD}') LIMIT 1")
        if here is not None and there is not None and _one(warehouse, f"{known} LIMIT 1") is None:
            says = (
                f"account_id: none of its accounts is in accounts ('{here}' here, '{there}' there); "
                "export both with the same ids, as text"
            )
            found.append((name, says))
    return found


def remarks(warehouse: Warehouse, tables: Iterable[str]) -> list[str]:
    """What holds for many rows and is worth knowing."""
    found: list[str] = []
    for name in tables:
        for column in TABLES[name].columns:
            if column.references and not _is_empty(warehouse, column.references):
                found += _unknown(warehouse, name, column)
    for column_name, says in _EMPTY.items() if "activities" in tables else ():
        row = warehouse.arrow(
            Query(f"SELECT count(*) AS n, count({column_name}) AS filled FROM activities")
        ).to_pylist()[0]
        if row["filled"] < row["n"]:
            empty = row["n"] - row["filled"]
            found.append(f"activities: {column_name}: empty in {empty} of {row['n']} rows; {says}")
    return found


def _unknown(warehouse: Warehouse, name: str, column: Column) -> list[str]:
    target, value = TABLES[column.references or ""], quoted(column.name)
    there = f"SELECT DISTINCT {quoted(target.columns[0].name)} AS id FROM {target.name}"
    sql = f"""
        SELECT count(*) AS filled, count(*) FILTER (there.id IS NULL) AS unknown
        FROM {name} mine LEFT JOIN ({there}) there ON there.id = mine.{value} WHERE mine.{value} IS NOT NULL"""
    row = warehouse.arrow(Query(sql)).to_pylist()[0]
    if not row["unknown"]:
        return []
    says = f"{row['unknown']} of {row['filled']} rows name one that {target.name} does not have"
    return [f"{name}: {column.name}: {says}; they are kept, and reach no account by it"]


def data_through(
    warehouse: Warehouse, tables: Iterable[str], settings: Settings, now: datetime | None
) -> dict[str, datetime]:
    """How far each table reaches: the declared date, or its newest known_at (that is not after `now`)."""
    if settings.data_through is not None:
        return dict.fromkeys(tables, instant(settings.data_through))
    through: dict[str, datetime] = {}
    for name in tables:
        if TABLES[name].clock:
            newest = _one(warehouse, f"SELECT max(known) FROM ({_known(name)}) WHERE known <= $last", _last(now))
            if isinstance(newest, datetime):
                through[name] = newest.replace(tzinfo=UTC)
    return through


def arrivals(warehouse: Warehouse, tables: Iterable[str], now: datetime | None) -> pd.DataFrame:
    """Rows by source, table and day (UTC) on which they could first have been read; the newest 120 days to `now`."""
    selects = [
        f"SELECT __source AS source, '{name}' AS \"table\", date_trunc('day', known)::TIMESTAMP AS day, "
        "count(*) AS rows "
        f"FROM ({_known(name, '__source, ')}) WHERE known <= $last GROUP BY ALL"
        for name in tables
        if TABLES[name].clock
    ]
    if not selects:
        return pd.DataFrame({"source": [], "table": [], "day": [], "rows": []})
    newest = f'max(day) OVER (PARTITION BY source, "table") - INTERVAL {_NEWEST_DAYS} DAY'
    sql = f"SELECT * FROM ({' UNION ALL '.join(selects)}) QUALIFY day > {newest} ORDER BY ALL"
    return warehouse.frame(Query(sql, _last(now)))


def seller_days(warehouse: Warehouse, now: datetime | None) -> pd.DataFrame:
    """The days (UTC) on which activities of sellers could first have been read, by feed, each one's newest 120 days up
    to `now`: source, channel and kind in small letters (`""`: none is said), day, newest (the newest known_at)."""
    of_day = f"""
        SELECT __source AS source, lower(coalesce(channel, '')) AS channel, lower(coalesce(kind, '')) AS kind,
               date_trunc('day', known)::TIMESTAMP AS day, max(known) AS newest
        FROM ({_known("activities", "__source, channel, kind, initiator, ")})
        WHERE initiator = 'seller' AND known <= $last GROUP BY ALL
    """
    newest = f"max(day) OVER (PARTITION BY source, channel, kind) - INTERVAL {_NEWEST_DAYS} DAY"
    return warehouse.frame(Query(f"SELECT * FROM ({of_day}) QUALIFY day > {newest} ORDER BY ALL", _last(now)))


def _known(name: str, also: str = "") -> str:
    """The instants at which the rows of a table could have been read."""
    return f"SELECT {also}greatest({', '.join(TABLES[name].clock)}) AS known FROM {name}"


def _last(now: datetime | None) -> dict[str, object]:
    return {"last": naive(now) if now is not None else datetime(9999, 12, 31)}


def _is_empty(warehouse: Warehouse, table: str) -> bool:
    return _one(warehouse, f"SELECT 1 FROM {table} LIMIT 1") is None


def _one(warehouse: Warehouse, sql: str, params: dict[str, object] | None = None) -> object:
    rows = warehouse.arrow(Query(sql, params or {}))
    return rows.column(0)[0].as_py() if rows.num_rows else None
