"""Scores to bands, bands to tier rows; the only place where a score is compared with a cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tierwise.config.policy import COVERAGE_BANDS, FIT_BANDS, SIGNAL_BANDS, STATUSES, TierRow

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
SCORE = "account_score"
"""What a row asks a least value of where fit and signal together are to reach one."""


def names(levels: Ints) -> Words:
    """The tier or status of each level; `""` for NONE."""
    table: Words = np.array([NAMES.get(i, "") for i in range(min(NAMES), max(NAMES) + 1)] + [""], dtype=object)
    return table[np.where(levels == NONE, len(table) - 1, levels - min(NAMES))]


@dataclass(frozen=True)
class Cuts:
    """The least score of each band but the lowest, an entry an account (or one for all of them)."""

    fit: tuple[Floats, ...]
    """moderate and high."""
    signal: tuple[Floats, ...]
    """early, moderate and high."""


def _band(scores: Floats, cuts: Sequence[Floats], margin: float) -> Ints:
    codes = np.zeros(scores.shape, dtype=np.int64)
    for cut in cuts:
        codes += scores >= cut - margin
    return codes


def fit_codes(scores: Floats, cuts: Cuts, margin: float = 0.0) -> Ints:
    """Index into FIT_BANDS, each cut lowered by `margin` points; a missing score is the lowest band."""
    return _band(scores, cuts.fit, margin)


def signal_codes(scores: Floats, cuts: Cuts, margin: float = 0.0) -> Ints:
    """Index into SIGNAL_BANDS, each cut lowered by `margin` points; a missing score is the lowest band."""
    return _band(scores, cuts.signal, margin)


def scored(rows: Sequence[TierRow], score: Floats, open_to: Sequence[Flags], margin: float = 0.0) -> tuple[Flags, ...]:
    """By row, which of the accounts it is open to have the account_score it asks for, lowered by `margin` points."""
    return tuple(
        may & (score >= row.least[SCORE] - margin) if SCORE in row.least else may
        for row, may in zip(rows, open_to, strict=True)
    )


def match_rows(rows: Sequence[TierRow], fit: Ints, signal: Ints, coverage: Ints, open_to: Sequence[Flags]) -> Ints:
    """The first row whose bands are all reached ("at least"), as an index; `len(rows)` where none is.

    open_to : by row, which accounts it may name at all, whatever their bands.

    Because every condition is "at least" and the rows stand from tier_1 down, a higher band never names a lower tier.
    """
    first = np.full(fit.shape, len(rows), dtype=np.int64)
    for i in range(len(rows) - 1, -1, -1):
        first[reaches(rows[i], fit, signal, coverage) & open_to[i]] = i
    return first


def reaches(row: TierRow, fit: Ints, signal: Ints, coverage: Ints) -> Flags:
    """Whether each account reaches all bands that a row asks for."""
    return np.asarray(
        (fit >= FIT_BANDS.index(row.fit))
        & (signal >= SIGNAL_BANDS.index(row.signal))
        & (coverage >= COVERAGE_BANDS.index(row.coverage)),
        dtype=bool,
    )


def row_levels(rows: Sequence[TierRow]) -> Ints:
    """The level each row names, and recycle at `len(rows)` (no match)."""
    return np.array([LEVELS[r.tier] for r in rows] + [LEVELS["recycle"]], dtype=np.int64)
