"""What a policy leaves to no row, and rows that no account can meet by the plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tierwise.audit.finding import Finding
from tierwise.config.policy import COVERAGE_BANDS
from tierwise.config.policy_table import Combination, combinations

if TYPE_CHECKING:
    from tierwise.config.policy import Policy

LISTED = 3


def of_policy(policy: Policy, roles: Sequence[str]) -> list[Finding]:
    """What no row names, and which rows ask for roles of a buying group where the plan names none."""
    return [*_unnamed(policy), *([] if roles else _unmet(policy))]


def _unmet(policy: Policy) -> list[Finding]:
    rows = [row.row for row in policy.rows if row.coverage in COVERAGE_BANDS[2:]]
    if not rows:
        return []
    asked, found = "rows of policy.yaml that ask for a role reached", f"no account ever meets {', '.join(rows)}"
    do = "Name roles under buying_group in model.yaml, or take coverage out of these rows"
    return [Finding("no_role", "notes", "policy", asked, f"{found}: the plan names no roles", do, {"rows": rows})]


def _unnamed(policy: Policy) -> list[Finding]:
    """The combinations of bands with a high fit that no row names, or none but by least values: they are recycled."""
    left = [c for c in combinations(policy) if c.fit == "high" and c.decided_by[-1] == "no_match"]
    if not left:
        return []
    named = "; ".join(_words(c) for c in left[:LISTED])
    more = f"; and {len(left) - LISTED} more" if len(left) > LISTED else ""
    do = "Add a row of tier_3 with fit: high alone, as the last, if they are to be an outbound list"
    asked, found = "accounts of high fit that no row of policy.yaml names", f"they are recycled: {named}{more}"
    return [Finding("no_row", "notes", "policy", asked, found, do, {"combinations": len(left)})]


def _words(combination: Combination) -> str:
    """As `signal none, coverage partial, of the vertical public, without the least values of row scaled`."""
    said = f"signal {combination.signal}, coverage {combination.coverage}"
    of = f", of the vertical {combination.vertical}" if combination.vertical else ""
    rows = ", ".join(combination.decided_by[:-1])
    return said + of + (f", without the least values of {rows}" if rows else "")
