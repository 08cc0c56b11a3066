"""What the policy reads besides scores: exclusions and negative triggers in force on as_of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwise.data import Query
from tierwise.features.sql.spine import Step, known, readable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def excluded(reasons: Sequence[str]) -> Step:
    """The reason of an exclusion in force, by the narrowest of account, domain and country that it names.

    A reason outside the vocabulary may name a person (law 10), and reads `other`. A disputed country is read here all
    the same: a suppression is lifted where it is kept, in the table exclusions, as no person's act lifts one.
    """
    said = "regexp_replace(lower(trim(x.reason)), '[^a-z0-9]+', '_', 'g')"
    return "excluded", Query(
        f"""
        WITH barred AS (
            SELECT a.account_id, x.reason, x.recorded_at, x.starts_on, x.ends_on
            FROM accounts a JOIN exclusions x ON x.account_id = a.account_id
            UNION ALL
            SELECT a.account_id, x.reason, x.recorded_at, x.starts_on, x.ends_on
            FROM accounts a JOIN exclusions x ON lower(x.domain) = lower(a.domain) AND x.account_id IS NULL
            UNION ALL
            SELECT a.account_id, x.reason, x.recorded_at, x.starts_on, x.ends_on
            FROM accounts a JOIN exclusions x
                 ON x.country = a.country AND x.account_id IS NULL AND x.domain IS NULL
        )
        SELECT s.account_id, s.as_of,
               min(CASE WHEN list_contains($reasons, {said}) THEN {said} ELSE 'other' END) AS reason
        FROM spine s JOIN barred x ON x.account_id = s.account_id
        WHERE (x.recorded_at IS NULL OR {known("x.recorded_at")})
          AND (x.starts_on IS NULL OR x.starts_on <= s.as_of)
          AND (x.ends_on IS NULL OR x.ends_on > s.as_of)
        GROUP BY s.account_id, s.as_of
        """,
        {"reasons": list(reasons)},
    )


def negative_triggers(kinds: Mapping[str, int]) -> Step:
    """The kind of a negative trigger in force: an activity of anybody's within so many days before as_of."""
    return "negative", Query(
        f"""
        WITH k AS (SELECT unnest($kinds) AS kind, unnest($days) AS days)
        SELECT s.account_id, s.as_of, min(t.kind) AS kind
        FROM spine s JOIN touch t ON t.account_id = s.account_id AND {readable()}
        JOIN k ON k.kind = t.kind AND t.occurred_at >= s.as_of - to_days(k.days)
        GROUP BY s.account_id, s.as_of
        """,
        {"kinds": list(kinds), "days": list(kinds.values())},
    )
