"""The page of a proposed policy: what changes, what it would have been worth, and what else was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tierwise.report.words as words
from tierwise.report.charts import share_ceiling, square
from tierwise.report.page import drawn, render
from tierwise.report.svg import FIT, INK, LINE, MUTED, SIGNAL, dot, line, path, picture, text
from tierwise.report.values import TunePage
from tierwise.report.words import TIERS, Words, clean, percent

Part = dict[str, object]
Lines = Sequence[Mapping[str, Any]]
FIGURES = (
    ("held", "outcomes held by the top two tiers", 1),
    ("of_ranked", "of what as many of the minimum fit, ranked by propensity, would hold", 1),
    ("top_share", "accounts in the top two tiers, in their largest month", 1),
    ("tier_1_share", "accounts in the top tier, in its largest month", 1),
    ("tier_3_share", "accounts in the third tier", 1),
    ("ping_pong", "accounts that came back in a month", 2),
    ("moved", "accounts that moved in a month", 1),
)


def tune_page(values: TunePage) -> str:
    """The proposal, as one self-contained HTML text; the same values give the same bytes."""
    return render("tune.html.j2", tune_dict(values), values.labels)


def tune_dict(page: TunePage) -> Part:
    """What the page shows, part by part."""
    w, v = Words(page.labels), page.values
    aims = v["aims"]
    asked = [f"the top two {w('tiers')} hold at most {percent(aims['top_share'])} of {w('accounts')}"]
    if aims["tier_1_share"] is not None:
        asked.append(f"the top one at most {percent(aims['tier_1_share'])}")
    if aims["precision"] is not None:
        asked.append(f"at least {percent(aims['precision'])} of the top one have the outcome")
    asked.append(f"at most {percent(aims['ping_pong'])} of {w('accounts')} come back in a month")
    return {
        "console": False,
        "page_title": f"{clean(v['plan'])}: proposed policy {clean(v['proposed'])}",
        "title": clean(str(v["plan"]).replace("_", " ").capitalize(), 100),
        "v": v,
        "outcome": w.sentence(page.outcome),
        "horizon_days": page.horizon_days,
        "asked": "; ".join(asked),
        "first": words.day(v["first"]),
        "last": words.day(v["last"]),
        "judged_from": words.day(v["judged_from"]),
        "changes": [{key: clean(str(value), 90) for key, value in change.items()} for change in v["changes"]],
        "diff": page.diff,
        "figures": figures(v, w),
        "kept": [_aim(aim, w) for aim in v["aims_kept"]],
        "svg": drawn(front_chart(v, w)),
    }


def _aim(aim: Mapping[str, Any], w: Words) -> str:
    """What was asked for, what the newer dates hold and whether that keeps it: `at most 20.0% of accounts in the top
    two tiers, 21.2%: missed by 1.2 points`."""
    of = {
        "top_share": f"of {w('accounts')} in the top two {w('tiers')}",
        "tier_1_share": f"of {w('accounts')} in the top one",
        "precision": "of the top one with the outcome",
        "ping_pong": f"of {w('accounts')} back in a month",
    }[aim["aim"]]
    digits = 2 if aim["aim"] == "ping_pong" else 1
    within = _within(aim, digits)
    found = f"{percent(aim['found'], digits)}{f' ({within})' if within else ''}"
    return f"at {aim['bound']} {percent(aim['asked'], digits)} {of}, {found}: {_met(aim, digits)}"


def _met(aim: Mapping[str, Any], digits: int) -> str:
    if aim["met"]:
        return "met"
    if aim["short"] is None:
        return "missed, as there is nobody to count"
    points, least = 100 * aim["short"], 10**-digits
    return f"missed by {f'less than {least:g}' if points < least else f'{points:.{digits}f}'} points"


def figures(v: Mapping[str, Any], w: Words) -> list[Part]:
    """A row a figure: the present policy and the proposed one, on the newest dates and on those tuned on."""
    frames = [v[name] for name in ("before", "after", "before_tuning", "after_tuning")]
    rows: list[Part] = [
        {
            "words": w.sentence(said).replace("accounts", w("accounts")),
            "values": [(percent(f[name], digits), _within(f["within"].get(name), digits)) for f in frames],
        }
        for name, said, digits in FIGURES
    ]
    rows += [
        {
            "words": f"{w.tier(tier)}: had the outcome",
            "values": [(percent(f["precision"][tier]), _within(f["within"][tier], 1)) for f in frames],
        }
        for tier in TIERS[:4]
    ]
    return rows


def _within(said: Mapping[str, Any] | None, digits: int) -> str:
    """`12.1% to 18.9%, n 1,204`; `n 0` where nobody was counted, "" where there is no interval of such a figure."""
    if said is None or said["n"] is None:
        return ""
    if said["low"] is None:
        return f"n {words.number(said['n'])}"
    return f"{percent(said['low'], digits)} to {percent(said['high'], digits)}, n {words.number(said['n'])}"


def front_chart(v: Mapping[str, Any], w: Words) -> str:
    """Each policy tried: how often accounts came back, by the outcomes its top two tiers held; the front as a line."""
    side, trials = 260.0, v["trials"]
    fits = [t["top_share"] <= v["aims"]["top_share"] * 1.02 for t in trials]
    most_x = share_ceiling(max(t["held"] for t in trials) or 1.0)
    most_y = share_ceiling(max([*(t["ping_pong"] or 0.0 for t in trials), v["aims"]["ping_pong"]]))
    body, left, top = square(side, most_x, most_y, "outcomes held by the top two", f"{w('accounts')} back in a month")

    def place(trial: Mapping[str, Any]) -> tuple[float, float]:
        return left + side * trial["held"] / most_x, top + side * (1 - (trial["ping_pong"] or 0.0) / most_y)

    limit = top + side * (1 - v["aims"]["ping_pong"] / most_y)
    body.append(line(left, limit, left + side, limit, stroke=SIGNAL, dash="4 3"))
    body.append(text(left + 4, limit - 5, f"most asked for: {percent(v['aims']['ping_pong'])}", size=11, fill=SIGNAL))
    for trial, inside in zip(trials, fits, strict=True):
        body.append(dot(*place(trial), 3.5, FIT if inside else LINE, _tip(trial)))
    front = sorted((place(trials[i]) for i in v["front"]), key=lambda p: (p[0], -p[1]))
    body.append(path(_upper(front), FIT, width=1.5))
    chosen = next(t for t in trials if t["policy_version"] == v["proposed"])
    named = [(trials[0], "present", MUTED), (chosen, "proposed", INK)]
    for (trial, said, colour), down in zip(sorted(named, key=lambda n: place(n[0])[1]), (-8, 18), strict=True):
        x, y = place(trial)
        body.append(dot(x, y, 6, colour, f"{said}: {_tip(trial)}"))
        body.append(text(x - 9, y + down, said, size=12, fill=colour, anchor="end", weight=600, halo=True))
    legend = top + side + 56
    body += [
        dot(left + 6, legend - 4, 4, FIT),
        text(left + 18, legend, "as few accounts as asked for, or fewer", size=12),
    ]
    body += [dot(left + 6, legend + 14, 4, LINE), text(left + 18, legend + 18, "more accounts", size=12)]
    desc = f"{len(trials)} policies; present: {_tip(trials[0])}; proposed: {_tip(chosen)}."
    return picture(left + side + 22, legend + 28, "What was tried", desc, body)


def _upper(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of points from left to right, those that none further right lies below (in ping-pong) of."""
    kept: list[tuple[float, float]] = []
    for point in reversed(points):
        if not kept or point[1] > kept[-1][1]:
            kept.append(point)
    return kept[::-1]


def _tip(trial: Mapping[str, Any]) -> str:
    return (
        f"{percent(trial['held'])} of outcomes in {percent(trial['top_share'])} of accounts,"
        f" {percent(trial['ping_pong'], 2)} back in a month"
    )
