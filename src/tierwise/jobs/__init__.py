"""The jobs: each one straight line of public verbs."""

from tierwise.jobs.answer import Answer
from tierwise.jobs.as_of import TablesAsOf, tables_as_of
from tierwise.jobs.demo import DemoResult, demo
from tierwise.jobs.explain import Explained, explain
from tierwise.jobs.govern import GovernResult, govern
from tierwise.jobs.models import read_model
from tierwise.jobs.promote import PromoteResult, promote, rollback
from tierwise.jobs.recalibrate import RecalibrateResult, recalibrate
from tierwise.jobs.score import ScoreResult, score
from tierwise.jobs.train import TrainResult, train
from tierwise.jobs.workspace import CheckResult, InitResult, check, check_file, init

__all__ = [
    "Answer",
    "CheckResult",
    "DemoResult",
    "Explained",
    "GovernResult",
    "InitResult",
    "PromoteResult",
    "RecalibrateResult",
    "ScoreResult",
    "TablesAsOf",
    "TrainResult",
    "check",
    "check_file",
    "demo",
    "explain",
    "govern",
    "init",
    "promote",
    "read_model",
    "recalibrate",
    "rollback",
    "score",
    "tables_as_of",
    "train",
]
