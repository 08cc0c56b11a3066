"""A run seen whole or not at all: its nine files, the lock of its plan, and the pointer CURRENT."""

from __future__ import annotations

from tierwise.disk import disk, replace_text
from tierwise.plain import safe_cell
from tierwise.publishing.atomic import POINTS, Recovered, publish, recover
from tierwise.publishing.attributes import ATTRIBUTE_POINTS, remember
from tierwise.publishing.files import FILES, SCHEMAS, run_files
from tierwise.publishing.identity import run_id
from tierwise.publishing.lock import DELIVERY, plan_lock
from tierwise.publishing.reading import PublishedRun, read_current, read_run, verify_run
from tierwise.publishing.reviews import (
    TRAINING_PAGE,
    TRAINING_POINTS,
    TRAINING_VALUES,
    publish_movements,
    publish_replay,
    publish_review,
    publish_training,
    read_replays,
    read_training,
)
from tierwise.publishing.spreadsheets import accounts_csv, points_csv
from tierwise.publishing.tables import reasons_table, scores_table, sheet_table, tiers_table

__all__ = [
    "ATTRIBUTE_POINTS",
    "DELIVERY",
    "FILES",
    "POINTS",
    "SCHEMAS",
    "TRAINING_PAGE",
    "TRAINING_POINTS",
    "TRAINING_VALUES",
    "PublishedRun",
    "Recovered",
    "accounts_csv",
    "disk",
    "plan_lock",
    "points_csv",
    "publish",
    "publish_movements",
    "publish_replay",
    "publish_review",
    "publish_training",
    "read_current",
    "read_replays",
    "read_run",
    "read_training",
    "reasons_table",
    "recover",
    "remember",
    "replace_text",
    "run_files",
    "run_id",
    "safe_cell",
    "scores_table",
    "sheet_table",
    "tiers_table",
    "verify_run",
]
