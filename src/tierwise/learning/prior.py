"""The hand-made rubric as what a scorecard believes before outcomes have told it better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tierwise.config.icp import IcpPoints
from tierwise.features.feature import Feature
from tierwise.learning.binning import MISSING, Bins
from tierwise.learning.encoding import Encoder, Floats
from tierwise.learning.rubric import ReadLine, read_rubric


def prior_levels(rubric: Sequence[IcpPoints], features: Sequence[Feature]) -> dict[str, tuple[str, ...]]:
    """By category, the levels that the rubric names: they keep a bin of their own, however rare."""
    found: dict[str, tuple[str, ...]] = {}
    for line in read_rubric(rubric, features).lines:
        if line.held == "category":
            name = line.columns[0]
            found[name] = tuple(dict.fromkeys((*found.get(name, ()), *line.line.equals)))
    return found


def prior_edges(rubric: Sequence[IcpPoints], features: Sequence[Feature]) -> dict[str, tuple[float, ...]]:
    """By number and flag, where the rubric's points begin and end, rising."""
    found: dict[str, set[float]] = {}
    for line in read_rubric(rubric, features).lines:
        for name in line.columns if line.held in ("number", "flags") else ():
            found.setdefault(name, set()).update(e for span in _spans(line) for e in span if np.isfinite(e))
    return {name: tuple(sorted(edges)) for name, edges in found.items()}


def prior_tables(rubric: Sequence[IcpPoints], encoder: Encoder, bins: Sequence[Bins]) -> list[Floats]:
    """By feature, the rubric's points for a missing value (none), for bin 0, for bin 1, ...

    Bins must have the rubric's levels and edges. They add up to the rubric's points, but for a line that names several
    members of a set: each brings all of its points.
    """
    lines, tables = read_rubric(rubric, encoder.features).lines, []
    for feature, own in zip(encoder.features, bins, strict=True):
        table = np.zeros(own.n + 1)
        for line in (line for line in lines if feature.name in line.columns):
            table[MISSING + 1 :] += line.line.points * _speaks(line, encoder.levels.get(feature.name, ()), own)
        tables.append(table)
    return tables


def _speaks(line: ReadLine, levels: Sequence[str], bins: Bins) -> Floats:
    """1 for each bin that the line gives its points to, else 0."""
    if bins.levels:
        return np.array([*(level in line.line.equals for level in levels), False], dtype=np.float64)
    least = np.array([-np.inf, *bins.edges])
    spans = [(least >= low) & (least < high) for low, high in _spans(line)]
    return np.asarray(np.any(spans, axis=0), dtype=np.float64)


def _spans(line: ReadLine) -> list[tuple[float, float]]:
    """Of a line about a number or flags, the ranges `[low, high)` that it speaks of."""
    said = line.line
    if line.held == "flags":
        return [(1.0, np.inf)]
    if said.equals:
        return [(float(value), float(np.nextafter(float(value), np.inf))) for value in said.equals]
    return [(-np.inf if said.at_least is None else said.at_least, np.inf if said.below is None else said.below)]


def prior_said(rubric: Sequence[IcpPoints], features: Sequence[Feature], learned: object) -> dict[str, Any]:
    """What became of a prior, as JSON values: lines read, of how many, the log-odds of one point (scale), and words.

    Nothing where no line can be read: then there was none. learned: the estimator that started from it.
    """
    scale = float(getattr(learned, "scale_", 0.0))
    lines, of = len(read_rubric(rubric, features).lines), len(rubric)
    if not lines:
        return {}
    words = (
        f"rubric ({lines} of {of} lines) was its prior, and weighs nothing: outcomes so far do not bear it out"
        if scale <= 0
        else f"rubric ({lines} of {of} lines) is its prior: where outcomes are silent, 10 points of it are worth "
        f"{10 * scale:.3g} in log-odds"
    )
    return {"lines": lines, "of": of, "scale": scale, "words": words}


def provisional_words(accounts: int, wanted: int, prior: Mapping[str, Any]) -> str:
    """Why a model is provisional, and what stands in for the outcomes that are wanting."""
    said = f"the model is provisional, as {accounts} accounts had the outcome and {wanted} are wanted"
    return f"{said}; {prior['words']}" if prior else said
