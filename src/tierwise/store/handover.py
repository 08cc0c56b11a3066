"""Actions handed over as rows of one table of a database of the user's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, DateTime, MetaData, String, Table, Text, insert, inspect, select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from tierwise.data.sources.urls import first_line, without_secrets
from tierwise.store.engine import faults, make_engine, read_url

CHUNK = 500
OF_ROWS = ("22", "23", "44", "P0")
"""Classes of SQLSTATE that say something of a row: its data, a constraint, a view's check, what a trigger raised."""


def handed_table(name: str) -> Table:
    """The table: an action a row, under its stable id."""
    return Table(
        name,
        MetaData(),
        Column("action_id", String(80), primary_key=True),
        Column("plan", String(60), nullable=False),
        Column("account_id", Text, nullable=False),
        Column("as_of", DateTime, nullable=False),
        Column("play", Text),
        Column("owner", Text),
        Column("tier", Text),
        Column("due_at", DateTime),
        Column("message", Text),
        Column("payload", Text, nullable=False),
    )


def hand_over(url: str, table: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Write rows in one transaction, those of an id that is there already apart; where one is refused for what is in
    it, each in a transaction of its own. The refused ones: action_id -> why, in the database's words. The table is
    made where there is none.

    Raises
    ------
    EnvironmentFault : the database refuses; its password is hidden.
    """
    read, there = read_url(url), handed_table(table)
    engine = make_engine(read)
    try:
        with faults(read, "actions were handed over"), engine.connect() as connection:
            connection = connection.execution_options(writes=True)
            if not _refused(connection, there, rows):
                return {}
            why = {row["action_id"]: _refused(connection, there, [row]) for row in rows}
    finally:
        engine.dispose()
    return {action_id: without_secrets(words, read) for action_id, words in why.items() if words}


def _refused(connection: Connection, there: Table, rows: Sequence[Mapping[str, Any]]) -> str:
    """Write the new ones of some rows in one transaction; why the database refuses what is in them, "" if it does
    not."""
    try:
        with connection.begin():
            there.create(connection, checkfirst=True)
            ids, known = [row["action_id"] for row in rows], set()
            for start in range(0, len(ids), CHUNK):
                of_these = there.c.action_id.in_(ids[start : start + CHUNK])
                known |= set(connection.scalars(select(there.c.action_id).where(of_these)))
            new = [dict(row) for row in rows if row["action_id"] not in known]
            if new:
                connection.execute(insert(there), new)
    except DBAPIError as error:
        state = str(getattr(error.orig, "sqlstate", None) or "")
        if not isinstance(error, IntegrityError | DataError) and state[:2] not in OF_ROWS:
            raise
        return first_line(str(error.orig))
    return ""


def lacking(url: str, table: str) -> list[str]:
    """The columns that a table of this name lacks; none where it is whole, or is not there yet.

    Raises
    ------
    EnvironmentFault : the database cannot be reached; its password is hidden.
    """
    read = read_url(url)
    engine = make_engine(read)
    try:
        with faults(read, "a table was looked at"), engine.connect() as connection:
            seen = inspect(connection)
            if not seen.has_table(table):
                return []
            found = {column["name"] for column in seen.get_columns(table)}
    finally:
        engine.dispose()
    return [column.name for column in handed_table(table).columns if column.name not in found]
