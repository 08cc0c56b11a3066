"""A policy in plain sentences, in the order in which its rules are asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tierwise.config.policy import COVERAGE_BANDS, FIT_BANDS, Policy, TierRow, Within
from tierwise.config.where import Where
from tierwise.tiers.segments import reads_score
from tierwise.tiers.words import day

QUARTERS = 3
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
TIER_NAMES = {"tier_1": "tier 1", "tier_2": "tier 2", "tier_3": "tier 3"}
_GROUP = {
    "unknown": "the buying group reached at least in part, or no contact with a known role",
    "partial": "the buying group reached at least in part",
    "reached": "the buying group reached",
}


def spoken(policy: Policy) -> list[str]:
    """What a policy says, as sentences that a person without its file can follow and argue with.

    Every rule that can place, hold, lower or stop an account has its sentence; so has the absence of those that most
    policies have (minimum fit, staleness, surge, minimum stay, limits of tiers).

    >>> [said for said in spoken(Policy(stale=None, surge=None)) if said.startswith("There is no")]
    ['There is no surge.', 'There is no limit to how many accounts a tier holds.']
    """
    parts = (
        _bands,
        _segments,
        _verticals,
        _gates,
        _rows,
        _surge,
        _stay,
        _promotions,
        _calendar,
        _late,
        _override,
        _room,
    )
    return [sentence for part in parts for sentence in part(policy)]


def _bands(policy: Policy) -> Iterator[str]:
    yield (
        "Fit (who an account is) and signal (what it does) are scores from 0 to 100: where it stands, in per cent,"
        " among those that the model learned from."
        + " So is the account score, of both together."
        * reads_score(policy)
    )
    yield f"Fit is {_cuts(dict(policy.bands.fit))}; below that it is low."
    yield f"Signal is {_cuts(dict(policy.bands.signal))}; below that there is none."


def _segments(policy: Policy) -> Iterator[str]:
    for segment in policy.segments:
        own = [(side, part.model_dump(exclude_none=True)) for side, part in segment.bands]
        said = [f"{side} is {_cuts(cuts)}" for side, cuts in own if cuts]
        cuts = f"{_and(said)}; the rest is as above" if said else "all is as above"
        yield f"In segment {_name(segment.segment)} ({_where(segment.where)}) {cuts}."
    if len(policy.segments) > 1:
        yield "An account in several segments counts in the first of them."


def _verticals(policy: Policy) -> Iterator[str]:
    for vertical in policy.verticals:
        points = [(getattr(vertical.lower, side), side) for side in ("fit", "signal")]
        less = _and([f"{_points(n)} less {side}" for n, side in points if n])
        too = ", for the minimum fit too" if vertical.lower.fit and policy.minimum_fit != "low" else ""
        yield f"Strategic vertical {_name(vertical.vertical)} ({_where(vertical.where)}): {less} is enough{too}."
    if len(policy.verticals) > 1:
        yield "An account in several strategic verticals counts in the first of them."


def _gates(policy: Policy) -> Iterator[str]:
    yield "An excluded account is suppressed at once, whatever else holds."
    for trigger in policy.negative_triggers:
        yield f"So is one with the activity {_name(trigger.kind)}, for {_days(trigger.days)} after it."
    yield "An account with an open opportunity, a customer, or one that the plan does not admit stands in no tier."
    least = policy.minimum_fit
    if least == "low":
        yield "No minimum fit is asked."
    else:
        own = any(getattr(segment.bands.fit, least) is not None for segment in policy.segments)
        cut = _number(getattr(policy.bands.fit, least)) + " where its segment says no other" * own
        yield f"An account of less than {least} fit (below {cut}) goes to recycle, whatever its signals."
    stale = policy.stale
    if stale is None:
        yield "No account goes to recycle because its signals are old."
    else:
        yield (
            f"An account whose newest signal is more than {_days(stale.after_days)} old, and no more than"
            f" {_number(stale.within_days)}, goes to recycle."
        )


def _rows(policy: Policy) -> Iterator[str]:
    if policy.rows:
        yield "Else the first of these rows that an account reaches names its tier:"
    for row in policy.rows:
        yield f"{_first(TIER_NAMES[row.tier])} (row {_name(row.row)}): {_asks(row, policy)}."
    if policy.rows:
        yield "One that reaches none of them goes to recycle."


def _asks(row: TierRow, policy: Policy) -> str:
    """What a row asks for; the minimum fit counts as asked."""
    fit = FIT_BANDS[row.asks(policy.minimum_fit)[0]]
    asks = [f"{_at_least(fit, fit == FIT_BANDS[-1])} fit"] if fit != "low" else []
    asks += [f"{_at_least(row.signal, row.signal == 'high')} signal"] if row.signal != "none" else []
    asks += [_GROUP[row.coverage]] if row.coverage != COVERAGE_BANDS[0] else []
    asks += [f"{_a(_name(name))} of at least {_number(least)}" for name, least in row.least.items()]
    said = _and(asks) or "any account"
    only = f"; only in the strategic {_plural(row.verticals, 'vertical')} {_and(list(map(_name, row.verticals)))}"
    return said + only * bool(row.verticals)


def _surge(policy: Policy) -> Iterator[str]:
    surge = policy.surge
    if surge is None:
        yield "There is no surge."
        return
    contacts, channels = _count(surge.least_contacts, "contact"), _count(surge.least_channels, "channel")
    yield (
        f"A surge lifts an account one tier for {_days(surge.days)}: at least {_number(surge.least_activities)}"
        f" activities in a week and {_number(surge.ratio)} times its own weekly mean of the 83 days before, from at"
        f" least {contacts} or through at least {channels}."
    )
    yield (
        f"A surge stands in for signal{' and account score' * reads_score(policy)}, never for fit or coverage, and no"
        " other begins within"
        f" {_days(surge.cool_down_days)} of its end."
    )


def _stay(policy: Policy) -> Iterator[str]:
    rule = policy.time_in_tier
    if rule.stay_margin:
        yield (
            f"{'Fit, signal and account score' if reads_score(policy) else 'Fit and signal'} may fall"
            f" {_points(rule.stay_margin)} below what entering a tier takes before they lower an account."
        )
    else:
        yield "An account stays in a tier only while it reaches what entering takes."
    if rule.minimum_stay_days:
        yield (
            f"For {_days(rule.minimum_stay_days)} after it came into a tier, neither scores, coverage nor a full tier"
            " lower it; suppression, status, minimum fit, old signals, and the end of a surge or of an override do, at"
            " once."
        )
    else:
        yield "There is no minimum stay."


def _promotions(policy: Policy) -> Iterator[str]:
    window = policy.time_in_tier.promotion_window_days
    if window:
        yield (
            f"For {_days(window)} after rows promoted or demoted an account, they do not promote it; surges and"
            " overrides still do."
        )


def _calendar(policy: Policy) -> Iterator[str]:
    calendar = policy.calendar
    if calendar is None:
        return
    if calendar.freeze_days:
        starts = [MONTHS[(calendar.fiscal_year_starts - 1 + QUARTERS * k) % 12] for k in range(4)]
        yield (
            f"In the last {_days(calendar.freeze_days)} of a fiscal quarter neither scores nor a full tier lower an"
            f" account; quarters begin in {_and(starts)}."
        )
    if calendar.demotions_on or calendar.holidays:
        days = _and([name.capitalize() for name in calendar.demotions_on], "or") or "day"
        off = f" that is no holiday ({', '.join(map(day, sorted(calendar.holidays)))})" * bool(calendar.holidays)
        who = "They lower it" if calendar.freeze_days else "Scores and full tiers lower an account"
        yield f"{who} only where a {days}{off} has come since its last run."


def _late(policy: Policy) -> Iterator[str]:
    yield "While a source is late or short, only suppression, a status and a person's override lower an account."


def _override(policy: Policy) -> Iterator[str]:
    misfit = " no account below the minimum fit, and" * (policy.minimum_fit != "low")
    yield (
        "A person's override takes the place of what is said of old signals, rows, surge and stay until it expires; it"
        f" lifts{misfit} none that is suppressed."
    )


def _room(policy: Policy) -> Iterator[str]:
    owner, tiers = policy.owner_capacity, [(t, n) for t in ("tier_1", "tier_2") if (n := _of(policy, t)) is not None]
    if owner is not None:
        usual = [(t, n) for t in ("tier_1", "tier_2") if (n := owner.of(t)) is not None]
        many = f"{_holds(usual)}, where the table owners says no other number"
        shared = f"; owners of a {owner.by} share their room" if owner.by != "owner" else ""
        yield f"An owner can work {many if usual else 'as many accounts as the table owners says'}{shared}."
    if tiers:
        yield f"All owners together can work {_holds(tiers)}."
    if owner is None and not tiers:
        yield "There is no limit to how many accounts a tier holds."
    else:
        yield (
            "Where there is no room, those most likely to have the outcome stand first, and the others wait one tier"
            " lower; accounts in their minimum stay, and those set by a person, go before all."
        )


def _holds(tiers: Sequence[tuple[str, int]]) -> str:
    return "at most " + _and([f"{_count(n, 'account')} in {TIER_NAMES[t]}" for t, n in tiers])


def _of(policy: Policy, tier: str) -> int | None:
    return policy.capacity.get(tier)  # type: ignore[call-overload, no-any-return]


def _cuts(cuts: Mapping[str, float]) -> str:
    """`high from 70, moderate from 40`, highest first."""
    return ", ".join(f"{band} from {_number(cut)}" for band, cut in reversed(list(cuts.items())))


def _where(where: Where) -> str:
    return "; ".join(f"{_name(name)} {_condition(condition)}" for name, condition in where.items())


def _condition(condition: Within | tuple[str, ...]) -> str:
    if isinstance(condition, tuple):
        return _and(list(condition), "or")
    parts = [f"from {_number(condition.at_least)}"] if condition.at_least is not None else []
    parts += [f"below {_number(condition.below)}"] if condition.below is not None else []
    return _and(parts)


def _name(name: str) -> str:
    return name.replace("_", " ")


def _number(value: float) -> str:
    """
    >>> _number(50000.0), _number(2.5)
    ('50,000', '2.5')
    """
    return f"{value:,.12g}"


def _count(n: float, what: str) -> str:
    return f"{_number(n)} {what}{'' if n == 1 else 's'}"


def _days(n: float) -> str:
    return _count(n, "day")


def _points(n: float) -> str:
    return _count(n, "point")


def _plural(of: Sequence[str], what: str) -> str:
    return what if len(of) == 1 else f"{what}s"


def _at_least(band: str, top: bool) -> str:
    return band if top else f"at least {band}"


def _a(name: str) -> str:
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"


def _and(parts: Sequence[str], word: str = "and") -> str:
    """
    >>> _and(["a", "b", "c"]), _and(["a"]), _and([])
    ('a, b and c', 'a', '')
    """
    return f" {word} ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]
