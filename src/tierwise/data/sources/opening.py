"""The sources of a workspace, opened: folders and databases, each a listing of parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tierwise.config.workspace import Settings, Source
from tierwise.data.contract import OUTCOME_TABLES
from tierwise.data.sources.files import list_tables
from tierwise.data.sources.part import Listing
from tierwise.errors import UserError

TABLES_KIND = "tables"


def open_sources(folder: Path, settings: Settings) -> tuple[Listing, ...]:
    """List what every source of a workspace holds, in the order of its settings.

    Of files nothing is read but headers; of databases what is new is copied first, each as of one instant.

    Raises
    ------
    EnvironmentFault, ConfigError, UserError : a database cannot be reached or refuses; no secret is told.
    """
    sources = settings.all_sources
    return tuple(_opened(folder, source, settings, len(sources) == 1) for source in sources)


def _opened(folder: Path, source: Source, settings: Settings, alone: bool) -> Listing:
    if source.kind != TABLES_KIND:
        from tierwise.data.sources.mapped import mapped_parts

        return mapped_parts(folder, source, settings)
    if not source.is_database:
        return list_tables(folder / source.at, source.name, source.formats, alone=alone)
    from tierwise.data.sources.database import database_parts

    listing = database_parts(source, folder, settings.threads)
    if not alone or listing.findings:
        return listing
    there = {part.table for part in listing.parts}
    return replace(listing, findings=tuple(_absent(there, source)))


def _absent(there: set[str], source: Source) -> Iterator[str]:
    """What a database that is the only source must hold, and does not."""
    if "accounts" not in there:
        yield f"accounts: source '{source.name}' holds no table or view of that name; make one, or name its ?schema="
    if not there & set(OUTCOME_TABLES):
        yield f"{', '.join(OUTCOME_TABLES)}: source '{source.name}' holds neither, and one must hold the outcome"


def reached(folder: Path, source: Source) -> str:
    """Look whether a source is there, or its database answers; what is there, in words.

    Raises
    ------
    UserError : there is no such folder or file. EnvironmentFault, ConfigError : the database cannot be reached.
    """
    if source.is_database:
        from tierwise.data.sources.database import reached

        return reached(source, folder)
    at = folder / source.at
    if not at.is_dir():
        raise UserError(
            f"source '{source.name}' was looked for in {at}",
            found="there is no such folder",
            do="Put the exports there, or mend at: in tierwise.yaml",
        )
    return str(at)


def may_hold_secret(url: str) -> bool:
    """Whether the text of a URL holds a secret itself, not by a reference to the environment."""
    from tierwise.data.sources.urls import holds_secret

    return holds_secret(url)
