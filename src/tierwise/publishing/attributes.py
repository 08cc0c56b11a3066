"""What a published run adds to our own history of attributes: one part, whole or not at all, once.

The part is written inside the run's transaction, before the store commits. A kill after it and before the commit leaves
a part whose run did not happen: it holds what was truly seen, and the run, started again, writes the same bytes. A kill
before it leaves the parts as they were, and a run that is not in the ledger. So nothing is lost and nothing doubled.
All plans of a workspace share the parts, under a lock of their own, held only while one is made.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from tierwise.clock import naive
from tierwise.data import changes, list_parts, part_name, read_parts
from tierwise.disk import disk, make_folder, sync_folder, write_synced
from tierwise.publishing.files import parquet

LOCK = ".lock"
NEXT = ".next"
ATTRIBUTE_POINTS = ("locked", "written", "placed")
"""The named points of a remembering, in order; a test may be called at each."""


def remember(
    folder: Path, seen: pa.Table, as_of: datetime, known_from: datetime, at: Callable[[str], None] = lambda _point: None
) -> bool:
    """Add what a run of `as_of` has seen of attributes to our own history; whether a part was written.

    The same values at the same as_of change no byte; other values replace the part of that as_of, as a revision does;
    an as_of older than the newest part (a backfill) writes nothing.

    Parameters
    ----------
    seen : account_id, field, value (`data.attributes_seen`).
    known_from : the instant from which we know them: the as_of, and not before what the tables reach to.

    Raises
    ------
    EnvironmentFault : the disk refused, or an earlier part is damaged.
    """
    with disk(f"the attributes seen as of {as_of.date()} were added to {folder}"):
        make_folder(folder)
        with _alone(folder):
            at("locked")
            parts = list_parts(folder)
            if any(part.as_of > naive(as_of) for part in parts):
                return False
            before = read_parts([part for part in parts if part.as_of < naive(as_of)])
            content = parquet(changes(seen, before, max(as_of, known_from)))
            place = folder / part_name(as_of)
            if place.is_file() and place.read_bytes() == content:
                return False
            write_synced(folder / NEXT, content)
            at("written")
            os.replace(folder / NEXT, place)
            sync_folder(folder)
            at("placed")
    return True


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait for the lock of the folder: the operating system's own, released whenever its holder ends or is killed."""
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
