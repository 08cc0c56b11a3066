"""The KPI table on the page of a review: what each tier is judged by, and where every opportunity stands."""

from __future__ import annotations

import tierwise.report.words as words
from tierwise.config.policy import TIERS
from tierwise.governance import KPI_WORDS, Kpi, KpiTable, told
from tierwise.report.reading import real, records, whole
from tierwise.report.words import Words, clean

PLACE_WORDS = {
    "not_tiered": "Not tiered yet",
    "before_runs": "Before the first run",
    "other_kind": "Other kinds of opportunity",
    "total": "All opportunities",
}
_COUNTS = ("opportunities", "without_amount", "closed", "meetings", "mean_won_n")
_KNOWN_OR_NOT = ("won", "lost", "open")
_REALS = (
    "accounts", "pipeline", "win_rate", "win_low", "win_high", "mean_won", "mean_won_low", "mean_won_high",
    "days_to_close", "days_low", "days_high", "velocity", "cost", "cost_per_pipeline",
)  # fmt: skip


def kpis_part(table: KpiTable | None, w: Words) -> dict[str, object]:
    """What the page shows of the KPI table; rows in which nothing happened and nobody stood are left out."""
    if table is None:
        return {"missing": "the KPI table was not asked for"}
    rows = [_row(record, w) for record in records(table.by_tier)]
    total = rows[-1]
    return {
        "missing": "",
        "kpis": [_kpi(kpi, table, w) for kpi in table.kpis],
        "rows": [r for r in rows if r["tier"] in (*TIERS, "total") or r["accounts"] or r["opportunities"]],
        "budgeted": total["cost"] is not None,
        "since": words.day(table.since.date()),
        "as_of": words.day(table.as_of.date()),
        "first_run": None if table.first_run is None else words.day(table.first_run.date()),
        "currency": clean(table.currency, 10),
        "total": total,
        "least": table.least,
        "deleted": table.deleted,
        "undated": table.undated,
        "other": any(r["tier"] == "other_kind" and r["opportunities"] for r in rows),
        "meetings": [clean(kind, 40) for kind in table.meetings],
    }


def _row(record: dict[str, object], w: Words) -> dict[str, object]:
    place = str(record["place"])
    row: dict[str, object] = {"tier": place, "words": PLACE_WORDS.get(place) or w.tier(place)}
    row |= {name: whole(record[name]) or 0 for name in _COUNTS}
    row |= {name: whole(record[name]) for name in _KNOWN_OR_NOT}
    return row | {name: real(record[name]) for name in _REALS}


def _kpi(kpi: Kpi, table: KpiTable, w: Words) -> dict[str, object]:
    value, interval = told(kpi, table.currency)
    return {
        "tier": kpi.tier,
        "words": w.tier(kpi.tier),
        "kpi": w.sentence(KPI_WORDS[kpi.kpi]),
        "value": clean(value),
        "interval": clean(interval),
        "n": kpi.figure.n,
        "of": kpi.of,
        "needs": words.upfirst(w.sentence(kpi.needs)),
    }
