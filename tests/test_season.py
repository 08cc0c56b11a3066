"""The season of the base: known truth planted and found, trends and steps not taken for one, and exact sums."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import null_space
from scipy.special import expit, logit
from scipy.stats import multivariate_normal

from matrix_sample import FEATURES, INDUSTRY, WEB, matrix, plan
from tierwise.audit import draft_plan
from tierwise.clock import instant
from tierwise.config import parse_plan
from tierwise.config.plan import Candidate
from tierwise.data import Warehouse
from tierwise.errors import BundleError
from tierwise.explain import Stage, by_cause, reasons, split_change, spoken_change
from tierwise.features import build_matrix, history_start, training_grid
from tierwise.features.matrix import Matrix
from tierwise.governance import model_card
from tierwise.learning import Affine, PropensityModel, Scorecard, train_model
from tierwise.learning.calibration import Curve, fit_affine, fit_isotonic
from tierwise.learning.calibration.affine import maximise
from tierwise.learning.model import freeze
from tierwise.learning.recalibration import recalibrate_model
from tierwise.learning.rows import Rows, training_rows
from tierwise.learning.search import follow
from tierwise.learning.season import (
    MONTHS,
    NO_SEASON,
    Levels,
    Season,
    learn_season,
    levels,
    months_spanned,
    restricted,
    season_of,
    spoken,
)
from tierwise.learning.season_choice import LEAST_MONTHS, SeasonTrial, try_season
from tierwise.learning.sides import SidesClassifier, prepare
from tierwise.learning.training import divide
from tierwise.registry import read_bundle, write_bundle
from tierwise.report import TrainingPage, training_page
from tierwise.report.training import candidates_part
from tierwise.report.words import Words
from tierwise.synthetic import WorldSpec, simulate

Shift = Callable[[np.ndarray], np.ndarray]
PLANTED = 0.5 * np.cos(2 * np.pi * (np.arange(12) - 9) / 12)
"""The offsets planted, January first: most in October."""


def flat(t: np.ndarray) -> np.ndarray:
    return np.zeros(len(t))


def seasonal(t: np.ndarray) -> np.ndarray:
    return PLANTED[t % 12]


def trend(t: np.ndarray) -> np.ndarray:
    return 0.5 * t / 12


def rows_with(shift: Shift, seed: int, accounts: int = 150, months: int = 48) -> Matrix:
    """Rows from January 2024 on, whose log-odds are a line in web activity and the shift of the month since then."""
    sample = matrix(accounts=accounts, months=months, seed=seed, features=(INDUSTRY, WEB))
    frame, t = sample.frame, months_since(sample.frame)
    z = -2.4 + 0.9 * (np.log1p(frame["web_30d"].to_numpy()) - 0.7) + shift(t)
    y = np.random.default_rng([seed, 9]).random(len(frame)) < expit(z)
    return dataclasses.replace(sample, frame=frame.assign(outcome=y * 1.0))


def months_since(frame: pd.DataFrame) -> np.ndarray:
    month = frame["as_of"].to_numpy().astype("datetime64[M]").astype(np.int64)
    return month - np.datetime64("2024-01", "M").astype(np.int64)


@cache
def tried(shift: Shift, seed: int, months: int = 48) -> tuple[SeasonTrial, Season]:
    """What the folds of such rows say of a season over a scorecard, and the season of all rows."""
    made = rows_with(shift, seed, months=months)
    asked = plan(min_outcomes=10)
    rows = training_rows(made, asked)
    division = divide(rows, asked)
    earlier = rows.where(division.earlier)
    folds = [
        prepare(made.features, earlier.frame[old], earlier.y[old], earlier.frame[now], earlier.y[now])
        for old, now in division.folds
    ]
    candidate = follow(Candidate(kind="scorecard"), {}, folds, made.features, threads=1, seed=7)

    def fitted(_: object, some: Rows) -> SidesClassifier:
        return candidate.estimator(made.features, 1, 7).fit(some.frame, some.y)

    trial = try_season(candidate, fitted, rows, earlier, division.folds)
    return trial, trial.season(fitted(candidate, rows), rows)


# --- known truth


def test_a_planted_season_is_adopted_in_most_worlds_and_its_offsets_are_found() -> None:
    found = [tried(seasonal, seed) for seed in range(10)]
    assert sum(trial.adopted for trial, _ in found) >= 9
    for trial, season in found:
        if trial.adopted:
            assert trial.gain is not None
            assert trial.gain.mean > trial.gain.standard_error > 0
            assert trial.why.startswith("log-loss forward in time is lower with it: +0.0")
            assert np.abs(np.array(season.offsets) - PLANTED).max() < 0.3
            assert np.corrcoef(season.offsets, PLANTED)[0, 1] > 0.9
    mean = np.mean([season.offsets for trial, season in found if trial.adopted], axis=0)
    assert np.abs(mean - PLANTED).max() < 0.15, "shrunken, but not by much"


@pytest.mark.parametrize("shift", [flat, trend])
def test_where_none_is_planted_and_where_the_base_only_rises_hardly_any_is_adopted(shift: Shift) -> None:
    found = [tried(shift, seed)[0] for seed in range(40)]
    assert sum(trial.adopted for trial in found) <= 4, "1 in 10, as is stated"
    for trial in found:
        assert trial.months == 48
        assert trial.adopted or trial.why.startswith(("no gain forward in time: ", "no month of the year stands out"))
        assert trial.adopted or trial.tried.losses.mean() == trial.tried.mean


def test_a_step_from_one_year_to_the_next_is_no_season() -> None:
    def step(t: np.ndarray) -> np.ndarray:
        return np.where(t >= 24, 0.8, 0.0)

    assert sum(tried(step, seed)[0].adopted for seed in range(10)) <= 1


def test_a_season_beside_a_trend_is_found_beside_it() -> None:
    made = rows_with(lambda t: seasonal(t) + trend(t), 3, accounts=400)
    z = -2.4 + 0.9 * (np.log1p(made.frame["web_30d"].to_numpy()) - 0.7)
    season = learn_season(z, *(made.frame[name].to_numpy() for name in ("outcome", "as_of", "family_id")))
    assert np.abs(np.array(season.offsets) - PLANTED).max() < 0.2


@pytest.mark.parametrize("months", [6, 23])
def test_too_short_a_history_says_so_and_fits_nothing(months: int) -> None:
    rows = training_rows(rows_with(seasonal, 1, months=months), plan(min_outcomes=10))

    def never(*_: object) -> SidesClassifier:
        raise AssertionError("nothing is fitted")

    trial = try_season(None, never, rows, rows, [])  # type: ignore[arg-type]
    assert not trial.adopted
    assert trial.why == f"{months} months of history, of {LEAST_MONTHS} needed"
    assert trial.to_dict(NO_SEASON)["words"] == trial.why
    assert trial.to_dict(NO_SEASON)["offsets"] is None


# --- the parts of it


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), months=st.integers(1, 60), start=st.integers(600, 680))
def test_offsets_sum_to_0_and_a_line_in_time_changes_none_of_them(seed: int, months: int, start: int) -> None:
    r = np.random.default_rng(seed)
    month = (start + np.sort(r.choice(months + 5, months, replace=False))).astype("datetime64[M]")
    root = r.normal(size=(months, months)) * 0.05
    found = Levels(month, r.normal(0, 0.5, months), root @ root.T + 0.01 * np.eye(months))
    season = np.array(season_of(found).offsets)
    assert abs(season.sum()) < 1e-9
    line = r.normal() + r.normal() * month.astype(np.int64)
    moved = season_of(dataclasses.replace(found, level=found.level + line))
    assert np.abs(season - moved.offsets).max() < 1e-6


def test_the_restricted_likelihood_is_that_of_what_no_line_explains() -> None:
    r = np.random.default_rng(4)
    line = np.column_stack([np.ones(30), np.arange(30.0)])
    root = r.normal(size=(2, 30, 30))
    covariances = [np.eye(30) + c @ c.T for c in root]
    level, free = r.normal(size=30), null_space(line.T)
    ours = [restricted(c, line, level)[0] for c in covariances]
    theirs = [-2 * multivariate_normal(cov=free.T @ c @ free).logpdf(free.T @ level) for c in covariances]
    assert ours[1] - ours[0] == pytest.approx(theirs[1] - theirs[0])
    rest = restricted(covariances[0], line, level)[1]
    assert rest == pytest.approx(free @ np.linalg.solve(free.T @ covariances[0] @ free, free.T @ level))


def test_levels_solve_firth_s_equation_also_in_a_month_without_outcomes() -> None:
    r = np.random.default_rng(5)
    place = np.repeat(np.arange(6), 80)
    as_of = (np.datetime64("2024-03", "M") + place).astype("datetime64[us]")
    z = r.normal(-1.5, 1, len(place))
    y = (r.random(len(place)) < expit(z + 0.2 * place)) * (place != 2) * 1.0
    found = levels(z, y, as_of, np.arange(len(place)) % 40)
    assert np.isfinite(found.level).all()
    assert found.level[2] < -2
    for k in range(6):
        p = expit(z[place == k] + found.level[k])
        w = p * (1 - p)
        assert (y[place == k] - p).sum() + (w * (0.5 - p)).sum() / w.sum() == pytest.approx(0, abs=1e-9)
        assert found.covariance[k, k] >= 1 / w.sum() - 1e-12
    assert np.linalg.eigvalsh(found.covariance).min() > 0


def test_one_outcome_in_the_rows_of_three_months_is_not_three_times_the_evidence() -> None:
    r = np.random.default_rng(6)
    drawn = r.random((3000, 12)) < 0.1
    y = np.repeat(drawn, 3, axis=1) * 1.0
    place = np.tile(np.arange(36), 3000)
    as_of = (np.datetime64("2024-01", "M") + place).astype("datetime64[us]")
    found = levels(np.full(y.size, logit(0.1)), y.ravel(), as_of, np.repeat(np.arange(3000), 36))
    spread = np.sqrt(np.diag(found.covariance))
    correlation = found.covariance / np.outer(spread, spread)
    assert correlation[0, 1] == pytest.approx(1, abs=0.05)
    assert correlation[0, 5] == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("offsets", [(0.1,) * 11, (np.nan,) * 12])
def test_what_is_no_season_is_refused(offsets: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="a season has 12 finite offsets"):
        Season(offsets)


def test_months_are_counted_from_the_first_to_the_last_and_said_by_name() -> None:
    as_of = np.array(["2024-01-31", "2025-12-01"], dtype="datetime64[us]")
    assert months_spanned(as_of) == 24
    assert months_spanned(as_of[:0]) == 0
    season = Season(tuple(PLANTED))
    assert season(np.array(["1969-10-05", "2025-10-31"], dtype="datetime64[us]")) == pytest.approx([0.5, 0.5])
    assert spoken(season) == "from 0.61 times the odds in April to 1.65 in October"
    assert spoken(NO_SEASON) == "over all rows together none is left"


def test_an_affine_map_beside_an_offset_is_the_likeliest_one() -> None:
    r = np.random.default_rng(7)
    z, offset = r.normal(size=(2, 4000))
    y = (r.random(4000) < expit(-1 + 0.7 * z + offset)) * 1.0
    found = fit_affine(z, y, offset=offset)
    beta = maximise(np.column_stack([np.ones(4000), z]), y, np.zeros(2), offset=offset)
    assert (found.intercept, found.slope) == pytest.approx(tuple(beta), abs=1e-6)
    assert (found.intercept, found.slope) == pytest.approx((-1, 0.7), abs=0.12)


# --- the model that has one


def model(curve: Curve | None = None, season: Season | None = None, **changes: object) -> PropensityModel:
    sample = matrix(accounts=80, months=3)
    fitted = Scorecard(FEATURES).fit(sample.frame, sample.frame["outcome"])
    planted = Season(tuple(PLANTED)) if season is None else season
    made = freeze(
        "scorecard", fitted, Affine(0.1, 0.9), sample.frame, 90, datetime(2025, 1, 1, tzinfo=UTC), 1, curve, planted
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def curve() -> Curve:
    r = np.random.default_rng(1)
    z = r.normal(-2, 1, 500)
    return fit_isotonic(z, (r.random(500) < expit(z)) * 1.0)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31), slope=st.floats(0.2, 2), intercept=st.floats(-1, 1), curved=st.booleans())
def test_reasons_and_a_base_of_each_row_s_month_sum_to_the_log_odds(
    seed: int, slope: float, intercept: float, curved: bool
) -> None:
    made = model(curve() if curved else None, recalibration=Affine(intercept, slope))
    later = matrix(accounts=20, months=14, seed=seed)
    scores = made.score(later.frame)
    parts = ["base", "fit_log_odds", "signal_log_odds", "calibration_log_odds"]
    total = scores[parts].sum(axis=1)
    assert np.abs(logit(scores["propensity"]) - total).max() < 1e-6
    assert np.abs(made.log_odds(later.frame) - total).max() < 1e-9
    summed = made.contributions(later.frame).sum(axis=1) + made.residue(later.frame)
    assert np.abs(summed + made.base + made.season_log_odds(later.frame) - total).max() < 1e-9
    said = reasons(made, later).groupby(["account_id", "as_of"])["log_odds"].sum()
    indexed = scores.set_index(["account_id", "as_of"])
    assert np.abs(said.add(indexed["base"], fill_value=0.0) - total.set_axis(indexed.index)).max() < 1e-6
    assert scores["base"].to_numpy() == pytest.approx(made.base + slope * PLANTED[months_since(later.frame) % 12])


def test_scores_from_0_to_100_leave_the_season_out() -> None:
    sample = matrix(accounts=30, months=14, seed=2).frame
    names = ["account_score", "fit_score", "signal_score"]
    made = model()
    moved = made.score(sample)
    pd.testing.assert_frame_equal(moved[names], model(season=NO_SEASON).score(sample)[names])
    assert not np.allclose(moved["propensity"], model(season=NO_SEASON).score(sample)["propensity"])


def test_a_bundle_keeps_the_season_and_one_without_is_as_it_was(tmp_path: Path) -> None:
    sample = matrix(accounts=80, months=14)
    shuffled = sample.frame.sample(frac=1.0, random_state=1)
    write_bundle(model(), shuffled, {}, tmp_path / "b")
    back = read_bundle(tmp_path / "b").model
    assert back.season == Season(tuple(PLANTED))
    pd.testing.assert_frame_equal(back.score(sample.frame), model().score(sample.frame), check_exact=True)
    golden = json.loads((tmp_path / "b" / "golden.json").read_text())
    assert len(set(golden["as_of"])) > 5
    write_bundle(model(season=NO_SEASON), sample.frame, {}, tmp_path / "none")
    assert "season" not in json.loads((tmp_path / "none" / "spec.json").read_text())
    assert "as_of" not in json.loads((tmp_path / "none" / "golden.json").read_text())
    files = model().to_files()
    for wrong in ([0.0] * 11, ["a"] * 12, 3):
        spec = json.loads(files["spec.json"]) | {"season": wrong}
        with pytest.raises(BundleError, match="its files do not hold one"):
            PropensityModel.from_files(files | {"spec.json": json.dumps(spec).encode()})


def test_golden_rows_notice_a_season_that_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = matrix(accounts=80, months=14).frame.sample(frac=1.0, random_state=1)
    write_bundle(model(), rows, {}, tmp_path / "b")
    read = PropensityModel.from_files

    def older(files: dict[str, bytes], threads: int = 1) -> PropensityModel:
        return dataclasses.replace(read(files, threads), season=NO_SEASON)

    monkeypatch.setattr(PropensityModel, "from_files", older)
    with pytest.raises(BundleError, match="golden rows score differently here"):
        read_bundle(tmp_path / "b")


def test_recalibration_keeps_the_season() -> None:
    made = model()
    sample = matrix(accounts=300, months=9, seed=3)
    as_of = sample.frame["as_of"] + pd.Timedelta(days=490)
    frame = sample.frame.assign(as_of=as_of)
    y = np.random.default_rng(3).random(len(frame)) < expit(0.6 + made.log_odds(frame))
    moved = recalibrate_model(made, dataclasses.replace(sample, frame=frame.assign(outcome=y * 1.0))).model
    assert moved.season == made.season
    assert moved.recalibration.intercept == pytest.approx(0.6, abs=0.2)
    scores = moved.score(frame)
    total = scores[["base", "fit_log_odds", "signal_log_odds"]].sum(axis=1)
    assert np.abs(total - moved.recalibration(made.log_odds(frame))).max() < 1e-9


def test_a_change_between_two_dates_names_the_season_and_sums_to_the_difference() -> None:
    made, sample = model(), matrix(accounts=40, months=10, seed=4)
    of = (sample.frame["account_id"] == "a00003").to_numpy()
    mine = sample.where(of)
    then, now = mine.where(np.arange(10) == 3), mine.where(np.arange(10) == 9)
    aged = dataclasses.replace(then, frame=then.frame.assign(as_of=now.frame["as_of"].to_numpy()))

    def stage(rows: Matrix) -> Stage:
        season = float(made.season_log_odds(rows.frame)[0])
        return Stage.of(made.base + season, reasons(made, rows), season)

    parts = split_change(stage(then), [("ageing", stage(aged)), ("moves", stage(now))])
    difference = float(made.log_odds(now.frame)[0] - made.log_odds(then.frame)[0])
    assert parts["log_odds"].sum() == pytest.approx(difference, abs=1e-9)
    assert stage(now).total == pytest.approx(float(made.log_odds(now.frame)[0]), abs=1e-9)
    line = parts[parts["family"] == "season"]
    assert line[["cause", "side", "feature"]].to_numpy().tolist() == [["ageing", "", "season"]]
    assert line["log_odds"].iloc[0] == pytest.approx(PLANTED[9] - PLANTED[3], abs=1e-9)
    assert by_cause(parts).set_index("cause")["log_odds"]["ageing"] == pytest.approx(1.0, abs=1e-9)
    assert "base" not in set(parts["feature"]), "the base itself has not moved"
    told = spoken_change(parts, {}, {"ageing": (then.frame.iloc[0], aged.frame.iloc[0])})
    season = told[told["family"] == "season"]
    assert season["words"].tolist() == ["the time of the year"]
    assert season["proven"].tolist() == [True]


# --- training


def test_a_world_that_opens_little_in_spring_gets_a_season_from_its_tables_on() -> None:
    spec = WorldSpec(seed=5, accounts=300, months=40)
    end = instant(pd.Timestamp(spec.start) + pd.DateOffset(months=40))
    tables = dict(simulate(spec).tables(end))
    opened = tables["opportunities"].to_pandas()
    spring = opened["created_at"].dt.month <= 6
    gone = opened.loc[spring & (np.random.default_rng(1).random(len(opened)) < 0.75), "opportunity_id"]
    for name in ("opportunities", "opportunity_stages"):
        kept = ~tables[name]["opportunity_id"].to_pandas().isin(gone)
        tables[name] = tables[name].filter(kept.to_numpy())
    with Warehouse.open(tables, threads=1) as warehouse:
        drafted = parse_plan(draft_plan(warehouse, "new_business").model)
        grid = training_grid(drafted, history_start(warehouse), end)
        made = build_matrix(warehouse, drafted, grid, outcomes_through=end)
    alone = drafted.model_copy(update={"model": plan(candidates=["scorecard"]).model})
    trained = train_model(made, alone, threads=1)
    assert trained.evaluation.season["adopted"], trained.evaluation.season["words"]
    assert trained.evaluation.season["months"] == 37
    offsets = np.array(trained.model.season.offsets)
    assert offsets[:4].max() < -0.2 < 0.2 < offsets[6:10].min(), "as_of in spring looks at 90 days of few openings"
    scores = trained.model.score(made.frame)
    total = scores[["base", "fit_log_odds", "signal_log_odds"]].sum(axis=1)
    assert np.abs(logit(scores["propensity"]) - total).max() < 1e-6
    assert scores.groupby(made.frame["as_of"].dt.month)["base"].nunique().eq(1).all()


def page_of(evaluation: dict[str, object]) -> TrainingPage:
    answer = {"plan": "sample", "verdict": "usable", "evaluation": evaluation}
    return TrainingPage(as_of=instant("2026-01-01"), answer=answer)


def test_the_page_and_the_card_say_whether_the_base_varies() -> None:
    words = "log-loss forward in time is lower with it: +0.00067, SE 0.00066; from 0.58 times the odds in January"
    evaluation = {"verdict": "usable", "chosen": "scorecard", "candidates": {}, "season": {"words": words}}
    part = candidates_part(page_of(evaluation), Words({}))
    assert part is not None
    assert part["season"] == words
    page = training_page(page_of(evaluation))
    assert "Whether the base varies by month of the year" in page
    assert words[1:] in page
    card = model_card({"plan": "sample"}, evaluation)
    assert f"- base by month of the year: {words}" in card
    older = {name: value for name, value in evaluation.items() if name != "season"}
    assert "month of the year" not in model_card({"plan": "sample"}, older)
    old_page = training_page(page_of(older))
    assert "Whether the base varies" not in old_page


def test_training_adopts_it_says_so_and_scores_with_it() -> None:
    made = rows_with(seasonal, 1, accounts=300)
    trained = train_model(made, plan(candidates=["scorecard"]), threads=1)
    said = trained.evaluation.to_dict()["season"]
    assert said["adopted"]
    assert said["months"] == 48
    assert said["words"].endswith("in October; scores from 0 to 100 leave it out")
    assert said["offsets"] == pytest.approx(trained.model.season.offsets, abs=1e-6)
    assert trained.model.season(np.array(["2030-10-01"], dtype="datetime64[us]")) > 0.3
    month = months_since(made.frame) % 12
    observed = made.frame.groupby(month)["outcome"].mean()
    scored = trained.model.score(made.frame)["propensity"].groupby(month).mean()
    assert np.corrcoef(observed, scored)[0, 1] > 0.98
    assert trained.model.base == pytest.approx(logit(made.frame["outcome"].mean()), abs=0.6)
    without = train_model(rows_with(flat, 0, months=14), plan(candidates=["scorecard"]), threads=1)
    assert without.model.season == NO_SEASON
    assert without.evaluation.season["words"] == "14 months of history, of 24 needed"
    assert len(said["offsets"]) == MONTHS
