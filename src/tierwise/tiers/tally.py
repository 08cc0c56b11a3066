"""The sums of a replay, date by date, and the figures they come to; no date's frame is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from tierwise.clock import naive
from tierwise.config.policy import STATUSES, TIERS
from tierwise.tiers.bands import Flags, Floats, Ints
from tierwise.tiers.cases import Book, Places, Share

PING_PONG_DAYS = 60
"""An account that left a tier and is back within so many days has ping-ponged."""
HOLDS_HIGHER = frozenset({"stay_margin", "minimum_stay", "calendar", "inputs_late"})
"""Guardrails that keep an account above what rows and thresholds say; every other one holds it lower."""
STANDINGS = (*TIERS, *STATUSES)
NEVER = np.int32(-1_000_000)
"""A day long before any other: a tier that was never left."""
K = len(TIERS)
TOP_TIERS, SUPPRESS, LOW_FIT = 2, TIERS.index("suppress"), "low_fit"


@dataclass(frozen=True)
class Figures:
    """What a policy came to, as tables; shares are in [0, 1], intervals 95 % and by account, NaN where n is 0.

    dates: as_of, model_version, accounts, in_tiers (had a tier), judged (of these, horizon closed), outcomes (of the
    judged), elsewhere (outcomes of accounts that had a status), top (outcomes of judged accounts in tier_1 and tier_2),
    ranked (those of as many judged accounts with the highest propensity, of all that have the minimum fit).
    by_tier: month, tier, dates, size (mean of the dates), n (judged rows), accounts, outcomes, precision, low, high,
    base (the rate of all tiers), pipeline (the tier's share of the outcomes of all tiers), amounts (outcomes whose
    amount is known), amount, value (the tier's share of the amount of all tiers). overall: the same over all months.
    movements: month, movement, cause, n.
    stability: month, accounts (had a tier and stood somewhere before, or moved), moved, moved_share, came_back (to a
    tier left at most 60 days before, having had a tier all the while), ping_pong (their share), low, high. stable: the
    same over account-months.
    surges: tier, began, n (judged), paid, rate, low, high, others (the rate of accounts of the same tier and date
    without a surge).
    guardrails: guardrail, holds (`lower` or `higher`), rows, n (judged), accounts, outcomes, without, rate, low, high,
    others (the rate of accounts of the same tier and date that it did not hold), base (of all tiers on those dates).
    accounts, book: by account, what the intervals rest on, and what `compare` pairs.
    """

    dates: pd.DataFrame
    by_tier: pd.DataFrame
    overall: pd.DataFrame
    movements: pd.DataFrame
    stability: pd.DataFrame
    stable: pd.DataFrame
    surges: pd.DataFrame
    guardrails: pd.DataFrame
    accounts: pd.Index
    book: Book


@dataclass(frozen=True)
class Day:
    """One date as it is counted: codes into STANDINGS (-1: none), and masks, row by row."""

    date: np.int32
    """Days since 1970."""
    month: str
    places: Ints
    tier: Ints
    before: Ints
    judged: Flags
    """Has a tier, and the horizon has closed."""
    had: Flags
    """The horizon has closed, and the outcome came."""

    @property
    def base(self) -> float:
        """The rate of the outcome among the judged."""
        n = int(self.judged.sum())
        return float((self.judged & self.had).sum()) / n if n else float("nan")

    @property
    def top(self) -> Flags:
        """Judged, and in tier_1 or tier_2."""
        return np.asarray(self.judged & (self.tier < TOP_TIERS))

    def ranked(self, row: pd.Series, propensity: Floats) -> float:
        """The outcomes of as many judged accounts as the top tiers hold, of the minimum fit, by propensity alone; NaN
        where none is known."""
        fitting = self.judged & (self.tier != SUPPRESS) & (row != LOW_FIT).to_numpy()
        if fitting.any() and np.isnan(propensity[fitting]).all():
            return float("nan")
        first = np.argsort(-np.nan_to_num(propensity[fitting]), kind="stable")[: int(self.top.sum())]
        return float(self.had[fitting][first].sum())

    def beside(self, mask: Flags, rest: Flags) -> tuple[Floats, Floats]:
        """By tier, how many judged rows of a mask have judged ones of `rest` in their tier to stand beside, and how
        many outcomes they would have at the rate of these."""
        n = by_tier(self.tier, self.judged & mask)
        others, came = by_tier(self.tier, self.judged & rest), by_tier(self.tier, self.judged & rest & self.had)
        compared = np.where(others > 0, n, 0)
        return compared, compared * np.divide(came, others, out=np.zeros(K), where=others > 0)


def by_tier(tier: Ints, mask: Flags, weights: Floats | None = None) -> Floats:
    """Rows of a mask, or their weights, summed by tier."""
    kept = mask & (tier < K)
    summed = np.bincount(tier[kept], None if weights is None else weights[kept], minlength=K)
    return summed.astype(np.float64)


def standings(column: pd.Series) -> Ints:
    """A column of tiers and statuses as codes."""
    found, distinct = pd.factorize(column)
    table = [STANDINGS.index(name) if name in STANDINGS else -1 for name in distinct]
    codes: Ints = np.array([*table, -1], dtype=np.int64)[found]
    return codes


@dataclass
class Sums:
    """What is simply added up, by tier: of one month, or of all."""

    dates: int = 0
    size: Floats = field(default_factory=lambda: np.zeros(K))
    amounts: Floats = field(default_factory=lambda: np.zeros(K))
    amount: Floats = field(default_factory=lambda: np.zeros(K))

    def add(self, other: Sums) -> None:
        """Add another's."""
        self.dates += other.dates
        for name in ("size", "amounts", "amount"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass
class Tally:
    """The sums so far; dates are added oldest first."""

    places: Places = field(default_factory=Places)
    book: Book = field(default_factory=Book)
    sums: Sums = field(default_factory=Sums)
    month: str = ""
    of_month: Book = field(default_factory=Book)
    sums_of_month: Sums = field(default_factory=Sums)
    left: Any = field(default_factory=lambda: np.zeros((0, K), dtype=np.int32))
    """By account and tier, the day on which it was last left, since the account last had a status."""
    marks: Flags = field(default_factory=lambda: np.zeros((3, 0), dtype=bool))
    """By account, whether in the month it could move, moved, and came back."""
    beside: dict[tuple[str, str], Floats] = field(default_factory=dict)
    """By surge and tier, and by guardrail: rows, compared, expected at the others' rate, expected at the base rate."""
    lines: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {name: [] for name in ("dates", "by_tier", "stability")}
    )
    moves: list[pd.DataFrame] = field(default_factory=list)

    def add(
        self,
        as_of: datetime,
        decided: pd.DataFrame,
        propensity: Floats,
        outcome: Floats,
        amount: Floats | None,
        model_version: str,
    ) -> None:
        """Count one date: what `decide` gave, and, row by row, what it was given as propensity (NaN: none), and what
        came of it (NaN where the horizon is open).
        """
        day = self._day(as_of, decided, outcome)
        tier, judged = day.tier, day.judged
        if day.month != self.month:
            self._close(day.month)
        self._grow()
        self._count_tiers(day, amount)
        self._count_moves(day, decided)
        self._count_surges(day, decided)
        self._count_guardrails(day, decided["guardrails"])
        self.lines["dates"].append(
            {
                "as_of": pd.Timestamp(naive(as_of)),
                "model_version": model_version,
                "accounts": len(tier),
                "in_tiers": int((tier < K).sum()),
                "judged": int(judged.sum()),
                "outcomes": int((judged & day.had).sum()),
                "elsewhere": int((day.had & (tier >= K)).sum()),
                "top": int((day.top & day.had).sum()),
                "ranked": day.ranked(decided["row"], propensity),
            }
        )

    def pass_over(self, as_of: datetime, decided: pd.DataFrame) -> None:
        """Take note of the tiers that accounts left on a date before those that are counted."""
        day = self._day(as_of, decided, np.full(len(decided), np.nan))
        self._grow()
        self._moved(day, decided)

    def _day(self, as_of: datetime, decided: pd.DataFrame, outcome: Floats) -> Day:
        tier = standings(decided["tier"])
        return Day(
            date=np.datetime64(naive(as_of), "D").astype(np.int32),
            month=f"{as_of:%Y-%m}",
            places=self.places.of(decided["account_id"]),
            tier=tier,
            before=standings(decided["previous_tier"]),
            judged=~np.isnan(outcome) & (tier < K),
            had=outcome == 1,
        )

    def _grow(self) -> None:
        more = len(self.places.accounts) - self.marks.shape[1]
        self.marks = np.pad(self.marks, ((0, 0), (0, more)))
        self.left = np.pad(self.left, ((0, more), (0, 0)), constant_values=NEVER)

    def _count_tiers(self, day: Day, amount: Floats | None) -> None:
        size = len(self.places.accounts)
        for code, tier in enumerate(TIERS):
            mine = day.judged & (day.tier == code)
            for book in (self.book, self.of_month):
                book.add(("tier", tier), day.places[mine], day.had[mine], size)
        known = np.zeros(len(day.tier), dtype=bool) if amount is None else day.judged & day.had & ~np.isnan(amount)
        everyone = np.ones(len(day.tier), dtype=bool)
        self.sums_of_month.add(
            Sums(1, by_tier(day.tier, everyone), by_tier(day.tier, known), by_tier(day.tier, known, amount))
        )

    def _moved(self, day: Day, decided: pd.DataFrame) -> tuple[Ints, Flags]:
        """The rows of movements between standings, and which of them are back; what they left is noted.

        A first tier is none. Back is who returns to a tier left since a status.
        """
        moved = np.flatnonzero((decided["movement"] != "").to_numpy() & (day.before >= 0))
        who, was, now = day.places[moved], day.before[moved], day.tier[moved]
        inside = (was < K) & (now < K)
        left = self.left[who, np.minimum(now, K - 1)]
        back = (now < K) & (day.date - left <= PING_PONG_DAYS)
        self.left[who, np.minimum(was, K - 1)] = day.date
        self.left[who[~inside]] = NEVER
        return moved, back

    def _count_moves(self, day: Day, decided: pd.DataFrame) -> None:
        moved, back = self._moved(day, decided)
        who = day.places[moved]
        self.marks[0, day.places[(day.tier < K) & (day.before >= 0)]] = True
        self.marks[0, who] = True
        self.marks[1, who] = True
        self.marks[2, who[back]] = True
        counted = decided.iloc[moved].groupby(["movement", "cause"]).size().reset_index(name="n")
        self.moves.append(counted.assign(month=day.month))

    def _count_surges(self, day: Day, decided: pd.DataFrame) -> None:
        began = decided["surge_began"].to_numpy(dtype=bool)
        without = decided["surge_until"].isna().to_numpy()
        if not began.any():
            return
        rows, (compared, expected) = by_tier(day.tier, began), day.beside(began, without)
        for code, tier in enumerate(TIERS):
            mine = began & day.judged & (day.tier == code)
            self.book.add(("surge", tier), day.places[mine], day.had[mine], len(self.places.accounts))
            self._stand(("surge", tier), rows[code], compared[code], expected[code], int(mine.sum()), day)

    def _count_guardrails(self, day: Day, column: pd.Series) -> None:
        found, distinct = pd.factorize(column)
        held_by = [set(str(joined).split(";")) - {""} for joined in distinct]
        for guardrail in sorted(set().union(*held_by)):
            held = np.array([guardrail in names for names in held_by], dtype=bool)[found]
            mine = held & day.judged
            compared, expected = day.beside(held, ~held)
            self.book.add(("guardrail", guardrail), day.places[mine], day.had[mine], len(self.places.accounts))
            rows = float((held & (day.tier < K)).sum())
            self._stand(("guardrail", guardrail), rows, compared.sum(), expected.sum(), int(mine.sum()), day)

    def _stand(self, key: tuple[str, str], rows: float, compared: float, expected: float, n: int, day: Day) -> None:
        now = np.array([rows, compared, expected, n * day.base if n else 0.0])
        self.beside[key] = self.beside.get(key, np.zeros(4)) + now

    def _close(self, following: str) -> None:
        """End a month: its lines are written, and its sums added to those of all."""
        if self.month:
            month, size = self.month, len(self.places.accounts)
            self.lines["by_tier"] += [{"month": month, **t} for t in tier_lines(self.of_month, self.sums_of_month)]
            seen = np.flatnonzero(self.marks[0])
            for n, name in ((1, "moved"), (2, "back")):
                had = self.marks[n, seen]
                self.book.add((name,), seen, had, size)
                self.of_month.add((name,), seen, had, size)
            self.lines["stability"].append({"month": month, **stability_line(self.of_month)})
            self.sums.add(self.sums_of_month)
        self.month, self.of_month, self.sums_of_month = following, Book(), Sums()
        self.marks[:] = False

    def figures(self) -> Figures:
        """What the dates added so far come to."""
        self._close("")
        size = len(self.places.accounts)
        self.book = Book({key: cases.grown(size) for key, cases in self.book.cases.items()})
        columns = ["month", "movement", "cause"]
        moves = pd.concat(self.moves, ignore_index=True)
        return Figures(
            dates=pd.DataFrame(self.lines["dates"]),
            by_tier=pd.DataFrame(self.lines["by_tier"]),
            overall=pd.DataFrame(tier_lines(self.book, self.sums)),
            movements=moves.groupby(columns)["n"].sum().reset_index(),
            stability=pd.DataFrame(self.lines["stability"]),
            stable=pd.DataFrame([stability_line(self.book)]),
            surges=pd.DataFrame([self._surge_line(t) for t in TIERS]),
            guardrails=pd.DataFrame(
                [self._guardrail_line(name) for kind, name in sorted(self.beside) if kind == "guardrail"],
                columns=list(self._guardrail_line("")),
            ),
            accounts=self.places.accounts,
            book=self.book,
        )

    def _surge_line(self, tier: str) -> dict[str, Any]:
        share, beside = self.book.share("surge", tier), self.beside.get(("surge", tier), np.zeros(4))
        return {
            "tier": tier,
            "began": int(beside[0]),
            "n": share.n,
            "paid": share.outcomes,
            **_interval(share, "rate"),
            "others": _over(beside[2], beside[1]),
        }

    def _guardrail_line(self, name: str) -> dict[str, Any]:
        share, beside = self.book.share("guardrail", name), self.beside.get(("guardrail", name), np.zeros(4))
        return {
            "guardrail": name,
            "holds": "higher" if name in HOLDS_HIGHER else "lower",
            "rows": int(beside[0]),
            "n": share.n,
            "accounts": share.accounts,
            "outcomes": share.outcomes,
            "without": share.n - share.outcomes,
            **_interval(share, "rate"),
            "others": _over(beside[2], beside[1]),
            "base": _over(beside[3], share.n),
        }


def tier_lines(book: Book, sums: Sums) -> list[dict[str, Any]]:
    """A line a tier of a month's, or of all, cases and sums."""
    shares = [book.share("tier", tier) for tier in TIERS]
    n, outcomes, amount = sum(s.n for s in shares), sum(s.outcomes for s in shares), float(sums.amount.sum())
    known = sums.amounts.sum() > 0
    return [
        {
            "tier": tier,
            "dates": sums.dates,
            "size": float(sums.size[code]) / sums.dates,
            "n": share.n,
            "accounts": share.accounts,
            "outcomes": share.outcomes,
            **_interval(share, "precision"),
            "base": _over(outcomes, n),
            "pipeline": _over(share.outcomes, outcomes),
            "amounts": int(sums.amounts[code]),
            "amount": float(sums.amount[code]) if known else float("nan"),
            "value": _over(float(sums.amount[code]), amount),
        }
        for code, (tier, share) in enumerate(zip(TIERS, shares, strict=True))
    ]


def stability_line(book: Book) -> dict[str, Any]:
    """How many accounts moved, and came back."""
    moved, back = book.share("moved"), book.share("back")
    return {
        "accounts": moved.n,
        "moved": moved.outcomes,
        "moved_share": moved.value,
        "came_back": back.outcomes,
        **_interval(back, "ping_pong"),
    }


def _interval(share: Share, name: str) -> dict[str, float]:
    return {name: share.value, "low": share.low, "high": share.high}


def _over(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else float("nan")
