"""Which record of one source is which of another: by sync id, by equal id, by domain; as SQL.

Candidates are rows (source, id, same_id, sync, name, domain); a *base* is the source whose records name those of
others.
"""

from __future__ import annotations

from tierwise.data.company_names import bare_name
from tierwise.data.domains import FREE_MAIL, SHARED_HOSTS, bare_domain
from tierwise.data.ids import long_id
from tierwise.data.warehouse import Query, quoted

RULES = ("sync_id", "equal id", "domain", "own")
"""How an account of a later source was joined; `own`: it stays an account of its own."""
NUMERIC = r"^\d+$"
SHORT_NUMBER = r"^\d{1,9}$"
"""Ids that a table counts up by itself, so that any two tables have them in common."""


def candidates(table: str, key: str, *, accounts: bool) -> Query:
    """A row a record: what it may be matched by. Deleted and merged accounts hold no domain."""
    sync = f"nullif(trim({quoted('sync_id')}), '')"
    head = f"""SELECT __source AS source, {quoted(key)} AS id, min({long_id(quoted(key))}) AS same_id,
        min({long_id(sync)}) AS sync"""
    if not accounts:
        return Query(f"{head}, NULL::VARCHAR AS domain FROM {quoted(table)} GROUP BY ALL")
    merged = """EXISTS (FROM account_merges m WHERE m.__source = a.__source AND m.losing_id = a.account_id
        AND m.surviving_id <> m.losing_id)"""
    gone = f"deleted_at IS NOT NULL OR master_account_id IS NOT NULL OR {merged}"
    domain = bare_domain("domain")
    sql = f"""
        WITH found AS (
            {head}, min(nullif({bare_name("name")}, '')) AS name,
                min({domain}) AS domain, bool_or({gone}) AS gone FROM {quoted(table)} a GROUP BY source, id
        ),
        held AS (
            SELECT source, domain FROM found WHERE NOT gone AND domain NOT IN (SELECT unnest($nobodys))
            GROUP BY ALL HAVING count(*) = 1
        )
        SELECT f.source, f.id, f.same_id, f.sync, f.name, f.domain AS said_domain,
            CASE WHEN NOT f.gone THEN h.domain END AS domain
        FROM found f LEFT JOIN held h USING (source, domain)"""
    return Query(sql, {"nobodys": sorted(FREE_MAIL | SHARED_HOSTS)})


def pairs(base: str, others: list[str], *, accounts: bool) -> Query:
    """Each way in which a record of `others` may be one of the base: source, id, its, rule, place (the least wins)."""
    says: list[tuple[str, str]] = [("sync_id", "o.sync = t.same_id"), ("sync_id", "t.sync = o.same_id")]
    if accounts:
        differ = "regexp_full_match(o.id, $numeric) AND o.said_domain <> t.said_domain"
        says += [("equal id", f"o.same_id = t.same_id AND NOT coalesce({differ}, false)")]
        says += [("domain", "o.domain = t.domain")]
    found = " UNION ALL ".join(
        f"SELECT o.source, o.id, t.id AS its, '{rule}' AS rule, {place} AS place FROM o JOIN t ON {condition}"
        for place, (rule, condition) in enumerate(says)
    )
    sql = f"""
        WITH left_over AS (FROM __candidates c ANTI JOIN __joined j ON j.source = c.source AND j.was = c.id),
        t AS (FROM left_over WHERE source = $base), o AS (FROM left_over WHERE list_contains($others, source))
        {found}"""
    params: dict[str, object] = {"base": base, "others": others}
    return Query(sql, params | ({"numeric": NUMERIC} if accounts else {}))


def by_chance(base: str) -> Query:
    """The sources whose short numbers are the base's by chance, as most that have one bear two names: source, says.

    Names differ if neither begins with the other; accounts that share a domain are one, whatever their names.
    """
    differ = """NOT starts_with(o.name, t.name) AND NOT starts_with(t.name, o.name)
        AND NOT coalesce(o.said_domain = t.said_domain, false)"""
    says = "p.id || ' is ' || t.name || ' and ' || o.name"
    sql = f"""
        SELECT p.source, min({says}) FILTER (WHERE {differ}) AS says
        FROM __pairs p JOIN __candidates o ON o.source = p.source AND o.id = p.id
        JOIN __candidates t ON t.source = $base AND t.id = p.its
        WHERE p.rule = 'equal id' AND regexp_full_match(p.id, $short) AND o.name IS NOT NULL AND t.name IS NOT NULL
        GROUP BY p.source HAVING 2 * count(*) FILTER (WHERE {differ}) > count(*) ORDER BY p.source"""
    return Query(sql, {"base": base, "short": SHORT_NUMBER})


def chosen(prefix: str) -> Query:
    """The pair that counts for each record: source, was, now, rule. Records of the base are named by `prefix`."""
    sql = """
        SELECT source, id AS was, $prefix || arg_min(its, (place, its)) AS now, arg_min(rule, (place, its)) AS rule
        FROM __pairs GROUP BY source, id"""
    return Query(sql, {"prefix": prefix})
