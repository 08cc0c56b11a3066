"""Whose fit side a training keeps, where the plan freezes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tierwise.clock import instant
from tierwise.config import PlanFiles
from tierwise.errors import UsageError
from tierwise.features import catalogue
from tierwise.jobs.intake import question
from tierwise.jobs.rules import has_model
from tierwise.learning.frozen import FitSide, unlike
from tierwise.registry import Bundle, Registry


def fit_side(registry: Registry, files: PlanFiles, stand: datetime, threads: int) -> FitSide | None:
    """The live model's fit side, where a training as of `stand` is to keep it; None where it learns one of its own.

    Raises
    ------
    UsageError : the plan freezes the fit side, and the live model's cannot be kept.
    """
    until, name = files.plan.model.fit_frozen_until, files.plan.plan
    if until is None or stand >= instant(until) or not has_model(registry, name):
        return None
    live = registry.live(name, threads=threads)
    learned = _learned_in(registry, name, live, threads)
    why = _why_not(live, learned, files, stand)
    if why:
        day = stand.date()
        raise UsageError(
            f"a training as of {day} was to keep the live model's fit side, which plan '{name}' freezes until {until} "
            "(model.fit_frozen_until)",
            found=f"{why}, so that it cannot be kept",
            do=f"To learn it anew, train once with fit_frozen_until: {day} or earlier, promote the staged model that "
            "comes of it, and set the later date again; or remove fit_frozen_until",
            where=files.where("model", "fit_frozen_until"),
        )
    return FitSide(live.model, *learned)


def _learned_in(registry: Registry, plan: str, live: Bundle, threads: int) -> tuple[str, str]:
    """The model that the live one's fit side was learned in, and the date of its training.

    A recalibration learns nothing: it is followed back to the model that it recalibrates.
    """
    bundle = live
    while bundle.model.kept_fit is None and bundle.meta.get("recalibration"):
        bundle = registry.of_version(plan, bundle.meta["recalibration"]["of"]["model_version"], threads=threads)
    kept = bundle.model.kept_fit
    if kept is not None:
        return kept.model_version, kept.trained_as_of
    return bundle.version, str(bundle.meta["trained_as_of"])[:10]


def _why_not(live: Bundle, learned: tuple[str, str], files: PlanFiles, stand: datetime) -> str:
    """Why the live model's fit side cannot be kept; nothing where it can."""
    called, (_, since) = f"the live model ({live.version[:12]})", learned
    if live.model.kind != "staged":
        return f"{called} is of the kind {live.model.kind}, whose fit side was not learned alone as a staged model's is"
    differs = unlike(live.model.features, catalogue(files.plan))
    if differs:
        return f"{called} has other fit features: {'; '.join(differs)}"
    if live.meta.get("question") != question(files):
        return f"{called} answers another question: outcome, cohort or features in model.yaml have changed since"
    recalibrated = str(live.meta["trained_as_of"])[:10] if live.meta.get("recalibration") else ""
    if recalibrated and instant(recalibrated) > stand:
        return f"{called} was recalibrated as of {recalibrated}, which tells of what came after {stand.date()}"
    if instant(since) > stand:
        return f"{called} has a fit side of {since}, which tells of what came after {stand.date()}"
    return ""


def fit_side_said(files: PlanFiles, side: FitSide | None, stand: datetime) -> dict[str, Any]:
    """What a training says of its fit side where the plan freezes it: `fit_side`, as plain JSON values; else nothing.

    model_version: of the model it is kept from, None where it was learned here. trained_as_of: of the training that
    learned it. frozen_until: the plan's date. thawed: whether that is past.
    """
    until = files.plan.model.fit_frozen_until
    if until is None:
        return {}
    return {
        "fit_side": {
            "model_version": None if side is None else side.model_version,
            "trained_as_of": stand.date().isoformat() if side is None else side.trained_as_of,
            "frozen_until": until.isoformat(),
            "thawed": stand >= instant(until),
        }
    }
