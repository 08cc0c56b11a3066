"""Who is who: ids, merges, families, domains, leads. Identity holds on all dates (law 1 does not bind it)."""

from __future__ import annotations

from tierwise.data.identity.families import LEAD, domain_claims, families
from tierwise.data.identity.merges import become, survivors
from tierwise.data.identity.resolving import Resolved, resolve

__all__ = ["LEAD", "Resolved", "become", "domain_claims", "families", "resolve", "survivors"]
