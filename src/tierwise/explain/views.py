"""Views of a model as a whole, as values: what counts for how many, how a feature bends it, and where it does worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import entr
from scipy.stats import norm

from tierwise.explain.families import KEYS, families, shown
from tierwise.features.feature import Feature
from tierwise.learning.calibration import row_log_loss

if TYPE_CHECKING:
    from tierwise.features.matrix import Matrix
    from tierwise.learning.model import PropensityModel

Floats = npt.NDArray[np.float64]

BINS = 10
BANDS = 4
LEAST_SEGMENT = 30
"""Accounts that a segment needs to be judged."""
LEAST_EXPECTED = 5.0
"""Outcomes, and rows without one, that the model must expect in a segment for its z to be normal."""
CHANCE = 0.05
"""In so many trainings of a model that is right everywhere, any segment at all is named."""


def importance(said: pd.DataFrame, features: Sequence[Feature], n: int = 5) -> pd.DataFrame:
    """How much each family counts over the rows that `reasons` was given, most first.

    Columns: side, family, proven, among_top (share of the rows in which it is among the n reasons shown), mean_size
    (its mean absolute log-odds over all rows, in log-odds), rows (how many there are).
    """
    lines = families(said, features)
    rows = max(len(said[KEYS].drop_duplicates()), 1)
    told = shown(lines)
    told = told[told.groupby(KEYS, sort=False).cumcount() < n]
    by = ["side", "family"]
    found = lines.assign(size=lines["log_odds"].abs()).groupby(by).agg(proven=("proven", "first"), size=("size", "sum"))
    found["among_top"] = told.groupby(by).size().reindex(found.index, fill_value=0) / rows
    found["mean_size"] = found["size"] / rows
    found = found.reset_index().assign(rows=rows)
    found = found.sort_values(["among_top", "mean_size", "side", "family"], ascending=[False, False, True, True])
    return found[[*by, "proven", "among_top", "mean_size", "rows"]].reset_index(drop=True)


def dependence(model: PropensityModel, matrix: Matrix, name: str) -> pd.DataFrame:
    """How a feature's contribution goes with its value: a line a bin (or level), what is missing last.

    Columns: value (the level, or the bin's range as text), low, high (of the values in the bin; NaN of a category and
    where missing), mean, least, most (of the contribution, in calibrated log-odds), n (rows). Where a model is additive
    by feature, least and most are equal within one value.
    """
    (feature,) = (f for f in model.features if f.name == name)
    column = matrix.frame[name]
    parts = model.contributions(matrix.frame)[name].to_numpy(dtype=np.float64)
    codes, labels, bounds = _levels(column) if feature.kind == "category" else _bins(column, BINS)
    lines = []
    for k, label in enumerate(labels):
        mine = parts[codes == k]
        if len(mine):
            lines.append((label, *bounds[k], float(mine.mean()), float(mine.min()), float(mine.max()), len(mine)))
    return pd.DataFrame(lines, columns=["value", "low", "high", "mean", "least", "most", "n"])


@dataclass(frozen=True)
class Segments:
    """The model's worth by segment, on rows it had not seen, and the segments that are named worse than its average.

    frame: feature, segment, rows, accounts, outcomes, log_loss, excess (log-loss above what the model itself expects,
    less the same of all other rows; 0 where it is as right as elsewhere), excess_low, excess_high, observed, predicted
    (rates), gap (observed - predicted), gap_low, gap_high, p_value, named. Intervals are 95 % over account families.
    chance: in so many trainings of a model that is right everywhere, any segment at all is named.
    """

    frame: pd.DataFrame
    log_loss: float
    rows: int
    judged: int
    chance: float = CHANCE

    def to_dict(self) -> dict[str, Any]:
        """The segments as JSON values."""
        said = {"log_loss": self.log_loss, "rows": self.rows, "judged": self.judged, "chance": self.chance}
        return said | {"segments": self.frame.to_dict("records")}


def segments(unseen: pd.DataFrame, matrix: Matrix) -> Segments:
    """Where the model is worse than its average: by each category and each band of a number of the fit side.

    unseen: account_id, as_of, family_id, outcome, propensity, from a model that was trained before those rows.

    A segment is judged if it has 30 accounts and the model expects 5 outcomes in it. Two things are tested: whether its
    log-loss lies further above what the model's own probabilities make it expect than on all other rows (so that a
    segment is not named for having more outcomes, where nothing can be surer), and whether its observed rate lies
    further from the predicted one than on all other rows. The smaller p-value counts twice, and is held against
    `CHANCE` over the number of segments judged (C. E. Bonferroni, 1936).
    """
    rows = unseen.merge(matrix.frame[[*KEYS, *_fit(matrix)]], on=KEYS, how="left", validate="1:1")
    y, p = rows["outcome"].to_numpy(dtype=np.float64), rows["propensity"].to_numpy(dtype=np.float64)
    p = p.clip(1e-12, 1 - 1e-12)
    loss = row_log_loss(np.log(p / (1 - p)), y)
    surprise = loss - entr(p) - entr(1 - p)
    family, _ = pd.factorize(rows["family_id"])
    features = {f.name: f for f in matrix.features}
    lines = []
    for name in _fit(matrix):
        codes, labels, _ = _segments_of(features[name], rows[name])
        for k, label in enumerate(labels):
            mine = codes == k
            accounts = rows.loc[mine, "account_id"].nunique()
            if accounts < LEAST_SEGMENT or min(p[mine].sum(), (1 - p[mine]).sum()) < LEAST_EXPECTED or mine.all():
                continue
            excess, gap = _difference(surprise, mine, family), _mean(y - p, mine, family)
            line = {"feature": name, "segment": label, "rows": int(mine.sum()), "accounts": int(accounts)}
            line |= {"outcomes": int(y[mine].sum()), "log_loss": float(loss[mine].mean())}
            line |= {"excess": excess[0], "excess_low": excess[0] - _Z * excess[1]}
            line |= {"excess_high": excess[0] + _Z * excess[1]}
            line |= {"observed": float(y[mine].mean()), "predicted": float(p[mine].mean())}
            line |= {"gap": gap[0], "gap_low": gap[0] - _Z * gap[1], "gap_high": gap[0] + _Z * gap[1]}
            off = _either(*_difference(y - p, mine, family)) if abs(gap[0]) > abs(float((y - p)[~mine].mean())) else 1.0
            lines.append(line | {"p_value": min(1.0, 2 * min(_worse(*excess), off))})
    frame = pd.DataFrame(lines, columns=_COLUMNS)
    frame["named"] = frame["p_value"] <= CHANCE / max(len(frame), 1)
    order = frame.sort_values(["p_value", "feature", "segment"], kind="stable", ignore_index=True)
    return Segments(order, float(loss.mean()), len(rows), len(frame))


_Z = float(norm.ppf(0.975))
_COLUMNS = [
    *("feature", "segment", "rows", "accounts", "outcomes", "log_loss", "excess", "excess_low", "excess_high"),
    *("observed", "predicted", "gap", "gap_low", "gap_high", "p_value"),
]


def _fit(matrix: Matrix) -> list[str]:
    return [f.name for f in matrix.features if f.side == "fit"]


def _mean(values: Floats, mine: npt.NDArray[np.bool_], family: npt.NDArray[np.int64]) -> tuple[float, float]:
    """The mean of a segment, and its standard error over account families."""
    mean = float(values[mine].mean())
    sums = np.asarray(np.bincount(family[mine], weights=values[mine] - mean), dtype=np.float64)
    return mean, _error(sums, family[mine], int(mine.sum()))


def _difference(values: Floats, mine: npt.NDArray[np.bool_], family: npt.NDArray[np.int64]) -> tuple[float, float]:
    """The mean of a segment less that of all other rows, and its standard error over account families."""
    inside, outside = float(values[mine].mean()), float(values[~mine].mean())
    weights = np.where(mine, (values - inside) / mine.sum(), -(values - outside) / (~mine).sum())
    sums = np.asarray(np.bincount(family, weights=weights), dtype=np.float64)
    return inside - outside, _error(sums, family, 1)


def _error(sums: Floats, family: npt.NDArray[np.int64], n: int) -> float:
    groups = len(np.unique(family))
    return float(np.sqrt(groups / max(groups - 1, 1) * (sums @ sums)) / n)


def _worse(value: float, error: float) -> float:
    return float(norm.sf(value / error)) if error > 0 else 1.0


def _either(value: float, error: float) -> float:
    return float(2 * norm.sf(abs(value) / error)) if error > 0 else 1.0


Places = tuple[npt.NDArray[np.int64], list[str], Sequence[tuple[float, float]]]


def _segments_of(feature: Feature, column: pd.Series) -> Places:
    return _levels(column) if feature.kind == "category" else _bins(column, BANDS)


def _levels(column: pd.Series) -> Places:
    """The level of each row, by name; what is missing comes last."""
    names = sorted(set(column.dropna().astype(str)))
    place: Mapping[str, int] = {name: k for k, name in enumerate(names)}
    codes = np.array([len(names) if v is None or v != v else place[str(v)] for v in column], dtype=np.int64)
    return codes, [*names, "not known"], [(np.nan, np.nan)] * (len(names) + 1)


def _bins(column: pd.Series, bins: int) -> Places:
    """The bin of each row: its values where they are few, else quantiles; what is missing comes last."""
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    known = values[~np.isnan(values)]
    distinct = np.unique(known)
    few = len(distinct) <= bins
    edges = distinct if few else np.unique(np.quantile(known, np.arange(1, bins + 1) / bins, method="inverted_cdf"))
    codes = np.where(np.isnan(values), len(edges), np.searchsorted(edges, values)).astype(np.int64)
    bounds = [(float(values[codes == k].min()), float(values[codes == k].max())) for k in range(len(edges))]
    labels = [f"{low:,g}" if low == high else f"{low:,g} to {high:,g}" for low, high in bounds]
    return codes, [*labels, "not known"], [*bounds, (np.nan, np.nan)]
