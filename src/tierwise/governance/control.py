"""The control group: what tiers came to with seller action and without, the lift, and when it can be read.

Each account counts once, by the published row of its draw, once that row's horizon has closed, and in the arm that was
drawn (intention to treat), whatever came later: so rows are independent, and that accounts leave the cohort once they
opened, sooner where action works, touches no figure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from tierwise.clock import naive
from tierwise.config.control import Control
from tierwise.governance.intervals import Figure
from tierwise.governance.plain import plain
from tierwise.governance.rules import DEFAULT_RULES, ReviewRules
from tierwise.learning.metrics import wilson
from tierwise.routing.control import CONTROL, TREATED, in_arms

ALL = "all"
MONTH_DAYS = 30.44
STRATA = ("tier", "share", "near")
LINE = (
    *("tier", "treated_n", "treated_outcomes", "treated", "treated_low", "treated_high"),
    *("control_n", "control_outcomes", "control", "control_low", "control_high"),
    *("lift", "lift_low", "lift_high", "alone", "maturing", "needed", "months", "outlook", "reading"),
)


@dataclass(frozen=True)
class ControlReview:
    """What the control group shows.

    lines : LINE by tier in which accounts were drawn, and of all tiers together last, `idle` ones left out. An account
        is one row: that of its draw, its horizon closed. treated and control are the shares with the outcome, lift
        their difference; over several strata (tier, share, near) all three go by the same weights. alone: rows of
        strata with one arm only, which are in no figure. maturing: control rows whose horizon is open. needed: control
        rows for a lift of `detect` to be seen; months: until so many have matured, 0 where they have, NaN where
        `outlook` says why not: `no_rate`, `no_pace` (nobody was drawn after the first run) or `impossible` (more than
        all would have the outcome); else it is `now` or `later`. reading: `too_few` (accounts or outcomes), `more`,
        `less`, `none` (enough cases, and no lift is told apart from 0) or `not_yet`.
    drawn : accounts by arm. mixed: accounts left out, as merges brought both arms together. lost: draws left out, as
        their rows no longer mature (the account was merged away, or the row was revised to a status). idle: tiers that
        have no seller's play on entering. since: of the first draw.
    """

    salt: str
    since: datetime | None
    drawn: Mapping[str, int]
    mixed: int
    lost: int
    idle: tuple[str, ...]
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
    as_of: datetime,
    base_rate: float | None = None,
    idle: tuple[str, ...] = (),
    rules: ReviewRules = DEFAULT_RULES,
) -> ControlReview | None:
    """What the control group shows; None where nobody was ever drawn.

    Parameters
    ----------
    log : draws as the store keeps them (`routing.control.DRAWN`, salt), of one salt. become : who each merged account
        has become. rows : `Matured.rows`. as_of : up to when draws are known. base_rate : taken for the rate without
        seller action until there is one. idle : tiers of the control that have no seller's play on entering.
    """
    if log.empty:
        return None
    arms, since = in_arms(log, become), pd.Timestamp(log["drawn_as_of"].min())
    mixed = set(arms.loc[arms["mixed"].astype(bool), "account_id"])
    own = log[(log["via"] == "") & ~log["account_id"].map(lambda a: become.get(a, a)).isin(mixed)]
    closes = own["row_as_of"] + timedelta(days=horizon_days)
    known = own.assign(closes=closes, open=closes > naive(data_through)).merge(
        rows[["account_id", "as_of", "outcome"]].rename(columns={"as_of": "row_as_of"}),
        on=["account_id", "row_as_of"], how="left", validate="1:1",
    )  # fmt: skip
    lost = ~known["open"] & known["outcome"].isna()
    known = known[~lost]
    pace = _Pace(since, naive(data_through), naive(as_of), horizon_days, base_rate)
    tiers = [tier for tier in dict.fromkeys((*control.tiers, *sorted(set(own["tier"])))) if tier not in idle]
    lines = [
        {"tier": tier, **_line(known[known["tier"].isin(tiers if tier == ALL else [tier])], control, rules, pace)}
        for tier in (*tiers, ALL)
    ]
    frame = pd.DataFrame(lines, columns=list(LINE))
    counts = {arm: int((own["arm"] == arm).sum()) for arm in (TREATED, CONTROL)}
    return ControlReview(
        str(log["salt"].iloc[-1]), since.to_pydatetime(), counts, len(mixed), int(lost.sum()), idle, control.detect,
        frame, _words(frame.iloc[-1].to_dict(), counts, control.detect, rules),
    )  # fmt: skip


@dataclass(frozen=True)
class _Pace:
    """When cases come: the first draw, how far outcomes and draws are known, the horizon, and the base rate."""

    since: pd.Timestamp
    through: datetime
    as_of: datetime
    horizon_days: int
    base_rate: float | None


@dataclass(frozen=True)
class Arms:
    """The shares of both arms and their difference, and how many rows of strata with one arm only are left out."""

    treated: Figure
    control: Figure
    lift: Figure
    alone: int


NOTHING = Figure(math.nan, math.nan, math.nan, 0)


def compared(rows: pd.DataFrame, level: float = 0.95) -> Arms:
    """The shares of the treated and of the control rows with the outcome, and their difference.

    In one stratum these are the shares with Wilson's intervals, and R. G. Newcombe's method 10 (Statistics in Medicine
    17, 1998). Over several, each arm's share is weighed by n_treated n_control / (n_treated + n_control) of the strata
    (W. G. Cochran, Biometrics 10, 1954), and intervals are put together by G. Y. Zou and A. Donner's MOVER (Statistics
    in Medicine 27, 2008); so the difference is always that of the two shares.

    Parameters
    ----------
    rows : independent ones: arm, outcome, and STRATA.
    """
    weights, found, alone = [], [], 0
    for _, part in rows.groupby(list(STRATA), dropna=False):
        y = {arm: part.loc[part["arm"] == arm, "outcome"] for arm in (TREATED, CONTROL)}
        n, m = len(y[TREATED]), len(y[CONTROL])
        if not n or not m:
            alone += n + m
            continue
        weights.append(n * m / (n + m))
        found.append([_counted(y[arm], level) for arm in (TREATED, CONTROL)])
    if not found:
        return Arms(NOTHING, NOTHING, NOTHING, alone)
    share = np.array(weights) / sum(weights)
    treated, control = (_mover(share, [pair[i] for pair in found]) for i in (0, 1))
    value = treated.value - control.value
    low = value - math.hypot(treated.value - treated.low, control.high - control.value)
    high = value + math.hypot(treated.high - treated.value, control.value - control.low)
    return Arms(treated, control, Figure(value, low, high, control.n), alone)


def _counted(outcome: pd.Series, level: float) -> Figure:
    low, high = wilson(float(outcome.sum()), len(outcome), level)
    return Figure(float(outcome.mean()), low, high, len(outcome))


def _mover(weights: np.ndarray[tuple[int], np.dtype[np.float64]], figures: list[Figure]) -> Figure:
    """The weighed sum of independent figures, its interval put together from theirs."""
    value, low, high = (np.array([getattr(f, name) for f in figures]) for name in ("value", "low", "high"))
    middle = float(weights @ value)
    below, above = (float(np.sqrt(((weights * gap) ** 2).sum())) for gap in (value - low, high - value))
    return Figure(middle, middle - below, middle + above, sum(f.n for f in figures))


def control_cases(rate: float, lift: float, share: float, power: float = 0.8, level: float = 0.95) -> float:
    """How many independent control cases show a relative lift over a rate with a power, where `share` of cases are
    control; NaN where no number does: where the rate with the lift would be more than 1, too.

    J. L. Fleiss, B. Levin and M. C. Paik, "Statistical methods for rates and proportions", 3rd ed. 2003, (4.18): for
    r = (1 - share) / share treated to a control case, (z_level sqrt((r + 1) p q) + z_power sqrt(r p_c q_c + p_t q_t))^2
    / (r (p_t - p_c)^2), p the mean of all cases. Two-sided.

    >>> round(control_cases(0.10, 0.5, 0.5))  # of each of two equal groups, to tell 10 % from 15 %
    686
    """
    with_action = rate * (1 + lift)
    if not 0 < rate < 1 or not 0 < share < 1 or not rate < with_action <= 1:
        return math.nan
    r = (1 - share) / share
    p = (rate + r * with_action) / (r + 1)
    alone = stats.norm.ppf((1 + level) / 2) * math.sqrt((r + 1) * p * (1 - p))
    both = stats.norm.ppf(power) * math.sqrt(r * rate * (1 - rate) + with_action * (1 - with_action))
    return float((alone + both) ** 2 / (r * (with_action - rate) ** 2))


def _line(rows: pd.DataFrame, control: Control, rules: ReviewRules, pace: _Pace) -> dict[str, Any]:
    ripe = rows[~rows["open"]]
    found = compared(ripe, rules.level)
    both = ripe.groupby(list(STRATA), dropna=False)["arm"].transform("nunique") > 1
    line: dict[str, Any] = {}
    for arm, figure in ((TREATED, found.treated), (CONTROL, found.control)):
        line |= {f"{arm}_n": figure.n, f"{arm}_outcomes": int(ripe.loc[both & (ripe["arm"] == arm), "outcome"].sum())}
        line |= {arm: figure.value, f"{arm}_low": figure.low, f"{arm}_high": figure.high}
    line |= {"lift": found.lift.value, "lift_low": found.lift.low, "lift_high": found.lift.high, "alone": found.alone}
    drawn = rows[rows["arm"] == CONTROL]
    line["maturing"] = int(drawn["open"].sum())
    share, rate = len(drawn) / len(rows) if len(drawn) else control.share, _rate(line, pace)
    needed = control_cases(rate, control.detect, share, rules.control_power, rules.level)
    needed = max(needed, float(rules.control_least_accounts)) if needed == needed else needed
    line |= {"needed": needed, "months": math.nan}
    if math.isnan(needed):
        line["outlook"] = "impossible" if rate * (1 + control.detect) > 1 else "no_rate"
    else:
        line["months"] = _months(needed, line["control_n"], drawn, pace)
        line["outlook"] = "no_pace" if math.isnan(line["months"]) else "later" if line["months"] else "now"
    return line | {"reading": _reading(line, rules)}


def _rate(line: Mapping[str, Any], pace: _Pace) -> float:
    """The rate without seller action that the number of cases is for: the control's, else what is nearest to it."""
    for arm in (CONTROL, TREATED):
        if line[f"{arm}_outcomes"]:
            return float(line[arm])
    return math.nan if pace.base_rate is None else pace.base_rate


def _months(needed: float, ripe: int, drawn: pd.DataFrame, pace: _Pace) -> float:
    """Months from as_of until so many control rows have matured: those that are maturing do on dates that are known,
    and further ones come at the pace of the draws after the first run's; NaN where more are wanted, and none came."""
    if ripe >= needed:
        return 0.0
    closes = drawn.loc[drawn["open"], "closes"].sort_values()
    missing = math.ceil(needed) - ripe
    if missing <= len(closes):
        days = (closes.iloc[missing - 1] - pd.Timestamp(pace.as_of)) / pd.Timedelta(days=1)
    else:
        later = int((drawn["drawn_as_of"] > pace.since).sum())
        elapsed = (pd.Timestamp(pace.as_of) - pace.since) / pd.Timedelta(days=1)
        if not later or elapsed <= 0:
            return math.nan
        days = (missing - len(closes)) / (later / elapsed) + pace.horizon_days
    return float(math.ceil(max(days / MONTH_DAYS, 1.0)))


def _reading(line: Mapping[str, Any], rules: ReviewRules) -> str:
    outcomes = line["treated_outcomes"] + line["control_outcomes"]
    least = min(line["treated_n"], line["control_n"])
    if least < rules.control_least_accounts or outcomes < rules.least_outcomes:
        return "too_few"
    if line["lift_low"] > 0 or line["lift_high"] < 0:
        return "more" if line["lift_low"] > 0 else "less"
    return "none" if line["outlook"] == "now" else "not_yet"


def _words(line: Mapping[str, Any], drawn: Mapping[str, int], detect: float, rules: ReviewRules) -> str:
    """What all tiers together show, in a sentence without its stop."""
    n = drawn[CONTROL]
    head = f"control group of {n:,} {'account' if n == 1 else 'accounts'}"
    says = reading_words(line, detect, rules)
    if not line["control_n"]:
        return f"{head}: none of it can be compared yet; {when(line, detect, rules)}"
    return (
        f"{head}: {_share(line, CONTROL)} had the outcome without seller action, {_share(line, TREATED)} of those "
        f"that could get it, a difference of {points(line['lift'])} "
        f"({100 * line['lift_low']:+.1f} to {100 * line['lift_high']:+.1f}): {says}"
    )


def reading_words(line: Mapping[str, Any], detect: float, rules: ReviewRules = DEFAULT_RULES) -> str:
    """What a line says, as the end of a sentence."""
    reading, later = line["reading"], when(line, detect, rules)
    if reading == "too_few":
        least = (
            f"{rules.control_least_accounts} accounts on each side and {rules.least_outcomes} outcomes are asked for"
        )
        return f"too few to be read ({least})" + ("" if line["outlook"] == "now" else f"; {later}")
    if reading == "none":
        return f"not told apart from 0, where {later}"
    if reading == "not_yet":
        return f"not to be read yet; {later}"
    return f"seller action {'adds' if reading == 'more' else 'costs'} outcomes"


def when(line: Mapping[str, Any], detect: float, rules: ReviewRules = DEFAULT_RULES) -> str:
    """When a lift can be read, as a clause.

    >>> when({"outlook": "later", "months": 7.0}, 0.5)
    'a lift of 50% can be read in about 7 months'
    >>> when({"outlook": "no_rate", "months": math.nan}, 0.5)
    'when a lift of 50% can be read cannot be foreseen, as no rate is known'
    """
    lift, outlook, months = f"a lift of {detect:.0%}", line["outlook"], line["months"]
    if outlook == "impossible":
        return f"{lift} is impossible, as more than all would have the outcome: state a smaller one (detect)"
    if outlook == "no_rate":
        return f"when {lift} can be read cannot be foreseen, as no rate is known"
    if outlook == "no_pace":
        return f"when {lift} can be read cannot be foreseen, as nobody was drawn since the first run"
    if outlook == "now":
        return f"{lift} would be seen by now in {rules.control_power:.0%} of cases"
    if months > 120:
        return f"{lift} can be read in more than 10 years: a larger share would show it sooner"
    return f"{lift} can be read in about {months:.0f} {'month' if months == 1 else 'months'}"


def points(value: float) -> str:
    """A difference of shares in percentage points.

    >>> points(0.051)
    '+5.1 points'
    """
    return f"{100 * value:+.1f} points"


def _share(line: Mapping[str, Any], arm: str) -> str:
    low, high = line[f"{arm}_low"], line[f"{arm}_high"]
    return f"{line[arm]:.1%} ({low:.1%} to {high:.1%}, n = {line[f'{arm}_n']:,})"
