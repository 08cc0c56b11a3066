"""The replaying job: past dates scored out of time, a policy run over them, beside another where one is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tierwise.clock import Every, instant, naive
from tierwise.config import Plan, PlanFiles, Policy, Workspace, parse_policy
from tierwise.data import Intake
from tierwise.errors import UsageError
from tierwise.features import history_start
from tierwise.jobs.intake import check_as_of, check_question, date_or, in_words, outcome_reach, taken_in
from tierwise.jobs.past import ScoredPast, grid_of, score_past
from tierwise.jobs.rules import Rules, live
from tierwise.learning import Recipe
from tierwise.learning.out_of_time import MONTHS
from tierwise.learning.progress import Say, silent
from tierwise.plain import json_file, plain
from tierwise.publishing import plan_lock, publish_replay
from tierwise.registry import Registry
from tierwise.report import ReplayPage, replay_page
from tierwise.store import Store
from tierwise.tiers.compared import Compared, compare
from tierwise.tiers.replay import Replayed
from tierwise.tiers.replay import replay as run_policy
from tierwise.tiers.spoken import spoken

PATIENCE_SECONDS = 600
"""How long the end of a replay waits for another run to finish."""
TABLES = ("dates", "by_tier", "overall", "movements", "stability", "stable", "surges", "guardrails")
BETWEEN = "_against_"


@dataclass(frozen=True)
class ReplayResult:
    """A replay: what the policy came to, the other one and their differences if one was named, and the page's folder.

    past: the dates, and the models that scored them.
    """

    plan: str
    replayed: Replayed
    compared: Compared | None
    past: ScoredPast
    folder: Path

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return replay_values(self.plan, self.replayed, self.compared, self.past)


def replay(
    workspace: Workspace,
    plan: str | None = None,
    *,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    every: Every | None = None,
    policy: Path | None = None,
    against: Path | None = None,
    refit_months: int = MONTHS,
    now: datetime | None = None,
    say: Say = silent,
) -> ReplayResult:
    """Replay a policy over the dates of a grid, and put the page and its values in `published/<plan>/replays/`.

    Nothing of what is live changes. since, until: by default from the first date that can be scored to the end of the
    data. every: by default the plan's grid, or weeks where accounts stand on ages of their own. policy: a file instead
    of the plan's policy.yaml; against: another, to compare it with. refit_months: how often a model is learned again.

    Raises
    ------
    UsageError : no model is live, a date lies before the data, or a file is not there.
    ConfigError : a policy file has faults; each is told with its line.
    NoUsableModel : no date can be scored.
    """
    files = workspace.plan(plan)
    name = files.plan.plan
    asked = [None if at is None else instant(at) for at in (since, until)]
    first = files.policy if policy is None else policy_at(policy, files.plan)[0]
    second = None if against is None else policy_at(against, files.plan)[0]
    recipe = recipe_of(workspace, files)
    with taken_in(workspace, say, now, files=files) as intake:
        begin, end = span_of(workspace, files, intake, *asked)
        past = score_past(
            intake, files, recipe, (first,) if second is None else (first, second), begin, end,
            every=every, months=refit_months, threads=workspace.settings.threads, say=say,
        )  # fmt: skip
    say(f"replaying {first.version()} over {len(past.dates)} dates")
    replayed, compared = run_policy(past.under(first), first), None
    if second is not None:
        say(f"replaying {second.version()} beside it")
        compared = compare(replayed, run_policy(past.under(second), second))
    said = [spoken(each) for each in (first, second) if each is not None]
    folder = _published(workspace, files, replayed, compared, past, said, (grid_of(files.plan, every), refit_months))
    return ReplayResult(name, replayed, compared, past, folder)


def policy_at(path: Path, plan: Plan) -> tuple[Policy, str]:
    """A policy of a plan from a file of its own, and the file's text.

    Raises
    ------
    UsageError : it is not there, or is no text. ConfigError : it has faults; each is told with its line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        found = "there is no such file" if isinstance(error, FileNotFoundError) else f"{error.strerror}"
        raise UsageError(f"the policy {path} was to be read", found=found, do="Name a policy.yaml") from None
    except UnicodeDecodeError as error:
        found = f"it is not UTF-8 text (byte {error.start})"
        raise UsageError(f"the policy {path} was to be read", found=found, do="Save it as UTF-8") from None
    return parse_policy(text, str(path), plan), text


def recipe_of(workspace: Workspace, files: PlanFiles) -> Recipe:
    """What the live model was made with."""
    name = files.plan.plan
    with Store.open(workspace.store) as store:
        judge = live(workspace, name, Registry(workspace.registry, workspace.folder / "state" / "models"), store)
    check_question(files, judge.meta)
    recipe = None if isinstance(judge, Rules) else Recipe.of(judge.meta.get("evaluation"), judge.model.kept_fit)
    if recipe is None:
        raise UsageError(
            f"a policy of plan '{name}' was to be replayed",
            found="tiers go by rules, and no model is live"
            if isinstance(judge, Rules)
            else "the live model does not say what it was made with",
            do="Run `tierwise train`; a replay learns the live model's kind again on what was known at each date",
        )
    return recipe


def span_of(
    workspace: Workspace, files: PlanFiles, intake: Intake, since: datetime | None, until: datetime | None
) -> tuple[datetime, datetime]:
    """From when to when."""
    reach = outcome_reach(intake, files)
    end = date_or(until, max(reach, intake.data_through.get("activities", reach)))
    check_as_of(intake, end, max_lag_days=workspace.settings.max_lag_days)
    begin = history_start(intake.warehouse)
    if since is None:
        return begin, end
    if since < begin.replace(hour=0, minute=0, second=0, microsecond=0):
        raise UsageError(
            f"a replay since {since.date()} was asked for",
            found=f"the data begin on {begin.date()}",
            do=f"Give a later date, as --since {begin.date()}",
        )
    if since > end:
        raise UsageError(
            f"a replay since {since.date()} was asked for",
            found=f"it ends on {end.date()}",
            do="Give an earlier --since, or a later --until",
        )
    return since, end


def replay_values(name: str, replayed: Replayed, compared: Compared | None, past: ScoredPast) -> dict[str, Any]:
    """What a replay came to, as JSON values."""
    learned = past.learned
    return {
        "plan": name,
        "policy_version": replayed.policy_version,
        "first": naive(past.dates[0].as_of).date(),
        "last": naive(past.dates[-1].as_of).date(),
        "outcomes_through": naive(past.reach).date(),
        "scored_by": past.scored_by,
        "refits": [{"as_of": r.as_of.date(), "rows": r.rows, "outcomes": r.outcomes} for r in learned.refits],
        "unscored": [{"as_of": at.date(), "why": why} for at, why in learned.unscored.items()],
        "kept": [{"as_of": at.date(), "why": why} for at, why in learned.kept.items()],
        **{table: getattr(replayed.figures, table) for table in TABLES},
        "against": None
        if compared is None
        else {
            "policy_version": compared.second.policy_version,
            "paired": compared.paired,
            **{table: getattr(compared.second.figures, table) for table in TABLES},
        },
    }


def _published(
    workspace: Workspace,
    files: PlanFiles,
    replayed: Replayed,
    compared: Compared | None,
    past: ScoredPast,
    said: Sequence[Sequence[str]],
    asked: tuple[Every, int],
) -> Path:
    name = files.plan.plan
    values = plain(replay_values(name, replayed, compared, past))
    versions = [replayed.policy_version, *([] if compared is None else [compared.second.policy_version])]
    page = ReplayPage(values, in_words(files), files.plan.outcome.horizon_days, files.plan.labels, *said)
    contents = {"replay.html": replay_page(page).encode(), "replay.json": json_file(values)}
    with plan_lock(workspace.published, name, PATIENCE_SECONDS):
        folder = f"{folder_of(past, *asked)}_{BETWEEN.join(versions)}"
        return publish_replay(workspace.published, name, folder, contents)


def folder_of(past: ScoredPast, every: Every, months: int) -> str:
    """What the folder of a replay begins with: the span, the grid, and how often models were learned if not as usual.

    Another span or grid is another replay beside the first; the same one over newer tables takes its place.
    """
    first, last = (naive(past.dates[end].as_of).date() for end in (0, -1))
    refits = "" if months == MONTHS else f"_refit_{months}_months"
    return f"{first}_{last}_by_{every}{refits}"
