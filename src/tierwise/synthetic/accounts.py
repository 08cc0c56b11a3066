"""The companies of a world: who they are, what that is worth, and how what is recorded of them changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tierwise.synthetic.effects import COUNTRIES, INDUSTRIES, INTERACTION, SIZE_BANDS, TECHNOLOGIES, UNSEEN_SD
from tierwise.synthetic.spec import DAY, NEVER, Flags, Floats, Ints, WorldSpec

_STEMS = (
    *("Alder", "Brim", "Corvane", "Dunmere", "Elmhollow", "Fennick", "Garrow", "Hathersby", "Ironleaf", "Juniper"),
    *("Kestrel", "Larkspur", "Marrow", "Nettle", "Oakvane", "Pellworth", "Quillon", "Rookery", "Saltmarsh", "Tansy"),
    *("Umberfield", "Vellum", "Wrenfold", "Yarrow"),
)
_TRADES = (
    *("Foundry", "Works", "Systems", "Partners", "Group", "Labs"),
    *("Supply", "Holdings", "Logic", "Mills", "Networks", "Services"),
)

_MEDIAN_LOG_HEADCOUNT, _LOG_HEADCOUNT_SD = 5.2, 1.7


@dataclass(frozen=True)
class Accounts:
    """The accounts as arrays of one length, and the history of their tracked fields.

    `frame` columns: account_id, name, domain, parent (position, -1 for none), industry, country, region, technologies,
    headcount (true and constant; it carries the effect), employee_count (as first recorded, NaN if missing),
    annual_revenue, owner (position), created (microseconds), legacy (a customer before the history).
    `utility`: planted log-hazard. `history`: account (position), field, old_value, new_value, changed (microseconds).
    """

    frame: pd.DataFrame
    utility: Floats
    history: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def created(self) -> Ints:
        """When each account appeared, in microseconds."""
        created: Ints = self.frame["created"].to_numpy(np.int64)
        return created

    @property
    def size(self) -> Ints:
        """Position of each account's headcount band."""
        return bands(self.frame["headcount"].to_numpy(np.float64))


def bands(headcount: Floats) -> Ints:
    """The position of each headcount among the bands; the least headcount of a band belongs to it."""
    edges = np.array([least for _, least, _ in SIZE_BANDS[1:]], dtype=float)
    return np.searchsorted(edges, headcount, side="right").astype(np.int64)


def make_accounts(spec: WorldSpec, owners: int) -> Accounts:
    """Draw the accounts of a world."""
    rng = spec.rng("accounts")
    n = spec.accounts
    parent, heads = _families(n, rng)
    industry = _inherited(rng.choice(len(INDUSTRIES), n, p=[share for share, _ in INDUSTRIES.values()]), parent)
    country = _inherited(rng.choice(len(COUNTRIES), n, p=[share for _, share, _ in COUNTRIES.values()]), parent)
    headcount = np.maximum(1.0, np.round(np.exp(rng.normal(_MEDIAN_LOG_HEADCOUNT, _LOG_HEADCOUNT_SD, n))))
    flags = rng.random((n, len(TECHNOLOGIES))) < np.array([share for share, _ in TECHNOLOGIES.values()])
    legacy = rng.random(n) < 0.10
    older = (rng.random(n) < 0.82) | legacy
    older[heads] = True
    created = (
        np.where(
            older,
            spec.begin - rng.integers(np.where(legacy, 1000, 30), 2200, n) * DAY,
            spec.begin + rng.integers(0, spec.days - 1, n) * DAY,
        )
        + rng.integers(7 * 3600, 19 * 3600, n) * 1_000_000
    )
    stems, trades = rng.integers(0, len(_STEMS), n), rng.integers(0, len(_TRADES), n)
    names = [f"{_STEMS[s]} {_TRADES[t]} {i:04d}" for i, (s, t) in enumerate(zip(stems, trades, strict=True))]
    revenue = np.round(headcount * np.exp(rng.normal(np.log(180_000), 0.5, n)), -3)
    frame = pd.DataFrame(
        {
            "account_id": [f"acc-{i:05d}" for i in range(n)],
            "name": names,
            "domain": [f"{name.lower().replace(' ', '-')}.example" for name in names],
            "parent": parent,
            "industry": pd.Series(np.array(list(INDUSTRIES), dtype=object)[industry]).where(
                rng.random(n) >= 0.02, None
            ),
            "country": np.array(list(COUNTRIES), dtype=object)[country],
            "region": np.array([region for region, _, _ in COUNTRIES.values()], dtype=object)[country],
            "technologies": _names(flags),
            "headcount": headcount,
            "employee_count": np.where(rng.random(n) < 0.04, np.nan, headcount),
            "annual_revenue": np.where(rng.random(n) < 0.12, np.nan, revenue),
            "owner": rng.integers(0, owners, n),
            "created": created,
            "legacy": legacy,
        }
    )
    utility = _utility(industry, country, headcount, flags) + rng.normal(0.0, UNSEEN_SD, n)
    return Accounts(frame, utility, _history(spec, frame, owners))


def _families(n: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """The parent of each account (-1: none), and the heads of families, who have none and are in every export."""
    parent = np.full(n, -1, dtype=np.int64)
    heads = rng.choice(n, max(1, n // 40), replace=False)
    others = np.setdiff1d(np.arange(n), heads)
    children = rng.choice(others, max(1, n // 14), replace=False)
    parent[children] = rng.choice(heads, len(children))
    return parent, heads


def _inherited(values: Ints, parent: Ints) -> Ints:
    return np.where(parent >= 0, values[np.maximum(parent, 0)], values).astype(np.int64)


def _names(flags: Flags) -> list[list[str]]:
    names = list(TECHNOLOGIES)
    return [[name for name, has in zip(names, row, strict=True) if has] for row in flags.tolist()]


def _utility(industry: Ints, country: Ints, headcount: Floats, flags: Flags) -> Floats:
    by_industry = np.array([effect for _, effect in INDUSTRIES.values()])
    by_country = np.array([effect for _, _, effect in COUNTRIES.values()])
    by_size = np.array([effect for _, _, effect in SIZE_BANDS])
    by_technology = np.array([effect for _, effect in TECHNOLOGIES.values()])
    with_industry, with_technology, extra = INTERACTION
    both = (industry == list(INDUSTRIES).index(with_industry)) & flags[:, list(TECHNOLOGIES).index(with_technology)]
    main = by_industry[industry] + by_country[country] + by_size[bands(headcount)] + flags @ by_technology
    utility: Floats = main + extra * both
    return utility


def _history(spec: WorldSpec, frame: pd.DataFrame, owners: int) -> pd.DataFrame:
    """Headcount corrections and changes of owner; every change carries the value before it."""
    rng = spec.rng("account_history")
    parts = [
        _changes(spec, frame, "employee_count", 0.8, rng, owners),
        _changes(spec, frame, "owner_id", 0.25, rng, owners),
    ]
    rows = pd.concat(parts, ignore_index=True)
    return rows.sort_values(["changed", "account", "field"], kind="stable", ignore_index=True)


def _changes(
    spec: WorldSpec, frame: pd.DataFrame, field: str, a_year: float, rng: np.random.Generator, owners: int
) -> pd.DataFrame:
    created = frame["created"].to_numpy(np.int64)
    begin = np.maximum(spec.day_of(created) + 1, 0)
    span = np.maximum(spec.days - begin, 0)
    counts = rng.poisson(a_year * span / 365.0)
    if field == "employee_count":
        counts[frame["employee_count"].isna().to_numpy()] = 0
    account = np.repeat(np.arange(len(frame)), counts)
    day = begin[account] + np.floor(rng.random(len(account)) * span[account]).astype(np.int64)
    changed = spec.moment(day, rng)
    order = np.lexsort((changed, account))
    account, changed = account[order], changed[order]
    if field == "employee_count":
        before, after = _corrected(frame["employee_count"].to_numpy(np.float64), account, rng)
        old, new = [str(int(v)) for v in before], [str(int(v)) for v in after]
    else:
        steps = rng.integers(1, owners, len(account))
        total = _running(steps.astype(np.float64), account).astype(np.int64)
        first = frame["owner"].to_numpy(np.int64)[account]
        old = [f"own-{v:02d}" for v in (first + total - steps) % owners]
        new = [f"own-{v:02d}" for v in (first + total) % owners]
    rows = pd.DataFrame({"account": account, "field": field, "old_value": old, "new_value": new, "changed": changed})
    return rows[rows["old_value"] != rows["new_value"]]


def _corrected(first: Floats, account: Ints, rng: np.random.Generator) -> tuple[Floats, Floats]:
    steps = rng.normal(0.02, 0.09, len(account))
    total = _running(steps, account)
    start = first[account]
    before = np.maximum(1.0, np.round(start * np.exp(total - steps)))
    return before, np.maximum(1.0, np.round(start * np.exp(total)))


def _running(steps: Floats, account: Ints) -> Floats:
    """The running sum of the steps within each account; accounts lie together."""
    total: Floats = pd.Series(steps).groupby(account).cumsum().to_numpy(np.float64)
    return total


def value_at(first: pd.Series[str], history: pd.DataFrame, field: str, instant: int) -> pd.Series[str]:
    """The value of a tracked field just before an instant (microseconds): its first value, then its changes."""
    known = history[(history["field"] == field) & (history["changed"] < instant)]
    newest = known.groupby("account")["new_value"].last()
    values = first.copy()
    values.loc[newest.index] = newest
    return values


def never(n: int) -> Ints:
    """`n` instants that have not come."""
    return np.full(n, NEVER, dtype=np.int64)
