"""The log of the control group: who was drawn, and which actions were withheld; written with the run, never changed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
from sqlalchemy import JSON, ColumnElement, Connection, cast, insert, select, type_coerce

import tierwise.store.schema as schema
from tierwise.clock import naive
from tierwise.store.frames import cell, instants, need
from tierwise.store.record import RunRecord

if TYPE_CHECKING:
    from tierwise.store.ledger import Store

TEXTS = ("account_id", "via", "tier", "arm", "salt", "run_id")
NUMBERS = ("share", "near")
INSTANTS = ("drawn_as_of", "row_as_of")
DRAW = ("account_id", "via", "tier", "share", "near", "arm", "row_as_of")


@dataclass(frozen=True)
class ControlLog:
    """What a run adds to the log: its draws by a salt (account_id, via, tier, share, near, arm, row_as_of), and the
    actions it withheld (action_id, account_id, play).
    """

    salt: str
    draws: pd.DataFrame
    withheld: pd.DataFrame


def write_control(connection: Connection, record: RunRecord, log: ControlLog) -> None:
    """Add a run's draws and what it withheld, in the run's own transaction."""
    need(log.draws, DRAW, "draws of the control group", "account_id")
    need(log.withheld, ("action_id", "account_id", "play"), "withheld actions", "action_id")
    of_run: dict[str, Any] = {"plan": record.plan, "run_id": record.run_id}
    drawn = _rows(log.draws, DRAW, {**of_run, "salt": log.salt, "drawn_as_of": naive(record.as_of)})
    if drawn:
        connection.execute(insert(schema.control_draws), drawn)
    withheld = _rows(log.withheld, ("action_id", "account_id", "play"), {**of_run, "as_of": naive(record.as_of)})
    if withheld:
        connection.execute(insert(schema.withheld), withheld)


def _rows(frame: pd.DataFrame, columns: tuple[str, ...], more: dict[str, Any]) -> list[dict[str, Any]]:
    values = zip(*(map(cell, frame[name].tolist()) for name in columns), strict=True)
    return [dict(zip(columns, row, strict=True)) | more for row in values]


def draws(store: Store, plan: str, until: datetime | None = None, salt: str | None = None) -> pd.DataFrame:
    """The draws of a plan up to a date, those made on it included, oldest first: `routing.control.DRAWN`, salt, run_id.

    salt : by this one alone; None: by any.
    """
    c = schema.control_draws.c
    query = select(schema.control_draws).where(c.plan == plan)
    query = query if until is None else query.where(c.drawn_as_of <= naive(until))
    query = query if salt is None else query.where(c.salt == salt)
    with store.reading("the control group was read") as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    rows.sort(key=lambda row: (row["drawn_as_of"], row["account_id"], row["via"], row["salt"]))
    columns: dict[str, Any] = {name: pd.Series([r[name] for r in rows], dtype="str") for name in TEXTS}
    columns |= {name: pd.Series([r[name] for r in rows], dtype="float64") for name in NUMBERS}
    return pd.DataFrame(columns | {name: instants([r[name] for r in rows]) for name in INSTANTS})


def given(store: Store, plan: str, plays: Collection[str], until: datetime) -> pd.DataFrame:
    """Who was ever owed an action of one of some plays by runs up to a date, whatever became of it: account_id, play,
    as_of; oldest first."""
    o = schema.outbox.c
    with store.reading("who was owed seller actions was read") as connection:
        play = _play(connection.dialect.name)
        query = select(o.account_id, play.label("play"), o.as_of).distinct()
        query = query.where(o.plan == plan, o.as_of <= naive(until), play.in_(sorted(plays)))
        rows = [dict(row) for row in connection.execute(query).mappings()]
    rows.sort(key=lambda row: (row["as_of"], row["account_id"], row["play"]))
    columns: dict[str, Any] = {name: pd.Series([r[name] for r in rows], dtype="str") for name in ("account_id", "play")}
    return pd.DataFrame(columns | {"as_of": instants([r["as_of"] for r in rows])})


def _play(dialect: str) -> ColumnElement[str]:
    """The play of an action in the outbox."""
    payload = schema.outbox.c.payload
    read = type_coerce(payload, JSON) if dialect == "sqlite" else cast(payload, JSON)
    play: ColumnElement[str] = read["play"].as_string()
    return play


def withheld(store: Store, plan: str, account_id: str | None = None, until: datetime | None = None) -> pd.DataFrame:
    """The actions withheld from accounts in the control group (or from one) up to a date, oldest first: action_id,
    account_id, play, as_of, run_id.
    """
    c = schema.withheld.c
    query = select(schema.withheld).where(c.plan == plan)
    query = query if until is None else query.where(c.as_of <= naive(until))
    query = query if account_id is None else query.where(c.account_id == account_id)
    with store.reading("withheld actions were read") as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    rows.sort(key=lambda row: (row["as_of"], row["action_id"], row["run_id"]))
    named = ("action_id", "account_id", "play", "run_id")
    columns: dict[str, Any] = {name: pd.Series([r[name] for r in rows], dtype="str") for name in named}
    return pd.DataFrame(columns | {"as_of": instants([r["as_of"] for r in rows])})
