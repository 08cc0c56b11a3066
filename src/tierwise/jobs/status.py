"""How a plan stands: its newest run, how late its sources are, and what it owes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from tierwise.clock import naive
from tierwise.config import Workspace
from tierwise.data import Known, become
from tierwise.features import seller_touches
from tierwise.jobs.intake import freshness_of, taken_in
from tierwise.jobs.queues import plan_sinks, queue_of, untaken
from tierwise.jobs.stops import known_now, worked
from tierwise.learning.progress import Say, silent
from tierwise.plain import plain
from tierwise.routing.clock import counted
from tierwise.routing.delivery import is_known, open_letters
from tierwise.routing.sinks.made import made
from tierwise.store import Deliveries, RunRecord, Store, ToldAccounts

SHOWN = 10


@dataclass(frozen=True)
class OverdueStatus:
    """Of the actions that are owed only where another is overdue: how many wait for their hour (which the first has
    next_at), for how many it has come and it is not known what was done by then, how many were sent, and how many were
    not needed, as what they watch was done."""

    waiting: int = 0
    next_at: str = ""
    unknown: int = 0
    sent: int = 0
    met: int = 0


@dataclass(frozen=True)
class SinkStatus:
    """What a sink has had, and what waits for it. letters: dead ones, oldest first: action_id, account_id, why.

    overdue: of the reminders and escalations; waiting leaves out those whose hour has not come, or is not known yet.
    """

    sink: str
    kind: str
    delivered: int
    waiting: int
    dead: int
    next_at: str
    letters: tuple[tuple[str, str, str], ...]
    overdue: OverdueStatus


@dataclass(frozen=True)
class StatusResult:
    """How a plan stands. days: since its newest run's as_of. sources: what is said of each that is late or short."""

    plan: str
    run: RunRecord | None
    days: float | None
    sources: tuple[str, ...]
    held: tuple[str, ...]
    owed: int
    """Actions that stand in the outbox, without those that wait for another to be overdue."""
    sinks: tuple[SinkStatus, ...]
    clock: Mapping[str, pd.DataFrame]
    """By `tier` and by `owner`, how many actions stand where on the SLA clock (`routing.clock.counted`)."""
    known: Known
    """Up to when it is known what sellers did."""
    notes: tuple[str, ...]
    """What else a person should know of what no sink gets, or may get wrongly."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        run = None if self.run is None else {"run_id": self.run.run_id, "as_of": self.run.as_of, "kind": self.run.kind}
        named = ("plan", "days", "sources", "held", "owed", "sinks", "clock", "known", "notes")
        return {"run": run, **{name: plain(getattr(self, name)) for name in named}}


def status(workspace: Workspace, plan: str | None = None, *, now: datetime, say: Say = silent) -> StatusResult:
    """Read how a plan stands; nothing changes, and nothing is asked of a network that is not a source.

    now: as of when; the SLA clock counts seller activities known by then, and actions owed by then.
    """
    files = workspace.plan(plan)
    name = files.plan.plan
    with taken_in(workspace, say, now, files=files) as intake:
        wanting = freshness_of(intake, workspace.settings, now).wanting
        touches, merged = seller_touches(intake.warehouse, now), become(intake.warehouse)
        known = known_now(intake, workspace.settings, now)
    with Store.open(workspace.store, create=False) as store:
        run = store.newest_run(name)
        published = set(store.runs(name)["run_id"])
        held = tuple(h.run_id for h in store.held_runs(name) if h.run_id not in published)
        found = []
        for settings in plan_sinks(workspace, name):
            with closing(made(settings, workspace.folder)) as sink:
                found.append(
                    _sink(queue_of(workspace, name, store, settings, sink, keep=False), settings.kind, now, known.at)
                )
        outbox = store.outbox(name)
    outbox = outbox[~outbox["payload"].map(lambda p: bool(p.get("overdue_of")))]
    notes = (*known.given_up, *untaken(workspace, files))
    days = None if run is None else (now - run.as_of).total_seconds() / 86_400
    late = tuple(f"source {source}: {said}" for source, said in wanting.items())
    clocked = worked(_work(outbox, now), touches, merged, now)
    clock = {by: counted(clocked, by) for by in ("tier", "owner")}
    return StatusResult(name, run, days, late, held, len(outbox), tuple(found), clock, known, notes)


def _work(outbox: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """The actions owed by now that approach somebody, as the SLA clock reads them; what only watches others is no work
    of its own."""
    rows = outbox[(outbox["as_of"] <= naive(now)) & outbox["payload"].map(Deliveries.approaches)]
    due_at = pd.to_datetime(rows["payload"].map(lambda p: p.get("due_at")), utc=True).dt.tz_localize(None)
    told = {name: rows["payload"].map(lambda p, n=name: str(p.get(n) or "-")) for name in ("tier", "owner", "play")}
    return rows[["action_id", "account_id", "as_of"]].assign(due_at=due_at, **told)


def _sink(queue: Deliveries | ToldAccounts, kind: str, now: datetime, known_to: datetime | None) -> SinkStatus:
    counts, dead = queue.counts(), queue.dead()
    letters = [x for x in open_letters(queue) if not x.stopped]
    early = [x.not_before for x in letters if x.not_before is not None and x.not_before > now]
    come = [x for x in letters if x.not_before is None or x.not_before <= now]
    waiting = [x for x in come if is_known(x, known_to)]
    times = [x.next_at for x in waiting if x.next_at is not None]
    shown = dead[["action_id", "account_id", "said"]].head(SHOWN).itertuples(index=False, name=None)
    kept = queue.watching() if isinstance(queue, Deliveries) else {}
    overdue = OverdueStatus(
        len(early), _minute(early), len(come) - len(waiting), kept.get("delivered", 0), kept.get("met", 0)
    )
    return SinkStatus(
        queue.sink, kind, counts.get("delivered", 0), len(waiting), len(dead),
        _minute(times), tuple(shown), overdue,
    )  # fmt: skip


def _minute(times: Sequence[datetime]) -> str:
    return f"{min(times):%Y-%m-%d %H:%M} UTC" if times else ""
