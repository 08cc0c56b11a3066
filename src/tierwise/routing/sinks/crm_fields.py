"""Which of the configured fields a CRM has, and whether they can hold what tierwise writes into them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from tierwise.routing.sinks.crm_values import TIER_NAMES, CrmField
from tierwise.tiers.words import LONGEST

_TIER = max(map(len, TIER_NAMES))
_TEXTS = {
    "tier": _TIER,
    "previous_tier": _TIER,
    "why": LONGEST,
    "model_version": 64,  # the SHA-256 of a bundle's manifest
    "run_id": 25,  # a day and a hash: 20260301-1adadb580fa13c95
    "letter_id": 16,
    "account_id": 18,
}
_NUMBERS = {"account_score": 3, "fit_score": 3, "signal_score": 3, "propensity": 1}
_MOMENTS = ("tier_since", "as_of")
_REASON = 200


@dataclass(frozen=True)
class Fit:
    """What metadata say of the configured fields: what stops delivery, and what would be cut or rounded away."""

    stops: tuple[str, ...] = ()
    spoils: tuple[str, ...] = ()


def fit(wanted: Mapping[str, str], there: Mapping[str, CrmField], of: str) -> Fit:
    """Hold the configured fields (by tierwise's names) against those of an object `of` the CRM.

    A missing field is named with the nearest there is.
    """
    stops, spoils = [], []
    for name, field_name in wanted.items():
        field = there.get(field_name)
        if field is None:
            stops.append(_missing(name, field_name, there, of))
        elif not field.writable:
            stops.append(f"{of}.{field_name} ({name}) cannot be written{': ' if field.why_not else ''}{field.why_not}")
        else:
            wrong = _wrong_kind(name, field)
            stops += [f"{of}.{field_name} ({name}) {wrong}"] if wrong else []
            spoils += [f"{of}.{field_name} ({name}) {said}" for said in ([] if wrong else _too_small(name, field))]
    return Fit(tuple(stops), tuple(spoils))


def together(fits: Iterable[Fit]) -> Fit:
    """What several objects' fields say, as one."""
    several = list(fits)
    return Fit(tuple(s for f in several for s in f.stops), tuple(s for f in several for s in f.spoils))


def _missing(name: str, field_name: str, there: Iterable[str], of: str) -> str:
    near = get_close_matches(field_name, list(there), n=2, cutoff=0.6)
    nearest = f"; near it are {' and '.join(near)}" if near else ""
    return f"{of} has no field {field_name}, which is to hold {name}, or this user may not see it{nearest}"


def _wrong_kind(name: str, field: CrmField) -> str:
    """Why a field of this type can never hold the value; empty where it can."""
    takes: Sequence[str]
    if name in _NUMBERS:
        takes = ("number",)
    elif name in _MOMENTS:
        takes = ("date", "datetime")
    elif name == "account_id":
        takes = ("reference", "text", "number")
    elif name == "letter_id":
        takes = ("text",)
    else:
        takes = ("text", "choice") if name in ("tier", "previous_tier") else ("text",)
    if field.kind in takes:
        return ""
    if "rich text" in field.vendor_type or "(html)" in field.vendor_type:
        return f"is of type {field.vendor_type}, in which a text is read as HTML; a plain text field is wanted"
    return f"is of type {field.vendor_type}; a {' or '.join(takes)} field is wanted"


def _too_small(name: str, field: CrmField) -> list[str]:
    if field.kind == "text":
        needs = _TEXTS.get(name, _REASON if name.startswith("reason_") else 0)
        if field.length is not None and field.length < needs:
            return [f"holds {field.length} characters; up to {needs} are written, and what is over is cut"]
    if field.kind == "choice" and field.choices:
        missing = [tier for tier in TIER_NAMES if tier not in field.choices]
        return [f"is a closed list without {', '.join(missing)}"] if missing else []
    if field.kind == "number":
        needs = 3 if field.percent else _NUMBERS.get(name, 1)
        said = []
        if field.digits is not None and field.digits < needs:
            said.append(f"holds {field.digits} digits before the point; {needs} are needed")
        if name == "propensity" and not field.percent and field.decimals is not None and field.decimals < 2:
            said.append(f"has {field.decimals} decimals; a probability needs at least 2")
        return said
    return []
