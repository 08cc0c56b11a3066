"""Point-in-time features: catalogue, SQL builders, cohort, outcome and matrix."""

from tierwise.features.build import build_matrix, history_start, training_grid
from tierwise.features.catalogue import catalogue
from tierwise.features.feature import Feature
from tierwise.features.matrix import Matrix
from tierwise.features.sql.deals import outcome_table

__all__ = ["Feature", "Matrix", "build_matrix", "catalogue", "history_start", "outcome_table", "training_grid"]
