"""Our own history of attributes: true to the world a year on, written once whatever is killed, and read as history."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tierwise.audit import audit, not_to_keep
from tierwise.clock import instant, naive
from tierwise.config import Settings, parse_plan
from tierwise.data import (
    Intake,
    Query,
    as_of_view,
    attributes_seen,
    join_own_history,
    list_parts,
    own_fields,
    read_parts,
    read_tables,
)
from tierwise.data.own_history import NOT_YET
from tierwise.errors import EnvironmentFault
from tierwise.features import build_matrix
from tierwise.publishing import ATTRIBUTE_POINTS, remember
from tierwise.synthetic import World, WorldSpec, simulate

RUNS = 12
SPAWN = multiprocessing.get_context("spawn")
UNTRACKED = ("lifecycle_stage", "budget_range")
PLAN = """\
plan: p
outcome: {event: opportunity_created, types: [New Business], horizon_days: 60}
features:
  fit:
    - {attribute: industry, kind: category, clock: fixed}
    - {attribute: lifecycle_stage, kind: category, clock: tracked, tracked_since: SINCE}
  signal:
    channels: {web: {}}
    buying_group: {clock: untracked}
"""


@pytest.fixture(scope="module")
def world() -> World:
    traps = frozenset({"todays_lifecycle_stage", "late_filled_attribute"})
    return simulate(WorldSpec(seed=11, accounts=300, months=14, traps=traps))


def export(world: World, as_of: datetime, folder: Path) -> Path:
    """The tables of an export at an instant, on the disk."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, table in world.tables(as_of).items():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


@contextmanager
def taken_in(tables: Path, own: Path) -> Iterator[Intake]:
    intake = read_tables(tables, Settings(threads=1))
    with intake.warehouse:
        join_own_history(intake.warehouse, own)
        yield intake


def run(tables: Path, own: Path, as_of: datetime) -> pd.DataFrame:
    """What a scoring run does with attributes; gives the accounts that it saw, those made of leads apart."""
    with taken_in(tables, own) as intake:
        seen = attributes_seen(intake.warehouse, not_to_keep(intake.warehouse))
        own_accounts = "SELECT * FROM accounts WHERE NOT starts_with(account_id, 'lead:') ORDER BY account_id"
        accounts = intake.warehouse.frame(Query(own_accounts))
    remember(own, seen, as_of, max(intake.data_through.values()))
    return accounts


@pytest.fixture(scope="module")
def year(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[datetime, pd.DataFrame]]:
    """A year of monthly runs, each on the export of its day: the last tables, our own history, what each run saw."""
    home = tmp_path_factory.mktemp("year")
    saw = {a: run(export(world, a, home / "tables"), home / "own", a) for a in world.spec.as_ofs[:RUNS]}
    end = world.spec.as_ofs[RUNS]
    return export(world, end, home / "tables"), home / "own", saw


def test_after_a_year_what_had_no_history_is_rebuilt_as_it_was_on_every_run(
    world: World, year: tuple[Path, Path, dict[datetime, pd.DataFrame]]
) -> None:
    tables, own, saw = year
    moved = 0
    with taken_in(tables, own) as intake:
        for as_of, accounts in saw.items():
            for later in (timedelta(microseconds=1), timedelta(days=20)):
                view = as_of_view(intake.warehouse, as_of + later)
                then = intake.warehouse.frame(view.queries["accounts"]).set_index("account_id")
                truth = world.tables(as_of)["accounts"].to_pandas().set_index("account_id")
                mine = accounts["account_id"][accounts["account_id"].isin(then.index)]
                assert len(mine) > 200
                for name in (*UNTRACKED, "industry", "country", "region"):
                    ours, theirs = (f.loc[mine, name].astype(object).fillna("") for f in (then, truth))
                    assert ours.tolist() == theirs.tolist(), (as_of, name)
        fields = own_fields(intake.warehouse)
        today = intake.warehouse.frame(Query("SELECT * FROM accounts")).set_index("account_id")
        first = next(iter(saw.values())).set_index("account_id")
        moved = (today.loc[first.index.intersection(today.index), "lifecycle_stage"] != first["lifecycle_stage"]).sum()
    assert moved > 40, "nothing changed without a history"
    assert fields["lifecycle_stage"].changes >= moved
    assert fields["lifecycle_stage"].since == naive(next(iter(saw)))
    assert "employee_count" not in fields, "the sources' own history covers it"
    assert not {"name", "domain", "owner_id", "account_id", "parent_account_id", "created_at"} & set(fields)


def test_a_feature_of_it_is_the_same_on_its_day_and_a_year_later(
    world: World, year: tuple[Path, Path, dict[datetime, pd.DataFrame]], tmp_path: Path
) -> None:
    """Law 1: a matrix as of a past run's date, from that day's export and parts, and from all of them."""
    tables, own, saw = year
    as_ofs = list(saw)
    plan = parse_plan(PLAN.replace("SINCE", str(as_ofs[0].date())))
    for place in (1, 5, 11):
        as_of = as_ofs[place]
        then = tmp_path / f"own-{place}"
        then.mkdir()
        for part in list_parts(own)[:place]:
            shutil.copy(part.path, then)
        with taken_in(export(world, as_of, tmp_path / "tables"), then) as intake:
            before = build_matrix(intake.warehouse, plan, (as_of,)).frame.set_index("account_id")
        with taken_in(tables, own) as intake:
            after = build_matrix(intake.warehouse, plan, (as_of,)).frame.set_index("account_id")
        both = before.index.intersection(after.index)
        assert len(both) > 200
        ours, theirs = (f.loc[both, "lifecycle_stage"].fillna("") for f in (before, after))
        assert ours.tolist() == theirs.tolist()
        assert (ours != "").mean() > 0.8


def test_the_audit_says_since_when_and_its_rule_on_blank_old_values_does_not_misfire(
    year: tuple[Path, Path, dict[datetime, pd.DataFrame]],
) -> None:
    tables, own, saw = year
    since = next(iter(saw)).date()
    without = parse_plan("\n".join(line for line in PLAN.splitlines() if "lifecycle_stage" not in line))
    for text in (PLAN.replace("SINCE", str(since)), PLAN.replace(", tracked_since: SINCE", "")):
        with taken_in(tables, own) as intake:
            found = audit(intake.warehouse, parse_plan(text), max(intake.data_through.values()))
            bare = audit(intake.warehouse, without, max(intake.data_through.values()))
        (known,) = [f for f in found if f.subject == "lifecycle_stage" and f.code == "known_as_of"]
        assert f"rebuilt as of each date from {since} on: " in known.found
        assert known.found.endswith(" changes were seen so far")
        codes = {f.code for f in found if f.subject == "lifecycle_stage" and f.severity == "blocks"}
        assert not codes & {"blank_old_values", "tracked_without_history"}, codes
        said = next(f for f in bare if f.subject == "lifecycle_stage" and f.code == "refused_attribute")
        assert f"Own history since {since}; usable as tracked from then" in said.do
        assert said.do.endswith(" changes so far")


def seen(**values: dict[str, str | None]) -> pa.Table:
    rows = [{"account_id": a, "field": f, "value": v} for f, of in values.items() for a, v in of.items()]
    schema = pa.schema([(n, pa.string()) for n in ("account_id", "field", "value")])
    return pa.Table.from_pylist(rows, schema=schema)


def held(own: Path) -> list[tuple[str, str, str | None, str | None]]:
    rows = read_parts(list_parts(own)).to_pylist()
    return [(r["account_id"], r["field"], r["old_value"], r["new_value"]) for r in rows]


D1, D2, D3 = instant("2026-03-01"), instant("2026-04-01"), instant("2026-05-01")


def test_only_changes_are_written_and_a_value_that_goes_is_one(tmp_path: Path) -> None:
    assert remember(tmp_path, seen(stage={"a": "1", "b": None}, size={"a": "5", "b": "6"}), D1, D1)
    assert held(tmp_path) == [("a", "size", None, "5"), ("a", "stage", None, "1"), ("b", "size", None, "6")]
    assert remember(tmp_path, seen(stage={"a": None, "b": "2"}, size={"a": "5", "b": "6"}), D2, D2)
    assert held(tmp_path)[3:] == [("a", "stage", "1", None), ("b", "stage", None, "2")]
    remember(tmp_path, seen(size={"a": "5"}), D3, D3)
    assert len(held(tmp_path)) == 5, "a field that is not exported, or an account that is gone, is not a change"
    stamps = {p.as_of: read_parts([p])["changed_at"].unique().to_pylist() for p in list_parts(tmp_path)}
    assert stamps == {naive(D1): [naive(D1)], naive(D2): [naive(D2)], naive(D3): []}


def test_what_is_seen_counts_from_what_the_tables_reach_to_and_clocks_never_go_back(tmp_path: Path) -> None:
    late = instant("2026-04-20T12:00")
    remember(tmp_path, seen(stage={"a": "1"}), D1, late)
    remember(tmp_path, seen(stage={"a": "2"}), D2, D2)
    stamps = read_parts(list_parts(tmp_path))["changed_at"].to_pylist()
    assert stamps == [naive(late), naive(late) + timedelta(microseconds=1)]


def test_again_changes_no_byte_a_revision_replaces_its_part_and_a_backfill_writes_nothing(tmp_path: Path) -> None:
    def files() -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in tmp_path.glob("*.parquet")}

    remember(tmp_path, seen(stage={"a": "1"}), D1, D1)
    remember(tmp_path, seen(stage={"a": "2"}), D2, D2)
    before = files()
    assert not remember(tmp_path, seen(stage={"a": "2"}), D2, D2)
    assert files() == before
    assert remember(tmp_path, seen(stage={"a": "3"}), D2, D2)
    assert held(tmp_path) == [("a", "stage", None, "1"), ("a", "stage", "1", "3")]
    assert files()["2026-03-01.parquet"] == before["2026-03-01.parquet"]
    assert remember(tmp_path, seen(stage={"a": "2"}), D2, D2)
    assert files() == before
    assert not remember(tmp_path, seen(stage={"a": "9"}), D1, D1)
    assert not remember(tmp_path, seen(stage={"a": "9"}), D1 + timedelta(days=5), D1)
    assert files() == before


def _dying(folder: str, point: str) -> None:
    def die(at: str) -> None:
        if at == point:
            os.kill(os.getpid(), signal.SIGKILL)

    remember(Path(folder), seen(stage={"a": "2", "b": "1"}), D2, D2, at=die)


@pytest.mark.parametrize("point", ATTRIBUTE_POINTS)
def test_killed_between_steps_nothing_is_lost_and_nothing_doubled(tmp_path: Path, point: str) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        remember(folder, seen(stage={"a": "1", "b": "1"}), D1, D1)
    remember(whole, seen(stage={"a": "2", "b": "1"}), D2, D2)
    child = SPAWN.Process(target=_dying, args=(str(killed), point))
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    assert held(killed) == (held(whole) if point == "placed" else held(whole)[:2]), "a part is seen whole or not at all"
    remember(killed, seen(stage={"a": "2", "b": "1"}), D2, D2)
    files = [{p.name: p.read_bytes() for p in folder.glob("*.parquet")} for folder in (whole, killed)]
    assert files[0] == files[1]


def _remembering(folder: str, place: int) -> None:
    as_of = D1 + timedelta(days=place % 3)
    remember(Path(folder), seen(stage={"a": str(place % 3), "b": "1"}), as_of, as_of)


@pytest.mark.long
def test_plans_that_run_at_once_write_one_history(tmp_path: Path) -> None:
    workers = [SPAWN.Process(target=_remembering, args=(str(tmp_path), n)) for n in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    rows = held(tmp_path)
    assert len(rows) == len(set(rows))
    value: dict[tuple[str, str], str | None] = {}
    for account, field, old, new in rows:
        assert value.get((account, field)) == old, "each change begins where the one before it ended"
        assert old != new
        value[(account, field)] = new
    assert list_parts(tmp_path)[-1].as_of == naive(D1 + timedelta(days=2))
    assert value[("a", "stage")] == "2"


def test_a_person_s_data_and_our_own_fields_are_not_kept(world: World, tmp_path: Path) -> None:
    tables = export(world, world.spec.as_ofs[0], tmp_path / "tables")
    path = tables / "accounts.parquet"
    table = pq.read_table(path)
    for name, value in (
        ("billing", "zelda@secretmail.example"),
        ("main_phone", "+44 20 7946 0958"),
        ("first_name", "Zelda"),
        ("Tierwise_Tier__c", "tier_1"),
        ("segment", "north"),
    ):
        table = table.append_column(name, pa.array([value] * table.num_rows))
    pq.write_table(table, path)
    run(tables, tmp_path / "own", world.spec.as_ofs[0])
    fields = {row[1] for row in held(tmp_path / "own")}
    assert "segment" in fields
    assert not fields & {"billing", "main_phone", "first_name", "Tierwise_Tier__c", "name", "domain"}
    content = b"".join(p.read_bytes() for p in (tmp_path / "own").iterdir())
    assert b"zelda" not in content.lower()


def test_what_is_kept_is_judged_by_its_values_and_a_name_alone_forgets_nothing(world: World, tmp_path: Path) -> None:
    tables = export(world, world.spec.as_ofs[0], tmp_path / "tables")
    path = tables / "accounts.parquet"
    table = pq.read_table(path)
    columns = {
        "main_buyer": ["John Smith", "Anna Berg", "Zaphod Quux", "Maria Lopez", "Peter Hahn", "Trillian Astra"],
        "desk_line": ["+44 20 7946 0958", "020 555 0188", "555-010-1234", "06 12 34 56 78", "(020) 5550 188"],
        "contact_person": ["Anna Berg", "Zaphod Quux"],
        "tier": ["tier_1", "tier_3", "recycle"],
        "mobile_app": ["yes", "no"],
        "contact_source": ["Web", "Trade Fair", "Victoria Fair", "Partner", "Event", "Call", "Ad", "Mail", "Post"],
        "previous_tier": ["gold", "silver"],
        "first_name_basis": ["1", "2"],
    }
    for name, values in columns.items():
        held_ = [values[i % len(values)] for i in range(table.num_rows)]
        table = table.append_column(name, pa.array(held_))
    pq.write_table(table, path)
    run(tables, tmp_path / "own", world.spec.as_ofs[0])
    fields = {row[1] for row in held(tmp_path / "own")}
    assert fields & set(columns) == {"mobile_app", "contact_source", "previous_tier", "first_name_basis"}
    content = b"".join(p.read_bytes() for p in (tmp_path / "own").iterdir())
    assert b"Smith" not in content


def test_a_value_of_an_account_that_no_part_holds_counts_from_the_next_run(tmp_path: Path, world: World) -> None:
    first, second = world.spec.as_ofs[0], world.spec.as_ofs[6]
    run(export(world, first, tmp_path / "tables"), tmp_path / "own", first)
    with taken_in(export(world, second, tmp_path / "tables"), tmp_path / "own") as intake:
        new = intake.warehouse.frame(
            Query(
                "SELECT DISTINCT account_id FROM account_history WHERE field = 'lifecycle_stage' AND changed_at = $at",
                {"at": NOT_YET},
            )
        )
        created = intake.warehouse.frame(Query("SELECT account_id, created_at, lifecycle_stage FROM accounts"))
    mine = created[(created["created_at"] >= naive(first)) & created["lifecycle_stage"].notna()]
    assert set(new["account_id"]) == set(mine["account_id"])
    assert len(mine) > 2


def test_a_damaged_or_strange_part_is_a_fault_that_says_what_to_do(tmp_path: Path) -> None:
    remember(tmp_path, seen(stage={"a": "1"}), D1, D1)
    part = tmp_path / "2026-03-01.parquet"
    part.write_bytes(part.read_bytes()[:40])
    with pytest.raises(
        EnvironmentFault, match=r"2026-03-01\.parquet was read: it is damaged .*Restore it from a backup"
    ):
        remember(tmp_path, seen(stage={"a": "1"}), D2, D2)
    part.rename(tmp_path / "march.parquet")
    with pytest.raises(EnvironmentFault, match=r"march\.parquet is named by no date"):
        list_parts(tmp_path)


def test_only_what_a_plan_tracks_joins_the_sources_history(
    year: tuple[Path, Path, dict[datetime, pd.DataFrame]],
) -> None:
    tables, own, _ = year
    fields = {}
    for tracked in (None, frozenset({"lifecycle_stage"}), frozenset({"employee_count"}), frozenset()):
        intake = read_tables(tables, Settings(threads=1))
        with intake.warehouse:
            join_own_history(intake.warehouse, own, tracked)
            found = intake.warehouse.frame(Query("SELECT DISTINCT field FROM account_history"))["field"]
            fields[tracked] = set(found)
            assert {"lifecycle_stage", "industry"} <= set(own_fields(intake.warehouse))
    theirs = {"employee_count", "owner_id"}
    assert fields[frozenset()] == fields[frozenset({"employee_count"})] == theirs
    assert fields[frozenset({"lifecycle_stage"})] == theirs | {"lifecycle_stage"}
    assert fields[None] > theirs | {"lifecycle_stage", "industry", "country"}


def test_without_any_run_nothing_is_joined(world: World, tmp_path: Path) -> None:
    tables = export(world, world.spec.as_ofs[0], tmp_path / "tables")
    with taken_in(tables, tmp_path / "own") as intake:
        assert own_fields(intake.warehouse) == {}
        n = intake.warehouse.frame(Query("SELECT count(*) AS n FROM account_history"))["n"][0]
    assert n == pq.read_table(tables / "account_history.parquet").num_rows
