"""What of the outbox each sink has, and what it is still owed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import pandas as pd
from sqlalchemy import Select, and_, delete, func, insert, or_, select

import tierwise.store.schema as schema
from tierwise.clock import instant, naive
from tierwise.store.ledger import Store
from tierwise.store.resting import OfSink
from tierwise.store.writing import NO_OUTREACH

Delivery = Literal["delivered", "pending", "dead", "stopped", "met"]
CHUNK = 500
"""So many ids in one statement."""


@dataclass(frozen=True)
class Late:
    """When an action was delivered that was due before, and by what the hour of one that watches it is counted anew:
    the terms, as the run that planned it said them."""

    told_at: datetime
    terms: str


@dataclass(frozen=True)
class Open:
    """An action that a sink has not answered for good.

    attempts: how often it was offered and counted. next_at: before then it is not offered again; None: at any time.
    stopped: its account was to be left alone when its turn came; it holds back no later action of that account.
    overdue_of: the action that it watches, for one that is owed only where that is overdue; not_before: from when on it
    counts, as it was planned. Of the others `""` and None.
    """

    action_id: str
    account_id: str
    as_of: datetime
    attempts: int
    next_at: datetime | None
    stopped: bool = False
    overdue_of: str = ""
    not_before: datetime | None = None
    late: Late | None = None
    """Of one whose hour is another than planned, as what it watches was delivered only after it was due."""
    told: bool = False
    """Whether what it watches was delivered or died, here or, where this does not take all plays, at any sink."""

    def is_due(self, now: datetime) -> bool:
        """Whether its time has come, by its hour and by what was answered."""
        return all(at is None or at <= now for at in (self.next_at, self.not_before))


@dataclass(frozen=True)
class Answer:
    """What is kept of an offer: `delivered`, `pending` (again from next_at on), `dead`, `stopped` (not offered, as
    its account is to be left alone; looked at again from next_at on), or `met` (never offered, as what it watches was
    done)."""

    action_id: str
    status: Delivery
    attempts: int
    said: str
    answered_at: datetime
    next_at: datetime | None = None


class Deliveries(OfSink):
    """The outbox of one plan as one sink sees it; every method is one transaction.

    plays: it is offered actions of these plays alone; empty: of all. since: of as-of dates from then on.
    """

    def __init__(
        self, store: Store, plan: str, sink: str, plays: Sequence[str] = (), since: datetime | None = None
    ) -> None:
        super().__init__(store, plan, sink)
        self.plays, self.since = plays, since

    @property
    def takes_some(self) -> bool:
        """Whether it is offered actions of some plays alone."""
        return bool(self.plays)

    def begins_at(self, newest: datetime, *, keep: bool) -> datetime:
        """From which as_of on this sink is offered actions: `newest` where it was never delivered to, which is kept
        then if asked."""
        known = self._noted(schema.sinks.c.begins_at)
        if known is None and keep:
            self._note("begins_at", newest, f"the first delivery to {self.sink} was noted")
        return instant(newest) if known is None else known

    def open(self) -> list[Open]:
        """The actions owed that this sink has not answered for good, in the order in which each account gets them."""
        o, d, w = schema.outbox.c, schema.deliveries.c, schema.watches.c
        query = (
            select(
                o.action_id,
                o.account_id,
                o.as_of,
                o.payload if self.plays else o.plan,
                d.attempts,
                d.next_at,
                d.status,
                w.overdue_of,
                w.due_at,
                w.not_before,
                w.terms,
            )
            .select_from(
                schema.outbox.outerjoin(schema.deliveries, self._mine(d.action_id == o.action_id)).outerjoin(
                    schema.watches, w.action_id == o.action_id
                )
            )
            .where(
                o.plan == self.plan, o.status == "owed", or_(d.status.is_(None), d.status.in_(("pending", "stopped")))
            )
            .order_by(o.as_of, o.action_id)
        )
        if self.since is not None:
            query = query.where(o.as_of >= naive(self.since))
        with self.store.reading("the outbox was read") as connection:
            rows = connection.execute(query).all()
        if self.plays:
            rows = [row for row in rows if json.loads(row[3]).get("play") in self.plays]
        watched = [row[7] for row in rows if row[7]]
        told, dead = self._told(watched), self._dead(watched)
        return [
            Open(
                action,
                account,
                instant(as_of),
                attempts or 0,
                next_at and instant(next_at),
                status == "stopped",
                overdue_of or "",
                not_before and instant(not_before),
                _late(due_at, told.get(overdue_of), terms),
                overdue_of in told or overdue_of in dead,
            )
            for action, account, as_of, _, attempts, next_at, status, overdue_of, due_at, not_before, terms in rows
        ]

    def _told(self, action_ids: Sequence[str]) -> dict[str, datetime]:
        """When actions were delivered to this sink; to one that does not take all plays also when to the last other."""
        d, found = schema.deliveries.c, dict[str, datetime]()
        with self.store.reading("the deliveries were read") as connection:
            for ids in _chunks(action_ids):
                here = and_(d.action_id.in_(ids), d.status == "delivered")
                if self.plays:
                    last = select(d.action_id, func.max(d.answered_at)).where(d.plan == self.plan, here)
                    found |= {str(one): at for one, at in connection.execute(last.group_by(d.action_id))}
                own = select(d.action_id, d.answered_at).where(self._mine(here))
                found |= {str(one): at for one, at in connection.execute(own)}
        return found

    def _dead(self, action_ids: Sequence[str]) -> set[str]:
        """Those of some actions that died at this sink; for one that does not take all plays also at any other."""
        d, found = schema.deliveries.c, set[str]()
        with self.store.reading("the deliveries were read") as connection:
            for ids in _chunks(action_ids):
                dead = and_(d.action_id.in_(ids), d.status == "dead")
                here = and_(d.plan == self.plan, dead) if self.plays else self._mine(dead)
                found |= set(connection.scalars(select(d.action_id).where(here)))
        return found

    def bodies(self, action_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """The payloads of actions that are owed still; one that was withdrawn meanwhile is not there."""
        o, found = schema.outbox.c, {}
        with self.store.reading("the outbox was read") as connection:
            for ids in _chunks(action_ids):
                query = select(o.action_id, o.payload).where(o.action_id.in_(ids), o.status == "owed")
                found.update({row[0]: json.loads(row[1]) for row in connection.execute(query)})
        return found

    def keep(self, answers: Sequence[Answer]) -> None:
        """Keep what became of some offers, in one transaction."""
        d = schema.deliveries.c
        rows = [
            {"plan": self.plan, "sink": self.sink, "action_id": a.action_id, "status": a.status, "said": a.said}
            | {"attempts": a.attempts, "answered_at": naive(a.answered_at)}
            | {"next_at": None if a.next_at is None else naive(a.next_at)}
            for a in answers
        ]
        with self.store.writing(f"what {self.sink} answered was kept") as connection:
            for ids in _chunks([a.action_id for a in answers]):
                connection.execute(delete(schema.deliveries).where(self._mine(d.action_id.in_(ids))))
            if rows:
                connection.execute(insert(schema.deliveries), rows)

    @staticmethod
    def approaches(body: Mapping[str, Any]) -> bool:
        """Whether an action approaches somebody; one that does not say so is taken to."""
        return body.get("motion") != NO_OUTREACH

    def again(self, action_ids: Sequence[str] = ()) -> int:
        """Let dead letters be offered again, all or some; how many there were."""
        d = schema.deliveries.c
        dead = self._mine(d.status == "dead")
        with self.store.writing(f"dead letters of {self.sink} were put back") as connection:
            if not action_ids:
                return connection.execute(delete(schema.deliveries).where(dead)).rowcount
            return sum(
                connection.execute(delete(schema.deliveries).where(and_(dead, d.action_id.in_(ids)))).rowcount
                for ids in _chunks(action_ids)
            )

    def dead(self) -> pd.DataFrame:
        """Dead letters, oldest first: action_id, account_id, attempts, said, answered_at."""
        o, d = schema.outbox.c, schema.deliveries.c
        query = (
            select(o.action_id, o.account_id, d.attempts, d.said, d.answered_at)
            .select_from(schema.deliveries.join(schema.outbox, d.action_id == o.action_id))
            .where(self._mine(d.status == "dead"))
            .order_by(d.answered_at, o.action_id)
        )
        return dead_letters(self.store, query)

    def counts(self) -> dict[Delivery, int]:
        """How many actions this sink has answered, by what became of them; what was never offered is not among them."""
        d = schema.deliveries.c
        query = select(d.status, func.count()).where(self._mine(d.status.is_not(None))).group_by(d.status)
        with self.store.reading("the deliveries were counted") as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def watching(self) -> dict[Delivery, int]:
        """The same of those actions alone that are owed only where another is overdue."""
        d, w = schema.deliveries.c, schema.watches.c
        both = schema.deliveries.join(schema.watches, d.action_id == w.action_id)
        query = select(d.status, func.count()).select_from(both).where(self._mine(d.status.is_not(None)))
        with self.store.reading("the deliveries were counted") as connection:
            return {row[0]: row[1] for row in connection.execute(query.group_by(d.status))}

    def _mine(self, further: Any) -> Any:
        d = schema.deliveries.c
        return and_(d.plan == self.plan, d.sink == self.sink, further)


def _late(due_at: datetime | None, told_at: datetime | None, terms: str) -> Late | None:
    """What is late where an action was delivered at told_at (None: nowhere yet) and another watches it."""
    return None if due_at is None or told_at is None or told_at <= due_at else Late(instant(told_at), terms)


def dead_letters(store: Store, query: Select[Any]) -> pd.DataFrame:
    """The rows of a query, with its columns also where there are none."""
    with store.reading("the dead letters were read") as connection:
        rows = connection.execute(query).mappings().all()
    return pd.DataFrame(rows, columns=[column.name for column in query.selected_columns])


def _chunks(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))
