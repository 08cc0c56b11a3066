"""The YAML files of a workspace: frozen models, line-numbered errors, JSON Schemas."""

from __future__ import annotations

from tierwise.config.control import Control
from tierwise.config.icp import Headcount, Icp, IcpPoints
from tierwise.config.load import (
    PlanFiles,
    Workspace,
    load_workspace,
    merged,
    parse_icp,
    parse_plan,
    parse_policy,
    parse_settings,
)
from tierwise.config.noise import NoiseRules, RoundTheClock
from tierwise.config.plan import (
    Attribute,
    BuyingGroup,
    Channel,
    Cohort,
    Features,
    Grid,
    Learning,
    Outcome,
    Plan,
    Signals,
)
from tierwise.config.plays import Budget, Play, Plays
from tierwise.config.policy import (
    COVERAGE_BANDS,
    FIT_BANDS,
    SIGNAL_BANDS,
    STATUSES,
    TIERS,
    Bands,
    NegativeTrigger,
    Policy,
    Stale,
    Surge,
    TierRow,
    TimeInTier,
)
from tierwise.config.schema import json_schema
from tierwise.config.workspace import Brake, Expects, Formats, Quarantine, Settings, Source
from tierwise.config.write import plays_text

__all__ = [
    "COVERAGE_BANDS",
    "FIT_BANDS",
    "SIGNAL_BANDS",
    "STATUSES",
    "TIERS",
    "Attribute",
    "Bands",
    "Brake",
    "Budget",
    "BuyingGroup",
    "Channel",
    "Cohort",
    "Control",
    "Expects",
    "Features",
    "Formats",
    "Grid",
    "Headcount",
    "Icp",
    "IcpPoints",
    "Learning",
    "NegativeTrigger",
    "NoiseRules",
    "Outcome",
    "Plan",
    "PlanFiles",
    "Play",
    "Plays",
    "Policy",
    "Quarantine",
    "RoundTheClock",
    "Settings",
    "Signals",
    "Source",
    "Stale",
    "Surge",
    "TierRow",
    "TimeInTier",
    "Workspace",
    "json_schema",
    "load_workspace",
    "merged",
    "parse_icp",
    "parse_plan",
    "parse_policy",
    "parse_settings",
    "plays_text",
]
