"""Accounts that look like one: reported, never merged."""

from __future__ import annotations

import pandas as pd

from tierwise.data.company_names import bare_name
from tierwise.data.domains import bare_domain
from tierwise.data.identity.families import families, nobodys_domains
from tierwise.data.warehouse import Query, Warehouse


def duplicates(warehouse: Warehouse) -> pd.DataFrame:
    """Groups of accounts with one domain, or one name (but for its legal form) and country, in several families.

    A row a group: alike (`domain` or `name`), accounts (how many), first and second (ids).
    """
    return warehouse.frame(
        Query(
            f"""
            WITH family AS ({families().sql}), live AS (
                SELECT a.account_id, f.family_id, {bare_domain("a.domain")} AS domain, {bare_name("a.name")} AS name,
                       a.country
                FROM accounts a JOIN family f ON f.account_id = a.account_id
                WHERE a.deleted_at IS NULL AND NOT starts_with(a.account_id, 'lead:')
            ), held AS (
                SELECT 'domain' AS alike, domain AS key, account_id, family_id FROM live
                WHERE domain IS NOT NULL AND NOT list_contains($nobodys, domain)
                UNION ALL
                SELECT 'name', name || ' ' || country, account_id, family_id FROM live
                WHERE length(name) > 3 AND country IS NOT NULL
            )
            SELECT alike, count(*) AS accounts, min(account_id) AS first, max(account_id) AS second
            FROM held GROUP BY alike, key HAVING count(DISTINCT family_id) > 1 ORDER BY alike, accounts DESC, first
            """,
            {"nobodys": nobodys_domains()},
        )
    )


def duplicate_notes(found: pd.DataFrame) -> list[str]:
    """What to say of them, a line a kind."""
    said = {"domain": "have one domain", "name": "have one name and country"}
    return [
        f"accounts: {int(rows['accounts'].sum())} {said[str(alike)]} with another (as {rows['first'].iloc[0]} and "
        f"{rows['second'].iloc[0]}) and are no family: merge them where they are one"
        for alike, rows in found.groupby("alike", sort=True)
    ]
