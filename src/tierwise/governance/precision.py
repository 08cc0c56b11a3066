"""Tier precision: what share of each tier's accounts had the outcome, beside the base rate of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from tierwise.config.policy import TIERS
from tierwise.governance.intervals import Figure, share
from tierwise.governance.matured import Matured, matured
from tierwise.governance.plain import plain
from tierwise.governance.rules import DEFAULT_RULES, ReviewRules

COLUMNS = ("n", "accounts", "outcomes", "predicted", "precision", "low", "high", "lift", "lift_low", "lift_high")


@dataclass(frozen=True)
class TierPrecision:
    """What the tiers were worth.

    by_tier: tier, n (rows), accounts, outcomes, predicted (the mean propensity), precision in [0, 1], low, high, lift,
    lift_low, lift_high; a line for every tier, n = 0 where none matured. by_as_of: the same by as_of and tier, without
    empty lines.
    base: the share with the outcome among all judged rows. judged: the rows behind it, and what was left out and why.
    The interval of a lift takes the base rate as known.
    """

    by_tier: pd.DataFrame
    by_as_of: pd.DataFrame
    base: Figure
    judged: Matured

    def tier(self, name: str) -> Figure:
        """The precision of one tier."""
        line = self.by_tier.set_index("tier").loc[name]
        return Figure(float(line["precision"]), float(line["low"]), float(line["high"]), int(line["n"]))

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {
            "base": self.base.to_dict(),
            "by_tier": plain(self.by_tier),
            "by_as_of": plain(self.by_as_of),
            "judged": self.judged.to_dict(),
        }


def tier_precision(
    published: pd.DataFrame,
    outcomes: pd.DataFrame,
    horizon_days: int,
    data_through: datetime,
    rules: ReviewRules = DEFAULT_RULES,
) -> TierPrecision:
    """The precision of each tier, over the rows that `matured` lets be judged.

    published: account_id, as_of, run_id, tier, propensity, model_trained_as_of, backfill (and revision).
    outcomes: account_id, as_of, outcome (1, 0, NaN), outcome_at.
    """
    return precision_of(matured(published, outcomes, horizon_days, data_through), rules)


def precision_of(judged: Matured, rules: ReviewRules = DEFAULT_RULES) -> TierPrecision:
    """The precision of each tier over rows already judged mature.

    An account that gives several rows is not several cases: intervals are Wilson's on the effective number of rows.
    """
    rows = judged.rows
    base = share(rows["outcome"], rows["account_id"], rules.level)
    by_tier = [{"tier": t, **_line(rows[rows["tier"] == t], base.value, rules.level)} for t in TIERS]
    by_as_of = []
    for as_of, cohort in rows.groupby("as_of"):
        rate = float(cohort["outcome"].mean())
        for tier in TIERS:
            part = cohort[cohort["tier"] == tier]
            if len(part):
                by_as_of.append({"as_of": as_of, "tier": tier, **_line(part, rate, rules.level)})
    return TierPrecision(
        pd.DataFrame(by_tier, columns=["tier", *COLUMNS]),
        pd.DataFrame(by_as_of, columns=["as_of", "tier", *COLUMNS]),
        base,
        judged,
    )


def _line(rows: pd.DataFrame, base: float, level: float) -> dict[str, Any]:
    figure = share(rows["outcome"], rows["account_id"], level)
    by = 1 / base if base > 0 else float("nan")
    return {
        "n": figure.n,
        "accounts": rows["account_id"].nunique(),
        "outcomes": int(rows["outcome"].sum()),
        "predicted": float(rows["propensity"].mean()),
        "precision": figure.value,
        "low": figure.low,
        "high": figure.high,
        "lift": figure.value * by,
        "lift_low": figure.low * by,
        "lift_high": figure.high * by,
    }
