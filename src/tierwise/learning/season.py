"""The season of the base: an offset of the log-odds per month of the year, told apart from how the base drifts."""

from __future__ import annotations

from calendar import month_name
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from tierwise.learning.encoding import Floats
from tierwise.learning.splits import Instants

MONTHS = 12
DEVIATIONS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8)
"""Standard deviations that the months' offsets may have, in log-odds."""
STEPS_A_MONTH = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
"""Standard deviations that the base's own steps from month to month may have, in log-odds."""
NEWTON_STEPS = 30


def _alike() -> Floats:
    """How alike the offsets of two months are thought to be: waves of a year, half a year, ... weigh 1, 1/4, 1/9, ...

    The diagonal is 1. As waves, offsets sum to 0; neighbours are alike, as a horizon of 90 days reaches over both.
    """
    apart = np.subtract.outer(np.arange(MONTHS), np.arange(MONTHS))
    waves = np.arange(1, MONTHS // 2 + 1)
    summed = (np.cos(2 * np.pi * waves * apart[:, :, None] / MONTHS) / waves**2).sum(axis=2)
    return np.asarray(summed / summed[0, 0])


ALIKE = _alike()


@dataclass(frozen=True)
class Season:
    """What each month of as_of adds to the log-odds, January first; the twelve sum to 0."""

    offsets: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.offsets) != MONTHS or not np.isfinite(self.offsets).all():
            raise ValueError(f"a season has {MONTHS} finite offsets, and these are {self.offsets}")

    def __call__(self, as_of: Instants) -> Floats:
        """The offset of each row."""
        return np.asarray(self.offsets)[_month_of_year(np.asarray(as_of, dtype="datetime64[M]"))]


NO_SEASON = Season((0.0,) * MONTHS)


@dataclass(frozen=True)
class Levels:
    """What each month's outcomes add to the log-odds that were expected, and how surely it is known.

    month: as `datetime64[M]`, rising. level: in log-odds. covariance: months x months, of the levels' errors.
    """

    month: npt.NDArray[np.datetime64]
    level: Floats
    covariance: Floats


def months_spanned(as_of: Instants) -> int:
    """How many calendar months lie from the first as_of to the last, both counted."""
    if not len(as_of):
        return 0
    month = np.asarray(as_of, dtype="datetime64[M]").astype(np.int64)
    return int(month.max() - month.min()) + 1


def learn_season(log_odds: Floats, y: Floats, as_of: Instants, families: npt.NDArray[Any]) -> Season:
    """The months' offsets of a base, given what a model says of each row without them."""
    return season_of(levels(log_odds, y, as_of, families))


def levels(log_odds: Floats, y: Floats, as_of: Instants, families: npt.NDArray[Any]) -> Levels:
    """Each month's own intercept over the log-odds, with its cluster-robust covariance by families.

    Intercepts are those of Firth (1993), finite also where a month has no outcome. One outcome stands in the rows of
    several months, so that their errors hang together: the covariance is the sandwich (Liang and Zeger 1986) of the
    families' scores; its diagonal is never less than the model's own, and what it says of pairs of months is believed
    the less, the fewer families there are for so many months.
    """
    month, place = np.unique(np.asarray(as_of, dtype="datetime64[M]"), return_inverse=True)
    return Levels(month, *intercepts(log_odds, y, place, len(month), families))


def intercepts(
    log_odds: Floats, y: Floats, place: npt.NDArray[Any], many: int, families: npt.NDArray[Any]
) -> tuple[Floats, Floats]:
    """The same of any groups of rows, of which place says the number (0 to many - 1): levels, and their covariance."""
    _, family = np.unique(np.asarray(families).astype(str), return_inverse=True)
    groups = int(family.max(initial=-1)) + 1
    level = np.zeros(many)
    for _ in range(NEWTON_STEPS):
        p = expit(log_odds + level[place])
        weight = p * (1 - p)
        known = np.bincount(place, weight, many)
        score = np.bincount(place, y - p, many) + np.bincount(place, weight * (0.5 - p), many) / known
        level = level + np.clip(score / known, -1, 1)
    p = expit(log_odds + level[place])
    known = np.bincount(place, p * (1 - p), many)
    scores = np.bincount(family * many + place, y - p, groups * many).reshape(groups, many)
    sandwich = scores.T @ scores / np.outer(known, known)
    own = np.diag(sandwich)
    scale = np.sqrt(np.maximum(own, 1 / known) / np.maximum(own, 1e-300))
    together = max(0.0, 1 - many / groups) * sandwich * np.outer(scale, scale)
    np.fill_diagonal(together, np.maximum(own, 1 / known))
    return level, together


def season_of(found: Levels) -> Season:
    """What of the levels comes back each year.

    level = line in time + random walk + month's offset + error. The line and the walk are what the base does by itself:
    a trend, or a step from one year to the next, is no season. Offsets are normal about 0 and sum to 0; their deviation
    and the walk's are those of DEVIATIONS and STEPS_A_MONTH with the greatest restricted likelihood (Patterson and
    Thompson 1971; Harvey 1989, the basic structural model), and the offsets are their posterior means: shrunken, and
    exactly 0 where no deviation is likeliest.
    """
    at = found.month.astype(np.int64).astype(np.float64)
    line = np.column_stack([np.ones(len(at)), (at - at.mean()) / MONTHS])[:, : min(2, len(at))]
    is_month = np.eye(MONTHS)[_month_of_year(found.month)]
    walk, again = np.minimum.outer(at - at.min(), at - at.min()), is_month @ ALIKE @ is_month.T
    best, offsets = np.inf, np.zeros(MONTHS)
    for step, deviation in product(STEPS_A_MONTH, DEVIATIONS):
        cost, rest = restricted(found.covariance + step**2 * walk + deviation**2 * again, line, found.level)
        if cost < best - 1e-9:
            best, offsets = cost, deviation**2 * ALIKE @ is_month.T @ rest
    return Season(tuple((offsets - offsets.mean()).tolist()))


def restricted(covariance: Floats, line: Floats, level: Floats) -> tuple[float, Floats]:
    """-2 log restricted likelihood, but for a constant; and the inverse covariance times what the line leaves."""
    solved = np.linalg.solve(covariance, np.column_stack([line, level]))
    inner = line.T @ solved[:, :-1]
    slope = np.linalg.solve(inner, line.T @ solved[:, -1])
    rest = solved[:, -1] - solved[:, :-1] @ slope
    dets = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(inner)[1]
    return float(dets + (level - line @ slope) @ rest), rest


def _month_of_year(month: npt.NDArray[np.datetime64]) -> npt.NDArray[np.int64]:
    """0 for January, up to 11."""
    return np.asarray(month.astype(np.int64) % MONTHS)


def spoken(season: Season) -> str:
    """The weakest and the strongest month, by how many times the odds of a mean month they have."""
    if season == NO_SEASON:
        return "over all rows together none is left"
    low, high = int(np.argmin(season.offsets)), int(np.argmax(season.offsets))
    odds = np.exp(season.offsets)
    return f"from {odds[low]:.2f} times the odds in {month_name[low + 1]} to {odds[high]:.2f} in {month_name[high + 1]}"
