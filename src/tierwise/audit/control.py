"""What is to be known of the control group of plays.yaml before it is drawn."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from tierwise.audit.finding import Finding

if TYPE_CHECKING:
    from tierwise.config.plays import Plays

LISTED = 4


def of_control(plays: Plays, accounts: Collection[str]) -> list[Finding]:
    """Named accounts that are not there, and tiers in which a group would be held back from nothing.

    Parameters
    ----------
    accounts : every account_id there is, those that were merged away included.
    """
    control = plays.control
    if not control.on:
        return []
    found = []
    strange = [account for account in control.never if account not in accounts]
    if strange:
        more = f" and {len(strange) - LISTED} more" if len(strange) > LISTED else ""
        says = f"no account is called {', '.join(strange[:LISTED])}{more}: whoever is meant may be drawn"
        do = "Write the ids as accounts has them, letter by letter, before the next run draws"
        asked = "accounts that are never drawn"
        found.append(Finding("unknown_named", "warns", "control.never", asked, says, do, {"accounts": strange}))
    for tier in plays.idle_control:
        says = f"no seller's play is owed on entering {tier}: nothing begins there, and no lift is shown"
        do = f"Take {tier} out of control.tiers, or give its entered play to account_owner or sales_development"
        asked = "tiers of the control group"
        found.append(Finding("idle_control", "warns", "control.tiers", asked, says, do, {"tier": tier}))
    return found
