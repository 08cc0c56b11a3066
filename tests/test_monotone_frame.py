"""A column of a plain frame that is declared monotone is so in every kind of candidate; how far each lies above the
best is said."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from tierwise.config import Learning, Plan
from tierwise.errors import ContractError
from tierwise.learning import KINDS, declared, divide, paired_difference, train_rows
from tierwise.learning.candidates import make
from tierwise.learning.choice import beside
from tierwise.learning.rows import Rows
from tierwise.learning.search import follow
from tierwise.learning.sides import prepare


def frame(n: int = 1500) -> pd.DataFrame:
    """Lines in order, whose log-odds fall with `since` but for chance, and rise with `size`."""
    rng = np.random.default_rng(5)
    since, size = rng.integers(0, 60, n), rng.normal(size=n)
    won = rng.random(n) < 1 / (1 + np.exp(0.5 + 0.01 * since - size))
    sector = rng.choice(np.array(["a", "b"], dtype=object), n)
    return pd.DataFrame({"line": np.arange(n), "since": since, "size": size, "sector": sector, "won": won.astype(int)})


def rows(monotone: dict[str, int]) -> Rows:
    """Those lines, declared."""
    return declared(frame(), "won", fit=["size", "sector"], signal=["since"], order="line", monotone=monotone)


@pytest.mark.parametrize("kind", KINDS)
def test_log_odds_only_fall_along_a_column_declared_so(kind: str) -> None:
    told, plain = rows({"since": -1}), rows({})
    candidate = Learning(candidates=(kind,)).candidates[0]
    grid = plain.frame.iloc[[0] * 60].assign(since=np.arange(60))

    def steps(of: Rows) -> np.ndarray:
        settings = {} if kind == "scorecard" else {"min_leaf": 5, "lambda_l2": 0.0}
        model = make(candidate, of.features, settings, threads=1, seed=7).fit(of.frame, of.y)
        return np.diff(model.decision_function(grid))

    assert (steps(told) <= 1e-12).all()
    assert (steps(plain) > 1e-6).any(), "chance alone makes it rise somewhere"


def test_only_numbers_and_truth_values_rise_or_fall() -> None:
    asked = {"sector": 1, "colour": -1}
    said = (
        "The log-odds were to rise or fall along 'sector', 'colour': 'sector' holds texts; 'colour' is on neither side."
        " Say so of numbers and truth values only"
    )
    with pytest.raises(ContractError, match=re.escape(said)):
        rows(asked)
    with pytest.raises(
        ContractError, match=re.escape("Columns were to be monotone: since: 2. Say 1 for rising, -1 for")
    ):
        rows({"since": 2})


def test_how_far_a_candidate_lies_above_the_best_is_the_paired_difference_of_its_losses() -> None:
    learned = rows({})
    plan = Plan(plan="p", model=Learning(candidates=("scorecard", "additive")))
    division = divide(learned, plan)
    told = train_rows(learned, division, plan.model, threads=1).evaluation.candidates
    earlier = learned.where(division.earlier)
    folds = [
        prepare(learned.features, earlier.frame[old], earlier.y[old], earlier.frame[now], earlier.y[now])
        for old, now in division.folds
    ]
    found = {c.called: follow(c, {}, folds, learned.features, threads=1, seed=7) for c in plan.model.candidates}
    families = np.concatenate([earlier.families[now] for _, now in division.folds])
    best = min(found, key=lambda name: found[name].mean)
    assert told[best]["less_best"]["mean"] == 0.0
    for name, tried in found.items():
        gap = paired_difference(tried.losses, found[best].losses, families)
        assert told[name]["less_best"]["mean"] == gap.mean
        assert told[name]["less_best"]["standard_error"] == gap.standard_error
        assert gap.mean == pytest.approx(told[name]["log_loss"] - told[best]["log_loss"], abs=1e-12)
    assert beside(found, families) == {name: told[name]["less_best"] for name in told}
