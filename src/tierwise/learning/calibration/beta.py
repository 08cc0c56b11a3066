"""Beta calibration: three parameters, for probabilities that are pushed to one end or to both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logit

from tierwise.learning.calibration.affine import Floats, maximise, row_log_loss
from tierwise.learning.calibration.checks import finite, reals, refuse


@dataclass(frozen=True)
class Beta:
    """Calibrated log-odds = a ln p - b ln(1 - p) + c, with a, b >= 0 and p the probability given.

    Source: M. Kull, T. Silva Filho and P. Flach, "Beta calibration: a well-founded and easily implemented improvement
    on logistic calibration for binary classifiers" (AISTATS 2017). a = b = 1 and c = 0 changes nothing.
    """

    a: float
    b: float
    c: float

    def __post_init__(self) -> None:
        if not (np.isfinite([self.a, self.b, self.c]).all() and self.a >= 0 and self.b >= 0):
            raise refuse("beta", f"a = {self.a}, b = {self.b}, c = {self.c}", "a and b are at least 0")

    def __call__(self, log_odds: Floats) -> Floats:
        """Calibrated log-odds."""
        z = finite(log_odds)
        return self.c - self.a * np.logaddexp(0.0, -z) + self.b * np.logaddexp(0.0, z)

    def to_dict(self) -> dict[str, Any]:
        """The parameters as JSON."""
        return {"a": self.a, "b": self.b, "c": self.c}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Beta:
        """What `to_dict` gave."""
        a, b, c = reals("beta", [data[key] for key in ("a", "b", "c")])
        return cls(float(a), float(b), float(c))


def fit_beta(log_odds: Floats, y: Floats) -> Beta:
    """The parameters of greatest likelihood under a, b >= 0.

    An unpenalised logistic regression on ln p and -ln(1 - p); where a coefficient would be negative, the best of those
    with one of them, or both, at 0 (the likelihood is concave, so that is the constrained best).
    """
    columns = np.column_stack([-np.logaddexp(0.0, -log_odds), np.logaddexp(0.0, log_odds)])
    found = [_fit(columns, y, kept) for kept in ([0, 1], [0], [1])]
    level = (0.0, 0.0, float(logit(np.mean(y))))
    best = min((f for f in (*found, level) if min(f[0], f[1]) >= 0), key=lambda f: _loss(columns, y, f))
    return Beta(*best)


def _fit(columns: Floats, y: Floats, kept: list[int]) -> tuple[float, float, float]:
    """a, b and c, with only the columns kept."""
    x = columns[:, kept]
    centre, spread = x.mean(axis=0), x.std(axis=0)
    if spread.min() < 1e-12:
        return (-1.0, -1.0, 0.0)
    basis, scale = np.linalg.qr((x - centre) / spread)
    if np.abs(np.diag(scale)).min() < 1e-9 * np.sqrt(len(x)):
        return (-1.0, -1.0, 0.0)
    root = np.sqrt(len(x))
    rate = float(y.mean())
    start = np.append(np.log(rate / (1 - rate)), np.zeros(len(kept)))
    solved = maximise(np.column_stack([np.ones(len(x)), basis * root]), y, start)
    weights = np.linalg.solve(scale, solved[1:] * root) / spread
    ab = np.zeros(2)
    ab[kept] = weights
    return float(ab[0]), float(ab[1]), float(solved[0] - weights @ centre)


def _loss(columns: Floats, y: Floats, found: tuple[float, float, float]) -> float:
    return float(row_log_loss(found[2] + columns @ np.array(found[:2]), y).sum())
