"""A data set as a contest needs it: what is learned from, what is judged on, and what both leave out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from tierwise.features.feature import Feature
from tierwise.learning.rows import Rows

KEYS = ["account_id", "as_of", "family_id"]
BASELINES = ("newest_activity", "largest", "icp_rubric")
Report = Literal["within", "unseen", "grouped"]


class Absent(Exception):
    """The data of a set are not there; says which."""


@dataclass(frozen=True)
class Part:
    """Rows to learn from and rows to be judged on: KEYS, features and `outcome`, both oldest first.

    rankings: of the unseen rows, each baseline that can be formed; higher is better.
    """

    train: pd.DataFrame
    unseen: pd.DataFrame
    rankings: Mapping[str, pd.Series]


@dataclass(frozen=True)
class Case:
    """One data set.

    split: how unseen rows are told from the others, in words. report: where tierwise takes the slice from that its own
    verdict is made on: `within` the training rows, forward in time; `grouped` at random by family within them; or the
    `unseen` rows, where the history before them is too short for one of its own. unformed: baseline -> why it cannot be
    formed. left_out: (columns, why).
    """

    name: str
    question: str
    split: str
    features: tuple[Feature, ...]
    horizon_days: int
    parts: tuple[Part, ...]
    unformed: Mapping[str, str]
    report: Report = "within"
    left_out: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        for part in self.parts:
            told = {*part.rankings, *self.unformed}
            if told != set(BASELINES):
                raise ValueError(f"{self.name} says {sorted(told)} of the baselines {sorted(BASELINES)}")

    @property
    def names(self) -> list[str]:
        """The features' names."""
        return [f.name for f in self.features]


def write(case: Case, part: Part, folder: Path, seed: int) -> None:
    """What an entrant is given: training rows with outcomes, unseen rows without, and what the columns are.

    Unseen rows keep their outcomes where they are the report's; they are read for the report alone.
    """
    folder.mkdir(parents=True)
    own = [*KEYS, *case.names]
    part.train[[*own, "outcome"]].to_parquet(folder / "train.parquet")
    judged = own if case.report != "unseen" else [*own, "outcome"]
    part.unseen[judged].to_parquet(folder / "unseen.parquet")
    said = {
        "features": [asdict(f) for f in case.features], "horizon_days": case.horizon_days, "report": case.report,
        "seed": seed,
    }  # fmt: skip
    (folder / "case.json").write_text(json.dumps(said))


@dataclass(frozen=True)
class Given:
    """What an entrant reads."""

    train: pd.DataFrame
    unseen: pd.DataFrame
    features: tuple[Feature, ...]
    horizon_days: int
    report: Report
    seed: int

    @classmethod
    def read(cls, folder: Path) -> Given:
        """What `write` wrote."""
        said = json.loads((folder / "case.json").read_text())
        features = tuple(Feature(**line) for line in said.pop("features"))
        train, unseen = (pd.read_parquet(folder / f"{name}.parquet") for name in ("train", "unseen"))
        return cls(train, unseen, features, **said)

    def rows(self, frame: pd.DataFrame) -> Rows:
        """Rows that tierwise learns from."""
        return Rows(frame.assign(status="eligible"), self.features, self.horizon_days)


def part_of(train: Rows, unseen: Rows, rankings: Mapping[str, pd.Series]) -> Part:
    """A part made of rows."""
    own = [*KEYS, *(f.name for f in train.features), "outcome"]
    return Part(train.frame[own], unseen.frame[own], rankings)
