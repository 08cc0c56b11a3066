"""What changed between two scores of one account: split exactly, by cause and by feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tierwise.explain.evidence import Evidence
from tierwise.explain.families import HARD_TO_SAY
from tierwise.explain.observed import Observed
from tierwise.explain.reasons import format_value
from tierwise.features.feature import Feature

CAUSES = ("revised", "model", "ageing", "moves")
"""In the order in which they are told apart, each on what the ones before have left:

- revised: what is known today of that date, or of this one, differs from what was scored (a row was mended since);
- model: the model of now on the features of then, less the model of then on them;
- ageing: the features that this date would have had, had nothing been recorded since then, less those of then;
- moves: the features of this date, less those: new facts.
"""
BASE = ("", "", "base")
SEASON = ("", "season", "season")
"""The part of the month of the year, where the model's base varies by it."""
COLUMNS = ("cause", "side", "family", "feature", "log_odds")


@dataclass(frozen=True)
class Stage:
    """One score taken apart: its base without the season, and the log-odds of each (side, family, feature), the season
    among them."""

    base: float
    parts: Mapping[tuple[str, str, str], float]

    @classmethod
    def of(cls, base: float, said: pd.DataFrame, season: float = 0.0) -> Stage:
        """A stage of one account's reasons, whatever their sides; season: what of the base is of the month."""
        keys = zip(said["side"], said["family"], said["feature"], strict=True)
        parts = dict(zip(keys, said["log_odds"].astype(float), strict=True))
        return cls(float(base) - season, parts | ({SEASON: season} if season else {}))

    @property
    def total(self) -> float:
        """The log-odds."""
        return self.base + sum(self.parts.values())

    def less(self, other: Stage) -> dict[tuple[str, str, str], float]:
        """The difference by part, the base among them; parts that did not move are left out."""
        keys = sorted({*self.parts, *other.parts})
        moved = {k: self.parts.get(k, 0.0) - other.parts.get(k, 0.0) for k in keys}
        return {k: v for k, v in {BASE: self.base - other.base, **moved}.items() if v != 0.0}


def split_change(first: Stage, steps: Sequence[tuple[str, Stage]]) -> pd.DataFrame:
    """The difference of the last stage and the first, by cause, side, family and feature; its log_odds sum to it.

    steps : (cause, stage after it), in the order of telling apart; a cause may come twice, and is added up. The base is
        a line of its own, without side or family. Ordered by cause, then by falling size.
    """
    told: dict[tuple[str, tuple[str, str, str]], float] = {}
    before = first
    for cause, after in steps:
        for key, value in after.less(before).items():
            told[cause, key] = told.get((cause, key), 0.0) + value
        before = after
    lines = sorted(told.items(), key=lambda line: (CAUSES.index(line[0][0]), -abs(line[1]), line[0][1]))
    return pd.DataFrame([(cause, *key, value) for (cause, key), value in lines], columns=list(COLUMNS))


def by_cause(change: pd.DataFrame) -> pd.DataFrame:
    """The sum of each cause, all of them, in their order: cause, log_odds."""
    sums = change.groupby("cause")["log_odds"].sum().reindex(list(CAUSES), fill_value=0.0)
    return sums.rename_axis("cause").reset_index()


def spoken_change(
    change: pd.DataFrame,
    features: Mapping[str, Feature],
    values: Mapping[str, tuple[pd.Series, pd.Series]],
    found: Evidence | None = None,
    observed: Observed | None = None,
) -> pd.DataFrame:
    """Each cause's families by falling size, told by the part that moved most: cause, side, family, log_odds, proven,
    words.

    values : cause -> the matrix's rows before and after it, for the causes that move features. observed : no part tells
        whose observed rate surely moved the other way.
    """
    lines = []
    for (cause, side, family), parts in change.groupby(["cause", "side", "family"], sort=False):
        total = float(parts["log_odds"].sum())
        proven = found is None or not side or found.of_family(str(side), str(family))
        words = _moved(parts, total, str(family), features, values.get(str(cause)), found, observed)
        lines.append((cause, side, family, total, proven, words))
    lines.sort(key=lambda line: (CAUSES.index(line[0]), -abs(line[3]), line[1], line[2]))
    return pd.DataFrame(lines, columns=["cause", "side", "family", "log_odds", "proven", "words"])


def _moved(
    parts: pd.DataFrame,
    total: float,
    family: str,
    features: Mapping[str, Feature],
    rows: tuple[pd.Series, pd.Series] | None,
    found: Evidence | None,
    observed: Observed | None,
) -> str:
    """The words of one family's change: its largest part that points as the sum does, with its values."""
    if not family:
        return "what an average account has"
    if (parts["side"] == "").all():
        return "the time of the year"
    if rows is None:
        return family
    told: list[tuple[float, str]] = []
    for name, value in parts[["feature", "log_odds"]].itertuples(index=False):
        feature = features.get(name)
        if feature is None or value * total <= 0 or (found is not None and found.of(feature) != "part"):
            continue
        if observed is not None and observed.turned(feature, *(row[name] for row in rows)) * value < 0:
            continue
        before, after = (format_value(feature, row[name]) for row in rows)
        if before != after:
            weight = abs(value) / (2 if feature.unit in HARD_TO_SAY else 1)
            told.append((weight, f"{family}: {_from_to(feature, family, before, after)}"))
    return max(told, key=lambda line: line[0], default=(0.0, f"{family}, as a whole"))[1]


def _from_to(feature: Feature, family: str, before: str, after: str) -> str:
    """A feature's two values as a phrase, without what its family's name says already."""
    if feature.unit == "log ratio" and feature.window_days:
        days = feature.window_days // 2
        return f"from {before} to {after} times as much in {days} days as in the {days} before"
    head = feature.words.replace("{value}", "").strip().removesuffix(":").removesuffix(f" ({family})")
    head = "" if head == family else head.removeprefix(f"{family} ")
    return f"{head} from {before} to {after}".strip()
