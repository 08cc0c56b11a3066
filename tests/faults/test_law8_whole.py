"""Law 8, Whole: whatever is killed, whenever: a reader finds one whole run, and the next start makes all agree."""

from __future__ import annotations

import hashlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from tierwise.clock import instant
from tierwise.errors import EnvironmentFault, LockHeld, UsageError
from tierwise.publishing import POINTS, Recovered, plan_lock, publish, read_current, recover, verify_run
from tierwise.store import RunRecord, Store

KILLS = 50

NURSERY = r"""
import json, os, signal, sys
from datetime import timedelta
from pathlib import Path
import pandas as pd
from tierwise.clock import instant
from tierwise.publishing import plan_lock, publish, recover, run_files, run_id
from tierwise.publishing.files import SCHEMAS
from tierwise.store import RunRecord, Store, state_hash

N = 25
ids = [f"a{n:03d}" for n in range(N)]
EMPTY = {name: pd.DataFrame({c: pd.Series(dtype=object) for c in s.names}) for name, s in SCHEMAS.items()}


def one(root, store, kill, where):
    def at(point):
        if (where, point) == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    with plan_lock(root, "p"):
        recover(root, "p", store, at=at if where == "recover" else lambda _: None)
        newest = store.newest_run("p")
        as_of = newest.as_of + timedelta(days=1) if newest else instant("2026-03-01")
        prior = store.prior_state("p", as_of)
        name = run_id("p", as_of, "inputs", state_hash(prior), "m1", "v1")
        tier = "tier_1" if as_of.toordinal() % 2 else "tier_2"
        state = pd.DataFrame({"account_id": ids, "tier": tier})
        moves = state.assign(previous_tier=None, movement="up", cause="data")
        actions = pd.DataFrame({"action_id": [f"{name}-{i}" for i in ids], "account_id": ids})
        tiers = EMPTY["tiers"].assign(account_id=ids, as_of=pd.Timestamp(as_of.replace(tzinfo=None)), tier=tier)
        files = run_files(
            EMPTY["scores"], EMPTY["reasons"], tiers, EMPTY["movements"], b"", "x" * 20000,
            {"run_id": name, "plan": "p", "as_of": as_of},
        )
        record = RunRecord(name, "p", as_of, "scheduled", "m1", "v1", "inputs", state_hash(prior), {"accounts": N})
        print("publishing", flush=True)
        publish(root, "p", name, files, lambda: store.commit_run(record, state, moves, actions),
                at=at if where == "publish" else lambda _: None)
        print("published", flush=True)


for line in sys.stdin:
    root, url, where, point, times = json.loads(line)
    child = os.fork()
    if child == 0:
        with Store.open(url) as store:
            for _ in range(times):
                one(Path(root), store, (where, point), where)
        os._exit(0)
    print(f"pid {child}", flush=True)
    print(f"ended {os.waitpid(child, 0)[1]}", flush=True)
"""
"""A process with everything imported that forks a real child for each order: a publisher to be killed."""


class Publisher:
    """Starts publishers, one at a time, and tells how they ended."""

    def __init__(self, process: subprocess.Popen[bytes], root: Path, url: str) -> None:
        self.process, self.root, self.url = process, root, url
        self.running = 0
        self._text = b""

    def line(self, seconds: float = 60) -> str:
        """The next line, or nothing if it does not come in time."""
        assert self.process.stdout is not None
        end = time.monotonic() + seconds
        while b"\n" not in self._text:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                return ""
            read = os.read(self.process.stdout.fileno(), 65536)
            assert read, "the nursery ended"
            self._text += read
        line, self._text = self._text.split(b"\n", 1)
        return line.decode()

    def start(self, where: str = "publish", point: str = "never", times: int = 1) -> int:
        assert self.process.stdin is not None
        order = (str(self.root), self.url, where, point, times)
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        word, pid = self.line().split()
        assert word == "pid"
        self.running = int(pid)
        return self.running

    def ended(self) -> int:
        """The wait status of the child."""
        while not (line := self.line()).startswith("ended"):
            assert line, "the publisher hangs"
        self.running = 0
        return int(line.split()[1])

    def close(self) -> None:
        """End whatever publisher still runs."""
        if self.running:
            with suppress(ProcessLookupError):
                os.kill(self.running, signal.SIGKILL)
            self.ended()


@pytest.fixture(scope="module")
def nursery() -> Iterator[subprocess.Popen[bytes]]:
    """One nursery for all tests: it and whatever publisher it still has end as a process group of their own."""
    made = subprocess.Popen(
        [sys.executable, "-c", NURSERY],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True,
    )  # fmt: skip
    yield made
    os.killpg(made.pid, signal.SIGKILL)
    made.communicate()


@pytest.fixture
def publisher(nursery: subprocess.Popen[bytes], tmp_path: Path) -> Iterator[Publisher]:
    made = Publisher(nursery, tmp_path / "published", f"sqlite:///{tmp_path}/state.db")
    yield made
    made.close()


def seen(root: Path) -> str | None:
    """What a reader sees at any moment: nothing yet, or one whole, verified run."""
    try:
        run = read_current(root, "p")
    except UsageError:
        return None
    assert verify_run(run.folder)["run_id"] == run.run_id
    tiers = run.frame("tiers")
    assert len(tiers) == 25
    assert tiers["tier"].nunique() == 1
    return run.run_id


def uncommitted(root: Path, store: Store) -> set[str]:
    """Folders in place whose run the ledger does not have: at no moment may there be one."""
    return {path.name for path in (root / "p").glob("2*")} - set(store.runs("p")["run_id"])


def agree(root: Path, store: Store) -> None:
    """After recovering: ledger, state, movements, outbox, folders and CURRENT tell one story."""
    runs = store.runs("p")
    newest = store.newest_run("p")
    assert seen(root) == (newest.run_id if newest else None)
    if newest is None:
        assert not [path for path in (root / "p").iterdir() if path.is_dir()]
        return
    assert runs["sequence"].tolist() == list(range(1, len(runs) + 1))
    state = store.state_at("p", newest.as_of)
    assert len(state) == 25
    assert read_current(root, "p").frame("tiers")["tier"].tolist() == state["tier"].tolist()
    for name, frame in (("movements", store.movements("p")), ("outbox", store.outbox("p"))):
        assert frame.groupby("run_id").size().to_dict() == dict.fromkeys(runs["run_id"], 25), name
    names = {path.name for path in (root / "p").iterdir()}
    assert names == {*runs["run_id"], "CURRENT", ".lock"}
    verify_run(root / "p" / newest.run_id)


def recovered(publisher: Publisher) -> Recovered:
    """The next start: it takes the lock that the killed one held, and recovers."""
    with Store.open(publisher.url) as store:
        with plan_lock(publisher.root, "p"):
            done = recover(publisher.root, "p", store)
        agree(publisher.root, store)
    return done


@pytest.mark.parametrize("first", [True, False], ids=["first-run", "later-run"])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_point(publisher: Publisher, point: str, first: bool) -> None:
    if not first:
        publisher.start()
        assert publisher.ended() == 0
    before = seen(publisher.root)
    publisher.start("publish", point)
    assert publisher.ended() == signal.SIGKILL
    after = seen(publisher.root)
    assert (after != before) == (point == "pointed")
    with Store.open(publisher.url) as store:
        assert not uncommitted(publisher.root, store)
    done = recovered(publisher)
    happened = POINTS.index(point) >= POINTS.index("committed")
    assert (seen(publisher.root) != before) == happened
    assert len(done.discarded) == (0 if happened else 1)
    assert len(done.finished) == (1 if point in ("committed", "renamed") else 0)
    assert recovered(publisher) == Recovered()


def test_killed_while_recovering(publisher: Publisher) -> None:
    publisher.start("publish", "committed")
    assert publisher.ended() == signal.SIGKILL
    publisher.start("recover", "pointed")
    assert publisher.ended() == signal.SIGKILL
    with Store.open(publisher.url) as store:
        agree(publisher.root, store)
    stray = publisher.root / "p" / "20260401-aaaaaaaaaaaaaaaa"
    stray.mkdir()
    (stray / "run.json").write_text("{}")
    publisher.start("recover", "renamed")
    assert publisher.ended() == signal.SIGKILL
    assert not stray.exists()
    recovered(publisher)


def test_fifty_kills_at_any_moment(publisher: Publisher) -> None:
    """A publisher that publishes on and on is killed at random, fifty times, while a reader reads."""
    random_ = random.Random(8)
    publisher.start(times=6)
    began, spans, start = 0, [], 0.0
    while not (line := publisher.line()).startswith("ended"):
        if line == "publishing":
            start = time.monotonic()
        else:
            spans.append(time.monotonic() - start)
    assert line == "ended 0"
    span = sorted(spans)[len(spans) // 2]
    recovered(publisher)
    outcomes = {"finished": 0, "discarded": 0, "neither": 0}
    for _ in range(KILLS):
        pid = publisher.start(times=1000)
        for _ in range(random_.choice([1, 1, 2])):
            while (line := publisher.line()) != "publishing":
                assert line == "published"
        end = time.monotonic() + random_.uniform(0, 1.3 * span)
        while time.monotonic() < end:
            if random_.random() < 0.3:
                seen(publisher.root)
            time.sleep(span / 50)
        os.kill(pid, signal.SIGKILL)
        assert publisher.ended() == signal.SIGKILL
        before = seen(publisher.root)
        assert before is not None
        with Store.open(publisher.url) as store:
            assert not uncommitted(publisher.root, store)
        done = recovered(publisher)
        assert len(done.finished) + len(done.discarded) <= 1
        outcomes["finished" if done.finished else "discarded" if done.discarded else "neither"] += 1
        began += 1
    assert began == KILLS
    print(f"{KILLS} kills, a publish takes {span:.3f} s: {outcomes}")
    assert outcomes["discarded"] >= 5, outcomes
    assert sum(outcomes.values()) == KILLS
    with Store.open(publisher.url) as store:
        assert len(store.runs("p")) >= 6


def test_a_running_publisher_keeps_others_out(publisher: Publisher) -> None:
    pid = publisher.start(times=1000)
    assert publisher.line() == "publishing"
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(LockHeld, match=f"process {pid} holds it"), plan_lock(publisher.root, "p"):
            pass
    finally:
        os.kill(pid, signal.SIGKILL)
        os.kill(pid, signal.SIGCONT) if Path(f"/proc/{pid}").exists() else None
    assert publisher.ended() == signal.SIGKILL
    recovered(publisher)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte of our own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("this user may not mount a file system of one megabyte")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("full", ["published", "store"])
def test_a_full_disk_leaves_the_last_run(publisher: Publisher, small_disk: Path, full: str) -> None:
    root = small_disk if full == "published" else publisher.root
    url = f"sqlite:///{small_disk}/a.db" if full == "store" else publisher.url

    def go(store: Store, name: str, report: bytes, accounts: int) -> None:
        told = {"run_id": name, "files": {"report.html": {"sha256": hashlib.sha256(report).hexdigest()}}}
        ids = [f"account-with-a-long-name-{n}" for n in range(accounts)]
        state = pd.DataFrame({"account_id": ids, "tier": "tier_1"})
        moves = state.assign(previous_tier=None, movement="up", cause="data")
        record = RunRecord(name, "p", instant(f"2026-03-{name[6:8]}"), "scheduled", "m", "v", "i", "s")
        files = {"report.html": report, "run.json": json.dumps(told).encode()}
        actions = pd.DataFrame(columns=["action_id", "account_id"])
        publish(root, "p", name, files, lambda: store.commit_run(record, state, moves, actions))

    first, second = "20260301-aaaaaaaaaaaaaaaa", "20260302-bbbbbbbbbbbbbbbb"
    with Store.open(url) as store:
        go(store, first, b"x" * 1000, 3)
        large = (b"x" * 3_000_000, 3) if full == "published" else (b"x", 40_000)
        with pytest.raises(EnvironmentFault) as caught:
            go(store, second, *large)
        assert caught.value.exit_code == 5
        assert ("No space left" if full == "published" else "database or disk is full") in str(caught.value)
        assert read_current(root, "p").run_id == first
        assert store.find_run(second) is None
        with plan_lock(root, "p"):
            recover(root, "p", store)
        assert verify_run(read_current(root, "p").folder)["run_id"] == first
        assert not list((root / "p").glob(".staging*"))
        assert len(store.prior_state("p", instant("2026-04-01"))) == 3
        go(store, second, b"small", 3)
        assert read_current(root, "p").run_id == second


def test_a_read_only_disk_is_a_fault(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(EnvironmentFault, match="Read-only file system"), plan_lock(small_disk, "p"):
        pass
    with pytest.raises(EnvironmentFault, match="Check that its folder is there and writable"):
        Store.open(f"sqlite:///{small_disk}/a.db")
