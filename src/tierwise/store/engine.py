"""The door to the database: URLs, SQLite's settings, and faults told without the password."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from tierwise.data.sources.urls import first_line, shown, without_secrets
from tierwise.errors import EnvironmentFault

BUSY_SECONDS = 30
"""How long a writer waits for another process's transaction on the same SQLite file."""


def read_url(text: str) -> URL:
    """Read a store's URL: `sqlite:///file`, or `postgresql://` (driver psycopg 3).

    Raises
    ------
    EnvironmentFault : it is no URL, or of another database. The text is not repeated: it may hold a password.
    """
    asked, do = "the store was asked for", "Write sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise EnvironmentFault(asked, found="its URL cannot be read", do=do) from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise EnvironmentFault(asked, found=f"its URL names the database '{url.drivername}'", do=do)
    return url


def sqlite_file(url: URL) -> Path | None:
    """The file of a SQLite URL; None in memory and for other databases."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def make_engine(url: URL) -> Engine:
    """An engine whose SQLite connections survive a kill and a power cut: WAL, synchronous FULL, busy timeout."""
    if url.get_backend_name() != "sqlite":
        given = {} if "connect_timeout" in url.query else {"connect_timeout": 10}
        return create_engine(url, pool_pre_ping=True, connect_args=given)
    kept: dict[str, Any] = {"poolclass": NullPool} if sqlite_file(url) else {}
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, **kept)

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={BUSY_SECONDS * 1000}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def faults(url: URL, asked: str) -> Iterator[None]:
    """Turn what a database or its disk refuses into an EnvironmentFault that hides the password."""
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise _fault(url, asked, str(error.orig)) from None
    except (NoSuchModuleError, ImportError, OSError, ArgumentError, sqlite3.Error) as error:
        raise _fault(url, asked, str(error)) from None


def _fault(url: URL, asked: str, told: str) -> EnvironmentFault:
    words = without_secrets(first_line(told), url)
    if "psycopg" in words and "No module" in words:
        do = "Install psycopg: pip install 'psycopg[binary]'"
    elif url.get_backend_name() == "sqlite":
        do = (
            "Check that its folder is there and writable, that the disk has room, and that the file is a tierwise store"
        )
    else:
        do = "Check that the server runs, and that this user may connect, read and write"
    return EnvironmentFault(asked, found=f"{shown(url)} refused: {words}", do=do)
