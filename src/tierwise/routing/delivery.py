"""Delivery: each action offered to each sink until it is answered, at least once, in the order of its account.

An account's next action waits until the one before it is delivered or dead, so that a receiver never learns of a tier
before the one that it follows; other accounts do not wait for it. A letter that is refused again and again is dead
after `MOST_ATTEMPTS`, with the last reason; a receiver that is down, full or gone costs no letter an attempt, and one
that says for how long it wants to be left alone is offered nothing until then, whatever delivery comes by.

An action that is owed only where another is overdue stands beside this order. It waits for its hour and until the one
that it watches is delivered or dead, holds back no other, and is looked at once what was done is known up to that hour:
was that one done, it is met, and never offered. Once the receiver may have it, it is offered until it is answered,
whatever was done meanwhile: that it is offered is kept before it is.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from tierwise.routing.deadlines import hour_anew
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
OFFERED = "offered, and no answer is known yet"
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

    @property
    def takes_some(self) -> bool: ...

    def rests_until(self) -> datetime | None: ...

    def rest(self, until: datetime) -> None: ...


@dataclass(frozen=True)
class Watch:
    """What is known of what some actions watch.

    done: of some of them, by their own ids, why they are not needed; those that are needed are not there. known_to: up
    to when it is known what was done; None: it is not known at all. because: what holds that back, `""`: nothing.
    """

    done: Callable[[Sequence[Open]], Mapping[str, str]]
    known_to: datetime | None
    because: str = ""

    def knows(self, letter: Open) -> bool:
        """Whether what must be known of a letter is (`is_known`)."""
        return is_known(letter, self.known_to)


def is_known(letter: Open, known_to: datetime | None) -> bool:
    """Whether what must be known of a letter is: what was done up to its hour, where that is known up to an instant
    (None: not at all); nothing of one without an hour, nor of one that was offered, which the receiver may have."""
    return letter.not_before is None or letter.attempts > 0 or (known_to is not None and letter.not_before <= known_to)


NOTHING_KNOWN = Watch(lambda letters: {}, None)


@dataclass
class Tally:
    """What a delivery came to: how many letters were delivered, are to be offered again, are dead, and were stopped.

    waiting: letters that were not offered: their time has not come, or one of their account's is in front of them.
    met: actions that were owed only where another is overdue, and that one was done. not_yet: those of them whose hour
    has not come. unknown: those whose hour has, and up to which it is not known what sellers did; known_to: up to when
    it is, None where nothing is known; because: what holds that back, `""` where nothing does.
    said: why the receiver was left alone, "" where it was not. dead: the letters that died, with why. noted: what there
    is to say of letters that were delivered, as of a value that a person changed in a CRM and that was kept.
    """

    delivered: int = 0
    later: int = 0
    stopped: int = 0
    waiting: int = 0
    met: int = 0
    not_yet: int = 0
    unknown: int = 0
    known_to: datetime | None = None
    because: str = ""
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
    watch: Watch = NOTHING_KNOWN,
) -> Tally:
    """Offer a sink all that it is owed and whose time has come, and keep what becomes of it.

    clock: gives now; asked before each offer. stops: why an account is to be left alone, "" where it is not; of those
    that are, only what approaches nobody is sent. watch: what is known of what some actions watch; those whose hour
    that does not reach wait.
    """
    tally, now, until = Tally(known_to=watch.known_to, because=watch.because), clock(), queue.rests_until()
    letters = open_letters(queue)
    stopped = {x.action_id for x in letters if x.stopped and x.next_at and x.next_at > now}
    waiting = _lanes([x for x in letters if x.action_id not in stopped])
    if until is not None and until > now:
        tally.said = f"it asked to be left alone until {until:%Y-%m-%d %H:%M:%S} UTC"
    run = _Run(queue, sink, plan, clock, stops, watch, tally, stopped)
    blocked: set[str] = set()
    while not tally.said and (round_ := run.heads(waiting, blocked)):
        for window in _windows(round_, max(KEPT_EVERY, sink.most)):
            blocked |= run.offer(window, waiting)
            if tally.said:
                break
    left = [x for lane in waiting.values() for x in lane]
    now = clock()
    tally.not_yet = not_yet(left, now)
    tally.unknown = sum(not watch.knows(x) and not _early(x, now) for x in left)
    tally.waiting = len(left) - tally.later - tally.not_yet - tally.unknown
    return tally


def open_letters(queue: Queue) -> list[Open]:
    """What a queue has open, each at its hour: where what it watches was delivered only after it was due, the whole
    time of that, counted from then on the clock by which it was due, and the hours past it."""
    return [_at_its_hour(x) for x in queue.open()]


def _at_its_hour(letter: Open) -> Open:
    late = letter.late
    return letter if late is None else replace(letter, not_before=hour_anew(late.terms, late.told_at), late=None)


def not_yet(letters: Sequence[Open], now: datetime) -> int:
    """How many letters wait for the hour at which another action is overdue."""
    return sum(_early(x, now) for x in letters)


def _early(letter: Open, now: datetime) -> bool:
    return letter.not_before is not None and letter.not_before > now


def _lane(letter: Open) -> str:
    """What it must keep its place in: its account's letters, or, where it watches another, itself alone."""
    return f"overdue {letter.action_id}" if letter.overdue_of else f"account {letter.account_id}"


def _lanes(letters: Sequence[Open]) -> dict[str, deque[Open]]:
    found: dict[str, deque[Open]] = {}
    for letter in letters:
        found.setdefault(_lane(letter), deque()).append(letter)
    return found


def _windows(letters: Sequence[Open], size: int) -> Iterator[Sequence[Open]]:
    return (letters[start : start + size] for start in range(0, len(letters), size))


@dataclass
class _Run:
    queue: Queue
    sink: Sink
    plan: str
    clock: Callable[[], datetime]
    stops: Callable[[str], str]
    watch: Watch
    tally: Tally
    stopped: set[str]
    """The ids of actions that are not offered now, as their account is to be left alone."""
    went: set[str] = field(default_factory=set)
    """The ids of what was delivered now; what watches it is for the next delivery, which knows when that was."""
    refused: int = 0
    """Letters refused one after the other."""
    rests_until: datetime | None = None
    """Until when the receiver asked to be left alone."""

    def heads(self, waiting: Mapping[str, deque[Open]], blocked: set[str]) -> list[Open]:
        """The first letter of each lane whose time has come: those never refused first, and of these the oldest."""
        now = self.clock()
        first = [letters[0] for lane, letters in waiting.items() if letters and lane not in blocked]
        ready = [x for x in first if x.is_due(now)]
        if any(x.overdue_of for x in ready):
            ahead = self.went | {x.action_id for letters in waiting.values() for x in letters}
            ready = [
                x
                for x in ready
                if not x.overdue_of or (self.watch.knows(x) and x.overdue_of not in ahead and self._somebody_has(x))
            ]
        return sorted(ready, key=lambda x: (x.attempts, x.as_of, x.not_before or x.as_of, x.action_id))

    def offer(self, window: Sequence[Open], waiting: Mapping[str, deque[Open]]) -> set[str]:
        """Offer a window's letters, keep the answers in one transaction, and give the lanes that must wait now."""
        bodies = self.queue.bodies([x.action_id for x in window])
        unasked = [x for x in window if x.overdue_of and not x.attempts]
        done = self.watch.done(unasked) if unasked else {}
        answers, offered = [], []
        for letter in window:
            body = bodies.get(letter.action_id)
            if body is None:  # withdrawn since the queue was read
                waiting[_lane(letter)].popleft()
            elif letter.action_id in done:
                self.tally.met += 1
                answers.append(Answer(letter.action_id, "met", letter.attempts, done[letter.action_id], self.clock()))
            elif self.queue.approaches(body) and (why := self._stops(letter)):
                self.tally.stopped += 1
                self.stopped.add(letter.action_id)
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
        of = {x.action_id: _lane(x) for x in window}
        for answer in answers:
            if answer.status != "pending":
                waiting[of[answer.action_id]].popleft()
        return {of[a.action_id] for a in answers if a.status == "pending"}

    def _somebody_has(self, letter: Open) -> bool:
        """Whether what a letter watches went out, or never will from here: what nobody was told of is not overdue."""
        return letter.told or not self.queue.takes_some

    def _stops(self, letter: Open) -> str:
        """Why a letter is not to be offered now; `""`: it may be."""
        why = self.stops(letter.account_id)
        return why or ("what it watches was stopped" if letter.overdue_of in self.stopped else "")

    def _sent(self, part: Sequence[tuple[Open, Mapping[str, Any]]]) -> list[Answer]:
        now = self.clock()
        first = [x.action_id for x, _ in part if x.overdue_of and not x.attempts]
        if first:
            self.queue.keep([Answer(action_id, "pending", 1, OFFERED, now) for action_id in first])
        letters = [Letter(x.action_id, self.plan, x.account_id, x.as_of, body, x.attempts + 1) for x, body in part]
        receipts = {r.letter_id: r for r in self.sink.send(letters, now)}
        return [self._answer(x, receipts[x.action_id], now) for x, _ in part]

    def _answer(self, letter: Open, receipt: Receipt, now: datetime) -> Answer:
        had = bool(letter.overdue_of) and receipt.may_have
        tried = max(letter.attempts + (not receipt.of_receiver), int(had))
        if receipt.outcome == "delivered":
            self.refused = 0
            self.tally.delivered += 1
            self.went.add(letter.action_id)
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
