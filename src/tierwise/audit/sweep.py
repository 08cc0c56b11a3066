"""The audit: all findings at once."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from tierwise.audit.attributes import of_attributes, told_apart
from tierwise.audit.effort import of_effort
from tierwise.audit.finding import DEFAULT_AUDIT_RULES, AuditRules, Finding, ordered
from tierwise.audit.links import of_links
from tierwise.audit.readiness import of_readiness
from tierwise.audit.roles import of_roles
from tierwise.audit.shifts import of_shifts

if TYPE_CHECKING:
    from tierwise.config.plan import Plan
    from tierwise.data import Warehouse


def audit(
    warehouse: Warehouse, plan: Plan, data_through: datetime, rules: AuditRules = DEFAULT_AUDIT_RULES
) -> tuple[Finding, ...]:
    """Leakage and readiness findings on the data as they are, gravest first; nothing after data_through is an outcome.

    A finding that blocks means that the plan must not be trained as it is, unless it accepts it (see `accepted`).
    """
    shifts = of_shifts(warehouse, plan, data_through)
    dated = {f.subject for f in shifts if f.severity == "blocks"}
    readiness = of_readiness(warehouse, plan, data_through, rules)
    found = (
        *of_attributes(warehouse, plan, data_through, rules),
        *of_roles(warehouse, plan),
        *of_links(warehouse, plan, data_through, rules),
        *of_effort(warehouse, plan, data_through, told_apart(warehouse), rules),
        *(f for f in readiness if not (f.code == "tracking_change" and f.subject in dated)),
        *shifts,
    )
    return ordered(found)
