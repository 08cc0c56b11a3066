"""The pages in a real browser: no console message, no sideways scroll at 400 and 1280 px."""

from __future__ import annotations

import html
import http.server
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

import moved_sample
import training_sample
import tuned_sample
from past_dates import replay_sample
from tierwise.config.policy import Policy, TimeInTier
from tierwise.console.app import HEADERS
from tierwise.report import (
    AccountPage,
    AccountsPage,
    TrainingPage,
    account_page,
    accounts_page,
    movements_pages,
    replay_page,
    review_page,
    run_page,
    training_page,
    tune_page,
)

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: the pages cannot be seen in a browser")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--enable-logging=stderr",
    "--virtual-time-budget=4000", "--window-size=1400,1000",
)  # fmt: skip
TUNED = ("tune", "tune_long_names")
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbau"
MOVED = ("movements", "owner", "territory_long_names")
TRAININGS = ("training", "training_usable")
PROBE = """<!doctype html><meta charset="utf-8"><body style="margin:0">
<iframe id="f" srcdoc="{page}" style="border:0;width:{width}px;height:900px"></iframe><pre id="said"></pre><script>
const f = document.getElementById("f");
f.addEventListener("load", () => {{
  const d = f.contentDocument;
  d.querySelectorAll("details").forEach(x => x.open = true);
  const wide = [...d.querySelectorAll("main *")].filter(x => !x.closest(".scroll") && !x.closest("svg")
    && x.getBoundingClientRect().right > {width} + 1).map(x => x.tagName + "." + x.className);
  const small = [...d.querySelectorAll("svg text")].map(x => x.getBoundingClientRect().height).filter(h => h > 0);
  document.getElementById("said").textContent = JSON.stringify({{
    width: d.documentElement.scrollWidth, wide: wide.slice(0, 5), title: d.title, pictures: small.length,
    smallest: Math.min(...small, 99), headings: d.querySelectorAll("h1").length,
    cut: [...d.querySelectorAll("svg")].flatMap(s => [...s.querySelectorAll("text")].filter(t => {{
      const a = t.getBoundingClientRect(), b = s.getBoundingClientRect();
      return b.width > 0 && (a.right > b.right + 2 || a.left < b.left - 2);
    }}).map(t => t.textContent)).slice(0, 5),
  }});
}});
</script>"""


def _sample() -> ModuleType:
    name = "report_sample"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "report_sample.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    sample = _sample()
    run = sample.run_values(800)
    long = dict.fromkeys(run.tiers["account_id"][:200], LONG * 2)
    best = run.tiers[run.tiers["tier"] == "tier_1"]
    row = best.iloc[0].to_dict() | {"guardrails": "minimum_stay", "roles_reached": "champion"}
    counts = {str(k): int(v) for k, v in run.tiers["tier"].value_counts().items()}
    head = ("new_business", run.as_of, run.run_id, run.model_version)
    moved = movements_pages(moved_sample.page(n=2500))
    sold = moved_sample.page(n=300, by="territory")
    sold.moves["name"] = next(iter(long.values()))
    return {
        "movements": moved["index.html"],
        "owner": moved["owner_001.html"],
        "territory_long_names": movements_pages(sold)["territory_001.html"],
        "run": run_page(run),
        "run_long_names": run_page(
            type(run)(**{f: getattr(run, f) for f in run.__dataclass_fields__ if f != "names"}, names=long)
        ),
        "run_late": run_page(replace(run, late=sample.LATE)),
        "review": review_page(sample.review_values()),
        "replay": replay_page(
            replay_sample(
                Policy(capacity={"tier_1": 10}), Policy(policy="loose", time_in_tier=TimeInTier(minimum_stay_days=0))
            )
        ),
        "tune": tune_page(tuned_sample.page()),
        "tune_long_names": tune_page(tuned_sample.page(dict.fromkeys(("account", "tier", "tier_1"), LONG))),
        "training": training_page(TrainingPage(sample.training_answer(dict(run.evaluation)), run.as_of)),
        "training_usable": training_page(training_sample.page()),
        "account": account_page(AccountPage(*head, row, run.reasons, run.labels, run.names)),
        "accounts": accounts_page(AccountsPage(*head, best, len(best), counts, page=1, pages=2, names=long)),
    }


def seen(url: str, tmp_path: Path) -> tuple[str, list[str]]:
    """The page's DOM once loaded, and what it wrote to the browser's console."""
    profile = tmp_path / "profile"
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", url],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return done.stdout, said


def probed(page: str, width: int, tmp_path: Path) -> tuple[dict[str, object], list[str]]:
    """What the probe measures of a page in a frame of this width."""
    wrapper = tmp_path / "probe.html"
    wrapper.write_text(PROBE.format(page=html.escape(page), width=width), encoding="utf-8")
    dom, said = seen(wrapper.as_uri(), tmp_path)
    found = re.search(r'<pre id="said">(.*?)</pre>', dom, flags=re.S)
    assert found, dom[-500:]
    measured: dict[str, object] = json.loads(html.unescape(found.group(1)))
    return measured, said


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize(
    "name", ["run", "run_long_names", "run_late", "review", "replay", *TUNED, *TRAININGS, *MOVED, "account", "accounts"]
)
def test_no_sideways_scroll_no_console_message_nothing_cut(
    pages: dict[str, str], name: str, width: int, tmp_path: Path
) -> None:
    measured, said = probed(pages[name], width, tmp_path)
    assert said == []
    assert measured["width"] == width, measured
    assert measured["wide"] == []
    assert measured["cut"] == []
    assert measured["headings"] == 1
    assert isinstance(measured["smallest"], int | float)
    assert measured["smallest"] >= 9


def test_the_probe_sees_a_page_that_is_too_wide(tmp_path: Path) -> None:
    wide = '<main><div class="w" style="width:700px">x</div></main><script>foo()</script>'
    page = f'<!doctype html><title>x</title><body style="margin:0">{wide}'
    measured, said = probed(page, 400, tmp_path)
    assert measured["width"] == 700
    assert measured["wide"] == ["DIV.w"]
    assert len(said) == 1


@pytest.fixture
def guarded(pages: dict[str, str]) -> Iterator[str]:
    """The run's page on loopback, with the console's headers."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 404)
            for name, value in HEADERS.items():
                self.send_header(name, value)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(pages["run"].encode() if self.path == "/" else b"")

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is logged."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join(10)


def test_the_console_s_headers_leave_the_page_as_it_is(guarded: str, tmp_path: Path) -> None:
    dom, said = seen(guarded, tmp_path)
    assert "Accounts to work first" in dom
    assert [line for line in said if "favicon" not in line] == []
