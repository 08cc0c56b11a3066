"""The training job: tables, audit, matrix, model, evaluation, bundle, registry, card."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from tierwise.audit import Finding, acceptable, accepted, audit, audit_matrix
from tierwise.config import PlanFiles, Workspace
from tierwise.data import Intake
from tierwise.errors import ContractError, NoUsableModel
from tierwise.explain import evidence, observe, overview
from tierwise.features import Matrix, build_matrix, deals, history_start, training_grid
from tierwise.governance import model_card, reference
from tierwise.jobs.answer import Answer, about, answer_values, publish_no, publish_yes
from tierwise.jobs.beside import beside_live, judged
from tierwise.jobs.canaries import completed, planted_labels, warnings
from tierwise.jobs.frozen import as_learned, fit_side, fit_side_said, gate_of_fit_side
from tierwise.jobs.intake import (
    check_as_of,
    date_or,
    in_the_past,
    inputs_hash,
    outcome_reach,
    taken_in,
    unset_learning,
)
from tierwise.jobs.rules import has_model
from tierwise.learning import USABLE, Trained, Valued, learn_value, train_model
from tierwise.learning.candidates import check_candidates
from tierwise.learning.frozen import FitSide
from tierwise.learning.progress import Say, silent
from tierwise.publishing import plan_lock
from tierwise.registry import Registry, write_bundle
from tierwise.store import Store

SCORES = ("propensity", "account_score", "fit_score", "signal_score")
TOO_YOUNG = "nothing_matured"
"""The finding that no horizon has closed yet: nothing can be learned, and nothing is wrong."""
PATIENCE_SECONDS = 600
"""How long the end of a training waits for a scoring run to finish."""


@dataclass(frozen=True)
class TrainResult:
    """What a training gave: the registered version (live, or a challenger), evidence, findings, the test slice's rows.

    unseen: account_id, as_of, family_id, outcome, propensity; from a model that was trained before them. page: what
    was published of it.
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
    page: Path


def train(
    workspace: Workspace,
    plan: str | None = None,
    *,
    as_of: str | datetime | None = None,
    now: datetime | None = None,
    say: Say = silent,
) -> TrainResult:
    """Train, calibrate, evaluate and register a challenger (the first becomes the live model); publish what came of it.

    as_of: where we stand; nothing known at or after it is read, and outcomes count that closed before it. By default
    how far the outcomes reach.

    Raises
    ------
    ConfigError : the plan sets what a candidate may not be set to; no data are read.
    UsageError : the plan freezes the fit side, and the live model's cannot be kept; nothing is learned.
    ContractError : the audit found what would leak.
    NoUsableModel : nothing can be learned, or no better than a one-line baseline (law 9); its `answer` names the page.
        Where no model is live, rules are from then on.
    """
    files = workspace.plan(plan)
    name = files.plan.plan
    check_candidates(files.plan.model.candidates, files.where)
    registry = Registry(workspace.registry, workspace.folder / "state" / "models")
    with taken_in(workspace, say, now, files=files) as intake:
        tried = _tried(workspace, files, intake, as_of, say, registry)
        said = about(files, intake, tried.findings, tried.stand)
        said |= fit_side_said(files, tried.keep, tried.stand, tried.trained)
        evaluation = None if tried.trained is None else tried.trained.evaluation.to_dict()
        values = answer_values(said, files, intake, tried.findings, evaluation, tried.no)
    values["value"] = None if tried.valued is None else dict(tried.valued.report)
    beside = _beside(registry, files, tried, workspace.settings.threads, said)
    if beside and beside["beside_live"]["live"] is None:
        for reason in beside["gate"]["reasons"]:
            say(f"the gate of a first model: {reason}")
    say("publishing the answer")
    with plan_lock(workspace.published, name, PATIENCE_SECONDS), Store.open(workspace.store) as store:
        if tried.no is not None or tried.trained is None or tried.matrix is None or tried.valued is None:
            raise _no(tried.no, publish_no(workspace, files, values, tried.stand, registry, store))
        meta = said | _meta(tried.trained, tried.matrix, evaluation, in_the_past(files)) | {"value": values["value"]}
        number, version = _registered(registry, files, tried, meta, beside["beside_live"])
        live = any("champion" in v.aliases for v in registry.versions(name) if v.number == number)
        values |= {"views": meta["views"], "reasons_measured": bool(meta["evidence"]["measures"])} | beside
        answer = publish_yes(workspace, files, values, tried.stand, number, version, live=live, store=store)
    return TrainResult(
        name, tried.stand, number, live, version, meta["evaluation"], tried.findings, files.folder / "card.md",
        tried.trained.unseen, answer.page,
    )  # fmt: skip


@dataclass(frozen=True)
class _Tried:
    """What a training came to before anything is written: a model with its evidence, or why there is no usable one."""

    stand: datetime
    findings: tuple[Finding, ...]
    no: NoUsableModel | None
    matrix: Matrix | None = None
    trained: Trained | None = None
    valued: Valued | None = None
    keep: FitSide | None = None


def _tried(
    workspace: Workspace, files: PlanFiles, intake: Intake, as_of: str | datetime | None, say: Say, registry: Registry
) -> _Tried:
    reach = outcome_reach(intake, files)
    stand = date_or(as_of, reach)
    check_as_of(intake, stand)
    keep = fit_side(registry, files, stand, workspace.settings.threads)
    if keep is not None:
        say(f"keeping the fit side of {keep.trained_as_of}, which is frozen until {files.plan.model.fit_frozen_until}")
    found = audit(intake.warehouse, files.plan, min(reach, stand))
    young = tuple(f for f in found if f.code == TOO_YOUNG)
    findings = (*young, *refuse_blocked(files, tuple(f for f in found if f.code != TOO_YOUNG)))
    grid = training_grid(files.plan, history_start(intake.warehouse), min(stand, reach))
    if young or not grid:
        return _Tried(stand, findings, _too_young(files, young))
    say(f"building the matrix as of {stand.date()} and before")
    matrix = build_matrix(intake.warehouse, files.plan, grid, outcomes_through=min(reach, stand))
    findings = refuse_blocked(files, (*findings, *audit_matrix(matrix, files.plan)))
    copies = planted_labels(matrix, files.plan)
    say(f"training on {len(matrix.eligible().mature().frame):,} rows of {len(matrix.features)} features")
    try:
        with _journal(workspace, files, intake, stand) as journal:
            trained = train_model(
                matrix, as_learned(files.plan, stand),
                threads=workspace.settings.threads, rubric=files.icp.rubric, capacity=files.policy.workable, say=say,
                journal=journal, keep=keep,
            )  # fmt: skip
    except NoUsableModel as no:
        return _Tried(stand, findings, no, matrix)
    trained = completed(trained, matrix, copies, files.plan.model.seed)
    for said in warnings(dict(trained.evaluation.canaries)):
        say(said)
    useless = _useless(files, trained)
    valued = None if useless else _valued(files, intake, matrix, stand, say)
    return _Tried(stand, findings, useless, matrix, trained, valued, keep)


def _valued(files: PlanFiles, intake: Intake, matrix: Matrix, stand: datetime, say: Say) -> Valued:
    """What a won deal brings, of the deals that are known when we stand."""
    say("learning amounts and win rates")
    through = min(intake.data_through.get("opportunities", stand), stand)
    found = intake.warehouse.frame(deals(files.plan.outcome, through))
    return learn_value(matrix, found, files.plan.outcome, through, files.plan.model.seed)


def _beside(
    registry: Registry, files: PlanFiles, tried: _Tried, threads: int, about_it: dict[str, Any]
) -> dict[str, Any]:
    """What is said of a challenger beside the live model: `beside_live`, and what the `gate` says of it now."""
    if tried.no is not None or tried.trained is None or tried.matrix is None:
        return {}
    name = files.plan.plan
    live = registry.live(name, threads=threads) if has_model(registry, name) else None
    found = beside_live(live, about_it["question"], tried.trained, tried.matrix, files.plan)
    meta = about_it | {"evaluation": tried.trained.evaluation.to_dict()}
    gate = gate_of_fit_side(judged(live, meta, found), live, tried.trained.model, meta, files.plan)
    return {"beside_live": found, "gate": gate.to_dict()}


@contextmanager
def _journal(workspace: Workspace, files: PlanFiles, intake: Intake, stand: datetime) -> Iterator[Path | None]:
    """Where finished trials are kept until the search is over, so that one that was killed goes on; None without any.

    Its name hashes all that decides the search: tables, date, what the plan says of the model, and the rubric.
    """
    if not files.plan.model.tuning.most:
        yield None
        return
    rubric = "".join(line.model_dump_json() for line in files.icp.rubric)
    model = files.plan.model.model_dump_json(exclude=unset_learning(files.plan.model))
    said = "\0".join((inputs_hash(intake, files), stand.isoformat(), model, rubric))
    kept = (
        workspace.folder
        / "state"
        / "tuning"
        / f"{files.plan.plan}-{hashlib.sha256(said.encode()).hexdigest()[:16]}.log"
    )
    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield kept
    except NoUsableModel:
        kept.unlink(missing_ok=True)
        raise
    kept.unlink(missing_ok=True)


def _too_young(files: PlanFiles, young: tuple[Finding, ...]) -> NoUsableModel:
    if young:
        return NoUsableModel(young[0].asked, found=young[0].found, do=young[0].do)
    return NoUsableModel(
        f"plan '{files.plan.plan}' was to be trained on dates of its grid",
        found="no date of it lies in the history",
        do="Load older history, or a finer grid in cohort.grid",
    )


def _useless(files: PlanFiles, trained: Trained) -> NoUsableModel | None:
    if trained.evaluation.verdict == USABLE:
        return None
    return NoUsableModel(
        f"plan '{files.plan.plan}' was trained, and no usable model came of it",
        found=trained.evaluation.why,
        do="A longer history or more outcomes may help",
    )


def _no(no: NoUsableModel | None, answer: Answer) -> NoUsableModel:
    """Why there is no usable model, with its answer."""
    if no is None:
        raise AssertionError("a training without a model says why")
    return NoUsableModel(no.asked, found=no.found, do=no.do, where=no.where, answer=answer)


def _registered(
    registry: Registry, files: PlanFiles, tried: _Tried, meta: dict[str, Any], beside: dict[str, Any]
) -> tuple[int, str]:
    """The number and version of the model, once its bundle is registered and its card written."""
    if tried.trained is None or tried.matrix is None or tried.valued is None:
        raise AssertionError("what is registered was trained")
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        golden = tried.matrix.frame.tail(50)
        version = write_bundle(tried.trained.model, golden, meta, bundle, tried.valued.model)
        text = model_card(meta | {"model_version": version}, meta["evaluation"])
        number = registry.register(files.plan.plan, bundle, _headline(meta["evaluation"]), _params(meta), beside)
    (files.folder / "card.md").write_text(text, encoding="utf-8")
    return number, version


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


def _meta(trained: Trained, matrix: Matrix, evaluation: dict[str, Any] | None, had: str) -> dict[str, Any]:
    """What the bundle says of itself besides `about`: plain JSON values. had: the outcome, as a verb in the past."""
    found = evidence(trained.model, matrix)
    return {
        "features": [
            {"name": f.name, "side": f.side, "unit": f.unit, "words": f.words} for f in trained.model.features
        ],
        "evaluation": evaluation,
        "reference": _reference(trained, matrix),
        "evidence": found.to_dict(),
        "observed": observe(matrix, trained.model.features, had).to_dict(),
        "views": overview(trained.model, matrix, trained.unseen, found),
    }


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
