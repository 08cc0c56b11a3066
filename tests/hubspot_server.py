"""A portal of HubSpot on loopback, as far as its documentation says what batches do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from crm_servers import Call, Crm, Reply, is_number, json_reply


def hs_property(name: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    """A property as the properties API gives it, with what a test changes."""
    plain = {
        "name": name,
        "label": name.replace("_", " "),
        "type": kind,
        "fieldType": {"number": "number", "enumeration": "select", "date": "date", "datetime": "date"}.get(
            kind, "text"
        ),
        "groupName": "companyinformation",
        "options": [],
        "calculated": False,
        "externalOptions": False,
        "hasUniqueValue": False,
        "hidden": False,
        "modificationMetadata": {"archivable": True, "readOnlyDefinition": False, "readOnlyValue": False},
    }
    return {**plain, **more}


class HubspotServer(Crm):
    """A portal. companies: properties by id. history: records of the custom object by their unique value."""

    token, version, unique = "pat-eu1-t0k3n", "2026-09", "letter_id"

    def __init__(self, companies: Mapping[str, Mapping[str, Any]], objects: Mapping[str, list[dict[str, Any]]]) -> None:
        super().__init__()
        self.companies = {key: dict(value) for key, value in companies.items()}
        self.history: dict[str, dict[str, Any]] = {}
        self.associated: set[tuple[str, str]] = set()
        self.objects = objects
        self.item_errors: dict[str, dict[str, Any]] = {}
        self.silent: set[str] = set()

    def answer(self, call: Call) -> Reply:
        if call.headers.get("authorization") != f"Bearer {self.token}":
            said = "Authentication credentials not found."
            return json_reply(401, {"status": "error", "message": said, "category": "INVALID_AUTHENTICATION"})
        if call.method == "POST" and call.headers.get("content-type") != "application/json":
            self.wrong("a batch is JSON")
        v3 = self.version == "v3"
        objects = r"/crm/v3/objects" if v3 else f"/crm/objects/{self.version}"
        properties = r"/crm/v3/properties" if v3 else f"/crm/properties/{self.version}"
        associations = r"/crm/v4/associations" if v3 else f"/crm/associations/{self.version}"
        if (found := re.fullmatch(rf"{properties}/([\w-]+)", call.path)) and call.method == "GET":
            if found.group(1) not in self.objects:
                return json_reply(
                    404, {"status": "error", "message": f"Unable to infer object type from: {found.group(1)}"}
                )
            return json_reply(200, {"results": self.objects[found.group(1)]})
        if found := re.fullmatch(rf"{associations}/([\w-]+)/companies/batch/associate/default", call.path):
            return self._associate(json.loads(call.body)["inputs"])
        found = re.fullmatch(rf"{objects}/([\w-]+)/batch/(read|update|upsert)", call.path)
        if found is None or call.method != "POST":
            return json_reply(404, {"status": "error", "message": "resource not found"})
        asked = json.loads(call.body)
        ids = [one["id"] for one in asked["inputs"]]
        if not 1 <= len(ids) <= 100 or any(not isinstance(one, str) for one in ids):
            self.wrong(f"a batch of {len(ids)} inputs")
        if len(set(ids)) < len(ids):
            return self._invalid("Duplicate IDs found in batch input")
        verbs: dict[str, Callable[[str, dict[str, Any]], Reply]] = {
            "read": self._read,
            "update": self._update,
            "upsert": self._upsert,
        }
        return verbs[found.group(2)](found.group(1), asked)

    def _invalid(self, said: str) -> Reply:
        return json_reply(
            400, {"status": "error", "message": said, "category": "VALIDATION_ERROR", "correlationId": "c-1"}
        )

    def _read(self, object_type: str, asked: dict[str, Any]) -> Reply:
        if set(asked) != {"inputs", "properties", "propertiesWithHistory"}:
            self.wrong(f"a batch read says {sorted(asked)}")
        known = [one["id"] for one in asked["inputs"] if one["id"] in self.companies]
        results = [
            {"id": one, "properties": {p: self.companies[one].get(p) for p in asked["properties"]}, "archived": False}
            for one in reversed(known)
        ]
        return self._batch(results, [one["id"] for one in asked["inputs"] if one["id"] not in known], {})

    def _update(self, object_type: str, asked: dict[str, Any]) -> Reply:
        if object_type != "companies":
            self.wrong(f"{object_type} are not updated")
        for one in asked["inputs"]:
            said = self._checked(object_type, one, {"id", "properties", "objectWriteTraceId"})
            if said:
                return self._invalid(said)
        results, missing, failed = [], [], {}
        for one in asked["inputs"]:
            if one["id"] in self.item_errors:
                failed[one["id"]] = self.item_errors[one["id"]]
            elif one["id"] not in self.companies:
                missing.append(one["id"])
            elif one["id"] not in self.silent:
                self.companies[one["id"]] |= {k: v or None for k, v in one["properties"].items()}
                results.append({"id": one["id"], "properties": one["properties"], "archived": False})
        return self._batch(results, missing, failed, short=bool(self.silent))

    def _upsert(self, object_type: str, asked: dict[str, Any]) -> Reply:
        if object_type == "companies":
            self.wrong("companies are never created")
        results = []
        for one in asked["inputs"]:
            said = self._checked(object_type, one, {"idProperty", "id", "properties", "objectWriteTraceId"})
            if said:
                return self._invalid(said)
            if one["idProperty"] != self.unique:
                self.wrong(f"an upsert by {one['idProperty']}")
            new = one["id"] not in self.history
            self.history[one["id"]] = dict(one["properties"])
            record = str(9000 + list(self.history).index(one["id"]))
            results.append({"id": record, "new": new, "properties": {self.unique: one["id"]}, "archived": False})
        return self._batch(results, [], {})

    def _checked(self, object_type: str, one: dict[str, Any], keys: set[str]) -> str:
        known = {p["name"]: p for p in self.objects[object_type]}
        if set(one) != keys or any(not isinstance(v, str) for v in one["properties"].values()):
            self.wrong(f"an input says {one}")
        for name, text in one["properties"].items():
            if name not in known:
                return f'Property values were not valid: [{{"error":"PROPERTY_DOESNT_EXIST","name":"{name}"}}]'
            if known[name]["type"] == "number" and text and not is_number(text):
                return f'Property values were not valid: [{{"error":"INVALID_INTEGER","name":"{name}"}}]'
            options = [option["value"] for option in known[name]["options"]]
            if known[name]["type"] == "enumeration" and text and text not in options:
                return f'Property values were not valid: [{{"error":"INVALID_OPTION","name":"{name}"}}]'
        return ""

    def _associate(self, inputs: list[dict[str, Any]]) -> Reply:
        self.associated |= {(one["from"]["id"], one["to"]["id"]) for one in inputs}
        return json_reply(200, {"status": "COMPLETE", "results": [{"from": o["from"], "to": o["to"]} for o in inputs]})

    def _batch(
        self, results: list[dict[str, Any]], missing: list[str], failed: dict[str, Any], short: bool = False
    ) -> Reply:
        errors = [{"status": "error", "context": {"ids": [key]}, **error} for key, error in failed.items()]
        if missing:
            said = "Could not get some COMPANY objects, they may be deleted or not exist. Check that ids are valid."
            one = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": said, "context": {"ids": missing}}
            errors.append(one)
        body: dict[str, Any] = {"status": "COMPLETE", "results": results}
        if errors:
            body |= {"numErrors": len(errors), "errors": errors}
        return json_reply(207 if errors or short else 200, body)
