"""Synthetic worlds with seller effort, run month by month with a control group: what the review says, and the truth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from tierwise.clock import instant, naive
from tierwise.config import Control
from tierwise.governance import ControlReview, control_review
from tierwise.routing import draw, no_draws
from tierwise.routing.control import TREATED
from tierwise.synthetic import World, WorldSpec, simulate
from tierwise.synthetic.cycles import COOLDOWN, EVALUATION, OUT, RESEARCH
from tierwise.synthetic.effort import effort_openings, openings

TIERS = ("tier_1", "tier_2", "tier_3")
SIZES = (0.06, 0.10, 0.20)
"""The share of the cohort in each tier, from the top."""
FROM = 3
"""The month in which scoring begins."""


@dataclass(frozen=True)
class Judged:
    """What the review says of a world, and by tier (and all) what its rows would have come to without seller action."""

    review: ControlReview
    truth: dict[str, float]

    def holds(self, tier: str = "all") -> bool:
        """Whether the interval of the control figure holds the truth."""
        line = self.review.line(tier)
        return bool(line["control_low"] <= self.truth[tier] <= line["control_high"])


def ran(seed: int, *, accounts: int, months: int, per_day: float, control: Control) -> Judged:
    """Score a world's accounts each month, draw, work all that are not control, and review what came of it."""
    world = simulate(WorldSpec(seed=seed, accounts=accounts, months=months))
    scored = _scored(world, seed)
    log, parts = no_draws(), []
    for as_of, rows in scored.groupby("as_of"):
        made = draw(rows, log[log["via"] == ""], control, f"world_{seed}")
        made = made.assign(via="", drawn_as_of=as_of, row_as_of=as_of)
        log = pd.concat([log, made], ignore_index=True) if len(log) else made
        parts.append(rows)
    log = log.assign(salt=control.salt)
    treated = log[log["arm"] == TREATED].rename(columns={"drawn_as_of": "since"})
    natural = openings(world)
    worked = effort_openings(world, treated[["account_id", "since"]], per_day, seed)
    rows = _with_outcomes(pd.concat(parts), natural, worked, world.spec.horizon_days)
    through = instant(naive(world.spec.as_ofs[-1]) + timedelta(days=world.spec.horizon_days))
    review = control_review(log, {}, rows, control, horizon_days=world.spec.horizon_days, data_through=through)
    assert review is not None
    since = scored.merge(log[["account_id", "row_as_of"]], on="account_id")
    since = since[since["as_of"] >= since["row_as_of"]]
    truth = since.groupby("tier")["latent_probability"].mean().to_dict()
    return Judged(review, {**truth, "all": float(since["latent_probability"].mean())})


def _scored(world: World, seed: int) -> pd.DataFrame:
    """Each month's cohort with a tier by a score that sees the hidden state through noise; those in tiers alone."""
    rng = np.random.default_rng(seed)
    ids = world.facts.accounts.frame["account_id"].to_numpy(object)
    utility = world.utility.to_numpy()
    parts = []
    for as_of in world.spec.as_ofs[FROM:]:
        state = world.paths.state[(as_of - world.spec.history_from).days]
        here = np.flatnonzero(np.isin(state, [OUT, RESEARCH, EVALUATION, COOLDOWN]))
        seen = np.isin(state[here], [RESEARCH, EVALUATION])
        score = utility[here] + 1.5 * seen + rng.normal(0.0, 0.8, len(here))
        rank = (np.argsort(np.argsort(-score)) + 0.5) / len(here)
        place = np.searchsorted(np.cumsum(SIZES), rank)
        tier = np.array([*TIERS, "recycle"], dtype=object)[place]
        parts.append(pd.DataFrame({"account_id": ids[here].astype(str), "as_of": naive(as_of), "tier": tier}))
    truth = world.truth(world.spec.as_ofs[FROM:])
    scored = pd.concat(parts).merge(truth, on=["account_id", "as_of"])
    return scored[scored["tier"].isin(TIERS)].reset_index(drop=True)


def _with_outcomes(rows: pd.DataFrame, natural: pd.DataFrame, worked: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """The published rows with what came within the horizon; none after effort opened an opportunity."""
    after = rows.merge(worked, on="account_id", how="left")
    rows = after[after["opened_at"].isna() | (after["as_of"] < after["opened_at"])].drop(columns="opened_at")
    every = pd.concat([natural, worked]).merge(rows[["account_id", "as_of"]], on="account_id")
    inside = (every["opened_at"] >= every["as_of"]) & (every["opened_at"] < every["as_of"] + pd.Timedelta(days=horizon))
    had = every[inside][["account_id", "as_of"]].drop_duplicates().assign(outcome=1.0)
    found = rows.merge(had, on=["account_id", "as_of"], how="left")
    return found.assign(outcome=found["outcome"].fillna(0.0))
