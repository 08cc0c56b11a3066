"""Owner rules of plays: the account's owner, who stands in for it in its territory, and what each can work."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise.clock import instant
from tierwise.config import Play, Plays
from tierwise.routing import owed

AS_OF = instant("2026-03-02")
OWNERS = pd.DataFrame(
    [
        ("ann", "North", "sales", None, 2),
        ("bob", "North", "sales", None, 3),
        ("cyd", "North", "sales", None, None),
        ("dee", "North", "marketing", None, None),
        ("eve", "South", "sales", None, 1),
        ("gone", "North", "sales", "2026-01-01", None),
        ("lost", None, None, "2026-01-01", None),
        ("alone", "West", "sales", "2026-01-01", None),
    ],
    columns=["owner_id", "territory", "team", "active_to", "capacity_tier_1"],
).assign(active_to=lambda f: pd.to_datetime(f["active_to"]), active_from=pd.NaT)


def accounts(*owners: str | None, old: int = 0) -> pd.DataFrame:
    """Accounts of tier_1 in account_id order; the first `old` stood there before, and owe nothing."""
    rows = [
        {
            "account_id": f"{n:03d}",
            "tier": "tier_1",
            "previous_tier": "tier_1" if n < old else "tier_2",
            "cause": "data",
        }
        | {"movement": "" if n < old else "up", "row": "focus", "why": "", "owner_id": owner, "surge_began": False}
        for n, owner in enumerate(owners)
    ]
    return pd.DataFrame(rows)


def acting(rule: str, decisions: pd.DataFrame, owners: pd.DataFrame = OWNERS, **more: Any) -> list[str]:
    play = Play.model_validate(
        {"play": "p", "tiers": ["tier_1"], "motion": "m", "owner": rule, "message": "", "kpi": "", **more}
    )
    return list(owed(decisions, Plays(plays=(play,)), owners, "p", AS_OF, "r")["owner"])


@pytest.mark.parametrize("rule", ["account_owner", "territory", "capacity"])
def test_an_owner_who_is_active_and_has_room_acts_by_every_rule(rule: str) -> None:
    assert acting(rule, accounts("ann", "cyd", "eve")) == ["ann", "cyd", "eve"]


@pytest.mark.parametrize(
    ("owner", "by"),
    [("gone", "ann"), ("lost", "revops"), ("alone", "revops"), ("stranger", "revops"), (None, "revops")],
)
def test_who_has_fewest_accounts_of_the_territory_and_team_stands_in(owner: str | None, by: str) -> None:
    assert acting("territory", accounts(owner)) == [by]
    assert acting("account_owner", accounts(owner)) == ["revops"]


def test_work_spreads_over_those_who_stand_in() -> None:
    assert acting("territory", accounts("ann", "gone", "gone", "gone", "gone", old=1)) == ["bob", "cyd", "ann", "bob"]


def test_by_capacity_what_an_owner_has_no_room_for_goes_to_who_has_it() -> None:
    assert acting("capacity", accounts("ann", "ann", old=1)) == ["ann"], "two are what she can work"
    assert acting("capacity", accounts("ann", "ann", "ann", old=2)) == ["bob"]
    assert acting("territory", accounts("ann", "ann", "ann", old=2)) == ["ann"]
    assert acting("capacity", accounts("eve", "eve", old=1)) == ["revops"], "nobody else works the South"
    north = OWNERS[OWNERS["owner_id"].isin(["ann", "bob", "gone"])]
    full = accounts("ann", "ann", "bob", "bob", "bob", "gone", "gone", old=5)
    assert acting("capacity", full, north) == ["revops", "revops"]
    assert acting("territory", full, north) == ["ann", "ann"], "no room is no reason by territory"


def test_due_times_go_by_the_clock_of_who_acts() -> None:
    zoned = OWNERS.assign(time_zone=["America/New_York" if o == "ann" else None for o in OWNERS["owner_id"]])
    play = Play(play="p", tiers=("tier_1",), motion="m", owner="territory", sla_hours=8, message="", kpi="")
    got = owed(accounts("gone"), Plays(plays=(play,)), zoned, "p", AS_OF, "r")
    assert got.loc[0, "owner"] == "ann"
    assert got.loc[0, "due_at"] == pd.Timestamp("2026-03-02T22:00"), "17:00 in New York"


@given(
    owners=st.lists(st.sampled_from(["ann", "bob", "cyd", "eve", "gone", "lost", None]), min_size=1, max_size=20),
    old=st.integers(0, 10),
    rule=st.sampled_from(["territory", "capacity"]),
)
def test_nobody_acts_for_another_territory_nor_beyond_its_room_and_the_order_of_rows_does_not_matter(
    owners: list[str | None], old: int, rule: str
) -> None:
    decisions = accounts(*owners, old=old)
    got = acting(rule, decisions)
    assert got == acting(rule, decisions.iloc[::-1])
    due = decisions[decisions["movement"] != ""]
    places = (
        OWNERS.fillna({"territory": "", "team": ""}).set_index("owner_id")[["territory", "team"]].apply(tuple, axis=1)
    )
    assert len(got) == len(due)
    took: dict[str, int] = {}
    for owner, by in zip(due["owner_id"], got, strict=True):
        assert by == "revops" or places[by] == places[owner]
        took[by] = took.get(by, 0) + (by != owner)
    held = decisions["owner_id"].value_counts()
    for by, room in (("ann", 2), ("bob", 3), ("eve", 1)):
        if rule == "capacity" and took.get(by):
            assert held.get(by, 0) + took[by] <= room
