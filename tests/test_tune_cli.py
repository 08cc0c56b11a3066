"""`tierwise policy tune` through the command line, and the page that it leaves."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import nursery
import tierwise
import tuned_sample
from tierwise.errors import UsageError
from tierwise.jobs.tune import _apply
from tierwise.report import tune_page

PLAN = "new_business"
WORDS = ("policy", "tune", "--top", "25%", "--ping-pong", "5%", "--trials", "10", "--since", "2024-09-01")


@pytest.fixture
def folder(small_demo: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_demo, tmp_path / "ws"))


@pytest.mark.long
def test_for_machines_it_prints_the_proposal_and_changes_the_file_only_when_asked(folder: Path) -> None:
    file = folder / "models" / PLAN / "policy.yaml"
    before = file.read_text(encoding="utf-8")
    done = nursery.tierwise("-C", folder, "--json", *WORDS)
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert json.loads(done.stderr.splitlines()[-1]) == {"code": 0, "run": None, "next": None}
    assert (values["plan"], values["applied"]) == (PLAN, False)
    assert values["aims"]["top_share"] == 0.25
    assert len(values["trials"]) == 11
    assert values["after_tuning"]["value"] == max(trial["value"] for trial in values["trials"])
    assert file.read_text(encoding="utf-8") == before

    home = Path(values["folder"])
    assert home.parent == tierwise.load_workspace(folder).published / PLAN / "replays"
    span = f"{values['first']}_{values['last']}_by_month"
    assert re.fullmatch(rf"tuned_{span}_{values['present']}_[0-9a-f]{{8}}", home.name)
    assert sorted(p.name for p in home.iterdir()) == ["policy.diff", "policy.yaml", "tune.html", "tune.json"]
    kept = json.loads((home / "tune.json").read_bytes())
    assert kept == {name: values[name] for name in kept}
    proposed = (home / "policy.yaml").read_text(encoding="utf-8")
    marked = [line for line in values["diff"].splitlines()[2:] if line[0] in "+-"]
    assert marked
    assert values["diff"] == (home / "policy.diff").read_text(encoding="utf-8")
    gone, come = ([line[1:] for line in marked if line[0] == sign] for sign in "-+")
    assert set(gone) <= set(before.splitlines())
    assert set(come) <= set(proposed.splitlines())
    assert len(before.splitlines()) - len(gone) + len(come) == len(proposed.splitlines())
    assert [line for line in before.splitlines() if line.startswith("#")] == [
        line for line in proposed.splitlines() if line.startswith("#")
    ]

    other = nursery.tierwise("-C", folder, "--json", *(w.replace("25%", "30%") for w in WORDS))
    assert Path(json.loads(other.stdout)["folder"]) != home, "other aims are another proposal beside the first"
    assert home.is_dir()

    applied = nursery.tierwise("-C", folder, *WORDS, "--apply")
    assert applied.returncode == 0, applied.stderr
    assert file.read_text(encoding="utf-8") == proposed
    assert f"Policy: {home / 'policy.yaml'} (applied)" in applied.stdout
    wide = [x for x in applied.stdout.splitlines() if len(x) > 80 and not x.startswith(("Proposal: ", "Policy: "))]
    assert not [x for x in wide if x[:1] not in "+- "], "but for the diff, which is the file's own"
    assert "Traceback" not in applied.stderr


def test_a_file_that_changed_while_the_search_ran_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_bytes(b"policy: mine\r\n")
    with pytest.raises(UsageError, match=r"the file has changed since the search began, and stays as it is\. Look at"):
        _apply(file, "policy: mine\n", "policy: theirs\n", tmp_path)
    assert file.read_bytes() == b"policy: mine\r\n"
    file.write_bytes(b"policy: m\xefne\n")
    with pytest.raises(UsageError, match="the file has changed"):
        _apply(file, "policy: mine\n", "policy: theirs\n", tmp_path)
    file.write_bytes(b"policy: mine\r\n")
    _apply(file, "policy: mine\r\n", "policy: theirs\r\n", tmp_path)
    assert file.read_bytes() == b"policy: theirs\r\n"


def test_its_page_says_the_change_the_figures_and_the_diff() -> None:
    made = tuned_sample.page()
    page = tune_page(made)
    text = " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"<(style|svg).*?</\1>", " ", page, flags=re.S)).split())
    values = made.values
    assert values["changes"], "the sample proposes something"
    for change in values["changes"]:
        assert f"{change['what']} {change['was']} {change['now']}" in text
    for name in ("before", "after"):
        assert f"{100 * values[name]['held']:.1f}%" in text
        assert f"{100 * values[name]['top_share']:.1f}%" in text
    assert made.diff.splitlines()[-1].lstrip("+-").strip() in text
    assert page.count("<svg") == 1
    assert tune_page(tuned_sample.page()) == page, "the same values give the same bytes"
