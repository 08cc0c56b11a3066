"""Money: the amounts of opportunities, and the revenue of accounts, in one currency.

An amount is converted by the newest rate that stood when its opportunity closed, or was created if it has not. A
revenue is what the account has today, and is converted by today's rate, as its history is: a rate is no change of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from tierwise.config.workspace import Settings
from tierwise.data.cells.sql import literal
from tierwise.data.warehouse import Query, Warehouse

_IGNORE = "declare `amounts: ignore` in tierwise.yaml, and none is read"


@dataclass(frozen=True)
class Converted:
    """What was found (each refuses the tables) and is worth knowing."""

    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Money:
    """A column of money: its table, the table's key, and the instant as of which it is converted (t: the table)."""

    table: str
    column: str
    key: str
    at: str
    when: str


_AMOUNTS = _Money(
    "opportunities",
    "amount",
    "opportunity_id",
    "CASE WHEN t.is_closed AND t.closed_at IS NOT NULL THEN t.closed_at ELSE t.created_at END",
    "when each was closed or created",
)
_REVENUES = _Money("accounts", "annual_revenue", "account_id", "TIMESTAMP '9999-01-01'", "today")


def in_one_currency(warehouse: Warehouse, settings: Settings) -> Converted:
    """Convert every amount to `settings.currency`, or else to the commonest of the opportunities (of the accounts).

    Nothing changes where a finding comes back. With `amounts: ignore`, amounts in several currencies become null.
    """
    used = {money: _used(warehouse, money) for money in (_AMOUNTS, _REVENUES)}
    named = [currency for counts in used.values() for currency in counts if currency]
    if not named:
        return Converted()
    base = settings.currency or named[0]
    mixed = [money for money, counts in used.items() if {c for c in counts if c} - {base}]
    notes = [_unnamed(money, used[money][None], base) for money in used if None in used[money]]
    if mixed and settings.amounts == "ignore":
        for money in mixed:
            _forget(warehouse, money)
            notes.append(f"{money.table}: {money.column}: in {_listed(used[money])}; ignored, as amounts: ignore says")
        return Converted(notes=tuple(notes))
    unit = _unit(warehouse, base)
    findings = [
        says for money in mixed for says in _findings(warehouse, money, used[money], base, unit, settings.currency)
    ]
    if findings:
        return Converted(tuple(findings))
    for money in sorted(mixed, key=lambda money: money.table, reverse=True):
        _convert(warehouse, money, base, unit)
        says = f"in {_listed(used[money])}; converted to {base} by the rates of {money.when}"
        notes.append(f"{money.table}: {money.column}: {says}")
    return Converted(notes=tuple(notes))


def _used(warehouse: Warehouse, money: _Money) -> dict[str | None, int]:
    """How many amounts are in each currency, the commonest first; None: they name none."""
    rows = warehouse.arrow(
        Query(
            f"SELECT currency, count(*) AS n FROM {money.table} WHERE {money.column} IS NOT NULL "
            "GROUP BY currency ORDER BY n DESC, currency"
        )
    )
    return {row["currency"]: row["n"] for row in rows.to_pylist()}


def _listed(used: dict[str | None, int]) -> str:
    return ", ".join(f"{currency or 'no currency'} ({n})" for currency, n in used.items())


def _unnamed(money: _Money, n: int, base: str) -> str:
    return f"{money.table}: {money.column}: {n} name no currency; they are read as {base}"


def _unit(warehouse: Warehouse, base: str) -> str | None:
    """The currency that the rates are in: one whose rates are 1, or the base if that is not listed; None: unknown."""
    rows = warehouse.arrow(
        Query("SELECT currency, bool_and(rate = 1) AS one FROM fx_rates GROUP BY currency ORDER BY currency")
    ).to_pylist()
    ones = [row["currency"] for row in rows if row["one"]]
    if base in ones:
        return base
    if ones:
        return str(ones[0])
    return None if base in [row["currency"] for row in rows] else base


def _rates(money: _Money, base: str, unit: str | None) -> str:
    """A row an amount in another currency: its key, currency and factor (null: no rate), and when it is of."""
    return f"""
        WITH amounts AS (
            SELECT t.{money.key} AS key, t.currency, {money.at} AS stood FROM {money.table} t
            WHERE t.{money.column} IS NOT NULL AND t.currency <> {literal(base)}
        ),
        own AS (
            SELECT a.*, CASE WHEN a.currency = {literal(unit or "")} THEN 1 ELSE r.rate END AS rate
            FROM amounts a ASOF LEFT JOIN fx_rates r ON a.currency = r.currency AND a.stood >= r.date
        ),
        bases AS (SELECT date, rate FROM fx_rates WHERE currency = {literal(base)})
        SELECT o.key, o.currency, o.stood,
            o.rate / {"1" if base == unit else "b.rate"} AS factor
        FROM own o ASOF LEFT JOIN bases b ON o.stood >= b.date"""


def _findings(
    warehouse: Warehouse, money: _Money, used: dict[str | None, int], base: str, unit: str | None, declared: str | None
) -> list[str]:
    what = f"{money.table}: {money.column}: in {_listed(used)}"
    if declared is None and None in used and money is _AMOUNTS:
        do = "fill currency, or declare in tierwise.yaml the one that they are in, as `currency: EUR`"
        return [f"{what}: {used[None]} name none among several; {do}"]
    if base != unit and not warehouse.arrow(Query(f"SELECT 1 FROM fx_rates WHERE currency = {literal(base)}")).num_rows:
        return [f"{what}, and fx_rates has no rate of {base}, to which they are converted; add it, or {_IGNORE}"]
    rows = warehouse.arrow(
        Query(
            f"SELECT currency, count(*) AS n, min(stood) AS first, (SELECT count(*) FROM fx_rates f "
            f"WHERE f.currency = m.currency) AS rates FROM ({_rates(money, base, unit)}) m "
            "WHERE factor IS NULL GROUP BY currency ORDER BY currency"
        )
    ).to_pylist()
    if not rows:
        return []
    lacks = ", ".join(f"{row['currency']} ({_lack(row)})" for row in rows)
    return [f"{what}, and fx_rates cannot convert to {base}: {lacks}; add the rates, or {_IGNORE}"]


def _lack(row: dict[str, object]) -> str:
    if not row["rates"]:
        return f"no rate, for {row['n']} amounts"
    return f"no rate yet for {row['n']} amounts, the first of {str(row['first'])[:10]}"


def _convert(warehouse: Warehouse, money: _Money, base: str, unit: str | None) -> None:
    if money is _REVENUES:
        moved = "(try_cast(t.{0} AS DOUBLE) * m.factor)::VARCHAR"
        cells = ", ".join(
            f"CASE WHEN m.factor IS NULL THEN t.{cell} ELSE {moved.format(cell)} END AS {cell}"
            for cell in ("old_value", "new_value")
        )
        warehouse.rewrite(
            "account_history",
            Query(
                f"SELECT t.* REPLACE ({cells}) FROM account_history t LEFT JOIN ({_rates(money, base, unit)}) m "
                f"ON m.key = t.account_id AND t.field = {literal(money.column)} ORDER BY ALL"
            ),
        )
    value = f"t.{money.column} * coalesce(m.factor, 1) AS {money.column}"
    currency = f"CASE WHEN t.{money.column} IS NULL THEN t.currency ELSE {literal(base)} END AS currency"
    warehouse.rewrite(
        money.table,
        Query(
            f"SELECT t.* REPLACE ({value}, {currency}) FROM {money.table} t "
            f"LEFT JOIN ({_rates(money, base, unit)}) m ON m.key = t.{money.key} ORDER BY t.{money.key}"
        ),
    )


def _forget(warehouse: Warehouse, money: _Money) -> None:
    if money is _REVENUES:
        cells = ", ".join(
            f"CASE WHEN field = {literal(money.column)} THEN NULL ELSE {cell} END AS {cell}"
            for cell in ("old_value", "new_value")
        )
        warehouse.rewrite("account_history", Query(f"SELECT * REPLACE ({cells}) FROM account_history"))
    warehouse.rewrite(money.table, Query(f"SELECT * REPLACE (NULL::DOUBLE AS {money.column}) FROM {money.table}"))
