"""What every job does first: the tables read, and how far they reach for a plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from tierwise.clock import instant
from tierwise.config import PlanFiles, Settings, Workspace
from tierwise.config.plan import Features, Learning, Plan
from tierwise.data import (
    Freshness,
    Intake,
    Named,
    Query,
    freshness,
    join_disputes,
    join_own_history,
    name_roles,
    open_sources,
    read_tables,
)
from tierwise.errors import EnvironmentFault, InputsLate, UsageError
from tierwise.features import catalogue, history_start, outcome_table
from tierwise.learning.progress import Say
from tierwise.publishing import Recovered
from tierwise.store import DISPUTES, Store


@contextmanager
def taken_in(
    workspace: Workspace, say: Say, now: datetime | None = None, *, files: PlanFiles | None = None
) -> Iterator[Intake]:
    """The workspace's tables, in a warehouse that is closed at the end; facts after `now` do not count as reach.

    files: the plan they are read for: our own history joins the sources' for what it tracks (without a plan, for all
    that it covers), contacts without a role get the one that its icp.yaml reads in their titles, and disputed facts
    are marked.
    """
    say("reading the tables")
    listings = open_sources(workspace.folder, workspace.settings)
    intake = read_tables(listings, workspace.settings, now)
    with intake.warehouse:
        read, bad = int(intake.counts["read"].sum()), int(intake.counts["quarantined"].sum())
        say(f"read {read:,} rows, {bad:,} of them quarantined")
        join_own_history(intake.warehouse, own_history(workspace), None if files is None else tracked_by(files))
        if files is not None:
            join_disputes(intake.warehouse, disputes_of(workspace))
        named = Named() if files is None else _with_roles(intake, files)
        yield replace(intake, notes=(*intake.notes, *named.notes))


def disputes_of(workspace: Workspace) -> pd.DataFrame:
    """The disputed facts of a workspace, as `Store.disputes` gives them; none before there is a store."""
    with ExitStack() as opened:
        try:
            store = opened.enter_context(Store.open(workspace.store, create=False))
        except UsageError:
            return pd.DataFrame({name: pd.Series(dtype="str") for name in DISPUTES})
        return store.disputes()


def own_history(workspace: Workspace) -> Path:
    """The folder of our own history of attributes, which all plans of a workspace share."""
    return workspace.folder / "state" / "attributes"


def tracked_by(files: PlanFiles) -> frozenset[str]:
    """The attributes that a plan declares tracked."""
    return frozenset(a.attribute for a in files.plan.features.fit if a.clock == "tracked")


def _with_roles(intake: Intake, files: PlanFiles) -> Named:
    """Contacts without a role get the one that their title names; where a plan rebuilds roles as of each date, only if
    titles have a history too."""
    titles = Query("SELECT count(*) FROM contact_history WHERE field = 'title'")
    if files.plan.features.signal.buying_group.known and not intake.warehouse.number(titles):
        return Named()
    return name_roles(intake.warehouse, files.icp)


def freshness_of(intake: Intake, settings: Settings, as_of: datetime) -> Freshness:
    """Which sources are late or short as of a date."""
    return freshness(intake.arrivals, settings.all_sources, as_of)


def outcome_reach(intake: Intake, files: PlanFiles) -> datetime:
    """How far the plan's outcomes reach: the newest known_at of the table that holds them, or the declared date.

    Raises
    ------
    UsageError : that table is empty or absent.
    """
    table = outcome_table(files.plan.outcome)
    if table not in intake.data_through:
        raise UsageError(
            f"the outcome of plan '{files.plan.plan}' ({files.plan.outcome.event}) was looked for in {table}",
            found="that table is absent or empty",
            do=f"Add {table} to the tables, or name another outcome in {files.folder.name}/model.yaml",
        )
    return intake.data_through[table]


def check_as_of(intake: Intake, as_of: datetime, *, max_lag_days: int | None = None) -> None:
    """Refuse an as_of before the data, or, where a lag is given, one that the activities do not reach.

    Raises
    ------
    UsageError : nothing had happened by then.
    InputsLate : the activities end more than `max_lag_days` before as_of.
    """
    start = history_start(intake.warehouse)
    if as_of <= start:
        raise UsageError(
            f"as_of {as_of.date()} was asked for",
            found=f"the data begin on {start.date()}",
            do=f"Give a later date, as --as-of {start.date() + timedelta(days=1)}",
        )
    through = intake.data_through.get("activities")
    if max_lag_days is not None and through is not None and as_of > through + timedelta(days=max_lag_days):
        raise InputsLate(
            f"as_of {as_of.date()} was asked for",
            found=f"the activities reach to {through.date()} only, more than max_lag_days: {max_lag_days} before it",
            do="Load newer activities and run it again; quiet data must not look like quiet buyers",
        )


def inputs_hash(intake: Intake, files: PlanFiles) -> str:
    """SHA-256 over the tables, the plan, its titles, the plays and what these say of the profile: all that a run reads
    but state, model, policy."""
    plan = files.plan.model_dump_json(
        exclude={"features": _unset(files.plan.features), "model": unset_learning(files.plan.model)}
    )
    said = [intake.fingerprint, plan, files.plays.said()]
    said.append(json.dumps([files.icp.roles, files.icp.exceptions]))
    spoken = files.icp.model_dump(mode="json", include={"personas", "job_to_be_done"}, exclude_defaults=True)
    said += [json.dumps(spoken, sort_keys=True)] if any(p.speaks for p in files.plays.plays) and spoken else []
    return hashlib.sha256("\0".join(said).encode()).hexdigest()


def check_whole(recovered: Recovered) -> None:
    """Refuse to go on where the folder of a published run is gone.

    Raises
    ------
    EnvironmentFault : it is.
    """
    if recovered.missing:
        raise EnvironmentFault(
            f"the plan was to go on from run {recovered.missing[0]}",
            found="its folder is gone from what is published",
            do="Restore that folder from a backup; its files cannot be made again from later tables",
        )


def question(files: PlanFiles) -> str:
    """SHA-256 of what a model answers: outcome, cohort and features; a bundle for another is not scored with."""
    plan = files.plan
    said = [plan.outcome.model_dump_json(), plan.cohort.model_dump_json()]
    said.append(plan.features.model_dump_json(exclude=_unset(plan.features)))
    return hashlib.sha256("\0".join(said).encode()).hexdigest()


def fit_question(plan: Plan) -> dict[str, str]:
    """What a fit side answers, part by part: each part's words and the start of its SHA-256.

    Its parts are the outcome, the cohort, each fit attribute as it is read, and how log-odds may run along fit
    features. The signal side is none of them, nor are words. Settings left as they are by default are not told, so that
    one that a later version adds asks nothing else.
    """
    fit = {f.name for f in catalogue(plan) if f.side == "fit"}
    monotone = {name: way for name, way in sorted(plan.features.monotone.items()) if name in fit}
    told = {"outcome": plan.outcome, "cohort": plan.cohort}
    told |= {f"fit attribute {a.attribute}": a for a in plan.features.fit}
    parts = {words: part.model_dump_json(exclude={"words"}, exclude_defaults=True) for words, part in told.items()}
    parts |= {"monotone of fit features": json.dumps(monotone)} if monotone else {}
    return {words: hashlib.sha256(part.encode()).hexdigest()[:16] for words, part in parts.items()}


def _unset(features: Features) -> dict[str, Any]:
    """Settings that live models may be older than, where the plan does not set them: they change no question."""
    found: dict[str, Any] = {} if features.monotone else {"monotone": True}
    return found if features.signal.objections else found | {"signal": {"objections"}}


def unset_learning(learning: Learning) -> set[str]:
    """The same of how the model is learned."""
    return {"fit_frozen_until"} if learning.fit_frozen_until is None else set()


def check_question(files: PlanFiles, meta: Mapping[str, Any]) -> None:
    """Refuse a model, or the answer that there is none, that was trained for another outcome, cohort or features than
    the plan asks for now.

    meta : what a bundle says of itself, or a training's answer.

    Raises
    ------
    UsageError : the plan has changed since the training.
    """
    if meta.get("question") != question(files):
        raise UsageError(
            f"plan '{files.plan.plan}' was to be used as it was trained as of {meta['trained_as_of']}",
            found="outcome, cohort or features in model.yaml have changed since it was trained",
            do="Run `tierwise train`, and `tierwise promote` once it is to go live; or undo the change",
        )


def in_words(files: PlanFiles) -> str:
    """What the plan predicts, as a verb phrase."""
    outcome = files.plan.outcome
    kinds = " or ".join(k.replace("_", " ") for k in (outcome.kinds or outcome.channels))
    types = " or ".join(outcome.types)
    return {
        "opportunity_created": f"open an opportunity{f' ({types})' if types else ''}",
        "opportunity_won": f"win an opportunity{f' ({types})' if types else ''}",
        "stage_reached": f"reach the stage {' or '.join(outcome.stages)}",
        "activity": f"do: {kinds}",
    }[outcome.event]


def in_the_past(files: PlanFiles) -> str:
    """What accounts with the plan's outcome did, as a verb in the past."""
    done = {"opportunity_created": "opened one", "opportunity_won": "won one"}
    return done.get(files.plan.outcome.event, "had the outcome")


def date_or(value: str | datetime | None, otherwise: datetime) -> datetime:
    """An as_of as given, else another instant at its 00:00 UTC."""
    if value is not None:
        return instant(value)
    return otherwise.replace(hour=0, minute=0, second=0, microsecond=0)
