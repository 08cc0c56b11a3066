"""What only a new model lowers waits for a release, unless its promotion states limits; exclusions are counted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
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
from tierwise.errors import RunHeld, UsageError
from tierwise.governance import Braking, brake
from tierwise.jobs import PromoteResult
from tierwise.store import Store

PLAN = "new_business"
NEXT, LATER = "2026-01-05", "2026-01-06"
FAR = datetime(2030, 1, 1, tzinfo=UTC)
CAUSES = ("data", "ageing", "model", "policy", "capacity", "override", "merge")


def moved(
    steps: Sequence[tuple[str, str, str]], *, share: float = 1.0, least: int = 10_000, stated: bool = False
) -> Braking:
    """A run that moves accounts by (previous tier, tier, cause), under limits that nothing else goes beyond."""
    ids = [f"a{i}" for i in range(len(steps))]
    was, now = ([step[end] for step in steps] for end in (0, 1))
    standing, decided = (pd.DataFrame({"account_id": ids, "tier": tiers}, dtype="str") for tiers in (was, now))
    causes = {a: step[2] for a, step in zip(ids, steps, strict=True)}
    return brake(standing, decided, causes, share, least, stated=stated)


# --- the rule itself


def test_one_account_that_the_new_model_lowers_holds_a_run_and_the_words_say_so() -> None:
    found = moved([("tier_1", "tier_2", "model"), ("tier_2", "tier_1", "model"), ("tier_1", "recycle", "data")])
    assert (found.held, found.waits, found.beyond) == (True, True, ())
    assert found.why == "under the new model 1 account would come to a lower tier, and this waits for a release"
    assert not moved([("tier_2", "tier_1", "model"), ("tier_1", "tier_2", "data")]).held


def test_accounts_that_a_stay_alone_keeps_from_a_new_model_s_demotion_wait_too() -> None:
    standing = pd.DataFrame({"account_id": ["a"], "tier": ["tier_1"]}, dtype="str")
    found = brake(standing, standing, {}, 1.0, 10_000, postponed=3)
    assert found.held
    assert found.why == (
        "under the new model 0 accounts would come to a lower tier now and 3 once a stay ends, and this waits for a "
        "release"
    )
    assert not brake(standing, standing, {}, 1.0, 10_000, postponed=3, stated=True).held


def test_stated_limits_hold_a_model_s_demotions_like_all_movements() -> None:
    steps = [("tier_1", "tier_2", "model")] * 30
    assert not moved(steps, stated=True).held
    assert moved(steps, stated=True).why == ""
    beyond = moved(steps, share=0.125, least=30, stated=True)
    assert beyond.why == (
        "it would move more than 12.5% of a tier and at least 30 accounts of it, as its promotion stated: "
        "tier_1 held 30 accounts: 30 would leave it, 0 come from other tiers; "
        "tier_2 held 0 accounts: 0 would leave it, 30 come from other tiers; "
        "under the new model 30 accounts would come to a lower tier"
    )
    assert json.loads(json.dumps(beyond.to_dict()))["stated"] is True


STEP = st.tuples(st.sampled_from([*TIERS, *STATUSES]), st.sampled_from([*TIERS, *STATUSES]), st.sampled_from(CAUSES))


@settings(max_examples=200, deadline=None)
@given(st.lists(STEP, max_size=30), st.booleans())
def test_only_demotions_by_a_model_without_stated_limits_wait(steps: list[tuple[str, str, str]], stated: bool) -> None:
    lowered = [
        s
        for s in steps
        if s[0] in TIERS and s[1] in TIERS and TIERS.index(s[1]) > TIERS.index(s[0]) and s[2] == "model"
    ]
    found = moved(steps, stated=stated)
    assert found.held is found.waits is (bool(lowered) and not stated)
    assert found.demoted_by_model == len(lowered)
    assert bool(found.why) is found.held


def test_a_mass_suppression_is_held_and_says_how_much_of_it_is_excluded() -> None:
    ids = [f"a{i:03d}" for i in range(60)]
    standing = pd.DataFrame({"account_id": ids, "tier": "tier_1"}, dtype="str")
    decided = standing.assign(
        tier=["suppress"] * 25 + ["tier_2"] * 5 + ["tier_1"] * 30,
        row=["excluded"] * 20 + ["negative_trigger"] * 5 + ["growth"] * 5 + ["focus"] * 30,
    )
    found = brake(standing, decided, {}, 0.15, 20)
    assert (found.held, found.excluded) == (True, 20)
    assert found.why.endswith("; suppressed by an exclusion: 20 of the 30 that leave their tier")
    assert json.loads(json.dumps(found.to_dict()))["excluded"] == 20
    stood = brake(decided, decided, {}, 0.15, 20)
    assert (stood.held, stood.excluded) == (False, 0), "those that were excluded before leave nothing"


# --- in a workspace


@pytest.fixture(scope="module")
def trained(small_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small demo with a challenger that was trained two months later."""
    folder = Path(shutil.copytree(small_demo, tmp_path_factory.mktemp("limits") / "ws"))
    assert not tierwise.train(tierwise.load_workspace(folder), as_of="2025-12-01").live
    return folder


@pytest.fixture
def workspace(trained: Path, tmp_path: Path) -> Workspace:
    return tierwise.load_workspace(shutil.copytree(trained, tmp_path / "ws"))


def promote(workspace: Workspace, share: float | None = None, least: int | None = None) -> PromoteResult:
    return tierwise.promote(workspace, by="Ada", because="to see what moves", share=share, least=least)


def held(workspace: Workspace, as_of: str = NEXT) -> RunHeld:
    with pytest.raises(RunHeld) as stopped:
        tierwise.score(workspace, as_of=as_of)
    return stopped.value


@pytest.mark.long
def test_a_promotion_without_limits_waits_for_a_release_once(workspace: Workspace) -> None:
    done = promote(workspace)
    assert done.limits is None
    assert done.moves is not None
    assert done.moves.waits, "what waits is said with the promotion"
    assert not done.moves.beyond, "the limits of tierwise.yaml alone would let it go"
    stopped = held(workspace)
    n = stopped.held.demoted_by_model
    assert n > 0
    assert f"under the new model {n} accounts would come to a lower tier" in str(stopped)
    assert "Its promotion was seen to move on 2026-01-01: tier_" in str(stopped)
    assert "it would move more than" not in str(stopped)
    dry = tierwise.score(workspace, as_of=NEXT, dry_run=True)
    assert dry.moves is not None
    assert dry.moves.why == stopped.held.why
    assert tierwise.score(workspace, as_of="2025-12-15").kind == "backfill", "it moves nothing that stands"
    tierwise.release(workspace, stopped.run_id, reason="looked at", by="Ada", made_at=FAR)
    assert tierwise.score(workspace, as_of=NEXT).new
    assert tierwise.score(workspace, as_of=LATER).new, "the second run by it waits for nothing"


@pytest.mark.long
def test_stated_limits_are_those_of_the_first_run_and_of_no_other(workspace: Workspace) -> None:
    done = promote(workspace, share=1.0)
    assert done.limits is not None
    assert (done.limits.share, done.limits.least) == (1.0, 100), "what is not stated is the workspace's"
    dry = tierwise.score(workspace, as_of=NEXT, dry_run=True).moves
    assert dry is not None
    assert (dry.held, dry.stated, dry.share) == (False, True, 1.0)
    assert dry.demoted_by_model > 0
    first = tierwise.score(workspace, as_of=NEXT)
    assert first.new
    exclude(workspace, first.tiers)
    stopped = held(workspace, LATER)
    assert not stopped.held.stated
    assert "it would move more than 60% of a tier and at least 100 accounts of it: " in str(stopped)
    assert f"suppressed by an exclusion: {stopped.held.excluded:,} of the " in str(stopped)
    assert stopped.held.excluded >= 100


@pytest.mark.long
def test_limits_that_are_stated_close_hold_and_count_for_no_other_promotion(workspace: Workspace) -> None:
    promote(workspace, share=0, least=1)
    stopped = held(workspace)
    assert "more than 0% of a tier and at least 1 account of it, as its promotion stated: " in str(stopped)
    tierwise.rollback(workspace)
    assert tierwise.score(workspace, as_of=NEXT).new, "nothing was published by the other one"
    promote(workspace)
    again = held(workspace, LATER)
    assert not again.held.stated
    assert again.held.waits
    tierwise.rollback(workspace)
    promote(workspace, share=1.0, least=1000)
    assert tierwise.score(workspace, as_of=LATER).new
    tierwise.rollback(workspace)
    back = held(workspace, "2026-01-07")
    assert back.held.waits, "a rollback takes tiers away too, and states nothing"
    with Store.open(workspace.store) as store:
        stated = [p.get("limits") for p in store.acts(PLAN, ("promotion",))["payload"]]
    assert stated == [{"share": 0.0, "least": 1}, None, {"share": 1.0, "least": 1000}]


def exclude(workspace: Workspace, tiers: pd.DataFrame) -> None:
    path = workspace.tables / "exclusions.parquet"
    out = tiers[tiers["tier"].isin(["tier_2", "tier_3"])]["account_id"]
    table = pq.read_table(path)
    rows = [{"account_id": a, "reason": "partner_conflict"} for a in out]
    pq.write_table(pa.concat_tables([table, pa.Table.from_pylist(rows, schema=table.schema)]), path)


@pytest.mark.parametrize("limits", [{"share": 1.5}, {"share": -0.1}, {"share": float("nan")}, {"least": 0}])
def test_limits_that_make_no_sense_are_refused_before_anything_is_read(
    small_demo: Path, limits: dict[str, float]
) -> None:
    workspace = tierwise.load_workspace(small_demo)
    ((name, value),) = limits.items()
    with pytest.raises(UsageError) as refused:
        tierwise.promote(workspace, **limits)  # type: ignore[arg-type]
    assert f"a promotion was to state its limits: {name} {value}." in str(refused.value)
    assert "Say a share from 0 to 1, as --share 0.3" in str(refused.value)


@pytest.mark.long
def test_the_command_line_states_limits_and_says_what_they_do(workspace: Workspace) -> None:
    def verb(*words: str) -> nursery.Done:
        return nursery.tierwise("-C", workspace.folder, *words)

    why = ("--by", "Ada", "--because", "to see what moves")
    refused = verb("promote", "--share", "7")
    assert refused.returncode == 2
    assert "Say a share from 0 to 1" in refused.stderr
    said = " ".join(verb("promote", *why).stdout.split())
    assert "Such a run is held, and `tierwise score` will ask for a release: under the new model " in said
    stopped = verb("score", "--as-of", NEXT)
    assert stopped.returncode == 6
    assert "and this waits for a release" in stopped.stderr
    dry = verb("score", "--as-of", NEXT, "--dry-run")
    assert dry.returncode == 0
    assert "wait for a release: under the new model " in " ".join(dry.stdout.split())
    assert verb("rollback").returncode == 0
    stated = verb("--json", "promote", "--share", "0.9", "--least", "1000", *why)
    assert json.loads(stated.stdout)["limits"] == {"share": 0.9, "least": 1000}
    assert verb("rollback").returncode == 0
    within = " ".join(verb("promote", "--share", "0.9", "--least", "1000", *why).stdout.split())
    assert "Such a run is within the limits stated for it, and is published." in within
    assert verb("score", "--as-of", NEXT).returncode == 0


@pytest.mark.long
def test_where_nothing_is_published_limits_are_not_needed(workspace: Workspace) -> None:
    shutil.rmtree(workspace.published / PLAN)
    for path in (workspace.folder / "state").glob("tierwise.db*"):
        path.unlink()
    words = ("promote", "--least", "5", "--by", "Ada", "--because", "to see what moves")
    done = nursery.tierwise("-C", workspace.folder, *words)
    assert done.returncode == 0, done.stderr
    assert "Nothing is published yet, and a first run is never held" in " ".join(done.stdout.split())
    assert tierwise.score(workspace, as_of=NEXT).new
