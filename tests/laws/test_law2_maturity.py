"""Law 2 at the level of the matrix: a row younger than its horizon changes nothing that is learned or measured."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_sample import matrix, plan
from tierwise.features.matrix import Matrix
from tierwise.learning import Trained, train_model

SAMPLE = matrix(accounts=120, months=14)
UNSEEN = (("eligible", np.nan), ("customer", 1.0), ("in_pipeline", 0.0))
"""The statuses and outcomes of rows that training must not see."""


def trained(sample: Matrix, candidate: str) -> Trained:
    return train_model(sample, plan(candidates=[candidate], folds=2, min_outcomes=20, scorecard_below=20), threads=1)


@cache
def expected(candidate: str) -> Trained:
    return trained(SAMPLE, candidate)


def noise(seed: int, rows: int, status: str, outcome: float) -> pd.DataFrame:
    """Rows of wild values that training must not see."""
    r = np.random.default_rng(seed)
    frame = SAMPLE.frame.sample(rows, random_state=seed).reset_index(drop=True)
    later = r.integers(-200, 200, rows).astype("timedelta64[D]")
    return frame.assign(
        as_of=frame["as_of"] + later,
        industry=np.array(["i9", "never seen", None], dtype=object)[r.integers(0, 3, rows)],
        employee_count=r.normal(1e6, 1e6, rows),
        web_30d=r.normal(1e3, 1e3, rows),
        status=status,
        outcome=outcome,
    )


@pytest.mark.parametrize("candidate", ["scorecard", "two_sided"])
@settings(deadline=None, max_examples=4)
@given(seed=st.integers(0, 2**31), rows=st.tuples(*[st.integers(1, 400)] * len(UNSEEN)))
def test_immature_and_ineligible_rows_change_no_byte(candidate: str, seed: int, rows: tuple[int, ...]) -> None:
    """Each example holds rows of every kind."""
    more = [noise(seed + n, rows[n], *kind) for n, kind in enumerate(UNSEEN)]
    mixed = pd.concat([SAMPLE.frame, *more], ignore_index=True)
    shuffled = mixed.sample(frac=1, random_state=seed).reset_index(drop=True)
    found = trained(Matrix(shuffled, SAMPLE.features, SAMPLE.horizon_days), candidate)
    assert found.model.to_files() == expected(candidate).model.to_files()
    assert found.evaluation.to_dict() == expected(candidate).evaluation.to_dict()


def test_a_mature_row_does_change_the_model() -> None:
    mixed = pd.concat([SAMPLE.frame, noise(1, 400, "eligible", 1.0)], ignore_index=True)
    found = trained(Matrix(mixed, SAMPLE.features, SAMPLE.horizon_days), "scorecard")
    assert found.model.to_files() != expected("scorecard").model.to_files()
