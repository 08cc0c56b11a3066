"""A run as the ledger keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal

Kind = Literal["scheduled", "revision", "backfill"]


@dataclass(frozen=True)
class RunRecord:
    """A run as the ledger keeps it.

    kind : `scheduled` (as_of newer than every run before), `revision` (the newest as_of again, from other inputs,
        model or policy) or `backfill` (an older as_of). `Store.kind` says which.
    inputs, prior_state : fingerprints (`Intake.fingerprint`, `state_hash` of the prior state).
    sequence : the plan's order of runs from 1, given by the store.
    """

    run_id: str
    plan: str
    as_of: datetime
    kind: Kind
    model_version: str
    policy_version: str
    inputs: str
    prior_state: str
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    sequence: int | None = None
