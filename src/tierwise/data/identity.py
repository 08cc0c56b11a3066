"""Account merges: every table speaks of the account that survived, on all dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from tierwise.data.contract import TABLES


@dataclass(frozen=True)
class Merged:
    """The tables after the merges, and what was found and is worth knowing."""

    tables: dict[str, pa.Table]
    findings: tuple[str, ...]
    notes: tuple[str, ...]


def survivors(merges: Mapping[str, str], there: set[str]) -> tuple[dict[str, str], list[tuple[str, ...]]]:
    """Who each losing account has become: the last account of its chain that is there; and the cycles found.

    A losing account whose chain holds no account that is there has become nobody and stays itself.

    >>> survivors({"a": "b", "b": "c"}, {"a", "b", "c"})
    ({'a': 'c', 'b': 'c'}, [])
    >>> survivors({"a": "b", "b": "a"}, {"a"})
    ({}, [('a', 'b', 'a')])
    """
    become: dict[str, str] = {}
    cycles: list[tuple[str, ...]] = []
    done: set[str] = set()
    for start in merges:
        chain: list[str] = []
        place: dict[str, int] = {}
        at: str | None = start
        while at is not None and at not in done and at not in place:
            place[at] = len(chain)
            chain.append(at)
            at = merges.get(at)
        if at is not None and at in place:
            cycles.append((*chain[place[at] :], at))
        last = become.get(at, at if at in there else None) if at is not None and at in done else None
        for account in reversed(chain):
            if last is not None and last != account:
                become[account] = last
            elif account in there:
                last = account
        done.update(chain)
    return ({}, cycles) if cycles else (dict(sorted(become.items())), [])


def apply_merges(tables: Mapping[str, pa.Table]) -> Merged:
    """Apply `account_merges` to every column that holds an account, in one place.

    The losing accounts' rows and histories go; an account is never its own parent; `account_merges.surviving_id`
    becomes the last of its chain. A cycle is a finding, and then nothing changes.
    """
    merges = tables.get("account_merges")
    if merges is None or not merges.num_rows or "accounts" not in tables:
        return Merged(dict(tables), (), ())
    pairs = dict(zip(merges["losing_id"].to_pylist(), merges["surviving_id"].to_pylist(), strict=True))
    become, cycles = survivors(pairs, set(tables["accounts"]["account_id"].to_pylist()))
    if cycles:
        says = "goes round in a circle; say which account survived"
        return Merged(dict(tables), tuple(f"account_merges: {' -> '.join(c)}: {says}" for c in cycles), ())
    losing = pa.array(list(become), pa.string())
    final = pa.array(list(become.values()), pa.string())
    result = {name: _moved(name, table, losing, final) for name, table in tables.items()}
    notes = [f"account_merges: {len(become)} accounts speak through the one that survived them"] if become else []
    lost = sum(1 for account in pairs if account not in become)
    if lost:
        notes.append(f"account_merges: {lost} merges end in no account that is in accounts; they were not applied")
    return Merged(result, (), tuple(notes))


def _moved(name: str, table: pa.Table, losing: pa.Array, final: pa.Array) -> pa.Table:
    if name in ("accounts", "account_history"):
        table = table.filter(pc.invert(pc.is_in(table["account_id"], value_set=losing)))
    columns = [c.name for c in TABLES[name].columns if c.references == "accounts"]
    for column in [*columns, *(["surviving_id"] if name == "account_merges" else [])]:
        if column not in table.column_names:
            continue
        values = table[column]
        now = final.take(pc.index_in(values, value_set=losing).combine_chunks())
        values = pc.coalesce(pa.chunked_array([now]), values)
        if column == "parent_account_id":
            values = pc.if_else(pc.equal(values, table["account_id"]), None, values)
        table = table.set_column(table.column_names.index(column), column, values)
    return table
