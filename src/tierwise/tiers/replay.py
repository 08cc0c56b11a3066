"""A policy run over past dates: what each tier held and was worth, how accounts moved, and what the rules cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from tierwise.config.policy import Policy
from tierwise.errors import UsageError
from tierwise.tiers.bands import Floats
from tierwise.tiers.decide import decide, next_state
from tierwise.tiers.segments import numbers
from tierwise.tiers.tally import Figures, Tally

NO_STATE = pd.DataFrame()


@dataclass(frozen=True)
class Past:
    """One past date: the accounts as `decide` reads them, and what came of each, row by row.

    outcome: 1.0 or 0.0, NaN where the horizon has not closed, which is never a label (law 2). amount: what the outcome
    brought, NaN where that is not known or there was none; None: amounts are not known at all.
    """

    as_of: datetime
    accounts: pd.DataFrame
    outcome: Floats
    amount: Floats | None = None
    model_version: str = ""
    owners: pd.DataFrame | None = None
    """As `decide` reads them, where the policy reads owners' capacity."""

    def __post_init__(self) -> None:
        for name, values in (("outcome", self.outcome), ("amount", self.amount)):
            if values is not None and len(values) != len(self.accounts):
                raise UsageError(
                    f"the {name} of {len(values):,} rows stands beside {len(self.accounts):,} accounts",
                    do="Give one for each account, in their order",
                )

    def ordered(self) -> Past:
        """The same in account_id order, in which decisions come."""
        if self.accounts["account_id"].is_monotonic_increasing:
            return self
        order = np.argsort(self.accounts["account_id"].to_numpy(dtype=object), kind="stable")
        amount = None if self.amount is None else self.amount[order]
        frame = self.accounts.iloc[order].reset_index(drop=True)
        return Past(self.as_of, frame, self.outcome[order], amount, self.model_version, self.owners)


@dataclass(frozen=True)
class Replayed:
    """What a policy came to over past dates: its figures, and the state after the last date."""

    policy_version: str
    figures: Figures
    state: pd.DataFrame


def replay(
    frames: Iterable[Past], policy: Policy, state: pd.DataFrame = NO_STATE, *, counted_from: datetime | None = None
) -> Replayed:
    """Run a policy over past dates, oldest first, carrying its state; frames are read one at a time and let go.

    state: that before the first date; without one, an account's first tier is no movement. counted_from: figures are
    those of the dates from then on; of the ones before only what accounts bring along counts: where they stand, and
    which tiers they left.

    Raises
    ------
    UsageError : there is no date, none that counts, or one does not follow the one before it.
    """
    tally, last = Tally(), None
    for given in frames:
        past = given.ordered()
        if last is not None and past.as_of <= last:
            raise UsageError(
                f"a replay of {past.as_of.date()} was asked for after {last.date()}",
                do="Give the dates oldest first, each once",
            )
        last = past.as_of
        decided = _decided(past, state, policy)
        if counted_from is None or past.as_of >= counted_from:
            propensity = numbers(past.accounts["propensity"])
            tally.add(past.as_of, decided, propensity, past.outcome, past.amount, past.model_version)
        else:
            tally.pass_over(past.as_of, decided)
        state = next_state(decided)
    if last is None:
        raise UsageError("a replay was asked for", found="there is no past date", do="Give one date or more")
    if counted_from is not None and last < counted_from:
        raise UsageError(
            f"dates from {counted_from.date()} on were to be counted", found="there is none", do="Give an earlier one"
        )
    return Replayed(policy.version(), tally.figures(), state)


def _decided(past: Past, state: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """The decisions of one date; the one place where a replay calls `decide`."""
    return decide(
        past.accounts, state, policy, past.as_of, model_version=past.model_version, owners=past.owners, words=False
    )
