"""The dynamic signal (a product launch, a new executive, a shift in focus) that moved an account, in words."""

from __future__ import annotations

import pandas as pd

from tierwise.config import Plan
from tierwise.features import TRIGGER_WINDOWS, slug, spoken
from tierwise.tiers.words import safe_text

RISES = ("entered", "up")


def dynamic_signals(decisions: pd.DataFrame, reasons: pd.DataFrame, plan: Plan) -> dict[str, str]:
    """Account -> the dynamic signal that moved it, as `leadership change in the last 30 days`; no entry where none did.

    A signal moved an account that rose by data, or whose surge began, if it happened within the window and speaks for
    the account in the model, by a family of features that training has proven; of several the one that speaks most,
    then the plan's first. Rules weigh no signal, and name none.

    Parameters
    ----------
    decisions : account_id, movement, cause and surge_began.
    reasons : account_id, feature, value, log_odds and proven, as published.
    """
    kinds = {
        f"trigger_{slug(kind)}_{days}d": (place, days, f"{spoken(safe_text(kind))} in the last {days} days")
        for place, kind in enumerate(plan.features.signal.triggers)
        for days in TRIGGER_WINDOWS
    }
    rose = (decisions["movement"].isin(RISES) & (decisions["cause"] == "data")) | decisions["surge_began"]
    said = reasons[reasons["feature"].isin(kinds)]
    said = said[said["account_id"].isin(decisions.loc[rose, "account_id"])]
    happened = pd.to_numeric(said["value"], errors="coerce") > 0
    said = said[happened & (said["log_odds"] > 0) & (said["proven"] != "")]
    if said.empty:
        return {}
    said = said.assign(place=[kinds[f][0] for f in said["feature"]], days=[kinds[f][1] for f in said["feature"]])
    order = said.sort_values(["account_id", "log_odds", "place", "days"], ascending=[True, False, True, True])
    first = order.drop_duplicates("account_id")
    return {str(account): kinds[f][2] for account, f in zip(first["account_id"], first["feature"], strict=True)}
