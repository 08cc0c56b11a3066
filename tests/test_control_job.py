"""The control group in a real workspace: months scored, a revision, a merge, explained and reviewed."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

import nursery
import tierwise
from tierwise.clock import instant
from tierwise.config import Workspace
from tierwise.jobs import ScoreResult
from tierwise.publishing import PublishedRun, read_run
from tierwise.routing import default_plays
from tierwise.routing.control import CONTROL, TREATED
from tierwise.store import Store, draws, withheld

PLAN = "new_business"
DATES = ("2025-07-01", "2025-08-01", "2025-10-01")
SELLERS = {play.play for play in default_plays().plays if play.by_seller}
OPEN = ("tier_1", "tier_2", "tier_3")


def anew(small_demo: Path, folder: Path, control: str = "") -> Workspace:
    """The small demo with its model, as if nothing had been scored yet."""
    shutil.copytree(small_demo, folder)
    shutil.rmtree(folder / "published")
    (folder / "state" / "tierwise.db").unlink()
    return group_of(folder, control)


def group_of(folder: Path, control: str) -> Workspace:
    plays = folder / "models" / PLAN / "plays.yaml"
    kept = [line for line in plays.read_text("utf-8").splitlines() if not line.startswith("control:")]
    plays.write_text("\n".join([*kept, *([f"control: {control}"] if control else []), ""]), "utf-8")
    return tierwise.load_workspace(folder)


@dataclass(frozen=True)
class Told:
    """A workspace without a group and one with, each scored on DATES."""

    without: Workspace
    bare: list[ScoreResult]
    workspace: Workspace
    runs: list[ScoreResult]
    named: list[str]


def published(workspace: Workspace, result: ScoreResult) -> PublishedRun:
    return read_run(workspace.published, PLAN, result.run_id)


@pytest.fixture(scope="module")
def told(small_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    home = tmp_path_factory.mktemp("control")
    without = anew(small_demo, home / "without")
    bare = [tierwise.score(without, as_of=as_of) for as_of in DATES]
    first = bare[0].tiers
    named = first.loc[first["tier"].isin(OPEN), "account_id"].head(5).tolist()
    workspace = anew(small_demo, home / "with", f"{{share: 0.25, salt: s, never: [{', '.join(named)}]}}")
    return Told(without, bare, workspace, [tierwise.score(workspace, as_of=as_of) for as_of in DATES], named)


def log_of(workspace: Workspace) -> pd.DataFrame:
    with Store.open(workspace.store) as store:
        return draws(store, PLAN)


def test_a_share_of_none_publishes_the_same_bytes_under_the_same_run(
    told: Told, small_demo: Path, tmp_path: Path
) -> None:
    none = anew(small_demo, tmp_path / "none", "{share: 0, salt: other, never: [A1]}")
    result = tierwise.score(none, as_of=DATES[0])
    one, other = published(told.without, told.bare[0]), published(none, result)
    assert one.run_id == other.run_id
    for file in ("actions.jsonl", "report.html", "tiers.parquet"):
        assert one.content(file) == other.content(file), file
    assert one.meta == other.meta
    assert "control" not in one.meta
    assert log_of(none).empty


def test_runs_owe_what_they_owed_less_the_sellers_actions_of_the_group(told: Told) -> None:
    log = log_of(told.workspace)
    assert log["account_id"].is_unique
    assert not set(told.named) & set(log["account_id"])
    for tier, rows in log.groupby("tier"):
        assert abs((rows["arm"] == CONTROL).sum() - 0.25 * len(rows)) < 1, tier
    held = dict(zip(log.loc[log["arm"] == CONTROL, "account_id"], log["drawn_as_of"], strict=False))
    with Store.open(told.workspace.store) as store:
        off, outbox = withheld(store, PLAN), store.outbox(PLAN, None)
    every = 0
    for bare, result in zip(told.bare, told.runs, strict=True):
        one, other = published(told.without, bare), published(told.workspace, result)
        before = {a["action_id"]: {k: v for k, v in a.items() if k != "run_id"} for a in one.actions()}
        after = {a["action_id"]: {k: v for k, v in a.items() if k != "run_id"} for a in other.actions()}
        assert after.items() <= before.items()
        gone = {i: before[i] for i in before.keys() - after.keys()}
        watching = {i for i, a in gone.items() if a["overdue_of"]}
        assert all(gone[i]["overdue_of"] in gone for i in watching), "nothing is overdue that was never owed"
        gone = {i: a for i, a in gone.items() if i not in watching}
        assert gone.keys() == set(off.loc[off["run_id"] == result.run_id, "action_id"])
        assert all(
            a["account_id"] in held and a["play"] in SELLERS and a["tier"] in (*OPEN, "recycle") for a in gone.values()
        )
        left = [a for a in after.values() if a["account_id"] in held and a["play"] in SELLERS]
        assert {a["tier"] for a in left} <= {"in_pipeline", "customer"}, "an open deal is helped"
        assert other.meta["control"]["withheld"] == len(gone)
        assert other.meta["control"]["share"] == 0.25
        pd.testing.assert_frame_equal(
            one.frame("tiers").drop(columns="run_id"), other.frame("tiers").drop(columns="run_id")
        )
        page = other.content("report.html").decode()
        assert "no seller action, so that the review can say what seller action is worth" in page
        every += len(gone)
    assert every > 20
    assert not set(off["action_id"]) & set(outbox["action_id"])
    first = published(told.workspace, told.runs[0]).meta["control"]
    assert sum(n for arms in first["drawn"].values() for n in arms.values()) == (log["drawn_as_of"] == DATES[0]).sum()


def test_a_run_that_is_repeated_draws_nothing_and_a_revision_and_a_backfill_keep_the_arms(
    told: Told, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(told.workspace.folder, tmp_path / "ws"))
    workspace = tierwise.load_workspace(folder)
    log = log_of(workspace)
    again = tierwise.score(workspace, as_of=DATES[-1])
    assert (again.new, again.run_id) == (False, told.runs[-1].run_id)
    pd.testing.assert_frame_equal(log_of(workspace), log)
    backfill = tierwise.score(workspace, as_of="2025-09-01")
    assert (backfill.kind, backfill.actions) == ("backfill", 0)
    pd.testing.assert_frame_equal(log_of(workspace), log)
    half = group_of(folder, f"{{share: 0.5, salt: s, never: [{', '.join(told.named)}]}}")
    revision = tierwise.score(half, as_of=DATES[-1])
    assert revision.kind == "revision"
    pd.testing.assert_frame_equal(log_of(workspace), log)
    other = group_of(folder, "{share: 0.25, salt: t}")
    tierwise.score(other, as_of="2025-10-02")
    both = log_of(other)
    assert (both["salt"] == "t").sum() > 30
    pd.testing.assert_frame_equal(both[both["salt"] == "s"].reset_index(drop=True), log)


def test_a_merge_and_an_override_are_followed_and_explain_says_so(told: Told, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(told.workspace.folder, tmp_path / "ws"))
    workspace = tierwise.load_workspace(folder)
    log, tiers = log_of(workspace), told.runs[-1].tiers.set_index("account_id")["tier"]
    first = log[log["drawn_as_of"] == DATES[0]].set_index("account_id")["arm"]
    standing = [a for a in first.index if tiers[a] in OPEN]
    held = [a for a in standing if first[a] == CONTROL]
    later = log[(log["drawn_as_of"] > DATES[0]) & (log["arm"] == TREATED)]["account_id"]
    into = next(a for a in later if tiers[a] in OPEN)
    lost, freed, kept = held[0], held[1], next(a for a in standing if first[a] == TREATED)
    merges = pd.DataFrame({"losing_id": [lost], "surviving_id": [into], "merged_at": pd.Timestamp("2025-10-05")})
    merges.to_parquet(folder / "tables" / "account_merges.parquet")
    tierwise.override(
        workspace, freed, tier="tier_1", until="2026-03-01", reason="strategic", by="Jo Doe",
        made_at=instant("2025-10-03"),
    )  # fmt: skip
    run = tierwise.score(workspace, as_of="2025-11-01")
    new = log_of(workspace)
    over = new[new["via"] != ""]
    assert over[["account_id", "via", "arm"]].values.tolist() == [[into, lost, CONTROL]]
    actions = pd.DataFrame(published(workspace, run).actions())
    mine = actions[(actions["account_id"] == freed) & actions["play"].isin(SELLERS)]
    assert len(mine) or tiers[freed] == "tier_1", "an override brings its actions"
    said = {a: nursery.tierwise("-C", folder, "explain", a, columns=300).stdout for a in (into, freed, kept, held[2])}
    assert (
        f"It is in the control group, drawn as of 2025-11-01, with {lost}, which was merged into it: it is owed no"
        in said[into]
    )
    assert "It is in the control group, drawn as of 2025-07-01 in tier_" in said[held[2]]
    assert "it is owed no seller action. Withheld: " in said[held[2]]
    assert "but for now, as a person's override is in force" in said[freed]
    assert "control group" not in said[kept]
    told_json = json.loads(nursery.tierwise("-C", folder, "--json", "explain", held[2]).stdout)
    assert told_json["control"].startswith("It is in the control group")
    page = published(workspace, run).content("report.html").decode()
    assert "control group" not in json.dumps([*published(workspace, run).actions()]).lower()
    assert page.count("Control group") == 1, "the page names no account of it"


def test_the_review_shows_both_sides_and_when_it_can_be_read(told: Told, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(told.workspace.folder, tmp_path / "ws"))
    workspace = tierwise.load_workspace(folder)
    found = tierwise.govern(workspace, as_of="2026-01-01")
    control = found.review.control
    assert control is not None
    log = log_of(workspace)
    assert control.drawn == {arm: int((log["arm"] == arm).sum()) for arm in (TREATED, CONTROL)}
    arm = dict(zip(log["account_id"], log["arm"], strict=True))
    since = dict(zip(log["account_id"], log["drawn_as_of"], strict=True))
    deals = pd.read_parquet(workspace.tables / "opportunities.parquet")
    new = deals[deals["type"] == "New Business"]
    opened = new.groupby("account_id")["created_at"].agg(lambda s: sorted(s.dt.tz_localize(None)))
    counts = {name: [0, 0] for name in (TREATED, CONTROL)}
    for result in told.runs:
        at = pd.Timestamp(result.as_of.replace(tzinfo=None))
        for row in result.tiers.to_dict("records"):
            if row["account_id"] in arm and row["tier"] in OPEN and since[row["account_id"]] <= at:
                had = any(at <= t < at + timedelta(days=90) for t in opened.get(row["account_id"], []))
                counts[arm[row["account_id"]]][0] += 1
                counts[arm[row["account_id"]]][1] += had
    line = control.line()
    for name, (n, outcomes) in counts.items():
        assert (line[f"{name}_n"], line[f"{name}_outcomes"]) == (n, outcomes), name
    assert line["lift_low"] < line["lift"] < line["lift_high"]
    page = (found.folder / "review.html").read_text("utf-8")
    said = json.loads((found.folder / "review.json").read_text("utf-8"))["control"]
    assert "With seller action, and without" in page
    assert f"of {line['control_n']:,} rows" in page
    assert said["words"] == control.words
    assert control.words in [reason.words for reason in found.review.reasons]
    print(f"\n{control.words}")
    none = tierwise.govern(told.without, as_of="2026-01-01")
    assert none.review.control is None
    assert "seller action" not in (none.folder / "review.html").read_text("utf-8")
    ended = tierwise.govern(group_of(folder, ""), as_of="2026-01-01").review.control
    assert ended is not None
    assert ended.line()["control_n"] == line["control_n"], "a group that has ended is still read"
