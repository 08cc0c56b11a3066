"""The tables as they would have been read on a date: counted, explained, and written where asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from tierwise.clock import instant
from tierwise.config import PlanFiles, Workspace
from tierwise.data import AsOfView, Rebuilt, Warehouse, as_of_view
from tierwise.errors import UsageError
from tierwise.jobs.intake import check_as_of, taken_in
from tierwise.learning.progress import Say, silent
from tierwise.publishing import disk


@dataclass(frozen=True)
class TablesAsOf:
    """The tables on a date.

    rows : a row a table: table, then, now (rows on the date and today), newest (the newest fact known then).
    attributes : how each column that may change was rebuilt. folder : where the tables were written, if they were.
    """

    as_of: datetime
    rows: pd.DataFrame
    attributes: tuple[Rebuilt, ...]
    folder: Path | None


def tables_as_of(
    workspace: Workspace,
    plan: str | None = None,
    *,
    as_of: str | datetime,
    to: Path | None = None,
    now: datetime | None = None,
    say: Say = silent,
) -> TablesAsOf:
    """Show the tables as they would have been read on a date, merges and parents as they are today (identity).

    to : a folder, empty or not there yet, in which they are written as Parquet, as `init --tables` reads them.

    Raises
    ------
    UsageError : nothing had happened by then, or the folder holds something.
    """
    files, stand = workspace.plan(plan), instant(as_of)
    if to is not None and to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UsageError(
            f"the tables as of {stand.date()} were to be written to {to}",
            found="it is there, and holds something",
            do="Name a folder that is empty or not there yet",
        )
    with taken_in(workspace, say, now) as intake:
        check_as_of(intake, stand)
        say(f"going back to {stand.date()}")
        view = as_of_view(intake.warehouse, stand, clocks(files))
        rows = view.rows(intake.warehouse)
        if to is not None:
            _write(view, rows, intake.warehouse, to)
    return TablesAsOf(stand, rows, view.attributes, to)


def clocks(files: PlanFiles) -> dict[str, str]:
    """What the plan says of attributes, and of contacts' roles."""
    features = files.plan.features
    return {a.attribute: a.clock for a in features.fit} | {"contacts.role": features.signal.buying_group.clock}


def _write(view: AsOfView, rows: pd.DataFrame, warehouse: Warehouse, to: Path) -> None:
    with disk(f"the tables as of {view.as_of.date()} were written to {to}"):
        to.mkdir(parents=True, exist_ok=True)
        for name in rows.loc[rows["then"] > 0, "table"]:
            warehouse.write(view.queries[name], to / f"{name}.parquet")
