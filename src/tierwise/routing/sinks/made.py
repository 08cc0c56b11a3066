"""A sink from its settings."""

from __future__ import annotations

from pathlib import Path

from tierwise.config.sinks import AnySink, FilesSink, MailSink, SlackSink, SqlSink, WebhookSink
from tierwise.routing.sinks.crm import make
from tierwise.routing.sinks.files import Files
from tierwise.routing.sinks.mail import Mail
from tierwise.routing.sinks.sink import Sink
from tierwise.routing.sinks.slack import Slack
from tierwise.routing.sinks.sql import Sql
from tierwise.routing.sinks.webhook import Webhook


def made(settings: AnySink, workspace: Path) -> Sink:
    """The sink of some settings; relative folders are the workspace's."""
    match settings:
        case FilesSink():
            return Files(settings, workspace)
        case WebhookSink():
            return Webhook(settings)
        case SlackSink():
            return Slack(settings)
        case MailSink():
            return Mail(settings)
        case SqlSink():
            return Sql(settings)
        case _:
            return make(settings, workspace)
