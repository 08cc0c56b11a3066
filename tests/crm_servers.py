"""CRMs on loopback: HTTP servers that hold accounts, check what they are sent as the vendors document it, and go wrong
on request."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

Reply = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Trouble:
    """What happens to a request. kind: `answer` (nothing is done), `hang`, `reset` after the body was read, or `lost`:
    it is done, and the connection is reset before the answer."""

    kind: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Crm:
    """What the two servers share. faults: what broke the vendor's documentation; a test expects none."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.faults: list[str] = []
        self._troubles: list[tuple[str, re.Pattern[str], Trouble, int]] = []
        self.open = threading.Event()
        self.asked: list[Any] = []
        self.url = ""

    def trouble(self, method: str, path: str, trouble: Trouble, times: int = 1) -> None:
        self._troubles.append((method, re.compile(path), trouble, times))

    def sent(self, method: str, path: str) -> list[bytes]:
        """The bodies of calls, in their order."""
        return [call.body for call in self.calls if call.method == method and re.search(path, call.path)]

    def next_trouble(self, call: Call) -> Trouble | None:
        for place, (method, path, trouble, times) in enumerate(self._troubles):
            if method == call.method and path.search(call.path):
                self._troubles[place] = (method, path, trouble, times - 1)
                if times <= 1:
                    del self._troubles[place]
                return trouble
        return None

    def wrong(self, *said: str) -> None:
        self.faults.extend(said)

    def answer(self, call: Call) -> Reply:
        raise NotImplementedError


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    crm: ClassVar[Crm]

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = Call(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        self.crm.calls.append(call)
        trouble = self.crm.next_trouble(call)
        if trouble is None or trouble.kind == "lost":
            status, headers, content = self.crm.answer(call)
        elif trouble.kind == "answer":
            status, headers, content = trouble.status, dict(trouble.headers), trouble.body
        if trouble is not None and trouble.kind in ("hang", "reset", "lost"):
            if trouble.kind == "hang":
                self.crm.open.wait(30)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        self.send_response_only(status)
        self.send_header("Date", headers.pop("Date", self.date_time_string()))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: Any) -> None:
        """A connection that we reset ourselves is no error."""


@contextmanager
def served(crm: Any) -> Iterator[Any]:
    """The CRM on a port of its own, until the block ends; its payload checks must have found nothing."""
    handler = type("Handler", (_Handler,), {"crm": crm})
    server = _Server(("127.0.0.1", 0), handler)
    crm.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield crm
    finally:
        for sink in crm.asked:
            sink.close()
        crm.open.set()
        server.shutdown()
        server.server_close()
        thread.join()
    assert crm.faults == []


def answer(status: int, body: Any = None, **headers: str) -> Trouble:
    """An answer in place of the CRM's own; `Retry_After="7"` is the header Retry-After."""
    content = body if isinstance(body, bytes) else (b"" if body is None else json.dumps(body).encode())
    return Trouble("answer", status, {k.replace("_", "-"): v for k, v in headers.items()}, content)


def json_reply(status: int, value: Any) -> Reply:
    return status, {"Content-Type": "application/json;charset=UTF-8"}, json.dumps(value).encode()


def is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", text) is not None
