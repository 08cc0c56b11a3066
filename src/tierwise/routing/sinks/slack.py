"""Messages in Slack's form, to an incoming webhook: some actions in one message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from tierwise.config.sinks import SlackSink
from tierwise.routing.sinks.http import client, post, unreachable
from tierwise.routing.sinks.sink import Letter, Receipt, in_halves
from tierwise.routing.sinks.told import told

if TYPE_CHECKING:
    import httpx


def content(letters: Sequence[Letter]) -> bytes:
    """One message: a line an action; what Slack reads as markup is escaped, as its reference says."""
    lines = [_escaped(told(letter)) for letter in letters]
    message = {"text": "\n".join(lines), "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Slack:
    """An incoming webhook of Slack, or of what reads the same form."""

    most = 20

    def __init__(self, settings: SlackSink) -> None:
        self.settings, self.name = settings, settings.name

    @cached_property
    def _http(self) -> httpx.Client:
        return client(self.settings.timeout_seconds)

    def send(self, letters: Sequence[Letter], at: datetime) -> Sequence[Receipt]:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        return in_halves(letters, lambda some: post(self._http, self.settings.url, content(some), headers, some, at))

    def check(self) -> Sequence[str]:
        """Whether a connection can be made; more cannot be asked without sending something."""
        return unreachable(self.settings.url, self.settings.timeout_seconds)

    def close(self) -> None:
        self._http.close()
