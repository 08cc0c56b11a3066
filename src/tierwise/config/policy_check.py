"""What a policy may not say: each fault with the path of the row, cut, segment or trigger that is to be mended.

Every check reads a policy whose parts are each sound, and names the later of two parts that do not go together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tierwise.config.plan import Attribute, Plan
from tierwise.config.policy_calendar import calendar_faults
from tierwise.config.yaml_lines import Path

if TYPE_CHECKING:
    from tierwise.config.policy import Policy, TierRow
    from tierwise.config.where import Where, Within

Found = tuple[Path, str]
Finder = Callable[["Policy"], Iterator[Found]]
GATES = ("excluded", "negative_trigger", "status", "low_fit", "stale", "no_match")
"""The steps that decide where no row of the policy does; the column `row` names one of them, or a row."""
JUDGED = ("account_score", "expected_value")
"""What a row may ask a least value of besides attributes: a run makes them."""


DECIDED_ON = frozenset(
    {
        *("account_id", "as_of", "family_id", "status", "owner_id", "outcome", "outcome_at", "merged_at"),
        *("fit_score", "signal_score", "propensity", "expected_value", "excluded_by", "negative_trigger"),
        *("days_since_signal", "signals_7d", "signals_prior_weekly", "contacts_7d", "channels_7d"),
        *("coverage", "roles_reached"),
    }
)
"""What an account is decided on besides its attributes: an attribute of such a name would be read as it."""


@dataclass(frozen=True)
class Reading:
    """What a file of the policy is held against while it is read."""

    plan: Plan | None = None
    """The plan beside the policy or the plays; None: its names are not checked."""
    rows: tuple[str, ...] | None = None
    """What the policy's rows are called, for plays.yaml; None: not checked."""
    personas: tuple[str, ...] | None = None
    """The roles that icp.yaml and the plan's buying group name, for plays.yaml; None: not checked."""
    policy: Policy | None = None
    """The policy beside the plays; None: which movements can happen is not checked."""
    broken: frozenset[str] = frozenset()
    """The keys that have faults of their own: nothing is said that would need them whole."""


def policy_faults(policy: Policy, reading: object = None) -> list[Found]:
    """What a policy says that is senseless; of one that is read from a file (`reading`), also what is dead in it."""
    checks, broken = _SENSELESS, frozenset[str]()
    found: list[Found] = []
    if isinstance(reading, Reading):
        checks, broken = (*checks, *_DEAD), reading.broken
        found += [] if reading.plan is None else _against_plan(policy, reading.plan)
    for needs, find in checks:
        if not needs & broken:
            found += find(policy)
    return found


def twice(section: str, key: str, names: Sequence[str], what: str = "a name of its own") -> list[Found]:
    """The names that stand a second time, each at its later place."""
    return [
        ((section, i, key), f"{section}[{names.index(name)}] has this {key} too: each needs {what}")
        for i, name in enumerate(names)
        if name in names[:i]
    ]


def strange(path: Path, named: Sequence[str], known: Sequence[str] | None, there: str) -> list[Found]:
    """The names that are not known, with the nearest that is, and the names that stand twice."""
    found: list[Found] = []
    for i, name in enumerate(named):
        if name in named[:i]:
            found.append(((*path, i), "stands twice in this list: leave one out"))
        elif known is not None and name not in known:
            near = get_close_matches(name, known, n=1)
            says = f"; did you mean '{near[0]}'?" if near else f"; {there}: {', '.join(known) or 'none'}"
            found.append(((*path, i), f"there is no '{name}'{says}"))
    return found


def falling(values: Mapping[str, float], said: Collection[str], why: str = "") -> list[Found]:
    """The neighbours of which the first does not lie below the second, at that one of them which was said.

    >>> falling({"moderate": 70, "high": 60}, {"moderate"})
    [(('moderate',), 'moderate (70) must lie below high (60): lower moderate, or raise high')]
    """
    return [
        ((b if b in said else a,), f"{a} ({x:g}) must lie below {b} ({y:g}){why}: lower {a}, or raise {b}")
        for (a, x), (b, y) in pairwise(values.items())
        if not x < y
    ]


def _names(policy: Policy) -> Iterator[Found]:
    yield from twice("rows", "row", [r.row for r in policy.rows])
    yield from twice("segments", "segment", [g.segment for g in policy.segments])
    yield from twice("verticals", "vertical", policy.vertical_names)


def _order(policy: Policy) -> Iterator[Found]:
    for before, (i, row) in zip(policy.rows, list(enumerate(policy.rows))[1:], strict=False):
        if row.tier < before.tier:
            says = f"rows stand from tier_1 down to tier_3: move row {row.row} above row {before.row}, of {before.tier}"
            yield ("rows", i, "tier"), says


def _guarded(policy: Policy) -> Iterator[Found]:
    least = policy.minimum_fit
    for i, row in enumerate(policy.rows):
        if row.tier == "tier_1" and row.asks() < row.asks(least):
            says = f"a row of tier_1 asks for less fit ({row.fit}) than minimum_fit: say fit: {least} or more"
            yield ("rows", i, "fit"), says


def _verticals_of_rows(policy: Policy) -> Iterator[Found]:
    for i, row in enumerate(policy.rows):
        yield from strange(("rows", i, "verticals"), row.verticals, policy.vertical_names, "the verticals are")


def _scores_of_rows(policy: Policy) -> Iterator[Found]:
    for i, row in enumerate(policy.rows):
        least = row.least.get("account_score", 0)
        if not 0 <= least <= 100:
            says = f"a score lies between 0 and 100, and {least:g} does not: say one that accounts have"
            yield ("rows", i, "least", "account_score"), says


def _segment_cuts(policy: Policy) -> Iterator[Found]:
    for i, segment in enumerate(policy.segments):
        for side, cuts in policy.cuts_of(segment).items():
            own = getattr(segment.bands, side).model_dump(exclude_none=True)
            for path, says in falling(cuts, own, ", the policy's cut where a segment says none"):
                yield ("segments", i, "bands", side, *path), says


def _some_rows(policy: Policy) -> Iterator[Found]:
    if not policy.rows:
        yield (
            ("rows",),
            "a policy without rows gives no account a tier: write one, or leave rows out for the usual ones",
        )


def _reachable(policy: Policy) -> Iterator[Found]:
    """A row that is never the first met: whatever reaches it has reached a row above it.

    As every condition is "at least", the account that just reaches a row is the hardest for the rows above.
    """
    for i, row in enumerate(policy.rows):
        groups: Sequence[str | None] = row.verticals or (None, *policy.vertical_names)
        above = [_first_met(policy, policy.rows[:i], row, group) for group in groups]
        if None not in above:
            names = " and ".join(dict.fromkeys(f"row {r.row}" for r in above if r is not None))
            says = (
                f"row {row.row} is never reached: {names} above it ask{'s' if ' and ' not in names else ''} for no more"
            )
            yield ("rows", i, "row"), f"{says}; raise what stands above, or take this row out"


def _first_met(policy: Policy, above: Sequence[TierRow], row: TierRow, vertical: str | None) -> TierRow | None:
    """The first row that the account which just reaches `row`, of that vertical, has reached too."""
    asks = row.asks(policy.minimum_fit)
    for other in above:
        bands = all(need <= has for need, has in zip(other.asks(policy.minimum_fit), asks, strict=True))
        values = all(name in row.least and row.least[name] >= least for name, least in other.least.items())
        if bands and values and (not other.verticals or vertical in other.verticals):
            return other
    return None


def _parts(policy: Policy) -> dict[str, list[tuple[str, Where]]]:
    """The segments and the verticals: each one's name and where."""
    return {
        "segments": [(g.segment, g.where) for g in policy.segments],
        "verticals": [(v.vertical, v.where) for v in policy.verticals],
    }


def _hidden(policy: Policy) -> Iterator[Found]:
    """A segment or vertical that no account can be in, as an earlier one holds whenever it does."""
    for key, parts in _parts(policy).items():
        for i, (_, where) in enumerate(parts):
            first = next((name for name, wide in parts[:i] if _holds_with(wide, where)), None)
            if first is not None:
                says = f"no account is left for it: {first} above holds whenever this does"
                yield (key, i, "where"), f"{says}; move it above {first}, or mend one where"


def _holds_with(wide: Where, narrow: Where) -> bool:
    """Whether all that `narrow` admits is admitted by `wide`, as far as the two say it of the same attributes."""
    return all(name in narrow and _within(narrow[name], condition) for name, condition in wide.items())


def _within(narrow: Within | tuple[str, ...], wide: Within | tuple[str, ...]) -> bool:
    if isinstance(narrow, tuple) or isinstance(wide, tuple):
        return isinstance(narrow, tuple) and isinstance(wide, tuple) and set(narrow) <= set(wide)
    from_, to = wide.at_least, wide.below
    starts = from_ is None or (narrow.at_least is not None and narrow.at_least >= from_)
    return starts and (to is None or (narrow.below is not None and narrow.below <= to))


def _doubled_values(policy: Policy) -> Iterator[Found]:
    for key, parts in _parts(policy).items():
        for i, (_, where) in enumerate(parts):
            for name, condition in where.items():
                if isinstance(condition, tuple):
                    yield from strange((key, i, "where", name), condition, None, "")


def _lowered(policy: Policy) -> Iterator[Found]:
    """A vertical that lowers a cut to 0 or below, of the policy or of a segment: every account would reach it."""
    cuts = [("", {side: dict(part) for side, part in policy.bands})]
    cuts += [(f" of segment {g.segment}", policy.cuts_of(g)) for g in policy.segments]
    for i, vertical in enumerate(policy.verticals):
        for side, points in vertical.lower:
            least, band, whose = min((v, b, of) for of, sides in cuts for b, v in sides[side].items())
            if points and points >= least:
                says = f"lowers {side} {band}{whose} ({least:g}) to 0, so that every account of it reaches the band"
                yield ("verticals", i, "lower", side), f"{says}; lower by less than {least:g}"


def _triggers(policy: Policy) -> Iterator[Found]:
    yield from twice("negative_triggers", "kind", [t.kind for t in policy.negative_triggers], "a kind of its own")


def _short_cool_down(policy: Policy) -> Iterator[Found]:
    surge = policy.surge
    if surge is not None and surge.cool_down_days < surge.days:
        says = f"is shorter than the surge itself (days: {surge.days}), so that an account is lifted most of the time"
        yield ("surge", "cool_down_days"), f"{says}; say at least {surge.days}"


def _idle_capacity(policy: Policy) -> Iterator[Found]:
    """A capacity that nothing can fill: rows and surges lead into tier_1 by its own rows only; what tier_1 has no room
    for stands in tier_2."""
    tiers = {row.tier for row in policy.rows}
    stated: dict[str, Mapping[Any, Any]] = {
        "capacity": policy.capacity,
        "owner_capacity": dict(policy.owner_capacity or ()),
    }
    for key, said in stated.items():
        for tier, leads in (("tier_1", {"tier_1"}), ("tier_2", {"tier_1", "tier_2"})):
            if said.get(tier) is not None and not tiers & leads:
                yield (key, tier), f"no row leads into {tier}: write a row of {tier}, or take its capacity out"


def _calendar(policy: Policy) -> Iterator[Found]:
    if policy.calendar is not None:
        yield from ((("calendar", *path), says) for path, says in calendar_faults(policy.calendar))


_SENSELESS: tuple[tuple[frozenset[str], Finder], ...] = (
    (frozenset(), _names),
    (frozenset(), _order),
    (frozenset({"minimum_fit"}), _guarded),
    (frozenset({"verticals"}), _verticals_of_rows),
    (frozenset(), _scores_of_rows),
    (frozenset({"bands"}), _segment_cuts),
)
"""What no policy may say, wherever it is made: the keys that a check needs whole besides the parts it names."""
_DEAD: tuple[tuple[frozenset[str], Finder], ...] = (
    (frozenset({"rows"}), _some_rows),
    (frozenset({"minimum_fit", "verticals"}), _reachable),
    (frozenset(), _hidden),
    (frozenset(), _doubled_values),
    (frozenset({"bands", "segments"}), _lowered),
    (frozenset(), _triggers),
    (frozenset(), _short_cool_down),
    (frozenset({"rows"}), _idle_capacity),
    (frozenset(), _calendar),
)
"""What can be decided by, but says something that never comes to bear: refused in a file, where a person wrote it."""


def _against_plan(policy: Policy, plan: Plan) -> list[Found]:
    """The names that the plan does not have, or has of another kind."""
    fit = {a.attribute: a for a in plan.features.fit}
    found: list[Found] = []
    for key, parts in _parts(policy).items():
        for i, (_, where) in enumerate(parts):
            for name, condition in where.items():
                says = _unlike(name, fit, isinstance(condition, tuple))
                found += [((key, i, "where", name), says)] if says else []
    for i, row in enumerate(policy.rows):
        for name in row.least:
            says = "" if name in JUDGED else _unlike(name, fit, False, JUDGED)
            found += [(("rows", i, "least", name), says)] if says else []
    known = _kinds(plan)
    for i, trigger in enumerate(policy.negative_triggers):
        near = [] if trigger.kind in known else get_close_matches(trigger.kind, known, n=1, cutoff=0.8)
        if near:
            says = f"model.yaml names no such kind; did you mean '{near[0]}'? If not, name it among objections there"
            found.append((("negative_triggers", i, "kind"), says))
    return found


def _unlike(name: str, fit: Mapping[str, Attribute], values: bool, more: tuple[str, ...] = ()) -> str:
    """What is wrong with a condition on an attribute, by what the plan says of it; `""` where nothing is."""
    if name not in fit:
        known = [*more, *fit]
        near = get_close_matches(name, known, n=1)
        there = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(known) or 'none'}"
        return f"features.fit of model.yaml has no such attribute; {there}"
    kind = fit[name].kind
    if name in DECIDED_ON:
        return "accounts are decided on something else of that name; give the column another one in the tables"
    if values and kind == "set":
        return "a set in model.yaml, and not one value: name a category, or a number with at_least or below"
    if values and kind == "number":
        return "a number in model.yaml: say at_least, below, or both"
    if not values and kind != "number":
        mend = "name values in a list, under where" if kind == "category" else "name a number"
        return f"a {kind} in model.yaml, which has no least value: {mend}"
    return ""


def _kinds(plan: Plan) -> list[str]:
    """The kinds of activity that the plan names."""
    signal = plan.features.signal
    counted = (kind for channel in signal.channels.values() for kind in channel.kinds)
    named = (
        *signal.objections,
        *signal.triggers,
        *signal.value_of,
        *plan.outcome.kinds,
        *plan.cohort.ended_by,
        *counted,
    )
    return list(dict.fromkeys(named))
