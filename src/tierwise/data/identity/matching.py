"""Contacts and leads matched to accounts by domain, and provisional accounts for leads whose company has none."""

from __future__ import annotations

from tierwise.data.contract import TABLES
from tierwise.data.domains import bare_domain
from tierwise.data.identity.families import LEAD, NEVER, domain_claims, nobodys_domains
from tierwise.data.warehouse import Query, Warehouse


def match_contacts(warehouse: Warehouse) -> list[str]:
    """Give contacts without an account the first that their e-mail's domain names, from when it names it.

    A contact without any date is matched to none: nothing says since when. A deleted contact is unlinked then.
    """
    unlinked = "least(c.unlinked_at, c.deleted_at) AS unlinked_at"
    if _number(warehouse, "SELECT count(*) FROM contacts WHERE deleted_at IS NOT NULL"):
        warehouse.rewrite("contacts", Query(f"SELECT c.* REPLACE ({unlinked}) FROM contacts c"))
    lone = _number(warehouse, "SELECT count(*) FROM contacts WHERE account_id IS NULL")
    if not lone:
        return []
    claims = domain_claims()
    linked = "greatest(coalesce(c.linked_at, c.created_at), d.from_at)"
    sql = f"""
        WITH matched AS (
            SELECT c.contact_id, arg_min(d.account_id, ({linked}, d.account_id)) AS account_id,
                   min({linked}) AS linked_at
            FROM contacts c JOIN ({claims.sql}) d
                 ON d.domain = {bare_domain("c.email_domain")} AND (d.until_at IS NULL OR {linked} < d.until_at)
            WHERE c.account_id IS NULL AND coalesce(c.linked_at, c.created_at) IS NOT NULL
            GROUP BY c.contact_id
        )
        SELECT c.* REPLACE (coalesce(c.account_id, m.account_id) AS account_id,
                            coalesce(m.linked_at, c.linked_at) AS linked_at)
        FROM contacts c LEFT JOIN matched m ON m.contact_id = c.contact_id
    """
    warehouse.rewrite("contacts", Query(sql, claims.params))
    left = _number(warehouse, "SELECT count(*) FROM contacts WHERE account_id IS NULL")
    return [f"contacts: {lone - left} of {lone} without an account were matched by their e-mail's domain"]


def add_provisional(warehouse: Warehouse) -> list[str]:
    """Add an account `lead:<domain>` for each company that has leads and, when the first of them came, no account.

    It is there until the company's own account is created, or until all its leads are converted or deleted; what became
    of it is said by its leads (see `features.sql.links`). It holds no attribute but its name and domain, so that what
    was filled in later is never its.
    """
    bare = bare_domain("l.domain")
    sql = f"""
        WITH held AS (SELECT {bare_domain("a.domain")} AS domain, a.created_at, a.deleted_at FROM accounts a),
        led AS (
            SELECT {bare} AS domain, l.created_at, least(l.converted_at, l.deleted_at) AS ended_at
            FROM leads l WHERE l.created_at IS NOT NULL
        ), alone AS (
            SELECT l.domain, l.created_at, coalesce(l.ended_at, {NEVER}) AS ended_at
            FROM led l ANTI JOIN held h
                 ON h.domain = l.domain AND (h.created_at IS NULL OR h.created_at <= l.created_at)
                    AND (h.deleted_at IS NULL OR h.deleted_at > l.created_at)
            WHERE l.domain IS NOT NULL AND NOT list_contains($nobodys, l.domain)
                  AND (l.ended_at IS NULL OR l.ended_at > l.created_at)
        ), spans AS (
            SELECT domain, created_at, lead(created_at) OVER w AS next_at,
                   max(ended_at) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS open_until
            FROM alone WINDOW w AS (PARTITION BY domain ORDER BY created_at, ended_at)
        ), lives AS (
            SELECT domain, min(created_at) AS created_at,
                   nullif(min(open_until) FILTER (WHERE next_at IS NULL OR next_at >= open_until), {NEVER}) AS ended_at
            FROM spans GROUP BY domain
        ), owned AS (
            SELECT v.domain, v.created_at, v.ended_at, min(h.created_at) AS owned_at
            FROM lives v LEFT JOIN held h ON h.domain = v.domain AND h.created_at > v.created_at
            GROUP BY ALL
        )
        SELECT '{LEAD}' || domain AS account_id, domain AS name, domain, created_at,
               least(ended_at, owned_at) AS deleted_at
        FROM owned ORDER BY account_id
    """
    found = Query(sql, {"nobodys": nobodys_domains()})
    n = warehouse.arrow(Query(f"SELECT count(*) AS n FROM ({found.sql})", found.params))["n"][0].as_py()
    if not n:
        return []
    warehouse.rewrite("accounts", Query(f"SELECT * FROM accounts UNION ALL BY NAME ({found.sql})", found.params))
    return [
        f"leads: {n} provisional accounts ({LEAD}<domain>) stand for companies that had no account when a lead came"
    ]


def ascii_domains(warehouse: Warehouse) -> None:
    """Write domains of other alphabets as the mail system does (IDN): one name, one spelling."""
    columns = [(t.name, c.name) for t in TABLES.values() for c in t.columns if c.name in ("domain", "email_domain")]
    for table, column in columns:
        foreign = f"SELECT DISTINCT {column} AS domain FROM {table} WHERE NOT regexp_full_match({column}, '[ -~]*')"
        found = warehouse.arrow(Query(foreign))["domain"].to_pylist()
        if found:
            pairs = {name: _ascii(name) for name in found}
            sql = f"""
                SELECT t.* REPLACE (coalesce(map_extract(map($found, $said), t.{column})[1], t.{column}) AS {column})
                FROM {table} t"""
            warehouse.rewrite(table, Query(sql, {"found": list(pairs), "said": list(pairs.values())}))


def _ascii(domain: str) -> str:
    try:
        return domain.strip().lower().encode("idna").decode("ascii")
    except UnicodeError:
        return domain


def _number(warehouse: Warehouse, sql: str) -> int:
    return int(warehouse.arrow(Query(sql)).column(0)[0].as_py())
