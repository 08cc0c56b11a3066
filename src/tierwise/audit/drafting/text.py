"""Values as YAML text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable


def scalar(text: str) -> str:
    """A text as a YAML scalar; quoted, so that `NO` and `1.0` stay text.

    >>> scalar('a "b"')
    '"a \\\\"b\\\\""'
    """
    shown = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in shown) + '"'


def listed(values: Iterable[str]) -> str:
    """A flow list of texts."""
    return "[" + ", ".join(scalar(v) for v in values) + "]"


def comments(sentences: Iterable[str], indent: str = "", width: int = 110) -> list[str]:
    """Sentences as comment lines, folded."""
    lines = []
    for sentence in sentences:
        bare = " ".join("".join(c if c.isprintable() else " " for c in sentence).split())
        lines += textwrap.wrap(
            bare, width, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}#   ", break_on_hyphens=False
        )
    return lines
