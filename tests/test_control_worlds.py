"""The control group in synthetic worlds of known truth: what the tiers would have come to without seller effort."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from effort_worlds import Judged, ran
from tierwise.clock import naive
from tierwise.config import Control
from tierwise.synthetic import WorldSpec, simulate
from tierwise.synthetic.effort import brought_forward, effort_openings, openings

SIZE = {"accounts": 1200, "months": 12}
TENTH = Control(share=0.1)
WORKS = 0.03
"""The further chance a day to open that effort gives to a worked account in a cycle."""


def side_by_side(judged: list[Judged]) -> str:
    """By tier, over the worlds: what was seen with effort, what the control group said, and the truth; and the lift."""
    head = ("observed", "control", "truth", "holds", "lift", "true lift", "holds")
    lines = [f"{'':8}" + "".join(f"{name:>11}" for name in head)]
    for tier in (*TENTH.tiers, "all"):
        figures = [j.review.line(tier) for j in judged]
        seen, held, lift = (
            float(np.nanmean([line[name] for line in figures])) for name in ("treated", "control", "lift")
        )
        truth, true_lift = np.mean([j.truth[tier] for j in judged]), np.mean([j.lift[tier] for j in judged])
        shares, lifts = sum(j.holds(tier) for j in judged), sum(j.holds_lift(tier) for j in judged)
        lines.append(
            f"{tier:8}{seen:11.1%}{held:11.1%}{truth:11.1%}{shares:8d}/{len(judged)}{lift:+11.1%}{true_lift:+11.1%}"
            f"{lifts:8d}/{len(judged)}"
        )
    return "\n" + "\n".join(lines) + "\n" + judged[0].review.words


def excludes_zero(judged: list[Judged], tier: str = "all") -> int:
    """In how many worlds the interval of the difference leaves 0 out."""
    return sum(j.review.line(tier)["lift_low"] > 0 or j.review.line(tier)["lift_high"] < 0 for j in judged)


def mean_of(judged: list[Judged], name: str) -> float:
    """A figure of all tiers together, over the worlds."""
    return float(np.mean([j.review.line()[name] for j in judged]))


@pytest.mark.long
def test_the_control_figure_and_the_lift_hold_the_truth_in_93_of_100_worlds_where_the_observed_is_far_from_it() -> None:
    judged = [ran(seed, per_day=WORKS, control=TENTH, **SIZE) for seed in range(100)]
    print(side_by_side(judged))
    for tier in (*TENTH.tiers, "all"):
        assert sum(j.holds(tier) for j in judged) >= 93, tier
        assert sum(j.holds_lift(tier) for j in judged) >= 93, tier
    truth, lift = (float(np.mean([getattr(j, name)["all"] for j in judged])) for name in ("truth", "lift"))
    print(
        f"observed less truth {mean_of(judged, 'treated') - truth:+.1%}, control less truth "
        f"{mean_of(judged, 'control') - truth:+.1%}, lift less true lift {mean_of(judged, 'lift') - lift:+.1%}; "
        f"lift told apart in {excludes_zero(judged)}"
    )
    assert mean_of(judged, "treated") - truth > 0.05, "what is observed is not what would have come without effort"
    assert abs(mean_of(judged, "control") - truth) < 0.015
    assert abs(mean_of(judged, "lift") - lift) < 0.015
    for j in judged:
        line = j.review.line()
        assert line["outlook"] in ("now", "later"), "what cannot be read says when it can be"


@pytest.mark.long
def test_without_an_effect_the_lift_leaves_zero_out_no_oftener_than_it_says() -> None:
    """5 in 100 are expected; more than 9 of 100 have a chance of 3 in 100 where that is so."""
    judged = [ran(seed, per_day=0.0, control=TENTH, **SIZE) for seed in range(100, 200)]
    print(side_by_side(judged), f"\nlift told apart in {excludes_zero(judged)} of 100 without effect")
    assert all(j.lift["all"] == 0 for j in judged)
    assert excludes_zero(judged) <= 9
    assert sum(j.holds() for j in judged) >= 93


@pytest.mark.long
def test_where_effort_only_brings_openings_forward_weekly_rows_do_not_turn_the_lift_round() -> None:
    """Accounts that opened leave the cohort: were every row counted, those acted on would seem to open less."""
    judged = [ran(seed, forward_days=45, every_days=7, control=Control(share=0.3), **SIZE) for seed in range(20)]
    print(side_by_side(judged))
    true, said = float(np.mean([j.lift["all"] for j in judged])), mean_of(judged, "lift")
    print(f"mean lift {said:+.1%}, truth {true:+.1%}")
    assert true > 0.01
    assert said > 0.5 * true
    assert sum(j.holds_lift() for j in judged) >= 17


def test_in_six_worlds_the_control_figure_is_near_the_truth_and_the_observed_is_not() -> None:
    judged = [ran(seed, per_day=WORKS, control=TENTH, **SIZE) for seed in range(6)]
    print(side_by_side(judged))
    assert sum(j.holds() for j in judged) >= 5
    assert sum(j.holds_lift() for j in judged) >= 5
    assert all(j.review.line()["treated"] > j.truth["all"] + 0.03 for j in judged)
    for j in judged:
        held, other = j.review.drawn["control"], j.review.drawn["treated"]
        assert abs(held - 0.1 * (held + other)) < 2, "within one of a tenth in each of two tiers"


def test_effort_brings_openings_in_cycles_only_as_often_as_was_planted_and_leaves_the_truth() -> None:
    world = simulate(WorldSpec(seed=4, accounts=800, months=8))
    ids = world.facts.accounts.frame["account_id"].astype(str)
    since = pd.Timestamp(naive(world.spec.as_ofs[2]))
    worked = pd.DataFrame({"account_id": ids[::2], "since": since})
    made = effort_openings(world, worked, 0.03, seed=1)
    pd.testing.assert_frame_equal(made, effort_openings(world, worked.sample(frac=1, random_state=2), 0.03, seed=1))
    fewer = effort_openings(world, worked.head(50), 0.03, seed=1)
    assert set(map(tuple, fewer.to_numpy())) <= set(map(tuple, made.to_numpy())), "the same whoever else is worked"
    assert effort_openings(world, worked, 0.0, seed=1).empty
    assert effort_openings(world, worked.head(0), 0.03, seed=1).empty
    assert set(made["account_id"]) <= set(worked["account_id"])
    assert made["account_id"].is_unique
    assert made["opened_at"].min() >= since
    begin = pd.Timestamp(naive(world.spec.history_from))
    place = {a: n for n, a in enumerate(ids)}
    days, expected = (made["opened_at"] - begin).dt.days, 0.0
    states = [world.paths.state[day, place[a]] for day, a in zip(days, made["account_id"], strict=True)]
    assert set(states) <= {1, 2}, "researching or evaluating"
    for account in worked["account_id"]:
        path = world.paths.state[(since - begin).days : -1, place[account]]
        expected += 1 - 0.97 ** int(((path == 1) | (path == 2)).sum())
    assert abs(len(made) - expected) < 3 * np.sqrt(expected), "one minus (1 - chance) to the days in a cycle"
    natural = openings(world)
    deals = world.tables()["opportunities"].to_pandas()
    assert len(natural) == (deals["type"] == "New Business").sum()
    print(f"\n{len(made)} openings by effort, {expected:.0f} expected")


def test_openings_that_are_brought_forward_are_as_many_and_none_comes_before_its_account_was_worked() -> None:
    world = simulate(WorldSpec(seed=4, accounts=800, months=8))
    since = pd.Timestamp(naive(world.spec.as_ofs[2]))
    natural = openings(world)
    worked = pd.DataFrame({"account_id": natural["account_id"].unique()[::2], "since": since})
    made = brought_forward(world, worked, 45)
    assert made["account_id"].value_counts().to_dict() == natural["account_id"].value_counts().to_dict()
    per = [f.sort_values(["account_id", "opened_at"], ignore_index=True) for f in (natural, made)]
    sooner = per[0]["opened_at"] - per[1]["opened_at"]
    mine = per[0]["account_id"].isin(worked["account_id"]) & (per[0]["opened_at"] > since)
    assert (sooner[~mine] == pd.Timedelta(0)).all()
    assert (sooner[mine] == pd.Timedelta(days=45)).any()
    assert (per[1].loc[mine, "opened_at"] >= since).all()
    pd.testing.assert_frame_equal(brought_forward(world, worked.head(0), 45), natural)
