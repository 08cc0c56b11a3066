"""The recalibration job: the live model's probabilities on newer outcomes, without learning anything again."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tierwise.audit import audit, audit_matrix
from tierwise.clock import instant
from tierwise.config import Workspace
from tierwise.features import build_matrix, training_grid
from tierwise.governance import model_card, recalibrated_meta, recalibration_words
from tierwise.jobs.beside import recalibrated_beside
from tierwise.jobs.intake import check_as_of, check_question, date_or, inputs_hash, outcome_reach, taken_in
from tierwise.jobs.train import PATIENCE_SECONDS, refuse_blocked
from tierwise.learning.progress import Say, silent
from tierwise.learning.recalibration import recalibrate_model, unseen_from
from tierwise.learning.reliability import base_log_odds
from tierwise.publishing import plan_lock
from tierwise.registry import Registry, write_bundle


@dataclass(frozen=True)
class RecalibrateResult:
    """The challenger that a recalibration registered: of which live version, what it rests on, and in words."""

    plan: str
    as_of: datetime
    number: int
    model_version: str
    report: dict[str, Any]
    words: tuple[str, ...]


def recalibrate(
    workspace: Workspace,
    plan: str | None = None,
    *,
    as_of: str | datetime | None = None,
    now: datetime | None = None,
    say: Say = silent,
) -> RecalibrateResult:
    """Fit the live model's affine map again on mature rows that it did not see, and register it as the challenger.

    as_of: where we stand, as in training.

    Raises
    ------
    UsageError : there is no live model, or the plan asks another question than it answers.
    ContractError : the audit found what would leak.
    NoUsableModel : too few such rows, or the model ranks them no better than chance.
    LockHeld : another run of the plan did not end in time; nothing is registered or written.
    """
    files = workspace.plan(plan)
    registry = Registry(workspace.registry, workspace.folder / "state" / "models")
    of, live = registry.live_version(files.plan.plan, threads=workspace.settings.threads)
    check_question(files, live.meta)
    with taken_in(workspace, say, now, files=files) as intake:
        reach = outcome_reach(intake, files)
        stand = date_or(as_of, reach)
        check_as_of(intake, stand)
        through, unseen = min(reach, stand), unseen_from(live.model)
        findings = audit(intake.warehouse, files.plan, through)
        refuse_blocked(files, findings)
        say(f"building the matrix from {unseen.date()} on")
        grid = training_grid(files.plan, min(unseen, through), through) or (instant(through.date()),)
        matrix = build_matrix(intake.warehouse, files.plan, grid, outcomes_through=through)
        refuse_blocked(files, (*findings, *audit_matrix(matrix, files.plan)))
        inputs = inputs_hash(intake, files)
    made = recalibrate_model(live.model, matrix, base_log_odds(live.meta["evaluation"]["trained"]["base_rate"]))
    named = {"number": of, "model_version": live.version}
    meta = recalibrated_meta(live.meta, named, made, stand, through, inputs)
    say("registering the model")
    with (
        plan_lock(workspace.published, files.plan.plan, PATIENCE_SECONDS),
        tempfile.TemporaryDirectory() as folder,
    ):
        bundle = Path(folder) / "bundle"
        version = write_bundle(made.model, matrix.frame.tail(50), meta, bundle, live.value)
        losses = {"log_loss_before": made.report["before"]["log_loss"]["value"]}
        number = registry.register(
            files.plan.plan, bundle, losses, {"recalibrates": of}, recalibrated_beside(live, made.report)
        )
        text = model_card(meta | {"model_version": version}, meta["evaluation"])
        (files.folder / "card.md").write_text(text, encoding="utf-8")
    said = recalibration_words(meta["recalibration"])
    return RecalibrateResult(files.plan.plan, stand, number, version, meta["recalibration"], said)
