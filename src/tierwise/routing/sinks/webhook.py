"""Signed webhooks in the Standard Webhooks form (standardwebhooks.com, specification 1.0)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from tierwise.clock import instant
from tierwise.config.sinks import WebhookSink
from tierwise.plain import plain
from tierwise.routing.sinks.http import client, post, unreachable
from tierwise.routing.sinks.sink import Letter, Receipt

if TYPE_CHECKING:
    import httpx

TYPE = "action.owed"
"""The type of the event."""


def content(letter: Letter) -> bytes:
    """The body: type, timestamp (when the action was owed) and data, the action as actions.jsonl has it."""
    event = {"type": TYPE, "timestamp": f"{instant(letter.as_of):%Y-%m-%dT%H:%M:%SZ}", "data": plain(letter.body)}
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def signature(secret: str, letter_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the base64 of the HMAC-SHA256 of `id.timestamp.body` under the secret's bytes."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{letter_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


class Webhook:
    """A receiver of signed POSTs, an action each."""

    most = 1

    def __init__(self, settings: WebhookSink) -> None:
        self.settings, self.name = settings, settings.name

    @cached_property
    def _http(self) -> httpx.Client:
        return client(self.settings.timeout_seconds)

    def send(self, letters: Sequence[Letter], at: datetime) -> Sequence[Receipt]:
        return [receipt for letter in letters for receipt in self._one(letter, at)]

    def _one(self, letter: Letter, at: datetime) -> list[Receipt]:
        body, timestamp = content(letter), int(at.timestamp())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": letter.letter_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self.settings.secret, letter.letter_id, timestamp, body),
        }
        return post(self._http, self.settings.url, body, headers, [letter], at)

    def check(self) -> Sequence[str]:
        """Whether a connection can be made; more cannot be asked without sending something."""
        return unreachable(self.settings.url, self.settings.timeout_seconds)

    def close(self) -> None:
        self._http.close()
