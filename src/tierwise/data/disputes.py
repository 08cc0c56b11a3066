"""Disputed facts: wrong from the instant of their dispute on, and read as they stand on every date up to it."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

import pandas as pd

from tierwise.clock import naive
from tierwise.data.own_history import attributes, own_fields, seen_sql
from tierwise.data.warehouse import Query, Warehouse

COLUMNS = ("table", "fact_id", "field", "made_at", "ended_at", "value_digest")
_OWN_CHANGES = """
    SELECT account_id, field, new_value, changed_at FROM own_history
    QUALIFY row_number() OVER (PARTITION BY account_id, field ORDER BY changed_at) > 1
"""
"""What our own history saw change: not what it saw first."""


def join_disputes(warehouse: Warehouse, disputes: pd.DataFrame) -> None:
    """Note in the table `disputes` from when until when each fact is disputed: [disputed_at, restored_at).

    disputes : table (`activities` or `accounts`), fact_id, field ("" for a whole activity), made_at, ended_at (null:
        nobody ended it); those of one fact do not overlap. Call it once histories are joined: a value of an account is
        restored at its first change after the dispute too, as the sources' history or else our own tells it.
        value_digest tells the value that was disputed (`value_digest`; null: not known, and any change restores): a
        history that only now comes to tell of that one has seen no change since.
    """
    if disputes.empty:
        return
    changes = "SELECT account_id, field, new_value, changed_at FROM account_history"
    if own_fields(warehouse):
        changes += f" WHERE field NOT IN (SELECT field FROM own_history) UNION ALL {_OWN_CHANGES}"
    warehouse.register("__disputes", disputes[list(COLUMNS)])
    try:
        warehouse.run(
            Query(f"""
                INSERT INTO disputes
                SELECT d."table", d.fact_id, d.field, d.made_at::TIMESTAMP,
                       least(d.ended_at::TIMESTAMP, min(h.changed_at))
                FROM __disputes d
                LEFT JOIN ({changes}) h ON d."table" = 'accounts' AND h.account_id = d.fact_id
                     AND h.field = d.field AND h.changed_at > d.made_at::TIMESTAMP
                     AND (d.value_digest IS NULL OR md5(coalesce(h.new_value, '')) <> d.value_digest)
                GROUP BY d."table", d.fact_id, d.field, d.made_at, d.ended_at
            """)
        )
    finally:
        warehouse.unregister("__disputes")


def value_digest(warehouse: Warehouse, account: str, attribute: str) -> str:
    """MD5 of what an account's attribute holds today, as histories write it: tells values apart, and shows none."""
    seen = seen_sql([(attribute, attributes(warehouse).get(attribute, "text"))])
    query = f"SELECT md5(coalesce(value, '')) AS digest FROM ({seen.sql}) WHERE account_id = $account"
    return str(warehouse.frame(Query(query, {**seen.params, "account": account}))["digest"].iloc[0])


def disputed_on(warehouse: Warehouse, as_of: datetime) -> pd.DataFrame:
    """The facts that are disputed as of a date: table, fact_id, field."""
    return warehouse.frame(
        Query(
            'SELECT DISTINCT table_name AS "table", fact_id, field FROM disputes '
            "WHERE disputed_at < $as_of AND (restored_at IS NULL OR restored_at >= $as_of) ORDER BY ALL",
            {"as_of": naive(as_of)},
        )
    )


def disputes_digest(warehouse: Warehouse, before: datetime) -> str:
    """SHA-256 of the facts that were disputed before an instant, and of the ends known by then; "" where none was."""
    rows = warehouse.frame(
        Query(
            "SELECT table_name, fact_id, field, CAST(disputed_at AS VARCHAR) AS at, "
            "CASE WHEN restored_at < $before THEN CAST(restored_at AS VARCHAR) END AS ended "
            "FROM disputes WHERE disputed_at < $before ORDER BY ALL",
            {"before": naive(before)},
        )
    )
    said = json.dumps([[v for v in row if not pd.isna(v)] for row in rows.to_numpy().tolist()])
    return hashlib.sha256(said.encode()).hexdigest() if len(rows) else ""
