"""A scoring run as values: what is scored, decided, owed and shown, before anything is written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import pandas as pd

from tierwise.audit import by_the_owners_clock, unknown_zones, zones_in_words
from tierwise.config import PlanFiles, Policy
from tierwise.data import Freshness, Intake, Query, own_fields
from tierwise.errors import UsageError
from tierwise.explain import Evidence, Observed, reasons, rule_reasons, tell, top_reasons, top_rules
from tierwise.features import Matrix
from tierwise.jobs.control import NO_GROUP, Group, Past, draws_hash, grouped, no_past
from tierwise.jobs.intake import in_words, inputs_hash, tracked_by
from tierwise.jobs.owing import actions_of, owed_again, seen_by
from tierwise.jobs.rows import disputed_facts, merged_into, owners_of, rows_on, stages_on
from tierwise.jobs.rules import Rules, readable, rule_notes
from tierwise.learning import BEFORE_AMOUNTS, VALUES, rule_scores
from tierwise.learning.progress import Say
from tierwise.plain import plain
from tierwise.publishing import reasons_table, run_files, run_id, scores_table, sheet_table, tiers_table
from tierwise.registry import Bundle
from tierwise.report import RunPage, run_page
from tierwise.routing import no_draws, to_jsonl, unconditional
from tierwise.store import Kind, RunRecord, Store, movements_difference, state_hash
from tierwise.tiers import decide, movements
from tierwise.tiers.spoken import spoken


@dataclass(frozen=True)
class Inputs:
    """All that decides a run: plan, policy and plays, the tables, the model or rules, the state before, and the date.

    last: the last run of this as_of, if there is one. fresh: which sources are late or short. overrides: those in force
    (`Store.overrides`). own: the digest of what our own history of attributes held before as_of. disputes: of the facts
    that were disputed before as_of. draws: of the control group, up to as_of. past: what sellers were owed by then, and
    what was withheld. seen: in which stages earlier runs saw open opportunities (`stages_seen`); None where no play is
    by stage. earlier: the policies by which the states before, and the run that this one revises, were decided, by
    version, as far as they are known.
    """

    files: PlanFiles
    intake: Intake
    judge: Bundle | Rules
    prior: pd.DataFrame
    stand: datetime
    last: RunRecord | None
    fresh: Freshness
    overrides: pd.DataFrame
    own: str = ""
    disputes: str = ""
    draws: pd.DataFrame = field(default_factory=no_draws)
    past: Past = field(default_factory=no_past)
    seen: pd.DataFrame | None = None
    earlier: Mapping[str, Policy] = field(default_factory=dict)

    @property
    def plan(self) -> str:
        """The plan's name."""
        return self.files.plan.plan

    @cached_property
    def versions(self) -> dict[str, str]:
        """The versions that published rows name, with the run's id, which hashes all of this (law 7)."""
        model, policy, state = self.judge.version, self.files.policy.version(), state_hash(self.prior)
        last = self.last
        if last and (last.inputs, last.prior_state, last.model_version, last.policy_version) == (
            self.hash,
            state,
            model,
            policy,
        ):
            identity = last.run_id
        else:
            identity = run_id(self.plan, self.stand, self.hash, state, model, policy, last.run_id if last else None)
        return {"model_version": model, "policy_version": policy, "run_id": identity}

    @cached_property
    def stages(self) -> pd.DataFrame:
        """The stages of open opportunities as of the date (`stages_on`)."""
        return stages_on(self.intake.warehouse, self.stand)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over tables, plan and plays; and, where they count, over our own history, what holds demotions,
        overrides and disputes, who was drawn into the control group before, and the stages that were seen before; of
        rules also over icp.yaml and what training said.
        """
        own = self.own if tracked_by(self.files) & set(own_fields(self.intake.warehouse)) else ""
        held = "\n".join(self.fresh.wanting.values())
        said = [inputs_hash(self.intake, self.files)]
        said += [own, held] if own or held else []
        if len(self.overrides) or self.disputes:
            said += ["acts", state_hash(self.overrides), self.disputes]
        if drawn := draws_hash(self.draws, self.stand):
            said += ["control", drawn]
        if self.seen is not None and len(self.seen):
            said += ["stages", state_hash(self.seen)]
        if isinstance(self.judge, Rules):
            said += ["rules", self.files.icp.model_dump_json(), self.judge.digest]
        return hashlib.sha256("\0".join(said).encode()).hexdigest() if len(said) > 1 else said[0]

    @property
    def data_through(self) -> dict[str, datetime]:
        """How far each table reaches, as far as this run may know."""
        return {table: min(at, self.stand) for table, at in self.intake.data_through.items()}


@dataclass(frozen=True)
class Scored:
    """The values of a run before anything is written."""

    versions: dict[str, str]
    kind: Kind
    scores: pd.DataFrame
    reasons: pd.DataFrame
    decisions: pd.DataFrame
    tiers: pd.DataFrame
    movements: pd.DataFrame
    actions: pd.DataFrame
    names: pd.DataFrame
    notes: tuple[str, ...] = ()
    """What is to be said of rules."""
    disputed: tuple[dict[str, Any], ...] = ()
    """What was not read as people had marked it wrong: `DISPUTED_FACT` as JSON values."""
    group: Group = NO_GROUP
    seen: pd.DataFrame | None = None
    """In which stages the run saw open opportunities; None: it keeps nothing of that."""

    @property
    def owed(self) -> int:
        """How many actions are owed as they stand, without those that wait for another to be overdue."""
        return int(unconditional(self.actions).sum())

    @property
    def counts(self) -> dict[str, int]:
        """Accounts by tier and status."""
        return {str(t): int(n) for t, n in self.tiers["tier"].value_counts().sort_index().items()}


def scored_run(inputs: Inputs, store: Store, say: Say) -> Scored:
    """Score, explain, decide and owe; a revision moves and owes what it changes, a backfill owes nothing."""
    say(f"building the matrix as of {inputs.stand.date()}")
    matrix = _matrix(inputs)
    say(f"scoring {len(matrix.frame):,} accounts")
    judged = _judged(inputs, matrix)
    scores = scores_table(judged.scores, matrix.frame["status"])
    said = reasons_table(judged.reasons, scores)
    values = _values(inputs, matrix, scores)
    facts = _facts(inputs, matrix, scores, values)
    decisions = _decided(inputs, facts)
    roles = matrix.frame[["account_id", "roles_reached"]]
    tiers = tiers_table(decisions, scores, values, roles, _top(inputs, said), inputs.versions["run_id"])
    kind = store.kind(inputs.plan, inputs.stand)
    moved = movements(decisions)
    if kind == "revision":
        stood = store.state_at(inputs.plan, inputs.stand)
        moved = movements_difference(stood, decisions, _alike(inputs, facts, stood, decisions))
        moved["why"] = [f"Revised: {b} to {t}, as {c} changed." for b, t, c in _steps(moved)]
    names = inputs.intake.warehouse.frame(Query("SELECT account_id, name FROM accounts ORDER BY account_id"))
    known = decisions.merge(names, on="account_id", how="left", validate="1:1")
    actions = actions_of(inputs, store, known, kind, moved, said)
    actions, group = grouped(inputs, facts, matrix.frame[["account_id", "as_of"]], decisions, actions, kind)
    actions = owed_again(inputs, actions, known, said, group)
    return Scored(
        inputs.versions, kind, scores, said, decisions, tiers, moved, actions, names, judged.notes,
        disputed=_disputed(inputs, store), group=group, seen=seen_by(inputs, decisions),
    )  # fmt: skip


def _disputed(inputs: Inputs, store: Store) -> tuple[dict[str, Any], ...]:
    """What people had marked wrong by the run's date, of its accounts."""
    disputes = store.disputed(inputs.stand) if inputs.disputes else pd.DataFrame()
    if disputes.empty:
        return ()
    found = disputed_facts(inputs.intake.warehouse, disputes, inputs.stand)
    return tuple(plain(found.to_dict("records")))


def _facts(inputs: Inputs, matrix: Matrix, scores: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """Everything that the policy engine reads of the accounts."""
    facts = matrix.frame.drop(columns="as_of").merge(scores.drop(columns="as_of"), on="account_id")
    facts = facts.merge(values[["account_id", "expected_value"]], on="account_id", how="left", validate="1:1")
    merged = merged_into(inputs.intake.warehouse, inputs.stand)
    return facts.merge(merged, on="account_id", how="left", validate="1:1")


def _decided(inputs: Inputs, facts: pd.DataFrame, by: Policy | None = None) -> pd.DataFrame:
    """The policy engine on the facts of the accounts. by: another policy than that of the run, without words."""
    return decide(
        facts, inputs.prior, by or inputs.files.policy, inputs.stand,
        model_version=inputs.judge.version, hold_demotions=inputs.fresh.because,
        fit_unknown=isinstance(inputs.judge, Rules), overrides=inputs.overrides,
        owners=owners_of(inputs.intake.warehouse), earlier={} if by else _readable(inputs, facts), words=by is None,
    )  # fmt: skip


def _readable(inputs: Inputs, facts: pd.DataFrame) -> dict[str, Policy]:
    """The earlier policies by which these accounts can be decided: what they read is there still."""
    owned = not owners_of(inputs.intake.warehouse).empty
    return {
        version: before
        for version, before in inputs.earlier.items()
        if set(before.attributes) <= set(facts.columns) and (owned or before.owner_capacity is None)
    }


def _alike(inputs: Inputs, facts: pd.DataFrame, stood: pd.DataFrame, decisions: pd.DataFrame) -> frozenset[str]:
    """The accounts whose tier is the same by the policy of the run that this one revises, which left them as they
    stood; none where that is the same policy, or is not known. Nor any that a trigger suppresses in one of the two
    runs, where triggers differ: the facts are read with those in force."""
    before = _readable(inputs, facts).get(inputs.last.policy_version) if inputs.last else None
    if before is None:
        return frozenset()
    same = _decided(inputs, facts, before)["tier"] == decisions["tier"]
    if before.negative_triggers != inputs.files.policy.negative_triggers:
        triggered = stood.loc[stood["row"] == "negative_trigger", "account_id"]
        same &= ~(decisions["account_id"].isin(triggered) | (decisions["row"] == "negative_trigger"))
    return frozenset(decisions.loc[same, "account_id"].astype(str))


@dataclass(frozen=True)
class _Judged:
    """What the model or the rules say of the rows, row by row."""

    scores: pd.DataFrame
    reasons: pd.DataFrame
    notes: tuple[str, ...] = ()


def _judged(inputs: Inputs, matrix: Matrix) -> _Judged:
    if not isinstance(inputs.judge, Rules):
        model, meta = inputs.judge.model, inputs.judge.meta
        found, seen = Evidence.from_dict(meta.get("evidence")), Observed.from_dict(meta.get("observed"))
        return _Judged(model.score(matrix.frame), tell(reasons(model, matrix, found, seen), model.features))
    intake, plan, stand = inputs.intake, inputs.files.plan, inputs.stand
    newest = max((stand, *intake.data_through.values()))
    frame, rubric = readable(intake.warehouse, plan, inputs.files.icp.rubric, matrix, stand, newest)
    scores = rule_scores(frame, rubric)
    return _Judged(scores, rule_reasons(frame, rubric), rule_notes(rubric, frame, scores))


def _values(inputs: Inputs, matrix: Matrix, scores: pd.DataFrame) -> pd.DataFrame:
    """Each account's expected value with its interval; null where there is no propensity, or no value was learned."""
    who, judge = matrix.frame[["account_id"]], inputs.judge
    if isinstance(judge, Rules) or judge.value is None:
        return who.assign(**dict.fromkeys(VALUES, float("nan")))
    return who.join(judge.value.score(matrix.frame, scores["propensity"].to_numpy(dtype=float)))


def _of_values(inputs: Inputs) -> dict[str, str]:
    """The currency of expected values ("": the tables name none), and why there are none ("": there are)."""
    judge = inputs.judge
    if isinstance(judge, Rules):
        return {"currency": "", "why": "tiers go by rules, and there is no propensity"}
    said = judge.meta.get("value") or {"why": BEFORE_AMOUNTS}
    return {"currency": str(said.get("currency", "")), "why": str(said["why"])}


def _top(inputs: Inputs, said: pd.DataFrame) -> pd.DataFrame:
    """The reasons that are shown: families that are proven, or what the rules counted."""
    if isinstance(inputs.judge, Rules):
        return top_rules(said)
    seen = Observed.from_dict(inputs.judge.meta.get("observed"))
    return top_reasons(said, inputs.judge.model.features, observed=seen)


def _steps(moved: pd.DataFrame) -> list[tuple[str, str, str]]:
    """(before, after, cause) of each movement."""
    said = moved[["previous_tier", "tier", "cause"]].astype(object).where(lambda f: f.notna(), "not scored")
    return list(said.itertuples(index=False, name=None))


def _matrix(inputs: Inputs) -> Matrix:
    matrix = rows_on(inputs.intake.warehouse, inputs.files, inputs.stand)
    if not len(matrix.frame):
        raise UsageError(
            f"as_of {inputs.stand.date()} was scored", found="no account was known by then", do="Give a later date"
        )
    return matrix


def published_files(inputs: Inputs, scored: Scored, released: Mapping[str, Any] | None = None) -> dict[str, bytes]:
    """The nine files of the run, by name. released: who let a held run go, and why."""
    meta = {
        "plan": inputs.plan,
        "as_of": inputs.stand.isoformat(),
        "kind": scored.kind,
        "labels": inputs.files.plan.labels,
        "trained_as_of": None if isinstance(inputs.judge, Rules) else inputs.judge.meta["trained_as_of"],
        "inputs": inputs.hash,
        "data_through": {table: at.isoformat() for table, at in inputs.data_through.items()},
        "late": inputs.fresh.wanting,
        "counts": scored.counts,
        "expected_value": _of_values(inputs),
        "movements": len(scored.movements),
        "actions": scored.owed,
    }
    further = len(scored.actions) - scored.owed
    meta |= {"actions_if_overdue": further} if further else {}
    meta |= {"released": dict(released)} if released else {}
    meta |= {"disputed": list(scored.disputed)} if scored.disputed else {}
    meta |= scored.group.to_dict()
    return run_files(
        scored.scores,
        scored.reasons,
        scored.tiers,
        scored.movements.assign(**scored.versions),
        to_jsonl(scored.actions),
        run_page(_page(inputs, scored)),
        meta | scored.versions,
        sheet_table(scored.tiers, scored.names),
    )


def _page(inputs: Inputs, scored: Scored) -> RunPage:
    files, meta = inputs.files, inputs.judge.meta
    return RunPage(
        plan=inputs.plan,
        as_of=inputs.stand,
        run_id=scored.versions["run_id"],
        model_version=scored.versions["model_version"],
        policy_version=scored.versions["policy_version"],
        trained_as_of=meta["trained_as_of"],
        tiers=scored.tiers,
        horizon_days=files.plan.outcome.horizon_days,
        outcome=in_words(files),
        labels=files.plan.labels,
        names=dict(scored.names.dropna().itertuples(index=False, name=None)),
        motions=files.plays.motions,
        data_through=inputs.data_through,
        reasons=scored.reasons,
        evaluation=meta["evaluation"],
        intake=inputs.intake.counts,
        quarantine=inputs.intake.quarantine,
        refused=[(name, why) for name, why in meta["refused"]],
        notes=[*inputs.intake.notes, *meta["notes"], *_zone_notes(inputs), *filter(None, [scored.group.words])],
        late=list(inputs.fresh.wanting.values()),
        rules=meta["why"] if isinstance(inputs.judge, Rules) else "",
        rule_notes=scored.notes,
        currency=_of_values(inputs)["currency"],
        no_value=_of_values(inputs)["why"],
        policy=spoken(files.policy),
    )


def _zone_notes(inputs: Inputs) -> list[str]:
    """What is said of owners' time zones that are none, where plays are due by them."""
    if not by_the_owners_clock(inputs.files.plays):
        return []
    zones = unknown_zones(owners_of(inputs.intake.warehouse))
    return [f"{zones_in_words(zones)}: their actions are due by the clock of plays.yaml"] if zones else []


def run_record(inputs: Inputs, scored: Scored) -> RunRecord:
    """The run as the ledger keeps it."""
    return RunRecord(
        plan=inputs.plan,
        as_of=inputs.stand,
        kind=scored.kind,
        run_id=scored.versions["run_id"],
        model_version=scored.versions["model_version"],
        policy_version=scored.versions["policy_version"],
        inputs=inputs.hash,
        prior_state=state_hash(inputs.prior),
        counts=scored.counts,
    )
