from __future__ import annotations

import contextlib
import importlib.util
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pandas as pd
import pytest
import uvicorn

from tierwise.console import create_app, serve
from tierwise.console.app import host_of
from tierwise.errors import UsageError
from tierwise.publishing import publish, run_files
from tierwise.report import run_page

PLAN = "new_business"
HOSTILE = "<script>alert(1)</script> & Söhne"


def _sample() -> ModuleType:
    name = "report_sample"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("report_sample.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def published(root: Path, run_id: str = "20261101-3f9ac1e77b204d51", n: int = 300) -> Any:
    """A real published run, through the publishing room; its first account has a hostile name, its second a slash."""
    values = _sample().run_values(n)
    renamed = {"A100001": "A/100 001?x=1&y"}
    tiers = values.tiers.assign(
        account_id=values.tiers["account_id"].replace(renamed), expected_value=1000.0,
        expected_value_low=800.0, expected_value_high=1200.0, roles_reached="champion",
        calibration_log_odds=0.0,
        movement=["" if c == "" else "down" for c in values.tiers["cause"]], model_version="b71f0c2de934",
        policy_version="v3", run_id=run_id, **{f"reason_{i}": "a reason" for i in range(1, 6)},
    )  # fmt: skip
    reasons = values.reasons.assign(account_id=values.reasons["account_id"].replace(renamed))
    names = values.names | {"A100000": HOSTILE}
    sheet = tiers[["account_id", "tier"]].assign(name=[names.get(a, "") for a in tiers["account_id"]])
    movements = tiers[tiers["cause"] != ""]
    meta = {"run_id": run_id, "plan": PLAN, "as_of": "2026-11-01", "labels": {"signal": "engagement"}}
    files = run_files(tiers, reasons, tiers, movements, b"", run_page(values), meta, sheet)
    publish(root, PLAN, run_id, files, commit=lambda: True)
    return tiers


@contextlib.contextmanager
def listening(root: Path) -> Iterator[httpx.Client]:
    """The console on a free port of loopback, as uvicorn serves it."""
    config = uvicorn.Config(
        create_app(root, PLAN), log_level="error", ws="none", server_header=False, lifespan="off", loop="asyncio"
    )
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until = time.monotonic() + 20
            while not server.started and time.monotonic() < until:
                time.sleep(0.02)
            port = listener.getsockname()[1]
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(20)


@pytest.fixture(scope="module")
def tiers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    root = tmp_path_factory.mktemp("console") / "published"
    return root, published(root)


@pytest.fixture(scope="module")
def client(tiers: tuple[Path, Any]) -> Iterator[httpx.Client]:
    with listening(tiers[0]) as found:
        yield found


def ids_of(html: str) -> list[str]:
    return re.findall(r'<a href="/account/([^"]+)">', html)


def test_the_list_shows_the_best_first_and_pages_through_all(client: httpx.Client, tiers: tuple[Path, Any]) -> None:
    frame = tiers[1]
    seen: list[str] = []
    for page in range(1, 8):
        html = client.get("/", params={"page": page}).text
        if page <= 6:
            seen += ids_of(html)
    assert len(seen) == len(set(seen)) == len(frame)
    best = frame[frame["tier"] == "tier_1"].sort_values("propensity", ascending=False)["account_id"]
    assert seen[: len(best)] == best.tolist()
    assert "page 6 of 6" in html


def test_filter_and_search(client: httpx.Client, tiers: tuple[Path, Any]) -> None:
    frame = tiers[1]
    html = client.get("/", params={"tier": "tier_2"}).text
    assert set(ids_of(html)) <= set(frame.loc[frame["tier"] == "tier_2", "account_id"])
    assert f"{int((frame['tier'] == 'tier_2').sum())} accounts" in html
    assert 'value="tier_2" selected' in html
    assert ids_of(client.get("/", params={"q": "SÖHNE"}).text) == ["A100000"]
    assert ids_of(client.get("/", params={"q": "a100017"}).text) == ["A100017"]
    assert "Nothing matches." in client.get("/", params={"q": "(.*"}).text
    assert "300 accounts" in client.get("/", params={"tier": "no_such", "page": "-3"}).text


def test_what_is_typed_comes_back_escaped(client: httpx.Client) -> None:
    html = client.get("/", params={"q": '"><script>alert(1)</script>', "tier": "<b>"}).text
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    missing = client.get("/account/%3Cscript%3Ealert(1)%3C/script%3E")
    assert missing.status_code == 404
    assert "<script" not in missing.text
    assert "No such account" in missing.text


def test_an_account_shows_its_tier_its_reasons_and_an_escaped_name(
    client: httpx.Client, tiers: tuple[Path, Any]
) -> None:
    html = client.get("/account/A100000").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Söhne" in html
    assert "<script" not in html
    best = tiers[1][tiers[1]["tier"] == "tier_1"].sort_values("propensity").iloc[-1]
    html = client.get(f"/account/{best['account_id']}").text
    assert "Tier 1 · Focus" in html
    assert f"{100 * best['propensity']:.1f}%" in html
    assert "<svg" in html
    assert "Engagement: " in html
    assert html.count("value of 30 October 2026") == 12


def test_an_id_with_a_slash_is_linked_and_found(client: httpx.Client) -> None:
    html = client.get("/", params={"q": "A/100 001"}).text
    assert ids_of(html) == ["A%2F100%20001%3Fx%3D1%26y"]
    assert client.get("/account/A%2F100%20001%3Fx%3D1%26y").status_code == 200


def test_the_report_is_the_published_bytes(client: httpx.Client, tiers: tuple[Path, Any]) -> None:
    folder = tiers[0] / PLAN / "20261101-3f9ac1e77b204d51"
    answer = client.get("/report")
    assert answer.content == (folder / "report.html").read_bytes()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_every_answer_is_guarded_and_nothing_can_be_written(client: httpx.Client) -> None:
    for path in ("/", "/account/A100000", "/account/none", "/report", "/healthz", "/no/such", "/docs", "/openapi.json"):
        answer = client.get(path)
        assert answer.headers["content-security-policy"].startswith(
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers
        assert "set-cookie" not in answer.headers
    assert client.get("/docs").status_code == client.get("/openapi.json").status_code == 404
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.request(method, "/").status_code == 405
    assert client.head("/").status_code == 200
    assert client.head("/").content == b""


def test_a_foreign_host_name_is_refused(client: httpx.Client) -> None:
    for host in ("evil.example", "evil.example:80", "localhost.evil.example", ""):
        assert client.get("/", headers={"host": host}).status_code in (400, 421)
    assert client.get("/healthz", headers={"host": "LOCALHOST:9"}).status_code == 200
    assert host_of("[::1]:8765") == "::1"


def test_health(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {
        "status": "ok", "plan": PLAN, "run_id": "20261101-3f9ac1e77b204d51", "as_of": "2026-11-01",
    }  # fmt: skip


def test_nothing_published_a_new_run_and_a_damaged_one(tmp_path: Path) -> None:
    with listening(tmp_path) as client:
        answer = client.get("/")
        assert answer.status_code == 503
        assert "Nothing is published yet" in answer.text
        assert str(tmp_path) not in answer.text
        assert client.get("/healthz").json()["status"] == "nothing published"
        published(tmp_path, "20261101-00000000000000a1", 60)
        assert "60 accounts" in client.get("/").text
        published(tmp_path, "20261101-00000000000000a2", 80)
        assert "80 accounts" in client.get("/").text
        assert client.get("/healthz").json()["run_id"] == "20261101-00000000000000a2"
        (tmp_path / PLAN / "20261101-00000000000000a2" / "report.html").write_text("<p>not what was published</p>")
        answer = client.get("/report")
        assert answer.status_code == 503
        assert "This run cannot be read" in answer.text
        assert str(tmp_path) not in answer.text
        (tmp_path / PLAN / "CURRENT").write_text("../../etc\n")
        assert client.get("/healthz").status_code == 503
        assert client.get("/").status_code == 503


def test_serve_says_what_it_was_asked_for(tmp_path: Path) -> None:
    app = create_app(tmp_path, PLAN)
    with pytest.raises(UsageError, match=r"listen on .example.[.:] it is no IP address"):
        serve(app, host="example")
    with pytest.raises(UsageError, match="port 70000"):
        serve(app, port=70_000)


def test_a_page_changes_nothing_that_is_published(client: httpx.Client, tiers: tuple[Path, Any]) -> None:
    def files() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in sorted(tiers[0].rglob("*")) if p.is_file()}

    before = files()
    for path in ("/", "/account/A100000", "/report", "/healthz"):
        client.get(path)
    assert files() == before
    assert isinstance(tiers[1], pd.DataFrame)
