"""What runs saw of the stages of open opportunities: written with their state, and read by the runs after them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
from sqlalchemy import Connection, and_, delete, func, insert, or_, select

import tierwise.store.schema as schema
from tierwise.clock import naive
from tierwise.store.frames import cell, instants, need
from tierwise.store.record import RunRecord

if TYPE_CHECKING:
    from tierwise.store.ledger import Store

SEEN = ("account_id", "opportunity_id", "stage", "entered_at")


def write_stages(connection: Connection, record: RunRecord, seen: pd.DataFrame | None) -> None:
    """What a run saw, besides what an earlier run of this as_of saw: what that owed stands. None: it did not look."""
    if seen is None:
        return
    need(seen[seen["opportunity_id"] != ""], SEEN, "stages of opportunities", "opportunity_id")
    s = schema.stages_seen.c
    mine = and_(s.plan == record.plan, s.as_of == naive(record.as_of))
    there = [tuple(row) for row in connection.execute(select(*(s[name] for name in SEEN)).where(mine))]
    values = zip(*(map(cell, seen[name].tolist()) for name in SEEN), strict=True)
    rows = {row[:3]: row for row in (*there, *values)}
    connection.execute(delete(schema.stages_seen).where(mine))
    key = {"plan": record.plan, "as_of": naive(record.as_of)}
    if rows:
        connection.execute(
            insert(schema.stages_seen), [dict(zip(SEEN, row, strict=True)) | key for row in rows.values()]
        )


def stages_seen(store: Store, plan: str, before: datetime) -> pd.DataFrame:
    """What the newest run with `as_of < before` that kept anything of an account saw of it, and the newest that saw an
    opportunity in a stage.

    Columns: account_id, as_of, opportunity_id ("": none of the account in a stage), stage, entered_at; in order of
    as_of, account_id and opportunity_id.
    """
    s = schema.stages_seen.c
    mine = and_(s.plan == plan, s.as_of < naive(before))
    newest = func.max(s.as_of).label("newest")
    accounts = select(s.account_id, newest).where(mine).group_by(s.account_id).subquery()
    deal = (s.opportunity_id, s.stage)
    deals = select(*deal, newest).where(mine, s.opportunity_id != "").group_by(*deal).subquery()
    query = (
        select(schema.stages_seen)
        .join(accounts, s.account_id == accounts.c.account_id)
        .outerjoin(deals, and_(s.opportunity_id == deals.c.opportunity_id, s.stage == deals.c.stage))
        .where(mine, or_(s.as_of == accounts.c.newest, s.as_of == deals.c.newest))
    )
    return _frame(store, query)


def stages_seen_by(store: Store, plan: str, as_of: datetime) -> pd.DataFrame:
    """What the runs of exactly this as_of saw, as `stages_seen` gives it (for a revision)."""
    s = schema.stages_seen.c
    return _frame(store, select(schema.stages_seen).where(s.plan == plan, s.as_of == naive(as_of)))


def _frame(store: Store, query: Any) -> pd.DataFrame:
    with store.reading("the stages that runs saw were read") as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    rows.sort(key=lambda row: (row["as_of"], row["account_id"], row["opportunity_id"]))
    columns = {name: pd.Series([row[name] for row in rows], dtype="str") for name in SEEN[:3]}
    times = {name: instants([row[name] for row in rows]) for name in ("as_of", "entered_at")}
    return pd.DataFrame({"account_id": columns["account_id"], "as_of": times["as_of"], **columns, **times})
