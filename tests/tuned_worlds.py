"""One synthetic world: its past scored out of time, a policy tuned on it, and the tiers judged on 90 unseen days."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tierwise.audit import draft_plan
from tierwise.audit.drafting.policy import policy_text
from tierwise.clock import Every, instant
from tierwise.config import Icp, PlanFiles, Plays, Policy, Settings, parse_plan
from tierwise.config.load import parse_file
from tierwise.config.policy import TIERS, TimeInTier
from tierwise.config.yaml_lines import Document
from tierwise.data import Query, Warehouse, read_tables
from tierwise.features import history_start
from tierwise.jobs.past import score_past
from tierwise.learning import Recipe
from tierwise.learning.progress import silent
from tierwise.synthetic import WorldSpec, simulate, write_world
from tierwise.tiers import decide
from tierwise.tiers.aims import Aims
from tierwise.tiers.replay import Past, replay
from tierwise.tiers.tune import Tuned, tune

MONTHS = 24
RECIPE = Recipe("scorecard", {})


@dataclass(frozen=True)
class TunedWorld:
    """The past dates of a world as a policy is replayed on them; the newest has no outcome yet.

    unseen: what each of its accounts did in the 90 days after (1.0 or 0.0). latent: how likely it truly was.
    """

    seed: int
    policy: Policy
    dates: tuple[Past, ...]
    unseen: np.ndarray
    latent: np.ndarray
    horizon_days: int


def world_of(seed: int, *, accounts: int = 3000, every: Every = "month", threads: int = 1) -> TunedWorld:
    """Simulate, draft, learn again what was known every three months, and score each date by it."""
    spec = WorldSpec(seed=seed, accounts=accounts, months=MONTHS, traps=frozenset())
    world = simulate(spec)
    end = instant(pd.Timestamp(spec.start) + pd.DateOffset(months=MONTHS))
    with tempfile.TemporaryDirectory() as folder:
        write_world(world, Path(folder), end)
        intake = read_tables(Path(folder) / "tables", Settings(threads=threads))
    with intake.warehouse as warehouse:
        plan = parse_plan(draft_plan(warehouse, "new_business").model)
        policy = parse_file(Policy, policy_text(warehouse), "policy.yaml")
        files = PlanFiles(plan, policy, Plays(), Icp(), Path("new_business"), Document())
        past = score_past(
            intake, files, RECIPE, (policy,), history_start(warehouse), end,
            every=every, months=3, threads=threads, say=silent,
        )  # fmt: skip
        dates = tuple(past.under(policy))
    last = dates[-1]
    if not np.isnan(last.outcome).all():
        raise AssertionError(f"outcomes of {last.as_of} are known at {end}")
    truth = world.truth([last.as_of]).set_index("account_id")["latent_probability"]
    latent = truth.reindex(last.accounts["account_id"]).fillna(0.0).to_numpy()
    horizon = plan.outcome.horizon_days
    return TunedWorld(seed, policy, dates, _did(world.tables(), last, horizon), latent, horizon)


def _did(tables: dict, last: Past, horizon_days: int) -> np.ndarray:
    """Whether each account opened a deal in the days after the newest date."""
    with Warehouse.open({"opportunities": tables["opportunities"]}, threads=1) as warehouse:
        opened = warehouse.frame(
            Query(
                "SELECT DISTINCT account_id FROM opportunities WHERE type = 'New Business' "
                "AND created_at >= $end AND created_at < $until",
                {"end": last.as_of, "until": last.as_of + pd.Timedelta(days=horizon_days)},
            )
        )
    return last.accounts["account_id"].isin(set(opened["account_id"])).to_numpy().astype(float)


@dataclass(frozen=True)
class Line:
    """One world on its unseen days. share: of the accounts in tiers, those in the top two; held, ranked, ceiling: the
    share of the outcomes of accounts in tiers that they hold, that as many of the same minimum fit by propensity hold,
    and by latent probability. counts: n and outcomes of tier_1, tier_2, tier_3 and recycle.
    """

    share: float
    held: float
    ranked: float
    ceiling: float
    counts: np.ndarray

    @property
    def of_ranked(self) -> float:
        """What the top two hold of what the ranking holds."""
        return self.held / self.ranked

    @property
    def of_ceiling(self) -> float:
        """What the top two hold of what the latent probability holds."""
        return self.held / self.ceiling

    @property
    def words(self) -> str:
        """The line as benchmarks print it."""
        rates = ", ".join(f"{had / n:.1%} of {n:.0f}" if n else "none of 0" for n, had in self.counts)
        return (
            f"{self.share:.1%} of accounts hold {self.held:.1%} of outcomes; by propensity {self.ranked:.1%}, by the"
            f" latent probability {self.ceiling:.1%}; by tier {rates}"
        )


def tuned_on(world: TunedWorld, trials: int, top_share: float = 0.2) -> Tuned:
    """The world's drafted policy, tuned on its past."""
    return tune(
        world.dates, world.policy, Aims(top_share=top_share),
        horizon_days=world.horizon_days, trials=trials, seed=world.seed,
    )  # fmt: skip


def without_time(policy: Policy) -> Policy:
    """The same thresholds without time-in-tier."""
    none = TimeInTier(stay_margin=0, minimum_stay_days=0, promotion_window_days=0)
    return policy.model_copy(update={"time_in_tier": none})


def judged(world: TunedWorld, policy: Policy) -> pd.DataFrame:
    """The tiers on the newest date, after the policy has run over all before it, and what is known of each account."""
    state, last = replay(world.dates[:-1], policy).state, world.dates[-1]
    decided = decide(last.accounts, state, policy, last.as_of, words=False)
    known = last.accounts[["account_id", "fit_score", "propensity"]].assign(y=world.unseen, latent=world.latent)
    return decided[["account_id", "tier"]].merge(known, on="account_id", validate="1:1")


def top_and_ranked(tiers: pd.DataFrame, policy: Policy) -> Line:
    """What the top two tiers hold, beside rankings of as many accounts under the same minimum fit."""
    inside = tiers[tiers["tier"].isin(TIERS)]
    top = inside["tier"].isin(["tier_1", "tier_2"])
    fitting = inside[(inside["fit_score"] >= policy.bands.fit.moderate) & (inside["tier"] != "suppress")]
    every, n = inside["y"].sum(), int(top.sum())
    named = [inside.loc[inside["tier"] == t, "y"] for t in ("tier_1", "tier_2", "tier_3", "recycle")]
    return Line(
        share=n / len(inside),
        held=inside.loc[top, "y"].sum() / every,
        ranked=fitting.nlargest(n, "propensity")["y"].sum() / every,
        ceiling=fitting.nlargest(n, "latent")["y"].sum() / every,
        counts=np.array([[len(y), y.sum()] for y in named]),
    )
