"""Of the training page: the model as a whole, what counts for how many, its points, and where it is worse."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import groupby

from tierwise.learning.metrics import wilson
from tierwise.report.curves import Bar, bars
from tierwise.report.page import drawn
from tierwise.report.reading import Figure, mapping, real, records, whole
from tierwise.report.values import TrainingPage
from tierwise.report.words import Words, clean, number, percent, upfirst

Part = dict[str, object]
FAMILIES = 12
"""More families than this are folded."""
TABLES = 12
"""More point tables than this are folded once more."""
MOST_LINES = 24
"""A feature with more lines than this is shown in points.csv alone."""
SEGMENTS = 20
"""So many of the segments judged are listed, the least likely by chance first."""


def _views(values: TrainingPage) -> Mapping[str, object]:
    return mapping(values.answer.get("views"))


def importance_part(values: TrainingPage, w: Words) -> Part | None:
    """The families of reasons, by the share of accounts that are shown them."""
    found = _views(values)
    accounts = whole(found.get("accounts")) or 0
    rows = [
        {
            "words": w.sentence(upfirst(str(line.get("family") or "")), 80),
            "side": w(str(line.get("side") or "")),
            "kind": str(line.get("side") or ""),
            "share": _share(real(line.get("among_top")), accounts),
            "size": real(line.get("mean_size")),
            "proven": bool(line.get("proven")),
        }
        for line in records(found.get("importance"))
        if line.get("side") in ("fit", "signal")
    ]
    if not rows:
        return None
    shown = [r for r in rows if r["proven"]][:FAMILIES]
    return {
        "rows": shown,
        "more": [r for r in rows if r not in shown],
        "accounts": accounts,
        "reasons": whole(found.get("reasons")),
        "unproven": sum(not r["proven"] for r in rows),
        "families": len(rows),
        "measured": values.answer.get("reasons_measured") is not False,
    }


def _share(value: float | None, n: int) -> Figure:
    if value is None or not n:
        return Figure(value)
    low, high = wilson(round(value * n), n)
    return Figure(value, low, high)


def dependence_part(values: TrainingPage, w: Words) -> Part | None:
    """A picture for each of the top features: what each value adds to the log-odds."""
    found = _views(values)
    pictures = [_picture(line, w) for line in records(found.get("dependence")) if records(line.get("lines"))]
    return {"pictures": pictures, "accounts": whole(found.get("accounts"))} if pictures else None


def _picture(line: Mapping[str, object], w: Words) -> Part:
    title = _feature_words(str(line.get("words") or ""), str(line.get("feature") or ""), w)
    lines = [
        Bar(
            _value_words(one, line),
            real(one.get("mean")) or 0.0,
            real(one.get("least")) or 0.0,
            real(one.get("most")) or 0.0,
            whole(one.get("n")) or 0,
        )
        for one in records(line.get("lines"))
    ]
    return {
        "title": title,
        "side": w(str(line.get("side") or "")),
        "svg": drawn(bars(lines, side=str(line.get("side")), title=title)),
        "more": whole(line.get("more")) or 0,
    }


def _feature_words(template: str, name: str, w: Words) -> str:
    """A feature's words without its value: "web activities in the last 30 days"."""
    said = " ".join(template.replace("{value}", " ").replace("…", " ").split()).strip(" :,")
    for tail in (" is", " ago"):
        said = said.removesuffix(tail)
    return w.sentence(upfirst(said or name.replace("_", " ")), 80)


def _value_words(one: Mapping[str, object], line: Mapping[str, object]) -> str:
    """A bin's or level's words; a log ratio as the ratio."""
    said, low, high = str(one.get("value")), real(one.get("low")), real(one.get("high"))
    if said == "not known":
        return str(line.get("absent") or said)
    if low is None or high is None or line.get("kind") == "flag":
        return _level(said, line)
    first, last = (_value(v, str(line.get("unit"))) for v in (low, high))
    return first if first == last else f"{first} to {last}"


def _level(said: str, line: Mapping[str, object]) -> str:
    return {"0": "no", "1": "yes"}.get(said, said) if line.get("kind") == "flag" else clean(said, 40) or "(empty)"


def _value(value: float, unit: str) -> str:
    if unit == "log ratio":
        return f"{math.exp(value):.2g}"
    return number(value) if value == int(value) or abs(value) >= 1000 else f"{value:.3g}".replace("-", "−")


def points_part(values: TrainingPage, w: Words) -> Part | None:
    """The point tables, feature by feature in the order of their reach; what is 0 everywhere is only counted."""
    found = _views(values)
    lines = records(found.get("points"))
    if not lines:
        return None
    tables = [_table(name, list(group), w) for name, group in groupby(lines[1:], lambda x: str(x.get("feature")))]
    read = sorted((t for t in tables if t["span"]), key=lambda t: -float(str(t["span"])))
    return {
        "base": _line(lines[0], w),
        "tables": read[:TABLES],
        "more": read[TABLES:],
        "unread": len(tables) - len(read),
        "lines": len(lines),
        "curved": bool(found.get("curved")),
    }


def _table(name: str, lines: list[dict[str, object]], w: Words) -> Part:
    rows = [_line(line, w) for line in lines if whole(line.get("rows")) != 0]
    points = [int(str(r["points"])) for r in rows]
    worth = [real(line.get("log_odds")) or 0.0 for line in lines]
    span = max(worth) - min(worth)
    return {
        "words": _feature_words(str(lines[0].get("words") or ""), name, w),
        "side": w(str(lines[0].get("side") or "")),
        "rows": rows if len(rows) <= MOST_LINES else [],
        "lines": len(rows),
        "least": min(points, default=0),
        "most": max(points, default=0),
        "span": span if span > 1e-9 else 0.0,
    }


def _line(line: Mapping[str, object], w: Words) -> Part:
    return {
        "bin": w.sentence(line.get("bin"), 80),
        "points": whole(line.get("points")) or 0,
        "log_odds": real(line.get("log_odds")),
        "odds": real(line.get("odds_times")),
        "rows": whole(line.get("rows")),
        "accounts": whole(line.get("accounts")),
        "rate": Figure(real(line.get("rate")), real(line.get("low")), real(line.get("high"))),
    }


def segments_part(values: TrainingPage, w: Words) -> Part | None:
    """The segments in which the model is worse than elsewhere beyond chance, and the others that were judged."""
    found = mapping(_views(values).get("segments"))
    if not found:
        return None
    rows = [
        {
            "words": _feature_words(str(line.get("words") or ""), str(line.get("feature") or ""), w),
            "segment": _level(str(line.get("segment") or ""), line),
            "n": whole(line.get("rows")),
            "accounts": whole(line.get("accounts")),
            "outcomes": whole(line.get("outcomes")),
            "predicted": real(line.get("predicted")),
            "observed": real(line.get("observed")),
            "gap": Figure(real(line.get("gap")), real(line.get("gap_low")), real(line.get("gap_high"))),
            "excess": Figure(real(line.get("excess")), real(line.get("excess_low")), real(line.get("excess_high"))),
            "p_value": real(line.get("p_value")),
            "named": bool(line.get("named")),
            "said": _said(line),
        }
        for line in records(found.get("segments"))
    ]
    return {
        "named": [r for r in rows if r["named"]],
        "others": [r for r in rows if not r["named"]][:SEGMENTS],
        "judged": whole(found.get("judged")) or 0,
        "rows": whole(found.get("rows")),
        "log_loss": real(found.get("log_loss")),
        "chance": percent(found.get("chance"), 0),
    }


def _said(line: Mapping[str, object]) -> str:
    """Which way the model is off there: too high, too low, or in its order alone."""
    low, high = real(line.get("gap_low")), real(line.get("gap_high"))
    if low is None or high is None or low <= 0 <= high:
        return "right in the mean, less sure of which"
    ratio = (real(line.get("predicted")) or 0.0) / (real(line.get("observed")) or float("nan"))
    if ratio != ratio:
        return "predicts what never came"
    return f"predicts {number(ratio if high < 0 else 1 / ratio, 1)} times too {'much' if high < 0 else 'little'}"
