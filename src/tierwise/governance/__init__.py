"""Governance: drift, tier precision, calibration, movement, the gate, the review and the model card, as values."""

from tierwise.governance.answer import helps, needs, unbeaten
from tierwise.governance.brake import Braking, brake
from tierwise.governance.calibration import CalibrationReview, calibration_review, calibration_test
from tierwise.governance.card import model_card
from tierwise.governance.control import ControlReview, control_review
from tierwise.governance.disputes import Disputes, count_disputes
from tierwise.governance.drift import drift_table, holm, psi, reference, two_sample_p
from tierwise.governance.gate import Gate, PairedLoss, gate, paired_loss
from tierwise.governance.intervals import Figure, effective_n, share
from tierwise.governance.judged_by import KPI_WORDS, Kpi, told
from tierwise.governance.kpis import KpiTable, kpi_table
from tierwise.governance.matured import Matured, matured
from tierwise.governance.movement import MovementReview, movement_review
from tierwise.governance.precision import TierPrecision, tier_precision
from tierwise.governance.recalibrated import recalibrated_meta, recalibration_words
from tierwise.governance.review import Reason, Review, review
from tierwise.governance.rules import DEFAULT_RULES, ReviewRules
from tierwise.governance.standing import stood_in
from tierwise.governance.words import (
    better_unseen,
    calibration_words,
    capacity_words,
    choice_words,
    fit_side_words,
    kept_words,
    p_words,
)

__all__ = [
    "DEFAULT_RULES",
    "KPI_WORDS",
    "Braking",
    "CalibrationReview",
    "ControlReview",
    "Disputes",
    "Figure",
    "Gate",
    "Kpi",
    "KpiTable",
    "Matured",
    "MovementReview",
    "PairedLoss",
    "Reason",
    "Review",
    "ReviewRules",
    "TierPrecision",
    "better_unseen",
    "brake",
    "calibration_review",
    "calibration_test",
    "calibration_words",
    "capacity_words",
    "choice_words",
    "control_review",
    "count_disputes",
    "drift_table",
    "effective_n",
    "fit_side_words",
    "gate",
    "helps",
    "holm",
    "kept_words",
    "kpi_table",
    "matured",
    "model_card",
    "movement_review",
    "needs",
    "p_words",
    "paired_loss",
    "psi",
    "recalibrated_meta",
    "recalibration_words",
    "reference",
    "review",
    "share",
    "stood_in",
    "tier_precision",
    "told",
    "two_sample_p",
    "unbeaten",
]
