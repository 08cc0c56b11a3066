"""What must change together: tier state, movements, outbox, run ledger, acts and promotions, in one database."""

from __future__ import annotations

from tierwise.store.acts import DISPUTES, EVERY_PLAN, FACT, Act, HeldRun
from tierwise.store.control import ControlLog, draws, given, withheld
from tierwise.store.deliveries import Deliveries
from tierwise.store.difference import movements_difference
from tierwise.store.frames import state_hash
from tierwise.store.ledger import Store
from tierwise.store.policies import policies_known
from tierwise.store.record import Kind, RunRecord
from tierwise.store.stages import stages_seen, stages_seen_by
from tierwise.store.told_accounts import ToldAccounts

__all__ = [
    "DISPUTES",
    "EVERY_PLAN",
    "FACT",
    "Act",
    "ControlLog",
    "Deliveries",
    "HeldRun",
    "Kind",
    "RunRecord",
    "Store",
    "ToldAccounts",
    "draws",
    "given",
    "movements_difference",
    "policies_known",
    "stages_seen",
    "stages_seen_by",
    "state_hash",
    "withheld",
]
