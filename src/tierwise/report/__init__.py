"""Values to one self-contained HTML page: a run, a training, a review, a replay, and the console's pages."""

from __future__ import annotations

from tierwise.report.accounts import account_page, accounts_page, message_page
from tierwise.report.replay import replay_page
from tierwise.report.review import review_page
from tierwise.report.run import run_page
from tierwise.report.training import training_page
from tierwise.report.tune import tune_page
from tierwise.report.values import AccountPage, AccountsPage, ReplayPage, ReviewPage, RunPage, TrainingPage, TunePage

__all__ = [
    "AccountPage",
    "AccountsPage",
    "ReplayPage",
    "ReviewPage",
    "RunPage",
    "TrainingPage",
    "TunePage",
    "account_page",
    "accounts_page",
    "message_page",
    "replay_page",
    "review_page",
    "run_page",
    "training_page",
    "tune_page",
]
