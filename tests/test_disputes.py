"""Disputes that end: withdrawn, made anew, or mended by a change; through merges; and who else reads a value."""

from __future__ import annotations

import copy
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nursery
import tierwise
from exports import AS_OF, NEGATIVE, PLAN, Rows, known_at, random_export
from tables import as_tables
from tierwise.config import Plan, Workspace
from tierwise.config.icp import IcpPoints
from tierwise.config.policy import Segment, TierRow
from tierwise.console import create_app
from tierwise.console.shown import shown_of
from tierwise.data import Warehouse, disputed_on, disputes_digest, join_disputes, join_own_history, value_digest
from tierwise.data.identity.merges import apply_merges
from tierwise.errors import UsageError
from tierwise.explain import told_disputed
from tierwise.features import Matrix, build_matrix
from tierwise.features.matrix import VALUE_AS_OF
from tierwise.governance import count_disputes
from tierwise.jobs.rows import DISPUTED_FACT, disputed_facts, disputes_of_today
from tierwise.jobs.rules import readable
from tierwise.learning import line_points
from tierwise.publishing import read_current, remember
from tierwise.report import account_page
from tierwise.store import EVERY_PLAN, Act, Store
from tierwise.tiers.segments import membership

TICK = timedelta(microseconds=1)
GRID = tuple(AS_OF - timedelta(days=days) for days in (60, 30, 0))
INSTANTS = tuple(sorted(at + near for at in GRID for near in (-TICK, timedelta(0), TICK)))
FIELDS = ("industry", "employee_count", "segment", "technologies", "country")
RULED = PLAN.model_copy(
    update={"cohort": PLAN.cohort.model_copy(update={"countries": ("NL",), "industries": ("software", "retail")})}
)
Acts = list[tuple[datetime, str, tuple[str, str, str]]]


def export(seed: int, size: int = 90) -> Rows:
    """A random export in which every account is known from the start, and no exclusion is by country (which a dispute
    does not lift), whatever becomes of its facts."""
    rows = random_export(seed, size=size)
    for exclusion in rows["exclusions"]:
        exclusion["country"] = None
    for account in rows["accounts"]:
        account["created_at"] = AS_OF - timedelta(days=700)
    return rows


def act(at: datetime, kind: str, fact: tuple[str, str, str], account: str | None = None) -> Act:
    said = {**dict(zip(("table", "fact_id", "field"), fact, strict=True)), "reason": "a test", "author": "Ada"}
    said |= {"source": "web"} if kind == "dispute" else {"act_id": "act-1"}
    return Act(EVERY_PLAN, kind, at, said, account)  # type: ignore[arg-type]


def kept(acts: Acts, before: datetime | None = None) -> pd.DataFrame:
    """The disputes as the store has them, of acts made before a date."""
    with Store.open("sqlite://") as store:
        for at, kind, fact in acts:
            store.add_act(act(at, kind, fact))
        return store.disputes(before)


def matrix(rows: Rows, disputes: pd.DataFrame | None, as_ofs: tuple[datetime, ...], plan: Plan = RULED) -> Matrix:
    with Warehouse.open(as_tables(rows), threads=1) as warehouse:
        if disputes is not None:
            join_disputes(warehouse, disputes)
        return build_matrix(warehouse, plan, as_ofs, negative_triggers=NEGATIVE)


def rows_at(made: Matrix, as_of: datetime) -> pd.DataFrame:
    frame = made.frame[made.frame["as_of"] == pd.Timestamp(as_of.replace(tzinfo=None))].reset_index(drop=True)
    return frame.drop(columns=[c for c in frame.columns if c.startswith(VALUE_AS_OF)])


def standing(acts: Acts, rows: Rows, as_of: datetime) -> set[tuple[str, str, str]]:
    """The facts that are disputed as of a date, the slow way: act by act, and change by change."""
    found: dict[tuple[str, str, str], datetime] = {}
    for at, kind, fact in sorted(acts, key=lambda a: a[0]):
        if at < as_of:
            found.pop(fact, None)
            if kind == "dispute":
                found[fact] = at
    changes = [(("accounts", h["account_id"], h["field"]), h["changed_at"]) for h in rows["account_history"]]
    return {fact for fact, at in found.items() if not any(f == fact and at < c < as_of for f, c in changes)}


def without(rows: Rows, facts: set[tuple[str, str, str]]) -> Rows:
    """The export from which facts are left out: no such activity, no such value and no history of it."""
    rows = copy.deepcopy(rows)
    gone = {fact_id for table, fact_id, _ in facts if table == "activities"}
    rows["activities"] = [a for a in rows["activities"] if a["activity_id"] not in gone]
    values = {(fact_id, field) for table, fact_id, field in facts if table == "accounts"}
    for account in rows["accounts"]:
        account.update({field: None for of, field in values if of == account["account_id"]})
    rows["account_history"] = [h for h in rows["account_history"] if (h["account_id"], h["field"]) not in values]
    return rows


def some_acts(rows: Rows, seed: int) -> Acts:
    """Up to four acts on each of many facts, dispute and withdrawal in turn, at instants around the dates."""
    rng = np.random.default_rng(seed)
    facts = [("activities", a["activity_id"], "") for a in rows["activities"][::2]]
    facts += [("accounts", a["account_id"], field) for a in rows["accounts"] for field in FIELDS]
    acts: Acts = []
    for fact in facts:
        times = sorted(rng.choice(len(INSTANTS), int(rng.integers(0, 5)), replace=False).tolist())
        acts += [(INSTANTS[time], ("dispute", "withdrawal")[n % 2], fact) for n, time in enumerate(times)]
    return acts


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_on_each_date_the_matrix_is_that_of_an_export_without_the_facts_disputed_then(seed: int) -> None:
    rows = export(seed)
    acts = some_acts(rows, seed)
    marked = matrix(rows, kept(acts), GRID)
    for as_of in GRID:
        oracle = matrix(without(rows, standing(acts, rows, as_of)), None, (as_of,))
        pd.testing.assert_frame_equal(rows_at(marked, as_of), rows_at(oracle, as_of), check_exact=True)
        past = matrix(rows, kept(acts, as_of), (as_of,))
        pd.testing.assert_frame_equal(rows_at(marked, as_of), rows_at(past, as_of), check_exact=True)


def test_the_random_acts_reach_facts_that_count() -> None:
    """The oracle is worth something: on each date disputes change rows, and a withdrawal brings them back."""
    rows = export(2)
    facts = [("activities", a["activity_id"], "") for a in rows["activities"]]
    facts += [("accounts", a["account_id"], field) for a in rows["accounts"] for field in ("industry", "country")]
    acts: Acts = [(GRID[0] + TICK, "dispute", fact) for fact in facts]
    acts += [(GRID[1] + TICK, "withdrawal", fact) for fact in facts]
    whole, marked = matrix(rows, None, GRID), matrix(rows, kept(acts), GRID)
    same = [rows_at(whole, as_of).equals(rows_at(marked, as_of)) for as_of in GRID]
    assert same == [True, False, True]
    assert set(rows_at(marked, GRID[1])["status"]) <= {"not_eligible"}
    assert "eligible" in set(rows_at(whole, GRID[1])["status"])


def test_an_outcome_that_was_disputed_and_restored_is_counted_once() -> None:
    rows = export(2)
    plan = RULED.model_copy(
        update={"outcome": RULED.outcome.model_copy(update={"event": "activity", "kinds": ("page_view",)})}
    )
    acts: Acts = [(at, kind, ("activities", a["activity_id"], "")) for a in rows["activities"]
                  for at, kind in ((GRID[0], "dispute"), (GRID[1], "withdrawal"))]  # fmt: skip
    found = []
    for disputes in (None, kept(acts)):
        with Warehouse.open(as_tables(rows), threads=1) as warehouse:
            if disputes is not None:
                join_disputes(warehouse, disputes)
            build_matrix(warehouse, plan, GRID, outcomes_through=AS_OF)
            events = tierwise.features.outcome_events(plan.outcome)
            found.append(sorted(warehouse.frame(events).astype(str).values.tolist()))
    assert found[0]
    assert found[0] == found[1]


def test_a_run_keeps_its_inputs_while_no_act_is_known_to_it() -> None:
    fact = ("activities", "a1", "")
    digests = {}
    for name, acts in (("open", [(GRID[0], "dispute", fact)]),
                       ("over", [(GRID[0], "dispute", fact), (GRID[1], "withdrawal", fact)])):  # fmt: skip
        with Warehouse.open(as_tables(export(1)), threads=1) as warehouse:
            join_disputes(warehouse, kept(acts))
            digests[name] = [disputes_digest(warehouse, at) for at in (GRID[0], GRID[1], GRID[1] + TICK)]
    assert digests["open"][0] == digests["over"][0] == ""
    assert digests["open"][1] == digests["over"][1] == digests["open"][2]
    assert digests["over"][2] not in digests["open"]


# --- our own history


def test_our_own_history_restores_a_value_when_it_saw_it_change_and_not_when_it_saw_it_first(tmp_path: Path) -> None:
    rows = export(3)
    rows["account_history"] = []
    one, two = (a["account_id"] for a in rows["accounts"][:2])
    made = GRID[0] - timedelta(days=1)

    def seen(**values: str) -> object:
        import pyarrow as pa

        ids = list(values)
        return pa.table({"account_id": ids, "field": ["industry"] * len(ids), "value": list(values.values())})

    by_id = {one: "software", two: "retail"}
    remember(tmp_path, seen(**by_id), GRID[0], GRID[0])
    remember(tmp_path, seen(**(by_id | {two: "software"})), GRID[1] - TICK, GRID[1] - TICK)
    disputes = kept([(made, "dispute", ("accounts", of, "industry")) for of in (one, two)])
    with Warehouse.open(as_tables(rows), threads=1) as warehouse:
        join_own_history(warehouse, tmp_path, frozenset())
        join_disputes(warehouse, disputes)
        there = [set(disputed_on(warehouse, as_of)["fact_id"]) for as_of in GRID]
    assert there == [{one, two}, {one}, {one}]


def test_a_history_that_only_now_tells_of_the_disputed_value_does_not_restore_it(tmp_path: Path) -> None:
    """Our own history dates a change by the run that first saw it: after a dispute that was made in between."""
    import pyarrow as pa

    rows = export(3)
    rows["account_history"] = []
    one, two = (a["account_id"] for a in rows["accounts"][:2])
    for account, value in zip(rows["accounts"], ("education", "education"), strict=False):
        account["industry"] = value
    made = GRID[1] - timedelta(days=1)

    def run(at: datetime, *values: str) -> None:
        seen = pa.table({"account_id": [one, two], "field": ["industry"] * 2, "value": list(values)})
        remember(tmp_path, seen, at, at)

    def disputed_after() -> list[set[str]]:
        with Warehouse.open(as_tables(rows), threads=1) as warehouse:
            join_own_history(warehouse, tmp_path, frozenset())
            digests = {of: value_digest(warehouse, of, "industry") for of in (one, two)}
            disputes = kept([(made, "dispute", ("accounts", of, "industry")) for of in digests])
            join_disputes(warehouse, disputes.assign(value_digest=list(digests.values())))
            return [set(disputed_on(warehouse, as_of)["fact_id"]) for as_of in GRID[1:]]

    run(GRID[0], "software", "software")
    run(GRID[1] - TICK, "education", "education")
    assert disputed_after() == [{one, two}] * len(GRID[1:])
    with Warehouse.open(as_tables(rows), threads=1) as warehouse:
        wrong = value_digest(warehouse, one, "industry")
        run(GRID[2] - TICK, "education", "retail")
        join_own_history(warehouse, tmp_path, frozenset())
        disputes = kept([(made, "dispute", ("accounts", of, "industry")) for of in (one, two)])
        join_disputes(warehouse, disputes.assign(value_digest=wrong))
        assert [set(disputed_on(warehouse, as_of)["fact_id"]) for as_of in GRID[1:]][:2] == [{one, two}, {one}]


# --- who else reads attributes


def disputing(rows: Rows, *facts: tuple[str, str, str]) -> pd.DataFrame:
    return kept([(GRID[1], "dispute", fact) for fact in facts])


def test_a_disputed_value_gives_no_points_by_the_rubric() -> None:
    rows = export(4)
    for account in rows["accounts"]:
        account.update(industry="software", country="NL", region="north", technologies=["sap"])
    one = rows["accounts"][0]["account_id"]
    fields = ("industry", "country", "region", "technologies")
    rubric = [IcpPoints(attribute=f, equals=(v,), points=10)
              for f, v in zip(fields, ("software", "NL", "north", "sap"), strict=True)]  # fmt: skip
    for stand, newest in ((GRID[1], GRID[1]), (AS_OF, AS_OF)):
        with Warehouse.open(as_tables(rows), threads=1) as warehouse:
            join_disputes(warehouse, disputing(rows, *(("accounts", one, f) for f in fields)))
            made = build_matrix(warehouse, PLAN, (stand,), negative_triggers=NEGATIVE)
            frame, read = readable(warehouse, PLAN, rubric, made, stand, newest)
        given = dict(zip(frame["account_id"], line_points(read, frame).tolist(), strict=True))
        assert len(read.lines) == len(fields)
        assert given.pop(one) == ([0.0] * 4 if stand > GRID[1] else [10.0] * 4)
        assert set(map(tuple, given.values())) == {(10.0,) * 4}


def test_a_disputed_value_opens_no_segment_and_no_row_of_the_policy() -> None:
    rows = export(4)
    for account in rows["accounts"]:
        account.update(industry="software")
    one = rows["accounts"][0]["account_id"]
    made = matrix(rows, disputing(rows, ("accounts", one, "industry")), GRID)
    small = Segment(segment="soft", where={"industry": ["software"]}, bands={"signal": {"high": 99}})
    for as_of in GRID:
        frame = rows_at(made, as_of)
        found = dict(zip(frame["account_id"], membership(frame, [small.where]).tolist(), strict=True))
        assert found.pop(one) == (-1 if as_of > GRID[1] else 0)
        assert set(found.values()) == {0}
    assert TierRow(row="r", tier="tier_1").least == {}


def test_a_disputed_country_lifts_no_exclusion() -> None:
    rows = export(5)
    for account in rows["accounts"]:
        account.update(country="DE")
    bar = dict.fromkeys(("account_id", "domain", "starts_on", "ends_on", "recorded_at"))
    rows["exclusions"] = [bar | {"country": "DE", "reason": "embargo"}]
    one = rows["accounts"][0]["account_id"]
    made = matrix(rows, disputing(rows, ("accounts", one, "country")), (AS_OF,), PLAN)
    assert made.frame["excluded_by"].notna().all()


# --- merges


def merged(rows: Rows) -> tuple[Rows, str, str]:
    """The export with its second account merged into its first."""
    rows = copy.deepcopy(rows)
    first, second = rows["accounts"][:2]
    first.update(industry="software", deleted_at=None)
    second.update(industry="retail")
    ids = second["account_id"], first["account_id"]
    rows["account_merges"] = [{"losing_id": ids[0], "surviving_id": ids[1], "merged_at": GRID[1]}]
    return rows, *ids


def test_an_activitys_dispute_goes_with_it_through_a_merge_and_a_values_does_not() -> None:
    rows, losing, surviving = merged(export(6))
    ours = [a for a in rows["activities"] if a["account_id"] == losing and known_at(a, rows) < GRID[0]]
    fact, value = ("activities", ours[0]["activity_id"], ""), ("accounts", losing, "industry")
    with Store.open("sqlite://") as store:
        for at, what in ((GRID[0], fact), (GRID[0] + TICK, value)):
            store.add_act(act(at, "dispute", what, losing))
        store.add_act(act(GRID[0] + TICK, "dispute", ("accounts", surviving, "technologies"), surviving))
        disputes = store.disputed()
    made = []
    for marks, export_of in ((disputes, rows), (disputes.iloc[2:], without(rows, {fact}))):
        with Warehouse.open(as_tables(export_of), threads=1) as warehouse:
            assert apply_merges(warehouse)[0] == []
            join_disputes(warehouse, marks)
            made.append(build_matrix(warehouse, PLAN, (AS_OF,), negative_triggers=NEGATIVE).frame)
            if len(made) == 1:
                today = disputes_of_today(warehouse, disputes)
                listed = disputed_facts(warehouse, disputes, AS_OF)
    pd.testing.assert_frame_equal(*made, check_exact=True)
    assert made[0].set_index("account_id").loc[surviving, "industry"] == "software"
    assert today["account_id"].tolist() == [surviving] * 3
    counted = count_disputes(today)
    assert (counted.n, counted.accounts) == (3, 1), "all are facts that a source had wrong; of one account by now"
    assert count_disputes(disputes).accounts == 2
    assert tuple(listed.columns) == DISPUTED_FACT
    assert listed[["account_id", "fact", "name"]].values.tolist() == [
        [surviving, "activity", fact[1]], [surviving, "value", "technologies"]
    ], "the losing account's value is read nowhere"  # fmt: skip


def test_where_values_alone_are_disputed_each_is_of_its_account_by_today() -> None:
    rows, losing, surviving = merged(export(6))
    with Store.open("sqlite://") as store:
        store.add_act(act(GRID[0], "dispute", ("accounts", losing, "industry"), losing))
        disputes = store.disputed()
    with Warehouse.open(as_tables(rows), threads=1) as warehouse:
        assert apply_merges(warehouse)[0] == []
        join_disputes(warehouse, disputes)
        build_matrix(warehouse, PLAN, (AS_OF,), negative_triggers=NEGATIVE)
        assert disputes_of_today(warehouse, disputes)["account_id"].tolist() == [surviving]


# --- in words


def test_what_was_known_of_a_disputed_fact_is_told_and_no_more() -> None:
    said = {"author": "Ada", "reason": "a test", "made_at": "2026-01-01T09:30:00"}
    assert told_disputed(said | {"fact": "activity", "name": "a7"}) == (
        "Activity a7 is not read: Ada marked it wrong on 2026-01-01 (a test)."
    )
    bare = said | {
        "fact": "activity",
        "name": "a7",
        "kind": None,
        "channel": None,
        "occurred_at": "2025-12-30T08:00:00Z",
    }
    assert told_disputed(bare).startswith("Activity of 2025-12-30, activity a7, is not read: ")


# --- in a workspace

NAME = "new_business"
NOW = datetime(2026, 1, 1, 9, 30, tzinfo=UTC)
"""The day of the demo's newest run."""
HOUR = timedelta(hours=1)


@pytest.fixture
def workspace(small_demo: Path, tmp_path: Path) -> Workspace:
    """A copy of the small demo that a test may change."""
    return tierwise.load_workspace(shutil.copytree(small_demo, tmp_path / "ws"))


def newest_activity(workspace: Workspace) -> tuple[str, str]:
    """The newest activity of a buyer at an account in a tier: its id and the account's."""
    table = pq.read_table(workspace.tables / "activities.parquet").to_pandas()
    tiers = read_current(workspace.published, NAME).frame("tiers").query("propensity.notna()")
    mine = table[(table["initiator"] == "buyer") & table["account_id"].isin(tiers["account_id"])]
    last = mine.sort_values("occurred_at").iloc[-1]
    return str(last["activity_id"]), str(last["account_id"])


def test_a_withdrawn_dispute_is_over_from_then_on(workspace: Workspace) -> None:
    activity, account = newest_activity(workspace)
    said = {"reason": "it was another one", "by": "Ada", "activity": activity}

    def refused(**other: object) -> str:
        with pytest.raises(UsageError) as error:
            tierwise.withdraw_dispute(workspace, **{"made_at": NOW, **said, **other})
        return str(error.value)

    asked = f"the dispute of activity '{activity}' was to be withdrawn: "
    assert f"{asked}nobody has disputed that. Nothing is left to withdraw" in refused()
    published = read_current(workspace.published, NAME)
    tierwise.dispute(workspace, made_at=NOW, **said)
    told = tierwise.explain_account(workspace, account, now=NOW).disputed
    assert told == (
        f"Activity {activity} still counts in this run: Ada marked it wrong on 2026-01-01 (it was another one).",
    )
    assert "--reason is empty" in refused(reason=" ")
    assert "Say --activity ID, or --account ID and --attribute NAME" in refused(activity=None)
    assert "a dispute was to be withdrawn: not one fact is named" in refused(account=account)

    assert not tierwise.score(workspace, as_of="2026-01-01").new, "never backwards"
    second = tierwise.score(workspace, as_of="2026-01-02")
    run = read_current(workspace.published, NAME)
    assert run.run_id == second.run_id
    [fact] = run.meta["disputed"]
    assert (fact["account_id"], fact["fact"], fact["name"], fact["author"]) == (account, "activity", activity, "Ada")
    result = tierwise.explain_account(workspace, account, now=NOW)
    [sentence] = result.disputed
    assert f", activity {activity}, is not read: Ada marked it wrong on 2026-01-01 (it was another one)." in sentence
    assert result.to_dict()["disputed"] == [sentence]
    page = account_page(shown_of(run, NAME).account(account))
    assert "Marked wrong" in page
    assert f"activity {activity}, is not read" in page
    other = next(a for a in run.frame("tiers")["account_id"] if a != account)
    assert "Marked wrong" not in account_page(shown_of(run, NAME).account(other))
    assert "Marked wrong" not in account_page(shown_of(published, NAME).account(account)), "then it was read"
    assert create_app(workspace.published, NAME).title

    done = tierwise.withdraw_dispute(workspace, made_at=NOW + timedelta(days=1), **said)
    assert (done.act.kind, done.act.plan, done.act.account_id) == ("withdrawal", EVERY_PLAN, account)
    assert not tierwise.score(workspace, as_of="2026-01-02").new, "what was disputed then stays so"
    third = tierwise.score(workspace, as_of="2026-01-03")
    assert third.new
    assert "disputed" not in read_current(workspace.published, NAME).meta
    assert tierwise.explain_account(workspace, account, now=NOW).disputed == ()
    assert f"{asked}it was withdrawn before" in refused(made_at=NOW + timedelta(days=2))
    counts = [
        json.loads((tierwise.govern(workspace, as_of=day).folder / "review.json").read_text())["disputes"]["n"]
        for day in ("2026-01-01", "2026-01-02", "2026-01-03")
    ]
    assert counts == [0, 1, 0]
    again = tierwise.dispute(workspace, made_at=NOW + timedelta(days=3), **said)
    assert again.new, "a fact may be disputed again"


def test_a_value_that_has_changed_may_be_disputed_again_and_a_merged_account_has_none(workspace: Workspace) -> None:
    history = pq.read_table(workspace.tables / "account_history.parquet").to_pandas()
    there = set(read_current(workspace.published, NAME).frame("tiers")["account_id"])
    changed = history[(history["field"] == "employee_count") & history["account_id"].isin(there)]
    last = changed.sort_values("changed_at").iloc[-1]
    when = (
        pd.Timestamp(last["changed_at"]).tz_localize(UTC) if last["changed_at"].tzinfo is None else last["changed_at"]
    )
    said = {"account": last["account_id"], "attribute": "employee_count", "reason": "guessed", "by": "Ada"}
    before, after = (pd.Timestamp(when + pd.Timedelta(days=d)).to_pydatetime() for d in (-1, 1))
    tierwise.dispute(workspace, made_at=before, **said)
    tierwise.dispute(workspace, made_at=after, **said)
    with pytest.raises(UsageError, match=f"Ada disputed it on {after.date()}"):
        tierwise.dispute(workspace, made_at=after + HOUR, **said)
    tierwise.withdraw_dispute(workspace, made_at=after + 2 * HOUR, **said)
    merges = pq.read_table(workspace.tables / "account_merges.parquet").to_pandas()
    pair = merges[merges["surviving_id"].isin(there)].iloc[0]
    with pytest.raises(UsageError) as error:
        tierwise.dispute(workspace, made_at=NOW, **said | {"account": pair["losing_id"]})
    assert f"it was merged into '{pair['surviving_id']}', whose own value counts. Dispute the value of" in str(
        error.value
    )


def test_the_verb_on_the_command_line(workspace: Workspace) -> None:
    activity, account = newest_activity(workspace)
    at, by = ("-C", workspace.folder), ("--by", "Ada", "--reason", "another one")

    def said(*words: str) -> nursery.Done:
        return nursery.tierwise(*at, *words)

    none = said("dispute", "--activity", activity, "--withdraw", *by)
    assert none.returncode == 2
    assert "nobody has disputed that" in " ".join(none.stderr.split())
    assert said("dispute", "--activity", activity, *by).returncode == 0
    shown = said("explain", account)
    assert shown.returncode == 0, shown.stderr
    assert f"Activity {activity} still counts in this run: Ada marked it wrong on " in " ".join(shown.stdout.split())
    over = said("dispute", "--activity", activity, "--withdraw", *by)
    assert over.returncode == 0, over.stderr
    assert f"{activity} is read again in runs of dates from tomorrow on" in " ".join(over.stdout.split())
    assert over.stderr.splitlines()[-1].startswith("exit 0 · next: tierwise")
    value = ("--account", account, "--attribute", "industry")
    assert said("dispute", *value, *by).returncode == 0
    as_json = said("--json", "dispute", *value, "--withdraw", *by)
    assert json.loads(as_json.stdout)["kind"] == "withdrawal"
