"""A session with Salesforce: signed in by the client-credentials flow, renewed once when it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from tierwise.config.sinks_crm import SalesforceSink, is_loopback
from tierwise.routing.sinks.crm_http import Answer, Door, Stop
from tierwise.routing.sinks.crm_sink import understood
from tierwise.routing.sinks.crm_values import one_line

_DAY_LIMIT_WAIT = 3600.0
"""How long a used-up allowance of the rolling 24 hours is left alone, where Salesforce does not say."""
_LIMIT = "REQUEST_LIMIT_EXCEEDED"


class Session:
    """Calls to one org, by its own REST paths below /services/data/vXX.0."""

    def __init__(self, settings: SalesforceSink) -> None:
        self._settings = settings
        self._secrets = (settings.client_id.get_secret_value(), settings.client_secret.get_secret_value())
        self._door: Door | None = None
        self._token = ""

    def call(
        self,
        method: str,
        path: str,
        at: datetime,
        *,
        body: bytes | None = None,
        content_type: str = "application/json; charset=UTF-8",
        accept: str = "application/json",
        wanted: Sequence[int] = (200,),
    ) -> Answer:
        """One request, with a new session where the old one has ended.

        Raises
        ------
        Stop : no answer came, or one whose status is not wanted.
        """
        path = f"/services/data/v{self._settings.api_version}{path}"
        for last in (False, True):
            door = self._signed_in(at)
            answer = door.call(method, path, at, token=self._token, body=body, content_type=content_type, accept=accept)
            if answer.status in wanted:
                return answer
            if answer.status != 401 or last:
                raise refusal(answer, door)
            self._leave()
        raise AssertionError("unreachable")

    def hide(self, text: str) -> str:
        """A text of Salesforce's as it may be shown."""
        return self._door.hide(text) if self._door is not None else one_line(text)

    def close(self) -> None:
        """Let go of the connections; the session goes on."""
        if self._door is not None:
            self._door.close()

    def _leave(self) -> None:
        self.close()
        self._door, self._token = None, ""

    def _signed_in(self, at: datetime) -> Door:
        if self._door is not None:
            return self._door
        seconds = self._settings.timeout_seconds
        login = Door("Salesforce's sign-in", self._settings.login_url, seconds, self._secrets)
        form = {
            "grant_type": "client_credentials",
            "client_id": self._secrets[0],
            "client_secret": self._secrets[1],
        }
        try:
            answer = login.call(
                "POST",
                "/services/oauth2/token",
                at,
                body=urlencode(form).encode(),
                content_type="application/x-www-form-urlencoded",
            )
        finally:
            login.close()
        if answer.status != 200:
            raise refusal(answer, login)
        token, instance, guarded = understood(answer, _granted)
        if not guarded:
            raise Stop("Salesforce's sign-in named an instance without https; nothing was sent to it", of_receiver=True)
        self._token = token
        self._door = Door("Salesforce", instance.rstrip("/"), seconds, (*self._secrets, token))
        return self._door


def _granted(said: Any) -> tuple[str, str, bool]:
    """The token, the instance, and whether that is reached by https (or is this machine).

    Raises
    ------
    ValueError : the token is none that a header can hold.
    """
    token, instance = str(said["access_token"]), str(said["instance_url"])
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("no usable token")
    return token, instance, urlsplit(instance).scheme == "https" or is_loopback(instance)


def refusal(answer: Answer, door: Door) -> Stop:
    """What an answer that was not wanted means.

    A sign-in that is refused says nothing of the letters, whatever its status.
    """
    code, message = _error(answer.error())
    words = door.hide(": ".join(part for part in (code, message) if part)) or "no reason was given"
    wait = answer.wait_seconds
    if code == _LIMIT and wait is None:
        wait = _DAY_LIMIT_WAIT
    said = f"{answer.of} answered {answer.status}: {words}"
    if answer.status == 410:
        said = f"{said}; this address is gone: set a newer api_version"
    if 300 <= answer.status < 400:
        said = f"{answer.of} answered {answer.status}, a redirection; login_url must be the org's own address"
    signing_in = answer.of != "Salesforce"
    return Stop(
        said, wait, of_receiver=signing_in or answer.of_receiver, unknown=answer.status >= 500, status=answer.status
    )


def _error(body: Any) -> tuple[str, str]:
    """The code and the message of a REST error (a list) or a sign-in's (a mapping)."""
    one = body[0] if isinstance(body, list) and body else body
    if not isinstance(one, dict):
        return "", ""
    code = one.get("errorCode") or one.get("error") or ""
    return str(code), str(one.get("message") or one.get("error_description") or "")
