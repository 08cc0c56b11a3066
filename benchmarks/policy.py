"""What time-in-tier and tuning are worth on the synthetic world, whose truth is known.

    python benchmarks/policy.py [--weekly N] [--worlds N] [--first-seed S] [--trials N] [--accounts N]
                                [--picture FILE.svg]

First, worlds of 24 months scored weekly by models that could not have seen what came, on 79 dates, as in the first six
months there is no model yet: the policy that a new workspace has, with its time-in-tier beside the same thresholds
without; in the first world also a policy that was tuned on the older of its dates. Then, world by world: the policy is
tuned so that the top two tiers hold at most 20 % of the accounts, and judged on the 90 days after the export, which no
part of the system has seen: the outcomes that they hold, beside those held by as many accounts of the same minimum fit
ranked by the model's own propensity, and by the latent probability, which nobody has (the ceiling). Seeds are S, S + 1,
...; shares are means over the worlds with standard errors. Worlds 1 to 42 and 61 were looked at when the drafted policy
and the search were made, the others were not.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np

from tierwise.config import Policy
from tierwise.report.charts import Point, trend
from tierwise.tiers.compared import compare
from tierwise.tiers.replay import Replayed, replay
from tuned_worlds import TunedWorld, judged, top_and_ranked, tuned_on, without_time, world_of

TIERS = ("tier_1", "tier_2", "tier_3", "recycle")


def hold(world: TunedWorld, policy: Policy, name: str) -> tuple[Replayed, Replayed]:
    """A policy over the world's past, with its time-in-tier and without, in print."""
    loose = without_time(policy)
    with_it, without = replay(world.dates, policy), replay(world.dates, loose)
    print(
        f"seed {world.seed}, {name} policy: {len(world.dates)} weekly dates, {len(with_it.figures.accounts):,} accounts"
    )
    print(f"  {policy.time_in_tier!r}")
    print(f"  {'':34}{'with':>9}{'without':>9}{'ratio':>8}")
    for title, key in (("moved in a month", "moved_share"), ("came back in a month", "ping_pong")):
        a, b = (float(r.figures.stable[key].iloc[0]) for r in (with_it, without))
        print(f"  {title:34}{a:9.2%}{b:9.2%}{a / b:8.2f}")
    moves = [r.figures.movements for r in (with_it, without)]
    between = [m[m["movement"].isin(["up", "down"])] for m in moves]
    for title, counted in (("movements", moves), ("of them from tier to tier", between)):
        a, b = (int(m["n"].sum()) for m in counted)
        print(f"  {title:34}{a:9,}{b:9,}{a / b:8.2f}")
    a, b = (float(r.figures.overall.set_index("tier").loc["tier_1", "size"]) for r in (with_it, without))
    print(f"  {'accounts in tier_1 on a date':34}{a:9,.1f}{b:9,.1f}{a / b if b else float('nan'):8.2f}")
    paired = compare(without, with_it).paired
    for figure, tier, said in (
        ("precision", "tier_1", "precision"),
        ("pipeline", "tier_1", "recall"),
        ("pipeline", "tier_2", "recall"),
    ):
        line = paired[(paired["figure"] == figure) & (paired["tier"] == tier)].iloc[0]
        points = " to ".join(f"{100 * line[name]:+.2f}" for name in ("low", "high"))
        both = f"{line['second']:9.2%}{line['first']:9.2%}   {100 * line['difference']:+.2f} points ({points})"
        print(f"  {f'{said} of {tier}':34}{both}", flush=True)
    return with_it, without


def _drawn(with_it: Replayed, without: Replayed) -> str:
    months = with_it.figures.stability["month"].tolist()
    series: dict[str, tuple[str, list[Point | None]]] = {}
    for n, (name, replayed) in enumerate((("with time-in-tier", with_it), ("without", without))):
        lines = replayed.figures.stability.itertuples(index=False)
        series[str(n)] = (name, [Point(name, s.ping_pong, None, None, s.accounts) for s in lines])
    return trend(months, series, None, title="Accounts that came back within 60 days, by month", base_words="")


def main() -> None:
    """Run and print."""
    read = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    read.add_argument("--weekly", type=int, default=5)
    read.add_argument("--worlds", type=int, default=20)
    read.add_argument("--first-seed", type=int, default=71)
    read.add_argument("--trials", type=int, default=100)
    read.add_argument("--accounts", type=int, default=3000)
    read.add_argument("--picture", type=Path)
    given = read.parse_args()
    for seed in range(given.first_seed, given.first_seed + given.weekly):
        weekly = world_of(seed, accounts=given.accounts, every="week")
        both = hold(weekly, weekly.policy, "drafted")
        if seed == given.first_seed:
            hold(weekly, tuned_on(weekly, given.trials).proposed, "tuned")
            if given.picture is not None:
                given.picture.write_text(_drawn(*both), encoding="utf-8")
    lines = []
    for seed in range(given.first_seed, given.first_seed + given.worlds):
        world = world_of(seed, accounts=given.accounts)
        policy = tuned_on(world, given.trials).proposed
        lines.append(top_and_ranked(judged(world, policy), policy))
        print(f"seed {seed}: {lines[-1].words}", flush=True)
    for name in ("share", "held", "ranked", "ceiling", "of_ranked", "of_ceiling"):
        values = np.array([getattr(line, name) for line in lines])
        print(f"{name:12}{values.mean():8.3f}  SE {values.std(ddof=1) / np.sqrt(len(values)):.3f}")
    rates = np.array([line.counts[:, 1] / line.counts[:, 0] for line in lines])
    for above, below, less in zip(TIERS, TIERS[1:], (rates[:, :-1] - rates[:, 1:]).T, strict=False):
        there = less[~np.isnan(less)]
        error = there.std(ddof=1) / np.sqrt(len(there))
        print(f"{above} less {below}, by world: {there.mean():+.1%}, SE {error:.1%}, {len(there)} worlds")
    totals = np.sum([line.counts for line in lines], axis=0)
    for tier, (n, had) in zip(TIERS, totals, strict=True):
        print(f"{tier:10}{int(n):8,} accounts, {had / n:7.2%} had the outcome")


if __name__ == "__main__":
    main()
