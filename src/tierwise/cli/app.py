"""The verbs."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from tierwise.cli import show
from tierwise.cli.as_of import check_as_of
from tierwise.errors import EnvironmentFault, InputsLate, TierwiseError, UsageError

app = typer.Typer(
    name="tierwise",
    help="Learns from CRM history which accounts are about to open an opportunity, and turns that into tiers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@dataclass
class Context:
    """What stands before the verb: the workspace's folder, the plan, the environment, and whether to print JSON."""

    folder: Path = Path()
    plan: str | None = None
    env: str | None = None
    as_json: bool = False
    closed: bool = False

    def close(self, code: int, *, run: str | None = None, following: str = "") -> None:
        """Print the last line on stderr."""
        self.closed = True
        show.closing(code, run=run, following=following, as_json=self.as_json)

    def workspace(self) -> Any:
        """The workspace, read and checked."""
        from tierwise.config import load_workspace

        return load_workspace(self.folder, self.env)

    def command(self, verb: str, folder: Path | None = None) -> str:
        """The command line that runs a verb in this workspace."""
        at = folder or self.folder
        where = "" if at == Path() else f" -C {shlex.quote(str(at))}"
        return f"tierwise{where}{f' --plan {self.plan}' if self.plan else ''} {verb}"

    @property
    def now(self) -> datetime:
        """The time on this machine: what a table says of later than that is a mistake, and does not count as reach."""
        return datetime.now(UTC)

    @property
    def say(self) -> Callable[[str], None]:
        """Progress on stderr; nothing for machines."""
        return (lambda _message: None) if self.as_json else show.say


context = Context()


@app.callback()
def before(
    workspace: Annotated[Path, typer.Option("-C", help="The workspace: a folder with tierwise.yaml.")] = Path(),
    plan: Annotated[str | None, typer.Option(help="The plan, where the workspace has several.")] = None,
    env: Annotated[str | None, typer.Option(help="An overlay under environments: in tierwise.yaml.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Read what stands before the verb."""
    context.folder, context.plan, context.env, context.as_json = workspace, plan, env, as_json


@app.command()
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


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to make the workspace.")],
    tables: Annotated[str | None, typer.Option(help="A folder of tables, or the URL of a database.")] = None,
    salesforce: Annotated[str | None, typer.Option(help="A folder of Salesforce exports, or a URL.")] = None,
    hubspot: Annotated[str | None, typer.Option(help="A folder of HubSpot exports, or a URL.")] = None,
    name: Annotated[str, typer.Option("--name", help="What to call the plan.")] = "new_business",
) -> None:
    """Make a workspace on one source or several, with a drafted plan.

    A URL names its password as ${VARIABLE}, in single quotes.
    """
    from tierwise.cli import tables as printed
    from tierwise.jobs import init as run_init

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
    context.close(0, following=context.command("check", folder))


@app.command()
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
) -> None:
    """Check the tables, the plan, and what would leak."""
    if file is not None or outcome is not None:
        _check_file(file, outcome, positive, order, dated or [])
    from tierwise.cli import tables
    from tierwise.jobs import check as run_check

    if check_as_of(context, as_of, to):
        return
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


def _check_file(
    file: Path | None, outcome: str | None, positive: str | None, order: str | None, dated: list[str]
) -> None:
    """Check one table; ends the command."""
    from tierwise.cli import tables
    from tierwise.jobs import check_file

    if file is None or outcome is None:
        raise UsageError("one table was to be checked", do="Give both --file and --outcome")
    pairs = [pair.partition("=") for pair in dated]
    if wrong := [a + b for a, b, c in pairs if not (a and c)]:
        raise UsageError(f"--dated {wrong[0]} was given", do="Write it as COLUMN=DATES, two columns of the table")
    dates = {a: c for a, _, c in pairs}
    findings = check_file(file, outcome, positive=positive, order=order, dates=dates)
    if context.as_json:
        show.emit({"file": str(file), "outcome": outcome, "findings": [f.to_dict() for f in findings]})
    else:
        tables.findings(findings)
    code = 2 if any(f.severity == "blocks" for f in findings) else 0
    context.close(code, following="leave out what blocks, and date the rest" if code else "")
    raise typer.Exit(code)


@app.command()
def train(
    as_of: Annotated[str | None, typer.Option("--as-of", help="YYYY-MM-DD; default: the end of the data.")] = None,
) -> None:
    """Train, evaluate and register a challenger.

    The first version becomes the live model.
    """
    from tierwise.cli import tables
    from tierwise.jobs import train as run_train

    result = run_train(context.workspace(), context.plan, now=context.now, as_of=as_of, say=context.say)
    if context.as_json:
        show.emit(
            {
                "plan": result.plan,
                "version": result.number,
                "model_version": result.model_version,
                "evaluation": result.evaluation,
            }
        )
    else:
        tables.trained(result)
    following = f"score --as-of {result.as_of.date()}" if result.live else "promote"
    context.close(0, following=context.command(following))


@app.command()
def promote() -> None:
    """Make the challenger the live model."""
    from tierwise.jobs import promote as run_promote

    _promoted(run_promote(context.workspace(), context.plan))


@app.command()
def rollback() -> None:
    """Make the model before the live one live again."""
    from tierwise.jobs import rollback as run_rollback

    _promoted(run_rollback(context.workspace(), context.plan))


def _promoted(result: Any) -> None:
    if context.as_json:
        show.emit({"plan": result.plan, "version": result.number, "model_version": result.model_version})
    else:
        print(f"Version {result.number} ({result.model_version[:12]}), trained as of {result.trained_as_of}, is live.")
    context.close(0, following=context.command("score --as-of DATE"))


@app.command()
def score(
    as_of: Annotated[str, typer.Option("--as-of", help="The date on which we pretend to stand, YYYY-MM-DD.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; show what would be published.")] = False,
    model: Annotated[str, typer.Option(help="champion, or challenger on a dry run.")] = "champion",
) -> None:
    """Score, explain, tier and publish every account."""
    from tierwise.cli import tables
    from tierwise.jobs import score as run_score

    if model not in ("champion", "challenger"):
        raise UsageError(f"--model {model} was asked for", do="Say champion or challenger")
    result = run_score(
        context.workspace(), context.plan, now=context.now, as_of=as_of, dry_run=dry_run, model=model, say=context.say
    )
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
            }
        )
    else:
        tables.tiers(result)
        if dry_run:
            tables.by_owner(result)
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


@app.command()
def explain(
    account: Annotated[str, typer.Argument(help="The account's id.")],
    since: Annotated[
        str | None, typer.Option(help="YYYY-MM-DD: also what changed since the newest run by then.")
    ] = None,
) -> None:
    """Show why an account stands where it stands, and what changed."""
    from tierwise.cli import tables
    from tierwise.jobs import explain as run_explain

    result = run_explain(context.workspace(), account, context.plan, since=since)
    if context.as_json:
        change = None if result.change is None else result.change.to_dict("records")
        show.emit(
            {"row": result.row, "steps": result.steps.to_dict("records"), "before": result.before, "change": change}
        )
    else:
        tables.explained(result)
    context.close(0, run=result.run_id)


@app.command()
def govern(
    as_of: Annotated[str | None, typer.Option("--as-of", help="YYYY-MM-DD; default: that of the newest run.")] = None,
) -> None:
    """Review what the published tiers were worth."""
    from tierwise.cli import tables
    from tierwise.jobs import govern as run_govern

    result = run_govern(context.workspace(), context.plan, now=context.now, as_of=as_of, say=context.say)
    code = 3 if result.review.verdict == "act" else 0
    if context.as_json:
        show.emit({"verdict": result.review.verdict, "folder": result.folder, "review": result.review.to_dict()})
    else:
        tables.review(result)
        print(f"Review: {result.folder / 'review.html'}")
    context.close(code, following=context.command("train") if code else "")
    raise typer.Exit(code)


@app.command()
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


@app.command()
def schema(
    kind: Annotated[str, typer.Argument(help="tierwise, model, policy, plays, icp or mapping.")] = "model",
) -> None:
    """Print the JSON Schema of a workspace file."""
    from tierwise.config import json_schema

    show.emit(json_schema(kind))


@app.command()
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


@app.command()
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
