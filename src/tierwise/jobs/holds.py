"""What a published run set beside an account's bands, read from the run, its state, the policy and the tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from tierwise.clock import naive
from tierwise.config import PlanFiles, Policy
from tierwise.data import Intake, Query
from tierwise.explain import Room, Stood, Window
from tierwise.explain.holds import NEXT
from tierwise.jobs.changed import Scoring
from tierwise.jobs.rows import owners_of
from tierwise.store import Store
from tierwise.tiers.acts import read_owners
from tierwise.tiers.bands import Words
from tierwise.tiers.dwell import window_end
from tierwise.tiers.inputs import read_state


def stood(files: PlanFiles, intake: Intake, here: Scoring, row: dict[str, Any], store: Store) -> Stood:
    """How the run left an account, by its row there; whose an account is, by the tables of today."""
    policy, tier = files.policy, str(row["tier"])
    state = store.state_at(files.plan.plan, here.as_of)
    after = read_state(state, _ids([here.account_id]), _us(here.as_of) + np.timedelta64(1, "us"))
    (moved,), (ends,), (until,) = (
        pd.to_datetime(at).to_pydatetime() for at in (after.moved_at, window_end(after, policy), after.override_until)
    )
    opened = pd.notna(ends) and ends > naive(here.as_of)
    return Stood(
        tier=tier,
        guardrails=frozenset(str(row["guardrails"]).split(";")),
        policies=(str(row["policy_version"]), policy.version()),
        override_until=until if pd.notna(until) else None,
        late=tuple(here.run.meta.get("late", {})),
        rooms=(*_owners_room(policy, intake, here, NEXT.get(tier, "")), *_tiers_room(policy, here, NEXT.get(tier, ""))),
        shared_by="owner" if policy.owner_capacity is None else policy.owner_capacity.by,
        window=Window(moved, (ends - moved) // timedelta(days=1), ends) if opened else None,
    )


def _owners_room(policy: Policy, intake: Intake, here: Scoring, wanted: str) -> Iterator[Room]:
    """The room in a tier of those who look after the account, where they have one."""
    tiers = here.run.frame("tiers")
    owned = intake.warehouse.frame(Query("SELECT account_id, owner_id FROM accounts"))
    owner = tiers["account_id"].map(owned.set_index("account_id")["owner_id"]).fillna("")
    owners = owners_of(intake.warehouse)
    rooms = None if owners.empty else read_owners(owners, _ids(owner), _us(here.as_of), policy)
    if rooms is None or policy.owner_capacity is None or wanted not in rooms.capacity:
        return
    group = rooms.group[(tiers["account_id"] == here.account_id).to_numpy()][0]
    if group >= 0:
        taken = int(((tiers["tier"] == wanted) & (rooms.group == group)).sum())
        yield Room(taken, float(rooms.capacity[wanted][group]), policy.owner_capacity.by)


def _tiers_room(policy: Policy, here: Scoring, wanted: str) -> Iterator[Room]:
    """The room in a tier for all accounts, where the policy states one."""
    room = policy.capacity.get(wanted)  # type: ignore[call-overload]
    if room is not None:
        yield Room(int((here.run.frame("tiers")["tier"] == wanted).sum()), room)


def _ids(values: Any) -> Words:
    return np.array(values, dtype=object)


def _us(at: datetime) -> np.datetime64:
    return np.datetime64(naive(at), "us")
