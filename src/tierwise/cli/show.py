"""What verbs print: tables on stdout, messages and progress on stderr, JSON for machines."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def say(message: str) -> None:
    """A line of progress, on stderr."""
    print(f"  {message}", file=sys.stderr, flush=True)


def emit(values: Mapping[str, Any]) -> None:
    """One JSON object, on stdout."""
    from tierwise.plain import plain

    print(json.dumps(plain(values, stamp=str), indent=1, allow_nan=False))


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[int] = (),
    tight: bool = False,
) -> None:
    """A table on stdout, as wide as the terminal; columns of the numbers in `right` are set flush right.

    tight: columns stand closer, which leaves room for one more.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    made = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=tight)
    for n, name in enumerate(columns):
        made.add_column(name, justify="right" if n in right else "left", overflow="fold", no_wrap=n in right)
    for row in rows:
        made.add_row(*(escape(str(cell)) for cell in row))
    console = Console()
    console.print(escape(title), style="bold", highlight=False)
    console.print(made)


def line(text: str, *, indent: str = "") -> None:
    """A sentence on stdout, folded to the terminal's width."""
    width = shutil.get_terminal_size((80, 24)).columns
    print(textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False))


def closing(code: int, *, run: str | None = None, following: str = "", as_json: bool = False) -> None:
    """The last line on stderr: exit code, run, and the next command."""
    if as_json:
        print(json.dumps({"code": code, "run": run, "next": following or None}), file=sys.stderr)
        return
    parts = [f"exit {code}"]
    if run:
        parts.append(f"run {run}")
    if following:
        parts.append(f"next: {following}")
    print(" · ".join(parts), file=sys.stderr)


def percent(value: float | None, digits: int = 1) -> str:
    """A share in per cent; a dash where there is none."""
    return "-" if value is None or value != value else f"{100 * value:.{digits}f}%"
