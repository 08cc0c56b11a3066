"""Making a workspace on sources, with a drafted plan; and checking one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd

from tierwise.audit import (
    Coverage,
    Draft,
    Finding,
    accepted,
    audit,
    audit_matrix,
    audit_table,
    draft_plan,
    drafted_roles,
    history_days,
    of_control,
    of_ladder,
    of_plays,
    of_policy,
    ordered,
    outcome_coverage,
    plan_ladder,
    sampled,
)
from tierwise.clock import instant
from tierwise.config import (
    Expects,
    Formats,
    Outcome,
    Plan,
    PlanFiles,
    Settings,
    Workspace,
    load_workspace,
    parse_settings,
    plays_text,
)
from tierwise.data import TABLES, Intake, Query, Warehouse, draft_expects, expects_lines, name_roles, read_flat
from tierwise.data.sources.opening import may_hold_secret
from tierwise.errors import ConfigError, TablesRefused, UsageError
from tierwise.features import build_matrix, history_start, outcome_table, training_grid
from tierwise.jobs.intake import taken_in
from tierwise.jobs.rows import owners_of
from tierwise.learning import Ladder
from tierwise.learning.candidates import check_candidates
from tierwise.learning.progress import Say, silent
from tierwise.routing import default_plays

DEFAULT_PLAN = "new_business"
SETTINGS = """\
# Where this workspace keeps its tables, state, registry and published runs.
{sources}
store: sqlite:///state/tierwise.db
registry: sqlite:///state/mlflow.db
published: published
threads: {threads}
quarantine: {{max_share: 0.01}}  # more bad rows than this, and a file is refused
max_lag_days: 7  # how far behind an as_of the activities may end before scoring waits
{brake}
"""
BRAKE = "brake: {share: 0.15, least: 20}  # a run that moves more of a tier waits for `tierwise release`"
SOURCES = """\
# The first source that holds accounts names them; accounts of later ones join by sync id, by equal id, or by a domain
# that is unique on both sides. at: a folder, relative to this one, or a database's URL with ${VARIABLE} for a password.
# formats, where files are not plain: {dates: day_first, decimal: ",", encoding: windows-1252, delimiter: ";"}.
sources:
"""
KINDS = ("salesforce", "hubspot", "tables")
"""What `init` reads, in the order in which it names accounts."""


@dataclass(frozen=True)
class InitResult:
    """A new workspace, its draft, and what was read and joined for it."""

    workspace: Workspace
    draft: Draft
    counts: pd.DataFrame
    matches: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """The attributes that the drafted plan leaves out, each with why."""
        return self.draft.left_out


def init(
    folder: Path | str,
    tables: Path | str | None = None,
    *,
    salesforce: Path | str | None = None,
    hubspot: Path | str | None = None,
    plan: str = DEFAULT_PLAN,
    now: datetime | None = None,
    say: Say = silent,
) -> InitResult:
    """Make a workspace on one or several sources, with a drafted, commented plan; nothing there is overwritten.

    Without a source it drafts a further plan in a workspace that is there. If the tables are refused, tierwise.yaml is
    written all the same, so that formats can be declared in it; then it goes on without a source.

    Parameters
    ----------
    tables, salesforce, hubspot : a folder, or the URL of an SQL database, whose secrets are `${VARIABLE}` references.

    Where the data can support no model yet, the draft says so, and from when they will.

    Raises
    ------
    UsageError : the plan is there already, or another workspace; no source was named, one is not there, or a URL holds
        a password.
    TablesRefused : the tables do not keep the contract.
    """
    folder = Path(folder)
    given = {"salesforce": salesforce, "hubspot": hubspot, "tables": tables}
    at = {kind: _checked(kind, str(given[kind]), folder) for kind in KINDS if given[kind] is not None}
    told = _settings(folder, at)
    models = folder / "models" / plan
    if models.exists():
        raise UsageError(
            f"plan '{plan}' was to be drafted in {folder}", found="it is there already", do="Name another with --name"
        )
    scratch = Workspace(folder, parse_settings(told), {})
    try:
        with taken_in(scratch, say, now) as intake:
            say("drafting a plan")
            name_roles(intake.warehouse, drafted_roles())
            draft = draft_plan(intake.warehouse, plan, intake.data_through)
            expected = draft_expects(intake.arrivals)
            read = (intake.counts, intake.matches, intake.notes)
    except TablesRefused:
        _write(folder, {"tierwise.yaml": told})
        raise
    texts = {"model.yaml": draft.model, "policy.yaml": draft.policy, "icp.yaml": draft.icp}
    _write(models, {**texts, "plays.yaml": plays_text(default_plays())})
    if at and not (folder / "tierwise.yaml").exists():
        _write(folder, {"tierwise.yaml": settings_text(at, expected)})
    return InitResult(load_workspace(folder), draft, *read)


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def _settings(folder: Path, at: Mapping[str, str]) -> str:
    """tierwise.yaml as it is there, or as it is to be on the sources given.

    Raises
    ------
    UsageError : it is there and names other sources, or is not, and none is given.
    ConfigError : it cannot be read.
    """
    file = folder / "tierwise.yaml"
    try:
        there = file.read_text(encoding="utf-8-sig") if file.exists() else None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 text (byte {error.start})", do="Save it as UTF-8") from None
    if not at:
        if there is None:
            raise UsageError(
                "a workspace was to be made on no source", do=f"Name one with --{', --'.join(reversed(KINDS))}"
            )
        return there
    told = settings_text(at)
    if there not in (None, told):
        raise UsageError(
            f"a workspace was to be made in {folder}",
            found="there is one already, whose tierwise.yaml names its sources",
            do="Leave the sources out to draft a further plan on those (--name), or name another folder",
        )
    return told


def settings_text(at: Mapping[str, str], expected: Mapping[str, Expects] | None = None) -> str:
    """tierwise.yaml on sources, by kind the place of each, and what is expected of it."""
    sources = SOURCES + "\n".join(source_text(kind, place, (expected or {}).get(kind)) for kind, place in at.items())
    return SETTINGS.format(sources=sources, threads=Settings().threads, brake=BRAKE)


def source_text(kind: str, at: str, expects: Expects | None = None) -> str:
    """One source as tierwise.yaml lists it, named by its kind; what is expected of it stands there for a person to take
    up."""
    lines = [f"- name: {kind}", f"  kind: {kind}", f"  at: {_in_quotes(at)}"]
    if "://" in at:
        lines.append("  look_back_days: 7  # rows newer than the newest one read, less this, are read again")
    lines += expects_lines(expects, "  ") if expects else ()
    return "\n".join(f"  {line}" for line in lines)


def _checked(kind: str, at: str, folder: Path) -> str:
    """The place as the workspace names it: folders and SQLite files from where it lies; any other URL as it is.

    Raises
    ------
    UsageError : there is no such folder, or a URL holds a password, which would be written and is seen by others.
    """
    if "://" in at:
        if may_hold_secret(at):
            variable = f"TIERWISE_{kind.upper()}_PASSWORD"
            raise UsageError(
                f"--{kind} was given a URL",
                found="it holds a password, which is never written, and which others may read on a command line",
                do=f"Set {variable}, and write ${{{variable}}} in its place, the URL in single quotes",
            )
        file = at.removeprefix("sqlite:///")
        return f"sqlite:///{_from(folder, Path(file))}" if at.startswith("sqlite:///") else at
    if not Path(at).is_dir():
        raise UsageError(
            f"{'the tables were' if kind == 'tables' else f'source {kind} was'} looked for in {at}",
            found="there is no such folder",
            do=f"Name a folder, or a database's URL, with --{kind}",
        )
    return _from(folder, Path(at))


def _from(folder: Path, path: Path) -> str:
    """A path as the workspace names it: relative where it lies inside, else from the root."""
    inside, outer = path.absolute(), folder.absolute()
    return str(inside.relative_to(outer)) if inside.is_relative_to(outer) else str(inside)


def _in_quotes(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True)
class CheckResult:
    """What was read, which dates serve for what, every finding of the audit, gravest first, and how far the cohort saw
    outcomes coming."""

    plan: str
    intake: Intake
    findings: tuple[Finding, ...]
    coverage: Coverage
    ladder: Ladder

    @property
    def blocked(self) -> bool:
        """Whether a finding blocks training."""
        return any(f.severity == "blocks" for f in self.findings)


def check(
    workspace: Workspace, plan: str | None = None, *, now: datetime | None = None, say: Say = silent
) -> CheckResult:
    """Check the tables against the contract, and the plan against the data: all findings at once.

    Raises
    ------
    TablesRefused : the tables do not keep the contract, which is looked at also where there is no plan yet.
    ConfigError : there is no plan, or it sets what a candidate may not be set to.
    """
    if not workspace.plans:
        with taken_in(workspace, say, now):
            say("the tables keep the contract")
    files = workspace.plan(plan)
    check_candidates(files.plan.model.candidates, files.where)
    with taken_in(workspace, say, now, files=files) as intake:
        reach = _reach(intake, files.plan.outcome)
        found = audit(intake.warehouse, files.plan, reach)
        say("looking at the features")
        found += _features(intake.warehouse, files.plan, reach, workspace.settings.threads)
        coverage = outcome_coverage(intake.warehouse, files.plan, reach)
        dates = plan_ladder(intake.warehouse, files.plan, reach)
        of_rows = of_policy(files.policy, files.plan.features.signal.buying_group.roles)
        told = (*of_ladder(dates), *of_rows, *_of_plays(files, intake.warehouse))
        found = ordered((*accepted(found, files.plan.audit.accept), *told))
        return CheckResult(files.plan.plan, intake, found, coverage, dates)


def _of_plays(files: PlanFiles, warehouse: Warehouse) -> list[Finding]:
    stages = warehouse.frame(Query("SELECT DISTINCT stage FROM opportunity_stages WHERE stage IS NOT NULL"))["stage"]
    told = of_plays(files, owners_of(warehouse), set(stages))
    if not files.plays.control.on:
        return told
    merged = "SELECT account_id FROM accounts UNION SELECT losing_id FROM account_merges"
    return told + of_control(files.plays, set(warehouse.frame(Query(merged))["account_id"]))


def _reach(intake: Intake, outcome: Outcome) -> datetime:
    """How far the outcome's table reaches; where it is empty, the others, so that findings can say so.

    Raises
    ------
    UsageError : nothing in the tables has a date.
    """
    newest = [*intake.data_through.values()] or [instant(d) for d in history_days(intake.warehouse).days[-1:]]
    if not newest:
        raise UsageError(
            "the reach of the tables was looked for",
            found="nothing in them is dated",
            do="Add activities or opportunities",
        )
    return intake.data_through.get(outcome_table(outcome), max(newest))


LOOKED_AT = 3000
"""Accounts whose features `check` looks at; `train` looks at all."""
NEWEST = 12
"""Matured as-of dates on which it does so."""


def _features(warehouse: Warehouse, plan: Plan, reach: datetime, threads: int) -> tuple[Finding, ...]:
    """Findings on the features of a fixed sample of accounts; none where the plan cannot be built yet."""
    few = sampled(warehouse, LOOKED_AT, threads)
    try:
        chosen = few or warehouse
        there = {*TABLES["accounts"].names, *chosen.attributes("accounts")}
        fit = tuple(a for a in plan.features.fit if a.attribute in there)
        plan = plan.model_copy(update={"features": plan.features.model_copy(update={"fit": fit})})
        newest = reach - timedelta(days=plan.outcome.horizon_days)
        as_ofs = training_grid(plan, history_start(chosen), newest)
        if plan.cohort.grid.every is not None:
            as_ofs = as_ofs[-NEWEST:]
        if not as_ofs:
            return ()
        return audit_matrix(build_matrix(chosen, plan, as_ofs, outcomes_through=reach), plan)
    finally:
        if few is not None:
            few.close()


def check_file(
    path: Path | str,
    outcome: str,
    *,
    positive: object = None,
    order: str | None = None,
    dates: Mapping[str, str] | None = None,
    formats: Formats | None = None,
) -> tuple[Finding, ...]:
    """What the data alone say of the columns of one CSV or Parquet file beside an outcome; no workspace is needed.

    formats: how a CSV file is written (`data.flat_formats`), by default UTF-8, commas and ISO dates.

    Raises
    ------
    UsageError : the file or a column is not there, or the outcome cannot be read.
    ContractError : the file cannot be read.
    """
    frame = read_flat(Path(path), formats or Formats())
    return audit_table(frame, outcome, positive=positive, order=order, dates=dates)
