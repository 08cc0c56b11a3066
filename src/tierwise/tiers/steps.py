"""The steps of `decide`: gates (suppression to tier rows), then surge, time-in-tier and capacity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tierwise.config.policy import COVERAGE_BANDS, FIT_BANDS, SIGNAL_BANDS, Policy
from tierwise.tiers.acts import Overrides, Rooms
from tierwise.tiers.bands import (
    LEVELS,
    NONE,
    Flags,
    Floats,
    Ints,
    Words,
    fit_codes,
    match_rows,
    row_levels,
    scored,
    signal_codes,
)
from tierwise.tiers.dwell import Floors, Placed, apply_capacity, floors
from tierwise.tiers.inputs import Facts, Prior
from tierwise.tiers.surge import SurgeClock, lift, surge_clock


@dataclass(frozen=True)
class Gates:
    """The steps before the tier rows, and the rows: what each account is, before surge, time-in-tier and capacity."""

    fit: Ints
    signal: Ints
    row: Words
    level: Ints
    """By the step or row alone."""
    open: Flags
    """Whether the rows decide: nothing before them did."""
    stopped_by_fit: Flags
    stopped_by_age: Flags
    stopped_by_unknown: Flags
    """Fit is not known, and a high one would have named a higher tier."""
    capped: Flags
    """Fit is not known, and a row named tier_1."""


@dataclass(frozen=True)
class Standing:
    """Each account through surge, time-in-tier and capacity, as levels."""

    floors: Floors
    clock: SurgeClock
    kept: Ints
    """By the rows and time-in-tier."""
    unlifted: Ints
    """The same, and no less than the tier held, where demotions are held."""
    lifted: Ints
    """By a surge, before capacity; no less than the tier before, where demotions are held."""
    final: Ints
    unheld: Ints
    """What `final` would be if no demotion were held."""
    surging: Flags
    """Whether a surge in force raises it, capacity apart."""
    capped: Flags
    """Whether it would stand in tier_1, capacity apart, were its fit known to allow it."""
    asked: Flags
    """Whether a person's override is in force, whatever guardrail stops it."""
    overridden: Flags
    """Whether a person's override says where it stands."""
    barred: Flags
    """Whether it earned more, and moved too lately to be promoted."""
    by_owner: Flags
    """Whether its owner's capacity, not the tier's, displaced it."""

    @property
    def began(self) -> Flags:
        """Whether a surge begins on this as_of: it lifts, and capacity leaves the account there."""
        return self.clock.ready & self.surging & (self.final > self.unlifted)

    @property
    def spared(self) -> Flags:
        """Whether the account stands higher because demotions are held."""
        return np.asarray(self.final > self.unheld, dtype=bool)


def pass_gates(facts: Facts, policy: Policy) -> Gates:
    """What the scores of an account alone decide: suppression, status, minimum fit, staleness and the tier row."""
    fit, signal = fit_codes(facts.fit, facts.cuts), signal_codes(facts.signal, facts.cuts)
    low = facts.eligible & (fit < FIT_BANDS.index(policy.minimum_fit)) & ~facts.fit_unknown
    stale = facts.eligible & ~low & _is_stale(facts.days, policy)
    open_ = facts.eligible & ~low & ~stale
    may = scored(policy.rows, facts.score, facts.open_to)
    first = match_rows(policy.rows, fit, signal, facts.coverage, may)
    named = row_levels(policy.rows)
    level = np.where(open_, np.minimum(named[first], _ceiling(facts)), LEVELS["recycle"])
    best = np.full(fit.shape, len(FIT_BANDS))
    higher = named[match_rows(policy.rows, best, signal, facts.coverage, may)]
    unknown = open_ & facts.fit_unknown & (higher > level)
    level = np.where(facts.level < 0, facts.level, level)
    level = np.where(facts.suppressed, LEVELS["suppress"], level)
    row = np.array([*(r.row for r in policy.rows), "no_match"], dtype=object)[first]
    steps = [facts.excluded_by != "", facts.negative_trigger != "", facts.level < 0, low, stale]
    for step, name in reversed(
        list(zip(steps, ("excluded", "negative_trigger", "status", "low_fit", "stale"), strict=True))
    ):
        row = np.where(step, name, row)
    return Gates(
        fit=fit,
        signal=signal,
        row=row.astype(object),
        level=level,
        open=open_,
        stopped_by_fit=low & _signals_call(signal, facts, policy),
        stopped_by_age=stale & (first < len(policy.rows)),
        stopped_by_unknown=unknown,
        capped=open_ & (named[first] > _ceiling(facts)),
    )


def _ceiling(facts: Facts) -> Ints:
    """The highest tier of each account: below tier_1 where fit is not known."""
    return np.where(facts.fit_unknown, LEVELS["tier_2"], LEVELS["tier_1"])


def _is_stale(days: Floats, policy: Policy) -> Flags:
    if policy.stale is None:
        return np.zeros(days.shape, dtype=bool)
    return (days > policy.stale.after_days) & (days <= policy.stale.within_days)


def _signals_call(signal: Ints, facts: Facts, policy: Policy) -> Flags:
    """Whether, with fit considered high, a row matches that asks for a signal, or for a role reached."""
    calls = np.zeros(signal.shape, dtype=bool)
    for row, may in zip(policy.rows, facts.open_to, strict=True):
        if SIGNAL_BANDS.index(row.signal) > 0 or row.coverage in COVERAGE_BANDS[2:]:
            reached = facts.coverage >= COVERAGE_BANDS.index(row.coverage)
            calls |= (signal >= SIGNAL_BANDS.index(row.signal)) & reached & may
    return calls


@dataclass(frozen=True)
class Run:
    """What stands around the accounts of one as_of: people's acts, owners' rooms, and why demotions are held, if so."""

    policy: Policy
    as_of: np.datetime64
    overrides: Overrides
    rooms: Rooms | None
    held_because: str = ""


def stand(facts: Facts, prior: Prior, gates: Gates, run: Run) -> Standing:
    """Where an account stands after time: the floors of time-in-tier, the surge on top, overrides, and capacity.

    Where demotions are held, no account that is in the cohort and not suppressed falls below its prior state: the tier
    held is a floor under the surge, the tier itself one before capacity, which it then takes first.
    """
    policy = run.policy
    floor = floors(facts, prior, policy, run.as_of)
    clock = surge_clock(facts, prior, policy.surge, run.as_of)
    ceiling, earned = _ceiling(facts), np.maximum(gates.level, np.maximum(floor.margin, floor.stay))
    limited = np.where(floor.barred, np.minimum(earned, np.maximum(prior.unlifted, 0)), earned)
    kept = np.where(gates.open, np.minimum(limited, ceiling), gates.level)
    asked, wanted = run.overrides.level != NONE, np.minimum(run.overrides.level, ceiling)
    overridden = asked & facts.eligible & (gates.row != "low_fit")

    def lifted(standing: Ints) -> Ints:
        higher = np.minimum(lift(standing, gates.fit, facts, policy), np.maximum(ceiling, standing))
        return np.where(gates.open & clock.in_force & ~overridden, higher, standing)

    def placed(levels: Ints, first: Ints) -> Placed:
        first = np.where(overridden, np.maximum(first, wanted), first)
        return apply_capacity(np.where(overridden, wanted, levels), facts, first, policy, run.rooms)

    surge = clock.in_force & (lift(kept, gates.fit, facts, policy) > ceiling)
    unheld = placed(lifted(kept), floor.stay)
    shared = {
        "floors": floor,
        "clock": clock,
        "kept": kept,
        "capped": gates.capped | (gates.open & ((earned > ceiling) | surge)),
        "asked": asked,
        "overridden": overridden,
        "barred": gates.open & floor.barred & (limited < earned) & ~overridden,
        "unheld": unheld.levels,
    }
    unlifted, high, final = kept, lifted(kept), unheld
    if run.held_because:
        was = np.where(np.isnat(prior.override_until), prior.level, prior.held)
        held, before = (np.where(facts.eligible, np.maximum(levels, 0), 0) for levels in (prior.held, was))
        unlifted = np.where(facts.eligible, np.maximum(kept, held), kept)
        high = np.where(facts.eligible, np.maximum(lifted(unlifted), before), unlifted)
        final = placed(high, np.maximum(floor.stay, before))
    return Standing(
        **shared,
        unlifted=unlifted,
        lifted=np.where(overridden, wanted, high),
        final=final.levels,
        by_owner=final.by_owner,
        surging=lifted(unlifted) > unlifted,
    )
