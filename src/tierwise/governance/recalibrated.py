"""What a recalibrated model says of itself: which model it was, on which rows, and what became better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from scipy.special import expit, logit

from tierwise.governance.words import p_words
from tierwise.learning.calibration import Affine
from tierwise.learning.evaluation import DIGITS
from tierwise.learning.recalibration import Recalibrated
from tierwise.plain import plain


def recalibrated_meta(
    live: Mapping[str, Any], of: Mapping[str, Any], made: Recalibrated, stand: datetime, through: datetime, inputs: str
) -> dict[str, Any]:
    """The live model's meta with what a recalibration changes.

    of: which version it recalibrates (`number`, `model_version`). Changed are: the dates and the hash of the inputs;
    `recalibration`, the report; the notes, which tell it; the propensities that drift is measured against, moved as the
    map moves them; and the evaluation's calibration, where the new map could be judged forward in time.
    """
    report = {"of": dict(of), **plain(made.report, digits=DIGITS)}
    evaluation = dict(live["evaluation"])
    if report["forward"]["n"]:
        evaluation["calibration"] = report["forward"]["after"]
    return {
        **live,
        "trained_as_of": stand.date().isoformat(),
        "data_through": through.date().isoformat(),
        "inputs": inputs,
        "evaluation": evaluation,
        "reference": _moved(live["reference"], Affine(**made.report["map"])),
        "recalibration": report,
        "notes": [*live["notes"], *(f"{line}." for line in recalibration_words(report))],
    }


def _moved(reference: Mapping[str, Any], line: Affine) -> dict[str, Any]:
    """A drift reference whose propensities are recalibrated: the same shares between moved edges.

    An edge belongs to the bin below it, and is kept there against rounding.
    """
    scores = dict(reference["scores"])
    edges = np.asarray(scores["propensity"]["edges"], dtype=np.float64)
    scores["propensity"] = scores["propensity"] | {"edges": (expit(line(logit(edges))) * (1 + 1e-9)).tolist()}
    return {**reference, "scores": scores}


def recalibration_words(report: Mapping[str, Any]) -> tuple[str, ...]:
    """What a recalibration did and was worth, each a sentence without its stop."""
    rows, before, tested, line = (report[key] for key in ("rows", "before", "slope_test", "map"))
    dates = f"as of {rows['first_as_of']} to {rows['last_as_of']}"
    return (
        f"Version {report['of']['number']}, recalibrated on {rows['rows']:,} rows of {rows['accounts']:,} accounts "
        f"({rows['outcomes']:,} outcomes, {dates}) that it had not seen; nothing was learned again, and ranks stay",
        f"Before, on those rows: log-loss {_interval(before['log_loss'])}, {_test(before)}",
        f"{_slope(report['form'], tested)}: {_map(line)}",
        _forward(report["forward"]),
    )


def _slope(form: str, tested: Mapping[str, Any]) -> str:
    found = f"(likelihood-ratio test {tested['statistic']:.2f}, {p_words(tested['p_value'])})"
    if form == "intercept":
        return f"The slope does not differ from 1 {found}, so the intercept alone was fitted"
    return f"The slope differs from 1 {found}, so it was fitted too"


def _map(line: Mapping[str, Any]) -> str:
    if line["slope"] == 1:
        return f"log-odds {line['intercept']:+.3f}, odds times {math.exp(line['intercept']):.2f}"
    return f"log-odds times {line['slope']:.3f}, {line['intercept']:+.3f}"


def _forward(found: Mapping[str, Any]) -> str:
    if not found["n"]:
        return f"What it is worth on later rows cannot be said yet: {found['why']}"
    losses = [f"{found[key]['log_loss']['value']:.4f}" for key in ("before", "after")]
    gained = _interval(found["difference"], "+")
    return (
        f"Forward in time, on {found['n']:,} rows ({found['outcomes']:,} outcomes) later than those each map was "
        f"fitted on: log-loss {losses[0]} before, {losses[1]} after, a difference of {gained}; "
        f"before {_test(found['before'])}, after {_test(found['after'])}"
    )


def _interval(figure: Mapping[str, Any], sign: str = "") -> str:
    if any(figure[key] is None for key in ("value", "low", "high")):
        return "not known"
    value, low, high = (f"{figure[key]:{sign}.4f}" for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _test(figures: Mapping[str, Any]) -> str:
    line = f"slope {figures['slope']:.2f}, intercept {figures['intercept']:+.2f}"
    return f"calibration {line}, {p_words(figures['p_value'])}"
