"""Letters, settings and metadata that the tests of both CRMs share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tierwise.clock import instant
from tierwise.routing.sinks import Letter

GOLDEN = Path(__file__).parent / "golden" / "crm"
AT = instant("2026-03-02T06:00:00")
AS_OF = instant("2026-03-01")
HOSTILE = '=HYPERLINK("http://x";"Acme"), "best"\r\nof\tthe \x00\x1b[31mbreed\u202e \U0001f469\u200d\U0001f4bb'
PLAIN = '=HYPERLINK("http://x";"Acme"), "best" of the [31mbreed \U0001f469\u200d\U0001f4bb'
"""What is to arrive of it: one line, the same words, nothing that steers."""

BODY: dict[str, Any] = {
    "tier": "tier_1",
    "previous_tier": "tier_2",
    "tier_since": "2026-03-01T00:00:00Z",
    "account_score": 91.25,
    "fit_score": 88.0,
    "signal_score": 90.5,
    "propensity": 0.2345,
    "why": "Tier 2 to tier 1 on 1 Mar 2026: account score 91: fit 88 is high and signal 90 is hot; "
    "champion, user and executive buyer reached.",
    "reason_1": "pricing visits: 12 in 30 days, newest 2 days ago",
    "reason_2": None,
    "reason_3": None,
    "reason_4": None,
    "reason_5": None,
    "as_of": "2026-03-01T00:00:00Z",
    "model_version": "9f2c6e0b7d41a853" * 4,
    "run_id": "20260301-1adadb580fa13c95",
}


def letter(account_id: str, letter_id: str = "5f1d7c2e9a0b4c3d", as_of: datetime = AS_OF, **values: Any) -> Letter:
    """A letter of an account's values, with what a test changes; `last` and `tried` are what was said before."""
    known = {"last": "_last", "tried": "_tried"}
    body: Mapping[str, Any] = {**BODY, **{known.get(name, name): value for name, value in values.items()}}
    return Letter(letter_id, "main", account_id, as_of, body)


def golden(name: str) -> bytes:
    """The bytes of a golden file; JSON goldens end in a line break that is not sent."""
    content = (GOLDEN / name).read_bytes()
    return content.removesuffix(b"\n") if name.endswith(".json") else content
