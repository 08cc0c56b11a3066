"""Sources whose tables and columns have names of their own: a mapping says what they are, and what is read of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tierwise.config.mapping import Feed, SourceMapping
from tierwise.config.workspace import Settings, Source
from tierwise.data.contract import TABLES
from tierwise.data.sources.database import Reading, Wanted, database_parts
from tierwise.data.sources.files import list_files
from tierwise.data.sources.mapping import load_mapping, map_parts, remarked
from tierwise.data.sources.mapping.matching import asked, object_named
from tierwise.data.sources.mapping.naming import Header, is_system
from tierwise.data.sources.part import Listing


def mapped_parts(folder: Path, source: Source, settings: Settings) -> Listing:
    """A source's files, or the tables of its database that its mapping knows, as parts of the contract's tables.

    Raises
    ------
    ConfigError : there is no mapping of the source's kind, or it has faults.
    """
    mapping = load_mapping(source.kind, folder)
    if source.is_database:
        raw = database_parts(source, folder, settings.threads, mapped_reading(mapping))
    else:
        raw = list_files(folder / source.at, source.name, source.formats)
    mapped = map_parts(raw.parts, mapping, settings.threads, settings.memory)
    return replace(
        mapped,
        parts=tuple(remarked(part, mapping) for part in mapped.parts),
        findings=(*raw.findings, *mapped.findings),
        notes=(*raw.notes, *mapped.notes),
    )


def mapped_reading(mapping: SourceMapping) -> Wanted:
    """What a mapping reads of a database's tables: the columns that its feeds name, and attributes where it keeps them.

    A table is read by watermark where it has one row a record, and says when that was last changed.
    """

    def wanted(name: str, columns: tuple[str, ...]) -> Reading | None:
        found = object_named(name, columns, mapping)
        if found is None:
            return None
        header, mapped = Header(columns, mapping.prefixes), mapping.all_objects[found]
        feeds = mapped.feeds
        used = set(header.places([*asked(mapped), *(of for need in mapped.needs for of in need), *mapping.modified]))
        if any(feed.attributes or _holds_states(feed) for feed in feeds.values()):
            used |= {i for i, n in enumerate(columns) if not is_system(n, mapping.system, mapping.prefixes)}
        key, modified = _key(feeds, header), [place for of in mapping.modified for place in header.find(of)]
        return Reading(
            name,
            tuple(column for place, column in enumerate(columns) if place in used),
            (columns[key],) if key is not None else (),
            columns[modified[0]] if key is not None and modified else None,
        )

    return wanted


def _holds_states(feed: Feed) -> bool:
    """Whether each row is a whole state of a record, all columns of which may count."""
    return feed.tracks is not None and "field" not in feed.columns


def _key(feeds: dict[str, Feed], header: Header) -> int | None:
    """Where the column stands that tells an object's rows apart; None where a record may have several rows."""
    if any(feed.tracks is not None or feed.changes is not None for feed in feeds.values()):
        return None
    for name, feed in feeds.items():
        table = TABLES.get(feed.table or name)
        for way in feed.columns.get(table.key[0], ()) if table and len(table.key) == 1 else ():
            for of in way.of:
                if found := header.find(of):
                    return found[0]
    return None
