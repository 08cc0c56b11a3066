"""The delivery job: what the outbox owes, offered to each sink once more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from tierwise.clock import instant
from tierwise.config import PlanFiles, Workspace
from tierwise.config.sinks import AnySink
from tierwise.errors import UsageError
from tierwise.features import suppressed_at
from tierwise.jobs.intake import taken_in
from tierwise.learning.progress import Say, silent
from tierwise.publishing import DELIVERY, plan_lock
from tierwise.routing.delivery import Tally
from tierwise.routing.delivery import deliver as offer
from tierwise.routing.sinks.made import made
from tierwise.store import Deliveries, Store


@dataclass(frozen=True)
class SinkResult:
    """What became of a plan's actions at one sink. again: dead letters that were put back first."""

    sink: str
    kind: str
    tally: Tally
    again: int = 0


@dataclass(frozen=True)
class DeliverResult:
    """A delivery, sink by sink."""

    plan: str
    sinks: tuple[SinkResult, ...]

    @property
    def dead(self) -> int:
        """Letters that died in this delivery."""
        return sum(len(s.tally.dead) for s in self.sinks)

    @property
    def left(self) -> int:
        """Letters that are still to be taken, now or later."""
        return sum(s.tally.later + s.tally.waiting for s in self.sinks)


@dataclass(frozen=True)
class Owed:
    """What a sink would be offered, and nothing is.

    since: from which as_of on; before: so many actions of earlier ones are owed, and not offered to it. actions: a row
    an action: action_id, account_id, as_of, play, attempts, due (whether its time has come), stopped (why its account
    is to be left alone; "": it is not).
    """

    sink: str
    kind: str
    since: datetime | None
    before: int
    actions: pd.DataFrame


def deliver(
    workspace: Workspace,
    plan: str | None = None,
    *,
    clock: Callable[[], datetime],
    dead: bool = False,
    only: Sequence[str] = (),
    say: Say = silent,
) -> DeliverResult:
    """Offer each sink of the workspace what the outbox owes it and whose time has come (`routing.delivery`).

    Accounts that the tables suppress by now get no approach, whatever was owed before; the tables are read for it where
    anything is due. clock: gives now. dead: put dead letters back first. only: these sinks alone.

    Raises
    ------
    UsageError : no sink is there, or none of a name. LockHeld : another delivery of the plan runs.
    """
    files = workspace.plan(plan)
    name, sinks = files.plan.plan, sinks_of(workspace, files, only)
    with (
        plan_lock(workspace.published, name, name=DELIVERY),
        Store.open(workspace.store, create=False) as store,
    ):
        queues = {s.name: Deliveries(store, name, s.name) for s in sinks}
        again = {s.name: queues[s.name].again() if dead else 0 for s in sinks}
        since = {s.name: _since(queues[s.name], s, keep=True) for s in sinks}
        waiting = [x for s in sinks for x in queues[s.name].open(s.plays, since[s.name])]
        now = clock()
        due = any(x.next_at is None or x.next_at <= now for x in waiting)
        stops = stopped(workspace, files, now, say) if due else {}
        found = []
        for settings in sinks:
            say(f"delivering to {settings.name}")
            with closing(made(settings, workspace.folder)) as sink:
                tally = offer(
                    queues[sink.name], sink, plan=name, clock=clock, stops=stops,
                    plays=settings.plays, since=since[sink.name],
                )  # fmt: skip
            found.append(SinkResult(settings.name, settings.kind, tally, again[settings.name]))
    return DeliverResult(name, tuple(found))


def owed_to_sinks(
    workspace: Workspace, plan: str | None = None, *, now: datetime, only: Sequence[str] = (), say: Say = silent
) -> list[Owed]:
    """What a delivery would offer each sink, and offer nothing."""
    files = workspace.plan(plan)
    name, sinks = files.plan.plan, sinks_of(workspace, files, only)
    with Store.open(workspace.store, create=False) as store:
        stops = stopped(workspace, files, now, say)
        return [_owed(Deliveries(store, name, s.name), s, stops, now) for s in sinks]


def check_sinks(workspace: Workspace, plan: str | None = None, *, only: Sequence[str] = ()) -> dict[str, list[str]]:
    """What is wrong with each sink, asked of its receiver without changing anything; an empty list: nothing."""
    sinks = sinks_of(workspace, workspace.plan(plan), only)
    found = {}
    for settings in sinks:
        with closing(made(settings, workspace.folder)) as sink:
            found[settings.name] = list(sink.check())
    return found


def sinks_of(workspace: Workspace, files: PlanFiles, only: Sequence[str]) -> list[AnySink]:
    """The plan's sinks, of those asked for."""
    name = files.plan.plan
    there = [s for s in workspace.settings.sinks if not s.plans or name in s.plans]
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


def stopped(workspace: Workspace, files: PlanFiles, now: datetime, say: Say) -> Mapping[str, str]:
    """The accounts that the tables suppress by now, each with why, in words."""
    negative = {t.kind: t.days for t in files.policy.negative_triggers}
    with taken_in(workspace, say, now, files=files) as intake:
        found = suppressed_at(intake.warehouse, files.plan, negative, now)
    reasons = found["reason"].str.replace("_", " ")
    return dict(zip(found["account_id"], "suppressed since: " + reasons, strict=True))


def _since(queue: Deliveries, settings: AnySink, *, keep: bool) -> datetime | None:
    """From which as_of on a sink is offered actions; None before the first run, when there is none to offer."""
    if settings.since is not None:
        return instant(settings.since)
    newest = queue.store.newest_run(queue.plan)
    return None if newest is None else queue.begins_at(newest.as_of, keep=keep)


def _owed(queue: Deliveries, settings: AnySink, stops: Mapping[str, str], now: datetime) -> Owed:
    since, every = _since(queue, settings, keep=False), queue.open(settings.plays)
    waiting = [x for x in every if since is None or x.as_of >= since]
    bodies = queue.bodies([x.action_id for x in waiting])
    rows = [
        {
            "action_id": x.action_id,
            "account_id": x.account_id,
            "as_of": x.as_of,
            "play": bodies[x.action_id].get("play", ""),
            "attempts": x.attempts,
            "due": x.next_at is None or x.next_at <= now,
            "stopped": stops.get(x.account_id, "") if bodies[x.action_id].get("motion") != "none" else "",
        }
        for x in waiting
        if x.action_id in bodies
    ]
    columns = ["action_id", "account_id", "as_of", "play", "attempts", "due", "stopped"]
    return Owed(settings.name, settings.kind, since, len(every) - len(waiting), pd.DataFrame(rows, columns=columns))
