"""What every test needs: threads held down, telemetry off, and the real data sets where they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["servers"]

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real public data sets, beside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data sets are not there: ../shared/data")
    return folder
