"""What people did to accounts, facts and held runs: acts, kept as they were made, and which are in force on a date."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import pandas as pd
from sqlalchemy import Connection, func, insert, select

import tierwise.store.schema as schema
from tierwise.clock import instant, naive
from tierwise.store.frames import instants, text
from tierwise.store.record import RunRecord

ActKind = Literal["override", "withdrawal", "dispute", "release", "promotion"]
EVERY_PLAN = ""
"""The plan of an act on a fact: a fact that is wrong is wrong for all plans."""
OVERRIDES = ("account_id", "tier", "reason", "author", "made_at", "expires_at")
DISPUTES = (
    "act_id",
    "table",
    "fact_id",
    "field",
    "account_id",
    "source",
    "reason",
    "author",
    "made_at",
    "ended_at",
    "value_digest",
)
FACT = ("table", "fact_id", "field")
"""What names a fact: a whole activity (field ""), or a value of an account."""


@dataclass(frozen=True)
class Act:
    """One thing that a person did, which is never changed: what lifts it is an act of its own.

    plan : whose account or run it is on; EVERY_PLAN for a dispute and its withdrawal.
    made_at : when; a run reads only acts made strictly before its as_of.
    payload : reason and author; of an override tier and expires_at, of a dispute table, fact_id, field and source, of a
        withdrawal the act_id that it ends (and of a dispute's, the fact), of a release run_id, of a promotion version,
        its place among the plan's promotions, what it was seen to move, and the limits stated for its first run.
    """

    plan: str
    kind: ActKind
    made_at: datetime
    payload: Mapping[str, Any]
    account_id: str | None = None

    @property
    def act_id(self) -> str:
        """The same act has the same id, so that it is never kept twice."""
        said = text([self.plan, self.kind, self.account_id, self.made_at, dict(self.payload)])
        return f"act-{hashlib.sha256(said.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class HeldRun:
    """A run that was held: `moves` is what it would have moved, as the brake said it."""

    run_id: str
    plan: str
    as_of: datetime
    kind: str
    moves: Mapping[str, Any]


def write_act(connection: Connection, act: Act) -> bool:
    """Add an act; False if it is there already."""
    a = schema.acts.c
    if connection.scalar(select(a.act_id).where(a.act_id == act.act_id)):
        return False
    last = connection.scalar(select(func.max(a.sequence)))
    row: dict[str, Any] = {n: getattr(act, n) for n in ("plan", "kind", "account_id", "act_id")}
    row |= {"made_at": naive(act.made_at), "sequence": (last or 0) + 1, "payload": text(dict(act.payload))}
    connection.execute(insert(schema.acts).values(**row))
    return True


def write_held(connection: Connection, record: RunRecord, moves: Mapping[str, Any]) -> None:
    """Keep a run as held; one that is kept already stays as it was."""
    h = schema.held_runs.c
    if connection.scalar(select(h.run_id).where(h.run_id == record.run_id)):
        return
    last = connection.scalar(select(func.max(h.sequence)).where(h.plan == record.plan))
    row: dict[str, Any] = {n: getattr(record, n) for n in ("run_id", "plan", "kind")}
    row |= {"sequence": (last or 0) + 1, "as_of": naive(record.as_of), "payload": text(dict(moves))}
    connection.execute(insert(schema.held_runs).values(**row))


def act_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of acts as a frame, oldest first: sequence, act_id, plan, kind, account_id, made_at, payload (dicts)."""
    columns: dict[str, Any] = {"sequence": pd.Series([r["sequence"] for r in rows], dtype="int64")}
    for name in ("act_id", "plan", "kind", "account_id"):
        columns[name] = pd.Series([r[name] for r in rows], dtype="str")
    columns["made_at"] = instants([r["made_at"] for r in rows])
    columns["payload"] = pd.Series([json.loads(r["payload"]) for r in rows], dtype=object)
    return pd.DataFrame(columns)


def held_run(row: Mapping[str, Any]) -> HeldRun:
    """A row of held_runs."""
    return HeldRun(row["run_id"], row["plan"], instant(row["as_of"]), row["kind"], json.loads(row["payload"]))


def overrides_in_force(acts: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """The one override of each account that is in force as of a date, in account_id order: OVERRIDES; pure.

    acts : overrides and withdrawals, as `act_frame` gives them. Those made at or after as_of are not known yet. The
    newest act on an account counts alone: an override in place of those before it, whether it has expired or not, and a
    withdrawal of all of them. An override is in force while as_of < expires_at.
    """
    newest: dict[str, Mapping[str, Any]] = {}
    for row in _known(acts, as_of):
        newest[str(row["account_id"])] = row
    rows = []
    for account, row in sorted(newest.items()):
        expires = instant(row["payload"]["expires_at"]) if row["kind"] == "override" else as_of
        if as_of < expires:
            said = {name: row["payload"][name] for name in ("tier", "reason", "author")}
            rows.append(said | {"account_id": account, "made_at": row["made_at"], "expires_at": naive(expires)})
    return _typed(rows, OVERRIDES)


def disputes_known(acts: pd.DataFrame, as_of: datetime | None) -> pd.DataFrame:
    """Every dispute that is known as of a date (None: all), oldest first: DISPUTES; pure.

    acts : disputes and withdrawals of all plans, as `act_frame` gives them. A dispute stands from made_at until
    ended_at (null: it stands), when it was withdrawn, or the fact was disputed anew; those of one fact never overlap.
    """
    rows: list[dict[str, Any]] = []
    standing: dict[tuple[str, ...], dict[str, Any]] = {}
    for act in _known(acts, as_of):
        fact = tuple(act["payload"][name] for name in FACT)
        if fact in standing:
            standing.pop(fact)["ended_at"] = act["made_at"]
        if act["kind"] == "dispute":
            said = {name: act["payload"][name] for name in (*FACT, "source", "reason", "author")}
            said |= {"value_digest": act["payload"].get("value_digest")}
            standing[fact] = said | {name: act[name] for name in ("act_id", "account_id", "made_at")}
            rows.append(standing[fact])
    return _typed([{"ended_at": None, **row} for row in rows], DISPUTES)


def _known(acts: pd.DataFrame, as_of: datetime | None) -> Iterator[Mapping[str, Any]]:
    """The acts made before a date, in the order in which they were made."""
    if as_of is not None:
        acts = acts[acts["made_at"] < pd.Timestamp(naive(as_of))]
    ordered = acts.sort_values(["made_at", "sequence"], kind="stable")
    return ({str(k): v for k, v in row.items()} for row in ordered.to_dict("records"))


def _typed(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    for name in names:
        values = [row[name] for row in rows]
        columns[name] = instants(values) if name.endswith("_at") else pd.Series(values, dtype="str")
    return pd.DataFrame(columns)
