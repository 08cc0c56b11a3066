"""Drafts: a first model.yaml, policy.yaml and icp.yaml from what the tables hold."""

from tierwise.audit.drafting.draft import Draft, draft_plan
from tierwise.audit.drafting.icp import drafted_roles
from tierwise.audit.drafting.outcomes import Candidate

__all__ = ["Candidate", "Draft", "draft_plan", "drafted_roles"]
