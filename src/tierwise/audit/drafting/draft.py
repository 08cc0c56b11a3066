"""A first plan, drafted from what the tables hold; every choice stands in the file, with its reason beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tierwise.audit.drafting.attributes import LeftOut, Line, fit_attributes
from tierwise.audit.drafting.icp import icp_text
from tierwise.audit.drafting.outcomes import Candidate, Chosen, choose_outcome
from tierwise.audit.drafting.policy import policy_text
from tierwise.audit.drafting.signals import signal_lines
from tierwise.audit.drafting.text import comments, listed
from tierwise.audit.finding import refused
from tierwise.audit.reach import history_days, reaches, sustained_from
from tierwise.audit.sweep import audit
from tierwise.clock import instant
from tierwise.config import parse_plan
from tierwise.errors import UsageError
from tierwise.features import catalogue, make_touch, outcome_table
from tierwise.features.catalogue import fit_feature, set_feature

if TYPE_CHECKING:
    from tierwise.config import Plan
    from tierwise.data import Warehouse
    from tierwise.learning import Ladder


@dataclass(frozen=True)
class Draft:
    """A drafted model.yaml, policy.yaml and icp.yaml; what was left out, each with why; and what was found.

    attributes: (name, clock) of what is drafted. outcome: the one chosen; tried: every candidate, in order. ladder:
    which dates serve for what in training, or why there is no model yet.
    """

    model: str
    policy: str
    icp: str
    left_out: tuple[LeftOut, ...]
    attributes: tuple[tuple[str, str], ...]
    outcome: Candidate
    tried: tuple[Candidate, ...]
    ladder: Ladder


def draft_plan(warehouse: Warehouse, plan: str, through: Mapping[str, datetime] | None = None) -> Draft:
    """Draft a plan for the outcome that the data can support; attributes that the audit refuses are left out by name.

    through: how far each table reaches; by default as far as its own clock says.

    Raises
    ------
    UsageError : nothing in the tables has a date.
    """
    reach = dict(reaches(warehouse) if through is None else through)
    days = history_days(warehouse)
    if not days.days:
        raise UsageError(
            "a plan was to be drafted from the tables",
            found="nothing in them has a date: no activity of an account, no opportunity, no account's created_at",
            do="Add opportunities or activities, or write models/<plan>/model.yaml by hand (`tierwise schema model`)",
        )
    begins, until = instant(sustained_from(days.days)), max(reach.values(), default=instant(days.days[-1]))
    chosen = choose_outcome(warehouse, plan, begins, reach, until)
    until = reach.get(outcome_table(chosen.outcome), until)
    lines, left_out = fit_attributes(warehouse, begins.date())
    make_touch(warehouse)
    signal = signal_lines(warehouse, begins.date(), max((until - begins).days, 1))
    text = _model(plan, chosen, lines, left_out, signal, days.what)
    clashing = _clashing(parse_plan(text))
    if clashing:
        text = _model(plan, chosen, [line for line in lines if line.name not in clashing], left_out, signal, days.what)
    blocked = dict(refused(f for f in audit(warehouse, parse_plan(text), until) if f.severity == "blocks"))
    if out := clashing | blocked:
        left_out += [(name, why) for name, why in out.items() if name in {line.name for line in lines}]
        lines = [line for line in lines if line.name not in out]
        text = _model(plan, chosen, lines, left_out, signal, days.what)
    attributes = tuple((line.name, line.clock) for line in lines)
    return Draft(
        text, policy_text(warehouse), icp_text(warehouse), tuple(left_out), attributes,
        chosen.candidate, chosen.tried, chosen.ladder,
    )  # fmt: skip


def _clashing(plan: Plan) -> dict[str, str]:
    """The attributes whose features would be called like one of the signal side, each with why it is left out."""
    features = plan.features
    signals = {f.name for f in catalogue(plan.model_copy(update={"features": features.model_copy(update={"fit": ()})}))}
    made = {
        a.attribute: {set_feature(a, v) for v in a.values} if a.kind == "set" else {fit_feature(a)}
        for a in features.fit
    }
    why = "a feature of the signal side is called so; rename the column"
    return {name: why for name, features in made.items() if features & signals}


def _model(
    plan: str, chosen: Chosen, lines: list[Line], left_out: list[LeftOut], signal: list[str], counted_from: str
) -> str:
    fit = [f"    - {line.text}  # {line.comment}" for line in lines]
    fit += comments((f"left out: {name}: {why}" for name, why in left_out), "    ")
    said = [
        f"# The question '{plan}', drafted from tables that reach from {chosen.ladder.history_from} "
        f"({counted_from}) to {chosen.ladder.data_through}.",
        "# Read it, change it, and run `tierwise check`.",
        *ladder_comments(chosen.ladder),
        f"plan: {plan}",
        *_outcome(chosen),
        *_cohort(chosen),
        "features:",
        "  fit:  # who they are" + ("" if lines else " (the tables hold no attribute that can be used)"),
        *fit,
        *(["    []"] if not lines else []),
        *signal,
        "model:",
        f"  train_from: {chosen.learning.train_from}  # before it, windows reach past the beginning of the data",
        f"  # fit_frozen_until: {chosen.ladder.data_through + timedelta(days=365)}",
        "  #   keeps the live model's fit side in trainings before that date: the same facts, the same fit score;",
        "  #   staged is then the one kind of candidate",
        "",
    ]
    return "\n".join(said)


def ladder_comments(ladder: Ladder) -> list[str]:
    """The ladder of dates as comment lines."""
    lines = ["#", "# Which dates serve for what in training, as things stand:"]
    for name, first, last, held in ladder.steps:
        lines.append(f"#   {name:<13}{first:<11}{'to' if first and last else '':<3}{last:<11}{held}")
    return [*lines, *(comments([f"{ladder.words}."]) if ladder.words else []), "#"]


def _outcome(chosen: Chosen) -> list[str]:
    outcome = chosen.outcome
    said = ["outcome:  # the first of these, in this order, that the data can support", "  # tried:"]
    said += comments((candidate.counted for candidate in chosen.tried), "    ")
    said.append(f"  event: {outcome.event}")
    if outcome.event == "opportunity_created":
        said.append(f"  types: {listed(outcome.types)}" + ("" if outcome.types else "  # every type counts"))
    if outcome.stages:
        said.append(f"  stages: {listed(outcome.stages)}")
    if outcome.kinds:
        said.append(f"  kinds: {listed(outcome.kinds)}")
    return [*said, f"  horizon_days: {outcome.horizon_days}  # the outcome lies within so many days after as_of"]


def _cohort(chosen: Chosen) -> list[str]:
    cohort, because = chosen.cohort, chosen.cohort_because
    customers = "an account that has won before is a customer: another plan"
    pipeline = "an account with an open opportunity is in_pipeline"
    if cohort.customers == "keep":
        customers = because["customers"]
    if cohort.open_opportunity == "keep":
        pipeline = because["in_pipeline"]
    return [
        "cohort:",
        f"  grid: {{every: {cohort.grid.every}}}",
        f"  customers: {cohort.customers}  # {customers}",
        f"  open_opportunity: {cohort.open_opportunity}  # {pipeline}",
    ]
