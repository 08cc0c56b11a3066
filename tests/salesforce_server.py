"""An org of Salesforce on loopback, as far as its documentation says what accounts and bulk jobs do."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from crm_servers import Call, Crm, Reply, is_number, json_reply


def sf_field(name: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    """A field as a describe call gives it, with what a test changes."""
    plain = {
        "name": name,
        "label": name.removesuffix("__c").replace("_", " "),
        "type": kind,
        "length": {"string": 255, "textarea": 1000, "picklist": 255, "reference": 18, "id": 18}.get(kind, 0),
        "precision": 18 if kind in ("double", "percent", "currency") else 0,
        "scale": 2 if kind in ("double", "percent", "currency") else 0,
        "digits": 0,
        "custom": name.endswith("__c"),
        "createable": True,
        "updateable": True,
        "calculated": False,
        "externalId": False,
        "unique": False,
        "restrictedPicklist": False,
        "picklistValues": [],
        "referenceTo": [],
    }
    return {**plain, **more}


class SalesforceServer(Crm):
    """An org. accounts: fields by 18-character id. history: rows by their external id."""

    def __init__(self, accounts: Mapping[str, Mapping[str, Any]], objects: Mapping[str, list[dict[str, Any]]]) -> None:
        super().__init__()
        self.accounts = {key: dict(value) for key, value in accounts.items()}
        self.history: dict[str, dict[str, str | None]] = {}
        self.objects = objects
        self.token, self.secret, self.instance = 0, "s3cr3t", ""
        self.jobs: dict[str, dict[str, Any]] = {}
        self.row_errors: dict[str, str] = {}
        self.unprocessed: set[str] = set()
        self.polls_needed = 1
        self.ends: tuple[str, str] | None = None
        self.doubled = self.contradicts = False

    def answer(self, call: Call) -> Reply:
        if call.path == "/services/oauth2/token":
            return self._sign_in(call)
        if call.headers.get("authorization") != f"Bearer 00D!{self.token}":
            return json_reply(401, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}])
        match = re.fullmatch(r"/services/data/v(\d\d\.0)(/.*)", call.path)
        if match is None or match.group(1) != "67.0":
            return json_reply(404, [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}])
        return self._rest(call, match.group(2))

    def _sign_in(self, call: Call) -> Reply:
        if call.headers.get("content-type") != "application/x-www-form-urlencoded":
            self.wrong("the token request is no form")
        form = {key: value[0] for key, value in parse_qs(call.body.decode(), strict_parsing=True).items()}
        if form.pop("client_secret", "") != self.secret:
            return json_reply(400, {"error": "invalid_client", "error_description": "invalid client credentials"})
        if form != {"grant_type": "client_credentials", "client_id": "3MVG9.client"}:
            self.wrong(f"the token request says {form}")
        self.token += 1
        said = {"access_token": f"00D!{self.token}", "instance_url": self.instance or self.url, "token_type": "Bearer"}
        return json_reply(200, said)

    def _rest(self, call: Call, path: str) -> Reply:
        described = re.fullmatch(r"/sobjects/(\w+)/describe", path)
        if described and call.method == "GET":
            if described.group(1) not in self.objects:
                return json_reply(404, [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}])
            return json_reply(200, {"name": described.group(1), "fields": self.objects[described.group(1)]})
        if path.startswith("/composite/sobjects/") and call.method == "POST":
            return self._retrieve(call, path.rsplit("/", 1)[1])
        if path == "/jobs/ingest" and call.method == "POST":
            return self._create(call)
        job = re.fullmatch(r"/jobs/ingest/(\w+)(/\w+/?)?", path)
        if job and job.group(1) in self.jobs:
            return self._job(call, self.jobs[job.group(1)], (job.group(2) or "").strip("/"))
        return json_reply(404, [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}])

    def _retrieve(self, call: Call, object_name: str) -> Reply:
        asked = json.loads(call.body)
        if set(asked) != {"ids", "fields"} or not 1 <= len(asked["ids"]) <= 2000:
            self.wrong(f"a retrieve of {len(asked.get('ids', ()))} ids with {sorted(asked)}")
        known = {one["name"] for one in self.objects[object_name]}
        for name in asked["fields"]:
            if name not in known:
                said = f"No such column '{name}' on sobject of type {object_name}"
                return json_reply(400, [{"errorCode": "INVALID_FIELD", "message": said}])
        return json_reply(200, [self._record(one, asked["fields"], object_name) for one in asked["ids"]])

    def _record(self, asked: str, fields: list[str], object_name: str) -> dict[str, Any] | None:
        full = self._full(asked)
        if full is None:
            return None
        attributes = {"type": object_name, "url": f"/services/data/v67.0/sobjects/{object_name}/{full}"}
        return {"attributes": attributes, "Id": full, **{f: self.accounts[full].get(f) for f in fields}}

    def _full(self, asked: str) -> str | None:
        return next((one for one in self.accounts if one[:15] == asked[:15]), None)

    def _create(self, call: Call) -> Reply:
        if not call.headers.get("content-type", "").startswith("application/json"):
            self.wrong("a job is made by JSON")
        job = json.loads(call.body)
        known = {"object", "contentType", "operation", "lineEnding", "columnDelimiter", "externalIdFieldName"}
        if not set(job) <= known or job["contentType"] != "CSV" or job["lineEnding"] != "LF":
            self.wrong(f"a job says {job}")
        if job["columnDelimiter"] != "COMMA" or ("externalIdFieldName" in job) != (job["operation"] == "upsert"):
            self.wrong(f"a job says {job}")
        if job["object"] == "Account" and job["operation"] != "update":
            self.wrong(f"accounts are only updated, not {job['operation']}")
        job_id = f"750R000000{len(self.jobs):05d}IAQ"
        self.jobs[job_id] = {**job, "id": job_id, "state": "Open", "polls": 0, "csv": None}
        return json_reply(200, self._info(self.jobs[job_id]))

    def _info(self, job: Mapping[str, Any]) -> dict[str, Any]:
        shown = {key: job[key] for key in ("id", "operation", "object", "contentType", "state")}
        counted = ("numberRecordsProcessed", "numberRecordsFailed", "errorMessage")
        more = {key: job[key] for key in counted if key in job}
        return {
            **shown,
            **more,
            "apiVersion": 67.0,
            "contentUrl": f"services/data/v67.0/jobs/ingest/{job['id']}/batches",
        }

    def _job(self, call: Call, job: dict[str, Any], part: str) -> Reply:
        if call.method == "PUT" and part == "batches":
            if not call.headers.get("content-type", "").startswith("text/csv") or job["csv"] is not None:
                self.wrong("a job takes one upload of text/csv")
            job["csv"] = call.body
            return 201, {}, b""
        if call.method == "PATCH" and not part:
            return self._state(job, json.loads(call.body))
        if call.method == "GET" and not part:
            if job["state"] in ("UploadComplete", "InProgress"):
                job["polls"] += 1
                job["state"] = "InProgress"
                if job["polls"] >= self.polls_needed:
                    self._process(job)
            return json_reply(200, self._info(job))
        if call.method == "GET" and job["state"] in ("JobComplete", "Failed", "Aborted"):
            return 200, {"Content-Type": "text/csv"}, job["results"].get(part, "").encode()
        return json_reply(400, [{"errorCode": "INVALIDJOBSTATE", "message": f"not now: {job['state']}"}])

    def _state(self, job: dict[str, Any], body: dict[str, str]) -> Reply:
        if set(body) != {"state"} or body["state"] not in ("UploadComplete", "Aborted"):
            self.wrong(f"a job's state is set by {body}")
        if job["state"] in ("JobComplete", "Failed", "Aborted"):
            return json_reply(400, [{"errorCode": "INVALIDJOBSTATE", "message": f"job is {job['state']}"}])
        if body["state"] == "UploadComplete" and job["csv"] is None:
            self.wrong("a job was closed before its upload")
        job["state"], job["results"] = body["state"], {}
        return json_reply(200, self._info(job))

    def _process(self, job: dict[str, Any]) -> None:
        text = job["csv"].decode("utf-8")
        if "\r" in text or not text.endswith("\n"):
            self.wrong("lines do not end in LF")
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        header, rows = lines[0], lines[1:]
        known = {one["name"]: one for one in self.objects[job["object"]]}
        strange = [name for name in header if name not in known and name != "Id"]
        if strange:
            job.update(state="Failed", errorMessage=f"InvalidBatch : Field name not found : {strange[0]}", results={})
            return
        if any(not name.endswith("__c") for name in header if name != "Id"):
            self.wrong(f"a field of Salesforce's own is written: {header}")
        done, failed, left = [], [], []
        for cells in rows:
            if len(cells) != len(header):
                self.wrong(f"a row of {len(cells)} cells under {len(header)}")
            row = dict(zip(header, cells, strict=False))
            key = row.get(job.get("externalIdFieldName", "Id"), "")
            error = self.row_errors.get(key) or self._refused(job, row, known)
            if key in self.unprocessed:
                left.append(cells)
            elif error:
                failed.append([self._full(row.get("Id", "")) or "", error, *cells])
            else:
                done.append([*self._written(job, row), *cells])
        job.update(numberRecordsProcessed=len(done) + len(failed), numberRecordsFailed=len(failed))
        job["state"], message = self.ends or ("JobComplete", "")
        if message:
            job["errorMessage"] = message
        done += (done if self.doubled else []) + (failed if self.contradicts else [])
        job["results"] = {
            "successfulResults": _quoted([["sf__Id", "sf__Created", *header], *done]),
            "failedResults": _quoted([["sf__Id", "sf__Error", *header], *failed]),
            "unprocessedRecords": _quoted([header, *left]),
        }

    def _refused(self, job: Mapping[str, Any], row: Mapping[str, str], known: Mapping[str, Any]) -> str:
        if job["operation"] == "update" and self._full(row["Id"]) is None:
            return "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--"
        for name, text in row.items():
            kind, length = known.get(name, {}).get("type"), known.get(name, {}).get("length", 0)
            if text in ("", "#N/A") or name == "Id":
                continue
            if kind in ("double", "percent", "currency") and not is_number(text):
                return f"INVALID_TYPE_ON_FIELD_IN_RECORD:value not of required type: {text}:{name}--"
            if kind == "string" and len(text.encode("utf-16-le")) // 2 > length:
                return f"STRING_TOO_LONG:{name}: data value too large: (max length={length}):{name}--"
            if kind == "datetime" and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text):
                return f"INVALID_TYPE_ON_FIELD_IN_RECORD:value not of required type: {text}:{name}--"
            if kind == "date" and not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
                return f"INVALID_TYPE_ON_FIELD_IN_RECORD:value not of required type: {text}:{name}--"
        return ""

    def _written(self, job: Mapping[str, Any], row: Mapping[str, str]) -> tuple[str, str]:
        values = {name: None if text == "#N/A" else text for name, text in row.items() if text and name != "Id"}
        if job["operation"] == "update":
            full = self._full(row["Id"]) or ""
            self.accounts[full] |= {name: self._typed(job["object"], name, text) for name, text in values.items()}
            return full, "false"
        key = row[job["externalIdFieldName"]]
        created = key not in self.history
        self.history[key] = values
        return f"a0B{list(self.history).index(key):012d}AAA", str(created).lower()

    def _typed(self, object_name: str, name: str, text: str | None) -> Any:
        kind = next(one["type"] for one in self.objects[object_name] if one["name"] == name)
        if text is None:
            return None
        if kind in ("double", "percent", "currency"):
            return float(text)
        return text.replace("Z", "+0000") if kind == "datetime" else text


def _quoted(rows: list[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return out.getvalue()
