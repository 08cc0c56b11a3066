"""Models of past dates: what they may learn from, what they are beside a training, and dates without one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrix_sample import matrix, plan
from tierwise.errors import UsageError
from tierwise.features.matrix import Matrix
from tierwise.learning import auc, train_model
from tierwise.learning.out_of_time import OutOfTime, Recipe, learn_out_of_time

WHOLE = matrix(accounts=300, months=16, strength=1.3)
ASKED = plan(candidates=[{"kind": "scorecard"}])
DATES = [at.to_pydatetime().replace(tzinfo=UTC) for at in pd.to_datetime(sorted(WHOLE.frame["as_of"].unique()))]
SCORES = ["propensity", "account_score", "fit_score", "signal_score"]


def recipe() -> Recipe:
    made = Recipe.of(train_model(WHOLE, ASKED, threads=1).evaluation.to_dict())
    assert made is not None
    return made


RECIPE = recipe()


def on(of: Matrix, date: datetime) -> pd.DataFrame:
    return of.frame[of.frame["as_of"] == np.datetime64(date.replace(tzinfo=None), "us")].reset_index(drop=True)


def learned(of: Matrix, dates: list[datetime] = DATES, months: int = 3) -> OutOfTime:
    return learn_out_of_time(of, ASKED, dates, RECIPE, months=months)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), cut=st.integers(7, 14))
def test_outcomes_at_or_after_a_refit_change_no_score_of_it(seed: int, cut: int) -> None:
    """Laws 1 to 3: rows whose horizon was open on the date are dealt other outcomes and other features."""
    r, frame = np.random.default_rng(seed), WHOLE.frame.copy()
    at = DATES[cut]
    open_then = (frame["as_of"] + pd.Timedelta(days=90) > pd.Timestamp(at.replace(tzinfo=None))).to_numpy()
    frame.loc[open_then, "outcome"] = r.permutation(frame.loc[open_then, "outcome"].to_numpy())
    first, second = learned(WHOLE, [at]), learned(replace(WHOLE, frame=frame), [at])
    assert [x.as_of for x in first.refits] == [at]
    rows = on(WHOLE, at)
    pd.testing.assert_frame_equal(first.score(rows, at), second.score(rows, at))


def test_what_had_closed_before_a_refit_does_change_it() -> None:
    """The test above could not fail otherwise."""
    frame, at = WHOLE.frame.copy(), DATES[9]
    closed = (frame["as_of"] + pd.Timedelta(days=90) <= pd.Timestamp(at.replace(tzinfo=None))).to_numpy()
    frame.loc[closed, "outcome"] = np.random.default_rng(1).permutation(frame.loc[closed, "outcome"].to_numpy())
    rows = on(WHOLE, at)
    other = learned(replace(WHOLE, frame=frame), [at])
    assert not other.refits or not other.score(rows, at)["propensity"].equals(
        learned(WHOLE, [at]).score(rows, at)["propensity"]
    )


def test_each_date_is_scored_by_the_newest_model_of_its_past() -> None:
    found = learned(WHOLE)
    assert [x.as_of.month for x in found.refits] == [7, 10, 1, 4]
    assert [found.at(d).as_of for d in DATES[6:10]] == [DATES[6]] * 3 + [DATES[9]]
    for refit in found.refits:
        closed = WHOLE.frame["as_of"] + pd.Timedelta(days=90) <= pd.Timestamp(refit.as_of.replace(tzinfo=None))
        assert (refit.rows, refit.outcomes) == (int(closed.sum()), int(WHOLE.frame.loc[closed, "outcome"].sum()))
        assert refit.model.trained_as_of.replace(tzinfo=None) == WHOLE.frame.loc[closed, "as_of"].max()
        assert refit.version == f"refit-{refit.as_of:%Y-%m-%d}"
    monthly = learned(WHOLE, months=1)
    assert [x.as_of for x in monthly.refits] == DATES[6:]


def test_its_scores_rank_and_are_percentiles_of_its_own_past() -> None:
    found, at = learned(WHOLE), DATES[-1]
    rows = on(WHOLE, at)
    scores = found.score(rows, at)
    assert auc(rows["outcome"].to_numpy(), scores["propensity"].to_numpy()) > 0.65
    assert abs(scores["propensity"].mean() - rows["outcome"].mean()) < 0.06
    assert scores[SCORES[1:]].to_numpy().min() >= 0
    assert scores[SCORES[1:]].to_numpy().max() <= 100
    past = WHOLE.frame[WHOLE.frame["as_of"] <= np.datetime64(found.at(at).model.trained_as_of.replace(tzinfo=None))]
    own = found.at(at).model.score(past.reset_index(drop=True))
    assert own["account_score"].mean() == pytest.approx(50, abs=0.5)


def test_dates_without_a_model_are_named_not_guessed() -> None:
    found = learned(WHOLE)
    assert list(found.unscored) == DATES[:6]
    assert found.unscored[DATES[0]].startswith("Training needs 50 accounts with the outcome in mature, eligible rows")
    why = "A model was to be learned from what was known on 2024-05-01: no rows lie 90 days after enough others to"
    assert found.unscored[DATES[4]].startswith(why)
    with pytest.raises(UsageError, match=r"scores as of 2024-05-01 were asked for: A model was to be learned.*Ask for"):
        found.score(on(WHOLE, DATES[4]), DATES[4])


def test_where_nothing_can_be_learned_any_more_the_model_before_goes_on() -> None:
    """From a date on, whoever scored high has no outcome: the slope turns, and such a refit is not used."""
    frame = WHOLE.frame.copy()
    late = (frame["as_of"] >= pd.Timestamp(DATES[6].replace(tzinfo=None))).to_numpy()
    frame.loc[late, "outcome"] = (frame["web_30d"] == 0).to_numpy()[late].astype(float)
    found = learned(replace(WHOLE, frame=frame), months=1)
    assert found.kept
    first = next(iter(found.kept))
    assert found.at(first).as_of < first
    assert set(found.kept.values()) >= {
        f"A model was to be learned from what was known on {first.date()}: a higher score did not mean a higher "
        "probability on later rows"
    }


def test_the_recipe_is_that_of_the_chosen_candidate() -> None:
    assert RECIPE.kind == "scorecard"
    assert set(RECIPE.settings) == {"penalty"}
    assert Recipe.of({"chosen": "b", "candidates": {"b": {"kind": "additive", "settings": {"num_leaves": 3}}}}) == (
        Recipe("additive", {"num_leaves": 3})
    )
    assert Recipe.of(None) is None
    assert Recipe.of({"candidates": {}}) is None
