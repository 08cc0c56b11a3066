"""Whose thresholds an account has: its segment's, its strategic vertical's, and the rows that may name it at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tierwise.config.policy import Policy, Within
from tierwise.errors import UsageError
from tierwise.tiers.bands import SCORE, Cuts, Flags, Floats, Ints


def check_attributes(accounts: pd.DataFrame, policy: Policy) -> None:
    """Raise UsageError where the policy reads an attribute, a score or an expected value that the accounts have not."""
    if reads_score(policy) and SCORE not in accounts.columns:
        raise UsageError(
            "a row of the policy asks for a least account_score",
            found="these accounts have none",
            do="Give the column account_score beside fit_score and signal_score",
        )
    valued = any("expected_value" in row.least for row in policy.rows)
    if valued and "expected_value" not in accounts.columns:
        raise UsageError(
            "a row of the policy asks for a least expected_value",
            found="these accounts have none: past dates are scored without, as today's amounts would tell the future",
            do="Leave that row's least out of the policy that is replayed or tuned",
        )
    missing = [name for name in policy.attributes if name not in accounts.columns]
    if missing:
        raise UsageError(
            f"the policy reads {', '.join(missing)}",
            found="the accounts have no such attribute",
            do="Name attributes that stand under features: fit: in model.yaml",
        )


def reads_score(policy: Policy) -> bool:
    """Whether a row asks for a least account_score."""
    return any(SCORE in row.least for row in policy.rows)


def membership(accounts: pd.DataFrame, wheres: Sequence[Mapping[str, Within | tuple[str, ...]]]) -> Ints:
    """The first of some conditions that each account meets, as an index; -1 where it meets none."""
    first = np.full(len(accounts), -1, dtype=np.int64)
    for i in range(len(wheres) - 1, -1, -1):
        first[_meets(accounts, wheres[i])] = i
    return first


def _meets(accounts: pd.DataFrame, where: Mapping[str, Within | tuple[str, ...]]) -> Flags:
    meets = np.ones(len(accounts), dtype=bool)
    for name, wanted in where.items():
        if isinstance(wanted, Within):
            values = numbers(accounts[name])
            meets &= ~np.isnan(values)
            meets &= values >= (-np.inf if wanted.at_least is None else wanted.at_least)
            meets &= values < (np.inf if wanted.below is None else wanted.below)
        else:
            meets &= accounts[name].astype(object).isin(wanted).to_numpy(dtype=bool)
    return meets


def numbers(column: pd.Series) -> Floats:
    """A column as numbers; NaN where it holds none."""
    values: Floats = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def cuts_of(policy: Policy, segment: Ints, vertical: Ints) -> Cuts:
    """Each account's cuts: its segment's or else the policy's, lowered by what its strategic vertical says."""
    sets = [*(policy.bands_of(g) for g in policy.segments), policy.bands]
    lower_fit = np.array([*(v.lower.fit for v in policy.verticals), 0.0])[vertical]
    lower_signal = np.array([*(v.lower.signal for v in policy.verticals), 0.0])[vertical]

    def each(side: str, name: str, lower: Floats) -> Floats:
        values: Floats = np.array([getattr(getattr(bands, side), name) for bands in sets], dtype=np.float64)
        return values[segment] - lower

    return Cuts(
        fit=tuple(each("fit", name, lower_fit) for name in ("moderate", "high")),
        signal=tuple(each("signal", name, lower_signal) for name in ("early", "moderate", "high")),
    )


def open_to(accounts: pd.DataFrame, policy: Policy, vertical: Ints) -> tuple[Flags, ...]:
    """By row of the policy, which accounts it may name, whatever their scores: of its verticals, and with the least
    values it asks for."""
    flags = []
    for row in policy.rows:
        may = np.ones(len(accounts), dtype=bool)
        if row.verticals:
            may &= np.isin(vertical, [policy.vertical_names.index(v) for v in row.verticals])
        for name, least in row.least.items():
            if name == SCORE:
                continue
            may &= numbers(accounts[name]) >= least
        flags.append(may)
    return tuple(flags)
