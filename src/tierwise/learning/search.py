"""What each candidate is worth forward in time, at the strength of regularisation that serves it best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tierwise.config.icp import IcpPoints
from tierwise.config.plan import Candidate, Setting
from tierwise.features.feature import Feature
from tierwise.learning.calibration import Affine, fit_affine, row_log_loss
from tierwise.learning.candidates import make
from tierwise.learning.encoding import Floats
from tierwise.learning.parallel import side_by_side
from tierwise.learning.sides import Path, Prepared, SidesClassifier

AfterFirst = Callable[[float], None]


def nothing(loss: float) -> None:
    """After the first fold, do nothing."""


@dataclass(frozen=True)
class Tried:
    """A candidate with its settings, judged on every fold.

    settings: of the estimator, with the chosen value of its path parameter. log_odds: raw, of the held-out rows, fold
    after fold. losses: row by row, after the affine map of them all. mean: of the losses. prior: the rubric that it
    started from.
    """

    candidate: Candidate
    settings: Mapping[str, Setting]
    log_odds: Floats
    affine: Affine
    losses: Floats
    prior: Sequence[IcpPoints] = ()

    @property
    def mean(self) -> float:
        """Mean log-loss out of time; infinite where a higher score does not mean a higher probability."""
        return float(self.losses.mean()) if self.affine.usable else float("inf")

    def estimator(self, features: Sequence[Feature], threads: int, seed: int) -> SidesClassifier:
        """The estimator, not yet fitted."""
        return make(self.candidate, features, self.settings, threads=threads, seed=seed, prior=self.prior)


def follow(
    candidate: Candidate,
    settings: Mapping[str, Setting],
    folds: Sequence[Prepared],
    features: Sequence[Feature],
    *,
    threads: int,
    seed: int,
    prior: Sequence[IcpPoints] = (),
    after_first: AfterFirst = nothing,
) -> Tried:
    """Judge a candidate with these settings at the value of its path parameter that the folds find best."""
    estimator = make(candidate, features, settings, threads=threads, seed=seed, prior=prior)
    value, log_odds, affine = judge(estimator, folds, after_first)
    y = np.concatenate([fold.held_y for fold in folds])
    chosen = {**settings, estimator.path_parameter: value}
    return Tried(candidate, chosen, log_odds, affine, row_log_loss(affine(log_odds), y), prior)


def judge(
    estimator: SidesClassifier, folds: Sequence[Prepared], after_first: AfterFirst = nothing
) -> tuple[Setting, Floats, Affine]:
    """Follow an estimator's path on each fold: the value of the lowest log-loss over all, its log-odds, their map.

    after_first: called with the lowest mean log-loss on the oldest fold, which costs least; it may raise to give up.
    The other folds are followed side by side.
    """

    def follower(fold: Prepared) -> Callable[[int], Path]:
        return lambda threads: estimator.again(threads=threads).path(fold)

    first, *others = map(follower, folds)
    paths = [first(estimator.threads)]
    after_first(_best(paths[0].log_odds, folds[0].held_y)[2])
    paths += side_by_side(others[::-1], estimator.threads)[::-1]
    log_odds = np.concatenate([path.log_odds for path in paths], axis=1)
    at, affine, _ = _best(log_odds, np.concatenate([fold.held_y for fold in folds]))
    value = paths[0].values[at]
    return int(value) if float(value).is_integer() else value, log_odds[at], affine


def _best(log_odds: Floats, y: Floats) -> tuple[int, Affine, float]:
    """The path's best place: its number, its affine map, and its mean log-loss through that map."""
    maps = [fit_affine(values, y) for values in log_odds]
    losses = [
        float(row_log_loss(line(values), y).mean()) if line.usable else float("inf")
        for values, line in zip(log_odds, maps, strict=True)
    ]
    at = int(np.argmin(losses))
    return at, maps[at], losses[at]
