"""What every test needs: threads held down, telemetry off, no test timed, and the real data sets where they are."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["servers"]

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def small_demo(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The workspace of a small demo, made once for all workers, of which each has its own copy: no other process has
    the store open while a test copies it. A test that changes something copies it."""
    base = tmp_path_factory.getbasetemp()
    home = (base if worker_id == "master" else base.parent) / "small_demo"
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "made").exists():
            from tierwise.jobs import demo

            demo(home / "ws", accounts=700, seed=3)
            (home / "made").touch()
        return Path(shutil.copytree(home / "ws", base / "own_small_demo"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real public data sets, beside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data sets are not there: ../shared/data")
    return folder
