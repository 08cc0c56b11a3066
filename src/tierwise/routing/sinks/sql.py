"""Actions as rows of one table of an SQL database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tierwise.clock import naive
from tierwise.config.sinks import SqlSink
from tierwise.errors import EnvironmentFault
from tierwise.plain import plain
from tierwise.routing.sinks.sink import Letter, Receipt
from tierwise.store.handover import hand_over, lacking

TOLD = ("play", "owner", "tier", "message")


def row(letter: Letter) -> dict[str, Any]:
    """An action as a row; `payload` is all of it, as actions.jsonl has it."""
    due = letter.body.get("due_at")
    return {
        "action_id": letter.letter_id,
        "plan": letter.plan,
        "account_id": letter.account_id,
        "as_of": naive(letter.as_of),
        **{name: letter.body.get(name) for name in TOLD},
        "due_at": None if due is None else naive(datetime.fromisoformat(due)),
        "payload": json.dumps(plain(letter.body), ensure_ascii=False, allow_nan=False),
    }


class Sql:
    """A table that another program reads; an action is in it once, however often it is sent."""

    most = 500

    def __init__(self, settings: SqlSink) -> None:
        self.settings, self.name = settings, settings.name

    def send(self, letters: Sequence[Letter], at: datetime) -> Sequence[Receipt]:
        try:
            refused = hand_over(self.settings.url, self.settings.table, [row(letter) for letter in letters])
        except EnvironmentFault as error:
            return [Receipt(x.letter_id, "later", error.found, of_receiver=True) for x in letters]
        words = f"the table {self.settings.table} refused its row: "
        return [
            Receipt(x.letter_id, "later", words + refused[x.letter_id], of_content=True)
            if x.letter_id in refused
            else Receipt(x.letter_id, "delivered")
            for x in letters
        ]

    def check(self) -> Sequence[str]:
        """Whether the database answers, and the table, where there is one, has the columns."""
        try:
            absent = lacking(self.settings.url, self.settings.table)
        except EnvironmentFault as error:
            return (error.found,)
        return (f"{self.settings.table} lacks the column {', '.join(absent)}",) if absent else ()

    def close(self) -> None:
        """Nothing is held open."""
