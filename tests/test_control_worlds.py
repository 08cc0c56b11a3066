"""The control group in synthetic worlds of known truth: what the tiers would have come to without seller effort."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from effort_worlds import TIERS, Judged, ran
from tierwise.clock import naive
from tierwise.config import Control
from tierwise.synthetic import WorldSpec, simulate
from tierwise.synthetic.effort import effort_openings, openings

SIZE = {"accounts": 1200, "months": 12}
TENTH = Control(share=0.1)
WORKS = 0.03
"""The further chance a day to open that effort gives to a worked account in a cycle."""


def side_by_side(judged: list[Judged]) -> str:
    """By tier, over the worlds: what was seen with effort, what the control group said, and the truth."""
    lines = [f"{'':8}{'observed':>10}{'control':>10}{'truth':>10}{'holds':>8}"]
    for tier in (*TIERS, "all"):
        figures = [j.review.line(tier) for j in judged]
        seen, held = (np.nanmean([line[arm] for line in figures]) for arm in ("treated", "control"))
        truth = np.mean([j.truth[tier] for j in judged])
        holds = sum(j.holds(tier) for j in judged)
        lines.append(f"{tier:8}{seen:10.1%}{held:10.1%}{truth:10.1%}{holds:5d}/{len(judged)}")
    return "\n" + "\n".join(lines) + "\n" + judged[0].review.words


def excludes_zero(judged: list[Judged], tier: str = "all") -> int:
    """In how many worlds the interval of the difference leaves 0 out."""
    return sum(j.review.line(tier)["lift_low"] > 0 or j.review.line(tier)["lift_high"] < 0 for j in judged)


@pytest.mark.long
def test_the_control_figure_holds_the_truth_in_93_of_100_worlds_where_the_observed_is_far_from_it() -> None:
    judged = [ran(seed, per_day=WORKS, control=TENTH, **SIZE) for seed in range(100)]
    print(side_by_side(judged))
    assert sum(j.holds() for j in judged) >= 93
    for tier in TIERS:
        assert sum(j.holds(tier) for j in judged) >= 93, tier
    lines = [j.review.line() for j in judged]
    far = sum(
        not line["treated_low"] <= j.truth["all"] <= line["treated_high"] for line, j in zip(lines, judged, strict=True)
    )
    assert far >= 93, "what is observed is not what would have come without effort"
    biased = np.mean([line["treated"] - j.truth["all"] for line, j in zip(lines, judged, strict=True)])
    fair = np.mean([line["control"] - j.truth["all"] for line, j in zip(lines, judged, strict=True)])
    print(
        f"observed less truth {biased:+.1%}, control less truth {fair:+.1%}; lift told apart in {excludes_zero(judged)}"
    )
    assert biased > 0.05
    assert abs(fair) < 0.01
    assert excludes_zero(judged) >= 30
    for j in judged:
        line = j.review.line()
        assert (line["months"] > 0) or line["reading"] != "not_yet", "what cannot be read says when it can be"


@pytest.mark.long
def test_without_an_effect_the_lift_leaves_zero_out_no_oftener_than_it_says() -> None:
    """5 in 100 are expected; more than 10 of 100 have a chance of 1 in 100 where that is so."""
    judged = [ran(seed, per_day=0.0, control=TENTH, **SIZE) for seed in range(100, 200)]
    print(side_by_side(judged), f"\nlift told apart in {excludes_zero(judged)} of 100 without effect")
    assert excludes_zero(judged) <= 10
    assert sum(j.holds() for j in judged) >= 93


def test_in_six_worlds_the_control_figure_is_near_the_truth_and_the_observed_is_not() -> None:
    judged = [ran(seed, per_day=WORKS, control=TENTH, **SIZE) for seed in range(6)]
    print(side_by_side(judged))
    assert sum(j.holds() for j in judged) >= 5
    assert all(j.review.line()["treated"] > j.truth["all"] + 0.03 for j in judged)
    for j in judged:
        held, other = j.review.drawn["control"], j.review.drawn["treated"]
        assert abs(held - 0.1 * (held + other)) < 3, "within one of a tenth in each of three tiers"


def test_effort_brings_openings_in_cycles_only_as_often_as_was_planted_and_leaves_the_truth() -> None:
    world = simulate(WorldSpec(seed=4, accounts=800, months=8))
    ids = world.facts.accounts.frame["account_id"].astype(str)
    since = pd.Timestamp(naive(world.spec.as_ofs[2]))
    worked = pd.DataFrame({"account_id": ids[::2], "since": since})
    made = effort_openings(world, worked, 0.03, seed=1)
    pd.testing.assert_frame_equal(made, effort_openings(world, worked.sample(frac=1, random_state=2), 0.03, seed=1))
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
