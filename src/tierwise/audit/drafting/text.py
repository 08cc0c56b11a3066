"""Values as YAML text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

from tierwise.features.catalogue import slug

YAML_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""Words that YAML, or some reader of it, takes for something else than text."""


def scalar(text: str) -> str:
    """A text as a YAML scalar; quoted, so that `NO` and `1.0` stay text.

    >>> scalar('a "b"')
    '"a \\\\"b\\\\""'
    """
    shown = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in shown) + '"'


def named(name: str) -> str:
    """A column's name as a YAML scalar: as it is where YAML reads it so, else quoted.

    >>> named("industry"), named("Lead Source"), named("null")
    ('industry', '"Lead Source"', '"null"')
    """
    return name if re.fullmatch("[a-z][a-z0-9_]*", name) and name not in YAML_WORDS else scalar(name)


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


def told_apart(names: Iterable[str]) -> list[str]:
    """The names without those that make the same column name as an earlier one.

    >>> told_apart(["Web", "web", "e-mail"])
    ['Web', 'e-mail']
    """
    return list({slug(name): name for name in reversed(list(names))}.values())[::-1]
