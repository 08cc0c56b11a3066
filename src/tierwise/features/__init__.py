"""Point-in-time features: catalogue, SQL builders, cohort, outcome and matrix."""

from __future__ import annotations

from tierwise.features.build import (
    build_matrix,
    build_statuses,
    build_triggers,
    history_start,
    suppressed_at,
    training_grid,
)
from tierwise.features.catalogue import TRIGGER_WINDOWS, catalogue, slug, spoken
from tierwise.features.counting import CohortCounts, cohort_counts, foreseen, make_touch, seller_touches
from tierwise.features.feature import Feature
from tierwise.features.kpi_facts import KpiFacts, kpi_facts
from tierwise.features.matrix import Matrix
from tierwise.features.sql.deals import deals, outcome_table
from tierwise.features.sql.deals import events as outcome_events
from tierwise.features.sql.spine import ruled_by

__all__ = [
    "TRIGGER_WINDOWS",
    "CohortCounts",
    "Feature",
    "KpiFacts",
    "Matrix",
    "build_matrix",
    "build_statuses",
    "build_triggers",
    "catalogue",
    "cohort_counts",
    "deals",
    "foreseen",
    "history_start",
    "kpi_facts",
    "make_touch",
    "outcome_events",
    "outcome_table",
    "ruled_by",
    "seller_touches",
    "slug",
    "spoken",
    "suppressed_at",
    "training_grid",
]
