"""Opportunities and their stages: New Business from the hidden states, Expansion at customers, and old wins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tierwise.synthetic.accounts import Accounts, never
from tierwise.synthetic.cycles import COOLDOWN, CUSTOMER, DISCOVERY, OPEN, STAGES
from tierwise.synthetic.spec import DAY, Floats, Ints, WorldSpec

_PIPELINES = np.array(["Direct", "Partner"], dtype=object)
_PRODUCTS = np.array(["Core", "Analytics", "Platform"], dtype=object)
_SOURCES = np.array(["inbound", "outbound", "partner", "event"], dtype=object)
_LOG_AMOUNT_BY_SIZE = np.array([9.3, 10.0, 10.8, 11.5, 12.2])
_EXPANSION_PER_DAY = 1 / 500


@dataclass(frozen=True)
class Deals:
    """All opportunities of a world, with values for their whole life.

    `opportunities`: opportunity_id, account (position), created, closed (microseconds, NEVER while open), won, planned
    (the amount until the close), amount (from the close on), type, pipeline, product, source.
    `stages`: opportunity (position), stage, entered.
    """

    opportunities: pd.DataFrame
    stages: pd.DataFrame

    def new_business(self) -> pd.DataFrame:
        """The New Business opportunities."""
        return self.opportunities[self.opportunities["type"] == "New Business"]

    def first_opened(self, accounts: int) -> Ints:
        """When each account opened its first New Business opportunity, in microseconds; NEVER if it did not."""
        first = never(accounts)
        found = self.new_business().groupby("account")["created"].min()
        first[found.index.to_numpy()] = found.to_numpy()
        return first


def make_deals(spec: WorldSpec, accounts: Accounts, spells: pd.DataFrame) -> Deals:
    """The opportunities that the walked states, the old customers and the customers' growth give."""
    rng = spec.rng("deals")
    parts = [_from_states(spec, spells, rng), _legacy(spec, accounts, rng), _expansion(spec, spells, rng)]
    offset, stages = 0, []
    for part in parts:
        stages.append(part[1].assign(opportunity=part[1]["opportunity"] + offset))
        offset += len(part[0])
    opportunities = pd.concat([part[0] for part in parts], ignore_index=True)
    order = np.lexsort((opportunities["account"], opportunities["created"]))
    opportunities = opportunities.iloc[order].reset_index(drop=True)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    all_stages = pd.concat(stages, ignore_index=True)
    all_stages["opportunity"] = place[all_stages["opportunity"].to_numpy()]
    all_stages = all_stages.sort_values(["opportunity", "entered"], kind="stable", ignore_index=True)
    return Deals(_described(opportunities, accounts, spec.rng("amounts")), all_stages)


def _from_states(spec: WorldSpec, spells: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = spells[spells["state"].isin([*OPEN, CUSTOMER, COOLDOWN]) & (spells["begins"] > 0)]
    opened = (rows["state"] == DISCOVERY).to_numpy()
    entered = spec.moment(rows["begins"].to_numpy() - 1, rng)
    stages = pd.DataFrame(
        {"opportunity": np.cumsum(opened) - 1, "stage": rows["state"].map(STAGES).to_numpy(), "entered": entered}
    )
    opportunities = pd.DataFrame(
        {"account": rows["account"].to_numpy()[opened], "created": entered[opened], "type": "New Business"}
    )
    return _closed(opportunities, stages), stages


def _legacy(spec: WorldSpec, accounts: Accounts, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    who = np.flatnonzero(accounts.frame["legacy"].to_numpy(np.bool_))
    created = spec.moment(-rng.integers(150, 900, len(who)), rng)
    return _played(who, created, np.ones(len(who)), "New Business", rng, rng.integers(30, 120, len(who)), spec)


def _expansion(spec: WorldSpec, spells: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = spells[spells["state"] == CUSTOMER]
    span = (rows["ends"] - rows["begins"]).to_numpy()
    counts = rng.poisson(_EXPANSION_PER_DAY * span)
    who = np.repeat(rows["account"].to_numpy(), counts)
    begin, span = np.repeat(rows["begins"].to_numpy(), counts), np.repeat(span, counts)
    created = spec.moment(begin + np.floor(rng.random(len(who)) * span).astype(np.int64), rng)
    won = (rng.random(len(who)) < 0.55).astype(np.float64)
    return _played(who, created, won, "Expansion", rng, rng.integers(15, 90, len(who)), spec)


def _played(
    who: Ints, created: Ints, won: Floats, kind: str, rng: np.random.Generator, length: Ints, spec: WorldSpec
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Opportunities that go through all stages in even steps over `length` days and then close."""
    n = len(who)
    steps = (np.arange(5) / 4.0)[None, :] * (length * DAY)[:, None]
    entered = created[:, None] + np.floor(steps / 1e6).astype(np.int64) * 1_000_000
    last = np.where(won > 0, "Closed Won", "Closed Lost")
    names = np.column_stack([np.full(n, STAGES[s], dtype=object) for s in OPEN] + [last.astype(object)])
    stages = pd.DataFrame(
        {"opportunity": np.repeat(np.arange(n), 5), "stage": names.ravel(), "entered": entered.ravel()}
    )
    stages = stages[stages["entered"] < spec.begin + spec.days * DAY].reset_index(drop=True)
    opportunities = pd.DataFrame({"account": who, "created": created, "type": kind})
    return _closed(opportunities, stages), stages


def _closed(opportunities: pd.DataFrame, stages: pd.DataFrame) -> pd.DataFrame:
    ends = stages[stages["stage"].isin(["Closed Won", "Closed Lost"])]
    closed, won = never(len(opportunities)), np.zeros(len(opportunities), dtype=bool)
    closed[ends["opportunity"].to_numpy()] = ends["entered"].to_numpy()
    won[ends["opportunity"].to_numpy()] = (ends["stage"] == "Closed Won").to_numpy()
    return opportunities.assign(closed=closed, won=won)


def _described(opportunities: pd.DataFrame, accounts: Accounts, rng: np.random.Generator) -> pd.DataFrame:
    n = len(opportunities)
    base = _LOG_AMOUNT_BY_SIZE[accounts.size[opportunities["account"].to_numpy()]]
    base = base - 0.7 * (opportunities["type"] == "Expansion").to_numpy()
    planned = base + rng.normal(0.0, 0.5, n)
    return opportunities.assign(
        opportunity_id=[f"opp-{i:06d}" for i in range(n)],
        planned=np.round(np.exp(planned), -2),
        amount=np.round(np.exp(planned + rng.normal(-0.1, 0.2, n)), -2),
        pipeline=_PIPELINES[(rng.random(n) < 0.2).astype(int)],
        product=_PRODUCTS[rng.choice(3, n, p=[0.55, 0.3, 0.15])],
        source=_SOURCES[rng.choice(4, n, p=[0.45, 0.3, 0.15, 0.1])],
    )
