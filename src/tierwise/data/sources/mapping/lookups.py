"""Values looked up in other tables of the same source, in a scratch warehouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa

from tierwise.config.mapping import Via
from tierwise.data.contract import TABLES
from tierwise.data.sources.mapping.cells import TEXT, text
from tierwise.data.sources.mapping.times import in_order
from tierwise.data.warehouse import Query, Warehouse, quoted

Rows = Callable[[Via], Iterator[Mapping[str, pa.Array]]]
"""What a lookup reads: chunks of the columns it names."""


class Lookups:
    """Each lookup's table is read once, and joined to every chunk."""

    def __init__(self, scratch: Warehouse, rows: Rows) -> None:
        self._scratch, self._rows = scratch, rows
        self._tables: dict[str, str] = {}

    def find(self, via: Via, columns: Mapping[str, pa.Array]) -> pa.Array:
        """For each row of the columns, what is taken from the row that matches it; null where none does."""
        table = self._table(via)
        asked = pa.table({f"k{i}": text(columns[ours]) for i, ours in enumerate(via.match.values())})
        asked = asked.append_column("__row", pa.array(np.arange(asked.num_rows)))
        self._scratch.register("__asked", asked)
        on = " AND ".join(f"a.k{i} = t.k{i}" for i in range(len(via.match)))
        found = self._scratch.arrow(
            Query(f"SELECT t.value FROM __asked a LEFT JOIN {quoted(table)} t ON {on} ORDER BY a.__row")
        )
        self._scratch.unregister("__asked")
        return pa.concat_arrays(found["value"].chunks).cast(TEXT) if found.num_rows else pa.array([], TEXT)

    def _table(self, via: Via) -> str:
        name = via.model_dump_json()
        if name not in self._tables:
            self._tables[name] = f"__lookup_{len(self._tables)}"
            self._fill(via, self._tables[name])
        return self._tables[name]

    def _fill(self, via: Via, table: str) -> None:
        """One row a key: the first or last of what is taken."""
        keys = [f"k{i}" for i in range(len(via.match))]
        everything = quoted(f"{table}_all")
        typed = ", ".join(f"{each} VARCHAR" for each in (*keys, "value"))
        self._scratch.run(Query(f"CREATE TEMP TABLE {everything} ({typed}, __row BIGINT)"))
        read = 0
        for columns in self._rows(via):
            chunk = pa.table([text(columns[name]) for name in (*via.match, via.take)], names=[*keys, "value"])
            rows = pa.array(np.arange(read, read + chunk.num_rows))
            read += chunk.num_rows
            self._scratch.register("__chunk", chunk.append_column("__row", rows))
            self._scratch.run(Query(f"INSERT INTO {everything} SELECT * FROM __chunk"))
            self._scratch.unregister("__chunk")
        contract = TABLES.get(via.table)
        column = contract.column(via.take) if contract else None
        order = in_order("value") if column is not None and column.type == "instant" else "(__row)"
        pick = "arg_min" if via.keep == "first" else "arg_max"
        filled = " AND ".join(f"{each} IS NOT NULL" for each in (*keys, "value"))
        self._scratch.run(
            Query(
                f"CREATE TEMP TABLE {quoted(table)} AS SELECT {', '.join(keys)}, {pick}(value, {order}) AS value "
                f"FROM {everything} WHERE {filled} GROUP BY {', '.join(keys)}"
            )
        )
        self._scratch.run(Query(f"DROP TABLE {everything}"))
