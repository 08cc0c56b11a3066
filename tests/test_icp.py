"""The ICP workbook: its keys, the rules from title to role, and contacts' roles as of each date."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path

import pytest

from tables import as_tables
from tierwise.audit import drafted_roles
from tierwise.audit.roles import role_clock
from tierwise.config import Icp, json_schema, parse_icp
from tierwise.config.icp import expression, plain
from tierwise.data import Query, Warehouse, name_roles, role_of
from tierwise.errors import ConfigError

TITLES = list(csv.DictReader((Path(__file__).parent / "titles.csv").read_text(encoding="utf-8").splitlines()))
DAY = datetime(2024, 1, 1)


def named(titles: list[str], icp: Icp) -> list[str | None]:
    """The role of each title, by the SQL that names contacts."""
    role = role_of("t.title", icp)
    with Warehouse.open({}, threads=1) as warehouse:
        rows = "(SELECT title, row_number() OVER () AS n FROM (SELECT unnest($titles) AS title)) t"
        sql = f"SELECT {role.sql} AS role FROM {rows} ORDER BY n"
        found = warehouse.frame(Query(sql, {**role.params, "titles": titles}))["role"]
    return [r if isinstance(r, str) else None for r in found]


@pytest.mark.parametrize(("part", "precision", "recall"), [("seen", 0.97, 0.97), ("unseen", 0.93, 0.85)])
def test_titles_are_mapped_to_roles(part: str, precision: float, recall: float) -> None:
    """Titles labelled by hand; `unseen` ones were labelled after the rules stood, and changed none of them."""
    rows = [r for r in TITLES if r["part"] == part]
    got = named([r["title"] for r in rows], drafted_roles())
    right = sum(g == r["role"] for g, r in zip(got, rows, strict=True) if r["role"])
    said, real = sum(g is not None for g in got), sum(bool(r["role"]) for r in rows)
    print(f"{part}: {len(rows)} titles, precision {right / said:.3f} ({said}), recall {right / real:.3f} ({real})")
    assert right / said >= precision
    assert right / real >= recall


def test_the_labelled_list_is_large_and_holds_every_role_and_none() -> None:
    assert len(TITLES) >= 150
    assert len({r["title"] for r in TITLES}) == len(TITLES)
    assert {r["role"] for r in TITLES} == {*drafted_roles().roles, ""}


@pytest.mark.parametrize(
    ("title", "role"),
    [
        ("Chief Executive Officer", "exec_buyer"),
        ("CHIEFS FAN", None),
        ("Assistant to the CEO", None),
        ("VP, Procurement", "procurement"),
        ("GESCHÄFTSFÜHRER", "exec_buyer"),
        ("Leiterin Einkauf", "procurement"),
        ("c.e.o.", "exec_buyer"),
        ("", None),
        ("'; DROP TABLE contacts; --", None),
    ],
)
def test_words_are_whole_and_exceptions_hold(title: str, role: str | None) -> None:
    assert named([title], drafted_roles()) == [role]


def test_the_first_role_wins_and_an_exception_of_one_leaves_the_next() -> None:
    icp = Icp.model_validate({"roles": {"a": ["head"], "b": ["head", "data"]}, "except": {"a": ["head nurse"]}})
    assert named(["Head", "Head Nurse", "Data"], icp) == ["a", "b", "b"]
    ordered = Icp(roles={"a": ("head + data",)})
    assert named(["Head of Data", "Head Data", "Data Head", "Headdata"], ordered) == ["a", "a", None, None]


def test_a_title_and_a_pattern_are_made_plain_alike() -> None:
    titles = ["Geschäftsführer/in", "Directrice générale", "Ingénieur R&D", "Dueño"]
    with Warehouse.open({}, threads=1) as warehouse:
        from tierwise.data.roles import PLAIN

        found = warehouse.frame(Query(f"SELECT {PLAIN.format('t')} AS p FROM (SELECT unnest($t) AS t)", {"t": titles}))[
            "p"
        ].tolist()
    assert found == [plain(t) for t in titles]
    assert expression(("a.b", "*x")) == "(^| )(ab|[^ ]*x)( |$)"


def test_no_value_of_a_rule_is_formatted_into_the_sql() -> None:
    icp = Icp(roles={"champion": ("head') OR (TRUE",)})
    role = role_of("t.title", icp)
    assert "head" not in role.sql
    assert "champion" not in role.sql


# --- the file


def test_the_workbook_and_the_old_keys_load() -> None:
    text = """
headcount: [{at_least: 50, below: 500}, {at_least: 5000}]
industries: [Software]
countries: ["NO"]
example_companies: [Northwind]
job_to_be_done: To know whom to call.
roles: {champion: [head], exec_buyer: [chief]}
except: {any: [assistant]}
rubric: [{attribute: industry, equals: [Software], points: 20}]
"""
    icp = parse_icp(text)
    assert icp.exceptions == {"any": ("assistant",)}
    assert icp.headcount[1].below is None
    assert parse_icp("roles: {champion: [head of data]}\n").roles == {"champion": ("head of data",)}
    assert "except" in json_schema("icp")["properties"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("except: {champion: [x]}\n", r"except names champion; there are: any"),
        ("roles: {any: [x]}\n", r"'any' is no role"),
        ("roles: {champion: ['*']}\n", r"icp.yaml:1: roles: a pattern of champion holds no word"),
        ("example_companies: [a@b.example]\n", r"the name of a company; here stands an e-mail address"),
        ("headcount: [{at_least: 9, below: 9}]\n", r"at_least must lie below below"),
        ("excpt: {any: [x]}\n", r"unknown key; did you mean 'except'"),
        ("roles: {champion: vp}\n", r"roles.champion: a list is wanted; here stands text"),
    ],
)
def test_faults_of_the_workbook_are_said(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as said:
        parse_icp(text)
    assert "a@b.example" not in str(said.value)


# --- contacts


def contacts(history: list[dict] | None = None) -> Warehouse:
    rows = {
        "accounts": [{"account_id": "a", "created_at": DAY}],
        "contacts": [
            {"contact_id": "has", "account_id": "a", "title": "CEO", "role": "user", "created_at": DAY},
            {"contact_id": "ceo", "account_id": "a", "title": "CEO", "role": None, "created_at": DAY},
            {"contact_id": "temp", "account_id": "a", "title": "Intern", "role": None, "created_at": DAY},
            {"contact_id": "bare", "account_id": "a", "title": None, "role": None, "created_at": DAY},
        ],
    }
    if history:
        rows["contact_history"] = history
    return Warehouse.open(as_tables(rows), threads=1)


def roles(warehouse: Warehouse) -> dict[str, str | None]:
    frame = warehouse.frame(Query("SELECT contact_id, role FROM contacts"))
    return {r.contact_id: r.role if isinstance(r.role, str) else None for r in frame.itertuples()}


def test_contacts_without_a_role_get_one_and_no_title_is_said() -> None:
    with contacts() as warehouse:
        found = name_roles(warehouse, drafted_roles())
        assert roles(warehouse) == {"has": "user", "ceo": "exec_buyer", "temp": None, "bare": None}
        assert role_clock(warehouse)[0] == "untracked"
    assert (found.counts, found.nameless) == ({"exec_buyer": 1}, 1)
    assert found.notes == (
        "contacts without a role got the one that their title names (icp.yaml): exec_buyer 1; "
        "1 have a title that names none",
    )


def test_without_rules_nothing_changes() -> None:
    with contacts() as warehouse:
        assert name_roles(warehouse, Icp()).notes == ()
        assert roles(warehouse) == {"has": "user", "ceo": None, "temp": None, "bare": None}


def changed(contact: str, old: str | None, new: str | None, field: str = "title") -> dict:
    at = datetime(2024, 6, 1)
    return {"contact_id": contact, "field": field, "old_value": old, "new_value": new, "changed_at": at}


def role_history(warehouse: Warehouse) -> list[tuple]:
    sql = "SELECT contact_id, old_value, new_value FROM contact_history WHERE field = 'role' ORDER BY contact_id"
    frame = warehouse.frame(Query(sql)).astype(object)
    return [tuple(frame.where(frame.notna(), None).iloc[n]) for n in range(len(frame))]


def test_a_history_of_titles_becomes_one_of_roles() -> None:
    history = [changed("ceo", "Intern", "CEO"), changed("has", "Intern", "CEO")]
    with contacts(history) as warehouse:
        name_roles(warehouse, drafted_roles())
        assert role_history(warehouse) == [("ceo", "", "exec_buyer")]
        assert role_clock(warehouse)[0] == "tracked"


def test_blank_old_titles_leave_roles_untracked_and_a_history_of_roles_stands() -> None:
    with contacts([changed("ceo", None, "CEO")]) as warehouse:
        name_roles(warehouse, drafted_roles())
        assert role_history(warehouse) == [("ceo", None, "exec_buyer")]
        assert role_clock(warehouse)[0] == "untracked"
    with contacts([changed("ceo", "x", None, "role"), changed("ceo", "Intern", "CEO")]) as warehouse:
        name_roles(warehouse, drafted_roles())
        assert role_history(warehouse) == [("ceo", "x", None)]
        assert roles(warehouse)["ceo"] is None


def test_naming_twice_changes_nothing_more() -> None:
    with contacts([changed("ceo", "Intern", "CEO")]) as warehouse:
        name_roles(warehouse, drafted_roles())
        before = role_history(warehouse), roles(warehouse)
        name_roles(warehouse, drafted_roles())
        assert (role_history(warehouse), roles(warehouse)) == before
