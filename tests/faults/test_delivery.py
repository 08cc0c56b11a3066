"""Fault schedules on delivery: kills at named points, a receiver that fails in every way, and a day without it.

Real SQLite, real HTTP on loopback; only the time is virtual. What must hold of each schedule: every action owed reaches
the receiver, and no other; an account's come in their order; a poison action dies, is named, and blocks nobody else;
an account suppressed meanwhile gets no approach.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import event
from standardwebhooks.webhooks import Webhook as Oracle

from letters import FIRST, PLAN, actions, commit
from receiver import Asked, Receiver, Told
from tierwise.config.sinks import WebhookSink
from tierwise.routing.delivery import MOST_ATTEMPTS, Tally, deliver
from tierwise.routing.sinks.webhook import Webhook
from tierwise.store import Deliveries, Store

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
POINTS = ("read", "offered", "keeping", "kept")
SHORT = 0.15
"""Seconds until the client gives up on a silent receiver."""


class Killed(BaseException):
    """The process ends here."""


class Dying(Deliveries):
    """Deliveries of a process that is killed at a named point, once."""

    point = ""

    def bodies(self, action_ids):  # type: ignore[no-untyped-def]
        found = super().bodies(action_ids)
        self._die("read")
        return found

    def keep(self, answers):  # type: ignore[no-untyped-def]
        self._die("offered")
        engine = self.store._engine

        def before(_connection: object) -> None:
            self._die("keeping")

        event.listen(engine, "commit", before)
        try:
            super().keep(answers)
        finally:
            event.remove(engine, "commit", before)
        self._die("kept")

    def _die(self, point: str) -> None:
        if self.point == point:
            self.point = ""
            raise Killed(point)


class Schedule:
    """One drawn world: an outbox, a receiver with moods, and kills."""

    def __init__(self, seed: int, folder: Path, receiver: Receiver) -> None:
        self.r = np.random.default_rng(seed)
        self.store = Store.open(f"sqlite:///{folder}/{seed}.db")
        self.receiver = receiver
        self.accounts = [f"a{k:02d}" for k in range(int(self.r.integers(4, 11)))]
        self.poison: set[str] = set()
        self.down_from = FIRST + timedelta(hours=float(self.r.uniform(0, 24 * 6)))
        self.suppressed = self.accounts[-1]
        self.counts: Counter[str] = Counter()
        self.now = FIRST
        self.expected: dict[str, str] = {}
        receiver.answer, receiver.asked, receiver.taken = self.answer, [], []

    def owe(self, day: int) -> None:
        chosen = [a for a in self.accounts if self.r.random() < 0.7]
        owed = actions(chosen or self.accounts[:1], day)
        if self.r.random() < 0.3:
            owed = pd.concat([owed, actions(chosen[:3], day, play="surge")], ignore_index=True)
        commit(self.store, day, owed)
        self.expected |= dict(zip(owed["action_id"], owed["account_id"], strict=True))
        if not self.poison and self.r.random() < 0.5:
            self.poison = {str(owed["action_id"].iloc[0])} - {
                i for i, a in self.expected.items() if a == self.suppressed
            }

    def answer(self, asked: Asked) -> Told:
        letter = asked.headers["webhook-id"]
        if letter in self.poison:
            return Told(500, taken=False)
        mood = self.r.random()
        kinds = {
            0.70: Told(204), 0.75: Told(500, taken=False), 0.80: Told(500), 0.84: Told(503, taken=False),
            0.88: Told(429, headers={"Retry-After": "120"}, taken=False), 0.90: Told(410, taken=False),
            0.92: Told(kind="hang"), 0.97: Told(kind="reset"), 1.0: Told(400, taken=False),
        }  # fmt: skip
        told = next(told for most, told in kinds.items() if mood <= most)
        self.counts[f"{told.kind} {told.status if told.kind == 'answer' else ''}".strip()] += 1
        return told

    def run(self) -> Tally | None:
        """One delivery; None where it was killed."""
        queue = Dying(self.store, PLAN, "sequencer")
        queue.point = str(self.r.choice(POINTS)) if self.r.random() < 0.25 else ""
        settings = WebhookSink(
            name="sequencer", kind="webhook", url=self.receiver.url, secret=SECRET, timeout_seconds=SHORT
        )
        stops = {self.suppressed: "suppressed since: opt out"}
        try:
            with closing(Webhook(settings)) as sink:
                return deliver(queue, sink, plan=PLAN, clock=lambda: self.now, stops=stops)
        except Killed as killed:
            self.counts[f"killed: {killed}"] += 1
            return None

    def play(self) -> None:
        """Five days that owe something, a day without a receiver, then on until nothing waits."""
        for day in range(40):
            if day < 5:
                self.owe(day)
            for _ in range(6):
                self._stand_in_its_day()
                self.run()
                self.now += timedelta(hours=4)
            if day >= 5 and all(x.stopped for x in Deliveries(self.store, PLAN, "sequencer").open()):
                return
        raise AssertionError("something waits for ever")

    def _stand_in_its_day(self) -> None:
        down = self.down_from <= self.now < self.down_from + timedelta(days=1)
        if down and self.receiver.server is not None:
            self.receiver.stop()
            self.counts["a day down"] += 1
        if not down and self.receiver.server is None:
            self.receiver.start()

    def judge(self) -> None:
        queue = Deliveries(self.store, PLAN, "sequencer")
        dead = queue.dead()
        taken = [asked.headers["webhook-id"] for asked in self.receiver.taken]
        for asked in self.receiver.asked:
            Oracle(SECRET).verify(asked.body, _within_tolerance(asked))
            assert json.loads(asked.body)["data"]["action_id"] == asked.headers["webhook-id"]
        left = {i for i, a in self.expected.items() if a == self.suppressed}
        assert set(dead["action_id"]) == self.poison - left
        assert (dead["attempts"] == MOST_ATTEMPTS).all()
        assert dead["said"].str.startswith(f"given up after {MOST_ATTEMPTS} attempts: it answered 500").all()
        assert set(taken) == set(self.expected) - left - self.poison
        counts = queue.counts()
        assert counts.get("stopped", 0) == len(left)
        assert counts.get("delivered", 0) == len(set(taken))
        self._judge_order(taken)
        self.counts.update(owed=len(self.expected), taken=len(set(taken)), copies=len(taken) - len(set(taken)))
        self.counts.update(dead=len(dead), stopped=len(left))

    def _judge_order(self, taken: list[str]) -> None:
        """By the first copies, and by the last ones: a copy of an older action never comes after a newer one's."""
        place = {row.action_id: (row.as_of, row.action_id) for row in self.store.outbox(PLAN).itertuples()}
        by_account: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        for letter in taken:
            by_account[self.expected[letter]].append(place[letter])
        for came in by_account.values():
            assert came == sorted(came)


def _within_tolerance(asked: Asked) -> dict[str, str]:
    """The headers as they were, their signature checked at the virtual time: the oracle reads the wall clock."""
    sent_at = int(asked.headers["webhook-timestamp"])
    now = datetime.now(tz=FIRST.tzinfo)
    resigned = Oracle(SECRET).sign(asked.headers["webhook-id"], now, asked.body.decode())
    original = Oracle(SECRET).sign(
        asked.headers["webhook-id"], datetime.fromtimestamp(sent_at, tz=FIRST.tzinfo), asked.body.decode()
    )
    assert asked.headers["webhook-signature"] == original
    return {**asked.headers, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": resigned}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as opened:
        yield opened


def schedules(seeds: range, folder: Path, receiver: Receiver) -> Counter[str]:
    """Play and judge each, and count what happened in all."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        schedule = Schedule(seed, folder, receiver)
        schedule.play()
        schedule.judge()
        schedule.store.close()
        counts += schedule.counts
    assert {"reset", "hang", "answer 429", "answer 410", "answer 500", "a day down"} <= set(counts)
    return counts


def test_schedules_lose_nothing_and_block_nobody(tmp_path: Path, receiver: Receiver) -> None:
    counts = schedules(range(8), tmp_path, receiver)
    assert counts["taken"] > 100


@pytest.mark.long
def test_300_schedules_lose_nothing_and_block_nobody(
    tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = schedules(range(100, 400), tmp_path, receiver)
    assert {f"killed: {point}" for point in POINTS} <= set(counts)
    with capsys.disabled():
        print(f"\n300 schedules: {', '.join(f'{name} {n:,}' for name, n in sorted(counts.items()))}")
