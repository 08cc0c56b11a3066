"""Reading what is published: the run that CURRENT names, or one by its id."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from tierwise.errors import EnvironmentFault, UsageError
from tierwise.publishing.identity import RUN_ID, check_run_id

CURRENT = "CURRENT"
META = "run.json"
STAGING = ".staging-"
RESTORE = "Restore the folder from a backup, or score again from newer inputs"


@dataclass(frozen=True)
class PublishedRun:
    """A published run: its id, its folder, and what run.json says of it. Bytes are checked as they are read."""

    run_id: str
    folder: Path
    meta: Mapping[str, Any]

    def content(self, name: str) -> bytes:
        """The bytes of one of its files, checked against run.json before anything reads them."""
        files = self.meta["files"]
        if name not in files:
            raise UsageError(
                f"the file {name} of run {self.run_id} was asked for",
                found=f"it holds {', '.join(sorted(files))}",
                do="Ask for one of those",
            )
        try:
            found = (self.folder / name).read_bytes()
        except OSError as error:
            raise _damaged(self.folder, [f"{name} cannot be read ({error.strerror})"]) from None
        if hashlib.sha256(found).hexdigest() != files[name]["sha256"]:
            raise _damaged(self.folder, [f"{name} is not what was published"])
        return found

    def frame(self, name: str) -> pd.DataFrame:
        """`scores`, `reasons`, `tiers` or `movements` as a frame; instants naive datetime64[us] in UTC."""
        return pd.DataFrame(pq.read_table(io.BytesIO(self.content(f"{name}.parquet"))).to_pandas())

    def actions(self) -> tuple[dict[str, Any], ...]:
        """The actions owed, in the order published."""
        lines = self.content("actions.jsonl").decode().splitlines()
        return tuple(json.loads(line) for line in lines if line.strip())


def read_current(root: Path, plan: str) -> PublishedRun:
    """The run that the plan's CURRENT names.

    Raises
    ------
    UsageError : nothing is published yet.
    EnvironmentFault : CURRENT or the run it names is damaged.
    """
    current = current_id(root, plan)
    if current is None:
        raise UsageError(
            f"the current run of plan {plan} was asked for",
            found=f"nothing is published under {Path(root) / plan}",
            do="Run tierwise score --as-of DATE first",
        )
    return _read(Path(root) / plan / current)


def read_run(root: Path, plan: str, run_id: str) -> PublishedRun:
    """A published run of this id.

    Raises
    ------
    UsageError : there is none.
    EnvironmentFault : it is damaged.
    """
    folder = Path(root) / plan / check_run_id(run_id)
    if not folder.is_dir():
        raise UsageError(
            f"run {run_id} of plan {plan} was asked for",
            found="it is not published",
            do="See the folders beside CURRENT for the runs there are",
        )
    return _read(folder)


def current_id(root: Path, plan: str) -> str | None:
    """The text of CURRENT, or None where there is none."""
    pointer = Path(root) / plan / CURRENT
    try:
        text = pointer.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentFault(f"{pointer} was read", found=str(error), do="Restore it from a backup") from None
    if not RUN_ID.fullmatch(text):
        raise EnvironmentFault(f"{pointer} was read", found="it names no run", do="Restore it from a backup")
    return text


def verify_run(folder: Path) -> dict[str, Any]:
    """Check every file of a run against run.json; returns what run.json says.

    Raises
    ------
    EnvironmentFault : a file is missing, changed, or not of this run; all of them are named.
    """
    folder = Path(folder)
    run = _read(folder)
    wrong = []
    for name, told in run.meta["files"].items():
        path = folder / name
        if not path.is_file():
            wrong.append(f"{name} is missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != told["sha256"]:
            wrong.append(f"{name} is not what was published")
    listed = {META, *run.meta["files"]}
    wrong += [f"{path.name} does not belong to it" for path in sorted(folder.iterdir()) if path.name not in listed]
    if wrong:
        raise _damaged(folder, wrong)
    return dict(run.meta)


def _read(folder: Path) -> PublishedRun:
    try:
        meta = json.loads((folder / META).read_bytes())
        files, named = meta["files"], meta["run_id"]
        if not all(isinstance(told["sha256"], str) and "/" not in name for name, told in files.items()):
            raise TypeError
    except OSError as error:
        raise _damaged(folder, [f"{META} cannot be read ({error.strerror})"]) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(folder, [f"{META} is no description of a run"]) from None
    if folder.name.removeprefix(STAGING) != named:
        raise _damaged(folder, [f"{META} is of run {named}"])
    return PublishedRun(str(named), folder, MappingProxyType(meta))


def _damaged(folder: Path, wrong: list[str]) -> EnvironmentFault:
    return EnvironmentFault(f"the published run {folder} was read", found="; ".join(wrong), do=RESTORE)
