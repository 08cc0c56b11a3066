"""The matrix: cohort, features and, where asked, outcomes; a row is (account_id, as_of)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from tierwise.features.feature import Feature

KEYS = ("account_id", "as_of", "family_id", "status")
FACTS = (
    "days_since_signal",
    "signals_7d",
    "signals_prior_weekly",
    "contacts_7d",
    "channels_7d",
    "coverage",
    "roles_reached",
    "excluded_by",
    "negative_trigger",
    "owner_id",
)
"""What the policy reads besides the scores; one that the plan also has as a feature (signals_7d) stands there."""
OWN_COLUMNS = frozenset({*KEYS, *FACTS, "outcome", "outcome_at"})
"""What an attribute's feature is never called."""

VALUE_AS_OF = "value_as_of_"
"""Before a tracked attribute's name: the column that says since when its value has held."""


@dataclass(frozen=True)
class Matrix:
    """Cohort, features and outcomes.

    frame: the columns KEYS, each feature by its name, FACTS, `outcome` and `outcome_at`, sorted by (as_of, account_id).
    `outcome` is 1.0 or 0.0 where the horizon has closed, NaN where it has not or none was asked for.
    """

    frame: pd.DataFrame
    features: tuple[Feature, ...]
    horizon_days: int

    @property
    def names(self) -> list[str]:
        """The features' names, in catalogue order."""
        return [f.name for f in self.features]

    def where(self, mask: pd.Series | np.ndarray) -> Matrix:
        """The rows that a boolean mask keeps."""
        return replace(self, frame=self.frame[np.asarray(mask)].reset_index(drop=True))

    def eligible(self) -> Matrix:
        """The rows in the cohort."""
        return self.where(self.frame["status"] == "eligible")

    def mature(self) -> Matrix:
        """The rows whose horizon has closed (law 2: no other row is ever a label)."""
        return self.where(self.frame["outcome"].notna())

    def digest(self) -> str:
        """SHA-256 over the columns' names, types and values, byte by byte."""
        sha = hashlib.sha256()
        for name in self.frame.columns:
            column = self.frame[name]
            sha.update(f"{name}\0{column.dtype}\0".encode())
            if column.dtype.kind in "OTUS" or str(column.dtype) == "str":
                for value in column:
                    sha.update(b"\1" if value is None or value != value else b"\0" + str(value).encode() + b"\0")
            else:
                sha.update(np.ascontiguousarray(column.to_numpy()).tobytes())
        return sha.hexdigest()
