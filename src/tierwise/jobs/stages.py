"""The stages of open opportunities in a scoring run: what earlier runs saw of them, what this one sees, and owes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from tierwise.clock import naive
from tierwise.config import PlanFiles
from tierwise.jobs.rows import has_stages, stages_on
from tierwise.routing import Before, owed, seen_now
from tierwise.store import Store, stages_seen_by

if TYPE_CHECKING:
    from tierwise.jobs.scored import Inputs


def by_stage(files: PlanFiles) -> bool:
    """Whether any play of the plan is by stage."""
    return any(play.stages for play in files.plays.plays)


def before_of(inputs: Inputs) -> Before:
    """What the plays of a run by time and by stage are owed from."""
    staged = by_stage(inputs.files)
    stages = stages_on(inputs.intake.warehouse, inputs.stand) if staged else None
    return Before(inputs.prior[["account_id", "as_of"]], stages, inputs.seen)


def seen_by(inputs: Inputs, decisions: pd.DataFrame) -> pd.DataFrame | None:
    """What the run keeps of what it sees, for the runs after it; None: the plan has no play by stage, or no stage of
    any opportunity has come yet, so that nobody can tell those that come late from those that have long stood there.
    """
    if not by_stage(inputs.files):
        return None
    if (inputs.seen is None or inputs.seen.empty) and not has_stages(inputs.intake.warehouse, inputs.stand):
        return None
    return seen_now(decisions, inputs.files.plays, stages_on(inputs.intake.warehouse, inputs.stand))


def revised(
    inputs: Inputs, store: Store, decisions: pd.DataFrame, moved: pd.DataFrame, actions: pd.DataFrame
) -> pd.DataFrame:
    """What a revision owes of what the decisions owe: to the accounts that it moves, and, by stages, where the run that
    it revises did not see an opportunity stand that stands there now. No later run would owe that: it reads this one.
    """
    mine = actions["account_id"].isin(moved["account_id"])
    if by_stage(inputs.files):
        late = _late(inputs, store, decisions)
        mine |= pd.Series([pair in late for pair in _pairs(actions)], index=actions.index, dtype=bool)
        mine |= (actions["overdue_of"] != "") & actions["overdue_of"].isin(actions.loc[mine, "action_id"])
    return actions[mine].reset_index(drop=True)


def _late(inputs: Inputs, store: Store, decisions: pd.DataFrame) -> set[tuple[str, str]]:
    """(account_id, play) of what is owed by stages that the last run of this as_of did not see, as if it were of a run
    before in which nothing else was different."""
    stand = pd.Timestamp(naive(inputs.stand))
    runs = store.state_at(inputs.plan, inputs.stand)[["account_id"]].assign(as_of=stand)
    plays = inputs.files.plays
    staged = plays.model_copy(update={"plays": tuple(play for play in plays.plays if play.stages)})
    here = decisions.assign(previous_tier=decisions["tier"], movement="", surge_began=False)
    seen = stages_seen_by(store, inputs.plan, inputs.stand)
    before = Before(runs, stages_on(inputs.intake.warehouse, inputs.stand), seen)
    return set(_pairs(owed(here, staged, pd.DataFrame(), inputs.plan, inputs.stand, "", before=before)))


def _pairs(actions: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(actions["account_id"], actions["play"], strict=True))
