"""YAML text as plain values, each with the line it stands on; tags are never executed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ruamel.yaml.constructor import SafeConstructor

Path = tuple[str | int, ...]
MAX_NODES = 100_000
_CORE = "tag:yaml.org,2002:"
_READ = {_CORE + kind for kind in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge")}


@dataclass(frozen=True)
class Fault:
    """One thing wrong in a file: its line (1 is the first), the path of keys, and what is wrong."""

    line: int
    path: Path
    says: str

    def text(self, file: str) -> str:
        """The fault on one line: `models/x/model.yaml:12: features.fit[2].clok: unknown key`."""
        at = dotted(self.path)
        return f"{file}:{self.line}: {at}: {self.says}" if at else f"{file}:{self.line}: {self.says}"


class Faults(ValueError):
    """What a validator of a model found: for each the path below that model, and what is wrong."""

    def __init__(self, found: Sequence[tuple[Path, str]]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(f"{dotted(path)}: {says}" if path else says for path, says in found))


@dataclass
class Document:
    """A YAML document: its plain value, the line of every path, and the faults met while reading."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of a path, or of the nearest part of it that the file has."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def dotted(path: Path) -> str:
    """A path of keys as people write it.

    >>> dotted(("features", "fit", 2, "clock"))
    'features.fit[2].clock'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read_yaml(text: str) -> Document:
    """Read one YAML document; syntax errors, duplicate keys and tags become faults, never exceptions."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="rt")
    document = Document()
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        says = " ".join(str(part) for part in (error.context, error.problem) if part)
        document.faults.append(Fault(mark.line + 1 if mark else 1, (), f"not valid YAML: {says}"))
        return document
    except (YAMLError, RecursionError) as error:
        first = str(error).strip().splitlines() or ["nested too deeply"]
        document.faults.append(Fault(1, (), f"not valid YAML: {first[0]}"))
        return document
    if root is not None:
        document.value = _Reader(document, yaml.constructor).read(root, (), ())
    return document


class _Reader:
    """Walks a node tree; keeps the line of every path."""

    def __init__(self, document: Document, constructor: SafeConstructor) -> None:
        self.document, self.constructor, self.seen = document, constructor, 0

    def read(self, node: Any, path: Path, inside: tuple[int, ...]) -> Any:
        self.document.lines.setdefault(path, node.start_mark.line + 1)
        self.seen += 1
        if id(node) in inside or self.seen > MAX_NODES:
            return self._fault(node, path, "an alias repeats itself without end" if id(node) in inside else "too large")
        tag = str(node.tag)
        if tag not in _READ:
            return self._fault(node, path, f"the tag {tag.removeprefix(_CORE)} is not read here; write a plain value")
        inside = (*inside, id(node))
        if node.id == "mapping":
            return self._mapping(node, path, inside)
        if node.id == "sequence":
            return [self.read(item, (*path, i), inside) for i, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: Any, path: Path, inside: tuple[int, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if key_node.id == "scalar" else None
            line = key_node.start_mark.line + 1
            if key is None or key_node.tag == _CORE + "merge":
                self._fault(
                    key_node, path, "a key must be plain text" if key is None else "merge keys (<<) are not read"
                )
                continue
            at = (*path, key)
            if key in found:
                first = self.document.lines[at]
                self.document.faults.append(Fault(line, at, f"this key stands twice; the first is on line {first}"))
                continue
            self.document.lines[at] = line
            found[key] = self.read(value_node, at, inside)
        return found

    def _scalar(self, node: Any, path: Path) -> Any:
        try:
            value = self.constructor.construct_object(node, deep=True)
        except (ValueError, OverflowError) as error:
            return self._fault(node, path, f"'{node.value}' cannot be read: {error}")
        if node.tag == _CORE + "bool":
            return bool(value)
        for kind in (int, float, str):  # the round-trip classes carry formatting: keep the plain value
            if isinstance(value, kind):
                return kind(value)
        return value

    def _fault(self, node: Any, path: Path, says: str) -> None:
        self.document.faults.append(Fault(node.start_mark.line + 1, path, says))
