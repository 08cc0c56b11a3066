"""Calibration that keeps sums: an affine map of log-odds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

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

    def after(self, earlier: Affine) -> Affine:
        """The one map that does what `earlier` and then this one do."""
        return Affine(self.intercept + self.slope * earlier.intercept, self.slope * earlier.slope)


IDENTITY = Affine(0.0, 1.0)


def row_log_loss(log_odds: Floats, y: Floats) -> Floats:
    """Log-loss of each row, from log-odds, without overflow."""
    return np.logaddexp(0.0, log_odds) - y * log_odds


def fit_affine(log_odds: Floats, y: Floats, iterations: int = 100, offset: Floats | float = 0.0) -> Affine:
    """Fit intercept and slope by maximum likelihood (unpenalised logistic regression, Newton with halved steps).

    offset: log-odds of each row that stand beside the map's.
    A constant input gives slope 0; a perfectly separating one stops at a slope of 100 or so, not at infinity.
    """
    z, y = np.asarray(log_odds, dtype=np.float64), np.asarray(y, dtype=np.float64)
    centre, spread = (float(z.mean()), float(z.std())) if len(z) else (0.0, 0.0)
    rate = float(np.clip(y.mean(), 1e-9, 1 - 1e-9)) if len(y) else 0.5
    if spread < 1e-12:
        return Affine(float(np.log(rate / (1 - rate))), 0.0)
    x = np.column_stack([np.ones_like(z), (z - centre) / spread])
    beta = maximise(x, y, np.array([np.log(rate / (1 - rate)), 0.0]), iterations, offset)
    slope = beta[1] / spread
    return Affine(float(beta[0] - slope * centre), float(slope))


def fit_intercept(log_odds: Floats, y: Floats) -> Affine:
    """The intercept of greatest likelihood where the slope is held at 1."""
    z, y = np.asarray(log_odds, dtype=np.float64), np.asarray(y, dtype=np.float64)
    found = maximise(np.ones((len(z), 1)), y, np.zeros(1), offset=z)
    return Affine(float(found[0]), 1.0)


def maximise(x: Floats, y: Floats, start: Floats, iterations: int = 100, offset: Floats | float = 0.0) -> Floats:
    """Coefficients of greatest likelihood of y (0 or 1) given log-odds = offset + x @ coefficients.

    Newton's steps, halved while they do not help; none beyond a coefficient of 100. x: rows x columns of about unit
    scale, not collinear.
    """
    beta = np.asarray(start, dtype=np.float64)
    loss = float(row_log_loss(offset + x @ beta, y).sum())
    for _ in range(iterations):
        p = expit(offset + x @ beta)
        weights = np.maximum(p * (1 - p), 1e-12)
        step = np.linalg.solve(x.T @ (x * weights[:, None]), x.T @ (y - p))
        new, factor = loss, 1.0
        while factor > 1e-6:
            new = float(row_log_loss(offset + x @ (beta + factor * step), y).sum())
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
    return beta
