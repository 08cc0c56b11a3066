"""What a training came to, made by training on a small world with a known truth: the values that its page shows."""

from __future__ import annotations

from functools import cache
from typing import Any

import pandas as pd

from matrix_sample import matrix, plan
from tierwise.explain import evidence, overview
from tierwise.jobs.canaries import completed, planted_labels
from tierwise.learning import train_model
from tierwise.report import TrainingPage

AS_OF = pd.Timestamp("2025-06-01", tz="UTC").to_pydatetime()
GATE = {
    "beside_live": {
        "live": "0123456789abcdef" * 4, "how": "itself", "why": "",
        "paired": {"champion": 0.31, "challenger": 0.305, "difference": -0.005, "standard_error": 0.002, "n": 1200,
                   "accounts": 300},
    },
    "gate": {"passed": True, "reasons": ["log-loss 0.3050 against the live model's 0.3100 on the same 1200 rows"]},
}  # fmt: skip


@cache
def usable() -> dict[str, Any]:
    """The answer of a training with a search of 14 trials, beside a live model; there is room for every account."""
    made, asked = matrix(accounts=400, months=12, strength=1.3), plan(tuning={"trials": 14})
    trained = train_model(made, asked, threads=1, capacity={"tier_1": 20, "tier_2": 500})
    trained = completed(trained, made, planted_labels(made, asked), 7)
    views = overview(trained.model, made, trained.unseen, evidence(trained.model, made))
    return {
        "plan": "new_business", "predicts": "open an opportunity", "horizon_days": 90, "data_through": "2025-06-01",
        "verdict": trained.evaluation.verdict, "why": trained.evaluation.why, "published": {"words": "Version 2"},
        "evaluation": trained.evaluation.to_dict(), "calibrator": "affine", "views": views, **GATE,
    }  # fmt: skip


def page(**changed: Any) -> TrainingPage:
    """The values of its page; what is given stands in the answer's place."""
    return TrainingPage({**usable(), **changed}, AS_OF)
