"""The tuning job: a policy proposed for stated aims and judged on newer dates; nothing changes unless asked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tierwise.clock import Every, instant, naive
from tierwise.config import PlanFiles, Policy, Workspace, parse_policy
from tierwise.config.plays_check import plays_faults, reading_of
from tierwise.config.proposal import policy_diff, proposed_text, spoken_changes
from tierwise.errors import ConfigError, UsageError
from tierwise.jobs.aims import read_aims
from tierwise.jobs.intake import in_words, taken_in
from tierwise.jobs.past import ScoredPast, grid_of, score_past
from tierwise.jobs.replay import PATIENCE_SECONDS, folder_of, policy_at, recipe_of, span_of
from tierwise.learning.out_of_time import MONTHS
from tierwise.learning.progress import Say, silent
from tierwise.plain import json_file, plain
from tierwise.publishing import plan_lock, publish_replay, replace_text
from tierwise.report import TunePage, tune_page
from tierwise.tiers.replay import Past
from tierwise.tiers.tune import Tuned
from tierwise.tiers.tune import tune as search

TRIALS = 100


@dataclass(frozen=True)
class TuneResult:
    """A proposed policy: what it is worth, its diff and where it lies.

    file: the policy that was tuned, and folder: where the proposal lies. applied: the file now says it. refused: it was
    to, and stays as it is, as the proposal misses an aim on the newer dates or is worth less there.
    """

    plan: str
    tuned: Tuned
    past: ScoredPast
    diff: str
    folder: Path
    file: Path
    applied: bool
    refused: bool

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values, but the text."""
        said = {name: getattr(self, name) for name in ("diff", "file", "applied", "refused")}
        return {**tune_values(self.plan, self.tuned, self.past), **said}


def tune(
    workspace: Workspace,
    plan: str | None = None,
    *,
    top: str,
    tier_1: str | None = None,
    precision: str | None = None,
    ping_pong: str = "2%",
    trials: int = TRIALS,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    every: Every | None = None,
    judge_from: str | datetime | None = None,
    policy: Path | None = None,
    refit_months: int = MONTHS,
    apply: bool = False,
    now: datetime | None = None,
    say: Say = silent,
) -> TuneResult:
    """Search a policy's thresholds, hysteresis and dwell over past dates, and put page, policy and diff in
    `published/<plan>/replays/`.

    top, tier_1: most accounts in tier_1 and tier_2 together, and in tier_1: a share (`20%`) or a number of accounts on
    the newest date. precision: the least of tier_1. ping_pong: the most a month. judge_from: from which date on both
    policies are judged, by default the newest quarter of the dates with closed horizons. apply: whether the policy's
    file is changed to say it, which is refused where the proposal misses an aim on the dates it is judged on by more
    than a tenth of it, or is worth less there than the present policy; what else it says, comments too, stays.

    Raises
    ------
    UsageError : no model is live, too few dates, or an aim that makes no sense. ConfigError : a policy file has faults.
    NoUsableModel : no date can be scored.
    """
    wanted = read_aims(top, tier_1, precision, ping_pong)
    *asked, judged_from = (None if at is None else instant(at) for at in (since, until, judge_from))
    files = workspace.plan(plan)
    path = files.folder / "policy.yaml" if policy is None else policy
    present, text = policy_at(path, files.plan) if path.is_file() or policy is not None else (files.policy, "")
    proposed_text(text, present, present)  # a file that cannot be changed is refused before anything is scored
    recipe = recipe_of(workspace, files)
    with taken_in(workspace, say, now, files=files) as intake:
        begin, end = span_of(workspace, files, intake, *asked)
        past = score_past(
            intake, files, recipe, (present,), begin, end,
            every=every, months=refit_months, threads=workspace.settings.threads, say=say,
        )  # fmt: skip
    dates = past.under(present)
    tuned = search(
        dates, present, wanted.of(_placed(dates[-1])),
        horizon_days=files.plan.outcome.horizon_days, trials=trials, seed=files.plan.model.seed,
        judge_from=judged_from, sound=lambda tried: _sound(files, path, text, present, tried), say=say,
    )  # fmt: skip
    changed = proposed_text(text, present, tuned.proposed)
    diff = policy_diff(text, changed, _label(path, workspace.folder))
    named = f"tuned_{folder_of(past, grid_of(files.plan, every), refit_months)}_{_asked(tuned)}"
    folder = _published(workspace, files, tuned, past, changed, diff, named)
    asked_for, sound = apply and bool(diff), tuned.sound
    if asked_for and sound:
        _apply(path, text, changed, folder)
    return TuneResult(files.plan.plan, tuned, past, diff, folder, path, asked_for and sound, asked_for and not sound)


def _label(path: Path, folder: Path) -> str:
    """A policy's file as a diff names it: relative to the workspace where it lies inside."""
    whole, home = path.resolve(), folder.resolve()
    return (whole.relative_to(home) if whole.is_relative_to(home) else whole).as_posix()


def _apply(path: Path, before: str, changed: str, folder: Path) -> None:
    """Let a policy's file hold the proposal, where nobody has changed it since the search began."""
    now = path.read_bytes().decode("utf-8-sig", errors="replace") if path.is_file() else ""
    if now != before:
        raise UsageError(
            f"the proposal was to be written to {path}",
            found="the file has changed since the search began, and stays as it is",
            do=f"Look at {folder / 'policy.diff'}, and change it by hand, or tune again",
        )
    replace_text(path.resolve(), changed)


def _sound(files: PlanFiles, path: Path, text: str, present: Policy, tried: Policy) -> bool:
    """Whether a policy's file would be read as it, and the plays still find the rows that they name, and all of them,
    where they say that they are complete."""
    named = {row for play in files.plays.plays for row in (*play.rows, *play.except_rows)}
    lost = {r.row for r in present.rows} - {r.row for r in tried.rows}
    if plays_faults(files.plays, reading_of(files.plan, tried, files.icp)):
        return False
    try:
        return not named & lost and parse_policy(proposed_text(text, present, tried), str(path), files.plan) == tried
    except ConfigError:
        return False


def _asked(tuned: Tuned) -> str:
    """The version that was tuned, and what for, as a short digest: other aims are another proposal beside the first."""
    present = tuned.present.version()
    said = plain([present, tuned.aims, len(tuned.trials), naive(tuned.judged_from).date()])
    return f"{present}_{hashlib.sha256(json_file(said)).hexdigest()[:8]}"


def _placed(newest: Past) -> int:
    """How many accounts of a date can stand in tiers, suppressed ones apart."""
    accounts = newest.accounts
    free = accounts["excluded_by"].isna() & accounts["negative_trigger"].isna()
    return int(((accounts["status"] == "eligible") & free).sum())


def tune_values(name: str, tuned: Tuned, past: ScoredPast) -> dict[str, Any]:
    """What a tuning came to, as JSON values."""
    return {
        "plan": name,
        "aims": tuned.aims,
        "aims_kept": tuned.aims_kept,
        "worse": tuned.worse,
        "any_kept_when_tuned": tuned.any_kept,
        "present": tuned.present.version(),
        "proposed": tuned.proposed.version(),
        "changes": spoken_changes(tuned.present, tuned.proposed),
        "first": naive(past.dates[0].as_of).date(),
        "last": naive(past.dates[-1].as_of).date(),
        "tuned_on": tuned.tuned_on,
        "judged_on": tuned.judged_on,
        "judged_from": naive(tuned.judged_from).date(),
        "scored_by": past.scored_by,
        "before": tuned.before.to_dict(),
        "after": tuned.after.to_dict(),
        "before_tuning": tuned.trials[0].worth.to_dict(),
        "after_tuning": tuned.best.worth.to_dict(),
        "front": list(tuned.front),
        "trials": [{"policy_version": t.policy.version(), **t.worth.to_dict()} for t in tuned.trials],
    }


def _published(
    workspace: Workspace, files: PlanFiles, tuned: Tuned, past: ScoredPast, text: str, diff: str, folder: str
) -> Path:
    name = files.plan.plan
    values = plain(tune_values(name, tuned, past))
    page = TunePage(values, diff, in_words(files), files.plan.outcome.horizon_days, files.plan.labels)
    contents = {
        "tune.html": tune_page(page).encode(),
        "tune.json": json_file(values),
        "policy.yaml": text.encode(),
        "policy.diff": diff.encode(),
    }
    with plan_lock(workspace.published, name, PATIENCE_SECONDS):
        return publish_replay(workspace.published, name, folder, contents)
