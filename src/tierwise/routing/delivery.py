"""Delivery: each action offered to each sink until it is answered, at least once, in the order of its account.

An account's next action waits until the one before it is delivered or dead, so that a receiver never learns of a tier
before the one that it follows; other accounts do not wait for it. A letter that is refused again and again is dead
after `MOST_ATTEMPTS`, with the last reason; a receiver that is down, full or gone costs no letter an attempt, and one
that says for how long it wants to be left alone is offered nothing until then, whatever delivery comes by.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from tierwise.routing.sinks import Letter, Receipt, Sink
from tierwise.store.deliveries import Answer, Open

DELAYS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before the second offer, the third, and so on: the schedule that Standard Webhooks suggests."""
MOST_ATTEMPTS = len(DELAYS) + 1
JITTER = 0.2
"""Each delay is longer by up to this share of it, so that what failed together does not come back together."""
KEPT_EVERY = 100
"""So many offers, or one batch of a sink that takes more, are kept in one transaction: what a kill in between makes a
receiver see twice."""
PATIENCE = 20
"""So many letters refused one after the other, and the receiver is left alone until the next delivery."""
STOPPED_SECONDS = 86_400.0
"""After so long an action whose account was to be left alone is looked at again: it may be suppressed no more."""
PAUSE_SECONDS = 60.0
"""How long a receiver that did not say for how long is left alone."""


class Queue(Protocol):
    """What a sink is still owed: `store.Deliveries` of actions, `store.ToldAccounts` of accounts' newest values."""

    def open(self) -> list[Open]: ...

    def bodies(self, action_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]: ...

    def keep(self, answers: Sequence[Answer]) -> None: ...

    def approaches(self, body: Mapping[str, Any]) -> bool: ...

    def rests_until(self) -> datetime | None: ...

    def rest(self, until: datetime) -> None: ...


@dataclass
class Tally:
    """What a delivery came to: how many letters were delivered, are to be offered again, are dead, and were stopped.

    waiting: letters that were not offered: their time has not come, or one of their account's is in front of them.
    said: why the receiver was left alone, "" where it was not. dead: the letters that died, with why. noted: what there
    is to say of letters that were delivered, as of a value that a person changed in a CRM and that was kept.
    """

    delivered: int = 0
    later: int = 0
    stopped: int = 0
    waiting: int = 0
    said: str = ""
    dead: dict[str, str] = field(default_factory=dict)
    noted: dict[str, str] = field(default_factory=dict)


def delay_seconds(action_id: str, attempts: int) -> float:
    """How long after its n-th offer (n from 1) a letter waits for the next one; the same for the same letter and n."""
    digest = hashlib.sha256(f"{action_id} {attempts}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return DELAYS[min(attempts, len(DELAYS)) - 1] * (1 + JITTER * share)


def deliver(
    queue: Queue,
    sink: Sink,
    *,
    plan: str,
    clock: Callable[[], datetime],
    stops: Callable[[str], str],
) -> Tally:
    """Offer a sink all that it is owed and whose time has come, and keep what becomes of it.

    clock: gives now; asked before each offer. stops: why an account is to be left alone, "" where it is not; of those
    that are, only what approaches nobody is sent.
    """
    tally, now, until = Tally(), clock(), queue.rests_until()
    waiting = _by_account([x for x in queue.open() if not (x.stopped and x.next_at and x.next_at > now)])
    if until is not None and until > now:
        tally.said = f"it asked to be left alone until {until:%Y-%m-%d %H:%M:%S} UTC"
    run = _Run(queue, sink, plan, clock, stops, tally)
    blocked: set[str] = set()
    while not tally.said and (round_ := _heads(waiting, blocked, clock())):
        for window in _windows(round_, max(KEPT_EVERY, sink.most)):
            blocked |= run.offer(window, waiting)
            if tally.said:
                break
    tally.waiting = sum(map(len, waiting.values())) - tally.later
    return tally


def _by_account(letters: Sequence[Open]) -> dict[str, deque[Open]]:
    found: dict[str, deque[Open]] = {}
    for letter in letters:
        found.setdefault(letter.account_id, deque()).append(letter)
    return found


def _heads(waiting: Mapping[str, deque[Open]], blocked: set[str], now: datetime) -> list[Open]:
    """The first letter of each account whose time has come: those never refused first, and of these the oldest."""
    first = [letters[0] for account, letters in waiting.items() if letters and account not in blocked]
    return sorted(
        (x for x in first if x.next_at is None or x.next_at <= now), key=lambda x: (x.attempts, x.as_of, x.action_id)
    )


def _windows(letters: Sequence[Open], size: int) -> Iterator[Sequence[Open]]:
    return (letters[start : start + size] for start in range(0, len(letters), size))


@dataclass
class _Run:
    queue: Queue
    sink: Sink
    plan: str
    clock: Callable[[], datetime]
    stops: Callable[[str], str]
    tally: Tally
    refused: int = 0
    """Letters refused one after the other."""
    rests_until: datetime | None = None
    """Until when the receiver asked to be left alone."""

    def offer(self, window: Sequence[Open], waiting: Mapping[str, deque[Open]]) -> set[str]:
        """Offer a window's letters, keep the answers in one transaction, and give the accounts that must wait now."""
        bodies = self.queue.bodies([x.action_id for x in window])
        answers, offered = [], []
        for letter in window:
            body = bodies.get(letter.action_id)
            if body is None:  # withdrawn since the queue was read
                waiting[letter.account_id].popleft()
            elif self.queue.approaches(body) and (why := self.stops(letter.account_id)):
                self.tally.stopped += 1
                now = self.clock()
                again = now + timedelta(seconds=STOPPED_SECONDS)
                answers.append(Answer(letter.action_id, "stopped", letter.attempts, why, now, again))
            else:
                offered.append((letter, body))
        try:
            for part in _parts(offered, self.sink.most):
                answers += self._sent(part)
                if self.tally.said:
                    break
        finally:  # what was answered before anything unforeseen is not asked again
            self.queue.keep(answers)
            if self.rests_until is not None:
                self.queue.rest(self.rests_until)
        of = {x.action_id: x.account_id for x in window}
        for answer in answers:
            if answer.status != "pending":
                waiting[of[answer.action_id]].popleft()
        return {of[a.action_id] for a in answers if a.status == "pending"}

    def _sent(self, part: Sequence[tuple[Open, Mapping[str, Any]]]) -> list[Answer]:
        now = self.clock()
        letters = [Letter(x.action_id, self.plan, x.account_id, x.as_of, body, x.attempts + 1) for x, body in part]
        receipts = {r.letter_id: r for r in self.sink.send(letters, now)}
        return [self._answer(x, receipts[x.action_id], now) for x, _ in part]

    def _answer(self, letter: Open, receipt: Receipt, now: datetime) -> Answer:
        tried = letter.attempts + (not receipt.of_receiver)
        if receipt.outcome == "delivered":
            self.refused = 0
            self.tally.delivered += 1
            if receipt.said:
                self.tally.noted[letter.account_id] = receipt.said
            return Answer(letter.action_id, "delivered", tried, receipt.said, now)
        if receipt.outcome == "dead" or (tried >= MOST_ATTEMPTS and not receipt.of_receiver):
            said = receipt.said if receipt.outcome == "dead" else f"given up after {tried} attempts: {receipt.said}"
            self.tally.dead[letter.action_id] = said
            return Answer(letter.action_id, "dead", tried, said, now)
        self.refused += 1
        self.tally.later += 1
        pause = receipt.wait_seconds
        if receipt.of_receiver or self.refused >= PATIENCE:
            self.tally.said = receipt.said or "it refused what it was offered"
        if receipt.of_receiver:
            wait = PAUSE_SECONDS if pause is None else pause
            self.rests_until = self.rests_until if pause is None else now + timedelta(seconds=pause)
        else:
            wait = max(delay_seconds(letter.action_id, tried), pause or 0.0)
        return Answer(letter.action_id, "pending", tried, receipt.said, now, now + timedelta(seconds=wait))


def _parts(
    offered: Sequence[tuple[Open, Mapping[str, Any]]], most: int
) -> Iterator[Sequence[tuple[Open, Mapping[str, Any]]]]:
    return (offered[start : start + most] for start in range(0, len(offered), most))
