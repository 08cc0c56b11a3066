"""Which object of a mapping each raw file or table is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from tierwise.config.mapping import MappedObject, SourceMapping
from tierwise.data.sources.mapping.naming import Header, places, words
from tierwise.data.sources.part import Part


@dataclass(frozen=True)
class Matched:
    """The raw parts of each object, in the order of their files; what must be mended; and what was not read."""

    parts: dict[str, tuple[Part, ...]]
    findings: tuple[str, ...]
    notes: tuple[str, ...]


def match(raw: Sequence[Part], mapping: SourceMapping) -> Matched:
    """Find the object of every raw part, by its name and, where that says nothing, by its header."""
    parts: dict[str, tuple[Part, ...]] = {}
    findings: list[str] = []
    strange: list[str] = []
    for part in sorted(raw, key=lambda part: part.file):
        header = Header(part.names, mapping.prefixes)
        named = _named(part, mapping)
        name = _fitting(named, header, mapping) if named else _recognised(header, mapping)
        if name is not None:
            parts[name] = (*parts.get(name, ()), part)
        elif named:
            findings.append(f"{part.file}: {_lacks(named[0], header, mapping)}")
        else:
            strange.append(part.file)
    notes = (
        (f"not read, as the mapping '{mapping.kind}' knows no such object: {', '.join(strange)}",) if strange else ()
    )
    return Matched({name: parts[name] for name in mapping.all_objects if name in parts}, tuple(findings), notes)


def object_named(name: str, columns: Sequence[str], mapping: SourceMapping) -> str | None:
    """The object that a table of that name and with those columns is, by its name alone; None if it is none."""
    found = _longest(words(name), mapping)
    return _fitting(found, Header(columns, mapping.prefixes), mapping) if columns else next(iter(found), None)


def _named(part: Part, mapping: SourceMapping) -> list[str]:
    """The objects that a file's name (or its table's, or its folder's) may mean."""
    path = PurePosixPath(part.file)
    for name in dict.fromkeys((part.table, path.stem, path.parent.name)):
        if found := _longest(words(name), mapping):
            return found
    return []


def _longest(inside: Sequence[str], mapping: SourceMapping) -> list[str]:
    found: dict[str, int] = {}
    for name, mapped in mapping.all_objects.items():
        fits = [len(words(each)) for each in (name, *mapped.files) if any(_are_affixes(inside, each, mapping))]
        if fits:
            found[name] = max(fits)
    return [name for name, length in found.items() if length == max(found.values())]


def _are_affixes(inside: Sequence[str], name: str, mapping: SourceMapping) -> Iterator[bool]:
    for left in places(inside, name):
        yield all(word in mapping.affixes or any(mark.isdigit() for mark in word) for word in left)


def _fitting(names: Sequence[str], header: Header, mapping: SourceMapping) -> str | None:
    """Of several objects the one with the most needs, all of which the header fulfils."""
    objects = mapping.all_objects
    fit = [name for name in names if all(header.has_one_of(need) for need in objects[name].needs)]
    return max(fit, key=lambda name: len(objects[name].needs), default=None)


def _recognised(header: Header, mapping: SourceMapping) -> str | None:
    """The object whose columns the header has; of several the one that reads the most of its columns, if one does."""
    found = {
        name: len(header.places(asked(mapped)))
        for name, mapped in mapping.all_objects.items()
        if mapped.known_by and all(header.has_one_of(each) for each in (*mapped.known_by, *mapped.needs))
    }
    best = [name for name, n in found.items() if n == max(found.values())]
    return best[0] if len(best) == 1 else None


def asked(mapped: MappedObject) -> Iterator[str]:
    """Every name that an object's feeds read a column by."""
    for feed in mapped.feeds.values():
        for ways in feed.columns.values():
            for way in ways:
                yield from (*way.of, *way.joined)


def _lacks(name: str, header: Header, mapping: SourceMapping) -> str:
    mapped: MappedObject = mapping.all_objects[name]
    absent = [" or ".join(need) for need in mapped.needs if not header.has_one_of(need)]
    return (
        f"looks like {name} by its name, and has no column {', none '.join(absent)}; "
        f"export it with the queries of `tierwise recipe {mapping.kind}`, or give it another name"
    )
