"""Changes of a YAML text as edits of its characters, so that every line which need not change stays as it was written.

Places are found in the node tree of the text; what is written anew is written in flow style.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

from tierwise.errors import ConfigError

Edit = tuple[int, int, str]
"""From and to which character, and what stands there instead."""


def compose(text: str) -> Any:
    """The root node of a document; None where it holds nothing but comments and marks of its begin and end.

    Raises
    ------
    ConfigError : it holds what keys cannot be given to.
    """
    from ruamel.yaml import YAML

    root = YAML(typ="rt").compose(text)
    if root is not None and root.id == "scalar" and root.value == "" and "..." not in text:
        return None
    if root is not None and root.id != "mapping":
        raise ConfigError(
            "a YAML file was to be changed",
            found="it holds no keys, but something that is read as nothing",
            do="Empty the file, or write its rules under keys",
        )
    return root


def spliced(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits made; they do not overlap, and those of one place are made in their order."""
    parts, done = [], 0
    for start, end, new in sorted(edits, key=lambda edit: edit[:2]):
        parts += [text[done:start], new]
        done = end
    return "".join([*parts, text[done:]])


def child(node: Any, key: str) -> Any:
    """The value node of a key of a mapping; None where it has no such key."""
    return next((value for name, value in node.value if name.value == key), None)


def set_keys(text: str, node: Any, changes: Mapping[str, Any]) -> list[Edit]:
    """Give keys of a mapping other values; mappings within `changes` are gone into where the text has them."""
    edits: list[Edit] = []
    new: dict[str, Any] = {}
    for key, value in changes.items():
        there = child(node, key)
        if there is None:
            new[key] = value
        elif isinstance(value, Mapping) and there.id == "mapping":
            edits += set_keys(text, there, value)
        else:
            edits.append((there.start_mark.index, _end(text, there), flow(value)))
    return [*edits, _more_keys(text, node, new)] if new else edits


def _more_keys(text: str, node: Any, new: Mapping[str, Any]) -> Edit:
    """Add keys at the end of a mapping."""
    if node.flow_style:
        said = ", ".join(f"{key}: {flow(value)}" for key, value in new.items())
        at = _end(text, node.value[-1][1]) if node.value else node.start_mark.index + 1
        return at, at, f", {said}" if node.value else said
    indent = " " * node.value[0][0].start_mark.column
    return _after(text, _end(text, node), lines_of(new, indent))


def lines_of(new: Mapping[str, Any], indent: str = "") -> list[str]:
    """Keys as lines of a block: a list an item a line, all else in flow style."""
    lines = []
    for key, value in new.items():
        if isinstance(value, Sequence) and not isinstance(value, str):
            lines += [f"{indent}{key}:", *(f"{indent}  - {flow(item)}" for item in value)]
        else:
            lines.append(f"{indent}{key}: {flow(value)}")
    return lines


def drop_items(text: str, node: Any, places: Collection[int]) -> list[Edit]:
    """Take items out of a sequence, with what stands behind them on their lines."""
    edits: list[Edit] = []
    kept_before = False
    for place, item in enumerate(node.value):
        if place not in places:
            kept_before = True
            continue
        start, end = item.start_mark.index, _end(text, item)
        if not node.flow_style:
            edits.append((_dash(text, item), _line_end(text, end), ""))
        elif _alone(text, start, end):
            edits.append((_line_start(text, start), _line_end(text, end), ""))
        elif kept_before:
            edits.append((_end(text, node.value[place - 1]), end, ""))
        else:
            following = node.value[place + 1 :]
            edits.append((start, following[0].start_mark.index if following else end, ""))
    return edits


def add_items(text: str, node: Any, after: int | None, items: Sequence[Any]) -> list[Edit]:
    """Add items to a sequence behind the one at a place; None: before the first."""
    said = [flow(item) for item in items]
    anchor = node.value[0 if after is None else after]
    start, end = anchor.start_mark.index, _end(text, anchor)
    if not node.flow_style:
        start = _dash(text, anchor)
        lines = [f"{_indent(text, start)}- {item}" for item in said]
        return [(start, start, _joined(text, lines)) if after is None else _after(text, end, lines)]
    if not _alone(text, start, end):
        one_line = "".join(f"{item}, " if after is None else f", {item}" for item in said)
        return [(start, start, one_line) if after is None else (end, end, one_line)]
    at = _line_start(text, start)
    lines = [f"{_indent(text, at)}{item}," for item in said]
    if after is None:
        return [(at, at, _joined(text, lines))]
    comma = [] if text[end:].lstrip().startswith(",") else [(end, end, ",")]
    return [*comma, _after(text, end, lines)]


def _alone(text: str, start: int, end: int) -> bool:
    """Whether an item of a flow sequence has its line, or lines, for itself."""
    behind = text[end : _line_end(text, end)].strip().removeprefix(",").lstrip()
    return not text[_line_start(text, start) : start].strip() and (not behind or behind.startswith("#"))


def _indent(text: str, at: int) -> str:
    """The blanks at the start of a line."""
    return " " * (len(text[at:]) - len(text[at:].lstrip(" ")))


def flow(value: Any) -> str:
    """A value as YAML in flow style, on one line."""
    from ruamel.yaml import YAML

    yaml, out = YAML(typ="rt"), StringIO()
    yaml.width = 1 << 20
    yaml.dump(_in_flow({"_": value}), out)
    return out.getvalue().strip().removeprefix("{_: ").removesuffix("}")


def _in_flow(value: Any) -> Any:
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    made: CommentedMap | CommentedSeq
    if isinstance(value, Mapping):
        made = CommentedMap((key, _in_flow(part)) for key, part in value.items())
    elif isinstance(value, (list, tuple)):
        made = CommentedSeq(_in_flow(part) for part in value)
    else:
        return value
    made.fa.set_flow_style()
    return made


def append(text: str, lines: Sequence[str]) -> str:
    """A text with more lines at its end."""
    return spliced(text, [_after(text, len(text), lines)])


def _after(text: str, index: int, lines: Sequence[str]) -> Edit:
    """Put lines behind the one that holds a place."""
    at = _line_end(text, index)
    missing = at > 0 and text[at - 1] not in "\r\n"
    said = _joined(text, lines)
    return at, at, _newline(text) + said.removesuffix(_newline(text)) if missing else said


def _joined(text: str, lines: Sequence[str]) -> str:
    return "".join(line + _newline(text) for line in lines)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _end(text: str, node: Any) -> int:
    """Where what a node holds ends, without the comments and blank lines that follow a block."""
    if node.id == "scalar" and node.style in ("|", ">"):
        return len(text[: node.end_mark.index].rstrip())
    if node.id == "scalar" or node.flow_style or not node.value:
        return int(node.end_mark.index)
    if node.id == "sequence":
        return _end(text, node.value[-1])
    key, value = node.value[-1]
    return max(int(key.end_mark.index), _end(text, value))


def _dash(text: str, item: Any) -> int:
    """The start of the line on which the dash of a block sequence's item stands."""
    at = _line_start(text, item.start_mark.index)
    while at and not text[at:].lstrip(" ").startswith("-"):
        at = _line_start(text, at - 1)
    return at


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    """Behind the end of the line that holds a place."""
    if index > 0 and index == len(text) and text[index - 1] == "\n":
        return index
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1
