"""What would move an account that something else than its own bands holds: the true reason is said, and no other."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

import tierwise
from tierwise.cli.explained import explained
from tierwise.config import Workspace
from tierwise.jobs import Explained, explain
from tierwise.publishing import read_current
from tierwise.store import Store

PLAN = "new_business"
NOW = datetime(2026, 1, 1, 9, 30, tzinfo=UTC)
"""The day of the demo's newest run."""


def held_by(workspace: Workspace, guardrail: str) -> pd.DataFrame:
    """The published rows that a guardrail names, not in the highest tier."""
    tiers = read_current(workspace.published, PLAN).frame("tiers")
    named = tiers["guardrails"].str.split(";").map(lambda g: guardrail in g)
    return tiers[named & tiers["tier"].isin(["tier_2", "tier_3", "recycle"])]


def told(capsys: pytest.CaptureFixture[str], found: Explained) -> str:
    """What is printed under "What would move it", on one line."""
    explained(found)
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    return " ".join(said.split("\nWhat would move it\n")[1].split())


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def demo(small_demo: Path) -> Workspace:
    return tierwise.load_workspace(small_demo)


@pytest.fixture(scope="module")
def full(small_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, str]:
    """A small demo whose owners and tier_1 have little room, scored again, and an account that a person has set."""
    folder = Path(shutil.copytree(small_demo, tmp_path_factory.mktemp("full") / "ws"))
    policy = folder / "models" / PLAN / "policy.yaml"
    edit(policy, "time_in_tier:", "capacity: {tier_1: 1}\nowner_capacity: {by: owner, tier_2: 1}\ntime_in_tier:")
    edit(policy, "minimum_stay_days: 63", "minimum_stay_days: 0")
    owners = pd.read_parquet(folder / "tables" / "owners.parquet")
    owners.assign(capacity_tier_2=4).to_parquet(folder / "tables" / "owners.parquet")
    workspace = tierwise.load_workspace(folder)
    tiers = read_current(workspace.published, PLAN).frame("tiers")
    one = str(tiers.loc[tiers["decided_by"] == "growth_signal", "account_id"].iloc[0])
    said = {"reason": "no budget this quarter", "by": "Ada", "made_at": NOW}
    tierwise.override(workspace, one, tier="tier_3", until="2026-03-01", **said)
    edit(folder / "tierwise.yaml", "least: 100", "least: 10000")
    tierwise.score(tierwise.load_workspace(folder), as_of="2026-01-02")
    return tierwise.load_workspace(folder), one


def test_a_promotion_window_says_when_it_ends(demo: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    rows = held_by(demo, "promotion_window")
    assert (rows["decided_by"] == "promotion_window").any()
    one = str(rows["account_id"].iloc[0])
    with Store.open(demo.store) as store:
        state = store.state_at(PLAN, datetime(2026, 1, 1, tzinfo=UTC)).set_index("account_id")
    moved = pd.Timestamp(state.loc[one, "moved_at"])
    ends = moved + pd.Timedelta(days=60)
    assert told(capsys, explain(demo, one)) == (
        f"Its scores ask for a higher tier, but it moved lately: no promotion before {ends:%Y-%m-%d}, 60 days after its"
        f" last move ({moved:%Y-%m-%d})."
    )


def test_ways_are_told_within_a_promotion_window_too_and_when_it_ends(demo: Workspace) -> None:
    with Store.open(demo.store) as store:
        state = store.state_at(PLAN, datetime(2026, 1, 1, tzinfo=UTC))
    lately = state.loc[
        pd.to_datetime(state["moved_at"], utc=True) == pd.Timestamp("2025-12-01", tz="UTC"), "account_id"
    ]
    tiers = read_current(demo.published, PLAN).frame("tiers")
    near = tiers[tiers["account_id"].isin(lately) & tiers["decided_by"].isin(["growth_signal", "growth_coverage"])]
    assert len(near)
    found = [explain(demo, one).moves for one in near["account_id"].head(4)]
    window = "no promotion before 2026-01-30, 60 days after its last move (2025-12-01)"
    assert all(moves.between[-1] == window for moves in found)
    assert any(moves.ways for moves in found), "the window would have hidden them"


def test_an_override_says_until_when(full: tuple[Workspace, str], capsys: pytest.CaptureFixture[str]) -> None:
    workspace, one = full
    assert told(capsys, explain(workspace, one)) == (
        "A person's override keeps it in tier_3 until 2026-03-01, or until it is withdrawn, whatever its scores."
    )


AHEAD = (
    "a place comes free, or ahead of an account that it is scored above (never of one in its minimum stay, or set there"
    " by a person)."
)


@pytest.mark.parametrize(
    ("guardrails", "tier", "words"),
    [
        ("owner_full", "tier_3", "It qualifies for tier_2, but its owner has no room there: it enters when "),
        ("capacity", "tier_2", "It qualifies for tier_1, but that tier is full: it enters when "),
        (
            "stay_margin;capacity",
            "tier_2",
            "It could stay in tier_1, but that tier is full: it comes back once its scores reach what entering takes"
            " and ",
        ),
    ],
)
def test_who_has_no_room_is_named(
    full: tuple[Workspace, str], capsys: pytest.CaptureFixture[str], guardrails: str, tier: str, words: str
) -> None:
    workspace, _ = full
    tiers = read_current(workspace.published, PLAN).frame("tiers")
    one = str(tiers.loc[(tiers["guardrails"] == guardrails) & (tiers["tier"] == tier), "account_id"].iloc[0])
    assert told(capsys, explain(workspace, one)) == words + AHEAD


def test_an_owner_without_room_is_named_before_it_counts(full: tuple[Workspace, str]) -> None:
    workspace, _ = full
    tiers = read_current(workspace.published, PLAN).frame("tiers")
    owner = dict(pd.read_parquet(workspace.tables / "accounts.parquet")[["account_id", "owner_id"]].to_numpy())
    displaced = tiers.loc[tiers["guardrails"] == "owner_full", "account_id"].map(owner)
    waiting = tiers[(tiers["decided_by"] == "target") & (tiers["guardrails"] == "")]
    one = next(a for a in waiting["account_id"] if owner.get(a) in set(displaced))
    moves = explain(workspace, one).moves
    assert moves.held == ""
    assert moves.between[-1 - ("no promotion" in moves.between[-1])] == (
        "its owner has no room in tier_2 (4 of 4): the account enters it only ahead of another"
    )


def test_a_changed_policy_is_said_and_nothing_is_mixed(
    small_demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(small_demo, tmp_path / "ws"))
    edit(folder / "models" / PLAN / "policy.yaml", "fit: {moderate: 35, high: 60}", "fit: {moderate: 35, high: 40}")
    workspace = tierwise.load_workspace(folder)
    tiers = read_current(workspace.published, PLAN).frame("tiers")
    one = str(tiers.loc[tiers["decided_by"] == "scaled", "account_id"].iloc[0])
    said = told(capsys, explain(workspace, one))
    assert re.fullmatch(
        r"The policy was changed after this run \(from v1-[0-9a-f]{8} to v1-[0-9a-f]{8}\): what would move the account"
        r" is told once a run by the changed policy is published\.",
        said,
    )


@pytest.mark.long
def test_late_inputs_are_named(small_demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(shutil.copytree(small_demo, tmp_path / "ws"))
    edit(folder / "tierwise.yaml", '    at: "tables"\n', '    at: "tables"\n    expects: {lag_days: 2}\n')
    tierwise.score(tierwise.load_workspace(folder), as_of="2026-01-07")
    workspace = tierwise.load_workspace(folder)
    row = held_by(workspace, "inputs_late").iloc[0]
    assert told(capsys, explain(workspace, str(row["account_id"]))) == (
        f"It keeps {row['tier']} only while inputs are late or short (tables): what they bring decides, once they are"
        " in and it is scored again."
    )


def test_an_account_is_explained_though_the_owners_that_the_policy_reads_are_missing(
    small_demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(small_demo, tmp_path / "ws"))
    edit(folder / "models" / PLAN / "policy.yaml", "time_in_tier:", "owner_capacity: {by: owner}\ntime_in_tier:")
    (folder / "tables" / "owners.parquet").unlink()
    workspace = tierwise.load_workspace(folder)
    tiers = read_current(workspace.published, PLAN).frame("tiers")
    account = str(tiers.loc[tiers["tier"] == "tier_3", "account_id"].iloc[0])
    assert told(capsys, explain(workspace, account)).startswith("The policy was changed after this run (from v1-")
