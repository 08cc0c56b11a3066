"""The registry of candidates: what each kind is made of, what may be tuned, and which is simpler."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tierwise.config.icp import IcpPoints
from tierwise.config.plan import Candidate, Setting
from tierwise.errors import ConfigError
from tierwise.features.feature import Feature
from tierwise.learning.boosters import AdditiveBooster, TwoSidedBooster
from tierwise.learning.scorecard import Scorecard
from tierwise.learning.sides import SidesClassifier
from tierwise.learning.staged import StagedBooster

OURS = ("features", "threads", "seed", "prior")
"""What a plan does not set; nor the path parameter, which the folds find."""


@dataclass(frozen=True)
class Range:
    """What a setting may be tuned to: from low to high, whole where both are; evenly spread over its logarithm."""

    low: Setting
    high: Setting


@dataclass(frozen=True)
class Kind:
    """One kind of candidate: its estimator, what may be tuned, and how many trials are worth spending on it."""

    estimator: type[SidesClassifier]
    space: Mapping[str, Range]
    most_trials: int = 1_000_000


_TREES = {
    "learning_rate": Range(0.08, 0.3),
    "min_leaf": Range(20, 1000),
    "lambda_l2": Range(1.0, 300.0),
    "feature_fraction": Range(0.6, 1.0),
}

KINDS: Mapping[str, Kind] = {
    "scorecard": Kind(Scorecard, {"bins": Range(4, 20)}, most_trials=3),
    "additive": Kind(AdditiveBooster, {"num_leaves": Range(2, 8), **_TREES}),
    "two_sided": Kind(TwoSidedBooster, {"num_leaves": Range(3, 31), **_TREES}),
    "staged": Kind(StagedBooster, {"num_leaves": Range(3, 31), "fit_rounds": Range(20, 300), **_TREES}),
}
"""Simplest first: the order in which the one-standard-error rule prefers them."""


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
    ConfigError : the plan sets what this kind of candidate does not have.
    """
    estimator = KINDS[candidate.kind].estimator
    ours = ("self", *OURS, estimator.path_parameter)
    known = [name for name in inspect.signature(estimator.__init__).parameters if name not in ours]
    unknown = sorted(set(candidate.settings) - set(known))
    if unknown:
        raise ConfigError(
            f"the candidate '{candidate.called}' was to be made with {', '.join(unknown)}",
            found=f"a {candidate.kind} has {', '.join(known)} to set",
            do="Mend model.candidates in model.yaml",
        )
    made = estimator(features=tuple(features), threads=threads, **{**settings, **candidate.settings})
    given = {"seed": seed, "prior": tuple(prior)}
    made.set_params(**{name: value for name, value in given.items() if name in made.get_params()})
    return made


def simplest_first(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates in the order of KINDS; those of one kind as the plan has them."""
    order = list(KINDS)
    return sorted(candidates, key=lambda candidate: order.index(candidate.kind))
