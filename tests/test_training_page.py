"""The training page shows all that a training learned, each figure as the evaluation holds it."""

from __future__ import annotations

import copy
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from tierwise.report import training_page
from tierwise.report.training import training_dict
from tierwise.report.words import number, percent
from training_sample import page, usable


@pytest.fixture(scope="module")
def html() -> str:
    return training_page(page())


def section(html: str, name: str) -> str:
    """The text of a section, without its tags."""
    found = re.search(rf'<section id="{name}">(.*?)</section>', html, flags=re.S)
    assert found, name
    return " ".join(re.sub(r"<[^>]+>", " ", found.group(1)).split())


def part(name: str, **changed: Any) -> Any:
    return next(s["part"] for s in training_dict(page(**changed))["sections"] if s["name"] == name)  # type: ignore[attr-defined]


def changed(path: str, value: Any) -> dict[str, Any]:
    """The evaluation or the views with one value changed."""
    top, *rest = path.split(".")
    found = copy.deepcopy(usable()[top])
    at = found
    for key in rest[:-1]:
        at = at[key]
    at[rest[-1]] = value
    return {top: found}


def test_the_sections_stand_in_order_and_the_same_values_give_the_same_bytes(html: str) -> None:
    assert re.findall(r'<section id="(\w+)">', html) == [
        "evidence", "capacity", "gate", "candidates", "trials", "random", "probability", "importance", "dependence",
        "points", "segments", "canaries", "rubric", "columns",
    ]  # fmt: skip
    assert training_page(page()) == html
    assert "nan" not in re.sub(r"<style>.*?</style>", "", html, flags=re.S).lower().replace("finance", "")
    assert not re.search(r"\{\{|\}\}|>None<|None to|to None", html)


def test_candidates_stand_beside_each_other_with_their_distance_from_the_best(html: str) -> None:
    said, found = section(html, "candidates"), usable()["evaluation"]["candidates"]
    best = min(found, key=lambda name: found[name]["log_loss"])
    assert found[best]["less_best"]["mean"] == 0
    for name, figures in found.items():
        assert number(figures["log_loss"], 4) in said
        if name != best:
            assert figures["less_best"]["mean"] == pytest.approx(
                figures["log_loss"] - found[best]["log_loss"], abs=2e-6
            )
            assert number(figures["less_best"]["standard_error"], 4) in said
    assert "within one standard error of the best, the simplest is chosen" in said
    assert "200 account families" in said


@pytest.mark.parametrize(
    ("mean", "words"),
    [(0.02, "It costs: a free booster"), (-0.02, "It costs nothing here"), (0.001, "Not more than chance explains")],
)
def test_what_additivity_costs_is_said_with_its_interval(mean: float, words: str) -> None:
    less = {"mean": mean, "standard_error": 0.004, "accounts": 200}
    said = section(training_page(page(**changed("evaluation.yardstick.chosen_less_free", less))), "candidates")
    assert words in said
    assert f"a difference of {number(mean, 4)} (standard error 0.0040; 95% interval" in said
    assert f"{number(mean - 1.96 * 0.004, 4)} to {number(mean + 1.96 * 0.004, 4)}" in said


@pytest.mark.parametrize(
    ("auc", "loss", "words"),
    [
        ((0.05, 0.01, 0.09), (-0.01, -0.02, 0.0), "promised more than the future kept"),
        ((0.01, -0.01, 0.03), (-0.01, -0.02, 0.01), "nothing beyond chance"),
        ((-0.05, -0.09, -0.01), (0.01, 0.0, 0.02), "promised less"),
    ],
)
def test_random_folds_are_said_to_flatter_where_their_interval_does(
    auc: tuple[float, ...], loss: tuple[float, ...], words: str
) -> None:
    keys = ("value", "low", "high")
    flatters = {"auc": dict(zip(keys, auc, strict=True)), "log_loss": dict(zip(keys, loss, strict=True))}
    said = section(training_page(page(**changed("evaluation.random_cv.flatters", flatters))), "random")
    assert words in said
    assert f"{number(auc[0], 3)} {number(auc[1], 3)} to {number(auc[2], 3)}" in said


def test_random_folds_and_forward_figures_differ_by_what_is_said() -> None:
    found = usable()["evaluation"]["random_cv"]
    for name in ("auc", "log_loss"):
        less = found["flatters"][name]
        assert less["value"] == pytest.approx(found["random"][name] - found["forward"][name], abs=2e-6)
        assert less["low"] <= less["value"] <= less["high"]


def test_every_calibrator_is_shown_and_the_plans_is_marked(html: str) -> None:
    said, compared = section(html, "probability"), usable()["evaluation"]["calibrators"]
    assert [r["words"].split()[0] for r in part("probability")["rows"]] == [
        "None:", "Affine", "Beta", "Isotonic", "Venn-Abers",
    ]  # fmt: skip
    for figures in compared["scores"].values():
        assert number(figures["log_loss"]["value"], 4) in said
        assert percent(figures["ece"]["null_high"], 2) in said
    assert f"n = {number(compared['n'])} rows, {number(compared['outcomes'])} outcomes" in said
    used = [r["words"] for r in part("probability", calibrator="beta")["rows"] if r["used"]]
    assert used == ["Beta"]


@pytest.mark.parametrize(
    ("p_value", "more", "words"),
    [
        (0.5, False, "off by no more than chance explains, and the calibration error is no more than noise"),
        (0.001, True, "off by more than chance explains, and the calibration error is more than noise"),
        (0.001, False, "off by more than chance explains, but the calibration error is no more than noise"),
        (None, True, "could not be tested, but the calibration error is more than noise"),
    ],
)
def test_the_test_and_the_error_are_said_in_words(p_value: float | None, more: bool, words: str) -> None:
    found = copy.deepcopy(usable()["evaluation"])
    found["calibration"]["p_value"] = p_value
    found["calibration"]["ece"]["more_than_noise"] = more
    assert words in section(training_page(page(evaluation=found)), "probability")


def test_many_trials_are_folded_with_the_best_on_top(html: str) -> None:
    trials, said = usable()["evaluation"]["trials"], part("trials")
    assert len(trials) == 14
    assert [t["trial"] for t in said["all"]] == list(range(1, 15))
    losses = [t["log_loss"] for t in said["rows"]]
    assert losses == sorted(losses)
    assert losses[0] == min(t["log_loss"] for t in trials if t["log_loss"] is not None)
    assert "All 14 trials, in their order" in section(html, "trials")
    few = part("trials", **changed("evaluation.trials", trials[:3]))
    assert [t["trial"] for t in few["rows"]] == [1, 2, 3]
    assert few["all"] == []


def test_importance_is_shown_to_so_many_accounts_and_noise_is_folded(html: str) -> None:
    lines, said = usable()["views"]["importance"], part("importance")
    assert len(said["rows"]) + len(said["more"]) == len(lines)
    assert all(r["proven"] for r in said["rows"])
    assert all(r["share"].low <= r["share"].value <= r["share"].high for r in said["rows"])
    assert f"n = {number(usable()['views']['accounts'])} accounts" in section(html, "importance")


def test_pictures_are_well_formed_and_hold_every_bin(html: str) -> None:
    found = re.search(r'<section id="dependence">(.*?)</section>', html, flags=re.S)
    assert found
    pictures = re.findall(r"<svg.*?</svg>", found.group(1), flags=re.S)
    views = usable()["views"]["dependence"]
    assert len(pictures) == len(views) > 2
    for svg, view in zip(pictures, views, strict=True):
        root = ElementTree.fromstring(svg)
        told = root.find("{http://www.w3.org/2000/svg}desc")
        assert told is not None
        assert len(str(told.text).split(";")) == len(view["lines"])
        assert str(told.text).count(", n ") == len(view["lines"])
        assert len(root.findall("{http://www.w3.org/2000/svg}rect")) == len(view["lines"])


def test_points_are_shown_by_feature_beside_the_file_that_holds_them_all(html: str) -> None:
    lines, said = usable()["views"]["points"], part("points")
    assert '<a href="points.csv">' in html
    assert said["lines"] == len(lines)
    assert sum(t["lines"] for t in [*said["tables"], *said["more"]]) <= len(lines) - 1
    spans = [t["span"] for t in said["tables"]]
    assert spans == sorted(spans, reverse=True)
    assert f"Base: {number(lines[0]['points'])} points" in section(html, "points")
    curved = training_page(page(**changed("views.curved", True)))
    assert "The plan's calibrator adds what no line holds" in section(curved, "points")


def test_a_model_without_points_has_no_such_section_and_no_link() -> None:
    html = training_page(page(**changed("views.points", None)))
    assert 'id="points"' not in html
    assert "points.csv" not in html


def segment(**values: Any) -> dict[str, Any]:
    line = {
        "feature": "industry", "words": "industry is {value}", "kind": "category", "segment": "<b>Retail</b>",
        "rows": 300, "accounts": 100, "outcomes": 30, "log_loss": 0.4, "excess": 0.1, "excess_low": 0.05,
        "excess_high": 0.15, "observed": 0.1, "predicted": 0.2, "gap": -0.1, "gap_low": -0.14, "gap_high": -0.06,
        "p_value": 0.00001, "named": True,
    }  # fmt: skip
    return line | values


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "predicts 2.0 times too much"),
        ({"predicted": 0.05, "gap": 0.05, "gap_low": 0.01, "gap_high": 0.09}, "predicts 2.0 times too little"),
        ({"gap_low": -0.2, "gap_high": 0.01}, "right in the mean, less sure of which"),
        ({"observed": 0.0}, "predicts what never came"),
    ],
)
def test_a_weak_segment_is_named_with_its_n_interval_and_direction(values: dict[str, Any], words: str) -> None:
    found = usable()["views"]["segments"] | {"segments": [segment(**values)], "judged": 7}
    html = training_page(page(**changed("views.segments", found)))
    said = section(html, "segments")
    assert "In 1 segment of 7 judged it is worse than elsewhere" in said
    assert words in said
    assert "300 100 accounts" in said
    assert "0.100 0.050 to 0.150" in said
    assert "<b>Retail" not in html


def test_where_no_segment_is_named_or_none_could_be_judged_that_is_said() -> None:
    views = usable()["views"]["segments"]
    quiet = views | {"segments": [segment(named=False)], "judged": 7}
    said = section(training_page(page(**changed("views.segments", quiet))), "segments")
    assert "In none of the 7 segments judged" in said
    empty = views | {"segments": [], "judged": 0}
    assert "No segment has enough accounts" in section(
        training_page(page(**changed("views.segments", empty))), "segments"
    )


def test_what_the_gate_says_is_shown_with_the_paired_difference(html: str) -> None:
    said = section(html, "gate")
    assert said.startswith("The gate, and the live model The gate lets it pass.")
    assert "−0.0050 −0.0089 to −0.0011 0.0020 1,200 300 accounts" in said
    refused = {"passed": False, "reasons": ["log-loss 0.5 against 0.3"]}
    said = section(training_page(page(gate=refused)), "gate")
    assert "The gate refuses it. The live model stays, unless a person overrules the gate by name and reason." in said
    assert "Log-loss 0.5 against 0.3." in said
    assert 'id="gate"' not in training_page(page(gate=None))


def test_readers_words_replace_those_of_the_house() -> None:
    from dataclasses import replace

    html = training_page(replace(page(), labels={"account": "company", "signal": "engagement"}))
    assert "(engagement)" in section(html, "points")
    assert "companys" in section(html, "importance") or "company" in section(html, "importance")


def test_a_training_of_before_has_none_of_the_new_sections() -> None:
    old = copy.deepcopy(usable()["evaluation"])
    for found in old["candidates"].values():
        del found["less_best"]
    del old["random_cv"]["flatters"]
    html = training_page(page(evaluation=old, views=None, gate=None, beside_live=None))
    names = re.findall(r'<section id="(\w+)">', html)
    assert not {"importance", "dependence", "points", "segments", "gate"} & set(names)
    assert "Rows drawn at random" in section(html, "random")
