"""Families of accounts, and which account a domain names."""

from __future__ import annotations

from tierwise.data.domains import FREE_MAIL, SHARED_HOSTS, bare_domain
from tierwise.data.warehouse import Query

DEEPEST = 20
"""So many parents are followed above an account; more are a circle."""
LEAD = "lead:"
"""How the id of a provisional account begins; its domain follows."""
EVER, NEVER = "TIMESTAMP '0001-01-01'", "TIMESTAMP '9999-12-31'"


def families() -> Query:
    """Each account's ultimate parent: account_id, family_id; a circle, and what leads into it, is of its least id."""
    return Query(f"""
        WITH RECURSIVE up(account_id, ancestor, depth) AS (
            SELECT account_id, account_id, 0 FROM accounts
            UNION ALL
            SELECT up.account_id, a.parent_account_id, up.depth + 1
            FROM up JOIN accounts a ON a.account_id = up.ancestor
            WHERE a.parent_account_id IS NOT NULL AND a.parent_account_id <> a.account_id AND up.depth < {DEEPEST}
        ), deepest AS (SELECT account_id, max(depth) AS depth FROM up GROUP BY account_id),
        circle AS (
            SELECT account_id, min(ancestor) AS least FROM up
            GROUP BY account_id HAVING bool_or(depth > 0 AND ancestor = account_id)
        )
        SELECT up.account_id,
               CASE WHEN d.depth = {DEEPEST} THEN coalesce(min(c.least), min(up.ancestor))
                    ELSE min(up.ancestor) FILTER (WHERE up.depth = d.depth) END AS family_id
        FROM up JOIN deepest d ON d.account_id = up.account_id
        LEFT JOIN circle c ON d.depth = {DEEPEST} AND c.account_id = up.ancestor
        GROUP BY up.account_id, d.depth
    """)


def domain_claims() -> Query:
    """Which account each domain names, and from when until when: domain, account_id, from_at, until_at (null: open).

    A free-mail domain and a host on which many have their page name nobody. A domain names the account that holds it
    from its creation until it is deleted or another account comes to hold the domain; then nobody, or, as long as all
    that ever held it are of one family, the family's ultimate parent, if that is an account. So a later account changes
    nothing of what was known before it. An account that has no created_at holds its domain from ever, and is named by
    none: nothing says since when.
    """
    return Query(
        f"""
        WITH family AS ({families().sql}), held AS (
            SELECT {bare_domain("a.domain")} AS domain, a.account_id, a.created_at, a.deleted_at, f.family_id,
                   coalesce(a.created_at, {EVER}) AS arrived_at, starts_with(a.account_id, '{LEAD}') AS provisional
            FROM accounts a JOIN family f ON f.account_id = a.account_id WHERE a.domain IS NOT NULL
        ), arrived AS (
            SELECT *, lead(arrived_at) OVER by_arrival AS next_at,
                   max(coalesce(deleted_at, {NEVER})) OVER (by_arrival ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
                       AS others_until
            FROM held WHERE domain IS NOT NULL AND NOT list_contains($nobodys, domain)
            WINDOW by_arrival AS (PARTITION BY domain ORDER BY arrived_at, account_id)
        ), relatives AS (
            SELECT domain, family_id, arrived_at, row_number() OVER by_arrival AS place,
                   first_value(family_id) OVER by_arrival AS first_family
            FROM arrived WHERE NOT provisional
            WINDOW by_arrival AS (PARTITION BY domain ORDER BY arrived_at, account_id)
        ), shared AS (
            SELECT domain, any_value(first_family) AS account_id, min(arrived_at) FILTER (WHERE place = 2) AS from_at,
                   min(arrived_at) FILTER (WHERE family_id <> first_family) AS until_at
            FROM relatives GROUP BY domain
        ), claims AS (
            SELECT domain, account_id, created_at AS from_at, least(next_at, deleted_at) AS until_at
            FROM arrived WHERE created_at IS NOT NULL AND (others_until IS NULL OR others_until <= created_at)
            UNION ALL
            SELECT s.domain, s.account_id, greatest(s.from_at, a.created_at), least(s.until_at, a.deleted_at)
            FROM shared s JOIN accounts a ON a.account_id = s.account_id
            WHERE s.from_at IS NOT NULL AND a.created_at IS NOT NULL
        )
        SELECT domain, account_id, min(from_at) AS from_at,
               nullif(max(coalesce(until_at, {NEVER})), {NEVER}) AS until_at
        FROM claims WHERE until_at IS NULL OR from_at < until_at
        GROUP BY domain, account_id
        """,
        {"nobodys": nobodys_domains()},
    )


def nobodys_domains() -> list[str]:
    """The domains that name no company."""
    return sorted(FREE_MAIL | SHARED_HOSTS)
