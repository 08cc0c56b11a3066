"""Whether the propensities came true: predicted against observed, in total, by decile, and as a test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special, stats

from tierwise.governance.intervals import Figure, share
from tierwise.governance.matured import require
from tierwise.governance.plain import plain
from tierwise.governance.rules import DEFAULT_RULES, ReviewRules
from tierwise.learning.calibration import Affine, fit_affine, row_log_loss

Floats = npt.NDArray[np.float64]
DECILES = ("decile", "n", "predicted", "observed", "low", "high")


@dataclass(frozen=True)
class CalibrationReview:
    """Predicted against observed over judged rows with a propensity.

    predicted: the mean propensity. observed: the share with the outcome. ratio: observed / predicted. slope and
    intercept: of the outcome's log-odds on the predicted ones; 1 and 0 if calibrated, NaN where they cannot be fitted.
    lr: twice the log-likelihood gained by them, divided by design_effect (at least 1: rows of one account are not
    independent); p_value: of that against chi-square with 2 degrees of freedom (1, and no slope, where all propensities
    are equal).
    deciles: decile (1 = lowest propensity), n, predicted, observed, low, high. without: rows that have no propensity.
    """

    predicted: float
    observed: Figure
    ratio: Figure
    outcomes: int
    slope: float
    intercept: float
    lr: float
    design_effect: float
    p_value: float
    deciles: pd.DataFrame
    without: int

    @property
    def n(self) -> int:
        """The rows judged."""
        return self.observed.n

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {"n": self.n, **plain(self)}


def calibration_review(rows: pd.DataFrame, rules: ReviewRules = DEFAULT_RULES) -> CalibrationReview:
    """Predicted against observed on matured rows: account_id, propensity in (0, 1) or NaN, outcome (1 or 0)."""
    require(rows, ("account_id", "propensity", "outcome"), "the calibration review")
    judged = rows[rows["propensity"].notna()].reset_index(drop=True)
    p = judged["propensity"].to_numpy(dtype=np.float64)
    y = judged["outcome"].to_numpy(dtype=np.float64)
    accounts = judged["account_id"].to_numpy(dtype=object)
    observed = share(y, accounts, rules.level)
    predicted = float(p.mean()) if len(p) else math.nan
    by = 1 / predicted if predicted > 0 else math.nan
    ratio = Figure(observed.value * by, observed.low * by, observed.high * by, observed.n)
    slope, intercept, lr, design, p_value = calibration_test(p, y, accounts)
    return CalibrationReview(
        predicted, observed, ratio, int(y.sum()), slope, intercept, lr, design, p_value,
        _deciles(p, y, accounts, rules.level), len(rows) - len(judged),
    )  # fmt: skip


def calibration_test(
    propensity: npt.ArrayLike, outcome: npt.ArrayLike, account_id: npt.ArrayLike
) -> tuple[float, float, float, float, float]:
    """Slope, intercept, LR statistic, design effect and p-value of the test that slope = 1 and intercept = 0.

    The model is logit P(outcome) = intercept + slope * logit(propensity) (D. R. Cox, 1958); the statistic is divided by
    the mean design effect of its parameters (J. N. K. Rao and A. J. Scott, 1984), so that an account with several
    overlapping horizons does not count several times. All NaN where there are no outcomes, or nothing but outcomes.
    """
    y = np.asarray(outcome, dtype=np.float64)
    x = special.logit(np.clip(np.asarray(propensity, dtype=np.float64), 1e-12, 1 - 1e-12))
    if len(y) == 0 or y.sum() in (0, len(y)):
        return math.nan, math.nan, math.nan, math.nan, math.nan
    spread = bool(np.ptp(x) > 1e-9)
    if spread:
        fitted = fit_affine(x, y)
    else:
        fitted = Affine(float(special.logit(y.mean()) - x[0]), 1.0)
    gain = float(row_log_loss(x, y).sum() - row_log_loss(fitted(x), y).sum())
    design = np.column_stack([np.ones_like(x), x]) if spread else np.ones((len(x), 1))
    effect = _design_effect(design, special.expit(fitted(x)), y, np.asarray(account_id, dtype=object))
    lr = max(0.0, 2 * gain) / effect
    slope = fitted.slope if spread else math.nan
    return slope, fitted.intercept, lr, effect, float(stats.chi2.sf(lr, df=design.shape[1]))


def _design_effect(design: Floats, p: Floats, y: Floats, accounts: npt.NDArray[np.object_]) -> float:
    """The mean, over the parameters, of the clustered variance of the scores over their information; at least 1."""
    codes, names = pd.factorize(accounts)
    if len(names) == len(y):
        return 1.0
    scores = design * (y - p)[:, None]
    sums = np.column_stack([np.bincount(codes, weights=s) for s in scores.T])
    alone = scores.T @ scores
    if float(np.linalg.cond(alone)) > 1e12:
        return 1.0
    effect = float(np.trace(np.linalg.solve(alone, sums.T @ sums))) / design.shape[1]
    return effect if effect > 1.0 else 1.0


def _deciles(p: Floats, y: Floats, accounts: npt.NDArray[np.object_], level: float) -> pd.DataFrame:
    order = np.argsort(p, kind="stable")
    lines = []
    for i, part in enumerate(np.array_split(order, 10), start=1):
        if len(part):
            figure = share(y[part], accounts[part], level)
            lines.append((i, len(part), float(p[part].mean()), figure.value, figure.low, figure.high))
    return pd.DataFrame(lines, columns=list(DECILES))
