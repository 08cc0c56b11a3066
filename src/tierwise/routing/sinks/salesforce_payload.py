"""Salesforce's documented forms, as pure functions: Bulk API 2.0 CSV and job bodies, results, describe, error codes.

Sources: Bulk API 2.0 and Bulk API Developer Guide ("Prepare CSV Files", "Create a Job", "Get Job Successful Record
Results", "Get Job Failed Record Results"); REST API Developer Guide ("Get Records With a Request Body Using sObject
Collections", "sObject Describe").
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tierwise.routing.sinks.crm_http import compact
from tierwise.routing.sinks.crm_values import CrmField, Kind
from tierwise.routing.sinks.sink import Outcome

NULL = "#N/A"
"""What empties a field; an empty cell changes nothing."""
ACCOUNT_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Z0-5]{3})?\Z")
STAMP = "%Y-%m-%dT%H:%M:%S.000Z"
_CODE = re.compile(r"\s*([A-Z][A-Z0-9_]+)\s*:")
LATER_CODES = frozenset(
    {
        "UNABLE_TO_LOCK_ROW",
        "REQUEST_LIMIT_EXCEEDED",
        "REQUEST_RUNNING_TOO_LONG",
        "SERVER_UNAVAILABLE",
        "SERVER_TOO_BUSY",
        "QUERY_TIMEOUT",
        "QUERY_TOO_COMPLICATED",
        "TXN_SECURITY_METERING_ERROR",
        "TOO_MANY_APEX_REQUESTS",
        "API_CURRENTLY_DISABLED",
        "STORAGE_LIMIT_EXCEEDED",
        "EXCEEDED_QUOTA",
        "MAX_ACTIONS_PER_RULE_EXCEEDED",
        "UNKNOWN_EXCEPTION",
        "INTERNAL_ERROR",
        "PLATFORM_EVENT_PUBLISHING_UNAVAILABLE",
    }
)
"""Errors of a row that may be gone next time; any other one says that the row will never be taken."""
_KINDS: dict[str, Kind] = {
    "string": "text",
    "textarea": "text",
    "double": "number",
    "percent": "number",
    "currency": "number",
    "int": "number",
    "date": "date",
    "datetime": "datetime",
    "picklist": "choice",
    "reference": "reference",
}


@dataclass(frozen=True)
class Results:
    """A job's rows by the value of their key column: those done, the errors of those refused, those never begun.

    ended: why the job ended before all rows were begun; empty where it came to its end.
    """

    done: frozenset[str]
    failed: Mapping[str, str]
    unprocessed: frozenset[str] = frozenset()
    ended: str = ""


def bulk_csv(header: Sequence[str], rows: Iterable[Sequence[str | None]]) -> bytes:
    """Rows as Bulk API 2.0 takes them: UTF-8, line feeds, quotes where a comma, a quote or a line break needs them.

    A cell of None is empty, which leaves the field as it is; `NULL` empties the field.

    >>> bulk_csv(["Id", "Why__c"], [["001xx000003DGb1AAG", "fit, high"], ["001xx000003DGb2AAG", NULL]]).decode()
    'Id,Why__c\\n001xx000003DGb1AAG,"fit, high"\\n001xx000003DGb2AAG,#N/A\\n'
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(header)
    writer.writerows([["" if cell is None else cell for cell in row] for row in rows])
    return out.getvalue().encode()


def cell(text: str | None) -> str:
    """A value as a cell that sets it: nothing is `#N/A`, and a text that happens to be `#N/A` loses its mark."""
    if text is None:
        return NULL
    return "N/A" if text.upper() == NULL else text


def new_job(object_name: str, operation: str, key_field: str | None = None) -> bytes:
    """The body that creates an ingest job; `key_field` is an upsert's external id."""
    body = {"object": object_name, "contentType": "CSV", "operation": operation, "lineEnding": "LF"}
    return compact({**body, **({"externalIdFieldName": key_field} if key_field else {}), "columnDelimiter": "COMMA"})


def state(word: str) -> bytes:
    """The body that closes (`UploadComplete`) or aborts (`Aborted`) a job."""
    return compact({"state": word})


def retrieve(ids: Sequence[str], fields: Sequence[str]) -> bytes:
    """The body that reads up to 2,000 records; the answer has one item for each id, null where there is none."""
    return compact({"ids": list(ids), "fields": list(fields)})


def rows_of(text: str, key: str) -> dict[str, dict[str, str]]:
    """The rows of a results file by one of their columns.

    Raises
    ------
    ValueError : it has no such column.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""))
    names = reader.fieldnames or []
    if not names:
        return {}
    if key not in names:
        raise ValueError(f"a results file has no column {key}")
    return {row[key]: {k: v or "" for k, v in row.items() if k is not None} for row in reader if row.get(key)}


def judged(error: str) -> Outcome:
    """What an error of a row (`CODE:message:fields`) means for its letter.

    >>> judged("UNABLE_TO_LOCK_ROW:unable to obtain exclusive access:--"), judged("ENTITY_IS_DELETED:gone:--")
    ('later', 'dead')
    """
    found = _CODE.match(error)
    return "later" if found is None or found.group(1) in LATER_CODES else "dead"


def is_there_already(error: str, key_field: str) -> bool:
    """Whether a row was refused only because one with its key is there: another delivery of the same letter won."""
    return error.startswith(("DUPLICATE_VALUE:", "DUPLICATE_EXTERNAL_ID:")) and key_field in error


def fields_of(described: Any, operation: str) -> dict[str, CrmField]:
    """The fields of a describe answer by name; `operation` is update or create.

    Raises
    ------
    KeyError, TypeError, AttributeError : it is no describe answer.
    """
    return {one["name"]: _field(one, operation) for one in described["fields"]}


def _field(one: Mapping[str, Any], operation: str) -> CrmField:
    vendor_type = str(one["type"])
    kind = _KINDS.get(vendor_type, "other")
    if one.get("htmlFormatted"):
        kind, vendor_type = "other", f"{vendor_type} (rich text)"
    precision, scale = int(one.get("precision") or 0), int(one.get("scale") or 0)
    number = kind == "number" and vendor_type != "int"
    choices = [str(v["value"]) for v in one.get("picklistValues") or [] if v.get("active", True)]
    writable = bool(one.get("updateable")) and (operation == "update" or bool(one.get("createable")))
    return CrmField(
        name=str(one["name"]),
        kind=kind,
        vendor_type=vendor_type,
        writable=writable,
        length=int(one["length"]) if kind in ("text", "choice") and one.get("length") else None,
        digits=precision - scale if number and precision else (int(one.get("digits") or 0) or None),
        decimals=scale if number else (0 if vendor_type == "int" else None),
        choices=tuple(choices) if one.get("restrictedPicklist") else (),
        percent=vendor_type == "percent",
        stamp=STAMP,
        unique=bool(one.get("externalId")) and bool(one.get("unique")),
        refers_to=tuple(map(str, one.get("referenceTo") or ())),
        why_not="" if writable else _why_not(one),
    )


def _why_not(one: Mapping[str, Any]) -> str:
    if one.get("calculated"):
        return "it is a formula"
    return "it is read-only, or this user's field-level security does not let it"
