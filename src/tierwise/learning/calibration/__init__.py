"""Calibrators of log-odds, and the test that none is needed."""

from tierwise.learning.calibration.affine import IDENTITY, Affine, fit_affine, fit_intercept, row_log_loss
from tierwise.learning.calibration.beta import Beta, fit_beta
from tierwise.learning.calibration.isotonic import Isotonic, fit_isotonic
from tierwise.learning.calibration.kinds import (
    KINDS,
    Calibrator,
    Curve,
    Kind,
    fit_calibrator,
    fit_curve,
    from_dict,
    to_dict,
)
from tierwise.learning.calibration.testing import (
    CalibrationTest,
    SlopeTest,
    calibration_test,
    design_effect,
    slope_test,
    tail,
)
from tierwise.learning.calibration.venn_abers import VennAbers, fit_venn_abers

__all__ = [
    "IDENTITY",
    "KINDS",
    "Affine",
    "Beta",
    "CalibrationTest",
    "Calibrator",
    "Curve",
    "Isotonic",
    "Kind",
    "SlopeTest",
    "VennAbers",
    "calibration_test",
    "design_effect",
    "fit_affine",
    "fit_beta",
    "fit_calibrator",
    "fit_curve",
    "fit_intercept",
    "fit_isotonic",
    "fit_venn_abers",
    "from_dict",
    "row_log_loss",
    "slope_test",
    "tail",
    "to_dict",
]
