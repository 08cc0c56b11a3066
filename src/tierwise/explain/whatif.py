"""What would move an account: the fewest events that people can bring about and that reach the next tier."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tierwise.config.policy import COVERAGE_BANDS, FIT_BANDS, STATUSES, TIERS, Policy, TierRow
from tierwise.explain.holds import NEXT, NOTHING, Holds
from tierwise.features.catalogue import role_words
from tierwise.features.happening import Happening, able_to, counts_of, happened

if TYPE_CHECKING:
    from tierwise.config import Plan
    from tierwise.explain.observed import Observed

Decide = Callable[[pd.DataFrame], pd.DataFrame]
"""Rows of a matrix, each a scenario of the one account under an id of its own -> tier, fit_band, signal_band, segment,
vertical, coverage, propensity, fit_score, signal_score and beyond (above all that the model gave in training) of each,
by the model and the policy that are live; capacity, the promotion window and people's overrides apart."""
MOST_EVENTS = 3
MOST_TRIED = 5000
"""Events of a number are tried together only where they make no more scenarios than this."""
SHOWN = 3
"""So many ways are told."""


@dataclass(frozen=True)
class Way:
    """Events that together reach the wanted tier, and where the account would stand."""

    events: tuple[Happening, ...]
    tier: str
    propensity: float
    signal_score: float
    coverage: str
    needs: tuple[str, ...] = ()
    """What must be found first: a contact in a role that none is known in."""
    beyond: bool = False
    """Whether its propensity is above all that the model gave in training: it is not told."""

    @property
    def roles(self) -> frozenset[str]:
        """The roles that the events ask for."""
        return frozenset(e.role for e in self.events if e.role)

    @property
    def words(self) -> str:
        """The events as people say them."""
        return spoken_events(self.events)

    def to_dict(self) -> dict[str, Any]:
        """The way as JSON values."""
        said = {"events": self.words, "tier": self.tier, "propensity": self.propensity}
        return said | {"signal_score": self.signal_score, "needs": list(self.needs)}


@dataclass(frozen=True)
class WhatIf:
    """The ways to the next tier (none where no events reach it), and what stands in between, in words.

    wanted: the next tier, "" where there is none. nearest: where nothing reaches it, what so many events would do.
    held: what decides in place of events, in a sentence; no way was tried then.
    """

    tier: str
    wanted: str
    ways: tuple[Way, ...] = ()
    between: tuple[str, ...] = ()
    nearest: Way | None = None
    tried: int = 0
    held: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON values."""
        nearest = None if self.nearest is None else self.nearest.to_dict()
        said: dict[str, Any] = {"tier": self.tier, "wanted": self.wanted, "held": self.held, "tried": self.tried}
        return said | {"ways": [w.to_dict() for w in self.ways], "between": list(self.between), "nearest": nearest}


def what_if(
    row: pd.DataFrame,
    tier: str,
    plan: Plan,
    policy: Policy,
    decide: Decide,
    *,
    observed: Observed | None = None,
    contacts: Mapping[str, int] | None = None,
    holds: Holds = NOTHING,
) -> WhatIf:
    """The nearest events that lift one account from its tier, tried in order of their number.

    Parameters
    ----------
    row : the account's row of the matrix. tier : where it stands now.
    observed : what training has seen; no count is tried beyond it, unless it stands there already.
    contacts : role -> how many of the account's contacts hold it. holds : what the run set beside its bands.
    """
    if tier in STATUSES or tier == "suppress":
        return WhatIf(tier, "", held=_barred(tier, row))
    wanted = NEXT[tier]
    if holds.decides or not wanted:
        return WhatIf(tier, wanted, held=holds.decides)
    now, ways, tried, beyond = decide(row).iloc[0], list[Way](), 0, False
    policy = policy.model_copy(update={"bands": policy.bands_for(now["segment"], now["vertical"])})
    if now["tier"] in _LATE or _reaches(now["tier"], wanted):
        stands = _LATE.get(now["tier"], f"in {now['tier']} already")
        return WhatIf(tier, wanted, held=f"by what is known today of that date it is {stands}: score that date again")
    for groups, frame in _scenarios(row, plan, observed):
        ways = _ways(groups, decide(frame), contacts or {})
        tried += len(ways)
        reached = [w for w in ways if _reaches(w.tier, wanted) and not w.beyond]
        beyond |= any(_reaches(w.tier, wanted) for w in ways if w.beyond)
        if reached:
            ranked = sorted(reached, key=lambda w: (len(w.needs), len(w.roles), -w.propensity))
            return WhatIf(tier, wanted, tuple(_distinct(ranked)[:SHOWN]), holds.between, None, tried)
    told = (w for w in ways if not w.beyond)
    nearest = max(told, key=lambda w: (w.signal_score, -len(w.needs)), default=None)
    between = (_BEYOND,) if beyond else _between(now, ways, wanted, policy, contacts or {})
    return WhatIf(tier, wanted, (), (*between, *holds.between), nearest, tried)


def _reaches(tier: str, wanted: str) -> bool:
    """Whether a tier is as high as the wanted one; a status is none."""
    return tier in TIERS and TIERS.index(tier) <= TIERS.index(wanted)


def _scenarios(
    row: pd.DataFrame, plan: Plan, observed: Observed | None
) -> Iterator[tuple[list[tuple[Happening, ...]], pd.DataFrame]]:
    """Single events, then pairs, then threes: the events of each scenario, and its row under an id of its own."""
    events = able_to(plan)
    groups: list[tuple[Happening, ...]] = [()]
    frame = row
    for _ in range(MOST_EVENTS):
        grown, frames = list[tuple[Happening, ...]](), list[pd.DataFrame]()
        for k, event in enumerate(events):
            able = np.array([not g or events.index(g[-1]) <= k for g in groups], dtype=bool)
            raised = happened(frame[able], plan, event)
            kept = _seen(raised, row, plan, event, observed)
            frames.append(raised[kept])
            grown += [(*g, event) for g, keep in zip(compress(groups, able), kept, strict=True) if keep]
        if not grown or len(grown) > MOST_TRIED:
            return
        groups, frame = grown, pd.concat(frames, ignore_index=True)
        frame["account_id"] = [f"{n:06d}" for n in range(len(groups))]
        yield groups, frame


def spoken_events(events: Sequence[Happening]) -> str:
    """Events as people say them: "2 times a meeting and a webinar"."""
    said = [e.words for e in events]
    lines = [w if said.count(w) == 1 else f"{said.count(w)} times {w}" for w in dict.fromkeys(said)]
    return " and ".join(lines)


def _seen(
    raised: pd.DataFrame, row: pd.DataFrame, plan: Plan, event: Happening, observed: Observed | None
) -> npt.NDArray[np.bool_]:
    """Whether no count that the event raises has left what training has seen."""
    kept = np.ones(len(raised), dtype=bool)
    for name in counts_of(plan, event) if observed is not None else ():
        if observed is not None and name in observed.features:
            most = np.fmax(observed.seen_up_to(name), row[name].iloc[0])
            kept &= ~(raised[name].to_numpy(dtype=np.float64) > most)
    return kept


def _ways(groups: Sequence[tuple[Happening, ...]], decided: pd.DataFrame, contacts: Mapping[str, int]) -> list[Way]:
    said = decided.sort_values("account_id", kind="stable")
    columns = said[["tier", "propensity", "signal_score", "coverage", "beyond"]].itertuples(index=False, name=None)
    return [
        Way(events, str(tier), float(p), float(signal), str(coverage), _needs(events, contacts), bool(beyond))
        for events, (tier, p, signal, coverage, beyond) in zip(groups, columns, strict=True)
    ]


def _needs(events: Sequence[Happening], contacts: Mapping[str, int]) -> tuple[str, ...]:
    roles = dict.fromkeys(e.role for e in events if e.role and not contacts.get(e.role))
    return tuple(
        f"the {role_words(role)} must be found: no contact of the account is known to be one" for role in roles
    )


def _distinct(ways: Sequence[Way]) -> list[Way]:
    """Ways told once: of ways by the same activities, the one that asks least of people."""
    kept: dict[tuple[tuple[str, str], ...], Way] = {}
    for way in ways:
        kept.setdefault(tuple((e.channel, e.kind) for e in way.events), way)
    return list(kept.values())


def _barred(tier: str, row: pd.DataFrame) -> str:
    if tier == "suppress":
        excluded = row["excluded_by"].iloc[0]
        why = f"an exclusion ({excluded})" if excluded else "a negative trigger"
        return f"{why} suppresses it: nothing that people do with it lifts that".replace("_", " ")
    return f"it has the status {tier.replace('_', ' ')}, and tiers do not apply to it"


def _between(
    now: pd.Series, ways: Sequence[Way], wanted: str, policy: Policy, contacts: Mapping[str, int]
) -> tuple[str, ...]:
    """The guardrails that stand in between: of the wanted tier's rows, what that lacks which lacks the least."""
    if FIT_BANDS.index(now["fit_band"]) < FIT_BANDS.index(policy.minimum_fit):
        cut = getattr(policy.bands.fit, policy.minimum_fit)
        return (f"minimum fit: it has {_score(now['fit_score'])}, and below {cut:g} it is recycled; {_FIT_STAYS}",)
    rows = [r for r in policy.rows if r.tier == wanted]
    lacking = [_lacking(now, ways, r, policy, contacts) for r in rows]
    return min(lacking, key=len) if lacking else (f"the policy has no row for {wanted}",)


def _lacking(
    now: pd.Series, ways: Sequence[Way], row: TierRow, policy: Policy, contacts: Mapping[str, int]
) -> tuple[str, ...]:
    """What a tier row asks for and no way tried gives, in words."""
    found = []
    if FIT_BANDS.index(now["fit_band"]) < FIT_BANDS.index(row.fit):
        cut = getattr(policy.bands.fit, row.fit)
        found.append(f"fit: {row.tier} asks for {cut:g}, and it has {_score(now['fit_score'])}; {_FIT_STAYS}")
    score = max([w.signal_score for w in ways], default=float(now["signal_score"]))
    if row.signal != "none" and score < getattr(policy.bands.signal, row.signal):
        cut = getattr(policy.bands.signal, row.signal)
        found.append(f"signal: {row.tier} asks for {cut:g}, and it would come to {_score(score)} at most")
    coverage = max([now["coverage"], *(w.coverage for w in ways)], key=COVERAGE_BANDS.index)
    if COVERAGE_BANDS.index(coverage) < COVERAGE_BANDS.index(row.coverage):
        roles = " and ".join(role_words(role) for role, n in contacts.items() if not n)
        unknown = f"; no contact of the account is known to be {roles}" if roles else ""
        found.append(f"buying group: {row.tier} asks for it {_COVERAGE[row.coverage]}{unknown}")
    return tuple(found) or (f"no {MOST_EVENTS} events give at once what {row.tier} asks for",)


def _score(value: float) -> str:
    """A score as pages show it: rounded down."""
    return str(math.floor(value))


_LATE = {
    "in_pipeline": "in pipeline",
    "customer": "a customer",
    "not_eligible": "not eligible",
    "suppress": "suppressed",
}
_BEYOND = "what reaches it scores above all that the model has given in training, and is not told"
_FIT_STAYS = "nothing people do changes who the account is"
_COVERAGE = {"unknown": "known or not", "partial": "reached in part", "reached": "reached in every role"}
