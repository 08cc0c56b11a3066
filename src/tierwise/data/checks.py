"""What can be wrong with a row: each table's checks, as SQL conditions over its parsed columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from tierwise.config.workspace import Formats
from tierwise.data.cells import currencies, instants, numbers
from tierwise.data.cells.sql import literal
from tierwise.data.contract import TABLES, Column, Table
from tierwise.data.shape import LIST, NUMBER, TEXT
from tierwise.data.warehouse import quoted

_UNREADABLE = {
    "number": ("not_a_number", "is not a number"),
    "integer": ("not_an_integer", "is not a whole number"),
    "instant": ("not_an_instant", ""),
    "flag": ("not_a_flag", "is neither true nor false"),
}
_HEADER_COLUMNS = 6
"""So many first cells that are their columns' names make a row a header."""


@dataclass(frozen=True)
class Check:
    """One way in which a row can be at fault: an SQL condition over the parsed columns.

    says: what to say to any such cell. explain: what to say to this one.
    """

    column: str
    code: str
    condition: str
    says: str
    explain: Callable[[str], str] | None = None


@dataclass(frozen=True)
class Reading:
    """How one part is read: its table, the types of its columns, its formats, and its header's own names.

    In the SQL, `t:<name>` is the cell (null if it means nothing), `i:<name>` an instant's ISO text, `d:<name>` an
    amount's parts, `m:<name>` the currency it names, `c:currency` the one that the row names, and `<name>` the value.
    """

    table: Table
    types: Mapping[str, pa.DataType]
    formats: Formats
    shown: Mapping[str, str]

    def column(self, name: str) -> Column:
        """The contract's column of that name, or a further one of text."""
        return self.table.column(name) or Column(name)

    def is_text(self, name: str) -> bool:
        """Whether the column is there, and arrives as text."""
        return bool(self.types.get(name) == TEXT)

    @cached_property
    def amounts(self) -> tuple[Column, ...]:
        """The columns of text that hold amounts or ranges."""
        found = (self.column(name) for name in self.types if self.is_text(name))
        return tuple(column for column in found if column.ranged or column.money)

    @cached_property
    def money(self) -> str | None:
        """The column of text whose amounts may name their currency."""
        return next((column.name for column in self.amounts if column.money), None)

    @cached_property
    def of_history(self) -> tuple[tuple[str, Column], ...]:
        """In a history of accounts: its columns of values, with each field whose values are read as numbers."""
        if self.table.name != "account_history" or not self.is_text("field"):
            return ()
        fields = [column for column in TABLES["accounts"].columns if column.ranged]
        return tuple((n, c) for n in ("old_value", "new_value") if self.is_text(n) for c in fields)

    def missing(self, name: str) -> str:
        """Whether a cell holds nothing."""
        cell = quoted("t:" + name)
        return f"({cell} IS NULL OR isnan({cell}))" if self.types[name] == NUMBER else f"{cell} IS NULL"


def checks_of(reading: Reading) -> tuple[Check, ...]:
    """The checks of a part, in the order in which a row is asked: its header, then the contract's columns."""
    found = list(_repeated_header(reading))
    for column in TABLES.get(reading.table.name, reading.table).columns:
        if column.name in reading.types:
            found += _of_column(reading, column)
    for name, column in reading.of_history:
        found += _of_history(reading, name, column)
    there = [name for name in reading.table.one_of if name in reading.types]
    if there:
        condition = " AND ".join(f"{quoted(name)} IS NULL" for name in there)
        found.append(Check(there[0], "no_reference", f"({condition})", f"none of these is filled: {', '.join(there)}"))
    return tuple(found)


def _repeated_header(reading: Reading) -> Iterator[Check]:
    names = [name for name in reading.types if reading.is_text(name)]
    if len(names) == len(reading.types):
        same = " AND ".join(f"{quoted('t:' + n)} = {literal(reading.shown.get(n, n))}" for n in names[:_HEADER_COLUMNS])
        yield Check("", "repeated_header", f"({same})", "the header stands here again: two exports were put together")


def _of_column(reading: Reading, column: Column) -> Iterator[Check]:
    name, value, missing = column.name, quoted(column.name), reading.missing(column.name)
    if not column.nullable:
        yield Check(name, "null", missing, f"{name} is empty, and must not be")
    if column.type in _UNREADABLE:
        yield from _unreadable(reading, column, f"{value} IS NULL AND NOT {missing}")
    if column.type == "instant":
        late = "" if column.open_ended else f" OR {value} >= {instants.AFTER_LATEST}"
        outside = f"({value} < {instants.EARLIEST}{late})"
        yield Check(name, "out_of_range", outside, "is before 1900 or after 2200: no date of business")
    if column.positive:
        yield Check(name, "out_of_range", f"{value} <= 0", "is not above zero")
    if column.values:
        allowed = ", ".join(f"'{v}'" for v in column.values)
        yield Check(name, "not_allowed", f"{value} NOT IN ({allowed})", f"is not one of: {', '.join(column.values)}")
    if name == "currency":
        no_code = f"({quoted('t:currency')} IS NOT NULL AND {quoted('c:currency')} IS NULL)"
        yield Check(name, "not_a_currency", no_code, "is not a currency's three letters, as EUR")
    if name == reading.money:
        yield from _of_currency(reading, name)


def _unreadable(reading: Reading, column: Column, unread: str) -> Iterator[Check]:
    """What a cell looks like that could not be read, and then that it could not."""
    code, says = _UNREADABLE[column.type]
    cell, formats = quoted("t:" + column.name), reading.formats
    contract = TABLES.get(reading.table.name, reading.table)
    known = reading.is_text(column.name) and contract.column(column.name) is not None
    hints: Iterator[instants.Hint] = iter(())
    if column.type == "instant":
        says = instants.says(formats)
        if known:
            hints = instants.hints(cell, quoted("i:" + column.name), formats)
        elif not reading.is_text(column.name):
            says = "is no instant" if formats.time_zone == "UTC" else f"is no time in {formats.time_zone}"
    elif column.type == "number" and known:
        yield from _of_range(column, cell, quoted("d:" + column.name), unread)
        hints = numbers.hints(cell, formats, sure=column.ranged or column.money)
    for hint in hints:
        yield Check(column.name, code, f"({unread} AND {hint.condition})", hint.says, hint.explain)
    yield Check(column.name, code, f"({unread})", says)


def _of_range(column: Column, cell: str, amount: str, unread: str) -> Iterator[Check]:
    if column.ranged:
        mangled = "is a date, which a spreadsheet made of a range as 10-50: export the column as text"
        yield Check(column.name, "date_mangled", f"({unread} AND {numbers.is_mangled(cell)})", mangled)
        reversed_ = f"({unread} AND {amount}.kind = 'reversed')"
        yield Check(column.name, "reversed_range", reversed_, "is a range whose first end is above its second")


def _of_currency(reading: Reading, name: str) -> Iterator[Check]:
    mark, means = f"{quoted('d:' + name)}.mark", quoted("m:" + name)
    given = quoted("c:currency") if reading.is_text("currency") else "NULL::VARCHAR"
    other = f"({mark} <> '' AND {means} <> {given} AND NOT {currencies.agrees(mark, given)})"
    yield Check(name, "currency_mismatch", other, "is in another currency than the row's currency says")
    unclear = f"({mark} <> '' AND {means} = '' AND {given} IS NULL)"
    says = "names a currency by a symbol that several share: declare it, as formats: {symbols: {kr: SEK}}"
    yield Check(name, "ambiguous_currency", unclear, says)


def _of_history(reading: Reading, name: str, column: Column) -> Iterator[Check]:
    cell = quoted("t:" + name)
    unread = f"{quoted('t:field')} = {literal(column.name)} AND {cell} IS NOT NULL AND {quoted(name)} IS NULL"
    for check in _of_range(column, cell, quoted(f"d:{name}:{column.name}"), unread):
        yield Check(name, check.code, check.condition, check.says)
    for hint in numbers.hints(cell, reading.formats, sure=True):
        yield Check(name, "not_a_number", f"({unread} AND {hint.condition})", hint.says)
    yield Check(name, "not_a_number", f"({unread})", f"is not a number, and {column.name} holds numbers")


def cell_of(check: Check, types: Mapping[str, pa.DataType]) -> str:
    """The text that a check's reason may repeat."""
    silent = check.code in ("null", "no_reference", "repeated_header")
    return "NULL" if silent or types[check.column] == LIST else f"{quoted('t:' + check.column)}::VARCHAR"
