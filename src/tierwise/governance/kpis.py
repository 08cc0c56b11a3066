"""The KPI table: what happened in a window, by the tier in which its account stood just before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from tierwise import clock
from tierwise.config import Budget
from tierwise.features import KpiFacts
from tierwise.governance.intervals import Figure, counted, share
from tierwise.governance.judged_by import Kpi, judged_by
from tierwise.governance.plain import plain
from tierwise.governance.rules import DEFAULT_RULES, ReviewRules
from tierwise.governance.standing import BEFORE, NOT_TIERED, OTHER, PLACES, places

TOTAL = "total"
_NOWHERE = (NOT_TIERED, BEFORE, OTHER)
COUNTS = ("opportunities", "without_amount", "won", "lost", "open", "meetings", "seller", "buyer", "leads", "converted")
_OF_WON = ("won", "lost", "won_amount", "win_rate", "win_low", "win_high", "mean_won", "mean_won_low", "mean_won_high",
           "cycle_days", "velocity")  # fmt: skip
_OF_CLOSED = ("open", "days_to_close", "days_low", "days_high")
SUMS = ("pipeline", "won_amount")
"""What adds up, row by row, to the total: counts, and amounts in the workspace's currency."""


@dataclass(frozen=True)
class KpiTable:
    """What happened in [since, as_of), by the tier or status in which its account stood just before.

    by_tier : place (`standing.PLACES`, then `total`, which is counted by itself and not summed), accounts (the mean
        number that stood there since the first run), then
        opportunities (created), without_amount, pipeline (their amounts of today), won, lost, open (as of as_of),
        won_amount,
        win_rate (won of closed), win_low, win_high, closed,
        mean_won (amount of a won one), mean_won_low, mean_won_high, mean_won_n,
        days_to_close (median of closed), days_low, days_high, cycle_days (mean of won),
        velocity (`velocity`, in currency a day),
        meetings, seller, buyer (activities), engagement (of buyers, an account and 30 days), engagement_low and _high,
        leads, converted, lead_rate, lead_low, lead_high,
        stood (accounts that ever stood there), opened (of these, the ones that opened an opportunity from there),
        cost and cost_per_pipeline (null without a budget). No figure is null but for want of cases, or of is_closed or
        is_won in the table opportunities.
    kpis : what each tier is judged by (`judged_by`). first_run : the as_of of the first run that stood (null: none).
    deleted, undated : opportunities deleted since, and closed on no date: the latter count as open. least : a rate or a
        mean over fewer cases has too few.
    """

    since: datetime
    as_of: datetime
    first_run: datetime | None
    currency: str
    by_tier: pd.DataFrame
    kpis: tuple[Kpi, ...]
    deleted: int
    undated: int
    meetings: tuple[str, ...]
    least: int

    def row(self, place: str) -> dict[str, Any]:
        """One row, by its place."""
        return dict(zip(self.by_tier.columns, self.by_tier.set_index("place", drop=False).loc[place], strict=True))

    def to_dict(self) -> dict[str, Any]:
        """The table as plain JSON values."""
        return dict(plain(self))


def kpi_table(
    facts: KpiFacts,
    stood: pd.DataFrame,
    since: datetime,
    as_of: datetime,
    *,
    shares: Mapping[str, float],
    budget: Budget | None = None,
    rules: ReviewRules = DEFAULT_RULES,
) -> KpiTable:
    """The table of [since, as_of): each opportunity stands in one row, so that the rows add up to all of them.

    stood : as `standing.stood_in` gives it. shares : tier or status -> its share of the budget (`Plays.shares`).
    What was won by as_of is what happened, and no forecast is judged by it; the open ones are not done yet.
    """
    stood = stood[stood["run_as_of"] < clock.naive(as_of)]
    first = None if stood.empty else clock.instant(stood["run_as_of"].min().to_pydatetime())
    deals = facts.opportunities
    deals = deals.assign(place=places(stood, deals["account_id"], deals["created_at"]))
    deals["place"] = deals["place"].where(deals["asked"].astype(bool), OTHER)
    acts = facts.activities.assign(place=places(stood, facts.activities["account_id"], facts.activities["starts"]))
    leads = facts.leads.assign(place=places(stood, facts.leads["account_id"], facts.leads["created_at"]))
    exposed = _exposed(stood, facts.spans)
    spent = _spent(shares, budget, first, since, as_of)
    rows = []
    for place in (*PLACES, TOTAL):
        of = [f if place == TOTAL else f[f["place"] == place] for f in (deals, acts, leads, exposed)]
        rows.append({"place": place, **_row(of, facts.spans, first, rules)})
    table = pd.DataFrame(rows)
    table.loc[table["place"].isin(_NOWHERE), "accounts"] = math.nan
    table["cost"] = table["place"].map(spent).astype(float)
    table["cost_per_pipeline"] = _per(table, "cost", "pipeline")
    if spent:
        table.loc[table["place"] == TOTAL, ["cost", "cost_per_pipeline"]] = _in_all(table, spent)
    table = table.assign(**dict.fromkeys(_unknown(facts.filled), math.nan))
    kpis = judged_by(table, facts, budgeted=budget is not None, shares=shares, rules=rules)
    undated = int(deals["undated"].sum())
    return KpiTable(
        since, as_of, first, facts.currency, table, kpis, facts.deleted, undated, facts.meetings, rules.kpi_least_cases
    )


def _unknown(filled: Mapping[str, int]) -> tuple[str, ...]:
    """The columns of which nothing is known, as the table opportunities does not say what was closed, or won."""
    if not filled.get("opportunities"):
        return ()
    if not filled.get("opportunities.is_closed"):
        return (*_OF_WON, *_OF_CLOSED)
    return () if filled.get("opportunities.is_won") else _OF_WON


def velocity(opportunities: float, win_rate: float, mean_won: float, cycle_days: float) -> float:
    """Pipeline velocity, in currency a day: opportunities x win rate x mean amount of a won one / mean days to win it.

    Source: the usual definition, as in https://metrickittools.com/glossary/pipeline-velocity; NaN where a part of it is
    not known, or the cycle has no length.

    >>> velocity(50, 0.25, 25_000, 60)
    5208.333333333333
    """
    return opportunities * win_rate * mean_won / cycle_days if cycle_days > 0 else math.nan


def _row(
    of: Sequence[pd.DataFrame], spans: Sequence[Any], first: datetime | None, rules: ReviewRules
) -> dict[str, Any]:
    deals, acts, leads, exposed = of
    closed = deals[deals["closed_at"].notna()]
    won = closed[closed["won"].astype(bool)]
    days = (closed["closed_at"] - closed["created_at"]).dt.total_seconds() / 86_400
    rate = share(closed["won"].astype(float), closed["account_id"], rules.level)
    mean, median = _mean(won["amount"].dropna(), rules.level), _median(days, rules.level)
    cycle = float(days[won.index].mean()) if len(won) else math.nan
    lead_rate = counted(int(leads["converted"].sum()), len(leads), rules.level)
    stood = set(exposed["account_id"])
    tiered = sum((ends - starts).total_seconds() / 86_400 for starts, ends in spans if first and starts >= first)
    engaged = _engaged(acts, exposed, rules.level)
    return {
        "accounts": float(exposed["days"].sum() / tiered) if tiered else math.nan,
        "opportunities": len(deals), "without_amount": int(deals["amount"].isna().sum()),
        "pipeline": math.fsum(deals["amount"].dropna()),
        "won": len(won), "lost": len(closed) - len(won), "open": len(deals) - len(closed),
        "won_amount": math.fsum(won["amount"].dropna()),
        "win_rate": rate.value, "win_low": rate.low, "win_high": rate.high, "closed": rate.n,
        "mean_won": mean.value, "mean_won_low": mean.low, "mean_won_high": mean.high, "mean_won_n": mean.n,
        "days_to_close": median.value, "days_low": median.low, "days_high": median.high, "cycle_days": cycle,
        "velocity": velocity(len(deals), rate.value, mean.value, cycle),
        "meetings": int(acts["meetings"].sum()), "seller": int(acts["seller"].sum()),
        "buyer": int(acts["buyer"].sum()), "engagement": engaged.value,
        "engagement_low": engaged.low, "engagement_high": engaged.high,
        "leads": len(leads), "converted": int(leads["converted"].sum()),
        "lead_rate": lead_rate.value, "lead_low": lead_rate.low, "lead_high": lead_rate.high,
        "stood": len(stood),
        "opened": deals.loc[~deals["place"].isin(_NOWHERE), "account_id"].nunique(),
    }  # fmt: skip


def _exposed(stood: pd.DataFrame, spans: Sequence[tuple[datetime, datetime]]) -> pd.DataFrame:
    """account_id, place, days: how long each account stood where, within the window."""
    parts = []
    runs = np.sort(stood["run_as_of"].unique())
    for starts, ends in spans:
        by_then = runs[runs <= np.datetime64(clock.naive(starts))]
        if len(by_then):
            rows = stood.loc[stood["run_as_of"] == by_then[-1], ["account_id", "tier"]]
            parts.append(rows.assign(days=(ends - starts).total_seconds() / 86_400))
    if not parts:
        return pd.DataFrame({"account_id": [], "place": [], "days": []}).astype({"days": float})
    found = pd.concat(parts, ignore_index=True).groupby(["account_id", "tier"], as_index=False)["days"].sum()
    return found.rename(columns={"tier": "place"})


def _engaged(acts: pd.DataFrame, exposed: pd.DataFrame, level: float) -> Figure:
    """Buyers' activities an account and 30 days, over accounts that stood there; accounts are what is independent.

    The variance is that of a ratio estimate (W. G. Cochran, "Sampling Techniques", 1977, section 2.11).
    """
    days = exposed.groupby("account_id")["days"].sum()
    n, months = len(days), float(days.sum()) / 30
    if n < 2 or months <= 0:
        return Figure(math.nan, math.nan, math.nan, n)
    did = acts[~acts["place"].isin(_NOWHERE)].groupby("account_id")["buyer"].sum().reindex(days.index, fill_value=0)
    ratio = float(did.sum()) / months
    off = did.to_numpy(dtype=float) - ratio * days.to_numpy(dtype=float) / 30
    half = float(stats.norm.ppf((1 + level) / 2)) * math.sqrt(n / (n - 1) * float(off @ off)) / months
    return Figure(ratio, max(0.0, ratio - half), ratio + half, n)


def _mean(values: pd.Series, level: float) -> Figure:
    """A mean with Student's interval."""
    n = len(values)
    mean = float(values.mean()) if n else math.nan
    if n < 2:
        return Figure(mean, math.nan, math.nan, n)
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * float(values.std(ddof=1)) / math.sqrt(n)
    return Figure(mean, mean - half, mean + half, n)


def _median(values: pd.Series, level: float) -> Figure:
    """A median with the interval of order statistics (W. J. Conover, "Practical Nonparametric Statistics", 1999, 3.2);
    without one where so few values bear none."""
    n = len(values)
    if n == 0:
        return Figure(math.nan, math.nan, math.nan, 0)
    ordered = np.sort(values.to_numpy(dtype=float))
    least = int(stats.binom.ppf((1 - level) / 2, n, 0.5))
    low, high = (ordered[least - 1], ordered[n - least]) if least else (math.nan, math.nan)
    return Figure(float(np.median(ordered)), float(low), float(high), n)


def _spent(
    shares: Mapping[str, float], budget: Budget | None, first: datetime | None, since: datetime, as_of: datetime
) -> dict[str, float]:
    """What each place cost from the first run in the window on; before it nothing was owed to any."""
    if budget is None or first is None or not shares:
        return {}
    amount = budget.amount * clock.months(max(first, since), as_of) / budget.months
    return {place: amount * part for place, part in shares.items()}


def _in_all(table: pd.DataFrame, spent: Mapping[str, float]) -> list[float]:
    """What all plays cost, and that over the pipeline of tiers and statuses: what was before, or of a kind that is not
    asked for, is not what they were spent on."""
    rows = table[~table["place"].isin([BEFORE, OTHER, TOTAL])]
    cost, pipeline = math.fsum(spent.values()), math.fsum(rows["pipeline"])
    return [cost, cost / pipeline if pipeline > 0 else math.nan]


def _per(table: pd.DataFrame, cost: str, of: str) -> pd.Series:
    return (table[cost] / table[of]).where(table[of] > 0)
