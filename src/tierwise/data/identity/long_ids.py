"""Salesforce ids of 15 and of 18 characters that mean the same record, as one."""

from __future__ import annotations

from typing import Any

from tierwise.data.contract import TABLES
from tierwise.data.ids import is_long, is_short, long_id
from tierwise.data.warehouse import Query, Warehouse, quoted

KEYS = {
    "accounts": "account_id",
    "contacts": "contact_id",
    "leads": "lead_id",
    "opportunities": "opportunity_id",
    "owners": "owner_id",
}
"""The records that have ids, and the column that holds them."""
_MERGES = (("account_merges", "losing_id"), ("account_merges", "surviving_id"), ("accounts", "master_account_id"))


def lengthen(warehouse: Warehouse) -> tuple[list[str], list[str]]:
    """Bring ids to 18 characters where both lengths stand for one kind of record; findings, and notes.

    An account that stands twice, by its short and by its long id, is a finding: nothing says which row is right, but
    where modified_at does.
    """
    findings, notes = [], []
    for record, key in KEYS.items():
        places = [(record, key), *_references(record)]
        if not _both_lengths(warehouse, places):
            continue
        found = _lengths(warehouse, places)
        short = sum(row["short"] for row in found)
        if not short or not any(row["long"] for row in found):
            continue
        for row in found:
            if row["short"]:
                new = f"{long_id('t.' + quoted(row['place'][1]))} AS {quoted(row['place'][1])}"
                warehouse.rewrite(
                    row["place"][0], Query(f"SELECT t.* REPLACE ({new}) FROM {quoted(row['place'][0])} t")
                )
        notes.append(f"{record}: {short} ids of 15 characters were read as the 18 that they stand for")
        findings += _twice(warehouse, record, key)
    return findings, notes


def _references(record: str) -> list[tuple[str, str]]:
    found = [(t.name, c.name) for t in TABLES.values() for c in t.columns if c.references == record]
    return [*found, *(_MERGES if record == "accounts" else ())]


def _both_lengths(warehouse: Warehouse, places: list[tuple[str, str]]) -> bool:
    """Whether there are ids of 15 and of 18 characters at all: a look that costs little."""
    columns = " UNION ALL ".join(f"SELECT length({quoted(c)}) AS n FROM {quoted(t)}" for t, c in places)
    return warehouse.number(Query(f"SELECT count(DISTINCT n) FROM ({columns}) WHERE n IN (15, 18)")) == 2


def _lengths(warehouse: Warehouse, places: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """A row a place (table, column): how many short ids it holds, and whether it holds a long one."""
    counted = " UNION ALL ".join(
        f"SELECT {n} AS n, count(*) FILTER ({is_short(quoted(c))}) AS short, "
        f"count(*) FILTER ({is_long(quoted(c))}) AS long FROM {quoted(t)} WHERE length({quoted(c)}) IN (15, 18)"
        for n, (t, c) in enumerate(places)
    )
    rows = warehouse.arrow(Query(f"{counted} ORDER BY n")).to_pylist()
    return [{**row, "place": places[row["n"]]} for row in rows]


def _twice(warehouse: Warehouse, record: str, key: str) -> list[str]:
    newest = f"row_number() OVER (PARTITION BY {key} ORDER BY modified_at DESC NULLS LAST)"
    tied = f"count(*) OVER (PARTITION BY {key}, modified_at)"
    ranked = f"SELECT *, {newest} AS __place, {tied} AS __tied FROM {quoted(record)}"
    clash = warehouse.arrow(Query(f"SELECT {key} FROM ({ranked}) WHERE __place = 1 AND __tied > 1 ORDER BY 1 LIMIT 3"))
    if clash.num_rows:
        which = ", ".join(clash[key].to_pylist())
        return [f"{record}: {which}: stands twice, by 15 and by 18 characters; keep one row, or export modified_at"]
    warehouse.rewrite(record, Query(f"SELECT * EXCLUDE (__place, __tied) FROM ({ranked}) WHERE __place = 1"))
    return []
