"""Synthetic worlds with seller effort, run month by month with a control group: what the review says, and the truth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from tierwise.clock import instant, naive
from tierwise.config import Control
from tierwise.governance import ControlReview, control_review
from tierwise.routing import draw, no_draws
from tierwise.routing.control import CONTROL, TREATED
from tierwise.synthetic import World, WorldSpec, simulate
from tierwise.synthetic.cycles import COOLDOWN, EVALUATION, OUT, RESEARCH
from tierwise.synthetic.effort import brought_forward, effort_openings, openings

TIERS = ("tier_1", "tier_2", "tier_3")
"""Every tier that is scored; the group of `ran` is drawn in those of its control."""
SIZES = (0.06, 0.10, 0.20)
"""The share of the cohort in each tier, from the top."""
FROM = 3
"""The month in which scoring begins."""


@dataclass(frozen=True)
class Judged:
    """What the review says of a world; by tier (and all), what its draws would have come to without seller action, and
    what seller action adds. All tiers together go by the review's weights.

    truth: the mean latent probability of the rows of the draws, of both arms. lift: the same draws in the same world,
    by common random numbers all worked, less none worked.
    """

    review: ControlReview
    truth: dict[str, float]
    lift: dict[str, float]

    def holds(self, tier: str = "all") -> bool:
        """Whether the interval of the control figure holds the truth."""
        line = self.review.line(tier)
        return bool(line["control_low"] <= self.truth[tier] <= line["control_high"])

    def holds_lift(self, tier: str = "all") -> bool:
        """Whether the interval of the difference holds the true one."""
        line = self.review.line(tier)
        return bool(line["lift_low"] <= self.lift[tier] <= line["lift_high"])


def ran(
    seed: int,
    *,
    accounts: int,
    months: int,
    control: Control,
    per_day: float = 0.0,
    forward_days: int = 0,
    every_days: int = 0,
) -> Judged:
    """Score a world's accounts each month (or every so many days), draw, work all that are not control, and review what
    came of it. per_day, forward_days: what effort does (`effort_openings`, `brought_forward`)."""
    world = simulate(WorldSpec(seed=seed, accounts=accounts, months=months))
    spec, last = world.spec, world.spec.as_ofs[-1]
    dates = spec.as_ofs[FROM:]
    if every_days:
        dates = tuple(dates[0] + timedelta(days=n) for n in range(0, (last - dates[0]).days + 1, every_days))
    scored = _scored(world, seed, dates)
    log = no_draws()
    for as_of, rows in scored.groupby("as_of"):
        made = draw(rows, log, control, f"world_{seed}").assign(via="", drawn_as_of=as_of, row_as_of=as_of)
        log = pd.concat([log, made], ignore_index=True) if len(log) else made
    log = log.assign(salt=control.salt)
    everyone = log.rename(columns={"drawn_as_of": "since"})[["account_id", "since", "arm"]]
    treated = everyone[everyone["arm"] == TREATED]

    def opened(worked: pd.DataFrame) -> pd.DataFrame:
        if forward_days:
            return brought_forward(world, worked, forward_days)
        return pd.concat([openings(world), effort_openings(world, worked, per_day, seed)])

    came = opened(treated)
    gone = came.merge(treated, on="account_id") if per_day or forward_days else came.head(0).assign(since=pd.NaT)
    rows = _with_outcomes(scored, came, gone[gone["opened_at"] >= gone["since"]], spec.horizon_days)
    through = instant(naive(last) + timedelta(days=spec.horizon_days))
    review = control_review(log, {}, rows, control, horizon_days=spec.horizon_days, data_through=through, as_of=through)
    assert review is not None
    mine = scored.merge(log[["account_id", "row_as_of", "arm", "share"]], left_on=["account_id", "as_of"],
                        right_on=["account_id", "row_as_of"])  # fmt: skip
    bare = mine.drop(columns=["row_as_of"])
    with_all, with_none = (_outcomes(bare, opened(who), spec.horizon_days) for who in (everyone, everyone.head(0)))
    mine = mine.assign(adds=with_all - with_none)
    return Judged(review, _weighed(mine, "latent_probability"), _weighed(mine, "adds"))


def _weighed(rows: pd.DataFrame, column: str) -> dict[str, float]:
    """The mean of a column over all draws, by tier, and over the tiers by the weights of the review."""
    arms = rows.groupby(["tier", "arm"]).size().unstack(fill_value=0)
    weights = arms[TREATED] * arms[CONTROL] / (arms[TREATED] + arms[CONTROL])
    means = rows.groupby("tier")[column].mean()
    return {**{str(t): float(v) for t, v in means.items()}, "all": float((weights * means).sum() / weights.sum())}


def _scored(world: World, seed: int, dates: tuple[datetime, ...]) -> pd.DataFrame:
    """Each date's cohort with a tier by a score that sees the hidden state through noise; those in tiers alone."""
    rng = np.random.default_rng(seed)
    ids = world.facts.accounts.frame["account_id"].to_numpy(object)
    utility = world.utility.to_numpy()
    parts = []
    for as_of in dates:
        state = world.paths.state[(as_of - world.spec.history_from).days]
        here = np.flatnonzero(np.isin(state, [OUT, RESEARCH, EVALUATION, COOLDOWN]))
        seen = np.isin(state[here], [RESEARCH, EVALUATION])
        score = utility[here] + 1.5 * seen + rng.normal(0.0, 0.8, len(here))
        rank = (np.argsort(np.argsort(-score)) + 0.5) / len(here)
        place = np.searchsorted(np.cumsum(SIZES), rank)
        tier = np.array([*TIERS, "recycle"], dtype=object)[place]
        parts.append(pd.DataFrame({"account_id": ids[here].astype(str), "as_of": naive(as_of), "tier": tier}))
    truth = world.truth(dates)
    scored = pd.concat(parts).merge(truth, on=["account_id", "as_of"])
    return scored[scored["tier"].isin(TIERS)].reset_index(drop=True)


def _with_outcomes(rows: pd.DataFrame, came: pd.DataFrame, gone: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """The published rows with what came within the horizon; none after a worked account opened (`gone`)."""
    first = gone.groupby("account_id", as_index=False)["opened_at"].min()
    rows = rows.merge(first, on="account_id", how="left")
    rows = rows[~(rows["as_of"] > rows["opened_at"])].drop(columns="opened_at").reset_index(drop=True)
    return rows.assign(outcome=_outcomes(rows, came, horizon))


def _outcomes(rows: pd.DataFrame, came: pd.DataFrame, horizon: int) -> np.ndarray:
    """1.0 where an opening came within the horizon of a row."""
    every = came[["account_id", "opened_at"]].merge(rows[["account_id", "as_of"]], on="account_id")
    inside = (every["opened_at"] >= every["as_of"]) & (every["opened_at"] < every["as_of"] + pd.Timedelta(days=horizon))
    had = every[inside][["account_id", "as_of"]].drop_duplicates().assign(outcome=1.0)
    return rows[["account_id", "as_of"]].merge(had, how="left")["outcome"].fillna(0.0).to_numpy()
