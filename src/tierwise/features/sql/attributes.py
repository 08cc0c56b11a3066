"""Attributes as of each row: rebuilt from their history, or today's value where the plan admits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwise.clock import instant, naive
from tierwise.data import Query, quoted
from tierwise.features.catalogue import fit_feature, set_feature
from tierwise.features.sql.spine import Step, known, undisputed

if TYPE_CHECKING:
    from collections.abc import Collection

    from tierwise.config import Attribute, Plan


def intervals(history: str, key: str) -> str:
    """A relation (key, field, value, from_at, to_at): each value of a field with the time in which it held.

    The first interval holds the first change's old value; the last is open. A row takes the last change strictly before
    its as_of; of changes at one instant, the greatest new value holds. The old value travels in a list, because arg_min
    passes over nulls.
    """
    return f"""
        SELECT {key}, field, new_value AS value, changed_at AS from_at,
               lead(changed_at) OVER (PARTITION BY {key}, field ORDER BY changed_at) AS to_at
        FROM (SELECT {key}, field, changed_at, max(new_value) AS new_value FROM {history}
              GROUP BY {key}, field, changed_at)
        UNION ALL
        SELECT {key}, field, arg_min(old_value_set, changed_at)[1] AS value, NULL AS from_at, min(changed_at) AS to_at
        FROM (SELECT {key}, field, changed_at, [old_value] AS old_value_set FROM {history}) GROUP BY {key}, field
    """


def holds(interval: str = "h", row: str = "s") -> str:
    """Law 1 for an interval: it began strictly before as_of, and had not ended strictly before it."""
    return (
        f"({interval}.from_at IS NULL OR {known(f'{interval}.from_at', f'{row}.as_of')}) "
        f"AND ({interval}.to_at IS NULL OR NOT {known(f'{interval}.to_at', f'{row}.as_of')})"
    )


def _tracked(attribute: Attribute, today: str) -> Step:
    """One tracked attribute per row: the interval in which as_of lies, else today's value (it never changed)."""
    cast = "TRY_CAST({} AS DOUBLE)" if attribute.kind == "number" else "CAST({} AS VARCHAR)"
    params: dict[str, object] = {"field": attribute.attribute}
    value = (
        f"CASE WHEN h.to_at IS NULL AND h.from_at IS NULL THEN {cast.format(today)} ELSE {cast.format('h.value')} END"
    )
    if attribute.tracked_since is not None:
        params["since"] = naive(instant(attribute.tracked_since))
        value = f"CASE WHEN s.as_of < $since THEN NULL ELSE {value} END"
    return step_of(attribute), Query(
        f"""
        WITH h AS (SELECT * FROM ({intervals("account_history", "account_id")}) WHERE field = $field)
        SELECT s.account_id, s.as_of, {value} AS value, h.from_at AS changed_at
        FROM spine s JOIN accounts a ON a.account_id = s.account_id
        LEFT JOIN h ON h.account_id = s.account_id AND {holds()}
        """,
        params,
    )


def step_of(attribute: Attribute) -> str:
    """The step that rebuilds a tracked attribute."""
    return quoted(f"attribute_{attribute.attribute}")


def alias_of(attribute: Attribute) -> str:
    """A tracked attribute's step in the final select."""
    return quoted(f"at_{attribute.attribute}")


def tracked(plan: Plan) -> list[Step]:
    """A step for each tracked attribute, and one for the owner."""
    return [_tracked(a, f"a.{quoted(a.attribute)}") for a in plan.features.fit if a.clock == "tracked"]


def disputed() -> Step:
    """The rows in which a person had marked the account's value of a field wrong, and it was not restored since."""
    return "disputed", Query(
        f"""
        SELECT DISTINCT s.account_id, s.as_of, d.field FROM spine s
        JOIN disputes d ON d.table_name = 'accounts' AND d.fact_id = s.account_id AND {known("d.disputed_at")}
             AND (d.restored_at IS NULL OR NOT {known("d.restored_at")})
        """
    )


def owner() -> Step:
    """The owner on as_of: from its history, else today's."""
    return "owner", Query(
        f"""
        WITH h AS (SELECT * FROM ({intervals("account_history", "account_id")}) WHERE field = 'owner_id')
        SELECT s.account_id, s.as_of,
               CASE WHEN h.to_at IS NULL AND h.from_at IS NULL THEN a.owner_id ELSE h.value END AS owner_id
        FROM spine s JOIN accounts a ON a.account_id = s.account_id
        LEFT JOIN h ON h.account_id = s.account_id AND {holds()}
        """
    )


def contact_roles() -> Step:
    """The role of each contact that is linked on as_of: from its history, else today's."""
    linked = "coalesce(c.linked_at, c.created_at)"
    return "contact_roles", Query(
        f"""
        WITH h AS (SELECT * FROM ({intervals("contact_history", "contact_id")}) WHERE field = 'role')
        SELECT s.account_id, s.as_of, c.contact_id,
               CASE WHEN h.to_at IS NULL AND h.from_at IS NULL THEN c.role ELSE nullif(h.value, '') END AS role
        FROM spine s
        JOIN contacts c ON c.account_id = s.account_id AND {known(linked)}
             AND (c.unlinked_at IS NULL OR NOT {known("c.unlinked_at")})
        LEFT JOIN h ON h.contact_id = c.contact_id AND {holds()}
        """
    )


def columns(plan: Plan, disputed: Collection[str] = ()) -> tuple[dict[str, str], dict[str, object]]:
    """Each fit-side feature's expression in the final select (a: accounts; at_<name>: tracked), and parameters.

    disputed : attributes of which some account's value is disputed: missing there.
    """
    found: dict[str, str] = {}
    params: dict[str, object] = {}
    for n, a in enumerate(plan.features.fit):
        before = set(found)
        if a.kind == "set":
            for m, value in enumerate(a.values):
                params[f"set_{n}_{m}"] = value
                found[set_feature(a, value)] = f"CAST(list_contains(a.{quoted(a.attribute)}, $set_{n}_{m}) AS DOUBLE)"
        elif a.clock == "tracked":
            found[fit_feature(a)] = f"{alias_of(a)}.value"
        else:
            cast = "TRY_CAST(a.{} AS DOUBLE)" if a.kind == "number" else "CAST(a.{} AS VARCHAR)"
            found[fit_feature(a)] = cast.format(quoted(a.attribute))
        if a.attribute in disputed:
            found |= {f: undisputed(a.attribute, found[f]) for f in found.keys() - before}
    return found, params
