"""Reasons: each feature's share of the calibrated log-odds, in words."""

from tierwise.explain.change import Stage, by_cause, split_change, spoken_change
from tierwise.explain.disputed import told_disputed
from tierwise.explain.evidence import Evidence, evidence, family_of
from tierwise.explain.families import families, shown, spoken_families, tell, top_reasons
from tierwise.explain.holds import Holds, Room, Stood, Window, holds
from tierwise.explain.observed import Observed, observe
from tierwise.explain.overview import overview
from tierwise.explain.reasons import format_value, reasons
from tierwise.explain.rules import rule_reasons, top_rules
from tierwise.explain.views import Segments, dependence, importance, segments
from tierwise.explain.waterfall import MOST_BARS, further, waterfall
from tierwise.explain.whatif import Way, WhatIf, what_if

__all__ = [
    "MOST_BARS",
    "Evidence",
    "Holds",
    "Observed",
    "Room",
    "Segments",
    "Stage",
    "Stood",
    "Way",
    "WhatIf",
    "Window",
    "by_cause",
    "dependence",
    "evidence",
    "families",
    "family_of",
    "format_value",
    "further",
    "holds",
    "importance",
    "observe",
    "overview",
    "reasons",
    "rule_reasons",
    "segments",
    "shown",
    "split_change",
    "spoken_change",
    "spoken_families",
    "tell",
    "told_disputed",
    "top_reasons",
    "top_rules",
    "waterfall",
    "what_if",
]
