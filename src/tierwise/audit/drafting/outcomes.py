"""The outcome that the data can support: candidates in their order, each counted, tried on a ladder of horizons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd

import tierwise.audit.sql as sql
from tierwise.audit.ladder import plan_ladder
from tierwise.clock import Every, naive
from tierwise.config import Cohort, Grid, Learning, Outcome, Plan
from tierwise.data import Query
from tierwise.features import outcome_table

if TYPE_CHECKING:
    from tierwise.data import Warehouse
    from tierwise.learning import Ladder

HORIZONS: tuple[tuple[int, Every], ...] = ((90, "month"), (60, "month"), (30, "month"), (30, "week"), (14, "week"))
"""Days of horizon and the grid, tried in this order."""
ACTIVITY_KINDS = (
    ("demo_request", "demo_requested", "contact_sales", "quote_request", "trial_start", "trial_started"),
    ("order", "purchase", "invoice", "subscription_started"),
)
"""Kinds of activity that are as good as an opportunity where there are none; each group is one candidate."""
CLOSED = ("won", "lost", "closed")
LOAD_SHARE, LOAD_FROM = 0.5, 10
"""Where one day holds more than this share of so many events, it is the day on which they were loaded."""
KEEP_SHARE = 0.5
"""Customers, or accounts in the pipeline, stay in the cohort if more than this share of outcomes is theirs."""
WARM_UP_DAYS, WARM_UP_SHARE = 180, 4
"""Training begins so many days after the data, or after this part of a shorter history."""


@dataclass(frozen=True)
class Candidate:
    """An outcome with what the data hold of it; `against` says why it cannot be dated, if so."""

    outcome: Outcome
    words: str
    events: int
    accounts: int
    against: str = ""

    @property
    def counted(self) -> str:
        """The candidate in one line."""
        line = f"{self.words}: {self.events:,} events of {self.accounts:,} accounts"
        return f"{line}; {self.against}" if self.against else line


@dataclass(frozen=True)
class Chosen:
    """The outcome chosen, its cohort and grid, the ladder, and every candidate that was counted."""

    candidate: Candidate
    cohort: Cohort
    cohort_because: Mapping[str, str]
    learning: Learning
    ladder: Ladder
    tried: tuple[Candidate, ...]

    @property
    def outcome(self) -> Outcome:
        """The outcome with its horizon."""
        return self.candidate.outcome


def candidates(warehouse: Warehouse, reaches: Mapping[str, datetime]) -> list[Candidate]:
    """Every outcome that the tables might hold, in the order in which they are tried."""
    types = warehouse.frame(Query("SELECT type, count(*) AS n FROM opportunities GROUP BY type ORDER BY n DESC, type"))
    new = tuple(t for t in types["type"].dropna() if "new" in t.lower())
    tried = [(Outcome(types=new), f"opportunity created of type {' or '.join(new)}")] if new else []
    tried.append((Outcome(), "opportunity created"))
    tried.append((Outcome(event="opportunity_won"), "opportunity won"))
    stage = _stage(warehouse)
    if stage is not None:
        tried.append((Outcome(event="stage_reached", stages=(stage,)), f"stage {stage} reached"))
    kinds = set(warehouse.frame(Query("SELECT DISTINCT kind FROM activities WHERE kind IS NOT NULL"))["kind"])
    groups = [tuple(k for k in group if k in kinds) for group in ACTIVITY_KINDS]
    tried += [(Outcome(event="activity", kinds=g), f"activity {' or '.join(g)}") for g in groups if g]
    return [_counted(warehouse, outcome, words, reaches) for outcome, words in tried]


def choose_outcome(
    warehouse: Warehouse, plan: str, begins: datetime, through: Mapping[str, datetime], until: datetime
) -> Chosen:
    """The first candidate with the longest horizon on which a model is possible.

    Where none is possible: of the first candidate that can be dated (or the first of all), the horizon on which one
    will be possible first. until: how far the data reach, for a table that says nothing.
    """
    tried = tuple(candidates(warehouse, through))
    dated = [c for c in tried if c.accounts and not c.against]
    needed = Learning().min_outcomes
    for candidate in (c for c in dated if c.accounts >= needed):
        reach = through.get(outcome_table(candidate.outcome), until)
        found = next((c for c in _rungs(warehouse, plan, candidate, begins, reach, tried) if c.ladder.possible), None)
        if found is not None:
            return found
    best = (dated or list(tried))[0]
    reach = through.get(outcome_table(best.outcome), until)
    rungs = list(_rungs(warehouse, plan, best, begins, reach, tried))
    return min(rungs, key=lambda c: (c.ladder.possible_from is None, c.ladder.possible_from or reach.date()))


def _rungs(
    warehouse: Warehouse,
    name: str,
    candidate: Candidate,
    begins: datetime,
    through: datetime,
    tried: tuple[Candidate, ...],
) -> Iterator[Chosen]:
    """The candidate on each rung of horizons, longest first; each is counted only when it is asked for."""
    begins = min(begins, through)
    start = begins + min(pd.Timedelta(days=WARM_UP_DAYS), (through - begins) / WARM_UP_SHARE)
    learning = Learning(train_from=naive(start).date())
    for horizon, every in HORIZONS:
        outcome = candidate.outcome.model_copy(update={"horizon_days": horizon})
        cohort, because = _cohort(warehouse, outcome, through, every)
        plan = Plan(plan=name, outcome=outcome, cohort=cohort, model=learning)
        ladder = plan_ladder(warehouse, plan, through, begins)
        yield Chosen(replace(candidate, outcome=outcome), cohort, because, learning, ladder, tried)


def _counted(warehouse: Warehouse, outcome: Outcome, words: str, reaches: Mapping[str, datetime]) -> Candidate:
    reach = reaches.get(outcome_table(outcome))
    if reach is None:
        return Candidate(outcome, words, 0, 0)
    events = sql.outcome_events(outcome, reach)
    row = warehouse.frame(
        Query(
            f"""
            WITH e AS ({events.sql}), d AS (SELECT CAST(event_at AS DATE) AS day, count(*) AS n FROM e GROUP BY day)
            SELECT (SELECT count(*) FROM e) AS events, (SELECT count(DISTINCT account_id) FROM e) AS accounts,
                   (SELECT max(n) FROM d) AS most, (SELECT arg_max(day, (n, day)) FROM d) AS day
            """,
            events.params,
        )
    ).iloc[0]
    n = int(row["events"])
    against = ""
    if n >= LOAD_FROM and row["most"] > LOAD_SHARE * n:
        day = pd.Timestamp(row["day"]).date()
        against = (
            f"{int(row['most']):,} of them bear one date, {day}, on which they were loaded: not when they happened"
        )
    return Candidate(outcome, words, n, int(row["accounts"]), against)


def _stage(warehouse: Warehouse) -> str | None:
    """Of the stages that are not closed ones and that not every opportunity passes, the one of most accounts."""
    found = warehouse.frame(
        Query("""
        SELECT g.stage, count(DISTINCT o.account_id) AS accounts, count(DISTINCT g.opportunity_id) AS deals,
               (SELECT count(DISTINCT opportunity_id) FROM opportunity_stages) AS every
        FROM opportunity_stages g JOIN opportunities o ON o.opportunity_id = g.opportunity_id
        GROUP BY g.stage ORDER BY accounts DESC, g.stage
        """)
    )
    open_ones = [s for s in found.itertuples() if not any(word in str(s.stage).lower() for word in CLOSED)]
    narrow = [s for s in open_ones if s.deals < 0.9 * s.every]
    return str((narrow or open_ones)[0].stage) if open_ones else None


def _cohort(warehouse: Warehouse, outcome: Outcome, through: datetime, every: Every) -> tuple[Cohort, dict[str, str]]:
    """Customers and accounts in the pipeline stay out, unless most outcomes are theirs."""
    events = sql.outcome_events(outcome, through)
    row = warehouse.frame(
        Query(
            f"""
            WITH e AS (SELECT account_id, event_at FROM ({events.sql})),
            w AS (SELECT account_id, min(closed_at) AS won_at FROM opportunities
                  WHERE is_closed AND is_won GROUP BY account_id)
            SELECT count(*) AS n, count(*) FILTER (w.won_at < e.event_at) AS customers,
                   count(*) FILTER (EXISTS (
                       SELECT 1 FROM opportunities o WHERE o.account_id = e.account_id AND o.created_at < e.event_at
                       AND (NOT coalesce(o.is_closed, FALSE) OR o.closed_at >= e.event_at))) AS in_pipeline
            FROM e LEFT JOIN w ON w.account_id = e.account_id
            """,
            events.params,
        )
    ).iloc[0]
    n = int(row["n"])
    keep = {c: n > 0 and int(row[c]) > KEEP_SHARE * n for c in ("customers", "in_pipeline")}
    because = {
        "customers": f"{int(row['customers']):,} of {n:,} outcomes are of accounts that had won before",
        "in_pipeline": f"{int(row['in_pipeline']):,} of {n:,} outcomes came while another opportunity was open",
    }
    cohort = Cohort(
        grid=Grid(every=every),
        customers="keep" if keep["customers"] else "exclude",
        open_opportunity="keep" if keep["in_pipeline"] else "exclude",
    )
    return cohort, because
