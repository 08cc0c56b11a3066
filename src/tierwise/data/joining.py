"""Several sources as one: their accounts joined, every reference following, no deal or contact counted twice.

The first source that holds accounts names them. An account of a later source is one of its accounts by sync id, by
equal id (but not by short numbers under which the two know other companies) or by a domain that is unique on both
sides; else it stays an account of its own, `<source>:<id>`, which those of still later sources may be. Contacts and
opportunities are one by sync id, owners by equal id. Other ids of later sources get the same prefix where another
source has the same id, and always where they look like numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from tierwise.data.contract import TABLES
from tierwise.data.following import (
    ONE_ROW,
    OVERRULED,
    Names,
    held_columns,
    is_changed,
    one_row,
    providers,
    renamed,
    repeated,
    superseded,
)
from tierwise.data.matching import NUMERIC, RULES, SHORT_NUMBER, by_chance, candidates, chosen, pairs
from tierwise.data.warehouse import Query, Warehouse, quoted

MATCHES = {"source": "str", "rule": "str", "accounts": "int64", "share": "float64"}
SYNCED = ("contacts", "opportunities")
"""Tables besides accounts whose sync_id may name a record of the first source."""
KEYED = ("accounts", "contacts", "leads", "activities", "opportunities", "owners")
"""Tables whose keys are made unique across sources."""
SYNCED_WITHIN_DAYS = 7
"""So many days apart at most are the creations of one deal in two sources."""
SHOWN = 3
"""How many cases a note names."""


@dataclass(frozen=True)
class Joined:
    """What joining found.

    findings : what must be mended. notes : what is worth knowing. matches : source, rule (`sync_id`, `equal id`,
    `domain` or `own`), accounts, share of that source's accounts; a row a later source and rule.
    """

    findings: tuple[str, ...]
    notes: tuple[str, ...]
    matches: pd.DataFrame


def no_matches() -> pd.DataFrame:
    """The matches of a workspace with one source."""
    return pd.DataFrame({name: pd.Series(dtype=type_) for name, type_ in MATCHES.items()})


def join_sources(warehouse: Warehouse, sources: Sequence[str]) -> Joined:
    """Make one set of tables of several sources' rows, each with its `__source`, which stays.

    Parameters
    ----------
    sources : the sources' names in the workspace's order.
    """
    held = {table: _held(warehouse, table, sources) for table in TABLES}
    base = next(iter(held["accounts"]), None)
    if base is None or len({source for there in held.values() for source in there}) < 2:
        return Joined((), (), no_matches())
    order = [base, *(source for source in sources if source != base)]
    warehouse.register("__places", pa.table({"source": order, "place": list(range(len(order)))}))
    accounts = [source for source in order if source in held["accounts"]]
    notes = _join_accounts(warehouse, accounts)
    matches = _matches(warehouse, accounts[1:])
    names = {"accounts": Names("__joined", tuple(accounts[1:]))}
    for table in KEYED[1:]:
        there = held[table]
        names[table] = Names(f"__{table}", tuple(s for s in there if s != base) if len(there) > 1 else ())
        notes += _name(warehouse, table, base, names[table])
    provided = {table: _provided(warehouse, table, order) for table in ONE_ROW if len(held[table]) > 1}
    for table in TABLES:
        if set(held[table]) - {base}:
            _follow(warehouse, table, names, provided.get(table, {}))
    stages = {(source, "*"): base for source in [base] if base in held["opportunity_stages"]}
    notes += _left_out(warehouse, {**provided, "opportunities": {**provided.get("opportunities", {}), **stages}}, held)
    notes += _look_synced(warehouse)
    for name in ("__candidates", "__pairs", *(n.by for n in names.values())):
        warehouse.run(Query(f"DROP TABLE IF EXISTS {name}"))
    warehouse.unregister("__places")
    return Joined((), (*_match_notes(matches, base), *notes), matches)


def _held(warehouse: Warehouse, table: str, sources: Sequence[str]) -> list[str]:
    """The sources that have rows in a table, in order."""
    found = warehouse.arrow(Query(f"SELECT DISTINCT __source FROM {quoted(table)}"))["__source"].to_pylist()
    return [source for source in sources if source in found]


def _join_accounts(warehouse: Warehouse, accounts: Sequence[str]) -> list[str]:
    """Fill `__joined` (source, was, now, rule) for every account of the later sources."""
    _make(warehouse, "__candidates", candidates("accounts", "account_id", accounts=True))
    warehouse.run(
        Query("CREATE OR REPLACE TEMP TABLE __joined (source VARCHAR, was VARCHAR, now VARCHAR, rule VARCHAR)")
    )
    notes: list[str] = []
    for i, base in enumerate(accounts):
        prefix = f"{base}:" if i else ""
        others = list(accounts[i + 1 :])
        if others:
            _make(warehouse, "__pairs", pairs(base, others, accounts=True))
            notes += _without_chance(warehouse, base) + _doubts(warehouse, base)
            found = chosen(prefix)
            warehouse.run(Query(f"INSERT INTO __joined {found.sql}", found.params))
        if i:
            own = """INSERT INTO __joined SELECT source, id, $prefix || id, 'own' FROM __candidates c
                WHERE source = $base AND NOT EXISTS (FROM __joined j WHERE j.source = c.source AND j.was = c.id)"""
            warehouse.run(Query(own, {"base": base, "prefix": prefix}))
    twice = _cases(
        warehouse,
        """SELECT source || ': ' || string_agg(was, ' and ' ORDER BY was) || ' are ' || now AS says FROM __joined
        WHERE rule <> 'own' GROUP BY source, now HAVING count(*) > 1""",
    )
    notes += _told(twice, "accounts are synced twice: of one source two or more are one account of another")
    lost = _cases(
        warehouse,
        """SELECT c.source || ': ' || c.id || ' names ' || c.sync AS says FROM __candidates c
        JOIN __joined j ON j.source = c.source AND j.was = c.id AND j.rule <> 'sync_id'
        WHERE c.sync IS NOT NULL
            AND NOT EXISTS (FROM __candidates k WHERE k.same_id = c.sync AND k.source <> c.source)""",
    )
    return notes + _told(lost, "accounts have a sync_id that names no account of another source")


def _without_chance(warehouse: Warehouse, base: str) -> list[str]:
    """Leave out of `__pairs` equal ids that are equal by chance, and say so."""
    notes = []
    for row in warehouse.arrow(by_chance(base)).to_pylist():
        gone = "DELETE FROM __pairs WHERE source = $source AND rule = 'equal id' AND regexp_full_match(id, $short)"
        warehouse.run(Query(gone, {"source": row["source"], "short": SHORT_NUMBER}))
        notes.append(
            f"accounts: ids of {row['source']} are short numbers, and most that {base} has too have another name there "
            f"({row['says']}): no account was joined by them; where accounts are one, give a sync_id or a domain"
        )
    return notes


def _doubts(warehouse: Warehouse, base: str) -> list[str]:
    """What `__pairs` says of a base's accounts that needs a person's eye."""
    several = _cases(
        warehouse,
        """SELECT source || ': ' || id || ' is ' || string_agg(DISTINCT its, ' and ' ORDER BY its) AS says FROM __pairs
        WHERE rule = 'sync_id' GROUP BY source, id HAVING count(DISTINCT its) > 1""",
    )
    against = _cases(
        warehouse,
        """SELECT d.source || ': ' || d.id || ' is ' || s.its || ' by sync_id, ' || d.its || ' by domain' AS says
        FROM __pairs d JOIN (
            SELECT source, id, arg_min(its, (place, its)) AS its FROM __pairs WHERE rule = 'sync_id' GROUP BY source, id
        ) s USING (source, id) WHERE d.rule = 'domain' AND d.its <> s.its""",
    )
    return [
        *_told(several, f"accounts are synced with two or more of {base}'s; the first is taken"),
        *_told(against, "accounts have the domain of another account than sync_id names; sync_id is followed"),
    ]


def _name(warehouse: Warehouse, table: str, base: str, names: Names) -> list[str]:
    """Fill a table's renames (source, was, now): what is one with a record of the base, and ids that collide."""
    warehouse.run(Query(f"CREATE OR REPLACE TEMP TABLE {names.by} (source VARCHAR, was VARCHAR, now VARCHAR)"))
    if not names.prefixed:
        return []
    key, others = quoted(TABLES[table].key[0]), list(names.prefixed)
    notes: list[str] = []
    if table in SYNCED:
        _make(warehouse, "__candidates", candidates(table, TABLES[table].key[0], accounts=False))
        _make(warehouse, "__pairs", pairs(base, others, accounts=False))
        found = chosen("")
        warehouse.run(Query(f"INSERT INTO {names.by} SELECT source, was, now FROM ({found.sql})", found.params))
        counts = warehouse.arrow(
            Query(f"SELECT source, count(*) AS n FROM {names.by} GROUP BY 1 ORDER BY 1")
        ).to_pylist()
        notes += [f"{table}: {c['n']:,} of {c['source']} are {base}'s by sync_id; each counts once" for c in counts]
    if table == "owners":
        equal = f"""SELECT o.__source, o.{key}, o.{key} FROM owners o SEMI JOIN owners b
            ON b.__source = $base AND b.{key} = o.{key}
            WHERE o.__source <> $base AND NOT regexp_full_match(o.{key}, $numeric)"""
        warehouse.run(Query(f"INSERT INTO {names.by} {equal}", {"base": base, "numeric": NUMERIC}))
    collide = f"""
        INSERT INTO {names.by}
        SELECT DISTINCT l.__source, l.{key}, l.__source || ':' || l.{key} FROM {quoted(table)} l
        WHERE list_contains($others, l.__source) AND NOT regexp_full_match(l.{key}, $numeric)
            AND EXISTS (FROM {quoted(table)} e WHERE e.{key} = l.{key} AND e.__source <> l.__source)
            AND NOT EXISTS (FROM {names.by} m WHERE m.source = l.__source AND m.was = l.{key})"""
    warehouse.run(Query(collide, {"others": others, "numeric": NUMERIC}))
    return notes


def _provided(warehouse: Warehouse, table: str, order: Sequence[str]) -> dict[tuple[str, str], str]:
    """Whose values of each column count."""
    further = [name for name in warehouse.attributes(table) if not name.startswith("__")]
    columns = [*TABLES[table].names, *further]
    found = warehouse.arrow(held_columns(table, columns)).to_pylist()
    held = {column: [row["__source"] for row in found if row[column]] for column in columns}
    return providers(table, held, order)


def _follow(
    warehouse: Warehouse, table: str, names: Mapping[str, Names], provided: Mapping[tuple[str, str], str]
) -> None:
    """Rename what a table holds, and make one row of what is one record; nothing is written where nothing changes."""
    query = renamed(table, names)
    if query is None or not warehouse.arrow(is_changed(table, names, query)).num_rows:
        if not provided:
            return
        query = Query(f"SELECT *, {quoted(TABLES[table].key[0])} AS __was FROM {quoted(table)}")
    if table in ONE_ROW:
        warehouse.rewrite(table, one_row(table, query, provided))
    else:
        warehouse.rewrite(table, Query(f"SELECT * EXCLUDE (__was) FROM ({query.sql})", query.params))


def _left_out(
    warehouse: Warehouse, provided: Mapping[str, Mapping[tuple[str, str], str]], held: Mapping[str, Sequence[str]]
) -> list[str]:
    """Leave out rows of later sources that another source's overrule; what was left out."""
    lines = [(of, base, field, p) for of, said in provided.items() for (base, field), p in said.items()]
    columns = zip(*lines, strict=True) if lines else ([], [], [], [])
    frame = dict(zip(("of", "base", "field", "provider"), map(list, columns), strict=True))
    warehouse.register("__provided", pa.table(frame, schema=pa.schema([(name, pa.string()) for name in frame])))
    conditions = {
        "account_history": (superseded("account_history", "accounts"), "of fields that another source fills"),
        "contact_history": (superseded("contact_history", "contacts"), "of fields that another source fills"),
        "opportunity_stages": (superseded("opportunity_stages", "opportunities"), "of deals that count once"),
        "account_merges": (OVERRULED, "of accounts that stay two, or are one already, where they are named"),
        "fx_rates": (repeated("fx_rates"), "that an earlier source has"),
    }
    notes = []
    for table, (condition, says) in conditions.items():
        if len(held[table]) < 2 and table in ("fx_rates", "opportunity_stages"):
            continue
        counts = (
            f"SELECT __source AS source, count(*) AS n FROM {quoted(table)} h WHERE {condition} GROUP BY 1 ORDER BY 1"
        )
        found = warehouse.arrow(Query(counts)).to_pylist()
        if found:
            warehouse.rewrite(table, Query(f"SELECT h.* FROM {quoted(table)} h WHERE NOT ({condition})"))
        notes += [f"{table}: {row['n']:,} rows of {row['source']} {says} were left out" for row in found]
    warehouse.unregister("__provided")
    return notes


def _look_synced(warehouse: Warehouse) -> list[str]:
    """Deals of later sources that an earlier one seems to have too, and that no sync_id makes one."""
    cases = _cases(
        warehouse,
        f"""SELECT o.__source || ': ' || o.opportunity_id || ' and ' || min(e.opportunity_id) AS says
        FROM opportunities o JOIN __places l ON l.source = o.__source
        JOIN opportunities e ON e.account_id = o.account_id AND e.amount = o.amount
            AND abs(epoch_us(e.created_at) - epoch_us(o.created_at)) <= {SYNCED_WITHIN_DAYS} * 86_400_000_000
        JOIN __places p ON p.source = e.__source AND p.place < l.place
        WHERE o.amount > 0 AND coalesce(e.currency = o.currency, true) GROUP BY o.__source, o.opportunity_id""",
    )
    alike = f"one account and amount, created within {SYNCED_WITHIN_DAYS} days"
    return _told(cases, f"look synced ({alike}) and count twice; give them a sync_id", "opportunities")


def _make(warehouse: Warehouse, name: str, query: Query) -> None:
    warehouse.run(Query(f"CREATE OR REPLACE TEMP TABLE {name} AS {query.sql}", query.params))


def _cases(warehouse: Warehouse, sql: str) -> list[str]:
    return [str(says) for says in warehouse.arrow(Query(f"{sql} ORDER BY says"))["says"].to_pylist()]


def _told(cases: Sequence[str], says: str, table: str = "accounts") -> list[str]:
    if not cases:
        return []
    more = "; ..." if len(cases) > SHOWN else ""
    return [f"{table}: {len(cases):,} {says} ({'; '.join(cases[:SHOWN])}{more})"]


def _matches(warehouse: Warehouse, later: Sequence[str]) -> pd.DataFrame:
    """How many accounts of each later source were joined by each rule."""
    found = warehouse.arrow(Query("SELECT source, rule, count(*) AS n FROM __joined GROUP BY ALL")).to_pylist()
    counts = {(row["source"], row["rule"]): int(row["n"]) for row in found}
    rows = []
    for source in later:
        whole = sum(counts.get((source, rule), 0) for rule in RULES)
        rows += [(source, rule, n, n / whole) for rule in RULES for n in [counts.get((source, rule), 0)]]
    return pd.DataFrame(rows, columns=list(MATCHES)).astype(MATCHES) if rows else no_matches()


def _match_notes(matches: pd.DataFrame, base: str) -> list[str]:
    notes = []
    for source, group in matches.groupby("source", sort=False):
        counts = dict(zip(group["rule"], group["accounts"], strict=True))
        whole, own = sum(counts.values()), counts["own"]
        by = ", ".join(f"{counts[rule]:,} by {rule}" for rule in RULES[:-1])
        notes.append(
            f"accounts: {whole - own:,} of {whole:,} of {source} are accounts of {base} or an earlier source "
            f"({by}); {own:,} stay their own, as {source}:ID"
        )
    return notes
