"""Account families that stand on one side only: dealt into parts, and kept out of what judges them (law 3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold

from tierwise.errors import NoUsableModel
from tierwise.learning.rows import Rows
from tierwise.learning.splits import Apart, Division, Mask


def dealt_parts(families: npt.NDArray[Any], parts: int, seed: int) -> npt.NDArray[np.int64]:
    """The part of each row, at random by family, with about as many families in each; not more parts than families."""
    part = np.empty(len(families), dtype=np.int64)
    splitter = GroupKFold(parts, shuffle=True, random_state=seed)
    for number, (_, held) in enumerate(splitter.split(families, families, families)):
        part[held] = number
    return part


def kept_apart(rows: Rows, division: Division, parts: int, seed: int, least: int) -> Division:
    """The same division, each part of the families held out in turn, and what is learned from without its families.

    On a grid nearly every family stands in every slice, so that to leave out all that are held out would leave nothing
    to learn from; by parts every held-out row is judged, and what was learned from knows none of its family. A fold of
    which fewer than `least` rows of a class are left is dropped, and counted.

    Raises
    ------
    NoUsableModel : there are fewer families than parts, no fold is left, or the test has too little before it.
    """
    families = len(np.unique(rows.families))
    if families < parts:
        raise _too_few(parts, f"there are {families} families")
    part = dealt_parts(rows.families, parts, seed)
    earlier, test = rows.where(division.earlier), rows.where(division.test)
    own, y = part[division.earlier], earlier.y
    folds, left_out, dropped = [], [], 0
    for old, now in division.folds:
        for number in range(parts):
            held = now & (own == number)
            if not held.any():
                continue
            learned = old & ~_stands_in(earlier, earlier.where(held))
            if _least(y[learned]) < least:
                dropped += 1
                continue
            folds.append((learned, held))
            left_out.append(int((old & ~learned).sum()))
    if not any(y[held].any() for _, held in folds):
        raise _too_few(parts, f"no fold has {least} rows with and without the outcome of other families before it")
    reports = []
    for number in np.unique(part[division.test]):
        held = part[division.test] == number
        learned = ~_stands_in(earlier, test.where(held))
        if _least(y[learned]) < least:
            raise _too_few(parts, f"a part of the test has fewer than {least} such rows of other families before it")
        reports.append((learned, held))
    said = Apart(parts, families, tuple(reports), tuple(left_out), dropped)
    return replace(division, folds=folds, apart=said)


def _stands_in(rows: Rows, others: Rows) -> Mask:
    """The rows whose family has rows among the others."""
    return np.asarray(np.isin(rows.families, np.unique(others.families)), dtype=np.bool_)


def _least(y: npt.NDArray[np.float64]) -> int:
    return int(min(y.sum(), len(y) - y.sum()))


def _too_few(parts: int, found: str) -> NoUsableModel:
    return NoUsableModel(
        f"Account families were to be kept apart, in {parts} parts (model.family_parts)",
        found=found,
        do="Load older history, or leave family_parts out",
    )
