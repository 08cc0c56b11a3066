"""Tiers: bands, guardrails, surge, time-in-tier and capacity, decided for all accounts of one as_of at once."""

from tierwise.tiers.aims import Aims, Worth
from tierwise.tiers.compared import Compared, compare
from tierwise.tiers.decide import decide, movements, next_state
from tierwise.tiers.inputs import ACCOUNT_COLUMNS, STATE_COLUMNS
from tierwise.tiers.replay import Past, Replayed, replay
from tierwise.tiers.tally import PING_PONG_DAYS, Figures
from tierwise.tiers.tune import Tuned, tune

__all__ = [
    "ACCOUNT_COLUMNS",
    "PING_PONG_DAYS",
    "STATE_COLUMNS",
    "Aims",
    "Compared",
    "Figures",
    "Past",
    "Replayed",
    "Tuned",
    "Worth",
    "compare",
    "decide",
    "movements",
    "next_state",
    "replay",
    "tune",
]
