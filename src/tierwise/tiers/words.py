"""`why`: one plain sentence an account, of at most 200 characters."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from tierwise.config.policy import COVERAGE_BANDS, FIT_BANDS, SIGNAL_BANDS, Calendar, Policy
from tierwise.tiers.acts import Overrides, Rooms
from tierwise.tiers.bands import LEVELS, Flags, Floats, Instants, Ints, Words
from tierwise.tiers.calendar import frozen, quarter_end
from tierwise.tiers.demotions import Demotion
from tierwise.tiers.inputs import Facts
from tierwise.tiers.margin import Margin

LONGEST = 200
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
TIER_WORDS = {
    LEVELS["tier_1"]: "tier 1",
    LEVELS["tier_2"]: "tier 2",
    LEVELS["tier_3"]: "tier 3",
    LEVELS["recycle"]: "recycle",
    LEVELS["suppress"]: "suppress",
    LEVELS["in_pipeline"]: "out of the cohort: it has an open opportunity",
    LEVELS["customer"]: "out of the cohort: it is a customer",
    LEVELS["not_eligible"]: "out of the cohort: the plan's rules do not admit it",
}
ROLE_WORDS = {"exec_buyer": "executive buyer"}


@dataclass(frozen=True)
class Story:
    """What the sentences are made of, one entry an account."""

    facts: Facts
    fit_band: Ints
    signal_band: Ints
    decided_by: Words
    held_back: Flags
    """The minimum fit stopped signals that would have named a tier."""
    entry: Ints
    """By the rows alone."""
    before_lift: Ints
    earned: Ints
    """Before capacity."""
    final: Ints
    unheld: Ints
    """What `final` would be if no demotion were held."""
    held_because: str
    overrides: Overrides
    rooms: Rooms | None
    lacks: Margin
    prior: Ints
    movement: Words
    surge_until: Instants
    stay_until: Instants
    barred_until: Instants
    """The end of its promotion window; NaT outside one."""
    as_of: np.datetime64
    fell: Demotion


def day(value: date) -> str:
    """A date in words.

    >>> day(date(2026, 3, 1))
    '1 Mar 2026'
    """
    return f"{value.day} {MONTHS[value.month - 1]} {value.year}"


def _each(values: Words | Instants | Ints | Floats, word: Callable[..., str]) -> Words:
    """`word` of every value, called once for each distinct one."""
    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    said: Words = np.array([word(v) for v in distinct], dtype=object)[codes]
    return said


def _say(*parts: str | Words) -> Words:
    said = np.full(max(len(p) for p in parts if not isinstance(p, str)), "", dtype=object)
    for part in parts:
        said = said + part
    return said


def _days(values: Instants) -> Words:
    return _each(values.astype("datetime64[D]").astype("datetime64[s]"), lambda v: day(pd.Timestamp(v)))


def _whole(values: Floats) -> Words:
    """Rounded down, so that a number said to be below a cut reads as below it."""
    return _each(np.floor(np.nan_to_num(values)).astype(np.int64), str)


def _number(value: float) -> str:
    return f"{value:g}"


def safe_text(value: str, longest: int = 80) -> str:
    """Free text on one line, shortened to `longest` characters, with e-mail addresses and long numbers taken out.

    Characters that cannot be seen (control characters, marks of direction, zero widths) are left out.

    >>> safe_text("asked by jo@example.com, +44 20 7946 0958")
    'asked by [removed], [removed]'
    """
    seen = "".join(c for c in str(value) if c.isprintable() or c.isspace())
    text = re.sub(r"\S*@[^\s,;]*", "[removed]", " ".join(seen.split()))
    text = re.sub(r"\+?\d[\d ().-]{5,}\d", "[removed]", text).rstrip(".")
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _roles(value: str) -> str:
    roles = [ROLE_WORDS.get(r, r.replace("_", " "))[:30] for r in value.split(";") if r]
    if not roles:
        return ""
    if len(roles) > 3:
        roles = [*roles[:2], f"{len(roles) - 2} more roles"]
    return " and ".join([", ".join(roles[:-1]), roles[-1]] if len(roles) > 1 else roles)


def _coverage(story: Story, part: Flags) -> Words:
    roles = _each(story.facts.roles[part], _roles)
    named = roles != ""
    group = np.where(named, roles, "the buying group") + " reached"
    some = np.where(named, roles + " reached, the buying group in part", "the buying group reached in part")
    coverage, fell = story.facts.coverage[part], story.fell
    said = np.select(
        [coverage == 3, coverage == 2, coverage == 1], [group, some, "no contact has a role"], "no role reached"
    ).astype(object)
    bands = np.array([*COVERAGE_BANDS, ""], dtype=object)
    head = _say("coverage fell from ", bands[fell.coverage_was[part]], " to ", bands[coverage], ": ")
    return _say(np.where(fell.coverage[part], head, "").astype(object), said)


def _standing(story: Story, part: Flags) -> Words:
    fit_word = np.array(FIT_BANDS, dtype=object)[story.fit_band[part]]
    signal_word = np.array(SIGNAL_BANDS, dtype=object)[story.signal_band[part]]
    facts, fell = story.facts, story.fell
    fit = np.where(
        fell.fit[part],
        _say(_drop("fit", fell.fit, fell.fit_was, facts.fit, part), " (", fit_word, ")"),
        _say("fit ", _whole(facts.fit[part]), " is ", fit_word),
    )
    fit = np.where(facts.fit_unknown[part], "fit is not known", fit)
    signal = np.where(
        fell.signal[part],
        _say(_drop("signal", fell.signal, fell.signal_was, facts.signal, part), " (", signal_word, ")"),
        _say("signal ", _whole(facts.signal[part]), " is ", signal_word),
    )
    both = _say(fit.astype(object), " and ", signal.astype(object))
    known = ~np.isnan(facts.score[part])
    return np.where(known, _say("account score ", _whole(facts.score[part]), ": ", both), both).astype(object)


def _drop(side: str, fell: Flags, was: Floats, now: Floats, part: Flags) -> Words:
    """`signal fell from 62 to 47` where it fell, else `""`; with decimals where whole numbers would read the same."""
    out = np.full(int(part.sum()), "", dtype=object)
    places = np.flatnonzero(fell[part])
    for i, before, after in zip(places, was[part][places].tolist(), now[part][places].tolist(), strict=True):
        out[i] = f"{side} fell just below a cut"
        for scale in (1, 10, 100):
            high, low = np.floor(before * scale) / scale, np.floor(after * scale) / scale
            if high > low:
                out[i] = f"{side} fell from {_number(high)} to {_number(low)}"
                break
    return out


def _tiers(levels: Ints) -> Words:
    return _each(levels, lambda level: TIER_WORDS[int(level)])


def _excluded(story: Story, part: Flags, policy: Policy) -> Words:
    return _say("suppressed by an exclusion: ", _each(story.facts.excluded_by[part], safe_text))


def _negative(story: Story, part: Flags, policy: Policy) -> Words:
    return _say("suppressed by a negative trigger: ", _each(story.facts.negative_trigger[part], safe_text))


def _status(story: Story, part: Flags, policy: Policy) -> Words:
    return _tiers(story.final[part])


def _low_fit(story: Story, part: Flags, policy: Policy) -> Words:
    cut = _each(story.facts.cuts.fit[FIT_BANDS.index(policy.minimum_fit) - 1][part], _number)
    fell = _say(_drop("fit", story.fell.fit, story.fell.fit_was, story.facts.fit, part), ", below ", cut)
    is_low = _say("fit ", _whole(story.facts.fit[part]), " is below ", cut)
    fit = np.where(story.fell.fit[part], fell, is_low).astype(object)
    signal = _whole(story.facts.signal[part])
    held = _say("held in recycle by minimum fit: ", fit, ", whatever its signals (signal ", signal, ")")
    return np.where(story.held_back[part], held, _say(fit, ", the minimum fit")).astype(object)


def _stale(story: Story, part: Flags, policy: Policy) -> Words:
    limit = 0 if policy.stale is None else policy.stale.after_days
    ago = np.round(story.facts.days[part] * 86_400_000_000).astype("timedelta64[us]")
    return _say(f"no signal for more than {limit} days (newest on ", _days(story.as_of - ago), ")")


def _row(story: Story, part: Flags, policy: Policy) -> Words:
    return _say(_standing(story, part), "; ", _coverage(story, part))


def _no_match(story: Story, part: Flags, policy: Policy) -> Words:
    return _say(_row(story, part, policy), ": no tier row matches")


def _fit_unknown(story: Story, part: Flags, policy: Policy) -> Words:
    return _say("held below tier 1, as its fit is not known; ", _row(story, part, policy))


def _surge(story: Story, part: Flags, policy: Policy) -> Words:
    end = _days(story.surge_until[part])
    below, above = _tiers(story.before_lift[part]), _tiers(story.final[part])
    return _say("a surge lifts it from ", below, " to ", above, " until ", end, "; ", _standing(story, part))


def _stay_margin(story: Story, part: Flags, policy: Policy) -> Words:
    points = _number(policy.time_in_tier.stay_margin)
    tail = f", within {points} points of what entering takes"
    return _say("stays in ", _tiers(story.before_lift[part]), ": ", _standing(story, part), tail)


def _minimum_stay(story: Story, part: Flags, policy: Policy) -> Words:
    end = _days(story.stay_until[part])
    head = _say("stays in ", _tiers(story.before_lift[part]), " until ", end)
    rule = f" (minimum stay {policy.time_in_tier.minimum_stay_days} days)"
    return _say(head, rule, "; by its scores it would be in ", _tiers(story.entry[part]))


def _calendar(story: Story, part: Flags, policy: Policy) -> Words:
    head = _say("stays in ", _tiers(story.before_lift[part]), f": {_waiting(policy.calendar, story.as_of)}")
    return _say(head, "; by its scores it would be in ", _tiers(story.entry[part]))


def _waiting(calendar: Calendar | None, as_of: np.datetime64) -> str:
    today = as_of.astype("datetime64[D]").item()
    if calendar is not None and frozen(calendar, today):
        return f"no demotions before the quarter ends on {day(quarter_end(calendar, today) - timedelta(days=1))}"
    return "no day for demotions has come since its last run"


def _promotion_window(story: Story, part: Flags, policy: Policy) -> Words:
    head = _say("stays in ", _tiers(story.final[part]), ": no promotion before ", _days(story.barred_until[part]))
    rule = f" ({policy.time_in_tier.promotion_window_days} days after its last move); by its scores it would be in "
    return _say(head, rule, _tiers(story.entry[part]))


def _override(story: Story, part: Flags, policy: Policy) -> Words:
    acts = story.overrides
    head = _say("set to ", _tiers(story.earned[part]), " by ", _each(acts.author[part], safe_text), " until ")
    return _say(head, _days(acts.until[part]), ": ", _each(acts.reason[part], safe_text))


def _owner_full(story: Story, part: Flags, policy: Policy) -> Words:
    rooms = story.rooms
    if rooms is None:
        raise AssertionError("an owner's capacity displaced accounts that no owners were read for")
    group, level = rooms.group[part], story.final[part] + 1
    capacity = np.select([level == LEVELS[t] for t in rooms.capacity], [c[group] for c in rooms.capacity.values()])
    who = "owner" if policy.owner_capacity is None else policy.owner_capacity.by
    head = _say("qualifies for ", _tiers(level), f", waiting: {who} full (room for ", _each(capacity, _number), ")")
    return _say(head, "; ", _standing(story, part))


def _capacity(story: Story, part: Flags, policy: Policy) -> Words:
    earned, final = _tiers(story.earned[part]), _tiers(story.final[part])
    full = story.final[part] + 1
    room = _each(full, lambda level: str(policy.capacity.get(f"tier_{4 - level}", 0)))  # type: ignore[call-overload]
    which = np.where(full == story.earned[part], "which", _tiers(full)).astype(object)
    head = _say("earned ", earned, ", ", which, " has no room (capacity ", room, "), and stands in ", final)
    return _say(head, "; ", _standing(story, part))


def _inputs_late(story: Story, part: Flags, policy: Policy) -> Words:
    head = _say("stays in ", _tiers(story.final[part]), f": demotions are held, as {safe_text(story.held_because)}")
    return _say(head, "; by what is known it would be in ", _tiers(story.unheld[part]))


_SENTENCES: dict[str, Callable[[Story, Flags, Policy], Words]] = {
    "excluded": _excluded,
    "negative_trigger": _negative,
    "status": _status,
    "low_fit": _low_fit,
    "stale": _stale,
    "no_match": _no_match,
    "fit_unknown": _fit_unknown,
    "surge": _surge,
    "stay_margin": _stay_margin,
    "minimum_stay": _minimum_stay,
    "calendar": _calendar,
    "promotion_window": _promotion_window,
    "override": _override,
    "capacity": _capacity,
    "owner_full": _owner_full,
    "inputs_late": _inputs_late,
}


_NO_TAIL = (
    "excluded",
    "negative_trigger",
    "status",
    "low_fit",
    "stale",
    "promotion_window",
    "override",
    "capacity",
    "owner_full",
    "inputs_late",
)
"""Steps after which points alone would not lift an account."""
_COVERAGE_ASKED = ("", "", "one role of the buying group reached", "the whole buying group reached")


def _movement(story: Story, when: str) -> Words:
    was = _each(story.prior, lambda level: TIER_WORDS.get(int(level), ""))
    now = _each(story.final, lambda level: TIER_WORDS[int(level)])
    left = np.where(story.movement == "left", "left " + was + f" on {when}: ", "")
    entered = np.where(story.movement == "entered", "entered " + now + f" on {when}: ", left)
    moved = (story.movement == "up") | (story.movement == "down")
    return np.where(moved, was + " to " + now + f" on {when}: ", entered).astype(object)


def _lead(story: Story) -> Words:
    """What ended or changed and so lowered it, before the sentence of where it stands now; else `""`."""
    fell = story.fell
    out = np.where(fell.by_policy, "the policy changed; ", "").astype(object)
    ends = ((fell.surge_end, "its surge"), (fell.stay_end, "its minimum stay"), (fell.override_end, "its override"))
    for ended, what in ends:
        part = ~np.isnat(ended)
        over = np.where(ended[part] <= story.as_of, "ended on ", "was withdrawn before ").astype(object)
        out[part] = _say(f"{what} ", over, _days(np.minimum(ended[part], story.as_of)), "; ")
    return out


def _tail(story: Story) -> Words:
    """What the account lacks of the next tier, where rows decide and it lacks something, and before when it does not
    help; else `""`."""
    lacks = story.lacks
    points = (lacks.fit, lacks.signal, lacks.score)
    fit, signal, score = (np.ceil(np.round(some, 6)).astype(np.int64) for some in points)
    part = (lacks.next_level > 0) & ((signal > 0) | (fit > 0) | (score > 0) | (lacks.coverage >= 0))
    part &= ~np.isin(_codes_of(story.decided_by, _NO_TAIL), range(len(_NO_TAIL)))
    packed = (((lacks.next_level * 1000 + fit) * 1000 + signal) * 1000 + score) * 10 + lacks.coverage + 1
    out, late = _each(np.where(part, packed, -1), _needs), part & ~np.isnat(story.barred_until)
    out[late] = _say(out[late], ", not before ", _days(story.barred_until[late]))
    return out


def _codes_of(values: Words, table: Sequence[str]) -> Ints:
    """Each word's place in a table; -1 where it is not in it."""
    codes, distinct = pd.factorize(values)
    places: Ints = np.array([table.index(word) if word in table else -1 for word in distinct], dtype=np.int64)[codes]
    return places


def _needs(packed: int) -> str:
    """`; tier 1 needs 13 more points of signal`, of a tier, points and a coverage band packed into one number."""
    if packed < 0:
        return ""
    rest, coverage = divmod(int(packed), 10)
    rest, score = divmod(rest, 1000)
    rest, signal = divmod(rest, 1000)
    level, fit = divmod(rest, 1000)
    sides = ((fit, "fit"), (signal, "signal"), (score, "account score"))
    asks = [f"{n} more {'point' if n == 1 else 'points'} of {side}" for n, side in sides if n]
    asks += [_COVERAGE_ASKED[coverage - 1]] if coverage else []
    return f"; {TIER_WORDS[level]} needs {' and '.join(asks)}"


def why(story: Story, policy: Policy, as_of: date) -> Words:
    """The sentence of each account: its movement, if any, and the step that decided; at most 200 characters."""
    clause = np.full(len(story.final), "", dtype=object)
    codes, steps = pd.factorize(story.decided_by)
    for i, step in enumerate(steps):
        part = codes == i
        clause[part] = _SENTENCES.get(step, _row)(story, part, policy)
    heads, tails = _movement(story, day(as_of)) + _lead(story) + clause, _tail(story)
    said: Words = np.empty(len(clause), dtype=object)
    said[:] = [_sentence(head, tail) for head, tail in zip(heads, tails, strict=True)]
    return said


def _sentence(head: str, tail: str) -> str:
    """A head, capitalised, with its tail where there is room for it, and a full stop."""
    text = head[:1].upper() + head[1:]
    if len(text) + len(tail) < LONGEST:
        return f"{text}{tail}."
    return f"{text}." if len(text) < LONGEST else text[: LONGEST - 2] + "…."
