"""What each tier is judged by: its KPIs with n and interval, or the field that one of them needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from tierwise.features import KpiFacts
from tierwise.governance.intervals import Figure, counted
from tierwise.governance.rules import ReviewRules

Unit = Literal["amount", "share", "count", "amount_a_day", "ratio"]


KPI_WORDS = {
    "pipeline_created": "Pipeline created",
    "win_rate": "Win rate",
    "acv": "Mean amount won (ACV)",
    "meetings_set": "Meetings",
    "pipeline_velocity": "Pipeline velocity",
    "mql_to_sal": "MQL to SAL (leads converted)",
    "engagement": "Engagement (buyer activities an account and 30 days)",
    "false_positives": "False positives (opened an opportunity)",
    "cost_per_pipeline": "Cost per pipeline",
    "zero_outreach": "Seller activities (zero outreach)",
}
"""What each KPI is called where people read it."""


@dataclass(frozen=True)
class Kpi:
    """One figure by which a tier is judged: its value with interval and n (NaN, where there is none), or what it needs.

    low, high : NaN where the figure is a count or a sum, or is put together from figures with intervals of their own.
    n : what it is counted over, `of` in words. needs : the field that is missing, or how many cases are ("": nothing).
    """

    tier: str
    kpi: str
    unit: Unit
    figure: Figure
    of: str
    needs: str = ""


def told(kpi: Kpi, currency: str) -> tuple[str, str]:
    """A KPI's value, and its interval ("": it has none), in words; two empty texts for one that needs something.

    >>> told(Kpi("tier_1", "win_rate", "share", Figure(0.25, 0.1, 0.4, 16), "closed"), "EUR")
    ('25.0%', '10.0% to 40.0%')
    >>> told(Kpi("tier_2", "pipeline_velocity", "amount_a_day", Figure(5208.3, math.nan, math.nan, 16), ""), "EUR")
    ('5,208 EUR a day', '')
    """
    if kpi.needs:
        return "", ""
    form = {"share": "{:.1%}", "ratio": "{:.3f}"}.get(kpi.unit, "{:,.0f}")
    figure, unit = kpi.figure, f" {currency}" if currency and kpi.unit.startswith("amount") else ""
    value = form.format(figure.value) + unit + (" a day" if kpi.unit == "amount_a_day" else "")
    if math.isnan(figure.low) or math.isnan(figure.high):
        return value, ""
    return value, f"{form.format(figure.low)} to {form.format(figure.high)}"


def judged_by(
    table: pd.DataFrame, facts: KpiFacts, *, budgeted: bool, shares: Mapping[str, float], rules: ReviewRules
) -> tuple[Kpi, ...]:
    """The KPIs that tiers have by their motions, tier by tier; table: `KpiTable.by_tier`."""
    filled = facts.filled
    rows = {r["place"]: r for r in table.to_dict("records")}
    focus, growth, scaled = (rows[t] for t in ("tier_1", "tier_2", "tier_3"))
    recycle, stopped = rows["recycle"], rows["suppress"]
    sold = _lacks(filled, *(f"opportunities{of}" for of in ("", ".is_closed", ".is_won", ".closed_at")))
    worth = _lacks(filled, "opportunities", "opportunities.amount")
    in_money = sold or worth
    contacted = _lacks(filled, "activities.initiator")
    led = _lacks(filled, "leads", "leads.created_at", "leads.domain", "leads.converted_at")
    met = "" if facts.meetings else "needs activities.kind or activities.channel to say meeting: none does"
    cost = worth or _no_cost(budgeted, shares)
    opened = counted(recycle["opened"], recycle["stood"], rules.level)
    return (
        Kpi("tier_1", "pipeline_created", "amount", _plain(focus, "pipeline", "opportunities"), "opportunities", worth),
        Kpi("tier_1", "win_rate", "share", _figure(focus, "win_rate", "win", "closed"), "closed opportunities",
            sold or _few(focus["closed"], "closed", rules)),
        Kpi("tier_1", "acv", "amount", _figure(focus, "mean_won", "mean_won", "mean_won_n"), "won with an amount",
            in_money or _few(focus["mean_won_n"], "won with an amount", rules)),
        Kpi("tier_2", "meetings_set", "count", _plain(growth, "meetings", "stood"), "accounts", met),
        Kpi("tier_2", "pipeline_velocity", "amount_a_day", _plain(growth, "velocity", "mean_won_n"),
            "won with an amount", in_money or _few(growth["mean_won_n"], "won with an amount", rules)),
        Kpi("tier_3", "mql_to_sal", "share", _figure(scaled, "lead_rate", "lead", "leads"), "leads",
            led or _few(scaled["leads"], "leads", rules)),
        Kpi("tier_3", "engagement", "ratio", _figure(scaled, "engagement", "engagement", "stood"), "accounts",
            contacted or _few(scaled["stood"], "accounts", rules)),
        Kpi("recycle", "false_positives", "share", opened, "accounts recycled",
            _lacks(filled, "opportunities") or _few(recycle["stood"], "accounts recycled", rules)),
        Kpi("recycle", "cost_per_pipeline", "ratio", _plain(recycle, "cost_per_pipeline", "opportunities"),
            "opportunities", cost or _few(recycle["opportunities"], "opportunities", rules)),
        Kpi("suppress", "zero_outreach", "count", _plain(stopped, "seller", "stood"), "accounts suppressed", contacted),
    )  # fmt: skip


def _figure(row: Mapping[str, Any], name: str, ends: str, n: str) -> Figure:
    return Figure(row[name], row[f"{ends}_low"], row[f"{ends}_high"], int(row[n]))


def _plain(row: Mapping[str, Any], name: str, n: str) -> Figure:
    return Figure(float(row[name]), math.nan, math.nan, int(row[n]))


def _lacks(filled: Mapping[str, int], *names: str) -> str:
    """The first table or column that holds nothing."""
    for name in names:
        if not filled.get(name):
            return f"needs {name}: it is empty" if "." in name else f"needs the table {name}: it is absent or empty"
    return ""


def _few(n: float, of: str, rules: ReviewRules) -> str:
    least = rules.kpi_least_cases
    return f"too few cases: {int(n)} {of}, where {least} are the least" if n < least else ""


def _no_cost(budgeted: bool, shares: Mapping[str, float]) -> str:
    if not budgeted:
        return "needs budget in plays.yaml: it is not said"
    return "" if shares.get("recycle") else "needs a budget_share of the tier's plays in plays.yaml: none is said"
