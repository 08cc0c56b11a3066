"""What a candidate says of rows that it was not fitted to: the folds it is judged on, and the test's rows.

The reported figures and the canary of dealt-out outcomes both come of these functions, so that a leak shows in both.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tierwise.config.icp import IcpPoints
from tierwise.learning.encoding import Floats
from tierwise.learning.prior import prior_levels
from tierwise.learning.rows import Rows
from tierwise.learning.search import Tried
from tierwise.learning.season_choice import SeasonTrial
from tierwise.learning.sides import Prepared, SidesClassifier, prepare
from tierwise.learning.splits import Division


def prepared(earlier: Rows, division: Division, prior: Sequence[IcpPoints]) -> list[Prepared]:
    """The folds of the earlier rows, in numbers; levels that a prior names are kept."""
    frame, y, named = earlier.frame, earlier.y, prior_levels(prior, earlier.features)
    return [prepare(earlier.features, frame[old], y[old], frame[now], y[now], named) for old, now in division.folds]


def fitted(tried: Tried, rows: Rows, threads: int, seed: int) -> SidesClassifier:
    """A candidate with its settings, fitted to rows."""
    return tried.estimator(rows.features, threads, seed).fit(rows.frame, rows.y)


def on_test(
    rows: Rows, division: Division, tried: Tried, trial: SeasonTrial | None, *, threads: int, seed: int
) -> Floats:
    """The test rows' calibrated log-odds, by models (and seasons, where there is a trial) of the rows before them."""
    earlier, test = rows.where(division.earlier), rows.where(division.test)
    said = np.empty(len(test.y))
    for old, now in division.reports:
        learned = earlier.where(old)
        model = fitted(tried, learned, threads, seed)
        said[now] = tried.affine(model.decision_function(test.frame[now]))
        if trial is not None:
            said[now] += trial.season(model, learned)(test.as_of[now])
    return said
