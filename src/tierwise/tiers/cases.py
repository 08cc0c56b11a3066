"""Counting by account: rows and outcomes of each, so that an account that gives several rows is not several cases."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from tierwise.learning.metrics import wilson
from tierwise.tiers.bands import Flags, Floats, Ints

Counts = npt.NDArray[np.uint16]
Z = 1.959963984540054


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval; n rows of so many accounts, outcomes of them counted. NaN where n is 0."""

    value: float
    low: float
    high: float
    n: int
    accounts: int
    outcomes: int


@dataclass(frozen=True)
class Cases:
    """Rows and outcomes of each account, by place; an account has at most 65,535 rows."""

    rows: Counts
    outcomes: Counts

    @classmethod
    def none(cls, accounts: int = 0) -> Cases:
        """Nothing counted yet."""
        return cls(np.zeros(accounts, dtype=np.uint16), np.zeros(accounts, dtype=np.uint16))

    def grown(self, accounts: int) -> Cases:
        """The same with room for so many accounts."""
        more = (0, accounts - len(self.rows))
        return self if not more[1] else Cases(np.pad(self.rows, more), np.pad(self.outcomes, more))

    def add(self, places: Ints, had: Flags) -> None:
        """Count a row of each of these accounts, each once, and of those that had it an outcome."""
        self.rows[places] += 1
        self.outcomes[places[had]] += 1

    def share(self) -> Share:
        """Outcomes over rows, with Wilson's interval on the effective number of rows.

        The design effect is the variance of the mean clustered by account over the binomial one, and at least 1 (L.
        Kish, "Survey Sampling", 1965); where every outcome is the same it cannot be measured, and the number of
        accounts stands in.
        """
        n, y, groups = int(self.rows.sum()), int(self.outcomes.sum()), int(np.count_nonzero(self.rows))
        if n == 0:
            return Share(np.nan, np.nan, np.nan, 0, 0, 0)
        p, effective = y / n, float(n)
        if groups < n and (p in (0.0, 1.0) or groups < 2):
            effective = float(groups)
        elif groups < n:
            clustered = groups / (groups - 1) * float((self._residuals() ** 2).sum()) / n**2
            effective = n / max(1.0, clustered / (p * (1 - p) / n))
        low, high = wilson(p * effective, effective)
        return Share(p, low if y else 0.0, high if y < n else 1.0, n, groups, y)

    def _residuals(self) -> Floats:
        """By account, its outcomes less those that its rows would have at the common rate."""
        rows = self.rows.astype(np.float64)
        total = rows.sum()
        return self.outcomes.astype(np.float64) - rows * (self.outcomes.sum() / total if total else 0.0)

    def less(self, other: Cases) -> tuple[float, float, float]:
        """This share less another's of the same accounts, and its 95 % interval, paired by account.

        The standard error is that of a difference of two ratios by linearisation (W. G. Cochran, "Sampling Techniques",
        1977, 6.4 and 6.10), with accounts as what is sampled.
        """
        n, m = float(self.rows.sum()), float(other.rows.sum())
        if not n or not m:
            return np.nan, np.nan, np.nan
        gap = self.outcomes.sum() / n - other.outcomes.sum() / m
        parts = self._residuals() / n - other._residuals() / m
        groups = int(np.count_nonzero(self.rows | other.rows))
        error = np.sqrt(groups / (groups - 1) * float((parts**2).sum())) if groups > 1 else np.nan
        return float(gap), float(gap - Z * error), float(gap + Z * error)


@dataclass
class Book:
    """Cases by what they are of (`("tier", "tier_1")`)."""

    cases: dict[tuple[str, ...], Cases] = field(default_factory=dict)

    def add(self, key: tuple[str, ...], places: Ints, had: Flags, accounts: int) -> None:
        """Count a row of the account at each of these places, of so many, and of those that had it an outcome."""
        self.cases[key] = self.of(key, accounts)
        self.cases[key].add(places, had)

    def of(self, key: tuple[str, ...], accounts: int = 0) -> Cases:
        """The cases of a key, with room for so many accounts at least; none counted where nothing was."""
        kept = self.cases.get(key, Cases.none())
        return kept.grown(max(accounts, len(kept.rows)))

    def share(self, *key: str) -> Share:
        """The share of a key."""
        return self.of(key).share()


@dataclass
class Places:
    """The place of each account that was ever named."""

    accounts: pd.Index = field(default_factory=lambda: pd.Index([], dtype="str"))

    def of(self, account_id: pd.Series) -> Ints:
        """The place of each account, each named once; new ones are given the next."""
        ids = pd.Index(account_id)
        if ids.equals(self.accounts):
            return np.arange(len(ids))
        found = self.accounts.get_indexer(ids)
        new = found < 0
        found[new] = np.arange(len(self.accounts), len(self.accounts) + int(new.sum()))
        if new.any():
            self.accounts = self.accounts.append(ids[new])
        return np.asarray(found, dtype=np.int64)
