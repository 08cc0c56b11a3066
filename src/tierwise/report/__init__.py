"""Values to one self-contained HTML page: a scoring run, a monthly review, and the console's pages."""

from __future__ import annotations

from tierwise.report.accounts import account_page, accounts_page, message_page
from tierwise.report.review import review_page
from tierwise.report.run import run_page
from tierwise.report.training import training_page
from tierwise.report.values import AccountPage, AccountsPage, ReviewPage, RunPage, TrainingPage

__all__ = [
    "AccountPage",
    "AccountsPage",
    "ReviewPage",
    "RunPage",
    "TrainingPage",
    "account_page",
    "accounts_page",
    "message_page",
    "review_page",
    "run_page",
    "training_page",
]
