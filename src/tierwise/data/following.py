"""Rows of several sources under one set of names: references follow, and what is one record becomes one row; as SQL.

Every query reads a table that carries `__source`, and `__places` (source, place: the source that names comes first).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tierwise.data.contract import TABLES
from tierwise.data.matching import NUMERIC
from tierwise.data.warehouse import Query, quoted

ONE_ROW = ("accounts", "contacts", "opportunities", "owners")
"""Tables in which several sources' rows may be one record."""
ACCOUNTS_TOO = {"accounts": ("master_account_id",), "account_merges": ("losing_id", "surviving_id")}
"""Columns that hold an account besides those that the contract says reference one."""
OF_ITS_SOURCE = ("sync_id", "modified_at", "deleted_at", "master_account_id")
"""Columns that say something of a source's own row, and are never filled from another's."""
WITH = {
    "employee_count_kind": "employee_count",
    "annual_revenue_kind": "annual_revenue",
    "accounts.currency": "annual_revenue",
    "opportunities.currency": "amount",
}
"""Columns that mean nothing apart from another, which they come with."""
Providers = Mapping[tuple[str, str], str]
"""By (source of the record's row, column): the source whose values count."""


@dataclass(frozen=True)
class Names:
    """How a table's ids are renamed: by a table (source, was, now); else numbers of the sources `prefixed`."""

    by: str
    prefixed: tuple[str, ...]


def renamed(table: str, names: Mapping[str, Names]) -> Query | None:
    """The table with every id that it holds renamed, and `__was`, its own key before; None if it holds none."""
    columns = _ids(table, names)
    if not columns:
        return None
    joins, says, params = [], {}, {"numeric": NUMERIC}
    for i, (column, target) in enumerate(columns.items()):
        value = f"t.{quoted(column)}"
        joins.append(f"LEFT JOIN {names[target].by} m{i} ON m{i}.source = t.__source AND m{i}.was = {value}")
        numbered = f"list_contains($p{i}, t.__source) AND regexp_full_match({value}, $numeric)"
        says[column] = f"coalesce(m{i}.now, CASE WHEN {numbered} THEN t.__source || ':' || {value} END, {value})"
        params[f"p{i}"] = list(names[target].prefixed)  # type: ignore[assignment]
    if "parent_account_id" in says:
        says["parent_account_id"] = f"nullif({says['parent_account_id']}, {says['account_id']})"
    replaced = ", ".join(f"{sql} AS {quoted(column)}" for column, sql in says.items())
    was = f"t.{quoted(TABLES[table].columns[0].name)}"
    sql = f"SELECT t.* REPLACE ({replaced}), {was} AS __was FROM {quoted(table)} t {' '.join(joins)}"
    return Query(sql, params)


def is_changed(table: str, names: Mapping[str, Names], query: Query) -> Query:
    """A row if renaming changes any id."""
    changes = " OR ".join(f"n.{quoted(c)} IS DISTINCT FROM n.{quoted('was:' + c)}" for c in _ids(table, names))
    kept = ", ".join(f"t.{quoted(c)} AS {quoted('was:' + c)}" for c in _ids(table, names))
    sql = query.sql.replace(" AS __was FROM", f" AS __was, {kept} FROM", 1)
    return Query(f"SELECT 1 AS changed FROM ({sql}) n WHERE {changes} LIMIT 1", query.params)


def _ids(table: str, names: Mapping[str, Names]) -> dict[str, str]:
    """The columns of a table that hold ids which may be renamed, each with the table whose ids they are."""
    columns = {c.name: c.references for c in TABLES[table].columns if c.references in names}
    columns |= dict.fromkeys(ACCOUNTS_TOO.get(table, ()), "accounts")
    if table in names:
        columns[TABLES[table].key[0]] = table
    return {column: target for column, target in columns.items() if target}


def held_columns(table: str, columns: Sequence[str]) -> Query:
    """By source, whether it fills each column anywhere."""
    holds = ", ".join(f"bool_or({quoted(c)} IS NOT NULL) AS {quoted(c)}" for c in columns)
    return Query(f"SELECT __source, {holds} FROM {quoted(table)} GROUP BY __source")


def providers(table: str, held: Mapping[str, Iterable[str]], order: Sequence[str]) -> dict[tuple[str, str], str]:
    """Whose values of a column count in a record, by the source of its row: its own, if it fills the column at all,
    else the first of the others that does.

    >>> providers("accounts", {"region": ["b", "c"], "country": ["a", "b"]}, ["a", "b"])
    {('a', 'region'): 'b', ('b', 'region'): 'b', ('a', 'country'): 'a', ('b', 'country'): 'b'}
    """
    found: dict[tuple[str, str], str] = {}
    for column in held:
        leading = WITH.get(column) or WITH.get(f"{table}.{column}") or column
        there = [source for source in order if source in set(held.get(leading, ()))]
        for base in order if there else ():
            found[(base, column)] = base if base in there else there[0]
    return found


def one_row(table: str, rows: Query, provided: Providers) -> Query:
    """One row for each key: that of the first source, its columns that the source lacks filled from their provider."""
    key = quoted(TABLES[table].key[0])
    filled = {
        (base, column): source
        for (base, column), source in provided.items()
        if source != base and column not in (*OF_ITS_SOURCE, TABLES[table].key[0])
    }
    places = {source: f"s{i}" for i, source in enumerate(sorted({s for (b, _), p in filled.items() for s in (b, p)}))}
    others, replaced = [], []
    for column in dict.fromkeys(column for _, column in filled):
        cases = []
        for source in dict.fromkeys(p for (_, c), p in filled.items() if c == column):
            name, value = quoted(f"{source}:{column}"), quoted(column)
            mine = f"__source = ${places[source]} AND {value} IS NOT NULL"
            others.append(f"arg_min({value}, (__place, __was)) FILTER (WHERE {mine}) AS {name}")
            bases = ", ".join(f"${places[b]}" for (b, c), p in filled.items() if (c, p) == (column, source))
            cases.append(f"WHEN r.__source IN ({bases}) THEN o.{name}")
        replaced.append(f"coalesce(r.{quoted(column)}, CASE {' '.join(cases)} END) AS {quoted(column)}")
    ranked = f"""
        WITH renamed AS ({rows.sql}),
        ranked AS (
            SELECT n.*, p.place AS __place, row_number() OVER (PARTITION BY {key} ORDER BY p.place, __was) AS __nth
            FROM renamed n JOIN __places p ON p.source = n.__source
        )"""
    hidden = "EXCLUDE (__was, __place, __nth)"
    if not others:
        return Query(f"{ranked} SELECT * {hidden} FROM ranked WHERE __nth = 1", rows.params)
    sql = f"""{ranked},
        others AS (SELECT {key}, {", ".join(others)} FROM ranked WHERE __nth > 1 GROUP BY {key})
        SELECT r.* {hidden} REPLACE ({", ".join(replaced)})
        FROM ranked r LEFT JOIN others o ON o.{key} = r.{key} WHERE r.__nth = 1"""
    return Query(sql, {**rows.params, **{name: source for source, name in places.items()}})


def superseded(table: str, of: str) -> str:
    """A condition on rows h of a history: another source's values of that field count in the record it is of.

    `__provided` holds (of, base, field, provider); the stages of a deal are the field `*`.
    """
    key = quoted(TABLES[of].key[0])
    field = "h.field" if TABLES[table].column("field") else "'*'"
    return f"""EXISTS (
        FROM {quoted(of)} r JOIN __provided p ON p."of" = '{of}' AND p.base = r.__source AND p.field = {field}
        WHERE r.{key} = h.{key} AND r.__source <> h.__source AND p.provider <> h.__source)"""


OVERRULED = """EXISTS (FROM accounts a WHERE a.account_id = h.losing_id AND a.__source <> h.__source)
    OR h.losing_id = h.surviving_id"""
"""A condition on rows h of account_merges: a source merged what to the source that names it is another account."""


def repeated(table: str) -> str:
    """A condition on rows h of a table: an earlier source has a row of the same key."""
    same = " AND ".join(f"e.{quoted(name)} = h.{quoted(name)}" for name in TABLES[table].key)
    return f"""EXISTS (
        FROM {quoted(table)} e JOIN __places pe ON pe.source = e.__source
        JOIN __places ph ON ph.source = h.__source WHERE {same} AND pe.place < ph.place)"""
