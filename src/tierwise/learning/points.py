"""The point table of a model that adds up feature by feature: what each value is worth, and how many had it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tierwise.features.feature import Feature
from tierwise.learning.binning import MISSING, Bins, Codes
from tierwise.learning.boosters import AdditiveBooster
from tierwise.learning.encoding import Encoder, Floats
from tierwise.learning.metrics import wilson
from tierwise.learning.model import PropensityModel
from tierwise.learning.scorecard import Scorecard
from tierwise.learning.tree_tables import PointTable

DOUBLE = 20
"""So many points double the odds."""
PRIVATE = 10
"""What became of fewer accounts is not told: it would tell of single ones."""
BASE, EVERYONE, OTHER, EMPTY = "base", "every account", "any other", "(empty)"
COLUMNS = (
    "feature", "words", "side", "bin", "at_least", "below", "level", "log_odds", "odds_times", "points", "rows",
    "accounts", "outcomes", "rate", "low", "high",
)  # fmt: skip

Steps = tuple[Bins, Floats]
"""A feature's bins, and the raw log-odds by code: of what is missing, of bin 0, of bin 1, ..."""


def point_table(model: PropensityModel, rows: pd.DataFrame) -> pd.DataFrame | None:
    """A line for the base and for each bin of each feature; None of a model whose features do not add up one by one.

    The base and the one line of each feature that an account falls in sum to its calibrated log-odds, but for what a
    season, and a calibrator that is no affine map, add.

    rows: training rows (account_id, outcome and the features), which are counted by line.

    Columns: feature, words (the catalogue's, with … for the value), side, bin (in words), at_least and below (NaN:
    without bound) of a number, level of a category, log_odds (calibrated, 0 in the mean), odds_times (what it
    multiplies the odds by), points (20 double the odds, rounded), rows, accounts, outcomes, rate and its 95 % interval
    low, high (Wilson's, by accounts; NaN below 10).
    """
    steps = _steps(model)
    if steps is None:
        return None
    encoder = model.estimator.encoder_
    encoded, y = encoder.encode(rows), rows["outcome"].to_numpy(dtype=np.float64)
    accounts, _ = pd.factorize(rows["account_id"])
    (everyone,) = _counted(np.zeros(len(rows), dtype=np.intp), 1, y, accounts)
    lines: list[tuple[Any, ...]] = [
        (BASE, "", "", EVERYONE, np.nan, np.nan, None, *_worth(model.base), *everyone),
    ]
    for j, (feature, (bins, worth)) in enumerate(zip(encoder.features, steps, strict=True)):
        counted = _counted(bins.codes(encoded[:, j]), len(worth), y, accounts)
        head = (feature.name, feature.words.replace("{value}", "…"), feature.side)
        for code, said in _said_of(feature, bins, rows[feature.name], encoder):
            lines.append((*head, *said, *_worth(model.slope * float(worth[code])), *counted[code]))
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _steps(model: PropensityModel) -> list[Steps] | None:
    estimator = model.estimator
    if isinstance(estimator, Scorecard):
        return list(zip(estimator.bins_, estimator.tables_, strict=True))
    if not isinstance(estimator, AdditiveBooster):
        return None
    tables = zip(estimator.encoder_.features, estimator.tables_.point_tables(), strict=True)
    return [_of_trees(feature, table, estimator.encoder_) for feature, table in tables]


def _of_trees(feature: Feature, table: PointTable, encoder: Encoder) -> Steps:
    """A step function whose cells end with their edges, as one whose bins begin with them; equal neighbours are one."""
    if feature.kind == "category":
        levels = len(encoder.levels[feature.name]) + 1
        return Bins((), levels, True, 0), np.append(table.missing, table.of(np.arange(levels, dtype=np.float64)))
    new = np.flatnonzero(np.diff(table.values))
    edges = np.nextafter(table.edges, np.inf)[new]
    return Bins(tuple(edges.tolist()), 0, True, 0), np.append(table.missing, table.values[np.append(0, new + 1)])


def _said_of(
    feature: Feature, bins: Bins, column: pd.Series, encoder: Encoder
) -> Iterator[tuple[int, tuple[str, float, float, str | None]]]:
    """Each bin's code, and what is said of it: words, at_least, below, level."""
    if feature.kind == "category":
        for code, level in enumerate((*encoder.levels[feature.name], OTHER), start=MISSING + 1):
            yield code, (level or EMPTY, np.nan, np.nan, level)
    else:
        fill = encoder.fills[feature.name]
        greatest = (fill - 1) / 2 if feature.missing == "beyond" else np.inf
        span = _Span(feature, column.dropna().to_numpy(dtype=np.float64), greatest, np.asarray(bins.edges))
        bounds = pairwise([-np.inf, *bins.edges, np.inf])
        for code, (low, high) in enumerate(bounds, start=MISSING + 1):
            yield code, (span.words(low, high), low, high, None)
    if feature.missing == "value":
        yield MISSING, (feature.absent, np.nan, np.nan, None)


class _Span:
    """How a feature's ranges are said: whole numbers by first and last, flags by yes and no, days as whole ones."""

    def __init__(self, feature: Feature, known: Floats, greatest: float, edges: Floats) -> None:
        self.feature, self.greatest = feature, greatest
        self.whole = bool(len(known)) and feature.unit != "log ratio" and bool((known == np.floor(known)).all())
        self.in_days = feature.unit.startswith("days") and not self.whole
        self.digits = _digits(edges[edges <= greatest]) if self.in_days else None
        self.least = float(known.min()) if len(known) else -np.inf

    def words(self, low: float, high: float) -> str:
        """The range from low to below high."""
        if low > self.greatest:
            return self.feature.absent
        beyond = self.greatest < np.inf and high == np.inf
        said = self._of_known(low, np.inf if high > self.greatest else high)
        return f"{said}, or {self.feature.absent}" if beyond else said

    def _of_known(self, low: float, high: float) -> str:
        if low == -np.inf and high == np.inf:
            return "any value"
        if self.feature.kind == "flag":
            return "no" if high <= 1 else "yes"
        if self.whole:
            return self._of_whole(low, high)
        first, last = self._said(low), self._said(high)
        unit = " days" if self.in_days else ""
        if low == -np.inf:
            return f"below {last}{unit}"
        return f"{first}{unit} or more" if high == np.inf else f"{first} to below {last}{unit}"

    def _said(self, value: float) -> str:
        if self.feature.unit == "log ratio":
            return f"{np.exp(value):.2g}"
        return _said(value) if self.digits is None or not math.isfinite(value) else f"{value:,.{self.digits}f}"

    def _of_whole(self, low: float, high: float) -> str:
        if high == np.inf:
            return f"{_said(math.ceil(low))} or more"
        last = math.ceil(high) - 1
        if low == -np.inf:
            return "0" if self.least == last == 0 else f"up to {_said(last)}"
        first = math.ceil(low)
        return _said(last) if first >= last else f"{_said(first)} to {_said(last)}"


def _digits(edges: Floats) -> int | None:
    """The fewest decimals at which no edge looks like another or like 0; None where more than three are needed."""
    found = (d for d in range(4) if len(np.unique(np.append(np.round(edges, d), 0.0))) == len(edges) + 1)
    return next(found, None)


def _said(value: float) -> str:
    if not math.isfinite(value):
        return ""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 10_000 else f"{value:.5g}"


def _worth(log_odds: float) -> tuple[float, float, int]:
    return log_odds, math.exp(log_odds), round(DOUBLE * log_odds / math.log(2))


def _counted(codes: Codes, n: int, y: Floats, accounts: npt.NDArray[np.intp]) -> list[tuple[float, ...]]:
    """By code, of n: rows, accounts, outcomes, rate, low, high."""
    rows, outcomes = np.bincount(codes, minlength=n), np.bincount(codes, y, n)
    had = np.zeros((n, int(accounts.max(initial=-1)) + 1), dtype=bool)
    had[codes, accounts] = True
    return [_line(*counts) for counts in zip(rows.tolist(), had.sum(axis=1).tolist(), outcomes.tolist(), strict=True)]


def _line(rows: int, accounts: int, outcomes: float) -> tuple[float, ...]:
    if accounts < PRIVATE:
        return rows, accounts, np.nan, np.nan, np.nan, np.nan
    rate = outcomes / rows
    return rows, accounts, outcomes, rate, *wilson(rate * accounts, accounts)
