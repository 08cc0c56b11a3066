"""Which published run stands for a date."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from tierwise.clock import instant
from tierwise.config import Workspace
from tierwise.errors import UsageError
from tierwise.publishing import PublishedRun, read_run
from tierwise.store import Store


def run_before(workspace: Workspace, run: PublishedRun, since: datetime) -> PublishedRun:
    """The newest run by a date, which is before the run in hand.

    Raises
    ------
    UsageError : the date is not before the run, or no run was published by then.
    """
    newest = instant(run.meta["as_of"])
    if since >= newest:
        raise UsageError(
            f"the change since {since.date()} was asked for",
            found=f"the run in hand, {run.run_id}, is of {newest.date()}: nothing has been scored after it",
            do=f"Give a date before {newest.date()}",
        )
    return run_by(workspace, str(run.meta["plan"]), since, f"the change since {since.date()} was asked for")


def run_by(workspace: Workspace, plan: str, at: datetime, asked: str) -> PublishedRun:
    """The newest run by a date; backfills stand for none.

    Raises
    ------
    UsageError : no run was published by then.
    """
    with Store.open(workspace.store, create=False) as store:
        ledger = store.runs(plan)
    ledger = ledger[(ledger["as_of"] <= pd.Timestamp(at.replace(tzinfo=None))) & (ledger["kind"] != "backfill")]
    if ledger.empty:
        raise UsageError(asked, found="no run was published by then", do="Give a later date")
    return read_run(workspace.published, plan, str(ledger["run_id"].iloc[-1]))
