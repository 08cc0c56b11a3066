"""Past dates of a plan, scored by models that could not have seen what came of them: what a policy is replayed on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from tierwise.clock import Every, grid, naive
from tierwise.config import Plan, PlanFiles, Policy
from tierwise.data import Intake
from tierwise.errors import NoUsableModel
from tierwise.features import Matrix, build_matrix, build_triggers, deals, history_start, training_grid
from tierwise.jobs.intake import outcome_reach
from tierwise.jobs.rows import owners_of
from tierwise.learning import HINDSIGHT, OutOfTime, Recipe, learn_out_of_time
from tierwise.learning.progress import Say
from tierwise.publishing import scores_table
from tierwise.tiers import ACCOUNT_COLUMNS
from tierwise.tiers.replay import Past

Floats = npt.NDArray[np.float64]
Triggers = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class ScoredPast:
    """Past dates, oldest first, that any policy can be replayed on; nothing of them depends on one but its negative
    triggers.

    learned: the models they were scored by, and the dates that have none. reach: how far outcomes are known. scored_by:
    what those models owe to later dates, in words.
    """

    dates: tuple[Past, ...]
    triggers: tuple[Triggers, ...]
    learned: OutOfTime
    reach: datetime
    scored_by: str = HINDSIGHT

    def under(self, policy: Policy) -> list[Past]:
        """The dates with the negative triggers that a policy names in force; it is one of those they were read for."""
        column = _column(self.triggers.index(triggers_of(policy)))
        return [replace(p, accounts=p.accounts.assign(negative_trigger=p.accounts[column])) for p in self.dates]


def triggers_of(policy: Policy) -> Triggers:
    """A policy's negative triggers: kind and days."""
    return tuple(sorted((t.kind, t.days) for t in policy.negative_triggers))


def grid_of(plan: Plan, every: Every | None = None) -> Every:
    """The grid of past dates: the one asked for, the plan's, or weeks where accounts stand on ages of their own."""
    return every or plan.cohort.grid.every or "week"


def score_past(
    intake: Intake,
    files: PlanFiles,
    recipe: Recipe,
    policies: tuple[Policy, ...],
    since: datetime,
    until: datetime,
    *,
    every: Every | None = None,
    months: int,
    threads: int,
    say: Say,
) -> ScoredPast:
    """Read, learn and score the dates of a grid in `[since, until]`, with all history before them to learn from.

    every: the grid of the dates; by default `grid_of` the plan. An account that stands on ages of its own keeps a row
    on every date until its horizon closes, and is judged once: on the first date of the grid at or after its instant.

    Raises
    ------
    NoUsableModel : no date can be scored; says why the last of them cannot.
    """
    plan, first = files.plan, history_start(intake.warehouse)
    begin = max(since, first + timedelta(microseconds=1))
    dates = grid(grid_of(plan, every), begin, until)
    learn_on = training_grid(plan, first, until)
    asked = learn_on if plan.cohort.grid.account_age_days else tuple(sorted({*learn_on, *dates}))
    if not dates or not asked:
        raise _nothing(since, until, "no date of its grid lies there")
    reach = outcome_reach(intake, files)
    say(f"building the matrix of {len(asked)} dates to {until.date()}")
    matrix = build_matrix(intake.warehouse, plan, asked, outcomes_through=reach, negative_triggers={})
    triggers = tuple(dict.fromkeys(map(triggers_of, policies)))
    matrix = _with_triggers(matrix, [build_triggers(intake.warehouse, dict(t)) for t in triggers])
    say(f"learning again what was known every {months} months")
    learned = learn_out_of_time(
        _learnable(matrix, plan, learn_on), plan, dates, recipe,
        months=months, threads=threads, rubric=files.icp.rubric,
    )  # fmt: skip
    if not learned.refits:
        raise _nothing(since, until, list(learned.unscored.values())[-1])
    brought, owners = _brought(intake, plan), owners_of(intake.warehouse)
    scored = [date for date in dates if date not in learned.unscored]
    before = dict(zip(dates, (begin - timedelta(microseconds=1), *dates), strict=False))
    found = tuple(
        _past(_judged_once(_on(matrix, plan, date), plan, before[date]), date, learned, brought, owners)
        for date in scored
    )
    return ScoredPast(found, triggers, learned, reach, recipe.hindsight)


def _column(n: int) -> str:
    """The column of the nth policy's negative triggers."""
    return f"negative_trigger:{n}"


def _with_triggers(matrix: Matrix, found: Sequence[pd.DataFrame]) -> Matrix:
    frame, keys = matrix.frame, ["account_id", "as_of"]
    columns = {_column(n): frame[keys].merge(kinds, on=keys, how="left")["kind"] for n, kinds in enumerate(found)}
    return replace(matrix, frame=frame.assign(**columns))


def _nothing(since: datetime, until: datetime, why: str) -> NoUsableModel:
    return NoUsableModel(
        f"a replay of {since.date()} to {until.date()} was asked for, and no date of it can be scored",
        found=why,
        do="Give later dates, or load older history",
    )


def _learnable(matrix: Matrix, plan: Plan, dates: tuple[datetime, ...]) -> Matrix:
    """The rows of the plan's own grid."""
    if plan.cohort.grid.account_age_days:
        return matrix
    return matrix.where(matrix.frame["as_of"].isin([pd.Timestamp(naive(date)) for date in dates]))


def _on(matrix: Matrix, plan: Plan, date: datetime) -> Matrix:
    """One row an account: on the date, or on its own newest instant whose horizon is still open (as `rows_on`)."""
    stand, as_of = pd.Timestamp(naive(date)), matrix.frame["as_of"]
    if not plan.cohort.grid.account_age_days:
        return matrix.where(as_of == stand)
    near = matrix.where((as_of <= stand) & (as_of >= stand - pd.Timedelta(days=matrix.horizon_days - 1)))
    return near.where(~near.frame.duplicated("account_id", keep="last"))


def _judged_once(matrix: Matrix, plan: Plan, before: datetime) -> Matrix:
    """The rows of a date; those of accounts' own ages that stood on the date before already have no outcome on it."""
    if not plan.cohort.grid.account_age_days:
        return matrix
    stood = matrix.frame["as_of"] <= pd.Timestamp(naive(before))
    return replace(matrix, frame=matrix.frame.assign(outcome=matrix.frame["outcome"].mask(stood)))


def _past(
    matrix: Matrix, date: datetime, learned: OutOfTime, brought: pd.DataFrame | None, owners: pd.DataFrame
) -> Past:
    """The accounts of a date as `decide` reads them: who they are, the policy's facts and the scores of then."""
    frame = matrix.frame
    scores = scores_table(learned.score(frame, date), frame["status"])
    what_they_do = {f.name for f in matrix.features if f.side == "signal"} - set(ACCOUNT_COLUMNS)
    kept = [c for c in frame.columns if c not in what_they_do | {"as_of", "outcome", "outcome_at"}]
    new = [c for c in scores.columns if c not in ("account_id", "as_of")]
    accounts = pd.concat([frame[kept], scores[new]], axis=1).sort_values("account_id").reset_index(drop=True)
    order = np.argsort(frame["account_id"].to_numpy(dtype=object), kind="stable")
    outcome = frame["outcome"].to_numpy(dtype=np.float64)
    amount = None if brought is None else _amounts(frame, brought, matrix.horizon_days)[order]
    return Past(date, accounts, outcome[order], amount, learned.at(date).version, owners)


def _brought(intake: Intake, plan: Plan) -> pd.DataFrame | None:
    """What deals brought that are won by now: account_id, at (when the outcome happened), amount; None: not known."""
    if plan.outcome.event == "activity" or "opportunities" not in intake.data_through:
        return None
    found = intake.warehouse.frame(deals(plan.outcome, intake.data_through["opportunities"]))
    at = "closed_at" if plan.outcome.event == "opportunity_won" else "opened_at"
    kept = found[found["amount"].notna()]
    return kept[["account_id", at, "amount"]].rename(columns={at: "at"}) if len(kept) else None


def _amounts(frame: pd.DataFrame, brought: pd.DataFrame, horizon_days: int) -> Floats:
    """Row by row, what the deals of its horizon brought; NaN where none was won."""
    rows = frame[["account_id", "as_of"]].reset_index(names="row").merge(brought, on="account_id")
    inside = (rows["at"] >= rows["as_of"]) & (rows["at"] < rows["as_of"] + pd.Timedelta(days=horizon_days))
    summed = rows[inside].groupby("row")["amount"].sum()
    amounts: Floats = summed.reindex(np.arange(len(frame))).to_numpy(dtype=np.float64)
    return amounts
