"""A synthetic year: every change of tier owes its plays, and each is done in time or escalated at the right hour.

Owners in New York and in Sydney, whose clocks change in opposite directions, each with holidays of its own. Real
scoring each week, real delivery to a real receiver; only the time is virtual. What must come, and when, is worked out
here once more, account by account and minute by minute, from the tiers alone that the runs published.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

import tierwise.store.schema as schema
from receiver import Asked, Receiver, Told
from tierwise.clock import instant
from tierwise.config import Workspace, load_workspace
from tierwise.errors import NoUsableModel
from tierwise.jobs import deliver, init, score, status, train
from tierwise.publishing import read_run
from tierwise.store import Store
from tierwise.synthetic import WorldSpec, simulate, write_world

PLAN = "new_business"
FIRST, WEEKS = instant("2025-02-28"), 52
"""The first of the Fridays that are scored; the clocks of New York change nine days later."""
SURGE_DAYS = 21
ZONES = {"East": "America/New_York", "South": "Australia/Sydney", "": "UTC"}
HOLIDAYS = {
    "East": "2025-05-26 2025-07-04 2025-09-01 2025-11-27 2025-12-25 2026-01-01",
    "South": "2025-04-18 2025-04-21 2025-06-09 2025-12-25 2025-12-26 2026-01-01 2026-01-26",
    "": "2025-12-25 2026-01-01",
}
TIERS, STATUSES = ("tier_1", "tier_2", "tier_3", "recycle", "suppress"), ("in_pipeline", "customer", "not_eligible")
ENTERED = {"focus": "tier_1", "growth": "tier_2", "scaled": "tier_3", "recycle": "recycle", "stop": "suppress",
           "deal": "in_pipeline", "won": "customer"}  # fmt: skip
HOURS = {"focus": 16, "growth": 16, "scaled": 16, "deal": 16, "stay": 16, "surge": 16}
"""By the owner's clock, until when."""
REMINDED = ("focus", "growth", "scaled", "deal", "stay", "surge")
ESCALATED = {**dict.fromkeys(REMINDED, 8), "recycle": 8}
PLAYS = f"""\
complete: true
hours:
  holidays: [{", ".join(HOLIDAYS[""].split())}]
  calendars:
    - {{calendar: east, territories: [East], time_zone: {ZONES["East"]}, holidays: [{", ".join(HOLIDAYS["East"].split())}]}}
    - {{calendar: south, territories: [South], time_zone: {ZONES["South"]},
       holidays: [{", ".join(HOLIDAYS["South"].split())}]}}
plays:
  - {{play: focus, tiers: [tier_1], motion: call, owner: account_owner, sla_hours: 16, message: "", kpi: ""}}
  - {{play: growth, tiers: [tier_2], motion: call, owner: account_owner, sla_hours: 16, message: "", kpi: ""}}
  - {{play: scaled, tiers: [tier_3], motion: call, owner: account_owner, sla_hours: 16, message: "", kpi: ""}}
  - {{play: recycle, tiers: [recycle], motion: enrich, owner: revops, sla_days: 2, message: "", kpi: ""}}
  - {{play: stop, tiers: [suppress], motion: none, owner: revops, sla_days: 1, message: "", kpi: ""}}
  - {{play: deal, statuses: [in_pipeline], motion: call, owner: account_owner, sla_hours: 16, message: "", kpi: ""}}
  - {{play: won, statuses: [customer], motion: hand on, owner: revops, message: "", kpi: ""}}
  - {{play: bye, tiers: [tier_1, tier_2], movements: [left], motion: end, owner: revops, message: "", kpi: ""}}
  - {{play: stay, tiers: [tier_2, tier_3], movements: [stayed], every_days: 90, motion: look, owner: account_owner,
     sla_hours: 16, message: "", kpi: ""}}
  - {{play: surge, tiers: [tier_1, tier_2, tier_3], movements: [surge], motion: call, owner: account_owner, sla_hours: 16,
     message: "", kpi: ""}}
  - {{play: reminder, movements: [overdue], of: [{", ".join(REMINDED)}], motion: remind, owner: account_owner,
     message: "{{overdue}}", kpi: ""}}
  - {{play: escalation, movements: [overdue], of: [{", ".join(ESCALATED)}], after_hours: 8, motion: escalate, owner: revops,
     message: "{{overdue}}", kpi: ""}}
none:
  - {{movements: [left], tiers: [tier_3, recycle, suppress]}}
  - {{statuses: [not_eligible]}}
"""  # noqa: E501
SINKS = """\
environments:
  live:
    sinks:
      - {name: sequencer, kind: webhook, url: 'URL', secret: '${SEQUENCER_SECRET}', since: 2025-01-01}
"""
ENV = {"SEQUENCER_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}


@dataclass(frozen=True)
class Due:
    """What must be owed, by hand. place: by whose clock it is due; "": by the usual one, in UTC."""

    account: str
    as_of: datetime
    play: str
    place: str
    due_at: datetime | None


@dataclass
class Year:
    """The world, its sellers, and all that came to the receiver with the virtual time at which it came."""

    workspace: Workspace
    receiver: Receiver
    activities: pa.Table
    accounts: dict[str, str]
    """Account -> where its owner works: East or South. What a lead alone tells of has no owner, and is not here."""
    touches: dict[str, list[tuple[datetime, datetime]]]
    """Account -> when a seller was there, and since when that is known."""
    opened: dict[str, list[datetime]] = field(default_factory=dict)
    """Account -> when opportunities were created at it."""
    now: datetime = FIRST
    came: list[tuple[str, datetime]] = field(default_factory=list)
    delivered_at: list[datetime] = field(default_factory=list)
    runs: list[tuple[datetime, dict[str, str], dict[str, datetime], set[str]]] = field(default_factory=list)
    """Of each run: as_of, the tier of each account, since when, and where a surge began."""
    owed: dict[tuple[str, datetime, str], Due] = field(default_factory=dict)
    planted: list[dict[str, object]] = field(default_factory=list)

    def answer(self, asked: Asked) -> Told:
        self.came.append((asked.headers["webhook-id"], self.now))
        return Told(204)

    def score(self, as_of: datetime) -> None:
        self.now = as_of
        run = score(self.workspace, PLAN, as_of=as_of, now=as_of)
        assert (run.new, run.kind) == (True, "scheduled")
        rows = self.outbox(as_of)
        assert run.actions == rows["payload"].map(lambda p: not p["overdue_of"]).sum()
        tiers = read_run(self.workspace.published, PLAN, run.run_id).frame("tiers")
        with Store.open(self.workspace.store) as store:
            state = store.state_at(PLAN, as_of)
        until = pd.to_datetime(state["surge_until"]) == pd.Timestamp(as_of.replace(tzinfo=None)) + pd.Timedelta(
            days=SURGE_DAYS
        )
        since = {a: instant(t.to_pydatetime()) for a, t in zip(tiers["account_id"], tiers["tier_since"], strict=True)}
        standing = dict(zip(tiers["account_id"], tiers["tier"], strict=True))
        self.runs.append((as_of, standing, since, set(state.loc[until, "account_id"])))
        self.call()

    def deliver(self, at: datetime) -> None:
        self.now = at
        self.delivered_at.append(at)
        deliver(self.workspace, PLAN, clock=lambda: at)

    def react(self, as_of: datetime) -> None:
        """Sellers go to some accounts in time, to some late, to some never or just before they had to, and note some
        visits far too late."""
        rows = self.outbox(as_of)
        dated = {p["account_id"]: instant(p["due_at"]) for p in rows["payload"] if p["play"] in HOURS and p["due_at"]}
        for account, due in dated.items():
            kind = int(sha256(f"{account} {as_of}".encode()).hexdigest(), 16) % 8
            if kind in (5, 6):
                continue
            at = due + timedelta(hours=3) if kind in (3, 4) else due - timedelta(minutes=90)
            at = {1: as_of + timedelta(minutes=90), 2: as_of - timedelta(minutes=5)}.get(kind, at)
            known = at + (timedelta(days=9) if kind == 7 else timedelta(minutes=10))
            self.touches.setdefault(account, []).append((at, known))
            self.planted.append({
                "activity_id": f"planted-{len(self.planted):05d}", "account_id": account, "channel": "sales",
                "kind": "call", "initiator": "seller", "occurred_at": at.replace(tzinfo=None),
                "recorded_at": known.replace(tzinfo=None),
            })  # fmt: skip
        more = pa.Table.from_pylist(self.planted, schema=self.activities.schema)
        pq.write_table(pa.concat_tables([self.activities, more]), self.workspace.tables / "activities.parquet")

    def outbox(self, as_of: datetime | None = None) -> pd.DataFrame:
        with Store.open(self.workspace.store) as store:
            rows = store.outbox(PLAN, None)
        return rows if as_of is None else rows[rows["as_of"] == as_of.replace(tzinfo=None)]

    def call(self) -> None:
        """Add the actions that plays.yaml calls for by the newest run, account by account."""
        last, before = (self.runs[-2][0], self.runs[-2][1]) if len(self.runs) > 1 else (FIRST, dict[str, str]())
        as_of, tiers, since, surged = self.runs[-1]
        for account, tier in tiers.items():
            for play in called(before.get(account), tier, since[account], last, as_of, account in surged):
                self.owed[account, as_of, play] = self._due(account, as_of, play, account not in before, tier)

    def _due(self, account: str, as_of: datetime, play: str, is_new: bool, tier: str) -> Due:
        place = self.accounts.get(account, "") if play in HOURS else ""
        due = None
        if play in HOURS:
            due = counted(as_of, HOURS[play], place)
        elif play in ("recycle", "stop"):
            due = whole_days(as_of, {"recycle": 2, "stop": 1}[play])
        return Due(account, as_of, play, place, None if is_new and tier not in ("tier_1", "suppress") else due)

    def is_known(self, account: str, as_of: datetime, at: datetime) -> bool:
        """Whether a seller was at the account since, or an opportunity was created, and it is known."""
        seen = any(when >= as_of and max(when, known) < at for when, known in self.touches.get(account, ()))
        return seen or any(as_of <= when < at for when in self.opened.get(account, ()))

    def fate(self, account: str, as_of: datetime, at: datetime) -> str:
        """`withdrawn` where a run since has taken the account out, as it stood then; else `""`."""
        own = next(tiers for when, tiers, _, _ in self.runs if when == as_of)[account]
        for when, tiers, _, _ in self.runs:
            if as_of < when <= at:
                tier = tiers.get(account, own)
                if tier == "suppress" or (tier != own and (tier in STATUSES or own in STATUSES)):
                    return "withdrawn"
        return ""

    @cached_property
    def came_at(self) -> dict[str, list[datetime]]:
        found: dict[str, list[datetime]] = {}
        for action_id, at in self.came:
            found.setdefault(action_id, []).append(at)
        return found


def called(
    before: str | None, tier: str, since: datetime, last: datetime, as_of: datetime, surged: bool
) -> Iterator[str]:
    """The plays that an account calls for: where it stood and stands, and how long."""
    moved = tier != before
    if before is None:
        moved = tier in ("tier_1", "tier_2", "tier_3", "suppress")
    if moved:
        yield from (play for play, place in ENTERED.items() if place == tier)
        if before in ("tier_1", "tier_2") and tier != "suppress":
            yield "bye"
    turns = [since + n * timedelta(days=90) for n in range(1, 9)]
    if before is not None and tier in ("tier_2", "tier_3") and any(last < turn <= as_of for turn in turns):
        yield "stay"
    if surged and tier in ("tier_1", "tier_2", "tier_3"):
        yield "surge"


def works(at: datetime, place: str) -> bool:
    """Whether a minute is worked: the clock on the wall shows 9 to 5 of a weekday that is no holiday."""
    local = at.astimezone(ZoneInfo(ZONES[place]))
    return local.weekday() < 5 and 9 <= local.hour < 17 and local.date().isoformat() not in HOLIDAYS[place].split()


@cache
def counted(start: datetime, hours: int, place: str) -> datetime:
    """Minute by minute until so many hours were worked."""
    at, left = start, hours * 60
    while left:
        left -= works(at, place)
        at += timedelta(minutes=1)
    return at


def whole_days(start: datetime, days: int) -> datetime:
    """Day by day, from midnight UTC of a working day (else from the next one)."""

    def off(day: date) -> bool:
        return day.weekday() > 4 or day.isoformat() in HOLIDAYS[""].split()

    day = start.date()
    while off(day):
        day += timedelta(days=1)
    for _ in range(days):
        day += timedelta(days=1)
        while off(day):
            day += timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@pytest.fixture
def year(tmp_path: Path) -> Iterator[Year]:
    """A world of 150 accounts, too few for a model: tiers go by rules. Owners work in New York and in Sydney."""
    folder = tmp_path / "ws"
    write_world(simulate(WorldSpec(seed=11, accounts=150)), folder, instant("2026-03-20"))
    tables = folder / "tables"
    owners = change(tables / "owners.parquet", lambda f: f.assign(
        territory=["East" if n % 2 else "South" for n in range(len(f))], active_to=pd.NaT,
        time_zone=[ZONES["East" if n % 2 else "South"] for n in range(len(f))],
    ))  # fmt: skip
    change(tables / "account_merges.parquet", lambda f: f.head(0))
    change(tables / "account_history.parquet", lambda f: f[f["field"] != "owner_id"])
    contacts = pd.read_parquet(tables / "contacts.parquet").set_index("contact_id")["account_id"]

    def to_account(f: pd.DataFrame) -> pd.DataFrame:
        """Sellers' activities name the account itself."""
        mine = f["initiator"] == "seller"
        account = f["account_id"].fillna(f["contact_id"].map(contacts))
        return f.assign(account_id=account.where(mine, f["account_id"]), contact_id=f["contact_id"].mask(mine))

    hub = str(pd.read_parquet(tables / "accounts.parquet")["account_id"].min())

    def each_hour(f: pd.DataFrame) -> pd.DataFrame:
        """Some seller or other notes something each hour, so that it is always known what was done up to now."""
        at = pd.date_range(FIRST.replace(tzinfo=None), periods=24 * 7 * (WEEKS + 1), freq="h")
        said = {"account_id": hub, "channel": "sales", "kind": "call", "initiator": "seller"}
        ids = [f"hour-{n:05d}" for n in range(len(at))]
        return pd.concat([f, pd.DataFrame({"activity_id": ids, **said, "occurred_at": at, "recorded_at": at})])

    activities = change(tables / "activities.parquet", lambda f: each_hour(to_account(f)))
    created = pd.read_parquet(tables / "opportunities.parquet").groupby("account_id")["created_at"].agg(list)
    opened = {str(a): [instant(at.to_pydatetime()) for at in ats] for a, ats in created.items()}
    sellers = activities[activities["initiator"] == "seller"]
    touches: dict[str, list[tuple[datetime, datetime]]] = {}
    for account, at, noted in sellers[["account_id", "occurred_at", "recorded_at"]].itertuples(index=False, name=None):
        known = at if pd.isna(noted) else noted
        touches.setdefault(account, []).append((instant(at.to_pydatetime()), instant(known.to_pydatetime())))
    init(folder, tables)
    (folder / "models" / PLAN / "plays.yaml").write_text(PLAYS, encoding="utf-8")
    with Receiver() as receiver:
        text = (folder / "tierwise.yaml").read_text(encoding="utf-8").replace("threads: 2", "threads: 1")
        text = text.replace("brake: {share: 0.15, least: 20}", "brake: {share: 1, least: 1000}")
        (folder / "tierwise.yaml").write_text(text + SINKS.replace("URL", receiver.url), encoding="utf-8")
        workspace = load_workspace(folder, "live", ENV)
        with pytest.raises(NoUsableModel):
            train(workspace, as_of=FIRST)
        where = dict(zip(owners["owner_id"], owners["territory"], strict=True))
        accounts = pd.read_parquet(tables / "accounts.parquet")
        places = {a: where.get(o, "") for a, o in zip(accounts["account_id"], accounts["owner_id"], strict=True)}
        made = Year(workspace, receiver, pq.read_table(tables / "activities.parquet"), places, touches, opened)
        receiver.answer = made.answer
        yield made


def change(path: Path, how) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    """Write a table again, changed, with the columns and types that it has."""
    frame = how(pd.read_parquet(path))
    pq.write_table(pa.Table.from_pandas(frame, schema=pq.read_schema(path), preserve_index=False), path)
    return pd.DataFrame(frame)


def live(year: Year) -> None:
    """Score each Friday, deliver at once, then at each hour at which something is overdue and the hour before.

    Now and then the run is repeated: with the sellers' new activities it is a revision, and owes nothing.
    """
    for week in range(WEEKS):
        as_of = FIRST + week * timedelta(days=7)
        year.score(as_of)
        year.react(as_of)
        hours = set()
        for due in year.owed.values():
            if due.as_of == as_of and due.due_at is not None and due.play in ESCALATED:
                hours |= {due.due_at, counted(due.due_at, ESCALATED[due.play], due.place)}
        assert max(hours, default=as_of) <= as_of + timedelta(days=7), "each week is a story of its own"
        year.deliver(as_of + timedelta(hours=1))
        for at in sorted(hours | {at - timedelta(hours=1) for at in hours}):
            year.deliver(at)
        if week % 13 == 5:
            again = score(year.workspace, PLAN, as_of=as_of, now=as_of)
            assert (again.kind, again.actions, len(again.movements)) == ("revision", 0, 0), "sellers move no tier"


@pytest.mark.long
def test_a_year_in_which_every_change_owes_its_play_and_each_is_done_in_time_or_escalated(
    year: Year, capsys: pytest.CaptureFixture[str]
) -> None:
    live(year)
    rows, owed = year.outbox(), year.owed
    judge_movements(year)
    payloads = {p["action_id"]: p for p in rows["payload"]}
    plain = {(p["account_id"], p["play"], i): p for i, p in payloads.items() if not p["overdue_of"]}
    as_ofs = dict(zip(rows["action_id"], (instant(t.to_pydatetime()) for t in rows["as_of"]), strict=True))

    got = Counter((account, as_ofs[i], play) for account, play, i in plain)
    assert got == Counter(owed.keys()), "each change owes its plays, and nothing else is owed"
    ids = {(account, as_ofs[i], play): i for account, play, i in plain}
    for key, due in owed.items():
        told = payloads[ids[key]]["due_at"]
        assert (None if told is None else instant(told)) == due.due_at, key
    counts = judge_overdue(year, owed, ids, payloads)
    judge_plain(year, owed, ids)

    said = status(year.workspace, PLAN, now=year.now).sinks[0]
    assert said.dead == 0
    assert (said.overdue.sent, said.overdue.met) == (counts["sent"], counts["met"])
    for place in ("East", "South"):
        assert min(counts[f"{what} {place}"] for what in ("met", "reminder", "escalation")) > 20
        assert min(counts[f"{outcome} over {over} {place}"] for outcome in ("met", "sent")
                   for over in ("a change of the clock", "a holiday")) > 0  # fmt: skip
    with capsys.disabled():
        print(f"\n{len(year.runs)} runs, {len(year.delivered_at)} deliveries, movements {counts_of(year):,}, actions"
              f" owed {len(owed):,}, with a time {sum(d.due_at is not None for d in owed.values()):,};"
              f" {', '.join(f'{k} {n:,}' for k, n in sorted(counts.items()))}")  # fmt: skip


def counts_of(year: Year) -> int:
    with Store.open(year.workspace.store) as store:
        return len(store.movements(PLAN))


def judge_movements(year: Year) -> None:
    """The stored movements are the changes of tier from run to run, and no others."""
    with Store.open(year.workspace.store) as store:
        stored = store.movements(PLAN)
    got = {(a, instant(t.to_pydatetime()), tier)
           for a, t, tier in stored[["account_id", "as_of", "tier"]].itertuples(index=False, name=None)}  # fmt: skip
    wanted, before = set(), dict[str, str]()
    for as_of, tiers, _, _ in year.runs:
        for account, tier in tiers.items():
            was = before.get(account)
            is_first = was is None and tier in ("tier_1", "tier_2", "tier_3")
            if is_first or (was is not None and was != tier and not (was in STATUSES and tier in STATUSES)):
                wanted.add((account, as_of, tier))
        before = tiers
    assert got == wanted


def judge_plain(year: Year, owed: dict, ids: dict) -> None:  # type: ignore[type-arg]
    """What is owed as it stands came once, an hour after its run; what was suppressed meanwhile did not."""
    stopped = of_status(year, "stopped")
    for key, due in owed.items():
        at = due.as_of + timedelta(hours=1)
        if ids[key] in stopped:
            assert ids[key] not in year.came_at
        else:
            assert year.came_at[ids[key]] == [at], key


def of_status(year: Year, name: str) -> set[str]:
    """The ids of the actions of which this became."""
    with Store.open(year.workspace.store) as store:
        query = select(schema.deliveries.c.action_id).where(schema.deliveries.c.status == name)
        with store.reading("the test looks") as connection:
            return set(connection.scalars(query))


def judge_overdue(year: Year, owed: dict, ids: dict, payloads: dict) -> Counter[str]:  # type: ignore[type-arg]
    """Each reminder and escalation: not needed and never sent, or sent once, at its hour; and no other is owed."""
    counts: Counter[str] = Counter()
    met, stopped = of_status(year, "met"), of_status(year, "stopped")
    watching = {(p["overdue_of"], p["play"]): i for i, p in payloads.items() if p["overdue_of"]}
    wanted = set()
    for key, due in owed.items():
        plays = {"reminder": 0} if due.play in REMINDED else {}
        plays |= {"escalation": 8} if due.play in ESCALATED else {}
        for play, hours in plays.items() if due.due_at is not None else ():
            watched = REMINDED if play == "reminder" else tuple(ESCALATED)
            both = [owed.get((due.account, due.as_of, name)) for name in watched[: watched.index(due.play)]]
            if any(one is not None and one.due_at is not None for one in both):
                continue  # of several at once the first is watched
            hour = counted(due.due_at, hours, due.place) if hours else due.due_at
            wanted.add((ids[key], play))
            one = watching[ids[key], play]
            assert instant(payloads[one]["not_before"]) == hour
            outcome = judge_one(year, due, one, hour, one in met, one in stopped)
            over = crossed(due.as_of, hour, due.place)
            counts[outcome] += 1
            counts[f"{play if outcome == 'sent' else outcome} {due.place or 'UTC'}"] += 1
            counts.update(f"{outcome} over {what} {due.place or 'UTC'}" for what in over)
    assert set(watching) == wanted
    return counts


def judge_one(year: Year, due: Due, action_id: str, hour: datetime, is_met: bool, is_stopped: bool) -> str:
    """What became of one, against what had to."""
    came = year.came_at.get(action_id, [])
    at = next((when for when in year.delivered_at if when >= hour), None)
    if at is None or year.fate(due.account, due.as_of, at):
        assert not came
        assert not is_met
        return "not yet" if at is None else "withdrawn"
    assert at == hour
    assert hour - timedelta(hours=1) in year.delivered_at, "there was a delivery an hour before"
    if is_stopped:
        assert not came
        return "stopped"
    if year.is_known(due.account, due.as_of, at):
        assert is_met
        assert not came
        return "met"
    assert came == [hour]
    assert not is_met
    return "sent"


def crossed(begins: datetime, ends: datetime, place: str) -> list[str]:
    """What lies between two instants by the clock of a place."""
    zone = ZoneInfo(ZONES[place])
    first, last = begins.astimezone(zone), ends.astimezone(zone)
    found = ["a change of the clock"] if first.utcoffset() != last.utcoffset() else []
    days = [first.date() + timedelta(days=n) for n in range((last.date() - first.date()).days + 1)]
    held = any(day.weekday() < 5 and day.isoformat() in HOLIDAYS[place].split() for day in days)
    return [*found, *(["a holiday"] if held else [])]
