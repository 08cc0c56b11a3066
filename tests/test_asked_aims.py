"""What a tuning is asked for is read, and refused in words, before anything is scored."""

from __future__ import annotations

from typing import cast

import pytest

from tierwise.config import Workspace
from tierwise.errors import UsageError
from tierwise.jobs import tune
from tierwise.jobs.aims import read_aims
from tierwise.tiers.aims import Aims


def test_shares_and_numbers_of_accounts_are_aims() -> None:
    asked = read_aims(" 20% ", "50", "7.5%", "2%")
    assert asked.of(1000) == Aims(top_share=0.2, tier_1_share=0.05, precision=0.075, ping_pong=0.02)
    assert read_aims("300", None, None, "100%").of(1200) == Aims(top_share=0.25, ping_pong=1.0)
    with pytest.raises(
        UsageError,
        match=r"--top 300 was asked for: 299 accounts can stand in these tiers on the newest date\. Give a number of"
        r" accounts up to 299, or a share, as 20%",
    ):
        read_aims("300", None, None, "2%").of(299)
    with pytest.raises(UsageError, match="tier_1 was to hold 30% of the accounts"):
        read_aims("20%", "300", None, "2%").of(1000)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"top": "0.2"},
            "--top 0.2 was asked for. Give a share above 0% and up to 100%, as 20%, or a number of accounts.",
        ),
        ({"top": "120%"}, "--top 120% was asked for. Give a share above 0% and up to 100%, as 20%, or a number of"),
        ({"top": "0"}, "--top 0 was asked for. Give a share"),
        ({"top": "nan%"}, "--top nan% was asked for. Give a share"),
        ({"top": "inf"}, "--top inf was asked for. Give a share"),
        ({"tier_1": "-3"}, "--tier-1 -3 was asked for. Give a share"),
        ({"tier_1": "2.5"}, "--tier-1 2.5 was asked for. Give a share"),
        ({"tier_1": "30%"}, "--tier-1 30% was asked for: tier_1 and tier_2 together are to hold 20% at most. Give a"),
        ({"precision": "12"}, "--precision 12 was asked for. Give a share above 0% and up to 100%, as 20%."),
        ({"precision": "0.08"}, "--precision 0.08 was asked for. Give a share above 0% and up to 100%, as 8%."),
        ({"ping_pong": "0%"}, "--ping-pong 0% was asked for. Give a share above 0% and up to 100%, as 2%."),
        ({"judge_from": "soon"}, "soon"),
    ],
)
def test_what_cannot_be_read_is_refused_before_the_workspace_is(given: dict[str, str], says: str) -> None:
    nowhere = cast("Workspace", None)
    with pytest.raises(UsageError) as refused:
        tune(nowhere, **{"top": "20%"} | given)
    assert says in str(refused.value)
