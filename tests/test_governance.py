"""Tier precision, calibration, movement, drift and the verdict, against oracles and simulated truth."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from tierwise.errors import UsageError
from tierwise.governance import (
    DEFAULT_RULES,
    Gate,
    ReviewRules,
    better_unseen,
    calibration_review,
    calibration_test,
    calibration_words,
    choice_words,
    drift_table,
    effective_n,
    gate,
    holm,
    matured,
    model_card,
    movement_review,
    paired_loss,
    psi,
    reference,
    review,
    share,
    tier_precision,
    two_sample_p,
)
from tierwise.jobs.govern import _by_month, _stood
from tierwise.learning.metrics import wilson

HORIZON = 90
DAYS = [pd.Timestamp(2025, m, 1) for m in range(1, 13)]
THROUGH = datetime(2026, 6, 1, tzinfo=UTC)
TIERS = ["tier_1", "tier_2", "tier_3", "recycle", "suppress"]


@dataclass(frozen=True)
class Named:
    name: str
    kind: str


def published(**columns: object) -> pd.DataFrame:
    """One published row per account, tier_1 on 2025-01-01, unless said otherwise."""
    n = max(len(v) for v in columns.values() if isinstance(v, list)) if columns else 1
    base = {
        "account_id": [f"a{i}" for i in range(n)],
        "as_of": DAYS[0],
        "run_id": "r1",
        "tier": "tier_1",
        "propensity": 0.2,
        "model_trained_as_of": DAYS[0],
        "backfill": False,
    }
    return pd.DataFrame({**base, **columns})


def outcomes_of(rows: pd.DataFrame, outcome: object) -> pd.DataFrame:
    keys = rows[["account_id", "as_of"]].drop_duplicates(ignore_index=True)
    keys["outcome"] = outcome
    keys["outcome_at"] = pd.Series(pd.NaT, index=keys.index, dtype="datetime64[us]")
    return keys


def world(n: int, rates: dict[str, float], seed: int, claimed: float = 1.0, months: int = 1):
    """n accounts a month, new ones each month, tiers in equal parts, outcomes at each tier's rate."""
    rng = np.random.default_rng(seed)
    frames = []
    for m, day in enumerate(DAYS[:months]):
        tier = np.resize(list(rates), n)
        p = np.array([rates[t] for t in tier])
        ids = [f"a{m}_{i:05d}" for i in range(n)]
        frames.append(
            published(account_id=ids, as_of=day, run_id=f"r{m}", tier=list(tier), propensity=list(p * claimed))
        )
        frames[-1]["y"] = (rng.random(n) < p).astype(float)
    rows = pd.concat(frames, ignore_index=True)
    y = rows.pop("y")
    return rows, outcomes_of(rows, y.to_numpy())


# --- intervals


@settings(deadline=None, max_examples=80)
@given(
    st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95, 0.99])
)
def test_wilson_is_scipys(case: tuple[int, int], level: float) -> None:
    oracle = stats.binomtest(*case).proportion_ci(confidence_level=level, method="wilson")
    assert wilson(*case, level) == pytest.approx((oracle.low, oracle.high), abs=1e-12)


def test_wilson_of_nothing_says_nothing_and_nonsense_is_refused() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(UsageError, match="5 successes in 4 rows"):
        wilson(5, 4)
    with pytest.raises(UsageError, match=r"level 1\.5"):
        wilson(1, 4, 1.5)


def test_share_of_nothing_is_nan() -> None:
    figure = share([], [])
    assert math.isnan(figure.value)
    assert figure.to_dict() == {"value": None, "low": 0.0, "high": 1.0, "n": 0}


def test_repeated_accounts_widen_the_interval_to_that_of_the_accounts() -> None:
    y = np.array([1.0] * 30 + [0.0] * 70)
    ids = [f"a{i}" for i in range(100)]
    once, thrice = share(y, ids), share(np.tile(y, 3), ids * 3)
    assert effective_n(y, ids) == 100
    assert effective_n(np.tile(y, 3), ids * 3) == pytest.approx(100, rel=0.02)
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high), abs=0.002)


def test_clustered_interval_covers_at_its_level() -> None:
    rng, hits, runs = np.random.default_rng(3), 0, 400
    ids = np.repeat(np.arange(120), 3)
    for _ in range(runs):
        y = (rng.random(120) < rng.beta(2, 8, 120)).repeat(3) * 1.0
        figure = share(y, ids)
        hits += figure.low <= 0.2 <= figure.high
    assert hits / runs == pytest.approx(0.95, abs=0.035)


# --- what may be judged (law 2)


def test_only_forecasts_made_in_time_with_a_closed_horizon_are_judged() -> None:
    late = pd.Timestamp(2026, 5, 1)
    rows = pd.concat(
        [
            published(account_id=["ok"]),
            published(account_id=["backfilled"], backfill=True, run_id="r0"),
            published(account_id=["hindsight"], model_trained_as_of=DAYS[1], run_id="r0"),
            published(account_id=["old_revision"], run_id="r0"),
            published(account_id=["open"], as_of=late, model_trained_as_of=late),
            published(account_id=["status"], tier="in_pipeline"),
            published(account_id=["unknown"]),
            published(account_id=["rubric"], model_trained_as_of=pd.NaT, propensity=np.nan),
        ],
        ignore_index=True,
    ).sort_values("run_id", kind="stable", ignore_index=True)
    outcomes = outcomes_of(rows, 1.0)
    outcomes.loc[outcomes["account_id"] == "unknown", "outcome"] = np.nan
    judged = matured(rows, outcomes, HORIZON, THROUGH)
    assert judged.rows["account_id"].tolist() == ["ok", "rubric"]
    assert dict(zip(judged.excluded["reason"], judged.excluded["n"], strict=True)) == {
        "published by a backfill": 1,
        "scored by a model trained as of a later date": 1,
        "replaced by a revision": 1,
        "has a status, not a tier": 1,
        "its horizon has not closed": 1,
        "its outcome is not known": 1,
    }
    assert len(judged.rows) + judged.excluded["n"].sum() == judged.read == len(rows)


def test_the_horizon_is_closed_on_its_last_instant_and_not_before() -> None:
    rows = published(account_id=["a"])
    outcomes = outcomes_of(rows, 0.0)
    closes = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=HORIZON)
    assert len(matured(rows, outcomes, HORIZON, closes).rows) == 1
    assert len(matured(rows, outcomes, HORIZON, closes - timedelta(microseconds=1)).rows) == 0


def test_a_revision_replaces_by_its_number_or_else_by_standing_last() -> None:
    old, new = published(account_id=["a"], tier="tier_1"), published(account_id=["a"], tier="tier_2", run_id="r2")
    outcomes = outcomes_of(old, 0.0)
    last = matured(pd.concat([old, new], ignore_index=True), outcomes, HORIZON, THROUGH)
    numbered = pd.concat([new.assign(revision=2), old.assign(revision=1)], ignore_index=True)
    assert last.rows["tier"].tolist() == ["tier_2"]
    assert matured(numbered, outcomes, HORIZON, THROUGH).rows["tier"].tolist() == ["tier_2"]
    backfilled = pd.concat([old, new.assign(backfill=True)], ignore_index=True)
    assert matured(backfilled, outcomes, HORIZON, THROUGH).rows["tier"].tolist() == ["tier_1"]


def test_an_outcome_outside_its_horizon_and_rows_named_twice_are_refused() -> None:
    rows = published(account_id=["a"])
    outcomes = outcomes_of(rows, 1.0)
    for at in (DAYS[0] - timedelta(microseconds=1), DAYS[0] + timedelta(days=HORIZON)):
        with pytest.raises(UsageError, match="1 outcomes lie outside"):
            matured(rows, outcomes.assign(outcome_at=at), HORIZON, THROUGH)
    with pytest.raises(UsageError, match="publishes each account once"):
        matured(pd.concat([rows, rows]), outcomes, HORIZON, THROUGH)
    with pytest.raises(UsageError, match="outcomes name each account"):
        matured(rows, pd.concat([outcomes, outcomes]), HORIZON, THROUGH)
    with pytest.raises(UsageError, match="missing: backfill"):
        matured(rows.drop(columns="backfill"), outcomes, HORIZON, THROUGH)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_what_lies_beyond_data_through_changes_no_figure(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    rows = pd.concat(
        [
            published(
                account_id=[f"a{i}" for i in range(30)], as_of=d, run_id=f"r{d}", tier=list(rng.choice(TIERS, 30))
            )
            for d in DAYS
        ],
        ignore_index=True,
    )
    outcomes = outcomes_of(rows, (rng.random(len(rows)) < 0.3) * 1.0)
    through = datetime(2025, data.draw(st.integers(2, 12)), 1, tzinfo=UTC)
    open_yet = outcomes["as_of"] + timedelta(days=HORIZON) > through.replace(tzinfo=None)
    scrambled = outcomes.assign(outcome=np.where(open_yet, 1 - outcomes["outcome"], outcomes["outcome"]))
    first, second = (tier_precision(rows, o, HORIZON, through) for o in (outcomes, scrambled))
    assert json.dumps(first.to_dict()) == json.dumps(second.to_dict())


# --- precision


def test_tier_precision_counts_what_is_there() -> None:
    rows, outcomes = world(1000, dict(zip(TIERS, (0.5, 0.3, 0.2, 0.05, 0.01), strict=True)), seed=1, months=3)
    got = tier_precision(rows, outcomes, HORIZON, THROUGH)
    joined = rows.merge(outcomes, on=["account_id", "as_of"])
    assert got.base.value == pytest.approx(joined["outcome"].mean())
    for line in got.by_tier.itertuples():
        part = joined.loc[joined["tier"] == line.tier, "outcome"]
        assert (line.n, line.outcomes) == (len(part), part.sum())
        assert (line.low, line.high) == pytest.approx(wilson(part.sum(), len(part)))
        assert line.predicted == pytest.approx(rows.loc[rows["tier"] == line.tier, "propensity"].mean())
        assert line.lift == pytest.approx(part.mean() / joined["outcome"].mean())
    assert got.by_as_of["n"].sum() == len(rows)
    assert len(got.by_as_of) == 15


def test_tier_precision_of_nothing_has_a_line_for_each_tier_and_no_figure() -> None:
    rows = published(account_id=["a"])
    got = tier_precision(rows, outcomes_of(rows, 1.0), HORIZON, datetime(2025, 1, 2, tzinfo=UTC))
    assert got.by_tier["tier"].tolist() == TIERS
    assert got.by_tier["n"].tolist() == [0] * 5
    assert got.to_dict()["by_tier"][0]["precision"] is None
    assert got.to_dict()["judged"]["judged"] == 0


# --- calibration


def test_calibration_test_is_the_likelihood_ratio_that_an_optimizer_finds() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(-2, 1, 1500)
    y = (rng.random(1500) < special.expit(0.4 + 0.7 * x)) * 1.0

    def loss(b: np.ndarray) -> float:
        return float(np.sum(np.logaddexp(0, b[0] + b[1] * x) - y * (b[0] + b[1] * x)))

    best = optimize.minimize(loss, np.array([0.0, 1.0]), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9})
    slope, intercept, lr, effect, p_value = calibration_test(special.expit(x), y, np.arange(1500))
    assert (intercept, slope) == pytest.approx(best.x, abs=1e-4)
    assert lr == pytest.approx(2 * (loss(np.array([0.0, 1.0])) - best.fun), abs=1e-5)
    assert (effect, p_value) == (1.0, pytest.approx(stats.chi2.sf(lr, 2)))


@pytest.mark.parametrize("rows_each", [1, 3])
def test_calibrated_scores_are_rejected_at_the_stated_rate_even_if_accounts_repeat(rows_each: int) -> None:
    rng, runs, rejected = np.random.default_rng(11), 400, 0
    ids = np.repeat(np.arange(400), rows_each)
    for _ in range(runs):
        p = special.expit(rng.normal(-1.5, 0.8, 400))
        y = (rng.random(400) < p) * 1.0
        rejected += calibration_test(p.repeat(rows_each), y.repeat(rows_each), ids)[4] < 0.05
    assert rejected / runs == pytest.approx(0.05, abs=0.03)


def test_calibration_review_finds_the_ratio_and_the_deciles() -> None:
    rng = np.random.default_rng(2)
    p = rng.beta(2, 10, 4000)
    y = (rng.random(4000) < p / 2) * 1.0
    rows = pd.DataFrame({"account_id": np.arange(4000), "propensity": p, "outcome": y})
    rows = pd.concat([rows, rows.head(5).assign(propensity=np.nan)], ignore_index=True)
    got = calibration_review(rows)
    assert (got.n, got.without, got.outcomes) == (4000, 5, int(y.sum()))
    assert got.ratio.low < 0.5 < got.ratio.high
    assert got.p_value < 1e-6
    assert got.deciles["n"].sum() == 4000
    assert got.deciles["predicted"].is_monotonic_increasing
    assert np.average(got.deciles["observed"], weights=got.deciles["n"]) == pytest.approx(y.mean())


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_calibration_of_one_class_or_of_equal_propensities_is_said_so(outcome: float) -> None:
    rows = pd.DataFrame({"account_id": list("abc"), "propensity": 0.5, "outcome": outcome})
    got = calibration_review(rows)
    assert math.isnan(got.p_value)
    assert math.isnan(calibration_review(rows.head(0)).predicted)
    even = calibration_test([0.5] * 100, [1.0] * 70 + [0.0] * 30, np.arange(100))
    alone = 2 * (stats.binom.logpmf(70, 100, 0.7) - stats.binom.logpmf(70, 100, 0.5))
    assert math.isnan(even[0])
    assert even[4] == pytest.approx(stats.chi2.sf(alone, 1))


# --- movement


def moves(*rows: tuple[str, int, str | None, str, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["account_id", "as_of", "previous_tier", "tier", "cause"])
    frame["as_of"] = [pd.Timestamp(2025, 1, 1) + timedelta(days=d) for d in frame["as_of"]]
    return frame


def test_ping_pong_is_a_return_within_the_days_with_a_tier_all_the_while() -> None:
    frame = moves(
        ("back", 0, None, "tier_2", "data"),
        ("back", 31, "tier_2", "tier_1", "data"),
        ("back", 91, "tier_1", "tier_2", "ageing"),  # 60 days after it left tier_2: back
        ("deal", 31, "tier_2", "in_pipeline", "data"),
        ("deal", 59, "in_pipeline", "tier_2", "data"),  # an opportunity opened and lost: not ping-pong
        ("late", 31, "tier_2", "tier_1", "model"),
        ("late", 92, "tier_1", "tier_2", "model"),  # 61 days after
        ("on", 31, "tier_3", "tier_2", "data"),
        ("on", 59, "tier_2", "tier_1", "data"),
        ("other", 59, "tier_2", "tier_1", "data"),  # another account's leaving is not this one's
    )
    rows = pd.concat(
        [published(account_id=["back", "deal", "late", "on", "other", "calm"], as_of=d) for d in DAYS[:4]],
        ignore_index=True,
    )
    got = movement_review(rows, frame)
    by_month = got.by_month.set_index("month")
    assert by_month["ping_pong"].to_dict() == {"2025-01": 0, "2025-02": 0, "2025-03": 0, "2025-04": 1}
    assert by_month.loc["2025-04", ["accounts", "moved", "movements"]].tolist() == [6, 2, 2]
    assert by_month.loc["2025-01", "moved"] == 0  # a first tier is no movement
    assert got.ping_pong.value == pytest.approx(1 / 24)
    assert got.ping_pong_by_cause.values.tolist() == [["ageing", 1]]
    assert got.by_cause.groupby("cause")["n"].sum().to_dict() == {"ageing": 1, "data": 6, "model": 2}
    assert by_month["movements"].sum() == got.by_cause["n"].sum()


def test_movement_of_nothing_is_empty() -> None:
    got = movement_review(published(account_id=["a"]).head(0), moves().astype({"as_of": "datetime64[us]"}))
    assert got.by_month.empty
    assert math.isnan(got.ping_pong.value)


# --- drift


def frame_of(n: int, rng: np.random.Generator, shift: float = 0.0) -> pd.DataFrame:
    industry = rng.choice(["software", "retail", "steel", "rare"], n, p=[0.5 - shift / 3, 0.3 + shift / 3, 0.19, 0.01])
    return pd.DataFrame(
        {
            "size": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(4 + shift, 1, n)),
            "visits": rng.poisson(0.3 + shift, n).astype(float),
            "flag": (rng.random(n) < 0.95 - shift / 4) * 1.0,
            "industry": pd.Series(industry, dtype=object).where(rng.random(n) > 0.05, None),
        }
    )


FEATURES = [Named("size", "number"), Named("visits", "number"), Named("flag", "flag"), Named("industry", "category")]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 500)), min_size=2, max_size=12))
def test_psi_is_its_published_sum(counts: list[tuple[int, int]]) -> None:
    p, q = (np.array(c) / sum(c) for c in zip(*counts, strict=True))
    assert psi(p, q, 1000, 1000) == pytest.approx(sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True)))
    assert psi(p, q, 1000, 1000) == pytest.approx(psi(q, p, 1000, 1000))
    assert psi(p, p, 1000, 1000) == 0


def test_psi_of_an_empty_cell_counts_half_a_row() -> None:
    assert psi([0.5, 0.5, 0], [0.5, 0.4, 0.1], 100, 100) == pytest.approx(
        -0.1 * math.log(0.4 / 0.5) + (0.1 - 0.005) * math.log(0.1 / 0.005)
    )
    assert psi([0.5, 0.5, 0], [0.5, 0.5, 0], 100, 100) == 0
    assert math.isnan(psi([1.0], [1.0], 0, 10))


def test_a_reference_is_json_adds_up_and_counts_every_row() -> None:
    frame = frame_of(3000, np.random.default_rng(1))
    ref = json.loads(json.dumps(reference(frame, FEATURES)))
    for cell in ref["features"].values():
        shares = cell["shares"] if "edges" in cell else cell["shares"].values()
        assert sum(shares) + cell["missing"] + cell.get("other", 0) == pytest.approx(1)
    assert ref["features"]["flag"]["edges"] == [0.5]
    assert ref["features"]["visits"]["shares"][0] == pytest.approx((frame["visits"] == 0).mean())
    size = ref["features"]["size"]
    assert len(size["shares"]) == 10
    assert size["shares"] == pytest.approx([0.09] * 10, abs=0.01)
    assert drift_table(ref, frame)["psi"].tolist() == pytest.approx([0] * 4)


def test_a_value_that_fills_most_bins_is_told_from_what_lies_below() -> None:
    values = np.r_[np.zeros(50), np.full(900, 40.0), np.linspace(41, 90, 50)]
    ref = reference(pd.DataFrame({"x": values}), [Named("x", "number")])
    assert ref["features"]["x"]["shares"] == pytest.approx([0.05, 0.9, 0.05])


def test_new_categories_and_missing_values_are_counted() -> None:
    ref = reference(pd.DataFrame({"c": ["a", "b"] * 200}), [Named("c", "category")])
    now = pd.DataFrame({"c": ["a"] * 100 + ["z"] * 100 + [None] * 200})
    line = drift_table(ref, now).iloc[0]
    assert line["alarm"]
    assert line["psi"] > 1


def test_without_drift_at_most_the_stated_share_of_tables_raises_any_alarm() -> None:
    rng, runs = np.random.default_rng(8), 200
    rules = replace(DEFAULT_RULES, drift_alpha=0.05, drift_least_psi=0.0)  # the test alone, at a rate that can be seen
    alarms = 0
    for _ in range(runs):
        ref = reference(frame_of(1500, rng), FEATURES, rules=rules)
        alarms += drift_table(ref, frame_of(400, rng), rules)["alarm"].any()
    assert alarms / runs <= 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / runs)
    assert alarms > 0  # the test is a test: it does reject at times


def test_repeated_accounts_in_the_reference_raise_no_more_alarms() -> None:
    rng, runs, alarms = np.random.default_rng(9), 100, 0
    rules = replace(DEFAULT_RULES, drift_alpha=0.05, drift_least_psi=0.0)
    for _ in range(runs):
        once = frame_of(300, rng).assign(account_id=np.arange(300))
        ref = reference(pd.concat([once] * 12, ignore_index=True), FEATURES, rules=rules)
        assert ref["accounts"] == 300
        alarms += drift_table(ref, frame_of(400, rng), rules)["alarm"].any()
    assert alarms / runs <= 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / runs)


def test_a_real_drift_alarms_and_names_its_feature() -> None:
    rng = np.random.default_rng(4)
    ref = reference(frame_of(2000, rng), FEATURES)
    now = frame_of(500, rng)
    now["size"] = now["size"] * 3
    assert drift_table(ref, now).set_index("feature")["alarm"].to_dict() == {
        "size": True, "visits": False, "flag": False, "industry": False,
    }  # fmt: skip


def test_the_reference_of_an_evaluation_is_read_as_it_is_stored() -> None:
    stored = {
        "n": 1000,
        "features": {
            "x": {"edges": [1.0, 2.0], "shares": [0.5, 0.3, 0.1], "missing": 0.1},
            "c": {"shares": {"a": 0.6, "b": 0.3}, "other": 0.1, "missing": 0.0},
        },
        "scores": {"propensity": {"edges": [0.5], "shares": [0.5, 0.5], "missing": 0.0}},
    }
    now = pd.DataFrame(
        {
            "x": [1.0] * 100 + [2.0] * 60 + [2.5] * 20 + [np.nan] * 20,
            "c": ["a"] * 120 + ["b"] * 60 + ["new"] * 20,
            "propensity": [0.5] * 150 + [0.6] * 50,
        }
    )
    table = drift_table(stored, now)
    assert table["feature"].tolist() == ["x", "c", "propensity"]
    assert table["psi"].tolist() == pytest.approx([0, 0, 0.25 * math.log(1.5) - 0.25 * math.log(0.5)])
    assert table["alarm"].tolist() == [False, False, True]
    assert table["reference_n"].tolist() == [1000] * 3


def test_drift_of_too_few_rows_is_not_tested_and_a_lost_or_retyped_column_is_refused() -> None:
    frame = frame_of(500, np.random.default_rng(4))
    ref = reference(frame, FEATURES)
    few = drift_table(ref, frame.head(50))
    assert few["p_value"].isna().all()
    assert not few["alarm"].any()
    with pytest.raises(UsageError, match="missing: size"):
        drift_table(ref, frame.drop(columns="size"))
    with pytest.raises(UsageError, match="the column size as a number"):
        drift_table(ref, frame.assign(size="large"))


def test_two_sample_p_is_scipys_where_cells_are_full_and_one_where_only_one_is() -> None:
    assert two_sample_p([50, 60, 70], [40, 90, 60]) == pytest.approx(
        stats.chi2_contingency([[50, 60, 70], [40, 90, 60]], correction=False).pvalue
    )
    assert two_sample_p([100, 0], [100, 0]) == 1
    assert two_sample_p([100, 1], [100, 0]) == 1


def test_holm_is_its_definition() -> None:
    p = np.array([0.03, 0.001, np.nan, 0.0049, 0.9])
    assert holm(p, 0.01).tolist() == [False, True, False, False, False]
    assert holm(p, 0.02).tolist() == [False, True, False, True, False]


# --- the verdict

CALM = dict(zip(TIERS, (0.5, 0.3, 0.15, 0.05, 0.02), strict=True))
NO_MOVES = moves(("a0_00000", 5, "tier_2", "tier_1", "data"))


def judged(rates: dict[str, float], *, n: int = 1500, claimed: float = 1.0, **more: object):
    rows, outcomes = world(n, rates, seed=6, claimed=claimed, months=2)
    asked = {"plan": "p", "as_of": THROUGH, "horizon_days": HORIZON, "data_through": THROUGH, "movements": NO_MOVES}
    return review(**{**asked, "published": rows, "outcomes": outcomes, **more})


def codes(got: object) -> dict[str, str]:
    return {r.code: r.verdict for r in got.reasons}  # type: ignore[attr-defined]


def test_a_calm_review_is_steady_and_each_reason_has_figures() -> None:
    rng = np.random.default_rng(1)
    got = judged(CALM, reference=reference(frame_of(2000, rng), FEATURES), current=frame_of(400, rng))
    assert got.verdict == "steady"
    assert codes(got) == dict.fromkeys(["tier_1_precision", "calibration", "movement", "drift"], "steady")
    assert got.reasons[0].words.startswith("tier_1 precision is 48.8% (44.9% to 52.8%, ")
    assert "n = 600), beside a base rate of" in got.reasons[0].words
    text = json.dumps(got.to_dict(), allow_nan=False)
    assert text == json.dumps(judged(
        CALM, reference=reference(frame_of(2000, r := np.random.default_rng(1)), FEATURES), current=frame_of(400, r)
    ).to_dict())  # fmt: skip


def test_tiers_in_the_wrong_order_call_for_action() -> None:
    got = judged({**CALM, "tier_1": 0.05})
    assert got.verdict == "act"
    assert codes(got) == {
        "tier_1_below_base": "act", "tier_1_below_tier_2": "act", "calibration": "steady", "movement": "steady",
        "drift_not_asked": "steady",
    }  # fmt: skip


def test_a_rejected_calibration_acts_if_far_off_and_is_watched_if_near() -> None:
    far, near = judged(CALM, claimed=1.6), judged(CALM, claimed=1.15)
    assert codes(far)["calibration_rejected"] == "act"
    assert "calibration is rejected: observed is 0.6" in far.reasons[0].words
    assert codes(near)["calibration_rejected"] == "watch"


def test_too_few_cases_is_an_answer() -> None:
    got = judged({**CALM, "tier_1": 0.0}, n=30)
    assert got.verdict == "watch"
    assert codes(got)["too_few_cases"] == "watch"
    assert codes(got)["too_few_calibration"] == "watch"
    few_first = judged(CALM, n=300)
    assert codes(few_first)["tier_1_precision"] == "steady"
    few = judged(CALM, n=200)
    assert codes(few)["too_few_tier_1"] == "watch"
    words = next(r.words for r in few.reasons if r.code == "too_few_tier_1")
    assert re.fullmatch(
        r"tier_1 cannot be judged yet: 80 account-months of \d+ accounts, 100 are the least; "
        r"so far \d+\.\d% \(\d+\.\d% to \d+\.\d%\), tier_2 \d+\.\d%, base rate \d+\.\d%", words), words  # fmt: skip


def test_nothing_published_after_the_as_of_and_no_later_horizon_is_looked_at() -> None:
    early = judged(CALM, as_of=datetime(2025, 4, 1, tzinfo=UTC))
    assert early.data_through == datetime(2025, 4, 1, tzinfo=UTC)
    assert early.precision.judged.read == 3000
    assert len(early.precision.judged.rows) == 1500
    assert judged(CALM, as_of=datetime(2025, 1, 15, tzinfo=UTC)).precision.judged.read == 1500


def test_drift_and_ping_pong_are_watched() -> None:
    rng = np.random.default_rng(1)
    ref, now = reference(frame_of(2000, rng), FEATURES), frame_of(400, rng)
    drifted = judged(CALM, reference=ref, current=now.assign(size=now["size"] * 4))
    assert codes(drifted)["drift"] == "watch"
    assert "size has drifted: PSI" in drifted.reasons[0].words
    assert "p < 0.001" in drifted.reasons[0].words
    both = judged(CALM, reference=ref, current=now.assign(size=now["size"] * 4, industry="new"))
    assert re.match(r"2 of \d+ features have drifted, most of all \w+: PSI", both.reasons[0].words)
    assert both.reasons[0].words.count("drifted") == 1
    assert codes(judged(CALM, reference=ref, current=now.head(20)))["too_few_drift"] == "watch"
    swings = [m for i in range(60) for m in (
        (f"a1_{i:05d}", 1, "tier_2", "tier_1", "data"), (f"a1_{i:05d}", 40, "tier_1", "tier_2", "data"))]  # fmt: skip
    swung = judged(CALM, movements=moves(*swings))
    assert codes(swung)["ping_pong"] == "watch"
    assert swung.reasons[0].words.startswith("4.0% (3.1% to 5.1%, n = 1500) of the accounts of 2025-02 came back")


def test_tiers_by_rules_have_no_calibration_to_judge() -> None:
    rows, outcomes = world(1500, CALM, seed=6)
    got = judged(CALM, published=rows.assign(propensity=np.nan, model_trained_as_of=pd.NaT), outcomes=outcomes)
    assert codes(got)["no_propensity"] == "steady"


def test_how_the_tiers_stood_is_each_month_s_last_run_that_was_no_backfill() -> None:
    def ran(at: str, run_id: str, revision: int, tier: str, *, backfill: bool = False) -> pd.DataFrame:
        rows = published(account_id=["a", "b"], as_of=pd.Timestamp(at), run_id=run_id, tier=tier, backfill=backfill)
        return rows.assign(run_as_of=pd.Timestamp(at), revision=revision)

    runs = [
        ran("2025-01-01", "r1", 1, "tier_1"), ran("2025-01-20", "r2", 2, "tier_2"),
        ran("2025-02-01", "r3", 3, "tier_3"), ran("2025-02-01", "r4", 4, "recycle"),
        ran("2025-02-20", "r5", 5, "tier_1", backfill=True),
    ]  # fmt: skip
    got = _by_month(_stood(pd.concat(runs, ignore_index=True)))
    assert got.to_numpy().tolist() == [["2025-01", "tier_2", 2], ["2025-02", "recycle", 2]]


# --- the gate


def rows_of(n: int, worse: float, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(-2, 1, n)
    return pd.DataFrame(
        {
            "account_id": np.arange(n) // 2,
            "outcome": (rng.random(n) < special.expit(x)) * 1.0,
            "champion": special.expit(x + rng.normal(0, 0.2, n)),
            "challenger": special.expit(x * (1 - worse)),
        }
    )


def test_the_gate_compares_the_same_rows_pair_by_pair() -> None:
    same, worse = paired_loss(rows_of(4000, 0.0)), paired_loss(rows_of(4000, 0.6))
    passed, stopped = gate({}, {"verdict": "usable"}, paired=same), gate({}, {"verdict": "usable"}, paired=worse)
    assert passed.passed
    assert not stopped.passed
    assert "on the same 4000 rows of 2000 accounts: a difference of +0." in stopped.reasons[0]
    rows = rows_of(4000, 0.6)
    by_hand = -np.mean(
        rows["outcome"] * np.log(rows["challenger"]) + (1 - rows["outcome"]) * np.log1p(-rows["challenger"])
    )
    assert worse.challenger == pytest.approx(by_hand)
    by_account = rows_of(4000, 0.0)
    assert same.difference == pytest.approx(same.challenger - same.champion)
    assert json.dumps(gate({}, {"verdict": "usable"}, paired=same).to_dict())
    with pytest.raises(UsageError, match="1 of 4000 rows lack an outcome"):
        paired_loss(by_account.assign(outcome=by_account["outcome"].mask(by_account.index == 3)))


def test_the_paired_error_is_by_account_family_where_that_is_known() -> None:
    rows = rows_of(4000, 0.6)
    by_account = paired_loss(rows)
    assert paired_loss(rows.assign(family_id=rows["account_id"])) == by_account
    families = rows.assign(family_id=rows["account_id"] % 40)
    merged = paired_loss(rows.assign(account_id=families["family_id"]))
    found = paired_loss(families)
    assert (found.accounts, found.difference) == (2000, by_account.difference)
    assert found.standard_error == merged.standard_error != by_account.standard_error
    with pytest.raises(UsageError, match="1 account families"):
        paired_loss(rows.assign(family_id="one"))


def test_a_challenger_that_is_no_usable_model_never_passes() -> None:
    assert gate(None, {"verdict": "no usable model"}) == Gate(
        False, ("the challenger's evaluation says: no usable model",)
    )
    assert not gate(None, {}).passed
    assert gate(None, {"verdict": "usable"}).passed


def evaluation(log_loss: float, se: float = 0.004, **test: object) -> dict[str, object]:
    rows = {"rows": 900, "accounts": 300, "outcomes": 90, "base_rate": 0.1, "first_as_of": "2025-09-01T00:00:00",
            "last_as_of": "2025-11-01T00:00:00"}  # fmt: skip
    z = stats.norm.ppf(0.975)
    return {
        "verdict": "usable", "why": "scorecard beats all", "chosen": "scorecard", "chosen_because": "it is simpler",
        "horizon_days": 90, "trained": rows, "test": {**rows, **test},
        "metrics": {
            "scorecard": {
                "log_loss": {"value": log_loss, "low": log_loss - z * se, "high": log_loss + z * se},
                "auc": {"value": 0.7, "low": 0.66, "high": 0.74},
            },
            "recency": {"auc": {"value": 0.6, "low": None, "high": None}},
        },
        "calibration": {
            "slope": 0.98, "intercept": 0.01, "p_value": 0.4, "n": 900,
            "deciles": [{"n": 90, "predicted": 0.1, "observed": 0.12, "observed_low": 0.07, "observed_high": 0.2}],
        },
        "lift": [{"share": 0.2, "capture": 0.4, "capture_low": 0.3, "capture_high": 0.5,
                  "lift": 2.0, "lift_low": 1.5, "lift_high": 2.5}],
    }  # fmt: skip


def test_the_gate_of_two_evaluations_allows_one_standard_error_on_the_same_rows_only() -> None:
    live = evaluation(0.300)
    assert gate(live, evaluation(0.3039)).passed
    assert not gate(live, evaluation(0.3041)).passed
    assert gate(live, evaluation(0.3075), replace(DEFAULT_RULES, gate_standard_errors=2)).passed
    other = gate(live, evaluation(0.1, rows=901, last_as_of="2025-12-01T00:00:00"))
    assert not other.passed
    assert "not of the same test rows (rows, last_as_of differ)" in other.reasons[0]
    assert not gate(live, {**evaluation(0.1), "metrics": {}}).passed


def test_the_model_card_says_what_is_known_and_is_the_same_each_time() -> None:
    meta = {
        "plan": "new_business", "predicts": "an opportunity opened", "model_version": "ab12",
        "features": [{"side": "fit", "name": "industry", "unit": ""}],
        "refused": [("score|x", "today's value,\nno history <b>")], "accepted": ["region"],
    }  # fmt: skip
    card = model_card(meta, evaluation(0.3))
    assert card == model_card(meta, evaluation(0.3))
    for line in (
        "# Model card: new_business",
        "- verdict: usable: the scorecard beats all",
        "| trained on | 900 | 300 | 90 | 10.0% | 2025-09-01 | 2025-11-01 |",
        "| Scorecard (chosen) | 0.300 (0.292 to 0.308) | 0.700 (0.66 to 0.74) |",
        "| Recency |  | 0.600 (not known to not known) |",
        "Calibration holds on the unseen months: predicted 10.0%, observed 12.0% (n = 900, p = 0.4). Slope 1 and "
        "intercept 0 are calibrated: slope 0.98, intercept 0.01 (n = 900).",
        "The figures are of a model that had not seen the test rows; the published model was then trained again on all "
        "rows.",
        "| 20.0% | 40.0% (30.0% to 50.0%) | 2 (1.5 to 2.5) |",
        "| score\\|x | today's value, no history &lt;b> |",
        "Accepted by name, without history: region.",
    ):
        assert line in card.splitlines()


def test_the_model_card_names_features_in_words_and_explains_capture() -> None:
    features = [{"side": "signal", "name": "web_30d", "unit": "", "words": "{value} web activities"}, {"name": "x"}]
    asked = evaluation(0.3)
    asked["metrics"]["scorecard"]["capture_0.2"] = {"value": 0.4, "low": 0.3, "high": 0.5}  # type: ignore[index]
    card = model_card({"plan": "p", "features": features}, asked)
    assert "| signal | web_30d |  | … web activities |" in card
    assert "capture_0.2: share of the outcomes among the 20% highest ranked." in card


DECILE = {"predicted": 0.093, "observed": 0.068, "n": 2450}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "Calibration is rejected on the unseen months: predicted 9.3%, observed 6.8% (n = 2,450, p < 0.001); "
             "propensities ran about 1.4 times too high"),
        ({"p_value": 0.26},
         "Calibration holds on the unseen months: predicted 9.3%, observed 6.8% (n = 2,450, p = 0.26)"),
        ({"deciles": [DECILE | {"predicted": 0.034}]}, "propensities ran about 2.0 times too low"),
        ({"deciles": [DECILE | {"predicted": 0.068}], "slope": 0.6},
         "their mean is right, but low and high propensities lie too far apart (slope 0.60)"),
    ],
)  # fmt: skip
def test_calibration_in_words(more: dict[str, object], said: str) -> None:
    asked = {"p_value": 0.0, "slope": 0.9, "n": 2450, "deciles": [DECILE], **more}
    assert calibration_words(asked).endswith(said)
    assert calibration_words({**asked, "p_value": None}) == calibration_words(None) == ""


def test_the_choice_is_told_as_made_before_the_unseen_months() -> None:
    asked = {
        "chosen": "scorecard",
        "candidates": {"scorecard": {"log_loss": 0.2562}, "two_sided": {"log_loss": 0.2571}},
        "metrics": {"scorecard": {"log_loss": {"value": 0.25}}, "two_sided": {"log_loss": {"value": 0.24}}},
    }
    assert choice_words(asked) == (
        "on the folds older than these months its out-of-time log-loss is 0.2562 against two_sided's 0.2571"
    )
    assert better_unseen(asked).startswith(
        "On the unseen months two_sided did better by log-loss (0.2400 against 0.2500)"
    )
    assert better_unseen({**asked, "chosen": "two_sided"}) == ""
    ranks = {"scorecard": {"log_loss": {"value": 0.25}, "auc": {"value": 0.77}},
             "two_sided": {"log_loss": {"value": 0.26}, "auc": {"value": 0.78}}}  # fmt: skip
    assert better_unseen({**asked, "metrics": ranks}) == (
        "On the unseen months two_sided did better by AUC (0.780 against 0.770), but they choose nothing"
    )
    simpler = {**asked, "candidates": {"scorecard": {"log_loss": 0.2562}, "two_sided": {"log_loss": 0.2560}}}
    assert choice_words(simpler).endswith("0.2560; the simpler of two that lie within one standard error")


def test_the_model_card_of_nothing_learned_still_says_so() -> None:
    card = model_card({"plan": "p"}, {"verdict": "no usable model", "why": "too few outcomes"})
    assert card.startswith("# Model card: p\n\n- verdict: no usable model: too few outcomes\n\n## Limits")
    assert "None" not in card


def test_rules_are_data_and_frozen() -> None:
    with pytest.raises(AttributeError):
        ReviewRules().level = 0.5  # type: ignore[misc]
