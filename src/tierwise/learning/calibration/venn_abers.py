"""Venn-Abers calibration: two isotonic answers, as if the row had the outcome and as if not, and one between them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tierwise.learning.calibration.affine import Floats
from tierwise.learning.calibration.checks import finite, reals, refuse, rising

Point = tuple[float, float]

DIGITS = 9
"""Steps are told apart by so many decimals of log-odds, so that the order of a sum moves no row over a step."""


@dataclass(frozen=True)
class VennAbers:
    """The inductive Venn-Abers predictor: p0 and p1 by log-odds, and p = p1 / (1 - p0 + p1) between them.

    Source: V. Vovk and I. Petej, "Venn-Abers predictors" (UAI 2014); p is theirs for log-loss. Both are step functions:
    p1 is `upper[k]` on (upper_at[k-1], upper_at[k]] and 1 beyond the last; p0 is `lower[k]` on [lower_at[k],
    lower_at[k+1]) and 0 before the first. p0 <= p1, so p is never 0 or 1.
    """

    upper_at: tuple[float, ...]
    upper: tuple[float, ...]
    lower_at: tuple[float, ...]
    lower: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("upper_at", "lower_at"):
            rising("venn_abers", name, getattr(self, name), strictly=True, within=(-math.inf, math.inf))
        for name in ("upper", "lower"):
            rising("venn_abers", name, getattr(self, name), strictly=False, within=(0.0, 1.0))
        if len(self.upper) != len(self.upper_at) or len(self.lower) != len(self.lower_at):
            raise refuse("venn_abers", "steps and their places differ in number", "each step has a place")
        if self.upper[0] <= 0 or self.lower[-1] >= 1:
            raise refuse("venn_abers", "p1 is 0 or p0 is 1 somewhere", "p1 is above 0 and p0 below 1 everywhere")

    def pair(self, log_odds: Floats) -> tuple[Floats, Floats]:
        """p0 and p1, row by row: the isotonic answers if the row lacked the outcome, and if it had it."""
        z = np.round(finite(log_odds), DIGITS)
        up = np.append(self.upper, 1.0)[np.searchsorted(self.upper_at, z, side="left")]
        low = np.append(0.0, self.lower)[np.searchsorted(self.lower_at, z, side="right")]
        return low, up

    def __call__(self, log_odds: Floats) -> Floats:
        """Calibrated log-odds."""
        p0, p1 = self.pair(log_odds)
        return np.asarray(np.log(p1) - np.log1p(-p0))

    def to_dict(self) -> dict[str, Any]:
        """The steps as JSON."""
        return {name: list(getattr(self, name)) for name in ("upper_at", "upper", "lower_at", "lower")}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> VennAbers:
        """What `to_dict` gave."""
        parts = [reals("venn_abers", data[name]) for name in ("upper_at", "upper", "lower_at", "lower")]
        return cls(*(tuple(part.tolist()) for part in parts))


def fit_venn_abers(log_odds: Floats, y: Floats) -> VennAbers:
    """p0 and p1 of every log-odds at once, without refitting (V. Vovk, I. Petej and V. Fedorova, NIPS 2015)."""
    at, place = np.unique(np.round(log_odds, DIGITS), return_inverse=True)
    size = np.bincount(place).astype(np.float64)
    having = np.asarray(np.bincount(place, weights=y), dtype=np.float64)
    upper = _with_outcome(size, having)
    lower = 1.0 - _with_outcome(size[::-1], (size - having)[::-1])[::-1]
    last = np.append(np.diff(upper) != 0, True)
    first = np.append(True, np.diff(lower) != 0)
    return VennAbers(*(tuple(part.tolist()) for part in (at[last], upper[last], at[first], lower[first])))


def _with_outcome(size: Floats, having: Floats) -> Floats:
    """The isotonic value of one more row with the outcome, at each distinct log-odds in turn.

    size, having: rows and outcomes at each, in rising order. The value is the slope, under the added row's edge, of the
    greatest convex minorant of the cumulative sums; the edge moves right by one group at a time, and the corners to its
    left can be forgotten.
    """
    x, y = np.cumsum(size).tolist(), np.cumsum(having).tolist()
    points: list[Point] = [(-1.0, -1.0), (0.0, 0.0), *zip(x, y, strict=True)]
    hull: list[Point] = []
    for point in reversed(points):
        while len(hull) > 1 and _turn(point, hull[-1], hull[-2]) <= 0:
            hull.pop()
        hull.append(point)
    found = np.empty(len(size))
    for i in range(len(size)):
        here, there = hull[-1], hull[-2]
        found[i] = (there[1] - here[1]) / (there[0] - here[0])
        before, edge, after = points[i], points[i + 1], points[i + 2]
        moved = (before[0] + after[0] - edge[0], before[1] + after[1] - edge[1])
        points[i + 1] = moved
        if _turn(here, moved, there) <= 0:
            continue
        hull.pop()
        while len(hull) > 1 and _turn(moved, hull[-1], hull[-2]) <= 0:
            hull.pop()
        hull.append(moved)
    return np.maximum.accumulate(np.clip(found, 0.0, 1.0))


def _turn(a: Point, b: Point, c: Point) -> float:
    """Above 0 where a, b, c turn left: b lies below the line from a to c."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
