"""Tables of what leaves add to a row's contributions, and how rows are looked up in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tierwise.learning.encoding import Floats
from tierwise.learning.forest import Bools

Codes = npt.NDArray[np.signedinteger]
Bytes = npt.NDArray[np.uint8]
Index = npt.NDArray[np.intp]


@cache
def _points(features: int) -> tuple[tuple[float, float], ...]:
    """Gauss-Legendre points and weights on 0 to 1, exact for polynomials of a degree below `features`."""
    at, weights = np.polynomial.legendre.leggauss((features + 1) // 2)
    return tuple((float(t), float(w)) for t, w in zip((at + 1) / 2, weights / 2, strict=True))


@cache
def cases(bits: int) -> Bools:
    """All cases of so many bits, bits x 2^bits; the first is the highest."""
    return (np.arange(1 << bits) >> np.arange(bits)[::-1, None] & 1).astype(bool)


def shares(passed: npt.NDArray[Any], covers: Floats, values: Floats | float) -> Floats:
    """The Shapley values of leaves whose paths read as many features: features x cases, or features x leaves x cases.

    passed: whether a row passes all conditions of each feature on the leaf's path, in each case. covers: the part of
    training rows that does, as the product over the feature's nodes. The game is the leaf's value x the product of
    `passed` over known features and of `covers` over the others. Its Shapley value is the integral over t from 0 to 1
    of the derivative of the game's multilinear extension at (t, ..., t) (Owen, 1972): a polynomial of degree
    features - 1, which Gauss-Legendre integrates exactly.
    """
    gap = passed - covers
    found = np.zeros(gap.shape)
    for t, weight in _points(len(gap)):
        factors = covers + t * gap
        before = [np.full(gap.shape[1:], weight)]
        for factor in factors[:-1]:
            before.append(before[-1] * factor)
        after = np.ones(gap.shape[1:])
        for i in reversed(range(len(gap))):
            found[i] += before[i] * after
            after *= factors[i]
    found *= gap
    found *= values
    return found


@dataclass(frozen=True)
class Question:
    """A split over cells: left are those up to `last`, and the missing one or not; or, if no such run, the `chosen`."""

    feature: int
    last: int
    missing_left: bool
    chosen: Bools | None

    @classmethod
    def of(cls, feature: int, goes_left: Bools) -> Question:
        known = goes_left[1:]
        last = int(known.sum()) - 1
        in_a_run = bool(known[: last + 1].all()) and (last >= 0 or bool(goes_left[0]))
        return cls(feature, last, bool(goes_left[0]), None if in_a_run else goes_left)

    def ask(self, codes: Codes, out: Bools) -> None:
        """Write which rows go left.

        codes: features x rows, the cell less one: missing is the least number with a sign, the greatest without.
        """
        row = codes[self.feature]
        if self.chosen is not None:
            self.chosen.take(row + 1, out=out, mode="clip")
        else:
            np.less_equal(row if self.missing_left else row.view(f"u{row.itemsize}"), self.last, out=out)


@dataclass(frozen=True)
class Grid:
    """Trees of the same one or two features, added up. table: features x cells of all the features."""

    features: tuple[int, ...]
    table: Floats
    sizes: tuple[int, ...]

    def add(self, codes: Codes, out: Floats) -> None:
        index = codes[self.features[0]].astype(np.intp) + 1
        for feature, size in zip(self.features[1:], self.sizes[1:], strict=True):
            index *= size
            index += codes[feature]
            index += 1
        _add(self.features, self.table, index, out)


@dataclass(frozen=True)
class Group:
    """Neighbouring leaves of one tree, added up. table: features x cases of the terms."""

    features: tuple[int, ...]
    terms: tuple[Index, ...]
    table: Floats

    def add(self, answers: Bytes, out: Floats) -> None:
        _add(self.features, self.table, _case(self.terms, answers), out)


@dataclass(frozen=True)
class LongPath:
    """A leaf whose path reads too many features for a table: worked out for the cases that the rows hold."""

    features: tuple[int, ...]
    terms: tuple[Index, ...]
    covers: Floats
    value: float

    def add(self, answers: Bytes, out: Floats) -> None:
        keys = np.zeros(answers.shape[1], dtype=np.intp)
        for start in range(0, len(self.terms), 32):
            some = self.terms[start : start + 32]
            keys = keys << len(some) | _case(some, answers)
            keys = np.unique(keys, return_inverse=True)[1]
        example = np.empty(keys.max(initial=-1) + 1, dtype=np.intp)
        example[keys] = np.arange(len(keys))
        passed = np.stack([_met(term, answers)[example] for term in self.terms])
        _add(self.features, shares(passed, self.covers[:, None], self.value), keys, out)


@dataclass(frozen=True)
class AskedTree:
    """The questions of one tree, and the tables that their answers lead to."""

    questions: tuple[Question, ...]
    parts: tuple[Group | LongPath, ...]

    def add(self, codes: Codes, out: Floats) -> None:
        n = len(self.questions)
        answers = np.empty((2 * n, codes.shape[1]), dtype=np.uint8)
        for question, row in zip(self.questions, answers, strict=False):
            question.ask(codes, row.view(np.bool_))
        np.bitwise_xor(answers[:n], 1, out=answers[n:])
        for part in self.parts:
            part.add(answers, out)


def _add(features: Sequence[int], table: Floats, index: Index, out: Floats) -> None:
    taken = np.empty(len(index))
    for feature, line in zip(features, table, strict=True):
        line.take(index, out=taken, mode="clip")
        total = out[feature]
        np.add(total, taken, out=total)


def _met(term: Index, answers: Bytes) -> Bytes:
    found: Bytes = answers[term[0]] if len(term) == 1 else np.bitwise_and.reduce(answers[term], axis=0)
    return found


def _case(terms: Sequence[Index], answers: Bytes) -> Index:
    """The number of each row's case; eight bits at a time, in bytes, which is much the fastest."""
    index = np.zeros(0, dtype=np.intp)
    for start in range(0, len(terms), 8):
        some = terms[start : start + 8]
        byte = _met(some[0], answers).copy()
        for term in some[1:]:
            byte += byte
            byte |= _met(term, answers)
        index = byte.astype(np.intp) if start == 0 else index << len(some) | byte
    return index
