"""How long accounts have stood where they stand, and where their open opportunities do, since a plan's last run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from tierwise.clock import naive
from tierwise.config.plays import Play, Plays
from tierwise.errors import UsageError

STAGE_COLUMNS = ("account_id", "opportunity_id", "stage", "entered_at", "left_at")
SEEN_COLUMNS = ("account_id", "as_of", "opportunity_id", "stage", "entered_at")
DAY = np.timedelta64(1, "D")
LATEST = pd.Timedelta(days=28)
"""A stage that was entered so long before the last run, and that this did not see, is taken for history that was loaded
since, and not for a stage that came late."""


@dataclass(frozen=True)
class InStages:
    """Where open opportunities stand in a play's stages, a value each account of the decisions.

    since : since when the one that came last stands there; NaT: none does.
    counted : since when that stay counted for the run in which the account was decided on before; NaT: it did not see
        it there.
    came : whether one came there since that run.
    own : whether one stands there that was not seen there under an account that is there no more, as it was merged.
    """

    since: pd.Series
    counted: pd.Series
    came: pd.Series
    own: pd.Series


@dataclass(frozen=True)
class Before:
    """What plays by time and by stage are owed from, besides a run's decisions.

    runs : account_id and as_of, when each account was decided on before; an account without a row was not. None: no
        account was.
    stages : STAGE_COLUMNS of the opportunities that are open as of the run: every stage that each had entered before
        it, and when it entered the next (null: it stands there). None: they were not looked for.
    seen : SEEN_COLUMNS of what the newest runs that saw each opportunity in each stage, and each account, saw of them
        (`seen_now`).
        An export may hold a stage only after a run that is later than the stage: no date of the tables tells that.
        None: no run kept it, and the dates decide.
    """

    runs: pd.DataFrame | None = None
    stages: pd.DataFrame | None = None
    seen: pd.DataFrame | None = None

    def check(self, plays: Plays) -> None:
        """Refuse plays by stage where nobody looked for stages.

        Raises
        ------
        UsageError : a play is by stage, and there are no stages.
        """
        for play in plays.plays:
            if play.stages and self.stages is None:
                raise UsageError(
                    f"play '{play.play}' was asked for",
                    found="the stages of open opportunities were not given",
                    do="Give owed a Before with stages",
                )

    def last_run(self, decisions: pd.DataFrame) -> pd.Series:
        """When each account of the decisions was decided on before; NaT where it was not."""
        if self.runs is None or not len(self.runs):
            return pd.Series(pd.NaT, index=decisions.index, dtype="datetime64[us]")
        known = pd.Series(
            self.runs["as_of"].to_numpy(dtype="datetime64[us]"), index=self.runs["account_id"].astype(str)
        )
        return decisions["account_id"].astype(str).map(known).astype("datetime64[us]")

    def in_stages(self, decisions: pd.DataFrame, play: Play) -> InStages:
        """Where open opportunities of each account of the decisions stand in one of the play's stages.

        One came, if no run saw its stay there, under the account or, before a merge, under another, and it stood there
        not yet at the account's last run, by the dates of the tables; where that run kept what it saw, not yet LATEST
        before it.
        """
        account = decisions["account_id"].astype(str)
        if self.stages is None or not len(self.stages):
            none = pd.Series(pd.NaT, index=decisions.index, dtype="datetime64[us]")
            no = pd.Series(False, index=decisions.index)
            return InStages(none, none, no, no)
        last = self.last_run(decisions)
        now = self._standing(play, pd.Series(last.to_numpy(), index=account))
        in_order = now.sort_values(["entered_at", "opportunity_id"], kind="stable")
        newest = in_order.drop_duplicates("account_id", keep="last")
        return InStages(
            _of_accounts(decisions, newest, "entered_at"),
            _of_accounts(decisions, newest, "counted"),
            account.isin(now.loc[now["came"], "account_id"]) & last.notna(),
            account.isin(now.loc[~now["elsewhere"], "account_id"]),
        )

    def _standing(self, play: Play, last: pd.Series) -> pd.DataFrame:
        """The open opportunities that stand in the play's stages: account_id, opportunity_id, entered_at, whether each
        came, from when its stay counted for the last run, and whether it was seen there under an account that is there
        no more.

        last : account_id -> when it was decided on before.
        """
        assert self.stages is not None
        here = self.stages[self.stages["stage"].isin(play.stages)]
        here = here.assign(account_id=here["account_id"].astype(str))
        at = last.reindex(here["account_id"]).to_numpy()
        entered, left = (here[c].to_numpy(dtype="datetime64[us]") for c in ("entered_at", "left_at"))
        before = at - np.where(self._looked(here.assign(run=at)), LATEST.to_timedelta64(), np.timedelta64(0, "us"))
        stood = here[(entered < before) & (np.isnat(left) | (left >= at))]
        now = here[here["left_at"].isna()].drop(columns="left_at").reset_index(drop=True)
        now = now.assign(run=last.reindex(now["account_id"]).to_numpy(dtype="datetime64[us]"))
        stay, looked = self._stays(now, play), self._looked(now)
        known = now.index.isin(stay.index)
        entered, run = now["entered_at"], now["run"]
        came = ~known & ~now["opportunity_id"].isin(stood["opportunity_id"])
        of_stay = stay.reindex(now.index)
        under = of_stay["seen_account_id"]
        elsewhere = known & (under != now["account_id"]) & ~under.isin(last.index)
        same = known & of_stay["same"].eq(True)
        counted = entered.mask(same & (entered < run), of_stay["seen_entered_at"])
        counted = counted.mask(came | (known & ~same & looked & (entered < run)))
        return now.assign(came=came, counted=counted, elsewhere=elsewhere)

    def _stays(self, now: pd.DataFrame, play: Play) -> pd.DataFrame:
        """What runs saw of the stays in which opportunities are now, the newest by the row of `now`, if one saw it:
        seen_account_id, seen_entered_at, and whether it was seen in the same stage, or in that by another name.

        A stay is the unbroken run of the play's stages in which an opportunity is. Of it is what was seen in the play's
        stages since it began, or by the last run (dates may have been corrected since); and what was seen in a stage
        that the opportunity's history has no more, entered when one of the stay was: a stage that was renamed.
        """
        assert self.stages is not None
        stays = self._unbroken(play)
        seen = (_nothing() if self.seen is None else self.seen).rename(columns=lambda name: f"seen_{name}")
        began = stays.groupby("opportunity_id")["entered_at"].min().rename("began").reset_index()
        pairs = now.reset_index().merge(began, on="opportunity_id")
        pairs = pairs.merge(seen, left_on="opportunity_id", right_on="seen_opportunity_id")
        entered = _of_deal(pairs, "seen_entered_at", stays, "entered_at")
        named = _of_deal(pairs, "seen_stage", self.stages, "stage")
        there, renamed = pairs["seen_stage"].isin(play.stages), entered & ~named
        since = (pairs["seen_as_of"] >= pairs["began"]) | (pairs["seen_as_of"] >= pairs["run"])
        same = (pairs["seen_stage"] == pairs["stage"]) | (renamed & (pairs["seen_entered_at"] == pairs["entered_at"]))
        pairs = pairs.assign(same=same)[(there & since) | renamed]
        newest = pairs.sort_values(["seen_as_of", "same"], kind="stable").drop_duplicates("index", keep="last")
        return newest.set_index("index")[["seen_account_id", "seen_entered_at", "same"]]

    def _unbroken(self, play: Play) -> pd.DataFrame:
        """The rows of the stages that belong to stays in the play's stages which last still."""
        assert self.stages is not None
        rows = self.stages.sort_values(["opportunity_id", "entered_at"], kind="stable")
        outside = ~rows["stage"].isin(play.stages)
        later = outside[::-1].groupby(rows["opportunity_id"][::-1]).cumsum()[::-1]
        return rows[later == 0]

    def _looked(self, now: pd.DataFrame) -> pd.Series:
        """Whether the last run kept what it saw of each account, or of the opportunity under another."""
        seen = _nothing() if self.seen is None else self.seen
        newest = (seen.groupby(name)["as_of"].max().reindex(now[name]) for name in ("account_id", "opportunity_id"))
        account, deal = (pd.Series(at.to_numpy(dtype="datetime64[us]"), index=now.index) for at in newest)
        return (account >= now["run"]) | (deal >= now["run"])


def _of_deal(rows: pd.DataFrame, name: str, of: pd.DataFrame, column: str) -> pd.Series:
    """Whether each row's value is one that another frame has in a column, of the same opportunity."""
    there = set(zip(of["opportunity_id"], of[column], strict=True))
    found = [pair in there for pair in zip(rows["opportunity_id"], rows[name], strict=True)]
    return pd.Series(found, index=rows.index, dtype=bool)


def _nothing() -> pd.DataFrame:
    kinds = {name: "datetime64[us]" if name in ("as_of", "entered_at") else "str" for name in SEEN_COLUMNS}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def seen_now(decisions: pd.DataFrame, plays: Plays, stages: pd.DataFrame) -> pd.DataFrame:
    """What a run sees of the stages in which open opportunities stand, for the runs after it: SEEN_COLUMNS but as_of.

    Of accounts in the statuses of plays by stage; one of them without an opportunity in a stage has a row without
    opportunity_id and stage, which says that the run has looked.

    stages : STAGE_COLUMNS.
    """
    places = {place for play in plays.plays if play.stages for place in play.places}
    accounts = decisions.loc[decisions["tier"].isin(places), "account_id"].astype(str)
    now = stages[stages["left_at"].isna()].assign(account_id=lambda f: f["account_id"].astype(str))
    there = now[now["account_id"].isin(accounts)]
    none = accounts[~accounts.isin(there["account_id"])]
    bare = pd.DataFrame({"account_id": none, "opportunity_id": "", "stage": "", "entered_at": pd.NaT})
    columns = [name for name in SEEN_COLUMNS if name != "as_of"]
    kinds = {name: "datetime64[us]" if name == "entered_at" else "str" for name in columns}
    every = pd.concat([frame[columns].astype(kinds) for frame in (there, bare)])
    return every.sort_values(["account_id", "opportunity_id"], kind="stable", ignore_index=True)


def _of_accounts(decisions: pd.DataFrame, known: pd.DataFrame, column: str) -> pd.Series:
    """An instant of each account of the decisions; NaT where `known` has no row of it."""
    values = known.set_index("account_id")[column].reindex(decisions["account_id"].astype(str))
    return pd.Series(values.to_numpy(dtype="datetime64[us]"), index=decisions.index)


def come_round(
    since: pd.Series, last: pd.Series, as_of: datetime, every_days: int, counted: pd.Series | None = None
) -> pd.Series:
    """Whether a further `every_days` since an instant were over by as_of and not by the last run before it.

    So each multiple is owed by the first run at or after it, whatever runs were missed; several that one run comes
    after are owed by it once; and a run that is repeated reads the same last run, and owes the same.

    counted : the instant from which the last run counted, NaT where it knew of none: what was over by then and not
    known to it is owed now. By default the same instant.
    """
    every = every_days * DAY
    over = (pd.Timestamp(naive(as_of)) - since) // every
    before = ((last - (since if counted is None else counted)) // every).clip(lower=0).fillna(0)
    return last.notna() & (over > before)
