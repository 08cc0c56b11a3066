"""Joining sources: who is who, references that follow, deals that count once, and what is said of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tables import as_tables
from tierwise.data import TABLES, Query, Warehouse, quoted
from tierwise.data.domains import FREE_MAIL, SHARED_HOSTS, bare_domain
from tierwise.data.joining import Joined, join_sources

DAY = datetime(2026, 1, 1, tzinfo=UTC)
Rows = dict[str, list[dict[str, Any]]]


def opened(**sources: Rows) -> Warehouse:
    """A warehouse of several sources' rows, each with its `__source`."""
    rows: Rows = {}
    for source, tables in sources.items():
        for table, found in tables.items():
            rows.setdefault(table, []).extend({**row, "__source": source} for row in found)
    tables = as_tables({name: found for name, found in rows.items() if found})
    names = {name: table["__source"] for name, table in tables.items()}
    warehouse = Warehouse.open({name: t.drop_columns(["__source"]) for name, t in tables.items()}, 1)
    for name in TABLES:
        warehouse.register("__names", pa.table({"__source": names.get(name, pa.array([], pa.string()))}))
        warehouse.rewrite(name, Query(f"SELECT * FROM {quoted(name)} POSITIONAL JOIN __names"))
        warehouse.unregister("__names")
    return warehouse


def read(warehouse: Warehouse, sql: str) -> list[tuple]:
    table = warehouse.arrow(Query(sql))
    return list(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))


def account(account_id: str, **more: Any) -> dict[str, Any]:
    return {"account_id": account_id, **more}


def deal(opportunity_id: str, account_id: str, **more: Any) -> dict[str, Any]:
    return {"opportunity_id": opportunity_id, "account_id": account_id, "created_at": DAY, **more}


def visit(activity_id: str, **more: Any) -> dict[str, Any]:
    return {"activity_id": activity_id, "occurred_at": DAY, "channel": "web", "kind": "visit", **more}


def counts(joined: Joined, source: str) -> dict[str, int]:
    group = joined.matches[joined.matches["source"] == source]
    return {rule: n for rule, n in zip(group["rule"], group["accounts"], strict=True) if n}


def who(warehouse: Warehouse) -> list[str]:
    return [row[0] for row in read(warehouse, "SELECT account_id FROM accounts ORDER BY 1")]


def joined(warehouse: Warehouse, *sources: str) -> Joined:
    found = join_sources(warehouse, sources)
    assert found.findings == ()
    assert found.matches.dtypes.astype(str).to_dict() == {
        "source": "str",
        "rule": "str",
        "accounts": "int64",
        "share": "float64",
    }
    return found


def test_sync_id_comes_before_equal_id_and_equal_id_before_domain() -> None:
    warehouse = opened(
        crm={"accounts": [account("a", domain="a.example"), account("b", domain="b.example"), account("c")]},
        hub={
            "accounts": [
                account("b", sync_id="a", domain="b.example"),
                account("c", domain="a.example"),
                account("d", domain="https://www.B.example/de"),
                account("e", domain="e.example"),
            ]
        },
    )
    found = joined(warehouse, "crm", "hub")
    assert counts(found, "hub") == {"sync_id": 1, "equal id": 1, "own": 2}
    assert who(warehouse) == ["a", "b", "c", "hub:d", "hub:e"]
    warehouse = opened(
        crm={"accounts": [account("a", domain="a.example"), account("b", domain="b.example")]},
        hub={"accounts": [account("d", domain="https://www.B.example:443/de"), account("e", domain="e.example")]},
    )
    found = joined(warehouse, "crm", "hub")
    assert counts(found, "hub") == {"domain": 1, "own": 1}
    assert found.matches["share"].tolist() == [0.0, 0.0, 0.5, 0.5]
    assert found.notes[0] == (
        "accounts: 1 of 2 of hub are accounts of crm or an earlier source (0 by sync_id, 0 by equal id, 1 by domain); "
        "1 stay their own, as hub:ID"
    )
    assert who(warehouse) == ["a", "b", "hub:e"]


def test_a_sync_id_on_the_first_source_counts_as_well() -> None:
    warehouse = opened(
        crm={"accounts": [account("a", sync_id="12"), account("b")]}, hub={"accounts": [account("12"), account("13")]}
    )
    assert counts(joined(warehouse, "crm", "hub"), "hub") == {"sync_id": 1, "own": 1}
    assert who(warehouse) == ["a", "b", "hub:13"]


@pytest.mark.parametrize("domain", ["gmail.com", "qq.com", "linkedin.com", "no-domain", "", "x@y.example"])
def test_domains_of_nobody_join_nobody(domain: str) -> None:
    warehouse = opened(crm={"accounts": [account("a", domain=domain)]}, hub={"accounts": [account("7", domain=domain)]})
    assert counts(joined(warehouse, "crm", "hub"), "hub") == {"own": 1}


@pytest.mark.parametrize("side", ["crm", "hub"])
def test_a_domain_that_two_accounts_of_one_side_have_joins_nobody(side: str) -> None:
    sources = {name: {"accounts": [account(f"{name}1", domain="d.example")]} for name in ("crm", "hub")}
    sources[side]["accounts"].append(account(f"{side}2", domain="www.d.example"))
    warehouse = opened(**sources)
    assert "domain" not in counts(joined(warehouse, "crm", "hub"), "hub")


def test_a_domain_is_unique_where_the_others_are_deleted_or_merged() -> None:
    crm = {
        "accounts": [
            account("a", domain="d.example"),
            account("b", domain="d.example", deleted_at=DAY),
            account("c", domain="d.example", master_account_id="a"),
            account("e", domain="d.example"),
        ],
        "account_merges": [{"losing_id": "e", "surviving_id": "a", "merged_at": DAY}],
    }
    warehouse = opened(crm=crm, hub={"accounts": [account("7", domain="d.example", industry="IT")]})
    assert counts(joined(warehouse, "crm", "hub"), "hub") == {"domain": 1}
    assert read(warehouse, "SELECT account_id FROM accounts WHERE industry = 'IT'") == [("a",)]


def test_ids_that_look_like_numbers_are_equal_by_chance_where_the_domains_differ() -> None:
    warehouse = opened(
        crm={"accounts": [account("1", domain="a.example"), account("2"), account("x3", domain="c.example")]},
        hub={"accounts": [account("1", domain="b.example"), account("2"), account("x3", domain="d.example")]},
    )
    assert counts(joined(warehouse, "crm", "hub"), "hub") == {"equal id": 2, "own": 1}
    assert who(warehouse) == ["1", "2", "hub:1", "x3"]


def test_short_numbers_under_which_most_names_differ_join_nobody() -> None:
    def with_names(hub: tuple[str, ...], **more: Any) -> tuple[dict[str, int], list[str], tuple[str, ...]]:
        crm = ("Acme, Inc.", "Beta", "Gamma")
        warehouse = opened(
            crm={"accounts": [account(str(i), name=name, **more) for i, name in enumerate(crm, 1)]},
            hub={"accounts": [account(str(i), name=name, **more) for i, name in enumerate(hub, 1)]},
        )
        found = joined(warehouse, "crm", "hub")
        return counts(found, "hub"), who(warehouse), found.notes

    said, accounts, notes = with_names(("Zeta Foods", "Eta", "GAMMA Ltd"))
    assert said == {"own": 3}
    assert accounts == ["1", "2", "3", "hub:1", "hub:2", "hub:3"]
    assert (
        "accounts: ids of hub are short numbers, and most that crm has too have another name there (1 is acme and zeta "
        "foods): no account was joined by them; where accounts are one, give a sync_id or a domain"
    ) in notes
    assert with_names(("Zeta Foods", "beta", "Gamma Holding"))[0] == {"equal id": 3}
    assert with_names(("Zeta Foods", "Eta", "Theta"), domain="one.example")[0] == {"equal id": 3}


def test_longer_ids_are_equal_whatever_the_names() -> None:
    for same in ("12345678901", "x1"):
        warehouse = opened(
            crm={"accounts": [account(same, name="Acme")]}, hub={"accounts": [account(same, name="Zeta")]}
        )
        assert counts(joined(warehouse, "crm", "hub"), "hub") == {"equal id": 1}


def test_salesforce_ids_of_15_and_18_characters_are_the_same() -> None:
    warehouse = opened(
        crm={"accounts": [account("001A0000006Vm9u"), account("ACME00000000000001")]},
        hub={
            "accounts": [account("7", sync_id="001A0000006Vm9uIAC"), account("8", sync_id="ACME00000000000002")],
        },
    )
    assert counts(joined(warehouse, "crm", "hub"), "hub") == {"sync_id": 1, "own": 1}


def test_accounts_of_later_sources_may_be_one_another() -> None:
    warehouse = opened(
        crm={"accounts": [account("a", domain="a.example")]},
        hub={"accounts": [account("1", domain="z.example"), account("2", domain="a.example")]},
        ads={"accounts": [account("9", domain="z.example", industry="IT"), account("8", sync_id="1")]},
    )
    found = joined(warehouse, "crm", "hub", "ads")
    assert counts(found, "ads") == {"sync_id": 1, "domain": 1}
    assert read(warehouse, "SELECT account_id, industry FROM accounts ORDER BY 1") == [("a", None), ("hub:1", "IT")]


def test_every_reference_of_a_source_follows() -> None:
    hub = {
        "accounts": [
            account("1", sync_id="a"),
            account("2", parent_account_id="1"),
            account("3", parent_account_id="2"),
        ],
        "account_history": [{"account_id": "2", "field": "industry", "new_value": "IT", "changed_at": DAY}],
        "contacts": [{"contact_id": "5", "account_id": "1"}, {"contact_id": "k", "account_id": "2"}],
        "contact_history": [{"contact_id": "5", "field": "role", "new_value": "CEO", "changed_at": DAY}],
        "activities": [visit("1", account_id="1", contact_id="5"), visit("x", account_id="404", lead_id="6")],
        "leads": [{"lead_id": "6", "converted_account_id": "2"}],
        "identities": [{"identity_id": "cookie", "account_id": "1", "linked_at": DAY}],
        "opportunities": [deal("5", "1"), deal("o", "2")],
        "opportunity_stages": [{"opportunity_id": "5", "stage": "s", "entered_at": DAY}],
        "exclusions": [{"account_id": "2", "reason": "partner"}],
        "account_merges": [{"losing_id": "77", "surviving_id": "2", "merged_at": DAY}],
    }
    crm = {
        "accounts": [account("a")],
        "contacts": [{"contact_id": "k", "account_id": "a"}],
        "leads": [{"lead_id": "6", "converted_account_id": "a"}],
        "activities": [visit("1", account_id="a", lead_id="6")],
        "opportunities": [deal("o", "a")],
    }
    warehouse = opened(crm=crm, hub=hub)
    joined(warehouse, "crm", "hub")
    mine = "FROM {} WHERE __source = 'hub' ORDER BY ALL"
    expected = {
        "account_id, parent_account_id FROM accounts ORDER BY ALL": [("a", None), ("hub:2", "a"), ("hub:3", "hub:2")],
        "account_id " + mine.format("account_history"): [("hub:2",)],
        "contact_id, account_id " + mine.format("contacts"): [("hub:5", "a"), ("hub:k", "hub:2")],
        "contact_id " + mine.format("contact_history"): [("hub:5",)],
        "activity_id, account_id, contact_id, lead_id " + mine.format("activities"): [
            ("hub:1", "a", "hub:5", None),
            ("x", "hub:404", None, "hub:6"),
        ],
        "lead_id, converted_account_id " + mine.format("leads"): [("hub:6", "hub:2")],
        "account_id " + mine.format("identities"): [("a",)],
        "opportunity_id, account_id " + mine.format("opportunities"): [("hub:5", "a"), ("hub:o", "hub:2")],
        "opportunity_id " + mine.format("opportunity_stages"): [("hub:5",)],
        "account_id " + mine.format("exclusions"): [("hub:2",)],
        "losing_id, surviving_id " + mine.format("account_merges"): [("hub:77", "hub:2")],
        "activity_id, account_id, lead_id FROM activities WHERE __source = 'crm'": [("1", "a", "6")],
        "contact_id FROM contacts WHERE __source = 'crm'": [("k",)],
    }
    for sql, rows in expected.items():
        assert read(warehouse, f"SELECT {sql}") == rows, sql


def test_a_source_without_accounts_speaks_of_the_first_ones() -> None:
    web = {"activities": [visit("1", account_id="12"), visit("v", contact_id="5")]}
    crm = {"accounts": [account("12")], "contacts": [{"contact_id": "5", "account_id": "12"}]}
    warehouse = opened(web=web, crm=crm)
    assert len(joined(warehouse, "web", "crm").matches) == 0
    rows = read(warehouse, "SELECT activity_id, account_id, contact_id FROM activities ORDER BY 1")
    assert rows == [("1", "12", None), ("v", None, "5")]


def test_a_synced_deal_counts_once_and_its_stages_are_the_first_sources() -> None:
    stage = {"entered_at": DAY}
    warehouse = opened(
        crm={
            "accounts": [account("a")],
            "opportunities": [deal("o", "a", amount=5.0), deal("p", "a", amount=6.0)],
            "opportunity_stages": [{"opportunity_id": "o", "stage": "Open", **stage}],
        },
        hub={
            "accounts": [account("1", sync_id="a")],
            "opportunities": [deal("7", "1", sync_id="o", amount=9.0, pipeline="new"), deal("8", "1", amount=1.0)],
            "opportunity_stages": [
                {"opportunity_id": "7", "stage": "appointment", **stage},
                {"opportunity_id": "8", "stage": "appointment", **stage},
            ],
        },
    )
    found = joined(warehouse, "crm", "hub")
    rows = read(warehouse, "SELECT opportunity_id, account_id, amount, pipeline FROM opportunities ORDER BY 1")
    assert rows == [("hub:8", "a", 1.0, None), ("o", "a", 5.0, "new"), ("p", "a", 6.0, None)]
    assert read(warehouse, "SELECT opportunity_id, stage FROM opportunity_stages ORDER BY 1") == [
        ("hub:8", "appointment"),
        ("o", "Open"),
    ]
    assert "opportunities: 1 of hub are crm's by sync_id; each counts once" in found.notes
    assert "opportunity_stages: 1 rows of hub of deals that count once were left out" in found.notes


def test_deals_that_look_synced_and_name_no_sync_id_are_counted() -> None:
    def after(days: int) -> datetime:
        return DAY + timedelta(days=days)

    crm = {
        "accounts": [account("a"), account("b")],
        "opportunities": [
            deal("1", "a", amount=9.0),
            deal("2", "b", amount=9.0),
            deal("3", "a", amount=0.0),
            deal("4", "a", amount=8.0, currency="EUR"),
            deal("5", "a", amount=7.0),
        ],
    }
    hub = {
        "accounts": [account("7", sync_id="a")],
        "opportunities": [
            deal("h1", "7", amount=9.0, created_at=after(7)),
            deal("h2", "7", amount=9.0, created_at=after(8)),
            deal("h3", "7", amount=0.0),
            deal("h4", "7", amount=8.0, currency="USD"),
            deal("h5", "7", amount=7.0, sync_id="5"),
            deal("h6", "7"),
        ],
    }
    notes = joined(opened(crm=crm, hub=hub), "crm", "hub").notes
    assert [note for note in notes if "look synced" in note] == [
        "opportunities: 1 look synced (one account and amount, created within 7 days) and count twice; give them a "
        "sync_id (hub: h1 and 1)"
    ]


def test_a_synced_contact_is_one_and_what_the_first_lacks_is_filled() -> None:
    warehouse = opened(
        crm={"accounts": [account("a")], "contacts": [{"contact_id": "c", "account_id": "a", "title": "CEO"}]},
        hub={
            "accounts": [account("1", sync_id="a")],
            "contacts": [
                {"contact_id": "5", "account_id": "1", "sync_id": "c", "title": "Boss", "role": "exec_buyer"},
                {"contact_id": "6", "account_id": "1", "title": "CTO"},
            ],
            "activities": [visit("v", contact_id="5")],
        },
    )
    joined(warehouse, "crm", "hub")
    rows = read(warehouse, "SELECT contact_id, account_id, title, role FROM contacts ORDER BY 1")
    assert rows == [("c", "a", "CEO", "exec_buyer"), ("hub:6", "a", "CTO", None)]
    assert read(warehouse, "SELECT contact_id FROM activities") == [("c",)]


def test_columns_that_the_first_lacks_altogether_are_filled_with_their_kind_and_history() -> None:
    history = {"changed_at": DAY, "old_value": None}
    warehouse = opened(
        crm={"accounts": [account("a", industry="IT", employee_count=10.0), account("b", industry=None)]},
        hub={
            "accounts": [
                account("1", sync_id="a", industry="Retail", region="EU", segment="mid", employee_count_kind="range"),
                account("2", sync_id="b", industry="Retail", region="US", deleted_at=DAY),
                account("3", industry="Retail", region="EU"),
            ],
            "account_history": [
                {"account_id": "1", "field": "industry", "new_value": "Retail", **history},
                {"account_id": "1", "field": "region", "new_value": "EU", **history},
                {"account_id": "3", "field": "industry", "new_value": "Retail", **history},
            ],
        },
    )
    found = joined(warehouse, "crm", "hub")
    asked = "account_id, industry, region, segment, employee_count_kind, deleted_at, sync_id"
    assert read(warehouse, f"SELECT {asked} FROM accounts ORDER BY 1") == [
        ("a", "IT", "EU", "mid", None, None, None),
        ("b", None, "US", None, None, None, None),
        ("hub:3", "Retail", "EU", None, None, None, None),
    ]
    assert read(warehouse, "SELECT account_id, field FROM account_history ORDER BY ALL") == [
        ("a", "region"),
        ("hub:3", "industry"),
    ]
    assert "account_history: 1 rows of hub of fields that another source fills were left out" in found.notes


def test_what_a_later_source_merges_stays_two_where_the_first_has_two() -> None:
    merge = {"merged_at": DAY}
    warehouse = opened(
        crm={
            "accounts": [account("a"), account("b"), account("z")],
            "account_merges": [{"losing_id": "z", "surviving_id": "a", **merge}],
        },
        hub={
            "accounts": [account("1", sync_id="a"), account("2", sync_id="b"), account("3"), account("4", sync_id="a")],
            "account_merges": [
                {"losing_id": "1", "surviving_id": "2", **merge},
                {"losing_id": "3", "surviving_id": "1", **merge},
                {"losing_id": "4", "surviving_id": "1", **merge},
            ],
        },
    )
    found = joined(warehouse, "crm", "hub")
    rows = read(warehouse, "SELECT losing_id, surviving_id FROM account_merges ORDER BY 1")
    assert rows == [("hub:3", "a"), ("z", "a")]
    assert any(note.startswith("account_merges: 2 rows of hub of accounts that stay two") for note in found.notes)


def test_what_needs_an_eye_is_said_with_its_cases() -> None:
    warehouse = opened(
        crm={
            "accounts": [
                account("a", domain="a.example"),
                account("b", domain="b.example"),
                account("c", sync_id="5"),
                account("d", sync_id="5"),
            ]
        },
        hub={
            "accounts": [
                account("1", sync_id="a"),
                account("2", sync_id="a", domain="b.example"),
                account("3", sync_id="nobody"),
                account("5"),
            ]
        },
    )
    notes = joined(warehouse, "crm", "hub").notes
    assert (
        "accounts: 1 accounts are synced twice: of one source two or more are one account of another "
        "(hub: 1 and 2 are a)" in notes
    )
    assert (
        "accounts: 1 accounts have the domain of another account than sync_id names; sync_id is followed "
        "(hub: 2 is a by sync_id, b by domain)" in notes
    )
    assert "accounts: 1 accounts are synced with two or more of crm's; the first is taken (hub: 5 is c and d)" in notes
    assert "accounts: 1 accounts have a sync_id that names no account of another source (hub: 3 names nobody)" in notes


def test_owners_are_one_by_equal_id_and_rates_are_the_first_sources() -> None:
    rate = {"currency": "EUR", "date": DAY}
    crm = {
        "accounts": [account("a", owner_id="o1")],
        "owners": [{"owner_id": "o1"}, {"owner_id": "7"}],
        "fx_rates": [{**rate, "rate": 1.1}],
    }
    hub = {
        "accounts": [account("1", owner_id="7"), account("2", owner_id="o1")],
        "owners": [{"owner_id": "o1", "team": "north"}, {"owner_id": "7", "team": "south"}],
        "fx_rates": [{**rate, "rate": 1.2}, {**rate, "currency": "GBP", "rate": 1.3}],
    }
    warehouse = opened(crm=crm, hub=hub)
    joined(warehouse, "crm", "hub")
    rows = read(warehouse, "SELECT owner_id, team FROM owners ORDER BY 1")
    assert rows == [("7", None), ("hub:7", "south"), ("o1", "north")]
    rows = read(warehouse, "SELECT account_id, owner_id FROM accounts ORDER BY 1")
    assert rows == [("a", "o1"), ("hub:1", "hub:7"), ("hub:2", "o1")]
    assert read(warehouse, "SELECT currency, rate FROM fx_rates ORDER BY 1") == [("EUR", 1.1), ("GBP", 1.3)]


def test_one_source_is_left_as_it_is() -> None:
    warehouse = opened(
        crm={"accounts": [account("1"), account("2", sync_id="1")], "activities": [visit("1", account_id="1")]}
    )
    found = joined(warehouse, "crm")
    assert len(found.matches) == len(found.notes) == 0
    assert who(warehouse) == ["1", "2"]
    assert read(warehouse, "SELECT activity_id, __source FROM activities") == [("1", "crm")]


def test_nothing_is_written_where_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    crm = {"accounts": [account("a")], "activities": [visit("x", account_id="a")]}
    hub = {"accounts": [account("b", sync_id="a")], "activities": [visit("y", account_id="a")]}
    warehouse = opened(crm=crm, hub=hub)
    written: list[str] = []
    rewrite = Warehouse.rewrite
    monkeypatch.setattr(
        Warehouse, "rewrite", lambda self, table, query: written.append(table) or rewrite(self, table, query)
    )
    joined(warehouse, "crm", "hub")
    assert written == ["accounts"]


def test_the_lists_of_domains_hold_bare_domains() -> None:
    assert len(FREE_MAIL) > 150
    assert not FREE_MAIL & SHARED_HOSTS
    everyone = sorted(FREE_MAIL | SHARED_HOSTS)
    with Warehouse(1) as warehouse:
        warehouse.register("all_", pa.table({"d": everyone}))
        assert [row[0] for row in read(warehouse, f"SELECT {bare_domain('d')} AS d FROM all_")] == everyone


IDS = st.sampled_from(["1", "2", "3", "a", "b", "c"])
DOMAINS = st.sampled_from([None, "a.example", "b.example", "c.example", "gmail.com"])


@st.composite
def a_source(draw: st.DrawFn) -> Rows:
    ids = draw(st.lists(IDS, unique=True, min_size=1, max_size=5))
    accounts = [account(i, domain=draw(DOMAINS), sync_id=draw(st.one_of(st.none(), IDS))) for i in ids]
    contacts = [
        {"contact_id": i, "account_id": draw(st.sampled_from(ids)), "sync_id": draw(st.one_of(st.none(), IDS))}
        for i in draw(st.lists(IDS, unique=True, max_size=4))
    ]
    keys = [row["contact_id"] for row in contacts]
    visits = [
        visit(i, account_id=draw(st.sampled_from(ids)), contact_id=draw(st.sampled_from([None, *keys])))
        for i in draw(st.lists(IDS, unique=True, max_size=4))
    ]
    return {"accounts": accounts, "contacts": contacts, "activities": visits}


def seen(warehouse: Warehouse, sql: str) -> pd.DataFrame:
    return warehouse.frame(Query(sql))


@settings(max_examples=25, deadline=None)
@given(first=a_source(), second=a_source(), third=a_source())
def test_counts_add_up_and_nothing_is_lost(first: Rows, second: Rows, third: Rows) -> None:
    sources = {"crm": first, "hub": second, "ads": third}
    warehouse = opened(**sources)
    found = joined(warehouse, "crm", "hub", "ads")
    for name in ("hub", "ads"):
        assert sum(counts(found, name).values()) == len(sources[name]["accounts"])
        shares = found.matches[found.matches["source"] == name]["share"]
        assert shares.sum() == pytest.approx(1)
    own = found.matches[found.matches["rule"] == "own"]["accounts"].sum()
    accounts = who(warehouse)
    assert len(accounts) == len(set(accounts)) == len(first["accounts"]) + own
    assert {row["account_id"] for row in first["accounts"]} <= set(accounts)
    visits = seen(warehouse, "SELECT activity_id, account_id, contact_id FROM activities")
    assert len(visits) == visits["activity_id"].nunique() == sum(len(s["activities"]) for s in sources.values())
    assert visits["account_id"].isin(accounts).all()
    contacts = seen(warehouse, "SELECT contact_id, account_id FROM contacts")
    assert contacts["contact_id"].is_unique
    assert visits["contact_id"].dropna().isin(contacts["contact_id"]).all()
    assert contacts["account_id"].isin(accounts).all()
    warehouse.close()


@settings(max_examples=25, deadline=None)
@given(first=a_source(), second=a_source(), third=a_source())
def test_the_order_of_later_sources_does_not_matter_for_the_firsts_accounts(
    first: Rows, second: Rows, third: Rows
) -> None:
    said = []
    for order in (("crm", "hub", "ads"), ("crm", "ads", "hub")):
        warehouse = opened(crm=first, hub=second, ads=third)
        join_sources(warehouse, order)
        ids = [row["account_id"] for row in first["accounts"]]
        warehouse.register("firsts", pa.table({"id": ids}))
        firsts = "SEMI JOIN firsts ON id = account_id"
        sql = f"SELECT __source, account_id, count(*) AS n FROM activities {firsts} GROUP BY ALL ORDER BY ALL"
        visits = seen(warehouse, sql)
        said.append((sorted(set(who(warehouse)) & set(ids)), visits.to_dict("records")))
        warehouse.close()
    assert said[0] == said[1]


@settings(max_examples=25, deadline=None)
@given(first=a_source(), second=a_source())
def test_the_order_of_rows_does_not_matter(first: Rows, second: Rows) -> None:
    said = []
    for turn in (1, -1):
        sources = {n: {t: rows[::turn] for t, rows in s.items()} for n, s in (("crm", first), ("hub", second))}
        warehouse = opened(**sources)
        found = joined(warehouse, "crm", "hub")
        frames = [read(warehouse, f"SELECT * FROM {t} ORDER BY ALL") for t in ("accounts", "contacts", "activities")]
        said.append((frames, found.notes, found.matches.to_dict("records")))
        warehouse.close()
    assert said[0] == said[1]
