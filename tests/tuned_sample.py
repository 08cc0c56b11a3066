"""The page of a tuning over random past dates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cache

from past_dates import random_past
from tierwise.config import Policy
from tierwise.config.proposal import policy_diff, proposed_text
from tierwise.jobs.past import ScoredPast
from tierwise.jobs.tune import tune_values
from tierwise.learning import OutOfTime
from tierwise.plain import plain
from tierwise.report import TunePage
from tierwise.tiers.aims import Aims
from tierwise.tiers.replay import Past
from tierwise.tiers.tune import Tuned, tune

TEXT = "policy: v1  # ours\nbands:\n  fit: {moderate: 40, high: 70}\n  signal: {early: 50, moderate: 75, high: 90}\n"


AIMS = Aims(top_share=0.25, tier_1_share=0.1, precision=0.1, ping_pong=0.05)


def _dates() -> list[Past]:
    return [past.ordered() for past in random_past(1, accounts=300, n=20, open_from=19)]


@cache
def tuned(trials: int = 12) -> Tuned:
    """What a search over 20 dates of 300 accounts proposes."""
    return tune(_dates(), Policy(), AIMS, horizon_days=12, trials=trials, seed=3)


def page(labels: Mapping[str, str] | None = None, trials: int = 12) -> TunePage:
    """What a search over 20 dates of 300 accounts proposes; labels: what readers call things."""
    frames, found = _dates(), tuned(trials)
    past = ScoredPast(tuple(frames), (), OutOfTime((), {}, {}), frames[-1].as_of + timedelta(days=12))
    diff = policy_diff(TEXT, proposed_text(TEXT, found.present, found.proposed), "models/new_business/policy.yaml")
    return TunePage(plain(tune_values("new_business", found, past)), diff, "open an opportunity", 90, labels or {})
