"""A baseline that the rows do not allow is said to be so, and what it takes to beat one is said too."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from matrix_sample import FEATURES, INDUSTRY, RECENCY, WEB, matrix, plan
from tierwise.features.feature import Feature
from tierwise.learning import rankings, train_model
from tierwise.learning.baselines import unformed
from tierwise.report import TrainingPage, training_page
from tierwise.report.quality import quality_part
from tierwise.report.words import Words


@pytest.mark.parametrize("features", [FEATURES, (INDUSTRY, WEB)])
@pytest.mark.parametrize("dated", [True, False])
def test_each_baseline_is_formed_or_said_why_not(features: tuple[Feature, ...], dated: bool) -> None:
    frame = matrix(accounts=10, months=3, features=features).frame
    frame = frame if dated else frame.drop(columns="days_since_signal")
    formed, said = set(rankings(frame, features)), unformed(frame, features)
    assert formed.isdisjoint(said)
    assert formed | set(said) == {"base_rate", "newest_activity", "largest", "rubric"}
    assert ("days_since_signal" in said.get("newest_activity", "")) is not dated
    assert said["rubric"] == "icp.yaml has no rubric"


def test_the_evaluation_and_the_page_say_which_cannot_be_formed_and_what_beating_asks() -> None:
    made = matrix(accounts=300, months=12, strength=1.5, features=(INDUSTRY, WEB, RECENCY))
    made = replace(made, frame=made.frame.drop(columns="days_since_signal"))
    told = train_model(made, plan(candidates=["scorecard"]), threads=1).evaluation.to_dict()
    assert set(told["unformed"]) == {"newest_activity", "largest", "rubric"}
    assert "average precision ahead in 95 % of resamples by account family, AUC in half of them, and" in told["why"]
    assert "capture of the top 20 % ahead)" in told["why"]
    shown = quality_part(told, {}, Words({}))["unformed"]
    assert isinstance(shown, list)
    assert "Largest accounts first: no number of the fit side is called employee_count or annual_revenue" in shown
    answer = {"plan": "sample", "verdict": told["verdict"], "evaluation": told}
    html = training_page(TrainingPage(answer, pd.Timestamp("2025-06-01", tz="UTC").to_pydatetime(), {}))
    assert (
        "Baselines that cannot be formed, and so were not beaten: Largest accounts first: no number of the fit" in html
    )
    assert "ICP rubric: icp.yaml has no rubric.</p>" in html
