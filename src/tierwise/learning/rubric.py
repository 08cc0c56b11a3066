"""The hand-made rubric of icp.yaml as a pure function of rows: points, line by line.

A line is read from what a row holds: on past rows only from features of the plan, whose values are those known before
as_of (law 1); where tiers go by rules, also from attributes as they are known to be on the date, in columns of their
own (`TODAY`). What no row can hold is named, never passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from tierwise.config.icp import IcpPoints
from tierwise.features.catalogue import feature_of, member_of
from tierwise.features.feature import Feature

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Held = Literal["number", "category", "set"]
"""What a column holds: numbers, texts, or lists of texts."""

TODAY = "today's "
"""Before an attribute's name: the column that holds its value as of the date, where it is no feature."""
NO_FEATURE = "it is no feature of the plan, so that its value on past dates is not known"


@dataclass(frozen=True)
class ReadLine:
    """A line of the rubric, and where rows hold what it asks for.

    place: its number in icp.yaml, from 1. columns: one, or, of a set whose members are features, a flag for each value
    that the line names.
    """

    place: int
    line: IcpPoints
    columns: tuple[str, ...]
    held: Held | Literal["flags"]


@dataclass(frozen=True)
class Rubric:
    """The lines that can be read, and the others: place, words and why each cannot."""

    lines: tuple[ReadLine, ...]
    unread: tuple[tuple[int, str, str], ...]

    @property
    def most(self) -> int:
        """The points of a row for which every line with points above zero speaks."""
        return sum(max(read.line.points, 0) for read in self.lines)


def read_rubric(
    rubric: Sequence[IcpPoints],
    features: Sequence[Feature],
    today: Mapping[str, Held] | None = None,
    unknown: Mapping[str, str] | None = None,
) -> Rubric:
    """Which lines can be read, from features first.

    Parameters
    ----------
    today : attribute -> what the column `TODAY` + attribute holds.
    unknown : attribute -> why its value is not known; by default it is no feature of the plan.
    """
    kinds = {f.name: f.kind for f in features if f.side == "fit"}
    lines, unread = [], []
    for place, line in enumerate(rubric, start=1):
        found = _read(place, line, kinds, today or {})
        if isinstance(found, str):
            why = found or (unknown or {}).get(line.attribute, NO_FEATURE)
            unread.append((place, line.words, why))
        else:
            lines.append(found)
    return Rubric(tuple(lines), tuple(unread))


def _read(place: int, line: IcpPoints, kinds: Mapping[str, str], today: Mapping[str, Held]) -> ReadLine | str:
    """Where a line is read, or why it cannot be; "" where nothing holds its attribute."""
    name = feature_of(line.attribute)
    members = tuple(member_of(line.attribute, value) for value in line.equals)
    there = [m for m in members if kinds.get(m) == "flag"]
    if name in kinds:
        held: Held = "number" if kinds[name] == "number" else "category"
        return _fitting(place, line, name, held)
    if members and len(there) == len(members):
        return ReadLine(place, line, members, "flags")
    if line.attribute in today:
        return _fitting(place, line, f"{TODAY}{line.attribute}", today[line.attribute])
    if there:
        absent = ", ".join(v for v, m in zip(line.equals, members, strict=True) if m not in there)
        return f"the plan reads no feature of {absent} in the set {line.attribute}"
    return ""


def _fitting(place: int, line: IcpPoints, column: str, held: Held) -> ReadLine | str:
    if not line.equals and held != "number":
        return "it is no number, and the line asks for a range"
    if line.equals and held == "number" and not all(map(_is_number, line.equals)):
        return "it is a number, and the line names a value that is none"
    return ReadLine(place, line, (column,), held)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def line_points(rubric: Rubric, frame: pd.DataFrame) -> Floats:
    """The points that each row (rows) gets for each line (columns): the line's, or 0; a missing value gets none."""
    given = [np.where(_speaks(read, frame), float(read.line.points), 0.0) for read in rubric.lines]
    return np.column_stack(given) if given else np.zeros((len(frame), 0))


def points(rubric: Rubric, frame: pd.DataFrame) -> Floats:
    """The points of each row: the sum of its lines'."""
    return np.asarray(line_points(rubric, frame).sum(axis=1), dtype=np.float64)


def _speaks(read: ReadLine, frame: pd.DataFrame) -> Flags:
    line = read.line
    if read.held == "flags":
        flags = frame[list(read.columns)].to_numpy(dtype=np.float64, na_value=np.nan)
        return np.asarray((flags == 1.0).any(axis=1))
    column = frame[read.columns[0]]
    if read.held == "number":
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        if line.equals:
            return np.asarray(np.isin(values, [float(value) for value in line.equals]), dtype=np.bool_)
        low = -np.inf if line.at_least is None else line.at_least
        high = np.inf if line.below is None else line.below
        return np.asarray((values >= low) & (values < high))
    wanted = set(line.equals)
    if read.held == "set":
        return np.array([v is not None and not wanted.isdisjoint(v) for v in column], dtype=bool)
    return np.asarray(column.isin(wanted).to_numpy(), dtype=np.bool_)
