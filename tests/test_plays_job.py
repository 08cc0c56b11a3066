"""Plays on a real workspace: stages as of the date, staying since the run before, owners' clocks, in a scoring run."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tierwise
from tierwise.clock import instant
from tierwise.config import Workspace
from tierwise.publishing import read_current
from tierwise.store import Store, stages_seen_by

PLAN = "new_business"
PLAYS = """\
hours: {time_zone: Europe/Berlin}
plays:
  - {play: tier_2_stays, tiers: [tier_2], movements: [stayed], every_days: 5, motion: m, owner: account_owner,
     sla_hours: 8, message: "{name}", kpi: k}
  - {play: in_negotiation, statuses: [in_pipeline], stages: [Negotiation], motion: m, owner: revops, message: "",
     kpi: k}
  - {play: stuck, statuses: [in_pipeline], stages: [Negotiation], movements: [stayed], every_days: 7, motion: m,
     owner: revops, message: "", kpi: k}
"""
BEFORE, NOW = datetime(2026, 1, 1), datetime(2026, 1, 6)


@pytest.fixture
def workspace(small_demo: Path, tmp_path: Path) -> Workspace:
    """A copy of the small demo with these plays, last scored as of BEFORE."""
    folder = Path(shutil.copytree(small_demo, tmp_path / "ws"))
    (folder / "models" / PLAN / "plays.yaml").write_text(PLAYS, encoding="utf-8")
    return tierwise.load_workspace(folder)


def change(path: Path, table: pd.DataFrame) -> None:
    """Write a table again with the columns and types that it has."""
    pq.write_table(pa.Table.from_pandas(table, schema=pq.read_schema(path), preserve_index=False), path)


def negotiating(workspace: Workspace) -> dict[str, list[datetime]]:
    """Account -> when each of its deals that is open at NOW came into Negotiation and stands there still, by hand."""
    deals = pd.read_parquet(workspace.tables / "opportunities.parquet").to_dict("records")
    stages = pd.read_parquet(workspace.tables / "opportunity_stages.parquet")
    stages["entered_at"] = stages["entered_at"].dt.tz_localize(None)
    found: dict[str, list[datetime]] = {}
    for deal in deals:
        created, closed = (pd.Timestamp(deal[c]).tz_localize(None) for c in ("created_at", "closed_at"))
        if created >= NOW or (deal["is_closed"] and closed < NOW):
            continue
        own = stages[(stages["opportunity_id"] == deal["opportunity_id"]) & (stages["entered_at"] < NOW)]
        newest = own.sort_values("entered_at").tail(1).to_dict("records")
        if newest and newest[0]["stage"] == "Negotiation":
            found.setdefault(deal["account_id"], []).append(newest[0]["entered_at"].to_pydatetime())
    return found


def test_a_run_owes_stays_and_stages_from_the_run_before_and_owes_nothing_new_when_repeated(
    workspace: Workspace,
) -> None:
    path = workspace.tables / "opportunity_stages.parquet"
    stages = pd.read_parquet(path)
    first = read_current(workspace.published, PLAN).frame("tiers")
    deals = pd.read_parquet(workspace.tables / "opportunities.parquet")
    waiting = deals[
        ~deals["is_closed"].astype(bool) & deals["account_id"].isin(first.query("tier == 'in_pipeline'")["account_id"])
    ]
    moved = stages[stages["opportunity_id"].isin(waiting["opportunity_id"])].groupby("opportunity_id").tail(1)
    moved = moved[moved["stage"] == "Proposal"].head(3)
    assert len(moved) == 3
    at = pd.Timestamp("2026-01-03T10:00", tz=stages["entered_at"].dt.tz)
    change(path, pd.concat([stages, moved.assign(stage="Negotiation", entered_at=at)]))

    run = tierwise.score(workspace, as_of="2026-01-06")
    published = read_current(workspace.published, PLAN)
    actions = pd.DataFrame(published.actions())
    tiers = published.frame("tiers").set_index("account_id")
    got = {play: set(rows["account_id"]) for play, rows in actions.groupby("play")}

    since = pd.to_datetime(tiers["tier_since"])
    stayed = tiers[(tiers["tier"] == "tier_2") & (since <= BEFORE)]
    assert got["tier_2_stays"] == set(stayed.index), "in five days a multiple of five is over, once"
    there = {a: times for a, times in negotiating(workspace).items() if tiers.loc[a, "tier"] == "in_pipeline"}
    before = dict(zip(first["account_id"], first["tier"], strict=True))
    came = {a for a, times in there.items() if before[a] != "in_pipeline" or max(times) >= BEFORE}
    assert got["in_negotiation"] == came
    assert set(waiting.loc[waiting["opportunity_id"].isin(moved["opportunity_id"]), "account_id"]) <= came

    def is_stuck(account: str, times: list[datetime]) -> bool:
        begin = max(max(times), since[account].to_pydatetime())
        turns = [begin + n * timedelta(days=7) for n in range(1, 500)]
        return before[account] != "" and any(BEFORE < turn <= NOW for turn in turns)

    stuck = {a for a, times in there.items() if is_stuck(a, times)}
    assert stuck
    assert got["stuck"] == stuck

    again = tierwise.score(workspace, as_of="2026-01-06")
    assert (again.new, again.run_id) == (False, run.run_id)
    with Store.open(workspace.store) as store:
        outbox = store.outbox(PLAN, None)
    assert outbox["action_id"].is_unique
    assert set(actions["action_id"]) <= set(outbox["action_id"])


def test_due_times_go_by_owners_clocks_and_a_zone_that_is_none_is_said_on_the_page(workspace: Workspace) -> None:
    path = workspace.tables / "owners.parquet"
    owners = pd.read_parquet(path)
    zones = dict(zip(owners["owner_id"], owners["time_zone"], strict=True))
    odd = owners["time_zone"] == "Asia/Kolkata"
    change(path, owners.assign(time_zone=owners["time_zone"].mask(odd, "Mars/Base")))
    tierwise.score(workspace, as_of="2026-01-06")
    published = read_current(workspace.published, PLAN)
    ends = {
        "America/New_York": "2026-01-06T22:00:00Z",
        "America/Sao_Paulo": "2026-01-06T20:00:00Z",
        "Europe/Berlin": "2026-01-06T16:00:00Z",
        "Asia/Kolkata": "2026-01-06T16:00:00Z",  # of no zone now: by the clock of plays.yaml
        None: "2026-01-06T16:00:00Z",
    }
    stays = [a for a in published.actions() if a["play"] == "tier_2_stays"]
    assert {a["due_at"] for a in stays} == {ends[zones.get(a["owner"])] for a in stays}
    assert all(a["due_at"] == ends[zones.get(a["owner"])] for a in stays)
    assert len({a["due_at"] for a in stays}) == 3
    page = published.content("report.html").decode()
    assert f"{int(odd.sum())} owners have a time zone that is none of IANA&#39;s (Mars/Base)" in page


DEAL_PLAYS = """\
plays:
  - {play: in_negotiation, statuses: [in_pipeline], stages: [Negotiation], motion: m, owner: revops, message: "",
     kpi: k}
  - {play: told_late, movements: [overdue], of: [in_negotiation], after_hours: 4, motion: m, owner: revops,
     message: "", kpi: k}
"""


@pytest.fixture
def deals(small_demo: Path, tmp_path: Path) -> tuple[Workspace, pd.DataFrame]:
    """A workspace scored by plays by stage as of 3 January, and three deals in Proposal of accounts in the pipeline,
    each the one open deal of its account."""
    folder = Path(shutil.copytree(small_demo, tmp_path / "ws"))
    text = DEAL_PLAYS.replace('message: "",\n     kpi: k}', 'message: "", sla_hours: 8,\n     kpi: k}', 1)
    (folder / "models" / PLAN / "plays.yaml").write_text(text, encoding="utf-8")
    workspace = tierwise.load_workspace(folder)
    tierwise.score(workspace, as_of="2026-01-03")
    tiers = read_current(workspace.published, PLAN).frame("tiers")
    waiting = tiers.loc[tiers["tier"] == "in_pipeline", "account_id"]
    every = pd.read_parquet(workspace.tables / "opportunities.parquet")
    opened = every[~every["is_closed"].astype(bool) & every["account_id"].isin(waiting)]
    opened = opened[~opened["account_id"].duplicated(keep=False)]
    stages = pd.read_parquet(workspace.tables / "opportunity_stages.parquet").sort_values("entered_at")
    newest = stages.drop_duplicates("opportunity_id", keep="last").set_index("opportunity_id")["stage"]
    found = opened[opened["opportunity_id"].map(newest) == "Proposal"].head(3)
    assert len(found) == 3
    return workspace, found[["opportunity_id", "account_id"]].reset_index(drop=True)


def negotiate(workspace: Workspace, opportunities: list[str], when: str) -> None:
    """Export that some deals came into Negotiation; a second time, that it was at another hour."""
    path = workspace.tables / "opportunity_stages.parquet"
    stages = pd.read_parquet(path)
    at = pd.Timestamp(when, tz=stages["entered_at"].dt.tz)
    stages = stages[~(stages["opportunity_id"].isin(opportunities) & (stages["stage"] == "Negotiation"))]
    rows = stages[stages["opportunity_id"].isin(opportunities)].drop_duplicates("opportunity_id")
    change(path, pd.concat([stages, rows.assign(stage="Negotiation", entered_at=at)]))


def owed_for(workspace: Workspace, accounts: pd.Series) -> list[tuple[str, str, str]]:
    """(account, play, day) of everything that the outbox ever owed to some accounts by the two plays."""
    with Store.open(workspace.store) as store:
        outbox = store.outbox(PLAN, None)
    mine = outbox[outbox["account_id"].isin(accounts)]
    plays, days = [p["play"] for p in mine["payload"]], mine["as_of"].dt.strftime("%d")
    both = ("in_negotiation", "told_late")
    return sorted(one for one in zip(mine["account_id"], plays, days, strict=True) if one[1] in both)


def both(accounts: pd.Series, day: str) -> list[tuple[str, str, str]]:
    return sorted((a, play, day) for a in accounts for play in ("in_negotiation", "told_late"))


def test_a_stage_that_is_exported_after_a_later_run_is_owed_once_by_the_next(
    deals: tuple[Workspace, pd.DataFrame],
) -> None:
    workspace, found = deals
    accounts, ids = found["account_id"], list(found["opportunity_id"])
    assert owed_for(workspace, accounts) == []

    negotiate(workspace, ids, "2026-01-02T10:00")
    first = tierwise.score(workspace, as_of="2026-01-05")
    assert owed_for(workspace, accounts) == both(accounts, "05")
    again = tierwise.score(workspace, as_of="2026-01-05")
    assert (again.new, again.run_id) == (False, first.run_id)

    negotiate(workspace, ids, "2026-01-04T10:00")
    other = tierwise.score(workspace, as_of="2026-01-05")
    assert (other.kind, other.new) == ("revision", True)
    assert not [a for a in read_current(workspace.published, PLAN).actions() if a["account_id"] in set(accounts)]
    assert tierwise.score(workspace, as_of="2026-01-04").kind == "backfill"

    negotiate(workspace, ids, "2026-01-05T10:00")
    tierwise.score(workspace, as_of="2026-01-06")
    assert owed_for(workspace, accounts) == both(accounts, "05"), "it has stood there, whatever its date is now"

    keeper, gone = accounts[0], accounts[1]
    path = workspace.tables / "account_merges.parquet"
    merges = pd.read_parquet(path)
    at = pd.Timestamp("2026-01-06T12:00").tz_localize(merges["merged_at"].dt.tz)
    row = pd.DataFrame({"losing_id": [gone], "surviving_id": [keeper], "merged_at": [at]})
    change(path, pd.concat([merges.astype(object), row.astype(object)]).astype(merges.dtypes))
    merged = tierwise.score(workspace, as_of="2026-01-07")
    assert gone not in set(merged.tiers["account_id"])
    assert owed_for(workspace, accounts) == both(accounts, "05")


def test_a_revision_owes_what_the_run_that_it_revises_could_not_see(deals: tuple[Workspace, pd.DataFrame]) -> None:
    workspace, found = deals
    accounts, ids = found["account_id"], list(found["opportunity_id"])
    tierwise.score(workspace, as_of="2026-01-05")
    negotiate(workspace, ids, "2026-01-02T10:00")
    assert tierwise.score(workspace, as_of="2026-01-05").kind == "revision"
    assert owed_for(workspace, accounts) == both(accounts, "05")
    tierwise.score(workspace, as_of="2026-01-06")
    assert owed_for(workspace, accounts) == both(accounts, "05")


def test_a_backfill_that_sees_a_late_stage_neither_owes_it_nor_takes_it_from_the_next_run(
    deals: tuple[Workspace, pd.DataFrame],
) -> None:
    workspace, found = deals
    accounts, ids = found["account_id"], list(found["opportunity_id"])
    tierwise.score(workspace, as_of="2026-01-05")
    negotiate(workspace, ids, "2026-01-02T10:00")
    assert tierwise.score(workspace, as_of="2026-01-04").kind == "backfill"
    assert owed_for(workspace, accounts) == []
    tierwise.score(workspace, as_of="2026-01-07")
    assert owed_for(workspace, accounts) == both(accounts, "07")


def test_before_any_stage_was_exported_nobody_is_said_to_have_been_looked_at(
    deals: tuple[Workspace, pd.DataFrame],
) -> None:
    workspace, found = deals
    path = workspace.tables / "opportunity_stages.parquet"
    stages = pd.read_parquet(path)
    with Store.open(workspace.store) as store:
        assert len(stages_seen_by(store, PLAN, instant("2026-01-03")))
    change(path, stages.head(0))
    fresh = workspace.folder / "state" / "tierwise.db"
    with sqlite3.connect(fresh) as connection:
        connection.execute("DELETE FROM stages_seen")
    connection.close()
    tierwise.score(workspace, as_of="2026-01-05")
    with Store.open(workspace.store) as store:
        assert stages_seen_by(store, PLAN, instant("2026-01-05")).empty
    change(path, stages)
    tierwise.score(workspace, as_of="2026-01-06")
    published = read_current(workspace.published, PLAN)
    tiers = published.frame("tiers").set_index("account_id")
    stayed = {a["account_id"] for a in published.actions() if tiers.loc[a["account_id"], "movement"] == ""}
    assert stayed <= {a for a, times in negotiating(workspace).items() if max(times) >= datetime(2026, 1, 5)}
    with Store.open(workspace.store) as store:
        assert len(stages_seen_by(store, PLAN, instant("2026-01-06")))
    assert set(found["account_id"]).isdisjoint(stayed)
