"""The published rows that may be judged: forecasts made in time, whose horizon has closed (law 2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from tierwise import clock
from tierwise.config.policy import TIERS
from tierwise.errors import UsageError
from tierwise.governance.plain import plain

PUBLISHED = ("account_id", "as_of", "run_id", "tier", "propensity", "model_trained_as_of", "backfill")
OUTCOMES = ("account_id", "as_of", "outcome", "outcome_at")

BACKFILL = "published by a backfill"
LATER_MODEL = "scored by a model trained as of a later date"
REVISED = "replaced by a revision"
STATUS = "has a status, not a tier"
OPEN_HORIZON = "its horizon has not closed"
NO_OUTCOME = "its outcome is not known"
REASONS = (BACKFILL, LATER_MODEL, REVISED, STATUS, OPEN_HORIZON, NO_OUTCOME)
"""Why a row is not judged, in the order in which it is asked; a row is counted under the first that holds."""


@dataclass(frozen=True)
class Matured:
    """The rows judged, the rows left out by reason, and the two together.

    rows: account_id, as_of, tier, propensity, outcome (1.0 or 0.0), outcome_at; sorted by (as_of, account_id).
    excluded: reason, n; every reason has a line. `len(rows) + excluded.n.sum() == read`.
    """

    rows: pd.DataFrame
    excluded: pd.DataFrame
    read: int

    def to_dict(self) -> dict[str, Any]:
        """The counts (never the rows) as plain JSON values."""
        return {"read": self.read, "judged": len(self.rows), "excluded": plain(self.excluded)}


def require(frame: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    """Refuse a frame that lacks a column, by the column's name.

    Raises
    ------
    UsageError : a column is missing.
    """
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise UsageError(
            f"{what} needs the columns {', '.join(columns)}",
            found=f"missing: {', '.join(missing)}",
            do="Name the columns as listed",
        )


def matured(published: pd.DataFrame, outcomes: pd.DataFrame, horizon_days: int, data_through: datetime) -> Matured:
    """The rows that may be judged: tiers published before their horizon closed, and whose horizon has since closed.

    A row is a forecast if no backfill wrote it and its model was trained as of no later than the row's as_of. Of
    several runs that are, for one as_of, the newest replaces the others: the one with the greatest `revision`, where
    `published` has that column, else the one whose rows stand last. Mature is `as_of + horizon <= data_through`.

    Raises
    ------
    UsageError : a column is missing; a run or the outcomes name a row twice; an outcome lies outside its horizon.
    """
    require(published, PUBLISHED, "tier precision, of the published tiers,")
    require(outcomes, OUTCOMES, "tier precision, of the outcomes,")
    _once(published, ("account_id", "as_of", "run_id"), "a run publishes each account once")
    _once(outcomes, ("account_id", "as_of"), "outcomes name each account and as_of once")
    _within(outcomes, horizon_days)
    horizon = np.timedelta64(timedelta(days=horizon_days))
    frame = published.reset_index(drop=True)
    backfill = frame["backfill"].astype(bool)
    later = ~(frame["model_trained_as_of"].isna() | (frame["model_trained_as_of"] <= frame["as_of"]))
    kept = frame[[c for c in (*PUBLISHED, "revision") if c in frame.columns]].merge(
        outcomes[list(OUTCOMES)], on=["account_id", "as_of"], how="left"
    )
    checks = (
        backfill,
        later,
        frame["run_id"] != frame["as_of"].map(_newest(frame[~backfill & ~later])),
        ~frame["tier"].isin(TIERS),
        frame["as_of"] + horizon > clock.naive(data_through),
        kept["outcome"].isna(),
    )
    left = pd.Series(True, index=frame.index)
    counts = []
    for fails in checks:
        counts.append(int((left & fails).sum()))
        left &= ~fails
    rows = kept.loc[left, ["account_id", "as_of", "tier", "propensity", "outcome", "outcome_at"]]
    rows = rows.sort_values(["as_of", "account_id"], kind="stable").reset_index(drop=True)
    rows["outcome"] = rows["outcome"].astype(float)
    return Matured(rows, pd.DataFrame({"reason": REASONS, "n": counts}), len(frame))


def _newest(frame: pd.DataFrame) -> dict[pd.Timestamp, str]:
    """The newest run of each as_of."""
    if "revision" in frame.columns:
        frame = frame.sort_values("revision", kind="stable")
    return dict(frame.groupby("as_of")["run_id"].last())


def _once(frame: pd.DataFrame, key: tuple[str, ...], rule: str) -> None:
    twice = int(frame.duplicated(list(key)).sum())
    if twice:
        raise UsageError(rule, found=f"{twice} rows name one again", do="Pass each row once")


def _within(outcomes: pd.DataFrame, horizon_days: int) -> None:
    at, as_of = outcomes["outcome_at"], outcomes["as_of"]
    outside = (outcomes["outcome"] == 1) & at.notna()
    outside &= (at < as_of) | (at >= as_of + np.timedelta64(timedelta(days=horizon_days)))
    if outside.any():
        raise UsageError(
            f"an outcome lies within [as_of, as_of + {horizon_days} days)",
            found=f"{int(outside.sum())} outcomes lie outside",
            do="Build the outcomes with the horizon that the tiers were published for",
        )
