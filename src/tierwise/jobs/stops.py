"""Which accounts are to be left alone by now, whatever was owed to them before."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from tierwise.config import PlanFiles, Workspace
from tierwise.data import Query, survivors
from tierwise.errors import InputsLate
from tierwise.features import suppressed_at
from tierwise.jobs.intake import taken_in
from tierwise.learning.progress import Say
from tierwise.store import Store

GONE = "it is no longer among the accounts"


def stopped(
    workspace: Workspace, files: PlanFiles, store: Store, accounts: Collection[str], now: datetime, say: Say
) -> dict[str, str]:
    """Of some accounts, those that get no approach now, each with why: the tables suppress it, or what it was merged
    into, or have it no longer.

    Raises
    ------
    InputsLate : the newest run excluded accounts, and there are no exclusions to read now.
    """
    negative = {t.kind: t.days for t in files.policy.negative_triggers}
    with taken_in(workspace, say, now, files=files) as intake:
        exclusions = intake.warehouse.frame(Query("SELECT count(*) AS n FROM exclusions"))["n"]
        _check_exclusions(files.plan.plan, store, int(exclusions.iloc[0]))
        found = suppressed_at(intake.warehouse, files.plan, negative, now)
        there = set(intake.warehouse.frame(Query("SELECT account_id FROM accounts"))["account_id"])
        merges = intake.warehouse.frame(Query("SELECT losing_id, surviving_id FROM account_merges"))
    reasons = dict(zip(found["account_id"], found["reason"].str.replace("_", " "), strict=True))
    become, _ = survivors(dict(zip(merges["losing_id"], merges["surviving_id"], strict=True)), there)
    said = {}
    for account in accounts:
        now_called = become.get(account, account)
        if now_called in reasons:
            said[account] = f"suppressed since: {reasons[now_called]}"
        elif now_called not in there:
            said[account] = GONE
    return said


def _check_exclusions(plan: str, store: Store, rows: int) -> None:
    """An export without its exclusions must not send what they would stop."""
    newest = store.newest_run(plan)
    if rows or newest is None:
        return
    excluded = int((store.state_at(plan, newest.as_of)["row"] == "excluded").sum())
    if excluded:
        raise InputsLate(
            f"actions of plan '{plan}' were to be delivered",
            found=f"run {newest.run_id} suppressed {excluded:,} accounts by the table exclusions, and it is empty now",
            do="Load the exclusions, then deliver again; nothing was sent",
        )
