"""Recalibration alone: an affine map of a model's log-odds, from newer rows; what was learned stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tierwise.clock import instant, naive
from tierwise.errors import NoUsableModel
from tierwise.features.matrix import Matrix
from tierwise.learning.calibration import Affine, SlopeTest, slope_test
from tierwise.learning.metrics import measure
from tierwise.learning.model import PropensityModel
from tierwise.learning.reliability import SEED, calibration_figures
from tierwise.learning.splits import days, instants, stamp

Floats = npt.NDArray[np.float64]

LEAST_OUTCOMES = 20
"""Fewer accounts with the outcome are too few: the new mean's own standard error would be above 0.2 in log-odds."""
ALPHA = 0.05
"""The slope is fitted too where the likelihood-ratio test rejects a slope of 1 at this level."""
PARTS = 4


@dataclass(frozen=True)
class Recalibrated:
    """A model with a new affine map over it, and the evidence.

    report: `rows` (counts and dates of what it was fitted on), `base_rate_at_training`, `before` (log-loss with its
    interval, and `reliability.calibration_figures`, of the model as it was, on those rows), `form` (`intercept` or
    `intercept and slope`), `slope_test`, `map`, and `forward`: before and after on rows later than those each map was
    fitted on, or `why` there are none.
    """

    model: PropensityModel
    report: Mapping[str, Any]


def unseen_from(model: PropensityModel) -> Any:
    """The first as_of whose outcomes no row that the model was fitted on can share: one horizon after its newest."""
    return instant((stamp(model.trained_as_of) + days(model.horizon_days)).astype(object))


def recalibrate_model(model: PropensityModel, matrix: Matrix, base_log_odds: float | None = None) -> Recalibrated:
    """Fit the intercept, and the slope where it differs from 1, on the eligible, mature rows the model did not see.

    base_log_odds: of the base rate known at training. Ranks and percentiles stay exactly as they were.

    Raises
    ------
    NoUsableModel : too few accounts with (or without) the outcome, or a slope of zero or below.
    """
    unseen = matrix.eligible().mature()
    unseen = unseen.where(instants(unseen.frame["as_of"].to_numpy()) >= stamp(unseen_from(model)))
    frame = unseen.frame
    y = frame["outcome"].to_numpy(dtype=np.float64)
    accounts = frame["account_id"].to_numpy()
    _enough(model, accounts, y)
    families, as_of, z = frame["family_id"].to_numpy(), instants(frame["as_of"].to_numpy()), model.log_odds(frame)
    fitted, tested = _decided(z, y, families)
    if not fitted.usable:
        raise NoUsableModel(
            "The live model was to be recalibrated",
            found=f"on rows that it had not seen its slope is {fitted.slope:.2f}: a higher score no longer means more",
            do="Run `tierwise train`; tiers by rules need no model",
        )
    made = replace(
        model,
        recalibration=fitted.after(model.recalibration),
        trained_as_of=instant(as_of.max().astype(object)),
    )
    report = {
        "rows": _count(accounts, as_of, y),
        "before": _figures(z, y, families, base_log_odds),
        "form": "intercept" if fitted == tested.shift else "intercept and slope",
        "slope_test": asdict(tested),
        "map": asdict(fitted),
        "forward": _forward(z, y, accounts, families, as_of, model.horizon_days, base_log_odds),
    }
    return Recalibrated(made, report)


def _accounts(accounts: npt.NDArray[Any], y: Floats) -> tuple[int, int]:
    """How many accounts have a row with the outcome, and how many one without."""
    return len(np.unique(accounts[y == 1])), len(np.unique(accounts[y == 0]))


def _enough(model: PropensityModel, accounts: npt.NDArray[Any], y: Floats) -> None:
    having, lacking = _accounts(accounts, y)
    if min(having, lacking) >= LEAST_OUTCOMES:
        return
    raise NoUsableModel(
        f"The live model was to be recalibrated on mature rows from {naive(unseen_from(model)).date()} on, which it "
        f"has not seen; {LEAST_OUTCOMES} accounts with the outcome and {LEAST_OUTCOMES} without are the least",
        found=f"there are {len(y):,} rows, of {having} accounts with it and {lacking} without",
        do="Keep the live model, and try again when more horizons have closed",
    )


def _decided(z: Floats, y: Floats, families: npt.NDArray[Any]) -> tuple[Affine, SlopeTest]:
    """The map: intercept alone, unless the test says that the slope differs from 1."""
    tested = slope_test(z, y, families)
    return (tested.line if tested.p_value < ALPHA else tested.shift), tested


def _figures(z: Floats, y: Floats, families: npt.NDArray[Any], base_log_odds: float | None) -> dict[str, Any]:
    measured = measure(y, z, families, probability=True, seed=SEED)
    losses = {name: asdict(measured.interval(name)) for name in ("log_loss", "brier")}
    return losses | calibration_figures(z, y, families, base_log_odds)


def _forward(
    z: Floats,
    y: Floats,
    accounts: npt.NDArray[Any],
    families: npt.NDArray[Any],
    as_of: npt.NDArray[Any],
    horizon_days: int,
    base_log_odds: float | None,
) -> dict[str, Any]:
    """Before and after, pooled over parts of which each is later, by a horizon, than the rows its map was fitted on."""
    judged: list[npt.NDArray[np.int64]] = []
    after: list[Floats] = []
    for part in np.array_split(np.unique(as_of), PARTS)[1:]:
        if not len(part):
            continue
        old, now = as_of + days(horizon_days) <= part[0], np.flatnonzero(np.isin(as_of, part))
        if min(_accounts(accounts[old], y[old])) < LEAST_OUTCOMES:
            continue
        fitted, _ = _decided(z[old], y[old], families[old])
        judged.append(now)
        after.append(fitted(z[now]))
    if not judged:
        return {"n": 0, "why": _not_yet(accounts, y, as_of, horizon_days)}
    rows, new = np.concatenate(judged), np.concatenate(after)
    y, families, old_z = y[rows], families[rows], z[rows]
    measured = [measure(y, values, families, probability=True, seed=SEED) for values in (old_z, new)]
    difference, _ = measured[1].less(measured[0], "log_loss")
    return {
        "n": len(rows),
        "outcomes": int(y.sum()),
        "first_as_of": _day(as_of[rows].min()),
        "last_as_of": _day(as_of[rows].max()),
        "difference": asdict(difference),
        "before": _figures(old_z, y, families, base_log_odds),
        "after": _figures(new, y, families, base_log_odds),
    }


def _not_yet(accounts: npt.NDArray[Any], y: Floats, as_of: npt.NDArray[Any], horizon_days: int) -> str:
    """Why nothing could be judged forward, and when the first rows a horizon after enough others have matured."""
    until = (
        day for day in np.unique(as_of) if min(_accounts(accounts[as_of <= day], y[as_of <= day])) >= LEAST_OUTCOMES
    )
    through = next(until) + days(2 * horizon_days)
    return (
        f"no unseen rows lie {horizon_days} days after enough others to fit on; the first that do can be judged with "
        f"outcomes through {_day(through)} at the earliest"
    )


def _count(accounts: npt.NDArray[Any], as_of: npt.NDArray[Any], y: Floats) -> dict[str, Any]:
    return {
        "rows": len(y),
        "accounts": len(np.unique(accounts)),
        "outcomes": int(y.sum()),
        "outcome_accounts": len(np.unique(accounts[y == 1])),
        "base_rate": float(y.mean()),
        "first_as_of": _day(as_of.min()),
        "last_as_of": _day(as_of.max()),
    }


def _day(value: Any) -> str:
    return str(value.astype("datetime64[D]"))
