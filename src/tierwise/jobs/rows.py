"""What runs read of the tables besides features: one row an account, on a date; owners; and merges."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandas as pd

from tierwise.config import PlanFiles
from tierwise.data import Query, Warehouse, become, disputed_on
from tierwise.features import Matrix, build_matrix
from tierwise.store import FACT

DISPUTED_FACT = ("account_id", "fact", "name", "kind", "channel", "occurred_at", "author", "reason", "made_at")


def rows_on(warehouse: Warehouse, files: PlanFiles, stand: datetime, only: Sequence[str] | None = None) -> Matrix:
    """One row an account: on the date, or on its own newest instant whose horizon is still open.

    only: these accounts alone; None is all.
    """
    plan = files.plan
    negative = {t.kind: t.days for t in files.policy.negative_triggers}
    own_ages = bool(plan.cohort.grid.account_age_days)
    as_ofs = (stand - timedelta(days=plan.outcome.horizon_days - 1), stand) if own_ages else (stand,)
    matrix = build_matrix(warehouse, plan, as_ofs, negative_triggers=negative, only=only)
    return matrix.where(~matrix.frame.duplicated("account_id", keep="last"))


def owners_of(warehouse: Warehouse) -> pd.DataFrame:
    """The owners with their capacities, as the policy reads them, and their time zones, as the plays do."""
    return warehouse.frame(
        Query(
            "SELECT owner_id, territory, team, time_zone, active_from, active_to, capacity_tier_1, capacity_tier_2,"
            " capacity_tier_3 FROM owners ORDER BY owner_id"
        )
    )


def merged_into(warehouse: Warehouse, stand: datetime) -> pd.DataFrame:
    """account_id, merged_at: when an account was last merged into it before a date."""
    query = (
        "SELECT surviving_id AS account_id, max(merged_at) AS merged_at FROM account_merges"
        " WHERE merged_at < $stand GROUP BY surviving_id ORDER BY surviving_id"
    )
    return warehouse.frame(Query(query, {"stand": stand}))


def stages_on(warehouse: Warehouse, stand: datetime) -> pd.DataFrame:
    """The stages that each open opportunity had entered before a date, and when it left each: `STAGE_COLUMNS`.

    An opportunity is open as the features have it: created before the date, and neither closed nor deleted before it.
    Today's stage of an opportunity is today's: one without rows in opportunity_stages has none here.
    """
    query = """
        SELECT o.account_id, g.opportunity_id, g.stage, g.entered_at,
               lead(g.entered_at) OVER (PARTITION BY g.opportunity_id ORDER BY g.entered_at, g.stage) AS left_at
        FROM (SELECT DISTINCT opportunity_id, stage, entered_at FROM opportunity_stages WHERE entered_at < $stand) g
        JOIN opportunities o ON o.opportunity_id = g.opportunity_id
        WHERE o.created_at < $stand AND (o.deleted_at IS NULL OR o.deleted_at >= $stand)
              AND NOT coalesce(o.is_closed AND o.closed_at < $stand, FALSE)
        ORDER BY ALL
    """
    return warehouse.frame(Query(query, {"stand": stand}))


def has_stages(warehouse: Warehouse, stand: datetime) -> bool:
    """Whether the tables hold a stage of any opportunity that was entered before a date."""
    query = "SELECT count(*) > 0 AS some FROM opportunity_stages WHERE entered_at < $stand"
    return bool(warehouse.frame(Query(query, {"stand": stand}))["some"].iloc[0])


def disputes_of_today(warehouse: Warehouse, disputes: pd.DataFrame) -> pd.DataFrame:
    """Disputes (as `Store.disputed` gives them) with the account_id that each is of by today's tables, after a matrix.

    An activity is of the account that it reaches, so that its dispute goes with it through merges. A value of an
    account that was merged since is still a fact that its source had wrong, and is counted under the survivor; but the
    survivor's own value is another fact, and is read.
    """
    reached = warehouse.frame(
        Query("SELECT DISTINCT disputed_id, account_id FROM touch WHERE disputed_id IS NOT NULL ORDER BY ALL")
    )
    now = dict(reached.itertuples(index=False, name=None))
    known = disputes["account_id"].replace(become(warehouse))
    of_activity = disputes["fact_id"].map(now).astype("str").where(disputes["table"] == "activities")
    return disputes.assign(account_id=of_activity.fillna(known.astype("str")))


def disputed_facts(warehouse: Warehouse, disputes: pd.DataFrame, stand: datetime) -> pd.DataFrame:
    """What a run of a date does not read of its accounts because people marked it wrong, after its matrix.

    disputes : as `Store.disputed` gives them as of the date.
    Columns: account_id, fact (activity or value), name (the activity's id, or the attribute), kind, channel and
    occurred_at (of an activity), author, reason, made_at.
    """
    there = warehouse.frame(
        Query(
            """
            SELECT DISTINCT 'activities' AS "table", disputed_id AS fact_id, '' AS field, account_id,
                   'activity' AS fact, disputed_id AS name, kind, channel, occurred_at
            FROM touch WHERE disputed_id IS NOT NULL AND NOT restored AND known_at < $stand
            UNION ALL
            SELECT DISTINCT 'accounts', d.fact_id, d.field, a.account_id, 'value', d.field, NULL, NULL, NULL
            FROM disputes d JOIN accounts a ON a.account_id = d.fact_id WHERE d.table_name = 'accounts'
            """,
            {"stand": stand},
        )
    )
    standing = disputes.drop(columns="account_id").merge(disputed_on(warehouse, stand), on=list(FACT))
    found = standing.merge(there, on=list(FACT))[list(DISPUTED_FACT)]
    return found.sort_values(["account_id", "made_at", "name"], kind="stable", ignore_index=True)
