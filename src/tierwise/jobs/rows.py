"""What runs read of the tables besides features: one row an account, on a date; owners; and merges."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandas as pd

from tierwise.config import PlanFiles
from tierwise.data import Query, Warehouse
from tierwise.features import Matrix, build_matrix


def rows_on(warehouse: Warehouse, files: PlanFiles, stand: datetime, only: Sequence[str] | None = None) -> Matrix:
    """One row an account: on the date, or on its own newest instant whose horizon is still open.

    only: these accounts alone; None is all.
    """
    plan = files.plan
    negative = {t.kind: t.days for t in files.policy.negative_triggers}
    own_ages = bool(plan.cohort.grid.account_age_days)
    as_ofs = (stand - timedelta(days=plan.outcome.horizon_days - 1), stand) if own_ages else (stand,)
    matrix = build_matrix(warehouse, plan, as_ofs, negative_triggers=negative, only=only)
    return matrix.where(~matrix.frame.duplicated("account_id", keep="last"))


def owners_of(warehouse: Warehouse) -> pd.DataFrame:
    """The owners with their capacities, as the policy reads them."""
    return warehouse.frame(
        Query(
            "SELECT owner_id, territory, team, active_from, active_to, capacity_tier_1, capacity_tier_2"
            " FROM owners ORDER BY owner_id"
        )
    )


def merged_into(warehouse: Warehouse, stand: datetime) -> pd.DataFrame:
    """account_id, merged_at: when an account was last merged into it before a date."""
    query = (
        "SELECT surviving_id AS account_id, max(merged_at) AS merged_at FROM account_merges"
        " WHERE merged_at < $stand GROUP BY surviving_id ORDER BY surviving_id"
    )
    return warehouse.frame(Query(query, {"stand": stand}))
