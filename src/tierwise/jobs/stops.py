"""Which accounts are to be left alone by now, whatever was owed to them before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tierwise.config import PlanFiles, Workspace
from tierwise.data import Query, become
from tierwise.errors import InputsLate
from tierwise.features import suppressed_at
from tierwise.jobs.intake import taken_in
from tierwise.learning.progress import Say
from tierwise.store import Store

GONE = "it is no longer among the accounts"


@dataclass(frozen=True)
class Stops:
    """What the tables say of accounts by now.

    reasons: of those that they suppress. become: who each merged account has become. there: the accounts there are.
    """

    reasons: Mapping[str, str]
    become: Mapping[str, str]
    there: frozenset[str]

    def __call__(self, account: str) -> str:
        """Why an account gets no approach now: it, or what it was merged into, is suppressed, or gone; `""`: it may."""
        now_called = self.become.get(account, account)
        if now_called in self.reasons:
            return f"suppressed since: {self.reasons[now_called]}"
        return "" if now_called in self.there else GONE


def stops_now(workspace: Workspace, files: PlanFiles, store: Store, now: datetime, say: Say) -> Stops:
    """Read who is to be left alone by now.

    Raises
    ------
    InputsLate : the newest run excluded accounts, and there are no exclusions to read now.
    """
    negative = {t.kind: t.days for t in files.policy.negative_triggers}
    with taken_in(workspace, say, now, files=files) as intake:
        exclusions = intake.warehouse.frame(Query("SELECT count(*) AS n FROM exclusions"))["n"]
        _check_exclusions(files.plan.plan, store, int(exclusions.iloc[0]))
        found = suppressed_at(intake.warehouse, files.plan, negative, now)
        there = frozenset(intake.warehouse.frame(Query("SELECT account_id FROM accounts"))["account_id"])
        merged = become(intake.warehouse)
    reasons = dict(zip(found["account_id"], found["reason"].str.replace("_", " "), strict=True))
    return Stops(reasons, merged, there)


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
