"""What plays are held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwise.config.policy_check import GATES, Reading

if TYPE_CHECKING:
    from tierwise.config.icp import Icp
    from tierwise.config.plan import Plan
    from tierwise.config.policy import Policy


def reading_of(plan: Plan | None, policy: Policy | None, icp: Icp | None) -> Reading:
    """What plays.yaml is held against; nothing is said against a file that cannot be read."""
    rows = None if policy is None else (*(row.row for row in policy.rows), *GATES)
    roles = None
    if plan is not None and icp is not None:
        roles = tuple(dict.fromkeys((*plan.features.signal.buying_group.roles, *icp.roles, *icp.personas)))
    return Reading(rows=rows, personas=roles)
