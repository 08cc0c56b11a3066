"""Scores to bands, bands to tier rows; the only place where a score is compared with a cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tierwise.config.policy import COVERAGE_BANDS, FIT_BANDS, SIGNAL_BANDS, STATUSES, Bands, TierRow

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Instants = npt.NDArray[np.datetime64]
Words = npt.NDArray[np.object_]

LEVELS = {
    "tier_1": 3,
    "tier_2": 2,
    "tier_3": 1,
    "recycle": 0,
    "suppress": -1,
    **{status: -2 - i for i, status in enumerate(STATUSES)},
}
"""Tiers and statuses as whole numbers: a higher tier is a higher number, a status lies below every tier."""
NAMES = {level: name for name, level in LEVELS.items()}
NONE = -99
"""No prior state."""


def names(levels: Ints) -> Words:
    """The tier or status of each level; `""` for NONE."""
    table: Words = np.array([NAMES.get(i, "") for i in range(min(NAMES), max(NAMES) + 1)] + [""], dtype=object)
    return table[np.where(levels == NONE, len(table) - 1, levels - min(NAMES))]


def _band(scores: Floats, cuts: Sequence[float]) -> Ints:
    codes = np.searchsorted(np.asarray(cuts, dtype=float), scores, side="right")
    return np.where(np.isnan(scores), 0, codes).astype(np.int64)


def fit_codes(scores: Floats, bands: Bands, margin: float = 0.0) -> Ints:
    """Index into FIT_BANDS, each cut lowered by `margin` points; a missing score is the lowest band."""
    return _band(scores, [bands.fit.moderate - margin, bands.fit.high - margin])


def signal_codes(scores: Floats, bands: Bands, margin: float = 0.0) -> Ints:
    """Index into SIGNAL_BANDS, each cut lowered by `margin` points; a missing score is the lowest band."""
    cuts = bands.signal
    return _band(scores, [cuts.early - margin, cuts.moderate - margin, cuts.high - margin])


def match_rows(rows: Sequence[TierRow], fit: Ints, signal: Ints, coverage: Ints) -> Ints:
    """The first row whose bands are all reached ("at least"), as an index; `len(rows)` where none is.

    Because every condition is "at least" and the rows stand from tier_1 down, a higher band never names a lower tier.
    """
    first = np.full(fit.shape, len(rows), dtype=np.int64)
    for i in range(len(rows) - 1, -1, -1):
        row = rows[i]
        reached = (
            (fit >= FIT_BANDS.index(row.fit))
            & (signal >= SIGNAL_BANDS.index(row.signal))
            & (coverage >= COVERAGE_BANDS.index(row.coverage))
        )
        first[reached] = i
    return first


def row_levels(rows: Sequence[TierRow]) -> Ints:
    """The level each row names, and recycle at `len(rows)` (no match)."""
    return np.array([LEVELS[r.tier] for r in rows] + [LEVELS["recycle"]], dtype=np.int64)
