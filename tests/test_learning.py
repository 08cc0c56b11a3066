"""Encoding, the two learners, calibration, metrics, training and the model's files."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info, threadpool_limits

from matrix_sample import EMAIL, FEATURES, INDUSTRY, RECENCY, REGION, SIZE, WEB, matrix, plan, point_lines
from tierwise.clock import grid, instant
from tierwise.config.plan import Candidate
from tierwise.errors import BundleError, NoUsableModel
from tierwise.features.feature import Feature
from tierwise.features.matrix import Matrix
from tierwise.learning import (
    NOT_USABLE,
    USABLE,
    AdditiveBooster,
    Affine,
    PercentileMap,
    PropensityModel,
    Scorecard,
    StagedBooster,
    Trained,
    TwoSidedBooster,
    auc,
    average_precision,
    calibration_test,
    capture,
    deciles,
    fit_affine,
    measure,
    paired_difference,
    rankings,
    train_model,
)
from tierwise.learning.binning import codes_of
from tierwise.learning.calibration import row_log_loss
from tierwise.learning.choice import choose
from tierwise.learning.encoding import Encoder
from tierwise.learning.metrics import wilson
from tierwise.learning.rows import first_possible
from tierwise.learning.scorecard import Layout
from tierwise.learning.search import Tried, judge
from tierwise.learning.sides import SidesClassifier, prepare
from tierwise.learning.splits import forward_folds, held_out, trained_on

NUMBERS = tuple(f for f in FEATURES if f.kind != "category")


LEARNERS = {"scorecard": Scorecard, "additive": AdditiveBooster, "two_sided": TwoSidedBooster, "staged": StagedBooster}


def learner(kind: str, features: tuple[Feature, ...] = FEATURES, threads: int = 1) -> SidesClassifier:
    return LEARNERS[kind](features, threads=threads)


@cache
def trained() -> Trained:
    return train_model(matrix(), plan(), threads=1)


# --- encoding ---------------------------------------------------------------------------------------------------------


def test_rare_and_unseen_levels_share_a_code_and_the_known_ones_keep_theirs() -> None:
    frame = pd.DataFrame({"industry": ["a"] * 60 + ["b"] * 50 + ["c"] * 2 + [None] * 8})
    encoder = Encoder.learn(frame, [INDUSTRY])
    assert encoder.levels["industry"] == ("a", "b")
    codes = encoder.encode(pd.DataFrame({"industry": ["a", "b", "c", "never seen", None]}, dtype=object))[:, 0]
    assert codes.tolist() == [0, 1, 2, 2, 0], "what must not be missing is imputed with the most frequent level"
    informed = Encoder.learn(frame.rename(columns={"industry": "region"}), [REGION])
    assert np.isnan(informed.encode(pd.DataFrame({"region": [None]}, dtype=object))[0, 0])


@pytest.mark.parametrize("kind", ["scorecard", "additive", "two_sided", "staged"])
def test_being_missing_informs_only_where_it_may(kind: str) -> None:
    sample = matrix(accounts=300, months=4, strength=0, features=(SIZE, WEB, RECENCY, INDUSTRY, REGION))
    frame = sample.frame.copy()
    y = frame["outcome"].to_numpy().copy()
    hidden = np.random.default_rng(1).random(len(frame)) < 0.2
    y[hidden] = 1.0
    for name in ("employee_count", "industry"):
        frame[name] = frame[name].where(~hidden, None)
    never = learner(kind, (SIZE, INDUSTRY)).fit(frame, y)
    typical = frame.assign(
        employee_count=frame["employee_count"].median(), industry=never.encoder_.levels["industry"][0]
    )
    absent = frame.assign(employee_count=np.nan, industry=pd.Series([None] * len(frame), dtype=object))
    assert np.array_equal(never.decision_function(absent), never.decision_function(typical))
    frame = frame.assign(days_since_web=frame["days_since_web"].where(~hidden).fillna(5.0).where(~hidden))
    may = learner(kind, (RECENCY,)).fit(frame, y)
    assert auc(y, may.decision_function(frame)) > 0.85


@pytest.mark.parametrize("kind", ["scorecard", "additive", "two_sided"])
def test_what_has_not_happened_so_far_stands_beyond_the_greatest_number(kind: str) -> None:
    since = dataclasses.replace(RECENCY, missing="beyond", absent="none seen yet")
    r = np.random.default_rng(0)
    days = r.uniform(0, 300, 4000)
    y = (r.random(4000) < 1 / (1 + np.exp(days / 60))).astype(float)
    seen = pd.DataFrame({since.name: np.where(days > 250, np.nan, days)})
    made = learner(kind, (since,)).fit(seen, y)
    assert made.encoder_.fills[since.name] > 2 * 249
    never, long_ago, now = made.decision_function(pd.DataFrame({since.name: [np.nan, 249.0, 1.0]}))
    assert never < now - 1
    assert never == pytest.approx(long_ago, abs=0.6)
    if isinstance(made, Scorecard):
        assert point_lines(made, seen)["bin"].iloc[-1] == "none seen yet"


# --- the learners -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["scorecard", "additive", "two_sided", "staged"])
def test_estimators_keep_scikit_learn_s_manners(kind: str) -> None:
    sample = matrix(accounts=100, months=4)
    made = learner(kind)
    assert set(made.get_params()) == set(made.__dict__), "__init__ only stores"
    before = dict(made.__dict__)
    frame, y = sample.frame.copy(), sample.frame["outcome"].to_numpy()
    fitted = made.fit(frame, y)
    assert fitted is made
    assert all(name.endswith("_") for name in set(made.__dict__) - set(before))
    assert {k: made.__dict__[k] for k in before} == before
    pd.testing.assert_frame_equal(frame, sample.frame)
    assert np.array_equal(clone(made).fit(frame, y).decision_function(frame), made.decision_function(frame))
    p = made.predict_proba(frame)
    assert p.sum(axis=1) == pytest.approx(1)
    assert p[:, 1] == pytest.approx(1 / (1 + np.exp(-made.decision_function(frame))))
    assert set(made.predict(frame)) <= {0, 1}


@pytest.mark.parametrize("kind", ["scorecard", "additive", "two_sided", "staged"])
@pytest.mark.parametrize("side", ["fit", "signal"])
def test_one_side_may_be_empty(kind: str, side: str) -> None:
    features = tuple(f for f in FEATURES if f.side == side)
    sample = matrix(accounts=150, months=14, features=features)
    made = train_model(sample, plan(candidates=[kind], folds=2, scorecard_below=2), threads=1).model
    empty = "signal" if side == "fit" else "fit"
    scores = made.score(sample.frame)
    assert (scores[f"{empty}_log_odds"] == 0).all()
    assert (scores[f"{empty}_score"] == 50).all()
    assert scores[f"{side}_score"].nunique() > 20


@pytest.mark.parametrize("kind", ["scorecard", "additive", "two_sided", "staged"])
def test_rows_of_one_class_and_no_features_are_refused(kind: str) -> None:
    frame = matrix(accounts=20, months=2).frame
    with pytest.raises(NoUsableModel, match="all of them have the same outcome"):
        learner(kind).fit(frame, np.ones(len(frame)))
    with pytest.raises(NoUsableModel, match="there are no features"):
        learner(kind, ()).fit(frame, frame["outcome"])


@pytest.mark.parametrize("kind", ["scorecard", "additive", "two_sided", "staged"])
def test_columns_without_a_value_or_without_a_difference_are_harmless(kind: str) -> None:
    sample = matrix(accounts=100, months=4)
    frame = sample.frame.assign(
        industry=pd.Series([None] * len(sample.frame), dtype=object), employee_count=np.nan, web_30d=3.0
    )
    made = learner(kind).fit(frame, frame["outcome"])
    parts = pd.DataFrame(made.contributions(frame), columns=sample.names)
    assert (parts[["industry", "employee_count", "web_30d"]] == 0).all(axis=None)
    assert np.isfinite(made.decision_function(sample.frame)).all(), "values not seen in training score too"
    assert made.decision_function(frame.head(0)).shape == (0,)
    assert made.contributions(frame.head(0)).shape == (0, len(FEATURES))


def test_the_scorecard_is_no_worse_than_standard_scaler_and_logistic_regression() -> None:
    for seed, skew in ((1, False), (2, True)):
        sample = matrix(accounts=500, months=12, seed=seed, features=NUMBERS)
        frame = sample.frame if skew else sample.frame.assign(employee_count=np.log1p(sample.frame["employee_count"]))
        as_of, y = frame["as_of"].to_numpy(), frame["outcome"].to_numpy()
        old, new = as_of < np.datetime64("2024-08-01"), as_of >= np.datetime64("2024-10-30")
        plain = frame[sample.names].fillna(frame.loc[old, sample.names].median())
        pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(plain[old], y[old])
        ours = Scorecard(NUMBERS, penalty=30.0, bins=12).fit(frame[old], y[old])
        both = ours.decision_function(frame[new]), pipeline.decision_function(plain[new])
        mine, theirs = (fit_affine(log_odds, y[new])(log_odds) for log_odds in both)
        gap = paired_difference(row_log_loss(mine, y[new]), row_log_loss(theirs, y[new]), frame["family_id"][new])
        assert gap.mean <= gap.standard_error
        assert auc(y[new], mine) >= auc(y[new], theirs) - 0.005


def test_the_scorecard_solves_what_it_says() -> None:
    sample = matrix(accounts=200, months=6)
    y = sample.frame["outcome"].to_numpy()
    for penalty in (3.0, 100.0):
        made = Scorecard(FEATURES, penalty=penalty).fit(sample.frame, y)
        codes = codes_of(made.encoder_.encode(sample.frame), made.bins_)
        design = Layout(made.bins_, (0,) * len(FEATURES)).design(codes)[:, 1:]
        oracle = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=5000).fit(design, y)
        assert made.decision_function(sample.frame) == pytest.approx(oracle.decision_function(design), abs=5e-3)


def test_points_are_the_whole_scorecard() -> None:
    sample = matrix(accounts=200, months=6)
    made = Scorecard(FEATURES).fit(sample.frame, sample.frame["outcome"])
    points = point_lines(made, sample.frame)
    assert set(points["feature"]) == {f.name for f in FEATURES}
    size = points[points["feature"] == "employee_count"]
    value = float(sample.frame["employee_count"].dropna().iloc[0])
    row = size[(size["at_least"] <= value) & (value < size["below"])]
    frame = sample.frame[sample.frame["employee_count"] == value]
    assert made.contributions(frame)[:, 2] == pytest.approx(row["log_odds"].iloc[0])
    industry = points[points["feature"] == "industry"].set_index("level")["log_odds"]
    frame = sample.frame[sample.frame["industry"] == "i3"]
    assert made.contributions(frame)[:, 0] == pytest.approx(industry["i3"])
    assert points.loc[points["feature"] == "days_since_web", "bin"].iloc[-1] == "not known"


def test_a_scorecard_s_bytes_do_not_depend_on_threads() -> None:
    sample = matrix(accounts=900, months=10)
    one, two = (Scorecard(FEATURES, threads=n).fit(sample.frame, sample.frame["outcome"]) for n in (1, 2))
    assert one.to_files() == two.to_files()


@pytest.mark.parametrize("kind", ["scorecard", "additive", "two_sided", "staged"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_monotone_feature_only_rises_or_only_falls(kind: str, sign: Literal[-1, 1]) -> None:
    bent = Feature("bent", "signal", "number", "", "{value}", monotone=sign)
    x = np.random.default_rng(0).normal(size=3000)
    y = (np.random.default_rng(1).random(3000) < 1 / (1 + np.exp(1 - 2 * np.abs(x)))).astype(float)
    frame = pd.DataFrame({"bent": x, "region": np.array(["a", "b", "c"], dtype=object)[np.arange(3000) % 3]})
    held = REGION if kind != "staged" else Feature("region", "fit", "category", "", "{value}", monotone=1)
    grid_ = pd.DataFrame({"bent": np.linspace(-3, 3, 200), "region": pd.Series(["a"] * 200, dtype=object)})
    steps = np.diff(learner(kind, (bent, held)).fit(frame, y).decision_function(grid_))
    free = np.diff(learner(kind, (dataclasses.replace(bent, monotone=0), held)).fit(frame, y).decision_function(grid_))
    assert (sign * steps >= -1e-9).all()
    assert (steps != 0).any()
    assert (free > 0).any()
    assert (free < 0).any()


@pytest.mark.parametrize("kind", ["scorecard", "additive", "two_sided", "staged"])
def test_an_outcome_s_weight_moves_no_level(kind: str) -> None:
    sample = matrix(accounts=300, months=10)
    y = sample.frame["outcome"].to_numpy()
    made = clone(learner(kind)).set_params(outcome_weight=8.0).fit(sample.frame, y)
    assert made.predict_proba(sample.frame)[:, 1].mean() == pytest.approx(y.mean(), rel=0.25)
    raw = made.decision_function(sample.frame)
    assert made.contributions(sample.frame).sum(axis=1) + made.base_ == pytest.approx(raw, abs=1e-9)


@pytest.mark.parametrize("kind", ["scorecard", "additive", "two_sided", "staged"])
def test_the_end_of_a_path_is_the_fit_with_that_value(kind: str) -> None:
    sample = matrix(accounts=200, months=6)
    y = sample.frame["outcome"].to_numpy()
    old, new = sample.frame.iloc[:800], sample.frame.iloc[800:]
    made = learner(kind)
    followed = made.path(prepare(FEATURES, old, y[:800], new, y[800:]))
    assert followed.at(len(followed.values) - 1).shape == (len(new),)
    for place in (0, 1):
        alone = clone(made).set_params(**{made.path_parameter: int(followed.values[place])}).fit(old, y[:800])
        assert followed.at(place) == pytest.approx(alone.decision_function(new), abs=5e-3)


@pytest.mark.parametrize("kind", ["scorecard", "additive", "two_sided", "staged"])
def test_what_is_judged_on_each_fold_is_a_model_of_the_value_that_is_chosen(kind: str) -> None:
    """Also on a small early fold, for which another value would be better."""
    sample = matrix(accounts=300, months=10)
    frame, y = sample.frame, sample.frame["outcome"].to_numpy(dtype=np.float64)
    cuts = [(150, 900), (900, 1800), (1800, 3000)]
    folds = [prepare(FEATURES, frame.iloc[:a], y[:a], frame.iloc[a:b], y[a:b]) for a, b in cuts]
    made = learner(kind)
    value, log_odds, affine = judge(made, folds)
    chosen = clone(made).set_params(**{made.path_parameter: value})
    alone = [clone(chosen).fit(frame.iloc[:a], y[:a]).decision_function(frame.iloc[a:b]) for a, b in cuts]
    assert log_odds == pytest.approx(np.concatenate(alone), abs=0.02)
    again = fit_affine(np.concatenate(alone), np.concatenate([fold.held_y for fold in folds]))
    assert affine.slope == pytest.approx(again.slope, abs=0.02)


def test_scorecards_side_by_side_give_the_same_bytes_and_leave_blas_as_it_was() -> None:
    sample = matrix(accounts=300, months=10)
    frame, y = sample.frame, sample.frame["outcome"].to_numpy(dtype=np.float64)
    folds = [prepare(FEATURES, frame.iloc[:a], y[:a], frame.iloc[a:], y[a:]) for a in (600, 1200, 1800)]
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        one, two, three = (judge(Scorecard(FEATURES, threads=n), folds) for n in (1, 3, 3))
        assert blas_threads() == before
    assert one[1].tobytes() == two[1].tobytes() == three[1].tobytes()
    assert one[2] == two[2] == three[2]


def test_a_booster_s_bytes_do_not_depend_on_threads() -> None:
    sample = matrix(accounts=300, months=12)
    for kind in (AdditiveBooster, TwoSidedBooster, StagedBooster):
        one, two = (kind(FEATURES, threads=n, rounds=30).fit(sample.frame, sample.frame["outcome"]) for n in (1, 2))
        assert one.to_files() == two.to_files()


def test_no_tree_of_an_additive_booster_reads_two_features() -> None:
    sample = matrix(accounts=300, months=6)
    booster = AdditiveBooster(FEATURES, rounds=60).fit(sample.frame, sample.frame["outcome"]).booster_
    trees = booster.trees_to_dataframe().dropna(subset=["split_feature"])
    assert trees.groupby("tree_index")["split_feature"].nunique().max() == 1
    assert trees["split_feature"].nunique() >= 3


def test_the_fit_side_of_a_staged_booster_knows_nothing_of_the_signal_side() -> None:
    sample = matrix(accounts=300, months=6)
    other = sample.frame.assign(web_30d=0.0, email_90d=1.0, days_since_web=np.nan)
    made, blind = (StagedBooster(FEATURES).fit(f, f["outcome"]) for f in (sample.frame, other))
    assert made.to_files()["fit.txt"] == blind.to_files()["fit.txt"]
    assert made.to_files()["signal.txt"] != blind.to_files()["signal.txt"]


def test_a_refit_does_not_hang_on_names_lightgbm_would_not_take() -> None:
    odd = Feature('tech_"c++", [x]: {y}', "fit", "number", "", "{value}")
    frame = pd.DataFrame({odd.name: np.arange(200.0)})
    made = TwoSidedBooster((odd,), rounds=3).fit(frame, (np.arange(200) > 90).astype(float))
    again = TwoSidedBooster.from_files(made.to_files(), made.encoder_)
    assert np.array_equal(again.decision_function(frame), made.decision_function(frame))


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**31), horizon=st.integers(1, 200), folds=st.integers(1, 6), least=st.integers(0, 30))
def test_folds_are_forward_keep_a_gap_and_are_the_clock_s_own(seed: int, horizon: int, folds: int, least: int) -> None:
    r = np.random.default_rng(seed)
    as_of = np.datetime64("2024-01-01", "us") + r.integers(0, 500 * 86_400, 300).astype("timedelta64[s]")
    y = (r.random(300) < 0.3).astype(float)
    found = forward_folds(as_of, y, horizon, folds, least)
    assert len(found) <= folds
    for split in found:
        old, new = trained_on(split, as_of, horizon), held_out(split, as_of)
        assert min(y[old].sum(), (1 - y[old]).sum()) >= least
        assert new.any()
        assert as_of[old].max() + np.timedelta64(horizon, "D") <= as_of[new].min()
        for k in range(0, 300, 29):
            at = instant(as_of[k].astype(object))
            assert (old[k], new[k]) == (split.trains(at, horizon), split.tests(at))


# --- calibration ------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31), slope=st.floats(-2, 3), intercept=st.floats(-3, 1))
def test_the_affine_map_is_the_unpenalised_logistic_regression(seed: int, slope: float, intercept: float) -> None:
    r = np.random.default_rng(seed)
    z = r.normal(-1, 1.5, 800)
    y = (r.random(800) < 1 / (1 + np.exp(-(intercept + slope * z)))).astype(float)
    if min(y.sum(), (1 - y).sum()) < 20:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn speaks of C=inf in some versions
        oracle = LogisticRegression(C=np.inf, tol=1e-10, max_iter=5000).fit(z[:, None], y)
    found = fit_affine(z, y)
    assert found.slope == pytest.approx(oracle.coef_[0, 0], abs=2e-3)
    assert found.intercept == pytest.approx(oracle.intercept_[0], abs=2e-3)
    assert found.usable == (found.slope > 0)


def test_calibration_of_the_hopeless_cases() -> None:
    assert fit_affine(np.ones(10), np.array([1.0] * 3 + [0.0] * 7)) == Affine(pytest.approx(np.log(3 / 7)), 0.0)
    assert not fit_affine(np.ones(10), np.array([1.0] * 3 + [0.0] * 7)).usable
    separated = fit_affine(np.arange(20.0), (np.arange(20) > 9).astype(float))
    assert separated.usable
    assert np.isfinite([separated.slope, separated.intercept]).all()


def test_the_calibration_test_keeps_its_level_and_finds_what_is_wrong() -> None:
    r = np.random.default_rng(0)
    p_values = []
    for _ in range(400):
        z = r.normal(-1, 1, 400)
        p_values.append(calibration_test(z, (r.random(400) < 1 / (1 + np.exp(-z))).astype(float)).p_value)
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.09
    z = r.normal(-1, 1, 4000)
    y = (r.random(4000) < 1 / (1 + np.exp(-z))).astype(float)
    assert calibration_test(2 * z, y).p_value < 1e-6
    fitted = fit_affine(z, y)
    twice = 2 * (row_log_loss(z, y).sum() - row_log_loss(fitted(z), y).sum())
    assert calibration_test(z, y).p_value == pytest.approx(chi2.sf(twice, 2))


# --- metrics ----------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**31), n=st.integers(2, 300), levels=st.integers(1, 40))
def test_metrics_are_scikit_learn_s_with_ties_and_weights(seed: int, n: int, levels: int) -> None:
    r = np.random.default_rng(seed)
    y, score = (r.random(n) < 0.4).astype(float), r.integers(0, levels, n).astype(float)
    weights = r.integers(0, 4, n).astype(float)
    if min(weights @ y, weights @ (1 - y)) == 0:
        assert np.isnan(auc(y, score, weights))
        return
    assert auc(y, score, weights) == pytest.approx(roc_auc_score(y, score, sample_weight=weights))
    assert average_precision(y, score, weights) == pytest.approx(
        average_precision_score(y, score, sample_weight=weights)
    )
    repeated = np.repeat(np.arange(n), weights.astype(int))
    assert capture(y, score, 0.3, weights) == pytest.approx(capture(y[repeated], score[repeated], 0.3))


def test_ties_at_the_edge_are_caught_in_proportion_even_at_infinity() -> None:
    y = np.array([1.0, 0.0, 1.0, 0.0])
    assert capture(y, np.zeros(4), 0.25) == pytest.approx(0.25)
    assert capture(y, np.array([3.0, -np.inf, -np.inf, -np.inf]), 0.5) == pytest.approx((1 + 1 / 3) / 2)
    assert capture(y, np.array([3.0, 0.0, 2.0, 0.0]), 0.5) == 1
    assert auc(y, np.array([3.0, -np.inf, -np.inf, -np.inf])) == pytest.approx(0.75)


def test_measures_and_their_resamples() -> None:
    r = np.random.default_rng(0)
    accounts = np.repeat([f"a{k}" for k in range(200)], 5)
    z = np.repeat(r.normal(-1, 1, 200), 5)
    y = np.repeat((r.random(200) < 1 / (1 + np.exp(-z[::5]))).astype(float), 5)
    p = 1 / (1 + np.exp(-z))
    found = measure(y, z, accounts, probability=True, n=400)
    assert found.interval("log_loss").value == pytest.approx(log_loss(y, p))
    assert found.interval("brier").value == pytest.approx(brier_score_loss(y, p))
    assert found.interval("auc").value == pytest.approx(roc_auc_score(y, z))
    wide = found.interval("log_loss")
    rows = measure(y, z, np.arange(1000), probability=True, n=400).interval("log_loss")
    assert (wide.high - wide.low) > 1.7 * (rows.high - rows.low), "rows of one account are not five accounts"
    assert found.less(found, "auc")[0].value == 0
    assert measure(y, z, accounts, probability=True, n=400).draws == pytest.approx(found.draws, abs=0)
    mean = found.draws[:, found.names.index("log_loss")].mean()
    assert mean == pytest.approx(wide.value, abs=0.01)


def test_the_paired_error_is_that_of_the_resamples() -> None:
    r = np.random.default_rng(3)
    accounts = np.repeat(np.arange(300), 4)
    gap = np.repeat(r.normal(0.1, 1, 300), 4) + r.normal(0, 0.2, 1200)
    found = paired_difference(gap, np.zeros(1200), accounts)
    draws = []
    for _ in range(500):
        drawn = r.integers(0, 300, 300)
        draws.append(gap.reshape(300, 4)[drawn].mean())
    assert found.mean == pytest.approx(gap.mean())
    assert found.standard_error == pytest.approx(np.std(draws), rel=0.12)
    assert np.isnan(paired_difference(gap, gap, np.zeros(1200)).standard_error)


def test_deciles_add_up_and_keep_ties_together() -> None:
    r = np.random.default_rng(0)
    p = np.where(r.random(1000) < 0.4, 0.1, r.random(1000))
    y = (r.random(1000) < p).astype(float)
    lines = deciles(y, p)
    assert sum(line["n"] for line in lines) == 1000
    assert sum(line["outcomes"] for line in lines) == y.sum()
    assert [line["predicted"] for line in lines] == sorted(line["predicted"] for line in lines)
    assert len(deciles(y, np.full(1000, 0.2))) == 1
    low, high = wilson(3, 10)
    assert (low, high) == (pytest.approx(0.1078, abs=1e-4), pytest.approx(0.6032, abs=1e-4))


def test_baselines_rank_what_they_say() -> None:
    frame = pd.DataFrame({"days_since_signal": [3.0, np.nan, 1.0], "employee_count": [5.0, 50.0, np.nan]})
    found = rankings(frame, FEATURES)
    assert found["newest_activity"].tolist() == [-3.0, -np.inf, -1.0]
    assert found["largest"].tolist() == [5.0, 50.0, -np.inf]
    assert found["base_rate"].tolist() == [0.0, 0.0, 0.0]
    assert "largest" not in rankings(frame, (WEB, EMAIL))


# --- the model --------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(values=st.lists(st.integers(-20, 20), min_size=1, max_size=200))
def test_percentiles_are_mean_ranks_and_never_fall(values: list[int]) -> None:
    x = np.array(values, dtype=float)
    found = PercentileMap.learn(x)
    for value in set(values):
        rank = 100 * ((x < value).sum() + 0.5 * (x == value).sum()) / len(x)
        assert found(np.array([float(value)]))[0] == pytest.approx(rank)
    line = found(np.linspace(-30, 30, 500))
    assert (np.diff(line) >= 0).all()
    assert ((line >= 0) & (line <= 100)).all()


def test_percentiles_of_many_values_are_kept_to_a_tenth_of_a_percent_and_noise_moves_nothing() -> None:
    x = np.random.default_rng(0).normal(size=50_000)
    found = PercentileMap.learn(x)
    assert len(found.at) <= 1001
    assert found(np.sort(x)) == pytest.approx(100 * (np.arange(50_000) + 0.5) / 50_000, abs=0.1)
    constant = PercentileMap.learn(np.array([0.0, 1e-17, 2e-17]))
    assert constant(np.array([0.0, 1e-18])).tolist() == [50.0, 50.0]


def test_scores_and_a_monotone_order() -> None:
    made, sample = trained().model, matrix()
    scores = made.score(sample.frame)
    assert list(scores.columns) == [
        *("account_id", "as_of", "base", "fit_log_odds", "signal_log_odds", "calibration_log_odds", "propensity"),
        *("account_score", "fit_score", "signal_score"),
    ]
    assert scores["propensity"].between(0, 1).all()
    for side in ("fit", "signal"):
        ordered = scores.sort_values(f"{side}_log_odds")[f"{side}_score"]
        assert ordered.is_monotonic_increasing
        assert ordered.mean() == pytest.approx(50, abs=0.1)
    assert scores["propensity"].mean() == pytest.approx(sample.frame["outcome"].mean(), abs=0.02)


@pytest.mark.parametrize("kind", ["scorecard", "additive", "two_sided", "staged"])
def test_files_hold_the_whole_model(kind: str) -> None:
    sample = matrix(accounts=200, months=12)
    made = train_model(sample, plan(candidates=[kind], folds=2, scorecard_below=2), threads=1).model
    files = made.to_files()
    own = {"scorecard": {"scorecard.json"}, "staged": {"fit.txt", "signal.txt"}}.get(kind, {"model.txt"})
    assert set(files) == {"spec.json", "calibrator.json", *own}
    again = PropensityModel.from_files(files)
    pd.testing.assert_frame_equal(again.score(sample.frame), made.score(sample.frame), check_exact=True)
    pd.testing.assert_frame_equal(again.contributions(sample.frame), made.contributions(sample.frame), check_exact=True)
    assert again.to_files() == files
    assert again.features == made.features == FEATURES
    assert (again.horizon_days, again.trained_as_of) == (90, instant("2024-12-01"))
    for damaged in ({}, {**files, "spec.json": b"{}"}, {**files, "calibrator.json": b"[]"}):
        with pytest.raises(BundleError, match="A model was to be read"):
            PropensityModel.from_files(damaged)


KINDS = ("scorecard", "additive", "two_sided", "staged")


def digest(kind: str) -> str:
    """The hash of all that a small training of a kind comes to."""
    made = train_model(matrix(accounts=150), plan(candidates=[kind], folds=2, scorecard_below=2), threads=1)
    return hashlib.sha256(b"".join(v for _, v in sorted(made.model.to_files().items()))).hexdigest()


@pytest.mark.long
def test_training_again_elsewhere_gives_the_same_bytes() -> None:
    """Elsewhere is an interpreter that starts from nothing, whose hash seed is another."""
    code = (
        "import sys; sys.path.insert(0, 'tests'); from test_learning import KINDS, digest; print(*map(digest, KINDS))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [digest(kind) for kind in KINDS]


# --- training ---------------------------------------------------------------------------------------------------------


def test_training_finds_what_is_there_and_says_what_it_is_worth() -> None:
    told = trained().evaluation
    assert told.verdict == USABLE, told.why
    assert told.chosen in told.candidates
    assert told.test["first_as_of"] == "2024-12-01T00:00:00", "the last horizon's worth of three months"
    assert told.test["last_as_of"] == "2025-02-01T00:00:00"
    assert set(told.metrics) == {"scorecard", "additive", "two_sided", "base_rate", "newest_activity", "largest"}
    found = told.metrics[told.chosen]
    assert found["auc"]["low"] < found["auc"]["value"] < found["auc"]["high"]
    assert found["auc"]["value"] > told.metrics["newest_activity"]["auc"]["value"]
    assert found["log_loss"]["value"] < told.metrics["base_rate"]["log_loss"]["value"]
    assert 0.6 < told.calibration["slope"] < 1.6
    assert sum(line["n"] for line in told.calibration["deciles"]) == told.test["rows"]
    assert [line["share"] for line in told.lift] == sorted(line["share"] for line in told.lift)
    assert all(line["lift"] == pytest.approx(line["capture"] / line["share"]) for line in told.lift)


def floats(value: object) -> Iterator[float]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in inner:
        yield from floats(part)
    if isinstance(value, float):
        yield value


def test_the_evaluation_is_json() -> None:
    told = trained().evaluation.to_dict()
    text = json.dumps(told, allow_nan=False)
    assert json.loads(text) == told
    assert all(number == round(number, 6) for number in floats(told))


def test_the_unseen_rows_are_those_of_the_test_slice_and_carry_its_figures() -> None:
    found = trained()
    unseen, told = found.unseen, found.evaluation.to_dict()
    assert len(unseen) == told["test"]["rows"]
    assert unseen["outcome"].sum() == told["test"]["outcomes"]
    loss = -np.log(np.where(unseen["outcome"] == 1, unseen["propensity"], 1 - unseen["propensity"])).mean()
    assert loss == pytest.approx(told["metrics"][told["chosen"]]["log_loss"]["value"], abs=1e-6)


def test_pure_chance_is_no_usable_model() -> None:
    for seed in range(4):
        sample = matrix(accounts=300, seed=seed, strength=0)
        try:
            verdict = train_model(sample, plan(folds=2), threads=1).evaluation.verdict
        except NoUsableModel:
            verdict = NOT_USABLE
        assert verdict == NOT_USABLE


def test_folds_leave_a_gap_and_never_touch_the_test_slice() -> None:
    told = trained().evaluation
    test_from = instant(told.test["first_as_of"])
    assert 1 <= len(told.folds) <= 3
    for fold in told.folds:
        assert (test_from - instant(fold["until"])).days >= 89
    changed = matrix()
    late = (changed.frame["as_of"] >= pd.Timestamp("2024-12-01")).to_numpy()
    frame = changed.frame.copy()
    frame.loc[late, "outcome"] = 1 - frame.loc[late, "outcome"]
    other = train_model(Matrix(frame, changed.features, 90), plan(), threads=1).evaluation
    assert (other.chosen, other.candidates, other.folds) == (told.chosen, told.candidates, told.folds)
    assert other.metrics != told.metrics


def test_instants_of_each_account_s_own_train_as_a_grid_does() -> None:
    sample = matrix(accounts=300, instants="own")
    assert sample.frame["as_of"].nunique() > 4000
    told = train_model(sample, plan(), threads=1).evaluation
    assert told.verdict == USABLE, told.why
    assert len(told.folds) == 3
    assert (instant(told.test["last_as_of"]) - instant(told.test["first_as_of"])).days <= 90


def test_train_from_and_test_from_are_kept() -> None:
    made = train_model(matrix(), plan(train_from="2024-02-15", test_from="2025-01-01", folds=2), threads=1)
    assert made.evaluation.trained["first_as_of"] == "2024-03-01T00:00:00"
    assert made.evaluation.test["first_as_of"] == "2025-01-01T00:00:00"
    assert made.model.trained_as_of == datetime(2025, 2, 1, tzinfo=UTC)
    with pytest.raises(NoUsableModel, match=r"the newest mature row is of 2025-02-01\. Set an earlier test_from"):
        train_model(matrix(), plan(test_from="2025-06-01"), threads=1)


def test_too_few_outcomes_is_an_answer_with_its_n() -> None:
    with pytest.raises(NoUsableModel) as told:
        train_model(matrix(accounts=40), plan(min_outcomes=100), threads=1)
    assert "Training needs 100 accounts with the outcome" in str(told.value)
    assert "in 560 rows of 40 accounts" in str(told.value)
    assert "load older history" in str(told.value)
    assert told.value.exit_code == 3


def test_too_little_history_says_the_first_date_that_would_do() -> None:
    first = instant("2024-01-01")
    for months in range(5, 12):
        sample = matrix(accounts=200, months=months, horizon_days=90)
        newest = instant(sample.frame["as_of"].max().to_pydatetime())
        possible = first_possible(plan(), first, 90)
        assert possible is not None
        data_through = newest + (instant("2024-03-31") - first)
        if data_through >= possible:
            assert train_model(sample, plan(), threads=1).evaluation.folds
        else:
            with pytest.raises(NoUsableModel, match=f"It is possible with data through {possible.date()}"):
                train_model(sample, plan(), threads=1)
    assert first_possible(plan(test_from="2024-05-01"), first, 90) is None
    with pytest.raises(NoUsableModel, match=r"Set model\.test_from to 2024-06-29 or later"):
        train_model(matrix(accounts=200, months=10), plan(test_from="2024-05-01"), threads=1)
    assert len(grid("month", first, instant("2024-06-01"))) == 6


def test_the_simpler_wins_within_one_standard_error() -> None:
    r = np.random.default_rng(0)
    families = np.repeat(np.arange(100), 3).astype(str)
    good = r.random(300)
    close = good + r.normal(0.001, 0.2, 300)

    def tried(losses: np.ndarray, slope: float = 1.0) -> Tried:
        return Tried(Candidate(kind="scorecard"), {}, losses, Affine(0.0, slope), losses)

    assert choose({"scorecard": tried(close), "two_sided": tried(good)}, families)[0] == "scorecard"
    assert "within one standard error" in choose({"scorecard": tried(close), "two_sided": tried(good)}, families)[1]
    assert choose({"scorecard": tried(good + 0.01), "two_sided": tried(good)}, families)[0] == "two_sided"
    assert choose({"scorecard": tried(good), "two_sided": tried(close + 0.01)}, families)[0] == "scorecard"
    assert choose({"scorecard": tried(good, slope=-1), "two_sided": tried(close)}, families)[0] == "two_sided"
    with pytest.raises(NoUsableModel, match="slope of every candidate is zero or below"):
        choose({"scorecard": tried(good, slope=0)}, families)


def test_a_budget_in_minutes_alone_tunes_until_they_are_over() -> None:
    ticks = iter(range(0, 10_000, 10))
    asked = plan(tuning={"minutes": 1}, candidates=["additive"], scorecard_below=2, folds=2)
    told = train_model(matrix(accounts=200), asked, threads=1, clock=lambda: next(ticks)).evaluation
    assert len(told.trials) == 6, "one as it stands, and one each ten seconds before the minute is over"


def test_outcomes_that_turn_round_have_no_usable_model() -> None:
    sample = matrix(accounts=400, months=14, strength=2.0, features=(WEB,))
    frame = sample.frame.copy()
    late = frame["as_of"] >= pd.Timestamp("2024-04-01")
    frame.loc[late, "web_30d"] = frame["web_30d"].max() - frame.loc[late, "web_30d"]
    only = plan(candidates=["scorecard"], folds=1)
    with pytest.raises(NoUsableModel, match="zero or below"):
        train_model(Matrix(frame[frame["as_of"] < "2024-11-01"].reset_index(drop=True), (WEB,), 90), only, threads=1)


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_a_training_holds_blas_to_one_thread_and_gives_the_same_whatever_it_had() -> None:
    sample, asked = matrix(accounts=300, months=12), plan(candidates=["scorecard", "additive"], scorecard_below=2)
    said, during = [], []
    for limit in (1, 3):
        with threadpool_limits(limit, user_api="blas"):
            trained = train_model(sample, asked, threads=limit, say=lambda words: during.append(blas_threads()))
            assert blas_threads() == {limit}
        said.append((trained.model.to_files(), trained.evaluation.to_dict()))
    assert during
    assert all(found == {1} for found in during)
    assert said[0] == said[1]


def test_boosters_say_nothing_of_their_own_in_any_thread(capfd: pytest.CaptureFixture[str]) -> None:
    """Stdout is for tables and JSON; LightGBM warns there of trees that find no split."""
    frame = pd.DataFrame({f.name: np.zeros(400) for f in NUMBERS})
    y = np.arange(400.0) % 2
    folds = [prepare(NUMBERS, frame, y, frame, y) for _ in range(3)]
    judge(AdditiveBooster(NUMBERS, threads=3), folds)
    assert capfd.readouterr() == ("", "")
