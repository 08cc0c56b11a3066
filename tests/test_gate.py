"""Promotion goes through the gate: challenger and live model on rows new to both, and what a refusal leaves."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

import nursery
import tierwise
from matrix_sample import matrix, plan
from tierwise.config import Workspace
from tierwise.errors import GateRefused, UsageError
from tierwise.features.matrix import Matrix
from tierwise.governance import PairedLoss
from tierwise.jobs.beside import (
    ANOTHER,
    CHOSEN_ON_THEM,
    FROM_RUBRIC,
    HOW,
    ITSELF,
    SETTINGS,
    beside_live,
    judged,
    recalibrated_beside,
)
from tierwise.learning import Trained, train_model
from tierwise.learning.calibration import Affine, row_log_loss
from tierwise.learning.season import Season
from tierwise.registry import Bundle, Registry, write_bundle
from tierwise.store import Store

PLAN = "new_business"
WHOLE = matrix(accounts=300, months=20, strength=1.3)
ASKED = plan(candidates=[{"kind": "scorecard"}], scorecard_below=2)


def until(months: int) -> Matrix:
    dates = np.unique(WHOLE.frame["as_of"])
    return WHOLE.where(WHOLE.frame["as_of"] <= dates[months - 1])


@cache
def trained(months: int) -> Trained:
    return train_model(until(months), ASKED, threads=1)


def live(months: int, question: str = "q") -> Bundle:
    found = trained(months)
    return Bundle(found.model, {"question": question, "evaluation": found.evaluation.to_dict()}, f"{months:064d}")


# --- the comparison


def test_the_live_model_itself_is_judged_on_unseen_months_a_horizon_newer_than_its_own() -> None:
    old, new = live(12), trained(20)
    found = beside_live(old, "q", new, WHOLE, ASKED)
    assert (found["live"], found["how"], found["why"]) == (old.version, ITSELF, "")
    unseen = new.unseen.merge(WHOLE.frame, on=["account_id", "as_of", "outcome"])
    first = old.model.trained_as_of.replace(tzinfo=None) + pd.Timedelta(days=90)
    newer = unseen[unseen["as_of"] >= first]
    assert found["paired"]["n"] == len(newer) > 500
    loss = row_log_loss(old.model.log_odds(newer), newer["outcome"].to_numpy())
    assert found["paired"]["champion"] == pytest.approx(loss.mean(), abs=1e-9)


def test_where_nothing_is_newer_settings_are_compared_and_the_same_ones_tie() -> None:
    old, new = live(20), trained(20)
    found = beside_live(old, "q", new, WHOLE, ASKED)
    assert found["how"] == SETTINGS
    assert found["paired"]["n"] == len(new.unseen)
    assert found["paired"]["difference"] == pytest.approx(0.0, abs=1e-9)
    assert found["paired"]["challenger"] == pytest.approx(
        row_log_loss(np.log(new.unseen["propensity"] / (1 - new.unseen["propensity"])).to_numpy(),
                     new.unseen["outcome"].to_numpy()).mean()
    )  # fmt: skip


@pytest.mark.parametrize("months", [12, 20])
def test_outcomes_that_had_not_closed_before_the_judged_rows_tell_the_compared_models_nothing(months: int) -> None:
    new, frame = trained(20), WHOLE.frame.copy()
    first = new.unseen["as_of"].min()
    between = (frame["as_of"] < first) & (frame["as_of"] + pd.Timedelta(days=90) > first)
    if months == 12:
        begin = live(12).model.trained_as_of.replace(tzinfo=None) + pd.Timedelta(days=90)
        assert begin <= first, "the live model has seen none of the unseen months"
    assert between.sum() > 300
    frame.loc[between, "outcome"] = 1 - frame.loc[between, "outcome"]
    told = beside_live(live(months), "q", new, replace(WHOLE, frame=frame), ASKED)
    assert told == beside_live(live(months), "q", new, WHOLE, ASKED)


SEASONS = [Season(tuple(sign * np.array([2.0, -2.0] * 6))) for sign in (1, -1)]


@pytest.mark.parametrize("months", [12, 20])
def test_a_season_of_all_rows_is_learned_again_on_the_closed_ones(months: int) -> None:
    new, old = trained(20), live(months)
    found = []
    for season in SEASONS:
        challenger = replace(new, model=replace(new.model, season=season))
        other = replace(old, model=replace(old.model, season=season)) if months == 20 else old
        found.append(beside_live(other, "q", challenger, WHOLE, ASKED))
    assert found[0] == found[1], "what was learned of the judged months is gone"
    assert found[0]["how"] == (ITSELF if months == 12 else SETTINGS)
    none = beside_live(old, "q", new, WHOLE, ASKED)["paired"]
    assert found[0]["paired"]["difference"] == pytest.approx(none["difference"], abs=0.02)


@pytest.mark.parametrize("months", [12, 20])
def test_a_level_that_has_seen_the_judged_months_is_left_out(months: int) -> None:
    new, old = trained(20), live(months)
    seen = Affine(3.0, 1.0)
    level = {"adopted": True, "judged": asdict(new.model.calibrator)}
    challenger = replace(
        new, model=replace(new.model, calibrator=seen), evaluation=replace(new.evaluation, level=level)
    )
    other = old
    if months == 20:
        said = {"level": {"adopted": True, "judged": asdict(old.model.calibrator)}}
        meta = old.meta | {"evaluation": old.meta["evaluation"] | said}
        other = replace(old, model=replace(old.model, calibrator=seen), meta=meta)
    assert beside_live(other, "q", challenger, WHOLE, ASKED) == beside_live(old, "q", new, WHOLE, ASKED)


def test_a_recalibration_on_the_judged_months_is_left_out_where_settings_are_compared() -> None:
    old = live(20)
    moved = replace(old, model=replace(old.model, recalibration=Affine(2.0, 0.5)))
    assert beside_live(moved, "q", trained(20), WHOLE, ASKED) == beside_live(old, "q", trained(20), WHOLE, ASKED)


def test_settings_that_started_from_a_rubric_or_were_chosen_on_the_judged_months_are_not_compared() -> None:
    old, new = live(20), trained(20)
    said = {"lines": 3, "of": 4, "scale": 0.01, "words": "rubric"}
    rubric = replace(old, meta=old.meta | {"evaluation": old.meta["evaluation"] | {"prior": said}})
    found = beside_live(rubric, "q", new, WHOLE, ASKED)
    assert (found["paired"], found["why"]) == (None, FROM_RUBRIC)
    assert FROM_RUBRIC in judged(rubric, {"question": "q", "evaluation": evaluation()}, found).reasons
    late = old.meta["evaluation"]["test"] | {"first_as_of": "2030-01-01T00:00:00"}
    ahead = replace(old, meta=old.meta | {"evaluation": old.meta["evaluation"] | {"test": late}})
    found = beside_live(ahead, "q", new, WHOLE, ASKED)
    assert (found["paired"], found["why"]) == (None, CHOSEN_ON_THEM)


def test_a_live_model_that_is_wrong_everywhere_loses_by_far_more_than_chance() -> None:
    old = live(12)
    wrong = replace(old, model=replace(old.model, calibrator=replace(old.model.calibrator, intercept=3.0)))
    paired = beside_live(wrong, "q", trained(20), WHOLE, ASKED)["paired"]
    assert paired["difference"] < -10 * paired["standard_error"]


def test_another_question_no_live_model_and_too_few_rows_are_said() -> None:
    new = trained(20)
    assert beside_live(None, "q", new, WHOLE, ASKED)["why"] == "no model is live"
    other = beside_live(live(12, "another"), "q", new, WHOLE, ASKED)
    assert (other["paired"], other["why"]) == (None, ANOTHER)
    few = replace(new, unseen=new.unseen.head(20))
    assert beside_live(live(12), "q", few, WHOLE, ASKED)["why"] == "there are too few rows that are new to both"


# --- what the gate says of it


def evaluation(p_value: float = 0.5, slope: float = 1.0) -> dict[str, Any]:
    return {"verdict": "usable", "calibration": {"p_value": p_value, "slope": slope, "deciles": []}}


def beside(difference: float, error: float = 0.002, of: str = "v1", how: str = ITSELF) -> dict[str, Any]:
    paired = PairedLoss(0.3, 0.3 + difference, difference, error, 900, 300)
    return {"live": of, "how": how, "why": "", "paired": asdict(paired)}


def bundle(version: str = "v1", question: str = "q") -> Bundle:
    return replace(live(12), version=version, meta={"question": question, "evaluation": evaluation()})


@pytest.mark.parametrize(("difference", "passed"), [(-0.01, True), (0.002, True), (0.0021, False), (0.05, False)])
def test_worse_by_more_than_one_standard_error_is_refused(difference: float, passed: bool) -> None:
    found = judged(bundle(), {"question": "q", "evaluation": evaluation()}, beside(difference))
    assert found.passed is passed
    assert "on the same 900 rows of 300 accounts" in found.reasons[0]
    assert found.reasons[-1] == HOW[ITSELF]


def test_a_challenger_to_another_question_or_to_nothing_needs_to_be_usable_only() -> None:
    meta = {"question": "q", "evaluation": evaluation()}
    assert judged(bundle(question="other"), meta, beside(0.5)).reasons == (ANOTHER,)
    assert judged(bundle(question="other"), meta, beside(0.5)).passed
    assert judged(None, meta, {}).passed
    assert not judged(None, meta | {"evaluation": {"verdict": "no usable model"}}, {}).passed
    assert not judged(bundle(question="other"), meta | {"evaluation": {"verdict": "no usable model"}}, {}).passed


def test_a_comparison_with_a_model_that_is_no_longer_live_does_not_count() -> None:
    found = judged(bundle("v2"), {"question": "q", "evaluation": evaluation()}, beside(-0.05, of="v1"))
    assert not found.passed
    assert "not of the same test rows" in found.reasons[0]


def test_a_recalibrated_challenger_is_judged_by_what_it_was_worth_forward() -> None:
    figures = {"log_loss": {"value": 0.31}, "constant": {"accounts": 400}}
    forward = {"n": 1000, "difference": {"value": -0.01, "low": -0.0139, "high": -0.0061}, "before": figures}
    forward["after"] = {"log_loss": {"value": 0.30}}
    found = recalibrated_beside(bundle(), {"forward": forward})
    paired = found["paired"]
    assert (paired["champion"], paired["challenger"], paired["n"], paired["accounts"]) == (0.31, 0.30, 1000, 400)
    assert paired["standard_error"] == pytest.approx(0.00199, abs=1e-5)
    assert judged(bundle(), {"question": "q", "evaluation": evaluation(1e-6, 0.5)}, found).passed
    none = recalibrated_beside(bundle(), {"forward": {"n": 0, "why": "too early"}})
    assert (none["paired"], none["why"]) == (None, "too early")
    unknown = forward | {"difference": {"value": -0.01, "low": None, "high": None}}
    assert recalibrated_beside(bundle(), {"forward": unknown})["paired"] is None


def test_a_recalibration_that_was_not_measured_is_refused_and_no_difference_is_said() -> None:
    same = live(12)
    meta = same.meta | {"recalibration": {"of": {"number": 1, "model_version": same.version}}}
    none = recalibrated_beside(same, {"forward": {"n": 0, "why": "too early"}})
    found = judged(same, meta, none)
    assert not found.passed
    assert found.reasons == ("what it is worth on later rows cannot be said yet: too early",)
    another = judged(replace(same, version="other"), meta, beside(-0.01, of=same.version))
    assert not another.passed
    assert another.reasons == (f"it recalibrates {same.version[:12]}, which is no longer live",)


@pytest.mark.parametrize(("difference", "passed"), [(-0.0005, True), (0.0005, False), (-0.01, True)])
def test_a_recalibration_still_off_passes_where_it_is_nearer_than_the_live_model(
    difference: float, passed: bool
) -> None:
    off = {"question": "q", "evaluation": evaluation(1e-6, 0.5)}
    found = judged(bundle(), off | {"recalibration": {"of": {"model_version": "v1"}}}, beside(difference, how=""))
    assert found.passed is passed
    assert "far off" in found.reasons[1]
    assert found.reasons[2].startswith("ranks are the live model's, so") is True
    assert judged(bundle(), off, beside(difference, how="")).passed is (difference < -0.002), "learned: as before"


# --- the verb


@pytest.fixture
def workspace(small_demo: Path, tmp_path: Path) -> Workspace:
    return tierwise.load_workspace(Path(shutil.copytree(small_demo, tmp_path / "ws")))


def registry_of(workspace: Workspace) -> Registry:
    return Registry(workspace.registry, workspace.folder / "state" / "models")


@pytest.fixture
def challenge(workspace: Workspace, tmp_path: Path) -> Callable[[float], int]:
    """Registers the live model's like as a challenger whose log-loss is worse by so much."""

    def made(worse: float) -> int:
        registry = registry_of(workspace)
        now = registry.live(PLAN)
        rows = pd.DataFrame({f.name: pd.Series([None] * 3, dtype=object if f.kind == "category" else float)
                             for f in now.model.features})  # fmt: skip
        folder = tmp_path / "bundle"
        write_bundle(now.model, rows, {**now.meta, "notes": ["another"]}, folder, now.value)
        return registry.register(PLAN, folder, {}, {}, beside(worse, of=now.version))

    return made


def state(workspace: Workspace) -> tuple[Any, ...]:
    with Store.open(workspace.store) as store:
        noted = store.promotions(PLAN)
    return registry_of(workspace).versions(PLAN), noted.to_dict("records")


def test_a_refused_challenger_changes_nothing_and_exits_3(workspace: Workspace, challenge: Callable[..., int]) -> None:
    challenge(0.05)
    before = state(workspace)
    with pytest.raises(GateRefused) as refused:
        tierwise.promote(workspace)
    words = str(refused.value)
    assert refused.value.exit_code == 3
    assert f"the challenger of plan '{PLAN}'" in words
    assert "a difference of +0.0500, of which 0.0020 (paired standard error) is allowed" in words
    assert "`tierwise promote --by NAME --because REASON` overrules the gate" in words
    assert state(workspace) == before


def test_a_person_overrules_by_name_and_reason_which_are_kept(
    workspace: Workspace, challenge: Callable[..., int]
) -> None:
    number = challenge(0.05)
    for half in ({"by": "Ada"}, {"because": "the old one reads a lost table"}, {"by": "Ada", "because": "  "}):
        with pytest.raises(UsageError, match="was given, and no"):
            tierwise.promote(workspace, **half)
    done = tierwise.promote(workspace, by="Ada", because="the old one reads a lost table")
    assert done.number == number
    assert done.gate is not None
    assert not done.gate.passed
    kept = registry_of(workspace).versions(PLAN)[-1]
    assert kept.overruled == done.overruled == "Ada: the old one reads a lost table"
    assert kept.aliases == ("champion",)


def test_a_gate_that_passes_is_not_overruled(workspace: Workspace, challenge: Callable[..., int]) -> None:
    number = challenge(-0.01)
    done = tierwise.promote(workspace, by="Ada", because="just in case")
    assert (done.number, done.overruled, done.unneeded) == (number, "", "Ada: just in case")
    assert registry_of(workspace).versions(PLAN)[-1].overruled == ""
    assert tierwise.rollback(workspace).gate is None
    assert tierwise.promote(workspace).number == number, "what was let pass once is let pass again"


def verb(workspace: Workspace, *words: str) -> nursery.Done:
    return nursery.tierwise("-C", workspace.folder, "promote", *words)


def test_the_verb_says_why_and_what_to_do(workspace: Workspace, challenge: Callable[..., int]) -> None:
    challenge(0.05)
    refused = verb(workspace)
    assert refused.returncode == 3
    assert "the gate refuses it" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert refused.stdout == ""
    done = verb(workspace, "--by", "Ada", "--because", "the old one reads a lost table")
    assert done.returncode == 0, done.stderr
    assert "The gate refused, overruled by Ada: the old one reads a lost table" in done.stdout.replace("\n  ", " ")
    assert "not needed" not in done.stdout


def test_the_verb_says_that_a_name_and_reason_were_not_needed(
    workspace: Workspace, challenge: Callable[..., int]
) -> None:
    challenge(-0.01)
    passed = verb(workspace, "--by", "Ada", "--because", "just in case")
    assert passed.returncode == 0, passed.stderr
    said = " ".join(passed.stdout.split())
    assert "The gate let it pass" in said
    assert "Nothing was overruled, so this was not needed and is not kept: Ada: just in case." in said


@pytest.mark.long
def test_a_training_beside_a_live_model_publishes_its_points_and_what_the_gate_says(workspace: Workspace) -> None:
    made = tierwise.train(workspace, as_of="2026-01-01")
    values = (made.page.parent / "training.json").read_text(encoding="utf-8")
    assert '"views"' in values
    html = made.page.read_text(encoding="utf-8")
    assert 'id="gate"' in html
    kept = registry_of(workspace).versions(PLAN)
    assert kept[0].beside in ({}, {"live": None, "how": "", "paired": None, "why": "no model is live"})
    assert kept[-1].beside["live"] == kept[0].bundle
    assert kept[-1].beside["paired"]["n"] >= 100
    points = made.page.parent / "points.csv"
    assert points.exists() == ('<a href="points.csv">' in html)
    assert points.read_bytes().startswith(b'\xef\xbb\xbf"feature","words","side","bin"')
    challenger = registry_of(workspace).challenger(PLAN)
    assert challenger.meta["views"]["accounts"] > 100
    base = float(points.read_text(encoding="utf-8-sig").splitlines()[1].split(",")[7])
    assert base == challenger.model.base == pytest.approx(np.log(expit(base) / (1 - expit(base))))
