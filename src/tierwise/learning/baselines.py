"""The rankings that need no model: what every model has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from tierwise.config.icp import IcpPoints
from tierwise.features.feature import Feature
from tierwise.learning.rubric import points, read_rubric

Floats = npt.NDArray[np.float64]

SIZES = ("employee_count", "annual_revenue")


def rankings(frame: pd.DataFrame, features: Sequence[Feature], rubric: Sequence[IcpPoints] = ()) -> dict[str, Floats]:
    """Each baseline that these rows allow, as a score (higher is better); rows without a value come last.

    newest_activity: fewest days since the last signal. largest: the first of employee_count, annual_revenue that is a
    number of the fit side. rubric: the points of those lines of icp.yaml that read features (`read_rubric` says which
    cannot be read, and why). base_rate: all alike.
    """
    found: dict[str, Floats] = {"base_rate": np.zeros(len(frame))}
    if "days_since_signal" in frame.columns:
        found["newest_activity"] = _last(-frame["days_since_signal"].to_numpy(dtype=np.float64, na_value=np.nan))
    sizes = {f.name for f in features if f.side == "fit" and f.kind == "number"}
    size = next((name for name in SIZES if name in sizes), None)
    if size is not None:
        found["largest"] = _last(frame[size].to_numpy(dtype=np.float64, na_value=np.nan))
    read = read_rubric(rubric, features)
    if read.lines:
        found["rubric"] = points(read, frame)
    return found


def _last(score: Floats) -> Floats:
    return np.where(np.isnan(score), -np.inf, score)
