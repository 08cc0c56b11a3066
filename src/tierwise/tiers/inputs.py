"""What `decide` reads, checked and laid out as arrays, one entry an account, in account_id order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tierwise.config.policy import COVERAGE_BANDS, FIT_BANDS, STATUSES, Policy
from tierwise.errors import UsageError
from tierwise.tiers.bands import LEVELS, NONE, SCORE, Cuts, Flags, Floats, Instants, Ints, Words
from tierwise.tiers.segments import check_attributes, cuts_of, membership, numbers, open_to, reads_score

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
"""Columns of `decide`'s accounts, besides the attributes that the policy reads (and `account_score` and
`expected_value`, where a row asks for some); `owner_id` is passed through where it is there, and `merged_at` (when an
account was last merged into it) names that cause of a movement."""

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
    "moved_at",
    "by_rows",
    "override_until",
)
"""What the store keeps of a decision. `held`: the tier without a surge's lift or an override, from `held_since` on;
`standing`: the tier before capacity; `by_rows`: the tier before a surge, an override and capacity, and `moved_at` its
last change; `override_until`: the end of an override in force. The columns after `surge_ended` may be missing: they are
then read off the ones before, or, as `fit_score`, `signal_score` and `coverage` (for words only: what fell since),
taken as unknown."""


AT_ONCE = ("low_fit", "stale")
"""Steps that lower an account whatever time it has been in its tier."""


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
    merged_at: Instants
    """When an account was last merged into it; NaT where none was."""
    cuts: Cuts
    score: Floats
    """account_score; NaN where the policy does not read it."""
    open_to: tuple[Flags, ...]
    """By row of the policy, which accounts it may name, whatever their scores."""
    segment: Ints
    """The segment of the policy; -1 where it has none."""
    vertical: Ints
    """The strategic vertical of the policy; -1 where it has none."""

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
    moved_at: Instants
    """NaT where it never did."""
    unlifted: Ints
    """By rows and time-in-tier, before a surge, an override and capacity."""
    override_until: Instants
    """NaT where no override was in force."""


def text(column: pd.Series) -> Words:
    """A column as text; `""` for what is missing."""
    values: Words = column.astype(object).to_numpy(dtype=object, na_value="")
    return values


def instants(column: pd.Series) -> Instants:
    """A column as instants; NaT for what is missing."""
    read = pd.to_datetime(column, format="ISO8601") if column.dtype.kind not in "mM" else column
    values: Instants = read.to_numpy(dtype="datetime64[us]")
    return values


def codes(column: pd.Series, table: dict[str, int], missing: int | None, what: str) -> Ints:
    """Words as whole numbers; raises UsageError for one that the table does not have (`missing` None: nor a blank)."""
    places, distinct = pd.factorize(column)
    words = ["" if pd.isna(word) else str(word) for word in distinct] + [""] * bool((places < 0).any())
    known = table if missing is None else {**table, "": missing}
    strange = sorted(word for word in words if word not in known)
    if strange:
        raise UsageError(
            f"'{strange[0]}' stands as a {what}",
            found=f"a {what} is one of {', '.join(table)}",
            do="Give the frame that the matrix and the store make",
        )
    found: Ints = np.array([known[word] for word in words] or [0], dtype=np.int64)[places]
    return found


def _coverage(column: pd.Series) -> Ints:
    return codes(column, {band: i for i, band in enumerate(COVERAGE_BANDS)}, -1, "coverage")


def columns(frame: pd.DataFrame, wanted: tuple[str, ...], what: str) -> None:
    """Raise UsageError where a column is missing."""
    missing = [c for c in wanted if c not in frame.columns]
    if missing:
        raise UsageError(
            f"tiers were asked for, and the {what} have no column {', '.join(missing)}",
            found=f"they have {', '.join(map(str, frame.columns)) or 'none'}",
            do="Give every column by its name",
        )


def _once(frame: pd.DataFrame, what: str) -> None:
    if frame["account_id"].duplicated().any():
        twice = str(frame.loc[frame["account_id"].duplicated(), "account_id"].min())
        raise UsageError(
            f"account {twice} stands twice among the {what}",
            found="an account has one row at one as_of",
            do="Keep one row an account",
        )


def read_accounts(accounts: pd.DataFrame, policy: Policy, stand_in: float | None = None) -> Facts:
    """The accounts as arrays in account_id order.

    stand_in : the fit_score of eligible accounts whose fit is not known; None: every one must have its own.

    Raises
    ------
    UsageError : a column is missing, an account stands twice, a status or coverage is unknown, or an eligible account
        that nothing suppresses has no fit_score, signal_score or coverage.
    """
    columns(accounts, ACCOUNT_COLUMNS, "accounts")
    _once(accounts, "accounts")
    check_attributes(accounts, policy)
    ids = text(accounts["account_id"])
    frame = accounts.iloc[np.argsort(ids, kind="stable")]
    statuses = {"eligible": 0, **{s: LEVELS[s] for s in STATUSES}}
    level, fit = codes(frame["status"], statuses, None, "status"), numbers(frame["fit_score"])
    unknown = (level == 0) & np.isnan(fit) & (stand_in is not None)
    segment = membership(frame, [g.where for g in policy.segments])
    vertical = membership(frame, [v.where for v in policy.verticals])
    facts = Facts(
        account_id=text(frame["account_id"]),
        level=level,
        fit=np.where(unknown, np.nan if stand_in is None else stand_in, fit),
        fit_unknown=unknown,
        signal=numbers(frame["signal_score"]),
        propensity=numbers(frame["propensity"]),
        days=numbers(frame["days_since_signal"]),
        signals_7d=numbers(frame["signals_7d"]),
        prior_weekly=numbers(frame["signals_prior_weekly"]),
        contacts_7d=numbers(frame["contacts_7d"]),
        channels_7d=numbers(frame["channels_7d"]),
        coverage=_coverage(frame["coverage"]),
        roles=text(frame["roles_reached"]),
        excluded_by=text(frame["excluded_by"]),
        negative_trigger=text(frame["negative_trigger"]),
        owner_id=text(frame["owner_id"]) if "owner_id" in frame.columns else np.full(len(frame), "", dtype=object),
        merged_at=_merged_at(frame),
        cuts=cuts_of(policy, segment, vertical),
        score=numbers(frame[SCORE]) if reads_score(policy) else np.full(len(frame), np.nan),
        open_to=open_to(frame, policy, vertical),
        segment=segment,
        vertical=vertical,
    )
    blank = facts.eligible & (np.isnan(facts.fit) | np.isnan(facts.signal) | (facts.coverage < 0))
    if blank.any():
        raise UsageError(
            f"tiers were asked for {int(blank.sum())} eligible accounts without fit_score, signal_score or coverage",
            found=f"the first of them is {facts.account_id[blank][0]}",
            do="Score every eligible account first",
        )
    return facts


def _merged_at(frame: pd.DataFrame) -> Instants:
    never = np.full(len(frame), np.datetime64("NaT", "us"))
    return instants(frame["merged_at"]) if "merged_at" in frame.columns else never


def aligned(frame: pd.DataFrame, account_id: Words) -> pd.DataFrame:
    """The rows of a frame in the order of some accounts; missing values for an account that it does not have."""
    ids = text(frame["account_id"])
    if len(ids) == len(account_id) and bool(np.all(ids == account_id)):
        return frame
    return frame.set_index(pd.Index(ids, dtype=object)).reindex(pd.Index(account_id, dtype=object))


def read_state(state: pd.DataFrame, account_id: Words, as_of: np.datetime64) -> Prior:
    """The newest prior state, aligned with `account_id`; an empty frame is no state at all.

    Raises
    ------
    UsageError : a column is missing, an account stands twice, a tier is unknown, or a state is not before the as_of.
    """
    if len(state) == 0:
        state = pd.DataFrame({c: pd.Series(dtype=object) for c in STATE_COLUMNS})
    columns(state, REQUIRED_STATE, "states")
    _once(state, "states")
    late = instants(state["as_of"]) >= as_of
    if late.any():
        raise UsageError(
            f"tiers were asked for as of {as_of}",
            found=f"the state of account {text(state['account_id'])[late][0]} is not before it",
            do="Read the state with as_of before the run's",
        )
    frame = aligned(state, account_id).reindex(columns=list(STATE_COLUMNS))
    level = codes(frame["tier"], LEVELS, NONE, "tier")
    when, until, since = (instants(frame[c]) for c in ("as_of", "surge_until", "tier_since"))
    held_since = instants(frame["held_since"])
    lifted = (until > when) & (level > 0)
    held = _or_else(frame["held"], level - lifted)
    return Prior(
        level=level,
        tier_since=since,
        as_of=when,
        row=text(frame["row"]),
        surge_until=until,
        surge_ended=instants(frame["surge_ended"]),
        held=held,
        held_since=np.where(np.isnat(held_since), since, held_since),
        standing=_or_else(frame["standing"], level),
        fit_band=codes(frame["fit_band"], {b: i for i, b in enumerate(FIT_BANDS)}, -1, "fit_band"),
        model_version=text(frame["model_version"]),
        policy_version=text(frame["policy_version"]),
        fit_score=numbers(frame["fit_score"]),
        signal_score=numbers(frame["signal_score"]),
        coverage=_coverage(frame["coverage"]),
        moved_at=instants(frame["moved_at"]),
        unlifted=_or_else(frame["by_rows"], held),
        override_until=instants(frame["override_until"]),
    )


def _or_else(column: pd.Series, otherwise: Ints) -> Ints:
    levels = codes(column, LEVELS, NONE, "tier")
    return np.where(levels == NONE, otherwise, levels)
