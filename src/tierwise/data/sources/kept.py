"""The local copy of a database's table: what was read before and what is new, as one Parquet file in key order."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tierwise.data.sources.part import Chunk, SourceFault
from tierwise.data.warehouse import Query, Warehouse, quoted

ROWS = 65_536
"""Rows of a chunk."""
_META = "tierwise"
_ISO_DAY = r"^\d{4}-\d\d-\d\d([T ].*)?$"


@dataclass(frozen=True)
class Origin:
    """What a copy was made of: another database, table, column or type, and the copy is not gone on from."""

    database: str
    table: str
    columns: tuple[tuple[str, str], ...]
    watermark: str | None


@dataclass(frozen=True)
class Kept:
    """A table's local copy; `through` is the newest day of its watermark, None where there is none."""

    path: Path
    origin: Origin
    through: date | None = None

    @classmethod
    def find(cls, path: Path, origin: Origin) -> Kept:
        """The copy at a path, if it was made of the same; a damaged or other one counts as none."""
        try:
            meta = (pq.read_metadata(path).metadata or {}).get(_META.encode())
            said = json.loads(meta) if meta else {}
        except (OSError, pa.ArrowException, ValueError):
            return cls(path, origin)
        same = said.get("origin") == json.loads(json.dumps(asdict(origin)))
        return cls(path, origin, date.fromisoformat(said["through"]) if same and said.get("through") else None)

    def renewed(self, new: Path, key: Sequence[str], since: date | None, today: date, warehouse: Warehouse) -> Kept:
        """The copy with the rows that were read since a day in place of those it had since then.

        A row kept from before gives way to a new one of its key. Watermarks after `today` do not count as reach: a
        mistyped year would hide every later row.
        """
        columns = ", ".join(quoted(name) for name, _ in self.origin.columns)
        params: dict[str, object] = {"new": str(new)}
        rows = f"SELECT {columns} FROM read_parquet($new)"
        if since is not None:
            params |= {"old": str(self.path), "since": since.isoformat()}
            mark = quoted(self.origin.watermark or "")
            same = " AND ".join(f"n.{quoted(name)} = o.{quoted(name)}" for name in key)
            beaten = f"AND NOT EXISTS (FROM read_parquet($new) n WHERE {same})" if key else ""
            rows = f"SELECT {columns} FROM read_parquet($old) o WHERE {_day(mark)} < $since {beaten} UNION ALL {rows}"
        order = ", ".join([*(quoted(name) for name in key), f"hash({columns})"])
        through = self._reach(params, today, warehouse)
        meta = json.dumps({"origin": asdict(self.origin), "through": through and through.isoformat()})
        written = new.with_suffix(".sorted")
        options = f"FORMAT parquet, KV_METADATA {{{_META}: {literal(meta)}}}"
        try:
            warehouse.run(Query(f"COPY ({rows} ORDER BY {order}) TO {literal(str(written))} ({options})", params))
            os.replace(written, self.path)
        finally:
            written.unlink(missing_ok=True)
        return Kept(self.path, self.origin, through)

    def _reach(self, params: dict[str, object], today: date, warehouse: Warehouse) -> date | None:
        mark = self.origin.watermark
        day = _day(quoted(mark)) if mark else "NULL::VARCHAR"
        sql = f"""
            SELECT max(day) FILTER (WHERE day <= $today) AS newest,
                coalesce(bool_and(regexp_matches(mark, '{_ISO_DAY}')), true) AS plain
            FROM (SELECT {day} AS day, {f"{quoted(mark)}::VARCHAR" if mark else "NULL::VARCHAR"} AS mark
                FROM read_parquet($new))"""
        row = warehouse.arrow(Query(sql, {"new": params["new"], "today": today.isoformat()})).to_pylist()[0]
        newest = date.fromisoformat(row["newest"]) if row["newest"] and row["plain"] else None
        if "since" in params and row["plain"]:
            newest = max(filter(None, (newest, self.through)))
        return newest

    def rows(self) -> int:
        """How many rows it holds."""
        return int(pq.read_metadata(self.path).num_rows)

    def names(self) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(name for name, _ in self.origin.columns)


class Reader:
    """Yields a copy's rows, and knows their digest once it has."""

    def __init__(self, kept: Kept, file: str) -> None:
        self._kept, self._file, self._digest = kept, file, ""

    def chunks(self) -> Iterator[Chunk]:
        """The rows in key order, up to `ROWS` at a time."""
        digest, first = _Digest(), 1
        try:
            file = pq.ParquetFile(self._kept.path)
            if not file.metadata.num_rows:
                yield Chunk(file.schema_arrow.empty_table(), np.zeros(0, dtype=np.int64))
            for batch in file.iter_batches(ROWS, use_threads=False):
                frame = pa.Table.from_batches([batch])
                digest.update(frame)
                yield Chunk(frame, np.arange(first, first + frame.num_rows, dtype=np.int64))
                first += frame.num_rows
        except (OSError, pa.ArrowException) as error:
            says = f"its local copy {self._kept.path} cannot be read ({error}); delete it and run again"
            raise SourceFault(says) from None
        self._digest = digest.hexdigest()

    def digest(self) -> str:
        """SHA-256 over the rows as read; however they were cut into chunks."""
        return self._digest


_AS_NUMBERS: dict[pa.DataType, pa.DataType] = {
    pa.bool_(): pa.uint8(),
    pa.date32(): pa.int32(),
    pa.timestamp("us"): pa.int64(),
    pa.timestamp("us", tz="UTC"): pa.int64(),
}


class _Digest:
    """SHA-256 over columns of rows, the same however the rows are cut into chunks."""

    def __init__(self) -> None:
        self._streams: dict[tuple[str, str], hashlib._Hash] = {}

    def update(self, frame: pa.Table) -> None:
        for name in frame.column_names:
            self._add(f"{name} {frame.schema.field(name).type}", frame.column(name).combine_chunks())

    def _add(self, name: str, values: pa.Array) -> None:
        if isinstance(values, pa.ChunkedArray):
            values = pa.concat_arrays(values.chunks)
        self._feed(name, "valid", values.is_valid().cast(pa.uint8()))
        if pa.types.is_list(values.type):
            self._feed(name, "lengths", pc.fill_null(pc.list_value_length(values), 0))
            self._add(f"{name}[]", pc.list_flatten(values))
        elif pa.types.is_string(values.type):
            values = pc.fill_null(values, "")
            self._feed(name, "lengths", pc.binary_length(values))
            self._stream(name, "text").update("".join(values.to_pylist()).encode())
        else:
            plain = values.cast(_AS_NUMBERS.get(values.type, values.type))
            self._feed(name, "values", pc.fill_null(plain, 0))

    def _feed(self, name: str, kind: str, values: pa.Array) -> None:
        self._stream(name, kind).update(values.to_numpy(zero_copy_only=False).tobytes())

    def _stream(self, name: str, kind: str) -> hashlib._Hash:
        return self._streams.setdefault((name, kind), hashlib.sha256())

    def hexdigest(self) -> str:
        whole = hashlib.sha256()
        for (name, kind), stream in sorted(self._streams.items()):
            whole.update(f"{name} {kind} {stream.hexdigest()}\n".encode())
        return whole.hexdigest()


def _day(column: str) -> str:
    """SQL for the day of an instant, or of a text that begins with one, as ISO text."""
    return f"left({column}::VARCHAR, 10)"


def literal(text: str) -> str:
    """Text as an SQL literal, where a parameter cannot stand."""
    return "'" + text.replace("'", "''") + "'"
