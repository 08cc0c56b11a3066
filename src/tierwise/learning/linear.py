"""A regularised logistic regression of two sides, whose reasons are per original feature."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from tierwise.errors import NoUsableModel
from tierwise.features.feature import Feature
from tierwise.learning.calibration import row_log_loss
from tierwise.learning.encoding import Encoder, Floats, signal_mask
from tierwise.learning.splits import inner_split, instants


@dataclass(frozen=True)
class Column:
    """One column of the design: a feature, how it is read (`raw`, `log`, `over`, `missing`, `level`), and its scale.

    at: the knot of `over`, the code of `level`. low, high: bounds to which numbers are clipped.
    """

    feature: int
    how: str
    at: float = 0.0
    low: float = 0.0
    high: float = 0.0
    centre: float = 0.0
    scale: float = 1.0

    def read(self, x: Floats, fill: float) -> Floats:
        """The column before centring, from a feature's encoded values."""
        if self.how == "missing":
            return np.isnan(x).astype(np.float64)
        if self.how == "level":
            return (np.isnan(x) if np.isnan(self.at) else x == self.at).astype(np.float64)
        x = np.clip(np.where(np.isnan(x), fill, x), self.low, self.high)
        if self.how == "raw":
            return x
        logged = np.sign(x) * np.log1p(np.abs(x))
        return logged if self.how == "log" else np.maximum(logged - self.at, 0.0)


class LinearSides(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """L2-regularised logistic regression, additive by feature.

    Each number enters raw and clipped to its central 99.8 %, where skewed also as sign(x) log(1 + |x|), and above a
    knot at its median, all standardised; each category one-hot. Whether curves (the logs and knots) enter, and C, are
    chosen by log-loss forward in time, with a gap of `horizon_days`, inside the rows given; without `as_of`, or with
    too little history, they do, and C is `default_c`.
    """

    def __init__(
        self,
        features: tuple[Feature, ...] = (),
        horizon_days: int = 90,
        grid: tuple[float, ...] = (0.0003, 0.003, 0.03, 0.3),
        default_c: float = 0.03,
        threads: int = 1,
    ) -> None:
        self.features = features
        self.horizon_days = horizon_days
        self.grid = grid
        self.default_c = default_c
        self.threads = threads

    def fit(self, X: pd.DataFrame, y: Any, as_of: Any = None) -> LinearSides:
        """Learn from rows X and outcomes y (0 or 1); `as_of` lets C be chosen forward in time."""
        y = np.asarray(y, dtype=np.float64)
        if not len(y) or y.min() == y.max():
            raise NoUsableModel("A linear model was to learn from rows", found="all of them have the same outcome")
        if not self.features:
            raise NoUsableModel("A linear model was to learn from rows", found="there are no features")
        self.classes_ = np.array([0, 1])
        self.encoder_ = Encoder.learn(X, self.features)
        encoded = self.encoder_.encode(X)
        self.columns_ = design(encoded, self.encoder_)
        z = self._design(encoded)
        split = None if as_of is None else inner_split(instants(as_of), y, self.horizon_days)
        with threadpool_limits(self.threads), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            keep, self.c_ = (self._all(), self.default_c) if split is None else self._choose(z, y, *split)
            solved = _solver(self.c_).fit(z[:, keep], y)
        self.columns_ = tuple(self.columns_[k] for k in keep)
        self.coef_, self.base_ = solved.coef_[0].copy(), float(solved.intercept_[0])
        return self

    def _all(self) -> list[int]:
        return list(range(len(self.columns_)))

    def _choose(
        self, z: Floats, y: Floats, older: npt.NDArray[np.bool_], newer: npt.NDArray[np.bool_]
    ) -> tuple[list[int], float]:
        """The columns (straight lines only, or curves too) and the C of the lowest log-loss on the newer rows."""
        straight = [k for k, column in enumerate(self.columns_) if column.how not in ("log", "over")]
        tried: list[tuple[float, list[int], float]] = []
        for keep in [straight, self._all()] if 0 < len(straight) < len(self.columns_) else [self._all()]:
            solver = _solver(self.grid[0], warm_start=True)
            old, new = z[older][:, keep], z[newer][:, keep]
            for c in self.grid:
                solver.set_params(C=c).fit(old, y[older])
                tried.append((float(row_log_loss(solver.decision_function(new), y[newer]).mean()), keep, c))
        _, keep, c = min(tried, key=lambda line: line[0])
        return keep, c

    def _design(self, encoded: Floats) -> Floats:
        out = np.empty((len(encoded), len(self.columns_)))
        for j, column in enumerate(self.columns_):
            fill = self.encoder_.fills[self.features[column.feature].name]
            out[:, j] = (column.read(encoded[:, column.feature], fill) - column.centre) / column.scale
        return out

    def contributions(self, X: pd.DataFrame) -> Floats:
        """coefficient x (value - training mean), summed over each feature's columns, in log-odds: rows x features."""
        parts = self._design(self.encoder_.encode(X)) * self.coef_
        out = np.zeros((len(X), len(self.features)))
        for j, column in enumerate(self.columns_):
            out[:, column.feature] += parts[:, j]
        return out

    def sides(self, X: pd.DataFrame) -> tuple[Floats, Floats]:
        """The log-odds of the fit side and of the signal side."""
        parts, signal = self.contributions(X), signal_mask(self.features)
        return parts[:, ~signal].sum(axis=1), parts[:, signal].sum(axis=1)

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

    def to_dict(self) -> dict[str, Any]:
        """The intercept and, column by column, what is read and its coefficient, as JSON."""
        columns = []
        for column, weight in zip(self.columns_, self.coef_, strict=True):
            at = None if np.isnan(column.at) else column.at
            line = {"feature": self.features[column.feature].name, "how": column.how, "at": at}
            line |= {"low": column.low, "high": column.high, "centre": column.centre, "scale": column.scale}
            columns.append(line | {"coefficient": float(weight)})
        return {"intercept": self.base_, "c": self.c_, "columns": columns}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], encoder: Encoder, threads: int = 1) -> LinearSides:
        """The estimator that `to_dict` and its encoder describe."""
        model = cls(features=encoder.features, threads=threads)
        model.encoder_, model.classes_ = encoder, np.array([0, 1])
        model.base_, model.c_ = float(data["intercept"]), float(data["c"])
        position = {f.name: i for i, f in enumerate(encoder.features)}
        model.columns_ = tuple(
            Column(
                position[line["feature"]],
                str(line["how"]),
                float("nan") if line["at"] is None else float(line["at"]),
                *(float(line[key]) for key in ("low", "high", "centre", "scale")),
            )
            for line in data["columns"]
        )
        model.coef_ = np.array([float(line["coefficient"]) for line in data["columns"]])
        return model


def _solver(c: float, warm_start: bool = False) -> Any:
    return LogisticRegression(C=c, solver="newton-cholesky", max_iter=50, tol=1e-6, warm_start=warm_start)


def design(encoded: Floats, encoder: Encoder) -> tuple[Column, ...]:
    """The columns that training rows call for, centred; numbers scaled to unit variance; constant columns left out."""
    plain: list[Column] = []
    for j, feature in enumerate(encoder.features):
        x = encoded[:, j]
        if feature.kind == "category":
            codes = [float(c) for c in range(len(encoder.levels[feature.name]) + 1)]
            plain += [Column(j, "level", at) for at in ([*codes, np.nan] if feature.missing == "value" else codes)]
            continue
        known = x[~np.isnan(x)]
        if feature.missing == "value":
            plain.append(Column(j, "missing"))
        if len(known):
            plain += _number(j, known)
    columns = []
    for column in plain:
        values = column.read(encoded[:, column.feature], encoder.fills[encoder.features[column.feature].name])
        spread = float(values.std())
        if spread < 1e-12:
            continue
        scale = 1.0 if column.how in ("level", "missing") else spread
        columns.append(
            Column(column.feature, column.how, column.at, column.low, column.high, float(values.mean()), scale)
        )
    return tuple(columns)


def _number(j: int, known: Floats) -> list[Column]:
    """How a number is read: raw; logged too if skewed; and above its median if it has more than a few values."""
    low, high = (float(q) for q in np.quantile(known, [0.001, 0.999]))
    if low == high:
        low, high = float(known.min()), float(known.max())
    x = np.clip(known, low, high)
    columns = [Column(j, "raw", low=low, high=high)]
    spread = x.std()
    if spread < 1e-12 or len(np.unique(x)) < 3:
        return columns
    if abs(float((((x - x.mean()) / spread) ** 3).mean())) > 1.0:
        columns.append(Column(j, "log", low=low, high=high))
    logged = np.sign(x) * np.log1p(np.abs(x))
    knot = float(np.median(logged))
    if len(np.unique(x)) > 8 and logged.min() < knot < logged.max():
        columns.append(Column(j, "over", knot, low, high))
    return columns
