"""The store: prior states, the run ledger, and the one transaction in which a run is committed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType, TracebackType
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, and_, func, insert, inspect, select, text
from sqlalchemy.engine import URL

import tierwise.store.schema as schema
from tierwise.clock import instant, naive
from tierwise.data.sources.urls import shown
from tierwise.errors import EnvironmentFault, UsageError
from tierwise.store.acts import (
    EVERY_PLAN,
    Act,
    ActKind,
    HeldRun,
    act_frame,
    disputes_known,
    held_run,
    overrides_in_force,
    write_act,
    write_held,
)
from tierwise.store.control import ControlLog, write_control
from tierwise.store.engine import faults, make_engine, read_url, sqlite_file
from tierwise.store.frames import instants, movement_frame, need, state_frame, state_hash
from tierwise.store.frames import text as canonical
from tierwise.store.policies import write_policy
from tierwise.store.record import Kind, RunRecord
from tierwise.store.stages import write_stages
from tierwise.store.writing import withdraw, write_actions, write_movements, write_state

_CREATE_LOCK = 7_303_001
"""Any fixed number: PostgreSQL's advisory lock under which two first starts create the tables once."""


class Store:
    """One database that holds a workspace's tier states, movements, outbox, ledger, promotions, acts and held runs.

    Made by `Store.open`; a context manager. Every method that writes is one transaction. A database that cannot be
    reached, read or written raises EnvironmentFault, with the URL's password hidden.
    """

    def __init__(self, engine: Engine, url: URL) -> None:
        self._engine, self._url = engine, url

    @classmethod
    def open(cls, url: str, create: bool = True) -> Store:
        """Open the store of a URL (`sqlite:///FILE`, `postgresql+psycopg://...`), creating its tables if need be.

        Raises
        ------
        EnvironmentFault : unreachable, not permitted, or a store of another schema version.
        UsageError : there is no store yet and `create` is False.
        """
        read = read_url(url)
        file = sqlite_file(read)
        if file is not None and not file.exists() and not create:
            raise _no_store(read)
        with faults(read, "the store was opened"):
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
            store = cls(make_engine(read), read)
        try:
            store._check(create)
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({shown(self._url)!r})"

    # -- reading

    def prior_state(self, plan: str, before: datetime) -> pd.DataFrame:
        """The newest state of each account with `as_of < before`, in account_id order.

        Columns: account_id, as_of, tier, tier_since, row, surge_until, surge_ended, model_version, policy_version,
        days_since_signal, then further columns by name. Empty, with these columns, before the first run.
        """
        s = schema.tier_state.c
        newest = (
            select(s.account_id, func.max(s.as_of).label("as_of"))
            .where(s.plan == plan, s.as_of < naive(before))
            .group_by(s.account_id)
            .subquery()
        )
        on = and_(s.account_id == newest.c.account_id, s.as_of == newest.c.as_of)
        query = select(schema.tier_state).join(newest, on).where(s.plan == plan)
        return state_frame(sorted(self._rows(query, "the prior state was read"), key=lambda r: r["account_id"]))

    def state_at(self, plan: str, as_of: datetime) -> pd.DataFrame:
        """The state written by the newest run of exactly this as_of, as `prior_state` gives it (for a revision)."""
        s = schema.tier_state.c
        query = select(schema.tier_state).where(s.plan == plan, s.as_of == naive(as_of))
        return state_frame(sorted(self._rows(query, "the state was read"), key=lambda r: r["account_id"]))

    @staticmethod
    def state_hash(state: pd.DataFrame) -> str:
        """sha256 of a state frame, the same in any order of its rows and columns."""
        return state_hash(state)

    def find_run(self, run_id: str) -> RunRecord | None:
        """The run of this id, or None."""
        rows = self._rows(select(schema.runs).where(schema.runs.c.run_id == run_id), "the run ledger was read")
        return _record(rows[0]) if rows else None

    def last_run(self, plan: str, as_of: datetime) -> RunRecord | None:
        """The last run of exactly this as_of, of whatever kind; None where there is none."""
        r = schema.runs.c
        query = select(schema.runs).where(r.plan == plan, r.as_of == naive(as_of)).order_by(r.sequence.desc()).limit(1)
        rows = self._rows(query, "the run ledger was read")
        return _record(rows[0]) if rows else None

    def newest_run(self, plan: str) -> RunRecord | None:
        """The run that CURRENT must name: the last in order that is no backfill; None before the first run."""
        with self.reading("the run ledger was read") as connection:
            return _newest(connection, plan)

    def runs(self, plan: str) -> pd.DataFrame:
        """The ledger of a plan, oldest first: sequence, run_id, as_of, kind, model_version, policy_version, inputs,
        prior_state, counts (dicts).
        """
        query = select(schema.runs).where(schema.runs.c.plan == plan).order_by(schema.runs.c.sequence)
        rows = self._rows(query, "the run ledger was read")
        columns: dict[str, Any] = {"sequence": pd.Series([r["sequence"] for r in rows], dtype="int64")}
        for name in ("run_id", "as_of", "kind", "model_version", "policy_version", "inputs", "prior_state"):
            values = [r[name] for r in rows]
            columns[name] = instants(values) if name == "as_of" else pd.Series(values, dtype="str")
        columns["counts"] = pd.Series([json.loads(r["counts"]) for r in rows], dtype=object)
        return pd.DataFrame(columns)

    def kind(self, plan: str, as_of: datetime) -> Kind:
        """What a new run of this as_of would be: `scheduled`, `revision` or `backfill`."""
        return _kind(self.newest_run(plan), as_of)

    def movements(self, plan: str, run_id: str | None = None) -> pd.DataFrame:
        """The movements of a plan (or of one run), in order of runs, then of account_id."""
        m, r = schema.movements.c, schema.runs.c
        query = select(schema.movements, r.sequence).join(schema.runs, m.run_id == r.run_id).where(m.plan == plan)
        if run_id is not None:
            query = query.where(m.run_id == run_id)
        rows = self._rows(query, "the movements were read")
        return movement_frame(sorted(rows, key=lambda row: (row["sequence"], row["account_id"])))

    def outbox(self, plan: str, status: str | None = "owed") -> pd.DataFrame:
        """Actions of a status (None: of all): action_id, account_id, as_of, run_id, status, payload (dicts)."""
        o = schema.outbox.c
        query = select(schema.outbox).where(o.plan == plan)
        if status is not None:
            query = query.where(o.status == status)
        rows = sorted(self._rows(query, "the outbox was read"), key=lambda row: (row["as_of"], row["action_id"]))
        columns: dict[str, Any] = {}
        for name in ("action_id", "account_id", "as_of", "run_id", "status"):
            values = [row[name] for row in rows]
            columns[name] = instants(values) if name == "as_of" else pd.Series(values, dtype="str")
        columns["payload"] = pd.Series([json.loads(row["payload"]) for row in rows], dtype=object)
        return pd.DataFrame(columns)

    def promotions(self, plan: str) -> pd.DataFrame:
        """Who was live when, oldest first: sequence, version, alias, as_of."""
        p = schema.promotions.c
        query = select(schema.promotions).where(p.plan == plan).order_by(p.sequence)
        rows = self._rows(query, "the promotions were read")
        columns: dict[str, Any] = {"sequence": pd.Series([r["sequence"] for r in rows], dtype="int64")}
        for name in ("version", "alias"):
            columns[name] = pd.Series([r[name] for r in rows], dtype="str")
        columns["as_of"] = instants([r["as_of"] for r in rows])
        return pd.DataFrame(columns)

    def acts(self, plan: str, kinds: Sequence[ActKind]) -> pd.DataFrame:
        """Acts of some kinds, oldest first: sequence, act_id, plan, kind, account_id, made_at, payload (dicts)."""
        a = schema.acts.c
        query = select(schema.acts).where(a.plan == plan, a.kind.in_(kinds)).order_by(a.sequence)
        return act_frame(self._rows(query, "the acts were read"))

    def overrides(self, plan: str, as_of: datetime) -> pd.DataFrame:
        """The one override of each account in force as of a date, of acts made strictly before it (law 1).

        Columns: account_id, tier, reason, author, made_at, expires_at; see `overrides_in_force`.
        """
        return overrides_in_force(self.acts(plan, ("override", "withdrawal")), as_of)

    def disputes(self, as_of: datetime | None = None) -> pd.DataFrame:
        """Every dispute of all plans, oldest first, with when it ended; what was known before a date, or all.

        Columns: act_id, table, fact_id, field, account_id, source, reason, author, made_at, ended_at (null: it stands).
        """
        return disputes_known(self.acts(EVERY_PLAN, ("dispute", "withdrawal")), as_of)

    def disputed(self, as_of: datetime | None = None) -> pd.DataFrame:
        """The disputes that stand as of a date, or now: one a fact, as `disputes` has them."""
        found = self.disputes(as_of)
        return found[found["ended_at"].isna()].reset_index(drop=True)

    def released(self, plan: str, run_id: str) -> Mapping[str, Any] | None:
        """Who released a run, and why (author, reason); None where nobody has."""
        found = [p for p in self.acts(plan, ("release",))["payload"] if p["run_id"] == run_id]
        return found[0] if found else None

    def held_runs(self, plan: str) -> tuple[HeldRun, ...]:
        """Every run that was ever held, oldest first."""
        h = schema.held_runs.c
        query = select(schema.held_runs).where(h.plan == plan).order_by(h.sequence)
        return tuple(held_run(row) for row in self._rows(query, "the held runs were read"))

    # -- writing

    def add_act(self, act: Act) -> bool:
        """Keep an act, for good; False if it is kept already."""
        with self.writing("an act was kept") as connection:
            return write_act(connection, act)

    def hold(self, record: RunRecord, moves: Mapping[str, Any]) -> None:
        """Keep a run as held, with what it would have moved; neither state nor ledger nor outbox changes."""
        with self.writing(f"run {record.run_id} was held") as connection:
            write_held(connection, record, moves)

    def promote(self, plan: str, version: str, alias: str, as_of: datetime) -> int:
        """Note that `alias` names `version` from `as_of` on; returns its place in the plan's order, from 1."""
        with self.writing("a promotion was noted") as connection:
            p = schema.promotions.c
            last = connection.scalar(select(func.max(p.sequence)).where(p.plan == plan))
            row = {"plan": plan, "sequence": (last or 0) + 1, "version": version, "alias": alias, "as_of": naive(as_of)}
            connection.execute(insert(schema.promotions).values(**row))
        return (last or 0) + 1

    def commit_run(
        self,
        record: RunRecord,
        state: pd.DataFrame,
        movements: pd.DataFrame,
        actions: pd.DataFrame,
        control: ControlLog | None = None,
        seen: pd.DataFrame | None = None,
        rules: str = "",
    ) -> bool:
        """Write a run whole, in one transaction: ledger, state, movements, actions owed; False if it is there already.

        Parameters
        ----------
        state : account_id, tier, the other state columns where there are, and further ones, which pass through as
            JSON; a row each for every account.
        movements : account_id, previous_tier, tier, movement, cause; of a revision, `movements_difference`.
        actions : action_id, account_id, and what else is owed; the whole row is the payload. An action_id that is
            there already is not owed twice. What earlier dates owe to an account that is now suppressed or out of the
        cohort becomes `withdrawn`.
        control : what the run adds to the log of the control group.
        seen : in which stages it saw open opportunities; see `store.stages`.
        rules : the policy, as JSON, kept under its version for the runs after it; `""`: it is not kept.

        A revision replaces the state of its as_of; what the run before it owed to an account that the difference
        moves, and this run does not owe again, becomes `withdrawn` while it is still `owed`. A backfill writes the
        ledger alone: its state and movements live in its files, so that no prior state of another run changes.

        Raises
        ------
        UsageError : the kind is not what the ledger makes it (another run came between), a backfill owes actions,
            or a frame lacks a column or names an account twice.
        """
        need(state, ("account_id", "tier"), "tier states", "account_id")
        need(movements, ("account_id", "previous_tier", "tier", "movement", "cause"), "movements", "account_id")
        need(actions, ("action_id", "account_id"), "actions", "action_id")
        with self.writing(f"run {record.run_id} was committed") as connection:
            if connection.scalar(select(schema.runs.c.run_id).where(schema.runs.c.run_id == record.run_id)):
                return False
            newest = _newest(connection, record.plan)
            _check_kind(record, newest, len(actions))
            last = connection.scalar(select(func.max(schema.runs.c.sequence)).where(schema.runs.c.plan == record.plan))
            connection.execute(insert(schema.runs).values(**_ledger_row(record, (last or 0) + 1)))
            if record.kind != "backfill":
                write_state(connection, record, state)
                write_stages(connection, record, seen)
                write_policy(connection, record, rules)
                write_movements(connection, record, movements)
                withdraw(connection, record, state)
                write_actions(connection, record, movements, actions)
                if control is not None:
                    write_control(connection, record, control)
        return True

    # -- inside

    def _rows(self, query: Any, asked: str) -> list[dict[str, Any]]:
        with self.reading(asked) as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    @contextmanager
    def reading(self, asked: str) -> Iterator[Connection]:
        with faults(self._url, asked), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self, asked: str) -> Iterator[Connection]:
        with faults(self._url, asked), self._engine.connect() as connection:
            connection = connection.execution_options(writes=True)
            with connection.begin():
                connection.execute(select(schema.meta.c.version).with_for_update())
                yield connection

    def _check(self, create: bool) -> None:
        with faults(self._url, "the store was opened"), self._engine.connect() as connection:
            there = inspect(connection).has_table("meta")
            connection.rollback()
            if not there and not create:
                raise _no_store(self._url)
            if not there:
                self._create(connection)
            version = connection.scalar(select(schema.meta.c.version))
            seen = inspect(connection)
            lacks = not all(seen.has_table(name) for name in schema.metadata.tables)
            connection.rollback()
            if version == schema.VERSION and lacks:
                self._create(connection)
                connection.rollback()
        if version != schema.VERSION:
            raise EnvironmentFault(
                f"the store {shown(self._url)} was opened",
                found=f"its schema is version {version}, and this tierwise reads version {schema.VERSION}",
                do="Use the tierwise that wrote it, or name a new database under store: in tierwise.yaml",
            )

    def _create(self, connection: Connection) -> None:
        connection = connection.execution_options(writes=True)
        with connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREATE_LOCK})
            schema.metadata.create_all(connection)
            if connection.scalar(select(schema.meta.c.version)) is None:
                connection.execute(insert(schema.meta).values(one=1, version=schema.VERSION))


def _no_store(url: URL) -> UsageError:
    return UsageError(
        "the store was opened", found=f"there is none at {shown(url)} yet", do="Run tierwise score once: it makes it"
    )


def _newest(connection: Connection, plan: str) -> RunRecord | None:
    r = schema.runs.c
    query = select(schema.runs).where(r.plan == plan, r.kind != "backfill").order_by(r.sequence.desc()).limit(1)
    row = connection.execute(query).mappings().first()
    return None if row is None else _record(dict(row))


def _kind(newest: RunRecord | None, as_of: datetime) -> Kind:
    if newest is None or as_of > newest.as_of:
        return "scheduled"
    return "revision" if as_of == newest.as_of else "backfill"


def _check_kind(record: RunRecord, newest: RunRecord | None, actions: int) -> None:
    kind = _kind(newest, record.as_of)
    if record.kind != kind:
        there = f"the newest run, {newest.run_id}, is of {newest.as_of.date()}" if newest else "the plan has no run yet"
        raise UsageError(
            f"run {record.run_id} of {record.as_of.date()} was committed as a {record.kind}",
            found=f"{there}, which makes it a {kind}",
            do="Run it again: it then starts from what is there now",
        )
    if kind == "backfill" and actions:
        raise UsageError(
            f"run {record.run_id} was committed as a backfill",
            found=f"it owes {actions} actions",
            do="A backfill owes none: give an empty frame",
        )


def _ledger_row(record: RunRecord, sequence: int) -> dict[str, Any]:
    row = {n: getattr(record, n) for n in ("run_id", "plan", "kind", "model_version", "policy_version")}
    row |= {"inputs": record.inputs, "prior_state": record.prior_state, "sequence": sequence}
    return row | {"as_of": naive(record.as_of), "counts": canonical(record.counts)}


def _record(row: Mapping[str, Any]) -> RunRecord:
    read = dict(row)
    counts = MappingProxyType(json.loads(read.pop("counts")))
    return replace(RunRecord(**read, counts=counts), as_of=instant(read["as_of"]))
