"""How good a ranking and a probability are, with intervals by a bootstrap over accounts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri

from tierwise.errors import UsageError
from tierwise.learning.calibration import row_log_loss

Floats = npt.NDArray[np.float64]

SHARES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5)
"""The shares of accounts at which capture and lift are reported."""


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval; NaN where it cannot be said (one class only)."""

    value: float
    low: float
    high: float


class Ranking:
    """A ranking of rows by one score, sorted once, so that every resample of accounts costs one pass.

    Weights are row multiplicities; rows of equal score are one step of every curve.
    """

    def __init__(self, y: Floats, score: Floats) -> None:
        self.order = np.argsort(-score, kind="stable")
        self.y = np.asarray(y, dtype=np.float64)[self.order]
        ranked = np.asarray(score, dtype=np.float64)[self.order]
        self.ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)

    def steps(self, weights: Floats | None = None) -> tuple[Floats, Floats]:
        """Cumulative positives and negatives at the end of each step, from the best score down."""
        w = np.ones(len(self.y)) if weights is None else weights[self.order]
        return np.cumsum(w * self.y)[self.ends], np.cumsum(w * (1 - self.y))[self.ends]

    def figures(self, shares: Sequence[float], weights: Floats | None = None) -> Floats:
        """AUC, average precision, and the capture at each share, in this order; NaN where a class is absent."""
        if not len(self.y):
            return np.full(2 + len(shares), np.nan)
        tp, fp = self.steps(weights)
        positives, negatives = tp[-1], fp[-1]
        if positives <= 0 or negatives <= 0:
            return np.full(2 + len(shares), np.nan)
        gained, missed = np.diff(tp, prepend=0.0), np.diff(fp, prepend=0.0)
        auc = float((missed * (tp - gained / 2)).sum() / (positives * negatives))
        precision = np.divide(tp, tp + fp, out=np.zeros_like(tp), where=tp + fp > 0)
        average = float((gained * precision).sum() / positives)
        seen, caught = np.append(0.0, tp + fp), np.append(0.0, tp)
        captured = np.interp(np.asarray(shares) * seen[-1], seen, caught) / positives
        return np.concatenate([[auc, average], captured])


def auc(y: Floats, score: Floats, weights: Floats | None = None) -> float:
    """The probability that a row with the outcome ranks above one without, ties half."""
    return float(Ranking(y, score).figures((), weights)[0])


def average_precision(y: Floats, score: Floats, weights: Floats | None = None) -> float:
    """The area under the precision-recall steps, without interpolation."""
    return float(Ranking(y, score).figures((), weights)[1])


def capture(y: Floats, score: Floats, share: float, weights: Floats | None = None) -> float:
    """The share of outcomes among the best `share` of rows (0 to 1); a tie at the edge counts in proportion."""
    return float(Ranking(y, score).figures((share,), weights)[2])


def resamples(accounts: npt.NDArray[Any], n: int, seed: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Bootstrap multiplicities of whole accounts: each row's account code, and resamples x accounts."""
    _, codes = np.unique(np.asarray(accounts).astype(str), return_inverse=True)
    size = int(codes.max()) + 1 if len(codes) else 0
    rng = np.random.default_rng(seed)
    if not size:
        return codes, np.zeros((n, 0))
    return codes, rng.multinomial(size, np.full(size, 1 / size), size=n).astype(np.float64)


def interval(value: float, draws: Floats) -> Interval:
    """The central 95 % of the draws that could be computed."""
    known = draws[~np.isnan(draws)]
    if np.isnan(value) or not len(known):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(float(value), float(low), float(high))


@dataclass(frozen=True)
class Measured:
    """One score's figures on one set of rows, and their bootstrap draws (resamples x figures), for pairing."""

    names: tuple[str, ...]
    values: Floats
    draws: Floats

    def interval(self, name: str) -> Interval:
        """A figure by name, with its interval."""
        i = self.names.index(name)
        return interval(float(self.values[i]), self.draws[:, i])

    def less(self, other: Measured, name: str) -> tuple[Interval, float]:
        """This figure less the other's, paired by resample, and the share of resamples in which it is above 0."""
        i, j = self.names.index(name), other.names.index(name)
        draws = self.draws[:, i] - other.draws[:, j]
        known = draws[~np.isnan(draws)]
        above = float((known > 0).mean()) if len(known) else float("nan")
        return interval(float(self.values[i] - other.values[j]), draws), above


def measure(
    y: Floats,
    score: Floats,
    accounts: npt.NDArray[Any],
    *,
    probability: bool,
    shares: Sequence[float] = SHARES,
    n: int = 200,
    seed: int = 7,
) -> Measured:
    """Every figure of one score, with bootstrap draws over accounts.

    score: calibrated log-odds where `probability` (adds `log_loss` and `brier`), else any ranking, higher is better.
    The same accounts, n and seed give the same resamples, so that two scores can be compared pair by pair.
    """
    y, score = np.asarray(y, dtype=np.float64), np.asarray(score, dtype=np.float64)
    ranking = Ranking(y, score)
    codes, counts = resamples(accounts, n, seed)
    names = ("auc", "average_precision", *(f"capture_{share:g}" for share in shares))
    values = ranking.figures(shares)
    draws = np.array([ranking.figures(shares, multiplicity[codes]) for multiplicity in counts])
    draws = draws.reshape(n, len(names))
    if probability:
        names = (*names, "log_loss", "brier")
        rows = np.column_stack([row_log_loss(score, y), (expit(score) - y) ** 2])
        by_account = np.column_stack([np.bincount(codes, column, counts.shape[1]) for column in rows.T])
        size = np.bincount(codes, minlength=counts.shape[1])
        means = (counts @ by_account) / np.maximum(counts @ size, 1)[:, None]
        values = np.concatenate([values, rows.mean(axis=0) if len(rows) else [np.nan, np.nan]])
        draws = np.column_stack([draws, means])
    return Measured(names, values, draws)


@dataclass(frozen=True)
class Difference:
    """A mean difference over rows, and its standard error by accounts."""

    mean: float
    standard_error: float
    accounts: int


def paired_difference(first: Floats, second: Floats, accounts: npt.NDArray[Any]) -> Difference:
    """Mean of first - second (losses row by row), with the cluster-robust standard error over accounts."""
    gap = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    _, codes = np.unique(np.asarray(accounts).astype(str), return_inverse=True)
    groups = int(codes.max()) + 1 if len(codes) else 0
    if groups < 2:
        return Difference(float(gap.mean()) if len(gap) else float("nan"), float("nan"), groups)
    mean = float(gap.mean())
    residual = np.bincount(codes, gap - mean, groups)
    variance = groups / (groups - 1) * float((residual**2).sum()) / len(gap) ** 2
    return Difference(mean, float(np.sqrt(variance)), groups)


def deciles(y: Floats, probability: Floats, bins: int = 10) -> list[dict[str, float]]:
    """The calibration table: rows in order of probability, in `bins` equal parts (equal scores stay together).

    Each line: n, outcomes, mean predicted, observed, and the 95 % Wilson interval of observed.
    """
    y, p = np.asarray(y, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    if not len(p):
        return []
    edges = np.unique(np.quantile(p, np.arange(1, bins) / bins, method="lower"))
    part = np.searchsorted(edges, p, side="left")
    lines = []
    for k in np.unique(part):
        rows = part == k
        n, outcomes = int(rows.sum()), float(y[rows].sum())
        low, high = wilson(outcomes, n)
        line = {"n": n, "outcomes": outcomes, "predicted": float(p[rows].mean()), "observed": outcomes / n}
        lines.append(line | {"observed_low": low, "observed_high": high})
    return lines


def wilson(successes: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share; n = 0 gives (0, 1).

    Source: E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22.

    Raises
    ------
    UsageError : successes lie outside [0, n], or the level outside (0, 1).

    >>> [round(x, 4) for x in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if not 0 < level < 1:
        raise UsageError(f"an interval of level {level}", found="a level lies between 0 and 1", do="Give 0.95, say")
    if not 0 <= successes <= n:
        raise UsageError(
            f"an interval of {successes} successes in {n} rows",
            found="successes must lie between 0 and the number of rows",
            do="Count both over the same rows",
        )
    if n == 0:
        return 0.0, 1.0
    z = float(ndtri((1 + level) / 2))
    p = successes / n
    middle = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if successes == 0 else max(0.0, (middle - half) / scale)
    high = 1.0 if successes == n else min(1.0, (middle + half) / scale)
    return low, high
