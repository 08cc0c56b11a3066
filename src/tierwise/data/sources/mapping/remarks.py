"""What is worth saying of the rows that a mapping hands over: columns that stay empty, and times without a zone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from tierwise.config.mapping import SourceMapping
from tierwise.data.cells.instants import ZONELESS
from tierwise.data.contract import TABLES
from tierwise.data.sources.part import Chunk, Part


@dataclass
class _Seen:
    """What the rows of a part have been like so far.

    missed : of columns that are missed if no row has one, what to say then. clocks: columns whose zone is not known.
    """

    missed: Mapping[str, str]
    clocks: tuple[str, ...]
    rows: int = 0
    zoneless: int = 0
    filled: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        """Forget what was seen."""
        self.rows = self.zoneless = 0
        self.filled.clear()

    def take(self, frame: pa.Table) -> None:
        """Look at further rows."""
        self.rows += frame.num_rows
        for name in self.missed:
            self.filled[name] += frame.num_rows - frame[name].null_count if name in frame.column_names else 0
        for name in self.clocks:
            if pa.types.is_string(frame[name].type):
                self.zoneless += pc.sum(pc.match_substring_regex(frame[name], ZONELESS)).as_py() or 0

    def notes(self, part: Part) -> Iterator[str]:
        """What to say of them."""
        for name, words in self.missed.items():
            if self.rows and not self.filled[name]:
                yield f"{part.file}: {part.table}: {name} is empty in all rows ({self.rows}): {words}"
        if self.zoneless:
            times = "1 time" if self.zoneless == 1 else f"{self.zoneless} times"
            yield (
                f"{part.file}: {part.table}: {times} without a zone read as UTC; if they are of another zone, "
                "or to say that they are UTC, declare formats: {time_zone: ...}"
            )


def remarked(part: Part, mapping: SourceMapping) -> Part:
    """A part of the contract's tables whose notes also say what its rows are like, once its chunks are taken."""
    seen = _Seen(_missed(part.table, mapping), _clocks(part))

    def chunks() -> Iterator[Chunk]:
        seen.start()
        for chunk in part.chunks():
            seen.take(chunk.frame)
            yield chunk

    return replace(part, chunks=chunks, notes=lambda: (*part.notes(), *seen.notes(part)))


def _missed(table: str, mapping: SourceMapping) -> dict[str, str]:
    """The columns of a table that are missed where no row has one, and what to say then."""
    feeds = [(feed.table or name, feed) for each in mapping.all_objects.values() for name, feed in each.feeds.items()]
    return {column: words for of, feed in feeds if of == table for column, words in feed.empty.items()}


def _clocks(part: Part) -> tuple[str, ...]:
    """The instants of an export for people, whose clock is that of its user or portal; loaders and APIs write UTC.

    It is known by its labels: `Create Date`, where the others have `CreatedDate` and `create_date`.
    """
    written = [name for shown in part.shown.values() for name in shown.split(" or ")]
    if "time_zone" in part.formats.model_fields_set or not any(" " in name for name in written):
        return ()
    return tuple(c.name for c in TABLES[part.table].columns if c.type == "instant" and c.name in part.names)
