"""Matrices made by hand from seeded numpy, with a truth that is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from tierwise.config.plan import Plan
from tierwise.features.feature import Feature
from tierwise.features.matrix import Matrix
from tierwise.learning import Affine, PropensityModel, Scorecard, point_table

INDUSTRY = Feature("industry", "fit", "category", "", "industry is {value}", missing="never")
REGION = Feature("region", "fit", "category", "", "region is {value}")
SIZE = Feature("employee_count", "fit", "number", "employees", "{value} employees", missing="never")
TECH = Feature("tech_c++", "fit", "flag", "", "uses C++: {value}")
WEB = Feature("web_30d", "signal", "number", "activities", "{value} web activities in the last 30 days", 30)
RECENCY = Feature("days_since_web", "signal", "number", "days", "last web activity {value} days ago")
EMAIL = Feature("email_90d", "signal", "number", "activities", "{value} e-mail activities in the last 90 days", 90)
FEATURES = (INDUSTRY, REGION, SIZE, TECH, WEB, RECENCY, EMAIL)


def plan(**model: object) -> Plan:
    """A plan whose model section is given."""
    return Plan.model_validate({"plan": "sample", "model": {"folds": 3, **model}})


def point_lines(card: Scorecard, rows: pd.DataFrame) -> pd.DataFrame:
    """A scorecard's point table without its base, uncalibrated; rows of no account are one account each."""
    named = pd.DataFrame({"account_id": np.arange(len(rows)).astype(str), "outcome": 0.0}, index=rows.index)
    model = PropensityModel("scorecard", card, Affine(0.0, 1.0), {}, 90, datetime(2025, 1, 1, tzinfo=UTC))
    lines = point_table(model, rows.assign(**named[named.columns.difference(rows.columns)]))
    assert lines is not None
    return lines.iloc[1:]


def side_sums(contributions: pd.DataFrame, features: Sequence[Feature]) -> tuple[np.ndarray, np.ndarray]:
    """The sums of the fit side's and of the signal side's contributions, row by row."""
    parts, signal = contributions.to_numpy(dtype=np.float64), np.array([f.side == "signal" for f in features])
    return parts[:, ~signal].sum(axis=1), parts[:, signal].sum(axis=1)


def matrix(
    accounts: int = 400,
    months: int = 14,
    seed: int = 0,
    strength: float = 1.0,
    features: tuple[Feature, ...] = FEATURES,
    horizon_days: int = 90,
    instants: str = "grid",
) -> Matrix:
    """Accounts x months eligible, mature rows; strength 0 makes outcomes pure chance."""
    r = np.random.default_rng(seed)
    n = accounts * months
    account = np.tile(np.arange(accounts), months)
    as_of = np.repeat(pd.date_range("2024-01-01", periods=months, freq="MS").to_numpy(), accounts)
    as_of = as_of.astype("datetime64[us]")
    if instants == "own":
        as_of = as_of + r.integers(0, 27 * 86_400, n).astype("timedelta64[s]")
    industry = r.integers(0, 5, accounts)[account]
    size = np.exp(r.normal(5, 1.5, accounts))[account].round()
    rate = np.exp(r.normal(0, 1, accounts))[account]
    web, email = r.poisson(rate).astype(float), r.poisson(1.0, n).astype(float)
    columns = {
        "industry": np.array([f"i{k}" for k in industry], dtype=object),
        "region": np.array(["north", "south", "", "west"], dtype=object)[r.integers(0, 4, n)],
        "employee_count": size,
        "tech_c++": r.integers(0, 2, accounts)[account].astype(float),
        "web_30d": web,
        "days_since_web": np.where(web > 0, r.exponential(10, n).round(), np.nan),
        "email_90d": email,
    }
    columns["industry"][r.random(n) < 0.05] = None
    columns["region"][r.random(n) < 0.05] = None
    columns["employee_count"] = np.where(r.random(n) < 0.05, np.nan, size)
    z = -2.6 + strength * (0.4 * (np.log1p(size) - 5) + 0.9 * (np.log1p(web) - 0.7) + 0.4 * (industry - 2))
    y = (r.random(n) < 1 / (1 + np.exp(-z))).astype(float)
    frame = pd.DataFrame(
        {
            "account_id": np.array([f"a{k:05d}" for k in account]),
            "as_of": as_of,
            "family_id": np.array([f"f{k // 2:05d}" for k in account]),
            "status": "eligible",
            **{f.name: columns[f.name] for f in features},
            "days_since_signal": columns["days_since_web"],
            "value_as_of_employee_count": as_of - np.timedelta64(10, "D"),
            "outcome": y,
            "outcome_at": np.where(y == 1, as_of + np.timedelta64(5, "D"), np.datetime64("NaT", "us")),
        }
    )
    frame = frame.sort_values(["as_of", "account_id"], kind="stable").reset_index(drop=True)
    return Matrix(frame, features, horizon_days)
