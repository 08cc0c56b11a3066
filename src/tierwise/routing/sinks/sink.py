"""What every sink takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, Protocol

Outcome = Literal["delivered", "later", "dead"]
MOST_HALVES = 40
"""So many requests more, at the most, find which of the letters of one request are refused."""


@dataclass(frozen=True)
class Letter:
    """One action, or one account's new values, on its way to one sink.

    letter_id: the same whenever it is sent again, so that a receiver knows a second copy; of an action, its action_id.
    body: JSON values; of an action, its payload. attempt: from 1.
    """

    letter_id: str
    plan: str
    account_id: str
    as_of: datetime
    body: Mapping[str, Any]
    attempt: int = 1


@dataclass(frozen=True)
class Receipt:
    """What became of a letter.

    outcome: `delivered`: the receiver has it; `later`: it may have it or not, and is to be asked again; `dead`: it will
    never take this letter. said: why, in words for a person, without secrets. wait_seconds: how long the receiver asked
    to be left alone; None where it did not ask. of_receiver: whether it says something of the receiver and nothing of
    this letter (it is down, full, gone, or refuses our credentials): nothing more is offered to it for now, and the
    letter does not count as tried. of_content: whether the receiver read what it was sent and refused that, so that of
    letters that went together one may be refused and the others not. may_have: whether the receiver may have it all the
    same, from an earlier request of this offer.
    """

    letter_id: str
    outcome: Outcome
    said: str = ""
    wait_seconds: float | None = None
    of_receiver: bool = False
    of_content: bool = False
    may_have: bool = False


class Sink(Protocol):
    """A place that takes letters, at least once.

    name: as tierwise.yaml calls it. most: so many letters at once, no two of one account but for what watches others.
    """

    @property
    def name(self) -> str: ...

    @property
    def most(self) -> int: ...

    def send(self, letters: Sequence[Letter], at: datetime) -> Sequence[Receipt]:
        """Offer letters, and say what became of each, in their order; never raises for what a receiver does.

        at: now, as the receiver is told it.
        """
        ...

    def check(self) -> Sequence[str]:
        """What is wrong with the settings, asked of the receiver without changing anything; empty: nothing."""
        ...

    def close(self) -> None:
        """Let go of its connections."""
        ...


def in_halves(letters: Sequence[Letter], offer: Callable[[Sequence[Letter]], Sequence[Receipt]]) -> list[Receipt]:
    """Offer letters together, and those refused for their content in halves, until what is refused stands alone.

    offer: one request, whose receipts are alike but for their letters. After `MOST_HALVES` requests more, those still
    refused together are to be offered again later; once one answer is of the receiver, the rest gets it unasked. The
    receipts have the letters' order.
    """
    found: dict[str, Receipt] = {}
    groups, left, gone = [letters], 1 + MOST_HALVES, None
    while groups:
        group = groups.pop()
        if gone is not None:
            found |= {x.letter_id: replace(gone, letter_id=x.letter_id, may_have=True) for x in group}
            continue
        if left == 0:
            continue
        left, receipts = left - 1, offer(group)
        found |= {r.letter_id: replace(r, may_have=r.letter_id in found) for r in receipts}
        if receipts[0].of_receiver:
            gone = receipts[0]
        elif receipts[0].of_content and len(group) > 1:
            found |= {r.letter_id: replace(r, outcome="later") for r in receipts}
            half = len(group) // 2
            groups += [group[half:], group[:half]]
    return [found[x.letter_id] for x in letters]
