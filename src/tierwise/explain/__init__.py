"""Reasons: each feature's share of the calibrated log-odds, in words."""

from tierwise.explain.reasons import format_value, reasons, top_reasons
from tierwise.explain.waterfall import waterfall

__all__ = ["format_value", "reasons", "top_reasons", "waterfall"]
