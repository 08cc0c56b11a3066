"""What a policy says of every combination of bands: the rows, or the step, that name its tier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from tierwise.config.policy import COVERAGE_BANDS, FIT_BANDS, SIGNAL_BANDS, CoverageBand, FitBand, Policy, SignalBand


@dataclass(frozen=True)
class Combination:
    """An account in its bands, in the cohort, with signals that are not stale; before surge, time and capacity."""

    vertical: str
    """`""` where it is in none."""
    fit: FitBand
    signal: SignalBand
    coverage: CoverageBand
    decided_by: tuple[str, ...]
    """The first of these rows whose least values it has; the last asks for none, or is a step (low_fit, no_match)."""


def combinations(policy: Policy) -> Iterator[Combination]:
    """Every combination of a vertical (or none), fit, signal and coverage, each with what decides it.

    >>> len(list(combinations(Policy())))
    48
    """
    verticals = ("", *policy.vertical_names)
    for vertical, fit, signal, coverage in product(verticals, FIT_BANDS, SIGNAL_BANDS, COVERAGE_BANDS):
        yield Combination(vertical, fit, signal, coverage, _decided_by(policy, vertical, fit, signal, coverage))


def _decided_by(
    policy: Policy, vertical: str, fit: FitBand, signal: SignalBand, coverage: CoverageBand
) -> tuple[str, ...]:
    if FIT_BANDS.index(fit) < FIT_BANDS.index(policy.minimum_fit):
        return ("low_fit",)
    has = (FIT_BANDS.index(fit), SIGNAL_BANDS.index(signal), COVERAGE_BANDS.index(coverage))
    found: list[str] = []
    for row in policy.rows:
        reached = all(need <= band for need, band in zip(row.asks(), has, strict=True))
        if reached and (not row.verticals or vertical in row.verticals):
            found.append(row.row)
            if not row.least:
                return tuple(found)
    return (*found, "no_match")
