"""The policies by which runs decided, by version: written with a run, and read by the runs after it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, select

import tierwise.store.schema as schema
from tierwise.store.record import RunRecord

if TYPE_CHECKING:
    from tierwise.store.ledger import Store


def write_policy(connection: Connection, record: RunRecord, rules: str) -> None:
    """The rules by which a run decided, as JSON, once a version. `""`: it does not say."""
    p = schema.policies.c
    there = select(p.version).where(p.plan == record.plan, p.version == record.policy_version)
    if rules and connection.scalar(there) is None:
        row = {"plan": record.plan, "version": record.policy_version, "rules": rules}
        connection.execute(insert(schema.policies), row)


def policies_known(store: Store, plan: str, versions: Iterable[str]) -> dict[str, str]:
    """The rules, as JSON, of some versions of a plan's policy; of those that no run kept there are none."""
    p = schema.policies.c
    query = select(p.version, p.rules).where(p.plan == plan, p.version.in_(sorted(set(versions))))
    with store.reading("the policies of earlier runs were read") as connection:
        return {str(version): str(rules) for version, rules in connection.execute(query)}
