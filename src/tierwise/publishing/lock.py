"""One run of a plan at a time."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tierwise.disk import disk, make_folder
from tierwise.errors import LockHeld

LOCK = ".lock"
DELIVERY = ".delivery.lock"
"""The lock of those who deliver, who need not wait for those who score."""


@contextmanager
def plan_lock(root: Path, plan: str, patience_seconds: int = 0, name: str = LOCK) -> Iterator[None]:
    """Hold the lock of a plan: the operating system's own, so it is released whenever its holder ends or is killed.

    patience_seconds : how long to wait for another holder to end, asking once a second.

    The file stays (its text is the pid of the last holder); only the lock on it counts.

    Raises
    ------
    LockHeld : another process, or another part of this one, holds it.
    EnvironmentFault : the folder cannot be written.
    """
    folder = Path(root) / plan
    with disk(f"the lock of plan {plan} was asked for"):
        make_folder(folder)
        handle = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        for _ in range(patience_seconds):
            if _free(handle):
                break
            time.sleep(1)
        _take(handle, plan)
        yield
    finally:
        os.close(handle)


def _free(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take(handle: int, plan: str) -> None:
    asked = f"the lock of plan {plan} was asked for"
    with disk(asked):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
            raise LockHeld(
                asked,
                found=f"process {pid} holds it" if pid.isdigit() else "another process holds it",
                do="Wait until it has finished, then run this again; if it hangs, end it: that frees the lock",
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
