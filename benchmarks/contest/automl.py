"""The AutoML's own environment, made where it is not there, and its runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NEEDED = HERE / "automl-requirements.txt"


class NotThere(Exception):
    """The AutoML cannot be run; says why."""


def environment(folder: Path) -> Path:
    """The interpreter of an environment that holds NEEDED, made if it is not there.

    Raises
    ------
    NotThere : it cannot be installed.
    """
    python, stamp = folder / "bin" / "python", folder / ".made"
    if stamp.is_file() and stamp.read_text() == NEEDED.read_text():
        return python
    _run([sys.executable, "-m", "venv", str(folder)], "its environment cannot be made")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(NEEDED)]
    _run(pip, f"{NEEDED.name} cannot be installed")
    stamp.write_text(NEEDED.read_text())
    return python


def run(python: Path, folder: Path, minutes: float, threads: int) -> None:
    """Search on the rows in a folder; automl.json is written there.

    Raises
    ------
    NotThere : it fails.
    """
    _run([str(python), str(HERE / "automl_run.py"), str(folder), str(minutes), str(threads)], "its run failed")


def _run(command: list[str], failed: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        raise NotThere(f"{failed}: {lines[-1] if lines else f'exit code {done.returncode}'}")
