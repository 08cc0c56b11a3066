"""The hidden states: a Markov chain in days, walked once for the facts and solved exactly for the truth.

A state at the start of a day (00:00 UTC) and a news state move once within the day, each by its own hazards. An
account outside a cycle enters one with hazard `ENTRY_PER_DAY * exp(utility + news effect)`; nothing after that depends
on its utility but the chance to win. What accounts and sellers do follows the states and never moves them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tierwise.synthetic.accounts import Accounts
from tierwise.synthetic.effects import ENTRY_PER_DAY, NEWS
from tierwise.synthetic.spec import Codes, Flags, Floats, Ints, WorldSpec

OUT, RESEARCH, EVALUATION, DISCOVERY, VALIDATION, PROPOSAL, NEGOTIATION, CUSTOMER, COOLDOWN, GONE, ABSENT = range(11)
STATES = 11
STAGES: dict[int, str] = {
    DISCOVERY: "Discovery",
    VALIDATION: "Validation",
    PROPOSAL: "Proposal",
    NEGOTIATION: "Negotiation",
    CUSTOMER: "Closed Won",
    COOLDOWN: "Closed Lost",
}
OPEN = (DISCOVERY, VALIDATION, PROPOSAL, NEGOTIATION)

_MOVES: dict[int, tuple[tuple[int, float], tuple[int, float]]] = {
    OUT: ((RESEARCH, 0.0), (GONE, 0.00004)),
    RESEARCH: ((EVALUATION, 1 / 28), (OUT, 1 / 70)),
    EVALUATION: ((DISCOVERY, 1 / 34), (OUT, 1 / 80)),
    DISCOVERY: ((VALIDATION, 1 / 12), (COOLDOWN, 1 / 60)),
    VALIDATION: ((PROPOSAL, 1 / 14), (COOLDOWN, 1 / 60)),
    PROPOSAL: ((NEGOTIATION, 1 / 14), (COOLDOWN, 1 / 60)),
    NEGOTIATION: ((CUSTOMER, 0.0), (COOLDOWN, 0.0)),
    COOLDOWN: ((OUT, 1 / 75), (COOLDOWN, 0.0)),
}
"""State: its two ways out, each with its chance a day; a zero is the account's own (entry, and win or loss)."""

_NEGOTIATION_ENDS = 1 / 12
_NEWS_ENDS = 1 / 35
_NEWS_STARTS = 1 / 240
_NEWS_BY_SIZE = np.array([0.5, 0.7, 1.0, 1.4, 2.0])
_TO_FIRST = np.array([_MOVES[s][0][0] if s in _MOVES else s for s in range(STATES)], dtype=np.uint8)
_TO_SECOND = np.array([_MOVES[s][1][0] if s in _MOVES else s for s in range(STATES)], dtype=np.uint8)
_BY_FIRST = np.array([_MOVES[s][0][1] if s in _MOVES else 0.0 for s in range(STATES)])
_BY_SECOND = np.array([_MOVES[s][1][1] if s in _MOVES else 0.0 for s in range(STATES)])


@dataclass(frozen=True)
class Hazards:
    """Each account's own chances a day: of entering a cycle (by news state), of hearing news, of winning once close."""

    entry: Floats
    news: Floats
    win: Floats


@dataclass(frozen=True)
class Paths:
    """The walked states: `state[day, account]` and `news[day, account]` at the start of each day, 0 to `days`."""

    state: Codes
    news: Codes

    def spells(self) -> pd.DataFrame:
        """Every stay in one state: account, state, begins, ends (days; `ends` is not in it), in account order."""
        return _runs(self.state)

    def news_begun(self) -> pd.DataFrame:
        """Every trigger: account, state (1 to 4: the kind) and the day within which it happened."""
        runs = _runs(self.news)
        return runs[(runs["state"] > 0) & (runs["begins"] > 0)].assign(day=lambda r: r["begins"] - 1)


def hazards(accounts: Accounts) -> Hazards:
    """The chances a day that follow from who the accounts are."""
    boost = np.concatenate([[0.0], [effect for _, effect in NEWS.values()]])
    entry = np.minimum(0.5, ENTRY_PER_DAY * np.exp(accounts.utility[:, None] + boost[None, :]))
    win = 1.0 / (1.0 + np.exp(-(0.2 + 0.3 * (accounts.utility - accounts.utility.mean()))))
    return Hazards(entry, _NEWS_STARTS * _NEWS_BY_SIZE[accounts.size], win)


def walk(spec: WorldSpec, accounts: Accounts) -> Paths:
    """Walk every account through the days of the world, from the start of the day after it appeared."""
    rng = spec.rng("cycles")
    own = hazards(accounts)
    n, days = len(accounts), spec.days
    appears = spec.day_of(accounts.created) + 1
    state = np.empty((days + 1, n), dtype=np.uint8)
    news = np.zeros((days + 1, n), dtype=np.uint8)
    state[0] = _first_states(accounts, appears, own, rng)
    shares = np.cumsum([share for share, _ in NEWS.values()])
    fresh = np.where(rng.random(n) < 0.12, RESEARCH, OUT).astype(np.uint8)
    everyone = np.arange(n)
    for day in range(days):
        here, now = state[day], news[day]
        first = _BY_FIRST[here]
        second = _BY_SECOND[here]
        first = np.where(here == OUT, own.entry[everyone, now], first)
        close = here == NEGOTIATION
        first = np.where(close, _NEGOTIATION_ENDS * own.win, first)
        second = np.where(close, _NEGOTIATION_ENDS * (1 - own.win), second)
        draw = rng.random(n)
        then = np.where(draw < first, _TO_FIRST[here], np.where(draw < first + second, _TO_SECOND[here], here))
        state[day + 1] = np.where(appears == day + 1, fresh, then)
        draw, kind = rng.random(n), 1 + np.searchsorted(shares, rng.random(n) * shares[-1])
        begun = np.where(draw < own.news, kind, 0)
        moved = np.where(now == 0, begun, np.where(draw < _NEWS_ENDS, 0, now))
        news[day + 1] = np.where((state[day + 1] >= GONE) | (here == ABSENT), 0, moved)
    return Paths(state, news)


def open_probability(accounts: Accounts, horizon_days: int) -> Floats:
    """The chance to open a New Business opportunity within the horizon, exact: `[account, news state, state]`.

    Backward equations of the chain: with k days left, `F_k(news, state) = sum over moves of chance x (1 if the move
    opens an opportunity, else F_{k-1} of where it leads)`, and `F_0 = 0`. Someone in an open opportunity may lose it
    and come back; customers and deleted accounts never open a new one.
    """
    own = hazards(accounts)
    n, kinds = len(accounts), len(NEWS) + 1
    first = np.broadcast_to(_BY_FIRST, (n, kinds, STATES)).copy()
    second = np.broadcast_to(_BY_SECOND, (n, kinds, STATES)).copy()
    first[:, :, OUT] = own.entry
    first[:, :, NEGOTIATION] = (_NEGOTIATION_ENDS * own.win)[:, None]
    second[:, :, NEGOTIATION] = (_NEGOTIATION_ENDS * (1 - own.win))[:, None]
    shares = np.array([share for share, _ in NEWS.values()])
    starts = own.news[:, None]
    chance = np.zeros((n, kinds, STATES))
    for _ in range(horizon_days):
        later = np.empty_like(chance)
        later[:, 0] = (1 - starts) * chance[:, 0] + starts * np.tensordot(chance[:, 1:], shares, axes=(1, 0))
        later[:, 1:] = (1 - _NEWS_ENDS) * chance[:, 1:] + _NEWS_ENDS * chance[:, :1]
        onward = later[:, :, _TO_FIRST]
        onward[:, :, EVALUATION] = 1.0
        chance = first * onward + second * later[:, :, _TO_SECOND] + (1 - first - second) * later
    return chance


def _first_states(accounts: Accounts, appears: Ints, own: Hazards, rng: np.random.Generator) -> Codes:
    n = len(accounts)
    in_cycle: Flags = rng.random(n) < np.minimum(0.6, own.entry[:, 0] * 37)
    state = np.where(in_cycle, np.where(rng.random(n) < 0.5, RESEARCH, EVALUATION), OUT)
    state = np.where(accounts.frame["legacy"].to_numpy(np.bool_), CUSTOMER, state)
    return np.where(appears > 0, ABSENT, state).astype(np.uint8)


def _runs(grid: Codes) -> pd.DataFrame:
    days = grid.shape[0] - 1
    rows = np.ascontiguousarray(grid.T)
    edge = np.ones(rows.shape, dtype=bool)
    edge[:, 1:] = rows[:, 1:] != rows[:, :-1]
    account, begins = np.nonzero(edge)
    last = np.append(account[1:] != account[:-1], True)
    ends = np.where(last, days, np.append(begins[1:], days))
    return pd.DataFrame(
        {
            "account": account.astype(np.int64),
            "state": rows[account, begins].astype(np.int64),
            "begins": begins.astype(np.int64),
            "ends": ends.astype(np.int64),
        }
    )
