"""`check --as-of`: the tables as they would have been read on a date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tierwise.cli import show
from tierwise.errors import UsageError

if TYPE_CHECKING:
    from tierwise.cli.app import Context


def check_as_of(context: Context, as_of: str | None, to: Path | None) -> bool:
    """Show the tables on a date, where one is given; whether one was.

    Raises
    ------
    UsageError : a folder is given without a date.
    """
    if as_of is None:
        if to is not None:
            raise UsageError(
                f"tables were to be written to {to}", found="no date was given", do="Add --as-of YYYY-MM-DD"
            )
        return False
    from tierwise.cli import tables
    from tierwise.jobs import tables_as_of

    result = tables_as_of(context.workspace(), context.plan, as_of=as_of, to=to, now=context.now, say=context.say)
    if context.as_json:
        show.emit(
            {
                "as_of": result.as_of.date(),
                "tables": result.rows.to_dict("records"),
                "attributes": [{"table": r.table, "column": r.column, "how": r.how} for r in result.attributes],
                "folder": result.folder,
            }
        )
    else:
        tables.as_of(result)
    context.close(0, following="" if result.folder is None else f"tierwise init DIR --tables {result.folder}")
    return True
