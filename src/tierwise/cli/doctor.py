"""What the environment can do: each check with what it says."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tierwise.errors import TierwiseError

LIBRARIES = ("duckdb", "lightgbm", "scikit-learn", "mlflow", "sqlalchemy", "pandas", "pyarrow", "pydantic")
LEAST_FREE_GB = 2


def findings(folder: Path, env: str | None) -> list[tuple[str, bool, str]]:
    """(check, whether it holds, what it says): Python, libraries, cores, disk, sources, store and registry."""
    found = [("Python", True, platform.python_version())]
    for name in LIBRARIES:
        try:
            found.append((name, True, version(name)))
        except PackageNotFoundError:
            found.append((name, False, "not installed: pip install tierwise"))
    found.append(("cores", True, str(os.cpu_count())))
    free = shutil.disk_usage(folder if folder.is_dir() else Path()).free / 1e9
    found.append(("disk", free >= LEAST_FREE_GB, f"{free:.0f} GB free, at least {LEAST_FREE_GB} wanted"))
    if (folder / "tierwise.yaml").is_file():
        found += _workspace(folder, env)
    else:
        found.append(
            ("workspace", True, f"none in {folder}: name one with -C to check its sources, store and registry")
        )
    return found


def _workspace(folder: Path, env: str | None) -> list[tuple[str, bool, str]]:
    from tierwise.config import load_workspace
    from tierwise.data.sources.opening import reached
    from tierwise.registry import Registry
    from tierwise.store import Store

    try:
        workspace = load_workspace(folder, env)
    except TierwiseError as error:
        return [("workspace", False, str(error))]
    found = [("workspace", True, f"plans: {', '.join(workspace.plans)}")]
    for source in workspace.settings.all_sources:
        try:
            found.append((f"source: {source.name}", True, reached(folder, source)))
        except TierwiseError as error:
            found.append((f"source: {source.name}", False, str(error)))
    for plan in workspace.plans:
        try:
            versions = Registry(workspace.registry, folder / "state" / "models").versions(plan)
            live = next((v.number for v in versions if "champion" in v.aliases), None)
            found.append((f"registry: {plan}", True, f"{len(versions)} versions, live: {live or 'none'}"))
        except TierwiseError as error:
            found.append((f"registry: {plan}", False, str(error)))
    try:
        with Store.open(workspace.store) as store:
            runs = {plan: len(store.runs(plan)) for plan in workspace.plans}
        found.append(("store", True, ", ".join(f"{plan}: {n} runs" for plan, n in runs.items())))
    except TierwiseError as error:
        found.append(("store", False, str(error)))
    return found
