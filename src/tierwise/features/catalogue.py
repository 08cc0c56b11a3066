"""The catalogue: the features that a plan asks for, as data, in their one order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from tierwise.errors import ConfigError
from tierwise.features.feature import NOT_KNOWN, Feature, Missing
from tierwise.features.matrix import OWN_COLUMNS

if TYPE_CHECKING:
    from tierwise.config import Attribute, Plan

CONTACT_WINDOW_LIMIT = 90
"""Distinct contacts are counted over windows of at most so many days."""
TREND_WINDOWS = (30, 90)
TRIGGER_WINDOWS = (30, 90)
LONGEST_AGO = 365
"""Days since something happened count up to here: further back, they would only tell how long the history is."""
CHANNEL_FAMILIES = {
    "email": "e-mail",
    "event": "events",
    "intent": "intent data",
    "meeting": "meetings",
    "product": "product use",
    "web": "website",
}
"""What people call a channel's features together; a channel that is called otherwise is a family by its own name."""
ALL_ACTIVITY, BUYING_GROUP, DEALS = "all buyer activity", "buying group", "earlier opportunities"


def slug(text: str) -> str:
    """A column name made of a value: letters in lower case, digits and underscores.

    >>> slug("Pricing visit"), slug("Café"), slug("C"), slug("C++"), slug("C#"), slug("3rd party"), slug("!")
    ('pricing_visit', 'café', 'c', 'c_plus_plus', 'c_sharp', '3rd_party', 'x21')
    """
    named = text.lower().replace("+", " plus ").replace("#", " sharp ")
    return re.sub(r"[^\w]+", "_", named).strip("_") or "x" + text.encode().hex()


def spoken(name: str) -> str:
    """A column name as words."""
    return name.replace("_", " ")


def catalogue(plan: Plan) -> tuple[Feature, ...]:
    """Every feature of a plan: fit side first, then signal side; names are unique.

    Raises
    ------
    ConfigError : two features of the plan would bear one name.
    """
    features = (*_attributes(plan), *_activity(plan), *_people(plan), *_triggers(plan), *_opportunities(plan))
    seen: set[str] = set()
    for feature in features:
        if feature.name in seen:
            raise ConfigError(
                f"the plan '{plan.plan}' names the feature '{feature.name}' twice",
                do="Rename one of the attributes, channels or kinds that make it",
                where=f"models/{plan.plan}/model.yaml",
            )
        seen.add(feature.name)
    return _monotone(features, plan)


def _monotone(features: Sequence[Feature], plan: Plan) -> tuple[Feature, ...]:
    """The features with the directions that the plan declares."""
    declared, named = plan.features.monotone, {f.name: f for f in features}
    for name, direction in declared.items():
        if name in named and named[name].kind != "category":
            continue
        near = ", ".join(get_close_matches(name, named)) or "none"
        raise ConfigError(
            f"the plan '{plan.plan}' declares the feature '{name}' {direction}",
            found="a category has no order" if name in named else f"it has none of that name; near it: {near}",
            do="Name a number or a flag of the plan in features.monotone, or take the line out",
            where=f"models/{plan.plan}/model.yaml",
        )
    signs: Mapping[str | None, Literal[-1, 0, 1]] = {"rising": 1, "falling": -1, None: 0}
    return tuple(replace(f, monotone=signs[declared.get(f.name)]) for f in features)


def fit_feature(attribute: Attribute) -> str:
    """The name of an attribute's feature: its own, unless a column of the matrix is called so."""
    return feature_of(attribute.attribute)


def set_feature(attribute: Attribute, value: str) -> str:
    """The name of a set member's feature."""
    return member_of(attribute.attribute, value)


def feature_of(attribute: str) -> str:
    """As `fit_feature`, by the attribute's name."""
    return f"account_{attribute}" if attribute in OWN_COLUMNS else attribute


def member_of(attribute: str, value: str) -> str:
    """As `set_feature`, by the attribute's name."""
    return f"{attribute}_{slug(value)}"


def _attributes(plan: Plan) -> list[Feature]:
    features = []
    for a in plan.features.fit:
        missing: Missing = "value" if a.clock == "tracked" else "never"
        words = a.words or spoken(a.attribute)
        if a.kind == "set":
            features += [
                Feature(
                    set_feature(a, v), "fit", "flag", "yes or no", f"{spoken(v)} ({words}): {{value}}",
                    missing="never", family=words,
                )
                for v in a.values
            ]  # fmt: skip
        else:
            unit = "" if a.kind == "category" else spoken(a.attribute)
            features.append(
                Feature(fit_feature(a), "fit", a.kind, unit, f"{words}: {{value}}", missing=missing, family=words)
            )
    return features


def measures(plan: Plan) -> dict[str, tuple[str | None, str | None]]:
    """What activity is counted by: measure -> (channel, kind); `signals` counts all channels of the plan together."""
    found: dict[str, tuple[str | None, str | None]] = {"signals": (None, None)}
    for name, channel in plan.features.signal.channels.items():
        made = slug(name)
        measure = f"channel_{made}" if made[0].isdigit() else made
        found[measure] = (name, None)
        for kind in channel.kinds:
            found[f"{measure}_{slug(kind)}"] = (name, kind)
    return found


def measure_words(channel: str | None, kind: str | None) -> str:
    """How a measure is called in a sentence."""
    return "buyer activity" if channel is None else f"{spoken(kind or channel)} activity"


def counted(channel: str | None, kind: str | None) -> str:
    """What a measure counts, as a plural.

    >>> counted("web", "pricing_visit"), counted("email", "reply"), counted("web", None), counted(None, None)
    ('pricing visits', 'replies', 'web activities', 'buyer activities')
    """
    if kind is None or kind.endswith("s"):
        return measure_words(channel, kind).removesuffix("y") + "ies"
    words = spoken(kind)
    return f"{words[:-1]}ies" if re.search(r"[^aeiou]y$", words) else f"{words}s"


def channel_family(channel: str | None) -> str:
    """What people call a channel's features together."""
    return ALL_ACTIVITY if channel is None else CHANNEL_FAMILIES.get(slug(channel), spoken(channel))


def contact_windows(plan: Plan) -> tuple[int, ...]:
    """The windows over which distinct contacts are counted."""
    return tuple(w for w in plan.features.signal.windows_days if w <= CONTACT_WINDOW_LIMIT)


def trend_windows(plan: Plan) -> tuple[int, ...]:
    """The windows that are compared with the window before them."""
    return tuple(w for w in plan.features.signal.windows_days if w in TREND_WINDOWS)


def _activity(plan: Plan) -> list[Feature]:
    signal = plan.features.signal
    features: list[Feature] = []
    for measure, (channel, kind) in measures(plan).items():
        words, things, family = measure_words(channel, kind), counted(channel, kind), channel_family(channel)
        features += [
            _number(f"{measure}_{w}d", "activities", f"{things} in {w} days", family, w, measure=measure)
            for w in signal.windows_days
        ]
        if kind is None:
            fading = f"recent {words}, halved every {{}} days"
            features += [
                _number(
                    f"{measure}_decayed_{h}d", "fading activities", fading.format(h), family, 4 * h, measure=measure
                )
                for h in signal.half_lives_days
            ]
            said = f"days since the newest {words}"
            features.append(
                _number(f"{measure}_days_since", "days or never", said, family, absent="none seen yet", measure=measure)
            )
    for w in trend_windows(plan):
        words = f"buyer activity of {w} days over the {w} before, one added to each"
        features.append(_number(f"signals_trend_{w}d", "log ratio", words, ALL_ACTIVITY, 2 * w, measure="signals"))
    for kind in signal.value_of:
        words = f"value of {spoken(kind)}"
        features += [
            _number(
                f"{slug(kind)}_value_{w}d", "value", f"{words} in {w} days", words, w, measure=f"{slug(kind)}_value"
            )
            for w in signal.windows_days
        ]
    return features


def _number(
    name: str, unit: str, words: str, family: str, window: int | None = None, absent: str = NOT_KNOWN, measure: str = ""
) -> Feature:
    """A number of the signal side, said as `words: value`; one that is absent is known not to be there so far."""
    missing: Missing = "value" if absent == NOT_KNOWN else "beyond"
    return Feature(
        name, "signal", "number", unit, f"{words}: {{value}}", window, missing, absent, family=family, measure=measure
    )


def _people(plan: Plan) -> list[Feature]:
    group = plan.features.signal.buying_group
    features = [
        _number(f"contacts_{w}d", "contacts", f"contacts active in {w} days", BUYING_GROUP, w, measure="contacts")
        for w in contact_windows(plan)
    ]
    if not group.known:
        return features
    for role in group.roles:
        words = f"{role_words(role)} active in {group.window_days} days: {{value}}"
        features.append(
            Feature(
                f"reached_{slug(role)}", "signal", "flag", "yes or no", words, group.window_days, family=BUYING_GROUP
            )
        )
    words = f"share of the buying group active in {group.window_days} days"
    return [*features, _number("buying_group_share", "share", words, BUYING_GROUP, group.window_days)]


def role_words(role: str) -> str:
    """A role as words."""
    return spoken(role).replace("exec buyer", "executive buyer")


def _triggers(plan: Plan) -> list[Feature]:
    return [
        _number(
            f"trigger_{slug(kind)}_{w}d",
            "events",
            f"{spoken(kind)} in {w} days",
            spoken(kind),
            w,
            measure=f"trigger_{slug(kind)}",
        )
        for kind in plan.features.signal.triggers
        for w in TRIGGER_WINDOWS
    ]


def _opportunities(plan: Plan) -> list[Feature]:
    if not plan.features.signal.opportunity_history:
        return []
    return [
        _number("opportunities_before", "opportunities", "opportunities opened before", DEALS),
        _number("opportunities_won_before", "opportunities", "opportunities won before", DEALS),
        _number("opportunities_lost_before", "opportunities", "opportunities lost before", DEALS),
        _number(
            "days_since_opportunity_opened",
            "days",
            "days since the last opportunity was opened",
            DEALS,
            absent="there was none",
        ),
        _number(
            "days_since_opportunity_closed",
            "days",
            "days since the last opportunity was closed",
            DEALS,
            absent="there was none",
        ),
    ]
