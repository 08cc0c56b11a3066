"""Who is eligible, excluded, and whose: known cases, at the very instants where they turn."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import pytest

from exports import AS_OF, Rows
from tables import as_tables
from tierwise.config import Cohort, Plan
from tierwise.data import Warehouse
from tierwise.errors import ContractError
from tierwise.features import build_matrix, catalogue

TICK = timedelta(microseconds=1)
EARLY = AS_OF - timedelta(days=300)


def account(name: str, **more: object) -> dict:
    """An account known long before."""
    return {"account_id": name, "created_at": EARLY} | more


def opportunity(name: str, created: datetime, closed: datetime | None = None, *, won: bool = False) -> dict:
    """An opportunity of the account of the same name."""
    return {"opportunity_id": f"p-{name}-{created}", "account_id": name, "created_at": created, "closed_at": closed,
            "is_closed": closed is not None, "is_won": won, "stage": "x"}  # fmt: skip


def rows_of(rows: Rows, cohort: Cohort | None = None, **asked: object) -> pd.DataFrame:
    """The matrix of a plan without features, by account."""
    plan = Plan(plan="cohort", cohort=cohort or Cohort())
    with Warehouse.open(as_tables(rows), threads=1) as warehouse:
        return build_matrix(warehouse, plan, (AS_OF,), **asked).frame.set_index("account_id")


def test_status_turns_at_the_instant_it_was_known() -> None:
    rows: Rows = {
        "accounts": [
            account("plain"), account("open"), account("opens-now"), account("lost"), account("closes-now"),
            account("won"), account("won-now"), account("planned"), account("gone", deleted_at=AS_OF - TICK),
            account("goes-now", deleted_at=AS_OF), {"account_id": "new", "created_at": AS_OF - TICK},
            {"account_id": "newer", "created_at": AS_OF}, {"account_id": "undated", "created_at": None},
            {"account_id": "never", "created_at": None},
        ],
        "opportunities": [
            opportunity("open", AS_OF - TICK), opportunity("opens-now", AS_OF),
            opportunity("lost", EARLY, AS_OF - TICK), opportunity("closes-now", EARLY, AS_OF),
            opportunity("won", EARLY, AS_OF - TICK, won=True), opportunity("won-now", EARLY, AS_OF, won=True),
            opportunity("planned", EARLY, None) | {"closed_at": AS_OF - timedelta(days=3)},
            opportunity("undated", AS_OF - timedelta(days=9), AS_OF - timedelta(days=2)),
        ],
    }  # fmt: skip
    assert rows_of(rows)["status"].to_dict() == {
        "plain": "eligible", "open": "in_pipeline", "opens-now": "eligible", "lost": "eligible",
        "closes-now": "in_pipeline", "won": "customer", "won-now": "in_pipeline", "planned": "in_pipeline",
        "gone": "not_eligible", "goes-now": "eligible", "new": "eligible", "undated": "eligible",
    }  # fmt: skip


def test_a_plan_may_keep_customers_or_take_only_them() -> None:
    rows: Rows = {
        "accounts": [account("plain"), account("won")],
        "opportunities": [opportunity("won", EARLY, AS_OF - TICK, won=True)],
    }
    for customers, wanted in (
        ("keep", {"plain": "eligible", "won": "eligible"}),
        ("only", {"plain": "not_eligible", "won": "eligible"}),
        ("exclude", {"plain": "eligible", "won": "customer"}),
    ):
        assert rows_of(rows, Cohort(customers=customers))["status"].to_dict() == wanted


def test_rules_on_country_industry_age_activity_and_what_has_ended() -> None:
    def did(name: str, kind: str, at: datetime) -> dict:
        return {"activity_id": f"{name}{at}", "account_id": name, "occurred_at": at, "channel": "web", "kind": kind,
                "initiator": "buyer"}  # fmt: skip

    rows: Rows = {
        "accounts": [
            account("in", country="NL", industry="retail"), account("abroad", country="FR", industry="retail"),
            account("nowhere", country=None, industry="retail"), account("other", country="NL", industry="steel"),
            account("young", country="NL", industry="retail") | {"created_at": AS_OF - timedelta(days=29)},
            account("ended", country="NL", industry="retail"), account("ends-now", country="NL", industry="retail"),
        ],
        "activities": [did("ended", "churned", AS_OF - TICK), did("ends-now", "churned", AS_OF)],
    }  # fmt: skip
    cohort = Cohort(countries=("NL",), industries=("retail",), min_age_days=30, ended_by=("churned",))
    found = rows_of(rows, cohort)["status"]
    assert found[found == "eligible"].index.tolist() == ["ends-now", "in"]
    plan = Plan.model_validate(
        {"plan": "active", "cohort": {"active_within_days": 10}, "features": {"signal": {"channels": {"web": {}}}}}
    )
    rows["activities"] = [
        did("in", "visit", AS_OF - timedelta(days=10)),
        did("other", "visit", AS_OF - timedelta(days=10) - TICK),
    ]
    with Warehouse.open(as_tables(rows), threads=1) as warehouse:
        frame = build_matrix(warehouse, plan, (AS_OF,)).frame
    assert frame.loc[frame["status"] == "eligible", "account_id"].tolist() == ["in"]


@pytest.mark.parametrize(
    ("given", "holds"),
    [
        ({"account_id": "a"}, True),
        ({"domain": "A.example"}, True),
        ({"country": "NL"}, True),
        ({"country": "FR"}, False),
        ({"account_id": "a", "recorded_at": AS_OF}, False),
        ({"account_id": "a", "recorded_at": AS_OF - TICK}, True),
        ({"account_id": "a", "starts_on": AS_OF}, True),
        ({"account_id": "a", "starts_on": AS_OF + TICK}, False),
        ({"account_id": "a", "ends_on": AS_OF}, False),
        ({"account_id": "a", "ends_on": AS_OF + TICK}, True),
    ],
)
def test_an_exclusion_holds_from_start_to_end_once_recorded(given: dict, holds: bool) -> None:
    rows: Rows = {
        "accounts": [account("a", domain="a.example", country="NL")],
        "exclusions": [{"reason": "sanctions"} | given],
    }
    assert rows_of(rows).loc["a", "excluded_by"] == ("sanctions" if holds else None)


def test_an_exclusion_of_an_account_is_not_one_of_its_country_and_free_text_is_not_repeated() -> None:
    rows: Rows = {
        "accounts": [account("a", domain="a.example", country="NL"), account("b", domain="b.example", country="NL")],
        "exclusions": [{"account_id": "a", "domain": "b.example", "country": "NL", "reason": "asked by Zelda Quux"}],
    }
    assert rows_of(rows)["excluded_by"].to_dict() == {"a": "other", "b": None}
    rows["exclusions"] = [
        {"account_id": "a", "reason": " Do Not Contact"},
        {"account_id": "b", "reason": "jane doe asked"},
    ]
    assert rows_of(rows)["excluded_by"].to_dict() == {"a": "do_not_contact", "b": "other"}


def test_a_contact_without_a_link_date_reaches_no_account_and_none_after_it_was_unlinked() -> None:
    plan = Plan.model_validate({"plan": "links", "features": {"signal": {"channels": {"web": {}}}}})
    early, unlinked = AS_OF - timedelta(days=20), AS_OF - timedelta(days=10)

    def visit(name: str, contact: str, at: datetime) -> dict:
        return {"activity_id": name, "contact_id": contact, "occurred_at": at, "channel": "web", "kind": "visit",
                "initiator": "buyer"}  # fmt: skip

    rows: Rows = {
        "accounts": [account("a")],
        "contacts": [
            {"contact_id": "undated", "account_id": "a"},
            {"contact_id": "left", "account_id": "a", "created_at": EARLY, "unlinked_at": unlinked},
        ],
        "activities": [visit("1", "undated", early), visit("2", "left", early), visit("3", "left", unlinked)],
    }
    with Warehouse.open(as_tables(rows), threads=1) as warehouse:
        row = build_matrix(warehouse, plan, (AS_OF,)).frame.iloc[0]
    assert row["signals_30d"] == 1
    assert row["contacts_30d"] == 1


def test_roles_without_history_serve_coverage_and_no_feature() -> None:
    def plan(clock: str) -> Plan:
        group = {"roles": ["champion"], "clock": clock}
        return Plan.model_validate({"plan": "roles", "features": {"signal": {"buying_group": group}}})

    assert [f.name for f in catalogue(plan("tracked")) if "reached" in f.name] == ["reached_champion"]
    assert not [f.name for f in catalogue(plan("untracked")) if "reached" in f.name or "group" in f.name]
    rows: Rows = {
        "accounts": [account("a")],
        "contacts": [{"contact_id": "c", "account_id": "a", "created_at": EARLY, "role": "champion"}],
    }
    with Warehouse.open(as_tables(rows), threads=1) as warehouse:
        assert build_matrix(warehouse, plan("untracked"), (AS_OF,)).frame["coverage"].tolist() == ["none"]


def test_an_attribute_that_accounts_do_not_have_is_refused_by_name() -> None:
    attribute = {"attribute": "industri", "kind": "category", "clock": "fixed"}
    plan = Plan.model_validate({"plan": "law5", "features": {"fit": [attribute]}})
    with (
        Warehouse.open(as_tables({"accounts": [account("a")]}), threads=1) as warehouse,
        pytest.raises(ContractError, match="asks for the attribute 'industri': accounts have account_id"),
    ):
        build_matrix(warehouse, plan, (AS_OF,))


def test_a_negative_trigger_holds_for_its_days_whoever_did_it() -> None:
    def stop(name: str, at: datetime, **more: object) -> dict:
        return {"activity_id": name, "account_id": name, "occurred_at": at, "channel": "email", "kind": "unsubscribe",
                "initiator": "seller"} | more  # fmt: skip

    rows: Rows = {
        "accounts": [account("in"), account("over"), account("late"), account("other")],
        "activities": [
            stop("in", AS_OF - timedelta(days=30)),
            stop("over", AS_OF - timedelta(days=30) - TICK),
            stop("late", AS_OF - timedelta(days=3), recorded_at=AS_OF),
            stop("other", AS_OF - timedelta(days=3), kind="email_open"),
        ],
    }
    found = rows_of(rows, negative_triggers={"unsubscribe": 30})["negative_trigger"]
    assert found.to_dict() == {"in": "unsubscribe", "over": None, "late": None, "other": None}


def test_families_reach_the_ultimate_parent_and_a_circle_has_one_name() -> None:
    parents = {"top": None, "mid": "top", "leaf": "mid", "lone": None, "x": "y", "y": "z", "z": "x", "self": "self",
               "orphan": "not-there"}  # fmt: skip
    rows: Rows = {"accounts": [account(name, parent_account_id=p) for name, p in parents.items()]}
    assert rows_of(rows)["family_id"].to_dict() == {
        "top": "top", "mid": "top", "leaf": "top", "lone": "lone", "x": "x", "y": "x", "z": "x", "self": "self",
        "orphan": "not-there",
    }  # fmt: skip


@pytest.mark.parametrize(("tail", "circle"), [(1, 2), (2, 2), (15, 7), (19, 19)])
def test_a_circle_and_what_leads_into_it_are_one_family(tail: int, circle: int) -> None:
    parents = {f"a{n:02}": f"a{n + 1:02}" for n in range(tail - 1)} | {f"a{tail - 1:02}": "b01"}
    parents |= {f"b{n:02}": f"b{(n + 1) % circle:02}" for n in range(circle)}
    rows: Rows = {"accounts": [account(name, parent_account_id=p) for name, p in parents.items()]}
    assert set(rows_of(rows)["family_id"]) == {"b00"}


def test_the_owner_is_the_one_of_that_day() -> None:
    change = {"account_id": "a", "field": "owner_id", "old_value": "before", "new_value": "after"}
    for at, owner in ((AS_OF - TICK, "after"), (AS_OF, "before")):
        rows: Rows = {"accounts": [account("a", owner_id="after")], "account_history": [change | {"changed_at": at}]}
        assert rows_of(rows).loc["a", "owner_id"] == owner
