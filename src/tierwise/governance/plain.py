"""Values as plain JSON: instants as ISO text, NaN and NaT as null, frames as lists of rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd


def plain(value: Any) -> Any:
    """The value as JSON can hold it, dataclasses and frames included; the same value gives the same text.

    >>> plain({"n": 3, "precision": float("nan")})
    {'n': 3, 'precision': None}
    """
    if isinstance(value, pd.DataFrame):
        columns = list(value.columns)
        rows = value.itertuples(index=False, name=None)
        return [{str(c): plain(v) for c, v in zip(columns, row, strict=True)} for row in rows]
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(v) for v in value]
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
