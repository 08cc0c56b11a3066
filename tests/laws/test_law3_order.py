"""Law 3: evaluation is forward in time with a gap of one horizon; where a plan asks, no family stands on both sides."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from matrix_sample import INDUSTRY, SIZE, WEB, matrix, plan
from tierwise.config import json_schema, parse_plan
from tierwise.config.plan import Plan
from tierwise.errors import ConfigError, NoUsableModel
from tierwise.features.matrix import Matrix
from tierwise.learning import Trained, train_model
from tierwise.learning.rows import Rows, origin_folds, training_rows
from tierwise.learning.splits import Division, held_out, trained_on
from tierwise.learning.training import divide
from tierwise.report import TrainingPage, training_page

HORIZON = np.timedelta64(90, "D")
FEW = (INDUSTRY, SIZE, WEB)


def asked(parts: int | None = 3, **model: object) -> Plan:
    return plan(family_parts=parts, candidates=["scorecard"], min_outcomes=20, **model)


def divided(sample: Matrix, of: Plan) -> tuple[Rows, Division]:
    rows = training_rows(sample, of)
    return rows, divide(rows, of)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    parts=st.integers(2, 6),
    folds=st.integers(1, 5),
    size=st.integers(1, 6),
    instants=st.sampled_from(["grid", "own"]),
)
def test_no_family_and_no_later_row_stands_on_both_sides(
    seed: int, parts: int, folds: int, size: int, instants: str
) -> None:
    made = matrix(accounts=120, months=12, seed=seed, features=FEW, instants=instants)
    family = made.frame["account_id"].str[1:].astype(int) // size
    made = Matrix(made.frame.assign(family_id=family.map("f{}".format)), made.features, 90)
    of = asked(parts, folds=folds)
    try:
        rows, division = divided(made, of)
    except NoUsableModel:
        assume(False)
    assert division.apart is not None
    earlier, test = rows.where(division.earlier), rows.where(division.test)
    splits = origin_folds(rows, earlier, of)
    plain = [(trained_on(s, earlier.as_of, 90), held_out(s, earlier.as_of)) for s in splits]

    held = np.zeros(len(earlier.y), dtype=int)
    for (old, now), left_out in zip(division.folds, division.apart.left_out, strict=True):
        assert not set(earlier.families[old]) & set(earlier.families[now])
        assert earlier.as_of[old].max() + HORIZON <= earlier.as_of[now].min()
        held += now
        whole = next(before for before, after in plain if not (now & ~after).any())
        assert not (old & ~whole).any()
        assert left_out == whole.sum() - old.sum()
        others = whole & ~np.isin(earlier.families, earlier.families[now])
        assert np.array_equal(old, others), "nothing is left out but the families that are held out"
    every = np.sum([now for _, now in plain], axis=0)
    assert held.max() == 1, "a row is judged once"
    if not division.apart.dropped:
        assert np.array_equal(held, every), "and every row that is held out is judged"

    reported = np.zeros(len(test.y), dtype=int)
    for old, now in division.apart.reports:
        assert not set(earlier.families[old]) & set(test.families[now])
        assert earlier.as_of[old].max() + HORIZON <= test.as_of[now].min()
        reported += now
    assert (reported == 1).all()


@cache
def sample() -> Matrix:
    return matrix(accounts=240, months=14, features=FEW)


@cache
def trained(parts: int | None) -> Trained:
    return train_model(sample(), asked(parts, folds=2, scorecard_below=20), threads=1)


def test_training_says_how_families_were_kept_apart_and_what_was_left_out() -> None:
    said = trained(3).evaluation.to_dict()
    assert (said["families"]["parts"], said["families"]["families"]) == (3, 120)
    assert said["families"]["dropped_folds"] == 0
    assert len(said["folds"]) == 6
    for line in said["folds"]:
        assert line["left_out_rows"] == pytest.approx((line["trained_rows"] + line["left_out_rows"]) / 3, rel=0.1)
    plain = trained(None).evaluation.to_dict()
    assert plain["families"] == {}
    assert "left_out_rows" not in plain["folds"][0]
    assert said["test"] == plain["test"]
    assert sum(line["tested_rows"] for line in said["folds"]) == sum(line["tested_rows"] for line in plain["folds"])
    html = training_page(TrainingPage(page_values(said), pd.Timestamp("2025-03-01", tz="UTC").to_pydatetime(), {}))
    assert "120 families were dealt into 3 parts" in html
    assert f"{said['folds'][0]['left_out_rows']:,} rows of its families left out" in html
    assert "were dealt into" not in training_page(
        TrainingPage(page_values(plain), pd.Timestamp("2025-03-01", tz="UTC").to_pydatetime(), {})
    )


def page_values(evaluation: dict[str, object]) -> dict[str, object]:
    return {"plan": "sample", "verdict": "usable", "why": "it is", "evaluation": evaluation, "rubric": {"lines": []}}


def test_what_a_family_alone_tells_helps_only_where_it_stands_on_both_sides() -> None:
    """Outcomes that hang on a family's own number, and on nothing that another family has."""
    r = np.random.default_rng(4)
    made = matrix(accounts=240, months=14, strength=0.0, features=(SIZE, WEB))
    family = made.frame["account_id"].str[1:].astype(int).to_numpy() // 2
    own = r.permutation(120)
    prone = r.random(120) < 0.3
    y = (r.random(len(family)) < np.where(prone, 0.3, 0.02)[family]).astype(float)
    frame = made.frame.assign(outcome=y, employee_count=own[family].astype(float))
    learning = {"candidates": [{"kind": "additive", "settings": {"min_leaf": 5, "num_leaves": 8}}], "folds": 2}
    of = plan(**learning, scorecard_below=2)
    flattered = train_model(Matrix(frame, made.features, 90), of, threads=1).evaluation
    assert flattered.metrics["additive"]["auc"]["value"] > 0.65
    try:
        honest = train_model(
            Matrix(frame, made.features, 90), plan(**learning, scorecard_below=2, family_parts=3), threads=1
        )
    except NoUsableModel:
        return
    assert honest.evaluation.metrics["additive"]["auc"]["value"] < 0.58


def test_the_same_plan_gives_the_same_evaluation() -> None:
    again = train_model(sample(), asked(3, folds=2, scorecard_below=20), threads=1)
    assert again.evaluation.to_dict() == trained(3).evaluation.to_dict()
    assert again.model.to_files() == trained(3).model.to_files()


def test_too_little_beside_the_families_held_out_is_said() -> None:
    made = matrix(accounts=60, months=12, features=FEW)
    one = made.frame.assign(family_id=np.where(made.frame["account_id"] < "a00058", "f0", "f1"))
    with pytest.raises(NoUsableModel, match="kept apart, in 2 parts") as said:
        divided(Matrix(one, FEW, 90), asked(2))
    assert "leave family_parts out" in said.value.do
    with pytest.raises(NoUsableModel, match=r"in 3 parts \(model\.family_parts\): there are 2 families"):
        divided(Matrix(one, FEW, 90), asked(3))


def test_the_plan_s_setting_is_in_the_schema_and_its_bounds_are_kept() -> None:
    found = json_schema("model")["$defs"]["Learning"]["properties"]["family_parts"]
    assert "trained without its families" in found["description"]
    assert {"type": "integer", "minimum": 2, "maximum": 10} in found["anyOf"]
    text = "plan: p\nmodel: {family_parts: %s}\n"
    assert parse_plan(text % "5").model.family_parts == 5
    assert parse_plan("plan: p\n").model.family_parts is None
    for wrong in ("1", "11", "true", "yes please"):
        with pytest.raises(ConfigError, match="family_parts"):
            parse_plan(text % wrong)
