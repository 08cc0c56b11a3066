"""Seller effort that works: the openings that it brings forth besides those that a world has anyway."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tierwise.clock import naive
from tierwise.synthetic.cycles import EVALUATION, RESEARCH
from tierwise.synthetic.spec import DAY
from tierwise.synthetic.world import World


def openings(world: World) -> pd.DataFrame:
    """The New Business openings of a world, without any effort: account_id, opened_at; oldest first."""
    deals = world.facts.deals.opportunities
    new = deals[deals["type"] == "New Business"]
    ids = world.facts.accounts.frame["account_id"].to_numpy(object)[new["account"].to_numpy()]
    opened = new["created"].to_numpy(dtype=np.int64).astype("datetime64[us]")
    return pd.DataFrame({"account_id": ids.astype(str), "opened_at": opened}).sort_values(
        ["opened_at", "account_id"], ignore_index=True
    )


def effort_openings(world: World, worked: pd.DataFrame, per_day: float, seed: int) -> pd.DataFrame:
    """The openings that seller effort brings forth besides: account_id, opened_at; at most one an account.

    On each day since it was first worked on which a worked account is in a cycle (it researches or evaluates), effort
    makes it open with a further chance of `per_day`; the same whoever else is worked. The hidden states stay as they
    are, so that the truth of the world is the truth of what would have come without effort.

    Parameters
    ----------
    worked : account_id, since (naive UTC, 00:00 of a day of the world).
    """
    rng = np.random.default_rng([seed, world.spec.seed])
    place = {str(a): n for n, a in enumerate(world.facts.accounts.frame["account_id"])}
    ordered = worked.sort_values("account_id")
    who = np.array([place[str(a)] for a in ordered["account_id"]], dtype=np.int64)
    start = np.datetime64(naive(world.spec.history_from), "us")
    first = (ordered["since"].to_numpy(dtype="datetime64[us]") - start) // np.timedelta64(DAY, "us")
    states, luck = world.paths.state[:-1], rng.random(world.paths.state[:-1].shape)
    moved = (np.isin(states, [RESEARCH, EVALUATION]) & (luck < per_day))[:, who]
    moved &= np.arange(len(states))[:, None] >= first[None, :]
    days, opened = moved.argmax(axis=0), moved.any(axis=0)
    at = start + days[opened] * np.timedelta64(DAY, "us") + np.timedelta64(DAY // 2, "us")
    return pd.DataFrame({"account_id": ordered["account_id"].astype(str).to_numpy()[opened], "opened_at": at})


def brought_forward(world: World, worked: pd.DataFrame, days: int) -> pd.DataFrame:
    """The openings of a world where effort only brings them forward: account_id, opened_at; oldest first.

    An opening of a worked account that comes after it was first worked on comes so many days sooner, though not before
    that; every account opens as often as it would have.

    Parameters
    ----------
    worked : account_id, since (naive UTC).
    """
    made = openings(world).merge(worked[["account_id", "since"]], on="account_id", how="left", validate="m:1")
    opened, begins = (made[name].to_numpy(dtype="datetime64[us]") for name in ("opened_at", "since"))
    sooner = np.fmax(opened - np.timedelta64(days * DAY, "us"), begins)
    moved = made.assign(opened_at=np.where(opened > begins, sooner, opened)).drop(columns="since")
    return moved.sort_values(["opened_at", "account_id"], ignore_index=True)
