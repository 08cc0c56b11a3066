"""People's acts: a tier set for a while, a fact marked wrong, a held run let go; each with its author and reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from tierwise.clock import instant
from tierwise.config import STATUSES, TIERS, Workspace
from tierwise.data import IDENTITY, Query, Warehouse, become, disputed_on, value_digest
from tierwise.errors import UsageError
from tierwise.features import ruled_by
from tierwise.jobs.intake import taken_in
from tierwise.learning.progress import Say, silent
from tierwise.publishing import PublishedRun, read_current
from tierwise.store import EVERY_PLAN, Act, HeldRun, Store
from tierwise.tiers.words import safe_text

LONGEST_DAYS = 180
"""An override is in force for so many days at most."""
OVERRIDABLE = tuple(tier for tier in TIERS if tier != "suppress")
REMOVED = "[removed]"
_WHO = "it says who the account is, which holds on all dates"
_WHEN = "it dates the account's row"
UNDISPUTED = {
    **dict.fromkeys(("account_id", *sorted(IDENTITY)), _WHO),
    **dict.fromkeys(("created_at", "modified_at", "deleted_at"), _WHEN),
    "owner_id": "it says who looks after the account, and no score reads it",
}
"""Columns of accounts whose values cannot be disputed, and why."""


@dataclass(frozen=True)
class ActResult:
    """An act that is kept.

    new : whether this call made it; the same act at the same instant is kept once. notes : what is to be said of it,
    a sentence each. as_of : of a release, the date to score again.
    """

    act: Act
    new: bool
    notes: tuple[str, ...] = ()
    as_of: datetime | None = None


def override(
    workspace: Workspace,
    account_id: str,
    plan: str | None = None,
    *,
    tier: str,
    reason: str,
    by: str,
    until: str | datetime,
    made_at: datetime,
) -> ActResult:
    """Set an account's tier from the next run on, for runs of dates before `until`; it takes the place of any override
    of the account made before. A guardrail stays above it: a note says so where one would hold it today.

    Raises
    ------
    UsageError : an unknown account or tier, no reason or author, or an expiry that is past or too far.
    """
    name = workspace.plan(plan).plan.plan
    asked = f"account '{account_id}' was to be overridden to {tier}"
    if tier not in OVERRIDABLE:
        do = "Add it to the table exclusions" if tier == "suppress" else f"Say one of {', '.join(OVERRIDABLE)}"
        found = "who must not be approached is excluded, with a reason of the plan's own" if tier == "suppress" else ""
        raise UsageError(asked, found=found or f"'{tier}' is no tier that an override may name", do=do)
    said = _said(asked, reason, by)
    expires = _expiry(asked, until, made_at)
    run = read_current(workspace.published, name)
    row = _account(run, account_id, asked)
    payload = {"tier": tier, **said, "expires_at": expires.isoformat()}
    with Store.open(workspace.store) as store:
        act = Act(name, "override", made_at, payload, account_id)
        return ActResult(act, store.add_act(act), _guarded(row, tier))


def withdraw(
    workspace: Workspace, account_id: str, plan: str | None = None, *, reason: str, by: str, made_at: datetime
) -> ActResult:
    """End the override of an account from the next run on.

    Raises
    ------
    UsageError : none is in force or waiting, or there is no reason or author.
    """
    name = workspace.plan(plan).plan.plan
    asked = f"the override of account '{account_id}' was to be withdrawn"
    said = _said(asked, reason, by)
    with Store.open(workspace.store) as store:
        acts = store.acts(name, ("override", "withdrawal"))
        mine = acts[acts["account_id"] == account_id]
        last = None if mine.empty else mine.iloc[-1]
        if last is None or last["kind"] != "override" or instant(last["payload"]["expires_at"]) <= made_at:
            there = "there is none" if last is None else "the last one has ended"
            raise UsageError(asked, found=there, do="Nothing is left to withdraw; ids are compared letter by letter")
        act = Act(name, "withdrawal", made_at, said | {"act_id": last["act_id"]}, account_id)
        return ActResult(act, store.add_act(act))


def dispute(
    workspace: Workspace,
    plan: str | None = None,
    *,
    activity: str | None = None,
    account: str | None = None,
    attribute: str | None = None,
    reason: str,
    by: str,
    made_at: datetime,
    say: Say = silent,
) -> ActResult:
    """Mark a fact wrong from now on: an activity, or an account's value of an attribute, for all plans.

    Runs and training rows of dates after the dispute do not read it; those up to it still do, so that what was
    published and learned before stays as it was. A value is read again once a history, the source's or our own, tells
    that it has changed; and each fact once its dispute is withdrawn.

    Raises
    ------
    UsageError : not one fact is named, the tables do not hold it, it says who the account is, it is disputed already,
        or there is no reason or author.
    """
    fact, named = _named(activity, account, attribute, "a fact was to be disputed")
    asked = f"{named} was to be disputed"
    files, said = workspace.plan(plan), _said(asked, reason, by)
    with Store.open(workspace.store) as store:
        standing = _of_fact(store.disputed(), fact)
        if len(standing) and activity:
            raise _disputed_already(asked, standing)
        with taken_in(workspace, say, made_at, files=files) as intake:
            if len(standing) and len(_of_fact(disputed_on(intake.warehouse, made_at), fact)):
                raise _disputed_already(asked, standing)
            source, of = _fact(intake.warehouse, asked, activity, str(account), str(attribute))
            if not activity:
                said |= {"value_digest": value_digest(intake.warehouse, str(account), str(attribute))}
        act = Act(EVERY_PLAN, "dispute", made_at, {**fact, "source": source, **said}, of)
        reads = {a.attribute for a in files.plan.features.fit} | {line.attribute for line in files.icp.rubric}
        reads |= set(ruled_by(files.plan.cohort))
        unread = f"Plan '{files.plan.plan}' does not read {attribute}: no tier of it changes"
        return ActResult(act, store.add_act(act), () if activity or attribute in reads else (unread,))


def withdraw_dispute(
    workspace: Workspace,
    *,
    activity: str | None = None,
    account: str | None = None,
    attribute: str | None = None,
    reason: str,
    by: str,
    made_at: datetime,
) -> ActResult:
    """End the dispute of a fact from now on, for all plans: dates after the withdrawal read the fact again, and those
    between the dispute and it still do not. It may be disputed again.

    Raises
    ------
    UsageError : not one fact is named, no dispute of it stands, or there is no reason or author.
    """
    fact, named = _named(activity, account, attribute, "a dispute was to be withdrawn")
    asked = f"the dispute of {named} was to be withdrawn"
    said = _said(asked, reason, by)
    with Store.open(workspace.store) as store:
        standing = _of_fact(store.disputed(), fact)
        if standing.empty:
            ended = len(_of_fact(store.disputes(), fact))
            found = "it was withdrawn before" if ended else "nobody has disputed that"
            raise UsageError(asked, found=found, do="Nothing is left to withdraw; ids are compared letter by letter")
        last = standing.iloc[-1]
        of = None if pd.isna(last["account_id"]) else str(last["account_id"])
        act = Act(EVERY_PLAN, "withdrawal", made_at, {**fact, **said, "act_id": last["act_id"]}, of)
        return ActResult(act, store.add_act(act))


def release(
    workspace: Workspace, run_id: str, plan: str | None = None, *, reason: str, by: str, made_at: datetime
) -> ActResult:
    """Let exactly one held run go: the next `score` of its date publishes it if nothing that it reads has changed.

    Raises
    ------
    UsageError : the run is unknown, not held, published or released already, or there is no reason or author.
    """
    name = workspace.plan(plan).plan.plan
    asked = f"run {run_id} was to be released"
    said = _said(asked, reason, by)
    with Store.open(workspace.store) as store:
        run = _held(store, name, run_id, asked)
        before = store.released(name, run_id)
        if before is not None:
            do = f"Run `tierwise score --as-of {run.as_of.date()}`"
            raise UsageError(asked, found=f"{before['author']} has released it: {before['reason']}", do=do)
        act = Act(name, "release", made_at, {"run_id": run_id, **said})
        return ActResult(act, store.add_act(act), as_of=run.as_of)


def _held(store: Store, plan: str, run_id: str, asked: str) -> HeldRun:
    held = {run.run_id: run for run in store.held_runs(plan)}
    if store.find_run(run_id) is not None:
        raise UsageError(asked, found="it is published", do="Nothing is to be released")
    if run_id not in held:
        waiting = [r for r in held if store.find_run(r) is None and store.released(plan, r) is None]
        found = f"no run of that id is held; waiting: {', '.join(waiting) or 'none'}"
        raise UsageError(asked, found=found, do="Take the id from the last line of `tierwise score`")
    return held[run_id]


def _said(asked: str, reason: str, by: str) -> dict[str, str]:
    """Reason and author, made fit to show (law 10)."""
    said = {"reason": safe_text(reason).strip(), "author": safe_text(by).strip()}
    for name, option, wanted in (("reason", "--reason", "a reason"), ("author", "--by", "who does it")):
        text = said[name]
        if not text or not text.replace(REMOVED, "").strip():
            found = f"{option} holds an e-mail address or a number alone" if text else f"{option} is empty"
            raise UsageError(asked, found=found, do=f"Say {wanted}, in words")
    return said


def _expiry(asked: str, until: str | datetime, made_at: datetime) -> datetime:
    expires, made = instant(until), instant(made_at)
    first = made.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    if expires <= first:
        raise UsageError(
            asked,
            found=f"--until {expires.date()} is over before any run reads it: the first is of {first.date()}",
            do=f"Give a date after {first.date()}",
        )
    latest = made + timedelta(days=LONGEST_DAYS)
    if expires > latest:
        raise UsageError(
            asked,
            found=f"--until {expires.date()} is more than {LONGEST_DAYS} days ahead",
            do=f"Give a date up to {latest.date()}, and override again then if it still holds",
        )
    return expires


def _account(run: PublishedRun, account_id: str, asked: str) -> dict[str, Any]:
    tiers = run.frame("tiers")
    mine = tiers[tiers["account_id"] == account_id]
    if mine.empty:
        raise UsageError(
            asked,
            found=f"it is not among the {len(tiers):,} accounts of run {run.run_id}",
            do="Look the id up in accounts.csv; ids are compared letter by letter",
        )
    return {str(k): v for k, v in mine.iloc[0].to_dict().items()}


def _guarded(row: dict[str, Any], tier: str) -> tuple[str, ...]:
    """What would hold an override today, by the newest run."""
    stands = str(row["tier"])
    if stands == "suppress":
        return (f"It is suppressed ({row['decided_by']}): no override lifts that, and it waits for the end of it",)
    if stands in STATUSES:
        return (f"It has the status {stands.replace('_', ' ')}: it has no tier, and the override waits for one",)
    guards = {"low_fit", "minimum_fit", "fit_unknown"} & {str(row["decided_by"]), *str(row["guardrails"]).split(";")}
    if guards and tier != "recycle":
        return (f"Its fit is held by a guardrail ({', '.join(sorted(guards))}): no override lifts it above that",)
    return ()


def _named(activity: str | None, account: str | None, attribute: str | None, asked: str) -> tuple[dict[str, str], str]:
    """The one fact that is named (table, fact_id, field), and its words."""
    if activity and not account and not attribute:
        return {"table": "activities", "fact_id": activity, "field": ""}, f"activity '{activity}'"
    if account and attribute and not activity:
        fact = {"table": "accounts", "fact_id": account, "field": attribute}
        return fact, f"the value of '{attribute}' of account '{account}'"
    do = "Say --activity ID, or --account ID and --attribute NAME"
    raise UsageError(asked, found="not one fact is named", do=do)


def _of_fact(disputes: pd.DataFrame, fact: dict[str, str]) -> pd.DataFrame:
    """The rows of one fact."""
    return disputes[(disputes[list(fact)] == pd.Series(fact)).all(axis=1)]


def _disputed_already(asked: str, standing: pd.DataFrame) -> UsageError:
    last = standing.iloc[-1]
    found = f"{last['author']} disputed it on {last['made_at'].date()}"
    return UsageError(asked, found=found, do="Nothing more is to be done; --withdraw ends that dispute")


def _fact(
    warehouse: Warehouse, asked: str, activity: str | None, account: str, attribute: str
) -> tuple[str, str | None]:
    """The source that a disputed fact is counted under, and the account it is of."""
    if activity:
        found = warehouse.frame(
            Query(
                "SELECT coalesce(a.channel, 'activities') AS source, coalesce(a.account_id, c.account_id) AS account "
                "FROM activities a LEFT JOIN contacts c ON c.contact_id = a.contact_id WHERE a.activity_id = $id",
                {"id": activity},
            )
        )
        if found.empty:
            do = "Look the id up in the table activities; ids are compared letter by letter"
            raise UsageError(asked, found="the tables hold no such activity", do=do)
        of = found["account"].iloc[0]
        return str(found["source"].iloc[0]), None if pd.isna(of) else str(of)
    if attribute in UNDISPUTED:
        raise UsageError(asked, found=UNDISPUTED[attribute], do="Mend it where it is kept: in the source of the table")
    there = [c for c in warehouse.columns("accounts") if c not in UNDISPUTED]
    if attribute not in there:
        raise UsageError(asked, found=f"accounts have {', '.join(there)}", do="Name one of these with --attribute")
    if not warehouse.number(Query("SELECT count(*) FROM accounts WHERE account_id = $id", {"id": account})):
        survivor = become(warehouse).get(account)
        if survivor is not None:
            do = f"Dispute the value of '{survivor}', if it is wrong there"
            raise UsageError(asked, found=f"it was merged into '{survivor}', whose own value counts", do=do)
        do = "Look the id up in accounts.csv; ids are compared letter by letter"
        raise UsageError(asked, found="the tables hold no such account", do=do)
    return f"accounts.{attribute}", account
