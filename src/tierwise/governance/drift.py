"""Drift: how far features and scores lie from those that the model was trained on, and whether that is chance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from tierwise.errors import UsageError
from tierwise.governance.matured import require
from tierwise.governance.rules import DEFAULT_RULES, ReviewRules

Floats = npt.NDArray[np.float64]
SCORES = ("propensity", "account_score", "fit_score", "signal_score")
LEAST_EXPECTED = 5.0
"""Cells expected to hold fewer rows are merged for the test (W. G. Cochran, 1954); PSI keeps every cell."""


class Described(Protocol):
    """What drift asks of a feature: its name, and whether it is a number, a category or a flag."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...


def reference(
    frame: pd.DataFrame,
    features: Iterable[Described],
    scores: Iterable[str] = (),
    rules: ReviewRules = DEFAULT_RULES,
) -> dict[str, Any]:
    """The distributions to compare with, ready for JSON: `{n, accounts, features: {name: {}}, scores: {name: {}}}`.

    A number or flag: `edges` (rising; bin k holds edges[k-1] < x <= edges[k]), `shares` by bin (one more than edges),
    `missing`. A category: `shares` by value, `other`, `missing`. Shares are of all rows and add up to 1. `accounts` is
    the number of distinct account_id where the frame has them, else of rows. The keys are those of an evaluation's
    reference.

    Raises
    ------
    UsageError : a column is missing, or a number's column holds text.
    """
    kinds, scores = {f.name: f.kind for f in features}, list(scores)
    require(frame, [*kinds, *scores], "a drift reference")
    accounts = int(frame["account_id"].nunique()) if "account_id" in frame.columns else len(frame)
    return {
        "n": len(frame),
        "accounts": accounts,
        "features": {
            name: _levels(frame[name], rules) if kind == "category" else _bins(frame[name], rules)
            for name, kind in kinds.items()
        },
        "scores": {name: _bins(frame[name], rules) for name in scores},
    }


def drift_table(reference: Mapping[str, Any], frame: pd.DataFrame, rules: ReviewRules = DEFAULT_RULES) -> pd.DataFrame:
    """Each feature and score of the reference against a current frame of one as_of.

    Columns: feature, psi, p_value, alarm, n (current rows), reference_n. p_value is of the chi-square test that both
    samples have one distribution, over the cells. An alarm is a p-value that Holm's step-down rejects over all lines at
    `rules.drift_alpha`, and a PSI of at least `rules.drift_least_psi`: where nothing has drifted, at most that share of
    tables raises any alarm. reference_n is the reference's `accounts` where it has them, else its rows: rows of one
    account are not independent, and counting them all raises more alarms than stated. With fewer than
    `rules.drift_least_rows` current rows p_value is NaN and nothing alarms: too few cases.

    Raises
    ------
    UsageError : a column of the reference is missing from the frame, or holds text where it held numbers.
    """
    cells = {**reference["features"], **reference.get("scores", {})}
    was_n, n = int(reference.get("accounts", reference["n"])), len(frame)
    require(frame, list(cells), "a drift table")
    lines = []
    for name, cell in cells.items():
        was, now = _shares_of(cell), cell_shares(cell, frame[name])
        tested = n >= rules.drift_least_rows and was_n > 0
        p_value = two_sample_p(was * was_n, now * n) if tested else math.nan
        lines.append((name, psi(was, now, was_n, n), p_value, n, was_n))
    table = pd.DataFrame(lines, columns=["feature", "psi", "p_value", "n", "reference_n"])
    alarm = holm(table["p_value"].to_numpy(dtype=np.float64), rules.drift_alpha)
    table.insert(3, "alarm", alarm & (table["psi"] >= rules.drift_least_psi).to_numpy(dtype=bool))
    return table


def psi(was: npt.ArrayLike, now: npt.ArrayLike, was_n: int, now_n: int) -> float:
    """The population stability index, `sum((now - was) * ln(now / was))` over cells that either sample fills.

    An empty cell counts as half a row, for which the formula has no value. NaN where a sample has no rows. By
    convention below 0.1 is stable and above 0.25 has shifted (N. Siddiqi, "Credit Risk Scorecards", 2006).

    >>> round(psi([0.5, 0.5], [0.6, 0.4], 1000, 1000), 5)
    0.04055
    """
    p, q = np.asarray(was, dtype=np.float64), np.asarray(now, dtype=np.float64)
    if was_n == 0 or now_n == 0:
        return math.nan
    filled = (p > 0) | (q > 0)
    p, q = p[filled], q[filled]
    p, q = np.where(p == 0, 0.5 / was_n, p), np.where(q == 0, 0.5 / now_n, q)
    return float(np.sum((q - p) * np.log(q / p)))


def two_sample_p(was: npt.ArrayLike, now: npt.ArrayLike) -> float:
    """The p-value of the chi-square test of homogeneity of two rows of counts; 1 where only one cell is left."""
    table = np.vstack([np.asarray(was, dtype=np.float64), np.asarray(now, dtype=np.float64)])
    table = table[:, table.sum(axis=0) > 0]
    table = table[:, np.argsort(table.sum(axis=0), kind="stable")]
    least = table.sum(axis=1).min() / table.sum()
    while table.shape[1] > 1 and table[:, 0].sum() * least < LEAST_EXPECTED:
        merged = table[:, :2].sum(axis=1, keepdims=True)
        table = np.hstack([merged, table[:, 2:]])
        table = table[:, np.argsort(table.sum(axis=0), kind="stable")]
    if table.shape[1] < 2:
        return 1.0
    return float(stats.chi2_contingency(table, correction=False).pvalue)


def holm(p_values: Floats, alpha: float) -> npt.NDArray[np.bool_]:
    """Which hypotheses Holm's step-down rejects: any false rejection at all has at most probability alpha.

    NaN is not tested. Source: S. Holm (1979), "A simple sequentially rejective multiple test procedure".
    """
    rejected = np.zeros(len(p_values), dtype=bool)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    for rank, i in enumerate(order):
        if p_values[i] > alpha / (len(order) - rank):
            break
        rejected[i] = True
    return rejected


def cell_shares(cell: Mapping[str, Any], values: pd.Series) -> Floats:
    """The shares of a column's values in the cells of a reference, in its order: bins or categories, other, missing.

    Raises
    ------
    UsageError : the reference holds numbers and the column does not.
    """
    n = max(len(values), 1)
    missing = values.isna().to_numpy(dtype=bool)
    if "edges" in cell:
        known = _numbers(values)[~missing]
        bins = np.searchsorted(np.asarray(cell["edges"], dtype=np.float64), known, side="left")
        counts = np.bincount(bins, minlength=len(cell["shares"])).astype(np.float64)
        return np.append(counts, missing.sum()) / n
    text = values[~missing].astype(str)
    by_value = text.value_counts()
    counts = np.array([by_value.get(v, 0) for v in cell["shares"]], dtype=np.float64)
    return np.append(counts, [len(text) - counts.sum(), missing.sum()]) / n


def _shares_of(cell: Mapping[str, Any]) -> Floats:
    if "edges" in cell:
        return np.asarray([*cell["shares"], cell["missing"]], dtype=np.float64)
    return np.asarray([*cell["shares"].values(), cell["other"], cell["missing"]], dtype=np.float64)


def _levels(values: pd.Series, rules: ReviewRules) -> dict[str, Any]:
    by_value = values.dropna().astype(str).value_counts()
    names = sorted(by_value.index, key=lambda v: (-int(by_value[v]), v))[: rules.drift_categories]
    shares = cell_shares({"shares": dict.fromkeys(names, 0.0)}, values).tolist()
    return {"shares": dict(zip(names, shares, strict=False)), "other": shares[-2], "missing": shares[-1]}


def _bins(values: pd.Series, rules: ReviewRules) -> dict[str, Any]:
    edges = _edges(_numbers(values), rules.drift_bins)
    shares = cell_shares({"edges": edges, "shares": [0.0] * (len(edges) + 1)}, values).tolist()
    return {"edges": edges, "shares": shares[:-1], "missing": shares[-1]}


def _edges(numbers: Floats, bins: int) -> list[float]:
    """Inner edges: between the values where they are few, else quantiles; a value that fills a bin gets its own."""
    known = np.sort(numbers[~np.isnan(numbers)])
    distinct = np.unique(known)
    if len(distinct) <= bins:
        return [float(e) for e in (distinct[:-1] + distinct[1:]) / 2]
    cuts = np.quantile(known, np.arange(1, bins) / bins, method="inverted_cdf")
    values, times = np.unique(cuts, return_counts=True)
    below = [distinct[i - 1] for i in np.searchsorted(distinct, values[times > 1]) if i > 0]
    edges = np.unique([*values, *below])
    return [float(e) for e in edges if e < distinct[-1]]


def _numbers(values: pd.Series) -> Floats:
    try:
        return np.asarray(pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan))
    except (ValueError, TypeError):
        raise UsageError(
            f"the column {values.name} as a number",
            found=f"it is of type {values.dtype}",
            do="Pass the feature as it was when the reference was made",
        ) from None
