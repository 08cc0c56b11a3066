"""Contacts' roles: whether they can be rebuilt as of each date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tierwise.audit.finding import Finding
from tierwise.data import Query

if TYPE_CHECKING:
    from tierwise.config.plan import Plan
    from tierwise.data import Warehouse

BLANK_SHARE = 0.02
"""If more of the first changes of role carry no old value, roles were filled in later."""


def role_clock(warehouse: Warehouse) -> tuple[Literal["tracked", "untracked"], str]:
    """Whether contact_history lets roles be rebuilt as of each date, and why."""
    found = warehouse.frame(
        Query("""
        SELECT count(*) AS n, count(*) FILTER (WHERE first_old IS NULL) AS blank FROM (
            SELECT contact_id, arg_min([old_value], changed_at)[1] AS first_old
            FROM contact_history WHERE field = 'role' GROUP BY contact_id)
        """)
    ).iloc[0]
    if not found["n"]:
        return "untracked", "contact_history holds no changes of role: today's roles serve tiers, no feature"
    if found["blank"] > BLANK_SHARE * found["n"]:
        return "untracked", "first changes of role carry no old value: roles were filled in later"
    return "tracked", "contact_history holds the changes of role"


def of_roles(warehouse: Warehouse, plan: Plan) -> list[Finding]:
    """A finding where the plan says more of roles than the history bears out, or takes today's for all dates."""
    group = plan.features.signal.buying_group
    clock, because = role_clock(warehouse)
    asked = "contacts' roles as features"
    do = "Say clock: untracked under buying_group, or export the history of the role field"
    if group.clock == "tracked" and group.roles and clock == "untracked":
        return [Finding("untracked_roles", "blocks", "contacts' roles", asked, because, do, refuses=True)]
    if group.clock == "accepted":
        found = "today's roles are taken for all dates: they may have been filled in after the outcome"
        return [Finding("accepted_roles", "warns", "contacts' roles", asked, found, do)]
    return []
