"""Law 4 on every row of every set that benchmarks/candidates.py reads, for every kind of candidate, against oracles."""

from __future__ import annotations

import sys
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from candidates import DATA, SETS
from contest.case import Absent, Case
from matrix_sample import point_lines, side_sums
from tierwise.features.feature import Feature
from tierwise.learning import Affine, FreeBooster, Scorecard
from tierwise.learning.boosters import column_names
from tierwise.learning.candidates import KINDS
from tierwise.learning.model import freeze
from tierwise.learning.sides import SidesClassifier
from tierwise.learning.staged import StagedBooster

MODELS = {**{name: kind.estimator for name, kind in KINDS.items()}, "free": FreeBooster}
LINE = Affine(intercept=-0.3, slope=0.8)
TRAINED = datetime(2025, 1, 1, tzinfo=UTC)
LARGE, FEWER = 20_000, 25
"""On more rows than LARGE, the oracle is asked of FEWER trees a booster: it takes up to a millisecond a row."""


class Cases(dict[str, Case]):
    """The sets, each read once, where it is first asked for; skipped by name where its data are not there."""

    def __missing__(self, name: str) -> Case:
        try:
            self[name] = SETS[name](DATA)
        except Absent as absent:
            pytest.skip(f"{absent} (../shared/data)")
        return self[name]


@pytest.fixture(scope="module")
def cases() -> Cases:
    return Cases()


def by_hand(card: Scorecard, rows: pd.DataFrame) -> np.ndarray:
    """A scorecard's contributions, read off its printed points: each raw value in the one line that holds it."""
    lines, found = point_lines(card, rows), np.full((len(rows), len(card.encoder_.features)), np.nan)
    for j, feature in enumerate(card.encoder_.features):
        own, values = lines[lines["feature"] == feature.name], filled(card, feature, rows[feature.name])
        for line in own.itertuples():
            if line.bin == feature.absent and np.isnan(line.at_least):
                here = values.isna()
            elif line.level == "any other":
                here = values.notna() & ~values.isin(own["level"])
            elif feature.kind == "category":
                here = values == line.level
            else:
                here = (line.at_least <= values) & (values < line.below)
            here = here.to_numpy(dtype=bool)
            assert np.isnan(found[here, j]).all(), f"two lines hold a value of {feature.name}"
            found[here, j] = line.log_odds
    return found


def filled(card: Scorecard, feature: Feature, values: pd.Series) -> pd.Series:
    """The values of a feature; where being missing must not tell, what is missing is what it is taken for."""
    fill = card.encoder_.fills[feature.name]
    if feature.kind == "category":
        values, fill = values.astype(object), (card.encoder_.levels[feature.name] or ("any other",))[int(fill)]
    else:
        values = pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan))
    return values if feature.missing == "value" else values.where(values.notna(), fill)


def by_trees(booster: lightgbm.Booster, frame: pd.DataFrame) -> np.ndarray:
    """The contributions of a model of trees by TreeSHAP: shap's own where it can be, which knows no categories; else
    LightGBM's, which is what shap's explainer asks then."""
    if (booster.trees_to_dataframe()["decision_type"] == "==").any():
        return np.asarray(booster.predict(frame, pred_contrib=True, num_threads=1))[:, :-1]
    shap = pytest.importorskip("shap")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shap warns of its own next version's output shape
        explainer = shap.TreeExplainer(booster)
        explainer.model.model_type = "internal"
        told = explainer.shap_values(frame, check_additivity=False)
    return np.asarray(told[1] if isinstance(told, list) else told)


def stages(made: SidesClassifier, rows: pd.DataFrame) -> list[tuple[lightgbm.Booster, pd.DataFrame, np.ndarray]]:
    """The boosters that a model of trees is made of, with what each reads and the places of its features."""
    encoded, features = made.encoder_.encode(rows), made.encoder_.features
    if not isinstance(made, StagedBooster):
        everything = np.arange(len(features))
        return [(made.booster_, pd.DataFrame(encoded, columns=column_names(features)), everything)]
    found = []
    for side, stage in (("fit", made.fit_), ("signal", made.signal_)):
        places = np.array([j for j, f in enumerate(features) if f.side == side], dtype=np.intp)
        read = encoded[:, places] if len(places) else np.zeros((len(rows), 1))
        frame = pd.DataFrame(read, columns=column_names(stage.encoder_.features))
        found.append((stage.booster_, frame, places))
    return found


def log_odds(made: SidesClassifier, rows: pd.DataFrame) -> np.ndarray:
    """A model's raw log-odds, without its contributions: LightGBM's own raw scores, or the points added up by hand."""
    if isinstance(made, Scorecard):
        return made.base_ + by_hand(made, rows).sum(axis=1)
    return np.sum([b.predict(frame, raw_score=True, num_threads=1) for b, frame, _ in stages(made, rows)], axis=0)


def oracle(made: SidesClassifier, rows: pd.DataFrame) -> np.ndarray:
    """A model's contributions by another way."""
    if isinstance(made, Scorecard):
        return by_hand(made, rows)
    found = np.zeros((len(rows), len(made.encoder_.features)))
    for booster, frame, places in stages(made, rows):
        found[:, places] = by_trees(booster, frame)[:, : len(places)]
    return found


def fewer(made: SidesClassifier) -> SidesClassifier:
    """The same kind of model, of fewer trees."""
    given = made.get_params()
    return made.__class__(**given | {name: FEWER for name in ("rounds", "fit_rounds") if name in given})


@pytest.mark.long
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", SETS)
def test_reasons_sum_to_the_log_odds_on_every_row_of_a_set(
    name: str, kind: str, cases: Cases, capsys: pytest.CaptureFixture[str]
) -> None:
    case, began = cases[name], time.perf_counter()
    part = case.parts[0]
    train, rows = part.train, pd.concat([part.train, part.unseen], ignore_index=True)
    y = train["outcome"].to_numpy(dtype=np.float64)
    made = MODELS[kind](features=case.features, threads=1).fit(train, y)
    model = freeze(kind, made, LINE, train, case.horizon_days, TRAINED, 1)
    parts, scores = model.contributions(rows), model.score(rows)
    fit, signal = side_sums(parts, case.features)
    expected = LINE(log_odds(made, rows))
    off = np.abs(model.base + fit + signal - expected).max()
    assert off < 1e-6
    assert np.abs(scores["base"] + scores["fit_log_odds"] + scores["signal_log_odds"] - expected).max() < 1e-6
    assert np.abs(logit(scores["propensity"]) - expected).max() < 1e-6
    asked = made if kind == "scorecard" or len(rows) <= LARGE else fewer(made).fit(train, y)
    apart = np.abs(asked.contributions(rows) - oracle(asked, rows)).max()
    assert apart < 1e-6
    with capsys.disabled():
        took = time.perf_counter() - began
        print(f"\n{name}, {kind}: {len(rows):,} rows, sum off {off:.1e}, oracle off {apart:.1e}, {took:.0f} s", end="")
