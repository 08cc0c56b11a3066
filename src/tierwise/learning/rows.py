"""The rows a model learns from, the slice kept for its report, and the folds it is chosen on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tierwise.clock import Split, grid, instant, naive
from tierwise.config.plan import Plan
from tierwise.errors import NoUsableModel
from tierwise.features.feature import Feature
from tierwise.features.matrix import Matrix
from tierwise.learning.encoding import Floats
from tierwise.learning.splits import Instants, Mask, forward_folds, held_out, instants, report_cut, stamp


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

    def at(self, place: npt.NDArray[np.int64]) -> Rows:
        """The rows at these places, in their order."""
        return Rows(self.frame.iloc[place].reset_index(drop=True), self.features, self.horizon_days)

    @property
    def outcome_accounts(self) -> int:
        """How many distinct accounts have the outcome."""
        return int(self.frame.loc[self.y == 1, "account_id"].nunique())

    def count(self) -> dict[str, Any]:
        """How much this is: rows, accounts, outcomes, base rate, first and last as_of."""
        as_of, y = self.as_of, self.y
        return {
            "rows": len(y),
            "accounts": int(self.frame["account_id"].nunique()),
            "outcomes": int(y.sum()),
            "outcome_accounts": self.outcome_accounts,
            "base_rate": float(y.mean()) if len(y) else float("nan"),
            "first_as_of": str(as_of.min().astype("datetime64[s]")) if len(y) else None,
            "last_as_of": str(as_of.max().astype("datetime64[s]")) if len(y) else None,
        }


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


def least_behind(plan: Plan) -> int:
    """How many rows of each class the first fold must have behind it; twice as many where families are kept apart."""
    least = min(10, plan.model.min_outcomes)
    return least if plan.model.family_parts is None else 2 * least


def origin_folds(rows: Rows, earlier: Rows, plan: Plan) -> tuple[Split, ...]:
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
