"""One booster of two sides: trees never mix who they are with what they do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin

from tierwise.errors import NoUsableModel
from tierwise.features.feature import Feature
from tierwise.learning.encoding import Encoder, Floats, signal_mask
from tierwise.learning.splits import inner_split, instants


def column_names(features: Sequence[Feature]) -> list[str]:
    """The features' names as LightGBM accepts them: numbered, and without JSON's own characters."""
    return [f"{i:03d}_{re.sub(r'[^0-9A-Za-z_]', '_', f.name)}" for i, f in enumerate(features)]


class TwoSidedBooster(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Gradient boosting of log-odds in which every tree reads one side only.

    features: what X holds, by name. The number of rounds is found by early stopping forward in time, with a gap of
    `horizon_days`, inside the rows given; without `as_of`, or with too little history, it is `default_rounds`.
    """

    def __init__(
        self,
        features: tuple[Feature, ...] = (),
        horizon_days: int = 90,
        learning_rate: float = 0.05,
        num_leaves: int = 15,
        lambda_l2: float = 10.0,
        feature_fraction: float = 0.7,
        max_rounds: int = 500,
        patience: int = 30,
        default_rounds: int = 80,
        threads: int = 1,
        seed: int = 7,
    ) -> None:
        self.features = features
        self.horizon_days = horizon_days
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.lambda_l2 = lambda_l2
        self.feature_fraction = feature_fraction
        self.max_rounds = max_rounds
        self.patience = patience
        self.default_rounds = default_rounds
        self.threads = threads
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: Any, as_of: Any = None) -> TwoSidedBooster:
        """Learn from rows X and outcomes y (0 or 1); `as_of` lets the number of rounds be chosen forward in time."""
        y = np.asarray(y, dtype=np.float64)
        if not len(y) or y.min() == y.max():
            raise NoUsableModel("A booster was to learn from rows", found="all of them have the same outcome")
        if not self.features:
            raise NoUsableModel("A booster was to learn from rows", found="there are no features")
        self.classes_ = np.array([0, 1])
        self.encoder_ = Encoder.learn(X, self.features)
        encoded = self.encoder_.encode(X)
        split = None if as_of is None else inner_split(instants(as_of), y, self.horizon_days)
        self.rounds_ = self.default_rounds
        if split is not None:
            older, newer = split
            train = self._dataset(encoded[older], y[older])
            valid = self._dataset(encoded[newer], y[newer], train)
            stopped = lightgbm.train(
                self._params(int(older.sum())),
                train,
                num_boost_round=self.max_rounds,
                valid_sets=[valid],
                callbacks=[lightgbm.early_stopping(self.patience, verbose=False)],
            )
            self.rounds_ = max(1, stopped.best_iteration)
        booster = lightgbm.train(self._params(len(y)), self._dataset(encoded, y), num_boost_round=self.rounds_)
        return self._adopt(booster)

    def _adopt(self, booster: lightgbm.Booster) -> TwoSidedBooster:
        self.booster_ = booster
        self.leaves_, self.expected_, self.tree_is_signal_ = _trees(booster, signal_mask(self.features))
        self.base_ = float(self.expected_.sum())
        return self

    def _params(self, rows: int) -> dict[str, Any]:
        signal = signal_mask(self.features)
        sides = [np.flatnonzero(~signal).tolist(), np.flatnonzero(signal).tolist()]
        return {
            "objective": "binary",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": max(10, min(300, rows // 200)),
            "lambda_l2": self.lambda_l2,
            "feature_fraction": self.feature_fraction,
            "max_bin": 127,
            "interaction_constraints": [side for side in sides if side],
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.threads,
            "seed": self.seed,
            "verbosity": -1,
        }

    def _frame(self, encoded: Floats) -> pd.DataFrame:
        return pd.DataFrame(encoded, columns=column_names(self.features))

    def _dataset(self, encoded: Floats, y: Floats, like: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
        names = column_names(self.features)
        categories = [n for n, f in zip(names, self.features, strict=True) if f.kind == "category"]
        params = {"verbosity": -1, "max_bin": 127, "num_threads": self.threads}
        return lightgbm.Dataset(
            self._frame(encoded), y, reference=like, categorical_feature=categories, params=params, free_raw_data=False
        )

    def _predict(self, X: pd.DataFrame, **kind: bool) -> npt.NDArray[Any]:
        frame = self._frame(self.encoder_.encode(X))
        return np.asarray(self.booster_.predict(frame, num_threads=self.threads, validate_features=True, **kind))

    def sides(self, X: pd.DataFrame) -> tuple[Floats, Floats]:
        """The log-odds of the fit side and of the signal side, each centred as its contributions are."""
        if not len(X):
            return np.zeros(0), np.zeros(0)
        leaves = self._predict(X, pred_leaf=True).reshape(len(X), -1).astype(np.int64)
        out = np.zeros((2, len(X)))
        for tree, is_signal in enumerate(self.tree_is_signal_):
            out[int(is_signal)] += self.leaves_[tree, leaves[:, tree]] - self.expected_[tree]
        return out[0], out[1]

    def contributions(self, X: pd.DataFrame) -> Floats:
        """Exact TreeSHAP (path-dependent) of each feature, in log-odds: rows x features."""
        if not len(X):
            return np.zeros((0, len(self.features)))
        return np.asarray(self._predict(X, pred_contrib=True)[:, :-1], dtype=np.float64)

    def decision_function(self, X: pd.DataFrame) -> Floats:
        """Raw log-odds."""
        fit, signal = self.sides(X)
        return self.base_ + fit + signal

    def predict_proba(self, X: pd.DataFrame) -> Floats:
        """Rows x 2: the uncalibrated probabilities of 0 and 1."""
        p = expit(self.decision_function(X))
        return np.column_stack([1 - p, p])

    def predict(self, X: pd.DataFrame) -> npt.NDArray[np.int64]:
        """The likelier class."""
        return (self.decision_function(X) > 0).astype(np.int64)

    def to_text(self) -> str:
        """The booster as LightGBM's own text; the number of threads is not part of a model."""
        return re.sub(r"\[num_threads: \d+\]", "[num_threads: 1]", self.booster_.model_to_string())

    @classmethod
    def from_text(cls, text: str, encoder: Encoder, threads: int = 1) -> TwoSidedBooster:
        """The estimator that `to_text` and its encoder describe."""
        model = cls(features=encoder.features, threads=threads)
        model.encoder_, model.classes_ = encoder, np.array([0, 1])
        try:
            return model._adopt(lightgbm.Booster(model_str=text))
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(f"not a LightGBM text: {error}") from error


def _trees(booster: lightgbm.Booster, signal: npt.NDArray[np.bool_]) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Each tree's leaf values (trees x leaves), its expectation over training rows, and whether it reads signals."""
    trees = [info["tree_structure"] for info in booster.dump_model()["tree_info"]]
    widest = max((info["num_leaves"] for info in booster.dump_model()["tree_info"]), default=1)
    values, expected = np.zeros((len(trees), widest)), np.zeros(len(trees))
    is_signal = np.zeros(len(trees), dtype=bool)
    for i, root in enumerate(trees):
        if "split_feature" not in root:
            values[i, 0] = expected[i] = root["leaf_value"]
            continue
        is_signal[i] = signal[root["split_feature"]]
        counts = np.zeros(widest)
        stack = [root]
        while stack:
            node = stack.pop()
            if "leaf_index" in node:
                values[i, node["leaf_index"]] = node["leaf_value"]
                counts[node["leaf_index"]] = node["leaf_count"]
            else:
                stack += [node["left_child"], node["right_child"]]
        expected[i] = values[i] @ counts / counts.sum()
    return values, expected, is_signal
