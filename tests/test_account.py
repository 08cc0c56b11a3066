"""One account of a demo, explained end to end: exact sums, also across two models, and words at 80 columns."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tierwise
from tierwise.cli import show
from tierwise.cli.explained import explained
from tierwise.config import Workspace
from tierwise.errors import UsageError
from tierwise.jobs import Explained, explain
from tierwise.publishing import read_current
from tierwise.registry import Registry

PLAN, THEN = "new_business", "2025-10-01"


def accounts(workspace: Workspace) -> list[str]:
    """An account of each tier, and one out of the cohort."""
    tiers = read_current(workspace.published, PLAN).frame("tiers")
    return sorted(tiers.drop_duplicates("tier")["account_id"])


def check_split(found: Explained) -> None:
    """Steps end at the log-odds, and the split sums to the difference of the two published scores."""
    p = found.row["propensity"]
    assert found.steps["log_odds"].iloc[:-1].sum() == pytest.approx(np.log(p / (1 - p)), abs=1e-6)
    if found.change is None:
        return
    change, q = found.change, found.before["propensity"]
    assert change.after == pytest.approx(np.log(p / (1 - p)), abs=1e-6)
    assert change.before == pytest.approx(np.log(q / (1 - q)), abs=1e-6)
    assert change.parts["log_odds"].sum() == pytest.approx(change.after - change.before, abs=1e-9)
    assert change.families["log_odds"].sum() == pytest.approx(change.after - change.before, abs=1e-9)


@pytest.fixture
def workspace(small_demo: Path) -> Workspace:
    return tierwise.load_workspace(small_demo)


def test_an_account_is_explained_exactly_and_within_80_columns(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    compared = 0
    for account in accounts(workspace):
        found = explain(workspace, account, since=THEN)
        explained(found)
        said = capsys.readouterr().out
        assert max(map(len, said.splitlines())) <= 80
        show.emit(found.to_dict())
        assert json.loads(capsys.readouterr().out)["row"]["account_id"] == account
        if pd.isna(found.row["propensity"]):
            assert "It is out of the cohort, and has no propensity." in said
            continue
        check_split(found)
        assert "Will it open an opportunity (New Business)?" in said
        assert "What would move it" in said
        if found.change is not None:
            compared += 1
            assert f"Since the run of {THEN}" in said
            causes = found.change.parts.groupby("cause")["log_odds"].apply(lambda v: v.abs().sum())
            assert causes.get("revised", 0.0) < 1e-6, "no row was mended"
            assert "model" not in causes, "one model scored both"
    assert compared >= 2


def test_top_reasons_are_families_with_values(workspace: Workspace) -> None:
    run = read_current(workspace.published, PLAN)
    reasons, tiers = run.frame("reasons"), run.frame("tiers")
    assert set(reasons["proven"]) <= {"part", "family", ""}
    quiet = reasons.groupby("family")["proven"].apply(lambda v: (v == "").all())
    told = "|".join(tiers.filter(like="reason_").to_numpy().ravel())
    assert "raises: " in told
    assert not [family for family in quiet[quiet].index if f": {family}: " in told]
    assert [family for family in quiet[~quiet].index if f": {family}: " in told]
    assert re.search(r" \(\d+ in \d+ of [\d,]+ such accounts opened one within 90 days, .* the average\)", told)
    assert max(map(len, told.split("|"))) <= 200


@pytest.mark.parametrize("days", [0, 1])
def test_a_change_since_a_date_that_is_not_before_the_run_is_refused(workspace: Workspace, days: int) -> None:
    run = read_current(workspace.published, PLAN)
    newest = pd.Timestamp(run.meta["as_of"])
    since, of = (newest + pd.Timedelta(days=days)).date(), newest.date()
    told = f"the change since {since} was asked for: the run in hand, {run.run_id}, is of {of}"
    with pytest.raises(UsageError, match=re.escape(told)) as caught:
        explain(workspace, accounts(workspace)[0], since=str(since))
    assert f"Give a date before {of}" in str(caught.value)


@pytest.mark.long
def test_another_model_is_a_part_of_the_change_by_itself(workspace: Workspace, tmp_path: Path) -> None:
    copy = tierwise.load_workspace(Path(shutil.copytree(workspace.folder, tmp_path / "ws")))
    trained = tierwise.train(copy, as_of="2025-12-01")
    tierwise.promote(copy, share=1.0)
    tierwise.score(copy, as_of="2026-01-05")
    scores = read_current(copy.published, PLAN).frame("scores").dropna(subset=["propensity"])
    found = [explain(copy, account, since="2026-01-01") for account in scores["account_id"].iloc[[3, 40, 200]]]
    for one in found:
        check_split(one)
    changed = [one.change for one in found if one.change is not None]
    assert changed
    for change in changed:
        causes = change.parts.groupby("cause")["log_odds"].apply(lambda v: v.abs().sum())
        assert causes["model"] > 0.01
        assert causes.get("revised", 0.0) < 1e-6
    registry = Registry(copy.registry, copy.folder / "state" / "models")
    assert registry.of_version(PLAN, trained.model_version).version == trained.model_version
    with pytest.raises(UsageError, match="holds 2 versions, and none of them is that"):
        registry.of_version(PLAN, "f" * 64)
