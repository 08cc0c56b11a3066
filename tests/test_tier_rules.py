"""Segments, strategic verticals, owners' capacity, overrides, calendar and promotion window, in single cases."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from test_tiers import AS_OF, NO_STATE, TALL, account, later
from tierwise.clock import naive
from tierwise.config.policy import Calendar, OwnerCapacity, Policy, Segment, TierRow, TimeInTier, Vertical
from tierwise.errors import UsageError
from tierwise.tiers import decide, next_state
from tierwise.tiers.calendar import frozen, quarter_end

WEAK = TALL | {"signal_score": 5.0, "coverage": "none", "roles_reached": ""}


def one(state: pd.DataFrame = NO_STATE, policy: Policy | None = None, as_of: datetime = AS_OF, **facts: Any) -> Any:
    acts, owners = facts.pop("overrides", None), facts.pop("owners", None)
    late = facts.pop("hold_demotions", "")
    decided = decide(
        pd.DataFrame([account(**facts)]), state, policy or Policy(), as_of,
        overrides=acts, owners=owners, hold_demotions=late,
    )  # fmt: skip
    row = decided.iloc[0].copy()
    row["next"] = next_state(decided)
    return row


def override(tier: str, days: int = 30, made: int = -1, **over: Any) -> pd.DataFrame:
    said = {"account_id": "a", "tier": tier, "reason": "board asked", "author": "Jo Doe"} | over
    made_at = naive(AS_OF) + timedelta(days=made)
    return pd.DataFrame([said | {"made_at": made_at, "expires_at": made_at + timedelta(days=days)}])


# Segments and verticals


def test_a_segment_has_cuts_of_its_own_and_the_first_counts() -> None:
    policy = Policy(
        segments=(
            Segment(segment="giant", where={"employees": {"at_least": 5000}}, bands={"signal": {"high": 99}}),
            Segment(segment="big", where={"employees": {"at_least": 1000}}, bands={"signal": {"high": 96}}),
        )
    )
    assert one(policy=policy, **TALL, employees=10.0).tier == "tier_1"
    for employees, segment in ((1000.0, "big"), (9000.0, "giant")):
        got = one(policy=policy, **TALL, employees=employees)
        assert (got.tier, got.segment) == ("tier_2", segment)
        assert f"tier 1 needs {3 if segment == 'big' else 6} more points of signal" in got.why
    assert one(policy=policy, **TALL, employees=np.nan).segment == ""


def test_a_strategic_vertical_needs_fewer_points_and_rows_may_be_its_own() -> None:
    care = Vertical(vertical="care", where={"industry": ["health", "pharma"]}, lower={"signal": 10, "fit": 5})
    policy = Policy(verticals=(care,))
    near = TALL | {"signal_score": 81.0, "fit_score": 66.0}
    assert one(policy=policy, **near, industry="steel").tier == "tier_3"
    got = one(policy=policy, **near, industry="pharma")
    assert (got.tier, got.vertical) == ("tier_1", "care")
    own = TierRow(row="care_first", tier="tier_1", fit="moderate", verticals=("care",))
    policy = Policy(verticals=(care,), rows=(own, *Policy().rows))
    assert one(policy=policy, fit_score=40.0, industry="health").row == "care_first"
    assert one(policy=policy, fit_score=40.0, industry="steel").row == "no_match"
    assert one(policy=policy, fit_score=34.0, industry="health").row == "low_fit"


def test_rows_may_ask_for_value_and_an_unknown_value_does_not_reach() -> None:
    rows = (TierRow(row="rich", tier="tier_1", fit="moderate", least={"expected_value": 500.0, "revenue": 1e6}),)
    policy = Policy(rows=rows)
    assert one(policy=policy, expected_value=500.0, revenue=2e6).tier == "tier_1"
    for value, revenue in ((499.0, 2e6), (500.0, 9e5), (np.nan, 2e6), (900.0, np.nan)):
        assert one(policy=policy, expected_value=value, revenue=revenue).tier == "recycle"


SCORED = Policy(
    rows=(
        TierRow(row="focus", tier="tier_1", fit="high", signal="high", coverage="reached"),
        TierRow(row="both", tier="tier_2", fit="moderate", least={"account_score": 84.0}),
        TierRow(row="scaled", tier="tier_3", fit="moderate", signal="early"),
    ),
    surge=None,
    time_in_tier=TimeInTier(stay_margin=10, minimum_stay_days=0),
)
MIDDLE = {"fit_score": 50.0, "signal_score": 60.0, "coverage": "none"}


def test_a_row_may_ask_for_the_account_score_and_the_margin_to_stay_counts_for_it() -> None:
    below = one(policy=SCORED, **MIDDLE, account_score=83.9)
    assert (below.tier, below.row, below.lacks_score) == ("tier_3", "scaled", pytest.approx(0.1))
    assert "account score 83: fit 50 is moderate and signal 60 is early" in below.why
    assert below.why.endswith("; tier 2 needs 1 more point of account score.")
    entered = one(policy=SCORED, **MIDDLE, account_score=84.0)
    assert (entered.tier, entered.row) == ("tier_2", "both")
    stays = one(entered.next, SCORED, later(7), **MIDDLE, account_score=74.0)
    assert (stays.tier, stays.decided_by) == ("tier_2", "stay_margin")
    falls = one(entered.next, SCORED, later(7), **MIDDLE, account_score=73.9)
    assert (falls.tier, falls.movement) == ("tier_3", "down")
    assert falls.why.startswith("Tier 2 to tier 3 on ")
    assert one(policy=SCORED, **MIDDLE, account_score=np.nan).tier == "tier_3", "what is not known reaches nothing"
    assert one(policy=SCORED, **(MIDDLE | {"fit_score": 30.0}), account_score=99.0).tier == "recycle"


def test_an_account_score_that_is_not_there_or_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match=r"asks for a least account_score: these accounts have none\. Give the column"):
        one(policy=SCORED)
    row = TierRow(row="both", tier="tier_2", least={"account_score": 101.0})
    with pytest.raises(ValidationError, match="a score lies between 0 and 100, and 101 does not"):
        Policy(rows=(row,))


def test_an_attribute_that_is_not_there_is_refused_by_name() -> None:
    care = Vertical(vertical="care", where={"industry": ["health"]}, lower={"signal": 10})
    with pytest.raises(UsageError, match=r"the policy reads industry.*under features: fit: in model\.yaml"):
        one(policy=Policy(verticals=(care,)))


# Overrides


def test_an_override_stands_until_it_ends_and_its_end_acts_at_once() -> None:
    start = one(**WEAK)
    assert start.tier == "tier_3"
    acts = override("tier_1", days=20)
    lifted = one(start.next, as_of=later(7), **WEAK, overrides=acts)
    assert (lifted.tier, lifted.decided_by, lifted.cause, lifted.guardrails) == (
        "tier_1",
        "override",
        "override",
        "override",
    )
    assert lifted.why == "Tier 3 to tier 1 on 8 Mar 2026: set to tier 1 by Jo Doe until 20 Mar 2026: board asked."
    assert lifted.override_until == pd.Timestamp("2026-03-20")
    same = one(lifted.next, as_of=later(18), **WEAK, overrides=acts)
    assert (same.tier, same.movement) == ("tier_1", "")
    end = one(same.next, as_of=later(19), **WEAK, overrides=acts)
    assert (end.tier, end.cause) == ("tier_3", "override")
    assert end.why.startswith("Tier 1 to tier 3 on 20 Mar 2026: its override ended on 20 Mar 2026; fit 82 is high")
    gone = one(lifted.next, as_of=later(10), **WEAK)
    assert "its override was withdrawn before 11 Mar 2026" in gone.why


def test_an_override_lifts_no_misfit_and_no_suppression_and_lowers_at_once() -> None:
    acts = override("tier_1")
    misfit = one(fit_score=10.0, overrides=acts)
    assert (misfit.tier, misfit.decided_by, misfit.guardrails) == ("recycle", "low_fit", "minimum_fit")
    assert one(excluded_by="legal", overrides=acts).tier == "suppress"
    assert one(status="customer", overrides=acts).tier == "customer"
    stale = one(fit_score=80.0, days_since_signal=200.0, overrides=acts)
    assert (stale.row, stale.tier) == ("stale", "tier_1")
    start = one(**TALL)
    lowered = one(start.next, as_of=later(1), **TALL, overrides=override("recycle"))
    assert (lowered.tier, lowered.movement, lowered.cause) == ("recycle", "down", "override")
    late = one(start.next, as_of=later(1), **TALL, overrides=override("recycle"), hold_demotions="crm is late")
    assert late.tier == "recycle", "a person's act waits for no source"


def test_a_lowering_override_takes_nothing_with_it_and_ends_at_once() -> None:
    policy = Policy(time_in_tier=TimeInTier(minimum_stay_days=28, stay_margin=5, promotion_window_days=90))
    start = one(policy=policy, **TALL)
    low = one(start.next, policy, later(1), **TALL, overrides=override("recycle", days=10))
    assert (low.tier, low.held) == ("recycle", "tier_1")
    end = one(low.next, policy, later(9), **TALL, overrides=override("recycle", days=10))
    assert (end.tier, end.cause, pd.isna(end.moved_at)) == ("tier_1", "override", True)
    weak = one(low.next, policy, later(9), **WEAK)
    assert (weak.tier, weak.decided_by) == ("tier_1", "minimum_stay"), "its stay went on meanwhile"


def test_an_override_that_a_guardrail_stops_has_not_ended() -> None:
    acts = override("tier_1")
    lifted = one(one(**WEAK).next, as_of=later(1), **WEAK, overrides=acts)
    misfit = one(lifted.next, as_of=later(2), **(WEAK | {"fit_score": 10.0}), overrides=acts)
    assert (misfit.tier, misfit.cause) == ("recycle", "data")
    assert "override" not in misfit.why
    excluded = one(lifted.next, as_of=later(2), **WEAK, excluded_by="legal", overrides=acts)
    assert "override" not in excluded.why


def test_states_of_mixed_fractions_of_seconds_are_read() -> None:
    start = pd.concat([one(**TALL).next, one(**TALL).next.assign(account_id="b")], ignore_index=True)
    start["held_since"] = ["2026-03-01T00:00:00Z", "2026-03-01T01:30:00.000005Z"]
    two = pd.DataFrame([account(**TALL), account(**TALL)]).assign(account_id=["a", "b"])
    assert set(decide(two, start, Policy(), later(7))["tier"]) == {"tier_1"}


def test_an_override_made_after_the_date_does_not_count_and_the_newest_does() -> None:
    assert one(**WEAK, overrides=override("tier_1", made=0)).tier == "tier_3"
    two = pd.concat([override("tier_1", made=-2), override("tier_2", made=-1)])
    assert one(**WEAK, overrides=two).tier == "tier_2"
    with pytest.raises(UsageError, match="'suppress' stands as a tier of an override"):
        one(**WEAK, overrides=override("suppress"))
    with pytest.raises(UsageError, match="the overrides have no column reason"):
        one(**WEAK, overrides=override("tier_1").drop(columns="reason"))


def test_an_overridden_account_takes_capacity_first() -> None:
    two = pd.DataFrame([account(**TALL, propensity=0.9), account(**WEAK, propensity=0.1)]).assign(account_id=["b", "a"])
    policy = Policy(capacity={"tier_1": 1})
    decided = decide(two, NO_STATE, policy, AS_OF, overrides=override("tier_1")).set_index("account_id")
    assert decided["tier"].to_dict() == {"a": "tier_1", "b": "tier_2"}


# Owners' capacity


OWNERS = pd.DataFrame(
    {"owner_id": ["o", "p"], "territory": ["north", "north"], "team": ["", ""], "capacity_tier_1": [1.0, np.nan]}
).assign(capacity_tier_2=np.nan)


def three(owners: list[str]) -> pd.DataFrame:
    rows = [account(**TALL, propensity=p, owner_id=o) for p, o in zip((0.3, 0.9, 0.5), owners, strict=True)]
    return pd.DataFrame(rows).assign(account_id=["a", "b", "c"])


def test_a_full_owner_keeps_an_account_waiting_in_words() -> None:
    policy = Policy(owner_capacity=OwnerCapacity())
    decided = decide(three(["o", "o", "p"]), NO_STATE, policy, AS_OF, owners=OWNERS).set_index("account_id")
    assert decided["tier"].to_dict() == {"a": "tier_2", "b": "tier_1", "c": "tier_1"}
    assert decided.loc["a", "guardrails"] == "owner_full"
    assert decided.loc["a", "why"] == (
        "Entered tier 2 on 1 Mar 2026: qualifies for tier 1, waiting: owner full (room for 1); "
        "fit 82 is high and signal 93 is high."
    )


def test_an_owner_who_has_left_keeps_nobody_out() -> None:
    left = OWNERS.assign(active_from=pd.NaT, active_to=[pd.Timestamp("2026-02-01"), pd.NaT])
    decided = decide(three(["o", "o", "p"]), NO_STATE, Policy(owner_capacity=OwnerCapacity()), AS_OF, owners=left)
    assert set(decided["tier"]) == {"tier_1"}
    twice = pd.concat([OWNERS, OWNERS])
    with pytest.raises(UsageError, match="owner o stands twice among the owners"):
        decide(three(["o", "o", "p"]), NO_STATE, Policy(owner_capacity=OwnerCapacity()), AS_OF, owners=twice)


def test_a_territory_adds_its_active_owners_up_and_nobody_without_an_owner_is_kept_out() -> None:
    policy = Policy(owner_capacity=OwnerCapacity(by="territory", tier_1=1))
    decided = decide(three(["o", "o", "p"]), NO_STATE, policy, AS_OF, owners=OWNERS).set_index("account_id")
    assert decided["tier"].to_dict() == {"a": "tier_2", "b": "tier_1", "c": "tier_1"}
    left = OWNERS.assign(active_from=pd.NaT, active_to=[pd.NaT, pd.Timestamp("2026-02-01")])
    decided = decide(three(["o", "o", "p"]), NO_STATE, policy, AS_OF, owners=left).set_index("account_id")
    assert decided["tier"].to_dict() == {"a": "tier_2", "b": "tier_1", "c": "tier_2"}
    free = decide(three(["", "", "stranger"]), NO_STATE, policy, AS_OF, owners=OWNERS)
    assert set(free["tier"]) == {"tier_1"}


def test_an_owner_who_is_not_in_the_table_has_the_policys_number() -> None:
    policy = Policy(owner_capacity=OwnerCapacity(tier_1=1))
    decided = decide(three(["stranger", "stranger", "q"]), NO_STATE, policy, AS_OF, owners=OWNERS)
    assert decided["tier"].tolist() == ["tier_2", "tier_1", "tier_1"]
    assert "waiting: owner full (room for 1)" in decided["why"].iloc[0]
    free = decide(
        three(["stranger"] * 3), NO_STATE, Policy(owner_capacity=OwnerCapacity(tier_2=1)), AS_OF, owners=OWNERS
    )
    assert set(free["tier"]) == {"tier_1"}, "the policy says no number for it"


def test_owners_capacity_without_owners_is_refused() -> None:
    policy = Policy(owner_capacity=OwnerCapacity(tier_1=1))
    for owners in (None, OWNERS[:0]):
        with pytest.raises(
            UsageError, match=r"no owners were given\. Give the table owners, or take owner_capacity out"
        ):
            decide(three(["o", "o", "p"]), NO_STATE, policy, AS_OF, owners=owners)


# Calendar


def test_quarters_follow_the_fiscal_year() -> None:
    for start, day, end in (
        (1, date(2026, 1, 1), date(2026, 4, 1)),
        (1, date(2026, 12, 31), date(2027, 1, 1)),
        (2, date(2026, 1, 31), date(2026, 2, 1)),
        (2, date(2026, 2, 1), date(2026, 5, 1)),
        (12, date(2026, 11, 30), date(2026, 12, 1)),
    ):
        assert quarter_end(Calendar(fiscal_year_starts=start), day) == end
    fortnight = Calendar(freeze_days=14)
    assert [frozen(fortnight, date(2026, 3, d)) for d in (17, 18, 31)] == [False, True, True]
    assert not frozen(fortnight, date(2026, 4, 1))


def test_demotions_wait_in_a_freeze_and_suppression_and_minimum_fit_do_not() -> None:
    policy = Policy(calendar=Calendar(freeze_days=14), time_in_tier=TimeInTier(minimum_stay_days=0))
    start = one(policy=policy, **TALL)
    kept = one(start.next, policy, later(20), **WEAK)
    assert (kept.tier, kept.decided_by, kept.guardrails) == ("tier_1", "calendar", "calendar")
    assert kept.why == (
        "Stays in tier 1: no demotions before the quarter ends on 31 Mar 2026; by its scores it would be in tier 3."
    )
    assert one(kept.next, policy, later(31), **WEAK).tier == "tier_3"
    assert one(start.next, policy, later(20), **TALL, excluded_by="legal").tier == "suppress"
    assert one(start.next, policy, later(20), **(TALL | {"fit_score": 10.0})).tier == "recycle"


def test_a_run_demotes_where_a_day_for_it_has_come_since_the_last_one() -> None:
    calendar = Calendar(demotions_on=("monday",), holidays=(date(2026, 3, 9),))
    policy = Policy(calendar=calendar, time_in_tier=TimeInTier(minimum_stay_days=0))
    start = one(policy=policy, **TALL)  # Sunday 1 March; Mondays are 2, 9 (a holiday) and 16 March
    assert one(start.next, policy, later(1), **WEAK).tier == "tier_3"
    monday = one(start.next, policy, later(1), **TALL)
    kept = one(monday.next, policy, later(9), **WEAK)
    assert (kept.tier, kept.why[:60]) == ("tier_1", "Stays in tier 1: no day for demotions has come since its las")
    assert one(monday.next, policy, later(15), **WEAK).tier == "tier_3"


# Promotion window


def test_a_demotion_by_rows_opens_the_window_too_and_waking_from_staleness_does_not() -> None:
    policy = Policy(time_in_tier=TimeInTier(minimum_stay_days=0, stay_margin=0, promotion_window_days=30))
    down = one(one(policy=policy, **TALL).next, policy, later(7), **WEAK)
    assert (down.tier, down.moved_at) == ("tier_3", pd.Timestamp(naive(later(7))))
    assert one(down.next, policy, later(21), **TALL).decided_by == "promotion_window"
    assert one(down.next, policy, later(37), **TALL).tier == "tier_1"
    stale = one(one(policy=policy, **TALL).next, policy, later(7), **TALL | {"days_since_signal": 150.0})
    assert (stale.tier, pd.isna(stale.moved_at)) == ("recycle", True)
    assert one(stale.next, policy, later(14), **TALL).tier == "tier_1"


def test_room_that_was_full_and_a_fit_that_was_wrong_once_open_no_window() -> None:
    policy = Policy(time_in_tier=TimeInTier(minimum_stay_days=0, stay_margin=0, promotion_window_days=90))
    full = policy.model_copy(update={"capacity": {"tier_1": 0}})
    start = one(policy=policy, **TALL)
    displaced = one(start.next, full, later(7), **TALL)
    assert (displaced.tier, displaced.decided_by) == ("tier_2", "capacity")
    assert one(displaced.next, policy, later(14), **TALL).tier == "tier_1"
    risen = one(one(policy=policy, **WEAK).next, policy, later(7), **TALL)
    blip = one(risen.next, policy, later(14), **(TALL | {"fit_score": 10.0}))
    assert one(blip.next, policy, later(21), **TALL).tier == "tier_1"


def test_a_frozen_monday_is_no_day_for_demotions() -> None:
    calendar = Calendar(freeze_days=10, demotions_on=("monday",))
    policy = Policy(calendar=calendar, time_in_tier=TimeInTier(minimum_stay_days=0))
    start = one(policy=policy, as_of=later(21), **TALL)
    frozen_run = one(start.next, policy, later(26), **TALL)  # Friday 27 March
    assert one(frozen_run.next, policy, later(31), **WEAK).tier == "tier_1"  # 1 April: Monday 30 March was frozen
    assert one(frozen_run.next, policy, later(36), **WEAK).tier == "tier_3"  # Monday 6 April


def test_an_account_is_promoted_once_in_a_window() -> None:
    policy = Policy(time_in_tier=TimeInTier(minimum_stay_days=0, stay_margin=0, promotion_window_days=30))
    start = one(policy=policy, **WEAK)
    up = one(start.next, policy, later(7), **(TALL | {"signal_score": 80.0}))
    assert (up.tier, up.moved_at) == ("tier_2", pd.Timestamp(naive(later(7))))
    barred = one(up.next, policy, later(14), **TALL)
    assert (barred.tier, barred.decided_by, barred.guardrails) == ("tier_2", "promotion_window", "promotion_window")
    assert barred.why == (
        "Stays in tier 2: no promotion before 7 Apr 2026 (30 days after its last move); "
        "by its scores it would be in tier 1."
    )
    assert one(barred.next, policy, later(37), **TALL).tier == "tier_1"
    down = one(up.next, policy, later(14), **WEAK)
    assert one(down.next, policy, later(21), **TALL).tier == "tier_3", "down and up again is a second promotion"
    new = one(policy=policy, **TALL)
    assert (new.tier, pd.isna(new.moved_at)) == ("tier_1", True), "entering is no promotion"


def test_a_merge_is_a_cause_of_its_own() -> None:
    start = one(**WEAK)
    merged = one(start.next, as_of=later(7), **TALL, merged_at=pd.Timestamp("2026-03-05"))
    assert (merged.movement, merged.cause) == ("up", "merge")
    assert one(start.next, as_of=later(7), **TALL, merged_at=pd.Timestamp("2026-02-05")).cause == "data"
