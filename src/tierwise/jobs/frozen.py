"""Whose fit side a training keeps, where the plan freezes it, and what the gate asks of one that is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from tierwise.clock import instant
from tierwise.config import Plan, PlanFiles
from tierwise.errors import UsageError
from tierwise.features import catalogue
from tierwise.governance import Gate, kept_words
from tierwise.jobs.intake import fit_question, question
from tierwise.jobs.rules import has_model
from tierwise.learning import Trained
from tierwise.learning.evaluation import DIGITS, listed
from tierwise.learning.frozen import FitSide, fit_apart, unlike
from tierwise.learning.model import PropensityModel
from tierwise.plain import plain
from tierwise.registry import Bundle, Registry


def fit_side(registry: Registry, files: PlanFiles, stand: datetime, threads: int) -> FitSide | None:
    """The live model's fit side, where a training as of `stand` is to keep it; None where it learns one of its own.

    Raises
    ------
    UsageError : the plan freezes the fit side, and the live model's cannot be kept.
    """
    until, name = files.plan.model.fit_frozen_until, files.plan.plan
    if not frozen(files.plan, stand) or not has_model(registry, name):
        return None
    live = registry.live(name, threads=threads)
    side = _side_of(registry, name, live, threads)
    why = _why_not(live, side, files, stand)
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
    return side


def frozen(plan: Plan, stand: datetime) -> bool:
    """Whether the plan freezes the fit side in a training as of `stand`."""
    until = plan.model.fit_frozen_until
    return until is not None and stand < instant(until)


def as_learned(plan: Plan, stand: datetime) -> Plan:
    """The plan as a training as of `stand` learns it: a date that is past freezes nothing."""
    if frozen(plan, stand):
        return plan
    return plan.model_copy(update={"model": plan.model.model_copy(update={"fit_frozen_until": None})})


def _side_of(registry: Registry, plan: str, live: Bundle, threads: int) -> FitSide:
    """The live model's fit side, with the model it was learned in, and the date of that training.

    A recalibration learns no fit side, but its slope: it is followed back to the model that it recalibrates.
    """
    bundle = live
    while bundle.model.kept_fit is None and bundle.meta.get("recalibration"):
        bundle = registry.of_version(plan, bundle.meta["recalibration"]["of"]["model_version"], threads=threads)
    found = FitSide.of(bundle.model) or FitSide(bundle.model, bundle.version, _day(bundle))
    return replace(found, model=live.model, recalibrated_as_of=_recalibrated(live) or found.recalibrated_as_of)


def _day(bundle: Bundle) -> str:
    return str(bundle.meta["trained_as_of"])[:10]


def _recalibrated(bundle: Bundle) -> str:
    return _day(bundle) if bundle.meta.get("recalibration") else ""


def _why_not(live: Bundle, side: FitSide, files: PlanFiles, stand: datetime) -> str:
    """Why the live model's fit side cannot be kept; nothing where it can."""
    called = f"the live model ({live.version[:12]})"
    if live.model.kind != "staged":
        return f"{called} is of the kind {live.model.kind}, whose fit side was not learned alone as a staged model's is"
    differs = unlike(live.model.features, catalogue(files.plan))
    if differs:
        return f"{called} has other fit features: {'; '.join(differs)}"
    changed = asked_otherwise(live.meta, files)
    if changed:
        return f"{called} answers another question: in model.yaml, {changed} changed since"
    if side.recalibrated_as_of and instant(side.recalibrated_as_of) > stand:
        return (
            f"{called} was recalibrated as of {side.recalibrated_as_of}, which tells of what came after {stand.date()}"
        )
    if instant(side.trained_as_of) > stand:
        return f"{called} has a fit side of {side.trained_as_of}, which tells of what came after {stand.date()}"
    return ""


def asked_otherwise(meta: Mapping[str, Any], files: PlanFiles) -> str:
    """What of a model's question the plan asks otherwise now, of what its fit side answers: "the outcome has", as the
    start of a sentence; "" where nothing. Signal features may come and go.

    meta: what the model's bundle says of itself; one that does not tell the parts apart is asked for the whole.
    """
    was, now = meta.get("fit_question"), fit_question(files.plan)
    if was is None:
        return "" if meta.get("question") == question(files) else "outcome, cohort or features have"
    parts = [words for words in {**now, **was} if was.get(words) != now.get(words)]
    return f"{listed(parts)} {'have' if len(parts) > 1 else 'has'}" if parts else ""


def fit_side_said(
    files: PlanFiles, side: FitSide | None, stand: datetime, trained: Trained | None = None
) -> dict[str, Any]:
    """What a training says of its fit side where the plan freezes it: `fit_side`, as plain JSON values; else nothing.

    model_version: of the model it is kept from, None where it was learned here. trained_as_of: of the training that
    learned it. frozen_until: the plan's date. thawed: whether a training as of `stand` is on or after it. Where one is
    kept, what it was judged on too (`kept.reported`).
    """
    until = files.plan.model.fit_frozen_until
    if until is None:
        return {}
    return {
        "fit_side": {
            "model_version": None if side is None else side.model_version,
            "trained_as_of": stand.date().isoformat() if side is None else side.trained_as_of,
            "frozen_until": until.isoformat(),
            "thawed": not frozen(files.plan, stand),
            **({} if trained is None else plain(dict(trained.kept), digits=DIGITS)),
        }
    }


def gate_of_fit_side(
    found: Gate, live: Bundle | None, model: PropensityModel, meta: Mapping[str, Any], plan: Plan
) -> Gate:
    """The gate, with what it asks of a challenger's fit side, each in words.

    It refuses one that keeps a fit side which was not judged: none of its figures is of what it would say. And, where
    the plan as it is now freezes the fit side in a training of the challenger's date, one whose fit side is not the
    live model's: another model may have gone live since. A recalibration is the live model, judged itself.

    found: what the gate says but for that (`beside.judged`). model, meta: the challenger's, and what its bundle says.
    """
    refused: list[str] = []
    told: list[str] = []
    side, recalibrates = meta.get("fit_side") or {}, bool(meta.get("recalibration"))
    if side.get("model_version") and not recalibrates:
        (told if side.get("judged") else refused).append(kept_words(side))
    if live is not None and live.model.kind == "staged" and frozen(plan, instant(str(meta["trained_as_of"])[:10])):
        apart = fit_apart(live.model, model, recalibrates=recalibrates)
        if apart:
            until = plan.model.fit_frozen_until
            refused.append(f"the plan freezes the fit side until {until} (model.fit_frozen_until), and it {apart}")
    return replace(found, passed=found.passed and not refused, reasons=(*found.reasons, *refused, *told))
