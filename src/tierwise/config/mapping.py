"""mappings/<kind>.yaml: how the objects of a kind of source (a CRM) become the contract's tables, as data.

A mapping has *objects* (what the source calls its tables), each of which *feeds* tables of the contract, column by
column. A column is the first filled one of several *ways* to get it. A name that begins with `_` is a helper: a column
that only later columns and conditions of its feed read, or a table that only lookups read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from tierwise.config.load import parse_file
from tierwise.config.plan import Frozen

Word = Annotated[str, Field(pattern=r"^_?[a-z][a-z0-9_]*$", max_length=60)]
As = Literal[
    "text", "word", "salesforce_id", "domain", "email_domain", "instant", "epoch_ms", "stage", "yes", "checkbox"
]
"""
text : as it is. word: in lower case with underscores. salesforce_id: with 18 characters. domain: the host of a URL.
email_domain : what follows the @, and nothing else of it. instant: a loader's timestamp as ISO 8601. epoch_ms: the
same, and milliseconds since 1970. stage: without the pipeline in parentheses after it. yes: `yes` where it is ticked,
else nothing. checkbox: true or false, where an empty box of a column that is there is false.
"""


def _one_or_more(value: object) -> object:
    return value if isinstance(value, (list, tuple)) else [value]


def _ways(value: object) -> object:
    """`Id` is short for `{of: [Id]}`; several ways stand in a list."""
    return [{"of": way} if isinstance(way, str) else way for way in (value if isinstance(value, list) else [value])]


Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_more)]


class Via(Frozen):
    """Where a value is looked up: in a table that the same source feeds (the contract's, or a helper)."""

    table: Word
    match: dict[Word, Word]
    """From each column of that table to the column of this feed that must equal it."""
    take: Word
    keep: Literal["first", "last", "least"] = "first"
    """Of several rows: the first or last by what is taken if that is an instant; else the row that was changed last,
    and of those that are equally new the one with the first or last value. Or the least value, whatever was changed."""


class Way(Frozen):
    """One way to a column's value: from `of`, `joined`, `constant` or `via`; the rest is done in this order."""

    of: Names = ()
    """Names of the source's column; all that are there are tried, row by row, in this order."""
    latest: bool = False
    """Of several instants, row by row the latest counts, not the first that is filled."""
    joined: tuple[str, ...] = ()
    """Names of columns whose values, with `-` between them, are the value where all are filled."""
    constant: str | None = None
    via: Via | None = None
    first_of: str | None = None
    """What stands between the values of a list, of which the first counts."""
    starts_with: str | None = None
    """Only values that begin so."""
    as_: Annotated[As | None, Field(alias="as")] = None
    """By default: ids as the mapping says, instants as `instant`, anything else as it is."""
    values: dict[str, str] = Field(default_factory=dict)
    """From the source's value, in whatever case, to ours; others are left out, or are `else`."""
    else_: Annotated[str | None, Field(alias="else")] = None
    suffix: str = ""
    if_: Annotated[Word | None, Field(alias="if")] = None
    """An earlier column of the feed that must be filled."""
    without: Names = ()
    """Columns of the file, or objects of the source; where one of them is there, this way is not open."""
    unless: Word | None = None
    """An earlier column of the feed that must be empty, or not there at all."""
    says: str = ""
    """What to say of rows whose value comes this way, as in `12 rows: the close date stands for the closing`."""
    several: str = ""
    """What to say of rows for which a lookup or a list has several values, of which one is taken."""

    @model_validator(mode="after")
    def _from_one(self) -> Way:
        given = [bool(self.of), bool(self.joined), self.constant is not None, self.via is not None]
        if sum(given) != 1:
            raise ValueError("a value comes from one of: of, joined, constant, via")
        if self.latest and not self.of:
            raise ValueError("latest needs of: the columns of which the latest counts")
        if self.else_ is not None and not self.values:
            raise ValueError("else needs values: the values that it is not")
        if self.several and self.via is None and self.first_of is None:
            raise ValueError("several needs via or first_of: where there may be several values")
        return self


Ways = Annotated[tuple[Way, ...], BeforeValidator(_ways)]


class Condition(Frozen):
    """What a row must fulfil; rows that do not are left out, and counted in words."""

    column: Annotated[tuple[Word, ...], BeforeValidator(_one_or_more)]
    """Columns of the feed; one of them must be so."""
    is_: Annotated[Literal["filled", "empty"], Field(alias="is")] = "filled"
    or_later: tuple[Word, Word] | None = None
    """Two columns of the feed; a row whose first instant is later than its second is so as well."""
    otherwise: str
    """What rows are that do not fulfil it, as in `12 rows were left out: not completed`."""


class Changes(Frozen):
    """Of rows that repeat a state, only those in which it is another than in the row before."""

    by: Annotated[tuple[Word, ...], BeforeValidator(_one_or_more)]
    of: Word
    at: Word
    before: Word | None = None
    """The column that gets the state of the row before."""


class Feed(Frozen):
    """How one object becomes rows of one table."""

    table: Word | None = None
    """By default the feed's own name."""
    columns: dict[Word, Ways]
    when: tuple[Condition, ...] = ()
    unless: Annotated[tuple[Word, ...], BeforeValidator(_one_or_more)] = ()
    """Objects; if the source has one of them, this feed is not made."""
    attributes: bool = False
    """Whether further columns are kept as attributes."""
    empty: dict[Word, str] = Field(default_factory=dict)
    """Of columns that no row of a file fills, what to say then, as in `nothing says which deals are closed`."""
    tracks: Word | None = None
    """The table whose columns' changes these rows are: `field` becomes the column's name there, and values are read as
    that column's are; what is no column there is left out. A feed without a column `field` holds whole states of that
    table's rows: each becomes a row a column."""
    fields: dict[str, Word] = Field(default_factory=dict)
    """Further names of fields, and the columns they are."""
    changes: Changes | None = None


class MappedObject(Frozen):
    """One table of the source, by the names its files go by and the columns by which it is known."""

    files: Annotated[tuple[Word, ...], BeforeValidator(_one_or_more)] = ()
    """Names besides the object's own; what a file's name adds to them must be an affix, a number or a date."""
    needs: tuple[Names, ...] = ()
    """Columns without which it is not this object, whatever its name; of each entry one name."""
    known_by: tuple[Names, ...] = ()
    """Columns by which it is known where a file's name says nothing; none: by name only."""
    feeds: dict[Word, Feed]


class SourceMapping(Frozen):
    """A kind of source."""

    kind: Word
    extends: Word | None = None
    ids: Literal["text", "salesforce_id"] = "text"
    """How columns that end in _id are read."""
    prefixes: tuple[str, ...] = ()
    """What may stand before a column's name."""
    affixes: tuple[str, ...] = ()
    """Words in a file's name that say nothing."""
    system: tuple[str, ...] = ()
    """Columns that are no attributes; `*` stands for anything."""
    modified: Names = ()
    """Columns that say when a row was last changed: a database is read from there on."""
    objects: dict[Word, MappedObject | None]
    """By name; null leaves out one of the mapping that is extended."""

    @property
    def all_objects(self) -> dict[str, MappedObject]:
        """The objects that are not left out."""
        return {name: mapped for name, mapped in self.objects.items() if mapped is not None}


def parse_mapping(
    text: str,
    file: str,
    base: Mapping[str, Any] | None = None,
    check: Callable[[SourceMapping], Iterable[tuple[tuple[str | int, ...], str]]] = lambda _mapping: (),
) -> SourceMapping:
    """Read a mapping's text, over the one it extends.

    Parameters
    ----------
    base : the plain value of the mapping that it extends.
    check : what is wrong with a mapping besides its grammar: (path of keys, words).

    Raises
    ------
    ConfigError : with every fault and its line.
    """
    return parse_file(SourceMapping, text, file, base, check)
