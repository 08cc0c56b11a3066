"""A revision by other plays: what no play says any more is withdrawn and replaced, and nobody is asked twice."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tierwise
from letters import PLAN
from tierwise.config import Workspace
from tierwise.jobs import ScoreResult
from tierwise.publishing import read_run
from tierwise.store import Deliveries, Replacing, Store
from tierwise.store.deliveries import Answer
from tierwise.store.replacing import Kept, Place, replaced

AS_OF = "2026-01-01"
LATER = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def first(small_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small demo as if nothing had been scored but AS_OF and half a year before; overdue plays watch growth too."""
    folder = Path(shutil.copytree(small_demo, tmp_path_factory.mktemp("first") / "ws"))
    shutil.rmtree(folder / "published")
    (folder / "state" / "tierwise.db").unlink()
    path = folder / "models" / PLAN / "plays.yaml"
    path.write_text(path.read_text("utf-8").replace("  of:\n", "  of:\n  - growth\n"), "utf-8")
    for as_of in ("2025-07-01", AS_OF):
        tierwise.score(tierwise.load_workspace(folder), as_of=as_of)
    return folder


@pytest.fixture
def workspace(first: Path, tmp_path: Path) -> Workspace:
    return tierwise.load_workspace(shutil.copytree(first, tmp_path / "ws"))


def again(workspace: Workspace, change: Callable[[str], str]) -> tuple[ScoreResult, list[dict[str, Any]]]:
    """Score the newest as_of by changed plays; the run, and its actions as published."""
    path = workspace.folder / "models" / PLAN / "plays.yaml"
    text = path.read_text("utf-8")
    path.write_text(change(text), "utf-8")
    assert path.read_text("utf-8") != text
    run = tierwise.score(tierwise.load_workspace(workspace.folder), as_of=AS_OF)
    assert (run.kind, run.new, len(run.movements)) == ("revision", True, 0)
    return run, list(read_run(workspace.published, PLAN, run.run_id).actions())


def renamed(old: str, new: str) -> Callable[[str], str]:
    """A play by another name, also where others watch it."""
    return lambda text: (
        text.replace(f"- play: {old}\n", f"- play: {new}\n").replace(f"  - {old}\n", f"  - {new}\n")
    )  # fmt: skip


def without(play: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        start = text.index(f"- play: {play}\n")
        return text[:start] + text[text.index("- play: ", start + 1) :]

    return change


def owed(workspace: Workspace) -> pd.DataFrame:
    """What is owed of the newest as_of: action_id, account_id, play, overdue_of, watched (the play of that)."""
    with Store.open(workspace.store) as store:
        rows = store.outbox(PLAN)
    rows = rows[rows["as_of"] == pd.Timestamp(AS_OF)]
    frame = rows[["action_id", "account_id"]].assign(
        **{k: [p[k] for p in rows["payload"]] for k in ("play", "overdue_of")}
    )
    plays = frame.set_index("action_id")["play"]
    return frame.assign(watched=frame["overdue_of"].map(plays)).sort_values("action_id", ignore_index=True)


def told(workspace: Workspace, *action_ids: str, status: str = "delivered", attempts: int = 1) -> None:
    with Store.open(workspace.store) as store:
        answers = [Answer(i, status, attempts, "", LATER, None) for i in action_ids]  # type: ignore[arg-type]
        Deliveries(store, PLAN, "sequencer").keep(answers)


def counts(frame: pd.DataFrame) -> dict[str, int]:
    return frame["play"].value_counts().to_dict()


def test_a_reminder_by_another_name_takes_the_place_of_what_was_not_delivered(workspace: Workspace) -> None:
    before = owed(workspace)
    reminders = before[before["play"] == "reminder"]
    assert len(reminders) > 20
    had, tried, refused = reminders["action_id"].head(3)
    told(workspace, had)
    told(workspace, tried, status="pending")
    told(workspace, refused, status="pending", attempts=0)
    stays = {had, tried}

    run, published = again(workspace, renamed("reminder", "nudge"))
    after = owed(workspace)
    left, new = after[after["play"] == "reminder"], after[after["play"] == "nudge"]
    assert set(left["action_id"]) == stays, "what was delivered, or may have been"
    assert sorted([*left["overdue_of"], *new["overdue_of"]]) == sorted(reminders["overdue_of"]), (
        "one of each, by either"
    )
    other = before["play"] != "reminder"
    assert set(after["action_id"]) - {*left["action_id"], *new["action_id"]} == set(before.loc[other, "action_id"])
    assert {one["action_id"] for one in published} == set(new["action_id"])
    assert run.actions == 0
    with Store.open(workspace.store) as store:
        opened = {x.action_id: x for x in Deliveries(store, PLAN, "other").open()}
    assert all(opened[i].not_before is not None for i in new["action_id"])

    again(workspace, renamed("nudge", "reminder"))
    pd.testing.assert_frame_equal(owed(workspace), before)


def test_a_reminder_that_is_taken_out_is_withdrawn_and_owed_again_once_it_is_back(workspace: Workspace) -> None:
    before, text = owed(workspace), (workspace.folder / "models" / PLAN / "plays.yaml").read_text("utf-8")
    had = before.loc[before["play"] == "reminder", "action_id"].iloc[0]
    told(workspace, had)
    again(workspace, without("reminder"))
    after = owed(workspace)
    assert set(after["action_id"]) == {had, *before.loc[before["play"] != "reminder", "action_id"]}
    again(workspace, lambda _: text)
    pd.testing.assert_frame_equal(owed(workspace), before)


def test_what_an_overdue_play_watches_no_more_is_withdrawn(workspace: Workspace) -> None:
    before = owed(workspace)
    assert set(before["watched"].dropna()) == {"growth", "focus"}
    again(workspace, lambda text: text.replace("  - growth\n", ""))
    after = owed(workspace)
    gone = before["watched"] == "growth"
    assert set(after["action_id"]) == set(before.loc[~gone, "action_id"])


def test_another_play_takes_the_place_of_one_that_is_gone_with_all_that_watches_it(workspace: Workspace) -> None:
    """What was delivered by the old name stays, and so do its reminders."""
    before = owed(workspace)
    growth = before[before["play"] == "growth"]
    had = growth["action_id"].head(2).tolist()
    told(workspace, *had)
    run, published = again(workspace, renamed("growth", "named"))
    after = owed(workspace)
    assert set(after.loc[after["play"] == "growth", "action_id"]) == set(had)
    assert counts(after)["named"] == len(growth) - len(had) == run.actions > 10
    assert sorted([*after["account_id"]]) == sorted(before["account_id"]), "as much of each account as before"
    by_play = {play: before.loc[before["play"] == play, "account_id"].tolist() for play in ("reminder", "escalation")}
    for play, accounts in by_play.items():
        assert sorted(after.loc[after["play"] == play, "account_id"]) == sorted(accounts)
    watching = after[after["overdue_of"] != ""]
    assert watching["overdue_of"].isin(after["action_id"]).all()
    assert set(watching.loc[watching["watched"] == "growth", "overdue_of"]) <= set(had)
    assert {one["action_id"] for one in published} == set(after["action_id"]) - set(before["action_id"])


def test_what_is_delivered_while_the_revision_is_made_stays_and_nothing_takes_its_place(workspace: Workspace) -> None:
    before = owed(workspace)
    had = before.loc[before["play"] == "reminder", "action_id"].iloc[0]
    real = Store.commit_run

    def late(store: Store, *given: Any, **further: Any) -> bool:
        told(workspace, had)
        return real(store, *given, **further)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "commit_run", late)
        again(workspace, renamed("reminder", "nudge"))
    after, reminders = owed(workspace), before[before["play"] == "reminder"]
    assert set(after.loc[after["play"] == "reminder", "action_id"]) == {had}
    account = reminders.set_index("action_id").loc[had, "account_id"]
    nudged = after.loc[after["play"] == "nudge", "account_id"]
    assert account not in set(nudged)
    assert len(nudged) == len(reminders) - (reminders["account_id"] == account).sum()


NAMES = ("call", "ring", "plan")
OVERDUE = ("again", "nudge", "above")


@st.composite
def plays_of(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    plain = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    of = st.lists(st.sampled_from(plain), min_size=1, unique=True).map(tuple)
    return dict.fromkeys(plain, ()) | draw(st.dictionaries(st.sampled_from(OVERDUE), of))


def all_owed(plays: dict[str, tuple[str, ...]]) -> dict[str, tuple[Place, str]]:
    """Of two accounts: action_id -> place and play."""
    found: dict[str, tuple[Place, str]] = {}
    for account in ("a", "b"):
        for play, of in plays.items():
            if not of:
                found[f"{account} {play}"] = (account, ""), play
            else:
                found[f"{account} {play} {of[0]}"] = (account, f"{account} {of[0]}"), play
    return found


@settings(max_examples=400, deadline=None)
@given(plays=st.lists(plays_of(), min_size=2, max_size=5), data=st.data())
def test_however_plays_change_nobody_is_asked_twice_and_what_was_told_stays(
    plays: list[dict[str, tuple[str, ...]]], data: st.DataObject
) -> None:
    there = {i: Kept(place, play, True) for i, (place, play) in all_owed(plays[0]).items()}
    for now in plays[1:]:
        had = data.draw(st.sets(st.sampled_from(sorted(i for i, kept in there.items() if kept.is_owed))))
        had |= {i for i, kept in there.items() if kept.is_told}
        had -= {i for i in had if (watched := there[i].place[1]) and watched not in had}
        there = {i: Kept(k.place, k.play, k.is_owed, i in had) for i, k in there.items()}
        wanted = all_owed(now)
        found = replaced(there, {i: place for i, (place, _) in wanted.items()}, now)
        standing = {i for i, kept in there.items() if kept.is_owed}
        assert not found.withdrawn.keys() - standing
        assert not [i for i in found.withdrawn if there[i].is_told]
        assert not found.owed & standing
        for i in found.owed:
            gone = [k for k in standing if there[k].place == wanted[i][0] and there[k].play not in now]
            assert not [k for k in gone if there[k].is_told], "in the place of what was told nothing is owed"
        for i, (place, _) in wanted.items():
            assert place[1] not in found.owed or i in found.owed | standing, "with what is owed comes what watches it"
        after = dict(there)
        for i in found.withdrawn:
            after[i] = Kept(there[i].place, there[i].play, False, there[i].is_told)
        for i in found.owed:
            after[i] = Kept(*wanted[i], True, i in there and there[i].is_told)
        for kept in after.values():
            watched = kept.place[1]
            if kept.is_owed and watched and not kept.is_told:
                assert after[watched].is_owed, "what is watched is owed"
        if not any(kept.is_told for kept in there.values()):
            left = {kept.play for kept in after.values() if kept.is_owed}
            assert left <= set(now), "no play that is gone owes anything"
        assert replaced(after, {i: place for i, (place, _) in wanted.items()}, now) == Replacing({}, frozenset())
        there = after
