"""Account merges: every table speaks of the account that survived, on all dates."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from tierwise.data.contract import TABLES
from tierwise.data.warehouse import Query, Warehouse, quoted


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


def become(warehouse: Warehouse) -> dict[str, str]:
    """Who each merged account has become, by the merges that were applied."""
    return _merged(warehouse)[1][0]


def _merged(warehouse: Warehouse) -> tuple[dict[str, str], tuple[dict[str, str], list[tuple[str, ...]]]]:
    """The merges (losing to surviving), and what `survivors` makes of them."""
    pairs = warehouse.arrow(Query("SELECT losing_id, surviving_id FROM account_merges ORDER BY ALL")).to_pydict()
    merges = dict(zip(pairs["losing_id"], pairs["surviving_id"], strict=True))
    there = (
        set(warehouse.arrow(Query("SELECT account_id FROM accounts"))["account_id"].to_pylist()) if merges else set()
    )
    return merges, survivors(merges, there)


def apply_merges(warehouse: Warehouse) -> tuple[list[str], list[str]]:
    """Let every column that holds an account name the one that survived; the findings (circles), and the notes.

    A merge stands in account_merges, or in accounts.master_account_id (and is then dated by deleted_at or modified_at).
    The losing accounts' rows and their own histories go, so that the survivor shows no change that it never made; what
    they did, who worked there and what they bought is the survivor's. A circle is a finding, and nothing changes.
    """
    selves = warehouse.arrow(Query("SELECT 1 FROM account_merges WHERE losing_id = surviving_id")).num_rows
    notes = (
        [f"account_merges: {selves} {'row' if selves == 1 else 'rows'} that merge an account into itself left out"]
        if selves
        else []
    )
    warehouse.rewrite("account_merges", Query(_WITH_MASTERS))
    merges, (become, cycles) = _merged(warehouse)
    if not merges:
        return [], notes
    if cycles:
        return [
            f"account_merges: {' -> '.join(c)}: goes round in a circle; say which account survived" for c in cycles
        ], []
    _move(warehouse, become)
    notes += [f"account_merges: {len(become)} accounts speak through the one that survived them"] if become else []
    if lost := len(set(merges) - set(become)):
        notes.append(f"account_merges: {lost} merges end in no account that is in accounts; they were not applied")
    return [], notes


_WITH_MASTERS = """
    WITH said AS (SELECT losing_id, surviving_id, merged_at FROM account_merges WHERE losing_id <> surviving_id)
    FROM said
    UNION ALL
    SELECT a.account_id, a.master_account_id, coalesce(a.deleted_at, a.modified_at)
    FROM accounts a ANTI JOIN said m ON m.losing_id = a.account_id
    WHERE a.master_account_id IS NOT NULL AND a.master_account_id <> a.account_id
"""


def _move(warehouse: Warehouse, become: Mapping[str, str]) -> None:
    warehouse.register("__become", pa.table({"losing": list(become), "final": list(become.values())}))
    for name in TABLES:
        columns = _holding(name)
        if name != "accounts" and columns and _touched(warehouse, name, columns):
            warehouse.rewrite(name, Query(_moved(name, columns)))
    warehouse.rewrite("accounts", Query(_moved("accounts", dict.fromkeys(("account_id", "parent_account_id"), "TRUE"))))
    warehouse.unregister("__become")


def _holding(table: str) -> dict[str, str]:
    """The columns of a table that hold accounts, each with the condition on a row t under which it does."""
    names = [c.name for c in TABLES[table].columns if c.references == "accounts"]
    names += ["surviving_id"] if table == "account_merges" else []
    values = ("old_value", "new_value") if table in ("account_history", "contact_history") else ()
    return dict.fromkeys(names, "TRUE") | dict.fromkeys(values, "t.field IN ('account_id', 'parent_account_id')")


def _touched(warehouse: Warehouse, table: str, columns: Mapping[str, str]) -> bool:
    any_ = " OR ".join(f"({holds} AND {quoted(c)} IN (SELECT losing FROM __become))" for c, holds in columns.items())
    return bool(warehouse.arrow(Query(f"SELECT 1 FROM {quoted(table)} t WHERE {any_} LIMIT 1")).num_rows)


def _moved(table: str, columns: Mapping[str, str]) -> str:
    joins = "".join(
        f" LEFT JOIN __become b{i} ON b{i}.losing = t.{quoted(c)} AND {holds}"
        for i, (c, holds) in enumerate(columns.items())
    )
    values = {c: f"coalesce(b{i}.final, t.{quoted(c)})" for i, c in enumerate(columns)}
    if table == "accounts":
        values["parent_account_id"] = f"nullif({values['parent_account_id']}, t.account_id)"
        del values["account_id"]
    whose = list(columns).index("account_id") if table in ("accounts", "account_history") else None
    gone = f" WHERE b{whose}.losing IS NULL" if whose is not None else ""
    replaced = ", ".join(f"{value} AS {quoted(c)}" for c, value in values.items())
    return f"SELECT t.* REPLACE ({replaced}) FROM {quoted(table)} t{joins}{gone}"
