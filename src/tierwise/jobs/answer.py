"""What a training came to, as it is published: its values, its page, and what is live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tierwise.audit import Finding, in_words, plan_ladder, refused
from tierwise.config import PlanFiles, Workspace
from tierwise.data import Intake
from tierwise.errors import NoUsableModel
from tierwise.features import catalogue
from tierwise.governance import helps, needs, unbeaten
from tierwise.jobs.intake import fit_question, inputs_hash, outcome_reach, question
from tierwise.jobs.intake import in_words as predicts
from tierwise.jobs.rules import CHAMPION, RUBRIC, has_model, rules_since
from tierwise.learning import NOT_USABLE, USABLE, read_rubric
from tierwise.plain import json_file
from tierwise.publishing import TRAINING_PAGE, TRAINING_POINTS, TRAINING_VALUES, points_csv, publish_training
from tierwise.registry import Registry
from tierwise.report import TrainingPage, training_page
from tierwise.store import Store


@dataclass(frozen=True)
class Answer:
    """The answer of a training: its values (training.json), its page, and whether tiers go by rules meanwhile."""

    values: Mapping[str, Any]
    page: Path
    rules: bool


def about(files: PlanFiles, intake: Intake, findings: tuple[Finding, ...], stand: datetime) -> dict[str, Any]:
    """What is said of every training, whatever came of it: plain JSON values."""
    return {
        "plan": files.plan.plan,
        "predicts": predicts(files),
        "trained_as_of": stand.date().isoformat(),
        "data_through": min(outcome_reach(intake, files), stand).date().isoformat(),
        "inputs": inputs_hash(intake, files),
        "question": question(files),
        "fit_question": fit_question(files.plan),
        "refused": [list(pair) for pair in refused(findings)],
        "accepted": _accepted(files),
        "accepted_findings": _overruled(files, findings),
        "notes": in_words(f for f in findings if f.severity != "blocks" and not f.refuses),
    }


def _accepted(files: PlanFiles) -> list[str]:
    """What the plan takes today's value of for all dates, by name, though nothing proves when it was known."""
    names = [a.attribute for a in files.plan.features.fit if a.clock == "accepted"]
    return [*names, *(["contacts' roles"] if files.plan.features.signal.buying_group.clock == "accepted" else [])]


def _overruled(files: PlanFiles, findings: tuple[Finding, ...]) -> list[str]:
    """What the audit found and the plan accepts by name, in words."""
    accepts = {(a.finding, a.subject) for a in files.plan.audit.accept}
    return in_words(f for f in findings if (f.code, f.subject) in accepts)


def answer_values(
    said: Mapping[str, Any],
    files: PlanFiles,
    intake: Intake,
    findings: tuple[Finding, ...],
    evaluation: Mapping[str, Any] | None,
    no: NoUsableModel | None,
) -> dict[str, Any]:
    """The answer, but for what is published meanwhile; what would help is looked up where there is no usable model.

    said : what `about` gives.
    """
    values = dict(said) | {
        "horizon_days": files.plan.outcome.horizon_days,
        "verdict": USABLE if no is None else NOT_USABLE,
        "why": why_of(evaluation, no),
        "do": "" if no is None else no.do,
        "evaluation": evaluation,
        "calibrator": files.plan.model.calibration,
        "views": None,
        "reasons_measured": None,
        "beside_live": None,
        "gate": None,
        "rubric": _rubric(files),
        "needs": None,
        "unbeaten": [],
        "helps": [],
    }
    if no is None:
        return values
    through = datetime.fromisoformat(f"{said['data_through']}T00:00:00+00:00")
    ladder = plan_ladder(intake.warehouse, files.plan, through)
    accepted = intake.counts.groupby("table")["accepted"].sum()
    absent = [t for t in ("activities", "contacts", "account_history") if not accepted.get(t, 0)]
    return values | {
        "needs": needs(ladder),
        "unbeaten": unbeaten(
            evaluation,
            ladder.pace,
            through.date(),
            horizon_days=files.plan.outcome.horizon_days,
            every=files.plan.cohort.grid.every or "day",
        ),
        "helps": helps(findings, absent),
    }


def why_of(evaluation: Mapping[str, Any] | None, no: NoUsableModel | None) -> str:
    """Why a training's verdict is what it is: as its evaluation says, or else why there is none."""
    said = str((evaluation or {}).get("why") or "")
    if said or no is None:
        return said
    return f"{no.asked.rstrip('.')}: {no.found.rstrip('.')}" if no.found else no.asked.rstrip(".")


def _rubric(files: PlanFiles) -> dict[str, Any]:
    """The rubric as the baseline reads it on past rows: each line, its points, and why it is not read ("": it is)."""
    read = read_rubric(files.icp.rubric, catalogue(files.plan))
    unread = {place: why for place, _, why in read.unread}
    lines = [
        {"words": line.words, "points": line.points, "unread": unread.get(n, "")}
        for n, line in enumerate(files.icp.rubric, start=1)
    ]
    why = (
        "" if read.lines else ("icp.yaml holds no rubric" if not lines else "no line of it reads a feature of the plan")
    )
    return {"lines": lines, "cannot_be_formed": why}


def publish_no(
    workspace: Workspace, files: PlanFiles, values: Mapping[str, Any], stand: datetime, registry: Registry, store: Store
) -> Answer:
    """Publish that there is no usable model; where none is live, rules are from now on. Hold `plan_lock`."""
    name = files.plan.plan
    rules = not has_model(registry, name)
    live = RUBRIC if rules else registry.live(name, threads=1).version
    words = (
        "No model is live: scoring publishes tiers by rules, from the rubric of icp.yaml and the newest activity, "
        "with no propensity"
        if rules
        else f"The live model ({live[:12]}) stays, and tiers go on by it"
    )
    answer = _publish(workspace, files, {**values, "published": {"live": live, "words": words}}, stand, rules)
    if rules and rules_since(store, name) != stand:
        store.promote(name, RUBRIC, CHAMPION, stand)
    return answer


def publish_yes(
    workspace: Workspace, files: PlanFiles, values: Mapping[str, Any], stand: datetime, number: int, version: str, *,
    live: bool, store: Store,
) -> Answer:  # fmt: skip
    """Publish what the training came to; the first version of a plan is live. Hold `plan_lock`."""
    words = f"Version {number} ({version[:12]}) is " + (
        "the live model" if live else "the challenger, and is live once it is promoted"
    )
    said = {"live": version if live else None, "version": number, "model_version": version, "words": words}
    answer = _publish(workspace, files, {**values, "published": said}, stand, rules=False)
    if live:
        store.promote(files.plan.plan, version, CHAMPION, stand)
    return answer


def _publish(workspace: Workspace, files: PlanFiles, values: Mapping[str, Any], stand: datetime, rules: bool) -> Answer:
    page = training_page(TrainingPage(values, stand, files.plan.labels))
    contents = {TRAINING_PAGE: page.encode(), TRAINING_VALUES: json_file(values)}
    points = (values["views"] or {}).get("points")
    if points:
        contents[TRAINING_POINTS] = points_csv(points)
    folder = publish_training(workspace.published, files.plan.plan, stand, contents)
    return Answer(values, folder / TRAINING_PAGE, rules)
