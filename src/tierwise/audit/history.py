"""What an attribute's history proves: whether it is there, whole, and whether it begins or moves with outcomes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
from scipy import stats

import tierwise.audit.sql as sql
from tierwise.audit.finding import AuditRules, Finding
from tierwise.audit.measures import Coincidence, coincide
from tierwise.data import OwnField, own_fields

if TYPE_CHECKING:
    from tierwise.config.plan import Attribute, Plan
    from tierwise.data import Warehouse

DAY = 86_400_000_000
"""A day in microseconds."""
MOST_OUTCOMES = 50_000
"""Outcomes that are compared with what accompanies them; of more, a fixed sample of accounts."""


def of_history(
    warehouse: Warehouse, attribute: Attribute, plan: Plan, data_through: datetime, rules: AuditRules
) -> list[Finding]:
    """Findings on the history of one declared attribute; `history_there` only says that it has one."""
    name = attribute.attribute
    row = warehouse.frame(sql.history_of(attribute, rules.creation_days)).iloc[0]
    figures = {k: int(row[k]) for k in ("changed", "counted", "blank", "untouched", "held")}
    asked = f"the plan declares {name} as {attribute.clock}"
    if figures["changed"] == 0:
        if attribute.clock != "tracked":
            return []
        found = f"account_history has no row for the field {name}"
        do = f"Export the history of {name}, or declare it slow, fixed or accepted"
        return [Finding("tracked_without_history", "blocks", name, asked, found, do, figures, refuses=True)]
    events = outcome_instants(warehouse, plan, data_through)
    own = own_fields(warehouse).get(name)
    loaded = [] if own else _load_instant(warehouse, name, asked, attribute.clock == "tracked", rules)
    filled = _filled_after(warehouse, attribute, asked, plan, data_through, rules)
    if attribute.clock == "tracked":
        return [*loaded, *filled, *_tracked(warehouse, name, asked, figures, events, rules, own=own)]
    there = Finding("history_there", "notes", name, asked, "it has a history")
    closes = _instants(warehouse.frame(sql.closes(data_through)))
    return [there, *loaded, *filled, *_changed_after(warehouse, name, asked, events, closes, rules)]


def outcome_instants(warehouse: Warehouse, plan: Plan, data_through: datetime) -> pd.DataFrame:
    """The outcomes, one an account and day: account (text), at (microseconds)."""
    return _instants(warehouse.frame(sql.outcome_days(plan.outcome, data_through, MOST_OUTCOMES)))


def _instants(found: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"account": found["account_id"], "at": _micros(found["event_at"])})


def intervals(changes: pd.DataFrame, days: float) -> pd.DataFrame:
    """For each change the outcomes that it may follow: those of the `days` before it, and at it."""
    at = _micros(changes["happened_at"])
    return pd.DataFrame({"account": changes["account_id"], "low": at - int(days * DAY), "high": at})


def _micros(instants: pd.Series) -> pd.Series:
    return instants.astype("datetime64[us]").astype("int64")


def follows(found: Coincidence, rules: AuditRules, tests: int = 1) -> bool:
    """Whether something coincides with outcomes beyond chance, in effect and in probability."""
    often = found.hits >= rules.coincidence_share * found.n and found.ratio >= rules.coincidence_ratio
    return often and found.p_value < rules.chance / tests


def _tracked(
    warehouse: Warehouse,
    name: str,
    asked: str,
    figures: dict[str, int],
    events: pd.DataFrame,
    rules: AuditRules,
    *,
    own: OwnField | None,
) -> list[Finding]:
    """Findings on a tracked attribute; own: our own history holds its changes, which begins where we began to look."""
    blank = figures["blank"] / max(figures["counted"], 1)
    held = figures["held"] / max(figures["untouched"], 1)
    first = warehouse.frame(sql.first_changes(name, rules.creation_days))
    begins = coincide(intervals(first, rules.outcome_days), events)
    late = follows(begins, rules)
    least = rules.blank_first_changes / (2 if late else 1)
    said: dict[str, Any] = {**figures, **_counts(begins)}
    if blank > least and held > rules.held_untouched:
        found = (
            f"{figures['blank']} of {figures['counted']} first changes carry no old value, while {figures['held']} of "
            f"{figures['untouched']} accounts without a change hold one: being missing on a date would tell that a "
            "change is still to come"
        )
        do = "Export the history with old values, set tracked_since to when they began, or remove the attribute"
        return [Finding("blank_old_values", "blocks", name, asked, found, do, figures, refuses=True)]
    if late and not own:
        found = (
            f"its history begins where outcomes do: {begins.hits} of {begins.n} outcomes had the first change within "
            f"{rules.outcome_days} days after them; {begins.expected:.0f} would by chance"
        )
        do = "Make sure that its history is whole, from before outcomes on; else set tracked_since, or remove it"
        return [Finding("history_begins_at_outcome", "warns", name, asked, found, do, said)]
    words = f"its value is rebuilt as of each date: {figures['changed']} accounts have changes of it"
    if own:
        words = (
            f"its value is rebuilt as of each date from {own.since.date()} on: {own.changes:,} changes were seen so far"
        )
    return [Finding("known_as_of", "notes", name, asked, words, "", said)]


def _changed_after(
    warehouse: Warehouse, name: str, asked: str, outcomes: pd.DataFrame, closes: pd.DataFrame, rules: AuditRules
) -> list[Finding]:
    """Today's value of an attribute whose own history shows that outcomes, or closes, change it."""
    changed = intervals(warehouse.frame(sql.changes(name)), rules.outcome_days)
    found = []
    for code, events, said in (
        ("changed_after_outcome", outcomes, "outcomes"),
        ("changed_after_close", closes, "closes of opportunities"),
    ):
        moved = coincide(changed, events)
        if follows(moved, rules):
            words = (
                f"{moved.hits} of {moved.n} {said} had a change of it within {rules.outcome_days} days after them; "
                f"{moved.expected:.0f} would by chance"
            )
            do = "Declare it tracked: account_history holds its changes, and today's value is that of afterwards"
            found.append(Finding(code, "blocks", name, asked, words, do, _counts(moved), refuses=True))
    return found


def _filled_after(
    warehouse: Warehouse, attribute: Attribute, asked: str, plan: Plan, data_through: datetime, rules: AuditRules
) -> list[Finding]:
    """Its fill rate just before outcomes against that some days after them, as its history rebuilds it."""
    name, days = attribute.attribute, rules.outcome_days
    row = warehouse.frame(sql.fill_around(name, plan.outcome, data_through, days)).iloc[0]
    n, before, after, gained, lost = (int(row[k]) for k in ("n", "before", "after", "gained", "lost"))
    if not n or (gained - lost) / n <= rules.missing_difference:
        return []
    p_value = float(stats.binom.sf(gained - 1, gained + lost, 0.5))
    if p_value >= rules.chance:
        return []
    words = (
        f"outcomes fill it in: {before / n:.0%} of {n} accounts held a value just before their outcome, "
        f"{after / n:.0%} {days} days after it"
    )
    figures = {"n": n, "before": before, "after": after, "gained": gained, "lost": lost, "p_value": p_value}
    if attribute.clock == "tracked":
        do = "It is rebuilt as of each date; make sure that the history was not loaded later"
        return [Finding("filled_after_outcome", "warns", name, asked, words, do, figures)]
    do = "Declare it tracked: account_history holds its changes, and today's value is that of afterwards"
    return [Finding("filled_after_outcome", "blocks", name, asked, words, do, figures, refuses=True)]


def _load_instant(warehouse: Warehouse, name: str, asked: str, tracked: bool, rules: AuditRules) -> list[Finding]:
    row = warehouse.frame(sql.commonest_instant("account_history", "changed_at", name)).iloc[0]
    n, same = int(row["n"]), int(row["same"])
    if n < rules.least_rows or same <= rules.load_share * n:
        return []
    words = f"{same} of {n} rows of its history bear one instant ({str(row['instant'])[:19]}): they were loaded then"
    do = "Export the instants of the changes themselves, or declare it slow, fixed or accepted"
    figures = {"rows": same, "n": n, "share": same / n}
    return [Finding("load_instant", "blocks" if tracked else "warns", name, asked, words, do, figures, refuses=tracked)]


def _counts(found: Coincidence) -> dict[str, Any]:
    return {"outcomes": found.n, "followed": found.hits, "by_chance": found.expected, "p_value": found.p_value}
