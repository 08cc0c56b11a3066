"""A mail server on loopback that speaks as much SMTP as a client needs, answers as told, and keeps what it took."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Mapping


class MailServer:
    """answers: verb -> what is answered instead of yes ("RCPT": "550 no such user"); "" closes the connection."""

    def __init__(self, answers: Mapping[str, str] | None = None) -> None:
        self.answers, self.taken = dict(answers or {}), []  # type: ignore[var-annotated]

    def __enter__(self) -> MailServer:
        mail = self

        class Handler(socketserver.StreamRequestHandler):
            def say(self, line: str) -> None:
                self.wfile.write(f"{line}\r\n".encode())

            def handle(self) -> None:
                self.say(mail.answers.get("BANNER", "220 ready"))
                to: list[str] = []
                while line := self.rfile.readline().decode().rstrip("\r\n"):
                    verb = line.split(" ")[0].upper()
                    told = mail.answers.get(verb)
                    if told == "":
                        return
                    if told is not None:
                        self.say(told)
                        continue
                    if verb == "QUIT":
                        self.say("221 bye")
                        return
                    if verb == "RCPT":
                        to.append(line.partition(":")[2])
                    if verb == "DATA":
                        self.say("354 go on")
                        self.taken(to)
                    elif verb == "AUTH":
                        self.say("235 welcome")
                    else:
                        self.say("250-here\r\n250 AUTH PLAIN" if verb == "EHLO" else "250 yes")

            def taken(self, to: list[str]) -> None:
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    lines.append(line)
                mail.taken.append((tuple(to), b"".join(lines)))
                self.say(mail.answers.get("BODY", "250 taken"))

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.005,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
