"""What `init` drafts: outcome, ladder of dates, channels and attributes, from whatever the tables hold."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tierwise
from real_exports import maven, salesforce
from tierwise.audit import draft_plan, plan_ladder
from tierwise.audit.drafting.attributes import unfit
from tierwise.audit.drafting.signals import windows
from tierwise.audit.drafting.text import named
from tierwise.audit.reach import sustained_from
from tierwise.clock import instant
from tierwise.config import Settings, parse_icp, parse_plan
from tierwise.config.plan import Cohort, Grid, Learning, Outcome, Plan
from tierwise.data import Warehouse, read_tables
from tierwise.features import build_matrix, history_start, training_grid
from tierwise.learning import Ladder, ladder, train_model
from tierwise.learning.splits import Dated
from tierwise.synthetic import WorldSpec, simulate, write_world

START = datetime(2024, 1, 1)


def made(accounts: int, days: int, /, **changes: object) -> dict[str, pa.Table]:
    """Accounts that open one opportunity each, evenly over the days, with a web visit of a buyer each day."""
    ids = [f"a{i:04d}" for i in range(accounts)]
    at = [START + timedelta(days=days * (i + 0.5) / accounts) for i in range(accounts)]
    visits = [START + timedelta(days=d, hours=9) for d in range(days)]
    frames: dict[str, pd.DataFrame] = {
        "accounts": pd.DataFrame({"account_id": ids, "created_at": START - timedelta(days=9)}),
        "opportunities": pd.DataFrame(
            {"opportunity_id": [f"o{i}" for i in ids], "account_id": ids, "created_at": at, "type": "New"}
        ),
        "activities": pd.DataFrame(
            {
                "activity_id": [f"e{i}" for i in range(days)],
                "account_id": [ids[i % accounts] for i in range(days)],
                "occurred_at": visits,
                "channel": "web",
                "kind": "visit",
                "initiator": "buyer",
            }
        ),
    }
    for name, change in changes.items():
        frame = change(frames.get(name)) if callable(change) else change
        frames[name] = frame
    return {k: pa.Table.from_pandas(f, preserve_index=False) for k, f in frames.items() if f is not None}


def drafted(tables: dict[str, pa.Table]):
    with Warehouse.open(tables, threads=1) as warehouse:
        draft = draft_plan(warehouse, "new_business")
        parse_icp(draft.icp)
        return draft, parse_plan(draft.model)


# --- from when


def test_a_stray_row_does_not_date_a_channel() -> None:
    daily = [date(2024, 3, 1) + timedelta(days=n) for n in range(60)]
    assert sustained_from([date(2020, 1, 1), date(2021, 5, 5), *daily]) == date(2024, 3, 1)
    monthly = [date(2023, m, 1) for m in range(1, 13)]
    assert sustained_from(monthly) == date(2023, 1, 1)
    assert sustained_from([date(2024, 1, 1)]) == date(2024, 1, 1)


@settings(deadline=None)
@given(st.lists(st.dates(date(2010, 1, 1), date(2026, 1, 1)), min_size=1, max_size=40))
def test_what_is_sustained_begins_on_one_of_its_days_whatever_their_order(days: list[date]) -> None:
    assert sustained_from(days) in days
    assert sustained_from(days) == sustained_from(days[::-1])


@pytest.mark.parametrize("days", [1, 30, 61, 122, 243, 425, 730])
def test_windows_lie_within_the_history(days: int) -> None:
    wide, halves = windows(days)
    assert wide[0] == halves[0] == 7
    assert all(w <= max(7, 0.6 * days) for w in wide)
    assert all(4 * h <= max(28, 0.6 * days) for h in halves)


def test_late_channels_are_dated_and_said() -> None:
    def late(acts: pd.DataFrame) -> pd.DataFrame:
        chat = acts.iloc[300:].assign(channel="chat", activity_id=[f"c{i}" for i in range(len(acts) - 300)])
        stray = acts.iloc[[5]].assign(channel="chat", activity_id="stray")
        return pd.concat([acts, chat, stray])

    draft, plan = drafted(made(300, 500, activities=late))
    assert plan.features.signal.channels["chat"].tracked_from == date(2024, 10, 27)
    assert plan.features.signal.channels["web"].tracked_from == date(2024, 1, 1)
    assert "begins 300 days after the history does; 1 earlier activity stands apart" in draft.model


# --- attributes


@pytest.mark.parametrize(
    ("row", "kind", "why"),
    [
        ((1000, 10, 3), "category", "nearly empty: 10 of 1,000 accounts hold a value"),
        ((1000, 900, 1), "category", "constant: all 900 accounts"),
        ((1000, 900, 900), "category", "an identifier, a name or an address: 900 different values in 900 accounts"),
        ((1000, 900, 900), "number", ""),
        ((1000, 19, 19), "category", "nearly empty"),
        ((100, 19, 19), "category", ""),
        ((1000, 900, 9), "category", ""),
        ((1000, 900, 1), "number", "constant"),
    ],
)
def test_columns_are_judged_by_what_they_hold(row: tuple[int, int, int], kind: str, why: str) -> None:
    n, filled, values = row
    found = unfit({"n": n, "filled": filled, "values": values, "length": 8.0, "words": 1.0}, kind)
    assert found.startswith(why)
    assert bool(found) == bool(why)


def test_attributes_are_drafted_by_clock_and_left_out_with_why() -> None:
    n = 300

    def more(accounts: pd.DataFrame) -> pd.DataFrame:
        return accounts.assign(
            industry=[("steel", "food", "toys")[i % 3] for i in range(n)],
            country="NO",
            employee_count=[float(10 + i % 50) for i in range(n)],
            website=[f"https://x{i}.example" for i in range(n)],
            remark=["they would like to hear of us again", "call them when the budget year begins"] * (n // 2),
            grade=[("a", "b")[i % 2] for i in range(n)],
            stage_now=[("p", "q")[i % 2] for i in range(n)],
            tier=[("gold", "tin")[i % 2] for i in range(n)],
            budget=pd.Series([None] * n, dtype="str"),
        )

    history = pd.DataFrame(
        {
            "account_id": [f"a{i:04d}" for i in range(n)],
            "field": "stage_now",
            "old_value": "p",
            "new_value": "q",
            "changed_at": [START + timedelta(days=100 + i) for i in range(n)],
        }
    )
    draft, plan = drafted(made(n, 500, accounts=more, account_history=history))
    assert dict(draft.attributes) == {"industry": "fixed", "employee_count": "slow", "stage_now": "tracked"}
    tracked = next(a for a in plan.features.fit if a.attribute == "stage_now")
    assert tracked.tracked_since == date(2024, 4, 10)
    left = dict(draft.left_out)
    assert left["country"].startswith("constant")
    assert left["website"].startswith("an identifier, a name or an address")
    assert left["remark"].startswith("free text")
    assert left["grade"].startswith("today's value without history")
    assert left["tier"].startswith("named like a field that tierwise writes")
    assert left["budget"] == "empty: no account holds a value"
    assert "# left out: tier: named like a field that tierwise writes" in draft.model
    assert "its history begins 100 days after the data" in draft.model


@pytest.mark.parametrize("name", ["Lead Source", 'a: "b"', "Größe", "null", "# no", "x" * 200])
def test_an_attribute_of_any_name_is_written_as_yaml_reads_it(name: str) -> None:
    line = f"features: {{fit: [{{attribute: {named(name)}, kind: category, clock: fixed}}]}}"
    assert [a.attribute for a in parse_plan(f"plan: x\n{line}\n").features.fit] == [name]


def test_values_like_amounts_are_summed_and_scores_are_not() -> None:
    def orders(acts: pd.DataFrame) -> pd.DataFrame:
        amounts = [10.0 * 1.5 ** (i % 20) for i in range(len(acts))]
        scores = acts.assign(
            kind="score", activity_id=acts["activity_id"] + "s", value=[50.0 + i % 50 for i in range(len(acts))]
        )
        return pd.concat([acts.assign(kind="purchased", value=amounts), scores])

    assert drafted(made(300, 500, activities=orders))[1].features.signal.value_of == ("purchased",)


# --- the outcome and the ladder


@pytest.mark.parametrize(
    ("days", "accounts", "possible", "horizons"),
    [
        (61, 60, False, None),
        (122, 1200, True, (14, 30)),
        (243, 1200, True, (30, 60)),
        (425, 1200, True, (60,)),
        (730, 1200, True, (90,)),
    ],
)
def test_a_shorter_history_bears_a_shorter_horizon_or_none(
    days: int, accounts: int, possible: bool, horizons: tuple[int, ...] | None
) -> None:
    draft, plan = drafted(made(accounts, days))
    assert draft.ladder.possible == possible
    assert plan.outcome.horizon_days == draft.ladder.horizon_days
    assert "# Which dates serve for what in training" in draft.model
    if horizons:
        assert plan.outcome.horizon_days in horizons
        assert draft.ladder.words == ""
    else:
        assert draft.ladder.possible_from is not None
        assert f"data through {draft.ladder.possible_from}" in " ".join(draft.model.replace("#", "").split())


def test_the_first_date_on_which_a_model_is_possible_keeps_its_word() -> None:
    """As time goes on at the same pace, a model is possible on the date that was said, and the date was not idle."""
    early, plan = drafted(made(60, 60))
    assert not early.ladder.possible
    promised = early.ladder.possible_from
    assert promised is not None
    days = (promised - START.date()).days
    with Warehouse.open(made(days, days), threads=1) as warehouse:
        then = plan_ladder(warehouse, plan, instant(promised))
    assert then.possible, then.why_not
    with Warehouse.open(made(60, 60), threads=1) as warehouse:
        assert not plan_ladder(warehouse, plan, instant(START + timedelta(days=60))).possible


@pytest.mark.parametrize(
    ("seed", "accounts", "horizon", "now"), [(3, 700, 30, "2023-09-15"), (5, 200, 14, "2023-12-15")]
)
def test_a_promised_date_is_within_a_quarter_of_the_waiting_time(
    tmp_path: Path, seed: int, accounts: int, horizon: int, now: str
) -> None:
    world = simulate(WorldSpec(seed=seed, accounts=accounts, months=24))
    outcome = Outcome(types=("New Business",), horizon_days=horizon)
    plan = Plan(
        plan="x", outcome=outcome, cohort=Cohort(grid=Grid(every="week")), model=Learning(train_from=date(2023, 7, 19))
    )

    def rewound(to: datetime) -> Ladder:
        write_world(world, tmp_path / str(to.date()), to)
        with read_tables(tmp_path / str(to.date()) / "tables", Settings(threads=1)).warehouse as warehouse:
            return plan_ladder(warehouse, plan, to)

    promised = rewound(instant(now)).possible_from
    assert promised is not None
    wait = instant(promised) - instant(now)
    assert not rewound(instant((instant(now) + 0.75 * wait).date())).possible
    assert rewound(instant((instant(now) + 1.25 * wait).date())).possible


@pytest.mark.parametrize("days", [150, 700])
def test_no_date_is_promised_where_no_account_was_ever_known_before_its_outcome(days: int) -> None:
    def unknown(accounts: pd.DataFrame) -> pd.DataFrame:
        return accounts.assign(created_at=pd.Series([pd.NaT] * len(accounts), dtype="datetime64[us]"))

    draft, _ = drafted(made(400, days, accounts=unknown, activities=None))
    assert draft.ladder.possible_from is None
    assert draft.ladder.words.endswith("Waiting alone brings none")


def test_the_ladder_is_what_training_uses(tmp_path: Path) -> None:
    spec = WorldSpec(seed=5, accounts=700, months=24)
    end = instant(pd.Timestamp(spec.start) + pd.DateOffset(months=24))
    write_world(simulate(spec), tmp_path, end)
    with read_tables(tmp_path / "tables", Settings(threads=1)).warehouse as warehouse:
        draft = draft_plan(warehouse, "new_business", {"opportunities": end})
        plan = parse_plan(draft.model)
        again = plan_ladder(warehouse, plan, end)
        grid = training_grid(plan, history_start(warehouse), end)
        matrix = build_matrix(warehouse, plan, grid, outcomes_through=end)
    assert again == draft.ladder
    assert plan.outcome.horizon_days == 90
    assert plan.outcome.types == ("New Business",)
    quick = plan.model_copy(update={"model": plan.model.model_copy(update={"candidates": plan.model.candidates[:1]})})
    evaluation = train_model(matrix, quick, threads=1).evaluation
    steps = draft.ladder
    assert steps.training is not None
    assert steps.calibration is not None
    assert steps.report is not None
    test = evaluation.test
    assert [test["first_as_of"][:10], test["last_as_of"][:10]] == [str(steps.report.first), str(steps.report.last)]
    assert test["outcomes"] == steps.report.outcomes
    assert evaluation.trained["outcome_accounts"] == steps.accounts
    assert evaluation.folds[0]["cut"][:10] == str(steps.calibration.first)
    assert sum(fold["tested_outcomes"] for fold in evaluation.folds) == steps.calibration.outcomes
    assert steps.training.last + timedelta(days=90) <= steps.report.first
    assert evaluation.trained["first_as_of"][:10] == str(steps.training.first)


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 30), st.integers(0, 40), st.sampled_from([14, 30, 60, 90]))
def test_no_date_of_the_ladder_serves_for_training_and_report(dates: int, outcomes: int, horizon: int) -> None:
    at = np.array([np.datetime64("2024-01-01", "us") + np.timedelta64(30 * n, "D") for n in range(dates)])
    rows = Dated(at, np.full(dates, float(outcomes)), np.full(dates, 100.0))
    plan = Plan(plan="x", outcome=Outcome(horizon_days=horizon), model=Learning())
    found = ladder(
        rows, outcomes * dates, plan, datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC), 1.0
    )
    if found.possible:
        assert found.training is not None
        assert found.report is not None
        assert found.training.last + timedelta(days=horizon) <= found.report.first
        assert found.accounts >= found.needed
    else:
        assert found.why_not
        assert found.words.startswith("No model is possible")


def test_outcomes_that_were_loaded_on_one_day_are_not_dated_by_it() -> None:
    def loaded(deals: pd.DataFrame) -> pd.DataFrame:
        closed = deals["created_at"] + timedelta(days=1)
        return deals.assign(created_at=START + timedelta(days=400), closed_at=closed, is_closed=True, is_won=True)

    draft, plan = drafted(made(600, 500, opportunities=loaded))
    assert plan.outcome.event == "opportunity_won"
    assert "600 of them bear one date, 2025-02-04, on which they were loaded" in draft.tried[0].against


def test_customers_stay_where_outcomes_are_theirs() -> None:
    def again(deals: pd.DataFrame) -> pd.DataFrame:
        first = deals.assign(
            opportunity_id=deals["opportunity_id"] + "f", created_at=START, closed_at=START + timedelta(days=1),
            is_closed=True, is_won=True, type="first",
        )  # fmt: skip
        return pd.concat([first, deals.assign(is_closed=False, is_won=False, closed_at=pd.NaT)])

    draft, plan = drafted(made(900, 500, opportunities=again))
    assert plan.cohort.customers == "keep"
    assert plan.cohort.open_opportunity == "exclude"
    assert "of 900 outcomes are of accounts that had won before" in draft.model


def test_without_opportunities_an_activity_is_the_outcome() -> None:
    def demos(acts: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([acts, acts.assign(kind="demo_request", activity_id=acts["activity_id"] + "d")])

    draft, plan = drafted(made(400, 500, opportunities=None, activities=demos))
    assert (plan.outcome.event, plan.outcome.kinds) == ("activity", ("demo_request",))
    assert draft.ladder.possible


# --- init and check, whatever there is


def workspace(tmp_path: Path, tables: dict[str, pa.Table]):
    import pyarrow.parquet as pq

    folder = tmp_path / "tables"
    folder.mkdir()
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return tierwise.init(tmp_path / "ws", folder)


def nobody(acts: pd.DataFrame) -> pd.DataFrame:
    return acts.assign(initiator=pd.Series([None] * len(acts), dtype="str"))


@pytest.mark.parametrize(
    ("changes", "codes", "words"),
    [
        ({"opportunities": None}, {"no_outcomes", "no_model_yet"}, "0 events of 0 accounts"),
        ({"activities": nobody}, {"no_initiator"}, "none of 500 activities is known to be a buyer's"),
        ({"activities": None}, set(), "there are no activities: nothing that accounts do can be a signal"),
    ],
)
def test_what_is_missing_is_said_and_nothing_fails(tmp_path: Path, changes: dict, codes: set, words: str) -> None:
    made_here = workspace(tmp_path, made(500, 500, **changes))
    text = " ".join((made_here.workspace.plan().folder / "model.yaml").read_text().replace("#", "").split())
    assert words in text
    checked = tierwise.check(made_here.workspace)
    assert codes <= {f.code for f in checked.findings}
    assert checked.ladder == made_here.draft.ladder


def test_too_little_history_is_a_finding_with_its_first_date(tmp_path: Path) -> None:
    made_here = workspace(tmp_path, made(60, 60))
    finding = next(f for f in tierwise.check(made_here.workspace).findings if f.code == "no_model_yet")
    assert finding.severity == "warns"
    assert finding.figures["possible_from"] == str(made_here.draft.ladder.possible_from)
    assert "at the pace so far one will be possible with data through" in finding.found


def test_maven_crm_is_drafted(tmp_path: Path, shared_data: Path) -> None:
    result = tierwise.init(tmp_path / "ws", maven(shared_data / "maven_crm", tmp_path / "tables"))
    plan = result.workspace.plan().plan
    assert plan.outcome.event == "opportunity_created"
    assert plan.cohort.customers == plan.cohort.open_opportunity == "keep"
    assert plan.features.signal.channels == {}
    assert {a.attribute for a in plan.features.fit} >= {"industry", "employee_count", "annual_revenue"}
    assert tierwise.check(result.workspace).ladder == result.draft.ladder


def test_salesforce_sample_is_drafted_without_its_load_date(tmp_path: Path, shared_data: Path) -> None:
    result = tierwise.init(tmp_path / "ws", salesforce(shared_data / "salesforce_sample", tmp_path / "tables"))
    created = next(c for c in result.draft.tried if c.words == "opportunity created")
    assert "on which they were loaded" in created.against
    plan = result.workspace.plan().plan
    assert plan.outcome.event != "opportunity_created"
    assert not result.draft.ladder.possible
    assert "photo_url" in dict(result.left_out)
    assert any(f.code == "no_model_yet" for f in tierwise.check(result.workspace).findings)
