"""Two published runs made by hand from seeded numpy, and the steps between them, for reports of what moved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from past_dates import replay_sample
from tierwise.config import STATUSES, TIERS
from tierwise.config.policy import Policy
from tierwise.jobs.moved import by_group, counted, moved
from tierwise.plain import plain
from tierwise.report import MovementsPage
from tierwise.tiers.spoken import spoken

CAUSES = ("data", "ageing", "model", "policy", "capacity", "override")
WHY = "Tier 1 to tier 2 on 3 Mar 2026: signal fell from 92 to 81 (moderate) and fit 88 is high; no role reached."


def runs(seed: int, n: int = 200, owners: int = 6) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Tiers then and now, the steps between, and who looks after the accounts; some come, go, or are merged away."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"a{k:04d}" for k in range(n)])
    tiers = np.array([*TIERS, *STATUSES])
    was = rng.choice(tiers, n, p=[0.1, 0.15, 0.3, 0.3, 0.03, 0.05, 0.04, 0.03])
    steps, now = [], was.copy()
    for date in pd.date_range("2026-02-01", periods=3, freq="MS"):
        for k in np.flatnonzero(rng.random(n) < 0.15):
            now[k] = rng.choice(tiers[tiers != now[k]])
            steps.append((ids[k], date, rng.choice(CAUSES), f"{WHY} ({date.date()})"))
    there, stays = rng.random(n) < 0.95, rng.random(n) < 0.95
    rails = rng.choice(["", "minimum_stay", "owner_full", "surge_breadth;override"], n, p=[0.8, 0.1, 0.06, 0.04])
    then = _tiers(rng, ids, was, np.full(n, ""))[there]
    after = _tiers(rng, ids, now, rails)[stays]
    owner = rng.choice([*(f"o-{k}" for k in range(owners)), None], n)
    accounts = pd.DataFrame({"account_id": ids, "name": [f"Company {i}" for i in ids], "owner_id": owner})
    accounts["name"] = accounts["name"].where(rng.random(n) < 0.9, None)
    accounts = accounts.assign(group=owner, merged=rng.random(n) < 0.3)
    walked = pd.DataFrame(steps, columns=["account_id", "as_of", "cause", "why"])
    walked["as_of"] = walked["as_of"].astype("datetime64[us]")
    return then, after, walked, accounts


def _tiers(rng: np.random.Generator, ids: np.ndarray, tier: np.ndarray, rails: np.ndarray) -> pd.DataFrame:
    chance = np.where(np.isin(tier, STATUSES), np.nan, rng.random(len(ids)) / 2)
    why = [f"Stands in {t.replace('_', ' ')}: fit 71 is high and signal 80 is moderate; no role reached." for t in tier]
    return pd.DataFrame({"account_id": ids, "tier": tier, "propensity": chance, "guardrails": rails, "why": why})


def page(seed: int = 5, n: int = 400, by: str = "owner", replayed: bool = True, **labels: str) -> MovementsPage:
    """The values of a report's pages."""
    moves = moved(*runs(seed, n))
    policy = Policy(capacity={"tier_1": 10})
    groups = [
        {"name": name, "file": f"{by}_{k:03d}.html", **counted(mine)} for k, (name, mine) in enumerate(by_group(moves))
    ]
    replay: dict[str, Any] | None = None
    if replayed:
        sample = replay_sample(policy).values
        replay = {"folder": "2025-12-22_v1", **{k: sample[k] for k in ("policy_version", "first", "last", "overall")}}
        replay["guardrails"] = sample["guardrails"]
    run = {"run_id": "20260401-3f9ac1e77b204d51", "model_version": "m", "policy_version": policy.version()}
    values = {
        "plan": "new_business", "by": by, "since": "2026-01-05",
        "then": run | {"as_of": "2026-01-01", "run_id": "20260101-1f9ac1e77b204d51"},
        "now": run | {"as_of": "2026-04-01"},
        "policy_version": policy.version(), "policy": spoken(policy), "total": counted(moves), "groups": groups,
        "movements": [], "replay": replay,
    }  # fmt: skip
    return MovementsPage(plain(values), moves, "open an opportunity", labels)
