"""Replay: its figures against a slow and obvious count, known cases, two policies side by side, and its words."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from past_dates import FIRST, FOCUS, GROWTH, JUMPING, RECYCLED, SCALED, dates, past, random_past
from tierwise.config.policy import STATUSES, TIERS, Policy, Stale, Surge, TimeInTier
from tierwise.errors import UsageError
from tierwise.governance import share
from tierwise.tiers import decide, next_state
from tierwise.tiers.cases import Cases
from tierwise.tiers.compared import compare
from tierwise.tiers.replay import Past, Replayed, replay

LOOSE = Policy(policy="loose", time_in_tier=TimeInTier(stay_margin=0, minimum_stay_days=0), surge=None)
BUSY = Policy(
    policy="busy",
    surge=Surge(ratio=1.5, least_activities=2, days=10, cool_down_days=20),
    stale=Stale(after_days=60, within_days=300),
    capacity={"tier_1": 2, "tier_2": 6},
)
HIGHER = {"stay_margin", "minimum_stay", "inputs_late"}


def decided(frames: list[Past], policy: Policy) -> list[tuple[Past, list[dict[str, Any]]]]:
    """Every date's decisions as rows, with the outcome and amount beside."""
    state, found = pd.DataFrame(), []
    for one in frames:
        made = decide(one.accounts, state, policy, one.as_of, model_version=one.model_version)
        state = next_state(made)
        amount = np.full(len(one.outcome), np.nan) if one.amount is None else one.amount
        known = (one.outcome, amount, one.accounts["propensity"])
        came = {
            a: dict(zip(("y", "amount", "propensity"), of, strict=True))
            for a, *of in zip(one.accounts["account_id"], *known, strict=True)
        }
        rows: list[dict[str, Any]] = made.to_dict("records")
        found.append((one, [r | came[r["account_id"]] for r in rows]))
    return found


def judged(row: dict[str, Any]) -> bool:
    return row["tier"] in TIERS and not math.isnan(row["y"])


def rate(rows: list[dict[str, Any]]) -> float:
    return sum(r["y"] for r in rows) / len(rows) if rows else math.nan


def slow_tiers(days: list[tuple[Past, list[dict[str, Any]]]]) -> dict[str, dict[str, float]]:
    every = [r for _, rows in days for r in rows if judged(r)]
    brought = sum(r["amount"] for r in every if r["amount"] == r["amount"])
    said = {}
    for tier in TIERS:
        mine = [r for r in every if r["tier"] == tier]
        known = [r["amount"] for r in mine if r["y"] == 1 and r["amount"] == r["amount"]]
        figure = share([r["y"] for r in mine], [r["account_id"] for r in mine])
        said[tier] = {
            "size": sum(r["tier"] == tier for _, rows in days for r in rows) / len(days),
            "n": len(mine),
            "accounts": len({r["account_id"] for r in mine}),
            "outcomes": sum(r["y"] for r in mine),
            "precision": figure.value,
            "low": figure.low if mine else math.nan,
            "high": figure.high if mine else math.nan,
            "base": rate(every),
            "pipeline": sum(r["y"] for r in mine) / sum(r["y"] for r in every)
            if sum(r["y"] for r in every)
            else np.nan,
            "amounts": len(known),
            "value": sum(known) / brought if brought else math.nan,
        }
    return said


def slow_moves(days: list[tuple[Past, list[dict[str, Any]]]]) -> tuple[dict[Any, int], dict[str, tuple[int, int, int]]]:
    """Movements by month, kind and cause; and by month accounts, those that moved, and those that came back."""
    counts: dict[Any, int] = defaultdict(int)
    left: dict[str, dict[str, Any]] = defaultdict(dict)
    seen, moved, back = (defaultdict(set) for _ in range(3))
    for one, rows in days:
        month = f"{one.as_of:%Y-%m}"
        for r in rows:
            account, was, now = r["account_id"], r["previous_tier"], r["tier"]
            seen[month] |= {account} if now in TIERS and was else set()
            if not r["movement"] or not was:
                continue
            counts[month, r["movement"], r["cause"]] += 1
            seen[month].add(account)
            moved[month].add(account)
            if now in left[account] and one.as_of - left[account][now] <= timedelta(days=60):
                back[month].add(account)
            left[account][was] = one.as_of
            if was in STATUSES or now in STATUSES:
                left[account] = {}
    return dict(counts), {m: (len(seen[m]), len(moved[m]), len(back[m])) for m in seen}


def top_and_ranked(rows: list[dict[str, Any]]) -> tuple[float, float]:
    """What the judged accounts of the top two tiers had, and as many of the minimum fit with the highest propensity."""
    mine = [r for r in rows if judged(r) and r["tier"] in ("tier_1", "tier_2")]
    fitting = [r for r in rows if judged(r) and r["row"] != "low_fit" and r["tier"] != "suppress"]
    best = sorted(fitting, key=lambda r: (-r["propensity"], r["account_id"]))[: len(mine)]
    return sum(r["y"] for r in mine), sum(r["y"] for r in best)


def beside(rows: list[dict[str, Any]], mine: Any, rest: Any) -> tuple[int, float]:
    """Of a date's judged rows of a kind, how many have others in their tier, and their expected outcomes by those."""
    n, expected = 0, 0.0
    for r in rows:
        others = [o for o in rows if judged(o) and rest(o) and o["tier"] == r["tier"]]
        if judged(r) and mine(r) and others:
            n, expected = n + 1, expected + rate(others)
    return n, expected


def close(found: float, wanted: float) -> bool:
    return (math.isnan(found) and math.isnan(wanted)) or math.isclose(found, wanted, abs_tol=1e-9)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), policy=st.sampled_from([Policy(), LOOSE, BUSY]))
def test_every_figure_is_what_a_slow_count_gives(seed: int, policy: Policy) -> None:
    frames = random_past(seed)
    figures, days = replay(frames, policy).figures, decided(frames, policy)
    held = list(zip(figures.dates["top"], figures.dates["ranked"], strict=True))
    assert held == [top_and_ranked(rows) for _, rows in days]
    months = sorted({f"{one.as_of:%Y-%m}" for one in frames})
    assert list(dict.fromkeys(figures.by_tier["month"])) == months
    for month in [*months, ""]:
        part = [day for day in days if month in ("", f"{day[0].as_of:%Y-%m}")]
        table = figures.overall if not month else figures.by_tier[figures.by_tier["month"] == month]
        for tier, wanted in slow_tiers(part).items():
            line = table.set_index("tier").loc[tier]
            assert {k: close(line[k], v) for k, v in wanted.items()} == dict.fromkeys(wanted, True), (month, tier)
    counts, stability = slow_moves(days)
    said = figures.movements.set_index(["month", "movement", "cause"])["n"].to_dict()
    assert said == counts
    kept = ["accounts", "moved", "came_back"]
    assert {r["month"]: tuple(r[k] for k in kept) for r in figures.stability.to_dict("records")} == stability
    for guardrail, line in figures.guardrails.set_index("guardrail").iterrows():

        def holds(r: dict[str, Any], guardrail: Any = guardrail) -> bool:
            return guardrail in r["guardrails"].split(";")

        held = [r for _, rows in days for r in rows if judged(r) and holds(r)]
        assert (line["n"], line["outcomes"]) == (len(held), sum(r["y"] for r in held))
        assert line["without"] == len(held) - line["outcomes"]
        assert line["holds"] == ("higher" if guardrail in HIGHER else "lower")
        pairs = [beside(rows, holds, lambda r: not holds(r)) for _, rows in days]
        n, expected = sum(p[0] for p in pairs), sum(p[1] for p in pairs)
        assert close(line["others"], expected / n if n else math.nan)
    for tier, line in figures.surges.set_index("tier").iterrows():

        def began(r: dict[str, Any], tier: Any = tier) -> bool:
            return bool(r["surge_began"]) and r["tier"] == tier

        mine = [r for _, rows in days for r in rows if began(r)]
        paid = [r for r in mine if judged(r)]
        assert (line["began"], line["n"], line["paid"]) == (len(mine), len(paid), sum(r["y"] for r in paid))
        pairs = [beside(rows, began, lambda r: pd.isna(r["surge_until"])) for _, rows in days]
        n, expected = sum(p[0] for p in pairs), sum(p[1] for p in pairs)
        assert close(line["others"], expected / n if n else math.nan)


def test_the_random_dates_hold_every_case_that_is_counted() -> None:
    many = [replay(random_past(seed), policy).figures for seed in range(4) for policy in (Policy(), LOOSE, BUSY)]
    assert sum(f.surges["paid"].sum() for f in many) > 0
    assert sum(f.stability["came_back"].sum() for f in many) > 0
    held = {g for f in many for g in f.guardrails["guardrail"]}
    assert held >= {"excluded", "minimum_fit", "stale", "stay_margin", "minimum_stay", "capacity", "surge_cool_down"}


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_rows_in_any_order_give_the_same(seed: int) -> None:
    frames, other = random_past(seed), []
    for one in frames:
        order = np.random.default_rng(seed).permutation(len(one.outcome))
        assert one.amount is not None
        frame = one.accounts.iloc[order].reset_index(drop=True)
        other.append(Past(one.as_of, frame, one.outcome[order], one.amount[order], one.model_version))
    first, second = replay(frames, BUSY), replay(iter(other), BUSY)
    for name in ("by_tier", "overall", "movements", "stability", "surges", "guardrails", "dates"):
        pd.testing.assert_frame_equal(getattr(first.figures, name), getattr(second.figures, name))
    pd.testing.assert_frame_equal(first.state, second.state)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_an_open_horizon_is_no_label(seed: int) -> None:
    """Law 2: what an open date comes to later is counted nowhere; size and movement are."""
    frames = random_past(seed)
    figures = replay(frames, BUSY).figures
    mature = replay(frames[:6], BUSY).figures
    assert (figures.dates["judged"].tail(2) == 0).all()
    assert len(figures.dates) == len(frames)
    counted = ["tier", "n", "accounts", "outcomes", "precision", "low", "high", "base", "pipeline", "amount", "value"]
    pd.testing.assert_frame_equal(figures.overall[counted], mature.overall[counted])
    pd.testing.assert_frame_equal(figures.surges.drop(columns="began"), mature.surges.drop(columns="began"))
    assert figures.overall["dates"].eq(8).all()
    assert figures.overall["size"].sum() == pytest.approx(figures.dates["in_tiers"].mean())


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_outcomes_decide_nothing(seed: int) -> None:
    """Whatever came of the accounts, they stood and moved as they did."""
    frames = random_past(seed)
    scrambled = [Past(one.as_of, one.accounts, 1 - one.outcome, one.amount, one.model_version) for one in frames]
    first, second = replay(frames, BUSY), replay(scrambled, BUSY)
    pd.testing.assert_frame_equal(first.state, second.state)
    pd.testing.assert_frame_equal(first.figures.movements, second.figures.movements)
    assert first.figures.overall["size"].tolist() == second.figures.overall["size"].tolist()


def moving(*stands: dict[str, Any], days: int = 20, policy: Policy = LOOSE) -> Replayed:
    """One account on dates so many days apart, beside one that never moves."""
    at = dates(len(stands), days)
    return replay([past(a, {"a": s, "still": RECYCLED}, {}) for a, s in zip(at, stands, strict=True)], policy)


@pytest.mark.parametrize(
    ("stands", "days", "came_back"),
    [
        ([SCALED, RECYCLED, SCALED], 20, 1),
        ([SCALED, RECYCLED, RECYCLED, SCALED], 30, 1),
        ([SCALED, RECYCLED, RECYCLED, SCALED], 31, 0),
        ([SCALED, RECYCLED, GROWTH], 20, 0),
        ([SCALED, {"status": "customer"}, SCALED], 20, 0),
        ([SCALED, {"excluded_by": "legal"}, SCALED], 20, 1),
        ([SCALED, RECYCLED, SCALED, RECYCLED], 20, 2),
    ],
    ids=["back", "after 60 days", "after 62", "to another", "over a status", "over suppression", "and off again"],
)
def test_ping_pong_is_a_return_to_a_tier_left_within_60_days(
    stands: list[dict[str, Any]], days: int, came_back: int
) -> None:
    figures = moving(*stands, days=days).figures
    assert int(figures.stable["came_back"].iloc[0]) == came_back


def test_a_surge_pays_where_the_outcome_comes_and_stands_beside_its_tier() -> None:
    rows = {"a": GROWTH | JUMPING | {"coverage": "reached"}, "b": GROWTH | JUMPING, "c": FOCUS, "d": FOCUS, "e": SCALED}
    figures = replay([past(FIRST, rows, {"a": 1.0, "c": 1.0})], Policy()).figures
    line = figures.surges.set_index("tier").loc["tier_1"]
    assert (line["began"], line["n"], line["paid"], line["rate"], line["others"]) == (1, 1, 1, 1.0, 0.5)
    young = replay([Past(FIRST, past(FIRST, rows, {}).accounts, np.full(5, np.nan))], Policy()).figures
    line = young.surges.set_index("tier").loc["tier_1"]
    assert (line["began"], line["n"], line["paid"]) == (1, 0, 0)


def test_a_guardrail_costs_what_it_held_lower_and_saves_the_rest() -> None:
    rows: dict[str, dict[str, Any]] = {f"f{k}": FOCUS | {"propensity": 0.9 - k / 10} for k in range(4)}
    rows["x"] = FOCUS | {"excluded_by": "legal"}
    policy = Policy(capacity={"tier_1": 1})
    figures = replay([past(FIRST, rows, {"f0": 1.0, "f2": 1.0, "x": 1.0})], policy).figures
    line = figures.guardrails.set_index("guardrail").loc["capacity"]
    assert (line["holds"], line["n"], line["outcomes"], line["without"]) == ("lower", 3, 1, 2)
    assert line["base"] == pytest.approx(3 / 5)
    legal = figures.guardrails.set_index("guardrail").loc["excluded"]
    assert (legal["holds"], legal["outcomes"], legal["without"]) == ("lower", 1, 0)
    at = dates(2, 10)
    kept = replay([past(at[0], {"a": FOCUS}, {}), past(at[1], {"a": SCALED}, {"a": 1.0})], Policy()).figures
    line = kept.guardrails.set_index("guardrail").loc["minimum_stay"]
    assert (line["holds"], line["rows"], line["outcomes"], line["without"]) == ("higher", 1, 1, 0)


def test_value_is_the_share_of_known_amounts() -> None:
    rows = {"a": FOCUS, "b": GROWTH, "c": SCALED, "d": SCALED}
    came = {"a": 1.0, "b": 1.0, "c": 1.0}
    figures = replay([past(FIRST, rows, came, {"a": 300.0, "c": 100.0})], Policy()).figures
    line = figures.overall.set_index("tier")
    assert line["value"].to_dict() == {"tier_1": 0.75, "tier_2": 0.0, "tier_3": 0.25, "recycle": 0.0, "suppress": 0.0}
    assert line["pipeline"].loc[["tier_1", "tier_2", "tier_3"]].tolist() == pytest.approx([1 / 3] * 3)
    assert line["amounts"].tolist() == [1, 0, 1, 0, 0]
    unknown = replay([past(FIRST, rows, came)], Policy()).figures.overall
    assert unknown["value"].isna().all()
    assert unknown["amount"].isna().all()


def test_outcomes_of_accounts_without_a_tier_are_told_apart() -> None:
    figures = replay([past(FIRST, {"a": FOCUS, "b": {"status": "customer"}}, {"a": 1.0, "b": 1.0})], Policy()).figures
    line = figures.dates.iloc[0]
    assert (line["accounts"], line["in_tiers"], line["outcomes"], line["elsewhere"]) == (2, 1, 1, 1)
    assert figures.overall.set_index("tier").loc["tier_1", "pipeline"] == 1.0


def test_a_replay_goes_on_from_a_state() -> None:
    frames = random_past(5)
    half = replay(frames[:4], BUSY)
    whole, rest = replay(frames, BUSY), replay(frames[4:], BUSY, half.state)
    pd.testing.assert_frame_equal(rest.state, whole.state)
    late = whole.figures.movements
    moves = [f.figures.movements.groupby(["month", "movement", "cause"])["n"].sum() for f in (half, rest)]
    assert moves[0].add(moves[1], fill_value=0).sum() == late["n"].sum()


@pytest.mark.parametrize("seed", range(3))
def test_dates_before_those_counted_are_known_of_and_add_to_no_figure(seed: int) -> None:
    frames = random_past(seed, accounts=200, n=14, open_from=13)
    months = [f"{one.as_of:%Y-%m}" for one in frames]
    begin = months.index("2025-04")
    full, late = (replay(frames, LOOSE, counted_from=at) for at in (None, frames[begin].as_of))
    pd.testing.assert_frame_equal(late.state, full.state)
    for table in ("by_tier", "movements", "stability"):
        of = getattr(full.figures, table)
        expected = of[of["month"] >= "2025-04"].reset_index(drop=True)
        pd.testing.assert_frame_equal(getattr(late.figures, table), expected)
    expected = full.figures.dates.iloc[begin:].reset_index(drop=True)
    pd.testing.assert_frame_equal(late.figures.dates, expected)
    alone = replay(frames[begin:], LOOSE, replay(frames[:begin], LOOSE).state).figures
    back = late.figures.stable["came_back"].iloc[0]
    assert back > alone.stable["came_back"].iloc[0], "who comes back to a tier left before is back too"
    for table in ("overall", "surges", "guardrails"):
        pd.testing.assert_frame_equal(getattr(late.figures, table), getattr(alone, table))
    counts = ("accounts", "moved", "came_back")
    of = late.figures.stability[list(counts)].sum()
    assert tuple(late.figures.stable[list(counts)].iloc[0]) == tuple(of)
    with pytest.raises(UsageError, match=r"dates from 2030-01-01 on were to be counted: there is none\. Give"):
        replay(frames, LOOSE, counted_from=datetime(2030, 1, 1, tzinfo=UTC))


def test_the_difference_of_two_policies_is_paired_by_account() -> None:
    frames = random_past(11, accounts=60)
    both = {"now": replay(iter(frames), BUSY), "then": replay(iter(frames), LOOSE)}
    paired = compare(both["now"], both["then"]).paired.set_index(["figure", "tier"])
    for tier in ("tier_2", "tier_3", "recycle"):
        first, second = (both[k].figures.overall.set_index("tier").loc[tier] for k in ("now", "then"))
        line = paired.loc[("precision", tier)]
        assert line["difference"] == pytest.approx(second["precision"] - first["precision"])
        assert line["low"] < line["difference"] < line["high"]
        assert paired.loc[("pipeline", tier), "second"] == pytest.approx(second["pipeline"])
    same = compare(both["now"], replay(frames, BUSY)).paired
    assert same["difference"].dropna().eq(0).all()
    assert same["low"].dropna().eq(0).all()


def test_the_paired_error_is_that_of_resampled_accounts() -> None:
    """Against the bootstrap over accounts, of two policies whose tiers overlap."""
    r = np.random.default_rng(3)
    n = 400
    rows = [r.integers(0, 6, n), r.integers(0, 6, n)]
    rows[1] = np.where(r.random(n) < 0.7, rows[0], rows[1])
    chance = r.beta(1, 4, n)
    first, second = (Cases(k.astype(np.uint16), np.array(r.binomial(k, chance), dtype=np.uint16)) for k in rows)
    gap, low, high = second.less(first)
    draws = []
    for _ in range(2000):
        kept = r.integers(0, n, n)
        draws.append(
            second.outcomes[kept].sum() / second.rows[kept].sum() - first.outcomes[kept].sum() / first.rows[kept].sum()
        )
    assert (high - low) / 2 / 1.96 == pytest.approx(np.std(draws), rel=0.08)
    assert gap == pytest.approx(np.mean(draws), abs=0.01)


def test_what_cannot_be_replayed_is_refused_in_words() -> None:
    one = past(FIRST, {"a": FOCUS}, {})
    with pytest.raises(UsageError, match=r"a replay was asked for: there is no past date\. Give one date or more\."):
        replay([], Policy())
    with pytest.raises(UsageError, match=r"a replay of 2025-01-06 was asked for after 2025-01-06\. Give the dates old"):
        replay([one, one], Policy())
    with pytest.raises(UsageError, match=r"the outcome of 2 rows stands beside 1 accounts\. Give one for each account"):
        Past(FIRST, one.accounts, np.zeros(2))
    other = replay([past(FIRST, {"b": FOCUS}, {})], LOOSE)
    with pytest.raises(UsageError, match=r"were to be compared: they are of other dates or accounts\. Replay both"):
        compare(replay([one], Policy()), other)
