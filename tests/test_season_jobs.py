"""A season on a real workspace: published bases, the sum on every row, and the change between two runs."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

import tierwise
from tierwise.jobs.explain import explain
from tierwise.learning.season import Season
from tierwise.publishing import read_current
from tierwise.registry import Registry, write_bundle

PLAN = "new_business"
OFFSETS = tuple((0.4 * np.cos(2 * np.pi * np.arange(12) / 12)).tolist())
"""Most in January, least in July."""


def test_runs_have_the_season_in_their_base_and_a_change_names_it(small_demo: Path, tmp_path: Path) -> None:
    workspace = tierwise.load_workspace(shutil.copytree(small_demo, tmp_path / "ws"))
    before = read_current(workspace.published, PLAN).frame("scores").set_index("account_id")
    registry = Registry(workspace.registry, workspace.folder / "state" / "models")
    live = registry.live(PLAN)
    model = dataclasses.replace(live.model, season=Season(OFFSETS))
    typed = {f.name: pd.Series(dtype=object if f.kind == "category" else np.float64) for f in model.features}
    golden = pd.DataFrame(typed | {"as_of": pd.Series(dtype="datetime64[us]")})
    write_bundle(model, golden, live.meta, tmp_path / "bundle", live.value)
    registry.register(PLAN, tmp_path / "bundle", {}, {})
    registry.promote(PLAN)

    run = tierwise.score(workspace, as_of="2026-01-01")
    assert run.new
    published = read_current(workspace.published, PLAN)
    scores = published.frame("scores").set_index("account_id").dropna(subset=["propensity"])
    assert scores["base"].to_numpy() == pytest.approx(model.base + OFFSETS[0], abs=1e-9)
    said = published.frame("reasons").groupby("account_id")["log_odds"].sum().reindex(scores.index, fill_value=0.0)
    assert np.abs(said + scores["base"] - logit(scores["propensity"])).max() < 1e-6
    ranks = ["account_score", "fit_score", "signal_score"]
    assert np.abs(scores[ranks] - before.loc[scores.index, ranks]).to_numpy().max() < 1e-9

    account = scores.index[3]
    change = explain(workspace, account, since="2025-12-01").change
    assert change is not None
    assert change.parts["log_odds"].sum() == pytest.approx(change.after - change.before, abs=1e-9)
    season = change.parts[change.parts["family"] == "season"].set_index("cause")["log_odds"]
    assert season.to_dict() == pytest.approx({"model": OFFSETS[11], "ageing": OFFSETS[0] - OFFSETS[11]}, abs=1e-9)
    told = change.families[change.families["family"] == "season"]
    assert set(told["words"]) == {"the time of the year"}
