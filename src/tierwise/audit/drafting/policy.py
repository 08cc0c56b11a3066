"""A first policy.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierwise.audit.drafting.signals import OBJECTIONS, no_signals
from tierwise.audit.drafting.text import scalar
from tierwise.data import Query

if TYPE_CHECKING:
    from tierwise.data import Warehouse


def policy_text(warehouse: Warehouse) -> str:
    """policy.yaml, with the negative triggers that the activities hold."""
    found = warehouse.frame(Query("SELECT DISTINCT kind FROM activities WHERE kind IS NOT NULL"))["kind"]
    objections = no_signals(found, OBJECTIONS)
    triggers = "\n".join(f"  - {{kind: {scalar(k)}, days: 365}}" for k in objections)
    return f"""\
# Tiers: scores are percentiles of the training cohort, 0 to 100. A band means "at least".
policy: v1
bands:
  fit: {{moderate: 35, high: 60}}
  signal: {{early: 40, moderate: 60, high: 80}}
minimum_fit: moderate  # below it an account recycles, whatever its signals
rows:  # the first row whose bands are all reached names the tier
  - {{row: focus, tier: tier_1, fit: high, signal: high, coverage: reached}}
  - {{row: growth_signal, tier: tier_2, fit: high, signal: moderate}}
  - {{row: growth_coverage, tier: tier_2, fit: high, coverage: partial}}
#   - {{row: both, tier: tier_2, fit: moderate, least: {{account_score: 85}}}}  # fit and signal together
  - {{row: scaled, tier: tier_3, fit: moderate, signal: early}}
  - {{row: scaled_unknown, tier: tier_3, fit: moderate, coverage: unknown}}
  - {{row: target, tier: tier_3, fit: high}}
stale: {{after_days: 120, within_days: 365}}
surge: {{ratio: 3, least_activities: 7, least_contacts: 2, least_channels: 2, days: 21, cool_down_days: 60}}
time_in_tier: {{stay_margin: 30, minimum_stay_days: 63, promotion_window_days: 60}}
# promotion_window_days: no promotion so soon after the last move by rows, so that nothing bounces; surges apart
# capacity: {{tier_1: 50, tier_2: 200}}  # accounts the team can work in a tier at one as-of date; none: room for all
# owner_capacity: {{by: owner, tier_1: 10}}  # and each owner, territory or team; owners' own numbers go before it
# segments:  # thresholds of their own, by attributes of features.fit; an account is in the first that holds
#   - {{segment: enterprise, where: {{employee_count: {{at_least: 1000}}}}, bands: {{fit: {{high: 70}}}}}}
# verticals:  # strategic: cuts lower by so many points; a row with verticals: [public] is for those alone
#   - {{vertical: public, where: {{industry: [government, education]}}, lower: {{fit: 10, signal: 5}}}}
# calendar: {{fiscal_year_starts: 2, freeze_days: 10, demotions_on: [monday], holidays: [2026-12-25]}}
negative_triggers:{" []" if not objections else chr(10) + triggers}
"""
