"""The monthly reviews of a plan, beside its runs: `published/<plan>/reviews/<date>/`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from tierwise.publishing.disk import disk, make_folder, remove_folder, sync_folder, write_synced
from tierwise.publishing.reading import STAGING


def publish_review(root: Path, plan: str, as_of: datetime, files: Mapping[str, bytes]) -> Path:
    """Put the files of a review in place, whole, instead of any earlier review of that date; hold `plan_lock`.

    Raises
    ------
    EnvironmentFault : the disk refused.
    """
    folder = Path(root) / plan / "reviews" / as_of.date().isoformat()
    staging, old = folder.with_name(f"{STAGING}{folder.name}"), folder.with_name(f"{STAGING}old-{folder.name}")
    with disk(f"the review of {as_of.date()} was published"):
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
