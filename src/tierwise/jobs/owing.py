"""What a scoring run owes by the plays: as accounts move, and by the stages that runs saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from tierwise.clock import naive
from tierwise.config import PlanFiles
from tierwise.jobs.control import Group
from tierwise.jobs.rows import has_stages, owners_of
from tierwise.jobs.rules import Rules
from tierwise.routing import Before, dynamic_signals, owed, seen_now
from tierwise.store import Kind, Store, stages_seen_by

if TYPE_CHECKING:
    from tierwise.jobs.scored import Inputs

ELSEWHERE = "not_eligible"
"""Where an account is taken to come from that is owed what entering its tier calls for."""


def by_stage(files: PlanFiles) -> bool:
    """Whether any play of the plan is by stage."""
    return any(play.stages for play in files.plays.plays)


def before_of(inputs: Inputs) -> Before:
    """What the plays of a run by time and by stage are owed from."""
    return Before(inputs.prior[["account_id", "as_of"]], inputs.stages if by_stage(inputs.files) else None, inputs.seen)


def actions_of(
    inputs: Inputs, store: Store, decisions: pd.DataFrame, kind: Kind, moved: pd.DataFrame, said: pd.DataFrame
) -> pd.DataFrame:
    """What the run owes; of a revision, what `_revised` says."""
    actions = _owed(inputs, decisions, said)
    if kind == "backfill":
        return actions.head(0)
    return _revised(inputs, store, decisions, moved, actions) if kind == "revision" else actions


def _owed(inputs: Inputs, decisions: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """What decisions owe by the plan's plays."""
    plays, warehouse = inputs.files.plays, inputs.intake.warehouse
    named = any(play.says("signal") for play in plays.plays) and not isinstance(inputs.judge, Rules)
    return owed(
        decisions, plays, owners_of(warehouse), inputs.plan, inputs.stand, inputs.versions["run_id"],
        before=before_of(inputs),
        icp=inputs.files.icp,
        signals=dynamic_signals(decisions, said, inputs.files.plan) if named else {},
    )  # fmt: skip


def owed_again(
    inputs: Inputs, actions: pd.DataFrame, decisions: pd.DataFrame, said: pd.DataFrame, group: Group
) -> pd.DataFrame:
    """The actions and, in their places, those of the control group that are owed after all, as on entering the tier."""
    again = group.again
    if again.empty:
        return actions
    cause = again.drop_duplicates("account_id").set_index("account_id")["cause"]
    here = decisions[decisions["account_id"].isin(cause.index)]
    here = here.assign(movement="entered", previous_tier=ELSEWHERE, cause=here["account_id"].map(cause))
    made, pairs = _owed(inputs, here, said), set(zip(again["account_id"], again["play"], strict=True))
    wanted = pd.Series([pair in pairs for pair in zip(made["account_id"], made["play"], strict=True)], index=made.index)
    wanted |= (made["overdue_of"] != "") & made["overdue_of"].isin(made.loc[wanted, "action_id"])
    order = {play.play: n for n, play in enumerate(inputs.files.plays.plays)}
    every = pd.concat([actions, made[wanted]], ignore_index=True)
    every = every.assign(_order=every["play"].map(order)).sort_values(["account_id", "_order"], kind="stable")
    return every.drop(columns="_order").reset_index(drop=True)


def seen_by(inputs: Inputs, decisions: pd.DataFrame) -> pd.DataFrame | None:
    """What the run keeps of what it sees, for the runs after it; None: the plan has no play by stage, or no stage of
    any opportunity has come yet, so that nobody can tell those that come late from those that have long stood there.
    """
    if not by_stage(inputs.files):
        return None
    if (inputs.seen is None or inputs.seen.empty) and not has_stages(inputs.intake.warehouse, inputs.stand):
        return None
    return seen_now(decisions, inputs.files.plays, inputs.stages)


def _revised(
    inputs: Inputs, store: Store, decisions: pd.DataFrame, moved: pd.DataFrame, actions: pd.DataFrame
) -> pd.DataFrame:
    """What a revision owes, of what the decisions owe: to the accounts that it moves, and, by stages, where
    the run that it revises did not see an opportunity stand that stands there now. No later run would owe that: it
    reads this one.
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
    before = Before(runs, inputs.stages, seen)
    return set(_pairs(owed(here, staged, pd.DataFrame(), inputs.plan, inputs.stand, "", before=before)))


def _pairs(actions: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(actions["account_id"], actions["play"], strict=True))
