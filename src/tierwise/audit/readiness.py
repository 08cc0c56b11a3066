"""Readiness: whether the data hold enough outcomes, and which dates, initiators, channels and currencies they lack."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

import tierwise.audit.sql as sql
from tierwise.audit.effort import SELLERS
from tierwise.audit.finding import AuditRules, Finding, Severity
from tierwise.clock import instant

if TYPE_CHECKING:
    from tierwise.config.plan import Channel, Plan
    from tierwise.data import Warehouse

LEAST_UNDATED = 0.01
"""The share of contacts without any date from which it is a warning."""


def of_readiness(warehouse: Warehouse, plan: Plan, data_through: datetime, rules: AuditRules) -> list[Finding]:
    """Every finding on what the data can support."""
    return [
        *_outcomes(warehouse, plan, data_through),
        *_activities(warehouse),
        *_channels(warehouse, plan, rules),
        *_contacts(warehouse),
        *_currencies(warehouse),
        *_accounts(warehouse),
        *_loaded(warehouse, rules),
        *_matured(warehouse, plan, data_through),
    ]


def _outcomes(warehouse: Warehouse, plan: Plan, data_through: datetime) -> list[Finding]:
    row = warehouse.frame(sql.outcomes(plan.outcome, data_through)).iloc[0]
    accounts, first, newest = int(row["accounts"]), _date(row["first"]), _date(row["newest"])
    figures = {"accounts": accounts, "outcomes": int(row["outcomes"]), "first": first, "newest": newest}
    asked, least = f"outcomes ({plan.outcome.event}) to learn from", plan.model.min_outcomes
    if accounts == 0:
        do = "Check the outcome's types, pipelines, products and stages against the data"
        return [Finding("no_outcomes", "blocks", "outcome", asked, "no account has one", do, figures)]
    found = f"{accounts} accounts have one, the first on {first}, the newest on {newest}"
    if accounts < least:
        words = f"{found}; the plan asks for {least}: too few to learn from"
        do = "Widen the outcome, bring more history, or tier by rules"
        return [Finding("few_outcomes", "warns", "outcome", asked, words, do, figures)]
    return [Finding("outcomes", "notes", "outcome", asked, found, "", figures)]


def _activities(warehouse: Warehouse) -> list[Finding]:
    row = warehouse.frame(sql.activities()).iloc[0]
    n, unrecorded, nobody = int(row["n"]), int(row["no_recorded_at"]), int(row["no_initiator"])
    found = []
    if unrecorded:
        words = f"known_at is occurred_at for {unrecorded} of {n} rows: they have no recorded_at"
        do = "Export when each activity was written down, or trust that it was at once"
        figures = _share(unrecorded, n)
        found.append(Finding("no_recorded_at", "notes", "activities", "when an activity was known", words, do, figures))
    if nobody:
        words = f"{nobody} of {n} activities have none, and are never a signal"
        do = "Export initiator (buyer or seller)"
        severity: Severity = "warns" if nobody == n else "notes"
        asked = "who initiated an activity"
        found.append(Finding("no_initiator", severity, "activities", asked, words, do, _share(nobody, n)))
    return found


def _channels(warehouse: Warehouse, plan: Plan, rules: AuditRules) -> list[Finding]:
    table = warehouse.frame(sql.channels())
    planned = plan.features.signal.channels
    outcome_only = set(plan.outcome.channels) if plan.outcome.event == "activity" else set()
    began = warehouse.frame(sql.initiators())
    sellers = set(began.loc[(began["n"] > 0) & (began["seller"] >= SELLERS * began["n"]), "channel"])
    do = "Correct its name, or remove it from features.signal.channels"
    found = [
        Finding("empty_channel", "warns", name, f"the plan counts the channel {name}", "no activity is in it", do)
        for name in sorted(set(planned) - set(table["channel"]))
    ]
    for row in table.itertuples(index=False):
        days = (row.first - table["first"].min()).days
        figures = {"n": int(row.n), "first": _date(row.first), "days_after_first": int(days)}
        if row.channel in planned:
            found += _tracking(row.channel, planned[row.channel], row.first, figures, rules)
        elif row.channel not in outcome_only:
            words = f"the plan does not count it: {row.n} of the activities are no signal"
            do = "Add it to features.signal.channels, if it is what buyers do"
            if row.channel in sellers:
                words, do = f"sellers begin its activities: {row.n} are effort, and no signal", ""
            asked = f"the channel {row.channel}"
            found.append(Finding("uncounted_channel", "notes", row.channel, asked, words, do, figures))
    return found


def _tracking(
    name: str, channel: Channel, first: pd.Timestamp, figures: dict[str, Any], rules: AuditRules
) -> list[Finding]:
    """A channel that begins long after the others: a change of tracking, which the plan knows of or does not."""
    days = figures["days_after_first"]
    if days <= rules.late_channel_days:
        return []
    words = f"its first activity is of {figures['first']}, {days} days after the first of all channels"
    known = channel.tracked_from
    if known is not None and (first.date() - known).days <= rules.late_channel_days:
        asked = f"the plan counts the channel {name} from {known}"
        words += ": its tracking changed, and windows that reach before are missing, not zero"
        return [Finding("tracking_change", "notes", name, asked, words, "", figures)]
    asked = f"the plan counts the channel {name} " + ("without tracked_from" if known is None else f"from {known}")
    words += ": this looks like a change of tracking, and windows that reach before it would read zero"
    do = f"Set tracked_from: {figures['first']} on the channel, if it was not tracked before"
    return [Finding("tracking_change", "warns", name, asked, words, do, figures)]


def _contacts(warehouse: Warehouse) -> list[Finding]:
    row = warehouse.frame(sql.contacts()).iloc[0]
    n, unlinked, undated = int(row["n"]), int(row["no_linked_at"]), int(row["no_date"])
    if not unlinked:
        return []
    words = f"{unlinked} of {n} contacts have no linked_at: they count from created_at"
    if undated:
        words += f"; {undated} have neither, so that they and what they do reach no account"
    do = "Export when each contact joined its account: a contact moved later would count too early"
    figures = {**_share(unlinked, n), "no_date": undated}
    severity: Severity = "warns" if undated > LEAST_UNDATED * n else "notes"
    return [Finding("no_linked_at", severity, "contacts", "since when a contact counts", words, do, figures)]


def _currencies(warehouse: Warehouse) -> list[Finding]:
    """What the amounts are in: one currency, once the tables are taken in; several are refused or converted there."""
    figures = {str(r.currency): int(r.n) for r in warehouse.frame(sql.currencies()).itertuples(index=False)}
    if not figures:
        return []
    words = f"amounts of opportunities are in {', '.join(f'{c} ({n})' for c, n in figures.items())}"
    return [Finding("currencies", "notes", "opportunities", "what amounts are in", words, "", figures)]


def _accounts(warehouse: Warehouse) -> list[Finding]:
    row = warehouse.frame(sql.accounts()).iloc[0]
    n, undated = int(row["n"]), int(row["no_created_at"])
    if not undated:
        return []
    words = f"{undated} of {n} accounts have no created_at: they are eligible from the first fact known of them"
    asked = "since when an account is known"
    return [Finding("no_created_at", "notes", "accounts", asked, words, "Export created_at", _share(undated, n))]


def _loaded(warehouse: Warehouse, rules: AuditRules) -> list[Finding]:
    """Whether most accounts bear one created_at: the instant of a load, not of their beginning."""
    table = warehouse.frame(sql.commonest_instant("accounts", "created_at"))
    if table.empty:
        return []
    row = table.iloc[0]
    n, same = int(row["n"]), int(row["same"])
    if n < rules.least_rows or same <= rules.load_share * n:
        return []
    words = (
        f"{same} of {n} accounts bear one created_at ({str(row['instant'])[:19]}): they were loaded then, and no "
        "cohort before it holds them"
    )
    do = "Export when each account was first known, or leave created_at out: then its first fact counts"
    figures = _share(same, n)
    return [Finding("load_instant", "warns", "accounts", "since when an account is known", words, do, figures)]


def _matured(warehouse: Warehouse, plan: Plan, data_through: datetime) -> list[Finding]:
    """Whether one horizon has closed since the data begin: else nothing is ever a label (law 2)."""
    first = warehouse.frame(sql.first_fact())["first"][0]
    if pd.isna(first):
        return []
    days, horizon = (data_through - instant(first.to_pydatetime())).days, plan.outcome.horizon_days
    if days >= horizon:
        return []
    words = f"the data reach from {_date(first)} to {data_through.date()}, {days} days: no horizon has closed in them"
    do = "Bring older history" + (f", or set horizon_days to {days} or less" if days else "")
    figures = {"days": days, "horizon_days": horizon}
    asked = f"outcomes within {horizon} days to learn from"
    return [Finding("nothing_matured", "blocks", "outcome", asked, words, do, figures)]


def _share(part: int, n: int) -> dict[str, Any]:
    return {"rows": part, "n": n, "share": part / n}


def _date(value: Any) -> str | None:
    return None if value is None or pd.isna(value) else str(pd.Timestamp(value).date())
