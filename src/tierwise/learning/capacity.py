"""What a team that works the best accounts of each as_of finds: precision, lift and capture at its capacity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from tierwise.learning.metrics import Measured, resamples
from tierwise.learning.splits import Instants

Floats = npt.NDArray[np.float64]

FIGURES = ("precision", "lift", "capture")


class Queue:
    """The rows of each as_of in the order of one score, sorted once, so that every resample costs one pass.

    Rows of equal score on one as_of are one step: where the room ends within it, they are worked in proportion, which
    is the mean over all their orders.
    """

    def __init__(self, y: Floats, score: Floats, as_of: Instants) -> None:
        _, date = np.unique(as_of, return_inverse=True)
        self.order = np.lexsort((-score, date))
        self.y, ranked, date = y[self.order], score[self.order], date[self.order]
        turns = np.append(True, date[1:] != date[:-1])
        self.steps = np.flatnonzero(turns | np.append(True, ranked[1:] != ranked[:-1]))
        self.first = np.searchsorted(self.steps, np.flatnonzero(turns))[date[self.steps]]

    def figures(self, room: int, weights: Floats | None = None) -> Floats:
        """FIGURES where `room` rows of each as_of are worked, pooled over as_ofs; NaN where nothing has the outcome.

        precision: the share of worked rows with the outcome; lift: that over the share of all rows; capture: the share
        of outcomes among the worked rows. weights: row multiplicities; the room stays what it is.
        """
        w = np.ones(len(self.y)) if weights is None else weights[self.order]
        rows, outcomes = (np.add.reduceat(values, self.steps) for values in (w, w * self.y))
        ahead = np.cumsum(rows) - rows
        worked = np.clip(room - (ahead - ahead[self.first]), 0, rows)
        share = np.divide(worked, rows, out=np.zeros_like(rows), where=rows > 0)
        n, found, all_found = worked.sum(), (share * outcomes).sum(), outcomes.sum()
        if all_found <= 0:
            return np.full(3, np.nan)
        precision = found / n if n > 0 else np.nan
        return np.array([precision, precision * rows.sum() / all_found, found / all_found])


def at_capacity(
    y: Floats,
    model: Floats,
    baselines: Mapping[str, Floats],
    as_of: Instants,
    accounts: npt.NDArray[Any],
    capacity: Mapping[str, int],
    *,
    n: int = 200,
    seed: int = 7,
) -> dict[str, Any]:
    """What the best rows of each as_of hold, by a model's score and by each baseline's, as plain values.

    y: outcomes, 0 or 1, at least one row. model, baselines: scores, higher is better. accounts: what is resampled.
    capacity: by name, how many accounts of one as_of can be worked.

    Returns
    -------
    rows, outcomes, as_ofs, fewest and most (rows of one as_of), and lines, one a capacity: name, room, n (rows worked),
    full (as_ofs with no more rows than room, where every order is alike), model and baselines (FIGURES, each with its
    interval), best (the baseline with the greatest capture on these rows; of equal ones the first by name, the base
    rate last) and less (the model's lift and capture less its, paired by resample, and `ahead`).
    """
    _, sizes = np.unique(as_of, return_counts=True)
    codes, counts = resamples(accounts, n, seed)
    queues = {name: Queue(y, score, as_of) for name, score in baselines.items()}
    own = Queue(y, model, as_of)
    lines = []
    for name, room in capacity.items():
        mine = _measured(own, room, codes, counts)
        theirs = {baseline: _measured(queue, room, codes, counts) for baseline, queue in sorted(queues.items())}
        best = max(sorted(theirs, key=lambda b: (b == "base_rate", b)), key=lambda b: theirs[b].values[2])
        pairs = {figure: mine.less(theirs[best], figure) for figure in ("lift", "capture")}
        lines.append(
            {
                "name": name,
                "room": room,
                "n": int(np.minimum(sizes, room).sum()),
                "full": int((sizes <= room).sum()),
                "model": _figures(mine),
                "baselines": {baseline: _figures(measured) for baseline, measured in theirs.items()},
                "best": best,
                "less": {figure: asdict(less) | {"ahead": ahead} for figure, (less, ahead) in pairs.items()},
            }
        )
    return {
        "rows": len(y),
        "outcomes": int(y.sum()),
        "as_ofs": len(sizes),
        "fewest": int(sizes.min()),
        "most": int(sizes.max()),
        "lines": lines,
    }


def _measured(queue: Queue, room: int, codes: npt.NDArray[np.int64], counts: Floats) -> Measured:
    draws = np.array([queue.figures(room, multiplicity[codes]) for multiplicity in counts])
    return Measured(FIGURES, queue.figures(room), draws.reshape(len(counts), len(FIGURES)))


def _figures(measured: Measured) -> dict[str, dict[str, float]]:
    return {figure: asdict(measured.interval(figure)) for figure in FIGURES}
