"""The rows that a tuned policy may have."""

from __future__ import annotations

from collections.abc import Sequence

from tierwise.config.policy import TIERS, Policy, TierRow
from tierwise.tiers.bands import SCORE

BY_SCORE = "growth_score"
"""The row of tier_2 that asks for a least account score."""
TOP = 99.5
"""The highest cut that is tried."""


def shapes(policy: Policy) -> tuple[tuple[TierRow, ...], ...]:
    """The rows as they are, and as they might be; those of tier_3 are as they are in each.

    One row of tier_2 may stand for all, which asks for a least account score, fit and signal together, and tier_1's
    then ask for a higher one besides what they ask for. Not where people have segments, strategic verticals or least
    values of their own, which a score for all would pass over. There, rows of tier_2 that ask for no signal, as where a
    buying group is reached in part, may go; and a row may be added for accounts of the least fit and a high signal,
    which a fit cut alone keeps out.
    """
    rows = policy.rows
    own = policy.segments or policy.verticals or any(r.least for r in rows if r.tier != "tier_3")
    if own or any(r.row == BY_SCORE for r in rows):
        return _banded(policy)
    both = TierRow(row=BY_SCORE, tier="tier_2", fit=policy.minimum_fit, least={SCORE: TOP})
    first = [r.model_copy(update={"least": {SCORE: TOP}}) for r in rows if r.tier == "tier_1"]
    return rows, (*first, both, *(r for r in rows if r.tier == "tier_3"))


def _banded(policy: Policy) -> tuple[tuple[TierRow, ...], ...]:
    rows, name = policy.rows, "growth_high_signal"
    silent = [r for r in rows if r.tier == "tier_2" and r.signal == "none" and not (r.least or r.verticals)]
    found = [rows, tuple(r for r in rows if r not in silent)] if silent else [rows]
    wide = TierRow(row=name, tier="tier_2", fit=policy.minimum_fit, signal="high")
    if not any(r.row == name or _names_as_much(r, wide) for r in rows):
        found += [_with_row(shape, wide) for shape in found]
    return tuple(shape for shape in found if any(r.tier == "tier_2" for r in shape) or shape is rows)


def by_score(row: TierRow) -> bool:
    """Whether a row is one of tier_2 that asks for a least account score."""
    return row.tier == "tier_2" and SCORE in row.least


def asking(rows: Sequence[TierRow], leading: float, score: float) -> tuple[TierRow, ...]:
    """The rows with least account scores: `score` where one of tier_2 asks for any, `leading` where `shapes` had one of
    tier_1 ask for the highest; what people ask of tier_1 stays."""
    return tuple(
        r.model_copy(update={"least": {**r.least, SCORE: score if r.tier == "tier_2" else leading}})
        if by_score(r) or (r.tier == "tier_1" and r.least.get(SCORE) == TOP)
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
