"""Who acts: the account's owner, or who stands in for it in its territory, within what each can work."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import pandas as pd

from tierwise.clock import naive

UNASSIGNED = "revops"
"""Who gets what an account's owner should do, where the account has none, or one who is not active."""
RULES = ("account_owner", "territory", "capacity")
"""The owner rules that name an owner; any other is a function's name."""


@dataclass(frozen=True)
class Desk:
    """An active owner, and how many accounts it can work in each tier (None: not said)."""

    owner_id: str
    place: tuple[str, str]
    """Its territory and its team."""
    room: dict[str, int | None]


@dataclass(frozen=True)
class Desks:
    """The owners of a date, and the accounts that each has in each tier by a run's decisions.

    account_owner: the account's owner, else revops. territory: the account's owner, else the active owner of the same
    territory and team who has fewest accounts in the tier. capacity: the account's owner as long as its accounts in the
    tier are no more than its capacity, else the one of the same territory and team who has fewest and room for more,
    else revops. Whoever stands in is counted as having the account, in account_id order, so that work spreads.
    """

    decisions: pd.DataFrame
    owners: pd.DataFrame
    as_of: datetime

    def of(self, rule: str, due: pd.Series) -> pd.Series:
        """The owner of each decision at which a play of that rule is due."""
        usual = self._usual[due]
        if rule not in ("territory", "capacity") or not len(self.owners):
            return usual
        rows = self.decisions.loc[due, ["account_id", "tier", "owner_id"]].assign(usual=usual)
        held, found = Counter(self._held), {}
        for place, _, tier, owner, acting in rows.sort_values("account_id").itertuples(name=None):
            desk = self._desks.get(acting)
            if rule == "capacity" and desk is not None and _is_over(desk, tier, held):
                desk = None
            if desk is None:
                desk = self._stand_in(str(owner), tier, held, within=rule == "capacity")
                held[(acting, tier)] -= 1
                if desk is not None:
                    held[(desk.owner_id, tier)] += 1
            found[place] = UNASSIGNED if desk is None else desk.owner_id
        return pd.Series(found, dtype=object).reindex(usual.index)

    def _stand_in(self, owner: str, tier: str, held: Counter[tuple[str, str]], *, within: bool) -> Desk | None:
        """The active owner of an owner's territory and team who has fewest accounts in a tier; None without one."""
        place = self._places.get(owner)
        if place is None or not place[0]:
            return None
        mine = [d for d in self._desks.values() if d.place == place and d.owner_id != owner]
        if within:
            mine = [d for d in mine if (room := d.room.get(tier)) is None or held[(d.owner_id, tier)] < room]
        return min(mine, key=lambda d: (held[(d.owner_id, tier)], d.owner_id), default=None)

    @cached_property
    def _usual(self) -> pd.Series:
        ids = self.decisions["owner_id"]
        ids = ids.astype(object).where(ids.notna() & (ids != ""), UNASSIGNED)
        return (
            ids if len(self.owners) == 0 else ids.where(ids.isin(self.owners.loc[self._active, "owner_id"]), UNASSIGNED)
        )

    @cached_property
    def _active(self) -> pd.Series:
        """Whether each owner is active at the date."""
        active, at = pd.Series(True, index=self.owners.index), naive(self.as_of)
        if "active_from" in self.owners.columns:
            begins = pd.to_datetime(self.owners["active_from"])
            active &= begins.isna() | (begins <= at)
        if "active_to" in self.owners.columns:
            ends = pd.to_datetime(self.owners["active_to"])
            active &= ends.isna() | (ends > at)
        return active

    @cached_property
    def _held(self) -> dict[tuple[str, str], int]:
        counts = pd.DataFrame({"owner": self._usual, "tier": self.decisions["tier"].astype(object)}).value_counts()
        return {(str(owner), str(tier)): int(n) for (owner, tier), n in counts.items()}

    @cached_property
    def _places(self) -> dict[str, tuple[str, str]]:
        said = self.owners.reindex(columns=["owner_id", "territory", "team"]).astype(object)
        said = said.where(said.notna(), "")
        return {str(o): (str(territory), str(team)) for o, territory, team in said.itertuples(index=False, name=None)}

    @cached_property
    def _desks(self) -> dict[str, Desk]:
        columns = [f"capacity_tier_{n}" for n in (1, 2, 3)]
        said = self.owners[self._active].reindex(columns=["owner_id", *columns]).astype(object)
        said = said.where(said.notna(), None)
        desks = {}
        for owner, *rooms in said.itertuples(index=False, name=None):
            room = {f"tier_{n}": _whole(said) for n, said in enumerate(rooms, start=1)}
            desks[str(owner)] = Desk(str(owner), self._places[str(owner)], room)
        return desks


def _is_over(desk: Desk, tier: str, held: Counter[tuple[str, str]]) -> bool:
    room = desk.room.get(tier)
    return room is not None and held[(desk.owner_id, tier)] > room


def _whole(room: object) -> int | None:
    return None if room is None else int(str(room).split(".")[0])
