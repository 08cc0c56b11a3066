"""What is linked or written down because of an outcome: contacts joined at it, activities dated before it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

import tierwise.audit.sql as sql
from tierwise.audit.finding import AuditRules, Finding
from tierwise.audit.history import follows, intervals, outcome_instants
from tierwise.audit.measures import Coincidence, coincide

if TYPE_CHECKING:
    from tierwise.config.plan import Plan
    from tierwise.data import Warehouse

MOST_LATE = 500_000
"""Late activities of a channel that are compared with outcomes; of more, a fixed sample."""
LEAST_LATE = 0.05
"""A channel is written late if more than this share of its rows are."""


def of_links(warehouse: Warehouse, plan: Plan, data_through: datetime, rules: AuditRules) -> list[Finding]:
    """Findings on contacts' links and on when activities were written down."""
    events = outcome_instants(warehouse, plan, data_through)
    if events.empty:
        return []
    return [*_contacts(warehouse, events, rules), *_late(warehouse, events, rules)]


def _contacts(warehouse: Warehouse, events: pd.DataFrame, rules: AuditRules) -> list[Finding]:
    linked = warehouse.frame(sql.linked_contacts())
    found = coincide(intervals(linked, 1), events)
    if not follows(found, rules):
        return []
    words = (
        f"contacts are linked at the outcome: at {found.hits} of {found.n} outcomes one joined its account within a "
        f"day after it; {found.expected:.0f} would by chance"
    )
    do = "Export linked_at of every contact: then they count from that instant, and what they did before counts late"
    asked = "since when a contact counts"
    return [Finding("linked_at_outcome", "warns", "contacts", asked, words, do, _figures(found))]


def _late(warehouse: Warehouse, events: pd.DataFrame, rules: AuditRules) -> list[Finding]:
    table = warehouse.frame(sql.lateness(rules.late_days))
    found = []
    for row in table.itertuples(index=False):
        if row.late <= LEAST_LATE * row.n:
            continue
        late = warehouse.frame(sql.late_activities(row.channel, rules.late_days, MOST_LATE))
        items = late.assign(
            account=late["account_id"],
            low=late["low"].astype("datetime64[us]").astype("int64"),
            high=late["high"].astype("datetime64[us]").astype("int64"),
        )
        crossed = coincide(items, events)
        share = f"{row.late / row.n:.0%} of its activities are written down more than {rules.late_days} days late"
        figures = {"n": int(row.n), "late": int(row.late), "usual_days": float(row.usual), **_figures(crossed)}
        asked = f"when activities in the channel {row.channel} were known"
        if follows(crossed, rules, len(table)):
            words = (
                f"{share}, and {crossed.hits} of {crossed.n} outcomes lie between such an activity's date and its "
                f"writing; {crossed.expected:.0f} would by chance"
            )
            do = "Keep recorded_at in every export: dated by occurred_at alone, these would tell the outcome"
            found.append(Finding("logged_after_outcome", "warns", row.channel, asked, words, do, figures))
        else:
            do = "Keep recorded_at in every export: they count from then on"
            found.append(Finding("logged_late", "notes", row.channel, asked, share, do, figures))
    return found


def _figures(found: Coincidence) -> dict[str, Any]:
    return {"outcomes": found.n, "at_outcome": found.hits, "by_chance": found.expected, "p_value": found.p_value}
