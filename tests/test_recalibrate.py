"""Recalibration alone: known truth on a world whose base rate has moved, ranks as they were, and the job end to end."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

import nursery
import tierwise
from matrix_sample import matrix, plan
from tierwise.config import Workspace
from tierwise.errors import ContractError, GateRefused, LockHeld, NoUsableModel, UsageError
from tierwise.features.matrix import Matrix
from tierwise.governance import recalibrated_meta, recalibration_words
from tierwise.governance.drift import SCORES, drift_table, reference
from tierwise.learning import Affine, PropensityModel, train_model
from tierwise.learning.calibration import IDENTITY, calibration_test
from tierwise.learning.recalibration import LEAST_OUTCOMES, Recalibrated, recalibrate_model, unseen_from
from tierwise.publishing import plan_lock
from tierwise.registry import Registry, read_bundle, write_bundle

PLAN = "new_business"


def later(model: PropensityModel, shift: float, seed: int, slope: float = 1.0, months: int = 9) -> Matrix:
    """Rows after the model's, whose outcomes' log-odds are shift + slope x what the model says."""
    sample = matrix(accounts=400, months=months, seed=seed)
    moved = sample.frame["as_of"] + pd.Timedelta(days=490)
    y = np.random.default_rng(seed).random(len(sample.frame)) < expit(shift + slope * model.log_odds(sample.frame))
    return dataclasses.replace(sample, frame=sample.frame.assign(as_of=moved, outcome=y * 1.0))


@pytest.fixture(scope="module", params=["affine", "isotonic"])
def model(request: pytest.FixtureRequest) -> PropensityModel:
    """A model of the sample's first fourteen months."""
    asked = plan(candidates=["scorecard"], calibration=request.param)
    return train_model(matrix(accounts=400, months=14), asked, threads=1).model


@pytest.mark.parametrize("shift", [-1.2, 0.8])
def test_a_moved_base_rate_is_restored_and_ranks_stay_exactly(model: PropensityModel, shift: float) -> None:
    world, fresh = later(model, shift, 21), later(model, shift, 22)
    before = model.log_odds(fresh.frame)
    y, families = fresh.frame["outcome"].to_numpy(), fresh.frame["family_id"].to_numpy()
    assert calibration_test(before, y, families).p_value < 1e-6
    made = recalibrate_model(model, world)
    after = made.model.log_odds(fresh.frame)
    assert made.report["form"] == "intercept"
    assert made.report["map"]["slope"] == 1
    assert made.report["map"]["intercept"] == pytest.approx(shift, abs=0.2)
    assert calibration_test(after, y, families).p_value > 0.001
    old, new = model.score(fresh.frame), made.model.score(fresh.frame)
    for name in ("account_score", "fit_score", "signal_score"):
        assert np.array_equal(old[name], new[name]), name
    order = np.argsort(before, kind="stable")
    assert (np.diff(after[order]) >= 0).all()
    assert np.array_equal(np.unique(before, return_inverse=True)[1], np.unique(after, return_inverse=True)[1])
    forward = made.report["forward"]
    assert forward["difference"]["high"] < 0, "later rows are better for it"
    assert forward["before"]["p_value"] < 0.001 < forward["after"]["p_value"]
    assert made.report["before"]["slope"] == pytest.approx(1, abs=0.3)


def test_a_changed_slope_is_fitted_only_where_the_test_says_so(model: PropensityModel) -> None:
    flat = recalibrate_model(model, later(model, 0.3, 23, slope=0.5))
    assert flat.report["form"] == "intercept and slope"
    assert flat.report["slope_test"]["p_value"] < 0.05
    assert flat.report["map"]["slope"] == pytest.approx(0.5, abs=0.12)
    forms = [recalibrate_model(model, later(model, 0.0, seed, months=4)).report["form"] for seed in range(30, 42)]
    assert forms.count("intercept and slope") <= 3, "at 5 % a slope of 1 is left as it is"


def test_law_4_holds_after_recalibration_and_again_after_the_next(model: PropensityModel) -> None:
    once = recalibrate_model(model, later(model, 0.3, 24, slope=0.5)).model
    assert once.recalibration.slope != 1
    assert once.trained_as_of > model.trained_as_of
    sample = later(model, 0.0, 25).frame
    scores = once.score(sample)
    parts = scores[["base", "fit_log_odds", "signal_log_odds", "calibration_log_odds"]].sum(axis=1)
    assert np.abs(logit(scores["propensity"]) - parts).max() < 1e-6
    assert np.abs(once.recalibration(model.log_odds(sample)) - parts).max() < 1e-6
    summed = once.contributions(sample).sum(axis=1) + once.base + once.residue(sample)
    assert np.abs(summed - parts).max() < 1e-6
    twice = dataclasses.replace(once, recalibration=Affine(-0.4, 1.0).after(once.recalibration))
    assert twice.log_odds(sample) == pytest.approx(once.log_odds(sample) - 0.4)
    back = PropensityModel.from_files(twice.to_files())
    assert back.recalibration == twice.recalibration
    assert back.score(sample).equals(twice.score(sample))


def test_rows_that_the_model_saw_or_whose_outcomes_it_could_share_do_not_count(model: PropensityModel) -> None:
    world = later(model, 0.5, 26)
    start = pd.Timestamp(unseen_from(model).replace(tzinfo=None))
    assert start == pd.Timestamp(model.trained_as_of.replace(tzinfo=None)) + pd.Timedelta(days=90)
    early = world.frame.assign(as_of=world.frame["as_of"] - pd.Timedelta(days=200), outcome=1.0)
    seen = early[early["as_of"] < start]
    assert len(seen) > 500
    mixed = dataclasses.replace(world, frame=pd.concat([seen, world.frame], ignore_index=True))
    assert recalibrate_model(model, mixed).report == recalibrate_model(model, world).report
    open_still = world.frame.assign(outcome=np.nan)
    both = dataclasses.replace(world, frame=pd.concat([world.frame, open_still], ignore_index=True))
    assert recalibrate_model(model, both).report == recalibrate_model(model, world).report


def test_too_few_rows_and_a_backward_slope_are_no_recalibration(model: PropensityModel) -> None:
    world = later(model, 0.0, 27)
    frame = world.frame
    few = frame[(frame["outcome"] == 0) | frame["account_id"].isin(frame.loc[frame["outcome"] == 1, "account_id"][:9])]
    with pytest.raises(NoUsableModel) as caught:
        recalibrate_model(model, dataclasses.replace(world, frame=few))
    assert f"{LEAST_OUTCOMES} accounts with the outcome and {LEAST_OUTCOMES} without are the least" in str(caught.value)
    assert "Keep the live model, and try again when more horizons have closed." in str(caught.value)
    with pytest.raises(NoUsableModel, match=r"its slope is -0\.\d\d: a higher score no longer means more"):
        recalibrate_model(model, later(model, -2.0, 28, slope=-0.6))


def test_what_cannot_be_judged_forward_yet_is_said_so(model: PropensityModel) -> None:
    made = recalibrate_model(model, later(model, 0.5, 29, months=2))
    first = made.report["rows"]["first_as_of"]
    assert made.report["forward"] == {
        "n": 0,
        "why": "no unseen rows lie 90 days after enough others to fit on; the first that do can be judged with "
        f"outcomes through {(pd.Timestamp(first) + pd.Timedelta(days=180)).date()} at the earliest",
    }
    said = recalibration_words({"of": {"number": 3}, **made.report})
    assert said[-1].startswith("What it is worth on later rows cannot be said yet: no unseen rows lie 90 days")


def test_the_forward_check_needs_accounts_with_the_outcome_and_not_their_rows(model: PropensityModel) -> None:
    world = later(model, 0.8, 29)
    frame, dates = world.frame, np.unique(world.frame["as_of"])
    likely = frame["account_id"][np.argsort(-model.log_odds(frame))].drop_duplicates().head(5)
    few = np.where(frame["as_of"] <= dates[5], frame["account_id"].isin(likely) * 1.0, frame["outcome"])
    old = frame["as_of"] <= dates[4]
    assert few[old].sum() == 25 > LEAST_OUTCOMES
    forward = recalibrate_model(model, dataclasses.replace(world, frame=frame.assign(outcome=few))).report["forward"]
    assert forward["n"] == 0
    assert str((pd.Timestamp(dates[6]) + pd.Timedelta(days=180)).date()) in forward["why"]


def test_the_words_and_the_meta_say_what_was_done(model: PropensityModel) -> None:
    world = later(model, 0.8, 21)
    made = recalibrate_model(model, world)
    old = model.score(world.frame)
    meta = {
        "trained_as_of": "2025-01-01", "data_through": "2025-01-01", "inputs": "a", "notes": ["one."],
        "evaluation": {"calibration": {"p_value": 0.4}, "chosen": "scorecard"},
        "reference": reference(world.frame.join(old[list(SCORES)]), (), SCORES),
    }  # fmt: skip
    stand, through = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    found = recalibrated_meta(meta, {"number": 3, "model_version": "x"}, made, stand, through, "b")
    assert (found["trained_as_of"], found["data_through"], found["inputs"]) == ("2026-02-01", "2026-01-01", "b")
    assert found["evaluation"]["calibration"]["n"] == made.report["forward"]["n"]
    assert found["evaluation"]["chosen"] == "scorecard"
    assert json.loads(json.dumps(found["recalibration"], allow_nan=False)) == found["recalibration"]
    first, before, slope, forward = recalibration_words(found["recalibration"])
    assert first.startswith("Version 3, recalibrated on 3,600 rows of 400 accounts (")
    assert first.endswith("that it had not seen; nothing was learned again, and ranks stay")
    assert before.startswith("Before, on those rows: log-loss 0.")
    assert slope.startswith("The slope does not differ from 1 (likelihood-ratio test ")
    assert "so the intercept alone was fitted: log-odds +0." in slope
    assert "after, a difference of -0." in forward
    assert found["notes"][1] == f"{first}."
    new = made.model.score(world.frame)
    drifted = drift_table(found["reference"], world.frame.join(new[list(SCORES)]))
    assert drifted["psi"].max() == pytest.approx(0.0, abs=1e-9), "the same accounts have not drifted"
    stale = drift_table(meta["reference"], world.frame.join(new[list(SCORES)])).set_index("feature")
    assert stale.loc["propensity", "psi"] > 0.1


# --- the job


@pytest.fixture
def workspace(small_demo: Path, tmp_path: Path) -> Workspace:
    """A copy of the small demo that a test may change."""
    return tierwise.load_workspace(shutil.copytree(small_demo, tmp_path / "ws"))


def registry_of(workspace: Workspace) -> Registry:
    return Registry(workspace.registry, workspace.folder / "state" / "models")


@pytest.mark.long
def test_the_job_registers_a_challenger_that_changes_propensities_and_no_tier(workspace: Workspace) -> None:
    live = registry_of(workspace).live(PLAN)
    result = tierwise.recalibrate(workspace, as_of="2026-01-01")
    registry = registry_of(workspace)
    assert [v.aliases for v in registry.versions(PLAN)] == [("champion",), ("challenger",)]
    challenger = registry.challenger(PLAN)
    assert (result.number, result.model_version) == (2, challenger.version)
    assert challenger.meta["recalibration"]["of"] == {"model_version": live.version, "number": 1}
    assert challenger.meta["recalibration"] == result.report
    assert challenger.meta["trained_as_of"] == "2026-01-01"
    rows = result.report["rows"]
    assert rows["first_as_of"] >= str(unseen_from(live.model).date())
    assert rows["last_as_of"] <= "2025-10-03"
    assert 0 < rows["outcomes"] < rows["rows"]
    mine, theirs = challenger.model.to_files(), live.model.to_files()
    assert {n for n in mine if mine[n] != theirs[n]} == {"calibrator.json", "spec.json"}
    assert challenger.model.percentiles == live.model.percentiles
    assert live.value is not None
    assert challenger.value == live.value
    assert challenger.model.recalibration != IDENTITY
    assert "recalibrated on" in (workspace.folder / "models" / PLAN / "card.md").read_text()

    before = tierwise.score(workspace, as_of="2026-01-01", dry_run=True)
    after = tierwise.score(workspace, as_of="2026-01-01", dry_run=True, model="challenger")
    moved = after.tiers["propensity"] - before.tiers["propensity"]
    assert moved.abs().max() > 0.001
    for name in ("account_id", "tier", "fit_score", "signal_score", "decided_by"):
        pd.testing.assert_series_equal(after.tiers[name], before.tiers[name], check_dtype=False, check_exact=True)
    done = tierwise.promote(workspace)
    assert (done.number, done.overruled) == (2, "")
    assert done.gate is not None
    assert done.gate.paired is not None
    assert done.gate.paired.difference < 0
    assert tierwise.score(workspace, as_of="2026-01-01").new
    assert tierwise.govern(workspace, as_of="2026-01-01").review.verdict in ("steady", "watch", "act")
    with pytest.raises(NoUsableModel, match=r"mature rows from 2025-12-30 on, which it has not seen"):
        tierwise.recalibrate(workspace, as_of="2026-01-01")


def test_a_model_that_is_replaced_meanwhile_is_the_one_recalibrated_and_the_gate_says_so(
    workspace: Workspace, tmp_path: Path
) -> None:
    registry = registry_of(workspace)
    old = registry.live(PLAN)
    columns = {f.name: pd.Series([None] * 3, dtype=object if f.kind == "category" else float)
               for f in old.model.features}  # fmt: skip
    write_bundle(old.model, pd.DataFrame(columns), old.meta | {"notes": ["another"]}, tmp_path / "other", old.value)
    registry.register(PLAN, tmp_path / "other", {}, {})

    def say(words: str) -> None:
        if words.startswith("building"):
            registry.promote(PLAN)

    result = tierwise.recalibrate(workspace, as_of="2026-01-01", say=say)
    assert result.report["of"] == {"number": 1, "model_version": old.version}
    with pytest.raises(GateRefused, match=f"it recalibrates {old.version[:12]}, which is no longer live"):
        tierwise.promote(workspace)


def test_nothing_is_registered_or_written_while_another_run_holds_the_plan(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tierwise.jobs import recalibrate as job

    monkeypatch.setattr(sys.modules[job.__module__], "PATIENCE_SECONDS", 0, raising=False)
    card = workspace.folder / "models" / PLAN / "card.md"
    before = card.read_bytes()
    with plan_lock(workspace.published, PLAN), pytest.raises(LockHeld):
        tierwise.recalibrate(workspace, as_of="2026-01-01")
    assert len(registry_of(workspace).versions(PLAN)) == 1
    assert card.read_bytes() == before


@pytest.mark.long
def test_a_recalibration_that_cannot_be_judged_yet_is_refused_until_somebody_overrules(workspace: Workspace) -> None:
    registry = registry_of(workspace)
    for as_of in pd.date_range("2025-08-15", "2026-01-01", freq="10D").date.astype(str):
        try:
            result = tierwise.recalibrate(workspace, as_of=as_of)
        except NoUsableModel:
            continue
        break
    assert result.report["forward"]["n"] == 0
    assert registry.challenger(PLAN).version == result.model_version
    with pytest.raises(GateRefused) as refused:
        tierwise.promote(workspace)
    assert "what it is worth on later rows cannot be said yet: no unseen rows lie 90 days" in str(refused.value)
    assert "a difference of" not in str(refused.value)
    assert tierwise.promote(workspace, by="Ada", because="the base rate moved").overruled


def test_the_same_tables_give_the_same_bytes(small_demo: Path, tmp_path: Path) -> None:
    versions = []
    for name in ("one", "two"):
        workspace = tierwise.load_workspace(shutil.copytree(small_demo, tmp_path / name))
        versions.append(tierwise.recalibrate(workspace, as_of="2026-01-01").model_version)
    assert versions[0] == versions[1]


def test_the_job_refuses_another_question_what_leaks_and_too_few_rows(workspace: Workspace) -> None:
    file = workspace.folder / "models" / PLAN / "model.yaml"
    text = file.read_text()
    files = {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in (workspace.folder / "models").rglob("*.yaml")}
    with pytest.raises(NoUsableModel, match=r"there are 0 rows, of 0 accounts with it and 0 without"):
        tierwise.recalibrate(workspace, as_of="2025-08-01")
    assert {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in files} == files
    file.write_text(text.replace("horizon_days: 90", "horizon_days: 60"))
    assert file.read_text() != text
    changed = tierwise.load_workspace(workspace.folder)
    with pytest.raises(
        UsageError, match=r"outcome, cohort or features in model.yaml have changed since it was trained"
    ):
        tierwise.recalibrate(changed, as_of="2026-01-01")
    assert len(registry_of(workspace).versions(PLAN)) == 1


def test_what_the_audit_blocks_is_not_recalibrated(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from tierwise.audit import Finding
    from tierwise.jobs import recalibrate as job

    blocks = Finding("future_facts", "blocks", "activities", "the activities", "tells the outcome", "Mend it", {})
    monkeypatch.setattr(sys.modules[job.__module__], "audit", lambda *_: (blocks,))
    with pytest.raises(ContractError, match="the audit blocks it"):
        tierwise.recalibrate(workspace, as_of="2026-01-01")
    assert len(registry_of(workspace).versions(PLAN)) == 1


def test_the_verb_prints_exits_and_says_what_is_next(small_demo: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(small_demo, tmp_path / "ws")

    def run(*words: str) -> nursery.Done:
        return nursery.tierwise("-C", folder, *words)

    few = run("train", "--recalibrate", "--as-of", "2025-08-01")
    assert few.returncode == 3
    assert "which it has not seen; 20 accounts with the outcome" in few.stderr
    assert "Traceback" not in few.stderr
    done = run("train", "--recalibrate", "--as-of", "2026-01-01")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].endswith("promote")
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    assert "is the challenger." in done.stdout
    assert "likelihood-ratio test" in done.stdout


def test_a_bundle_of_a_recalibrated_model_is_checked_by_its_golden_rows(model: PropensityModel, tmp_path: Path) -> None:
    made: Recalibrated = recalibrate_model(model, later(model, 0.8, 21))
    rows = matrix(accounts=60, months=1, seed=9).frame
    version = write_bundle(made.model, rows, {"plan": "sample"}, tmp_path / "b")
    back = read_bundle(tmp_path / "b", version=version)
    assert back.model.recalibration == made.model.recalibration
    assert np.array_equal(back.model.log_odds(rows), made.model.log_odds(rows))
    golden = json.loads((tmp_path / "b" / "golden.json").read_text())
    assert golden["expected"]["log_odds"] == made.model.log_odds(rows.head(50)).tolist()
