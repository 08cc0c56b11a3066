"""The candidates pass scikit-learn's own checks of estimators, every one that applies to them."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from tierwise.learning import AdditiveBooster, FreeBooster, Scorecard, StagedBooster, TwoSidedBooster

LOOSE = {"rounds": 50, "min_leaf": 2, "lambda_l2": 0.0}
"""Settings under which rows as few as the checks' can be learned."""
ESTIMATORS = (
    Scorecard(penalty=1.0),
    AdditiveBooster(**LOOSE),
    TwoSidedBooster(**LOOSE),
    StagedBooster(**LOOSE),
    FreeBooster(**LOOSE),
)
NOT_OURS = {"check_array_api_input": "only estimators that read arrays of other libraries are asked for it"}


def checks() -> list[Any]:
    found = []
    for estimator in ESTIMATORS:
        for each, check in estimator_checks_generator(estimator):
            name = getattr(check, "func", check).__name__
            if name not in NOT_OURS:
                found.append(pytest.param(each, check, id=f"{type(each).__name__}-{name}-{len(found)}"))
    return found


@pytest.mark.parametrize(("estimator", "check"), checks())
def test_scikit_learn_s_checks(estimator: Any, check: Any) -> None:
    assert check(estimator) is None, "a check that fails raises"
