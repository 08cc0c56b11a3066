"""Leakage: which attributes of accounts may not be features, or tell the future by being missing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from scipy import stats

import tierwise.audit.sql as sql
from tierwise.audit.finding import AuditRules, Finding

if TYPE_CHECKING:
    from tierwise.config.plan import Attribute, Plan
    from tierwise.data import Warehouse

IDENTITY = frozenset({"account_id", "name", "domain", "parent_account_id", "owner_id", "created_at", "deleted_at"})
"""Columns of accounts that name or date an account; they are no attributes."""
OWN_FIELDS = frozenset(
    {"account_score", "fit_score", "signal_score", "fit_log_odds", "signal_log_odds", "propensity", "expected_value"}
    | {"tier", "tier_since", "previous_tier", "movement", "decided_by", "guardrails", "roles_reached"}
    | {"model_version", "policy_version", "run_id"}
)
"""Columns that tierwise publishes, and that a CRM may hand back."""
PERSONAL = frozenset({"email", "mail", "phone", "telephone", "mobile", "fax", "contact", "person", "surname"})
"""Words in the name of a column that holds a person's data;"""
NAMES = frozenset({"first", "last", "full", "given", "family", "middle"})
"""and those that do so before `name`."""
NO_HISTORY = "today's value, no history: may have been filled after the outcome"


def is_own(name: str) -> bool:
    """Whether a column is named like what tierwise writes (a CRM's `__c` and capitals aside).

    >>> is_own("Tierwise_Tier__c"), is_own("fit_score"), is_own("industry")
    (True, True, False)
    """
    bare = re.sub(r"__c$", "", name.lower())
    return bare.startswith("tierwise") or bare in OWN_FIELDS or bool(re.fullmatch(r"reason_[1-5]", bare))


def is_personal(name: str) -> bool:
    """Whether a column is named like a person's data (law 10).

    >>> [is_personal(n) for n in ("billing_email", "PhoneNumber", "first_name", "contacts__c", "industry")]
    [True, True, True, True, False]
    """
    words = [w.lower().removesuffix("s") for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
    before_name = {a for a, b in pairwise(words) if b == "name"}
    return bool(set(words) & PERSONAL or before_name & NAMES)


def personal(warehouse: Warehouse, names: Iterable[str]) -> set[str]:
    """The text attributes of accounts that are named like a person's data, or hold e-mail addresses."""
    texts = [n for n in names if warehouse.attributes("accounts").get(n, "text") == "text"]
    return {n for n in texts if is_personal(n)} | personal_values(warehouse, texts)


def personal_values(warehouse: Warehouse, names: Iterable[str]) -> set[str]:
    """The text attributes of which some value holds an e-mail address."""
    texts = [n for n in names if warehouse.attributes("accounts").get(n) == "text"]
    if not texts:
        return set()
    found = warehouse.frame(sql.holding(texts, r"[^\s@]@[^\s@]+\.[^\s@]")).iloc[0]
    return {n for n in texts if found[n]}


def of_attributes(warehouse: Warehouse, plan: Plan, data_through: datetime, rules: AuditRules) -> list[Finding]:
    """Every finding on the attributes of accounts, declared by the plan or not."""
    present = [c for c in warehouse.frame(sql.columns("accounts"))["name"].tolist() if c not in IDENTITY]
    filled = warehouse.frame(sql.filled(present)).iloc[0]
    declared = {a.attribute: a for a in plan.features.fit}
    of_people = personal(warehouse, present)
    found = [_undeclared(n, filled) for n in present if n not in declared and filled[f"filled_{n}"] > 0]
    for attribute in plan.features.fit:
        if attribute.attribute not in present or filled[f"filled_{attribute.attribute}"] == 0:
            found.append(_absent(attribute, attribute.attribute in present))
        elif is_own(attribute.attribute):
            found.append(_own(attribute))
        elif attribute.attribute in of_people:
            found.append(_personal(attribute))
        elif attribute.clock == "tracked":
            found += _tracked(warehouse, attribute, rules)
        else:
            found += _by_outcome(warehouse, attribute, plan, data_through, rules)
    return found


def _undeclared(name: str, filled: Any) -> Finding:
    figures = {"accounts": int(filled["accounts"]), "filled": int(filled[f"filled_{name}"])}
    if is_own(name):
        why, do = "named like a field that tierwise writes: its own answer come back", ""
    else:
        why = f"not declared tracked, fixed, slow or accepted: {NO_HISTORY}"
        do = "To use it, declare it under features.fit with its clock"
    return Finding("refused_attribute", "notes", name, f"{name} as a feature", why, do, figures, refuses=True)


def _personal(attribute: Attribute) -> Finding:
    return Finding(
        "personal_attribute",
        "blocks",
        attribute.attribute,
        f"{attribute.attribute} as a feature",
        "it is named like a person's data, or holds e-mail addresses",
        "Take it out of features.fit: no person's data enter a model",
        refuses=True,
    )


def _absent(attribute: Attribute, present: bool) -> Finding:
    name = attribute.attribute
    where = "accounts has the column, and no account holds a value" if present else "accounts has no such column"
    return Finding(
        "absent_attribute", "blocks", name, f"the plan declares {name} as a fit feature", where,
        "Remove it from features.fit, or export it", refuses=True,
    )  # fmt: skip


def _own(attribute: Attribute) -> Finding:
    return Finding(
        "own_field", "blocks", attribute.attribute, f"the plan declares {attribute.attribute} as a fit feature",
        "it is named like a field that tierwise writes, and its own answer may not come back as a feature",
        "Remove it from features.fit; if it is a field of your own, export it under another name", refuses=True,
    )  # fmt: skip


def _tracked(warehouse: Warehouse, attribute: Attribute, rules: AuditRules) -> list[Finding]:
    name = attribute.attribute
    row = warehouse.frame(sql.history_of(attribute, rules.creation_days)).iloc[0]
    figures = {k: int(row[k]) for k in ("changed", "counted", "blank", "untouched", "held")}
    asked = f"the plan declares {name} as tracked"
    if figures["changed"] == 0:
        found = f"account_history has no row for the field {name}"
        do = f"Export the history of {name}, or declare it slow, fixed or accepted"
        return [Finding("tracked_without_history", "blocks", name, asked, found, do, figures, refuses=True)]
    blank = figures["blank"] / max(figures["counted"], 1)
    held = figures["held"] / max(figures["untouched"], 1)
    if blank > rules.blank_first_changes and held > rules.held_untouched:
        found = (
            f"{figures['blank']} of {figures['counted']} first changes carry no old value, while {figures['held']} of "
            f"{figures['untouched']} accounts without a change hold one: being missing on a date would tell that a "
            "change is still to come"
        )
        do = "Export the history with old values, set tracked_since to when they began, or remove the attribute"
        return [Finding("blank_old_values", "blocks", name, asked, found, do, figures, refuses=True)]
    return []


def _by_outcome(
    warehouse: Warehouse, attribute: Attribute, plan: Plan, data_through: datetime, rules: AuditRules
) -> list[Finding]:
    name = attribute.attribute
    row = warehouse.frame(sql.missing_by_outcome(name, plan.outcome, data_through)).iloc[0]
    counts = {k: int(row[k]) for k in ("n_with", "missing_with", "n_without", "missing_without")}
    asked = f"the plan declares {name} as {attribute.clock}, which admits today's value"
    found = []
    if attribute.clock == "accepted":
        words = f"accepted by name although it is {NO_HISTORY}"
        found.append(Finding("accepted_attribute", "warns", name, asked, words, "Every report says so", counts))
    if counts["n_with"] == 0 or counts["n_without"] == 0:
        return found
    figures = {**counts, **missingness(**counts)}
    if figures["p_value"] >= rules.missing_p or abs(figures["difference"]) <= rules.missing_difference:
        return found
    words = (
        f"it is missing today for {counts['missing_with']} of {counts['n_with']} accounts with an outcome and "
        f"{counts['missing_without']} of {counts['n_without']} without: being missing tells the outcome "
        f"(AUC {figures['auc']:.2f})"
    )
    if figures["auc"] > rules.missing_auc:
        do = "Remove it, or track it: values filled because of an outcome tell as much as their being missing"
        found.append(Finding("missing_tells_outcome", "blocks", name, asked, words, do, figures, refuses=True))
    else:
        do = "Nothing: where it is missing it is imputed, so that its being missing informs no score"
        found.append(Finding("missing_differs", "warns", name, asked, words, do, figures))
    return found


def missingness(n_with: int, missing_with: int, n_without: int, missing_without: int) -> dict[str, float]:
    """How far being missing tells the outcome: difference of shares with its 95 % interval, z, p-value and AUC.

    z is the pooled two-proportion statistic, two-sided. AUC is that of the indicator, in its better direction:
    0.5 + |difference| / 2.
    """
    p, q = missing_with / n_with, missing_without / n_without
    pooled = (missing_with + missing_without) / (n_with + n_without)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n_with + 1 / n_without))
    z = (p - q) / error if error > 0 else 0.0
    half = float(stats.norm.ppf(0.975)) * math.sqrt(p * (1 - p) / n_with + q * (1 - q) / n_without)
    return {
        "difference": p - q,
        "low": max(-1.0, p - q - half),
        "high": min(1.0, p - q + half),
        "z": z,
        "p_value": float(2 * stats.norm.sf(abs(z))),
        "auc": 0.5 + abs(p - q) / 2,
    }
