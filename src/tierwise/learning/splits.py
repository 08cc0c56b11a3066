"""Which rows a temporal split trains on and tests on, vectorised over as-of instants."""

from __future__ import annotations

from datetime import datetime
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


def forward_folds(
    as_of: Instants, y: npt.NDArray[np.float64], horizon_days: int, folds: int, least: int
) -> tuple[Split, ...]:
    """Rolling-origin splits with a gap of one horizon, the first of which trains on `least` rows of each class."""
    order = np.argsort(as_of, kind="stable")
    behind = np.minimum(np.cumsum(y[order]), np.cumsum(1 - y[order]))
    enough = np.flatnonzero(behind >= least)
    if not len(enough):
        return ()
    distinct = np.unique(as_of[as_of >= as_of[order][enough[0]]])
    return rolling_origin([instant(a) for a in distinct.astype(object)], horizon_days, folds)


def inner_split(
    as_of: Instants, y: npt.NDArray[np.float64], horizon_days: int, least: int = 10
) -> tuple[Mask, Mask] | None:
    """The newest part of the training rows, and the rows whose horizon closed before it: for choosing, forward in time.

    The newest quarter by rows, or less where too little would be left to train on; None where neither side would hold
    `least` rows of each class.
    """
    ordered = np.sort(as_of)
    found: tuple[Mask, Mask] | None = None
    for share in (0.75, 0.85, 0.95):
        cut = ordered[min(int(share * len(ordered)), len(ordered) - 1)]
        older, newer = as_of + days(horizon_days) <= cut, as_of >= cut
        enough = all(min(y[m].sum(), m.sum() - y[m].sum()) >= least for m in (older, newer))
        if enough:
            found = (older, newer)
            if older.mean() >= 0.3:
                return found
    return found
