"""Identity, step by step: ids, merges, families, domains, leads, duplicates."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tierwise.config.workspace import Settings
from tierwise.data.identity.duplicates import duplicate_notes, duplicates
from tierwise.data.identity.long_ids import lengthen
from tierwise.data.identity.matching import add_provisional, ascii_domains, match_contacts
from tierwise.data.identity.merges import apply_merges, survivors
from tierwise.data.warehouse import Query, Warehouse


@dataclass(frozen=True)
class Resolved:
    """What identity found: findings refuse the tables, notes are worth knowing, duplicates are groups of accounts."""

    findings: tuple[str, ...]
    notes: tuple[str, ...]
    duplicates: pd.DataFrame


def resolve(warehouse: Warehouse, settings: Settings) -> Resolved:
    """Say who is who in the warehouse's tables, and let them say so."""
    short, lengthened = lengthen(warehouse)
    circles, merged = apply_merges(warehouse)
    notes = [*lengthened, *merged, *_parents(warehouse)]
    if not short and not circles:
        ascii_domains(warehouse)
        notes += match_contacts(warehouse)
        notes += add_provisional(warehouse) if settings.provisional_accounts else []
    found = duplicates(warehouse)
    return Resolved((*short, *circles), (*notes, *duplicate_notes(found)), found)


def _parents(warehouse: Warehouse) -> list[str]:
    """Each circle of parents, by name."""
    sql = """
        SELECT account_id, parent_account_id FROM accounts SEMI JOIN (SELECT account_id AS id FROM accounts) p
            ON p.id = parent_account_id
        WHERE parent_account_id <> account_id ORDER BY account_id
    """
    pairs = warehouse.arrow(Query(sql)).to_pydict()
    _, circles = survivors(dict(zip(pairs["account_id"], pairs["parent_account_id"], strict=True)), set())
    says = "goes round in a circle, which is one family; say which is the parent"
    return [f"accounts: parent_account_id: {' -> '.join(circle)}: {says}" for circle in circles]
