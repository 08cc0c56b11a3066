"""Observed rates: counted by hand, said only where they are sure, and never of few accounts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from matrix_sample import FEATURES, INDUSTRY, SIZE, WEB, matrix
from tierwise.explain import Evidence, Observed, families, family_of, observe, reasons
from tierwise.explain.observed import LEAST_ACCOUNTS, PRIVATE
from tierwise.features.matrix import Matrix
from tierwise.learning import Affine, Scorecard
from tierwise.learning.model import freeze

SAMPLE = matrix(accounts=600, months=6, strength=1.5)
OBSERVED = observe(SAMPLE, FEATURES)


@pytest.mark.parametrize("name", ["web_30d", "employee_count", "industry", "tech_c++", "region"])
def test_cells_are_counted_as_by_hand(name: str) -> None:
    feature = next(f for f in FEATURES if f.name == name)
    frame, kept = SAMPLE.frame, OBSERVED.features[name]
    cells = [c for c in kept["cells"] if c is not None]
    assert sum(c["rows"] for c in cells) == len(frame), "every bin of this sample has accounts enough"
    assert sum(c["outcomes"] for c in cells) == frame["outcome"].sum()
    for value in frame[name].drop_duplicates().head(30):
        cell = OBSERVED.cell(feature, value)
        if "levels" in kept:
            same = frame[name].isna() if value is None or value != value else frame[name] == value
        else:
            edges = [-np.inf, *kept["edges"], np.inf]
            place = pd.cut(frame[name], edges, labels=False)
            mine = pd.cut(pd.Series([value]), edges, labels=False)[0]
            same = place.isna() if value != value else place == mine
        rows = frame[same]
        n = rows["account_id"].nunique()
        assert (cell["rows"], cell["accounts"], cell["outcomes"]) == (len(rows), n, rows["outcome"].sum())
        assert cell["rate"] == pytest.approx(rows["outcome"].mean(), abs=1e-6)
        assert cell["low"] <= cell["rate"] <= cell["high"]


def test_intervals_are_wilson_s_as_if_each_account_stood_there_once() -> None:
    frame = SAMPLE.frame.drop_duplicates("account_id")
    once = observe(Matrix(frame, FEATURES, 90), FEATURES)
    for cell in filter(None, once.features["web_30d"]["cells"]):
        told = binomtest(cell["outcomes"], cell["accounts"]).proportion_ci(method="wilson")
        assert (cell["low"], cell["high"]) == pytest.approx((told.low, told.high), abs=1e-5)
    many = [c for c in OBSERVED.features["web_30d"]["cells"] if c is not None and c["rows"] > c["accounts"]]
    assert many
    for cell in many:
        told = binomtest(cell["outcomes"], cell["rows"]).proportion_ci(method="wilson")
        assert cell["high"] - cell["low"] > told.high - told.low, "rows of one account are no more evidence"


def test_few_accounts_are_neither_kept_nor_said() -> None:
    frame = SAMPLE.frame.copy()
    frame["industry"] = np.where(frame["account_id"] < "a00009", "rare", frame["industry"]).astype(object)
    small = observe(Matrix(frame, FEATURES, 90), FEATURES)
    assert frame.loc[frame["industry"] == "rare", "account_id"].nunique() < PRIVATE
    assert small.cell(INDUSTRY, "rare") is None
    assert small.words(INDUSTRY, "rare", True) == ""
    for kept in small.features.values():
        assert all(c is None or c["accounts"] >= PRIVATE for c in kept["cells"])


def _told(rate: float, low: float, high: float, accounts: int = 400) -> Observed:
    cell = {"rows": 900, "accounts": accounts, "outcomes": 9, "rate": rate, "low": low, "high": high}
    features = {"web_30d": {"edges": [2.0], "seen": 9.0, "cells": [None, cell, None]}}
    return Observed(0.0667, features, "opened one within 90 days")


@pytest.mark.parametrize(
    ("cell", "raises", "said"),
    [
        ((0.2, 0.16, 0.24), True, "1 in 5 of 400 such accounts opened one within 90 days, 3.0 times the average"),
        ((0.1333, 0.1, 0.16), True, "1 in 8 of 400 such accounts opened one within 90 days, twice the average"),
        ((0.6, 0.5, 0.7), True, "60 in 100 of 400 such accounts opened one within 90 days, 9.0 times the average"),
        ((0.0333, 0.02, 0.05), False, "1 in 30 of 400 such accounts opened one within 90 days, half the average"),
        ((0.0, 0.0, 0.01), False, "none of 400 such accounts opened one within 90 days"),
        ((0.2, 0.05, 0.4), True, ""),
        ((0.2, 0.16, 0.24), False, ""),
        ((0.2, 0.16, 0.24, LEAST_ACCOUNTS - 1), True, ""),
    ],
)
def test_a_rate_is_said_where_it_is_sure_and_points_as_the_reason_does(
    cell: tuple[float, ...], raises: bool, said: str
) -> None:
    assert _told(*cell).words(WEB, 7.0, raises) == said  # type: ignore[arg-type]
    assert _told(*cell).words(WEB, 1.0, raises) == "", "its bin is not kept"  # type: ignore[arg-type]
    assert _told(*cell).words(SIZE, 7.0, raises) == "", "it is not a feature of the model"  # type: ignore[arg-type]


def test_rates_are_json_and_come_back() -> None:
    text = json.dumps(OBSERVED.to_dict(), allow_nan=False)
    again = Observed.from_dict(json.loads(text))
    assert again is not None
    assert again.to_dict() == OBSERVED.to_dict()
    assert again.cell(WEB, 3.0) == OBSERVED.cell(WEB, 3.0)
    assert Observed.from_dict(None) is None
    assert again.had == "had the outcome within 90 days"
    assert observe(SAMPLE, FEATURES, "won one").had == "won one within 90 days"
    old = {k: v for k, v in OBSERVED.to_dict().items() if k != "had"}
    assert Observed.from_dict(old) == Observed(OBSERVED.base, OBSERVED.features, "had the outcome"), "an older bundle"
    known = SAMPLE.frame["web_30d"]
    assert again.seen_up_to("web_30d") == np.quantile(known[known > 0], 0.9, method="inverted_cdf")
    assert again.seen_up_to("nothing") == 0.0


def _split(rate_of_many: float, rate_of_few: float) -> Observed:
    """Rates of few (to 2) and of many activities on the web, each of 400 accounts, where 10 % are the average."""
    cells = [
        {"rows": 900, "accounts": 400, "outcomes": 9, "rate": r, "low": r - 0.02, "high": r + 0.02}
        for r in (rate_of_few, rate_of_many)
    ]
    return Observed(0.1, {"web_30d": {"edges": [2.0], "seen": 9.0, "cells": [*cells, None]}})


def test_the_sure_side_of_each_value_is_that_of_its_bin() -> None:
    found = _split(0.2, 0.09).sides(WEB, pd.Series([0.0, 2.0, 2.5, 9.0, np.nan]))
    assert found.tolist() == [0, 0, 1, 1, 0], "0.09 is not told apart from 0.1, and what is missing is not kept"
    assert _split(0.05, 0.2).sides(WEB, pd.Series([1.0, 9.0])).tolist() == [1, -1]
    assert _split(0.05, 0.2).sides(SIZE, pd.Series([1.0, 9.0])).tolist() == [0, 0]
    for feature in FEATURES:
        column = SAMPLE.frame[feature.name].head(200)
        for value, side in zip(column, OBSERVED.sides(feature, column), strict=True):
            sure = [s for s in (1, -1) if OBSERVED.words(feature, value, s > 0)]
            assert sure == ([side] if side else []), "what is said of a value is said on its sure side alone"


def test_a_part_that_what_was_observed_speaks_against_tells_no_family() -> None:
    web = replace(WEB, family="website")
    features = tuple(replace(f, family="website") if f.name == "days_since_web" else f for f in FEATURES)
    features = tuple(web if f.name == "web_30d" else f for f in features)
    sample = matrix(accounts=150, months=3, strength=1.5, features=features)
    fitted = Scorecard(features).fit(sample.frame, sample.frame["outcome"])
    made = freeze("scorecard", fitted, Affine(0.1, 0.9), sample.frame, 90, datetime(2025, 1, 1, tzinfo=UTC), 1)
    known = sample.frame["web_30d"]
    assert np.corrcoef(made.contributions(sample.frame)["web_30d"], known.fillna(0))[0, 1] > 0, "more of it raises"
    proven = Evidence({f.name: 9.0 for f in features}, {(f.side, family_of(f)): 9.0 for f in features}, 100, 30)
    plain, against = (
        reasons(made, sample, proven, observed) for observed in (None, _split(rate_of_many=0.02, rate_of_few=0.3))
    )
    pd.testing.assert_frame_equal(plain.drop(columns="proven"), against.drop(columns="proven"))
    value = pd.to_numeric(against["value"].where(against["feature"] == "web_30d"))
    contrary = ((value > 2) & (against["log_odds"] > 0)) | ((value <= 2) & (against["log_odds"] < 0))
    assert contrary.sum() > 50
    assert (against.loc[contrary, "proven"] == "family").all()
    mail = pd.to_numeric(against["value"].where(against["feature"] == "email_90d"))
    odd = ((mail == 0) & (against["log_odds"] > 0)) | ((mail > 0) & (against["log_odds"] < 0))
    assert (against.loc[odd, "proven"] == "family").all(), "no rate bears it out"
    same = ~contrary & ~odd
    assert (against.loc[same, "proven"] == plain.loc[same, "proven"]).all()
    lines = families(against, features)
    website = lines[lines["family"] == "website"].merge(
        against.loc[contrary, ["account_id", "as_of"]].assign(contrary=True), how="left", on=["account_id", "as_of"]
    )
    told = website[website["contrary"].notna()]
    assert "web_30d" not in set(told["feature"]), "another part tells it, or the family as a whole"
    assert told["proven"].all()
    assert told["feature"].isna().any()
    assert (families(plain, features)["feature"] == "web_30d").sum() > (lines["feature"] == "web_30d").sum()


def test_an_odd_reason_needs_a_rate_that_bears_it_out() -> None:
    """Nothing happened, and it raises; or something did, and it lowers: told only where accounts like it say so."""
    web = next(f for f in FEATURES if f.name == "web_30d")
    column, log_odds = pd.Series([0.0, 0.0, 3.0, 3.0, np.nan]), np.array([0.4, -0.4, 0.4, -0.4, 0.4])
    unsure = Observed(0.1, {})
    assert unsure.against(web, column, log_odds).tolist() == [True, False, False, True, False]
    assert not unsure.against(replace(web, unit="days"), column, log_odds).any(), "of days no direction is expected"
    assert not unsure.against(replace(web, side="fit", unit="yes or no"), column, log_odds).any(), "nor of who they are"
    ago = replace(web, unit="days or never")
    days, up = pd.Series([3.0, 365.0, np.nan, 365.0]), np.array([-0.4, 0.4, 0.4, -0.4])
    assert unsure.against(ago, days, up).tolist() == [False, True, True, False], "never is no reason to rise"
    contrary = _split(rate_of_many=0.02, rate_of_few=0.3)
    assert contrary.against(web, column[:4], log_odds[:4]).tolist() == [False, True, True, False]
