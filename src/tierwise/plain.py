"""Values as plain JSON, and texts as no formula: the one way in which what leaves becomes text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from functools import partial
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from tierwise.clock import naive

FORMULA = re.compile(r"\A(?=[\t\r\n]|\s*[=+\-@＝＋－＠])|(?<=[;\t\r\n])(?=[\s\x22]*[=+\-@＝＋－＠])")
"""Where a spreadsheet may begin to read a formula: at the start of a cell, and after what some locales split at."""


def utc(moment: datetime) -> str:
    """An instant as ISO 8601 in UTC with a Z; one without a zone is in UTC."""
    return (naive(moment) if moment.tzinfo else moment).isoformat() + "Z"


def plain(value: Any, *, digits: int | None = None, stamp: Callable[[datetime], str] = utc) -> Any:
    """A value as JSON knows it: nothing, NaN, NaT and infinities are null, frames lists of rows, sets sorted lists.

    digits : to how many decimals floats are rounded; by default they are as they are.
    stamp : the text of an instant.

    Raises
    ------
    TypeError : JSON has nothing for such a value.

    >>> plain({"n": np.int64(3), "at": pd.Timestamp("2026-03-01"), "rate": float("nan")})
    {'n': 3, 'at': '2026-03-01T00:00:00Z', 'rate': None}
    """
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, (str, bool)):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return _float(float(value), digits)
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.datetime64):
        return plain(pd.Timestamp(value), stamp=stamp)
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    return _of_many(value, partial(plain, digits=digits, stamp=stamp))


def json_file(value: Any) -> bytes:
    """A file of plain JSON values, keys sorted; the same value, the same bytes.

    >>> json_file({"b": 1, "a": None})
    b'{\\n "a": null,\\n "b": 1\\n}\\n'
    """
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def safe_cell(text: str) -> str:
    """A text that no spreadsheet reads as a formula: a quote stands before `=`, `+`, `-`, `@`, a tab or a return.

    >>> safe_cell('=HYPERLINK("x")'), safe_cell("Acme = Sons"), safe_cell("a;=1")
    ('\\'=HYPERLINK("x")', 'Acme = Sons', "a;'=1")
    """
    return FORMULA.sub("'", text)


def _float(value: float, digits: int | None) -> float | None:
    if not math.isfinite(value):
        return None
    return value if digits is None else round(value, digits)


def _of_many(value: Any, each: Callable[[Any], Any]) -> Any:
    """What holds further values: a mapping, a dataclass, a list, a set or a frame."""
    if isinstance(value, Mapping):
        return {str(k): each(v) for k, v in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: each(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [each(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted((each(v) for v in value), key=str)
    if isinstance(value, pd.DataFrame):
        names = [str(c) for c in value.columns]
        return [
            {name: each(v) for name, v in zip(names, row, strict=True)}
            for row in value.itertuples(index=False, name=None)
        ]
    raise TypeError(f"a {type(value).__name__} has no canonical text")
