"""Which rows a temporal split trains on and tests on, vectorised over as-of instants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from tierwise.clock import Split, instant, naive, rolling_origin

Mask = npt.NDArray[np.bool_]
Instants = npt.NDArray[np.datetime64]


def instants(values: Any) -> Instants:
    """As-of values of a frame as `datetime64[us]`."""
    return np.asarray(values, dtype="datetime64[us]")


def stamp(value: datetime) -> np.datetime64:
    """An aware instant as the frames keep it."""
    return np.datetime64(naive(value), "us")


def days(horizon_days: int) -> np.timedelta64:
    """A horizon as a span of time."""
    return np.timedelta64(horizon_days * 86_400_000_000, "us")


def trained_on(split: Split, as_of: Instants, horizon_days: int) -> Mask:
    """Rows whose horizon has closed by the cut."""
    return np.asarray(as_of + days(horizon_days) <= stamp(split.cut))


def held_out(split: Split, as_of: Instants) -> Mask:
    """Rows from the cut on, before `until`."""
    return np.asarray((as_of >= stamp(split.cut)) & (as_of < stamp(split.until)))


@dataclass(frozen=True)
class Apart:
    """How families are kept apart: in how many parts, how many families, and what that left out.

    reports: by part, the earlier rows that a model is trained on, and the test rows that it judges. left_out: by fold,
    how many rows that are old enough are not learned from. dropped: folds too little was left of.
    """

    parts: int
    families: int
    reports: Sequence[tuple[Mask, Mask]]
    left_out: Sequence[int]
    dropped: int


@dataclass(frozen=True)
class Division:
    """Which rows choose and which report: folds of (learned from, held out) among the earlier rows, then the test.

    apart: where no family stands on both sides.
    """

    earlier: Mask
    test: Mask
    folds: Sequence[tuple[Mask, Mask]]
    apart: Apart | None = None

    @property
    def reports(self) -> Sequence[tuple[Mask, Mask]]:
        """Which of the earlier rows a model is trained on that judges which of the test rows: by default all."""
        if self.apart is not None:
            return self.apart.reports
        return ((np.ones(int(self.earlier.sum()), dtype=np.bool_), np.ones(int(self.test.sum()), dtype=np.bool_)),)


@dataclass(frozen=True)
class Dated:
    """The rows of each as-of instant, oldest first: how many have the outcome, and how many do not."""

    as_of: Instants
    having: npt.NDArray[np.float64]
    lacking: npt.NDArray[np.float64]

    def where(self, mask: Mask) -> Dated:
        """The instants that a mask keeps."""
        return Dated(self.as_of[mask], self.having[mask], self.lacking[mask])


def dated(as_of: Instants, y: npt.NDArray[np.float64]) -> Dated:
    """Rows counted by their as-of instant."""
    distinct, place = np.unique(as_of, return_inverse=True)
    having = np.bincount(place, weights=y, minlength=len(distinct)).astype(np.float64)
    rows = np.bincount(place, minlength=len(distinct)).astype(np.float64)
    return Dated(distinct, having, rows - having)


def report_cut(as_of: Instants, horizon_days: int, test_from: date | None) -> np.datetime64 | None:
    """Where the slice of the final report begins: `test_from`, or the first as_of of the last horizon's worth.

    None where no mature row is as new as `test_from`.
    """
    if test_from is None:
        first: np.datetime64 = as_of[as_of > as_of.max() - days(horizon_days)].min()
        return first
    cut = stamp(instant(test_from))
    return cut if (as_of >= cut).any() else None


def forward_folds(
    as_of: Instants, y: npt.NDArray[np.float64], horizon_days: int, folds: int, least: int
) -> tuple[Split, ...]:
    """Rolling-origin splits with a gap of one horizon, the first of which trains on `least` rows of each class."""
    return folds_of(dated(as_of, y), horizon_days, folds, least)


def folds_of(rows: Dated, horizon_days: int, folds: int, least: int) -> tuple[Split, ...]:
    """As `forward_folds`, of rows that are counted."""
    behind = np.minimum(np.cumsum(rows.having), np.cumsum(rows.lacking))
    enough = rows.as_of[behind >= least]
    return rolling_origin([instant(a) for a in enough.astype(object)], horizon_days, folds)
