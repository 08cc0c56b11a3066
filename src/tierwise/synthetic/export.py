"""The canonical tables as an export at an instant would hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tierwise.synthetic.accounts import Accounts, never, value_at
from tierwise.synthetic.activity import (
    BY_ACCOUNT,
    BY_CONTACT,
    BY_DOMAIN,
    BY_IDENTITY,
    BY_LEAD,
    BY_LOSING,
    KINDS,
    TOPICS,
)
from tierwise.synthetic.contacts import ROLES, People, at_or_never
from tierwise.synthetic.deals import Deals
from tierwise.synthetic.organisation import Organisation
from tierwise.synthetic.spec import NEVER, Flags, Ints, WorldSpec
from tierwise.synthetic.traps import budgets, lifecycle

Values = np.ndarray[Any, np.dtype[Any]]

_TIME, _TEXT = pa.timestamp("us"), pa.string()


@dataclass(frozen=True)
class Facts:
    """Everything that is ever recorded of a world, with values for its whole life."""

    accounts: Accounts
    deleted: Ints
    people: People
    deals: Deals
    log: pd.DataFrame
    organisation: Organisation


def tables_at(spec: WorldSpec, facts: Facts, instant: int) -> dict[str, pa.Table]:
    """Every canonical table just before an instant (microseconds): what is known by then, with the values of then."""
    return {
        "accounts": _accounts(spec, facts, instant),
        "account_history": _account_history(facts, instant),
        "contacts": _contacts(facts, instant),
        "contact_history": _contact_history(facts, instant),
        "activities": _activities(facts, instant),
        "leads": _leads(facts, instant),
        "identities": _identities(facts, instant),
        "owners": _owners(facts.organisation.owners, instant),
        "opportunities": _opportunities(facts, instant),
        "opportunity_stages": _stages(facts, instant),
        "exclusions": _exclusions(facts.organisation.exclusions, instant),
        "account_merges": _merges(facts, instant),
    }


def _times(instants: Values | pd.Series[int], before: int | None = None) -> pa.Array:
    values = np.asarray(instants, dtype=np.int64)
    if before is not None:
        values = at_or_never(values, before)
    return pa.array(values, _TIME, mask=values == NEVER)


def _texts(values: Values | pd.Series[str] | list[str]) -> pa.Array:
    return pa.array(np.asarray(values, dtype=object), _TEXT, from_pandas=True)


def _ids(names: Values | pd.Series[str], positions: Values | pd.Series[int], keep: Flags | None = None) -> pa.Array:
    """The ids at these positions; null where not kept."""
    places = np.asarray(positions, dtype=np.int64)
    mask = None if keep is None else ~keep
    return _texts(names).take(pa.array(places, mask=mask))


def _table(columns: Mapping[str, pa.Array]) -> pa.Table:
    return pa.table(dict(columns))


def _accounts(spec: WorldSpec, facts: Facts, instant: int) -> pa.Table:
    frame, history = facts.accounts.frame, facts.accounts.history
    counts = pd.Series([None if np.isnan(v) else str(int(v)) for v in frame["employee_count"]], dtype=object)
    counts = value_at(counts, history, "employee_count", instant)
    owners = value_at(
        facts.organisation.owners["owner_id"].iloc[frame["owner"]].reset_index(drop=True), history, "owner_id", instant
    )
    parent = frame["parent"].to_numpy()
    columns = {
        "account_id": _texts(frame["account_id"]),
        "name": _texts(frame["name"]),
        "domain": _texts(frame["domain"]),
        "parent_account_id": _ids(frame["account_id"], np.maximum(parent, 0), parent >= 0),
        "industry": _texts(frame["industry"]),
        "employee_count": pa.array([None if v is None else int(v) for v in counts], pa.int64()),
        "annual_revenue": pa.array(frame["annual_revenue"], pa.float64(), from_pandas=True),
        "country": _texts(frame["country"]),
        "region": _texts(frame["region"]),
        "technologies": pa.array(frame["technologies"].tolist(), pa.list_(_TEXT)),
        "created_at": _times(frame["created"]),
        "owner_id": _texts(owners),
        "deleted_at": _times(facts.deleted, instant),
    }
    if spec.has("late_filled_attribute"):
        ranges, filled = budgets(spec, facts.accounts, facts.deals)
        columns["budget_range"] = _texts(np.where((filled != NEVER) & (filled < instant), ranges, None))
    if spec.has("todays_lifecycle_stage"):
        columns["lifecycle_stage"] = _texts(lifecycle(spec, facts.accounts, facts.deals, facts.log, instant))
    own = _table(columns).filter(pa.array((frame["created"] < instant).to_numpy()))
    return pa.concat_tables([own, _duplicates(own, facts, instant)])


def _duplicates(own: pa.Table, facts: Facts, instant: int) -> pa.Table:
    """Accounts that were entered twice: they say little of themselves, and are deleted once merged."""
    rows = facts.organisation.merges
    rows = rows[rows["created"] < instant]
    survivors = facts.accounts.frame.iloc[rows["survivor"]]
    columns = {name: pa.nulls(len(rows), own.schema.field(name).type) for name in own.column_names}
    columns["account_id"] = _texts(rows["losing_id"])
    columns["name"] = _texts([f"{name} (copy)" for name in survivors["name"]])
    columns["industry"], columns["country"] = _texts(survivors["industry"]), _texts(survivors["country"])
    columns["created_at"], columns["deleted_at"] = _times(rows["created"]), _times(rows["merged"], instant)
    if "lifecycle_stage" in columns:
        columns["lifecycle_stage"] = _texts(["subscriber"] * len(rows))
    return _table(columns)


def _account_history(facts: Facts, instant: int) -> pa.Table:
    rows = facts.accounts.history
    rows = rows[rows["changed"] < instant]
    return _table(
        {
            "account_id": _ids(facts.accounts.frame["account_id"], rows["account"]),
            "field": _texts(rows["field"]),
            "old_value": _texts(rows["old_value"]),
            "new_value": _texts(rows["new_value"]),
            "changed_at": _times(rows["changed"]),
        }
    )


def _contact_known(contacts: pd.DataFrame) -> Ints:
    known: Ints = np.maximum(contacts["created"].to_numpy(np.int64), contacts["linked"].to_numpy(np.int64))
    return known


def _contacts(facts: Facts, instant: int) -> pa.Table:
    contacts, changes = facts.people.contacts, facts.people.changes
    role = contacts["role"].to_numpy(np.int64).copy()
    newest = changes[changes["changed"] < instant].groupby("contact")["new"].last()
    role[newest.index.to_numpy(np.int64)] = newest.to_numpy()
    rows = contacts.assign(role=np.array(ROLES, dtype=object)[role])[_contact_known(contacts) < instant]
    return _table(
        {
            "contact_id": _texts(rows["contact_id"]),
            "account_id": _ids(facts.accounts.frame["account_id"], rows["account"]),
            "title": _texts(rows["title"]),
            "role": _texts(rows["role"]),
            "email_domain": _ids(facts.accounts.frame["domain"], rows["account"]),
            "created_at": _times(rows["created"]),
            "linked_at": _times(rows["linked"]),
            "unlinked_at": _times(rows["unlinked"], instant),
        }
    )


def _contact_history(facts: Facts, instant: int) -> pa.Table:
    rows = facts.people.changes
    rows = rows[rows["changed"] < instant]
    return _table(
        {
            "contact_id": _ids(facts.people.contacts["contact_id"], rows["contact"]),
            "field": _texts(["role"] * len(rows)),
            "old_value": _texts(rows["old_value"]),
            "new_value": _texts(rows["new_value"]),
            "changed_at": _times(rows["changed"]),
        }
    )


def _activities(facts: Facts, instant: int) -> pa.Table:
    """What is known of activities; a row may refer to a contact that is linked to its account only later."""
    rows = facts.log[np.maximum(facts.log["occurred"], facts.log["recorded"]) < instant]
    ref, key, kind = rows["ref"].to_numpy(), rows["key"].to_numpy(), rows["kind"].to_numpy()
    own, losing = facts.accounts.frame["account_id"], facts.organisation.merges["losing_id"]
    ids = pd.concat([own, losing], ignore_index=True)
    account = np.where(ref == BY_LOSING, key + len(own), key)

    def only(names: pd.Series[str], which: Flags, positions: Ints) -> pa.Array:
        return _ids(names, np.where(which, positions, 0), which)

    def of(attribute: str) -> pa.Array:
        return _ids(np.array([getattr(k, attribute) for k in KINDS], dtype=object), kind)

    topic = rows["topic"].to_numpy()
    return _table(
        {
            "activity_id": _texts(rows["activity_id"]),
            "account_id": only(ids, (ref == BY_ACCOUNT) | (ref == BY_LOSING), account),
            "contact_id": only(facts.people.contacts["contact_id"], ref == BY_CONTACT, key),
            "lead_id": only(facts.people.leads["lead_id"], ref == BY_LEAD, key),
            "identity_id": only(facts.people.identities["identity_id"], ref == BY_IDENTITY, key),
            "domain": only(facts.accounts.frame["domain"], ref == BY_DOMAIN, key),
            "occurred_at": _times(rows["occurred"]),
            "recorded_at": _times(rows["recorded"]),
            "channel": of("channel"),
            "kind": of("name"),
            "initiator": of("initiator"),
            "value": pa.array(rows["value"], pa.float64(), from_pandas=True),
            "topic": _ids(np.array(TOPICS, dtype=object), np.maximum(topic, 0), topic >= 0),
        }
    )


def _leads(facts: Facts, instant: int) -> pa.Table:
    rows = facts.people.leads
    rows = rows[rows["created"] < instant]
    converted = at_or_never(rows["converted"].to_numpy(np.int64), instant)
    return _table(
        {
            "lead_id": _texts(rows["lead_id"]),
            "domain": _texts(rows["domain"]),
            "created_at": _times(rows["created"]),
            "converted_at": _times(converted),
            "converted_account_id": _ids(facts.accounts.frame["account_id"], rows["account"], converted != NEVER),
            "title": _texts(rows["title"]),
        }
    )


def _identities(facts: Facts, instant: int) -> pa.Table:
    rows = facts.people.identities
    rows = rows[rows["linked"] < instant]
    return _table(
        {
            "identity_id": _texts(rows["identity_id"]),
            "account_id": _ids(facts.accounts.frame["account_id"], rows["account"]),
            "method": _texts(rows["method"]),
            "confidence": pa.array(rows["confidence"], pa.float64()),
            "linked_at": _times(rows["linked"]),
        }
    )


def _owners(rows: pd.DataFrame, instant: int) -> pa.Table:
    texts = ("owner_id", "team", "territory", "segment", "time_zone")
    numbers = ("capacity_tier_1", "capacity_tier_2", "capacity_tier_3")
    return _table(
        {
            **{name: _texts(rows[name]) for name in texts},
            "active_from": _times(rows["active_from"]),
            "active_to": _times(rows["active_to"], instant),
            **{name: pa.array(rows[name], pa.int64()) for name in numbers},
        }
    )


def _opportunities(facts: Facts, instant: int) -> pa.Table:
    stages = facts.deals.stages
    newest = stages[stages["entered"] < instant].groupby("opportunity")["stage"].last()
    rows = facts.deals.opportunities[facts.deals.opportunities["created"] < instant]
    closed = at_or_never(rows["closed"].to_numpy(np.int64), instant)
    is_closed = closed != NEVER
    return _table(
        {
            "opportunity_id": _texts(rows["opportunity_id"]),
            "account_id": _ids(facts.accounts.frame["account_id"], rows["account"]),
            "created_at": _times(rows["created"]),
            "closed_at": _times(closed),
            "stage": _texts(newest.reindex(rows.index)),
            "is_closed": pa.array(is_closed),
            "is_won": pa.array(is_closed & rows["won"].to_numpy(np.bool_)),
            "amount": pa.array(np.where(is_closed, rows["amount"], rows["planned"])),
            "currency": _texts(["USD"] * len(rows)),
            **{name: _texts(rows[name]) for name in ("type", "pipeline", "product", "source")},
        }
    )


def _stages(facts: Facts, instant: int) -> pa.Table:
    rows = facts.deals.stages
    rows = rows[rows["entered"] < instant]
    return _table(
        {
            "opportunity_id": _ids(facts.deals.opportunities["opportunity_id"], rows["opportunity"]),
            "stage": _texts(rows["stage"]),
            "entered_at": _times(rows["entered"]),
        }
    )


def _exclusions(rows: pd.DataFrame, instant: int) -> pa.Table:
    rows = rows[rows["recorded"] < instant]
    return _table(
        {
            **{name: _texts(rows[name]) for name in ("account_id", "domain", "country", "reason")},
            "starts_on": _times(rows["starts"]),
            "ends_on": _times(rows["ends"]),
            "recorded_at": _times(rows["recorded"]),
        }
    )


def _merges(facts: Facts, instant: int) -> pa.Table:
    rows = facts.organisation.merges
    rows = rows[rows["merged"] < instant]
    return _table(
        {
            "losing_id": _texts(rows["losing_id"]),
            "surviving_id": _ids(facts.accounts.frame["account_id"], rows["survivor"]),
            "merged_at": _times(rows["merged"]),
        }
    )


def deleted_at(spec: WorldSpec, spells: pd.DataFrame, accounts: int, gone: int) -> Ints:
    """When each account was deleted, in microseconds."""
    rows = spells[spells["state"] == gone]
    when = never(accounts)
    when[rows["account"].to_numpy()] = spec.moment(rows["begins"].to_numpy() - 1, spec.rng("deleted"))
    return when
