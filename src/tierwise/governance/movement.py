"""How much accounts move: movements by month and by cause, and how many came back to a tier they had just left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from tierwise.config.policy import TIERS
from tierwise.governance.intervals import Figure, counted, share
from tierwise.governance.matured import require
from tierwise.governance.plain import plain
from tierwise.governance.rules import DEFAULT_RULES, ReviewRules

MONTHLY = ("month", "accounts", "moved", "movements", "share", "low", "high", "ping_pong", "ping_pong_share")


@dataclass(frozen=True)
class MovementReview:
    """How stable the tiers are.

    by_month: month ("2026-03"), accounts that had a tier in it or moved, moved (accounts that moved at least once),
    movements, share = moved / accounts with its interval, ping_pong (accounts that came back to a tier), its share.
    by_cause: month, cause, n. ping_pong: the share of account-months in which the account came back within the days of
    the rules to a tier that it had left, having had a tier all the while (an opportunity opened and lost is not one).
    """

    by_month: pd.DataFrame
    by_cause: pd.DataFrame
    ping_pong: Figure
    ping_pong_by_cause: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return dict(plain(self))


def movement_review(
    published: pd.DataFrame, movements: pd.DataFrame, rules: ReviewRules = DEFAULT_RULES
) -> MovementReview:
    """Movements per month and by cause, and the ping-pong rate.

    published: account_id, as_of, tier (a tier or a status), every published row. movements: account_id, as_of,
    previous_tier, tier, cause; a row without previous_tier (null or empty), an account's first, is no movement.
    In order of runs: movements of one account and as_of are netted, so that a revision counts once.
    """
    require(published, ("account_id", "as_of", "tier"), "the movement review, of the published tiers,")
    require(movements, ("account_id", "as_of", "previous_tier", "tier", "cause"), "the movement review")
    held = published.loc[published["tier"].isin(TIERS), ["account_id", "as_of"]]
    seen = held.assign(month=_month(held["as_of"]))[["account_id", "month"]].drop_duplicates(ignore_index=True)
    moves = _netted(movements)
    moves = moves[(moves["previous_tier"] != "") & (moves["previous_tier"] != moves["tier"])]
    moves = moves.sort_values(["account_id", "as_of"], kind="stable").reset_index(drop=True)
    moves = moves.assign(
        month=_month(moves["as_of"]), back=np.array(came_back(moves, rules.ping_pong_days), dtype=bool)
    )
    months = [_of_month(m, seen, moves, rules) for m in sorted({*seen["month"], *moves["month"]})]
    back = moves.loc[moves["back"], ["account_id", "month"]].drop_duplicates()
    flags = seen.merge(back.assign(outcome=1.0), on=["account_id", "month"], how="left")["outcome"].fillna(0.0)
    return MovementReview(
        pd.DataFrame(months, columns=list(MONTHLY)),
        _count(moves, ["month", "cause"]),
        share(flags, seen["account_id"], rules.level),
        _count(moves[moves["back"]], ["cause"]),
    )


def _netted(movements: pd.DataFrame) -> pd.DataFrame:
    """One movement an account and as_of: a revision's is taken together with that of the run it revised."""
    moves = movements.assign(
        previous_tier=movements["previous_tier"].fillna("").astype(object), tier=movements["tier"].astype(object)
    )
    how = {c: "last" for c in moves.columns if c not in ("account_id", "as_of")} | {"previous_tier": "first"}
    return moves.groupby(["account_id", "as_of"], as_index=False, sort=True).agg(how)


def came_back(moves: pd.DataFrame, within_days: int) -> list[bool]:
    """For each movement, whether it leads back to a tier left at most so many days before; a status forgets them all.

    moves: account_id, as_of, previous_tier, tier; sorted by account, then as_of.
    """
    window = timedelta(days=within_days)
    left: dict[str, pd.Timestamp] = {}
    account, flags = None, []
    for row in moves[["account_id", "as_of", "previous_tier", "tier"]].itertuples(index=False, name=None):
        account_id, as_of, before, tier = row
        if account_id != account:
            account, left = account_id, {}
        flags.append(tier in left and as_of - left[tier] <= window)
        left[before] = as_of
        if before not in TIERS or tier not in TIERS:
            left = {}
    return flags


def _of_month(month: str, seen: pd.DataFrame, moves: pd.DataFrame, rules: ReviewRules) -> dict[str, Any]:
    here = moves[moves["month"] == month]
    accounts = {*seen.loc[seen["month"] == month, "account_id"], *here["account_id"]}
    figure = counted(here["account_id"].nunique(), len(accounts), rules.level)
    back = here.loc[here["back"], "account_id"].nunique()
    return {
        "month": month,
        "accounts": len(accounts),
        "moved": here["account_id"].nunique(),
        "movements": len(here),
        "share": figure.value,
        "low": figure.low,
        "high": figure.high,
        "ping_pong": back,
        "ping_pong_share": back / len(accounts) if accounts else float("nan"),
    }


def _month(as_of: pd.Series) -> pd.Series:
    return as_of.dt.strftime("%Y-%m")


def _count(moves: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    return moves.groupby(by, dropna=False).size().reset_index(name="n").sort_values(by).reset_index(drop=True)
