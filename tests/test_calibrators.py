"""Calibrators against their definitions, the error beside its null, constants, and the gate's rates."""

from __future__ import annotations

import dataclasses
import json
import math
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import optimize
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from matrix_sample import matrix, plan, side_sums
from scored_rows import SETTINGS, rejections
from tierwise.config import parse_plan
from tierwise.errors import BundleError, ConfigError, UsageError
from tierwise.explain import reasons, top_reasons, waterfall
from tierwise.governance import calibration_review, gate
from tierwise.governance.gate import miscalibrated
from tierwise.governance.review import of_calibration
from tierwise.governance.rules import DEFAULT_RULES
from tierwise.learning import Affine, PropensityModel, Scorecard, train_model
from tierwise.learning.calibration import (
    KINDS,
    Beta,
    VennAbers,
    calibration_test,
    fit_affine,
    fit_calibrator,
    fit_intercept,
    from_dict,
    row_log_loss,
    slope_test,
    to_dict,
)
from tierwise.learning.comparison import compare_calibrators
from tierwise.learning.model import freeze
from tierwise.learning.reliability import base_log_odds, ece, worse_than_constant
from tierwise.report.accounts import steps_of
from tierwise.report.words import Words

CURVES = ("beta", "isotonic", "venn_abers")


def rows(n: int = 2000, seed: int = 0, curve: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds and outcomes; with `curve` the truth bends away from any straight line."""
    r = np.random.default_rng(seed)
    z = r.normal(-1.5, 1.3, n)
    return z, (r.random(n) < expit(0.3 + 0.8 * z - curve * np.maximum(z, 0))) * 1.0


samples = st.integers(4, 60).flatmap(
    lambda n: st.tuples(
        hnp.arrays(
            np.float64,
            n,
            elements=st.one_of(st.integers(-9_000, 9_000).map(lambda k: k / 300), st.integers(-3, 3).map(float)),
        ),
        hnp.arrays(np.float64, n, elements=st.sampled_from([0.0, 1.0])),
    )
)


@settings(deadline=None, max_examples=150)
@given(sample=samples, kind=st.sampled_from(CURVES), asked=hnp.arrays(np.float64, 25, elements=st.floats(-60, 60)))
def test_a_calibrator_never_falls_and_is_the_same_after_a_round_trip(
    sample: tuple[np.ndarray, np.ndarray], kind: str, asked: np.ndarray
) -> None:
    z, y = sample
    assume(0 < y.sum() < len(y) and np.ptp(z) > 1e-6)
    if kind == "beta" and fit_affine(z, y).slope <= 1e-6:
        return
    made = fit_calibrator(kind, z, y)
    at = np.sort(np.concatenate([asked, z]))
    found = made(at)
    assert np.isfinite(found).all()
    assert (np.diff(found) >= -1e-9).all()
    back = from_dict(json.loads(json.dumps(to_dict(made), allow_nan=False)))
    assert back == made
    assert np.array_equal(back(at), found)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.a = 1  # type: ignore[union-attr, misc]


@settings(deadline=None, max_examples=60)
@given(sample=samples, asked=hnp.arrays(np.float64, 6, elements=st.integers(-12_000, 12_000).map(lambda k: k / 300)))
def test_venn_abers_is_isotonic_regression_refitted_twice_a_row(
    sample: tuple[np.ndarray, np.ndarray], asked: np.ndarray
) -> None:
    z, y = sample
    assume(0 < y.sum() < len(y) and np.ptp(z) > 1e-6)
    made = fit_calibrator("venn_abers", z, y)
    assert isinstance(made, VennAbers)
    at = np.concatenate([asked, z[:6]])
    p0, p1 = made.pair(at)
    for i, s in enumerate(at):
        for label, got in ((0.0, p0[i]), (1.0, p1[i])):
            refitted = IsotonicRegression().fit(np.append(z, s), np.append(y, label))
            assert refitted.predict([s])[0] == pytest.approx(got, abs=1e-9)
    assert (p0 <= p1 + 1e-12).all()
    assert expit(made(at)) == pytest.approx(p1 / (1 - p0 + p1))


def test_isotonic_is_scikit_learn_s_clipped_by_the_stated_rule() -> None:
    z, y = rows(400, 3)
    made = fit_calibrator("isotonic", z, y)
    at = np.linspace(-8, 6, 300)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(z, y).predict(at)
    assert np.abs(expit(made(at)) - theirs).max() <= 1 / 402 + 1e-9
    inside = (theirs > 0.01) & (theirs < 0.85)
    assert expit(made(at[inside])) == pytest.approx(theirs[inside], abs=1e-9)
    assert theirs.min() == 0.0, "the sample must need the rule"
    assert expit(made(np.array([-50.0]))) == pytest.approx(1 / 402)


def test_beta_is_logistic_regression_on_both_logarithms() -> None:
    z, y = rows(3000, 1, curve=0.6)
    made = fit_calibrator("beta", z, y)
    assert isinstance(made, Beta)
    p = expit(z)
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=5000).fit(np.column_stack([np.log(p), -np.log1p(-p)]), y)
    assert (made.a, made.b, made.c) == pytest.approx([*theirs.coef_[0], theirs.intercept_[0]], abs=1e-4)
    assert made.a > made.b + 0.2, "the truth bends at the upper end"


def test_beta_keeps_its_signs_where_the_best_would_not() -> None:
    r = np.random.default_rng(4)
    z = r.normal(0, 1.5, 3000)
    y = (r.random(3000) < expit(np.where(z > 0, -0.5 * z, 1.2 * z))) * 1.0
    made = fit_calibrator("beta", z, y)
    assert isinstance(made, Beta)
    columns = np.column_stack([np.log(expit(z)), -np.log1p(-expit(z))])
    free = LogisticRegression(C=np.inf, max_iter=5000).fit(columns, y).coef_[0]
    assert free.min() < 0, "the sample must ask for a negative sign"

    def loss(v: np.ndarray) -> float:
        told = columns @ v[:2] + v[2]
        return float((np.logaddexp(0, told) - y * told).mean())

    best = optimize.minimize(loss, [1.0, 1.0, 0.0], bounds=[(0, None), (0, None), (None, None)], method="L-BFGS-B")
    assert loss(np.array([made.a, made.b, made.c])) <= best.fun + 1e-9
    assert min(made.a, made.b) == 0


@pytest.mark.parametrize(
    ("log_odds", "y", "said"),
    [
        ([0.0, 1.0, math.nan], [0, 1, 1], "1 of them are not finite numbers"),
        ([0.0, 1.0, math.inf], [0, 1, 1], "1 of them are not finite numbers"),
        ([0.0, 1.0, 2.0], [0, 1], "there are 2 outcomes. Give one outcome a row"),
        ([0.0, 1.0, 2.0], [0, 1, 2], "outcomes are not all 0 or 1"),
        ([0.0, 1.0, 2.0], [0, 1, math.nan], "outcomes are not all 0 or 1. Leave out rows whose horizon is still open"),
        ([0.0, 1.0, 2.0], [1, 1, 1], "rows with and without the outcome are needed"),
        ([], [], "rows with and without the outcome are needed"),
        ([2.0, 2.0, 2.0], [0, 1, 1], "all of them are equal"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_fitted_is_refused_in_words(kind: str, log_odds: list[float], y: list[float], said: str) -> None:
    with pytest.raises(UsageError, match=r"log-odds were to be calibrated|was to be fitted on") as caught:
        fit_calibrator(kind, np.array(log_odds), np.array(y, dtype=float))
    assert said in str(caught.value)


def test_an_unknown_kind_is_refused_by_the_plan_and_by_name() -> None:
    with pytest.raises(
        UsageError, match="a calibrator 'platt' was asked for: there are affine, beta, isotonic, venn_a"
    ):
        fit_calibrator("platt", *rows(50))
    with pytest.raises(UsageError, match="a calibrator 'platt' was asked for"):
        from_dict({"kind": "platt"})
    with pytest.raises(ConfigError, match="calibration"):
        parse_plan("plan: p\nmodel: {calibration: platt}\n")
    assert parse_plan("plan: p\n").model.calibration == "affine"


@pytest.mark.parametrize(
    "nonsense",
    [
        {"kind": "beta", "a": -1.0, "b": 1.0, "c": 0.0},
        {"kind": "beta", "a": "1", "b": 1.0, "c": 0.0},
        {"kind": "affine", "intercept": 0.0, "slope": math.nan},
        {"kind": "isotonic", "at": [0.0, 0.0], "probability": [0.1, 0.2]},
        {"kind": "isotonic", "at": [0.0, 1.0], "probability": [0.3, 0.2]},
        {"kind": "isotonic", "at": [0.0, 1.0], "probability": [0.0, 0.2]},
        {"kind": "isotonic", "at": [0.0, 1.0], "probability": [0.1]},
        {"kind": "isotonic", "at": [], "probability": []},
        {"kind": "venn_abers", "upper_at": [0.0], "upper": [0.0], "lower_at": [0.0], "lower": [0.1]},
        {"kind": "venn_abers", "upper_at": [0.0], "upper": [0.5], "lower_at": [0.0], "lower": [1.0]},
        {"kind": "venn_abers", "upper_at": [0.0, 1.0], "upper": [0.5], "lower_at": [0.0], "lower": [0.1]},
    ],
)
def test_parameters_that_are_no_calibrator_s_are_refused(nonsense: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"A calibrator \(\w+\) was to be made: .*It needs that"):
        from_dict(nonsense)


def test_scores_without_a_number_are_refused_when_calibrated() -> None:
    for kind in CURVES:
        with pytest.raises(UsageError, match="3 log-odds were to be calibrated: 2 of them are not finite numbers"):
            fit_calibrator(kind, *rows(200))(np.array([0.0, math.nan, -math.inf]))


# --- the comparison


def test_the_comparison_prefers_the_curve_where_there_is_one_and_only_there() -> None:
    for curve in (0.0, 1.0):
        z, y = rows(12_000, 5, curve)
        found = compare_calibrators(z, y, np.arange(len(z)), np.arange(len(z)) // 1000)
        assert set(found.scores) == {"none", *KINDS}
        assert found.n == 9000
        best = found.scores["beta"].less_affine
        assert (best.high < 0) == (curve > 0)
        assert found.scores["affine"].less_affine.value == 0
        assert found.scores["none"].less_affine.low > 0, "as they are, they are off by intercept and slope"
        assert found.scores["none"].ece.more_than_noise


def test_nothing_is_judged_by_what_was_fitted_later_or_within_the_gap() -> None:
    z, y = rows(4000, 6)
    order = np.arange(4000) // 500
    whole = compare_calibrators(z, y, np.arange(4000), order)
    later = y.copy()
    later[order == 7] = 1 - later[order == 7]
    moved = compare_calibrators(z, later, np.arange(4000), order, parts=8)
    early = compare_calibrators(z[order < 7], y[order < 7], np.arange(3500), order[order < 7], parts=7)
    for name in ("affine", "isotonic"):
        share = early.n * early.scores[name].log_loss.value
        told = fit_calibrator(name, z[order < 7], y[order < 7])(z[order == 7])
        last = float((np.logaddexp(0, told) - later[order == 7] * told).sum())
        assert moved.n * moved.scores[name].log_loss.value == pytest.approx(share + last)
    gapped = compare_calibrators(z, y, np.arange(4000), order, gap=3)
    assert gapped.n == 2000 < whole.n
    judged = [(order <= 1, np.isin(order, [4, 5])), (order <= 3, np.isin(order, [6, 7]))]
    for name in ("affine", "isotonic"):
        losses = [row_log_loss(fit_calibrator(name, z[old], y[old])(z[now]), y[now]) for old, now in judged]
        assert gapped.scores[name].log_loss.value == pytest.approx(np.concatenate(losses).mean())
    none = compare_calibrators(z, y, np.arange(4000), order, gap=99)
    assert (none.n, none.scores) == (0, {})
    assert none.why == "no rows are late enough to be judged by what was fitted before them"
    few = compare_calibrators(z[:18], y[:18], np.arange(18), np.arange(18) // 9)
    assert (few.n, few.why) == (0, none.why), "nine rows are too few to fit on"


# --- the error and its null


def test_the_error_is_the_mean_distance_of_equal_bins() -> None:
    p = np.repeat([0.1, 0.3, 0.8], 100)
    y = np.concatenate([np.arange(100) < k for k in (20, 30, 70)]) * 1.0
    found = ece(p, y, bins=3)
    assert found.value == pytest.approx((0.1 + 0.0 + 0.1) / 3)
    assert (found.bins, found.n, found.by) == (3, 300, "row")
    assert found == ece(p, y, bins=3)
    assert math.isnan(ece(p[:0], y[:0]).value)
    assert found.null_mean < found.null_high


def test_the_null_by_rows_is_what_calibrated_samples_show() -> None:
    r = np.random.default_rng(8)
    p = expit(r.normal(-2, 1, 800))
    shown = [ece(p, (r.random(800) < p) * 1.0, draws=1).value for _ in range(400)]
    null = ece(p, (r.random(800) < p) * 1.0, draws=2000)
    assert null.null_high == pytest.approx(np.quantile(shown, 0.95), rel=0.08)
    assert null.null_mean == pytest.approx(np.mean(shown), rel=0.05)


def test_rows_of_one_account_widen_the_null() -> None:
    r = np.random.default_rng(9)
    p = expit(r.normal(-2, 1, 300))
    y = (r.random(300) < p) * 1.0
    accounts = np.repeat(np.arange(300), 6)
    alone, together = ece(np.repeat(p, 6), np.repeat(y, 6)), ece(np.repeat(p, 6), np.repeat(y, 6), accounts)
    assert (alone.by, together.by) == ("row", "account")
    assert together.null_high > 1.8 * alone.null_high
    assert alone.more_than_noise
    assert not together.more_than_noise


# --- constants


def test_a_probability_beside_two_constants() -> None:
    z, y = rows(3000, 10)
    good = fit_affine(z, y)(z)
    accounts = np.arange(3000) // 3
    fine = worse_than_constant(good, y, accounts, base_log_odds(0.2))
    assert (fine.worse, fine.surely) == (False, False)
    assert fine.words.startswith("the probability is better than a constant: log-loss ")
    own = float(y.mean())
    others = np.array([(y[accounts != a].sum() + 0.5) / 2998 for a in accounts])
    loss = float((np.logaddexp(0, good) - y * good).mean())
    assert fine.to_own.value == pytest.approx(loss + float(np.log(np.where(y == 1, others, 1 - others)).mean()))
    fixed = -(own * math.log(0.2) + (1 - own) * math.log(0.8))
    assert fine.to_training is not None
    assert fine.to_training.value == pytest.approx(loss - fixed)
    assert fine.to_training.low < fine.to_training.value < fine.to_training.high
    bad = worse_than_constant(good + 2.5, y, accounts, base_log_odds(0.2))
    assert (bad.worse, bad.surely) == (True, True)
    assert bad.words.startswith("the probability is worse than a constant: log-loss ")
    assert "above that of the training base rate (+" in bad.words
    assert "n = 3,000, 1,000 families" in bad.words
    r = np.random.default_rng(2)
    few = worse_than_constant(r.normal(-1, 0.7, 60), (r.random(60) < 0.3) * 1.0, np.arange(60), None)
    assert (few.to_training, few.worse, few.surely) == (None, True, False)
    assert "worse than a constant, though chance may explain it: " in few.words
    assert "training base rate" not in few.words


def test_a_constant_that_is_right_is_not_called_surely_worse_than_a_constant() -> None:
    r = np.random.default_rng(3)
    found = [
        worse_than_constant(np.full(500, -2.0), (r.random(500) < expit(-2.0)) * 1.0, np.arange(500) // 2, -1.9, n=200)
        for _ in range(60)
    ]
    assert sum(f.surely for f in found) <= 5
    none = worse_than_constant(np.zeros(0), np.zeros(0), np.zeros(0), -1.0)
    assert (none.n, none.worse, none.surely) == (0, False, False)


def review_of(shift: float, base_rate: float | None) -> list[tuple[str, str, str]]:
    z, y = rows(3000, 11)
    p = expit(fit_affine(z, y)(z) + shift)
    frame = pd.DataFrame({"account_id": (np.arange(3000) // 3).astype(str), "propensity": p, "outcome": y})
    found = of_calibration(calibration_review(frame, base_rate=base_rate), DEFAULT_RULES)
    return [(r.verdict, r.code, r.words) for r in found]


def test_the_review_says_that_a_constant_is_better_and_what_mends_it() -> None:
    assert [line[:2] for line in review_of(0.0, 0.25)] == [("steady", "calibration")]
    rejected, worse = review_of(2.5, 0.25)
    assert rejected[:2] == ("act", "calibration_rejected")
    assert worse[:2] == ("act", "worse_than_constant")
    assert worse[2].startswith("the probability is worse than a constant: ")
    assert worse[2].endswith("Where only the base rate moved, `tierwise train --recalibrate` mends it")
    (near,) = review_of(0.4, None)
    assert near[1] == "calibration_rejected"
    assert near[2].endswith("`tierwise train --recalibrate` mends it")


# --- the model


def made(curve_kind: str | None, kind: str = "scorecard") -> PropensityModel:
    sample = matrix(accounts=150, months=8, seed=3)
    y = sample.frame["outcome"].to_numpy()
    fitted = Scorecard(sample.features, penalty=3.0).fit(sample.frame, y)
    line = fit_affine(fitted.decision_function(sample.frame), y)
    curve = None if curve_kind is None else fit_calibrator(curve_kind, line(fitted.decision_function(sample.frame)), y)
    assert not isinstance(curve, Affine)
    return freeze(kind, fitted, line, sample.frame, 90, datetime(2025, 1, 1, tzinfo=UTC), 1, curve)


@pytest.mark.parametrize("kind", CURVES)
def test_law_4_holds_with_the_residue_as_a_bar_of_its_own(kind: str) -> None:
    model, later = made(kind), matrix(accounts=60, months=3, seed=4)
    scores = model.score(later.frame)
    residue = scores["calibration_log_odds"]
    assert residue.abs().max() > 0.01, "the sample must need the bar"
    total = scores[["base", "fit_log_odds", "signal_log_odds", "calibration_log_odds"]].sum(axis=1)
    raw = model.estimator.decision_function(later.frame)
    assert model.curve is not None
    assert np.abs(model.curve(model.calibrator(raw)) - total).max() < 1e-6
    assert np.abs(logit(scores["propensity"]) - total).max() < 1e-6
    fit, signal = side_sums(model.contributions(later.frame), model.features)
    assert np.abs(model.base + fit + signal + residue - total).max() < 1e-6
    said = reasons(model, later)
    summed = said.groupby(["account_id", "as_of"])["log_odds"].sum()
    indexed = scores.set_index(["account_id", "as_of"])
    assert np.abs(indexed["base"] + summed - logit(indexed["propensity"])).max() < 1e-6
    bars = said[said["side"] == "calibration"]
    assert set(bars["feature"]) == {"calibration"}
    assert set(bars["words"]) == {"calibration: what scores like this came to, beyond the sum of their reasons"}
    assert bars[["value", "value_as_of"]].isna().all(axis=None)
    assert (
        not top_reasons(said, model.features)
        .filter(like="reason_")
        .apply(lambda c: c.str.contains("calibration"))
        .any(axis=None)
    )
    account = later.frame["account_id"].iloc[0]
    steps = waterfall(said, scores, account, n=100)
    newest = scores[scores["account_id"] == account].iloc[-1]
    assert steps["ends"].iloc[-1] == pytest.approx(float(logit(newest["propensity"])), abs=1e-6)
    assert steps["ends"].iloc[-2] == pytest.approx(steps["ends"].iloc[-1], abs=1e-6)
    mine = said[(said["account_id"] == account) & (said["as_of"] == newest["as_of"])]
    drawn = steps_of(newest.to_dict(), mine, Words({}))
    assert newest["base"] + sum(s.log_odds for s in drawn) == pytest.approx(steps["ends"].iloc[-1], abs=1e-6)


def test_an_affine_calibrator_leaves_no_residue() -> None:
    model, later = made(None), matrix(accounts=20, months=2, seed=4)
    assert (model.score(later.frame)["calibration_log_odds"] == 0).all()
    assert "calibration" not in set(reasons(model, later)["side"])
    assert json.loads(model.to_files()["calibrator.json"]) == dataclasses.asdict(model.calibrator)


@pytest.mark.parametrize("kind", CURVES)
def test_a_model_with_a_curve_comes_back_from_its_files(kind: str) -> None:
    model, later = made(kind), matrix(accounts=40, months=2, seed=5)
    model = dataclasses.replace(model, recalibration=Affine(0.25, 1.1))
    files = model.to_files()
    back = PropensityModel.from_files(files)
    assert back.to_files() == files
    assert back.score(later.frame).equals(model.score(later.frame))
    for broken in ({"curve": {"kind": kind}}, {"curve": {"kind": "affine", "intercept": 0, "slope": 1}}, {"more": 1}):
        said = json.loads(files["calibrator.json"]) | broken
        with pytest.raises(BundleError, match="its files do not hold one"):
            PropensityModel.from_files({**files, "calibrator.json": json.dumps(said).encode()})


@pytest.mark.parametrize("kind", KINDS)
def test_training_uses_the_calibrator_that_the_plan_asks_for(kind: str) -> None:
    sample = matrix(accounts=300, months=14)
    trained = train_model(sample, plan(candidates=["scorecard"], calibration=kind), threads=1)
    curve = trained.model.curve
    assert (None if curve is None else to_dict(curve)["kind"]) == (None if kind == "affine" else kind)
    compared = trained.evaluation.to_dict()["calibrators"]
    assert set(compared["scores"]) == {"none", *KINDS}
    assert 0 < compared["n"] < len(sample.frame)
    said = trained.evaluation.to_dict()["calibration"]
    assert {"slope", "p_value", "design_effect", "ece", "constant", "deciles"} <= set(said)
    assert said["constant"]["worse"] is False
    assert said["ece"]["null_high"] > 0
    assert trained.evaluation.to_dict() == json.loads(json.dumps(trained.evaluation.to_dict(), allow_nan=False))


# --- the tests and the gate


def test_the_slope_s_test_and_the_intercept_are_those_that_an_optimizer_finds() -> None:
    z, y = rows(1500, 12)
    found = slope_test(z, y, np.arange(1500))

    def loss(v: np.ndarray) -> float:
        told = v[0] + v[1] * z
        return float((np.logaddexp(0, told) - y * told).sum())

    one = optimize.minimize_scalar(lambda a: loss(np.array([a, 1.0])))
    both = optimize.minimize(loss, [0.0, 1.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9})
    assert fit_intercept(z, y).intercept == pytest.approx(one.x, abs=1e-5)
    assert found.statistic == pytest.approx(2 * (one.fun - both.fun), abs=1e-5)
    assert found.p_value < 0.01, "the true slope is 0.8"
    repeated = slope_test(np.repeat(z, 4), np.repeat(y, 4), np.repeat(np.arange(1500), 4))
    assert repeated.design_effect == pytest.approx(4, rel=0.01)
    assert repeated.statistic == pytest.approx(found.statistic, rel=0.01)


def test_too_few_families_with_the_outcome_are_no_test() -> None:
    z, _ = rows(40, 13)
    y = np.zeros(40)
    y[:4] = 1.0
    assert math.isnan(calibration_test(z, y, np.arange(40) // 4).p_value)
    assert not math.isnan(calibration_test(z, y, np.arange(40)).p_value)


@pytest.mark.parametrize("name", ["1,000 accounts, 22 % have it", "250 accounts x 4 rows, 22 %"])
def test_perfect_scores_are_rejected_rarely_and_a_slope_of_1_5_is_caught(name: str) -> None:
    perfect = rejections(SETTINGS[name], 200, seed=1)
    assert perfect.test <= 0.085, "two standard errors of 200 samples above 5 %"
    assert perfect.gate <= perfect.test
    caught = rejections(SETTINGS[name], 60, seed=2, slope=1.5)
    assert min(caught.test, caught.gate) >= 0.9


@pytest.mark.long
@pytest.mark.parametrize("name", list(SETTINGS))
def test_perfect_scores_are_rejected_at_most_6_percent_of_the_time(name: str) -> None:
    found = rejections(SETTINGS[name], 4000, seed=4)
    assert found.test <= 0.06
    assert found.gate <= 0.06


@pytest.mark.long
@pytest.mark.parametrize("name", list(SETTINGS)[:3])
def test_a_slope_of_1_5_is_caught_at_least_95_percent_of_the_time_on_1_000_rows(name: str) -> None:
    found = rejections(SETTINGS[name], 1000, seed=5, slope=1.5)
    assert min(found.test, found.gate) >= 0.95


def evaluation(**calibration: object) -> dict[str, object]:
    """A usable evaluation whose calibration is given."""
    test = {"rows": 9, "accounts": 9, "outcomes": 3, "first_as_of": "a", "last_as_of": "b"}
    metrics = {"scorecard": {"log_loss": {"value": 0.3, "low": 0.25, "high": 0.35}}}
    line = {"n": 100, "predicted": 0.2, "observed": 0.2}
    said = {"p_value": 0.5, "slope": 1.0, "deciles": [line], **calibration}
    return {"verdict": "usable", "chosen": "scorecard", "test": test, "metrics": metrics, "calibration": said}


def test_the_gate_refuses_what_is_far_from_calibrated_unless_it_is_surely_better() -> None:
    fine, off = evaluation(), evaluation(p_value=0.0004, slope=1.52)
    assert gate(fine, fine).passed
    refused = gate(fine, off)
    assert not refused.passed
    assert refused.reasons[-1] == (
        "the challenger's calibration is rejected on rows it had not seen (p < 0.001) and is far off: slope 1.52, "
        "observed 1.00 times predicted"
    )
    first = gate(None, off)
    assert (first.passed, len(first.reasons)) == (True, 2)
    assert gate(fine, evaluation(p_value=0.0004, slope=1.1)).passed, "many rows reject what nobody minds"
    high = evaluation(p_value=0.01, deciles=[{"n": 100, "predicted": 0.3, "observed": 0.2}])
    assert "observed 0.67 times predicted" in miscalibrated(high["calibration"])[0]  # type: ignore[arg-type]
    assert miscalibrated(None) == miscalibrated({"p_value": None}) == ()
    from tierwise.governance import PairedLoss

    better = PairedLoss(0.33, 0.30, -0.03, 0.01, 900, 300)
    assert gate(fine, off, paired=better).passed
    assert not gate(fine, off, paired=dataclasses.replace(better, difference=-0.005)).passed
    assert gate(fine, fine, paired=dataclasses.replace(better, difference=0.005)).passed
