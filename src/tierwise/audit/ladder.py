"""The ladder of dates of a plan on the data, and what it means where no model is possible yet."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from tierwise.audit.finding import Finding
from tierwise.audit.reach import history_days, sustained_from
from tierwise.clock import instant
from tierwise.errors import UsageError
from tierwise.features import cohort_counts, foreseen, history_start, training_grid
from tierwise.learning import Ladder, ladder
from tierwise.learning.splits import Dated

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    rows = Dated(counts.as_of, counts.having, counts.lacking)
    pace = _pace(warehouse, plan, as_ofs, data_through, begins)
    return ladder(rows, counts.accounts, plan, begins, data_through, pace)


def _pace(
    warehouse: Warehouse, plan: Plan, as_ofs: Sequence[datetime], data_through: datetime, begins: datetime
) -> float:
    """Accounts a day that have the outcome after a date, from the first sustained activity on, on which they were
    eligible.

    as_ofs: the dates counted last; where all lie before that activity, or none has come since train_from, those of the
    whole history from it on are counted.
    """
    since = max(begins, as_ofs[0]) if as_ofs else begins
    if not as_ofs or as_ofs[-1] < since:
        untied = plan.model_copy(update={"model": plan.model.model_copy(update={"train_from": None})})
        as_ofs = training_grid(untied, begins, data_through)
        cohort_counts(warehouse, untied, as_ofs, data_through)
    if not as_ofs:
        return 0.0
    since = max(begins, as_ofs[0])
    return foreseen(warehouse, since, data_through) / max((data_through - since).days, 1)


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
