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
from tierwise.data.sources.mapping.rows import RowReader
from tierwise.data.sources.mapping.source import Made, MappedSource
from tierwise.data.sources.part import Chunk, Listing, Part
from tierwise.data.warehouse import Warehouse


def map_parts(raw: Sequence[Part], mapping: SourceMapping, threads: int = 1) -> Listing:
    """Turn the raw parts of a source (each with its own names) into parts of the contract's tables.

    A raw part may feed several tables, and none: then a note names it. Nothing is read here but names. Of a part's
    rows, those that the mapping leaves out (a task that is not done) are counted in the part's notes, which are
    complete once its chunks are taken; all others are handed over, each with its line.
    """
    matched = match(raw, mapping)
    source = MappedSource(mapping, matched.parts)
    parts: list[Part] = []
    findings, notes = list(matched.findings), list(matched.notes)
    findings += [finding for each in _each(matched) for finding in _twice(each)]
    for table in TABLES.values():
        for part in {id(part): part for made in source.feeding(table.name) for part in made.parts}.values():
            feeds = [made for made in source.feeding(table.name) if any(each is part for each in made.parts)]
            usable = [made for made in feeds if not _lacking(source, made, part, table)]
            if usable:
                parts.append(_mapped(source, usable, part, table, threads))
            else:
                findings.append(f"{part.file}: {table.name}: {_lacking(source, feeds[0], part, table)}")
    parts.sort(key=lambda part: (list(TABLES).index(part.table), part.file))
    return Listing(tuple(parts), tuple(findings), tuple(notes))


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


def _mapped(source: MappedSource, feeds: Sequence[Made], part: Part, table: Table, threads: int) -> Part:
    names = list(dict.fromkeys(n for made in feeds for n in source.names(made, part)))
    said: list[str] = []

    def chunks() -> Iterator[Chunk]:
        said.clear()
        with Warehouse(threads) as scratch:
            reader = RowReader(source, scratch)
            for place, made in enumerate(feeds):
                for chunk in reader.chunks(made, part):
                    yield _conformed(chunk, names, place == 0, len(feeds) > 1)
        counted = ((words, n, "" if n == 1 else "s") for words, n in reader.said.items() if n)
        said.extend(
            f"{part.file}: {words.format(rows=f'{n} row{s}', values=f'{n} value{s}')}" for words, n, s in counted
        )

    return replace(
        part,
        table=table.name,
        names=tuple(names),
        chunks=chunks,
        digest=lambda: _digest(source, feeds, part),
        shown=_shown(source, feeds, part),
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


def _digest(source: MappedSource, feeds: Sequence[Made], part: Part) -> str:
    """SHA-256 over the mapping, the part, and all that its lookups and histories read."""
    read = {id(each): each for made in feeds for each in _read_by(source, made, part)}
    lines = [source.mapping.model_dump_json(), *sorted(each.digest() for each in read.values()), part.digest()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _read_by(source: MappedSource, made: Made, part: Part) -> Iterator[Part]:
    yield from made.parts if made.feed.changes is not None else (part,)
    for ways in source.columns(made, part).values():
        for via in (way.via for way in ways if way.via is not None):
            for other, each in source.looked_up(via):
                yield from _read_by(source, other, each)
