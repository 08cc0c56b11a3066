"""One POST, and what its answer says of the letters in it."""

from __future__ import annotations

import math
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tierwise.clock import instant
from tierwise.routing.sinks.sink import Letter, Receipt

if TYPE_CHECKING:
    import httpx

LONGEST_SECONDS = 7 * 86_400.0
"""A receiver that asks for more is asked again after so long."""
SHOWN = 200
"""So much of what a receiver says is kept."""


def client(timeout_seconds: float) -> httpx.Client:
    """A client that follows no redirect, and gives up on a silent receiver after so many seconds."""
    import httpx

    return httpx.Client(timeout=timeout_seconds, follow_redirects=False, headers={"User-Agent": "tierwise"})


def post(
    http: httpx.Client, url: str, content: bytes, headers: Mapping[str, str], letters: Sequence[Letter], at: datetime
) -> list[Receipt]:
    """Send letters together, and give a receipt of each."""
    import httpx

    try:
        with http.stream("POST", url, content=content, headers=dict(headers)) as answer:
            said = _beginning(answer)
            found = judged(answer.status_code, said, answer.headers.get("retry-after"), at)
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        found = Receipt("", "later", f"it cannot be reached: {_plain(str(error))}", of_receiver=True)
    except httpx.TimeoutException:
        found = Receipt("", "later", f"it did not answer within {http.timeout.read:g} s")
    except httpx.HTTPError as error:
        found = Receipt("", "later", f"the connection broke: {_plain(str(error) or type(error).__name__)}")
    except (httpx.InvalidURL, UnicodeError):  # neither says more than the url, which is a secret
        found = Receipt("", "later", "its url cannot be read, so mend it", of_receiver=True)
    return [replace(found, letter_id=x.letter_id) for x in letters]


def unreachable(url: str, timeout_seconds: float) -> tuple[str, ...]:
    """Why no connection to a receiver can be made; empty where one can: more cannot be asked without sending."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout_seconds).close()
    except OSError as error:
        return (f"{parts.hostname}:{port} cannot be reached: {_plain(error.strerror or str(error))}",)
    return ()


def judged(status: int, said: str, retry_after: str | None, at: datetime) -> Receipt:
    """What a status means, of no letter yet.

    2xx: delivered. 401, 403, 404, 410, 3xx: of the receiver (credentials, address). 429, and 503 that says for how
    long: of the receiver. 413: the letter is dead, as it will never be shorter. Any other: again later. Any other 4xx,
    and 500, which one letter of some may be the cause of, are of the content.
    """
    words = f"it answered {status}" + (f": {said}" if said else "")
    if 200 <= status < 300:
        return Receipt("", "delivered")
    wait = seconds(retry_after, at)
    if status == 429 or (status == 503 and wait is not None):
        return Receipt("", "later", words, wait, of_receiver=True)
    if 300 <= status < 400:
        return Receipt("", "later", f"{words}; redirects are not followed, so mend its url", wait, of_receiver=True)
    if status == 410:
        return Receipt("", "later", f"{words}; it is gone, so mend its url or take the sink out", of_receiver=True)
    if status in (401, 403, 404):
        return Receipt("", "later", f"{words}; look at its url and secret", wait, of_receiver=True)
    if status == 413:
        return Receipt("", "dead", words, of_content=True)
    return Receipt("", "later", words, wait, of_content=400 <= status <= 500)


def seconds(retry_after: str | None, at: datetime) -> float | None:
    """Retry-After as seconds from `at`, at least 0: a number, or an HTTP date (RFC 9110, 10.2.3); None where it is
    neither."""
    if retry_after is None:
        return None
    try:
        wait = float(retry_after)
    except ValueError:
        try:
            wait = (instant(parsedate_to_datetime(retry_after)) - at).total_seconds()
        except ValueError:
            return None
    return None if math.isnan(wait) else min(max(wait, 0.0), LONGEST_SECONDS)


def _beginning(answer: httpx.Response) -> str:
    """The first words of a body; what is longer is not read."""
    found = b""
    for part in answer.iter_raw(4 * SHOWN):
        found += part
        if len(found) >= 4 * SHOWN:
            break
    return "" if answer.is_success else _plain(found.decode("utf-8", "replace"))


def _plain(text: str) -> str:
    """One line, without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:SHOWN]
