"""The delivery job: what the outbox owes, offered to each sink once more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from tierwise.clock import naive
from tierwise.config import Workspace
from tierwise.data import Known
from tierwise.jobs.queues import queue_of, sinks_of, untaken
from tierwise.jobs.stops import NOTHING, Stops, stops_now
from tierwise.learning.progress import Say, silent
from tierwise.publishing import DELIVERY, plan_lock
from tierwise.routing.delivery import Tally, not_yet, open_letters
from tierwise.routing.delivery import deliver as offer
from tierwise.routing.sinks import Letter, Sink
from tierwise.routing.sinks.crm_sink import CrmSink
from tierwise.routing.sinks.made import made
from tierwise.store import Deliveries, Store, ToldAccounts
from tierwise.store.deliveries import Open

PREVIEWED = 10
"""Of so many accounts a CRM is asked what would be written."""
NOBODY = Stops({}, {}, frozenset())
"""Lets no account be approached: where no action is due the tables are not read, and none is offered."""


@dataclass(frozen=True)
class SinkResult:
    """What became of a plan's actions at one sink. again: dead letters that were put back first."""

    sink: str
    kind: str
    tally: Tally
    again: int = 0


@dataclass(frozen=True)
class DeliverResult:
    """A delivery, sink by sink. notes: what else a person should know of what no sink gets, or may get wrongly."""

    plan: str
    sinks: tuple[SinkResult, ...]
    notes: tuple[str, ...] = ()

    @property
    def dead(self) -> int:
        """Letters that died in this delivery."""
        return sum(len(s.tally.dead) for s in self.sinks)

    @property
    def left(self) -> int:
        """Letters that are still to be taken, now or later."""
        return sum(s.tally.later + s.tally.waiting + s.tally.unknown + s.tally.not_yet for s in self.sinks)


@dataclass(frozen=True)
class Owed:
    """What a sink would be offered, and nothing is.

    since: from which as_of on; before: so many actions of earlier ones are owed, and not offered to it. actions: a row
    an action: action_id, account_id, as_of, play, attempts, due (whether its time has come), stopped (why its account
    is to be left alone; "": it is not), overdue_of (the action that it watches; "": none), not_before (its hour, naive
    UTC; NaT: none), met (whether it is not needed, as that one was done), known (whether it is known what was done up
    to its hour) and ahead (whether the one that it watches is still to go out).
    """

    sink: str
    kind: str
    since: datetime | None
    before: int
    actions: pd.DataFrame
    known: Known = NOTHING
    """Up to when it is known what sellers did, where anything that waits for it is owed."""
    of_accounts: bool = False
    """Whether these are accounts with new values for a CRM, rather than actions;"""
    preview: tuple[str, ...] = ()
    """and what would be written of the first of them."""


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
    any action is due. clock: gives now. dead: put dead letters back first, also at a receiver that asked to be left
    alone. only: these sinks alone.

    Raises
    ------
    UsageError : no sink is there, or none of a name. LockHeld : another delivery of the plan runs. InputsLate : the
        exclusions that the newest run read are not there.
    """
    files = workspace.plan(plan)
    name, asked = files.plan.plan, sinks_of(workspace, files, only)
    with (
        plan_lock(workspace.published, name, name=DELIVERY),
        Store.open(workspace.store, create=False) as store,
        ExitStack() as opened,
    ):
        sinks = [opened.enter_context(closing(made(s, workspace.folder))) for s in asked]
        queues = [queue_of(workspace, name, store, s, sink, keep=True) for s, sink in zip(asked, sinks, strict=True)]
        again = [queue.again() if dead else 0 for queue in queues]
        now = clock()
        for queue in queues if dead else ():
            queue.rest(now)
        actions = [x for queue in queues if isinstance(queue, Deliveries) for x in open_letters(queue)]
        due = [x for x in actions if x.is_due(now)]
        watched = any(x.overdue_of for x in due)
        stops = stops_now(workspace, files, store, now, say, watched=watched) if due else NOBODY
        found = []
        for settings, sink, queue, put_back in zip(asked, sinks, queues, again, strict=True):
            say(f"delivering to {sink.name}")
            if isinstance(queue, Deliveries) and not due:
                left = [x for x in open_letters(queue) if not x.stopped]
                tally = Tally(waiting=len(left) - (early := not_yet(left, now)), not_yet=early)
            else:
                tally = offer(queue, sink, plan=name, clock=clock, stops=stops, watch=stops.watch(now))
            found.append(SinkResult(sink.name, settings.kind, tally, put_back))
    return DeliverResult(name, tuple(found), (*stops.known.given_up, *untaken(workspace, files)))


def owed_to_sinks(
    workspace: Workspace, plan: str | None = None, *, now: datetime, only: Sequence[str] = (), say: Say = silent
) -> list[Owed]:
    """What a delivery would offer each sink, and offer nothing; a CRM is asked what it holds of the first accounts."""
    files = workspace.plan(plan)
    name, asked = files.plan.plan, sinks_of(workspace, files, only)
    with Store.open(workspace.store, create=False) as store, ExitStack() as opened:
        sinks = [opened.enter_context(closing(made(s, workspace.folder))) for s in asked]
        queues = [queue_of(workspace, name, store, s, sink, keep=False) for s, sink in zip(asked, sinks, strict=True)]
        waiting = [x for queue in queues if isinstance(queue, Deliveries) for x in open_letters(queue)]
        watched = any(x.overdue_of for x in waiting)
        stops = stops_now(workspace, files, store, now, say, watched=watched) if waiting else NOBODY
        return [
            _owed(queue, s.kind, stops, now) if isinstance(queue, Deliveries) else _told(queue, s.kind, sink, now)
            for s, sink, queue in zip(asked, sinks, queues, strict=True)
        ]


def check_sinks(workspace: Workspace, plan: str | None = None, *, only: Sequence[str] = ()) -> dict[str, list[str]]:
    """What is wrong with each sink, asked of its receiver without changing anything; an empty list: nothing."""
    sinks = sinks_of(workspace, workspace.plan(plan), only)
    found = {}
    for settings in sinks:
        with closing(made(settings, workspace.folder)) as sink:
            found[settings.name] = list(sink.check())
    return found


def _owed(queue: Deliveries, kind: str, stops: Stops, now: datetime) -> Owed:
    waiting, every = open_letters(queue), Deliveries(queue.store, queue.plan, queue.sink, queue.plays).open()
    bodies = queue.bodies([x.action_id for x in waiting])
    still = [x for x in waiting if x.action_id in bodies]
    watch = stops.watch(now)
    asked = [x for x in still if x.overdue_of and x.is_due(now) and watch.knows(x) and not x.attempts]
    met, ahead = watch.done(asked) if asked else {}, {x.action_id for x in still}
    frame = _frame(still, now).assign(
        met=[x.action_id in met for x in still],
        known=[watch.knows(x) for x in still],
        ahead=[bool(x.overdue_of) and (x.overdue_of in ahead or not (x.told or not queue.plays)) for x in still],
        play=[bodies[x.action_id].get("play", "") for x in still],
        stopped=[stops(x.account_id) if queue.approaches(bodies[x.action_id]) else "" for x in still],
    )
    return Owed(queue.sink, kind, queue.since, len(every) - len(waiting), frame, stops.known)


def _told(queue: ToldAccounts, kind: str, sink: Sink, now: datetime) -> Owed:
    """What a CRM would be told; `preview` reads it, and a folder of CSV has none."""
    waiting = queue.open()
    lines: tuple[str, ...] = ()
    if isinstance(sink, CrmSink) and waiting:
        first = waiting[:PREVIEWED]
        bodies = queue.seen([x.action_id for x in first])
        letters = [Letter(x.action_id, queue.plan, x.account_id, x.as_of, bodies[x.action_id]) for x in first]
        lines = tuple(sink.preview(letters, now))
    return Owed(queue.sink, kind, None, 0, _frame(waiting, now), NOTHING, True, lines)


def _frame(waiting: Sequence[Open], now: datetime) -> pd.DataFrame:
    """A row a letter, with whether its time has come; play and stopped are `""`."""
    columns = ["action_id", "account_id", "as_of", "attempts", "overdue_of"]
    frame = pd.DataFrame([[getattr(x, name) for name in columns] for x in waiting], columns=columns)
    hours = pd.Series([x.not_before and naive(x.not_before) for x in waiting], dtype="datetime64[us]")
    due = pd.Series([x.is_due(now) for x in waiting], dtype=bool)
    return frame.assign(play="", due=due, stopped="", not_before=hours, met=False, known=True, ahead=False)
