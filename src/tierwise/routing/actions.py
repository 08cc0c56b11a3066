"""Actions: one play owed to one account, with a stable id, an owner and a due time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import pandas as pd

from tierwise.clock import instant
from tierwise.config.icp import Icp
from tierwise.config.plays import Play, Plays
from tierwise.errors import UsageError
from tierwise.plain import plain
from tierwise.routing.deadlines import Deadlines
from tierwise.routing.messages import Messages
from tierwise.routing.owners import RULES, Desks
from tierwise.routing.plays import SUPPRESS, TIER_NAMES, owing
from tierwise.routing.standing import Before
from tierwise.tiers.words import safe_text

ACTION_COLUMNS = (
    "action_id",
    "account_id",
    "play",
    "motion",
    "owner",
    "tier",
    "message",
    "kpi",
    "due_at",
    "cause",
    "run_id",
    "name",
    "channel",
    "messages",
    "signal",
    "overdue_of",
    "not_before",
)
TERMS = "terms"
"""What `owed` gives besides, of each that watches another: by what its hour was counted, and is counted anew. Kept by
the store; no part of what is published or sent."""
DATED_AT_FIRST = ("tier_1", SUPPRESS)
"""The tiers whose plays have a due date on an account's first scoring; what the others owe then is a starting list."""
_NEEDED = ("account_id", "tier", "previous_tier", "movement", "cause", "row", "why", "owner_id", "surge_began")


NOTHING_BEFORE = Before()
NO_PROFILE = Icp()


def owed(
    decisions: pd.DataFrame,
    plays: Plays,
    owners: pd.DataFrame,
    plan: str,
    as_of: datetime,
    run_id: str,
    *,
    before: Before = NOTHING_BEFORE,
    icp: Icp = NO_PROFILE,
    signals: Mapping[str, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """The actions that a run's decisions owe, sorted by account_id and then in the order of the plays.

    Parameters
    ----------
    decisions : what `tiers.decide` returns; a further column `name`, the account's own name (never a contact's), where
        it is known.
    owners : owner_id, and active_from, active_to, time_zone, territory, team and capacity_tier_1 to 3 where known;
        empty means that every owner is taken to be active.
    run_id : the run that owes them; it is no part of action_id, so that a second run of the same as_of owes the same.
    before : the runs before and the stages of open opportunities, for plays by time and by stage; by default none.
    icp : whose pains and jobs the messages say. signals : account_id -> the dynamic signal that moved it, in words.

    An overdue play owes an action of its own with each dated action that it watches: `overdue_of` is the action_id of
    that, `due_at` the time that it had, and `not_before` (naive UTC) the hour from which it counts, if nobody acted; of
    all others these are `""` and NaT.

    Returns
    -------
    ACTION_COLUMNS and TERMS; `due_at` (naive UTC) is as_of plus the play's business hours, by the clock of the owner
    where it is the account's, or its whole business days; NaT without a service level and, but for tier_1 and suppress,
    on an account's first scoring (no previous_tier): a starting list, not a deadline;
    `name` is cleaned, and the account_id where there is none; `cause` of a first suppression, no movement, is data;
    `owner` is an owner_id by the play's owner rule (else revops), or a function's name;
    `messages` is persona -> text, in the play's order; `channel` and `signal` are `""` where there is none.

    Raises
    ------
    UsageError : the decisions lack a column, or `before` the stages that a play asks for.
    """
    before.check(plays)
    timed = before.runs is not None and any(play.every_days for play in plays.plays)
    _need(decisions, (*_NEEDED, "tier_since") if timed else _NEEDED)
    moved_by = [signals.get(str(account), "") for account in decisions["account_id"]]
    decisions = decisions.assign(name=_names(decisions), cause=_causes(decisions), signal=moved_by)
    desks = Desks(decisions, owners, instant(as_of))
    making = _Making(decisions, icp, desks, Deadlines(plays.hours, owners, instant(as_of)), plan, run_id)
    parts = making.parts(plays, before)
    if not parts:
        return _typed(pd.DataFrame({c: pd.Series(dtype=object) for c in (*ACTION_COLUMNS, TERMS)}))
    frame = pd.concat(parts).sort_values(["account_id", "_order"], kind="stable")
    return _typed(frame[[*ACTION_COLUMNS, TERMS]].reset_index(drop=True))


@dataclass(frozen=True)
class _Making:
    """What the actions of a run are made from."""

    decisions: pd.DataFrame
    icp: Icp
    desks: Desks
    deadlines: Deadlines
    plan: str
    run_id: str

    def parts(self, plays: Plays, before: Before) -> list[pd.DataFrame]:
        """The actions of each play, with its place among the plays as `_order`."""
        found = {
            play.play: (play, due, self.of(play, due))
            for play in plays.plays
            if (due := owing(self.decisions, play, self.deadlines.as_of, before)).any()
        }
        parts = []
        for order, play in enumerate(plays.plays):
            if play.play in found:
                parts.append(found[play.play][2].assign(_order=order))
            parts += [part.assign(_order=order) for part in self.watchers(play, found)]
        return parts

    def watchers(self, play: Play, found: Mapping[str, tuple[Play, pd.Series, pd.DataFrame]]) -> list[pd.DataFrame]:
        """An overdue play's actions: one an account, of the first of the plays of `of` that owes it something dated."""
        parts, taken = list[pd.DataFrame](), set[str]()
        for watched, due, part in (found[name] for name in play.of if name in found):
            made = self.watching(play, watched, due, part)
            parts.append(made[~made["account_id"].isin(taken)])
            taken |= set(made["account_id"])
        return parts

    def of(self, play: Play, due: pd.Series, overdue: str = "") -> pd.DataFrame:
        """A play's actions, of the decisions at which it is due."""
        messages, owner_ids = Messages(play, self.icp, overdue), self.desks.of(play.owner, due)
        return _actions(self.decisions[due], messages, owner_ids, self.plan, self.deadlines, self.run_id)

    def watching(self, play: Play, watched: Play, due: pd.Series, part: pd.DataFrame) -> pd.DataFrame:
        """An overdue play's actions, of those of the play that it watches (`part`) that have a time until when."""
        owner_ids = part["owner"] if watched.owner in RULES else pd.Series("", index=part.index)
        ids, as_of = zip(part["account_id"], part["action_id"], strict=True), self.deadlines.as_of
        found = self.of(play, due, watched.motion).assign(
            action_id=[action_id(self.plan, account, as_of, play.play, one) for account, one in ids],
            overdue_of=part["action_id"],
            due_at=part["due_at"],
        )
        dated = part["due_at"].notna()
        hours = self.deadlines.past(watched, play.after_hours or 0, owner_ids[dated])
        return found[dated].assign(not_before=hours["not_before"], terms=hours[TERMS])


def _need(decisions: pd.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [c for c in columns if c not in decisions.columns]
    if missing:
        raise UsageError(
            f"actions were asked for, and the decisions have no column {', '.join(missing)}",
            found=f"they have {', '.join(map(str, decisions.columns)) or 'none'}",
            do="Give what decide returns",
        )


def action_id(plan: str, account_id: str, as_of: datetime, play: str, overdue_of: str = "") -> str:
    """The first 16 hex digits of the SHA-256 of plan, account, as_of and play, and of the action that it watches if
    there is one: the same whenever it is owed again."""
    watched = [overdue_of] if overdue_of else []
    text = json.dumps([plan, account_id, instant(as_of).isoformat(), play, *watched])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def unconditional(actions: pd.DataFrame) -> pd.Series:
    """Which actions are owed as they stand, and not only where another one is overdue."""
    return actions["overdue_of"] == ""


def to_jsonl(actions: pd.DataFrame) -> bytes:
    """The actions as UTF-8 JSON lines, keys in column order, instants in ISO 8601 with Z; the same bytes every time."""
    told = plain(actions.drop(columns=TERMS, errors="ignore"))
    lines = [json.dumps(record, ensure_ascii=False, allow_nan=False) for record in told]
    return "".join(line + "\n" for line in lines).encode()


def _names(decisions: pd.DataFrame) -> list[str]:
    ids = [str(account) for account in decisions["account_id"]]
    if "name" not in decisions.columns:
        return ids
    return [_name(name, account) for name, account in zip(decisions["name"], ids, strict=True)]


def _name(name: object, account_id: str) -> str:
    said = safe_text(name) if isinstance(name, str) else ""
    return said if any(c.isalnum() for c in said.replace("[removed]", "")) else account_id


def _causes(decisions: pd.DataFrame) -> pd.Series:
    new = (decisions["cause"] == "") & (decisions["previous_tier"] == "")
    return decisions["cause"].mask(new, "data")


def _actions(
    due: pd.DataFrame, messages: Messages, owner_ids: pd.Series, plan: str, deadlines: Deadlines, run_id: str
) -> pd.DataFrame:
    play = messages.play
    dated = (due["previous_tier"] != "") | due["tier"].isin(DATED_AT_FIRST)
    mine = play.owner in RULES
    when = deadlines.of(play, owner_ids if mine else pd.Series("", index=due.index))
    said = due[["account_id", "name", "tier", "why", "signal"]].assign(tier_words=due["tier"].map(TIER_NAMES))
    words = said.to_dict("records")
    return pd.DataFrame(
        {
            "action_id": [action_id(plan, account, deadlines.as_of, play.play) for account in due["account_id"]],
            "account_id": due["account_id"].to_numpy(dtype=object),
            "play": play.play,
            "motion": play.motion,
            "owner": owner_ids.to_numpy(dtype=object) if mine else play.owner,
            "tier": due["tier"].to_numpy(dtype=object),
            "message": [messages.message(one) for one in words],
            "kpi": play.kpi,
            "due_at": when.where(dated).to_numpy(),
            "cause": due["cause"].to_numpy(dtype=object),
            "run_id": run_id,
            "name": due["name"].to_numpy(dtype=object),
            "channel": play.channel or "",
            "messages": [messages.by_persona(one) for one in words],
            "signal": due["signal"].to_numpy(dtype=object),
            "overdue_of": "",
            "not_before": pd.NaT,
            TERMS: "",
        }
    )


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    kinds = {"due_at": "datetime64[us]", "not_before": "datetime64[us]", "messages": "object"}
    return frame.astype({c: kinds.get(c, "str") for c in (*ACTION_COLUMNS, TERMS)})
