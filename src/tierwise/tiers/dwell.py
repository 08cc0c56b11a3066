"""Time-in-tier (a lower threshold to stay than to enter, a minimum stay, a calendar), and capacity, after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tierwise.config.policy import Policy
from tierwise.tiers.acts import Rooms
from tierwise.tiers.bands import LEVELS, Flags, Instants, Ints, fit_codes, match_rows, row_levels, scored, signal_codes
from tierwise.tiers.calendar import waits
from tierwise.tiers.inputs import AT_ONCE, Facts, Prior


@dataclass(frozen=True)
class Floors:
    """What time-in-tier and the calendar keep: the level below which thresholds do not let an account fall."""

    margin: Ints
    """By the lower thresholds to stay."""
    stay: Ints
    """By the minimum stay or the calendar: the tier held, while inside the one or waiting for the other."""
    until: Instants
    """When the minimum stay ends; NaT where no tier is held."""
    inside: Flags
    """Whether the account stands inside its minimum stay."""
    barred: Flags
    """Whether it was promoted or demoted by rows so lately that it is not promoted."""


def floors(facts: Facts, prior: Prior, policy: Policy, as_of: np.datetime64) -> Floors:
    """The floors of each account that already holds a tier (`held`, so without a surge's lift).

    The clock of the stay runs from `held_since`: when the account came to stand in the tier held. Stay thresholds are
    the entry cuts of fit, signal and account score less `stay_margin` points; they keep the tier held, or as
    much of it as they reach.
    """
    rule = policy.time_in_tier
    first = match_rows(
        policy.rows,
        fit_codes(facts.fit, facts.cuts, rule.stay_margin),
        signal_codes(facts.signal, facts.cuts, rule.stay_margin),
        facts.coverage,
        scored(policy.rows, facts.score, facts.open_to, rule.stay_margin),
    )
    held = np.maximum(prior.held, LEVELS["recycle"])
    until = prior.held_since + np.timedelta64(rule.minimum_stay_days, "D")
    until = np.where(held > 0, until, np.datetime64("NaT", "us"))
    inside = ~np.isnat(until) & (until > as_of)
    waiting = (held > 0) & waits(policy.calendar, prior.as_of, as_of)
    return Floors(
        margin=np.minimum(held, row_levels(policy.rows)[first]),
        stay=np.where(inside | waiting, held, 0),
        until=until,
        inside=inside,
        barred=window_end(prior, policy) > as_of,
    )


def window_end(prior: Prior, policy: Policy) -> Instants:
    """From when on each account may be promoted by rows again; NaT where its last move bars none."""
    end = prior.moved_at + np.timedelta64(policy.time_in_tier.promotion_window_days, "D")
    return np.where((prior.held >= 0) & ~np.isin(prior.row, AT_ONCE), end, np.datetime64("NaT", "us"))


@dataclass(frozen=True)
class Placed:
    """Levels under capacity, and whom their owner's, not the tier's, displaced last."""

    levels: Ints
    by_owner: Flags


def apply_capacity(levels: Ints, facts: Facts, kept: Ints, policy: Policy, rooms: Rooms | None) -> Placed:
    """The levels once each tier holds no more than its capacity; who is displaced stands one tier lower.

    Accounts inside their minimum stay, and those that a person has set (`kept` is their tier, else 0), take capacity
    first and are not displaced from it, so a tier holds more than its capacity only while more accounts than that are
    so kept in it. The others are ranked by propensity, highest first, then by account_id; where propensity is null, by
    fit_score + signal_score. An owner's (territory's, team's) capacity is applied before the tier's.
    """
    out, by_owner = levels.copy(), np.zeros(levels.shape, dtype=bool)
    if rooms is None and not policy.capacity:
        return Placed(out, by_owner)
    order = _ranked(facts)
    for tier in ("tier_1", "tier_2"):
        level = LEVELS[tier]
        if rooms is not None:
            safe = (out == level) & (kept >= level)
            waiting = order[((out == level) & ~safe)[order]]
            full = waiting[_beyond(waiting, safe, rooms, tier)]
            out[full] = level - 1
            by_owner[full] = True
        room = policy.capacity.get(tier)  # type: ignore[call-overload]
        if room is not None:
            safe = (out == level) & (kept >= level)
            others = order[((out == level) & ~safe)[order]]
            displaced = others[max(room - int(safe.sum()), 0) :]
            out[displaced] = level - 1
            by_owner[displaced] = False
    return Placed(out, by_owner)


def _ranked(facts: Facts) -> Ints:
    """Places of the accounts, those first that take capacity first."""
    null = np.isnan(facts.propensity)
    scores = np.where(null, np.nan_to_num(facts.fit) + np.nan_to_num(facts.signal), 0.0)
    return np.lexsort((np.arange(len(null)), -scores, -np.where(null, -1.0, facts.propensity)))


def _beyond(waiting: Ints, safe: Flags, rooms: Rooms, tier: str) -> Flags:
    """Of accounts in order of rank, whose group is full before their turn."""
    group = rooms.group[waiting]
    room = np.append(rooms.capacity[tier], np.inf)
    taken = np.bincount(rooms.group[safe] + 1, minlength=len(room))
    turn = pd.Series(group).groupby(group).cumcount().to_numpy()
    return np.asarray((group >= 0) & (turn >= (room[group] - taken[group + 1])), dtype=bool)
