"""sinks of tierwise.yaml: where actions are delivered to; those that need a network stand under an environment."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from tierwise.config.plan import Frozen, Name
from tierwise.config.sinks_crm import HubspotSink, SalesforceCsvSink, SalesforceSink


def _http(value: str) -> str:
    """An address that a client can read; what is wrong with another is said without it: it may be a secret."""
    try:
        parts = urlsplit(value)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address that begins with https:// (or http://) is wanted")
    if not _has_port(parts):
        raise ValueError("its port is no number from 1 to 65535")
    if not value.isprintable() or " " in value:
        raise ValueError("it holds what no address may hold: a space, or a character that cannot be seen")
    if not _has_host(parts.hostname, value):
        raise ValueError("its host is no name and no number of a host")
    return value


def _has_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def _has_host(host: str, value: str) -> bool:
    import httpx

    try:
        if host.isascii():
            host.encode("idna")
        httpx.URL(value)
    except (httpx.InvalidURL, ValueError):
        return False
    return True


HttpUrl = Annotated[str, AfterValidator(_http)]
Seconds = Annotated[float, Field(gt=0, le=300)]


class _Sink(Frozen):
    name: Name
    plans: tuple[Name, ...] = ()
    """Whose actions it gets; empty: every plan's."""
    plays: tuple[Name, ...] = ()
    """Which plays' actions it gets; empty: all."""
    since: date | None = None
    """Actions of earlier as-of dates are not sent to it; by default those of runs before its first delivery."""


class FilesSink(_Sink):
    """Actions as JSON lines, a file a batch, in a folder that another program reads."""

    kind: Literal["files"]
    at: str
    """A folder, relative to the workspace."""


class WebhookSink(_Sink):
    """Actions as signed POSTs in the Standard Webhooks form."""

    kind: Literal["webhook"]
    url: HttpUrl
    secret: str = Field(repr=False)
    """`whsec_` and the base64 of 24 to 64 bytes, as a `${VAR}` reference."""
    timeout_seconds: Seconds = 10.0

    @field_validator("secret")
    @classmethod
    def _is_a_secret(cls, value: str) -> str:
        try:
            key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not 24 <= len(key) <= 64:
            raise ValueError("`whsec_` and the base64 of 24 to 64 random bytes is wanted")
        return value


class SlackSink(_Sink):
    """Actions as messages in Slack's form, to an incoming webhook; some together in one message."""

    kind: Literal["slack"]
    url: HttpUrl = Field(repr=False)
    timeout_seconds: Seconds = 10.0


class MailSink(_Sink):
    """Actions as plain-text e-mail, for people of one's own company."""

    kind: Literal["mail"]
    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: str | None = Field(default=None, repr=False)
    sender: str
    to: Annotated[tuple[str, ...], Field(min_length=1)]
    timeout_seconds: Seconds = 30.0

    @field_validator("sender", "to")
    @classmethod
    def _addresses(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for one in (value,) if isinstance(value, str) else value:
            if not re.fullmatch(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+", one):
                raise ValueError(f"'{one}' is no e-mail address")
        return value

    @model_validator(mode="after")
    def _is_private(self) -> MailSink:
        if self.password is not None and self.security == "none" and self.host not in ("localhost", "127.0.0.1"):
            raise ValueError("a password is sent over starttls or tls only")
        return self


class SqlSink(_Sink):
    """Actions as rows of one table of an SQL database, a batch in one transaction."""

    kind: Literal["sql"]
    url: str = Field(repr=False)
    """`sqlite:///FILE` or `postgresql+psycopg://...`."""
    table: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")] = "tierwise_actions"


def _kind(value: object) -> str | None:
    """Which of the kinds a sink is written as; None: none of them."""
    kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
    return f"[{kind}]" if kind in KINDS else None


KINDS = ("files", "webhook", "slack", "mail", "sql", "salesforce", "salesforce_csv", "hubspot")
LOCAL = ("files", "salesforce_csv")
"""The kinds that need no network, and may stand outside an environment."""
AnySink = Annotated[
    Annotated[FilesSink, Tag("[files]")]
    | Annotated[WebhookSink, Tag("[webhook]")]
    | Annotated[SlackSink, Tag("[slack]")]
    | Annotated[MailSink, Tag("[mail]")]
    | Annotated[SqlSink, Tag("[sql]")]
    | Annotated[SalesforceSink, Tag("[salesforce]")]
    | Annotated[SalesforceCsvSink, Tag("[salesforce_csv]")]
    | Annotated[HubspotSink, Tag("[hubspot]")],
    Discriminator(
        _kind,
        custom_error_type="sink",
        custom_error_message=f"a sink with a kind is wanted, one of {', '.join(KINDS)}",
    ),
]
