"""Models of past dates that could not have seen what came after: the live question's kind and settings, learned again.

Which kind and settings they are was chosen later, with more history than those dates had; that is hindsight, and is
said wherever their scores are shown. What is learned, calibrated and frozen is of then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from tierwise.clock import instant, naive
from tierwise.config.icp import IcpPoints
from tierwise.config.plan import Candidate, Plan, Setting
from tierwise.errors import NoUsableModel, UsageError
from tierwise.features.matrix import Matrix
from tierwise.learning.calibration import Affine, fit_affine
from tierwise.learning.candidates import make
from tierwise.learning.model import KeptFit, PropensityModel, freeze
from tierwise.learning.parallel import one_blas_thread
from tierwise.learning.rows import Rows, least_behind, training_rows
from tierwise.learning.sides import SidesClassifier
from tierwise.learning.splits import days, forward_folds, held_out, instants, stamp, trained_on

MONTHS = 3
"""How often a model is learned again."""
HINDSIGHT = (
    "The model's kind and settings are the live model's, chosen with later history than the dates shown; what they "
    "learned, their calibration and their percentiles are of each date's own past"
)


@dataclass(frozen=True)
class Recipe:
    """What a model is made with: its kind, and its settings with the chosen value of its path parameter.

    fit_side_of: the date of the training that its fit side is kept from; "" where it learned its own.
    """

    kind: str
    settings: Mapping[str, Setting]
    fit_side_of: str = ""

    @classmethod
    def of(cls, evaluation: Mapping[str, Any] | None, kept: KeptFit | None = None) -> Recipe | None:
        """That of an evaluation's chosen candidate (`Evaluation.to_dict`); None where it names none.

        kept: where the model's fit side comes from, if it is another's.
        """
        said = evaluation or {}
        chosen = (said.get("candidates") or {}).get(said.get("chosen"))
        since = "" if kept is None else kept.trained_as_of
        return None if chosen is None else cls(str(chosen["kind"]), dict(chosen["settings"]), since)

    @property
    def hindsight(self) -> str:
        """What models of past dates made with it owe to later ones, and where they are not the live one; no stop."""
        if not self.fit_side_of:
            return HINDSIGHT
        return (
            f"{HINDSIGHT}. The live model keeps a fit side of {self.fit_side_of}; the models of past dates each learn "
            "theirs anew, so fit scores move here where the live model's stand still"
        )


@dataclass(frozen=True)
class Refit:
    """A model learned on rows whose horizon had closed by `as_of`; rows, outcomes: how many there were."""

    as_of: datetime
    model: PropensityModel
    rows: int
    outcomes: int

    @property
    def version(self) -> str:
        """Its name, as decisions tell which model scored them.

        >>> Refit(datetime(2026, 3, 1), None, 0, 0).version
        'refit-2026-03-01'
        """
        return f"refit-{self.as_of.date()}"


@dataclass(frozen=True)
class OutOfTime:
    """The models of a run of past dates.

    refits: oldest first. unscored: date -> why no model could be learned by then; such a date has no scores. kept: the
    date of a refit that gave nothing -> why; the model before it went on.
    """

    refits: tuple[Refit, ...]
    unscored: Mapping[datetime, str]
    kept: Mapping[datetime, str]

    def at(self, as_of: datetime) -> Refit:
        """The newest model that was learned by a date.

        Raises
        ------
        UsageError : none was.
        """
        known = [refit for refit in self.refits if refit.as_of <= as_of]
        if not known:
            raise UsageError(
                f"scores as of {as_of.date()} were asked for",
                found=self.unscored.get(as_of, "no model was learned by then"),
                do="Ask for the dates that `refits` cover",
            )
        return known[-1]

    def score(self, frame: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
        """What `PropensityModel.score` says of rows, by the model of that date."""
        return self.at(as_of).model.score(frame)


@one_blas_thread()
def learn_out_of_time(
    matrix: Matrix,
    plan: Plan,
    dates: Sequence[datetime],
    recipe: Recipe,
    *,
    months: int = MONTHS,
    threads: int = 1,
    rubric: Sequence[IcpPoints] = (),
) -> OutOfTime:
    """Learn a model on the first of the dates that allows one, and again on the first date of every `months` months.

    Each is learned on the eligible rows of the matrix whose horizon had closed by its date, and calibrated by one
    affine map of rolling-origin folds among them, with a gap of one horizon, so that no outcome at or after its date
    decides anything of it. Season, level and curve of the live model are left out: they move all accounts of a date
    alike, or none past another. Percentiles are frozen from the rows it was learned on.

    rubric: what a scorecard starts from where there are fewer outcomes than the plan's `scorecard_below`.
    """
    refits: list[Refit] = []
    unscored: dict[datetime, str] = {}
    kept: dict[datetime, str] = {}
    tried: datetime | None = None
    for date in sorted(dates):
        if refits and tried is not None and _month(date) - _month(tried) < months:
            continue
        tried = date
        try:
            refits.append(_learned(matrix, plan, date, recipe, threads, rubric))
        except NoUsableModel as no:
            (kept if refits else unscored)[date] = f"{no.asked}: {no.found}"
    return OutOfTime(tuple(refits), unscored, kept)


def _month(date: datetime) -> int:
    return 12 * date.year + date.month


def _learned(
    matrix: Matrix, plan: Plan, date: datetime, recipe: Recipe, threads: int, rubric: Sequence[IcpPoints]
) -> Refit:
    closed = instants(matrix.frame["as_of"].to_numpy()) + days(matrix.horizon_days) <= stamp(date)
    rows = training_rows(matrix.where(closed), plan)
    prior = tuple(rubric) if rows.outcome_accounts < plan.model.scorecard_below else ()

    def fitted(learned: Rows) -> SidesClassifier:
        made = make(
            Candidate(kind=recipe.kind), rows.features, recipe.settings,
            threads=threads, seed=plan.model.seed, prior=prior,
        )  # fmt: skip
        return made.fit(learned.frame, learned.y)

    affine = _calibrated(rows, plan, date, fitted)
    newest = instant(rows.as_of.max().astype(object))
    model = freeze(recipe.kind, fitted(rows), affine, rows.frame, rows.horizon_days, newest, threads)
    return Refit(date, model, len(rows.y), int(rows.y.sum()))


def _calibrated(rows: Rows, plan: Plan, date: datetime, fitted: Any) -> Affine:
    """The affine map of the log-odds of rolling-origin folds.

    Raises
    ------
    NoUsableModel : there is no fold, or a higher score does not mean a higher probability on later rows.
    """
    horizon, as_of, y = rows.horizon_days, rows.as_of, rows.y
    log_odds, came = [], []
    for split in forward_folds(as_of, y, horizon, plan.model.folds, least_behind(plan)):
        old, now = rows.where(trained_on(split, as_of, horizon)), rows.where(held_out(split, as_of))
        log_odds.append(fitted(old).decision_function(now.frame))
        came.append(now.y)
    asked = f"A model was to be learned from what was known on {naive(date).date()}"
    if not came or len(np.unique(np.concatenate(came))) < 2:
        raise NoUsableModel(asked, found=f"no rows lie {horizon} days after enough others to calibrate on")
    affine = fit_affine(np.concatenate(log_odds), np.concatenate(came))
    if not affine.usable:
        raise NoUsableModel(asked, found="a higher score did not mean a higher probability on later rows")
    return affine
