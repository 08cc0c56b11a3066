"""The signal side of a draft: channels with their kinds and dates, windows, triggers, values, and the buying group."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pandas as pd

from tierwise.audit.drafting.text import comments, listed, scalar, told_apart
from tierwise.audit.reach import sustained_from
from tierwise.audit.roles import role_clock
from tierwise.audit.shifts import Volumes, volumes
from tierwise.data import Query
from tierwise.features.catalogue import slug

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierwise.data import Warehouse

TRIGGERS = ("leadership_change", "funding", "product_launch", "strategy_shift")
OBJECTIONS = ("unsubscribe", "unsubscribed", "objection", "do_not_contact", "opt_out", "opted_out")
"""Kinds by which somebody says that they want none of it."""
FAILURES = ("bounce", "bounced", "dropped", "spam_report", "spamreport", "complaint")
"""Kinds of what never arrived, or was not wanted."""
LEAST_SHARE = 0.02
"""A kind with less of its channel's activities gets no feature of its own."""
LATE_DAYS = 30
"""A channel that begins so much later than the history is said to begin late."""
WINDOWS, HALF_LIVES = (7, 30, 90, 365), (7, 30, 90)
REACH = 0.6
"""No window, and no four half-lives, may reach over more than this share of the history."""
WIDE = 5.0
"""A kind's value is summed like an amount if its 95 % quantile is so many times its 5 % quantile."""


@dataclass(frozen=True)
class ChannelLine:
    """One channel of buyers, as it is drafted."""

    name: str
    since: date
    stray: int
    kinds: tuple[str, ...]
    jumps: bool = False
    """Whether it was there before `since`, at a fraction of its volume."""
    stopped: date | None = None
    """Since when there is none of it any more, while the other channels go on."""


def windows(days: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The windows and half-lives that a history of so many days bears; the shortest always stays.

    >>> windows(730), windows(120)
    (((7, 30, 90, 365), (7, 30, 90)), ((7, 30), (7,)))
    """
    bears = REACH * days
    wide = tuple(w for w in WINDOWS if w <= bears) or WINDOWS[:1]
    return wide, tuple(h for h in HALF_LIVES if 4 * h <= bears) or HALF_LIVES[:1]


def channels(warehouse: Warehouse) -> tuple[list[ChannelLine], list[str]]:
    """The channels of buyers (the table `touch` must be there), and the trigger kinds found."""
    found = warehouse.frame(
        Query("""
        SELECT channel, kind, count(*) AS n FROM touch
        WHERE initiator = 'buyer' AND channel IS NOT NULL GROUP BY channel, kind ORDER BY channel, kind
        """)
    )
    aside = [*TRIGGERS, *no_signals(found["kind"])]
    days = warehouse.frame(
        Query(
            """
            SELECT channel, CAST(occurred_at AS DATE) AS day, count(*) AS n FROM touch
            WHERE initiator = 'buyer' AND NOT list_contains($others, coalesce(kind, '')) GROUP BY channel, day
            ORDER BY channel, day
            """,
            {"others": aside},
        )
    )
    lines, counted = [], volumes(warehouse, ("buyer",))
    apart = told_apart(found.groupby("channel")["n"].sum().sort_values(ascending=False, kind="stable").index)
    for channel, rows in days[days["channel"].isin(apart)].groupby("channel"):
        at = [pd.Timestamp(d).date() for d in rows["day"]]
        since, ours = sustained_from(at), counted.frame["channel"] == channel
        seen = counted.shift(ours, since)
        jumps = seen is not None and seen.rises
        since = seen.at if seen is not None and seen.rises else since
        own = found[(found["channel"] == channel) & ~found["kind"].isin(aside)]
        kinds = [
            kind
            for kind in told_apart(own.loc[own["n"] >= LEAST_SHARE * own["n"].sum(), "kind"].dropna())
            if not _shifts(counted, ours & (counted.frame["kind"] == kind), since)
        ]
        stopped = seen.at if seen is not None and seen.stops else None
        stray = int(rows["n"][[d < since for d in at]].sum())
        lines.append(ChannelLine(str(channel), since, stray, tuple(kinds) if len(kinds) > 1 else (), jumps, stopped))
    return lines, [k for k in TRIGGERS if k in set(found["kind"])]


def no_signals(kinds: Iterable[str | None], among: Sequence[str] = (*OBJECTIONS, *FAILURES)) -> list[str]:
    """The kinds that are called like an objection or a failure, in whatever letters, each once.

    >>> no_signals(["SPAMREPORT", "open", "Opted out", None])
    ['Opted out', 'SPAMREPORT']
    """
    return sorted({kind for kind in kinds if isinstance(kind, str) and slug(kind) in among})


def _shifts(counted: Volumes, mask: pd.Series, since: date) -> bool:
    """Whether a kind begins, or jumps, after its channel does, or stops: no date could be said of it."""
    seen = counted.shift(mask, since)
    return seen is not None and (seen.rises or seen.stops)


def value_kinds(warehouse: Warehouse) -> list[str]:
    """The kinds of buyer activity whose value is like an amount: nearly always there, and widely spread."""
    found = warehouse.frame(
        Query(
            """
            SELECT kind FROM touch WHERE initiator = 'buyer' AND kind IS NOT NULL
            GROUP BY kind
            HAVING count(value) >= greatest(20, 0.5 * count(*)) AND count(DISTINCT value) >= 10
               AND quantile_cont(value, 0.05) > 0
               AND quantile_cont(value, 0.95) >= $wide * quantile_cont(value, 0.05)
            ORDER BY kind
            """,
            {"wide": WIDE},
        )
    )
    aside = no_signals(found["kind"])
    return [str(kind) for kind in found["kind"] if kind not in aside]


def signal_lines(warehouse: Warehouse, begins: date, days: int) -> list[str]:
    """The lines under `signal:`."""
    lines, triggers = channels(warehouse)
    kinds = warehouse.frame(Query("SELECT DISTINCT kind FROM touch WHERE initiator = 'buyer'"))["kind"]
    said = [_channel(line, begins) for line in lines]
    if not lines:
        said = comments([_no_channel(warehouse)], "      ")
    if all(line.stopped for line in lines):
        said = [*said, "      {}"]
    wide, halves = windows(days)
    bounded = "" if (wide, halves) == (WINDOWS, HALF_LIVES) else f": a history of {days} days bears no longer ones"
    return [
        "  signal:  # what they do; seller activity is effort, never signal",
        "    channels:  # windows that reach before tracked_from are missing, not zero",
        *said,
        f"    objections: {listed(no_signals(kinds))}  # kinds that say no, or nothing: they count as no signal",
        f"    triggers: {listed(triggers)}",
        f"    value_of: {listed(value_kinds(warehouse))}  # kinds whose value is summed, like an amount",
        f"    windows_days: {list(wide)}  # how far back things are counted{bounded}",
        f"    half_lives_days: {list(halves)}  # after so many days an activity counts half",
        _group(warehouse),
    ]


def _channel(line: ChannelLine, begins: date) -> str:
    if line.stopped is not None:
        return f"      # {scalar(line.name)} is left out: it stopped on {line.stopped}; is it still exported?"
    listing = f", kinds: {listed(line.kinds)}" if line.kinds else ""
    said = []
    if line.since - begins > timedelta(days=LATE_DAYS):
        said.append(f"begins {(line.since - begins).days} days after the history does")
    if line.jumps:
        said.append("there was little of it before")
    elif line.stray:
        said.append(f"{line.stray:,} earlier {'activity stands' if line.stray == 1 else 'activities stand'} apart")
    because = f"  # {'; '.join(said)}" if said else ""
    return f"      {scalar(line.name)}: {{tracked_from: {line.since}{listing}}}{because}"


def _no_channel(warehouse: Warehouse) -> str:
    row = warehouse.frame(
        Query("SELECT count(*) AS n, count(*) FILTER (initiator IS NULL) AS nobody FROM activities")
    ).iloc[0]
    n, nobody = int(row["n"]), int(row["nobody"])
    if n == 0:
        return "there are no activities: nothing that accounts do can be a signal"
    return (
        f"none of {n:,} activities is known to be a buyer's ({nobody:,} have no initiator): they may be your own "
        "people's effort, and are no signal; export initiator (buyer or seller), and draft again"
    )


def _group(warehouse: Warehouse) -> str:
    roles = set(warehouse.frame(Query("SELECT DISTINCT role FROM contacts WHERE role IS NOT NULL"))["role"])
    group = [r for r in ("champion", "exec_buyer") if r in roles] or sorted(roles)[:2] or ["champion", "exec_buyer"]
    clock, because = role_clock(warehouse)
    return f"    buying_group: {{roles: {listed(group)}, window_days: 90, clock: {clock}}}  # {because}"
