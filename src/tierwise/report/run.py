"""The page of a scoring run: the values of a run as a dict of figures and pictures, then the template."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import pandas as pd

import tierwise.report.words as words
from tierwise.report.accounts import card, cause, direction
from tierwise.report.page import render
from tierwise.report.quality import in_words, quality_part
from tierwise.report.values import RunPage
from tierwise.report.words import MOTIONS, STATUSES, TIERS, Words, absent, clean

MOVERS = 8
DECISIVE = ("activities", "opportunities", "opportunity_stages")
"""The tables whose reach says how new a run is."""
REASON_UNKNOWN = "the run did not provide it"


def run_page(values: RunPage) -> str:
    """The report of a scoring run, as one self-contained HTML text; the same values give the same bytes."""
    return render("run.html.j2", run_dict(values), values.labels)


def run_dict(values: RunPage) -> dict[str, object]:
    """What the page shows, part by part; a part that is not there is `{"missing": reason}`."""
    w = Words(values.labels)
    tiers = values.tiers.sort_values("account_id", kind="stable").reset_index(drop=True)
    tiers = tiers.assign(
        direction=[
            "" if "movement" in tiers and absent(m) else direction(b, t)
            for b, t, m in zip(_column(tiers, "previous_tier"), tiers["tier"], _column(tiers, "movement"), strict=True)
        ]
    )
    rows = tier_rows(tiers, values.motions, w)
    look_back = not values.rules and values.trained_as_of[:10] > words.day_of(values.as_of)
    return {
        "console": False,
        "page_title": f"{clean(values.title or values.plan)}: {w('tiers')} of {words.day(values.as_of.date())}",
        "v": values,
        "title": clean(values.title or values.plan.replace("_", " ").capitalize(), 100),
        "outcome": w.sentence(values.outcome),
        "data": data_through(values),
        "look_back": look_back,
        "late": late_part(values, tiers, w),
        "rules": rules_part(values, w),
        "trained": values.trained_as_of[:10],
        "tiers": rows,
        "statuses": status_rows(tiers, w),
        "head": headline(tiers, rows),
        "movement": movement(tiers, values, w),
        "top": top_accounts(tiers, values, w),
        "quality": quality_part(values.evaluation, values.unavailable, w, look_back=look_back),
        "intake": intake_part(values, w),
        "quarantine": quarantine_part(values),
        "refused": refused_part(values, w),
        "policy": [w.sentence(said, 600) for said in values.policy],
        "no_value": w.sentence(values.no_value, 300),
        "notes": [w.sentence(words.sentences(note), 600) for note in values.notes],
    }


def rules_part(values: RunPage, w: Words) -> dict[str, object]:
    """Why tiers go by rules, where they do, and what is to be known of the rubric."""
    metrics = (values.evaluation or {}).get("metrics")
    why = in_words(w.sentence(values.rules, 400), [*(metrics if isinstance(metrics, Mapping) else ()), "rubric"])
    return {"why": why, "notes": [w.sentence(said, 400) for said in values.rule_notes]}


def late_part(values: RunPage, tiers: pd.DataFrame, w: Words) -> dict[str, object]:
    """Which sources are late or short, and how many accounts stand higher because demotions were held for it."""
    spared = sum("inputs_late" in str(g).split(";") for g in _column(tiers, "guardrails"))
    return {"words": [w.sentence(said, 300) for said in values.late], "spared": spared}


def gone(part: str, unavailable: Mapping[str, str]) -> dict[str, object]:
    """What stands in place of a part that is not there."""
    return {"missing": clean(unavailable.get(part) or REASON_UNKNOWN, 400)}


def _column(frame: pd.DataFrame, name: str) -> list[object]:
    return frame[name].tolist() if name in frame.columns else [None] * len(frame)


def _numbers(frame: pd.DataFrame, name: str) -> pd.Series:
    return pd.to_numeric(pd.Series(_column(frame, name), dtype="object")).astype("float64")


def expected(propensities: pd.Series) -> dict[str, object]:
    """The sum of propensities with the 95% range that chance alone gives it (the model's own error comes on top)."""
    known = propensities.dropna()
    if known.empty:
        return {"n": 0, "sum": None, "low": None, "high": None}
    total, spread = float(known.sum()), 1.96 * math.sqrt(float((known * (1 - known)).sum()))
    return {"n": len(known), "sum": total, "low": max(0.0, total - spread), "high": total + spread}


def tier_rows(tiers: pd.DataFrame, motions: Mapping[str, str], w: Words) -> list[dict[str, object]]:
    """A row a tier, every tier: accounts, share, mean propensity, expected outcomes, moved in and out."""
    in_tiers = int(tiers["tier"].isin(TIERS).sum())
    propensity = _numbers(tiers, "propensity")
    before = pd.Series(_column(tiers, "previous_tier"), dtype="object")
    rows: list[dict[str, object]] = []
    for tier in TIERS:
        here = tiers["tier"] == tier
        known = propensity[here].dropna()
        rows.append(
            {
                "tier": tier,
                "words": w.tier(tier),
                "short": w.short(tier),
                "motion": w.sentence(motions.get(tier) or MOTIONS[tier], 160),
                "n": int(here.sum()),
                "share": int(here.sum()) / in_tiers if in_tiers else None,
                "mean": float(known.mean()) if len(known) else None,
                "expected": expected(propensity[here]),
                "came": int((here & (tiers["direction"] != "")).sum()),
                "went": int(((before == tier) & (tiers["tier"] != tier)).sum()),
            }
        )
    return rows


def status_rows(tiers: pd.DataFrame, w: Words) -> list[dict[str, object]]:
    """The accounts out of the cohort, by status."""
    counts = Counter(str(t) for t in tiers["tier"])
    order = [*STATUSES, *sorted(set(counts) - {*TIERS, *STATUSES})]
    return [{"words": w.tier(s), "n": counts[s]} for s in order if counts[s]]


def headline(tiers: pd.DataFrame, rows: list[dict[str, object]]) -> dict[str, object]:
    """The numbers at the top: accounts, those with a probability, movement, and what tier 1 is expected to bring."""
    moved = Counter(tiers["direction"])
    whole = expected(_numbers(tiers, "propensity")[tiers["tier"].isin(TIERS)])
    return {
        "accounts": len(tiers),
        "in_tiers": int(tiers["tier"].isin(TIERS).sum()),
        "scored": whole["n"],
        "expected": whole,
        "first": rows[0],
        "up": moved["up"],
        "down": moved["down"],
        "entered": moved["entered"],
        "left": moved["left"],
    }


def data_through(values: RunPage) -> dict[str, object]:
    """How far the data reach, by table, and in those that say how new the run is (else in all of them)."""
    dates = {clean(table, 60): words.day_of(at) for table, at in sorted(values.data_through.items())}
    if not dates:
        return gone("data_through", values.unavailable)
    shown = {table: at for table, at in dates.items() if table in DECISIVE} or dates
    return {
        "missing": "",
        "by_table": dates,
        "shown": [(table.replace("_", " "), at) for table, at in shown.items()],
        "oldest": min(shown.values()),
        "newest": max(shown.values()),
    }


def movement(tiers: pd.DataFrame, values: RunPage, w: Words) -> dict[str, object]:
    """From each tier to each other since the run before, the causes, and the strongest movers up and down."""
    before = _column(tiers, "previous_tier")
    if all(absent(b) for b in before):
        return gone(
            "movement", {"movement": values.unavailable.get("movement", "there is no earlier run to compare with")}
        )
    pairs = Counter((None if absent(b) else str(b), str(t)) for b, t in zip(before, tiers["tier"], strict=True))
    order = [*TIERS, *STATUSES]
    to = [t for t in order if any(p[1] == t and (t in TIERS or direction(*p)) for p in pairs)]
    froms = [f for f in (*order, None) if any(p[0] == f and (f in TIERS or direction(*p)) for p in pairs)]
    matrix = [
        {"words": w.short(f), "cells": [{"n": pairs[f, t], "kind": direction(f, t) or "same"} for t in to]}
        for f in froms
    ]
    moved = tiers[tiers["direction"] != ""]
    records = [{str(k): v for k, v in r.items()} for r in moved.to_dict("records")]
    causes = Counter((cause(r) or "not stated", str(r["direction"])) for r in records)
    kinds = ("up", "down", "entered", "left")
    by_cause = [
        {"words": w.title(c), "cells": [causes[c, k] for k in kinds], "n": sum(causes[c, k] for k in kinds)}
        for c in sorted({c for c, _ in causes}, key=lambda c: (-sum(causes[c, k] for k in kinds), c))
    ]
    return {
        "missing": "",
        "n": len(moved),
        "of": len(tiers),
        "to": [w.short(t) for t in to],
        "matrix": matrix,
        "causes": by_cause,
        "up": _movers(moved, "up", values, w),
        "down": _movers(moved, "down", values, w),
    }


def _ranked(frame: pd.DataFrame) -> pd.DataFrame:
    keys = pd.DataFrame({name: _numbers(frame, name).to_numpy() for name in ("propensity", "account_score")})
    keys["account_id"] = frame["account_id"].to_numpy()
    order = keys.sort_values(
        ["propensity", "account_score", "account_id"], ascending=[False, False, True], kind="stable"
    )
    return frame.iloc[order.index]


def _movers(moved: pd.DataFrame, way: str, values: RunPage, w: Words) -> dict[str, object]:
    these = moved[moved["direction"] == way]
    shown = _ranked(these).head(MOVERS)
    return {"n": len(these), "rows": [_card(r, None, values, w) for r in shown.to_dict("records")]}


def _card(
    record: Mapping[object, object], reasons: pd.DataFrame | None, values: RunPage, w: Words
) -> dict[str, object]:
    row = {str(k): (None if absent(v) else v) for k, v in record.items()}
    return card(row, reasons, values.names, w, values.currency)


def top_accounts(tiers: pd.DataFrame, values: RunPage, w: Words) -> dict[str, object]:
    """The accounts to work first: tier_1 by propensity, then tier_2, each with its waterfall."""
    parts = [_ranked(tiers[tiers["tier"] == tier]) for tier in ("tier_1", "tier_2")]
    shown = pd.concat(parts).head(values.top)
    reasons = values.reasons
    if reasons is not None:
        reasons = reasons[reasons["account_id"].isin(shown["account_id"])]
    cards = [_card(r, reasons, values, w) for r in shown.to_dict("records")]
    missing = "" if reasons is not None else gone("reasons", values.unavailable)["missing"]
    return {"cards": cards, "of": sum(len(p) for p in parts), "missing": missing}


def intake_part(values: RunPage, w: Words) -> dict[str, object]:
    """Rows read, accepted, quarantined and refused, by table."""
    if values.intake is None:
        return gone("intake", values.unavailable)
    kinds = ["read", "accepted", "quarantined", "refused"]
    sums = values.intake.groupby("table", sort=True)[kinds].sum()
    rows = [
        {"table": clean(table, 60), "cells": [int(v) for v in row]}
        for table, row in zip(sums.index, sums.to_numpy(), strict=True)
    ]
    return {"missing": "", "rows": rows, "total": [int(v) for v in sums.sum()]}


def quarantine_part(values: RunPage) -> dict[str, object]:
    """Quarantined rows by table, column and code, most first; never a cell, which may name a person."""
    if values.quarantine is None:
        return gone("quarantine", values.unavailable)
    counts = Counter(
        (clean(t, 60), clean(c, 60), clean(code, 60).replace("_", " "))
        for t, c, code in zip(*(_column(values.quarantine, k) for k in ("table", "column", "code")), strict=True)
    )
    rows = [(*key, n) for key, n in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))]
    return {"missing": "", "rows": rows[:10], "kinds": len(rows), "n": len(values.quarantine)}


def refused_part(values: RunPage, w: Words) -> dict[str, object]:
    """The features that were refused, and why."""
    if values.refused is None:
        return gone("refused", values.unavailable)
    return {"missing": "", "rows": [(clean(name, 80), w.sentence(why, 300)) for name, why in values.refused]}
