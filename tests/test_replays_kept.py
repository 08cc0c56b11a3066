"""Replays that were asked for differently stand beside each other, and a report reads the longest of the newest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import moved_sample
import tierwise
from tierwise.jobs import replay
from tierwise.jobs.report import _replay

PLAN = "new_business"


@pytest.mark.long
def test_another_span_or_grid_is_another_replay_and_the_same_one_takes_its_own_place(
    small_demo: Path, tmp_path: Path
) -> None:
    workspace = tierwise.load_workspace(shutil.copytree(small_demo, tmp_path / "ws"))
    home, version = workspace.published / PLAN / "replays", workspace.plan().policy.version()
    long = replay(workspace, since="2025-06-01", until="2025-09-02").folder
    before = (long / "replay.json").read_bytes()
    short = replay(workspace, since="2025-08-01", until="2025-09-02").folder
    weekly = replay(workspace, since="2025-08-01", until="2025-09-02", every="week").folder
    yearly = replay(workspace, since="2025-08-01", until="2025-09-02", refit_months=12).folder
    assert [folder.name for folder in (long, short, weekly, yearly)] == [
        f"2025-06-01_2025-09-01_by_month_{version}",
        f"2025-08-01_2025-09-01_by_month_{version}",
        f"2025-08-04_2025-09-01_by_week_{version}",
        f"2025-08-01_2025-09-01_by_month_refit_12_months_{version}",
    ]
    again = replay(workspace, since="2025-05-15", until="2025-09-20").folder
    assert again == long, "the same dates are the same replay"
    assert (long / "replay.json").read_bytes() == before
    assert sorted(home.iterdir()) == sorted((long, short, weekly, yearly))
    found = _replay(workspace, workspace.plan())
    assert found is not None
    assert found["folder"] == long.name


def test_a_report_reads_the_newest_and_of_these_the_longest(small_demo: Path, tmp_path: Path) -> None:
    workspace = tierwise.load_workspace(shutil.copytree(small_demo, tmp_path / "ws"))
    version, sample = workspace.plan().policy.version(), moved_sample.page().values["replay"]
    unjudged = [tier | {"n": 0, "outcomes": 0} for tier in sample["overall"]]
    spans = {"a": ("2025-01-01", "2025-12-01"), "b": ("2025-11-01", "2025-12-01"), "c": ("2024-01-01", "2025-11-01")}
    spans |= {"newest": ("2025-12-20", "2025-12-20")}
    for name, (first, last) in spans.items():
        folder = workspace.published / PLAN / "replays" / name
        folder.mkdir(parents=True)
        said = sample | {"policy_version": version, "first": first, "last": last}
        said |= {"overall": unjudged} if name == "newest" else {}
        (folder / "replay.json").write_text(json.dumps(said))
    proposal = workspace.published / PLAN / "replays" / "tuned_x"
    proposal.mkdir()
    (proposal / "tune.json").write_text("{}")
    found = _replay(workspace, workspace.plan())
    assert found is not None
    assert found["folder"] == "a", "a proposal beside them is no replay, and one date that judges nothing is no worth"
    for name in spans:
        if name != "newest":
            shutil.rmtree(workspace.published / PLAN / "replays" / name)
    found = _replay(workspace, workspace.plan())
    assert found is not None
    assert found["folder"] == "newest", "where none judged anything it is the newest"
