"""Where each account stood, and when: by the runs that stood, under the accounts as they are today."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tierwise.config.policy import STATUSES, TIERS
from tierwise.governance.matured import require

NOT_TIERED, BEFORE, OTHER = "not_tiered", "before_runs", "other_kind"
PLACES = (*TIERS, *STATUSES, NOT_TIERED, BEFORE, OTHER)
"""Every row of the KPI table: tiers, statuses, accounts without a row in the run that stood, what was before the first
run, and opportunities of a kind that the plan does not ask for."""
STOOD = ("run_as_of", "account_id", "tier")


def stood_in(published: pd.DataFrame, become: Mapping[str, str]) -> pd.DataFrame:
    """run_as_of, account_id, tier (or status): the newest revision of each as_of, and no backfill.

    A merged account's rows are its survivor's (become: losing to surviving), unless the survivor has one of its own in
    that run; of several, the least losing id's.
    """
    require(published, (*STOOD, "revision", "backfill"), "the KPI table, of the published tiers,")
    rows = published[~published["backfill"].astype(bool)]
    newest = rows.groupby("run_as_of")["revision"].transform("max")
    rows = rows.loc[rows["revision"] == newest, list(STOOD)]
    survivor = rows["account_id"].map(lambda account: become.get(account, account))
    rows = rows.assign(was=rows["account_id"], account_id=survivor, lost=survivor != rows["account_id"])
    rows = rows.sort_values(["run_as_of", "account_id", "lost", "was"], kind="stable", ignore_index=True)
    return rows.drop_duplicates(["run_as_of", "account_id"])[list(STOOD)].reset_index(drop=True)


def places(stood: pd.DataFrame, account_id: pd.Series, at: pd.Series) -> pd.Series:
    """Where each account stood at an instant: in the newest run with `as_of <= at`, which read what was before it.

    NOT_TIERED where that run has no row of it (or the account is null), BEFORE where there is no such run.
    """
    runs = np.sort(stood["run_as_of"].unique()).astype("datetime64[us]")
    which = np.searchsorted(runs, at.to_numpy(dtype="datetime64[us]"), side="right") - 1
    asked = pd.DataFrame({"account_id": account_id.to_numpy(dtype=object), "which": which})
    held = pd.DataFrame(
        {
            "account_id": stood["account_id"].to_numpy(dtype=object),
            "which": np.searchsorted(runs, stood["run_as_of"].to_numpy(dtype="datetime64[us]")),
            "tier": stood["tier"].to_numpy(dtype=object),
        }
    )
    found = asked.merge(held, on=["account_id", "which"], how="left", validate="m:1")["tier"]
    found = found.where(found.notna(), NOT_TIERED).where(asked["which"] >= 0, BEFORE)
    return pd.Series(found.to_numpy(dtype=object), index=account_id.index, dtype=object)
