"""A replay of a plan on accounts' own ages: each row is judged once, on the first date on which it stands."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tierwise
from matrix_sample import matrix
from tierwise.clock import grid, naive
from tierwise.config import Plan
from tierwise.features import build_matrix
from tierwise.jobs.intake import outcome_reach, taken_in
from tierwise.jobs.past import _judged_once, _on, grid_of, score_past
from tierwise.jobs.replay import folder_of
from tierwise.learning import Recipe
from tierwise.learning.progress import silent
from tierwise.tiers.replay import replay as run_policy

AGES = tuple(range(1, 1200, 30))
SINCE, UNTIL = (datetime(2025, month, 1, tzinfo=UTC) for month in (3, 9))


def test_the_grid_is_the_one_asked_for_or_the_plans_or_weeks_for_own_ages() -> None:
    own = Plan.model_validate({"plan": "own", "cohort": {"grid": {"account_age_days": [7]}}})
    daily = Plan.model_validate({"plan": "daily", "cohort": {"grid": {"every": "day"}}})
    assert [grid_of(own), grid_of(own, "day"), grid_of(daily), grid_of(daily, "month")] == [
        "week", "day", "day", "month"
    ]  # fmt: skip


@pytest.mark.parametrize("every", ["day", "week", "month"])
def test_every_row_with_an_outcome_is_judged_once_on_its_first_date(every: str) -> None:
    made = matrix(accounts=40, months=14, instants="own")
    own = Plan.model_validate({"plan": "own", "cohort": {"grid": {"account_age_days": [7]}}})
    dates = grid(every, datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 12, 1, tzinfo=UTC))  # type: ignore[arg-type]
    judged: list[tuple[str, pd.Timestamp, float]] = []
    for before, date in zip((dates[0] - timedelta(microseconds=1), *dates), dates, strict=False):
        standing = _on(made, own, date)
        frame = _judged_once(standing, own, before).frame
        assert frame.drop(columns="outcome").equals(standing.frame.drop(columns="outcome"))
        told = frame[frame["outcome"].notna()]
        assert (told["as_of"] <= pd.Timestamp(naive(date))).all()
        judged += list(zip(told["account_id"], told["as_of"], told["outcome"], strict=True))
    assert len(set(judged)) == len(judged) > 0
    rows = made.frame[made.frame["outcome"].notna()]
    first, last = (pd.Timestamp(naive(dates[end])) for end in (0, -1))
    inside = rows[(rows["as_of"] >= first) & (rows["as_of"] <= last)]
    may = set(zip(inside["account_id"], inside["as_of"], inside["outcome"], strict=True))
    assert set(judged) <= may
    if every == "day":
        assert set(judged) == may, "no row is passed over where an account has one a day at most"


@pytest.mark.long
def test_a_plan_on_own_ages_is_replayed_by_week_and_judged_once(small_demo: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(small_demo, tmp_path / "ws", ignore=shutil.ignore_patterns("state", "published")))
    path = folder / "models" / "new_business" / "model.yaml"
    text = path.read_text()
    assert text.count("{every: month}") == 1
    path.write_text(text.replace("{every: month}", f"{{account_age_days: [{', '.join(map(str, AGES))}]}}"))
    workspace = tierwise.load_workspace(folder)
    files = workspace.plan()
    with taken_in(workspace, silent, files=files) as intake:
        past = score_past(
            intake, files, Recipe("scorecard", {}), (files.policy,), SINCE, UNTIL, months=3, threads=1, say=silent
        )
        reach = outcome_reach(intake, files)
        whole = build_matrix(intake.warehouse, files.plan, (SINCE, UNTIL), outcomes_through=reach).frame
    assert [p.as_of.weekday() for p in past.dates] == [0] * len(past.dates)
    assert len(past.dates) == 27
    assert folder_of(past, grid_of(files.plan), 3) == "2025-03-03_2025-09-01_by_week"
    assert folder_of(past, "day", 6) == "2025-03-03_2025-09-01_by_day_refit_6_months"
    judged = sum(int((~np.isnan(p.outcome)).sum()) for p in past.dates)
    last = pd.Timestamp(naive(past.dates[-1].as_of))
    rows = whole[whole["outcome"].notna() & (whole["as_of"] <= last)]
    assert judged == len(rows) > 500
    assert sum(np.nansum(p.outcome) for p in past.dates) == rows["outcome"].sum() > 0
    standing = [len(p.accounts) for p in past.dates]
    assert min(standing) > 2 * judged / len(past.dates), "accounts stand on until their horizon closes"
    figures = run_policy(past.under(files.policy), files.policy).figures
    assert figures.dates["judged"].sum() + figures.dates["elsewhere"].sum() <= judged
    assert figures.overall["n"].sum() == figures.dates["judged"].sum()
