"""A fit side that is kept across trainings: known truth on samples, then the jobs end to end."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

import nursery
import tierwise
from matrix_sample import FEATURES, INDUSTRY, matrix, plan
from tierwise.clock import instant
from tierwise.config import Workspace, json_schema, parse_plan
from tierwise.config.plan import Plan
from tierwise.errors import ConfigError, GateRefused, UsageError
from tierwise.features.matrix import Matrix
from tierwise.governance import fit_side_words
from tierwise.jobs.beside import SETTINGS, beside_live
from tierwise.jobs.frozen import fit_side, fit_side_said
from tierwise.jobs.intake import _unset, unset_learning
from tierwise.jobs.replay import recipe_of
from tierwise.learning import Affine, PropensityModel, Trained, train_model
from tierwise.learning.calibration import IDENTITY
from tierwise.learning.frozen import FitSide, fit_apart, keep_fit, unlike
from tierwise.learning.season import Season
from tierwise.registry import Bundle, Registry, read_bundle, write_bundle

PLAN = "new_business"
UNTIL = "2026-06-30"
JUNE, SEPTEMBER = "2025-06-01", "2025-09-01"
CLOSED = "2025-05-02"
"""When the horizon of the newest row of the early training had closed."""
PARTS = ["base", "fit_log_odds", "signal_log_odds", "calibration_log_odds"]
FIT = ["fit_log_odds", "fit_score"]


def asked(**model: object) -> Plan:
    return plan(folds=2, scorecard_below=20, fit_frozen_until=UNTIL, **model)


def side(model: PropensityModel, since: str = CLOSED) -> FitSide:
    return FitSide(model, "f" * 64, since)


@cache
def world() -> Matrix:
    """Eighteen months, in the last four of which an industry appears that was not there before."""
    made = matrix(accounts=300, months=18, seed=1)
    fresh = (made.frame["as_of"] >= "2025-03-01") & made.frame["account_id"].str.endswith("3")
    return replace(made, frame=made.frame.assign(industry=made.frame["industry"].mask(fresh, "fresh")))


@cache
def early() -> Trained:
    """A training of the first fourteen months, whose fit side it learned."""
    made = world()
    before = made.frame[made.frame["as_of"] < "2025-03-01"].reset_index(drop=True)
    return train_model(replace(made, frame=before), asked(), threads=1)


@cache
def kept() -> Trained:
    """A training of all months that keeps the early one's fit side."""
    return train_model(world(), asked(), threads=1, keep=side(early().model))


@cache
def learned() -> Trained:
    """The same training that learns its fit side."""
    return train_model(world(), asked(), threads=1)


def test_the_same_facts_keep_their_fit_to_the_bit_and_the_signal_side_is_the_new_one() -> None:
    rows = world().frame
    old, new, free = (trained.model.score(rows) for trained in (early(), kept(), learned()))
    pd.testing.assert_frame_equal(new[FIT], old[FIT], check_exact=True)
    assert np.abs(free["fit_log_odds"] - old["fit_log_odds"]).max() > 0.1, "left alone, it would have moved"
    assert new["signal_log_odds"].to_numpy() == pytest.approx(free["signal_log_odds"].to_numpy(), abs=1e-12)
    assert np.abs(new["signal_log_odds"] - old["signal_log_odds"]).max() > 0.05
    assert new["signal_score"].to_numpy() == pytest.approx(free["signal_score"].to_numpy(), abs=0.5)
    assert new["propensity"].mean() == pytest.approx(free["propensity"].mean(), abs=1e-9)
    assert kept().model.base != early().model.base
    one_by_one = pd.concat([kept().model.score(rows.iloc[[n]]) for n in range(0, len(rows), 180)])
    assert np.array_equal(one_by_one[FIT], old.iloc[::180][FIT]), "whatever rows are scored beside it"


def test_account_and_signal_scores_are_percentiles_of_the_new_cohort() -> None:
    found = kept().model.score(world().frame)
    for name in ("account_score", "signal_score"):
        assert found[name].mean() == pytest.approx(50, abs=0.5), name


def test_law_4_holds_and_lightgbm_gives_the_same_contributions() -> None:
    model, rows = kept().model, world().frame
    found, parts = model.score(rows), model.contributions(rows)
    assert np.abs(found[PARTS].sum(axis=1) - logit(found["propensity"])).max() < 1e-6
    assert np.abs(parts.sum(axis=1) + model.base - logit(found["propensity"])).max() < 1e-6
    stage = model.estimator.signal_  # type: ignore[attr-defined]
    encoded = stage._frame_of(model.estimator.encoder_.encode(rows)[:, 4:])
    oracle = stage.booster_.predict(encoded, pred_contrib=True)
    assert np.abs(model.slope * oracle[:, :-1] - parts.to_numpy()[:, 4:]).max() < 1e-9
    assert np.abs(oracle[:, -1] - stage.base_).max() < 1e-9


def test_a_category_that_was_not_there_stays_unseen() -> None:
    fresh = world().frame[world().frame["industry"] == "fresh"]
    assert len(fresh) > 100
    assert "fresh" in learned().model.estimator.encoder_.levels["industry"]
    model = kept().model
    assert "fresh" not in model.estimator.encoder_.levels["industry"]
    never = fresh.assign(industry="never seen")
    assert np.array_equal(model.contributions(fresh)["industry"], model.contributions(never)["industry"])
    assert np.array_equal(model.score(fresh)["fit_score"], early().model.score(never)["fit_score"])


def test_what_is_written_comes_back_and_the_same_training_gives_the_same_bytes(tmp_path: Path) -> None:
    files = kept().model.to_files()
    assert files["fit.txt"] == early().model.to_files()["fit.txt"]
    again = train_model(world(), asked(), threads=1, keep=side(PropensityModel.from_files(early().model.to_files())))
    assert again.model.to_files() == files
    said = {"model_version": "f" * 64, "trained_as_of": CLOSED, "slope": early().model.slope}
    assert json.loads(files["spec.json"])["kept_fit"] == said
    assert "kept_fit" not in json.loads(learned().model.to_files()["spec.json"]), "old bundles are as they were"
    version = write_bundle(kept().model, world().frame, {"plan": "sample"}, tmp_path / "b")
    back = read_bundle(tmp_path / "b", version=version).model
    assert back.kept_fit == kept().model.kept_fit
    pd.testing.assert_frame_equal(back.score(world().frame), kept().model.score(world().frame), check_exact=True)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    slopes=st.lists(st.floats(0.2, 4.0), min_size=1, max_size=3),
    shift=st.floats(-2, 2),
    waves=st.floats(-0.5, 0.5),
)
def test_however_often_it_is_recalibrated_and_kept_again_the_fit_side_stands(
    slopes: list[float], shift: float, waves: float
) -> None:
    rows = world().frame.iloc[::9].reset_index(drop=True)
    season = Season(tuple((waves * np.cos(2 * np.pi * np.arange(12) / 12)).tolist()))
    free, live = replace(learned().model, season=season), early().model
    first = live.score(rows)["fit_score"]
    for slope in slopes:
        live = replace(live, recalibration=Affine(shift, slope).after(live.recalibration))
        new = keep_fit(free, side(live), rows)
        old, found = live.score(rows), new.score(rows)
        pd.testing.assert_frame_equal(found[FIT], old[FIT], check_exact=True)
        assert np.array_equal(found["fit_score"], first)
        assert new.recalibration == IDENTITY
        assert found["propensity"].mean() == pytest.approx(free.score(rows)["propensity"].mean(), abs=1e-9)
        assert np.abs(found[PARTS].sum(axis=1) - logit(found["propensity"])).max() < 1e-6
        live = PropensityModel.from_files(new.to_files())


def test_a_curve_beyond_the_affine_map_moves_no_fit_score_and_keeps_the_sum() -> None:
    made = train_model(world(), asked(calibration="isotonic"), threads=1, keep=side(early().model)).model
    old, found = early().model.score(world().frame), made.score(world().frame)
    assert made.curve is not None
    pd.testing.assert_frame_equal(found[FIT], old[FIT], check_exact=True)
    assert np.abs(found["calibration_log_odds"]).max() > 0.01
    assert np.abs(found[PARTS].sum(axis=1) - logit(found["propensity"])).max() < 1e-6


def test_the_level_stays_right_on_months_that_neither_fit_side_has_seen() -> None:
    made = matrix(accounts=500, months=27, seed=2)

    def before(day: str) -> Matrix:
        return replace(made, frame=made.frame[made.frame["as_of"] < day].reset_index(drop=True))

    first, free = (train_model(before(day), asked(), threads=1).model for day in ("2025-02-01", "2025-08-01"))
    then = keep_fit(free, side(first), before("2025-08-01").frame)
    unseen = made.frame[made.frame["as_of"] >= "2025-11-01"]
    own, other = (expit(model.log_odds(unseen)) for model in (then, free))
    assert own.sum() == pytest.approx(other.sum(), rel=0.03), "as high as with a fit side that is learned"
    noise = np.sqrt((own * (1 - own)).sum())
    assert abs(own.sum() - unseen["outcome"].sum()) < 3 * noise


def test_live_and_challenger_with_kept_fit_sides_are_compared_by_how_they_are_learned() -> None:
    """The settings of the live model, learned again, are the challenger's own: there is no difference but rounding."""
    trained = kept()
    live = Bundle(trained.model, {"question": "q", "evaluation": trained.evaluation.to_dict()}, "v")
    found = beside_live(live, "q", trained, world(), asked())
    assert found["how"] == SETTINGS
    assert found["paired"]["n"] == len(trained.unseen)
    assert abs(found["paired"]["difference"]) < 1e-5
    assert found["paired"]["champion"] == pytest.approx(found["paired"]["challenger"], abs=1e-5)


def test_the_fit_side_of_another_kind_is_refused() -> None:
    card = train_model(world(), plan(candidates=["scorecard"]), threads=1).model
    with pytest.raises(UsageError, match="the models are staged and scorecard, and only staged ones have a fit side"):
        keep_fit(learned().model, side(card), world().frame)


def test_other_fit_features_are_named_by_name_and_kind() -> None:
    other = (replace(INDUSTRY, kind="number"), *FEATURES[2:])
    assert unlike(FEATURES, FEATURES) == unlike(FEATURES, FEATURES[:4]) == []
    assert unlike(FEATURES, other) == [
        "it reads region, which the plan does not have",
        "industry is a category in it, and a number in the plan",
    ]
    assert unlike(FEATURES[1:], FEATURES) == ["it has no industry"]


def test_too_few_outcomes_for_a_staged_model_are_no_silent_scorecard() -> None:
    with pytest.raises(UsageError) as caught:
        train_model(matrix(accounts=100), plan(fit_frozen_until=UNTIL, scorecard_below=5000, folds=2), threads=1)
    said = str(caught.value)
    assert "a staged model was to be trained, whose fit side is frozen (model.fit_frozen_until)" in said
    assert "below 5000 (model.scorecard_below) the scorecard alone is tried" in said
    assert said.endswith("Remove model.fit_frozen_until until more have it.")


# --- the plan


def test_staged_is_the_one_kind_of_candidate_and_others_are_refused_with_line_and_mend() -> None:
    made = parse_plan(f"plan: p\nmodel:\n  fit_frozen_until: {UNTIL}\n")
    assert [c.called for c in made.model.candidates] == ["staged"]
    several = "[staged, {kind: staged, name: slow, settings: {learning_rate: 0.03}}]"
    two = parse_plan(f"plan: p\nmodel:\n  candidates: {several}\n  fit_frozen_until: {UNTIL}\n").model
    assert [c.called for c in two.candidates] == ["staged", "slow"]
    with pytest.raises(ConfigError) as caught:
        parse_plan(f"plan: p\nmodel:\n  fit_frozen_until: {UNTIL}\n  candidates: [scorecard, staged, additive]\n")
    said = str(caught.value)
    assert "model.yaml:3: model.fit_frozen_until: only a staged model can keep its fit side" in said
    assert "candidates names scorecard, additive too" in said
    assert "leave candidates out, name kinds of staged alone, or remove fit_frozen_until" in said
    with pytest.raises(ConfigError, match="a date"):
        parse_plan("plan: p\nmodel:\n  fit_frozen_until: next year\n")


def test_a_plan_without_the_setting_is_the_plan_it_was() -> None:
    """The hash is that of the plan before there was the setting."""
    section = {"train_from": "2024-01-01", "test_from": "2025-01-01"}
    old, new = (
        Plan.model_validate({"plan": "sample", "model": section | more}) for more in ({}, {"fit_frozen_until": UNTIL})
    )

    def said(p: Plan) -> str:
        out = {"features": _unset(p.features), "model": unset_learning(p.model)}
        return hashlib.sha256(p.model_dump_json(exclude=out).encode()).hexdigest()

    assert said(old) == "2acecb8a4112f47722e6c6b6ab53e247c7c8c7c69f8f6a37a414d791f403105e"
    assert said(new) != said(old)
    assert [c.called for c in old.model.candidates] == ["scorecard", "additive", "two_sided"]


def test_the_schema_says_what_the_setting_does() -> None:
    found = json_schema("model")["$defs"]["Learning"]["properties"]["fit_frozen_until"]
    assert "the live model's fit side is kept" in " ".join(found["description"].split())
    assert found["default"] is None


# --- the jobs

SECTION = f"""
model:
  train_from: 2024-03-01
  folds: 2
  scorecard_below: 30
  candidates: [{{kind: staged, settings: {{fit_rounds: 20, num_leaves: 4, learning_rate: 0.2}}}}]
  fit_frozen_until: {UNTIL}
"""


@dataclass(frozen=True)
class Chain:
    """A workspace with a live model of June 2025 and its challenger of September, which keeps its fit side."""

    folder: Path
    first: tierwise.TrainResult
    second: tierwise.TrainResult

    def copied(self, to: Path) -> Workspace:
        return tierwise.load_workspace(shutil.copytree(self.folder, to))


@pytest.fixture(scope="module")
def chain(small_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    folder = shutil.copytree(small_demo, tmp_path_factory.mktemp("frozen") / "ws")
    shutil.rmtree(folder / "state")
    shutil.rmtree(folder / "published")
    file = folder / "models" / PLAN / "model.yaml"
    file.write_text(file.read_text().partition("\nmodel:")[0] + SECTION)
    workspace = tierwise.load_workspace(folder)
    return Chain(folder, *(tierwise.train(workspace, as_of=day) for day in (JUNE, SEPTEMBER)))


def registry_of(workspace: Workspace) -> Registry:
    return Registry(workspace.registry, workspace.folder / "state" / "models")


def tiers(workspace: Workspace, model: str = "champion") -> pd.DataFrame:
    return tierwise.score(workspace, as_of="2026-01-01", dry_run=True, model=model).tiers


@pytest.mark.long
def test_a_retrain_keeps_the_fit_scores_and_says_so_in_bundle_card_and_page(chain: Chain) -> None:
    workspace = tierwise.load_workspace(chain.folder)
    registry = registry_of(workspace)
    live, new = registry.live(PLAN), registry.challenger(PLAN)
    assert (chain.first.live, chain.second.live) == (True, False)
    at = {"frozen_until": UNTIL, "thawed": False}
    assert live.meta["fit_side"] == at | {"model_version": None, "trained_as_of": JUNE}
    side = new.meta["fit_side"]
    assert {name: side[name] for name in ("model_version", "trained_as_of", *at)} == at | {
        "model_version": live.version,
        "trained_as_of": JUNE,
    }
    newest, own = (chain.second.unseen["as_of"], chain.second.evaluation["metrics"]["staged"]["log_loss"]["value"])
    assert newest.eq(JUNE).all(), "of the unseen months, the one that the fit side has not learned from"
    assert (side["judged"], side["whole"], side["from"], side["rows"]) == (True, False, JUNE, len(newest))
    assert side["log_loss"] == own != side["log_loss_anew"]
    old, now = live.model.to_files(), new.model.to_files()
    assert old["fit.txt"] == now["fit.txt"]
    assert old["signal.txt"] != now["signal.txt"]
    assert live.model.percentiles["fit"] == new.model.percentiles["fit"]
    said = f"it side of {JUNE} (model {live.version[:12]}), frozen until {UNTIL}. Figures and comparison are of a model"
    told = f"unseen months from {JUNE} on, new to it: log-loss {own:.4f} against {side['log_loss_anew']:.4f} with"
    assert told in chain.second.page.read_text()
    assert f"- kept across trainings: f{said}" in (workspace.folder / "models" / PLAN / "card.md").read_text()
    assert f"<p>F{said}" in chain.second.page.read_text()
    assert f"<p>Fit side of {JUNE}, frozen until {UNTIL}.</p>" in chain.first.page.read_text()

    before, after = tiers(workspace), tiers(workspace, "challenger")
    pd.testing.assert_series_equal(after["fit_score"], before["fit_score"], check_exact=True)
    assert before["fit_score"].notna().sum() > 100
    assert (after["signal_score"] - before["signal_score"]).abs().max() > 1
    assert (after["propensity"] - before["propensity"]).abs().max() > 0.001


@pytest.mark.long
def test_the_same_retrain_gives_the_same_bytes(chain: Chain, tmp_path: Path) -> None:
    again = tierwise.train(chain.copied(tmp_path / "ws"), as_of=SEPTEMBER)
    assert again.model_version == chain.second.model_version


@pytest.mark.long
def test_it_goes_through_the_gate_and_is_recalibrated_without_moving_a_fit_score(chain: Chain, tmp_path: Path) -> None:
    workspace = chain.copied(tmp_path / "ws")
    registry, before = registry_of(workspace), tiers(workspace)
    june = registry.live(PLAN).version
    done = tierwise.promote(workspace, by="Ada", because="to see what is kept")
    assert done.gate is not None
    assert done.gate.paired is not None, "it was compared with the live model, whatever came of it"
    assert done.model_version == chain.second.model_version
    tierwise.recalibrate(workspace, as_of="2026-01-01")
    made = registry.challenger(PLAN)
    assert made.model.recalibration != IDENTITY
    assert made.model.kept_fit == registry.live(PLAN).model.kept_fit
    after = tiers(workspace, "challenger")
    pd.testing.assert_series_equal(after["fit_score"], before["fit_score"], check_exact=True)
    assert "kept across trainings" in (workspace.folder / "models" / PLAN / "card.md").read_text()
    tierwise.promote(workspace, by="Ada", because="to see what is kept")
    found = fit_side(registry, workspace.plan(), instant("2026-01-01"), 1)
    assert found is not None
    assert (found.model_version, found.trained_as_of) == (june, JUNE)
    assert recipe_of(workspace, workspace.plan()).fit_side_of == JUNE, "a replay says that it learns its own"
    assert tierwise.score(workspace, as_of="2026-01-01").new
    assert tierwise.govern(workspace, as_of="2026-01-01").review.verdict in ("steady", "watch", "act")


@pytest.mark.long
def test_a_new_signal_feature_is_learned_beside_the_kept_fit_side(chain: Chain, tmp_path: Path) -> None:
    workspace = chain.copied(tmp_path / "ws")
    file = workspace.folder / "models" / PLAN / "model.yaml"
    text = re.sub(r"\n    windows_days: .*", "\n    windows_days: [14, 30, 90, 365]", file.read_text())
    assert text != file.read_text()
    file.write_text(text)
    tierwise.train(tierwise.load_workspace(workspace.folder), as_of="2026-01-01")
    registry = registry_of(workspace)
    live, new = registry.live(PLAN), registry.challenger(PLAN)
    assert new.meta["question"] != live.meta["question"]
    assert {f.name for f in new.model.features} - {f.name for f in live.model.features}
    assert fit_apart(live.model, new.model) == ""
    said = new.meta["fit_side"]
    assert (said["judged"], said["whole"], said["from"]) == (True, True, JUNE)


@pytest.mark.long
def test_a_kept_fit_side_that_no_row_could_judge_is_refused_by_name_and_may_be_overruled(
    chain: Chain, tmp_path: Path
) -> None:
    workspace = chain.copied(tmp_path / "ws")
    made = tierwise.train(workspace, as_of="2025-08-01")
    untested = f"the probabilities of that of {JUNE}, which it keeps, were not tested, as the months that it has not"
    assert untested in " ".join(made.page.read_text().split())
    with pytest.raises(GateRefused) as caught:
        tierwise.promote(workspace)
    assert untested in str(caught.value)
    assert "those hold 0 accounts with the outcome and 0 without (20 of each are the least)" in str(caught.value)
    done = tierwise.promote(workspace, by="Ada", because="fit scores are to stand still")
    assert (done.model_version, done.overruled) == (made.model_version, "Ada: fit scores are to stand still")


@pytest.mark.long
def test_a_fit_side_learned_anew_is_refused_once_the_plan_freezes_the_live_one_again(
    chain: Chain, tmp_path: Path
) -> None:
    workspace = chain.copied(tmp_path / "ws")
    file = workspace.folder / "models" / PLAN / "model.yaml"
    text = file.read_text()
    file.write_text(text.replace(UNTIL, SEPTEMBER))
    made = tierwise.train(tierwise.load_workspace(workspace.folder), as_of=SEPTEMBER)
    file.write_text(text)
    later = tierwise.load_workspace(workspace.folder)
    with pytest.raises(GateRefused) as caught:
        tierwise.promote(later)
    said = f"the plan freezes the fit side until {UNTIL} (model.fit_frozen_until), and it has another fit side than the"
    assert said in str(caught.value)
    done = tierwise.promote(later, by="Ada", because="the old fit side is of last year")
    assert (done.model_version, done.overruled) == (made.model_version, "Ada: the old fit side is of last year")


@pytest.mark.long
def test_a_recalibrated_model_names_the_training_that_its_fit_side_was_learned_in(chain: Chain, tmp_path: Path) -> None:
    workspace = chain.copied(tmp_path / "ws")
    registry = registry_of(workspace)
    june = registry.live(PLAN).version
    tierwise.recalibrate(workspace, as_of="2025-12-01")
    tierwise.promote(workspace, by="Ada", because="to see what is kept")
    assert registry.live(PLAN).version != june
    found = fit_side(registry, workspace.plan(), instant("2026-01-01"), 1)
    assert found is not None
    assert (found.model_version, found.trained_as_of) == (june, JUNE)


@pytest.mark.long
def test_from_the_date_on_and_without_a_live_model_the_fit_side_is_learned(chain: Chain, tmp_path: Path) -> None:
    workspace = tierwise.load_workspace(chain.folder)
    registry, files = registry_of(workspace), workspace.plan()
    assert fit_side(registry, files, instant("2026-06-29"), 1) is not None
    assert fit_side(registry, files, instant(UNTIL), 1) is None
    assert fit_side(Registry(None, tmp_path / "none"), files, instant("2026-06-29"), 1) is None
    said = fit_side_said(files, None, instant("2026-07-31"))["fit_side"]
    assert said == {"model_version": None, "trained_as_of": "2026-07-31", "frozen_until": UNTIL, "thawed": True}
    assert fit_side_words(said) == (
        f"fit side of 2026-07-31, learned anew, as the date that it was to be frozen until, {UNTIL}, has come"
    )
    unset = replace(files, plan=plan())
    assert fit_side_said(unset, None, instant("2026-07-31")) == {}
    assert fit_side(registry, unset, instant("2026-01-01"), 1) is None


CANNOT = (
    (
        ("horizon_days: 90", "horizon_days: 60"),
        "2026-01-01",
        "answers another question: in model.yaml, outcome has changed since",
    ),
    (
        ("attribute: region,", "attribute: domain,"),
        "2026-01-01",
        "has other fit features: it has no domain; it reads region",
    ),
    (("", ""), "2025-05-01", f"has a fit side of {JUNE}, which tells of what came after 2025-05-01"),
)


@pytest.mark.long
@pytest.mark.parametrize(("change", "day", "words"), CANNOT)
def test_what_cannot_be_kept_is_refused_with_what_is_there_and_what_to_do(
    chain: Chain, tmp_path: Path, change: tuple[str, str], day: str, words: str
) -> None:
    workspace = chain.copied(tmp_path / "ws")
    file = workspace.folder / "models" / PLAN / "model.yaml"
    text = file.read_text()
    assert change[0] in text
    file.write_text(text.replace(*change))
    with pytest.raises(UsageError) as caught:
        tierwise.train(tierwise.load_workspace(workspace.folder), as_of=day)
    line = 1 + text.splitlines().index(f"  fit_frozen_until: {UNTIL}")
    said, live = str(caught.value), registry_of(workspace).live(PLAN).version[:12]
    assert said.startswith(f"models/{PLAN}/model.yaml:{line}: a training as of {day} was to keep the live model's fit")
    assert f"the live model ({live}) {words}" in said
    assert f"train once with fit_frozen_until: {day} or earlier, promote the staged model" in said
    assert said.endswith("or remove fit_frozen_until.")


def test_a_live_model_of_another_kind_ends_the_command_with_code_2_and_nothing_is_registered(
    small_demo: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(small_demo, tmp_path / "ws")
    kind = registry_of(tierwise.load_workspace(folder)).live(PLAN).model.kind
    assert kind != "staged"
    file = folder / "models" / PLAN / "model.yaml"
    file.write_text(file.read_text().partition("\nmodel:")[0] + SECTION)
    done = nursery.tierwise("-C", folder, "train", "--as-of", "2026-01-01")
    assert done.returncode == 2
    assert f"is of the kind {kind}, whose fit side was not learned alone" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert len(registry_of(tierwise.load_workspace(folder)).versions(PLAN)) == 1
