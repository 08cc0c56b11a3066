"""Features as the model would read them, beside the outcome: the last look before training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from tierwise.audit.columns import ADMISSION, Columns, Evidence, measure, weigh
from tierwise.audit.finding import DEFAULT_AUDIT_RULES, AuditRules, Finding, Severity, ordered
from tierwise.audit.measures import auc, together
from tierwise.data.identity import LEAD

if TYPE_CHECKING:
    from tierwise.config.plan import Plan
    from tierwise.features import Feature, Matrix

MOST_ROWS = 60_000
"""Rows that are measured; of more, those of a fixed sample of account families."""
MEND_HISTORY = "Remove it, or make its history whole: what is filled because of an outcome tells it by its values too"
"""What to do where being missing tells the outcome although the attribute is tracked."""


def audit_matrix(matrix: Matrix, plan: Plan, rules: AuditRules = DEFAULT_AUDIT_RULES) -> tuple[Finding, ...]:
    """Findings on every feature of the eligible, mature rows of a matrix from `train_from` on, gravest first.

    Rows of one account family are not taken as independent. A matrix without both outcomes gives none. Provisional
    accounts, made of leads, are left aside: they lack every attribute, which says what they are and no more.
    """
    known = matrix.eligible().mature()
    known = known.where(~known.frame["account_id"].str.startswith(LEAD))
    if plan.model.train_from is not None:
        known = known.where(known.frame["as_of"] >= pd.Timestamp(plan.model.train_from))
    rows = _bounded(known)
    y = rows.frame["outcome"].to_numpy(np.float64)
    if not 0 < y.sum() < len(y):
        return ()
    families = rows.frame["family_id"].to_numpy()
    columns = measure(rows.frame[rows.names], y, families)
    evidence = weigh(columns, rules)
    found = [_in_line(columns, rows.features)]
    age = bool(plan.cohort.grid.account_age_days)
    for feature in rows.features:
        found += [_finding(feature, e) for e in evidence[feature.name] if feature.side == "fit" or _of_signal(e)]
        if not age:
            found += _drifts(rows, feature, rules)
    return ordered(found)


def _of_signal(evidence: Evidence) -> bool:
    """Whether evidence counts against a signal: it is counted from dated facts, and missing where the plan says so."""
    return evidence.code not in (*ADMISSION, "missing_tells_outcome", "missing_differs")


def _bounded(rows: Matrix) -> Matrix:
    """At most about MOST_ROWS rows, whole families of them."""
    if len(rows.frame) <= MOST_ROWS:
        return rows
    families = rows.frame["family_id"].unique()
    kept = np.random.default_rng(0).permutation(families)[: len(families) * MOST_ROWS // len(rows.frame)]
    return rows.where(rows.frame["family_id"].isin(kept))


def _finding(feature: Feature, evidence: Evidence) -> Finding:
    severity: Severity = "blocks" if evidence.strong else "warns"
    tracked = evidence.code == "missing_tells_outcome" and feature.missing == "value"
    return Finding(
        evidence.code, severity, feature.name, f"the feature {feature.name}, as the model would read it",
        evidence.found, MEND_HISTORY if tracked else evidence.do, evidence.figures, refuses=evidence.strong,
    )  # fmt: skip


def _in_line(columns: Columns, features: tuple[Feature, ...]) -> Finding:
    """Every feature's own AUC in one note, beside what all reach together."""
    own = {f.name: columns.by_name[f.name].auc.value for f in features}
    best = max(own, key=lambda name: own[name])
    scores = np.column_stack([columns.by_name[f.name].score for f in features])
    reached = auc(together(scores, columns.y, columns.folds), columns.y).value
    words = (
        f"{len(own)} features were each measured on {len(columns.y):,} rows: alone the best is {best} "
        f"(AUC {own[best]:.2f}), together they reach {reached:.2f}"
    )
    figures = {"rows": len(columns.y), "together": reached, **{f"auc_{name}": value for name, value in own.items()}}
    return Finding("features_measured", "notes", "features", "features beside the outcome", words, "", figures)


def _drifts(rows: Matrix, feature: Feature, rules: AuditRules) -> list[Finding]:
    """Whether a feature goes with the date, or on the fit side its being there: later rows are told apart by it.

    On the signal side being there follows tracked_from, which the plan says.
    """
    values = rows.frame[feature.name]
    when = rows.frame["as_of"].astype("int64").to_numpy()
    parts = {}
    if feature.side == "fit":
        parts["being filled"] = values.notna().to_numpy(np.float64)
    if feature.kind != "category":
        parts["its value"] = values.to_numpy(np.float64)
    for said, part in parts.items():
        known = ~np.isnan(part)
        if known.sum() < rules.least_rows or len(np.unique(part[known])) < 2 or len(np.unique(when[known])) < 2:
            continue
        rho = float(stats.spearmanr(part[known], when[known]).statistic)
        if abs(rho) > rules.drift:
            words = f"{said} goes with the date (rank correlation with as_of {rho:+.2f})"
            do = "Set tracked_from or train_from later; a value that only tells the date will not hold"
            asked = f"the feature {feature.name}, as the model would read it"
            return [Finding("changes_with_time", "warns", feature.name, asked, words, do, {"correlation": rho})]
    return []
