"""Whether log-odds are calibrated as they stand: Cox's test, for rows that are not independent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from scipy.stats import chi2
from scipy.stats import f as fisher

from tierwise.learning.calibration.affine import Affine, Floats, fit_affine, fit_intercept, row_log_loss


@dataclass(frozen=True)
class CalibrationTest:
    """The likelihood-ratio test of intercept 0 and slope 1 (2 degrees of freedom; D. R. Cox, 1958).

    statistic: twice the log-likelihood gained, divided by design_effect (1 where rows are independent).
    """

    intercept: float
    slope: float
    statistic: float
    p_value: float
    n: int
    design_effect: float = 1.0


def calibration_test(log_odds: Floats, y: Floats, families: npt.NDArray[Any] | None = None) -> CalibrationTest:
    """Test whether log-odds are calibrated as they stand.

    families: which rows go together (accounts, or their ultimate parents): the statistic is then divided by the mean
    design effect of its parameters (J. N. K. Rao and A. J. Scott, 1984), and referred as `tail` says. Without them rows
    are taken as independent, and on grids whose horizons overlap the p-value is too small rather than too large.
    """
    z, y = np.asarray(log_odds, dtype=np.float64), np.asarray(y, dtype=np.float64)
    fitted = fit_affine(z, y)
    gain = float(row_log_loss(z, y).sum() - row_log_loss(fitted(z), y).sum())
    effect = design_effect(np.column_stack([np.ones_like(z), z]), y - expit(fitted(z)), families)
    statistic = max(0.0, 2.0 * gain) / effect
    return CalibrationTest(fitted.intercept, fitted.slope, statistic, tail(statistic, 2, y, families), len(y), effect)


@dataclass(frozen=True)
class SlopeTest:
    """The likelihood-ratio test of slope 1, whatever the intercept (1 degree of freedom), and both fits."""

    shift: Affine
    line: Affine
    statistic: float
    p_value: float
    design_effect: float


def slope_test(log_odds: Floats, y: Floats, families: npt.NDArray[Any]) -> SlopeTest:
    """Whether log-odds are too far apart or too close together, once their mean is right."""
    z, y = np.asarray(log_odds, dtype=np.float64), np.asarray(y, dtype=np.float64)
    shift, line = fit_intercept(z, y), fit_affine(z, y)
    gain = float(row_log_loss(shift(z), y).sum() - row_log_loss(line(z), y).sum())
    p = expit(line(z))
    weights = p * (1 - p)
    centred = (z - float((weights * z).sum() / weights.sum()))[:, None]
    effect = design_effect(centred, y - p, families)
    statistic = max(0.0, 2.0 * gain) / effect
    return SlopeTest(shift, line, statistic, tail(statistic, 1, y, families), effect)


def tail(statistic: float, parameters: int, y: Floats, families: npt.NDArray[Any] | None) -> float:
    """The p-value of a likelihood ratio that was divided by its design effect.

    Of chi-square where rows are independent. Of F with one degree less than there are families with the rarer outcome
    where they are not: those are what the design effect is known from (benchmarks/calibration.py shows the levels that
    result). NaN where there are fewer than two.
    """
    if families is None or len(np.unique(families)) == len(y):
        return float(chi2.sf(statistic, parameters))
    rarer = 1.0 if 2 * y.sum() <= len(y) else 0.0
    known_from = len(np.unique(np.asarray(families).astype(str)[y == rarer]))
    return float(fisher.sf(statistic / parameters, parameters, known_from - 1)) if known_from > 1 else float("nan")


def design_effect(design: Floats, residuals: Floats, families: npt.NDArray[Any] | None) -> float:
    """How many times too large a likelihood ratio is because rows of one family share their outcomes; at least 1.

    The mean, over the columns of `design` (rows x parameters), of the scores' variance clustered by family over that of
    rows taken alone. 1 where every row is a family of its own.
    """
    if families is None:
        return 1.0
    _, codes = np.unique(np.asarray(families).astype(str), return_inverse=True)
    groups = int(codes.max()) + 1 if len(codes) else 0
    if groups == len(codes) or groups < 2:
        return 1.0
    scores = design * residuals[:, None]
    sums = np.column_stack([np.bincount(codes, weights=s, minlength=groups) for s in scores.T])
    alone = scores.T @ scores
    if float(np.linalg.cond(alone)) > 1e12:
        return 1.0
    mean = float(np.trace(np.linalg.solve(alone, sums.T @ sums))) / int(design.shape[1])
    return max(1.0, mean)
