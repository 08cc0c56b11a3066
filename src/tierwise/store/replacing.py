"""What a revision puts in the place of actions whose plays are said no more, at accounts that it does not move.

A place is what an account is owed as it stands, or what it is owed where one of its actions is overdue. An action is
gone where plays.yaml has no play of its name any more, or not one that watches the play of what it watches. What is
gone is withdrawn, and what the plays owe in its place is owed; but where a sink has or may have what is gone, nothing
is owed in its place, so that nobody is asked twice, and what is gone with it and would be replaced stands.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

import pandas as pd
from sqlalchemy import Connection, or_, select

import tierwise.store.schema as schema
from tierwise.clock import naive

if TYPE_CHECKING:
    from tierwise.store.ledger import Store

Place = tuple[str, str]
"""An account, and the one of its actions that is watched; "": none."""


@dataclass(frozen=True)
class Kept:
    """An action as the outbox has it. is_told: whether a sink has it or may have it, or refused it for good."""

    place: Place
    play: str
    is_owed: bool
    is_told: bool = False


@dataclass(frozen=True)
class Replacing:
    """What a revision withdraws (action_id -> account_id) and owes (action ids) as plays changed."""

    withdrawn: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    owed: frozenset[str] = frozenset()


NOTHING_REPLACED = Replacing()


def replacing(
    store: Store,
    plan: str,
    as_of: datetime,
    owed: pd.DataFrame,
    moved: Collection[str],
    plays: Mapping[str, Sequence[str]],
) -> Replacing:
    """What changes at accounts that a revision of as_of does not move, as `replaced` says it.

    owed : action_id, account_id and overdue_of of all that is owed by the plays of now.
    """
    o = schema.outbox.c
    query = select(o.action_id, o.account_id, o.status, o.payload).where(o.plan == plan, o.as_of == naive(as_of))
    with store.reading("the outbox was read") as connection:
        rows = connection.execute(query).all()
        known = told(connection, plan, [row.action_id for row in rows])
    there = {}
    for action_id, account, status, payload in rows:
        said = json.loads(payload)
        place = (account, said.get("overdue_of") or "")
        there[action_id] = Kept(place, said.get("play", ""), status == "owed", action_id in known)
    named = zip(owed["action_id"], owed["account_id"], owed["overdue_of"], strict=True)
    wanted = {action_id: (account, watched) for action_id, account, watched in named if account not in moved}
    return replaced({i: kept for i, kept in there.items() if kept.place[0] not in moved}, wanted, plays)


def replaced(there: Mapping[str, Kept], owed: Mapping[str, Place], plays: Mapping[str, Sequence[str]]) -> Replacing:
    """What is withdrawn and owed, of what is there and what would be owed by the plays of now; pure.

    plays : of each play, the plays that it watches. What is withdrawn, and owed by the plays of now, is owed again.
    """
    standing, wanted = dict[Place, list[str]](), dict[Place, list[str]]()
    for action_id, kept in there.items():
        if kept.is_owed:
            standing.setdefault(kept.place, []).append(action_id)
    for action_id, place in owed.items():
        if action_id not in there or not there[action_id].is_owed:
            wanted.setdefault(place, []).append(action_id)
    withdrawn, new = set[str](), set[str]()
    for place in sorted(standing.keys() | wanted.keys()):  # what is watched comes before what watches it
        watched = place[1]
        is_there = watched in new or (watched in there and there[watched].is_owed and watched not in withdrawn)
        mine = standing.get(place, [])
        gone = mine if watched in withdrawn else [i for i in mine if _is_gone(there[i], there, plays)]
        further = wanted.get(place, []) if is_there or not watched else []
        further = further if gone or watched in new else [i for i in further if i in there]
        if further and any(there[i].is_told for i in gone):
            continue
        withdrawn |= {i for i in gone if not there[i].is_told}
        new |= set(further)
    return Replacing({i: there[i].place[0] for i in sorted(withdrawn)}, frozenset(new))


def told(connection: Connection, plan: str, action_ids: Iterable[str]) -> set[str]:
    """Those of some actions that a sink has, or may have, or refused for good."""
    d, ids, found = schema.deliveries.c, sorted(action_ids), set[str]()
    had = or_(d.status.in_(("delivered", "dead")), d.attempts > 0)
    for start in range(0, len(ids), 500):
        here = d.action_id.in_(ids[start : start + 500])
        found |= set(connection.scalars(select(d.action_id).where(d.plan == plan, here, had)))
    return found


def _is_gone(kept: Kept, there: Mapping[str, Kept], plays: Mapping[str, Sequence[str]]) -> bool:
    """Whether no play of now says such an action. What watches one whose own play is gone goes or stands with that."""
    watched, of = kept.place[1], plays.get(kept.play)
    if of is None or bool(of) != bool(watched):
        return True
    seen = there.get(watched)
    return seen is not None and seen.play in plays and seen.play not in of
