"""What makes a run the run it is."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime

from tierwise.clock import naive
from tierwise.errors import UsageError

RUN_ID = re.compile(r"[0-9]{8}-[0-9a-f]{12,64}")


def run_id(
    plan: str,
    as_of: datetime,
    inputs: str,
    prior_state: str,
    model_version: str,
    policy_version: str,
    replaces: str | None = None,
) -> str:
    """The id of a run: its date, and the first 16 hex digits of the sha256 of all that decides its result.

    replaces: the id of the run of the same as_of that this one takes the place of, so that going back to earlier inputs
    is a run of its own.

    >>> from tierwise.clock import instant
    >>> run_id("new_business", instant("2026-03-01"), "a", "b", "m1", "v1")
    '20260301-1adadb580fa13c95'
    """
    at = naive(as_of)
    parts = [plan, at.isoformat(), inputs, prior_state, model_version, policy_version]
    parts += [] if replaces is None else [replaces]
    digest = hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()
    return f"{at:%Y%m%d}-{digest[:16]}"


def check_run_id(text: str) -> str:
    """The text, if it is a run_id: nothing else becomes part of a path."""
    if not RUN_ID.fullmatch(text):
        raise UsageError(
            f"'{text}' was given as a run_id",
            found="a run_id is a date and a hash (20260301-ab12cd34ef567890)",
            do="Take one from the folders beside CURRENT",
        )
    return text
