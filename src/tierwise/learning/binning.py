"""Bins: numbers cut at training quantiles, categories by level, what is missing apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from tierwise.learning.encoding import Encoder, Floats

Codes = npt.NDArray[np.intp]

MISSING = 0
TAIL = (0.95, 0.99)
"""Quantiles that are always cut: most signals are zero for most accounts."""
NOWHERE: Mapping[str, Sequence[float]] = MappingProxyType({})


@dataclass(frozen=True)
class Bins:
    """One feature's bins.

    edges: of a number, rising; bin k, from 0, holds `edges[k - 1] <= x < edges[k]`. levels: how many codes a category
    has; its bins are the encoder's codes. The code of bin k is k + 1. missing: whether a missing value has a bin of its
    own. middle: the bin that a missing number stands beside.
    """

    edges: tuple[float, ...]
    levels: int
    missing: bool
    middle: int

    @property
    def n(self) -> int:
        """How many bins there are, that of missing values apart."""
        return self.levels or len(self.edges) + 1

    def codes(self, x: Floats) -> Codes:
        """The code of each value; MISSING where it is missing."""
        found = np.nan_to_num(x) if self.levels else np.searchsorted(self.edges, x, side="right")
        return np.where(np.isnan(x), MISSING, found + 1).astype(np.intp)


def learn_bins(
    encoded: Floats, encoder: Encoder, bins: int, also: Mapping[str, Sequence[float]] = NOWHERE
) -> tuple[Bins, ...]:
    """The bins that training rows call for: `bins` of about equal size, fewer where values repeat.

    What stands beyond the greatest number has a bin of its own. also: by feature, further edges.
    """
    found = []
    for j, feature in enumerate(encoder.features):
        x = encoded[:, j]
        known = np.sort(x[~np.isnan(x)])
        missing = len(known) < len(x)
        if feature.kind == "category":
            found.append(Bins((), len(encoder.levels[feature.name]) + 1, missing, 0))
            continue
        beyond = encoder.fills[feature.name] if feature.missing == "beyond" else np.inf
        more = [edge for edge in also.get(feature.name, ()) if edge < beyond]
        edges = tuple(sorted({*_edges(known[known < beyond], bins), *more}))
        if len(known) and known[0] < beyond <= known[-1]:
            edges = (*edges, beyond)
        middle = int(np.searchsorted(edges, known[len(known) // 2], side="right")) if len(known) else 0
        found.append(Bins(edges, 0, missing, middle))
    return tuple(found)


def _edges(known: Floats, bins: int) -> tuple[float, ...]:
    """Rising edges, each a value that occurs: the quantiles of the sorted values, or all of few values."""
    if not len(known):
        return ()
    distinct = np.unique(known)
    if len(distinct) <= bins:
        return tuple(distinct[1:].tolist())
    shares = np.union1d(np.arange(1, bins) / bins, TAIL)
    cut = np.unique(known[np.minimum((shares * len(known)).astype(np.int64), len(known) - 1)])
    return tuple(cut[cut > distinct[0]].tolist())


def codes_of(encoded: Floats, bins: Sequence[Bins]) -> Codes:
    """Features x rows: the code of every value."""
    return np.stack([b.codes(encoded[:, j]) for j, b in enumerate(bins)])
