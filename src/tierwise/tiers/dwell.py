"""Time-in-tier (a lower threshold to stay than to enter, and a minimum stay), and capacity, after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tierwise.config.policy import Policy
from tierwise.tiers.bands import LEVELS, Flags, Instants, Ints, fit_codes, match_rows, row_levels, signal_codes
from tierwise.tiers.inputs import Facts, Prior


@dataclass(frozen=True)
class Floors:
    """What time-in-tier keeps: the level below which thresholds do not let an account fall."""

    margin: Ints
    """By the lower thresholds to stay."""
    stay: Ints
    """By the minimum stay: the tier held, while inside it."""
    until: Instants
    """When the minimum stay ends; NaT where no tier is held."""

    @property
    def inside(self) -> Flags:
        """Whether the account stands inside its minimum stay."""
        return self.stay > 0


def floors(facts: Facts, prior: Prior, policy: Policy, as_of: np.datetime64) -> Floors:
    """The floors of each account that already holds a tier (`held`, so without a surge's lift).

    The clock of the stay runs from `held_since`: when the account came to stand in the tier held. Stay thresholds are
    the entry cuts of fit and signal less `stay_margin` points; they keep the tier held, or as much of it as they reach.
    """
    margin = policy.time_in_tier.stay_margin
    first = match_rows(
        policy.rows,
        fit_codes(facts.fit, policy.bands, margin),
        signal_codes(facts.signal, policy.bands, margin),
        facts.coverage,
    )
    held = np.maximum(prior.held, LEVELS["recycle"])
    until = prior.held_since + np.timedelta64(policy.time_in_tier.minimum_stay_days, "D")
    until = np.where(held > 0, until, np.datetime64("NaT", "us"))
    inside = ~np.isnat(until) & (until > as_of)
    return Floors(np.minimum(held, row_levels(policy.rows)[first]), np.where(inside, held, 0), until)


def apply_capacity(levels: Ints, facts: Facts, kept: Ints, policy: Policy) -> Ints:
    """The levels once each tier holds no more than its capacity; who is displaced stands one tier lower.

    Accounts inside their minimum stay (`kept` is their tier, else 0) take capacity first and are not displaced from it,
    so a tier holds more than its capacity only while more accounts than that are inside their stay in it. The others
    are ranked by propensity, highest first, then by account_id; where propensity is null, by fit_score + signal_score.
    """
    out = levels.copy()
    null = np.isnan(facts.propensity)
    scores = np.where(null, np.nan_to_num(facts.fit) + np.nan_to_num(facts.signal), 0.0)
    order = np.lexsort((np.arange(len(levels)), -scores, -np.where(null, -1.0, facts.propensity)))
    for tier in ("tier_1", "tier_2"):
        room = policy.capacity.get(tier)  # type: ignore[call-overload]
        if room is None:
            continue
        level = LEVELS[tier]
        safe = (out == level) & (kept >= level)
        others = order[((out == level) & ~safe)[order]]
        out[others[max(room - int(safe.sum()), 0) :]] = level - 1
    return out
