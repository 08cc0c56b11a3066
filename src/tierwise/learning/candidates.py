"""The registry of candidates: what each kind is made of, what may be tuned, and which is simpler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tierwise.config.icp import IcpPoints
from tierwise.config.plan import Candidate, Setting
from tierwise.errors import ConfigError
from tierwise.features.feature import Feature
from tierwise.learning.boosters import AdditiveBooster, TwoSidedBooster
from tierwise.learning.scorecard import Scorecard
from tierwise.learning.sides import SidesClassifier
from tierwise.learning.staged import StagedBooster


@dataclass(frozen=True)
class Range:
    """What a setting may be tuned to: from low to high, whole where both are; evenly spread over its logarithm."""

    low: Setting
    high: Setting


@dataclass(frozen=True)
class Allowed:
    """What a plan may set a setting to: from least, or above it where that end is open, to greatest."""

    least: Setting
    greatest: Setting
    whole: bool = False
    above: bool = False

    def __contains__(self, value: Setting) -> bool:
        if not self.least <= value <= self.greatest or (self.above and value == self.least):
            return False
        return not self.whole or float(value).is_integer()

    def __str__(self) -> str:
        span = f"above {self.least:,} and up to" if self.above else f"from {self.least:,} to"
        return f"a {'whole ' if self.whole else ''}number {span} {self.greatest:,}"


@dataclass(frozen=True)
class Kind:
    """One kind of candidate: its estimator, what a plan may set, what may be tuned, and how many trials it is worth."""

    estimator: type[SidesClassifier]
    may: Mapping[str, Allowed]
    space: Mapping[str, Range]
    most_trials: int = 1_000_000


_TREES = {
    "learning_rate": Range(0.08, 0.3),
    "min_leaf": Range(20, 1000),
    "lambda_l2": Range(1.0, 300.0),
    "feature_fraction": Range(0.6, 1.0),
}

_WEIGHT = {"outcome_weight": Allowed(0.001, 1000)}
_MAY = {
    "learning_rate": Allowed(0, 1, above=True),
    "num_leaves": Allowed(2, 131_072, whole=True),
    "min_leaf": Allowed(1, 1_000_000, whole=True),
    "lambda_l2": Allowed(0, 1_000_000),
    "feature_fraction": Allowed(0, 1, above=True),
    **_WEIGHT,
}
_MAY_SCORECARD = {"bins": Allowed(2, 255, whole=True), **_WEIGHT}
_MAY_STAGED = {"fit_rounds": Allowed(1, 10_000, whole=True), **_MAY}

KINDS: Mapping[str, Kind] = {
    "scorecard": Kind(Scorecard, _MAY_SCORECARD, {"bins": Range(4, 20)}, most_trials=3),
    "additive": Kind(AdditiveBooster, _MAY, {"num_leaves": Range(2, 8), **_TREES}),
    "two_sided": Kind(TwoSidedBooster, _MAY, {"num_leaves": Range(3, 31), **_TREES}),
    "staged": Kind(StagedBooster, _MAY_STAGED, {"num_leaves": Range(3, 31), "fit_rounds": Range(20, 300), **_TREES}),
}
"""Simplest first: the order in which the one-standard-error rule prefers them."""


def check_candidates(candidates: Sequence[Candidate], where: Callable[..., str] = lambda *path: "") -> None:
    """Whether each candidate can be made with what the plan sets.

    where: the file and line of a path of the plan, as ("model", "candidates", 0, "settings", "bins").

    Raises
    ------
    ConfigError : the plan sets what a kind of candidate does not have, or a value that it may not have.
    """
    for n, candidate in enumerate(candidates):
        may = KINDS[candidate.kind].may
        bad = {name: v for name, v in candidate.settings.items() if name not in may or v not in may[name]}
        if bad:
            asked = ", ".join(f"{name} {value}" for name, value in bad.items())
            words = [f"{name} may be {may[name]}" for name in bad if name in may]
            if not may.keys() >= bad.keys():
                words.insert(0, f"a {candidate.kind} has {', '.join(may)} to set")
            raise ConfigError(
                f"the candidate '{candidate.called}' was to be made with {asked}",
                found="; ".join(words),
                do="Mend model.candidates in model.yaml",
                where=where("model", "candidates", n, "settings", next(iter(bad))),
            )


def make(
    candidate: Candidate,
    features: Sequence[Feature],
    settings: Mapping[str, Setting],
    *,
    threads: int,
    seed: int,
    prior: Sequence[IcpPoints] = (),
) -> SidesClassifier:
    """The estimator of a candidate, with the plan's settings over those given.

    prior: lines of a rubric, for kinds that can start from one.

    Raises
    ------
    ConfigError : as `check_candidates` says.
    """
    check_candidates([candidate])
    kind = KINDS[candidate.kind]
    own = {name: int(value) if kind.may[name].whole else value for name, value in candidate.settings.items()}
    made = kind.estimator(features=tuple(features), threads=threads, **{**settings, **own})
    given = {"seed": seed, "prior": tuple(prior)}
    made.set_params(**{name: value for name, value in given.items() if name in made.get_params()})
    return made


def simplest_first(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates in the order of KINDS; those of one kind as the plan has them."""
    order = list(KINDS)
    return sorted(candidates, key=lambda candidate: order.index(candidate.kind))
