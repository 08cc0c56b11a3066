"""What changed between two published runs of one account, from its features of then, of now, and of then grown old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import pandas as pd

from tierwise.clock import instant
from tierwise.config import PlanFiles
from tierwise.data import Intake, as_of_view
from tierwise.explain import Evidence, Observed, Stage, reasons, split_change, spoken_change
from tierwise.features import Matrix
from tierwise.jobs.as_of import clocks
from tierwise.jobs.rows import rows_on
from tierwise.publishing import PublishedRun
from tierwise.registry import Bundle


@dataclass(frozen=True)
class Changed:
    """The difference in log-odds, split exactly.

    parts: cause, side, family, feature, log_odds; they sum to `after - before`. families: cause, side, family,
    log_odds, proven, words (what moved). tiers: the tier changes in between: as_of, previous_tier, tier, cause.
    """

    before: float
    after: float
    parts: pd.DataFrame
    families: pd.DataFrame
    tiers: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """The split as JSON values."""
        frames = {"parts": self.parts, "families": self.families, "tiers": self.tiers}
        said: dict[str, Any] = {"before": self.before, "after": self.after}
        return said | {name: frame.to_dict("records") for name, frame in frames.items()}


@dataclass(frozen=True)
class Scoring:
    """One account in one published run, and the model that scored it."""

    run: PublishedRun
    bundle: Bundle
    account_id: str

    @property
    def as_of(self) -> datetime:
        """The run's date."""
        return instant(self.run.meta["as_of"])

    @cached_property
    def reasons(self) -> pd.DataFrame:
        """The account's published reasons."""
        said = self.run.frame("reasons")
        return said[said["account_id"] == self.account_id].reset_index(drop=True)

    @cached_property
    def stage(self) -> Stage:
        """Its published score taken apart."""
        scores = self.run.frame("scores")
        mine = scores[scores["account_id"] == self.account_id]
        return Stage.of(float(mine["base"].iloc[0]), self.reasons, float(self.bundle.model.season_log_odds(mine)[0]))


def changed(files: PlanFiles, intake: Intake, there: Scoring, here: Scoring, tiers: pd.DataFrame) -> Changed:
    """Split the difference between two published scores of an account.

    The features of now that nothing had moved are built from the tables rewound to then, as of now. Where the tables no
    longer hold the account on a date, or the model of then reads features that the plan no longer has, the steps that
    would need it are taken together with the one before.
    """
    only = [here.account_id]
    then = rows_on(intake.warehouse, files, there.as_of, only)
    now = rows_on(intake.warehouse, files, here.as_of, only)
    with as_of_view(intake.warehouse, there.as_of, clocks(files)).open(intake.warehouse) as rewound:
        aged = rows_on(rewound, files, here.as_of, only)
    steps: list[tuple[str, Stage]] = []
    same = there.bundle.version == here.bundle.version
    if len(then.frame) and {f.name for f in there.bundle.model.features} <= set(then.frame.columns):
        steps.append(("revised", _stage(there.bundle, then)))
    for cause, matrix in (("model", then), ("ageing", aged), ("moves", now)):
        if len(matrix.frame) and not (same and cause == "model" and steps):
            steps.append((cause, _stage(here.bundle, matrix)))
    parts = split_change(there.stage, [*steps, ("revised", here.stage)])
    rows = {"ageing": (then, aged), "moves": (aged, now)}
    features = {f.name: f for f in here.bundle.model.features}
    values = {
        cause: (before.frame.iloc[0], after.frame.iloc[0])
        for cause, (before, after) in rows.items()
        if len(before.frame) and len(after.frame)
    }
    found = Evidence.from_dict(here.bundle.meta.get("evidence"))
    told = spoken_change(parts, features, values, found, Observed.from_dict(here.bundle.meta.get("observed")))
    return Changed(there.stage.total, here.stage.total, parts, told, tiers)


def _stage(bundle: Bundle, matrix: Matrix) -> Stage:
    season = float(bundle.model.season_log_odds(matrix.frame)[0])
    return Stage.of(bundle.model.base + season, reasons(bundle.model, matrix), season)
