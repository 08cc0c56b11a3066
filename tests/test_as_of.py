"""As-of views: equal to what the synthetic world would have exported on the date, and what no history can rebuild."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nursery import tierwise
from tierwise.clock import instant
from tierwise.config import parse_plan
from tierwise.data import TABLES, Rebuilt, Warehouse, as_of_view
from tierwise.features import build_matrix
from tierwise.jobs import check, init
from tierwise.synthetic import TRAPS, World, WorldSpec, simulate, write_world

CLOCKS = {"industry": "fixed", "country": "fixed", "region": "fixed", "annual_revenue": "slow", "technologies": "slow"}
NEVER_REBUILT = {
    "accounts": {"budget_range", "lifecycle_stage"},
    "contacts": {"title"},
    "leads": {"title"},
}
"""What changed, or may have, without a history: unknown on the date."""
DATES = ("2023-09-20", "2024-01-05", "2024-05-17", "2024-11-30", "2025-01-31")


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(WorldSpec(seed=3, accounts=300, months=10, traps=frozenset(TRAPS)))


def plain(table: pa.Table, column: str) -> list[Any]:
    return [tuple(v) if isinstance(v, list | np.ndarray) else v for v in table[column].to_pylist()]


def ordered(table: pa.Table) -> pa.Table:
    simple = [name for name in table.column_names if not pa.types.is_list(table.schema.field(name).type)]
    return table.sort_by([(name, "ascending") for name in simple[:1] + simple])


@pytest.mark.parametrize("at", DATES)
def test_the_view_is_what_the_world_would_have_exported(world: World, at: str) -> None:
    as_of = instant(at)
    truth = world.tables(as_of)
    with Warehouse.open(world.tables(), threads=1) as warehouse:
        view = as_of_view(warehouse, as_of, CLOCKS)
        seen = {name: warehouse.arrow(query) for name, query in view.queries.items()}
    differ = {}
    for name, table in truth.items():
        kept = [c for c in table.column_names if c not in NEVER_REBUILT.get(name, ())]
        if name == "opportunities":
            kept.remove("amount")
        ours, theirs = ordered(seen[name].select(kept)), ordered(table.select(kept))
        assert ours.num_rows == theirs.num_rows, name
        differ |= {(name, c): 1 for c in kept if plain(ours, c) != plain(theirs, c)}
        for column in NEVER_REBUILT.get(name, ()):
            assert seen[name][column].null_count == seen[name].num_rows, "what is unknown is left out"
    assert not differ
    assert truth["activities"].num_rows > 500


def test_an_amount_is_unknown_until_the_deal_has_closed(world: World) -> None:
    as_of = instant("2024-05-17")
    truth = {r["opportunity_id"]: r for r in world.tables(as_of)["opportunities"].to_pylist()}
    with Warehouse.open(world.tables(), threads=1) as warehouse:
        rows = warehouse.arrow(as_of_view(warehouse, as_of).queries["opportunities"]).to_pylist()
    assert {r["is_closed"] for r in rows} == {True, False}
    for row in rows:
        assert row["amount"] == (truth[row["opportunity_id"]]["amount"] if row["is_closed"] else None)


def test_each_column_says_how_it_was_rebuilt(world: World) -> None:
    with Warehouse.open(world.tables(), threads=1) as warehouse:
        view = as_of_view(warehouse, instant("2024-05-17"), CLOCKS)
        counts = view.rows(warehouse).set_index("table")
    how = {(r.table, r.column): r.how for r in view.attributes}
    assert how[("accounts", "employee_count")] == "tracked"
    assert how[("accounts", "industry")] == "fixed"
    assert how[("accounts", "annual_revenue")] == "slow"
    assert how[("accounts", "lifecycle_stage")] == "untracked"
    assert how[("accounts", "name")] == "identity"
    assert how[("contacts", "role")] == "tracked"
    assert how[("opportunities", "stage")] == "dated"
    assert how[("opportunities", "type")] == "todays"
    assert Rebuilt("accounts", "x", "untracked").words == "unknown: it has no history, so today's value is left out"
    assert counts.loc["activities", "then"] < counts.loc["activities", "now"]
    assert counts.loc["activities", "newest"] < np.datetime64("2024-05-17")


def test_without_any_clock_declared_an_attribute_without_history_is_unknown(world: World) -> None:
    with Warehouse.open(world.tables(), threads=1) as warehouse:
        seen = warehouse.arrow(as_of_view(warehouse, instant("2024-05-17")).queries["accounts"])
    assert seen["industry"].null_count == seen.num_rows
    assert seen["employee_count"].null_count < seen.num_rows


def table(rows: list[dict[str, Any]], **types: pa.DataType) -> pa.Table:
    made = pa.Table.from_pylist(rows)
    for name in made.column_names:
        kind = made.schema.field(name).type
        if pa.types.is_timestamp(kind) or pa.types.is_null(kind):
            wanted = types.get(name, pa.timestamp("us") if name.endswith("_at") else pa.string())
            made = made.set_column(made.column_names.index(name), name, made[name].cast(wanted))
    return made


def day(n: int) -> datetime:
    return datetime(2026, 3, n)


def test_values_at_one_instant_blank_old_values_and_rows_without_dates() -> None:
    tables = {
        "accounts": table(
            [
                {"account_id": "a", "stage": "d", "size": 5.0, "created_at": day(1)},
                {"account_id": "b", "stage": "x", "size": 7.0, "created_at": None},
                {"account_id": "late", "stage": "x", "size": 7.0, "created_at": None},
            ]
        ),
        "account_history": table(
            [
                {"account_id": "a", "field": "stage", "old_value": None, "new_value": "b", "changed_at": day(5)},
                {"account_id": "a", "field": "stage", "old_value": "b", "new_value": None, "changed_at": day(7)},
                {"account_id": "a", "field": "stage", "old_value": None, "new_value": "d", "changed_at": day(9)},
                {"account_id": "a", "field": "size", "old_value": "3", "new_value": "5", "changed_at": day(9)},
            ]
        ),
        "opportunities": table(
            [
                {"opportunity_id": "o", "account_id": "late", "created_at": day(8), "closed_at": day(20),
                 "stage": "open", "is_closed": False, "is_won": False, "amount": 10.0},
                {"opportunity_id": "p", "account_id": "b", "created_at": day(2), "closed_at": day(3),
                 "stage": "won", "is_closed": True, "is_won": True, "amount": 20.0},
            ]
        ),
        "exclusions": table([{"account_id": "a", "reason": "legal", "recorded_at": None, "starts_on": None}],
                            starts_on=pa.timestamp("us")),
    }  # fmt: skip
    said = {}
    with Warehouse.open(tables, threads=1) as warehouse:
        for n in (4, 6, 8, 10):
            view = as_of_view(warehouse, instant(day(n)))
            rows = {r["account_id"]: r for r in warehouse.arrow(view.queries["accounts"]).to_pylist()}
            said[n] = (rows["a"]["stage"], rows["a"]["size"], sorted(rows))
            assert warehouse.arrow(view.queries["exclusions"]).num_rows == 1
        deals = warehouse.arrow(as_of_view(warehouse, instant(day(9))).queries["opportunities"]).to_pylist()
    assert said == {
        4: (None, 3.0, ["a", "b"]),
        6: ("b", 3.0, ["a", "b"]),
        8: (None, 3.0, ["a", "b"]),
        10: ("d", 5.0, ["a", "b", "late"]),
    }
    by_id = {d["opportunity_id"]: d for d in deals}
    assert (by_id["o"]["closed_at"], by_id["o"]["stage"], by_id["o"]["amount"]) == (None, None, None)
    assert (by_id["p"]["closed_at"], by_id["p"]["is_won"], by_id["p"]["amount"]) == (day(3), True, 20.0)


def test_a_view_opens_as_a_warehouse_and_is_a_fixed_point(world: World) -> None:
    as_of = instant("2024-05-17")
    with Warehouse.open(world.tables(), threads=1) as warehouse:
        once = as_of_view(warehouse, as_of, CLOCKS)
        with once.open(warehouse) as then:
            again = as_of_view(then, as_of, CLOCKS)
            for name, query in once.queries.items():
                assert ordered(then.arrow(again.queries[name])).equals(ordered(warehouse.arrow(query))), name


PLAN = """\
plan: p
outcome: {event: opportunity_created, types: [New Business], horizon_days: 60}
features:
  fit:
    - {attribute: industry, kind: category, clock: fixed}
    - {attribute: employee_count, kind: number, clock: tracked}
    - {attribute: technologies, kind: set, clock: slow, values: [snowflake]}
  signal:
    channels: {web: {}, email: {}, event: {}, meeting: {}}
    triggers: [funding]
    buying_group: {clock: tracked}
"""


@pytest.mark.parametrize("at", DATES[1:])
def test_a_matrix_of_the_view_is_the_matrix_of_the_whole(world: World, at: str) -> None:
    """Law 1, from the other end: what the features read of the whole is what stands in the view."""
    as_of, plan = instant(at), parse_plan(PLAN)
    with Warehouse.open(world.tables(), threads=1) as warehouse:
        whole = build_matrix(warehouse, plan, (as_of,)).frame
        with as_of_view(warehouse, as_of, CLOCKS).open(warehouse) as then:
            view = build_matrix(then, plan, (as_of,)).frame
    assert len(view) > 200
    pd.testing.assert_frame_equal(whole, view)


@pytest.fixture(scope="module")
def workspace(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace on the world's last export."""
    folder = tmp_path_factory.mktemp("as-of") / "ws"
    write_world(world, folder, world.spec.ends_at)
    init(folder, folder / "tables")
    return folder


def test_check_as_of_prints_the_tables_and_writes_what_init_reads(workspace: Path, tmp_path: Path) -> None:
    to = tmp_path / "then"
    done = tierwise("-C", workspace, "check", "--as-of", "2024-10-15", "--to", to)
    assert done.returncode == 0, done.stderr
    assert "Tables as of 2024-10-15" in done.stdout
    assert "unknown: it has no history" in done.stdout
    assert "Merges and parents are identity" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines() if str(to) not in line) <= 80
    assert f"next: tierwise init DIR --tables {to}" in done.stderr.splitlines()[-1]
    newest = pq.read_table(to / "activities.parquet")["occurred_at"].to_pylist()
    assert max(newest) < datetime(2024, 10, 15)
    drafted = init(tmp_path / "again", to)
    assert check(drafted.workspace).intake.counts["refused"].sum() == 0
    said = json.loads(tierwise("-C", workspace, "--json", "check", "--as-of", "2024-10-15").stdout)
    assert {"table": "accounts", "column": "industry", "how": "fixed"} in said["attributes"]
    assert {t["table"] for t in said["tables"]} == set(TABLES)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--to", "x"), "tables were to be written to x: no date was given. Add --as-of YYYY-MM-DD."),
        (("--as-of", "1999-01-01"), "as_of 1999-01-01 was asked for: the data begin on"),
        (("--as-of", "soon"), "'soon' was given as a date: it is not an ISO date. Write it as YYYY-MM-DD."),
        (("--as-of", "2024-10-15", "--to", "."), "it is there, and holds something. Name a folder that is empty"),
        (("--as-of", "2024-10-15", "--to", "/proc/none"), "the disk refused"),
    ],
)
def test_what_cannot_be_is_said(workspace: Path, words: tuple[str, ...], says: str) -> None:
    done = tierwise("-C", workspace, "check", *words)
    assert done.returncode in (2, 5)
    assert says in done.stderr
    assert "Traceback" not in done.stderr
