"""What every source hands over: parts of the contract's tables, read a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from tierwise.config.workspace import Formats


class SourceFault(Exception):
    """Why a part cannot be read at all; `line` is a physical line, 1 the first, None the whole part.

    file : the one at fault, where another part may be stopped by it.
    """

    def __init__(self, says: str, line: int | None = None, file: str | None = None) -> None:
        super().__init__(says)
        self.says, self.line, self.file = says, line, file


@dataclass(frozen=True)
class Chunk:
    """Some rows of a part, in the order in which they stand in it.

    frame : a column a header name, as text or as the file types it; duplicate names are refused before.
    lines : (rows,) int64; where each row's record begins (CSV: physical line; else row, 1 first).
    ragged : (line, number of fields) of records that have more or fewer fields than the header; they are not in frame.
    """

    frame: pa.Table
    lines: np.ndarray
    ragged: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Part:
    """One file, or one table of a database, that holds rows of one table of the contract.

    table : the contract's table. file : its name in findings. names : its columns, as the contract should read them.
    chunks : opens it and yields its rows; raises SourceFault.
    digest : SHA-256 of what is read, once all chunks have been.
    shown : a column's name in the source, where a mapping renamed it; findings name both.
    width : how many columns the source's own header has, where a mapping reads others.
    untyped : every cell is text (CSV): further columns get the type that all their values have.
    notes : what is worth knowing of its rows (those that a mapping leaves out), once all chunks have been.
    """

    source: str
    table: str
    file: str
    names: tuple[str, ...]
    chunks: Callable[[], Iterator[Chunk]]
    digest: Callable[[], str]
    formats: Formats = field(default_factory=Formats)
    shown: Mapping[str, str] = field(default_factory=dict)
    width: int = 0
    untyped: bool = False
    notes: Callable[[], tuple[str, ...]] = tuple


@dataclass(frozen=True)
class Listing:
    """What a source holds: its parts in table and name order, what must be mended, and what is worth knowing.

    looked_up : parts in which others look values up, and whose rows stand in no table; their `table` begins with `_`.
    """

    parts: tuple[Part, ...]
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    looked_up: tuple[Part, ...] = ()
