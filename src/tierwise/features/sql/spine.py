"""The spine: which accounts are known on which as_of, their ultimate parent, and their status in the cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwise.clock import naive
from tierwise.data import Query, families, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from tierwise.config import Cohort

Step = tuple[str, Query]
DAY_US = 86_400_000_000


def known(instant: str, as_of: str = "s.as_of") -> str:
    """Law 1 for a fact that has an instant of its own: it counts if that lies strictly before as_of."""
    return f"{instant} < {as_of}"


def readable(touch: str = "t", as_of: str = "s.as_of") -> str:
    """Law 1 for an activity: it was known strictly before as_of, and nobody had marked it wrong before it."""
    disputed_at = f"{touch}.disputed_at"
    return f"{known(f'{touch}.known_at', as_of)} AND ({disputed_at} IS NULL OR NOT {known(disputed_at, as_of)})"


def wrong(field: str) -> str:
    """The alias of the rows of `disputed` in which a field's value is marked wrong."""
    return quoted(f"wrong_{field}")


def join_wrong(field: str, n: int, params: dict[str, object]) -> str:
    """The join that finds out whether a field's value is marked wrong in a row (s)."""
    params[f"wrong_{n}"] = field
    alias = wrong(field)
    return (
        f"LEFT JOIN disputed {alias} ON {alias}.account_id = s.account_id AND {alias}.as_of = s.as_of "
        f"AND {alias}.field = $wrong_{n}"
    )


def undisputed(field: str, value: str) -> str:
    """The value of an account's field, missing where it is marked wrong (`join_wrong`)."""
    return f"CASE WHEN {wrong(field)}.field IS NULL THEN {value} END"


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


def family() -> Step:
    """Each account's ultimate parent (identity, so the same on all dates); a cycle ends at its least id."""
    return "family", families()


def _rows(source: str, params: dict[str, object], only: Sequence[str] | None) -> Step:
    """The spine itself: as_of, its day, and the phase that makes an account's own instants fall on a day's start."""
    among = ""
    if only is not None:
        params, among = params | {"only": list(only)}, "AND list_contains($only, st.account_id)"
    return "spine", Query(
        f"""
        WITH stand AS ({source})
        SELECT st.account_id, st.as_of, f.family_id, st.known_from,
               epoch_us(st.as_of) % {DAY_US} AS phase, epoch_us(st.as_of) // {DAY_US} AS as_of_day
        FROM stand st JOIN family f ON f.account_id = st.account_id
        WHERE {known("st.known_from", "st.as_of")} {among}
        """,
        params,
    )


def spine(cohort: Cohort, as_ofs: Sequence[datetime], until: datetime, only: Sequence[str] | None = None) -> list[Step]:
    """Accounts known on each as_of of a calendar grid, or on each account's own instants up to and with `until`.

    only : these accounts alone; None is all.
    """
    start = [_account_start()]
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
        return [*start, _rows(source, ages, only)]
    source = """
        SELECT a.account_id, g.as_of, a.known_from
        FROM account_start a CROSS JOIN (SELECT CAST(unnest($as_ofs) AS TIMESTAMP) AS as_of) g
    """
    return [*start, _rows(source, {"as_ofs": [naive(a) for a in as_ofs]}, only)]


def ruled_by(cohort: Cohort) -> tuple[str, ...]:
    """The attributes that the cohort's rules read, as today's tables have them on all dates."""
    return tuple(f for f, asked in (("country", cohort.countries), ("industry", cohort.industries)) if asked)


def _rules(cohort: Cohort, values: Mapping[str, str], params: dict[str, object]) -> dict[str, str]:
    """Why an account is out of the cohort, by name, each with its test; the first that holds counts.

    values : attribute -> its expression. One that is missing is none of those asked for.
    """
    rules = {"deleted": "coalesce(a.deleted_at < s.as_of, FALSE)"}
    if cohort.countries:
        params["countries"] = list(cohort.countries)
        rules["country"] = f"NOT coalesce(list_contains($countries, {values['country']}), FALSE)"
    if cohort.industries:
        params["industries"] = list(cohort.industries)
        rules["industry"] = f"NOT coalesce(list_contains($industries, {values['industry']}), FALSE)"
    if cohort.min_age_days:
        params["min_age"] = cohort.min_age_days
        rules["too_young"] = "s.known_from + to_days($min_age) > s.as_of"
    if cohort.active_within_days:
        params["active"] = cohort.active_within_days
        rules["inactive"] = "NOT coalesce(r.last_occurred >= s.as_of - to_days($active), FALSE)"
    if cohort.ended_by:
        params["ended_by"] = list(cohort.ended_by)
        rules["ended"] = "e.account_id IS NOT NULL"
    if cohort.open_opportunity == "exclude":
        rules["in_pipeline"] = "coalesce(o.n_open, 0) > 0"
    if cohort.customers == "exclude":
        rules["customer"] = "coalesce(o.n_won, 0) > 0"
    elif cohort.customers == "only":
        rules["no_customer"] = "coalesce(o.n_won, 0) = 0"
    return rules


def status(cohort: Cohort, disputed: Collection[str] = ()) -> Step:
    """eligible, in_pipeline, customer or not_eligible, as of each row's own date, and the rule that says so.

    disputed : attributes of which some account's value is disputed: missing there.
    """
    params: dict[str, object] = {}
    values = {f: f"a.{f}" for f in ruled_by(cohort)}
    marked = [f for f in values if f in disputed]
    values |= {f: undisputed(f, values[f]) for f in marked}
    wrong_joins = "\n".join(join_wrong(f, n, params) for n, f in enumerate(marked))
    cases = " ".join(f"WHEN {test} THEN '{name}'" for name, test in _rules(cohort, values, params).items())
    ended_join = (
        f"""LEFT JOIN (SELECT DISTINCT s.account_id, s.as_of FROM spine s
                       JOIN touch t ON t.account_id = s.account_id AND list_contains($ended_by, t.kind)
                            AND {readable()}
            ) e ON e.account_id = s.account_id AND e.as_of = s.as_of"""
        if cohort.ended_by
        else ""
    )
    return "status", Query(
        f"""
        WITH ruled AS (
            SELECT s.account_id, s.as_of, CASE {cases} END AS rule
            FROM spine s
            JOIN accounts a ON a.account_id = s.account_id
            LEFT JOIN opportunity_history o ON o.account_id = s.account_id AND o.as_of = s.as_of
            LEFT JOIN recency r ON r.account_id = s.account_id AND r.as_of = s.as_of
            {ended_join}
            {wrong_joins}
        )
        SELECT account_id, as_of, rule,
               CASE WHEN rule IS NULL THEN 'eligible' WHEN rule IN ('in_pipeline', 'customer') THEN rule
                    ELSE 'not_eligible' END AS status
        FROM ruled
        """,
        params,
    )
