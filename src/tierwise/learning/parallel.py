"""Pieces of work that do not depend on each other, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")


def side_by_side(pieces: Sequence[Callable[[int], T]], threads: int) -> list[T]:
    """What each piece gives, in their order; each is told how many threads it may use, and must not change another's.

    Learning spends its time in LightGBM and NumPy, which let other threads run; two fits with one thread each end
    sooner than two with two threads, one after the other. BLAS is held to one thread from here: OpenBLAS takes no such
    limit from a worker.
    """
    workers = max(1, min(threads, len(pieces)))
    if workers == 1:
        return [piece(threads) for piece in pieces]
    with one_blas_thread(), ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda piece: piece(threads // workers), pieces))


class _OneThread:
    """The limit of the process's BLAS to one thread, for as long as anyone holds it."""

    def __init__(self) -> None:
        self.lock, self.holders = Lock(), 0
        self.limit: threadpool_limits | None = None

    def take(self) -> None:
        with self.lock:
            self.holders += 1
            if self.holders == 1:
                self.limit = threadpool_limits(1, user_api="blas")

    def leave(self) -> None:
        with self.lock:
            self.holders -= 1
            if self.holders == 0 and self.limit is not None:
                self.limit.restore_original_limits()


_BLAS = _OneThread()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Sums of products in one order, and so the same bytes; the limit is the process's, and is lifted by the last."""
    _BLAS.take()
    try:
        yield
    finally:
        _BLAS.leave()
