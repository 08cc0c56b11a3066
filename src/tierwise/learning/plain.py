"""A plain frame with its sides declared, as the rows that candidates learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from tierwise.errors import ContractError
from tierwise.features.feature import Feature, Kind, Side
from tierwise.features.matrix import OWN_COLUMNS
from tierwise.learning.grouping import dealt_parts
from tierwise.learning.rows import Rows
from tierwise.learning.splits import Division

Monotone = Literal[-1, 1]

FIRST_DAY = np.datetime64("2000-01-01", "us")
"""Where the days begin that stand for places in an order."""


def declared(
    frame: pd.DataFrame,
    outcome: str,
    *,
    fit: Sequence[str] = (),
    signal: Sequence[str] = (),
    order: str | None = None,
    blocks: int = 10,
    horizon_days: int = 1,
    family: str | None = None,
    never_missing: Sequence[str] = (),
    monotone: Mapping[str, Monotone] = MappingProxyType({}),
) -> Rows:
    """Rows of a table in which every line is an account of its own.

    Parameters
    ----------
    outcome : the column of outcomes, 0 or 1.
    fit, signal : the columns of each side; numbers are numbers, truth values flags, texts categories.
    order : what tells earlier from later. Instants are as they are; of a serial number, lines are cut in its order into
        `blocks` blocks of about equal size, equal numbers in one block, and each block is one day. None: all lines are
        of one day, and only `grouped` divides them.
    horizon_days : how long an outcome takes to be known; 1 where days stand for blocks.
    family : which lines go together, as those of one company; by default none do.
    never_missing : columns whose being missing may tell the outcome; learners fill them in.
    monotone : columns along which the log-odds may only rise (1) or only fall (-1).

    Raises
    ------
    ContractError : a column is not there, stands on both sides or is of no use; outcomes are not 0 and 1; a text is
        to be monotone.
    """
    sides = _sides(frame, fit, signal, never_missing)
    features = _monotone([_feature(frame, name, side, name in never_missing) for side, name in sides], monotone)
    columns = {f.name: frame[f.name].to_numpy() if f.kind != "category" else _texts(frame[f.name]) for f in features}
    rows = pd.DataFrame(
        {
            "account_id": [f"row {number}" for number in range(len(frame))],
            "as_of": _days(frame, order, blocks),
            "family_id": _there(frame, family).astype(str).to_numpy() if family else np.arange(len(frame)).astype(str),
            "status": "eligible",
            **columns,
            "outcome": _outcomes(frame, outcome),
        }
    )
    return Rows(rows.sort_values("as_of", kind="stable").reset_index(drop=True), features, horizon_days)


def grouped(rows: Rows, *, folds: int = 4, seed: int = 7) -> Division:
    """Rows without an order, divided at random by family: one part reports, each of the others is a fold.

    Raises
    ------
    ContractError : there are fewer families than parts.
    """
    parts = folds + 1
    found = len(np.unique(rows.families))
    if found < parts:
        raise ContractError(
            f"Rows were to be divided into {parts} parts by family",
            found=f"there are {found} families",
            do=f"Ask for {max(found - 1, 1)} folds or fewer" if found > 1 else "Declare a family that tells rows apart",
        )
    part = dealt_parts(rows.families, parts, seed)
    test, inner = part == folds, part[part != folds]
    return Division(~test, test, [(inner != number, inner == number) for number in range(folds)])


def _sides(
    frame: pd.DataFrame, fit: Sequence[str], signal: Sequence[str], never_missing: Sequence[str]
) -> list[tuple[Side, str]]:
    """Side and name of every feature, fit side first."""
    names = [*fit, *signal]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ContractError(
            "Each column was to stand on one side, once", found=f"{', '.join(doubled)} more than once",
            do="Say fit for who they are, or signal for what they do",
        )  # fmt: skip
    taken = sorted(set(names) & OWN_COLUMNS)
    if taken:
        raise ContractError(
            "Columns were to be features", found=f"rows have a column of their own called {', '.join(taken)}",
            do="Rename it",
        )  # fmt: skip
    strangers = sorted(set(never_missing) - set(names))
    if strangers:
        raise ContractError("Columns were never to be missing", found=f"{', '.join(strangers)} is on neither side")
    for name in names:
        _there(frame, name)
    return [*(("fit", name) for name in fit), *(("signal", name) for name in signal)]


def _there(frame: pd.DataFrame, name: str) -> pd.Series:
    """A column by name.

    Raises
    ------
    ContractError : it is not there, or more than one is called so.
    """
    found = [column for column in frame.columns if column == name]
    if len(found) != 1:
        have = ", ".join(map(str, frame.columns))
        raise ContractError(
            f"The column '{name}' was declared",
            found=f"{len(found)} columns are called so" if found else f"the frame has {have}",
        )
    return frame[name]


def _feature(frame: pd.DataFrame, name: str, side: Side, never: bool) -> Feature:
    column = frame[name]
    if pd.api.types.is_bool_dtype(column.dtype):
        kind: Kind = "flag"
    elif pd.api.types.is_numeric_dtype(column.dtype):
        kind = "number"
    elif pd.api.types.infer_dtype(column, skipna=True) in ("string", "empty", "categorical"):
        kind = "category"
    else:
        raise ContractError(
            f"The column '{name}' was to be a feature",
            found=f"it holds {pd.api.types.infer_dtype(column, skipna=True)}",
            do="Make it numbers, truth values or texts",
        )
    return Feature(name, side, kind, "", f"{name}: {{value}}", missing="never" if never else "value")


def _monotone(features: Sequence[Feature], monotone: Mapping[str, Monotone]) -> tuple[Feature, ...]:
    kinds = {f.name: f.kind for f in features}
    unable = [name for name in monotone if kinds.get(name, "category") == "category"]
    if unable:
        raise ContractError(
            f"The log-odds were to rise or fall along {', '.join(map(repr, unable))}",
            found="; ".join(f"'{n}' holds texts" if n in kinds else f"'{n}' is on neither side" for n in unable),
            do="Say so of numbers and truth values only",
        )
    odd = [f"{name}: {sign}" for name, sign in monotone.items() if sign not in (-1, 1)]
    if odd:
        raise ContractError("Columns were to be monotone", found=", ".join(odd), do="Say 1 for rising, -1 for falling")
    return tuple(replace(f, monotone=monotone[f.name]) if f.name in monotone else f for f in features)


def _texts(column: pd.Series) -> npt.NDArray[np.object_]:
    known = column.astype(object)
    return np.asarray(known.where(known.notna(), None), dtype=object)


def _outcomes(frame: pd.DataFrame, name: str) -> npt.NDArray[np.float64]:
    numbers = pd.to_numeric(_there(frame, name), errors="coerce")
    values = np.asarray(numbers.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    odd = int((~np.isin(values, (0.0, 1.0))).sum())
    if odd:
        raise ContractError(
            f"The outcome '{name}' was to be 0 or 1", found=f"{odd} of {len(values)} rows hold something else",
            do="Leave out rows whose outcome is not known, and say 1 for those that have it",
        )  # fmt: skip
    return values


def _days(frame: pd.DataFrame, order: str | None, blocks: int) -> npt.NDArray[np.datetime64]:
    """The as_of of each row: its instant, or the day of its block."""
    if order is None:
        return np.full(len(frame), FIRST_DAY)
    column = _there(frame, order)
    if column.isna().any():
        raise ContractError(f"The column '{order}' was to order the rows", found=f"{column.isna().sum()} have none")
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        aware = isinstance(column.dtype, pd.DatetimeTZDtype)
        plain = column.dt.tz_convert("UTC").dt.tz_localize(None) if aware else column
        return np.asarray(plain, dtype="datetime64[us]")
    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise ContractError(
            f"The column '{order}' was to order the rows", found=f"it holds {column.dtype}",
            do="Make it instants or a serial number",
        )  # fmt: skip
    below = column.rank(method="min").to_numpy(dtype=np.float64) - 1
    day = np.floor(below * blocks / max(len(frame), 1)).astype("timedelta64[D]")
    return np.asarray(FIRST_DAY + day, dtype="datetime64[us]")
