"""Shifts of tracking and of stages: none is seen where there is none, and planted ones are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tierwise.audit import Finding, accepted, audit, draft_plan
from tierwise.audit.shifts import Shift, of_shifts, shift, stage_spans
from tierwise.config import parse_plan
from tierwise.config.plan import Acceptance, Outcome, Plan
from tierwise.data import Warehouse
from tierwise.synthetic import WorldSpec, simulate

THROUGH = datetime(2026, 3, 31, tzinfo=UTC)
START = date(2024, 1, 1)
STAGES = ("Validation",)


@lru_cache(maxsize=3)
def tables(seed: int, accounts: int = 600) -> dict[str, pd.DataFrame]:
    return {name: t.to_pandas() for name, t in simulate(WorldSpec(seed=seed, accounts=accounts)).tables().items()}


def opened(frames: dict[str, pd.DataFrame]) -> Warehouse:
    kept = ("accounts", "activities", "contacts", "opportunities", "opportunity_stages")
    return Warehouse.open({k: pa.Table.from_pandas(frames[k], preserve_index=False) for k in kept}, threads=1)


@lru_cache(maxsize=3)
def drafted_of(seed: int, accounts: int = 600) -> Plan:
    return drafted(tables(seed, accounts))


def drafted(frames: dict[str, pd.DataFrame]) -> Plan:
    with opened(frames) as warehouse:
        return parse_plan(draft_plan(warehouse, "new_business").model)


def shifts(frames: dict[str, pd.DataFrame], plan: Plan) -> list[Finding]:
    with opened(frames) as warehouse:
        return of_shifts(warehouse, plan, THROUGH)


def staged(plan: Plan, stages: tuple[str, ...] = STAGES) -> Plan:
    return plan.model_copy(update={"outcome": Outcome(event="stage_reached", stages=stages)})


def middle(seed: int) -> pd.Timestamp:
    return pd.Timestamp("2024-06-01") + pd.Timedelta(days=int(np.random.default_rng(seed).integers(0, 360)))


def without(frames: dict[str, pd.DataFrame], gone: Callable[[pd.DataFrame], pd.Series]) -> dict[str, pd.DataFrame]:
    acts = frames["activities"]
    return {**frames, "activities": acts[~gone(acts)].reset_index(drop=True)}


def begun(frames: dict[str, pd.DataFrame], seed: int, column: str = "channel", name: str = "intent") -> dict:
    at = middle(seed)
    return without(frames, lambda a: (a[column] == name) & (a["occurred_at"] < at))


def multiplied(frames: dict[str, pd.DataFrame], seed: int, name: str = "email", times: float = 7.0) -> dict:
    at, r = middle(seed), np.random.default_rng(seed)
    return without(frames, lambda a: (a["channel"] == name) & (a["occurred_at"] < at) & (r.random(len(a)) > 1 / times))


def renamed(frames: dict[str, pd.DataFrame], seed: int, straggling_days: int = 0) -> dict[str, pd.DataFrame]:
    """Validation is called Technical fit from a date on; with stragglers, not by everyone at once."""
    at, entries = middle(seed), frames["opportunity_stages"].copy()
    late = pd.to_timedelta(np.random.default_rng(seed).integers(0, straggling_days + 1, len(entries)), unit="D")
    entries.loc[(entries["stage"] == "Validation") & (entries["entered_at"] >= at + late), "stage"] = "Technical fit"
    return {**frames, "opportunity_stages": entries}


PLANTED = {
    "begun": (begun, "tracking_shift", "intent"),
    "kind": (lambda f, s: begun(f, s, "kind", "pricing_visit"), "tracking_shift", "pricing_visit"),
    "multiplied": (multiplied, "tracking_shift", "email"),
    "stopped": (lambda f, s: stopped(f, s), "tracking_lost", "intent"),
    "kind_stopped": (lambda f, s: stopped(f, s, "kind", "pricing_visit"), "tracking_lost", "pricing_visit"),
    "renamed": (renamed, "stages_changed", "Validation"),
    "renamed_slowly": (lambda f, s: renamed(f, s, 30), "stages_changed", "Validation"),
}


def caught(kind: str, frames: dict[str, pd.DataFrame], plan: Plan, seed: int) -> bool:
    plant, code, subject = PLANTED[kind]
    found = shifts(plant(frames, seed), staged(plan) if code == "stages_changed" else plan)
    return any((f.code, f.severity, f.subject) == (code, "blocks", subject) for f in found)


def judged(sizes: dict[int, int]) -> tuple[list[str], dict[str, int]]:
    """Of worlds (seed -> accounts): what is found where no shift is, and how many planted ones are caught, by kind."""
    alarms: list[str] = []
    hits = dict.fromkeys(PLANTED, 0)
    for seed, accounts in sizes.items():
        frames = tables(seed, accounts)
        plan = drafted_of(seed, accounts)
        alarms += [f.words for f in shifts(frames, staged(plan))]
        for kind in PLANTED:
            hits[kind] += caught(kind, frames, plan, seed)
    return alarms, hits


# --- worlds


def test_no_shift_is_seen_where_there_is_none_and_planted_ones_are_refused_by_name() -> None:
    alarms, hits = judged(dict.fromkeys(range(2), 600))
    assert alarms == []
    assert hits == dict.fromkeys(PLANTED, 2)


@pytest.mark.long
def test_in_20_worlds_none_is_seen_where_there_is_none_and_of_each_kind_19_are_caught() -> None:
    alarms, hits = judged({seed: 600 if seed < 110 else 1000 for seed in range(100, 120)})
    assert alarms == []
    assert all(n >= 19 for n in hits.values()), hits


def test_the_audit_tells_of_a_shift_once() -> None:
    frames = tables(1)
    with opened(begun(frames, 1)) as warehouse:
        found = [f for f in audit(warehouse, drafted_of(1), THROUGH) if f.subject == "intent"]
    assert [(f.code, f.severity) for f in found] == [("tracking_shift", "blocks")]


@pytest.mark.parametrize("plant", [begun, multiplied])
def test_the_line_to_add_is_said_and_settles_it(plant: Callable) -> None:
    frames = tables(1)
    shifted, plan, name = plant(frames, 1), drafted_of(1), {begun: "intent", multiplied: "email"}[plant]
    (found,) = shifts(shifted, plan)
    assert f"Add tracked_from: {found.figures['at']} to features.signal.channels.{name}" in found.do
    at = date.fromisoformat(found.figures["at"])
    assert abs((pd.Timestamp(at) - middle(1)).days) <= 14
    channels = plan.features.signal.channels
    dated = {**channels, name: channels[name].model_copy(update={"tracked_from": at})}
    signal = plan.features.signal.model_copy(update={"channels": dated})
    told = plan.model_copy(update={"features": plan.features.model_copy(update={"signal": signal})})
    assert shifts(shifted, told) == []
    because = Acceptance(finding="tracking_shift", subject=name, because="a campaign that stayed")
    assert [f.severity for f in accepted([found], [because])] == ["warns"]


@pytest.mark.parametrize("kind", ["begun", "kind", "multiplied", "stopped", "kind_stopped"])
def test_the_plan_that_init_drafts_on_shifted_data_passes(kind: str) -> None:
    shifted = PLANTED[kind][0](tables(1), 1)
    plan = drafted(shifted)
    assert [f for f in shifts(shifted, plan) if f.severity == "blocks"] == []
    assert ("intent" in plan.features.signal.channels) == (kind != "stopped")


def stopped(frames: dict[str, pd.DataFrame], seed: int, column: str = "channel", name: str = "intent") -> dict:
    at = middle(seed)
    return without(frames, lambda a: (a[column] == name) & (a["occurred_at"] >= at))


def test_a_channel_that_only_falls_warns() -> None:
    at, r = middle(0), np.random.default_rng(0)
    quiet = without(
        tables(0), lambda a: (a["channel"] == "email") & (a["occurred_at"] >= at) & (r.random(len(a)) > 1 / 7)
    )
    (found,) = [f for f in shifts(quiet, drafted_of(0)) if f.subject == "email"]
    assert (found.code, found.severity) == ("tracking_lost", "warns")
    assert "its volume falls on" in found.found


def test_a_channel_that_pauses_and_comes_back_has_not_stopped() -> None:
    r, begins = np.random.default_rng(0), date(2024, 1, 1)
    others = {begins + timedelta(days=k): 40 for k in range(700)}
    for _ in range(50):
        own = {begins + timedelta(days=k): int(r.poisson(3)) for k in range(700) if not 240 <= k < 350}
        seen = shift(own, others, begins, begins + timedelta(days=700))
        assert seen is None or not seen.stops
        ended = {day: n for day, n in own.items() if day < begins + timedelta(days=243)}
        gone = shift(ended, others, begins, begins + timedelta(days=700))
        assert gone is not None
        assert gone.stops
        stray = shift(ended | {begins + timedelta(days=660): 1}, others, begins, begins + timedelta(days=700))
        assert stray is not None
        assert stray.stops
        back = {day: n for day, n in own.items() if day < begins + timedelta(days=560)}
        later = shift(back, others, begins, begins + timedelta(days=700))
        assert later is None or not later.stops or abs((later.at - begins).days - 560) <= 14


def test_a_channel_that_falls_silent_refuses_training_by_name() -> None:
    frames = stopped(tables(0), 0)
    (found,) = shifts(frames, drafted_of(0))
    assert (found.code, found.severity, found.subject) == ("tracking_lost", "blocks", "intent")
    assert "its volume stops on" in found.found
    assert "a source that went silent looks like quiet buyers" in found.do


# --- stages


@pytest.mark.parametrize(
    ("stages", "train_from", "severity"),
    [
        (("Validation",), None, "blocks"),
        (("Technical fit",), None, "blocks"),
        (("Validation", "Technical fit"), None, "notes"),
        (("Proposal",), None, "warns"),
        (("Validation",), date(2025, 9, 1), None),
    ],
)
def test_what_a_renamed_stage_means_for_the_outcome(
    stages: tuple[str, ...], train_from: date | None, severity: str | None
) -> None:
    frames = renamed(tables(0), 0)
    plan = staged(drafted_of(0), stages)
    plan = plan.model_copy(update={"model": plan.model.model_copy(update={"train_from": train_from})})
    found = shifts(frames, plan)
    assert {f.severity for f in found} == ({severity} if severity else set())
    for finding in found:
        assert "Validation ended, and Technical fit began" in finding.found
        if severity == "blocks":
            assert finding.subject == stages[0]
            assert "Name in outcome.stages both what a stage was called" in finding.do
            assert "or set model.train_from: 202" in finding.do


def test_stages_mean_nothing_to_an_outcome_that_reads_none() -> None:
    assert shifts(renamed(tables(0), 0), drafted_of(0)) == []


def test_a_rare_stage_has_not_stopped_and_a_new_one_alone_replaces_nothing() -> None:
    days = [datetime(2024, 1, 1) + timedelta(days=d) for d in range(600)]
    entries = pd.DataFrame({"stage": ["open"] * 600, "entered_at": days})
    entries.loc[[50, 90], "stage"] = "rare"
    entries.loc[300::3, "stage"] = "new"
    spans = {s.stage: s for s in stage_spans(entries)}
    assert not spans["rare"].stopped
    assert spans["new"].begun
    assert not spans["open"].stopped


# --- volumes alone


def daily(n: np.ndarray) -> dict[date, int]:
    return {START + timedelta(days=k): int(v) for k, v in enumerate(n) if v}


ENDS = START + timedelta(days=720)
DAY = np.arange(720)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "rate",
    [
        np.full(720, 0.3),
        3 * np.exp(DAY / 300),  # eleven times as much after two years
        4 * (1 + 0.9 * np.sin(2 * np.pi * DAY / 365)),  # a season of nineteen to one
        np.where((DAY > 300) & (DAY < 320), 60.0, 2.0),  # a burst of three weeks
    ],
    ids=["steady", "growth", "season", "burst"],
)
def test_no_volume_shifts_by_chance_growth_season_or_burst(rate: np.ndarray, seed: int) -> None:
    r = np.random.default_rng(seed)
    assert shift(daily(r.poisson(rate)), daily(r.poisson(4 * rate)), START, ENDS) is None


def test_a_shift_is_dated_and_the_others_are_not_taken_for_it() -> None:
    r = np.random.default_rng(3)
    own, rest = r.poisson(np.where(DAY < 400, 0.5, 4.0)), r.poisson(np.full(720, 3.0))
    found = shift(daily(own), daily(rest), START, ENDS)
    assert found is not None
    assert found.rises
    assert abs((found.at - START).days - 400) <= 14
    assert shift(daily(rest), daily(own), START, ENDS) is None
    down = shift(daily(own[::-1]), daily(rest), START, ENDS)
    assert down is not None
    assert not down.rises


def test_a_shift_says_which_way_it_goes() -> None:
    assert Shift(START, 1, 5, 5).rises
    assert not Shift(START, 5, 1, 1).rises
