"""How far an account is from the next tier: the row that asks for the least more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tierwise.config.policy import COVERAGE_BANDS, FIT_BANDS, SIGNAL_BANDS, Policy
from tierwise.tiers.bands import LEVELS, SCORE, Floats, Ints
from tierwise.tiers.inputs import Facts

_A_ROLE = 25.0
"""A band of coverage weighs as much as so many points of signal, where rows are compared by what they ask for."""
_A_FIT_POINT = 3.0
"""And a point of fit as much as so many: nothing that people do changes who an account is."""


@dataclass(frozen=True)
class Margin:
    """What each account lacks of the next tier it can reach; zeros where it lacks nothing, or no tier is left."""

    next_level: Ints
    """-1 where there is no next tier: it stands in the highest, or rows do not decide where it stands."""
    fit: Floats
    signal: Floats
    score: Floats
    """Points of the score."""
    coverage: Ints
    """The band that is asked for; -1 where it is reached."""


def margin(facts: Facts, final: Ints, policy: Policy) -> Margin:
    """What the nearest row of the next tier above `final` asks for and an account does not have.

    Of a tier's rows that may name the account at all, the one counts that asks for the least, a point of fit counted
    as three of signal, one of the account score as one, and each further role (from none reached or known to one, from
    one to the whole group) as 25. Below the minimum fit, the points up to it are asked for by every row. Where roles
    are known, and none was reached, one must be: nobody makes them unknown.
    """
    n = len(final)
    best, level = np.full(n, np.inf), np.full(n, -1, dtype=np.int64)
    fit, signal, score, coverage = np.zeros(n), np.zeros(n), np.zeros(n), np.full(n, -1, dtype=np.int64)
    least = FIT_BANDS.index(policy.minimum_fit)
    unknown = COVERAGE_BANDS.index("unknown")
    reached = np.maximum(facts.coverage, unknown)
    for row, may in zip(policy.rows, facts.open_to, strict=True):
        at = LEVELS[row.tier]
        lacks_fit = _points(facts.fit, facts.cuts.fit, max(FIT_BANDS.index(row.fit), least))
        lacks_signal = _points(facts.signal, facts.cuts.signal, SIGNAL_BANDS.index(row.signal))
        lacks_score = np.maximum(row.least.get(SCORE, 0.0) - np.nan_to_num(facts.score), 0.0)
        wanted = COVERAGE_BANDS.index(row.coverage)
        asked = wanted if wanted != unknown else COVERAGE_BANDS.index("partial")
        bands = np.where(facts.coverage >= wanted, 0, asked - reached)
        asks = _A_FIT_POINT * lacks_fit + lacks_signal + lacks_score + _A_ROLE * bands
        nearer = facts.eligible & may & (final >= 0) & (at > final)
        nearer &= (level < 0) | (at < level) | ((at == level) & (asks < best))
        best, level = np.where(nearer, asks, best), np.where(nearer, at, level)
        fit, signal = np.where(nearer, lacks_fit, fit), np.where(nearer, lacks_signal, signal)
        score = np.where(nearer, lacks_score, score)
        coverage = np.where(nearer, np.where(bands > 0, asked, -1), coverage)
    return Margin(level, fit, signal, score, coverage)


def _points(scores: Floats, cuts: tuple[Floats, ...], band: int) -> Floats:
    if band == 0:
        return np.zeros(len(scores))
    short: Floats = np.maximum(cuts[band - 1] - np.nan_to_num(scores), 0.0)
    return short
