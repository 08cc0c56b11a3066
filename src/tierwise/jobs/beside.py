"""A challenger beside the live model, on rows that are new to both, and what the gate says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from tierwise.config.plan import Candidate, Plan
from tierwise.features import Matrix
from tierwise.governance import DEFAULT_RULES, Gate, PairedLoss, gate, paired_loss
from tierwise.learning import PropensityModel, Trained
from tierwise.learning.calibration import IDENTITY, Affine
from tierwise.learning.candidates import make
from tierwise.learning.frozen import FitSide, keep_fit
from tierwise.learning.recalibration import unseen_from
from tierwise.learning.rows import Rows, test_cut, training_rows
from tierwise.learning.season import NO_SEASON, learn_season
from tierwise.learning.splits import days, instants, stamp
from tierwise.registry import Bundle

ITSELF, SETTINGS = "itself", "settings"
HOW = {
    ITSELF: "judged on those of the unseen months that are a horizon newer than all that the live model learned from; "
    "the challenger's settings were learned again on the rows that had closed before them",
    SETTINGS: "too few rows are a horizon newer than what the live model learned from, so its settings were learned "
    "again on the rows that had closed before the unseen months, and judged on these",
}
FROM_RUBRIC = (
    "the live model started from a rubric, which its version does not keep, so its settings cannot be learned again "
    "fairly, and too few rows are a horizon newer than what it learned from"
)
CHOSEN_ON_THEM = (
    "the live model's settings and calibrators were chosen on months that are among the unseen ones, and too few rows "
    "are a horizon newer than what it learned from"
)
ANOTHER = "the live model answers another question (outcome, cohort or features), so there is nothing to compare"


def beside_live(live: Bundle | None, question: str, trained: Trained, matrix: Matrix, plan: Plan) -> dict[str, Any]:
    """The challenger's log-loss less the live model's, paired by row, as JSON values.

    Where enough of the unseen months are a horizon newer than all that the live model was fitted on, it is judged on
    them itself, and the challenger's settings, learned again on the rows that had closed before them. Else the live
    model's settings, learned again on the rows before the unseen months, are judged on these, as the challenger was.
    What is learned again is the estimator and, where there is one, the season; settings and calibrators are kept, which
    were chosen on rows that had closed before the unseen months. So neither side has seen the outcomes that it is
    judged on (law 3), and where the live model's settings cannot be had so, `why` says it. A model that keeps another's
    fit side keeps it here too where all the rows compared are newer than what that has seen, and learns one otherwise.

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
        judged = _as_judged(trained.model, trained.evaluation.level)
        closed = _closed_by(instants(newer["as_of"].to_numpy()).min(), rows)
        again = _learned_again(judged, closed, FitSide.of(trained.model), newer)
        return said | _compared(ITSELF, newer, expit(live.model.log_odds(newer)), expit(again.log_odds(newer)))
    settings = _settings_of(live, trained.model)
    if settings is None or not _enough(unseen):
        return said | {"why": "there are too few rows that are new to both"}
    unfair = _unfair(live.meta, unseen)
    if unfair:
        return said | {"why": unfair}
    kept = FitSide.of(replace(live.model, recalibration=IDENTITY))
    again = _learned_again(settings, _closed_by(test_cut(rows, plan), rows), kept, unseen)
    return said | _compared(SETTINGS, unseen, expit(again.log_odds(unseen)), unseen["propensity"])


def recalibrated_beside(live: Bundle, report: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a recalibrated challenger: what it was worth forward in time, if that could be said.

    report : `Recalibrated.report`.
    """
    found, said = report["forward"], {"live": live.version, "how": "", "paired": None}
    if not found["n"]:
        return said | {"why": found["why"]}
    if found["difference"]["low"] is None:
        return said | {"why": "the rows judged are too few to say how sure the difference is"}
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
    recalibrates = (meta.get("recalibration") or {}).get("of")
    if beside.get("live") != live.version or not beside.get("paired"):
        if recalibrates:
            return Gate(False, (_not_measured(live, recalibrates["model_version"], beside),))
        found = gate(live.meta["evaluation"], evaluation)
        why = beside.get("why") if beside.get("live") == live.version else ""
        return replace(found, reasons=(*found.reasons, why)) if why else found
    paired = PairedLoss(**beside["paired"])
    found = gate(live.meta["evaluation"], evaluation, paired=paired, same_ranks=bool(recalibrates))
    return replace(found, reasons=(*found.reasons, HOW[beside["how"]])) if beside["how"] else found


def _not_measured(live: Bundle, recalibrates: str, beside: Mapping[str, Any]) -> str:
    """Why a recalibration is not compared: its evaluation is that of the model it recalibrates, and says nothing."""
    if recalibrates != live.version:
        return f"it recalibrates {recalibrates[:12]}, which is no longer live"
    return f"what it is worth on later rows cannot be said yet: {beside.get('why') or 'it was not judged forward'}"


def _enough(rows: pd.DataFrame) -> bool:
    having = rows.loc[rows["outcome"] == 1, "account_id"].nunique()
    return len(rows) >= DEFAULT_RULES.least_rows and having >= DEFAULT_RULES.least_outcomes


def _unfair(meta: Mapping[str, Any], unseen: pd.DataFrame) -> str:
    """Why the live model's settings cannot be judged on the unseen months; nothing where they can."""
    evaluation = meta["evaluation"]
    if evaluation.get("prior"):
        return FROM_RUBRIC
    part = (meta.get("fit_side") or {}).get("slice_from")
    chosen_before = np.datetime64(part or evaluation["test"]["first_as_of"])
    return CHOSEN_ON_THEM if chosen_before > instants(unseen["as_of"].to_numpy()).min() else ""


def _closed_by(cut: np.datetime64, rows: Rows) -> Rows:
    """The rows whose horizon had closed by then."""
    return rows.where(rows.as_of + days(rows.horizon_days) <= cut)


def _learned_again(
    model: PropensityModel, rows: Rows, side: FitSide | None, compared_on: pd.DataFrame
) -> PropensityModel:
    """The model with its estimator, and its season where it has one, learned from other rows; calibrators stay.

    side: the fit side that it keeps, where the rows it is compared on are newer than all that this has seen.
    """
    estimator, season = model.estimator.again().fit(rows.frame, rows.y), model.season
    if season != NO_SEASON:
        expected = model.calibrator.slope * estimator.decision_function(rows.frame)
        season = learn_season(expected, rows.y, rows.as_of, rows.families)
    again = replace(model, estimator=estimator, season=season)
    if side is None or instants(compared_on["as_of"].to_numpy()).min() < stamp(side.unseen_from):
        return again
    return keep_fit(again, side, rows.frame)


def _settings_of(live: Bundle, challenger: PropensityModel) -> PropensityModel | None:
    """The live model with an estimator that is not fitted, of the settings that its evaluation says were chosen.

    A bundle keeps what was learned, and not what it was learned with. The seed is the challenger's. A recalibration is
    dropped: its rows are the newest that the model was fitted on, and settings are compared only where these reach into
    the unseen months.
    """
    evaluation = live.meta.get("evaluation") or {}
    chosen = (evaluation.get("candidates") or {}).get(evaluation.get("chosen"))
    if chosen is None:
        return None
    seed = int(challenger.estimator.get_params(deep=False).get("seed", 7))
    candidate = Candidate(kind=chosen["kind"])
    made = make(candidate, live.model.features, chosen["settings"], threads=challenger.threads, seed=seed)
    return replace(_as_judged(live.model, evaluation.get("level") or {}), estimator=made, recalibration=IDENTITY)


def _as_judged(model: PropensityModel, level: Mapping[str, Any]) -> PropensityModel:
    """The model with the calibrator that its test slice was judged with: one that follows the level of the base has
    seen the outcomes of that slice since (`level_choice.LevelTrial.to_dict`), and one that keeps a fit side was fitted
    to it."""
    if model.kept_fit is None and not level.get("adopted"):
        return model
    return replace(model, calibrator=Affine(**level["judged"]), kept_fit=None)


def _compared(how: str, rows: pd.DataFrame, live: Any, challenger: Any) -> dict[str, Any]:
    frame = rows[["account_id", "family_id", "outcome"]].assign(champion=live, challenger=challenger)
    return {"how": how, "why": "", "paired": asdict(paired_loss(frame))}
