"""What the leakage audit finds, what it spares, and what it is worth.

    python benchmarks/audit.py [SEEDS] [HONEST_SEEDS] [WORLDS] [ACCOUNTS]

Prints three tables: each trap of the synthetic world on and off, by the finding that names it; honest columns and
features that were blocked; and, with all traps on, the AUC on the 90 days after the export of a model trained through
the audit, of one trained on the same export cleaned by the truth, and of one trained without the audit, beside the AUC
that each reported of itself. A world is judged by what it did next, which no table of the export holds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from leaks import CAUGHT, alarms, audited, caught, export, honest, worth


def traps(seeds: int, accounts: int = 400) -> None:
    """Each trap alone, on and off: in how many worlds a finding names its mechanism and its place."""
    clean = [audited(export(seed, accounts)) for seed in range(seeds)]
    print(f"Traps: {seeds} worlds of {accounts} accounts each way")
    print(f"{'trap':32}{'finding':28}{'about':18}{'on':>6}{'off':>6}")
    for trap, (codes, subject) in CAUGHT.items():
        on = sum(caught(trap, audited(export(seed, accounts, [trap]))) for seed in range(seeds))
        off = sum(caught(trap, findings) for findings in clean)
        print(f"{trap:32}{codes[0]:28}{subject:18}{on:>6}{off:>6}", flush=True)
    print(f"such findings about anything else, traps off: {sum(len(alarms(f)) for f in clean)}\n", flush=True)


def spared(seeds: int) -> None:
    """Honest columns and features that were blocked, with the 95 % Clopper-Pearson bound of their share."""
    found = [honest(seed) for seed in range(seeds)]
    print(f"Honest columns: {seeds} worlds without traps, 13 honest columns added to each")
    blocked = len({(h.seed, name) for h in found for name, _ in h.blocked})
    for what, n in (
        ("attributes", sum(h.attributes for h in found)),
        ("attributes and features", sum(h.attributes + h.features for h in found)),
    ):
        most = float(stats.beta.ppf(0.975, blocked + 1, n - blocked))
        print(f"{what:26}{blocked:>4} of {n:>6} blocked ({blocked / n:.2%}, at most {most:.2%})")
    for h in found:
        for name, code in h.blocked:
            print(f"  seed {h.seed}: {name} ({code})")
    print(flush=True)


def valued(worlds: int, accounts: int) -> None:
    """AUC on the unseen 90 days, and what each model said of itself; means with their 95 % intervals (Student's t)."""
    found = [worth(seed, accounts) for seed in range(worlds)]
    outcomes = sum(w.outcomes for w in found)
    print(f"Worth: {worlds} worlds of {accounts} accounts, all traps on, {outcomes} outcomes on the unseen 90 days")
    print(f"{'trained':54}{'said':>8}{'unseen':>8}")
    for words, name in (
        ("through the audit", "audited"),
        ("without the audit: its columns taken as accepted", "fooled"),
        ("on the same export, cleaned by the truth", "cleaned"),
        ("on the world without its traps (intent always tracked)", "untouched"),
    ):
        said = [getattr(w, f"{name}_said") for w in found if hasattr(w, f"{name}_said")]
        shown = f"{np.mean(said):.4f}" if said else ""
        print(f"{words:54}{shown:>8}{np.mean([getattr(w, name) for w in found]):>8.4f}")
    for other in ("cleaned", "untouched"):
        difference = np.array([w.audited - getattr(w, other) for w in found])
        half = stats.t.ppf(0.975, worlds - 1) * difference.std(ddof=1) / np.sqrt(worlds)
        mean = difference.mean()
        print(f"through the audit less {other}: {mean:+.4f} [{mean - half:+.4f}, {mean + half:+.4f}]")


def main(seeds: int = 20, honest_seeds: int = 50, worlds: int = 20, accounts: int = 1500) -> None:
    """Run and print."""
    traps(seeds)
    spared(honest_seeds)
    valued(worlds, accounts)


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
