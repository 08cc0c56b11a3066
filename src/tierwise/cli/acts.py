"""The verbs by which a person acts on an account, a fact, or a held run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from tierwise.cli import show
from tierwise.cli.context import context
from tierwise.errors import UsageError

if TYPE_CHECKING:
    from tierwise.errors import RunHeld
    from tierwise.governance import Braking
    from tierwise.jobs import ActResult

By = Annotated[str, typer.Option("--by", help="Who does it: a name or a role, kept with the act.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the act, and shown.")]


def override(
    account: Annotated[str, typer.Argument(help="The account's id.")],
    reason: Reason,
    by: By,
    tier: Annotated[str | None, typer.Option(help="tier_1, tier_2, tier_3 or recycle.")] = None,
    until: Annotated[
        str | None, typer.Option(help="YYYY-MM-DD: runs of dates before it have the tier; at most 180 days ahead.")
    ] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="End the override that is there.")] = False,
) -> None:
    """Set an account's tier for a while, from the next run on.

    No override lifts a suppression, or a misfit above its guardrail.
    """
    from tierwise.jobs import override as run_override
    from tierwise.jobs import withdraw as run_withdraw

    if withdraw == bool(tier or until) or bool(tier) != bool(until):
        raise UsageError(
            f"account '{account}' was to be overridden",
            found="--tier and --until go together, and not with --withdraw",
            do="Say --tier TIER --until DATE, or --withdraw",
        )
    workspace = context.workspace()
    if tier and until:
        result = run_override(
            workspace, account, context.plan, tier=tier, reason=reason, by=by, until=until, made_at=context.now
        )
        done = f"{account} stands in {tier} in runs of dates from tomorrow on and before {until}"
    else:
        result = run_withdraw(workspace, account, context.plan, reason=reason, by=by, made_at=context.now)
        done = f"{account} goes by the policy again, in runs of dates from tomorrow on"
    _kept(result, done)
    context.close(0, following=context.command("score --as-of DATE"))


def dispute(
    reason: Reason,
    by: By,
    activity: Annotated[str | None, typer.Option(help="The id of the activity that is wrong.")] = None,
    account: Annotated[str | None, typer.Option(help="The account of which a value is wrong,")] = None,
    attribute: Annotated[str | None, typer.Option(help="and the attribute.")] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="End the dispute of it that is there.")] = False,
) -> None:
    """Mark a fact wrong from now on; dates up to now still read it."""
    from tierwise.jobs import dispute as run_dispute
    from tierwise.jobs import withdraw_dispute as run_withdraw

    fact, workspace = activity or f"{attribute} of {account}", context.workspace()
    if withdraw:
        result = run_withdraw(
            workspace, activity=activity, account=account, attribute=attribute, reason=reason, by=by,
            made_at=context.now,
        )  # fmt: skip
        done = f"{fact} is read again in runs of dates from tomorrow on"
    else:
        result = run_dispute(
            workspace, context.plan, activity=activity, account=account, attribute=attribute, reason=reason, by=by,
            made_at=context.now, say=context.say,
        )  # fmt: skip
        done = f"{fact} is not read in runs of dates from tomorrow on"
    _kept(result, done)
    context.close(0, following=context.command("score --as-of DATE"))


def release(
    run: Annotated[str, typer.Argument(help="The id of the held run.")],
    reason: Reason,
    by: By,
) -> None:
    """Let a held run go: the next score of its date publishes it."""
    from tierwise.jobs import release as run_release

    result = run_release(context.workspace(), run, context.plan, reason=reason, by=by, made_at=context.now)
    day = result.as_of.date() if result.as_of else "DATE"
    _kept(result, f"Run {run} may be published")
    context.close(0, run=run, following=context.command(f"score --as-of {day}"))


def _kept(result: ActResult, done: str) -> None:
    if context.as_json:
        show.emit(
            {
                "act": result.act.act_id,
                "kind": result.act.kind,
                "account": result.act.account_id,
                "made_at": result.act.made_at,
                "payload": dict(result.act.payload),
                "notes": result.notes,
            }
        )
        return
    show.line(f"{done}. Kept as {result.act.act_id}.")
    for note in result.notes:
        show.line(f"{note}.", indent="  ")


def moves(found: Braking, as_of: str) -> None:
    """What a held run would move: by tier, cause and owner."""
    rows = [
        (r["tier"], f"{r['size']:,}", f"{r['into']:,}", f"{r['out']:,}", "beyond the limit" if r["held"] else "")
        for r in found.tiers.to_dict("records")
    ]
    title = f"What the run of {as_of} would move"
    show.table(title, ("tier", "accounts before", "in", "out", ""), rows, right=(1, 2, 3))
    for by in ("cause", "owner"):
        counts = found.counts(by).to_dict("records")
        lines = [(r[by], f"{r['up']:,}", f"{r['down']:,}", f"{r['out']:,}") for r in counts]
        show.table(f"By {by}", (by, "up", "down", "out of the tiers"), lines, right=(1, 2, 3))


def held(error: RunHeld) -> NoReturn:
    """Show what a held run would move, and how to release it."""
    if context.as_json:
        show.emit({"run": error.run_id, "held": error.held.to_dict()})
    else:
        moves(error.held, error.run_id)
        show.say(str(error))
    following = context.command(f"release {error.run_id} --by NAME --reason REASON")
    context.close(error.exit_code, run=error.run_id, following=following)
    raise typer.Exit(error.exit_code)
