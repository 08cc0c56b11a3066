"""What a plan may set of its candidates: the words for what it may not, and weights that outlive a bundle."""

from __future__ import annotations

import inspect
import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from matrix_sample import matrix
from tierwise.config import Plan, load_workspace
from tierwise.config.icp import Icp
from tierwise.config.load import PlanFiles
from tierwise.config.plan import Candidate, Setting
from tierwise.config.plays import Plays
from tierwise.config.policy import Policy
from tierwise.config.yaml_lines import Document
from tierwise.errors import BundleError, ConfigError
from tierwise.jobs.intake import _unset, question
from tierwise.jobs.train import train
from tierwise.jobs.workspace import check
from tierwise.learning import Affine, PropensityModel
from tierwise.learning.candidates import KINDS, check_candidates, make
from tierwise.learning.model import freeze
from tierwise.learning.sides import SidesClassifier
from tierwise.registry import read_bundle, write_bundle

SAMPLE = matrix(accounts=80, months=3)
OURS = ("self", "features", "threads", "seed", "prior")
"""What a plan does not set; nor the path parameter, which the folds find."""
FEW_ROUNDS = {"rounds": 8, "fit_rounds": 6, "penalty": 40.0}

# --- weights and bundles ----------------------------------------------------------------------------------------------


@cache
def weighted(kind: str, weight: float) -> PropensityModel:
    made = make(Candidate(kind=kind, settings={"outcome_weight": weight}), SAMPLE.features, {}, threads=1, seed=7)
    made.set_params(**{name: value for name, value in FEW_ROUNDS.items() if name in made.get_params()})
    fitted = made.fit(SAMPLE.frame, SAMPLE.frame["outcome"])
    return freeze(kind, fitted, Affine(0.1, 0.9), SAMPLE.frame, 90, datetime(2025, 1, 1, tzinfo=UTC), 1)


@pytest.mark.parametrize("weight", [3, 0.25, 1])
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_model_that_weighs_outcomes_comes_back_from_its_bundle(tmp_path: Path, kind: str, weight: float) -> None:
    model = weighted(kind, weight)
    write_bundle(model, SAMPLE.frame, {}, tmp_path / "b")
    back = read_bundle(tmp_path / "b").model
    assert back.estimator.outcome_weight == weight
    pd.testing.assert_frame_equal(back.score(SAMPLE.frame), model.score(SAMPLE.frame), check_exact=True)
    np.testing.assert_array_equal(
        back.estimator.predict_proba(SAMPLE.frame), model.estimator.predict_proba(SAMPLE.frame)
    )
    assert back.to_files() == model.to_files()


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_weight_is_written_only_where_there_is_one(kind: str) -> None:
    said = {weight: json.loads(weighted(kind, weight).to_files()["spec.json"]) for weight in (1, 3)}
    assert said[3]["outcome_weight"] == 3.0
    assert "outcome_weight" not in said[1]


@pytest.mark.parametrize("weight", [0, -3, "much", None, float("nan"), float("inf")])
def test_a_bundle_s_weight_that_is_none_is_refused(weight: object) -> None:
    files = weighted("staged", 3).to_files()
    spec = json.loads(files["spec.json"]) | {"outcome_weight": weight}
    with pytest.raises(BundleError, match="its files do not hold one"):
        PropensityModel.from_files(files | {"spec.json": json.dumps(spec).encode()})


# --- what may be set --------------------------------------------------------------------------------------------------

LEAVES = "num_leaves may be a whole number from 2 to 131,072"
LEAST = "min_leaf may be a whole number from 1 to 1,000,000"
RATE = "learning_rate may be a number above 0 and up to 1"
SHARE = "feature_fraction may be a number above 0 and up to 1"
RIDGE = "lambda_l2 may be a number from 0 to 1,000,000"
WEIGHT = "outcome_weight may be a number from 0.001 to 1,000"
BINS = "bins may be a whole number from 2 to 255"
FIRST = "fit_rounds may be a whole number from 1 to 10,000"
BAD = (
    ("two_sided", "num_leaves: 1", "num_leaves 1", LEAVES),
    ("additive", "num_leaves: 7.5", "num_leaves 7.5", LEAVES),
    ("staged", "num_leaves: 131073", "num_leaves 131073", LEAVES),
    ("two_sided", "learning_rate: -1", "learning_rate -1", RATE),
    ("two_sided", "learning_rate: 0", "learning_rate 0", RATE),
    ("staged", "learning_rate: .nan", "learning_rate nan", RATE),
    ("additive", "learning_rate: .inf", "learning_rate inf", RATE),
    ("two_sided", "feature_fraction: 2", "feature_fraction 2", SHARE),
    ("two_sided", "feature_fraction: 0.0", "feature_fraction 0.0", SHARE),
    ("additive", "lambda_l2: -5", "lambda_l2 -5", RIDGE),
    ("additive", "lambda_l2: .inf", "lambda_l2 inf", RIDGE),
    ("two_sided", "min_leaf: -3", "min_leaf -3", LEAST),
    ("two_sided", "min_leaf: 0", "min_leaf 0", LEAST),
    ("scorecard", "outcome_weight: 0", "outcome_weight 0", WEIGHT),
    ("scorecard", "outcome_weight: -.inf", "outcome_weight -inf", WEIGHT),
    ("staged", "fit_rounds: 0", "fit_rounds 0", FIRST),
    ("scorecard", "bins: 0", "bins 0", BINS),
    ("scorecard", "bins: -2", "bins -2", BINS),
    ("scorecard", "bins: 3.5", "bins 3.5", BINS),
    ("scorecard", f"bins: 1{'0' * 400}", f"bins 1{'0' * 400}", BINS),
    ("scorecard", "num_leaves: 5", "num_leaves 5", "a scorecard has bins, outcome_weight to set"),
    ("two_sided", "fit_rounds: 5", "fit_rounds 5", "a two_sided has learning_rate, num_leaves, min_leaf"),
    ("two_sided", "rounds: 5, num_leaves: 1", "rounds 5, num_leaves 1", f"to set; {LEAVES}"),
    ("scorecard", "bins: 0, outcome_weight: 0", "bins 0, outcome_weight 0", f"{BINS}; {WEIGHT}"),
)


@pytest.mark.parametrize(("kind", "settings", "asked", "may"), BAD)
def test_nonsense_is_refused_before_data_are_read(
    tmp_path: Path, kind: str, settings: str, asked: str, may: str
) -> None:
    plan = f"plan: main\nmodel:\n  candidates: [scorecard, {{kind: {kind}, name: mine, settings: {{{settings}}}}}]\n"
    (tmp_path / "models" / "main").mkdir(parents=True)
    (tmp_path / "models" / "main" / "model.yaml").write_text(plan, encoding="utf-8")
    (tmp_path / "tierwise.yaml").write_text("", encoding="utf-8")
    workspace, heard = load_workspace(tmp_path), []
    for verb in (train, check):
        with pytest.raises(ConfigError) as told:
            verb(workspace, say=heard.append)
        assert told.value.asked == f"the candidate 'mine' was to be made with {asked}"
        assert may in told.value.found
        assert str(told.value).endswith("Mend model.candidates in model.yaml.")
    assert not heard
    assert {p.name for p in tmp_path.iterdir()} == {"models", "tierwise.yaml"}


def test_an_estimator_of_nonsense_is_not_made_either() -> None:
    with pytest.raises(ConfigError, match="'scorecard' was to be made with bins 0: bins may be"):
        make(Candidate(kind="scorecard", settings={"bins": 0}), SAMPLE.features, {}, threads=1, seed=7)


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_setting_has_its_range_and_every_default_and_every_search_lies_in_it(kind: str) -> None:
    found = KINDS[kind]
    signature = inspect.signature(found.estimator.__init__).parameters
    assert sorted(found.may) == sorted(n for n in signature if n not in (*OURS, found.estimator.path_parameter))
    defaults = {n: signature[n].default for n in found.may if signature[n].default is not None}
    for settings in (defaults, *({n: getattr(s, end) for n, s in found.space.items()} for end in ("low", "high"))):
        check_candidates([Candidate(kind=kind, settings=settings)])


EXTREMES: dict[str, tuple[Setting, ...]] = {
    "bins": (2, 255),
    "outcome_weight": (0.001, 1000),
    "num_leaves": (2, 131_072, 4.0),
    "learning_rate": (1e-6, 1),
    "min_leaf": (1, 1_000_000, 10.0),
    "lambda_l2": (0, 1_000_000),
    "feature_fraction": (1e-6, 1),
    "fit_rounds": (1, 5.0),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_what_may_be_set_can_be_learned_with_to_its_ends(kind: str) -> None:
    y = SAMPLE.frame["outcome"]
    for name in KINDS[kind].may:
        for value in EXTREMES[name]:
            made = make(Candidate(kind=kind, settings={name: value}), SAMPLE.features, {}, threads=1, seed=7)
            few: SidesClassifier = made.again(**({"rounds": 3} if "rounds" in made.get_params() else {}))
            assert np.isfinite(few.fit(SAMPLE.frame, y).decision_function(SAMPLE.frame)).all(), (name, value)


def test_a_setting_said_as_it_is_by_default_changes_no_question(tmp_path: Path) -> None:
    def asked(**features: object) -> str:
        plan = Plan.model_validate({"plan": "p", "features": features})
        return question(PlanFiles(plan, Policy(), Plays(), Icp(), tmp_path, Document()))

    assert asked() == "1d258b112b4b1d7672a4030c067c2721cad5247aa4b5ea8bdecde3b8880ea6f1", (
        "as models of before there were objections have it"
    )
    every: dict[str, object] = {"signal": {"objections": ["x"]}, "monotone": {"web_7d": "rising"}}
    for said, features in ((False, {}), (True, every)):
        plan = Plan.model_validate({"plan": "p", "features": features})
        dumped = plan.model_dump_json(exclude={"features": _unset(plan.features)})
        assert ("objections" in dumped) == ("monotone" in dumped) == said
    assert asked() == asked(signal={"objections": [], "initiators": ["buyer"]}, monotone={})
    assert asked() != asked(signal={"objections": ["bounce"]})
    assert asked() != asked(monotone={"web_7d": "rising"})
