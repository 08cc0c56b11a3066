"""Whether the base varies by month of the year: learned in each fold, and kept only where it helps forward in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tierwise.learning.calibration import fit_affine, row_log_loss
from tierwise.learning.encoding import Floats
from tierwise.learning.metrics import Difference, paired_difference
from tierwise.learning.rows import Rows
from tierwise.learning.search import Tried
from tierwise.learning.season import MONTHS, NO_SEASON, Season, learn_season, months_spanned, spoken
from tierwise.learning.sides import SidesClassifier
from tierwise.learning.splits import Mask

LEAST_MONTHS = 24
"""Months of mature rows below which no season is tried."""

Fitted = Callable[[Tried, Rows], SidesClassifier]


@dataclass(frozen=True)
class SeasonTrial:
    """What a season was worth forward in time.

    tried: the candidate as it was; where the season is adopted, with the season in its raw log-odds, and its affine map
    and losses those of base, season and sides together. gain: log-loss without less log-loss with, None where nothing
    was tried. why: one sentence without its stop.
    """

    tried: Tried
    adopted: bool
    months: int
    why: str
    gain: Difference | None = None
    judged_months: int = 0

    def season(self, fitted: SidesClassifier, rows: Rows) -> Season:
        """The season of a model fitted to rows, learned from them; none where it is not adopted."""
        return season_given(self.tried, fitted, rows) if self.adopted else NO_SEASON

    def to_dict(self, final: Season) -> dict[str, Any]:
        """All of it as JSON values, with the offsets (log-odds, January first) of the final model."""
        gain = None if self.gain is None else {"mean": self.gain.mean, "standard_error": self.gain.standard_error}
        said = f"{self.why}; {spoken(final)}; scores from 0 to 100 leave it out" if self.adopted else self.why
        return {
            "adopted": self.adopted,
            "months": self.months,
            "months_needed": LEAST_MONTHS,
            "gain": gain,
            "families": 0 if self.gain is None else self.gain.accounts,
            "judged_months": self.judged_months,
            "offsets": list(final.offsets) if self.adopted else None,
            "words": said,
        }


def season_given(tried: Tried, fitted: SidesClassifier, rows: Rows) -> Season:
    """The season that rows show over what a model, fitted to them, says of them in calibrated log-odds."""
    expected = tried.affine.slope * fitted.decision_function(rows.frame)
    return learn_season(expected, rows.y, rows.as_of, rows.families)


def try_season(
    tried: Tried, fitted: Fitted, rows: Rows, earlier: Rows, folds: Sequence[tuple[Mask, Mask]]
) -> SeasonTrial:
    """Judge month offsets on the folds the candidate was chosen on; below LEAST_MONTHS of rows, say so.

    Each fold's offsets are learned from its own training rows, over the candidate fitted to them; a fold with less than
    a year of those has none. Adopted where the log-loss of the rows held out is lower by more than one standard error,
    paired and by account family, or by month where that is more: all rows of a month share its offset, and so its
    error. Where there is none, at most 1 training in 10 adopts one (60 worlds each of 3 and 4 years with a level base,
    a trend, a step and a random walk: 2 % to 8 %).
    """
    months = months_spanned(rows.as_of)
    if months < LEAST_MONTHS:
        return SeasonTrial(tried, False, months, f"{months} months of history, of {LEAST_MONTHS} needed")
    offset = np.concatenate([_of_fold(tried, fitted, earlier, *fold) for fold in folds])
    if not offset.any():
        return SeasonTrial(tried, False, months, "no month of the year stands out in what the folds were trained on")
    held = earlier.at(np.concatenate([np.flatnonzero(now) for _, now in folds]))
    affine = fit_affine(tried.log_odds, held.y, offset=offset)
    losses = row_log_loss(affine(tried.log_odds) + offset, held.y)
    gain = judged(tried.losses, losses, held)
    count = len(np.unique(held.as_of.astype("datetime64[M]")))
    figures = f"{gain.mean:+.5f}, SE {gain.standard_error:.5f}"
    if not (affine.usable and gain.mean > gain.standard_error):
        return SeasonTrial(tried, False, months, f"no gain forward in time: {figures}", gain, count)
    seasoned = replace(tried, log_odds=tried.log_odds + offset / affine.slope, affine=affine, losses=losses)
    why = f"log-loss forward in time is lower with it: {figures}"
    return SeasonTrial(seasoned, True, months, why, gain, count)


def judged(without: Floats, having: Floats, held: Rows) -> Difference:
    """The gain per row, with the greater of its standard errors by account family and by month."""
    by_family = paired_difference(without, having, held.families)
    by_month = paired_difference(without, having, held.as_of.astype("datetime64[M]"))
    error = np.nanmax([by_family.standard_error, by_month.standard_error])
    return Difference(by_family.mean, float(error), by_family.accounts)


def _of_fold(tried: Tried, fitted: Fitted, earlier: Rows, old: Mask, now: Mask) -> Floats:
    learned, held = earlier.where(old), earlier.where(now)
    if months_spanned(learned.as_of) < MONTHS:
        return np.zeros(len(held.y))
    return season_given(tried, fitted(tried, learned), learned)(held.as_of)
