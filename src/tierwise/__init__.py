"""tierwise: from CRM history to tiers that change what people do next.

The public names are resolved on first use, so that importing the package loads nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "TierwiseError": "errors",
    "build_matrix": "features",
    "catalogue": "features",
    "check": "jobs",
    "decide": "tiers",
    "demo": "jobs",
    "explain": "jobs",
    "govern": "jobs",
    "init": "jobs",
    "load_workspace": "config",
    "promote": "jobs",
    "read_current": "publishing",
    "read_tables": "data",
    "recalibrate": "jobs",
    "rollback": "jobs",
    "score": "jobs",
    "simulate": "synthetic",
    "tables_as_of": "jobs",
    "train": "jobs",
}
__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tierwise' has no attribute '{name}'")
    return getattr(import_module(f"tierwise.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
