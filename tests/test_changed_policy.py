"""A changed policy is the cause of the movements that it makes, and of no other; what time alone does is ageing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from test_tiers import AS_OF, NO_STATE, OWNERS, TALL, account, later, policies, random_accounts, random_acts
from tierwise.config import load_workspace
from tierwise.config.policy import Policy, TimeInTier
from tierwise.errors import UsageError
from tierwise.jobs import score
from tierwise.store import Store, policies_known
from tierwise.tiers import decide, next_state

STAY = Policy(time_in_tier=TimeInTier(minimum_stay_days=28, stay_margin=5))
GONE = TALL | {"signal_score": 5.0, "coverage": "none", "roles_reached": ""}


def state_after(*days_and_facts: tuple[int, dict[str, Any]], policy: Policy = STAY) -> pd.DataFrame:
    state = NO_STATE
    for days, facts in days_and_facts:
        state = next_state(decide(pd.DataFrame([account(**facts)]), state, policy, later(days), model_version="m1"))
    return state


def moved(state: pd.DataFrame, days: int, policy: Policy, *known: Policy, model: str = "m1", **facts: Any) -> Any:
    earlier = {one.version(): one for one in known}
    frame = pd.DataFrame([account(**facts)])
    return decide(frame, state, policy, later(days), model_version=model, earlier=earlier).iloc[0]


def renamed(policy: Policy, **more: Any) -> Policy:
    return policy.model_copy(update={"policy": "another", **more})


def test_a_policy_of_another_name_alone_moves_nothing() -> None:
    held = state_after((0, TALL), (27, GONE))
    got = moved(held, 28, renamed(STAY), STAY, **GONE)
    assert (got.movement, got.cause) == ("down", "ageing")
    assert "its minimum stay ended on 29 Mar 2026" in got.why
    assert "policy" not in got.why
    fell = state_after((0, TALL))
    assert moved(fell, 40, renamed(STAY), STAY, **GONE, days_since_signal=3.0).cause == "data"
    assert moved(fell, 40, renamed(STAY), **GONE, days_since_signal=3.0).cause == "policy", "the one before is unknown"


def test_a_policy_that_names_another_tier_is_the_cause() -> None:
    held = state_after((0, TALL), (10, GONE))
    shorter = renamed(STAY, time_in_tier=TimeInTier(minimum_stay_days=14, stay_margin=5))
    assert moved(held, 17, STAY, **GONE).movement == ""
    assert moved(held, 17, shorter, STAY, **GONE).cause == "policy", "its stay would have gone on"
    strict = Policy(bands={"signal": {"early": 50, "moderate": 75, "high": 99}}, time_in_tier=STAY.time_in_tier)
    got = moved(state_after((0, TALL)), 40, strict, STAY, **TALL)
    assert (got.movement, got.cause) == ("down", "policy")
    assert "the policy changed" in got.why


def test_a_stay_that_ended_under_a_new_model_is_ageing_where_the_old_one_had_lowered_it() -> None:
    held = state_after((0, TALL), (27, GONE))
    assert moved(held, 28, STAY, model="m2", **GONE).cause == "ageing"
    tall = state_after((0, TALL), (27, TALL))
    assert moved(tall, 28, STAY, model="m2", **GONE).cause == "model"
    weak = TALL | {"signal_score": 80.0}
    to_two = state_after((0, TALL), (27, weak))
    assert moved(to_two, 28, STAY, model="m2", **weak).cause == "ageing"
    misfit = weak | {"fit_score": 41.0, "signal_score": 5.0}
    assert moved(to_two, 28, STAY, model="m2", **misfit).cause == "model", "it falls further than the old one said"


@settings(max_examples=40)
@given(old=policies(), new=policies(), seed=st.integers(0, 2**32 - 1))
def test_by_counterfactual(old: Policy, new: Policy, seed: int) -> None:
    """Policy only where the policy before names another tier; and by another name alone everything is as it was."""
    rng, state = np.random.default_rng(seed), NO_STATE
    for week in range(3):
        accounts, as_of = random_accounts(rng, 120), later(14 * week)
        acts = random_acts(rng, accounts, as_of)
        state = next_state(decide(accounts, state, old, as_of, overrides=acts, owners=OWNERS))
    now, around = random_accounts(rng, 120), {"overrides": acts, "owners": OWNERS}
    by_old, known = decide(now, state, old, later(42), **around), {old.version(): old}
    by_new = decide(now, state, renamed(new), later(42), earlier=known, **around)
    assert not ((by_new["cause"] == "policy") & (by_old["tier"] == by_new["tier"])).any()
    same = decide(now, state, renamed(old), later(42), earlier=known, **around)
    pd.testing.assert_frame_equal(same.drop(columns="policy_version"), by_old.drop(columns="policy_version"))


def test_runs_keep_their_policy_for_those_after_them(small_demo: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(small_demo, tmp_path / "ws"))
    before = load_workspace(folder)
    name = before.plan().plan.plan
    newest = _newest(before, name)
    with Store.open(before.store) as store:
        version = before.plan().policy.version()
        kept = policies_known(store, name, [version, "none-00000000"])
    assert {v: Policy.model_validate_json(rules) for v, rules in kept.items()} == {version: before.plan().policy}
    causes = {}
    for title, text in (("same", "policy: v1"), ("renamed", "policy: v2")):
        copy = Path(shutil.copytree(folder, tmp_path / title))
        path = copy / "models" / name / "policy.yaml"
        path.write_text(path.read_text(encoding="utf-8").replace("policy: v1", text, 1), encoding="utf-8")
        workspace = load_workspace(copy)
        found = score(workspace, as_of=newest + pd.Timedelta(days=4), dry_run=True).movements
        causes[title] = found.set_index("account_id")[["movement", "cause", "why"]]
    assert len(causes["same"]) > 3
    pd.testing.assert_frame_equal(causes["same"], causes["renamed"])


def _newest(workspace: Any, plan: str) -> pd.Timestamp:
    with Store.open(workspace.store, create=False) as store:
        newest = store.newest_run(plan)
    assert newest is not None
    return pd.Timestamp(newest.as_of)


# What is said of the next tier


def test_why_does_not_promise_a_way_up_before_the_promotion_window_ends() -> None:
    window = Policy(time_in_tier=TimeInTier(minimum_stay_days=0, stay_margin=0, promotion_window_days=60))
    weak = TALL | {"signal_score": 89.0}
    start = state_after((0, TALL), policy=window)
    later_on = "; tier 1 needs 1 more point of signal, not before 7 May 2026."
    assert moved(start, 7, window, **weak).why.endswith(later_on)
    state = state_after((0, TALL), (7, weak), policy=window)
    assert moved(state, 66, window, **weak).why.endswith(later_on)
    assert moved(state, 67, window, **weak).why.endswith("; tier 1 needs 1 more point of signal.")
    for day, tier in ((66, "tier_2"), (67, "tier_1")):
        assert moved(state, day, window, **TALL).tier == tier
    assert moved(state, 30, window, **TALL).why == (
        "Stays in tier 2: no promotion before 7 May 2026 (60 days after its last move); "
        "by its scores it would be in tier 1."
    )


@pytest.mark.parametrize("coverage", ["none", "unknown"])
def test_one_role_is_asked_for_before_many_points(coverage: str) -> None:
    got = decide(
        pd.DataFrame([account(fit_score=79.0, signal_score=26.0, coverage=coverage)]), NO_STATE, Policy(), AS_OF
    ).iloc[0]
    assert got.why.endswith("; tier 2 needs one role of the buying group reached.")


def test_a_run_by_owners_capacity_without_the_table_owners_is_refused_and_publishes_nothing(
    small_demo: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(small_demo, tmp_path / "ws"))
    workspace = load_workspace(folder)
    name, current = workspace.plan().plan.plan, workspace.published
    path = folder / "models" / name / "policy.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "owner_capacity: {by: owner, tier_1: 1}\n", encoding="utf-8")
    before = (current / name / "CURRENT").read_text(encoding="utf-8")
    newest = _newest(workspace, name)
    (folder / "tables" / "owners.parquet").unlink()
    with pytest.raises(UsageError, match="owner_capacity: no owners were given"):
        score(load_workspace(folder), as_of=newest + pd.Timedelta(days=4))
    assert (current / name / "CURRENT").read_text(encoding="utf-8") == before
