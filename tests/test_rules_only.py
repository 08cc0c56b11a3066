"""No usable model, end to end: the answer's page, rules going live, tiers by rules, and a later model taking over."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nursery
import tierwise
from tierwise.clock import instant
from tierwise.config import Workspace
from tierwise.errors import NoUsableModel, RunHeld, UsageError
from tierwise.governance import helps, unbeaten
from tierwise.jobs import ScoreResult, explain
from tierwise.publishing import read_current, verify_run
from tierwise.store import Store
from tierwise.synthetic import WorldSpec, simulate, write_world

PLAN = "new_business"
RUBRIC = """rubric:
  - {attribute: industry, equals: [Software, Manufacturing], points: 20}
  - {attribute: employee_count, at_least: 200, below: 5000, points: 30}
  - {attribute: technologies, equals: [cloud_warehouse, container_platform], points: 15}
  - {attribute: nowhere, equals: [x], points: 5}
"""
TRAINED, SCORED, USABLE = "2025-07-01", "2025-08-01", "2025-10-01"
"""Where 20 accounts with the outcome are asked for, no model is usable as of TRAINED, and one is as of USABLE."""


@pytest.fixture(scope="module")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace on a small world whose plan asks for more outcomes than there are; nothing is trained."""
    home = tmp_path_factory.mktemp("rules")
    write_world(simulate(WorldSpec(seed=1, accounts=400, months=24)), home / "world", datetime(2026, 1, 1, tzinfo=UTC))
    tierwise.init(home / "ws", home / "world" / "tables")
    ask(home / "ws", 5000)
    settings = home / "ws" / "tierwise.yaml"
    settings.write_text(settings.read_text().replace("least: 20", "least: 100000"))
    return home / "ws"


@pytest.fixture
def workspace(drafted: Path, tmp_path: Path) -> Workspace:
    """A copy of it that a test may change, with a rubric."""
    folder = Path(shutil.copytree(drafted, tmp_path / "ws"))
    rubric(folder, RUBRIC)
    return tierwise.load_workspace(folder)


@pytest.fixture(scope="module")
def in_vain(drafted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a rubric, and trained in vain as of TRAINED."""
    folder = Path(shutil.copytree(drafted, tmp_path_factory.mktemp("vain") / "ws"))
    rubric(folder, RUBRIC)
    trained_in_vain(tierwise.load_workspace(folder))
    return folder


@pytest.fixture
def ruled(in_vain: Path, tmp_path: Path) -> Workspace:
    """A copy of it that a test may change."""
    return tierwise.load_workspace(shutil.copytree(in_vain, tmp_path / "ws"))


@pytest.fixture(scope="module")
def scored(in_vain: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of it scored as of SCORED, which tests only read."""
    made = tierwise.load_workspace(shutil.copytree(in_vain, tmp_path_factory.mktemp("scored") / "ws"))
    tierwise.score(made, as_of=SCORED)
    return made


def ask(folder: Path, outcomes: int) -> None:
    """Let the plan ask for so many accounts with the outcome."""
    path = folder / "models" / PLAN / "model.yaml"
    lines = [line for line in path.read_text().splitlines() if "min_outcomes" not in line]
    at = next(i for i, line in enumerate(lines) if line.startswith("model:"))
    path.write_text("\n".join([*lines[: at + 1], f"  min_outcomes: {outcomes}", *lines[at + 1 :]]) + "\n")


def rubric(folder: Path, text: str) -> None:
    path = folder / "models" / PLAN / "icp.yaml"
    kept = path.read_text().split("\nrubric:")[0]
    path.write_text(f"{kept}\n{text}")


def again(workspace: Workspace) -> Workspace:
    return tierwise.load_workspace(workspace.folder)


def trained_in_vain(workspace: Workspace, as_of: str = TRAINED) -> NoUsableModel:
    with pytest.raises(NoUsableModel) as said:
        tierwise.train(workspace, as_of=as_of)
    return said.value


def promotions(workspace: Workspace) -> list[str]:
    with Store.open(workspace.store) as store:
        return store.promotions(PLAN)["version"].tolist()


def run_cli(folder: Path, *words: object) -> nursery.Done:
    return nursery.tierwise("-C", folder, *words)


# --- the command line, from train to govern


def test_train_says_no_score_goes_by_rules_and_every_verb_after_works(workspace: Workspace) -> None:
    folder = workspace.folder
    never = run_cli(folder, "score", "--as-of", SCORED)
    assert never.returncode == 2
    assert "no training has said that tiers go by rules. Run `tierwise train`" in " ".join(never.stderr.split())

    done = run_cli(folder, "train", "--as-of", TRAINED)
    assert done.returncode == 3, done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    assert "Training needs 5000 accounts with the outcome in mature, eligible rows: there are " in said
    assert "where 5,000 are the least" in said
    page = folder / "published" / PLAN / "training" / TRAINED / "training.html"
    assert done.stdout.splitlines()[-1] == f"Training: {page}"
    last = f"exit 3 · next: tierwise -C {folder} score --as-of {TRAINED} publishes tiers by rules"
    assert done.stderr.splitlines()[-1] == last
    assert max(len(line) for line in done.stdout.splitlines() if str(folder) not in line) <= 80

    html = page.read_text()
    for words in ("No usable model.", "more are needed", "What would help", "Not read: it is no feature of the plan"):
        assert words in html
    values = json.loads(page.with_name("training.json").read_text())
    assert (values["verdict"], values["published"]["live"]) == ("no usable model", "rubric")
    assert values["needs"]["lacking"] == 5000 - values["needs"]["accounts"] > 0

    scored = run_cli(folder, "score", "--as-of", SCORED)
    assert scored.returncode == 0, scored.stderr
    run = read_current(workspace.published, PLAN)
    account = run.frame("tiers").query("tier == 'tier_2'")["account_id"].iloc[0]
    explained = run_cli(folder, "explain", account)
    assert explained.returncode == 0, explained.stderr
    assert "By rules: no model is usable" in explained.stdout
    assert "points by the rubric" in explained.stdout
    assert "log-odds" not in explained.stdout
    governed = run_cli(folder, "govern", "--as-of", "2026-01-01")
    assert governed.returncode == 0, governed.stderr
    assert "there is no calibration to judge" in " ".join(governed.stdout.split())
    for done in (scored, explained, governed):
        assert "Traceback" not in done.stderr
        assert max(len(line) for line in done.stdout.splitlines() if str(folder) not in line) <= 80


def test_the_answer_is_json_for_machines(workspace: Workspace) -> None:
    done = run_cli(workspace.folder, "--json", "train", "--as-of", TRAINED)
    assert done.returncode == 3, done.stderr
    said = json.loads(done.stdout)
    assert said["page"].endswith("training.html")
    assert said["verdict"] == "no usable model"
    assert json.loads(done.stderr.splitlines()[-1])["code"] == 3


# --- what a run by rules publishes


def test_a_run_by_rules_holds_no_probability_and_ranks_by_points_and_recency(scored: Workspace) -> None:
    run = read_current(scored.published, PLAN)
    verify_run(run.folder)
    scores, tiers, reasons = run.frame("scores"), run.frame("tiers"), run.frame("reasons")
    assert scores[["base", "fit_log_odds", "signal_log_odds", "propensity"]].isna().all(axis=None)
    assert tiers[["propensity", "expected_value"]].isna().all(axis=None)
    assert set(tiers["model_version"]) == {"rubric"}
    assert reasons["log_odds"].isna().all()
    assert run.meta["trained_as_of"] is None

    cohort = scores.dropna(subset=["account_score"]).set_index("account_id")
    points = reasons[reasons["feature"] == "rubric"].set_index("account_id")["value"].astype(float)
    parts = reasons[reasons["feature"].str.startswith("rubric_")]
    summed = parts["words"].str.extract(r"^([+-]\d+) points")[0].astype(float).groupby(parts["account_id"]).sum()
    assert set(points.index) == set(cohort.index)
    pd.testing.assert_series_equal(
        points.sort_index(), summed.reindex(points.index).fillna(0.0).sort_index(), check_names=False
    )
    n = len(cohort)
    for account, own in points.items():
        below, same = (points < own).sum(), (points == own).sum()
        expected = 0.0 if own <= 0 else 100 * (below + same / 2) / n
        assert cohort.loc[account, "fit_score"] == pytest.approx(expected)
    assert set(tiers.loc[tiers["tier"].isin(["tier_1", "tier_2"]), "account_id"]) <= set(points[points > 0].index)


def test_the_report_says_in_its_headline_that_tiers_go_by_rules_and_why(scored: Workspace) -> None:
    html = read_current(scored.published, PLAN).content("report.html").decode()
    lead = html.split('<p class="lead">')[1].split("</p>")[0]
    assert "tiers are by rules" in lead
    assert "Training needs 5000 accounts with the outcome" in lead
    assert "Line 4 of the rubric (nowhere is x) is not read: accounts have no such column." in html
    assert "Training as of 1 July 2025 found no usable model." in html


def test_scoring_twice_is_a_no_op_and_another_rubric_is_a_revision(ruled: Workspace) -> None:
    first = tierwise.score(ruled, as_of=SCORED)
    assert first.new
    assert not tierwise.score(ruled, as_of=SCORED).new
    rubric(ruled.folder, RUBRIC.replace("points: 30", "points: -30"))
    other = tierwise.score(again(ruled), as_of=SCORED)
    assert (other.kind, other.new) == ("revision", True)
    assert other.run_id != first.run_id
    rubric(ruled.folder, RUBRIC)
    back = tierwise.score(again(ruled), as_of=SCORED)
    columns = ["account_id", "tier", "fit_score", "signal_score"]
    pd.testing.assert_frame_equal(back.tiers[columns], first.tiers[columns])


def test_an_empty_rubric_leaves_recency_alone_and_nobody_in_tier_1(workspace: Workspace) -> None:
    rubric(workspace.folder, "rubric: []\n")
    bare = again(workspace)
    answer = trained_in_vain(bare).answer
    assert answer.values["rubric"]["cannot_be_formed"] == "icp.yaml holds no rubric"
    assert "cannot be formed: icp.yaml holds no rubric" in answer.page.read_text()
    tierwise.score(bare, as_of=SCORED)
    run = read_current(bare.published, PLAN)
    tiers, scores = run.frame("tiers"), run.frame("scores")
    assert tiers["fit_score"].isna().all()
    assert "tier_1" not in set(tiers["tier"])
    assert tiers["guardrails"].str.contains("fit_unknown").any()
    assert "fit is not known" in " ".join(tiers["why"])
    cohort = scores.dropna(subset=["account_score"])
    assert cohort["signal_score"].rank().corr(cohort["account_score"].rank()) > 0.99
    html = run.content("report.html").decode()
    assert "Fit is not known: icp.yaml holds no rubric." in html
    assert "guardrail fit_unknown" in html


# --- who is live


def released(workspace: Workspace, as_of: str) -> ScoreResult:
    """A run whose demotions wait, as model and rules take each other's place, and which a person lets go."""
    with pytest.raises(RunHeld) as held:
        tierwise.score(workspace, as_of=as_of)
    assert held.value.held.waits
    tierwise.release(workspace, held.value.run_id, reason="looked at", by="Ada", made_at=instant("2030-01-01"))
    return tierwise.score(workspace, as_of=as_of)


@pytest.mark.long
def test_a_later_usable_training_goes_live_and_rollback_leads_back_to_rules(workspace: Workspace) -> None:
    trained_in_vain(workspace)
    tierwise.score(workspace, as_of=TRAINED)
    ask(workspace.folder, 20)
    more = again(workspace)
    made = tierwise.train(more, as_of=USABLE)
    assert (made.number, made.live) == (1, True)
    assert made.page.name == "training.html"
    assert "A usable model." in made.page.read_text()
    assert promotions(more) == ["rubric", made.model_version]
    assert "drift was not reviewed" in " ".join(r.words for r in tierwise.govern(more, as_of=SCORED).review.reasons)

    assert set(released(more, "2025-10-01").tiers["model_version"]) == {made.model_version}
    back = tierwise.rollback(more)
    assert (back.number, back.model_version, back.trained_as_of) == (None, "rubric", TRAINED)
    assert set(released(more, "2025-10-15").tiers["model_version"]) == {"rubric"}
    with pytest.raises(UsageError):
        tierwise.rollback(more)
    assert tierwise.promote(more, share=1.0).number == 1
    scored = tierwise.score(more, as_of="2025-11-01")
    assert set(scored.tiers["model_version"]) == {made.model_version}
    one = str(scored.tiers.query("tier == 'tier_2'")["account_id"].iloc[0])
    since = explain(more, one, since="2025-10-20")
    assert since.change is None, "a run by rules has no log-odds to compare with"
    assert "log_odds" in since.steps
    changed = scored.movements[scored.movements["movement"].isin(["up", "down"])]
    assert "model" in set(changed["cause"])
    review = tierwise.govern(more, as_of="2026-01-01").review
    assert review.precision.base.n > 0


@pytest.mark.long
def test_a_baseline_that_stands_is_named_with_its_lead_and_what_would_settle_it(workspace: Workspace) -> None:
    ask(workspace.folder, 20)
    no = trained_in_vain(again(workspace))
    values = no.answer.values
    assert values["evaluation"]["verdict"] == "no usable model"
    assert "rubric" in values["evaluation"]["comparisons"], "the rubric is a baseline"
    standing = {name for name, c in values["evaluation"]["comparisons"].items() if not c["beaten"]}
    assert {line["baseline"] for line in values["unbeaten"]} == standing != set()
    assert values["needs"]["possible"] is True
    html = no.answer.page.read_text()
    for words in ("What the model did not beat", "How good it is, on months it had not seen", "Folds, each later"):
        assert words in html
    tierwise.score(again(workspace), as_of=SCORED)
    lead = read_current(workspace.published, PLAN).content("report.html").decode().split('<p class="lead">')[1]
    assert "does not beat" in lead.split("</p>")[0]


@pytest.mark.long
def test_a_live_model_stays_where_a_retraining_says_no(workspace: Workspace) -> None:
    ask(workspace.folder, 20)
    made = tierwise.train(again(workspace), as_of=USABLE)
    ask(workspace.folder, 5000)
    no = trained_in_vain(again(workspace), "2025-11-01")
    assert not no.answer.rules
    assert f"The live model ({made.model_version[:12]}) stays" in no.answer.page.read_text()
    assert promotions(workspace) == [made.model_version]
    scored = tierwise.score(again(workspace), as_of="2025-11-01")
    assert set(scored.tiers["model_version"]) == {made.model_version}
    with pytest.raises(UsageError):
        tierwise.rollback(workspace)


def test_rules_follow_the_newest_answer_and_a_changed_plan_must_be_trained_again(ruled: Workspace) -> None:
    trained_in_vain(ruled)
    assert promotions(ruled) == ["rubric"], "the same answer is noted once"
    trained_in_vain(ruled, SCORED)
    assert promotions(ruled) == ["rubric", "rubric"]
    model = ruled.folder / "models" / PLAN / "model.yaml"
    model.write_text(model.read_text().replace("horizon_days: 90", "horizon_days: 60"))
    with pytest.raises(UsageError, match=r"have changed since it was trained.*tierwise train"):
        tierwise.score(again(ruled), as_of=SCORED)


def test_an_answer_that_is_gone_is_said(ruled: Workspace) -> None:
    from tierwise.errors import EnvironmentFault

    shutil.rmtree(ruled.published / PLAN / "training" / TRAINED)
    with pytest.raises(EnvironmentFault, match=r"training\.json.*run `tierwise train` again"):
        tierwise.score(ruled, as_of=SCORED)


# --- what it would take


def test_a_history_in_which_no_horizon_has_closed_is_an_answer(workspace: Workspace) -> None:
    model = workspace.folder / "models" / PLAN / "model.yaml"
    model.write_text(model.read_text().replace("horizon_days: 90", "horizon_days: 3000"))
    with pytest.raises(NoUsableModel, match="no horizon has closed") as said:
        tierwise.train(again(workspace), as_of=TRAINED)
    values = said.value.answer.values
    assert (values["evaluation"], values["needs"]["possible"]) == (None, False)
    assert values["needs"]["why_not"]
    assert set(tierwise.score(again(workspace), as_of=SCORED).tiers["model_version"]) == {"rubric"}


def compared(value: float, low: float, high: float, beaten: bool = False) -> dict:
    return {
        "average_precision": {"value": value, "low": low, "high": high},
        "capture_0.2": {"value": 0.05, "low": 0.01, "high": 0.09},
        "beaten": beaten,
    }


def test_how_many_outcomes_would_settle_a_lead_is_checked_by_simulation() -> None:
    """At the number named, a lead of the size seen is 1.645 standard errors: ahead in 95 of 100 resamples."""
    evaluation = {
        "test": {"outcome_accounts": 100},
        "comparisons": {"rubric": compared(0.02, -0.03, 0.07), "largest": compared(-0.01, -0.06, 0.04)},
    }
    largest, found = unbeaten(evaluation, pace=0.5, data_through=datetime(2026, 1, 1, tzinfo=UTC).date())
    assert (largest["baseline"], largest["needed"], largest["from"]) == ("largest", None, None)
    spread = (0.07 + 0.03) / 3.92 * np.sqrt(100)
    rng = np.random.default_rng(5)
    ahead = rng.normal(0.02, spread / np.sqrt(found["needed"]), 40_000) > 0
    assert ahead.mean() == pytest.approx(0.95, abs=0.005)
    days = int(np.ceil((found["needed"] - 100) / 0.5))
    assert found["from"] == str((pd.Timestamp("2026-01-01") + pd.Timedelta(days=days)).date())
    assert unbeaten({"comparisons": {"a": compared(1, 0, 2, True)}}) == []


def test_what_would_help_names_absent_tables_first_and_each_cause_once() -> None:
    from tierwise.audit import Finding

    alike = [Finding("refused_attribute", "notes", n, "a", "no history", "Declare it") for n in ("b", "a")]
    effort = Finding("uncounted_channel", "notes", "sales", "a", "sellers begin it")
    said = helps(
        [*alike, effort, Finding("no_initiator", "warns", "activities", "a", "none has one", "Export it")], ["contacts"]
    )
    assert [(h["code"], h["subjects"]) for h in said] == [
        ("absent_table", ["contacts"]), ("no_initiator", ["activities"]), ("refused_attribute", ["b", "a"]),
    ]  # fmt: skip


def test_an_answer_that_a_kill_left_aside_still_speaks(ruled: Workspace) -> None:
    """Between the two renames of a replacement the old answer lies whole under another name."""
    folder = ruled.published / PLAN / "training" / TRAINED
    folder.rename(folder.with_name(f".staging-old-{folder.name}"))
    assert tierwise.score(ruled, as_of=SCORED).new
    trained_in_vain(ruled)
    assert folder.is_dir()
    assert not list(folder.parent.glob(".staging-*"))


def test_the_console_shows_points_and_no_log_odds(scored: Workspace) -> None:
    from tierwise.console.shown import Current
    from tierwise.report import account_page

    shown = Current(scored.published, PLAN).shown()
    one = str(shown.accounts.query("tier == 'tier_2'")["account_id"].iloc[0])
    values = shown.account(one)
    assert values is not None
    html = account_page(values)
    assert "points by the rubric" in html
    assert "log-odds" not in html
    assert "nan" not in html.lower().replace("finan", "")


def test_maven_crm_holds_nothing_to_learn_and_goes_by_rules(tmp_path: Path, shared_data: Path) -> None:
    from real_exports import maven

    made = tierwise.init(tmp_path / "ws", maven(shared_data / "maven_crm", tmp_path / "tables")).workspace
    with pytest.raises(NoUsableModel, match="no usable model came of it") as said:
        tierwise.train(made)
    assert said.value.answer.rules
    assert said.value.answer.values["helps"][0]["subjects"] == ["activities"]
    stand = said.value.answer.values["trained_as_of"]
    assert set(tierwise.score(made, as_of=stand).tiers["model_version"]) == {"rubric"}


def test_the_end_of_a_training_waits_for_a_run_that_holds_the_lock(tmp_path: Path) -> None:
    from tierwise.errors import LockHeld
    from tierwise.publishing import plan_lock

    script = (
        "import sys, time; from pathlib import Path; from tierwise.publishing import plan_lock\n"
        "with plan_lock(Path(sys.argv[1]), 'p'): print('held', flush=True); time.sleep(3)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(LockHeld), plan_lock(tmp_path, "p"):
            pass
        with plan_lock(tmp_path, "p", patience_seconds=60):
            assert other.poll() is not None or other.wait(5) == 0
