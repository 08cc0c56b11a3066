"""What is noted of a sink: from which as_of on it is offered actions, and until when it is to be left alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, and_, insert, select

import tierwise.store.schema as schema
from tierwise.clock import instant, naive
from tierwise.store.ledger import Store


class OfSink:
    """One plan's letters to one sink; every method is one transaction."""

    def __init__(self, store: Store, plan: str, sink: str) -> None:
        self.store, self.plan, self.sink = store, plan, sink

    def rests_until(self) -> datetime | None:
        """Until when the receiver asked to be left alone, which may be over; None: it never did."""
        return self._noted(schema.sinks.c.rests_until)

    def rest(self, until: datetime) -> None:
        """Keep that the receiver is to be left alone until then."""
        self._note("rests_until", until, f"how long {self.sink} is left alone was noted")

    def _noted(self, column: Column[Any]) -> datetime | None:
        s = schema.sinks.c
        with self.store.reading("a sink was looked up") as connection:
            known = connection.scalar(select(column).where(s.plan == self.plan, s.sink == self.sink))
        return None if known is None else instant(known)

    def _note(self, name: str, value: datetime, asked: str) -> None:
        s, key, kept = schema.sinks.c, {"plan": self.plan, "sink": self.sink}, {name: naive(value)}
        with self.store.writing(asked) as connection:
            there = schema.sinks.update().where(and_(s.plan == self.plan, s.sink == self.sink))
            if not connection.execute(there.values(**kept)).rowcount:
                connection.execute(insert(schema.sinks).values(**key, **kept))
