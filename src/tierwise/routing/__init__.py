"""Routing: what a tier, a movement, a status and a surge call for, as actions owed once."""

from tierwise.routing.actions import ACTION_COLUMNS, action_id, owed, to_jsonl, unconditional
from tierwise.routing.control import draw, in_arms, in_tiers, no_draws, taken_over, without
from tierwise.routing.deadlines import due_at
from tierwise.routing.hours import due_in_hours
from tierwise.routing.matrix import default_plays
from tierwise.routing.signals import dynamic_signals
from tierwise.routing.standing import Before, seen_now

__all__ = [
    "ACTION_COLUMNS",
    "Before",
    "action_id",
    "default_plays",
    "draw",
    "due_at",
    "due_in_hours",
    "dynamic_signals",
    "in_arms",
    "in_tiers",
    "no_draws",
    "owed",
    "seen_now",
    "taken_over",
    "to_jsonl",
    "unconditional",
    "without",
]
