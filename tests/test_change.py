"""What changed: exact splits, and a known truth found in them: an event, the passing of time, another model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exports import PLAN, random_export
from matrix_sample import matrix
from tables import as_tables
from tierwise.data import Warehouse, as_of_view
from tierwise.explain import Evidence, Observed, Stage, by_cause, reasons, split_change, spoken_change
from tierwise.features import build_matrix, catalogue
from tierwise.features.matrix import Matrix
from tierwise.learning import Affine, PropensityModel, Scorecard, TwoSidedBooster
from tierwise.learning.model import freeze

KEY = st.tuples(st.sampled_from(["fit", "signal", "calibration"]), st.sampled_from("ab"), st.sampled_from("xyz"))
STAGE = st.builds(Stage, st.floats(-5, 5), st.dictionaries(KEY, st.floats(-3, 3)))


def model(sample: Matrix, kind: str, intercept: float = 0.1) -> PropensityModel:
    made = Scorecard(sample.features) if kind == "scorecard" else TwoSidedBooster(sample.features, rounds=15)
    fitted = made.fit(sample.frame, sample.frame["outcome"])
    return freeze(kind, fitted, Affine(intercept, 0.9), sample.frame, 90, datetime(2025, 1, 1, tzinfo=UTC), 1)


def stage(made: PropensityModel, rows: Matrix) -> Stage:
    return Stage.of(made.base, reasons(made, rows))


@settings(deadline=None)
@given(first=STAGE, stages=st.lists(STAGE, min_size=1, max_size=5), data=st.data())
def test_a_split_sums_to_the_difference_whatever_the_stages(
    first: Stage, stages: list[Stage], data: st.DataObject
) -> None:
    causes = [data.draw(st.sampled_from(["revised", "model", "ageing", "moves"])) for _ in stages]
    parts = split_change(first, list(zip(causes, stages, strict=True)))
    assert parts["log_odds"].sum() == pytest.approx(stages[-1].total - first.total, abs=1e-9)
    assert by_cause(parts)["log_odds"].sum() == pytest.approx(stages[-1].total - first.total, abs=1e-9)
    assert not parts.duplicated(["cause", "side", "family", "feature"]).any()
    told = spoken_change(parts, {}, {})
    assert told["log_odds"].sum() == pytest.approx(parts["log_odds"].sum(), abs=1e-9)


@settings(deadline=None, max_examples=10)
@given(
    seed=st.integers(0, 2**31),
    old=st.sampled_from(["scorecard", "two_sided"]),
    new=st.sampled_from(["scorecard", "two_sided", "same"]),
)
def test_each_cause_is_what_it_says_for_both_kinds_and_for_another_model(seed: int, old: str, new: str) -> None:
    sample = matrix(accounts=60, months=4, seed=seed)
    before = model(sample, old)
    after = before if new == "same" else model(matrix(accounts=80, months=3, seed=seed + 1), new, intercept=-0.4)
    of = sample.frame["account_id"] == "a00003"
    then, aged, now = (sample.where(of).where(np.arange(4) == k) for k in (0, 1, 3))
    steps = [("model", stage(after, then)), ("ageing", stage(after, aged)), ("moves", stage(after, now))]
    parts = split_change(stage(before, then), steps)
    sums = by_cause(parts).set_index("cause")["log_odds"]

    def total(made: PropensityModel, rows: Matrix) -> float:
        return float(made.log_odds(rows.frame)[0])

    assert sums["model"] == pytest.approx(total(after, then) - total(before, then), abs=1e-9)
    assert sums["ageing"] == pytest.approx(total(after, aged) - total(after, then), abs=1e-9)
    assert sums["moves"] == pytest.approx(total(after, now) - total(after, aged), abs=1e-9)
    assert parts["log_odds"].sum() == pytest.approx(total(after, now) - total(before, then), abs=1e-9)
    assert (new == "same") == ("model" not in set(parts["cause"]))
    base = parts[parts["feature"] == "base"]["log_odds"].sum()
    assert base == pytest.approx(after.base - before.base, abs=1e-9)


THEN, NOW = datetime(2025, 5, 1, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC)


def _rows(tables: dict, as_of: datetime, rewound_to: datetime | None = None) -> pd.DataFrame:
    """The features of as_of, from all facts or from those known before an instant."""
    with Warehouse.open(as_tables(tables), threads=1) as warehouse:
        if rewound_to is None:
            return build_matrix(warehouse, PLAN, (as_of,)).frame
        clocks = {a.attribute: a.clock for a in PLAN.features.fit} | {"contacts.role": "tracked"}
        with as_of_view(warehouse, rewound_to, clocks).open(warehouse) as view:
            return build_matrix(view, PLAN, (as_of,)).frame


def _quiet(seed: int) -> dict:
    """An export in which nothing is known from THEN on."""
    from exports import rewound

    return rewound(random_export(seed, THEN), THEN)


@pytest.mark.parametrize("seed", range(4))
def test_with_no_event_since_then_all_of_the_change_is_ageing(seed: int) -> None:
    tables = _quiet(seed)
    aged, now = _rows(tables, NOW, rewound_to=THEN), _rows(tables, NOW)
    pd.testing.assert_frame_equal(aged, now)
    assert len(now)


def test_an_event_since_then_is_the_move_and_time_the_rest() -> None:
    tables = _quiet(1)
    aged, then = _rows(tables, NOW, rewound_to=THEN), _rows(tables, THEN)
    account = then["account_id"].iloc[0]
    event = {
        "activity_id": "planted", "account_id": account, "contact_id": None, "lead_id": None, "identity_id": None,
        "domain": None, "occurred_at": NOW - timedelta(days=3), "recorded_at": None, "channel": "web",
        "kind": "pricing_visit", "initiator": "buyer", "value": None,
    }  # fmt: skip
    tables["activities"] = [*tables["activities"], event]
    now, still = _rows(tables, NOW), _rows(tables, NOW, rewound_to=THEN)
    pd.testing.assert_frame_equal(aged, still)
    features = {f.name: f for f in catalogue(PLAN)}
    rows = [f[f["account_id"] == account].reset_index(drop=True).iloc[0] for f in (aged, now)]
    moved = {n for n in features if rows[0][n] != rows[1][n] and not (pd.isna(rows[0][n]) and pd.isna(rows[1][n]))}
    assert {"web_pricing_visit_7d", "web_7d", "signals_7d", "web_days_since"} <= moved
    assert moved <= {n for n in features if n.startswith(("web_", "signals_", "pricing_visit_value"))}
    parts = {("signal", features[n].family, n): 1.0 for n in moved}
    told = spoken_change(
        split_change(Stage(0.0, {}), [("moves", Stage(0.0, parts))]), features, {"moves": (rows[0], rows[1])}
    )
    words = dict(told[["family", "words"]].itertuples(index=False, name=None))
    assert words["website"].startswith("website: ")
    assert " from " in words["website"]
    others = now[now["account_id"] != account].reset_index(drop=True)
    pd.testing.assert_frame_equal(others, aged[aged["account_id"] != account].reset_index(drop=True))


def test_words_name_the_part_that_moved_most_easily_said_and_proven() -> None:
    features = {f.name: f for f in catalogue(PLAN)}
    names = ["web_pricing_visit_30d", "web_decayed_7d", "web_days_since", "signals_trend_30d"]
    rows = (pd.Series([2.0, 1.0, 40.0, 0.0], names), pd.Series([7.0, 3.0, 3.0, np.log(3)], names))
    parts = {
        ("signal", "website", "web_decayed_7d"): 0.5,
        ("signal", "website", "web_pricing_visit_30d"): 0.4,
        ("signal", "website", "web_days_since"): -0.6,
        ("signal", "all buyer activity", "signals_trend_30d"): 0.2,
    }
    change = split_change(Stage(0.0, {}), [("moves", Stage(0.1, parts))])
    told = spoken_change(change, features, {"moves": rows}).set_index("family")
    assert told.loc["website", "words"] == "website: pricing visits in 30 days from 2 to 7"
    trend = "all buyer activity: from 1.0 to 3.0 times as much in 30 days as in the 30 before"
    assert told.loc["all buyer activity", "words"] == trend
    assert told.loc["", "words"] == "what an average account has"
    found = Evidence({"web_days_since": 5.0}, {("signal", "website"): 5.0}, 10, 10)
    told = spoken_change(change, features, {"moves": rows}, found).set_index("family")
    assert told.loc["website", "words"] == "website, as a whole", "the proven part points the other way"
    assert told["proven"].to_dict() == {"": True, "website": True, "all buyer activity": False}


@pytest.mark.parametrize(("then", "now", "words"), [
    (0.05, 0.2, "website: pricing visits in 30 days from 2 to 7"),
    (0.1, 0.11, "website: pricing visits in 30 days from 2 to 7"),
    (0.2, 0.05, "website: newest from 40 to 3"),
])  # fmt: skip
def test_a_move_is_told_by_no_part_that_what_was_observed_speaks_against(then: float, now: float, words: str) -> None:
    features = {f.name: f for f in catalogue(PLAN)}
    names = ["web_pricing_visit_30d", "web_days_since"]
    rows = (pd.Series([2.0, 40.0], names), pd.Series([7.0, 3.0], names))
    parts = {("signal", "website", "web_pricing_visit_30d"): 0.9, ("signal", "website", "web_days_since"): 0.6}
    cells = [
        {"rows": 900, "accounts": 400, "outcomes": 9, "rate": r, "low": r - 0.02, "high": r + 0.02} for r in (then, now)
    ]
    seen = Observed(0.1, {"web_pricing_visit_30d": {"edges": [2.0], "seen": 9.0, "cells": [*cells, None]}})
    change = split_change(Stage(0.0, {}), [("moves", Stage(0.0, parts))])
    told = spoken_change(change, features, {"moves": rows}, observed=seen).set_index("family")
    said = told.loc["website", "words"]
    assert said == words if "newest" not in words else said.startswith("website: ") and "pricing" not in said
    lone = spoken_change(change[change["feature"] != "web_days_since"], features, {"moves": rows}, observed=seen)
    assert ("as a whole" in lone["words"].iloc[0]) == (then > now)
