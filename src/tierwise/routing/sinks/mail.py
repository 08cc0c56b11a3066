"""Internal notice by e-mail: some actions in one plain-text message."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from email.message import EmailMessage
from typing import TYPE_CHECKING

from tierwise.config.sinks import MailSink
from tierwise.routing.sinks.sink import Letter, Outcome, Receipt, in_halves
from tierwise.routing.sinks.told import told

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

TOO_LONG = 552
"""What a server answers that was told a mail's size before the mail (RFC 1870)."""


def message(settings: MailSink, letters: Sequence[Letter], at: datetime) -> EmailMessage:
    """The mail; its Message-ID names what is in it, so that a second copy can be told."""
    ids = hashlib.sha256("\n".join(x.letter_id for x in letters).encode()).hexdigest()[:32]
    mail = EmailMessage()
    mail["From"], mail["To"] = settings.sender, ", ".join(settings.to)
    count = "1 action" if len(letters) == 1 else f"{len(letters)} actions"
    mail["Subject"] = f"{letters[0].plan}: {count} owed"
    mail["Date"] = at
    mail["Message-ID"] = f"<{ids}@{settings.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("".join(f"- {told(letter)}\n" for letter in letters))
    return mail


class Mail:
    """A mail server that takes notices for people of one's own company."""

    most = 100

    def __init__(self, settings: MailSink) -> None:
        self.settings, self.name = settings, settings.name

    def send(self, letters: Sequence[Letter], at: datetime) -> Sequence[Receipt]:
        return in_halves(letters, lambda some: self._together(some, at))

    def _together(self, letters: Sequence[Letter], at: datetime) -> Sequence[Receipt]:
        """Offer one mail. Whatever fails once its content was begun counts: the server may have it, or dislike it."""
        begun = False
        try:
            with _server(self.settings) as server:
                try:
                    refused = server.send_message(message(self.settings, letters, at))
                finally:
                    begun = server.begun
        except smtplib.SMTPRecipientsRefused as error:
            return _each(letters, "later", f"it refuses every recipient: {_answers(error.recipients)}")
        except smtplib.SMTPResponseException as error:
            too_long = isinstance(error, smtplib.SMTPSenderRefused) and error.smtp_code == TOO_LONG
            return _each(
                letters,
                "later",
                f"it answered {error.smtp_code}: {_text(error.smtp_error)}"
                if error.smtp_code > 0
                else "its answer cannot be read",
                of_receiver=not begun and not too_long,
                of_content=too_long or (begun and error.smtp_code >= 500),
            )
        except (OSError, smtplib.SMTPException) as error:
            said = f"{'the connection broke' if begun else 'it cannot be reached'}: {_text(str(error))}"
            return _each(letters, "later", said, of_receiver=not begun)
        return _each(letters, "delivered", f"but not to {_answers(refused)}" if refused else "")

    def check(self) -> Sequence[str]:
        """Whether the server answers, and takes the user and password."""
        try:
            with _server(self.settings) as server:
                server.noop()
        except (OSError, smtplib.SMTPException) as error:
            return (f"{self.settings.host}:{self.settings.port} refuses: {error}",)
        return ()

    def close(self) -> None:
        """Nothing is held open."""


class _Begun(smtplib.SMTP):
    """A dialogue that knows whether a mail's content was begun."""

    begun = False

    def data(self, msg: ReadableBuffer | str) -> tuple[int, bytes]:
        self.begun = True
        return super().data(msg)


class _BegunInTls(_Begun, smtplib.SMTP_SSL):
    """The same, in TLS from the first byte."""


@contextmanager
def _server(settings: MailSink) -> Iterator[_Begun]:
    """A connection that is encrypted and logged in as the settings ask, or an error. How it ends is no matter: what the
    server has taken, it has taken."""
    where, tls = (settings.host, settings.port), ssl.create_default_context()
    server: _Begun
    if settings.security == "tls":
        server = _BegunInTls(*where, timeout=settings.timeout_seconds, context=tls)
    else:
        server = _Begun(*where, timeout=settings.timeout_seconds)
    try:
        if settings.security == "starttls":
            server.starttls(context=tls)
        if settings.user is not None and settings.password is not None:
            server.login(settings.user, settings.password)
        yield server
        with suppress(OSError, smtplib.SMTPException):
            server.quit()
    finally:
        server.close()


def _each(
    letters: Sequence[Letter], outcome: Outcome, said: str, *, of_receiver: bool = False, of_content: bool = False
) -> list[Receipt]:
    return [Receipt(x.letter_id, outcome, said, None, of_receiver, of_content) for x in letters]


def _answers(recipients: dict[str, tuple[int, bytes]]) -> str:
    return "; ".join(
        f"{len(recipients)} recipients: {code} {_text(said)}" for code, said in list(recipients.values())[:1]
    )


def _text(said: bytes | str) -> str:
    return " ".join((said.decode("utf-8", "replace") if isinstance(said, bytes) else said).split())[:200]
