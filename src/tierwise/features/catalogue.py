"""The catalogue: the features that a plan asks for, as data, in their one order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from tierwise.errors import ConfigError
from tierwise.features.feature import Feature

if TYPE_CHECKING:
    from tierwise.config import Attribute, Plan

CONTACT_WINDOW_LIMIT = 90
"""Distinct contacts are counted over windows of at most so many days."""
TREND_WINDOWS = (30, 90)
TRIGGER_WINDOWS = (30, 90)


def slug(text: str) -> str:
    """A column name made of a value: lower case, digits and underscores.

    >>> slug("Pricing visit")
    'pricing_visit'
    """
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


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
    return features


def set_feature(attribute: Attribute, value: str) -> str:
    """The name of a set member's feature."""
    return f"{attribute.attribute}_{slug(value)}"


def _attributes(plan: Plan) -> list[Feature]:
    features = []
    for a in plan.features.fit:
        missing: Literal["value", "never"] = "value" if a.clock == "tracked" else "never"
        words = a.words or spoken(a.attribute)
        if a.kind == "set":
            features += [
                Feature(set_feature(a, v), "fit", "flag", "yes or no", f"{words} {v}: {{value}}", missing="never")
                for v in a.values
            ]
        else:
            unit = "" if a.kind == "category" else spoken(a.attribute)
            features.append(Feature(a.attribute, "fit", a.kind, unit, f"{words}: {{value}}", missing=missing))
    return features


def measures(plan: Plan) -> dict[str, tuple[str | None, str | None]]:
    """What activity is counted by: measure -> (channel, kind); `signals` counts all channels of the plan together."""
    found: dict[str, tuple[str | None, str | None]] = {"signals": (None, None)}
    for name, channel in plan.features.signal.channels.items():
        found[slug(name)] = (name, None)
        for kind in channel.kinds:
            found[f"{slug(name)}_{slug(kind)}"] = (name, kind)
    return found


def measure_words(channel: str | None, kind: str | None) -> str:
    """How a measure is called in a sentence."""
    if channel is None:
        return "buyer activities"
    if kind is None:
        return f"{spoken(channel)} activities"
    return f"{spoken(kind)} activities ({spoken(channel)})"


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
        words = measure_words(channel, kind)
        features += [
            Feature(f"{measure}_{w}d", "signal", "number", "activities", f"{{value}} {words} in {w} days", w)
            for w in signal.windows_days
        ]
        if kind is None:
            features += [
                Feature(
                    f"{measure}_decayed_{h}d", "signal", "number", "activities",
                    f"{words}, fading by half every {h} days: {{value}}", 4 * h,
                )
                for h in signal.half_lives_days
            ]  # fmt: skip
            features.append(
                Feature(f"{measure}_days_since", "signal", "number", "days", f"last of {words} {{value}} days ago")
            )
    features += [
        Feature(
            f"signals_trend_{w}d", "signal", "number", "log ratio",
            f"trend of buyer activities, last {w} days against the {w} before: {{value}}", 2 * w,
        )
        for w in trend_windows(plan)
    ]  # fmt: skip
    for kind in signal.value_of:
        features += [
            Feature(
                f"{slug(kind)}_value_{w}d", "signal", "number", "value",
                f"value of {spoken(kind)} in {w} days: {{value}}", w,
            )
            for w in signal.windows_days
        ]  # fmt: skip
    return features


def _people(plan: Plan) -> list[Feature]:
    group = plan.features.signal.buying_group
    features = [
        Feature(f"contacts_{w}d", "signal", "number", "contacts", f"{{value}} contacts active in {w} days", w)
        for w in contact_windows(plan)
    ]
    features += [
        Feature(
            f"reached_{slug(role)}", "signal", "flag", "yes or no",
            f"{spoken(role)} active in {group.window_days} days: {{value}}", group.window_days,
        )
        for role in group.roles
    ]  # fmt: skip
    features.append(
        Feature(
            "buying_group_share", "signal", "number", "share",
            f"share of the buying group active in {group.window_days} days: {{value}}", group.window_days,
        )
    )  # fmt: skip
    return features


def _triggers(plan: Plan) -> list[Feature]:
    return [
        Feature(
            f"trigger_{slug(kind)}_{w}d",
            "signal",
            "number",
            "events",
            f"{{value}} {spoken(kind)} events in {w} days",
            w,
        )
        for kind in plan.features.signal.triggers
        for w in TRIGGER_WINDOWS
    ]


def _opportunities(plan: Plan) -> list[Feature]:
    if not plan.features.signal.opportunity_history:
        return []
    return [
        Feature("opportunities_before", "signal", "number", "opportunities", "{value} opportunities opened before"),
        Feature("opportunities_won_before", "signal", "number", "opportunities", "{value} opportunities won before"),
        Feature("opportunities_lost_before", "signal", "number", "opportunities", "{value} opportunities lost before"),
        Feature(
            "days_since_opportunity_opened", "signal", "number", "days", "last opportunity opened {value} days ago"
        ),
        Feature(
            "days_since_opportunity_closed", "signal", "number", "days", "last opportunity closed {value} days ago"
        ),
    ]
