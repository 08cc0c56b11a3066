"""What a model is worth, measured on the newest slice that no choice has seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tierwise.config.icp import IcpPoints
from tierwise.features.feature import Feature
from tierwise.learning.baselines import rankings, unformed
from tierwise.learning.capacity import at_capacity
from tierwise.learning.metrics import SHARES, Interval, Measured, measure
from tierwise.learning.reliability import calibration_figures
from tierwise.learning.splits import instants
from tierwise.plain import plain

Floats = npt.NDArray[np.float64]

USABLE, NOT_USABLE = "usable", "no usable model"
DIGITS = 6
"""Decimals of a figure that is kept or shown."""
LEAST_TEST_OUTCOMES = 10
SURE = 0.95
"""The share of paired resamples in which a model must be ahead of a baseline."""
AT = "capture_0.2"
ASKED = (
    f"average precision ahead in {100 * SURE:.0f} % of resamples by account family, AUC in half of them, and capture "
    "of the top 20 % ahead"
)
"""What it takes to beat a baseline, in words."""


@dataclass(frozen=True)
class Evaluation:
    """The evidence of one training, each figure with its n and interval.

    verdict: `usable` or `no usable model`; why: one sentence. provisional: few accounts had the outcome, so that only
    scorecards were tried. prior: the rubric they started from, and what a point of it is worth (`prior.prior_said`);
    empty without one. families: into how many parts they were dealt that stand on one side only, how many there are,
    and what that left out; empty where the plan does not ask for it. candidates: per candidate, its settings, out-of-
    time log-loss and calibration. trials: every setting that was tried, in order. yardstick: the chosen one against one
    free booster, out of time. random_cv: the same model on rows drawn at random and forward in time. metrics: per
    candidate and baseline on the test slice, `{figure: {value, low, high}}`. comparisons: the chosen model less each
    baseline. unformed: the baselines that the rows do not allow, and why. calibrators: each kind of calibrator on the
    chosen model's out-of-time rows, forward in time (`comparison.Comparison.to_dict()`). canaries: what must come to
    nothing, and whether it did (`canaries.canaries`). season: whether the base varies by month of the year, and why
    (`season_choice.SeasonTrial.to_dict`); where it does, the chosen model's figures on the test slice have it, those of
    `candidates`, `folds` and `yardstick` do not. level: whether the newest level of the base is used, and why
    (`level_choice.LevelTrial.to_dict`); it is in the same figures, as it was before the test slice. capacity: what the
    best rows of each as_of hold, so many as the team can work (`capacity.at_capacity`); without a line where no
    capacity is stated.
    """

    verdict: str
    why: str
    chosen: str
    chosen_because: str
    provisional: bool
    prior: Mapping[str, Any]
    families: Mapping[str, Any]
    horizon_days: int
    trained: Mapping[str, Any]
    test: Mapping[str, Any]
    folds: Sequence[Mapping[str, Any]]
    candidates: Mapping[str, Mapping[str, Any]]
    trials: Sequence[Mapping[str, Any]]
    yardstick: Mapping[str, Any]
    random_cv: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, Mapping[str, float]]]
    comparisons: Mapping[str, Mapping[str, Any]]
    unformed: Mapping[str, str]
    calibration: Mapping[str, Any]
    lift: Sequence[Mapping[str, float]]
    calibrators: Mapping[str, Any]
    canaries: Mapping[str, Any]
    season: Mapping[str, Any]
    level: Mapping[str, Any]
    capacity: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as JSON values: floats rounded to 6 digits, what cannot be said as null."""
        return {field.name: plain(getattr(self, field.name), digits=DIGITS) for field in fields(self)}


@dataclass(frozen=True)
class TestReport:
    """What the test slice says of the chosen model."""

    __test__ = False
    verdict: str
    why: str
    metrics: dict[str, dict[str, dict[str, float]]]
    comparisons: dict[str, dict[str, Any]]
    unformed: dict[str, str]
    calibration: dict[str, Any]
    lift: list[dict[str, float]]
    capacity: dict[str, Any]


def test_report(
    frame: pd.DataFrame,
    y: Floats,
    log_odds: Mapping[str, Floats],
    chosen: str,
    features: Sequence[Feature],
    base_log_odds: float,
    seed: int,
    rubric: Sequence[IcpPoints],
    capacity: Mapping[str, int],
) -> TestReport:
    """Measure every candidate (calibrated log-odds by name) and baseline on the test rows, and judge the chosen one.

    capacity: by name, how many accounts of one as_of can be worked.
    """
    families = frame["family_id"].to_numpy()
    measured = {
        name: measure(y, values, families, probability=True, seed=seed) for name, values in sorted(log_odds.items())
    }
    baselines = rankings(frame, features, rubric)
    base = np.full(len(y), base_log_odds)
    measured["base_rate"] = measure(y, base, families, probability=True, seed=seed)
    for name in sorted(set(baselines) - {"base_rate"}):
        measured[name] = measure(y, baselines[name], families, probability=False, seed=seed)
    comparisons = {name: _compare(measured[chosen], measured[name]) for name in sorted(baselines)}
    outcomes = int(frame.loc[y == 1, "account_id"].nunique())
    verdict, why = _verdict(chosen, comparisons, outcomes)
    metrics = {name: {figure: asdict(m.interval(figure)) for figure in m.names} for name, m in measured.items()}
    calibration = calibration_figures(log_odds[chosen], y, families, base_log_odds)
    as_of = instants(frame["as_of"].to_numpy())
    worked = at_capacity(y, log_odds[chosen], baselines, as_of, families, capacity, seed=seed)
    cannot, lift = unformed(frame, features, rubric), _lift(measured[chosen])
    return TestReport(verdict, why, metrics, comparisons, cannot, calibration, lift, worked)


def _compare(model: Measured, baseline: Measured) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for figure in ("auc", "average_precision", AT):
        difference, ahead = model.less(baseline, figure)
        found[figure] = asdict(difference) | {"ahead": ahead}
    sure = found["average_precision"]["ahead"] >= SURE and found["auc"]["ahead"] >= 0.5
    return found | {"beaten": bool(sure and found[AT]["value"] > 0)}


def _verdict(chosen: str, comparisons: Mapping[str, Mapping[str, Any]], outcomes: int) -> tuple[str, str]:
    if outcomes < LEAST_TEST_OUTCOMES:
        return NOT_USABLE, f"only {outcomes} accounts had the outcome in the test slice: too few to tell"
    unbeaten = [name for name, found in comparisons.items() if not found["beaten"]]
    if unbeaten:
        return NOT_USABLE, f"{chosen} does not beat {listed(unbeaten)} (asked: {ASKED})"
    return USABLE, f"{chosen} beats {listed(comparisons)} ({ASKED})"


def listed(names: Iterable[str]) -> str:
    """Names in running text.

    >>> listed("abc"), listed("a")
    ('a, b and c', 'a')
    """
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _lift(model: Measured) -> list[dict[str, float]]:
    lines = []
    for share in SHARES:
        found: Interval = model.interval(f"capture_{share:g}")
        line = {"share": share, "capture": found.value, "capture_low": found.low, "capture_high": found.high}
        lines.append(line | {f"lift{k}": line[f"capture{k}"] / share for k in ("", "_low", "_high")})
    return lines
