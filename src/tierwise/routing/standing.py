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


@dataclass(frozen=True)
class InStages:
    """Where open opportunities stand in a play's stages, a value each account of the decisions.

    since : since when the one that came last stands there; NaT: none does.
    counted : since when that stay counted for the run in which the account was decided on before; NaT: it did not see
        it there.
    came : whether one came there since that run.
    own : whether one stands there that was not seen there under another account before.
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
    seen : SEEN_COLUMNS of what the newest runs that saw each opportunity and each account saw of them (`seen_now`).
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

        One came, if the account's last run did not see it there: neither under the account nor, after a merge, under
        another. What the tables say now of when it came decides only where no run says what it saw, and where the
        stage in which it was seen is named nowhere now (it was renamed).
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
        came, from when its stay counted for the last run, and whether it was seen there under another account.

        last : account_id -> when it was decided on before.
        """
        assert self.stages is not None
        here = self.stages[self.stages["stage"].isin(play.stages)]
        here = here.assign(account_id=here["account_id"].astype(str))
        at = last.reindex(here["account_id"]).to_numpy()
        entered, left = (here[c].to_numpy(dtype="datetime64[us]") for c in ("entered_at", "left_at"))
        stood = here[(entered < at) & (np.isnat(left) | (left >= at))]
        now = here[here["left_at"].isna()].drop(columns="left_at").reset_index(drop=True)
        run = last.reindex(now["account_id"]).reset_index(drop=True)
        seen = self._seen(now["opportunity_id"])
        named = seen["stage"].isin(self.stages["stage"])
        there = seen["stage"].isin(play.stages)
        told = seen["stage"].isna() | there | named
        known = (seen["as_of"] >= run) & told
        kept = self._kept(now["account_id"]) == run
        by_dates = ~now["opportunity_id"].isin(stood["opportunity_id"])
        came = (~there).where(known, by_dates | (kept & ~there & told))
        another = known & there & named & (seen["stage"] != now["stage"])
        earlier = (known & there & (now["entered_at"] < run)).astype(bool)
        counted = now["entered_at"].mask(earlier, seen["entered_at"]).mask(came | another)
        return now.assign(came=came, counted=counted, elsewhere=there & (seen["account_id"] != now["account_id"]))

    def _seen(self, opportunities: pd.Series) -> pd.DataFrame:
        """What the last run that saw each of some opportunities saw of it, row by row; null where none did."""
        seen = _nothing() if self.seen is None else self.seen
        newest = seen.sort_values("as_of", kind="stable").drop_duplicates("opportunity_id", keep="last")
        return newest.set_index("opportunity_id").reindex(opportunities).reset_index(drop=True)

    def _kept(self, accounts: pd.Series) -> pd.Series:
        """The last run that kept what it saw of each of some accounts, row by row; NaT where none did."""
        seen = _nothing() if self.seen is None else self.seen
        newest = seen.groupby("account_id")["as_of"].max()
        return newest.reindex(accounts).astype("datetime64[us]").reset_index(drop=True)


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
