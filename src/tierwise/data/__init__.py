"""The data contract, and the way from files to a warehouse."""

from __future__ import annotations

from tierwise.data.as_of import IDENTITY, AsOfView, Rebuilt, as_of_view
from tierwise.data.contract import OUTCOME_TABLES, TABLES, Column, Table
from tierwise.data.disputes import disputed_on, disputes_digest, join_disputes, value_digest
from tierwise.data.domains import bare_domain
from tierwise.data.feeds import Known, known_of_sellers
from tierwise.data.flat import flat_formats, read_flat
from tierwise.data.freshness import Freshness, draft_expects, expects_lines, freshness
from tierwise.data.identity import Resolved, become, domain_claims, families, resolve, survivors
from tierwise.data.intake import Inspection, Intake, inspect_tables, read_tables
from tierwise.data.noise import Flagged, flag_noise
from tierwise.data.own_history import (
    OwnField,
    attributes_seen,
    changes,
    digest,
    join_own_history,
    list_parts,
    own_fields,
    part_name,
    read_parts,
)
from tierwise.data.roles import Named, name_roles, role_of
from tierwise.data.sources.opening import open_sources
from tierwise.data.warehouse import Query, Warehouse, quoted

__all__ = [
    "IDENTITY",
    "OUTCOME_TABLES",
    "TABLES",
    "AsOfView",
    "Column",
    "Flagged",
    "Freshness",
    "Inspection",
    "Intake",
    "Known",
    "Named",
    "OwnField",
    "Query",
    "Rebuilt",
    "Resolved",
    "Table",
    "Warehouse",
    "as_of_view",
    "attributes_seen",
    "bare_domain",
    "become",
    "changes",
    "digest",
    "disputed_on",
    "disputes_digest",
    "domain_claims",
    "draft_expects",
    "expects_lines",
    "families",
    "flag_noise",
    "flat_formats",
    "freshness",
    "inspect_tables",
    "join_disputes",
    "join_own_history",
    "known_of_sellers",
    "list_parts",
    "name_roles",
    "open_sources",
    "own_fields",
    "part_name",
    "quoted",
    "read_flat",
    "read_parts",
    "read_tables",
    "resolve",
    "role_of",
    "survivors",
    "value_digest",
]
