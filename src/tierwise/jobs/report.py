"""The report job: what moved between two published runs, a page for each owner, and one for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from tierwise.clock import instant
from tierwise.config import PlanFiles, Workspace
from tierwise.data import Query, Warehouse
from tierwise.errors import EnvironmentFault, UsageError
from tierwise.jobs.intake import in_words, taken_in
from tierwise.jobs.moved import by_group, counted, moved
from tierwise.jobs.runs import run_before, run_by
from tierwise.learning.progress import Say, silent
from tierwise.plain import json_file, plain
from tierwise.publishing import (
    PublishedRun,
    accounts_csv,
    plan_lock,
    publish_movements,
    read_current,
    read_replays,
    read_run,
)
from tierwise.report import MovementsPage, movements_pages
from tierwise.store import Store
from tierwise.tiers.spoken import spoken

PATIENCE_SECONDS = 600
"""How long the end of a report waits for another run to finish."""
BY = ("owner", "team", "territory")
WANTED = ["account_id", "tier", "propensity", "guardrails", "why"]
CSV = (
    "account_id", "name", "owner_id", "tier_then", "tier_now", "movement", "cause", "moved_on", "times",
    "propensity_then", "propensity_now", "why",
)  # fmt: skip
REPLAYED = ("policy_version", "first", "last", "overall", "guardrails")


@dataclass(frozen=True)
class ReportResult:
    """What moved: its values (report.json), a row an account of either run (`moved`), and where the pages lie."""

    values: Mapping[str, Any]
    moves: pd.DataFrame
    folder: Path

    def to_dict(self) -> dict[str, Any]:
        """All of report.json as JSON values."""
        return dict(self.values)


def report(
    workspace: Workspace,
    plan: str | None = None,
    *,
    since: str | datetime,
    until: str | datetime | None = None,
    by: str = "owner",
    now: datetime | None = None,
    say: Say = silent,
) -> ReportResult:
    """Report what moved between the newest run by a date and the run that CURRENT names, or the newest by `until`.

    Who looks after an account is what the tables say now. The pages, movements.csv and report.json are put whole in
    `published/<plan>/reports/<since>_<as_of>/`, of teams and territories with `_by_team` or `_by_territory` after it.

    Raises
    ------
    UsageError : nothing is published, no run by that date, a date that is not before the run, an unknown `by`, or
        teams or territories that the table owners does not name.
    EnvironmentFault : a replay cannot be read, or the store does not know the run.
    """
    if by not in BY:
        raise UsageError(f"--by {by} was asked for", do=f"Say {', '.join(BY[:-1])} or {BY[-1]}")
    files, begin = workspace.plan(plan), instant(since)
    name = files.plan.plan
    run = read_current(workspace.published, name)
    if until is not None:
        end = instant(until)
        run = run_by(workspace, name, end, f"what had moved by {end.date()} was asked for")
    earlier = run_before(workspace, run, begin)
    with taken_in(workspace, say, now, files=files) as intake:
        accounts = _accounts(intake.warehouse, by)
    say(f"comparing {earlier.run_id} with {run.run_id}")
    moves = moved(
        earlier.frame("tiers")[WANTED], run.frame("tiers")[WANTED], _steps(workspace, name, earlier, run), accounts
    )
    values = plain(_values(workspace, files, by, begin, earlier, run, moves))
    pages = movements_pages(MovementsPage(values, moves, in_words(files), files.plan.labels, files.plays.motions))
    contents = {page: text.encode() for page, text in pages.items()}
    contents |= {"movements.csv": accounts_csv(_listed(moves, by)), "report.json": json_file(values)}
    folder = f"{begin.date()}_{values['now']['as_of']}" + (f"_by_{by}" if by != "owner" else "")
    with plan_lock(workspace.published, name, PATIENCE_SECONDS):
        return ReportResult(values, moves, publish_movements(workspace.published, name, folder, contents))


def _accounts(warehouse: Warehouse, by: str) -> pd.DataFrame:
    """account_id, name, owner_id, group and merged, of every account that the tables know."""
    group = "a.owner_id" if by == "owner" else f"o.{by}"
    accounts = warehouse.frame(
        Query(
            f'SELECT a.account_id, a.name, a.owner_id, {group} AS "group" FROM accounts a'
            " LEFT JOIN owners o ON o.owner_id = a.owner_id ORDER BY a.account_id"
        )
    )
    if by != "owner" and not (accounts["group"].fillna("") != "").any():
        raise UsageError(
            f"--by {by} was asked for",
            found=f"the table owners names no {by} for the owner of any account",
            do=f"Fill {by} in the table owners, or say --by owner",
        )
    merged = warehouse.frame(Query("SELECT DISTINCT losing_id AS account_id FROM account_merges ORDER BY losing_id"))
    accounts = accounts.merge(merged.assign(merged=True), on="account_id", how="outer")
    return accounts.assign(merged=accounts["merged"].eq(True))


def _steps(workspace: Workspace, plan: str, earlier: PublishedRun, run: PublishedRun) -> pd.DataFrame:
    """The movements of the runs after one and up to another, oldest first; backfills move nothing.

    Of a revision, whose movements say only what it changed, `why` is what it published of the account.

    Raises
    ------
    EnvironmentFault : the store does not know the second run.
    """
    with Store.open(workspace.store, create=False) as store:
        moves, runs = store.movements(plan), store.runs(plan)
    places = runs.set_index("run_id")["sequence"]
    if run.run_id not in places:
        raise EnvironmentFault(
            f"what moved up to run {run.run_id} was asked for",
            found="CURRENT names it, and the store knows no such run",
            do="Restore the store and what is published from the same backup",
        )
    between = runs["sequence"].between(places[earlier.run_id] + 1, places[run.run_id]) & (runs["kind"] != "backfill")
    mine = moves[moves["run_id"].isin(set(runs.loc[between, "run_id"]))]
    steps = mine.reindex(columns=["run_id", "account_id", "as_of", "cause", "why"]).reset_index(drop=True)
    for run_id in runs.loc[between & (runs["kind"] == "revision"), "run_id"]:
        published = read_run(workspace.published, plan, run_id).frame("tiers").set_index("account_id")["why"]
        revised = steps["run_id"] == run_id
        steps.loc[revised, "why"] = steps["account_id"].map(published).fillna(steps["why"])[revised]
    return steps.drop(columns="run_id")


def _listed(moves: pd.DataFrame, by: str) -> pd.DataFrame:
    """The accounts that moved, by group and then by account; the team or territory stands first."""
    mine = moves[moves["movement"] != ""]
    order = mine.assign(nobody=mine["group"] == "").sort_values(["nobody", "group", "account_id"], kind="stable")
    named = order.rename(columns={"group": by}) if by != "owner" else order
    return named[[*([by] if by != "owner" else []), *CSV]].reset_index(drop=True)


def _values(
    workspace: Workspace,
    files: PlanFiles,
    by: str,
    since: datetime,
    earlier: PublishedRun,
    run: PublishedRun,
    moves: pd.DataFrame,
) -> dict[str, Any]:
    """What report.json holds."""
    groups = [(name, counted(mine)) for name, mine in by_group(moves)]
    digits = max(3, len(str(len(groups))))
    lines = [{"name": name, "file": f"{by}_{n:0{digits}d}.html", **line} for n, (name, line) in enumerate(groups, 1)]
    return {
        "plan": files.plan.plan,
        "by": by,
        "since": since.date(),
        "then": _run(earlier),
        "now": _run(run),
        "policy_version": files.policy.version(),
        "policy": spoken(files.policy),
        "total": counted(moves),
        "groups": lines,
        "movements": _listed(moves, by),
        "replay": _replay(workspace, files),
    }


def _run(run: PublishedRun) -> dict[str, Any]:
    said = {key: run.meta[key] for key in ("run_id", "model_version", "policy_version")}
    return said | {"as_of": instant(run.meta["as_of"]).date()}


def _replay(workspace: Workspace, files: PlanFiles) -> dict[str, Any] | None:
    """The newest replay of the plan's policy that judged something, the longest of these; else one that judged nothing;
    else, in the same order, that of another policy. None: there is none."""
    found = read_replays(workspace.published, files.plan.plan)
    if not found:
        return None
    version = files.policy.version()

    def first(one: tuple[str, dict[str, Any]]) -> tuple[bool, bool, str, int, str]:
        name, said = one
        span = (instant(said["last"]) - instant(said["first"])).days
        judged = any(tier["n"] for tier in said["overall"])
        return said["policy_version"] == version, judged, said["last"], span, name

    folder, said = max(found, key=first)
    return {"folder": folder, **{key: said[key] for key in REPLAYED}}
