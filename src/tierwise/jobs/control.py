"""The control group of a scoring run: whom it draws, which actions are withheld, and which are owed after all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tierwise.clock import naive
from tierwise.config import STATUSES, Control, PlanFiles, Policy, TimeInTier
from tierwise.data import become
from tierwise.routing import draw, in_arms, in_tiers, no_draws, taken_over, unconditional, without
from tierwise.routing.control import CONTROL, entering, freed, held_back, owed_after_all, unbegun
from tierwise.store import ControlLog, Kind, Store, draws, given, state_hash, withheld
from tierwise.store.control import DRAW
from tierwise.tiers import decide
from tierwise.tiers.bands import LEVELS

if TYPE_CHECKING:
    from tierwise.jobs.scored import Inputs

SCORES = ("fit_score", "signal_score", "account_score")
NO_TIME = TimeInTier(stay_margin=0, minimum_stay_days=0, promotion_window_days=0)


@dataclass(frozen=True)
class Past:
    """What the store says of earlier runs, up to a date: what sellers were ever owed (account_id, play, as_of), and
    what was withheld from the control group (action_id besides).
    """

    given: pd.DataFrame
    withheld: pd.DataFrame


def no_past() -> Past:
    """As before a first run."""
    kinds = {"account_id": "str", "play": "str", "as_of": "datetime64[us]"}
    given = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})
    return Past(given, given.assign(action_id=pd.Series(dtype="str")))


def past_of(store: Store, files: PlanFiles, stand: datetime) -> Past:
    """What was owed and withheld up to a date; nothing is looked up where there is no control group and never was."""
    plays, plan = files.plays, files.plan.plan
    off = withheld(store, plan, until=stand)
    if not plays.control.on and off.empty:
        return no_past()
    return Past(given(store, plan, [play.play for play in plays.plays if play.by_seller], stand), off)


@dataclass(frozen=True)
class Group:
    """What a run does with the control group: what it adds to the log (None: nothing), and who is in it.

    drawn: of this run, tier -> arm -> accounts. now: how many accounts are held back, of those scored. again: the
    actions (account_id, play, cause) that were withheld before and are owed now.
    """

    log: ControlLog | None = None
    drawn: dict[str, dict[str, int]] | None = None
    now: int = 0
    share: float = 0.0
    again: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["account_id", "play", "cause"]))

    def to_dict(self) -> dict[str, Any]:
        """The counts, as run.json holds them; empty where nothing was withheld and there is no group."""
        if self.log is None and self.again.empty:
            return {}
        said = {"share": self.share, "drawn": self.drawn or {}, "accounts": self.now}
        said["withheld"] = 0 if self.log is None else len(self.log.withheld)
        return {"control": said | ({"owed_after_all": len(self.again)} if len(self.again) else {})}

    @property
    def words(self) -> str:
        """What is said of it on the run's page; no account is named."""
        told = []
        if self.share:
            held = "1 account is" if self.now == 1 else f"{self.now:,} accounts are"
            never = "was" if self.now == 1 else "were"
            told.append(
                f"{held} held back from seller action in the tiers, and {never} never owed any, so that the review can "
                "say what it is worth"
            )
        if n := 0 if self.log is None else len(self.log.withheld):
            told.append(f"{'1 action was' if n == 1 else f'{n:,} actions were'} withheld in this run")
        if n := len(self.again):
            told.append(
                f"{'1 action' if n == 1 else f'{n:,} actions'} withheld before {'is' if n == 1 else 'are'} owed now"
            )
        return f"Control group: {'; '.join(told)}" if told else ""


NO_GROUP = Group()
BEGUN = "as sellers have begun with it"
"""Why an account of the control arm is not held back that was merged with one that sellers worked."""


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
    """The actions that are owed once those of the control group are withheld, what goes into the log, and what is owed
    after all.

    facts : what was decided on. rows : account_id and as_of, the account's own. Only a scheduled run draws; a backfill
    does nothing.
    """
    files, control, past = inputs.files, inputs.files.plays.control, inputs.past
    if kind == "backfill" or (not control.on and past.withheld.empty):
        return actions, NO_GROUP
    merged = become(inputs.intake.warehouse)
    free = freed(control.never, inputs.overrides["account_id"], merged)
    arms = in_arms(inputs.draws, merged)
    new = _drawn(inputs, facts, rows, decisions, {*arms["account_id"], *free}, merged) if kind == "scheduled" else None
    if new is not None and len(new):
        arms = pd.concat([arms, new.assign(mixed=False, drawn_as_of=pd.Timestamp(naive(inputs.stand)))])
    worked = _as_now(past.given[past.given["play"].isin([play.play for play in in_tiers(files.plays)])], merged)
    before = _as_now(past.withheld, merged)
    held = held_back(arms, decisions, free, set(worked["account_id"]))
    earlier = before[before["as_of"] < naive(inputs.stand)]
    off = without(actions, files.plays, held, unbegun(decisions, earlier, worked, files.plays))
    kept, gone = actions[~off].reset_index(drop=True), actions[off & unconditional(actions)].reset_index(drop=True)
    again = owed_after_all(decisions, before, worked, files.plays, held, inputs.stand)
    there = set(zip(kept["account_id"], kept["play"], strict=True))
    new_to = [pair not in there for pair in zip(again["account_id"], again["play"], strict=True)]
    again = again[pd.Series(new_to, index=again.index, dtype=bool)]
    again = again.assign(cause=np.where(again["account_id"].isin(inputs.overrides["account_id"]), "override", "policy"))
    log = _log_of(inputs, new, merged, gone)
    now = int((decisions["account_id"].isin(held) & ~decisions["tier"].isin(STATUSES)).sum())
    return kept, Group(log, _counts(new), now, control.share if control.on else 0.0, again.reset_index(drop=True))


def _as_now(found: pd.DataFrame, merged: Mapping[str, str]) -> pd.DataFrame:
    """Rows by what their accounts have become."""
    return found.assign(account_id=found["account_id"].map(lambda account: merged.get(account, account)).astype("str"))


def _as_merged(worked: pd.DataFrame, merged: Mapping[str, str]) -> set[str]:
    return {merged.get(account, account) for account in worked["account_id"]}


def _drawn(
    inputs: Inputs,
    facts: pd.DataFrame,
    rows: pd.DataFrame,
    decisions: pd.DataFrame,
    known: set[str],
    merged: Mapping[str, str],
) -> pd.DataFrame | None:
    """Whom this run draws: of those that enter a tier of the control's, with whom sellers have begun nothing, and that
    are not known (in an arm already, or named); None where there is no group."""
    control = inputs.files.plays.control
    if not control.on:
        return None
    closed = known | _as_merged(inputs.past.given, merged)
    open_to = entering(decisions[~decisions["account_id"].isin(closed)], control)
    near = near_a_cut(open_to, facts, inputs.files.policy, control, inputs.stand)
    new = draw(near, inputs.draws, control, inputs.plan)
    dated = rows.rename(columns={"as_of": "row_as_of"})
    return new.merge(dated, on="account_id", how="left", validate="1:1").assign(via="")


def _log_of(
    inputs: Inputs, new: pd.DataFrame | None, merged: Mapping[str, str], gone: pd.DataFrame
) -> ControlLog | None:
    """What the run adds to the log; None where there is no group, and nothing was withheld."""
    control = inputs.files.plays.control
    if not control.on and gone.empty:
        return None
    over = taken_over(inputs.draws, merged)
    added = [part[list(DRAW)] for part in (new, over) if part is not None and len(part)]
    rows = pd.concat(added, ignore_index=True) if added else pd.DataFrame(columns=list(DRAW))
    return ControlLog(control.salt, rows, gone)


def _counts(new: pd.DataFrame | None) -> dict[str, dict[str, int]]:
    """tier -> arm -> accounts."""
    if new is None:
        return {}
    return {
        str(tier): {str(arm): int(n) for arm, n in part["arm"].value_counts().sort_index().items()}
        for tier, part in new.groupby("tier")
    }


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
        return here["account_id"].map(made.set_index("account_id")["tier"]).map(LEVELS).fillna(LEVELS["suppress"])

    stands = here["tier"].map(LEVELS)
    return here[(levels(-control.near) < stands) & (levels(control.near) >= stands)]


def in_control(
    store: Store, files: PlanFiles, row: Mapping[str, Any], stand: datetime, merged: Mapping[str, str]
) -> str:
    """Whether an account was drawn into the control group as of a date, from what, and whether it is held back still,
    in sentences; "" where it was not drawn.

    row : its published row (account_id, tier, tier_since). merged : who each merged account has become.
    """
    log, account = draws(store, files.plan.plan, stand), str(row["account_id"])
    salts = [files.plays.control.salt, *reversed(log["salt"].drop_duplicates().tolist())]
    for salt in dict.fromkeys(salts):
        arms = in_arms(log[log["salt"] == salt], merged)
        mine = arms[(arms["account_id"] == account) & (arms["arm"] == CONTROL)]
        if len(mine):
            return _Drawn(store, files, row, stand, merged, mine.assign(salt=salt)).told()
    return ""


@dataclass(frozen=True)
class _Drawn:
    """One account that was drawn into the control group; mine: its row of the arms, and the salt."""

    store: Store
    files: PlanFiles
    row: Mapping[str, Any]
    stand: datetime
    merged: Mapping[str, str]
    mine: pd.DataFrame

    @property
    def account(self) -> str:
        return str(self.row["account_id"])

    def told(self) -> str:
        """What is said of it."""
        past, draw_of = past_of(self.store, self.files, self.stand), self.mine.iloc[0]
        worked = past.given[past.given["play"].isin([play.play for play in in_tiers(self.files.plays)])]
        why = self.why_not(_as_merged(worked, self.merged))
        since = draw_of["drawn_as_of"]
        by = f", with {draw_of['via']}, which was merged into it" if draw_of["via"] else f" in {draw_of['tier']}"
        drawn = f"drawn as of {since:%Y-%m-%d}{by}"
        got = worked.loc[(worked["account_id"] == self.account) & (worked["as_of"] >= since), "as_of"]
        off = withheld(self.store, self.files.plan.plan, self.account, self.stand).drop_duplicates("action_id")
        said = ", ".join(f"{one['play']} of {one['as_of']:%Y-%m-%d}" for one in off.to_dict("records"))
        if not why:
            told = f"It is in the control group, {drawn}: it is owed no seller action."
            return f"{told} Withheld: {said}." if said else f"{told} Nothing was withheld yet."
        if why == BEGUN:
            return f"It was drawn into the control group, {drawn[6:]}, and is not held back, {why}."
        again = f"since {got.min():%Y-%m-%d}" if len(got) else "from the next on that is called for"
        told = f"It was in the control group, {drawn}, and gets seller actions again {again}, {why}."
        return f"{told} Withheld until then: {said}." if said else told

    def why_not(self, begun: set[str]) -> str:
        """Why it is held back no more; "" where it is."""
        control = self.files.plays.control
        if not control.on:
            return "as there is no control group any more"
        if self.mine["salt"].iloc[0] != control.salt:
            return "as another salt has begun another group"
        if self.account in freed(control.never, (), self.merged):
            return "as it is named under never"
        overridden = self.store.overrides(self.files.plan.plan, self.stand)["account_id"]
        if self.account in freed((), overridden, self.merged):
            return "as a person's override is in force"
        stands = pd.DataFrame([{name: self.row[name] for name in ("account_id", "tier", "tier_since")}])
        if not held_back(self.mine, stands, (), ()):
            return f"as it stands no more in {self.mine['tier'].iloc[0]}, near whose cut it was drawn"
        return BEGUN if self.account in begun else ""
