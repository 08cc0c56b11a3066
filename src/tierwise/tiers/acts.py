"""People's overrides in force, and how many accounts owners can work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tierwise.config.policy import OwnerCapacity, Policy
from tierwise.errors import UsageError
from tierwise.tiers.bands import LEVELS, NONE, Flags, Floats, Instants, Ints, Words
from tierwise.tiers.inputs import aligned, codes, columns, instants, text
from tierwise.tiers.segments import numbers

OVERRIDE_COLUMNS = ("account_id", "tier", "reason", "author", "made_at", "expires_at")
OWNER_COLUMNS = ("owner_id", "territory", "team", "capacity_tier_1", "capacity_tier_2")
_MAY = {tier: LEVELS[tier] for tier in ("tier_1", "tier_2", "tier_3", "recycle")}


@dataclass(frozen=True)
class Overrides:
    """The override in force of each account; level NONE where there is none."""

    level: Ints
    until: Instants
    reason: Words
    author: Words


def read_overrides(acts: pd.DataFrame | None, account_id: Words, as_of: np.datetime64) -> Overrides:
    """The newest override of each account that was made before the as_of and has not expired by it.

    Raises
    ------
    UsageError : a column is missing, or a tier that nobody can set.
    """
    n = len(account_id)
    if acts is None or not len(acts):
        blank: Words = np.full(n, "", dtype=object)
        return Overrides(np.full(n, NONE), np.full(n, np.datetime64("NaT", "us")), blank, blank)
    columns(acts, OVERRIDE_COLUMNS, "overrides")
    made, expires = instants(acts["made_at"]), instants(acts["expires_at"])
    live = acts.assign(made_at=made)[(made < as_of) & (expires > as_of)]
    newest = live.sort_values("made_at", kind="stable").drop_duplicates("account_id", keep="last")
    frame = aligned(newest, account_id)
    level = codes(frame["tier"], _MAY, NONE, "tier of an override")
    return Overrides(level, instants(frame["expires_at"]), text(frame["reason"]), text(frame["author"]))


@dataclass(frozen=True)
class Rooms:
    """Who shares a capacity: each account's owner, territory or team, and what that can work in a tier."""

    group: Ints
    """-1 where there is none: room for all."""
    capacity: dict[str, Floats]
    """By tier, of each group; infinite where none is said."""


def read_owners(owners: pd.DataFrame | None, owner_id: Words, as_of: np.datetime64, policy: Policy) -> Rooms | None:
    """The owners' capacities, as the policy reads them; None where it does not.

    An owner is active from `active_from` to `active_to` (where known). Those that are not add nothing to their
    territory or team, and accounts of theirs wait for nobody: they count as without an owner. An owner of accounts who
    is not among the owners has the policy's number, and no territory or team.

    Raises
    ------
    UsageError : the policy reads owners' capacity, and no owners or not all their columns were given, or one twice.
    """
    rule = policy.owner_capacity
    if rule is None:
        return None
    if owners is None or owners.empty:
        raise UsageError(
            "the policy reads owner_capacity",
            found="no owners were given",
            do="Give the table owners, or take owner_capacity out of policy.yaml",
        )
    columns(owners, OWNER_COLUMNS, "owners")
    if owners["owner_id"].duplicated().any():
        twice = str(owners.loc[owners["owner_id"].duplicated(), "owner_id"].min())
        raise UsageError(f"owner {twice} stands twice among the owners", do="Keep one row an owner")
    shared = text(owners["owner_id" if rule.by == "owner" else rule.by])
    active = _active(owners, as_of)
    group, distinct = pd.factorize(shared)
    group = np.where(shared == "", -1, group)
    capacity = {tier: _added(owners, group, len(distinct), active, tier, rule) for tier in ("tier_1", "tier_2")}
    if rule.by == "owner":
        group = np.where(active, group, -1)
    place = pd.Index(text(owners["owner_id"]), dtype=object).get_indexer(pd.Index(owner_id, dtype=object))
    mine = np.where(place < 0, -1, np.append(group, -1)[place]).astype(np.int64)
    if rule.by == "owner":
        unlisted = (place < 0) & (owner_id != "")
        further, others = pd.factorize(owner_id[unlisted])
        mine[unlisted] = len(distinct) + further
        capacity = {t: np.append(room, np.full(len(others), _room(rule, t))) for t, room in capacity.items()}
    return Rooms(mine, capacity)


def _room(rule: OwnerCapacity, tier: str) -> float:
    """How many accounts of a tier the policy gives whoever says no number; infinite where it gives none either."""
    said = rule.of(tier)
    return np.inf if said is None else float(said)


def _active(table: pd.DataFrame, as_of: np.datetime64) -> Flags:
    active = np.ones(len(table), dtype=bool)
    if "active_from" in table.columns:
        active &= ~(instants(table["active_from"]) > as_of)
    if "active_to" in table.columns:
        active &= ~(instants(table["active_to"]) <= as_of)
    return active


def _added(
    table: pd.DataFrame,
    group: Ints,
    groups: int,
    active: Flags,
    tier: str,
    rule: OwnerCapacity,
) -> Floats:
    own = numbers(table[f"capacity_{tier}"])
    own = np.where(np.isnan(own), _room(rule, tier), own)
    inside = group >= 0
    counted = np.where(active, own, 0.0)[inside]
    return np.bincount(group[inside], weights=counted, minlength=groups).astype(np.float64)
