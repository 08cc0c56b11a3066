"""What a CRM was told of each account, and what of the newest run it has not been told yet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import and_, delete, func, insert, select

import tierwise.store.schema as schema
from tierwise.clock import instant, naive
from tierwise.config.sinks_crm import as_told
from tierwise.store.deliveries import CHUNK, Answer, Delivery, Open, dead_letters
from tierwise.store.frames import text
from tierwise.store.ledger import Store
from tierwise.store.resting import OfSink

LAST, TRIED = "_last", "_tried"
"""The keys of a body under which stand what was told before, and what was offered since without a known answer."""
MOST_TRIED = 5
"""So many values of which no answer is known are kept, the newest; older ones may be taken for a person's then."""
NOTHING_WRITTEN = "nothing was written"
"""How an answer ends, where the CRM was asked to write nothing: what was offered cannot be there."""
NO_ACCOUNT = "none is ever created"
"""How the answer ends of an account that the CRM does not have: newer values change nothing about that."""
NEW: Mapping[str, Any] = {
    "told": None, "tried": "[]", "offered": "", "status": "pending", "attempts": 0, "said": "",
    "answered_at": datetime(1970, 1, 1), "next_at": None,
}  # fmt: skip
"""What there is of an account that was never offered."""


class ToldAccounts(OfSink):
    """The accounts of a plan's newest run as one CRM sink sees them: a letter for each that has something new to tell.

    Only the newest values are ever offered; an account whose values change again before they were taken is offered
    the later ones. Every method is one transaction.

    Parameters
    ----------
    rows : account_id -> its values now, as JSON values. as_of : of the run that they are of.
    stamps : values that every run changes: where nothing else did, there is nothing new to tell.
    """

    def __init__(
        self,
        store: Store,
        plan: str,
        sink: str,
        rows: Mapping[str, Mapping[str, Any]],
        as_of: datetime,
        stamps: Sequence[str] = (),
    ) -> None:
        super().__init__(store, plan, sink)
        self.rows, self.as_of, self.stamps = rows, as_of, frozenset(stamps)
        self._letters: dict[str, tuple[str, Mapping[str, Any]]] = {}
        self._given: dict[str, str] = {}

    def open(self) -> list[Open]:
        """A letter for each account that was told something else, or whose newest values were not taken yet.

        Numbers are compared as the CRM gets them; an account that it does not have is dead whatever its values are.
        """
        there, found = self._there(), []
        for account, values in sorted(self.rows.items()):
            row, key = there.get(account, NEW), self._key(account, values)
            same, told = row["offered"] == key, row["told"]
            known = told is not None and self._core(json.loads(told)) == self._core(values)
            for_good = same or row["said"].endswith(NO_ACCOUNT)
            if (known and row["status"] == "delivered") or (for_good and row["status"] == "dead"):
                continue
            self._letters[key] = (account, row)
            waits = row["next_at"] if same else None
            attempts = row["attempts"] if same else 0
            found.append(Open(key, account, self.as_of, attempts, None if waits is None else instant(waits)))
        return found

    def bodies(self, action_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """The values of accounts that are offered now, as `seen` gives them.

        That they are is kept first, as waiting for an answer: whatever happens then, what the CRM may hold of ours is
        known, and is offered again.
        """
        rows = []
        for key in action_ids:
            account, row = self._letters[key]
            tried = {"account_id": account, "tried": self._tried(row, self.rows[account]), "status": "pending"}
            anew = {} if row["offered"] == key else {"offered": key, "attempts": 0, "next_at": None, "said": ""}
            rows.append({**row, **tried, **anew})
            self._given[key] = account
        self._write(rows, f"what {self.sink} is offered was kept")
        return self.seen(action_ids)

    def seen(self, action_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """The values of accounts, with what was told before under LAST, and under TRIED what was offered since."""
        found: dict[str, Mapping[str, Any]] = {}
        for key in action_ids:
            account, row = self._letters[key]
            last = {} if row["told"] is None else {LAST: json.loads(row["told"])}
            tried = json.loads(row["tried"])
            found[key] = {**self.rows[account], **last, **({TRIED: tried} if tried else {})}
        return found

    def keep(self, answers: Sequence[Answer]) -> None:
        """Keep what became of some offers, in one transaction.

        What `bodies` gave since the last time and no answer is of was never offered, and is as it was before.
        """
        rows: list[Mapping[str, Any]] = []
        for answer in answers:
            account, row = self._letters[answer.action_id]
            self._given.pop(answer.action_id, None)
            taken, none = answer.status == "delivered", answer.said.endswith((NOTHING_WRITTEN, NO_ACCOUNT))
            tried = row["tried"] if none else self._tried(row, self.rows[account])
            rows.append(
                {
                    "account_id": account,
                    "told": text(self.rows[account]) if taken else row["told"],
                    "tried": "[]" if taken else tried,
                    "offered": answer.action_id,
                    "status": answer.status,
                    "attempts": answer.attempts,
                    "said": answer.said,
                    "answered_at": naive(answer.answered_at),
                    "next_at": None if answer.next_at is None else naive(answer.next_at),
                }
            )
        before = [{**self._letters[key][1], "account_id": account} for key, account in self._given.items()]
        gone = [row["account_id"] for row in before if row["offered"] == ""]
        rows += [row for row in before if row["offered"] != ""]
        self._write(rows, f"what {self.sink} answered was kept", gone)
        self._given.clear()

    @staticmethod
    def _tried(row: Mapping[str, Any], values: Mapping[str, Any]) -> str:
        tried = [one for one in json.loads(row["tried"]) if one != dict(values)]
        return text([*tried, dict(values)][-MOST_TRIED:])

    def _write(self, rows: Sequence[Mapping[str, Any]], asked: str, gone: Sequence[str] = ()) -> None:
        """Put rows in the place of their accounts' rows; those of accounts that are `gone` are deleted."""
        t = schema.told_accounts.c
        accounts = [*(row["account_id"] for row in rows), *gone]
        with self.store.writing(asked) as connection:
            for start in range(0, len(accounts), CHUNK):
                ids = accounts[start : start + CHUNK]
                connection.execute(delete(schema.told_accounts).where(self._mine(t.account_id.in_(ids))))
            if rows:
                connection.execute(
                    insert(schema.told_accounts), [{**row, "plan": self.plan, "sink": self.sink} for row in rows]
                )

    takes_some = False

    @staticmethod
    def approaches(body: Mapping[str, Any]) -> bool:
        """What a CRM shows of an account approaches nobody."""
        return False

    def again(self) -> int:
        """Let accounts whose newest values died be offered again; how many there were."""
        t = schema.told_accounts.c
        with self.store.writing(f"dead letters of {self.sink} were put back") as connection:
            query = self._mine(t.status == "dead")
            again = schema.told_accounts.update().where(query)
            return connection.execute(again.values(status="pending", attempts=0, next_at=None)).rowcount

    def dead(self) -> pd.DataFrame:
        """Accounts whose newest offer died, as `Deliveries.dead`."""
        t = schema.told_accounts.c
        query = (
            select(t.offered.label("action_id"), t.account_id, t.attempts, t.said, t.answered_at)
            .where(self._mine(t.status == "dead"))
            .order_by(t.answered_at, t.account_id)
        )
        return dead_letters(self.store, query)

    def counts(self) -> dict[Delivery, int]:
        """How many accounts, by what became of their newest offer."""
        t = schema.told_accounts.c
        query = select(t.status, func.count()).where(self._mine(t.status.is_not(None))).group_by(t.status)
        with self.store.reading("the deliveries were counted") as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def _there(self) -> dict[str, Mapping[str, Any]]:
        t = schema.told_accounts.c
        query = select(*(t[name] for name in ("account_id", *NEW)))
        with self.store.reading("what a sink was told was read") as connection:
            rows = connection.execute(query.where(self._mine(t.status.is_not(None)))).mappings()
            return {row["account_id"]: dict(row) for row in rows}

    def _key(self, account: str, values: Mapping[str, Any]) -> str:
        said = text([self.plan, account, self.as_of, self._core(values)])
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def _core(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return as_told({name: value for name, value in values.items() if name not in self.stamps})

    def _mine(self, further: Any) -> Any:
        t = schema.told_accounts.c
        return and_(t.plan == self.plan, t.sink == self.sink, further)
