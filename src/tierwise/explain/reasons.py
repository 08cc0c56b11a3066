"""Contributions as reasons: value, as-of date and words (law 4: with the base they sum to the log-odds)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tierwise.explain.evidence import family_of
from tierwise.features.catalogue import LONGEST_AGO
from tierwise.features.feature import Feature
from tierwise.features.matrix import VALUE_AS_OF

if TYPE_CHECKING:
    from tierwise.explain.evidence import Evidence
    from tierwise.explain.observed import Observed
    from tierwise.features.matrix import Matrix
    from tierwise.learning.model import PropensityModel

COLUMNS = ("account_id", "as_of", "side", "family", "feature", "value", "value_as_of", "log_odds", "words", "proven")
NOTHING = 1e-12
"""A contribution of no more than this is rounding, and is left out."""
CALIBRATION = "calibration"
"""The side, and the feature, of what a calibrator that is no affine map adds; it is nobody's doing, and no top reason.
"""
CALIBRATION_WORDS = "calibration: what scores like this came to, beyond the sum of their reasons"


def reasons(
    model: PropensityModel, matrix: Matrix, found: Evidence | None = None, observed: Observed | None = None
) -> pd.DataFrame:
    """Every contribution that is not zero, by account, as_of and falling size.

    Columns: account_id, as_of, side (fit, signal, or calibration: what a calibrator that is no affine map adds), family
    (what people call it together with its like), feature, value (text, null if missing), value_as_of (a signal's is
    as_of, a tracked attribute's its last change, none for today's attributes), log_odds (calibrated), words, proven (by
    the evidence `found` in training: `part`, where its measure and its family are seen to tell, and the `observed` rate
    of accounts of this value does not speak against it; `family`, where the family alone is to be named;
    empty: neither is shown). For each row of the matrix, base + the sum of log_odds = the calibrated
    log-odds.

    Raises
    ------
    ContractError : a feature of the model is missing, renamed, doubled or retyped in the matrix.
    """
    frame, features = matrix.frame, model.features
    parts = np.column_stack([model.contributions(frame).to_numpy(dtype=np.float64), model.residue(frame)])
    row, which = np.nonzero(np.abs(parts) > NOTHING)
    log_odds = parts[row, which]
    _, account = np.unique(frame["account_id"].to_numpy().astype(str), return_inverse=True)
    as_of = frame["as_of"].to_numpy()
    order = np.lexsort((which, -np.abs(log_odds), row, as_of[row], account[row]))
    row, which, log_odds = row[order], which[order], log_odds[order]
    values = np.empty(len(row), dtype=object)
    words = np.empty(len(row), dtype=object)
    proven = np.array([*("part" if found is None else found.of(f) for f in features), ""], dtype=object)[which]
    for j, feature in enumerate(features):
        here = np.flatnonzero(which == j)
        if len(here):
            values[here], words[here] = _say(feature, frame[feature.name], row[here])
        if len(here) and observed is not None:
            against = observed.against(feature, frame[feature.name].iloc[row[here]], log_odds[here])
            proven[here[against & (proven[here] == "part")]] = "family"
    words[which == len(features)] = CALIBRATION_WORDS
    sides = np.array([*(f.side for f in features), CALIBRATION], dtype=object)
    dates = np.stack(
        [*(_dates(frame, f) for f in features), np.full(len(frame), np.datetime64("NaT"), "datetime64[us]")]
    )
    return pd.DataFrame(
        {
            "account_id": frame["account_id"].to_numpy()[row],
            "as_of": as_of[row],
            "side": sides[which],
            "family": np.array([*map(family_of, features), CALIBRATION], dtype=object)[which],
            "feature": np.array([*(f.name for f in features), CALIBRATION], dtype=object)[which],
            "value": values,
            "value_as_of": dates[which, row],
            "log_odds": log_odds,
            "words": words,
            "proven": proven,
        },
        columns=list(COLUMNS),
    )


def format_value(feature: Feature, value: Any) -> str:
    """A value as a reader expects it: 12,300, 3.25, yes or no, a level, or `not known`."""
    if value is None or value != value:
        return feature.absent
    if feature.kind == "category":
        return str(value)
    number = float(value)
    if feature.kind == "flag":
        return "yes" if number else "no"
    if not math.isfinite(number):
        return str(number)
    if feature.unit.startswith("days"):
        return _days(feature, number)
    if feature.unit == "log ratio":
        return f"{math.exp(number):.1f}"
    if number == int(number) or abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def _days(feature: Feature, days: float) -> str:
    """Days ago in whole days; the longest that counts may stand for never, where the feature's unit says so."""
    if days >= LONGEST_AGO:
        return f"{LONGEST_AGO} or more, or never" if feature.unit == "days or never" else f"{LONGEST_AGO} or more"
    return "less than 1" if days < 1 else str(int(days))


def speak(feature: Feature, value: Any) -> str:
    """A feature's words with its value; a template that opens with the value is turned round where it is not known."""
    said = format_value(feature, value)
    if said == feature.absent and feature.words.startswith("{value}"):
        return f"{feature.words.removeprefix('{value}').strip()}: {feature.absent}"
    return feature.words.replace("{value}", said)


def _say(feature: Feature, column: pd.Series, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values as text and words for some rows, each distinct value said once."""
    codes, distinct = pd.factorize(column.to_numpy()[row], use_na_sentinel=True)
    known = distinct.tolist()
    values = np.array([*map(_text, known), None], dtype=object)
    words = np.array([speak(feature, v) for v in [*known, None]], dtype=object)
    return np.asarray(values[codes]), np.asarray(words[codes])


def _text(value: Any) -> str:
    if isinstance(value, (bool, str)):
        return str(value)
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _dates(frame: pd.DataFrame, feature: Feature) -> np.ndarray:
    """Since when a feature's values hold: a signal's are of as_of, a tracked attribute's of its last change."""
    name = "as_of" if feature.side == "signal" else f"{VALUE_AS_OF}{feature.name}"
    if name in frame.columns:
        return np.asarray(frame[name].to_numpy(), dtype="datetime64[us]")
    return np.full(len(frame), np.datetime64("NaT"), dtype="datetime64[us]")
