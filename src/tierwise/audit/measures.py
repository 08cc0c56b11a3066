"""Measures of columns beside an outcome: out-of-fold ranking, certain values, coincidence with outcomes, and chance."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from scipy.special import expit, logit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FOLDS, BINS, EXACT = 5, 20, 30
"""Folds of a cross-fitted rate; quantile bins of a number with more than so many distinct values."""
PRIOR_ROWS = 5.0
"""How many rows the base rate weighs in the rate of a value."""


@dataclass(frozen=True)
class Auc:
    """An AUC with its standard error; rows of one group are not taken as independent."""

    value: float
    error: float

    def low(self, p: float) -> float:
        """The lower bound below which the AUC lies with this probability (one-sided)."""
        return self.value - float(stats.norm.isf(p)) * self.error


@dataclass(frozen=True)
class Certain:
    """The values that as good as say the outcome: masks over the codes, and the rows and outcomes they hold."""

    yes: Flags
    no: Flags
    of_outcomes: float
    of_others: float
    yes_rate: float
    no_rate: float


@dataclass(frozen=True)
class Coincidence:
    """How many outcomes coincide with something of their own account, and how many would with that of others."""

    n: int
    hits: int
    expected: float

    @property
    def ratio(self) -> float:
        """Hits over what chance gives; chance is at least one case."""
        return self.hits / max(self.expected, 1.0)

    @property
    def p_value(self) -> float:
        """The probability of so many hits by chance (binomial)."""
        if not self.n:
            return 1.0
        return float(stats.binom.sf(self.hits - 1, self.n, min(1.0, self.expected / self.n)))


def holm(p_values: Mapping[Hashable, float]) -> dict[Any, float]:
    """The p-values adjusted for their number (Holm 1979).

    >>> holm({"a": 0.01, "b": 0.04})
    {'a': 0.02, 'b': 0.04}
    """
    ordered = sorted(p_values, key=lambda key: p_values[key])
    adjusted, most = {}, 0.0
    for n, key in enumerate(ordered):
        most = max(most, min(1.0, (len(ordered) - n) * p_values[key]))
        adjusted[key] = most
    return {key: adjusted[key] for key in p_values}


def coded(values: pd.Series) -> tuple[Ints, list[Any]]:
    """Each row's code, and what each code stands for; a number of many values is cut at quantiles; missing is None."""
    number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if pd.api.types.is_datetime64_any_dtype(values):
        values, number = values.astype("int64").where(values.notna()), True
    if number and values.nunique() > EXACT:
        cuts = np.unique(np.nanquantile(values.astype(float), np.linspace(0, 1, BINS + 1)[1:-1]))
        place = np.searchsorted(cuts, values.astype(float).to_numpy(), side="right")
        values = pd.Series(place, index=values.index).where(values.notna())
    codes, uniques = pd.factorize(values, use_na_sentinel=True)
    kinds: list[Any] = list(uniques)
    if (codes < 0).any():
        codes = np.where(codes < 0, len(kinds), codes)
        kinds.append(None)
    return np.asarray(codes, dtype=np.int64), kinds


def folded(groups: npt.NDArray[Any]) -> Ints:
    """The fold of each row; a group lies in one fold, and the same rows give the same folds."""
    codes, uniques = pd.factorize(groups)
    order = np.random.default_rng(0).permutation(len(uniques))
    return np.asarray(order[codes] % FOLDS, dtype=np.int64)


def encoded(codes: Ints, y: Floats, folds: Ints) -> Floats:
    """Each row's log-odds of the outcome by its code, from the rows of the other folds."""
    n = int(codes.max(initial=0)) + 1
    out = np.zeros(len(y))
    for fold in range(FOLDS):
        here = folds == fold
        rest = ~here
        base = float(np.clip(y[rest].mean() if rest.any() else 0.5, 1e-6, 1 - 1e-6))
        count, outcomes = np.bincount(codes[rest], minlength=n), np.bincount(codes[rest], y[rest], minlength=n)
        rate = (outcomes + PRIOR_ROWS * base) / (count + PRIOR_ROWS)
        out[here] = (logit(np.clip(rate, 1e-6, 1 - 1e-6)) - logit(base))[codes[here]]
    return out


def auc(score: Floats, y: Floats, groups: npt.NDArray[Any] | None = None) -> Auc:
    """The AUC of a score, with DeLong's error, or Obuchowski's (1997) where rows come in groups."""
    of, others = score[y == 1], score[y == 0]
    if not len(of) or not len(others):
        return Auc(0.5, float("inf"))
    ranks = stats.rankdata(np.concatenate([of, others]))
    v10 = (ranks[: len(of)] - stats.rankdata(of)) / len(others)
    v01 = 1 - (ranks[len(of) :] - stats.rankdata(others)) / len(of)
    area = float(v10.mean())
    codes = np.arange(len(y)) if groups is None else pd.factorize(groups)[0]
    up, down = _by_group(codes[y == 1], v10 - area, codes), _by_group(codes[y == 0], v01 - area, codes)
    n_up, n_down = len(np.unique(codes[y == 1])), len(np.unique(codes[y == 0]))
    total = int(codes.max()) + 1
    if min(n_up, n_down) < 2:
        return Auc(area, float("inf"))
    m, n = len(of), len(others)
    variance = (
        n_up / ((n_up - 1) * m) * float(up @ up) / m
        + n_down / ((n_down - 1) * n) * float(down @ down) / n
        + 2 * total / ((total - 1) * m * n) * float(up @ down)
    )
    return Auc(area, float(np.sqrt(max(variance, 0.0))))


def _by_group(codes: npt.NDArray[Any], values: Floats, every: npt.NDArray[Any]) -> Floats:
    return np.asarray(np.bincount(codes, values, minlength=int(every.max()) + 1), dtype=np.float64)


def certain(codes: Ints, y: Floats, *, rate: float, chance: float) -> Certain:
    """The codes whose rate of the outcome is as good as one or nought, beyond chance shared among all codes.

    rate: at least this, or at most one minus it (Clopper-Pearson bounds); and at least four times nearer to certainty
    than the base rate is.
    """
    count = np.bincount(codes).astype(np.float64)
    outcomes = np.bincount(codes, y).astype(np.float64)
    base = float(y.mean())
    level = chance / max(len(count), 1)
    with np.errstate(invalid="ignore"):
        low = np.where(outcomes > 0, stats.beta.ppf(level, np.maximum(outcomes, 1), count - outcomes + 1), 0.0)
        high = np.where(outcomes < count, stats.beta.isf(level, outcomes + 1, np.maximum(count - outcomes, 1)), 1.0)
    yes = (low >= max(rate, 1 - (1 - base) / 4)) & (count > 0)
    no = (high <= min(1 - rate, base / 4)) & (count > 0)

    def share(mask: Flags, part: Floats) -> float:
        return float(part[mask].sum() / max(part.sum(), 1.0))

    def mean(mask: Flags) -> float:
        return float(outcomes[mask].sum() / max(count[mask].sum(), 1.0))

    return Certain(yes, no, share(yes, outcomes), share(no, count - outcomes), mean(yes), mean(no))


def together(columns: Floats, y: Floats, folds: Ints) -> Floats:
    """Out-of-fold log-odds of a ridge logistic model of encoded columns (Newton steps; columns in standard units)."""
    spread = columns.std(axis=0)
    x = np.column_stack([np.ones(len(y)), (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)])
    whole, out = _ridge(x, y, np.zeros(x.shape[1])), np.zeros(len(y))
    for fold in range(FOLDS):
        here = folds == fold
        out[here] = x[here] @ _ridge(x[~here], y[~here], whole)
    return out


def _ridge(x: Floats, y: Floats, start: Floats) -> Floats:
    """The coefficients of a ridge logistic model, the first of them free, by Newton steps from a start."""
    penalty, beta = np.diag([0.0, *np.ones(x.shape[1] - 1)]), start
    for _ in range(12):
        p = expit(np.clip(x @ beta, -30, 30))
        half = x * np.sqrt(np.maximum(p * (1 - p), 1e-6))[:, None]
        step = np.linalg.solve(half.T @ half + penalty, x.T @ (y - p) - penalty @ beta)
        beta = beta + step
        if float(np.abs(step).max()) < 1e-4:
            break
    return beta


def coincide(items: pd.DataFrame, events: pd.DataFrame) -> Coincidence:
    """How many events lie in an interval of their own account.

    items: account (code), low, high (an event coincides if low < at <= high); events: account, at; microseconds. By
    chance is what an account whose events came at another account's times would have: for each event the share of
    accounts with an interval around its time (at most; overlapping intervals count twice), so the test is conservative.
    """
    accounts = events["account"].unique()
    items = items[items["account"].isin(accounts)]
    at = events["at"].to_numpy(np.int64)
    low, high = np.sort(items["low"].to_numpy(np.int64)), np.sort(items["high"].to_numpy(np.int64))
    around = np.searchsorted(low, at, side="left") - np.searchsorted(high, at, side="left")
    expected = float(np.minimum(around / max(len(accounts), 1), 1.0).sum())
    pairs = events.reset_index(drop=True).reset_index(names="event").merge(items, on="account")
    hits = pairs.loc[(pairs["low"] < pairs["at"]) & (pairs["at"] <= pairs["high"]), "event"].nunique()
    return Coincidence(len(events), int(hits), expected)
