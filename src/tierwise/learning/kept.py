"""A model with a kept fit side, judged itself: on the test rows that are newer than all its fit side has seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tierwise.clock import naive
from tierwise.learning.calibration import row_log_loss
from tierwise.learning.encoding import Floats
from tierwise.learning.evaluation import USABLE, TestReport
from tierwise.learning.frozen import FitSide, keep_fit
from tierwise.learning.metrics import paired_difference
from tierwise.learning.model import PropensityModel
from tierwise.learning.recalibration import LEAST_OUTCOMES
from tierwise.learning.rows import Rows
from tierwise.learning.splits import Division, Mask, stamp


@dataclass(frozen=True)
class Judging:
    """Which test rows report, and whether a kept fit side is judged on them.

    rows: a mask of the test rows. side: the fit side that is judged; None where the model that is judged learns one of
    its own, and `why` in words where another is kept.
    """

    rows: Mask
    side: FitSide | None = None
    why: str = ""


def judging(keep: FitSide | None, test: Rows, division: Division) -> Judging:
    """The test rows from `keep.unseen_from` on, where they are enough to judge on; else all, by one learned anew.

    They are enough where they are the whole slice, which is judged however small it is, and where LEAST_OUTCOMES
    accounts have the outcome in them and as many have not. A slice whose families are kept apart is never judged so:
    the kept fit side has seen all families (law 3).
    """
    every = np.ones(len(test.y), dtype=np.bool_)
    if keep is None:
        return Judging(every)
    if division.apart is not None:
        return Judging(every, why="it has learned from all families, which the plan keeps apart (model.family_parts)")
    first = naive(keep.unseen_from).date()
    newer = test.as_of >= stamp(keep.unseen_from)
    if newer.all():
        return Judging(every, keep)
    accounts = test.frame["account_id"]
    counts = [accounts[newer & (test.y == value)].nunique() for value in (1, 0)]
    if min(counts) >= LEAST_OUTCOMES:
        return Judging(newer, keep)
    return Judging(
        every,
        why=f"the months that it has not learned from begin on {first}, and among the unseen ones those hold "
        f"{counts[0]} accounts with the outcome and {counts[1]} without ({LEAST_OUTCOMES} of each are the least); rows "
        f"of a day mature {test.horizon_days} days after it",
    )


def reported(
    seen: Judging,
    test: Rows,
    on_test: Mapping[str, Floats],
    chosen: str,
    earlier: Rows,
    before: Callable[[], PropensityModel],
) -> tuple[Rows, dict[str, Floats], dict[str, Any]]:
    """The test rows that report, each candidate's calibrated log-odds of them, and what is said of a kept fit side.

    Where one is judged, the log-odds of the chosen candidate are those of a model of the earlier rows that keeps it, by
    the same `keep_fit` as the model of all rows. before: makes the model of the earlier rows that learns its own.

    The third, as JSON values: `judged`; else `why` not, or `from` (the first as_of that may be judged), whether that is
    the `whole` slice, `slice_from` (its first as_of), `rows`, `accounts`, and log-loss of both on these rows:
    `log_loss`, `log_loss_anew`, their `difference` (kept less anew) and its `standard_error`, by account family. Empty
    where no fit side is kept.
    """
    begin = test.as_of.min()
    test, shown = test.where(seen.rows), {name: values[seen.rows] for name, values in on_test.items()}
    if seen.side is None:
        return test, shown, {"judged": False, "why": seen.why} if seen.why else {}
    kept = keep_fit(before(), seen.side, earlier.frame).log_odds(test.frame)
    own, other = row_log_loss(kept, test.y), row_log_loss(shown[chosen], test.y)
    less = paired_difference(own, other, test.families)
    return (
        test,
        shown | {chosen: kept},
        {
            "judged": True,
            "from": naive(seen.side.unseen_from).date().isoformat(),
            "whole": bool(seen.rows.all()),
            "slice_from": str(begin.astype("datetime64[s]")),
            "rows": len(test.y),
            "accounts": int(test.frame["account_id"].nunique()),
            "log_loss": float(own.mean()),
            "log_loss_anew": float(other.mean()),
            "difference": less.mean,
            "standard_error": less.standard_error,
        },
    )


def report_on(
    seen: Judging,
    test: Rows,
    on_test: Mapping[str, Floats],
    kept: tuple[Rows, dict[str, Floats], dict[str, Any]],
    report: Callable[[Rows, Mapping[str, Floats]], TestReport],
) -> tuple[Rows, Mapping[str, Floats], dict[str, Any], TestReport]:
    """The rows that report, each candidate's log-odds of them, what is said of a kept fit side, and the report.

    Where a part of the slice reports, and no usable model is seen on it, small as it is, the whole slice does, by a fit
    side learned anew: whether to publish the kept one then is the gate's, and a person's, to say.

    kept: what `reported` gives. report: of rows and log-odds.
    """
    rows, shown, said = kept
    found = report(rows, shown)
    if seen.rows.all() or found.verdict == USABLE:
        return rows, shown, said, found
    counts = [rows.frame["account_id"][rows.y == value].nunique() for value in (1, 0)]
    why = (
        f"the months that it has not learned from hold {counts[0]} accounts with the outcome and {counts[1]} without, "
        f"and on them it is not seen to be usable ({found.why})"
    )
    return test, on_test, {"judged": False, "why": why}, report(test, on_test)


def kept_why(verdict: str, kept: Mapping[str, Any]) -> str:
    """What of a verdict that there is no usable model is the kept fit side's, without a stop; "" where nothing is said,
    as where one learned anew is no better beyond a standard error.

    kept: the third of `reported`.
    """
    if verdict == USABLE or not kept.get("judged") or kept["difference"] <= kept["standard_error"]:
        return ""
    return (
        f"it was judged with the fit side that the plan freezes, whose log-loss on the same {kept['rows']:,} rows is "
        f"{kept['difference']:+.4f} beside one that is learned anew, as an earlier model.fit_frozen_until would have it"
    )
