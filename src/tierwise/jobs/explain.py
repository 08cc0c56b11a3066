"""One account in the published run: where it stands, why, and what changed since a date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from tierwise.clock import instant
from tierwise.config import Workspace
from tierwise.errors import UsageError
from tierwise.explain import waterfall
from tierwise.publishing import PublishedRun, read_current, read_run
from tierwise.store import Store


@dataclass(frozen=True)
class Explained:
    """One account: its published row, the steps from base to total (none out of the cohort), and the change since.

    change: feature, side, before, after, change in log-odds, words; largest first; None if no date was asked for.
    before, before_as_of: the published row then (None if it had none), and of which run.
    """

    row: dict[str, Any]
    steps: pd.DataFrame
    run_id: str
    before: dict[str, Any] | None = None
    before_as_of: datetime | None = None
    change: pd.DataFrame | None = None


def explain(
    workspace: Workspace, account_id: str, plan: str | None = None, *, since: str | datetime | None = None
) -> Explained:
    """Explain an account's place in the run that CURRENT names; with `since`, also against the newest run by then.

    Raises
    ------
    UsageError : nothing is published, no such account, or no run by that date.
    """
    name = workspace.plan(plan).plan.plan
    run = read_current(workspace.published, name)
    row = _row(run, account_id)
    reasons, scores = run.frame("reasons"), run.frame("scores")
    steps = waterfall(reasons, scores, account_id) if pd.notna(row["propensity"]) else pd.DataFrame()
    if since is None:
        return Explained(row, steps, run.run_id)
    earlier = _run_by(workspace, name, instant(since))
    then = earlier.frame("tiers").set_index("account_id", drop=False)
    before = then.loc[account_id].to_dict() if account_id in then.index else None
    change = _change(earlier.frame("reasons"), reasons, account_id)
    return Explained(row, steps, run.run_id, before, instant(earlier.meta["as_of"]), change)


def _row(run: PublishedRun, account_id: str) -> dict[str, Any]:
    tiers = run.frame("tiers")
    mine = tiers[tiers["account_id"] == account_id]
    if mine.empty:
        raise UsageError(
            f"account '{account_id}' was to be explained",
            found=f"it is not among the {len(tiers):,} accounts of run {run.run_id}",
            do="Look the id up in accounts.csv; ids are compared letter by letter",
        )
    return {str(k): v for k, v in mine.iloc[0].to_dict().items()}


def _run_by(workspace: Workspace, plan: str, since: datetime) -> PublishedRun:
    with Store.open(workspace.store, create=False) as store:
        ledger = store.runs(plan)
    ledger = ledger[(ledger["as_of"] <= pd.Timestamp(since.replace(tzinfo=None))) & (ledger["kind"] != "backfill")]
    if ledger.empty:
        raise UsageError(
            f"the change since {since.date()} was asked for",
            found="no run was published by then",
            do="Give a later date",
        )
    return read_run(workspace.published, plan, str(ledger["run_id"].iloc[-1]))


def _change(before: pd.DataFrame, after: pd.DataFrame, account_id: str) -> pd.DataFrame:
    """Each feature's log-odds then and now; the sum of the changes is the change of the total less that of the base."""
    old = before[before["account_id"] == account_id].set_index("feature")
    new = after[after["account_id"] == account_id].set_index("feature")
    both = new.merge(old, how="outer", left_index=True, right_index=True, suffixes=("", "_then"))
    table = pd.DataFrame(
        {
            "side": both["side"].fillna(both["side_then"]),
            "before": both["log_odds_then"].fillna(0.0),
            "after": both["log_odds"].fillna(0.0),
            "words": both["words"].fillna("no longer counts: " + both["words_then"].fillna("")),
        }
    )
    table["change"] = table["after"] - table["before"]
    order = table["change"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].rename_axis("feature").reset_index()
