"""The control group of a scoring run: whom it draws, and which of its actions are withheld."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tierwise.clock import naive
from tierwise.config import STATUSES, Control, PlanFiles, Policy, TimeInTier
from tierwise.data import become
from tierwise.routing import draw, in_arms, no_draws, taken_over, unconditional, without
from tierwise.routing.control import CONTROL
from tierwise.store import ControlLog, Kind, Store, draws, state_hash, withheld
from tierwise.store.control import DRAW
from tierwise.tiers import decide

if TYPE_CHECKING:
    from tierwise.jobs.scored import Inputs

LEVELS = {"suppress": 0, "recycle": 1, "tier_3": 2, "tier_2": 3, "tier_1": 4}
SCORES = ("fit_score", "signal_score", "account_score")
NO_TIME = TimeInTier(stay_margin=0, minimum_stay_days=0, promotion_window_days=0)


@dataclass(frozen=True)
class Group:
    """What a run does with the control group: what it adds to the log (None: there is no group), and who is in it.

    drawn: of this run, tier -> arm -> accounts. now: how many accounts are held back, of those scored.
    """

    log: ControlLog | None = None
    drawn: dict[str, dict[str, int]] | None = None
    now: int = 0
    share: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The counts, as run.json holds them; empty where there is no group."""
        if self.log is None:
            return {}
        said = {"share": self.share, "drawn": self.drawn or {}, "accounts": self.now}
        return {"control": {**said, "withheld": len(self.log.withheld)}}

    @property
    def words(self) -> str:
        """What is said of it on the run's page; no account is named."""
        if self.log is None:
            return ""
        held = "1 account gets" if self.now == 1 else f"{self.now:,} accounts get"
        n = len(self.log.withheld)
        told = f"{held} no seller action, so that the review can say what seller action is worth"
        return f"Control group: {told}; {'1 action was' if n == 1 else f'{n:,} actions were'} withheld in this run"


NO_GROUP = Group()


def drawn_by(store: Store, files: PlanFiles, stand: datetime) -> pd.DataFrame:
    """The draws by the plan's salt that stood on a date; none where there is no control group."""
    control = files.plays.control
    return draws(store, files.plan.plan, stand, control.salt) if control.on else no_draws()


def newest_group(store: Store, files: PlanFiles, stand: datetime) -> pd.DataFrame:
    """The draws up to a date by the plan's salt; where there are none by it, by the salt that was drawn by last."""
    log = draws(store, files.plan.plan, stand)
    salts = set(log["salt"])
    salt = files.plays.control.salt if files.plays.control.salt in salts or not salts else log["salt"].iloc[-1]
    return log[log["salt"] == salt].reset_index(drop=True)


def draws_hash(log: pd.DataFrame, stand: datetime) -> str:
    """What the draws made before a date do to a run's identity; "" where there are none."""
    before = log[log["drawn_as_of"] < naive(stand)]
    return state_hash(before.drop(columns="run_id")) if len(before) else ""


def grouped(
    inputs: Inputs, facts: pd.DataFrame, rows: pd.DataFrame, decisions: pd.DataFrame, actions: pd.DataFrame, kind: Kind
) -> tuple[pd.DataFrame, Group]:
    """The actions that are owed once those of the control group are withheld, and what goes into the log.

    facts : what was decided on. rows : account_id and as_of, the account's own. A backfill draws nobody.
    """
    files, control, log = inputs.files, inputs.files.plays.control, inputs.draws
    if not control.on or kind == "backfill":
        return actions, NO_GROUP
    merged = become(inputs.intake.warehouse)
    named = {merged.get(account, account) for account in control.never} | set(inputs.overrides["account_id"])
    arms = in_arms(log, merged)
    open_to = decisions[~decisions["account_id"].isin(named) & ~decisions["account_id"].isin(arms["account_id"])]
    new = draw(near_a_cut(open_to, facts, files.policy, control, inputs.stand), log, control, files.plan.plan)
    dated = rows.rename(columns={"as_of": "row_as_of"})
    new = new.merge(dated, on="account_id", how="left", validate="1:1").assign(via="")
    held = {*arms.loc[arms["arm"] == CONTROL, "account_id"], *new.loc[new["arm"] == CONTROL, "account_id"]} - named
    off = without(actions, files.plays, held)
    added = [part[list(DRAW)] for part in (new, taken_over(log, merged)) if len(part)]
    added_rows = pd.concat(added, ignore_index=True) if added else new[list(DRAW)]
    log_of_run = ControlLog(control.salt, added_rows, actions[off & unconditional(actions)].reset_index(drop=True))
    counts = {
        str(tier): {str(arm): int(n) for arm, n in part["arm"].value_counts().sort_index().items()}
        for tier, part in new.groupby("tier")
    }
    now = int((decisions["account_id"].isin(held) & ~decisions["tier"].isin(STATUSES)).sum())
    return actions[~off].reset_index(drop=True), Group(log_of_run, counts, now, control.share)


def near_a_cut(
    decisions: pd.DataFrame, facts: pd.DataFrame, policy: Policy, control: Control, as_of: datetime
) -> pd.DataFrame:
    """The decisions that are open to be drawn: all of the control's tiers, or those near the cut below their tier.

    Near is an account that, decided on its scores alone (no time in tier, surge, calendar or capacity), would stand in
    its tier or higher with `near` points more in each score, and lower with so many less.
    """
    here = decisions[decisions["tier"].isin(control.tiers)]
    if control.near is None or here.empty:
        return here
    mine = facts[facts["account_id"].isin(here["account_id"])]
    bare = {"time_in_tier": NO_TIME, "capacity": {}, "owner_capacity": None, "surge": None, "calendar": None}
    plain = policy.model_copy(update=bare)

    def levels(points: float) -> pd.Series:
        moved = {name: np.clip(mine[name] + points, 0.0, 100.0) for name in SCORES if name in mine.columns}
        made = decide(mine.assign(**moved), pd.DataFrame(), plain, as_of, fit_unknown=True, words=False)
        return here["account_id"].map(made.set_index("account_id")["tier"]).map(LEVELS).fillna(0)

    stands = here["tier"].map(LEVELS)
    return here[(levels(-control.near) < stands) & (levels(control.near) >= stands)]


def in_control(store: Store, files: PlanFiles, account_id: str, stand: datetime) -> str:
    """Whether an account is held back as of a date, since when and from what, in sentences; "" where it is not."""
    control, plan = files.plays.control, files.plan.plan
    log = drawn_by(store, files, stand)
    mine = log[log["account_id"] == account_id].assign(_own=lambda f: f["via"] == "")
    if mine.empty:
        return ""
    last = mine.sort_values(["_own", "drawn_as_of"], ascending=[False, True], kind="stable").iloc[-1]
    if last["arm"] != CONTROL:
        return ""
    by = f", with {last['via']}, which was merged into it" if last["via"] else f" in {last['tier']}"
    told = f"It is in the control group, drawn as of {last['drawn_as_of']:%Y-%m-%d}{by}: it is owed no seller action."
    if account_id in control.never or account_id in set(store.overrides(plan, stand)["account_id"]):
        why = "as it is named under never" if account_id in control.never else "as a person's override is in force"
        told = f"{told[:-1]} but for now, {why}."
    past = withheld(store, plan, account_id)
    past = past[past["as_of"] <= naive(stand)].drop_duplicates("action_id")
    said = ", ".join(f"{row['play']} of {row['as_of']:%Y-%m-%d}" for row in past.to_dict("records"))
    return f"{told} Withheld: {said}." if said else f"{told} Nothing was withheld yet."
