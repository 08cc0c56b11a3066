"""The KPI table: where each opportunity stands, known figures, the sum law, and what is missing."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

import golden_kpis
from tables import as_tables
from tierwise.clock import instant, naive
from tierwise.config import STATUSES, TIERS, Budget, Outcome
from tierwise.data import Warehouse
from tierwise.features import KpiFacts, kpi_facts
from tierwise.features.kpi_facts import meetings_among, spans_of
from tierwise.features.sql.kpis import FILLED
from tierwise.governance import DEFAULT_RULES, KpiTable, kpi_table, stood_in
from tierwise.governance.kpis import COUNTS, SUMS
from tierwise.governance.standing import PLACES

SINCE, AS_OF = instant("2025-01-01"), instant("2026-01-01")
FULL = dict.fromkeys(FILLED, 1)
ONE_DAY = timedelta(days=1)


def day(n: float) -> pd.Timestamp:
    """So many days after the start of the window."""
    return pd.Timestamp(naive(SINCE)) + timedelta(days=n)


def stood(*rows: tuple[int, str, str]) -> pd.DataFrame:
    """(day of the run, account, tier)"""
    frame = pd.DataFrame([(day(d), a, t) for d, a, t in rows], columns=["run_as_of", "account_id", "tier"])
    return frame.astype({"run_as_of": "datetime64[us]"})


def facts(
    deals: list[dict[str, Any]],
    runs: pd.DataFrame,
    acts: list[tuple[str, int, int, int, int]] = (),  # type: ignore[assignment]
    leads: list[tuple[str | None, float, bool]] = (),  # type: ignore[assignment]
    **more: Any,
) -> KpiFacts:
    """deals: account, created (day), and closed (day), won, amount, asked where there are; acts: account, span (its
    number), meetings, seller, buyer; leads: account, created (day), converted."""
    spans = spans_of([instant(r.to_pydatetime()) for r in runs["run_as_of"].unique()], SINCE, AS_OF)
    made = [
        {
            "opportunity_id": f"o{n}", "account_id": d["account"], "created_at": day(d["created"]),
            "closed_at": pd.NaT if d.get("closed") is None else day(d["closed"]), "won": d.get("won", False),
            "undated": d.get("undated", False), "amount": d.get("amount"), "asked": d.get("asked", True),
        }
        for n, d in enumerate(deals)
    ]  # fmt: skip
    columns = ["opportunity_id", "account_id", "created_at", "closed_at", "won", "undated", "amount", "asked"]
    opportunities = pd.DataFrame(made, columns=columns).astype(
        {"created_at": "datetime64[us]", "closed_at": "datetime64[us]", "amount": float}
    )
    activities = pd.DataFrame(
        [(a, naive(spans[k][0]), *counts) for a, k, *counts in acts],
        columns=["account_id", "starts", "meetings", "seller", "buyer"],
    ).astype({"starts": "datetime64[us]"})
    lead = pd.DataFrame(
        [(f"l{n}", a, day(at), done) for n, (a, at, done) in enumerate(leads)],
        columns=["lead_id", "account_id", "created_at", "converted"],
    ).astype({"created_at": "datetime64[us]"})
    return KpiFacts(spans, opportunities, activities, lead, **({
        "filled": FULL, "meetings": ("held",), "deleted": 0, "currency": "EUR"} | more))  # fmt: skip


def table(found: KpiFacts, runs: pd.DataFrame, **more: Any) -> KpiTable:
    return kpi_table(found, runs, SINCE, AS_OF, **({"shares": {}} | more))


RUNS = stood(
    (30, "a", "tier_1"), (30, "b", "recycle"), (60, "a", "tier_2"), (60, "b", "recycle"), (60, "c", "suppress")
)


def test_an_opportunity_stands_where_its_account_stood_just_before_it_was_created() -> None:
    deals = [
        {"account": "a", "created": 29.99},
        {"account": "a", "created": 30, "closed": 40, "won": True, "amount": 100.0},
        {"account": "a", "created": 59.99, "closed": 79.99, "amount": 50.0},
        {"account": "a", "created": 60, "amount": 7.0},
        {"account": "b", "created": 70, "closed": 90, "won": True},
        {"account": "c", "created": 59, "closed": 60},
        {"account": "zz", "created": 100},
        {"account": "a", "created": 61, "asked": False, "amount": 1000.0},
    ]
    got = table(facts(deals, RUNS), RUNS)
    rows = got.by_tier.set_index("place")
    assert rows["opportunities"].to_dict() == {
        "tier_1": 2, "tier_2": 1, "tier_3": 0, "recycle": 1, "suppress": 0, "in_pipeline": 0, "customer": 0,
        "not_eligible": 0, "not_tiered": 2, "before_runs": 1, "other_kind": 1, "total": 8,
    }  # fmt: skip
    focus = got.row("tier_1")
    assert (focus["won"], focus["lost"], focus["open"], focus["closed"]) == (1, 1, 0, 2)
    assert (focus["pipeline"], focus["won_amount"], focus["mean_won"]) == (150.0, 100.0, 100.0)
    assert (focus["win_rate"], focus["days_to_close"], focus["cycle_days"]) == (0.5, pytest.approx(15), 10.0)
    assert focus["velocity"] == pytest.approx(2 * 0.5 * 100 / 10)
    assert focus["win_low"] < 0.1
    assert focus["win_high"] > 0.9
    assert got.row("recycle")["without_amount"] == 1
    assert math.isnan(got.row("recycle")["mean_won"])
    assert got.row("total")["pipeline"] == 1157.0
    assert (focus["stood"], focus["opened"], got.row("recycle")["opened"]) == (1, 1, 1)
    assert got.first_run == SINCE + timedelta(days=30)


def test_accounts_are_the_mean_that_stood_and_activities_fall_where_the_account_stood_then() -> None:
    acts = [("a", 0, 1, 0, 5), ("a", 1, 2, 3, 30), ("a", 2, 4, 0, 0), ("c", 2, 0, 9, 1), ("c", 1, 1, 1, 1)]
    leads = [("a", 31, True), ("a", 32, False), ("b", 99, True), (None, 99, True), ("a", 3, True)]
    got = table(facts([], RUNS, acts, leads), RUNS)
    focus, growth, stopped, total = (got.row(t) for t in ("tier_1", "tier_2", "suppress", "total"))
    assert focus["accounts"] == pytest.approx(30 / 335)
    assert growth["accounts"] == pytest.approx(305 / 335)
    assert total["accounts"] == pytest.approx((30 * 2 + 305 * 3) / 335)
    assert (focus["meetings"], growth["meetings"], got.row("before_runs")["meetings"], total["meetings"]) == (
        2,
        4,
        1,
        8,
    )
    assert stopped["seller"] == 9
    assert got.row("not_tiered")["seller"] == 1
    assert (focus["leads"], focus["converted"], got.row("recycle")["converted"], total["leads"]) == (2, 1, 1, 5)
    assert total["engagement"] == pytest.approx((30 + 0 + 1) / ((30 * 2 + 305 * 3) / 30))
    assert total["engagement_low"] < total["engagement"] < total["engagement_high"]


def test_the_cost_is_the_budgets_share_from_the_first_run_on() -> None:
    runs = stood((181, "a", "tier_1"), (181, "b", "tier_2"))
    deals = [
        {"account": "a", "created": 200, "amount": 4000.0},
        {"account": "b", "created": 200, "amount": 500.0},
        {"account": "a", "created": 9, "amount": 1e6},
    ]
    shares = {"tier_1": 0.5, "tier_2": 0.25, "recycle": 0.25}
    got = table(facts(deals, runs), runs, shares=shares, budget=Budget(amount=2400, months=12))
    assert got.first_run == instant("2025-07-01")
    assert got.row("tier_1")["cost"] == pytest.approx(600)
    assert got.row("tier_1")["cost_per_pipeline"] == pytest.approx(0.15)
    assert got.row("tier_2")["cost_per_pipeline"] == pytest.approx(0.6)
    assert got.row("recycle")["cost"] == pytest.approx(300)
    assert math.isnan(got.row("recycle")["cost_per_pipeline"])
    assert got.row("total")["cost"] == pytest.approx(1200)
    assert got.row("total")["cost_per_pipeline"] == pytest.approx(1200 / 4500)


ACCOUNTS = st.sampled_from(["a", "b", "c", "d"])
DEALS = st.lists(
    st.fixed_dictionaries(
        {"account": ACCOUNTS, "created": st.integers(0, 364)},
        optional={
            "takes": st.integers(0, 200), "won": st.booleans(), "asked": st.booleans(),
            "amount": st.integers(0, 10**9).map(lambda cents: cents / 100),
        },
    ),
    max_size=25,
)  # fmt: skip
STOOD = st.dictionaries(
    st.tuples(st.integers(0, 364), ACCOUNTS), st.sampled_from((*TIERS, *STATUSES)), max_size=12
).map(lambda rows: stood(*((d, a, t) for (d, a), t in rows.items())))
ACTS = st.lists(st.tuples(ACCOUNTS, st.integers(0, 1), *[st.integers(0, 3)] * 3), max_size=8, unique_by=lambda a: a[:2])
LEADS = st.lists(st.tuples(st.none() | ACCOUNTS, st.integers(0, 364), st.booleans()), max_size=8)


def slow_place(runs: pd.DataFrame, account: str | None, at: pd.Timestamp) -> str:
    """Where an account stood, by looking at every run."""
    before = sorted(r for r in set(runs["run_as_of"]) if r <= at)
    if not before:
        return "before_runs"
    for run, a, tier in runs.itertuples(index=False, name=None):
        if run == before[-1] and a == account:
            return str(tier)
    return "not_tiered"


@settings(max_examples=60, deadline=None)
@given(DEALS, STOOD, ACTS, LEADS)
def test_the_rows_add_up_and_are_what_a_slow_count_finds(
    deals: list[dict[str, Any]], runs: pd.DataFrame, acts: list[Any], leads: list[Any]
) -> None:
    for deal in deals:
        takes = deal.pop("takes", None)
        if takes is not None and deal["created"] + takes < 365:
            deal["closed"] = deal["created"] + takes
    spans = len(spans_of([instant(r.to_pydatetime()) for r in runs["run_as_of"].unique()], SINCE, AS_OF))
    acts = [a for a in acts if a[1] < spans]
    found = facts(deals, runs, acts, leads)
    got = table(found, runs)
    rows, total = got.by_tier.iloc[:-1], got.row("total")
    assert tuple(rows["place"]) == PLACES
    for name in COUNTS:
        assert rows[name].sum() == total[name], name
    for name in SUMS:
        assert rows[name].sum() == pytest.approx(total[name]), name
    assert total["opportunities"] == len(deals)
    assert total["pipeline"] == pytest.approx(sum(d.get("amount", 0) for d in deals))
    assert total["won"] + total["lost"] + total["open"] == len(deals)
    expected: dict[str, list[float]] = {p: [0, 0, 0, 0, 0, 0, 0] for p in PLACES}
    for d in deals:
        place = slow_place(runs, d["account"], day(d["created"])) if d.get("asked", True) else "other_kind"
        done = d.get("closed") is not None
        won = done and d.get("won", False)
        for k, n in enumerate((1, won, done and not won, not done, d.get("amount", 0))):
            expected[place][k] += n
    for account, span, meetings, *_ in acts:
        expected[slow_place(runs, account, pd.Timestamp(naive(found.spans[span][0])))][5] += meetings
    for account, at, _ in leads:
        expected[slow_place(runs, account, day(at))][6] += 1
    names = ["opportunities", "won", "lost", "open", "pipeline", "meetings", "leads"]
    for place, want in expected.items():
        assert [got.row(place)[n] for n in names] == pytest.approx(want), place


def needs(got: KpiTable) -> dict[str, str]:
    return {k.kpi: k.needs for k in got.kpis}


def test_a_kpi_whose_source_is_missing_names_the_field_it_needs() -> None:
    nothing = table(facts([], RUNS, filled=dict.fromkeys(FILLED, 0), meetings=()), RUNS)
    assert set(needs(nothing)) == {
        "pipeline_created", "win_rate", "acv", "meetings_set", "pipeline_velocity", "mql_to_sal", "engagement",
        "false_positives", "cost_per_pipeline", "zero_outreach",
    }  # fmt: skip
    assert all(needs(nothing).values())
    assert needs(nothing)["win_rate"] == "needs the table opportunities: it is absent or empty"

    def without(*names: str, **more: Any) -> dict[str, str]:
        return needs(table(facts([], RUNS, filled=FULL | dict.fromkeys(names, 0), **more), RUNS))

    assert without("opportunities.amount")["pipeline_created"] == "needs opportunities.amount: it is empty"
    assert without("opportunities.amount")["cost_per_pipeline"] == "needs opportunities.amount: it is empty"
    assert without("opportunities.closed_at")["pipeline_velocity"] == "needs opportunities.closed_at: it is empty"
    assert without("leads.converted_at")["mql_to_sal"] == "needs leads.converted_at: it is empty"
    assert without("activities.initiator")["zero_outreach"] == "needs activities.initiator: it is empty"
    assert without(meetings=())["meetings_set"].startswith("needs activities.kind or activities.channel to say meeting")
    assert without()["cost_per_pipeline"] == "needs budget in plays.yaml: it is not said"
    assert without("activities.initiator")["engagement"] == "needs activities.initiator: it is empty"
    for name in ("opportunities.is_won", "opportunities.is_closed"):
        assert without(name)["win_rate"] == without(name)["acv"] == f"needs {name}: it is empty"
    shared = table(facts([], RUNS), RUNS, budget=Budget(amount=1), shares={"tier_1": 0.4})
    assert needs(shared)["cost_per_pipeline"].startswith("needs a budget_share of the tier's plays")


@pytest.mark.parametrize(("lacking", "open_too"), [("opportunities.is_won", False), ("opportunities.is_closed", True)])
def test_what_was_won_is_not_told_where_no_column_says_it(lacking: str, open_too: bool) -> None:
    runs = stood((0, "a1", "tier_1"))
    deals = [{"account": "a1", "created": 5, "closed": 9, "won": True, "amount": 10.0}]
    told = table(facts(deals, runs, filled=FULL | {lacking: 0}), runs).row("total")
    assert (told["opportunities"], told["pipeline"]) == (1, 10.0)
    assert all(math.isnan(told[name]) for name in ("won", "lost", "win_rate", "mean_won", "velocity", "won_amount"))
    assert math.isnan(told["open"]) == math.isnan(told["days_to_close"]) == open_too


def test_a_meeting_is_one_that_came_about_and_counts_once() -> None:
    none = [("meeting", "No Show"), ("meeting", "no-show"), ("email", "meeting_link_clicked"), ("meeting", "Cancelled"),
            ("web", "book_meeting_page_view"), ("email", "meeting_reminder"), ("sales", "meeting_request")]  # fmt: skip
    held, booked = [("sales", "Meeting held"), ("meetings", "demo")], [("sales", "meeting-booked")]
    assert meetings_among([*none, *held, *booked]) == held
    assert meetings_among([*none, *booked]) == booked


def test_too_few_cases_is_an_answer_and_enough_have_an_interval() -> None:
    least = DEFAULT_RULES.kpi_least_cases

    def of(n: int) -> KpiTable:
        ids = [f"a{k}" for k in range(n)]
        runs = stood(*((0, a, "tier_1") for a in ids))
        deals = [
            {"account": a, "created": 5, "closed": 9 + k, "won": True, "amount": 10.0 + k} for k, a in enumerate(ids)
        ]
        return table(facts(deals, runs), runs)

    assert needs(of(least - 1))["acv"] == f"too few cases: {least - 1} won with an amount, where {least} are the least"
    enough = of(least)
    acv = next(k for k in enough.kpis if k.kpi == "acv")
    assert (acv.needs, acv.figure.value, acv.figure.n) == ("", pytest.approx(14.5), least)
    assert acv.figure.low < 14.5 < acv.figure.high
    assert enough.row("tier_1")["days_low"] == 5.0
    assert enough.row("tier_1")["days_high"] == 12.0
    assert json.loads(json.dumps(enough.to_dict(), allow_nan=False))["kpis"][0]["figure"]["value"] == 145.0


def published(*rows: tuple[int, str, str, int, bool]) -> pd.DataFrame:
    frame = stood(*(r[:3] for r in rows))
    return frame.assign(revision=[r[3] for r in rows], backfill=[r[4] for r in rows])


def test_the_newest_revision_stands_backfills_do_not_and_the_merged_follow_their_survivor() -> None:
    rows = published(
        (1, "a", "tier_1", 1, False), (1, "b", "tier_2", 1, False), (1, "a", "tier_3", 2, False),
        (1, "b", "recycle", 2, False), (1, "c", "suppress", 2, False), (0, "a", "tier_1", 3, True),
        (5, "y", "tier_1", 4, False), (5, "x", "tier_2", 4, False), (5, "c", "customer", 4, False),
    )  # fmt: skip
    got = stood_in(rows, {"b": "a", "x": "z", "y": "z"})
    assert [tuple(r) for r in got.itertuples(index=False)] == [
        (day(1), "a", "tier_3"), (day(1), "c", "suppress"), (day(5), "c", "customer"), (day(5), "z", "tier_2"),
    ]  # fmt: skip
    assert stood_in(rows[rows["backfill"]], {}).empty
    as_published = rows.astype({"account_id": "str", "tier": "str"})
    assert stood_in(as_published, {"b": "a", "x": "z", "y": "z"}).equals(
        got.astype({"account_id": "str", "tier": "str"})
    )
    assert list(stood_in(as_published, {})["account_id"]) == ["a", "b", "c", "c", "x", "y"]


def test_without_a_run_that_stood_everything_is_before_the_runs() -> None:
    none = RUNS.iloc[:0]
    got = table(facts([{"account": "a", "created": 3}], none), none, budget=Budget(amount=1), shares={"tier_1": 1.0})
    assert got.row("before_runs")["opportunities"] == 1
    assert got.first_run is None
    assert math.isnan(got.row("tier_1")["cost"])


def test_the_sql_is_what_was_read_and_agreed_and_can_be_rendered_for_spark() -> None:
    assert golden_kpis.text() + "\n" == golden_kpis.GOLDEN.read_text(), "renew it with python tests/golden_kpis.py"
    for name, sql in golden_kpis.steps():
        assert sqlglot.transpile(sql, read="duckdb", write="spark", unsupported_level=sqlglot.ErrorLevel.RAISE), name


def at(text: str) -> datetime:
    return naive(instant(text))


def test_the_facts_are_read_as_they_were_known_at_the_end_of_the_window() -> None:
    def deal(n: int, created: str, **more: Any) -> dict[str, Any]:
        return {"opportunity_id": f"o{n}", "account_id": "a", "created_at": at(created), "type": "new", "amount": 5.0,
                "currency": "EUR"} | more  # fmt: skip

    closed = {"is_closed": True, "is_won": True}
    tables = {
        "accounts": [{"account_id": "a", "domain": "a.example", "created_at": at("2024-01-01")}],
        "opportunities": [
            deal(0, "2024-12-31"), deal(1, "2025-01-01"), deal(2, "2026-01-01"),
            deal(3, "2025-03-01", closed_at=at("2025-04-01"), **closed),
            deal(4, "2025-03-01", closed_at=at("2026-04-01"), **closed),
            deal(5, "2025-03-01", closed_at=at("2025-04-01"), is_closed=False),
            deal(6, "2025-03-01", **closed),
            deal(7, "2025-03-01", deleted_at=at("2025-05-01")),
            deal(8, "2025-03-01", deleted_at=at("2026-05-01"), type="renewal"),
            deal(9, "2025-03-01", type=None),
        ],
        "activities": [
            {"activity_id": f"t{n}", "account_id": "a", "occurred_at": at(when), "recorded_at": at(known or when),
             "channel": channel, "kind": kind, "initiator": who}
            for n, (when, known, channel, kind, who) in enumerate([
                ("2024-12-31", None, "meeting", "held", "buyer"), ("2025-01-01", None, "meeting", "held", "buyer"),
                ("2025-06-30T23:59:59", None, "sales", "meeting_took_place", "seller"),
                ("2025-07-01", None, "sales", "call", "seller"), ("2025-07-02", None, "meeting", "no_show", "buyer"),
                ("2025-08-01", "2026-02-01", "meeting", "held", "buyer"),
            ])
        ],
        "leads": [
            {"lead_id": "l1", "domain": "A.example", "created_at": at("2025-02-01"), "converted_at": at("2025-03-01")},
            {"lead_id": "l2", "domain": "a.example", "created_at": at("2025-02-01"), "converted_at": at("2026-03-01")},
            {"lead_id": "l3", "domain": None, "created_at": at("2025-02-01"), "converted_at": None},
            {"lead_id": "l4", "domain": "a.example", "created_at": at("2024-02-01"), "converted_at": None},
        ],
    }  # fmt: skip
    outcome = Outcome(event="opportunity_created", horizon_days=90, types=("new",))
    first = {"accounts": tables["accounts"], "opportunities": tables["opportunities"][:1]}
    with Warehouse.open(as_tables(tables), 1) as house:
        got = kpi_facts(house, outcome, [instant("2025-07-01")], SINCE, AS_OF)
    with Warehouse.open(as_tables(first), 1) as house:
        bare = kpi_facts(house, outcome, [], SINCE, AS_OF)
    deals = got.opportunities.set_index("opportunity_id")
    assert list(deals.index) == ["o1", "o3", "o4", "o5", "o6", "o8", "o9"]
    assert got.deleted == 1
    assert list(deals.index[deals["closed_at"].notna()]) == ["o3"]
    assert list(deals.index[deals["won"]]) == ["o3"]
    assert list(deals.index[deals["undated"]]) == ["o6"]
    assert list(deals.index[~deals["asked"]]) == ["o8", "o9"]
    assert got.currency == "EUR"
    assert got.meetings == ("held", "meeting_took_place")
    assert got.activities[["meetings", "seller", "buyer"]].to_numpy().tolist() == [[2, 1, 1], [0, 1, 1]]
    assert got.leads[["lead_id", "account_id", "converted"]].fillna("-").to_numpy().tolist() == [
        ["l1", "a", True], ["l2", "a", False], ["l3", "-", False],
    ]  # fmt: skip
    assert got.filled == {
        "opportunities": 10, "opportunities.amount": 10, "opportunities.is_closed": 4, "opportunities.is_won": 3,
        "opportunities.closed_at": 2, "activities.initiator": 6,
        "leads": 4, "leads.created_at": 4, "leads.domain": 3, "leads.converted_at": 2,
    }  # fmt: skip
    assert bare.opportunities.empty
    assert bare.activities.empty
    assert (bare.meetings, bare.filled["leads"]) == ((), 0)
    assert needs(table(bare, RUNS.iloc[:0]))["mql_to_sal"] == "needs the table leads: it is absent or empty"
