"""The level of the base where it drifts: a random walk, seen through errors whose size is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

from tierwise.learning.encoding import Floats
from tierwise.learning.season import intercepts, restricted
from tierwise.learning.splits import Instants, Mask, days

Periods = npt.NDArray[np.int64]

LEAST_PERIODS = 4
"""Out of time, below which no movement is looked for."""
LONGEST_DAYS = 30
"""A period is as long as the horizon, or so many days where the horizon is longer."""
MOST_PERIODS = 60
"""Of a longer history, periods are longer."""
STEPS = (0.0, *np.geomspace(0.01, 2.0, 40).tolist())
"""Standard deviations that the level's step from one period to the next may have, in log-odds."""


def periods_of(as_of: Instants, horizon_days: int) -> tuple[Periods, float]:
    """The number of each row's period, counted from the oldest row, and how many days a period has."""
    if not len(as_of):
        return np.empty(0, dtype=np.int64), float(horizon_days)
    since = as_of - as_of.min()
    span = np.max(since) / MOST_PERIODS + np.timedelta64(1, "us")
    width = max(days(min(horizon_days, LONGEST_DAYS)), span)
    return (since // width).astype(np.int64), float(width / np.timedelta64(1, "D"))


@dataclass(frozen=True)
class History:
    """Rows by period, and what models that had not seen them said of those held out.

    log_odds: of every row, NaN where it was not held out. folds: which rows each model was trained on, and which it
    was held out on.
    """

    period: Periods
    y: Floats
    families: npt.NDArray[Any]
    log_odds: Floats
    folds: Sequence[tuple[Mask, Mask]]

    @property
    def held(self) -> Mask:
        """Which rows were held out."""
        return np.asarray(~np.isnan(self.log_odds))


@dataclass(frozen=True)
class Track:
    """What the held-out periods say of the level.

    A model's own base is the level of what it was trained on, so that what period t adds to it is

        added[t] = constant + x[t] - shares[t] @ x,    x = level + error,

    where shares[t] says how much of what its model was trained on (in Fisher information) lies in each period: a model
    trained after a step has caught up with part of it. The level is a random walk (Harvey 1989, the local level model).

    at: the number of each period. added: of the held-out ones. seen: held-out periods x periods, what of x is in added.
    covariance: of the errors of all periods, clustered by account family. information: of a row, by period.
    """

    at: Periods
    added: Floats
    seen: Floats
    covariance: Floats
    information: Floats

    def shares(self, period: Periods) -> Floats:
        """How much of what a model is trained on lies in each period; period: of its training rows."""
        known = period[np.isin(period, self.at)]
        rows = np.bincount(np.searchsorted(self.at, known), minlength=len(self.at))
        return np.asarray(rows * self.information / (rows * self.information).sum())


def track(history: History, log_odds: Floats, known: Mask) -> Track:
    """What known rows say of the level.

    log_odds: calibrated, of every row; those that were not held out are not read. The errors of a period in which
    nothing was held out are taken as those of its rate.
    """
    held = history.held & known
    of_held = np.unique(history.period[held])
    used = held | (known & ~np.isin(history.period, of_held))
    at, place = np.unique(history.period[used], return_inverse=True)
    expected, y = np.where(held, log_odds, 0.0)[used], history.y[used]
    level, covariance = intercepts(expected, y, place, len(at), history.families[used])
    rows = np.bincount(place, minlength=len(at))
    rate = (np.bincount(place, y, len(at)) + 0.5) / (rows + 1)
    own = np.isin(at, of_held)
    found = Track(at, level[own], np.eye(len(at))[own], covariance, rate * (1 - rate))
    learned = np.array([mean_shares(found, history, held & (history.period == t)) for t in of_held])
    return Track(at, found.added, found.seen - learned, covariance, found.information)


def mean_shares(found: Track, history: History, rows: Mask) -> Floats:
    """The shares of the models that these held-out rows were judged by, in the mean of the rows."""
    judged = [(old, int((now & rows).sum())) for old, now in history.folds]
    of_each = [n * found.shares(history.period[old]) for old, n in judged if n]
    return np.asarray(np.sum(of_each, axis=0) / sum(n for _, n in judged))


@dataclass(frozen=True)
class Walk:
    """The level's steps from period to period: their standard deviation, and the test that there are none.

    statistic: twice the log restricted likelihood gained. p_value: of a half-and-half mixture of 0 and chi-square with
    1 degree of freedom, as a deviation of 0 lies at the edge (Self and Liang 1987).
    """

    step: float
    statistic: float
    p_value: float


def find_walk(found: Track) -> Walk:
    """The step of the greatest restricted likelihood (Patterson and Thompson 1971), of STEPS."""
    line = np.ones((len(found.added), 1))
    costs = [restricted(_together(found, step), line, found.added)[0] for step in STEPS]
    best = int(np.argmin(costs))
    statistic = costs[0] - costs[best]
    return Walk(STEPS[best], statistic, float(0.5 * chi2.sf(statistic, 1)) if best else 1.0)


def forecast(found: Track, step: float, shares: Floats) -> float:
    """What the newest period's level adds to a model's log-odds: its best linear unbiased prediction.

    shares: of what that model is trained on. A random walk's later levels are expected to be its newest.
    """
    covariance = _together(found, step)
    _, rest = restricted(covariance, np.ones((len(found.added), 1)), found.added)
    constant = float(found.added[0] - covariance[0] @ rest)
    newest = np.zeros(len(found.at))
    newest[-1] = 1.0
    apart = step**2 * _walked(found.at) @ (newest - shares) - found.covariance @ shares
    return constant + float(apart @ found.seen.T @ rest)


def _together(found: Track, step: float) -> Floats:
    """The covariance of what held-out periods add, but for the constant."""
    return np.asarray(found.seen @ (step**2 * _walked(found.at) + found.covariance) @ found.seen.T)


def _walked(at: Periods) -> Floats:
    """The covariance of a random walk's levels, of steps of 1 from a level of 0."""
    since = (at - at.min()).astype(np.float64)
    return np.asarray(np.minimum.outer(since, since))
