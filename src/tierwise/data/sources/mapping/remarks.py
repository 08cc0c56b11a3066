"""What is worth saying of the rows that a mapping hands over: columns that stay empty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from tierwise.config.mapping import SourceMapping
from tierwise.data.sources.part import Chunk, Part


def remarked(part: Part, mapping: SourceMapping) -> Part:
    """A part of the contract's tables whose notes also say what its rows are like, once its chunks are taken."""
    missed = _missed(part.table, mapping)
    filled: Counter[str] = Counter()

    def chunks() -> Iterator[Chunk]:
        filled.clear()
        for chunk in part.chunks():
            filled[""] += chunk.frame.num_rows
            for name in missed:
                filled[name] += _filled(chunk.frame, name)
            yield chunk

    def notes() -> tuple[str, ...]:
        rows = filled[""]
        says = [
            f"{part.file}: {part.table}: {name} is empty in all rows ({rows}): {words}"
            for name, words in missed.items()
            if rows and not filled[name]
        ]
        return (*part.notes(), *says)

    return replace(part, chunks=chunks, notes=notes) if missed else part


def _missed(table: str, mapping: SourceMapping) -> dict[str, str]:
    """The columns of a table that are missed where no row has one, and what to say then."""
    feeds = [(feed.table or name, feed) for each in mapping.all_objects.values() for name, feed in each.feeds.items()]
    return {column: words for of, feed in feeds if of == table for column, words in feed.empty.items()}


def _filled(frame: pa.Table, name: str) -> int:
    return frame.num_rows - frame[name].null_count if name in frame.column_names else 0
