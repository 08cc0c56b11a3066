"""The rows that a tuned policy may have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tierwise.config.policy import TIERS, Policy, TierRow
from tierwise.tiers.bands import SCORE

BY_SCORE = "growth_score"
"""The row of tier_2 that asks for a least account score."""
TOP = 99.5
"""The highest cut that is tried."""


def shapes(policy: Policy) -> tuple[tuple[TierRow, ...], ...]:
    """The rows as they are, and as they might be in tier_2; those of tier_3 are as they are in each.

    One row of tier_2 may stand for all, which asks for a least account score, fit and signal together, and tier_1's
    then ask for a higher one besides what they ask for: the last shape. Else rows of tier_2 that ask for no signal, as
    where a buying group is reached in part, may go; and a row may be added for accounts of the least fit and a high
    signal, which a fit cut alone keeps out.
    """
    rows, floor = policy.rows, policy.minimum_fit
    silent = [r for r in rows if r.tier == "tier_2" and r.signal == "none" and not by_score(r)]
    bare = tuple(r for r in rows if r not in silent)
    name = "growth_high_signal"
    wide = TierRow(row=name, tier="tier_2", fit=floor, signal="high")
    found = [rows, bare] if silent else [rows]
    if not any(r.row == name or _names_as_much(r, wide) for r in rows):
        found += [_with_row(shape, wide) for shape in found]
    found = [shape for shape in found if any(r.tier == "tier_2" for r in shape) or shape is rows]
    if any(r.row == BY_SCORE or by_score(r) for r in rows):
        return tuple(found)
    both = TierRow(row=BY_SCORE, tier="tier_2", fit=floor, least={SCORE: TOP})
    first = [r.model_copy(update={"least": {SCORE: TOP, **r.least}}) for r in rows if r.tier == "tier_1"]
    return (*found, (*first, both, *(r for r in rows if r.tier == "tier_3")))


def by_score(row: TierRow) -> bool:
    """Whether a row is one of tier_2 that asks for a least account score."""
    return row.tier == "tier_2" and SCORE in row.least


def asking(rows: Sequence[TierRow], scores: Mapping[str, float]) -> tuple[TierRow, ...]:
    """The rows with other least account scores, by tier, where they ask for one."""
    return tuple(
        r.model_copy(update={"least": {**r.least, SCORE: scores[r.tier]}})
        if SCORE in r.least and r.tier in scores
        else r
        for r in rows
    )


def _names_as_much(row: TierRow, other: TierRow) -> bool:
    """Whether a row names all accounts that another one of its tier does."""
    asks = zip(row.asks(), other.asks(), strict=True)
    return row.tier == other.tier and not row.least and not row.verticals and all(a <= b for a, b in asks)


def _with_row(rows: tuple[TierRow, ...], more: TierRow) -> tuple[TierRow, ...]:
    """The rows with one more, last of its tier."""
    place = sum(TIERS.index(r.tier) <= TIERS.index(more.tier) for r in rows)
    return (*rows[:place], more, *rows[place:])
