"""What reading costs: 50 million activities and 2 million contacts through the contract, beside a plain scan.

    python benchmarks/intake.py [ACTIVITIES] [CONTACTS] [ACCOUNTS]

Writes the tables as Parquet into a temporary folder, reads them in a process of its own and prints its seconds and peak
memory; and the seconds of one plain scan of the same activities, which hashes every value. Both folders together take
about 4 GB.
One activity in 10,000 is faulty, one in 10,000 stands twice.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tierwise.config import Settings
from tierwise.data import Query, Warehouse, read_tables

ROWS = 1_000_000
CHANNELS = np.array(["web", "email", "event", "meeting", "intent", "product"])
KINDS = np.array(["visit", "pricing_view", "open", "click", "reply", "attended", "surge", "login"])
TEXT = pa.string()
WHOLE_SCAN = "SELECT count(*), sum(hash(COLUMNS(*))::HUGEINT) FROM read_parquet($path)"


def ids(letter: str, numbers: np.ndarray) -> pa.Array:
    """Ids of a letter and digits."""
    return pa.array(np.char.add(letter, np.char.zfill(numbers.astype(str), 9)), TEXT)


def activities(first: int, rows: int, contacts: int, accounts: int) -> pa.Table:
    """Some activities of two years, recorded up to three days late; `first` is the number of the first."""
    rng = np.random.default_rng(first)
    number = np.arange(first, first + rows)
    number = np.where(rng.random(rows) < 1e-4, np.maximum(number - 1, 0), number)
    occurred = np.datetime64("2024-01-01", "us") + rng.integers(0, 730 * 86_400_000_000, rows).astype("timedelta64[us]")
    recorded = occurred + rng.integers(0, 3 * 86_400_000_000, rows).astype("timedelta64[us]")
    account, contact = rng.integers(0, accounts, rows), rng.integers(0, contacts, rows)
    return pa.table(
        {
            "activity_id": ids("e", number),
            "account_id": ids("a", account),
            "contact_id": pa.array(ids("c", contact), mask=rng.random(rows) < 0.5),
            "occurred_at": pa.array(occurred, mask=rng.random(rows) < 1e-4),
            "recorded_at": recorded,
            "channel": pa.array(CHANNELS[rng.integers(0, len(CHANNELS), rows)], TEXT),
            "kind": pa.array(KINDS[rng.integers(0, len(KINDS), rows)], TEXT),
            "initiator": pa.array(np.array(["buyer", "seller"])[rng.integers(0, 2, rows)], TEXT),
            "value": pa.array(rng.random(rows).round(2), mask=rng.random(rows) < 0.7),
        }
    )


def write(folder: Path, rows: int, contacts: int, accounts: int) -> None:
    """The tables as Parquet, a million rows at a time."""
    created = np.datetime64("2023-01-01", "us")
    pq.write_table(
        pa.table({"account_id": ids("a", np.arange(accounts)), "created_at": np.full(accounts, created)}),
        folder / "accounts.parquet",
    )
    numbers = np.arange(contacts)
    people = {
        "contact_id": ids("c", numbers),
        "account_id": ids("a", numbers % accounts),
        "title": pa.array(np.array(["CFO", "Head of IT", "Buyer", "Engineer"])[numbers % 4], TEXT),
        "created_at": created + (numbers % 700).astype("timedelta64[D]"),
    }
    pq.write_table(pa.table(people), folder / "contacts.parquet")
    schema = activities(0, 1, 1, 1).schema
    with pq.ParquetWriter(folder / "activities.parquet", schema) as writer:
        for first in range(0, rows, ROWS):
            writer.write_table(activities(first, min(ROWS, rows - first), contacts, accounts))


def read(folder: Path, result: multiprocessing.SimpleQueue) -> None:
    """Read the tables; says its cost, peak memory in GB, and rows read, quarantined and in the warehouse."""
    with measured() as cost:
        intake = read_tables(folder, Settings())
    with intake.warehouse as warehouse:
        kept = warehouse.number(Query("SELECT count(*) FROM activities"))
    counts = intake.counts.set_index("table").loc["activities"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    result.put((cost, peak, int(counts["read"]), int(counts["quarantined"]), kept))


def scan(path: Path, threads: int) -> list[float]:
    """The cost of one scan of a Parquet file that hashes every value."""
    with Warehouse(threads) as warehouse, measured() as cost:
        warehouse.arrow(Query(WHOLE_SCAN, {"path": str(path)}))
    return cost


@contextmanager
def measured() -> Iterator[list[float]]:
    """A list that holds, once what was measured has ended, its seconds and its seconds of processor time."""
    cost: list[float] = []
    start, busy = time.perf_counter(), time.process_time()
    yield cost
    cost += [time.perf_counter() - start, time.process_time() - busy]


def main(rows: int = 50_000_000, contacts: int = 2_000_000, accounts: int = 200_000) -> None:
    """Run and print."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="tierwise-bench-") as name:
        folder = Path(name)
        write(folder, rows, contacts, accounts)
        size = (folder / "activities.parquet").stat().st_size / 1e9
        result = context.SimpleQueue()
        child = context.Process(target=read, args=(folder, result))
        child.start()
        cost, peak, seen, bad, kept = result.get()
        child.join()
        plain = scan(folder / "activities.parquet", Settings().threads)
    print(f"{seen:,} activities ({size:.2f} GB), {contacts:,} contacts, {accounts:,} accounts")
    print(f"{bad:,} activities quarantined, {kept:,} in the warehouse")
    print(f"{'':32} {'seconds':>8}  ratio  {'of processor':>12}  ratio")
    for what, (seconds, busy) in {"plain scan, every value hashed": plain, "contract and quarantine": cost}.items():
        print(f"{what:32} {seconds:8.1f}  {seconds / plain[0]:5.1f}  {busy:12.1f}  {busy / plain[1]:5.1f}")
    print(f"peak memory {peak:.2f} GB")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
