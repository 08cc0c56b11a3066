"""The budget of plays.yaml: refused by line where it makes no sense, spread by the plays' shares, and no part of what a
run is."""

from __future__ import annotations

import pytest

from tierwise.config import Budget, Plays, plays_text
from tierwise.config.load import parse_file
from tierwise.errors import ConfigError
from tierwise.routing import default_plays

PLAYS = """\
budget: {amount: 400000, months: 6}
plays:
  - {play: focus, tiers: [tier_1], motion: m, owner: revops, message: "", kpi: "", budget_share: 0.4}
  - {play: surge, tiers: [tier_1, tier_2], movements: [surge], motion: m, owner: revops, message: "", kpi: "",
     budget_share: 0.3}
  - {play: deal, statuses: [customer], motion: m, owner: revops, message: "", kpi: "", budget_share: 0.1}
  - {play: stop, tiers: [suppress], motion: none, owner: revops, message: "", kpi: ""}
"""


def read(text: str) -> Plays:
    return parse_file(Plays, text, "plays.yaml")


def test_the_budget_is_read_and_each_place_has_its_plays_shares() -> None:
    plays = read(PLAYS)
    assert plays.budget == Budget(amount=400_000, months=6)
    assert plays.shares == pytest.approx({"tier_1": 0.55, "tier_2": 0.15, "customer": 0.1})
    assert read(PLAYS.replace(", months: 6", "")).budget == Budget(amount=400_000, months=12)
    assert sum(default_plays().shares.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        ("400000", "0", "1: budget.amount: a number above 0 is wanted"),
        ("400000", ".inf", "1: budget.amount: a finite number is wanted"),
        ("400000", "much", "1: budget.amount: a number is wanted; here stands text"),
        ("months: 6", "months: 0", "1: budget.months: at least 1 is wanted"),
        ("months: 6", "month: 6", "1: budget.month: unknown key; did you mean 'months'?"),
        ("amount: 400000, ", "", "1: budget.amount: this key is missing"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused_by_line(was: str, now: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(PLAYS.replace(was, now, 1))
    assert says in str(refused.value)


def test_a_budget_changes_nothing_that_a_run_is_made_of() -> None:
    assert read(PLAYS).said() == read(PLAYS.split("\n", 1)[1]).said()


def test_the_budget_stands_in_a_new_file_as_a_comment_that_can_be_taken_up() -> None:
    text = plays_text(default_plays())
    line = "# budget: {amount: 400000, months: 12}\n"
    assert line in text
    taken_up = text.replace(line, line.removeprefix("# "))
    assert read(text).budget is None
    assert read(taken_up).budget == Budget(amount=400_000, months=12)
    assert read(taken_up).model_copy(update={"budget": None}) == read(text)
