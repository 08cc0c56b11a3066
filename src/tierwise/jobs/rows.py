"""Rows of the matrix that runs read: one an account, on a date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tierwise.config import PlanFiles
from tierwise.data import Warehouse
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
