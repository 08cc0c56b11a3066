"""What the audit asks of the warehouse: pure functions from the plan to a query; values are parameters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from tierwise.clock import instant, naive
from tierwise.data import Query, quoted
from tierwise.data.identity import LEAD
from tierwise.features.sql.attributes import intervals

if TYPE_CHECKING:
    from tierwise.config.plan import Attribute, Outcome

REAL = f"NOT starts_with(account_id, '{LEAD}')"
"""An account of the company's own; a provisional one, made of leads, holds no attribute and opens nothing itself."""


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
    return Query(f"SELECT count(*) AS accounts{counts} FROM accounts a WHERE {REAL}")


def holding(attributes: list[str], pattern: str) -> Query:
    """For each attribute whether any value holds a pattern."""
    columns = ", ".join(
        f"coalesce(bool_or(regexp_matches({quoted(n)}, $pattern)), FALSE) AS {quoted(n)}" for n in attributes
    )
    return Query(f"SELECT {columns} FROM accounts", {"pattern": pattern})


def distinct(attribute: str, most: int) -> Query:
    """The different values of a text attribute (of more than `most`, a fixed sample): value."""
    at = quoted(attribute)
    return Query(
        f"SELECT DISTINCT {at} AS value FROM accounts WHERE {at} IS NOT NULL ORDER BY hash({at}), {at} LIMIT $most",
        {"most": most},
    )


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


def outcome_days(outcome: Outcome, data_through: datetime, most: int) -> Query:
    """The first outcome of each account on each day (of more than `most`, a fixed sample): account_id, event_at."""
    events = outcome_events(outcome, data_through)
    return Query(
        f"""
        SELECT account_id, min(event_at) AS event_at FROM ({events.sql})
        GROUP BY account_id, date_trunc('day', event_at) ORDER BY hash(account_id), account_id, event_at LIMIT $most
        """,
        {**events.params, "most": most},
    )


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
        FROM (SELECT * FROM accounts WHERE {REAL}) a LEFT JOIN f ON f.account_id = a.account_id
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


def volumes(initiators: Sequence[str], data_through: datetime | None) -> Query:
    """How many activities those initiators began, by channel, kind and day: channel, kind, day, n."""
    params: dict[str, object] = {"initiators": list(initiators)}
    until = ""
    if data_through is not None:
        params["through"], until = naive(data_through), "AND occurred_at <= $through"
    return Query(
        f"""
        SELECT channel, kind, CAST(occurred_at AS DATE) AS day, count(*) AS n FROM activities
        WHERE list_contains($initiators, initiator) AND occurred_at IS NOT NULL {until}
        GROUP BY channel, kind, day ORDER BY channel, kind, day
        """,
        params,
    )


def stage_entries(data_through: datetime) -> Query:
    """Every entry into a stage: pipeline (empty without one), stage, entered_at."""
    return Query(
        """
        SELECT coalesce(o.pipeline, '') AS pipeline, g.stage, g.entered_at
        FROM opportunity_stages g JOIN opportunities o ON o.opportunity_id = g.opportunity_id
        WHERE g.entered_at <= $through ORDER BY pipeline, g.entered_at, g.stage
        """,
        {"through": naive(data_through)},
    )


def contacts() -> Query:
    """One row: n contacts, how many lack linked_at, and how many lack created_at too."""
    return Query(
        "SELECT count(*) AS n, count(*) FILTER (linked_at IS NULL) AS no_linked_at, "
        "count(*) FILTER (linked_at IS NULL AND created_at IS NULL) AS no_date FROM contacts"
    )


def accounts() -> Query:
    """One row: n accounts, and how many lack created_at."""
    return Query(
        f"SELECT count(*) AS n, count(*) FILTER (created_at IS NULL) AS no_created_at FROM accounts WHERE {REAL}"
    )


def currencies() -> Query:
    """A row for each currency of an opportunity with an amount: currency, n."""
    return Query(
        """
        SELECT currency, count(*) AS n FROM opportunities WHERE amount IS NOT NULL AND currency IS NOT NULL
        GROUP BY currency ORDER BY currency
        """
    )


def attribute_values(attributes: list[str], outcome: Outcome, data_through: datetime, most: int) -> Query:
    """A row for each account (of more than `most`, a fixed sample): owner_id, owner_before, created_at,
    value_<attribute>..., has_outcome.

    owner_before: whom account_history says the owner came after. Provisional accounts have no row: they hold no
    attribute, and their outcomes are those of the account that comes later.
    """
    events = outcome_events(outcome, data_through)
    values = "".join(f", a.{quoted(name)} AS {quoted('value_' + name)}" for name in attributes)
    return Query(
        f"""
        SELECT a.owner_id, b.owner_before, a.created_at{values}, h.account_id IS NOT NULL AS has_outcome
        FROM (SELECT * FROM accounts WHERE {REAL}) a
        LEFT JOIN (
            SELECT account_id, arg_max(CAST(old_value AS VARCHAR), changed_at) AS owner_before FROM account_history
            WHERE field = 'owner_id' AND old_value IS NOT NULL AND old_value <> new_value GROUP BY account_id
        ) b ON b.account_id = a.account_id
        LEFT JOIN (SELECT DISTINCT account_id FROM ({events.sql})) h ON h.account_id = a.account_id
        ORDER BY hash(a.account_id), a.account_id LIMIT $most
        """,
        {**events.params, "most": most},
    )


def first_changes(field: str, creation_days: int) -> Query:
    """When each account's history of a field begins, later than its creation: account_id, happened_at."""
    return Query(
        """
        SELECT h.account_id, min(h.changed_at) AS happened_at
        FROM account_history h JOIN accounts a ON a.account_id = h.account_id
        WHERE h.field = $field GROUP BY h.account_id
        HAVING any_value(a.created_at) IS NULL OR min(h.changed_at) > any_value(a.created_at) + to_days($days)
        ORDER BY h.account_id
        """,
        {"field": field, "days": creation_days},
    )


def changes(field: str) -> Query:
    """Every day on which a field of an account changed: account_id, happened_at, was_blank."""
    return Query(
        """
        SELECT account_id, min(changed_at) AS happened_at,
               bool_or(nullif(CAST(old_value AS VARCHAR), '') IS NULL) AS was_blank
        FROM account_history WHERE field = $field GROUP BY account_id, date_trunc('day', changed_at)
        ORDER BY account_id, happened_at
        """,
        {"field": field},
    )


def commonest_instant(table: str, column: str, field: str | None = None) -> Query:
    """One row: the commonest instant of a column of accounts or their history, how many rows bear it (same), and how
    many have one (n)."""
    where, params = ("AND field = $field", {"field": field}) if field is not None else ("", {})
    return Query(
        f"""
        SELECT {column} AS instant, count(*) AS same, sum(count(*)) OVER () AS n FROM {table}
        WHERE {column} IS NOT NULL AND {REAL} {where} GROUP BY {column} ORDER BY same DESC, instant LIMIT 1
        """,
        params,
    )


def first_fact() -> Query:
    """One row: the first activity or opportunity there is."""
    return Query(
        "SELECT least((SELECT min(occurred_at) FROM activities), (SELECT min(created_at) FROM opportunities)) AS first"
    )


def linked_contacts() -> Query:
    """When contacts joined their accounts, by instant: account_id, happened_at."""
    return Query(
        """
        SELECT account_id, linked_at AS happened_at FROM contacts WHERE linked_at IS NOT NULL AND account_id IS NOT NULL
        GROUP BY account_id, linked_at ORDER BY account_id, happened_at
        """
    )


def lateness(days: int) -> Query:
    """A row for each channel with rows that say when they were written: channel, n, late (more than so many days)."""
    return Query(
        """
        SELECT channel, count(*) AS n,
               count(*) FILTER (WHERE recorded_at > occurred_at + to_days($days)) AS late,
               coalesce(median(date_diff('day', occurred_at, recorded_at))
                   FILTER (WHERE recorded_at > occurred_at + to_days($days)), 0) AS usual
        FROM activities WHERE recorded_at IS NOT NULL AND channel IS NOT NULL GROUP BY channel ORDER BY channel
        """,
        {"days": days},
    )


def late_activities(channel: str, days: int, most: int) -> Query:
    """Activities of a channel that were written late (of more than `most`, a fixed sample): account_id, low, high."""
    return Query(
        """
        SELECT coalesce(v.account_id, c.account_id) AS account_id, v.occurred_at AS low, v.recorded_at AS high
        FROM activities v LEFT JOIN contacts c ON c.contact_id = v.contact_id
        WHERE v.channel = $channel AND v.recorded_at > v.occurred_at + to_days($days)
              AND coalesce(v.account_id, c.account_id) IS NOT NULL
        ORDER BY hash(v.activity_id), v.activity_id LIMIT $most
        """,
        {"channel": channel, "days": days, "most": most},
    )


def initiators() -> Query:
    """A row for each channel: channel, n (activities that say who began them), seller (of these)."""
    return Query(
        """
        SELECT channel, count(initiator) AS n, count(*) FILTER (WHERE initiator = 'seller') AS seller
        FROM activities WHERE channel IS NOT NULL GROUP BY channel ORDER BY channel
        """
    )


def effort(channels: list[str], attributes: list[str], data_through: datetime, most: int) -> Query:
    """How each account was worked before its first opportunity: seller activities (n), days, value_<attribute>...

    Accounts that could be worked for 90 days or more; of more than `most`, a fixed sample.
    """
    values = "".join(f", a.{quoted(name)} AS {quoted('value_' + name)}" for name in attributes)
    named = "".join(f", a.{quoted('value_' + name)}" for name in attributes)
    return Query(
        f"""
        WITH start AS (SELECT min(occurred_at) AS first FROM activities WHERE initiator = 'seller'),
        opened AS (SELECT account_id, min(created_at) AS first FROM opportunities GROUP BY account_id),
        spans AS (
            SELECT a.account_id{values}, greatest(coalesce(a.created_at, s.first), s.first) AS begins,
                   least(coalesce(o.first, $through), $through, coalesce(a.deleted_at, $through)) AS ends
            FROM (SELECT * FROM accounts WHERE {REAL}) a CROSS JOIN start s
            LEFT JOIN opened o ON o.account_id = a.account_id),
        chosen AS (
            SELECT * FROM spans WHERE ends >= begins + to_days(90) ORDER BY hash(account_id), account_id LIMIT $most),
        worked AS (
            SELECT a.account_id, count(*) AS n
            FROM (SELECT coalesce(v.account_id, c.account_id) AS account_id, v.occurred_at FROM activities v
                  LEFT JOIN contacts c ON c.contact_id = v.contact_id
                  WHERE v.initiator = 'seller' AND list_contains($channels, v.channel)) v
            JOIN chosen a ON a.account_id = v.account_id AND v.occurred_at >= a.begins AND v.occurred_at < a.ends
            GROUP BY a.account_id)
        SELECT coalesce(w.n, 0) AS n, date_diff('day', a.begins, a.ends) AS days{named}
        FROM chosen a LEFT JOIN worked w ON w.account_id = a.account_id ORDER BY a.account_id
        """,
        {"channels": channels, "through": naive(data_through), "most": most},
    )


def closes(data_through: datetime) -> Query:
    """When opportunities were closed, up to data_through: account_id, event_at."""
    return Query(
        "SELECT account_id, closed_at AS event_at FROM opportunities "
        "WHERE is_closed AND closed_at <= $through AND account_id IS NOT NULL ORDER BY account_id, event_at",
        {"through": naive(data_through)},
    )


def fill_around(field: str, outcome: Outcome, data_through: datetime, days: int) -> Query:
    """One row: n outcomes that are `days` old; how many accounts held a value just before (before), `days` after
    (after), only after (gained), only before (lost); rebuilt from account_history, else today's."""
    events = outcome_events(outcome, data_through)

    def at(instant_: str, alias: str) -> str:
        return (
            f"LEFT JOIN h {alias} ON {alias}.account_id = e.account_id "
            f"AND ({alias}.from_at IS NULL OR {alias}.from_at < {instant_}) "
            f"AND ({alias}.to_at IS NULL OR NOT {alias}.to_at < {instant_})"
        )

    after = "e.event_at + to_days($days)"
    held = f"CASE WHEN b.account_id IS NULL THEN CAST(a.{quoted(field)} AS VARCHAR) ELSE {{}}.value END"
    return Query(
        f"""
        WITH h AS (SELECT * FROM ({intervals("account_history", "account_id")}) WHERE field = $field),
        around AS (
            SELECT nullif({held.format("b")}, '') IS NOT NULL AS was,
                   nullif({held.format("f")}, '') IS NOT NULL AS is_now
            FROM ({events.sql}) e JOIN accounts a ON a.account_id = e.account_id
            {at("e.event_at", "b")} {at(after, "f")}
            WHERE {after} <= $through)
        SELECT count(*) AS n, count(*) FILTER (was) AS before, count(*) FILTER (is_now) AS after,
               count(*) FILTER (is_now AND NOT was) AS gained, count(*) FILTER (was AND NOT is_now) AS lost
        FROM around
        """,
        {**events.params, "through": naive(data_through), "field": field, "days": days},
    )
