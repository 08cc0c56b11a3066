"""What an overdue play says, and which plays it may watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwise.config.policy_check import Found, Reading, strange

if TYPE_CHECKING:
    from tierwise.config.plays import Play, Plays

_PLACES = ("tiers", "statuses", "stages", "rows", "except_rows", "every_days", "budget_share")
_TIMES = ("sla_days", "sla_hours")


def misplaced(play: Play) -> list[Found]:
    """What does not go together in a play that is overdue, or says what only such a play may, each at the key to mend.

    At least one fault for a play that is not overdue.
    """
    if not play.is_overdue:
        keys = ["of"] * bool(play.of) + ["after_hours"] * (play.after_hours is not None)
        return [((key,), f"is for overdue only: say movements: [overdue], or take {key} out") for key in keys]
    found: list[Found] = []
    if len(play.movements) > 1:
        found.append((("movements",), "overdue stands alone: give the other movements a play of their own"))
    if not play.of:
        found.append((("movements",), "overdue watches other plays: name them, as of: [focus]"))
    for key in _PLACES:
        if getattr(play, key):
            says = f"an overdue play goes wherever the plays go that it watches: take {key} out"
            found.append(((key,), says))
    for key in _TIMES:
        if getattr(play, key) is not None:
            says = f"an overdue play begins where a time is over, and has none of its own: take {key} out"
            found.append(((key,), says))
    if play.motion == "none":
        found.append((("motion",), "somebody is to act on what is overdue: say what, and not none"))
    return found


def watched_faults(plays: Plays, reading: Reading) -> list[Found]:
    """The plays that overdue plays cannot watch, each at its name; nothing where plays have faults of their own."""
    if "plays" in reading.broken:
        return []
    by_name, found = {play.play: play for play in plays.plays}, list[Found]()
    for i, play in enumerate(plays.plays):
        odd = strange(("plays", i, "of"), play.of, [*by_name], "the plays are")
        found += odd
        unknown = {path for path, _ in odd}
        for n, name in enumerate(play.of):
            if (at := ("plays", i, "of", n)) not in unknown and (says := _unwatchable(by_name[name])):
                found.append((at, says))
    return found


def _unwatchable(play: Play) -> str:
    """Why a play cannot be watched; `""`: it can."""
    if play.is_overdue:
        return f"play {play.play} is overdue itself: name the plays that it watches, with after_hours of your own"
    if play.motion == "none":
        return f"play {play.play} approaches nobody, and no activity of a seller says that it is done: leave it out"
    if play.sla_days is None and play.sla_hours is None:
        return f"play {play.play} has no time until when: say its sla_hours or sla_days, or leave it out here"
    return ""
