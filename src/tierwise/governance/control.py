"""The control group: what tiers came to with seller action and without, the lift, and when it can be read.

Whoever is drawn stays in the arm that was drawn (intention to treat): an account that sellers worked all the same, or
that was named later, counts where it was drawn. Accounts that opened leave the cohort, sooner where action works, so
that the later rows of those acted on hold somewhat fewer who would have opened: the lift is rather understated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
from scipy import stats

from tierwise.clock import naive
from tierwise.config.control import Control
from tierwise.governance.intervals import Figure, effective_n
from tierwise.governance.plain import plain
from tierwise.governance.rules import DEFAULT_RULES, ReviewRules
from tierwise.learning.metrics import wilson
from tierwise.routing.control import CONTROL, TREATED, in_arms

ALL = "all"
MONTH_DAYS = 30.44
LINE = (
    *("tier", "treated_n", "treated_accounts", "treated_outcomes", "treated", "treated_low", "treated_high"),
    *("control_n", "control_accounts", "control_outcomes", "control", "control_low", "control_high"),
    *("lift", "lift_low", "lift_high", "needed", "months", "reading"),
)


@dataclass(frozen=True)
class ControlReview:
    """What the control group shows.

    lines : LINE by tier, and of all tiers together last. Rows are published rows in the tier since the account's draw
        whose horizon has closed; treated and control are the shares with the outcome, lift their difference. needed:
        control rows (as many as are independent) for a lift of `detect` to be seen; months: until then, 0 where that
        many are there, NaN where it cannot be said. reading: `more`, `less`, `none` (there are enough cases, and no
        lift is told apart from 0) or `not_yet`.
    drawn : accounts by arm. mixed: accounts left out, as merges brought both arms together. since: of the first draw.
    """

    salt: str
    since: datetime | None
    drawn: Mapping[str, int]
    mixed: int
    detect: float
    lines: pd.DataFrame
    words: str

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return dict(plain(self))

    def line(self, tier: str = ALL) -> dict[str, Any]:
        """The figures of one tier, or of all together."""
        return dict(self.lines.set_index("tier").loc[tier])


def control_review(
    log: pd.DataFrame,
    become: Mapping[str, str],
    rows: pd.DataFrame,
    control: Control,
    *,
    horizon_days: int,
    data_through: datetime,
    base_rate: float | None = None,
    rules: ReviewRules = DEFAULT_RULES,
) -> ControlReview | None:
    """What the control group shows; None where nobody was ever drawn.

    Parameters
    ----------
    log : draws as the store keeps them (`routing.control.DRAWN`, salt), of one salt. become : who each merged account
        has become. rows : `Matured.rows`. base_rate : taken for the rate without seller action until there is one.
    """
    if log.empty:
        return None
    known = in_arms(log, become)
    arms = known[~known["mixed"].astype(bool)]
    since = pd.Timestamp(log["drawn_as_of"].min())
    held = rows.drop(columns=["share", "near"], errors="ignore")
    held = held[held["tier"].isin(control.tiers)].merge(
        arms[["account_id", "arm", "share", "near", "row_as_of"]], on="account_id"
    )
    held = held[held["as_of"] >= held["row_as_of"]]
    elapsed = (naive(data_through) - since).total_seconds() / 86_400 / MONTH_DAYS
    lines = []
    for tier in (*control.tiers, ALL):
        mine = held if tier == ALL else held[held["tier"] == tier]
        group = arms if tier == ALL else arms[arms["tier"] == tier]
        accounts = int((group["arm"] == CONTROL).sum())
        pace = accounts / (horizon_days / MONTH_DAYS)
        lines.append({"tier": tier, **_line(mine, control, rules, _Pace(elapsed, pace, base_rate))})
    frame = pd.DataFrame(lines, columns=list(LINE))
    counts = {arm: int((known["arm"] == arm).sum()) for arm in (TREATED, CONTROL)}
    return ControlReview(
        str(log["salt"].iloc[-1]), since.to_pydatetime(), counts, int(known["mixed"].sum()), control.detect, frame,
        _words(frame.iloc[-1].to_dict(), counts, control.detect, rules),
    )  # fmt: skip


@dataclass(frozen=True)
class _Pace:
    """How cases come: months since the first draw, control cases a month before any matured, and the base rate."""

    elapsed: float
    nominal: float
    base_rate: float | None


def arm_share(rows: pd.DataFrame, level: float = 0.95) -> Figure:
    """The share of an arm's rows with the outcome, with an interval that also holds where few accounts give many rows.

    Wilson's on the effective number of rows, which is lowered by (z / t)^2, t on accounts - 1 degrees of freedom
    (E. L. Korn and B. I. Graubard, "Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data", Survey Methodology 24, 1998).
    """
    y, n = rows["outcome"].to_numpy(dtype=float), len(rows)
    if n == 0:
        return Figure(math.nan, 0.0, 1.0, 0)
    cases = _cases(rows, level)
    low, high = wilson(min(float(y.mean()) * cases, cases), cases, level)
    return Figure(float(y.mean()), low, high, n)


def _cases(rows: pd.DataFrame, level: float) -> float:
    """How many independent rows tell as much as these."""
    if rows.empty:
        return 0.0
    cases, accounts = effective_n(rows["outcome"], rows["account_id"]), rows["account_id"].nunique()
    if accounts == len(rows) or accounts < 2:
        return min(cases, float(accounts))
    tail = (1 + level) / 2
    return float(cases * (stats.norm.ppf(tail) / stats.t.ppf(tail, accounts - 1)) ** 2)


def lift_of(rows: pd.DataFrame, level: float = 0.95) -> Figure:
    """The share of the treated rows less that of the control rows, over the terms by which accounts were drawn.

    Differences by terms (share, near) are weighed by n_treated n_control / (n_treated + n_control) (W. G. Cochran,
    "Some methods for strengthening the common chi-square tests", Biometrics 10, 1954). The interval puts those of the
    shares together: of one term R. G. Newcombe's method 10 (Statistics in Medicine 17, 1998), of several G. Y. Zou and
    A. Donner's (Statistics in Medicine 27, 2008). n: the control rows.
    """
    weights, found = [], []
    for _, part in rows.groupby(["share", "near"], dropna=False):
        arms = {arm: part[part["arm"] == arm] for arm in (TREATED, CONTROL)}
        n, m = (len(arms[arm]) for arm in (TREATED, CONTROL))
        if n and m:
            weights.append(n * m / (n + m))
            found.append((arm_share(arms[TREATED], level), arm_share(arms[CONTROL], level)))
    if not found:
        return Figure(math.nan, math.nan, math.nan, 0)
    total = sum(weights)
    value, below, above = 0.0, 0.0, 0.0
    for weight, (p, q) in zip(weights, found, strict=True):
        w = weight / total
        value += w * (p.value - q.value)
        below += w**2 * ((p.value - p.low) ** 2 + (q.high - q.value) ** 2)
        above += w**2 * ((p.high - p.value) ** 2 + (q.value - q.low) ** 2)
    return Figure(value, value - math.sqrt(below), value + math.sqrt(above), sum(q.n for _, q in found))


def control_cases(rate: float, lift: float, share: float, power: float = 0.8, level: float = 0.95) -> float:
    """How many independent control cases show a relative lift over a rate with a power, where `share` of cases are
    control; NaN where no number does.

    J. L. Fleiss, B. Levin and M. C. Paik, "Statistical methods for rates and proportions", 3rd ed. 2003, (4.18): for
    r = (1 - share) / share treated to a control case, (z_level sqrt((r + 1) p q) + z_power sqrt(r p_c q_c + p_t q_t))^2
    / (r (p_t - p_c)^2), p the mean of all cases. Two-sided.

    >>> round(control_cases(0.10, 0.5, 0.5))  # of each of two equal groups, to tell 10 % from 15 %
    686
    """
    with_action = min(rate * (1 + lift), 1.0)
    if not 0 < rate < 1 or not 0 < share < 1 or with_action <= rate:
        return math.nan
    r = (1 - share) / share
    p = (rate + r * with_action) / (r + 1)
    alone = stats.norm.ppf((1 + level) / 2) * math.sqrt((r + 1) * p * (1 - p))
    both = stats.norm.ppf(power) * math.sqrt(r * rate * (1 - rate) + with_action * (1 - with_action))
    return float((alone + both) ** 2 / (r * (with_action - rate) ** 2))


def _line(rows: pd.DataFrame, control: Control, rules: ReviewRules, pace: _Pace) -> dict[str, Any]:
    arms = {arm: rows[rows["arm"] == arm] for arm in (TREATED, CONTROL)}
    line: dict[str, Any] = {}
    for arm, part in arms.items():
        figure = arm_share(part, rules.level)
        line |= {f"{arm}_n": figure.n, f"{arm}_accounts": part["account_id"].nunique()}
        line |= {f"{arm}_outcomes": int(part["outcome"].sum()), arm: figure.value}
        line |= {f"{arm}_low": figure.low, f"{arm}_high": figure.high}
    lift = lift_of(rows, rules.level)
    line |= {"lift": lift.value, "lift_low": lift.low, "lift_high": lift.high}
    cases = _cases(arms[CONTROL], rules.level)
    share = len(arms[CONTROL]) / len(rows) if len(arms[CONTROL]) else control.share
    needed = control_cases(_rate(line, pace), control.detect, share, rules.control_power, rules.level)
    line |= {"needed": needed, "months": _months(needed, cases, pace)}
    return line | {"reading": _reading(line, rules)}


def _rate(line: Mapping[str, Any], pace: _Pace) -> float:
    """The rate without seller action that the number of cases is for: the control's, else what is nearest to it."""
    for arm in (CONTROL, TREATED):
        if line[f"{arm}_outcomes"]:
            return float(line[arm])
    return math.nan if pace.base_rate is None else pace.base_rate


def _months(needed: float, cases: float, pace: _Pace) -> float:
    """Months until so many control cases are there, at the pace so far; before any matured, of one case an account and
    horizon."""
    if math.isnan(needed) or cases >= needed:
        return math.nan if math.isnan(needed) else 0.0
    monthly = cases / pace.elapsed if cases and pace.elapsed > 0 else pace.nominal
    return math.ceil(max(needed / monthly - pace.elapsed, 1.0)) if monthly > 0 else math.nan


def _reading(line: Mapping[str, Any], rules: ReviewRules) -> str:
    accounts = min(line["treated_accounts"], line["control_accounts"])
    outcomes = line["treated_outcomes"] + line["control_outcomes"]
    if accounts < rules.control_least_accounts or outcomes < rules.least_outcomes:
        return "not_yet"
    if line["lift_low"] > 0 or line["lift_high"] < 0:
        return "more" if line["lift_low"] > 0 else "less"
    return "none" if line["months"] == 0 else "not_yet"


def _words(line: Mapping[str, Any], drawn: Mapping[str, int], detect: float, rules: ReviewRules) -> str:
    """What all tiers together show, in a sentence without its stop."""
    n = drawn[CONTROL]
    head = f"control group of {n:,} {'account' if n == 1 else 'accounts'}"
    later = f"a lift of {detect:.0%} {when(line['months'], rules)}"
    if not line["control_n"] or not line["treated_n"]:
        return f"{head}: no row of it has matured; {later}"
    told = (
        f"{head}: {_share(line, CONTROL)} had the outcome without seller action, {_share(line, TREATED)} with it, "
        f"a difference of {points(line['lift'])} ({100 * line['lift_low']:+.1f} to {100 * line['lift_high']:+.1f})"
    )
    if line["reading"] == "not_yet":
        return f"{told}: not to be read yet; {later}"
    if line["reading"] == "none":
        return f"{told}: not told apart from 0, where {later}"
    return f"{told}: seller action {'adds outcomes' if line['reading'] == 'more' else 'costs outcomes'}"


def when(months: float, rules: ReviewRules = DEFAULT_RULES) -> str:
    """When a lift can be read, as the end of a sentence.

    >>> when(7), when(1), when(float("nan"))
    ('can be read in about 7 months', 'can be read in about 1 month', 'cannot be foreseen, as no rate is known')
    """
    if math.isnan(months):
        return "cannot be foreseen, as no rate is known"
    if months == 0:
        return f"would be seen by now in {rules.control_power:.0%} of cases"
    if months > 120:
        return "can be read in more than 10 years: a larger share would show it sooner"
    return f"can be read in about {months:.0f} {'month' if months == 1 else 'months'}"


def points(value: float) -> str:
    """A difference of shares in percentage points.

    >>> points(0.051)
    '+5.1 points'
    """
    return f"{100 * value:+.1f} points"


def _share(line: Mapping[str, Any], arm: str) -> str:
    low, high = line[f"{arm}_low"], line[f"{arm}_high"]
    return f"{line[arm]:.1%} ({low:.1%} to {high:.1%}, n = {line[f'{arm}_n']:,})"
