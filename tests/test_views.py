"""Global views: counted by hand, and segments named no more often by chance than is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from matrix_sample import FEATURES, matrix
from tierwise.explain import Evidence, reasons
from tierwise.explain.families import families, shown
from tierwise.explain.views import CHANCE, LEAST_SEGMENT, dependence, importance, segments
from tierwise.features.matrix import Matrix
from tierwise.learning import Affine, PropensityModel, Scorecard, TwoSidedBooster
from tierwise.learning.calibration import row_log_loss
from tierwise.learning.model import freeze

SAMPLE = matrix(accounts=150, months=4)


def model(kind: str) -> PropensityModel:
    made = Scorecard(FEATURES) if kind == "scorecard" else TwoSidedBooster(FEATURES, rounds=30)
    fitted = made.fit(SAMPLE.frame, SAMPLE.frame["outcome"])
    return freeze(kind, fitted, Affine(0.1, 0.9), SAMPLE.frame, 90, datetime(2025, 1, 1, tzinfo=UTC), 1)


def test_importance_is_the_share_of_accounts_that_are_shown_it() -> None:
    names = {("fit", "industry"), ("signal", "web 30d"), ("fit", "employee count")}
    found = Evidence({f.name: 9.0 for f in FEATURES}, dict.fromkeys(names, 9.0), 100, 30)
    said = reasons(model("scorecard"), SAMPLE, found)
    view = importance(said, FEATURES, n=2).set_index(["side", "family"])
    lines = families(said, FEATURES)
    rows = len(SAMPLE.frame)
    for key, line in view.iterrows():
        mine = lines[(lines["side"] == key[0]) & (lines["family"] == key[1])]
        assert line["mean_size"] == pytest.approx(mine["log_odds"].abs().sum() / rows)
        assert line["proven"] == (key in names)
        assert (line["among_top"] > 0) <= (key in names)
    assert view["among_top"].sum() <= 2
    top = shown(lines).groupby(["account_id", "as_of"], sort=False).head(2)
    share = (top["family"] == "web 30d").sum() / rows
    assert view.loc[("signal", "web 30d"), "among_top"] == pytest.approx(share)
    assert (view["rows"] == rows).all()
    assert view["among_top"].is_monotonic_decreasing


@pytest.mark.parametrize("kind", ["scorecard", "two_sided"])
@pytest.mark.parametrize("name", ["industry", "web_30d", "employee_count", "region"])
def test_dependence_is_the_mean_contribution_by_value(kind: str, name: str) -> None:
    made = model(kind)
    view = dependence(made, SAMPLE, name)
    parts, column = made.contributions(SAMPLE.frame)[name], SAMPLE.frame[name]
    assert view["n"].sum() == len(column)
    assert (view["n"] * view["mean"]).sum() == pytest.approx(parts.sum())
    for line in view.to_dict("records"):
        if line["value"] == "not known":
            mine = column.isna()
        elif line["low"] == line["low"]:
            mine = column.between(line["low"], line["high"])
        else:
            mine = column == line["value"]
        assert line["n"] == mine.sum()
        assert (line["mean"], line["least"], line["most"]) == pytest.approx(
            (parts[mine].mean(), parts[mine].min(), parts[mine].max())
        )
        if kind == "scorecard" and (line["low"] == line["high"] or line["low"] != line["low"]):
            assert line["least"] == pytest.approx(line["most"]), "additive by feature: one value, one contribution"
    assert view["value"].iloc[-1] == "not known" or not column.isna().any()


def unseen(sample: Matrix, seed: int, wrong: str = "", factor: float = 1.0) -> pd.DataFrame:
    """Rows of a model that is right everywhere, but for one industry, in which log-odds are off."""
    r = np.random.default_rng(seed)
    frame = sample.frame
    industry = frame["industry"].astype(str)
    truth = -1.8 + 0.5 * (np.log1p(frame["web_30d"]) - 0.7) + np.where(industry == "i4", 0.9, 0.0)
    said = np.where(industry == wrong, truth * factor, truth)
    y = (r.random(len(frame)) < expit(truth)).astype(float)
    keys = frame[["account_id", "as_of", "family_id"]]
    return keys.assign(outcome=y, propensity=expit(said))


def test_a_segment_in_which_the_model_is_wrong_is_named_and_no_richer_one() -> None:
    sample = matrix(accounts=900, months=3, seed=4)
    rows = unseen(sample, 1, wrong="i1", factor=0.3)
    found = segments(rows, sample)
    named = found.frame[found.frame["named"]]
    assert set(named[["feature", "segment"]].itertuples(index=False, name=None)) == {("industry", "i1")}
    line = named.iloc[0]
    mine = (sample.frame["industry"] == "i1").to_numpy()
    y, p = rows["outcome"].to_numpy(), rows["propensity"].to_numpy()
    assert line["rows"] == mine.sum()
    assert line["accounts"] == sample.frame.loc[mine, "account_id"].nunique()
    assert line["outcomes"] == y[mine].sum()
    assert line["log_loss"] == pytest.approx(row_log_loss(np.log(p / (1 - p)), y)[mine].mean())
    assert line["gap"] == pytest.approx(y[mine].mean() - p[mine].mean())
    assert line["gap_low"] < line["gap"] < line["gap_high"] < 0
    assert found.log_loss == pytest.approx(row_log_loss(np.log(p / (1 - p)), y).mean())
    richer = found.frame[found.frame["segment"] == "i4"].iloc[0]
    assert richer["log_loss"] > found.log_loss
    assert not richer["named"], "more outcomes make a loss no fault"
    assert found.to_dict()["judged"] == len(found.frame)


def test_no_segment_is_named_by_chance_more_often_than_said() -> None:
    worlds = 120
    sample = matrix(accounts=500, months=2, seed=9)
    any_named = sum(bool(segments(unseen(sample, seed), sample).frame["named"].any()) for seed in range(worlds))
    # the 99 % quantile of a binomial of 120 and 0.05 is 12
    assert any_named <= 12, (any_named, CHANCE)


def test_small_segments_are_not_judged() -> None:
    sample = matrix(accounts=200, months=2)
    frame = sample.frame.assign(industry=np.where(sample.frame["account_id"] < "a00020", "few", "many").astype(object))
    few = replace(sample, frame=frame)
    assert frame.loc[frame["industry"] == "few", "account_id"].nunique() < LEAST_SEGMENT
    judged = segments(unseen(sample, 2), few).frame
    assert "few" not in set(judged["segment"])
    assert "many" in set(judged["segment"])
