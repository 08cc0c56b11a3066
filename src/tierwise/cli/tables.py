"""The tables that verbs print, 80 columns wide."""

from __future__ import annotations

from collections import Counter
from math import isnan
from typing import TYPE_CHECKING

from tierwise.cli.show import line, percent, table
from tierwise.config import STATUSES, TIERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from tierwise.audit import Coverage, Draft, Finding
    from tierwise.data import Inspection, Intake
    from tierwise.governance import KpiTable
    from tierwise.jobs import Answer, CheckResult, GovernResult, RecalibrateResult, ScoreResult, TablesAsOf, TrainResult
    from tierwise.learning import Ladder

HELPS = 6
"""So many of what would help are printed; the page shows all."""
FIGURES = ("auc", "average_precision", "log_loss")
SEVERITIES = {"notes": "note", "warns": "warning", "blocks": "BLOCKS"}


def tiers(result: ScoreResult) -> None:
    """Accounts by tier, with their mean propensity and what moved."""
    moved = result.movements
    rows = []
    for tier in (*TIERS, *STATUSES):
        mine = result.tiers[result.tiers["tier"] == tier]
        p = mine["propensity"].mean()
        share = len(mine) / max(len(result.tiers), 1)
        into, out = (moved["tier"] == tier).sum(), (moved["previous_tier"] == tier).sum()
        rows.append((tier, f"{len(mine):,}", percent(share), percent(p), f"{into:,}", f"{out:,}"))
    rows.append(("all", f"{len(result.tiers):,}", "", "", f"{len(moved):,}", ""))
    title = f"Tiers as of {result.as_of.date()} ({result.kind}; {result.actions:,} actions owed)"
    table(title, ("tier", "accounts", "share", "mean propensity", "in", "out"), rows, right=(1, 2, 3, 4, 5))


def by_owner(result: ScoreResult) -> None:
    """Movements by owner."""
    owners = result.tiers.set_index("account_id").get("owner_id")
    if owners is None or result.movements.empty:
        return
    moved = result.movements.assign(owner=result.movements["account_id"].map(owners).fillna("-"))
    rows = moved.groupby(["owner", "movement"]).size().unstack(fill_value=0)
    lines = [(owner, *(f"{n:,}" for n in counts)) for owner, counts in zip(rows.index, rows.to_numpy(), strict=True)]
    table("Movements by owner", ("owner", *map(str, rows.columns)), lines, right=range(1, len(rows.columns) + 1))


def trained(result: TrainResult) -> None:
    """What the training says: figures of the unseen slice beside the base rate and the baselines, and calibration."""
    from tierwise.governance import better_unseen, calibration_words, capacity_words, choice_words
    from tierwise.governance.names import in_words, named

    e = result.evaluation
    rows = []
    for name, figures in e["metrics"].items():
        cells = [_interval(figures.get(figure)) for figure in FIGURES]
        said = named(name)
        rows.append((f"{said} *" if name == e["chosen"] else said, *cells))
    test = e["test"]
    title = (
        f"Unseen {test['first_as_of'][:10]} to {test['last_as_of'][:10]}: {test['rows']:,} rows, "
        f"{test['outcomes']:,} outcomes, base rate {percent(test['base_rate'])}"
    )
    table(title, ("", "AUC", "average precision", "log-loss"), rows, right=(1, 2, 3))
    print("In brackets: 95% intervals.")
    line(f"* chosen: {in_words(choice_words(e), e['metrics'])}.", indent="  ")
    for sentence in filter(None, (better_unseen(e), calibration_words(e["calibration"]), *capacity_words(e))):
        line(f"{in_words(sentence, e['metrics'])}.", indent="  ")
    print(f"Version {result.number}, {result.model_version[:12]}; card: {result.card}")


def recalibrated(result: RecalibrateResult) -> None:
    """What a recalibration did, on which rows, and what it is worth on later ones."""
    for sentence in result.words:
        line(f"{sentence}.", indent="  ")
    print(f"Version {result.number}, {result.model_version[:12]}, is the challenger.")


def _interval(figure: dict[str, float] | None) -> str:
    if not figure or figure.get("value") is None:
        return "-"
    low, high = (f"{figure[end]:.3f}".removeprefix("0") for end in ("low", "high"))
    return f"{figure['value']:.3f} [{low}, {high}]"


def no_usable_model(answer: Answer) -> None:
    """What it would take to learn, what would help, and what is published meanwhile."""
    from tierwise.governance.names import named

    said = answer.values
    needs = said["needs"]
    line(
        f"Accounts with the outcome: {needs['accounts']:,}, where {needs['needed']:,} are the least"
        + (f" ({needs['lacking']:,} more)" if needs["lacking"] else "")
        + f"; {needs['pace']:.1f} come in 30 days, at the pace so far."
    )
    if needs["words"]:
        line(f"{needs['words']}.")
    rows = [
        (
            named(b["baseline"]),
            _difference(b["average_precision"]),
            _difference(b["capture_0.2"]),
            "-" if b["needed"] is None else f"{b['needed']:,}",
        )
        for b in said["unbeaten"]
    ]
    if rows:
        table(
            f"Not beaten (n = {said['unbeaten'][0]['n']:,} accounts with the outcome)",
            ("baseline", "average precision", "capture at 20%", "would settle it"), rows, right=(1, 2, 3),
        )  # fmt: skip
    for helped in said["helps"][:HELPS]:
        does = f" -> {helped['do']}." if helped["do"] else ""
        line(f"  - {', '.join(helped['subjects'])}: {helped['found']}.{does}", indent="    ")
    if len(said["helps"]) > HELPS:
        print(f"  - and {len(said['helps']) - HELPS} more, on the page")
    line(f"{said['published']['words']}.")


def _difference(figure: dict[str, float | None]) -> str:
    value, low, high = figure["value"], figure["low"], figure["high"]
    if value is None or low is None or high is None:
        return "-"
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"


def review(result: GovernResult) -> None:
    """Tier precision with n and interval, and the verdict with its reasons."""
    found = result.review
    base, calibration = found.precision.base, found.calibration
    rows = [
        (
            r["tier"],
            f"{r['n']:,}",
            f"{r['outcomes']:,.0f}",
            percent(r["predicted"]),
            percent(r["precision"]),
            f"{percent(r['low'])} to {percent(r['high'])}",
        )
        for r in found.precision.by_tier.to_dict("records")
    ]
    outcomes, interval = found.precision.by_tier["outcomes"].sum(), f"{percent(base.low)} to {percent(base.high)}"
    rows.append(
        ("all", f"{base.n:,}", f"{outcomes:,.0f}", percent(calibration.predicted), percent(base.value), interval)
    )
    table(
        f"Tier precision of matured cohorts as of {found.as_of.date()}",
        ("tier", "n", "outcomes", "predicted", "precision", "95% interval"), rows, right=(1, 2, 3, 4, 5),
    )  # fmt: skip
    if found.kpis is not None:
        kpis(found.kpis)
    print(f"Verdict: {found.verdict}")
    for reason in found.reasons:
        line(f"  - {reason.words}", indent="    ")


def kpis(found: KpiTable) -> None:
    """What came of each tier, row by row up to all opportunities, and what each tier is judged by."""
    from tierwise.governance import KPI_WORDS, told

    rows = [
        (
            r["place"],
            *("-" if isnan(r[n]) else f"{r[n]:,.0f}" for n in ("opportunities", "pipeline", "won", "lost", "open")),
            percent(r["win_rate"]),
            f"{r['meetings']:,}",
        )
        for r in found.by_tier.to_dict("records")
        if r["place"] in (*TIERS, "total") or r["opportunities"] or r["meetings"]
    ]
    table(
        f"Opportunities created from {found.since.date()} up to {found.as_of.date()}, by where their account stood"
        f"{found.currency and f', in {found.currency}'}",
        ("tier", "created", "pipeline", "won", "lost", "open", "win rate", "meetings"), rows, right=range(1, 8),
    )  # fmt: skip
    judged = []
    for kpi in found.kpis:
        value, interval = told(kpi, found.currency)
        n = "" if kpi.needs else f"n = {kpi.figure.n:,} {kpi.of}"
        said = " ".join([value, f"({interval}, {n})" if interval else f"({n})"]) if value else kpi.needs
        judged.append((kpi.tier, KPI_WORDS[kpi.kpi], said))
    table("What each tier is judged by", ("tier", "KPI", ""), judged)


def taken_in(counts: pd.DataFrame, matches: pd.DataFrame) -> None:
    """Rows by file, without what none of them has, and how the accounts of several sources were joined."""
    numbers = [c for c in counts.columns[2:] if c in ("read", "accepted") or counts[c].any()]
    rows = [(_file(r["table"], r["file"]), *(f"{r[c]:,}" for c in numbers)) for r in counts.to_dict("records")]
    table("Tables", ("table: file", *numbers), rows, right=range(1, 1 + len(numbers)))
    if len(matches):
        joined = [
            (r["source"], r["rule"], f"{r['accounts']:,}", percent(r["share"])) for r in matches.to_dict("records")
        ]
        table("Accounts joined", ("source", "by", "accounts", "share of its own"), joined, right=(2, 3))


def _file(table: str, file: str) -> str:
    """A table with its file, unless that is named like it; a file that others are read with is of no table."""
    if table.startswith("_"):
        return f"looked up: {file}"
    return table if file.rsplit(".", 1)[0] == table else f"{table}: {file}"


def drafted(draft: Draft) -> None:
    """What a draft was made of: outcomes counted, the ladder of dates, attributes by clock, and what is left out."""
    rows = []
    for candidate in draft.tried:
        chosen = candidate.words == draft.outcome.words
        name = f"{candidate.words} *" if chosen else candidate.words
        rows.append((name, f"{candidate.events:,}", f"{candidate.accounts:,}", candidate.against))
    table("Outcomes found (* drafted)", ("outcome", "events", "accounts", ""), rows, right=(1, 2))
    dates(draft.ladder)
    clocks = Counter(clock for _, clock in draft.attributes)
    listed = [(c, n, ", ".join(a for a, of in draft.attributes if of == c)) for c, n in sorted(clocks.items())]
    table("Attributes drafted", ("clock", "n", "attributes"), listed, right=(1,))
    if draft.left_out:
        table("Attributes left out", ("attribute", "why"), draft.left_out)


def dates(ladder: Ladder) -> None:
    """The ladder of dates, and why no model is possible yet where none is."""
    table(f"Dates for a horizon of {ladder.horizon_days} days", ("serves for", "from", "to", "what"), ladder.steps)
    if ladder.words:
        line(f"{ladder.words}.", indent="  ")


def read(seen: Inspection | Intake) -> None:
    """Rows by table, the first quarantined ones, and notes."""
    taken_in(seen.counts, seen.matches)
    if rows := len(seen.quarantine):
        first = seen.quarantine.head(10).to_dict("records")
        shown = [(f"{r['file']}:{r['line']}", r["column"], r["reason"]) for r in first]
        table(f"Quarantined ({len(shown)} of {rows:,})", ("where", "column", "why"), shown)
    for note in seen.notes:
        line(f"note: {note}", indent="  ")


def checked(result: CheckResult) -> None:
    """Rows by table, the first quarantined ones, notes, noise, dates, coverage and findings."""
    intake = result.intake
    read(intake)
    if len(intake.noise):
        noise = [(r["rule"], f"{r['rows']:,}", f"{r['accounts']:,}") for r in intake.noise.to_dict("records")]
        table("Noise, kept out of signals", ("rule", "activities", "accounts"), noise, right=(1, 2))
    dates(result.ladder)
    covered(result.coverage)
    findings(result.findings)


def findings(found: Sequence[Finding]) -> None:
    """Findings of the audit, gravest first: what is at fault, why in one sentence, and what to do in another."""
    from tierwise.report.words import sentences

    counted = [sum(f.severity == severity for f in found) for severity in ("blocks", "warns", "notes")]
    print("Findings: {} block, {} warn, {} note".format(*counted))
    alike: dict[tuple[str, str, str], dict[str, list[str]]] = {}
    for f in found:
        alike.setdefault((f.severity, f.code, f.do), {}).setdefault(f.found, []).append(f.subject)
    for (severity, code, do), said in alike.items():
        print(f"\n{SEVERITIES[severity]}: {code.replace('_', ' ')}")
        for words, subjects in said.items():
            line(f"  {', '.join(dict.fromkeys(subjects))}: {words}.", indent="    ")
        if do:
            line(f"  -> {sentences(do)}.", indent="     ")
    print()


def as_of(result: TablesAsOf) -> None:
    """Rows by table on a date and today, and how each column that may change was rebuilt."""
    rows = [
        (
            r["table"],
            f"{r['then']:,}",
            f"{r['now']:,}",
            "-" if r["newest"] != r["newest"] else f"{r['newest']:%Y-%m-%d}",
        )
        for r in result.rows.astype({"newest": object}).to_dict("records")
    ]
    title = f"Tables as of {result.as_of.date()}"
    table(title, ("table", "rows then", "rows now", "newest fact known then"), rows, right=(1, 2))
    said: dict[tuple[str, str], list[str]] = {}
    for r in result.attributes:
        said.setdefault((r.table, r.words), []).append(r.column)
    table(
        "How their columns were rebuilt", ("table", "columns", "value"),
        [(name, ", ".join(columns), words) for (name, words), columns in said.items()],
    )  # fmt: skip
    print("Merges and parents are identity: as they are today, on all dates.")
    if result.folder is not None:
        print(f"Tables: {result.folder}")


def covered(coverage: Coverage) -> None:
    """How many of the last year's outcomes the cohort would have seen coming, and why not the rest."""
    rows = [(r["words"], f"{r['outcomes']:,}", percent(r["share"])) for r in coverage.frame.to_dict("records")]
    since, through = coverage.since.date(), coverage.through.date()
    if not coverage.outcomes:
        line(f"No account has an outcome from {since} to {through}.")
        return
    title = f"Outcomes from {since} to {through}: {coverage.covered:,} of {coverage.outcomes:,} could be foreseen"
    table(title, ("account", "outcomes", "share"), rows, right=(1, 2))
