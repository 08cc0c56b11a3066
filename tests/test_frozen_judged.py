"""A kept fit side is judged itself, on rows newer than all it has seen: by hand, on worlds whose facts have changed."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score

from matrix_sample import FEATURES, matrix, plan
from tierwise.clock import instant
from tierwise.config.icp import Icp
from tierwise.config.load import PlanFiles
from tierwise.config.plan import Candidate, Plan
from tierwise.config.plays import Plays
from tierwise.config.policy import Policy
from tierwise.config.yaml_lines import Document
from tierwise.errors import UsageError
from tierwise.features.matrix import Matrix
from tierwise.governance import Gate, fit_side_words, kept_words
from tierwise.jobs.beside import CHOSEN_ON_THEM, ITSELF, SETTINGS, beside_live, judged
from tierwise.jobs.frozen import as_learned, asked_otherwise, fit_side_said, frozen, gate_of_fit_side
from tierwise.jobs.intake import fit_question, question
from tierwise.learning import HINDSIGHT, Affine, PropensityModel, Recipe, Trained, divide, train_model
from tierwise.learning.candidates import make
from tierwise.learning.frozen import FitSide, fit_apart, keep_fit
from tierwise.learning.model import KeptFit
from tierwise.learning.rows import training_rows
from tierwise.learning.season import NO_SEASON
from tierwise.registry import Bundle

UNTIL = "2026-06-30"
MARCH, JULY, LATE = "2025-03-01", "2025-07-02", "2025-08-15"
Floats = npt.NDArray[np.float64]


def asked(**model: object) -> Plan:
    staged = {"kind": "staged", "settings": {"fit_rounds": 25, "num_leaves": 4, "learning_rate": 0.2}}
    return plan(**{"folds": 2, "scorecard_below": 20, "fit_frozen_until": UNTIL, "candidates": [staged], **model})


@cache
def world(shuffled: bool = False) -> Matrix:
    """Twenty months; shuffled: from December 2024 on, each row has the fit facts of another account of its date."""
    made = matrix(accounts=500, months=20, seed=5, strength=1.2)
    if not shuffled:
        return made
    frame, rng = made.frame.copy(), np.random.default_rng(0)
    fit = [f.name for f in FEATURES if f.side == "fit"]
    for _, rows in frame[frame["as_of"] >= "2024-12-01"].groupby("as_of"):
        frame.loc[rows.index, fit] = rows[fit].to_numpy()[rng.permutation(len(rows))]
    return replace(made, frame=frame)


@cache
def early() -> Trained:
    """A training of March 2025: of the rows whose 90 days had closed by then."""
    made = world()
    closed = made.frame["as_of"] + pd.Timedelta(days=90) <= MARCH
    return train_model(replace(made, frame=made.frame[closed].reset_index(drop=True)), asked(), threads=1)


def side(since: str = MARCH) -> FitSide:
    return FitSide(early().model, "f" * 64, since)


@cache
def kept(shuffled: bool = False, since: str = MARCH) -> Trained:
    """A training of all months that keeps the early one's fit side, as if that were of another date."""
    return train_model(world(shuffled), asked(), threads=1, keep=side(since))


@cache
def anew(shuffled: bool = False) -> Trained:
    return train_model(world(shuffled), asked(), threads=1)


def by_hand(free: Trained, made: Matrix) -> tuple[pd.DataFrame, Floats]:
    """The test rows, and their probabilities by the early fit side with a signal side of the rows before them.

    Fit log-odds as the early model has them; signal log-odds as the settings that were chosen learn them from the
    earlier rows, calibrated on the folds; the intercept at which their mean on the earlier rows is that of the model
    that learns both.
    """
    rows = training_rows(made, asked())
    division = divide(rows, asked())
    earlier, test = rows.where(division.earlier), rows.where(division.test)
    chosen = free.evaluation.candidates[free.evaluation.chosen]
    assert free.model.season == NO_SEASON
    line = Affine(**free.evaluation.level["judged"])
    learned = make(Candidate(kind="staged"), rows.features, chosen["settings"], threads=1, seed=7)
    learned.fit(earlier.frame, earlier.y)

    def sides(frame: pd.DataFrame) -> Floats:
        return early().model.sides(frame)[0] + line.slope * learned.sides(frame)[1]

    mean = expit(line(learned.decision_function(earlier.frame))).mean()
    known = sides(earlier.frame)
    base = brentq(lambda more: float(expit(more + known).mean() - mean), -20, 20, xtol=1e-13)
    return test.frame, expit(base + sides(test.frame))


@pytest.mark.parametrize("shuffled", [False, True])
def test_what_is_reported_is_of_the_model_that_keeps_its_fit_side(shuffled: bool) -> None:
    found, free = kept(shuffled), anew(shuffled)
    rows, own = by_hand(free, world(shuffled))
    y = rows["outcome"].to_numpy()
    assert (rows["as_of"] >= MARCH).all()
    assert found.unseen["account_id"].tolist() == rows["account_id"].tolist()
    assert found.unseen["propensity"].to_numpy() == pytest.approx(own, abs=1e-9)
    assert np.abs(found.unseen["propensity"] - free.unseen["propensity"]).max() > 0.02
    told = found.evaluation.to_dict()["metrics"]["staged"]
    assert told["log_loss"]["value"] == pytest.approx(log_loss(y, own), abs=1e-6)
    assert told["auc"]["value"] == pytest.approx(roc_auc_score(y, own), abs=5e-5), "but for ties"
    assert told != free.evaluation.to_dict()["metrics"]["staged"]
    deciles = found.evaluation.calibration["deciles"]
    assert sum(d["predicted"] * d["n"] for d in deciles) == pytest.approx(own.sum(), rel=1e-9)
    other = log_loss(y, free.unseen["propensity"])
    assert found.kept | {"standard_error": 0} == {
        "judged": True, "from": MARCH, "whole": True, "slice_from": "2025-06-01T00:00:00",
        "rows": len(y), "accounts": rows["account_id"].nunique(),
        "log_loss": pytest.approx(log_loss(y, own)), "log_loss_anew": pytest.approx(other),
        "difference": pytest.approx(log_loss(y, own) - other), "standard_error": 0,
    }  # fmt: skip
    assert free.kept == {}


def test_the_folds_that_choose_and_the_published_model_are_as_they_were() -> None:
    found, free = kept(True), anew(True)
    for name in ("candidates", "folds", "calibrators", "canaries", "level", "season", "yardstick", "random_cv"):
        assert getattr(found.evaluation, name) == getattr(free.evaluation, name), name
    assert found.model.to_files() == keep_fit(free.model, side(), world(True).frame).to_files()


def test_facts_that_changed_since_show_in_figures_verdict_and_gate() -> None:
    """The twin has learned from months of the new facts; the kept fit side goes on as if nothing had happened."""
    found, free = kept(True), anew(True)
    assert found.kept["difference"] > 2 * found.kept["standard_error"] > 0
    assert abs(kept().kept["difference"]) < found.kept["difference"] / 4, "where nothing changed it costs little"
    assert found.evaluation.calibration["slope"] < free.evaluation.calibration["slope"] - 0.1
    live = Bundle(early().model, {"question": "q", "evaluation": early().evaluation.to_dict()}, "v")
    said = beside_live(live, "q", found, world(True), asked())
    y = found.unseen["outcome"].to_numpy()
    assert (said["how"], said["paired"]["n"]) == (ITSELF, len(y))
    assert said["paired"]["challenger"] == pytest.approx(log_loss(y, found.unseen["propensity"]), abs=1e-9)
    twin = beside_live(live, "q", free, world(True), asked())["paired"]
    assert twin["challenger"] == pytest.approx(log_loss(y, free.unseen["propensity"]), abs=1e-9)
    assert said["paired"]["challenger"] > twin["challenger"] + 0.005
    assert said["paired"]["champion"] == twin["champion"]
    meta = {"question": "q", "trained_as_of": "2025-12-01", "evaluation": found.evaluation.to_dict()}
    meta["fit_side"] = {"model_version": "f" * 64, "trained_as_of": MARCH, **found.kept}
    gate = gate_of_fit_side(judged(live, meta, said), live, found.model, meta, asked())
    assert kept_words(meta["fit_side"]) == gate.reasons[-1]
    assert f"log-loss {said['paired']['challenger']:.4f} against" in " ".join(gate.reasons)


def test_settings_are_compared_with_the_fit_side_that_they_keep() -> None:
    """The live model is the challenger's own: there is no difference, and both are the kept one's log-loss."""
    trained = kept(True)
    live = Bundle(trained.model, {"question": "q", "evaluation": trained.evaluation.to_dict()}, "v")
    found = beside_live(live, "q", trained, world(True), asked())
    assert found["how"] == SETTINGS
    own = log_loss(trained.unseen["outcome"], trained.unseen["propensity"])
    assert found["paired"]["champion"] == pytest.approx(own, abs=1e-5)
    assert found["paired"]["challenger"] == pytest.approx(own, abs=1e-9)


def test_outcomes_of_the_rows_that_report_tell_the_judged_model_nothing() -> None:
    made, rows = world(), kept().unseen
    frame = made.frame.copy()
    last = frame["as_of"] >= rows["as_of"].min()
    frame.loc[last, "outcome"] = np.random.default_rng(1).permutation(frame.loc[last, "outcome"])
    other = train_model(replace(made, frame=frame), asked(), threads=1, keep=side())
    assert (other.unseen["outcome"] != rows["outcome"]).any()
    assert np.array_equal(other.unseen["propensity"], rows["propensity"])
    assert other.model.to_files() != kept().model.to_files(), "the published one reads them, as every model of all rows"


def test_where_the_slice_reaches_back_the_newer_part_alone_reports() -> None:
    found, (rows, own) = kept(False, JULY), by_hand(anew(False), world(False))
    newer = (rows["as_of"] >= JULY).to_numpy()
    assert 0 < newer.sum() < len(newer)
    assert found.unseen["propensity"].to_numpy() == pytest.approx(own[newer], abs=1e-9)
    y = rows["outcome"].to_numpy()[newer]
    assert found.evaluation.metrics["staged"]["log_loss"]["value"] == pytest.approx(log_loss(y, own[newer]))
    assert found.evaluation.test["rows"] == newer.sum() == found.kept["rows"]
    assert found.evaluation.test["first_as_of"] == "2025-08-01T00:00:00"
    assert (found.kept["from"], found.kept["whole"]) == (JULY, False)
    assert found.kept["slice_from"] == "2025-06-01T00:00:00" < found.evaluation.test["first_as_of"]
    live = Bundle(found.model, {"question": "q", "evaluation": found.evaluation.to_dict(), "fit_side": found.kept}, "v")
    later = kept(False)
    assert beside_live(live, "q", later, world(False), asked())["how"] == SETTINGS, "chosen before the whole slice"
    untold = replace(live, meta={**live.meta, "fit_side": {}})
    assert beside_live(untold, "q", later, world(False), asked())["why"] == CHOSEN_ON_THEM
    assert "on the unseen months from 2025-07-02 on, new to it: log-loss" in kept_words(found.kept | SINCE)


SINCE = {"trained_as_of": MARCH}


def test_a_newer_part_on_which_no_usable_model_is_seen_leaves_it_to_the_gate_and_does_not_end_the_training() -> None:
    made = world()
    some = made.frame["account_id"].isin(sorted(set(made.frame["account_id"]))[:200])
    few = replace(made, frame=made.frame[some].reset_index(drop=True))
    free = train_model(few, asked(), threads=1)
    found = train_model(few, asked(), threads=1, keep=side(JULY))
    assert free.evaluation.verdict == "usable"
    assert found.evaluation.to_dict() == free.evaluation.to_dict()
    assert not found.kept["judged"]
    assert re.match(
        r"the months that it has not learned from hold 23 accounts with the outcome and 177 without, and on them it is "
        r"not seen to be usable \(staged does not beat largest",
        found.kept["why"],
    )
    meta = {"trained_as_of": "2025-12-01", "fit_side": SINCE | {"model_version": "f" * 64, **found.kept}}
    assert not gate_of_fit_side(Gate(True, ("fine",)), None, found.model, meta, asked()).passed


def test_where_no_enough_rows_are_newer_the_twin_is_judged_and_the_gate_refuses_in_words() -> None:
    found, free = kept(True, LATE), anew(True)
    assert found.evaluation.to_dict() == free.evaluation.to_dict()
    pd.testing.assert_frame_equal(found.unseen, free.unseen, check_exact=True)
    assert not found.kept["judged"]
    assert found.kept["why"] == (
        "the months that it has not learned from begin on 2025-08-15, and among the unseen ones those hold 0 accounts "
        "with the outcome and 0 without (20 of each are the least); rows of a day mature 90 days after it"
    )
    meta = {"trained_as_of": "2025-12-01", "fit_side": SINCE | {"model_version": "f" * 64, **found.kept}}
    passed = Gate(True, ("fine",))
    gate = gate_of_fit_side(passed, None, found.model, meta, asked())
    assert not gate.passed
    assert gate.reasons == ("fine", kept_words(meta["fit_side"]))
    assert (
        f"the probabilities of that of {MARCH}, which it keeps, were not tested, as {found.kept['why']}"
        in (gate.reasons[1])
    )
    again = meta | {"recalibration": {"of": {}}}
    assert gate_of_fit_side(passed, None, found.model, again, asked()) == passed, "it is judged itself, on newer rows"


def test_few_accounts_of_a_newer_part_are_no_judgment() -> None:
    made = world()
    newest = (made.frame["as_of"] == "2025-08-01") & (made.frame["outcome"] == 1)
    few = made.frame.assign(outcome=made.frame["outcome"].mask(newest & (newest.cumsum() > 19), 0.0))
    found = train_model(replace(made, frame=few), asked(), threads=1, keep=side(JULY))
    assert "those hold 19 accounts with the outcome and 481 without (20 of each" in found.kept["why"]


def test_families_that_are_kept_apart_are_not_judged_by_a_fit_side_that_knows_them() -> None:
    apart = asked(family_parts=2)
    found = train_model(world(), apart, threads=1, keep=side())
    assert found.kept == {
        "judged": False,
        "why": "it has learned from all families, which the plan keeps apart (model.family_parts)",
    }


def test_no_usable_model_for_the_sake_of_a_kept_fit_side_says_so() -> None:
    made = world(True)
    rng = np.random.default_rng(3)
    noise = {f.name: rng.permutation(made.frame[f.name].to_numpy()) for f in FEATURES if f.side == "signal"}
    found = train_model(replace(made, frame=made.frame.assign(**noise)), asked(), threads=1, keep=side())
    assert found.evaluation.verdict == "no usable model"
    assert re.search(
        r"; it was judged with the fit side that the plan freezes, whose log-loss on the same 1,500 rows is "
        r"\+0\.\d{4} beside one that is learned anew, as an earlier model.fit_frozen_until would have it$",
        found.evaluation.why,
    )


def test_a_curve_beyond_the_affine_map_is_judged_too() -> None:
    curved = asked(calibration="isotonic")
    found = train_model(world(), curved, threads=1, keep=side())
    free = train_model(world(), curved, threads=1)
    assert found.model.curve is not None
    told = found.kept
    y = found.unseen["outcome"]
    assert told["log_loss"] == pytest.approx(log_loss(y, found.unseen["propensity"]))
    assert told["log_loss_anew"] == pytest.approx(log_loss(y, free.unseen["propensity"]))


# --- from when it may be judged


def test_a_slope_that_a_recalibration_gave_is_known_from_its_date_on(tmp_path: Path) -> None:
    moved = replace(early().model, recalibration=Affine(0.1, 1.4))
    then = replace(side(), model=moved, recalibrated_as_of="2025-06-01")
    assert side().unseen_from == instant(MARCH)
    assert then.unseen_from == instant("2025-06-01")
    model = keep_fit(anew().model, then, world().frame)
    back = PropensityModel.from_files(model.to_files())
    assert back.kept_fit == model.kept_fit == KeptFit("f" * 64, MARCH, early().model.slope, "2025-06-01")
    again = FitSide.of(back)
    assert again is not None
    assert again.unseen_from == instant("2025-06-01"), "whoever keeps it next"
    assert FitSide.of(early().model) is None


# --- whose it is


def test_fit_sides_are_told_apart_by_scores_and_by_slope() -> None:
    one, other = kept(), kept(True)
    assert fit_apart(early().model, one.model) == fit_apart(one.model, other.model) == ""
    assert fit_apart(early().model, anew().model) == (
        "has another fit side than the live model, so that the same facts have other fit scores"
    )
    moved = replace(early().model, recalibration=Affine(0.1, 1.25))
    assert fit_apart(early().model, moved, recalibrates=True) == ""
    assert "the same facts have 0.80 times the fit log-odds, as one of the two was" in fit_apart(moved, one.model)


@pytest.mark.parametrize("day", ["2025-12-01", UNTIL])
def test_another_fit_side_than_what_is_live_by_now_is_refused_while_it_is_frozen(day: str) -> None:
    passed, meta = Gate(True, ("fine",)), {"trained_as_of": day, "fit_side": SINCE | {"model_version": None}}
    live = Bundle(early().model, {}, "v")
    gate = gate_of_fit_side(passed, live, anew().model, meta, asked())
    if day == UNTIL:
        assert gate == passed, "from that day on fit sides are learned"
        return
    assert not gate.passed
    assert gate.reasons[1] == (
        f"the plan freezes the fit side until {UNTIL} (model.fit_frozen_until), and it has another fit side than the "
        "live model, so that the same facts have other fit scores"
    )
    assert gate_of_fit_side(passed, live, kept().model, meta, asked()) == passed
    assert gate_of_fit_side(passed, live, anew().model, meta, plan()) == passed
    assert gate_of_fit_side(passed, None, anew().model, meta, asked()) == passed


# --- what it answers


def files(folder: Path, **changes: object) -> PlanFiles:
    fit = [
        {"attribute": "industry", "kind": "category", "clock": "fixed"},
        {"attribute": "employee_count", "kind": "number", "clock": "slow"},
    ]
    features = {"fit": fit, "signal": {"channels": {"web": {}}}}
    made = {"plan": "sample", "features": features, "model": {"fit_frozen_until": UNTIL}} | changes
    return PlanFiles(Plan.model_validate(made), Policy(), Plays(), Icp(), folder, Document())


def of(folder: Path, *, fit: object = None, signal: object = None, **more: object) -> PlanFiles:
    found = files(folder).plan.features.model_dump()
    own = {"fit": fit or found["fit"], "signal": signal or found["signal"]}
    return files(folder, features=own | more)


def test_signal_features_may_come_and_go_under_a_frozen_fit_side(tmp_path: Path) -> None:
    was = files(tmp_path)
    now = of(tmp_path, signal={"channels": {"web": {}, "email": {}}, "windows_days": [30, 90]})
    assert question(was) != question(now)
    assert fit_question(was.plan) == fit_question(now.plan)
    meta = {"question": question(was), "fit_question": fit_question(was.plan)}
    assert asked_otherwise(meta, now) == ""
    assert asked_otherwise({"question": question(was)}, now) == "outcome, cohort or features have", "of an older bundle"
    assert asked_otherwise({"question": question(was)}, was) == ""
    falling = of(tmp_path, monotone={"web_30d": "rising"})
    assert fit_question(falling.plan) == fit_question(was.plan)


INDUSTRY = {"attribute": "industry", "kind": "category", "clock": "fixed"}
SIZE = {"attribute": "employee_count", "kind": "number", "clock": "slow"}


def test_outcome_cohort_and_fit_features_are_named_where_they_changed(tmp_path: Path) -> None:
    was = fit_question(files(tmp_path).plan)

    def said(now: PlanFiles) -> str:
        return asked_otherwise({"fit_question": was}, now)

    horizon = {"horizon_days": 60}
    assert said(files(tmp_path, outcome=horizon)) == "outcome has"
    assert said(files(tmp_path, cohort={"grid": {"every": "week"}})) == "cohort has"
    assert said(of(tmp_path, fit=[INDUSTRY | {"clock": "slow"}, SIZE])) == "fit attribute industry has"
    assert said(of(tmp_path, fit=[INDUSTRY])) == "fit attribute employee_count has"
    assert said(of(tmp_path, monotone={"employee_count": "rising"})) == "monotone of fit features has"
    assert said(files(tmp_path, outcome=horizon, cohort={"grid": {"every": "week"}})) == "outcome and cohort have"
    assert said(of(tmp_path, fit=[INDUSTRY | {"words": "trade"}, SIZE])) == "", "words are not what is learned"


# --- words and dates


def test_a_date_that_is_past_freezes_nothing(tmp_path: Path) -> None:
    before, then = instant("2026-06-29"), instant(UNTIL)
    plan_, made = asked(scorecard_below=5000), matrix(accounts=100)
    assert (frozen(plan_, before), frozen(plan_, then), frozen(plan(), before)) == (True, False, False)
    assert as_learned(plan_, before) == plan_
    with pytest.raises(UsageError, match="a staged model was to be trained"):
        train_model(made, as_learned(plan_, before), threads=1)
    assert train_model(made, as_learned(plan_, then), threads=1).model.kind == "scorecard"
    first = fit_side_said(files(tmp_path), None, before)["fit_side"]
    past = fit_side_said(files(tmp_path), None, then)["fit_side"]
    assert (first["thawed"], past["thawed"]) == (False, True)
    assert fit_side_words(first) == f"fit side of 2026-06-29, frozen until {UNTIL}"
    assert fit_side_words(past) == (
        f"fit side of {UNTIL}, learned anew, as the date that it was to be frozen until, {UNTIL}, has come"
    )


def test_models_of_past_dates_say_that_they_keep_no_fit_side() -> None:
    evaluation = {"chosen": "b", "candidates": {"b": {"kind": "staged", "settings": {}}}}
    made = Recipe.of(evaluation, kept().model.kept_fit)
    assert made is not None
    assert made.hindsight == (
        f"{HINDSIGHT}. The live model keeps a fit side of {MARCH}; the models of past dates each learn theirs anew, so "
        "fit scores move here where the live model's stand still"
    )
    free = Recipe.of(evaluation)
    assert free is not None
    assert free.hindsight == HINDSIGHT


def test_what_the_judgment_says_reads_well() -> None:
    told = {"judged": True, "from": MARCH, "whole": True, "rows": 1500, "log_loss": 0.33412, "log_loss_anew": 0.33001}
    told |= SINCE | {"difference": 0.00411, "standard_error": 0.0012}
    assert kept_words(told) == (
        f"figures and comparison are of a model with the fit side of {MARCH} that it keeps, on the unseen months: "
        "log-loss 0.3341 against 0.3300 with a fit side learned anew, a difference of +0.0041 (standard error 0.0012, "
        "n = 1,500). The folds that choose and calibrate learn theirs anew"
    )
    said = fit_side_words(told | {"model_version": "f" * 64, "frozen_until": UNTIL, "standard_error": None})
    assert said.startswith(
        f"fit side of {MARCH} (model ffffffffffff), frozen until {UNTIL}. Figures and comparison are"
    )
    assert "a difference of +0.0041 (n = 1,500)" in said
