"""What the data alone say of a column beside an outcome: names are never read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from tierwise.audit.finding import AuditRules
from tierwise.audit.measures import Auc, Flags, Floats, Ints, auc, certain, coded, encoded, folded, holm, together
from tierwise.audit.missing import among_peers, missingness
from tierwise.audit.people import holds_people, looks_personal

ADMISSION = ("identifier", "owner_field", "personal_values")
"""Evidence on whom a column names, whenever it was filled in."""
MOST_VALUES = 3
"""How many values a sentence names at most;"""
LEAST_HELD = 5
"""none that fewer rows hold than this,"""
MOST_KINDS = 50
"""and none of a column of more texts than this."""


@dataclass(frozen=True)
class Evidence:
    """One thing that the data say of a column; strong: enough to refuse it."""

    code: str
    strong: bool
    found: str
    do: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """One column, measured: its codes and what they stand for, its out-of-fold log-odds and their AUC."""

    codes: Ints
    kinds: list[Any]
    score: Floats
    auc: Auc


@dataclass(frozen=True)
class Columns:
    """Columns of one table beside its outcome, measured once.

    groups: rows of one group (an account family) are not independent; None: all are. ages: the stratum of each row by
    its age, where the outcome is one that the older had longer to have; None: all had as long.
    """

    frame: pd.DataFrame
    y: Floats
    groups: np.ndarray[Any, Any] | None
    folds: Ints
    by_name: dict[Any, Measured]
    ages: Ints | None = None

    @property
    def n(self) -> int:
        """How many columns there are: what chance is shared among."""
        return max(len(self.by_name), 1)


def measure(
    frame: pd.DataFrame, y: Floats, groups: np.ndarray[Any, Any] | None = None, ages: Ints | None = None
) -> Columns:
    """Measure every column beside the outcome, out of fold."""
    folds = folded(np.arange(len(y)) if groups is None else groups)
    found = {}
    for name in frame.columns:
        codes, kinds = coded(frame[name])
        score = encoded(codes, y, folds)
        found[name] = Measured(codes, kinds, score, auc(score, y, groups))
    return Columns(frame, y, groups, folds, found, ages)


def weigh(columns: Columns, rules: AuditRules) -> dict[Any, list[Evidence]]:
    """All evidence on each column, by name; every test shares its chance among the columns."""
    missing = _missing(columns, rules)
    found: dict[Any, list[Evidence]] = {}
    for name, column in columns.by_name.items():
        values = columns.frame[name]
        personal = _personal(values)
        found[name] = [
            *_identifies(values, rules),
            *personal,
            *_copies(column, columns, rules),
            *missing.get(name, []),
        ]
        if not any(e.code == "copies_outcome" for e in found[name]):
            found[name] += _says(column, columns, rules, nameless=bool(personal))
    for name, evidence in _out_of_line(columns, found, rules).items():
        found[name].append(evidence)
    return found


def _identifies(values: pd.Series, rules: AuditRules) -> list[Evidence]:
    """Near-unique texts, and whole numbers that are handed out once each: they name the row."""
    filled = values.dropna()
    if len(filled) < rules.least_rows or pd.api.types.is_datetime64_any_dtype(filled):
        return []
    if pd.api.types.is_bool_dtype(filled):
        return []
    distinct = int(filled.nunique())
    share = distinct / len(filled)
    if pd.api.types.is_numeric_dtype(filled):
        names = share > rules.unique_number and _handed_out(filled.to_numpy(np.float64), distinct, rules)
    else:
        names = share > rules.unique_text
    if not names:
        return []
    words = f"{distinct:,} of {len(filled):,} values differ: it names the row"
    do = "Leave it out: what is learned of one row's own value serves no other row"
    return [Evidence("identifier", True, words, do, {"distinct": distinct, "filled": len(filled), "share": share})]


def _handed_out(values: Floats, distinct: int, rules: AuditRules) -> bool:
    """Whether whole numbers repeat far less than drawn at random from their range they would: they are given out."""
    if not np.equal(np.mod(values, 1), 0).all():
        return False
    n = len(values)
    expected = n * (n - 1) / (2 * (values.max() - values.min() + 1))
    return bool(n - distinct < expected / 1.5 and stats.poisson.cdf(n - distinct, expected) < rules.chance / 100)


def _personal(values: pd.Series) -> list[Evidence]:
    kind, share = holds_people(values)
    if kind is None:
        return []
    words = f"{share:.0%} of its values look like {kind}" if share >= 0.005 else f"some of its values look like {kind}"
    do = "Leave it out: no person's data enter a model"
    return [Evidence("personal_values", True, words, do, {"kind": kind, "share": share})]


def _copies(column: Measured, columns: Columns, rules: AuditRules) -> list[Evidence]:
    low = column.auc.low(rules.chance / columns.n)
    if low <= rules.copy_auc:
        return []
    words = f"it is as good as a copy of the outcome: alone it ranks with AUC {column.auc.value:.3f}"
    do = "Leave it out: it was written with the outcome or after it"
    return [Evidence("copies_outcome", True, words, do, {"auc": column.auc.value, "low": low})]


def _says(column: Measured, columns: Columns, rules: AuditRules, *, nameless: bool) -> list[Evidence]:
    """Values that leave no doubt: both ways, or so often and so surely that no earlier fact could.

    nameless: no value is named, whatever it is.
    """
    rows, y = _one_each(columns)
    codes = column.codes[rows]
    found = certain(codes, y, rate=rules.certain_rate, chance=rules.chance / columns.n)
    both = found.of_outcomes >= rules.certain_share and found.of_others >= rules.certain_share
    surer = certain(codes, y, rate=rules.sure_rate, chance=rules.chance / columns.n)
    sure = surer.of_outcomes >= rules.sure_share
    if not both and not sure and found.of_outcomes < rules.certain_share:
        return []
    parts = [
        f"{found.yes_rate:.0%} of the rows with {_named(column, found.yes, codes, nameless)} have the outcome "
        f"({found.of_outcomes:.0%} of all that have it)"
    ]
    if found.of_others >= rules.certain_share:
        parts.append(
            f"{_percent(found.no_rate)} of those with {_named(column, found.no, codes, nameless)} "
            f"({found.of_others:.0%} of all that have not)"
        )
    strong = both or sure
    words = ", and ".join(parts)
    do = (
        "Leave it out, or date it: values so sure are set by someone who knows the outcome"
        if strong
        else "Find out when it is filled in: a value so sure may be set by someone who knows the outcome"
    )
    figures = {
        "yes_rate": found.yes_rate, "yes_share_of_outcomes": found.of_outcomes,
        "no_rate": found.no_rate, "no_share_of_others": found.of_others, "auc": column.auc.value,
    }  # fmt: skip
    return [Evidence("values_say_outcome", strong, words, do, figures)]


def _percent(share: float) -> str:
    return "none" if share == 0 else f"{share:.1%}" if share < 0.01 else f"{share:.0%}"


def _one_each(columns: Columns) -> tuple[Any, Floats]:
    """One row of each group, picked blindly and always the same, so that rows are independent."""
    if columns.groups is None:
        return slice(None), columns.y
    order = np.random.default_rng(0).permutation(len(columns.y))
    kept = np.sort(order[~pd.Series(columns.groups[order]).duplicated().to_numpy()])
    return kept, columns.y[kept]


def _named(column: Measured, mask: Flags, codes: Ints, nameless: bool) -> str:
    """The commonest of the values that a mask picks, as words; numbers cut at quantiles by their place.

    A value is named only if enough rows hold it, in a column of few texts, and it looks like nobody's name.
    """
    counts = np.bincount(codes, minlength=len(column.kinds))
    picked = sorted(np.flatnonzero(mask), key=lambda c: -counts[c])
    few = sum(isinstance(kind, str) for kind in column.kinds) <= MOST_KINDS
    shown = [
        _said(column.kinds[c])
        for c in picked
        if column.kinds[c] is None
        or (few and not nameless and counts[c] >= LEAST_HELD and not looks_personal(str(column.kinds[c])))
    ]
    if not shown:
        return "a value not shown here" if len(picked) == 1 else f"{len(picked)} values not shown here"
    words = shown[:MOST_VALUES]
    more = len(picked) - len(words)
    return ", ".join(words) + (f" or {more} more" if more > 0 else "")


def _said(value: Any) -> str:
    if value is None:
        return "no value"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"'{text[:40]}'"


def _missing(columns: Columns, rules: AuditRules) -> dict[Any, list[Evidence]]:
    """Being missing beside the outcome: strong where its AUC is beyond the bound even at the interval's nearer end."""
    rows, y = _one_each(columns)
    lacking = {name: columns.frame[name].isna().to_numpy()[rows] for name in columns.frame.columns}
    of, others = y == 1, y == 0
    counts = {
        name: (int(of.sum()), int(lacks[of].sum()), int(others.sum()), int(lacks[others].sum()))
        for name, lacks in lacking.items()
        if 0 < lacks.sum() < len(lacks) and of.any() and others.any()
    }
    figures = {name: missingness(*c) for name, c in counts.items()}
    adjusted = holm({name: f["p_value"] for name, f in figures.items()})
    found = {}
    for name, f in figures.items():
        if adjusted[name] < rules.missing_p and abs(f["difference"]) > rules.missing_difference:
            peers = None if columns.ages is None else among_peers(lacking[name], y, columns.ages[rows])
            found[name] = [missing_evidence(counts[name], {**f, "adjusted_p": adjusted[name]}, rules, peers)]
    return found


def missing_evidence(
    counts: tuple[int, int, int, int],
    figures: dict[str, float],
    rules: AuditRules,
    peers: dict[str, float] | None = None,
) -> Evidence:
    """The evidence of being missing, from counts (n and missing, with the outcome and without) and their figures.

    peers: the figures among rows of the same age; where they are there, they must be as strong.
    """
    n_with, missing_with, n_without, missing_without = counts
    words = (
        f"missing for {missing_with:,} of {n_with:,} with the outcome ({missing_with / n_with:.0%}) and "
        f"{missing_without:,} of {n_without:,} without ({missing_without / n_without:.0%}): AUC {figures['auc']:.2f}"
    )
    if peers is not None:
        words += f", among accounts of the same age {peers['auc']:.2f}"
    strong = all(_beyond(f, rules) for f in (figures, peers or figures))
    do = (
        "Remove it, or track it: what is filled because of an outcome tells it by its values too"
        if strong
        else "Let its being missing inform no score (a fixed or slow attribute is imputed)"
    )
    numbers = {"n_with": n_with, "missing_with": missing_with, "n_without": n_without}
    code = "missing_tells_outcome" if strong else "missing_differs"
    of_peers = {f"same_age_{name}": value for name, value in (peers or {}).items()}
    return Evidence(code, strong, words, do, {**numbers, "missing_without": missing_without, **figures, **of_peers})


def _beyond(figures: Mapping[str, float], rules: AuditRules) -> bool:
    """Whether the AUC of being missing is beyond the bound even at the nearer end of the difference's interval."""
    nearer = 0.5 + min(abs(figures["low"]), abs(figures["high"])) / 2
    return figures["low"] * figures["high"] > 0 and nearer > rules.missing_auc


def _out_of_line(columns: Columns, found: Mapping[Any, list[Evidence]], rules: AuditRules) -> dict[Any, Evidence]:
    """Columns that alone rank far better than all that rank below them do together."""
    refused = {name for name, evidence in found.items() if any(e.strong for e in evidence)}
    ranked = sorted((n for n in columns.by_name if n not in refused), key=lambda n: -columns.by_name[n].auc.value)
    chance = rules.chance / columns.n
    candidates = [n for n in ranked if columns.by_name[n].auc.low(chance) > rules.notable_auc]
    for last in reversed(range(len(candidates))):
        rest = ranked[last + 1 :]
        reached = 0.5
        if rest:
            scores = np.column_stack([columns.by_name[n].score for n in rest])
            reached = auc(together(scores, columns.y, columns.folds), columns.y).value
        low = columns.by_name[candidates[last]].auc.low(chance)
        if low > reached + rules.auc_margin:
            return {
                name: _alone(columns.by_name[name].auc, len(rest), reached, chance, rules)
                for name in candidates[: last + 1]
            }
    return {}


def _alone(own: Auc, n: int, reached: float, chance: float, rules: AuditRules) -> Evidence:
    strong = own.low(chance) > rules.alone_auc
    words = f"alone it ranks with AUC {own.value:.2f}; the {n} columns that rank below it reach {reached:.2f} together"
    do = (
        "Leave it out, or accept it by name if it was surely known before the outcome"
        if strong
        else "Find out when it is filled in, before trusting it"
    )
    return Evidence("auc_out_of_line", strong, words, do, {"auc": own.value, "error": own.error, "rest_auc": reached})
