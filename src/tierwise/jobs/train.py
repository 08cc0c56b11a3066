"""The training job: tables, audit, matrix, model, evaluation, bundle, registry, card."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from tierwise.audit import Finding, acceptable, accepted, audit, audit_matrix, in_words, refused
from tierwise.config import PlanFiles, Workspace
from tierwise.data import Intake
from tierwise.errors import ContractError, NoUsableModel
from tierwise.explain import evidence, observe
from tierwise.features import Matrix, build_matrix, history_start, training_grid
from tierwise.governance import model_card, reference
from tierwise.jobs.intake import (
    Say,
    check_as_of,
    date_or,
    inputs_hash,
    outcome_reach,
    question,
    silent,
    taken_in,
)
from tierwise.jobs.intake import in_words as predicts
from tierwise.learning import USABLE, Trained, train_model
from tierwise.registry import Registry, write_bundle

SCORES = ("propensity", "account_score", "fit_score", "signal_score")


@dataclass(frozen=True)
class TrainResult:
    """What a training gave: the registered version (live, or a challenger), evidence, findings, the test slice's rows.

    unseen: account_id, as_of, family_id, outcome, propensity; from a model that was trained before them.
    """

    plan: str
    as_of: datetime
    number: int
    live: bool
    model_version: str
    evaluation: dict[str, Any]
    findings: tuple[Finding, ...]
    card: Path
    unseen: pd.DataFrame


def train(
    workspace: Workspace,
    plan: str | None = None,
    *,
    as_of: str | datetime | None = None,
    now: datetime | None = None,
    say: Say = silent,
) -> TrainResult:
    """Train, calibrate, evaluate and register a challenger (the first becomes the live model).

    as_of: where we stand; nothing known at or after it is read, and outcomes count that closed before it. By default
    how far the outcomes reach.

    Raises
    ------
    ContractError : the audit found what would leak.
    NoUsableModel : nothing can be learned, or no better than a one-line baseline (law 9).
    """
    files = workspace.plan(plan)
    with taken_in(workspace, say, now, files=files) as intake:
        reach = outcome_reach(intake, files)
        stand = date_or(as_of, reach)
        check_as_of(intake, stand)
        findings = audit(intake.warehouse, files.plan, min(reach, stand))
        refuse_blocked(files, findings)
        say(f"building the matrix as of {stand.date()} and before")
        grid = training_grid(files.plan, history_start(intake.warehouse), min(stand, reach))
        matrix = build_matrix(intake.warehouse, files.plan, grid, outcomes_through=min(reach, stand))
        findings = refuse_blocked(files, (*findings, *audit_matrix(matrix, files.plan)))
        say(f"training on {len(matrix.eligible().mature().frame):,} rows of {len(matrix.features)} features")
        trained = train_model(matrix, files.plan, threads=workspace.settings.threads)
        meta = _meta(files, intake, trained, matrix, findings, stand)
    _refuse_useless(files, trained)
    say("registering the model")
    registry = Registry(workspace.registry, workspace.folder / "state" / "models")
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        version = write_bundle(trained.model, matrix.frame.tail(50), meta, bundle)
        text = model_card(meta | {"model_version": version}, meta["evaluation"])
        number = registry.register(files.plan.plan, bundle, _headline(meta["evaluation"]), _params(meta))
    card = files.folder / "card.md"
    card.write_text(text, encoding="utf-8")
    live = any("champion" in v.aliases for v in registry.versions(files.plan.plan) if v.number == number)
    return TrainResult(
        files.plan.plan, stand, number, live, version, meta["evaluation"], findings, card, trained.unseen
    )


def refuse_blocked(files: PlanFiles, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings in the light of what the plan accepts by name, if none of them blocks.

    Raises
    ------
    ContractError : some do; each is told, with what to do, and how to accept it.
    """
    findings = accepted(findings, files.plan.audit.accept)
    blocked = [f for f in findings if f.severity == "blocks"]
    if blocked:
        listed = "".join(f"\n  {f.subject}: {f.words} [{f.code}]" for f in blocked)
        said = f"plan '{files.plan.plan}' was to be trained, and the audit blocks it:{listed}"
        raise ContractError(said, do=_how_to_accept(files, blocked))
    return findings


def _how_to_accept(files: PlanFiles, blocked: list[Finding]) -> str:
    able = [f for f in blocked if acceptable(f)]
    if not able:
        return ""
    entry = f"{{finding: {able[0].code}, subject: {able[0].subject}, because: ...}}"
    where = f"models/{files.plan.plan}/model.yaml"
    return (
        f"\nWhat was surely known before the outcome can be accepted by name in {where}: audit: {{accept: [{entry}]}}"
    )


def _refuse_useless(files: PlanFiles, trained: Trained) -> None:
    if trained.evaluation.verdict != USABLE:
        raise NoUsableModel(
            f"plan '{files.plan.plan}' was trained, and no usable model came of it",
            found=trained.evaluation.why,
            do="Keep the live model if there is one; a longer history or more outcomes may help",
        )


def _meta(
    files: PlanFiles,
    intake: Intake,
    trained: Trained,
    matrix: Matrix,
    findings: tuple[Finding, ...],
    stand: datetime,
) -> dict[str, Any]:
    """What the bundle says of itself: plain JSON values."""
    return {
        "plan": files.plan.plan,
        "predicts": predicts(files),
        "trained_as_of": stand.date().isoformat(),
        "data_through": min(outcome_reach(intake, files), stand).date().isoformat(),
        "inputs": inputs_hash(intake, files),
        "question": question(files),
        "features": [
            {"name": f.name, "side": f.side, "unit": f.unit, "words": f.words} for f in trained.model.features
        ],
        "refused": [list(pair) for pair in refused(findings)],
        "accepted": _accepted(files),
        "accepted_findings": _overruled(files, findings),
        "notes": in_words(f for f in findings if f.severity != "blocks" and not f.refuses),
        "evaluation": trained.evaluation.to_dict(),
        "reference": _reference(trained, matrix),
        "evidence": evidence(trained.model, matrix).to_dict(),
        "observed": observe(matrix, trained.model.features).to_dict(),
    }


def _accepted(files: PlanFiles) -> list[str]:
    """What the plan takes today's value of for all dates, by name, though nothing proves when it was known."""
    names = [a.attribute for a in files.plan.features.fit if a.clock == "accepted"]
    return [*names, *(["contacts' roles"] if files.plan.features.signal.buying_group.clock == "accepted" else [])]


def _overruled(files: PlanFiles, findings: tuple[Finding, ...]) -> list[str]:
    """What the audit found and the plan accepts by name, in words."""
    accepts = {(a.finding, a.subject) for a in files.plan.audit.accept}
    return in_words(f for f in findings if (f.code, f.subject) in accepts)


def _reference(trained: Trained, matrix: Matrix) -> dict[str, Any]:
    """What drift is measured against: the newest horizon of the rows trained on, as its windows reach furthest back."""
    rows = matrix.eligible().mature().frame
    recent = rows[rows["as_of"] > rows["as_of"].max() - pd.Timedelta(days=matrix.horizon_days)].reset_index(drop=True)
    scores = trained.model.score(recent)[list(SCORES)]
    return reference(recent.join(scores), trained.model.features, SCORES)


def _headline(evaluation: dict[str, Any]) -> dict[str, float]:
    """The figures of the chosen model on the test slice, for the registry."""
    return {name: figure["value"] for name, figure in evaluation["metrics"][evaluation["chosen"]].items()}


def _params(meta: dict[str, Any]) -> dict[str, Any]:
    evaluation = meta["evaluation"]
    return {"chosen": evaluation["chosen"], "trained_as_of": meta["trained_as_of"], "features": len(meta["features"])}
