"""The notebooks that tell of a monthly retrain, of candidates and of one account run as they stand, and hold what they
claim: each asserts it at its end. They print what they found, with n, and nothing that nobody computed."""

from __future__ import annotations

import re
import runpy
import warnings
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
TOLD = ("monthly_retrain.py", "comparing_candidates.py", "reading_one_account.py")


def run(notebook: str, folder: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a notebook on a folder, and give its names."""
    patch.setattr("sys.argv", [notebook, str(folder)])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="shap")  # what it still asks of matplotlib
        return runpy.run_path(str(NOTEBOOKS / notebook))


def test_candidates_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = run("comparing_candidates.py", tmp_path, monkeypatch)
    said = capsys.readouterr().out
    assert told["plain"].evaluation.chosen_because in said
    assert f"n = {told['judged'].n:,}" in said
    assert set(told["plain"].evaluation.candidates) == set(told["KINDS"])


@pytest.mark.long
def test_a_month_is_retrained_promoted_and_rolled_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = run("monthly_retrain.py", tmp_path, monkeypatch)
    said = capsys.readouterr().out
    assert told["july"].page.is_file()
    assert "there are 0 rows" in told["too_early"]
    assert told["recalibrated"].number == 3
    assert all(words in said for words in (*told["recalibrated"].words, told["found"]["chosen_because"]))


@pytest.mark.long
def test_one_account_is_read_and_shap_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = run("reading_one_account.py", tmp_path, monkeypatch)
    said = capsys.readouterr().out
    assert told["told"].row["why"] in said
    assert told["shaps"].shape == (len(told["matrix"].frame), len(told["model"].features))
    assert told["barred"].row["tier"] == "recycle"


@pytest.mark.parametrize("notebook", TOLD)
def test_a_notebook_is_short_cells_of_words_and_code_that_end_in_claims(notebook: str) -> None:
    text = (NOTEBOOKS / notebook).read_text()
    cells = [cell for cell in re.split(r"^# %%", text, flags=re.M) if cell.strip()]
    words = [cell for cell in cells if cell.startswith(" [markdown]")]
    code = [cell.splitlines() for cell in cells if not cell.startswith(" [markdown]")]
    assert len(words) >= len(code) - 1
    assert max(len([line for line in cell if line.strip()]) for cell in code) <= 25
    assert "What this notebook claims" in words[-1]
    assert "\n".join(code[-1]).count("assert ") >= 4
    assert not re.search(r"from tierwise\S* import .*\b_|tierwise\.\w+\._", text), "public names only"
