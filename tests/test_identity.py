"""Who is who: ids of two lengths, merges, deletions, domains, leads; never before it could be known."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exports import AS_OF, Rows
from people import random_people, rewound_people
from tables import as_tables
from tierwise.clock import grid, naive
from tierwise.config import Plan, Settings
from tierwise.data import Query, Warehouse, domain_claims, resolve
from tierwise.data.ids import id18, is_long, long_id
from tierwise.features import Matrix, build_matrix
from tierwise.synthetic import WorldSpec, simulate

DAY = timedelta(days=1)
EARLY = AS_OF - timedelta(days=300)
PLAN = Plan.model_validate(
    {
        "plan": "identity",
        "features": {
            "fit": [
                {"attribute": "employee_count", "kind": "number", "clock": "tracked"},
                {"attribute": "industry", "kind": "category", "clock": "fixed"},
            ],
            "signal": {
                "channels": {"web": {"kinds": ["page_view"]}, "email": {}, "meeting": {}},
                "buying_group": {"roles": ["champion", "exec_buyer"], "clock": "tracked"},
            },
        },
    }
)


def resolved(tables: dict[str, pa.Table], **asked: object) -> tuple[Warehouse, tuple[str, ...], tuple[str, ...]]:
    """A warehouse in which it is said who is who, the findings and the notes."""
    warehouse = Warehouse.open(tables, threads=1)
    found = resolve(warehouse, Settings(threads=1, **asked))
    return warehouse, found.findings, found.notes


def matrix_of(
    tables: dict[str, pa.Table], *as_ofs: datetime, plan: Plan = PLAN, through: datetime | None = None
) -> Matrix:
    """The matrix of a plan after identity."""
    warehouse, findings, _ = resolved(tables)
    with warehouse:
        assert not findings
        return build_matrix(
            warehouse, plan, as_ofs or (AS_OF,), outcomes_through=through, negative_triggers={"unsubscribe": 30}
        )


def rows_of(tables: Rows, *as_ofs: datetime, plan: Plan = PLAN, through: datetime | None = None) -> pd.DataFrame:
    """The matrix of rows, by account and as_of."""
    frame = matrix_of(as_tables(tables), *as_ofs, plan=plan, through=through).frame
    return frame.set_index(["account_id", "as_of"] if len(as_ofs) > 1 else "account_id")


def visit(name: str, at: datetime = AS_OF - 5 * DAY, **link: object) -> dict:
    return {"activity_id": name, "occurred_at": at, "channel": "web", "kind": "page_view", "initiator": "buyer"} | link


def account(name: str, created: datetime | None = EARLY, /, **more: object) -> dict:
    return {"account_id": name, "created_at": created} | more


def split(tables: dict[str, pa.Table], rng: np.random.Generator, merges: int) -> dict[str, pa.Table]:
    """The export as if `merges` accounts had been entered twice or oftener and merged later, in chains of up to three.

    A part of what is a survivor's stands under an account that was merged away, which has attributes, changes, dates
    and a domain of its own. Half the chains are told by account_merges, half by master_account_id.
    """
    frames = {name: table.to_pandas(types_mapper=pd.ArrowDtype) for name, table in tables.items()}
    accounts = frames["accounts"].set_index("account_id", drop=False)
    own = [i for i in accounts.index if not i.startswith("acc-dup")]
    chains: list[list[str]] = []
    while (left := merges - sum(len(c) - 1 for c in chains)) > 0:
        survivor = str(rng.choice(own))
        own.remove(survivor)
        losers = [f"lost-{len(chains)}-{n}" for n in range(min(left, int(rng.integers(1, 4))))]
        chains.append([*losers, survivor])
    others: dict[str, list[str]] = {chain[-1]: chain[:-1] for chain in chains}
    at = pd.Timestamp("2025-03-01")
    rows, changes, pairs = [], [], []
    for k, chain in enumerate(chains):
        for losing, winning in pairwise(chain):
            row = accounts.loc[chain[-1]].to_dict() | {
                "account_id": losing,
                "employee_count": 77,
                "industry": "Phantom",
                "owner_id": "own-00",
                "created_at": at - pd.Timedelta(days=400),
                "deleted_at": at,
                "parent_account_id": None,
            }
            rows.append(row | {"master_account_id": winning if k % 2 else None})
            changes.append(
                {
                    "account_id": losing,
                    "field": "employee_count",
                    "old_value": "7",
                    "new_value": "77",
                    "changed_at": at - pd.Timedelta(days=200),
                }
            )
            if k % 2 == 0:
                pairs.append({"losing_id": losing, "surviving_id": winning, "merged_at": at})
    moved = {
        "contacts": "account_id",
        "activities": "account_id",
        "opportunities": "account_id",
        "leads": "converted_account_id",
        "identities": "account_id",
        "exclusions": "account_id",
        "accounts": "parent_account_id",
    }
    for name, column in moved.items():
        values = frames[name][column].astype(object).where(frames[name][column].notna(), None)
        frames[name][column] = [str(rng.choice(others[v])) if v in others and rng.random() < 0.6 else v for v in values]
    for name, more in (("accounts", rows), ("account_history", changes), ("account_merges", pairs)):
        frames[name] = pd.concat([frames[name].astype(object), pd.DataFrame(more).astype(object)], ignore_index=True)
    return as_tables({name: _plain(frame) for name, frame in frames.items()})


def _plain(frame: pd.DataFrame) -> list[dict]:
    def value(v: object) -> object:
        if isinstance(v, pd.Timestamp):
            return v.to_pydatetime()
        if isinstance(v, np.ndarray | list):
            return list(v)
        return None if pd.isna(v) else v

    return [{k: value(v) for k, v in row.items()} for row in frame.to_dict("records")]


def test_a_hundred_merges_with_chains_leave_the_matrix_of_an_export_that_never_needed_them() -> None:
    world = simulate(WorldSpec(seed=11, accounts=400, months=24))
    plain = world.tables()
    whole = split(plain, np.random.default_rng(5), 100)
    as_ofs = grid("month", world.spec.as_ofs[2], world.spec.ends_at)[::4]
    lost = [i for i in whole["accounts"]["account_id"].to_pylist() if i.startswith("lost-")]
    told = sum(i.startswith("lost-") for i in whole["account_merges"]["losing_id"].to_pylist())
    assert len(lost) == 100
    assert 30 < told < 70
    for name in ("activities", "opportunities", "contacts"):
        assert sum((i or "").startswith("lost-") for i in whole[name]["account_id"].to_pylist()) > 20, name
    found = matrix_of(whole, *as_ofs, through=world.spec.ends_at)
    wanted = matrix_of(plain, *as_ofs, through=world.spec.ends_at)
    pd.testing.assert_frame_equal(found.frame, wanted.frame)
    assert found.digest() == wanted.digest()
    warehouse, _, notes = resolved(whole)
    with warehouse:
        history = "SELECT * FROM account_history ORDER BY ALL"
        changes = warehouse.frame(Query(history))
        assert not changes["account_id"].str.startswith("lost-").any()
        with Warehouse.open(plain, threads=1) as before:
            pd.testing.assert_frame_equal(changes, before.frame(Query(history)))
    assert any(f"{100 + len(plain['account_merges'])} accounts speak through" in note for note in notes)


def test_a_merge_moves_no_contacts_link() -> None:
    link = AS_OF - 10 * DAY
    rows: Rows = {
        "accounts": [account("kept"), account("lost", master_account_id="kept", deleted_at=AS_OF - DAY)],
        "contacts": [{"contact_id": "c", "account_id": "lost", "created_at": EARLY, "linked_at": link}],
        "activities": [visit("1", AS_OF - 20 * DAY, contact_id="c")],
    }
    found = rows_of(rows, link, link + DAY)["web_90d"]
    assert found.to_dict() == {("kept", pd.Timestamp(naive(link))): 0.0, ("kept", pd.Timestamp(naive(link + DAY))): 1.0}


def test_histories_name_the_account_that_survived_where_they_name_accounts() -> None:
    change = {"changed_at": EARLY, "old_value": "lost", "new_value": "lost"}
    rows: Rows = {
        "accounts": [account("kept"), account("child"), account("lost", master_account_id="kept")],
        "contacts": [{"contact_id": "c", "account_id": "kept"}],
        "contact_history": [{"contact_id": "c", "field": f} | change for f in ("account_id", "title")],
        "account_history": [
            {"account_id": i, "field": f} | change
            for i, f in (("child", "parent_account_id"), ("child", "industry"), ("lost", "industry"))
        ],
    }
    warehouse, findings, _ = resolved(as_tables(rows))
    with warehouse:
        contacts, accounts = (
            warehouse.frame(Query(f"SELECT {of}, field, old_value, new_value FROM {table} ORDER BY ALL"))
            for table, of in (("contact_history", "contact_id"), ("account_history", "account_id"))
        )
    assert not findings
    assert contacts.to_numpy().tolist() == [["c", "account_id", "kept", "kept"], ["c", "title", "lost", "lost"]]
    assert accounts.to_numpy().tolist() == [
        ["child", "industry", "lost", "lost"],
        ["child", "parent_account_id", "kept", "kept"],
    ]


def test_a_merge_into_itself_is_left_out_and_said() -> None:
    selves = [{"losing_id": i, "surviving_id": i, "merged_at": AS_OF} for i in ("a", "b")]
    rows: Rows = {"accounts": [account("a"), account("b", master_account_id="c"), account("c")]}
    warehouse, findings, notes = resolved(as_tables(rows | {"account_merges": selves}))
    with warehouse:
        assert warehouse.frame(Query("SELECT account_id FROM accounts"))["account_id"].tolist() == ["a", "c"]
        assert warehouse.frame(Query("FROM account_merges"))["losing_id"].tolist() == ["b"]
    assert not findings
    assert notes[0] == "account_merges: 2 rows that merge an account into itself left out"
    warehouse, findings, notes = resolved(as_tables({"accounts": [account("a")], "account_merges": selves[:1]}))
    warehouse.close()
    assert (findings, len(notes)) == ((), 1)


def test_merges_that_go_round_are_refused_by_name_and_circles_of_parents_are_noted() -> None:
    rows: Rows = {"accounts": [account("a", master_account_id="b"), account("b", master_account_id="a")]}
    warehouse, findings, _ = resolved(as_tables(rows))
    warehouse.close()
    assert findings == ("account_merges: a -> b -> a: goes round in a circle; say which account survived",)
    rows = {"accounts": [account("x", parent_account_id="y"), account("y", parent_account_id="x"), account("z")]}
    warehouse, findings, notes = resolved(as_tables(rows))
    warehouse.close()
    assert not findings
    assert [n for n in notes if n.startswith("accounts: parent_account_id: x -> y -> x: goes round in a circle")]


def _short_ids(n: int) -> list[str]:
    letters = np.array(list("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))
    rng = np.random.default_rng(18)
    return ["001" + "".join(row) for row in letters[rng.integers(0, 62, (n, 12))]]


def test_ten_thousand_ids_go_from_15_to_18_characters_and_back() -> None:
    short = _short_ids(10_000)
    long = [id18(i) for i in short]
    assert id18("001D000000IqhSL") == "001D000000IqhSLIAZ"
    assert [i[:15] for i in long] == short
    assert len({i.lower() for i in long}) == len(set(short))
    with Warehouse(1) as warehouse:
        wrong = [i[:17] + ("A" if i[17] != "A" else "B") for i in long]
        warehouse.register("ids", pa.table({"short": short, "long": long, "wrong": wrong}))
        sql = f"""SELECT {long_id("short")} AS made, {is_long("long")} AS right, {is_long("wrong")} AS fooled,
                         {long_id("long")} AS kept FROM ids"""
        found = warehouse.arrow(Query(sql)).to_pydict()
    assert found["made"] == found["kept"] == long
    assert all(found["right"])
    assert not any(found["fooled"])


def test_ids_of_both_lengths_are_one_account() -> None:
    a, b = _short_ids(2)

    def rows(of: list[str]) -> Rows:
        return {
            "accounts": [account(id18(a)), account(id18(b))],
            "activities": [visit("1", account_id=of[0]), visit("2", account_id=of[1])],
            "opportunities": [{"opportunity_id": "o", "account_id": of[1], "created_at": AS_OF - DAY}],
        }

    assert matrix_of(as_tables(rows([a, id18(b)]))).digest() == matrix_of(as_tables(rows([id18(a), id18(b)]))).digest()
    twice: Rows = {"accounts": [account(a, modified_at=AS_OF, industry="new"), account(id18(a), modified_at=EARLY)]}
    assert rows_of(twice)["industry"].to_dict() == {id18(a): "new"}
    warehouse, findings, _ = resolved(as_tables({"accounts": [account(a), account(id18(a))]}))
    warehouse.close()
    assert findings == (
        f"accounts: {id18(a)}: stands twice, by 15 and by 18 characters; keep one row, or export modified_at",
    )


def test_ids_of_one_length_are_left_alone() -> None:
    a, b = _short_ids(2)
    assert list(rows_of({"accounts": [account(a), account(b)]}).index) == sorted([a, b])


def test_the_deleted_stay_in_history_and_drop_from_then_on() -> None:
    gone = AS_OF - 10 * DAY
    before = AS_OF - 30 * DAY
    rows: Rows = {
        "accounts": [account("kept"), account("gone", deleted_at=gone)],
        "contacts": [{"contact_id": "c", "account_id": "kept", "created_at": EARLY, "deleted_at": gone}],
        "activities": [
            visit("1", before - DAY, contact_id="c"),
            visit("2", gone, contact_id="c"),
            visit("3", before - DAY, account_id="gone"),
        ],
        "opportunities": [{"opportunity_id": "o", "account_id": "kept", "created_at": EARLY, "deleted_at": gone}],
    }
    found = rows_of(rows, before, AS_OF)
    then, now = pd.Timestamp(naive(before)), pd.Timestamp(naive(AS_OF))
    assert found["status"].to_dict() == {
        ("gone", then): "eligible",
        ("gone", now): "not_eligible",
        ("kept", then): "in_pipeline",
        ("kept", now): "eligible",
    }
    assert found.loc[("gone", then), "web_30d"] == 1
    assert found.loc[("kept", then), ["web_30d", "opportunities_before"]].tolist() == [1, 1]
    assert found.loc[("kept", now), ["web_90d", "opportunities_before", "contacts_90d"]].tolist() == [1, 0, 1]
    assert found["coverage"].isin(["unknown"]).all()


@pytest.mark.parametrize(
    ("accounts", "claims"),
    [
        ([account("a", domain="HTTPS://www.One.example/x")], {("a", 0, None)}),
        ([account("a", domain="gmail.com")], set()),
        ([account("a", domain="one.example"), account("b", EARLY + DAY, domain="one.example")], {("a", 0, 1)}),
        ([account("a", domain="one.example"), account("b", domain="one.example")], set()),
        (
            [
                account("a", domain="one.example"),
                account("b", EARLY + DAY, domain="one.example", parent_account_id="a"),
            ],
            {("a", 0, None)},
        ),
        (
            [
                account("a", EARLY + DAY, domain="one.example"),
                account("b", domain="one.example", parent_account_id="a"),
            ],
            {("b", 0, 1), ("a", 1, None)},
        ),
        (
            [
                account("t"),
                *(
                    account(n, EARLY + d * DAY, domain="one.example", parent_account_id="t")
                    for n, d in (("a", 1), ("b", 2))
                ),
            ],
            {("a", 1, 2), ("t", 2, None)},
        ),
        (
            [
                account("a", domain="one.example", deleted_at=EARLY + DAY),
                account("b", EARLY + 2 * DAY, domain="one.example"),
            ],
            {("a", 0, 1), ("b", 2, None)},
        ),
        ([account("a", None, domain="one.example"), account("b", domain="one.example")], set()),
    ],
    ids=[
        "spelt",
        "free mail",
        "a later stranger",
        "two at once",
        "a later child",
        "a later parent",
        "children",
        "gone",
        "undated",
    ],
)
def test_a_domain_names_an_account_from_when_until_when_it_does(accounts: list[dict], claims: set) -> None:
    with Warehouse.open(as_tables({"accounts": accounts}), threads=1) as warehouse:
        found = warehouse.frame(domain_claims())
    base = pd.Timestamp(naive(EARLY))
    days = {
        (r.account_id, (r.from_at - base).days, None if pd.isna(r.until_at) else (r.until_at - base).days)
        for r in found.itertuples()
    }
    assert days == claims


def test_contacts_and_visits_reach_the_account_of_their_domain_and_none_by_free_mail() -> None:
    born = AS_OF - 20 * DAY
    rows: Rows = {
        "accounts": [account("a", born, domain="bücher.example"), account("mail", domain="gmail.com")],
        "contacts": [
            {"contact_id": "c", "email_domain": "xn--bcher-kva.example", "created_at": EARLY, "role": "champion"},
            {"contact_id": "free", "email_domain": "GMail.com", "created_at": EARLY},
        ],
        "activities": [
            visit("1", born - DAY, contact_id="c"),
            visit("2", born + DAY, domain="www.BÜCHER.example"),
            visit("3", domain="gmail.com"),
            visit("4", contact_id="free"),
        ],
    }
    found = rows_of(rows)
    assert found.loc["a", ["web_90d", "contacts_90d", "reached_champion"]].tolist() == [2, 1, 1]
    assert found.loc["mail", "web_90d"] == 0


def test_a_contact_of_siblings_domain_is_the_parents_from_when_the_domain_is_shared() -> None:
    shared = AS_OF - 10 * DAY
    children = [account(n, shared, domain="one.example", parent_account_id="t") for n in ("x", "y")]
    rows: Rows = {
        "accounts": [account("t"), *children],
        "contacts": [{"contact_id": "c", "email_domain": "one.example", "created_at": EARLY + DAY, "role": "champion"}],
        "activities": [visit("1", EARLY + DAY, contact_id="c")],
    }
    found = rows_of(rows, shared - DAY, shared, shared + DAY)["web_365d"].unstack("account_id")
    assert found["t"].tolist() == [0, 0, 1]
    assert found.loc[pd.Timestamp(naive(shared + DAY)), ["x", "y"]].tolist() == [0, 0]


def test_an_anonymous_visit_is_never_known_before_its_link() -> None:
    link = AS_OF - 10 * DAY
    rows: Rows = {
        "accounts": [account("a"), account("b")],
        "identities": [
            {"identity_id": "i", "account_id": n, "linked_at": at} for n, at in (("a", link), ("b", link + DAY))
        ],
        "activities": [visit("1", AS_OF - 20 * DAY, identity_id="i")],
    }
    found = rows_of(rows, link, link + DAY, link + 2 * DAY)["web_90d"].unstack("account_id")
    assert found["a"].tolist() == [0, 1, 1]
    assert found["b"].tolist() == [0, 0, 0]


def test_an_unconverted_lead_is_activity_of_the_account_that_its_domain_names() -> None:
    came = AS_OF - 30 * DAY
    lead = {"lead_id": "l", "domain": "one.example", "created_at": came}
    rows: Rows = {
        "accounts": [account("a", domain="one.example"), account("other")],
        "leads": [lead | {"converted_at": AS_OF - 10 * DAY, "converted_account_id": "other"}],
        "activities": [visit("1", came - DAY, lead_id="l"), visit("2", AS_OF - 5 * DAY, lead_id="l")],
    }
    found = rows_of(rows, came, AS_OF - 15 * DAY, AS_OF)["web_90d"].unstack("account_id")
    assert found["a"].tolist() == [0, 1, 1]
    assert found["other"].tolist() == [0, 0, 2]
    rows["leads"] = [lead | {"converted_at": AS_OF - 10 * DAY, "converted_account_id": "a"}]
    assert rows_of(rows, came, AS_OF - 15 * DAY, AS_OF)["web_90d"].unstack("account_id")["a"].tolist() == [0, 1, 2]


def test_leads_of_a_company_without_an_account_make_a_provisional_one_until_it_has_one() -> None:
    came, born = AS_OF - 60 * DAY, AS_OF - 20 * DAY
    rows: Rows = {
        "accounts": [account("a", born, domain="one.example"), account("z")],
        "leads": [
            {
                "lead_id": "l",
                "domain": "One.example",
                "created_at": came,
                "converted_at": born,
                "converted_account_id": "a",
            },
            {"lead_id": "free", "domain": "gmail.com", "created_at": came},
            {"lead_id": "new", "domain": "new.example", "created_at": came},
        ],
        "activities": [
            visit("1", came + DAY, lead_id="l"),
            visit("2", AS_OF - DAY, lead_id="l"),
            visit("3", lead_id="free"),
        ],
        "opportunities": [{"opportunity_id": "o", "account_id": "a", "created_at": born + DAY}],
    }
    middle = AS_OF - 40 * DAY
    found = rows_of(rows, middle, AS_OF, through=AS_OF + 90 * DAY)
    then, now = pd.Timestamp(naive(middle)), pd.Timestamp(naive(AS_OF))
    assert sorted({i for i, _ in found.index}) == ["a", "lead:new.example", "lead:one.example", "z"]
    shown = found[["status", "web_90d", "outcome"]]
    assert shown.loc[("lead:one.example", then)].tolist() == ["eligible", 1, 1]
    assert shown.loc[("lead:one.example", now)].tolist()[0] == "not_eligible"
    assert shown.loc[("a", now)].tolist()[:2] == ["in_pipeline", 2]
    assert shown.loc[("lead:new.example", now)].tolist() == ["eligible", 0, 0]
    warehouse, _, _ = resolved(as_tables(rows), provisional_accounts=False)
    with warehouse:
        assert warehouse.frame(Query("SELECT account_id FROM accounts"))["account_id"].tolist() == ["a", "z"]


@pytest.mark.parametrize(
    "ends",
    [
        {},
        {"converted_at": 20},
        {"converted_at": 21},
        {"converted_at": 20, "converted_account_id": "a"},
        {"deleted_at": 20},
    ],
)
def test_what_the_account_of_a_lead_s_company_opens_is_the_provisional_account_s_outcome(ends: dict) -> None:
    came, born, then = AS_OF - 60 * DAY, AS_OF - 20 * DAY, AS_OF - 40 * DAY
    clocks = {name: AS_OF - ago * DAY if isinstance(ago, int) else ago for name, ago in ends.items()}
    rows: Rows = {
        "accounts": [account("a", born, domain="one.example"), account("z")],
        "leads": [{"lead_id": "l", "domain": "one.example", "created_at": came} | clocks],
        "opportunities": [{"opportunity_id": "o", "account_id": "a", "created_at": born + DAY}],
    }
    found = rows_of(rows, then, AS_OF, through=AS_OF + 90 * DAY)
    assert found["outcome"].unstack("as_of")[pd.Timestamp(naive(then))].to_dict() == {
        "a": pytest.approx(np.nan, nan_ok=True), "lead:one.example": 1, "z": 0,
    }  # fmt: skip


@pytest.mark.long
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_who_is_who_is_never_known_from_the_future(seed: int) -> None:
    rows = random_people(seed)
    late = matrix_of(as_tables(rows))
    early = matrix_of(as_tables(rewound_people(rows, AS_OF)))
    pd.testing.assert_frame_equal(late.frame, early.frame)
    assert late.digest() == early.digest()


def test_accounts_that_look_like_one_are_reported_and_left_alone() -> None:
    rows: Rows = {
        "accounts": [
            account("a", name="Acme, Inc.", country="US"),
            account("b", name="ACME", country="US"),
            account("c", name="Acme", country="DE"),
            account("d", domain="one.example"),
            account("e", domain="www.one.example"),
            account("f", domain="gmail.com"),
            account("g", domain="gmail.com"),
            account("p", domain="two.example"),
            account("q", domain="two.example", parent_account_id="p"),
        ]
    }
    with Warehouse.open(as_tables(rows), threads=1) as warehouse:
        found = resolve(warehouse, Settings(threads=1))
        assert warehouse.arrow(Query("SELECT * FROM accounts")).num_rows == 9
    assert found.duplicates.to_dict("records") == [
        {"alike": "domain", "accounts": 2, "first": "d", "second": "e"},
        {"alike": "name", "accounts": 2, "first": "a", "second": "b"},
    ]
    assert sum("merge them where they are one" in note for note in found.notes) == 2
