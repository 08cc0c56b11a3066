"""Which measures tell anything: their contributions against outcomes of accounts that the model had not seen.

A reason that is shown must be more than noise. The model's own estimator is learned again on the older rows of one half
of the account families, and its contributions are held against the newer outcomes of the other half, and the other way
round. With c a measure's contribution less its mean on that date, and p the probability without it, the sum of
c (y - p) is zero in the mean for a measure that tells nothing, whatever else is true. Its z is over account families.
Windows of one measure overlap, and a model may share its worth out among them in many ways: they are held together.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from scipy.stats import norm

from tierwise.features.feature import Feature
from tierwise.learning.parallel import side_by_side

if TYPE_CHECKING:
    from tierwise.features.matrix import Matrix
    from tierwise.learning.model import PropensityModel
    from tierwise.learning.sides import SidesClassifier

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

Proof = Literal["part", "family", ""]
CHANCE = 0.01
"""A measure that tells nothing is proven in so many trainings (one-sided)."""
LEAST_EACH = 10
"""Rows with and without the outcome that each side of a half needs."""


@dataclass(frozen=True)
class Evidence:
    """The z of each measure, and of each (side, family); empty where there was too little history to measure."""

    measures: Mapping[str, float]
    families: Mapping[tuple[str, str], float]
    accounts: int = 0
    outcomes: int = 0

    @property
    def measured(self) -> bool:
        """Whether anything was."""
        return bool(self.measures)

    def proves(self, z: float | None) -> bool:
        """Whether a z is more than chance; where nothing was measured, everything stands."""
        return not self.measured or (z is not None and z > norm.ppf(1 - CHANCE))

    def of(self, feature: Feature) -> Proof:
        """What is proven of a feature: its measure and its family, its family alone, or nothing that may be shown."""
        if not self.of_family(feature.side, family_of(feature)):
            return ""
        return "part" if self.proves(self.measures.get(measure_of(feature))) else "family"

    def of_family(self, side: str, family: str) -> bool:
        """Whether a family tells anything."""
        return self.proves(self.families.get((side, family)))

    def to_dict(self) -> dict[str, Any]:
        """The evidence as JSON values, for the bundle's meta."""
        families = [{"side": s, "family": f, "z": round(z, 4)} for (s, f), z in self.families.items()]
        return {
            "chance": CHANCE,
            "accounts": self.accounts,
            "outcomes": self.outcomes,
            "measures": {name: round(z, 4) for name, z in self.measures.items()},
            "families": families,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> Evidence:
        """What `to_dict` wrote; of a bundle that holds none, nothing was measured.

        Older bundles hold the z of each feature: their features name no measure, and are one by themselves.
        """
        if not data:
            return cls({}, {})
        families = {(str(line["side"]), str(line["family"])): float(line["z"]) for line in data["families"]}
        held = data["measures"] if "measures" in data else data["features"]
        measures = {str(name): float(z) for name, z in held.items()}
        return cls(measures, families, int(data["accounts"]), int(data["outcomes"]))


def family_of(feature: Feature) -> str:
    """What people call a feature together with its like; without a family, it is one by itself."""
    return feature.family or feature.name.replace("_", " ")


def measure_of(feature: Feature) -> str:
    """What a feature counts together with its other windows; without a measure, it is one by itself.

    >>> measure_of(Feature("web_7d", "signal", "number", "", "", measure="web"))
    'web, all windows'
    >>> measure_of(Feature("web", "fit", "number", "", ""))
    'web'
    """
    return f"{feature.measure}, all windows" if feature.measure else feature.name


def evidence(model: PropensityModel, matrix: Matrix) -> Evidence:
    """Judge every measure and family of a model on eligible, mature rows, by models of their own."""
    return evidence_of(model.estimator, model.features, matrix)


def evidence_of(estimator: SidesClassifier, features: Sequence[Feature], matrix: Matrix) -> Evidence:
    """As `evidence`, of an estimator that need not be fitted."""
    rows = matrix.eligible().mature().frame
    y = rows["outcome"].to_numpy(dtype=np.float64)
    as_of = rows["as_of"].to_numpy(dtype="datetime64[us]")
    half = np.array([zlib.crc32(str(f).encode()) % 2 == 0 for f in rows["family_id"]], dtype=bool)
    older, newer = _older_and_newer(as_of, matrix.horizon_days)
    parts, rest = np.zeros((len(rows), len(features))), np.full(len(rows), np.nan)
    halves = [(older & mine, newer & ~mine) for mine in (half, ~half)]
    if not all(_enough(y, learn) and _enough(y, judge) for learn, judge in halves):
        return Evidence({}, {})

    def learned(learn: Mask, judge: Mask) -> Callable[[int], tuple[Floats, float]]:
        def piece(threads: int) -> tuple[Floats, float]:
            fitted = estimator.again(threads=threads).fit(rows[learn], y[learn])
            return fitted.contributions(rows[judge]), fitted.base_

        return piece

    pieces = [learned(learn, judge) for learn, judge in halves]
    for (_, judge), (part, base) in zip(halves, side_by_side(pieces, estimator.threads), strict=True):
        parts[judge], rest[judge] = part, base
    parts, rest, y = parts[newer], rest[newer], y[newer]
    measures, groups = measure_groups(features), family_groups(features)
    stratum = 2 * as_of[newer].astype("datetime64[M]").astype(np.int64) + half[newer]
    families = rows["family_id"].to_numpy()[newer]
    sums = [parts[:, columns].sum(axis=1) for columns in (*measures.values(), *groups.values())]
    z = [z_of(c, rest + parts.sum(axis=1), y, stratum, families) for c in sums]
    return Evidence(
        dict(zip(measures, z, strict=False)),
        dict(zip(groups, z[len(measures) :], strict=True)),
        int(rows.loc[newer, "account_id"].nunique()),
        int(y.sum()),
    )


def family_groups(features: Sequence[Feature]) -> dict[tuple[str, str], list[int]]:
    """(side, family) -> the positions of its features, in the features' order."""
    groups: dict[tuple[str, str], list[int]] = {}
    for j, feature in enumerate(features):
        groups.setdefault((feature.side, family_of(feature)), []).append(j)
    return groups


def measure_groups(features: Sequence[Feature]) -> dict[str, list[int]]:
    """Measure -> the positions of its features, in the features' order."""
    groups: dict[str, list[int]] = {}
    for j, feature in enumerate(features):
        groups.setdefault(measure_of(feature), []).append(j)
    return groups


def z_of(part: Floats, log_odds: Floats, y: Floats, stratum: npt.NDArray[np.int64], cluster: npt.NDArray[Any]) -> float:
    """How surely a contribution points to the outcome: z of the sum of c (y - p), clustered.

    c: the part less its mean in its stratum (a month of one half: the passing of time alone proves nothing). p: without
    the part.
    """
    _, stratum_code = np.unique(stratum, return_inverse=True)
    mean = np.bincount(stratum_code, weights=part) / np.bincount(stratum_code)
    c = part - mean[stratum_code]
    codes, _ = pd.factorize(cluster)
    sums = np.bincount(codes, weights=c * (y - expit(log_odds - c)))
    spread = float(np.sqrt(sums @ sums))
    return float(sums.sum() / spread) if np.abs(c).max(initial=0.0) > 1e-9 else 0.0


def _older_and_newer(as_of: npt.NDArray[np.datetime64], horizon_days: int) -> tuple[Mask, Mask]:
    """The newer half of the rows by date, and those whose horizon had closed before it."""
    if not len(as_of):
        return np.zeros(0, dtype=bool), np.zeros(0, dtype=bool)
    cut = np.sort(as_of)[len(as_of) // 2]
    return as_of + np.timedelta64(horizon_days, "D") <= cut, as_of >= cut


def _enough(y: Floats, mask: Mask) -> bool:
    return bool(min(y[mask].sum(), mask.sum() - y[mask].sum()) >= LEAST_EACH)
