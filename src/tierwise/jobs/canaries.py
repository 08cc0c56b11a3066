"""The canaries above learning: a planted copy of the outcome that the audit must name, and noise among the reasons."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tierwise.audit import DEFAULT_AUDIT_RULES, AuditRules, audit_matrix
from tierwise.config.plan import Plan
from tierwise.data.identity import LEAD
from tierwise.errors import ContractError
from tierwise.explain.evidence import evidence_of
from tierwise.features import Feature, Matrix
from tierwise.learning import Trained
from tierwise.learning.canaries import MOST_ROWS, NOISE, family_sample, with_noise

PLANTED = (
    Feature("tierwise_planted_copy", "fit", "number", "", "a copy of the outcome: {value}"),
    Feature("tierwise_planted_flipped", "signal", "number", "", "a copy of the outcome, 5 % flipped: {value}"),
)
FLIPPED = 0.05
"""The share of rows, with the outcome and without, whose copy says the contrary."""
LEAST_ACCOUNTS = 50
"""With fewer accounts with the outcome than this, an audit of two columns proves nothing."""


def planted(matrix: Matrix, seed: int) -> Matrix:
    """The eligible, mature rows with two features: a copy of the outcome, and one with 5 % of either kind flipped."""
    known = matrix.eligible().mature()
    y = known.frame["outcome"].to_numpy(np.float64)
    flipped, rng = y.copy(), np.random.default_rng([seed, 3])
    for kind in (0.0, 1.0):
        rows = np.flatnonzero(y == kind)
        flipped[rng.permutation(rows)[: round(FLIPPED * len(rows))]] = 1 - kind
    kept = [name for name in known.frame.columns if name not in known.names]
    frame = known.frame[kept].assign(**{PLANTED[0].name: y, PLANTED[1].name: flipped})
    return replace(known, frame=frame, features=PLANTED)


def planted_labels(matrix: Matrix, plan: Plan, rules: AuditRules = DEFAULT_AUDIT_RULES) -> dict[str, Any]:
    """What the audit said of planted copies of the outcome.

    Raises
    ------
    ContractError : it did not block one; what it lets through of the plan's own features is then not known either.
    """
    known = planted(matrix, plan.model.seed)
    accounts = _with_outcome(known, plan)
    said: dict[str, Any] = {"rows": len(known.frame), "accounts": accounts}
    findings = audit_matrix(known, plan, rules)
    if not findings or accounts < LEAST_ACCOUNTS:
        return said | {"measured": False, "why": f"{accounts} accounts with the outcome, of {LEAST_ACCOUNTS} needed"}
    named = {f.subject: f.code for f in findings if f.severity == "blocks"}
    missed = [feature.name for feature in PLANTED if feature.name not in named]
    if missed:
        raise ContractError(
            f"plan '{plan.plan}' was to be trained, and a copy of the outcome was planted for the audit to find",
            found=f"the audit does not block {' and '.join(missed)}: a leak would pass it too",
            do="This is a fault of the audit and not of your data: report it, with the output of `tierwise doctor`",
        )
    return said | {"measured": True, "named": named}


def _with_outcome(known: Matrix, plan: Plan) -> int:
    """Accounts with the outcome among the rows that the audit measures."""
    frame = known.frame[(known.frame["outcome"] == 1) & ~known.frame["account_id"].str.startswith(LEAD)]
    if plan.model.train_from is not None:
        frame = frame[frame["as_of"] >= pd.Timestamp(plan.model.train_from)]
    return int(frame["account_id"].nunique())


def judged_noise(trained: Trained, matrix: Matrix, seed: int) -> dict[str, Any]:
    """The noise canary with the z of each noise feature, and whether a reader would be shown it."""
    said = dict(trained.evaluation.canaries["noise"])
    if not said["measured"]:
        return said
    known = matrix.eligible().mature()
    known = known.where(family_sample(known.frame["family_id"].to_numpy(), MOST_ROWS, seed))
    frame, features = with_noise(known.frame, trained.model.features, seed)
    blank = trained.model.estimator.again(features=features)
    found = evidence_of(blank, features, replace(known, frame=frame, features=features))
    shown = {f.name: found.measured and found.of(f) == "part" for f in NOISE}
    lines = [
        line | {"z": found.measures.get(line["feature"]), "shown": shown[line["feature"]]} for line in said["lines"]
    ]
    return said | {"lines": lines, "judged": found.measured}


def completed(trained: Trained, matrix: Matrix, planted_said: dict[str, Any], seed: int) -> Trained:
    """The training with the canaries that the audit and the reasons add."""
    found = {
        **trained.evaluation.canaries,
        "noise": judged_noise(trained, matrix, seed),
        "planted_label": planted_said,
    }
    return replace(trained, evaluation=replace(trained.evaluation, canaries=found))


def warnings(canaries: dict[str, Any]) -> list[str]:
    """What the canaries warn of, a sentence each."""
    said = []
    labels, time = canaries["permuted_labels"], canaries["time_index"]
    if labels["measured"] and not labels["inside"]:
        said.append(
            f"outcomes dealt to other accounts were ranked with AUC {labels['auc']:.3f}, outside the band of chance "
            f"({labels['low']:.3f} to {labels['high']:.3f}); by chance this happens in 5 % of trainings"
        )
    shown = [line["feature"] for line in canaries["noise"].get("lines", []) if line.get("shown")]
    if shown:
        said.append(
            f"a reader would be shown {', '.join(shown)}, which is noise; each is in 1 % of trainings by chance"
        )
    if time["drifts"]:
        said.append(
            f"the base drifts: knowing the date alone lowers the log-loss by {time['gain']:.4f} (95 % interval "
            f"{time['low']:.4f} to {time['high']:.4f}); recalibrate often (train --recalibrate), or set a later "
            "model.train_from"
        )
    return said
