"""A fit side that is kept from one training to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

from tierwise.clock import instant
from tierwise.config.plan import Learning
from tierwise.errors import UsageError
from tierwise.features.feature import Feature
from tierwise.learning.calibration import Affine
from tierwise.learning.encoding import Floats
from tierwise.learning.model import KeptFit, PropensityModel, freeze
from tierwise.learning.staged import StagedBooster


@dataclass(frozen=True)
class FitSide:
    """The model whose fit side is kept, and in which training, and model, that side was learned.

    trained_as_of: the date of that training (YYYY-MM-DD). recalibrated_as_of: that of the newest recalibration whose
    slope its fit log-odds have; "" where there is none.
    """

    model: PropensityModel
    model_version: str
    trained_as_of: str
    recalibrated_as_of: str = ""

    @classmethod
    def of(cls, model: PropensityModel) -> FitSide | None:
        """That which a model keeps; None where its fit side is its own."""
        kept = model.kept_fit
        return None if kept is None else cls(model, kept.model_version, kept.trained_as_of, kept.recalibrated_as_of)

    @property
    def unseen_from(self) -> datetime:
        """The first as_of that a model with this fit side can be judged on: the later of the two dates.

        By then the outcome window of every row had closed that anything of it was fitted on, `as_of + horizon <=` that
        date, as a younger row is no label (law 2). So a row on or after it stands a horizon behind each of them, which
        is the gap of law 3, and the outcomes of the one and of the others lie in spans of time that do not meet.
        """
        return instant(max(self.trained_as_of, self.recalibrated_as_of))


def keep_fit(learned: PropensityModel, side: FitSide, cohort: pd.DataFrame) -> PropensityModel:
    """A staged model of all mature rows with another fit side in place of its own.

    On the fit side the trees, the vocabularies and fills, the slope and the percentiles are the kept ones, so that the
    same facts have the same fit log-odds and fit score, to the bit. The signal side is the learned model's, with the
    slope of its calibrator: it was boosted on out-of-fold log-odds of a fit side learned now. Those of the kept one
    would be too sure of rows whose outcomes it has seen, and would leave the signal side too little. The season and a
    curve beyond the affine map are the learned model's too.

    The intercept is the one at which the mean probability of the cohort (all mature rows, with the season, before any
    curve) is the learned model's: its calibrator stands for the level out of time, which a swap of the fit side is not
    to move. Percentiles of the account and of the signal side are those of the cohort.

    learned: staged, as it comes from training. side: of a staged model with the same fit features by name and kind.
    """
    own, theirs = learned.estimator, side.model.estimator
    if not (isinstance(own, StagedBooster) and isinstance(theirs, StagedBooster)):
        raise UsageError(
            "A fit side was to be kept",
            found=f"the models are {learned.kind} and {side.model.kind}, and only staged ones have a fit side alone",
            do="Train both with the candidate staged",
        )
    slope = side.model.slope
    estimator = own.with_fit_of(theirs, learned.calibrator.slope / slope)
    season = learned.season_log_odds(cohort)
    wanted = learned.calibrator(own.decision_function(cohort)) + season
    given = slope * estimator.decision_function(cohort) + season
    calibrator = Affine(_intercept(given, wanted), slope)
    made = freeze(
        learned.kind, estimator, calibrator, cohort, learned.horizon_days, learned.trained_as_of, learned.threads,
        learned.curve, learned.season,
    )  # fmt: skip
    before = side.model.kept_fit
    ranked = side.model.calibrator.slope if before is None else before.slope
    percentiles = {**made.percentiles, "fit": side.model.percentiles["fit"]}
    kept = KeptFit(side.model_version, side.trained_as_of, ranked, side.recalibrated_as_of)
    return replace(made, percentiles=percentiles, kept_fit=kept)


def _intercept(log_odds: Floats, wanted: Floats) -> float:
    """What added to log-odds gives the mean probability of those wanted."""
    apart, mean = wanted - log_odds, expit(wanted).mean()
    low, high = float(apart.min()), float(apart.max())
    if high - low < 1e-12:
        return low
    return float(brentq(lambda more: float(expit(log_odds + more).mean() - mean), low, high, xtol=1e-13))


def unlike(kept: Sequence[Feature], asked: Sequence[Feature]) -> list[str]:
    """How the fit features of a model differ by name and kind from those asked for, each in words; none: they do not.

    kept, asked: features of both sides.
    """
    there, here = ({f.name: f.kind for f in features if f.side == "fit"} for features in (kept, asked))
    said = [f"it has no {name}" for name in sorted(here.keys() - there)]
    said += [f"it reads {name}, which the plan does not have" for name in sorted(there.keys() - here)]
    both = sorted(here.keys() & there)
    return said + [f"{n} is a {there[n]} in it, and a {here[n]} in the plan" for n in both if there[n] != here[n]]


def fit_apart(live: PropensityModel, other: PropensityModel, *, recalibrates: bool = False) -> str:
    """How the fit side of another staged model differs from the live one's, in words; "": same facts, same fit side.

    recalibrates: the other is a recalibration, which moves fit log-odds by its slope, and leaves fit scores as they
    are.
    """
    if _ranking(live) != _ranking(other):
        return "has another fit side than the live model, so that the same facts have other fit scores"
    if other.slope != live.slope and not recalibrates:
        return (
            f"has the live model's fit side with another slope: the same facts have {other.slope / live.slope:.2f} "
            "times the fit log-odds, as one of the two was recalibrated since"
        )
    return ""


def _ranking(model: PropensityModel) -> tuple[object, ...]:
    """All that gives facts their fit score: trees, vocabularies and fills, slope and percentiles."""
    encoder, kept = model.estimator.encoder_, model.kept_fit
    names = [f.name for f in model.features if f.side == "fit"]
    read = [(name, encoder.levels.get(name), encoder.fills.get(name)) for name in names]
    slope = model.calibrator.slope if kept is None else kept.slope
    return model.kind, model.to_files().get("fit.txt"), read, slope, model.percentiles["fit"]


def check_enough(learning: Learning, outcome_accounts: int) -> None:
    """Refuse to freeze a fit side where so few accounts have the outcome that the scorecard alone may be tried.

    Raises
    ------
    UsageError : the plan does, and they are.
    """
    if learning.fit_frozen_until is not None and outcome_accounts < learning.scorecard_below:
        raise UsageError(
            "a staged model was to be trained, whose fit side is frozen (model.fit_frozen_until)",
            found=f"{outcome_accounts} accounts have the outcome; below {learning.scorecard_below} "
            "(model.scorecard_below) the scorecard alone is tried, and it has no fit side to freeze",
            do="Remove model.fit_frozen_until until more have it",
        )
