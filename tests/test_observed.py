"""Observed rates: counted by hand, said only where they are sure, and never of few accounts."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from matrix_sample import FEATURES, INDUSTRY, SIZE, WEB, matrix
from tierwise.explain import Observed, observe
from tierwise.explain.observed import LEAST_ACCOUNTS, PRIVATE
from tierwise.features.matrix import Matrix

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
    return Observed(0.0667, {"web_30d": {"edges": [2.0], "seen": 9.0, "cells": [None, cell, None]}})


@pytest.mark.parametrize(
    ("cell", "raises", "said"),
    [
        ((0.2, 0.16, 0.24), True, "one in 5 such accounts, 3.0 times the average"),
        ((0.1333, 0.1, 0.16), True, "one in 8 such accounts, twice the average"),
        ((0.6, 0.5, 0.7), True, "60 in 100 such accounts, 9.0 times the average"),
        ((0.0333, 0.02, 0.05), False, "one in 30 such accounts, half the average"),
        ((0.0, 0.0, 0.01), False, "none of such accounts, 0.0 times the average"),
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
    known = SAMPLE.frame["web_30d"]
    assert again.seen_up_to("web_30d") == np.quantile(known[known > 0], 0.9, method="inverted_cdf")
    assert again.seen_up_to("nothing") == 0.0
