"""The verbs."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tierwise.cli import acts, show
from tierwise.cli.acts import dispute, held, override, release
from tierwise.cli.context import context
from tierwise.cli.deliver import deliver, status
from tierwise.cli.movements import report
from tierwise.cli.policy import app as policy
from tierwise.cli.workspace import check, init
from tierwise.errors import EnvironmentFault, InputsLate, NoUsableModel, RunHeld, TierwiseError, UsageError

app = typer.Typer(
    name="tierwise",
    help="Learns from CRM history which accounts are about to open an opportunity, and turns that into tiers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def before(
    workspace: Annotated[Path, typer.Option("-C", help="The workspace: a folder with tierwise.yaml.")] = Path(),
    plan: Annotated[str | None, typer.Option(help="The plan, where the workspace has several.")] = None,
    env: Annotated[str | None, typer.Option(help="An overlay under environments: in tierwise.yaml.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Read what stands before the verb."""
    context.folder, context.plan, context.env, context.as_json = workspace, plan, env, as_json


def demo(
    folder: Annotated[Path, typer.Argument(help="Where to make the workspace; must not hold anything.")] = Path("demo"),
    accounts: Annotated[int, typer.Option(min=1000, help="How many accounts to simulate.")] = 5000,
    seed: Annotated[int, typer.Option(help="Another seed, another world.")] = 7,
) -> None:
    """Run the whole line on a synthetic world."""
    from tierwise.cli import tables
    from tierwise.jobs import demo as run_demo

    result = run_demo(folder, accounts=accounts, seed=seed, say=context.say)
    page, review = result.newest.folder, result.governed.folder
    if context.as_json:
        show.emit(
            {"run": result.newest.run_id, "page": page and page / "report.html", "review": review / "review.html"}
        )
    else:
        tables.tiers(result.newest)
        tables.review(result.governed)
        print(f"Report: {page and (page / 'report.html').absolute()}")
        print(f"Review: {(review / 'review.html').absolute()}")
    context.close(0, run=result.newest.run_id, following=context.command("serve", folder))


def train(
    as_of: Annotated[str | None, typer.Option("--as-of", help="YYYY-MM-DD; default: the end of the data.")] = None,
    recalibrate: Annotated[
        bool, typer.Option("--recalibrate", help="Learn nothing; only set the live model's probabilities right again.")
    ] = False,
) -> None:
    """Train, evaluate and register a challenger.

    The first version becomes the live model. Exit 3: nothing can be learned; `score` then publishes tiers by rules.
    """
    if recalibrate:
        _recalibrate(as_of)
        return
    from tierwise.cli import tables
    from tierwise.jobs import train as run_train

    try:
        result = run_train(context.workspace(), context.plan, now=context.now, as_of=as_of, say=context.say)
    except NoUsableModel as no:
        _no_usable_model(no)
        raise typer.Exit(no.exit_code) from None
    if context.as_json:
        show.emit(
            {
                "plan": result.plan,
                "version": result.number,
                "model_version": result.model_version,
                "evaluation": result.evaluation,
                "page": result.page,
            }
        )
    else:
        tables.trained(result)
        print(f"Training: {result.page}")
    following = f"score --as-of {result.as_of.date()}" if result.live else "promote"
    context.close(0, following=context.command(following))


def _recalibrate(as_of: str | None) -> None:
    from tierwise.cli import tables
    from tierwise.jobs import recalibrate as run_recalibrate

    result = run_recalibrate(context.workspace(), context.plan, now=context.now, as_of=as_of, say=context.say)
    if context.as_json:
        show.emit(
            {
                "plan": result.plan,
                "version": result.number,
                "model_version": result.model_version,
                "recalibration": result.report,
            }
        )
    else:
        tables.recalibrated(result)
    context.close(0, following=context.command("promote"))


def _no_usable_model(no: NoUsableModel) -> None:
    """Say why there is no usable model, what would help, and what is published meanwhile."""
    from tierwise.cli import tables

    answer = no.answer
    if context.as_json:
        show.emit({**answer.values, "page": answer.page})
    else:
        print(f"tierwise: {no}", file=sys.stderr)
        tables.no_usable_model(answer)
        print(f"Training: {answer.page}")
    score = context.command(f"score --as-of {answer.values['trained_as_of']}")
    following = f"{score} publishes tiers by rules" if answer.rules else f"{score} goes on by the live model"
    context.close(no.exit_code, following=following)


def promote(
    by: Annotated[str, typer.Option(help="Who overrules a gate that refuses.")] = "",
    because: Annotated[str, typer.Option(help="Why; kept with the version.")] = "",
    share: Annotated[
        float | None, typer.Option(help="The first run by it is held if it moves more than this share of a tier,")
    ] = None,
    least: Annotated[
        int | None, typer.Option(help="and at least so many accounts of it; instead of the brake of tierwise.yaml.")
    ] = None,
) -> None:
    """Make the challenger the live model, if the gate lets it pass. Exit 3: it refuses, and nothing changes.

    Without --share and --least, accounts that its first run takes to a lower tier wait for a release.
    """
    from tierwise.jobs import promote as run_promote

    _promoted(
        run_promote(
            context.workspace(), context.plan, by=by, because=because, share=share, least=least,
            now=context.now, say=context.say,
        )
    )  # fmt: skip


def rollback() -> None:
    """Make the model before the live one live again.

    Accounts that the run after it takes to a lower tier wait for a release.
    """
    from tierwise.jobs import rollback as run_rollback

    _promoted(run_rollback(context.workspace(), context.plan))


def _promoted(result: Any) -> None:
    if context.as_json:
        said = {"plan": result.plan, "version": result.number, "model_version": result.model_version}
        gate = None if result.gate is None else result.gate.to_dict()
        moves = None if result.moves is None else result.moves.to_dict()
        limits = None if result.limits is None else result.limits.model_dump(exclude_none=True)
        said |= {"gate": gate, "overruled": result.overruled, "unneeded": result.unneeded}
        show.emit(said | {"limits": limits, "moves": moves})
    else:
        what = f"Version {result.number} ({result.model_version[:12]}), trained as of {result.trained_as_of}, is live."
        print("Rules are live: tiers go by the rubric and the newest activity." if result.number is None else what)
        if result.gate is not None:
            head = f"The gate refused, overruled by {result.overruled}" if result.overruled else "The gate let it pass"
            show.line(f"{head}: {'; '.join(result.gate.reasons)}.", indent="  ")
        if result.unneeded:
            show.line(f"Nothing was overruled, so this was not needed and is not kept: {result.unneeded}.", indent="  ")
        if result.moves is not None:
            acts.moves(result.moves, "the newest date")
            if result.moves.held:
                show.line(f"Such a run is held, and `tierwise score` will ask for a release: {result.moves.why}.")
            elif result.limits is not None:
                show.line("Such a run is within the limits stated for it, and is published.")
        elif result.limits is not None:
            show.line("Nothing is published yet, and a first run is never held: the limits are not kept.")
    context.close(0, following=context.command("score --as-of DATE"))


def score(
    as_of: Annotated[str, typer.Option("--as-of", help="The date on which we pretend to stand, YYYY-MM-DD.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; show what would be published.")] = False,
    model: Annotated[str, typer.Option(help="champion, or challenger on a dry run.")] = "champion",
) -> None:
    """Score, explain, tier and publish every account. Exit 6: it would move too much, and waits for `release`."""
    from tierwise.cli import tables
    from tierwise.jobs import score as run_score

    if model not in ("champion", "challenger"):
        raise UsageError(f"--model {model} was asked for", do="Say champion or challenger")
    try:
        result = run_score(
            context.workspace(), context.plan, now=context.now, as_of=as_of, dry_run=dry_run, model=model,
            say=context.say,
        )  # fmt: skip
    except RunHeld as error:
        held(error)
    if context.as_json:
        show.emit(
            {
                "run": result.run_id,
                "kind": result.kind,
                "new": result.new,
                "folder": result.folder,
                "tiers": result.tiers["tier"].value_counts().sort_index().to_dict(),
                "movements": len(result.movements),
                "actions": result.actions,
                "late": result.late,
                "held": result.moves.to_dict() if result.moves is not None and result.moves.held else None,
            }
        )
    else:
        tables.tiers(result)
        if dry_run:
            tables.by_owner(result)
        if result.moves is not None and result.moves.held:
            acts.moves(result.moves, str(result.as_of.date()))
            show.line(f"It would be held, and wait for a release: {result.moves.why}.")
        if result.folder is not None:
            print(f"Report: {result.folder / 'report.html'}")
    if not result.late:
        context.close(0, run=result.run_id, following=context.command("govern"))
        return
    for words in result.late.values():
        context.say(words)
    done = "published" if result.folder is not None else "would be published"
    whole = f"{' and '.join(result.late)} {'is' if len(result.late) == 1 else 'are'} complete"
    context.close(
        InputsLate.exit_code, run=result.run_id,
        following=f"{done} with demotions held; run it again when {whole}",
    )  # fmt: skip
    raise typer.Exit(InputsLate.exit_code)


def explain(
    account: Annotated[str, typer.Argument(help="The account's id.")],
    since: Annotated[
        str | None, typer.Option(help="YYYY-MM-DD: also what changed since the newest run by then.")
    ] = None,
) -> None:
    """Show why an account stands where it stands, what changed, and what would move it."""
    from tierwise.cli.explained import explained
    from tierwise.jobs import explain as run_explain

    result = run_explain(context.workspace(), account, context.plan, since=since, now=context.now, say=context.say)
    if context.as_json:
        show.emit(result.to_dict())
    else:
        explained(result)
    context.close(0, run=result.run_id)


def govern(
    as_of: Annotated[str | None, typer.Option("--as-of", help="YYYY-MM-DD; default: that of the newest run.")] = None,
    since: Annotated[
        str | None, typer.Option(help="YYYY-MM-DD: KPIs count from then on; default: a year before.")
    ] = None,
) -> None:
    """Review what the published tiers were worth."""
    from tierwise.cli import tables
    from tierwise.jobs import govern as run_govern

    result = run_govern(context.workspace(), context.plan, now=context.now, as_of=as_of, since=since, say=context.say)
    code = 3 if result.review.verdict == "act" else 0
    if context.as_json:
        show.emit({"verdict": result.review.verdict, "folder": result.folder, "review": result.review.to_dict()})
    else:
        tables.review(result)
        print(f"Review: {result.folder / 'review.html'}")
    context.close(code, following=context.command("train") if code else "")
    raise typer.Exit(code)


def doctor() -> None:
    """Check this machine, the store and the registry."""
    from tierwise.cli.doctor import findings

    found = findings(context.folder, context.env)
    if context.as_json:
        show.emit({"checks": [{"check": name, "ok": ok, "says": says} for name, ok, says in found]})
    else:
        show.table("Environment", ("check", "", "says"), [(n, "ok" if ok else "FAULT", s) for n, ok, s in found])
    code = 0 if all(ok for _, ok, _ in found) else 5
    context.close(code)
    raise typer.Exit(code)


def schema(
    kind: Annotated[str, typer.Argument(help="tierwise, model, policy, plays, icp or mapping.")] = "model",
) -> None:
    """Print the JSON Schema of a workspace file."""
    from tierwise.config import json_schema

    show.emit(json_schema(kind))


def recipe(
    kind: Annotated[str, typer.Argument(help="salesforce, hubspot or snowplow.")],
) -> None:
    """Print the queries to export a source with."""
    from tierwise.data.recipes import recipe as read_recipe

    text = read_recipe(kind)
    if context.as_json:
        show.emit({"kind": kind, "recipe": text})
    else:
        print(text, end="")


def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8765,
) -> None:
    """Serve the RevOps console, read-only, on this machine."""
    from tierwise.console import create_app
    from tierwise.console import serve as run_server

    workspace = context.workspace()
    plan = workspace.plan(context.plan).plan.plan
    _check_port(host, port)
    show.say(f"http://{host}:{port}/ (stop with Ctrl-C)")
    run_server(create_app(workspace.published, plan), host, port)


def _check_port(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port)):
            pass
    except (OSError, OverflowError) as error:
        raise EnvironmentFault(
            f"port {port} on {host} was to be served", found=str(error), do="Name another with --port"
        ) from None


for verb in (
    demo, init, check, train, promote, rollback, score, release, override, dispute, explain, report, govern,
    deliver, status, doctor, schema, recipe, serve,
):  # fmt: skip
    app.command()(verb)
app.add_typer(policy)


def run() -> None:
    """Run the command line; a fault is a message and an exit code, never a traceback."""
    try:
        app()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0
        if code and not context.closed:
            context.close(code)
    except TierwiseError as error:
        code = _said(error.exit_code, str(error))
    except OSError as error:
        named = f" ({error.filename})" if error.filename else ""
        code = _said(EnvironmentFault.exit_code, f"the disk or network refused: {error.strerror or error}{named}")
    except KeyboardInterrupt:
        code = _said(130, "stopped; what was published is whole")
    except Exception as error:
        if os.environ.get("TIERWISE_TRACEBACK"):
            raise
        told = f"a fault of tierwise's own: {type(error).__name__}: {error}"
        code = _said(1, f"{told}. Set TIERWISE_TRACEBACK=1 to see where")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the libraries' own threads may abort an orderly end


def _said(code: int, message: str) -> int:
    print(f"tierwise: {message}", file=sys.stderr)
    context.close(code)
    return code
