"""What is live for a plan: a model, or rules, where training said that nothing can be learned."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from tierwise.audit import not_to_keep
from tierwise.clock import instant
from tierwise.config import Plan, Workspace
from tierwise.config.icp import IcpPoints
from tierwise.data import Query, Warehouse, as_of_view, disputed_on, quoted
from tierwise.errors import UsageError
from tierwise.features import Matrix
from tierwise.learning import TODAY, Held, Rubric, fit_gap, line_points, read_rubric
from tierwise.publishing import read_training
from tierwise.registry import Bundle, Registry
from tierwise.store import Store

RUBRIC = "rubric"
"""The model_version of tiers by rules."""
CHAMPION = "champion"


@dataclass(frozen=True)
class Rules:
    """Rules are live: what the training said that found no usable model (its training.json)."""

    meta: Mapping[str, Any]
    version: str = RUBRIC

    @property
    def digest(self) -> str:
        """The answer as text, which decides what a run's page says."""
        return json.dumps(self.meta, sort_keys=True)


def live(workspace: Workspace, plan: str, registry: Registry, store: Store) -> Bundle | Rules:
    """The live model, or rules where a training has said that there is no usable one.

    Raises
    ------
    UsageError : the plan was never trained.
    """
    if has_model(registry, plan):
        return registry.live(plan, threads=workspace.settings.threads)
    since = rules_since(store, plan)
    if since is None:
        raise UsageError(
            f"The live model of plan '{plan}' was asked for",
            found="there is none, and no training has said that tiers go by rules",
            do="Run `tierwise train`",
        )
    return Rules(read_training(workspace.published, plan, since))


def has_model(registry: Registry, plan: str) -> bool:
    """Whether a registered version is live."""
    return any(CHAMPION in version.aliases for version in registry.versions(plan))


def rules_since(store: Store, plan: str) -> datetime | None:
    """The as_of of the training that made rules live, if what went live last were rules."""
    noted = store.promotions(plan)
    if noted.empty or noted["version"].iloc[-1] != RUBRIC:
        return None
    return instant(noted["as_of"].iloc[-1].to_pydatetime())


def rules_before(store: Store, plan: str) -> datetime | None:
    """The same of the newest rules that ever were live."""
    noted = store.promotions(plan)
    rows = noted[noted["version"] == RUBRIC]
    return None if rows.empty else instant(rows["as_of"].iloc[-1].to_pydatetime())


def readable(
    warehouse: Warehouse, plan: Plan, rubric: Sequence[IcpPoints], matrix: Matrix, stand: datetime, newest: datetime
) -> tuple[pd.DataFrame, Rubric]:
    """The rows with what the rubric reads of them besides features, and which of its lines can be read.

    newest : how far the tables reach.

    What is no feature is read as it was known to be on the date: today's value, where the tables do not reach beyond
    it, else the value of then, where its history tells it or the plan admits today's. A value that is disputed on
    the date is missing.
    """
    wanted = list(dict.fromkeys(line.attribute for line in rubric))
    there = warehouse.columns("accounts")
    secret = not_to_keep(warehouse) if wanted else set()
    unknown = {a: "accounts have no such column" for a in wanted if a not in there}
    unknown |= {a: "it is a person's data, or a field that tierwise writes" for a in wanted if a in secret}
    ranged = {line.attribute for line in rubric if not line.equals}
    held: dict[str, Held] = {a: _held(there[a], a in ranged) for a in wanted if a in there and a not in secret}
    source = Query("SELECT * FROM accounts")
    if held and newest > stand:
        view = as_of_view(warehouse, stand, {a.attribute: a.clock for a in plan.features.fit})
        source = view.queries["accounts"]
        lost = {r.column for r in view.attributes if r.table == "accounts" and r.how == "untracked"}
        why = f"no history tells its value of {stand.date()}, and the tables reach beyond that date"
        unknown |= {a: why for a in held if a in lost}
        held = {a: kind for a, kind in held.items() if a not in lost}
    read = read_rubric(rubric, matrix.features, held, unknown)
    return _joined(warehouse, matrix.frame, source, held, disputed_on(warehouse, stand)), read


def _held(type_: str, ranged: bool) -> Held:
    if type_ == "list":
        return "set"
    return "number" if ranged or type_ in ("number", "integer") else "category"


def _joined(
    warehouse: Warehouse, frame: pd.DataFrame, source: Query, held: Mapping[str, Held], disputed: pd.DataFrame
) -> pd.DataFrame:
    if not held:
        return frame
    cast = {"number": "TRY_CAST({} AS DOUBLE)", "category": "CAST({} AS VARCHAR)", "set": "{}"}
    listed = ", ".join(f"{cast[kind].format(quoted(a))} AS {quoted(TODAY + a)}" for a, kind in held.items())
    values = warehouse.frame(Query(f"SELECT account_id, {listed} FROM ({source.sql})", source.params))
    found = frame.merge(values, on="account_id", how="left", validate="m:1")
    for a in held:
        wrong = disputed.loc[(disputed["table"] == "accounts") & (disputed["field"] == a), "fact_id"]
        found[TODAY + a] = found[TODAY + a].mask(found["account_id"].isin(wrong))
    for name in (TODAY + a for a, kind in held.items() if kind != "number"):
        found[name] = found[name].astype(object).where(found[name].notna(), None)
    return found


def rule_notes(rubric: Rubric, frame: pd.DataFrame, scores: pd.DataFrame) -> tuple[str, ...]:
    """What a reader of tiers by rules must know of the rubric, a sentence each; nothing where all of it counts."""
    said = [f"Line {place} of the rubric ({words}) is not read: {why}" for place, words, why in rubric.unread]
    cohort = frame[frame["status"] == "eligible"]
    said += [
        f"Line {read.place} of the rubric ({read.line.words}) gives points to no account"
        for read, given in zip(rubric.lines, line_points(rubric, cohort).T, strict=True)
        if read.line.points and not given.any()
    ]
    why = fit_gap(rubric, scores)
    if why:
        said.insert(
            0,
            f"Fit is not known: {why}. Tiers go by the newest activity alone, and as the minimum fit cannot be judged "
            "no account is put in tier_1 (guardrail fit_unknown)",
        )
    return tuple(said)
