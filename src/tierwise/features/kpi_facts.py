"""What the KPIs of tiers are counted from, read out of the warehouse; which tier a fact falls to is not asked here."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tierwise.data import Query
from tierwise.features.counting import make_touch
from tierwise.features.sql import kpis

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pandas as pd

    from tierwise.config import Outcome
    from tierwise.data import Warehouse

_NO_MEETING = ("cancel", "noshow", "declin", "resched", "postpon", "request", "remind", "invit")
_BOOKED = ("book", "set", "schedul", "plan")
_TALK = {"email", "mail", "web", "website", "ads", "ad"}


@dataclass(frozen=True)
class KpiFacts:
    """What happened in [since, until).

    Parameters
    ----------
    spans : (starts, ends) of what lies between two runs, oldest first, and together the window.
    opportunities : as `sql.kpis.created` has them, without those deleted, which are `deleted`.
    activities : account_id, starts (of the span), meetings, seller, buyer.
    leads : lead_id, account_id (null: none), created_at, converted.
    filled : a table or a column (`opportunities.amount`) -> how many of its rows hold something, whenever.
    meetings : the kinds that were counted as meetings.
    currency : of amounts ("": not named).
    """

    spans: kpis.Spans
    opportunities: pd.DataFrame
    activities: pd.DataFrame
    leads: pd.DataFrame
    filled: Mapping[str, int]
    meetings: tuple[str, ...]
    deleted: int
    currency: str


def spans_of(runs: Sequence[datetime], since: datetime, until: datetime) -> kpis.Spans:
    """[since, until) cut at each run's as_of, oldest first.

    >>> from tierwise.clock import instant
    >>> days = [instant(f"2026-03-0{n}") for n in (1, 2, 3, 4)]
    >>> [(a.day, b.day) for a, b in spans_of(days[:3], days[1], days[3])]
    [(2, 3), (3, 4)]
    """
    edges = [since, *sorted({run for run in runs if since < run < until}), until]
    return tuple(pairwise(edges)) if since < until else ()


def is_meeting(channel: str, kind: str) -> bool:
    """Whether an activity is a meeting by its channel's or its kind's name, and none that did not come about.

    What a mail, a page or an advertisement says of a meeting is none.

    >>> is_meeting("meeting", "held"), is_meeting("sales", "Meeting-booked"), is_meeting("meeting", "No Show")
    (True, True, False)
    >>> is_meeting("email", "meeting_reminder"), is_meeting("sales", "meeting request")
    (False, False)
    """
    said, by = _words(kind), _words(channel)
    named = "meeting" in by or ("meeting" in said and not by & _TALK)
    return named and not any(word.startswith(_NO_MEETING) for word in said)


def meetings_among(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Of (channel, kind), those that are meetings; where some say that they were held, those booked count no second
    time."""
    found = [pair for pair in pairs if is_meeting(*pair)]
    held = [pair for pair in found if not any(word.startswith(_BOOKED) for word in _words(pair[1]))]
    return held or found


def _words(name: str) -> set[str]:
    said = "".join(c if c.isalnum() else " " for c in name.lower()).replace("no show", "noshow")
    return {word.removesuffix("s") if word == "meetings" else word for word in said.split()}


def kpi_facts(
    warehouse: Warehouse, outcome: Outcome, runs: Sequence[datetime], since: datetime, until: datetime
) -> KpiFacts:
    """Read them; `runs` are the as-of instants of the runs that stood."""
    make_touch(warehouse)
    spans = spans_of(runs, since, until)
    pairs = warehouse.frame(Query("SELECT DISTINCT channel, kind FROM activities ORDER BY channel, kind"))
    meetings = meetings_among([(str(c), str(k)) for c, k in pairs.itertuples(index=False, name=None)])
    found = warehouse.frame(kpis.created(outcome, since, until))
    gone = found["deleted"].astype(bool)
    named = warehouse.frame(
        Query(
            "SELECT currency, count(*) AS n FROM opportunities WHERE amount IS NOT NULL AND currency IS NOT NULL "
            "GROUP BY currency ORDER BY n DESC, currency LIMIT 1"
        )
    )
    filled = warehouse.frame(kpis.filled()).iloc[0]
    return KpiFacts(
        spans,
        found[~gone].drop(columns="deleted").reset_index(drop=True),
        warehouse.frame(kpis.done(spans, until, meetings)),
        warehouse.frame(kpis.leads(since, until)),
        {str(name): int(n) for name, n in filled.items()},
        tuple(sorted({kind for _, kind in meetings})),
        int(gone.sum()),
        "" if named.empty else str(named["currency"][0]),
    )
