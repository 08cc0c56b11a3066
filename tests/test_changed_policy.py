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

from test_tiers import AS_OF, JUMP, NO_STATE, OWNERS, TALL, account, later, policies, random_accounts, random_acts
from tierwise.config import load_workspace
from tierwise.config.policy import NegativeTrigger, Policy, Surge, TierRow, TimeInTier
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


def test_a_stay_that_ended_is_no_cause_where_model_and_policy_changed_together() -> None:
    """Old scores under new rules are nobody's decision: what the new model moves waits for a release."""
    state = state_after((0, TALL), (21, TALL))
    narrow = Policy(bands={"fit": {"moderate": 40, "high": 97}}, time_in_tier=STAY.time_in_tier)
    facts = TALL | {"fit_score": 60.0}
    assert moved(state, 28, narrow, STAY, model="m2", **facts).cause == "model"
    assert moved(state, 28, STAY, STAY, model="m2", **facts).cause == "model"


def test_a_surges_lift_that_a_new_model_takes_away_before_its_day_is_model() -> None:
    quick = Policy(time_in_tier=TimeInTier(minimum_stay_days=0, stay_margin=0))
    near = TALL | {"signal_score": 80.0}
    lifted = state_after((0, near | JUMP), policy=quick)
    assert (lifted["tier"].iloc[0], lifted["held"].iloc[0]) == ("tier_1", "tier_2")
    got = moved(lifted, 7, quick, model="m2", **(near | {"fit_score": 60.0, "signal_score": 95.0}))
    assert (got.previous_tier, got.movement, got.cause) == ("tier_1", "down", "model")


@settings(max_examples=40)
@given(old=policies(), new=policies(), seed=st.integers(0, 2**32 - 1))
def test_by_counterfactual(old: Policy, new: Policy, seed: int) -> None:
    """Policy where, and only where, the policy before names another tier, but for what capacity and people do; and by
    another name alone everything is as it was."""
    rng, state = np.random.default_rng(seed), NO_STATE
    for week in range(3):
        accounts, as_of = random_accounts(rng, 120), later(14 * week)
        acts = random_acts(rng, accounts, as_of)
        state = next_state(decide(accounts, state, old, as_of, overrides=acts, owners=OWNERS))
    now, around = random_accounts(rng, 120), {"overrides": acts, "owners": OWNERS}
    by_old, known = decide(now, state, old, later(42), **around), {old.version(): old}
    by_new = decide(now, state, renamed(new), later(42), earlier=known, **around)
    assert not ((by_new["cause"] == "policy") & (by_old["tier"] == by_new["tier"])).any()
    tiers = ["tier_1", "tier_2", "tier_3", "recycle"]
    inside = by_new["previous_tier"].isin(tiers) & by_new["tier"].isin(tiers)
    made = inside & (by_new["movement"] != "") & (by_old["tier"] != by_new["tier"])
    assert set(by_new.loc[made, "cause"]) <= {"policy", "capacity", "override"}
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


# Other causes beside a changed policy


def test_a_surge_that_a_changed_policy_ends_early_is_policy_and_one_that_ends_on_its_day_ageing() -> None:
    with_surge = Policy(surge=Surge(), time_in_tier=TimeInTier(minimum_stay_days=0, stay_margin=0))
    lifted = state_after((0, {"fit_score": 82.0, **JUMP}), policy=with_surge)
    assert lifted["tier"].tolist() == ["tier_2"]
    none, calm = with_surge.model_copy(update={"surge": None}), {"fit_score": 82.0}
    early = moved(lifted, 7, none, with_surge, **calm)
    assert (early.tier, early.cause) == ("tier_3", "policy")
    assert "the policy changed" in early.why
    assert "its surge ended" not in early.why
    on_its_day = moved(lifted, 21, none, with_surge, **calm)
    assert (on_its_day.tier, on_its_day.cause) == ("tier_3", "ageing")
    assert "its surge ended on 22 Mar 2026" in on_its_day.why
    assert moved(lifted, 7, with_surge, **calm).movement == ""
    still = state_after((0, calm), policy=none)
    for before, cause in ((none, "policy"), (with_surge, "data")):
        begun = moved(still.assign(policy_version=before.version()), 7, with_surge, before, **calm, **JUMP)
        assert (begun.tier, begun.cause) == ("tier_2", cause)


def test_a_trigger_that_left_the_policy_is_policy_and_one_that_lapsed_ageing() -> None:
    kinds = (NegativeTrigger(kind="unsubscribe", days=365), NegativeTrigger(kind="legal", days=365))
    old = STAY.model_copy(update={"negative_triggers": kinds})
    state = state_after((0, TALL | {"negative_trigger": "unsubscribe"}), policy=old)
    fewer = old.model_copy(update={"negative_triggers": kinds[1:]})
    shorter = old.model_copy(update={"negative_triggers": (NegativeTrigger(kind="unsubscribe", days=30), kinds[1])})
    for policy, cause in ((old, "ageing"), (renamed(old), "ageing"), (fewer, "policy"), (shorter, "policy")):
        got = moved(state, 7, policy, old, **TALL)
        assert (got.tier, got.cause) == ("tier_1", cause)


def test_what_the_model_itself_values_is_no_end_of_a_stay() -> None:
    """A row that asks for an expected value: the state does not know what the model before made of it."""
    rich = TierRow(row="rich", tier="tier_1", fit="high", least={"expected_value": 1000.0})
    policy = Policy(rows=(rich, *Policy().rows), time_in_tier=TimeInTier(minimum_stay_days=28, stay_margin=5))
    facts = {"fit_score": 82.0, "expected_value": 2000.0}
    state = state_after((0, facts), (21, facts), policy=policy)
    got = moved(state, 28, policy, model="m2", **(facts | {"expected_value": 500.0}))
    assert (got.previous_tier, got.movement, got.cause) == ("tier_1", "down", "model")


def test_a_policy_that_cannot_be_asked_any_more_breaks_no_run(small_demo: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(small_demo, tmp_path / "ws"))
    name = load_workspace(folder).plan().plan.plan
    path = folder / "models" / name / "policy.yaml"
    text, newest = path.read_text(encoding="utf-8"), _newest(load_workspace(folder), name)
    path.write_text(text + "owner_capacity: {by: owner, tier_1: 50}\n", encoding="utf-8")
    score(load_workspace(folder), as_of=newest + pd.Timedelta(days=2))
    path.write_text(text, encoding="utf-8")
    (folder / "tables" / "owners.parquet").unlink()
    done = score(load_workspace(folder), as_of=newest + pd.Timedelta(days=4))
    assert done.new
    assert set(done.movements["cause"]) <= {"policy", "ageing", "data", "capacity", "merge"}


def test_a_revision_by_a_policy_of_another_name_alone_is_by_what_else_changed(small_demo: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(small_demo, tmp_path / "ws"))
    name = load_workspace(folder).plan().plan.plan
    path = folder / "models" / name / "policy.yaml"
    text, newest = path.read_text(encoding="utf-8"), _newest(load_workspace(folder), name)
    activities = folder / "tables" / "activities.parquet"
    kept = pd.read_parquet(activities)
    kept[kept["occurred_at"] < newest.tz_localize(None) - pd.Timedelta(days=10)].to_parquet(activities)
    path.write_text(text.replace("policy: v1", "policy: v2", 1), encoding="utf-8")
    by_name = score(load_workspace(folder), as_of=newest, dry_run=True)
    assert by_name.kind == "revision"
    assert set(by_name.movements["cause"]) == {"data"}
    path.write_text(text.partition("negative_triggers:")[0] + "negative_triggers: []\n", encoding="utf-8")
    freed = score(load_workspace(folder), as_of=newest, dry_run=True).movements
    assert set(freed.loc[freed["previous_tier"] == "suppress", "cause"]) == {"policy"}
    assert "data" in set(freed["cause"])
    path.write_text(text.replace("fit: {moderate: 35", "fit: {moderate: 55", 1), encoding="utf-8")
    by_rule = score(load_workspace(folder), as_of=newest, dry_run=True)
    assert {"policy", "data"} <= set(by_rule.movements["cause"])
