"""What a training's "no usable model" means: how much more is needed, which baseline stands, and what would help."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from tierwise.clock import grid, instant

if TYPE_CHECKING:
    from tierwise.audit import Finding
    from tierwise.clock import Every
    from tierwise.learning import Ladder

FIGURES = ("average_precision", "capture_0.2")
SURE_Z = 1.6449
"""How many standard errors ahead the model is in 95 of 100 paired resamples."""
LONGEST_WAIT_DAYS = 50 * 365
HELPS = (
    "no_initiator",
    "no_linked_at",
    "untracked_roles",
    "tracked_without_history",
    "blank_old_values",
    "timing_unknown",
    "refused_attribute",
    "tracking_change",
    "empty_channel",
    "uncounted_channel",
    "no_recorded_at",
    "no_created_at",
    "load_instant",
    "logged_late",
)
"""Findings of the audit whose mending gives a model more to learn from, what helps most first."""
ABSENT = {
    "activities": (
        "no activity is in the tables: nothing says what accounts do",
        "Add activities: website visits, e-mail answers, meetings",
    ),
    "contacts": ("no contact is in the tables: nothing says who acts", "Add contacts with role or title"),
    "account_history": (
        "no change of an attribute is in the tables: what accounts were on past dates is not known",
        "Export the field history, or score regularly: each run keeps today's attributes for later",
    ),
}
"""Tables whose absence leaves little to learn from."""


def needs(ladder: Ladder) -> dict[str, Any]:
    """How many accounts with the outcome there are and it takes, and from when, at the pace so far, as plain values.

    lacking: how many more it takes. pace: accounts with the outcome a month of 30 days. possible_from: the first
    data_through at which a model is possible; null where one is by the number of outcomes and dates alone, or where
    waiting brings none.
    """
    possible = ladder.possible_from
    return {
        "accounts": ladder.accounts,
        "needed": ladder.needed,
        "lacking": max(ladder.needed - ladder.accounts, 0),
        "pace": 30 * ladder.pace,
        "possible": ladder.possible,
        "possible_from": None if possible is None else possible.isoformat(),
        "why_not": ladder.why_not,
        "words": ladder.words,
    }


def unbeaten(
    evaluation: Mapping[str, Any] | None,
    pace: float = 0.0,
    data_through: date | None = None,
    *,
    horizon_days: int = 0,
    every: Every = "day",
) -> list[dict[str, Any]]:
    """Each baseline that the chosen model did not beat: by how much, and how many more outcomes could settle it.

    Parameters
    ----------
    evaluation : `Evaluation.to_dict()`.
    pace : accounts with the outcome a day.
    every : the grid of the plan's as-of dates.

    Returns
    -------
    baseline, then per figure (average precision, capture at a fifth) the model's less the baseline's: value, low,
    high; n (accounts with the outcome on the unseen rows); needed (how many it would take for both leads to be sure,
    if they stay as large as they are; null where one is not above 0, and more of the same would not help) and from
    (the data_through at which, at the pace so far, a cohort after the last of so many outcomes has matured).

    The number: the standard error of a mean falls with the root of n, so n grows by (1.645 / z) squared, with z the
    lead over its standard error (a quarter of the 95 % interval's width, about).
    """
    if not evaluation:
        return []
    n = int((evaluation.get("test") or {}).get("outcome_accounts") or 0)
    found = []
    for name, compared in sorted((evaluation.get("comparisons") or {}).items()):
        if compared.get("beaten"):
            continue
        line: dict[str, Any] = {"baseline": name, "n": n}
        for figure in FIGURES:
            line[figure] = {k: (compared.get(figure) or {}).get(k) for k in ("value", "low", "high")}
        each = [_needed(line[figure], n) for figure in FIGURES]
        line["needed"] = None if None in each else max(filter(None, each))
        line["from"] = _from(line["needed"], n, pace, data_through, horizon_days, every)
        found.append(line)
    return found


def _real(value: Any) -> float | None:
    return None if value is None else float(value)


def _needed(lead: Mapping[str, Any], n: int) -> int | None:
    value, low, high = (_real(lead[k]) for k in ("value", "low", "high"))
    if n == 0 or value is None or low is None or high is None or value <= 0 or high <= low:
        return None
    z = value / ((high - low) / 3.92)
    return math.ceil(n * max((SURE_Z / z) ** 2, 1.0))


def _from(
    needed: int | None, n: int, pace: float, data_through: date | None, horizon_days: int, every: Every
) -> str | None:
    if needed is None or pace <= 0 or data_through is None:
        return None
    days = math.ceil((needed - n) / pace)
    if not 0 < days <= LONGEST_WAIT_DAYS:
        return None
    there = instant(data_through + timedelta(days=days))
    cohort = grid(every, there, there + timedelta(days=31))[0]
    return (cohort + timedelta(days=horizon_days)).date().isoformat()


def helps(findings: Iterable[Finding], absent: Iterable[str] = ()) -> list[dict[str, Any]]:
    """What is missing or refused that usually helps: subjects, what was found, what to do; what helps most first.

    absent : tables without an accepted row.
    """
    told = [{"code": "absent_table", "subjects": [t], "found": ABSENT[t][0], "do": ABSENT[t][1]} for t in ABSENT]
    there = set(absent)
    said: dict[tuple[str, str, str], list[str]] = {}
    for finding in sorted(findings, key=lambda f: HELPS.index(f.code) if f.code in HELPS else len(HELPS)):
        if finding.code in HELPS and finding.do:
            said.setdefault((finding.code, finding.found, finding.do), []).append(finding.subject)
    lines = [
        {"code": code, "subjects": list(dict.fromkeys(subjects)), "found": found, "do": do}
        for (code, found, do), subjects in said.items()
    ]
    return [*(line for line in told if line["subjects"][0] in there), *lines]
