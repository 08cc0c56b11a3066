"""Which accounts are to be left alone by now, whatever was owed to them before, and which were worked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from tierwise.clock import naive
from tierwise.config import PlanFiles, Settings, Workspace
from tierwise.data import Intake, Known, Query, become, known_of_sellers
from tierwise.errors import InputsLate
from tierwise.features import seller_touches, suppressed_at
from tierwise.jobs.intake import freshness_of, taken_in
from tierwise.learning.progress import Say
from tierwise.routing.clock import on_the_clock
from tierwise.routing.delivery import NOTHING_KNOWN, Watch
from tierwise.store import Store
from tierwise.store.deliveries import Open

NOTHING = Known(None)
GONE = "it is no longer among the accounts"


@dataclass(frozen=True)
class Stops:
    """What the tables say of accounts by now.

    reasons: of those that they suppress. become: who each merged account has become. there: the accounts there are.
    touches: what sellers did (`seller_touches`), known as far as `known` says; opened: account_id and occurred_at, when
    an opportunity was created at it. None: they were not read.
    """

    reasons: Mapping[str, str]
    become: Mapping[str, str]
    there: frozenset[str]
    touches: pd.DataFrame | None = None
    opened: pd.DataFrame | None = None
    known: Known = NOTHING

    def __call__(self, account: str) -> str:
        """Why an account gets no approach now: it, or what it was merged into, is suppressed, or gone; `""`: it may."""
        now_called = self.become.get(account, account)
        if now_called in self.reasons:
            return f"suppressed since: {self.reasons[now_called]}"
        return "" if now_called in self.there else GONE

    def watch(self, now: datetime) -> Watch:
        """What is known of what some actions watch: done as the SLA clock of `status` counts it, or an opportunity was
        opened at the account since, so that to press on is not called for."""
        touches, opened = self.touches, self.opened
        if touches is None or opened is None:
            return NOTHING_KNOWN
        facts = (("a seller was at the account", touches), ("an opportunity was opened", opened))

        def done(letters: Sequence[Open]) -> dict[str, str]:
            rows = [(x.action_id, x.account_id, naive(x.as_of), None) for x in letters]
            actions = pd.DataFrame(rows, columns=["action_id", "account_id", "as_of", "due_at"])
            here = {self.become.get(x.account_id, x.account_id) for x in letters}
            found: dict[str, str] = {}
            for said, seen in reversed(facts):
                clocked = worked(actions, seen[seen["account_id"].isin(here)], self.become, now)
                clocked = clocked.loc[clocked["done_at"].notna(), ["action_id", "done_at"]]
                for one, at in clocked.itertuples(index=False, name=None):
                    found[str(one)] = f"not needed: {said} on {at:%Y-%m-%d %H:%M} UTC"
            return found

        return Watch(done, self.known.at, self.known.because)


def worked(actions: pd.DataFrame, touches: pd.DataFrame, become: Mapping[str, str], now: datetime) -> pd.DataFrame:
    """`on_the_clock`, where a merged account's actions are done at what it has become."""
    asked = actions.assign(account_id=actions["account_id"].map(lambda account: become.get(account, account)))
    return on_the_clock(asked, touches, now).assign(account_id=actions["account_id"])


def stops_now(
    workspace: Workspace, files: PlanFiles, store: Store, now: datetime, say: Say, *, watched: bool = False
) -> Stops:
    """Read who is to be left alone by now. watched: also what sellers did.

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
        touches = seller_touches(intake.warehouse, now) if watched else None
        opened = intake.warehouse.frame(_opened(now)) if watched else None
        known = known_now(intake, workspace.settings, now) if watched else NOTHING
    reasons = dict(zip(found["account_id"], found["reason"].str.replace("_", " "), strict=True))
    return Stops(reasons, merged, there, touches, opened, known)


def _opened(now: datetime) -> Query:
    """account_id and occurred_at, when an opportunity was created at it, of all that are known by now."""
    return Query(
        "SELECT account_id, created_at AS occurred_at FROM opportunities WHERE created_at < $now ORDER BY ALL",
        {"now": naive(now)},
    )


def known_now(intake: Intake, settings: Settings, now: datetime) -> Known:
    """Up to when it is known what sellers did."""
    fresh = freshness_of(intake, settings, now)
    return known_of_sellers(intake.seller_days, fresh, settings.all_sources, settings.data_through, now)


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
