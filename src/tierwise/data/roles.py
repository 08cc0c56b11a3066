"""Contacts' roles by their titles: a contact without a role gets the one that its title names, as of each date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tierwise.config.icp import ANY, Icp, expression
from tierwise.data.warehouse import Query, Warehouse

PLAIN = "trim(regexp_replace(replace(strip_accents(lower({})), '.', ''), '[^\\p{{L}}\\p{{N}}]+', ' ', 'g'))"
"""A title as plain words, as `config.icp.plain` makes a pattern."""


@dataclass(frozen=True)
class Named:
    """How many contacts got which role by their title; titles themselves are said nowhere."""

    counts: Mapping[str, int] = field(default_factory=dict)
    nameless: int = 0
    """Contacts with a title that names no role."""
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def role_of(title: str, icp: Icp) -> Query:
    """An SQL expression over a title: the first role with a pattern that it holds, null where there is none."""
    if not icp.roles:
        return Query("CAST(NULL AS VARCHAR)")
    params: dict[str, object] = {}
    plain = PLAIN.format(title)

    def holds(name: str, patterns: tuple[str, ...]) -> str:
        params[name] = expression(patterns)
        return f"regexp_matches({plain}, ${name})"

    cases = [f"WHEN {holds('never', icp.exceptions[ANY])} THEN NULL"] if icp.exceptions.get(ANY) else []
    for n, (role, patterns) in enumerate(icp.roles.items()):
        if not patterns:
            continue
        test = holds(f"titles_{n}", patterns)
        if icp.exceptions.get(role):
            test += f" AND NOT {holds(f'except_{n}', icp.exceptions[role])}"
        params[f"role_{n}"] = role
        cases.append(f"WHEN {test} THEN $role_{n}")
    return Query(f"CASE {' '.join(cases)} END" if cases else "CAST(NULL AS VARCHAR)", params)


def name_roles(warehouse: Warehouse, icp: Icp) -> Named:
    """Give contacts without a role the one that their title names; roles that are there, and their history, stay.

    Where contact_history holds changes of title, it gets changes of role: a title that names none gives an empty role,
    which is known to be none, and a blank title a null, which is not known.
    """
    if not icp.roles:
        return Named()
    role, old, new = (role_of(f"t.{column}", icp) for column in ("title", "old_value", "new_value"))
    bare = """SELECT contact_id FROM contacts WHERE role IS NULL
              AND contact_id NOT IN (SELECT contact_id FROM contact_history WHERE field = 'role')"""
    warehouse.run(Query(f"CREATE OR REPLACE TEMP TABLE __bare AS {bare}"))
    warehouse.rewrite("contacts", Query(_today(role.sql), role.params))
    warehouse.rewrite("contact_history", Query(_history(old.sql, new.sql), {**old.params, **new.params}))
    found = warehouse.frame(
        Query("""
        SELECT c.role, count(*) AS n FROM contacts c JOIN __bare b ON b.contact_id = c.contact_id
        WHERE c.title IS NOT NULL GROUP BY c.role ORDER BY c.role
        """)
    )
    warehouse.run(Query("DROP TABLE __bare"))
    counts = {str(r.role): int(r.n) for r in found.dropna().itertuples()}
    nameless = int(found.loc[found["role"].isna(), "n"].sum())
    return Named(counts, nameless, (), _notes({r: counts[r] for r in icp.roles if r in counts}, nameless))


def _today(role: str) -> str:
    return f"""
        SELECT t.* REPLACE (CASE WHEN b.contact_id IS NULL THEN t.role ELSE {role} END AS role)
        FROM contacts t LEFT JOIN __bare b ON b.contact_id = t.contact_id
    """


def _history(old: str, new: str) -> str:
    def told(role: str, column: str) -> str:
        return f"CASE WHEN t.{column} IS NOT NULL THEN coalesce({role}, '') END"

    return f"""
        SELECT * FROM contact_history
        UNION ALL BY NAME
        SELECT t.* REPLACE (
            'role' AS field, {told(old, "old_value")} AS old_value, {told(new, "new_value")} AS new_value)
        FROM contact_history t JOIN __bare b ON b.contact_id = t.contact_id WHERE t.field = 'title'
    """


def _notes(counts: Mapping[str, int], nameless: int) -> tuple[str, ...]:
    if not counts and not nameless:
        return ()
    listed = ", ".join(f"{role} {n:,}" for role, n in counts.items()) or "none"
    return (
        f"contacts without a role got the one that their title names (icp.yaml): {listed}; "
        f"{nameless:,} have a title that names none",
    )
