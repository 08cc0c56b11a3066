"""Calibration that keeps sums: an affine map of log-odds, and the test that it is not needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from scipy.stats import chi2

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Affine:
    """Calibrated log-odds = intercept + slope x raw log-odds."""

    intercept: float
    slope: float

    @property
    def usable(self) -> bool:
        """Whether a higher raw score means a higher probability."""
        return bool(np.isfinite(self.slope) and np.isfinite(self.intercept) and self.slope > 0)

    def __call__(self, log_odds: Floats) -> Floats:
        """Calibrated log-odds."""
        return self.intercept + self.slope * np.asarray(log_odds, dtype=np.float64)


@dataclass(frozen=True)
class CalibrationTest:
    """The likelihood-ratio test of intercept 0 and slope 1 (2 degrees of freedom; Cox 1958)."""

    intercept: float
    slope: float
    statistic: float
    p_value: float
    n: int


def row_log_loss(log_odds: Floats, y: Floats) -> Floats:
    """Log-loss of each row, from log-odds, without overflow."""
    return np.logaddexp(0.0, log_odds) - y * log_odds


def fit_affine(log_odds: Floats, y: Floats, iterations: int = 100) -> Affine:
    """Fit intercept and slope by maximum likelihood (unpenalised logistic regression, Newton with halved steps).

    A constant input gives slope 0; a perfectly separating one stops at a slope of 100 or so, not at infinity.
    """
    z, y = np.asarray(log_odds, dtype=np.float64), np.asarray(y, dtype=np.float64)
    centre, spread = (float(z.mean()), float(z.std())) if len(z) else (0.0, 0.0)
    rate = float(np.clip(y.mean(), 1e-9, 1 - 1e-9)) if len(y) else 0.5
    if spread < 1e-12:
        return Affine(float(np.log(rate / (1 - rate))), 0.0)
    x = np.column_stack([np.ones_like(z), (z - centre) / spread])
    beta = np.array([np.log(rate / (1 - rate)), 0.0])
    loss = float(row_log_loss(x @ beta, y).sum())
    for _ in range(iterations):
        p = expit(x @ beta)
        weights = np.maximum(p * (1 - p), 1e-12)
        gradient = x.T @ (y - p)
        step = np.linalg.solve(x.T @ (x * weights[:, None]), gradient)
        new, factor = loss, 1.0
        while factor > 1e-6:
            new = float(row_log_loss(x @ (beta + factor * step), y).sum())
            if new <= loss:
                break
            factor /= 2
        if new > loss or np.abs(beta + factor * step).max() > 100:
            break
        beta = beta + factor * step
        done = loss - new <= 1e-13 * (1 + abs(loss))
        loss = new
        if done:
            break
    slope = beta[1] / spread
    return Affine(float(beta[0] - slope * centre), float(slope))


def calibration_test(log_odds: Floats, y: Floats) -> CalibrationTest:
    """Test whether log-odds are calibrated as they stand.

    Rows of one account are not independent, so on grids that overlap the p-value is too small rather than too large.
    """
    fitted = fit_affine(log_odds, y)
    gain = float(row_log_loss(np.asarray(log_odds), y).sum() - row_log_loss(fitted(log_odds), y).sum())
    statistic = max(0.0, 2.0 * gain)
    return CalibrationTest(fitted.intercept, fitted.slope, statistic, float(chi2.sf(statistic, 2)), len(y))
