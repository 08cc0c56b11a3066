"""What must change together: tier state, movements, outbox, run ledger, acts and promotions, in one database."""

from __future__ import annotations

from tierwise.store.acts import DISPUTES, EVERY_PLAN, FACT, Act, HeldRun
from tierwise.store.control import ControlLog, draws, given, withheld
from tierwise.store.deliveries import Deliveries
from tierwise.store.difference import movements_difference
from tierwise.store.frames import state_hash
from tierwise.store.ledger import Store
from tierwise.store.record import Kind, RunRecord
from tierwise.store.replacing import NOTHING_REPLACED, Replacing, replacing
from tierwise.store.stages import stages_seen, stages_seen_by
from tierwise.store.told_accounts import ToldAccounts

__all__ = [
    "DISPUTES",
    "EVERY_PLAN",
    "FACT",
    "NOTHING_REPLACED",
    "Act",
    "ControlLog",
    "Deliveries",
    "HeldRun",
    "Kind",
    "Replacing",
    "RunRecord",
    "Store",
    "ToldAccounts",
    "draws",
    "given",
    "movements_difference",
    "replacing",
    "stages_seen",
    "stages_seen_by",
    "state_hash",
    "withheld",
]
