"""What a policy leaves to no row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwise.audit.finding import Finding
from tierwise.config.policy_table import Combination, combinations

if TYPE_CHECKING:
    from tierwise.config.policy import Policy

LISTED = 3


def of_policy(policy: Policy) -> list[Finding]:
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
