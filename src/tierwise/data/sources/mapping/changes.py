"""Repeated states as changes: each row beside the one before it, in a scratch warehouse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from tierwise.config.mapping import Changes
from tierwise.config.workspace import Formats
from tierwise.data.sources.mapping.cells import TEXT, text
from tierwise.data.sources.mapping.times import in_order
from tierwise.data.warehouse import Query, Warehouse, quoted

_ROWS_AT_ONCE = 1_000_000
_HIDDEN = ("__line", "__file")


def changed(
    chunks: Iterable[tuple[pa.Table, pa.Array, int]],
    names: Sequence[str],
    changes: Changes,
    file: int,
    formats: Formats,
    scratch: Warehouse,
    state: str,
) -> Iterator[tuple[pa.Table, pa.Array]]:
    """The rows of one file in which the state is another than in the row before, whichever file holds that one.

    Parameters
    ----------
    chunks : (columns, line of each row, number of its file).
    state : what the scratch warehouse's table is called meanwhile.
    """
    columns = [name for name in names if name != changes.before]
    typed = ", ".join(f"{quoted(name)} VARCHAR" for name in columns)
    scratch.run(Query(f"CREATE OR REPLACE TEMP TABLE {state} ({typed}, __line BIGINT, __file INTEGER)"))
    rows = 0
    for frame, lines, number in chunks:
        held = [text(frame[name].combine_chunks()) if name in frame.column_names else None for name in columns]
        arrays = [pa.nulls(frame.num_rows, TEXT) if each is None else each for each in held]
        numbers = pa.repeat(pa.scalar(number, pa.int32()), frame.num_rows)
        scratch.register("__chunk", pa.table([*arrays, lines, numbers], names=[*columns, *_HIDDEN]))
        scratch.run(Query(f"INSERT INTO {state} SELECT * FROM __chunk"))
        scratch.unregister("__chunk")
        rows += frame.num_rows
    buckets = -(-rows // _ROWS_AT_ONCE)
    sql = changes_sql(state, columns, changes, formats)
    for bucket in range(buckets):
        found = scratch.arrow(Query(sql, {"buckets": buckets, "bucket": bucket, "file": file}))
        yield found.select(list(names)), found["__line"].combine_chunks()
    scratch.run(Query(f"DROP TABLE {state}"))


def changes_sql(source: str, columns: Sequence[str], changes: Changes, formats: Formats) -> str:
    """SQL for the changed rows of `$file` in one of `$buckets`; a first row without a state is no change.

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
        SELECT {kept}, __line{before} FROM each
        WHERE {of} IS DISTINCT FROM __before AND __file = $file
        ORDER BY __line"""
