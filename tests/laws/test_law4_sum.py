"""Law 4: base + fit reasons + signal reasons = calibrated log-odds, to 1e-6, on every row; shap is the oracle."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit

from matrix_sample import EMAIL, FEATURES, RECENCY, SIZE, TECH, WEB, matrix, side_sums
from tierwise.explain import reasons, waterfall
from tierwise.features.feature import Feature
from tierwise.features.matrix import Matrix
from tierwise.learning import Affine, PropensityModel, Scorecard, TwoSidedBooster
from tierwise.learning.binning import MISSING, codes_of
from tierwise.learning.candidates import KINDS
from tierwise.learning.model import freeze

NUMBERS = (SIZE, TECH, WEB, RECENCY, EMAIL)


def model(kind: str, sample: Matrix, calibrator: Affine, **settings_: float) -> PropensityModel:
    frame, y = sample.frame, sample.frame["outcome"].to_numpy()
    estimator = KINDS[kind].estimator(sample.features)
    if kind == "scorecard":
        estimator.set_params(penalty=settings_.get("penalty", 3.0))
    else:
        estimator.set_params(rounds=25, num_leaves=int(settings_.get("leaves", 7)))
    fitted = estimator.fit(frame, y)
    return freeze(kind, fitted, calibrator, frame, 90, datetime(2025, 1, 1, tzinfo=UTC), 1)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**31),
    kind=st.sampled_from(sorted(KINDS)),
    slope=st.floats(0.05, 3),
    intercept=st.floats(-3, 3),
    features=st.sets(st.sampled_from(FEATURES), min_size=1).map(lambda s: tuple(f for f in FEATURES if f in s)),
    leaves=st.integers(2, 31),
)
def test_reasons_sum_to_the_calibrated_log_odds(
    seed: int, kind: str, slope: float, intercept: float, features: tuple[Feature, ...], leaves: int
) -> None:
    sample = matrix(accounts=60, months=4, seed=seed, features=features)
    made = model(kind, sample, Affine(intercept, slope), leaves=leaves)
    later = matrix(accounts=40, months=2, seed=seed + 1, features=features)
    scores = made.score(later.frame)
    parts = made.contributions(later.frame)
    fit, signal = side_sums(parts, made.features)
    assert np.abs(fit - scores["fit_log_odds"]).max() < 1e-6
    assert np.abs(signal - scores["signal_log_odds"]).max() < 1e-6
    total = scores["base"] + scores["fit_log_odds"] + scores["signal_log_odds"]
    assert np.abs(intercept + slope * made.estimator.decision_function(later.frame) - total).max() < 1e-6
    assert np.abs(logit(scores["propensity"]) - total).max() < 1e-6
    said = reasons(made, later).groupby(["account_id", "as_of", "side"])["log_odds"].sum().unstack("side", fill_value=0)
    indexed = scores.set_index(["account_id", "as_of"])
    for side in ("fit", "signal"):
        summed = said.get(side, 0.0)
        assert np.abs(indexed[f"{side}_log_odds"].sub(summed, fill_value=0.0)).max() < 1e-6


def test_the_sum_holds_on_probabilities_of_lightgbm_itself() -> None:
    sample = matrix(accounts=200, months=4)
    made = model("two_sided", sample, Affine(0.2, 0.9), leaves=15)
    booster = made.estimator
    assert isinstance(booster, TwoSidedBooster)
    raw = booster._predict(booster.encoder_.encode(sample.frame), raw_score=True)
    assert np.abs(raw - booster.decision_function(sample.frame)).max() < 1e-9


def test_no_tree_reads_both_sides() -> None:
    sample = matrix(accounts=300, months=6)
    booster = TwoSidedBooster(sample.features, rounds=60).fit(sample.frame, sample.frame["outcome"])
    trees = booster.booster_.trees_to_dataframe().dropna(subset=["split_feature"])
    side = {i: f.side for i, f in enumerate(sample.features)}
    sides = trees.assign(side=trees["split_feature"].str[:3].astype(int).map(side)).groupby("tree_index")["side"]
    assert sides.nunique().max() == 1
    assert set(sides.first()) == {"fit", "signal"}


def test_changing_one_side_leaves_the_other_as_it_was() -> None:
    sample = matrix(accounts=300, months=6)
    for kind in KINDS:
        made = model(kind, sample, Affine(0.0, 1.0))
        moved = sample.frame.assign(web_30d=sample.frame["web_30d"] * 3 + 1, email_90d=0.0)
        before, after = made.sides(sample.frame), made.sides(moved)
        assert np.array_equal(before[0], after[0])
        assert not np.allclose(before[1], after[1])


def test_the_booster_s_reasons_are_shap_s() -> None:
    shap = pytest.importorskip("shap")
    sample = matrix(accounts=150, months=4, features=NUMBERS)
    made = model("two_sided", sample, Affine(0.0, 1.0), leaves=6)
    booster = made.estimator
    assert isinstance(booster, TwoSidedBooster)
    frame = booster._frame_of(booster.encoder_.encode(sample.frame.head(60)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shap warns of its own next version's output shape
        explainer = shap.TreeExplainer(booster.booster_)
    explainer.model.model_type = "internal"  # shap's own TreeSHAP, not LightGBM's
    told = explainer.shap_values(frame, check_additivity=False)
    told = np.asarray(told[1] if isinstance(told, list) else told)
    assert np.abs(told - made.contributions(sample.frame.head(60)).to_numpy()).max() < 1e-6


def test_the_scorecard_s_reasons_are_shap_s() -> None:
    shap = pytest.importorskip("shap")
    sample = matrix(accounts=150, months=4)
    made = model("scorecard", sample, Affine(0.0, 1.0))
    card = made.estimator
    assert isinstance(card, Scorecard)
    codes = codes_of(card.encoder_.encode(sample.frame), card.bins_)
    z = np.concatenate([(codes[j] - MISSING)[:, None] == np.arange(len(t)) for j, t in enumerate(card.tables_)], axis=1)
    masker = shap.maskers.Independent(z.astype(float), max_samples=len(z))
    explainer = shap.LinearExplainer((np.concatenate(card.tables_), card.base_), masker)
    told, at = explainer.shap_values(z.astype(float)), 0
    parts = made.contributions(sample.frame).to_numpy()
    for j, table in enumerate(card.tables_):
        assert np.abs(told[:, at : at + len(table)].sum(axis=1) - parts[:, j]).max() < 1e-6
        at += len(table)
    assert explainer.expected_value == pytest.approx(made.base, abs=1e-6)


def test_a_waterfall_ends_at_the_log_odds() -> None:
    sample = matrix(accounts=100, months=4)
    for kind in KINDS:
        made = model(kind, sample, Affine(0.1, 0.8))
        scores = made.score(sample.frame)
        steps = waterfall(reasons(made, sample), scores, "a00007", n=3)
        newest = scores[scores["account_id"] == "a00007"].iloc[-1]
        total = newest["base"] + newest["fit_log_odds"] + newest["signal_log_odds"]
        assert steps["step"].iloc[[0, -2, -1]].tolist() == ["base", "other", "total"]
        assert steps["ends"].iloc[-2] == pytest.approx(total, abs=1e-6)
        assert steps["ends"].iloc[-1] == pytest.approx(total)
        assert steps["starts"].iloc[1:-1].tolist() == steps["ends"].iloc[:-2].tolist()
