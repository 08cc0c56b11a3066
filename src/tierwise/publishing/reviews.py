"""Pages of a plan that stand beside its runs, each seen whole: monthly reviews, trainings' answers, replays, and what
moved."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tierwise.disk import disk, make_folder, remove_folder, sync_folder, write_synced
from tierwise.errors import EnvironmentFault
from tierwise.publishing.reading import STAGING

REPLAY_VALUES = "replay.json"
PROPOSAL_VALUES = "tune.json"
TRAINING_PAGE, TRAINING_VALUES, TRAINING_POINTS = "training.html", "training.json", "points.csv"


def publish_review(root: Path, plan: str, as_of: datetime, files: Mapping[str, bytes]) -> Path:
    """Put the files of a review in `root/plan/reviews/DATE`, whole, instead of any earlier one; hold `plan_lock`.

    Raises
    ------
    EnvironmentFault : the disk refused.
    """
    folder = Path(root) / plan / "reviews" / as_of.date().isoformat()
    return _put(folder, files, f"the review of {as_of.date()} was published")


def publish_training(root: Path, plan: str, as_of: datetime, files: Mapping[str, bytes]) -> Path:
    """Put the files of a training's answer in `root/plan/training/DATE`, as `publish_review` does.

    Raises
    ------
    EnvironmentFault : the disk refused.
    """
    return _put(training_folder(root, plan, as_of), files, f"the training of {as_of.date()} was published")


def publish_replay(root: Path, plan: str, name: str, files: Mapping[str, bytes]) -> Path:
    """Put the files of a replay in `root/plan/replays/NAME`, as `publish_review` does.

    Raises
    ------
    EnvironmentFault : the disk refused.
    """
    return _put(Path(root) / plan / "replays" / name, files, f"the replay {name} was published")


def read_replays(root: Path, plan: str) -> list[tuple[str, dict[str, Any]]]:
    """The replays of a plan: each one's folder beside the others, and what its replay.json says; by folder.

    Proposals of `policy tune`, which lie beside them, are none.

    Raises
    ------
    EnvironmentFault : one of them cannot be read, or is no such values.
    """
    home = Path(root) / plan / "replays"
    found = [path for path in home.iterdir() if path.is_dir()] if home.is_dir() else []
    folders = sorted(path.name for path in found if not (path / PROPOSAL_VALUES).is_file())
    return [(name, _read_replay(home / name / REPLAY_VALUES)) for name in folders if not name.startswith(STAGING)]


def _read_replay(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_bytes())
        if isinstance(said, dict) and {"policy_version", "first", "last", "overall", "guardrails"} <= said.keys():
            return said
        found = "it is not what a replay holds"
    except OSError as error:
        found = f"it cannot be read ({error.strerror})"
    except ValueError:
        found = "it is no JSON"
    raise EnvironmentFault(
        f"the replay {path} was read", found=found, do="Remove its folder, or run `tierwise policy replay` again"
    )


def publish_movements(root: Path, plan: str, name: str, files: Mapping[str, bytes]) -> Path:
    """Put the files of what moved in `root/plan/reports/NAME`, as `publish_review` does.

    Raises
    ------
    EnvironmentFault : the disk refused.
    """
    return _put(Path(root) / plan / "reports" / name, files, f"the report {name} was published")


def training_folder(root: Path, plan: str, as_of: datetime) -> Path:
    """Where the answer of a training as of a date lies."""
    return Path(root) / plan / "training" / as_of.date().isoformat()


def read_training(root: Path, plan: str, as_of: datetime) -> dict[str, Any]:
    """The values of a training's answer.

    Raises
    ------
    EnvironmentFault : they are not there, or are no such values.
    """
    folder = training_folder(root, plan, as_of)
    old = folder.with_name(f"{STAGING}old-{folder.name}")  # where a kill left the answer that was to be replaced
    path = (old if old.exists() and not folder.exists() else folder) / TRAINING_VALUES
    try:
        said = json.loads(path.read_bytes())
        if isinstance(said, dict):
            return said
        found = "it is no object"
    except OSError as error:
        found = f"it cannot be read ({error.strerror})"
    except ValueError:
        found = "it is no JSON"
    raise EnvironmentFault(
        f"the answer of the training as of {as_of.date()} was read ({path})",
        found=found, do="Restore it from a backup, or run `tierwise train` again",
    )  # fmt: skip


def _put(folder: Path, files: Mapping[str, bytes], asked: str) -> Path:
    staging, old = folder.with_name(f"{STAGING}{folder.name}"), folder.with_name(f"{STAGING}old-{folder.name}")
    with disk(asked):
        make_folder(folder.parent)
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        for leftover in (staging, old):
            if leftover.exists():
                remove_folder(leftover)
        staging.mkdir()
        for name, content in files.items():
            write_synced(staging / name, content)
        sync_folder(staging)
        if folder.exists():
            os.replace(folder, old)
        os.replace(staging, folder)
        sync_folder(folder.parent)
        if old.exists():
            remove_folder(old)
    return folder
