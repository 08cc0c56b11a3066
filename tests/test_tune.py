"""Tuning a policy: what it may change, how it is judged, and the text that says it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from past_dates import random_past
from tierwise.clock import instant
from tierwise.config import Policy, parse_policy
from tierwise.config.policy import Segment, TierRow, TimeInTier
from tierwise.config.proposal import policy_changes, policy_diff, proposed_text, spoken_changes
from tierwise.errors import UsageError
from tierwise.tiers.aims import Aims, Worth, kept, worth
from tierwise.tiers.replay import Past, replay
from tierwise.tiers.shapes import asking, shapes
from tierwise.tiers.tune import STARTS, Tuned, tune

HORIZON = 12


def dates(seed: int = 1, n: int = 20) -> list[Past]:
    return [p.ordered() for p in random_past(seed, accounts=300, n=n, open_from=n - 1)]


@pytest.fixture(scope="module")
def tuned() -> Tuned:
    return tune(dates(), Policy(), Aims(top_share=0.25), horizon_days=HORIZON, trials=12, seed=3)


def test_the_proposal_is_the_best_that_was_tried_and_the_present_one_was(tuned: Tuned) -> None:
    assert len(tuned.trials) == 13
    assert tuned.trials[0].policy == tuned.present == Policy()
    assert tuned.best.worth.value == max(t.worth.value for t in tuned.trials)
    assert tuned.proposed == tuned.best.policy
    assert tuned.best.worth.value > tuned.trials[0].worth.value


def test_figures_of_a_trial_are_those_of_a_replay_of_its_policy(tuned: Tuned) -> None:
    seen = dates()[: tuned.tuned_on]
    for trial in (tuned.trials[0], tuned.best, tuned.trials[7]):
        figures = replay(seen, trial.policy).figures
        assert trial.worth == worth(figures, tuned.aims)
        lines = figures.overall.set_index("tier")
        held = lines.loc[["tier_1", "tier_2"], "outcomes"].sum() / lines["outcomes"].sum()
        assert trial.worth.held == pytest.approx(held)
        months = figures.by_tier[figures.by_tier["tier"] != "suppress"]
        shares = [
            month.loc[month["tier"].isin(["tier_1", "tier_2"]), "size"].sum() / month["size"].sum()
            for _, month in months.groupby("month")
        ]
        assert trial.worth.top_share == pytest.approx(max(shares))


def test_what_the_ranking_would_hold_counts_against_a_policy_that_holds_less(tuned: Tuned) -> None:
    figures = replay(dates()[: tuned.tuned_on], tuned.proposed).figures
    top, ranked = figures.dates["top"].sum(), figures.dates["ranked"].sum()

    def with_ranked(total: float) -> Worth:
        changed = figures.dates.assign(ranked=figures.dates["ranked"] * total / ranked)
        return worth(replace(figures, dates=changed), tuned.aims)

    for total in (top / 0.98, top / 0.9, top / 0.5):
        assert with_ranked(total).of_ranked == pytest.approx(top / total)
    assert with_ranked(top / 0.98).value - with_ranked(top / 0.9).value == pytest.approx(0.08)
    assert with_ranked(top).value == with_ranked(top / 1.1).value, "more than nearly all of it is worth no more"
    none = with_ranked(0)
    assert np.isnan(none.of_ranked)
    assert none.value == with_ranked(top).value


def test_no_policy_that_misses_a_stated_aim_goes_before_one_that_keeps_them(tuned: Tuned) -> None:
    figures = replay(dates()[: tuned.tuned_on], tuned.proposed).figures
    found = worth(figures, Aims(top_share=1.0, ping_pong=1.0))
    for missed in (
        Aims(top_share=found.top_share * 0.999, tier_1_share=found.top_share * 0.99, ping_pong=1.0),
        Aims(top_share=1.0, ping_pong=found.within["ping_pong"]["high"] * 0.999),
        Aims(top_share=1.0, ping_pong=1.0, precision=min(found.precision["tier_1"] * 1.001, 1.0)),
    ):
        assert found.value - worth(figures, missed).value > 9


def test_an_aim_missed_by_a_hair_is_not_told_as_worth_less_besides(tuned: Tuned) -> None:
    figures = replay(dates()[: tuned.tuned_on], tuned.proposed).figures
    share = worth(figures, Aims(top_share=1.0, ping_pong=1.0)).top_share
    keeps = worth(figures, Aims(top_share=share, ping_pong=1.0))
    for part in (0.9999, 0.97, 0.5):
        missing = worth(figures, Aims(top_share=share * part, ping_pong=1.0))
        assert (keeps.missed, missing.missed) == (False, True)
        assert keeps.value - missing.value > 9
        assert missing.apart == pytest.approx(keeps.value), "all that differs is the aim, which is told of its own"
        assert not replace(missing, apart=missing.apart + 0.05).less_than(keeps)
        assert replace(missing, apart=missing.apart - 0.05).less_than(keeps)
        assert not keeps.less_than(missing), "one that keeps all aims is worth more than one that misses any"
        assert not missing.less_than(missing)


def test_an_aim_is_failed_where_it_is_missed_by_more_than_a_tenth_of_it(tuned: Tuned) -> None:
    share = tuned.after.top_share
    for part, missed, failed in ((1.0, 0, 0), (1.0999, 1, 0), (1.1001, 1, 1)):
        asked = replace(tuned, aims=Aims(top_share=share / part, ping_pong=1.0))
        assert (len(asked.missed), len(asked.failed)) == (missed, failed)
    nobody = replace(tuned.after, precision=dict(tuned.after.precision) | {"tier_1": float("nan")})
    empty = replace(tuned, after=nobody, aims=Aims(top_share=1.0, ping_pong=1.0, precision=0.1))
    assert [line["aim"] for line in empty.failed] == ["precision"]


def test_the_search_begins_with_each_start_in_each_shape(tuned: Tuned) -> None:
    given, found = shapes(Policy()), [t.policy for t in tuned.trials[1:]]
    for n, start in enumerate(STARTS):
        for k in range(len(given)):
            tried = found[n * len(given) + k]
            assert tried.time_in_tier.stay_margin == start["stay_margin"]
            assert tried.time_in_tier.minimum_stay_days == start["minimum_stay_days"]
            assert len(tried.rows) == len(given[len(given) - 1 - k])


def test_it_is_judged_on_dates_that_lie_a_horizon_after_those_tuned_on(tuned: Tuned) -> None:
    given = dates()
    closed = [d for d in given if not np.isnan(d.outcome).all()]
    assert tuned.judged_on == len(closed) // 4
    assert tuned.judged_from == closed[-tuned.judged_on].as_of
    assert given[tuned.tuned_on - 1].as_of + timedelta(days=HORIZON) <= tuned.judged_from
    for policy, found in ((tuned.present, tuned.before), (tuned.proposed, tuned.after)):
        assert found == worth(replay(given, policy, counted_from=tuned.judged_from).figures, tuned.aims)


def test_what_newer_dates_are_judged_by_is_what_a_replay_of_all_says_of_them() -> None:
    given = dates()
    begin = next(i for i, d in enumerate(given) if f"{d.as_of:%Y-%m}" == "2025-06")
    found = tune(
        given, Policy(), Aims(top_share=0.3), horizon_days=HORIZON, trials=2, seed=0, judge_from=given[begin].as_of
    )
    for policy, judged in ((found.present, found.before), (found.proposed, found.after)):
        full = replay(given, policy).figures
        months = full.stability[full.stability["month"] >= "2025-06"]
        n = months["accounts"].sum()
        assert judged.within["ping_pong"]["n"] == n
        assert judged.ping_pong == pytest.approx(months["came_back"].sum() / n)
        assert judged.moved == pytest.approx(months["moved"].sum() / n)
        lines = full.by_tier[full.by_tier["month"] >= "2025-06"].groupby("tier")[["n", "outcomes"]].sum()
        for tier in ("tier_1", "tier_2", "tier_3", "recycle"):
            assert judged.within[tier]["n"] == lines.loc[tier, "n"]
            assert judged.precision[tier] == pytest.approx(lines.loc[tier, "outcomes"] / lines.loc[tier, "n"])
        state = replay(given[:begin], policy).state
        forgetful = replay(given[begin:], policy, state).figures.stable.iloc[0]
        assert forgetful["came_back"] < months["came_back"].sum(), "the sample has returns to tiers left before"


def test_outcomes_of_the_dates_it_is_judged_on_tune_nothing(tuned: Tuned) -> None:
    rng = np.random.default_rng(0)
    given = dates()
    for i, date in enumerate(given):
        if date.as_of >= tuned.judged_from and not np.isnan(date.outcome).all():
            given[i] = Past(date.as_of, date.accounts, rng.permutation(date.outcome), date.amount, date.model_version)
    again = tune(given, Policy(), Aims(top_share=0.25), horizon_days=HORIZON, trials=12, seed=3)
    assert again.proposed == tuned.proposed
    assert [t.worth for t in again.trials] == [t.worth for t in tuned.trials]
    assert again.after != tuned.after


def test_what_people_decide_stays_as_it_is(tuned: Tuned) -> None:
    for trial in tuned.trials:
        policy = trial.policy
        assert policy.bands.fit.moderate == 40
        assert policy.surge in (None, Policy().surge)
        left = {"bands", "time_in_tier", "rows", "surge"}
        assert policy.model_dump(exclude=left) == Policy().model_dump(exclude=left)
        asked = [r.model_copy(update={"least": {}}) for r in policy.rows if r.tier != "tier_2"]
        assert asked == [r for r in Policy().rows if r.tier != "tier_2"]
        least = {r.row: r.least.get("account_score", 0.0) for r in policy.rows}
        assert least["focus"] >= least.get("growth_score", 0.0)


def test_what_was_asked_for_is_held_against_the_dates_that_tuned_nothing(tuned: Tuned) -> None:
    after = tuned.after
    lines = {line["aim"]: line for line in tuned.aims_kept}
    assert set(lines) == {"top_share", "ping_pong"}, "what was not asked for is not told"
    top, back = lines["top_share"], lines["ping_pong"]
    assert (top["bound"], top["asked"], top["found"]) == ("most", 0.25, after.top_share)
    assert top["met"] == (after.top_share <= 0.25)
    assert top["short"] == pytest.approx(max(after.top_share - 0.25, 0))
    assert np.isnan([top["n"], top["low"], top["high"]]).all(), "it has no interval"
    assert {name: back[name] for name in ("n", "low", "high")} == after.within["ping_pong"]
    assert tuned.missed == [line for line in tuned.aims_kept if not line["met"]]
    assert any(line["aim"] == "ping_pong" for line in tuned.missed)
    assert tuned.any_kept == any(all(k["met"] for k in kept(tuned.aims, t.worth)) for t in tuned.trials)
    nobody = replace(after, precision=dict(after.precision) | {"tier_1": float("nan")})
    line = next(k for k in kept(Aims(top_share=0.25, precision=0.1), nobody) if k["aim"] == "precision")
    assert not line["met"], "where nobody stands nothing is kept"
    assert np.isnan(line["short"])
    asked = Aims(top_share=0.9, tier_1_share=1e-6, precision=1e-6, ping_pong=1.0)
    met = {line["aim"]: line["met"] for line in kept(asked, after)}
    assert met == {"top_share": True, "tier_1_share": False, "precision": True, "ping_pong": True}


def test_the_front_holds_what_no_other_policy_beats(tuned: Tuned) -> None:
    points = [(t.worth.held, -t.worth.ping_pong, -t.worth.moved, -t.worth.top_share) for t in tuned.trials]
    within = [i for i, t in enumerate(tuned.trials) if t.worth.top_share <= 0.25 * 1.02]
    for i in within:
        beaten = any(
            all(a >= b for a, b in zip(points[j], points[i], strict=True)) and points[j] != points[i] for j in within
        )
        assert (i in tuned.front) == (not beaten)
    assert tuned.front


def test_aims_that_make_no_sense_and_too_few_dates_are_refused() -> None:
    with pytest.raises(UsageError, match=r"a top_share of 1\.2 was asked for\. Give a share above 0, and at most 1"):
        Aims(top_share=1.2)
    with pytest.raises(UsageError, match="tier_1 was to hold 30% of the accounts: tier_1 and tier_2 together hold"):
        Aims(top_share=0.2, tier_1_share=0.3)
    with pytest.raises(
        UsageError, match=r"3 dates with closed horizons lie a horizon before judging begins on .*Give 4"
    ):
        tune(dates(n=5), Policy(), Aims(top_share=0.2), horizon_days=HORIZON, trials=10, seed=0)


def test_what_may_not_be_proposed_is_no_trial_and_segments_with_cuts_of_their_own_are_kept_in_order() -> None:
    big = Segment(segment="big", where={"status": ["eligible"]}, bands={"fit": {"moderate": 60}})
    policy = Policy(segments=(big,), bands={"fit": {"moderate": 40, "high": 70}})
    found = tune(
        dates(n=16), policy, Aims(top_share=0.3), horizon_days=HORIZON, trials=12, seed=0,
        sound=lambda tried: tried.time_in_tier.minimum_stay_days < 50,
    )  # fmt: skip
    assert 1 < len(found.trials) < 13
    for trial in found.trials:
        assert trial.policy.time_in_tier.minimum_stay_days < 50
        assert trial.policy.bands.fit.high > 60, "the segment's moderate would lie above high"
    none = tune(
        dates(n=16), policy, Aims(top_share=0.3), horizon_days=HORIZON, trials=3, seed=0, sound=lambda tried: False
    )
    assert none.proposed == policy


def test_judging_may_begin_on_a_date_of_ones_own() -> None:
    given = dates()
    begin = given[12].as_of
    found = tune(given, Policy(), Aims(top_share=0.3), horizon_days=HORIZON, trials=2, seed=0, judge_from=begin)
    assert (found.judged_from, found.judged_on, found.tuned_on) == (begin, len(given) - 1 - 12, 12)
    with pytest.raises(UsageError, match=r"judged on dates from 2030-01-01 on: none of the dates there has a closed"):
        tune(
            given, Policy(), Aims(top_share=0.3), horizon_days=HORIZON, trials=2, seed=0,
            judge_from=instant("2030-01-01"),
        )  # fmt: skip


CARE = {"verticals": [{"vertical": "care", "where": {"industry": ["health"]}, "lower": {"fit": 5}}]}


def test_a_shape_asks_for_scores_or_where_people_have_groups_of_their_own_changes_tier_2_alone() -> None:
    same, scored = shapes(Policy())
    assert same == Policy().rows
    assert [r.row for r in scored] == ["focus", "growth_score", "scaled", "scaled_unknown", "target"]
    assert scored[1] == TierRow(row="growth_score", tier="tier_2", fit="moderate", least={"account_score": 99.5})
    assert scored[0] == same[0].model_copy(update={"least": {"account_score": 99.5}})
    assert asking(scored, 95.0, 84.0)[:2] == (
        same[0].model_copy(update={"least": {"account_score": 95.0}}),
        scored[1].model_copy(update={"least": {"account_score": 84.0}}),
    )
    mine = (same[0].model_copy(update={"least": {"account_score": 97.0}}), *scored[1:])
    assert asking(mine, 80.0, 70.0)[0] == mine[0], "what people ask of tier_1 stays"
    assert len(shapes(Policy(rows=mine))) == 2, "it asks for a score already: one row may be added beside"
    grouped = shapes(Policy(**CARE))
    assert [[r.row for r in rows if r.tier == "tier_2"] for rows in grouped] == [
        ["growth_signal", "growth_coverage"],
        ["growth_signal"],
        ["growth_signal", "growth_coverage", "growth_high_signal"],
        ["growth_signal", "growth_high_signal"],
    ]
    theirs = TierRow(row="care", tier="tier_2", fit="moderate", coverage="partial", verticals=("care",))
    kept = shapes(Policy(**CARE, rows=(*same[:3], theirs, *same[3:])))
    assert all(theirs in rows for rows in kept)
    for rows in (scored, *grouped):
        Policy(**CARE, rows=rows)
    only = Policy(rows=(TierRow(row="cover", tier="tier_2", fit="high", coverage="partial"),))
    assert all(any(r.tier == "tier_2" for r in rows) for rows in shapes(only))


def grouped_like(policy: Policy) -> Policy:
    return Policy.model_validate(policy.model_dump() | CARE)


TEXT = """\
# Ours.
policy: v7
bands:
  fit: {moderate: 35, high: 60}  # who they are
  signal: {early: 40, moderate: 60, high: 80}
rows:
  - {row: focus, tier: tier_1, fit: high, signal: high, coverage: reached}
  - {row: growth_signal, tier: tier_2, fit: high, signal: moderate}  # the many
  - {row: growth_coverage, tier: tier_2, fit: high, coverage: partial}
  - {row: scaled, tier: tier_3, fit: moderate, signal: early}
negative_triggers: []
"""


def test_a_proposed_text_reads_as_the_policy_and_keeps_what_people_wrote() -> None:
    present = parse_policy(TEXT)
    bands = present.bands.model_copy(update={"signal": present.bands.signal.model_copy(update={"high": 91.5})})
    for rows in (*shapes(present), *shapes(grouped_like(present))):
        proposed = present.model_copy(
            update={"bands": bands, "rows": rows, "time_in_tier": TimeInTier(stay_margin=12, minimum_stay_days=35)}
        )
        text = proposed_text(TEXT, present, proposed)
        assert parse_policy(text) == proposed
        assert "# Ours." in text
        assert "# who they are" in text
        assert ("# the many" in text) == any(row.row == "growth_signal" for row in rows)
        assert "moderate: 35" in text
    assert proposed_text(TEXT, present, present) == TEXT
    assert policy_changes(present, present) == {}
    assert policy_diff(TEXT, TEXT, "policy.yaml") == ""
    empty = proposed_text("", Policy(), Policy(time_in_tier=TimeInTier(minimum_stay_days=7)))
    assert parse_policy(empty).time_in_tier.minimum_stay_days == 7


def test_changes_are_said_in_words() -> None:
    present = parse_policy(TEXT)
    proposed = present.model_copy(
        update={"rows": shapes(grouped_like(present))[-1], "time_in_tier": TimeInTier(stay_margin=2)}
    )
    assert spoken_changes(present, proposed) == [
        {"what": "time_in_tier.stay_margin", "was": "5", "now": "2"},
        {"what": "row growth_coverage", "was": "tier_2: fit high, coverage partial", "now": "none"},
        {"what": "row growth_high_signal", "was": "none", "now": "tier_2: fit moderate, signal high"},
    ]
    calm = present.model_copy(update={"surge": None})
    assert spoken_changes(present, calm) == [{"what": "surge", "was": "a lift for 21 days", "now": "none"}]
    for text in (
        TEXT,
        TEXT + "surge: {ratio: 4, days: 30}  # short\n",
        TEXT + "surge:\n  ratio: 4\n  days: 30\nstale: null\n",
    ):
        said = proposed_text(text, parse_policy(text), parse_policy(text).model_copy(update={"surge": None}))
        assert parse_policy(said) == parse_policy(text).model_copy(update={"surge": None})
        assert said.startswith(TEXT)
    scored = present.model_copy(update={"rows": shapes(present)[-1]})
    assert {"what": "row growth_score", "was": "none", "now": "tier_2: fit moderate, account_score from 99.5"} in (
        spoken_changes(present, scored)
    )
