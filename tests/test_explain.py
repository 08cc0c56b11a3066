"""Reasons in words, the best of them, and the waterfall; their sums are tests/laws/test_law4_sum.py."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from matrix_sample import EMAIL, FEATURES, INDUSTRY, SIZE, TECH, WEB, matrix
from tierwise.errors import UsageError
from tierwise.explain import format_value, further, reasons, top_reasons, waterfall
from tierwise.features.feature import Feature
from tierwise.features.matrix import Matrix
from tierwise.learning import Affine, PropensityModel, Scorecard, TwoSidedBooster
from tierwise.learning.model import freeze

NAMES = ["account_id", "as_of", "side", "family", "feature", "value", "value_as_of", "log_odds", "words", "proven"]


def model(sample: Matrix, kind: str = "scorecard") -> PropensityModel:
    made = Scorecard(sample.features) if kind == "scorecard" else TwoSidedBooster(sample.features, rounds=20)
    fitted = made.fit(sample.frame, sample.frame["outcome"])
    return freeze(kind, fitted, Affine(0.1, 0.9), sample.frame, 90, datetime(2025, 1, 1, tzinfo=UTC), 1)


SAMPLE = matrix(accounts=120, months=3)


@pytest.mark.parametrize(
    ("feature", "value", "said"),
    [
        (WEB, 12300.0, "12,300"),
        (WEB, 0.0, "0"),
        (WEB, 3.14159, "3.14"),
        (WEB, 0.00012345, "0.000123"),
        (WEB, 123456.7, "123,457"),
        (WEB, -2.0, "-2"),
        (WEB, np.nan, "not known"),
        (INDUSTRY, "a {value} & b", "a {value} & b"),
        (INDUSTRY, None, "not known"),
        (TECH, 1.0, "yes"),
        (TECH, 0.0, "no"),
        (TECH, np.nan, "not known"),
    ],
)
def test_values_read_as_a_person_writes_them(feature: Feature, value: object, said: str) -> None:
    assert format_value(feature, value) == said


@pytest.mark.parametrize("kind", ["scorecard", "two_sided"])
def test_every_reason_has_its_own_value_date_and_words(kind: str) -> None:
    made = model(SAMPLE, kind)
    said = reasons(made, SAMPLE)
    assert list(said.columns) == NAMES
    assert isinstance(said.index, pd.RangeIndex)
    parts = made.contributions(SAMPLE.frame)
    assert len(said) == int((parts.abs() > 1e-12).sum().sum())
    rows = SAMPLE.frame.set_index(["account_id", "as_of"])
    parts.index = rows.index
    features = {f.name: f for f in FEATURES}
    for line in said.sample(300, random_state=1).to_dict("records"):
        row = rows.loc[(line["account_id"], line["as_of"])]
        feature = features[line["feature"]]
        value = row[feature.name]
        known = value is not None and value == value
        assert line["side"] == feature.side
        if feature.side == "signal":
            assert line["value_as_of"] == line["as_of"]
        elif feature.name == "employee_count":
            assert line["value_as_of"] == row["value_as_of_employee_count"]
        else:
            assert pd.isna(line["value_as_of"]), "today's attributes have no date"
        assert line["log_odds"] == parts.loc[(line["account_id"], line["as_of"]), feature.name]
        assert (line["value"] is None or line["value"] != line["value"]) == (not known)
        if known:
            assert line["words"] == feature.words.format(value=format_value(feature, value))
        else:
            assert "not known" in line["words"]


def test_reasons_come_by_account_date_and_falling_size() -> None:
    said = reasons(model(SAMPLE), SAMPLE)
    keys = said[["account_id", "as_of"]]
    assert keys.equals(keys.sort_values(["account_id", "as_of"], kind="stable"))
    sizes = said["log_odds"].abs().groupby([said["account_id"], said["as_of"]]).diff()
    assert (sizes.dropna() <= 0).all()
    shuffled = SAMPLE.frame.sample(frac=1, random_state=3).reset_index(drop=True)
    pd.testing.assert_frame_equal(said, reasons(model(SAMPLE), Matrix(shuffled, FEATURES, 90)))


def test_what_is_missing_is_said_to_be_not_known() -> None:
    sample = matrix(accounts=60, months=2)
    made = model(sample)
    frame = sample.frame.assign(web_30d=np.nan, days_since_web=np.nan, industry=None)
    frame["industry"] = frame["industry"].astype(object)
    said = reasons(made, Matrix(frame, FEATURES, 90)).drop_duplicates("feature").set_index("feature")["words"]
    assert said.get("web_30d", "web activities in the last 30 days: not known").startswith("web activities in the last")
    assert said["days_since_web"] == "last web activity not known days ago"
    assert said["industry"] == "industry is not known"


def test_the_best_reasons_stand_side_by_side() -> None:
    said = reasons(model(SAMPLE), SAMPLE)
    wide = top_reasons(said, FEATURES, n=9)
    assert list(wide.columns) == ["account_id", "as_of", *(f"reason_{k}" for k in range(1, 10))]
    assert len(wide) == len(SAMPLE.frame)
    first = said.drop_duplicates(["account_id", "as_of"])
    for line, reason in zip(first.to_dict("records"), wide["reason_1"], strict=True):
        opening = "raises: " if line["log_odds"] > 0 else "lowers: "
        assert reason.startswith(f"{opening}{line['family']}"), "each feature of the sample is a family of its own"
    assert (wide["reason_9"] == "").all(), "seven features give at most seven reasons"
    assert top_reasons(said.head(0), FEATURES).shape == (0, 7)


def test_a_waterfall_groups_what_is_small_and_refuses_the_unknown() -> None:
    made = model(SAMPLE)
    said, scores = reasons(made, SAMPLE), made.score(SAMPLE.frame)
    whole = waterfall(said, scores, "a00003", n=50)
    assert "other" not in set(whole["step"])
    short = waterfall(said, scores, "a00003", n=2)
    assert short["step"].tolist() == ["base", *whole["step"].iloc[1:3], "other", "total"]
    rest = whole["log_odds"].iloc[3:-1]
    assert short["log_odds"].iloc[3] == pytest.approx(rest.sum())
    assert short["words"].iloc[3] == further(len(rest), rest.sum())
    with pytest.raises(UsageError, match=r"The reasons of account 'nobody' were asked for: it is not among the 120"):
        waterfall(said, scores, "nobody")


def test_five_thousand_accounts_by_ninety_features_take_seconds() -> None:
    r = np.random.default_rng(0)
    features = (*(Feature(f"s{k}", "signal", "number", "", "{value} things") for k in range(88)), SIZE, EMAIL)
    columns = {f.name: r.poisson(3, 5000).astype(float) + r.integers(0, 2) * r.random(5000) for f in features}
    base = matrix(accounts=5000, months=1).frame[["account_id", "as_of", "family_id", "status", "outcome"]]
    sample = Matrix(pd.concat([base, pd.DataFrame(columns)], axis=1), features, 90)
    made = model(sample)
    began = time.process_time()
    said = reasons(made, sample)
    top_reasons(said, features)
    assert len(said) > 400_000
    assert time.process_time() - began < 12, "processor seconds, with room for a slow machine"
