"""From warehouse and plan to the matrix: the steps run in order, then one select puts the columns side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tierwise.clock import grid, instant
from tierwise.config.plan import Grid
from tierwise.data import TABLES, Query, quoted
from tierwise.errors import ContractError, UsageError
from tierwise.features.catalogue import (
    LONGEST_AGO,
    TRIGGER_WINDOWS,
    catalogue,
    contact_windows,
    fit_feature,
    measures,
    slug,
    trend_windows,
)
from tierwise.features.matrix import FACTS, VALUE_AS_OF, Matrix
from tierwise.features.sql import activity, attributes, deals, facts, links, spine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tierwise.config import Plan
    from tierwise.data import Warehouse
    from tierwise.features.sql.spine import Step

Columns = dict[str, str]
Tracked = Callable[[str, int, list[str]], str]


def build_matrix(
    warehouse: Warehouse,
    plan: Plan,
    as_ofs: Sequence[datetime],
    *,
    outcomes_through: datetime | None = None,
    negative_triggers: Mapping[str, int] | None = None,
    only: Sequence[str] | None = None,
) -> Matrix:
    """The matrix of every account known on each as_of.

    Parameters
    ----------
    as_ofs : instants of the plan's calendar grid; for a plan that stands on accounts' own ages, the least and the
        greatest of them bound those instants (both included).
    outcomes_through : how far the outcome's table reaches; None asks for no outcomes.
    negative_triggers : activity kind -> days for which it is in force (the policy's).
    only : the rows of these accounts alone, as they stand among all; None is all.

    Raises
    ------
    UsageError : no as_of, or one that is not at 00:00 UTC on a calendar grid.
    """
    _check(plan, as_ofs)
    _check_attributes(warehouse, plan)
    disputed = _disputed(warehouse)
    for table, query in matrix_steps(plan, as_ofs, outcomes_through, negative_triggers or {}, only, disputed):
        warehouse.run(Query(f"CREATE OR REPLACE TEMP TABLE {table} AS {query.sql}", query.params))
    frame = warehouse.frame(final_select(plan, outcomes=outcomes_through is not None, disputed=disputed))
    return Matrix(_typed(frame, plan), catalogue(plan), plan.outcome.horizon_days)


def _check(plan: Plan, as_ofs: Sequence[datetime]) -> None:
    if not as_ofs:
        raise UsageError(
            f"a matrix of plan '{plan.plan}' was asked for on no date",
            found="the history is shorter than the plan's grid",
            do="Give a longer history, or a finer grid in cohort.grid",
        )
    if plan.cohort.grid.account_age_days:
        return
    for as_of in as_ofs:
        if as_of != as_of.replace(hour=0, minute=0, second=0, microsecond=0):
            raise UsageError(
                f"as_of {as_of.isoformat()} was asked for",
                found="it is not at 00:00 UTC",
                do="Give a date, as YYYY-MM-DD",
            )


def _check_attributes(warehouse: Warehouse, plan: Plan) -> None:
    """Law 5 at the door: an attribute that accounts do not have is refused by name."""
    there = [*TABLES["accounts"].names, *warehouse.attributes("accounts")]
    for attribute in plan.features.fit:
        if attribute.attribute not in there:
            raise ContractError(
                f"plan '{plan.plan}' asks for the attribute '{attribute.attribute}'",
                found=f"accounts have {', '.join(there)}",
                do="Add the column to accounts, or take the attribute out of features.fit",
                where=f"models/{plan.plan}/model.yaml",
            )


def _disputed(warehouse: Warehouse) -> tuple[str, ...]:
    """The attributes of which some account's value is, or was, disputed."""
    query = Query("SELECT DISTINCT field FROM disputes WHERE table_name = 'accounts' ORDER BY field")
    return tuple(warehouse.frame(query)["field"])


def training_grid(plan: Plan, first: datetime, last: datetime) -> tuple[datetime, ...]:
    """The as-of instants to train on within `[first, last]`; for accounts' own ages, just the two bounds."""
    if plan.model.train_from is not None:
        first = max(first, instant(plan.model.train_from))
    if plan.cohort.grid.every is None:
        return (first, last) if first <= last else ()
    return grid(plan.cohort.grid.every, first, last)


def who_is_who() -> list[Step]:
    """Families, what domains and leads name, and `touch`: every activity with the account that it reaches."""
    return [spine.family(), links.claims(), links.lead_links(), activity.touch()]


def _standing(plan: Plan, as_ofs: Sequence[datetime], only: Sequence[str] | None = None) -> list[Step]:
    """Who is who, what reaches whom, and which accounts are known on which as_of."""
    return [*who_is_who(), *spine.spine(plan.cohort, as_ofs, max(as_ofs), only)]


def build_statuses(warehouse: Warehouse, plan: Plan, as_ofs: Sequence[datetime]) -> None:
    """Leave in the warehouse, as `status`, what each account is on each as_of: account_id, as_of, rule, status.

    rule : what keeps it out of the cohort (null: nothing). `account_start`, `touch`, `claims` and
    `lead_links` are left too.
    """
    steps = [*_standing(plan, as_ofs), activity.signals(plan.features.signal), activity.recency(plan)]
    steps += [deals.opportunity_history(), attributes.disputed(), spine.status(plan.cohort, _disputed(warehouse))]
    for table, query in steps:
        warehouse.run(Query(f"CREATE OR REPLACE TEMP TABLE {table} AS {query.sql}", query.params))


def build_triggers(warehouse: Warehouse, negative_triggers: Mapping[str, int]) -> pd.DataFrame:
    """Of the rows of the matrix that was built last in the warehouse, those with other negative triggers in force:
    account_id, as_of, kind."""
    return warehouse.frame(facts.negative_triggers(negative_triggers)[1])


def suppressed_at(warehouse: Warehouse, plan: Plan, negative: Mapping[str, int], at: datetime) -> pd.DataFrame:
    """The accounts that an exclusion or a negative trigger suppresses at an instant: account_id, reason."""
    day_by_day = plan.model_copy(update={"cohort": plan.cohort.model_copy(update={"grid": Grid(every="day")})})
    steps = [*_standing(day_by_day, (at,)), facts.excluded(plan.cohort.exclusion_reasons)]
    for table, query in [*steps, facts.negative_triggers(negative)]:
        warehouse.run(Query(f"CREATE OR REPLACE TEMP TABLE {table} AS {query.sql}", query.params))
    return warehouse.frame(
        Query(
            "SELECT account_id, min(reason) AS reason FROM (SELECT account_id, reason FROM excluded "
            "UNION ALL SELECT account_id, kind FROM negative) GROUP BY account_id ORDER BY account_id"
        )
    )


def matrix_steps(
    plan: Plan,
    as_ofs: Sequence[datetime],
    outcomes_through: datetime | None,
    negative: Mapping[str, int],
    only: Sequence[str] | None = None,
    disputed: Sequence[str] = (),
) -> list[Step]:
    """Every step of the matrix, in the order in which they run; disputed: attributes with a disputed value."""
    steps = [*_standing(plan, as_ofs, only), activity.signals(plan.features.signal)]
    steps += [attributes.contact_roles(), *activity.rolled_up(plan), deals.opportunity_history()]
    steps += [
        *attributes.tracked(plan),
        attributes.disputed(),
        attributes.owner(),
        facts.excluded(plan.cohort.exclusion_reasons),
        facts.negative_triggers(negative),
    ]
    steps.append(spine.status(plan.cohort, disputed))
    if outcomes_through is not None:
        steps.append(deals.outcomes(plan.outcome, outcomes_through))
    return steps


def final_select(plan: Plan, *, outcomes: bool, disputed: Sequence[str] = ()) -> Query:
    """One row per row of the spine: keys, features in catalogue order, policy facts, and the outcome."""
    params: dict[str, object] = {}
    by_name = _feature_columns(plan, params, disputed)
    columns: Columns = {"account_id": "s.account_id", "as_of": "s.as_of", "family_id": "s.family_id"}
    columns["status"] = "st.status"
    columns |= {f.name: by_name[f.name] for f in catalogue(plan)}
    columns |= _fact_columns(plan)
    columns |= (
        {"outcome": _OUTCOME, "outcome_at": "CASE WHEN y.mature THEN y.outcome_at END"}
        if outcomes
        else {"outcome": "CAST(NULL AS DOUBLE)", "outcome_at": "CAST(NULL AS TIMESTAMP)"}
    )
    joined = "\n".join(
        f"{join} {table} {alias} ON {alias}.account_id = s.account_id AND {alias}.as_of = s.as_of"
        for join, table, alias in _joins(plan, outcomes=outcomes)
    )
    marked = [a.attribute for a in plan.features.fit if a.attribute in disputed]
    joined = "\n".join([joined, *(spine.join_wrong(a, n, params) for n, a in enumerate(marked))])
    listed = ",\n".join(f"{expression} AS {quoted(name)}" for name, expression in columns.items())
    return Query(
        f"SELECT {listed}\nFROM spine s JOIN accounts a ON a.account_id = s.account_id\n{joined}\n"
        "ORDER BY s.as_of, s.account_id",
        params,
    )


def _joins(plan: Plan, *, outcomes: bool) -> list[tuple[str, str, str]]:
    """(join, table, alias): the tables with a row for each of the spine, then those with rows where something is."""
    whole = [("status", "st"), ("owner", "ow"), *([("outcomes", "y")] if outcomes else [])]
    whole += [(attributes.step_of(a), attributes.alias_of(a)) for a in plan.features.fit if a.clock == "tracked"]
    part = [(f"counts_{w}d", f"n{w}") for w in activity.window_days(plan)]
    part += [(f"contacts_{w}d", f"p{w}") for w in activity.contact_days(plan)]
    part += [
        ("channels_7d", "ch"),
        ("decayed", "de"),
        ("recency", "re"),
        ("roles", "ro"),
        ("opportunity_history", "oh"),
    ]
    part += [("excluded", "ex"), ("negative", "ne")]
    return [("JOIN", *pair) for pair in whole] + [("LEFT JOIN", *pair) for pair in part]


_OUTCOME = "CASE WHEN y.mature THEN CAST(y.outcome_at IS NOT NULL AS DOUBLE) END"


def _feature_columns(plan: Plan, params: dict[str, object], disputed: Sequence[str]) -> Columns:
    signal = plan.features.signal
    columns, own = attributes.columns(plan, disputed)
    params |= own

    def tracked(expression: str, reach: int, channels: list[str]) -> str:
        """The expression, or missing where the window reaches before tracking."""
        day = activity.newest_tracked(signal, channels)
        if day is None:
            return expression
        params[f"day_{day}"] = day
        return f"CASE WHEN s.as_of_day - {reach} < $day_{day} THEN NULL ELSE {expression} END"

    every = list(signal.channels)
    for m, (channel, kind) in measures(plan).items():
        of = every if channel is None else [channel]
        for w in signal.windows_days:
            columns[f"{m}_{w}d"] = tracked(f"coalesce(n{w}.{m}_{w}d, 0)", w, of)
        if kind is None:
            for h in signal.half_lives_days:
                columns[f"{m}_decayed_{h}d"] = tracked(f"coalesce(de.{m}_decayed_{h}d, 0)", 4 * h, of)
            longest = f"{float(LONGEST_AGO)}"
            never = tracked(longest, LONGEST_AGO, of)
            columns[f"{m}_days_since"] = (
                f"CASE WHEN re.{m}_days_since IS NULL THEN {never} ELSE least(re.{m}_days_since, {longest}) END"
            )
    for w in trend_windows(plan):
        now, both = f"coalesce(n{w}.signals_{w}d, 0)", f"coalesce(n{2 * w}.signals_{2 * w}d, 0)"
        columns[f"signals_trend_{w}d"] = tracked(f"ln(({now} + 1) / ({both} - {now} + 1))", 2 * w, every)
    for value in map(slug, signal.value_of):
        for w in signal.windows_days:
            columns[f"{value}_value_{w}d"] = tracked(f"coalesce(n{w}.{value}_value_{w}d, 0)", w, every)
    for trigger in map(slug, signal.triggers):
        for w in TRIGGER_WINDOWS:
            columns[f"trigger_{trigger}_{w}d"] = f"coalesce(n{w}.trigger_{trigger}_{w}d, 0)"
    for w in contact_windows(plan):
        columns[f"contacts_{w}d"] = tracked(f"coalesce(p{w}.contacts_{w}d, 0)", w, every)
    columns |= _role_columns(plan, params, tracked)
    return columns | (deals.FEATURES if signal.opportunity_history else {})


def _role_columns(plan: Plan, params: dict[str, object], tracked: Tracked) -> Columns:
    group, every = plan.features.signal.buying_group, list(plan.features.signal.channels)
    columns: Columns = {}
    if group.known:
        for n, role in enumerate(group.roles):
            params[f"role_{n}"] = role
            reached = f"CAST(coalesce(list_contains(ro.roles, $role_{n}), FALSE) AS DOUBLE)"
            columns[f"reached_{slug(role)}"] = tracked(reached, group.window_days, every)
        share = f"coalesce(len(ro.roles), 0) / {float(len(group.roles) or 1)}"
        columns["buying_group_share"] = tracked(share, group.window_days, every)
    return columns


def _fact_columns(plan: Plan) -> Columns:
    n_roles = len(plan.features.signal.buying_group.roles)
    facts: Columns = {
        "days_since_signal": "re.signals_days_since",
        "signals_7d": "coalesce(n7.signals_7d, 0)",
        "signals_prior_weekly": f"(coalesce(n90.signals_90d, 0) - coalesce(n7.signals_7d, 0)) * {7 / 83}",
        "contacts_7d": "coalesce(p7.contacts_7d, 0)",
        "channels_7d": "coalesce(ch.channels_7d, 0)",
        "coverage": f"""CASE WHEN NOT coalesce(ro.any_role, FALSE) THEN 'unknown' WHEN len(ro.roles) = 0 THEN 'none'
                             WHEN len(ro.roles) < {n_roles} THEN 'partial' ELSE 'reached' END""",
        "roles_reached": "coalesce(array_to_string(ro.roles, ';'), '')",
        "excluded_by": "ex.reason",
        "negative_trigger": "ne.kind",
        "owner_id": "ow.owner_id",
    }
    own = {f.name for f in catalogue(plan)}
    changed = {
        f"{VALUE_AS_OF}{fit_feature(a)}": f"coalesce({attributes.alias_of(a)}.changed_at, s.known_from)"
        for a in plan.features.fit
        if a.clock == "tracked"
    }
    return {name: facts[name] for name in FACTS if name not in own} | changed


def _typed(frame: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Fixed dtypes, so that a column without values keeps its kind: float64, datetime64[us], or object for text."""
    kinds = {f.name: f.kind for f in catalogue(plan)}
    typed = {}
    for name in frame.columns:
        column = frame[name]
        if name in ("as_of", "outcome_at") or name.startswith(VALUE_AS_OF):
            typed[name] = column.astype("datetime64[us]")
        elif kinds.get(name) in ("number", "flag") or name in _NUMBERS:
            typed[name] = column.astype(np.float64)
        else:
            typed[name] = column.astype(object).where(column.notna(), None)
    return pd.DataFrame(typed)


_NUMBERS = {"days_since_signal", "signals_7d", "signals_prior_weekly", "contacts_7d", "channels_7d", "outcome"}


def history_start(warehouse: Warehouse) -> datetime:
    """The first instant at which anything happened: the oldest activity, else opportunity, else account.

    Raises
    ------
    UsageError : the tables hold none with a date.
    """
    found = warehouse.frame(
        Query("""
        SELECT coalesce(
            (SELECT min(occurred_at) FROM activities), (SELECT min(created_at) FROM opportunities),
            (SELECT min(created_at) FROM accounts)) AS first
        """)
    )["first"][0]
    if pd.isna(found):
        raise UsageError(
            "a history was looked for",
            found="the tables hold no activities, no opportunities, and no created_at of accounts",
            do="Add activities to the tables",
        )
    return instant(found.to_pydatetime())
