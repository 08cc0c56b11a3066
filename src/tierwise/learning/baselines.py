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
    size = _size(features)
    if size is not None:
        found["largest"] = _last(frame[size].to_numpy(dtype=np.float64, na_value=np.nan))
    read = read_rubric(rubric, features)
    if read.lines:
        found["rubric"] = points(read, frame)
    return found


def unformed(frame: pd.DataFrame, features: Sequence[Feature], rubric: Sequence[IcpPoints] = ()) -> dict[str, str]:
    """Why each baseline that these rows do not allow cannot be formed, one sentence each without its stop."""
    said = {}
    if "days_since_signal" not in frame.columns:
        said["newest_activity"] = "the rows do not say how many days ago the last signal was (days_since_signal)"
    if _size(features) is None:
        said["largest"] = f"no number of the fit side is called {' or '.join(SIZES)}"
    if not read_rubric(rubric, features).lines:
        said["rubric"] = "no line of its rubric can be read on past dates" if rubric else "icp.yaml has no rubric"
    return said


def _size(features: Sequence[Feature]) -> str | None:
    """The first of SIZES that is a number of the fit side."""
    sizes = {f.name for f in features if f.side == "fit" and f.kind == "number"}
    return next((name for name in SIZES if name in sizes), None)


def _last(score: Floats) -> Floats:
    return np.where(np.isnan(score), -np.inf, score)
