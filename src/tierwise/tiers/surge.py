"""Surge: one short lift of one tier for an account whose own activity jumped, validated by breadth, and expiring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tierwise.config.policy import COVERAGE_BANDS, FIT_BANDS, Policy, Surge
from tierwise.tiers.bands import LEVELS, Flags, Instants, Ints
from tierwise.tiers.inputs import Facts, Prior


@dataclass(frozen=True)
class SurgeClock:
    """Where each account's surge stands on the as_of, before it is asked whether a lift would change anything."""

    carried: Flags
    """Began earlier and has not ended."""
    ready: Flags
    """Validated now, none carried and no cool-down: it begins if it lifts."""
    narrow: Flags
    """Jumped now and would be ready, but breadth is missing."""
    cooling: Flags
    """Validated now, and stopped by the cool-down."""
    until: Instants
    """End of the surge carried; NaT without one."""
    ended: Instants
    """When the last surge ended; NaT if none has."""

    @property
    def in_force(self) -> Flags:
        """Whether a lift is granted where there is something to lift."""
        return self.carried | self.ready


def jumped(facts: Facts, surge: Surge) -> Flags:
    """Whether the last 7 days hold enough activities, and `ratio` times the weekly mean before; missing counts no."""
    enough = facts.signals_7d >= surge.least_activities
    return enough & (facts.signals_7d >= surge.ratio * facts.prior_weekly)


def broad(facts: Facts, surge: Surge) -> Flags:
    """Whether enough contacts, or enough channels, took part in the last 7 days."""
    return (facts.contacts_7d >= surge.least_contacts) | (facts.channels_7d >= surge.least_channels)


def surge_clock(facts: Facts, prior: Prior, surge: Surge | None, as_of: np.datetime64) -> SurgeClock:
    """Where each surge stands: it is over once `surge_until <= as_of`, and cools down for `cool_down_days` after."""
    nat = np.datetime64("NaT", "us")
    known = ~np.isnat(prior.surge_until)
    carried = known & (prior.surge_until > as_of) & (surge is not None)
    ended = np.where(known & ~carried, np.minimum(prior.surge_until, as_of), prior.surge_ended)
    until = np.where(carried, prior.surge_until, nat)
    if surge is None:
        nothing = np.zeros(len(carried), dtype=bool)
        return SurgeClock(nothing, nothing, nothing, nothing, until, ended)
    jump, breadth = jumped(facts, surge), broad(facts, surge)
    cool = ~np.isnat(ended) & (ended + np.timedelta64(surge.cool_down_days, "D") > as_of)
    free = jump & ~carried & ~cool
    return SurgeClock(carried, free & breadth, free & ~breadth, jump & breadth & ~carried & cool, until, ended)


def lift(standing: Ints, fit: Ints, facts: Facts, policy: Policy) -> Ints:
    """The tier one above `standing`, where a surge may lift into it; else `standing`.

    A surge stands in for signal, and so for the account score, never for fit or coverage: into tier_1 only where a
    tier_1 row asks for no more fit and coverage than there is. Into tier_2 and tier_3 wherever the policy has such a
    tier at all.
    """
    top = np.zeros(standing.shape, dtype=bool)
    for row, may in zip(policy.rows, facts.open_to, strict=True):
        if row.tier == "tier_1":
            reached = facts.coverage >= COVERAGE_BANDS.index(row.coverage)
            top |= (fit >= FIT_BANDS.index(row.fit)) & reached & may
    tiers = {LEVELS[r.tier] for r in policy.rows}
    target = standing + 1
    granted = (target == LEVELS["tier_1"]) & top
    for level in (LEVELS["tier_2"], LEVELS["tier_3"]):
        granted |= (target == level) & (level in tiers)
    return np.where(granted, target, standing)
