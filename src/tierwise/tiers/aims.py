"""What a policy is tuned for, and how far a replay of one is from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tierwise.config.policy import TIERS
from tierwise.errors import UsageError
from tierwise.tiers.tally import Figures

_PENALTY, _MISSED = 3.0, 10.0
"""What missing an aim by all of it costs, in shares of the outcomes held; and what missing a stated one at all does, so
that no policy that misses one is worth as much as one that keeps them."""
_OF_THEM = 0.5
"""What an outcome in tier_1 counts besides its place in the top two tiers."""
_ORDERLY = 1.15
"""A tier should convert so many times as often as the next one."""
_NEARLY = 0.98
"""What the top tiers hold short of so much of what as many accounts ranked by propensity do counts against a policy."""
_WORK = 0.15
"""What an account that moves in a month costs, in shares of the outcomes held."""


@dataclass(frozen=True)
class Aims:
    """What the top tiers may hold, and what they must be worth; shares are in (0, 1].

    top_share: most of the accounts in tiers, suppressed ones apart, that tier_1 and tier_2 hold together. tier_1_share:
    most that tier_1 holds; by default a third of top_share. precision: the least share of tier_1 that has the outcome;
    None: whatever it is. ping_pong: most of the accounts that come back to a tier in a month.
    """

    top_share: float
    tier_1_share: float | None = None
    precision: float | None = None
    ping_pong: float = 0.02

    def __post_init__(self) -> None:
        for name in ("top_share", "tier_1_share", "precision", "ping_pong"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise UsageError(f"a {name} of {value:g} was asked for", do="Give a share above 0, and at most 1")
        if self.first_share > self.top_share:
            raise UsageError(
                f"tier_1 was to hold {self.first_share:.0%} of the accounts",
                found=f"tier_1 and tier_2 together hold {self.top_share:.0%} at most",
                do="Give tier_1 a smaller share than both",
            )

    @property
    def first_share(self) -> float:
        """Most that tier_1 holds."""
        return self.top_share / 3 if self.tier_1_share is None else self.tier_1_share


@dataclass(frozen=True)
class Worth:
    """A replay as it is judged: NaN where nothing could be counted.

    held: share of the outcomes that tier_1 and tier_2 hold; first: that tier_1 holds. top_share, tier_1_share: of the
    accounts in tiers, each in the month in which it was largest. tier_3_share: of the same, in the mean of all dates.
    of_ranked: the outcomes that the top two hold, as a
    share of those that as many accounts of the minimum fit, ranked by propensity alone on each date, would hold.
    precision: of each tier. ping_pong, moved: shares of accounts a month. value: what is made large; apart: the same
    without what missing the stated aims costs, and missed: whether any is.
    within: by tier, and of `ping_pong`, n and the 95 % interval (low, high), by account.
    """

    held: float
    first: float
    top_share: float
    tier_1_share: float
    tier_3_share: float
    of_ranked: float
    precision: Mapping[str, float]
    ping_pong: float
    moved: float
    value: float
    apart: float
    missed: bool
    within: Mapping[str, Mapping[str, float]]

    @property
    def lasting(self) -> float:
        """The share of accounts that do not move in a month."""
        return 1 - self.moved

    def less_than(self, other: Worth) -> bool:
        """Whether it is worth less than another, apart from what missing aims costs where that one keeps all."""
        return (self.apart if self.missed and not other.missed else self.value) < other.value

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        names = (
            "held",
            "first",
            "top_share",
            "tier_1_share",
            "tier_3_share",
            "of_ranked",
            "ping_pong",
            "moved",
            "value",
        )
        return {
            **{name: getattr(self, name) for name in names},
            "precision": dict(self.precision),
            "within": dict(self.within),
        }


def worth(figures: Figures, aims: Aims) -> Worth:
    """Judge a replay by its aims.

    The value is the share of outcomes that the top two tiers hold, with a half more for those in tier_1, less 0.15
    times the share of accounts that move in a month, less what they hold short of 0.98 times what the ranking by
    propensity does, as a share of it, less what each aim is missed by, as a share of the aim, times 3, and less 10
    where any that was stated is. The ping-pong aim is met where the upper end of its interval is within it. Besides
    what is asked for, tier_1 and tier_2 are each to convert 1.15 times as often as the tier below.
    """
    lines = figures.overall.set_index("tier")
    held, precision, top = lines["pipeline"].fillna(0.0), lines["precision"], ["tier_1", "tier_2"]
    top_share, first_share = _largest(figures, top), _largest(figures, top[:1])
    stable, sizes = figures.stable.iloc[0], lines["size"].drop("suppress")
    rates = {tier: float(precision[tier]) for tier in TIERS}
    stated = [
        top_share / aims.top_share - 1,
        first_share / aims.first_share - 1,
        float(stable["high"]) / aims.ping_pong - 1,
        0.0 if aims.precision is None else 1 - _known(rates["tier_1"]) / aims.precision,
    ]
    orderly = []
    for above, below in (("tier_1", "tier_2"), ("tier_2", "tier_3")):
        least = _ORDERLY * _known(rates[below])
        orderly.append(1 - _known(rates[above]) / least if least else 0.0)
    both = float(held[top].sum())
    moved = float(stable["moved_share"])
    value = both + _OF_THEM * float(held["tier_1"]) - _WORK * _known(moved)
    of_ranked = _of_ranked(figures)
    value -= max(_NEARLY - of_ranked, 0.0) if of_ranked == of_ranked else 0.0
    value -= _PENALTY * float(np.maximum(np.nan_to_num([*stated, *orderly]), 0).sum())
    missed = bool((np.nan_to_num(stated) > 0).any())
    value -= _MISSED * missed
    return Worth(
        held=both,
        first=float(held["tier_1"]),
        top_share=top_share,
        tier_1_share=first_share,
        tier_3_share=float(sizes["tier_3"] / sizes.sum()) if sizes.sum() else 0.0,
        of_ranked=of_ranked,
        precision=rates,
        ping_pong=float(stable["ping_pong"]),
        moved=moved,
        value=value,
        apart=value + _PENALTY * float(np.maximum(np.nan_to_num(stated), 0).sum()) + _MISSED * missed,
        missed=missed,
        within={
            **{tier: {name: float(lines.loc[tier, name]) for name in ("n", "low", "high")} for tier in TIERS},
            "ping_pong": {"n": float(stable["accounts"]), "low": float(stable["low"]), "high": float(stable["high"])},
        },
    )


def kept(aims: Aims, found: Worth) -> list[dict[str, Any]]:
    """Whether some dates keep what was asked for, an aim a line.

    A line holds aim, bound (`most` or `least`), asked, found (NaN where nothing could be counted, which keeps no aim),
    met, short (by how much it is missed; 0.0 where met); and n, low and high of what was found, NaN where it has no
    interval.
    """
    asked = [
        ("top_share", "most", aims.top_share, found.top_share),
        ("tier_1_share", "most", aims.tier_1_share, found.tier_1_share),
        ("precision", "least", aims.precision, found.precision["tier_1"]),
        ("ping_pong", "most", aims.ping_pong, found.ping_pong),
    ]
    within = {"precision": found.within["tier_1"], "ping_pong": found.within["ping_pong"]}
    lines = []
    for aim, bound, of, is_ in asked:
        if of is None:
            continue
        short = is_ - of if bound == "most" else of - is_
        said = {"aim": aim, "bound": bound, "asked": of, "found": is_, "met": short <= 0, "short": max(short, 0.0)}
        lines.append(said | {name: within.get(aim, {}).get(name, float("nan")) for name in ("n", "low", "high")})
    return lines


def _of_ranked(figures: Figures) -> float:
    ranked = float(figures.dates["ranked"].sum())
    return float(figures.dates["top"].sum()) / ranked if ranked else float("nan")


def _largest(figures: Figures, tiers: Sequence[str]) -> float:
    """The share of the accounts in tiers, suppressed ones apart, that some tiers hold, where it is largest by month.

    Months with less than half as many accounts as the median month are not asked.
    """
    sizes = figures.by_tier.pivot_table(index="month", columns="tier", values="size").fillna(0.0)
    total = sizes.drop(columns="suppress", errors="ignore").sum(axis=1)
    held = sizes.reindex(columns=list(tiers), fill_value=0.0).sum(axis=1)
    shares = (held / total)[total >= max(total.median() / 2, 1.0)]
    return float(shares.max()) if len(shares) else 0.0


def _known(rate: float) -> float:
    """A rate; 0 where nothing stands to be counted."""
    return 0.0 if np.isnan(rate) else rate
