"""Tiers: `decide` against a slow and obvious reference, its movements and causes, its words and its errors."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tierwise.clock import instant, naive
from tierwise.config.policy import (
    COVERAGE_BANDS,
    FIT_BANDS,
    SIGNAL_BANDS,
    WEEKDAYS,
    Calendar,
    FitCuts,
    OwnerCapacity,
    Policy,
    Segment,
    SignalCuts,
    Stale,
    Surge,
    TierRow,
    TimeInTier,
    Vertical,
    Within,
)
from tierwise.errors import UsageError
from tierwise.tiers import STATE_COLUMNS, decide, movements, next_state
from tierwise.tiers.words import safe_text

AS_OF = instant("2026-03-01")
LEVEL = {"tier_1": 3, "tier_2": 2, "tier_3": 1, "recycle": 0, "suppress": -1}
TIER = {v: k for k, v in LEVEL.items()}
NO_STATE = pd.DataFrame()
TALL = {"fit_score": 82.0, "signal_score": 93.0, "coverage": "reached", "roles_reached": "champion;exec_buyer"}
QUIET_WEEK = {"signals_7d": 0.0, "signals_prior_weekly": 1.0, "contacts_7d": 0.0, "channels_7d": 0.0}
JUMP = {"signals_7d": 9.0, "signals_prior_weekly": 1.0, "contacts_7d": 3.0, "channels_7d": 1.0}


def account(**facts: Any) -> dict[str, Any]:
    return {
        "account_id": "a",
        "status": "eligible",
        "fit_score": 50.0,
        "signal_score": 10.0,
        "propensity": 0.1,
        "days_since_signal": 5.0,
        **QUIET_WEEK,
        "coverage": "none",
        "roles_reached": "",
        "excluded_by": None,
        "negative_trigger": None,
        **facts,
    }


def one(state: pd.DataFrame = NO_STATE, policy: Policy | None = None, as_of: datetime = AS_OF, **facts: Any) -> Any:
    """The decision on one account, and in `.next` the state it leaves."""
    said = {"model_version": facts.pop("model_version", "m1"), "hold_demotions": facts.pop("hold_demotions", "")}
    decided = decide(pd.DataFrame([account(**facts)]), state, policy or Policy(), as_of, **said)
    row = decided.iloc[0].copy()
    row["next"] = next_state(decided)
    return row


def later(days: int) -> datetime:
    return AS_OF + timedelta(days=days)


# The oracle: one account at a time, in the words of the design.


def band(score: float, cuts: list[float]) -> int:
    return sum(score >= cut for cut in cuts)


def meets(a: dict[str, Any], where: dict[str, Any]) -> bool:
    for name, wanted in where.items():
        value = a[name]
        if isinstance(wanted, Within):
            if pd.isna(value):
                return False
            if wanted.at_least is not None and value < wanted.at_least:
                return False
            if wanted.below is not None and value >= wanted.below:
                return False
        elif value not in wanted:
            return False
    return True


def vertical_of(a: dict[str, Any], p: Policy) -> Any:
    return next((v for v in p.verticals if meets(a, v.where)), None)


def reference_cuts(a: dict[str, Any], p: Policy) -> tuple[list[float], list[float]]:
    bands = next((p.bands_of(g) for g in p.segments if meets(a, g.where)), p.bands)
    lower = vertical_of(a, p).lower if vertical_of(a, p) else None
    fit, signal = (lower.fit, lower.signal) if lower else (0.0, 0.0)
    cuts = bands.signal
    return (
        [bands.fit.moderate - fit, bands.fit.high - fit],
        [cuts.early - signal, cuts.moderate - signal, cuts.high - signal],
    )


def reference_fit(a: dict[str, Any], p: Policy) -> int:
    return band(a["fit_score"], reference_cuts(a, p)[0])


def may_name(a: dict[str, Any], p: Policy, r: TierRow) -> bool:
    mine = vertical_of(a, p)
    asked = not r.verticals or (mine is not None and mine.vertical in r.verticals)
    return asked and all(a[name] >= least for name, least in r.least.items() if name != "account_score")


def reference_row(a: dict[str, Any], p: Policy, margin: float = 0.0) -> tuple[str, int]:
    fit_cuts, signal_cuts = reference_cuts(a, p)
    fit = band(a["fit_score"], [c - margin for c in fit_cuts])
    signal = band(a["signal_score"], [c - margin for c in signal_cuts])
    for r in p.rows:
        if (
            may_name(a, p, r)
            and a["account_score"] >= r.least.get("account_score", 0) - margin
            and fit >= FIT_BANDS.index(r.fit)
            and signal >= SIGNAL_BANDS.index(r.signal)
            and COVERAGE_BANDS.index(a["coverage"]) >= COVERAGE_BANDS.index(r.coverage)
        ):
            return r.row, LEVEL[r.tier]
    return "no_match", 0


def may_lift(a: dict[str, Any], p: Policy, level: int) -> bool:
    if level >= 3:
        return False
    if level < 2:
        return any(LEVEL[r.tier] == level + 1 for r in p.rows)
    fit = reference_fit(a, p)
    return any(
        may_name(a, p, r)
        and fit >= FIT_BANDS.index(r.fit)
        and COVERAGE_BANDS.index(a["coverage"]) >= COVERAGE_BANDS.index(r.coverage)
        for r in p.rows
        if r.tier == "tier_1"
    )


def quarter_of(c: Calendar, now: datetime) -> int:
    """How many days are left of a day's fiscal quarter."""
    months = range(c.fiscal_year_starts - 12, c.fiscal_year_starts + 25, 3)
    starts = [datetime(now.year + (m - 1) // 12, (m - 1) % 12 + 1, 1) for m in months]
    return (min(day for day in starts if day > now) - now).days


def demotions_wait(p: Policy, last: datetime, now: datetime) -> bool:
    c = p.calendar
    if c is None:
        return False
    if quarter_of(c, now) <= c.freeze_days:
        return True
    days = [last + timedelta(days=i) for i in range(1, (now - last).days + 1)]
    allowed = [d for d in days if not c.demotions_on or WEEKDAYS[d.weekday()] in c.demotions_on]
    return all(d.date() in c.holidays or quarter_of(c, d) <= c.freeze_days for d in allowed)


def reference_one(
    a: dict[str, Any], s: dict[str, Any] | None, p: Policy, now: datetime, act: dict[str, Any] | None
) -> dict[str, Any]:
    """Everything before capacity."""
    until = s["surge_until"] if s and not pd.isna(s["surge_until"]) else None
    ended = s["surge_ended"] if s and not pd.isna(s["surge_ended"]) else None
    if until is not None and (until <= now or p.surge is None):
        ended, until = min(until, now), None
    out = {"surge_until": until, "surge_ended": ended, "stay": 0, "began": False}
    if pd.notna(a["excluded_by"]) or pd.notna(a["negative_trigger"]):
        name = "excluded" if pd.notna(a["excluded_by"]) else "negative_trigger"
        return out | {"row": name, "by": name, "unlifted": -1, "level": -1}
    if a["status"] != "eligible":
        return out | {"row": "status", "by": "status", "unlifted": None, "level": None}
    if reference_fit(a, p) < FIT_BANDS.index(p.minimum_fit):
        return out | {"row": "low_fit", "by": "low_fit", "unlifted": 0, "level": 0}
    set_to = None if act is None else LEVEL[act["tier"]]
    if p.stale and p.stale.after_days < a["days_since_signal"] <= p.stale.within_days:
        if set_to is not None:
            return out | {"row": "stale", "by": "override", "unlifted": 0, "level": set_to, "stay": set_to}
        return out | {"row": "stale", "by": "stale", "unlifted": 0, "level": 0}
    row, level = reference_row(a, p)
    by = row
    held = LEVEL.get(s["held"], 0) if s else 0
    if held > 0:
        kept = min(held, reference_row(a, p, p.time_in_tier.stay_margin)[1])
        if kept > level:
            level, by = kept, "stay_margin"
        inside = now < s["held_since"] + timedelta(days=p.time_in_tier.minimum_stay_days)  # type: ignore[index]
        if inside or demotions_wait(p, s["as_of"], now):  # type: ignore[index]
            out["stay"] = held
            if held > level:
                level, by = held, "minimum_stay" if inside else "calendar"
    window = timedelta(days=p.time_in_tier.promotion_window_days)
    was = LEVEL.get(s["by_rows"], -9) if s else -9
    settled = s is not None and LEVEL.get(s["held"], -9) >= 0 and s["row"] not in ("low_fit", "stale")
    if s and settled and was < level and pd.notna(s["moved_at"]) and s["moved_at"] + window > now:
        level, by = max(was, 0), "promotion_window"
    out["unlifted"] = level
    if set_to is not None:
        return out | {"row": row, "by": "override", "level": set_to, "stay": max(out["stay"], set_to)}
    if p.surge and may_lift(a, p, level):
        new = (
            until is None
            and a["signals_7d"] >= p.surge.least_activities
            and a["signals_7d"] >= p.surge.ratio * a["signals_prior_weekly"]
            and (a["contacts_7d"] >= p.surge.least_contacts or a["channels_7d"] >= p.surge.least_channels)
            and (ended is None or now >= ended + timedelta(days=p.surge.cool_down_days))
        )
        if new or until is not None:
            level, by, out["began"] = level + 1, "surge", new
    return out | {"row": row, "by": by, "level": level}


def room_of(p: Policy, owners: pd.DataFrame, owner: str, tier: str) -> tuple[str, float]:
    """The owner, territory or team that an account counts in, and what that can work."""
    rule = p.owner_capacity
    by = {"owner": "owner_id"}.get(rule.by, rule.by)  # type: ignore[union-attr]
    mine, otherwise = owners[owners["owner_id"] == owner], getattr(rule, tier)
    if owner and mine.empty and by == "owner_id":
        return owner, math.inf if otherwise is None else otherwise
    if mine.empty or not mine[by].iloc[0]:
        return "", math.inf
    total = 0.0
    for said in owners.loc[owners[by] == mine[by].iloc[0], f"capacity_{tier}"]:
        total += said if pd.notna(said) else math.inf if otherwise is None else otherwise
    return mine[by].iloc[0], total


def reference(
    accounts: pd.DataFrame,
    state: pd.DataFrame,
    p: Policy,
    as_of: datetime,
    acts: pd.DataFrame | None = None,
    owners: pd.DataFrame | None = None,
) -> pd.DataFrame:
    now = naive(as_of)
    live: dict[str, dict[str, Any]] = {}
    for act in [] if acts is None else acts.sort_values("made_at").to_dict("records"):
        if act["made_at"] < now < act["expires_at"]:
            live[act["account_id"]] = act
    prior = {s["account_id"]: s for s in state.to_dict("records")}
    rows = []
    for a in sorted(accounts.to_dict("records"), key=lambda a: a["account_id"]):
        rows.append(a | reference_one(a, prior.get(a["account_id"]), p, now, live.get(a["account_id"])))
        rows[-1]["earned"] = rows[-1]["level"]
    for tier in ("tier_1", "tier_2"):
        if p.owner_capacity is not None:
            taken: dict[str, int] = {}
            here = [r for r in rows if r["level"] == LEVEL[tier]]
            for r in sorted(here, key=lambda r: (r["stay"] < LEVEL[tier], -r["propensity"], r["account_id"])):
                group, room = room_of(p, owners, r["owner_id"], tier)  # type: ignore[arg-type]
                if group and r["stay"] < LEVEL[tier] and taken.get(group, 0) >= room:
                    r["level"], r["by"] = LEVEL[tier] - 1, "owner_full"
                else:
                    taken[group] = taken.get(group, 0) + 1
        if tier not in p.capacity:
            continue
        here = [r for r in rows if r["level"] == LEVEL[tier]]
        ranked = sorted(here, key=lambda r: (r["stay"] < LEVEL[tier], -r["propensity"], r["account_id"]))
        for place, r in enumerate(ranked):
            if place >= p.capacity[tier] and r["stay"] < LEVEL[tier]:  # type: ignore[index]
                r["level"], r["by"] = LEVEL[tier] - 1, "capacity"
    for r in rows:
        s = prior.get(r["account_id"])
        if r["began"] and r["level"] > r["unlifted"]:
            r["surge_until"] = now + timedelta(days=p.surge.days)  # type: ignore[union-attr]
        r["tier"] = r["status"] if r["level"] is None else TIER[r["level"]]
        r["previous_tier"] = s["tier"] if s else ""
        r["tier_since"] = s["tier_since"] if s and s["tier"] == r["tier"] else now
        was = LEVEL.get(r["previous_tier"])
        r["movement"] = ""
        if was is None and r["level"] is not None and (s or r["level"] > 0):
            r["movement"] = "entered"
        if was is not None:
            r["movement"] = "left" if r["level"] is None else "up" if r["level"] > was else "down"
            r["movement"] = "" if r["tier"] == r["previous_tier"] else r["movement"]
    frame = pd.DataFrame(rows).rename(columns={"by": "decided_by"})
    for column in ("tier_since", "surge_until", "surge_ended"):
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[us]")
    return frame


def random_accounts(rng: np.random.Generator, n: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "account_id": rng.permutation([f"a{i}" for i in range(n)]),
            "status": rng.choice(["eligible", "in_pipeline", "customer"], n, p=[0.94, 0.03, 0.03]),
            "fit_score": rng.integers(25, 100, n).astype(float),
            "signal_score": rng.integers(20, 101, n).astype(float),
            "account_score": rng.integers(0, 101, n).astype(float),
            "propensity": rng.integers(0, 20, n) / 20,
            "days_since_signal": np.where(rng.random(n) < 0.2, np.nan, rng.integers(0, 400, n)),
            "signals_7d": rng.poisson(5, n).astype(float),
            "signals_prior_weekly": np.where(rng.random(n) < 0.1, np.nan, rng.exponential(1.5, n)),
            "contacts_7d": rng.poisson(1, n).astype(float),
            "channels_7d": rng.poisson(1, n).astype(float),
            "coverage": rng.choice(COVERAGE_BANDS, n),
            "roles_reached": "",
            "excluded_by": rng.choice([None, "competitor"], n, p=[0.97, 0.03]).astype(object),
            "negative_trigger": rng.choice([None, "unsubscribe"], n, p=[0.97, 0.03]).astype(object),
            "industry": rng.choice(["health", "steel", None], n).astype(object),
            "employees": np.where(rng.random(n) < 0.1, np.nan, rng.integers(1, 2000, n)),
            "expected_value": np.where(rng.random(n) < 0.1, np.nan, rng.exponential(1000, n)),
            "owner_id": rng.choice(["o1", "o2", "o3", "gone", ""], n).astype(object),
        }
    )


OWNERS = pd.DataFrame(
    {
        "owner_id": ["o1", "o2", "o3"],
        "territory": ["north", "north", ""],
        "team": ["t", "u", "u"],
        "capacity_tier_1": [2.0, np.nan, 0.0],
        "capacity_tier_2": [np.nan, 9.0, 4.0],
    }
)


def random_acts(rng: np.random.Generator, accounts: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    some = accounts["account_id"].sample(40, replace=True, random_state=int(rng.integers(10**6))).to_numpy()
    made = [naive(as_of) + timedelta(days=int(d)) for d in rng.integers(-40, 3, 40)]
    return pd.DataFrame(
        {
            "account_id": some,
            "tier": rng.choice(["tier_1", "tier_2", "tier_3", "recycle"], 40),
            "reason": "asked",
            "author": "jo",
            "made_at": [m + timedelta(minutes=i) for i, m in enumerate(made)],
            "expires_at": [m + timedelta(days=int(d)) for m, d in zip(made, rng.integers(1, 60, 40), strict=True)],
        }
    )


POLICIES = st.builds(
    Policy,
    minimum_fit=st.sampled_from(FIT_BANDS[:2]),
    stale=st.sampled_from([None, Stale(), Stale(after_days=30, within_days=200)]),
    surge=st.sampled_from([None, Surge(), Surge(ratio=1.5, days=10, cool_down_days=10)]),
    time_in_tier=st.builds(
        TimeInTier,
        stay_margin=st.sampled_from([0.0, 5.0, 15.0]),
        minimum_stay_days=st.sampled_from([0, 10, 28]),
        promotion_window_days=st.sampled_from([0, 20]),
    ),
    capacity=st.dictionaries(st.sampled_from(["tier_1", "tier_2"]), st.integers(0, 40)),
    owner_capacity=st.sampled_from(
        [None, OwnerCapacity(), OwnerCapacity(by="territory", tier_1=3), OwnerCapacity(by="team", tier_1=1, tier_2=5)]
    ),
    segments=st.sampled_from(
        [
            (),
            (
                Segment(segment="big", where={"employees": {"at_least": 1000}}, bands={"signal": {"high": 99}}),
                Segment(segment="small", where={"employees": {"below": 50}}, bands={"fit": {"moderate": 55}}),
            ),
        ]
    ),
    verticals=st.sampled_from(
        [(), (Vertical(vertical="care", where={"industry": ["health"]}, lower={"fit": 7, "signal": 12}),)]
    ),
    calendar=st.sampled_from(
        [
            None,
            Calendar(freeze_days=20, fiscal_year_starts=2),
            Calendar(demotions_on=("tuesday",), holidays=(date(2026, 3, 10), date(2026, 3, 17))),
        ]
    ),
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    policy = draw(POLICIES)
    rows = list(policy.rows)
    if draw(st.booleans()):
        rows[1] = rows[1].model_copy(update={"least": {"expected_value": 500.0, "employees": 20.0}})
    if draw(st.booleans()) and policy.verticals:
        rows.insert(1, TierRow(row="strategic", tier="tier_1", fit="high", signal="moderate", verticals=("care",)))
    if draw(st.booleans()):
        rows[-1] = rows[-1].model_copy(update={"least": {"account_score": 40.0}})
        place = sum(row.tier == "tier_1" for row in rows)
        rows.insert(place, TierRow(row="both", tier="tier_2", fit="moderate", least={"account_score": 85.0}))
    return policy.model_copy(update={"rows": tuple(rows)})


@settings(deadline=None, max_examples=20)
@given(policy=policies(), seed=st.integers(0, 10**6))
def test_decide_agrees_with_one_account_at_a_time(policy: Policy, seed: int) -> None:
    rng = np.random.default_rng(seed)
    state = NO_STATE
    for week in range(6):
        accounts, as_of = random_accounts(rng, 150), later(7 * week)
        acts = random_acts(rng, accounts, as_of)
        decided = decide(accounts, state, policy, as_of, overrides=acts, owners=OWNERS)
        expected = reference(accounts, state, policy, as_of, acts, OWNERS)
        for column in (
            "account_id",
            "tier",
            "previous_tier",
            "tier_since",
            "decided_by",
            "row",
            "movement",
            "surge_until",
            "surge_ended",
        ):
            pd.testing.assert_series_equal(decided[column], expected[column], check_dtype=False)
        state = next_state(decided)
        assert tuple(state.columns) == STATE_COLUMNS
        state = state[rng.random(len(state)) < 0.95]


def test_no_accounts_decide_to_no_rows_of_the_same_types() -> None:
    some = decide(pd.DataFrame([account()]), NO_STATE, Policy(), AS_OF)
    none = decide(pd.DataFrame([account()])[:0], NO_STATE, Policy(), AS_OF)
    assert len(none) == 0
    assert none.dtypes.to_dict() == some.dtypes.to_dict()


# Guardrails, in order


def test_suppression_comes_before_status_and_needs_no_score() -> None:
    got = one(status="customer", fit_score=np.nan, signal_score=np.nan, coverage=None, excluded_by="competitor")
    assert (got.tier, got.decided_by, got.guardrails) == ("suppress", "excluded", "excluded")
    assert (got.fit_band, got.signal_band, got.coverage) == ("", "", "")


def test_a_low_fit_is_held_only_where_signals_called_for_more() -> None:
    assert one(fit_score=21.0, signal_score=95.0).guardrails == "minimum_fit"
    assert one(fit_score=21.0, coverage="partial").guardrails == "minimum_fit"
    assert one(fit_score=21.0, **JUMP).guardrails == "minimum_fit"
    quiet = one(fit_score=21.0, coverage="unknown")
    assert (quiet.row, quiet.guardrails) == ("low_fit", "")


def test_stale_is_neither_the_never_active_nor_the_long_gone() -> None:
    rows = {d: one(fit_score=80.0, days_since_signal=d).row for d in (120.0, 121.0, 365.0, 366.0, math.nan)}
    assert [rows[d] for d in (120.0, 121.0, 365.0, 366.0)] == ["target", "stale", "stale", "target"]
    assert one(fit_score=80.0, days_since_signal=math.nan).row == "target"


def test_a_surge_lifts_into_tier_1_only_with_fit_and_coverage() -> None:
    assert one(fit_score=82.0, coverage="reached", **JUMP).tier == "tier_1"
    part = one(fit_score=82.0, coverage="partial", **JUMP)
    assert (part.tier, part.guardrails, part.surge_began) == ("tier_2", "surge_ceiling", False)
    assert one(fit_score=82.0, **JUMP).tier == "tier_2"
    assert one(fit_score=50.0, **JUMP).tier == "tier_3"


@pytest.mark.parametrize(
    ("facts", "guardrail"),
    [
        ({"contacts_7d": 1.0}, "surge_breadth"),
        ({"signals_7d": 4.0}, ""),
        ({"signals_prior_weekly": 3.1}, ""),
        ({"signals_prior_weekly": math.nan}, ""),
    ],
)
def test_a_surge_needs_a_jump_and_breadth(facts: dict[str, float], guardrail: str) -> None:
    got = one(fit_score=80.0, **(JUMP | facts))
    assert (got.tier, got.guardrails) == ("tier_3", guardrail)
    assert one(fit_score=80.0, **(JUMP | {"contacts_7d": 0.0, "channels_7d": 2.0})).tier == "tier_2"


def test_a_surge_runs_its_days_and_cools_down() -> None:
    got = one(fit_score=80.0, **JUMP)
    assert got.surge_until == pd.Timestamp("2026-03-22")
    mid = one(got.next, as_of=later(20), fit_score=80.0)
    assert (mid.tier, mid.decided_by, mid.movement) == ("tier_2", "surge", "")
    end = one(mid.next, as_of=later(21), fit_score=80.0, **JUMP)
    assert (end.tier, end.movement, end.cause, end.guardrails) == ("tier_3", "down", "ageing", "surge_cool_down")
    assert end.surge_ended == pd.Timestamp("2026-03-22")
    assert one(end.next, as_of=later(80), fit_score=80.0, **JUMP).tier == "tier_3"
    assert one(end.next, as_of=later(81), fit_score=80.0, **JUMP).tier == "tier_2"


def test_a_surge_that_capacity_leaves_no_room_for_does_not_begin() -> None:
    got = one(fit_score=80.0, policy=Policy(capacity={"tier_2": 0}), **JUMP)
    assert (got.tier, got.decided_by, got.surge_began) == ("tier_3", "capacity", False)
    assert pd.isna(got.surge_until)


def test_time_in_tier_keeps_by_margin_and_by_minimum_stay() -> None:
    start = one(**TALL)
    margin = one(start.next, as_of=later(40), **(TALL | {"signal_score": 86.0}))
    assert (margin.tier, margin.decided_by) == ("tier_1", "stay_margin")
    fallen = one(start.next, as_of=later(40), **(TALL | {"signal_score": 84.0}))
    assert (fallen.tier, fallen.decided_by) == ("tier_2", "growth_signal")
    inside = one(start.next, as_of=later(27), **(TALL | {"signal_score": 5.0, "coverage": "none"}))
    assert (inside.tier, inside.decided_by, inside.row) == ("tier_1", "minimum_stay", "target")
    over = one(inside.next, as_of=later(28), **(TALL | {"signal_score": 5.0, "coverage": "none"}))
    assert (over.tier, over.movement) == ("tier_3", "down")
    assert one(start.next, as_of=later(1), **(TALL | {"fit_score": 39.0})).tier == "recycle"


LATE = {"hold_demotions": "crm is late"}
FELL = {"signal_score": 5.0, "coverage": "none"}


@pytest.mark.parametrize(
    ("facts", "otherwise", "guardrails"),
    [
        (FELL, "tier 3", "inputs_late"),
        (TALL | FELL | {"days_since_signal": 130.0}, "recycle", "stale;inputs_late"),
        ({"fit_score": 20.0, "signal_score": 5.0}, "recycle", "minimum_fit;inputs_late"),
    ],
)
def test_a_demotion_is_held_while_inputs_are_late(facts: dict[str, Any], otherwise: str, guardrails: str) -> None:
    start = one(**TALL)
    held = one(start.next, as_of=later(40), **(TALL | facts | LATE))
    assert (held.tier, held.movement, held.decided_by, held.guardrails) == ("tier_1", "", "inputs_late", guardrails)
    assert held.why == (
        f"Stays in tier 1: demotions are held, as crm is late; by what is known it would be in {otherwise}."
    )
    assert (held.tier_since, held.held_since) == (start.tier_since, start.held_since)
    then = one(held.next, as_of=later(41), **(TALL | facts))
    assert (then.tier, then.movement) == (otherwise.replace(" ", "_"), "down")


def test_after_a_held_run_the_words_say_what_fell_since_the_last_whole_one() -> None:
    start = one(**TALL)
    held = one(start.next, as_of=later(40), **(TALL | {"signal_score": 0.0} | LATE))
    then = one(held.next, as_of=later(47), **(TALL | {"signal_score": 61.0}))
    assert then.why.startswith("Tier 1 to tier 2 on 17 Apr 2026: fit 82 is high and signal fell from 93 to 61")
    kept = one(held.next, as_of=later(47), **(TALL | {"signal_score": 86.0}))
    assert (kept.tier, kept.decided_by) == ("tier_1", "stay_margin"), "a held run takes no margin away"


def test_suppression_and_status_act_at_once_and_promotions_go_on_while_inputs_are_late() -> None:
    start = one(fit_score=80.0, signal_score=78.0)
    assert start.tier == "tier_2"
    assert one(start.next, as_of=later(7), **(TALL | LATE)).movement == "up"
    out = one(start.next, as_of=later(7), status="customer", fit_score=80.0, **LATE)
    assert (out.tier, out.movement) == ("customer", "left")
    stopped = one(start.next, as_of=later(7), fit_score=80.0, excluded_by="legal", **LATE)
    assert (stopped.tier, stopped.decided_by, stopped.guardrails) == ("suppress", "excluded", "excluded")


def test_a_surge_that_ends_while_inputs_are_late_is_held_and_its_end_acts_on_the_next_whole_run() -> None:
    lifted = one(fit_score=80.0, **JUMP)
    held = one(lifted.next, as_of=later(22), fit_score=80.0, **LATE)
    assert (held.tier, held.held, held.decided_by) == ("tier_2", "tier_3", "inputs_late")
    assert pd.isna(held.surge_until)
    then = one(held.next, as_of=later(23), fit_score=80.0)
    assert (then.tier, then.movement, then.cause) == ("tier_3", "down", "ageing")
    assert "its surge ended on 22 Mar 2026" in then.why


def test_capacity_displaces_nobody_while_inputs_are_late() -> None:
    policy = Policy(capacity={"tier_1": 1})
    start = next_state(
        decide(pd.DataFrame([account(account_id="a", **(TALL | {"propensity": 0.2}))]), NO_STATE, policy, AS_OF)
    )
    two = pd.DataFrame([account(account_id=i, **(TALL | {"propensity": p})) for i, p in (("a", 0.2), ("b", 0.9))])
    plain = decide(two, start, policy, later(40))
    held = decide(two, start, policy, later(40), **LATE)
    assert plain["tier"].tolist() == ["tier_2", "tier_1"]
    assert held["tier"].tolist() == ["tier_1", "tier_2"]
    assert held["guardrails"].tolist() == ["inputs_late", "capacity"]


def test_the_margin_of_a_lower_tier_counts_on_the_way_down() -> None:
    start = one(**TALL)
    got = one(start.next, as_of=later(40), fit_score=82.0, signal_score=72.0)
    assert (got.tier, got.decided_by) == ("tier_2", "stay_margin")


def test_capacity_ranks_by_propensity_then_account_id() -> None:
    four = [account(account_id=i, propensity=p, **TALL) for i, p in zip("dcba", (0.5, 0.9, 0.5, 0.1), strict=True)]
    policy = Policy(capacity={"tier_1": 2, "tier_2": 1})
    got = decide(pd.DataFrame(four), NO_STATE, policy, AS_OF).set_index("account_id")
    assert got["tier"].to_dict() == {"a": "tier_3", "b": "tier_1", "c": "tier_1", "d": "tier_2"}
    assert got["guardrails"].to_dict() == {"a": "capacity", "b": "", "c": "", "d": "capacity"}


def test_capacity_without_a_model_ranks_by_the_scores() -> None:
    two = [
        account(account_id=i, **(TALL | {"propensity": np.nan, "signal_score": s}))
        for i, s in (("a", 91.0), ("b", 99.0))
    ]
    got = decide(pd.DataFrame(two), NO_STATE, Policy(capacity={"tier_1": 1}), AS_OF)
    assert got["tier"].tolist() == ["tier_2", "tier_1"]


def test_who_is_inside_the_stay_takes_capacity_first() -> None:
    old, policy = one(**TALL, propensity=0.1), Policy(capacity={"tier_1": 1})
    both = pd.DataFrame([account(**TALL, propensity=0.1), account(account_id="b", **TALL, propensity=0.9)])
    got = decide(both, old.next, policy, later(27)).set_index("account_id")
    assert got["tier"].to_dict() == {"a": "tier_1", "b": "tier_2"}
    got = decide(both, old.next, policy, later(28)).set_index("account_id")
    assert got["tier"].to_dict() == {"a": "tier_2", "b": "tier_1"}
    assert got.loc["a", ["movement", "cause"]].tolist() == ["down", "capacity"]


# Movements and causes


def test_what_a_first_run_moves() -> None:
    assert one(**TALL)[["movement", "cause", "previous_tier"]].tolist() == ["entered", "data", ""]
    assert one().movement == ""
    assert one(status="customer").movement == ""


def test_movements_between_tiers_and_statuses() -> None:
    deal = one(status="in_pipeline")
    assert one(deal.next, as_of=later(7)).movement == "entered"
    assert one(deal.next, as_of=later(7), status="customer").movement == ""
    high = one(**TALL)
    left = one(high.next, as_of=later(7), status="in_pipeline", **TALL)
    assert left[["tier", "movement", "cause"]].tolist() == ["in_pipeline", "left", "data"]
    assert len(movements(decide(pd.DataFrame([account()]), NO_STATE, Policy(), AS_OF))) == 0


def test_causes() -> None:
    high = one(**TALL)
    low = TALL | {"signal_score": 20.0, "coverage": "none"}

    def cause(state: Any = high, days: int = 40, **facts: Any) -> str:
        return str(one(state.next, as_of=later(days), **facts).cause)

    assert cause(**low, days_since_signal=45.0) == "ageing"
    assert cause(**low, days_since_signal=45.0, model_version="m2") == "model"
    assert cause(**low, days_since_signal=45.0, policy=Policy(policy="v2")) == "policy"
    assert cause(**low, days_since_signal=3.0) == "data"
    assert cause(**(low | {"fit_score": 50.0}), days_since_signal=45.0) == "data"
    assert cause(days=130, **TALL, days_since_signal=135.0) == "ageing"
    assert cause(days=7, **TALL, days_since_signal=100.0, policy=Policy(stale=Stale(after_days=60))) == "policy"
    stale = one(fit_score=80.0, days_since_signal=360.0)
    assert cause(stale, 7, fit_score=80.0, days_since_signal=367.0) == "ageing"
    objected = one(**TALL, negative_trigger="unsubscribe")
    assert cause(objected, 7, **TALL) == "ageing"
    assert cause(one(**TALL, excluded_by="legal"), 7, **TALL) == "data"
    assert cause(one(fit_score=80.0), 7, fit_score=80.0, **JUMP, model_version="m2") == "data"
    full = one(**TALL, policy=Policy(capacity={"tier_1": 0}))
    assert one(full.next, as_of=later(7), **TALL)[["movement", "cause"]].tolist() == ["up", "capacity"]


# Words


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            TALL,
            "Entered tier 1 on 1 Mar 2026: fit 82 is high and signal 93 is high; champion and executive buyer reached.",
        ),
        (
            {"fit_score": 21.9, "signal_score": 95.0},
            "Held in recycle by minimum fit: fit 21 is below 40, whatever its signals (signal 95).",
        ),
        ({"fit_score": 39.9}, "Fit 39 is below 40, the minimum fit."),
        ({"days_since_signal": 150.2}, "No signal for more than 120 days (newest on 1 Oct 2025)."),
        ({"days_since_signal": 120.04}, "No signal for more than 120 days (newest on 31 Oct 2025)."),
        ({"days_since_signal": 121.0}, "No signal for more than 120 days (newest on 31 Oct 2025)."),
        (
            {},
            "Fit 50 is moderate and signal 10 is none; no role reached: no tier row matches; "
            "tier 3 needs one role of the buying group reached.",
        ),
        ({"status": "in_pipeline"}, "Out of the cohort: it has an open opportunity."),
        ({"excluded_by": "competitor"}, "Suppressed by an exclusion: competitor."),
        ({"negative_trigger": "unsubscribe"}, "Suppressed by a negative trigger: unsubscribe."),
        (
            {"fit_score": 80.0, **JUMP},
            "Entered tier 2 on 1 Mar 2026: a surge lifts it from tier 3 to tier 2 until 22 Mar 2026; "
            "fit 80 is high and signal 10 is none; "
            "tier 1 needs 80 more points of signal and the whole buying group reached.",
        ),
        (
            {"fit_score": 80.0, "coverage": "partial", "roles_reached": "champion"},
            "Entered tier 2 on 1 Mar 2026: fit 80 is high and signal 10 is none; "
            "champion reached, the buying group in part; "
            "tier 1 needs 80 more points of signal and the whole buying group reached.",
        ),
    ],
)
def test_why_says_it_plainly(facts: dict[str, Any], words: str) -> None:
    assert one(**facts).why == words


def test_why_of_what_time_and_capacity_hold() -> None:
    start = one(**TALL)
    weak = TALL | {"signal_score": 86.0}
    assert one(start.next, as_of=later(40), **weak).why == (
        "Stays in tier 1: fit 82 is high and signal 86 is moderate, within 5 points of what entering takes."
    )
    gone = TALL | {"signal_score": 5.0, "coverage": "none"}
    assert one(start.next, as_of=later(7), **gone).why == (
        "Stays in tier 1 until 29 Mar 2026 (minimum stay 28 days); by its scores it would be in tier 3."
    )
    assert one(start.next, as_of=later(40), **gone).why == (
        "Tier 1 to tier 3 on 10 Apr 2026: fit 82 is high and signal fell from 93 to 5 (none); "
        "coverage fell from reached to none: no role reached; tier 2 needs one role of the buying group reached."
    )
    assert one(start.next, as_of=later(40), policy=Policy(capacity={"tier_1": 0}), **TALL).why == (
        "Tier 1 to tier 2 on 10 Apr 2026: earned tier 1, which has no room (capacity 0), and stands in tier 2; "
        "fit 82 is high and signal 93 is high."
    )
    assert one(start.next, as_of=later(7), status="customer").why == (
        "Left tier 1 on 8 Mar 2026: out of the cohort: it is a customer."
    )


def test_why_of_a_surge_that_ended() -> None:
    lifted = one(fit_score=45.0, signal_score=93.0, **JUMP)
    assert (lifted.tier, lifted.held) == ("tier_2", "tier_3")
    end = one(lifted.next, as_of=later(24), fit_score=45.0, signal_score=93.0)
    assert end.why == (
        "Tier 2 to tier 3 on 25 Mar 2026: its surge ended on 22 Mar 2026; fit 45 is moderate and signal 93 is high; "
        "no role reached; tier 2 needs 25 more points of fit."
    )
    fallen = one(lifted.next, as_of=later(40), fit_score=45.0, signal_score=20.0)
    assert fallen.why == (
        "Tier 2 to recycle on 10 Apr 2026: its surge ended on 22 Mar 2026; fit 45 is moderate and "
        "signal fell from 93 to 20 (none); no role reached: no tier row matches."
    )
    wandered = one(lifted.next, as_of=later(24), fit_score=45.0, signal_score=60.0)
    assert "fell" not in wandered.why, "the tier held is the same: its signal took nothing"
    top = one(fit_score=82.0, signal_score=80.0, coverage="reached", roles_reached="champion", **JUMP)
    stays = one(top.next, as_of=later(21), fit_score=82.0, signal_score=10.0, coverage="none")
    assert stays.why == (
        "Tier 1 to tier 2 on 22 Mar 2026: its surge ended on 22 Mar 2026; stays in tier 2 until 29 Mar 2026 "
        "(minimum stay 28 days); by its scores it would be in tier 3."
    )
    full = one(top.next, as_of=later(40), policy=Policy(capacity={"tier_2": 0}), fit_score=82.0, signal_score=80.0)
    assert full.why == (
        "Tier 1 to tier 3 on 10 Apr 2026: its surge ended on 22 Mar 2026; "
        "earned tier 2, which has no room (capacity 0), and stands in tier 3; fit 82 is high and signal 80 is moderate."
    )
    out = one(lifted.next, as_of=later(24), fit_score=45.0, excluded_by="legal")
    assert out.why == "Tier 2 to suppress on 25 Mar 2026: suppressed by an exclusion: legal."


def test_why_of_a_demotion_says_what_fell() -> None:
    start = one(**TALL)

    def why(state: Any = start.next, days: int = 40, **facts: Any) -> str:
        return str(one(state, as_of=later(days), **(TALL | facts)).why)

    assert why(signal_score=77.0) == (
        "Tier 1 to tier 2 on 10 Apr 2026: fit 82 is high and signal fell from 93 to 77 (moderate); "
        "champion and executive buyer reached; tier 1 needs 13 more points of signal."
    )
    assert "fit fell from 82 to 47 (moderate) and signal fell from 93 to 60 (early)" in why(
        fit_score=47.0, signal_score=60.0
    )
    assert why(fit_score=39.5) == (
        "Tier 1 to recycle on 10 Apr 2026: held in recycle by minimum fit: fit fell from 82 to 39, below 40, "
        "whatever its signals (signal 93)."
    )
    quiet = why(fit_score=39.5, signal_score=5.0, coverage="none")
    assert quiet == "Tier 1 to recycle on 10 Apr 2026: fit fell from 82 to 39, below 40, the minimum fit."
    assert "coverage fell from reached to partial: champion reached" in why(
        coverage="partial", roles_reached="champion"
    )
    assert "fit 71 is high and signal fell from" in why(fit_score=71.0, signal_score=60.0)
    kept = one(start.next, as_of=later(30), **(TALL | {"signal_score": 86.0}))
    assert (kept.tier, kept.decided_by) == ("tier_1", "stay_margin")
    assert "signal fell from 86 to 84 (moderate)" in why(kept.next, signal_score=84.0)
    near = one(**(TALL | {"signal_score": 85.4}), state=start.next, as_of=later(30))
    assert near.tier == "tier_1"
    policy = Policy(bands={"signal": {"early": 50, "moderate": 75, "high": 90.3}})
    start_near = one(**(TALL | {"signal_score": 90.31}))
    assert "signal fell from 85.4 to 85.2 (moderate)" in why(near.next, policy=policy, signal_score=85.2)
    assert "fell" not in str(one(start_near.next, as_of=later(7), **(TALL | {"signal_score": 90.4})).why)


def test_why_of_a_stay_that_ended_and_of_a_changed_policy() -> None:
    start = one(**TALL)
    gone = TALL | {"signal_score": 5.0, "coverage": "none", "roles_reached": ""}
    inside = one(start.next, as_of=later(27), **gone)
    assert inside.tier == "tier_1"
    assert one(inside.next, as_of=later(28), **gone).why == (
        "Tier 1 to tier 3 on 29 Mar 2026: its minimum stay ended on 29 Mar 2026; fit 82 is high and signal 5 is none; "
        "no role reached; tier 2 needs one role of the buying group reached."
    )
    strict = Policy(bands={"signal": {"early": 50, "moderate": 75, "high": 99}})
    assert one(start.next, as_of=later(40), policy=strict, **TALL).why == (
        "Tier 1 to tier 2 on 10 Apr 2026: the policy changed; fit 82 is high and signal 93 is moderate; "
        "champion and executive buyer reached; tier 1 needs 6 more points of signal."
    )


def test_what_fell_is_said_only_where_the_state_knows_it() -> None:
    start = one(**TALL).next
    known = {"fit_score": 82.0, "signal_score": 93.0, "coverage": "reached"}
    assert start.loc[0, list(known)].to_dict() == known
    bare = start.drop(columns=list(known))
    assert one(bare, as_of=later(40), **(TALL | {"signal_score": 77.0})).why == (
        "Tier 1 to tier 2 on 10 Apr 2026: fit 82 is high and signal 77 is moderate; "
        "champion and executive buyer reached; tier 1 needs 13 more points of signal."
    )


@settings(deadline=None, max_examples=20)
@given(policy=policies(), seed=st.integers(0, 10**6))
def test_why_is_short_and_true_of_what_fell_whatever_happens(policy: Policy, seed: int) -> None:
    rng = np.random.default_rng(seed)
    state = NO_STATE
    for week in range(6):
        accounts = random_accounts(rng, 150).assign(roles_reached="exec_buyer;" + "r" * 60 + ";" + "s" * 60)
        acts = random_acts(rng, accounts, later(7 * week))
        decided = decide(accounts, state, policy, later(7 * week), overrides=acts, owners=OWNERS)
        assert decided["why"].str.len().max() <= 200
        fell = decided[decided["why"].str.contains(" fell ")]
        assert set(fell["movement"]) <= {"down"}
        if len(state):
            both = fell.merge(state, on="account_id", suffixes=("", "_was")).merge(accounts, on="account_id")
            for row in both.to_dict("records"):
                for side in ("fit", "signal"):
                    if f"{side} fell from" in row["why"]:
                        assert row[f"{side}_score_y"] < row[f"{side}_score_x"]
            ended = decided[decided["why"].str.contains("its surge ended on")]
            assert (ended["surge_ended"] <= ended["as_of"]).all()
        state = next_state(decided)


def test_roles_are_said_in_words() -> None:
    got = one(**(TALL | {"roles_reached": "exec_buyer;champion;it_lead"}))
    assert "executive buyer, champion and it lead reached." in got.why


@settings(deadline=None, max_examples=30)
@given(reason=st.text(min_size=1, max_size=400), roles=st.lists(st.text("abc_", min_size=1, max_size=60), max_size=9))
def test_why_is_one_line_of_at_most_200_characters(reason: str, roles: list[str]) -> None:
    accounts = [account(excluded_by=reason), account(account_id="b", **(TALL | {"roles_reached": ";".join(roles)}))]
    for sentence in decide(pd.DataFrame(accounts), NO_STATE, Policy(), AS_OF)["why"]:
        assert len(sentence) <= 200
        assert sentence.endswith(".")
        assert len(sentence.splitlines()) == 1


def test_why_repeats_no_address_and_no_number_of_a_person() -> None:
    assert safe_text("jo.doe@example.com asked\non +44 20 7946 0958.") == "[removed] asked on [removed]"
    assert "@" not in one(excluded_by="by jo@example.com").why
    assert safe_text("a\u202eb\x00\u200bc\u2028d") == "abc d"


# Errors and policy


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.drop(columns="coverage"), "the accounts have no column coverage"),
        (lambda f: pd.concat([f, f]), "account a stands twice among the accounts"),
        (lambda f: f.assign(status="prospect"), "'prospect' stands as a status"),
        (lambda f: f.assign(signal_score=np.nan), "1 eligible accounts without fit_score, signal_score or coverage"),
        (lambda f: f.assign(coverage="full"), "'full' stands as a coverage"),
    ],
)
def test_accounts_that_cannot_be_decided_are_refused_in_words(change: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        decide(change(pd.DataFrame([account()])), NO_STATE, Policy(), AS_OF)


def test_a_state_that_is_not_before_the_run_is_refused() -> None:
    with pytest.raises(UsageError, match="the state of account a is not before it"):
        one(one().next)


def test_a_state_of_only_the_required_columns_is_enough() -> None:
    lifted = one(fit_score=80.0, **JUMP).next.drop(columns=list(STATE_COLUMNS[7:]))
    end = one(lifted, as_of=later(21), fit_score=80.0)
    assert end[["tier", "movement", "cause"]].tolist() == ["tier_3", "down", "ageing"]


def test_decide_changes_no_argument() -> None:
    accounts = pd.DataFrame([account(account_id="b"), account()])
    state = one().next
    copies = accounts.copy(), state.copy()
    decide(accounts, state, Policy(), later(7))
    pd.testing.assert_frame_equal(accounts, copies[0])
    pd.testing.assert_frame_equal(state, copies[1])


def test_a_row_may_not_take_the_name_of_a_step() -> None:
    with pytest.raises(ValidationError, match="a row may not be named stale"):
        Policy(rows=(TierRow(row="stale", tier="tier_3"),))


def test_cuts_must_rise_and_the_version_follows_the_content() -> None:
    with pytest.raises(ValidationError, match=r"moderate \(70\) must lie below high \(70\)"):
        FitCuts(moderate=70, high=70)
    with pytest.raises(ValidationError, match=r"early \(80\) must lie below moderate \(75\)"):
        SignalCuts(early=80)
    assert Policy().version() == Policy().version()
    assert Policy().version() != Policy(surge=None).version()
