"""Frames to rows and back, and the one canonical text of a value."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from tierwise.clock import naive
from tierwise.errors import UsageError
from tierwise.plain import plain

TEXTS = ("tier", "row", "model_version", "policy_version")
INSTANTS = ("tier_since", "surge_until", "surge_ended")
NUMBERS = ("days_since_signal",)
STATE = ("tier", "tier_since", "row", "surge_until", "surge_ended", "model_version", "policy_version", *NUMBERS)
"""The columns of tier state, beside its key; further ones pass through as JSON."""


def text(value: Any) -> str:
    """The canonical JSON of a value: keys sorted, no spaces, no NaN."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def state_hash(state: pd.DataFrame) -> str:
    """sha256 of a state frame, the same in any order of its rows and columns; an absent cell is a null cell."""
    columns = {str(c): [_number(plain(v)) for v in state[c].tolist()] for c in state.columns}
    lines = []
    for cells in zip(*columns.values(), strict=True):
        row = {c: v for c, v in zip(columns, cells, strict=True) if v is not None}
        lines.append(json.dumps(row, sort_keys=True, separators=(",", ":")))
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def instants(values: Sequence[Any]) -> pd.Series:
    """Naive UTC instants, datetime64[us]."""
    return pd.Series(pd.to_datetime(pd.Series(values, dtype=object)).astype("datetime64[us]"))


def need(frame: pd.DataFrame, columns: Iterable[str], what: str, key: str) -> None:
    """Refuse a frame that lacks columns, or has two rows of one key, by name."""
    absent = [c for c in columns if c not in frame.columns]
    if absent:
        raise UsageError(
            f"{what} were given to the store", found=f"without the column {', '.join(absent)}", do="Add it"
        )
    twice = frame[key][frame[key].duplicated()]
    if len(twice):
        raise UsageError(
            f"{what} were given to the store",
            found=f"{key} '{twice.iloc[0]}' has more than one row",
            do="Give one row each",
        )


def records(frame: pd.DataFrame, known: Iterable[str], dropped: Iterable[str]) -> list[dict[str, Any]]:
    """A dict per row: the known columns as database values, all others as canonical JSON under `further`."""
    known, dropped = tuple(known), set(dropped)
    others = [c for c in frame.columns if c not in known and c not in dropped]
    columns = {c: [cell(v) for v in frame[c].tolist()] if c in frame.columns else [None] * len(frame) for c in known}
    columns["further"] = [
        text(dict(zip(others, values, strict=True)))
        for values in (zip(*(frame[c].tolist() for c in others), strict=True) if others else [()] * len(frame))
    ]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def cell(value: Any) -> Any:
    """A value as a database driver takes it."""
    if (
        value is None
        or value is pd.NaT
        or value is pd.NA
        or (isinstance(value, (float, np.floating)) and value != value)
    ):
        return None
    if isinstance(value, datetime):
        stamp = value.to_pydatetime() if isinstance(value, pd.Timestamp) else value
        return naive(stamp) if stamp.tzinfo else stamp
    return value.item() if isinstance(value, np.generic) else value


def state_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of tier_state as a frame: account_id, as_of, the state columns, further columns by name."""
    columns: dict[str, Any] = {
        "account_id": pd.Series([r["account_id"] for r in rows], dtype="str"),
        "as_of": instants([r["as_of"] for r in rows]),
    }
    for name in STATE:
        values = [r[name] for r in rows]
        if name in INSTANTS:
            columns[name] = instants(values)
        else:
            columns[name] = pd.Series(values, dtype="float64" if name in NUMBERS else "str")
    columns.update(_further(rows))
    return pd.DataFrame(columns)


def movement_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of movements as a frame, oldest run first."""
    columns: dict[str, Any] = {n: pd.Series([r[n] for r in rows], dtype="str") for n in ("run_id", "account_id")}
    columns["as_of"] = instants([r["as_of"] for r in rows])
    for name in ("previous_tier", "tier", "movement", "cause"):
        columns[name] = pd.Series([r[name] for r in rows], dtype="str")
    columns.update(_further(rows))
    return pd.DataFrame(columns)


def _further(rows: Sequence[Mapping[str, Any]]) -> dict[str, pd.Series]:
    further = [json.loads(r["further"]) for r in rows]
    names = sorted({name for one in further for name in one})
    return {name: _column([one.get(name) for one in further]) for name in names}


def _column(values: Sequence[Any]) -> pd.Series:
    kinds = {type(v) for v in values if v is not None}
    if kinds <= {int, float}:
        return pd.Series(values, dtype="float64")
    return pd.Series(values, dtype="str" if kinds == {str} else object)
