"""The scoring job: tables, live model, matrix, scores, reasons, tiers, actions, published whole."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from tierwise.audit import not_to_keep
from tierwise.clock import instant
from tierwise.config import PlanFiles, Policy, Workspace
from tierwise.data import Intake, attributes_seen, digest, disputes_digest
from tierwise.errors import UsageError
from tierwise.governance import Braking
from tierwise.jobs.control import drawn_by, past_of
from tierwise.jobs.held import braking, pass_brake
from tierwise.jobs.intake import check_as_of, check_question, check_whole, freshness_of, own_history, taken_in
from tierwise.jobs.owing import by_stage
from tierwise.jobs.rules import Rules, live
from tierwise.jobs.scored import Inputs, Scored, published_files, run_record, scored_run
from tierwise.learning.progress import Say, silent
from tierwise.publishing import plan_lock, publish, read_run, recover, remember
from tierwise.registry import Bundle, Registry
from tierwise.store import Kind, RunRecord, Store, policies_known, stages_seen
from tierwise.tiers import next_state


@dataclass(frozen=True)
class ScoreResult:
    """A scoring run: its id, what kind it was, where it lies (nowhere on a dry run), and its tables.

    new: whether this call published it; False for a run that was there already, and on a dry run. late: the sources
    that were late or short, each with what is said of it; where there are any, demotions were held. moves: on a dry
    run, what it would move, and whether the run would be held for it.
    """

    run_id: str
    kind: Kind
    as_of: datetime
    folder: Path | None
    new: bool
    tiers: pd.DataFrame
    movements: pd.DataFrame
    actions: int
    late: dict[str, str]
    moves: Braking | None = None


def score(
    workspace: Workspace,
    plan: str | None = None,
    *,
    as_of: str | datetime,
    dry_run: bool = False,
    model: str = "champion",
    now: datetime | None = None,
    say: Say = silent,
) -> ScoreResult:
    """Score, explain and tier every account as of a date, and publish the run whole (laws 7 and 8); by the live model,
    or by rules where training has said that there is no usable one.

    dry_run: write nothing, and give what would be published. model: `champion`, or `challenger` on a dry run only.

    Raises
    ------
    UsageError : the plan was never trained, an as_of before the data, or a challenger that would be published.
    InputsLate : the activities end too long before as_of.
    RunHeld : it would move more than Settings.brake allows, or a new model alone demotes accounts, and neither a
        release nor limits that the model's promotion stated let it go; nothing is published.
    """
    files, stand = workspace.plan(plan), instant(as_of)
    name = files.plan.plan
    if model != "champion" and not dry_run:
        raise UsageError(f"the {model} was to be published", do="Promote it first, or add --dry-run")
    registry = Registry(workspace.registry, workspace.folder / "state" / "models")
    with plan_lock(workspace.published, name), Store.open(workspace.store) as store:
        if not dry_run:
            check_whole(recover(workspace.published, name, store))
        with taken_in(workspace, say, now, files=files) as intake:
            check_as_of(intake, stand, max_lag_days=workspace.settings.max_lag_days)
            if model == "champion":
                judge = live(workspace, name, registry, store)
            else:
                judge = registry.challenger(name, threads=workspace.settings.threads)
            check_question(files, judge.meta)
            inputs = inputs_of(workspace, files, intake, judge, store, stand)
            known = store.find_run(inputs.versions["run_id"])
            if known is not None:
                say(f"run {known.run_id} is published already")
                return _published(workspace, files, known)
            scored = scored_run(inputs, store, say)
            moves = braking(inputs, scored, store, workspace.settings.brake)
            if dry_run:
                return _result(inputs, scored, None, new=False, moves=moves)
            released = pass_brake(inputs, scored, store, moves)
            contents, record = published_files(inputs, scored, released), run_record(inputs, scored)
            seen = attributes_seen(intake.warehouse, not_to_keep(intake.warehouse))
        say("publishing")
        state, rules = next_state(scored.decisions), files.policy.rules()

        def commit() -> bool | None:
            remember(own_history(workspace), seen, stand, max((stand, *inputs.intake.data_through.values())))
            return store.commit_run(
                record, state, scored.movements, scored.actions, scored.group.log, scored.seen, rules
            )

        new = publish(workspace.published, name, record.run_id, contents, commit, current=scored.kind != "backfill")
    return _result(inputs, scored, workspace.published / name / record.run_id, new=new)


def inputs_of(
    workspace: Workspace, files: PlanFiles, intake: Intake, judge: Bundle | Rules, store: Store, stand: datetime
) -> Inputs:
    """All that decides a run of a date: what the tables, the store and our own history hold for it."""
    name = files.plan.plan
    late = freshness_of(intake, workspace.settings, stand)
    own, disputes = digest(own_history(workspace), stand), disputes_digest(intake.warehouse, stand)
    prior, last, overrides = store.prior_state(name, stand), store.last_run(name, stand), store.overrides(name, stand)
    drawn, past = drawn_by(store, files, stand), past_of(store, files, stand)
    seen = stages_seen(store, name, stand) if by_stage(files) else None
    earlier = _earlier(
        store, name, {*prior["policy_version"].dropna(), last.policy_version if last else ""}, files.policy
    )
    return Inputs(files, intake, judge, prior, stand, last, late, overrides, own, disputes, drawn, past, seen, earlier)


def _earlier(store: Store, plan: str, versions: set[str], policy: Policy) -> dict[str, Policy]:
    """Those of some versions that are other policies, by version; none that no run kept, or that this version of
    tierwise would refuse."""
    found = {}
    for version, rules in policies_known(store, plan, versions - {policy.version(), ""}).items():
        with suppress(ValidationError):
            found[version] = Policy.model_validate_json(rules)
    return found


def _result(
    inputs: Inputs, scored: Scored, folder: Path | None, *, new: bool, moves: Braking | None = None
) -> ScoreResult:
    return ScoreResult(
        scored.versions["run_id"], scored.kind, inputs.stand, folder, new,
        scored.tiers, scored.movements, scored.owed, inputs.fresh.wanting, moves,
    )  # fmt: skip


def _published(workspace: Workspace, files: PlanFiles, record: RunRecord) -> ScoreResult:
    run = read_run(workspace.published, files.plan.plan, record.run_id)
    return ScoreResult(
        record.run_id, record.kind, record.as_of, run.folder, False,
        run.frame("tiers"), run.frame("movements"), int(run.meta["actions"]), dict(run.meta.get("late", {})),
    )  # fmt: skip
