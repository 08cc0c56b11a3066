"""Freshness: what is called late or short, how seldom without cause, how surely with one, and what is drafted."""

from __future__ import annotations

import json
import shutil
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from nursery import tierwise
from tierwise.cli.app import app
from tierwise.clock import instant
from tierwise.config import Workspace, load_workspace
from tierwise.config.workspace import Expects, Settings, Source
from tierwise.data import Query, Warehouse
from tierwise.data.freshness import (
    WEEKDAYS,
    Freshness,
    draft_expects,
    expects_lines,
    freshness,
)
from tierwise.errors import UserError
from tierwise.jobs import score
from tierwise.publishing import read_current
from tierwise.synthetic import WorldSpec, simulate

AS_OF = instant("2026-03-10")
"""A Tuesday."""
WORKDAYS = dict.fromkeys(WEEKDAYS[:5], 100.0) | dict.fromkeys(WEEKDAYS[5:], 0.0)


def arrivals_sql(by_source: bool) -> Query:
    """Activities by source and day of known_at: source, table, day, rows; by day.

    by_source: whether activities still have `__source`; without it, all of them are of the source `tables`.
    """
    source = "__source" if by_source else "'tables'"
    return Query(
        f"""
        SELECT {source} AS source, 'activities' AS "table", date_trunc('day', known_at) AS day, count(*) AS rows
        FROM activities WHERE known_at IS NOT NULL GROUP BY ALL ORDER BY source, day
        """
    )


def daily(first: str, last: str, rows: float = 100.0, weekend: float = 0.0, source: str = "crm") -> pd.DataFrame:
    days = pd.date_range(first, last, freq="D")
    counts = np.where(days.day_of_week < 5, rows, weekend)
    frame = pd.DataFrame({"source": source, "table": "activities", "day": days, "rows": counts})
    return frame[frame["rows"] > 0].reset_index(drop=True)


def crm(**expects: object) -> Source:
    return Source(name="crm", at="crm", expects=Expects.model_validate(expects) if expects else None)


def judged(arrivals: pd.DataFrame, source: Source, as_of: datetime = AS_OF) -> pd.Series:
    return freshness(arrivals, [source], as_of).sources.iloc[0]


def test_a_source_is_late_once_a_day_that_should_be_in_is_not() -> None:
    arrivals = daily("2026-01-01", "2026-03-01", weekend=30)
    row = judged(arrivals, crm(lag_days=2))
    assert (row["state"], row["lag_days"]) == ("late", 9)
    assert row["words"] == (
        "crm: late: its newest activity is of 2026-03-01, 9 days before 2026-03-10; at most 3 are expected"
    )
    assert judged(arrivals, crm(lag_days=7))["state"] == "late"
    assert judged(arrivals, crm(lag_days=8))["state"] == "ok"
    assert judged(arrivals, crm(lag_days=2), instant("2026-03-04"))["state"] == "ok"
    assert judged(arrivals, crm(lag_days=2), instant("2026-03-05"))["state"] == "late"


def test_a_weekend_without_work_makes_no_source_late() -> None:
    arrivals = daily("2026-01-01", "2026-03-06")
    monday, tuesday = instant("2026-03-09"), instant("2026-03-10")
    assert judged(arrivals, crm(lag_days=0, volume=WORKDAYS), monday)["state"] == "ok"
    assert judged(arrivals, crm(lag_days=0, volume=WORKDAYS), tuesday)["state"] == "late"
    assert judged(arrivals, crm(lag_days=1, volume=WORKDAYS), tuesday)["state"] == "ok"


def test_a_source_is_short_below_its_share_of_the_usual_week() -> None:
    whole, last = daily("2026-01-01", "2026-02-27"), daily("2026-02-28", "2026-03-09", rows=49)
    row = judged(pd.concat([whole, last]), crm(lag_days=1, volume=WORKDAYS))
    assert (row["state"], row["expected"], row["seen"]) == ("short", 500, 245)
    assert row["words"] == "crm: short: the newest 7 days that should be in hold 245 activities; 500 are usual"
    assert judged(pd.concat([whole, last]), crm(lag_days=1, volume=WORKDAYS, short_below=0.4))["state"] == "ok"
    half = daily("2026-02-28", "2026-03-09", rows=51)
    assert judged(pd.concat([whole, half]), crm(lag_days=1, volume=WORKDAYS))["state"] == "ok"


def test_too_few_to_tell_is_not_short() -> None:
    rare = dict.fromkeys(WEEKDAYS, 1.0)
    arrivals = daily("2026-01-01", "2026-02-27", rows=1, weekend=1)
    newest = daily("2026-03-09", "2026-03-09", rows=1)
    assert judged(pd.concat([arrivals, newest]), crm(lag_days=0, volume=rare))["state"] == "ok"


def test_what_arrived_on_the_day_or_later_is_not_looked_at() -> None:
    before = daily("2026-01-01", "2026-03-01")
    after = daily("2026-03-10", "2026-04-01", rows=9999)
    pd.testing.assert_series_equal(
        judged(before, crm(lag_days=2, volume=WORKDAYS)),
        judged(pd.concat([before, after]), crm(lag_days=2, volume=WORKDAYS)),
    )


def test_a_source_that_began_within_the_week_is_not_short() -> None:
    arrivals = daily("2026-03-05", "2026-03-09", rows=5)
    assert judged(arrivals, crm(lag_days=1, volume=WORKDAYS))["state"] == "ok"


def test_a_source_that_states_nothing_is_ok_and_one_without_any_activity_is_late() -> None:
    nothing = daily("2026-01-01", "2026-01-02")
    silent = Source(name="web", at="web", expects=Expects(lag_days=1))
    found = freshness(nothing, [crm(), silent], AS_OF)
    assert found.sources["state"].tolist() == ["ok", "late"]
    assert found.wanting == {"web": "web: late: it has no activity before 2026-03-10"}
    assert found.because == "web is late"
    idle = Expects(volume=dict.fromkeys(WEEKDAYS, 0.0))
    assert judged(nothing.head(0), Source(name="crm", at="x", expects=idle))["state"] == "ok"


def test_a_date_before_the_arrivals_that_are_known_is_not_judged() -> None:
    row = judged(daily("2026-04-01", "2026-06-01"), crm(lag_days=1, volume=WORKDAYS))
    assert (row["state"], row["words"]) == ("ok", "crm: ok: its arrivals are known from 2026-04-01 on only")


def test_many_sources_are_named_in_few_words() -> None:
    sources = [Source(name=f"s{n}", at="x", expects=Expects()) for n in range(5)]
    found = freshness(daily("2026-01-01", "2026-01-02"), sources, AS_OF)
    assert found.because == "s0 is late and s1 is late (3 more)"
    assert len(found.wanting) == 5


def test_a_draft_states_the_median_week_and_a_holiday_does_not_drag_it() -> None:
    arrivals = daily("2025-10-06", "2026-01-31", weekend=8)
    holiday = arrivals["day"].between("2025-12-22", "2026-01-02")
    arrivals.loc[holiday, "rows"] = 3.0
    drafted = draft_expects(arrivals)["crm"]
    assert drafted.volume == dict.fromkeys(WEEKDAYS[:5], 100.0) | dict.fromkeys(WEEKDAYS[5:], 8.0)
    assert drafted.lag_days == 0


def test_a_draft_of_a_source_that_comes_twice_a_week_allows_for_its_gaps() -> None:
    days = pd.date_range("2025-10-06", "2026-02-01", freq="D")
    days = days[days.day_of_week.isin([1, 4])]
    arrivals = pd.DataFrame({"source": "ads", "table": "activities", "day": days, "rows": 40})
    source = Source(name="ads", at="x", expects=draft_expects(arrivals)["ads"])
    states = [
        judged(arrivals, source, instant(d.to_pydatetime()))["state"] for d in pd.date_range("2025-12-01", "2026-02-01")
    ]
    assert set(states) == {"ok"}
    assert judged(arrivals, source, instant("2026-02-15"))["state"] == "late"


def test_a_sparse_source_that_has_stopped_is_late() -> None:
    """Two days a week, other ones each week, so that no weekday's median is as much as one row."""
    weeks = pd.date_range("2024-01-01", periods=20, freq="7D")
    days = sorted(week + pd.Timedelta(days=d) for n, week in enumerate(weeks) for d in (n % 3, 3 + n % 3))
    arrivals = pd.DataFrame({"source": "ads", "table": "activities", "day": days, "rows": 1})
    expects = draft_expects(arrivals)["ads"]
    assert (expects.volume, expects.lag_days) == ({}, 4)
    drafted = Source(name="ads", at="x", expects=expects)
    states = [judged(arrivals, drafted, instant(d.to_pydatetime()))["state"] for d in pd.date_range(days[0], days[-1])]
    assert set(states) == {"ok"}
    told = Source(name="ads", at="x", expects=Expects(lag_days=5, volume=dict.fromkeys(WEEKDAYS, 0.5)))
    for source in (drafted, told):
        assert judged(arrivals, source, instant("2025-06-01"))["state"] == "late"


def test_a_draft_from_less_than_four_weeks_states_no_volume() -> None:
    assert draft_expects(daily("2026-02-10", "2026-03-08"))["crm"].volume == {}


def test_drafted_lines_are_yaml_that_settings_read_once_uncommented() -> None:
    drafted = Expects(lag_days=3, volume={"monday": 12.5, "tuesday": 1_250.0})
    lines = expects_lines(drafted)
    assert all(line.startswith("    # ") for line in lines)
    text = "\n".join(["sources:", "  - name: crm", "    at: crm", *(line.replace("# ", "", 1) for line in lines)])
    read = YAML(typ="safe").load(text)
    assert Settings.model_validate(read).sources[0].expects == drafted


def world_arrivals(seed: int) -> pd.DataFrame:
    world = simulate(WorldSpec(seed=seed, accounts=400, months=8))
    with Warehouse.open({"activities": world.tables()["activities"]}, threads=1) as warehouse:
        return warehouse.frame(arrivals_sql(by_source=False))


@pytest.mark.parametrize("worlds", [7, pytest.param(20, marks=pytest.mark.long)])
def test_honest_volumes_are_called_short_on_one_day_in_a_hundred_at_most_and_a_cut_nearly_always(worlds: int) -> None:
    """Each world is drafted at its middle, and judged on each of the 84 days after."""
    days = wrong = late = cut = caught = 0
    for seed in range(worlds):
        arrivals = world_arrivals(seed)
        middle = arrivals["day"].min() + (arrivals["day"].max() - arrivals["day"].min()) / 2
        middle = middle.normalize()
        drafted = draft_expects(arrivals[arrivals["day"] < middle])["tables"]
        source = Source(name="tables", at="tables", expects=drafted)
        rng = np.random.default_rng(seed)
        for n in range(1, 85):
            as_of = middle + pd.Timedelta(days=n)
            state = judged(arrivals, source, instant(as_of.to_pydatetime()))["state"]
            days, wrong, late = days + 1, wrong + (state == "short"), late + (state == "late")
            starved = arrivals.copy()
            recent = arrivals["day"] >= as_of - pd.Timedelta(days=8 + drafted.lag_days)
            starved.loc[recent, "rows"] = rng.binomial(arrivals.loc[recent, "rows"], 0.4)
            found = judged(starved, source, instant(as_of.to_pydatetime()))["state"]
            cut, caught = cut + 1, caught + (found == "short")
    print(f"{days} days: short {wrong / days:.4f}, late {late / days:.4f}; of {cut} cuts {caught / cut:.4f} caught")
    assert wrong <= 0.01 * days
    assert late <= 0.01 * days
    assert caught >= 0.95 * cut


@pytest.mark.parametrize("by_source", [True, False])
def test_arrivals_are_counted_by_the_day_on_which_they_were_known(by_source: bool) -> None:
    rows = {
        "activity_id": ["1", "2", "3"],
        "account_id": ["a", "a", "a"],
        "occurred_at": [datetime(2026, 3, 1, 23), datetime(2026, 3, 1), datetime(2026, 3, 2, 5)],
        "recorded_at": [datetime(2026, 3, 2, 1), None, None],
        "channel": ["web"] * 3,
        "kind": ["visit"] * 3,
    }
    table = pa.table(rows)
    for name in ("occurred_at", "recorded_at"):
        table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.timestamp("us")))
    with Warehouse.open({"activities": table}, threads=1) as warehouse:
        if by_source:
            warehouse.run(Query("ALTER TABLE activities ADD COLUMN __source VARCHAR"))
            warehouse.run(Query("UPDATE activities SET __source = CASE activity_id WHEN '3' THEN 'web' ELSE 'crm' END"))
        found = warehouse.frame(arrivals_sql(by_source))
    counted = {(r.source, r.day.date()): r.rows for r in found.itertuples()}
    first, second = date(2026, 3, 1), date(2026, 3, 1) + timedelta(days=1)
    if by_source:
        assert counted == {("crm", first): 1, ("crm", second): 1, ("web", second): 1}
    else:
        assert counted == {("tables", first): 1, ("tables", second): 2}
    assert isinstance(freshness(found, [crm(lag_days=1)], AS_OF), Freshness)


PLAN = "new_business"
EXPECTS = "sources: [{name: tables, at: tables, expects: {lag_days: DAYS}}]"


@pytest.fixture
def made(small_demo: Path) -> Path:
    """A small demo; its tables end with 2025."""
    return small_demo


def expecting(folder: Path, days: int) -> Workspace:
    """The workspace, its one source expected to lag by so many days."""
    store = "store: sqlite:///state/tierwise.db\nregistry: sqlite:///state/mlflow.db\npublished: published\n"
    (folder / "tierwise.yaml").write_text(f"{EXPECTS.replace('DAYS', str(days))}\n{store}")
    return load_workspace(folder)


@pytest.mark.parametrize("verb", ["check", "train", "score --as-of 2025-11-01", "govern", "init"])
def test_no_command_counts_what_is_planned_as_reach(made: Path, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def refuse(_listings: object, _settings: object, now: object = None) -> None:
        asked.append(now)
        raise UserError("asked", found="enough", do="stop")

    monkeypatch.setattr("tierwise.jobs.intake.read_tables", refuse)
    words = [verb, str(made / "new"), "--tables", str(made / "tables")] if verb == "init" else verb.split()
    done = CliRunner().invoke(app, words if verb == "init" else ["-C", str(made), *words])
    assert isinstance(done.exception, UserError)
    (now,) = asked
    assert isinstance(now, datetime)


def down(movements: pd.DataFrame) -> pd.DataFrame:
    return movements[movements["movement"] == "down"]


def own_parts(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (folder / "state" / "attributes").glob("*.parquet")}


@pytest.mark.long
def test_a_late_source_stops_demotions_and_exits_7_until_it_is_complete(made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "ws"))
    plain = score(expecting(folder, 8), as_of="2026-01-07", dry_run=True)
    assert plain.late == {}
    falling = set(down(plain.movements)["account_id"])
    assert falling

    expecting(folder, 2)
    before = own_parts(folder)
    dry = tierwise("-C", folder, "score", "--as-of", "2026-01-07", "--dry-run")
    assert (dry.returncode, own_parts(folder)) == (7, before), dry.stderr
    assert "would be published with demotions held" in dry.stderr.splitlines()[-1]
    done = tierwise("-C", folder, "score", "--as-of", "2026-01-07")
    said = "tables: late: its newest activity is of 2025-12-31, 7 days before 2026-01-07; at most 3 are expected"
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 7
    assert said in done.stderr
    assert last.startswith("exit 7 · run 20260107-")
    assert last.endswith("published with demotions held; run it again when tables is complete")
    run = read_current(folder / "published", PLAN)
    assert run.meta["late"] == {"tables": said}
    tiers = run.frame("tiers").set_index("account_id")
    assert down(run.frame("movements")).empty
    spared = tiers[tiers["guardrails"].str.split(";").map(lambda g: "inputs_late" in g)]
    assert set(spared.index) == falling
    assert spared["why"].str.contains("demotions are held, as tables is late").all()
    page = run.content("report.html").decode()
    assert "Inputs are late or short: demotions are held." in page
    assert said in page
    up = plain.movements[plain.movements["movement"].isin(["up", "entered", "left"])]["account_id"]
    assert set(up) <= set(run.frame("movements")["account_id"])

    again = tierwise("-C", folder, "--json", "score", "--as-of", "2026-01-07")
    assert (again.returncode, json.loads(again.stdout)["new"]) == (7, False)
    assert json.loads(again.stdout)["late"] == {"tables": said}

    revised = score(expecting(folder, 8), as_of="2026-01-07")
    assert (revised.kind, revised.late) == ("revision", {})
    assert set(down(revised.movements)["account_id"]) == falling


@pytest.mark.long
def test_the_next_whole_run_demotes_by_the_normal_rules(made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "ws"))
    held = score(expecting(folder, 2), as_of="2026-01-06")
    assert list(held.late) == ["tables"]
    then = score(expecting(folder, 8), as_of="2026-01-07")
    other = Path(shutil.copytree(made, tmp_path / "other"))
    score(expecting(other, 8), as_of="2026-01-06")
    without = score(load_workspace(other), as_of="2026-01-07")
    ours, theirs = (r.tiers.set_index("account_id")["tier"] for r in (then, without))
    assert (ours == theirs).mean() > 0.98
    assert not down(then.movements).empty


def test_activities_that_end_too_early_publish_nothing(made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "ws"))
    current = read_current(folder / "published", PLAN).run_id
    done = tierwise("-C", folder, "score", "--as-of", "2026-01-09")
    assert done.returncode == 7
    assert "more than max_lag_days: 7 before it" in done.stderr
    assert read_current(folder / "published", PLAN).run_id == current


def test_runs_add_to_our_own_history_once(made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "ws"))
    before = own_parts(folder)
    assert sorted(before)[0] == "2025-07-01.parquet"
    assert "2026-01-01.parquet" in before
    accounts = folder / "tables" / "accounts.parquet"
    table = pq.read_table(accounts)
    moved = pc.if_else(pc.equal(table["industry"], "Retail"), "Commerce", table["industry"])
    place = table.column_names.index("industry")
    pq.write_table(table.set_column(place, "industry", moved.cast(pa.string())), accounts)
    workspace = load_workspace(folder)
    score(workspace, as_of="2026-01-02")
    after = own_parts(folder)
    assert {k: after[k] for k in before} == before
    part = pq.read_table(folder / "state" / "attributes" / "2026-01-02.parquet")
    assert set(part["field"].to_pylist()) == {"industry"}
    assert set(zip(part["old_value"].to_pylist(), part["new_value"].to_pylist(), strict=True)) == {
        ("Retail", "Commerce")
    }
    assert part.num_rows == sum(v == "Retail" for v in table["industry"].to_pylist())
    assert not score(workspace, as_of="2026-01-02").new, "a run that wrote to our own history is found again"
    assert score(workspace, as_of="2025-12-15").kind == "backfill"
    assert own_parts(folder) == after
