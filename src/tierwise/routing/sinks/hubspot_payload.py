"""HubSpot's documented forms, as pure functions: paths by API version, batch bodies and answers, properties.

Sources: HubSpot's API reference 2026-03 and 2026-09 (batch read, update and upsert of objects; properties; default
associations), its legacy reference (v3, v4), "Error handling" and "Usage guidelines and limits".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tierwise.routing.sinks.crm_http import compact
from tierwise.routing.sinks.crm_values import CrmField, Kind
from tierwise.routing.sinks.sink import Outcome

STAMP = "%Y-%m-%dT%H:%M:%S.000Z"
MOST = 100
_TEXT = 65_536
_KINDS: dict[str, Kind] = {
    "string": "text",
    "number": "number",
    "date": "date",
    "datetime": "datetime",
    "enumeration": "choice",
}
_PLAIN = ("text", "textarea")
_LATER_CATEGORIES = frozenset({"RATE_LIMITS", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT", "CONFLICT", ""})


@dataclass(frozen=True)
class Input:
    """One item of a batch: whose it is, its id in HubSpot (of an upsert, its unique value), and its properties."""

    letter_id: str
    id: str
    properties: Mapping[str, str]
    id_property: str | None = None


@dataclass(frozen=True)
class Fate:
    """What became of one item; `id` is HubSpot's id of the record that it made or changed.

    of_receiver: it says nothing of the item.
    """

    outcome: Outcome
    said: str = ""
    id: str = ""
    of_receiver: bool = False


def objects_path(version: str, object_type: str, verb: Literal["read", "update", "upsert"]) -> str:
    """Where a batch goes.

    >>> objects_path("2026-09", "companies", "update"), objects_path("v3", "companies", "update")
    ('/crm/objects/2026-09/companies/batch/update', '/crm/v3/objects/companies/batch/update')
    """
    head = f"/crm/{version}/objects" if version == "v3" else f"/crm/objects/{version}"
    return f"{head}/{object_type}/batch/{verb}"


def properties_path(version: str, object_type: str) -> str:
    """Where an object's properties are described."""
    head = f"/crm/{version}/properties" if version == "v3" else f"/crm/properties/{version}"
    return f"{head}/{object_type}"


def associations_path(version: str, from_type: str, to_type: str) -> str:
    """Where records are associated by the default type; the v3 API has this as v4."""
    head = "/crm/v4/associations" if version == "v3" else f"/crm/associations/{version}"
    return f"{head}/{from_type}/{to_type}/batch/associate/default"


def read_body(ids: Sequence[str], properties: Sequence[str]) -> bytes:
    """The body of a batch read."""
    inputs = [{"id": one} for one in ids]
    return compact({"inputs": inputs, "properties": list(properties), "propertiesWithHistory": []})


def write_body(inputs: Iterable[Input]) -> bytes:
    """The body of a batch update or upsert; all values are texts, and the empty one empties a property."""
    items = []
    for one in inputs:
        key = {"idProperty": one.id_property} if one.id_property else {}
        items.append({**key, "id": one.id, "properties": dict(one.properties), "objectWriteTraceId": one.letter_id})
    return compact({"inputs": items})


def associate_body(pairs: Iterable[tuple[str, str]]) -> bytes:
    """The body that associates records, each from one to another."""
    return compact({"inputs": [{"from": {"id": a}, "to": {"id": b}} for a, b in pairs]})


def held_by(answer: Any) -> dict[str, dict[str, Any]]:
    """The properties that a batch read found, by id; what it did not find is not there."""
    return {str(one["id"]): dict(one["properties"]) for one in answer["results"]}


def fates(answer: Any, inputs: Sequence[Input], whole: bool) -> dict[str, Fate]:
    """What became of each item of a batch, by its letter's id.

    whole : the status says that every item was taken (not 207).
    An item that is neither among the results nor named by an error is to be asked for again; but of an upsert that was
    taken whole, every item is delivered, though a result need not repeat the unique value by which it is told.
    """
    errors = list(answer.get("errors") or [])
    results = list(answer["results"])
    first = str(errors[0].get("message") or "") if errors else ""
    found = {one.letter_id: _fate(one, results, errors, first) for one in inputs}
    if whole and not errors and len(results) == len(inputs) and all(one.id_property for one in inputs):
        return {key: fate if fate.id else Fate("delivered") for key, fate in found.items()}
    return found


def _fate(one: Input, results: Sequence[Mapping[str, Any]], errors: Sequence[Mapping[str, Any]], first: str) -> Fate:
    for error in errors:
        if {one.letter_id, one.id} & _named(error):
            return Fate(judged(error), str(error.get("message") or error.get("category") or "no reason was given"))
    found = _result_id(one, results)
    if found:
        return Fate("delivered", id=found)
    return Fate("later", f"HubSpot did not say what became of it{': ' if first else ''}{first}")


def _result_id(one: Input, results: Sequence[Mapping[str, Any]]) -> str:
    for result in results:
        properties = result.get("properties") or {}
        key = properties.get(one.id_property) if one.id_property else result.get("id")
        if result.get("objectWriteTraceId") == one.letter_id or str(key) == one.id:
            return str(result["id"])
    return ""


def judged(error: Mapping[str, Any]) -> Outcome:
    """What an error of an item means for its letter."""
    return "later" if str(error.get("category") or "") in _LATER_CATEGORIES else "dead"


def _named(error: Mapping[str, Any]) -> set[str]:
    """The ids that an error names, wherever it does so."""
    context = error.get("context")
    lists = [context] + [one.get("context") for one in error.get("errors") or [] if isinstance(one, dict)]
    named = {str(error["id"])} if error.get("id") else set()
    for one in lists:
        for key in ("ids", "id", "objectWriteTraceId"):
            value = one.get(key) if isinstance(one, dict) else None
            named |= {str(v) for v in value} if isinstance(value, list) else ({str(value)} if value else set())
    return named


def fields_of(described: Any) -> dict[str, CrmField]:
    """The properties of an object by name.

    Raises
    ------
    KeyError, TypeError, AttributeError : it is no answer of the properties API.
    """
    return {one["name"]: _field(one) for one in described["results"] if not one.get("archived")}


def _field(one: Mapping[str, Any]) -> CrmField:
    vendor_type = str(one["type"])
    kind = _KINDS.get(vendor_type, "other")
    field_type = str(one.get("fieldType") or "")
    if kind == "text" and field_type not in _PLAIN:
        kind, vendor_type = "other", f"{vendor_type} ({field_type})"
    read_only = bool((one.get("modificationMetadata") or {}).get("readOnlyValue"))
    why_not = "HubSpot calculates it" if one.get("calculated") else ("its value is read-only" if read_only else "")
    options = [str(option["value"]) for option in one.get("options") or []]
    return CrmField(
        name=str(one["name"]),
        kind=kind,
        vendor_type=vendor_type,
        writable=not why_not,
        length=_TEXT if kind == "text" else None,
        choices=tuple(options) if kind == "choice" and not one.get("externalOptions") else (),
        stamp=STAMP,
        unique=bool(one.get("hasUniqueValue")),
        why_not=why_not,
    )
