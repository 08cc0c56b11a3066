"""Thresholds, hysteresis and dwell found by replaying a policy over past dates, for stated aims."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from tierwise.config.plan import Setting
from tierwise.config.policy import Bands, FitCuts, Policy, SignalCuts, TierRow, TimeInTier
from tierwise.errors import UsageError
from tierwise.learning.progress import Say, silent
from tierwise.learning.tuning import Span, seek
from tierwise.tiers.aims import Aims, Worth, kept, worth
from tierwise.tiers.bands import LEVELS, SCORE
from tierwise.tiers.inputs import Facts, read_accounts
from tierwise.tiers.replay import Past, replay
from tierwise.tiers.segments import cuts_of, numbers, open_to
from tierwise.tiers.shapes import BY_SCORE, TOP, asking, by_score, shapes
from tierwise.tiers.steps import pass_gates

LEAST_DATES = 4
"""So many dates with closed horizons must be left to tune on."""
HAIR = 0.1
"""An aim that is missed by no more than this share of it is missed by a hair: newer dates are never quite like those
that tuned, and the top tiers are sized to just below what they may hold."""
NEVER = -1e9
"""What a policy that may not be proposed is worth to the search."""
STEP = 0.5
"""How finely cuts are told."""
SIZINGS, SNUG = 6, 0.95
"""So often a trial's cuts are set anew, or until the top tiers hold so much of what they may."""
STARTS: tuple[Mapping[str, Setting], ...] = (
    {"stay_margin": 20.0, "minimum_stay_days": 28, "promotion_window_days": 0, "early": 0.1, "surge": 0},
    {"stay_margin": 12.0, "minimum_stay_days": 56, "promotion_window_days": 0, "early": 0.1, "surge": 1},
)
"""What the search begins with: a margin to stay with a short stay, and the other way round; an early cut so low that
accounts seldom cross it, as whom tier_3 holds is worth little and its coming and going is ping-pong too."""


@dataclass(frozen=True)
class Trial:
    """One policy that was tried, and what it was worth on the dates tuned on."""

    policy: Policy
    worth: Worth


@dataclass(frozen=True)
class Tuned:
    """A proposed policy beside the one there is.

    trials: all that were tried, the present one first. before, after: what the two are worth on the newest dates, which
    tuned nothing, `judged_from` on. tuned_on, judged_on: how many dates.
    """

    aims: Aims
    trials: tuple[Trial, ...]
    before: Worth
    after: Worth
    tuned_on: int
    judged_on: int
    judged_from: datetime

    @property
    def present(self) -> Policy:
        """The policy there is."""
        return self.trials[0].policy

    @property
    def aims_kept(self) -> list[dict[str, Any]]:
        """Whether the newest dates keep what was asked for, an aim a line (`aims.kept`)."""
        return kept(self.aims, self.after)

    @property
    def missed(self) -> list[dict[str, Any]]:
        """The aims that the newest dates do not keep."""
        return [line for line in self.aims_kept if not line["met"]]

    @property
    def failed(self) -> list[dict[str, Any]]:
        """Those of them that are missed by more than a hair, or where nobody could be counted."""
        return [line for line in self.missed if not line["short"] <= HAIR * line["asked"]]

    @property
    def worse(self) -> bool:
        """Whether on the newest dates the proposal is worth less than the present policy, apart from an aim that it
        misses and the present one keeps, which is `missed`."""
        return self.after.less_than(self.before)

    @property
    def sound(self) -> bool:
        """Whether the newest dates speak against the proposal in nothing: no aim is failed, and it is not worse."""
        return not self.failed and not self.worse

    @property
    def any_kept(self) -> bool:
        """Whether any policy, tried or present, keeps all aims on the dates tuned on."""
        return any(all(line["met"] for line in kept(self.aims, trial.worth)) for trial in self.trials)

    @cached_property
    def best(self) -> Trial:
        """The trial that is proposed: the first of those that are worth most."""
        return best_of(self.trials)

    @property
    def proposed(self) -> Policy:
        """The policy that is proposed; the present one where none is worth more."""
        return self.best.policy

    @cached_property
    def front(self) -> tuple[int, ...]:
        """The trials that no other one beats in outcomes held, in ping-pong and in accounts that stay put, at once."""
        points = np.array(
            [(t.worth.held, -t.worth.ping_pong, t.worth.lasting, -t.worth.top_share) for t in self.trials]
        )
        within = [t.worth.top_share <= self.aims.top_share * 1.02 for t in self.trials]
        beaten = [bool(((points >= p).all(1) & (points > p).any(1) & within).any()) for p in points]
        return tuple(i for i, (out, fits) in enumerate(zip(beaten, within, strict=True)) if fits and not out)


def best_of(trials: Sequence[Trial]) -> Trial:
    """The first of the trials that are worth most."""
    return max(trials, key=lambda t: t.worth.value)


def tune(
    dates: Sequence[Past],
    policy: Policy,
    aims: Aims,
    *,
    horizon_days: int,
    trials: int,
    seed: int,
    judge_from: datetime | None = None,
    sound: Callable[[Policy], bool] = lambda policy: True,
    say: Say = silent,
) -> Tuned:
    """Search the cuts above the minimum fit, the stay margin, the minimum stay and the promotion window, and whether a
    surge is worth what it moves.

    The dates from `judge_from` on, by default the newest quarter of those with closed horizons, tune nothing and judge
    both policies; the search sees only dates whose horizon had closed before them. The rows of tier_2 may be others,
    and those of tier_1 ask for an account score besides (`shapes`); the minimum fit, the rows of tier_3 and all other
    rules are people's, and stay. So does a least account score that the present policy asks of tier_1, whoever set it:
    one that an earlier proposal set counts as a person's the next time, and is not lowered again; that of a row of
    tier_2 is sized anew. A trial's cuts are set so that the top tiers come to hold as much as they may; TPE proposes
    (Bergstra et al. 2011), by `learning.tuning.seek`.

    sound: whether a policy may be proposed at all; one that may not is no trial.

    Raises
    ------
    UsageError : too few dates.
    """
    closed = [i for i, date in enumerate(dates) if not np.isnan(date.outcome).all()]
    newest = closed[-max(len(closed) // 4, 1) :]
    if judge_from is not None:
        newest = [i for i in closed if dates[i].as_of >= judge_from]
    if not newest:
        raise UsageError(
            "a policy was to be judged" + (f" on dates from {judge_from.date()} on" if judge_from else ""),
            found="none of the dates there has a closed horizon" if closed else "no date has a closed horizon",
            do="Give an earlier --judge-from, or load newer outcomes",
        )
    judged_from = dates[newest[0]].as_of
    seen = [i for i in closed if dates[i].as_of + timedelta(days=horizon_days) <= judged_from]
    if len(seen) < LEAST_DATES:
        raise UsageError(
            "a policy was to be tuned",
            found=f"{len(seen)} dates with closed horizons lie a horizon before judging begins on {judged_from.date()}",
            do=f"Give {LEAST_DATES} or more: an earlier --since, or a finer --every",
        )
    search = _Search(dates[: seen[-1] + 1], policy, aims, trials, sound, say)
    seek(search.space, search.worth, trials=trials, seed=seed, first=search.first)
    say(f"judging on {len(dates) - newest[0]} newer dates")
    before, after = (
        worth(replay(dates, p, counted_from=judged_from).figures, aims) for p in (policy, best_of(search.trials).policy)
    )
    return Tuned(aims, tuple(search.trials), before, after, len(seen), len(newest), judged_from)


class _Search:
    def __init__(
        self, dates: Sequence[Past], policy: Policy, aims: Aims, trials: int, sound: Callable[[Policy], bool], say: Say
    ) -> None:
        self.dates, self.policy, self.aims, self.count = dates, policy, aims, trials
        self.sound, self.say = sound, say
        self.least_early = STEP + max((v.lower.signal for v in policy.verticals), default=0.0)
        self.shapes = shapes(policy)
        pooled = _pooled(dates)
        facts = read_accounts(pooled, policy)
        self.facts = [
            replace(facts, score=numbers(pooled[SCORE]), open_to=open_to(pooled, shaped, facts.vertical))
            for shaped in (policy.model_copy(update={"rows": rows}) for rows in self.shapes)
        ]
        self.trials = [Trial(policy, worth(replay(dates, policy).figures, aims))]
        self.space = {
            "shape": Span(0, len(self.shapes) - 1),
            "fit_high": Span(min(policy.bands.fit.moderate + 2, 98.0), 98.0, STEP),
            "early": Span(0.05, 0.95),
            "moderate": Span(0.2, 1.0),
            "first": Span(0.2, 1.0),
            "stay_margin": Span(0.0, 40.0, 1.0),
            "minimum_stay_days": Span(0, 91, 7),
            "promotion_window_days": Span(0, 90, 15),
        }
        if policy.surge is not None:
            self.space["surge"] = Span(0, 1)

    @property
    def first(self) -> list[dict[str, Setting]]:
        """The settings tried before any is proposed: each start with each shape, the last shape first, and all else in
        the middle."""
        middle = {name: _middle(span) for name, span in self.space.items()}
        starts = [{name: value for name, value in start.items() if name in self.space} for start in STARTS]
        return [{**middle, **start, "shape": shape} for start in starts for shape in reversed(range(len(self.shapes)))]

    def worth(self, settings: Mapping[str, Setting]) -> float:
        try:
            made = self._sized(settings)
        except ValidationError:  # a segment's own cut beside those proposed is out of order
            return NEVER
        if made is None:
            return NEVER
        self.trials.append(made)
        best = best_of(self.trials).worth
        self.say(
            f"trial {len(self.trials) - 1} of {self.count}: holds {made.worth.held:.1%}; best {best.held:.1%} of the"
            f" outcomes with {best.top_share:.1%} of the accounts, ping-pong {best.ping_pong:.2%}"
        )
        return made.worth.value

    def _sized(self, settings: Mapping[str, Setting]) -> Trial | None:
        """The trial of some settings, its cuts such that the top tiers are as large as they may be; None: not sound.

        Time in tier makes them larger than the rows alone do, by how much a replay tells: the rows are then given so
        much less, and replayed again.
        """
        aim = wanted = self.aims.top_share
        tried: list[Trial] = []
        for _ in range(SIZINGS):
            policy = self._policy(settings, wanted)
            if not self.sound(policy):
                return None
            if tried and policy == tried[-1].policy:
                break
            tried.append(Trial(policy, worth(replay(self.dates, policy).figures, self.aims)))
            share = tried[-1].worth.top_share
            if SNUG * aim <= share <= aim or not share:
                break
            wanted = min(wanted * aim * (1 + SNUG) / 2 / share, 1.0)
        return best_of(tried)

    def _policy(self, settings: Mapping[str, Setting], top: float) -> Policy:
        """The policy of some settings; its cuts are those that make the top tiers as large as `top` by rows alone."""
        shape = int(settings["shape"])
        time = TimeInTier(**{name: settings[name] for name in TimeInTier.model_fields})
        surge = self.policy.surge if settings.get("surge") else None
        policy = self.policy.model_copy(update={"time_in_tier": time, "rows": self.shapes[shape], "surge": surge})
        fit = FitCuts(moderate=self.policy.bands.fit.moderate, high=float(settings["fit_high"]))

        def share(tier: str, moderate: float, high: float) -> float:
            bands = Bands(fit=fit, signal=SignalCuts(early=moderate / 2, moderate=moderate, high=high))
            return self._share(self.facts[shape], policy.model_copy(update={"bands": bands}), tier)

        if sum(map(by_score, policy.rows)) == 1:
            return self._scored(policy, settings, fit, top)
        least = _least_cut(lambda cut: share("tier_2", cut, TOP) <= top, 2 * STEP, TOP - STEP)
        moderate = _told(least + (1 - float(settings["moderate"])) * (TOP - STEP - least))
        high = _least_cut(lambda cut: share("tier_2", moderate, cut) <= top, moderate + STEP, TOP)
        first = float(settings["first"]) * min(share("tier_1", moderate, high), self.aims.first_share)
        high = _least_cut(lambda cut: share("tier_1", moderate, cut) <= first, high, TOP)
        early = min(max(_told(float(settings["early"]) * moderate), self.least_early), moderate - STEP)
        signal = SignalCuts(early=early, moderate=moderate, high=high)
        return policy.model_copy(update={"bands": Bands(fit=fit, signal=signal)})

    def _scored(self, policy: Policy, settings: Mapping[str, Setting], fit: FitCuts, top: float) -> Policy:
        """The same, where the account score says who is in tier_2: signal cuts are tier_1's and tier_3's.

        Tier_1's rows ask for the score which as many accounts reach as it may hold.
        """
        facts = self.facts[int(settings["shape"])]

        def made(high: float, score: float) -> Policy:
            early = min(max(_told(float(settings["early"]) * high), self.least_early), high - 2 * STEP)
            moderate = early + STEP + _told(float(settings["moderate"]) * (high - early - 2 * STEP))
            bands = Bands(fit=fit, signal=SignalCuts(early=early, moderate=moderate, high=high))
            rows = asking(policy.rows, max(leading, score), score)
            return policy.model_copy(update={"bands": bands, "rows": rows})

        def leads(cut: float) -> float:
            row = TierRow(row=BY_SCORE, tier="tier_1", fit=policy.minimum_fit, least={SCORE: cut})
            everyone = replace(facts, open_to=(np.ones(len(facts.score), dtype=bool),))
            return self._share(everyone, policy.model_copy(update={"rows": (row,)}), "tier_1")

        leading = _least_cut(lambda cut: leads(cut) <= self.aims.first_share, STEP, TOP)
        low = self.least_early + 2 * STEP
        first = float(settings["first"]) * min(self._share(facts, made(low, leading), "tier_1"), self.aims.first_share)
        high = _least_cut(lambda cut: self._share(facts, made(cut, leading), "tier_1") <= first, low, TOP)
        score = _least_cut(lambda cut: self._share(facts, made(high, cut), "tier_2") <= top, STEP, TOP)
        return made(high, score)

    @staticmethod
    def _share(facts: Facts, policy: Policy, tier: str) -> float:
        """The share of accounts that stand in a tier or above it by the rows alone."""
        level = pass_gates(replace(facts, cuts=cuts_of(policy, facts.segment, facts.vertical)), policy).level
        return float((level >= LEVELS[tier]).sum() / max(int((level >= LEVELS["recycle"]).sum()), 1))


def _middle(span: Span) -> Setting:
    """The middle of what a setting may be, on its grid."""
    low, high = float(span.low), float(span.high)
    step = float(span.step or 0)
    middle = low + (round((high - low) / 2 / step) * step if step else (high - low) / 2)
    return int(middle) if isinstance(span.low, int) else middle


def _told(cut: float) -> float:
    return round(cut / STEP) * STEP


def _least_cut(fits: Callable[[float], bool], low: float, high: float) -> float:
    """The least cut in steps from low to high that fits, where higher ones do too; high where none does."""
    below, above = round(low / STEP), round(high / STEP)
    while below < above:
        middle = (below + above) // 2
        below, above = (below, middle) if fits(middle * STEP) else (middle + 1, above)
    return below * STEP


def _pooled(dates: Sequence[Past]) -> pd.DataFrame:
    """The accounts of all dates as one frame, each row an account of its own, in order of its id."""
    frame = pd.concat([date.accounts for date in dates], ignore_index=True)
    return frame.assign(account_id=[f"{n:09d}" for n in range(len(frame))])
