"""Traps: what makes CRM data lie, each switched on alone, each changing the tables and never the hidden states."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tierwise.synthetic.accounts import Accounts, never
from tierwise.synthetic.activity import BY_ACCOUNT, BY_CONTACT, KIND, channels, recorded
from tierwise.synthetic.contacts import describe
from tierwise.synthetic.deals import Deals
from tierwise.synthetic.spec import DAY, NEVER, SECOND, Ints, WorldSpec

BUDGETS = ("under 25k", "25k to 100k", "100k to 500k", "over 500k")


def tracking_begins(spec: WorldSpec) -> Ints:
    """tracking_change: the instant from which intent is tracked (the middle of the history), as an array of one."""
    return np.array([spec.begin + spec.days // 2 * DAY], dtype=np.int64)


def spring_on_contacts(spec: WorldSpec, contacts: pd.DataFrame, accounts: Accounts, deals: Deals) -> pd.DataFrame:
    """contacts_linked_at_conversion: people known long before are linked to the account when it opens an opportunity.

    They are appended, so that positions of the others stand.
    """
    if not spec.has("contacts_linked_at_conversion"):
        return contacts
    rng = spec.rng("trap contacts")
    opened = deals.new_business()
    opened = opened[opened["created"] >= spec.begin]
    counts = rng.integers(1, 4, len(opened))
    account, linked = np.repeat(opened["account"].to_numpy(), counts), np.repeat(opened["created"].to_numpy(), counts)
    born = linked - rng.integers(20 * 86400, 200 * 86400, len(account)) * SECOND
    born = np.maximum(born, np.minimum(accounts.created[account], linked))
    extra = describe(account, np.arange(len(account)), rng, first_id=len(contacts))
    order = np.lexsort((np.arange(len(account)), account))
    return pd.concat(
        [contacts, extra.assign(created=born[order], linked=linked[order], unlinked=NEVER)], ignore_index=True
    )


def spring_on_log(
    spec: WorldSpec, log: pd.DataFrame, accounts: Accounts, contacts: pd.DataFrame, deals: Deals
) -> pd.DataFrame:
    """Apply the traps that change activities, in the order of their names."""
    if spec.has("bots_on_misfits"):
        log = pd.concat([log, _bots(spec, accounts)], ignore_index=True)
    if spec.has("contacts_linked_at_conversion"):
        log = _seen_through_new_contacts(spec, log, contacts, deals)
    if spec.has("late_logged_meetings"):
        log = _late_meetings(spec, log, deals)
    if spec.has("tracking_change"):
        untracked = (channels(log["kind"].to_numpy()) == "intent") & (log["occurred"] < tracking_begins(spec)[0])
        log = log[~untracked].reset_index(drop=True)
    return log


def _bots(spec: WorldSpec, accounts: Accounts) -> pd.DataFrame:
    """Some of the worst quarter by utility are read end to end by robots, for days."""
    rng = spec.rng("trap bots")
    misfits = np.flatnonzero(accounts.utility <= np.quantile(accounts.utility, 0.25))
    who = rng.permutation(misfits)[: max(1, len(misfits) // 8)]
    floods = np.repeat(who, rng.integers(1, 4, len(who)))
    first = np.maximum(spec.day_of(accounts.created[floods]) + 1, 0)
    length = rng.integers(2, 8, len(floods))
    start = first + np.floor(rng.random(len(floods)) * np.maximum(spec.days - first - length, 0)).astype(np.int64)
    visits = rng.poisson(40 * length)
    account = np.repeat(floods, visits)
    day = np.repeat(start, visits) + np.floor(rng.random(len(account)) * np.repeat(length, visits)).astype(np.int64)
    day = np.minimum(day, spec.days - 1)
    occurred = spec.begin + day * DAY + rng.integers(0, 86400, len(account)) * SECOND
    kinds = np.array([KIND["page_view"], KIND["docs_visit"], KIND["pricing_visit"]])
    kind = kinds[rng.choice(3, len(account), p=[0.7, 0.2, 0.1])]
    late = occurred >= accounts.created[account]
    rows = pd.DataFrame({"account": account, "occurred": occurred, "kind": kind})[late].reset_index(drop=True)
    return recorded(spec, rows, rng)


def _seen_through_new_contacts(
    spec: WorldSpec, log: pd.DataFrame, contacts: pd.DataFrame, deals: Deals
) -> pd.DataFrame:
    """A third of what came in under an account before its opening now hangs on a contact that was linked at it."""
    rng = spec.rng("trap contacts' activity")
    opened = deals.new_business()
    opened = opened[opened["created"] >= spec.begin]
    late = contacts.reset_index(names="contact").merge(
        opened[["account", "created"]].rename(columns={"created": "opened"}),
        left_on=["account", "linked"],
        right_on=["account", "opened"],
    )
    late = late.drop_duplicates("account")
    of, begin, end = never(spec.accounts), never(spec.accounts), never(spec.accounts)
    of[late["account"]], begin[late["account"]], end[late["account"]] = late["contact"], late["created"], late["linked"]
    account, occurred = log["account"].to_numpy(), log["occurred"].to_numpy()
    moved = (log["ref"] == BY_ACCOUNT).to_numpy() & (of[account] >= 0) & (rng.random(len(log)) < 1 / 3)
    moved &= np.isin(channels(log["kind"].to_numpy()), ["web", "event", "product"])
    moved &= (occurred >= begin[account]) & (occurred < end[account])
    return log.assign(ref=np.where(moved, BY_CONTACT, log["ref"]), key=np.where(moved, of[account], log["key"]))


def _late_meetings(spec: WorldSpec, log: pd.DataFrame, deals: Deals) -> pd.DataFrame:
    """Two meetings in five are logged weeks later; and some openings are followed by meetings dated before them."""
    rng = spec.rng("trap meetings")
    meeting = (log["kind"] == KIND["meeting_held"]).to_numpy()
    late = meeting & (rng.random(len(log)) < 0.4)
    lag = rng.integers(14 * 86400, 56 * 86400, len(log)) * SECOND
    log = log.assign(recorded=np.where(late, log["occurred"] + lag, log["recorded"]))
    opened = deals.new_business()
    opened = opened[(opened["created"] >= spec.begin + 40 * DAY) & (rng.random(len(opened)) < 0.6)]
    created, n = opened["created"].to_numpy(np.int64), len(opened)
    rows = pd.DataFrame(
        {
            "account": opened["account"].to_numpy(),
            "occurred": created - rng.integers(4 * 86400, 30 * 86400, n) * SECOND,
            "kind": np.full(n, KIND["meeting_held"], dtype=np.int64),
        }
    )
    dated_early = recorded(spec, rows, rng)
    dated_early = dated_early.assign(recorded=created + rng.integers(3600, 14 * 86400, n) * SECOND)
    return pd.concat([log, dated_early], ignore_index=True)


def budgets(spec: WorldSpec, accounts: Accounts, deals: Deals) -> tuple[pd.Series[str], Ints]:
    """late_filled_attribute: each account's budget range, and when it was filled in: nearly always after an opening."""
    rng = spec.rng("trap budget")
    n = len(accounts)
    first = deals.first_opened(n)
    after = np.where((first != NEVER) & (rng.random(n) < 0.85), first + rng.integers(60, 10 * 86400, n) * SECOND, NEVER)
    span = np.maximum(spec.begin + spec.days * DAY - accounts.created, DAY)
    by_chance = accounts.created + np.floor(rng.random(n) * span / 1e6).astype(np.int64) * SECOND
    filled = np.where((after == NEVER) & (first == NEVER) & (rng.random(n) < 0.02), by_chance, after)
    level = np.clip(accounts.size - 1 + rng.integers(-1, 2, n), 0, len(BUDGETS) - 1)
    return pd.Series(np.array(BUDGETS, dtype=object)[level]), filled


def lifecycle(
    spec: WorldSpec, accounts: Accounts, deals: Deals, log: pd.DataFrame, instant: int
) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """todays_lifecycle_stage: where each account stands at an instant (microseconds), as CRM workflows would set it."""
    known = np.maximum(log["occurred"].to_numpy(), log["recorded"].to_numpy()) < instant
    kind = log["kind"].to_numpy()
    names = ("email_reply", "webinar", "demo_request", "meeting_held", "pricing_visit")
    engaged = np.isin(kind, [KIND[name] for name in names])
    asked = np.isin(kind, [KIND["demo_request"], KIND["meeting_held"]])
    stage = np.full(len(accounts), "subscriber", dtype=object)
    stage[np.unique(log["account"].to_numpy()[known & engaged])] = "mql"
    stage[np.unique(log["account"].to_numpy()[known & asked])] = "sql"
    rows = deals.opportunities[deals.opportunities["created"] < instant]
    closed = (rows["closed"] != NEVER) & (rows["closed"] < instant)
    stage[rows["account"][closed & ~rows["won"]]] = "recycled"
    stage[rows["account"][~closed & (rows["type"] == "New Business")]] = "opportunity"
    stage[rows["account"][closed & rows["won"]]] = "customer"
    return stage
