"""Fault schedules on delivery: kills at named points, a receiver that fails in every way, and a day without it.

Real SQLite, real HTTP on loopback; only the time is virtual. What must hold of each schedule: every action owed reaches
the receiver, and no other; an account's come in their order; a poison action dies, is named, and blocks nobody else;
an account suppressed meanwhile gets no approach. An action that watches another comes after it and not before its
hour, is met or comes but never both, and holds back nothing.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import event, select
from standardwebhooks.webhooks import Webhook as Oracle

import tierwise.store.schema as schema
from letters import FIRST, PLAN, TIME, actions, commit, over, watching
from receiver import Asked, Receiver, Told
from tierwise.clock import instant
from tierwise.config.sinks import SlackSink, WebhookSink
from tierwise.routing.delivery import MOST_ATTEMPTS, PATIENCE, Queue, Tally, Watch, deliver
from tierwise.routing.sinks import Letter
from tierwise.routing.sinks.slack import Slack
from tierwise.routing.sinks.told import told
from tierwise.routing.sinks.webhook import Webhook
from tierwise.store import Deliveries, Store
from tierwise.store.deliveries import Open

Done = Callable[[Sequence[Open]], dict[str, str]]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KINDS = ("webhook", "slack")
"""An action a request, and some together."""
POINTS = ("read", "offered", "keeping", "kept")
SHORT = 0.5
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

    def __init__(self, seed: int, folder: Path, receiver: Receiver, kind: str = "webhook") -> None:
        self.kind, self.lines = kind, {}  # type: ignore[var-annotated]
        self.r = np.random.default_rng(seed)
        self.store = Store.open(f"sqlite:///{folder}/{seed}.db")
        self.receiver = receiver
        self.accounts = [f"a{k:02d}" for k in range(int(self.r.integers(4, 11)))]
        self.poison: set[str] = set()
        self.down_from = FIRST + timedelta(hours=float(self.r.uniform(0, 24 * 6)))
        self.suppressed = self.accounts[-1]
        self.watching: dict[str, dict] = {}  # type: ignore[type-arg]
        self.touched = self._touched()
        self.cleared: dict[str, datetime] = {}
        self.came: list[tuple[str, datetime]] = []
        self.counts: Counter[str] = Counter()
        self.now = FIRST
        self.expected: dict[str, str] = {}
        receiver.answer, receiver.asked, receiver.taken = self.answer, [], []

    def _touched(self) -> dict[str, datetime]:
        """When a seller is at an account; at some, and at the suppressed one, nobody ever is."""
        days = self.r.uniform(0, 9, len(self.accounts))
        there = self.r.random(len(self.accounts)) < 0.6
        found = zip(self.accounts[:-1], days, there, strict=False)
        return {a: FIRST + timedelta(days=float(d)) for a, d, is_there in found if is_there}

    def done(self, letters: Sequence[Open]) -> dict[str, str]:
        """What is done by now of what some actions watch; when an action was told that it is not is kept."""
        found = {}
        for one in letters:
            at = self.touched.get(one.account_id)
            if at is not None and one.as_of <= at <= self.now:
                found[one.action_id] = f"not needed: a seller was there on {at}"
            else:
                self.cleared[one.action_id] = self.now
        return found

    def owe(self, day: int) -> None:
        chosen = [a for a in self.accounts if self.r.random() < 0.7]
        owed = actions(chosen or self.accounts[:1], day)
        if self.r.random() < 0.3:
            owed = pd.concat([owed, actions(chosen[:3], day, play="surge")], ignore_index=True)
        watched = owed
        for play, hours in (("reminder", 0), ("escalation", 8)):
            further = watching(watched[self.r.random(len(watched)) < 0.5], day, play, hours)
            self.watching |= {row["action_id"]: row for row in further.to_dict("records")}
            owed = pd.concat([owed, further], ignore_index=True)
        commit(self.store, day, owed)
        self.expected |= dict(zip(owed["action_id"], owed["account_id"], strict=True))
        for row in self.store.outbox(PLAN, None).itertuples():
            self.lines[told(Letter(row.action_id, PLAN, row.account_id, row.as_of, row.payload))] = row.action_id
        if not self.poison and self.r.random() < 0.5:
            self.poison = {str(owed["action_id"].iloc[0])} - {
                i for i, a in self.expected.items() if a == self.suppressed
            }
            today = self.watching.keys() & set(owed["action_id"])
            never = [i for i in today if self.watching[i]["account_id"] not in self.touched]
            left = {i for i in never if self.expected[i] != self.suppressed}
            self.poison |= set(sorted(left)[:1]) if self.r.random() < 0.5 else set()

    def letters(self, asked: Asked) -> list[str]:
        """The ids of the actions in one request; a message in Slack's form has their lines."""
        if self.kind == "webhook":
            return [asked.headers["webhook-id"]]
        return [self.lines[line] for line in json.loads(asked.body)["text"].split("\n")]

    def sink(self) -> Webhook | Slack:
        url = self.receiver.url
        if self.kind == "webhook":
            return Webhook(WebhookSink(name="sequencer", kind="webhook", url=url, secret=SECRET, timeout_seconds=SHORT))
        return Slack(SlackSink(name="sequencer", kind="slack", url=url, timeout_seconds=SHORT))

    def answer(self, asked: Asked) -> Told:
        came = [(letter, self.now) for letter in self.letters(asked)]
        if self.poison & set(self.letters(asked)):
            self.came += came
            return Told(500, taken=False)
        mood = self.r.random()
        kinds = {
            0.70: Told(204), 0.75: Told(500, taken=False), 0.80: Told(500), 0.84: Told(503, taken=False),
            0.88: Told(429, headers={"Retry-After": "120"}, taken=False), 0.90: Told(410, taken=False),
            0.92: Told(kind="hang"), 0.97: Told(kind="reset"), 1.0: Told(400, taken=False),
        }  # fmt: skip
        said = next(said for most, said in kinds.items() if mood <= most)
        if said.status not in (410, 429):  # these say that the receiver does not have it
            self.came += came
        self.counts[f"{said.kind} {said.status if said.kind == 'answer' else ''}".strip()] += 1
        return said

    def run(self) -> Tally | None:
        """One delivery; None where it was killed."""
        queue = Dying(self.store, PLAN, "sequencer")
        queue.point = str(self.r.choice(POINTS)) if self.r.random() < 0.25 else ""
        stops = {self.suppressed: "suppressed since: opt out"}
        try:
            with closing(self.sink()) as sink:
                return deliver(
                    queue,
                    sink,
                    plan=PLAN,
                    clock=lambda: self.now,
                    stops=lambda a: stops.get(a, ""),
                    watch=Watch(self.done, self.now),
                )
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
        outbox = self.store.outbox(PLAN).itertuples()
        self.place = {row.action_id: (instant(row.as_of), row.action_id) for row in outbox}
        taken = [letter for asked in self.receiver.taken for letter in self.letters(asked)]
        for asked in self.receiver.asked if self.kind == "webhook" else ():
            Oracle(SECRET).verify(asked.body, _within_tolerance(asked))
            assert json.loads(asked.body)["data"]["action_id"] == asked.headers["webhook-id"]
        left = {i for i, a in self.expected.items() if a == self.suppressed}
        assert set(dead["action_id"]) == self.poison - left
        assert (dead["attempts"] == MOST_ATTEMPTS).all()
        assert dead["said"].str.startswith(f"given up after {MOST_ATTEMPTS} attempts: it ").all(), (
            "500, or too late on a busy machine"
        )
        met = self._judge_watching(set(taken), set(dead["action_id"]))
        assert set(taken) == set(self.expected) - left - self.poison - met
        counts = queue.counts()
        assert counts.get("met", 0) == len(met)
        assert counts.get("stopped", 0) == len(left)
        assert counts.get("delivered", 0) == len(set(taken))
        self._judge_order(taken)
        self.counts.update(owed=len(self.expected), taken=len(set(taken)), copies=len(taken) - len(set(taken)))
        self.counts.update(dead=len(dead), stopped=len(left), met=len(met), watching=len(self.watching))
        self.counts.update(watching_taken=len(set(taken) & set(self.watching)))

    def _judge_watching(self, taken: set[str], dead: set[str]) -> set[str]:
        """The actions that were met, of those that watch others: as what was done says, and never offered.

        What nobody was at is sent; what somebody was at before its hour is not; in between it depends on the receiver.
        """
        first: dict[str, datetime] = {}
        for letter, at in self.came:
            first.setdefault(letter, at)
        table = schema.deliveries.c
        with self.store.reading("the test looks") as connection:
            query = select(table.action_id).where(table.status == "met")
            met = set(connection.scalars(query))
            query = select(table.action_id, table.answered_at).where(table.status == "delivered")
            delivered_at = {action_id: instant(at) for action_id, at in connection.execute(query)}
        assert met <= set(self.watching)
        assert not met & (taken | dead | set(first))
        for letter, row in self.watching.items():
            at, hour = self.touched.get(row["account_id"]), instant(row["not_before"])
            if (told_at := delivered_at.get(row["overdue_of"])) and told_at > instant(row["due_at"]):
                hour = over(told_at, TIME + (8 if row["play"] == "escalation" else 0))
                self.counts["watching a late one"] += 1
            is_done = at is not None and at >= self.place[letter][0]
            if row["account_id"] == self.suppressed:
                assert letter not in first
                continue
            if not is_done:
                assert letter in taken | dead
            elif at is not None and at <= hour:
                assert letter in met
            if letter in first:
                assert first[letter] >= hour
                assert self.cleared[letter] >= hour, "it was asked at its hour or later, and was not done"
                assert not is_done or (at is not None and self.cleared[letter] < at)
            if row["overdue_of"] in taken and letter in first:
                assert first[row["overdue_of"]] <= first[letter]
        return met

    def _judge_order(self, taken: list[str]) -> None:
        """By the first copies, and by the last ones: a copy of an older action never comes after a newer one's."""
        by_account: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        for letter in (one for one in taken if one not in self.watching):
            by_account[self.expected[letter]].append(self.place[letter])
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
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/one.db") as opened:
        yield opened


def nobody(letters: Sequence[Open]) -> dict[str, str]:
    return {}


def all_done(letters: Sequence[Open]) -> dict[str, str]:
    return {x.action_id: "seen" for x in letters}


def delivered(
    queue: Queue,
    receiver: Receiver,
    now: datetime,
    done: Done = nobody,
    known_to: datetime | None = None,
    stopped: str = "",
) -> Tally:
    settings, why = WebhookSink(name="sequencer", kind="webhook", url=receiver.url, secret=SECRET), {stopped: "opt out"}
    watch = Watch(done, known_to or now)
    with closing(Webhook(settings)) as sink:
        return deliver(queue, sink, plan=PLAN, clock=lambda: now, stops=lambda a: why.get(a, ""), watch=watch)


def owing(store: Store, accounts: int) -> Deliveries:
    commit(store, 0, actions([f"a{k:02d}" for k in range(accounts)], 0))
    return Deliveries(store, PLAN, "sequencer")


def test_a_receiver_that_refuses_one_after_the_other_is_left_alone(store: Store, receiver: Receiver) -> None:
    queue = owing(store, 50)
    receiver.answer = lambda asked: Told(400)
    tally = delivered(queue, receiver, FIRST)
    assert PATIENCE == 20
    assert (len(receiver.asked), tally.later, tally.waiting) == (20, 20, 30)
    assert tally.said == "it answered 400"
    assert sorted(x.attempts for x in queue.open()) == [0] * 30 + [1] * 20
    receiver.answer = lambda asked: Told(400) if len(receiver.asked) % 2 else Told(204)
    assert delivered(queue, receiver, FIRST).said == "", "those that are taken in between begin the count anew"


def test_a_receiver_that_asks_for_an_hour_gets_an_hour(store: Store, receiver: Receiver) -> None:
    queue = owing(store, 30)
    receiver.answer = lambda asked: Told(429, headers={"Retry-After": "3600"}, taken=False)
    for minute in range(60):
        tally = delivered(Deliveries(store, PLAN, "sequencer"), receiver, FIRST + timedelta(minutes=minute))
        assert (tally.delivered, tally.later + tally.waiting) == (0, 30)
        assert tally.said
    assert len(receiver.asked) == 1
    assert tally.said == "it asked to be left alone until 2026-01-05 01:00:00 UTC"
    assert [x.next_at for x in queue.open() if x.next_at] == [FIRST + timedelta(hours=1)]
    other = Deliveries(store, PLAN, "other")
    assert other.rests_until() is None, "it is of this sink alone"
    assert other.begins_at(FIRST, keep=True) == queue.begins_at(FIRST, keep=True) == FIRST
    assert queue.begins_at(FIRST + timedelta(days=1), keep=True) == FIRST
    assert queue.rests_until() == FIRST + timedelta(hours=1)
    receiver.answer = lambda asked: Told(204)
    assert delivered(queue, receiver, FIRST + timedelta(hours=1)).delivered == 30


def test_a_letter_waits_as_long_as_its_answer_asked(store: Store, receiver: Receiver) -> None:
    queue = owing(store, 3)
    receiver.answer = lambda asked: Told(500, headers={"Retry-After": "7200"})
    delivered(queue, receiver, FIRST)
    assert {x.next_at for x in queue.open()} == {FIRST + timedelta(hours=2)}
    assert queue.rests_until() is None, "it asked for these letters, and took no rest"


def test_what_a_receiver_does_that_nobody_foresaw_loses_no_answer(store: Store, receiver: Receiver) -> None:
    queue = owing(store, 5)

    class Breaking(Webhook):
        def send(self, letters, at):  # type: ignore[no-untyped-def]
            if len(receiver.asked) == 3:
                raise RuntimeError("nobody foresaw it")
            return super().send(letters, at)

    settings = WebhookSink(name="sequencer", kind="webhook", url=receiver.url, secret=SECRET)
    with closing(Breaking(settings)) as sink, pytest.raises(RuntimeError, match="nobody foresaw it"):
        deliver(queue, sink, plan=PLAN, clock=lambda: FIRST, stops=lambda account: "")
    assert queue.counts() == {"delivered": 3}
    delivered(queue, receiver, FIRST)
    assert len(receiver.asked) == 5


def test_what_is_withdrawn_during_a_delivery_is_not_sent(store: Store, receiver: Receiver) -> None:
    owing(store, 3)

    class Overtaken(Deliveries):
        def open(self):  # type: ignore[no-untyped-def]
            found = super().open()
            commit(store, 1, actions(["a01"], 1), tiers={"a01": "tier_1", "a02": "suppress"})
            return found

    tally = delivered(Overtaken(store, PLAN, "sequencer"), receiver, FIRST)
    taken = {json.loads(asked.body)["data"]["account_id"] for asked in receiver.asked}
    assert (taken, tally.delivered, tally.waiting, tally.later) == ({"a00", "a01"}, 2, 0, 0)
    assert store.outbox(PLAN, "withdrawn")["account_id"].tolist() == ["a02"]


def test_a_receiver_that_never_had_it_is_spared_it_once_it_is_done(store: Store, receiver: Receiver) -> None:
    first = actions(["a00", "a01", "a02"], 0)
    commit(store, 0, pd.concat([first, watching(first, 0, "escalation", 8)], ignore_index=True))
    queue, hour = Deliveries(store, PLAN, "sequencer"), FIRST + timedelta(days=2, hours=8)
    delivered(queue, receiver, FIRST)
    receiver.stop()
    assert delivered(queue, receiver, hour).later == 1
    receiver.start()
    receiver.answer = lambda asked: Told(429, headers={"Retry-After": "60"}, taken=False)
    assert delivered(queue, receiver, hour + timedelta(hours=1)).later == 1
    receiver.answer = lambda asked: Told(204)
    seen = delivered(queue, receiver, hour + timedelta(hours=2), all_done)
    assert (seen.met, seen.delivered, queue.watching()) == (3, 0, {"met": 3})


def test_what_nobody_was_told_of_is_not_overdue(store: Store, receiver: Receiver) -> None:
    """A sink that takes escalations alone waits until another one has delivered what they watch."""
    first = actions(["a00", "a01"], 0)
    commit(store, 0, pd.concat([first, watching(first, 0, "escalation", 8)], ignore_index=True))
    hour = FIRST + timedelta(days=2, hours=8)
    above = Deliveries(store, PLAN, "manager", ("escalation",))
    tally = delivered(above, receiver, hour)
    assert (tally.delivered, tally.waiting) == (0, 2)
    assert delivered(Deliveries(store, PLAN, "sequencer"), receiver, FIRST).delivered == 2
    assert delivered(above, receiver, hour).delivered == 2
    late = Deliveries(store, PLAN, "late")
    assert delivered(late, receiver, hour).delivered == 2, "by its own delivery, which came too late,"
    assert delivered(late, receiver, hour + timedelta(hours=1)).not_yet == 2, "its time begins anew"


def test_what_died_at_a_sink_of_some_plays_is_escalated_there(store: Store, receiver: Receiver) -> None:
    first = actions(["a00"], 0)
    commit(store, 0, pd.concat([first, watching(first, 0, "escalation", 8)], ignore_index=True))
    queue = Deliveries(store, PLAN, "sales", (str(first["play"].iloc[0]), "escalation"))
    receiver.answer = lambda asked: Told(413, taken=False)
    assert len(delivered(queue, receiver, FIRST).dead) == 1
    receiver.answer = lambda asked: Told(204)
    assert delivered(queue, receiver, FIRST + timedelta(days=2, hours=8)).delivered == 1


def test_what_died_at_another_sink_is_escalated_where_escalations_alone_are_taken(
    store: Store, receiver: Receiver
) -> None:
    first = actions(["a00"], 0)
    commit(store, 0, pd.concat([first, watching(first, 0, "escalation", 8)], ignore_index=True))
    work, above = (
        Deliveries(store, PLAN, name, (play,)) for name, play in (("a", first["play"][0]), ("b", "escalation"))
    )
    receiver.answer = lambda asked: Told(413, taken=False)
    assert len(delivered(work, receiver, FIRST).dead) == 1
    receiver.answer = lambda asked: Told(204)
    assert delivered(above, receiver, FIRST + timedelta(days=2, hours=8)).delivered == 1


def test_what_was_offered_waits_for_no_more_to_be_known(store: Store, receiver: Receiver) -> None:
    """A channel fell silent since: what the receiver may have is offered until it is answered all the same."""
    first = actions(["a00", "a01"], 0)
    commit(store, 0, pd.concat([first, watching(first, 0, "escalation", 8)], ignore_index=True))
    queue, hour = Deliveries(store, PLAN, "sequencer"), FIRST + timedelta(days=2, hours=8)
    delivered(queue, receiver, FIRST)
    receiver.answer = lambda asked: Told(500 if json.loads(asked.body)["data"]["account_id"] == "a00" else 204)
    assert delivered(queue, receiver, hour).later == 1
    receiver.answer = lambda asked: Told(204)
    tally = delivered(queue, receiver, hour + timedelta(days=2), known_to=FIRST)
    assert (tally.delivered, tally.unknown) == (1, 0)


def test_what_waits_for_its_hour_blocks_nothing_and_goes_with_what_it_watches(store: Store, receiver: Receiver) -> None:
    """One account's escalation waits; its later actions go. What it watches is stopped, then withdrawn: so is it."""
    first = actions(["a00", "a01", "a02"], 0)
    commit(store, 0, pd.concat([first, watching(first, 0, "escalation", 8)], ignore_index=True))
    commit(store, 1, actions(["a00"], 1), tiers={"a00": "tier_1", "a01": "tier_1", "a02": "tier_1"})
    queue, hour = Deliveries(store, PLAN, "sequencer"), FIRST + timedelta(days=2, hours=8)

    def offered(now: datetime, stopped: str = "", done: Done = nobody, to: datetime | None = None) -> Tally:
        return delivered(queue, receiver, now, done, to, stopped)

    tally = offered(FIRST, "a01")
    assert (tally.delivered, tally.stopped, tally.waiting, tally.not_yet) == (3, 1, 0, 3)
    tally = offered(hour - timedelta(seconds=1), "a01")
    assert (tally.delivered, tally.stopped, tally.not_yet) == (0, 1, 3)
    tally = offered(hour + timedelta(hours=9), "a01", nobody, hour - timedelta(seconds=1))
    assert (tally.delivered, tally.not_yet, tally.unknown, queue.watching()) == (0, 0, 3, {}), "it waits for newer data"
    tally = offered(hour, "", lambda letters: {x.action_id: "seen" for x in letters if x.account_id == "a00"})
    assert (tally.delivered, tally.met, tally.stopped) == (1, 1, 1)
    assert queue.watching() == {"delivered": 1, "met": 1, "stopped": 1}, "a01's action was stopped, and so is this"
    lifted = hour + timedelta(days=2)
    assert offered(lifted).delivered == 1, "the suppression was lifted on a Friday, and the time begins anew,"
    anew = lifted + timedelta(hours=TIME + 8, days=2)
    assert (offered(anew - timedelta(seconds=1)).delivered, queue.watching()["stopped"]) == (0, 1)
    assert offered(anew).delivered == 1, "without the weekend"

    later = actions(["a03"], 2)
    commit(store, 2, pd.concat([later, watching(later, 2, "escalation", 8)], ignore_index=True))
    receiver.answer = lambda asked: Told(500)
    assert (offered(hour + timedelta(days=9)).later, len(receiver.asked)) == (1, 7), "it comes after it"
    commit(store, 3, actions([], 3).reindex(columns=["action_id", "account_id"]), tiers={"a03": "suppress"})
    assert offered(hour + timedelta(days=19)) == Tally(known_to=hour + timedelta(days=19))
    assert len(store.outbox(PLAN, "withdrawn")) == 2


def test_once_offered_it_is_offered_until_it_is_answered(store: Store, receiver: Receiver) -> None:
    """The receiver may have it: what was done in the meantime does not make it one that was never needed."""
    first = actions(["a00", "a01"], 0)
    commit(store, 0, pd.concat([first, watching(first, 0, "escalation", 8)], ignore_index=True))
    queue, hour = Deliveries(store, PLAN, "sequencer"), FIRST + timedelta(days=2, hours=8)
    delivered(queue, receiver, FIRST)

    class Cut(Deliveries):
        def keep(self, answers):  # type: ignore[no-untyped-def]
            if any(a.status == "delivered" for a in answers):
                raise Killed
            super().keep(answers)

    queue = Cut(store, PLAN, "sequencer")
    with pytest.raises(Killed):
        delivered(queue, receiver, hour, lambda letters: all_done([x for x in letters if x.account_id == "a01"]))
    taken = {json.loads(asked.body)["data"]["account_id"] for asked in receiver.taken[2:]}
    assert taken == {"a00"}
    queue = Deliveries(store, PLAN, "sequencer")
    receiver.stop()
    tally = delivered(queue, receiver, hour, all_done)
    assert (tally.met, tally.later, tally.said[:23]) == (1, 1, "it cannot be reached: [")
    receiver.start()
    tally = delivered(queue, receiver, hour + timedelta(days=1), all_done)
    assert (tally.delivered, queue.watching()) == (1, {"delivered": 1, "met": 1})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as opened:
        yield opened


def schedules(seeds: range, folder: Path, receiver: Receiver, kind: str) -> Counter[str]:
    """Play and judge each, and count what happened in all."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        schedule = Schedule(seed, folder, receiver, kind)
        schedule.play()
        schedule.judge()
        schedule.store.close()
        counts += schedule.counts
    assert {"reset", "hang", "answer 429", "answer 410", "answer 500", "a day down"} <= set(counts)
    return counts


@pytest.mark.parametrize("kind", KINDS)
def test_schedules_lose_nothing_and_block_nobody(kind: str, tmp_path: Path, receiver: Receiver) -> None:
    counts = schedules(range(8), tmp_path, receiver, kind)
    assert counts["taken"] > 100
    assert min(counts["met"], counts["watching_taken"]) > 20
    assert counts["watching a late one"] > 5


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_300_schedules_lose_nothing_and_block_nobody(
    kind: str, tmp_path: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = schedules(range(100, 400), tmp_path, receiver, kind)
    assert {f"killed: {point}" for point in POINTS} <= set(counts)
    with capsys.disabled():
        print(f"\n300 schedules of {kind}: {', '.join(f'{name} {n:,}' for name, n in sorted(counts.items()))}")
