"""The calibrators by name: fitted, written and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from tierwise.errors import UsageError
from tierwise.learning.calibration.affine import Affine, Floats, fit_affine
from tierwise.learning.calibration.beta import Beta, fit_beta
from tierwise.learning.calibration.checks import reals, to_fit
from tierwise.learning.calibration.isotonic import Isotonic, fit_isotonic
from tierwise.learning.calibration.venn_abers import VennAbers, fit_venn_abers

Kind = Literal["affine", "beta", "isotonic", "venn_abers"]
Curve = Beta | Isotonic | VennAbers
"""A calibrator that is no affine map: what it adds to one is a bar of its own."""
Calibrator = Affine | Curve

_FIT: dict[str, Callable[[Floats, Floats], Calibrator]] = {
    "affine": fit_affine,
    "beta": fit_beta,
    "isotonic": fit_isotonic,
    "venn_abers": fit_venn_abers,
}
_CURVES: dict[str, type[Beta] | type[Isotonic] | type[VennAbers]] = {
    "beta": Beta,
    "isotonic": Isotonic,
    "venn_abers": VennAbers,
}
KINDS: tuple[str, ...] = tuple(_FIT)


def fit_calibrator(kind: str, log_odds: Floats, y: Floats) -> Calibrator:
    """A calibrator of log-odds, fitted on outcomes (0 or 1); rising, or for an affine map at least `usable` says so.

    Raises
    ------
    UsageError : there is no such kind, or nothing can be fitted on these rows.
    """
    if kind not in _FIT:
        raise _unknown(kind)
    return _FIT[kind](*to_fit(kind, log_odds, y))


def fit_curve(kind: str, log_odds: Floats, y: Floats) -> Curve | None:
    """What the plan asks for beyond an affine map, fitted on log-odds that one has calibrated; None for `affine`."""
    found = None if kind == "affine" else fit_calibrator(kind, log_odds, y)
    return None if isinstance(found, Affine) else found


def to_dict(calibrator: Calibrator) -> dict[str, Any]:
    """A calibrator as JSON: its kind and its parameters."""
    if isinstance(calibrator, Affine):
        return {"kind": "affine", "intercept": calibrator.intercept, "slope": calibrator.slope}
    kind = next(name for name, made in _CURVES.items() if isinstance(calibrator, made))
    return {"kind": kind, **calibrator.to_dict()}


def from_dict(data: Mapping[str, Any]) -> Calibrator:
    """The calibrator that `to_dict` wrote.

    Raises
    ------
    UsageError : the kind is unknown, or the parameters are none of its own.
    KeyError : a parameter is missing.
    """
    kind = data["kind"]
    if kind == "affine":
        intercept, slope = reals("affine", [data["intercept"], data["slope"]])
        return Affine(float(intercept), float(slope))
    if kind not in _CURVES:
        raise _unknown(kind)
    return _CURVES[kind].from_dict(data)


def _unknown(kind: object) -> UsageError:
    return UsageError(
        f"a calibrator '{kind}' was asked for", found=f"there are {', '.join(KINDS)}", do="Name one of them"
    )
