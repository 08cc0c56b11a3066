"""The thresholds of the review and of the gate, as data: every number that a verdict is compared with stands here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReviewRules:
    """What the review and the gate compare their figures with; shares are in [0, 1]."""

    level: float = 0.95
    """Coverage of every interval."""
    least_rows: int = 100
    """Fewer matured rows, in a tier or in all, are too few cases."""
    least_outcomes: int = 10
    """Fewer outcomes among the matured rows are too few cases."""
    calibration_alpha: float = 0.01
    """Calibration is rejected below this p-value."""
    calibration_ratio_off: float = 0.25
    """A rejected calibration calls for action if observed / predicted is further than this from 1."""
    drift_alpha: float = 0.01
    """Where nothing has drifted, at most this share of drift tables raises any alarm at all."""
    drift_least_psi: float = 0.1
    """An alarm also needs this much PSI, lest large samples raise alarms over nothing."""
    drift_least_rows: int = 200
    """Fewer current rows are too few to test for drift."""
    drift_bins: int = 10
    """Quantile bins of a number."""
    drift_categories: int = 20
    """Categories kept by name; the others are counted together."""
    ping_pong_days: int = 60
    """An account that left a tier and is back within so many days has ping-ponged."""
    ping_pong_share: float = 0.02
    """More than this share of the accounts a month is watched."""
    kpi_least_cases: int = 10
    """A KPI that is a rate or a mean, over fewer cases, has too few."""
    control_least_accounts: int = 10
    """Fewer accounts of an arm of the control group, whose draw has matured, are too few to read its lift."""
    control_power: float = 0.8
    """The chance with which the control group is to show the lift that plays.yaml wants to detect."""
    gate_calibration_alpha: float = 0.05
    """The gate looks twice at a challenger whose calibration is rejected below this p-value."""
    gate_slope_off: float = 0.2
    """So rejected, it is refused if its slope is further than this from 1, or its mean than calibration_ratio_off."""
    gate_standard_errors: float = 1.0
    """How many standard errors of log-loss a challenger may be worse by."""


DEFAULT_RULES = ReviewRules()
