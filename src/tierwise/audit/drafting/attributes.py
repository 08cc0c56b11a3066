"""The fit side of a draft: each attribute by its clock, with why; and what is left out, with why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd

import tierwise.audit.sql as sql
from tierwise.audit.attributes import personal
from tierwise.audit.drafting.text import listed, named, told_apart
from tierwise.audit.own import is_like_own, is_own
from tierwise.audit.reach import sustained_from
from tierwise.data import Query, quoted

if TYPE_CHECKING:
    from tierwise.data import Warehouse

KINDS = {"employee_count": "number", "annual_revenue": "number", "technologies": "set"}
CLOCKS = {
    "industry": "fixed",
    "country": "fixed",
    "region": "fixed",
    "employee_count": "slow",
    "annual_revenue": "slow",
    "technologies": "slow",
}
NEARLY_EMPTY = 0.02
"""An attribute filled for a smaller share of accounts says nothing of most."""
UNIQUE, UNIQUE_FROM = 0.5, 20
"""A text with more values than this share of the accounts that hold one names accounts, where so many hold one."""
FREE_LENGTH, FREE_WORDS = 40, 5
"""A text that is on average longer than this, in characters or words, is free text."""
LEAST_SHARE = 0.02
"""A technology held by a smaller share of accounts gets no feature of its own."""

PERSONAL = "a person's data by its values or its name; if it is none, declare it"
OWN = "named like a field that tierwise writes: its own answer come back; if it is your own, declare it"


@dataclass(frozen=True)
class Line:
    """One attribute in the draft."""

    name: str
    clock: str
    text: str
    comment: str


LeftOut = tuple[str, str]


def fit_attributes(warehouse: Warehouse, begins: date) -> tuple[list[Line], list[LeftOut]]:
    """The attributes that may be drafted, and those that may not, each with why."""
    types = warehouse.attributes("accounts")
    names = (*CLOCKS, *sorted(types))
    of_people, since = personal(warehouse, sorted(types)), _since(warehouse)
    lines: list[Line] = []
    left_out: list[LeftOut] = []
    for name in names:
        kind = KINDS.get(name) or ("number" if types.get(name) == "number" else "category")
        row = _described(warehouse, name, kind)
        if not row["filled"] and name in CLOCKS:
            continue
        why = PERSONAL if name in of_people else OWN if is_own(name) or is_like_own(name) else unfit(row, kind)
        if kind == "set" and not why and not _members(warehouse, name):
            why = f"none of its members is held by {LEAST_SHARE:.0%} of accounts"
        if not why and name not in since and name not in CLOCKS:
            why = "today's value without history: it may have been filled after the outcome"
        if why:
            left_out.append((name, why))
        else:
            lines.append(_line(warehouse, name, kind, begins, None if kind == "set" else since.get(name)))
    return lines, left_out


def unfit(row: dict[str, Any], kind: str) -> str:
    """Why a column of these figures is no feature whatever its clock; empty if it may be one."""
    n, filled, values = int(row["n"]), int(row["filled"]), int(row["values"])
    if not filled:
        return "empty: no account holds a value"
    if filled < NEARLY_EMPTY * n:
        return f"nearly empty: {filled:,} of {n:,} accounts hold a value"
    if kind == "set":
        return ""
    if values == 1:
        return f"constant: all {filled:,} accounts that hold a value hold the same"
    if kind != "category":
        return ""
    if filled >= UNIQUE_FROM and values > UNIQUE * filled:
        return f"an identifier, a name or an address: {values:,} different values in {filled:,} accounts"
    if row["length"] > FREE_LENGTH or row["words"] > FREE_WORDS:
        return f"free text: {row['words']:.0f} words, {row['length']:.0f} characters on average"
    return ""


def _described(warehouse: Warehouse, name: str, kind: str) -> dict[str, Any]:
    """One row: n accounts, filled, values; length and words on average (text)."""
    at = quoted(name)
    text = f"CAST({at} AS VARCHAR)"
    further = f"avg(length({text})) AS length, avg(len(string_split(trim({text}), ' '))) AS words"
    if kind != "category":
        further = "NULL AS length, NULL AS words"
    row = warehouse.frame(
        Query(
            f"SELECT count(*) AS n, count({at}) AS filled, count(DISTINCT {at}) AS values, {further} "
            f"FROM accounts WHERE {sql.REAL}"
        )
    ).iloc[0]
    return {str(k): v for k, v in row.items()}


def _since(warehouse: Warehouse) -> dict[str, date]:
    """Field -> from when its history is sustained."""
    rows = warehouse.frame(
        Query("SELECT DISTINCT field, CAST(changed_at AS DATE) AS day FROM account_history ORDER BY field, day")
    )
    return {
        str(field): sustained_from([pd.Timestamp(d).date() for d in found["day"]])
        for field, found in rows.groupby("field")
    }


def _line(warehouse: Warehouse, name: str, kind: str, begins: date, since: date | None) -> Line:
    if since is not None:
        start = max(since, begins)
        text = f"{{attribute: {named(name)}, kind: {kind}, clock: tracked, tracked_since: {start}}}"
        late = "" if since <= begins else f" (its history begins {(since - begins).days} days after the data)"
        return Line(name, "tracked", text, f"account_history covers it: rebuilt as of each date{late}")
    values = f", values: {listed(_members(warehouse, name))}" if kind == "set" else ""
    text = f"{{attribute: {named(name)}, kind: {kind}, clock: {CLOCKS[name]}{values}}}"
    why = {
        "fixed": "hardly ever changes: today's value; its being missing is never used",
        "slow": "changes slowly: today's value; its being missing is never used",
    }
    return Line(name, CLOCKS[name], text, why[CLOCKS[name]])


def _members(warehouse: Warehouse, name: str) -> list[str]:
    found = warehouse.frame(
        Query(
            f"""
            SELECT member, count(*) AS n FROM (SELECT unnest({quoted(name)}) AS member FROM accounts WHERE {sql.REAL})
            WHERE member IS NOT NULL
            GROUP BY member HAVING count(*) >= $least * (SELECT count(*) FROM accounts WHERE {sql.REAL})
            ORDER BY n DESC, member LIMIT 25
            """,
            {"least": LEAST_SHARE},
        )
    )
    return sorted(told_apart(found["member"]))
