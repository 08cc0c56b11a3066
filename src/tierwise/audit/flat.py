"""Any single table with an outcome and no clock: what the data alone say of its columns. No column's name is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from tierwise.audit.columns import ADMISSION, Evidence, measure, weigh
from tierwise.audit.finding import DEFAULT_AUDIT_RULES, AuditRules, Finding, Severity, ordered
from tierwise.audit.measures import Floats, coded
from tierwise.audit.people import looks_personal
from tierwise.errors import UsageError

UNPROVEN = "no clock says when it was filled in: before the outcome, or because of it"
LEAST_OF_EACH = 20
"""Fewer rows with, or without, the outcome prove nothing."""
YES = ("1", "1.0", "true", "yes", "y", "t", "won")
"""What says yes in an outcome of two values, where the caller does not."""


def audit_table(
    frame: pd.DataFrame,
    outcome: str,
    *,
    positive: object = None,
    order: str | None = None,
    dates: Mapping[str, str] | None = None,
    rules: AuditRules = DEFAULT_AUDIT_RULES,
) -> tuple[Finding, ...]:
    """Leakage findings on every column of a table beside its outcome, gravest first.

    Parameters
    ----------
    outcome : the column of the outcome; rows without a value of it are left aside.
    positive : the value that means it happened; by default 1, true, yes or won, whichever is there.
    order : a column that rises with time; it is no column to judge, and shows what drifts.
    dates : column -> the column that says when it was filled in; the outcome's own says when that happened. With both,
        a column is proven, or filled after the outcome.

    Raises
    ------
    UsageError : a column is not there, the outcome has not both values often enough, columns are dated and it is not,
        or a column that should date or order the rows holds neither dates nor, for the order, numbers.
    """
    dates = dict(dates or {})
    _check(frame, [outcome, *([order] if order else []), *dates, *dates.values()])
    _check_dated(outcome, dates)
    frame, lists = _hashable(frame[frame[outcome].notna()].reset_index(drop=True))
    frame = frame.assign(**{clock: _instants(frame[clock], clock) for clock in dict.fromkeys(dates.values())})
    if order and order not in dates.values() and not pd.api.types.is_numeric_dtype(frame[order]):
        frame[order] = _instants(frame[order], order)
    y = _outcome(frame[outcome], outcome, positive)
    clocks = {*dates.values(), *([order] if order else [])}
    judged = [c for c in frame.columns if c != outcome and c not in clocks]
    evidence = weigh(measure(frame[judged], y), rules)
    found: list[Finding] = []
    for name in judged:
        alike = [LISTS] if name in lists else _constant(frame[name])
        mine = [*alike, *_dated(evidence[name], _by_clock(frame, y, name, outcome, dates, rules))]
        if _dates_unread(frame[name]):
            mine = [*(e for e in mine if e.code != "identifier"), UNREAD]
        if order:
            mine += _drifts(frame[name], frame[order], rules, len(judged))
        found += [_finding(name, e) for e in mine]
        if not any(e.code == "filled_before" for e in mine):
            found.append(_finding(name, Evidence("timing_unknown", False, UNPROVEN, _PROVE)))
    if not dates.keys() - {outcome} and judged:
        found.append(_no_clock(len(judged), order))
    return ordered(found)


LISTS = Evidence("holds_lists", False, "it holds lists: it is judged by whether one is there, not by what it lists", "")
UNREAD = Evidence(
    "dates_unread", False, "its values look like dates in an order that nobody has said: they are read as words",
    "Say it with --dates day_first or --dates month_first",
)  # fmt: skip
DAY_AND_MONTH = r"\d{1,2}[/.-]\d{1,2}[/.-]\d{4}(?:\D.*)?"
_PROVE = "Export when it was filled in, or its history; until then trust no model that leans on it"


def _check(frame: pd.DataFrame, names: list[str]) -> None:
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise UsageError(
            f"the column '{absent[0]}' was asked for",
            found=f"the table has {', '.join(map(str, frame.columns))}",
            do="Name one of these, as it is written",
        )
    if frame.columns.duplicated().any():
        twice = frame.columns[frame.columns.duplicated()][0]
        raise UsageError("a table was to be audited", found=f"two columns are called '{twice}'", do="Rename one")


def _outcome(values: pd.Series, name: str, positive: object) -> Floats:
    texts = values.astype(str).str.strip().str.lower().str.replace(r"\.0$", "", regex=True)
    there = sorted(texts.unique())
    if positive is not None:
        wanted = [str(positive).strip().lower().removesuffix(".0")]
    else:
        wanted = [value for value in YES if value in there] if len(there) == 2 else []
    if len(wanted) != 1 or wanted[0] not in there:
        shown = ", ".join(there[:6]) + (f" and {len(there) - 6} more" if len(there) > 6 else "")
        asked = f"the outcome '{name}' was to be read" + (f" as {positive}" if positive is not None else "")
        raise UsageError(asked, found=f"its values are {shown or 'none'}", do="Say which one counts with --positive")
    y: Floats = (texts == wanted[0]).to_numpy(np.float64)
    if min(y.sum(), len(y) - y.sum()) < LEAST_OF_EACH:
        raise UsageError(
            f"the outcome '{name}' was to be read as {wanted[0]}",
            found=f"{int(y.sum())} of {len(y)} rows have it",
            do=f"Bring at least {LEAST_OF_EACH} rows with it and as many without: fewer prove nothing",
        )
    return y


def _finding(name: str, evidence: Evidence) -> Finding:
    severity: Severity = "blocks" if evidence.strong else "notes" if evidence.code in _NOTES else "warns"
    return Finding(
        evidence.code, severity, str(name), f"{name} as a feature", evidence.found, evidence.do, evidence.figures,
        refuses=evidence.strong,
    )  # fmt: skip


_NOTES = ("constant", "filled_before", "holds_lists")


def _check_dated(outcome: str, dates: Mapping[str, str]) -> None:
    if dates and outcome not in dates:
        raise UsageError(
            f"the columns {', '.join(dates)} were dated",
            found=f"nothing dates the outcome '{outcome}', and so none can be told to come before it",
            do=f"Add when it happened: --dated {outcome}=COLUMN",
        )


def _hashable(frame: pd.DataFrame) -> tuple[pd.DataFrame, set[Any]]:
    """A table whose lists are known by their being there, whose structs are JSON text, and in which no number is
    infinite; and which columns held lists."""
    read, lists = {}, set()
    for name in frame.columns:
        values = frame[name]
        if pd.api.types.is_float_dtype(values):
            values = values.where(~values.isin([np.inf, -np.inf]))
        elif values.dtype == object and values.map(_is_list).any():
            lists.add(name)
            values = pd.Series(np.where(values.notna(), 1.0, np.nan))
        elif values.dtype == object and values.map(lambda v: isinstance(v, dict)).any():
            values = values.map(lambda v: json.dumps(v, default=str, sort_keys=True), na_action="ignore")
        read[name] = values
    return pd.DataFrame(read), lists


def _is_list(value: object) -> bool:
    return isinstance(value, (list, tuple, set, np.ndarray))


def _dates_unread(values: pd.Series) -> bool:
    """Whether all values are written as day and month, or month and day, and a year."""
    if values.dtype != object and not pd.api.types.is_string_dtype(values):
        return False
    filled = values.dropna().astype(str)
    return len(filled) > 0 and bool(filled.str.fullmatch(DAY_AND_MONTH).all())


def _dated(evidence: list[Evidence], clock: list[Evidence]) -> list[Evidence]:
    """The evidence in the light of a column's own clock: where it stands before the outcome, what only tells that a
    column may have been filled after it warns."""
    if not any(e.code == "filled_before" for e in clock):
        return [*evidence, *clock]
    do = "Its clock stands before the outcome; make sure that it dates this value, and not the row"
    return [*(e if e.code in ADMISSION else replace(e, strong=False, do=do) for e in evidence), *clock]


def _constant(values: pd.Series) -> list[Evidence]:
    if values.nunique(dropna=False) > 1:
        return []
    return [Evidence("constant", False, "all rows hold the same: it can tell nothing", "Leave it out")]


def _by_clock(
    frame: pd.DataFrame, y: Floats, name: str, outcome: str, dates: Mapping[str, str], rules: AuditRules
) -> list[Evidence]:
    """What a column's own clock proves beside the outcome's."""
    if name not in dates or outcome not in dates:
        return []
    filled, happened = frame[dates[name]], frame[dates[outcome]]
    known = (y == 1) & frame[name].notna().to_numpy() & happened.notna().to_numpy()
    dated = known & filled.notna().to_numpy()
    n, late = int(dated.sum()), int((filled[dated] >= happened[dated]).sum())
    figures = {"outcomes_filled": int(known.sum()), "dated": n, "after": late}
    if n and late / n > rules.missing_difference:
        words = f"for {late:,} of {n:,} rows with the outcome it was filled in at the outcome or after it"
        return [Evidence("filled_after_outcome", True, words, "Leave it out, or use what it held before", figures)]
    if n and n == int(known.sum()) and not late:
        words = f"its clock stands before the outcome on all {n:,} rows that have both"
        return [Evidence("filled_before", False, words, "", figures)]
    words = f"its clock says when for {n:,} of {int(known.sum()):,} rows with the outcome, after it for {late:,}"
    return [Evidence("partly_dated", False, words, "Export the clock for all rows", figures)]


def _instants(values: pd.Series, name: str) -> pd.Series:
    """A column of dates as instants.

    Raises
    ------
    UsageError : some of its values are none.
    """
    said = values.astype(object).where(values.notna(), None)
    if pd.api.types.is_numeric_dtype(values):
        said = said.where(values.isna(), "a number")
    at = pd.to_datetime(said, errors="coerce", utc=True, format="ISO8601")
    if not (strange := values[at.isna() & values.notna()]).empty:
        shown = str(strange.iloc[0])
        such = "" if looks_personal(shown) else f", such as '{shown[:40]}'"
        raise UsageError(
            f"the dates in '{name}' were to be read",
            found=f"{len(strange):,} of {values.notna().sum():,} of its values are none{such}",
            do="Write them as YYYY-MM-DD, or say their order with --dates day_first or --dates month_first; leave "
            "empty what is not known",
        )
    return at


def _drifts(values: pd.Series, order: pd.Series, rules: AuditRules, n: int) -> list[Evidence]:
    """Whether being filled, or the value, goes with the order: what changes with time confounds what does not."""
    place = _place(order)
    found = []
    filled = values.notna().to_numpy(np.float64)
    for said, part in (("being filled", filled), ("its value", _number(values))):
        known = ~np.isnan(part) & ~np.isnan(place)
        if known.sum() < LEAST_OF_EACH or len(np.unique(part[known])) < 2:
            continue
        rho, p = stats.spearmanr(part[known], place[known])
        if abs(rho) > rules.drift and p < rules.chance / n:
            words = f"{said} goes with the order of the rows (rank correlation {rho:+.2f})"
            do = "Judge a model forward in time only; rows of another time would be told apart by it"
            found.append(Evidence("changes_with_time", False, words, do, {"correlation": float(rho)}))
    return found


def _place(order: pd.Series) -> Floats:
    """Numbers as they are, and instants as numbers."""
    if pd.api.types.is_numeric_dtype(order):
        return np.asarray(order, dtype=np.float64)
    return np.asarray(order.astype("int64").where(order.notna()), dtype=np.float64)


def _number(values: pd.Series) -> Floats:
    """A number or an instant as it is; of a category, whether it is the commonest."""
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return _place(values)
    codes, kinds = coded(values)
    if not kinds:
        return np.full(len(values), np.nan)
    common: Any = np.bincount(codes).argmax()
    return np.asarray(codes == common, dtype=np.float64)


def _no_clock(n: int, order: str | None) -> Finding:
    which = f"any of its {n} columns" if n > 1 else "its one column"
    beside = f"; '{order}' orders the rows, and dates none of their columns" if order else ""
    return Finding(
        "no_clock", "warns", "the table", f"{n} columns beside an outcome",
        f"no clock proves that {which} was known before the outcome{beside}",
        "Export the history of the fields, or when each was filled in; figures of a model on this table alone may be "
        "the outcome read back",
        {"columns": n},
    )  # fmt: skip
