"""What a mapping makes of the files there, before a row is read: feeds, columns, attributes and tracked fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from tierwise.config.mapping import Feed, SourceMapping, Via, Way
from tierwise.config.workspace import Formats
from tierwise.data.contract import TABLES
from tierwise.data.sources.mapping.naming import Header, attribute, is_system, key
from tierwise.data.sources.part import Part

HISTORY = ("field", "old_value", "new_value")
"""The columns of a history that a whole state is unfolded into."""
_UNTRACKED = ("deleted_at", "sync_id", "master_account_id")


@dataclass(frozen=True)
class Made:
    """A feed that is made: from the parts of an object to rows of a table."""

    object: str
    name: str
    feed: Feed
    parts: tuple[Part, ...]

    @property
    def table(self) -> str:
        """The table that it feeds."""
        return self.feed.table or self.name


@dataclass(frozen=True)
class Tracked:
    """The columns of a table whose changes a history may hold.

    ways : by column, how its values are read. fields : by the key of a field's name, the column it is.
    """

    ways: dict[str, tuple[Way, ...]]
    fields: dict[str, str]

    def column(self, field: str) -> str | None:
        """The column that a field is, by its key; a custom one also goes by its label."""
        return self.fields.get(field) or self.fields.get(field.removesuffix("~"))


class MappedSource:
    """A mapping, and the parts of each of its objects."""

    def __init__(self, mapping: SourceMapping, parts: Mapping[str, tuple[Part, ...]]) -> None:
        self.mapping, self.parts = mapping, dict(parts)
        self._columns: dict[tuple[str, str, int], dict[str, tuple[Way, ...]]] = {}

    @property
    def formats(self) -> Formats:
        """How the source writes its cells."""
        return next((part.formats for parts in self.parts.values() for part in parts), Formats())

    @cached_property
    def made(self) -> tuple[Made, ...]:
        """Every feed of an object that is there, but those that stand back for another object."""
        return tuple(
            Made(name, feed_name, feed, self.parts[name])
            for name, mapped in self.mapping.all_objects.items()
            if name in self.parts
            for feed_name, feed in mapped.feeds.items()
            if not any(other in self.parts for other in feed.unless)
        )

    def feeding(self, table: str) -> list[Made]:
        """The feeds of one table."""
        return [made for made in self.made if made.table == table]

    def header(self, part: Part) -> Header:
        """The columns of a part."""
        return Header(part.names, self.mapping.prefixes)

    def columns(self, made: Made, part: Part) -> dict[str, tuple[Way, ...]]:
        """The columns that a part gives, in the feed's order, each with the ways that are open to it."""
        key = (made.object, made.name, id(part))
        if key not in self._columns:
            header = self.header(part)
            there = self._columns[key] = {}
            for name, ways in made.feed.columns.items():
                open_ways = tuple(way for way in ways if self._is_open(way, header, there))
                if open_ways:
                    there[name] = open_ways
        return self._columns[key]

    def names(self, made: Made, part: Part) -> tuple[str, ...]:
        """The columns that a part gives to the table of a feed, in the contract's order, then the attributes."""
        names = set(self.columns(made, part))
        if made.feed.tracks is not None and "field" not in made.feed.columns:
            names |= set(HISTORY)
        if made.feed.changes is not None and made.feed.changes.before is not None:
            names.add(made.feed.changes.before)
        contract = TABLES[made.table].names if made.table in TABLES else tuple(made.feed.columns)
        return (*(n for n in contract if n in names), *self.attributes(made, part))

    def _is_open(self, way: Way, header: Header, there: Mapping[str, object]) -> bool:
        if way.if_ is not None and way.if_ not in there:
            return False
        if header.has_one_of(way.without) or any(name in self.parts for name in way.without):
            return False
        if way.via is not None:
            return set(way.via.match.values()) <= set(there) and self.can_look_up(way.via)
        if way.joined:
            return all(header.find(name) for name in way.joined)
        return way.constant is not None or header.has_one_of(way.of)

    def can_look_up(self, via: Via) -> bool:
        """Whether some part gives the columns that a lookup reads."""
        return any(True for _ in self.looked_up(via))

    def looked_up(self, via: Via) -> Iterator[tuple[Made, Part]]:
        """The parts that a lookup reads."""
        wanted = {*via.match, via.take}
        for made in self.feeding(via.table):
            for part in made.parts:
                there = set(self.columns(made, part)) if made.feed.tracks is None else set(self.names(made, part))
                if wanted <= there:
                    yield made, part

    def attributes(self, made: Made, part: Part) -> dict[str, int]:
        """The further columns that are kept, by their names here, with their places."""
        if not made.feed.attributes:
            return {}
        header = self.header(part)
        names = self._attribute_names[made.table]
        return {names[key(name, header.prefixes)]: place for place, name in self._further(made, header)}

    def _further(self, made: Made, header: Header) -> Iterator[tuple[int, str]]:
        ways = [way for each in made.feed.columns.values() for way in each]
        used = {place for way in ways for name in (*way.of, *way.joined) for place in header.find(name)}
        for place, name in enumerate(header.names):
            if place not in used and not is_system(name, self.mapping.system, header.prefixes):
                yield place, name

    @cached_property
    def _attribute_names(self) -> dict[str, dict[str, str]]:
        """By table and key, the name of each attribute: the same in all files."""
        found: dict[str, dict[str, str]] = {}
        for made in self.made:
            names = found.setdefault(made.table, {})
            known = TABLES[made.table].names if made.table in TABLES else ()
            for header in (self.header(part) for part in made.parts if made.feed.attributes):
                for _, name in self._further(made, header):
                    names.setdefault(
                        key(name, header.prefixes), attribute(name, header.prefixes, {*known, *names.values()})
                    )
        return found

    def tracked(self, feed: Feed) -> Tracked:
        """What a history's feed may hold changes of: columns of the table it tracks, and that table's attributes."""
        assert feed.tracks is not None
        ways: dict[str, tuple[Way, ...]] = {}
        fields: dict[str, str] = {}
        for name, each in self._written(feed.tracks):
            plain = tuple(way for way in each if way.of and way.if_ is None)
            if plain and name not in ways:
                ways[name] = plain
                fields |= {key(of): name for way in plain for of in way.of if key(of) not in fields}
        for of, name in self._attribute_names.get(feed.tracks, {}).items():
            ways.setdefault(name, ())
            fields.setdefault(of, name)
        return Tracked(ways, fields | {key(of): name for of, name in feed.fields.items()})

    def _written(self, table: str) -> Iterator[tuple[str, tuple[Way, ...]]]:
        contract = TABLES[table]
        for made in self.feeding(table):
            for name, ways in made.feed.columns.items():
                column = contract.column(name)
                if column and column.type != "instant" and name not in (*contract.key, *_UNTRACKED):
                    yield name, ways
