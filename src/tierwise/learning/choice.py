"""Which candidate is used, and what the choice costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.model_selection import StratifiedKFold

from tierwise.config.plan import Candidate, Learning
from tierwise.errors import NoUsableModel
from tierwise.learning.calibration import fit_affine, row_log_loss
from tierwise.learning.candidates import simplest_first
from tierwise.learning.encoding import Floats
from tierwise.learning.metrics import auc, interval, paired_difference, resamples
from tierwise.learning.rows import Rows
from tierwise.learning.search import Tried
from tierwise.learning.sides import SidesClassifier

RANDOM_FOLDS = 3
GAP_DRAWS = 100
"""Resamples for the interval of what random folds flatter by."""


def admitted(learning: Learning, provisional: bool) -> list[Candidate]:
    """The candidates that so many outcomes allow, simplest first: with few, scorecards alone."""
    candidates = simplest_first(learning.candidates)
    if not provisional:
        return candidates
    return [c for c in candidates if c.kind == "scorecard"] or [Candidate(kind="scorecard")]


def choose(found: Mapping[str, Tried], families: npt.NDArray[Any]) -> tuple[str, str]:
    """The simplest candidate whose mean log-loss is within one paired standard error of the best, and why.

    found: simplest first.

    Raises
    ------
    NoUsableModel : no candidate ranks better than chance.
    """
    usable = {name: tried for name, tried in found.items() if tried.affine.usable}
    if not usable:
        raise NoUsableModel(
            "A candidate must rank better than chance on later rows than it was trained on",
            found="the calibration slope of every candidate is zero or below",
            do="Tiers by rules need no model; add history, or features that are known before the outcome",
        )
    best = min(usable, key=lambda name: usable[name].mean)
    for name, tried in usable.items():
        if name == best:
            break
        gap = paired_difference(tried.losses, usable[best].losses, families)
        if gap.mean <= gap.standard_error:
            return name, (
                f"{name} is simpler than {best}, and its out-of-time log-loss is within one standard error "
                f"({gap.mean:.5f} more, standard error {gap.standard_error:.5f})"
            )
    return best, f"{best} has the lowest out-of-time log-loss ({usable[best].mean:.4f})"


def beside(found: Mapping[str, Tried], families: npt.NDArray[Any]) -> dict[str, dict[str, Any]]:
    """By candidate that ranks at all, its out-of-time losses less those of the best one, paired by row."""
    usable = {name: tried for name, tried in found.items() if tried.affine.usable}
    best = min(usable.values(), key=lambda tried: tried.mean)
    return {name: asdict(paired_difference(tried.losses, best.losses, families)) for name, tried in usable.items()}


def yardstick(chosen: Floats, free: Floats, families: npt.NDArray[Any]) -> dict[str, Any]:
    """What it costs that no term reads both sides: the chosen losses less those of one free booster, out of time."""
    gap = paired_difference(chosen, free, families)
    return {"log_loss": float(free.mean()), "chosen_less_free": asdict(gap)}


def random_gap(estimator: SidesClassifier, rows: Rows, out_of_time: Rows, forward: Floats, seed: int) -> dict[str, Any]:
    """How much random cross-validation flatters: the same model judged on rows drawn at random, and forward in time.

    forward: calibrated log-odds of the out-of-time rows. Both are judged through an affine map of their own.
    flatters: each figure drawn at random less the same forward in time, with its interval by resampling families.
    """
    log_odds = np.empty(len(rows.y))
    folds = StratifiedKFold(RANDOM_FOLDS, shuffle=True, random_state=seed)
    for old, new in folds.split(np.zeros(len(rows.y)), rows.y):
        estimator.fit(rows.frame.iloc[old], rows.y[old])
        log_odds[new] = estimator.decision_function(rows.frame.iloc[new])
    drawn = _Judged(fit_affine(log_odds, rows.y)(log_odds), rows.y)
    later = _Judged(forward, out_of_time.y)
    families = np.concatenate([rows.families, out_of_time.families])
    return {
        "folds": RANDOM_FOLDS,
        "random": drawn.figures() | {"n": len(rows.y)},
        "forward": later.figures() | {"n": len(out_of_time.y)},
        "flatters": _less(drawn, later, families, seed),
    }


@dataclass(frozen=True)
class _Judged:
    """Calibrated log-odds and what came."""

    log_odds: Floats
    y: Floats

    def figures(self, weights: Floats | None = None) -> dict[str, float]:
        losses = row_log_loss(self.log_odds, self.y)
        return {
            "auc": auc(self.y, expit(self.log_odds), weights),
            "log_loss": float(np.average(losses, weights=weights)),
        }


def _less(first: _Judged, second: _Judged, families: npt.NDArray[Any], seed: int) -> dict[str, Any]:
    """The first's figures less the second's, whose rows' families stand after the first's."""
    codes, counts = resamples(families, GAP_DRAWS, seed)
    cut, whole = len(first.y), (first.figures(), second.figures())
    draws = [(first.figures(count[codes[:cut]]), second.figures(count[codes[cut:]])) for count in counts]
    return {
        name: asdict(interval(a - whole[1][name], np.array([one[name] - two[name] for one, two in draws])))
        for name, a in whole[0].items()
    }
