"""Calls to a CRM over HTTP: what comes back is an answer, or the reason why letters must wait or cannot go."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from tierwise.config.sinks_crm import is_loopback
from tierwise.routing.sinks.crm_values import one_line
from tierwise.routing.sinks.http import seconds

if TYPE_CHECKING:
    import httpx

_SAID = 300


class Stop(Exception):
    """A sink cannot go on: every letter without a receipt is to be offered again; it never leaves a sink.

    of_receiver: it says something of the receiver and nothing of the letters. unknown: the request may have been
    carried out, although no answer says so. status: of the answer; 0 where there was none.
    """

    def __init__(
        self,
        said: str,
        wait_seconds: float | None = None,
        *,
        of_receiver: bool = False,
        unknown: bool = False,
        status: int = 0,
    ) -> None:
        super().__init__(said)
        self.said, self.wait_seconds = said, wait_seconds
        self.of_receiver, self.unknown, self.status = of_receiver, unknown, status


@dataclass(frozen=True)
class Answer:
    """An answer as it came.

    of: whose, in words. at: when it was asked for, as the caller has it.
    """

    of: str
    status: int
    headers: Mapping[str, str]
    content: bytes
    at: datetime

    def json(self) -> Any:
        """The body as JSON; raises Stop where it is none."""
        try:
            return json.loads(self.content)
        except ValueError:
            raise Stop(f"{self.of} answered {self.status} with a body that is no JSON") from None

    def text(self) -> str:
        """The body as UTF-8 text; raises Stop where it is none."""
        try:
            return self.content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise Stop(f"{self.of} answered {self.status} with a body that is not UTF-8") from None

    def error(self) -> Any:
        """The body of a refusal as JSON; None where it is none."""
        try:
            return json.loads(self.content)
        except ValueError:
            return None

    @property
    def wait_seconds(self) -> float | None:
        """How long Retry-After asks to be left alone; None where it does not."""
        return seconds(self.headers.get("retry-after"), self.at)

    @property
    def of_receiver(self) -> bool:
        """Whether a refusal says something of the receiver (a limit, our rights, its address), not of what was sent."""
        if self.status == 503:
            return self.wait_seconds is not None
        return 300 <= self.status < 400 or self.status in (401, 403, 404, 410, 429)


@dataclass
class Door:
    """One server of a CRM. No redirect is followed, so that a token goes nowhere else.

    of: whose server it is, in words. secrets: what must never be said.
    """

    of: str
    base_url: str
    timeout_seconds: float
    secrets: tuple[str, ...] = ()
    _client: httpx.Client | None = field(default=None, repr=False)

    def call(
        self,
        method: str,
        path: str,
        at: datetime,
        *,
        token: str = "",
        body: bytes | None = None,
        content_type: str = "application/json; charset=UTF-8",
        accept: str = "application/json",
    ) -> Answer:
        """One request and its answer, whatever its status.

        Raises
        ------
        Stop : no answer came; `unknown` where the request may have been read.
        """
        import httpx

        headers = {"Accept": accept, "User-Agent": "tierwise"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            reply = self._open().request(method, self.base_url + path, content=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            said = f"{self.of} cannot be reached at {self.base_url}: {self._plain(error)}"
            raise Stop(said, of_receiver=True) from None
        except httpx.TimeoutException:
            said = f"{self.of} did not answer within {self.timeout_seconds:g} seconds; it may have done what was asked"
            raise Stop(said, unknown=True) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            said = f"the connection to {self.of} broke off: {self._plain(error)}; it may have done what was asked"
            raise Stop(said, unknown=True) from None
        return Answer(self.of, reply.status_code, reply.headers, reply.content, at)

    def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def hide(self, text: str) -> str:
        """A text of the server as it may be shown: on one line, shortened, without our secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "***") if secret else text
        text = one_line(text)
        return text if len(text) <= _SAID else text[: _SAID - 1] + "…"

    def _open(self) -> httpx.Client:
        import httpx

        if self._client is None:
            self._client = httpx.Client(
                verify=_tls(),
                timeout=self.timeout_seconds,
                follow_redirects=False,
                trust_env=not is_loopback(self.base_url),
            )
        return self._client

    def _plain(self, error: Exception) -> str:
        return self.hide(str(error)) or type(error).__name__


@cache
def _tls() -> ssl.SSLContext:
    """The certificates that are trusted, read once."""
    import httpx

    return httpx.create_ssl_context()


def compact(value: Any) -> bytes:
    """JSON as it is sent: UTF-8, without blanks, in the order given."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
