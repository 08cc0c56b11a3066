"""Seconds and peak memory of one fit. Standard library only: the AutoML's own environment runs it too."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any


def peak_megabytes() -> float:
    """The most memory that this process has held, in MB.

    On Linux from /proc, which begins anew with each program; `ru_maxrss` there inherits that of the process that
    started this one. Elsewhere from `ru_maxrss`, which is bytes on macOS and kB on others.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


class Watch:
    """Begins when made; `write` says what has been used since."""

    def __init__(self) -> None:
        self.start = time.perf_counter()

    def write(self, path: Path, probabilities: list[float], said: dict[str, Any]) -> None:
        """Probabilities, seconds, megabytes and what else is said, as JSON."""
        used = {"seconds": time.perf_counter() - self.start, "megabytes": peak_megabytes()}
        path.write_text(json.dumps({"probabilities": probabilities, **used, **said}))
