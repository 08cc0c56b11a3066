"""The brake: what a run would move, when it is held, and how it is let go, in the small and in a workspace."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nursery
import tierwise
from tierwise.config import STATUSES, TIERS, Workspace
from tierwise.config.workspace import Brake
from tierwise.errors import RunHeld, UsageError
from tierwise.governance import Braking, brake
from tierwise.publishing import read_current, read_run
from tierwise.registry import Registry, write_bundle
from tierwise.store import Store

PLAN = "new_business"
ANY = st.sampled_from([*TIERS, *STATUSES])


def frame(tiers: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame({"account_id": list(tiers), "tier": list(tiers.values())}, dtype="str")


def braked(was: dict[str, str], now: dict[str, str], share: float = 0.15, least: int = 20) -> Braking:
    return brake(frame(was), frame(now), {}, share, least)


def some(tier: str, n: int, first: int = 0) -> dict[str, str]:
    return {f"a{i:04d}": tier for i in range(first, first + n)}


# --- the rule itself


@pytest.mark.parametrize(
    ("size", "moved", "held"),
    [(200, 30, False), (200, 31, True), (100, 19, False), (100, 20, True), (133, 20, True), (134, 20, False)],
)
def test_more_than_15_per_cent_and_at_least_20_accounts_hold_a_run(size: int, moved: int, held: bool) -> None:
    was = some("tier_1", size) | some("tier_2", 1000, 2000)
    out, into = braked(was, was | some("tier_2", moved)), braked(was, was | some("tier_1", moved, 2000))
    assert out.held is into.held is held
    assert out.tiers.query("tier == 'tier_1'")[["size", "into", "out"]].values.tolist() == [[size, 0, moved]]
    assert into.tiers.query("tier == 'tier_1'")[["size", "into", "out"]].values.tolist() == [[size, moved, 0]]
    assert (f"tier_1 held {size:,} accounts: {moved} would leave it, 0 come from other tiers" in out.beyond) is held


def test_a_tier_that_was_empty_is_beyond_once_20_come() -> None:
    was = some("recycle", 1000)
    assert not braked(was, was | some("tier_1", 19)).held
    assert braked(was, was | some("tier_1", 20)).held


@pytest.mark.parametrize("before", [*STATUSES, None])
def test_accounts_that_enter_the_cohort_do_not_count(before: str | None) -> None:
    was = some("tier_1", 100) | ({} if before is None else some(before, 500, 1000))
    assert not braked(was, some("tier_1", 100) | some("tier_1", 500, 1000)).held


@pytest.mark.parametrize("status", STATUSES)
def test_accounts_that_leave_the_cohort_count(status: str) -> None:
    found = braked(some("tier_1", 100), some("tier_1", 100) | some(status, 20))
    assert found.held
    assert found.counts("cause")[["up", "down", "out"]].values.tolist() == [[0, 0, 20]]


def test_accounts_that_the_tables_have_lost_count_as_left() -> None:
    found = braked(some("tier_2", 100), some("tier_2", 70))
    assert found.held
    assert found.counts("cause").to_dict("records") == [
        {"cause": "gone from the tables", "up": 0, "down": 0, "out": 30, "n": 30}
    ]


def test_moves_are_told_by_cause_and_owner() -> None:
    was, now = some("tier_1", 50), some("tier_1", 50) | some("recycle", 30) | some("tier_2", 10, 30)
    decided = frame(now).assign(owner_id=["ann"] * 35 + [None] * 15)
    causes = {a: "model" if n < 25 else "ageing" for n, a in enumerate(now)}
    found = brake(frame(was), decided, causes, 0.15, 20)
    assert found.demoted_by_model == 25
    assert found.counts("cause").values.tolist() == [["model", 0, 25, 0, 25], ["ageing", 0, 15, 0, 15]]
    assert found.counts("owner").values.tolist() == [["ann", 0, 35, 0, 35], ["-", 0, 5, 0, 5]]
    assert json.loads(json.dumps(found.to_dict()))["by_owner"][0]["owner"] == "ann"


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.integers(0, 40), ANY), st.dictionaries(st.integers(0, 40), ANY), st.integers(1, 6))
def test_the_brake_keeps_its_word_on_any_two_runs(was: dict[int, str], now: dict[int, str], least: int) -> None:
    found = braked({str(k): v for k, v in was.items()}, {str(k): v for k, v in now.items()}, 0.15, least)
    assert braked({}, {str(k): v for k, v in now.items()}, 0.15, 1).held is False, "nothing is held on a first run"
    beyond = False
    for tier in TIERS:
        held = [a for a, t in was.items() if t == tier]
        out = [a for a in held if now.get(a) != tier]
        into = [a for a, t in now.items() if t == tier and was.get(a) in TIERS and was[a] != tier]
        row = found.tiers.set_index("tier").loc[tier]
        assert (row["size"], row["out"], row["into"]) == (len(held), len(out), len(into))
        beyond |= any(len(moved) >= least and len(moved) / max(len(held), 1e-9) > 0.15 for moved in (out, into))
    assert found.held is beyond
    assert found.counts("owner")["n"].sum() == found.counts("cause")["n"].sum() == len(found.moves)


@pytest.mark.parametrize(("owed", "held"), [(50, False), (51, True)])
def test_more_actions_than_stated_hold_a_run_that_follows_another(owed: int, held: bool) -> None:
    was = some("tier_1", 100)
    found = brake(frame(was), frame(was), {}, 0.15, 20, owed=owed, most_owed=50)
    assert found.held is held
    assert ("it would owe 51 actions, more than 50" in found.why) is held
    assert not brake(frame({}), frame(was), {}, 0.15, 20, owed=owed, most_owed=50).held, "a first run"
    assert not brake(frame(was), frame(was), {}, 0.15, 20, owed=owed).held, "no number is stated"


def test_limits_are_settings() -> None:
    assert (Brake().share, Brake().least) == (0.15, 20)


# --- in a workspace, on both databases


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest, small_demo: Path, tmp_path: Path) -> Workspace:
    """A copy of the small demo with its model and an empty store, in which nothing is published."""
    folder = Path(shutil.copytree(small_demo, tmp_path / "ws"))
    shutil.rmtree(folder / "published" / PLAN)
    for path in (folder / "state").glob("tierwise.db*"):
        path.unlink()
    if request.param == "postgresql":
        use_store(folder, request.getfixturevalue("postgresql_url"))
    return tierwise.load_workspace(folder)


@pytest.fixture
def workspace(small_demo: Path, tmp_path: Path) -> Workspace:
    """A copy of the small demo that a test may change."""
    return tierwise.load_workspace(shutil.copytree(small_demo, tmp_path / "ws"))


def use_store(folder: Path, url: str) -> None:
    path = folder / "tierwise.yaml"
    lines = [f"store: {url}" if line.startswith("store:") else line for line in path.read_text().splitlines()]
    path.write_text("\n".join(lines) + "\n")


def exclude(workspace: Workspace, accounts: list[str]) -> Callable[[], object]:
    """Exclude accounts on all dates; gives what undoes it."""
    path = workspace.tables / "exclusions.parquet"
    before, table = path.read_bytes(), pq.read_table(path)
    rows = [{"account_id": a, "reason": "partner_conflict"} for a in accounts]
    pq.write_table(pa.concat_tables([table, pa.Table.from_pylist(rows, schema=table.schema)]), path)
    return lambda: path.write_bytes(before)


def everything(workspace: Workspace) -> tuple[object, ...]:
    """All that a run may change: what is published, our own history, and what the store holds but for held runs."""
    folder = workspace.folder
    homes = (folder / "published", folder / "state" / "attributes")
    files = {p: p.read_bytes() for home in homes for p in home.rglob("*") if p.is_file() and p.name != ".lock"}
    with Store.open(workspace.store) as store:
        kept = (store.runs(PLAN), store.prior_state(PLAN, FAR), store.movements(PLAN), store.outbox(PLAN, None))
        return files, *(frame.to_csv() for frame in kept)


FAR = datetime(2030, 1, 1, tzinfo=UTC)


def outreach(workspace: Workspace) -> list[str]:
    tiers = read_current(workspace.published, PLAN).frame("tiers")
    return tiers[tiers["tier"].isin(["tier_2", "tier_3"])]["account_id"].tolist()


@pytest.mark.long
def test_a_run_that_empties_a_tier_is_held_released_and_published_once(fresh: Workspace) -> None:
    first = tierwise.score(fresh, as_of="2025-11-01")
    assert first.new, "a first run is never held"
    undo = exclude(fresh, outreach(fresh))
    before = everything(fresh)
    for _ in range(2):
        with pytest.raises(RunHeld) as stopped:
            tierwise.score(fresh, as_of="2025-12-01")
    run_id = stopped.value.run_id
    assert everything(fresh) == before
    words = str(stopped.value)
    assert f"run {run_id} of 2025-12-01 was to be published, and is held: it would move more than 60%" in words
    assert f"`tierwise release {run_id} --by NAME --reason REASON`" in words
    dry = tierwise.score(fresh, as_of="2025-12-01", dry_run=True)
    assert (dry.run_id, dry.moves is not None and dry.moves.held) == (run_id, True)
    with Store.open(fresh.store) as store:
        (kept,) = store.held_runs(PLAN)
    assert (kept.run_id, kept.kind, kept.as_of.date().isoformat()) == (run_id, "scheduled", "2025-12-01")
    assert {t["tier"] for t in kept.moves["tiers"] if t["held"]} >= {"suppress"}

    released = tierwise.release(fresh, run_id, reason="a partner took them over", by="Ada", made_at=FAR)
    assert released.new
    done = tierwise.score(fresh, as_of="2025-12-01")
    assert (done.run_id, done.new) == (run_id, True)
    assert read_current(fresh.published, PLAN).run_id == run_id
    assert read_run(fresh.published, PLAN, run_id).meta["released"] == {
        "author": "Ada", "reason": "a partner took them over"
    }  # fmt: skip
    assert not tierwise.score(fresh, as_of="2025-12-01").new
    with Store.open(fresh.store) as store:
        assert store.runs(PLAN)["run_id"].tolist() == [first.run_id, run_id]

    undo()
    before = everything(fresh)
    with pytest.raises(RunHeld) as stopped:
        tierwise.score(fresh, as_of="2025-12-01")
    assert stopped.value.run_id != run_id, "a release lets no other run go"
    assert everything(fresh) == before
    filled = tierwise.score(fresh, as_of="2025-11-15")
    assert (filled.kind, filled.new) == ("backfill", True)
    assert read_current(fresh.published, PLAN).run_id == run_id, "a backfill moves nothing, and is not held"
    with pytest.raises(RunHeld) as later:
        tierwise.score(fresh, as_of="2026-01-01")
    tierwise.release(fresh, later.value.run_id, reason="they are ours again", by="Ada", made_at=FAR)
    assert tierwise.score(fresh, as_of="2026-01-01").new
    with Store.open(fresh.store) as store:
        assert [r.kind for r in store.held_runs(PLAN)] == ["scheduled", "revision", "scheduled"]


def test_what_cannot_be_released_says_why(workspace: Workspace) -> None:
    published = read_current(workspace.published, PLAN).run_id

    def refused(run: str, by: str = "Ada", reason: str = "checked") -> str:
        with pytest.raises(UsageError) as error:
            tierwise.release(workspace, run, reason=reason, by=by, made_at=FAR)
        return str(error.value)

    assert "no run of that id is held; waiting: none" in refused("20260101-0123456789abcdef")
    assert f"run {published} was to be released: it is published" in refused(published)
    assert "--by is empty. Say who does it" in refused(published, by=" ")
    assert "--reason holds an e-mail address or a number alone" in refused(published, reason="jo@example.com")
    exclude(workspace, outreach(workspace))
    with pytest.raises(RunHeld) as stopped:
        tierwise.score(workspace, as_of="2026-01-05")
    assert f"waiting: {stopped.value.run_id}" in refused("20260101-0123456789abcdef")
    tierwise.release(workspace, stopped.value.run_id, reason="checked", by="Ada", made_at=FAR)
    twice = refused(stopped.value.run_id)
    assert "Ada has released it: checked. Run `tierwise score --as-of 2026-01-05`" in twice


def test_the_command_line_shows_the_diff_exits_6_and_ends_with_the_release(workspace: Workspace) -> None:
    exclude(workspace, outreach(workspace))
    words = ("-C", workspace.folder, "score", "--as-of", "2026-01-05")
    dry = nursery.tierwise(*words, "--dry-run")
    assert dry.returncode == 0
    assert "It would be held, and wait for a release" in " ".join(dry.stdout.split())
    done = nursery.tierwise(*words)
    assert done.returncode == 6, done.stderr
    assert "Traceback" not in done.stderr
    for part in ("beyond the limit", "By cause", "By owner", "accounts before"):
        assert part in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    last = done.stderr.splitlines()[-1]
    assert last.startswith("exit 6 · run 20260105-")
    release = last.split("next: tierwise ")[1].replace("NAME", "Ada").replace("REASON", "checked").split()
    let_go = nursery.tierwise(*release)
    assert let_go.returncode == 0, let_go.stderr
    assert let_go.stderr.splitlines()[-1].endswith("score --as-of 2026-01-05")
    as_json = nursery.tierwise("-C", workspace.folder, "--json", "score", "--as-of", "2026-01-05")
    assert as_json.returncode == 0
    assert json.loads(as_json.stdout)["new"] is True


def test_limits_in_tierwise_yaml_let_more_pass(workspace: Workspace) -> None:
    exclude(workspace, outreach(workspace))
    path = workspace.folder / "tierwise.yaml"
    path.write_text(path.read_text().replace("least: 100", "least: 100000"))
    assert tierwise.score(tierwise.load_workspace(workspace.folder), as_of="2026-01-05").new


def test_a_run_that_owes_too_many_actions_is_held_and_released(workspace: Workspace) -> None:
    exclude(workspace, outreach(workspace)[:15])
    limits = Brake(share=1.0, least=10_000, actions=1)
    strict = replace(workspace, settings=workspace.settings.model_copy(update={"brake": limits}))
    with pytest.raises(RunHeld, match=r"it would owe [\d,]+ actions, more than 1\b") as held:
        tierwise.score(strict, as_of="2026-01-05")
    with Store.open(strict.store) as store:
        assert not [r for r in store.outbox(PLAN)["run_id"] if r == held.value.run_id]
    tierwise.release(strict, held.value.run_id, reason="meant", by="Ada", made_at=datetime.now(UTC))
    assert tierwise.score(strict, as_of="2026-01-05").actions > 1


def test_the_first_run_by_a_promoted_model_says_what_its_promotion_was_seen_to_move(
    workspace: Workspace, tmp_path: Path
) -> None:
    registry = Registry(workspace.registry, workspace.folder / "state" / "models")
    now = registry.live(PLAN)
    kinds = {f.name: object if f.kind == "category" else float for f in now.model.features}
    rows = pd.DataFrame({name: pd.Series([None] * 3, dtype=kind) for name, kind in kinds.items()})
    write_bundle(now.model, rows, {**now.meta, "notes": ["another"]}, tmp_path / "bundle", now.value)
    registry.register(PLAN, tmp_path / "bundle", {}, {}, {})
    done = tierwise.promote(workspace, by="Ada", because="its like")
    assert done.moves is not None
    assert not done.moves.held, "a model of the same scores moves nothing"
    with Store.open(workspace.store) as store:
        (kept,) = store.acts(PLAN, ("promotion",))["payload"]
    assert (kept["version"], kept["as_of"][:10]) == (done.model_version, "2026-01-01")
    exclude(workspace, outreach(workspace))
    with pytest.raises(RunHeld, match="Its promotion was seen to move on 2026-01-01: no account"):
        tierwise.score(workspace, as_of="2026-01-05")


KILLED = """
import os, signal, sys
import tierwise
import tierwise.store.ledger as ledger
from tierwise.errors import RunHeld

whole = ledger.write_held
def kill(*given):
    if sys.argv[2] == "after":
        whole(*given)
    os.kill(os.getpid(), signal.SIGKILL)
ledger.write_held = kill
tierwise.score(tierwise.load_workspace(sys.argv[1]), as_of="2026-01-05")
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_while_a_run_is_held_leaves_nothing_behind(workspace: Workspace, when: str) -> None:
    exclude(workspace, outreach(workspace))
    before = everything(workspace)
    assert nursery.run("-c", KILLED, workspace.folder, when).returncode == -9
    assert everything(workspace) == before
    with Store.open(workspace.store) as store:
        assert store.held_runs(PLAN) == ()
    with pytest.raises(RunHeld):
        tierwise.score(workspace, as_of="2026-01-05")
    assert everything(workspace) == before
    with Store.open(workspace.store) as store:
        assert len(store.held_runs(PLAN)) == 1
