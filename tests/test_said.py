"""What a training says: a first model's warning, what it would take, and words that tell what is meant."""

from __future__ import annotations

import itertools
import math
import re
import shutil
from datetime import date, timedelta
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tierwise
from tierwise.errors import NoUsableModel
from tierwise.features.feature import Feature
from tierwise.governance import calibration_words, model_card, unbeaten
from tierwise.governance.names import in_text, in_words, named
from tierwise.jobs.answer import why_of
from tierwise.learning.points import _Span
from tierwise.report import training_page
from tierwise.report.words import Words, percent
from training_sample import page, usable

FAR_OFF = "the challenger's calibration is rejected on rows it had not seen (p < 0.001) and is far off: slope 0.75"
FIRST = {"live": None, "how": "", "paired": None, "why": "no model is live"}


def text_of(html: str) -> str:
    bare = re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", html, flags=re.S))
    return " ".join(unescape(bare).split())


@pytest.fixture(scope="module")
def first(small_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A workspace that no model was trained in, after its first training; and what was said meanwhile."""
    folder = tmp_path_factory.mktemp("first") / "demo"
    shutil.copytree(small_demo, folder, ignore=shutil.ignore_patterns("state", "mlruns", "published", "*.duckdb"))
    said: list[str] = []
    done = tierwise.train(tierwise.load_workspace(folder), as_of="2026-01-01", say=said.append)
    return SimpleNamespace(done=done, said=said, html=done.page.read_text(encoding="utf-8"))


def test_what_the_gate_says_of_a_first_model_is_said_and_shown(first: SimpleNamespace) -> None:
    assert first.done.live
    assert any("there is no live model, and the challenger is usable" in line for line in first.said)
    assert "There is no live model, and the challenger is usable." in text_of(first.html)
    assert "Not compared row by row" not in first.html


def test_a_first_model_that_is_far_off_goes_live_with_the_gates_warning_on_top() -> None:
    gate = {"passed": True, "reasons": ["there is no live model, and the challenger is usable", FAR_OFF]}
    html = text_of(training_page(page(gate=gate, beside_live=FIRST)))
    banner = html[html.index("What is live.") :][:400]
    assert f"The gate warns: {FAR_OFF}" in banner
    assert "The gate warns" not in text_of(training_page(page()))


def rejected(predicted: float, slope: float) -> dict[str, Any]:
    line = {"predicted": predicted, "observed": 0.05, "n": 900}
    return {"p_value": 0.0001, "slope": slope, "n": 900, "deciles": [line]}


@pytest.mark.parametrize(
    ("predicted", "slope", "words"),
    [
        (0.053, 0.75, "; low and high propensities lie too far apart (slope 0.75), and propensities ran about 1.06 "
         "times too high"),
        (0.053, 1.3, "; low and high propensities lie too close together (slope 1.30), and propensities ran about"),
        (0.053, 0.85, "; propensities ran about 1.06 times too high"),
        (0.05, 0.75, "; their mean is right, but low and high propensities lie too far apart (slope 0.75)"),
    ],
)  # fmt: skip
def test_a_slope_that_is_far_off_is_told_whatever_the_level(predicted: float, slope: float, words: str) -> None:
    assert words in calibration_words(rejected(predicted, slope))


def lead(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


SURE_LEAD, THIN_LEAD = lead(0.02, 0.001, 0.039), lead(0.02, -0.06, 0.10)


@pytest.mark.parametrize(
    ("precision", "capture", "least", "most"),
    [
        (SURE_LEAD, THIN_LEAD, 1000, 1200),
        (THIN_LEAD, SURE_LEAD, 1000, 1200),
        (THIN_LEAD, lead(-0.01, -0.05, 0.03), None, None),
        (lead(0.0, -0.05, 0.05), THIN_LEAD, None, None),
    ],
)
def test_what_would_make_a_lead_sure_is_the_larger_need_of_both_figures(
    precision: dict[str, float], capture: dict[str, float], least: int | None, most: int | None
) -> None:
    compared = {"average_precision": precision, "capture_0.2": capture, "beaten": False}
    (line,) = unbeaten({"test": {"outcome_accounts": 100}, "comparisons": {"rubric": compared}})
    if least is None or most is None:
        assert line["needed"] is None
    else:
        assert least < line["needed"] < most


@pytest.mark.parametrize("every", ["day", "week", "month"])
def test_the_date_is_when_a_cohort_after_the_last_outcome_has_matured(every: Any) -> None:
    compared = {"average_precision": THIN_LEAD, "capture_0.2": SURE_LEAD, "beaten": False}
    evaluation = {"test": {"outcome_accounts": 100}, "comparisons": {"rubric": compared}}
    through = date(2026, 1, 13)
    (line,) = unbeaten(evaluation, 10.0, through, horizon_days=90, every=every)
    there = through + timedelta(days=math.ceil((line["needed"] - 100) / 10))
    cohort = date.fromisoformat(line["from"]) - timedelta(days=90)
    assert cohort >= there
    assert {"day": True, "week": cohort.weekday() == 0, "month": cohort.day == 1}[every]
    assert cohort - there <= timedelta(days={"day": 0, "week": 6, "month": 30}[every])


# --- words


def test_baselines_have_one_name_and_are_listed_with_an_and() -> None:
    evaluation = usable()["evaluation"]
    html = training_page(page())
    lead, table = html.split("</header>")[0], html.split('id="evidence"')[1].split('id="gate"')[0]
    for name in evaluation["comparisons"]:
        assert in_text(name) in lead
        assert named(name) in table
    first, second = (in_text(name) for name in [*evaluation["comparisons"]][-2:])
    assert f"{first} and {second}" in lead
    assert in_words("icp_rubric and rubric", ["rubric", "icp_rubric"]) == "the ICP rubric and the ICP rubric"


def test_the_choice_is_told_once() -> None:
    assert "is chosen: on the folds older than these months its out-of-time log-loss is 0." in text_of(
        training_page(page())
    )


def test_the_card_tells_candidates_and_baselines_by_the_pages_words() -> None:
    evaluation = usable()["evaluation"]
    card = model_card({"plan": "p"}, evaluation)
    for name in evaluation["metrics"]:
        assert f"| {named(name)} " in card
    assert "two_sided" not in card


def test_rows_of_a_constants_comparison_are_of_families() -> None:
    said = usable()["evaluation"]["calibration"]["constant"]
    assert f"n = {said['n']:,}, {said['accounts']:,} families" in said["words"]


def test_why_there_is_no_usable_model_is_said_once() -> None:
    no = NoUsableModel("plan 'p' was trained, and no usable model came of it", found="the scorecard does not beat")
    assert why_of({"why": "the scorecard does not beat"}, no) == "the scorecard does not beat"
    assert why_of(None, no) == "plan 'p' was trained, and no usable model came of it: the scorecard does not beat"


def test_gaps_are_points_and_every_minus_is_one() -> None:
    found = usable()["views"]["segments"]
    line = {
        "feature": "industry", "words": "industry is {value}", "kind": "category", "segment": "Retail", "rows": 300,
        "accounts": 100, "outcomes": 30, "log_loss": 0.4, "excess": -0.1, "excess_low": -0.2, "excess_high": 0.1,
        "observed": 0.1, "predicted": 0.111, "gap": -0.011, "gap_low": -0.02, "gap_high": 0.01, "p_value": 0.001,
        "named": True,
    }  # fmt: skip
    views = {**usable()["views"], "segments": {**found, "segments": [line], "judged": 7}}
    said = text_of(training_page(page(views=views)))
    assert "−1.1 points −2.0 points to 1.0 points" in said
    assert not re.search(r"(?<![\w.,:;/−-])-\d", said)
    assert Words({}).sentence("fell by -0.5 (-1 to 2) on 2025-01-02, log-loss") == (
        "fell by −0.5 (−1 to 2) on 2025-01-02, log-loss"
    )


def test_what_the_best_fifth_held_has_its_interval() -> None:
    (line,) = (found for found in usable()["evaluation"]["lift"] if found["share"] == 0.2)
    low, high = percent(line["capture_low"], 0), percent(line["capture_high"], 0)
    assert f"of the outcomes ({low} to {high})." in text_of(training_page(page()))


def test_point_lines_without_a_row_stay_in_the_file_alone() -> None:
    views = usable()["views"]
    assert "Nobody here" not in training_page(page())
    added = {**views["points"][1], "bin": "Nobody here", "rows": 0, "accounts": 0, "rate": None}
    kept = {**added, "bin": "Somebody here", "rows": 3}
    html = training_page(page(views={**views, "points": [views["points"][0], added, kept, *views["points"][1:]]}))
    assert "Nobody here" not in html
    assert "Somebody here" in html


DAYS = Feature("since", "signal", "number", "days", "days since: {value}", 0)


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        ([38.53, 78.61], ["below 39 days", "39 to below 79 days", "79 days or more"]),
        ([38.53, 38.9], ["below 38.5 days", "38.5 to below 38.9 days", "38.9 days or more"]),
        ([0.2, 7.4], ["below 0.2 days", "0.2 to below 7.4 days", "7.4 days or more"]),
    ],
)
def test_days_are_whole_where_that_tells_them_apart(edges: list[float], words: list[str]) -> None:
    span = _Span(DAYS, np.array([0.3, 80.2]), np.inf, np.array(edges))
    bounds = [-np.inf, *edges, np.inf]
    assert [span.words(a, b) for a, b in itertools.pairwise(bounds)] == words


@pytest.mark.parametrize(
    ("measured", "said"), [(True, "in no reason"), (False, "all are shown"), (None, "in no reason")]
)
def test_what_noise_means_is_said_as_it_was_measured(measured: bool | None, said: str) -> None:
    assert said in text_of(training_page(page(reasons_measured=measured)))


def test_the_table_of_figures_stacks_on_a_narrow_page() -> None:
    html = training_page(page())
    table = html[html.rindex("<table", 0, html.index("Compared on the same rows")) :].split("</table>")[0]
    assert table.startswith('<table class="stack">')
    assert table.count('data-k="AUC"') == table.count('data-k="Brier score"') == table.count("<tr") - 1
