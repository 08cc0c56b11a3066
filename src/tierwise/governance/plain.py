"""What a review holds, as plain JSON."""

from __future__ import annotations

from typing import Any

from tierwise.plain import plain as plain_json


def plain(value: Any) -> Any:
    """A value as JSON knows it, an instant as its own ISO text: with its offset from UTC, or none where it has none."""
    return plain_json(value, stamp=lambda moment: moment.isoformat())
