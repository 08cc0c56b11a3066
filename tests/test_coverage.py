"""Outcome coverage: every outcome of the year has one reason, and the counts add up."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from exports import AS_OF, Rows
from tables import as_tables
from tierwise.audit import Coverage, draft_plan, outcome_coverage
from tierwise.config import Plan, Settings, parse_plan
from tierwise.data import Query, Warehouse, resolve
from tierwise.synthetic import WorldSpec, simulate

DAY = timedelta(days=1)
EARLY = AS_OF - 500 * DAY
AT = datetime(2025, 4, 11, 9, tzinfo=AS_OF.tzinfo)
THROUGH = AS_OF


def account(name: str, created: datetime | None = EARLY, /, **more: object) -> dict:
    return {"account_id": name, "created_at": created, "domain": f"{name}.example"} | more


def opened(account_id: str, at: datetime = AT, **more: object) -> dict:
    row = {
        "account_id": account_id,
        "created_at": at,
        "closed_at": None,
        "is_closed": False,
        "is_won": False,
        "type": "New",
    }
    return row | {"opportunity_id": f"{account_id} {at}"} | more


def coverage(rows: Rows, through: datetime = THROUGH, **plan: object) -> Coverage:
    asked = Plan.model_validate({"plan": "coverage", "outcome": {"types": ["New"], "horizon_days": 60}} | plan)
    with Warehouse.open(as_tables(rows), threads=1) as warehouse:
        assert not resolve(warehouse, Settings(threads=1)).findings
        return outcome_coverage(warehouse, asked, through)


def reasons(found: Coverage) -> dict[str, int]:
    return dict(zip(found.frame["reason"], found.frame["outcomes"], strict=True))


def check_reason(reason: str, rows: Rows, **plan: object) -> None:
    assert reasons(coverage(rows, **plan)) == {reason: 1}


def test_each_outcome_has_the_first_reason_that_holds() -> None:
    check_reason("in_cohort", {"accounts": [account("a")], "opportunities": [opened("a")]})
    check_reason("unknown_account", {"accounts": [account("a")], "opportunities": [opened("b")]})
    for created in (AT - DAY + timedelta(seconds=1), AT, AT + 9 * DAY):
        check_reason("created_with_outcome", {"accounts": [account("a", created)], "opportunities": [opened("a")]})
    first = datetime(2025, 4, 1, tzinfo=AS_OF.tzinfo)
    check_reason("between_dates", {"accounts": [account("a", AT - DAY)], "opportunities": [opened("a")]})
    check_reason("between_dates", {"accounts": [account("a", first)], "opportunities": [opened("a")]})
    check_reason(
        "in_cohort", {"accounts": [account("a", first - timedelta(microseconds=1))], "opportunities": [opened("a")]}
    )
    check_reason("deleted", {"accounts": [account("a", deleted_at=EARLY + DAY)], "opportunities": [opened("a")]})
    short = {"outcome": {"types": ["New"], "horizon_days": 7}}
    check_reason("no_date", {"accounts": [account("a")], "opportunities": [opened("a")]}, **short)
    won = opened("a", EARLY, closed_at=EARLY + DAY, is_closed=True, is_won=True)
    check_reason("customer", {"accounts": [account("a")], "opportunities": [opened("a"), won]})
    check_reason(
        "in_cohort", {"accounts": [account("a")], "opportunities": [opened("a"), won]}, cohort={"customers": "keep"}
    )
    check_reason(
        "no_customer", {"accounts": [account("a")], "opportunities": [opened("a")]}, cohort={"customers": "only"}
    )
    check_reason("in_pipeline", {"accounts": [account("a")], "opportunities": [opened("a"), opened("a", EARLY)]})
    check_reason(
        "country",
        {"accounts": [account("a", country="FR")], "opportunities": [opened("a")]},
        cohort={"countries": ["NL"]},
    )
    check_reason(
        "too_young",
        {"accounts": [account("a", first - DAY)], "opportunities": [opened("a")]},
        cohort={"min_age_days": 30},
    )


def test_no_activity_is_told_from_no_domain_to_find_any_by() -> None:
    plan = {"cohort": {"active_within_days": 30}, "features": {"signal": {"channels": {"web": {}}}}}
    for domain, reason in (("a.example", "inactive"), (None, "no_domain")):
        check_reason(reason, {"accounts": [account("a", domain=domain)], "opportunities": [opened("a")]}, **plan)
    visit = {
        "activity_id": "1",
        "domain": "a.example",
        "occurred_at": AT - 20 * DAY,
        "channel": "web",
        "kind": "visit",
        "initiator": "buyer",
    }
    check_reason(
        "in_cohort", {"accounts": [account("a")], "opportunities": [opened("a")], "activities": [visit]}, **plan
    )


def test_a_lead_of_the_company_stands_for_the_account_that_came_with_the_outcome() -> None:
    lead = {
        "lead_id": "l",
        "domain": "a.example",
        "created_at": AT - 40 * DAY,
        "converted_at": AT,
        "converted_account_id": "a",
    }
    check_reason("in_cohort_as_lead", {"accounts": [account("a", AT)], "opportunities": [opened("a")], "leads": [lead]})


def test_only_the_plans_outcomes_of_the_last_year_count_and_accounts_are_counted_once() -> None:
    rows: Rows = {
        "accounts": [account("a"), account("b", deleted_at=EARLY + DAY)],
        "opportunities": [
            opened("a", THROUGH - 365 * DAY),
            opened("a", THROUGH - 364 * DAY),
            opened("a", THROUGH),
            opened("a", THROUGH + DAY),
            opened("a", type="Renewal"),
            opened("a", AT + DAY, deleted_at=AT + 2 * DAY),
            opened("b"),
            opened("b", AT + DAY),
        ],
    }
    found = coverage(rows, cohort={"open_opportunity": "keep"})
    assert found.frame[["reason", "outcomes", "accounts", "share"]].to_dict("records") == [
        {"reason": "in_cohort", "outcomes": 2, "accounts": 1, "share": 0.5},
        {"reason": "deleted", "outcomes": 2, "accounts": 1, "share": 0.5},
    ]
    assert (found.covered, found.outcomes) == (2, 4)


def test_accounts_own_ages_and_no_outcome_at_all() -> None:
    ages = {"cohort": {"grid": {"account_age_days": [7]}}}
    for days, reason in ((30, "in_cohort"), (5, "no_date"), (80, "no_date"), (0, "created_with_outcome")):
        check_reason(reason, {"accounts": [account("a", AT - days * DAY)], "opportunities": [opened("a")]}, **ages)
    empty = coverage({"accounts": [account("a")], "opportunities": [opened("a", type="Renewal")]})
    assert (empty.outcomes, empty.covered, len(empty.frame)) == (0, 0, 0)


@pytest.fixture(scope="module")
def world_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tierwise.synthetic import write_world

    folder = tmp_path_factory.mktemp("world")
    write_world(simulate(WorldSpec(seed=3, accounts=300, months=18, traps=frozenset({"bots_on_misfits"}))), folder)
    return folder


def test_counts_add_up_on_a_world(world_folder: Path) -> None:
    from tierwise.data import read_tables

    intake = read_tables(world_folder / "tables", Settings(threads=1))
    with intake.warehouse as warehouse:
        plan = parse_plan(draft_plan(warehouse, "new_business").model)
        through = intake.data_through["opportunities"]
        found = outcome_coverage(warehouse, plan, through)
        sql = """SELECT count(*) AS n FROM opportunities WHERE list_contains($types, type)
                 AND created_at > $since AND created_at <= $through"""
        params = {"types": list(plan.outcome.types), "since": through - 365 * DAY, "through": through}
        n = warehouse.frame(Query(sql, params))["n"][0]
    assert found.outcomes == n > 20
    assert found.covered / n > 0.5
    assert found.frame["share"].sum() == pytest.approx(1)
    assert isinstance(found.frame, pd.DataFrame)


def test_check_prints_coverage_and_noise(world_folder: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from tierwise.cli.app import app

    runner, workspace = CliRunner(), tmp_path / "ws"
    assert runner.invoke(app, ["init", str(workspace), "--tables", str(world_folder / "tables")]).exit_code == 0
    printed = runner.invoke(app, ["-C", str(workspace), "check"]).stdout
    assert "could be foreseen" in printed
    assert "round_the_clock" in printed
    said = json.loads(runner.invoke(app, ["-C", str(workspace), "--json", "check"]).stdout)
    assert [row["rule"] for row in said["noise"]] == ["round_the_clock"]
    assert sum(row["share"] for row in said["coverage"]) == pytest.approx(1)
