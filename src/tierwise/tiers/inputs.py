"""What `decide` reads, checked and laid out as arrays, one entry an account, in account_id order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tierwise.config.policy import COVERAGE_BANDS, FIT_BANDS, STATUSES
from tierwise.errors import UsageError
from tierwise.tiers.bands import LEVELS, NONE, Flags, Floats, Instants, Ints, Words

ACCOUNT_COLUMNS = (
    "account_id",
    "status",
    "fit_score",
    "signal_score",
    "propensity",
    "days_since_signal",
    "signals_7d",
    "signals_prior_weekly",
    "contacts_7d",
    "channels_7d",
    "coverage",
    "roles_reached",
    "excluded_by",
    "negative_trigger",
)
"""Columns of `decide`'s accounts; `owner_id` is passed through where it is there."""

REQUIRED_STATE = ("account_id", "as_of", "tier", "tier_since", "row", "surge_until", "surge_ended")
STATE_COLUMNS = (
    *REQUIRED_STATE,
    "held",
    "held_since",
    "standing",
    "fit_band",
    "model_version",
    "policy_version",
    "fit_score",
    "signal_score",
    "coverage",
)
"""What the store keeps of a decision. `held`: the tier without a surge's lift, from `held_since` on; `standing`: the
tier before capacity. The columns after `surge_ended` may be missing: they are then read off the ones before, or, as
`fit_score`, `signal_score` and `coverage` (for words only: what fell since), taken as unknown."""


@dataclass(frozen=True)
class Facts:
    """The accounts of one as_of."""

    account_id: Words
    level: Ints
    """0 where eligible, else the level of the status."""
    fit: Floats
    """Of an eligible account whose fit is not known, the score that stands in for it."""
    fit_unknown: Flags
    signal: Floats
    propensity: Floats
    days: Floats
    signals_7d: Floats
    prior_weekly: Floats
    contacts_7d: Floats
    channels_7d: Floats
    coverage: Ints
    roles: Words
    excluded_by: Words
    negative_trigger: Words
    owner_id: Words

    @property
    def suppressed(self) -> Flags:
        """Whether an exclusion or a negative trigger is in force."""
        return np.asarray((self.excluded_by != "") | (self.negative_trigger != ""), dtype=bool)

    @property
    def eligible(self) -> Flags:
        """Whether the tier rows apply at all: in the cohort and not suppressed."""
        return np.asarray((self.level == 0) & ~self.suppressed, dtype=bool)


@dataclass(frozen=True)
class Prior:
    """The newest state of each account before the as_of; level NONE where there is none."""

    level: Ints
    tier_since: Instants
    as_of: Instants
    row: Words
    surge_until: Instants
    surge_ended: Instants
    held: Ints
    held_since: Instants
    standing: Ints
    fit_band: Ints
    """-1 where unknown."""
    model_version: Words
    policy_version: Words
    fit_score: Floats
    signal_score: Floats
    """NaN where unknown."""
    coverage: Ints
    """-1 where unknown."""


def _text(column: pd.Series) -> Words:
    values: Words = column.astype(object).to_numpy(dtype=object, na_value="")
    return values


def _numbers(column: pd.Series) -> Floats:
    values: Floats = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def _instants(column: pd.Series) -> Instants:
    values: Instants = pd.to_datetime(column).to_numpy(dtype="datetime64[us]")
    return values


def _codes(values: Words, table: dict[str, int], missing: float, what: str) -> Ints:
    codes: Floats = pd.Series(values, dtype=object).map({**table, "": missing}).to_numpy(dtype=np.float64)
    if np.isnan(codes).any():
        strange = sorted({str(v) for v in values[np.isnan(codes)]})[:3]
        raise UsageError(
            f"'{strange[0]}' stands as a {what}",
            found=f"a {what} is one of {', '.join(table)}",
            do="Give the frame that the matrix and the store make",
        )
    return codes.astype(np.int64)


def _coverage(column: pd.Series) -> Ints:
    return _codes(_text(column), {band: i for i, band in enumerate(COVERAGE_BANDS)}, -1, "coverage")


def _columns(frame: pd.DataFrame, wanted: tuple[str, ...], what: str) -> None:
    missing = [c for c in wanted if c not in frame.columns]
    if missing:
        raise UsageError(
            f"tiers were asked for, and the {what} have no column {', '.join(missing)}",
            found=f"they have {', '.join(map(str, frame.columns)) or 'none'}",
            do="Give every column by its name",
        )
    if frame["account_id"].duplicated().any():
        twice = str(frame.loc[frame["account_id"].duplicated(), "account_id"].min())
        raise UsageError(
            f"account {twice} stands twice among the {what}",
            found="an account has one row at one as_of",
            do="Keep one row an account",
        )


def read_accounts(accounts: pd.DataFrame, stand_in: float | None = None) -> Facts:
    """The accounts as arrays in account_id order.

    stand_in : the fit_score of eligible accounts whose fit is not known; None: every one must have its own.

    Raises
    ------
    UsageError : a column is missing, an account stands twice, a status or coverage is unknown, or an eligible account
        that nothing suppresses has no fit_score, signal_score or coverage.
    """
    _columns(accounts, ACCOUNT_COLUMNS, "accounts")
    ids = _text(accounts["account_id"])
    frame = accounts.iloc[np.argsort(ids, kind="stable")]
    statuses = {"eligible": 0, **{s: LEVELS[s] for s in STATUSES}}
    level, fit = _codes(_text(frame["status"]), statuses, np.nan, "status"), _numbers(frame["fit_score"])
    unknown = (level == 0) & np.isnan(fit) & (stand_in is not None)
    facts = Facts(
        account_id=_text(frame["account_id"]),
        level=level,
        fit=np.where(unknown, np.nan if stand_in is None else stand_in, fit),
        fit_unknown=unknown,
        signal=_numbers(frame["signal_score"]),
        propensity=_numbers(frame["propensity"]),
        days=_numbers(frame["days_since_signal"]),
        signals_7d=_numbers(frame["signals_7d"]),
        prior_weekly=_numbers(frame["signals_prior_weekly"]),
        contacts_7d=_numbers(frame["contacts_7d"]),
        channels_7d=_numbers(frame["channels_7d"]),
        coverage=_coverage(frame["coverage"]),
        roles=_text(frame["roles_reached"]),
        excluded_by=_text(frame["excluded_by"]),
        negative_trigger=_text(frame["negative_trigger"]),
        owner_id=_text(frame["owner_id"]) if "owner_id" in frame.columns else np.full(len(frame), "", dtype=object),
    )
    blank = facts.eligible & (np.isnan(facts.fit) | np.isnan(facts.signal) | (facts.coverage < 0))
    if blank.any():
        raise UsageError(
            f"tiers were asked for {int(blank.sum())} eligible accounts without fit_score, signal_score or coverage",
            found=f"the first of them is {facts.account_id[blank][0]}",
            do="Score every eligible account first",
        )
    return facts


def read_state(state: pd.DataFrame, account_id: Words, as_of: np.datetime64) -> Prior:
    """The newest prior state, aligned with `account_id`; an empty frame is no state at all.

    Raises
    ------
    UsageError : a column is missing, an account stands twice, a tier is unknown, or a state is not before the as_of.
    """
    if len(state) == 0:
        state = pd.DataFrame({c: pd.Series(dtype=object) for c in STATE_COLUMNS})
    _columns(state, REQUIRED_STATE, "states")
    late = _instants(state["as_of"]) >= as_of
    if late.any():
        raise UsageError(
            f"tiers were asked for as of {as_of}",
            found=f"the state of account {_text(state['account_id'])[late][0]} is not before it",
            do="Read the state with as_of before the run's",
        )
    keyed = state.set_index(pd.Index(_text(state["account_id"]), dtype=object))
    frame = keyed.reindex(index=pd.Index(account_id, dtype=object), columns=list(STATE_COLUMNS))
    level = _codes(_text(frame["tier"]), LEVELS, NONE, "tier")
    when, until, since = (_instants(frame[c]) for c in ("as_of", "surge_until", "tier_since"))
    held_since = _instants(frame["held_since"])
    lifted = (until > when) & (level > 0)
    return Prior(
        level=level,
        tier_since=since,
        as_of=when,
        row=_text(frame["row"]),
        surge_until=until,
        surge_ended=_instants(frame["surge_ended"]),
        held=_or_else(frame["held"], level - lifted),
        held_since=np.where(np.isnat(held_since), since, held_since),
        standing=_or_else(frame["standing"], level),
        fit_band=_codes(_text(frame["fit_band"]), {b: i for i, b in enumerate(FIT_BANDS)}, -1, "fit_band"),
        model_version=_text(frame["model_version"]),
        policy_version=_text(frame["policy_version"]),
        fit_score=_numbers(frame["fit_score"]),
        signal_score=_numbers(frame["signal_score"]),
        coverage=_coverage(frame["coverage"]),
    )


def _or_else(column: pd.Series, otherwise: Ints) -> Ints:
    codes = _codes(_text(column), LEVELS, NONE, "tier")
    return np.where(codes == NONE, otherwise, codes)
