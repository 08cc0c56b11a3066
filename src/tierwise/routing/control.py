"""The control group: who is drawn into it, who is held back, which actions are withheld, and which are owed after all.

An account is held back as long as it stands in the control arm, nobody freed it (`never`, an override), and no seller
action of a tier was ever owed to it or to an account that was merged into it. Drawn near a cut, it is held back only in
the tier in which it was drawn. Frames of what was done: `withheld` has account_id, play, as_of; `given`, what sellers
were ever owed in tiers, has them too.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from datetime import datetime

import pandas as pd

from tierwise.clock import naive
from tierwise.config.control import Control
from tierwise.config.plays import Play, Plays

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


def entering(decisions: pd.DataFrame, control: Control) -> pd.DataFrame:
    """The decisions that come into one of the control's tiers: by a movement, or by an account's first scoring."""
    return decisions[decisions["tier"].isin(control.tiers) & (decisions["tier"] != decisions["previous_tier"])]


def freed(never: Collection[str], overridden: Collection[str], become: Mapping[str, str]) -> set[str]:
    """The accounts that are named, as they stand after merges, or have an override in force."""
    return {become.get(account, account) for account in (*never, *overridden)}


def held_back(arms: pd.DataFrame, decisions: pd.DataFrame, free: Collection[str], begun: Collection[str]) -> set[str]:
    """The accounts of the control arm that get no seller action.

    Parameters
    ----------
    arms : as `in_arms` gives them. decisions : account_id, tier, tier_since. free : as `freed` gives them. begun :
        accounts to which sellers were owed an action in a tier, as they stand after merges.
    """
    mine = arms[(arms["arm"] == CONTROL) & ~arms["account_id"].isin([*free, *begun])]
    now = mine.merge(decisions[["account_id", "tier", "tier_since"]], on="account_id", suffixes=("", "_now"))
    there = (now["tier_now"] == now["tier"]) & (now["tier_since"] <= now["drawn_as_of"])
    return set(now.loc[now["near"].isna() | there, "account_id"])


def in_tiers(plays: Plays) -> tuple[Play, ...]:
    """The plays by sellers that have tiers: what the control group goes without."""
    return tuple(play for play in plays.plays if play.by_seller and play.tiers)


def without(actions: pd.DataFrame, plays: Plays, accounts: Collection[str], unbegun: Collection[str] = ()) -> pd.Series:
    """Which actions are withheld: of those held back, the actions of plays by sellers that have tiers, wherever these
    accounts stand now and whether or not the tier is one of the control's; and what watches one of them, whoever is to
    act on it.

    What a status itself calls for is owed all the same: an open deal is always helped.

    Parameters
    ----------
    unbegun : accounts that left a tier whose entering action was withheld (`unbegun`): what ends it is withheld also
        where they are held back no more.
    """
    off = pd.Series(False, index=actions.index)
    for play in in_tiers(plays):
        mine = actions["play"] == play.play
        off |= mine & actions["account_id"].isin(list(accounts)) & ~actions["tier"].isin(play.statuses)
        if "left" in play.movements:
            off |= mine & actions["account_id"].isin(list(unbegun)) & ~actions["tier"].isin(play.places)
    return off | ((actions["overdue_of"] != "") & actions["overdue_of"].isin(actions.loc[off, "action_id"]))


def _entered_in_vain(withheld: pd.DataFrame, given: pd.DataFrame, plays: Plays) -> list[tuple[str, Play, pd.Timestamp]]:
    """Of each account the newest `entered` actions that were withheld and not given since: account, play, when."""
    begins = {play.play: play for play in in_tiers(plays) if "entered" in play.movements}
    rows = withheld[withheld["play"].isin(list(begins))]
    last = rows[rows["as_of"] == rows.groupby("account_id")["as_of"].transform("max")]
    got = given.groupby(["account_id", "play"])["as_of"].max().to_dict()
    found = []
    for account, play, at in sorted(set(zip(last["account_id"], last["play"], last["as_of"], strict=True))):
        if not got.get((account, play), pd.Timestamp.min) >= at:
            found.append((str(account), begins[str(play)], at))
    return found


def unbegun(decisions: pd.DataFrame, withheld: pd.DataFrame, given: pd.DataFrame, plays: Plays) -> set[str]:
    """The accounts that leave a tier in which the action that begins it was withheld, and never given."""
    before = dict(zip(decisions["account_id"], decisions["previous_tier"], strict=True))
    return {
        account for account, play, _ in _entered_in_vain(withheld, given, plays) if before.get(account) in play.tiers
    }


def owed_after_all(
    decisions: pd.DataFrame,
    withheld: pd.DataFrame,
    given: pd.DataFrame,
    plays: Plays,
    held: Collection[str],
    as_of: datetime,
) -> pd.DataFrame:
    """The `entered` actions that were withheld and are owed now: account_id, play, in account_id order.

    Of each account that is held back no more and stands in the tier that it had entered then, once: an action of the
    play that was given by a run of an earlier date is not owed again.
    """
    stands = decisions.set_index("account_id")[["tier", "tier_since"]].to_dict("index")
    earlier = given[given["as_of"] < pd.Timestamp(naive(as_of))]
    rows = [
        (account, play.play)
        for account, play, at in _entered_in_vain(withheld, earlier, plays)
        if account in stands and account not in held
        if stands[account]["tier"] in play.tiers and stands[account]["tier_since"] <= at
    ]
    return pd.DataFrame(rows, columns=["account_id", "play"]).astype("str")
