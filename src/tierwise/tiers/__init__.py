"""Tiers: bands, guardrails, surge, time-in-tier and capacity, decided for all accounts of one as_of at once."""

from tierwise.tiers.decide import decide, movements, next_state
from tierwise.tiers.inputs import ACCOUNT_COLUMNS, STATE_COLUMNS

__all__ = ["ACCOUNT_COLUMNS", "STATE_COLUMNS", "decide", "movements", "next_state"]
