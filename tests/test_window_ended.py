"""A rise that only waited for the end of its promotion window is one by ageing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from test_tier_rules import WEAK
from test_tiers import NO_STATE, TALL, account, later, one
from tierwise.config.policy import Policy, TierRow, TimeInTier
from tierwise.tiers import decide, next_state

WINDOW = 30
GROWTH = TALL | {"signal_score": 80.0}


def policy(window: int = WINDOW, **more: Any) -> Policy:
    time = TimeInTier(minimum_stay_days=0, stay_margin=0, promotion_window_days=window)
    return Policy(time_in_tier=time, surge=None, **more)


def barred() -> Any:
    """An account that rose to tier_2 on day 7 and has earned tier_1 from day 14 on."""
    up = one(one(policy=policy(), **WEAK).next, policy(), as_of=later(7), **GROWTH)
    held = one(up.next, policy(), as_of=later(14), **TALL)
    assert (up.tier, held.tier, held.guardrails) == ("tier_2", "tier_2", "promotion_window")
    return held


def test_the_end_of_a_promotion_window_is_ageing_unless_the_policy_changed() -> None:
    then = barred().next
    for day, rises in ((36, False), (37, True), (90, True)):
        got = one(then, policy(), as_of=later(day), **TALL)
        assert (got.tier, got.movement, got.cause) == (("tier_1", "up", "ageing") if rises else ("tier_2", "", "")), day
    assert one(then, policy(), as_of=later(37), **TALL, model_version="m2").cause == "ageing"
    assert one(then, policy(policy="v2"), as_of=later(37), **TALL).cause == "policy"
    assert one(then, policy(window=20), as_of=later(30), **TALL).cause == "policy", "the window itself was changed"


def test_a_rise_by_another_row_or_of_an_account_that_was_not_barred_is_data() -> None:
    rows = (TierRow(row="loudest", tier="tier_1", fit="high", signal="high", coverage="reached"), *Policy().rows[1:])
    more = policy(rows=(*rows[:1], TierRow(row="heard", tier="tier_1", fit="high", signal="high"), *rows[1:]))
    up = one(one(policy=more, **WEAK).next, more, as_of=later(7), **GROWTH)
    held = one(up.next, more, as_of=later(14), **(TALL | {"coverage": "partial", "roles_reached": "champion"}))
    assert (held.tier, held.row) == ("tier_2", "heard")
    got = one(held.next, more, as_of=later(37), **TALL)
    assert (got.tier, got.row, got.cause) == ("tier_1", "loudest", "data")
    quiet = one(up.next, more, as_of=later(14), **GROWTH)
    assert one(quiet.next, more, as_of=later(37), **TALL).cause == "data", "it had earned no more while it was barred"


def test_on_any_three_dates_it_is_ageing_where_without_a_window_it_had_stood_there_before() -> None:
    """By counterfactuals: the same account on the date before, without a window; and today, were the window longer."""
    rng = np.random.default_rng(5)
    n = 4000
    first, second = _scores(rng, n), _scores(rng, n)
    third = second.where(pd.Series(rng.random(n) < 0.5), _scores(rng, n))
    days = (7, 21, 21 + int(WINDOW - 21 + 7))
    state, free = NO_STATE, policy(window=0)
    for frame, day in ((_scores(rng, n), 0), (first, days[0])):
        state = next_state(decide(frame, state, policy(), later(day), model_version="m1"))
    then = decide(second, state, policy(), later(days[1]), model_version="m1")
    had_earned = decide(second, state, free, later(days[1]), model_version="m1")
    now = decide(third, next_state(then), policy(), later(days[2]), model_version="m1")
    longer = decide(third, next_state(then), policy(window=300), later(days[2]), model_version="m1")
    waited = (now["movement"] == "up") & (longer["movement"] != "up")
    ended = waited & (had_earned["tier"] == now["tier"]) & (then["tier"] != now["tier"]) & (then["row"] == now["row"])
    rises = now[now["movement"] == "up"]
    assert 20 < ended.sum() < len(rises)
    assert (rises["cause"] == "ageing").tolist() == ended[rises.index].tolist()
    assert set(rises["cause"]) == {"ageing", "data"}


def _scores(rng: np.random.Generator, n: int) -> pd.DataFrame:
    base = pd.DataFrame([account(**TALL, account_id=f"a{i:05d}") for i in range(n)])
    return base.assign(
        fit_score=rng.choice([50.0, 82.0], n),
        signal_score=rng.choice([40.0, 60.0, 80.0, 95.0], n),
        coverage=rng.choice(["none", "reached"], n),
        days_since_signal=rng.integers(0, 30, n).astype(float),
    )
