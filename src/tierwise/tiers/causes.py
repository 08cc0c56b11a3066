"""Movements and their one cause."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tierwise.config.policy import Policy
from tierwise.tiers.bands import LEVELS, NONE, Flags, Ints, Words
from tierwise.tiers.dwell import window_end
from tierwise.tiers.inputs import Facts, Prior


@dataclass(frozen=True)
class Outcome:
    """What the steps of `decide` came to, as levels."""

    final: Ints
    standing: Ints
    """Before capacity."""
    held: Ints
    """Without a surge's lift."""
    row: Words
    fit_band: Ints
    asked: Flags
    """Whether a person's override is in force."""
    overridden: Flags
    """And says where it stands."""
    stay_ended: Flags
    """Whether the minimum stay ended that alone had kept it, and it stands no lower than its scores before would."""
    by_policy: Flags
    """Whether the policy by which the prior state was decided is another, and is not known to name the same tier."""


def movement(prior: Ints, now: Ints) -> Words:
    """`up` and `down` between tiers, `entered` into a tier from a status, `left` from a tier to a status, else `""`.

    An account without prior state has entered if it stands in tier_1, tier_2 or tier_3; that a new account is recycled,
    suppressed or out of the cohort changes nothing.
    """
    lowest = LEVELS["suppress"]
    was, stands = prior >= lowest, now >= lowest
    cases = [
        (prior == NONE) & (now > 0),
        prior == NONE,
        ~was & stands,
        was & ~stands,
        was & stands & (now > prior),
        was & stands & (now < prior),
    ]
    return np.select(cases, ["entered", "", "entered", "left", "up", "down"], "").astype(object)


def cause(
    moved: Flags, now: Outcome, prior: Prior, facts: Facts, policy: Policy, as_of: np.datetime64, model_version: str
) -> Words:
    """The one cause of each movement, the first of these that holds; `""` without a movement.

    1. override: a person's override says where it stands, or one that did is over; data: there is no prior state.
    2. capacity: the standing before capacity is as it was, or capacity alone brought it down.
    3. policy: a negative trigger suppresses it no more, and the policy before had some longer, or some that this one
       has not; ageing: it lapsed; data: any other step into or out of suppression or a status.
    4. policy: it is stale now, and the policy changed; ageing: it is stale now, or its staleness grew older than
       `within_days`.
    5. policy: a surge's lift came or went, and the policy changed; ageing: it went on its day; data: it came; and the
       tier held is as it was.
    6. ageing, where the policy did not change, nor model and version of the policy together: up, by the row that named
       it before, and its promotion window ended; or down, to what its scores before named already, and its minimum
       stay ended: time alone moved it.
    7. model: the version differs from the state's (where both are known).
    8. policy: it changed.
    9. ageing: down, with no signal since the state and no lower fit band: time alone lowered it.
    10. merge: an account was merged into it since the state.
    11. data.

    The policy changed where its version differs from the state's, and the tier is another by the policy of that
    version, or that policy is not known. What capacity or a suppression does is named so, whatever the policy said
    before.
    """
    quiet = _quiet(facts, prior, as_of)
    inside = (prior.level >= 0) & (now.final >= 0)
    down = now.final < prior.level
    new_model = (prior.model_version != "") & (prior.model_version != model_version) & (model_version != "")
    new_policy = now.by_policy
    both = new_model & (prior.policy_version != "") & (prior.policy_version != policy.version())
    was_lifted, lifted = prior.level > prior.held, now.final > now.held
    same_held = now.held == np.maximum(prior.held, 0)
    lapsed = (prior.row == "negative_trigger") & (now.row != "negative_trigger") & (now.row != "excluded")
    stale = now.row == "stale"
    within = np.inf if policy.stale is None else policy.stale.within_days
    cases = [
        (inside & (now.overridden | (~np.isnat(prior.override_until) & ~now.asked)), "override"),
        (prior.level == NONE, "data"),
        (inside & (now.standing == prior.standing), "capacity"),
        (inside & down & (now.final < now.standing) & (now.standing >= prior.level), "capacity"),
        (lapsed & new_policy, "policy"),
        (lapsed, "ageing"),
        (~inside, "data"),
        (stale & new_policy, "policy"),
        (stale, "ageing"),
        ((prior.row == "stale") & (facts.days > within) & ~new_policy, "ageing"),
        (same_held & (was_lifted != lifted) & new_policy, "policy"),
        (same_held & was_lifted & ~lifted & ~(prior.surge_until > as_of), "ageing"),
        (same_held & ~was_lifted & lifted, "data"),
        (inside & ~down & ~new_policy & ~both & (now.row == prior.row) & _window_ended(prior, policy, as_of), "ageing"),
        (inside & down & ~new_policy & ~both & now.stay_ended, "ageing"),
        (new_model, "model"),
        (new_policy, "policy"),
        (down & quiet & (now.fit_band >= prior.fit_band), "ageing"),
        (~np.isnat(facts.merged_at) & (facts.merged_at >= prior.as_of) & (facts.merged_at < as_of), "merge"),
    ]
    found = np.select([c for c, _ in cases], [word for _, word in cases], "data")
    return np.where(moved, found, "").astype(object)


def _elapsed(prior: Prior, as_of: np.datetime64) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return (as_of - prior.as_of) / np.timedelta64(1, "D")


def _window_ended(prior: Prior, policy: Policy, as_of: np.datetime64) -> Flags:
    ends = window_end(prior, policy)
    return (ends > prior.as_of) & (ends <= as_of)


def _quiet(facts: Facts, prior: Prior, as_of: np.datetime64) -> Flags:
    return np.isnan(facts.days) | (facts.days >= _elapsed(prior, as_of))
