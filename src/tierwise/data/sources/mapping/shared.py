"""What the parts of a source share while they are read: one scratch warehouse, with every lookup and history in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pyarrow as pa

from tierwise.config.mapping import Via
from tierwise.data.sources.mapping.changes import History
from tierwise.data.sources.mapping.lookups import Lookups
from tierwise.data.sources.mapping.rows import RowReader
from tierwise.data.sources.mapping.source import Made, MappedSource
from tierwise.data.sources.part import Part, SourceFault
from tierwise.data.warehouse import Warehouse


class Shared:
    """Lookups and histories of a source, each read once for all its parts."""

    def __init__(self, source: MappedSource, scratch: Warehouse) -> None:
        self._source, self._scratch = source, scratch
        self._lookups = Lookups(scratch, self._looked_up, source.formats)
        self._histories: dict[tuple[str, str], History | SourceFault] = {}

    def reader(self) -> RowReader:
        """A reader for one part."""
        return RowReader(self._source, self._scratch, self._lookups, self._history)

    def _looked_up(self, via: Via) -> Iterator[Mapping[str, pa.Array]]:
        """What a lookup reads; what is said of its rows is said where they are rows of their own table."""
        for made, part in self._source.looked_up(via):
            with _named(part):
                yield from self.reader().looked_up(via, made, part)

    def _history(self, made: Made) -> History:
        """The changes of a history; what stopped its reading stops it again."""
        key = (made.object, made.name)
        if key not in self._histories:
            try:
                self._histories[key] = self._changes(made)
            except SourceFault as fault:
                self._histories[key] = fault
        found = self._histories[key]
        if isinstance(found, SourceFault):
            raise found
        return found

    def _changes(self, made: Made) -> History:
        assert made.feed.changes is not None
        columns = list(dict.fromkeys(name for part in made.parts for name in self._source.names(made, part)))
        name = f"{made.object}_{made.name}"
        history = History(self._scratch, name, columns, made.feed.changes, self._source.formats)
        for part in made.parts:
            reader = self.reader()
            history.begin(reader.said)
            with _named(part):
                for chunk, frame, lines in reader.states(made, part):
                    history.add(frame, lines, chunk.ragged)
        history.find_changes()
        return history


class Scratch:
    """A scratch warehouse that is there from the first part that is read until each was, and again if one is anew."""

    def __init__(self, source: MappedSource, threads: int, memory: str | None) -> None:
        self._source, self._threads, self._memory = source, threads, memory
        self._open: tuple[Warehouse, Shared] | None = None
        self._all: set[str] = set()
        self._left: set[str] = set()
        self._reading = 0

    def expect(self, part: str) -> None:
        """Say that a part will be read."""
        self._all.add(part)
        self._left.add(part)

    @contextmanager
    def reader(self, part: str) -> Iterator[RowReader]:
        """A reader for a part."""
        if self._open is None:
            scratch = Warehouse(self._threads, self._memory)
            self._open = scratch, Shared(self._source, scratch)
        self._reading += 1
        try:
            yield self._open[1].reader()
        finally:
            self._reading -= 1
            self._left.discard(part)
            if not self._left and not self._reading:
                self._open[0].close()
                self._open, self._left = None, set(self._all)


@contextmanager
def _named(part: Part) -> Iterator[None]:
    """Name the file that a fault is of, as it may stop the reading of another."""
    try:
        yield
    except SourceFault as fault:
        raise SourceFault(fault.says, fault.line, fault.file or part.file) from None
