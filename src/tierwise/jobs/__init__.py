"""The jobs: each one straight line of public verbs."""

from tierwise.jobs.acts import ActResult, dispute, override, release, withdraw, withdraw_dispute
from tierwise.jobs.answer import Answer
from tierwise.jobs.as_of import TablesAsOf, tables_as_of
from tierwise.jobs.deliver import DeliverResult, Owed, check_sinks, deliver, owed_to_sinks
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
from tierwise.jobs.status import StatusResult, status
from tierwise.jobs.train import TrainResult, train
from tierwise.jobs.tune import TuneResult, tune
from tierwise.jobs.workspace import CheckResult, InitResult, check, check_file, init

__all__ = [
    "ActResult",
    "Answer",
    "CheckResult",
    "DeliverResult",
    "DemoResult",
    "Explained",
    "GovernResult",
    "InitResult",
    "Owed",
    "PromoteResult",
    "RecalibrateResult",
    "ReplayResult",
    "ReportResult",
    "ScoreResult",
    "ScoredPast",
    "StatusResult",
    "TablesAsOf",
    "TrainResult",
    "TuneResult",
    "check",
    "check_file",
    "check_sinks",
    "deliver",
    "demo",
    "dispute",
    "explain",
    "govern",
    "init",
    "override",
    "owed_to_sinks",
    "promote",
    "read_model",
    "recalibrate",
    "release",
    "replay",
    "report",
    "rollback",
    "score",
    "score_past",
    "status",
    "tables_as_of",
    "train",
    "tune",
    "withdraw",
    "withdraw_dispute",
]
