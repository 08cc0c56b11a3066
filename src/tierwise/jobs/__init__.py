"""The jobs: each one straight line of public verbs."""

from tierwise.jobs.acts import ActResult, dispute, override, release, withdraw, withdraw_dispute
from tierwise.jobs.answer import Answer
from tierwise.jobs.as_of import TablesAsOf, tables_as_of
from tierwise.jobs.demo import DemoResult, demo
from tierwise.jobs.explain import Explained, explain
from tierwise.jobs.govern import GovernResult, govern
from tierwise.jobs.models import read_model
from tierwise.jobs.past import ScoredPast, score_past
from tierwise.jobs.promote import PromoteResult, promote, rollback
from tierwise.jobs.recalibrate import RecalibrateResult, recalibrate
from tierwise.jobs.replay import ReplayResult, replay
from tierwise.jobs.report import ReportResult, report
from tierwise.jobs.score import ScoreResult, score
from tierwise.jobs.train import TrainResult, train
from tierwise.jobs.tune import TuneResult, tune
from tierwise.jobs.workspace import CheckResult, InitResult, check, check_file, init

__all__ = [
    "ActResult",
    "Answer",
    "CheckResult",
    "DemoResult",
    "Explained",
    "GovernResult",
    "InitResult",
    "PromoteResult",
    "RecalibrateResult",
    "ReplayResult",
    "ReportResult",
    "ScoreResult",
    "ScoredPast",
    "TablesAsOf",
    "TrainResult",
    "TuneResult",
    "check",
    "check_file",
    "demo",
    "dispute",
    "explain",
    "govern",
    "init",
    "override",
    "promote",
    "read_model",
    "recalibrate",
    "release",
    "replay",
    "report",
    "rollback",
    "score",
    "score_past",
    "tables_as_of",
    "train",
    "tune",
    "withdraw",
    "withdraw_dispute",
]
