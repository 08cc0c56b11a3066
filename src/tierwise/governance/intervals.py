"""Intervals of shares: Wilson's, and Wilson's on the effective number of rows where an account gives several."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tierwise.governance.plain import plain
from tierwise.learning.metrics import wilson


@dataclass(frozen=True)
class Figure:
    """A figure with its interval and its n (rows); NaN in [low, high] where there is nothing to count."""

    value: float
    low: float
    high: float
    n: int

    def to_dict(self) -> dict[str, Any]:
        """The figure as plain JSON values."""
        return dict(plain(self))


def effective_n(outcome: npt.ArrayLike, account_id: npt.ArrayLike) -> float:
    """The number of independent rows that tell as much as these do, at most their number.

    Rows of one account share its outcomes, as their horizons overlap. The design effect is the variance of the mean
    clustered by account over the binomial one, and at least 1 (L. Kish, "Survey Sampling", 1965). Where every outcome
    is the same it cannot be measured, and the number of accounts is returned.
    """
    y = np.asarray(outcome, dtype=float)
    codes, accounts = pd.factorize(np.asarray(account_id, dtype=object))
    n, groups = len(y), len(accounts)
    if n == 0 or groups == n:
        return float(n)
    p = float(y.mean())
    if p in (0.0, 1.0) or groups < 2:
        return float(groups)
    sums = np.bincount(codes, weights=y - p)
    clustered = groups / (groups - 1) * float(sums @ sums) / n**2
    return n / max(1.0, clustered / (p * (1 - p) / n))


def share(outcome: npt.ArrayLike, account_id: npt.ArrayLike, level: float = 0.95) -> Figure:
    """The share of rows with an outcome (1 or 0), with Wilson's interval on the effective number of rows."""
    y = np.asarray(outcome, dtype=float)
    if len(y) == 0:
        return Figure(math.nan, 0.0, 1.0, 0)
    n_effective = effective_n(y, account_id)
    p = float(y.mean())
    low, high = wilson(p * n_effective, n_effective, level)
    return Figure(p, low, high, len(y))


def counted(successes: int, n: int, level: float = 0.95) -> Figure:
    """The share of independent cases, with Wilson's interval."""
    low, high = wilson(successes, n, level)
    return Figure(successes / n if n else math.nan, low, high, n)
