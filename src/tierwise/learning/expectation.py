"""What a deal is expected to bring, by who the account is: a mean, means by segment, or a gamma regression.

All three are one thing: a sum of cells of binned fit-side features, through a link. With it stand the same sums on
resampled accounts, from which intervals are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import GammaRegressor

from tierwise.features.feature import Feature
from tierwise.learning.binning import MISSING, Bins, learn_bins
from tierwise.learning.encoding import Encoder, Floats

Kind = Literal["mean", "segments", "gamma"]
Cells = npt.NDArray[np.int64]

SEGMENTS = 8
"""Into so many segments of about equal size a number is cut."""
RIDGE = 3.0
"""A coefficient of the gamma regression is held to nothing with the weight of so many deals."""
LEVEL = (0.025, 0.975)
CHUNK = 20_000


@dataclass(frozen=True)
class Design:
    """Fit-side features in bins, each bin and each feature's being missing a cell."""

    encoder: Encoder
    bins: tuple[Bins, ...]

    @classmethod
    def learn(cls, frame: pd.DataFrame, features: Sequence[Feature]) -> Design:
        """The vocabularies and cuts that these rows call for."""
        encoder = Encoder.learn(frame, features)
        return cls(encoder, learn_bins(encoder.encode(frame), encoder, SEGMENTS))

    @property
    def sizes(self) -> list[int]:
        """Cells of each feature."""
        return [b.n + 1 for b in self.bins]

    def cells(self, frame: pd.DataFrame) -> Cells:
        """Rows x features: the place of each row's cell among all cells; a missing value's is its feature's last.

        Raises
        ------
        ContractError : a feature is missing, renamed or retyped.
        """
        encoded = self.encoder.encode(frame)
        out = np.empty(encoded.shape, dtype=np.int64)
        start = 0
        for j, (bins, size) in enumerate(zip(self.bins, self.sizes, strict=True)):
            codes = bins.codes(encoded[:, j]).astype(np.int64)
            out[:, j] = start + np.where(codes == MISSING, size - 1, codes)
            start += size
        return out

    def only(self, features: Sequence[int]) -> Design:
        """The same of these features alone, by place."""
        kept = tuple(self.encoder.features[j] for j in features)
        encoder = Encoder(
            kept,
            {f.name: self.encoder.levels[f.name] for f in kept if f.name in self.encoder.levels},
            {f.name: self.encoder.fills[f.name] for f in kept},
        )
        return Design(encoder, tuple(self.bins[j] for j in features))


@dataclass(frozen=True)
class Expectation:
    """A learned mean by cell: `coefficients` is the intercept and then a number a cell; amounts are learned as logs.

    resampled : the same, learned on accounts resampled (a Bayesian bootstrap), a row each; the kind is not chosen anew.
    """

    kind: Kind
    log: bool
    design: Design
    coefficients: tuple[float, ...]
    resampled: tuple[tuple[float, ...], ...]

    def mean(self, frame: pd.DataFrame) -> Floats:
        """The expected value of each row."""
        return self.mean_of(self.design.cells(frame))

    def draws(self, frame: pd.DataFrame) -> Floats:
        """Resamples x rows: the expected value that each resample would have learned."""
        return self.draws_of(self.design.cells(frame))

    def mean_of(self, cells: Cells) -> Floats:
        """As `mean`, of rows whose cells are known already."""
        found: Floats = self._linked(np.asarray([self.coefficients]), cells)[0]
        return found

    def draws_of(self, cells: Cells) -> Floats:
        """As `draws`, of rows whose cells are known already."""
        return self._linked(np.asarray(self.resampled), cells)

    def _linked(self, coefficients: Floats, cells: Cells) -> Floats:
        found = _sums(coefficients, cells)
        return np.asarray(np.exp(found) if self.log else np.clip(found, 0.0, 1.0))

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "kind": self.kind,
            "log": self.log,
            "features": [asdict(f) for f in self.design.encoder.features],
            "encoder": self.design.encoder.to_dict(),
            "bins": [asdict(b) for b in self.design.bins],
            "coefficients": list(self.coefficients),
            "resampled": [list(line) for line in self.resampled],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Expectation:
        """What `to_dict` wrote.

        Raises
        ------
        ValueError : its numbers do not fit its cells.
        """
        features = tuple(Feature(**line) for line in data["features"])
        bins = tuple(
            Bins(tuple(map(float, b["edges"])), int(b["levels"]), bool(b["missing"]), int(b["middle"]))
            for b in data["bins"]
        )
        design = Design(Encoder.from_dict(features, data["encoder"]), bins)
        lines = [tuple(map(float, line)) for line in (data["coefficients"], *data["resampled"])]
        if {len(line) for line in lines} != {1 + sum(design.sizes)} or data["kind"] not in (
            "mean",
            "segments",
            "gamma",
        ):
            raise ValueError("an expectation's coefficients are not those of its cells")
        return cls(data["kind"], bool(data["log"]), design, lines[0], tuple(lines[1:]))


def chunks(n: int) -> Iterator[slice]:
    """Rows a part at a time, so that all draws are never held at once."""
    return (slice(start, start + CHUNK) for start in range(0, n, CHUNK))


def _sums(coefficients: Floats, cells: Cells) -> Floats:
    found = np.repeat(coefficients[:, :1], len(cells), axis=1)
    for j in range(cells.shape[1]):
        found += coefficients[:, 1 + cells[:, j]]
    return found


def learn(kind: Kind, design: Design, frame: pd.DataFrame, y: Floats, weights: Floats, *, log: bool) -> Expectation:
    """Learn an expectation of y from rows.

    Parameters
    ----------
    design : the one feature of `segments`, all that `gamma` reads, none for `mean`.
    weights : resamples x rows, each row of them summing to the number of rows; none: (0, n).
    """
    cells, size = design.cells(frame), 1 + sum(design.sizes)
    fits = [_fitted(kind, cells, size, y, w, log=log) for w in (np.ones(len(y)), *weights)]
    lines = [tuple(float(f"{c:.8g}") for c in fit) for fit in fits]
    return Expectation(kind, log, design, lines[0], tuple(lines[1:]))


def _fitted(kind: Kind, cells: Cells, size: int, y: Floats, w: Floats, *, log: bool) -> Floats:
    """The intercept and the cells' coefficients; amounts are moved so that their sum over these rows is right."""
    if kind == "mean":
        found = np.zeros(size)
        found[0] = np.average(np.log(y) if log else y, weights=w)
    elif kind == "segments":
        found = _shrunken(cells[:, 0], size - 1, np.log(y) if log else y, w)
    else:
        found = _gamma(cells, size, y, w)
    if log:
        found[0] += np.log(w @ y) - np.log(w @ np.exp(_sums(found[None, :], cells)[0]))
    return found


def _shrunken(cell: Cells, size: int, y: Floats, w: Floats) -> Floats:
    """Cells' means held to the overall mean: empirical Bayes, the variance between them by the method of moments.

    Source: R. DerSimonian and N. Laird (1986), "Meta-analysis in clinical trials", Controlled Clinical Trials 7. A cell
    without rows has the overall mean.
    """
    n, total = np.bincount(cell, w, size), np.bincount(cell, w * y, size)
    there = n > 0
    means = np.divide(total, n, out=np.zeros(size), where=there)
    overall = float(total.sum() / n.sum())
    within = float(w @ (y - means[cell]) ** 2) / max(float(n.sum()) - int(there.sum()), 1.0)
    found = np.zeros(1 + size)
    found[0] = overall
    if within <= 0:
        found[1:] = np.where(there, means - overall, 0.0)
        return found
    q = float(n[there] @ (means[there] - overall) ** 2) / within
    spread = float(n.sum() - (n**2).sum() / n.sum())
    between = max(0.0, within * (q - (int(there.sum()) - 1)) / spread) if spread > 0 else 0.0
    kept = between / (between + np.divide(within, n, out=np.full(size, np.inf), where=there))
    found[1:] = np.where(there, kept * (means - overall), 0.0)
    return found


def _gamma(cells: Cells, size: int, y: Floats, w: Floats) -> Floats:
    x = np.zeros((len(y), size - 1))
    x[np.arange(len(y))[:, None], cells] = 1.0
    scale = float(w @ y / w.sum())
    model = GammaRegressor(alpha=RIDGE / len(y), solver="newton-cholesky", max_iter=200)
    model.fit(x, y / scale, sample_weight=w)
    return np.append(model.intercept_ + np.log(scale), model.coef_)


def resampling(families: npt.NDArray[Any], draws: int, seed: int) -> Floats:
    """Draws x rows: weights of a Bayesian bootstrap over families, each draw's summing to the number of rows.

    Source: D. B. Rubin (1981), "The Bayesian bootstrap", The Annals of Statistics 9.
    """
    _, codes = np.unique(np.asarray(families).astype(str), return_inverse=True)
    weights = np.random.default_rng(seed).exponential(size=(draws, int(codes.max(initial=-1)) + 1))[:, codes]
    return np.asarray(weights * (len(codes) / weights.sum(axis=1, keepdims=True)))


def gamma_deviance(y: Floats, mean: Floats) -> Floats:
    """Each row's unit gamma deviance: 2 (y / mean - 1 - log(y / mean))."""
    ratio = y / mean
    return np.asarray(2 * (ratio - 1 - np.log(ratio)))


def log_loss(y: Floats, rate: Floats) -> Floats:
    """Each row's log-loss of a rate."""
    p = np.clip(rate, 1e-6, 1 - 1e-6)
    return np.asarray(-(y * np.log(p) + (1 - y) * np.log1p(-p)))
