"""Shifts in the midst of history: stages that were renamed, and activities that began to be tracked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

import tierwise.audit.sql as sql
from tierwise.audit.finding import Finding
from tierwise.audit.reach import sustained_from

if TYPE_CHECKING:
    from tierwise.config.plan import Outcome, Plan, Signals
    from tierwise.data import Warehouse

Floats = npt.NDArray[np.float64]
Daily = Mapping[date, int]

BIN_DAYS, SIDE = 14, 6
"""Volume is counted in bins of so many days, and so many bins before a date are held against as many after it."""
FACTOR = 3.0
"""Volume jumps where the second-lowest bin after a date holds at least so many times the second-highest before it,"""
LEAST_AFTER = 30
"""and the bins of the greater side hold at least so many activities."""
STRAY = 0.05
"""Of what stopped, there may still be less than this share of its volume."""
LEAST_OTHERS = 10.0
"""A season, or growth, is what the others' bins show: their mean must be at least this."""
NEVER_BY_CHANCE = 1e-6
"""A stage has stopped, or begun, if chance would keep it out of the pipeline's other entries so rarely;"""
TOGETHER_DAYS = 45
"""and stages changed together if one begins within so many days of another's end."""


@dataclass(frozen=True)
class Shift:
    """A jump or fall of volume at a date: medians of 14 days' bins before and after, and what the newest five hold."""

    at: date
    before: float
    after: float
    newest: float

    @property
    def rises(self) -> bool:
        """Whether there is more after than before."""
        return self.after > self.before

    @property
    def stops(self) -> bool:
        """Whether there is nothing after but strays: what pauses, and comes back, does not stop."""
        return self.after == 0 and self.newest < STRAY * (SIDE - 1) * self.before


def of_shifts(warehouse: Warehouse, plan: Plan, data_through: datetime) -> list[Finding]:
    """Changes of stages or tracking that the plan does not date."""
    return [*_stages(warehouse, plan, data_through), *_tracking(warehouse, plan, data_through)]


# --- tracking


def shift(own: Daily, others: Daily, begins: date, ends: date) -> Shift | None:
    """The greatest jump or fall of volume between two dates, or None; both by itself and beside all the others'.

    Bins of 14 days, six of them on either side, the oddest bin of each side left aside: a burst or a quiet fortnight
    is no shift; nor is a season or growth that the others share, nor the shift of another.
    """
    mine, rest = _binned(own, begins, ends), _binned(others, begins, ends)
    if len(mine) < 2 * SIDE:
        return None
    shapes = [mine]
    if rest.mean() >= LEAST_OTHERS:
        shapes.append(mine * rest.mean() / np.maximum(rest, rest.mean() / 20))
    places = range(SIDE, len(mine) - SIDE + 1)
    rises = [min(_ratio(s[k - SIDE : k], s[k : k + SIDE]) for s in shapes) for k in places]
    falls = [min(_ratio(s[k : k + SIDE], s[k - SIDE : k]) for s in shapes) for k in places]
    best = rises if max(rises) >= max(falls) else falls
    k = places[int(np.argmax(best))]
    before, after = mine[k - SIDE : k], mine[k : k + SIDE]
    if max(best) < FACTOR or max(before.sum(), after.sum()) < LEAST_AFTER:
        return None
    levels = (float(np.median(before)), float(np.median(after)), float(mine[1 - SIDE :].sum()))
    seen = Shift(begins + timedelta(days=k * BIN_DAYS), *levels)
    if not seen.stops:
        return seen
    last = int(np.flatnonzero(mine > STRAY * seen.before)[-1])
    return replace(seen, at=begins + timedelta(days=(last + 1) * BIN_DAYS))


def _ratio(low: Floats, high: Floats) -> float:
    """The second-lowest of the one side over the second-highest of the other, of which half an activity is always."""
    return float(np.sort(high)[1] / (np.sort(low)[-2] + 0.5))


def _binned(daily: Daily, begins: date, ends: date) -> Floats:
    """Counts of whole bins from `begins` on."""
    out = np.zeros(max(0, (ends - begins).days // BIN_DAYS))
    for day, n in daily.items():
        place = (day - begins).days // BIN_DAYS
        if 0 <= place < len(out):
            out[place] += n
    return out


@dataclass(frozen=True)
class Volumes:
    """What the initiators that count did: a row a channel, kind and day with its n."""

    frame: pd.DataFrame

    @property
    def begins(self) -> date:
        """The first day of sustained activity."""
        return sustained_from(list(self.frame["day"]))

    @property
    def ends(self) -> date:
        """The day after the last one."""
        last: date = self.frame["day"].max()
        return last + timedelta(days=1)

    def shift(self, mask: pd.Series, since: date | None = None) -> Shift | None:
        """The shift of the rows that a mask picks, beside all others, from a date on.

        One that begins from nothing is dated to the first day on which it does.
        """
        own, others = (_daily(self.frame[m]) for m in (mask, ~mask))
        begins = self.begins if since is None else max(since, self.begins)
        found = shift(own, others, begins, self.ends)
        if found is None or found.before > 0 or not found.rises:
            return found
        days = [day for day in own if day >= found.at - timedelta(days=BIN_DAYS)]
        return replace(found, at=sustained_from(days))


def _daily(frame: pd.DataFrame) -> dict[date, int]:
    return {day: int(n) for day, n in frame.groupby("day")["n"].sum().items()}


def volumes(warehouse: Warehouse, initiators: Sequence[str], data_through: datetime | None = None) -> Volumes:
    """The activities of those initiators, counted by channel, kind and day, up to an instant."""
    found = warehouse.frame(sql.volumes(initiators, data_through))
    return Volumes(found.assign(day=[pd.Timestamp(day).date() for day in found["day"]]))


def _tracking(warehouse: Warehouse, plan: Plan, data_through: datetime) -> list[Finding]:
    """Channels, counted kinds and triggers whose volume jumps or falls at a date that the plan does not say."""
    signal = plan.features.signal
    counted = volumes(warehouse, signal.initiators, data_through)
    if counted.frame.empty:
        return []
    found = []
    for name, channel in signal.channels.items():
        ours = counted.frame["channel"] == name
        seen = counted.shift(ours, channel.tracked_from)
        if seen is not None:
            found.append(_channel(name, seen, channel.tracked_from))
            continue
        for kind in channel.kinds:
            seen = counted.shift(ours & (counted.frame["kind"] == kind), channel.tracked_from)
            if seen is not None:
                found.append(_kind(name, kind, seen))
    return found + _triggers(counted, signal)


def _said(what: str, seen: Shift) -> str:
    level = f"from {seen.before:g} to {seen.after:g} activities in {BIN_DAYS} days"
    word = "begins" if not seen.before else "jumps" if seen.rises else "stops" if seen.stops else "falls"
    return f"{what} {word} on {seen.at}: {level}, which the other activities do not"


def _channel(name: str, seen: Shift, known: date | None) -> Finding:
    asked = f"the plan counts the channel {name} " + ("without tracked_from" if known is None else f"from {known}")
    if seen.rises:
        do = f"Add tracked_from: {seen.at} to features.signal.channels.{name}: windows before it are then missing"
        return Finding("tracking_shift", "blocks", name, asked, _said("its volume", seen), do, _figures(seen))
    return _lost(name, asked, seen, f"take {name} out of features.signal.channels")


def _kind(channel: str, kind: str, seen: Shift) -> Finding:
    asked = f"the plan counts {kind} in the channel {channel}"
    out = f"take {kind} out of features.signal.channels.{channel}.kinds"
    if seen.rises:
        do = f"Add tracked_from: {seen.at} to features.signal.channels.{channel}, or {out}"
        return Finding("tracking_shift", "blocks", kind, asked, _said("its volume", seen), do, _figures(seen))
    return _lost(kind, asked, seen, out)


def _lost(subject: str, asked: str, seen: Shift, out: str) -> Finding:
    """What stops refuses training, as later rows cannot show it; what only falls may be the buyers' doing."""
    do = f"Find out whether it is still tracked: a source that went silent looks like quiet buyers; else {out}"
    return Finding(
        "tracking_lost",
        "blocks" if seen.stops else "warns",
        subject,
        asked,
        _said("its volume", seen),
        do,
        _figures(seen),
    )


def _triggers(counted: Volumes, signal: Signals) -> list[Finding]:
    """Trigger kinds, which have no tracked_from: they are taken out, or history begins later."""
    found = []
    for kind in signal.triggers:
        seen = counted.shift(counted.frame["kind"] == kind)
        asked, out = f"the plan reads the trigger {kind}", f"take {kind} out of features.signal.triggers"
        if seen is not None and seen.rises:
            do = f"{out[0].upper()}{out[1:]}, or accept it: rows before {seen.at} have none"
            found.append(Finding("tracking_shift", "warns", kind, asked, _said("it", seen), do, _figures(seen)))
        elif seen is not None:
            found.append(_lost(kind, asked, seen, out))
    return found


def _figures(seen: Shift) -> dict[str, object]:
    return {"at": str(seen.at), "before": seen.before, "after": seen.after, "bin_days": BIN_DAYS}


# --- stages


@dataclass(frozen=True)
class StageSpan:
    """When a stage was first and last entered; begun, stopped: beyond chance, it was not there before, or after."""

    stage: str
    first: date
    last: date
    begun: bool
    stopped: bool


def stage_spans(entries: pd.DataFrame) -> list[StageSpan]:
    """The stages of one pipeline's entries (stage, entered_at).

    The pipeline's own entries are the clock, so that seasons and growth do not count: of n entries from the stage's
    first on, chance puts all its k among the m up to its last with probability (m / n)^k; and so backwards.
    """
    ordered = entries.sort_values("entered_at", kind="stable", ignore_index=True)
    found = []
    for stage, rows in ordered.groupby("stage"):
        first, last, k = int(rows.index[0]), int(rows.index[-1]), len(rows)
        used = last - first + 1
        begun, stopped = ((used / of) ** k < NEVER_BY_CHANCE for of in (last + 1, len(ordered) - first))
        begins, ends = rows["entered_at"].iloc[0].date(), rows["entered_at"].iloc[-1].date()
        found.append(StageSpan(str(stage), begins, ends, begun, stopped))
    return found


def _stages(warehouse: Warehouse, plan: Plan, data_through: datetime) -> list[Finding]:
    """Stages that others took the place of, where the outcome is a stage reached."""
    if plan.outcome.event != "stage_reached":
        return []
    entries = warehouse.frame(sql.stage_entries(data_through))
    found = []
    for pipeline, rows in entries.groupby("pipeline"):
        if plan.outcome.pipelines and pipeline not in plan.outcome.pipelines:
            continue
        for old, new in _replaced(stage_spans(rows)):
            found += _mapped(str(pipeline), old, new, plan.outcome, plan.model.train_from)
    return found


def _replaced(spans: Sequence[StageSpan]) -> list[tuple[list[StageSpan], list[StageSpan]]]:
    """The stages that stopped and those that began about then, change by change."""
    new, found = sorted((s for s in spans if s.begun), key=lambda s: s.first), []
    while new:
        near = [s for s in new if (s.first - new[0].first).days <= TOGETHER_DAYS]
        new = new[len(near) :]
        old = [s for s in spans if s.stopped and any(abs((s.last - n.first).days) <= TOGETHER_DAYS for n in near)]
        if old:
            found.append((old, near))
    return found


def _mapped(
    pipeline: str, old: list[StageSpan], new: list[StageSpan], outcome: Outcome, train_from: date | None
) -> list[Finding]:
    """What one change of stages means for the outcome's own stages."""
    at = max(*(s.last for s in old), *(s.first for s in new))
    if train_from is not None and at < train_from:
        return []
    own = set(outcome.stages)
    before, after = [s for s in old if s.stage in own], [s for s in new if s.stage in own]
    where = f" of the pipeline {pipeline}" if pipeline else ""
    words = f"the stages{where} changed about {min(s.first for s in new)}: {_named(old)} ended, and {_named(new)} began"
    figures = {"at": str(at), "ended": [s.stage for s in old], "began": [s.stage for s in new]}
    asked = f"the outcome is reaching {' or '.join(outcome.stages)}"
    later = f"set model.train_from: {at + timedelta(days=1)}"
    if len(before) != len(after):
        do = f"Name in outcome.stages both what a stage was called and what it is called now, or {later}"
        return [Finding("stages_changed", "blocks", s.stage, asked, words, do, figures) for s in (*before, *after)]
    if before:
        do = "The plan names stages of before and after: make sure that they mean the same"
        return [Finding("stages_changed", "notes", before[0].stage, asked, words, do, figures)]
    do = f"Make sure that the outcome's stages mean the same before and after, or {later}"
    return [Finding("stages_changed", "warns", pipeline or "opportunity_stages", asked, words, do, figures)]


def _named(spans: Sequence[StageSpan]) -> str:
    return ", ".join(s.stage for s in sorted(spans, key=lambda s: s.stage))
