"""A policy in words: goldens of the usual one and of one with every setting, and no setting left out by the words."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from past_dates import replay_sample
from report_sample import run_values
from tierwise.config.policy import Policy, Stale, TimeInTier
from tierwise.report import replay_page, run_page
from tierwise.tiers.spoken import spoken

GOLDEN = Path(__file__).parent / "golden" / "policy_words.txt"
FULL: dict[str, Any] = {
    "policy": "full",
    "minimum_fit": "moderate",
    "bands": {"fit": {"moderate": 35, "high": 62.5}, "signal": {"early": 40, "moderate": 60, "high": 80}},
    "rows": [
        {"row": "public_focus", "tier": "tier_1", "fit": "high", "signal": "moderate", "coverage": "reached",
         "verticals": ["public", "health"]},
        {"row": "focus", "tier": "tier_1", "fit": "high", "signal": "high", "coverage": "reached",
         "least": {"expected_value": 1_250_000, "employee_count": 200}},
        {"row": "growth", "tier": "tier_2", "fit": "high", "signal": "early", "coverage": "partial"},
        {"row": "scaled", "tier": "tier_3", "signal": "early"},
        {"row": "unknown", "tier": "tier_3", "fit": "moderate", "coverage": "unknown"},
    ],
    "stale": {"after_days": 100, "within_days": 300},
    "surge": {"ratio": 2.5, "least_activities": 6, "least_contacts": 1, "least_channels": 3, "days": 14,
              "cool_down_days": 45},
    "negative_triggers": [{"kind": "legal_objection", "days": 365}, {"kind": "unsubscribe", "days": 1}],
    "capacity": {"tier_1": 50, "tier_2": 2000},
    "owner_capacity": {"by": "territory", "tier_1": 10, "tier_2": 40},
    "segments": [
        {"segment": "enterprise", "where": {"employee_count": {"at_least": 1000}}, "bands": {"fit": {"high": 80}}},
        {"segment": "mid_market",
         "where": {"employee_count": {"at_least": 200, "below": 1000}, "country": ["Germany", "France", "Spain"]},
         "bands": {"fit": {"moderate": 30, "high": 65}, "signal": {"early": 45, "moderate": 55, "high": 85}}},
    ],
    "verticals": [
        {"vertical": "public", "where": {"industry": ["government", "education"]}, "lower": {"fit": 10, "signal": 5}},
        {"vertical": "health", "where": {"industry": ["hospitals"]}, "lower": {"fit": 2, "signal": 1}},
    ],
    "calendar": {"fiscal_year_starts": 2, "freeze_days": 10, "demotions_on": ["monday", "thursday"],
                 "holidays": ["2027-01-01", "2026-12-25"]},
    "time_in_tier": {"stay_margin": 7.5, "minimum_stay_days": 28, "promotion_window_days": 30},
}  # fmt: skip
OTHER = {
    "low": "moderate", "moderate": "high", "high": "moderate", "early": "moderate", "none": "early",
    "reached": "partial", "partial": "reached", "unknown": "partial", "tier_1": "tier_2", "tier_2": "tier_1",
    "tier_3": "tier_2", "territory": "team", "monday": "tuesday", "thursday": "friday",
}  # fmt: skip
Place = tuple[Any, ...]


def test_the_usual_policy_and_one_with_every_setting_read_as_before() -> None:
    said = [f"# {p.policy}\n" + "".join(f"{s}\n" for s in spoken(p)) for p in (Policy(), Policy.model_validate(FULL))]
    assert "\n".join(said) == GOLDEN.read_text(encoding="utf-8")


def leaves(value: Any, place: Place = ()) -> Iterator[Place]:
    """Every value of the policy that is not itself made of values."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield from leaves(one, (*place, key))
    if not isinstance(value, (dict, list)):
        yield place


def changed(place: Place) -> dict[str, Any]:
    """The full policy with one value another one."""
    made = copy.deepcopy(FULL)
    *way, last = place
    inner = made
    for key in way:
        inner = inner[key]
    value = inner[last]
    if isinstance(value, str):
        day = value[:4].isdigit()
        other = str(date.fromisoformat(value) + timedelta(days=1)) if day else f"{value}_too"
        inner[last] = OTHER.get(value, other)
    else:
        inner[last] = value + 1
    return made


PLACES = [place for place in leaves(FULL) if place not in (("policy",),)]
NAMED_BY_ROWS = {("verticals", 0, "vertical"), ("verticals", 1, "vertical")}
NAMES = {("rows", 0, "verticals", 0), ("rows", 0, "verticals", 1)}


@pytest.mark.parametrize(
    "place", [p for p in PLACES if p not in NAMED_BY_ROWS | NAMES], ids=lambda p: ".".join(map(str, p))
)
def test_no_setting_can_change_without_the_words(place: Place) -> None:
    made = changed(place)
    if place[0] == "rows" and place[-1] == "tier":
        made["rows"].sort(key=lambda row: row["tier"])
    assert spoken(Policy.model_validate(made)) != spoken(Policy.model_validate(FULL))


@pytest.mark.parametrize("part", ["segments", "verticals", "negative_triggers", "rows"])
def test_nothing_of_a_list_is_left_out(part: str) -> None:
    made = copy.deepcopy(FULL)
    made[part] = made[part][::-1] if part == "rows" else made[part][:1]
    if part in ("rows", "verticals"):
        made["rows"] = sorted([row for row in made["rows"] if "verticals" not in row], key=lambda row: row["tier"])
    whole = copy.deepcopy(FULL)
    whole["rows"] = made["rows"] if part == "verticals" else whole["rows"]
    assert spoken(Policy.model_validate(made)) != spoken(Policy.model_validate(whole))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"minimum_fit": "low"}, "No minimum fit is asked."),
        ({"minimum_fit": "high"}, "An account of less than high fit (below 70) goes to recycle, whatever its signals."),
        ({"stale": None}, "No account goes to recycle because its signals are old."),
        ({"surge": None}, "There is no surge."),
        ({"time_in_tier": TimeInTier(minimum_stay_days=0)}, "There is no minimum stay."),
        (
            {"time_in_tier": TimeInTier(stay_margin=0)},
            "An account stays in a tier only while it reaches what entering takes.",
        ),
        ({"capacity": {"tier_1": 1}}, "All owners together can work at most 1 account in tier 1."),
        ({"capacity": {"tier_1": 0}}, "All owners together can work at most 0 accounts in tier 1."),
        ({"owner_capacity": {"by": "owner"}}, "An owner can work as many accounts as the table owners says."),
        (
            {"calendar": {"holidays": ["2026-12-25"]}},
            "Scores and full tiers lower an account only where a day that is no holiday (25 Dec 2026) has come since "
            "its last run.",
        ),
        ({"rows": [{"row": "all", "tier": "tier_3"}], "minimum_fit": "low"}, "Tier 3 (row all): any account."),
        (
            {"rows": [{"row": "wide", "tier": "tier_3"}]},
            "Tier 3 (row wide): at least moderate fit.",
        ),
    ],
)
def test_what_a_policy_does_not_have_is_said_too(settings: dict[str, Any], said: str) -> None:
    assert said in spoken(Policy.model_validate(settings))


def test_the_words_hold_where_a_segment_or_vertical_moves_the_minimum_fit() -> None:
    said = " ".join(spoken(Policy.model_validate(FULL)))
    assert "(below 35 where its segment says no other)" in said
    assert "10 points less fit and 5 points less signal is enough, for the minimum fit too." in said


def test_the_run_page_says_the_policy_in_the_reader_s_words() -> None:
    values = run_values(60)
    page = run_page(replace(values, policy=spoken(Policy(stale=Stale(after_days=77)))))
    assert page.count('id="policy"') == 1
    assert "How tiers are decided" in page
    assert "<li>Engagement is high from 90" in page
    assert "more than 77 days old" in page
    assert 'id="policy"' not in run_page(replace(values, policy=()))


def test_the_replay_page_says_the_policy_and_what_the_other_one_says_instead() -> None:
    first, second = Policy(policy="mine", stale=Stale(after_days=77)), Policy(policy="loose", stale=None)
    page = replay_page(replay_sample(first, second))
    assert page.count("more than 77 days old") == 1
    assert page.count("No account goes to recycle because its signals are old.") == 1
    assert page.count("Fit is high from 70") == 1
    assert f"What {second.version()} says instead" in page
    assert "says instead" not in replay_page(replay_sample(first))
