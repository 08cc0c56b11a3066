"""The door to a source's database: its URL, one read-only transaction, and faults told without the password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from tierwise.config.workspace import Source
from tierwise.data.sources.urls import first_line, shown, without_secrets
from tierwise.errors import ConfigError, EnvironmentFault, TierwiseError, UserError

CONNECT_SECONDS = 10
_OPTIONAL = {"snowflake": "snowflake", "bigquery": "bigquery"}
"""Databases read by an optional driver, and the extra that installs it; none has been tested."""
_EXAMPLES = "postgresql://USER:${PASSWORD}@HOST/DATABASE or sqlite:///FILE"


def read_url(source: Source, folder: Path) -> tuple[URL, str | None]:
    """The URL of a source, with the driver we read it by, and the schema that its `?schema=` names.

    An SQLite file stands relative to the workspace's folder and is opened read-only.

    Raises
    ------
    ConfigError : it is no URL. Its text is not repeated: it may hold a password.
    UserError : there is no such SQLite file.
    """
    asked = f"source '{source.name}' was to be read from a database"
    if source.at.partition("?")[0].count("@") > 1:
        do = "Percent-encode the password's own @ as %40"
        raise ConfigError(asked, found="its URL holds more than one @", do=do)
    try:
        url = make_url(source.at)
    except (ArgumentError, ValueError):
        raise ConfigError(asked, found="its URL cannot be read", do=f"Write {_EXAMPLES}") from None
    schema = url.query.get("schema")
    url = url.difference_update_query(["schema"])
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite":
        url = _sqlite(source, folder, url)
    return url, schema if isinstance(schema, str) and schema else None


def _sqlite(source: Source, folder: Path, url: URL) -> URL:
    path = (folder / (url.database or "")).absolute()
    if not path.is_file():
        raise UserError(
            f"source '{source.name}' was looked for in {path}",
            found="there is no such file",
            do="Write sqlite:///FILE, relative to the workspace, or sqlite:////FILE from the root",
        )
    return url.set(database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})


@contextmanager
def connected(source: Source, folder: Path) -> Iterator[tuple[Connection, str | None]]:
    """A connection in one read-only transaction, and the schema to read.

    Raises
    ------
    EnvironmentFault : it cannot be reached, its driver is missing, or it refuses; the source is named, no secret is.
    """
    url, schema = read_url(source, folder)
    with _faults(source, url):
        engine = create_engine(url, poolclass=NullPool, connect_args=_connect_args(url))
        try:
            with engine.connect() as connection:
                _begin(connection)
                yield connection, schema
        finally:
            engine.dispose()


def _connect_args(url: URL) -> dict[str, Any]:
    timed = url.get_backend_name() == "postgresql" and "connect_timeout" not in url.query
    return {"connect_timeout": CONNECT_SECONDS} if timed else {}


def _begin(connection: Connection) -> None:
    """Every table of a run is read as of one instant, where the database can do that."""
    if connection.dialect.name == "postgresql":
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        connection.exec_driver_sql("SET TIME ZONE 'UTC'")
    elif connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN")


@contextmanager
def _faults(source: Source, url: URL) -> Iterator[None]:
    try:
        yield
    except TierwiseError:
        raise
    except NoSuchModuleError:
        name = url.get_backend_name()
        raise _missing(source, name, f"no driver for '{name}' is installed", name) from None
    except ImportError as error:
        says = f"the Python module {error.name} is not installed"
        raise _missing(source, url.get_backend_name(), says, error.name or "") from None
    except DBAPIError as error:
        raise _fault(source, url, str(error.orig)) from None
    except (SQLAlchemyError, ArgumentError, ValueError, TypeError) as error:
        raise _fault(source, url, str(error)) from None


def _missing(source: Source, backend: str, says: str, module: str) -> EnvironmentFault:
    if backend in _OPTIONAL:
        do = f"pip install 'tierwise[{_OPTIONAL[backend]}]'; reading {backend} so is untested"
    elif backend == "postgresql":
        do = "pip install 'psycopg[binary]'"
    else:
        do = f"Install SQLAlchemy's driver ({module}); PostgreSQL and SQLite are tested, others are not"
    return EnvironmentFault(f"source '{source.name}' was to be read from a {backend} database", found=says, do=do)


def _fault(source: Source, url: URL, told: str) -> EnvironmentFault:
    words = without_secrets(first_line(told), url)
    return EnvironmentFault(
        f"source '{source.name}' was to be read from {shown(url)}", found=words, do=_advice(url, words.lower())
    )


def _advice(url: URL, words: str) -> str:
    if url.get_backend_name() == "sqlite":
        return "Check that the file is an SQLite database and may be read"
    if "password" in words or "authentication" in words:
        return "Check user and password; what is special in a URL (@ : / ? # %) is percent-encoded in the password"
    if "permission denied" in words:
        return "Grant this user SELECT on what is named, or name a schema that it may read with ?schema="
    if "does not exist" in words:
        return "Check the names of database, schema and user"
    if any(word in words for word in ("refused", "timeout", "timed out", "resolve", "could not connect", "no such")):
        return "Check host and port, that the server runs, and that this machine may reach it"
    return "Check that the server runs, and that this user may connect and read"
