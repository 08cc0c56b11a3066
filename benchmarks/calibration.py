"""How often the calibration test and the gate are right, on scores whose truth is known.

    python benchmarks/calibration.py [RUNS]

Prints, for each kind of rows, how often perfectly calibrated scores are rejected at 5 % (by the test that takes rows as
independent, by the test by account, by the gate, and by an ECE above its null), and how often a true slope of 1.5, and
of 1 / 1.5, is caught. Seeds are 1, 2 and 3; the standard error of a share of 5 % in 2,000 runs is 0.5 %.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from scored_rows import SETTINGS, rejections


def main(runs: int = 2000) -> None:
    """Run and print."""
    for seed, slope, words in ((1, 1.0, "perfect scores"), (2, 1.5, "slope 1.5"), (3, 1 / 1.5, "slope 0.67")):
        n = runs if slope == 1 else max(1, runs // 4)
        print(f"{words}: share rejected at 5 %, {n:,} samples each (seed {seed})")
        print(f"{'rows':34}{'by rows':>9}{'by account':>12}{'gate':>7}{'ECE':>7}")
        for name, rows in SETTINGS.items():
            found = rejections(rows, n, seed, slope)
            print(f"{name:34}{found.by_rows:>9.1%}{found.test:>12.1%}{found.gate:>7.1%}{found.ece:>7.1%}", flush=True)
        print()


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
