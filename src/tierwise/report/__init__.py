"""Values to self-contained HTML pages: a run, a training, a review, a replay, what moved, and the console's."""

from __future__ import annotations

from tierwise.report.accounts import account_page, accounts_page, message_page
from tierwise.report.movements import movements_pages
from tierwise.report.replay import replay_page
from tierwise.report.review import review_page
from tierwise.report.run import run_page
from tierwise.report.training import training_page
from tierwise.report.tune import tune_page
from tierwise.report.values import (
    AccountPage,
    AccountsPage,
    MovementsPage,
    ReplayPage,
    ReviewPage,
    RunPage,
    TrainingPage,
    TunePage,
)

__all__ = [
    "AccountPage",
    "AccountsPage",
    "MovementsPage",
    "ReplayPage",
    "ReviewPage",
    "RunPage",
    "TrainingPage",
    "TunePage",
    "account_page",
    "accounts_page",
    "message_page",
    "movements_pages",
    "replay_page",
    "review_page",
    "run_page",
    "training_page",
    "tune_page",
]
