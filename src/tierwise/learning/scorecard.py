"""A scorecard: logistic regression on bins, whose steps from bin to bin are held small."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import lsq_linear
from scipy.special import expit

from tierwise.config.icp import IcpPoints
from tierwise.features.feature import Feature
from tierwise.learning.binning import MISSING, Bins, Codes, codes_of, learn_bins
from tierwise.learning.calibration import row_log_loss
from tierwise.learning.encoding import Encoder, Floats, Levels
from tierwise.learning.parallel import one_blas_thread, side_by_side
from tierwise.learning.prior import prior_edges, prior_levels, prior_tables
from tierwise.learning.sides import Prepared, SidesClassifier

SCALE_PENALTY = 1.0
"""Half a standard normal is the prior of what one standard deviation of the rubric's points is worth in log-odds."""
PENALTIES = (1000.0, 300.0, 150.0, 80.0, 40.0, 20.0, 10.0, 4.0)
ROWS_FOR_CURVATURE = 50_000
"""The curvature is taken from at most so many rows, evenly spread; the gradient always from all."""
CHUNK = 4096
NEAR, NEARER = 1e-5, 1e-7
"""A solution is near enough, on a path and for good, when a step would gain so much of the variance in log-loss."""
FEW_STEPS, MOST_STEPS = 5, 60
"""Once a penalty took more steps than this, the next one's curvature is taken anew."""


class Scorecard(SidesClassifier):
    """Logistic regression on binned features; every feature has a table of points that a person can read.

    A number's bins are coded as steps from each bin to the next one, a category's as levels; `penalty` x the squares of
    all of them is added to the log-loss (a random walk as prior of a number's curve, with variance 1 / penalty a step),
    so that bins with little evidence lie level with their neighbours. A feature that is monotone in the catalogue has
    steps of one sign. bins: about how many bins a number has.

    prior: lines of a hand-made rubric. Its edges and levels become bins too, and what is held small is then how far
    steps and levels lie from a scale x those of the rubric's points; the scale, zero or more, is learned with them, so
    that a rubric which outcomes belie weighs nothing. What comes of it is in the tables, as if it had been learned.
    `scale_` is the log-odds of one point (0 without a prior).
    """

    path_parameter = "penalty"
    path_values = PENALTIES

    def __init__(
        self,
        features: tuple[Feature, ...] | None = None,
        penalty: float = 100.0,
        bins: int = 8,
        outcome_weight: float = 1.0,
        threads: int = 1,
        prior: tuple[IcpPoints, ...] = (),
    ) -> None:
        self.features = features
        self.penalty = penalty
        self.bins = bins
        self.outcome_weight = outcome_weight
        self.threads = threads
        self.prior = prior

    def _named(self, features: Sequence[Feature]) -> Levels:
        return prior_levels(self.prior, features)

    def _binned(self, encoded: Floats, encoder: Encoder) -> tuple[Bins, ...]:
        return learn_bins(encoded, encoder, self.bins, prior_edges(self.prior, encoder.features))

    def _learn(self, encoded: Floats, y: Floats) -> None:
        self.bins_ = self._binned(encoded, self.encoder_)
        self._settle(next(iter(self._solved(codes_of(encoded, self.bins_), y, (self.penalty,)))))

    def _follow(self, rows: Prepared) -> Iterator[Floats]:
        key = ("bins", self.bins, self.prior)
        if key not in rows.memo:
            bins = self._binned(rows.encoded, rows.encoder)
            rows.memo[key] = (bins, codes_of(rows.encoded, bins), codes_of(rows.held, bins))
        self.bins_, codes, held = rows.memo[key]
        for solved in self._solved(codes, rows.y, PENALTIES, NEAR):
            self._settle(solved)
            yield self._log_odds(held)

    def _log_odds(self, codes: Codes) -> Floats:
        out = np.full(codes.shape[1], self.base_)
        for own, table in zip(codes, self.tables_, strict=True):
            out += table[own]
        return out

    def _solved(self, codes: Codes, y: Floats, penalties: Sequence[float], near: float = NEARER) -> Iterator[Solved]:
        layout = Layout(self.bins_, tuple(f.monotone for f in self.encoder_.features))
        if self.prior:
            layout = layout.towards(prior_tables(self.prior, self.encoder_, self.bins_), codes)
        yield from _solve(codes, y, self._weights(y), layout, penalties, near, self.threads)

    def _settle(self, solved: Solved) -> None:
        """Keep what was solved: the base, and per feature the points of `missing`, bin 0, bin 1, ..."""
        intercept, self.tables_, self.scale_ = solved
        self.base_ = intercept - float(np.log(self.outcome_weight))

    def _contribute(self, encoded: Floats) -> Floats:
        out = np.empty((len(encoded), len(self.bins_)))
        for j, (bins, table) in enumerate(zip(self.bins_, self.tables_, strict=True)):
            out[:, j] = table[bins.codes(encoded[:, j])]
        return out

    def to_files(self) -> dict[str, bytes]:
        """scorecard.json: the base and, feature by feature, edges and points."""
        lines = [
            {"feature": f.name, "edges": list(b.edges), "levels": b.levels, "missing": b.missing, "middle": b.middle}
            | {"points": t.tolist()}
            for f, b, t in zip(self.encoder_.features, self.bins_, self.tables_, strict=True)
        ]
        said = {"base": self.base_, "penalty": float(self.penalty), "tables": lines}
        return {"scorecard.json": (json.dumps(said, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()}

    @classmethod
    def from_files(
        cls, files: Mapping[str, bytes], encoder: Encoder, threads: int = 1, outcome_weight: float = 1.0
    ) -> Self:
        """The scorecard that `to_files` and its encoder describe."""
        said = json.loads(files["scorecard.json"])
        model = cls._restored(encoder, threads, outcome_weight)
        model.penalty, model.base_ = float(said["penalty"]), float(said["base"])
        by_name = {str(line["feature"]): line for line in said["tables"]}
        lines = [by_name[f.name] for f in encoder.features]
        model.bins_ = tuple(
            Bins(tuple(map(float, x["edges"])), int(x["levels"]), bool(x["missing"]), int(x["middle"])) for x in lines
        )
        model.tables_ = [np.array(line["points"], dtype=np.float64) for line in lines]
        if any(len(t) != b.n + 1 for t, b in zip(model.tables_, model.bins_, strict=True)):
            raise ValueError("a table has not as many points as bins")
        return model


class Solved(NamedTuple):
    """Intercept, centred tables by feature, and what a point of the prior is worth in log-odds."""

    intercept: float
    tables: list[Floats]
    scale: float


@dataclass(frozen=True)
class Layout:
    """Which parameter is what: the intercept, then by feature its steps or levels, then its missing value's own.

    prior: what parameters are held near to, times a scale, which is then the last parameter; it touches no row. spread:
    how many points of the rubric are one of the prior.
    """

    bins: tuple[Bins, ...]
    monotone: tuple[int, ...]
    prior: Floats | None = None
    spread: float = 1.0

    @property
    def spans(self) -> list[tuple[int, int, int]]:
        """By feature: where its parameters begin and end, and the place of its missing value's (or -1)."""
        found, at = [], 1
        for bins in self.bins:
            end = at + (bins.levels or len(bins.edges))
            found.append((at, end, end if bins.missing else -1))
            at = end + bins.missing
        return found

    @property
    def size(self) -> int:
        return 1 + sum((b.levels or len(b.edges)) + b.missing for b in self.bins) + (self.prior is not None)

    def towards(self, tables: Sequence[Floats], codes: Codes) -> Layout:
        """The same with these tables of points as prior, in standard deviations of the rows' points."""
        steps = np.zeros(self.size)
        for bins, table, (at, end, missing) in zip(self.bins, tables, self.spans, strict=True):
            steps[at:end] = table[1:] if bins.levels else np.diff(table[1:])
            if missing >= 0:
                steps[missing] = table[MISSING] - (0.0 if bins.levels else table[bins.middle + 1])
        greatest = float(np.abs(steps).max())
        if not greatest:
            return self
        spread = float(np.sum([t[c] for t, c in zip(tables, codes, strict=True)], axis=0).std()) or greatest
        return replace(self, prior=steps / spread, spread=spread)

    def hold(self, penalty: float) -> Floats:
        """The matrix H of what is added to the log-loss: beta' H beta / 2."""
        held = np.diag([1e-9, *np.full(self.size - 1, penalty)])
        if self.prior is not None:
            held[-1, -1] = penalty * float(self.prior @ self.prior) + SCALE_PENALTY
            held[-1, :-1] = held[:-1, -1] = -penalty * self.prior
        return held

    def tables(self, beta: Floats) -> list[Floats]:
        """By feature, what is added for a missing value, for bin 0, for bin 1, ..."""
        found = []
        for bins, (at, end, missing) in zip(self.bins, self.spans, strict=True):
            own = beta[at:end] if bins.levels else np.concatenate([[0.0], np.cumsum(beta[at:end])])
            beside = 0.0 if bins.levels else own[bins.middle]
            found.append(np.concatenate([[beside + (beta[missing] if missing >= 0 else 0.0)], own]))
        return found

    def gradient(self, codes: Codes, residual: Floats) -> Floats:
        """The sum over rows of residual x the parameter's column."""
        out = np.zeros(self.size)
        out[0] = residual.sum()
        for j, (bins, (at, end, missing)) in enumerate(zip(self.bins, self.spans, strict=True)):
            sums = np.bincount(codes[j], residual, bins.n + 1)
            if missing >= 0:
                out[missing] = sums[MISSING]
            if bins.levels:
                out[at:end] = sums[1:]
            else:
                sums[bins.middle + 1] += sums[MISSING]
                out[at:end] = np.cumsum(sums[:1:-1])[::-1]
        return out

    def design(self, codes: Codes) -> npt.NDArray[np.float32]:
        """Rows x parameters of 0 and 1."""
        out = np.zeros((codes.shape[1], self.size), dtype=np.float32)
        out[:, 0] = 1.0
        for j, (bins, (at, end, missing)) in enumerate(zip(self.bins, self.spans, strict=True)):
            own = codes[j][:, None] - 1
            if bins.levels:
                out[:, at:end] = own == np.arange(bins.levels)
            else:
                out[:, at:end] = np.where(own < 0, bins.middle, own) > np.arange(len(bins.edges))
            if missing >= 0:
                out[:, missing] = codes[j] == MISSING
        return out

    def bounds(self) -> tuple[Floats, Floats]:
        """The least and the greatest value of each parameter: steps of a monotone feature have one sign."""
        low, high = np.full(self.size, -np.inf), np.full(self.size, np.inf)
        if self.prior is not None:
            low[-1] = 0.0
        for sign, bins, (at, end, _) in zip(self.monotone, self.bins, self.spans, strict=True):
            if sign and not bins.levels:
                (low if sign > 0 else high)[at:end] = 0.0
        return low, high


def _solve(
    codes: Codes,
    y: Floats,
    weight: Floats,
    layout: Layout,
    penalties: Sequence[float],
    near: float,
    threads: int,
) -> Iterator[Solved]:
    """What is best at each penalty, each starting where the one before ended (damped Newton steps)."""
    rate = float((weight * y).sum() / weight.sum())
    beta = np.zeros(layout.size)
    beta[0] = np.log(rate / (1 - rate))
    bare, steps = np.zeros((layout.size, layout.size)), FEW_STEPS + 1
    for penalty in penalties:
        with one_blas_thread():
            if steps > FEW_STEPS:
                bare = _curvature(codes, expit(_log_odds(codes, layout, beta)), weight, layout, threads)
            beta, steps = _descended(codes, y, weight, layout, beta, layout.hold(penalty), bare, near)
            solved = _centred(codes, layout, beta)
        yield solved


def _descended(
    codes: Codes, y: Floats, weight: Floats, layout: Layout, beta: Floats, held: Floats, bare: Floats, near: float
) -> tuple[Floats, int]:
    """The parameters that are best under a penalty, from those given, by steps of one curvature; and how many."""
    low, high = layout.bounds()
    bounded = bool(np.isfinite(low).any() or np.isfinite(high).any())
    eta = _log_odds(codes, layout, beta)
    loss = _objective(eta, y, weight, beta, held)
    curvature = bare + held
    factor, rate = cho_factor(curvature), float((weight * y).sum() / weight.sum())
    for step_number in range(1, MOST_STEPS + 1):
        gradient = layout.gradient(codes, weight * (expit(eta) - y)) + held @ beta
        step = _bounded(curvature, gradient, low - beta, high - beta) if bounded else -cho_solve(factor, gradient)
        if -float(gradient @ step) < near * len(y) * max(rate * (1 - rate), 1e-6):
            return beta, step_number
        size = 1.0
        while size > 1e-3:
            eta = _log_odds(codes, layout, beta + size * step)
            new = _objective(eta, y, weight, beta + size * step, held)
            if new <= loss:
                break
            size /= 2
        if new > loss:
            return beta, step_number
        beta, loss = beta + size * step, new
    return beta, MOST_STEPS


def _log_odds(codes: Codes, layout: Layout, beta: Floats) -> Floats:
    eta = np.full(codes.shape[1], beta[0])
    for j, table in enumerate(layout.tables(beta)):
        eta += table[codes[j]]
    return eta


def _objective(eta: Floats, y: Floats, weight: Floats, beta: Floats, held: Floats) -> float:
    return float((weight * row_log_loss(eta, y)).sum() + beta @ held @ beta / 2)


def _curvature(codes: Codes, p: Floats, weight: Floats, layout: Layout, threads: int) -> Floats:
    """The log-loss's second derivatives, from evenly spread rows; summed in one order, whatever the threads."""
    n = codes.shape[1]
    rows = np.arange(n) if n <= ROWS_FOR_CURVATURE else np.linspace(0, n - 1, ROWS_FOR_CURVATURE).astype(np.int64)
    scale = np.sqrt(weight * p * (1 - p) * (n / len(rows)))

    def part(at: int, _: int) -> npt.NDArray[np.float32]:
        chunk = rows[at : at + CHUNK]
        design = layout.design(codes[:, chunk]) * scale[chunk, None].astype(np.float32)
        return np.asarray(design.T @ design)

    total = np.zeros((layout.size, layout.size))
    for piece in side_by_side([partial(part, at) for at in range(0, len(rows), CHUNK)], threads):
        total += piece
    return total


def _bounded(curvature: Floats, gradient: Floats, low: Floats, high: Floats) -> Floats:
    """The step that is best within the bounds, by the quadratic model."""
    root = np.linalg.cholesky(curvature).T
    target = np.linalg.solve(root.T, -gradient)
    return np.asarray(lsq_linear(root, target, bounds=(low, np.maximum(high, low + 1e-12)), method="bvls").x)


def _centred(codes: Codes, layout: Layout, beta: Floats) -> Solved:
    """The tables less their training means, which go to the intercept."""
    intercept, tables = float(beta[0]), []
    for j, table in enumerate(layout.tables(beta)):
        mean = float(np.bincount(codes[j], minlength=len(table)) @ table) / codes.shape[1]
        intercept += mean
        tables.append(table - mean)
    scale = 0.0 if layout.prior is None else float(beta[-1]) / layout.spread
    return Solved(intercept, tables, scale)
