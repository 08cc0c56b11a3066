"""What a page is made of: frozen values of plain Python and pandas, nothing rendered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from tierwise.governance import DEFAULT_RULES, ControlReview, KpiTable


@dataclass(frozen=True)
class RunPage:
    """A scoring run, as its report.html shows it.

    Parameters
    ----------
    tiers : a row per account: `tiers::decide`'s result joined with `scores` (account_id, tier, previous_tier, cause or
        movement, decided_by, guardrails, why, propensity, account_score, fit_score, signal_score, base, fit_log_odds,
        signal_log_odds). Columns that are absent are shown as missing, but account_id and tier must be there.
    reasons : account_id, side, feature, value, value_as_of, log_odds, words.
    evaluation : `learning.Evaluation.to_dict()`; the keys read stand in `report/reading.py`.
    unavailable : part -> why it is not there; parts are tiers_before, reasons, evaluation, calibration, lift, intake,
        quarantine, refused. An absent part without a reason says that the run did not provide it.
    outcome : what is predicted, as a verb phrase ("open a new-business opportunity").
    late : what is said of each source that is late or short; where there is one, demotions were held.
    rules : why there is no usable model, where tiers go by rules; rule_notes : what is to be said of them.
    currency : of expected values ("": not named); no_value : why there are none.
    policy : what the policy says, in sentences (`tiers.spoken`).
    trained_as_of : the ISO date that the model was trained as of; where it is after as_of, the page is a look back.
    """

    plan: str
    as_of: datetime
    run_id: str
    model_version: str
    tiers: pd.DataFrame
    horizon_days: int
    policy_version: str = ""
    outcome: str = "reach the outcome"
    title: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    motions: Mapping[str, str] = field(default_factory=dict)
    data_through: Mapping[str, datetime] = field(default_factory=dict)
    reasons: pd.DataFrame | None = None
    evaluation: Mapping[str, object] | None = None
    intake: pd.DataFrame | None = None
    quarantine: pd.DataFrame | None = None
    refused: Sequence[tuple[str, str]] | None = None
    notes: Sequence[str] = ()
    unavailable: Mapping[str, str] = field(default_factory=dict)
    top: int = 12
    trained_as_of: str = ""
    late: Sequence[str] = ()
    rules: str = ""
    rule_notes: Sequence[str] = ()
    currency: str = ""
    no_value: str = ""
    policy: Sequence[str] = ()


@dataclass(frozen=True)
class ReviewPage:
    """The monthly evidence, as the review page shows it.

    Parameters
    ----------
    precision : `governance.TierPrecision.by_tier`: tier, n, accounts, outcomes, predicted, precision, low, high.
    trend : its `by_as_of`: as_of, tier, n, outcomes, precision, low, high.
    movement : `governance.MovementReview.by_month`: month, accounts, moved, share, ping_pong, ping_pong_share.
    movement_causes : its `by_cause`: month, cause, n.
    tiers_by_month : month, tier, n.
    calibration : `governance.CalibrationReview.to_dict()`; the keys read stand in `report/reading.py`.
    drift : `governance.drift_table`: feature, psi, p_value, alarm, n, reference_n; drift_alpha and drift_least_psi are
        the rules by which it raised its alarms.
    false_positives, false_negatives : account_id, as_of, tier, propensity, why: every such row, the surest first.
    kpis : what happened by tier (`governance.KpiTable`).
    unavailable : part (a field's name) -> why it is not there.
    """

    plan: str
    as_of: datetime
    verdict: str
    reasons: Sequence[str]
    horizon_days: int
    model_version: str = ""
    policy_version: str = ""
    outcome: str = "reach the outcome"
    title: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    data_through: Mapping[str, datetime] = field(default_factory=dict)
    base_rate: float | None = None
    precision: pd.DataFrame | None = None
    trend: pd.DataFrame | None = None
    movement: pd.DataFrame | None = None
    movement_causes: pd.DataFrame | None = None
    tiers_by_month: pd.DataFrame | None = None
    calibration: Mapping[str, object] | None = None
    drift: pd.DataFrame | None = None
    false_positives: pd.DataFrame | None = None
    false_negatives: pd.DataFrame | None = None
    notes: Sequence[str] = ()
    unavailable: Mapping[str, str] = field(default_factory=dict)
    drift_alpha: float = DEFAULT_RULES.drift_alpha
    drift_least_psi: float = DEFAULT_RULES.drift_least_psi
    disputes: pd.DataFrame | None = None
    kpis: KpiTable | None = None
    control: ControlReview | None = None


@dataclass(frozen=True)
class TrainingPage:
    """What a training came to, as its page shows it.

    Parameters
    ----------
    answer : its training.json: plan, predicts, horizon_days, data_through, verdict, why, do, published (words),
        evaluation (`learning.Evaluation.to_dict()`, or None), calibrator (the plan's), views (`explain.overview`, or
        None), beside_live and gate (how it compares with the live model, and `governance.Gate.to_dict()`; None where
        there is none), needs, unbeaten and helps (`governance.answer`), rubric (lines: words, points, unread;
        cannot_be_formed), value (`learning.Valued.report`, or None), fit_side (only where the plan freezes it:
        model_version, trained_as_of, frozen_until, thawed, and of one that is kept `learning.kept.reported`), refused,
        accepted, accepted_findings, notes.
    """

    answer: Mapping[str, object]
    as_of: datetime
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AccountsPage:
    """The console's list: the accounts that match, one page of them, and how many stand in each tier."""

    plan: str
    as_of: datetime
    run_id: str
    model_version: str
    rows: pd.DataFrame
    matched: int
    counts: Mapping[str, int]
    tier: str = ""
    query: str = ""
    page: int = 1
    pages: int = 1
    labels: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AccountPage:
    """One account in the console: its row of `tiers` joined with `scores`, and its reasons (None: not published).

    disputed : what was not read of it as people had marked it wrong, a sentence each.
    """

    plan: str
    as_of: datetime
    run_id: str
    model_version: str
    row: Mapping[str, object]
    reasons: pd.DataFrame | None
    labels: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    currency: str = ""
    no_value: str = ""
    disputed: Sequence[str] = ()


@dataclass(frozen=True)
class ReplayPage:
    """A policy over past dates, as its page shows it.

    Parameters
    ----------
    values : `jobs.replay_values` as JSON values; `tiers.Figures` says what its tables hold.
    outcome : what is predicted, as a verb phrase.
    policy, second : what the policy, and the one beside it, say in sentences (`tiers.spoken`).
    """

    values: Mapping[str, Any]
    outcome: str
    horizon_days: int
    labels: Mapping[str, str] = field(default_factory=dict)
    policy: Sequence[str] = ()
    second: Sequence[str] = ()


@dataclass(frozen=True)
class MovementsPage:
    """What moved between two runs, as its pages show it.

    Parameters
    ----------
    values : report.json of `jobs.report` as JSON values.
    moves : a row an account of either run, as `jobs.moved` gives it.
    outcome : what is predicted, as a verb phrase. motions : tier -> what it calls for.
    """

    values: Mapping[str, Any]
    moves: pd.DataFrame
    outcome: str
    labels: Mapping[str, str] = field(default_factory=dict)
    motions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TunePage:
    """A proposed policy, as its page shows it.

    Parameters
    ----------
    values : `jobs.tune_values` as JSON values.
    diff : the lines of policy.yaml that would change. outcome : what is predicted, as a verb phrase.
    """

    values: Mapping[str, Any]
    diff: str
    outcome: str
    horizon_days: int
    labels: Mapping[str, str] = field(default_factory=dict)
