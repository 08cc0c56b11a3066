"""What each sink of a workspace is owed: actions of the outbox, or the newest values of accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tierwise.clock import instant
from tierwise.config import PlanFiles, Workspace
from tierwise.config.sinks import AnySink
from tierwise.config.sinks_crm import CRM_NAMES, STAMPS, HubspotSink, SalesforceCsvSink, SalesforceSink
from tierwise.errors import EnvironmentFault, UsageError
from tierwise.plain import plain
from tierwise.publishing import read_run
from tierwise.routing.sinks import Sink
from tierwise.store import Deliveries, Store, ToldAccounts

CRM = (SalesforceSink, SalesforceCsvSink, HubspotSink)


def plan_sinks(workspace: Workspace, plan: str) -> list[AnySink]:
    """The sinks that a plan has."""
    return [s for s in workspace.settings.sinks if not s.plans or plan in s.plans]


def untaken(workspace: Workspace, files: PlanFiles) -> list[str]:
    """What is said of plays whose actions go to no sink, where sinks take some: no sink takes them, or they are owed
    only where another is overdue, which goes to none."""
    takers = [s for s in plan_sinks(workspace, files.plan.plan) if not isinstance(s, CRM)]
    if not takers or not all(s.plays for s in takers):
        return []
    taken = {name for s in takers for name in s.plays}
    plays = files.plays.plays
    lost = [play.play for play in plays if play.play not in taken]
    vain = [play.play for play in plays if play.play in taken and play.of and not taken & set(play.of)]
    said = [f"no sink takes {', '.join(lost)}: their actions stand in actions.jsonl alone"] if lost else []
    return said + ([f"nothing comes of {', '.join(vain)}, as no sink takes what they watch"] if vain else [])


def sinks_of(workspace: Workspace, files: PlanFiles, only: Sequence[str]) -> list[AnySink]:
    """The plan's sinks, of those asked for.

    Raises
    ------
    UsageError : there is none, or none of a name.
    """
    name = files.plan.plan
    there = plan_sinks(workspace, name)
    asked = f"actions of plan '{name}' were to be delivered"
    if not there:
        raise UsageError(
            asked,
            found="tierwise.yaml names no sink for it here",
            do="Add one to sinks: (those that need a network under environments:), and name that with --env",
        )
    lost = [one for one in only if one not in {s.name for s in there}]
    if lost:
        raise UsageError(
            asked, found=f"there is no sink {', '.join(lost)}", do=f"Name one of {', '.join(s.name for s in there)}"
        )
    return [s for s in there if not only or s.name in only]


def queue_of(
    workspace: Workspace, plan: str, store: Store, settings: AnySink, sink: Sink, *, keep: bool
) -> Deliveries | ToldAccounts:
    """What a sink is owed. keep: whether it is noted from which as_of on a new sink is offered actions."""
    if isinstance(settings, CRM):
        return _accounts(workspace, plan, store, settings, sink)
    since = None if settings.since is None else instant(settings.since)
    newest = store.newest_run(plan)
    if since is None and newest is not None:
        since = Deliveries(store, plan, settings.name).begins_at(newest.as_of, keep=keep)
    return Deliveries(store, plan, settings.name, settings.plays, since)


def _accounts(workspace: Workspace, plan: str, store: Store, settings: AnySink, sink: Sink) -> ToldAccounts:
    """The accounts of the newest published run whose ids the CRM can have, with the values that it is told."""
    wanted = sorted({*settings.fields, *(settings.history.fields if settings.history else ())})  # type: ignore[union-attr]
    newest = store.newest_run(plan)
    if newest is None:
        return ToldAccounts(store, plan, settings.name, {}, datetime.min, STAMPS)
    try:
        run = read_run(workspace.published, plan, newest.run_id)
    except (UsageError, EnvironmentFault):  # a run that another process is about to publish, or that was moved away
        return ToldAccounts(store, plan, settings.name, {}, newest.as_of, STAMPS)
    scores = run.frame("scores")[["account_id", "account_score"]]
    frame = run.frame("tiers").merge(scores, on="account_id", how="left", validate="1:1")
    there = [name for name in CRM_NAMES if name in wanted]
    rows: dict[str, Mapping[str, Any]] = {
        str(row["account_id"]): {name: row[name] for name in there}
        for row in plain(frame[["account_id", *there]])
        if sink.takes(str(row["account_id"]))  # type: ignore[attr-defined]
    }
    return ToldAccounts(store, plan, settings.name, rows, newest.as_of, STAMPS)
