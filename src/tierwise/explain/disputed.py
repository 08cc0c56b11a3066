"""What a run did not read of an account because a person had marked it wrong, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def told_disputed(fact: Mapping[str, Any], *, later: bool = False) -> str:
    """One disputed fact as a sentence.

    Parameters
    ----------
    fact : fact (`activity` or `value`), name (its id, or the attribute), author, reason, made_at; of an activity kind,
        channel and occurred_at, where they are known. Instants are ISO texts.
    later : the dispute was made after the run's date, so that the run still read the fact.

    >>> said = {"author": "Ada", "reason": "a test", "made_at": "2026-01-01T09:30:00"}
    >>> told_disputed(said | {"fact": "value", "name": "industry"})
    'Its industry is not read: Ada marked it wrong on 2026-01-01 (a test).'
    >>> seen = {"kind": "page_view", "channel": "web", "occurred_at": "2025-12-30T08:00:00"}
    >>> told_disputed(said | seen | {"fact": "activity", "name": "a7"}, later=True)
    'Page view (web) of 2025-12-30, activity a7, still counts in this run: Ada marked it wrong on 2026-01-01 (a test).'
    """
    what = f"its {fact['name'].replace('_', ' ')}"
    if fact["fact"] == "activity":
        what = f"activity {fact['name']}"
        if fact.get("occurred_at"):
            kind = str(fact.get("kind") or "activity").replace("_", " ")
            place = f" ({fact['channel']})" if fact.get("channel") else ""
            what = f"{kind}{place} of {fact['occurred_at'][:10]}, {what},"
    done = "still counts in this run" if later else "is not read"
    act = f"{fact['author']} marked it wrong on {fact['made_at'][:10]} ({fact['reason']})"
    return f"{what[:1].upper()}{what[1:]} {done}: {act}."
