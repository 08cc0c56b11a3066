"""`tierwise policy tune` through the command line, and the page that it leaves."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

import nursery
import tierwise
import tuned_sample
from past_dates import random_past
from tierwise.cli.policy import moves, paired, precise, proposed, rules, worth
from tierwise.config import Policy
from tierwise.config.policy import TIERS, TimeInTier
from tierwise.errors import UsageError
from tierwise.jobs import TuneResult
from tierwise.jobs.past import ScoredPast
from tierwise.jobs.tune import _apply
from tierwise.report import tune_page
from tierwise.tiers.aims import Aims
from tierwise.tiers.compared import compare
from tierwise.tiers.replay import replay

PLAN = "new_business"
LOOSE = Policy(policy="loose", time_in_tier=TimeInTier(stay_margin=0, minimum_stay_days=0))
DIFF = "--- policy.yaml\n+++ policy.yaml (proposed)\n-a\n+b\n\n"
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

    refused = nursery.tierwise("-C", folder, *WORDS, "--precision", "99%", "--apply")
    assert refused.returncode == 3, refused.stderr
    assert file.read_text(encoding="utf-8") == before, "it misses on the newer dates what was asked for"
    said = " ".join(refused.stdout.split())
    why = "on the newer dates the proposal misses the least share of tier_1 with the outcome by "
    assert f"Not applied: {file} stays as it is, as {why}" in said
    lies = refused.stdout.splitlines()[-1].removeprefix("Policy: ")
    assert refused.stderr.splitlines()[-1] == f"exit 3 · next: cp {lies} {file}"
    assert not too_wide(refused.stdout)

    theirs = folder / "theirs.yaml"
    theirs.write_text(before, encoding="utf-8")
    easy = [{"25%": "35%", "5%": "10%"}.get(w, w) for w in WORDS]
    applied = nursery.tierwise("-C", folder, *easy, "--apply", "--policy", theirs)
    assert applied.returncode == 0, applied.stderr
    assert "--- theirs.yaml\n+++ theirs.yaml (proposed)\n" in applied.stdout, "the diff names what was tuned"
    assert f"/policy.yaml (applied to {theirs})\n" in applied.stdout
    assert theirs.read_text(encoding="utf-8") != before
    assert file.read_text(encoding="utf-8") == before
    assert not too_wide(applied.stdout)
    assert "Traceback" not in applied.stderr


def too_wide(printed: str) -> list[str]:
    """The lines of over 80 characters but for the diff, which is the file's own, and lines that hold a path."""
    head, _, rest = printed.partition("\n--- ")
    lines = [*head.splitlines(), *rest.partition("\n\n")[2].splitlines()]
    assert any(x.startswith(" tier_1 ") for x in lines), "the tables are looked at"
    return [x for x in lines if len(x) > 80 and "/" not in x]


def result_of(aims: Aims, *, asked: bool) -> TuneResult:
    """A tuning of random dates, to be applied or not, which ends as these aims have it."""
    tuned = replace(tuned_sample.tuned(), aims=aims)
    refused = asked and not tuned.sound
    past, folder = cast("ScoredPast", None), Path("replays/tuned_x")
    return TuneResult(PLAN, tuned, past, DIFF, folder, Path("policy.yaml"), asked and not refused, refused)


def test_what_newer_dates_miss_is_said_by_how_much_and_where_the_proposal_lies(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    tuned = tuned_sample.tuned()
    after, share, back = tuned.after, tuned.after.top_share, tuned.after.ping_pong
    near = after.precision["tier_1"] + 0.0004
    proposed(result_of(Aims(top_share=share - 0.05, ping_pong=back / 2, precision=near), asked=True))
    printed = capsys.readouterr().out
    said = " ".join(printed.split())
    n = f"{after.within['ping_pong']['n']:,.0f}"
    low, high = (100 * after.within["ping_pong"][name] for name in ("low", "high"))
    assert f"at most {100 * share - 5:.1f}%: {100 * share:.1f}%, missed by 5.0 points." in said
    assert f"{100 * back:.2f}% ({low:.2f} to {high:.2f}, n {n}), missed by {50 * back:.2f} points." in said
    assert "missed by less than 0.1 points." in said
    assert (
        "Not applied: policy.yaml stays as it is, as on the newer dates the proposal misses the limit of tier_1 and"
        f" tier_2 by 5.0 points and the limit of accounts back in a month by {50 * back:.2f} points"
    ) in said, "what is missed by a hair is no reason"
    assert "copy over it the file named below" in said
    assert not too_wide(printed)
    proposed(result_of(Aims(top_share=1.0, ping_pong=1e-6), asked=False))
    said = " ".join(capsys.readouterr().out.split())
    assert "12 policies tried; none of them, nor the present one, keeps all aims there." in said
    assert "Not applied" not in said
    proposed(result_of(Aims(top_share=1.0, ping_pong=1.0), asked=True))
    said = " ".join(capsys.readouterr().out.split())
    assert ", met." in said
    assert "missed" not in said
    assert "none of them" not in said


def test_each_share_of_a_tier_stands_beside_its_n_and_interval_in_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    tuned = tuned_sample.tuned()
    many = {tier: dict(line) | {"n": 1_234_567.0} for tier, line in tuned.after.within.items()}
    precise(replace(tuned, after=replace(tuned.after, within=many)))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    for tier in ("tier_1", "tier_2", "tier_3", "recycle"):
        cells = []
        for found, n in ((tuned.before, f"{tuned.before.within[tier]['n']:,.0f}"), (tuned.after, "1,234,567")):
            low, high = (f"{100 * found.within[tier][name]:.1f}" for name in ("low", "high"))
            cells += [f"{100 * found.precision[tier]:.1f}%", low, "to", high, n]
        assert next(x.split() for x in lines if x.split()[:1] == [tier]) == [tier, *cells]


def test_the_tables_of_a_replay_stand_in_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    made = replay(random_past(1, accounts=300, n=20, open_from=19), Policy())
    grown = {"size": 12_345.0, "n": 1_234_567, "outcomes": 123_456}
    figures = replace(
        made.figures,
        overall=made.figures.overall.assign(**grown, low=0.101, high=0.202),
        stability=made.figures.stability.assign(accounts=123_456, moved=12_345, came_back=1_234),
        guardrails=made.figures.guardrails.assign(**grown | {"without": 1_111_111}),
    )
    worth(figures, "v1-00000000: 20 dates")
    moves(figures)
    rules(figures)
    paired(compare(made, replay(random_past(1, accounts=300, n=20, open_from=19), LOOSE)).paired, "loose")
    printed = capsys.readouterr().out
    assert not too_wide(printed)
    for tier in TIERS:
        cells = next(x.split() for x in printed.splitlines() if x.split()[:1] == [tier])
        assert cells[1:4] == ["12,345", "1,234,567", "123,456"], "each row is one line, and no word is broken"
    names = {x.split()[0] for x in printed.splitlines() if "1,111,111" in x}
    assert names == set(figures.guardrails["guardrail"]), "names of guardrails stand whole"


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
        for tier in ("tier_1", "tier_2", "tier_3", "recycle"):
            share, of = values[name]["precision"][tier], values[name]["within"][tier]
            assert f"{100 * share:.1f}% {100 * of['low']:.1f}% to {100 * of['high']:.1f}%, n {of['n']:,.0f}" in text
    assert values["aims_kept"][-1]["aim"] == "ping_pong"
    missed = f"missed by {100 * values['aims_kept'][-1]['short']:.2f} points"
    assert missed in text, "the sample comes back more often than was asked for"
    assert "None of the 13 policies, the present one among them, keeps all of this on the dates tuned on." in text
    assert made.diff.splitlines()[-1].lstrip("+-").strip() in text
    assert page.count("<svg") == 1
    assert tune_page(tuned_sample.page()) == page, "the same values give the same bytes"
