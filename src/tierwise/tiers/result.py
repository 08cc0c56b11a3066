"""What the steps came to, as a frame: the tier, who decided, what held it, what moved it, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import numpy as np
import pandas as pd

from tierwise.config.policy import COVERAGE_BANDS, FIT_BANDS, SIGNAL_BANDS, Policy
from tierwise.tiers.bands import LEVELS, NONE, Flags, Floats, Instants, Ints, Words, names
from tierwise.tiers.causes import Outcome, cause, movement
from tierwise.tiers.demotions import demotion, kept_by_old_scores, stay_ended
from tierwise.tiers.inputs import AT_ONCE, Facts, Prior
from tierwise.tiers.margin import Margin, margin
from tierwise.tiers.steps import Gates, Run, Standing
from tierwise.tiers.surge import lift
from tierwise.tiers.words import Story, why


@dataclass(frozen=True)
class Decided:
    """One as_of: what was read, and what the steps came to."""

    facts: Facts
    prior: Prior
    gates: Gates
    standing: Standing
    run: Run
    model_version: str
    by_policy: Flags
    """Whether the policy changed since the state, and is not known to leave the tier as it is."""

    @property
    def policy(self) -> Policy:
        """The policy."""
        return self.run.policy

    @property
    def as_of(self) -> np.datetime64:
        """The date."""
        return self.run.as_of

    @property
    def held(self) -> Ints:
        """The tier without a surge's lift, and without a person's override."""
        below = np.minimum(self.standing.unlifted, self.standing.final)
        return np.where(self.standing.overridden, self.standing.unlifted, below)

    @property
    def surge_until(self) -> Instants:
        """The end of the surge in force; NaT without one."""
        if self.policy.surge is None:
            return self.standing.clock.until
        end = self.as_of + np.timedelta64(self.policy.surge.days, "D")
        return np.where(self.standing.began, end, self.standing.clock.until)

    @property
    def tier_since(self) -> Instants:
        """Since when the tier or status has been what it is."""
        same = (self.standing.final == self.prior.level) & ~np.isnat(self.prior.tier_since)
        return np.where(same, self.prior.tier_since, self.as_of)

    @property
    def held_since(self) -> Instants:
        """Since when the tier held: `tier_since`, or, under a lift, as long as it has been held."""
        known = (self.held == self.prior.held) & ~np.isnat(self.prior.held_since)
        under = np.where(known, self.prior.held_since, self.as_of)
        return np.where(self.standing.final == self.held, self.tier_since, under)

    @property
    def moved_at(self) -> Instants:
        """The last change of the tier by rows, whatever capacity then left of it; not into or out of staleness or a low
        fit, which act at once."""
        by_rows = self.gates.open & ~np.isin(self.prior.row, AT_ONCE) & (self.prior.held >= 0)
        moved = self.standing.unlifted != self.prior.unlifted
        return np.where(by_rows & moved, self.as_of, self.prior.moved_at)

    @property
    def barred_until(self) -> Instants:
        """When its promotion window ends; NaT where it stands in none."""
        ends = self.moved_at + np.timedelta64(self.policy.time_in_tier.promotion_window_days, "D")
        return np.where(ends > self.as_of, ends, np.datetime64("NaT", "us"))

    @property
    def override_until(self) -> Instants:
        """The end of the override in force; NaT without one."""
        return np.where(self.standing.overridden, self.run.overrides.until, np.datetime64("NaT", "us"))


def result(run: Decided, words: bool) -> pd.DataFrame:
    """The frame that `decide` returns."""
    facts, gates, standing = run.facts, run.gates, run.standing
    decided_by = _decided_by(gates, standing, run.prior)
    moves = movement(run.prior.level, standing.final)
    kept = kept_by_old_scores(facts, run.prior, run.policy)
    stay_over = stay_ended(run.prior, standing, kept)
    outcome = Outcome(
        final=standing.final,
        standing=standing.lifted,
        held=run.held,
        row=gates.row,
        fit_band=gates.fit,
        asked=standing.asked,
        overridden=standing.overridden,
        stay_ended=stay_over & (run.held >= kept),
        by_policy=run.by_policy,
    )
    causes = cause(moves != "", outcome, run.prior, facts, run.policy, run.as_of, run.model_version)
    n, lacks = len(moves), margin(facts, standing.final, run.policy)
    columns = {
        "account_id": facts.account_id,
        "as_of": np.full(n, run.as_of),
        "tier": names(standing.final),
        "previous_tier": names(run.prior.level),
        "tier_since": run.tier_since,
        "fit_band": _band_words(FIT_BANDS, gates.fit, _known_fit(facts)),
        "signal_band": _band_words(SIGNAL_BANDS, gates.signal, facts.signal),
        "coverage": np.array([*COVERAGE_BANDS, ""], dtype=object)[facts.coverage],
        "decided_by": decided_by,
        "guardrails": _guardrails(run),
        "movement": moves,
        "cause": causes,
        "surge_until": run.surge_until,
        "surge_ended": standing.clock.ended,
        "row": gates.row,
        "why": _why(run, decided_by, moves, causes, lacks, stay_over) if words else np.full(n, "", dtype=object),
        "owner_id": facts.owner_id,
        "surge_began": standing.began,
        "held": names(run.held),
        "held_since": run.held_since,
        "standing": names(standing.lifted),
        "model_version": np.full(n, run.model_version, dtype=object),
        "policy_version": np.full(n, run.policy.version(), dtype=object),
        "decided_fit": _unless_spared(run, run.prior.fit_score, _known_fit(facts)),
        "decided_signal": _unless_spared(run, run.prior.signal_score, facts.signal),
        "moved_at": run.moved_at,
        "by_rows": names(standing.unlifted),
        "override_until": run.override_until,
        "segment": _named([g.segment for g in run.policy.segments], facts.segment),
        "vertical": _named(run.policy.vertical_names, facts.vertical),
        "next_tier": names(np.where(lacks.next_level < 0, NONE, lacks.next_level)),
        "lacks_fit": lacks.fit,
        "lacks_signal": lacks.signal,
        "lacks_score": lacks.score,
        "lacks_coverage": _named(COVERAGE_BANDS, lacks.coverage),
    }
    return pd.DataFrame({name: _column(values, once=name in ("account_id", "why")) for name, values in columns.items()})


def _column(values: np.ndarray[tuple[int], np.dtype[Any]], once: bool) -> pd.Series:
    """An array as a column; of words each distinct one is made once, but where hardly any stands twice."""
    if once or not values.dtype.hasobject:
        return pd.Series(values, dtype="str" if once else None)
    codes, distinct = pd.factorize(values)
    return pd.Series(distinct, dtype="str").take(codes).reset_index(drop=True)


def _named(words: Sequence[str], codes: Ints) -> Words:
    """The word of each code; `""` at -1."""
    table: Words = np.array([*words, ""], dtype=object)
    return table[codes]


def _known_fit(facts: Facts) -> Floats:
    """The fit scores, without what stands in for those that are not known."""
    return np.where(facts.fit_unknown, np.nan, facts.fit)


def _unless_spared(run: Decided, before: Floats, now: Floats) -> Floats:
    """The scores now; of an account spared a demotion those of the state before, from which it will fall if it does."""
    return np.where(run.standing.spared & ~np.isnan(before), before, now)


def _why(run: Decided, decided_by: Words, moves: Words, causes: Words, lacks: Margin, stay_over: Flags) -> Words:
    gates, standing = run.gates, run.standing
    story = Story(
        facts=run.facts,
        fit_band=gates.fit,
        signal_band=gates.signal,
        decided_by=decided_by,
        held_back=gates.stopped_by_fit | _misfit_lifted(run),
        entry=gates.level,
        before_lift=standing.unlifted,
        earned=standing.lifted,
        final=standing.final,
        unheld=standing.unheld,
        held_because=run.run.held_because,
        overrides=run.run.overrides,
        rooms=run.run.rooms,
        lacks=lacks,
        prior=run.prior.level,
        movement=moves,
        surge_until=run.surge_until,
        stay_until=standing.floors.until,
        barred_until=run.barred_until,
        as_of=run.as_of,
        fell=demotion(run.facts, run.prior, gates, standing, moves, causes, run.policy, stay_over),
    )
    return why(story, run.policy, run.as_of.astype("datetime64[s]").item().replace(tzinfo=UTC))


def _misfit_lifted(run: Decided) -> Flags:
    """Whether a surge or a person would have lifted a misfit."""
    lifted = run.standing.clock.in_force | (run.run.overrides.level > 0)
    return np.asarray((run.gates.row == "low_fit") & lifted, dtype=bool)


def _decided_by(gates: Gates, standing: Standing, prior: Prior) -> Words:
    kept = gates.open & (standing.kept > gates.level)
    by_stay = standing.floors.margin < standing.kept
    cases = [
        (standing.spared & (standing.final <= np.maximum(prior.level, 0)), "inputs_late"),
        ((standing.final < standing.lifted) & standing.by_owner, "owner_full"),
        (standing.final < standing.lifted, "capacity"),
        (standing.overridden, "override"),
        (standing.capped & (standing.final == LEVELS["tier_2"]), "fit_unknown"),
        (standing.lifted > standing.unlifted, "surge"),
        (kept & by_stay & ~standing.floors.inside, "calendar"),
        (kept & by_stay, "minimum_stay"),
        (kept, "stay_margin"),
        (gates.open & (standing.kept < gates.level) & standing.floors.barred, "promotion_window"),
    ]
    out = gates.row.copy()
    for case, name in reversed(cases):
        out[case] = name
    return out


def _guardrails(run: Decided) -> Words:
    """The rules that held, lowered or stopped a tier, joined by `;` in the order of the steps."""
    facts, gates, standing = run.facts, run.gates, run.standing
    clock = standing.clock
    higher = lift(standing.unlifted, gates.fit, facts, run.policy)
    liftable = gates.open & (higher > standing.unlifted)
    ceiling = gates.open & (higher == standing.unlifted) & (standing.unlifted < LEVELS["tier_1"])
    kept = gates.open & (standing.kept > gates.level)
    by_stay = kept & (standing.floors.margin < standing.kept)
    rules = [
        ("excluded", facts.excluded_by != ""),
        ("negative_trigger", facts.negative_trigger != ""),
        ("minimum_fit", gates.stopped_by_fit | _misfit_lifted(run)),
        ("fit_unknown", gates.stopped_by_unknown | standing.capped),
        ("stale", gates.stopped_by_age),
        ("surge_breadth", liftable & clock.narrow),
        ("surge_cool_down", liftable & clock.cooling),
        ("surge_ceiling", ceiling & clock.in_force),
        ("stay_margin", kept & ~by_stay),
        ("minimum_stay", by_stay & standing.floors.inside),
        ("calendar", by_stay & ~standing.floors.inside),
        ("promotion_window", standing.barred),
        ("override", standing.overridden),
        ("capacity", (standing.final < standing.lifted) & ~standing.by_owner),
        ("owner_full", (standing.final < standing.lifted) & standing.by_owner),
        ("inputs_late", standing.spared),
    ]
    bits = sum((held.astype(np.int64) << i for i, (_, held) in enumerate(rules)), np.zeros(len(kept), dtype=np.int64))
    codes, distinct = pd.factorize(bits)
    joined = [";".join(name for i, (name, _) in enumerate(rules) if bit >> i & 1) for bit in distinct.tolist()]
    named: Words = np.array(joined, dtype=object)[codes]
    return named


def _band_words(bands: tuple[str, ...], codes: Ints, scores: Floats) -> Words:
    return np.where(np.isnan(scores), "", np.array(bands, dtype=object)[codes]).astype(object)
