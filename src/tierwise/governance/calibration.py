"""Whether the propensities came true: predicted against observed, in total, by decile, and as a test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from tierwise.governance.intervals import Figure, share
from tierwise.governance.matured import require
from tierwise.governance.plain import plain
from tierwise.governance.rules import DEFAULT_RULES, ReviewRules
from tierwise.learning.calibration import Affine, design_effect, fit_affine, row_log_loss, tail
from tierwise.learning.reliability import AgainstConstants, base_log_odds, worse_than_constant

Floats = npt.NDArray[np.float64]
DECILES = ("decile", "n", "predicted", "observed", "low", "high")


@dataclass(frozen=True)
class CalibrationReview:
    """Predicted against observed over judged rows with a propensity.

    predicted: the mean propensity. observed: the share with the outcome. ratio: observed / predicted. slope and
    intercept: of the outcome's log-odds on the predicted ones; 1 and 0 if calibrated, NaN where they cannot be fitted.
    lr: twice the log-likelihood gained by them, divided by design_effect (at least 1: rows of one account are not
    independent); p_value: of that with 2 degrees of freedom (1, and no slope, where all propensities are equal).
    deciles: decile (1 = lowest propensity), n, predicted, observed, low, high. without: rows that have no propensity.
    constant: the log-loss beside that of two constants, the base rate known at training (where it is given) and the
    observed share; None without rows.
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
    constant: AgainstConstants | None = None

    @property
    def n(self) -> int:
        """The rows judged."""
        return self.observed.n

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {"n": self.n, **plain(self)}


def calibration_review(
    rows: pd.DataFrame, rules: ReviewRules = DEFAULT_RULES, base_rate: float | None = None
) -> CalibrationReview:
    """Predicted against observed on matured rows: account_id, propensity in (0, 1) or NaN, outcome (1 or 0).

    base_rate: the share with the outcome in the rows that the live model was trained on.
    """
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
        _deciles(p, y, accounts, rules.level), len(rows) - len(judged), _constant(p, y, accounts, base_rate),
    )  # fmt: skip


def _constant(
    p: Floats, y: Floats, accounts: npt.NDArray[np.object_], base_rate: float | None
) -> AgainstConstants | None:
    if not len(y):
        return None
    log_odds = special.logit(np.clip(p, 1e-12, 1 - 1e-12))
    return worse_than_constant(log_odds, y, accounts, None if base_rate is None else base_log_odds(base_rate))


def calibration_test(
    propensity: npt.ArrayLike, outcome: npt.ArrayLike, account_id: npt.ArrayLike
) -> tuple[float, float, float, float, float]:
    """Slope, intercept, LR statistic, design effect and p-value of the test that slope = 1 and intercept = 0.

    The model is logit P(outcome) = intercept + slope * logit(propensity) (D. R. Cox, 1958); the statistic is divided by
    the mean design effect of its parameters (J. N. K. Rao and A. J. Scott, 1984), so that an account with several
    overlapping horizons does not count several times; `learning.calibration.tail` says what it is referred to. All NaN
    where there are no outcomes, or nothing but outcomes.
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
    accounts = np.asarray(account_id).astype(str)
    effect = design_effect(design, y - special.expit(fitted(x)), accounts)
    lr = max(0.0, 2 * gain) / effect
    slope = fitted.slope if spread else math.nan
    return slope, fitted.intercept, lr, effect, tail(lr, design.shape[1], y, accounts)


def _deciles(p: Floats, y: Floats, accounts: npt.NDArray[np.object_], level: float) -> pd.DataFrame:
    order = np.argsort(p, kind="stable")
    lines = []
    for i, part in enumerate(np.array_split(order, 10), start=1):
        if len(part):
            figure = share(y[part], accounts[part], level)
            lines.append((i, len(part), float(p[part].mean()), figure.value, figure.low, figure.high))
    return pd.DataFrame(lines, columns=list(DECILES))
