"""tierwise.yaml: where a workspace keeps its tables, state, registry and published runs."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from tierwise.config.plan import Frozen


class Quarantine(Frozen):
    """How many rows of a table may be quarantined before the file is refused."""

    max_share: Annotated[float, Field(ge=0, le=1)] = 0.01


class Settings(Frozen):
    """The settings of a workspace; relative paths and SQLite files are relative to the workspace's folder."""

    tables: str = "tables"
    data_through: date | None = None
    """How far the data reach; by default each table's newest known_at."""
    store: str = "sqlite:///state/tierwise.db"
    registry: str = "sqlite:///state/mlflow.db"
    published: str = "published"
    max_lag_days: Annotated[int, Field(ge=0)] = 7
    """How far behind an as_of the activities may end before scoring waits for newer ones (exit 7)."""
    threads: Annotated[int, Field(ge=1, le=64)] = 2
    quarantine: Quarantine = Quarantine()
    environments: dict[str, dict[str, object]] = Field(default_factory=dict)
    """Overlays by name, applied with `--env NAME`."""
