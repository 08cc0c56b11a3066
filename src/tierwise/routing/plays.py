"""Which plays a decision owes."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from tierwise.config.plays import Play
from tierwise.config.policy import STATUSES
from tierwise.routing.standing import Before, come_round

SUPPRESS = "suppress"
NO_OUTREACH = "none"
"""The motion of a play that approaches nobody."""
TIER_NAMES = {
    "tier_1": "Tier 1 · Focus",
    "tier_2": "Tier 2 · Growth",
    "tier_3": "Tier 3 · Scaled",
    "recycle": "Recycle",
    "suppress": "Suppress",
    "in_pipeline": "In pipeline",
    "customer": "Customer",
    "not_eligible": "Not eligible",
}
"""What a message calls a tier or status: {tier_words}."""


def owing(decisions: pd.DataFrame, play: Play, as_of: datetime, before: Before) -> pd.Series:
    """Whether each decision owes this play.

    `entered`: a movement (entered, up or down) into one of its tiers, or from elsewhere into one of its statuses;
    `left`: a movement out of its tiers or statuses; `stayed`: a further `every_days` in one of them; `surge`: a surge
    began, and the account stands in one of its tiers. A suppressed account owes only plays that approach nobody.

    An account's first scoring is a movement only into tier_1, tier_2 or tier_3. Suppression is owed its play all the
    same, whenever the account did not stand in suppress before: it may stand in sequences that tierwise never saw. An
    account that is new and lands in recycle or in a status owes nothing: it was approached by nobody on this plan's
    account.

    A play with stages is owed where an open opportunity stands in one of them: entered, once the account comes into the
    status (with one that was not seen there under an account that was merged into it), or the opportunity into the
    stages since the account's last run, as that run saw them; stayed, counted from then.
    """
    moved = (decisions["movement"] != "") | _between_statuses(decisions)
    stands, stood = decisions["tier"].isin(play.places), decisions["previous_tier"].isin(play.places)
    due = pd.Series(False, index=decisions.index)
    since = decisions["tier_since"] if "tier_since" in decisions.columns else None
    staged, counted = None, since
    if play.stages:
        staged = before.in_stages(decisions, play)
        since, counted = _later(since, staged.since), _later(since, staged.counted)
    if "entered" in play.movements:
        newly_suppressed = (decisions["tier"] == SUPPRESS) & (decisions["previous_tier"] != SUPPRESS)
        due |= (moved | newly_suppressed) & stands & (True if staged is None else staged.own)
        if staged is not None:
            due |= stands & stood & staged.came
    if "left" in play.movements:
        due |= moved & stood & ~stands
    if play.every_days is not None and since is not None:
        due |= stands & come_round(since, before.last_run(decisions), as_of, play.every_days, counted)
    if "surge" in play.movements:
        due |= decisions["surge_began"] & decisions["tier"].isin(play.tiers)
    if staged is not None:
        due &= staged.since.notna()
    if play.rows:
        due &= decisions["row"].isin(play.rows)
    due &= ~decisions["row"].isin(play.except_rows)
    if play.motion != NO_OUTREACH:
        due &= decisions["tier"] != SUPPRESS
    return due


def _later(in_tier: pd.Series | None, in_stage: pd.Series) -> pd.Series:
    """The later of since when an account stands in its tier or status, and an opportunity in its stage, if it does."""
    return in_stage if in_tier is None else in_stage.mask(in_tier > in_stage, in_tier)


def _between_statuses(decisions: pd.DataFrame) -> pd.Series:
    """Whether an account went from one status to another, which is no movement of tiers."""
    out = decisions["tier"].isin(STATUSES) & decisions["previous_tier"].isin(STATUSES)
    return out & (decisions["tier"] != decisions["previous_tier"])
