"""A scorecard of few outcomes starts from the rubric, and moves from it as outcomes come."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

import tierwise
from matrix_sample import matrix, plan, point_lines
from test_rubric import FEATURES, LINES, VALUES, framed, line
from tierwise.config.icp import IcpPoints
from tierwise.config.plan import Candidate
from tierwise.errors import ConfigError, NoUsableModel
from tierwise.features.feature import Feature
from tierwise.learning import Scorecard, points, read_rubric, train_model
from tierwise.learning.binning import codes_of, learn_bins
from tierwise.learning.calibration import row_log_loss
from tierwise.learning.candidates import make
from tierwise.learning.encoding import Encoder
from tierwise.learning.prior import prior_edges, prior_levels, prior_tables
from tierwise.learning.scorecard import SCALE_PENALTY, Layout
from tierwise.learning.sides import prepare
from tierwise.report.quality import in_words
from tierwise.synthetic import WorldSpec, simulate, write_world

INDUSTRY = Feature("industry", "fit", "category", "", "industry is {value}", missing="never")
SIZE = Feature("employee_count", "fit", "number", "employees", "{value} employees", missing="never")
BAND = Feature("size_band", "fit", "number", "", "size band {value}")
WEB = Feature("web_30d", "signal", "number", "activities", "{value} web activities")
WORLD = (INDUSTRY, SIZE, WEB)
DRAWS = 24


def rubric(sign: int = 1) -> tuple[IcpPoints, ...]:
    """What the world below pays for; or the contrary."""
    return (
        line("industry", 20 * sign, equals=("i0", "i1")),
        line("employee_count", 20 * sign, at_least=200, below=2000),
    )


def world(rows: int, seed: int, base: float = -4.2) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Rows, outcomes, and the true log-odds; about 60 outcomes in 1,000 rows."""
    r = np.random.default_rng(seed)
    industry, size = r.integers(0, 8, rows), np.exp(r.normal(5, 1.5, rows)).round()
    web = r.poisson(1.0, rows).astype(float)
    fits = 1.2 * (industry < 2) + 1.2 * ((size >= 200) & (size < 2000))
    truth = base + fits + 0.8 * np.log1p(web)
    frame = pd.DataFrame(
        {"industry": np.array([f"i{k}" for k in industry], dtype=object), "employee_count": size, "web_30d": web}
    )
    return frame, (r.random(rows) < expit(truth)).astype(float), truth


def expected_loss(log_odds: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The mean log-loss that is to be expected of rows whose true log-odds are known; by path value, if there are."""
    p = expit(truth)
    return (p * row_log_loss(log_odds, 1.0) + (1 - p) * row_log_loss(log_odds, 0.0)).mean(axis=-1)


@cache
def losses() -> dict[str, np.ndarray]:
    """Draws x (at the strength of regularisation that is best on unseen rows, at the default one)."""
    unseen, later, truth = world(20_000, 10_000)
    said: dict[str, list[tuple[float, float]]] = {"none": [], "right": [], "wrong": []}
    counted = []
    for draw in range(DRAWS):
        frame, y, _ = world(1000, draw)
        counted.append(y.sum())
        for name, prior in (("none", ()), ("right", rubric()), ("wrong", rubric(-1))):
            card = Scorecard(WORLD, prior=prior)
            path = card.path(prepare(WORLD, frame, y, unseen, later, prior_levels(prior, WORLD)))
            every = expected_loss(np.stack([path.at(place) for place in range(len(path.values))]), truth)
            said[name].append((float(every.min()), float(every[path.values.index(80.0)])))
    assert 50 <= np.mean(counted) < 75
    return {name: np.array(found) for name, found in said.items()}


# --- known truth


def test_a_rubric_that_is_right_makes_few_outcomes_go_further() -> None:
    less = losses()["none"] - losses()["right"]
    assert (less.mean(axis=0) > 0.003).all(), "even against the strength of regularisation that is best without it"
    assert (less.mean(axis=0) > 3 * less.std(axis=0, ddof=1) / np.sqrt(DRAWS)).all()


def test_a_rubric_that_is_wrong_costs_next_to_nothing() -> None:
    more = losses()["wrong"] - losses()["none"]
    assert (more.mean(axis=0) < 0.001).all()
    frame, y, _ = world(1000, 3)
    assert Scorecard(WORLD, prior=rubric(-1)).fit(frame, y).scale_ == pytest.approx(0, abs=1e-12)
    assert Scorecard(WORLD, prior=rubric()).fit(frame, y).scale_ > 0.02


def test_with_growing_evidence_the_tables_become_those_without_a_prior() -> None:
    """Where there are rows; a level that no row has goes on having the rubric's points."""
    features, prior = (INDUSTRY, WEB), (line("industry", 20, equals=("i0", "i5")), line("industry", 10, equals=("i1",)))
    apart = []
    for rows in (500, 5000, 50_000, 500_000):
        frame, y, _ = world(rows, 5, base=-2.0)
        with_it, without = (Scorecard(features, penalty=20.0, prior=p).fit(frame, y) for p in (prior, ()))
        assert with_it.encoder_.levels == without.encoder_.levels
        assert with_it.bins_ == without.bins_
        seen = [np.unique(codes) for codes in codes_of(with_it.encoder_.encode(frame), with_it.bins_)]
        both = zip(with_it.tables_, without.tables_, seen, strict=True)
        apart.append(max(np.abs(one[at] - other[at]).max() for one, other, at in both))
    assert apart == sorted(apart, reverse=True)
    assert apart[0] > 0.1
    assert apart[-1] < 0.002


def test_the_solution_is_that_of_a_general_minimiser() -> None:
    frame, y, _ = world(600, 8)
    frame = frame.assign(size_band=np.where(np.arange(600) % 7 == 0, np.nan, np.arange(600) % 4.0))
    features, prior = (INDUSTRY, BAND, WEB), (*rubric(), line("size_band", 15, at_least=2))
    card = Scorecard(features, penalty=10.0, prior=prior).fit(frame, y)
    codes = codes_of(card.encoder_.encode(frame), card.bins_)
    layout = Layout(card.bins_, (0, 0, 0))
    design = layout.design(codes).astype(np.float64)
    tables = prior_tables(prior, card.encoder_, card.bins_)
    towards = layout.towards(tables, codes)
    assert towards.prior is not None
    m = towards.prior[: layout.size]
    per_row = design @ m
    rubric_says = np.sum([t[c] for t, c in zip(tables, codes, strict=True)], axis=0) / towards.spread
    assert per_row - per_row.mean() == pytest.approx(rubric_says - rubric_says.mean()), "steps are those of the points"
    assert per_row.std() == pytest.approx(1)

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        beta, scale = theta[:-1], theta[-1]
        eta, gap = design @ beta, beta[1:] - scale * m[1:]
        value = row_log_loss(eta, y).sum() + 5.0 * gap @ gap + SCALE_PENALTY / 2 * scale**2
        slope = design.T @ (expit(eta) - y)
        slope[1:] += 10.0 * gap
        return value, np.append(slope, SCALE_PENALTY * scale - 10.0 * gap @ m[1:])

    bounds = [(None, None)] * layout.size + [(0.0, None)]
    start = np.append([np.log(y.mean() / (1 - y.mean()))], np.zeros(layout.size))
    found = minimize(loss, start, jac=True, bounds=bounds, options={"maxiter": 5000, "ftol": 1e-14, "gtol": 1e-8})
    assert card.scale_ == pytest.approx(found.x[-1] / towards.spread, rel=0.01)
    assert card.decision_function(frame) == pytest.approx(design @ found.x[:-1], abs=0.01)


# --- the rubric as tables


@settings(max_examples=120, deadline=None)
@given(st.lists(LINES, max_size=5), st.lists(st.fixed_dictionaries(VALUES), min_size=2, max_size=30))
def test_points_by_bin_add_up_to_the_rubric_s_points(rules: list[IcpPoints], rows: list[dict[str, object]]) -> None:
    rules = [r for r in rules if r.attribute != "technologies" or len(r.equals) == 1]
    features = tuple(dataclasses.replace(f, missing="value") for f in FEATURES)
    frame = framed(rows)
    encoder = Encoder.learn(frame, features, prior_levels(rules, features))
    encoded = encoder.encode(frame)
    bins = learn_bins(encoded, encoder, 3, prior_edges(rules, features))
    tables = prior_tables(rules, encoder, bins)
    mine = np.sum([t[c] for t, c in zip(tables, codes_of(encoded, bins), strict=True)], axis=0)
    np.testing.assert_array_equal(mine, points(read_rubric(rules, features), frame))


def test_levels_and_edges_that_the_rubric_names_have_bins_of_their_own_however_rare() -> None:
    frame, y, _ = world(1000, 1)
    frame.loc[3, "industry"] = "rare"
    prior = (line("industry", 30, equals=("rare", "never seen")), line("employee_count", 5, equals=("250",)))
    plain, card = Scorecard(WORLD).fit(frame, y), Scorecard(WORLD, prior=(*rubric(), *prior)).fit(frame, y)
    assert not {"rare", "never seen"} & set(plain.encoder_.levels["industry"])
    said = point_lines(card, frame).set_index("bin")
    assert said.loc["never seen", "log_odds"] - said.loc["any other", "log_odds"] == pytest.approx(30 * card.scale_)
    assert {"250", "rare"} <= set(said.index)
    assert {200.0, 2000.0} <= set(card.bins_[1].edges)


def test_a_flag_of_a_set_brings_its_line_s_points() -> None:
    r = np.random.default_rng(2)
    frame, y, _ = world(800, 2)
    frame["technologies_cloud"] = r.integers(0, 2, 800).astype(float)
    flag = Feature("technologies_cloud", "fit", "flag", "", "cloud: {value}", missing="never")
    prior = (line("technologies", 15, equals=("cloud",)), *rubric())
    card = Scorecard((*WORLD, flag), penalty=1e6, prior=prior).fit(frame, y)
    _, without, having = card.tables_[3]
    assert card.scale_ > 0
    assert having - without == pytest.approx(15 * card.scale_, rel=0.01)


def test_a_rubric_never_turns_a_monotone_curve_round() -> None:
    frame, y, _ = world(1000, 4)
    rising = dataclasses.replace(SIZE, monotone=1)
    prior = (line("industry", 30, equals=("i0", "i1")), line("employee_count", -20, at_least=1000))
    card = Scorecard((INDUSTRY, rising, WEB), prior=prior).fit(frame, y)
    assert card.scale_ > 0
    assert (np.diff(card.tables_[1][1:]) >= -1e-12).all()


@pytest.mark.parametrize(
    "prior",
    [
        (line("nowhere", 5, equals=("x",)),),
        (line("industry", 0, equals=("i0",)),),
    ],
)
def test_a_rubric_that_says_nothing_of_the_features_changes_nothing(prior: tuple[IcpPoints, ...]) -> None:
    frame, y, _ = world(600, 6)
    card, plain = Scorecard(WORLD, prior=prior).fit(frame, y), Scorecard(WORLD).fit(frame, y)
    assert card.to_files() == plain.to_files()
    assert (card.scale_, plain.scale_) == (0, 0)


def test_a_rubric_that_gives_all_rows_the_same_is_learned_without_harm() -> None:
    frame, y, _ = world(600, 6)
    card = Scorecard(WORLD, prior=(line("employee_count", 10, at_least=0),)).fit(frame, y)
    assert np.isfinite(card.decision_function(frame)).all()
    assert card.scale_ == pytest.approx(0, abs=1e-9)


# --- manners, the sum, files


def test_contributions_sum_exactly_and_files_restore_every_bit() -> None:
    frame, y, _ = world(1000, 7)
    frame.loc[:3, "industry"] = None
    card = Scorecard(WORLD, prior=rubric()).fit(frame, y)
    parts = card.contributions(frame)
    fit, signal = card.sides(frame)
    assert card.base_ + parts.sum(axis=1) == pytest.approx(card.decision_function(frame), abs=1e-12)
    assert card.base_ + fit + signal == pytest.approx(card.decision_function(frame), abs=1e-12)
    assert np.abs(parts.mean(axis=0)).max() < 1e-9, "zero on average in training"
    encoder = Encoder.from_dict(WORLD, json.loads(json.dumps(card.encoder_.to_dict())))
    again = Scorecard.from_files(card.to_files(), encoder)
    assert np.array_equal(again.decision_function(frame), card.decision_function(frame))
    pd.testing.assert_frame_equal(point_lines(again, frame), point_lines(card, frame))


def test_the_same_rows_give_the_same_bytes_whatever_the_threads() -> None:
    frame, y, _ = world(1000, 9)
    made = [Scorecard(WORLD, prior=rubric(), threads=threads).fit(frame, y).to_files() for threads in (1, 1, 2)]
    assert made[0] == made[1] == made[2]


def test_a_path_says_what_fits_at_its_values_say() -> None:
    frame, y, _ = world(1200, 11)
    old, new = frame[:900], frame[900:]
    card = Scorecard(WORLD, prior=rubric())
    path = card.path(prepare(WORLD, old, y[:900], new, y[900:], prior_levels(rubric(), WORLD)))
    alone = Scorecard(WORLD, penalty=20.0, prior=rubric()).fit(old, y[:900]).decision_function(new)
    assert path.at(path.values.index(20.0)) == pytest.approx(alone, abs=0.02)


def test_a_prior_is_no_setting_of_a_plan() -> None:
    asked = Candidate(kind="scorecard", settings={"prior": 1})
    with pytest.raises(ConfigError, match="was to be made with prior"):
        make(asked, WORLD, {}, threads=1, seed=7)
    assert (
        make(Candidate(kind="scorecard"), WORLD, {}, threads=1, seed=7, prior=rubric()).get_params()["prior"]
        == rubric()
    )
    assert "prior" not in make(Candidate(kind="additive"), WORLD, {}, threads=1, seed=7, prior=rubric()).get_params()


# --- whole trainings


SAMPLE_RUBRIC = (
    line("industry", 20, equals=("i3", "i4")),
    line("employee_count", 20, at_least=200),
    line("gone", 5, equals=("x",)),
)


def test_a_provisional_model_starts_from_the_rubric_and_says_so() -> None:
    few = matrix(accounts=90, months=14, seed=3)
    told = train_model(few, plan(scorecard_below=1000), threads=1, rubric=SAMPLE_RUBRIC)
    said = told.evaluation.to_dict()
    assert said["provisional"]
    assert (said["prior"]["lines"], said["prior"]["of"]) == (2, 3)
    assert said["prior"]["scale"] > 0
    n = said["trained"]["outcome_accounts"]
    assert (
        f"the model is provisional, as {n} accounts had the outcome and 1000 are wanted; rubric (2 of 3" in said["why"]
    )
    scores = told.model.score(few.frame)
    total = scores["base"] + scores["fit_log_odds"] + scores["signal_log_odds"]
    assert expit(total.to_numpy()) == pytest.approx(scores["propensity"].to_numpy(), abs=1e-9)
    parts = told.model.contributions(few.frame).to_numpy().sum(axis=1)
    assert scores["base"].to_numpy() + parts == pytest.approx(total.to_numpy(), abs=1e-6)

    without = train_model(few, plan(scorecard_below=1000), threads=1).evaluation.to_dict()
    assert without["prior"] == {}
    assert without["why"].endswith("1000 are wanted")
    enough = train_model(few, plan(scorecard_below=2, candidates=["scorecard"]), threads=1, rubric=SAMPLE_RUBRIC)
    assert enough.evaluation.prior == {}
    assert not enough.evaluation.provisional
    assert "provisional" not in enough.evaluation.why


def test_a_name_that_is_listed_twice_is_put_into_words_once() -> None:
    assert in_words("rubric (3 of 4 lines) is its prior", ["rubric", "largest", "rubric"]) == (
        "the ICP rubric (3 of 4 lines) is its prior"
    )


KILLED = r"""
import os, signal, sys
from optuna.trial import Trial
import tierwise

real, reports = Trial.report, 0

def report(self, value, step):
    global reports
    real(self, value, step)
    reports += 1
    if reports == 2:
        os.kill(os.getpid(), signal.SIGKILL)

Trial.report = report
tierwise.train(tierwise.load_workspace(sys.argv[1]), as_of="2026-01-01")
"""
LINES_OF_ICP = """rubric:
  - {attribute: industry, equals: [Software, Manufacturing], points: 20}
  - {attribute: employee_count, at_least: 200, below: 5000, points: 30}
  - {attribute: technologies, equals: [cloud_warehouse, container_platform], points: 15}
  - {attribute: nowhere, equals: [x], points: 5}
"""


@pytest.mark.long
def test_a_training_of_few_outcomes_goes_on_after_a_kill_and_its_page_names_the_rubric_as_prior(tmp_path: Path) -> None:
    """The verdict is what the world allows; the page says both ways that it is provisional."""
    write_world(
        simulate(WorldSpec(seed=3, accounts=250, months=24)), tmp_path / "world", datetime(2026, 1, 1, tzinfo=UTC)
    )
    folder = tmp_path / "ws"
    tierwise.init(folder, tmp_path / "world" / "tables")
    model, icp = (folder / "models" / "new_business" / name for name in ("model.yaml", "icp.yaml"))
    model.write_text(model.read_text().replace("\nmodel:\n", "\nmodel:\n  tuning: {trials: 3}\n"))
    icp.write_text(icp.read_text().split("\nrubric:")[0] + "\n" + LINES_OF_ICP)

    command = [sys.executable, "-c", KILLED, str(folder)]
    killed = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    kept = list((folder / "state" / "tuning").glob("new_business-*.log"))
    assert len(kept) == 1

    workspace = tierwise.load_workspace(folder)
    try:
        page = tierwise.train(workspace, as_of="2026-01-01").page
    except NoUsableModel as no:
        page = no.answer.page
    assert not list((folder / "state" / "tuning").iterdir()), "once the search is over its journal is gone"
    said = json.loads(page.with_name("training.json").read_text())
    found, html = said["evaluation"], " ".join(page.read_text().split())
    assert 50 <= found["trained"]["outcome_accounts"] < 120
    assert found["provisional"]
    assert [trial["candidate"] for trial in found["trials"]] == ["scorecard"] * 3
    assert (found["prior"]["lines"], found["prior"]["of"]) == (3, 4)
    assert found["prior"]["scale"] > 0
    n = found["trained"]["outcome_accounts"]
    told = f"the model is provisional, as {n} accounts had the outcome and 120 are wanted; "
    assert f"{told}rubric (3 of 4 lines) is its prior" in found["why"]
    assert f"{told}rubric (3 of 4 lines) is its prior" in said["why"]
    assert f"{told}the ICP rubric (3 of 4 lines) is its prior: where outcomes are silent, 10 points" in html
