"""What buyers and sellers do, drawn spell by spell from the hidden states, and what happens to accounts (news).

The rate of a kind is background x the account's own level (larger accounts are louder, whatever they want) plus what
its state adds: additive, so that no activity means more at a fit account than at a misfit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tierwise.synthetic.accounts import Accounts
from tierwise.synthetic.cycles import COOLDOWN, CUSTOMER, EVALUATION, GONE, OPEN, OUT, RESEARCH, STATES
from tierwise.synthetic.effects import NEWS
from tierwise.synthetic.spec import DAY, HOUR, MINUTE, NEVER, SECOND, Floats, Ints, WorldSpec

BY_ACCOUNT, BY_CONTACT, BY_LEAD, BY_IDENTITY, BY_DOMAIN, BY_LOSING = range(6)


@dataclass(frozen=True)
class Kind:
    """A kind of activity: its channel, who starts it, and its rates a day (the background, and what states add)."""

    name: str
    channel: str
    initiator: str
    background: float
    research: float = 0.0
    evaluation: float = 0.0
    deal: float = 0.0
    customer: float = 0.0


KINDS: tuple[Kind, ...] = (
    Kind("page_view", "web", "buyer", 0.0090, 0.0297, 0.0420, 0.0200, 0.0080),
    Kind("docs_visit", "web", "buyer", 0.0032, 0.0162, 0.0224, 0.0100, 0.0180),
    Kind("pricing_visit", "web", "buyer", 0.0013, 0.0108, 0.0364, 0.0160, 0.0010),
    Kind("email_open", "email", "buyer", 0.0170, 0.0162, 0.0252, 0.0140, 0.0100),
    Kind("email_reply", "email", "buyer", 0.0009, 0.0041, 0.0154, 0.0300, 0.0060),
    Kind("unsubscribe", "email", "buyer", 0.00003),
    Kind("webinar", "event", "buyer", 0.0013, 0.0081, 0.0084, 0.0030, 0.0020),
    Kind("demo_request", "event", "buyer", 0.0001, 0.0020, 0.0126, 0.0030, 0.0000),
    Kind("meeting_held", "meeting", "buyer", 0.0005, 0.0027, 0.0140, 0.0600, 0.0100),
    Kind("topic_surge", "intent", "buyer", 0.0030, 0.0243, 0.0252, 0.0100, 0.0020),
    Kind("trial_login", "product", "buyer", 0.0005, 0.0027, 0.0168, 0.0160, 0.0300),
    Kind("call", "sales", "seller", 0.0045, 0.002, 0.003, 0.040, 0.006),
    Kind("outbound_email", "sales", "seller", 0.0110, 0.003, 0.004, 0.050, 0.008),
    *(Kind(name, "news", "buyer", 0.0) for name in NEWS),
)
"""Every kind, the triggers last; `news` rates come from the news states."""

KIND = {kind.name: i for i, kind in enumerate(KINDS)}
TOPICS: tuple[str, ...] = ("pricing analytics", "data quality", "revenue planning", "forecasting", "territory design")
_LOUDNESS = np.array([0.5, 0.8, 1.1, 1.7, 2.6])
_BURST_PER_DAY, _BURST_DAYS, _BURST_RATE = 1 / 260, 14, 0.35
_BURST_LOUDEST = 2.0
_BURST_SHARES = {"page_view": 0.55, "docs_visit": 0.35, "pricing_visit": 0.10}
_SESSION = {"page_view": 0.45, "docs_visit": 0.6, "trial_login": 0.5}
"""Chance that a visit ends after each of its activities."""


def make_activity(spec: WorldSpec, accounts: Accounts, spells: pd.DataFrame, news: pd.DataFrame) -> pd.DataFrame:
    """Draw all activities: account, occurred, recorded (microseconds), kind, ref, key, value and topic (-1: none)."""
    levels = accounts_levels(spec, accounts)
    buyer = _drawn(spec, accounts, spells, levels, "buyer", spec.rng("activity"))
    bursts = _bursts(spec, spells, levels)
    effort = seller_levels(spec, accounts)
    seller = _drawn(spec, accounts, spells, effort, "seller", spec.rng("effort"))
    happened = pd.DataFrame(
        {
            "account": news["account"].to_numpy(),
            "occurred": spec.moment(news["day"].to_numpy(), spec.rng("news")),
            "kind": KIND[next(iter(NEWS))] + news["state"].to_numpy() - 1,
        }
    )
    buyers = recorded(spec, pd.concat([buyer, bursts, happened], ignore_index=True), spec.rng("recorded"))
    return pd.concat([buyers, recorded(spec, seller, spec.rng("recorded effort"))], ignore_index=True)


def accounts_levels(spec: WorldSpec, accounts: Accounts) -> Floats:
    """How loud each account is at any time: by headcount, and by chance (mean one)."""
    chance = spec.rng("loudness").gamma(2.0, 0.5, len(accounts))
    level: Floats = _LOUDNESS[accounts.size] * chance
    return level


def seller_levels(spec: WorldSpec, accounts: Accounts) -> Floats:
    """How hard each account is worked; under the trap by an old rubric that has little to do with what sells."""
    chance = spec.rng("effort levels").gamma(2.0, 0.5, len(accounts))
    if spec.has("seller_effort_by_old_rubric"):
        chance = chance * np.exp(1.3 * old_rubric(accounts))
    level: Floats = chance
    return level


def old_rubric(accounts: Accounts) -> Floats:
    """The old rubric, standardised: the bigger the better, and three poor industries and the home market first."""
    frame = accounts.frame
    points = np.log(frame["headcount"].to_numpy(np.float64)) / 1.7
    points = points + 1.5 * frame["industry"].isin(["Education", "Hospitality", "Retail"]).to_numpy()
    points = points + 0.8 * (frame["country"] == "US").to_numpy()
    rubric: Floats = (points - points.mean()) / max(float(points.std()), 1e-9)
    return np.clip(rubric, -2.0, 2.0)


def rates(kind: Kind) -> tuple[Floats, Floats]:
    """The background and the added rate of a kind, by state, a day."""
    background, extra = np.full(STATES, kind.background), np.zeros(STATES)
    extra[RESEARCH], extra[EVALUATION], extra[CUSTOMER] = kind.research, kind.evaluation, kind.customer
    extra[list(OPEN)] = kind.deal
    extra[COOLDOWN] = 0.3 * kind.research
    background[GONE:] = 0.0
    return background, extra


def _drawn(
    spec: WorldSpec,
    accounts: Accounts,
    spells: pd.DataFrame,
    levels: Floats,
    initiator: str,
    rng: np.random.Generator,
) -> pd.DataFrame:
    state, account = spells["state"].to_numpy(), spells["account"].to_numpy()
    begins, span = spells["begins"].to_numpy(), (spells["ends"] - spells["begins"]).to_numpy()
    parts = []
    for position, kind in enumerate(KINDS):
        if kind.initiator != initiator or kind.channel == "news":
            continue
        background, extra = rates(kind)
        rate = background[state] * levels[account] + extra[state] * levels[account] ** 0.3
        counts = rng.poisson(rate * span)
        who = np.repeat(account, counts)
        day = np.repeat(begins, counts) + np.floor(rng.random(len(who)) * np.repeat(span, counts)).astype(np.int64)
        parts.append(_sessions(spec, position, who, _weekdays(spec, day, rng), rng))
    return pd.concat(parts, ignore_index=True)


def _weekdays(spec: WorldSpec, day: Ints, rng: np.random.Generator) -> Ints:
    """The days, of which those at a weekend become -1 in three of four cases: fewer things happen then."""
    weekend = (spec.history_from.weekday() + day) % 7 >= 5
    return np.where(weekend & (rng.random(len(day)) < 0.75), -1, day)


def _sessions(spec: WorldSpec, kind: int, who: Ints, day: Ints, rng: np.random.Generator) -> pd.DataFrame:
    kept = day >= 0
    who, begun = who[kept], spec.moment(day[kept], rng)
    ends = _SESSION.get(KINDS[kind].name)
    if ends is not None:
        length = np.minimum(rng.geometric(ends, len(who)), 12)
        who, begun = np.repeat(who, length), np.repeat(begun, length)
        first = np.concatenate([[0], np.cumsum(length)[:-1]]) if len(length) else length
        place = np.arange(len(who)) - np.repeat(first, length)
        begun = begun + place * MINUTE + rng.integers(0, 50, len(who)) * SECOND
    return pd.DataFrame({"account": who, "occurred": begun, "kind": np.full(len(who), kind, dtype=np.int64)})


def _bursts(spec: WorldSpec, spells: pd.DataFrame, levels: Floats) -> pd.DataFrame:
    """Fortnights of reading without any wish to buy: job seekers, students, competitors."""
    rng = spec.rng("bursts")
    rows = spells[spells["state"].isin([OUT, COOLDOWN])]
    span = (rows["ends"] - rows["begins"]).to_numpy()
    counts = rng.poisson(_BURST_PER_DAY * span * np.minimum(levels[rows["account"]], _BURST_LOUDEST))
    who = np.repeat(rows["account"].to_numpy(), counts)
    start = np.repeat(rows["begins"].to_numpy(), counts)
    start = start + np.floor(rng.random(len(who)) * np.repeat(span, counts)).astype(np.int64)
    last = np.minimum(np.repeat(rows["ends"].to_numpy(), counts), start + _BURST_DAYS)
    parts = []
    for name, share in _BURST_SHARES.items():
        visits = rng.poisson(_BURST_RATE * share * (last - start))
        day = np.repeat(start, visits) + np.floor(
            rng.random(int(visits.sum())) * np.repeat(last - start, visits)
        ).astype(np.int64)
        parts.append(_sessions(spec, KIND[name], np.repeat(who, visits), day, rng))
    return pd.concat(parts, ignore_index=True)


def burst_rate(kind: Kind, levels: Floats) -> float:
    """The rate that bursts add to a kind, a day, on average over accounts that are out of a cycle."""
    a_day = _BURST_PER_DAY * float(np.minimum(levels, _BURST_LOUDEST).mean())
    return a_day * _BURST_DAYS * _BURST_RATE * _BURST_SHARES.get(kind.name, 0.0)


def recorded(spec: WorldSpec, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Give activities the instant at which they were recorded (by channel), and their value and topic."""
    n = len(rows)
    channel = channels(rows["kind"].to_numpy())
    occurred = rows["occurred"].to_numpy(np.int64)
    chance = rng.random(n)
    days = {"event": 3 * DAY, "meeting": 2 * DAY, "intent": 7 * DAY, "news": 3 * DAY, "sales": DAY // 2}
    longest = np.full(n, 15 * MINUTE)
    longest[channel == "web"] = 2 * HOUR
    for name, most in days.items():
        longest[channel == name] = most
    lag = np.floor(chance * longest / SECOND).astype(np.int64) * SECOND
    instants = np.where(channel == "product", NEVER, occurred + lag)
    value = np.full(n, np.nan)
    value[channel == "meeting"] = 15.0 * rng.integers(1, 5, int((channel == "meeting").sum()))
    value[channel == "intent"] = rng.integers(50, 101, int((channel == "intent").sum()))
    topic = np.where(np.isin(channel, ["intent", "event"]), rng.integers(0, len(TOPICS), n), -1)
    by_account = np.full(n, BY_ACCOUNT, dtype=np.int64)
    return rows.assign(recorded=instants, ref=by_account, key=rows["account"].to_numpy(), value=value, topic=topic)


def channels(kind: Ints) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """The channel of each kind."""
    return np.array([k.channel for k in KINDS], dtype=object)[kind]
