"""Leakage: which attributes of accounts may not be features, and which tell the outcome by what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import tierwise.audit.sql as sql
from tierwise.audit.columns import ADMISSION, Evidence, measure, weigh
from tierwise.audit.finding import AuditRules, Finding, Severity
from tierwise.audit.history import of_history
from tierwise.audit.missing import ages
from tierwise.audit.own import is_like_own, is_own, own_attributes
from tierwise.audit.owners import of_owners
from tierwise.audit.people import holds_people, is_personal
from tierwise.data import OwnField, own_fields

if TYPE_CHECKING:
    from tierwise.config.plan import Attribute, Plan
    from tierwise.data import Warehouse

IDENTITY = frozenset(
    {"account_id", "name", "domain", "parent_account_id", "master_account_id", "owner_id", "created_at", "deleted_at"}
    | {"sync_id", "modified_at", "currency", "employee_count_kind", "annual_revenue_kind"}
)
"""Columns of accounts that name or date an account, or say how another is written; they are no attributes."""
NO_HISTORY = "today's value, no history: may have been filled after the outcome"
FEW_VALUES = 12
"""A column that is named like a person's data and holds no more values is none: `mobile_app`, `contact_source`."""
SAMPLE = 20_000
"""Accounts whose attributes are read for what they hold; of more, a fixed sample."""


def personal(warehouse: Warehouse, names: Iterable[str]) -> set[str]:
    """The attributes of accounts that are, or may well be, a person's data: text whose values look like it, and what is
    named like it and holds more than a few values. Of their own accord `init` and the own history take none of them."""
    types = warehouse.attributes("accounts")
    mails = personal_values(warehouse, names := [n for n in names if types.get(n) in ("text", "number")])
    found = set(mails)
    for name in [n for n in names if n not in mails and (types[n] == "text" or is_personal(n))]:
        values = _values(warehouse, name)
        may_be = is_personal(name) and values.nunique() > FEW_VALUES
        if may_be or (types[name] == "text" and holds_people(values, name)[0] is not None):
            found.add(name)
    return found


def _values(warehouse: Warehouse, name: str) -> pd.Series:
    """The different values of an attribute (of more than `SAMPLE`, a fixed sample)."""
    return warehouse.frame(sql.distinct(name, SAMPLE))["value"]


def personal_values(warehouse: Warehouse, names: Iterable[str]) -> set[str]:
    """The text attributes of which some value holds an e-mail address."""
    texts = [n for n in names if warehouse.attributes("accounts").get(n) == "text"]
    if not texts:
        return set()
    found = warehouse.frame(sql.holding(texts, r"[^\s@]@[^\s@]+\.[^\s@]")).iloc[0]
    return {n for n in texts if found[n]}


def not_to_keep(warehouse: Warehouse) -> set[str]:
    """The attributes of accounts that our own history does not keep: a person's data, and what tierwise wrote."""
    names = warehouse.attributes("accounts")
    return own_attributes(warehouse, names) | personal(warehouse, names)


@dataclass(frozen=True)
class Held:
    """What accounts hold: the attributes there are, how many accounts hold each, and what that says by name."""

    present: tuple[str, ...]
    filled: dict[str, int]
    accounts: int
    evidence: dict[str, list[Evidence]]
    ours: frozenset[str]
    """What tierwise wrote."""


def of_attributes(warehouse: Warehouse, plan: Plan, data_through: datetime, rules: AuditRules) -> list[Finding]:
    """Every finding on the attributes of accounts, declared by the plan or not."""
    held = _held(warehouse, plan, data_through, rules)
    declared = {a.attribute: a for a in plan.features.fit}
    own = own_fields(warehouse)
    found: list[Finding] = [_holds_mail(name) for name in sorted(_mails(warehouse, declared, held))]
    for name in held.present:
        if name not in declared and held.filled[name] > 0:
            found += _undeclared(name, held, own)
    for attribute in plan.features.fit:
        name = attribute.attribute
        if not held.filled.get(name):
            found.append(_absent(attribute, name in held.present))
            continue
        if name in held.ours:
            found.append(_own(name))
        elif is_like_own(name):
            found.append(_named_like_ours(name))
        elif is_personal(name):
            found.append(_named_like_a_person(name))
        history = of_history(warehouse, attribute, plan, data_through, rules)
        found += history
        if attribute.clock == "tracked":
            found += _who(name, held)
        else:
            found += _today(attribute, held, has_history=any(f.code == "history_there" for f in history))
    return [f for f in found if f.code != "history_there"]


def _mails(warehouse: Warehouse, declared: Iterable[str], held: Held) -> set[str]:
    """Declared attributes of which some account beyond the sample holds an e-mail address."""
    told = {n for n in declared if any(e.code == "personal_values" for e in held.evidence.get(n, ()))}
    return personal_values(warehouse, declared) - told


def _holds_mail(name: str) -> Finding:
    return Finding(
        "personal_values", "blocks", name, f"{name} as a feature", "some of its values look like e-mail addresses",
        "Leave it out: no person's data enter a model", refuses=True,
    )  # fmt: skip


def told_apart(warehouse: Warehouse) -> list[str]:
    """The attributes of accounts that hold anything; lists apart, whose members are features of their own."""
    present = [c for c in warehouse.frame(sql.columns("accounts"))["name"].tolist() if c not in IDENTITY]
    counts = warehouse.frame(sql.filled(present)).iloc[0]
    return [n for n in present if counts[f"filled_{n}"] and n not in _lists_of(warehouse)]


def _lists_of(warehouse: Warehouse) -> set[str]:
    return {n for n, kind in warehouse.attributes("accounts").items() if kind == "list"} | {"technologies"}


def _held(warehouse: Warehouse, plan: Plan, data_through: datetime, rules: AuditRules) -> Held:
    present = [c for c in warehouse.frame(sql.columns("accounts"))["name"].tolist() if c not in IDENTITY]
    counts = warehouse.frame(sql.filled(present)).iloc[0]
    filled = {n: int(counts[f"filled_{n}"]) for n in present}
    lists = _lists_of(warehouse)
    read = [n for n in present if filled[n] and n not in lists]
    frame = warehouse.frame(sql.attribute_values(read, plan.outcome, data_through, SAMPLE))
    y = frame["has_outcome"].to_numpy(np.float64)
    evidence: dict[str, list[Evidence]] = {n: [] for n in present}
    if len(frame) and 0 < y.sum() < len(y):
        values = frame[[f"value_{n}" for n in read]].set_axis(read, axis=1)
        evidence |= weigh(measure(values, y, ages=ages(frame["created_at"])), rules)
        for name, owned in of_owners(values, frame["owner_id"], frame["owner_before"], rules).items():
            evidence[name].append(owned)
    evidence |= {n: [*evidence[n], *_lists(warehouse, plan, data_through, rules, n)] for n in lists & set(present)}
    ours = frozenset(own_attributes(warehouse, present))
    return Held(tuple(present), filled, int(counts["accounts"]), evidence, ours)


def _lists(warehouse: Warehouse, plan: Plan, data_through: datetime, rules: AuditRules, name: str) -> list[Evidence]:
    """Whether an account has a list at all, beside the outcome; its members are features of their own."""
    frame = warehouse.frame(sql.attribute_values([name], plan.outcome, data_through, SAMPLE))
    y = frame["has_outcome"].to_numpy(np.float64)
    if not len(frame) or not 0 < y.sum() < len(y):
        return []
    there = pd.Series(np.where(frame[f"value_{name}"].notna(), 1.0, np.nan), name=name)
    columns = measure(there.to_frame(), y, ages=ages(frame["created_at"]))
    return [e for e in weigh(columns, rules)[name] if e.code.startswith("missing")]


def _who(name: str, held: Held) -> list[Finding]:
    return [_weighed(name, e, "blocks") for e in held.evidence[name] if e.code in ADMISSION]


def _weighed(name: str, evidence: Evidence, strong: Severity) -> Finding:
    severity: Severity = strong if evidence.strong else "warns"
    return Finding(
        evidence.code, severity, name, f"{name} as a feature", evidence.found, evidence.do, evidence.figures,
        refuses=evidence.strong,
    )  # fmt: skip


def _undeclared(name: str, held: Held, own: Mapping[str, OwnField]) -> list[Finding]:
    """What the plan leaves out: what the data say of it if that is grave, else what dates it."""
    ours = name in held.ours
    kept = None if ours else own.get(name)
    grave = [] if ours else [_weighed(name, e, "warns") for e in held.evidence[name] if e.strong]
    if grave and kept is None:
        return grave
    figures = {"accounts": held.accounts, "filled": held.filled[name]}
    if ours:
        why, do = "a field that tierwise writes: its own answer come back", ""
    else:
        why = f"not declared tracked, fixed, slow or accepted: {NO_HISTORY}"
        do = "To use it, declare it under features.fit with its clock"
    if kept is not None:
        since = kept.since.date()
        do = (
            f"Own history since {since}; usable as tracked from then (clock: tracked, tracked_since: {since}): "
            f"{kept.changes:,} changes so far"
        )
    refused = Finding("refused_attribute", "notes", name, f"{name} as a feature", why, do, figures, refuses=True)
    return [*grave, refused]


def _named_like_a_person(name: str) -> Finding:
    return Finding(
        "named_like_a_person", "warns", name, f"{name} as a feature", "it is named like a person's data",
        "Take it out of features.fit if it is: no person's data enter a model",
    )  # fmt: skip


def _absent(attribute: Attribute, present: bool) -> Finding:
    name = attribute.attribute
    where = "accounts has the column, and no account holds a value" if present else "accounts has no such column"
    return Finding(
        "absent_attribute", "blocks", name, f"the plan declares {name} as a fit feature", where,
        "Remove it from features.fit, or export it", refuses=True,
    )  # fmt: skip


def _own(name: str) -> Finding:
    how = "it is called" if is_own(name) else "its name and its values are those of"
    return Finding(
        "own_field", "blocks", name, f"the plan declares {name} as a fit feature",
        f"{how} a field that tierwise writes, and its own answer may not come back as a feature",
        "Remove it from features.fit; if it is a field of your own, export it under another name", refuses=True,
    )  # fmt: skip


def _named_like_ours(name: str) -> Finding:
    return Finding(
        "named_like_our_own", "warns", name, f"{name} as a feature", "it is named like a field that tierwise writes",
        "Take it out of features.fit if tierwise wrote it: its own answer may not come back as a feature",
    )  # fmt: skip


def _today(attribute: Attribute, held: Held, *, has_history: bool) -> list[Finding]:
    """Today's value of an attribute, taken for all dates."""
    name = attribute.attribute
    figures = {"accounts": held.accounts, "filled": held.filled[name]}
    asked = f"the plan declares {name} as {attribute.clock}, which admits today's value"
    found = [_weighed(name, e, "blocks") for e in held.evidence[name]]
    if attribute.clock == "accepted":
        words = f"accepted by name although it is {NO_HISTORY}"
        found.append(Finding("accepted_attribute", "warns", name, asked, words, "Every report says so", figures))
    elif not has_history:
        words = "no clock proves that it was known before the outcome"
        do = "Export its history to track it"
        found.append(Finding("timing_unknown", "warns", name, asked, words, do, figures))
    return found
