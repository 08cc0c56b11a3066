"""Being missing as a test of its own: two proportions and the AUC of the indicator."""

from __future__ import annotations

import math

from scipy import stats


def missingness(n_with: int, missing_with: int, n_without: int, missing_without: int) -> dict[str, float]:
    """How far being missing tells the outcome: difference of shares with its 95 % interval, z, p-value and AUC.

    z is the pooled two-proportion statistic, two-sided. AUC is that of the indicator, in its better direction:
    0.5 + |difference| / 2.
    """
    p, q = missing_with / n_with, missing_without / n_without
    pooled = (missing_with + missing_without) / (n_with + n_without)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n_with + 1 / n_without))
    z = (p - q) / error if error > 0 else 0.0
    half = float(stats.norm.ppf(0.975)) * math.sqrt(p * (1 - p) / n_with + q * (1 - q) / n_without)
    return {
        "difference": p - q,
        "low": max(-1.0, p - q - half),
        "high": min(1.0, p - q + half),
        "z": z,
        "p_value": float(2 * stats.norm.sf(abs(z))),
        "auc": 0.5 + abs(p - q) / 2,
    }
