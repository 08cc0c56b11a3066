"""What delivery costs: actions written and sent to a receiver on loopback, beside as many bare requests.

    python benchmarks/deliver.py [--actions N]

A run owes N actions, to N / 4 accounts in four plays. They are written in the run's one transaction, then delivered as
signed webhooks, each account's in order and each answer kept; then the same bodies are posted bare, by one client on
one connection, and nothing is kept. The receiver is a process of its own that reads each request whole and answers 204.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import httpx
import pandas as pd

from letters import PLAN, actions, commit
from tierwise.config.sinks import WebhookSink
from tierwise.routing.delivery import deliver
from tierwise.routing.sinks import Letter
from tierwise.routing.sinks.webhook import Webhook, content
from tierwise.store import Deliveries, Store

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PLAYS = ("focus", "growth", "surge", "leave")


def receive(told: Connection) -> None:
    """Answer every POST with 204, and say at the end how many there were."""
    taken = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            taken += 1
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, told.recv):
            told.send(taken)

    asyncio.run(run())


def main() -> None:
    """Run and print."""
    read = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    read.add_argument("--actions", type=int, default=100_000)
    given = read.parse_args()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=receive, args=(theirs,), daemon=True)
    process.start()
    url = f"http://127.0.0.1:{ours.recv()}/in"
    accounts = [f"a{k:06d}" for k in range(given.actions // len(PLAYS))]
    owed = pd.concat([actions(accounts, 0, play) for play in PLAYS], ignore_index=True)
    settings = WebhookSink(name="w", kind="webhook", url=url, secret=SECRET)
    with tempfile.TemporaryDirectory() as folder, Store.open(f"sqlite:///{folder}/store.db") as store:
        watch = time.perf_counter()
        commit(store, 0, owed)
        written = time.perf_counter() - watch
        queue = Deliveries(store, PLAN, "w")
        watch = time.perf_counter()
        with closing(Webhook(settings)) as sink:
            tally = deliver(queue, sink, plan=PLAN, clock=lambda: datetime.now(UTC), stops=lambda account: "")
        sent = time.perf_counter() - watch
        ours.send(True)
        taken = ours.recv()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        bodies = queue.bodies(owed["action_id"].tolist())
        as_of = datetime(2026, 1, 5, tzinfo=UTC)
        letters = [content(Letter(i, PLAN, str(body["account_id"]), as_of, body)) for i, body in bodies.items()]
        watch = time.perf_counter()
        with httpx.Client() as http:
            for body in letters:
                http.post(url, content=body, headers={"Content-Type": "application/json"})
        bare = time.perf_counter() - watch
    n = len(owed)
    print(f"{n:,} actions of {len(accounts):,} accounts; delivered {tally.delivered:,}, the receiver has {taken:,}")
    print(f"  written in one transaction {written:8.1f} s {n / written:10,.0f} a second")
    print(
        f"  delivered and kept         {sent:8.1f} s {n / sent:10,.0f} a second   {sent / bare:.2f} times bare requests"
    )
    print(f"  bare requests              {bare:8.1f} s {n / bare:10,.0f} a second")
    print(f"  peak memory {memory:.2f} GB")
    process.kill()


if __name__ == "__main__":
    main()
