"""What one transaction writes of a run besides its ledger row: states, movements and actions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Connection, and_, delete, insert, select, update

import tierwise.store.schema as schema
from tierwise.clock import naive
from tierwise.config import STATUSES
from tierwise.store.frames import STATE, cell, records
from tierwise.store.frames import text as canonical
from tierwise.store.record import RunRecord

KEYS = ("plan", "account_id", "as_of", "run_id")
SUPPRESS = "suppress"
NO_OUTREACH = "none"
"""The motion of an action that approaches nobody."""


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
            values = {"status": "owed", "withdrawn_by": None, "run_id": record.run_id}
            values["payload"] = _payload(owed[action_id])
            _watch(connection, [owed[action_id]])
        elif action_id not in owed and status == "owed" and row["account_id"] in moved:
            values = {"status": "withdrawn", "withdrawn_by": record.run_id}
        else:
            continue
        connection.execute(update(schema.outbox).where(o.action_id == action_id).values(**values))
    taken = set(there) | _elsewhere(connection, owed.keys() - there.keys())
    new = {action_id: row for action_id, row in owed.items() if action_id not in taken}
    rows = [
        {"action_id": action_id, "account_id": str(row["account_id"]), "payload": _payload(row)}
        | {"plan": record.plan, "as_of": naive(record.as_of), "run_id": record.run_id, "status": "owed"}
        for action_id, row in new.items()
    ]
    if rows:
        connection.execute(insert(schema.outbox), rows)
    _watch(connection, list(new.values()))


def _payload(action: Mapping[str, Any]) -> str:
    """What is sent of an action: all but the terms, which are kept with what it watches."""
    return canonical({name: value for name, value in action.items() if name != "terms"})


def _watch(connection: Connection, actions: Sequence[Mapping[str, Any]]) -> None:
    """Keep what each of some actions watches, in place of what was kept of it; nothing of those that watch none."""
    rows = [
        {"action_id": str(row["action_id"]), "overdue_of": row["overdue_of"], "terms": row["terms"]}
        | {name: cell(row[name]) for name in ("due_at", "not_before")}
        for row in actions
        if row.get("overdue_of")
    ]
    w = schema.watches.c
    for row in rows:
        connection.execute(delete(schema.watches).where(w.action_id == row["action_id"]))
    if rows:
        connection.execute(insert(schema.watches), rows)


def withdraw(connection: Connection, record: RunRecord, state: pd.DataFrame) -> None:
    """What earlier dates owe to an account that is out now is owed no longer.

    Out of the cohort, or suppressed: outreach is withdrawn. What stops outreach stands as long as the suppression. What
    a run that this one revises had withdrawn of earlier dates is owed again first.
    """
    o, r = schema.outbox.c, schema.runs.c
    earlier = and_(o.plan == record.plan, o.as_of < naive(record.as_of))
    revised = select(r.run_id).where(r.plan == record.plan, r.as_of == naive(record.as_of))
    again = update(schema.outbox).where(earlier, o.status == "withdrawn", o.withdrawn_by.in_(revised))
    connection.execute(again.values(status="owed", withdrawn_by=None))
    tiers = dict(zip(state["account_id"].astype(str), state["tier"].astype(str), strict=True))
    query = select(o.action_id, o.account_id, o.payload).where(earlier, o.status == "owed")
    late = [
        row["action_id"]
        for row in connection.execute(query).mappings()
        if _is_late(json.loads(row["payload"]), tiers.get(row["account_id"]))
    ]
    for start in range(0, len(late), 500):
        these = update(schema.outbox).where(o.action_id.in_(late[start : start + 500]))
        connection.execute(these.values(status="withdrawn", withdrawn_by=record.run_id))


def _is_late(action: Mapping[str, Any], tier: str | None) -> bool:
    """Whether an action owed earlier has lost its ground in the tier or status of now.

    What a status itself owes stands while the account is in it. tier: None where the account is there no more, as it
    was merged into another: what it was owed stands, and delivery looks at what it has become.
    """
    if action.get("motion") == NO_OUTREACH:
        return tier != SUPPRESS
    if tier is None:
        return False
    owed_in = action.get("tier")
    return tier == SUPPRESS or (tier != owed_in and (tier in STATUSES or owed_in in STATUSES))


def _elsewhere(connection: Connection, action_ids: set[str]) -> set[str]:
    """Those of the ids that another as_of or plan has in the outbox already."""
    o, ids, found = schema.outbox.c, sorted(action_ids), set()
    for start in range(0, len(ids), 500):
        found |= set(connection.scalars(select(o.action_id).where(o.action_id.in_(ids[start : start + 500]))))
    return found
