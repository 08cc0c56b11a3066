"""What every candidate is: log-odds of two sides that add up, in scikit-learn's manners."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from tierwise.errors import NoUsableModel
from tierwise.features.feature import Feature
from tierwise.learning.encoding import NO_LEVELS, Encoder, Floats, Levels, signal_mask


class OneClass(NoUsableModel, ValueError):
    """All rows have the same outcome; a ValueError too, as scikit-learn expects."""


@dataclass
class Path:
    """What one fit says of held-out rows at each strength of regularisation, weakest model first; made as asked for.

    values: of the estimator's `path_parameter`. steps: value by value the rows' raw log-odds.
    """

    values: tuple[float, ...]
    steps: Iterator[Floats]
    found: list[Floats] = field(default_factory=list)

    def at(self, place: int) -> Floats:
        """The raw log-odds at a place of the path."""
        while len(self.found) <= place:
            self.found.append(next(self.steps))
        return self.found[place]


@dataclass(frozen=True)
class Prepared:
    """Training rows and held-out rows as numbers, made once and followed by many settings.

    held_y: the outcomes of the rows held out. memo: what estimators keep between
    settings (binned rows), by a key of their own.
    """

    encoder: Encoder
    encoded: Floats
    y: Floats
    held: Floats
    held_y: Floats
    memo: dict[Any, Any] = field(default_factory=dict)


def prepare(
    features: Sequence[Feature],
    X: pd.DataFrame,
    y: Floats,
    held: pd.DataFrame,
    held_y: Floats,
    named: Levels = NO_LEVELS,
) -> Prepared:
    """Encode training rows, and the rows held out by what the training rows taught.

    named: by category, the levels that are kept however rare.

    Raises
    ------
    NoUsableModel : all training rows have the same outcome, or there is no feature.
    """
    _two_classes(np.unique(y))
    encoder = Encoder.learn(X, _some(features), named)
    outcomes, later = np.asarray(y, dtype=np.float64), np.asarray(held_y, dtype=np.float64)
    return Prepared(encoder, encoder.encode(X), outcomes, encoder.encode(held), later)


def _two_classes(classes: npt.NDArray[Any]) -> None:
    if len(classes) > 2:
        raise ValueError(
            "Only binary classification is supported. The type of the target is multiclass: there are "
            f"{len(classes)} classes"
        )
    if len(classes) < 2:
        raise OneClass("A model was to learn from rows", found="all of them have the same outcome (one class)")


def _some(features: Sequence[Feature]) -> Sequence[Feature]:
    if not features:
        raise NoUsableModel("A model was to learn from rows", found="there are no features")
    return features


class SidesClassifier(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """A binary classifier: log-odds = base + fit side + signal side, no term of which reads both sides.

    A subclass learns from encoded rows (`_learn`), gives contributions of encoded rows (`_contribute`), follows its
    regularisation path (`_follow`), and writes and reads its files.

    features: what X holds, by name; None takes every column of X as a number of the fit side. outcome_weight: what a
    row with the outcome counts for against one without; the base is corrected for it, so that probabilities keep their
    level.
    """

    path_parameter: ClassVar[str]
    path_values: ClassVar[tuple[float, ...]]

    features: tuple[Feature, ...] | None
    outcome_weight: float
    threads: int
    encoder_: Encoder
    base_: float

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from rows X (a frame with the features by name, or numbers) and two classes y.

        Raises
        ------
        NoUsableModel : all rows have the same outcome, or there is no feature.
        ContractError : a declared feature is missing, renamed, doubled, retyped or infinite.
        """
        encoded, outcomes = self._started(X, y)
        self._learn(encoded, outcomes)
        return self

    def again(self, **changed: Any) -> Self:
        """An estimator with the same settings but for those changed, not yet fitted."""
        return type(self)(**self.get_params(deep=False) | changed)

    def path(self, rows: Prepared) -> Path:
        """The raw log-odds of the rows held out by models of the training rows, the most regularised first."""
        self.encoder_ = rows.encoder
        return Path(self.path_values, self._follow(rows))

    def _started(self, X: Any, y: Any) -> tuple[Floats, Floats]:
        """Rows as numbers and outcomes as 0 and 1, with what scikit-learn wants noted."""
        if self.features is None:
            X, y = validate_data(self, X, y, ensure_all_finite="allow-nan", dtype=np.float64)
        else:
            y = np.asarray(y)
            self.n_features_in_ = len(self.features)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        _two_classes(self.classes_)
        features = self.features
        if features is None:
            features = tuple(Feature(name, "fit", "number", "", f"{name}: {{value}}") for name in self._names())
        _some(features)
        frame = pd.DataFrame(X, columns=[f.name for f in features]) if self.features is None else X
        self.encoder_ = Encoder.learn(frame, features, self._named(features))
        return self.encoder_.encode(frame), codes.astype(np.float64)

    def _named(self, features: Sequence[Feature]) -> Levels:
        """By category, the levels that are kept however rare."""
        return NO_LEVELS

    def _names(self) -> list[str]:
        named = getattr(self, "feature_names_in_", None)
        return [f"x{i}" for i in range(self.n_features_in_)] if named is None else [str(name) for name in named]

    def _frame(self, X: Any) -> pd.DataFrame:
        """Rows to be read by a fitted model, by name."""
        check_is_fitted(self, "encoder_")
        if self.features is not None:
            return X
        values = validate_data(self, X, reset=False, ensure_all_finite="allow-nan", dtype=np.float64)
        return pd.DataFrame(values, columns=[f.name for f in self.encoder_.features])

    def _encoded(self, X: Any) -> Floats:
        frame = self._frame(X)
        return self.encoder_.encode(frame)

    def _weights(self, y: Floats) -> Floats:
        return np.asarray(np.where(y == 1, self.outcome_weight, 1.0), dtype=np.float64)

    @abstractmethod
    def _learn(self, encoded: Floats, y: Floats) -> None:
        """Learn from encoded rows and outcomes of 0 and 1."""

    @abstractmethod
    def _follow(self, rows: Prepared) -> Iterator[Floats]:
        """Value by value of the path, the raw log-odds of the rows held out."""

    @abstractmethod
    def _contribute(self, encoded: Floats) -> Floats:
        """The contributions of encoded rows."""

    def contributions(self, X: Any) -> Floats:
        """Each feature's exact share of the raw log-odds, zero on average in training: rows x features."""
        return self._contribute(self._encoded(X))

    def sides(self, X: Any) -> tuple[Floats, Floats]:
        """The log-odds of the fit side and of the signal side."""
        parts, signal = self.contributions(X), signal_mask(self.encoder_.features)
        return parts[:, ~signal].sum(axis=1), parts[:, signal].sum(axis=1)

    def decision_function(self, X: Any) -> Floats:
        """Raw log-odds: base + fit side + signal side."""
        fit, signal = self.sides(X)
        return np.asarray(self.base_ + fit + signal)

    def predict_proba(self, X: Any) -> Floats:
        """Rows x 2: the uncalibrated probabilities of the two classes."""
        p = expit(self.decision_function(X))
        return np.column_stack([1 - p, p])

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The likelier class."""
        likelier = (self.decision_function(X) > 0).astype(np.int64)
        return np.asarray(self.classes_[likelier])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags

    @abstractmethod
    def to_files(self) -> dict[str, bytes]:
        """What was learned, beside the encoder, as files."""

    @classmethod
    @abstractmethod
    def from_files(
        cls, files: Mapping[str, bytes], encoder: Encoder, threads: int = 1, outcome_weight: float = 1.0
    ) -> Self:
        """The estimator that `to_files` and its encoder describe.

        outcome_weight: what it was fitted with; the files do not say it.
        """

    @classmethod
    def _restored(cls, encoder: Encoder, threads: int, outcome_weight: float) -> Self:
        model = cls(features=encoder.features, threads=threads, outcome_weight=outcome_weight)
        model.encoder_, model.classes_ = encoder, np.array([0, 1])
        model.n_features_in_ = len(encoder.features)
        return model
