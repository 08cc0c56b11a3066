"""Whether the newest level of the base is used: only where it moves, and where following it helps forward in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tierwise.learning.calibration import Affine, fit_affine, row_log_loss
from tierwise.learning.encoding import Floats
from tierwise.learning.level import (
    LEAST_PERIODS,
    History,
    Walk,
    find_walk,
    forecast,
    mean_shares,
    periods_of,
    track,
)
from tierwise.learning.metrics import Difference, paired_difference
from tierwise.learning.rows import Rows
from tierwise.learning.search import Tried
from tierwise.learning.splits import Division, Instants, Mask, days

ALPHA = 0.05
"""The level moves where the likelihood-ratio test rejects steps of 0 at this level."""
LEAST_TO_FORECAST = 3
"""Periods before one that is to be forecast."""


@dataclass(frozen=True)
class LevelTrial:
    """What following the level was worth forward in time.

    tried: the candidate as it was; where the level is followed, with the newest one in its affine map and losses.
    shift: what that adds to the log-odds. periods: out of time, of period_days each. walk: None where there are too few
    of them. gain: log-loss without less log-loss with, on later periods than each forecast was made from; None where
    nothing was forecast. why: one sentence without its stop.
    """

    tried: Tried
    adopted: bool
    periods: int
    period_days: float
    rows: int
    why: str
    shift: float = 0.0
    walk: Walk | None = None
    gain: Difference | None = None
    judged_periods: int = 0
    judged_rows: int = 0

    def newest(self, rows: Rows, division: Division, on_test: Floats) -> Affine:
        """The affine map with the level as it is when the test slice has closed; unchanged where it is not followed.

        on_test: calibrated log-odds of the test rows, by this trial's own map.
        """
        if not self.adopted:
            return self.tried.affine
        known, log_odds = np.ones(len(rows.y), dtype=np.bool_), np.full(len(rows.y), np.nan)
        log_odds[np.flatnonzero(division.earlier)[_places(division.folds)]] = self.tried.affine(self.tried.log_odds)
        log_odds[division.test] = on_test
        parts = [(_among(division.earlier, old), _among(division.earlier, now)) for old, now in division.folds]
        parts += [(_among(division.earlier, old), _among(division.test, now)) for old, now in division.reports]
        history, _ = _history(rows, log_odds, parts)
        found = track(history, log_odds, known)
        more = forecast(found, find_walk(found).step, found.shares(history.period))
        return Affine(self.tried.affine.intercept + more, self.tried.affine.slope)

    def to_dict(self, final: Affine) -> dict[str, Any]:
        """All of it as JSON values; final: the affine map of the model of all rows, `judged` that of the test slice."""
        pooled = self.tried.affine.intercept - self.shift
        newest = f"; with the months it was tested on, {_times(final.intercept - pooled)}" if self.adopted else ""
        return {
            "adopted": self.adopted,
            "periods": self.periods,
            "periods_needed": LEAST_PERIODS,
            "period_days": self.period_days,
            "rows": self.rows,
            "walk": None if self.walk is None else asdict(self.walk),
            "gain": None if self.gain is None else {"mean": self.gain.mean, "standard_error": self.gain.standard_error},
            "judged_periods": self.judged_periods,
            "judged_rows": self.judged_rows,
            "shift": self.shift,
            "judged": asdict(self.tried.affine),
            "final": asdict(final),
            "words": self.why + newest,
        }


def try_level(tried: Tried, earlier: Rows, folds: Sequence[tuple[Mask, Mask]]) -> LevelTrial:
    """Judge the newest level of the base, with any season left out of it, beside that of all out-of-time rows together.

    The slope stays that of all of them. Followed where the level moves (`find_walk`), and where the pooled log-loss of
    periods forecast from rows that had closed before them is lower than with an intercept of those rows together.
    """
    y, known = earlier.y, np.ones(len(earlier.y), dtype=np.bool_)
    raw = np.full(len(y), np.nan)
    raw[_places(folds)] = tried.log_odds
    history, width = _history(earlier, raw, folds)
    periods, count = len(np.unique(history.period[history.held])), int(history.held.sum())
    if not all(_forward_in_time(earlier.as_of[old], earlier.as_of[now]) for old, now in folds):
        return LevelTrial(
            tried, False, periods, width, count, "the folds are not forward in time, so no level can be followed"
        )
    if periods < LEAST_PERIODS:
        why = f"{periods} periods of {_days(width)} out of time, of {LEAST_PERIODS} needed"
        return LevelTrial(tried, False, periods, width, count, why)
    found = track(history, tried.affine(raw), known)
    walk = find_walk(found)
    of = f"{periods} periods of {_days(width)}, {count:,} rows out of time"
    trial = LevelTrial(tried, False, periods, width, count, "", walk=walk)
    if walk.p_value >= ALPHA:
        return replace(trial, why=f"the base rate moves no more than chance explains ({_p(walk)}; {of})")
    judged = [line for t in np.unique(history.period[history.held]) if (line := _forward(history, earlier, t))]
    if not judged:
        return replace(trial, why=f"the base rate has moved ({_p(walk)}; {of}), but no period can be forecast yet")
    losses = [np.concatenate([line[side] for line in judged]) for side in (1, 2)]
    held = earlier.at(np.concatenate([line[0] for line in judged]))
    gain = paired_difference(losses[0], losses[1], held.families)
    trial = replace(trial, gain=gain, judged_periods=len(judged), judged_rows=len(held.y))
    forward = f"{gain.mean:+.5f}, SE {gain.standard_error:.5f}; {len(held.y):,} rows of {len(judged)} periods"
    if not gain.mean > 0:
        why = f"the base rate has moved ({_p(walk)}; {of}), but to follow it does not help forward in time ({forward})"
        return replace(trial, why=why)
    shift = forecast(found, walk.step, found.shares(history.period))
    affine = Affine(tried.affine.intercept + shift, tried.affine.slope)
    outcome = y[_places(folds)]
    moved = replace(tried, affine=affine, losses=row_log_loss(affine(tried.log_odds), outcome))
    why = (
        f"the base rate has moved ({_p(walk)}; {of}), and its newest level predicts later periods better than all "
        f"periods together ({forward}): the odds are {_times(shift)}"
    )
    return replace(trial, tried=moved, adopted=True, shift=shift, why=why)


def _forward(history: History, rows: Rows, period: np.int64) -> tuple[Any, Floats, Floats] | None:
    """The places of a period's held-out rows, and their losses with the intercept of the rows known before them, and
    with the level forecast from these; None where too little was known."""
    now = history.held & (history.period == period)
    known = rows.as_of + days(rows.horizon_days) <= rows.as_of[now].min()
    before = history.held & known
    if len(np.unique(history.period[before])) < LEAST_TO_FORECAST or len(np.unique(history.y[before])) < 2:
        return None
    affine = fit_affine(history.log_odds[before], history.y[before])
    if not affine.usable:
        return None
    log_odds = affine(history.log_odds)
    found = track(history, log_odds, known)
    level = forecast(found, find_walk(found).step, mean_shares(found, history, now))
    y = history.y[now]
    return np.flatnonzero(now), row_log_loss(log_odds[now], y), row_log_loss(log_odds[now] + level, y)


def _history(rows: Rows, log_odds: Floats, folds: Sequence[tuple[Mask, Mask]]) -> tuple[History, float]:
    """Rows by period; no period counts as held out from a model that learned from some of it."""
    period, width = periods_of(rows.as_of, rows.horizon_days)
    apart = log_odds.copy()
    for old, now in folds:
        apart[now & np.isin(period, np.unique(period[old]))] = np.nan
    return History(period, rows.y, rows.families, apart, folds), width


def _forward_in_time(old: Instants, now: Instants) -> bool:
    return not len(now) or bool(old.max() < now.min())


def _places(folds: Sequence[tuple[Mask, Mask]]) -> Any:
    """The places of held-out rows, fold after fold."""
    return np.concatenate([np.flatnonzero(now) for _, now in folds])


def _among(part: Mask, of_part: Mask) -> Mask:
    """A mask of a part's rows as one of all rows."""
    whole = np.zeros(len(part), dtype=np.bool_)
    whole[np.flatnonzero(part)[of_part]] = True
    return whole


def _days(width: float) -> str:
    return "1 day" if round(width, 1) == 1 else f"{width:.3g} days"


def _p(walk: Walk) -> str:
    return "p below 0.001" if walk.p_value < 0.001 else f"p = {walk.p_value:.3f}"


def _times(shift: float) -> str:
    return f"{np.exp(shift):.2f} times those of all periods together"
