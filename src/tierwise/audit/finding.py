"""A finding of the audit: what it is about, how grave it is, its words and its figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["blocks", "warns", "notes"]
SEVERITIES: tuple[Severity, ...] = ("blocks", "warns", "notes")
"""Gravest first."""


@dataclass(frozen=True)
class Finding:
    """One finding: `asked`, `found` and `do` as an error says them, and figures that are plain JSON values.

    subject: the attribute, channel or table it is about. refuses: whether the subject may not be a feature.
    """

    code: str
    severity: Severity
    subject: str
    asked: str
    found: str
    do: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    refuses: bool = False

    @property
    def words(self) -> str:
        """The finding in one line."""
        return ". ".join(part for part in (self.asked, self.found, self.do) if part) + "."

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain JSON values; a figure that is not a number is null."""
        figures = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in self.figures.items()}
        named = ("code", "severity", "subject", "asked", "found", "do", "refuses")
        return {**{name: getattr(self, name) for name in named}, "figures": figures}


@dataclass(frozen=True)
class AuditRules:
    """The thresholds of the audit; shares are in [0, 1]."""

    missing_difference: float = 0.10
    """Being missing tells the outcome if its share differs by more than this between accounts with and without one,"""
    missing_p: float = 0.01
    """and a two-proportion z test puts less than this probability on chance."""
    missing_auc: float = 0.65
    """Beyond this AUC of being missing, in either direction, the attribute is refused."""
    blank_first_changes: float = 0.05
    """A history is unsafe if more than this share of first changes carry no old value,"""
    held_untouched: float = 0.05
    """while more than this share of the accounts without a change hold a value."""
    creation_days: int = 1
    """A first change within so many days of the account's creation is its first value, not a change."""
    late_channel_days: int = 60
    """A channel whose first activity is so much later than the first of all looks like a change of tracking."""


DEFAULT_AUDIT_RULES = AuditRules()


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, gravest first, then by code and subject."""
    return tuple(sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), f.code, f.subject)))


def refused(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """The attributes that may not be features, each with why, by name."""
    return sorted({(f.subject, f.found) for f in findings if f.refuses})
