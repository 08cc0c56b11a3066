"""Training: choose forward in time, calibrate out of time, judge on the newest slice, refit on all mature rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from tierwise.config.icp import IcpPoints
from tierwise.config.plan import Learning, Plan
from tierwise.features.matrix import Matrix
from tierwise.learning.calibration import fit_curve
from tierwise.learning.choice import admitted, beside, choose, yardstick
from tierwise.learning.comparison import compare_calibrators
from tierwise.learning.encoding import Floats
from tierwise.learning.evaluation import Evaluation, TestReport, test_report
from tierwise.learning.fits import Fits
from tierwise.learning.frozen import FitSide, check_enough, keep_fit
from tierwise.learning.grouping import kept_apart
from tierwise.learning.kept import judging, kept_why, report_on, reported
from tierwise.learning.model import PropensityModel
from tierwise.learning.parallel import one_blas_thread
from tierwise.learning.prior import prior_said, provisional_words
from tierwise.learning.progress import Say, silent
from tierwise.learning.rows import Rows, least_behind, origin_folds, test_cut, training_rows
from tierwise.learning.search import Tried
from tierwise.learning.splits import Division, days, held_out, trained_on
from tierwise.learning.tuning import Budget, tune
from tierwise.learning.unseen import prepared


@dataclass(frozen=True)
class Trained:
    """A model and the evidence of what it is worth; `evaluation.verdict` says whether to use it.

    unseen: account_id, as_of, family_id, outcome and propensity of the test slice, from a model of the chosen kind that
    was trained before it. kept: whether that one keeps the fit side that the model keeps, and on which rows
    (`kept.reported`); empty where the model learned its own.
    """

    model: PropensityModel
    evaluation: Evaluation
    unseen: pd.DataFrame
    kept: Mapping[str, Any] = field(default_factory=dict)


def train_model(
    matrix: Matrix,
    plan: Plan,
    *,
    threads: int,
    rubric: Sequence[IcpPoints] = (),
    capacity: Mapping[str, int] = {},
    say: Say = silent,
    journal: Path | None = None,
    keep: FitSide | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Trained:
    """Train, calibrate and evaluate the plan's model on the eligible, mature rows of a matrix.

    Candidates are compared by log-loss on rolling-origin folds before the test slice, each with a gap of one horizon;
    the simplest within one paired standard error (by account family) of the best is chosen. The test slice chooses
    nothing. The model that comes back is refitted on all mature rows.

    capacity: by name, how many accounts of one as_of the team can work; lift and capture are reported at it too.
    journal: where finished trials of the search are kept, so that one that was killed goes on.
    keep: the fit side of the model of all rows, instead of the one that is learned (`frozen.keep_fit`). The model that
    judges the test slice keeps it too, and reports on the rows of the slice that are newer than all that it has seen,
    where they are enough (`kept.judging`); else the slice is judged with a fit side learned before it. Folds, by which
    the candidate is chosen and calibrated, and canaries always are.

    Raises
    ------
    NoUsableModel : too few outcomes, too little history, or no candidate ranks better than chance out of time.
    UsageError : the plan freezes the fit side, and too few accounts have the outcome for the staged model it takes.
    """
    rows = training_rows(matrix, plan)
    return train_rows(
        rows, divide(rows, plan), plan.model,
        threads=threads, rubric=rubric, capacity=capacity, say=say, journal=journal, keep=keep,
        clock=clock,
    )  # fmt: skip


def divide(rows: Rows, plan: Plan) -> Division:
    """The test slice at the end, and rolling-origin folds before it, families apart where the plan asks (law 3).

    Raises
    ------
    NoUsableModel : there is no fold, or too little is left without the families held out.
    """
    cut = test_cut(rows, plan)
    earlier, test = rows.as_of + days(rows.horizon_days) <= cut, rows.as_of >= cut
    before = rows.where(earlier)
    splits = origin_folds(rows, before, plan)
    masks = [(trained_on(s, before.as_of, rows.horizon_days), held_out(s, before.as_of)) for s in splits]
    division = Division(earlier, test, masks)
    parts = plan.model.family_parts
    return division if parts is None else kept_apart(rows, division, parts, plan.model.seed, least_behind(plan) // 2)


@one_blas_thread()
def train_rows(
    rows: Rows,
    division: Division,
    learning: Learning,
    *,
    threads: int,
    rubric: Sequence[IcpPoints] = (),
    capacity: Mapping[str, int] = {},
    say: Say = silent,
    journal: Path | None = None,
    keep: FitSide | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Trained:
    """As `train_model`, of rows that are divided already; sums are made by one BLAS thread, whatever else goes on."""
    earlier, test = rows.where(division.earlier), rows.where(division.test)
    provisional = rows.outcome_accounts < learning.scorecard_below
    check_enough(learning, rows.outcome_accounts)
    prior = tuple(rubric) if provisional else ()
    folds = prepared(earlier, division, prior)
    found, trials = tune(
        admitted(learning, provisional), folds, rows.features, Budget(learning.tuning, clock, journal),
        threads=threads, seed=learning.seed, say=say, prior=prior,
    )  # fmt: skip
    out_of_time = earlier.at(np.concatenate([np.flatnonzero(now) for _, now in division.folds]))
    chosen, because = choose(found, out_of_time.families)
    seen = judging(keep, test, division)
    say(f"{because}; fitting {chosen} to all rows, judging it on {int(seen.rows.sum()):,} newer ones")
    fits = Fits(rows, division, threads, learning.seed)
    trial = fits.season(found[chosen])
    level = fits.level(trial)
    curve = fit_curve(learning.calibration, trial.tried.affine(trial.tried.log_odds), out_of_time.y)
    fitted = fits.all(_usable(found), trial, level, curve, folds)
    model = fitted.model if keep is None else keep_fit(fitted.model, keep, rows.frame)
    own = reported(seen, test, fitted.on_test, chosen, earlier, lambda: fits.before_test(trial, level, curve))
    reporting = _reporting(chosen, earlier, learning, rubric, capacity)
    test, on_test, kept, report = report_on(seen, test, fitted.on_test, own, reporting)
    said = prior_said(prior, rows.features, model.estimator)
    few = provisional_words(rows.outcome_accounts, learning.scorecard_below, said) if provisional else ""
    evaluation = Evaluation(
        **vars(replace(report, why="; ".join(filter(None, (report.why, few, kept_why(report.verdict, kept)))))),
        chosen=chosen,
        chosen_because=because,
        provisional=provisional,
        prior=said,
        families=_families(division),
        horizon_days=rows.horizon_days,
        trained=rows.count(),
        test=test.count(),
        folds=_folds(division, earlier, found),
        candidates=_candidates(found, out_of_time),
        trials=trials,
        yardstick=yardstick(found[chosen].losses, fitted.free, out_of_time.families),
        random_cv=fitted.random,
        calibrators=_calibrators(trial.tried, out_of_time),
        canaries=fitted.canaries,
        season=trial.to_dict(model.season),
        level=level.to_dict(fitted.model.calibrator),
    )
    unseen = test.frame[["account_id", "as_of", "family_id", "outcome"]].assign(propensity=expit(on_test[chosen]))
    return Trained(model, evaluation, unseen, kept)


def _reporting(
    chosen: str, earlier: Rows, learning: Learning, rubric: Sequence[IcpPoints], capacity: Mapping[str, int]
) -> Callable[[Rows, Mapping[str, Floats]], TestReport]:
    """The report of newer rows by each candidate's log-odds of them."""
    base = _base(earlier.y)

    def report(rows: Rows, log_odds: Mapping[str, Floats]) -> TestReport:
        return test_report(rows.frame, rows.y, log_odds, chosen, rows.features, base, learning.seed, rubric, capacity)

    return report


def _calibrators(best: Tried, out_of_time: Rows) -> dict[str, Any]:
    """Every kind of calibrator on the chosen candidate's out-of-time rows, forward in time."""
    y, gap = out_of_time.y, days(out_of_time.horizon_days)
    return compare_calibrators(best.log_odds, y, out_of_time.families, out_of_time.as_of, gap=gap).to_dict()


def _usable(found: Mapping[str, Tried]) -> dict[str, Tried]:
    return {name: tried for name, tried in found.items() if tried.affine.usable}


def _base(y: Floats) -> float:
    """The log-odds of the base rate."""
    rate = float(np.clip(y.mean(), 1e-9, 1 - 1e-9))
    return float(np.log(rate / (1 - rate)))


def _folds(division: Division, earlier: Rows, found: Mapping[str, Tried]) -> list[dict[str, Any]]:
    """Each fold's dates, its sizes, and each candidate's mean log-loss on it."""
    said, begin = [], 0
    for old, now in division.folds:
        end = begin + int(now.sum())
        held, learned = earlier.where(now).count(), earlier.where(old).count()
        said.append(
            {
                "cut": held["first_as_of"],
                "until": held["last_as_of"],
                "trained_rows": learned["rows"],
                "trained_outcomes": learned["outcomes"],
                "tested_rows": held["rows"],
                "tested_outcomes": held["outcomes"],
                "log_loss": {name: float(tried.losses[begin:end].mean()) for name, tried in _usable(found).items()},
            }
        )
        begin = end
    if division.apart is not None:
        return [line | {"left_out_rows": n} for line, n in zip(said, division.apart.left_out, strict=True)]
    return said


def _families(division: Division) -> dict[str, Any]:
    """Into how many parts families were dealt, and what each test part's model, and the folds, had to do without."""
    apart = division.apart
    if apart is None:
        return {}
    left_out = [int((~old).sum()) for old, _ in apart.reports]
    return {
        "parts": apart.parts,
        "families": apart.families,
        "test_left_out_rows": left_out,
        "dropped_folds": apart.dropped,
    }


def _candidates(found: Mapping[str, Tried], out_of_time: Rows) -> dict[str, dict[str, Any]]:
    """What is said of each candidate, with its distance to the best."""
    gaps = beside(found, out_of_time.families)
    return {
        name: _candidate(tried, len(out_of_time.y)) | {"less_best": gaps.get(name)} for name, tried in found.items()
    }


def _candidate(tried: Tried, n: int) -> dict[str, Any]:
    """What is said of a candidate: kind, settings, out-of-time log-loss and affine map."""
    return {
        "kind": tried.candidate.kind,
        "settings": dict(tried.settings) | dict(tried.candidate.settings),
        "log_loss": tried.mean,
        "intercept": tried.affine.intercept,
        "slope": tried.affine.slope,
        "usable": tried.affine.usable,
        "n": n,
    }
