"""The page of a replay, as text: what it says, in whose words, and what it says where there is nothing."""

from __future__ import annotations

import re

from past_dates import replay_sample
from tierwise.config.policy import Policy, TimeInTier
from tierwise.report import replay_page

LOOSE = Policy(policy="loose", time_in_tier=TimeInTier(stay_margin=0, minimum_stay_days=0), surge=None, stale=None)


def text(page: str) -> str:
    """The words of a page's body, each space one."""
    body = re.sub(r"<(style|svg).*?</\1>", " ", page, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_it_says_every_figure_with_its_interval_and_its_n() -> None:
    values = replay_sample(Policy(capacity={"tier_1": 10}), LOOSE)
    page = text(replay_page(values))
    for line in values.values["by_tier"]:
        if line["tier"] in ("tier_1", "tier_2", "tier_3") and line["n"]:
            said = (
                f"{100 * line['precision']:.1f}% {100 * line['low']:.1f}% to {100 * line['high']:.1f}%, n {line['n']:,}"
            )
            assert said in page
    for line in values.values["guardrails"]:
        name = line["guardrail"].replace("_", " ")
        assert (
            f"{name} {line['holds']} {line['n']:,} of {line['rows']:,} {line['outcomes']:,} {line['without']:,}" in page
        )
    for line in values.values["surges"]:
        if line["began"]:
            assert f"{line['began']:,} {line['n']:,} {line['paid']:,}" in page
    assert "6 dates (13 October 2025 to 22 December 2025) count for size and tier change only" in page
    assert "Tier change" in page
    assert "side by side" in page.lower()


def test_it_names_the_dates_without_scores_and_the_refits_that_gave_nothing() -> None:
    page = text(replay_page(replay_sample(Policy())))
    why = "Training needs 50 accounts with the outcome: there are 12."
    assert f"4 November 2024 to 2 December 2024 (3 dates): {why}" in page
    assert "13 October 2025: a higher score did not mean more. The model before went on." in page
    assert "Side by side" not in page


def test_where_nothing_has_matured_it_shows_size_and_movement_alone() -> None:
    page = text(replay_page(replay_sample(LOOSE, open_from=0)))
    assert "26 dates (6 January 2025 to 22 December 2025) count for size" in page
    assert "nan" not in page.lower().split()
    assert "No surge began." in page
    assert "Of won amount" not in page


def test_the_same_values_give_the_same_bytes() -> None:
    assert replay_page(replay_sample(Policy(), LOOSE)) == replay_page(replay_sample(Policy(), LOOSE))
