"""What is read of a database's table under a mapping: only the columns that it uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tierwise.config.mapping import MappedObject, SourceMapping
from tierwise.data.contract import TABLES
from tierwise.data.sources.mapping.matching import asked, object_named
from tierwise.data.sources.mapping.naming import Header, is_system


@dataclass(frozen=True)
class WantedTable:
    """What is read of one table: the object that it is, its columns, its key, and when its rows were last changed."""

    object: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    modified: str | None


def wanted_table(name: str, columns: Sequence[str], mapping: SourceMapping) -> WantedTable | None:
    """What a mapping reads of a table of that name; None: nothing. Without columns, whether it may be read at all."""
    found = object_named(name, columns, mapping)
    if found is None:
        return None
    mapped = mapping.all_objects[found]
    header = Header(columns, mapping.prefixes)
    places = set(header.places(asked(mapped)))
    feeds = mapped.feeds.values()
    if any(feed.attributes or (feed.tracks is not None and "field" not in feed.columns) for feed in feeds):
        further = [i for i, each in enumerate(columns) if not is_system(each, mapping.system, mapping.prefixes)]
        places |= set(further)
    modified = next((columns[place] for each in mapping.modified for place in header.find(each)), None)
    key = next((keys for keys in (_key(mapped, header, table) for table in _tables(mapped)) if keys), ())
    return WantedTable(found, tuple(columns[place] for place in sorted(places)), key, modified)


def _tables(mapped: MappedObject) -> Iterator[str]:
    yield from (feed.table or name for name, feed in mapped.feeds.items())


def _key(mapped: MappedObject, header: Header, table: str) -> tuple[str, ...]:
    """The column that names a row, where the object has one row for each row of a table with a key."""
    contract = TABLES.get(table)
    feed = next(feed for name, feed in mapped.feeds.items() if (feed.table or name) == table)
    if contract is None or len(contract.key) != 1 or feed.changes or feed.tracks:
        return ()
    ways = feed.columns.get(contract.key[0], ())
    found = [header.names[place] for way in ways for of in way.of for place in header.find(of)]
    return tuple(found[:1])
