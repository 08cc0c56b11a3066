"""The ladder of dates: which as-of dates of a history serve for what in training, or from when they could."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from tierwise.clock import grid, instant, naive
from tierwise.learning.rows import least_behind
from tierwise.learning.splits import Dated, days, folds_of, held_out, report_cut, stamp

if TYPE_CHECKING:
    from tierwise.config.plan import Plan
    from tierwise.learning.splits import Mask

LONGEST_WAIT = timedelta(days=50 * 365)
"""What would take longer is not promised."""


@dataclass(frozen=True)
class Rung:
    """The as-of dates from `first` to `last`, both included: how many, and how many of their rows have the outcome."""

    first: date
    last: date
    dates: int
    outcomes: int


@dataclass(frozen=True)
class Ladder:
    """Which dates serve for what; `why_not` says in words why no model is possible yet, and is empty if one is.

    training: as-of dates whose horizon closed before the report begins; the model that is judged learns from them.
    calibration: of these, the dates that are predicted by models of older ones; they choose and calibrate.
    gap: first and last day on which nobody stands, so that every outcome trained on had closed. report: the newest
    mature as-of dates, which choose nothing. possible_from: the first data_through at which a model will be possible,
    None where one is, or where waiting alone brings none.
    """

    horizon_days: int
    history_from: date
    data_through: date
    training: Rung | None
    calibration: Rung | None
    gap: tuple[date, date] | None
    report: Rung | None
    accounts: int
    needed: int
    why_not: str
    possible_from: date | None
    pace: float = 0.0
    """Accounts a day that have the outcome after a date on which they were eligible, as far as the data show."""

    @property
    def possible(self) -> bool:
        """Whether a model is possible now."""
        return not self.why_not

    @property
    def steps(self) -> tuple[tuple[str, str, str, str], ...]:
        """(serves for, from, to, what it holds), oldest first."""
        horizon = f"{self.horizon_days} days"
        named = (("training", self.training), ("calibration", self.calibration), ("report", self.report))
        held = {name: (str(r.first), str(r.last), _held(r)) for name, r in named if r is not None}
        if self.gap is not None:
            held["gap"] = (str(self.gap[0]), str(self.gap[1]), f"nobody stands here: the horizon of {horizon} closes")
        middle = [(name, *held[name]) for name in ("training", "calibration", "gap", "report") if name in held]
        end = ("data through", "", str(self.data_through), f"horizons of {horizon} that end later are not closed")
        return (("history", str(self.history_from), "", "the first sustained activity"), *middle, end)

    @property
    def words(self) -> str:
        """Why no model is possible yet, and from when one is; empty where one is."""
        if self.possible:
            return ""
        if self.possible_from is None:
            return f"No model is possible: {self.why_not}. Waiting alone brings none"
        return (
            f"No model is possible yet: {self.why_not}. At the pace so far one will be possible with data through "
            f"{self.possible_from}, and until then tiers go by rules"
        )


def ladder(
    rows: Dated, accounts: int, plan: Plan, history_from: datetime, data_through: datetime, pace: float = 0.0
) -> Ladder:
    """The dates that `train_model` uses on these eligible, mature rows.

    Parameters
    ----------
    accounts : how many accounts have the outcome in them.
    pace : accounts that have the outcome after a date on which they were eligible, per day, as far as the data show.
    """
    horizon, needed = plan.outcome.horizon_days, plan.model.min_outcomes
    training = calibration = report = gap = None
    if plan.model.train_from is not None:
        rows = rows.where(rows.as_of >= stamp(instant(plan.model.train_from)))
    why = _why_not(rows, accounts, plan)
    cut = report_cut(rows.as_of, horizon, plan.model.test_from) if len(rows.as_of) else None
    if cut is not None:
        before = _before(rows, cut, horizon)
        training, report = _rung(before, _all(before)), _rung(rows, rows.as_of >= cut)
        calibration, _ = _calibrated(before, plan)
        gap = (training.last + timedelta(days=1), _day(cut) - timedelta(days=1)) if training else None
    first = instant(plan.model.train_from or naive(history_from).date())
    possible = _possible_from(rows, accounts, plan, first, data_through, pace) if why else None
    return Ladder(
        horizon, naive(history_from).date(), naive(data_through).date(),
        training, calibration, gap, report, accounts, needed, why, possible, pace,
    )  # fmt: skip


def _why_not(rows: Dated, accounts: int, plan: Plan) -> str:
    """Why no model is possible on these rows; empty if one is."""
    horizon, test_from = plan.outcome.horizon_days, plan.model.test_from
    why = _too_little(rows, accounts, plan.model.min_outcomes, horizon)
    if why:
        return why
    cut = report_cut(rows.as_of, horizon, test_from)
    return (
        f"no mature date is as new as test_from {test_from}"
        if cut is None
        else _calibrated(_before(rows, cut, horizon), plan)[1]
    )


def _before(rows: Dated, cut: np.datetime64, horizon: int) -> Dated:
    """The rows whose horizon closed before the report begins."""
    return rows.where(rows.as_of + days(horizon) <= cut)


def _too_little(rows: Dated, accounts: int, needed: int, horizon: int) -> str:
    if not len(rows.as_of):
        return f"no as-of date has eligible accounts and a horizon of {horizon} days that has closed"
    if accounts < needed:
        return f"{accounts} accounts have the outcome after a date on which they were eligible, and it takes {needed}"
    return "" if rows.lacking.sum() else "every row has the outcome"


def _calibrated(before: Dated, plan: Plan) -> tuple[Rung | None, str]:
    """The dates that rolling-origin folds predict, and what is lacking where there are none."""
    least, horizon = least_behind(plan), plan.outcome.horizon_days
    splits = folds_of(before, horizon, plan.model.folds, least)
    mask = np.any([held_out(s, before.as_of) for s in splits], axis=0) if splits else ~_all(before)
    if splits and before.having[mask].any():
        return _rung(before, mask), ""
    if folds_of(before, horizon, plan.model.folds, 0):
        return None, f"no date has {least} outcomes a horizon before it, and an outcome of its own"
    return None, f"the history holds no two dates that lie {horizon} days apart before the report's dates"


def _possible_from(
    rows: Dated, accounts: int, plan: Plan, first: datetime, data_through: datetime, pace: float
) -> date | None:
    """The first data_through at which these rows, and those to come at this pace, make a ladder; None if none does.

    Outcomes are counted up to where the newest mature row's horizon closed; those that lack come after it.
    """
    gap, model = timedelta(days=plan.outcome.horizon_days), plan.model
    newest = instant(rows.as_of[-1].astype(object)) if len(rows.as_of) else None
    closed = first if newest is None else newest + gap
    lacking = max(model.min_outcomes - accounts, 0)
    if pace <= 0 or lacking / pace > LONGEST_WAIT.days:
        return None
    earliest = max(closed + timedelta(days=lacking / pace), data_through)
    if model.test_from is not None:
        earliest = max(earliest, instant(model.test_from) + gap)
    begin = first if newest is None else newest + timedelta(days=1)
    to_come = grid(plan.cohort.grid.every or "day", begin, earliest + 5 * gap + timedelta(days=62))
    whole = _with_rows_to_come(rows, to_come, plan, pace)
    for at in (a for a in to_come if a + gap >= earliest):
        if not _why_not(whole.where(whole.as_of <= stamp(at)), accounts + lacking, plan):
            return naive(at + gap).date()
    return None


def _with_rows_to_come(rows: Dated, to_come: tuple[datetime, ...], plan: Plan, pace: float) -> Dated:
    """Rows with further as-of dates after them: each has as many, with the outcome and without, as one has had so far.

    Where no row has had the outcome yet, as many as the pace gives; and where there is no row, enough without it.
    """
    horizon, calendar = plan.outcome.horizon_days, plan.cohort.grid.every is not None
    having, lacking = pace * (horizon if calendar else 1), float(least_behind(plan))
    if len(rows.as_of):
        n = len(rows.as_of) if calendar else int((rows.as_of[-1] - rows.as_of[0]) / days(1)) + 1
        having, lacking = float(rows.having.sum()) / n or having, float(rows.lacking.sum()) / n
    at = np.array([naive(a) for a in to_come], dtype="datetime64[us]")
    return Dated(
        np.concatenate([rows.as_of, at]),
        np.concatenate([rows.having, np.full(len(at), having)]),
        np.concatenate([rows.lacking, np.full(len(at), lacking)]),
    )


def _rung(rows: Dated, mask: Mask) -> Rung | None:
    at = rows.as_of[mask]
    return Rung(_day(at.min()), _day(at.max()), len(at), int(rows.having[mask].sum())) if len(at) else None


def _all(rows: Dated) -> Mask:
    return np.ones(len(rows.as_of), dtype=bool)


def _held(rung: Rung) -> str:
    dates = "1 date" if rung.dates == 1 else f"{rung.dates} dates"
    return f"{dates}, {rung.outcomes:,} outcomes"


def _day(value: np.datetime64) -> date:
    return date.fromisoformat(str(value.astype("datetime64[D]")))
