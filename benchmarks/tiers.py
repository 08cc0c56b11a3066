"""What a policy costs: 1,000,000 accounts decided in one run, and replayed over 24 monthly dates.

    python benchmarks/tiers.py [ACCOUNTS] [DATES]

Prints seconds of wall clock, and as a floor in the same run what it takes to sort the accounts by propensity and give
each the name of a band, and to say one formatted sentence an account in plain Python. Memory is the process's peak
after each part. Accounts wander at random from date to date (seed 0); one thread.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "laws"))

import numpy as np
import pandas as pd
from test_law6_guard import AS_OF, random_accounts

from tierwise.config import Policy
from tierwise.config.policy import Calendar, TimeInTier
from tierwise.tiers import decide, next_state
from tierwise.tiers.replay import Past, replay

OUTCOME = 0.07


def peak() -> str:
    """The most memory the process has held so far."""
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB"


def floor(accounts: pd.DataFrame) -> float:
    """Seconds for the least that any tiering does: rank, band and one sentence an account."""
    begin = time.perf_counter()
    order = accounts["propensity"].rank(pct=True).to_numpy()
    bands = np.array(["recycle", "tier_3", "tier_2", "tier_1"], dtype=object)[np.searchsorted([0.6, 0.8, 0.95], order)]
    said = [
        f"{band}: fit {fit:.0f} and signal {signal:.0f}."
        for band, fit, signal in zip(bands, accounts["fit_score"], accounts["signal_score"], strict=True)
    ]
    pd.DataFrame({"account_id": accounts["account_id"], "tier": bands, "why": said}).astype("str")
    return time.perf_counter() - begin


def dates(accounts: int, n: int, spent: list[float]) -> Iterator[Past]:
    """Monthly dates on which scores wander; `spent` takes the seconds that making them costs."""
    rng = np.random.default_rng(0)
    now = random_accounts(rng, accounts)
    for k in range(n):
        begin = time.perf_counter()
        for score in ("fit_score", "signal_score"):
            now[score] = (now[score] + rng.normal(0, 8, accounts)).clip(0, 100)
        outcome = (rng.random(accounts) < OUTCOME).astype(float)
        at = datetime(2024, 1, 1, tzinfo=AS_OF.tzinfo) + timedelta(days=30 * k)
        past = Past(at, now.copy(), outcome if k < n - 3 else np.full(accounts, np.nan))
        spent.append(time.perf_counter() - begin)
        yield past


def main(accounts: int = 1_000_000, n: int = 24) -> None:
    """Run and print."""
    policy = Policy(
        capacity={"tier_1": accounts // 50, "tier_2": accounts // 8},
        time_in_tier=TimeInTier(promotion_window_days=30),
        calendar=Calendar(freeze_days=10),
    )
    rng = np.random.default_rng(0)
    first, second = random_accounts(rng, accounts), random_accounts(rng, accounts)
    least = floor(second)
    state = next_state(decide(first, pd.DataFrame(), policy, AS_OF - timedelta(days=30)))
    begin = time.perf_counter()
    decided = decide(second, state, policy, AS_OF)
    spent = time.perf_counter() - begin
    print(f"{accounts:,} accounts with a state, decided in one run, with words: {spent:.1f} s, peak {peak()}")
    print(f"  {spent / least:.1f} times the floor (rank, band, one sentence an account: {least:.1f} s)")
    print(f"  {(decided['movement'] != '').mean():.1%} of the accounts moved")
    del first, second, state, decided
    making: list[float] = []
    begin = time.perf_counter()
    figures = replay(dates(accounts, n, making), policy).figures
    spent = time.perf_counter() - begin - sum(making)
    print(f"{accounts:,} accounts replayed over {n} dates: {spent:.0f} s ({spent / n:.1f} s a date), peak {peak()}")
    print(f"  making the dates is not counted ({sum(making):.0f} s); {figures.dates['accounts'].sum():,} decisions")


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:3]))
