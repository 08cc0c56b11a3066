"""The canonical tables, as data: every column, its type, whether it must be there, and what it may hold.

A rate of fx_rates is what one unit of its currency is worth in the unit of the table, from its date on: in a table in
euros, USD stands with 0.92. (Salesforce's DatedConversionRate says it the other way round: take its inverse.) The unit
itself need not stand in the table; where it does, its rate is 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["text", "number", "integer", "instant", "flag", "list"]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    required: the column must be there. nullable: a row may leave it empty. values: all it may hold (in lower case),
    any if empty. references: the table whose key it holds. ranged: a number that may be written as `51-200` or
    `1,000+`; how it was written stands in the column `<name>_kind`. money: a number that may carry a currency, which
    fills the table's `currency`. whole: counts things, so that what is made of a range is rounded. positive: above
    zero. open_ended: an end, which far in the future means none.
    """

    name: str
    type: ColumnType = "text"
    required: bool = False
    nullable: bool = True
    values: tuple[str, ...] = ()
    references: str | None = None
    ranged: bool = False
    money: bool = False
    whole: bool = False
    positive: bool = False
    open_ended: bool = False

    @property
    def is_id(self) -> bool:
        """Whether it holds an identifier, which is text, always."""
        return self.name.endswith("_id")


@dataclass(frozen=True)
class Table:
    """One table of the contract.

    key: the columns no two rows may share (empty: only rows that are equal throughout count as duplicates).
    open: further columns are kept, as attributes. one_of: at least one of these columns must be there, and filled in
    every row. clock: the instants whose newest says how far the table reaches.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    open: bool = False
    one_of: tuple[str, ...] = ()
    clock: tuple[str, ...] = ()

    def column(self, name: str) -> Column | None:
        """The column of that name, if the contract has it."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns, in order."""
        return tuple(column.name for column in self.columns)


KINDS_OF_NUMBER = ("exact", "range", "at_least")
"""How a number was written: as it is, as `51-200` (the geometric mean), or as `1,000+` (the bound)."""
MODIFIED = Column("modified_at", "instant")
"""When the row was last changed where it comes from: of two exports' rows with one key the newer counts; no fact."""


def _must(name: str, type: ColumnType = "text", references: str | None = None, nullable: bool = False) -> Column:
    return Column(name, type, required=True, nullable=nullable, references=references)


def _may(name: str, type: ColumnType = "text", references: str | None = None) -> Column:
    return Column(name, type, references=references)


_ALL = (
    Table(
        "accounts",
        (
            _must("account_id"),
            _may("name"),
            _may("domain"),
            _may("parent_account_id", references="accounts"),
            _may("master_account_id"),
            _may("sync_id"),
            _may("industry"),
            Column("employee_count", "number", ranged=True, whole=True),
            Column("employee_count_kind", values=KINDS_OF_NUMBER),
            Column("annual_revenue", "number", ranged=True, money=True),
            Column("annual_revenue_kind", values=KINDS_OF_NUMBER),
            _may("currency"),
            _may("country"),
            _may("region"),
            _may("technologies", "list"),
            _may("created_at", "instant"),
            _may("owner_id", references="owners"),
            _may("deleted_at", "instant"),
            MODIFIED,
        ),
        key=("account_id",),
        open=True,
        clock=("created_at",),
    ),
    Table(
        "account_history",
        (
            _must("account_id", references="accounts"),
            _must("field"),
            _may("old_value"),
            _must("new_value", nullable=True),
            _must("changed_at", "instant"),
        ),
        clock=("changed_at",),
    ),
    Table(
        "contacts",
        (
            _must("contact_id"),
            _may("account_id", references="accounts"),
            _may("title"),
            _may("role"),
            _may("email_domain"),
            _may("created_at", "instant"),
            _may("linked_at", "instant"),
            Column("unlinked_at", "instant", open_ended=True),
            _may("deleted_at", "instant"),
            _may("sync_id"),
            MODIFIED,
        ),
        key=("contact_id",),
        one_of=("account_id", "email_domain"),
        clock=("created_at", "linked_at"),
    ),
    Table(
        "contact_history",
        (
            _must("contact_id", references="contacts"),
            _must("field"),
            _may("old_value"),
            _must("new_value", nullable=True),
            _must("changed_at", "instant"),
        ),
        clock=("changed_at",),
    ),
    Table(
        "activities",
        (
            _must("activity_id"),
            _may("account_id", references="accounts"),
            _may("contact_id", references="contacts"),
            _may("lead_id", references="leads"),
            _may("identity_id", references="identities"),
            _may("domain"),
            _must("occurred_at", "instant"),
            _may("recorded_at", "instant"),
            _must("channel"),
            _must("kind"),
            Column("initiator", values=("buyer", "seller")),
            _may("value", "number"),
            _may("topic"),
            MODIFIED,
        ),
        key=("activity_id",),
        one_of=("account_id", "contact_id", "lead_id", "identity_id", "domain"),
        clock=("occurred_at", "recorded_at"),
    ),
    Table(
        "leads",
        (
            _must("lead_id"),
            _may("domain"),
            _may("created_at", "instant"),
            _may("converted_at", "instant"),
            _may("converted_account_id", references="accounts"),
            _may("title"),
            _may("deleted_at", "instant"),
            MODIFIED,
        ),
        key=("lead_id",),
        clock=("created_at", "converted_at"),
    ),
    Table(
        "identities",
        (
            _must("identity_id"),
            _must("account_id", references="accounts"),
            _may("method"),
            _may("confidence", "number"),
            _must("linked_at", "instant"),
        ),
        clock=("linked_at",),
    ),
    Table(
        "owners",
        (
            _must("owner_id"),
            _may("team"),
            _may("territory"),
            _may("segment"),
            _may("time_zone"),
            _may("active_from", "instant"),
            Column("active_to", "instant", open_ended=True),
            _may("capacity_tier_1", "integer"),
            _may("capacity_tier_2", "integer"),
            _may("capacity_tier_3", "integer"),
            MODIFIED,
        ),
        key=("owner_id",),
    ),
    Table(
        "opportunities",
        (
            _must("opportunity_id"),
            _must("account_id", references="accounts"),
            _must("created_at", "instant"),
            _may("closed_at", "instant"),
            _may("stage"),
            _may("is_closed", "flag"),
            _may("is_won", "flag"),
            Column("amount", "number", money=True),
            _may("currency"),
            _may("type"),
            _may("pipeline"),
            _may("product"),
            _may("source"),
            _may("sync_id"),
            _may("deleted_at", "instant"),
            MODIFIED,
        ),
        key=("opportunity_id",),
        clock=("created_at",),
    ),
    Table(
        "opportunity_stages",
        (_must("opportunity_id", references="opportunities"), _must("stage"), _must("entered_at", "instant")),
        clock=("entered_at",),
    ),
    Table(
        "exclusions",
        (
            _may("account_id", references="accounts"),
            _may("domain"),
            _may("country"),
            _must("reason"),
            _may("starts_on", "instant"),
            Column("ends_on", "instant", open_ended=True),
            _may("recorded_at", "instant"),
        ),
        one_of=("account_id", "domain", "country"),
        clock=("recorded_at",),
    ),
    Table(
        "account_merges",
        (_must("losing_id"), _must("surviving_id"), _must("merged_at", "instant")),
        key=("losing_id",),
        clock=("merged_at",),
    ),
    Table(
        "fx_rates",
        (
            _must("currency"),
            _must("date", "instant"),
            Column("rate", "number", required=True, nullable=False, positive=True),
        ),
        key=("currency", "date"),
        clock=("date",),
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _ALL}
"""Every table of the contract, by name."""

OUTCOME_TABLES = ("opportunities", "activities")
"""The tables that can hold an outcome; one of them must be there."""
