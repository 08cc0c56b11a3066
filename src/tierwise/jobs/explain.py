"""One account in the published run: where it stands, why, what changed since a date, and what would move it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from tierwise.clock import instant, naive
from tierwise.config import PlanFiles, Workspace
from tierwise.data import Intake, Query, become
from tierwise.errors import UsageError
from tierwise.explain import (
    Observed,
    WhatIf,
    families,
    holds,
    shown,
    spoken_families,
    told_disputed,
    waterfall,
    what_if,
)
from tierwise.explain.whatif import Decide
from tierwise.jobs.changed import Changed, Scoring, changed
from tierwise.jobs.control import in_control
from tierwise.jobs.holds import stood
from tierwise.jobs.intake import check_question, taken_in
from tierwise.jobs.rows import rows_on
from tierwise.jobs.rules import RUBRIC
from tierwise.jobs.runs import run_before
from tierwise.learning.progress import Say, silent
from tierwise.publishing import PublishedRun, read_current
from tierwise.registry import Bundle, Registry
from tierwise.store import Store
from tierwise.tiers import decide


@dataclass(frozen=True)
class Explained:
    """One account: its published row, the steps from base to total (none out of the cohort), and the change since.

    steps: what `waterfall` gives of the families that are shown; where tiers go by rules, the rubric's points and the
    newest activity (step, side, words), no log-odds. reasons: every family, shown or not, with its words. predicts: the
    outcome as a verb phrase. before, before_as_of: the published row then (None if it had none), and of which run.
    change: None if no date was asked for, or one of the two has no probability. moves: what would move it; None where
    it has no probability. disputed: what people marked wrong of it, a sentence each. control: that it is in the control
    group, and what was withheld; "" where it is not.
    """

    row: dict[str, Any]
    steps: pd.DataFrame
    reasons: pd.DataFrame
    run_id: str
    predicts: str = ""
    before: dict[str, Any] | None = None
    before_as_of: datetime | None = None
    change: Changed | None = None
    moves: WhatIf | None = None
    disputed: tuple[str, ...] = ()
    control: str = ""

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        said: dict[str, Any] = {"row": self.row, "before": self.before, "steps": self.steps.to_dict("records")}
        said["reasons"] = self.reasons.to_dict("records")
        said["change"] = None if self.change is None else self.change.to_dict()
        said["disputed"] = list(self.disputed)
        said |= {"control": self.control} if self.control else {}
        return said | {"moves": None if self.moves is None else self.moves.to_dict()}


def explain(
    workspace: Workspace,
    account_id: str,
    plan: str | None = None,
    *,
    since: str | datetime | None = None,
    now: datetime | None = None,
    say: Say = silent,
) -> Explained:
    """Explain an account's place in the run that CURRENT names; with `since`, also against the newest run by then.

    The tables are read for the account's features: of the run's date, and of then.

    Raises
    ------
    UsageError : nothing is published, no such account, no run by that date, a date that is not before the run, or
        another plan than the model's.
    """
    files = workspace.plan(plan)
    name = files.plan.plan
    run = read_current(workspace.published, name)
    row = _row(run, account_id)
    if row is None:
        raise UsageError(
            f"account '{account_id}' was to be explained",
            found=f"it is not among the {len(run.frame('tiers')):,} accounts of run {run.run_id}",
            do="Look the id up in accounts.csv; ids are compared letter by letter",
        )
    earlier = None if since is None else run_before(workspace, run, instant(since))
    before = None if earlier is None else _row(earlier, account_id)
    then = None if earlier is None else instant(earlier.meta["as_of"])
    disputed = _disputed(workspace, run, account_id)
    if pd.isna(row["propensity"]):
        said = run.frame("reasons")
        points = said[(said["account_id"] == account_id) & (row["model_version"] == RUBRIC)]
        steps = points.rename(columns={"feature": "step"})[["step", "side", "words"]].reset_index(drop=True)
        with taken_in(workspace, say, now, files=files) as intake:
            control = _control(workspace, files, run, row, intake)
        return Explained(row, steps, pd.DataFrame(), run.run_id, "", before, then, disputed=disputed, control=control)
    here = Scoring(run, _bundle(workspace, name, row), account_id)
    check_question(files, here.bundle.meta)
    with taken_in(workspace, say, now, files=files) as intake:
        say(f"looking at {account_id}")
        moves, control = _moves(workspace, files, intake, here, row), _control(workspace, files, run, row, intake)
        change = None
        if earlier is not None and before is not None and pd.notna(before["propensity"]):
            there = Scoring(earlier, _bundle(workspace, name, before), account_id)
            change = changed(files, intake, there, here, _moved(workspace, name, account_id, there, here))
    lines, steps = _steps(here)
    predicts = str(here.bundle.meta.get("predicts", ""))
    return Explained(row, steps, lines, run.run_id, predicts, before, then, change, moves, disputed, control)


def _disputed(workspace: Workspace, run: PublishedRun, account_id: str) -> tuple[str, ...]:
    """What the run did not read of the account as it was marked wrong, then what it read that is marked wrong now."""
    told = [told_disputed(f) for f in run.meta.get("disputed", ()) if f["account_id"] == account_id]
    with Store.open(workspace.store, create=False) as store:
        standing = store.disputed()
    since = standing["made_at"] >= pd.Timestamp(naive(instant(run.meta["as_of"])))
    for act in standing[(standing["account_id"] == account_id) & since].to_dict("records"):
        fact = {"fact": "activity", "name": act["fact_id"]}
        if act["table"] == "accounts":
            fact = {"fact": "value", "name": act["field"]}
        told.append(told_disputed({**act, **fact, "made_at": act["made_at"].isoformat()}, later=True))
    return tuple(told)


def _control(workspace: Workspace, files: PlanFiles, run: PublishedRun, row: dict[str, Any], intake: Intake) -> str:
    """That the account was drawn into the control group as of the run, and what was withheld from it."""
    with Store.open(workspace.store, create=False) as store:
        return in_control(store, files, row, instant(run.meta["as_of"]), become(intake.warehouse))


def _row(run: PublishedRun, account_id: str) -> dict[str, Any] | None:
    tiers = run.frame("tiers")
    mine = tiers[tiers["account_id"] == account_id]
    return None if mine.empty else {str(k): v for k, v in mine.iloc[0].to_dict().items()}


def _bundle(workspace: Workspace, plan: str, row: dict[str, Any]) -> Bundle:
    registry = Registry(workspace.registry, workspace.folder / "state" / "models")
    return registry.of_version(plan, str(row["model_version"]), threads=workspace.settings.threads)


def _steps(here: Scoring) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every family of the account with its words, and the waterfall of those that are shown."""
    observed = Observed.from_dict(here.bundle.meta.get("observed"))
    features = here.bundle.model.features
    lines = families(here.reasons, features)
    lines = lines.assign(words=spoken_families(lines, features, observed, direction=False))
    steps = waterfall(here.reasons, here.run.frame("scores"), here.account_id, folded=shown(lines))
    return lines, steps


def _moves(workspace: Workspace, files: PlanFiles, intake: Intake, here: Scoring, row: dict[str, Any]) -> WhatIf | None:
    """What would move the account, by its row of the run's date; None where the tables no longer hold it."""
    matrix = rows_on(intake.warehouse, files, here.as_of, [here.account_id])
    if not len(matrix.frame):
        return None
    roles = Query("SELECT role, count(*) AS n FROM contact_roles WHERE role IS NOT NULL GROUP BY role")
    known = dict(intake.warehouse.frame(roles).itertuples(index=False, name=None))
    with Store.open(workspace.store, create=False) as store:
        prior = store.prior_state(files.plan.plan, here.as_of)
        left = stood(files, intake, here, row, store)
    wanted = files.plan.features.signal.buying_group.roles
    return what_if(
        matrix.frame,
        str(row["tier"]),
        files.plan,
        files.policy,
        _decide(files, here, prior[prior["account_id"] == here.account_id]),
        observed=Observed.from_dict(here.bundle.meta.get("observed")),
        contacts={role: int(known.get(role, 0)) for role in wanted},
        holds=holds(left),
    )


def _decide(files: PlanFiles, here: Scoring, prior: pd.DataFrame) -> Decide:
    """The policy engine on scenarios of one account, each with the account's own state before the run."""
    at_once = files.policy.time_in_tier.model_copy(update={"promotion_window_days": 0})
    policy = files.policy.model_copy(update={"capacity": {}, "owner_capacity": None, "time_in_tier": at_once})

    def decided(frame: pd.DataFrame) -> pd.DataFrame:
        model = here.bundle.model
        scores = model.score(frame).assign(beyond=model.beyond(frame))
        facts = frame.drop(columns="as_of").merge(scores.drop(columns="as_of"), on="account_id", validate="1:1")
        facts = facts.assign(expected_value=_expected(here.bundle, frame, scores))
        made = decide(facts, _of_each(prior, frame), policy, here.as_of, model_version=here.bundle.version)
        return made.merge(scores[["account_id", "propensity", "fit_score", "signal_score", "beyond"]], on="account_id")

    return decided


def _of_each(own: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """The account's own row, if it has one, for every scenario."""
    if own.empty:
        return own
    return own.iloc[np.zeros(len(frame), dtype=int)].assign(account_id=frame["account_id"].to_numpy())


def _expected(
    bundle: Bundle, frame: pd.DataFrame, scores: pd.DataFrame
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Each scenario's expected value; NaN where none was learned."""
    if bundle.value is None:
        return np.full(len(frame), np.nan)
    values = bundle.value.score(frame, scores["propensity"].to_numpy(dtype=float))
    return np.asarray(values["expected_value"], dtype=np.float64)


def _moved(workspace: Workspace, plan: str, account_id: str, there: Scoring, here: Scoring) -> pd.DataFrame:
    """The account's tier changes after one run and up to another: as_of, previous_tier, tier, cause."""
    with Store.open(workspace.store, create=False) as store:
        moves, runs = store.movements(plan), store.runs(plan)
    live = set(runs.loc[runs["kind"] != "backfill", "run_id"])
    since, until = (pd.Timestamp(s.as_of.replace(tzinfo=None)) for s in (there, here))
    mine = moves[(moves["account_id"] == account_id) & moves["run_id"].isin(live)]
    mine = mine[(mine["as_of"] > since) & (mine["as_of"] <= until)]
    return mine[["as_of", "previous_tier", "tier", "cause"]].reset_index(drop=True)
