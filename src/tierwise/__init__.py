"""tierwise: from CRM history to tiers that change what people do next.

The public names are resolved on first use, so that importing the package loads nothing heavy. A name that a package of
ours bears already would stand for that package once it is loaded: the verb `explain` is `explain_account` here.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "TierwiseError": "errors",
    "WorldSpec": "synthetic",
    "build_matrix": "features",
    "catalogue": "features",
    "check": "jobs",
    "decide": "tiers",
    "deliver": "jobs",
    "demo": "jobs",
    "dispute": "jobs",
    "explain_account": "jobs:explain",
    "govern": "jobs",
    "init": "jobs",
    "load_workspace": "config",
    "override": "jobs",
    "promote": "jobs",
    "read_current": "publishing",
    "read_model": "jobs",
    "read_tables": "data",
    "recalibrate": "jobs",
    "release": "jobs",
    "replay_policy": "jobs:replay",
    "report_movements": "jobs:report",
    "rollback": "jobs",
    "score": "jobs",
    "simulate": "synthetic",
    "status": "jobs",
    "tables_as_of": "jobs",
    "train": "jobs",
    "tune_policy": "jobs:tune",
    "withdraw": "jobs",
    "withdraw_dispute": "jobs",
    "write_world": "synthetic",
}
__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tierwise' has no attribute '{name}'")
    home, _, there = _HOME[name].partition(":")
    return getattr(import_module(f"tierwise.{home}"), there or name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
