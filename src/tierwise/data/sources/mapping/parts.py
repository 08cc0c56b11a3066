"""Raw parts of a source as parts of the contract's tables."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import pyarrow as pa

from tierwise.config.mapping import SourceMapping
from tierwise.data.contract import TABLES, Table
from tierwise.data.sources.mapping.cells import TEXT, text
from tierwise.data.sources.mapping.matching import Matched, match
from tierwise.data.sources.mapping.shared import Scratch
from tierwise.data.sources.mapping.source import Made, MappedSource
from tierwise.data.sources.part import Chunk, Listing, Part


def map_parts(raw: Sequence[Part], mapping: SourceMapping, threads: int = 1, memory: str | None = None) -> Listing:
    """Turn the raw parts of a source (each with its own names) into parts of the contract's tables.

    A raw part may feed several tables, and none: then a note names it. Nothing is read here but names. Of a part's
    rows, those that the mapping leaves out (a task that is not done) are counted in the part's notes, which are
    complete once its chunks are taken; all others are handed over, each with its line.

    memory : how much lookups and histories may hold in memory, which is free again once every part was read.
    """
    matched = match(raw, mapping)
    source = MappedSource(mapping, matched.parts)
    scratch, digests = Scratch(source, threads, memory), _Digests(source)
    parts: list[Part] = []
    findings, notes = list(matched.findings), [*matched.notes, *_unread(source)]
    findings += [finding for each in _each(matched) for finding in _twice(each)]
    for table in TABLES.values():
        for part in {id(part): part for made in source.feeding(table.name) for part in made.parts}.values():
            feeds = [made for made in source.feeding(table.name) if any(each is part for each in made.parts)]
            usable = [made for made in feeds if not _lacking(source, made, part, table)]
            if usable:
                parts.append(_mapped(source, usable, part, table.name, scratch, digests))
            else:
                findings.append(f"{part.file}: {table.name}: {_lacking(source, feeds[0], part, table)}")
    parts.sort(key=lambda part: (list(TABLES).index(part.table), part.file))
    looked_up = tuple(
        _mapped(source, [made], part, made.table, scratch, digests) for made, part in _only_looked_up(source)
    )
    return Listing(tuple(parts), tuple(findings), tuple(notes), looked_up)


def _only_looked_up(source: MappedSource) -> Iterator[tuple[Made, Part]]:
    """The parts that feed no table of the contract, with each feed of theirs that lookups may read."""
    fed = {id(part) for made in source.made if made.table in TABLES for part in made.parts}
    for made in source.made:
        yield from ((made, part) for part in made.parts if id(part) not in fed and _given(source, made, part))


def _given(source: MappedSource, made: Made, part: Part) -> list[str]:
    """The columns that a part gives to the table of a feed, without those that only its other columns read."""
    return [name for name in source.names(made, part) if not name.startswith("_")]


def _unread(source: MappedSource) -> Iterator[str]:
    """What to say of parts of which nothing is read."""
    read = {id(part) for made in source.made for part in made.parts if _given(source, made, part)}
    for name, parts in source.parts.items():
        instead = {other for feed in source.mapping.all_objects[name].feeds.values() for other in feed.unless}
        there = ", ".join(sorted(instead & set(source.parts)))
        why = f"{there} stands in its place" if there else "it has none of the columns that are looked up in it"
        yield from (f"{part.file}: not read, as {why}" for part in parts if id(part) not in read)


def _each(matched: Matched) -> Iterator[Part]:
    for parts in matched.parts.values():
        yield from parts


def _twice(part: Part) -> Iterator[str]:
    lower = [name.lower() for name in part.names]
    for name in sorted({name for name in lower if lower.count(name) > 1}):
        yield f"{part.file}: {name or 'a column without a name'}: stands twice in the header; keep one of them"


def _lacking(source: MappedSource, made: Made, part: Part, table: Table) -> str:
    """Why a feed cannot be made of a part; empty if it can."""
    there = set(source.names(made, part))
    absent = [c.name for c in table.columns if c.required and c.name not in there]
    if table.one_of and not set(table.one_of) & there:
        absent.append(table.one_of[0])
    if not absent:
        return ""
    says = [f"{name} ({_asked(made, name)})" for name in absent]
    advice = f"export it with the queries of `tierwise recipe {source.mapping.kind}`"
    return f"no column gives {', '.join(says)}; {advice}"


def _asked(made: Made, name: str) -> str:
    """What a column is read from, in words."""
    ways = made.feed.columns.get(name, ())
    names = [of for way in ways for of in (*way.of, *way.joined)]
    tables = [f"the file of {way.via.table.strip('_').replace('_', ' ')}" for way in ways if way.via]
    return " or ".join(dict.fromkeys([*names, *tables])) or "nothing is mapped to it"


def _mapped(
    source: MappedSource, feeds: Sequence[Made], part: Part, table: str, scratch: Scratch, digests: _Digests
) -> Part:
    names = list(dict.fromkeys(n for made in feeds for n in _given(source, made, part)))
    said: list[str] = []
    read_as = f"{table}: {part.file}"
    scratch.expect(read_as)

    def chunks() -> Iterator[Chunk]:
        said.clear()
        with scratch.reader(read_as) as reader:
            for place, made in enumerate(feeds):
                for chunk in reader.chunks(made, part):
                    yield _conformed(chunk, names, place == 0, len(feeds) > 1)
            counted = ((words, n, "" if n == 1 else "s") for words, n in reader.said.items() if n)
            said.extend(
                f"{part.file}: {words.format(rows=f'{n} row{s}', values=f'{n} value{s}')}" for words, n, s in counted
            )

    return replace(
        part,
        table=table,
        names=tuple(names),
        chunks=chunks,
        digest=lambda: digests.of(feeds, part),
        shown=_shown(source, feeds, part),
        width=len(part.names),
        notes=lambda: (*part.notes(), *said),
    )


def _conformed(chunk: Chunk, names: Sequence[str], is_first: bool, is_shared: bool) -> Chunk:
    """A chunk with all columns of its part; of a part that several feeds give, every chunk is text."""
    frame = chunk.frame
    columns = [frame[name].combine_chunks() if name in frame.column_names else None for name in names]
    arrays = [pa.nulls(frame.num_rows, TEXT) if c is None else text(c) if is_shared else c for c in columns]
    return Chunk(pa.table(arrays, names=list(names)), chunk.lines, chunk.ragged if is_first else ())


def _shown(source: MappedSource, feeds: Iterable[Made], part: Part) -> dict[str, str]:
    """Of each column, how the source writes the names that it comes from."""
    header = source.header(part)
    shown: dict[str, str] = {}
    for made in feeds:
        for name, ways in source.columns(made, part).items():
            asked = [of for way in ways for of in (*way.of, *way.joined)]
            found = dict.fromkeys(header.names[place] for of in asked for place in header.find(of))
            if found and not name.startswith("_"):
                shown.setdefault(name, " or ".join(found))
        shown |= {name: header.names[place] for name, place in source.attributes(made, part).items()}
    return {name: written for name, written in shown.items() if written != name}


class _Digests:
    """Digests of a source's parts; each file is hashed once."""

    def __init__(self, source: MappedSource) -> None:
        self._source = source
        self._mapping = source.mapping.model_dump_json()
        self._raw: dict[int, str] = {}

    def of(self, feeds: Sequence[Made], part: Part) -> str:
        """SHA-256 over the mapping, the part, and all that its lookups and histories read."""
        read: dict[int, Part] = {}
        seen: set[tuple[str, str, int]] = set()
        for made in feeds:
            self._add(made, part, read, seen)
        lines = [self._mapping, *sorted(self._of_raw(each) for each in read.values()), self._of_raw(part)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def _of_raw(self, part: Part) -> str:
        if id(part) not in self._raw:
            self._raw[id(part)] = part.digest()
        return self._raw[id(part)]

    def _add(self, made: Made, part: Part, read: dict[int, Part], seen: set[tuple[str, str, int]]) -> None:
        """Add all that a feed reads for a part; a history reads all its files for each."""
        is_history = made.feed.changes is not None
        key = (made.object, made.name, 0 if is_history else id(part))
        if key in seen:
            return
        seen.add(key)
        for each in made.parts if is_history else (part,):
            read[id(each)] = each
            for ways in self._source.columns(made, each).values():
                for via in (way.via for way in ways if way.via is not None):
                    for other, its in self._source.looked_up(via):
                        self._add(other, its, read, seen)
