"""What the audit asks of the warehouse: pure functions from the plan to a query; values are parameters."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from tierwise.clock import instant, naive
from tierwise.data import Query, quoted

if TYPE_CHECKING:
    from tierwise.config.plan import Attribute, Outcome


def columns(table: str) -> Query:
    """The columns of a table, in order: name."""
    return Query(
        "SELECT column_name AS name FROM information_schema.columns "
        "WHERE table_name = $table ORDER BY ordinal_position",
        {"table": table},
    )


def filled(attributes: list[str]) -> Query:
    """How many accounts hold a value of each attribute today: one row, a column each, and `accounts`."""
    counts = "".join(f", count(a.{quoted(name)}) AS {quoted('filled_' + name)}" for name in attributes)
    return Query(f"SELECT count(*) AS accounts{counts} FROM accounts a")


def holding(attributes: list[str], pattern: str) -> Query:
    """For each attribute whether any value holds a pattern."""
    columns = ", ".join(
        f"coalesce(bool_or(regexp_matches({quoted(n)}, $pattern)), FALSE) AS {quoted(n)}" for n in attributes
    )
    return Query(f"SELECT {columns} FROM accounts", {"pattern": pattern})


def outcome_events(outcome: Outcome, data_through: datetime) -> Query:
    """Every outcome up to data_through: account_id, event_at."""
    params: dict[str, object] = {"through": naive(data_through)}
    tests = ["o.event_at IS NOT NULL", "o.account_id IS NOT NULL", "o.event_at <= $through"]
    for column, values in (("type", outcome.types), ("pipeline", outcome.pipelines), ("product", outcome.products)):
        if values and outcome.event != "activity":
            params[column] = list(values)
            tests.append(f"list_contains(${column}, o.{column})")
    if outcome.min_amount is not None and outcome.event != "activity":
        params["least"] = outcome.min_amount
        tests.append("o.amount >= $least")
    if outcome.event == "activity":
        for column, values in (("channel", outcome.channels), ("kind", outcome.kinds)):
            if values:
                params[column] = list(values)
                tests.append(f"list_contains(${column}, o.{column})")
        source = """(SELECT coalesce(v.account_id, c.account_id) AS account_id, v.occurred_at AS event_at,
                            v.channel, v.kind
                     FROM activities v LEFT JOIN contacts c ON c.contact_id = v.contact_id) o"""
    elif outcome.event == "stage_reached":
        params["stages"] = list(outcome.stages)
        tests.append("list_contains($stages, o.reached)")
        source = """(SELECT p.*, g.stage AS reached, g.entered_at AS event_at
                     FROM opportunities p JOIN opportunity_stages g ON g.opportunity_id = p.opportunity_id) o"""
    elif outcome.event == "opportunity_won":
        tests.append("o.is_closed AND o.is_won")
        source = "(SELECT p.*, p.closed_at AS event_at FROM opportunities p) o"
    else:
        source = "(SELECT p.*, p.created_at AS event_at FROM opportunities p) o"
    return Query(f"SELECT o.account_id, o.event_at FROM {source} WHERE {' AND '.join(tests)}", params)


def outcomes(outcome: Outcome, data_through: datetime) -> Query:
    """One row: accounts (with an outcome), outcomes, first, newest."""
    events = outcome_events(outcome, data_through)
    return Query(
        f"""
        SELECT count(DISTINCT account_id) AS accounts, count(*) AS outcomes,
               min(event_at) AS first, max(event_at) AS newest
        FROM ({events.sql})
        """,
        events.params,
    )


def missing_by_outcome(attribute: str, outcome: Outcome, data_through: datetime) -> Query:
    """One row: accounts with and without an outcome, and how many of each lack the attribute today."""
    events = outcome_events(outcome, data_through)
    return Query(
        f"""
        SELECT count(*) FILTER (h.account_id IS NOT NULL) AS n_with,
               count(*) FILTER (h.account_id IS NOT NULL AND a.{quoted(attribute)} IS NULL) AS missing_with,
               count(*) FILTER (h.account_id IS NULL) AS n_without,
               count(*) FILTER (h.account_id IS NULL AND a.{quoted(attribute)} IS NULL) AS missing_without
        FROM accounts a LEFT JOIN (SELECT DISTINCT account_id FROM ({events.sql})) h ON h.account_id = a.account_id
        """,
        events.params,
    )


def history_of(attribute: Attribute, creation_days: int) -> Query:
    """One row on a tracked attribute: changed, counted and blank accounts; untouched, and held of those.

    changed: accounts with history. counted: those whose first change is since tracked_since and later than their
    creation; blank: of these, the ones whose first change has no old value. held: untouched, with a value today.
    """
    params: dict[str, object] = {"field": attribute.attribute, "days": creation_days}
    since = ""
    if attribute.tracked_since is not None:
        params["since"] = naive(instant(attribute.tracked_since))
        since = "AND f.changed_at >= $since"
    counted = (
        f"f.account_id IS NOT NULL {since} AND (a.created_at IS NULL OR f.changed_at > a.created_at + to_days($days))"
    )
    return Query(
        f"""
        WITH f AS (
            SELECT account_id, arg_min([nullif(CAST(old_value AS VARCHAR), '')], changed_at)[1] AS old_value,
                   min(changed_at) AS changed_at
            FROM account_history WHERE field = $field GROUP BY account_id)
        SELECT count(f.account_id) AS changed,
               count(*) FILTER ({counted}) AS counted,
               count(*) FILTER ({counted} AND f.old_value IS NULL) AS blank,
               count(*) FILTER (f.account_id IS NULL) AS untouched,
               count(*) FILTER (f.account_id IS NULL AND a.{quoted(attribute.attribute)} IS NOT NULL) AS held
        FROM accounts a LEFT JOIN f ON f.account_id = a.account_id
        """,
        params,
    )


def activities() -> Query:
    """One row: n activities, and how many lack recorded_at and initiator."""
    return Query(
        "SELECT count(*) AS n, count(*) FILTER (recorded_at IS NULL) AS no_recorded_at, "
        "count(*) FILTER (initiator IS NULL) AS no_initiator FROM activities"
    )


def channels() -> Query:
    """A row for each channel: channel, n, first; by name."""
    return Query(
        "SELECT channel, count(*) AS n, min(occurred_at) AS first FROM activities "
        "WHERE channel IS NOT NULL GROUP BY channel ORDER BY channel"
    )


def contacts() -> Query:
    """One row: n contacts, how many lack linked_at, and how many lack created_at too."""
    return Query(
        "SELECT count(*) AS n, count(*) FILTER (linked_at IS NULL) AS no_linked_at, "
        "count(*) FILTER (linked_at IS NULL AND created_at IS NULL) AS no_date FROM contacts"
    )


def accounts() -> Query:
    """One row: n accounts, and how many lack created_at."""
    return Query("SELECT count(*) AS n, count(*) FILTER (created_at IS NULL) AS no_created_at FROM accounts")


def currencies() -> Query:
    """A row for each currency of an opportunity with an amount: currency, n, and whether fx_rates holds it."""
    return Query(
        """
        SELECT o.currency, count(*) AS n, bool_or(o.currency IN (SELECT currency FROM fx_rates)) AS has_rate
        FROM opportunities o WHERE o.amount IS NOT NULL AND o.currency IS NOT NULL
        GROUP BY o.currency ORDER BY o.currency
        """
    )
