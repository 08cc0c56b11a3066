"""The tables as they would have been read on a date: rows known before it, with the values of then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import pandas as pd

from tierwise.clock import naive
from tierwise.data.contract import TABLES, Column
from tierwise.data.own_history import own_fields
from tierwise.data.warehouse import MADE, SQL_TYPES, Query, Warehouse, quoted

KNOWN_AT = MADE["activities"]["known_at"]
How = Literal["tracked", "dated", "fixed", "slow", "accepted", "identity", "todays", "untracked"]
WORDS: Mapping[How, str] = {
    "tracked": "its value of then, rebuilt from its history",
    "dated": "its value of then, by its own dates",
    "fixed": "today's value: the plan says that it does not change",
    "slow": "today's value: the plan says that it hardly changes",
    "accepted": "today's value: the plan accepts it, though nothing says when it was filled",
    "identity": "today's value, on all dates",
    "todays": "today's value: no table holds its history",
    "untracked": "unknown: it has no history, so today's value is left out",
}
KNOWN: Mapping[str, str] = {
    "accounts": "coalesce(t.created_at, f.first_known)",
    "account_history": "t.changed_at",
    "contacts": "greatest(t.created_at, t.linked_at)",
    "contact_history": "t.changed_at",
    "activities": KNOWN_AT,
    "leads": "coalesce(t.created_at, t.converted_at)",
    "identities": "t.linked_at",
    "owners": "t.active_from",
    "opportunities": "t.created_at",
    "opportunity_stages": "t.entered_at",
    "exclusions": "coalesce(t.recorded_at, t.starts_on)",
    "account_merges": "t.merged_at",
    "fx_rates": "t.date",
}
"""When a row of each table was known."""
UNDATED_STAND = frozenset({"accounts", "owners", "exclusions"})
"""Tables whose rows stand on every date if nothing dates them; elsewhere they are known on none."""
IDENTITY = frozenset({"name", "domain", "parent_account_id", "master_account_id", "sync_id", "email_domain"})
ENDS = frozenset({"deleted_at", "unlinked_at", "converted_at", "active_to", "modified_at"})
"""Instants that, where they lie ahead, had not been entered."""
CHANGING = {"accounts": "account_history", "contacts": "contact_history"}
"""Tables whose columns change, and the history that tells."""
UNTRACKED = {"contacts": ("title", "role"), "leads": ("title",)}
"""Columns that are unknown on a date unless their history is there (of accounts: every attribute)."""
TODAYS = {
    "owners": ("team", "territory", "segment", "capacity_tier_1", "capacity_tier_2", "capacity_tier_3"),
    "opportunities": ("type", "pipeline", "product", "source", "currency"),
}
DEALS = {
    "closed_at": "CASE WHEN {closed} THEN t.closed_at END",
    "is_closed": "{closed}",
    "is_won": "CASE WHEN {closed} THEN t.is_won WHEN t.is_won IS NOT NULL THEN FALSE END",
    "amount": "CASE WHEN {closed} THEN t.amount END",
    "stage": "CASE WHEN s.opportunity_id IS NOT NULL THEN s.stage WHEN {closed} THEN t.stage END",
}
CLOSED = "coalesce(t.is_closed AND t.closed_at < $as_of, FALSE)"
"""Whether a deal had closed; a close date of an open deal is a plan."""


@dataclass(frozen=True)
class Rebuilt:
    """How a column of the view came to its values."""

    table: str
    column: str
    how: How

    @property
    def words(self) -> str:
        """The same in words."""
        return WORDS[self.how]


@dataclass(frozen=True)
class AsOfView:
    """The tables on a date, as queries over a warehouse, and how each column that may change was rebuilt."""

    as_of: datetime
    queries: Mapping[str, Query]
    attributes: tuple[Rebuilt, ...]

    def open(self, warehouse: Warehouse) -> Warehouse:
        """A warehouse of the view."""
        return Warehouse.open({name: warehouse.arrow(query) for name, query in self.queries.items()}, threads=1)

    def rows(self, warehouse: Warehouse) -> pd.DataFrame:
        """A row a table: table, then (rows of the view), now (rows today), newest (the newest fact known then)."""
        found = []
        for name, query in self.queries.items():
            sql = f"""
                SELECT (SELECT count(*) FROM ({query.sql})) AS "then", (SELECT count(*) FROM {quoted(name)}) AS now,
                       (SELECT max(k) FROM ({_known(name)}) WHERE k < $as_of) AS newest
            """
            row = warehouse.frame(Query(sql, {**query.params, "as_of": naive(self.as_of)})).iloc[0]
            found.append((name, int(row["then"]), int(row["now"]), row["newest"]))
        return pd.DataFrame(found, columns=["table", "then", "now", "newest"])


def as_of_view(warehouse: Warehouse, as_of: datetime, clocks: Mapping[str, str] | None = None) -> AsOfView:
    """The tables as they would have been read just before an instant.

    Parameters
    ----------
    clocks : attribute of accounts -> what the plan says of it; `fixed`, `slow` and `accepted` admit today's value.
        An attribute with a history has its value of then; any other is left out, as it is unknown. A column of
        another table is named `table.column`.
    """
    histories = {table: _fields(warehouse, history) for table, history in CHANGING.items()}
    queries, found = {}, []
    for name in TABLES:
        columns = _columns(warehouse, name)
        hows = {c: _how(name, c, histories, clocks or {}) for c in columns}
        queries[name] = _view(name, columns, hows, as_of)
        filled = _filled(warehouse, name, [c for c, how in hows.items() if how is not None])
        found += [Rebuilt(name, c, how) for c, how in hows.items() if how is not None and c in filled]
    return AsOfView(as_of, queries, tuple(found))


def _columns(warehouse: Warehouse, table: str) -> dict[str, Column]:
    further = warehouse.attributes(table) if TABLES[table].open else {}
    columns = [*TABLES[table].columns, *(Column(n, t) for n, t in further.items())]  # type: ignore[arg-type]
    return {c.name: c for c in columns}


def _fields(warehouse: Warehouse, history: str) -> set[str]:
    own = set(own_fields(warehouse)) if history == "account_history" else set()
    return own | set(warehouse.frame(Query(f"SELECT DISTINCT field FROM {history}"))["field"])


def _filled(warehouse: Warehouse, table: str, columns: list[str]) -> set[str]:
    if not columns:
        return set()
    counts = ", ".join(f"count({quoted(c)}) AS {quoted(c)}" for c in columns)
    row = warehouse.frame(Query(f"SELECT {counts} FROM {quoted(table)}")).iloc[0]
    return {c for c in columns if row[c] > 0}


def _how(table: str, column: str, histories: Mapping[str, set[str]], clocks: Mapping[str, str]) -> How | None:
    """How a column is rebuilt; None for ids and facts of the row itself, which do not change."""
    if column in ENDS or (table == "opportunities" and column in DEALS):
        return None if column == "modified_at" else "dated"
    if column in IDENTITY:
        return "identity"
    if column in TODAYS.get(table, ()):
        return "todays"
    if column in ("account_id", "created_at") or (table != "accounts" and column not in UNTRACKED.get(table, ())):
        return None
    if column in histories.get(table, set()):
        return "tracked"
    if column == "owner_id":
        return "todays"
    clock = clocks.get(column if table == "accounts" else f"{table}.{column}")
    return clock if clock in ("fixed", "slow", "accepted") else "untracked"  # type: ignore[return-value]


def _known(table: str) -> str:
    """Every row's instant, as k."""
    return f"SELECT {KNOWN[table]} AS k FROM {_from(table)}"


def _from(table: str) -> str:
    if table != "accounts":
        return f"{quoted(table)} t"
    return f"""accounts t LEFT JOIN (
            SELECT account_id, min(known) AS first_known FROM (
                SELECT account_id, {KNOWN_AT} AS known FROM activities
                UNION ALL SELECT account_id, created_at FROM opportunities
                UNION ALL SELECT account_id, greatest(created_at, linked_at) FROM contacts
            ) GROUP BY account_id
        ) f ON f.account_id = t.account_id"""


def _view(table: str, columns: Mapping[str, Column], hows: Mapping[str, How | None], as_of: datetime) -> Query:
    """One table on a date."""
    params: dict[str, object] = {"as_of": naive(as_of)}
    source, selected = _from(table), []
    for n, (name, column) in enumerate(columns.items()):
        value = f"t.{quoted(name)}"
        if name in ENDS:
            value = f"CASE WHEN {value} < $as_of THEN {value} END"
        elif name == "converted_account_id":
            value = f"CASE WHEN t.converted_at < $as_of THEN {value} END"
        elif table == "opportunities" and name in DEALS:
            value = DEALS[name].format(closed=CLOSED)
        elif hows[name] == "untracked":
            value = f"NULL::{SQL_TYPES[column.type]}"
        elif hows[name] == "tracked":
            key = TABLES[table].key[0]
            params[f"field_{n}"] = name
            source += f"\n LEFT JOIN ({_held(CHANGING[table], key, f'field_{n}')}) h{n} ON h{n}.{key} = t.{key}"
            value = f"CASE WHEN h{n}.{key} IS NULL THEN {value} ELSE {_cast(f'h{n}.value', column)} END"
        selected.append(f"{value} AS {quoted(name)}")
    if table == "opportunities":
        source += """
        LEFT JOIN (SELECT opportunity_id, arg_max(stage, entered_at) FILTER (entered_at < $as_of) AS stage
                   FROM opportunity_stages GROUP BY opportunity_id) s ON s.opportunity_id = t.opportunity_id"""
    undated = f" OR {KNOWN[table]} IS NULL" if table in UNDATED_STAND else ""
    return Query(f"SELECT {', '.join(selected)}\nFROM {source}\nWHERE {KNOWN[table]} < $as_of{undated}", params)


def _held(history: str, key: str, field: str) -> str:
    """The value of a field then, of each one that ever changed it: the last change's, else what the first replaced."""
    return f"""
        SELECT {key}, coalesce(arg_max(new_values, changed_at) FILTER (changed_at < $as_of),
                               arg_min(old_values, changed_at))[1] AS value
        FROM (SELECT {key}, changed_at, [max(new_value)] AS new_values, [min(old_value)] AS old_values
              FROM {history} WHERE field = ${field} GROUP BY {key}, changed_at)
        GROUP BY {key}"""


def _cast(value: str, column: Column) -> str:
    return value if column.type == "text" else f"TRY_CAST({value} AS {SQL_TYPES[column.type]})"
