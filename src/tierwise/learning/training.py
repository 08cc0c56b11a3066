"""Training: choose forward in time, calibrate out of time, judge on the newest slice, refit on all mature rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit

from tierwise.clock import Split, grid, instant, naive
from tierwise.config.plan import Plan
from tierwise.errors import NoUsableModel
from tierwise.features.feature import Feature
from tierwise.features.matrix import Matrix
from tierwise.learning.calibration import Affine, fit_affine, row_log_loss
from tierwise.learning.evaluation import Evaluation, test_report
from tierwise.learning.linear import LinearSides
from tierwise.learning.metrics import paired_difference
from tierwise.learning.model import Estimator, PropensityModel, freeze
from tierwise.learning.splits import (
    Instants,
    Mask,
    days,
    forward_folds,
    held_out,
    instants,
    report_cut,
    stamp,
    trained_on,
)
from tierwise.learning.two_sided import TwoSidedBooster

Floats = npt.NDArray[np.float64]

SIMPLEST_FIRST = ("linear", "two_sided")


@dataclass(frozen=True)
class Trained:
    """A model and the evidence of what it is worth; `evaluation.verdict` says whether to use it.

    unseen: account_id, as_of, family_id, outcome and propensity of the test slice, from a model of the chosen kind that
    was trained before it.
    """

    model: PropensityModel
    evaluation: Evaluation
    unseen: pd.DataFrame


@dataclass(frozen=True)
class Rows:
    """Eligible, mature rows, and what is read of them row by row."""

    frame: pd.DataFrame
    features: tuple[Feature, ...]
    horizon_days: int

    @property
    def y(self) -> Floats:
        """Outcomes, 0 or 1."""
        return np.asarray(self.frame["outcome"].to_numpy(), dtype=np.float64)

    @property
    def as_of(self) -> Instants:
        """As-of instants."""
        return instants(self.frame["as_of"].to_numpy())

    @property
    def families(self) -> npt.NDArray[Any]:
        """Ultimate parents: what is resampled."""
        return np.asarray(self.frame["family_id"].to_numpy())

    def where(self, mask: Mask) -> Rows:
        """The rows that a mask keeps."""
        return Rows(self.frame[mask].reset_index(drop=True), self.features, self.horizon_days)

    def count(self) -> dict[str, Any]:
        """How much this is: rows, accounts, outcomes, base rate, first and last as_of."""
        as_of, y = self.as_of, self.y
        return {
            "rows": len(y),
            "accounts": int(self.frame["account_id"].nunique()),
            "outcomes": int(y.sum()),
            "outcome_accounts": int(self.frame.loc[y == 1, "account_id"].nunique()),
            "base_rate": float(y.mean()) if len(y) else float("nan"),
            "first_as_of": str(as_of.min().astype("datetime64[s]")) if len(y) else None,
            "last_as_of": str(as_of.max().astype("datetime64[s]")) if len(y) else None,
        }


def train_model(matrix: Matrix, plan: Plan, *, threads: int) -> Trained:
    """Train, calibrate and evaluate the plan's model on the eligible, mature rows of a matrix.

    Candidates are compared by log-loss on rolling-origin folds before the test slice, each with a gap of one horizon;
    the simplest within one paired standard error (by account family) of the best is chosen. The test slice chooses
    nothing. The model that comes back is refitted on all mature rows.

    Raises
    ------
    NoUsableModel : too few outcomes, too little history, or no candidate ranks better than chance out of time.
    """
    rows = training_rows(matrix, plan)
    cut = test_cut(rows, plan)
    earlier, test = rows.where(rows.as_of + days(rows.horizon_days) <= cut), rows.where(rows.as_of >= cut)
    splits = _folds(rows, earlier, plan)
    tested = np.any([held_out(s, earlier.as_of) for s in splits], axis=0)
    out_of_time = earlier.where(tested)
    raw = {name: _out_of_time(name, earlier, splits, plan, threads)[tested] for name in _names(plan)}
    affine = {name: fit_affine(values, out_of_time.y) for name, values in raw.items()}
    losses = {name: row_log_loss(affine[name](raw[name]), out_of_time.y) for name in raw if affine[name].usable}
    chosen, because = choose(losses, out_of_time.families)
    on_test = {
        name: affine[name](_fitted(name, earlier, plan, threads).decision_function(test.frame)) for name in losses
    }
    base_rate = float(np.clip(earlier.y.mean(), 1e-9, 1 - 1e-9))
    base = float(np.log(base_rate / (1 - base_rate)))
    report = test_report(test.frame, test.y, on_test, chosen, rows.features, base, plan.model.seed)
    newest = instant(rows.as_of.max().astype(object))
    estimator = _fitted(chosen, rows, plan, threads)
    model = freeze(chosen, estimator, affine[chosen], rows.frame, rows.horizon_days, newest, threads)
    evaluation = Evaluation(
        verdict=report.verdict,
        why=report.why,
        chosen=chosen,
        chosen_because=because,
        horizon_days=rows.horizon_days,
        trained=rows.count(),
        test=test.count(),
        folds=[_fold(s, earlier, out_of_time, losses) for s in splits],
        candidates=_candidates(affine, losses),
        metrics=report.metrics,
        comparisons=report.comparisons,
        calibration=report.calibration,
        lift=report.lift,
    )
    unseen = test.frame[["account_id", "as_of", "family_id", "outcome"]].assign(propensity=expit(on_test[chosen]))
    return Trained(model, evaluation, unseen)


def training_rows(matrix: Matrix, plan: Plan) -> Rows:
    """The eligible, mature rows from `train_from` on (law 2), or why they are too few.

    Raises
    ------
    NoUsableModel : fewer accounts with the outcome than the plan's `min_outcomes`, or none without it.
    """
    known = matrix.eligible().mature()
    if plan.model.train_from is not None:
        known = known.where(instants(known.frame["as_of"].to_numpy()) >= stamp(instant(plan.model.train_from)))
    order = known.frame.sort_values(["as_of", "account_id"], kind="stable").reset_index(drop=True)
    rows = Rows(order, known.features, known.horizon_days)
    said = rows.count()
    accounts, need = said["outcome_accounts"], plan.model.min_outcomes
    if accounts < need:
        raise NoUsableModel(
            f"Training needs {need} accounts with the outcome in mature, eligible rows",
            found=f"there are {accounts}, in {said['rows']} rows of {said['accounts']} accounts",
            do="Widen the cohort or the outcome, lengthen horizon_days, or load older history",
        )
    if said["outcomes"] == said["rows"]:
        raise NoUsableModel(
            "Training needs rows with and without the outcome",
            found=f"all {said['rows']} have it",
            do="Shorten horizon_days, or narrow the outcome",
        )
    return rows


def test_cut(rows: Rows, plan: Plan) -> np.datetime64:
    """Where the test slice begins: the plan's `test_from`, or the first as_of of the last horizon's worth.

    Raises
    ------
    NoUsableModel : no mature row is as new as `test_from`.
    """
    cut = report_cut(rows.as_of, rows.horizon_days, plan.model.test_from)
    if cut is None:
        raise NoUsableModel(
            f"The test slice was to begin on {plan.model.test_from} (model.test_from)",
            found=f"the newest mature row is of {_day(rows.as_of.max())}",
            do="Set an earlier test_from, or leave it out",
        )
    return cut


def choose(losses: Mapping[str, Floats], families: npt.NDArray[Any]) -> tuple[str, str]:
    """The simplest candidate whose mean log-loss is within one paired standard error of the best, and why.

    Raises
    ------
    NoUsableModel : no candidate is left.
    """
    if not losses:
        raise NoUsableModel(
            "A candidate must rank better than chance on later rows than it was trained on",
            found="the calibration slope of every candidate is zero or below",
            do="Tiers by rules need no model; add history, or features that are known before the outcome",
        )
    best = min(losses, key=lambda name: (float(losses[name].mean()), SIMPLEST_FIRST.index(name)))
    for name in (n for n in SIMPLEST_FIRST if n in losses):
        if name == best:
            return name, f"{name} has the lowest out-of-time log-loss ({losses[name].mean():.4f})"
        gap = paired_difference(losses[name], losses[best], families)
        if gap.mean <= gap.standard_error:
            return name, (
                f"{name} is simpler than {best}, and its out-of-time log-loss is within one standard error "
                f"({gap.mean:.5f} more, standard error {gap.standard_error:.5f})"
            )
    return best, ""


def least_behind(plan: Plan) -> int:
    """How many rows of each class the first fold must have behind it."""
    return min(10, plan.model.min_outcomes)


def _names(plan: Plan) -> list[str]:
    return [name for name in SIMPLEST_FIRST if name in plan.model.candidates]


def _fitted(name: str, rows: Rows, plan: Plan, threads: int) -> Estimator:
    make: dict[str, Callable[[], Estimator]] = {
        "linear": lambda: LinearSides(rows.features, rows.horizon_days, threads=threads),
        "two_sided": lambda: TwoSidedBooster(rows.features, rows.horizon_days, threads=threads, seed=plan.model.seed),
    }
    return make[name]().fit(rows.frame, rows.y, as_of=rows.as_of)


def _out_of_time(name: str, rows: Rows, splits: tuple[Split, ...], plan: Plan, threads: int) -> Floats:
    """Raw log-odds of each fold's test rows by a model of the rows before it; NaN elsewhere."""
    out = np.full(len(rows.frame), np.nan)
    for split in splits:
        model = _fitted(name, rows.where(trained_on(split, rows.as_of, rows.horizon_days)), plan, threads)
        now = held_out(split, rows.as_of)
        out[now] = model.decision_function(rows.frame[now])
    return out


def _folds(rows: Rows, earlier: Rows, plan: Plan) -> tuple[Split, ...]:
    """The rolling-origin splits of the earlier rows, from the first instant with enough of both classes behind it.

    Raises
    ------
    NoUsableModel : there is none; says from when there could be.
    """
    horizon, y, as_of = rows.horizon_days, earlier.y, earlier.as_of
    least = least_behind(plan)
    splits = forward_folds(as_of, y, horizon, plan.model.folds, least)
    if splits and any(y[held_out(s, as_of)].any() for s in splits):
        return splits
    if forward_folds(as_of, y, horizon, plan.model.folds, 0):
        raise NoUsableModel(
            "Training needs one fold to choose on, and a test slice after it",
            found=f"no fold has {least} rows with and without the outcome before it, and an outcome in it",
            do="Load older history, or widen the outcome",
        )
    first, last = rows.as_of.min(), rows.as_of.max()
    raise NoUsableModel(
        f"Training needs one fold and a test slice, each {horizon} days after the rows it is trained on",
        found=f"mature rows reach from {_day(first)} to {_day(last)}",
        do=_when(plan, instant(first.astype(object)), horizon),
    )


def _when(plan: Plan, first: datetime, horizon: int) -> str:
    possible = first_possible(plan, first, horizon)
    if possible is None:
        day = naive(first + timedelta(days=2 * horizon)).date()
        return f"Set model.test_from to {day} or later, or load older history"
    return f"It is possible with data through {naive(possible).date()}; load older history, or use rules-only tiers"


def first_possible(plan: Plan, first: datetime, horizon_days: int) -> datetime | None:
    """The first `data_through` at which history from `first` on allows a fold and a test slice; None if none does."""
    gap = timedelta(days=horizon_days)
    if plan.model.test_from is not None:
        cut = instant(plan.model.test_from)
        return None if first + 2 * gap > cut else cut + gap
    every = plan.cohort.grid.every
    if every is None:
        return first + 4 * gap
    as_ofs = grid(every, first, first + 5 * gap + timedelta(days=62))
    for newest in as_ofs:
        cut = min(a for a in as_ofs if newest - gap < a)
        if any(a >= first + gap and a + gap <= cut for a in as_ofs):
            return newest + gap
    return first + 4 * gap


def _day(value: np.datetime64) -> str:
    return str(value.astype("datetime64[D]"))


def _fold(split: Split, rows: Rows, out_of_time: Rows, losses: Mapping[str, Floats]) -> dict[str, Any]:
    old, now = trained_on(split, rows.as_of, rows.horizon_days), held_out(split, out_of_time.as_of)
    return {
        "cut": naive(split.cut).isoformat(),
        "until": naive(split.until).isoformat(),
        "trained_rows": int(old.sum()),
        "trained_outcomes": int(rows.y[old].sum()),
        "tested_rows": int(now.sum()),
        "tested_outcomes": int(out_of_time.y[now].sum()),
        "log_loss": {name: float(values[now].mean()) for name, values in losses.items()},
    }


def _candidates(affine: Mapping[str, Affine], losses: Mapping[str, Floats]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "log_loss": float(losses[name].mean()) if name in losses else float("nan"),
            "intercept": line.intercept,
            "slope": line.slope,
            "usable": line.usable,
            "n": len(losses[name]) if name in losses else 0,
        }
        for name, line in affine.items()
    }
