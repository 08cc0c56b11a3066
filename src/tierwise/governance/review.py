"""The review: precision, calibration, movement and drift put together, with a verdict and the reasons for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

import pandas as pd

from tierwise import clock
from tierwise.config.control import Control
from tierwise.governance.calibration import CalibrationReview, calibration_review
from tierwise.governance.control import ALL, ControlReview, control_review
from tierwise.governance.disputes import Disputes, count_disputes
from tierwise.governance.drift import SCORES, drift_table
from tierwise.governance.intervals import Figure, counted
from tierwise.governance.kpis import KpiTable
from tierwise.governance.matured import matured
from tierwise.governance.movement import MovementReview, movement_review
from tierwise.governance.plain import plain
from tierwise.governance.precision import TierPrecision, precision_of
from tierwise.governance.rules import DEFAULT_RULES, ReviewRules
from tierwise.governance.words import p_words
from tierwise.learning.reliability import ADVICE

Verdict = Literal["steady", "watch", "act"]
VERDICTS: tuple[Verdict, ...] = ("steady", "watch", "act")
"""Calmest first; the review's verdict is the gravest of its reasons'."""

NO_CONTROL = Control()


@dataclass(frozen=True)
class Reason:
    """One reason for a verdict: what it calls for, what it is about, its words, and its figure with interval and n."""

    verdict: Verdict
    code: str
    words: str
    figure: Figure | None = None


@dataclass(frozen=True)
class Review:
    """The evidence of one as_of: `verdict`, its reasons (gravest first), and its parts.

    drift, kpis: None where they were not asked for. control: None where nobody was drawn into a control group.
    """

    plan: str
    as_of: datetime
    data_through: datetime
    horizon_days: int
    verdict: Verdict
    reasons: tuple[Reason, ...]
    precision: TierPrecision
    calibration: CalibrationReview
    movement: MovementReview
    drift: pd.DataFrame | None
    rules: ReviewRules
    disputes: Disputes
    kpis: KpiTable | None = None
    control: ControlReview | None = None

    def to_dict(self) -> dict[str, Any]:
        """The review as plain JSON values."""
        return {
            "plan": self.plan,
            "as_of": plain(self.as_of),
            "data_through": plain(self.data_through),
            "horizon_days": self.horizon_days,
            "verdict": self.verdict,
            "reasons": plain(self.reasons),
            "precision": self.precision.to_dict(),
            "calibration": self.calibration.to_dict(),
            "movement": self.movement.to_dict(),
            "drift": plain(self.drift),
            "disputes": self.disputes.to_dict(),
            "kpis": None if self.kpis is None else self.kpis.to_dict(),
            "rules": plain(self.rules),
            **({} if self.control is None else {"control": self.control.to_dict()}),
        }


def review(
    *,
    plan: str,
    as_of: datetime,
    horizon_days: int,
    data_through: datetime,
    published: pd.DataFrame,
    outcomes: pd.DataFrame,
    movements: pd.DataFrame,
    reference: Mapping[str, Any] | None = None,
    current: pd.DataFrame | None = None,
    base_rate: float | None = None,
    disputes: pd.DataFrame | None = None,
    kpis: KpiTable | None = None,
    draws: pd.DataFrame | None = None,
    become: Mapping[str, str] = MappingProxyType({}),
    terms: Control = NO_CONTROL,
    idle: tuple[str, ...] = (),
    rules: ReviewRules = DEFAULT_RULES,
) -> Review:
    """The review as of a date: nothing published after it, and no horizon that closes after it, is looked at.

    published, outcomes: as `matured` reads them. movements: as `movement_review` reads them. reference, current: as
    `drift_table` reads them; without both, drift is not reviewed, and a reason says so. base_rate: that of the rows
    the live model was trained on. disputes: the facts disputed by then (`count_disputes`). kpis: what happened by
    tier, which is no reason for a verdict. draws, become, terms, idle: of the control group, as `control_review` reads
    them.
    """
    through = min(data_through, as_of)
    published = _until(published, as_of)
    judged = matured(published, outcomes, horizon_days, through)
    precision = precision_of(judged, rules)
    calibration = calibration_review(judged.rows, rules, base_rate)
    movement = movement_review(_in_force(published), _until(movements, as_of), rules)
    control = None
    if draws is not None:
        control = control_review(
            draws[draws["drawn_as_of"] <= clock.naive(as_of)], become, judged.rows, terms, horizon_days=horizon_days,
            data_through=through, as_of=as_of, base_rate=base_rate, idle=idle, rules=rules,
        )  # fmt: skip
    drift = None if reference is None or current is None else drift_table(reference, current, rules)
    reasons = (
        *of_precision(precision, rules),
        *of_calibration(calibration, rules),
        *of_movement(movement, rules),
        *of_drift(drift, rules),
        *of_control(control),
    )
    ordered = tuple(sorted(reasons, key=lambda r: -VERDICTS.index(r.verdict)))
    return Review(
        plan, as_of, through, horizon_days, ordered[0].verdict, ordered, precision, calibration, movement, drift, rules,
        count_disputes(disputes), kpis, control,
    )  # fmt: skip


def of_precision(precision: TierPrecision, rules: ReviewRules) -> tuple[Reason, ...]:
    """What tier precision says: too few cases, tiers in the wrong order, or what tier_1 was worth."""
    base, first, second = precision.base, precision.tier("tier_1"), precision.tier("tier_2")
    outcomes = int(precision.by_tier["outcomes"].sum())
    if base.n < rules.least_rows or outcomes < rules.least_outcomes:
        words = (
            f"too few cases to judge the tiers: {outcomes} outcomes in {base.n} matured rows, "
            f"where {rules.least_outcomes} in {rules.least_rows} are the least"
        )
        return (Reason("watch", "too_few_cases", words, base),)
    if first.n < rules.least_rows:
        return (Reason("watch", "too_few_tier_1", _so_far(precision, rules), first),)
    told = f"tier_1 precision is {share_words(first)}"
    reasons = []
    if first.high < base.value:
        words = f"{told}, wholly below the base rate of {share_words(base)}"
        reasons.append(Reason("act", "tier_1_below_base", words, first))
    if second.n >= rules.least_rows and first.high < second.low:
        words = f"{told}, wholly below tier_2's {share_words(second)}"
        reasons.append(Reason("act", "tier_1_below_tier_2", words, first))
    elif second.n >= rules.least_rows and first.value < second.value:
        words = f"{told}, below tier_2's {share_words(second)}, though the intervals overlap"
        reasons.append(Reason("watch", "tier_1_not_above_tier_2", words, first))
    if not reasons:
        reasons.append(
            Reason("steady", "tier_1_precision", f"{told}, beside a base rate of {share_words(base)}", first)
        )
    return tuple(reasons)


def _so_far(precision: TierPrecision, rules: ReviewRules) -> str:
    """What is seen of a tier_1 that has too few rows to be judged."""
    base, first, second = precision.base, precision.tier("tier_1"), precision.tier("tier_2")
    rows = precision.judged.rows
    as_ofs = pd.Series(rows["as_of"].unique())
    accounts = int(rows.loc[rows["tier"] == "tier_1", "account_id"].nunique())
    of = "1 account" if accounts == 1 else f"{accounts} accounts"
    monthly = as_ofs.dt.strftime("%Y-%m").is_unique
    cases = f"{first.n} account-months of {of}" if monthly else f"{first.n} published rows ({of})"
    seen = [f"so far {first.value:.1%} ({first.low:.1%} to {first.high:.1%})"] if first.n else []
    seen += [f"tier_2 {second.value:.1%}"] if second.n else []
    told = ", ".join([*seen, f"base rate {base.value:.1%}"])
    return f"tier_1 cannot be judged yet: {cases}, {rules.least_rows} are the least; {told}"


def of_calibration(calibration: CalibrationReview, rules: ReviewRules) -> tuple[Reason, ...]:
    """What calibration says: too few cases, rejected (and how far off), or as predicted."""
    if calibration.n == 0 and calibration.without > 0:
        words = f"no propensity was published for {calibration.without} matured rows: there is no calibration to judge"
        return (Reason("steady", "no_propensity", words),)
    n, outcomes, ratio = calibration.n, calibration.outcomes, calibration.ratio
    if n < rules.least_rows or outcomes < rules.least_outcomes or math.isnan(calibration.p_value):
        words = (
            f"too few cases to judge calibration: {outcomes} outcomes in {n} matured rows with a propensity, "
            f"where {rules.least_outcomes} in {rules.least_rows} are the least"
        )
        return (Reason("watch", "too_few_calibration", words, ratio),)
    told = (
        f"observed is {ratio.value:.2f} times predicted ({ratio.low:.2f} to {ratio.high:.2f}, n = {n}, "
        f"{outcomes} outcomes), slope {calibration.slope:.2f}, {p_words(calibration.p_value)}"
    )
    worse = _of_constant(calibration)
    if not calibration.p_value < rules.calibration_alpha:
        return (Reason("steady", "calibration", f"calibration holds: {told}", ratio), *worse)
    off = abs(ratio.value - 1) > rules.calibration_ratio_off
    words = f"calibration is rejected: {told}" + ("" if worse else f". {ADVICE}")
    return (Reason("act" if off else "watch", "calibration_rejected", words, ratio), *worse)


def _of_constant(calibration: CalibrationReview) -> tuple[Reason, ...]:
    """That a constant had the lower log-loss: watched, or acted on where chance does not explain it."""
    found = calibration.constant
    if found is None or not found.worse:
        return ()
    words = f"{found.words}. {ADVICE}"
    return (Reason("act" if found.surely else "watch", "worse_than_constant", words),)


def of_movement(movement: MovementReview, rules: ReviewRules) -> tuple[Reason, ...]:
    """What movement says of the newest month: how many moved, and whether too many came straight back."""
    if movement.by_month.empty:
        return (Reason("watch", "no_movement", "no tier was published: there is no movement to judge"),)
    newest = movement.by_month.iloc[-1]
    n = int(newest["accounts"])
    figure = counted(int(newest["ping_pong"]), n, rules.level)
    told = f"{share_words(figure)} of the accounts of {newest['month']} came back to a tier they had left within"
    words = f"{told} {rules.ping_pong_days} days; {newest['share']:.1%} moved"
    if figure.value > rules.ping_pong_share:
        return (Reason("watch", "ping_pong", f"{words}; {rules.ping_pong_share:.0%} is the most", figure),)
    return (Reason("steady", "movement", words, figure),)


def of_drift(drift: pd.DataFrame | None, rules: ReviewRules) -> tuple[Reason, ...]:
    """What drift says: how many alarms and the largest, too few cases, or none; the table holds every line."""
    if drift is None:
        return (Reason("steady", "drift_not_asked", "drift was not reviewed: no reference, or no current rows"),)
    n = int(drift["n"].max()) if len(drift) else 0
    if n < rules.drift_least_rows:
        words = f"too few cases to test for drift: {n} current rows, where {rules.drift_least_rows} are the least"
        return (Reason("watch", "too_few_drift", words),)
    alarms = drift[drift["alarm"]].sort_values("psi", ascending=False, kind="stable")
    if alarms.empty:
        words = f"no alarm over {counted_lines(drift)} (largest PSI {drift['psi'].max():.2f}, n = {n})"
        return (Reason("steady", "drift", words),)
    first = alarms.iloc[0]
    told = (
        f"PSI {first['psi']:.2f}, {p_words(float(first['p_value']))}, n = {first['n']} against {first['reference_n']}"
    )
    words = f"{first['feature']} has drifted: {told}"
    if len(alarms) > 1:
        words = f"{len(alarms)} of {counted_lines(drift)} have drifted, most of all {first['feature']}: {told}"
    return (Reason("watch", "drift", words, Figure(float(first["psi"]), math.nan, math.nan, n)),)


def of_control(control: ControlReview | None) -> tuple[Reason, ...]:
    """What the control group says of seller action; that it costs outcomes is watched."""
    if control is None:
        return ()
    line = control.line(ALL)
    lift = Figure(line["lift"], line["lift_low"], line["lift_high"], int(line["control_n"]))
    return (Reason("watch" if line["reading"] == "less" else "steady", "control_group", control.words, lift),)


def counted_lines(drift: pd.DataFrame) -> str:
    """How many features and scores a drift table holds, in words."""
    scores = int(drift["feature"].isin(SCORES).sum())
    return f"{len(drift) - scores} features and {scores} scores" if scores else f"{len(drift)} features"


def share_words(figure: Figure) -> str:
    """A share with its interval and n, in words.

    >>> share_words(Figure(0.5, 0.4, 0.6, 96))
    '50.0% (40.0% to 60.0%, n = 96)'
    """
    return f"{figure.value:.1%} ({figure.low:.1%} to {figure.high:.1%}, n = {figure.n})"


def _until(frame: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    return frame[frame["as_of"] <= clock.naive(as_of)].reset_index(drop=True)


def _in_force(published: pd.DataFrame) -> pd.DataFrame:
    """What stood when it was published: backfills move nothing."""
    return published[~published["backfill"].astype(bool)]
