"""The control group: who is drawn into it, who stands in it after merges, and which actions it goes without."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping

import pandas as pd

from tierwise.config.control import Control
from tierwise.config.plays import Plays
from tierwise.config.policy import STATUSES

CONTROL, TREATED = "control", "treated"
DRAWN = ("account_id", "via", "tier", "share", "near", "arm", "drawn_as_of", "row_as_of")
"""The columns of the log of draws: via is "" of an account's own draw, else the account whose draw it took over when
that was merged into it; share and near (NaN: none) are what the draw was made by; row_as_of is that of the account's
row in the run of drawn_as_of, which is another where accounts are scored on instants of their own."""


def no_draws() -> pd.DataFrame:
    """A log without a draw."""
    kinds = {"share": "float64", "near": "float64", "drawn_as_of": "datetime64[us]", "row_as_of": "datetime64[us]"}
    return pd.DataFrame({name: pd.Series(dtype=kinds.get(name, "str")) for name in DRAWN})


def draw(candidates: pd.DataFrame, log: pd.DataFrame, control: Control, plan: str) -> pd.DataFrame:
    """Draw the accounts that were never drawn: account_id, tier, share, near, arm, in account_id order.

    Within each tier new accounts stand in the order of a salted hash, and after those drawn before by the same terms
    (tier, share, near); of the first n, `floor(n * share + u)` are control, where u in [0, 1) is a salted hash of the
    terms. So each account is drawn with a chance of exactly `share`, and the number drawn is within one of its share
    at any time, however few come at once.

    Parameters
    ----------
    candidates : account_id, tier; those in no tier of the control's, or in the log already, are left out.
    log : the own draws of before by this salt (DRAWN); draws taken over by merges do not count.
    """
    here = candidates[candidates["tier"].isin(control.tiers) & ~candidates["account_id"].isin(log["account_id"])]
    parts = []
    for tier, rows in here.groupby("tier"):
        terms = _terms(log, str(tier), control)
        ordered = sorted(rows["account_id"].astype(str), key=lambda account: _hash(control.salt, plan, account))
        start = int(_hash(control.salt, plan, str(tier), control.share, control.near)[:13], 16) / 16**13
        target = math.floor((len(terms) + len(ordered)) * control.share + start)
        n = min(max(target - int((terms["arm"] == CONTROL).sum()), 0), len(ordered))
        arms = [CONTROL] * n + [TREATED] * (len(ordered) - n)
        parts.append(pd.DataFrame({"account_id": ordered, "tier": str(tier), "arm": arms}))
    if not parts:
        return no_draws()[["account_id", "tier", "share", "near", "arm"]]
    drawn = pd.concat(parts).sort_values("account_id", ignore_index=True)
    near = math.nan if control.near is None else control.near
    return drawn.assign(share=control.share, near=near)[["account_id", "tier", "share", "near", "arm"]]


def _terms(log: pd.DataFrame, tier: str, control: Control) -> pd.DataFrame:
    """The own draws of a tier that were made by the same share and nearness."""
    near = log["near"].isna() if control.near is None else log["near"] == control.near
    return log[(log["via"] == "") & (log["tier"] == tier) & (log["share"] == control.share) & near]


def _hash(*said: object) -> str:
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def in_arms(log: pd.DataFrame, become: Mapping[str, str]) -> pd.DataFrame:
    """Who stands in which arm after merges: DRAWN of one row an account, via (whose draw it is) and mixed besides.

    An account that others were merged into takes the earliest of their draws and its own; of two of one date its own,
    else that of the first id. mixed: whether both arms were among them, so that its rows tell of neither.

    Parameters
    ----------
    log : draws by one salt (DRAWN). become : who each merged account has become.
    """
    own = log[log["via"] == ""]
    now = own["account_id"].map(lambda account: become.get(account, account)).astype("str")
    mixed = own.groupby(now)["arm"].transform("nunique").astype(int) > 1
    known = own.assign(via=own["account_id"].where(own["account_id"] != now, ""), account_id=now, mixed=mixed)
    ordered = known.assign(_other=known["via"] != "").sort_values(["drawn_as_of", "_other", "via"], kind="stable")
    first = ordered.drop_duplicates("account_id").drop(columns="_other")
    return first.sort_values("account_id", ignore_index=True)


def taken_over(log: pd.DataFrame, become: Mapping[str, str]) -> pd.DataFrame:
    """The draws that accounts have taken over by merges and the log does not say yet, as `in_arms` gives them."""
    arms = in_arms(log, become)
    known = set(zip(log["account_id"], log["via"], strict=True))
    pairs = zip(arms["account_id"], arms["via"], strict=True)
    return arms[[bool(via) and (account, via) not in known for account, via in pairs]].reset_index(drop=True)


def without(actions: pd.DataFrame, plays: Plays, accounts: Collection[str]) -> pd.Series:
    """Which actions the control group goes without: those of plays by sellers that approach somebody, in tiers, and
    those that watch one of them, whoever is to act on these.

    What a status calls for is owed all the same: an open deal is always helped.
    """
    by_seller = [play.play for play in plays.plays if play.by_seller]
    here = actions["account_id"].isin(list(accounts)) & ~actions["tier"].isin(STATUSES)
    off = here & actions["play"].isin(by_seller)
    return off | (here & actions["overdue_of"].isin(actions.loc[off, "action_id"]))
