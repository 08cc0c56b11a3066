"""Lift and capture at the team's capacity: a slow and obvious oracle, resampled accounts, and where it is shown."""

from __future__ import annotations

import copy
import json
import re
from datetime import UTC, datetime
from functools import cache
from itertools import groupby, permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tierwise
from matrix_sample import matrix, plan
from tierwise.cli import tables
from tierwise.config import Policy
from tierwise.governance import capacity_words, model_card
from tierwise.governance.names import in_text, named
from tierwise.learning import Trained, train_model
from tierwise.learning.capacity import FIGURES, Queue, at_capacity
from tierwise.learning.metrics import resamples
from tierwise.report import TrainingPage, training_page
from tierwise.synthetic import WorldSpec, simulate, write_world

Row = tuple[int, float, float]
"""As-of date, score, outcome."""
STATED = {"tier_1": 20, "tier_2": 120}


# --- the figures, beside an oracle


def every_order(rows: list[Row], room: int) -> tuple[float, float]:
    """Rows worked, and outcomes among them in the mean over every order in which a team may take rows that tie."""
    worked = found = 0.0
    for _, group in groupby(sorted(rows), key=lambda row: row[0]):
        date = list(group)
        orders = [sorted(order, key=lambda row: -row[1]) for order in permutations(date)]
        worked += min(room, len(date))
        found += sum(sum(row[2] for row in order[:room]) for order in orders) / len(orders)
    return worked, found


def by_hand(rows: list[Row], worked: float, found: float) -> list[float]:
    """Precision, lift and capture."""
    outcomes = sum(row[2] for row in rows)
    precision = found / worked if worked else float("nan")
    return [precision, precision / (outcomes / len(rows)), found / outcomes]


def columns(rows: list[Row]) -> tuple[Any, Any, Any]:
    """Outcomes, scores and as-of dates."""
    date, score, y = (np.array(column) for column in zip(*rows, strict=True))
    return y.astype(float), score.astype(float), np.datetime64("2025-01-01") + date


@st.composite
def cohorts(draw: st.DrawFn) -> list[Row]:
    """Some dates of at most five rows each, in any order, with few distinct scores, and one outcome at least."""
    scores = st.sampled_from([-np.inf, -1.5, 0.0, 0.25, 3.0])
    rows = [
        (date, draw(scores), float(draw(st.booleans())))
        for date in range(draw(st.integers(1, 4)))
        for _ in range(draw(st.integers(1, 5)))
    ]
    return [*rows, (draw(st.integers(0, 6)) + 10, draw(scores), 1.0)]


@settings(deadline=None, max_examples=150)
@given(rows=cohorts(), room=st.integers(0, 7), order=st.randoms(use_true_random=False))
def test_it_is_the_mean_over_every_order_of_what_ties(rows: list[Row], room: int, order: Any) -> None:
    order.shuffle(rows)
    expected = by_hand(rows, *every_order(rows, room))
    y, score, as_of = columns(rows)
    assert Queue(y, score, as_of).figures(room) == pytest.approx(expected, nan_ok=True)


@settings(deadline=None, max_examples=100)
@given(rows=cohorts(), room=st.integers(0, 7), seed=st.integers(0, 1000))
def test_a_row_of_weight_two_is_that_row_twice(rows: list[Row], room: int, seed: int) -> None:
    weights = np.random.default_rng(seed).integers(0, 4, len(rows)).astype(float)
    again = [row for row, times in zip(rows, weights, strict=True) for _ in range(int(times))]
    y, score, as_of = columns(rows)
    found = Queue(y, score, as_of).figures(room, weights)
    if not any(row[2] for row in again):
        assert np.isnan(found).all()
        return
    other_y, other_score, other_as_of = columns(again)
    assert found == pytest.approx(Queue(other_y, other_score, other_as_of).figures(room), nan_ok=True)


def test_the_dates_are_worked_each_for_itself() -> None:
    rows = [(0, 9.0, 1.0), (0, 8.0, 0.0), (0, 7.0, 0.0), (1, 3.0, 0.0), (1, 2.0, 1.0), (1, 1.0, 1.0)]
    y, score, as_of = columns(rows)
    assert Queue(y, score, as_of).figures(1) == pytest.approx([1 / 2, 1, 1 / 3])
    assert Queue(y, score, as_of).figures(2) == pytest.approx([2 / 4, 1, 2 / 3])


def world(seed: int, families: int = 60, dates: int = 3, strength: float = 1.0) -> tuple[Any, ...]:
    """Outcomes, a score that ranks them, a rival that ranks them worse and ties, as-of dates, and families of two."""
    r = np.random.default_rng(seed)
    family = np.tile(np.repeat(np.arange(families), 2), dates)
    score = np.tile(r.normal(size=2 * families), dates) + 0.3 * r.normal(size=len(family))
    lasting = np.tile(np.repeat(0.7 * r.normal(size=families), 2), dates)
    y = (r.random(len(family)) < 1 / (1 + np.exp(2.0 - strength * score - lasting))).astype(float)
    rival = (score + 2 * r.normal(size=len(family))).round()
    as_of = np.datetime64("2025-01-01") + np.repeat(np.arange(dates) * 30, 2 * families)
    return y, score, rival, as_of, np.array([f"f{k:03d}" for k in family])


def in_proportion(y: Any, score: Any, as_of: Any, room: int) -> list[float]:
    """The figures with loops: ties at the edge in proportion."""
    worked = found = 0.0
    for date in np.unique(as_of):
        left = float(room)
        for value in sorted(set(score[as_of == date]), reverse=True):
            tied = y[(as_of == date) & (score == value)]
            taken = min(left, len(tied))
            worked, found, left = worked + taken, found + taken * tied.mean(), left - taken
    return [found / worked, found / worked / y.mean(), found / y.sum()]


def test_intervals_are_those_of_whole_families_drawn_again_and_paired() -> None:
    y, score, rival, as_of, families = world(3)
    found = at_capacity(y, score, {"rival": rival}, as_of, families, {"a": 25}, n=40, seed=5)["lines"][0]
    codes, counts = resamples(families, 40, 5)
    draws = []
    for times in counts:
        rows = np.repeat(np.arange(len(y)), times[codes].astype(int))
        draws.append([in_proportion(y[rows], s[rows], as_of[rows], 25) for s in (score, rival)])
    mine, theirs = np.array(draws).transpose(1, 0, 2)
    for n, figure in enumerate(FIGURES):
        for said, drawn, own in ((found["model"], mine, score), (found["baselines"]["rival"], theirs, rival)):
            low, high = np.quantile(drawn[:, n], [0.025, 0.975])
            expected = {"value": in_proportion(y, own, as_of, 25)[n], "low": low, "high": high}
            assert said[figure] == pytest.approx(expected)
    for n, figure in ((1, "lift"), (2, "capture")):
        less = mine[:, n] - theirs[:, n]
        low, high = np.quantile(less, [0.025, 0.975])
        value = found["model"][figure]["value"] - found["baselines"]["rival"][figure]["value"]
        expected = {"value": value, "low": low, "high": high, "ahead": (less > 0).mean()}
        assert found["less"][figure] == pytest.approx(expected)


def test_the_interval_of_an_order_that_knows_nothing_holds_one_as_often_as_it_says() -> None:
    held = 0
    for seed in range(100):
        y, score, _, as_of, families = world(seed, strength=0.0)
        lift = at_capacity(y, score, {"base_rate": 0 * y}, as_of, families, {"a": 25}, seed=seed)["lines"][0]["model"]
        held += lift["lift"]["low"] <= 1 <= lift["lift"]["high"]
    assert 88 <= held <= 99


def test_the_best_baseline_is_the_one_that_holds_most_and_in_any_order_is_last_of_equals() -> None:
    y, score, rival, as_of, families = world(4)
    baselines = {"base_rate": 0 * y, "backwards": -score, "rival": rival}
    line, full = at_capacity(y, score, baselines, as_of, families, {"a": 25, "b": 500})["lines"]
    captures = {name: found["capture"]["value"] for name, found in line["baselines"].items()}
    assert line["best"] == max(captures, key=lambda name: captures[name]) == "rival"
    any_order = line["baselines"]["base_rate"]
    assert any_order["lift"]["value"] == pytest.approx(1)
    assert any_order["capture"]["value"] == pytest.approx(25 / 120)
    assert full["best"] == "backwards"


def test_room_for_all_and_room_for_none_are_counted_and_said() -> None:
    y, score, rival, as_of, families = world(5)
    kept = np.arange(len(y)) < 300
    asked = {"none": 0, "some": 80, "all": 120, "more": 5000}
    found = at_capacity(y[kept], score[kept], {"rival": rival[kept]}, as_of[kept], families[kept], asked)
    assert (found["as_ofs"], found["fewest"], found["most"], found["rows"]) == (3, 60, 120, 300)
    none, some, everyone, more = found["lines"]
    assert [line["n"] for line in found["lines"]] == [0, 80 + 80 + 60, 300, 300]
    assert [line["full"] for line in found["lines"]] == [0, 1, 3, 3]
    assert np.isnan(none["model"]["lift"]["value"])
    assert none["model"]["capture"] == {"value": 0, "low": 0, "high": 0}
    for line in (everyone, more):
        assert line["model"] == line["baselines"]["rival"]
        assert line["model"]["lift"] == pytest.approx({"value": 1, "low": 1, "high": 1})
        assert line["model"]["capture"] == pytest.approx({"value": 1, "low": 1, "high": 1})
    assert some["model"]["lift"]["value"] > 1


def test_without_an_outcome_nothing_is_said() -> None:
    y, score, rival, as_of, families = world(6)
    line = at_capacity(0 * y, score, {"rival": rival}, as_of, families, {"tier_1": 5})["lines"][0]
    assert np.isnan([line["model"][figure][end] for figure in FIGURES for end in ("value", "low", "high")]).all()


# --- what the policy states, and a training


def test_a_policy_says_how_many_the_team_can_work_down_to_each_tier() -> None:
    assert Policy().workable == {}
    assert Policy(capacity={"tier_1": 50}).workable == {"tier_1": 50}
    assert Policy(capacity={"tier_2": 200, "tier_1": 50}).workable == {"tier_1": 50, "tier_2": 250}
    assert Policy(capacity={"tier_2": 200}).workable == {}, "tier_1 has room for all"


def of_unseen(unseen: pd.DataFrame, room: int) -> list[float]:
    """The figures by the propensities of the rows that a training had not seen."""
    return in_proportion(*(unseen[name].to_numpy() for name in ("outcome", "propensity", "as_of")), room)


@cache
def trained(**stated: int) -> Trained:
    return train_model(matrix(accounts=200, months=10), plan(folds=2), threads=1, capacity=stated)


def said(**stated: int) -> dict[str, Any]:
    return trained(**stated).evaluation.to_dict()


def test_a_training_counts_the_best_by_propensity_of_each_unseen_date_and_changes_nothing_else() -> None:
    made, without = trained(**STATED), trained()
    unseen = made.unseen
    lines = made.evaluation.capacity["lines"]
    assert [(line["name"], line["room"]) for line in lines] == list(STATED.items())
    for line in lines:
        assert line["n"] == line["room"] * unseen["as_of"].nunique()
        assert [line["model"][figure]["value"] for figure in FIGURES] == pytest.approx(of_unseen(unseen, line["room"]))
    assert set(lines[0]["baselines"]) == set(made.evaluation.comparisons)
    assert without.evaluation.capacity == made.evaluation.capacity | {"lines": []}
    assert said() | {"capacity": None} == said(**STATED) | {"capacity": None}
    pd.testing.assert_frame_equal(unseen, without.unseen)


def test_dates_of_the_accounts_own_have_room_for_each_and_that_is_said() -> None:
    made = matrix(accounts=200, months=10, instants="own")
    evaluation = train_model(made, plan(folds=2), threads=1, capacity={"tier_1": 20}).evaluation.to_dict()
    found, line = evaluation["capacity"], evaluation["capacity"]["lines"][0]
    assert found["most"] == 1
    assert line["full"] == found["as_ofs"] == line["n"] == evaluation["test"]["rows"]
    assert line["model"]["lift"] == {"value": 1, "low": 1, "high": 1}
    dates = f"on {found['as_ofs']:,} of {found['as_ofs']:,} dates"
    assert f"Focus: {dates} there is room for every account (20, where a date has 1): all are" in section(evaluation)


# --- what is shown


def section(evaluation: dict[str, Any], **labels: str) -> str:
    answer = {
        "plan": "expansion", "predicts": "buy more", "horizon_days": 90, "data_through": "2025-06-01",
        "verdict": "usable", "why": "it ranks", "published": {"words": "Version 1"}, "evaluation": evaluation,
    }  # fmt: skip
    html = training_page(TrainingPage(answer, datetime(2025, 6, 1, tzinfo=UTC), labels))
    found = re.search(r'<section id="capacity">(.*?)</section>', html, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", found.group(1)).split()) if found else ""


def test_the_page_shows_each_capacity_with_n_and_interval_beside_the_best_baseline() -> None:
    evaluation = said(**STATED)
    shown = section(evaluation)
    for line, tiers in zip(evaluation["capacity"]["lines"], ("Focus", "Focus and Growth"), strict=True):
        lift, capture, precision = (line["model"][figure] for figure in ("lift", "capture", "precision"))
        rate = "{value:.1%} {low:.1%} to {high:.1%}".format
        times = "{value:.2f} {low:.2f} to {high:.2f}".format
        head = f"{tiers}: {line['room']} on each date this model"
        n = f"{line['n']:,}"
        assert f"{head} {rate(**precision)} {times(**lift)} {rate(**capture)} {n} {named(line['best'])}" in shown
        other = line["baselines"][line["best"]]
        told = f"{rate(**other['precision'])} {times(**other['lift'])} {rate(**other['capture'])} {n} This model less"
        assert f"the best baseline there {told}" in shown
    assert "room for every account" not in shown
    assert "by resampling account families" in shown
    assert "Key company: 20 on each date" in section(evaluation, tier_1="Key company")


def test_more_room_than_accounts_is_said_on_the_page_and_by_the_command_line() -> None:
    evaluation = said(tier_1=20, tier_2=201)
    everywhere = "on 3 of 3 dates there is room for every account (201, where a date has 200): all are worked, and no"
    assert f"Focus and Growth: {everywhere} order is better than another." in section(evaluation)
    first, second = capacity_words(evaluation)
    assert first.startswith("At the capacity of tier_1, 20 accounts on each as-of date (n = 60): lift ")
    assert "room for every" not in first
    assert second.startswith(
        "At the capacity of tier_1 and tier_2, 201 accounts on each as-of date (n = 600): lift 1.00"
    )
    assert second.endswith("; on every date that is room for every account, and no order is better than another")
    some = copy.deepcopy(evaluation)
    some["capacity"]["lines"][1]["full"], some["capacity"]["fewest"] = 1, 150
    assert "on 1 of 3 dates there is room for every account (201, where a date has 150 to 200), and no" in section(some)
    assert "; on 1 of 3 dates that is room for every account, and no order" in capacity_words(some)[1]


def test_without_a_stated_capacity_the_page_says_what_to_write_and_where() -> None:
    assert section(said()) == (
        "At the team&#39;s capacity Not known, as policy.yaml does not say how many accounts the team can work in "
        "tier_1: write capacity: {tier_1: 50, tier_2: 200} , with your team's own numbers for one as-of date, into "
        "models/expansion/policy.yaml."
    )
    assert capacity_words(said()) == []
    before = {key: value for key, value in said().items() if key != "capacity"}
    assert section(before) == "", "a training of before said nothing of it"
    assert capacity_words(before) == []


def test_what_is_not_known_is_a_dash_and_no_number() -> None:
    evaluation = said(tier_1=0)
    assert "Focus: 0 on each date this model – – 0.0% 0.0% to 0.0% 0" in section(evaluation)
    (words,) = capacity_words(evaluation)
    assert words.startswith(
        "At the capacity of tier_1, 0 accounts on each as-of date (n = 0): a lift that is not known"
    )


def test_the_command_line_prints_it_within_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    evaluation = said(**STATED)
    tables.trained(SimpleNamespace(evaluation=evaluation, number=1, model_version="abc", card=Path("card.md")))  # type: ignore[arg-type]
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    lift = evaluation["capacity"]["lines"][0]["model"]["lift"]
    told = f"At the capacity of tier_1, 20 accounts on each as-of date (n = 60): lift {lift['value']:.2f} ("
    assert told in " ".join(out.split())
    best = evaluation["capacity"]["lines"][0]["best"]
    assert f"; {in_text(best)} has lift " in " ".join(out.split())


def test_the_card_has_a_row_for_each_capacity_and_none_where_none_is_stated() -> None:
    evaluation = said(**STATED)
    card = model_card({"plan": "sample"}, evaluation)
    for line in evaluation["capacity"]["lines"]:
        capture = "{value:.1%} ({low:.1%} to {high:.1%})".format(**line["model"]["capture"])
        head = f"{line['room']} on each as-of date (the capacity down to {line['name']})"
        assert f"| {head} | {capture} | {line['model']['lift']['value']:.3g} (" in card
    assert "capacity" not in model_card({"plan": "sample"}, said())


# --- the job


@pytest.mark.long
def test_train_reads_the_capacity_of_the_policy_beside_the_plan(tmp_path: Path) -> None:
    write_world(
        simulate(WorldSpec(seed=1, accounts=400, months=24)), tmp_path / "world", datetime(2026, 1, 1, tzinfo=UTC)
    )
    tierwise.init(tmp_path / "ws", tmp_path / "world" / "tables")
    folder = tmp_path / "ws" / "models" / "new_business"
    model, policy = folder / "model.yaml", folder / "policy.yaml"
    model.write_text(
        model.read_text().replace("\nmodel:\n", "\nmodel:\n  min_outcomes: 20\n  candidates: [scorecard]\n", 1)
    )
    drafted = policy.read_text()
    assert "# capacity: {tier_1: 50, tier_2: 200}  # accounts" in drafted, "the draft shows how to write it"
    policy.write_text(drafted.replace("# capacity: {tier_1: 50, tier_2: 200}", "capacity: {tier_1: 7, tier_2: 30}"))
    result = tierwise.train(tierwise.load_workspace(tmp_path / "ws"), as_of="2025-10-01")
    values = json.loads((result.page.parent / "training.json").read_text())
    lines = values["evaluation"]["capacity"]["lines"]
    assert [(line["name"], line["room"]) for line in lines] == [("tier_1", 7), ("tier_2", 37)]
    for line in lines:
        model = [line["model"][figure]["value"] for figure in FIGURES]
        assert model == pytest.approx(of_unseen(result.unseen, line["room"]), abs=1e-6)
    assert "7 on each date" in result.page.read_text()
    assert "7 on each as-of date (the capacity down to tier_1)" in result.card.read_text()
