"""The verbs that make a workspace and check it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tierwise.cli import show
from tierwise.cli.context import context
from tierwise.errors import TablesRefused, UsageError


def init(
    folder: Annotated[Path, typer.Argument(help="Where to make the workspace, or one that is there.")],
    tables: Annotated[str | None, typer.Option(help="A folder of tables, or the URL of a database.")] = None,
    salesforce: Annotated[str | None, typer.Option(help="A folder of Salesforce exports, or a URL.")] = None,
    hubspot: Annotated[str | None, typer.Option(help="A folder of HubSpot exports, or a URL.")] = None,
    name: Annotated[str, typer.Option("--name", help="What to call the plan.")] = "new_business",
) -> None:
    """Make a workspace on one source or several, with a drafted plan.

    A URL names its password as ${VARIABLE}, in single quotes. Without a source, a further plan is drafted in a
    workspace that is there.
    """
    from tierwise.cli import tables as printed
    from tierwise.jobs import init as run_init

    with _refusals_shown(f"declare it in {folder / 'tierwise.yaml'}; then: tierwise init {shlex.quote(str(folder))}"):
        result = run_init(
            folder, tables, salesforce=salesforce, hubspot=hubspot, plan=name, now=context.now, say=context.say
        )
    files = result.workspace.plan(name)
    if context.as_json:
        found = result.draft
        show.emit(
            {
                "workspace": folder,
                "plan": name,
                "tables": result.counts.to_dict("records"),
                "matches": result.matches.to_dict("records"),
                "notes": result.notes,
                "outcome": asdict(found.outcome) | {"outcome": found.outcome.outcome.model_dump(mode="json")},
                "tried": [candidate.counted for candidate in found.tried],
                "ladder": asdict(found.ladder) | {"possible": found.ladder.possible},
                "attributes": dict(found.attributes),
                "left_out": dict(result.left_out),
            }
        )
    else:
        printed.taken_in(result.counts, result.matches)
        printed.drafted(result.draft)
        print(f"Plan: {files.folder / 'model.yaml'}")
    context.plan = name if len(result.workspace.plans) > 1 else None
    context.close(0, following=context.command("check", folder))


@contextmanager
def _refusals_shown(following: str) -> Iterator[None]:
    """Print what refuses the tables, where something does, and end the command."""
    from tierwise.audit import of_contract
    from tierwise.cli import tables

    try:
        yield
    except TablesRefused as refused:
        seen, found = refused.seen, of_contract(refused.seen.findings)
        if context.as_json:
            show.emit(
                {
                    "tables": seen.counts.to_dict("records"),
                    "quarantine": seen.quarantine.to_dict("records"),
                    "notes": seen.notes,
                    "findings": [f.to_dict() for f in found],
                }
            )
        else:
            tables.read(seen)
            tables.findings(found)
        context.close(TablesRefused.exit_code, following=f"mend what is listed, or {following}")
        raise typer.Exit(TablesRefused.exit_code) from None


def check(
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="YYYY-MM-DD: show the tables as they would have been read then.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="With --as-of: a new folder to write those tables to.")] = None,
    file: Annotated[Path | None, typer.Option(help="One CSV or Parquet table instead of the workspace.")] = None,
    outcome: Annotated[str | None, typer.Option(help="With --file: the column of the outcome.")] = None,
    positive: Annotated[str | None, typer.Option(help="With --file: its value that counts.")] = None,
    order: Annotated[str | None, typer.Option(help="With --file: a column that rises with time.")] = None,
    dated: Annotated[
        list[str] | None, typer.Option(help="With --file: COLUMN=DATES, the column that says when another was filled.")
    ] = None,
    delimiter: Annotated[str | None, typer.Option(help="With --file: what parts a CSV's fields; or tab.")] = None,
    encoding: Annotated[str | None, typer.Option(help="With --file: as windows-1252.")] = None,
    decimal: Annotated[str | None, typer.Option(help="With --file: its decimal mark, a point or a comma.")] = None,
    dates: Annotated[str | None, typer.Option(help="With --file: day_first or month_first, besides ISO.")] = None,
) -> None:
    """Check the tables, the plan, and what would leak."""
    of_file = {"outcome": outcome, "positive": positive, "order": order, "dated": dated}
    formats = {"delimiter": delimiter, "encoding": encoding, "decimal": decimal, "dates": dates}
    _check_together({"file": file, **of_file, **formats}, {"as-of": as_of, "to": to})
    if file is not None and outcome is not None:
        _check_file(file, outcome, positive, order, dated or [], formats)
    from tierwise.cli import tables
    from tierwise.jobs import check as run_check

    if _check_as_of(as_of, to):
        return
    with _refusals_shown("declare it in tierwise.yaml; then check again"):
        result = run_check(context.workspace(), context.plan, now=context.now, say=context.say)
    if context.as_json:
        show.emit(
            {
                "plan": result.plan,
                "tables": result.intake.counts.to_dict("records"),
                "quarantine": result.intake.quarantine.to_dict("records"),
                "noise": result.intake.noise.to_dict("records"),
                "duplicates": result.intake.duplicates.to_dict("records"),
                "coverage": result.coverage.frame.to_dict("records"),
                "notes": result.intake.notes,
                "ladder": asdict(result.ladder) | {"possible": result.ladder.possible},
                "findings": [f.to_dict() for f in result.findings],
            }
        )
    else:
        tables.checked(result)
    code = 2 if result.blocked else 0
    following = "mend what blocks in models/, then check again" if result.blocked else context.command("train")
    context.close(code, following=following)
    raise typer.Exit(code)


def _check_together(of_file: Mapping[str, object], of_workspace: Mapping[str, object]) -> None:
    """Refuse options that do not go together.

    Raises
    ------
    UsageError : some are of one table, and others of the workspace, or the table or its outcome is not named.
    """
    one, whole = ([f"--{name}" for name, value in told.items() if value] for told in (of_file, of_workspace))
    if one and whole:
        raise UsageError(
            f"{', '.join(whole)} was given with {', '.join(one)}",
            found=f"{whole[0]} is of a workspace's tables, and {one[0]} of one table",
            do="Give the one or the other",
        )
    if one and not (of_file["file"] and of_file["outcome"]):
        raise UsageError(f"one table was to be checked ({', '.join(one)})", do="Give both --file and --outcome")


def _check_file(
    file: Path,
    outcome: str,
    positive: str | None,
    order: str | None,
    dated: list[str],
    formats: Mapping[str, str | None],
) -> None:
    """Check one table; ends the command."""
    from tierwise.cli import tables
    from tierwise.data import flat_formats
    from tierwise.jobs import check_file

    pairs = [pair.partition("=") for pair in dated]
    if wrong := [a + b for a, b, c in pairs if not (a and c)]:
        raise UsageError(f"--dated {wrong[0]} was given", do="Write it as COLUMN=DATES, two columns of the table")
    dates = {a: c for a, _, c in pairs}
    written = flat_formats(**formats)
    findings = check_file(file, outcome, positive=positive, order=order, dates=dates, formats=written)
    if context.as_json:
        show.emit({"file": str(file), "outcome": outcome, "findings": [f.to_dict() for f in findings]})
    else:
        tables.findings(findings)
    code = 2 if any(f.severity == "blocks" for f in findings) else 0
    context.close(code, following="leave out what blocks, and date the rest" if code else "")
    raise typer.Exit(code)


def _check_as_of(as_of: str | None, to: Path | None) -> bool:
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
