"""The steps of `decide`: gates (suppression to tier rows), then surge, time-in-tier and capacity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tierwise.config.policy import COVERAGE_BANDS, FIT_BANDS, SIGNAL_BANDS, Policy
from tierwise.tiers.bands import LEVELS, Flags, Floats, Ints, Words, fit_codes, match_rows, row_levels, signal_codes
from tierwise.tiers.dwell import Floors, apply_capacity, floors
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
    fit, signal = fit_codes(facts.fit, policy.bands), signal_codes(facts.signal, policy.bands)
    low = facts.eligible & (fit < FIT_BANDS.index(policy.minimum_fit)) & ~facts.fit_unknown
    stale = facts.eligible & ~low & _is_stale(facts.days, policy)
    open_ = facts.eligible & ~low & ~stale
    first = match_rows(policy.rows, fit, signal, facts.coverage)
    named = row_levels(policy.rows)
    level = np.where(open_, np.minimum(named[first], _ceiling(facts)), LEVELS["recycle"])
    higher = named[match_rows(policy.rows, np.full(fit.shape, len(FIT_BANDS)), signal, facts.coverage)]
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
        stopped_by_fit=low & _signals_call(signal, facts.coverage, policy),
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


def _signals_call(signal: Ints, coverage: Ints, policy: Policy) -> Flags:
    """Whether, with fit considered high, a row matches that asks for a signal, or for a role reached."""
    asking = [r for r in policy.rows if SIGNAL_BANDS.index(r.signal) > 0 or r.coverage in COVERAGE_BANDS[2:]]
    return match_rows(asking, np.full(signal.shape, len(FIT_BANDS)), signal, coverage) < len(asking)


def stand(
    facts: Facts, prior: Prior, gates: Gates, policy: Policy, now: np.datetime64, hold_demotions: bool
) -> Standing:
    """Where an account stands after time: the floors of time-in-tier, the surge on top of them, and capacity.

    Where demotions are held, no account that is in the cohort and not suppressed falls below its prior state: the tier
    held is a floor under the surge, the tier itself one before capacity, which it then takes first.
    """
    floor = floors(facts, prior, policy, now)
    clock = surge_clock(facts, prior, policy.surge, now)
    ceiling, earned = _ceiling(facts), np.maximum(gates.level, np.maximum(floor.margin, floor.stay))
    kept = np.where(gates.open, np.minimum(earned, ceiling), gates.level)

    def lifted(standing: Ints) -> Ints:
        higher = np.minimum(lift(standing, gates.fit, facts.coverage, policy), np.maximum(ceiling, standing))
        return np.where(gates.open & clock.in_force, higher, standing)

    surge = clock.in_force & (lift(kept, gates.fit, facts.coverage, policy) > ceiling)
    capped = gates.capped | (gates.open & ((earned > ceiling) | surge))
    unheld = apply_capacity(lifted(kept), facts, floor.stay, policy)
    if not hold_demotions:
        return Standing(floor, clock, kept, kept, lifted(kept), unheld, unheld, lifted(kept) > kept, capped)
    held = np.where(facts.eligible, np.maximum(prior.held, 0), 0)
    before = np.where(facts.eligible, np.maximum(prior.level, 0), 0)
    unlifted = np.where(facts.eligible, np.maximum(kept, held), kept)
    surging = lifted(unlifted) > unlifted
    high = np.where(facts.eligible, np.maximum(lifted(unlifted), before), unlifted)
    final = apply_capacity(high, facts, np.maximum(floor.stay, before), policy)
    return Standing(floor, clock, kept, unlifted, high, final, unheld, surging, capped)
