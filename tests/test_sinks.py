"""Sinks: what they send, byte for byte, and what they make of each answer; real servers on loopback."""

from __future__ import annotations

import email
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.policy import default
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from standardwebhooks.webhooks import Webhook as Oracle

from mail_server import MailServer
from receiver import Asked, Receiver, Told
from tierwise.config import load_workspace
from tierwise.config.sinks import FilesSink, MailSink, SlackSink, SqlSink, WebhookSink
from tierwise.errors import ConfigError
from tierwise.routing.sinks import Letter, Receipt
from tierwise.routing.sinks.files import Files
from tierwise.routing.sinks.http import LONGEST_SECONDS, seconds
from tierwise.routing.sinks.mail import Mail
from tierwise.routing.sinks.sink import MOST_HALVES, in_halves
from tierwise.routing.sinks.slack import Slack, content
from tierwise.routing.sinks.sql import Sql
from tierwise.routing.sinks.webhook import Webhook, signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AT = datetime(2026, 1, 5, 9, tzinfo=UTC)
HOSTILE = '=HYPERLINK("http://evil") <!channel> & <b>bold</b>\r\nBcc: all@example.com'
BODY = {"action_id": "0a1b", "account_id": "a1", "play": "focus", "motion": "1:1 ABM", "owner": "o1", "tier": "tier_1",
        "message": "Acme: plan it.", "due_at": "2026-01-07T00:00:00Z"}  # fmt: skip
LETTER = Letter("0a1b", "new_business", "a1", datetime(2026, 1, 5, tzinfo=UTC), BODY)


def webhook(url: str, **more: object) -> Webhook:
    return Webhook(WebhookSink.model_validate({"name": "w", "kind": "webhook", "url": url, "secret": SECRET, **more}))


def told(receiver: Receiver, answer: Told, at: datetime = AT) -> Receipt:
    receiver.answer = lambda asked: answer
    with closing(webhook(receiver.url, timeout_seconds=0.2)) as sink:
        (receipt,) = sink.send([LETTER], at)
    return receipt


def test_the_signature_is_that_of_the_specification() -> None:
    body = b'{"test": 2432232314}'
    wanted = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == wanted
    at = datetime.fromtimestamp(1614265330, UTC)
    assert Oracle(SECRET).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body.decode()) == wanted


def test_a_webhook_is_a_signed_event_of_the_documented_form() -> None:
    with Receiver() as receiver:
        assert told(receiver, Told(204), datetime.now(UTC)).outcome == "delivered"
        (asked,) = receiver.asked
    data = Oracle(SECRET).verify(asked.body, dict(asked.headers))
    assert data == {"type": "action.owed", "timestamp": "2026-01-05T00:00:00Z", "data": BODY}
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["webhook-id"] == "0a1b"


@pytest.mark.parametrize(
    ("answer", "outcome", "of_receiver", "wait", "said"),
    [
        (Told(200), "delivered", False, None, ""),
        (Told(202), "delivered", False, None, ""),
        (Told(500, body=b"no\x1b[31m luck\n"), "later", False, None, "it answered 500: no [31m luck"),
        (Told(503, headers={"Retry-After": "7"}), "later", True, 7.0, "it answered 503"),
        (Told(429, headers={"Retry-After": "30"}), "later", True, 30.0, "it answered 429"),
        (Told(429, headers={"Retry-After": "Mon, 05 Jan 2026 09:01:00 GMT"}), "later", True, 60.0, "it answered 429"),
        (Told(429, headers={"Retry-After": "soon"}), "later", True, None, "it answered 429"),
        (Told(410), "later", True, None, "it answered 410; it is gone, so mend its url or take the sink out"),
        (Told(401), "later", True, None, "it answered 401; look at its url and secret"),
        (Told(302, headers={"Location": "http://127.0.0.1:1/"}), "later", True, None,
         "it answered 302; redirects are not followed, so mend its url"),
        (Told(400), "later", False, None, "it answered 400"),
        (Told(413), "dead", False, None, "it answered 413"),
        (Told(kind="hang"), "later", False, None, "it did not answer within 0.2 s"),
    ],
)  # fmt: skip
def test_each_answer_has_its_meaning(
    answer: Told, outcome: str, of_receiver: bool, wait: float | None, said: str
) -> None:
    with Receiver() as receiver:
        found = told(receiver, answer)
        assert len(receiver.asked) == 1, "no redirect is followed, and nothing is tried again at once"
    assert (found.outcome, found.of_receiver, found.wait_seconds, found.said) == (outcome, of_receiver, wait, said)


def test_a_broken_connection_and_a_closed_port_are_told_apart() -> None:
    with Receiver() as receiver:
        broken = told(receiver, Told(kind="reset"))
        url = receiver.url
    assert broken.outcome == "later"
    assert not broken.of_receiver
    assert broken.said.startswith("the connection broke")
    with closing(webhook(url)) as sink:
        (closed,) = sink.send([LETTER], AT)
    assert closed.outcome == "later"
    assert closed.of_receiver
    assert closed.said.startswith("it cannot be reached")
    host = url.removeprefix("http://").removesuffix("/in")
    assert sink.check() == (f"{host} cannot be reached: Connection refused",)


def test_the_receiver_of_the_readme_takes_an_action_once_and_no_forged_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = Path(__file__).resolve().parents[1] / "docs" / "receiver.py"
    words, settings = [sys.executable, str(script), str(port)], os.environ | {"SEQUENCER_SECRET": SECRET}
    with subprocess.Popen(words, env=settings, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"http://127.0.0.1:{port}/ (stop with Ctrl-C)\n"
        url, other = f"http://127.0.0.1:{port}/", "whsec_" + "QUJD" * 10
        now = datetime.now(UTC)
        with closing(webhook(url)) as sink, closing(webhook(url, secret=other)) as forger:
            assert [forger.send([LETTER], now)[0].said] == ["it answered 401; look at its url and secret"]
            assert [sink.send([LETTER], now)[0].outcome for _ in range(2)] == ["delivered", "delivered"]
            assert sink.send([replace(LETTER, letter_id="2")], now - timedelta(hours=1))[0].outcome == "later"
            assert sink.send([replace(LETTER, letter_id="3")], now)[0].outcome == "delivered"
        assert process.stdout.readline() == "1 tier_1 focus: Acme: plan it.\n"
        assert process.stdout.readline() == "2 tier_1 focus: Acme: plan it.\n"
        process.kill()


def test_retry_after_is_read_within_bounds() -> None:
    assert seconds("-5", AT) == 0
    assert seconds("1e12", AT) == LONGEST_SECONDS
    assert seconds("nan", AT) is None
    assert seconds("Sun, 04 Jan 2026 09:00:00 GMT", AT) == 0


def test_a_long_answer_is_not_read_to_its_end_and_its_words_are_cut() -> None:
    with Receiver() as receiver:
        found = told(receiver, Told(500, body=b"x" * 5_000_000))
    assert len(found.said) < 250


def test_slack_gets_plain_text_in_which_nothing_is_markup() -> None:
    letters = [replace(LETTER, body={**BODY, "message": HOSTILE}), LETTER]
    with Receiver() as receiver, closing(Slack(SlackSink(name="s", kind="slack", url=receiver.url))) as sink:
        assert [r.outcome for r in sink.send(letters, AT)] == ["delivered", "delivered"]
        (asked,) = receiver.asked
    assert asked.body == content(letters)
    said = json.loads(asked.body)
    assert said["mrkdwn"] is False
    first, second = said["text"].split("\n")
    assert first == (
        '=HYPERLINK("http://evil") &lt;!channel&gt; &amp; &lt;b&gt;bold&lt;/b&gt; Bcc: all@example.com '
        "(owner o1, due 2026-01-07 00:00 UTC)"
    )
    assert second == "Acme: plan it. (owner o1, due 2026-01-07 00:00 UTC)"


@pytest.mark.parametrize("host", ["127.0.0.1:443a", "hooks..example"])
def test_an_address_that_cannot_be_read_is_an_answer_that_does_not_repeat_it(host: str) -> None:
    settings = SlackSink.model_construct(name="s", kind="slack", url=f"https://{host}/{SECRET}", timeout_seconds=1.0)
    with closing(Slack(settings)) as sink:
        (receipt,) = sink.send([LETTER], AT)
    assert (receipt.outcome, receipt.of_receiver) == ("later", True)
    assert receipt.said == "its url cannot be read, so mend it"


def batch(n: int) -> list[Letter]:
    return [replace(LETTER, letter_id=f"{k}", account_id=f"a{k}", body={**BODY, "message": f"({k})"}) for k in range(n)]


def refusing(bad: set[int], told: Told) -> Callable[[Asked], Told]:
    return lambda asked: told if any(f"({k})".encode() in asked.body for k in bad) else Told(200)


@pytest.mark.parametrize(("status", "outcome"), [(400, "later"), (413, "dead"), (422, "later"), (500, "later")])
def test_what_one_action_is_refused_for_costs_no_other_of_its_batch(status: int, outcome: str) -> None:
    with Receiver() as receiver, closing(Slack(SlackSink(name="s", kind="slack", url=receiver.url))) as sink:
        receiver.answer = refusing({3, 11}, Told(status, taken=False))
        found = sink.send(batch(20), AT)
        assert [r.letter_id for r in found] == [f"{k}" for k in range(20)]
        assert {k: r.outcome for k, r in enumerate(found) if r.outcome != "delivered"} == {3: outcome, 11: outcome}
        assert not any(r.of_receiver for r in found)
        assert len(receiver.asked) <= 19
        lines = [line for asked in receiver.taken for line in json.loads(asked.body)["text"].split("\n")]
        assert len(lines) == len(set(lines)) == 18, "nothing is sent twice"


@pytest.mark.parametrize("told", [Told(502), Told(504), Told(kind="reset"), Told(kind="hang"), Told(401), Told(429)])
def test_what_may_have_arrived_and_what_is_of_the_receiver_is_not_sent_in_halves(told: Told) -> None:
    settings = SlackSink(name="s", kind="slack", url="http://127.0.0.1", timeout_seconds=0.2)
    with Receiver(lambda asked: told) as receiver:
        with closing(Slack(settings.model_copy(update={"url": receiver.url}))) as sink:
            assert {r.outcome for r in sink.send(batch(20), AT)} == {"later"}
        assert len(receiver.asked) == 1


def test_halves_end_where_the_receiver_wants_to_be_left_alone() -> None:
    answers = iter([Told(400), Told(200), Told(429, headers={"Retry-After": "30"})])
    with (
        Receiver(lambda asked: next(answers)) as receiver,
        closing(Slack(SlackSink(name="s", kind="slack", url=receiver.url))) as sink,
    ):
        found = sink.send(batch(8), AT)
    assert [(r.outcome, r.of_receiver, r.wait_seconds) for r in found] == (
        [("delivered", False, None)] * 4 + [("later", True, 30.0)] * 4
    )


def test_a_batch_that_is_refused_throughout_has_an_end() -> None:
    asked: list[int] = []

    def offer(letters: Sequence[Letter]) -> list[Receipt]:
        asked.append(len(letters))
        return [Receipt(x.letter_id, "dead", "it answered 413", of_content=True) for x in letters]

    found = in_halves(batch(100), offer)
    assert len(asked) == 1 + MOST_HALVES
    assert [r.letter_id for r in found] == [f"{k}" for k in range(100)]
    singles = sum(n == 1 for n in asked)
    assert 0 < singles == sum(r.outcome == "dead" for r in found), "what was refused among others is not dead"
    assert {r.outcome for r in found} == {"dead", "later"}


class Moods(dict[str, str]):
    """Answers of a mail server that depend on what it has."""

    def __init__(self, mood: Callable[[str], str | None]) -> None:
        super().__init__()
        self.mood = mood

    def get(self, verb: str, default: str | None = None) -> str | None:  # type: ignore[override]
        answer = self.mood(verb)
        return default if answer is None else answer


def mail_sink(server: MailServer, **more: object) -> Mail:
    base = {"name": "m", "kind": "mail", "host": "127.0.0.1", "port": server.port, "security": "none"}
    return Mail(MailSink.model_validate({**base, "sender": "tierwise@example.com", "to": ["ops@example.com"], **more}))


def test_mail_is_plain_text_and_a_hostile_message_adds_no_header() -> None:
    letters = [LETTER, replace(LETTER, letter_id="2", body={**BODY, "message": HOSTILE})]
    with MailServer() as server:
        sink = mail_sink(server, user="u", password="p")
        assert sink.check() == ()
        assert [r.outcome for r in sink.send(letters, AT)] == ["delivered", "delivered"]
        ((to, raw),) = server.taken
    mail = email.message_from_bytes(raw, policy=default)
    assert to == ("<ops@example.com>",)
    assert mail["To"] == "ops@example.com"
    assert mail["Bcc"] is None
    assert mail["Subject"] == "new_business: 2 actions owed"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "text/plain"
    body = mail.get_content().replace("\r\n", "\n")
    assert body.startswith("- Acme: plan it. (owner o1, due 2026-01-07 00:00 UTC)\n- =HYPERLINK(")
    assert body.count("\n") == 2
    with MailServer() as server:
        mail_sink(server).send(letters, AT + timedelta(days=1))
        assert email.message_from_bytes(server.taken[0][1])["Message-ID"] == mail["Message-ID"], "a copy can be told"


@pytest.mark.parametrize(
    ("answers", "of_receiver", "said"),
    [
        ({"BANNER": "421 busy"}, True, "421"),
        ({"MAIL": "451 later"}, True, "451"),
        ({"RCPT": "550 no such user"}, False, "550 no such user"),
        ({"BODY": "554 refused as spam"}, False, "554"),
        ({"BODY": "550 content rejected"}, False, "550: content rejected"),
        ({"BODY": "452 no room"}, False, "452: no room"),
        ({"BODY": "what"}, False, "its answer cannot be read"),
        ({"BANNER": "554 no service"}, True, "554"),
        ({"MAIL": "552 too long"}, False, "552: too long"),
        ({"AUTH": "535 wrong"}, True, "535"),
        ({"DATA": ""}, False, "the connection broke"),
        ({"DATA": "550 no"}, False, "550: no"),
        ({"RCPT": ""}, True, "it cannot be reached"),
    ],
)
def test_what_a_mail_server_refuses_is_tried_again(answers: dict[str, str], of_receiver: bool, said: str) -> None:
    with MailServer(answers) as server:
        (receipt,) = mail_sink(server, user="u", password="p").send([LETTER], AT)
        assert not server.taken or "BODY" in answers
    assert receipt.outcome == "later"
    assert receipt.of_receiver is of_receiver
    assert said in receipt.said


@pytest.mark.parametrize("quit_", ["500 what", "250 yes", "", "421 gone"])
def test_mail_that_was_taken_is_delivered_whatever_quit_is_answered(quit_: str) -> None:
    with MailServer({"QUIT": quit_}) as server:
        sink = mail_sink(server)
        (receipt,) = sink.send([LETTER], AT)
        assert (receipt.outcome, receipt.said) == ("delivered", "")
        assert len(server.taken) == 1
        assert sink.check() == ()


@pytest.mark.parametrize("silent", [True, False])
def test_mail_that_may_have_been_taken_counts_as_tried(silent: bool) -> None:
    over = threading.Event()

    def mood(verb: str) -> str | None:
        if verb != "BODY":
            return None
        if silent:
            over.wait(30)
        raise ConnectionResetError

    with MailServer() as server:
        server.answers = Moods(mood)
        found = mail_sink(server, timeout_seconds=0.2).send(batch(3), AT)
        over.set()
        assert len(server.taken) == 1, "it is not sent in halves: a second copy would arrive"
    assert {(r.outcome, r.of_receiver) for r in found} == {("later", False)}
    assert all(r.said.startswith("the connection broke") for r in found)


def test_a_mail_that_is_refused_for_one_action_is_sent_in_halves() -> None:
    with MailServer() as server:
        server.answers = Moods(
            lambda verb: "550 content rejected" if verb == "BODY" and b"(70)" in server.taken[-1][1] else None
        )
        found = mail_sink(server).send(batch(100), AT)
        assert len(server.taken) <= 15
    assert [r.letter_id for r in found if r.outcome != "delivered"] == ["70"]
    assert (found[70].outcome, found[70].of_receiver) == ("later", False)
    assert found[70].said == "it answered 550: content rejected"


def test_a_mail_server_without_starttls_gets_no_password() -> None:
    with MailServer() as server:
        sink = mail_sink(server, security="starttls", user="u", password="p")
        (receipt,) = sink.send([LETTER], AT)
        assert not server.taken
    assert receipt.outcome == "later"
    assert "STARTTLS" in receipt.said
    assert sink.check()


def test_files_are_whole_and_sort_as_they_were_written(tmp_path: Path) -> None:
    sink = Files(FilesSink(name="f", kind="files", at="outgoing"), tmp_path)
    assert sink.check() == ()
    sink.send([LETTER, replace(LETTER, letter_id="2", account_id="a2")], AT)
    sink.send([replace(LETTER, letter_id="0", account_id="a3")], AT + timedelta(seconds=1))
    first, second = sorted((tmp_path / "outgoing").iterdir())
    assert [json.loads(line) for line in first.read_text().splitlines()] == [BODY, BODY]
    assert second.name.startswith("20260105T090001")
    (tmp_path / "taken").write_text("a file")
    broken = Files(FilesSink(name="f", kind="files", at="taken/below"), tmp_path)
    assert broken.check() == (f"{tmp_path}/taken/below cannot be written",)
    (receipt,) = broken.send([LETTER], AT)
    assert (receipt.outcome, receipt.of_receiver) == ("later", True)
    assert "cannot be written" in receipt.said


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_table_holds_each_action_once(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = f"sqlite:///{tmp_path}/lake.db" if kind == "sqlite" else request.getfixturevalue("postgresql_url")
    sink = Sql(SqlSink(name="s", kind="sql", url=url, table="actions"))
    assert sink.check() == ()
    letters = [LETTER, replace(LETTER, letter_id="2", body={**BODY, "message": HOSTILE, "due_at": None})]
    for _ in range(2):
        assert [r.outcome for r in sink.send(letters, AT)] == ["delivered", "delivered"]
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM actions ORDER BY action_id")).mappings().all()
        assert [row["message"] for row in rows] == ["Acme: plan it.", HOSTILE]
        assert str(rows[0]["due_at"]).startswith("2026-01-07 00:00:00")
        assert rows[1]["due_at"] is None
        assert json.loads(rows[0]["payload"]) == BODY
        connection.execute(text("ALTER TABLE actions DROP COLUMN message"))
        connection.commit()
    engine.dispose()
    assert sink.check() == ("actions lacks the column message",)
    (receipt, _) = sink.send([replace(LETTER, letter_id="3"), LETTER], AT)
    assert (receipt.outcome, receipt.of_receiver) == ("later", True)


BAD = {
    "sqlite": "CREATE TABLE actions (action_id TEXT PRIMARY KEY, plan TEXT, account_id TEXT, as_of TEXT, play TEXT, "
    "owner TEXT, tier TEXT, due_at TEXT, message TEXT CHECK (length(message) <= 16), payload TEXT)",
    "postgresql": "CREATE TABLE actions (action_id text PRIMARY KEY, plan text, account_id text, as_of timestamp, "
    "play text, owner text, tier text, due_at timestamp, message varchar(16), payload text)",
    "a check": "CREATE TABLE actions (action_id text PRIMARY KEY, plan text, account_id text, as_of timestamp, "
    "play text, owner text, tier text, due_at timestamp, message text CHECK (length(message) <= 16), payload text)",
}


@pytest.mark.parametrize("kind", BAD)
def test_a_row_that_a_table_refuses_costs_no_other(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = f"sqlite:///{tmp_path}/lake.db" if kind == "sqlite" else request.getfixturevalue("postgresql_url")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(BAD[kind]))
    sink = Sql(SqlSink(name="s", kind="sql", url=url, table="actions"))
    letters = batch(5)
    letters[2] = replace(letters[2], body={**BODY, "message": "Acme: plan it, and at length."})
    for _ in range(2):
        found = sink.send(letters, AT)
        assert [r.letter_id for r in found] == [x.letter_id for x in letters]
        assert [r.outcome for r in found] == ["delivered", "delivered", "later", "delivered", "delivered"]
        assert not found[2].of_receiver, "it counts as tried"
        assert found[2].said.startswith(f"the table actions refused its row: {REFUSED[kind]}")
        assert "\n" not in found[2].said
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT action_id FROM actions ORDER BY action_id")).scalars().all()
    engine.dispose()
    assert rows == ["0", "1", "3", "4"]


REFUSED = {
    "sqlite": "CHECK constraint failed",
    "postgresql": "value too long for type character varying(16)",
    "a check": 'new row for relation "actions" violates check constraint',
}


def test_a_database_that_cannot_be_reached_keeps_its_password() -> None:
    sink = Sql(SqlSink(name="s", kind="sql", url="postgresql://u:hidden@127.0.0.1:1/x?connect_timeout=2"))
    (receipt,) = sink.send([LETTER], AT)
    assert (receipt.outcome, receipt.of_receiver) == ("later", True)
    assert "hidden" not in receipt.said + "".join(sink.check())


def test_a_table_of_sqlite_is_readable_without_us(tmp_path: Path) -> None:
    Sql(SqlSink(name="s", kind="sql", url=f"sqlite:///{tmp_path}/x.db")).send([LETTER], AT)
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        assert connection.execute("SELECT action_id, tier FROM tierwise_actions").fetchall() == [("0a1b", "tier_1")]


NETWORK = "sinks:\n  - {{name: w, kind: {}}}\n"
BROKEN = {
    "sinks:\n  - {name: w, kind: webhook, url: 'https://x.example', secret: s}\n":
        "tierwise.yaml:2: sinks[0]: a sink of kind webhook needs a network: it stands under an environment",
    "sinks:\n  - {name: w, kind: carrier_pigeon}\n":
        "tierwise.yaml:2: sinks[0]: a sink with a kind is wanted, one of files, webhook, slack, mail, sql",
    "sinks:\n  - {name: w, kind: files}\n": "sinks[0].at: this key is missing",
    "sinks:\n  - {name: w, kind: files, at: a, att: b}\n": "sinks[0].att: unknown key; did you mean 'at'?",
    "sinks:\n  - {name: w, kind: files, at: a}\n  - {name: w, kind: files, at: b}\n": "two sinks have one name: w, w",
    "sinks: files\n": "tierwise.yaml:1: sinks",
}  # fmt: skip
BROKEN_LIVE = {
    "kind: webhook, url: 'ftp://x.example', secret: '{s}'":
        "an address that begins with https:// (or http://) is wanted",
    "kind: slack, url: 'https://hooks.example:443a/{s}'": "its port is no number from 1 to 65535",
    "kind: slack, url: 'https://hooks.example:70000/{s}'": "its port is no number from 1 to 65535",
    "kind: slack, url: 'https://[::1/{s}'": "an address that begins with https:// (or http://) is wanted",
    "kind: slack, url: 'https://hooks..example/{s}'": "its host is no name and no number of a host",
    "kind: slack, url: 'https://xn--a-.example{s}\u2024/{s}'": "its host is no name and no number of a host",
    "kind: slack, url: \"https://hooks.example/{s}\\x07\"": "it holds what no address may hold",
    "kind: webhook, url: 'https://x.example', secret: whsec_c2hvcnQ=": "the base64 of 24 to 64 random bytes is wanted",
    "kind: webhook, url: 'https://x.example', secret: '${{NOWHERE}}'": "the environment has no variable NOWHERE",
    "kind: webhook, url: 'https://x.example', secret: '{s}', timeout_seconds: 0": "a number above 0 is wanted",
    "kind: mail, host: h, sender: me, to: [a@example.com]": "'me' is no e-mail address",
    "kind: mail, host: h, sender: a@example.com, to: []": "at least 1 entry is wanted; here stand 0",
    "kind: mail, host: h, sender: a@example.com, to: [a@example.com], security: none, password: p":
        "a password is sent over starttls or tls only",
    "kind: sql, url: 'sqlite:///x.db', table: 'a; drop'": "table",
    "kind: slack": "url: this key is missing",
}  # fmt: skip


@pytest.mark.parametrize(("written", "said"), BROKEN.items())
def test_broken_sinks_are_refused_with_their_line(written: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "tierwise.yaml").write_text(written)
    with pytest.raises(ConfigError) as refused:
        load_workspace(tmp_path)
    assert said in str(refused.value)


@pytest.mark.parametrize(("written", "said"), BROKEN_LIVE.items())
def test_broken_sinks_of_an_environment_are_refused_without_their_secret(
    written: str, said: str, tmp_path: Path
) -> None:
    line = written.format(s=SECRET)
    text = f"environments:\n  live:\n    sinks:\n      - {{name: w, {line}}}\n"
    (tmp_path / "tierwise.yaml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        load_workspace(tmp_path, "live", {})
    assert said in str(refused.value)
    assert ":4:" in str(refused.value)
    assert SECRET not in str(refused.value)
    assert load_workspace(tmp_path).settings.sinks == (), "nothing is asked of an environment that is not chosen"


def test_a_crm_is_told_of_one_plan_alone(tmp_path: Path, small_demo: Path) -> None:
    for name in ("new_business", "expansion"):
        shutil.copytree(small_demo / "models" / "new_business", tmp_path / "models" / name)
    path = tmp_path / "models" / "expansion" / "model.yaml"
    path.write_text(path.read_text().replace("plan: new_business", "plan: expansion"))
    line = "sinks:\n  - {{name: crm, kind: salesforce_csv, folder: out, fields: {{tier: T__c}}{}}}\n"
    (tmp_path / "tierwise.yaml").write_text(line.format(""))
    with pytest.raises(ConfigError, match=r"tierwise\.yaml:2: sinks\[0\]: a CRM's fields hold one plan's values, and"):
        load_workspace(tmp_path)
    (tmp_path / "tierwise.yaml").write_text(line.format(", plans: [new_business]"))
    assert load_workspace(tmp_path).settings.sinks[0].plans == ("new_business",)
