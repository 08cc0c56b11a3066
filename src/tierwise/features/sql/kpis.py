"""What happened in a window, for the KPIs of tiers: opportunities created, activities, leads, and which columns hold
anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwise.clock import naive
from tierwise.data import Query, bare_domain
from tierwise.features.sql.spine import known, readable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tierwise.config import Outcome

Spans = tuple[tuple["datetime", "datetime"], ...]


def created(outcome: Outcome, since: datetime, until: datetime) -> Query:
    """Every opportunity created in [since, until), as known at its end.

    Columns: opportunity_id, account_id, created_at, closed_at (null: open, or closed on a date that nobody knows), won,
    undated (closed, without a date), amount (today's), asked (of a type, pipeline and product that the outcome asks
    for), deleted (before the end).
    """
    params: dict[str, object] = {"since": naive(since), "until": naive(until)}
    tests = []
    for column, values in (("type", outcome.types), ("pipeline", outcome.pipelines), ("product", outcome.products)):
        if values:
            params[column] = list(values)
            tests.append(f"coalesce(list_contains(${column}, o.{column}), FALSE)")
    closed = f"coalesce(o.is_closed AND {known('o.closed_at', '$until')}, FALSE)"
    return Query(
        f"""
        SELECT o.opportunity_id, o.account_id, o.created_at, CASE WHEN {closed} THEN o.closed_at END AS closed_at,
               {closed} AND coalesce(o.is_won, FALSE) AS won,
               coalesce(o.is_closed AND o.closed_at IS NULL, FALSE) AS undated,
               CAST(o.amount AS DOUBLE) AS amount, {" AND ".join(tests) or "TRUE"} AS asked,
               coalesce({known("o.deleted_at", "$until")}, FALSE) AS deleted
        FROM opportunities o WHERE o.created_at >= $since AND {known("o.created_at", "$until")}
        ORDER BY o.opportunity_id
        """,
        params,
    )


def done(spans: Spans, until: datetime, meetings: Sequence[tuple[str, str]]) -> Query:
    """Activities by account and span, of those known by `until`: account_id, starts (the span's), meetings, seller and
    buyer (by whom they were). Needs the table `touch`.

    spans : (starts, ends), which do not overlap. meetings : (channel, kind) of what is a meeting.
    """
    return Query(
        f"""
        WITH span AS (SELECT unnest($starts) AS starts, unnest($ends) AS ends),
             meeting AS (SELECT unnest($channels) AS channel, unnest($kinds) AS kind)
        SELECT t.account_id, s.starts, CAST(count(m.kind) AS BIGINT) AS meetings,
               CAST(count(*) FILTER (WHERE t.initiator = 'seller') AS BIGINT) AS seller,
               CAST(count(*) FILTER (WHERE t.initiator = 'buyer') AS BIGINT) AS buyer
        FROM touch t JOIN span s ON t.occurred_at >= s.starts AND t.occurred_at < s.ends
        LEFT JOIN meeting m ON m.channel = t.channel AND m.kind = t.kind
        WHERE {readable("t", "$until")}
        GROUP BY t.account_id, s.starts ORDER BY t.account_id, s.starts
        """,
        {
            "starts": [naive(starts) for starts, _ in spans],
            "ends": [naive(ends) for _, ends in spans],
            "until": naive(until),
            "channels": [channel for channel, _ in meetings],
            "kinds": [kind for _, kind in meetings],
        },
    )


def leads(since: datetime, until: datetime) -> Query:
    """Every lead created in [since, until) and not deleted by then: lead_id, account_id (that its domain named when it
    was created; the least of several; null: none), created_at, converted (by then). Needs the table `claims`."""
    return Query(
        f"""
        SELECT l.lead_id, min(c.account_id) AS account_id, any_value(l.created_at) AS created_at,
               coalesce(bool_or({known("l.converted_at", "$until")}), FALSE) AS converted
        FROM leads l
        LEFT JOIN claims c ON c.domain = {bare_domain("l.domain")} AND c.from_at <= l.created_at
             AND (c.until_at IS NULL OR l.created_at < c.until_at)
        WHERE l.created_at >= $since AND {known("l.created_at", "$until")}
          AND (l.deleted_at IS NULL OR NOT {known("l.deleted_at", "$until")})
        GROUP BY l.lead_id ORDER BY l.lead_id
        """,
        {"since": naive(since), "until": naive(until)},
    )


FILLED = {
    "opportunities": "SELECT count(*) FROM opportunities",
    "opportunities.amount": "SELECT count(amount) FROM opportunities",
    "opportunities.is_closed": "SELECT count(is_closed) FROM opportunities",
    "opportunities.is_won": "SELECT count(is_won) FROM opportunities",
    "opportunities.closed_at": "SELECT count(closed_at) FILTER (WHERE is_closed) FROM opportunities",
    "activities.initiator": "SELECT count(initiator) FROM activities",
    "leads": "SELECT count(*) FROM leads",
    "leads.created_at": "SELECT count(created_at) FROM leads",
    "leads.domain": "SELECT count(domain) FROM leads",
    "leads.converted_at": "SELECT count(converted_at) FROM leads",
}
"""A table or a column -> how many of its rows, or cells, are filled."""


def filled() -> Query:
    """One row: how much each of `FILLED` holds, under its name."""
    return Query("SELECT " + ", ".join(f'({sql}) AS "{name}"' for name, sql in FILLED.items()))
