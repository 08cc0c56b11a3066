"""Parts of a table staged in the warehouse, chunk by chunk: every row with its part, its line and its first fault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from tierwise.config.workspace import Formats
from tierwise.data.checks import Check
from tierwise.data.contract import TABLES, Column, ColumnType, Table
from tierwise.data.intake.overlaps import key_hash
from tierwise.data.quarantine import infer_sql, parse_sql
from tierwise.data.shape import ARROW_TYPES, ZONED, shape
from tierwise.data.sources.part import Chunk, Part, SourceFault
from tierwise.data.warehouse import MADE, MADE_TYPES, SQL_TYPES, Query, Warehouse, quoted

_HIDDEN_TYPES = {
    "__source": "VARCHAR",
    "__part": "BIGINT",
    "__row": "BIGINT",
    "__fault": "BIGINT",
    "__cell": "VARCHAR",
    "__key": "UBIGINT",
}
_CELLS = 1 << 22
_WORDS: dict[pa.DataType, ColumnType] = {ZONED: "instant", **{type_: word for word, type_ in ARROW_TYPES.items()}}


@dataclass
class Staged:
    """One part on its way in.

    place : its number among all parts, `__part` in the warehouse. checks : what the numbers in `__fault` mean.
    bad, superseded : rows, once the table's rows have been compared.
    """

    part: Part
    place: int
    read: int = 0
    ragged: int = 0
    bad: int = 0
    superseded: int = 0
    width: int = 0
    digest: str = ""
    checks: list[Check] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def create_tables(warehouse: Warehouse) -> None:
    """Every table of the contract, empty: its columns, those that are made, the hidden ones; and `__ragged`."""
    for table in TABLES.values():
        types = {column.name: SQL_TYPES[column.type] for column in table.columns}
        types |= MADE_TYPES.get(table.name, {}) | _HIDDEN_TYPES
        columns = ", ".join(f"{quoted(name)} {type_}" for name, type_ in types.items())
        warehouse.run(Query(f"CREATE TABLE {quoted(table.name)} ({columns})"))
    warehouse.run(Query("CREATE TEMP TABLE __ragged (__part BIGINT, __row BIGINT, fields BIGINT)"))


def stage(warehouse: Warehouse, table: Table, parts: list[Staged]) -> None:
    """Stage the parts of a table; whatever stops one of them becomes its finding.

    The further columns of untyped parts get the type that all their values in all parts of one source have: their rows
    stand as text first.
    """
    waiting: dict[str, list[Staged]] = {}
    spelling: dict[str, str] = {}
    for staged in parts:
        if table.open and staged.part.untyped:
            waiting.setdefault(staged.part.source, []).append(staged)
        else:
            _stage_typed(warehouse, table, staged, spelling)
    for mine in waiting.values():
        _stage_untyped(warehouse, table, mine, spelling)


def stage_looked_up(warehouse: Warehouse, table: Table, parts: list[Staged]) -> None:
    """Check the parts of a table that only lookups read; of its rows nothing is kept but their lines and faults."""
    columns = ("__part", "__row", "__fault", "__cell")
    typed = ", ".join(f"{name} {_HIDDEN_TYPES[name]}" for name in columns)
    warehouse.run(Query(f"CREATE TEMP TABLE {quoted(table.name)} ({typed})"))
    spelling: dict[str, str] = {}
    for staged in parts:
        for frame in _shaped(warehouse, table, staged, spelling):
            schema = frame.drop_columns(["__row"]).schema
            sql, checks = parse_sql(schema.empty_table(), table, "__raw", staged.part.formats, staged.part.shown)
            offset, staged.checks = len(staged.checks), [*staged.checks, *checks]
            found = f"SELECT $part::BIGINT AS __part, __row, __fault + {offset} AS __fault, __cell FROM ({sql})"
            warehouse.register("__raw", frame)
            warehouse.run(Query(f"INSERT INTO {quoted(table.name)} {found}", {"part": staged.place}))
            warehouse.unregister("__raw")


def looked_up_table(parts: list[Staged]) -> Table:
    """What a table that only lookups read holds: text, and instants where a column's name ends in _at."""
    names = dict.fromkeys(name for staged in parts for name in staged.part.names)
    columns = (Column(name, "instant" if name.endswith("_at") else "text", open_ended=True) for name in names)
    return Table(parts[0].part.table, tuple(columns))


def _stage_typed(warehouse: Warehouse, table: Table, staged: Staged, spelling: dict[str, str]) -> None:
    target = _Target(warehouse, table, staged)
    for frame in _shaped(warehouse, table, staged, spelling):
        warehouse.register("__raw", frame)
        target.insert(frame.drop_columns(["__row"]).schema, "__raw")
        warehouse.unregister("__raw")


def _stage_untyped(warehouse: Warehouse, table: Table, parts: list[Staged], spelling: dict[str, str]) -> None:
    """Stage parts whose cells are all text by way of `__text`, which holds them as they are."""
    warehouse.run(Query("CREATE TEMP TABLE __text (__part BIGINT, __row BIGINT)"))
    schemas: dict[int, pa.Schema] = {}
    ranges: dict[int, list[tuple[int, int]]] = {staged.place: [] for staged in parts}
    there: set[str] = set()
    for staged in parts:
        for frame in _shaped(warehouse, table, staged, spelling):
            schemas[staged.place] = frame.drop_columns(["__row"]).schema
            if frame.num_rows:
                ranges[staged.place] += _row_ranges(frame)
            for name in frame.column_names:
                if name not in there and name != "__row":
                    warehouse.run(Query(f"ALTER TABLE __text ADD COLUMN {quoted(name)} VARCHAR"))
                    there.add(name)
            warehouse.register("__raw", frame)
            warehouse.run(
                Query("INSERT INTO __text BY NAME SELECT *, $part AS __part FROM __raw", {"part": staged.place})
            )
            warehouse.unregister("__raw")
    typed = _with_attributes(warehouse, table, sorted(there), parts[0].part.formats)
    for staged in parts:
        target = _Target(warehouse, typed, staged)
        for first, last in () if staged.findings else ranges[staged.place]:
            where = f"__part = {staged.place} AND __row BETWEEN {first} AND {last}"
            warehouse.run(Query(f"CREATE OR REPLACE TEMP VIEW __some AS SELECT * FROM __text WHERE {where}"))
            target.insert(schemas[staged.place], "__some")
    warehouse.run(Query("DROP VIEW IF EXISTS __some"))
    warehouse.run(Query("DROP TABLE __text"))


def _row_ranges(frame: pa.Table) -> Iterator[tuple[int, int]]:
    """The rows of a chunk, as ranges of lines: fewer at a time, the more columns there are."""
    lines, size = frame["__row"].to_numpy(), max(1 << 10, _CELLS // frame.num_columns)
    for i in range(0, len(lines), size):
        yield int(lines[i]), int(lines[min(i + size, len(lines)) - 1])


def _with_attributes(warehouse: Warehouse, table: Table, names: list[str], formats: Formats) -> Table:
    """The table with the further columns of `__text`, each of the type that all its values have."""
    names = [name for name in names if name not in table.names and not name.endswith("_id")]
    if not names:
        return table
    types: tuple[ColumnType, ...] = ("number", "flag", "instant")
    further = []
    for row in warehouse.arrow(Query(infer_sql("__text", names, formats))).to_pylist():
        type_: ColumnType = next((t for t in types if row["filled"] and row[t]), "text")
        further.append(Column(names[row["place"]], type_))
    return replace(table, columns=(*table.columns, *further))


def _shaped(warehouse: Warehouse, table: Table, staged: Staged, spelling: dict[str, str]) -> Iterator[pa.Table]:
    """The chunks of a part that have the shape of its table, with each row's line as `__row`; all rows are counted.

    spelling : how the table's further columns are written, by their names in lower case; the first part's way stands.
    """
    part = staged.part
    try:
        for chunk in part.chunks():
            staged.read += chunk.frame.num_rows + len(chunk.ragged)
            if staged.findings:
                continue
            shaped = shape(chunk.frame, part.names, table, part.file, part.formats)
            staged.findings += shaped.findings
            staged.notes = list(dict.fromkeys([*staged.notes, *shaped.notes]))
            _keep_ragged(warehouse, staged, chunk)
            if not shaped.findings:
                names = [spelling.setdefault(name.lower(), name) for name in shaped.frame.column_names]
                yield shaped.frame.rename_columns(names).append_column("__row", pa.array(chunk.lines))
        staged.digest = part.digest()
    except SourceFault as fault:
        staged.findings.append(_stopped(part, fault))


def _stopped(part: Part, fault: SourceFault) -> str:
    """What stopped a part: a fault of its own, or of a file that it is read with."""
    at = ":".join(str(each) for each in (fault.file or part.file, fault.line) if each)
    if fault.file in (None, part.file):
        return f"{at}: {fault.says}"
    return f"{part.file}: it is read together with {at}: {fault.says}"


def _keep_ragged(warehouse: Warehouse, staged: Staged, chunk: Chunk) -> None:
    if not chunk.ragged:
        return
    staged.ragged += len(chunk.ragged)
    staged.width = staged.part.width or len(staged.part.names)
    lines, fields = np.array(chunk.ragged, dtype=np.int64).T
    place = np.full(len(lines), staged.place)
    warehouse.register("__found", pa.table({"__part": place, "__row": lines, "fields": fields}))
    warehouse.run(Query("INSERT INTO __ragged SELECT * FROM __found"))
    warehouse.unregister("__found")


class _Target:
    """The staged table, as the chunks of one part go into it."""

    def __init__(self, warehouse: Warehouse, table: Table, staged: Staged) -> None:
        self.warehouse, self.table, self.staged = warehouse, table, staged
        self.schema: pa.Schema | None = None
        self.sql = ""

    def insert(self, schema: pa.Schema, source: str) -> None:
        """Parse and check the rows of `source`, and stage them."""
        if schema != self.schema:
            self.schema, self.sql = schema, self._insert_sql(schema, source)
        self.warehouse.run(Query(self.sql, {"source": self.staged.part.source, "part": self.staged.place}))

    def _insert_sql(self, schema: pa.Schema, source: str) -> str:
        parse, checks = parse_sql(
            schema.empty_table(), self.table, source, self.staged.part.formats, self.staged.part.shown
        )
        offset = len(self.staged.checks)
        self.staged.checks += checks
        further = self._admit(schema)
        hidden = f"$part::BIGINT AS __part, __row, __fault + {offset} AS __fault, __cell"
        known = f", {_known_at(schema)} AS known_at" if self.table.name == "activities" else ""
        values = f" REPLACE ({', '.join(further)})" if further else ""
        return f"""
            INSERT INTO {quoted(self.table.name)} BY NAME
            SELECT *, {key_hash(self.table, schema.names)} AS __key
            FROM (
                SELECT $source AS __source, * EXCLUDE (__row, __fault, __cell){values}, {hidden}{known} FROM ({parse})
            )"""

    def _admit(self, schema: pa.Schema) -> list[str]:
        """Make room for a part's further columns; one whose type differs between parts is text."""
        there = self.warehouse.columns(self.table.name)
        changed = []
        for name in [n for n in schema.names if n not in TABLES[self.table.name].names]:
            column = self.table.column(name)
            word: ColumnType = column.type if column else _WORDS[schema.field(name).type]
            if name not in there:
                self._alter(f"ADD COLUMN {quoted(name)} {SQL_TYPES[word]}")
            elif there[name] != word:
                if there[name] != "text":
                    self._alter(f"ALTER {quoted(name)} TYPE VARCHAR USING {as_text(name, there[name])}")
                changed.append(f"{as_text(name, word)} AS {quoted(name)}")
        return changed

    def _alter(self, what: str) -> None:
        self.warehouse.run(Query(f"ALTER TABLE {quoted(self.table.name)} {what}"))


def _known_at(schema: pa.Schema) -> str:
    return MADE["activities"]["known_at"] if "recorded_at" in schema.names else "occurred_at"


def as_text(name: str, word: ColumnType) -> str:
    """The SQL of a value as text: whole numbers without a decimal point, lists with `;`."""
    value = quoted(name)
    if word == "number":
        whole = f"{value} = floor({value}) AND abs({value}) < 1e15"
        return f"CASE WHEN {whole} THEN {value}::BIGINT::VARCHAR ELSE {value}::VARCHAR END"
    return f"array_to_string({value}, ';')" if word == "list" else f"{value}::VARCHAR"
