"""Disputed facts: wrong from the instant of their dispute on, and read as they stand on every date up to it."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

import pandas as pd

from tierwise.clock import naive
from tierwise.data.warehouse import Query, Warehouse

COLUMNS = ("table", "fact_id", "field", "made_at")


def join_disputes(warehouse: Warehouse, disputes: pd.DataFrame) -> None:
    """Mark disputed activities (`activities.disputed_at`), and note disputed values of accounts (`disputes`).

    disputes : table (`activities` or `accounts`), fact_id, field ("" for a whole activity), made_at.
    """
    if disputes.empty:
        return
    warehouse.register("__disputes", disputes[list(COLUMNS)])
    try:
        warehouse.run(Query('INSERT INTO disputes SELECT "table", fact_id, field, made_at::TIMESTAMP FROM __disputes'))
    finally:
        warehouse.unregister("__disputes")
    if (disputes["table"] == "activities").any():
        warehouse.rewrite(
            "activities",
            Query("""
            SELECT a.* REPLACE (d.disputed_at AS disputed_at) FROM activities a LEFT JOIN (
                SELECT fact_id, min(disputed_at) AS disputed_at FROM disputes
                WHERE table_name = 'activities' GROUP BY fact_id
            ) d ON d.fact_id = a.activity_id
            """),
        )


def disputes_digest(warehouse: Warehouse, before: datetime) -> str:
    """SHA-256 of the facts that were disputed before an instant; "" where none was."""
    rows = warehouse.frame(
        Query(
            "SELECT table_name, fact_id, field, CAST(disputed_at AS VARCHAR) AS at FROM disputes "
            "WHERE disputed_at < $before ORDER BY ALL",
            {"before": naive(before)},
        )
    )
    said = json.dumps(rows.to_numpy().tolist())
    return hashlib.sha256(said.encode()).hexdigest() if len(rows) else ""
