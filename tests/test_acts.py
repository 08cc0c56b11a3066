"""People's acts: kept for good, read only by dates after them, and never backwards; in the store and in a workspace."""

from __future__ import annotations

import copy
import json
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nursery
import tierwise
from exports import AS_OF, NEGATIVE, PLAN, Rows, random_export
from servers import psql
from tables import as_tables
from tierwise.clock import instant
from tierwise.config import Workspace
from tierwise.data import Warehouse, disputes_digest, join_disputes
from tierwise.errors import UsageError
from tierwise.features import Matrix, build_matrix
from tierwise.publishing import read_current
from tierwise.store import EVERY_PLAN, Act, RunRecord, Store

NAME = "new_business"
D1, D2, D3 = (instant(f"2026-0{month}-01") for month in (3, 4, 5))
TICK = timedelta(microseconds=1)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/tierwise.db"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened


def override(account: str, made_at: datetime, until: datetime, tier: str = "tier_1", plan: str = "p") -> Act:
    said = {"tier": tier, "reason": "asked for", "author": "Ada", "expires_at": until.isoformat()}
    return Act(plan, "override", made_at, said, account)


def withdrawal(account: str, made_at: datetime, of: str = "act-1") -> Act:
    return Act("p", "withdrawal", made_at, {"reason": "over", "author": "Bo", "act_id": of}, account)


def disputed(fact_id: str, made_at: datetime, table: str = "activities", field: str = "") -> Act:
    said = {"table": table, "fact_id": fact_id, "field": field, "source": "web", "reason": "a test", "author": "Ada"}
    return Act(EVERY_PLAN, "dispute", made_at, said, "a")


# --- the store, on both databases


def test_an_override_acts_from_the_next_date_on_and_ends_on_its_expiry(store: Store) -> None:
    assert store.add_act(override("b", D1, D3))
    assert store.add_act(override("a", D1 - TICK, D2, "recycle"))
    assert store.overrides("p", D1)["account_id"].tolist() == ["a"], "an act of D1 is not known in a run for D1"
    found = store.overrides("p", D1 + TICK)
    assert list(found.columns) == ["account_id", "tier", "reason", "author", "made_at", "expires_at"]
    assert found["tier"].tolist() == ["recycle", "tier_1"]
    assert found["expires_at"].tolist() == [pd.Timestamp("2026-04-01"), pd.Timestamp("2026-05-01")]
    assert found["made_at"].dtype == found["expires_at"].dtype == "datetime64[us]"
    assert store.overrides("p", D2 - TICK)["account_id"].tolist() == ["a", "b"]
    assert store.overrides("p", D2)["account_id"].tolist() == ["b"]
    assert store.overrides("p", D3).empty
    assert store.overrides("another", D2).empty


def test_an_act_is_kept_once_and_for_good(store: Store) -> None:
    act = override("a", D1, D3)
    assert (store.add_act(act), store.add_act(act)) == (True, False)
    assert store.add_act(withdrawal("a", D2))
    kept = store.acts("p", ("override", "withdrawal"))
    assert kept["kind"].tolist() == ["override", "withdrawal"]
    assert kept["act_id"][0] == act.act_id
    assert kept["payload"][0] == dict(act.payload)
    assert store.overrides("p", D2)["account_id"].tolist() == ["a"]
    assert store.overrides("p", D2 + TICK).empty
    assert len(store.acts("p", ("override",))) == 1


def test_disputes_are_of_all_plans_and_the_newest_of_a_fact_stands(store: Store) -> None:
    for act in (disputed("x1", D1), disputed("x1", D2), disputed("a", D2, "accounts", "industry")):
        store.add_act(act)
    assert store.disputes(D1).empty
    assert store.disputes(D2)[["fact_id", "made_at"]].values.tolist() == [["x1", pd.Timestamp("2026-03-01")]]
    assert store.disputed()[["table", "fact_id", "field"]].values.tolist() == [
        ["activities", "x1", ""], ["accounts", "a", "industry"]
    ]  # fmt: skip
    assert store.disputes()["ended_at"].tolist() == [pd.Timestamp("2026-04-01"), pd.NaT, pd.NaT]
    assert store.disputed(D2 + TICK)["made_at"].tolist() == [pd.Timestamp("2026-04-01")] * 2


def test_a_run_is_held_once_and_released_by_its_id(store: Store) -> None:
    held = RunRecord("r1", "p", D1, "scheduled", "m1", "v1", "inputs", "prior")
    store.hold(held, {"share": 0.15})
    store.hold(held, {"share": 0.5})
    (kept,) = store.held_runs("p")
    assert (kept.run_id, kept.as_of, dict(kept.moves)) == ("r1", D1, {"share": 0.15})
    assert store.find_run("r1") is None
    assert store.kind("p", D1) == "scheduled"
    assert store.released("p", "r1") is None
    store.add_act(Act("p", "release", D2, {"run_id": "r1", "reason": "checked", "author": "Ada"}))
    assert store.released("p", "r1") == {"run_id": "r1", "reason": "checked", "author": "Ada"}
    assert store.released("p", "r2") is None
    assert store.released("another", "r1") is None


def test_a_store_of_before_opens_with_all_it_held_and_gains_the_tables(
    url: str, request: pytest.FixtureRequest
) -> None:
    with Store.open(url) as opened:
        opened.promote("p", "m1", "champion", D1)
    drops = ("DROP TABLE acts", "DROP TABLE held_runs")
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        for drop in drops:
            connection.execute(drop)
        connection.close()
    else:
        psql(request.getfixturevalue("postgresql"), *drops, database=url.split("@/")[1].split("?")[0])
    for create in (False, True):
        with Store.open(url, create=create) as opened:
            assert opened.promotions("p")["version"].tolist() == ["m1"]
            assert opened.acts("p", ("override",)).empty
            assert opened.held_runs("p") == ()
    with Store.open(url) as opened:
        assert opened.add_act(override("a", D1, D3))


MOMENTS = st.integers(0, 12)
ACTS = st.lists(st.tuples(st.sampled_from("ab"), MOMENTS, st.one_of(st.none(), st.integers(1, 12))), max_size=8)


@settings(max_examples=60, deadline=None)
@given(ACTS, MOMENTS)
def test_a_run_never_sees_an_act_made_at_or_after_its_date(acts: list[tuple[str, int, int | None]], day: int) -> None:
    """The oracle walks the acts in their order; what is made later changes no earlier date."""

    def at(n: int) -> datetime:
        return D1 + timedelta(days=n)

    ordered = sorted(acts, key=lambda act: act[1])
    expected: dict[str, tuple[str, datetime]] = {}
    with Store.open("sqlite://") as opened:
        for n, (account, made, lasts) in enumerate(ordered):
            tier = f"tier_{n % 3 + 1}"
            when, until = at(made) + n * TICK, at(made + (lasts or 0))
            opened.add_act(override(account, when, until, tier) if lasts else withdrawal(account, when))
            if made < day:
                expected.pop(account, None)
                if lasts is not None:
                    expected[account] = (tier, until)
        known = opened.overrides("p", at(day))
    alive = {account: tier for account, (tier, until) in expected.items() if at(day) < until}
    assert dict(zip(known["account_id"], known["tier"], strict=True)) == alive


# --- disputes in the matrix: from now on, never backwards

GRID = tuple(AS_OF - timedelta(days=days) for days in (60, 30, 0))
FIELDS = ("industry", "employee_count", "segment", "technologies")


def export(seed: int) -> Rows:
    """A random export in which every account is known from the start, whatever becomes of its facts."""
    rows = random_export(seed, size=120)
    for account in rows["accounts"]:
        account["created_at"] = AS_OF - timedelta(days=700)
    return rows


def matrix(rows: Rows, disputes: pd.DataFrame | None = None, as_ofs: tuple[datetime, ...] = GRID) -> Matrix:
    with Warehouse.open(as_tables(rows), threads=1) as warehouse:
        if disputes is not None:
            join_disputes(warehouse, disputes)
        return build_matrix(warehouse, PLAN, as_ofs, negative_triggers=NEGATIVE)


def disputes_of(facts: list[tuple[str, str, str]], made_at: datetime) -> pd.DataFrame:
    frame = pd.DataFrame(facts, columns=["table", "fact_id", "field"], dtype="str")
    never = pd.Series([pd.NaT] * len(frame), dtype="datetime64[us]")
    made = pd.Series([made_at.replace(tzinfo=None)] * len(frame), dtype="datetime64[us]")
    return frame.assign(made_at=made, ended_at=never, value_digest=pd.Series([None] * len(frame), dtype="str"))


def rows_at(made: Matrix, as_of: datetime) -> pd.DataFrame:
    frame = made.frame
    return frame[frame["as_of"] == pd.Timestamp(as_of.replace(tzinfo=None))].reset_index(drop=True)


@pytest.mark.long
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2]), st.sampled_from([-TICK, timedelta(0), TICK]))
def test_a_disputed_activity_is_as_if_it_were_not_there_from_then_on_and_untouched_up_to_then(
    seed: int, place: int, near: timedelta
) -> None:
    rows, made_at = export(seed), GRID[place] + near
    ids = [a["activity_id"] for a in rows["activities"]][::2]
    whole, marked = matrix(rows), matrix(rows, disputes_of([("activities", i, "") for i in ids], made_at))
    without = copy.deepcopy(rows)
    without["activities"] = [a for a in rows["activities"] if a["activity_id"] not in ids]
    lacking = matrix(without)
    for as_of in GRID:
        same = lacking if made_at < as_of else whole
        pd.testing.assert_frame_equal(rows_at(marked, as_of), rows_at(same, as_of), check_exact=True)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(FIELDS), st.sampled_from([-TICK, timedelta(0), TICK]))
def test_a_disputed_value_is_missing_from_then_on_until_a_change_comes(seed: int, field: str, near: timedelta) -> None:
    rows, made_at = export(seed), GRID[1] + near
    accounts = [a["account_id"] for a in rows["accounts"]][::2]
    whole = matrix(rows)
    marked = matrix(rows, disputes_of([("accounts", a, field) for a in accounts], made_at))
    ours = [c for c in whole.frame.columns if c == field or c.startswith((f"{field}_has_", f"{field}="))]
    ours = ours or [f.name for f in whole.features if field in f.name]
    assert ours
    changes = [(h["account_id"], h["changed_at"]) for h in rows["account_history"] if h["field"] == field]
    for as_of in GRID:
        before, after = rows_at(whole, as_of), rows_at(marked, as_of)
        mended = {a for a, at in changes if made_at < at < as_of}
        gone = after["account_id"].isin(set(accounts) - mended) & (made_at < as_of)
        assert after.loc[gone, ours].isna().all().all()
        pd.testing.assert_frame_equal(after[~gone], before[~gone], check_exact=True)
        pd.testing.assert_frame_equal(after.drop(columns=ours), before.drop(columns=ours), check_exact=True)


def test_runs_before_a_dispute_keep_their_inputs_and_runs_after_it_have_others() -> None:
    with Warehouse.open(as_tables(export(1)), threads=1) as warehouse:
        assert disputes_digest(warehouse, D3) == ""
        join_disputes(warehouse, disputes_of([("activities", "x", "")], D2))
        assert disputes_digest(warehouse, D2) == ""
        assert len(disputes_digest(warehouse, D2 + TICK)) == 64


# --- in a workspace


NOW = datetime(2026, 1, 1, 9, 30, tzinfo=UTC)
"""The day of the demo's newest run."""
FAR = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def workspace(small_demo: Path, tmp_path: Path) -> Workspace:
    """A copy of the small demo that a test may change."""
    return tierwise.load_workspace(shutil.copytree(small_demo, tmp_path / "ws"))


def accounts(workspace: Workspace, query: str) -> list[str]:
    return read_current(workspace.published, NAME).frame("tiers").query(query)["account_id"].tolist()


def test_overrides_are_checked_before_they_are_kept(workspace: Workspace) -> None:
    one = accounts(workspace, "tier == 'tier_2'")[0]

    def refused(account: str = one, **said: str) -> str:
        given = {"tier": "tier_1", "reason": "a board contact", "by": "Ada", "until": "2026-03-01"} | said
        with pytest.raises(UsageError) as error:
            tierwise.override(workspace, account, made_at=NOW, **given)
        return str(error.value)

    assert "account 'nobody' was to be overridden to tier_1: it is not among the " in refused("nobody")
    assert "Look the id up in accounts.csv" in refused("nobody")
    assert "'tier_9' is no tier that an override may name. Say one of tier_1, tier_2" in refused(tier="tier_9")
    assert "Add it to the table exclusions" in refused(tier="suppress")
    said = "--until {} is over before any run reads it: the first is of 2026-01-02. Give a date after 2026-01-02"
    for until in ("2026-01-01", "2026-01-02"):
        assert said.format(until) in refused(until=until)
    assert "is more than 180 days ahead. Give a date up to 2026-06-30" in refused(until="2026-07-01")
    assert "'soon' was given as a date" in refused(until="soon")
    assert "--reason is empty. Say a reason, in words" in refused(reason="  ")
    assert "--by holds an e-mail address or a number alone" in refused(by="ada@example.com")
    with Store.open(workspace.store) as opened:
        assert opened.acts(NAME, ("override",)).empty


def test_a_guardrail_that_would_hold_an_override_is_said_at_once(workspace: Workspace) -> None:
    said = {"tier": "tier_1", "reason": "write to jo@example.com", "by": "Ada", "until": "2026-03-01"}
    for query, words in (
        ("tier == 'suppress'", "It is suppressed ("),
        ("decided_by == 'low_fit'", "Its fit is held by a guardrail (low_fit"),
        ("tier == 'customer'", "It has the status customer"),
    ):
        done = tierwise.override(workspace, accounts(workspace, query)[0], made_at=NOW, **said)
        assert done.new
        assert done.notes[0].startswith(words)
        assert done.act.payload["reason"] == "write to [removed]", "law 10"
    assert tierwise.override(workspace, accounts(workspace, "tier == 'tier_2'")[0], made_at=NOW, **said).notes == ()


def test_an_act_changes_the_next_run_and_no_run_of_a_date_before_it(workspace: Workspace) -> None:
    one = accounts(workspace, "tier == 'tier_2'")[0]
    before = read_current(workspace.published, NAME).run_id
    tomorrow = tierwise.score(workspace, as_of="2026-01-02", dry_run=True).run_id
    said = {"reason": "a board contact", "by": "Ada"}
    tierwise.override(workspace, one, tier="tier_1", until="2026-03-01", made_at=NOW, **said)
    same = tierwise.score(workspace, as_of="2026-01-01")
    assert (same.run_id, same.new) == (before, False), "law 7: an act of today does not reach back"
    changed = tierwise.score(workspace, as_of="2026-01-02", dry_run=True).run_id
    assert changed != tomorrow

    tierwise.withdraw(workspace, one, made_at=NOW + timedelta(hours=1), **said)
    assert tierwise.score(workspace, as_of="2026-01-02", dry_run=True).run_id == tomorrow
    with pytest.raises(UsageError, match="was to be withdrawn: there is none"):
        tierwise.withdraw(workspace, "nobody", made_at=NOW, **said)
    with pytest.raises(UsageError, match="the last one has ended"):
        tierwise.withdraw(workspace, one, made_at=NOW + timedelta(hours=2), **said)


def test_an_override_holds_through_runs_and_ends_on_its_day(workspace: Workspace) -> None:
    one = accounts(workspace, "tier == 'tier_3'")[0]
    said = {"reason": "a board contact", "by": "Ada"}
    tierwise.override(workspace, one, tier="tier_1", until="2026-01-04", made_at=NOW, **said)
    for day, by_override in (("2026-01-02", True), ("2026-01-03", True), ("2026-01-04", False)):
        run = tierwise.score(workspace, as_of=day)
        row = run.tiers.set_index("account_id").loc[one]
        assert (row["tier"] == "tier_1", row["decided_by"] == "override") == (by_override, by_override)
        moved = run.movements.set_index("account_id")
        assert (one in moved.index) is (day != "2026-01-03")
        if one in moved.index:
            assert moved.loc[one, "cause"] == "override"


@pytest.mark.long
def test_a_dispute_keeps_what_was_and_is_counted_in_the_review(workspace: Workspace) -> None:
    table = pq.read_table(workspace.tables / "activities.parquet").to_pandas()
    recent = table[(table["initiator"] == "buyer") & table["account_id"].notna()].sort_values("occurred_at").iloc[-1]
    said = {"reason": "a competitor's test", "by": "Ada", "made_at": NOW}
    done = tierwise.dispute(workspace, activity=recent["activity_id"], **said)
    assert (done.act.account_id, done.act.payload["source"]) == (recent["account_id"], recent["channel"])
    one = accounts(workspace, "tier == 'tier_2'")[0]
    assert tierwise.dispute(workspace, account=one, attribute="employee_count", **said).notes == ()
    unread = tierwise.dispute(workspace, account=one, attribute="currency", **said | {"made_at": FAR}).notes
    assert unread == (f"Plan '{NAME}' does not read currency: no tier of it changes",)

    def refused(**fact: str) -> str:
        with pytest.raises(UsageError) as error:
            tierwise.dispute(workspace, **fact, **said)
        return str(error.value)

    assert "Ada disputed it on 2026-01-01. Nothing more is to be done; --withdraw ends that dispute" in refused(
        activity=recent["activity_id"]
    )
    for attribute, why in (
        ("domain", "it says who the account is, which holds on all dates. Mend it where it is kept"),
        ("owner_id", "it says who looks after the account, and no score reads it"),
        ("created_at", "it dates the account's row"),
    ):
        assert why in refused(account=one, attribute=attribute)
    assert "activity 'x9' was to be disputed: the tables hold no such activity" in refused(activity="x9")
    assert "the tables hold no such account" in refused(account="nobody", attribute="industry")
    assert "Name one of these with --attribute" in refused(account=one, attribute="shoe_size")
    for half in ({}, {"account": one}, {"activity": "x", "account": one, "attribute": "industry"}):
        assert "Say --activity ID, or --account ID and --attribute NAME" in refused(**half)

    assert not tierwise.score(workspace, as_of="2026-01-01").new, "never backwards"
    after = tierwise.score(workspace, as_of="2026-01-02")
    assert after.new
    governed = tierwise.govern(workspace, as_of="2026-01-02")
    counted = json.loads((governed.folder / "review.json").read_text())["disputes"]
    assert counted["n"] == 2
    assert counted["accounts"] == len({one, recent["account_id"]})
    assert {s["source"]: (s["n"], s["accounts"]) for s in counted["by_source"]} == {
        recent["channel"]: (1, 1), "accounts.employee_count": (1, 1)
    }  # fmt: skip
    page = (governed.folder / "review.html").read_text()
    assert "Disputed facts" in page
    assert "accounts.employee_count" in page
    earlier = tierwise.govern(workspace, as_of="2026-01-01")
    assert json.loads((earlier.folder / "review.json").read_text())["disputes"]["n"] == 0


def test_the_verbs_on_the_command_line(workspace: Workspace) -> None:
    one, at = accounts(workspace, "tier == 'tier_2'")[0], ("-C", workspace.folder)
    by = ("--by", "Ada", "--reason", "a board contact")
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    done = nursery.tierwise(*at, "override", one, "--tier", "tier_1", "--until", until, *by)
    assert done.returncode == 0, done.stderr
    assert f"{one} stands in tier_1 in runs of dates from tomorrow on and before {until}" in " ".join(
        done.stdout.split()
    )
    assert done.stderr.splitlines()[-1].startswith("exit 0 · next: tierwise")
    as_json = nursery.tierwise(*at, "--json", "override", one, "--withdraw", *by)
    assert json.loads(as_json.stdout)["kind"] == "withdrawal"
    for words in (("override", one, *by), ("override", one, "--withdraw", "--tier", "tier_1", *by)):
        wrong = nursery.tierwise(*at, *words)
        assert wrong.returncode == 2
        assert "--tier and --until go together" in wrong.stderr
    unsaid = nursery.tierwise(*at, "override", one, "--withdraw", "--reason", "x")
    assert unsaid.returncode == 2, "an author is always given"
    fact = nursery.tierwise(*at, "dispute", "--account", one, "--attribute", "industry", *by)
    assert fact.returncode == 0, fact.stderr
    assert f"industry of {one} is not read in runs of dates from tomorrow on" in " ".join(fact.stdout.split())
    held = nursery.tierwise(*at, "release", "20260101-0123456789abcdef", *by)
    assert held.returncode == 2
    assert "no run of that id is held" in held.stderr
