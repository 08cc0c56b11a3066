"""What one transaction writes of a run besides its ledger row: states, movements and actions."""

from __future__ import annotations

import pandas as pd
from sqlalchemy import Connection, and_, delete, insert, select, update

import tierwise.store.schema as schema
from tierwise.clock import naive
from tierwise.config import STATUSES
from tierwise.store.frames import STATE, records
from tierwise.store.frames import text as canonical
from tierwise.store.record import RunRecord

KEYS = ("plan", "account_id", "as_of", "run_id")
SUPPRESS = "suppress"


def write_state(connection: Connection, record: RunRecord, state: pd.DataFrame) -> None:
    """The state of every account, in place of what an earlier run of this as_of wrote."""
    s = schema.tier_state.c
    connection.execute(delete(schema.tier_state).where(s.plan == record.plan, s.as_of == naive(record.as_of)))
    rows = records(state, ("account_id", *STATE), KEYS)
    for row in rows:
        row.update(plan=record.plan, as_of=naive(record.as_of), run_id=record.run_id)
        row["model_version"] = row["model_version"] or record.model_version
        row["policy_version"] = row["policy_version"] or record.policy_version
    if rows:
        connection.execute(insert(schema.tier_state), rows)


def write_movements(connection: Connection, record: RunRecord, movements: pd.DataFrame) -> None:
    """The run's movements."""
    rows = records(movements, ("account_id", "previous_tier", "tier", "movement", "cause"), KEYS)
    for row in rows:
        row.update(plan=record.plan, as_of=naive(record.as_of), run_id=record.run_id)
    if rows:
        connection.execute(insert(schema.movements), rows)


def write_actions(connection: Connection, record: RunRecord, movements: pd.DataFrame, actions: pd.DataFrame) -> None:
    """The run's actions, each owed once; what the run it revises owes no longer is withdrawn."""
    o = schema.outbox.c
    owed = {str(a["action_id"]): a for a in actions.to_dict("records")}
    query = select(schema.outbox).where(o.plan == record.plan, o.as_of == naive(record.as_of))
    there = {r["action_id"]: r for r in connection.execute(query).mappings()}
    moved = set(movements["account_id"])
    for action_id, row in there.items():
        status = row["status"]
        if action_id in owed and status == "withdrawn":
            values = {"status": "owed", "run_id": record.run_id, "payload": canonical(owed[action_id])}
        elif action_id not in owed and status == "owed" and row["account_id"] in moved:
            values = {"status": "withdrawn"}
        else:
            continue
        connection.execute(update(schema.outbox).where(o.action_id == action_id).values(**values))
    taken = set(there) | _elsewhere(connection, owed.keys() - there.keys())
    rows = [
        {"action_id": action_id, "account_id": str(row["account_id"]), "payload": canonical(row)}
        | {"plan": record.plan, "as_of": naive(record.as_of), "run_id": record.run_id, "status": "owed"}
        for action_id, row in owed.items()
        if action_id not in taken
    ]
    if rows:
        connection.execute(insert(schema.outbox), rows)


def withdraw(connection: Connection, record: RunRecord, state: pd.DataFrame) -> None:
    """What earlier runs owe to an account that is now suppressed or out of the cohort is owed no longer."""
    out = sorted(state.loc[state["tier"].isin([SUPPRESS, *STATUSES]), "account_id"].astype(str))
    o = schema.outbox.c
    for start in range(0, len(out), 500):
        late = and_(
            o.plan == record.plan,
            o.status == "owed",
            o.as_of < naive(record.as_of),
            o.account_id.in_(out[start : start + 500]),
        )
        connection.execute(update(schema.outbox).where(late).values(status="withdrawn"))


def _elsewhere(connection: Connection, action_ids: set[str]) -> set[str]:
    """Those of the ids that another as_of or plan has in the outbox already."""
    o, ids, found = schema.outbox.c, sorted(action_ids), set()
    for start in range(0, len(ids), 500):
        found |= set(connection.scalars(select(o.action_id).where(o.action_id.in_(ids[start : start + 500]))))
    return found
