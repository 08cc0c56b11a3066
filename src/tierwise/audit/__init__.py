"""Leakage and readiness findings: what the data can and cannot support, before anything is learned."""

from tierwise.audit.attributes import is_own, missingness
from tierwise.audit.draft import Draft, draft_plan
from tierwise.audit.finding import DEFAULT_AUDIT_RULES, AuditRules, Finding, Severity, refused
from tierwise.audit.sweep import audit

__all__ = [
    "DEFAULT_AUDIT_RULES",
    "AuditRules",
    "Draft",
    "Finding",
    "Severity",
    "audit",
    "draft_plan",
    "is_own",
    "missingness",
    "refused",
]
