"""Tiers: bands, guardrails, surge, time-in-tier and capacity, decided for all accounts of one as_of at once.

Replaying and tuning a policy stand in `tiers.replay`, `tiers.compared`, `tiers.aims` and `tiers.tune`: they load what
learning needs, which a decision does not.
"""

from tierwise.tiers.decide import decide, movements, next_state
from tierwise.tiers.inputs import ACCOUNT_COLUMNS, STATE_COLUMNS

__all__ = ["ACCOUNT_COLUMNS", "STATE_COLUMNS", "decide", "movements", "next_state"]
