"""Which accounts a domain and a lead reach, and from when: what activities without an account hang on."""

from __future__ import annotations

from tierwise.data import Query, bare_domain, domain_claims
from tierwise.data.identity import LEAD
from tierwise.features.sql.spine import Step


def claims() -> Step:
    """Which account each domain names, and from when until when."""
    return "claims", domain_claims()


def lead_links() -> Step:
    """Every account that a lead's activities are of: lead_id, account_id, from_at, until_at (null: open).

    The accounts that its domain names, a provisional one too, each from when it names them; once the lead is converted,
    the one it was converted to instead. A conversion without a date links nothing.
    """
    linked = "greatest(l.created_at, c.from_at)"
    return "lead_links", Query(f"""
        WITH named AS (
            SELECT l.lead_id, c.account_id, {linked} AS from_at, least(l.converted_at, l.deleted_at) AS until_at
            FROM leads l JOIN claims c
                 ON c.domain = {bare_domain("l.domain")} AND (c.until_at IS NULL OR {linked} < c.until_at)
            WHERE l.created_at IS NOT NULL
            UNION ALL
            SELECT l.lead_id, l.converted_account_id, greatest(l.converted_at, l.created_at), NULL
            FROM leads l WHERE l.converted_account_id IS NOT NULL AND l.converted_at IS NOT NULL
        )
        SELECT lead_id, account_id, min(from_at) AS from_at,
               CASE WHEN count(*) = count(until_at) THEN max(until_at) END AS until_at
        FROM named WHERE until_at IS NULL OR from_at < until_at
        GROUP BY lead_id, account_id
    """)


def became() -> str:
    """A relation (provisional_id, account_id): the accounts that the leads, or the domain, of a provisional account
    reach too."""
    return f"""
        SELECT p.account_id AS provisional_id, l.account_id
        FROM lead_links p JOIN lead_links l ON l.lead_id = p.lead_id
        WHERE starts_with(p.account_id, '{LEAD}') AND NOT starts_with(l.account_id, '{LEAD}')
        UNION
        SELECT p.account_id, c.account_id FROM claims p JOIN claims c ON c.domain = p.domain
        WHERE starts_with(p.account_id, '{LEAD}') AND NOT starts_with(c.account_id, '{LEAD}')
    """
