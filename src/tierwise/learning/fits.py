"""The fits that follow the choice, side by side, as none depends on another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import tierwise.learning.unseen as unseen
from tierwise.clock import instant
from tierwise.learning.boosters import FreeBooster
from tierwise.learning.calibration import Affine, Curve, row_log_loss
from tierwise.learning.canaries import canaries
from tierwise.learning.choice import random_gap
from tierwise.learning.encoding import Floats
from tierwise.learning.level_choice import LevelTrial, try_level
from tierwise.learning.model import PropensityModel, freeze
from tierwise.learning.rows import Rows
from tierwise.learning.search import Tried, judge
from tierwise.learning.season_choice import SeasonTrial, try_season
from tierwise.learning.sides import Prepared, SidesClassifier
from tierwise.learning.splits import Division

MOST_WORKERS = 4
"""How many fits go on side by side at most; each holds rows of its own."""


@dataclass(frozen=True)
class Fitted:
    """What came of them.

    model: of all mature rows. on_test: by candidate, the test rows' calibrated log-odds. free: one free booster's
    out-of-time losses. random: the chosen candidate on rows drawn at random. canaries: what must come to nothing.
    """

    model: PropensityModel
    on_test: dict[str, Floats]
    free: Floats
    random: dict[str, Any]
    canaries: dict[str, Any]


@dataclass(frozen=True)
class Fits:
    """Fits of divided rows: earlier ones, and those of the test."""

    rows: Rows
    division: Division
    threads: int
    seed: int

    @property
    def earlier(self) -> Rows:
        """The rows whose horizon had closed when the test began."""
        return self.rows.where(self.division.earlier)

    def season(self, chosen: Tried) -> SeasonTrial:
        """Whether a season helps the chosen candidate."""
        return try_season(chosen, self._fitted, self.rows, self.earlier, self.division.folds)

    def level(self, seasoned: SeasonTrial) -> LevelTrial:
        """Whether following the base's level helps the chosen candidate, with its season if it has one."""
        return try_level(seasoned.tried, self.earlier, self.division.folds)

    def all(
        self,
        usable: Mapping[str, Tried],
        trial: SeasonTrial,
        level: LevelTrial,
        curve: Curve | None,
        folds: Sequence[Prepared],
    ) -> Fitted:
        """Fit all there is to fit; of those usable, the chosen one has its season, and its newest level.

        folds: those that the candidates were judged on. On the test slice the level is that of the folds; the model of
        all rows has that of the test slice too.
        """
        trial = replace(trial, tried=level.tried)
        workers = min(self.threads, MOST_WORKERS)
        one = Fits(self.rows, self.division, self.threads // workers, self.seed)
        name, chosen = next((n, t) for n, t in usable.items() if t.candidate == trial.tried.candidate)
        with ThreadPoolExecutor(workers) as pool:
            model = pool.submit(one._fitted, trial.tried, self.rows)
            random = pool.submit(one._random, chosen)
            tests = {
                n: pool.submit(one._on_test, *((trial.tried, trial) if tried is chosen else (tried, None)))
                for n, tried in usable.items()
            }
            free = pool.submit(one._free, folds)
            canary = pool.submit(canaries, self.rows, self.division, trial, threads=one.threads, seed=self.seed)
        on_test = {n: test.result() for n, test in tests.items()}
        affine = level.newest(self.rows, self.division, on_test[name])
        if curve is not None:
            on_test[name] = curve(on_test[name])
        return Fitted(
            self._model(model.result(), trial, affine, curve),
            on_test,
            free.result(),
            random.result(),
            canary.result(),
        )

    def before_test(self, seasoned: SeasonTrial, level: LevelTrial, curve: Curve | None) -> PropensityModel:
        """The chosen candidate as a model of the earlier rows alone, which says of the test rows what `all` says of
        them where families are not kept apart."""
        trial, before = replace(seasoned, tried=level.tried), replace(self, rows=self.earlier)
        return before._model(before._fitted(trial.tried, before.rows), trial, trial.tried.affine, curve)

    def _fitted(self, tried: Tried, rows: Rows) -> SidesClassifier:
        return unseen.fitted(tried, rows, self.threads, self.seed)

    def _on_test(self, tried: Tried, trial: SeasonTrial | None) -> Floats:
        return unseen.on_test(self.rows, self.division, tried, trial, threads=self.threads, seed=self.seed)

    def _model(
        self, estimator: SidesClassifier, trial: SeasonTrial, affine: Affine, curve: Curve | None
    ) -> PropensityModel:
        """The chosen candidate and its season, learned from all mature rows, with calibrators of out-of-time rows."""
        newest, kind = instant(self.rows.as_of.max().astype(object)), trial.tried.candidate.kind
        horizon, season = self.rows.horizon_days, trial.season(estimator, self.rows)
        model = freeze(kind, estimator, affine, self.rows.frame, horizon, newest, self.threads, curve, season)
        return model.with_threads(self.threads)

    def _free(self, folds: Sequence[Prepared]) -> Floats:
        """The out-of-time losses of one free booster."""
        _, log_odds, affine = judge(FreeBooster(self.rows.features, threads=self.threads, seed=self.seed), folds)
        return row_log_loss(affine(log_odds), np.concatenate([fold.held_y for fold in folds]))

    def _random(self, chosen: Tried) -> dict[str, Any]:
        estimator, earlier = chosen.estimator(self.rows.features, self.threads, self.seed), self.earlier
        out_of_time = earlier.at(np.concatenate([np.flatnonzero(now) for _, now in self.division.folds]))
        return random_gap(estimator, earlier, out_of_time, chosen.affine(chosen.log_odds), self.seed)
