"""The signal side boosted on what the fit side says: for plans that freeze the fit side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Self

import numpy as np
from scipy.special import logit
from sklearn.model_selection import GroupKFold

from tierwise.features.feature import Feature
from tierwise.learning.boosters import FreeBooster, read_booster
from tierwise.learning.encoding import Encoder, Floats, signal_mask
from tierwise.learning.sides import Prepared, SidesClassifier

FOLDS = 5
NOTHING: Mapping[str, tuple[Feature, ...]] = {
    "fit": (Feature("nothing", "fit", "number", "", ""),),
    "signal": (Feature("nothing", "signal", "number", "", ""),),
}
"""What a side without features reads: zeros."""


class StagedBooster(SidesClassifier):
    """The fit side boosted alone; then the signal side on the fit side's out-of-fold log-odds as starting score.

    Rows that are equal on the fit side stand in one fold. So no outcome of an account whose fit side stays as it is
    reaches its starting score; where attributes change over time, an account's rows of another fit side may stand in
    other folds, and their outcomes can reach it, as those of its family can. With fewer than FOLDS different fit sides,
    and where the other folds have one class, the starting score is the base rate.
    rounds: trees of the signal side; fit_rounds: of the fit side.
    """

    path_parameter = "rounds"
    path_values = FreeBooster.path_values

    def __init__(
        self,
        features: tuple[Feature, ...] | None = None,
        rounds: int = 100,
        fit_rounds: int = 100,
        learning_rate: float = 0.1,
        num_leaves: int = 15,
        min_leaf: int | None = None,
        lambda_l2: float = 10.0,
        feature_fraction: float = 0.7,
        outcome_weight: float = 1.0,
        threads: int = 1,
        seed: int = 7,
    ) -> None:
        self.features = features
        self.rounds = rounds
        self.fit_rounds = fit_rounds
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_leaf = min_leaf
        self.lambda_l2 = lambda_l2
        self.feature_fraction = feature_fraction
        self.outcome_weight = outcome_weight
        self.threads = threads
        self.seed = seed

    def _learn(self, encoded: Floats, y: Floats) -> None:
        self.fit_, start = self._first(encoded, y)
        self.signal_ = self._stage("signal")
        data = self.signal_._binned(self._of("signal", encoded), y, start)
        self.signal_._adopt(self.signal_._boosted(data, len(y), int(self.rounds)))
        self._join()

    def with_fit_of(self, other: Self, weight: float) -> Self:
        """The fit side of another one, with its vocabularies and fills, and this one's signal side times a weight."""
        sides = ((other.encoder_, "fit"), (self.encoder_, "signal"))
        of = {f: encoder for encoder, side in sides for f in encoder.features if f.side == side}
        made = self.again(features=tuple(of))
        made.classes_, made.n_features_in_ = self.classes_, len(of)
        levels = {f.name: encoder.levels[f.name] for f, encoder in of.items() if f.name in encoder.levels}
        made.encoder_ = Encoder(tuple(of), levels, {f.name: encoder.fills[f.name] for f, encoder in of.items()})
        made.fit_, made.signal_ = made._stage("fit"), made._stage("signal")
        made.fit_._adopt(other.fit_.booster_)
        made.signal_._adopt(self.signal_.times(weight))
        made._join()
        return made

    def _join(self) -> None:
        """Both stages are corrected for what a row with the outcome counts for; together they need it once."""
        self.base_ = self.fit_.base_ + self.signal_.base_ + float(np.log(self.outcome_weight))

    def _follow(self, rows: Prepared) -> Iterator[Floats]:
        first, start = self._first(rows.encoded, rows.y)
        before = first._predict(self._of("fit", rows.held), raw_score=True)
        second = self._stage("signal")
        data = second._binned(self._of("signal", rows.encoded), rows.y, start)
        yield from second._grown(data, len(rows.y), self._of("signal", rows.held), before)

    def _first(self, encoded: Floats, y: Floats) -> tuple[FreeBooster, Floats]:
        """The fit side's booster, and its out-of-fold log-odds."""
        own, first = self._of("fit", encoded), self._stage("fit")
        first._adopt(first._boosted(first._binned(own, y), len(y), int(self.fit_rounds)))
        start = np.full(len(y), logit(np.average(y, weights=self._weights(y))))
        alike = np.unique(np.ascontiguousarray(own).view(f"V{8 * own.shape[1]}"), return_inverse=True)[1].ravel()
        if alike.max() + 1 >= FOLDS:
            for old, new in GroupKFold(FOLDS).split(own, y, alike):
                if y[old].min() < y[old].max():
                    part = first._boosted(first._binned(own[old], y[old]), len(old), int(self.fit_rounds))
                    start[new] = part.predict(first._frame_of(own[new]), raw_score=True, num_threads=self.threads)
        return first, start

    def _of(self, side: str, encoded: Floats) -> Floats:
        """The columns of one side; a side without features is a column of zeros."""
        columns = signal_mask(self.encoder_.features) == (side == "signal")
        return encoded[:, columns] if columns.any() else np.zeros((len(encoded), 1))

    def _stage(self, side: str) -> FreeBooster:
        """A booster of one side's features, with the settings of this one."""
        features = tuple(f for f in self.encoder_.features if f.side == side)
        settings = {name: value for name, value in self.get_params().items() if name not in ("features", "fit_rounds")}
        stage = FreeBooster(features or NOTHING[side], **settings)
        stage.encoder_ = Encoder(features or NOTHING[side], self.encoder_.levels, self.encoder_.fills)
        return stage

    def _contribute(self, encoded: Floats) -> Floats:
        out, signal = np.zeros((len(encoded), len(self.encoder_.features))), signal_mask(self.encoder_.features)
        for side, stage, columns in (("fit", self.fit_, ~signal), ("signal", self.signal_, signal)):
            if columns.any():
                out[:, columns] = stage._contribute(self._of(side, encoded))
        return out

    def to_files(self) -> dict[str, bytes]:
        """fit.txt and signal.txt: the two stages as LightGBM's own texts."""
        return {"fit.txt": self.fit_.to_files()["model.txt"], "signal.txt": self.signal_.to_files()["model.txt"]}

    @classmethod
    def from_files(
        cls, files: Mapping[str, bytes], encoder: Encoder, threads: int = 1, outcome_weight: float = 1.0
    ) -> Self:
        """The estimator that `to_files` and its encoder describe."""
        model = cls._restored(encoder, threads, outcome_weight)
        model.fit_, model.signal_ = model._stage("fit"), model._stage("signal")
        for stage, name in ((model.fit_, "fit.txt"), (model.signal_, "signal.txt")):
            stage._adopt(read_booster(files[name]))
        model._join()
        return model
