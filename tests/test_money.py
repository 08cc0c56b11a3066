"""Amounts in one currency: by the rate of their day, or refused, or ignored; never mixed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tables import as_tables
from tierwise.config import Settings
from tierwise.data import Query, Warehouse
from tierwise.data.money import Converted, in_one_currency

DAY = datetime(2024, 1, 1, tzinfo=UTC)
CURRENCIES = st.sampled_from(["EUR", "USD", "GBP"])


def deal(
    n: int, amount: float | None, currency: str | None, closed: int | None = None, created: int = 0
) -> dict[str, Any]:
    at = None if closed is None else DAY + timedelta(days=closed)
    row = {"opportunity_id": f"o{n}", "account_id": "a", "created_at": DAY + timedelta(days=created), "closed_at": at}
    return row | {"is_closed": closed is not None, "amount": amount, "currency": currency}


def rate(currency: str, day: int, value: float) -> dict[str, Any]:
    return {"currency": currency, "date": DAY + timedelta(days=day), "rate": value}


MIXED = [deal(1, 1, "EUR"), deal(2, 1, "EUR"), deal(3, 1, "USD")]


def converted(
    rows: dict[str, list[dict[str, Any]]], given: Settings | None = None
) -> tuple[Converted, list[tuple[Any, Any]]]:
    with Warehouse.open(as_tables(rows), threads=1) as warehouse:
        said = in_one_currency(warehouse, given or Settings())
        sql = "SELECT amount, currency FROM opportunities ORDER BY opportunity_id"
        found = warehouse.arrow(Query(sql)).to_pylist()
    return said, [(row["amount"], row["currency"]) for row in found]


def test_an_amount_is_converted_by_the_newest_rate_of_its_day() -> None:
    rates = [rate("USD", 0, 0.9), rate("USD", 10, 0.8), rate("USD", 20, 0.7)]
    deals = [deal(1, 100, "EUR"), deal(2, 50, "EUR"), deal(3, 100, "USD"), deal(4, 100, "USD", closed=10),
             deal(5, 100, "USD", closed=19), deal(6, None, "USD"), deal(7, 10, "USD", created=400)]  # fmt: skip
    said, found = converted({"opportunities": deals, "fx_rates": rates}, Settings(currency="EUR"))
    assert said.findings == ()
    assert said.notes == (
        "opportunities: amount: in USD (4), EUR (2); converted to EUR by the rates of when each was closed or created",
    )
    wanted = [(100, "EUR"), (50, "EUR"), (90, "EUR"), (80, "EUR"), (80, "EUR"), (None, "USD"), (7, "EUR")]
    assert [(None if a is None else round(a, 9), c) for a, c in found] == wanted


@pytest.mark.parametrize(
    ("rows", "given", "words"),
    [
        (
            {"opportunities": MIXED},
            Settings(),
            "opportunities: amount: in EUR (2), USD (1), and fx_rates cannot convert to EUR: USD (no rate, for 1 "
            "amounts); add the rates, or declare `amounts: ignore` in tierwise.yaml, and none is read",
        ),
        (
            {"opportunities": MIXED, "fx_rates": [rate("USD", 5, 1.1)]},
            Settings(),
            "USD (no rate yet for 1 amounts, the first of 2024-01-01)",
        ),
        (
            {"opportunities": [*MIXED, deal(4, 1, None)]},
            Settings(),
            "1 name none among several; fill currency, or declare in tierwise.yaml the one that they are in",
        ),
        (
            {"opportunities": [deal(1, 1, "USD")], "fx_rates": [rate("USD", 0, 1), rate("EUR", 0, 1.1)]},
            Settings(currency="GBP"),
            "and fx_rates has no rate of GBP, to which they are converted",
        ),
        (
            {"opportunities": MIXED, "fx_rates": [rate("EUR", 0, 1.1)]},
            Settings(),
            "USD (no rate, for 1 amounts)",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_converted_is_refused_and_nothing_changes(
    rows: dict[str, list[dict[str, Any]]], given: Settings, words: str
) -> None:
    said, found = converted(rows, given)
    [finding] = said.findings
    assert words in finding
    assert found == [(row["amount"], row["currency"]) for row in rows["opportunities"]]


def test_mixed_amounts_are_ignored_where_that_is_declared() -> None:
    said, found = converted({"opportunities": [deal(1, 5, "EUR"), deal(2, 6, "USD")]}, Settings(amounts="ignore"))
    assert said.findings == ()
    assert said.notes == ("opportunities: amount: in EUR (1), USD (1); ignored, as amounts: ignore says",)
    assert [amount for amount, _ in found] == [None, None]


def test_one_currency_or_none_stays_as_it_is() -> None:
    rows = [deal(1, 5, "EUR"), deal(2, 6, None), deal(3, None, "USD")]
    said, found = converted({"opportunities": rows})
    assert said == Converted(notes=("opportunities: amount: 1 name no currency; they are read as EUR",))
    assert found == [(5, "EUR"), (6, None), (None, "USD")]
    assert converted({"opportunities": [deal(1, 5, None)]})[0] == Converted()


def test_rates_in_another_unit_convert_across_it() -> None:
    rates = [rate("EUR", 0, 1.1), rate("USD", 0, 1), rate("GBP", 0, 1.32)]
    deals = [deal(1, 10, "EUR"), deal(2, 10, "EUR"), deal(3, 11, "USD"), deal(4, 10, "GBP")]
    said, found = converted({"opportunities": deals, "fx_rates": rates})
    assert said.findings == ()
    assert [(round(a, 9), c) for a, c in found] == [(10, "EUR"), (10, "EUR"), (10, "EUR"), (12, "EUR")]


def test_revenue_is_converted_by_the_newest_rate_and_its_history_with_it() -> None:
    accounts = [{"account_id": a, "annual_revenue": r, "currency": c} for a, r, c in
                [("a", 100.0, "EUR"), ("b", 100.0, "USD"), ("c", None, "USD"), ("d", 7.0, "EUR")]]  # fmt: skip
    changes = [("b", "annual_revenue", "50", "100"), ("b", "industry", "3", "4"), ("a", "annual_revenue", "9", "100")]
    history = [dict(zip(("account_id", "field", "old_value", "new_value"), c, strict=True)) for c in changes]
    history = [change | {"changed_at": DAY} for change in history]
    rows = {"accounts": accounts, "account_history": history, "fx_rates": [rate("USD", 0, 0.5), rate("USD", 9, 0.8)]}
    with Warehouse.open(as_tables(rows), threads=1) as warehouse:
        assert in_one_currency(warehouse, Settings()).findings == ()
        found = warehouse.arrow(Query("SELECT annual_revenue AS r, currency AS c FROM accounts ORDER BY account_id"))
        assert [(row["r"], row["c"]) for row in found.to_pylist()] == [
            (100, "EUR"),
            (80, "EUR"),
            (None, "USD"),
            (7, "EUR"),
        ]
        sql = "SELECT old_value AS o, new_value AS n FROM account_history ORDER BY account_id, field"
        told = [(float(row["o"]), float(row["n"])) for row in warehouse.arrow(Query(sql)).to_pylist()]
        assert told == [(9, 100), (40, 80), (3, 4)]
        mixed = Settings(amounts="ignore")
        assert in_one_currency(warehouse, mixed) == Converted()


@settings(deadline=None, max_examples=40)
@given(
    deals=st.lists(st.tuples(CURRENCIES, st.integers(1, 99), st.integers(0, 30)), min_size=1, max_size=8),
    rates=st.dictionaries(
        st.tuples(st.sampled_from(["USD", "GBP"]), st.integers(0, 30)), st.integers(1, 9), max_size=10
    ),
)
def test_conversion_is_what_a_slow_look_up_gives(
    deals: list[tuple[str, int, int]], rates: dict[tuple[str, int], int]
) -> None:
    rows = [deal(n, amount, currency, created=day) for n, (currency, amount, day) in enumerate(deals)]
    table = [rate(currency, day, value / 4 + 0.1) for (currency, day), value in rates.items()]
    said, found = converted({"opportunities": rows, "fx_rates": table}, Settings(currency="EUR"))
    wanted: list[float | None] = []
    for currency, amount, day in deals:
        known = [d for (c, d) in rates if c == currency and d <= day]
        factor = 1.0 if currency == "EUR" else rates[currency, max(known)] / 4 + 0.1 if known else None
        wanted.append(None if factor is None else amount * factor)
    assert bool(said.findings) == (None in wanted)
    if not said.findings:
        assert [a for a, _ in found] == pytest.approx(wanted)
        assert {c for _, c in found} == {"EUR"}
