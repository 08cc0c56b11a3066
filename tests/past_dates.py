"""Past dates made by hand from seeded numpy, for replays: accounts as `decide` reads them, and what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from tierwise.config.policy import Policy
from tierwise.jobs.past import ScoredPast
from tierwise.jobs.replay import replay_values
from tierwise.learning import OutOfTime, Refit
from tierwise.plain import plain
from tierwise.report import ReplayPage
from tierwise.tiers.compared import compare
from tierwise.tiers.replay import Past, replay
from tierwise.tiers.spoken import spoken

FIRST = datetime(2025, 1, 6, tzinfo=UTC)
QUIET: dict[str, Any] = {
    "status": "eligible",
    "fit_score": 50.0,
    "signal_score": 10.0,
    "account_score": 30.0,
    "propensity": 0.1,
    "days_since_signal": 5.0,
    "signals_7d": 0.0,
    "signals_prior_weekly": 1.0,
    "contacts_7d": 0.0,
    "channels_7d": 0.0,
    "coverage": "none",
    "roles_reached": "",
    "excluded_by": None,
    "negative_trigger": None,
}
RECYCLED = {"fit_score": 10.0}
SCALED = {"fit_score": 50.0, "signal_score": 60.0}
FOCUS = {"fit_score": 90.0, "signal_score": 95.0, "coverage": "reached"}
GROWTH = {"fit_score": 90.0, "signal_score": 80.0}
JUMPING = {"signals_7d": 9.0, "contacts_7d": 3.0}


def past(at: datetime, rows: dict[str, dict[str, Any]], outcome: dict[str, float], amount: Any = None) -> Past:
    """One date of a few accounts, each told by what is unlike a quiet one; an outcome not given is 0."""
    frame = pd.DataFrame([QUIET | {"account_id": account, **facts} for account, facts in sorted(rows.items())])
    came = frame["account_id"].map(outcome).fillna(0.0).to_numpy(dtype=np.float64) if outcome is not None else None
    came = np.full(len(frame), np.nan) if came is None else came
    brought = None if amount is None else frame["account_id"].map(amount).to_numpy(dtype=np.float64)
    return Past(at, frame, came, brought, "m")


def dates(n: int, days: int, first: datetime = FIRST) -> list[datetime]:
    """n dates, so many days apart."""
    return [first + timedelta(days=k * days) for k in range(n)]


def random_past(seed: int, accounts: int = 30, n: int = 8, days: int = 12, open_from: int = 6) -> list[Past]:
    """Accounts that come and go, with scores that wander; from a date on no horizon has closed."""
    r = np.random.default_rng(seed)
    ids = np.array([f"a{k:03d}" for k in range(accounts)])
    fit, signal = r.uniform(0, 100, accounts), r.uniform(20, 100, accounts)
    found = []
    for k, at in enumerate(dates(n, days)):
        fit = np.clip(fit + r.normal(0, 4, accounts), 0, 100)
        signal = np.clip(signal + r.normal(0, 15, accounts), 0, 100)
        frame = pd.DataFrame(
            {
                "account_id": ids,
                "status": _drawn(r, accounts, ("eligible", "in_pipeline", "customer"), (0.9, 0.06, 0.04)),
                "fit_score": fit,
                "signal_score": signal,
                "account_score": (fit + signal) / 2,
                "propensity": (fit + signal) / 400,
                "days_since_signal": r.exponential(70, accounts).round(),
                "signals_7d": r.poisson(4, accounts).astype(float),
                "signals_prior_weekly": r.exponential(1.0, accounts),
                "contacts_7d": r.integers(0, 4, accounts).astype(float),
                "channels_7d": r.integers(0, 3, accounts).astype(float),
                "coverage": _drawn(r, accounts, ("none", "unknown", "partial", "reached"), (0.3, 0.2, 0.2, 0.3)),
                "roles_reached": "",
                "excluded_by": _drawn(r, accounts, (None, "legal"), (0.96, 0.04)),
                "negative_trigger": _drawn(r, accounts, (None, "unsubscribed"), (0.97, 0.03)),
            }
        )
        y = (r.random(accounts) < 0.05 + signal / 400).astype(float)
        amount = np.where((y == 1) & (r.random(accounts) < 0.7), r.uniform(100, 900, accounts).round(), np.nan)
        if k >= open_from:
            y[:], amount[:] = np.nan, np.nan
        there = r.random(accounts) < (0.7 if k == 0 else 0.95)
        order = r.permutation(np.flatnonzero(there))
        found.append(Past(at, frame.iloc[order].reset_index(drop=True), y[order], amount[order], f"m{k // 3}"))
    return found


def _drawn(r: np.random.Generator, n: int, of: Sequence[Any], p: Sequence[float]) -> np.ndarray:
    return np.array(of, dtype=object)[r.choice(len(of), n, p=p)]


def replay_sample(policy: Policy, against: Policy | None = None, open_from: int = 20) -> ReplayPage:
    """The values of a replay's page, over a year of random dates; from a date on no horizon has closed."""
    frames = random_past(7, accounts=400, n=26, days=14, open_from=open_from)
    model: Any = None
    refits = tuple(Refit(frames[k].as_of, model, 900 + 300 * k, 60 + 20 * k) for k in (0, 7, 14))
    why = "Training needs 50 accounts with the outcome: there are 12"
    early = dict.fromkeys(dates(3, 14, datetime(2024, 11, 4, tzinfo=UTC)), why)
    learned = OutOfTime(refits, early, {frames[20].as_of: "a higher score did not mean more"})
    past = ScoredPast(tuple(frames), (), learned, frames[19].as_of + timedelta(days=90))
    replayed = replay(frames, policy)
    compared = None if against is None else compare(replayed, replay(frames, against))
    values = plain(replay_values("new_business", replayed, compared, past))
    said = [spoken(each) for each in (policy, against) if each is not None]
    return ReplayPage(values, "open an opportunity", 90, {"signal": "engagement", "movement": "tier change"}, *said)
