"""Point tables: looked up by hand they sum to the model's log-odds, and are safe in a spreadsheet."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from matrix_sample import EMAIL, FEATURES, INDUSTRY, RECENCY, REGION, SIZE, TECH, WEB, matrix
from tierwise.explain import Evidence
from tierwise.explain.overview import LEVELS, newest_rows, overview, top_features
from tierwise.features.feature import Feature
from tierwise.learning import AdditiveBooster, Affine, PropensityModel, Scorecard, TwoSidedBooster, point_table
from tierwise.learning.model import freeze
from tierwise.plain import plain
from tierwise.publishing import points_csv

BEYOND = replace(RECENCY, missing="beyond", absent="never", unit="days or never")
RATIO = Feature("trend", "signal", "number", "log ratio", "activity over the 90 days before: {value}", 180)
SAMPLE = matrix(accounts=200, months=5)
ALL = (INDUSTRY, REGION, SIZE, TECH, WEB, BEYOND, EMAIL, RATIO)


def frame() -> pd.DataFrame:
    r = np.random.default_rng(1)
    size = SAMPLE.frame["employee_count"].where(SAMPLE.frame["employee_count"] != 100)
    return SAMPLE.frame.assign(trend=r.normal(0, 1, len(SAMPLE.frame)), employee_count=size)


def model(kind: str, rows: pd.DataFrame) -> PropensityModel:
    made = {
        "scorecard": Scorecard(ALL, penalty=4.0),
        "additive": AdditiveBooster(ALL, rounds=60),
        "two_sided": TwoSidedBooster(ALL, rounds=20),
    }[kind]
    fitted = made.fit(rows, rows["outcome"])
    return freeze(kind, fitted, Affine(0.2, 0.8), rows, 90, datetime(2025, 1, 1, tzinfo=UTC), 1)


def line_of(lines: pd.DataFrame, value: object, absent: str) -> pd.Series:
    """The line of one feature that a value falls in, as a person would look it up."""
    if value is None or value != value:
        missing = lines[lines["bin"] == absent]
        return missing.iloc[0] if len(missing) else lines.iloc[-1]
    if lines["level"].notna().any():
        mine = lines[lines["level"] == value]
        return (mine if len(mine) else lines[lines["level"] == "any other"]).iloc[0]
    low, high = lines["at_least"].fillna(-np.inf), lines["below"].fillna(np.inf)
    known = lines["bin"] != absent if len(lines) > 1 else lines["bin"].notna()
    (mine,) = np.flatnonzero((low <= value) & (value < high) & (known | lines["at_least"].notna()))
    return lines.iloc[mine]


@pytest.mark.parametrize("kind", ["scorecard", "additive"])
def test_the_base_and_one_line_a_feature_sum_to_the_log_odds_of_rows_old_and_new(kind: str) -> None:
    rows = frame()
    made = model(kind, rows)
    table = point_table(made, rows)
    assert table is not None
    read = pd.read_csv(
        io.BytesIO(points_csv(plain(table))), keep_default_na=False, na_values={"at_least": [""], "below": [""]}
    )
    read["level"] = read["level"].where((read["level"] != "") | (read["bin"] == "(empty)"), np.nan)
    new = rows.head(80).copy()
    new.loc[new.index[:20], "industry"] = "unheard of"
    new.loc[new.index[20:40], "web_30d"] = 1e6
    new.loc[new.index[:10], "employee_count"] = 0.5
    imputed = {f.name for f in ALL if f.missing == "never"}
    for row in new.to_dict("records"):
        if any(row[name] is None or row[name] != row[name] for name in imputed):
            continue
        total = read.loc[0, "log_odds"] + sum(
            line_of(read[read["feature"] == f.name], row[f.name], f.absent)["log_odds"] for f in ALL
        )
        (wanted,) = made.log_odds(pd.DataFrame([row], columns=new.columns).astype(new.dtypes.to_dict()))
        assert total == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("kind", ["scorecard", "additive"])
def test_every_row_is_counted_once_by_each_feature_and_rates_are_those_of_the_rows(kind: str) -> None:
    rows = frame()
    table = point_table(model(kind, rows), rows)
    assert table is not None
    counted = table.iloc[1:].groupby("feature")["rows"].sum()
    assert (counted == len(rows)).all()
    assert set(counted.index) == {f.name for f in ALL}
    assert table.loc[0, ["rows", "accounts", "outcomes"]].tolist() == [len(rows), 200, rows["outcome"].sum()]
    few = table["accounts"] < 10
    assert table.loc[few, ["outcomes", "rate", "low", "high"]].isna().all(axis=None)
    told = table[~few]
    assert ((told["low"] <= told["rate"]) & (told["rate"] <= told["high"])).all()
    assert told["rate"].to_numpy() == pytest.approx((told["outcomes"] / told["rows"]).to_numpy())
    regions = table[table["feature"] == "region"].set_index("bin")["rows"]
    assert regions["south"] == (rows["region"] == "south").sum()
    assert regions["not known"] == rows["region"].isna().sum()
    assert regions["any other"] == 0


def test_points_double_the_odds_every_twenty() -> None:
    rows = frame()
    table = point_table(model("scorecard", rows), rows)
    assert table is not None
    assert np.abs(table["points"] - 20 * np.log2(table["odds_times"])).max() <= 0.5
    assert np.allclose(np.log(table["odds_times"]), table["log_odds"])


@pytest.mark.parametrize("kind", ["scorecard", "additive"])
def test_bins_are_said_as_people_read_them(kind: str) -> None:
    rows = frame()
    table = point_table(model(kind, rows), rows)
    assert table is not None
    said = {name: lines["bin"].tolist() for name, lines in table.groupby("feature", sort=False)}
    assert said["base"] == ["every account"]
    assert said["tech_c++"][:-1] in (["no", "yes"], ["any value"])
    assert "(empty)" in said["region"]
    assert said["web_30d"][0] == "0"
    assert said["web_30d"][-2].endswith(" or more")
    assert said["web_30d"][-1] == "not known"
    assert not [b for b in said["web_30d"] if "below" in b], "whole numbers are said by their first and last"
    assert said["employee_count"][0].startswith("up to ")
    assert not [b for b in said["employee_count"] if "." in b], "what stands in for a missing size is none of its sizes"
    assert "never" in said["days_since_web"][-1]
    assert all(float(b.split()[0]) > 0 for b in said["trend"] if b[0].isdigit()), "a log ratio is said as the ratio"
    assert table.loc[1, "words"] == "industry is …"


def test_equal_neighbours_of_an_additive_booster_are_one_line() -> None:
    rows = frame()
    table = point_table(model("additive", rows), rows)
    assert table is not None
    numbers = table[table["at_least"].notna() & table["level"].isna()]
    for _, lines in numbers.groupby("feature"):
        assert (np.diff(lines["log_odds"]) != 0).all()
        assert lines["at_least"].iloc[1:].tolist() == lines["below"].iloc[:-1].tolist()


def test_a_model_whose_features_do_not_add_up_one_by_one_has_no_points() -> None:
    rows = frame()
    assert point_table(model("two_sided", rows), rows) is None


@pytest.mark.parametrize("name", ['=HYPERLINK("http://x","y")', "+1", "@cmd", "-2;=3", 'say "hi", all'])
def test_a_level_is_no_formula_in_a_spreadsheet(name: str) -> None:
    rows = frame()
    rows["industry"] = rows["industry"].replace("i2", name)
    table = point_table(model("scorecard", rows), rows)
    assert table is not None
    text = points_csv(plain(table)).decode("utf-8-sig")
    read = list(csv.DictReader(io.StringIO(text)))
    cells = {line["bin"] for line in read} | {line["level"] for line in read}
    assert {c.replace("'", "") for c in cells} >= {name.replace("'", "")}
    assert not [c for c in cells if c[:1] in "=+-@" and c]
    assert float(read[0]["log_odds"]) == table.loc[0, "log_odds"], "figures stay numbers, and exact"
    assert read[1]["rows"] == str(table.loc[1, "rows"])


def test_newest_rows_are_one_an_account_and_evenly_spread() -> None:
    frame_ = SAMPLE.frame.copy()
    frame_.loc[(frame_["account_id"] < "a00050") & (frame_["as_of"] == frame_["as_of"].max()), "status"] = "customer"
    rows = newest_rows(replace(SAMPLE, frame=frame_))
    assert rows.frame["account_id"].is_unique
    assert len(rows.frame) == 200
    newest = frame_[frame_["status"] == "eligible"].groupby("account_id")["as_of"].max()
    assert (rows.frame.set_index("account_id")["as_of"] == newest).all()
    few = newest_rows(replace(SAMPLE, frame=frame_), 50).frame["account_id"].sort_values()
    gaps = np.diff([int(a[1:]) for a in few])
    assert len(few) == 50
    assert gaps.max() <= 5


def test_the_overview_holds_no_features_that_are_noise_and_sums_to_its_accounts() -> None:
    made = freeze_of(Scorecard(FEATURES))
    found = Evidence({f.name: 9.0 for f in FEATURES}, {("fit", "industry"): 9.0, ("signal", "web 30d"): 9.0}, 1, 1)
    unseen = SAMPLE.frame[["account_id", "as_of", "family_id", "outcome"]].assign(propensity=0.1)
    views = overview(made, SAMPLE, unseen, found)
    assert views["accounts"] == 200
    assert [line["feature"] for line in views["dependence"]] == top_features(made, newest_rows(SAMPLE), found)
    assert {line["feature"] for line in views["dependence"]} == {"industry", "web_30d"}
    assert all(sum(one["n"] for one in line["lines"]) == 200 for line in views["dependence"])
    assert views["points"][0]["feature"] == "base"
    assert {line["feature"] for line in views["segments"]["segments"]} <= {
        "industry",
        "region",
        "employee_count",
        "tech_c++",
    }
    assert all(line["words"] and line["kind"] for line in views["segments"]["segments"])


def test_of_many_levels_the_most_frequent_are_kept_and_those_pooled_are_one() -> None:
    rows = SAMPLE.frame.copy()
    r = np.random.default_rng(0)
    rows["industry"] = [f"level {k}" for k in np.minimum(r.geometric(0.12, len(rows)), 60)]
    sample = replace(SAMPLE, frame=rows)
    made = freeze_of(Scorecard(FEATURES), rows)
    found = Evidence({f.name: 9.0 for f in FEATURES}, {("fit", "industry"): 9.0}, 1, 1)
    unseen = rows[["account_id", "as_of", "family_id", "outcome"]].assign(propensity=0.1)
    (line,) = overview(made, sample, unseen, found)["dependence"]
    kept = made.estimator.encoder_.levels["industry"]
    assert len(line["lines"]) == LEVELS
    assert {one["value"] for one in line["lines"]} <= {*kept, "any other"}
    assert line["more"] >= len(kept) + 1 - LEVELS - 5


def freeze_of(estimator: Scorecard, rows: pd.DataFrame | None = None) -> PropensityModel:
    rows = SAMPLE.frame if rows is None else rows
    fitted = estimator.fit(rows, rows["outcome"])
    return freeze("scorecard", fitted, Affine(0.1, 0.9), rows, 90, datetime(2025, 1, 1, tzinfo=UTC), 1)
