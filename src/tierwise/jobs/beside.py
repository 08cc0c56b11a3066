"""A challenger beside the live model, on rows that are new to both, and what the gate says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import pandas as pd
from scipy.special import expit

from tierwise.config.plan import Candidate, Plan
from tierwise.features import Matrix
from tierwise.governance import DEFAULT_RULES, Gate, PairedLoss, gate, paired_loss
from tierwise.learning import PropensityModel, Trained
from tierwise.learning.candidates import make
from tierwise.learning.recalibration import unseen_from
from tierwise.learning.rows import Rows, training_rows
from tierwise.learning.splits import days, instants, stamp
from tierwise.registry import Bundle

ITSELF, SETTINGS = "itself", "settings"
HOW = {
    ITSELF: "judged on those of the unseen months that are a horizon newer than all that the live model learned from; "
    "the challenger's settings were learned again on the rows that had closed before them",
    SETTINGS: "too few rows are a horizon newer than what the live model learned from, so its settings were learned "
    "again on the rows that had closed before the unseen months, and judged on these",
}
ANOTHER = "the live model answers another question (outcome, cohort or features), so there is nothing to compare"


def beside_live(live: Bundle | None, question: str, trained: Trained, matrix: Matrix, plan: Plan) -> dict[str, Any]:
    """The challenger's log-loss less the live model's, paired by row, as JSON values.

    Where enough of the unseen months are a horizon newer than all that the live model was fitted on, it is judged on
    them itself, and the challenger's settings, learned again on the rows that had closed before them. Else the live
    model's settings, learned again on the rows before the unseen months, are judged on these, as the challenger was. So
    neither side has seen the outcomes that it is judged on (law 3).

    Keys: live (its version), how (a key of HOW), paired (`PairedLoss`, or None with `why`).
    """
    if live is None:
        return {"live": None, "how": "", "paired": None, "why": "no model is live"}
    said = {"live": live.version, "how": "", "paired": None}
    if live.meta.get("question") != question:
        return said | {"why": ANOTHER}
    rows = training_rows(matrix, plan)
    own = trained.unseen[["account_id", "as_of", "propensity"]]
    unseen = rows.frame.merge(own, on=["account_id", "as_of"], validate="1:1")
    newer = unseen[instants(unseen["as_of"].to_numpy()) >= stamp(unseen_from(live.model))]
    if _enough(newer):
        again = _learned_again(trained.model, _closed_before(newer, rows))
        return said | _compared(ITSELF, newer, expit(live.model.log_odds(newer)), expit(again.log_odds(newer)))
    settings = _settings_of(live, trained.model)
    if settings is None or not _enough(unseen):
        return said | {"why": "there are too few rows that are new to both"}
    again = _learned_again(settings, _closed_before(unseen, rows))
    return said | _compared(SETTINGS, unseen, expit(again.log_odds(unseen)), unseen["propensity"])


def recalibrated_beside(live: Bundle, report: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a recalibrated challenger: what it was worth forward in time, if that could be said.

    report : `Recalibrated.report`.
    """
    found, said = report["forward"], {"live": live.version, "how": "", "paired": None}
    if not found["n"]:
        return said | {"why": found["why"]}
    less, (before, after) = found["difference"], (found[key]["log_loss"]["value"] for key in ("before", "after"))
    error = (less["high"] - less["low"]) / (2 * 1.959964)
    accounts = found["before"]["constant"]["accounts"]
    return said | {"why": "", "paired": asdict(PairedLoss(before, after, less["value"], error, found["n"], accounts))}


def judged(live: Bundle | None, meta: Mapping[str, Any], beside: Mapping[str, Any]) -> Gate:
    """What the gate says of a challenger.

    meta : what its bundle says of itself. beside : how it compared with what was live then (`beside_live`).
    """
    evaluation = meta["evaluation"]
    if live is None:
        return gate(None, evaluation)
    if live.meta.get("question") != meta.get("question"):
        found = gate(None, evaluation)
        return replace(found, reasons=(ANOTHER, *found.reasons[1:])) if found.passed else found
    if beside.get("live") != live.version or not beside.get("paired"):
        return gate(live.meta["evaluation"], evaluation)
    found = gate(live.meta["evaluation"], evaluation, paired=PairedLoss(**beside["paired"]))
    return replace(found, reasons=(*found.reasons, HOW[beside["how"]])) if beside["how"] else found


def _enough(rows: pd.DataFrame) -> bool:
    having = rows.loc[rows["outcome"] == 1, "account_id"].nunique()
    return len(rows) >= DEFAULT_RULES.least_rows and having >= DEFAULT_RULES.least_outcomes


def _closed_before(newer: pd.DataFrame, rows: Rows) -> pd.DataFrame:
    """The rows whose horizon had closed when the first judged one began."""
    first = instants(newer["as_of"].to_numpy()).min()
    return rows.where(rows.as_of + days(rows.horizon_days) <= first).frame


def _learned_again(model: PropensityModel, rows: pd.DataFrame) -> PropensityModel:
    """The model with its estimator fitted on other rows; the calibrators stay."""
    return replace(model, estimator=model.estimator.again().fit(rows, rows["outcome"]))


def _settings_of(live: Bundle, challenger: PropensityModel) -> PropensityModel | None:
    """The live model with an estimator that is not fitted, of the settings that its evaluation says were chosen.

    A bundle keeps what was learned, and not what it was learned with. The seed is the challenger's.
    """
    evaluation = live.meta.get("evaluation") or {}
    chosen = (evaluation.get("candidates") or {}).get(evaluation.get("chosen"))
    if chosen is None:
        return None
    seed = int(challenger.estimator.get_params(deep=False).get("seed", 7))
    candidate = Candidate(kind=chosen["kind"])
    made = make(candidate, live.model.features, chosen["settings"], threads=challenger.threads, seed=seed)
    return replace(live.model, estimator=made)


def _compared(how: str, rows: pd.DataFrame, live: Any, challenger: Any) -> dict[str, Any]:
    frame = rows[["account_id", "outcome"]].assign(champion=live, challenger=challenger)
    return {"how": how, "why": "", "paired": asdict(paired_loss(frame))}
