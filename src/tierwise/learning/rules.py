"""Scores by rules, where no model is usable: percentiles of the rubric's points and of the newest activity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import rankdata

from tierwise.learning.rubric import Rubric, points

NO_RUBRIC = "icp.yaml holds no rubric"

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def rule_scores(frame: pd.DataFrame, rubric: Rubric) -> pd.DataFrame:
    """Score the rows of one as_of: the columns of `PropensityModel.score`, its log-odds and propensity null.

    Percentiles (0 to 100) are among the rows in the cohort, ties sharing their mean rank; rows out of it have none.

    fit_score: of the rubric's points; 0 for an account whose points are not above zero, as nothing speaks for it,
    unless no account's are. Null for all where no line can be read, or where all accounts have the same points: then
    fit is not known.
    signal_score: of how new the newest activity is; 0 for an account that has never been active.
    account_score: of the mean of fit_score and signal_score, or of signal_score alone where fit is not known.
    """
    cohort = (frame["status"] == "eligible").to_numpy()
    nothing = np.full(len(frame), np.nan)
    fit = _fit(points(rubric, frame), cohort) if rubric.lines else nothing
    signal = _signal(frame["days_since_signal"].to_numpy(dtype=np.float64, na_value=np.nan), cohort)
    both = signal if np.isnan(fit).all() else (fit + signal) / 2
    return pd.DataFrame(
        {
            "account_id": frame["account_id"].to_numpy(),
            "as_of": frame["as_of"].to_numpy(),
            **dict.fromkeys(("base", "fit_log_odds", "signal_log_odds", "calibration_log_odds", "propensity"), nothing),
            "account_score": _percentile(both, cohort),
            "fit_score": fit,
            "signal_score": signal,
        }
    )


def fit_gap(rubric: Rubric, scores: pd.DataFrame) -> str:
    """Why fit is not known, in words; empty where it is. scores: what `rule_scores` gives."""
    if scores["fit_score"].notna().any():
        return ""
    if rubric.lines:
        return "the rubric of icp.yaml gives all accounts the same points"
    return "no line of the rubric in icp.yaml can be read" if rubric.unread else NO_RUBRIC


def _percentile(values: Floats, cohort: Flags) -> Floats:
    out = np.full(len(values), np.nan)
    if cohort.any():
        out[cohort] = 100 * (rankdata(values[cohort]) - 0.5) / cohort.sum()
    return out


def _fit(given: Floats, cohort: Flags) -> Floats:
    inside = given[cohort]
    if not len(inside) or inside.min() == inside.max():
        return np.full(len(given), np.nan)
    score = _percentile(given, cohort)
    return np.where(cohort & (given <= 0), 0.0, score) if inside.max() > 0 else score


def _signal(days: Floats, cohort: Flags) -> Floats:
    never = np.isnan(days)
    score = _percentile(-np.where(never, np.inf, days), cohort)
    return np.where(cohort & never, 0.0, score)
