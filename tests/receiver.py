"""An HTTP server on loopback that answers as it is told, and keeps what it took."""

from __future__ import annotations

import contextlib
import http.server
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Asked:
    """One request, whole."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Told:
    """One answer, after the body has been read. kind: `answer`; `hang`: silence for as long as the test lasts; `reset`:
    the connection is reset. taken: whether the receiver has what was sent."""

    status: int = 204
    kind: str = "answer"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    taken: bool = True


class Receiver:
    """A server that can be stopped and started again at the same address."""

    def __init__(self, answer: Callable[[Asked], Told] = lambda asked: Told()) -> None:
        self.answer, self.asked, self.taken = answer, [], []  # type: ignore[var-annotated]
        self.over = threading.Event()
        self.server: http.server.ThreadingHTTPServer | None = None
        self.port = 0

    def __enter__(self) -> Receiver:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    def start(self) -> None:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                asked = Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                told = receiver.answer(asked)
                receiver.asked.append(asked)
                if told.taken:
                    receiver.taken.append(asked)
                if told.kind == "hang":
                    receiver.over.wait(30)
                if told.kind in ("hang", "reset"):
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(told.status)
                for name, value in told.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(told.body)))
                self.end_headers()
                self.wfile.write(told.body)

            def log_message(self, *_: object) -> None:
                pass

            def finish(self) -> None:
                with contextlib.suppress(OSError):
                    super().finish()

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 64

            def handle_error(self, *_: object) -> None:
                pass

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.005,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
            time.sleep(0.001)
