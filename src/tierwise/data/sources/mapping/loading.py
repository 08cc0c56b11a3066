"""Mappings as files: those that are packaged, and those of a workspace, checked against the contract."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from tierwise.config.mapping import Feed, SourceMapping, parse_mapping
from tierwise.config.yaml_lines import read_yaml
from tierwise.data.contract import TABLES
from tierwise.errors import ConfigError

_FOLDER = "mappings"
Keys = tuple[str | int, ...]
Fault = tuple[Keys, str]


def packaged() -> tuple[str, ...]:
    """The kinds of source that come with tierwise."""
    return tuple(sorted(each.name.removesuffix(".yaml") for each in _home().iterdir() if each.name.endswith(".yaml")))


def load_mapping(kind: str, workspace: Path | None = None) -> SourceMapping:
    """The mapping of a kind of source: the workspace's `mappings/<kind>.yaml`, else the packaged one.

    Raises
    ------
    ConfigError : there is none of that kind, or it has faults; each stands with its line.
    """
    own = None if workspace is None else workspace / _FOLDER / f"{kind}.yaml"
    if own is not None and own.is_file():
        return _workspace_mapping(own, kind)
    if kind not in packaged():
        near = difflib.get_close_matches(kind, packaged(), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise ConfigError(
            f"a source of kind '{kind}' was asked for",
            found=f"there are: tables, {', '.join(packaged())}{hint}",
            do=f"Name one of them, or write {_FOLDER}/{kind}.yaml",
        )
    return _packaged_mapping(kind)


@cache
def _packaged_mapping(kind: str) -> SourceMapping:
    return parse_mapping(_text(kind), f"{kind}.yaml", check=_faults)


def _workspace_mapping(path: Path, kind: str) -> SourceMapping:
    file = f"{_FOLDER}/{path.name}"
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} was read", found=f"not UTF-8 text (byte {error.start})", do="Save it so") from None
    value = read_yaml(text).value
    extends = value.get("extends") if isinstance(value, dict) else None
    base: dict[str, Any] | None = None
    if isinstance(extends, str) and extends in packaged():
        base = {**read_yaml(_text(extends)).value, "kind": kind}

    def check(mapping: SourceMapping) -> Iterator[Fault]:
        if mapping.kind != kind:
            yield ("kind",), f"says '{mapping.kind}' in the file of '{kind}'"
        if mapping.extends is not None and mapping.extends not in packaged():
            yield ("extends",), f"there is no such mapping; there are: {', '.join(packaged())}"
        yield from _faults(mapping)

    return parse_mapping(text, file, base, check)


def _home() -> Any:
    return files("tierwise.data.sources") / "mappings"


def _text(kind: str) -> str:
    return str((_home() / f"{kind}.yaml").read_text(encoding="utf-8"))


def _faults(mapping: SourceMapping) -> Iterator[Fault]:
    """What a mapping says that the contract or the mapping itself does not have."""
    for name, mapped in mapping.all_objects.items():
        for feed_name, feed in mapped.feeds.items():
            at: Keys = ("objects", name, "feeds", feed_name)
            yield from _feed_faults(mapping, feed, feed.table or feed_name, at)
    yield from _circles(mapping)


def _feed_faults(mapping: SourceMapping, feed: Feed, table: str, at: Keys) -> Iterator[Fault]:
    contract = TABLES.get(table)
    if contract is None and not table.startswith("_"):
        yield at, f"the contract has no table '{table}'{_near(table, TABLES)}; a helper's name begins with _"
        return
    if feed.attributes and (contract is None or not contract.open):
        yield (*at, "attributes"), f"{table} has no attributes"
    if feed.tracks is not None and feed.tracks not in TABLES:
        yield (*at, "tracks"), f"the contract has no table '{feed.tracks}'{_near(feed.tracks, TABLES)}"
    for name in feed.unless:
        if name not in mapping.all_objects:
            yield (*at, "unless"), f"there is no object '{name}'{_near(name, mapping.all_objects)}"
    known: list[str] = []
    for name, ways in feed.columns.items():
        path = (*at, "columns", name)
        if contract is not None and not name.startswith("_") and name not in contract.names:
            yield path, f"{table} has no column '{name}'{_near(name, contract.names)}; a helper's name begins with _"
        for way in ways:
            asked = (*(way.via.match.values() if way.via else ()), way.if_, way.unless)
            for other in [each for each in asked if each is not None]:
                if other not in known:
                    yield path, f"reads '{other}', which is no column before it{_near(other, known)}"
            if way.via is not None:
                yield from _via_faults(mapping, way.via.table, (*way.via.match, way.via.take), path)
        known.append(name)
    for name in feed.empty:
        if name not in known:
            yield (*at, "empty"), f"speaks of '{name}', which is no column of this feed{_near(name, known)}"
    for condition in feed.when:
        for name in (*condition.column, *(condition.or_later or ())):
            if name not in known:
                yield (*at, "when"), f"reads '{name}', which is no column of this feed{_near(name, known)}"


def _via_faults(mapping: SourceMapping, table: str, columns: Iterable[str], at: Keys) -> Iterator[Fault]:
    fed = list(_feeding(mapping, table))
    if not fed:
        yield at, f"looks up '{table}', which nothing here feeds"
        return
    given = {name for feed in fed for name in feed.columns} | {"field", "old_value", "new_value"}
    for name in columns:
        if name not in given:
            yield at, f"looks up '{name}' in {table}, which has no such column{_near(name, given)}"


def _feeding(mapping: SourceMapping, table: str) -> Iterator[Feed]:
    for mapped in mapping.all_objects.values():
        yield from (feed for name, feed in mapped.feeds.items() if (feed.table or name) == table)


def _circles(mapping: SourceMapping) -> Iterator[Fault]:
    """Tables whose lookups lead back to themselves."""
    reads: dict[str, set[str]] = {}
    for mapped in mapping.all_objects.values():
        for name, feed in mapped.feeds.items():
            vias = {way.via.table for ways in feed.columns.values() for way in ways if way.via}
            reads.setdefault(feed.table or name, set()).update(vias)
    for table in reads:
        if table in _reached(reads, table):
            yield ("objects",), f"lookups lead from {table} back to {table}; they must end somewhere"


def _reached(reads: Mapping[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    ahead = list(reads.get(start, ()))
    while ahead:
        table = ahead.pop()
        if table not in reached:
            reached.add(table)
            ahead += reads.get(table, ())
    return reached


def _near(word: str, words: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=0.7)
    return f"; did you mean '{near[0]}'?" if near else ""
