"""The planted effects: what raises or lowers the hazard of entering a buying cycle, in log-hazard."""

from __future__ import annotations

import math

INDUSTRIES: dict[str, tuple[float, float]] = {
    "Software": (0.15, 0.80),
    "Manufacturing": (0.18, 0.45),
    "Financial Services": (0.12, 0.35),
    "Logistics": (0.09, 0.20),
    "Healthcare": (0.11, 0.05),
    "Energy": (0.06, -0.10),
    "Retail": (0.11, -0.35),
    "Hospitality": (0.06, -0.65),
    "Public Sector": (0.06, -0.85),
    "Education": (0.06, -0.95),
}
"""Industry: (share of accounts, effect)."""

SIZE_BANDS: tuple[tuple[str, int, float], ...] = (
    ("1-49", 1, -1.05),
    ("50-199", 50, -0.20),
    ("200-999", 200, 0.60),
    ("1000-4999", 1000, 0.40),
    ("5000+", 5000, -0.25),
)
"""Headcount band: (label, least headcount, effect)."""

COUNTRIES: dict[str, tuple[str, float, float]] = {
    "US": ("North America", 0.34, 0.15),
    "CA": ("North America", 0.06, 0.05),
    "GB": ("Europe", 0.13, 0.10),
    "DE": ("Europe", 0.13, 0.25),
    "FR": ("Europe", 0.08, 0.00),
    "NL": ("Europe", 0.05, 0.10),
    "PL": ("Europe", 0.04, -0.20),
    "IN": ("Asia Pacific", 0.07, -0.35),
    "JP": ("Asia Pacific", 0.05, -0.20),
    "BR": ("Latin America", 0.04, -0.45),
    "BY": ("Europe", 0.01, 0.00),
}
"""Country: (region, share, effect)."""

TECHNOLOGIES: dict[str, tuple[float, float]] = {
    "cloud_warehouse": (0.35, 0.55),
    "crm_suite": (0.45, 0.30),
    "marketing_automation": (0.30, 0.35),
    "data_catalog": (0.12, 0.20),
    "container_platform": (0.25, 0.00),
    "ecommerce": (0.20, 0.00),
    "legacy_erp": (0.25, -0.40),
    "spreadsheets_only": (0.18, -0.60),
}
"""Technology: (share of accounts, effect)."""

INTERACTION = ("Software", "cloud_warehouse", 0.35)
"""The one fit x fit interaction: an industry with a technology, and what the two together add."""

UNSEEN_SD = 0.35
"""Spread of what no table shows."""

NEWS: dict[str, tuple[float, float]] = {
    "leadership_change": (0.30, 1.20),
    "funding": (0.20, 1.00),
    "product_launch": (0.30, 0.40),
    "strategy_shift": (0.20, 0.80),
}
"""Trigger: (share of triggers, effect while it lasts)."""

ENTRY_PER_DAY = 0.00102
"""Hazard of entering a cycle at a log-hazard of zero, a day."""


def planted() -> dict[str, dict[str, float]]:
    """The planted effects by attribute and value, in log-hazard of entering a buying cycle."""
    industry, technology, effect = INTERACTION
    return {
        "industry": {name: value for name, (_, value) in INDUSTRIES.items()},
        "employee_count": {label: value for label, _, value in SIZE_BANDS},
        "country": {name: value for name, (_, _, value) in COUNTRIES.items()},
        "technologies": {name: value for name, (_, value) in TECHNOLOGIES.items()},
        "industry x technologies": {f"{industry} x {technology}": effect},
        "news": {name: value for name, (_, value) in NEWS.items()},
        "base": {"log_hazard_per_day": math.log(ENTRY_PER_DAY)},
        "unseen": {"standard_deviation": UNSEEN_SD},
    }
