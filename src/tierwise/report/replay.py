"""The page of a replay: what each tier would have been worth, how accounts would have moved, what the rules cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tierwise.report.charts as charts
import tierwise.report.words as words
from tierwise.report.charts import Point
from tierwise.report.page import drawn, render
from tierwise.report.values import ReplayPage
from tierwise.report.words import TIERS, Words, clean

Part = dict[str, object]
Lines = Sequence[Mapping[str, Any]]
FIGURES = {
    "precision": "share that had the outcome",
    "pipeline": "share of all outcomes",
    "moved": "accounts that moved in a month",
    "ping_pong": "accounts that came back in a month",
}


def replay_page(values: ReplayPage) -> str:
    """The replay, as one self-contained HTML text; the same values give the same bytes."""
    return render("replay.html.j2", replay_dict(values), values.labels)


def replay_dict(page: ReplayPage) -> Part:
    """What the page shows, part by part; a part without anything to show is None."""
    w, v = Words(page.labels), page.values
    against = v["against"]
    return {
        "console": False,
        "page_title": f"{clean(v['plan'])}: replay of {clean(v['policy_version'])}",
        "title": clean(str(v["plan"]).replace("_", " ").capitalize(), 100),
        "v": v,
        "outcome": w.sentence(page.outcome),
        "horizon_days": page.horizon_days,
        "first": words.day(v["first"]),
        "last": words.day(v["last"]),
        "judged": sum(line["n"] for line in v["overall"]),
        "open": [words.day(str(line["as_of"])[:10]) for line in v["dates"] if not line["judged"]],
        "worth": worth_part(v["overall"], w),
        "months": months_part(v["by_tier"], w),
        "movement": movement_part(v["movements"], v["stability"], v["stable"][0], w),
        "surges": [_surge(line, w) for line in v["surges"] if line["began"]],
        "guardrails": guardrail_rows(v["guardrails"]),
        "policy": policy_part(page.policy, w),
        "differs": policy_part([said for said in page.second if said not in page.policy], w),
        "against": None if against is None else against_part(against, v, w),
        "scored": {
            "refits": [{**line, "day": words.day(line["as_of"])} for line in v["refits"]],
            "kept": [{"day": words.day(x["as_of"]), "why": w.sentence(x["why"], 300)} for x in v["kept"]],
            "unscored": unscored(v["unscored"], w),
        },
    }


def _said(name: object) -> str:
    """A name of the policy in words."""
    return str(name).replace("_", " ")


def _point(line: Mapping[str, Any], figure: str, label: str) -> Point:
    return Point(label, line[figure], line["low"], line["high"], line["n"])


def worth_part(overall: Lines, w: Words) -> Part:
    """What each tier held and was worth, over all months."""
    points = [_point(line, "precision", w.tier(line["tier"])) for line in overall]
    rows = [{**line, "point": point} for line, point in zip(overall, points, strict=True)]
    base = overall[0]["base"]
    svg = charts.interval_dots(
        points, base,
        title=f"Share of each {w('tier')} that had the outcome", base_words="Base rate",
    )  # fmt: skip
    valued = any(line["value"] is not None for line in overall)
    return {"rows": rows, "svg": drawn(svg), "base": base, "valued": valued}


def months_part(by_tier: Lines, w: Words) -> Part:
    """Size and precision by month."""
    months = list(dict.fromkeys(line["month"] for line in by_tier))
    found = {(line["month"], line["tier"]): line for line in by_tier}
    names = [words.month(m) for m in months]
    sizes = {t: (w.short(t), [float(found[m, t]["size"]) for m in months]) for t in TIERS}
    series: dict[str, tuple[str, list[Point | None]]] = {
        t: (w.short(t), [_point(found[m, t], "precision", w.short(t)) for m in months]) for t in TIERS[:3]
    }
    judged = sum(line["n"] for line in by_tier)
    base = sum(line["outcomes"] for line in by_tier) / judged if judged else None
    title = f"Precision by {w('tier')} and month"
    return {
        "sizes": drawn(charts.stacked_months(names, sizes, title=f"{w.title('accounts')} by {w('tier')} and month")),
        "svg": drawn(charts.trend(names, series, base, title=title, base_words="Base rate")),
        "tiers": [w.short(t) for t in TIERS[:3]],
        "rows": [(name, [found[m, t] for t in TIERS[:3]]) for m, name in zip(months, names, strict=True)],
    }


def movement_part(movements: Lines, stability: Lines, stable: Mapping[str, Any], w: Words) -> Part:
    """Movements by cause and month, and who came back."""
    counts: dict[tuple[str, str], int] = {}
    for line in movements:
        key = (line["month"], line["cause"])
        counts[key] = counts.get(key, 0) + line["n"]
    causes = sorted({c for _, c in counts}, key=lambda c: (-sum(n for (_, k), n in counts.items() if k == c), c))
    names = [words.month(line["month"]) for line in stability]
    series = {c: (w.title(c), [float(counts.get((line["month"], c), 0)) for line in stability]) for c in causes}
    title = f"{w.title('movement')} by cause and month"
    svg = charts.stacked_months(names, series, title=title, share=False) if causes else ""
    rows = [
        {"month": name, "row": line, "causes": [counts.get((line["month"], c), 0) for c in causes]}
        for name, line in zip(names, stability, strict=True)
    ]
    return {"rows": rows, "causes": [w.title(c) for c in causes], "svg": drawn(svg), "stable": stable}


def guardrail_rows(guardrails: Lines) -> list[Part]:
    """What each rule cost and saved, by its name in words."""
    return [{**line, "name": clean(_said(line["guardrail"]), 60)} for line in guardrails]


def policy_part(said: Sequence[str], w: Words) -> list[str]:
    """The sentences of a policy, in the reader's words."""
    return [w.sentence(sentence, 600) for sentence in said]


def _surge(line: Mapping[str, Any], w: Words) -> Part:
    return {**line, "words": w.tier(line["tier"])}


def against_part(against: Mapping[str, Any], v: Mapping[str, Any], w: Words) -> Part:
    """The other policy beside the first, figure by figure."""
    rows = [
        {**line, "words": FIGURES[line["figure"]], "named": w.tier(line["tier"]) if line["tier"] else "all"}
        for line in against["paired"]
        if line["difference"] is not None
    ]
    sizes = [
        {"named": w.tier(a["tier"]), "tier": a["tier"], "first": a["size"], "second": b["size"]}
        for a, b in zip(v["overall"], against["overall"], strict=True)
    ]
    return {
        "version": clean(against["policy_version"]),
        "rows": rows,
        "sizes": sizes,
        "pictures": [drawn(_two(figure, words_, v, against)) for figure, words_ in _BY_MONTH],
    }


_BY_MONTH = (("moved_share", "Share of accounts that moved"), ("ping_pong", "Share of accounts that came back"))


def _two(figure: str, title: str, v: Mapping[str, Any], against: Mapping[str, Any]) -> str:
    """A figure of both policies by month, as two lines."""
    months = [words.month(line["month"]) for line in v["stability"]]
    series: dict[str, tuple[str, list[Point | None]]] = {
        str(n): (name, [Point(name, line[figure], None, None, line["accounts"]) for line in said["stability"]])
        for n, said in enumerate((v, against))
        if (name := clean(said["policy_version"], 24))
    }
    return charts.trend(months, series, None, title=f"{title}, by month", base_words="")


def unscored(found: Lines, w: Words) -> list[Part]:
    """Dates that have no scores, by why, in order."""
    by_why: dict[str, list[str]] = {}
    for line in found:
        by_why.setdefault(w.sentence(line["why"], 300), []).append(words.day(line["as_of"]))
    return [
        {"days": days[0] if len(days) == 1 else f"{days[0]} to {days[-1]} ({len(days)} dates)", "why": why}
        for why, days in by_why.items()
    ]
