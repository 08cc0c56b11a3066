"""The verbs of what is owed to people: deliver, status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tierwise.cli import show
from tierwise.cli.context import context
from tierwise.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from tierwise.data import Known
    from tierwise.jobs import DeliverResult, Owed, StatusResult
    from tierwise.routing.delivery import Tally

CLOCK = {"overdue": "overdue", "due": "due", "open": "no date", "done": "done", "done_late": "late"}
"""The states of the SLA clock, as columns are called."""
SHOWN = 10
"""So many dead letters, or plays, are shown."""


def deliver(
    to: Annotated[list[str] | None, typer.Option("--to", help="This sink alone; may be said again.")] = None,
    dead: Annotated[
        bool, typer.Option("--dead", help="Put dead letters back first, so that they are sent again.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Ask each receiver whether it is ready; send nothing.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; send nothing.")] = False,
) -> None:
    """Send what the outbox owes to the sinks of tierwise.yaml, at least once.

    Exit 3: letters died, and a person must look. Exit 5: a receiver takes nothing for now, or is not ready.
    """
    from tierwise import jobs

    if check + dry_run + dead > 1:
        raise UsageError(
            "a delivery was asked for", found="--check, --dry-run and --dead exclude each other", do="Say one"
        )
    workspace, only = context.workspace(), tuple(to or ())
    if check:
        _checked(jobs.check_sinks(workspace, context.plan, only=only))
        return
    if dry_run:
        _owed(jobs.owed_to_sinks(workspace, context.plan, now=context.now, only=only, say=context.say))
        return
    result = jobs.deliver(
        workspace, context.plan, clock=lambda: datetime.now(UTC), dead=dead, only=only, say=context.say
    )
    _delivered(result)
    if result.dead:
        context.close(3, following=context.command("status"))
        raise typer.Exit(3)
    if any(s.tally.said for s in result.sinks):
        context.close(5, following=f"{context.command('deliver')} in a few minutes")
        raise typer.Exit(5)
    context.close(0, following=context.command("deliver") if result.left else "")


def status(
    as_of: Annotated[str | None, typer.Option("--as-of", help="YYYY-MM-DD: as it stood then; by default now.")] = None,
) -> None:
    """Show the newest run, how late the sources are, and what is owed, due and done.

    An action is done by the first activity of a seller at its account since it was owed, whatever its channel.
    """
    from tierwise.clock import instant
    from tierwise.jobs import status as run_status

    now = context.now if as_of is None else instant(as_of)
    result = run_status(context.workspace(), context.plan, now=now, say=context.say)
    _status(result)
    context.close(0)


def _checked(faults: dict[str, list[str]]) -> None:
    if context.as_json:
        show.emit({"sinks": faults})
    else:
        for name, found in faults.items():
            show.line(f"{name}: {'; '.join(found) if found else 'ready'}", indent="  ")
    code = 5 if any(faults.values()) else 0
    context.close(code, following="" if code else context.command("deliver --dry-run"))
    if code:
        raise typer.Exit(code)


def _owed(owed: list[Owed]) -> None:
    if context.as_json:
        show.emit({"sinks": {o.sink: o for o in owed}})
    else:
        for one in owed:
            a = one.actions
            if one.of_accounts:
                show.line(f"{one.sink} ({one.kind}): {_count(len(a), 'account')} with something new to tell")
                for said in one.preview:
                    show.line(said, indent="    ")
                continue
            watching = a[a["overdue_of"] != ""]
            a = a[a["overdue_of"] == ""]
            told = f"{one.sink} ({one.kind}): {_count(len(a), 'action')} owed"
            stopped, later = int((a["stopped"] != "").sum()), int((~a["due"].astype(bool)).sum())
            told += f", {stopped:,} of them to accounts suppressed since" if stopped else ""
            told += f", {later:,} not before their time" if later else ""
            rows = Counter(zip(a["play"], (f"{d:%Y-%m-%d}" for d in a["as_of"]), strict=True)).most_common(SHOWN)
            if one.before and one.since:
                show.line(
                    f"{one.sink}: {_count(one.before, 'action')} of dates before {one.since.date()} are owed, and "
                    "not sent to it; `since:` says otherwise.",
                    indent="  ",
                )
            show.table(told, ("play", "as of", "actions"), [(*key, f"{n:,}") for key, n in rows], right=(2,))
            _if_overdue(watching, one.known)
        show.line("Nothing was sent.")
    context.close(0, following=context.command("deliver"))


def _reach(known_to: datetime | None, because: str) -> str:
    """Up to when it is known what sellers did, and what holds that back."""
    if known_to is not None:
        return f"known to {known_to:%Y-%m-%d %H:%M} UTC" + (f", as {because}" if because else "")
    return because or "no activity of a seller is known"


def _watching(tally: Tally) -> str:
    """What became of actions that are owed only where another is overdue."""
    said = (
        (tally.not_yet, "not before their hour"),
        (tally.unknown, f"once it is known what sellers did by their hour ({_reach(tally.known_to, tally.because)})"),
        (tally.met, "not needed, as what they watch was done"),
    )
    return ", ".join(f"{_count(n, 'action')} {words}" for n, words in said if n)


def _if_overdue(a: pd.DataFrame, known_of: Known) -> None:
    """What is owed only where another action is overdue."""
    if a.empty:
        return
    due, ahead, known, met = (a[name].astype(bool) for name in ("due", "ahead", "known", "met"))
    stopped, known = a["stopped"] != "", known & ~ahead
    parts = [
        (~due, "not before their hour"),
        (due & ahead, "once what they watch went out"),
        (due & ~ahead & ~known, f"once it is known what was done by then ({_reach(known_of.at, known_of.because)})"),
        (due & known & met, "not needed any more"),
        (due & known & ~met & stopped, "stopped, as their accounts are suppressed"),
        (due & known & ~met & ~stopped, "sent now"),
    ]
    told = f"If overdue: {_count(len(a), 'action')}; " + ", ".join(
        f"{int(n.sum()):,} {said}" for n, said in parts if n.any()
    )
    rows = Counter(zip(a["play"], (f"{d:%Y-%m-%d}" for d in a["as_of"]), strict=True)).most_common(SHOWN)
    show.table(told, ("play", "as of", "actions"), [(*key, f"{n:,}") for key, n in rows], right=(2,))


def _delivered(result: DeliverResult) -> None:
    if context.as_json:
        show.emit({"plan": result.plan, "sinks": result.sinks, "notes": result.notes})
        return
    rows = []
    for s in result.sinks:
        counts = (s.tally.delivered, s.tally.stopped, s.tally.later, s.tally.waiting, len(s.tally.dead))
        rows.append((s.sink, *(f"{n:,}" for n in counts)))
    names = ("sink", "delivered", "stopped", "again later", "waiting", "dead")
    show.table(f"Actions of {result.plan}", names, rows, right=(1, 2, 3, 4, 5))
    for s in result.sinks:
        if s.again:
            show.line(f"{s.sink}: {_count(s.again, 'dead letter')} put back.")
        if told := _watching(s.tally):
            show.line(f"{s.sink}, if overdue: {told}.", indent="  ")
        if s.tally.said:
            show.line(f"{s.sink} was left alone: {s.tally.said}.", indent="  ")
        for account, said in list(s.tally.noted.items())[:SHOWN]:
            show.line(f"{s.sink}, {account}: {said}.", indent="  ")
        if len(s.tally.noted) > SHOWN:
            show.line(f"{s.sink}: so much of {len(s.tally.noted) - SHOWN:,} more; --json has all of it.")
        for action_id, said in list(s.tally.dead.items())[:SHOWN]:
            show.line(f"dead: {action_id} at {s.sink}: {said}", indent="  ")
    _notes(result.notes)


def _notes(notes: Sequence[str]) -> None:
    for said in notes:
        show.line(f"Note: {said}.", indent="  ")


def _status(result: StatusResult) -> None:
    if context.as_json:
        show.emit(result.to_dict())
        return
    run = result.run
    if run is None:
        show.line(f"{result.plan}: no run was published yet.")
    else:
        age = f"{result.days:,.1f} days ago" if result.days is not None else ""
        show.line(f"{result.plan}: newest run {run.run_id}, as of {run.as_of.date()}, {age}.")
    for line in result.sources:
        show.line(line, indent="  ")
    for held in result.held:
        show.line(f"held: run {held}; look at it with `{context.command('score --as-of DATE --dry-run')}`", indent="  ")
    for by, table in result.clock.items():
        shown = table.head(SHOWN)
        lines = [(r[by], *(f"{r[k]:,}" for k in (*CLOCK, "n"))) for r in shown.to_dict("records")]
        title = f"Work owed, by {by}" + (f" (the first {SHOWN} of {len(table):,})" if len(table) > SHOWN else "")
        if lines:
            show.table(title, (by, *CLOCK.values(), "all"), lines, right=(1, 2, 3, 4, 5, 6))
    told = "of them, by sink:" if result.sinks else "no sink is named here."
    show.line(f"{_count(result.owed, 'action')} in the outbox stand (owed, and not withdrawn); {told}")
    rows = [(s.sink, s.kind, *(f"{n:,}" for n in (s.delivered, s.waiting, s.dead)), s.next_at) for s in result.sinks]
    if rows:
        show.table("Sinks", ("sink", "kind", "delivered", "waiting", "dead", "next at"), rows, right=(2, 3, 4))
    for sink in result.sinks:
        o = sink.overdue
        if o.waiting or o.unknown or o.sent or o.met:
            first = f" (the first: {o.next_at})" if o.next_at else ""
            told = f"{o.waiting:,} wait for their hour{first}, "
            if o.unknown:
                reach = _reach(result.known.at, result.known.because)
                told += f"{o.unknown:,} until it is known what sellers did by theirs ({reach}), "
            told += f"{o.sent:,} were sent, {o.met:,} were not needed"
            show.line(f"If overdue, at {sink.sink}: {told}.", indent="  ")
        for action_id, account, said in sink.letters[:SHOWN]:
            show.line(f"dead at {sink.sink}: {action_id} ({account}): {said}", indent="  ")
    _notes(result.notes)
    if any(s.dead for s in result.sinks):
        show.line(f"`{context.command('deliver --dead')}` sends dead letters again.")


def _count(n: int, what: str) -> str:
    return f"1 {what}" if n == 1 else f"{n:,} {what}s"
