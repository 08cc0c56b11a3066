"""Law 5: features reach a model by name, in its own order; a missing, renamed or retyped one is refused by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_sample import FEATURES, matrix
from tierwise.errors import ContractError
from tierwise.features.feature import Feature
from tierwise.learning import Scorecard, TwoSidedBooster

SAMPLE = matrix(accounts=150, months=4)
Y = SAMPLE.frame["outcome"]
MODELS = {
    "scorecard": Scorecard(FEATURES).fit(SAMPLE.frame, Y),
    "two_sided": TwoSidedBooster(FEATURES, rounds=20).fit(SAMPLE.frame, Y),
}
KINDS = st.sampled_from(sorted(MODELS))
ONE = st.sampled_from(FEATURES)


@settings(deadline=None, max_examples=20)
@given(kind=KINDS, order=st.permutations(list(SAMPLE.frame.columns)))
def test_the_order_of_columns_and_further_columns_change_nothing(kind: str, order: list[str]) -> None:
    frame = SAMPLE.frame[order].assign(an_extra_column=1.0)
    expected = MODELS[kind].decision_function(SAMPLE.frame)
    assert np.array_equal(MODELS[kind].decision_function(frame), expected)
    assert np.array_equal(MODELS[kind].contributions(frame), MODELS[kind].contributions(SAMPLE.frame))


@settings(deadline=None, max_examples=20)
@given(kind=KINDS, feature=ONE)
def test_a_missing_column_is_refused_by_name(kind: str, feature: Feature) -> None:
    with pytest.raises(ContractError, match=f"missing from the rows: '{feature.name}'".replace("+", "[+]")):
        MODELS[kind].decision_function(SAMPLE.frame.drop(columns=feature.name))


@settings(deadline=None, max_examples=20)
@given(kind=KINDS, feature=ONE)
def test_a_renamed_column_is_refused_and_the_new_name_guessed(kind: str, feature: Feature) -> None:
    renamed = SAMPLE.frame.rename(columns={feature.name: f"{feature.name}_"})
    with pytest.raises(ContractError) as told:
        MODELS[kind].contributions(renamed)
    assert f"'{feature.name}' (is it '{feature.name}_'?)" in str(told.value)


@settings(deadline=None, max_examples=20)
@given(kind=KINDS, feature=ONE)
def test_a_retyped_column_is_refused_by_name(kind: str, feature: Feature) -> None:
    other = 1.0 if feature.kind == "category" else "text"
    with pytest.raises(ContractError) as told:
        MODELS[kind].predict_proba(SAMPLE.frame.assign(**{feature.name: other}))
    assert f"'{feature.name}' is a {feature.kind}, and the column holds" in str(told.value)


def test_two_columns_swapped_by_name_are_two_columns_swapped_in_value() -> None:
    swapped = SAMPLE.frame.rename(columns={"web_30d": "email_90d", "email_90d": "web_30d"})
    for model in MODELS.values():
        assert not np.allclose(model.decision_function(swapped), model.decision_function(SAMPLE.frame))


def test_a_doubled_column_and_an_infinite_value_are_refused() -> None:
    doubled = pd.concat([SAMPLE.frame, SAMPLE.frame[["web_30d"]]], axis=1)
    with pytest.raises(ContractError, match="more than one column is named"):
        MODELS["scorecard"].decision_function(doubled)
    with pytest.raises(ContractError, match="'web_30d' holds an infinite value"):
        MODELS["scorecard"].decision_function(SAMPLE.frame.assign(web_30d=np.inf))


def test_text_may_be_objects_or_pandas_strings() -> None:
    typed = SAMPLE.frame.astype({"industry": "str", "region": "str"})
    for model in MODELS.values():
        assert np.array_equal(model.decision_function(typed), model.decision_function(SAMPLE.frame))
