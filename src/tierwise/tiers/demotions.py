"""What lowered an account: the end of a surge or of a stay, another policy, or what fell since the prior state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tierwise.config.policy import Policy
from tierwise.tiers.bands import (
    LEVELS,
    Flags,
    Floats,
    Instants,
    Ints,
    Words,
    fit_codes,
    match_rows,
    row_levels,
    signal_codes,
)
from tierwise.tiers.inputs import Facts, Prior
from tierwise.tiers.steps import Gates, Standing


@dataclass(frozen=True)
class Demotion:
    """What the words may say of accounts that moved down; nothing is set for the others."""

    surge_end: Instants
    """When the surge ended whose end lowered it; NaT otherwise."""
    stay_end: Instants
    """When the minimum stay ended that alone had kept it; NaT otherwise."""
    override_end: Instants
    """Until when a person's override held it up that is no longer in force; NaT otherwise."""
    by_policy: Flags
    """The policy changed, and nothing fell."""
    fit: Flags
    signal: Flags
    coverage: Flags
    """Whether it fell by a band (an entry cut or a stay cut crossed) since the prior state, which knows it."""
    fit_was: Floats
    signal_was: Floats
    coverage_was: Ints


def demotion(
    facts: Facts,
    prior: Prior,
    gates: Gates,
    standing: Standing,
    moves: Words,
    causes: Words,
    policy: Policy,
    stay_over: Flags,
) -> Demotion:
    """What lowered each account with a movement `down`. stay_over: whose minimum stay ended (`stay_ended`).

    Only where thresholds or a surge's end did: suppression and staleness speak for themselves, and so does capacity,
    where the account earned no less than before.
    """
    earned_less = (moves == "down") & (standing.lifted < prior.level)
    let_go = earned_less & ~np.isnat(prior.override_until) & ~standing.asked
    earned_less &= ~let_go & ~standing.overridden
    by_rows = earned_less & gates.open
    on_its_day = standing.clock.ended == prior.surge_until
    ended = by_rows & (prior.level > prior.held) & ~standing.clock.carried & (on_its_day | (causes != "policy"))
    ground = ended & (standing.unlifted >= prior.held)
    asked = (by_rows & ~ground) | (earned_less & (gates.row == "low_fit"))
    fit = asked & _fit_fell(prior, facts, policy)
    signal = asked & _signal_fell(prior, facts, policy)
    coverage = by_rows & asked & (prior.coverage > facts.coverage)
    by_policy = by_rows & ~ended & (causes == "policy") & ~fit & ~signal & ~coverage
    over = by_rows & ~ended & (causes != "policy") & stay_over
    nat = np.datetime64("NaT", "us")
    return Demotion(
        surge_end=np.where(ended, standing.clock.ended, nat),
        stay_end=np.where(over, standing.floors.until, nat),
        override_end=np.where(let_go, prior.override_until, nat),
        by_policy=by_policy,
        fit=fit,
        signal=signal,
        coverage=coverage,
        fit_was=prior.fit_score,
        signal_was=prior.signal_score,
        coverage_was=prior.coverage,
    )


def _fit_fell(prior: Prior, facts: Facts, policy: Policy) -> Flags:
    fell = np.zeros(len(facts.fit), dtype=bool)
    for margin in (0.0, policy.time_in_tier.stay_margin):
        fell |= fit_codes(prior.fit_score, facts.cuts, margin) > fit_codes(facts.fit, facts.cuts, margin)
    return fell & ~facts.fit_unknown


def _signal_fell(prior: Prior, facts: Facts, policy: Policy) -> Flags:
    fell = np.zeros(len(facts.signal), dtype=bool)
    for margin in (0.0, policy.time_in_tier.stay_margin):
        was = signal_codes(prior.signal_score, facts.cuts, margin)
        fell |= was > signal_codes(facts.signal, facts.cuts, margin)
    return fell


def stay_ended(prior: Prior, standing: Standing, kept: Ints) -> Flags:
    """Whether the minimum stay that alone had kept an account in the tier it held ended since the prior state.

    kept: how much of that tier the old scores keep (`kept_by_old_scores`).
    """
    ended = (standing.floors.until > prior.as_of) & ~standing.floors.inside
    return np.asarray(ended & (kept < prior.held), dtype=bool)


def kept_by_old_scores(facts: Facts, prior: Prior, policy: Policy) -> Ints:
    """How much of the tier held the prior state's own scores keep; all of it where it does not know them, or where a
    row asks for a least value, which no state knows."""
    held = np.maximum(prior.held, LEVELS["recycle"])
    if any(row.least for row in policy.rows):
        return held
    margin = policy.time_in_tier.stay_margin
    first = match_rows(
        policy.rows,
        fit_codes(prior.fit_score, facts.cuts, margin),
        signal_codes(prior.signal_score, facts.cuts, margin),
        prior.coverage,
        facts.open_to,
    )
    known = ~np.isnan(prior.fit_score) & ~np.isnan(prior.signal_score) & (prior.coverage >= 0)
    return np.where(known, np.minimum(held, row_levels(policy.rows)[first]), held)
