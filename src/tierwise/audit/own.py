"""What tierwise wrote into a CRM and reads back: known by its prefix, or by its name and its values together."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tierwise.config.policy import STATUSES, TIERS
from tierwise.data import Query, quoted

if TYPE_CHECKING:
    from tierwise.data import Warehouse

OWN_FIELDS = frozenset(
    {"account_score", "fit_score", "signal_score", "propensity", "expected_value"}
    | {"fit_log_odds", "signal_log_odds", "calibration_log_odds"}
    | {"tier", "tier_since", "previous_tier", "movement", "decided_by", "guardrails", "roles_reached"}
    | {"model_version", "policy_version", "run_id"}
)
"""Columns that tierwise publishes, and that a CRM may hand back."""
_TIERS = (frozenset(TIERS), frozenset(STATUSES))
PUBLISHED = {
    "tier": _TIERS,
    "previous_tier": _TIERS,
    "movement": (frozenset({"entered", "left"}), frozenset({"up", "down"})),
}
"""Column -> the values that only tierwise writes there, and those that others may write too."""


def is_own(name: str) -> bool:
    """Whether a column is called ours (a CRM's capitals aside): what tierwise writes into a CRM has this prefix.

    >>> is_own("Tierwise_Tier__c"), is_own("fit_score"), is_own("industry")
    (True, False, False)
    """
    return name.lower().startswith("tierwise")


def is_like_own(name: str) -> bool:
    """Whether a column is named like one that tierwise publishes, without the prefix; many have a `tier` of their own.

    >>> is_like_own("fit_score__c"), is_like_own("Tier"), is_like_own("reason_3"), is_like_own("reason_code")
    (True, True, True, False)
    """
    return _bare(name) in OWN_FIELDS or bool(re.fullmatch(r"reason_[1-5]", _bare(name)))


def own_attributes(warehouse: Warehouse, names: Iterable[str]) -> set[str]:
    """The attributes of accounts that tierwise wrote: those with its prefix, and those that hold what it publishes."""
    texts = {n for n in names if _bare(n) in PUBLISHED and warehouse.attributes("accounts").get(n) == "text"}
    return {n for n in names if is_own(n) or (n in texts and _published(warehouse, n))}


def _published(warehouse: Warehouse, name: str) -> bool:
    """Whether all values of a column are those that tierwise publishes under its name, and some are nobody else's."""
    ours, anyones = PUBLISHED[_bare(name)]
    at = quoted(name)
    most = len(ours | anyones) + 1
    found = warehouse.frame(
        Query(f"SELECT DISTINCT {at} AS value FROM accounts WHERE {at} IS NOT NULL LIMIT $most", {"most": most})
    )
    values = set(found["value"])
    return bool(values & ours) and values <= ours | anyones


def _bare(name: str) -> str:
    return re.sub(r"__c$", "", name.lower())
