"""The ladder of dates of a plan on the data, and what it means where no model is possible yet."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd

import tierwise.audit.sql as sql
from tierwise.audit.finding import Finding
from tierwise.audit.reach import history_days, sustained_from
from tierwise.clock import instant
from tierwise.errors import UsageError
from tierwise.features import cohort_counts, history_start, training_grid
from tierwise.learning import Ladder, ladder
from tierwise.learning.splits import Dated

if TYPE_CHECKING:
    from tierwise.config.plan import Plan
    from tierwise.data import Warehouse


def plan_ladder(warehouse: Warehouse, plan: Plan, data_through: datetime, begins: datetime | None = None) -> Ladder:
    """The dates that `train` would use for a plan on these data.

    begins: the first sustained activity, where it is known already.
    """
    if begins is None:
        days = history_days(warehouse).days
        begins = instant(sustained_from(days)) if days else data_through
    try:
        as_ofs = training_grid(plan, history_start(warehouse), data_through)
    except UsageError:
        as_ofs = ()
    counts = cohort_counts(warehouse, plan, as_ofs, data_through)
    having = warehouse.frame(sql.outcomes(plan.outcome, data_through)).iloc[0]
    first = begins if pd.isna(having["first"]) else min(begins, instant(having["first"].to_pydatetime()))
    span = max((data_through - first).days, 1)
    rows = Dated(counts.as_of, counts.having, counts.lacking)
    return ladder(rows, counts.accounts, plan, begins, data_through, int(having["accounts"]) / span)


def of_ladder(found: Ladder) -> list[Finding]:
    """A finding where no model is possible yet: why, and the first date on which one will be."""
    if found.possible:
        return []
    do = "Until then tiers go by rules. Older history, a wider outcome or a shorter horizon_days bring it forward"
    when = ""
    if found.possible_from is not None:
        when = f"; at the pace so far one will be possible with data through {found.possible_from}"
    figures = {
        "accounts": found.accounts,
        "needed": found.needed,
        "horizon_days": found.horizon_days,
        "possible_from": None if found.possible_from is None else str(found.possible_from),
    }
    asked = "a history long enough to train, calibrate and report on"
    return [Finding("no_model_yet", "warns", "history", asked, f"{found.why_not}{when}", do, figures)]
