"""The SLA clock: what of the actions owed is done, late, due and overdue, by seller activities."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd

from tierwise.clock import instant, naive

STATES = ("done", "done_late", "due", "overdue", "open")
"""done: a seller was at the account since the action was owed, by its due time if it has one. done_late: after it. due:
nobody was, and there is time. overdue: nobody was, and there is none. open: nobody was, and it has no due time."""


def on_the_clock(actions: pd.DataFrame, touches: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """The actions with done_at and state, in their order.

    Parameters
    ----------
    actions : account_id, as_of and due_at (naive UTC; NaT: it has no due time).
    touches : account_id and occurred_at of seller activities that are known by now.

    An action is done by the first seller activity on its account from its as_of on, whatever its channel: that an
    account was worked is what activities can tell, and not by which play. One activity may do several actions.
    """
    asked = pd.DataFrame(
        {
            "account_id": actions["account_id"].astype(object),
            "as_of": pd.to_datetime(actions["as_of"]).astype("datetime64[us]"),
            "_place": np.arange(len(actions)),
        }
    ).sort_values("as_of", kind="stable")
    seen = pd.DataFrame(
        {
            "account_id": touches["account_id"].astype(object),
            "done_at": pd.to_datetime(touches["occurred_at"]).astype("datetime64[us]"),
        }
    ).sort_values("done_at", kind="stable")
    found = pd.merge_asof(asked, seen, left_on="as_of", right_on="done_at", by="account_id", direction="forward")
    done_at = found.sort_values("_place")["done_at"].to_numpy()
    due_at = pd.to_datetime(actions["due_at"]).to_numpy()
    done, timed = ~np.isnat(done_at), ~np.isnat(due_at)
    ended = timed & (due_at <= np.datetime64(naive(instant(now)), "us"))
    state = np.select(
        [done & timed & (done_at > due_at), done, ended, timed], ["done_late", "done", "overdue", "due"], "open"
    )
    return actions.assign(done_at=done_at, state=state)


def counted(clocked: pd.DataFrame, by: str) -> pd.DataFrame:
    """How many actions stand where, by a column: the column, STATES, n; most overdue first."""
    table = pd.crosstab(clocked[by], clocked["state"]).reindex(columns=list(STATES), fill_value=0)
    table["n"] = table.sum(axis=1)
    found = table.rename_axis(columns=None).reset_index()
    return found.sort_values(["overdue", "n", by], ascending=[False, False, True], ignore_index=True)
