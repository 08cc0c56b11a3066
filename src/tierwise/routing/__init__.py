"""Routing: what a tier, a movement and a surge call for, as actions owed once."""

from tierwise.routing.actions import ACTION_COLUMNS, action_id, due_at, owed, to_jsonl
from tierwise.routing.plays import default_plays

__all__ = ["ACTION_COLUMNS", "action_id", "default_plays", "due_at", "owed", "to_jsonl"]
