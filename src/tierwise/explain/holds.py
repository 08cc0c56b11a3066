"""What a run set beside an account's own bands: what decided in their place, and what they must wait for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

NEXT = {"tier_1": "", "tier_2": "tier_1", "tier_3": "tier_2", "recycle": "tier_3"}
"""The tier above each; "" where there is none."""


@dataclass(frozen=True)
class Holds:
    """In words: what decides where an account stands in place of its bands ("": they do), so that no event of its own
    moves it; and what else stands between it and the next tier, whatever its bands come to.
    """

    decides: str = ""
    between: tuple[str, ...] = ()


NOTHING = Holds()


@dataclass(frozen=True)
class Window:
    """A promotion window that is open: when the account last moved by its bands, for how long, and when it ends."""

    moved: datetime
    days: int
    ends: datetime

    @property
    def words(self) -> str:
        """No promotion, and before when."""
        return f"no promotion before {self.ends:%Y-%m-%d}, {self.days} days after its last move ({self.moved:%Y-%m-%d})"


@dataclass(frozen=True)
class Room:
    """How many accounts stand in a tier, and how many there is room for: of all, or of an owner, territory or team."""

    taken: int
    room: float
    whose: str = ""

    def words(self, tier: str) -> str:
        """That the tier has no room."""
        said = f"its {self.whose} has no room in {tier}" if self.whose else f"{tier} is full"
        return f"{said} ({self.taken} of {self.room:g}): the account enters it only ahead of another"


@dataclass(frozen=True)
class Stood:
    """How a published run left an account, its scores apart.

    policies: the version of the policy that decided, and of the one that is in the workspace now. override_until: the
    end of the override in force. late: the sources that were late or short. rooms: of the next tier, for those that
    state one. shared_by: who shares a room of the policy's owner_capacity.
    """

    tier: str
    guardrails: frozenset[str]
    policies: tuple[str, str]
    override_until: datetime | None = None
    late: tuple[str, ...] = ()
    rooms: tuple[Room, ...] = ()
    shared_by: str = "owner"
    window: Window | None = None


def holds(stood: Stood) -> Holds:
    """What holds an account that a run left so.

    Where the policy has changed since the run, that alone is the answer: ways by the new cuts, from a tier that the
    old ones gave, would be true of neither policy.
    """
    decides = _decides(stood)
    return Holds(decides) if decides else Holds("", _between(stood))


def _between(stood: Stood) -> tuple[str, ...]:
    full = [room.words(NEXT[stood.tier]) for room in stood.rooms if room.taken >= room.room]
    return (*full, *([stood.window.words] if stood.window else []))


def _decides(stood: Stood) -> str:
    was, now = stood.policies
    if was != now:
        return (
            f"the policy was changed after this run (from {was} to {now}): what would move the account is told once a"
            " run by the changed policy is published"
        )
    if "override" in stood.guardrails:
        until = f" until {stood.override_until:%Y-%m-%d}," if stood.override_until else ""
        return f"a person's override keeps it in {stood.tier}{until} or until it is withdrawn, whatever its scores"
    if "inputs_late" in stood.guardrails:
        return (
            f"it keeps {stood.tier} only while inputs are late or short ({' and '.join(stood.late)}): what they bring"
            " decides, once they are in and it is scored again"
        )
    if stood.guardrails & {"owner_full", "capacity"}:
        return _displaced(stood)
    if "promotion_window" in stood.guardrails and stood.window:
        return f"its scores ask for a higher tier, but it moved lately: {stood.window.words}"
    return ""


def _displaced(stood: Stood) -> str:
    """What an account waits for that its tier's or owner's capacity displaced; one that the lower threshold to stay
    alone had kept must also reach what entering takes, as it no longer stands there."""
    who = f"its {stood.shared_by} has no room there" if "owner_full" in stood.guardrails else "that tier is full"
    has, comes = "qualifies for", "enters when"
    if "stay_margin" in stood.guardrails:
        has, comes = "could stay in", "comes back once its scores reach what entering takes and"
    return (
        f"it {has} {NEXT[stood.tier]}, but {who}: it {comes} a place comes free, or ahead of an account that it is"
        " scored above (never of one in its minimum stay, or set there by a person)"
    )
