"""The command line: one verb is one public function and what it prints."""

from __future__ import annotations

import os


def main() -> None:
    """Run `tierwise`; exit codes are those of `tierwise.errors`."""
    # Threads that wait asleep: on a busy machine, LightGBM's spinning ones take twenty times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from tierwise.cli.app import run

    run()
