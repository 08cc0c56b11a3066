"""The one place that knows which keys of other rooms' dicts a page reads; what is absent comes back as a reason.

`learning.Evaluation.to_dict()` is read for these; a table may be a list of records, a dict of columns or a frame, an
interval `{"value", "low", "high"}`, `[value, low, high]` or a bare number:

    verdict, why                the answer ("usable" or "no usable model") and its one sentence
    chosen, chosen_because      the candidate's name, and why it
    test                        rows, accounts, outcomes, base_rate, first_as_of, last_as_of: the unseen months
    candidates                  its keys say which names in `metrics` are candidates; the others are baselines
    metrics                     name -> auc, average_precision, log_loss, brier and capture_SHARE, as intervals
    comparisons                 name of a baseline -> beaten
    calibration                 slope, intercept, p_value, n, deciles: predicted, observed, n, and if there low, high
    lift                        share, capture

`governance.CalibrationReview.to_dict()` is read for the keys of `calibration` above.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tierwise.learning.metrics import wilson
from tierwise.report.charts import Point
from tierwise.report.words import absent

METRICS = ("auc", "average_precision", "log_loss", "brier")


@dataclass(frozen=True)
class Figure:
    """A figure with its 95% interval, as far as it is known."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Quality:
    """What the evaluation says, read once; lift is (share of rows, of outcomes), the model's own under "model", and
    captured the 95 % interval of its outcomes, by the share of rows.
    """

    rows: int | None
    outcomes: int | None
    accounts: int | None
    base_rate: float | None
    first: str
    last: str
    chosen: str
    because: str
    usable: bool
    why: str
    candidates: Mapping[str, Mapping[str, Figure]]
    baselines: Mapping[str, Mapping[str, Figure]]
    beaten: Mapping[str, bool]
    calibration: Calibration | None
    lift: Mapping[str, Sequence[tuple[float, float]]]
    captured: Mapping[float, tuple[float, float]]


@dataclass(frozen=True)
class Calibration:
    """A calibration test and its deciles as (mean predicted, observed)."""

    slope: Figure
    intercept: Figure
    p_value: float | None
    n: int
    points: tuple[tuple[float, Point], ...]


def real(value: object) -> float | None:
    """A number, or None where there is none."""
    if absent(value) or isinstance(value, str | Mapping):
        return None
    return float(value)  # type: ignore[arg-type]


def mapping(value: object) -> Mapping[str, object]:
    """A mapping as it is; an empty one in place of anything else."""
    return value if isinstance(value, Mapping) else {}


def whole(value: object) -> int | None:
    """A count, or None where there is none."""
    found = real(value)
    return None if found is None else round(found)


def figure(value: object) -> Figure:
    """A figure and its interval, in any of the three forms."""
    if isinstance(value, Mapping):
        middle = value.get("value", value.get("estimate"))
        return Figure(real(middle), real(value.get("low")), real(value.get("high")))
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 3:
        return Figure(real(value[0]), real(value[1]), real(value[2]))
    return Figure(real(value))


def records(table: object) -> list[dict[str, object]]:
    """The rows of a table given as records, as a dict of columns or as a frame."""
    if isinstance(table, pd.DataFrame):
        return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]
    if isinstance(table, Mapping):
        columns = {str(k): list(v) for k, v in table.items() if isinstance(v, Sequence) and not isinstance(v, str)}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if isinstance(table, Sequence) and not isinstance(table, str):
        return [dict(row) for row in table if isinstance(row, Mapping)]
    return []


def read_calibration(part: object) -> Calibration | None:
    """A calibration dict; None where it holds no decile. A missing interval is Wilson's, from the decile's own n."""
    if not isinstance(part, Mapping):
        return None
    points: list[tuple[float, Point]] = []
    for row in records(part.get("deciles", part.get("table"))):
        predicted = real(row.get("mean_predicted", row.get("predicted")))
        observed, n = real(row.get("observed")), whole(row.get("n")) or 0
        if predicted is None or observed is None:
            continue
        low, high = (real(row.get(k, row.get(f"observed_{k}"))) for k in ("low", "high"))
        if (low is None or high is None) and n:
            low, high = wilson(observed * n, n)
        points.append((predicted, Point(f"predicted {predicted:.3f}", observed, low, high, n)))
    if not points:
        return None
    n = whole(part.get("n")) or sum(p.n for _, p in points)
    p_value = real(part.get("p_value"))
    return Calibration(figure(part.get("slope")), figure(part.get("intercept")), p_value, n, tuple(points))


def read_quality(evaluation: Mapping[str, object]) -> Quality:
    """The evaluation as values; nothing in it is required."""
    test, metrics = _part(evaluation, "test"), _part(evaluation, "metrics")
    chosen = str(evaluation.get("chosen") or "")
    candidates = {*_part(evaluation, "candidates"), chosen}
    found = {n: {m: figure(v.get(m)) for m in METRICS} for n, v in metrics.items() if isinstance(v, Mapping)}
    lift = {"model": _curve(evaluation.get("lift"))}
    lift |= {n: _captures(v) for n, v in metrics.items() if n not in candidates and n != "base_rate"}
    comparisons = _part(evaluation, "comparisons").items()
    return Quality(
        rows=whole(test.get("rows")),
        outcomes=whole(test.get("outcomes")),
        accounts=whole(test.get("accounts")),
        base_rate=real(test.get("base_rate")),
        first=str(test.get("first_as_of") or "")[:10],
        last=str(test.get("last_as_of") or "")[:10],
        chosen=chosen,
        because=str(evaluation.get("chosen_because") or ""),
        usable=evaluation.get("verdict", "usable") == "usable",
        why=str(evaluation.get("why") or ""),
        candidates={n: v for n, v in found.items() if n in candidates},
        baselines={n: v for n, v in found.items() if n not in candidates},
        beaten={n: bool(v["beaten"]) for n, v in comparisons if isinstance(v, Mapping) and "beaten" in v},
        calibration=read_calibration(evaluation.get("calibration")),
        lift={name: rows for name, rows in lift.items() if rows},
        captured=_ranges(evaluation.get("lift")),
    )


def _part(evaluation: Mapping[str, object], key: str) -> Mapping[str, object]:
    part = evaluation.get(key)
    return {str(k): v for k, v in part.items()} if isinstance(part, Mapping) else {}


def _curve(table: object) -> tuple[tuple[float, float], ...]:
    pairs = ((real(row.get("share")), real(row.get("capture"))) for row in records(table))
    return tuple((a, b) for a, b in pairs if a is not None and b is not None)


def _ranges(table: object) -> dict[float, tuple[float, float]]:
    keys = ("share", "capture_low", "capture_high")
    lines = ([real(row.get(key)) for key in keys] for row in records(table))
    return {
        share: (low, high) for share, low, high in lines if share is not None and low is not None and high is not None
    }


def _captures(metrics: object) -> tuple[tuple[float, float], ...]:
    if not isinstance(metrics, Mapping):
        return ()
    head = "capture_"
    pairs = [(float(str(k).removeprefix(head)), figure(v).value) for k, v in metrics.items() if str(k).startswith(head)]
    return tuple(sorted((share, capture) for share, capture in pairs if capture is not None))
