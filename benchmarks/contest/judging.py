"""The same figures for every entrant, on the same unseen rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import logit

from tierwise.learning.calibration import calibration_test, row_log_loss
from tierwise.learning.metrics import Difference, Interval, Measured, measure, paired_difference

CLOSEST = 1e-6
"""Probabilities are kept so far from 0 and 1, so that one row costs at most 13.8."""
BASE_RATE = "base rate"


@dataclass(frozen=True)
class Entry:
    """What an entrant hands in: probabilities of the unseen rows, or a ranking of them, or why it has none."""

    name: str
    score: np.ndarray | None
    probability: bool = True
    why: str = ""
    seconds: float = float("nan")
    megabytes: float = float("nan")
    said: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Judged:
    """An entry's figures; losses row by row where it gave probabilities. behind: its log-loss less the best's."""

    entry: Entry
    measured: Measured | None
    losses: np.ndarray | None
    slope: float
    behind: Difference | None = None
    best: bool = False

    @property
    def log_loss(self) -> float:
        """Mean log-loss; infinite without probabilities."""
        return float("inf") if self.losses is None else float(self.losses.mean())

    def figure(self, name: str) -> Interval | None:
        """A figure with its interval, where it can be said: a constant ranks nobody."""
        if self.measured is None or name not in self.measured.names:
            return None
        return None if self.entry.name == BASE_RATE and name != "log_loss" else self.measured.interval(name)

    @property
    def within(self) -> bool:
        """Whether it is the best, or within one standard error of it."""
        return self.best or (self.behind is not None and self.behind.mean <= self.behind.standard_error)

    @property
    def verdict(self) -> str:
        """In words."""
        if self.entry.score is None:
            return f"not formed: {self.entry.why}"
        if self.losses is None:
            return "a ranking"
        if self.best:
            return "best"
        return "within 1 SE" if self.within else "behind"


def judge(entries: list[Entry], y: np.ndarray, families: np.ndarray, seed: int = 7) -> list[Judged]:
    """Every entry on the same rows; paired differences of log-loss to the best, their standard error by family."""
    first = [_one(entry, y, families, seed) for entry in entries]
    best = min(first, key=lambda judged: judged.log_loss)
    return [_beside(judged, best, families) for judged in first]


def _one(entry: Entry, y: np.ndarray, families: np.ndarray, seed: int) -> Judged:
    if entry.score is None:
        return Judged(entry, None, None, float("nan"))
    if not entry.probability:
        measured = measure(y, entry.score, families, probability=False, shares=(), seed=seed)
        return Judged(entry, measured, None, float("nan"))
    z = logit(np.clip(entry.score, CLOSEST, 1 - CLOSEST))
    measured = measure(y, z, families, probability=True, shares=(), seed=seed)
    varies = entry.name != BASE_RATE and np.ptp(z) > 1e-9
    slope = calibration_test(z, y).slope if varies else float("nan")
    return Judged(entry, measured, row_log_loss(z, y), slope)


def _beside(judged: Judged, best: Judged, families: np.ndarray) -> Judged:
    if judged.losses is None or best.losses is None:
        return judged
    behind = paired_difference(judged.losses, best.losses, families)
    return Judged(judged.entry, judged.measured, judged.losses, judged.slope, behind, judged.log_loss == best.log_loss)
