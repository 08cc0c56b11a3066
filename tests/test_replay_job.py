"""`tierwise policy replay` end to end on a small demo: what it may read, what it writes, and what it says."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nursery
import tierwise
from matrix_sample import matrix
from tierwise.clock import naive
from tierwise.config import Plan, Workspace
from tierwise.config.policy import TIERS
from tierwise.data import Query
from tierwise.errors import ConfigError, NoUsableModel, UsageError
from tierwise.features import build_matrix
from tierwise.jobs import ReplayResult, replay, tune
from tierwise.jobs.intake import taken_in
from tierwise.jobs.past import _on
from tierwise.jobs.replay import policy_at
from tierwise.learning.progress import silent
from tierwise.registry import Registry
from tierwise.tiers.replay import replay as run_policy

PLAN = "new_business"
CUT = datetime(2025, 7, 1, tzinfo=UTC)
LOOSE = "policy: loose\ntime_in_tier: {stay_margin: 0, minimum_stay_days: 0}\nsurge: null\n"


@pytest.fixture(scope="module")
def folder(small_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the small demo with another policy beside it; tests of this module add replays and nothing else."""
    made = Path(shutil.copytree(small_demo, tmp_path_factory.mktemp("replay") / "ws"))
    (made / "loose.yaml").write_text(LOOSE)
    return made


@pytest.fixture(scope="module")
def workspace(folder: Path) -> Workspace:
    return tierwise.load_workspace(folder)


@pytest.fixture(scope="module")
def before(workspace: Workspace) -> dict[str, bytes]:
    return files_of(workspace.folder)


@pytest.fixture(scope="module")
def both(workspace: Workspace, before: dict[str, bytes]) -> ReplayResult:
    assert before
    return replay(workspace, since="2025-01-01", against=workspace.folder / "loose.yaml")


def files_of(folder: Path) -> dict[str, bytes]:
    kept = [p for p in sorted(folder.rglob("*")) if p.is_file() and "replays" not in p.parts]
    return {str(p.relative_to(folder)): p.read_bytes() for p in kept if p.name != ".lock" and ".db" not in p.name}


def test_a_replay_adds_its_page_and_changes_nothing_that_is_live(
    workspace: Workspace, before: dict[str, bytes], both: ReplayResult
) -> None:
    assert files_of(workspace.folder) == before
    home = workspace.published / PLAN / "replays"
    versions = f"{both.replayed.policy_version}_against_{both.compared.second.policy_version}" if both.compared else ""
    assert both.folder == home / f"2025-01-01_2025-12-01_by_month_{versions}"
    assert sorted(p.name for p in both.folder.iterdir()) == ["replay.html", "replay.json"]
    first = {p.name: p.read_bytes() for p in both.folder.iterdir()}
    again = replay(workspace, since="2025-01-01", against=workspace.folder / "loose.yaml")
    assert {p.name: p.read_bytes() for p in again.folder.iterdir()} == first


def test_its_page_says_what_its_values_hold(both: ReplayResult) -> None:
    said = json.loads((both.folder / "replay.json").read_bytes())
    page = (both.folder / "replay.html").read_text(encoding="utf-8")
    for line in said["overall"]:
        if line["n"]:
            assert f"{100 * line['precision']:.1f}%" in page
            assert f"of {line['n']:,}<" in page
    assert all(f"<th>{line['guardrail'].replace('_', ' ')}</th>" in page for line in said["guardrails"])
    assert "chosen with later history than the dates shown" in page
    assert said["against"]["policy_version"].startswith("loose-")
    assert page.count("<svg") == 6


def test_every_date_is_scored_by_a_model_of_its_past_and_judged_by_what_came(
    workspace: Workspace, both: ReplayResult
) -> None:
    past, figures = both.past, both.replayed.figures
    horizon = timedelta(days=workspace.plan().plan.outcome.horizon_days)
    assert [p.as_of.month for p in past.dates] == list(range(1, 13))
    for one in past.dates:
        refit = past.learned.at(one.as_of)
        assert refit.model.trained_as_of + horizon <= refit.as_of <= one.as_of
        assert one.model_version == refit.version
        open_ = one.as_of + horizon > past.reach
        assert np.isnan(one.outcome).all() == open_
    assert (figures.dates["judged"] == 0).tolist() == [p.as_of + horizon > past.reach for p in past.dates]
    assert (figures.dates["accounts"] == [len(p.outcome) for p in past.dates]).all()
    ranked = figures.overall.set_index("tier")["precision"]
    assert ranked["tier_2"] > ranked["recycle"]


def test_what_happened_at_or_after_a_date_changes_no_score_of_it(
    workspace: Workspace, both: ReplayResult, tmp_path: Path
) -> None:
    """Laws 1 to 3 end to end: without any opportunity from the date on, all that its policy reads is as it was."""
    made = Path(shutil.copytree(workspace.folder, tmp_path / "ws"))
    for table, at in (
        ("opportunities", "created_at"),
        ("opportunity_stages", "entered_at"),
        ("activities", "occurred_at"),
    ):
        path = made / "tables" / f"{table}.parquet"
        rows = pd.read_parquet(path)
        kept = pd.to_datetime(rows[at], utc=True) < CUT
        assert 0 < kept.sum() < len(rows)
        rows[kept].to_parquet(path)
    settings = made / "tierwise.yaml"
    settings.write_text(settings.read_text() + f"data_through: {CUT.date()}\n")
    cut = replay(tierwise.load_workspace(made), since="2025-01-01", until=CUT, against=made / "loose.yaml")
    assert cut.past.dates[-1].as_of == CUT
    for then, now in zip(cut.past.dates, both.past.dates, strict=False):
        assert then.as_of == now.as_of
        pd.testing.assert_frame_equal(then.accounts, now.accounts)


def test_accounts_are_read_as_a_scoring_run_reads_them(workspace: Workspace, both: ReplayResult) -> None:
    """Facts of a date are those of a matrix of that date alone, negative triggers and exclusions as then known."""
    files, one = workspace.plan(), both.past.dates[6]
    mine = both.past.under(files.policy)[6].accounts
    with taken_in(workspace, silent, files=files) as intake:
        triggers = {t.kind: t.days for t in files.policy.negative_triggers}
        alone = build_matrix(intake.warehouse, files.plan, [one.as_of], negative_triggers=triggers).frame
        won = intake.warehouse.frame(
            Query("SELECT account_id, created_at, amount FROM opportunities WHERE is_won AND deleted_at IS NULL")
        )
    for column in ("account_id", "status", "coverage", "signals_7d", "excluded_by", "negative_trigger", "owner_id"):
        assert mine[column].astype(object).where(mine[column].notna(), None).tolist() == (
            alone[column].astype(object).where(alone[column].notna(), None).tolist()
        ), column
    assert mine["negative_trigger"].notna().any()
    assert mine["excluded_by"].notna().any()
    assert one.amount is not None
    at, horizon = pd.Timestamp(naive(one.as_of)), pd.Timedelta(days=files.plan.outcome.horizon_days)
    inside = won[(won["created_at"] >= at) & (won["created_at"] < at + horizon)]
    assert 0 < np.nansum(one.amount) <= inside["amount"].sum()
    assert mine.loc[mine["status"] != "eligible", "propensity"].isna().all()


def test_the_other_policy_is_replayed_on_the_same_scores_with_its_own_triggers(
    workspace: Workspace, both: ReplayResult
) -> None:
    loose = policy_at(workspace.folder / "loose.yaml", workspace.plan().plan)[0]
    assert all(past.accounts["negative_trigger"].isna().all() for past in both.past.under(loose))
    alone = run_policy(both.past.under(loose), loose)
    assert both.compared is not None
    pd.testing.assert_frame_equal(alone.figures.by_tier, both.compared.second.figures.by_tier)


def test_finer_dates_share_the_months_and_the_models(workspace: Workspace) -> None:
    weekly = replay(workspace, since="2025-03-01", until="2025-05-01", every="week")
    assert [p.as_of.weekday() for p in weekly.past.dates] == [0] * len(weekly.past.dates)
    figures = weekly.replayed.figures
    assert figures.by_tier.groupby("month")["dates"].first().to_dict() == {"2025-03": 5, "2025-04": 4}
    assert len(weekly.past.learned.refits) == 1
    assert figures.overall["size"].sum() == pytest.approx(figures.dates["in_tiers"].mean())
    assert set(figures.by_tier["tier"]) == set(TIERS)


def test_what_cannot_be_replayed_is_refused_in_words(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a replay since 2020-01-01 was asked for: the data begin on 2023-07-0\d\. G"):
        replay(workspace, since="2020-01-01")
    with pytest.raises(
        UsageError, match=r"a replay since 2025-06-01 was asked for: it ends on 2025-05-01\. Give an ear"
    ):
        replay(workspace, since="2025-06-01", until="2025-05-01")
    with pytest.raises(
        NoUsableModel, match=r"no date of it can be scored: Training needs \d+ accounts with the outcome"
    ):
        replay(workspace, until="2024-03-01")
    with pytest.raises(UsageError, match=r"the policy .*none\.yaml was to be read: there is no such file\. Name a p"):
        replay(workspace, policy=tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("policy: broken\nbands:\n  fit: {moderate: 80, high: 60}\n")
    with pytest.raises(ConfigError, match=r"broken\.yaml:3: bands\.fit\.high: moderate \(80\) must lie below h"):
        replay(workspace, against=broken)
    broken.write_bytes(b"policy: \xff\n")
    with pytest.raises(UsageError, match=r"it is not UTF-8 text \(byte 8\)\. Save it as UTF-8"):
        replay(workspace, policy=broken)


def test_without_a_live_model_there_is_nothing_to_learn_again(workspace: Workspace, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(workspace.folder, tmp_path / "ws", ignore=shutil.ignore_patterns("state", "published")))
    with pytest.raises(UsageError, match=r"The live model of plan 'new_business' was asked for: there is none.*train"):
        replay(tierwise.load_workspace(bare))


def test_where_tiers_go_by_rules_there_is_no_kind_to_learn(workspace: Workspace, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(workspace.folder, tmp_path / "ws", ignore=shutil.ignore_patterns("state", "published")))
    plan = bare / "models" / PLAN / "model.yaml"
    plan.write_text(plan.read_text().replace("\nmodel:\n", "\nmodel:\n  min_outcomes: 5000\n"))
    with pytest.raises(NoUsableModel):
        tierwise.train(tierwise.load_workspace(bare))
    with pytest.raises(
        UsageError, match=r"was to be replayed: tiers go by rules, and no model is live\. Run `tierwise t"
    ):
        replay(tierwise.load_workspace(bare))


def test_the_verb_prints_tables_within_80_columns_and_ends_as_the_others_do(folder: Path) -> None:
    words = ("policy", "replay", "--since", "2025-04-01", "--until", "2025-09-01", "--against", folder / "loose.yaml")
    done = nursery.tierwise("-C", folder, *words)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80 or done.stdout.splitlines()[-1].startswith("Replay: ")
    assert all(len(x) <= 80 for x in done.stdout.splitlines() if not x.startswith("Replay: "))
    for said in ("tier_1", "Base rate", "came back", "minimum_fit", "Beside loose-", "ping_pong", "chosen later"):
        assert said in done.stdout
    assert done.stderr.splitlines()[-1] == "exit 0"
    machine = nursery.tierwise("-C", folder, "--json", *words)
    values = json.loads(machine.stdout)
    assert values["policy_version"].startswith("v1-")
    assert len(values["dates"]) == 6
    assert json.loads(machine.stderr.splitlines()[-1]) == {"code": 0, "run": None, "next": None}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--every", "year"], 2, "--every year was asked for. Say month, week or day."),
        (["--since", "soon"], 2, "'soon' was given as a date: it is not an ISO date"),
        (["--policy", "missing.yaml"], 2, "the policy missing.yaml was to be read: there is no such file"),
        (["--until", "2024-03-01"], 3, "no date of it can be scored"),
    ],
)
def test_the_verb_refuses_in_words(folder: Path, words: list[str], code: int, says: str) -> None:
    done = nursery.tierwise("-C", folder, "policy", "replay", *words)
    assert done.returncode == code, done.stderr
    assert says in " ".join(done.stderr.split())
    assert done.stderr.splitlines()[-1] == f"exit {code}"
    assert "Traceback" not in done.stderr


def test_the_live_model_is_not_what_scores_the_past(workspace: Workspace, both: ReplayResult) -> None:
    """It was learned on what came after: its own scores of an early date are others."""
    live = Registry(workspace.registry, workspace.folder / "state" / "models").live(PLAN)
    assert all(refit.model.to_files() != live.model.to_files() for refit in both.past.learned.refits)
    assert {refit.model.kind for refit in both.past.learned.refits} == {live.model.kind}


@pytest.mark.parametrize("day", ["2024-03-15", "2024-06-01", "2025-02-28"])
def test_an_account_on_ages_of_its_own_stands_on_its_newest_open_instant(day: str) -> None:
    made = matrix(accounts=40, months=14, instants="own")
    asked = Plan.model_validate({"plan": "own", "cohort": {"grid": {"account_age_days": [7]}}})
    stand = pd.Timestamp(day)
    found = _on(made, asked, stand.to_pydatetime().replace(tzinfo=UTC)).frame
    rows = made.frame.to_dict("records")
    newest: dict[str, pd.Timestamp] = {}
    for row in rows:
        if stand - pd.Timedelta(days=made.horizon_days - 1) <= row["as_of"] <= stand:
            newest[row["account_id"]] = max(row["as_of"], newest.get(row["account_id"], row["as_of"]))
    assert dict(zip(found["account_id"], found["as_of"], strict=True)) == newest
    assert newest


def test_tuning_leaves_a_proposal_that_loads_and_changes_the_file_only_when_asked(
    folder: Path, before: dict[str, bytes], tmp_path: Path
) -> None:
    made = Path(shutil.copytree(folder, tmp_path / "ws"))
    found = tune(tierwise.load_workspace(made), top="30%", trials=10, ping_pong="10%")
    assert sorted(p.name for p in found.folder.iterdir()) == ["policy.diff", "policy.yaml", "tune.html", "tune.json"]
    proposed = (found.folder / "policy.yaml").read_text(encoding="utf-8")
    assert policy_at(found.folder / "policy.yaml", tierwise.load_workspace(made).plan().plan)[0] == found.tuned.proposed
    file = made / "models" / PLAN / "policy.yaml"
    assert file.read_bytes() == before[f"models/{PLAN}/policy.yaml"]
    page = (found.folder / "tune.html").read_text(encoding="utf-8")
    for change in json.loads((found.folder / "tune.json").read_bytes())["changes"]:
        assert f"<th>{change['what']}</th>" in page
    assert found.diff.startswith(f"--- models/{PLAN}/policy.yaml\n+++ models/{PLAN}/policy.yaml (proposed)\n")
    missing = tune(tierwise.load_workspace(made), top="30%", trials=10, ping_pong="10%", precision="99%", apply=True)
    assert missing.diff
    assert [aim["aim"] for aim in missing.tuned.failed] == ["precision"]
    assert (missing.applied, missing.refused) == (False, True)
    assert file.read_bytes() == before[f"models/{PLAN}/policy.yaml"], "a proposal that misses an aim changes nothing"
    again = tune(tierwise.load_workspace(made), top="30%", trials=10, ping_pong="10%", apply=True)
    assert not again.tuned.missed
    assert not again.tuned.worse
    assert (again.applied, again.refused, again.file) == (True, False, file)
    assert again.tuned.proposed == found.tuned.proposed
    assert file.read_text(encoding="utf-8") == proposed
    assert tierwise.load_workspace(made).plan().policy == found.tuned.proposed


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["--top", "many"],
            "--top many was asked for. Give a share above 0% and up to 100%, as 20%, or a number of accounts",
        ),
        (
            ["--top", "20%", "--tier-1", "30%"],
            "--tier-1 30% was asked for: tier_1 and tier_2 together are to hold 20% at most",
        ),
        (["--top", "20%", "--judge-from", "2030-01-01"], "none of the dates there has a closed horizon"),
    ],
)
def test_tuning_refuses_in_words(folder: Path, words: list[str], says: str) -> None:
    done = nursery.tierwise("-C", folder, "policy", "tune", *words, "--since", "2025-06-01")
    assert done.returncode == 2, done.stderr
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
