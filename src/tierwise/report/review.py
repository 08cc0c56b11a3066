"""The page of a monthly review: the verdict and its reasons first, then the evidence part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

import tierwise.report.charts as charts
import tierwise.report.words as words
from tierwise.governance import calibration_words
from tierwise.governance.drift import SCORES
from tierwise.learning.metrics import wilson
from tierwise.report.accounts import card
from tierwise.report.charts import Point
from tierwise.report.control import control_part
from tierwise.report.kpis import kpis_part
from tierwise.report.page import drawn, render
from tierwise.report.quality import calibration_part
from tierwise.report.reading import read_calibration, real, records, whole
from tierwise.report.run import gone
from tierwise.report.values import ReviewPage
from tierwise.report.words import TIERS, Words, absent, clean

VERDICTS = {
    "steady": "Nothing calls for a change.",
    "watch": "Something has moved; look again next month.",
    "act": "Something needs a decision now.",
}
LISTED = 12


def review_page(values: ReviewPage) -> str:
    """The review, as one self-contained HTML text; the same values give the same bytes."""
    return render("review.html.j2", review_dict(values), values.labels)


def review_dict(values: ReviewPage) -> dict[str, object]:
    """What the page shows, part by part; a part that is not there is `{"missing": reason}`."""
    w = Words(values.labels)
    values = replace(values, base_rate=real(values.base_rate))
    calibrated = None if values.calibration is None else read_calibration(values.calibration)
    dates = {clean(t, 60): words.day_of(at) for t, at in sorted(values.data_through.items())}
    return {
        "console": False,
        "page_title": f"{clean(values.title or values.plan)}: review of {words.month(values.as_of.date())}",
        "v": values,
        "title": clean(values.title or values.plan.replace("_", " ").capitalize(), 100),
        "outcome": w.sentence(values.outcome),
        "month": words.day(values.as_of.date()).split(" ", 1)[1],
        "data": dates,
        "verdict": clean(values.verdict, 20),
        "verdict_words": VERDICTS.get(values.verdict, ""),
        "reasons": [w.sentence(r, 400) for r in values.reasons],
        "first": w.tier("tier_1").split(" · ")[0],
        "low": f"{w.tier('tier_3').split(' · ')[0]} or {w.tier('recycle')}",
        "precision": precision_part(values, w),
        "trend": trend_part(values, w),
        "control": control_part(values, w),
        "kpis": kpis_part(values.kpis, w),
        "movement": movement_part(values, w),
        "by_month": months_part(values, w),
        "calibration": gone("calibration", values.unavailable)
        if calibrated is None
        else calibration_part(
            calibrated, values.unavailable, w, calibration_words(values.calibration, "on the matured rows")
        ),
        "drift": drift_part(values, w),
        "false_positives": listed(values.false_positives, "false_positives", values, w),
        "false_negatives": listed(values.false_negatives, "false_negatives", values, w),
        "disputes": disputes_part(values),
        "notes": [w.sentence(words.sentences(note), 600) for note in values.notes],
    }


def point(row: Mapping[str, object], label: str) -> Point:
    """A share of `outcomes` in `n`; where the interval is not given it is Wilson's."""
    n, outcomes = whole(row.get("n")) or 0, real(row.get("outcomes")) or 0.0
    if n == 0:
        return Point(label, None, None, None, 0)
    value, low, high = real(row.get("precision")), real(row.get("low")), real(row.get("high"))
    if low is None or high is None:
        low, high = wilson(outcomes, n)
    return Point(label, outcomes / n if value is None else value, low, high, n)


def precision_part(values: ReviewPage, w: Words) -> dict[str, object]:
    """What share of each tier had the outcome, beside the base rate."""
    if values.precision is None:
        return gone("precision", values.unavailable)
    rows = []
    for record in records(values.precision):
        found = point(record, w.tier(record["tier"]))
        lift = found.value / values.base_rate if found.value is not None and values.base_rate else None
        rows.append(
            {
                "point": found,
                "outcomes": whole(record.get("outcomes")),
                "predicted": real(record.get("predicted")),
                "lift": lift,
                "tier": str(record["tier"]),
            }
        )
    if not any(whole(r.get("n")) for r in records(values.precision)):
        return {"missing": "no published account's horizon has closed by then"}
    svg = charts.interval_dots(
        [r["point"] for r in rows if isinstance(r["point"], Point)],
        values.base_rate,
        title=f"Share of each {w('tier')} that had the outcome",
        base_words="Base rate",
    )
    return {
        "missing": "",
        "rows": rows,
        "svg": drawn(svg),
        "n": sum(whole(r.get("n")) or 0 for r in records(values.precision)),
    }


def disputes_part(values: ReviewPage) -> list[dict[str, object]]:
    """The facts that people marked wrong, by source."""
    rows = [] if values.disputes is None else records(values.disputes)
    return [
        {"source": clean(r["source"], 80), "n": whole(r["n"]) or 0, "accounts": whole(r["accounts"]) or 0} for r in rows
    ]


def trend_part(values: ReviewPage, w: Words) -> dict[str, object]:
    """Precision by tier, month by month, for the three working tiers."""
    if values.trend is None or values.trend.empty:
        return gone("trend", values.unavailable)
    at = "as_of" if "as_of" in values.trend.columns else "month"
    months = sorted({str(m)[:10] for m in values.trend[at]})
    found = {(str(r[at])[:10], str(r["tier"])): r for r in records(values.trend)}
    tiers = [t for t in TIERS[:3] if any((m, t) in found for m in months)]
    series: dict[str, tuple[str, list[Point | None]]] = {}
    for tier in tiers:
        points = [point(found[m, tier], w.short(tier)) if (m, tier) in found else None for m in months]
        series[tier] = (w.short(tier), points)
    names = [words.month(m) for m in months]
    svg = charts.trend(
        names, series, values.base_rate, title=f"Precision by {w('tier')} and month", base_words="Base rate"
    )
    table = [(name, [series[t][1][i] for t in tiers]) for i, name in enumerate(names)]
    return {"missing": "", "svg": drawn(svg), "tiers": [w.short(t) for t in tiers], "table": table}


def movement_part(values: ReviewPage, w: Words) -> dict[str, object]:
    """How many accounts moved each month, by cause, and how many came back to a tier just left."""
    if values.movement is None:
        return gone("movement", values.unavailable)
    causes: list[str] = []
    counts: dict[tuple[str, str], int] = {}
    for row in [] if values.movement_causes is None else records(values.movement_causes):
        name = "not stated" if absent(row["cause"]) else str(row["cause"])
        counts[str(row["month"])[:7], name] = counts.get((str(row["month"])[:7], name), 0) + (whole(row["n"]) or 0)
        causes.append(name)
    causes = sorted(set(causes), key=lambda c: (-sum(n for (_, k), n in counts.items() if k == c), c))
    rows = [
        {
            "month": words.month(str(r["month"])[:7]),
            "row": r,
            "causes": [counts.get((str(r["month"])[:7], c), 0) for c in causes],
        }
        for r in sorted(records(values.movement), key=lambda r: str(r["month"]))
    ]
    months = [str(r["month"]) for r in rows]
    svg = ""
    if causes and rows:
        series = {
            c: (w.title(c), [float(counts.get((str(r["month"])[:7], c), 0)) for r in _sorted(values.movement)])
            for c in causes
        }
        title = f"{w.title('movement')} by cause and month"
        svg = charts.stacked_months(months, series, title=title, share=False)
    return {"missing": "", "rows": rows, "causes": [w.title(c) for c in causes], "svg": drawn(svg)}


def _sorted(frame: pd.DataFrame) -> list[dict[str, object]]:
    return sorted(records(frame), key=lambda r: str(r["month"]))


def months_part(values: ReviewPage, w: Words) -> dict[str, object]:
    """How the tiers' shares stood, month by month."""
    if values.tiers_by_month is None or values.tiers_by_month.empty:
        return gone("tiers_by_month", values.unavailable)
    found = {(str(r["month"])[:7], str(r["tier"])): real(r["n"]) or 0.0 for r in records(values.tiers_by_month)}
    months = sorted({m for m, _ in found})
    tiers = [t for t in TIERS if any((m, t) in found for m in months)]
    series = {t: (w.short(t), [found.get((m, t), 0.0) for m in months]) for t in tiers}
    names = [words.month(m) for m in months]
    svg = charts.stacked_months(names, series, title=f"{w.title('accounts')} by {w('tier')} and month")
    last = sum(found.get((months[-1], t), 0.0) for t in tiers)
    return {"missing": "", "svg": drawn(svg), "n": last, "last": names[-1]}


def drift_part(values: ReviewPage, w: Words) -> dict[str, object]:
    """How far each feature stands from where the model learned it, worst first."""
    if values.drift is None:
        return gone("drift", values.unavailable)
    rows = records(values.drift)
    rows.sort(key=lambda r: (not bool(r.get("alarm")), -(real(r.get("psi")) or 0.0), str(r["feature"])))
    shown = [
        {
            "feature": clean(r["feature"], 60),
            "psi": real(r.get("psi")),
            "p_value": real(r.get("p_value")),
            "n": whole(r.get("n")),
            "alarm": bool(r.get("alarm")),
            "means": clean(r.get("reading"), 160)
            or drift_words(real(r.get("psi")), real(r.get("p_value")), r.get("alarm")),
        }
        for r in rows
    ]
    return {
        "missing": "",
        "rows": shown[:LISTED],
        "more": shown[LISTED:],
        "of": counted_lines({str(r["feature"]) for r in rows}),
        "lines": len(rows),
        "alarms": sum(bool(r["alarm"]) for r in shown),
    }


def counted_lines(names: set[str]) -> str:
    """How many features and scores a table of drift holds, in words."""
    scores = len(names & set(SCORES))
    features = words.plural(len(names) - scores, "feature")
    return f"{features} and {words.plural(scores, 'score')}" if scores else features


def drift_words(psi: float | None, p_value: float | None, alarm: object) -> str:
    """What a PSI means, in words; the alarm itself is governance's to raise."""
    if psi is None:
        return "too few accounts to say"
    if alarm:
        return "has shifted, beyond chance: the model meets accounts unlike those it learned from"
    if p_value is None and alarm is not None:
        return "too few accounts to test"
    if psi >= 0.25:
        return "far from the reference; look at its source"
    return "stable" if psi < 0.1 else "a slight shift, and no alarm"


def listed(frame: pd.DataFrame | None, part: str, values: ReviewPage, w: Words) -> dict[str, object]:
    """Accounts the tiers got wrong, the surest mistakes first: of each account its newest row."""
    if frame is None:
        return gone(part, values.unavailable)
    newest = frame.reset_index(drop=True)
    if "as_of" in newest.columns:
        newest = newest.sort_values("as_of", kind="stable")
    newest = newest.drop_duplicates("account_id", keep="last").sort_index()
    rows = []
    for record in records(newest.head(LISTED)):
        row = {k: (None if absent(v) else v) for k, v in record.items()}
        rows.append(card(row, None, values.names, w) | {"as_of": row.get("as_of")})
    return {"missing": "", "rows": rows, "accounts": len(newest), "n": len(frame)}
