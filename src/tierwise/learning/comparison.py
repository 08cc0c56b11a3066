"""The calibrators side by side, each judged on rows later than those it was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from tierwise.learning.calibration import KINDS, fit_calibrator, row_log_loss
from tierwise.learning.metrics import Interval, interval, resamples
from tierwise.learning.reliability import SEED, CalibrationError, ece

Floats = npt.NDArray[np.float64]

AS_THEY_ARE = "none"
"""The log-odds without any calibrator: what the others must improve on."""
LEAST = 10
"""Fewer rows with, or without, the outcome are too few to fit a calibrator on."""


@dataclass(frozen=True)
class CalibratorScore:
    """One calibrator on rows that it had not seen; intervals are by resampling accounts.

    less_affine: its log-loss less the affine map's, paired by row; below 0 is better.
    """

    log_loss: Interval
    brier: Interval
    ece: CalibrationError
    less_affine: Interval


@dataclass(frozen=True)
class Comparison:
    """The calibrators by name, on the same n rows; empty, with `why`, where there is nothing to judge them on."""

    n: int
    outcomes: int
    scores: Mapping[str, CalibratorScore]
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values."""
        scores = {name: asdict(found) | {"ece": found.ece.to_dict()} for name, found in self.scores.items()}
        return {"n": self.n, "outcomes": self.outcomes, "scores": scores, "why": self.why}


def compare_calibrators(
    log_odds: Floats,
    y: Floats,
    families: npt.NDArray[Any],
    order: npt.NDArray[Any],
    *,
    gap: Any = 0,
    parts: int = 4,
    seed: int = SEED,
) -> Comparison:
    """Every calibrator, forward in time.

    order: what tells earlier from later, as the fold or the as_of of each row. Its distinct values are cut into at most
    `parts` parts; on each part from the second on, calibrators are judged that were fitted on the earlier rows whose
    order + gap is not after the part's first. The judged rows are pooled. A part with too little before it is left out.
    """
    z, y, order = np.asarray(log_odds, dtype=np.float64), np.asarray(y, dtype=np.float64), np.asarray(order)
    fitted: dict[str, list[Floats]] = {name: [] for name in (AS_THEY_ARE, *KINDS)}
    judged: list[npt.NDArray[np.bool_]] = []
    for first, last in _parts(order, parts):
        old, now = (order + gap <= first) & (order < first), (order >= first) & (order <= last)
        if not _enough(z[old], y[old]):
            continue
        judged.append(now)
        for name, values in _calibrated(z[old], y[old], z[now]).items():
            fitted[name].append(values)
    if not judged:
        return Comparison(0, 0, {}, "no rows are late enough to be judged by what was fitted before them")
    pooled = {name: np.concatenate(values) for name, values in fitted.items()}
    rows = np.concatenate([np.flatnonzero(now) for now in judged])
    return _scored(pooled, y[rows], np.asarray(families)[rows], seed)


def _parts(order: npt.NDArray[Any], parts: int) -> list[tuple[Any, Any]]:
    """The first and last order of each part from the second on."""
    distinct = np.array_split(np.unique(order), max(1, parts))
    return [(part[0], part[-1]) for part in distinct[1:] if len(part)]


def _enough(z: Floats, y: Floats) -> bool:
    return bool(min(y.sum(), len(y) - y.sum()) >= LEAST and np.ptp(z) > 1e-9)


def _calibrated(z: Floats, y: Floats, later: Floats) -> dict[str, Floats]:
    return {AS_THEY_ARE: later, **{name: fit_calibrator(name, z, y)(later) for name in KINDS}}


def _scored(by_name: Mapping[str, Floats], y: Floats, families: npt.NDArray[Any], seed: int) -> Comparison:
    codes, counts = resamples(families, 200, seed)
    rows = counts @ np.bincount(codes, minlength=counts.shape[1])

    def mean(values: Floats) -> Interval:
        drawn = (counts @ np.bincount(codes, values, counts.shape[1])) / np.maximum(rows, 1.0)
        return interval(float(values.mean()), drawn)

    losses = {name: row_log_loss(values, y) for name, values in by_name.items()}
    scores = {
        name: CalibratorScore(
            mean(losses[name]),
            mean((expit(values) - y) ** 2),
            ece(expit(values), y, families, draws=200, seed=seed),
            mean(losses[name] - losses["affine"]),
        )
        for name, values in by_name.items()
    }
    return Comparison(len(y), int(y.sum()), scores)
