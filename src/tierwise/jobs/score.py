"""The scoring job: tables, live model, matrix, scores, reasons, tiers, actions, published whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd

from tierwise.clock import instant
from tierwise.config import PlanFiles, Workspace
from tierwise.data import Intake, Query
from tierwise.errors import UsageError
from tierwise.explain import reasons, top_reasons
from tierwise.features import Matrix, build_matrix
from tierwise.jobs.intake import Say, check_as_of, in_words, inputs_hash, silent, taken_in
from tierwise.publishing import (
    plan_lock,
    publish,
    read_run,
    reasons_table,
    recover,
    run_files,
    run_id,
    scores_table,
    sheet_table,
    tiers_table,
)
from tierwise.registry import Bundle, Registry
from tierwise.report import RunPage, run_page
from tierwise.routing import owed, to_jsonl
from tierwise.store import Kind, RunRecord, Store, movements_difference, state_hash
from tierwise.tiers import decide, movements, next_state


@dataclass(frozen=True)
class ScoreResult:
    """A scoring run: its id, what kind it was, where it lies (nowhere on a dry run), and its tables.

    new: whether this call published it; False for a run that was there already, and on a dry run.
    """

    run_id: str
    kind: Kind
    as_of: datetime
    folder: Path | None
    new: bool
    tiers: pd.DataFrame
    movements: pd.DataFrame
    actions: int


@dataclass(frozen=True)
class Scored:
    """The values of a run before anything is written."""

    run_id: str
    kind: Kind
    scores: pd.DataFrame
    reasons: pd.DataFrame
    decisions: pd.DataFrame
    tiers: pd.DataFrame
    movements: pd.DataFrame
    actions: pd.DataFrame
    names: pd.DataFrame


def score(
    workspace: Workspace,
    plan: str | None = None,
    *,
    as_of: str | datetime,
    dry_run: bool = False,
    model: str = "champion",
    say: Say = silent,
) -> ScoreResult:
    """Score, explain and tier every account as of a date, and publish the run whole (laws 7 and 8).

    dry_run: write nothing, and give what would be published. model: `champion`, or `challenger` on a dry run only.

    Raises
    ------
    UsageError : no live model, an as_of before the data, or a challenger that would be published.
    InputsLate : the activities end too long before as_of.
    """
    files, stand = workspace.plan(plan), instant(as_of)
    if model != "champion" and not dry_run:
        raise UsageError(f"the {model} was to be published", do="Promote it first, or add --dry-run")
    registry = Registry(workspace.registry, workspace.folder / "state" / "models")
    with plan_lock(workspace.published, files.plan.plan), Store.open(workspace.store) as store:
        recover(workspace.published, files.plan.plan, store)
        with taken_in(workspace, say) as intake:
            check_as_of(intake, stand, max_lag_days=workspace.settings.max_lag_days)
            load = registry.live if model == "champion" else registry.challenger
            bundle = load(files.plan.plan, threads=workspace.settings.threads)
            prior = store.prior_state(files.plan.plan, stand)
            identity = _identity(files, intake, bundle, prior, stand)
            known = store.find_run(identity)
            if known is not None:
                say(f"run {identity} is published already")
                return _published(workspace, files, known)
            scored = _scored(files, intake, bundle, store, prior, identity, stand, say)
            if dry_run:
                return _result(scored, stand, None, new=False)
            contents = _files(files, intake, bundle, scored, stand)
            record = _record(files, intake, bundle, prior, scored, stand)
        say("publishing")
        state = next_state(scored.decisions)
        new = publish(
            workspace.published, files.plan.plan, identity, contents,
            lambda: store.commit_run(record, state, scored.movements, scored.actions),
            current=scored.kind != "backfill",
        )  # fmt: skip
    return _result(scored, stand, workspace.published / files.plan.plan / identity, new=new)


def _identity(files: PlanFiles, intake: Intake, bundle: Bundle, prior: pd.DataFrame, stand: datetime) -> str:
    inputs = inputs_hash(intake, files)
    return run_id(files.plan.plan, stand, inputs, state_hash(prior), bundle.version, files.policy.version())


def _matrix(files: PlanFiles, intake: Intake, stand: datetime) -> Matrix:
    """One row an account: on the date, or on its own newest instant whose horizon is still open."""
    plan = files.plan
    negative = {t.kind: t.days for t in files.policy.negative_triggers}
    own_ages = bool(plan.cohort.grid.account_age_days)
    as_ofs = (stand - timedelta(days=plan.outcome.horizon_days - 1), stand) if own_ages else (stand,)
    matrix = build_matrix(intake.warehouse, plan, as_ofs, negative_triggers=negative)
    if not len(matrix.frame):
        raise UsageError(
            f"as_of {stand.date()} was scored", found="no account was known by then", do="Give a later date"
        )
    return matrix.where(~matrix.frame.duplicated("account_id", keep="last"))


def _scored(
    files: PlanFiles,
    intake: Intake,
    bundle: Bundle,
    store: Store,
    prior: pd.DataFrame,
    identity: str,
    stand: datetime,
    say: Say,
) -> Scored:
    plan = files.plan.plan
    say(f"building the matrix as of {stand.date()}")
    matrix = _matrix(files, intake, stand)
    say(f"scoring {len(matrix.frame):,} accounts")
    scores = scores_table(bundle.model.score(matrix.frame), matrix.frame["status"])
    said = reasons_table(reasons(bundle.model, matrix), scores)
    facts = matrix.frame.drop(columns="as_of").merge(scores.drop(columns="as_of"), on="account_id")
    decisions = decide(facts, prior, files.policy, stand, model_version=bundle.version)
    tiers = tiers_table(decisions, scores, matrix.frame[["account_id", "roles_reached"]], top_reasons(said), identity)
    kind = store.kind(plan, stand)
    moved = movements(decisions)
    if kind == "revision":
        moved = movements_difference(store.state_at(plan, stand), decisions)
    owners = intake.warehouse.frame(Query("SELECT owner_id, active_from, active_to FROM owners"))
    actions = owed(decisions, files.plays, owners, plan, stand, identity)
    if kind == "revision":
        actions = actions[actions["account_id"].isin(moved["account_id"])].reset_index(drop=True)
    elif kind == "backfill":
        actions = actions.head(0)
    names = intake.warehouse.frame(Query("SELECT account_id, name FROM accounts ORDER BY account_id"))
    return Scored(identity, kind, scores, said, decisions, tiers, moved, actions, names)


def _files(files: PlanFiles, intake: Intake, bundle: Bundle, scored: Scored, stand: datetime) -> dict[str, bytes]:
    versions = {"model_version": bundle.version, "policy_version": files.policy.version(), "run_id": scored.run_id}
    meta = {
        "plan": files.plan.plan,
        "as_of": stand.isoformat(),
        "kind": scored.kind,
        "trained_as_of": bundle.meta["trained_as_of"],
        "inputs": inputs_hash(intake, files),
        "data_through": {table: at.isoformat() for table, at in intake.data_through.items()},
        "counts": {str(t): int(n) for t, n in scored.tiers["tier"].value_counts().sort_index().items()},
        "movements": len(scored.movements),
        "actions": len(scored.actions),
    } | versions
    return run_files(
        scored.scores,
        scored.reasons,
        scored.tiers,
        scored.movements.assign(**versions),
        to_jsonl(scored.actions),
        run_page(_page(files, intake, bundle, scored, stand)),
        meta,
        sheet_table(scored.tiers, scored.names),
    )


def _page(files: PlanFiles, intake: Intake, bundle: Bundle, scored: Scored, stand: datetime) -> RunPage:
    return RunPage(
        plan=files.plan.plan,
        as_of=stand,
        run_id=scored.run_id,
        model_version=bundle.version,
        tiers=scored.tiers,
        horizon_days=files.plan.outcome.horizon_days,
        policy_version=files.policy.version(),
        outcome=in_words(files),
        labels=files.plan.labels,
        names=dict(scored.names.dropna().itertuples(index=False, name=None)),
        motions={tier: play.motion for play in reversed(files.plays.plays) for tier in play.tiers},
        data_through=intake.data_through,
        reasons=scored.reasons,
        evaluation=bundle.meta["evaluation"],
        intake=intake.counts,
        quarantine=intake.quarantine,
        refused=[(name, why) for name, why in bundle.meta["refused"]],
        notes=[*intake.notes, *bundle.meta["notes"]],
    )


def _record(
    files: PlanFiles, intake: Intake, bundle: Bundle, prior: pd.DataFrame, scored: Scored, stand: datetime
) -> RunRecord:
    return RunRecord(
        run_id=scored.run_id,
        plan=files.plan.plan,
        as_of=stand,
        kind=scored.kind,
        model_version=bundle.version,
        policy_version=files.policy.version(),
        inputs=inputs_hash(intake, files),
        prior_state=state_hash(prior),
        counts={str(t): int(n) for t, n in scored.tiers["tier"].value_counts().sort_index().items()},
    )


def _result(scored: Scored, stand: datetime, folder: Path | None, *, new: bool) -> ScoreResult:
    return ScoreResult(
        scored.run_id, scored.kind, stand, folder, new, scored.tiers, scored.movements, len(scored.actions)
    )


def _published(workspace: Workspace, files: PlanFiles, record: RunRecord) -> ScoreResult:
    run = read_run(workspace.published, files.plan.plan, record.run_id)
    return ScoreResult(
        record.run_id, record.kind, record.as_of, run.folder, False,
        run.frame("tiers"), run.frame("movements"), len(run.actions()),
    )  # fmt: skip
