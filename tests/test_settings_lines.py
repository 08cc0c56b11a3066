"""What a plan sets that a candidate may not be set to is refused with its file and line, like any other fault."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tierwise.config import load_workspace
from tierwise.config.plan import Candidate
from tierwise.errors import ConfigError
from tierwise.jobs import check, train
from tierwise.learning.candidates import check_candidates

BLOCK = """plan: main
outcome: {horizon_days: 90}
model:
  folds: 3
  candidates:
    - scorecard
    - kind: scorecard
      name: fine
      settings:
        outcome_weight: 2
        bins: 0
"""
FLOW = """plan: main

model:
  candidates: [additive,
    {kind: two_sided, settings: {fit_rounds: 5,
      num_leaves: 1}}]
"""
SAID = {
    "block": (BLOCK, 11, "'fine' was to be made with bins 0"),
    "flow": (FLOW, 5, "'two_sided' was to be made with fit_rounds 5, num_leaves 1"),
    "second": (FLOW.replace("fit_rounds: 5", "min_leaf: 5"), 6, "'two_sided' was to be made with num_leaves 1"),
}


def workspace(folder: Path, text: str) -> Path:
    (folder / "models" / "main").mkdir(parents=True)
    (folder / "models" / "main" / "model.yaml").write_text(text, encoding="utf-8")
    (folder / "tierwise.yaml").write_text("", encoding="utf-8")
    return folder


@pytest.mark.parametrize("case", SAID)
def test_the_line_is_that_of_the_first_setting_that_cannot_be(tmp_path: Path, case: str) -> None:
    text, line, asked = SAID[case]
    files = load_workspace(workspace(tmp_path, text))
    for verb in (train, check):
        with pytest.raises(ConfigError) as told:
            verb(files)
        assert told.value.where == f"models/main/model.yaml:{line}"
        assert str(told.value).startswith(f"models/main/model.yaml:{line}: the candidate {asked}: ")
        assert str(told.value).endswith(". Mend model.candidates in model.yaml.")


def test_the_command_line_says_it_as_it_says_the_others(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tierwise.cli", "-C", str(workspace(tmp_path, BLOCK)), "train"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"COLUMNS": "80"}, check=False)
    assert done.returncode == 2
    assert "models/main/model.yaml:11: the candidate 'fine' was to be made with bins 0: bins may be a whole number" in (
        " ".join(done.stderr.split())
    )
    assert "Traceback" not in done.stderr


def test_a_plan_says_the_line_of_a_path_or_of_the_nearest_part_that_it_has(tmp_path: Path) -> None:
    files = load_workspace(workspace(tmp_path, BLOCK)).plan()
    assert files.where("model", "folds") == "models/main/model.yaml:4"
    assert files.where("model", "candidates", 1, "name") == "models/main/model.yaml:8"
    assert files.where("model", "candidates", 0, "settings", "bins") == "models/main/model.yaml:6"
    assert files.where("cohort", "grid") == "models/main/model.yaml:1"


def test_candidates_of_no_file_name_no_line() -> None:
    with pytest.raises(ConfigError) as told:
        check_candidates([Candidate(kind="scorecard", settings={"bins": 0})])
    assert told.value.where == ""
    assert str(told.value).startswith("the candidate 'scorecard' was to be made with bins 0: ")
