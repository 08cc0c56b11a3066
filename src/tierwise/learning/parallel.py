"""Pieces of work that do not depend on each other, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def side_by_side(pieces: Sequence[Callable[[int], T]], threads: int) -> list[T]:
    """What each piece gives, in their order; each is told how many threads it may use, and must not change another's.

    Learning spends its time in LightGBM and NumPy, which let other threads run; two fits with one thread each end
    sooner than two with two threads, one after the other.
    """
    workers = max(1, min(threads, len(pieces)))
    if workers == 1:
        return [piece(threads) for piece in pieces]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda piece: piece(threads // workers), pieces))
