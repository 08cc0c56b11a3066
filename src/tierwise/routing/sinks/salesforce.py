"""Salesforce: accounts updated by their own id through Bulk API 2.0, each change kept in an object of its own.

Written over httpx and not on simple-salesforce (1.12.10): its Bulk 2.0 client keeps no header of an answer, so that
Retry-After is lost, sets no time-out, waits up to 24 hours inside one call and forgets the job's id where that breaks
off, and writes columns in the order of a set; it signs in at *.salesforce.com only, and would bring eight packages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tierwise.config.sinks_crm import SalesforceHistory, SalesforceSink
from tierwise.routing.sinks import salesforce_payload as payload
from tierwise.routing.sinks.crm_changes import Change, change, is_news
from tierwise.routing.sinks.crm_fields import Fit, fit, together
from tierwise.routing.sinks.crm_http import Stop
from tierwise.routing.sinks.crm_sink import CrmSink, Receipts, told, understood
from tierwise.routing.sinks.crm_values import CrmField, written
from tierwise.routing.sinks.salesforce_bulk import Job, run
from tierwise.routing.sinks.salesforce_payload import Results
from tierwise.routing.sinks.salesforce_session import Session
from tierwise.routing.sinks.sink import Letter, Receipt


class Salesforce(CrmSink):
    """The sink of kind salesforce.

    pause: waits so many seconds between two questions after a job.
    """

    def __init__(self, settings: SalesforceSink, pause: Callable[[float], None] = time.sleep) -> None:
        self.name, self.most = settings.name, settings.most
        self._settings, self._pause = settings, pause
        self._session = Session(settings)
        self._fields: dict[tuple[str, str], dict[str, CrmField]] = {}

    @property
    def _of(self) -> str:
        return "Salesforce"

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def _fit(self, at: datetime) -> Fit:
        ours = self._settings
        found = [fit(ours.wanted, self._described(ours.object, "update", at), ours.object)]
        if ours.history is not None:
            there = self._described(ours.history.object, "create", at)
            found += [fit(history_fields(ours.history), there, ours.history.object), _keyed(ours, there)]
        return together(found)

    def _account(self, account_id: str) -> str | None:
        """The first 15 characters of the id, which name a record; the three after them are a check sum."""
        return account_id[:15] if payload.ACCOUNT_ID.match(account_id) else None

    def _read(self, accounts: Sequence[str], at: datetime) -> Mapping[str, Mapping[str, Any]]:
        asked = payload.retrieve(accounts, list(self._settings.fields.values()))
        path = f"/composite/sobjects/{self._settings.object}"
        items: list[Any] = understood(self._session.call("POST", path, at, body=asked), list)
        if len(items) != len(accounts):
            raise Stop(f"Salesforce was asked for {len(accounts)} accounts and answered {len(items)}")
        return {account: item for account, item in zip(accounts, items, strict=True) if isinstance(item, dict)}

    def _change(self, letter: Letter, account: str, held: Mapping[str, Any]) -> Change:
        there = self._fields[self._settings.object, "update"]
        return change(letter, letter.account_id, self._settings.wanted, there, held, self._settings.overwrite_first)

    def _write(self, changes: Sequence[Change], at: datetime, receipts: Receipts) -> None:
        rows = [one for one in changes if one.cells]
        if rows:
            job = Job(self._settings.object, "update", "Id", account_rows(self._settings, rows), len(rows))
            results = self._run(job, at)
            for one in rows:
                if one.account_id in results.failed:
                    receipts[one.letter.letter_id] = _failed(one.letter, results.failed[one.account_id])
                elif one.account_id not in results.done:
                    said = told("Salesforce ended the job before this account", results.ended)
                    receipts[one.letter.letter_id] = Receipt(one.letter.letter_id, "later", said)
        there = [one for one in changes if one.letter.letter_id not in receipts]
        history, news = self._settings.history, [one for one in there if is_news(one.letter)]
        unkept = self._write_history(history, news, at, receipts) if history is not None and news else {}
        for one in there:
            said = told(one.said, unkept.get(one.letter.letter_id, ""))
            receipts.setdefault(one.letter.letter_id, Receipt(one.letter.letter_id, "delivered", said))

    def _write_history(
        self, history: SalesforceHistory, changes: Sequence[Change], at: datetime, receipts: Receipts
    ) -> dict[str, str]:
        """One row a letter, matched by its id; gives what to say of letters whose row will never be taken."""
        there = self._fields[history.object, "create"]
        csv = history_rows(history, [one.letter for one in changes], there)
        job = Job(history.object, "upsert", history.key_field, csv, len(changes))
        results = self._run(job, at)
        unkept: dict[str, str] = {}
        for one in changes:
            letter_id = one.letter.letter_id
            error = results.failed.get(letter_id, "")
            if letter_id in results.done or payload.is_there_already(error, history.key_field):
                continue
            if not error:
                said = told("the account is written, its history is not yet", results.ended)
                receipts[letter_id] = Receipt(letter_id, "later", said)
            elif payload.judged(error) == "later":
                receipts[letter_id] = Receipt(letter_id, "later", f"history: {error}")
            else:
                unkept[letter_id] = f"the account is written; its history was refused for good: {error}"
        return unkept

    def _run(self, job: Job, at: datetime) -> Results:
        return run(self._session, job, at, self._pause, self._settings.job_minutes * 60)

    def _described(self, object_name: str, operation: str, at: datetime) -> dict[str, CrmField]:
        """The fields of an object, asked for once."""
        known = self._fields.get((object_name, operation))
        if known is None:
            answer = self._session.call("GET", f"/sobjects/{object_name}/describe", at, wanted=(200, 404))
            if answer.status == 404:
                said = f"Salesforce has no object {object_name} in API version {self._settings.api_version}"
                raise Stop(f"{said}, or this user may not see it", of_receiver=True)
            known = understood(answer, lambda said: payload.fields_of(said, operation))
            self._fields[object_name, operation] = known
        return known


def history_fields(history: SalesforceHistory) -> dict[str, str]:
    """The fields of a history's row by what they hold: letter_id, account_id, and tierwise's names."""
    return {"letter_id": history.key_field, "account_id": history.account_field, **history.wanted}


def account_rows(settings: SalesforceSink, changes: Sequence[Change]) -> bytes:
    """The CSV that updates accounts: Id, then the configured fields in their order; what is not changed is empty."""
    columns = list(settings.fields.values())
    rows = [
        [one.account_id, *(payload.cell(one.cells[c]) if c in one.cells else None for c in columns)] for one in changes
    ]
    return payload.bulk_csv(["Id", *columns], rows)


def history_rows(history: SalesforceHistory, letters: Sequence[Letter], there: Mapping[str, CrmField]) -> bytes:
    """The CSV that adds one row a letter to the history."""
    named = history_fields(history)
    rows = [
        [
            payload.cell(written(name, {**one.body, **_keys(one)}.get(name), there[field]))
            for name, field in named.items()
        ]
        for one in letters
    ]
    return payload.bulk_csv(list(named.values()), rows)


def _keys(letter: Letter) -> dict[str, str]:
    return {"letter_id": letter.letter_id, "account_id": letter.account_id}


def _failed(letter: Letter, error: str) -> Receipt:
    said = f"Salesforce refused the account: {error or 'no reason was given'}"
    return Receipt(letter.letter_id, payload.judged(error), said)


def _keyed(settings: SalesforceSink, there: Mapping[str, CrmField]) -> Fit:
    """Whether the history's key names one row, and its lookup leads to the accounts."""
    history = settings.history
    if history is None:
        return Fit()
    found = []
    key, account = there.get(history.key_field), there.get(history.account_field)
    if key is not None and not key.unique:
        said = f"{history.object}.{history.key_field} must be unique and an external id"
        found.append(f"{said}: without that a second delivery would make a second row")
    if account is not None and account.kind == "reference" and settings.object not in account.refers_to:
        leads = ", ".join(account.refers_to) or "nothing"
        found.append(f"{history.object}.{history.account_field} looks up {leads}; {settings.object} is wanted")
    return Fit(tuple(found))
