"""Internal notice by e-mail: some actions in one plain-text message."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage

from tierwise.config.sinks import MailSink
from tierwise.routing.sinks.sink import Letter, Receipt
from tierwise.routing.sinks.told import told


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
        try:
            with _server(self.settings) as server:
                refused = server.send_message(message(self.settings, letters, at))
        except smtplib.SMTPRecipientsRefused as error:
            return _each(letters, "later", f"it refuses every recipient: {_answers(error.recipients)}")
        except smtplib.SMTPResponseException as error:
            said = f"it answered {error.smtp_code}: {_text(error.smtp_error)}"
            return _each(letters, "later", said, of_receiver=error.smtp_code not in (552, 554))
        except (OSError, smtplib.SMTPException) as error:
            return _each(letters, "later", f"it cannot be reached: {error}", of_receiver=True)
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


def _server(settings: MailSink) -> smtplib.SMTP:
    """A connection that is encrypted and logged in as the settings ask, or an error."""
    where, tls = (settings.host, settings.port), ssl.create_default_context()
    server: smtplib.SMTP
    if settings.security == "tls":
        server = smtplib.SMTP_SSL(*where, timeout=settings.timeout_seconds, context=tls)
    else:
        server = smtplib.SMTP(*where, timeout=settings.timeout_seconds)
    try:
        if settings.security == "starttls":
            server.starttls(context=tls)
        if settings.user is not None and settings.password is not None:
            server.login(settings.user, settings.password)
    except BaseException:
        server.close()
        raise
    return server


def _each(letters: Sequence[Letter], outcome: str, said: str, *, of_receiver: bool = False) -> list[Receipt]:
    return [Receipt(x.letter_id, outcome, said, of_receiver=of_receiver) for x in letters]  # type: ignore[arg-type]


def _answers(recipients: dict[str, tuple[int, bytes]]) -> str:
    return "; ".join(
        f"{len(recipients)} recipients: {code} {_text(said)}" for code, said in list(recipients.values())[:1]
    )


def _text(said: bytes | str) -> str:
    return " ".join((said.decode("utf-8", "replace") if isinstance(said, bytes) else said).split())[:200]
