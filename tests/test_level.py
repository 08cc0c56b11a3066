"""The level of the base where it drifts: known truth, oracles, no look ahead, and exact sums in a training."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import multivariate_normal

from matrix_sample import INDUSTRY, WEB, matrix, plan
from tierwise.clock import instant
from tierwise.config.plan import Candidate
from tierwise.features.matrix import Matrix
from tierwise.governance import model_card
from tierwise.learning import Affine, Trained, train_model
from tierwise.learning.calibration import fit_affine, fit_intercept, row_log_loss
from tierwise.learning.level import (
    LEAST_PERIODS,
    LONGEST_DAYS,
    MOST_PERIODS,
    History,
    Track,
    find_walk,
    forecast,
    mean_shares,
    periods_of,
    track,
)
from tierwise.learning.level_choice import LevelTrial, try_level
from tierwise.learning.recalibration import recalibrate_model
from tierwise.learning.rows import Rows
from tierwise.learning.search import Tried
from tierwise.learning.season import NO_SEASON
from tierwise.learning.splits import Division
from tierwise.report import TrainingPage, training_page

DAY = np.timedelta64(1, "D")
FIRST = np.datetime64("2024-01-01", "us")


@dataclasses.dataclass(frozen=True)
class World:
    """Rows of days, an outcome known a day later; a model a fold, whose base is the level of what it learned from."""

    rows: Rows
    division: Division
    tried: Tried
    raw: np.ndarray
    """Of every row, by the model of its fold; of the test's and the next day's rows by one of all rows before."""

    @property
    def earlier(self) -> Rows:
        return self.rows.where(self.division.earlier)

    def trial(self) -> LevelTrial:
        return try_level(self.tried, self.earlier, self.division.folds)


def world(levels: np.ndarray, seed: int, a_day: int = 800, a_fold: int = 1, again: bool = False) -> World:
    """The last day is the test; again: accounts come back every day, with a lasting tendency of their own."""
    r, many = np.random.default_rng([11, seed]), len(levels)
    day = np.repeat(np.arange(many), a_day)
    account = np.tile(np.arange(a_day), many) if again else np.arange(len(day))
    x = r.normal(size=len(day))
    lasting = r.normal(size=a_day)[account] if again else 0.0
    y = (r.random(len(day)) < expit(-1.5 + x + lasting + levels[day])) * 1.0
    frame = pd.DataFrame({"account_id": account, "family_id": account, "as_of": FIRST + day * DAY, "outcome": y})
    raw, folds, earlier = np.full(len(day), np.nan), [], day < many - 1
    for begin in [*range(2, many - 1, a_fold), many - 1]:
        old = day < begin
        now = (day >= begin) & (day < (many if begin == many - 1 else min(begin + a_fold, many - 1)))
        raw[now] = x[now] + fit_intercept(x[old], y[old]).intercept
        folds.append((old[earlier], now[earlier]))
    held = np.concatenate([np.flatnonzero(now) for _, now in folds[:-1]])
    affine = fit_affine(raw[held], y[held])
    tried = Tried(Candidate(kind="scorecard"), {}, raw[held], affine, row_log_loss(affine(raw[held]), y[held]))
    return World(Rows(frame, (), 1), Division(earlier, ~earlier, folds[:-1]), tried, raw)


def walk(size: float, seed: int, days: int = 11) -> np.ndarray:
    return np.cumsum(np.random.default_rng([5, seed]).normal(0, size, days))


def said(trial: LevelTrial) -> dict[str, object]:
    return trial.to_dict(trial.tried.affine)


def gain_on_test(w: World, trial: LevelTrial) -> float:
    test = w.division.test
    losses = [row_log_loss(affine(w.raw[test]), w.rows.y[test]) for affine in (w.tried.affine, trial.tried.affine)]
    return float((losses[0] - losses[1]).mean())


# --- what is estimated


def made_track(seed: int, many: int = 7) -> Track:
    r = np.random.default_rng(seed)
    root = r.normal(size=(many, many)) / 10
    seen = np.eye(many)[2:] - np.array([np.r_[np.full(t, 1 / t), np.zeros(many - t)] for t in range(2, many)])
    return Track(np.arange(many), r.normal(0, 0.3, many - 2), seen, root @ root.T + 0.01 * np.eye(many), np.ones(many))


@pytest.mark.parametrize("step", [0.0, 0.05, 0.3])
def test_the_forecast_is_the_expectation_given_what_was_seen(step: float) -> None:
    """Against a joint normal of constant (all but unknown), walk and errors, conditioned in one go."""
    found, shares, many, vague = made_track(1), np.r_[np.full(6, 1 / 6), 0.0], 7, 1e7
    walked = step**2 * np.minimum.outer(np.arange(many), np.arange(many))
    added = found.seen @ (walked + found.covariance) @ found.seen.T + vague
    newest = np.eye(many)[-1]
    wanted = ((newest - shares) @ walked - shares @ found.covariance) @ found.seen.T + vague
    expected = wanted @ np.linalg.solve(added, found.added)
    assert forecast(found, step, shares) == pytest.approx(expected, abs=1e-5)


def test_the_likelihood_ratio_is_that_of_what_no_constant_explains() -> None:
    found = made_track(2)
    free = np.linalg.svd(np.ones((1, 5)))[2][1:].T
    walked = np.minimum.outer(np.arange(7.0), np.arange(7.0))

    def log_likelihood(step: float) -> float:
        inner = found.seen @ (step**2 * walked + found.covariance) @ found.seen.T
        return float(multivariate_normal(cov=free.T @ inner @ free).logpdf(free.T @ found.added))

    said = find_walk(found)
    assert said.step > 0
    assert said.statistic == pytest.approx(2 * (log_likelihood(said.step) - log_likelihood(0.0)))
    assert log_likelihood(said.step) >= max(log_likelihood(s) for s in (0.9 * said.step, 1.1 * said.step)) - 0.02
    still = dataclasses.replace(found, added=np.full(5, 0.2))
    assert (find_walk(still).step, find_walk(still).statistic, find_walk(still).p_value) == (0.0, 0.0, 1.0)


def test_a_model_that_has_caught_up_with_a_step_is_moved_by_the_rest_alone() -> None:
    levels = np.r_[np.zeros(5), np.full(6, 1.0)]
    w = world(levels, 1, a_day=4000)
    trial = w.trial()
    assert trial.adopted, trial.why
    test = w.division.test
    needed = fit_intercept(w.tried.affine(w.raw[test]), w.rows.y[test]).intercept
    assert trial.shift == pytest.approx(needed, abs=0.15)
    newest = w.earlier.as_of == w.earlier.as_of.max()
    held = w.division.earlier.nonzero()[0][newest]
    of_newest = fit_intercept(w.tried.affine(w.raw[held]), w.rows.y[held]).intercept
    assert trial.shift < of_newest, "the newest model has learned from one period more than the one before it"


def test_shares_are_of_the_rows_learned_from_weighed_by_what_they_tell() -> None:
    w = world(np.zeros(8), 3)
    earlier, raw = w.earlier, w.raw[w.division.earlier]
    period, width = periods_of(earlier.as_of, 1)
    assert width == 1
    history = History(period, earlier.y, earlier.families, raw, w.division.folds)
    found = track(history, w.tried.affine(raw), np.ones(len(period), dtype=bool))
    assert found.seen.sum(axis=1) == pytest.approx(0, abs=1e-12)
    assert found.seen.shape == (5, 7)
    assert np.allclose(np.triu(found.seen, 3), 0), "a period's model has learned from none later"
    now = history.held & (period == 4)
    rate = np.array([(earlier.y[period == t].sum() + 0.5) / 801 for t in range(4)])
    weight = np.r_[rate * (1 - rate), np.zeros(3)]
    assert mean_shares(found, history, now) == pytest.approx(weight / weight.sum())


@given(st.lists(st.integers(0, 900), min_size=1, max_size=60), st.integers(1, 400))
@settings(max_examples=60, deadline=None)
def test_periods_are_in_order_not_too_many_and_never_longer_than_they_need(at: list[int], horizon: int) -> None:
    as_of = FIRST + np.array(at) * DAY
    period, width = periods_of(as_of, horizon)
    assert period.min() == 0
    assert period.max() < MOST_PERIODS + 1
    assert (np.diff(period[np.argsort(as_of)]) >= 0).all()
    assert width >= min(horizon, LONGEST_DAYS)
    if max(at) - min(at) < MOST_PERIODS * min(horizon, LONGEST_DAYS):
        assert width == min(horizon, LONGEST_DAYS)


# --- whether it is used


def test_where_the_base_stays_it_is_rarely_followed_and_costs_next_to_nothing() -> None:
    """40 worlds each of rows that stand alone and of accounts that come back: 5 % is aimed at; more than 10 of 80 come
    by chance once in 500 times."""
    worlds = [world(np.zeros(10), seed, a_day=300, again=again) for seed in range(40) for again in (False, True)]
    trials = [w.trial() for w in worlds]
    assert sum(t.adopted for t in trials) <= 10
    assert np.mean([gain_on_test(w, t) for w, t in zip(worlds, trials, strict=True)]) > -0.001
    for w, t in zip(worlds, trials, strict=True):
        if not t.adopted:
            assert t.tried is w.tried, "nothing changes"
            on_test = w.tried.affine(w.raw[w.division.test])
            assert t.newest(w.rows, w.division, on_test) == w.tried.affine


def test_where_the_base_walks_following_it_pays() -> None:
    worlds = [world(walk(0.4, seed), seed, a_day=600) for seed in range(20)]
    trials = [w.trial() for w in worlds]
    assert sum(t.adopted for t in trials) >= 8
    gains = [gain_on_test(w, t) for w, t in zip(worlds, trials, strict=True)]
    assert np.mean(gains) > 0.001
    for t in trials:
        assert t.tried.affine.slope > 0
        assert t.walk is not None


@cache
def moved() -> tuple[World, LevelTrial]:
    w = world(np.linspace(0, 2, 11), 1)
    trial = w.trial()
    assert trial.adopted, trial.why
    return w, trial


def test_only_the_intercept_moves_and_the_words_say_when_and_why() -> None:
    w, trial = moved()
    assert trial.tried.affine.slope == w.tried.affine.slope
    assert trial.tried.affine.intercept == pytest.approx(w.tried.affine.intercept + trial.shift)
    assert trial.tried.log_odds is w.tried.log_odds
    assert trial.walk is not None
    assert trial.walk.p_value < 0.05
    assert trial.why.startswith(
        "the base rate has moved (p below 0.001; 8 periods of 1 day, 6,400 rows out of time), and"
    )
    assert f"the odds are {np.exp(trial.shift):.2f} times those of all periods together" in trial.why
    assert trial.gain is not None
    assert f"{trial.gain.mean:+.5f}" in trial.why
    assert (trial.judged_periods, trial.judged_rows) == (5, 4000), "each is forecast from three before it, or more"
    assert said(w.trial()) == said(trial), "the same rows, the same figures"


def test_a_forecast_knows_nothing_that_had_not_closed_and_the_trial_nothing_of_the_test() -> None:
    w, trial = moved()
    frame = w.rows.frame.copy()
    test = w.division.test
    frame.loc[test, "outcome"] = 1 - frame.loc[test, "outcome"]
    other = dataclasses.replace(w, rows=Rows(frame, (), 1))
    assert said(other.trial()) == said(trial)
    on_test = trial.tried.affine(w.raw[test])
    now, then = (trial.newest(one.rows, w.division, on_test) for one in (w, other))
    assert now.slope == then.slope == trial.tried.affine.slope
    assert abs(now.intercept - then.intercept) > 0.1, "the model of all rows knows the test's level"

    last = w.earlier.as_of == w.earlier.as_of.max()
    frame = w.rows.frame.copy()
    places = np.flatnonzero(w.division.earlier)[last]
    frame.loc[places, "outcome"] = 1 - frame.loc[places, "outcome"]
    scrambled = dataclasses.replace(w, rows=Rows(frame, (), 1)).earlier
    from tierwise.learning.level_choice import _forward, _history, _places

    def losses(rows: Rows, period: int) -> list[np.ndarray]:
        raw = np.full(len(rows.y), np.nan)
        raw[_places(w.division.folds)] = w.tried.log_odds
        found = _forward(_history(rows, raw, w.division.folds)[0], rows, np.int64(period))
        assert found is not None
        return list(found[1:])

    for before, after in zip(losses(w.earlier, 8), losses(scrambled, 8), strict=True):
        assert np.array_equal(before, after)
    for before, after in zip(losses(w.earlier, 9), losses(scrambled, 9), strict=True):
        z = {True: before, False: after}
        assert not np.array_equal(z[True], z[False])
        shared = np.log(np.expm1(before)) + np.log(np.expm1(after))
        assert shared == pytest.approx(0, abs=1e-6), "the same log-odds, of outcomes turned round"


def test_few_periods_and_folds_that_are_not_forward_in_time_change_nothing() -> None:
    few = world(np.linspace(0, 2, 6), 1)
    trial = few.trial()
    assert trial.why == f"3 periods of 1 day out of time, of {LEAST_PERIODS} needed"
    assert trial.tried is few.tried
    assert trial.to_dict(few.tried.affine)["walk"] is None
    w = world(np.linspace(0, 2, 11), 1)
    turned = [(~now, now) for _, now in w.division.folds]
    trial = try_level(w.tried, w.earlier, turned)
    assert (trial.adopted, trial.tried) == (False, w.tried)
    assert trial.why == "the folds are not forward in time, so no level can be followed"


def test_a_level_that_moves_and_cannot_be_forecast_is_not_followed() -> None:
    """Up and down each day: there is movement, and the newest level is the worst guess of the next."""
    w = world(np.tile([0.5, -0.5], 6)[:11], 2, a_day=1500)
    trial = w.trial()
    assert trial.walk is not None
    assert trial.walk.p_value < 0.05
    assert not trial.adopted
    assert "but to follow it does not help forward in time" in trial.why
    assert trial.tried is w.tried


# --- training


def drifting(size: float, accounts: int = 500, months: int = 16) -> Matrix:
    """Outcomes within 30 days, of accounts that open ever more from the eighth month on (size: log-odds a month)."""
    sample = matrix(accounts=accounts, months=months, seed=3, features=(INDUSTRY, WEB), horizon_days=30)
    frame = sample.frame
    month = frame["as_of"].to_numpy().astype("datetime64[M]").astype(int)
    z = -2.4 + 0.9 * np.log1p(frame["web_30d"].to_numpy()) + size * np.maximum(0, month - month.min() - 7)
    y = np.random.default_rng(4).random(len(frame)) < expit(z)
    return dataclasses.replace(sample, frame=frame.assign(outcome=y * 1.0))


@cache
def trained(size: float = 0.15, calibration: str = "affine") -> tuple[Matrix, Trained]:
    made = drifting(size)
    return made, train_model(made, plan(candidates=["scorecard"], folds=4, calibration=calibration), threads=1)


def test_training_follows_the_level_and_its_reasons_still_sum() -> None:
    made, found = trained()
    said = found.evaluation.level
    assert said["adopted"], said["words"]
    assert found.model.calibrator == Affine(**said["final"])
    assert said["final"]["slope"] == said["judged"]["slope"] > 0
    pooled = found.evaluation.candidates["scorecard"]
    assert said["judged"]["intercept"] == pytest.approx(pooled["intercept"] + said["shift"])
    assert said["shift"] > 0.05, "opens ever more"
    assert said["words"].startswith("the base rate has moved")
    assert "; with the months it was tested on, " in said["words"]
    scores = found.model.score(made.frame)
    parts = found.model.contributions(made.frame).sum(axis=1) + found.model.base
    assert np.abs(logit(scores["propensity"]) - parts).max() < 1e-9
    test = found.unseen["outcome"].to_numpy()
    z = logit(found.unseen["propensity"].to_numpy())
    assert row_log_loss(z, test).mean() < row_log_loss(z - said["shift"], test).mean()
    assert found.model.season == NO_SEASON


def test_the_same_rows_give_the_same_model_byte_by_byte_and_recalibration_goes_on_from_it() -> None:
    made, found = trained()
    again = train_model(made, plan(candidates=["scorecard"], folds=4), threads=2)
    assert again.model.to_files() == found.model.to_files()
    assert again.evaluation.to_dict() == found.evaluation.to_dict()
    later = made.frame["as_of"] + pd.Timedelta(days=31 * 18)
    frame = made.frame.assign(as_of=later)
    y = np.random.default_rng(8).random(len(frame)) < expit(found.model.log_odds(frame) - 0.7)
    moved = recalibrate_model(found.model, dataclasses.replace(made, frame=frame.assign(outcome=y * 1.0))).model
    assert moved.calibrator == found.model.calibrator
    assert moved.recalibration.intercept == pytest.approx(-0.7, abs=0.2)


def test_where_the_base_stays_a_training_is_as_it_was() -> None:
    _, found = trained(0.0)
    said, pooled = found.evaluation.level, found.evaluation.candidates["scorecard"]
    assert not said["adopted"]
    assert (found.model.calibrator.intercept, found.model.calibrator.slope) == (pooled["intercept"], pooled["slope"])
    assert said["words"].startswith("the base rate moves no more than chance explains (p = ")


def test_a_curve_bends_what_all_periods_say_and_leaves_the_newest_level_where_it_is() -> None:
    made, bent = trained(calibration="beta")
    _, line = trained()
    assert bent.model.calibrator == line.model.calibrator
    newest = made.frame[made.frame["as_of"] == made.frame["as_of"].max()]
    rates = [expit(one.model.log_odds(newest)).mean() for one in (bent, line)]
    assert rates[0] == pytest.approx(rates[1], abs=0.03)
    pooled = line.evaluation.level["final"]["intercept"] - line.evaluation.candidates["scorecard"]["intercept"]
    assert rates[1] - expit(line.model.log_odds(newest) - pooled).mean() > 0.06, "the level itself is worth more"


def test_the_page_and_the_card_say_why_the_newest_level_is_used() -> None:
    _, found = trained()
    evaluation = found.evaluation.to_dict()
    answer = {"plan": "sample", "verdict": "usable", "evaluation": evaluation}
    page = training_page(TrainingPage(as_of=instant("2026-01-01"), answer=answer))
    words = str(evaluation["level"]["words"])
    assert "Whether the base rate has moved" in page
    assert "he base rate has moved (p " in page
    assert f"- level of the base: {words}" in model_card({"plan": "sample"}, evaluation)
    _, still = trained(0.0)
    assert "level of the base" not in model_card({"plan": "sample"}, still.evaluation.to_dict())
    older = {name: value for name, value in evaluation.items() if name != "level"}
    old_page = training_page(TrainingPage(as_of=instant("2026-01-01"), answer=answer | {"evaluation": older}))
    assert "Whether the base rate has moved" not in old_page


def test_a_period_longer_than_the_horizon_is_not_held_out_from_a_model_that_learned_from_it() -> None:
    made = matrix(accounts=200, months=75, horizon_days=30)
    found = train_model(made, plan(candidates=["scorecard"], folds=24), threads=1)
    assert found.evaluation.level["period_days"] > 30
    assert found.evaluation.level["periods"] >= 4
