"""The governing job: what was published, what came of it, and the month's verdict."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd

from tierwise.clock import instant, naive, year_before
from tierwise.config import PlanFiles, Workspace
from tierwise.data import Query, Warehouse, become
from tierwise.errors import UsageError
from tierwise.features import Matrix, build_matrix, kpi_facts
from tierwise.governance import KpiTable, Review, kpi_table, matured, review, stood_in
from tierwise.jobs.control import newest_group
from tierwise.jobs.intake import check_as_of, check_question, check_whole, date_or, in_words, outcome_reach, taken_in
from tierwise.jobs.rows import disputes_of_today
from tierwise.jobs.rules import Rules, live
from tierwise.learning.progress import Say, silent
from tierwise.publishing import PublishedRun, plan_lock, publish_review, read_run, recover
from tierwise.registry import Bundle, Registry
from tierwise.report import ReviewPage, review_page
from tierwise.store import Store


@dataclass(frozen=True)
class GovernResult:
    """The review, and the folder that holds its page (review.html) and its values (review.json)."""

    review: Review
    folder: Path


def govern(
    workspace: Workspace,
    plan: str | None = None,
    *,
    as_of: str | datetime | None = None,
    since: str | datetime | None = None,
    now: datetime | None = None,
    say: Say = silent,
) -> GovernResult:
    """Review what the plan's published tiers were worth, as of a date (by default the newest run's).

    since : from when on the KPI table counts; by default from a year before as_of.

    Raises
    ------
    UsageError : nothing is published by then; `since` is no date before it.
    """
    files = workspace.plan(plan)
    name = files.plan.plan
    with plan_lock(workspace.published, name), Store.open(workspace.store) as store:
        check_whole(recover(workspace.published, name, store))
        ledger = store.runs(name)
        stand = date_or(as_of, _newest(name, ledger))
        begins = _since(since, stand)
        say("reading the published runs")
        runs = _runs(workspace, name, ledger[ledger["as_of"] <= pd.Timestamp(stand.replace(tzinfo=None))])
        published = _published(runs, ledger)
        judge = live(workspace, name, Registry(workspace.registry, workspace.folder / "state" / "models"), store)
        check_question(files, judge.meta)
        with taken_in(workspace, say, now, files=files) as intake:
            check_as_of(intake, stand, max_lag_days=workspace.settings.max_lag_days)
            reach = min(outcome_reach(intake, files), stand)
            say(f"looking up what came of {len(published):,} published rows")
            as_ofs = [instant(a.to_pydatetime()) for a in sorted(published["as_of"].unique())]
            matrix = build_matrix(intake.warehouse, files.plan, as_ofs, outcomes_through=reach)
            names = intake.warehouse.frame(Query("SELECT account_id, name FROM accounts WHERE name IS NOT NULL"))
            disputes = disputes_of_today(intake.warehouse, store.disputed(stand))
            kpis = _kpis(intake.warehouse, files, published, stand, begins)
            drawn, merged = newest_group(store, files, stand), become(intake.warehouse)
        found = review(
            plan=name,
            as_of=stand,
            horizon_days=files.plan.outcome.horizon_days,
            data_through=reach,
            published=published,
            outcomes=matrix.frame[["account_id", "as_of", "outcome", "outcome_at"]],
            movements=store.movements(name),
            reference=judge.meta.get("reference"),
            current=_current(matrix, runs),
            disputes=disputes,
            kpis=kpis,
            draws=drawn,
            become=merged,
            terms=files.plays.control,
            idle=files.plays.idle_control,
            base_rate=((judge.meta.get("evaluation") or {}).get("trained") or {}).get("base_rate"),
        )
        judged = matured(published, matrix.frame, files.plan.outcome.horizon_days, reach).rows
        page = _page(files, found, published, judged, dict(names.itertuples(index=False, name=None)), judge)
        return GovernResult(found, publish_review(workspace.published, name, stand, _contents(found, page)))


def _contents(found: Review, page: ReviewPage) -> dict[str, bytes]:
    said = json.dumps(found.to_dict(), indent=1, sort_keys=True, default=str) + "\n"
    return {"review.html": review_page(page).encode(), "review.json": said.encode()}


def _newest(plan: str, ledger: pd.DataFrame) -> datetime:
    if ledger.empty:
        raise UsageError(
            f"the review of plan '{plan}' was asked for",
            found="nothing is published",
            do="Run `tierwise score` first",
        )
    return instant(ledger["as_of"].max().to_pydatetime())


def _since(since: str | datetime | None, stand: datetime) -> datetime:
    begins = date_or(since, year_before(stand))
    if begins >= stand:
        raise UsageError(
            f"KPIs since {begins.date()} were asked for",
            found=f"the review is as of {stand.date()}",
            do="Give an earlier --since",
        )
    return begins


def _kpis(
    warehouse: Warehouse, files: PlanFiles, published: pd.DataFrame, stand: datetime, since: datetime
) -> KpiTable:
    """What happened from `since` on, by the tier in which each account stood."""
    stood = stood_in(published.loc[published["run_as_of"] < naive(stand)], become(warehouse))
    runs = [instant(run.to_pydatetime()) for run in sorted(stood["run_as_of"].unique())]
    facts = kpi_facts(warehouse, files.plan.outcome, runs, since, stand)
    return kpi_table(facts, stood, since, stand, shares=files.plays.shares, budget=files.plays.budget)


def _runs(workspace: Workspace, plan: str, ledger: pd.DataFrame) -> dict[str, PublishedRun]:
    if ledger.empty:
        raise UsageError(
            f"the review of plan '{plan}' was asked for",
            found="nothing is published as of that date",
            do="Give a later --as-of",
        )
    return {run_id: read_run(workspace.published, plan, run_id) for run_id in ledger["run_id"]}


def _published(runs: dict[str, PublishedRun], ledger: pd.DataFrame) -> pd.DataFrame:
    """Every published row with what the review must know of its run."""
    kinds = ledger.set_index("run_id")
    parts = []
    for run_id, run in runs.items():
        tiers = run.frame("tiers")[["account_id", "as_of", "tier", "propensity", "why"]]
        parts.append(
            tiers.assign(
                run_id=run_id,
                run_as_of=kinds.loc[run_id, "as_of"],
                revision=int(kinds.loc[run_id, "sequence"]),
                backfill=kinds.loc[run_id, "kind"] == "backfill",
                model_trained_as_of=pd.Timestamp(run.meta["trained_as_of"]),
            )
        )
    return pd.concat(parts, ignore_index=True)


def _current(matrix: Matrix, runs: dict[str, PublishedRun]) -> pd.DataFrame | None:
    """The newest run's cohort with its features and its scores, for drift; None where only backfills were published, or
    the newest went by rules.
    """
    forecasts = [run for run in runs.values() if run.meta["kind"] != "backfill"]
    if not forecasts:
        return None
    newest = max(enumerate(forecasts), key=lambda run: (str(run[1].meta["as_of"]), run[0]))[1]
    scores = newest.frame("scores")
    judged = scores[scores["propensity"].notna()]
    return None if judged.empty else matrix.eligible().frame.merge(judged, on=["account_id", "as_of"])


def _page(
    files: PlanFiles,
    found: Review,
    published: pd.DataFrame,
    judged: pd.DataFrame,
    names: dict[str, str],
    judge: Bundle | Rules,
) -> ReviewPage:
    stood = _stood(published)
    later = published["model_trained_as_of"] > published["as_of"]
    whys = _stood(published[~later])
    said = judged.merge(whys[["account_id", "as_of", "why"]], on=["account_id", "as_of"], how="left")
    top = said[(said["tier"] == "tier_1") & (said["outcome"] == 0)].sort_values("propensity", ascending=False)
    missed = said[said["tier"].isin(["recycle", "tier_3"]) & (said["outcome"] == 1)].sort_values("propensity")
    unavailable = {} if len(judged) else dict.fromkeys(("trend", "calibration"), "no horizon has closed by then")
    if len(judged) and judged["propensity"].isna().all():
        unavailable["calibration"] = "no propensity was published, as tiers went by rules"
    if stood.empty:
        unavailable["tiers_by_month"] = "only backfills were published"
    return ReviewPage(
        plan=files.plan.plan,
        as_of=found.as_of,
        verdict=found.verdict,
        reasons=[reason.words for reason in found.reasons],
        horizon_days=found.horizon_days,
        model_version=judge.version,
        policy_version=files.policy.version(),
        outcome=in_words(files),
        labels=files.plan.labels,
        names=names,
        data_through={"outcomes": found.data_through},
        base_rate=found.precision.base.value,
        precision=found.precision.by_tier,
        trend=found.precision.by_as_of,
        movement=found.movement.by_month,
        movement_causes=found.movement.by_cause,
        tiers_by_month=_by_month(stood),
        calibration=found.calibration.to_dict(),
        drift=found.drift,
        drift_alpha=found.rules.drift_alpha,
        drift_least_psi=found.rules.drift_least_psi,
        false_positives=top,
        false_negatives=missed,
        unavailable=unavailable,
        notes=judge.meta.get("accepted_findings", ()),
        disputes=found.disputes.by_source,
        kpis=found.kpis,
        control=found.control,
    )


def _stood(published: pd.DataFrame) -> pd.DataFrame:
    """Of each account and as_of the row that stands: no backfill's, and the newest revision's."""
    rows = published[~published["backfill"]].sort_values("revision", kind="stable")
    return rows.drop_duplicates(["account_id", "as_of"], keep="last")


def _by_month(stood: pd.DataFrame) -> pd.DataFrame:
    """month, tier, n of what stood at each month's end: its last run that was no backfill."""
    months = stood.assign(month=stood["run_as_of"].dt.strftime("%Y-%m"))
    last = months[months["run_as_of"] == months.groupby("month")["run_as_of"].transform("max")]
    return last.groupby(["month", "tier"]).size().rename("n").reset_index()
