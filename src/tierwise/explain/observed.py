"""What became of accounts like this one: observed rates of the outcome by a feature's value, from training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tierwise.features.catalogue import LONGEST_AGO
from tierwise.features.feature import Feature
from tierwise.learning.metrics import wilson

if TYPE_CHECKING:
    from tierwise.features.matrix import Matrix

Floats = npt.NDArray[np.float64]

BINS = 5
PRIVATE = 10
"""A bin of fewer accounts is not kept: it would tell of single ones."""
LEAST_ACCOUNTS = 50
"""A rate is said of no fewer accounts."""
NONE_SHARE = 0.05
"""Zeros are a bin of their own from this share on."""
HAD = "had the outcome"
OF_ACTS = ("activities", "fading activities", "contacts", "events", "yes or no")
"""Units of what buyers did, on the signal side: more of it is expected to raise, none of it to lower."""
CAP = 0.9
"""What counts as seen in training: up to this quantile of the values above zero."""


@dataclass(frozen=True)
class Observed:
    """Rates by bin. base: the rate of all rows. features: name -> edges or levels, and a cell for each bin. had: what
    accounts with the outcome did, and within how long."""

    base: float
    features: Mapping[str, Mapping[str, Any]]
    had: str = HAD

    def cell(self, feature: Feature, value: Any) -> Mapping[str, Any] | None:
        """The bin in which a value lies (`rows`, `accounts`, `outcomes`, `rate`, `low`, `high`), if it is kept."""
        kept = self.features.get(feature.name)
        if kept is None:
            return None
        cell: Mapping[str, Any] | None = kept["cells"][_place(kept, value)]
        return cell

    def words(self, feature: Feature, value: Any, raises: bool) -> str:
        """How many accounts of this value had the outcome, or `""`.

        Said of 50 accounts or more whose interval (95 %, Wilson's, by accounts) excludes the average, and only where
        the rate lies on the side to which the reason points: one feature's rate holds no other feature equal.
        """
        cell = self.cell(feature, value)
        if cell is None or self._side(cell) != (1 if raises else -1):
            return ""
        said = f"{one_in(cell['rate'])} of {cell['accounts']:,} such accounts {self.had}"
        return f"{said}, {times(cell['rate'] / self.base)} the average" if cell["rate"] > 0 else said

    def sides(self, feature: Feature, column: pd.Series) -> npt.NDArray[np.int64]:
        """Where each value's rate surely lies: 1 above the average, -1 below it, 0 where nothing is sure."""
        kept = self.features.get(feature.name)
        if kept is None:
            return np.zeros(len(column), dtype=np.int64)
        return np.array([self._side(cell) for cell in kept["cells"]], dtype=np.int64)[_places(kept, column)]

    def against(self, feature: Feature, column: pd.Series, log_odds: Floats) -> npt.NDArray[np.bool_]:
        """Where a reason would mislead a reader: the rate of accounts of its value surely lies on the other side, or
        the reason is odd (nothing happened, and it raises; something did, and it lowers) and no rate bears it out."""
        sides = self.sides(feature, column) * np.sign(log_odds)
        return np.asarray(np.where(_expected(feature, column) * log_odds < 0, sides <= 0, sides < 0))

    def turned(self, feature: Feature, before: Any, after: Any) -> int:
        """Where a value's rate surely moved with it: 1 up, -1 down, 0 where the two are not told apart."""
        first, last = self.cell(feature, before), self.cell(feature, after)
        if first is None or last is None or min(first["accounts"], last["accounts"]) < LEAST_ACCOUNTS:
            return 0
        return int(last["low"] > first["high"]) - int(last["high"] < first["low"])

    def _side(self, cell: Mapping[str, Any] | None) -> int:
        if cell is None or cell["accounts"] < LEAST_ACCOUNTS or cell["low"] <= self.base <= cell["high"]:
            return 0
        return 1 if cell["rate"] > self.base else -1

    def seen_up_to(self, name: str) -> float:
        """The largest value of a number that counts as seen in training; 0 where nothing above it was."""
        kept = self.features.get(name)
        return 0.0 if kept is None else float(kept.get("seen", 0.0))

    def to_dict(self) -> dict[str, Any]:
        """The rates as JSON values, for the bundle's meta."""
        features = {name: dict(kept) for name, kept in self.features.items()}
        return {"base": self.base, "features": features, "had": self.had}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> Observed | None:
        """What `to_dict` wrote; None of a bundle that holds none."""
        return cls(float(data["base"]), data["features"], str(data.get("had", HAD))) if data else None


def observe(matrix: Matrix, features: Sequence[Feature], had: str = HAD) -> Observed:
    """Count the outcomes of eligible, mature rows by each feature's value. had: the outcome, as a verb in the past."""
    rows = matrix.eligible().mature().frame
    y = rows["outcome"].to_numpy(dtype=np.float64)
    accounts, _ = pd.factorize(rows["account_id"])
    kept = {f.name: _bins(f, rows[f.name]) for f in features}
    return Observed(
        round(float(y.mean()), 6),
        {f.name: kept[f.name] | {"cells": _cells(kept[f.name], rows[f.name], y, accounts)} for f in features},
        f"{had} within {matrix.horizon_days} days",
    )


def _expected(feature: Feature, column: pd.Series) -> Floats:
    """Where a reader expects each value to point: 1 what happened, -1 what did not, 0 where nothing is expected."""
    if feature.side != "signal" or feature.unit not in (*OF_ACTS, "days or never"):
        return np.zeros(len(column))
    value = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if feature.unit == "days or never":
        return np.where(value < LONGEST_AGO, 0.0, -1.0)
    return np.where(np.isnan(value), 0.0, np.where(value > 0, 1.0, -1.0))


def one_in(rate: float) -> str:
    """A share as people count: 1 in so many, or per cent where more than a third.

    >>> one_in(0.2), one_in(0.5), one_in(0.0), one_in(0.004)
    ('1 in 5', '50 in 100', 'none', '1 in 250')
    """
    if rate <= 0:
        return "none"
    return f"1 in {round(1 / rate):,}" if rate < 0.3 else f"{round(100 * rate)} in 100"


def times(ratio: float) -> str:
    """A ratio to the average in words.

    >>> times(3.02), times(2.0), times(0.5), times(1.4)
    ('3.0 times', 'twice', 'half', '1.4 times')
    """
    if abs(ratio - 2) < 0.05:
        return "twice"
    return "half" if abs(ratio - 0.5) < 0.03 else f"{ratio:.1f} times"


def _bins(feature: Feature, column: pd.Series) -> dict[str, Any]:
    """Levels of a category; of a number the edges: bin k holds edges[k-1] < x <= edges[k]; and what counts as seen."""
    if feature.kind == "category":
        counts = column.dropna().astype(str).value_counts()
        return {"levels": sorted(counts.index[counts >= PRIVATE])}
    known = column.to_numpy(dtype=np.float64, na_value=np.nan)
    known = known[~np.isnan(known)]
    above = known[known > 0]
    seen = float(np.quantile(above, CAP, method="inverted_cdf")) if len(above) else 0.0
    distinct = np.unique(known)
    if len(distinct) <= BINS:
        edges = (distinct[:-1] + distinct[1:]) / 2
    else:
        edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="inverted_cdf"))
        edges = edges[edges < distinct[-1]]
        if distinct[0] == 0 and not (edges < distinct[1]).any() and (known == 0).mean() >= NONE_SHARE:
            edges = np.append(0.0, edges)
    return {"edges": [float(e) for e in edges], "seen": seen}


def _place(kept: Mapping[str, Any], value: Any) -> int:
    """The bin of a value: bins or levels, then (of a category) other levels, then missing."""
    missing = value is None or value != value
    if "levels" in kept:
        levels = kept["levels"]
        return len(levels) + 1 if missing else levels.index(str(value)) if str(value) in levels else len(levels)
    edges = kept["edges"]
    return len(edges) + 1 if missing else int(np.searchsorted(np.asarray(edges, dtype=np.float64), float(value)))


def _places(kept: Mapping[str, Any], column: pd.Series) -> npt.NDArray[np.int64]:
    """The bin of each value of a column, as `_place` has it."""
    missing = column.isna().to_numpy()
    if "levels" in kept:
        place = pd.Index(kept["levels"], dtype=object).get_indexer(pd.Index(column.astype(str), dtype=object))
        last = len(kept["levels"])
        return np.where(missing, last + 1, np.where(place < 0, last, place))
    edges = np.asarray(kept["edges"], dtype=np.float64)
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(missing, len(edges) + 1, np.searchsorted(edges, values))


def _cells(
    kept: Mapping[str, Any], column: pd.Series, y: Floats, accounts: npt.NDArray[np.int64]
) -> list[dict[str, Any] | None]:
    """One cell a bin; None for a bin of too few accounts."""
    places = _places(kept, column)
    return [_cell(y[places == k], accounts[places == k]) for k in range(_place(kept, None) + 1)]


def _cell(y: Floats, accounts: npt.NDArray[np.int64]) -> dict[str, Any] | None:
    """Rows, accounts, outcomes, the rate of rows, and Wilson's interval as if each account stood there once."""
    n = len(np.unique(accounts))
    if n < PRIVATE:
        return None
    rate = float(y.mean())
    low, high = wilson(rate * n, n)
    figures = {"rate": round(rate, 6), "low": round(low, 6), "high": round(high, 6)}
    return {"rows": len(y), "accounts": n, "outcomes": int(y.sum())} | figures
