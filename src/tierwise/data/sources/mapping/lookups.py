"""Values looked up in other tables of the same source, in a scratch warehouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count

import numpy as np
import pyarrow as pa

from tierwise.config.mapping import Via
from tierwise.config.workspace import Formats
from tierwise.data.cells import instants
from tierwise.data.cells.sql import bound
from tierwise.data.sources.mapping.cells import TEXT, text
from tierwise.data.sources.mapping.times import as_instant, in_order, is_instant
from tierwise.data.sources.part import SourceFault
from tierwise.data.warehouse import Query, Warehouse, quoted

Rows = Callable[[Via], Iterator[Mapping[str, pa.Array]]]
"""What a lookup reads: chunks of the columns it names, of instants that must be readable, and of `MODIFIED`."""
MODIFIED = "__modified"
"""The column that says when a row was last changed."""
_NEVER = (1 << 63) - 1


class Lookups:
    """Each lookup's table is read once, and joined to every chunk."""

    def __init__(self, scratch: Warehouse, rows: Rows, formats: Formats) -> None:
        self._scratch, self._rows, self._formats = scratch, rows, formats
        self._tables: dict[str, str | SourceFault] = {}
        self._numbers = count()

    def find(self, via: Via, columns: Mapping[str, pa.Array]) -> pa.Array:
        """For each row of the columns, what is taken from the row that matches it; null where none does."""
        return self._joined(via, columns, "value").cast(TEXT)

    def several(self, via: Via, columns: Mapping[str, pa.Array]) -> pa.Array:
        """For each row of the columns, whether rows match it from which different values could be taken."""
        return self._joined(via, columns, "coalesce(several, false)").cast(pa.bool_())

    def _joined(self, via: Via, columns: Mapping[str, pa.Array], what: str) -> pa.Array:
        table = self._table(via)
        asked = pa.table({f"k{i}": text(columns[ours]) for i, ours in enumerate(via.match.values())})
        asked = asked.append_column("__row", pa.array(np.arange(asked.num_rows)))
        self._scratch.register("__asked", asked)
        on = " AND ".join(f"a.k{i} = t.k{i}" for i in range(len(via.match)))
        found = self._scratch.arrow(
            Query(f"SELECT {what} AS found FROM __asked a LEFT JOIN {quoted(table)} t ON {on} ORDER BY a.__row")
        )
        self._scratch.unregister("__asked")
        return pa.concat_arrays(found["found"].chunks) if found.num_rows else pa.array([], TEXT)

    def _table(self, via: Via) -> str:
        """The table of a lookup; what stopped its reading stops it again."""
        name = via.model_dump_json()
        if name not in self._tables:
            try:
                self._tables[name] = self._filled(via, f"__lookup_{next(self._numbers)}")
            except SourceFault as fault:
                self._tables[name] = fault
        found = self._tables[name]
        if isinstance(found, SourceFault):
            raise found
        return found

    def _filled(self, via: Via, table: str) -> str:
        """Make a table of one row a key: what is taken, and whether something else could have been."""
        keys = [f"k{i}" for i in range(len(via.match))]
        everything = quoted(f"{table}_all")
        typed = ", ".join(f"{each} VARCHAR" for each in (*keys, "value"))
        self._scratch.run(Query(f"CREATE OR REPLACE TEMP TABLE {everything} ({typed}, modified BIGINT)"))
        for columns in self._rows(via):
            self._add(via, columns, everything)
        self._scratch.run(
            Query(
                f"CREATE OR REPLACE TEMP TABLE {quoted(table)} AS SELECT {', '.join(keys)}, {self._pick(via)} AS "
                f"value, min(value) <> max(value) AS several FROM {everything} GROUP BY {', '.join(keys)}"
            )
        )
        self._scratch.run(Query(f"DROP TABLE {everything}"))
        return table

    def _add(self, via: Via, columns: Mapping[str, pa.Array], everything: str) -> None:
        """Add the rows of which all is filled, and every instant can be read."""
        chunk = pa.table({name: text(values) for name, values in columns.items()})
        named = (*via.match, via.take)
        stand = [f"{quoted(name)} IS NOT NULL" for name in named]
        written = [name for name, values in columns.items() if pa.types.is_string(values.type)]
        stand += [self._is_readable(quoted(name)) for name in written if is_instant(via.table, name)]
        at = as_instant(quoted(MODIFIED), self._formats)
        kept = ", ".join(quoted(name) for name in named)
        self._scratch.register("__chunk", chunk)
        self._scratch.run(
            Query(
                f"INSERT INTO {everything} SELECT {kept}, epoch_us(CASE WHEN isfinite({at}) THEN {at} END) "
                f"FROM __chunk WHERE {' AND '.join(stand)}"
            )
        )
        self._scratch.unregister("__chunk")

    def _is_readable(self, cell: str) -> str:
        """Whether a cell is empty, or an instant that its own file is not quarantined for."""
        instant = bound(instants.iso_text(cell, self._formats), "i", instants.instant("i", self._formats))
        return f"({cell} IS NULL OR {instant} >= {instants.EARLIEST})"

    def _pick(self, via: Via) -> str:
        """Of several rows the first or last instant; else the newest row's value, of those the least or greatest.

        Asked for the least, it is that of all rows."""
        if via.keep == "least":
            return "min(value)"
        if is_instant(via.table, via.take):
            return f"{'arg_min' if via.keep == 'first' else 'arg_max'}(value, {in_order('value', self._formats)})"
        if via.keep == "first":
            return f"arg_min(value, (coalesce(-modified, {_NEVER}), value))"
        return f"arg_max(value, (coalesce(modified, -{_NEVER}), value))"
