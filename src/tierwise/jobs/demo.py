"""The demo: a synthetic world, and the whole line on it, from history to monthly evidence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tierwise.clock import grid, instant
from tierwise.config import Workspace, load_workspace
from tierwise.errors import UsageError
from tierwise.jobs.govern import GovernResult, govern
from tierwise.jobs.score import ScoreResult, score
from tierwise.jobs.train import TrainResult, train
from tierwise.jobs.workspace import BRAKE, init
from tierwise.learning.progress import Say, silent
from tierwise.synthetic import WorldSpec, simulate, write_world

END = datetime(2026, 1, 1, tzinfo=UTC)
TRAINED = instant("2025-07-01")
"""Six months before the end: what is published from here on is judged on outcomes the model had not seen."""

MONTHLY_BRAKE = "brake: {share: 0.6, least: 100}  # runs a month apart move more of a tier than those a day apart"


@dataclass(frozen=True)
class DemoResult:
    """The newest run and the review of the demo."""

    folder: Path
    trained: TrainResult
    newest: ScoreResult
    governed: GovernResult


def demo(folder: Path | str, *, accounts: int = 5000, seed: int = 7, say: Say = silent) -> DemoResult:
    """Make a workspace on a synthetic world of 24 months and run the whole line: train as of six months before its end,
    score month by month, govern at the end.

    Raises
    ------
    UsageError : the folder is there and holds something.
    """
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(
            f"the demo was to be made in {folder}",
            found="that folder is not empty",
            do="Name another: `tierwise demo DIR`; or remove what is in it",
        )
    say(f"simulating {accounts:,} accounts over 24 months")
    write_world(simulate(WorldSpec(seed=seed, accounts=accounts)), folder, END)
    init(folder, folder / "tables", say=say)
    workspace = _braked(folder)
    trained = train(workspace, as_of=TRAINED, say=say)
    for as_of in grid("month", TRAINED, END):
        newest = score(workspace, as_of=as_of, say=say)
        say(f"published {newest.run_id}")
    return DemoResult(folder, trained, newest, govern(workspace, as_of=END, say=say))


def _braked(folder: Path) -> Workspace:
    """The workspace, its brake set for runs that are a month apart."""
    settings = folder / "tierwise.yaml"
    settings.write_text(settings.read_text(encoding="utf-8").replace(BRAKE, MONTHLY_BRAKE), encoding="utf-8")
    return load_workspace(folder)
