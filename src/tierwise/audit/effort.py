"""Seller effort: whether the plan counts it as signal, and whether it follows who accounts are."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

import tierwise.audit.sql as sql
from tierwise.audit.finding import AuditRules, Finding
from tierwise.audit.measures import Floats, coded

if TYPE_CHECKING:
    from tierwise.config.plan import Plan
    from tierwise.data import Warehouse

SELLERS = 0.9
"""A channel is the sellers' own if so much of it is begun by them."""
MOST = 20_000
"""Accounts whose effort is compared; of more, a fixed sample."""
LEAST_ACCOUNTS = 100


def of_effort(
    warehouse: Warehouse, plan: Plan, data_through: datetime, attributes: list[str], rules: AuditRules
) -> list[Finding]:
    """Findings on the channels that sellers fill."""
    table = warehouse.frame(sql.initiators())
    own = table[(table["n"] > 0) & (table["seller"] >= SELLERS * table["n"])]
    counted = plan.features.signal
    found = []
    for row in table[table["seller"] > 0].itertuples(index=False):
        if row.channel in counted.channels and "seller" in counted.initiators:
            words = (
                f"{row.seller} of {row.n} of its activities are begun by sellers, and the plan counts them as signal"
            )
            do = "Take seller out of features.signal.initiators: effort follows whom sellers chose, not who will buy"
            figures = {"n": int(row.n), "seller": int(row.seller)}
            asked = f"the channel {row.channel} as a signal"
            found.append(Finding("seller_effort", "blocks", row.channel, asked, words, do, figures, refuses=True))
    for channel in own["channel"]:
        found += _follows(warehouse, channel, data_through, attributes, rules)
        if channel in counted.channels and "seller" not in counted.initiators:
            words = "only sellers begin its activities, so that as a signal it is empty"
            do = "Remove it from features.signal.channels; effort is kept for the review"
            asked = f"the plan counts the channel {channel}"
            found.append(Finding("seller_channel", "warns", channel, asked, words, do))
    return found


def _follows(
    warehouse: Warehouse, channel: str, data_through: datetime, attributes: list[str], rules: AuditRules
) -> list[Finding]:
    """Whether how hard accounts are worked before they open anything follows an attribute of theirs."""
    frame = warehouse.frame(sql.effort([channel], attributes, data_through, MOST))
    if len(frame) < LEAST_ACCOUNTS or not frame["n"].sum():
        return []
    effort = np.log1p(frame["n"].to_numpy(np.float64) * 365 / frame["days"].to_numpy(np.float64))
    explained = {name: _explained(frame[f"value_{name}"], effort) for name in attributes}
    best = max(explained, key=lambda name: explained[name][0], default=None)
    if best is None:
        return []
    share, p_value = explained[best]
    if share <= rules.effort_share or p_value >= rules.chance / len(attributes):
        return []
    others = [n for n, (s, p) in explained.items() if n != best and s > rules.effort_share / 4 and p < rules.chance]
    also = f" (and {', '.join(sorted(others))})" if others else ""
    words = (
        f"effort follows who accounts are, not what they do: before they open anything, {best}{also} explains "
        f"{share:.0%} of how hard accounts are worked"
    )
    do = "Keep it out of the signals, and read what was worked beside what was not: the old choice favours some"
    figures = {"attribute": best, "explained": share, "p_value": p_value, "accounts": len(frame)}
    asked = f"the channel {channel}, which sellers fill"
    return [Finding("effort_follows_rubric", "warns", channel, asked, words, do, figures)]


def _explained(values: pd.Series, effort: Floats) -> tuple[float, float]:
    """The share of variance between the values (adjusted for their number, 0 at least), and its p-value."""
    codes, kinds = coded(values)
    n, k = len(effort), len(kinds)
    if k < 2 or n <= 2 * k:
        return 0.0, 1.0
    count = np.bincount(codes, minlength=k)
    mean = np.bincount(codes, effort, minlength=k) / np.maximum(count, 1)
    between = float((count * (mean - effort.mean()) ** 2).sum())
    within = float(((effort - mean[codes]) ** 2).sum())
    if within <= 0:
        return 0.0, 1.0
    ratio = (between / (k - 1)) / (within / (n - k))
    share = 1 - (within / (n - k)) / ((between + within) / (n - 1))
    return max(0.0, share), float(stats.f.sf(ratio, k - 1, n - k))
