"""URLs of databases as people may see them, and what a database said without the secrets in it."""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

SECRET = "***"
_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_SECRET_WORDS = ("pass", "secret", "token", "key", "credential", "pwd", "odbc_connect")


def shown(url: URL) -> str:
    """The URL as people may see it: every password hidden, in its place or in its query."""
    return without_secret_values(url).render_as_string(hide_password=True)


def without_secret_values(url: URL) -> URL:
    """The URL with every secret of its query hidden, and what of a password with an @ reads as its host; the password
    is where it was.

    >>> shown(make_url("postgresql://u:pa@ss@h/d"))
    'postgresql://u:***@***@h/d'
    """
    if url.host and "@" in url.host:
        url = url.set(host=f"{SECRET}@{url.host.rpartition('@')[2]}")
    return url.update_query_dict({name: SECRET for name in url.query if _is_secret(name)})


def holds_secret(text: str) -> bool:
    """Whether the text of a URL holds a secret itself, or may, and not by a reference to the environment.

    >>> holds_secret("postgresql://u:${PW}@h/d"), holds_secret("postgresql://u:hidden@h/d"), holds_secret("sqlite:///f")
    (False, True, False)
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        return "@" in text
    return any(not _REFERENCE.fullmatch(secret) for secret in _secrets(url))


def without_secrets(words: str, url: URL) -> str:
    """Words of a driver or a database, each secret of the URL hidden, however it is written."""
    for secret in _secrets(url):
        for form in (secret, quote(secret, safe=""), quote_plus(secret)):
            words = words.replace(form, SECRET)
    return words


def first_line(told: str) -> str:
    """The first line that says anything."""
    return next((line.strip() for line in told.splitlines() if line.strip()), "it gave no reason")


def _secrets(url: URL) -> list[str]:
    secrets: list[str] = [str(url.password)] if url.password else []
    secrets += [url.host.rpartition("@")[0]] if url.host else []
    for name, value in url.query.items():
        if _is_secret(name):
            secrets += [value] if isinstance(value, str) else list(value)
    return [secret for secret in secrets if secret]


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET_WORDS)
