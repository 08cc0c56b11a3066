"""Reasons folded for people: one line a family, told by its most telling part; noise is in no line that is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tierwise.explain.evidence import measure_of
from tierwise.explain.observed import Observed
from tierwise.explain.reasons import format_value
from tierwise.features.catalogue import LONGEST_AGO, slug
from tierwise.features.feature import Feature

if TYPE_CHECKING:
    import numpy.typing as npt

KEYS = ["account_id", "as_of"]
COLUMNS = (*KEYS, "side", "family", "log_odds", "parts", "proven", "feature", "value", "value_as_of", "newest")
SLIGHT = 0.05
"""A family of less than this share of the account's largest is not worth a line."""
HARD_TO_SAY = ("fading activities", "log ratio", "share")
"""Units that a part is told in only if no part of its measure is easily said."""
COUNTED = ("activities", "contacts", "events", "opportunities")


def families(said: pd.DataFrame, features: Sequence[Feature]) -> pd.DataFrame:
    """One line for each row's families, by account, as_of and falling size; their log-odds sum to the parts' exactly.

    said: what `reasons` gives, in its order. Columns: account_id, as_of, side, family, log_odds, parts (how many),
    proven (whether the family tells at all), and of its most telling part feature, value and value_as_of; newest (days
    since the family's newest activity, NaN where nothing says). The most telling part is of the measure with the
    largest sum that points as the family does, and there the largest that is proven (see `reasons`) and points as the
    family does; without one, feature and value are null.
    """
    if not len(said):
        return said.assign(parts=0, newest=np.nan, proven=True)[list(COLUMNS)]
    out, _ = _folded(said, features)
    order = np.lexsort((np.arange(len(out)), -np.abs(out["log_odds"].to_numpy()), _rows(out)))
    return out.iloc[order].reset_index(drop=True)


def tell(said: pd.DataFrame, features: Sequence[Feature]) -> pd.DataFrame:
    """What `reasons` gives with the column `told`: each row's families in words, each on the line of one of its parts.

    That is its most telling part, or where there is none its first; all other lines are empty. A family of one part
    that is not proven, and is shown as no reason, has the words of that part.
    """
    if not len(said):
        return said.assign(told="")
    lines, place = _folded(said, features)
    told = np.full(len(said), "", dtype=object)
    told[place] = spoken_families(lines, features, direction=False)
    alone = place[((lines["parts"] == 1) & ~lines["proven"]).to_numpy(dtype=bool)]
    told[alone] = said["words"].to_numpy()[alone]
    return said.assign(told=told)


def _folded(said: pd.DataFrame, features: Sequence[Feature]) -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
    """The lines of `families`, in order of rows, and the position of the part that tells each, or of its first."""
    group, first = _groups(said)
    log_odds = said["log_odds"].to_numpy(dtype=np.float64)
    sums = np.asarray(np.bincount(group, weights=log_odds), dtype=np.float64)
    out = said.iloc[first][[*KEYS, "side", "family"]].reset_index(drop=True)
    out["log_odds"], out["parts"] = sums, np.bincount(group)
    out["proven"] = said["proven"].iloc[first].to_numpy() != ""
    telling = _telling(said, features, group, sums)
    for name in ("feature", "value", "value_as_of"):
        column = said[name].iloc[np.maximum(telling, 0)].to_numpy()
        empty = np.datetime64("NaT", "us") if name == "value_as_of" else None
        out[name] = np.where(telling >= 0, column, empty) if name == "value_as_of" else _where(telling, column)
    out["newest"] = _newest(said, features, group, len(out))
    return out[list(COLUMNS)], np.where(telling >= 0, telling, first)


def shown(folded: pd.DataFrame) -> pd.DataFrame:
    """The families that a person is shown: proven ones, and none that is slight beside the row's largest."""
    kept = folded[folded["proven"].astype(bool)]
    size = kept["log_odds"].abs()
    return kept[size >= SLIGHT * size.groupby([kept[k] for k in KEYS]).transform("max")].reset_index(drop=True)


def top_reasons(
    said: pd.DataFrame, features: Sequence[Feature], n: int = 5, *, observed: Observed | None = None
) -> pd.DataFrame:
    """The words of each row's n largest families that are shown: account_id, as_of, reason_1 .. reason_n.

    Each says first whether it raises or lowers the propensity; empty where there are fewer.

    said: what `reasons` gives, in its order.
    """
    wide = said[KEYS].drop_duplicates().reset_index(drop=True)
    lines = shown(families(said, features))
    rank = lines.groupby(KEYS, sort=False).cumcount()
    lines, rank = lines[rank < n].reset_index(drop=True), rank[rank < n].to_numpy()
    lines["words"] = spoken_families(lines, features, observed)
    for k in range(n):
        best = lines.loc[rank == k, [*KEYS, "words"]].rename(columns={"words": f"reason_{k + 1}"})
        wide = wide.merge(best, on=KEYS, how="left")
        wide[f"reason_{k + 1}"] = wide[f"reason_{k + 1}"].astype(object).where(wide[f"reason_{k + 1}"].notna(), "")
    return wide


def spoken_families(
    lines: pd.DataFrame, features: Sequence[Feature], observed: Observed | None = None, *, direction: bool = True
) -> list[str]:
    """The words of each family: direction, its most telling part, and what was observed of accounts like it."""
    named = {f.name: f for f in features}
    told: dict[tuple[Any, ...], str] = {}
    out = []
    for line in lines[["family", "log_odds", "feature", "value", "value_as_of", "newest"]].itertuples(index=False):
        raises = line.log_odds > 0
        days = -1 if line.newest != line.newest else int(line.newest)
        key = (line.family, raises, line.feature, line.value, line.value_as_of, days)
        if key not in told:
            feature = named.get(str(line.feature))
            words = _family_words(line.family, feature, line.value, line.value_as_of, days)
            rate = "" if observed is None or feature is None else observed.words(feature, line.value, raises)
            opening = ("raises: " if raises else "lowers: ") if direction else ""
            told[key] = opening + words + (f" ({rate})" if rate else "")
        out.append(told[key])
    return out


def part_words(feature: Feature, value: Any, family: str = "") -> str:
    """A feature's value as a phrase: "7 pricing visits in 30 days"; what the family's name says is not said again."""
    head = feature.words.removesuffix(": {value}")
    if head == feature.words:
        return feature.words.replace("{value}", format_value(feature, value))
    value = _read(feature, value)
    said = format_value(feature, value)
    if feature.unit in COUNTED and said == "0":
        said = "none" if head.startswith(family + " ") and family else "no"
    if family and (head == family or head.startswith(f"{family} ")):
        return f"{said} {head.removeprefix(family).strip()}".strip()
    if family:
        head = head.removesuffix(f" ({family})")
        if _of_all(feature):
            head = f"activities in {feature.window_days} days"
            if said == "no":
                return f"none in {feature.window_days} days"
    if said == feature.absent:
        return said if feature.unit.startswith("days") else f"{head} {said}"
    if feature.kind == "flag":
        return head if said == "yes" else f"no {head}"
    if feature.unit == "days or never" and said.endswith(", or never"):
        return f"none in {LONGEST_AGO} days"
    if feature.unit.startswith("days"):
        what = "newest" if family and feature.unit == "days or never" else head.removeprefix("days since ")
        return f"{what} {said} {'day' if said in ('1', 'less than 1') else 'days'} ago"
    if feature.unit == "log ratio" and feature.window_days:
        days = feature.window_days // 2
        return f"{said} times as much activity in {days} days as in the {days} before"
    if feature.unit in COUNTED:
        return f"{said} {_one(head) if said == '1' else head}"
    return f"{head} {said}"


def _of_all(feature: Feature) -> bool:
    """Whether a feature counts all activities of its family."""
    counted, activities, _ = feature.words.partition(" activities in ")
    total = (f"{slug(counted)}_{feature.window_days}d", f"channel_{slug(counted)}_{feature.window_days}d")
    return bool(activities) and (feature.name in total or feature.name == f"signals_{feature.window_days}d")


def _one(head: str) -> str:
    """Words of a count, of one: "pricing visits in 30 days" as "pricing visit in 30 days"."""
    things, space, when = head.partition(" in ")
    first, gap, rest = things.partition(" active") if not space or " active" in things else (things, "", "")
    if first.endswith("ies"):
        first = first.removesuffix("ies") + "y"
    elif first.startswith("opportunities"):
        first = first.replace("opportunities", "opportunity", 1)
    else:
        first = first.removesuffix("s")
    return first + gap + rest + space + when


def _family_words(family: str, feature: Feature | None, value: Any, since: Any, newest: int) -> str:
    if feature is None:
        return f"{family}, as a whole"
    words = f"{family}: {part_words(feature, value, family)}"
    if newest >= 0 and not feature.unit.startswith("days"):
        words += ", newest today" if newest == 0 else f", newest {newest} {'day' if newest == 1 else 'days'} ago"
    if feature.side == "fit" and since is not None and since == since:
        words += f", since {pd.Timestamp(since).date()}"
    return words


def _read(feature: Feature, value: Any) -> Any:
    """A published value (text) as the feature's kind."""
    if value is None or value != value or feature.kind == "category":
        return value
    return float(value)


def _rows(frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    """The number of each line's (account_id, as_of), whose lines stand together, in their order."""
    changed = np.zeros(len(frame), dtype=bool)
    for key in KEYS:
        column = frame[key].to_numpy()
        changed[1:] |= column[1:] != column[:-1]
    return np.cumsum(changed)


def _groups(said: pd.DataFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Each reason's group (row and family), in order of rows, and the first reason of each group."""
    kind = said.groupby(["side", "family"], sort=False, dropna=False).ngroup().to_numpy()
    key = _rows(said) * (int(kind.max()) + 1) + kind
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    return group, first


def _telling(
    said: pd.DataFrame, features: Sequence[Feature], group: npt.NDArray[np.int64], sums: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """The position of each group's most telling part; -1 where there is none."""
    named = {f.name: f for f in features}
    hard = {f.name for f in features if f.unit in HARD_TO_SAY}
    names = said["feature"]
    log_odds = said["log_odds"].to_numpy(dtype=np.float64)
    direction = np.sign(sums)[group]
    codes, distinct = pd.factorize(names)
    measures = pd.factorize(np.array([measure_of(named[n]) if n in named else n for n in distinct], dtype=object))[0][
        codes
    ]
    _, measure = np.unique(group * (int(measures.max()) + 1) + measures, return_inverse=True)
    worth = np.bincount(measure, weights=log_odds)[measure] * direction
    able = (said["proven"] == "part").to_numpy() & (log_odds * direction > 0) & (worth > 0) & names.isin(named)
    place = np.flatnonzero(able)
    place = place[
        np.lexsort((place, -np.abs(log_odds[place]), names.isin(hard).to_numpy()[place], -worth[place], group[place]))
    ]
    best = np.full(len(sums), -1, dtype=np.int64)
    which, at = np.unique(group[place], return_index=True)
    best[which] = place[at]
    return best


def _newest(
    said: pd.DataFrame, features: Sequence[Feature], group: npt.NDArray[np.int64], n: int
) -> npt.NDArray[np.float64]:
    """Days since the newest activity of each group, where a part says so."""
    recency = {f.name for f in features if f.unit == "days or never" and f.window_days is None}
    days = pd.to_numeric(said["value"].where(said["feature"].isin(recency)), errors="coerce").to_numpy(dtype=np.float64)
    place = np.flatnonzero(days < 365)
    out = np.full(n, np.nan)
    out[group[place]] = days[place]
    return out


def _where(telling: npt.NDArray[np.int64], column: npt.NDArray[Any]) -> npt.NDArray[np.object_]:
    out = np.asarray(column, dtype=object).copy()
    out[telling < 0] = None
    return out
