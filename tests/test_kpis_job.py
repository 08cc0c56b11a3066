"""The KPI table of a real workspace: it adds up to the table opportunities, and the page and the terminal tell it."""

from __future__ import annotations

import json
import re
import shutil
from datetime import datetime
from html import unescape
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import tierwise
from tierwise.cli import tables
from tierwise.clock import grid, instant, naive, year_before
from tierwise.config import Workspace
from tierwise.errors import UsageError
from tierwise.governance import KpiTable
from tierwise.jobs import GovernResult
from tierwise.jobs.demo import END, _braked
from tierwise.synthetic import WorldSpec, simulate, write_world

PLAN = "new_business"
BUDGET = "budget: {amount: 400000, months: 12}\n"


def text_of(page: str) -> str:
    bare = re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.S))
    return " ".join(unescape(bare).split())


def created(workspace: Workspace, since: datetime, until: datetime) -> pd.DataFrame:
    """The opportunities created in a window, straight from the export."""
    found = pq.read_table(workspace.tables / "opportunities.parquet").to_pandas()
    return found[(found["created_at"] >= naive(since)) & (found["created_at"] < naive(until))]


def check_sums(kpis: KpiTable, deals: pd.DataFrame) -> None:
    """The rows add up to the export, in number, outcome and amount; and the row of all says the same."""
    rows, total = kpis.by_tier[kpis.by_tier["place"] != "total"], kpis.row("total")
    closed = deals["is_closed"] & (deals["closed_at"] < naive(kpis.as_of))
    expected = {
        "opportunities": len(deals),
        "pipeline": deals["amount"].sum(),
        "won": int((closed & deals["is_won"]).sum()),
        "lost": int((closed & ~deals["is_won"]).sum()),
        "open": int((~closed).sum()),
        "won_amount": deals.loc[closed & deals["is_won"], "amount"].sum(),
        "without_amount": int(deals["amount"].isna().sum()),
    }
    assert {name: rows[name].sum() for name in expected} == pytest.approx(expected)
    assert {name: total[name] for name in expected} == pytest.approx(expected)


@pytest.fixture(scope="module")
def budgeted(small_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = shutil.copytree(small_demo, tmp_path_factory.mktemp("kpis") / "ws")
    plays = folder / "models" / PLAN / "plays.yaml"
    plays.write_text(BUDGET + plays.read_text())
    return tierwise.load_workspace(folder)


@pytest.fixture(scope="module")
def governed(budgeted: Workspace) -> GovernResult:
    return tierwise.govern(budgeted, as_of="2026-01-01")


def test_the_table_of_the_last_year_adds_up_to_the_opportunities(budgeted: Workspace, governed: GovernResult) -> None:
    kpis = governed.review.kpis
    assert kpis is not None
    assert (kpis.since, kpis.as_of, kpis.first_run) == (year_before(END), END, instant("2025-07-01"))
    check_sums(kpis, created(budgeted, kpis.since, kpis.as_of))
    assert kpis.row("before_runs")["opportunities"] > 0
    assert kpis.row("other_kind")["opportunities"] > 0
    assert kpis.row("tier_2")["opportunities"] > 0
    assert kpis.row("total")["cost"] == pytest.approx(200_000)


def test_a_budget_leaves_the_next_run_the_same_run(budgeted: Workspace) -> None:
    assert not tierwise.score(budgeted, as_of="2026-01-01").new


def test_another_start_counts_from_there(budgeted: Workspace) -> None:
    kpis = tierwise.govern(budgeted, as_of="2025-12-01", since="2025-09-10").review.kpis
    assert kpis is not None
    check_sums(kpis, created(budgeted, instant("2025-09-10"), instant("2025-12-01")))
    assert kpis.row("before_runs")["opportunities"] == 0
    with pytest.raises(UsageError, match=r"KPIs since 2026-01-01 were asked for.*as of 2026-01-01.*earlier --since"):
        tierwise.govern(budgeted, as_of="2026-01-01", since="2026-01-01")


def test_page_and_values_tell_the_table(governed: GovernResult) -> None:
    kpis = governed.review.kpis
    assert kpis is not None
    said = json.loads((governed.folder / "review.json").read_text())["kpis"]
    assert [r["place"] for r in said["by_tier"]] == kpis.by_tier["place"].tolist()
    assert said["by_tier"][1]["pipeline"] == kpis.row("tier_2")["pipeline"]
    page = (governed.folder / "review.html").read_text()
    text = text_of(page)
    deals = kpis.row("total")["opportunities"]
    assert "What happened from 1 January 2025 up to 1 January 2026" in text
    assert f"{deals:,} opportunities were created in that time; each stands in one row" in text
    assert "Tier 1 · Focus Pipeline created" in text
    assert "Engagement (buyer activities an account and 30 days)" in text
    assert "Cost per pipeline" in text
    assert "Velocity: opportunities × win rate" in text
    assert "nan" not in text[text.index("What came of each tier") : text.index("Drift")].lower()
    assert page.count('<tr class="sum">') == 2


def test_the_terminal_tells_it_in_80_columns(
    governed: GovernResult, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    kpis = governed.review.kpis
    assert kpis is not None
    tables.kpis(kpis)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    rows = [" ".join(line.split()) for line in out.splitlines()]
    assert any(r.startswith(f"total {kpis.row('total')['opportunities']} ") for r in rows)
    assert any(r.startswith("before_runs ") for r in rows)


@pytest.mark.long
def test_over_a_year_of_monthly_runs_the_rows_add_up_to_the_opportunities(tmp_path: Path) -> None:
    write_world(simulate(WorldSpec(seed=11, accounts=1200)), tmp_path / "ws", END)
    tierwise.init(tmp_path / "ws", tmp_path / "ws" / "tables")
    workspace = _braked(tmp_path / "ws")
    first = year_before(END)
    tierwise.train(workspace, as_of=first)
    for as_of in grid("month", first, END):
        tierwise.score(workspace, as_of=as_of)
    kpis = tierwise.govern(workspace, as_of=END).review.kpis
    assert kpis is not None
    tables.kpis(kpis)
    check_sums(kpis, created(workspace, first, END))
    assert kpis.row("before_runs")["opportunities"] == 0
    asked = created(workspace, first, END)["type"] == "New Business"
    assert kpis.row("other_kind")["opportunities"] == int((~asked).sum())
    assert kpis.row("tier_1")["accounts"] > 0
    worth = [kpis.row(t)["opportunities"] / kpis.row(t)["accounts"] for t in ("tier_1", "tier_2", "tier_3", "recycle")]
    assert worth[0] > worth[1] > worth[2] > worth[3], worth
