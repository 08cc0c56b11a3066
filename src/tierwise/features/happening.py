"""What would change if something happened: an event, as every feature and fact of a row would have it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tierwise.features.catalogue import contact_windows, role_words, slug, spoken, trend_windows

if TYPE_CHECKING:
    from tierwise.config import Plan

ABLE = frozenset(
    {
        *("appointment", "call", "conference", "conversation", "demo", "dinner", "event", "meeting", "reply"),
        *("roundtable", "seminar", "trial", "webinar", "workshop"),
    }
)
"""Words of channels and kinds that people can bring about; what buyers do by themselves, and time, are none."""
DAYS_AGO = 1
"""An event that might be is one of the day before as_of: every window holds it."""


@dataclass(frozen=True, order=True)
class Happening:
    """One more activity of a buyer: of a channel, of a kind where the plan counts kinds, by a role where one is meant.

    Without a role it is by somebody who is active already, or by the first who is.
    """

    channel: str
    kind: str = ""
    role: str = ""

    @property
    def words(self) -> str:
        """The event as people say it: "a meeting with an executive buyer"."""
        what = spoken(self.kind or self.channel).lower()
        by = f" with {_a(role_words(self.role))}" if self.role else ""
        return f"{_a(what)}{by}"

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that count it."""
        made = slug(self.channel)
        channel = f"channel_{made}" if made[0].isdigit() else made
        return ("signals", channel, *([f"{channel}_{slug(self.kind)}"] if self.kind else []))


def able_to(plan: Plan) -> tuple[Happening, ...]:
    """The events that people can bring about, by the words of the plan's channels and kinds; by each role too.

    What ends an account's time in the cohort, and what is the outcome itself, is no such event.
    """
    ends = {*plan.cohort.ended_by, *(plan.outcome.kinds if plan.outcome.event == "activity" else ())}
    found = []
    for channel, about in plan.features.signal.channels.items():
        kinds = about.kinds or ("",)
        found += [(channel, kind) for kind in kinds if kind not in ends and ABLE & (_words(kind) | _words(channel))]
    roles = ("", *plan.features.signal.buying_group.roles)
    return tuple(Happening(channel, kind, role) for channel, kind in found for role in roles)


def happened(frame: pd.DataFrame, plan: Plan, event: Happening) -> pd.DataFrame:
    """Rows of a matrix as they would be had the event happened on the day before as_of, and been known then.

    All that the catalogue makes of an activity moves together: counts of every window, fading sums, days since,
    trends, contacts, roles; and the facts that the policy reads. What is missing because it was not tracked stays so.
    """
    out = frame.copy()
    signal = plan.features.signal
    for w in trend_windows(plan):
        now = out[f"signals_{w}d"]
        out[f"signals_trend_{w}d"] += np.log((now + 2) / (now + 1))
    out["channels_7d"] = _channels(out, event)
    for m in event.measures:
        for w in signal.windows_days:
            out[f"{m}_{w}d"] += 1
        if m in ("signals", event.measures[1]):
            for h in signal.half_lives_days:
                out[f"{m}_decayed_{h}d"] = (out[f"{m}_decayed_{h}d"] + 0.5 ** (DAYS_AGO / h)).round(2)
            out[f"{m}_days_since"] = np.fmin(out[f"{m}_days_since"], DAYS_AGO)
    if 7 not in signal.windows_days:
        out["signals_7d"] += 1
    out["days_since_signal"] = np.fmin(out["days_since_signal"], DAYS_AGO)
    fresh = _fresh(out, event)
    for w in {*contact_windows(plan), 7}:
        name = f"contacts_{w}d"
        out[name] = np.where(fresh, out[name] + 1, np.fmax(out[name], np.where(out[name].isna(), np.nan, 1)))
    return _reached(out, plan, event) if event.role else out


def _channels(out: pd.DataFrame, event: Happening) -> pd.Series:
    """How many channels the last 7 days hold: one more, if the event's is not among them."""
    count = f"{event.measures[1]}_7d"
    if count in out.columns:
        return out["channels_7d"] + (out[count] == 0)
    return np.fmax(out["channels_7d"], 1)


def _fresh(out: pd.DataFrame, event: Happening) -> pd.Series:
    """Whether the event is by somebody who was not active within the windows: a role that had not been reached."""
    reached = out["roles_reached"].fillna("").str.split(";")
    return pd.Series([bool(event.role) and event.role not in roles for roles in reached], index=out.index)


def _reached(out: pd.DataFrame, plan: Plan, event: Happening) -> pd.DataFrame:
    """The rows with the event's role reached."""
    group = plan.features.signal.buying_group
    reached = [sorted({*filter(None, str(r or "").split(";")), event.role}) for r in out["roles_reached"].fillna("")]
    count = np.array([len(roles) for roles in reached], dtype=np.float64)
    out["roles_reached"] = pd.Series([";".join(roles) for roles in reached], index=out.index, dtype=object)
    out["coverage"] = pd.Series(
        np.where(count >= len(group.roles), "reached", "partial"), index=out.index, dtype=object
    )
    if group.known:
        flag = f"reached_{slug(event.role)}"
        out[flag] = out[flag].where(out[flag].isna(), 1.0)
        share = pd.Series(count / (len(group.roles) or 1), index=out.index)
        out["buying_group_share"] = out["buying_group_share"].where(out["buying_group_share"].isna(), share)
    return out


def _words(name: str) -> frozenset[str]:
    """The words of a name, each as it stands and without a plural's s."""
    words = re.split(r"[\W_]+", name.lower())
    return frozenset([*words, *(w.removesuffix("s") for w in words), *(w.removesuffix("ies") + "y" for w in words)])


def _a(what: str) -> str:
    return f"{'an' if what[:1] in 'aeiou' else 'a'} {what}"


def counts_of(plan: Plan, event: Happening) -> tuple[str, ...]:
    """The counts of the event's own channel and kind, for holding them against what training has seen."""
    return tuple(f"{m}_{w}d" for m in event.measures[1:] for w in plan.features.signal.windows_days)
