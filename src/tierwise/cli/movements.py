"""`tierwise report`: what moved since a date, by who looks after the accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tierwise.cli.context import context
from tierwise.cli.show import emit, line, table

SHOWN = 25
"""So many owners are printed, those with the most movements first; the index page names all."""
KINDS = ("up", "down", "entered", "left", "moved")
HEADS = ("up", "down", "in", "out", "moved")


def report(
    since: Annotated[str, typer.Option(help="YYYY-MM-DD: what moved since the newest run by then.")],
    until: Annotated[
        str | None, typer.Option(help="YYYY-MM-DD: up to the newest run by then; default: the current run.")
    ] = None,
    by: Annotated[str, typer.Option(help="owner, team or territory.")] = "owner",
) -> None:
    """Write a page for each owner's Monday: what went up, what went down, and why."""
    from tierwise.jobs import report as run_report

    result = run_report(
        context.workspace(), context.plan, since=since, until=until, by=by, now=context.now, say=context.say
    )
    values = result.values
    if context.as_json:
        emit(result.to_dict() | {"folder": result.folder})
    else:
        moved(values)
        print(f"Report: {result.folder / 'index.html'}")
    context.close(0, run=values["now"]["run_id"])


def moved(values: Mapping[str, Any]) -> None:
    """A line an owner, and a line a cause; each table with its total."""
    by, total = values["by"], values["total"]
    most = sorted(values["groups"], key=lambda group: -group["moved"])[:SHOWN]
    shown = [group for group in values["groups"] if group in most]
    rows = [(group["name"] or f"no {by}", *_cells(group)) for group in shown]
    columns = (by, *HEADS, "to tier_1", "wait", "set")
    title = f"Moved since {values['then']['as_of']}, by {values['now']['as_of']}"
    table(title, columns, [*rows, ("all", *_cells(total))], right=range(1, len(columns)))
    left = len(values["groups"]) - len(shown)
    line("in, out: of the tiers; wait: qualifies for more, and the owner is full; set: by a person's override.")
    if left:
        line(f"{left} more are on the index page: those in which the least moved.")
    if total["came_back"]:
        line(f"{total['came_back']:,} more moved and came back to where they were.")
    causes = [(c["cause"], *(f"{c[kind]:,}" for kind in (*KINDS[:-1], "n"))) for c in total["causes"]]
    if causes:
        table("By the cause of the last step", ("cause", *HEADS), causes, right=range(1, len(HEADS) + 1))


def _cells(group: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"{group[n]:,}" for n in (*KINDS, "new_in_tier_1", "waiting", "overridden"))
