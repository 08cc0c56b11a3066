"""Which expectation of deals is used, chosen on later deals than it was learned from, and what it was worth on the
newest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tierwise.features.feature import Feature
from tierwise.learning.encoding import Floats
from tierwise.learning.expectation import (
    LEVEL,
    Design,
    Expectation,
    Kind,
    gamma_deviance,
    learn,
    log_loss,
    resampling,
)
from tierwise.learning.metrics import paired_difference
from tierwise.learning.splits import Instants, Mask

LEAST = 30
"""Of so many deals a mean is learned."""
LEAST_FAMILIES = 10
LEAST_TO_CHOOSE = 60
"""With fewer deals than this, nothing but their mean is tried."""
CUTS = (0.4, 0.5, 0.6, 0.7, 0.8)
"""Shares of the deals, in the order in which they were opened: folds begin at each but the last, the report there."""
DRAWS = 200


@dataclass(frozen=True)
class Sample:
    """Deals that teach an expectation.

    frame : the fit-side features as of each deal's opening. y : amounts, or 1 for a win and 0 for none, as known at
    last. known : when a deal's y could first serve (closed, or old enough). closed : when it closed (NaT: it has not);
    before that a win was none. log : whether y are amounts.
    """

    frame: pd.DataFrame
    y: Floats
    opened: Instants
    known: Instants
    closed: Instants
    families: npt.NDArray[Any]
    log: bool

    def __len__(self) -> int:
        return len(self.y)

    def where(self, mask: Mask) -> Sample:
        """The deals that a mask keeps."""
        return Sample(
            self.frame[mask].reset_index(drop=True),
            self.y[mask],
            self.opened[mask],
            self.known[mask],
            self.closed[mask],
            self.families[mask],
            self.log,
        )

    def before(self, cut: np.datetime64) -> Sample:
        """The deals that could be learned from by then, with what was known of them then."""
        mine = self.where(self.known < cut)
        return replace(mine, y=np.where(mine.closed < cut, mine.y, 0.0))

    def opened_in(self, start: np.datetime64, until: np.datetime64 | None = None) -> Sample:
        """The deals opened from then on, before `until`."""
        later = self.opened >= start
        return self.where(later if until is None else later & (self.opened < until))

    @property
    def enough(self) -> bool:
        """Whether a mean is learned of so many."""
        return len(self) >= LEAST and len(np.unique(self.families.astype(str))) >= LEAST_FAMILIES

    def losses(self, mean: Floats) -> Floats:
        """Each deal's loss: the gamma deviance of amounts, the log-loss of wins."""
        return gamma_deviance(self.y, mean) if self.log else log_loss(self.y, mean)


@dataclass(frozen=True)
class Choice:
    """A kind of expectation, the place of the feature that its segments are of, and why."""

    kind: Kind
    feature: int | None
    because: str
    losses: dict[str, float]
    n: int


Learner = Callable[[Sample, Floats], Expectation]


def learner(choice: Choice, features: Sequence[Feature]) -> Learner:
    """What learns the chosen expectation of a sample, with resampling weights."""

    def learned(sample: Sample, weights: Floats) -> Expectation:
        design = Design.learn(sample.frame, features)
        places = {"mean": (), "segments": (choice.feature or 0,), "gamma": range(len(features))}[choice.kind]
        return learn(choice.kind, design.only(tuple(places)), sample.frame, sample.y, weights, log=sample.log)

    return learned


def choose(sample: Sample, features: Sequence[Feature]) -> Choice:
    """The simplest of mean, segments and (of amounts) gamma regression that is within one standard error of the best.

    Each is learned of the deals known at a cut and judged on those opened after it, before the slice of the report.
    """
    only = f"with fewer than {LEAST_TO_CHOOSE} deals, nothing but their mean is tried"
    if len(sample) < LEAST_TO_CHOOSE or not features:
        return Choice("mean", None, only if features else "the plan has no fit side", {}, 0)
    cuts = np.quantile(np.sort(sample.opened).astype(np.int64), CUTS, method="lower").astype("datetime64[us]")
    means: list[Floats] = []
    by_feature: list[list[Floats]] = []
    gammas: list[Floats] = []
    tested: list[Sample] = []
    none = np.empty((0, 0))
    for start, until in pairwise(cuts):
        old, new = sample.before(start), sample.opened_in(start, until)
        if not old.enough or not len(new):
            continue
        design = Design.learn(old.frame, features)

        def lost(kind: Kind, d: Design, old: Sample = old, new: Sample = new) -> Floats:
            return new.losses(learn(kind, d, old.frame, old.y, none, log=old.log).mean(new.frame))

        tested.append(new)
        means.append(lost("mean", design.only(())))
        by_feature.append([lost("segments", design.only((j,))) for j in range(len(features))])
        if sample.log:
            gammas.append(lost("gamma", design))
    if sum(map(len, tested)) < LEAST:
        return Choice("mean", None, "too few deals were opened after enough others had closed to compare on", {}, 0)
    segments = [np.concatenate([fold[j] for fold in by_feature]) for j in range(len(features))]
    place = int(np.argmin([s.mean() for s in segments]))
    losses: dict[Kind, Floats] = {"mean": np.concatenate(means), "segments": segments[place]}
    if gammas:
        losses["gamma"] = np.concatenate(gammas)
    return _simplest(losses, np.concatenate([t.families for t in tested]), place)


def _simplest(losses: dict[Kind, Floats], families: npt.NDArray[Any], place: int) -> Choice:
    said = {str(name): float(lost.mean()) for name, lost in losses.items()}
    best = min(losses, key=lambda name: float(losses[name].mean()))
    for name, lost in losses.items():
        gap = paired_difference(lost, losses[best], families)
        if name == best or gap.mean <= gap.standard_error:
            because = (
                "it errs least on later deals"
                if name == best
                else f"it is simpler than what errs least ({WORDS[best]}), and within one standard error of it"
            )
            return Choice(name, place if name == "segments" else None, because, said, len(lost))
    raise AssertionError("the best is within one standard error of itself")


WORDS: dict[Kind, str] = {"mean": "one mean", "segments": "means by segment", "gamma": "a gamma regression"}


def unseen(sample: Sample, learned: Learner, seed: int) -> dict[str, Any] | None:
    """What the chosen expectation, learned of the deals known at the last cut, was worth on those opened since.

    None where too few are known or opened. `predicted` is the sum over those deals; its interval is of the sum as it
    will come: of what is learned (accounts resampled) and of the deals' own chance.
    """
    cut = np.quantile(np.sort(sample.opened).astype(np.int64), CUTS[-1], method="lower").astype("datetime64[us]")
    old, new = sample.before(cut), sample.opened_in(cut)
    if not old.enough or len(new) < LEAST_FAMILIES:
        return None
    model = learned(old, resampling(old.families, DRAWS, seed))
    mean = model.mean(new.frame)
    flat = np.full(len(new), float(old.y.mean()))
    ours, theirs = new.losses(mean), new.losses(flat)
    gap = paired_difference(ours, theirs, new.families)
    low, high = np.quantile(_totals(model, old, new, seed), LEVEL)
    return {
        "from": str(cut.astype("datetime64[D]")),
        "n": len(new),
        "learned_from": len(old),
        "loss": float(ours.mean()),
        "loss_of_mean": float(theirs.mean()),
        "less": {
            "value": gap.mean,
            "low": gap.mean - 1.96 * gap.standard_error,
            "high": gap.mean + 1.96 * gap.standard_error,
        },
        "predicted": float(mean.sum()),
        "low": float(low),
        "high": float(high),
        "actual": float(new.y.sum()),
    }


def _totals(model: Expectation, old: Sample, new: Sample, seed: int) -> Floats:
    """Draws of the new deals' sum: each resample's means, times ratios as seen among the old, or wins by chance."""
    rng = np.random.default_rng(seed + 1)
    draws = model.draws(new.frame)
    if not old.log:
        return np.asarray((rng.random(draws.shape) < draws).sum(axis=1), dtype=np.float64)
    ratios = old.y / model.mean(old.frame)
    return np.asarray((draws * rng.choice(ratios / ratios.mean(), size=draws.shape)).sum(axis=1))
