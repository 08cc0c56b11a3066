"""Two policies over the same past dates, side by side: each figure's difference, paired by account."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tierwise.config.policy import TIERS
from tierwise.errors import UsageError
from tierwise.tiers.cases import Book, Cases, Counts
from tierwise.tiers.replay import Replayed


@dataclass(frozen=True)
class Compared:
    """The first policy and the second, and the second's figures less the first's.

    paired: figure (`precision`, `pipeline`, `moved`, `ping_pong`), tier (`""` for all), first, second, difference, low,
    high (95 %, by account).
    """

    first: Replayed
    second: Replayed
    paired: pd.DataFrame


def compare(first: Replayed, second: Replayed) -> Compared:
    """Set two replays of the same dates beside each other.

    Raises
    ------
    UsageError : they are of other dates or accounts.
    """
    a, b = first.figures, second.figures
    seen = ["as_of", "accounts"]
    if not a.dates[seen].equals(b.dates[seen]) or not a.accounts.equals(b.accounts):
        raise UsageError(
            f"the replays of {first.policy_version} and {second.policy_version} were to be compared",
            found="they are of other dates or accounts",
            do="Replay both over the same frames",
        )
    lines = [_line("precision", tier, a.book.of(("tier", tier)), b.book.of(("tier", tier))) for tier in TIERS]
    lines += [_line("pipeline", tier, _held(a.book, tier), _held(b.book, tier)) for tier in TIERS]
    for name, key in (("moved", "moved"), ("ping_pong", "back")):
        lines.append(_line(name, "", a.book.of((key,)), b.book.of((key,))))
    return Compared(first, second, pd.DataFrame(lines))


def _held(book: Book, tier: str) -> Cases:
    """Of the outcomes of all tiers, those that the tier holds."""
    every: Counts = np.sum([book.of(("tier", name)).outcomes for name in TIERS], axis=0, dtype=np.uint16)
    return Cases(every, book.of(("tier", tier)).outcomes)


def _line(figure: str, tier: str, first: Cases, second: Cases) -> dict[str, object]:
    difference, low, high = second.less(first)
    values = {"first": first.share().value, "second": second.share().value}
    return {"figure": figure, "tier": tier, **values, "difference": difference, "low": low, "high": high}
