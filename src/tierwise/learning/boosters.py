"""Gradient boosting in which no tree reads what it must not mix."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd

from tierwise.features.feature import Feature
from tierwise.learning.encoding import Encoder, Floats, signal_mask
from tierwise.learning.forest import Forest
from tierwise.learning.sides import Prepared, SidesClassifier
from tierwise.learning.tree_tables import TreeTables

ROUNDS = (10, 20, 35, 50, 75, 100, 150, 200, 300, 400)
MAX_BIN = 255
FEW_COLUMNS = 0.6
"""Below this share of features a tree, LightGBM that reads by rows copies them for every tree: columns are faster."""


def column_names(features: Sequence[Feature]) -> list[str]:
    """The features' names as LightGBM accepts them: numbered, and without JSON's own characters."""
    return [f"{i:03d}_{re.sub(r'[^0-9A-Za-z_]', '_', f.name)}" for i, f in enumerate(features)]


class _Booster(SidesClassifier):
    """What the boosters share: LightGBM on encoded rows, with named groups of features that a tree may read together.

    rounds: trees. min_leaf: the fewest rows of a leaf; by default a two-hundredth of the rows, from 10 to 300.
    """

    path_parameter = "rounds"
    path_values = tuple(map(float, ROUNDS))

    def __init__(
        self,
        features: tuple[Feature, ...] | None = None,
        rounds: int = 100,
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
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_leaf = min_leaf
        self.lambda_l2 = lambda_l2
        self.feature_fraction = feature_fraction
        self.outcome_weight = outcome_weight
        self.threads = threads
        self.seed = seed

    @abstractmethod
    def _groups(self) -> list[list[int]]:
        """The features, by position, that one tree may read together; none: any."""

    def _learn(self, encoded: Floats, y: Floats) -> None:
        self._adopt(self._boosted(self._binned(encoded, y), len(y), int(self.rounds)))

    def _follow(self, rows: Prepared) -> Iterator[Floats]:
        yield from self._grown(self._kept(rows), len(rows.y), rows.held)

    def _grown(self, data: lightgbm.Dataset, rows: int, held: Floats, start: Floats | float = 0.0) -> Iterator[Floats]:
        """After each of ROUNDS, the log-odds of held-out rows over a start."""
        booster, frame = lightgbm.Booster(self._params(rows), data), self._frame_of(held)
        raw = np.full(len(held), -np.log(self.outcome_weight)) + start
        asked: dict[str, Any] = {"raw_score": True, "num_threads": self.threads, "verbosity": -1}
        for begin, end in pairwise((0, *ROUNDS)):
            booster.predict(held[:1], **asked)  # verbosity is of a thread, as last told, and this may be another one
            for _ in range(end - begin):
                booster.update()
            raw = raw + booster.predict(frame, start_iteration=begin, **asked)
            yield raw

    def _kept(self, rows: Prepared) -> Any:
        key = ("lightgbm", self.outcome_weight)
        if key not in rows.memo:
            rows.memo[key] = self._binned(rows.encoded, rows.y).construct()
        return rows.memo[key]

    def _boosted(self, data: lightgbm.Dataset, rows: int, rounds: int) -> lightgbm.Booster:
        return lightgbm.train(self._params(rows), data, num_boost_round=rounds)

    def _params(self, rows: int) -> dict[str, Any]:
        groups, features = [group for group in self._groups() if group], self.encoder_.features
        monotone = [0 if f.kind == "category" else f.monotone for f in features]
        return {
            "objective": "binary",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_leaf or max(10, min(300, rows // 200)),
            "lambda_l2": self.lambda_l2,
            "feature_fraction": self.feature_fraction,
            "max_bin": MAX_BIN,
            "feature_pre_filter": False,
            **({"interaction_constraints": groups} if groups else {}),
            **({"monotone_constraints": monotone} if any(monotone) else {}),
            "deterministic": True,
            "force_row_wise" if self.feature_fraction >= FEW_COLUMNS else "force_col_wise": True,
            "num_threads": self.threads,
            "seed": self.seed,
            "verbosity": -1,
        }

    def _binned(self, encoded: Floats, y: Floats, init: Floats | None = None) -> lightgbm.Dataset:
        names = column_names(self.encoder_.features)
        return lightgbm.Dataset(
            self._frame_of(encoded),
            y,
            weight=None if self.outcome_weight == 1 else self._weights(y),
            init_score=init,
            categorical_feature=[n for n, f in zip(names, self.encoder_.features, strict=True) if f.kind == "category"],
            params={"verbosity": -1, "max_bin": MAX_BIN, "num_threads": self.threads, "feature_pre_filter": False},
            free_raw_data=False,
        )

    def _frame_of(self, encoded: Floats) -> pd.DataFrame:
        return pd.DataFrame(encoded, columns=column_names(self.encoder_.features))

    def _adopt(self, booster: lightgbm.Booster) -> None:
        self.booster_ = booster
        self.__dict__.pop("tables_", None)
        self.base_ = Forest.read(booster).expected - float(np.log(self.outcome_weight))

    @cached_property
    def tables_(self) -> TreeTables:
        """The booster's contributions, as tables; built where they are first asked for."""
        return TreeTables.from_booster(self.booster_)

    def decision_function(self, X: Any) -> Floats:
        """Raw log-odds."""
        encoded = self._encoded(X)
        if not len(encoded):
            return np.zeros(0)
        return np.asarray(self._predict(encoded, raw_score=True) - np.log(self.outcome_weight))

    def _contribute(self, encoded: Floats) -> Floats:
        """Exact TreeSHAP (path-dependent) of each feature."""
        return self.tables_.contributions(encoded, self.threads)

    def _predict(self, encoded: Floats, **kind: bool) -> npt.NDArray[Any]:
        frame = self._frame_of(encoded)
        return np.asarray(self.booster_.predict(frame, num_threads=self.threads, validate_features=True, **kind))

    def times(self, weight: float) -> lightgbm.Booster:
        """The booster with every leaf times a weight, and so its contributions."""
        booster = read_booster(_text(self.booster_))
        for number, tree in enumerate(booster.dump_model()["tree_info"]):
            for leaf in range(int(tree["num_leaves"])):
                booster.set_leaf_output(number, leaf, weight * booster.get_leaf_output(number, leaf))
        return booster

    def to_files(self) -> dict[str, bytes]:
        """model.txt: the booster as LightGBM's own text; the number of threads is not part of a model."""
        return {"model.txt": _text(self.booster_)}

    @classmethod
    def from_files(
        cls, files: Mapping[str, bytes], encoder: Encoder, threads: int = 1, outcome_weight: float = 1.0
    ) -> Self:
        """The estimator that `to_files` and its encoder describe."""
        model = cls._restored(encoder, threads, outcome_weight)
        model._adopt(read_booster(files["model.txt"]))
        return model


class AdditiveBooster(_Booster):
    """Boosting of single features: every tree reads one, so that each has an exact table of points."""

    def __init__(
        self,
        features: tuple[Feature, ...] | None = None,
        rounds: int = 200,
        learning_rate: float = 0.15,
        num_leaves: int = 4,
        min_leaf: int | None = None,
        lambda_l2: float = 10.0,
        feature_fraction: float = 0.7,
        outcome_weight: float = 1.0,
        threads: int = 1,
        seed: int = 7,
    ) -> None:
        super().__init__(
            features, rounds, learning_rate, num_leaves, min_leaf, lambda_l2, feature_fraction, outcome_weight, threads,
            seed,
        )  # fmt: skip

    def _groups(self) -> list[list[int]]:
        return [[i] for i in range(len(self.encoder_.features))]


class TwoSidedBooster(_Booster):
    """Boosting of log-odds in which every tree reads one side only."""

    def _groups(self) -> list[list[int]]:
        signal = signal_mask(self.encoder_.features)
        return [np.flatnonzero(~signal).tolist(), np.flatnonzero(signal).tolist()]


class FreeBooster(_Booster):
    """Boosting in which any tree reads any feature: the yardstick of what two sides cost, never a candidate."""

    def _groups(self) -> list[list[int]]:
        return []


def _text(booster: lightgbm.Booster) -> bytes:
    return re.sub(r"\[num_threads: \d+\]", "[num_threads: 1]", booster.model_to_string()).encode()


def read_booster(text: bytes) -> lightgbm.Booster:
    """The booster that a text describes.

    Raises
    ------
    ValueError : it describes none.
    """
    try:
        return lightgbm.Booster(model_str=text.decode())
    except lightgbm.basic.LightGBMError as error:
        raise ValueError(f"not a LightGBM text: {error}") from error
