"""Literals and matches, as SQL."""

from __future__ import annotations

from collections.abc import Iterable


def literal(value: str) -> str:
    """A text as an SQL literal.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + value.replace("'", "''") + "'"


def among(cell: str, values: Iterable[str]) -> str:
    """Whether a cell is one of some texts."""
    return f"{cell} IN ({', '.join(literal(v) for v in values)})"


def matches(cell: str, pattern: str) -> str:
    """Whether the whole of a cell fits a pattern."""
    return f"regexp_full_match({cell}, {literal(pattern)})"


def replaced(cell: str, pattern: str, by: str) -> str:
    """A cell with every match of a pattern replaced."""
    return f"regexp_replace({cell}, {literal(pattern)}, {literal(by)}, 'g')"


def extracted(cell: str, pattern: str, names: Iterable[str]) -> str:
    """A struct of the groups of a pattern, by name; every one empty if it does not fit."""
    return f"regexp_extract({cell}, {literal(pattern)}, [{', '.join(literal(n) for n in names)}])"


def bound(value: str, name: str, result: str) -> str:
    """`result` with `name` standing for `value`, which is computed once."""
    return f"list_transform([{value}], lambda {name}: {result})[1]"
