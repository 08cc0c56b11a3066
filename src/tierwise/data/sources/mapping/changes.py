"""Repeated states as changes: each row beside the one before it, in a scratch warehouse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from tierwise.config.mapping import Changes
from tierwise.config.workspace import Formats
from tierwise.data.sources.mapping.cells import TEXT, text
from tierwise.data.sources.mapping.times import in_order
from tierwise.data.warehouse import Query, Warehouse, quoted

_ROWS_AT_ONCE = 1_000_000
_HIDDEN = ("__line", "__file")


class History:
    """The states of all files of a history, of which only the changes are kept.

    Add every row of each file in turn, then `find_changes`; what is read by file afterwards is what changed in it.
    """

    def __init__(
        self, scratch: Warehouse, name: str, columns: Sequence[str], changes: Changes, formats: Formats
    ) -> None:
        self._scratch, self._changes, self._formats = scratch, changes, formats
        self._columns = [column for column in columns if column != changes.before]
        self._states, self._changed = f"__states_{name}", f"__changes_{name}"
        self._rows = 0
        self.ragged: list[list[tuple[int, int]]] = []
        self.said: list[Counter[str]] = []
        typed = ", ".join(f"{quoted(column)} VARCHAR" for column in self._columns)
        scratch.run(Query(f"CREATE OR REPLACE TEMP TABLE {self._states} ({typed}, __line BIGINT, __file INTEGER)"))

    def begin(self, said: Counter[str]) -> None:
        """Go on to the next file, of whose rows this is said."""
        self.said.append(said)
        self.ragged.append([])

    def add(self, frame: pa.Table, lines: np.ndarray, ragged: Sequence[tuple[int, int]]) -> None:
        """Add rows of the file that was begun; a column that it has not is empty."""
        there = frame.column_names
        arrays = [text(frame[n].combine_chunks()) if n in there else None for n in self._columns]
        filled = [pa.nulls(frame.num_rows, TEXT) if each is None else each for each in arrays]
        file = pa.repeat(pa.scalar(len(self.said) - 1, pa.int32()), frame.num_rows)
        chunk = pa.table([*filled, pa.array(lines, pa.int64()), file], names=[*self._columns, *_HIDDEN])
        self._scratch.register("__chunk", chunk)
        self._scratch.run(Query(f"INSERT INTO {self._states} SELECT * FROM __chunk"))
        self._scratch.unregister("__chunk")
        self.ragged[-1] += ragged
        self._rows += frame.num_rows

    def find_changes(self) -> None:
        """Leave the rows in which the state is another than in the row before, whichever file holds that one."""
        sql = changes_sql(self._states, self._columns, self._changes, self._formats)
        buckets = max(1, -(-self._rows // _ROWS_AT_ONCE))
        for bucket in range(buckets):
            made = f"INSERT INTO {self._changed}" if bucket else f"CREATE OR REPLACE TEMP TABLE {self._changed} AS"
            self._scratch.run(Query(f"{made} {sql}", {"buckets": buckets, "bucket": bucket}))
        self._scratch.run(Query(f"DROP TABLE {self._states}"))

    def of(self, file: int, names: Sequence[str]) -> Iterator[tuple[pa.Table, np.ndarray]]:
        """The changes that stand in one file, with their lines."""
        rows = self._scratch.number(Query(f"SELECT count(*) FROM {self._changed} WHERE __file = $file", {"file": file}))
        buckets = -(-rows // _ROWS_AT_ONCE)
        by = ", ".join(quoted(name) for name in self._changes.by)
        sql = f"""
            SELECT * FROM {self._changed} WHERE __file = $file AND hash({by}) % $buckets = $bucket
            ORDER BY __line, {by}"""
        for bucket in range(buckets):
            found = self._scratch.arrow(Query(sql, {"file": file, "buckets": buckets, "bucket": bucket}))
            yield found.select(list(names)), found["__line"].to_numpy()


def changes_sql(source: str, columns: Sequence[str], changes: Changes, formats: Formats) -> str:
    """SQL for the changed rows in one of `$buckets`; a first row without a state is no change.

    Rows of one instant count in the order in which they stand.
    """
    by = ", ".join(quoted(name) for name in changes.by)
    order = f"{in_order(quoted(changes.at), formats)}, __file, __line"
    over = f"OVER (PARTITION BY {by} ORDER BY {order})"
    of = quoted(changes.of)
    kept = ", ".join(quoted(name) for name in columns)
    before = f", __before AS {quoted(changes.before)}" if changes.before else ""
    return f"""
        WITH each AS (
            SELECT {kept}, __line, __file, lag({of}) {over} AS __before
            FROM {quoted(source)} WHERE hash({by}) % $buckets = $bucket)
        SELECT {kept}, __line, __file{before} FROM each WHERE {of} IS DISTINCT FROM __before"""
