"""What plays are held against: every movement that can happen names its play or says none, and every play can be owed.

A person's override may put an account into any tier, whatever its row; what only an override brings about is not
asked for here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierwise.config.policy_check import GATES, Found, Reading

if TYPE_CHECKING:
    from tierwise.config.icp import Icp
    from tierwise.config.plan import Plan
    from tierwise.config.plays import Play, Plays
    from tierwise.config.policy import Policy

LEVELS = {"recycle": 0, "tier_3": 1, "tier_2": 2, "tier_1": 3}
SUPPRESSED = ("excluded", "negative_trigger")
_DOING = {"entered": "entering {}", "left": "leaving {}", "surge": "a surge in {}"}


@dataclass(frozen=True)
class Happening:
    """A movement that can happen in a tier or status, and the rows of the policy by which it can."""

    movement: str
    place: str
    rows: frozenset[str]

    @property
    def words(self) -> str:
        """As `entering tier_2`."""
        return _DOING[self.movement].format(self.place)


def reading_of(plan: Plan | None, policy: Policy | None, icp: Icp | None) -> Reading:
    """What plays.yaml is held against; nothing is said against a file that cannot be read."""
    rows = None if policy is None else (*(row.row for row in policy.rows), *GATES)
    roles = None
    if plan is not None and icp is not None:
        roles = tuple(dict.fromkeys((*plan.features.signal.buying_group.roles, *icp.roles, *icp.personas)))
    return Reading(plan=plan, rows=rows, personas=roles, policy=policy)


def plays_faults(plays: Plays, reading: Reading) -> list[Found]:
    """What a file that says `complete: true` leaves out, at that line, and its plays that no row can bring about."""
    plan, policy = reading.plan, reading.policy
    found = _contradicted(plays)
    if not plays.complete or plan is None or policy is None:
        return found
    if not reading.broken & {"plays", "none", "complete"}:
        found += [(("complete",), f"{words}: {mend}") for words, mend in gaps(plays, policy, plan)]
    return found + dead(plays, policy)


def happenings(policy: Policy, plan: Plan) -> list[Happening]:
    """Every movement that a policy and a plan's cohort can bring about."""
    into = {tier: _rows_into(tier, policy) for tier in ("tier_1", "tier_2", "tier_3", "recycle", "suppress")}
    reached = [tier for tier, rows in into.items() if rows]
    somewhere = frozenset().union(*(rows for tier, rows in into.items() if tier != "suppress"), {"status"})
    found = [Happening("entered", tier, into[tier]) for tier in reached]
    found += [Happening("left", tier, somewhere) for tier in reached]
    if policy.surge is not None:
        rows = frozenset({*(row.row for row in policy.rows), "no_match"})
        found += [Happening("surge", tier, rows) for tier in reached if LEVELS.get(tier, 0) > 0]
    return found + [Happening("entered", status, frozenset({"status"})) for status in _statuses(plan)]


def gaps(plays: Plays, policy: Policy, plan: Plan) -> list[tuple[str, str]]:
    """The movements that can happen, and neither name a play nor stand under none: what, and the mend."""
    found = []
    for one in happenings(policy, plan):
        left = one.rows - _covered(plays, one)
        if left and not any(_of(n.movements, (*n.tiers, *n.statuses), one) for n in plays.none):
            by = f" by row {', '.join(sorted(left))}" if left != one.rows else ""
            key = "statuses" if one.place in _ALL_STATUSES else "tiers"
            mend = f"write one, or under none: {{movements: [{one.movement}], {key}: [{one.place}]}}"
            found.append((f"{one.words}{by} names no play", mend))
    return found


def dead(plays: Plays, policy: Policy) -> list[Found]:
    """The plays whose rows never meet their tiers, statuses and movements, each at its rows."""
    found: list[Found] = []
    for i, play in enumerate(plays.plays):
        if not play.rows and not play.except_rows:
            continue
        rows = _asked(play, {*(row.row for row in policy.rows), *GATES})
        cases = [(m, place) for m in play.movements for place in play.places]
        if not any(rows & _possible(movement, place, policy) for movement, place in cases):
            key = "rows" if play.rows else "except_rows"
            first = sorted(_possible(*cases[0], policy) - set(play.except_rows))
            there = f"{_said(*cases[0])} comes by {', '.join(first) or 'none that is left'}"
            found.append((("plays", i, key), f"play {play.play} is never owed: {there}; name one of these rows"))
    return found


def idle(plays: Plays, policy: Policy, plan: Plan) -> list[tuple[str, str]]:
    """The plays that wait for what the policy or the cohort never brings: play, and why."""
    known = {*_statuses(plan), *LEVELS, "suppress"}
    found = []
    for play in plays.plays:
        if play.movements == ("surge",) and policy.surge is None:
            found.append((play.play, "policy.yaml has no surge"))
        elif not play.is_overdue and not known & {*play.places}:
            found.append((play.play, f"the cohort of model.yaml leaves nobody out as {' or '.join(play.places)}"))
    return found


_ALL_STATUSES = ("in_pipeline", "customer", "not_eligible")


def _statuses(plan: Plan) -> list[str]:
    """The statuses that the cohort's rules give."""
    cohort = plan.cohort
    rules = (cohort.open_opportunity == "exclude", cohort.customers == "exclude", True)
    return [status for status, there in zip(_ALL_STATUSES, rules, strict=True) if there]


def _rows_into(tier: str, policy: Policy) -> frozenset[str]:
    """The rows by which accounts come into a tier: its own, by a surge one below, by want of room those above."""
    if tier == "suppress":
        return frozenset(SUPPRESSED if policy.negative_triggers else SUPPRESSED[:1])
    if tier == "recycle":
        gates = {"low_fit": policy.minimum_fit != "low", "stale": policy.stale is not None, "no_match": True}
        return frozenset(gate for gate, there in gates.items() if there)
    level, full = LEVELS[tier], bool(policy.capacity) or policy.owner_capacity is not None
    own = {row.row for row in policy.rows if row.tier == tier}
    above = {row.row for row in policy.rows if LEVELS[row.tier] > level} if full else set()
    below = set(_lifted(tier, policy)) if own else set()
    return frozenset(own | above | below)


def _lifted(tier: str, policy: Policy) -> Iterator[str]:
    """The rows whose accounts a surge lifts into a tier; time in tier may keep one of no row in any tier below."""
    if policy.surge is None:
        return
    yield from (row.row for row in policy.rows if LEVELS[row.tier] == LEVELS[tier] - 1)
    yield "no_match"


def _possible(movement: str, place: str, policy: Policy) -> frozenset[str]:
    """The rows by which a play for a movement in a place can be owed, in whatever way."""
    rows = frozenset({*(row.row for row in policy.rows), *GATES})
    if movement == "left":
        return rows
    if place in _ALL_STATUSES:
        return frozenset({"status"})
    if place == "suppress":
        return frozenset(SUPPRESSED)
    if movement == "entered" and place == "recycle":
        return rows - {*SUPPRESSED, "status"}
    if movement == "entered":
        level = LEVELS[place]
        return frozenset({r.row for r in policy.rows if LEVELS[r.tier] >= level} | set(_lifted(place, policy)))
    return rows - {*SUPPRESSED, "status"}


def _covered(plays: Plays, one: Happening) -> frozenset[str]:
    """The rows of a happening for which some play is owed."""
    mine = [p for p in plays.plays if not p.stages and _of(p.movements, _places(p, one.movement), one)]
    return frozenset().union(*(_asked(play, one.rows) for play in mine))


def _places(play: Play, movement: str) -> tuple[str, ...]:
    return play.tiers if movement == "surge" else play.places


def _asked(play: Play, rows: set[str] | frozenset[str]) -> frozenset[str]:
    """Those of some rows at which a play is owed."""
    return frozenset((rows & {*play.rows} if play.rows else rows) - {*play.except_rows})


def _of(movements: tuple[str, ...], places: tuple[str, ...], one: Happening) -> bool:
    return one.movement in movements and one.place in places


def _contradicted(plays: Plays) -> list[Found]:
    """The lines of none that name a movement which a play for all of it has too."""
    found: list[Found] = []
    for i, line in enumerate(plays.none):
        for movement in line.movements:
            for place in (*line.tiers, *line.statuses):
                one = Happening(movement, place, frozenset({"any"}))
                play = next((p for p in plays.plays if not p.rows and not p.except_rows and not p.stages
                             and _of(p.movements, _places(p, movement), one)), None)  # fmt: skip
                if play is not None:
                    says = f"{one.words} calls for nothing by this line, and for play {play.play}: take one of them out"
                    found.append((("none", i), says))
    return found


def _said(movement: str, place: str) -> str:
    return "staying in " + place if movement == "stayed" else _DOING[movement].format(place)
