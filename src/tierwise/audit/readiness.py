"""Readiness: whether the data hold enough outcomes, and which dates, initiators, channels and currencies they lack."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

import tierwise.audit.sql as sql
from tierwise.audit.finding import AuditRules, Finding, Severity

if TYPE_CHECKING:
    from tierwise.config.plan import Plan
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
    do = "Correct its name, or remove it from features.signal.channels"
    found = [
        Finding("empty_channel", "warns", name, f"the plan counts the channel {name}", "no activity is in it", do)
        for name in sorted(set(planned) - set(table["channel"]))
    ]
    for row in table.itertuples(index=False):
        days = (row.first - table["first"].min()).days
        figures = {"n": int(row.n), "first": _date(row.first), "days_after_first": int(days)}
        if row.channel not in planned:
            if row.channel not in outcome_only:
                words = f"the plan does not count it, so its {row.n} activities are no signal"
                do = "Add it to features.signal.channels, if it is what buyers do"
                asked = f"the channel {row.channel}"
                found.append(Finding("uncounted_channel", "notes", row.channel, asked, words, do, figures))
        elif planned[row.channel].tracked_from is None and days > rules.late_channel_days:
            words = (
                f"its first activity is of {figures['first']}, {days} days after the first of all channels: this looks "
                "like a change of tracking, and windows that reach before it would read zero"
            )
            do = f"Set tracked_from: {figures['first']} on the channel, if it was not tracked before"
            asked = f"the plan counts the channel {row.channel} without tracked_from"
            found.append(Finding("late_channel", "warns", row.channel, asked, words, do, figures))
    return found


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
    table = warehouse.frame(sql.currencies())
    if len(table) < 2:
        return []
    figures = {str(r.currency): int(r.n) for r in table.itertuples(index=False)}
    without = [str(r.currency) for r in table.itertuples(index=False) if not r.has_rate]
    words = f"opportunities are in {len(table)} currencies ({', '.join(figures)})"
    asked = "amounts in one currency"
    if len(without) < 2:
        return [Finding("currencies", "notes", "opportunities", asked, words, "", figures)]
    found = f"{words}, and fx_rates has no rate for {', '.join(without)}"
    return [Finding("currency_mix", "warns", "opportunities", asked, found, "Add them to fx_rates", figures)]


def _accounts(warehouse: Warehouse) -> list[Finding]:
    row = warehouse.frame(sql.accounts()).iloc[0]
    n, undated = int(row["n"]), int(row["no_created_at"])
    if not undated:
        return []
    words = f"{undated} of {n} accounts have no created_at: they are eligible from the first fact known of them"
    asked = "since when an account is known"
    return [Finding("no_created_at", "notes", "accounts", asked, words, "Export created_at", _share(undated, n))]


def _share(part: int, n: int) -> dict[str, Any]:
    return {"rows": part, "n": n, "share": part / n}


def _date(value: Any) -> str | None:
    return None if value is None or pd.isna(value) else str(pd.Timestamp(value).date())
