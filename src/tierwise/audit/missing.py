"""Being missing as a test of its own: two proportions and the AUC of the indicator; and among rows of the same age."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy import stats

from tierwise.audit.measures import Flags, Floats, Ints

AGES = 8
"""Strata of equally many accounts by when they were created;"""
LEAST_DAYS = 30
"""cuts that lie nearer to each other than so many days are one."""


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


def ages(created_at: pd.Series) -> Ints:
    """The stratum of each account by when it was created; those of which nothing says so are one of their own."""
    days = created_at.astype("datetime64[us]").astype("int64").to_numpy() / 86_400_000_000
    known = created_at.notna().to_numpy()
    if not known.any():
        return np.zeros(len(days), dtype=np.int64)
    cuts: list[float] = [float(days[known].min())]
    for cut in np.quantile(days[known], np.linspace(0, 1, AGES + 1)[1:-1]):
        if cut - cuts[-1] >= LEAST_DAYS and days[known].max() - cut >= LEAST_DAYS:
            cuts.append(float(cut))
    return np.where(known, np.searchsorted(cuts[1:], days, side="right"), AGES).astype(np.int64)


def among_peers(lacks: Flags, y: Floats, strata: Ints) -> dict[str, float] | None:
    """Being missing compared within strata only: their weighted difference with its 95 % interval, and its AUC.

    The weights are Mantel and Haenszel's, the variance is that of independent proportions. None if no stratum holds
    both rows with the outcome and rows without.
    """
    counts = pd.DataFrame({"stratum": strata, "y": y, "n": 1, "lacks": lacks})
    by = counts.groupby(["stratum", "y"])[["n", "lacks"]].sum().unstack("y", fill_value=0)
    n, m = (by["n"][k].to_numpy(np.float64) for k in (1.0, 0.0))
    both = (n > 0) & (m > 0)
    if not both.any():
        return None
    p, q = (by["lacks"][k].to_numpy(np.float64)[both] / c[both] for k, c in ((1.0, n), (0.0, m)))
    n, m = n[both], m[both]
    weight = n * m / (n + m)
    weight /= weight.sum()
    difference = float(weight @ (p - q))
    half = float(stats.norm.ppf(0.975) * np.sqrt(weight**2 @ (p * (1 - p) / n + q * (1 - q) / m)))
    return {
        "difference": difference,
        "low": max(-1.0, difference - half),
        "high": min(1.0, difference + half),
        "auc": 0.5 + abs(difference) / 2,
    }
