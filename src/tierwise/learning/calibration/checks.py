"""What every calibrator asks of what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tierwise.errors import UsageError
from tierwise.learning.calibration.affine import Floats


def refuse(kind: str, found: str, do: str) -> UsageError:
    """The error for parameters that are no calibrator's."""
    return UsageError(f"A calibrator ({kind}) was to be made", found=found, do=f"It needs that {do}")


def finite(log_odds: Floats) -> Floats:
    """Log-odds as floats.

    Raises
    ------
    UsageError : one is not a finite number.
    """
    z = np.asarray(log_odds, dtype=np.float64)
    if not np.isfinite(z).all():
        bad = int((~np.isfinite(z)).sum())
        raise UsageError(
            f"{z.size} log-odds were to be calibrated",
            found=f"{bad} of them are not finite numbers",
            do="Score rows with a model that was trained, and leave out rows without a score",
        )
    return z


def to_fit(kind: str, log_odds: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Log-odds and outcomes that a calibrator can be fitted on.

    Raises
    ------
    UsageError : they differ in length, are not finite or not 0 and 1, or lack a class or a spread.
    """
    z, outcome = finite(log_odds), np.asarray(y, dtype=np.float64)
    asked = f"A calibrator ({kind}) was to be fitted on {z.size} log-odds"
    if z.ndim != 1 or z.shape != outcome.shape:
        raise UsageError(asked, found=f"there are {outcome.size} outcomes", do="Give one outcome a row")
    if not np.isin(outcome, (0.0, 1.0)).all():
        raise UsageError(asked, found="outcomes are not all 0 or 1", do="Leave out rows whose horizon is still open")
    if outcome.sum() in (0, len(outcome)):
        raise UsageError(asked, found="rows with and without the outcome are needed", do="Give more rows")
    if np.ptp(z) < 1e-12:
        raise UsageError(asked, found="all of them are equal", do="Calibrate a model that tells rows apart")
    return z, outcome


def reals(kind: str, values: Sequence[Any]) -> Floats:
    """Finite numbers, of what a file says.

    Raises
    ------
    UsageError : one is no number.
    """
    if any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in values) or not np.isfinite(values).all():
        raise refuse(kind, "a parameter is not a finite number", "every parameter is one")
    return np.asarray(values, dtype=np.float64)


def rising(kind: str, name: str, values: Sequence[float], *, strictly: bool, within: tuple[float, float]) -> None:
    """Refuse values that fall, or leave their range (both ends belong to it).

    Raises
    ------
    UsageError : they do, or there are none.
    """
    x = np.asarray(values, dtype=np.float64)
    low, high = within
    falls = bool((np.diff(x) <= 0).any() if strictly else (np.diff(x) < 0).any())
    if not len(x) or not np.isfinite(x).all() or falls or x.min() < low or x.max() > high:
        raise refuse(kind, f"{name} is empty, falls or leaves its range", f"{name} rises within {low} to {high}")
