"""Which candidate is used, and what the choice costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
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
from tierwise.learning.metrics import auc, paired_difference
from tierwise.learning.rows import Rows
from tierwise.learning.search import Tried
from tierwise.learning.sides import SidesClassifier

RANDOM_FOLDS = 3


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


def yardstick(chosen: Floats, free: Floats, families: npt.NDArray[Any]) -> dict[str, Any]:
    """What it costs that no term reads both sides: the chosen losses less those of one free booster, out of time."""
    gap = paired_difference(chosen, free, families)
    return {"log_loss": float(free.mean()), "chosen_less_free": asdict(gap)}


def random_gap(estimator: SidesClassifier, rows: Rows, out_of_time: Rows, forward: Floats, seed: int) -> dict[str, Any]:
    """How much random cross-validation flatters: the same model judged on rows drawn at random, and forward in time.

    forward: calibrated log-odds of the out-of-time rows. Both are judged through an affine map of their own.
    """
    log_odds = np.empty(len(rows.y))
    folds = StratifiedKFold(RANDOM_FOLDS, shuffle=True, random_state=seed)
    for old, new in folds.split(np.zeros(len(rows.y)), rows.y):
        estimator.fit(rows.frame.iloc[old], rows.y[old])
        log_odds[new] = estimator.decision_function(rows.frame.iloc[new])
    drawn = _figures(fit_affine(log_odds, rows.y)(log_odds), rows.y)
    return {"folds": RANDOM_FOLDS, "random": drawn, "forward": _figures(forward, out_of_time.y)}


def _figures(log_odds: Floats, y: Floats) -> dict[str, float]:
    return {"auc": auc(y, expit(log_odds)), "log_loss": float(row_log_loss(log_odds, y).mean()), "n": len(y)}
