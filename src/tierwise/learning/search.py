"""What each candidate is worth forward in time, at the strength of regularisation that serves it best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from tierwise.config.icp import IcpPoints
from tierwise.config.plan import Candidate, Setting
from tierwise.features.feature import Feature
from tierwise.learning.calibration import Affine, fit_affine, row_log_loss
from tierwise.learning.candidates import make
from tierwise.learning.encoding import Floats
from tierwise.learning.parallel import side_by_side
from tierwise.learning.sides import Path, Prepared, SidesClassifier

PATIENCE = 2
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
    """Follow an estimator's path on all folds at once: the value of the lowest log-loss, its log-odds, their map.

    Every fold stands at the same value, so that the log-odds are those of an estimator with that value on each; the
    path ends where the log-loss of all rows, through their affine map, has been worse than its best PATIENCE times.

    after_first: called with the lowest mean log-loss on the oldest fold, which costs least; it may raise to give up.
    """
    threads = max(1, estimator.threads // len(folds))
    paths = [estimator.again(threads=threads).path(fold) for fold in folds]
    after_first(_followed(paths[:1], folds[0].held_y, threads)[2].loss)
    place, log_odds, found = _followed(paths, np.concatenate([fold.held_y for fold in folds]), estimator.threads)
    value = estimator.path_values[place]
    return int(value) if float(value).is_integer() else value, log_odds, found.affine


class _Place(NamedTuple):
    """What a place of the path is worth: the affine map of its log-odds, and the mean log-loss through it."""

    affine: Affine
    loss: float


def _followed(paths: Sequence[Path], y: Floats, threads: int) -> tuple[int, Floats, _Place]:
    """The best place of paths that are followed together, the log-odds there, and what it is worth.

    y: the outcomes of all their rows. The newest fold has most to learn from, and begins first.
    """
    found: list[_Place] = []
    for place in range(len(paths[0].values)):
        newest_first = [partial(_at, path, place) for path in reversed(paths)]
        log_odds = np.concatenate(side_by_side(newest_first, threads)[::-1])
        affine = fit_affine(log_odds, y)
        loss = float(row_log_loss(affine(log_odds), y).mean()) if affine.usable else float("inf")
        found.append(_Place(affine, loss))
        best = int(np.argmin([line.loss for line in found]))
        if place - best >= PATIENCE and np.isfinite(found[best].loss):
            break
    return best, np.concatenate([path.at(best) for path in paths]), found[best]


def _at(path: Path, place: int, _: int) -> Floats:
    return path.at(place)
