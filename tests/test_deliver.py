"""The verbs deliver and status on a real workspace: nothing is sent unasked, nothing is lost by a kill -9."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

import nursery
import tierwise.store.schema as schema
from letters import PLAN, actions, commit
from receiver import Asked, Receiver, Told
from test_hours import counted
from tierwise.clock import instant
from tierwise.config import Workspace, load_workspace
from tierwise.config.hours import WorkingHours
from tierwise.errors import InputsLate, LockHeld, UsageError
from tierwise.jobs import deliver, owed_to_sinks, status
from tierwise.publishing import DELIVERY, plan_lock
from tierwise.store import Deliveries, Store

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ENV = {"SEQUENCER_SECRET": SECRET}
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as opened:
        yield opened


@pytest.fixture
def folder(small_demo: Path, tmp_path: Path, receiver: Receiver) -> Path:
    """A demo workspace with a folder for everybody, and with a webhook in the environment `live`."""
    folder = Path(shutil.copytree(small_demo, tmp_path / "ws"))
    with (folder / "tierwise.yaml").open("a", encoding="utf-8") as file:
        file.write(
            "sinks: [{name: archive, kind: files, at: outgoing}]\n"
            "environments:\n  live:\n    sinks:\n"
            f"      - {{name: sequencer, kind: webhook, url: '{receiver.url}', secret: '${{SEQUENCER_SECRET}}',"
            " since: 2025-01-01}\n"
            f"      - {{name: sales, kind: slack, url: '{receiver.url}/slack', plays: [focus, surge],"
            " since: 2025-01-01}\n"
        )
    return folder


def workspace(folder: Path) -> Workspace:
    return load_workspace(folder, "live", ENV)


def owed(folder: Path) -> pd.DataFrame:
    with Store.open(workspace(folder).store) as store:
        return store.outbox(PLAN)


def met(folder: Path, sink: str = "sequencer") -> set[str]:
    """The actions that are not needed, as those that they watch were done."""
    deliveries = schema.deliveries.c
    with Store.open(workspace(folder).store) as store, store.reading("the test looks") as connection:
        query = select(deliveries.action_id).where(deliveries.sink == sink, deliveries.status == "met")
        return set(connection.scalars(query))


def overdue_of(rows: pd.DataFrame) -> pd.Series:
    return rows["payload"].map(lambda p: p["overdue_of"])


def heard(folder: Path, *instants: datetime, channel: str = "sales") -> None:
    """A seller notes something at an account that is owed nothing, so that it is known what was done up to then."""
    path, accounts = folder / "tables" / "activities.parquet", pd.read_parquet(folder / "tables" / "accounts.parquet")
    account = sorted(set(accounts["account_id"]) - set(owed(folder)["account_id"]))[0]
    there = pq.read_table(path)
    rows = [
        {
            "activity_id": f"heard-{channel}-{when:%Y%m%d}", "account_id": account, "channel": channel, "kind": "call",
            "initiator": "seller", "occurred_at": when.replace(tzinfo=None), "recorded_at": when.replace(tzinfo=None),
        }
        for when in instants
    ]  # fmt: skip
    pq.write_table(pa.concat_tables([there, pa.Table.from_pylist(rows, schema=there.schema)]), path)


def early(rows: pd.DataFrame) -> pd.DataFrame:
    """Those whose hour has not come."""
    return rows[pd.to_datetime(rows["payload"].map(lambda p: p["not_before"]), utc=True) > NOW]


def test_what_is_sent_is_what_is_owed_and_only_once(folder: Path, receiver: Receiver) -> None:
    plain = load_workspace(folder)
    before = owed_to_sinks(plain, now=NOW)
    assert [o.sink for o in before] == ["archive"], "a network is asked for by an environment alone"
    newest = owed(folder)["as_of"].max()
    assert set(before[0].actions["as_of"].map(lambda at: at.replace(tzinfo=None))) == {newest}
    assert before[0].before == (owed(folder)["as_of"] < newest).sum(), "of dates before its first delivery"

    result = deliver(workspace(folder), clock=lambda: NOW)
    by_sink = {s.sink: s.tally for s in result.sinks}
    hooks = [json.loads(a.body)["data"] for a in receiver.taken if a.path == "/in"]
    rows = owed(folder)
    watching = set(rows.loc[overdue_of(rows) != "", "action_id"])
    assert {h["action_id"] for h in hooks} == set(rows["action_id"]) - watching
    tally = by_sink["sequencer"]
    assert (tally.delivered, tally.met, tally.waiting + tally.not_yet) == (len(hooks), 0, len(watching)), (
        "what was sent after its time has that time anew"
    )
    assert hooks[0] == owed(folder).set_index("action_id").loc[hooks[0]["action_id"], "payload"]
    said = "\n".join(json.loads(a.body)["text"] for a in receiver.taken if a.path == "/in/slack")
    plays = owed(folder)["payload"].map(lambda p: p["play"])
    assert by_sink["sales"].delivered == plays.isin(["focus", "surge"]).sum() == len(said.splitlines()) > 0
    receiver.taken.clear()
    again = deliver(workspace(folder), clock=lambda: NOW)
    assert not receiver.taken
    assert sum(s.tally.delivered for s in again.sinks) == 0

    later = NOW + timedelta(days=60)
    tally = {s.sink: s.tally for s in deliver(workspace(folder), clock=lambda: later).sinks}["sequencer"]
    assert (tally.delivered, tally.unknown, tally.not_yet) == (0, len(watching), 0), "what sellers did since is unknown"
    assert tally.known_to is not None
    assert tally.known_to < NOW
    heard(folder, later - timedelta(hours=1))
    tally = {s.sink: s.tally for s in deliver(workspace(folder), clock=lambda: later).sinks}["sequencer"]
    done = met(folder)
    assert {json.loads(a.body)["data"]["action_id"] for a in receiver.taken} == watching - done
    assert (tally.met, tally.unknown, tally.delivered) == (len(done), 0, len(watching) - len(done))
    assert min(tally.met, tally.delivered) > 0


def test_a_channel_that_is_stuck_holds_reminders_back_and_is_named(folder: Path, receiver: Receiver) -> None:
    """Mails of sellers come in each day; the channel in which they noted all else stopped coming with the year."""
    deliver(workspace(folder), clock=lambda: NOW, only=("sequencer",))
    rows = owed(folder)
    watching = set(rows.loc[overdue_of(rows) != "", "action_id"])
    later = NOW + timedelta(days=60)
    heard(folder, *(later - timedelta(days=n, hours=1) for n in range(70)), channel="mail")
    receiver.taken.clear()
    at = NOW + timedelta(days=20)
    tally = deliver(workspace(folder), clock=lambda: at, only=("sequencer",)).sinks[0].tally
    assert (tally.delivered, tally.met) == (0, 0)
    assert tally.known_to is not None
    assert (tally.known_to.date().isoformat(), tally.unknown > 0) == ("2025-12-31", True)
    assert re.fullmatch(r"what sellers do by sales \w+ \(tables\) brought nothing since 2025-12-31", tally.because)
    waits = {s.sink: s.overdue for s in status(workspace(folder), now=at).sinks}["sequencer"]
    assert (waits.unknown, waits.waiting) == (tally.unknown, tally.not_yet)
    soon = NOW + timedelta(days=40)
    result = deliver(workspace(folder), clock=lambda: soon, only=("sequencer",))
    given_up = result.sinks[0].tally
    assert (given_up.unknown, given_up.because) == (0, ""), "silent for five weeks: the channel is used no more"
    assert given_up.met + given_up.delivered == len(watching)
    assert given_up.delivered > 0
    assert any(re.fullmatch(r"what .* sales \w+ \(tables\) is taken to be used no more", n) for n in result.notes)
    assert result.notes == status(workspace(folder), now=soon).notes


def test_plays_that_go_to_no_sink_are_named(folder: Path) -> None:
    with (folder / "tierwise.yaml").open("a", encoding="utf-8") as file:
        file.write(
            "  some:\n    sinks:\n      - {name: a, kind: files, at: a, plays: [growth]}\n"
            "      - {name: b, kind: files, at: b, plays: [reminder]}\n"
        )
    told = nursery.tierwise("-C", folder, "--env", "some", "deliver", "--to", "a")
    assert told.returncode == 0, told.stderr
    plays = {p.play: p for p in load_workspace(folder).plan(PLAN).plays.plays}
    assert not {"growth"} & set(plays["reminder"].of)
    lost = [p for p in plays if p not in ("growth", "reminder")]
    said = [
        f"no sink takes {', '.join(lost)}: their actions stand in actions.jsonl alone",
        "nothing comes of reminder, as no sink takes what they watch",
    ]
    assert all(f"Note: {one}." in " ".join(told.stdout.split()) for one in said)
    assert max(map(len, told.stdout.splitlines())) <= 80
    for env, wanted in (("some", said), ("live", [])):
        shown = nursery.tierwise("-C", folder, "--env", env, "--json", "status", env=ENV)
        assert json.loads(shown.stdout)["notes"] == wanted, shown.stderr


def test_what_was_delivered_late_has_its_business_hours_anew(folder: Path) -> None:
    """By plays.yaml and the owners as they were when it was planned, whatever they are by then; NOW is a Friday."""
    rows = owed(folder)
    plays = {p.play: p for p in workspace(folder).plan(PLAN).plays.plays}
    told = {row["action_id"]: row["payload"] for row in rows.to_dict("records")}
    deliver(workspace(folder), clock=lambda: NOW, only=("sequencer",))
    owners = pd.read_parquet(folder / "tables" / "owners.parquet")
    zones = dict(zip(owners["owner_id"], owners["time_zone"], strict=True))
    assert owners["time_zone"].nunique() > 1
    owners.assign(time_zone="Asia/Tokyo").to_parquet(folder / "tables" / "owners.parquet")
    path = folder / "models" / PLAN / "plays.yaml"
    text = path.read_text("utf-8")
    assert text.count("sla_hours: 8\n") == 1
    path.write_text(text.replace("sla_hours: 8\n", "sla_hours: 80\n"), "utf-8")
    [found] = owed_to_sinks(workspace(folder), now=NOW, only=("sequencer",))
    hours = found.actions.set_index("action_id")["not_before"].dropna()
    late = {i: hour for i, hour in hours.items() if instant(told[told[str(i)]["overdue_of"]]["due_at"]) < NOW}
    for action_id, hour in late.items():
        watched = told[told[str(action_id)]["overdue_of"]]
        own = zones.get(watched["owner"]) if plays[watched["play"]].owner == "account_owner" else None
        sla, after = plays[watched["play"]].sla_hours, plays[told[str(action_id)]["play"]].after_hours or 0
        assert sla is not None
        assert instant(hour.to_pydatetime()) == counted(NOW, sla + after, WorkingHours(), ZoneInfo(own or "UTC"))
    assert len(late) > 20
    assert len({*late.values()}) > 3


def test_what_was_suppressed_since_gets_no_approach(folder: Path, receiver: Receiver) -> None:
    rows = owed(folder)
    approached = rows[rows["payload"].map(lambda p: p["motion"] != "none")]
    chosen = approached["account_id"].drop_duplicates().head(40)
    path = folder / "tables" / "exclusions.parquet"
    there = pd.read_parquet(path)
    more = pd.DataFrame({"account_id": chosen, "reason": "opt_out", "recorded_at": pd.Timestamp("2026-01-01 08:00")})
    pd.concat([there, more.reindex(columns=there.columns)], ignore_index=True).to_parquet(path)
    result = deliver(workspace(folder), clock=lambda: NOW, only=("sequencer",))
    tally = result.sinks[0].tally
    left = approached[~approached["action_id"].isin(met(folder))]
    waits = early(rows)
    assert tally.stopped == left["account_id"].isin(chosen).sum() - waits["account_id"].isin(chosen).sum()
    hooks = [json.loads(a.body)["data"] for a in receiver.taken]
    sent = (overdue_of(rows) == "") & ~(rows.index.isin(approached.index) & rows["account_id"].isin(chosen))
    assert {h["action_id"] for h in hooks} == set(rows.loc[sent, "action_id"])
    assert tally.delivered == len(hooks)
    assert not [h for h in hooks if h["account_id"] in set(chosen) and h["motion"] != "none"]


def test_a_suppression_follows_a_merge_and_is_lifted_where_it_is(folder: Path, receiver: Receiver) -> None:
    """The objection stands on the account's old id, or on what it became; what the tables have no longer is let be."""
    rows = owed(folder)
    approached = rows[rows["payload"].map(lambda p: p["motion"] != "none")]
    old, new, gone = approached["account_id"].drop_duplicates().tolist()[:3]
    tables = folder / "tables"
    merges = pd.DataFrame({"losing_id": [old], "surviving_id": [new], "merged_at": pd.Timestamp("2026-01-01 12:00")})
    merges.to_parquet(tables / "account_merges.parquet")
    there = pd.read_parquet(tables / "exclusions.parquet")
    more = pd.DataFrame({"account_id": [old], "reason": "opt_out", "recorded_at": pd.Timestamp("2026-01-01 12:00")})
    both = pd.concat([there, more.reindex(columns=there.columns)], ignore_index=True)
    both.to_parquet(tables / "exclusions.parquet")
    accounts = pd.read_parquet(tables / "accounts.parquet")
    accounts[accounts["account_id"] != gone].to_parquet(tables / "accounts.parquet")
    deliver(workspace(folder), clock=lambda: NOW, only=("sequencer",))
    hooks = [json.loads(a.body)["data"] for a in receiver.taken]
    assert not [h for h in hooks if h["account_id"] in (old, new, gone) and h["motion"] != "none"]

    there.to_parquet(tables / "exclusions.parquet")
    accounts.to_parquet(tables / "accounts.parquet")
    receiver.taken.clear()
    deliver(workspace(folder), clock=lambda: NOW + timedelta(days=2), only=("sequencer",))
    hooks = [json.loads(a.body)["data"] for a in receiver.taken]
    assert {h["account_id"] for h in hooks} == {old, new, gone}, "a suppression by mistake is no loss"


def test_an_action_that_comes_while_another_sink_is_served_is_looked_at_too(folder: Path, receiver: Receiver) -> None:
    """A run ends while the first of two sinks is served, and owes an approach to an account that is suppressed."""
    barred = pd.read_parquet(folder / "tables" / "exclusions.parquet")["account_id"].dropna().iloc[0]
    with Store.open(workspace(folder).store) as store:
        last = store.newest_run(PLAN)
        assert last is not None
        day = (last.as_of - instant("2026-01-05")).days + 7

        def comes(asked: Asked) -> Told:
            if len(receiver.asked) == 5:
                commit(store, day, actions([barred], day))
            return Told(204)

        receiver.answer = comes
        deliver(workspace(folder), clock=lambda: NOW)
        assert Deliveries(store, PLAN, "sales").counts()["stopped"] == 1
    said = [json.loads(a.body)["text"] for a in receiver.taken if a.path == "/in/slack"]
    assert said
    assert not [text for text in said if barred in text]


def test_without_the_exclusions_that_the_newest_run_read_nothing_is_sent(folder: Path, receiver: Receiver) -> None:
    (folder / "tables" / "exclusions.parquet").unlink()
    with pytest.raises(InputsLate, match=r"suppressed [\d,]+ accounts by the table exclusions, and it is empty now"):
        deliver(workspace(folder), clock=lambda: NOW)
    assert not receiver.asked


def test_a_thousand_suppressed_accounts_get_nothing(folder: Path, receiver: Receiver) -> None:
    """Their run withdraws what was owed; were it not for that run, the tables' word would do (the test above)."""
    accounts = [f"x{k:04d}" for k in range(1000)]
    with Store.open(workspace(folder).store) as store:
        last = store.newest_run(PLAN)
        assert last is not None
        day = (last.as_of - instant("2026-01-05")).days
        commit(store, day + 7, actions(accounts, day + 7))
        none = actions([], day + 14).reindex(columns=["action_id", "account_id"])
        commit(store, day + 14, none, dict.fromkeys(accounts, "suppress"))
    deliver(workspace(folder), clock=lambda: NOW + timedelta(days=60), only=("sequencer",))
    sent = {json.loads(a.body)["data"]["account_id"] for a in receiver.taken}
    assert sent
    assert not sent & set(accounts)


def test_a_kill_in_the_middle_loses_nothing(folder: Path, receiver: Receiver) -> None:
    """kill -9, for real, after some hundred were taken: the next delivery sends the rest, and few a second time."""
    enough = threading.Event()

    def slow(asked: Asked) -> Told:
        if len(receiver.taken) > 150:
            enough.set()
            time.sleep(0.05)
        return Told(204)

    receiver.answer = slow
    command = [sys.executable, "-m", "tierwise.cli", "-C", str(folder), "--env", "live", "deliver", "--to", "sequencer"]
    process = subprocess.Popen(command, env=os.environ | ENV, stderr=subprocess.PIPE)
    assert enough.wait(120)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    receiver.answer = lambda asked: Told(204)
    deliver(workspace(folder), clock=lambda: NOW + timedelta(days=60), only=("sequencer",))
    ids = [a.headers["webhook-id"] for a in receiver.taken]
    rows = owed(folder)
    assert set(ids) == set(rows.loc[overdue_of(rows) == "", "action_id"]), "reminders wait for what sellers did since"
    assert 0 < len(ids) - len(set(ids)) <= 101


def test_deliveries_of_a_plan_do_not_overlap_and_scoring_need_not_wait(folder: Path) -> None:
    given = workspace(folder)
    with plan_lock(given.published, PLAN, name=DELIVERY):
        with pytest.raises(LockHeld):
            deliver(given, clock=lambda: NOW)
        with plan_lock(given.published, PLAN):
            pass


def test_the_verbs_say_what_is_owed_what_went_and_what_died(folder: Path, receiver: Receiver) -> None:
    told = nursery.tierwise("-C", folder, "--env", "live", "deliver", "--dry-run", env=ENV)
    assert told.returncode == 0, told.stderr
    assert not receiver.asked
    assert "sequencer (webhook): " in told.stdout
    waits = int((overdue_of(owed(folder)) != "").sum())
    said = " ".join(told.stdout.split())
    assert f"If overdue: {waits:,} actions; {waits:,} once what they watch went out" in said
    assert "Nothing was sent." in told.stdout
    ready = nursery.tierwise("-C", folder, "--env", "live", "deliver", "--check", env=ENV)
    assert (ready.returncode, ready.stdout) == (0, "sequencer: ready\nsales: ready\n")

    receiver.answer = lambda asked: Told(413)
    died = nursery.tierwise("-C", folder, "--env", "live", "deliver", "--to", "sequencer", env=ENV)
    assert died.returncode == 3, died.stderr
    assert "at sequencer: it answered 413" in died.stdout
    receiver.answer = lambda asked: Told(410)
    gone = nursery.tierwise("-C", folder, "--env", "live", "deliver", "--to", "sales", env=ENV)
    assert gone.returncode == 5
    assert "it is gone" in gone.stdout
    shown = nursery.tierwise("-C", folder, "--env", "live", "status", env=ENV)
    assert shown.returncode == 0, shown.stderr
    rows, left = owed(folder), len(owed(folder)) - len(met(folder))
    plain = int((overdue_of(rows) == "").sum())
    assert f"{plain:,} actions in the outbox stand" in shown.stdout
    assert f"If overdue, at sequencer: 0 wait for their hour, 0 were sent, {len(met(folder)):,}" in shown.stdout
    assert "dead at sequencer: " in shown.stdout
    as_json = json.loads(nursery.tierwise("-C", folder, "--env", "live", "--json", "status", env=ENV).stdout)
    assert as_json["sinks"][0]["dead"] == left
    assert as_json["sinks"][0]["overdue"] == {
        "waiting": 0,
        "next_at": "",
        "unknown": 0,
        "sent": 0,
        "met": len(rows) - left,
    }

    receiver.answer = lambda asked: Told(204)
    again = nursery.tierwise("-C", folder, "--env", "live", "deliver", "--dead", "--to", "sequencer", env=ENV)
    assert again.returncode == 0, again.stderr
    assert f"{left:,} dead letters put back" in again.stdout
    for done in (told, died, gone, shown, again):
        assert max(map(len, done.stdout.splitlines())) <= 80
        assert "Traceback" not in done.stderr
        assert SECRET not in done.stdout + done.stderr


def test_what_cannot_be_is_said(folder: Path, small_demo: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no sink nowhere\. Name one of archive"):
        deliver(load_workspace(folder), clock=lambda: NOW, only=("nowhere",))
    with pytest.raises(UsageError, match=r"names no sink for it here\. Add one to sinks:"):
        deliver(load_workspace(small_demo), clock=lambda: NOW)
    both = nursery.tierwise("-C", folder, "deliver", "--check", "--dead")
    assert both.returncode == 2
    assert "exclude each other" in both.stderr


def test_dead_letters_by_name_are_put_back(folder: Path, receiver: Receiver) -> None:
    receiver.answer = lambda asked: Told(413)
    deliver(workspace(folder), clock=lambda: NOW, only=("sequencer",))
    with Store.open(workspace(folder).store) as store:
        queue = Deliveries(store, PLAN, "sequencer")
        first = queue.dead()["action_id"].head(2).tolist()
        assert queue.again(first) == 2
        assert {x.action_id for x in queue.open()} == set(first)
