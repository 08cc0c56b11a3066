"""Isotonic calibration: any rising curve, as the data step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logit

from tierwise.learning.calibration.affine import Floats
from tierwise.learning.calibration.checks import finite, reals, refuse, rising


@dataclass(frozen=True)
class Isotonic:
    """Probability by log-odds: linear between knots, level beyond them.

    at: log-odds of the knots, rising. probability: theirs, in [1 / (n + 2), (n + 1) / (n + 2)], where n is the number
    of rows fitted: what a rule of succession gives if none, or all, of n rows have the outcome. So nothing is ever held
    impossible or sure on n rows of evidence.
    """

    at: tuple[float, ...]
    probability: tuple[float, ...]

    def __post_init__(self) -> None:
        rising("isotonic", "at", self.at, strictly=True, within=(-math.inf, math.inf))
        rising("isotonic", "probability", self.probability, strictly=False, within=(0.0, 1.0))
        if len(self.at) != len(self.probability) or self.probability[0] <= 0 or self.probability[-1] >= 1:
            found = f"{len(self.at)} knots, probabilities from {self.probability[0]} to {self.probability[-1]}"
            raise refuse("isotonic", found, "every knot has a probability above 0 and below 1")

    def __call__(self, log_odds: Floats) -> Floats:
        """Calibrated log-odds."""
        return np.asarray(logit(np.interp(finite(log_odds), self.at, self.probability)))

    def to_dict(self) -> dict[str, Any]:
        """The knots as JSON."""
        return {"at": list(self.at), "probability": list(self.probability)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Isotonic:
        """What `to_dict` gave."""
        at, probability = (reals("isotonic", data[key]) for key in ("at", "probability"))
        return cls(tuple(at.tolist()), tuple(probability.tolist()))


def fit_isotonic(log_odds: Floats, y: Floats) -> Isotonic:
    """Isotonic regression of outcomes on log-odds (scikit-learn's), its knots clipped as stated."""
    from sklearn.isotonic import IsotonicRegression

    n = len(y)
    fitted = IsotonicRegression(out_of_bounds="clip").fit(log_odds, y)
    probability = np.clip(fitted.y_thresholds_, 1 / (n + 2), (n + 1) / (n + 2))
    return Isotonic(tuple(fitted.X_thresholds_.tolist()), tuple(np.maximum.accumulate(probability).tolist()))
