"""The web application: four pages, read-only, each answer with headers that let a browser do nothing else."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tierwise.console.shown import Current
from tierwise.errors import TierwiseError, UsageError
from tierwise.report import account_page, accounts_page, message_page

LOG = logging.getLogger("tierwise.console")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
READS = ["GET", "HEAD"]
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


class Guarded:
    """Answers only to hosts it was told of (a foreign name that resolves here is refused), and sets HEADERS."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self.app, self.hosts = app, frozenset(h.casefold() for h in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        sent = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if host_of(sent) not in self.hosts:
            refused = PlainTextResponse("This host name is not served here.\n", status_code=421)
            await refused(scope, receive, guarded)
            return
        await self.app(scope, receive, guarded)


def host_of(header: str) -> str:
    """The name or address of a Host header, without its port.

    >>> host_of("localhost:8765"), host_of("[::1]:80"), host_of("127.0.0.1")
    ('localhost', '::1', '127.0.0.1')
    """
    if header.startswith("["):
        return header[1:].split("]")[0].casefold()
    return header.rsplit(":", 1)[0].casefold()


def create_app(published_root: Path, plan: str, hosts: Sequence[str] = LOOPBACK) -> FastAPI:
    """The console of one plan over the folder `published/`; nothing is read before the first request.

    Parameters
    ----------
    hosts : the host names that a request may ask for.
    """
    current = Current(published_root, plan)
    app = FastAPI(title="tierwise", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guarded, hosts=hosts)

    @app.api_route("/", methods=READS, response_class=HTMLResponse)
    def accounts(tier: str = "", q: str = "", page: str = "1") -> HTMLResponse:
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 9 else 1
        shown = current.shown()
        known = tier if tier in shown.counts else ""
        return HTMLResponse(accounts_page(shown.listed(known, q.strip()[:100], number)))

    @app.api_route("/account/{account_id:path}", methods=READS, response_class=HTMLResponse)
    def account(account_id: str) -> HTMLResponse:
        values = current.shown().account(account_id)
        if values is None:
            said = f"No account {account_id} is in the current run."
            return HTMLResponse(message_page("No such account", said, plan), status_code=404)
        return HTMLResponse(account_page(values))

    @app.api_route("/report", methods=READS, response_class=HTMLResponse)
    def report() -> HTMLResponse:
        return HTMLResponse(current.run().content("report.html"))

    @app.api_route("/healthz", methods=READS)
    def healthz() -> JSONResponse:
        try:
            run = current.run()
        except UsageError:
            return JSONResponse({"status": "nothing published", "plan": plan}, status_code=503)
        except TierwiseError:
            return JSONResponse({"status": "damaged", "plan": plan}, status_code=503)
        return JSONResponse({"status": "ok", "plan": plan, "run_id": run.run_id, "as_of": run.meta.get("as_of")})

    _handle(app, plan)
    return app


def _handle(app: FastAPI, plan: str) -> None:
    """Pages for what goes wrong; paths and details go to the log, not to the reader."""

    @app.exception_handler(TierwiseError)
    def failed(_: Request, error: TierwiseError) -> HTMLResponse:
        LOG.error("%s", error)
        title = "Nothing is published yet" if isinstance(error, UsageError) else "This run cannot be read"
        return HTMLResponse(message_page(title, error.do or "See the log of the console.", plan), status_code=503)

    @app.exception_handler(HTTPException)
    def refused(_: Request, error: HTTPException) -> HTMLResponse:
        title = {404: "No such page", 405: "These pages can only be read"}.get(error.status_code, "That did not work")
        page = message_page(title, "Go back to the list of accounts.", plan)
        return HTMLResponse(page, status_code=error.status_code, headers=error.headers)


def serve(app: FastAPI, host: str = "127.0.0.1", port: int = 8765) -> None:
    """Serve until interrupted; on another address than loopback everyone who reaches it reads every account.

    Raises
    ------
    UsageError : the host is no IP address and not localhost, or the port is outside 0 to 65535.
    """
    if host != "localhost":
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise UsageError(
                f"the console was to listen on '{host}'", found="it is no IP address", do="Give 127.0.0.1, say"
            ) from None
    if not 0 <= port <= 65535:
        raise UsageError(f"the console was to listen on port {port}", found="ports end at 65535", do="Give 8765, say")
    uvicorn.run(app, host=host, port=port, log_level="warning", server_header=False, ws="none", proxy_headers=False)
