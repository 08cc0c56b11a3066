"""Leakage and readiness findings: what the data can and cannot support, before anything is learned."""

from __future__ import annotations

from tierwise.audit.attributes import not_to_keep
from tierwise.audit.control import of_control
from tierwise.audit.coverage import Coverage, outcome_coverage
from tierwise.audit.drafting import Candidate, Draft, draft_plan, drafted_roles
from tierwise.audit.finding import (
    DEFAULT_AUDIT_RULES,
    AuditRules,
    Finding,
    Severity,
    acceptable,
    accepted,
    in_words,
    of_contract,
    ordered,
    refused,
)
from tierwise.audit.flat import audit_table
from tierwise.audit.ladder import of_ladder, plan_ladder
from tierwise.audit.matrix import audit_matrix
from tierwise.audit.missing import missingness
from tierwise.audit.own import is_own
from tierwise.audit.plays import by_the_owners_clock, of_plays, unknown_zones, zones_in_words
from tierwise.audit.policy import of_policy
from tierwise.audit.reach import history_days
from tierwise.audit.sample import sampled
from tierwise.audit.sweep import audit

__all__ = [
    "DEFAULT_AUDIT_RULES",
    "AuditRules",
    "Candidate",
    "Coverage",
    "Draft",
    "Finding",
    "Severity",
    "acceptable",
    "accepted",
    "audit",
    "audit_matrix",
    "audit_table",
    "by_the_owners_clock",
    "draft_plan",
    "drafted_roles",
    "history_days",
    "in_words",
    "is_own",
    "missingness",
    "not_to_keep",
    "of_contract",
    "of_control",
    "of_ladder",
    "of_plays",
    "of_policy",
    "ordered",
    "outcome_coverage",
    "plan_ladder",
    "refused",
    "sampled",
    "unknown_zones",
    "zones_in_words",
]
