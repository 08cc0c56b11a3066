"""The spine: which accounts are known on which as_of, their ultimate parent, and their status in the cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwise.clock import naive
from tierwise.data import Query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tierwise.config import Cohort

Step = tuple[str, Query]
DAY_US = 86_400_000_000


def known(instant: str, as_of: str = "s.as_of") -> str:
    """Law 1 for a fact that has an instant of its own: it counts if that lies strictly before as_of."""
    return f"{instant} < {as_of}"


def _account_start() -> Step:
    """When each account was first known: its created_at, else its first known fact."""
    return "account_start", Query("""
        SELECT a.account_id, coalesce(a.created_at, f.first_known) AS known_from
        FROM accounts a
        LEFT JOIN (
            SELECT account_id, min(known_at) AS first_known FROM (
                SELECT account_id, known_at FROM touch
                UNION ALL SELECT account_id, created_at FROM opportunities
                UNION ALL SELECT account_id, coalesce(linked_at, created_at) FROM contacts
            ) GROUP BY account_id
        ) f ON f.account_id = a.account_id
    """)


def _family() -> Step:
    """Each account's ultimate parent (identity, so the same on all dates); a cycle ends at its least id."""
    return "family", Query("""
        WITH RECURSIVE up(account_id, ancestor, depth) AS (
            SELECT account_id, account_id, 0 FROM accounts
            UNION ALL
            SELECT up.account_id, a.parent_account_id, up.depth + 1
            FROM up JOIN accounts a ON a.account_id = up.ancestor
            WHERE a.parent_account_id IS NOT NULL AND a.parent_account_id <> a.account_id AND up.depth < 20
        ), deepest AS (SELECT account_id, max(depth) AS depth FROM up GROUP BY account_id)
        SELECT up.account_id,
               CASE WHEN d.depth = 20 THEN min(up.ancestor) ELSE min(up.ancestor) FILTER (WHERE up.depth = d.depth) END
                   AS family_id
        FROM up JOIN deepest d ON d.account_id = up.account_id
        GROUP BY up.account_id, d.depth
    """)


def _rows(source: str, params: dict[str, object]) -> Step:
    """The spine itself: as_of, its day, and the phase that makes an account's own instants fall on a day's start."""
    return "spine", Query(
        f"""
        WITH stand AS ({source})
        SELECT st.account_id, st.as_of, f.family_id, st.known_from,
               epoch_us(st.as_of) % {DAY_US} AS phase, epoch_us(st.as_of) // {DAY_US} AS as_of_day
        FROM stand st JOIN family f ON f.account_id = st.account_id
        WHERE {known("st.known_from", "st.as_of")}
        """,
        params,
    )


def spine(cohort: Cohort, as_ofs: Sequence[datetime], until: datetime) -> list[Step]:
    """Accounts known on each as_of of a calendar grid, or on each account's own instants up to and with `until`."""
    start = [_account_start(), _family()]
    if cohort.grid.account_age_days:
        source = """
            SELECT a.account_id, a.known_from + to_days(g.age) AS as_of, a.known_from
            FROM account_start a CROSS JOIN (SELECT unnest($ages) AS age) g
            WHERE a.known_from + to_days(g.age) <= $until AND a.known_from + to_days(g.age) >= $since
        """
        ages: dict[str, object] = {
            "ages": list(cohort.grid.account_age_days),
            "until": naive(until),
            "since": naive(min(as_ofs)) if as_ofs else None,
        }
        if not as_ofs:
            source = source.replace("AND a.known_from + to_days(g.age) >= $since", "")
            del ages["since"]
        return [*start, _rows(source, ages)]
    source = """
        SELECT a.account_id, g.as_of, a.known_from
        FROM account_start a CROSS JOIN (SELECT CAST(unnest($as_ofs) AS TIMESTAMP) AS as_of) g
    """
    return [*start, _rows(source, {"as_ofs": [naive(a) for a in as_ofs]})]


def status(cohort: Cohort) -> Step:
    """eligible, in_pipeline, customer or not_eligible, as of each row's own date."""
    params: dict[str, object] = {}
    out = ["coalesce(a.deleted_at < s.as_of, FALSE)"]
    if cohort.countries:
        params["countries"] = list(cohort.countries)
        out.append("NOT coalesce(list_contains($countries, a.country), FALSE)")
    if cohort.industries:
        params["industries"] = list(cohort.industries)
        out.append("NOT coalesce(list_contains($industries, a.industry), FALSE)")
    if cohort.min_age_days:
        params["min_age"] = cohort.min_age_days
        out.append("s.known_from + to_days($min_age) > s.as_of")
    if cohort.active_within_days:
        params["active"] = cohort.active_within_days
        out.append("NOT coalesce(r.last_occurred >= s.as_of - to_days($active), FALSE)")
    ended = "FALSE"
    if cohort.ended_by:
        params["ended_by"] = list(cohort.ended_by)
        ended = "coalesce(e.ended_at < s.as_of, FALSE)"
        out.append(ended)
    rules = []
    if cohort.open_opportunity == "exclude":
        rules.append("WHEN coalesce(o.n_open, 0) > 0 THEN 'in_pipeline'")
    if cohort.customers == "exclude":
        rules.append("WHEN coalesce(o.n_won, 0) > 0 THEN 'customer'")
    elif cohort.customers == "only":
        rules.append("WHEN coalesce(o.n_won, 0) = 0 THEN 'not_eligible'")
    ended_join = (
        """LEFT JOIN (SELECT account_id, min(known_at) AS ended_at FROM touch
                      WHERE list_contains($ended_by, kind) GROUP BY account_id) e ON e.account_id = s.account_id"""
        if cohort.ended_by
        else ""
    )
    return "status", Query(
        f"""
        SELECT s.account_id, s.as_of,
               CASE WHEN {" OR ".join(out)} THEN 'not_eligible' {" ".join(rules)} ELSE 'eligible' END AS status
        FROM spine s
        JOIN accounts a ON a.account_id = s.account_id
        LEFT JOIN opportunity_history o ON o.account_id = s.account_id AND o.as_of = s.as_of
        LEFT JOIN recency r ON r.account_id = s.account_id AND r.as_of = s.as_of
        {ended_join}
        """,
        params,
    )
