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
DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Before:
    """What plays by time and by stage are owed from, besides a run's decisions.

    runs : account_id and as_of, when each account was decided on before; an account without a row was not. None: no
        account was.
    stages : STAGE_COLUMNS of the opportunities that are open as of the run: every stage that each had entered before
        it, and when it entered the next (null: it stands there). None: they were not looked for.
    """

    runs: pd.DataFrame | None = None
    stages: pd.DataFrame | None = None

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

    def in_stages(self, decisions: pd.DataFrame, play: Play) -> tuple[pd.Series, pd.Series]:
        """Since when an open opportunity of each account stands in one of the play's stages (the one that came last;
        NaT: none does), and whether one came into them since the account was decided on before."""
        stages = self.stages
        if stages is None or not len(stages):
            none = pd.Series(pd.NaT, index=decisions.index, dtype="datetime64[us]")
            return none, pd.Series(False, index=decisions.index)
        here = stages[stages["stage"].isin(play.stages)].assign(account_id=lambda f: f["account_id"].astype(str))
        now = here[here["left_at"].isna()]
        account = decisions["account_id"].astype(str)
        since = _of_accounts(decisions, now.groupby("account_id", as_index=False)["entered_at"].max(), "entered_at")
        last = pd.Series(self.last_run(decisions).to_numpy(), index=account)
        at = last.reindex(here["account_id"]).to_numpy()
        entered, left = (here[c].to_numpy(dtype="datetime64[us]") for c in ("entered_at", "left_at"))
        stood = here[(entered < at) & (np.isnat(left) | (left >= at))]
        came = now[~now["opportunity_id"].isin(stood["opportunity_id"])]
        return since, account.isin(came["account_id"]) & self.last_run(decisions).notna()


def _of_accounts(decisions: pd.DataFrame, known: pd.DataFrame, column: str) -> pd.Series:
    """An instant of each account of the decisions; NaT where `known` has no row of it."""
    values = known.set_index("account_id")[column].reindex(decisions["account_id"].astype(str))
    return pd.Series(values.to_numpy(dtype="datetime64[us]"), index=decisions.index)


def come_round(since: pd.Series, last: pd.Series, as_of: datetime, every_days: int) -> pd.Series:
    """Whether a further `every_days` since an instant were over by as_of and not by the last run before it.

    So each multiple is owed by the first run at or after it, whatever runs were missed; several that one run comes
    after are owed by it once; and a run that is repeated reads the same last run, and owes the same.
    """
    every = every_days * DAY
    over = (pd.Timestamp(naive(as_of)) - since) // every
    before = ((last - since) // every).clip(lower=0)
    return last.notna() & (over > before)
