"""A point table's counts are those of the rows themselves, found line by line in the raw values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from test_points import ALL, frame, model
from tierwise.features.feature import Feature
from tierwise.learning import point_table
from tierwise.learning.encoding import Encoder
from tierwise.learning.metrics import wilson
from tierwise.learning.points import PRIVATE


def held(line: pd.Series, own: pd.DataFrame, feature: Feature, values: pd.Series, encoder: Encoder) -> np.ndarray:
    """Which rows a line speaks of, by its bounds or its level alone."""
    if feature.kind == "category":
        if feature.missing == "never":
            values = values.where(values.notna(), encoder.levels[feature.name][int(encoder.fills[feature.name])])
        if line["level"] == "any other":
            return (values.notna() & ~values.isin(own["level"])).to_numpy()
        return (values.isna() if pd.isna(line["level"]) else values == line["level"]).to_numpy(dtype=bool)
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    if feature.missing == "value" and np.isnan(line["at_least"]):
        return np.isnan(numbers)
    filled = np.where(np.isnan(numbers), encoder.fills.get(feature.name, np.nan), numbers)
    with np.errstate(invalid="ignore"):
        return (line["at_least"] <= filled) & (filled < line["below"])


@pytest.mark.parametrize("kind", ["scorecard", "additive"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_line_counts_the_rows_accounts_and_outcomes_that_it_speaks_of(kind: str, seed: int) -> None:
    rows = frame()
    made = model(kind, rows)
    r = np.random.default_rng(seed)
    counted = rows.iloc[r.integers(0, len(rows), 600)].reset_index(drop=True)
    counted.loc[:40, "industry"] = "unheard of"
    table = point_table(made, counted)
    assert table is not None
    encoder, told = made.estimator.encoder_, 0
    for feature in ALL:
        own = table[table["feature"] == feature.name]
        for _, line in own.iterrows():
            mine = counted[held(line, own, feature, counted[feature.name], encoder)]
            accounts = mine["account_id"].nunique()
            assert (line["rows"], line["accounts"]) == (len(mine), accounts), line["bin"]
            if accounts < PRIVATE:
                assert line[["outcomes", "rate", "low", "high"]].isna().all()
                continue
            rate = mine["outcome"].sum() / len(mine)
            assert line["outcomes"] == mine["outcome"].sum()
            assert line[["rate", "low", "high"]].tolist() == [rate, *wilson(rate * accounts, accounts)]
            told += 1
    assert told > 20
    assert (table["accounts"] < PRIVATE).any()


@pytest.mark.parametrize("kind", ["scorecard", "additive"])
def test_of_no_rows_every_line_is_there_and_counts_none(kind: str) -> None:
    rows = frame()
    made = model(kind, rows)
    table, none = point_table(made, rows), point_table(made, rows.head(0))
    assert table is not None
    assert none is not None
    assert none["log_odds"].tolist() == table["log_odds"].tolist()
    assert none[["rows", "accounts"]].to_numpy().sum() == 0
    assert none["rate"].isna().all()
