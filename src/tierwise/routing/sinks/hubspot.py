"""HubSpot: companies updated by their own id in batches of 100, each change kept in an object of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from tierwise.config.sinks_crm import HubspotHistory, HubspotSink
from tierwise.routing.sinks import hubspot_payload as payload
from tierwise.routing.sinks.crm_changes import Change, change, is_news
from tierwise.routing.sinks.crm_fields import Fit, fit, together
from tierwise.routing.sinks.crm_http import Answer, Door, Stop
from tierwise.routing.sinks.crm_sink import CrmSink, Receipts, told, understood
from tierwise.routing.sinks.crm_values import CrmField, written
from tierwise.routing.sinks.hubspot_payload import Fate, Input
from tierwise.routing.sinks.sink import Letter, Receipt

_ID = re.compile(r"[1-9]\d{0,18}\Z")
_SPLITS = 24
"""How often one delivery may offer a refused batch again in halves."""
_WAITS = {"DAILY": 3600.0, "TEN_SECONDLY_ROLLING": 10.0, "SECONDLY": 1.0}
"""How long a limit is left alone, where HubSpot does not say; a daily one ends at the portal's midnight."""
_NEVER = (400, 403, 404)


class Hubspot(CrmSink):
    """The sink of kind hubspot."""

    most = payload.MOST

    def __init__(self, settings: HubspotSink) -> None:
        self.name = settings.name
        self._settings = settings
        self._token = settings.token.get_secret_value()
        self._door = Door("HubSpot", settings.base_url, settings.timeout_seconds, (self._token,))
        self._fields: dict[str, dict[str, CrmField]] = {}

    @property
    def _of(self) -> str:
        return "HubSpot"

    def close(self) -> None:
        """Let go of the connections."""
        self._door.close()

    def _fit(self, at: datetime) -> Fit:
        ours = self._settings
        found = [fit(ours.wanted, self._described(ours.object, at), ours.object)]
        if ours.history is not None:
            there = self._described(ours.history.object, at)
            found.append(fit(history_fields(ours.history), there, ours.history.object))
            key = there.get(ours.history.key_field)
            if key is not None and not key.unique:
                said = f"{ours.history.object}.{key.name} was not made with unique values"
                found.append(Fit((f"{said}: without that a second delivery would make a second record",)))
        return together(found)

    def _account(self, account_id: str) -> str | None:
        return account_id if _ID.match(account_id) else None

    def _read(self, accounts: Sequence[str], at: datetime) -> Mapping[str, Mapping[str, Any]]:
        body = payload.read_body(accounts, list(self._settings.fields.values()))
        path = payload.objects_path(self._settings.api_version, self._settings.object, "read")
        return understood(self._call("POST", path, at, body, (200, 207)), payload.held_by)

    def _change(self, letter: Letter, account: str, held: Mapping[str, Any]) -> Change:
        ours = self._settings
        return change(letter, account, ours.wanted, self._fields[ours.object], held, ours.overwrite_first)

    def _write(self, changes: Sequence[Change], at: datetime, receipts: Receipts) -> None:
        rows = [one for one in changes if one.cells]
        inputs = [updated(one) for one in rows]
        fates = self._offered("update", self._settings.object, inputs, at) if inputs else {}
        there = []
        for one in changes:
            fate = fates.get(one.letter.letter_id, Fate("delivered"))
            if fate.outcome == "delivered":
                there.append(one)
            else:
                receipts[one.letter.letter_id] = _receipt(one.letter, "HubSpot refused the company", fate)
        history, news = self._settings.history, [one for one in there if is_news(one.letter)]
        unkept = self._write_history(history, news, at, receipts) if history is not None and news else {}
        for one in there:
            said = told(one.said, unkept.get(one.letter.letter_id, ""))
            receipts.setdefault(one.letter.letter_id, Receipt(one.letter.letter_id, "delivered", said))

    def _write_history(
        self, history: HubspotHistory, changes: Sequence[Change], at: datetime, receipts: Receipts
    ) -> dict[str, str]:
        """One record a letter, matched by its id; gives what to say of letters whose record will never be taken."""
        there = self._fields[history.object]
        inputs = [kept(history, one.letter, there) for one in changes]
        fates = self._offered("upsert", history.object, inputs, at)
        unkept: dict[str, str] = {}
        pairs: dict[str, tuple[str, str]] = {}
        for one in changes:
            letter_id = one.letter.letter_id
            fate = fates[letter_id]
            if fate.outcome == "later":
                receipts[letter_id] = _receipt(one.letter, "the company is written; history", fate)
            elif fate.outcome == "dead":
                unkept[letter_id] = f"the company is written; its history was refused for good: {fate.said}"
            elif fate.id:
                pairs[letter_id] = (fate.id, one.account_id)
            elif history.associate:
                unkept[letter_id] = "its history is there and not associated: HubSpot did not name its record"
        return unkept | (self._associated(history, pairs, at) if history.associate and pairs else {})

    def _associated(
        self, history: HubspotHistory, pairs: Mapping[str, tuple[str, str]], at: datetime
    ) -> dict[str, str]:
        """Associate each record with its company; gives what to say of those that could not be."""
        path = payload.associations_path(self._settings.api_version, history.object, self._settings.object)
        try:
            answer = self._call("POST", path, at, payload.associate_body(pairs.values()), (200, 201, 207))
        except Stop as stop:
            if stop.status not in _NEVER:
                raise
            return dict.fromkeys(pairs, f"its history is there and not associated: {stop.said}")
        done = understood(answer, lambda said: {str(one["from"]["id"]) for one in said["results"]})
        missing = [letter_id for letter_id, (record, _) in pairs.items() if record not in done]
        return dict.fromkeys(missing, "its history is there and not associated: HubSpot did not say why")

    def _offered(self, verb: Any, object_type: str, inputs: Sequence[Input], at: datetime) -> dict[str, Fate]:
        """Offer a batch; one that is refused whole is offered again in halves, so that only what is at fault fails.

        The first half is judged whole before the second, so that each delivery comes to the end of some; of those that
        were refused together only, nothing is known, and it is no attempt of theirs.
        """
        path = payload.objects_path(self._settings.api_version, object_type, verb)
        found: dict[str, Fate] = {}
        waiting, splits = [list(inputs)], 0
        while waiting:
            batch = waiting.pop(0)
            try:
                answer = self._call("POST", path, at, payload.write_body(batch), (200, 201, 207))
            except Stop as stop:
                if stop.status != 400:
                    raise
                if len(batch) == 1:
                    found[batch[0].letter_id] = Fate("dead", stop.said)
                elif splits >= _SPLITS:
                    together = Fate("later", f"refused with others: {stop.said}", of_receiver=True)
                    found |= {one.letter_id: together for one in batch}
                else:
                    splits += 1
                    half = len(batch) // 2
                    waiting[:0] = [batch[:half], batch[half:]]
                continue
            whole = answer.status != 207
            found |= self._fates(answer, batch, whole)
        return found

    def _fates(self, answer: Answer, batch: Sequence[Input], whole: bool) -> dict[str, Fate]:
        found = understood(answer, lambda said: payload.fates(said, batch, whole))
        return {key: replace(fate, said=self._door.hide(fate.said)) for key, fate in found.items()}

    def _described(self, object_type: str, at: datetime) -> dict[str, CrmField]:
        """The properties of an object, asked for once."""
        known = self._fields.get(object_type)
        if known is None:
            path = payload.properties_path(self._settings.api_version, object_type)
            known = understood(self._call("GET", path, at, None, (200,)), payload.fields_of)
            self._fields[object_type] = known
        return known

    def _call(self, method: str, path: str, at: datetime, body: bytes | None, wanted: Sequence[int]) -> Answer:
        answer = self._door.call(method, path, at, token=self._token, body=body, content_type="application/json")
        if answer.status not in wanted:
            raise refusal(answer, self._door)
        return answer


def updated(one: Change) -> Input:
    """The item that updates a company; what is not changed is not named."""
    return Input(one.letter.letter_id, one.account_id, {name: text or "" for name, text in one.cells.items()})


def history_fields(history: HubspotHistory) -> dict[str, str]:
    """The properties of a history's record by what they hold: letter_id, account_id, and tierwise's names."""
    return {"letter_id": history.key_field, "account_id": history.account_field, **history.wanted}


def kept(history: HubspotHistory, letter: Letter, there: Mapping[str, CrmField]) -> Input:
    """The item that adds a letter to the history."""
    values = {**letter.body, "letter_id": letter.letter_id, "account_id": letter.account_id}
    texts = {field: written(name, values.get(name), there[field]) for name, field in history_fields(history).items()}
    return Input(letter.letter_id, letter.letter_id, {k: v or "" for k, v in texts.items()}, history.key_field)


def _receipt(letter: Letter, what: str, fate: Fate) -> Receipt:
    said = f"{what}: {fate.said}"
    return Receipt(letter.letter_id, fate.outcome, said, of_receiver=fate.of_receiver)


def refusal(answer: Answer, door: Door) -> Stop:
    """What an answer that was not wanted means."""
    body = answer.error()
    body = body if isinstance(body, dict) else {}
    parts = [str(body.get(key) or "") for key in ("category", "message")]
    words = door.hide(": ".join(part for part in parts if part)) or "no reason was given"
    said = f"HubSpot answered {answer.status}: {words}"
    if answer.status == 410:
        said = f"{said}; this address is gone: set a newer api_version"
    wait = answer.wait_seconds
    if answer.status == 429 and wait is None:
        wait = _WAITS.get(str(body.get("policyName") or ""), 10.0)
    return Stop(said, wait, of_receiver=answer.of_receiver, unknown=answer.status >= 500, status=answer.status)
