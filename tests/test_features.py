"""The SQL features against a slow and obvious implementation, on random exports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlglot

import golden_sql
from exports import AGE_PLAN, AS_OF, NEGATIVE, PLAN, random_export
from slow_features import first_known, slow_row
from tables import as_tables
from tierwise.clock import naive
from tierwise.config import Plan
from tierwise.data import Warehouse
from tierwise.errors import ConfigError, UsageError
from tierwise.features import build_matrix, catalogue


def _same(found: object, wanted: object, name: str) -> bool:
    if wanted is None:
        return found is None or found != found
    if found is None:
        return False
    if isinstance(wanted, str):
        return found == wanted
    rounding = 0.0051 if "_decayed_" in name else 1e-6
    return bool(np.isclose(float(found), float(wanted), rtol=1e-9, atol=rounding, equal_nan=True))


@pytest.mark.parametrize("seed", range(12))
def test_every_feature_agrees_with_the_slow_implementation(seed: int) -> None:
    rows = random_export(seed, size=150)
    as_ofs = (AS_OF - timedelta(days=31), AS_OF, AS_OF + timedelta(days=30))
    with Warehouse.open(as_tables(rows), threads=1) as warehouse:
        matrix = build_matrix(warehouse, PLAN, as_ofs, negative_triggers=NEGATIVE)
    expected_rows = 0
    for as_of in as_ofs:
        for account in rows["accounts"]:
            start = first_known(account, rows)
            if start is None or start >= as_of:
                continue
            expected_rows += 1
            _compare(matrix.frame, rows, PLAN, account, as_of)
    assert len(matrix.frame) == expected_rows > 0


@pytest.mark.parametrize("seed", range(3))
def test_an_objection_counts_as_no_signal_in_any_channel(seed: int) -> None:
    rows = random_export(seed, size=400)
    signal = PLAN.features.signal.model_dump() | {"objections": ["page_view"]}
    signal["channels"]["web"]["kinds"] = ("pricing_visit",)
    plan = Plan.model_validate(PLAN.model_dump() | {"features": PLAN.features.model_dump() | {"signal": signal}})
    with Warehouse.open(as_tables(rows), threads=1) as warehouse:
        matrix, counted = (build_matrix(warehouse, p, (AS_OF,)).frame for p in (plan, PLAN))
    for account in rows["accounts"]:
        start = first_known(account, rows)
        if start is not None and start < AS_OF:
            _compare(matrix, rows, plan, account, AS_OF)
    assert (matrix["web_365d"] < counted["web_365d"]).any()
    assert not (matrix["web_365d"] > counted["web_365d"]).any()


@pytest.mark.parametrize("seed", range(4))
def test_features_on_accounts_own_ages_agree_too(seed: int) -> None:
    rows = random_export(100 + seed, size=150)
    with Warehouse.open(as_tables(rows), threads=1) as warehouse:
        matrix = build_matrix(warehouse, AGE_PLAN, (AS_OF - timedelta(days=900), AS_OF + timedelta(days=900)))
    for account in rows["accounts"]:
        start = first_known(account, rows)
        for age in (7, 40):
            if start is not None:
                _compare(matrix.frame, rows, AGE_PLAN, account, start + timedelta(days=age))
    assert len(matrix.frame) > 0


def _compare(frame, rows, plan, account, as_of) -> None:
    mine = frame[(frame["account_id"] == account["account_id"]) & (frame["as_of"] == naive(as_of))]
    assert len(mine) == 1
    wanted = slow_row(rows, plan, account, as_of)
    open_deals = wanted.pop("n_open")
    assert {f.name for f in catalogue(plan)} <= set(wanted)
    found = mine.iloc[0].to_dict()
    different = {k: (found[k], v) for k, v in wanted.items() if not _same(found[k], v, k)}
    assert not different, f"{account['account_id']} on {as_of}: {different}"
    if open_deals:
        assert found["status"] in ("in_pipeline", "not_eligible")


def test_outcomes_lie_within_the_horizon_and_immature_rows_have_none() -> None:
    rows = random_export(3, size=10)
    rows["accounts"] = [
        a | {"created_at": AS_OF - timedelta(days=500), "deleted_at": None} for a in rows["accounts"][:2]
    ]
    first, second = (a["account_id"] for a in rows["accounts"])
    base = rows["opportunities"][0] | {"is_closed": False, "is_won": False, "type": "New Business"}
    at = {"a": AS_OF, "b": AS_OF + timedelta(days=90)}
    rows["opportunities"] = [
        base | {"opportunity_id": "a", "account_id": first, "created_at": at["a"]},
        base | {"opportunity_id": "b", "account_id": second, "created_at": at["b"]},
    ]
    with Warehouse.open(as_tables(rows), threads=1) as warehouse:
        closed = build_matrix(warehouse, PLAN, (AS_OF,), outcomes_through=at["b"]).frame
        still_open = build_matrix(warehouse, PLAN, (AS_OF,), outcomes_through=at["b"] - timedelta(microseconds=1)).frame
    assert dict(zip(closed["account_id"], closed["outcome"], strict=True)) == {first: 1.0, second: 0.0}
    assert still_open["outcome"].isna().all()
    assert still_open["outcome_at"].isna().all()


def test_a_calendar_as_of_must_be_a_date() -> None:
    with (
        Warehouse.open(as_tables(random_export(1)), threads=1) as warehouse,
        pytest.raises(UsageError, match="not at 00:00 UTC"),
    ):
        build_matrix(warehouse, PLAN, (datetime(2025, 6, 1, 9, tzinfo=UTC),))


def test_two_features_of_one_name_are_refused_by_name() -> None:
    twice = PLAN.model_copy(
        update={"features": PLAN.features.model_copy(update={"fit": (*PLAN.features.fit, PLAN.features.fit[0])})}
    )
    with pytest.raises(ConfigError, match="names the feature 'industry' twice"):
        catalogue(twice)


def test_a_kind_that_is_an_objection_is_not_counted_too() -> None:
    signal = {"channels": {"email": {"kinds": ["reply", "bounce"]}}, "objections": ["bounce"]}
    with pytest.raises(ValueError, match="bounce: named among objections, which count as no signal, and counted too"):
        Plan.model_validate({"plan": "odd", "features": {"signal": signal}})


def test_a_plan_declares_features_monotone_by_name() -> None:
    def declared(**monotone: str) -> Plan:
        features = PLAN.features.model_dump() | {"monotone": monotone}
        return Plan.model_validate(PLAN.model_dump() | {"features": features})

    made = {f.name: f.monotone for f in catalogue(declared(web_30d="rising", web_days_since="falling"))}
    assert {name: sign for name, sign in made.items() if sign} == {"web_30d": 1, "web_days_since": -1}
    with pytest.raises(
        ConfigError, match="the plan 'law' declares the feature 'industry' rising: a category has no order"
    ):
        catalogue(declared(industry="rising"))
    with pytest.raises(
        ConfigError, match="'web_31d' falling: it has none of that name; near it: web_30d, web_365d, web_7d"
    ):
        catalogue(declared(web_31d="falling"))


def test_the_sql_of_the_matrix_is_what_was_read_and_agreed() -> None:
    assert golden_sql.text() + "\n" == golden_sql.GOLDEN.read_text(), "renew it with python tests/golden_sql.py"


def test_every_step_can_be_rendered_for_spark() -> None:
    for table, sql in golden_sql.steps():
        rendered = sqlglot.transpile(sql, read="duckdb", write="spark", unsupported_level=sqlglot.ErrorLevel.RAISE)
        assert rendered, table
        assert "ASOF" not in rendered[0].upper()


def test_no_value_is_formatted_into_the_sql() -> None:
    said = "\n".join(sql for _, sql in golden_sql.steps())
    for value in ("pricing_visit'", "'web'", "funding'", "champion'", "'snowflake", "2024-01-01"):
        assert value not in said
