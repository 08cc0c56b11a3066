"""Making a workspace: a drafted plan beside the tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tierwise.audit import Finding, audit, draft_plan
from tierwise.config import Settings, Workspace, load_workspace, plays_text
from tierwise.data import Intake
from tierwise.errors import UsageError
from tierwise.jobs.intake import Say, outcome_reach, silent, taken_in
from tierwise.routing import default_plays

DEFAULT_PLAN = "new_business"
SETTINGS = """\
# Where this workspace keeps its tables, state, registry and published runs.
tables: {tables}
store: sqlite:///state/tierwise.db
registry: sqlite:///state/mlflow.db
published: published
threads: {threads}
quarantine: {{max_share: 0.01}}  # more bad rows than this, and a file is refused
max_lag_days: 7  # how far behind an as_of the activities may end before scoring waits
"""


@dataclass(frozen=True)
class InitResult:
    """A new workspace, and what its drafted plan leaves out, each with why."""

    workspace: Workspace
    left_out: tuple[tuple[str, str], ...]


def init(folder: Path | str, tables: Path | str, *, plan: str = DEFAULT_PLAN, say: Say = silent) -> InitResult:
    """Make a workspace on a folder of tables, with a drafted, commented plan; nothing there is overwritten.

    Raises
    ------
    UsageError : the folder holds a workspace already, or there are no tables where they were said to be.
    ContractError : the tables do not keep the contract.
    """
    folder, tables = Path(folder), Path(tables)
    if (folder / "tierwise.yaml").exists():
        raise UsageError(
            f"a workspace was to be made in {folder}", found="there is one already", do="Name another folder"
        )
    if not tables.is_dir():
        raise UsageError(
            f"the tables were looked for in {tables}", found="there is no such folder", do="Name it with --tables"
        )
    scratch = Workspace(folder, Settings(tables=str(tables.absolute())), {})
    with taken_in(scratch, say) as intake:
        say("drafting a plan")
        draft = draft_plan(intake.warehouse, plan)
    models = folder / "models" / plan
    models.mkdir(parents=True, exist_ok=True)
    told = SETTINGS.format(tables=_told(folder, tables), threads=scratch.settings.threads)
    texts = {"model.yaml": draft.model, "policy.yaml": draft.policy, "plays.yaml": plays_text(default_plays())}
    for name, text in texts.items():
        (models / name).write_text(text, encoding="utf-8")
    (folder / "tierwise.yaml").write_text(told, encoding="utf-8")
    return InitResult(load_workspace(folder), draft.left_out)


def _told(folder: Path, tables: Path) -> str:
    """The tables' folder as the workspace names it: relative where it lies inside."""
    inside, outer = tables.absolute(), folder.absolute()
    text = str(inside.relative_to(outer)) if inside.is_relative_to(outer) else str(inside)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True)
class CheckResult:
    """What was read, and every finding of the audit, gravest first."""

    plan: str
    intake: Intake
    findings: tuple[Finding, ...]

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
    ContractError : the tables do not keep the contract; every finding is listed.
    """
    files = workspace.plan(plan)
    with taken_in(workspace, say, now) as intake:
        return CheckResult(files.plan.plan, intake, audit(intake.warehouse, files.plan, outcome_reach(intake, files)))
