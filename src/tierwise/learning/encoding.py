"""From a matrix's frame to numbers: by name, in the model's own order (law 5)."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tierwise.errors import ContractError
from tierwise.features.feature import Feature

Floats = npt.NDArray[np.float64]

MAX_LEVELS = 40
"""The most levels a category keeps; the others are pooled."""
Levels = Mapping[str, Sequence[str]]
NO_LEVELS: Levels = MappingProxyType({})


def check_columns(frame: pd.DataFrame, features: Sequence[Feature]) -> None:
    """Refuse a frame in which a feature is missing, renamed, doubled, of another type or infinite.

    Raises
    ------
    ContractError : names every column at fault.
    """
    have = list(map(str, frame.columns))
    missing = [f.name for f in features if f.name not in frame.columns]
    if missing:
        near = {m: difflib.get_close_matches(m, have, n=1, cutoff=0.75) for m in missing}
        renamed = ", ".join(f"'{m}' (is it '{near[m][0]}'?)" if near[m] else f"'{m}'" for m in missing)
        raise ContractError(
            f"The model reads {len(features)} features by name",
            found=f"missing from the rows: {renamed}",
            do="Build the matrix with the plan the model was trained on, or train again",
        )
    doubled = sorted({f.name for f in features if have.count(f.name) > 1})
    if doubled:
        raise ContractError("The model reads features by name", found=f"more than one column is named {doubled}")
    faults = [fault for f in features if (fault := _type_fault(frame[f.name], f))]
    if faults:
        raise ContractError(
            "The model reads features by name and type",
            found="; ".join(faults),
            do="Build the matrix with the plan the model was trained on, or train again",
        )


def _type_fault(column: pd.Series, feature: Feature) -> str:
    """What is wrong with a column's type, or an empty string."""
    kind = column.dtype.kind
    if feature.kind == "category":
        is_text = isinstance(column.dtype, pd.StringDtype) or (
            kind == "O" and pd.api.types.infer_dtype(column, skipna=True) in ("string", "empty")
        )
        return "" if is_text else f"'{feature.name}' is a category, and the column holds {column.dtype}"
    if kind not in "biuf":
        return f"'{feature.name}' is a {feature.kind}, and the column holds {column.dtype}"
    infinite = kind == "f" and bool(np.isinf(column.to_numpy(dtype=np.float64, na_value=np.nan)).any())
    return f"'{feature.name}' holds an infinite value" if infinite else ""


@dataclass(frozen=True)
class Encoder:
    """What training taught about each column: vocabularies of categories, and fills of what must not be missing.

    levels: by category, the levels kept, in code order; rarer and unseen ones share the code `len(levels)` ("other").
    fills: by feature, the training median or the code of the most frequent level; where what is missing stands beyond
    the greatest number, a number twice as great.
    """

    features: tuple[Feature, ...]
    levels: Mapping[str, tuple[str, ...]]
    fills: Mapping[str, float]

    @classmethod
    def learn(cls, frame: pd.DataFrame, features: Sequence[Feature], named: Levels = NO_LEVELS) -> Encoder:
        """Learn vocabularies and fills from training rows; a level of fewer than 20 rows or 0.1 % is pooled.

        named: by category, the levels that are kept however rare, even where no row has them.
        """
        check_columns(frame, features)
        levels: dict[str, tuple[str, ...]] = {}
        fills: dict[str, float] = {}
        for feature in features:
            column = frame[feature.name]
            if feature.kind == "category":
                counts = column.astype(object).dropna().value_counts()
                ranked = sorted(counts.items(), key=lambda item: (-int(item[1]), str(item[0])))
                least = max(min(20, len(frame) // 20), len(frame) // 1000)
                kept = [str(level) for level, n in ranked if n >= least][:MAX_LEVELS]
                levels[feature.name] = tuple(dict.fromkeys((*kept, *named.get(feature.name, ()))))
                fills[feature.name] = 0.0
            else:
                values = column.to_numpy(dtype=np.float64, na_value=np.nan)
                known = values[~np.isnan(values)]
                fills[feature.name] = _fill(known, feature)
        return cls(tuple(features), levels, fills)

    def encode(self, frame: pd.DataFrame) -> Floats:
        """Rows x features in the model's order; categories as codes; NaN only where being missing may inform.

        Raises
        ------
        ContractError : a feature is missing, renamed, doubled, retyped or infinite.
        """
        check_columns(frame, self.features)
        out = np.empty((len(frame), len(self.features)), dtype=np.float64)
        for j, feature in enumerate(self.features):
            column = frame[feature.name]
            if feature.kind == "category":
                out[:, j] = self._codes(column, self.levels[feature.name])
            else:
                out[:, j] = column.to_numpy(dtype=np.float64, na_value=np.nan)
            if feature.missing != "value":
                out[np.isnan(out[:, j]), j] = self.fills[feature.name]
        return out

    @staticmethod
    def _codes(column: pd.Series, levels: tuple[str, ...]) -> Floats:
        known = column.notna().to_numpy()
        found = pd.Index(levels, dtype=object).get_indexer(pd.Index(column.astype(object)))
        codes: Floats = np.asarray(found, dtype=np.float64)
        codes[codes < 0] = len(levels)
        codes[~known] = np.nan
        return codes

    def to_dict(self) -> dict[str, Any]:
        """Vocabularies and fills as JSON."""
        return {"levels": {k: list(v) for k, v in self.levels.items()}, "fills": dict(self.fills)}

    @classmethod
    def from_dict(cls, features: Sequence[Feature], data: Mapping[str, Any]) -> Encoder:
        """The encoder that `to_dict` wrote."""
        levels = {str(k): tuple(map(str, v)) for k, v in data["levels"].items()}
        return cls(tuple(features), levels, {str(k): float(v) for k, v in data["fills"].items()})


def _fill(known: Floats, feature: Feature) -> float:
    if not len(known):
        return 0.0
    return 2 * float(np.abs(known).max()) + 1 if feature.missing == "beyond" else float(np.median(known))


def signal_mask(features: Sequence[Feature]) -> npt.NDArray[np.bool_]:
    """Which features are of the signal side."""
    return np.array([f.side == "signal" for f in features], dtype=bool)
